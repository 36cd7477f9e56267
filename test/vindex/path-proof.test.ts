import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { compareBytes } from "../../src/vindex/bytes.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import {
  decodePathProof,
  encodePathProof,
  type PathProof,
  pathProofOf,
  verifyEmptyMap,
  verifyInclusionProof,
  verifyNonInclusionProof,
} from "../../src/vindex/path-proof.ts";
import { computeEmptyMapRoot, PrefixTree } from "../../src/vindex/prefix-tree.ts";
import { decodeVarint } from "../../src/vindex/varint.ts";
import { needsTestData, readVectors } from "./reference.ts";
import { flipBit, fromHex, hash, hashOf, offsetView, refusalOf, sha256, toHex } from "./samples.ts";
import type { Pair } from "./trees.ts";

const bad = { code: "BAD_PROOF" };
const malformed = { code: "MALFORMED_PROOF" };
const decode = (bytes: Uint8Array): PathProof => {
  const { proof, end } = decodePathProof(bytes, 0);
  if (end !== bytes.length) throw new ProofdnsError("MALFORMED_PROOF", "bytes after the path");
  return proof;
};

/** Paths of any bits, deepest first. */
const anyProof: fc.Arbitrary<PathProof> = fc.uniqueArray(fc.nat(255), { maxLength: 20, size: "max" }).chain((bits) =>
  fc.record(
    {
      bits: fc.constant(bits.sort((a, b) => b - a)),
      siblings: fc.array(hash, { minLength: bits.length, maxLength: bits.length }),
    },
    { noNullPrototype: true },
  ),
);

const pairs: Pair[] = Array.from({ length: 40 }, (_, i) => ({
  indexKey: hashOf(i),
  value: hashOf(`value ${i}`).slice(0, 1 + (i % 9)),
}));
const tree = PrefixTree.of(pairs, sha256);
const root = tree.rootHash();
const proofOf = (key: Uint8Array): PathProof => pathProofOf(tree.path(key));
const absent = Array.from({ length: 40 }, (_, i) => hashOf(`absent ${i}`));

describe("path proofs on the wire", () => {
  it("decode to what they were encoded from, at any offset", () => {
    fc.assert(
      fc.property(anyProof, fc.nat(5), fc.uint8Array({ maxLength: 5 }), (proof, before, after) => {
        const encoded = encodePathProof(proof);
        const bytes = offsetView(Uint8Array.from([...new Uint8Array(before), ...encoded, ...after]));
        const decoded = decodePathProof(bytes, before);
        assert.deepEqual(decoded.proof.bits, proof.bits);
        assert.deepEqual(decoded.proof.siblings.map(toHex), proof.siblings.map(toHex));
        assert.equal(decoded.end, before + encoded.length);
      }),
    );
  });

  it("encode to what they were decoded from", () => {
    const byte = fc.constantFrom(0, 1, 2, 3, 0x80, 0xff);
    const bytes = fc
      .tuple(fc.array(byte, { maxLength: 5 }), fc.nat(4))
      .map(([list, n]) => Uint8Array.from([...list, ...new Uint8Array(32 * n)]));
    fc.assert(
      fc.property(bytes, (b) => {
        const decoded = refusalOf(() => decodePathProof(b, 0));
        if (decoded !== undefined) assert.deepEqual(encodePathProof(decoded.proof), b.slice(0, decoded.end));
      }),
      { numRuns: 3000 },
    );
  });

  it("have known bytes", () => {
    assert.equal(toHex(encodePathProof({ bits: [], siblings: [] })), "00");
    const three = { bits: [255, 9, 0], siblings: [hashOf(1), hashOf(2), hashOf(3)] };
    const bitmap = `80 40 ${"00".repeat(29)} 01`.replaceAll(" ", "");
    assert.equal(toHex(encodePathProof(three)), `20${bitmap}${[1, 2, 3].map((n) => toHex(hashOf(n))).join("")}`);
  });

  it("refuse every prefix", () => {
    const encoded = encodePathProof({ bits: [17, 3, 0], siblings: [hashOf(1), hashOf(2), hashOf(3)] });
    for (let n = 0; n < encoded.length; n++)
      assert.throws(() => decodePathProof(encoded.slice(0, n), 0), malformed, String(n));
    assert.throws(() => decodePathProof(encoded, encoded.length), malformed);
    assert.throws(() => decodePathProof(encoded, encoded.length + 9), malformed);
  });

  it("refuse bitmaps of over 32 bytes and such that end in a zero byte", () => {
    for (const length of [33, 34, 128, 255]) {
      assert.throws(() => decodePathProof(new Uint8Array(10_000).fill(1).with(0, length), 0), malformed);
    }
    for (const head of [
      [1, 0],
      [2, 0x80, 0],
      [32, ...new Array<number>(32).fill(0)],
    ]) {
      assert.throws(() => decodePathProof(Uint8Array.from([...head, ...new Uint8Array(320)]), 0), malformed);
    }
  });

  it("refuse to encode bits that do not descend, or other numbers of siblings", () => {
    const s = hashOf(1);
    const wrong = [[0, 1], [1, 1], [256], [-1], [0.5], [5, 7, 3]].map((bits) => ({
      bits,
      siblings: bits.map(() => s),
    }));
    for (const proof of [
      ...wrong,
      { bits: [1], siblings: [] },
      { bits: [], siblings: [s] },
      { bits: [2, 1], siblings: [s] },
    ]) {
      assert.throws(() => encodePathProof(proof), RangeError, JSON.stringify(proof.bits));
    }
  });
});

