/**
 * `npm run bench [-- --short]`: what a lookup costs on both sides, each figure also as a ratio to a yardstick of the same run:
 * the one-shot `crypto.hash` of 67 bytes, an inner node of the tree. Machines differ; ratios do so less.
 */
import { hash } from "node:crypto";
import benny from "benny";
import { makeSampleRecords } from "../src/cli/sample-records.ts";
import { verifyAnswer, verifyHead } from "../src/client/verify/index.ts";
import { ed25519 as nobleEd25519 } from "../src/vindex/ed25519.ts";
import { nodeSha256 } from "../src/vindex/platform.ts";
import { PrefixTree } from "../src/vindex/prefix-tree.ts";
import { sha256 as nobleSha256 } from "../src/vindex/sha256.ts";
import { TreeSlab } from "../src/vindex/tree-slab.ts";
import { makeWorld } from "./world.ts";

const isShort = process.argv.includes("--short");
const options = isShort ? { minSamples: 5, maxTime: 0.2 } : { minSamples: 30, maxTime: 2 };

const world = makeWorld(makeSampleRecords(1, isShort ? 450 : 4500));
const inner = new Uint8Array(67);
const indexKeys = world.indexKeys;
const slab = TreeSlab.empty();
slab.accept(slab.update(world.pairs));
let next = 0;
const anyKey = (): Uint8Array => indexKeys[next++ % indexKeys.length] as Uint8Array;
const changes = indexKeys.slice(0, 200).map((indexKey) => ({ indexKey, value: new Uint8Array(200).fill(next++) }));

const YARDSTICK = "yardstick: one-shot crypto.hash of 67 bytes";
const summary = await benny.suite(
  `${world.tree.size} subjects, ${world.recordCount} records`,
  benny.add(
    YARDSTICK,
    () => {
      hash("sha256", inner, "latin1" as "hex");
    },
    options,
  ),
  benny.add(
    "prove: answer with inclusion proof",
    () => {
      world.answers.moduleAnswer(anyKey());
    },
    options,
  ),
  benny.add(
    "reply: whole DNS response to a module query",
    () => {
      world.reply();
    },
    options,
  ),
  benny.add(
    "verify answer, node:crypto",
    () => {
      verifyAnswer({ ...world.answerInput, trust: world.trust(nodeSha256, world.ed25519) });
    },
    options,
  ),
  benny.add(
    "verify answer, noble",
    () => {
      verifyAnswer({ ...world.answerInput, trust: world.trust(nobleSha256, nobleEd25519) });
    },
    options,
  ),
  benny.add(
    "verify head (3 signatures), node:crypto",
    () => {
      verifyHead({ ...world.headInput, trust: world.trust(nodeSha256, world.ed25519) });
    },
    options,
  ),
  benny.add(
    "verify head (3 signatures), noble",
    () => {
      verifyHead({ ...world.headInput, trust: world.trust(nobleSha256, nobleEd25519) });
    },
    options,
  ),
  benny.add(
    "tree: update of 200 keys",
    () => {
      slab.discard(slab.update(changes));
    },
    options,
  ),
  benny.add(
    "tree: build from scratch",
    () => {
      PrefixTree.of(world.pairs, nodeSha256);
    },
    options,
  ),
);

const yardstick = summary.results.find(({ name }) => name === YARDSTICK)?.ops ?? Number.NaN;
console.log(
  `\n${process.version}, ${process.platform} ${process.arch}; one yardstick hash: ${(1e6 / yardstick).toFixed(2)} µs`,
);
console.log("| what | µs | yardsticks |\n|---|---|---|");
for (const { name, ops } of summary.results) {
  console.log(`| ${name} | ${(1e6 / ops).toFixed(1)} | ${(yardstick / ops).toFixed(1)} |`);
}
console.log(
  `\nanswer: ${world.answerInput.untrustedAnswer.length} bytes of payload; head: ${world.headInput.untrustedHead.length}`,
);
