import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FlatTree, MAX_PATH_LENGTH, type TreeBuffer } from "../../src/vindex/flat-tree.ts";
import { encodePathProof, pathProofOf } from "../../src/vindex/path-proof.ts";
import { PrefixTree } from "../../src/vindex/prefix-tree.ts";
import { flipBit, hashOf, sha256, toHex } from "./samples.ts";
import type { Pair } from "./trees.ts";

/** Keys that share many bits: most bytes are 00, 01, 80, FE or FF. */
const closeKey = fc.array(fc.constantFrom(0, 1, 0x80, 0xff, 0xfe), { minLength: 2, maxLength: 2 }).chain((ends) =>
  fc.constantFrom(0, 0x55, 0xff).map((fill) => {
    const key = new Uint8Array(32).fill(fill);
    key[0] = ends[0] as number;
    key[31] = ends[1] as number;
    return key;
  }),
);
const pairs = fc.uniqueArray(
  fc.record({ indexKey: closeKey, value: fc.uint8Array({ maxLength: 9 }) }, { noNullPrototype: true }),
  { selector: (pair) => toHex(pair.indexKey), maxLength: 40, size: "max" },
);

const makePairs = (count: number): Pair[] =>
  Array.from({ length: count }, (_, i) => ({
    indexKey: hashOf(`key ${i}`),
    value: new Uint8Array((i * 7) % 300).fill(i),
  }));

/** Everything that both trees say of a key. */
function assertSame(tree: PrefixTree, flat: FlatTree, indexKey: Uint8Array): void {
  const value = tree.get(indexKey);
  const found = flat.get(indexKey);
  assert.deepEqual(found, value === undefined ? undefined : new Uint8Array(value));
  const path = tree.path(indexKey);
  const expected = encodePathProof(pathProofOf(path));
  const out = new Uint8Array(expected.length + 20).fill(0xa5);
  assert.equal(flat.writePath(indexKey, out, 7), 7 + expected.length);
  assert.deepEqual(out.slice(7, 7 + expected.length), new Uint8Array(expected));
  assert.ok(
    [...out.subarray(0, 7), ...out.subarray(7 + expected.length)].every((b) => b === 0xa5),
    "written beside it",
  );
  const leaf = flat.findLeaf(indexKey);
  if (path.leaf === undefined) {
    assert.equal(leaf, -1);
    return;
  }
  const keyAt = flat.keyOffset(leaf);
  assert.deepEqual(flat.bytes.slice(keyAt, keyAt + 32), new Uint8Array(path.leaf.indexKey));
  const valueAt = flat.valueOffset(leaf);
  assert.deepEqual(flat.bytes.slice(valueAt, valueAt + flat.valueLength(leaf)), new Uint8Array(path.leaf.value));
  assert.equal(flat.isKeyOf(leaf, indexKey), value !== undefined);
}