describe("inclusion proofs of the map", () => {
  it("verify for every pair, also over the wire", () => {
    for (const { indexKey, value } of pairs) {
      const proof = decode(encodePathProof(proofOf(indexKey)));
      verifyInclusionProof(proof, indexKey, value, root);
      verifyInclusionProof(proof, indexKey, value, root, sha256);
    }
  });

  it("verify for no other key, value or root", () => {
    for (const { indexKey, value } of pairs) {
      const proof = proofOf(indexKey);
      for (const other of pairs) {
        if (other.indexKey === indexKey) continue;
        assert.throws(() => verifyInclusionProof(proof, other.indexKey, other.value, root, sha256), bad);
        assert.throws(() => verifyInclusionProof(proof, other.indexKey, value, root, sha256), bad);
        assert.throws(() => verifyInclusionProof(proof, indexKey, Uint8Array.of(...other.value, 1), root, sha256), bad);
      }
      for (const key of absent) assert.throws(() => verifyInclusionProof(proof, key, value, root, sha256), bad);
      assert.throws(() => verifyInclusionProof(proof, indexKey, value, hashOf("root"), sha256), bad);
    }
  });

  it("refuse an empty value, even if the tree holds it", () => {
    const one = PrefixTree.of([{ indexKey: hashOf(1), value: new Uint8Array(0) }]);
    assert.throws(
      () => verifyInclusionProof({ bits: [], siblings: [] }, hashOf(1), new Uint8Array(0), one.rootHash()),
      bad,
    );
  });

  it("refuse every change of one bit", () => {
    for (const { indexKey, value } of pairs.slice(0, 3)) {
      const encoded = encodePathProof(proofOf(indexKey));
      for (let bit = 0; bit < encoded.length * 8; bit++) {
        const changed = flipBit(encoded, bit);
        assert.throws(() => verifyInclusionProof(decode(changed), indexKey, value, root, sha256), ProofdnsError);
      }
      for (let bit = 0; bit < 256; bit++) {
        assert.throws(() => verifyInclusionProof(proofOf(indexKey), flipBit(indexKey, bit), value, root, sha256), bad);
      }
      for (let bit = 0; bit < value.length * 8; bit++) {
        assert.throws(() => verifyInclusionProof(proofOf(indexKey), indexKey, flipBit(value, bit), root, sha256), bad);
      }
    }
  });

  it("refuse the same siblings at other bits", () => {
    for (const { indexKey, value } of pairs) {
      const { bits, siblings } = proofOf(indexKey);
      for (let at = 0; at < bits.length; at++) {
        for (const bit of [(bits[at] as number) + 1, (bits[at] as number) - 1, (bits[at] as number) + 64]) {
          const moved = bits.map((b, i) => (i === at ? bit : b));
          if (bit >= 0)
            assert.throws(() => verifyInclusionProof({ bits: moved, siblings }, indexKey, value, root, sha256), bad);
        }
      }
    }
  });

  it("refuse missing, extra and swapped steps", () => {
    for (const { indexKey, value } of pairs) {
      const { bits, siblings } = proofOf(indexKey);
      const verify = (b: readonly number[], s: readonly Uint8Array[]) => () =>
        verifyInclusionProof({ bits: b, siblings: s }, indexKey, value, root, sha256);
      for (let at = 0; at < bits.length; at++) {
        assert.throws(
          verify(
            bits.filter((_, i) => i !== at),
            siblings.filter((_, i) => i !== at),
          ),
          bad,
        );
      }
      assert.throws(verify([255, ...bits], [hashOf("x"), ...siblings]), bad);
      assert.throws(verify(bits, [...siblings].reverse()), bad);
    }
  });

  it("refuse a boundary moved between key and value", () => {
    const { indexKey, value } = pairs[0] as Pair;
    const proof = proofOf(indexKey);
    const longer = Uint8Array.of(...indexKey, value[0] as number);
    assert.throws(() => verifyInclusionProof(proof, longer, value.slice(1), root), bad);
    assert.throws(
      () => verifyInclusionProof(proof, indexKey.slice(0, 31), Uint8Array.of(...indexKey.slice(31), ...value), root),
      bad,
    );
  });
});

