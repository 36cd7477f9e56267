import type { Node, PrefixTree } from "./prefix-tree.ts";
import { HASH_LENGTH, type Hash } from "./sha256.ts";

/**
 * A prefix tree (spec/tree.md) in one buffer, for threads that answer over shared memory: proofs are copied
 * straight from it and cost no allocation.
 *
 *     buffer = header[128] ‖ node[76]*nodeCapacity ‖ leaf[40]*leafCapacity ‖ value bytes
 *     header = word[32]: 0 magic, 1 format, 2 leaves, 3 root (−2^31 if there is none), 4 nodes, 5 node capacity,
 *              6 leaf capacity, 7 value bytes, 8 longest value, 16–23 root hash; the others are 0
 *     node   = bit, left, right (a word each) ‖ left hash[32] ‖ right hash[32]
 *     leaf   = key[32] ‖ value offset (a word, from the first value byte) ‖ value length (a word)
 *
 * A word is a 32-bit integer in the byte order of the machine: the buffer is memory, not a file. `left`, `right` and
 * `root` say i ≥ 0 for inner node i and −1 − i for leaf i. A node holds the hashes of its two children, so that a
 * step of a path touches one place of memory: where to go on and the sibling that goes into the proof. The same 64 bytes are
 * what the node's own hash is computed from.
 *
 * `build` writes nodes, leaves and values from left to right, depth first, and leaves room for growth; nothing depends on
 * that order, so a builder that changes a copy in place may append nodes, leaves and values and leave holes.
 * A tree of n keys takes 116·n bytes beside its values.
 */

const MAGIC = 0x7064_6674;
const FORMAT = 1;
const HEADER_WORDS = 32;
const NODE_WORDS = 19;
const LEAF_WORDS = 10;
const HASH_WORDS = 8;
const KEY_LENGTH = 32;
const KEY_BITS = 256;

const HEADER = {
  magic: 0,
  format: 1,
  leafCount: 2,
  root: 3,
  nodeCount: 4,
  nodeCapacity: 5,
  leafCapacity: 6,
  valueBytes: 7,
  longestValue: 8,
  rootHash: 16,
} as const;

/** `root` of the empty tree: no leaf has this number. */
const NO_ROOT = -0x8000_0000;
/** Most leaves, and most bytes of all values together. */
const MAX_COUNT = 2 ** 31 - 1;

/** Longest path on the wire: 1 + 32 bytes of bitmap and a sibling for each bit. */
export const MAX_PATH_LENGTH: number = 1 + KEY_BITS / 8 + KEY_BITS * HASH_LENGTH;

/** True where the first byte of a word is its lowest: then words go through a DataView as they are. */
const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** Memory that a tree stands in. */
export type TreeBuffer = SharedArrayBuffer | ArrayBuffer;

/**
 * An immutable prefix tree over a buffer. What was found last (`findLeaf`, `writePath`) is kept in the object: it is
 * for one thread, and each thread attaches its own.
 */
export class FlatTree {
  readonly buffer: TreeBuffer;
  /** The whole buffer; key and value offsets count in it. Others may read it: never write. */
  readonly bytes: Uint8Array;
  /** Number of keys. */
  readonly size: number;
  /** Length of the longest value in bytes. */
  readonly longestValue: number;
  readonly #words: Int32Array;
  readonly #root: number;
  readonly #leavesAt: number;
  readonly #valuesAt: number;
  /** The path found last: the word at which each node begins, left hash first or right, from the root down. */
  readonly #trail = new Int32Array(2 * KEY_BITS);
  #depth = 0;
  #out: DataView = new DataView(new ArrayBuffer(0));

  private constructor(buffer: TreeBuffer) {
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.#words = new Int32Array(buffer, 0, Math.floor(buffer.byteLength / 4));
    const header = (at: number): number => this.#words[at] ?? 0;
    this.size = header(HEADER.leafCount);
    this.longestValue = header(HEADER.longestValue);
    this.#root = header(HEADER.root);
    this.#leavesAt = HEADER_WORDS + NODE_WORDS * header(HEADER.nodeCapacity);
    this.#valuesAt = 4 * (this.#leavesAt + LEAF_WORDS * header(HEADER.leafCapacity));
    const fits =
      header(HEADER.magic) === MAGIC &&
      header(HEADER.format) === FORMAT &&
      this.size >= 0 &&
      this.size <= header(HEADER.leafCapacity) &&
      header(HEADER.nodeCount) >= Math.max(0, this.size - 1) &&
      header(HEADER.nodeCount) <= header(HEADER.nodeCapacity) &&
      this.#root < header(HEADER.nodeCount) &&
      header(HEADER.valueBytes) >= 0 &&
      this.#valuesAt + header(HEADER.valueBytes) <= buffer.byteLength;
    if (!fits) throw new RangeError("the buffer holds no flat tree");
  }

