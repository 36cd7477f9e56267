/**
 * `npm run bench [-- [tree] [pipeline] [lookup] [--short | --docs]]`: what the index costs, part by part, or all parts. Prints tables,
 * and writes each part as JSON into build/bench. `--short` runs every part, small, in under a minute: it shows that they
 * run, and judges little. `--docs` writes the tables into docs/performance.md. Exits with 1 if a goal is missed, 2 for bad usage.
 */
import { parseArgs } from "node:util";
import { benchLookup } from "./lookup.ts";
import { benchPipeline } from "./pipeline/run.ts";
import { benchTree } from "./tree/run.ts";

const PARTS = { tree: benchTree, pipeline: benchPipeline, lookup: benchLookup };

const { values, positionals } = parseArgs({
  options: { short: { type: "boolean", default: false }, docs: { type: "boolean", default: false } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !Object.hasOwn(PARTS, name));
if (unknown.length > 0) {
  console.error(`no part ${unknown.join(", ")}; there are ${Object.keys(PARTS).join(", ")}`);
  process.exit(2);
}
let isReached = true;
for (const [name, bench] of Object.entries(PARTS)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  if (!(await bench(values))) isReached = false;
}
if (!isReached) process.exitCode = 1;
