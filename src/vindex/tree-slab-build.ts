import type { Sha256 } from "./sha256.ts";
import { HashQueue } from "./tree-slab-hash.ts";
import {
  HASH_AT,
  HASH_WORDS,
  hashesOf,
  KEY_BITS,
  KEY_LENGTH,
  LEAF_WORDS,
  LINK_WORDS,
  leavesAt,
  linksAt,
  readTreeCapacity,
  type TreeBuffer,
  valuesAt,
  valueWordsOf,
} from "./tree-slab-layout.ts";

/** Pairs in the order of their keys, without two of one key. */
export interface SortedPairs {
  readonly count: number;
  /** 32 bytes a key, one behind the other. */
  readonly keys: Uint8Array;
  /** Length of each value in bytes. */
  readonly lengths: Uint8Array;
  /** All values, one behind the other. */
  readonly values: Uint8Array;
}

/** A subtree to be built: the leaves `from` … `to` − 1, all with the same first bits, and no others with them. */
export interface TreePart {
  readonly from: number;
  readonly to: number;
  /** Where the values of the leaves begin: in the pairs in bytes, in the buffer in words. */
  readonly valueFrom: number;
  readonly valueTo: number;
}

const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/**
 * Builds trees bottom-up in a buffer, in O(n) and in the order of their keys: leaf i is the pair i, and node i is where
 * the leaves i and i + 1 part. So places need not be given out, and threads that build different subtrees in one
 * buffer do not meet.
 */
export class TreeBuilder {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #linksAt: number;
  readonly #leavesAt: number;
  readonly #valuesAt: number;
  readonly #queue: HashQueue;
  /** The nodes from the root down to where the building is: their numbers, and the heights of their left sides. */
  readonly #open = new Int32Array(KEY_BITS + 1);
  readonly #openHeight = new Int32Array(KEY_BITS + 1);
  #depth = 0;

  constructor(buffer: TreeBuffer, sha256?: Sha256) {
    const capacity = readTreeCapacity(buffer);
    this.#words = new Int32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.#linksAt = linksAt(capacity);
    this.#leavesAt = leavesAt(capacity);
    this.#valuesAt = valuesAt(capacity);
    this.#queue = new HashQueue(buffer, sha256);
  }

  /**
   * Builds a part and gives the reference of its root, whose hash is written at word `hashAt`.
   *
   * @throws RangeError if the keys do not ascend
   */
  build(pairs: SortedPairs, part: TreePart, hashAt: number): number {
    const { from, to } = part;
    const { lengths, values } = pairs;
    const words = this.#words;
    const keys = keyWords(pairs.keys, from, to);
    const view = new DataView(values.buffer, values.byteOffset, values.length);
    let { valueFrom, valueTo } = part;
    this.#depth = 0;
    for (let i = from; i < to; i++) {
      const length = lengths[i] as number;
      const at = this.#leaf(i);
      const key = 8 * (i - from);
      for (let w = 0; w < 8; w++) words[at + w] = keys[key + w] as number;
      words[at + 8] = valueTo;
      words[at + 9] = length;
      this.#copyValue(view, valueFrom, length, valueTo);
      valueFrom += length;
      valueTo += valueWordsOf(length);
      if (i > from) this.#branch(i - 1, -i, 0, this.#part(i - 1));
    }
    const { ref, height } = this.#close(-to, 0);
    this.#queue.add(ref, height, hashAt);
    this.#queue.run();
    return ref;
  }

  /**
   * Joins the roots of adjoining parts, whose hashes stand at the words `hashes`, by the nodes that part them. Gives the reference
   * of the whole; its hash is at `HASH_AT`.
   *
   * @throws RangeError if the keys do not ascend
   */
  join(parts: readonly TreePart[], refs: readonly number[], hashes: Int32Array): number {
    this.#depth = 0;
    let ref = refs[0] as number;
    // What is built already has no height: it does not wait to be hashed, only to be put where its parent keeps it.
    for (let i = 1; i < parts.length; i++) {
      const node = (parts[i] as TreePart).from - 1;
      this.#branch(node, ref, -1, this.#part(node), hashes.subarray(HASH_WORDS * (i - 1), HASH_WORDS * i));
      ref = refs[i] as number;
    }
    const last = hashes.subarray(HASH_WORDS * (parts.length - 1));
    const whole = this.#close(ref, -1, last);
    this.#place(whole.ref, whole.height, HASH_AT, last);
    this.#queue.run();
    return whole.ref;
  }

