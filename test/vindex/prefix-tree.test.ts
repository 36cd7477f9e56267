import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { compareBytes } from "../../src/vindex/bytes.ts";
import {
  bitOf,
  computeEmptyMapRoot,
  computeMapLeafHash,
  computeMapNodeHash,
  firstDifference,
  type MapChange,
  PrefixTree,
} from "../../src/vindex/prefix-tree.ts";
import { needsTestData, readVectors } from "./reference.ts";
import { fromHex, hashOf, sha256, toHex } from "./samples.ts";
import { naiveMapRoot, type Pair } from "./trees.ts";

/** Keys that share many bits: most bytes are 00, 01, 80 or FF. */
const closeByte = fc.constantFrom(0, 1, 0x80, 0xff, 0xfe);
const closeKey = fc.array(closeByte, { minLength: 4, maxLength: 4 }).map((list) => Uint8Array.from(list));
const unevenKey = fc.array(closeByte, { maxLength: 4 }).map((list) => Uint8Array.from(list));
const value = fc.uint8Array({ maxLength: 6 });
const pairsOf = (key: fc.Arbitrary<Uint8Array>, maxLength = 24): fc.Arbitrary<Pair[]> =>
  fc.uniqueArray(fc.record({ indexKey: key, value }, { noNullPrototype: true }), {
    selector: (pair) => toHex(pair.indexKey),
    maxLength,
    size: "max",
  });

/** Steps of changes, each without repeated keys, that often hit what is there. */
const changes: fc.Arbitrary<MapChange[][]> = fc.array(
  fc.uniqueArray(fc.record({ indexKey: closeKey, value: fc.option(value, { nil: undefined }) }), {
    selector: (change) => toHex(change.indexKey),
    maxLength: 12,
    size: "max",
  }),
  { maxLength: 6, size: "max" },
);

function applied(steps: readonly MapChange[][]): Pair[] {
  const map = new Map<string, Pair>();
  for (const { indexKey, value: v } of steps.flat()) {
    if (v === undefined) map.delete(toHex(indexKey));
    else map.set(toHex(indexKey), { indexKey, value: v });
  }
  return [...map.values()];
}

