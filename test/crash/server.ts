// The process that is killed: the real `proofdns serve` with one hook. At the asked point it writes the point down and
// ends itself so that not one more statement runs.
import { openSync, writeSync } from "node:fs";
import { runServe, type ServeOptions, type ServeSeams } from "../../src/cli/serve.ts";
import type { ServiceOptions } from "../../src/service/service.ts";

/** What the parent asks for, as JSON in the first argument. */
export interface CrashOrder {
  readonly serve: ServeOptions;
  /** File that all points are appended to. */
  readonly pointLog: string;
  /** `<step> <epoch>`; without it the process lives until it is killed from outside. Work in the background is killed there or later. */
  readonly killAt: string | undefined;
  /** Writes files and sorts the tree after each epoch. */
  readonly isBusy: boolean;
}

/** Steps of the work in the background, which may leave out an epoch. */
const BACKGROUND = ["flushing", "values written", "paths written", "flushed", "sorting", "sorted"];

const { serve, pointLog, killAt, isBusy } = JSON.parse(process.argv[2] as string) as CrashOrder;
const file = openSync(pointLog, "as");

const hooks: ServeSeams["hooks"] & Pick<ServiceOptions, "poll"> = {
  onStep: (step, epoch) => {
    const point = `${step} ${epoch}`;
    writeSync(file, `${point}\n`);
    if (point !== killAt && !(BACKGROUND.includes(step) && isPast(step, epoch))) return;
    process.kill(process.pid, "SIGKILL");
    for (;;);
  },
  // The command line takes whole seconds; a hundred of them would be most of the run.
  poll: 0.2,
};
if (isBusy) Object.assign(hooks, { flushAfter: 1, sortAlways: true });

/** True if the kill was to be at this step, of this epoch or one before. */
function isPast(step: string, epoch: number): boolean {
  if (killAt === undefined) return false;
  const at = killAt.lastIndexOf(" ");
  return killAt.slice(0, at) === step && Number(killAt.slice(at + 1)) <= epoch;
}

await runServe(serve, { hooks, print: (line) => console.log(line) });
