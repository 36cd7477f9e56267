// The process that is killed: `proofdns snapshot save` or `load` with one hook (see server.ts).
import { openSync, writeSync } from "node:fs";
import { type LoadOptions, runLoad, runSave } from "../../src/cli/snapshot.ts";

/** What the parent asks for, as JSON in the first argument. */
export interface SnapshotOrder {
  readonly mode: "save" | "load";
  readonly folder: string;
  readonly options: LoadOptions;
  /** File that all points are appended to. */
  readonly pointLog: string;
  /** A step; without it the process ends by itself. */
  readonly killAt: string | undefined;
}

const { mode, folder, options, pointLog, killAt } = JSON.parse(process.argv[2] as string) as SnapshotOrder;
const file = openSync(pointLog, "as");
const seams = {
  onStep: (step: string): void => {
    writeSync(file, `${step}\n`);
    if (step !== killAt) return;
    process.kill(process.pid, "SIGKILL");
    for (;;);
  },
  print: (line: string): void => console.log(line),
};
await (mode === "save" ? runSave(folder, options.data, seams) : runLoad(folder, options, seams));
