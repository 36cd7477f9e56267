import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { concatBytes, equalBytes } from "../../src/vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../../src/vindex/error.ts";
import { bitOf, type MapChange, PrefixTree } from "../../src/vindex/prefix-tree.ts";
import { PrunedTree, valueIn, walkPrefixTree } from "../../src/vindex/pruned-tree.ts";
import { TreeSlab } from "../../src/vindex/tree-slab.ts";
import { hashOf, sha256 } from "./samples.ts";

const bytesOf = (tree: PrunedTree): Uint8Array => tree.encode();
const decode = (bytes: Uint8Array): PrunedTree => PrunedTree.decode(bytes, 0, sha256);
const prune = (tree: PrefixTree, keys: Iterable<Uint8Array>): PrunedTree =>
  PrunedTree.of(walkPrefixTree(tree), keys, sha256);
const value = (n: number): Uint8Array => Uint8Array.of(1 + (n % 255), n % 7);
/** Keys that meet deep in the tree: few bytes of them differ. */
const key = fc
  .array(fc.record({ at: fc.nat(31), byte: fc.constantFrom(1, 2, 128, 255) }), { maxLength: 3 })
  .map((set) => {
    const out = new Uint8Array(32);
    for (const { at, byte } of set) out[at] = byte;
    return out;
  });
const unique = (keys: readonly Uint8Array[]): Uint8Array[] => [
  ...new Map(keys.map((k) => [Buffer.from(k).toString("hex"), k])).values(),
];
const treeOf = (keys: readonly Uint8Array[]): PrefixTree =>
  PrefixTree.of(
    keys.map((indexKey, i) => ({ indexKey, value: value(i) })),
    sha256,
  );

function refuses(bytes: Uint8Array, why: RegExp): void {
  assert.throws(
    () => decode(bytes),
    (error: unknown) => isProofdnsError(error, "MALFORMED_TRANSITION") && why.test(error.message),
  );
}

describe("a pruned tree", () => {
  it("has the root of the whole tree, whatever it is pruned to, and is decoded from what it encodes to", () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 40 }), fc.array(key, { maxLength: 10 }), (there, asked) => {
        const tree = treeOf(unique(there));
        const pruned = prune(tree, asked);
        const again = decode(bytesOf(pruned));
        for (const one of [pruned, again]) assert.ok(equalBytes(one.rootHash(), tree.rootHash()));
        assert.ok(equalBytes(bytesOf(again), bytesOf(pruned)));
        for (const one of asked) assert.deepEqual(again.get(one), tree.get(one));
      }),
      { numRuns: 200 },
    );
  });

  it("gives the root after any changes of its keys, new ones included", () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 40 }), fc.array(key, { maxLength: 10 }), (there, asked) => {
        const tree = treeOf(unique(there));
        const changes: MapChange[] = unique(asked).map((indexKey, i) => ({ indexKey, value: value(i + 99) }));
        const after = decode(bytesOf(prune(tree, asked))).rootAfter(changes);
        assert.ok(equalBytes(after, tree.update(changes).rootHash()));
      }),
      { numRuns: 200 },
    );
  });

  it("is the same of a tree in one buffer", () => {
    const keys = Array.from({ length: 300 }, (_, i) => hashOf(i));
    const tree = treeOf(keys);
    const slab = TreeSlab.empty({ sha256 });
    slab.accept(slab.update(keys.map((indexKey, i) => ({ indexKey, value: value(i) }))));
    const asked = Array.from({ length: 20 }, (_, i) => hashOf(i * 20 + (i % 2) * 1000));
    assert.ok(equalBytes(bytesOf(PrunedTree.of(slab.tree, asked, sha256)), bytesOf(prune(tree, asked))));
    for (const one of asked) assert.deepEqual(valueIn(slab.tree, one), tree.get(one));
    assert.equal(PrunedTree.of(TreeSlab.empty({ sha256 }).tree, asked, sha256).isEmpty, true);
  });

  it("does not say what it was pruned to twice, nor in which order", () => {
    const tree = treeOf(Array.from({ length: 50 }, (_, i) => hashOf(i)));
    const asked = Array.from({ length: 9 }, (_, i) => hashOf(3 * i));
    const one = bytesOf(prune(tree, asked));
    assert.ok(equalBytes(bytesOf(prune(tree, [...asked, ...asked].reverse())), one));
  });

  it("hashes each changed node once", () => {
    const tree = treeOf(Array.from({ length: 1000 }, (_, i) => hashOf(i)));
    const asked = Array.from({ length: 20 }, (_, i) => hashOf(i));
    let count = 0;
    const counting = (message: Uint8Array): Uint8Array => {
      count++;
      return sha256(message);
    };
    const bytes = bytesOf(prune(tree, asked));
    const nodes = new Set<string>();
    const pruned = PrunedTree.decode(bytes, 0, counting);
    assert.equal(count, 0, "decoding hashes nothing");
    for (const one of asked)
      for (const { sibling } of tree.path(one).steps) nodes.add(Buffer.from(sibling).toString("hex"));
    pruned.rootAfter(asked.map((indexKey) => ({ indexKey, value: value(1) })));
    assert.ok(count <= asked.length + nodes.size, `${count} hashes`);
  });

  it("refuses a key that leads to where it is cut off", () => {
    const keys = Array.from({ length: 50 }, (_, i) => hashOf(i));
    const tree = treeOf(keys);
    const pruned = prune(tree, [hashOf(3)]);
    let refused = 0;
    for (const other of keys.slice(4)) {
      try {
        pruned.find(other);
      } catch (error) {
        assert.ok(isProofdnsError(error, "BAD_PROOF"));
        assert.throws(() => pruned.rootAfter([{ indexKey: other, value: value(1) }]), ProofdnsError);
        refused++;
      }
    }
    assert.ok(refused > 40);
    assert.throws(() => prune(tree, []).find(hashOf(3)), ProofdnsError);
  });

  it("refuses callers that change a key twice, take one out or ask with a short one", () => {
    const tree = treeOf([hashOf(1), hashOf(2)]);
    const pruned = prune(tree, [hashOf(1)]);
    const change = { indexKey: hashOf(1), value: value(1) };
    assert.throws(() => pruned.rootAfter([change, change]), RangeError);
    assert.throws(() => pruned.rootAfter([{ ...change, value: undefined }]), TypeError);
    assert.throws(() => prune(tree, [new Uint8Array(31)]), RangeError);
  });
});

