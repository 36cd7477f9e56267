import assert from "node:assert/strict";
import { test } from "node:test";
import { LaneHasher } from "../../src/build/lane-hasher.ts";
import { SPILL } from "../../src/build/spill-record.ts";
import { SubLogPeaks } from "../../src/build/sub-log-peaks.ts";
import { computeSubtreeRoot, joinSubtrees } from "../../src/build/subtree-root.ts";
import { formatHex } from "../../src/vindex/bytes.ts";
import { Frontier } from "../../src/vindex/frontier.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { PrefixTree } from "../../src/vindex/prefix-tree.ts";
import type { Hash } from "../../src/vindex/sha256.ts";

const lanes = new LaneHasher();
const plain = new LaneHasher(true);

function makePairs(count: number): { indexKey: Hash; value: Uint8Array }[] {
  return Array.from({ length: count }, (_, i) => {
    const indexKey = nodeSha256(Uint8Array.of(i, i >> 8));
    // Some keys differ in their last bits only, so that branches are deep and their bits take two bytes.
    if (i % 7 === 3) indexKey.set(nodeSha256(Uint8Array.of(i - 1, (i - 1) >> 8)).subarray(0, 31));
    return { indexKey, value: new Uint8Array(1 + (i % 255)).fill(i) };
  }).sort((a, b) => Buffer.compare(a.indexKey, b.indexKey));
}

function rootOf(pairs: readonly { indexKey: Hash; value: Uint8Array }[], hasher: LaneHasher): Hash | undefined {
  if (pairs.length === 0) return undefined;
  const ends = new Float64Array(pairs.length + 1);
  for (const [i, { value }] of pairs.entries()) ends[i + 1] = (ends[i] as number) + value.length;
  const keys = Buffer.concat(pairs.map(({ indexKey }) => indexKey));
  return computeSubtreeRoot(pairs.length, keys, ends, Buffer.concat(pairs.map(({ value }) => value)), hasher);
}

test("gives the root of the prefix tree, whole or joined of its parts", () => {
  for (const count of [1, 2, 3, 10, 1500]) {
    const pairs = makePairs(count);
    const expected = formatHex(PrefixTree.of(pairs, nodeSha256).rootHash());
    for (const hasher of [lanes, plain]) assert.equal(formatHex(rootOf(pairs, hasher) as Hash), expected);
    for (const bits of [1, 2, 5]) {
      const parts = Array.from({ length: 2 ** bits }, (_, part) =>
        rootOf(
          pairs.filter(({ indexKey }) => (indexKey[0] as number) >> (8 - bits) === part),
          lanes,
        ),
      );
      assert.equal(formatHex(joinSubtrees(parts) as Hash), expected, `${count} keys in ${parts.length} parts`);
    }
  }
  assert.equal(joinSubtrees([undefined, undefined]), undefined);
});

test("gives the peaks of many sub-logs at once", () => {
  const sizes = [1, 1, 2, 3, 1, 7, 8, 255, 256, 1, 1000];
  const words = new Int32Array(16 * sizes.reduce((sum, size) => sum + size, 0) + 64);
  const bytes = new Uint8Array(words.buffer);
  const order: number[] = [];
  const starts = [0];
  const expected: Hash[] = [];
  let next = 0;
  for (const size of sizes) {
    const leaves = Array.from({ length: size }, () => {
      const hash = nodeSha256(Uint8Array.of(next, next >> 8));
      bytes.set(hash, 4 * (16 * next + SPILL.leaf));
      order.push(16 * next);
      next++;
      return hash;
    });
    starts.push(next);
    expected.push(...Frontier.empty(nodeSha256).appendAll(leaves).peaks);
  }
  for (const hasher of [lanes, plain]) {
    const peaks = new SubLogPeaks(hasher);
    peaks.compute(words, Int32Array.from(order), Int32Array.from(starts), 0, sizes.length);
    assert.deepEqual(
      expected.map((_, i) => formatHex(peaks.peaks.slice(32 * i, 32 * i + 32))),
      expected.map(formatHex),
    );
  }
});