  /**
   * Bytes that a tree of `leafCount` keys and `valueBytes` bytes of values needs.
   *
   * @throws RangeError if one of them is beyond 2^31 − 1
   */
  static byteLength(leafCount: number, valueBytes: number): number {
    for (const count of [leafCount, valueBytes]) {
      if (!Number.isInteger(count) || count < 0 || count > MAX_COUNT) {
        throw new RangeError(`a flat tree holds at most 2^31 - 1 keys and bytes of values, not ${count}`);
      }
    }
    const words = HEADER_WORDS + NODE_WORDS * Math.max(0, leafCount - 1) + LEAF_WORDS * leafCount;
    return 4 * words + valueBytes;
  }

  /**
   * Writes `tree` into `buffer`, whose content is lost, or into a new SharedArrayBuffer with an eighth to spare if there is
   * none or it is too small. No thread may read `buffer` meanwhile.
   *
   * @throws RangeError if a key has not 32 bytes, or as `byteLength`
   */
  static build(tree: PrefixTree, buffer?: TreeBuffer): FlatTree {
    const valueBytes = sumValues(tree.root);
    const needed = FlatTree.byteLength(tree.size, valueBytes);
    let target = buffer;
    if (target === undefined || target.byteLength < needed) {
      target = new SharedArrayBuffer(Math.ceil((needed + needed / 8) / 4096) * 4096);
    }
    new FlatTreeWriter(target, tree.size).write(tree);
    return new FlatTree(target);
  }

  /** The tree that stands in `buffer`, which must not change from now on. @throws RangeError if there is none */
  static attach(buffer: TreeBuffer): FlatTree {
    return new FlatTree(buffer);
  }

  /** Root hash, a copy; of the empty tree 32 zero bytes, for its root needs no tree. */
  rootHash(): Hash {
    return this.bytes.slice(4 * HEADER.rootHash, 4 * HEADER.rootHash + HASH_LENGTH);
  }

  /** Value of a key, a copy; undefined if it has none. */
  get(indexKey: Uint8Array): Uint8Array | undefined {
    const leaf = this.findLeaf(indexKey);
    if (leaf < 0 || !this.isKeyOf(leaf, indexKey)) return undefined;
    const from = this.valueOffset(leaf);
    return this.bytes.slice(from, from + this.valueLength(leaf));
  }

  /**
   * Number of the leaf that the bits of a key lead to, whether the key is in the tree or not; −1 in the empty tree.
   * `writeFoundPath` then writes the way there.
   *
   * @throws RangeError if the key has not 32 bytes
   */
  findLeaf(indexKey: Uint8Array): number {
    if (indexKey.length !== KEY_LENGTH) throw new RangeError("an index key has 32 bytes");
    const words = this.#words;
    const trail = this.#trail;
    let depth = 0;
    let ref = this.#root;
    while (ref >= 0) {
      const node = HEADER_WORDS + NODE_WORDS * ref;
      const bit = words[node] as number;
      const side = ((indexKey[bit >> 3] as number) >> (7 - (bit & 7))) & 1;
      trail[depth++] = bit;
      trail[depth++] = node + 3 + HASH_WORDS * (1 - side);
      ref = words[node + 1 + side] as number;
    }
    this.#depth = depth;
    return ref === NO_ROOT ? -1 : -1 - ref;
  }