describe("the prefix tree", () => {
  it("has the 10 reference roots", needsTestData, () => {
    const { tests } = readVectors<{ tests: { kv: [string, string][]; root: string }[] }>("mpt-treehash.json");
    assert.equal(tests.length, 10);
    for (const { kv, root } of tests) {
      const pairs = kv.map(([key, v]) => ({ indexKey: fromHex(key), value: fromHex(v) }));
      for (const order of [pairs, [...pairs].reverse()]) {
        assert.equal(toHex(PrefixTree.of(order).rootHash()), root);
        let tree = PrefixTree.empty();
        for (const pair of order) tree = tree.update([pair]);
        assert.equal(toHex(tree.rootHash()), root);
      }
      assert.equal(toHex(naiveMapRoot(pairs)), root);
    }
  });

  it("has the root of the definition, for keys that share many bits", () => {
    fc.assert(
      fc.property(pairsOf(closeKey), (pairs) =>
        assert.equal(toHex(PrefixTree.of(pairs, sha256).rootHash()), toHex(naiveMapRoot(pairs))),
      ),
      { numRuns: 300 },
    );
  });

  it("has the root of the definition, for keys of different lengths", () => {
    fc.assert(
      fc.property(pairsOf(unevenKey), pairsOf(unevenKey, 5), (pairs, more) => {
        assert.equal(toHex(PrefixTree.of(pairs, sha256).rootHash()), toHex(naiveMapRoot(pairs)));
        const tree = PrefixTree.of(pairs, sha256).update(more);
        assert.equal(toHex(tree.rootHash()), toHex(naiveMapRoot(applied([pairs, more]))));
        for (const pair of applied([pairs, more])) assert.deepEqual(tree.get(pair.indexKey), pair.value);
      }),
      { numRuns: 300 },
    );
  });

  it("has the root of the definition, for hashed keys", () => {
    const pairs = Array.from({ length: 200 }, (_, i) => ({ indexKey: hashOf(i), value: hashOf(-i) }));
    for (const n of [0, 1, 2, 3, 50, 200]) {
      assert.deepEqual(PrefixTree.of(pairs.slice(0, n), sha256).rootHash(), naiveMapRoot(pairs.slice(0, n)));
    }
  });

  it("depends neither on the order nor on the size of the batches", () => {
    const shuffled = pairsOf(closeKey, 16).chain((pairs) =>
      fc.tuple(
        fc.constant(pairs),
        fc.shuffledSubarray(pairs, { minLength: pairs.length }),
        fc.integer({ min: 1, max: 5 }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([pairs, order, batch]) => {
        let tree = PrefixTree.empty(sha256);
        for (let at = 0; at < order.length; at += batch) tree = tree.update(order.slice(at, at + batch));
        assert.deepEqual(tree.rootHash(), PrefixTree.of(pairs, sha256).rootHash());
        assert.equal(tree.size, pairs.length);
      }),
    );
  });

  it("after any changes is the tree of what is left", () => {
    fc.assert(
      fc.property(changes, (steps) => {
        let tree = PrefixTree.empty(sha256);
        for (const step of steps) tree = tree.update(step);
        const left = applied(steps);
        assert.equal(toHex(tree.rootHash()), toHex(naiveMapRoot(left)));
        assert.equal(tree.size, left.length);
        for (const { indexKey, value: v } of left) assert.deepEqual(tree.get(indexKey), v);
        for (const { indexKey } of steps.flat()) {
          const isLeft = left.some((pair) => compareBytes(pair.indexKey, indexKey) === 0);
          assert.equal(tree.get(indexKey) !== undefined, isLeft);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("is empty after all was taken out, in one step or in many", () => {
    const pairs = Array.from({ length: 20 }, (_, i) => ({ indexKey: hashOf(i), value: hashOf(i) }));
    const out = pairs.map(({ indexKey }) => ({ indexKey, value: undefined }));
    let tree = PrefixTree.of(pairs, sha256);
    assert.deepEqual(tree.update(out).rootHash(), computeEmptyMapRoot());
    assert.equal(tree.update(out).size, 0);
    for (const change of out) tree = tree.update([change]);
    assert.deepEqual(tree.rootHash(), computeEmptyMapRoot());
    assert.deepEqual(tree.update(out).rootHash(), computeEmptyMapRoot());
  });

  it("never changes", () => {
    const pairs = Array.from({ length: 20 }, (_, i) => ({ indexKey: hashOf(i), value: hashOf(i) }));
    const tree = PrefixTree.of(pairs, sha256);
    const root = toHex(tree.rootHash());
    tree.update([
      { indexKey: hashOf(3), value: undefined },
      { indexKey: hashOf(4), value: hashOf("new") },
      { indexKey: hashOf(99), value: hashOf(9) },
    ]);
    assert.equal(toHex(tree.rootHash()), root);
    assert.equal(tree.size, 20);
    assert.deepEqual(tree.get(hashOf(3)), hashOf(3));
    assert.equal(tree.get(hashOf(99)), undefined);
  });

  it("refuses two changes of one key in one step", () => {
    const [a, b] = [
      { indexKey: hashOf(1), value: hashOf(2) },
      { indexKey: hashOf(1), value: undefined },
    ];
    assert.throws(() => PrefixTree.empty().update([a, b]), RangeError);
    assert.throws(() => PrefixTree.of([a, { indexKey: hashOf(5), value: hashOf(5) }, a]), RangeError);
    assert.throws(() => PrefixTree.empty().update([b, b]), RangeError);
  });

  it("leads every key to the leaf that its bits select", () => {
    fc.assert(
      fc.property(pairsOf(closeKey), closeKey, (pairs, asked) => {
        const tree = PrefixTree.of(pairs, sha256);
        const { steps, leaf } = tree.path(asked);
        assert.equal(leaf === undefined, pairs.length === 0);
        // Among the keys, those that agree with the asked one in all bits of the path are one: the leaf's.
        const agree = pairs.filter(({ indexKey }) =>
          steps.every(({ bit }) => bitOf(indexKey, bit) === bitOf(asked, bit)),
        );
        if (leaf !== undefined)
          assert.deepEqual(
            agree.map(({ indexKey }) => indexKey),
            [leaf.indexKey],
          );
        for (let i = 1; i < steps.length; i++) assert.ok((steps[i - 1]?.bit as number) < (steps[i]?.bit as number));
        const isThere = pairs.some(({ indexKey }) => compareBytes(indexKey, asked) === 0);
        assert.equal(leaf !== undefined && compareBytes(leaf.indexKey, asked) === 0, isThere);
      }),
    );
  });

  it("takes an empty value for a value", () => {
    const tree = PrefixTree.of([{ indexKey: hashOf(1), value: new Uint8Array(0) }]);
    assert.equal(tree.size, 1);
    assert.deepEqual(tree.get(hashOf(1)), new Uint8Array(0));
  });

  it("goes as deep as the last bit of a key", () => {
    const key = hashOf(1);
    const twin = Uint8Array.from(key, (b, i) => (i === 31 ? b ^ 1 : b));
    const tree = PrefixTree.of([
      { indexKey: key, value: hashOf(1) },
      { indexKey: twin, value: hashOf(2) },
    ]);
    assert.deepEqual(
      tree.path(key).steps.map(({ bit }) => bit),
      [255],
    );
    const nested = Array.from({ length: 257 }, (_, i) => ({
      indexKey: i === 256 ? new Uint8Array(32) : oneBit(i),
      value: hashOf(i),
    }));
    const deep = PrefixTree.of(nested, sha256);
    assert.equal(deep.path(new Uint8Array(32)).steps.length, 256);
    assert.deepEqual(deep.rootHash(), naiveMapRoot(nested));
  });
});

function oneBit(bit: number): Uint8Array {
  const key = new Uint8Array(32);
  key[bit >> 3] = 0x80 >> (bit & 7);
  return key;
}

describe("hashes of the prefix tree", () => {
  it("keeps leaves, nodes, keys and values apart", () => {
    const key = hashOf("k");
    const moved = computeMapLeafHash(key.slice(0, 31), Uint8Array.of(...key.slice(31), ...hashOf("v")));
    assert.notDeepEqual(computeMapLeafHash(key, hashOf("v")), moved);
    const [l, r] = [hashOf("l"), hashOf("r")];
    const hashes = [
      computeMapNodeHash(0, l, r),
      computeMapNodeHash(1, l, r),
      computeMapNodeHash(0, r, l),
      computeMapNodeHash(128, l, r),
    ];
    assert.equal(new Set(hashes.map(toHex)).size, 4);
    assert.notDeepEqual(computeMapLeafHash(l, r), computeMapNodeHash(32, l, r));
  });

  it("hashes lengths and bits above 127 as varints", () => {
    const key = hashOf("k");
    const long = new Uint8Array(200).fill(7);
    assert.deepEqual(computeMapLeafHash(key, long), sha256(Uint8Array.of(0, 32, ...key, 0xc8, 0x01, ...long)));
    assert.deepEqual(computeMapNodeHash(200, key, key), sha256(Uint8Array.of(1, 0xc8, 0x01, ...key, ...key)));
  });

  it("counts bits from the most significant of the first byte", () => {
    assert.deepEqual(
      [0, 1, 7, 8, 15].map((bit) => bitOf(Uint8Array.of(0x80, 0x01), bit)),
      [1, 0, 0, 0, 1],
    );
    assert.deepEqual(
      [16, 23, 24, 31, 5000].map((bit) => bitOf(Uint8Array.of(0x80, 0x01), bit)),
      [0, 0, 1, 1, 1],
    );
    assert.equal(firstDifference(Uint8Array.of(0), Uint8Array.of(1)), 7);
    assert.equal(firstDifference(Uint8Array.of(), Uint8Array.of(0)), 8);
    assert.throws(() => firstDifference(hashOf(1), hashOf(1)), TypeError);
  });
});
