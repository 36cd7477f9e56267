import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { verifyTransition } from "../../src/audit/transition.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { type Fold, foldEpochs, keys, RECORDS, SIZES } from "./folds.ts";
import { transitionOf } from "./log.ts";

const CODES = new Set([
  "MALFORMED_TRANSITION",
  "BAD_SUMDB_SIGNATURE",
  "BAD_PROOF",
  "BAD_VALUE",
  "BAD_MAJORS",
  "BAD_STATE_TEXT",
]);

/** All bits of the smallest with every kind of section, some of the others. */
const STEPS = [11, 31, 31, 1, 31, 1];

describe("every bit of a transition, turned,", () => {
  for (const [i, fold] of foldEpochs(RECORDS, SIZES).entries()) {
    it(`of epoch ${i + 1} is refused (one bit of ${STEPS[i]})`, () => {
      const bytes = transitionOf(fold as Fold);
      const seen = new Set<string>();
      for (let bit = 0; bit < 8 * bytes.length; bit += STEPS[i] as number) {
        const untrustedTransition = bytes.slice();
        untrustedTransition[bit >> 3] = (untrustedTransition[bit >> 3] as number) ^ (1 << (bit & 7));
        try {
          const leafText = fold.before.leafText;
          const { leafText: after } = verifyTransition({ ...keys, epoch: fold.epoch, leafText, untrustedTransition });
          assert.notEqual(after, fold.after.leafText, `bit ${bit} changes nothing`);
          assert.fail(`bit ${bit} leads to another leaf`);
        } catch (error) {
          if (!isProofdnsError(error)) throw error;
          assert.ok(CODES.has(error.code), error.code);
          seen.add(error.code);
        }
      }
      assert.ok(seen.size >= 2);
    });
  }
});
