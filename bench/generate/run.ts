// Writes an invented checksum database as a folder of tiles, for builds at any size.
//
//     tsx bench/generate/run.ts --out DIR --records N --modules M [--seed S] [--workers W] [--hash-tiles]
import { parseArgs } from "node:util";
import { generateSumdb } from "./generate.ts";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    records: { type: "string" },
    modules: { type: "string" },
    seed: { type: "string", default: "1" },
    workers: { type: "string", default: "4" },
    "hash-tiles": { type: "boolean", default: false },
  },
});

function numberOf(name: "records" | "modules" | "seed" | "workers"): number {
  const text = values[name];
  if (text === undefined || !/^[0-9]{1,12}$/.test(text)) throw new Error(`--${name}: give a number`);
  return Number(text);
}

if (values.out === undefined) throw new Error("--out: give a directory");
const started = performance.now();
const records = numberOf("records");
let shown = started;
const made = await generateSumdb({
  out: values.out,
  records,
  modules: numberOf("modules"),
  seed: numberOf("seed"),
  workers: numberOf("workers"),
  hashTiles: values["hash-tiles"],
  onProgress(done) {
    if (performance.now() - shown < 2000) return;
    shown = performance.now();
    console.error(`${done} of ${records} records`);
  },
});
const seconds = (performance.now() - started) / 1000;
const { verifierKey, treeHead, malformed } = made;
console.log(
  JSON.stringify({
    records,
    modules: numberOf("modules"),
    malformed,
    verifierKey,
    rootHash: Buffer.from(treeHead.rootHash).toString("base64"),
    seconds: Math.round(seconds * 100) / 100,
    recordsPerSecond: Math.round(records / seconds),
  }),
);
