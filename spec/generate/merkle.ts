import { type Bytes, bytes, compare, concat, sha256, utf8, uv } from "./bytes.ts";

/** The hash trees, by their definitions: RFC 6962 §2.1, tree.md and log.md. Slow, and short enough to be read. */

export function leafHash(data: Bytes): Bytes {
  return sha256(bytes(0), data);
}

export function nodeHash(left: Bytes, right: Bytes): Bytes {
  return sha256(bytes(1), left, right);
}

/** Largest power of two below n (n ≥ 2). */
function splitOf(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** MTH of RFC 6962 over leaf hashes. */
export function logRoot(leaves: readonly Bytes[]): Bytes {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0] as Bytes;
  const k = splitOf(leaves.length);
  return nodeHash(logRoot(leaves.slice(0, k)), logRoot(leaves.slice(k)));
}

/** PATH of RFC 6962. */
export function inclusionProof(index: number, leaves: readonly Bytes[]): Bytes[] {
  if (leaves.length === 1) return [];
  const k = splitOf(leaves.length);
  return index < k
    ? [...inclusionProof(index, leaves.slice(0, k)), logRoot(leaves.slice(k))]
    : [...inclusionProof(index - k, leaves.slice(k)), logRoot(leaves.slice(0, k))];
}

/** PROOF of RFC 6962, from the first `oldSize` of the leaves. */
export function consistencyProof(oldSize: number, leaves: readonly Bytes[], isWhole = true): Bytes[] {
  if (oldSize === leaves.length) return isWhole ? [] : [logRoot(leaves)];
  const k = splitOf(leaves.length);
  return oldSize <= k
    ? [...consistencyProof(oldSize, leaves.slice(0, k), isWhole), logRoot(leaves.slice(k))]
    : [...consistencyProof(oldSize - k, leaves.slice(k), false), logRoot(leaves.slice(0, k))];
}

/** log.md §6: [first leaf, number of leaves] of each subtree. */
export function cover(start: number, end: number): [number, number][] {
  const out: [number, number][] = [];
  for (let at = start; at < end; ) {
    let size = 1;
    while (at % (size * 2) === 0 && at + size * 2 <= end) size *= 2;
    out.push([at, size]);
    at += size;
  }
  return out;
}

export function coverHashes(start: number, end: number, leaves: readonly Bytes[]): Bytes[] {
  return cover(start, end).map(([first, count]) => logRoot(leaves.slice(first, first + count)));
}

export function peaks(leaves: readonly Bytes[]): Bytes[] {
  return coverHashes(0, leaves.length, leaves);
}

/** Root from peaks, which is all that is known of a huge tree. */
export function rootOfPeaks(hashes: readonly Bytes[]): Bytes {
  return hashes.length === 0 ? sha256() : hashes.reduceRight((right, left) => nodeHash(left, right));
}

export type Pair = readonly [key: Bytes, value: Bytes];

function bitOf(key: Bytes, bit: number): number {
  return ((key[bit >> 3] as number) >> (7 - (bit & 7))) & 1;
}

export function mapLeafHash([key, value]: Pair): Bytes {
  return sha256(bytes(0), uv(key.length), key, uv(value.length), value);
}

export function mapNodeHash(bit: number, left: Bytes, right: Bytes): Bytes {
  return sha256(bytes(1), uv(bit), left, right);
}

function branchBit(pairs: readonly Pair[]): number {
  for (let bit = 0; bit < 256; bit++) if (new Set(pairs.map(([key]) => bitOf(key, bit))).size > 1) return bit;
  throw new RangeError("one key has two values");
}

/** tree.md §2. */
export function mapRoot(pairs: readonly Pair[]): Bytes {
  if (pairs.length === 0) return sha256();
  if (pairs.length === 1) return mapLeafHash(pairs[0] as Pair);
  const bit = branchBit(pairs);
  const side = (b: number) => pairs.filter(([key]) => bitOf(key, bit) === b);
  return mapNodeHash(bit, mapRoot(side(0)), mapRoot(side(1)));
}

/** The path of a key (tree.md §3), deepest node first, and the pair that it ends in. */
export interface MapPath {
  readonly bits: readonly number[];
  readonly siblings: readonly Bytes[];
  readonly end: Pair;
}

export function mapPath(pairs: readonly Pair[], key: Bytes): MapPath {
  if (pairs.length === 1) return { bits: [], siblings: [], end: pairs[0] as Pair };
  const bit = branchBit(pairs);
  const own = pairs.filter((pair) => bitOf(pair[0], bit) === bitOf(key, bit));
  const other = pairs.filter((pair) => bitOf(pair[0], bit) !== bitOf(key, bit));
  const below = mapPath(own, key);
  return { bits: [...below.bits, bit], siblings: [...below.siblings, mapRoot(other)], end: below.end };
}

/** Fold of a path from a start hash. */
export function foldPath(bits: readonly number[], siblings: readonly Bytes[], key: Bytes, start: Bytes): Bytes {
  return bits.reduce((hash, bit, i) => {
    const sibling = siblings[i] as Bytes;
    return bitOf(key, bit) === 0 ? mapNodeHash(bit, hash, sibling) : mapNodeHash(bit, sibling, hash);
  }, start);
}

export function encodePath(bits: readonly number[], siblings: readonly Bytes[]): Bytes {
  const bitmap = new Uint8Array(bits.length === 0 ? 0 : (Math.max(...bits) >> 3) + 1);
  for (const bit of bits) bitmap[bit >> 3] = (bitmap[bit >> 3] as number) | (0x80 >> (bit & 7));
  return concat(bytes(bitmap.length), bitmap, ...siblings);
}

/** The pairs of a map from its subjects. */
export function pairsOf(subjects: Iterable<readonly [string, string]>): Pair[] {
  const pairs: Pair[] = [];
  for (const [subject, value] of subjects) pairs.push([sha256(utf8(subject)), utf8(value)]);
  return pairs.sort((a, b) => compare(a[0], b[0]));
}
