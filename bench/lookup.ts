import { hash } from "node:crypto";
import benny from "benny";
import { makeSampleRecords } from "../src/cli/sample-records.ts";
import { verifyAnswer, verifyHead } from "../src/client/verify/index.ts";
import { ed25519Verifier as nobleEd25519 } from "../src/vindex/ed25519.ts";
import { nodeSha256 } from "../src/vindex/platform.ts";
import { sha256 as nobleSha256 } from "../src/vindex/sha256.ts";
import { deepen, SIBLINGS } from "./deep-answer.ts";
import { type BenchOptions, formatFigure, formatTable, Report } from "./report.ts";
import { makeWorld } from "./world.ts";
import { NODE_INPUT } from "./yardsticks.ts";

/** What a lookup costs on both sides, in a map of a few thousand modules; each figure also as a ratio to a hash. */
export async function benchLookup(options: BenchOptions): Promise<boolean> {
  const report = new Report("lookup", options);
  const { short: isShort } = options;
  const sampling = isShort ? { minSamples: 5, maxTime: 0.2 } : { minSamples: 30, maxTime: 2 };

  const world = makeWorld(makeSampleRecords(1, isShort ? 450 : 4500));
  const deep = deepen(world.answerInput, nodeSha256);
  const DEEP = `verify answer of ${SIBLINGS} siblings, noble`;
  const inner = new Uint8Array(NODE_INPUT);
  const indexKeys = world.indexKeys;
  let next = 0;
  const anyKey = (): Uint8Array => indexKeys[next++ % indexKeys.length] as Uint8Array;

  const YARDSTICK = "yardstick: one-shot crypto.hash of 66 bytes";
  const summary = await benny.suite(
    `${world.tree.size} subjects, ${world.recordCount} records`,
    benny.add(
      YARDSTICK,
      () => {
        hash("sha256", inner, "latin1" as "hex");
      },
      sampling,
    ),
    benny.add(
      "prove: answer with inclusion proof",
      () => {
        world.answers.moduleAnswer(anyKey());
      },
      sampling,
    ),
    benny.add(
      "reply: whole DNS response to a module query",
      () => {
        world.reply();
      },
      sampling,
    ),
    benny.add(
      "verify answer, node:crypto",
      () => {
        verifyAnswer({ ...world.answerInput, trust: world.trust(nodeSha256, world.ed25519) });
      },
      sampling,
    ),
    benny.add(
      "verify answer, noble",
      () => {
        verifyAnswer({ ...world.answerInput, trust: world.trust(nobleSha256, nobleEd25519) });
      },
      sampling,
    ),
    benny.add(
      `verify answer of ${SIBLINGS} siblings, node:crypto`,
      () => {
        verifyAnswer({ ...deep, trust: world.trust(nodeSha256, world.ed25519) });
      },
      sampling,
    ),
    benny.add(
      DEEP,
      () => {
        verifyAnswer({ ...deep, trust: world.trust(nobleSha256, nobleEd25519) });
      },
      sampling,
    ),
    benny.add(
      "verify head (3 signatures), node:crypto",
      () => {
        verifyHead({ ...world.headInput, trust: world.trust(nodeSha256, world.ed25519) });
      },
      sampling,
    ),
    benny.add(
      "verify head (3 signatures), noble",
      () => {
        verifyHead({ ...world.headInput, trust: world.trust(nobleSha256, nobleEd25519) });
      },
      sampling,
    ),
  );

  const yardstick = summary.results.find(({ name }) => name === YARDSTICK)?.ops ?? Number.NaN;
  const rows = summary.results.map(({ name, ops }) => ({ name, micros: 1e6 / ops, yardsticks: yardstick / ops }));
  report.keep("rows", rows);
  report.table(
    "A lookup",
    formatTable(
      ["what", "µs", "yardsticks"],
      rows.map(({ name, micros, yardsticks }) => [name, formatFigure(micros), formatFigure(yardsticks)]),
    ),
  );
  report.goal({
    what: `verification of a module answer of ${SIBLINGS} siblings, noble alone`,
    value: rows.find(({ name }) => name === DEEP)?.micros,
    limit: 150,
    bound: "most",
    unit: "µs",
  });
  report.note(
    `answer: ${world.answerInput.untrustedAnswer.length} bytes of payload; head: ${world.headInput.untrustedHead.length}`,
  );
  report.finish();
  return report.isReached;
}
