import assert from "node:assert/strict";
import { type GoMod, parseGoMod, retractionsOf } from "../src/go/index.ts";
import { textOf } from "./input.ts";
import { naiveModFile } from "./oracle/mod-file.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/** go.mod files, of one's own and of dependencies; against one that reads them line by line. */
export const target: Target = { maxLength: 1024, plants: ["bounds-in-order"] };

/** Bug: the bounds of a retraction are put in order. */
const parse = plant("bounds-in-order", parseGoMod, (text, file, options) => {
  const goMod = parseGoMod(text, file, options);
  const retract = goMod.retract.map((one) => (one.low > one.high ? { ...one, low: one.high, high: one.low } : one));
  return { ...goMod, retract };
});

export function fuzz(data: Uint8Array): void {
  const text = textOf(data);
  for (const isDependency of [false, true]) {
    const outcome = withinTime("a go.mod file", () =>
      outcomeOf(() => parse(text, "go.mod", { isDependency }), "MALFORMED_INPUT"),
    );
    const naive = naiveModFile(text, isDependency ? "lax" : "mod");
    assert.equal(outcome.value === undefined, naive === undefined, outcome.error?.message);
    if (outcome.value === undefined || naive === undefined) {
      assert.match(outcome.error?.message ?? "", /^go\.mod:[1-9][0-9]*: /);
      assert.doesNotMatch(outcome.error?.message ?? "", /\p{Cc}/u);
      continue;
    }
    // What is not ordered among each other by the result is compared sorted.
    const rows = naive.rows.filter((row) => row !== NO_MODULE);
    assert.deepEqual(rowsOf(outcome.value).sort(), rows.sort());
    for (const version of ["v1.2.3", "v0.0.0", "v9.0.0-rc.1"]) retractionsOf(outcome.value, version);
  }
}

/** A module line with an empty path; what is parsed does not tell it from none. */
const NO_MODULE = JSON.stringify(["module", "", undefined]);

function rowsOf(goMod: GoMod): string[] {
  const rows: (string | undefined)[][] = [];
  if (goMod.module !== "" || goMod.deprecated !== undefined) rows.push(["module", goMod.module, goMod.deprecated]);
  if (goMod.go !== undefined) rows.push(["go", goMod.go]);
  if (goMod.toolchain !== undefined) rows.push(["toolchain", goMod.toolchain]);
  for (const one of goMod.require) rows.push(["require", one.path, one.version, String(one.isIndirect)]);
  for (const one of goMod.exclude) rows.push(["exclude", one.path, one.version]);
  for (const one of goMod.replace) rows.push(["replace", one.path, one.version, one.newPath, one.newVersion]);
  for (const one of goMod.retract) rows.push(["retract", one.low, one.high, one.rationale]);
  return rows.map((row) => JSON.stringify(row));
}