describe("the flat tree", () => {
  it("says what the prefix tree says, of 0 to 5,000 keys, present and absent", () => {
    let buffer: TreeBuffer | undefined;
    for (const count of [0, 1, 2, 3, 4, 7, 64, 500, 5000]) {
      const all = makePairs(count);
      const tree = PrefixTree.of(all, sha256);
      const flat = FlatTree.build(tree, buffer);
      ({ buffer } = flat);
      assert.equal(flat.size, count);
      assert.deepEqual(flat.rootHash(), count === 0 ? new Uint8Array(32) : new Uint8Array(tree.rootHash()));
      assert.equal(flat.longestValue, Math.max(0, ...all.map((pair) => pair.value.length)));
      const step = Math.ceil(count / 700) || 1;
      for (let i = 0; i < count; i += step) {
        const { indexKey } = all[i] as Pair;
        assertSame(tree, flat, indexKey);
        for (const bit of [0, 9, 255]) assertSame(tree, flat, flipBit(indexKey, bit));
      }
      for (let i = 0; i < 100; i++) assertSame(tree, flat, hashOf(`absent ${i}`));
    }
  });

  it("says what the prefix tree says, of keys that share many bits", () => {
    fc.assert(
      fc.property(pairs, fc.array(closeKey, { maxLength: 10 }), (list, asked) => {
        const tree = PrefixTree.of(list, sha256);
        const flat = FlatTree.build(tree);
        for (const { indexKey } of list) assertSame(tree, flat, indexKey);
        for (const indexKey of asked) assertSame(tree, flat, indexKey);
      }),
      { numRuns: 60 },
    );
  });

  it("writes the longest path, of 256 nodes, where there is just room for it", () => {
    const key = new Uint8Array(32);
    const all: Pair[] = [{ indexKey: key, value: Uint8Array.of(1) }];
    for (let bit = 0; bit < 256; bit++) all.push({ indexKey: flipBit(key, bit), value: Uint8Array.of(2) });
    const tree = PrefixTree.of(all, sha256);
    const flat = FlatTree.build(tree);
    assertSame(tree, flat, key);
    const out = new Uint8Array(MAX_PATH_LENGTH);
    assert.equal(flat.writePath(key, out, 0), MAX_PATH_LENGTH);
    assert.throws(() => flat.writePath(key, out, 1), RangeError);
    assert.throws(() => flat.writePath(key, out, -1), RangeError);
  });

  it("does not write past a view into a larger buffer", () => {
    const all = makePairs(50);
    const flat = FlatTree.build(PrefixTree.of(all, sha256));
    const larger = new Uint8Array(4096).fill(0xa5);
    const { indexKey } = all[3] as Pair;
    const length = flat.writePath(indexKey, new Uint8Array(1000), 0);
    assert.throws(() => flat.writePath(indexKey, larger.subarray(100, 100 + length - 1), 0), RangeError);
    assert.ok(larger.every((b) => b === 0xa5));
    assert.equal(flat.writePath(indexKey, larger.subarray(101, 101 + length), 0), length);
    assert.equal(larger[100], 0xa5);
    assert.equal(larger[101 + length], 0xa5);
  });

  it("is read by whom the buffer is given to", () => {
    const all = makePairs(100);
    const tree = PrefixTree.of(all, sha256);
    const attached = FlatTree.attach(FlatTree.build(tree).buffer);
    for (const { indexKey } of all) assertSame(tree, attached, indexKey);
  });

  it("takes a buffer that is large enough, and another if it is too small", () => {
    const small = PrefixTree.of(makePairs(10), sha256);
    const large = PrefixTree.of(makePairs(300), sha256);
    const first = FlatTree.build(large);
    const second = FlatTree.build(small, first.buffer);
    assert.equal(second.buffer, first.buffer);
    assertSame(small, second, (makePairs(10)[4] as Pair).indexKey);
    const third = FlatTree.build(large, new SharedArrayBuffer(FlatTree.byteLength(10, 100)));
    assert.ok(third.buffer.byteLength >= FlatTree.byteLength(300, 300));
    assertSame(large, third, (makePairs(300)[299] as Pair).indexKey);
    const valueBytes = makePairs(10).reduce((sum, pair) => sum + pair.value.length, 0);
    const exact = new SharedArrayBuffer(FlatTree.byteLength(10, valueBytes));
    assert.equal(FlatTree.build(small, exact).buffer, exact);
    const plain = new ArrayBuffer(exact.byteLength);
    assertSame(small, FlatTree.build(small, plain), (makePairs(10)[9] as Pair).indexKey);
  });

  it("leaves nothing of what a buffer held before", () => {
    const { buffer } = FlatTree.build(PrefixTree.of(makePairs(10), sha256));
    const flat = FlatTree.build(PrefixTree.empty(sha256), buffer);
    assert.equal(flat.buffer, buffer);
    assert.deepEqual([flat.size, flat.longestValue, flat.rootHash()], [0, 0, new Uint8Array(32)]);
    assertSame(PrefixTree.empty(sha256), flat, hashOf(1));
  });

  it("takes at most 150 bytes a key beside the values", () => {
    assert.ok(FlatTree.byteLength(100_000, 0) / 100_000 <= 150);
  });

  it("refuses more than 2^31 - 1 keys or bytes of values, and what is no count", () => {
    assert.ok(FlatTree.byteLength(2 ** 31 - 1, 2 ** 31 - 1) > 2 ** 37);
    for (const [leaves, values] of [
      [2 ** 31, 0],
      [0, 2 ** 31],
      [-1, 0],
      [0, -1],
      [1.5, 0],
      [Number.NaN, 0],
      [0, Number.POSITIVE_INFINITY],
    ] as const) {
      assert.throws(() => FlatTree.byteLength(leaves, values), RangeError, `${leaves} ${values}`);
    }
  });

  it("refuses keys of other than 32 bytes, in the tree and asked", () => {
    for (const length of [0, 31, 33]) {
      const key = new Uint8Array(length);
      assert.throws(() => FlatTree.build(PrefixTree.of([{ indexKey: key, value: key }], sha256)), RangeError);
      const flat = FlatTree.build(PrefixTree.of(makePairs(2), sha256));
      assert.throws(() => flat.get(key), RangeError);
      assert.throws(() => flat.writePath(key, new Uint8Array(1000), 0), RangeError);
    }
  });

  it("refuses to attach to a buffer that holds no tree, or a cut one", () => {
    assert.throws(() => FlatTree.attach(new SharedArrayBuffer(0)), RangeError);
    assert.throws(() => FlatTree.attach(new SharedArrayBuffer(3)), RangeError);
    assert.throws(() => FlatTree.attach(new SharedArrayBuffer(4096)), RangeError);
    const { buffer } = FlatTree.build(PrefixTree.of(makePairs(20), sha256), new ArrayBuffer(8192));
    assert.throws(() => FlatTree.attach((buffer as ArrayBuffer).slice(0, 2000)), RangeError);
    for (const [word, value] of [
      [0, 1],
      [1, 2],
      [2, -1],
      [2, 21],
      [3, 19],
      [4, 18],
      [4, 20],
      [5, 1_000_000],
      [6, 1_000_000],
      [7, -1],
      [7, 8192],
    ] as const) {
      const copy = (buffer as ArrayBuffer).slice(0);
      FlatTree.attach(copy);
      new Int32Array(copy)[word] = value;
      assert.throws(() => FlatTree.attach(copy), RangeError, `word ${word} = ${value}`);
    }
  });
});
