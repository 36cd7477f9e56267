import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseTreeHead } from "../../src/vindex/checkpoint.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { parseVerifierKey, verifyNote } from "../../src/vindex/note.ts";
import { computeRecordHash } from "../../src/vindex/record.ts";
import {
  computeConsistencyProof,
  computeConsistencyRoots,
  computeEmptyRoot,
  computeLeafHash,
  computeLogInclusionProof,
  computeNodeHash,
  computeRoot,
  computeRootFromPeaks,
  countBits,
  coverRange,
  floorPower2,
  type HashReader,
  type Subtree,
  verifyConsistencyProof,
  verifyLogInclusionProof,
} from "../../src/vindex/tlog.ts";
import { needsTestData, readVectors, SUM_GOLANG_ORG } from "./reference.ts";
import { ed25519, flipBit, fromBase64, fromHex, hashOf, sha256, toHex } from "./samples.ts";
import { naiveConsistency, naiveInclusion, naiveRoot, readerOf } from "./trees.ts";

const MAX = 80;
const bad = { code: "BAD_PROOF" };
const malformed = { code: "MALFORMED_PROOF" };
const leaves = Array.from({ length: MAX }, (_, i) => hashOf(i));
const read = readerOf(leaves);
const roots = Array.from({ length: MAX + 1 }, (_, n) => naiveRoot(leaves.slice(0, n)));
const rootOf = (n: number): Uint8Array => roots[n] as Uint8Array;
const leafOf = (i: number): Uint8Array => leaves[i] as Uint8Array;

interface Rfc6962 {
  leaf_inputs_hex: string[];
  leaf_hashes: string[];
  level1: string[];
  level2: string[];
  roots_by_size: string[];
}

