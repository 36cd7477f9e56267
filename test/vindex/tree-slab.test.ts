import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { FlatTree } from "../../src/vindex/flat-tree.ts";
import { pathProofOf, verifyInclusionProof } from "../../src/vindex/path-proof.ts";
import { type MapChange, PrefixTree } from "../../src/vindex/prefix-tree.ts";
import { TreeSlab } from "../../src/vindex/tree-slab.ts";
import { flipBit, hashOf, sha256, toHex } from "./samples.ts";
import { naiveMapRoot, type Pair, sortedPairsOf } from "./trees.ts";

const someValue = (n: number, length = 1 + ((n * 37) % 255)): Uint8Array => new Uint8Array(length).fill(n);
const pairsOf = (count: number, from = 0): Pair[] =>
  Array.from({ length: count }, (_, i) => ({ indexKey: hashOf(from + i), value: someValue(from + i) }));
const pairsIn = (tree: FlatTree): string[] =>
  Array.from(tree.leaves(), ({ indexKey, value }) => `${toHex(indexKey)} ${toHex(value)}`);
const textOf = (pairs: Iterable<Pair>): string[] =>
  Array.from(pairs, ({ indexKey, value }) => `${toHex(indexKey)} ${toHex(value)}`).sort();

/** Keys of which many share all bits but the last ones. */
const someKey = fc.oneof(
  fc.nat(40).map((n) => hashOf(n)),
  fc.nat(255).map((n) => new Uint8Array(32).fill(0x33, 0, 31).fill(n, 31)),
  fc.nat(255).map((n) => flipBit(new Uint8Array(32), n)),
);
const someChange = fc.record(
  { indexKey: someKey, value: fc.option(fc.uint8Array({ maxLength: 255 }), { nil: undefined }) },
  { noNullPrototype: true },
);
const someChanges = fc.uniqueArray(someChange, { selector: ({ indexKey }) => toHex(indexKey), maxLength: 60 });