  /**
   * Writes the path of the key that was found last at `at`, in the form of spec/dns.md §2.1, and gives its end.
   *
   * @throws RangeError if `out` ends before it; `MAX_PATH_LENGTH` bytes are always enough
   */
  writeFoundPath(out: Uint8Array, at: number): number {
    const words = this.#words;
    const trail = this.#trail;
    const depth = this.#depth;
    const length = depth === 0 ? 0 : ((trail[depth - 2] as number) >> 3) + 1;
    const end = at + 1 + length + (depth >> 1) * HASH_LENGTH;
    if (at < 0 || end > out.length) throw new RangeError("a path does not fit");
    out[at] = length;
    const bitmap = at + 1;
    for (let i = 0; i < length; i++) out[bitmap + i] = 0;
    if (this.#out.buffer !== out.buffer) this.#out = new DataView(out.buffer);
    const view = this.#out;
    let to = out.byteOffset + bitmap + length;
    for (let i = depth - 2; i >= 0; i -= 2) {
      const bit = trail[i] as number;
      const byte = bitmap + (bit >> 3);
      out[byte] = (out[byte] as number) | (0x80 >> (bit & 7));
      const hash = trail[i + 1] as number;
      // Word by word: a view of each hash would be an allocation, and a loop over bytes is measured four times slower.
      for (let w = 0; w < HASH_WORDS; w++, to += 4) view.setInt32(to, words[hash + w] as number, IS_LITTLE_ENDIAN);
    }
    return end;
  }

  /** Writes the path of `indexKey` at `at` and gives its end: `findLeaf` and `writeFoundPath`. */
  writePath(indexKey: Uint8Array, out: Uint8Array, at: number): number {
    this.findLeaf(indexKey);
    return this.writeFoundPath(out, at);
  }

  /** True if leaf `leaf` is that of `indexKey`. */
  isKeyOf(leaf: number, indexKey: Uint8Array): boolean {
    const { bytes } = this;
    const at = this.keyOffset(leaf);
    for (let i = 0; i < KEY_LENGTH; i++) if (bytes[at + i] !== indexKey[i]) return false;
    return true;
  }

  /** Where the 32 bytes of a leaf's key begin in `bytes`. */
  keyOffset(leaf: number): number {
    return 4 * (this.#leavesAt + LEAF_WORDS * leaf);
  }

  /** Where a leaf's value begins in `bytes`. */
  valueOffset(leaf: number): number {
    return this.#valuesAt + (this.#words[this.#leavesAt + LEAF_WORDS * leaf + 8] as number);
  }

  /** Length of a leaf's value in bytes. */
  valueLength(leaf: number): number {
    return this.#words[this.#leavesAt + LEAF_WORDS * leaf + 9] as number;
  }
}

function sumValues(root: Node | undefined): number {
  let sum = 0;
  const open: Node[] = root === undefined ? [] : [root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if ("value" in node) sum += node.value.length;
    else open.push(node.right, node.left);
  }
  return sum;
}

/** Fills a buffer that is large enough. */
class FlatTreeWriter {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #leavesAt: number;
  readonly #valuesAt: number;
  readonly #nodeCapacity: number;
  readonly #leafCapacity: number;
  #nodes = 0;
  #leaves = 0;
  #valueBytes = 0;
  #longestValue = 0;

  constructor(buffer: TreeBuffer, leafCount: number) {
    this.#words = new Int32Array(buffer, 0, Math.floor(buffer.byteLength / 4));
    this.#bytes = new Uint8Array(buffer);
    this.#nodeCapacity = Math.max(0, leafCount - 1);
    this.#leafCapacity = leafCount;
    this.#leavesAt = HEADER_WORDS + NODE_WORDS * this.#nodeCapacity;
    this.#valuesAt = 4 * (this.#leavesAt + LEAF_WORDS * this.#leafCapacity);
  }

  write(tree: PrefixTree): void {
    const words = this.#words;
    words.fill(0, 0, HEADER_WORDS);
    const { root } = tree;
    words[HEADER.root] = root === undefined ? NO_ROOT : this.#place(root);
    if (root !== undefined) this.#bytes.set(root.hash, 4 * HEADER.rootHash);
    words[HEADER.leafCount] = this.#leaves;
    words[HEADER.nodeCount] = this.#nodes;
    words[HEADER.nodeCapacity] = this.#nodeCapacity;
    words[HEADER.leafCapacity] = this.#leafCapacity;
    words[HEADER.valueBytes] = this.#valueBytes;
    words[HEADER.longestValue] = this.#longestValue;
    words[HEADER.format] = FORMAT;
    words[HEADER.magic] = MAGIC;
  }

  /** Writes a subtree and gives its reference. As deep as the tree: at most 256 calls. */
  #place(node: Node): number {
    if ("value" in node) return this.#placeLeaf(node.indexKey, node.value);
    const number = this.#nodes++;
    const at = HEADER_WORDS + NODE_WORDS * number;
    const words = this.#words;
    words[at] = node.bit;
    this.#bytes.set(node.left.hash, 4 * (at + 3));
    this.#bytes.set(node.right.hash, 4 * (at + 3 + HASH_WORDS));
    words[at + 1] = this.#place(node.left);
    words[at + 2] = this.#place(node.right);
    return number;
  }

  #placeLeaf(indexKey: Uint8Array, value: Uint8Array): number {
    if (indexKey.length !== KEY_LENGTH) throw new RangeError("an index key has 32 bytes");
    const number = this.#leaves++;
    const at = this.#leavesAt + LEAF_WORDS * number;
    this.#bytes.set(indexKey, 4 * at);
    this.#words[at + 8] = this.#valueBytes;
    this.#words[at + 9] = value.length;
    this.#bytes.set(value, this.#valuesAt + this.#valueBytes);
    this.#valueBytes += value.length;
    if (value.length > this.#longestValue) this.#longestValue = value.length;
    return -1 - number;
  }
}
