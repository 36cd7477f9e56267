import assert from "node:assert/strict";
import { parseGoWork } from "../src/go/index.ts";
import { textOf } from "./input.ts";
import { naiveModFile } from "./oracle/mod-file.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/** go.work files, against one that reads them line by line. */
export const target: Target = { maxLength: 1024, plants: ["used-once"] };

/** Bug: a folder that is used twice is there once. */
const parse = plant("used-once", parseGoWork, (text, file) => {
  const work = parseGoWork(text, file);
  return { ...work, use: work.use.filter(({ path }, i) => work.use.findIndex((one) => one.path === path) === i) };
});

export function fuzz(data: Uint8Array): void {
  const text = textOf(data);
  const outcome = withinTime("a go.work file", () => outcomeOf(() => parse(text, "go.work"), "MALFORMED_INPUT"));
  const naive = naiveModFile(text, "work");
  assert.equal(outcome.value === undefined, naive === undefined, outcome.error?.message);
  if (outcome.value === undefined || naive === undefined) {
    assert.match(outcome.error?.message ?? "", /^go\.work:[1-9][0-9]*: /);
    assert.doesNotMatch(outcome.error?.message ?? "", /\p{Cc}/u);
    return;
  }
  const { go, toolchain, use, replace } = outcome.value;
  const rows: (string | undefined)[][] = [];
  if (go !== undefined) rows.push(["go", go]);
  if (toolchain !== undefined) rows.push(["toolchain", toolchain]);
  for (const { path } of use) rows.push(["use", path]);
  for (const one of replace) rows.push(["replace", one.path, one.version, one.newPath, one.newVersion]);
  assert.deepEqual(rows.map((row) => JSON.stringify(row)).sort(), [...naive.rows].sort());
  const lines = text.split("\n").length;
  for (const { line } of [...use, ...replace]) assert.ok(line >= 1 && line <= lines);
}
