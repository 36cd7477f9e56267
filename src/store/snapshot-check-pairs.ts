import { HASH_LENGTH } from "../vindex/sha256.ts";
import { textOf } from "./records.ts";
import type { PackedPairs } from "./values-file.ts";

/** Pairs between two places of values that are kept. */
const STEP = 4096;
/** Characters of a hash in unpadded base64. */
export const HASH_TEXT = 43;

const ALPHABET = Uint8Array.from(Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"));

/** Compares the keys, or hashes, at byte `i` of `a` and `j` of `b`: below, at or above 0. */
export function compareAt(a: Uint8Array, i: number, b: Uint8Array, j: number): number {
  for (let k = 0; k < HASH_LENGTH; k++) {
    const difference = (a[i + k] as number) - (b[j + k] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** True if the characters from `at` on are the unpadded base64 of the hash at byte `i` of `hashes`. */
export function isHashText(hashes: Uint8Array, i: number, text: Uint8Array, at: number): boolean {
  for (let k = 0, to = at; k < HASH_LENGTH; k += 3, to += 4) {
    const [a, b] = [hashes[i + k] as number, hashes[i + k + 1] as number];
    const c = k + 2 < HASH_LENGTH ? (hashes[i + k + 2] as number) : 0;
    const isSame =
      text[to] === ALPHABET[a >> 2] &&
      text[to + 1] === ALPHABET[((a & 3) << 4) | (b >> 4)] &&
      text[to + 2] === ALPHABET[((b & 15) << 2) | (c >> 6)] &&
      (k + 2 === HASH_LENGTH || text[to + 3] === ALPHABET[c & 63]);
    if (!isSame) return false;
  }
  return true;
}

/** Writes the base64 of the hash at byte `i` of `hashes`, padded, and gives its end. */
export function writeHashText(hashes: Uint8Array, i: number, out: Uint8Array, at: number): number {
  let to = at;
  for (let k = i; k < i + 30; k += 3) {
    const bits = ((hashes[k] as number) << 16) | ((hashes[k + 1] as number) << 8) | (hashes[k + 2] as number);
    out[to++] = ALPHABET[bits >> 18] as number;
    out[to++] = ALPHABET[(bits >> 12) & 63] as number;
    out[to++] = ALPHABET[(bits >> 6) & 63] as number;
    out[to++] = ALPHABET[bits & 63] as number;
  }
  const bits = ((hashes[i + 30] as number) << 16) | ((hashes[i + 31] as number) << 8);
  out[to++] = ALPHABET[bits >> 18] as number;
  out[to++] = ALPHABET[(bits >> 12) & 63] as number;
  out[to++] = ALPHABET[(bits >> 6) & 63] as number;
  out[to++] = 0x3d;
  return to;
}

/** Whether the value in bytes `from` … `to` − 1 is that of a family of majors, as `isMajorsValue`. */
export function isMajorsAt(values: Uint8Array, from: number, to: number): boolean {
  return to - from >= 2 && values[from] === 0x70 && values[from + 1] === 0x3d;
}

/** Where the hash stands that a value commits to, as `committedHash`; −1 if there is none. */
export function committedAt(values: Uint8Array, from: number, to: number): number {
  let end = from;
  while (end < to && values[end] !== 0x3b) end++;
  const at = end - HASH_TEXT;
  const isThere = at >= from + 3 && values[at - 3] === 0x20 && values[at - 2] === 0x73 && values[at - 1] === 0x3d;
  return isThere ? at : -1;
}

/** The pairs of a map whose root was verified, in shared memory: found by key, without a tree. Plain data makes another of it in a thread. */
export class MapPairs {
  readonly pairs: PackedPairs;
  /** Where the values of each `STEP` pairs begin. */
  readonly starts: Float64Array;

  constructor(pairs: PackedPairs, starts: Float64Array) {
    this.pairs = pairs;
    this.starts = starts;
  }

  static of(pairs: PackedPairs): MapPairs {
    const { count, lengths } = pairs;
    const starts = new Float64Array(new SharedArrayBuffer(8 * (Math.floor(count / STEP) + 1)));
    let at = 0;
    for (let i = 0; i < count; i++) {
      if (i % STEP === 0) starts[i / STEP] = at;
      at += lengths[i] as number;
    }
    if (count % STEP === 0) starts[count / STEP] = at;
    return new MapPairs(pairs, starts);
  }

  /** Number of the first pair whose key is not lower than the one at byte `at` of `keys`. */
  find(keys: Uint8Array, at = 0): number {
    return findKey(this.pairs.keys, keys, at);
  }

  /** Where the value of pair `i` begins; that of the number of pairs is where the last one ends. */
  valueAt(i: number): number {
    const step = Math.floor(i / STEP);
    let at = this.starts[step] as number;
    for (let k = step * STEP; k < i; k++) at += this.pairs.lengths[k] as number;
    return at;
  }

  /** The value of a key, empty if it has none. */
  text(indexKey: Uint8Array): string {
    const { count, keys, lengths, values } = this.pairs;
    const i = this.find(indexKey);
    if (i === count || compareAt(keys, HASH_LENGTH * i, indexKey, 0) !== 0) return "";
    const at = this.valueAt(i);
    // What is shared is not decoded (browsers), so it is copied.
    return textOf(values.slice(at, at + (lengths[i] as number)));
  }
}

/** Number of the first of ascending `keys` that is not lower than the one at byte `at` of `wanted`. */
export function findKey(keys: Uint8Array, wanted: Uint8Array, at = 0): number {
  let low = 0;
  let high = keys.length / HASH_LENGTH;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (compareAt(keys, HASH_LENGTH * middle, wanted, at) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