describe("decoding a pruned tree", () => {
  const leaf = (first: number, text = "v"): Uint8Array =>
    Uint8Array.of(1, first, ...new Uint8Array(31), text.length, ...Buffer.from(text));
  const stub = Uint8Array.of(0, ...new Uint8Array(32));
  const inner = (bit: number, left: Uint8Array, right: Uint8Array): Uint8Array =>
    concatBytes(Uint8Array.of(2, bit), left, right);

  it("refuses what has not the shape of a tree", () => {
    refuses(inner(0, stub, stub), /part/);
    refuses(inner(0, leaf(0x80), leaf(0)), /part/);
    refuses(inner(0, leaf(0x80), stub), /part/);
    refuses(inner(0, stub, leaf(0)), /part/);
    refuses(inner(1, leaf(0), leaf(0xc0)), /part/);
    refuses(inner(0, leaf(0), leaf(1)), /part/);
    refuses(inner(255, leaf(0), leaf(0)), /part/);
    refuses(inner(3, inner(1, leaf(0), stub), stub), /not below/);
    refuses(inner(0, inner(0, leaf(0), stub), stub), /not below/);
    assert.equal(bitOf(Uint8Array.of(0x80, ...new Uint8Array(31)), 0), 1);
  });

  it("refuses what is cut off anywhere, goes on, or is no node", () => {
    const whole = inner(0, inner(1, leaf(0), stub), leaf(0x80, "value"));
    assert.ok(equalBytes(bytesOf(decode(whole)), whole));
    for (let at = 1; at < whole.length; at++) refuses(whole.subarray(0, at), /cut off|length/);
    refuses(concatBytes(whole, Uint8Array.of(0)), /after/);
    refuses(Uint8Array.of(3), /kind/);
    refuses(concatBytes(Uint8Array.of(1), new Uint8Array(32), Uint8Array.of(0)), /255/);
    refuses(concatBytes(Uint8Array.of(1), new Uint8Array(32), Uint8Array.of(0x80, 2), new Uint8Array(256)), /255/);
    refuses(concatBytes(Uint8Array.of(1), new Uint8Array(32), Uint8Array.of(0x81, 0, 1)), /length/);
  });

  it("comes to an end on bytes that open ever more nodes", () => {
    refuses(new Uint8Array(100_000).fill(2), /not below/);
    refuses(
      Uint8Array.from({ length: 512 }, (_, i) => (i % 2 === 0 ? 2 : i >> 1)),
      /cut off/,
    );
  });
});
