import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FlatTree, MAX_PATH_LENGTH, type TreeRoot } from "../../src/vindex/flat-tree.ts";
import { encodePathProof, pathProofOf } from "../../src/vindex/path-proof.ts";
import { computeMapLeafHash, computeMapNodeHash, PrefixTree, type TreePath } from "../../src/vindex/prefix-tree.ts";
import { TreeSlab } from "../../src/vindex/tree-slab.ts";
import { hashesOf, makeTreeBuffer } from "../../src/vindex/tree-slab-layout.ts";
import { flipBit, hashOf, sha256, toHex } from "./samples.ts";
import { flatTreeOf, type Pair, sortedPairsOf } from "./trees.ts";

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
    value: new Uint8Array((i * 7) % 256).fill(i),
  }));

/** Without Buffers, which are not deeply equal to other arrays. */
const plain = ({ steps, leaf }: TreePath): unknown => ({
  steps: steps.map(({ bit, sibling }) => ({ bit, sibling: toHex(sibling) })),
  leaf: leaf === undefined ? undefined : [toHex(leaf.indexKey), toHex(leaf.value)],
});

/** Everything that both trees say of a key. */
function assertSame(tree: PrefixTree, flat: FlatTree, indexKey: Uint8Array): void {
  const value = tree.get(indexKey);
  const found = flat.get(indexKey);
  assert.deepEqual(found, value === undefined ? undefined : new Uint8Array(value));
  const path = tree.path(indexKey);
  assert.deepEqual(plain(flat.path(indexKey)), plain(path));
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
    for (const count of [0, 1, 2, 3, 4, 7, 64, 500, 5000]) {
      const all = makePairs(count);
      const tree = PrefixTree.of(all, sha256);
      for (const flat of [flatTreeOf(all), TreeSlab.build(sortedPairsOf(all)).tree]) {
        assert.equal(flat.size, count);
        assert.deepEqual(flat.rootHash(), new Uint8Array(tree.rootHash()));
        assert.equal(flat.longestValue, Math.max(0, ...all.map((pair) => pair.value.length)));
        const step = Math.ceil(count / 200) || 1;
        for (let i = 0; i < count; i += step) {
          const { indexKey } = all[i] as Pair;
          assertSame(tree, flat, indexKey);
          for (const bit of [0, 9, 255]) assertSame(tree, flat, flipBit(indexKey, bit));
        }
        for (let i = 0; i < 50; i++) assertSame(tree, flat, hashOf(`absent ${i}`));
      }
    }
  });

  it("says what the prefix tree says, of keys that share many bits", () => {
    fc.assert(
      fc.property(pairs, fc.array(closeKey, { maxLength: 10 }), (list, asked) => {
        const tree = PrefixTree.of(list, sha256);
        for (const flat of [flatTreeOf(list), TreeSlab.build(sortedPairsOf(list)).tree]) {
          for (const { indexKey } of list) assertSame(tree, flat, indexKey);
          for (const indexKey of asked) assertSame(tree, flat, indexKey);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("finds many keys at once, and those that are not there", () => {
    for (const count of [0, 1, 2, 300]) {
      const all = makePairs(count);
      const flat = flatTreeOf(all);
      const wanted = [...all.flatMap(({ indexKey }) => [indexKey, flipBit(indexKey, 255)]), hashOf("absent")];
      const keys = new Uint8Array(32 * wanted.length);
      for (const [i, key] of wanted.entries()) keys.set(key, 32 * i);
      const leaves = [...flat.findLeaves(keys, wanted.length)];
      const found = leaves.map((leaf) => (leaf < 0 ? undefined : toHex(flat.leafKey(-1 - leaf))));
      assert.deepEqual(
        found,
        wanted.map((key) => (flat.get(key) === undefined ? undefined : toHex(key))),
      );
    }
    assert.throws(() => flatTreeOf(makePairs(1)).findLeaves(new Uint8Array(63), 2), RangeError);
  });

  it("writes the longest path, of 256 nodes, where there is just room for it", () => {
    const key = new Uint8Array(32);
    const all: Pair[] = [{ indexKey: key, value: Uint8Array.of(1) }];
    for (let bit = 0; bit < 256; bit++) all.push({ indexKey: flipBit(key, bit), value: Uint8Array.of(2) });
    const tree = PrefixTree.of(all, sha256);
    for (const flat of [flatTreeOf(all), TreeSlab.build(sortedPairsOf(all)).tree]) {
      assertSame(tree, flat, key);
      const out = new Uint8Array(MAX_PATH_LENGTH);
      assert.equal(flat.writePath(key, out, 0), MAX_PATH_LENGTH);
      assert.throws(() => flat.writePath(key, out, 1), RangeError);
      assert.throws(() => flat.writePath(key, out, -1), RangeError);
    }
  });

  it("does not write past a view into a larger buffer", () => {
    const all = makePairs(50);
    const flat = flatTreeOf(all);
    const larger = new Uint8Array(4096).fill(0xa5);
    const { indexKey } = all[3] as Pair;
    const length = flat.writePath(indexKey, new Uint8Array(1000), 0);
    assert.throws(() => flat.writePath(indexKey, larger.subarray(100, 100 + length - 1), 0), RangeError);
    assert.ok(larger.every((b) => b === 0xa5));
    assert.equal(flat.writePath(indexKey, larger.subarray(101, 101 + length), 0), length);
    assert.equal(larger[100], 0xa5);
    assert.equal(larger[101 + length], 0xa5);
  });

  it("is read by whom the buffer and the root are given to", () => {
    const all = makePairs(100);
    const { buffer, root } = flatTreeOf(all);
    const attached = FlatTree.attach(buffer, structuredClone(root));
    const tree = PrefixTree.of(all, sha256);
    for (const { indexKey } of all) assertSame(tree, attached, indexKey);
  });

  it("is walked from its root: bits, children, hashes and leaves are those that give the root hash", () => {
    const all = makePairs(300);
    const flat = flatTreeOf(all);
    const walk = (ref: number): Uint8Array => {
      if (flat.isLeafRef(ref)) return computeMapLeafHash(flat.leafKey(ref), flat.leafValue(ref), sha256);
      const sides = [0, 1] as const;
      const [left, right] = sides.map((side) => walk(flat.childRef(ref, side))) as [Uint8Array, Uint8Array];
      assert.deepEqual(flat.childHash(ref, 0), left);
      assert.deepEqual(flat.childHash(ref, 1), right);
      return computeMapNodeHash(flat.nodeBit(ref), left, right, sha256);
    };
    assert.deepEqual(walk(flat.rootRef ?? assert.fail("no root")), flat.rootHash());
    assert.equal(flatTreeOf([]).rootRef, undefined);
  });

  it("gives its leaves in the order of their keys", () => {
    for (const count of [0, 1, 2, 700]) {
      const all = makePairs(count);
      const flat = flatTreeOf(all);
      const sorted = all.map((pair) => toHex(pair.indexKey) + toHex(pair.value)).sort();
      assert.deepEqual(
        Array.from(flat.leaves(), ({ indexKey, value }) => toHex(indexKey) + toHex(value)),
        sorted,
      );
      assert.equal([...flat.leafNumbers()].length, count);
    }
  });

  it("refuses a leaf's reference for a node's and a node's for a leaf's", () => {
    const flat = flatTreeOf(makePairs(10));
    const root = flat.rootRef ?? assert.fail("no root");
    assert.throws(() => flat.leafKey(root), RangeError);
    assert.throws(() => flat.leafValue(root), RangeError);
    for (const f of [() => flat.nodeBit(-1), () => flat.childRef(-1, 0), () => flat.childHash(-1, 1)]) {
      assert.throws(f, RangeError);
    }
  });

  it("refuses keys of other than 32 bytes", () => {
    const flat = flatTreeOf(makePairs(2));
    for (const length of [0, 31, 33]) {
      const key = new Uint8Array(length);
      assert.throws(() => flat.get(key), RangeError);
      assert.throws(() => flat.path(key), RangeError);
      assert.throws(() => flat.writePath(key, new Uint8Array(1000), 0), RangeError);
    }
  });

  it("refuses to attach to a buffer that holds no trees, or a cut one", () => {
    const { buffer, root } = flatTreeOf(makePairs(20));
    for (const length of [0, 3, 100, 4096]) {
      assert.throws(() => FlatTree.attach(new SharedArrayBuffer(length), root), RangeError);
    }
    assert.throws(() => FlatTree.attach(buffer.slice(0, buffer.byteLength - 4), root), RangeError);
    for (const [word, value] of [
      [0, 1],
      [1, 2],
      [2, -1],
      [2, 1_000_000],
      [3, -1],
      [3, 2],
      [4, -1],
      [4, 2 ** 30],
    ] as const) {
      const copy = buffer.slice(0);
      FlatTree.attach(copy, root);
      new Int32Array(copy)[word] = value;
      assert.throws(() => FlatTree.attach(copy, root), RangeError, `word ${word} = ${value}`);
    }
  });

  it("refuses a root that cannot be in the buffer", () => {
    const { buffer, root } = flatTreeOf(makePairs(20));
    const wrong: Partial<TreeRoot>[] = [
      { root: 2 ** 30 },
      { root: -(2 ** 30) },
      { root: 0.5 },
      { root: -0x8000_0000 },
      { size: 0 },
      { size: -1 },
      { size: 2 ** 30 },
      { size: 1.5 },
      { longestValue: -1 },
      { longestValue: Number.NaN },
      { rootHash: new Uint8Array(31) },
    ];
    for (const change of wrong) {
      assert.throws(() => FlatTree.attach(buffer, { ...root, ...change }), RangeError, JSON.stringify(change));
    }
  });
});

describe("the buffer of a tree", () => {
  it("refuses counts that are none, and sizes that no machine has, in a sentence", () => {
    const none = { nodes: 0, leaves: 0, valueWords: 0 };
    for (const nodes of [-1, 1.5, Number.NaN, 2 ** 31]) {
      assert.throws(() => makeTreeBuffer({ ...none, nodes }), RangeError);
    }
    const huge = { nodes: 0, leaves: 2 ** 31 - 1, valueWords: 2 ** 31 - 1 };
    assert.throws(() => makeTreeBuffer(huge), /^RangeError: a tree of 2147483647 keys needs \d+ bytes in one piece/);
  });

  it("refuses, before it takes memory, nodes whose hashes stand at words beyond 31 bits", () => {
    for (const nodes of [2 ** 27 - 2, 2 ** 27, 2 ** 31 - 1]) {
      assert.throws(
        () => makeTreeBuffer({ nodes, leaves: 2 ** 31 - 1, valueWords: 2 ** 31 - 1 }),
        /^RangeError: a tree has room for at most 134217725 nodes, not \d+; build a smaller index$/,
      );
    }
    // One fewer is refused for its length alone.
    const most = { nodes: 2 ** 27 - 3, leaves: 2 ** 31 - 1, valueWords: 2 ** 31 - 1 };
    assert.throws(() => makeTreeBuffer(most), /in one piece/);
    assert.ok(hashesOf(most.nodes - 1) + 16 < 2 ** 31 && hashesOf(most.nodes + 1) + 16 >= 2 ** 31);
  });
});
