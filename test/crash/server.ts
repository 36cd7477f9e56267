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
  /** `<step> <epoch>`; without it the process lives until it is killed from outside. */
  readonly killAt: string | undefined;
}

const { serve, pointLog, killAt } = JSON.parse(process.argv[2] as string) as CrashOrder;
const file = openSync(pointLog, "as");

const hooks: ServeSeams["hooks"] & Pick<ServiceOptions, "poll"> = {
  onStep: (step, epoch) => {
    const point = `${step} ${epoch}`;
    writeSync(file, `${point}\n`);
    if (point !== killAt) return;
    process.kill(process.pid, "SIGKILL");
    for (;;);
  },
  // The command line takes whole seconds; a hundred of them would be most of the run.
  poll: 0.2,
};
await runServe(serve, { hooks, print: (line) => console.log(line) });