describe("non-inclusion proofs of the map", () => {
  it("verify for absent keys, also over the wire", () => {
    for (const key of absent) {
      const { leaf } = tree.path(key);
      assert.ok(leaf !== undefined);
      verifyNonInclusionProof(decode(encodePathProof(proofOf(key))), key, leaf, root);
    }
  });

  it("verify for no present key, with the path and leaf of any other", () => {
    for (const asked of pairs) {
      for (const shown of pairs) {
        const proof = proofOf(shown.indexKey);
        assert.throws(() => verifyNonInclusionProof(proof, asked.indexKey, shown, root, sha256), bad);
      }
    }
  });

  it("verify only with the leaf where the path of the key ends", () => {
    for (const key of absent) {
      for (const shown of pairs) {
        const isEnd = compareBytes(tree.path(key).leaf?.indexKey as Uint8Array, shown.indexKey) === 0;
        const verify = (): void => verifyNonInclusionProof(proofOf(shown.indexKey), key, shown, root, sha256);
        if (isEnd) verify();
        else assert.throws(verify, bad);
      }
    }
  });

  it("refuse a leaf that is not in the map, an empty value and another root", () => {
    const key = absent[0] as Uint8Array;
    const leaf = tree.path(key).leaf as Pair;
    const proof = proofOf(key);
    assert.throws(() => verifyNonInclusionProof(proof, key, { ...leaf, value: Uint8Array.of(1) }, root), bad);
    assert.throws(() => verifyNonInclusionProof(proof, key, { ...leaf, value: new Uint8Array(0) }, root), bad);
    assert.throws(
      () => verifyNonInclusionProof(proof, key, { ...leaf, indexKey: flipBit(leaf.indexKey, 255) }, root),
      bad,
    );
    assert.throws(() => verifyNonInclusionProof(proof, key, leaf, hashOf("root")), bad);
    assert.throws(() => verifyNonInclusionProof(proof, leaf.indexKey, leaf, root), bad);
  });

  it("refuse every change of one bit of path and leaf", () => {
    for (const key of absent.slice(0, 3)) {
      const leaf = tree.path(key).leaf as Pair;
      const encoded = encodePathProof(proofOf(key));
      for (let bit = 0; bit < encoded.length * 8; bit++) {
        assert.throws(
          () => verifyNonInclusionProof(decode(flipBit(encoded, bit)), key, leaf, root, sha256),
          ProofdnsError,
        );
      }
      for (let bit = 0; bit < 256; bit++) {
        const changed = { ...leaf, indexKey: flipBit(leaf.indexKey, bit) };
        assert.throws(() => verifyNonInclusionProof(proofOf(key), key, changed, root, sha256), bad);
      }
    }
  });

  it("never prove absent what is present, nor present what is absent, in any map", () => {
    const close = fc
      .array(fc.constantFrom(0, 1, 0x80, 0xff), { minLength: 3, maxLength: 3 })
      .map((list) => Uint8Array.from(list));
    const some = fc.uniqueArray(close, { selector: toHex, minLength: 1, maxLength: 10, size: "max" });
    fc.assert(
      fc.property(some, close, (keys, asked) => {
        const map = PrefixTree.of(
          keys.map((indexKey) => ({ indexKey, value: Uint8Array.of(1) })),
          sha256,
        );
        const isThere = keys.some((key) => compareBytes(key, asked) === 0);
        const path = map.path(asked);
        const proof = pathProofOf(path);
        const included = refusalOf(
          () => verifyInclusionProof(proof, asked, Uint8Array.of(1), map.rootHash(), sha256) ?? true,
        );
        const excluded = refusalOf(
          () => verifyNonInclusionProof(proof, asked, path.leaf as Pair, map.rootHash(), sha256) ?? true,
        );
        assert.deepEqual([included === true, excluded === true], [isThere, !isThere]);
        for (const key of keys) {
          const other = pathProofOf(map.path(key));
          if (!isThere)
            assert.throws(() => verifyInclusionProof(other, asked, Uint8Array.of(1), map.rootHash(), sha256), bad);
          else
            assert.throws(
              () =>
                verifyNonInclusionProof(
                  other,
                  asked,
                  { indexKey: key, value: Uint8Array.of(1) },
                  map.rootHash(),
                  sha256,
                ),
              bad,
            );
        }
      }),
      { numRuns: 300 },
    );
  });

  it("for the empty map need the root of the empty map", () => {
    verifyEmptyMap(computeEmptyMapRoot());
    verifyEmptyMap(PrefixTree.empty().rootHash(), sha256);
    for (const other of [root, hashOf(1), new Uint8Array(32), new Uint8Array(0)])
      assert.throws(() => verifyEmptyMap(other), bad);
  });
});

