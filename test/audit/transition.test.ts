import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { encodeTransition, verifyTransition } from "../../src/audit/transition.ts";
import {
  decodeTransitionParts,
  encodeTransitionParts,
  TRANSITION_LIMITS,
  type TransitionParts,
} from "../../src/audit/transition-format.ts";
import { concatBytes, encodeUtf8, equalBytes } from "../../src/vindex/bytes.ts";
import { type ErrorCode, isProofdnsError } from "../../src/vindex/error.ts";
import { encodeVarint } from "../../src/vindex/varint.ts";
import { readVectors } from "../vectors/vectors.ts";
import { type Fold, foldEpochs, keys, RECORDS, recordOf, SIZES } from "./folds.ts";
import { transitionOf } from "./log.ts";

const folds = foldEpochs(RECORDS, SIZES);
const inputOf = (fold: Fold, untrustedTransition: Uint8Array) => ({
  ...keys,
  epoch: fold.epoch,
  leafText: fold.before.leafText,
  untrustedTransition,
});

function refuses(code: ErrorCode, run: () => unknown, why = /./): void {
  assert.throws(run, (error: unknown) => isProofdnsError(error, code) && why.test(error.message));
}

describe("a transition", () => {
  it("leads from each leaf to the next, wherever the epochs are cut", () => {
    for (const sizes of [SIZES, RECORDS.map((_, i) => i + 1), [RECORDS.length]]) {
      for (const fold of foldEpochs(RECORDS, sizes)) {
        const bytes = transitionOf(fold);
        const { leafText, epoch, records } = verifyTransition(inputOf(fold, bytes));
        assert.equal(leafText, fold.after.leafText);
        assert.deepEqual([epoch, records], [fold.epoch, fold.texts.length]);
        assert.ok(equalBytes(encodeTransitionParts(decodeTransitionParts(bytes)) ?? new Uint8Array(0), bytes));
      }
    }
  });

  it("is decoded from the middle of a larger buffer, and does not keep it", () => {
    const fold = folds[4] as Fold;
    const bytes = transitionOf(fold);
    const larger = new Uint8Array(bytes.length + 11).fill(0xa5);
    larger.set(bytes, 4);
    const verified = verifyTransition(inputOf(fold, larger.subarray(4, 4 + bytes.length)));
    larger.fill(0);
    assert.equal(
      Buffer.from(verified.leaf.sumdbSignature).every((byte) => byte === 0),
      false,
    );
  });

  it("is refused when it is cut off anywhere, or goes on", () => {
    const fold = folds[4] as Fold;
    const bytes = transitionOf(fold);
    for (let at = 0; at < bytes.length; at += 7) {
      refuses("MALFORMED_TRANSITION", () => decodeTransitionParts(bytes.subarray(0, at)));
    }
    for (const more of [0, 1, 2]) {
      refuses("MALFORMED_TRANSITION", () => decodeTransitionParts(concatBytes(bytes, Uint8Array.of(more))));
    }
  });

  it("claims of sizes are refused before memory is taken for them", () => {
    const magic = encodeUtf8("proofdns-transition/1\n");
    const huge = encodeVarint(Number.MAX_SAFE_INTEGER);
    const signature = new Uint8Array(64);
    const one = Uint8Array.of(1, 0);
    const zero = Uint8Array.of(0);
    for (const bytes of [
      concatBytes(magic, huge),
      concatBytes(magic, zero, huge),
      concatBytes(magic, zero, encodeVarint(TRANSITION_LIMITS.count + 1)),
      concatBytes(magic, zero, Uint8Array.of(1), huge),
      concatBytes(magic, zero, Uint8Array.of(1), encodeVarint(TRANSITION_LIMITS.textLength + 1)),
      concatBytes(magic, zero, one, signature, huge),
      concatBytes(magic, zero, one, signature, Uint8Array.of(1), huge),
      concatBytes(magic, zero, one, signature, zero, huge),
      concatBytes(magic, zero, one, signature, zero, Uint8Array.of(1), encodeVarint(TRANSITION_LIMITS.stateLength + 1)),
      concatBytes(magic, zero, one, signature, zero, Uint8Array.of(1, 0)),
      concatBytes(magic, zero, zero, signature, zero, zero),
    ]) {
      const before = process.memoryUsage().arrayBuffers;
      refuses("MALFORMED_TRANSITION", () => decodeTransitionParts(bytes));
      assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 20);
    }
    refuses(
      "MALFORMED_TRANSITION",
      () => decodeTransitionParts(new Uint8Array(TRANSITION_LIMITS.length + 1)),
      /at most/,
    );
  });

  it("is refused with states or items too many, too few or exchanged", () => {
    const fold = folds[2] as Fold;
    const parts = decodeTransitionParts(transitionOf(fold));
    const verify = (change: Partial<TransitionParts>): unknown =>
      verifyTransition(inputOf(fold, encodeTransitionParts({ ...parts, ...change }) ?? new Uint8Array(0)));
    const [first = "", second = ""] = parts.states;
    verify({});
    refuses("MALFORMED_TRANSITION", () => verify({ states: parts.states.slice(0, -1) }), /no state/);
    refuses("MALFORMED_TRANSITION", () => verify({ states: [...parts.states, first] }), /nothing asks/);
    refuses("BAD_STATE_TEXT", () => verify({ states: [second, first, ...parts.states.slice(2)] }));
    refuses("MALFORMED_TRANSITION", () => verify({ items: [] }), /no items/);
    refuses("MALFORMED_TRANSITION", () => verify({ items: [...parts.items, "p=v2"] }), /nothing asks/);
    refuses("BAD_MAJORS", () => verify({ items: [`${parts.items[0]}; p=- v=v1.0.0 i=1`] }));
  });

  it("does not lead anywhere from another leaf", () => {
    const bytes = transitionOf(folds[4] as Fold);
    for (const other of [1, 2, 3, 5]) {
      const leafText = folds[other]?.before.leafText;
      refuses("BAD_PROOF", () => verifyTransition({ ...inputOf(folds[4] as Fold, bytes), leafText }));
    }
    refuses("BAD_PROOF", () =>
      verifyTransition({ ...keys, epoch: 1, leafText: undefined, untrustedTransition: bytes }),
    );
    refuses("MALFORMED_LEAF", () => verifyTransition({ ...inputOf(folds[4] as Fold, bytes), leafText: "x" }));
  });

  it("is not asked of epochs that are none", () => {
    const fold = folds[4] as Fold;
    const bytes = transitionOf(fold);
    for (const epoch of [0, -1, Number.NaN])
      assert.throws(() => verifyTransition({ ...inputOf(fold, bytes), epoch }), TypeError);
    assert.throws(() => verifyTransition({ ...inputOf(fold, bytes), leafText: undefined }), TypeError);
    assert.throws(() => verifyTransition({ ...inputOf(fold, bytes), epoch: 1 }), TypeError);
  });

  it("is not made of a fold that has forgotten its states, and not of a window beyond the bounds", () => {
    const fold = folds[2] as Fold;
    assert.throws(() => encodeTransition({ ...fold, states: new Map() }, keys), TypeError);
    assert.throws(() => encodeTransition({ ...fold, uncutMajors: new Map() }, keys), TypeError);
    assert.equal(
      encodeTransition({ ...fold, texts: [new Uint8Array(TRANSITION_LIMITS.textLength + 1)] }, keys),
      undefined,
    );
    assert.equal(encodeTransition({ ...fold, texts: [] }, keys), undefined);
  });

  it("costs what has changed, not what there is: hashes and bytes grow with the logarithm of the map", () => {
    const many = (count: number) => Array.from({ length: count }, (_, i) => recordOf(`example.com/m${i}`, "v1.0.0"));
    const costs = [100, 1600].map((count) => {
      const records = [...many(count), recordOf("example.com/m7", "v1.1.0"), recordOf("example.com/m9", "v1.1.0")];
      const fold = foldEpochs(records, [count, count + 2])[1] as Fold;
      const bytes = transitionOf(fold);
      let hashes = 0;
      const sha256 = (message: Uint8Array): Uint8Array => {
        hashes++;
        return keys.sha256(message);
      };
      verifyTransition({ ...inputOf(fold, bytes), sha256 });
      return { bytes: bytes.length, hashes };
    });
    const [small, large] = costs as [{ bytes: number; hashes: number }, { bytes: number; hashes: number }];
    // Four levels more for each of at most four ways, a hash and five bytes each; twice for the new root.
    assert.ok(large.bytes - small.bytes <= 4 * 4 * 45, JSON.stringify(costs));
    assert.ok(large.hashes - small.hashes <= 2 * 4 * 4 + 10, JSON.stringify(costs));
  });
});

const refusalsOf = (operation: string): Set<string> =>
  new Set(
    readVectors("audit.json")
      .filter((vector) => vector.operation === operation)
      .flatMap(({ expect }) => (expect as { refused?: string }).refused ?? []),
  );

describe("audit.json", () => {
  it("has every refusal that audit.md names, and more refusals than acceptances", () => {
    const text = readFileSync(new URL("../../spec/audit.md", import.meta.url), "utf8");
    const codes = (from: string, to: string): Set<string> => {
      const section = text.slice(text.indexOf(from), text.indexOf(to));
      return new Set([...section.matchAll(/`([A-Z][A-Z_]{3,})`/g)].map((match) => match[1] as string));
    };
    assert.deepEqual([...refusalsOf("transition")].sort(), [...codes("## 2.", "## 3.")].sort());
    assert.deepEqual([...refusalsOf("audit-evidence")].sort(), [...codes("## 4.", "## 5.")].sort());
    const all = readVectors("audit.json");
    const refused = all.filter(({ expect }) => (expect as { refused?: string }).refused !== undefined);
    assert.ok(refused.length > all.length / 2);
  });
});
