// One life of a build, for test/crash/build.ts: kills itself at a step of the given name.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildIndex } from "../../src/build/build.ts";
import { openTiles } from "../../src/build/sources.ts";
import { parseVerifierKey } from "../../src/vindex/note.ts";

/** What the parent asks for. */
export interface BuildOrder {
  readonly folder: string;
  readonly tiles: string;
  readonly workers: number;
  readonly partitionBits: number;
  /** Name of the step to be killed at. */
  readonly killAt: string | undefined;
}

const order = JSON.parse(process.argv[2] as string) as BuildOrder;
const sumdbKey = parseVerifierKey(readFileSync(join(order.tiles, "key"), "utf8").trim());
const steps: string[] = [];
const report = await buildIndex({
  folder: order.folder,
  ...openTiles(order.tiles, sumdbKey),
  sumdbKey,
  workers: order.workers,
  partitionBits: order.partitionBits,
  memory: 2 ** 30,
  now: 1_700_000_000,
  pace: 0,
  onStep(step) {
    const name = step.replace(order.folder, "");
    steps.push(name);
    if (name === order.killAt) process.kill(process.pid, "SIGKILL");
  },
});
console.log(JSON.stringify({ mapRoot: report.mapRoot, steps }));