  /** `ref` ends where node `node`, at `bit`, parts it from what comes next: closes what ends there too, and opens the node. */
  #branch(node: number, ref: number, height: number, bit: number, hash?: Int32Array): void {
    let child = ref;
    let childHeight = height;
    const words = this.#words;
    while (this.#depth > 0) {
      const top = this.#open[this.#depth - 1] as number;
      if ((words[this.#link(top)] as number) < bit) break;
      childHeight = this.#closeTop(child, childHeight, hash);
      child = top;
    }
    const at = this.#link(node);
    words[at] = bit;
    words[at + 1] = child;
    this.#place(child, childHeight, hashesOf(node), hash);
    this.#open[this.#depth] = node;
    this.#openHeight[this.#depth++] = childHeight;
    this.#queue.runIfLong();
  }

  /** Closes all that is open; `ref` is its last child. */
  #close(ref: number, height: number, hash?: Int32Array): { ref: number; height: number } {
    let child = ref;
    let childHeight = height;
    while (this.#depth > 0) {
      const top = this.#open[this.#depth - 1] as number;
      childHeight = this.#closeTop(child, childHeight, hash);
      child = top;
    }
    return { ref: child, height: childHeight };
  }

  /** Gives the deepest open node its right child; gives its height. */
  #closeTop(right: number, height: number, hash: Int32Array | undefined): number {
    const node = this.#open[--this.#depth] as number;
    this.#words[this.#link(node) + 2] = right;
    this.#place(right, height, hashesOf(node) + HASH_WORDS, hash);
    return 1 + Math.max(height, this.#openHeight[this.#depth] as number);
  }

  #place(ref: number, height: number, hashAt: number, hash: Int32Array | undefined): void {
    if (height >= 0) this.#queue.add(ref, height, hashAt);
    else this.#words.set(hash as Int32Array, hashAt);
  }

  /** First bit in which the keys of the leaves i and i + 1 differ. */
  #part(i: number): number {
    const words = this.#words;
    const a = this.#leaf(i);
    const b = this.#leaf(i + 1);
    let w = 0;
    while (w < 8 && words[a + w] === words[b + w]) w++;
    const difference = (words[a + w] as number) ^ (words[b + w] as number);
    const bit = 32 * w + firstBit(difference);
    if (w === 8 || ((this.#bytes[4 * a + (bit >> 3)] as number) >> (7 - (bit & 7))) & 1) {
      throw new RangeError(`the keys of pairs must ascend: the pairs ${i} and ${i + 1} do not`);
    }
    return bit;
  }

  /** Copies a value, which may begin at any byte, to a whole word. */
  #copyValue(view: DataView, from: number, length: number, to: number): void {
    const words = this.#words;
    let target = this.#valuesAt + to;
    let source = from;
    const end = from + length;
    for (; source + 4 <= end; source += 4) words[target++] = view.getInt32(source, IS_LITTLE_ENDIAN);
    for (let byte = 4 * target; source < end; source++, byte++) this.#bytes[byte] = view.getUint8(source);
  }

  #link(node: number): number {
    return this.#linksAt + LINK_WORDS * node;
  }

  #leaf(leaf: number): number {
    return this.#leavesAt + LEAF_WORDS * leaf;
  }
}

/** The keys `from` … `to` − 1 as words. */
function keyWords(keys: Uint8Array, from: number, to: number): Int32Array {
  const isWhole = keys.byteOffset % 4 === 0;
  const some = keys.subarray(KEY_LENGTH * from, KEY_LENGTH * to);
  const source = isWhole ? some : some.slice();
  return new Int32Array(source.buffer, source.byteOffset, source.length / 4);
}

/** Number of the first bit that is set in a word of a key, the first byte's highest being 0. */
export function firstBit(word: number): number {
  if (!IS_LITTLE_ENDIAN) return Math.clz32(word);
  const byte = (31 - Math.clz32(word & -word)) >> 3;
  return 8 * byte + Math.clz32((word >>> (8 * byte)) & 0xff) - 24;
}