describe("a tree slab", () => {
  it("has the tree of a rebuild, and of the prefix tree, after any updates, discarded ones between", () => {
    const steps = fc.array(fc.record({ changes: someChanges, isKept: fc.boolean(), isRetired: fc.boolean() }), {
      maxLength: 12,
      size: "max",
    });
    fc.assert(
      fc.property(steps, (list) => {
        const slab = TreeSlab.empty();
        let reference = PrefixTree.empty(sha256);
        const pairs = new Map<string, Pair>();
        for (const { changes, isKept, isRetired } of list) {
          const before = slab.tree;
          const tree = slab.update(changes);
          assert.equal(slab.tree, before);
          const next = reference.update(changes);
          assert.equal(toHex(tree.rootHash()), toHex(next.rootHash()));
          if (!isKept) {
            slab.discard(tree);
            assert.deepEqual(pairsIn(slab.tree), textOf(pairs.values()));
            continue;
          }
          slab.accept(tree);
          reference = next;
          for (const { indexKey, value } of changes) {
            if (value === undefined) pairs.delete(toHex(indexKey));
            else pairs.set(toHex(indexKey), { indexKey, value });
          }
          if (isRetired) slab.retire(tree);
          assert.equal(tree.size, pairs.size);
          assert.deepEqual(pairsIn(tree), textOf(pairs.values()));
        }
        const built = TreeSlab.build(sortedPairsOf(pairs.values())).tree;
        assert.deepEqual(built.rootHash(), slab.tree.rootHash());
        assert.deepEqual(pairsIn(built), pairsIn(slab.tree));
        assert.equal(toHex(built.rootHash()), toHex(naiveMapRoot([...pairs.values()])));
      }),
      { numRuns: 40 },
    );
  });

  it("leaves what older trees are made of alone until they are retired", () => {
    const slab = TreeSlab.build(sortedPairsOf(pairsOf(300)));
    const kept: { tree: FlatTree; text: string[] }[] = [{ tree: slab.tree, text: pairsIn(slab.tree) }];
    for (let epoch = 1; epoch <= 30; epoch++) {
      const changes = Array.from({ length: 40 }, (_, i) => ({
        indexKey: hashOf((epoch * 29 + i * 7) % 400),
        value: i % 5 === 0 ? undefined : someValue(epoch + i),
      }));
      const tree = slab.update(changes);
      if (epoch % 4 === 0) {
        slab.discard(tree);
        continue;
      }
      slab.accept(tree);
      kept.push({ tree, text: pairsIn(tree) });
      // Six are in use at a time.
      if (kept.length > 6) kept.shift();
      slab.retire((kept[0] as { tree: FlatTree }).tree);
      for (const old of kept) assert.deepEqual(pairsIn(old.tree), old.text);
    }
  });

  it("uses what is retired again, and takes no more memory for ever", () => {
    const slab = TreeSlab.build(sortedPairsOf(pairsOf(2000)));
    const sizes = new Set<number>();
    for (let epoch = 1; epoch <= 200; epoch++) {
      const changes = Array.from({ length: 50 }, (_, i) => {
        const n = (epoch * 613 + i * 17) % 2000;
        return { indexKey: hashOf(n), value: someValue(n + epoch, 1 + ((n * 37) % 255)) };
      });
      slab.discard(slab.update(changes.map(({ indexKey }) => ({ indexKey, value: someValue(epoch, 250) }))));
      const tree = slab.update(changes);
      slab.accept(tree);
      slab.retire(tree);
      sizes.add(slab.byteLength);
    }
    assert.ok(sizes.size <= 2, `${sizes.size} sizes`);
  });

  it("keeps what is held though it is retired, and lets it go then", () => {
    const slab = TreeSlab.build(sortedPairsOf(pairsOf(5000)));
    const update = (epoch: number): void => {
      const some = pairsOf(3, (epoch * 7) % 60);
      const tree = slab.update(some.map(({ indexKey }) => ({ indexKey, value: someValue(epoch, 100) })));
      slab.accept(tree);
      slab.retire(tree);
    };
    update(0);
    const old = slab.tree;
    const text = pairsIn(old);
    const release = slab.hold(old);
    const releaseAgain = slab.hold(old);
    for (let epoch = 1; epoch <= 4; epoch++) {
      update(epoch);
      assert.deepEqual(pairsIn(old), text);
    }
    release();
    update(5);
    assert.deepEqual(pairsIn(old), text, "it is held still");
    assert.equal(slab.tree.buffer, old.buffer, "there was room");
    releaseAgain();
    for (let epoch = 6; epoch <= 60; epoch++) update(epoch);
    assert.notDeepEqual(pairsIn(old), text, "its places are used again");
    assert.equal(slab.tree.buffer, old.buffer);
    assert.throws(() => slab.hold(old), TypeError);
  });

  it("grows into a larger buffer when it is full, and readers of the old one see nothing of it", () => {
    const slab = TreeSlab.empty();
    let count = 0;
    let moves = 0;
    let last = slab.tree;
    for (const more of [1, 1, 5, 60, 400, 1500]) {
      const text = pairsIn(last);
      const tree = slab.update(pairsOf(more, count));
      slab.accept(tree);
      count += more;
      if (tree.buffer !== last.buffer) moves++;
      assert.deepEqual(pairsIn(last), text);
      assert.deepEqual(pairsIn(tree), textOf(pairsOf(count)));
      last = tree;
    }
    assert.ok(moves >= 2, `${moves} moves`);
  });

  it("replaces everything in one update, and takes everything out, and begins again", () => {
    const slab = TreeSlab.build(sortedPairsOf(pairsOf(1000)));
    let tree = slab.update(pairsOf(1000).map(({ indexKey }, i) => ({ indexKey, value: someValue(i + 1, 200) })));
    slab.accept(tree);
    slab.retire(tree);
    const pairs = pairsOf(1000).map(({ indexKey }, i) => ({ indexKey, value: someValue(i + 1, 200) }));
    assert.deepEqual(pairsIn(tree), textOf(pairs));
    tree = slab.update(pairs.map(({ indexKey }) => ({ indexKey, value: undefined })));
    slab.accept(tree);
    assert.deepEqual([tree.size, tree.longestValue, tree.rootRef], [0, 0, undefined]);
    assert.equal(toHex(tree.rootHash()), toHex(sha256(new Uint8Array(0))));
    slab.retire(tree);
    tree = slab.update(pairsOf(10));
    slab.accept(tree);
    assert.equal(toHex(tree.rootHash()), toHex(naiveMapRoot(pairsOf(10))));
  });

  it("has the right tree of keys that share 255 bits, and of 256 that meet at every depth", () => {
    const key = hashOf(1);
    const deep = [key, ...Array.from({ length: 256 }, (_, bit) => flipBit(key, bit))];
    for (const keys of [[key], [key, flipBit(key, 255)], deep]) {
      const pairs = keys.map((indexKey, i) => ({ indexKey, value: someValue(i) }));
      const slab = TreeSlab.empty();
      for (const pair of pairs) slab.accept(slab.update([pair]));
      const expected = toHex(naiveMapRoot(pairs));
      assert.equal(toHex(slab.tree.rootHash()), expected);
      assert.equal(toHex(TreeSlab.build(sortedPairsOf(pairs)).tree.rootHash()), expected);
      for (const { indexKey } of pairs) slab.accept(slab.update([{ indexKey, value: undefined }]));
      assert.equal(slab.tree.size, 0);
    }
  });

  it("changes nothing for what changes nothing", () => {
    const slab = TreeSlab.build(sortedPairsOf(pairsOf(50)));
    const { root } = slab.tree;
    const nothing: MapChange[] = [...pairsOf(20), { indexKey: hashOf("absent"), value: undefined }];
    for (const changes of [[], nothing]) {
      const tree = slab.update(changes);
      assert.deepEqual(tree.root, root);
      slab.accept(tree);
    }
    assert.equal(TreeSlab.empty().update([]).size, 0);
  });

  it("takes 170 bytes a key at most beside the values, with room to grow", () => {
    const count = 20_000;
    const pairs = { count, keys: new Uint8Array(32 * count), lengths: new Uint8Array(count).fill(165) };
    const view = new DataView(pairs.keys.buffer);
    for (let i = 0; i < count; i++) view.setUint32(32 * i, i * 200_000);
    const slab = TreeSlab.build({ ...pairs, values: new Uint8Array(165 * count) });
    assert.ok(slab.byteLength / count - 165 <= 170, `${slab.byteLength / count - 165}`);
  });

  it("gives proofs that verify under its root", () => {
    const slab = TreeSlab.build(sortedPairsOf(pairsOf(200)));
    const tree = slab.update(pairsOf(40, 190));
    slab.accept(tree);
    for (const { indexKey, value } of pairsOf(230)) {
      verifyInclusionProof(pathProofOf(tree.path(indexKey)), indexKey, value, tree.rootHash(), sha256);
    }
  });

  it("refuses changes that are none, and is as it was", () => {
    const slab = TreeSlab.build(sortedPairsOf(pairsOf(30)));
    const { tree } = slab;
    const good = { indexKey: hashOf(99), value: someValue(1) };
    for (const bad of [
      [good, good],
      [good, { indexKey: new Uint8Array(31), value: someValue(1) }],
      [good, { indexKey: new Uint8Array(33), value: undefined }],
      [good, { indexKey: hashOf(98), value: new Uint8Array(256) }],
    ]) {
      assert.throws(() => slab.update(bad), RangeError);
      assert.equal(slab.tree, tree);
    }
    slab.accept(slab.update([good]));
    assert.equal(toHex(slab.tree.rootHash()), toHex(naiveMapRoot([...pairsOf(30), good])));
  });

  it("refuses an update for which there is no memory in a sentence, and is as it was", () => {
    const slab = TreeSlab.build(sortedPairsOf(pairsOf(200)));
    const { tree } = slab;
    const [text, { SharedArrayBuffer: real }] = [pairsIn(tree), globalThis];
    try {
      const none = class {
        constructor() {
          throw new RangeError("Array buffer allocation failed");
        }
      };
      Object.assign(globalThis, { SharedArrayBuffer: none });
      for (const changes of [
        pairsOf(2000, 100),
        pairsOf(200).map(({ indexKey }) => ({ indexKey, value: someValue(9, 255) })),
      ]) {
        assert.throws(() => slab.update(changes), /^RangeError: a tree of \d+ keys needs \d+ bytes in one piece/);
      }
      // What there is room for still goes.
      slab.discard(slab.update(pairsOf(3, 1000)));
    } finally {
      Object.assign(globalThis, { SharedArrayBuffer: real });
    }
    assert.deepEqual(pairsIn(tree), text);
    assert.equal(slab.tree, tree);
    slab.accept(slab.update(pairsOf(2000, 100)));
    assert.equal(toHex(slab.tree.rootHash()), toHex(TreeSlab.build(sortedPairsOf(pairsOf(2100))).tree.rootHash()));
  });

  it("refuses a second update before the first is settled, and to settle another than the prepared one", () => {
    const slab = TreeSlab.empty();
    assert.throws(() => slab.accept(slab.tree), TypeError);
    assert.throws(() => slab.discard(slab.tree), TypeError);
    const tree = slab.update(pairsOf(3));
    assert.throws(() => slab.update(pairsOf(3)), TypeError);
    assert.throws(() => slab.accept(slab.tree), TypeError);
    slab.accept(tree);
    assert.throws(() => slab.accept(tree), TypeError);
    assert.throws(() => slab.discard(tree), TypeError);
    assert.throws(() => slab.retire(TreeSlab.empty().tree), TypeError);
    assert.throws(() => slab.hold(TreeSlab.empty().tree), TypeError);
  });

  it("refuses to be built of keys that do not ascend, and of arrays that are too short", () => {
    const pairs = sortedPairsOf(pairsOf(40));
    const swapped = pairs.keys.slice();
    swapped.copyWithin(32 * 7, 32 * 9, 32 * 10);
    const twice = pairs.keys.slice();
    twice.copyWithin(32 * 8, 32 * 7, 32 * 8);
    for (const bad of [
      { ...pairs, keys: swapped },
      { ...pairs, keys: twice },
      { ...pairs, keys: pairs.keys.subarray(1) },
      { ...pairs, lengths: pairs.lengths.subarray(1) },
      { ...pairs, values: pairs.values.subarray(1) },
      { ...pairs, count: 41 },
      { ...pairs, count: -1 },
      { ...pairs, count: 1.5 },
    ]) {
      assert.throws(() => TreeSlab.build(bad), RangeError);
    }
  });

  it("is built from views at any place of their buffers", () => {
    const pairs = sortedPairsOf(pairsOf(64));
    const expected = toHex(naiveMapRoot(pairsOf(64)));
    for (const offset of [1, 2, 3, 5]) {
      const shift = (bytes: Uint8Array): Uint8Array => {
        const larger = new Uint8Array(bytes.length + 9);
        larger.set(bytes, offset);
        return larger.subarray(offset, offset + bytes.length);
      };
      const { count, keys, lengths, values } = pairs;
      const slab = TreeSlab.build({ count, keys: shift(keys), lengths: shift(lengths), values: shift(values) });
      assert.equal(toHex(slab.tree.rootHash()), expected);
      assert.deepEqual(pairsIn(slab.tree), textOf(pairsOf(64)));
    }
  });
});

