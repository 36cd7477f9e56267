import { hash } from "node:crypto";
import { formatHex } from "../../src/vindex/bytes.ts";
import type { FlatTree } from "../../src/vindex/flat-tree.ts";
import type { HashReader, Subtree } from "../../src/vindex/tlog.ts";
import { type SortedPairs, TreeSlab } from "../../src/vindex/tree-slab.ts";

/** Merkle trees written from their definitions, recursively: what the tests compare with. */

const H = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(hash("sha256", Buffer.concat(parts), "buffer"));

/** RFC 6962 §2.1: MTH of leaf hashes. */
export function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return H();
  if (leaves.length === 1) return leaves[0] as Uint8Array;
  const k = splitOf(leaves.length);
  return H(Uint8Array.of(1), naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

/** Largest power of two smaller than n. */
function splitOf(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** RFC 6962 §2.1.1: PATH(m, D[n]). */
export function naiveInclusion(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  const k = splitOf(leaves.length);
  if (m < k) return [...naiveInclusion(m, leaves.slice(0, k)), naiveRoot(leaves.slice(k))];
  return [...naiveInclusion(m - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))];
}

/** RFC 6962 §2.1.2: PROOF(m, D[n]). */
export function naiveConsistency(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  return subproof(m, leaves, true);
}

function subproof(m: number, leaves: readonly Uint8Array[], isWhole: boolean): Uint8Array[] {
  if (m === leaves.length) return isWhole ? [] : [naiveRoot(leaves)];
  const k = splitOf(leaves.length);
  if (m <= k) return [...subproof(m, leaves.slice(0, k), isWhole), naiveRoot(leaves.slice(k))];
  return [...subproof(m - k, leaves.slice(k), false), naiveRoot(leaves.slice(0, k))];
}

/** Hash of a complete subtree. */
export function naiveSubtree(leaves: readonly Uint8Array[], { level, index }: Subtree): Uint8Array {
  const size = 2 ** level;
  if ((index + 1) * size > leaves.length) throw new Error("the subtree is not complete");
  return naiveRoot(leaves.slice(index * size, (index + 1) * size));
}

/** Reads complete subtrees of `leaves`. */
export function readerOf(leaves: readonly Uint8Array[]): HashReader {
  return (subtrees) => subtrees.map((subtree) => naiveSubtree(leaves, subtree));
}

/** A pair of the map. */
export interface Pair {
  readonly indexKey: Uint8Array;
  readonly value: Uint8Array;
}

/** Unsigned LEB128 of any number. */
export function naiveVarint(n: number): number[] {
  return n < 128 ? [n] : [(n % 128) + 128, ...naiveVarint(Math.floor(n / 128))];
}

/** Bits of a key as text; keys are followed by one byte 00 and then FF. */
function bitsOf(key: Uint8Array, count: number): string {
  const bytes = [...key, 0, ...new Array<number>(Math.max(0, count / 8 - key.length)).fill(0xff)];
  return bytes.map((b) => b.toString(2).padStart(8, "0")).join("");
}

/** Root of the prefix tree (spec/tree.md §1 and §2), by looking at one bit after the other. */
export function naiveMapRoot(pairs: readonly Pair[]): Uint8Array {
  if (pairs.length === 0) return H();
  const longest = Math.max(...pairs.map(({ indexKey }) => indexKey.length));
  const keyed = pairs.map((pair) => ({ ...pair, bits: bitsOf(pair.indexKey, 8 * (longest + 2)) }));
  return subtree(keyed, 0);
}

function subtree(pairs: readonly (Pair & { bits: string })[], bit: number): Uint8Array {
  const [first] = pairs;
  if (first !== undefined && pairs.length === 1) {
    const { indexKey: k, value: v } = first;
    return H(Uint8Array.of(0, ...naiveVarint(k.length)), k, Uint8Array.of(...naiveVarint(v.length)), v);
  }
  const left = pairs.filter(({ bits }) => bits[bit] === "0");
  const right = pairs.filter(({ bits }) => bits[bit] === "1");
  if (left.length === 0 || right.length === 0) return subtree(pairs, bit + 1);
  return H(Uint8Array.of(1, ...naiveVarint(bit)), subtree(left, bit + 1), subtree(right, bit + 1));
}

/** The pairs in the order of their keys, as a bulk build takes them. */
export function sortedPairsOf(pairs: Iterable<Pair>): SortedPairs {
  const sorted = [...pairs].sort((a, b) => Buffer.compare(a.indexKey, b.indexKey));
  return {
    count: sorted.length,
    keys: new Uint8Array(Buffer.concat(sorted.map(({ indexKey }) => indexKey))),
    lengths: Uint8Array.from(sorted, ({ value }) => value.length),
    values: new Uint8Array(Buffer.concat(sorted.map(({ value }) => value))),
  };
}

/** The tree of some pairs, in any order, in a buffer of its own. */
export function flatTreeOf(pairs: Iterable<Pair>): FlatTree {
  const slab = TreeSlab.empty();
  slab.accept(slab.update(pairs));
  return slab.tree;
}

/** The tree with some more or other pairs, in a buffer of its own: the one it was made of is another epoch's. */
export function flatTreeWith(tree: FlatTree, changes: Iterable<Pair>): FlatTree {
  const pairs = new Map([...tree.leaves(), ...changes].map((pair) => [formatHex(pair.indexKey), pair]));
  return flatTreeOf(pairs.values());
}
