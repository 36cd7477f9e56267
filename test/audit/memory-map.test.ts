import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryMap } from "../../src/audit/memory-map.ts";
import { StateTexts } from "../../src/audit/state-texts.ts";
import { equalBytes } from "../../src/vindex/bytes.ts";
import type { IndexedRecord } from "../../src/vindex/map-function.ts";
import { computeRecordHash, parseRecord } from "../../src/vindex/record.ts";
import { foldEpochs, RECORDS, SIZES, sha256 } from "./folds.ts";

describe("state texts", () => {
  it("are those set last, over any number of changes, and the room of old ones is used again", () => {
    const texts = new StateTexts(1024);
    const expected = new Map<string, string>();
    let seed = 1;
    for (let i = 0; i < 20_000; i++) {
      seed = (seed * 48_271) % 2_147_483_647;
      const name = `m${seed % 100}`;
      const text = String.fromCharCode(97 + (i % 26)).repeat(seed % 701);
      texts.set(name, text);
      expected.set(name, text);
    }
    assert.equal(texts.size, expected.size);
    for (const [name, text] of expected) assert.equal(texts.get(name), text);
    assert.equal(texts.get("other"), undefined);
  });

  it("refuse a text that is longer than any", () => {
    assert.throws(() => new StateTexts(16).set("a", "x".repeat(17)), RangeError);
    const texts = new StateTexts(16);
    texts.set("a", "x".repeat(16));
    assert.equal(texts.get("a"), "x".repeat(16));
  });
});

describe("a map in memory", () => {
  const folds = foldEpochs(RECORDS, SIZES);
  const indexed = (from: number, to: number): IndexedRecord[] =>
    RECORDS.slice(from, to).flatMap((text, i) => {
      const record = parseRecord(text);
      return record === undefined ? [] : [{ record, logIndex: from + i, recordHash: computeRecordHash(text, sha256) }];
    });

  it("has the root of each epoch, however its window is cut and whatever is kept of it", () => {
    for (const [step, keepsBefore, maxPending] of [
      [1, true, 1000],
      [3, true, 1000],
      [100, true, 1000],
      [1, false, 0],
      [2, false, 5],
      [100, false, 1000],
    ] as const) {
      const map = new MemoryMap(sha256, maxPending);
      let from = 0;
      for (const [i, size] of SIZES.entries()) {
        for (; from < size; from += step) map.fold(indexed(from, Math.min(size, from + step)), keepsBefore);
        from = size;
        const tree = map.prepare();
        assert.ok(equalBytes(tree.rootHash(), folds[i]?.after.leaf.mapRoot ?? new Uint8Array(0)));
        if (keepsBefore) {
          const { states, uncutMajors } = map.before;
          for (const [path, text] of folds[i]?.states ?? []) assert.equal(states.get(path), text, path);
          assert.equal(states.size, folds[i]?.states.size);
          for (const [base, items] of uncutMajors) assert.equal(folds[i]?.uncutMajors.get(base), items);
        }
        map.accept(tree);
      }
      assert.equal(map.modules, new Set(indexed(0, RECORDS.length).map(({ record }) => record.path)).size);
    }
  });
});