describe("a tree slab with threads", () => {
  it("builds the tree that one thread builds, whatever the keys share", async () => {
    const close = Array.from({ length: 300 }, (_, i) => ({
      indexKey: new Uint8Array(32)
        .fill(0x77, 0, 30)
        .fill(i >> 8, 30, 31)
        .fill(i, 31),
      value: someValue(i),
    }));
    for (const pairs of [pairsOf(3000), close, []]) {
      const sorted = sortedPairsOf(pairs);
      const one = TreeSlab.build(sorted).tree;
      const many = (await TreeSlab.buildInThreads(sorted, 2)).tree;
      assert.deepEqual(many.root.rootHash, one.root.rootHash);
      assert.equal(many.longestValue, one.longestValue);
      assert.deepEqual(pairsIn(many), pairsIn(one));
      assert.deepEqual(many.bytes, one.bytes, "another buffer");
    }
  });

  it("refuses what one thread refuses", async () => {
    const pairs = sortedPairsOf(pairsOf(500));
    const keys = pairs.keys.slice().reverse();
    await assert.rejects(TreeSlab.buildInThreads({ ...pairs, keys }, 1), RangeError);
    await assert.rejects(TreeSlab.buildInThreads(pairs, 0), RangeError);
  });

  it("is put in order while updates go on, and has them all", async () => {
    const slab = TreeSlab.build(sortedPairsOf(pairsOf(500)));
    for (let i = 0; i < 40; i++) {
      const tree = slab.update(pairsOf(100, (i * 61) % 700));
      slab.accept(tree);
      slab.retire(tree);
    }
    assert.ok(slab.isSpoilt);
    const old = slab.tree;
    const sorting = slab.resort();
    assert.equal(slab.resort(), sorting, "one at a time");
    let epoch = 0;
    let isSorted = false;
    void sorting.then(() => {
      isSorted = true;
    });
    const text = pairsIn(old);
    while (!isSorted) {
      // Few keys, however long the thread takes: what is made again at the end must not spoil the order at once.
      const n = epoch++ % 10;
      const tree = slab.update([
        { indexKey: hashOf(n), value: undefined },
        { indexKey: hashOf(200 + n), value: someValue(epoch) },
      ]);
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (epoch % 3 === 0) slab.discard(tree);
      else slab.accept(tree);
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(pairsIn(old), text, "what was read before");
    }
    await sorting;
    const { tree } = slab;
    assert.notEqual(tree.buffer, old.buffer);
    assert.equal(toHex(tree.rootHash()), toHex(TreeSlab.build(sortedPairsOf(tree.leaves())).tree.rootHash()));
    assert.ok(!slab.isSpoilt);
    // What was given out before the order may still be retired, and nothing comes of it.
    slab.retire(old);
    slab.accept(slab.update(pairsOf(50, 2000)));
    assert.equal(slab.tree.size, tree.size + 50);
  });
});