describe("hashes of a log", () => {
  it("gives the leaf hashes, nodes and roots of the classic tree", needsTestData, () => {
    const vectors = readVectors<Rfc6962>("rfc6962.json");
    const hashes = vectors.leaf_inputs_hex.map((hex) => computeLeafHash(fromHex(hex)));
    assert.deepEqual(hashes.map(toHex), vectors.leaf_hashes);
    const level = (below: readonly Uint8Array[]): Uint8Array[] =>
      below.flatMap((left, i) => (i % 2 === 0 ? [computeNodeHash(left, below[i + 1] as Uint8Array)] : []));
    assert.deepEqual(level(hashes).map(toHex), vectors.level1);
    assert.deepEqual(level(level(hashes)).map(toHex), vectors.level2);
    assert.equal(vectors.roots_by_size.length, 9);
    for (const [n, root] of vectors.roots_by_size.entries()) {
      assert.equal(toHex(computeRoot(n, readerOf(hashes.slice(0, n)))), root);
      assert.equal(toHex(naiveRoot(hashes.slice(0, n))), root);
    }
  });

  it("gives the reference record hash", needsTestData, () => {
    const { tessera_leaf: leaf } = readVectors<{ tessera_leaf: { record: string; hash: string } }>("misc.json");
    assert.equal(toHex(computeRecordHash(Uint8Array.from(Buffer.from(leaf.record)))), leaf.hash);
  });

  it("keeps leaves and nodes apart", () => {
    const [a, b] = [hashOf("a"), hashOf("b")];
    assert.notDeepEqual(computeLeafHash(Buffer.concat([a, b])), computeNodeHash(a, b));
    assert.notDeepEqual(computeNodeHash(a, b), computeNodeHash(b, a));
    assert.equal(toHex(computeEmptyRoot()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  });

  it("gives the root of the definition for all sizes", () => {
    for (let n = 0; n <= MAX; n++) assert.deepEqual(computeRoot(n, read, sha256), rootOf(n));
  });

  it("covers every range by complete subtrees, each as large as can be", () => {
    for (let end = 0; end <= MAX; end++) {
      for (let start = 0; start <= end; start++) {
        let at = start;
        for (const { level, index } of coverRange(start, end)) {
          assert.equal(index * 2 ** level, at);
          at += 2 ** level;
          const next = 2 ** (level + 1);
          assert.ok((index * 2 ** level) % next !== 0 || index * 2 ** level + next > end, `${start} ${end}`);
        }
        assert.equal(at, end);
      }
    }
    const example = coverRange(5, 14).map(({ level, index }) => [index * 2 ** level, (index + 1) * 2 ** level]);
    assert.deepEqual(example, [
      [5, 6],
      [6, 8],
      [8, 12],
      [12, 14],
    ]);
  });

  it("counts bits and powers of two up to 2^53 - 1", () => {
    assert.equal(countBits(2 ** 53 - 1), 53);
    assert.equal(countBits(0), 0);
    assert.equal(floorPower2(2 ** 53 - 1), 2 ** 52);
    assert.deepEqual([1, 2, 3, 4, 5, 7, 8, 2 ** 31, 2 ** 32 + 1].map(floorPower2), [
      1,
      2,
      2,
      4,
      4,
      4,
      8,
      2 ** 31,
      2 ** 32,
    ]);
  });

  it("makes one root of peaks", () => {
    const [a, b, c] = [hashOf("a"), hashOf("b"), hashOf("c")];
    assert.deepEqual(computeRootFromPeaks([]), computeEmptyRoot());
    assert.deepEqual(computeRootFromPeaks([a]), a);
    assert.deepEqual(computeRootFromPeaks([a, b, c]), computeNodeHash(a, computeNodeHash(b, c)));
  });
});

describe("log inclusion proofs", () => {
  it("are those of the definition and verify, for every leaf of all sizes", () => {
    for (let n = 1; n <= MAX; n++) {
      for (let i = 0; i < n; i++) {
        const proof = computeLogInclusionProof(i, n, read, sha256);
        assert.deepEqual(proof, naiveInclusion(i, leaves.slice(0, n)));
        verifyLogInclusionProof(proof, leafOf(i), i, n, rootOf(n), sha256);
      }
    }
  });

  it("verify for no other index, leaf, size or root", () => {
    for (let n = 1; n <= 33; n++) {
      for (let i = 0; i < n; i++) {
        const proof = computeLogInclusionProof(i, n, read, sha256);
        for (let j = 0; j < n; j++) {
          if (i === j) continue;
          const refused = (error: unknown): boolean => isProofdnsError(error, "BAD_PROOF", "MALFORMED_PROOF");
          assert.throws(() => verifyLogInclusionProof(proof, leafOf(i), j, n, rootOf(n), sha256), refused);
          assert.throws(() => verifyLogInclusionProof(proof, leafOf(j), i, n, rootOf(n), sha256), bad);
        }
        const refused = (error: unknown): boolean => isProofdnsError(error, "BAD_PROOF", "MALFORMED_PROOF");
        assert.throws(() => verifyLogInclusionProof(proof, leafOf(i), i, n, rootOf(n + 1), sha256), bad);
        assert.throws(() => verifyLogInclusionProof(proof, leafOf(i), i, n + 1, rootOf(n + 1), sha256), refused);
      }
    }
  });

  it("refuse missing, extra, swapped, short and long hashes", () => {
    for (const [i, n] of [
      [0, 2],
      [3, 7],
      [6, 7],
      [40, 80],
      [0, 80],
    ] as const) {
      const proof = computeLogInclusionProof(i, n, read, sha256);
      const verify = (changed: readonly Uint8Array[]) => () =>
        verifyLogInclusionProof(changed, leafOf(i), i, n, rootOf(n));
      for (let at = 0; at < proof.length; at++) {
        assert.throws(verify(proof.filter((_, k) => k !== at)), malformed);
        assert.throws(verify(proof.map((h, k) => (k === at ? h.slice(1) : h))), malformed);
        assert.throws(verify(proof.map((h, k) => (k === at ? Uint8Array.of(...h, 0) : h))), malformed);
      }
      assert.throws(verify([...proof, hashOf("x")]), malformed);
      assert.throws(verify([hashOf("x"), ...proof]), malformed);
      if (proof.length > 1) assert.throws(verify([...proof].reverse()), bad);
    }
  });

  it("refuse every change of one bit", () => {
    for (const [i, n] of [
      [2, 5],
      [4, 5],
      [12, 13],
    ] as const) {
      const proof = computeLogInclusionProof(i, n, read, sha256);
      for (let bit = 0; bit < 256; bit++) {
        for (let at = 0; at < proof.length; at++) {
          const changed = proof.map((h, k) => (k === at ? flipBit(h, bit) : h));
          assert.throws(() => verifyLogInclusionProof(changed, leafOf(i), i, n, rootOf(n), sha256), bad);
        }
        assert.throws(() => verifyLogInclusionProof(proof, flipBit(leafOf(i), bit), i, n, rootOf(n), sha256), bad);
        assert.throws(() => verifyLogInclusionProof(proof, leafOf(i), i, n, flipBit(rootOf(n), bit), sha256), bad);
      }
    }
  });

  it("refuse indexes at and beyond the size", () => {
    for (const [i, n] of [
      [0, 0],
      [1, 1],
      [5, 5],
      [2 ** 53 - 1, 5],
    ] as const) {
      assert.throws(() => verifyLogInclusionProof([], leafOf(0), i, n, rootOf(n)), bad);
      assert.throws(() => computeLogInclusionProof(i, n, read), RangeError);
    }
    for (const i of [-1, 0.5, Number.NaN, 2 ** 53]) {
      assert.throws(() => verifyLogInclusionProof([], leafOf(0), i, 5, rootOf(5)), RangeError);
      assert.throws(() => verifyLogInclusionProof([], leafOf(0), 0, i, rootOf(5)), RangeError);
    }
  });

  it("do not take a node for a leaf", () => {
    // The inner node over the leaves 0 and 1 as leaf 0 of a tree of half the size: a shorter proof, the same root.
    const proof = computeLogInclusionProof(0, 4, read, sha256);
    const node = computeNodeHash(leafOf(0), leafOf(1), sha256);
    assert.throws(() => verifyLogInclusionProof(proof.slice(1), node, 0, 4, rootOf(4), sha256), malformed);
  });

  it("verify for 23 real records under real tree heads", needsTestData, () => {
    type Entry = {
      id: number;
      record: string;
      tree_size: number;
      note: string;
      leaf_hash: string;
      inclusion: string[];
    };
    const { entries } = readVectors<{ entries: Entry[] }>("golden_inclusion.json");
    const key = parseVerifierKey(SUM_GOLANG_ORG);
    assert.equal(entries.length, 23);
    for (const { id, record, tree_size, note, leaf_hash, inclusion } of entries) {
      const head = parseTreeHead(verifyNote(note, key, ed25519).text);
      assert.equal(head.treeSize, tree_size);
      const leafHash = computeRecordHash(Uint8Array.from(Buffer.from(record)));
      assert.deepEqual(leafHash, fromBase64(leaf_hash));
      const proof = inclusion.map(fromBase64);
      verifyLogInclusionProof(proof, leafHash, id, tree_size, head.rootHash);
      assert.throws(() => verifyLogInclusionProof(proof, leafHash, id ^ 1, tree_size, head.rootHash), isProofdnsError);
      assert.throws(() => verifyLogInclusionProof(proof.slice(1), leafHash, id, tree_size, head.rootHash), malformed);
      const other = computeRecordHash(Uint8Array.from(Buffer.from(record.replace(" h1:", " h1:A"))));
      assert.throws(() => verifyLogInclusionProof(proof, other, id, tree_size, head.rootHash), bad);
    }
  });
});

describe("consistency proofs", () => {
  it("are those of the definition and verify, for all pairs of sizes", () => {
    for (let n = 1; n <= MAX; n++) {
      for (let m = 1; m <= n; m++) {
        const proof = computeConsistencyProof(m, n, read, sha256);
        assert.deepEqual(proof, naiveConsistency(m, leaves.slice(0, n)));
        verifyConsistencyProof(proof, m, rootOf(m), n, rootOf(n), sha256);
      }
    }
  });

  it("give both roots, of any sizes", () => {
    for (let n = 2; n <= 40; n++) {
      for (let m = 1; m < n; m++) {
        const proof = computeConsistencyProof(m, n, read, sha256);
        const isPower = floorPower2(m) === m;
        const given = isPower ? rootOf(m) : hashOf("not used");
        assert.deepEqual(computeConsistencyRoots(proof, m, n, given, sha256), {
          oldRoot: rootOf(m),
          newRoot: rootOf(n),
        });
      }
    }
  });

  it("verify for no other sizes or roots", () => {
    const refused = (error: unknown): boolean => isProofdnsError(error, "BAD_PROOF", "MALFORMED_PROOF");
    for (let n = 2; n <= 24; n++) {
      for (let m = 1; m < n; m++) {
        const proof = computeConsistencyProof(m, n, read, sha256);
        for (let k = 1; k <= 26; k++) {
          if (k !== m) assert.throws(() => verifyConsistencyProof(proof, k, rootOf(k), n, rootOf(n), sha256), refused);
          if (k !== m) assert.throws(() => verifyConsistencyProof(proof, m, rootOf(k), n, rootOf(n), sha256), bad);
          if (k !== n) assert.throws(() => verifyConsistencyProof(proof, m, rootOf(m), k, rootOf(k), sha256), refused);
          if (k !== n) assert.throws(() => verifyConsistencyProof(proof, m, rootOf(m), n, rootOf(k), sha256), bad);
        }
      }
    }
  });

  it("refuse every change of one bit", () => {
    for (const [m, n] of [
      [3, 7],
      [4, 7],
      [6, 8],
      [5, 13],
    ] as const) {
      const proof = computeConsistencyProof(m, n, read, sha256);
      for (let bit = 0; bit < 256; bit++) {
        for (let at = 0; at < proof.length; at++) {
          const changed = proof.map((h, k) => (k === at ? flipBit(h, bit) : h));
          assert.throws(() => verifyConsistencyProof(changed, m, rootOf(m), n, rootOf(n), sha256), bad);
        }
        assert.throws(() => verifyConsistencyProof(proof, m, flipBit(rootOf(m), bit), n, rootOf(n), sha256), bad);
        assert.throws(() => verifyConsistencyProof(proof, m, rootOf(m), n, flipBit(rootOf(n), bit), sha256), bad);
      }
    }
  });

  it("refuse missing, extra, short and long hashes", () => {
    for (const [m, n] of [
      [3, 7],
      [4, 8],
      [6, 8],
      [1, 80],
      [79, 80],
      [7, 7],
    ] as const) {
      const proof = computeConsistencyProof(m, n, read, sha256);
      const verify = (changed: readonly Uint8Array[]) => () =>
        verifyConsistencyProof(changed, m, rootOf(m), n, rootOf(n));
      for (let at = 0; at < proof.length; at++) {
        assert.throws(verify(proof.filter((_, k) => k !== at)), malformed);
        assert.throws(verify(proof.map((h, k) => (k === at ? h.slice(1) : h))), malformed);
      }
      assert.throws(verify([...proof, hashOf("x")]), malformed);
    }
  });

  it("of equal sizes are empty, and then the roots must be equal", () => {
    assert.deepEqual(computeConsistencyProof(7, 7, read), []);
    verifyConsistencyProof([], 7, rootOf(7), 7, rootOf(7));
    assert.throws(() => verifyConsistencyProof([], 7, rootOf(7), 7, rootOf(8)), bad);
  });

  it("do not exist from size 0 or to a smaller size", () => {
    for (const [m, n] of [
      [0, 0],
      [0, 5],
      [6, 5],
    ] as const) {
      assert.throws(() => verifyConsistencyProof([], m, rootOf(m), n, rootOf(n)), malformed);
      assert.throws(() => computeConsistencyProof(m, n, read), RangeError);
    }
    for (const m of [-1, 0.5, Number.NaN, 2 ** 53]) {
      assert.throws(() => verifyConsistencyProof([], m, rootOf(1), 5, rootOf(5)), RangeError);
    }
  });

  it("verify between 5 pairs of real tree heads", needsTestData, () => {
    type Entry = { old_size: number; new_size: number; old_note: string; new_note: string; consistency: string[] };
    const { entries } = readVectors<{ entries: Entry[] }>("golden_consistency.json");
    const key = parseVerifierKey(SUM_GOLANG_ORG);
    assert.equal(entries.length, 5);
    for (const { old_size, new_size, old_note, new_note, consistency } of entries) {
      const [older, newer] = [old_note, new_note].map(
        (note) => parseTreeHead(verifyNote(note, key, ed25519).text).rootHash,
      );
      const proof = consistency.map(fromBase64);
      assert.ok(older !== undefined && newer !== undefined);
      verifyConsistencyProof(proof, old_size, older, new_size, newer);
      assert.throws(() => verifyConsistencyProof(proof, old_size, newer, new_size, older), bad);
      assert.throws(() => verifyConsistencyProof(proof.slice(0, -1), old_size, older, new_size, newer), malformed);
      assert.throws(() => verifyConsistencyProof([...proof].reverse(), old_size, older, new_size, newer), bad);
    }
  });
});

describe("logs of up to 2^53 - 1 leaves", () => {
  // All leaves are the same, so the hash of a complete subtree depends on its level alone.
  const levels: Uint8Array[] = [hashOf("same")];
  for (let level = 1; level < 54; level++) {
    const below = levels[level - 1] as Uint8Array;
    levels.push(computeNodeHash(below, below, sha256));
  }
  const asked: Subtree[] = [];
  const readSame: HashReader = (subtrees) => {
    asked.push(...subtrees);
    return subtrees.map(({ level }) => levels[level] as Uint8Array);
  };
  const size = fc.oneof(
    fc.integer({ min: 1, max: 2 ** 53 - 1 }),
    fc.constantFrom(2 ** 53 - 1, 2 ** 52, 2 ** 52 + 1, 2 ** 32, 2 ** 31 - 1, 2 ** 31),
  );

  it("have inclusion proofs that verify", () => {
    fc.assert(
      fc.property(size, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (n, part) => {
        const i = Math.floor(part * n);
        const root = computeRoot(n, readSame, sha256);
        const proof = computeLogInclusionProof(i, n, readSame, sha256);
        verifyLogInclusionProof(proof, levels[0] as Uint8Array, i, n, root, sha256);
        assert.ok(proof.length <= 53);
        assert.throws(() => verifyLogInclusionProof(proof, hashOf("other"), i, n, root, sha256), bad);
      }),
    );
  });

  it("have consistency proofs that verify", () => {
    fc.assert(
      fc.property(size, size, (x, y) => {
        const [m, n] = [Math.min(x, y), Math.max(x, y)];
        const proof = computeConsistencyProof(m, n, readSame, sha256);
        verifyConsistencyProof(proof, m, computeRoot(m, readSame, sha256), n, computeRoot(n, readSame, sha256), sha256);
        assert.ok(proof.length <= 54);
      }),
    );
  });

  it("ask for complete subtrees at safe indexes only", () => {
    for (const { level, index } of asked) assert.ok(Number.isSafeInteger(index) && level >= 0 && level <= 52);
  });
});
