import { concatBytes, equalBytes } from "./bytes.ts";
import { ProofdnsError } from "./error.ts";
import { bitOf, computeEmptyMapRoot, computeMapLeafHash, computeMapNodeHash, type TreePath } from "./prefix-tree.ts";
import { sha256 as defaultSha256, HASH_LENGTH, type Hash, type Sha256 } from "./sha256.ts";

/** Highest bit that a 32-byte key has, plus one. */
const KEY_BITS = 256;

/**
 * A path of the prefix tree as on the wire (spec/tree.md §3):
 *
 *     bitmapBytes[1] ‖ bitmap[bitmapBytes] ‖ sibling[32]*
 *
 * `bits` are the branch bits, deepest (greatest) first, and `siblings` stand beside them.
 */
export interface PathProof {
  readonly bits: readonly number[];
  readonly siblings: readonly Hash[];
}

/** The path proof of a tree path: the steps turned around, deepest first. */
export function pathProofOf(path: TreePath): PathProof {
  const steps = [...path.steps].reverse();
  return { bits: steps.map((step) => step.bit), siblings: steps.map((step) => step.sibling) };
}

/** Encodes a path. @throws RangeError if its bits do not descend strictly from at most 255, or do not fit the siblings */
export function encodePathProof(proof: PathProof): Uint8Array {
  const bitmap = new Uint8Array(Math.floor((proof.bits[0] ?? -8) / 8) + 1);
  let previous = KEY_BITS;
  for (const bit of proof.bits) {
    if (!Number.isInteger(bit) || bit < 0 || bit >= previous)
      throw new RangeError("the bits of a path descend strictly");
    bitmap[Math.floor(bit / 8)] = (bitmap[Math.floor(bit / 8)] as number) | (0x80 >> (bit % 8));
    previous = bit;
  }
  if (proof.bits.length !== proof.siblings.length) throw new RangeError("as many siblings as bits");
  return concatBytes(Uint8Array.of(bitmap.length), bitmap, ...proof.siblings);
}

/**
 * Decodes the path at `offset`. The siblings alias `bytes`.
 *
 * @throws ProofdnsError `MALFORMED_PROOF` if it is cut off or its bitmap is too long or ends in a zero byte
 */
export function decodePathProof(bytes: Uint8Array, offset: number): { proof: PathProof; end: number } {
  const refuse = (why: string): never => {
    throw new ProofdnsError("MALFORMED_PROOF", `path: ${why}`);
  };
  const length = bytes[offset];
  if (length === undefined) return refuse("no bitmap length");
  const start = offset + 1;
  if (length > KEY_BITS / 8) return refuse("the bitmap is longer than a key");
  if (start + length > bytes.length) return refuse("the bitmap is cut off");
  if (length > 0 && bytes[start + length - 1] === 0) return refuse("the bitmap ends in a zero byte");
  const bits: number[] = [];
  for (let bit = length * 8 - 1; bit >= 0; bit--) {
    if (bitOf(bytes.subarray(start, start + length), bit) === 1) bits.push(bit);
  }
  const siblings: Hash[] = [];
  let end = start + length;
  for (let i = 0; i < bits.length; i++, end += HASH_LENGTH) {
    if (end + HASH_LENGTH > bytes.length) return refuse("a sibling is cut off");
    siblings.push(bytes.subarray(end, end + HASH_LENGTH));
  }
  return { proof: { bits, siblings }, end };
}

function fold(proof: PathProof, indexKey: Uint8Array, start: Hash, sha256: Sha256): Hash {
  let hash = start;
  for (const [i, bit] of proof.bits.entries()) {
    const sibling = proof.siblings[i] as Hash;
    hash =
      bitOf(indexKey, bit) === 0
        ? computeMapNodeHash(bit, hash, sibling, sha256)
        : computeMapNodeHash(bit, sibling, hash, sha256);
  }
  return hash;
}

/**
 * Verifies that the map with root `mapRoot` holds `value` for `indexKey` (spec/tree.md §4.1).
 *
 * @throws ProofdnsError `BAD_PROOF`, also for an empty value
 */
export function verifyInclusionProof(
  untrustedProof: PathProof,
  indexKey: Uint8Array,
  untrustedValue: Uint8Array,
  mapRoot: Hash,
  sha256: Sha256 = defaultSha256,
): void {
  if (untrustedValue.length === 0) throw new ProofdnsError("BAD_PROOF", "an inclusion proof of an empty value");
  const root = fold(untrustedProof, indexKey, computeMapLeafHash(indexKey, untrustedValue, sha256), sha256);
  if (!equalBytes(root, mapRoot))
    throw new ProofdnsError("BAD_PROOF", "the inclusion proof does not give the map root");
}

/**
 * Verifies that `indexKey` is not in the map with root `mapRoot` (spec/tree.md §4.2): its path ends in the leaf of
 * another key, which agrees with it at every branch. That agreement is what makes absence sound.
 *
 * @throws ProofdnsError `BAD_PROOF`
 */
export function verifyNonInclusionProof(
  untrustedProof: PathProof,
  indexKey: Uint8Array,
  untrustedLeaf: { indexKey: Uint8Array; value: Uint8Array },
  mapRoot: Hash,
  sha256: Sha256 = defaultSha256,
): void {
  const other = untrustedLeaf.indexKey;
  if (untrustedLeaf.value.length === 0) throw new ProofdnsError("BAD_PROOF", "a non-inclusion proof by an empty value");
  if (equalBytes(other, indexKey)) throw new ProofdnsError("BAD_PROOF", "the leaf shown is that of the asked key");
  if (untrustedProof.bits.some((bit) => bitOf(other, bit) !== bitOf(indexKey, bit))) {
    throw new ProofdnsError("BAD_PROOF", "the leaf shown is not where the asked key's path ends");
  }
  const root = fold(untrustedProof, other, computeMapLeafHash(other, untrustedLeaf.value, sha256), sha256);
  if (!equalBytes(root, mapRoot)) {
    throw new ProofdnsError("BAD_PROOF", "the non-inclusion proof does not give the map root");
  }
}

/** Verifies that `mapRoot` is that of the empty map. @throws ProofdnsError `BAD_PROOF` */
export function verifyEmptyMap(mapRoot: Hash, sha256: Sha256 = defaultSha256): void {
  if (!equalBytes(mapRoot, computeEmptyMapRoot(sha256))) throw new ProofdnsError("BAD_PROOF", "the map is not empty");
}
