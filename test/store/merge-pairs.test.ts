import assert from "node:assert/strict";
import { test } from "node:test";
import { mergePairs } from "../../src/store/merge-pairs.ts";
import type { SortedPairs } from "../../src/vindex/tree-slab.ts";

type Pair = readonly [key: number, value: string];

const keyOf = (n: number): Uint8Array => {
  const key = new Uint8Array(32).fill(7);
  new DataView(key.buffer).setUint32(28, n);
  return key;
};
const changeOf = ([key, value]: Pair): { indexKey: Uint8Array; value: Uint8Array } => ({
  indexKey: keyOf(key),
  value: new Uint8Array(Buffer.from(value)),
});

function pairsOf(pairs: readonly Pair[]): SortedPairs {
  return {
    count: pairs.length,
    keys: Buffer.concat(pairs.map(([key]) => keyOf(key))),
    lengths: Uint8Array.from(pairs, ([, value]) => value.length),
    values: Buffer.from(pairs.map(([, value]) => value).join("")),
  };
}

function listOf({ count, keys, lengths, values }: SortedPairs): Pair[] {
  assert.equal(keys.length, 32 * count);
  assert.equal(lengths.length, count);
  let at = 0;
  const list = Array.from({ length: count }, (_, i): Pair => {
    const end = at + (lengths[i] as number);
    const value = Buffer.from(values.subarray(at, end)).toString();
    at = end;
    return [Buffer.from(keys).readUInt32BE(32 * i + 28), value];
  });
  assert.equal(at, values.length);
  return list;
}

test("merges any changes into any pairs as a map does", () => {
  let seed = 1;
  const random = (n: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor((seed / 2 ** 32) * n);
  };
  for (let round = 0; round < 300; round++) {
    const make = (count: number, letter: string): Pair[] =>
      [...new Set(Array.from({ length: count }, () => random(60)))]
        .sort((a, b) => a - b)
        .map((key) => [key, letter.repeat(random(5))]);
    const base = make(random(40), "b");
    const changes = make(random(40), "c");
    const expected = [...new Map([...base, ...changes])].sort(([a], [b]) => a - b);
    assert.deepEqual(listOf(mergePairs(pairsOf(base), changes.map(changeOf))), expected);
  }
});

test("gives shared memory, for the threads that build the tree", () => {
  const { keys, lengths, values } = mergePairs(pairsOf([[1, "a"]]), [changeOf([2, "b"])]);
  for (const bytes of [keys, lengths, values]) assert.ok(bytes.buffer instanceof SharedArrayBuffer);
});

test("refuses changes whose keys do not ascend", () => {
  for (const list of [
    [2, 1],
    [1, 1],
  ]) {
    const changes = list.map((key) => changeOf([key, "x"]));
    assert.throws(() => mergePairs(pairsOf([[1, "a"]]), changes), RangeError);
  }
});
