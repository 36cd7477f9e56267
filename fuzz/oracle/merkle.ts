import { hash } from "node:crypto";

/** Merkle trees from their definitions (RFC 6962 §2.1, RFC 9162 §2.1.4.2, spec/tree.md), with node:crypto alone. */

export const H = (...parts: readonly (Uint8Array | string)[]): Uint8Array => {
  const bytes = parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part));
  const text = hash("sha256", bytes.length === 1 ? (bytes[0] as Uint8Array) : Buffer.concat(bytes), "latin1" as "hex");
  const out = new Uint8Array(32);
  for (let i = 0; i < 32; i++) out[i] = text.charCodeAt(i);
  return out;
};

export const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

const node = (left: Uint8Array, right: Uint8Array): Uint8Array => H(Uint8Array.of(1), left, right);

/** MTH of leaf hashes. */
export function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return H();
  if (leaves.length === 1) return leaves[0] as Uint8Array;
  const k = splitOf(leaves.length);
  return node(naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

/** Largest power of two smaller than n. */
function splitOf(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** PATH(m, D[n]). */
export function naiveInclusion(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  const k = splitOf(leaves.length);
  if (m < k) return [...naiveInclusion(m, leaves.slice(0, k)), naiveRoot(leaves.slice(k))];
  return [...naiveInclusion(m - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))];
}

/** PROOF(m, D[n]). */
export function naiveConsistency(m: number, leaves: readonly Uint8Array[], isWhole = true): Uint8Array[] {
  if (m === leaves.length) return isWhole ? [] : [naiveRoot(leaves)];
  const k = splitOf(leaves.length);
  if (m <= k) return [...naiveConsistency(m, leaves.slice(0, k), isWhole), naiveRoot(leaves.slice(k))];
  return [...naiveConsistency(m - k, leaves.slice(k), false), naiveRoot(leaves.slice(0, k))];
}

/**
 * The two roots that a consistency proof gives, by the algorithm of RFC 9162 §2.1.4.2 on the bits of the sizes; undefined
 * if the number of hashes is wrong. 1 ≤ first ≤ second.
 */
export function naiveConsistencyRoots(
  proof: readonly Uint8Array[],
  first: number,
  second: number,
  firstRoot: Uint8Array,
): { oldRoot: Uint8Array; newRoot: Uint8Array } | undefined {
  if (first === second) return proof.length === 0 ? { oldRoot: firstRoot, newRoot: firstRoot } : undefined;
  const isPowerOfTwo = (BigInt(first) & (BigInt(first) - 1n)) === 0n;
  const path = isPowerOfTwo ? [firstRoot, ...proof] : [...proof];
  if (path.length === 0) return undefined;
  let fn = BigInt(first) - 1n;
  let sn = BigInt(second) - 1n;
  while (fn & 1n) {
    fn >>= 1n;
    sn >>= 1n;
  }
  let fr = path[0] as Uint8Array;
  let sr = fr;
  for (const c of path.slice(1)) {
    if (sn === 0n) return undefined;
    if (fn & 1n || fn === sn) {
      fr = node(c, fr);
      sr = node(c, sr);
      while (!(fn & 1n) && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else sr = node(sr, c);
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n ? { oldRoot: fr, newRoot: sr } : undefined;
}

/** The root that an inclusion proof gives (RFC 9162 §2.1.3.2); undefined if the number of hashes is wrong. */
export function naiveInclusionRoot(
  proof: readonly Uint8Array[],
  leafHash: Uint8Array,
  index: number,
  size: number,
): Uint8Array | undefined {
  let fn = BigInt(index);
  let sn = BigInt(size) - 1n;
  let r = leafHash;
  for (const p of proof) {
    if (sn === 0n) return undefined;
    if (fn & 1n || fn === sn) {
      r = node(p, r);
      while (!(fn & 1n) && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else r = node(r, p);
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n ? r : undefined;
}

/** A log as a row of complete subtrees, largest first. */
export interface Peak {
  readonly size: number;
  readonly hash: Uint8Array;
}

/** Appends a complete subtree to the row. */
export function pushPeak(peaks: readonly Peak[], peak: Peak): Peak[] {
  const last = peaks.at(-1);
  if (last === undefined || last.size !== peak.size) return [...peaks, peak];
  return pushPeak(peaks.slice(0, -1), { size: 2 * peak.size, hash: node(last.hash, peak.hash) });
}

export function rootOfPeaks(peaks: readonly Peak[]): Uint8Array {
  const hashes = peaks.map(({ hash }) => hash);
  return hashes.length === 0 ? H() : hashes.reduceRight((right, left) => node(left, right));
}

/** Sizes of cover(from, to) (spec/log.md §6). */
export function coverSizes(from: number, to: number): number[] {
  const out: number[] = [];
  for (let at = from; at < to; ) {
    let size = 1;
    while (at % (2 * size) === 0 && at + 2 * size <= to) size *= 2;
    out.push(size);
    at += size;
  }
  return out;
}

/** Bit `b` of a key, the first being the most significant of the first byte. */
export function keyBit(key: Uint8Array, b: number): number {
  return ((key[Math.floor(b / 8)] as number) >> (7 - (b % 8))) & 1;
}

/** Leaf and node hashes of the prefix tree (spec/tree.md §1). */
export function mapLeaf(key: Uint8Array, value: Uint8Array): Uint8Array {
  return H(Uint8Array.of(0), uv(key.length), key, uv(value.length), value);
}

/** Root of the map of some pairs, from spec/tree.md §2. */
export function naiveMapRoot(pairs: readonly (readonly [Uint8Array, Uint8Array])[]): Uint8Array {
  const [first] = pairs;
  if (first === undefined) return H();
  if (pairs.length === 1) return mapLeaf(...first);
  let bit = 0;
  while (pairs.every(([key]) => keyBit(key, bit) === keyBit(first[0], bit))) bit++;
  const side = (value: number): Uint8Array => naiveMapRoot(pairs.filter(([key]) => keyBit(key, bit) === value));
  return H(Uint8Array.of(1), uv(bit), side(0), side(1));
}

/** Fold of a path (spec/tree.md §3): `bits` descend, `siblings` beside them. */
export function foldPath(
  key: Uint8Array,
  start: Uint8Array,
  bits: readonly number[],
  siblings: readonly Uint8Array[],
): Uint8Array {
  return bits.reduce((hash, bit, i) => {
    const sibling = siblings[i] as Uint8Array;
    const [left, right] = keyBit(key, bit) === 0 ? [hash, sibling] : [sibling, hash];
    return H(Uint8Array.of(1), uv(bit), left, right);
  }, start);
}

/** Unsigned LEB128. */
export function uv(value: number): Uint8Array {
  const out: number[] = [];
  let rest = BigInt(value);
  do {
    const low = Number(rest % 128n);
    rest /= 128n;
    out.push(rest > 0n ? low + 128 : low);
  } while (rest > 0n);
  return Uint8Array.from(out);
}