/**
 * Verifies a proof in the wire form of the reference vectors, with this project's verifiers:
 *
 *     inclusion      (uv(bit) ‖ sibling[32])*                                          from the leaf to the root
 *     non-inclusion  uv(len key) ‖ key ‖ uv(len value) ‖ value ‖ (uv(bit) ‖ sibling[32])*
 *                    or nothing for the empty map
 *
 * The checks of order and range of the bits stand here: in this project's own form a bitmap makes them canonical.
 */
function verifyReference(snap: Uint8Array, key: Uint8Array, value: Uint8Array | undefined, bytes: Uint8Array): void {
  let at = 0;
  const refuse = (why: string): never => {
    throw new ProofdnsError("MALFORMED_PROOF", why);
  };
  const varint = (): number => {
    const read = decodeVarint(bytes, at) ?? refuse("a varint");
    at = read.end;
    return read.value;
  };
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) refuse("cut off");
    at += length;
    return bytes.slice(at - length, at);
  };
  if (value === undefined && bytes.length === 0) {
    verifyEmptyMap(snap);
    return;
  }
  const leaf = value === undefined ? { indexKey: take(varint()), value: take(varint()) } : undefined;
  const bits: number[] = [];
  const siblings: Uint8Array[] = [];
  while (at < bytes.length) {
    const bit = varint();
    if (bit >= (bits.at(-1) ?? 8192)) refuse("the bits do not descend");
    bits.push(bit);
    siblings.push(take(32));
  }
  if (leaf === undefined) verifyInclusionProof({ bits, siblings }, key, value as Uint8Array, snap);
  else verifyNonInclusionProof({ bits, siblings }, key, leaf, snap);
}

describe("the reference proofs", () => {
  it("are accepted and refused as they must be, all 30", needsTestData, () => {
    interface Vector {
      name: string;
      snap: string;
      key: string;
      val: string | null;
      proof: string;
      verify: boolean;
    }
    const { tests } = readVectors<{ tests: Vector[] }>("mpt-verify.json");
    let refused = 0;
    for (const { name, snap, key, val, proof, verify } of tests) {
      const run = (): void =>
        verifyReference(fromHex(snap), fromHex(key), val === null ? undefined : fromHex(val), fromHex(proof));
      if (verify) assert.doesNotThrow(run, name);
      else assert.throws(run, ProofdnsError, name);
      if (!verify) refused++;
    }
    assert.deepEqual([tests.length, refused], [30, 20]);
  });
});
