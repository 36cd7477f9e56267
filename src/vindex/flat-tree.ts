import type { PathStep, TreePath } from "./prefix-tree.ts";
import { HASH_LENGTH, type Hash } from "./sha256.ts";
import {
  HASH_WORDS,
  hashesOf,
  KEY_BITS,
  KEY_LENGTH,
  LEAF_WORDS,
  LINK_WORDS,
  leavesAt,
  linksAt,
  NO_ROOT,
  readTreeCapacity,
  type TreeBuffer,
  valuesAt,
} from "./tree-slab-layout.ts";

export type { TreeBuffer } from "./tree-slab-layout.ts";

/** Longest path on the wire: 1 + 32 bytes of bitmap and a sibling for each bit. */
export const MAX_PATH_LENGTH: number = 1 + KEY_BITS / 8 + KEY_BITS * HASH_LENGTH;

/** True where the first byte of a word is its lowest: then words go through a DataView as they are. */
const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** Which of the trees in a buffer is meant. A plain value, which goes to other threads beside the buffer. */
export interface TreeRoot {
  /** Reference of the root (tree-slab-layout.ts); −2^31 in the empty tree. */
  readonly root: number;
  /** Number of keys. */
  readonly size: number;
  /** No value is longer, in bytes. */
  readonly longestValue: number;
  /** Root hash; that of the empty tree is H(""). */
  readonly rootHash: Hash;
}

/**
 * A prefix tree (spec/tree.md) over a buffer (tree-slab-layout.ts): proofs are copied straight from it and cost no
 * allocation. Its writer (`TreeSlab`) never changes what a tree in use consists of. What was found last (`findLeaf`,
 * `writePath`) is kept in the object: it is for one thread, and each thread attaches its own.
 */
export class FlatTree {
  readonly buffer: TreeBuffer;
  /** The whole buffer; key and value offsets count in it. Others may read it: never write. */
  readonly bytes: Uint8Array;
  /** What `attach` of another thread needs beside the buffer. */
  readonly root: TreeRoot;
  readonly #words: Int32Array;
  readonly #root: number;
  readonly #linksAt: number;
  readonly #leavesAt: number;
  readonly #valuesAt: number;
  /** The path found last: bit and word of the sibling's hash, from the root down. */
  readonly #trail = new Int32Array(2 * KEY_BITS);
  #depth = 0;
  /** Of no use but that what is read for it must be fetched. */
  #touched = 0;
  #out: DataView = new DataView(new ArrayBuffer(0));

  private constructor(buffer: TreeBuffer, root: TreeRoot) {
    const capacity = readTreeCapacity(buffer);
    const { size, longestValue, rootHash } = root;
    const isEmpty = root.root === NO_ROOT;
    const fits =
      Number.isInteger(root.root) &&
      root.root < capacity.nodes &&
      (isEmpty || root.root >= -capacity.leaves) &&
      Number.isInteger(size) &&
      (isEmpty ? size === 0 : size >= 1 && size <= capacity.leaves && size - 1 <= capacity.nodes) &&
      Number.isInteger(longestValue) &&
      longestValue >= 0 &&
      rootHash.length === HASH_LENGTH;
    if (!fits) throw new RangeError("the buffer has no tree with this root");
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.root = root;
    this.#words = new Int32Array(buffer);
    this.#root = root.root;
    this.#linksAt = linksAt(capacity);
    this.#leavesAt = leavesAt(capacity);
    this.#valuesAt = 4 * valuesAt(capacity);
  }

  /** The tree in `buffer` with this root. @throws RangeError if it cannot be there */
  static attach(buffer: TreeBuffer, root: TreeRoot): FlatTree {
    return new FlatTree(buffer, root);
  }

  /** Number of keys. */
  get size(): number {
    return this.root.size;
  }

  /** No value is longer, in bytes. */
  get longestValue(): number {
    return this.root.longestValue;
  }

  /** Root hash, a copy: a function of the set of pairs alone; H("") of the empty tree. */
  rootHash(): Hash {
    return this.root.rootHash.slice();
  }

  /** Value of a key, a copy; undefined if it has none. */
  get(indexKey: Uint8Array): Uint8Array | undefined {
    const leaf = this.findLeaf(indexKey);
    return leaf < 0 || !this.isKeyOf(leaf, indexKey) ? undefined : this.leafValue(-1 - leaf);
  }

  /**
   * Numbers of the leaves of `count` keys that stand one after the other in `keys`; −1 for a key that is not in the tree. All go down one
   * step at a time, so that the processor fetches many places of memory at once: measured at half the time of one after the other.
   */
  findLeaves(keys: Uint8Array, count: number): Int32Array {
    if (keys.length < KEY_LENGTH * count) throw new RangeError("an index key has 32 bytes");
    const words = this.#words;
    const links = this.#linksAt;
    const refs = new Int32Array(count).fill(this.#root);
    for (let isMoving = this.#root >= 0; isMoving; ) {
      isMoving = false;
      for (let i = 0; i < count; i++) {
        const ref = refs[i] as number;
        if (ref < 0) continue;
        const link = links + LINK_WORDS * ref;
        const bit = words[link] as number;
        const side = ((keys[KEY_LENGTH * i + (bit >> 3)] as number) >> (7 - (bit & 7))) & 1;
        refs[i] = words[link + 1 + side] as number;
        isMoving = true;
      }
    }
    const { bytes } = this;
    for (let i = 0; i < count; i++) {
      const ref = refs[i] as number;
      const leaf = ref === NO_ROOT ? -1 : -1 - ref;
      refs[i] = leaf;
      const at = leaf < 0 ? 0 : this.keyOffset(leaf);
      for (let b = 0; leaf >= 0 && b < KEY_LENGTH; b++) {
        if (bytes[at + b] === keys[KEY_LENGTH * i + b]) continue;
        refs[i] = -1;
        break;
      }
    }
    return refs;
  }

  /** The path of a key, whether the key is in the tree or not; a copy. `writePath` is faster. */
  path(indexKey: Uint8Array): TreePath {
    const leaf = this.findLeaf(indexKey);
    const steps: PathStep[] = [];
    for (let i = 0; i < this.#depth; i += 2) {
      const at = 4 * (this.#trail[i + 1] as number);
      steps.push({ bit: this.#trail[i] as number, sibling: this.bytes.slice(at, at + HASH_LENGTH) });
    }
    const ref = -1 - leaf;
    return { steps, leaf: leaf < 0 ? undefined : { indexKey: this.leafKey(ref), value: this.leafValue(ref) } };
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
    const links = this.#linksAt;
    let depth = 0;
    let ref = this.#root;
    let touched = this.#touched;
    while (ref >= 0) {
      const link = links + LINK_WORDS * ref;
      const bit = words[link] as number;
      const side = ((indexKey[bit >> 3] as number) >> (7 - (bit & 7))) & 1;
      const sibling = hashesOf(ref) + HASH_WORDS * (1 - side);
      trail[depth++] = bit;
      trail[depth++] = sibling;
      // The processor fetches the sibling while it waits for the next link.
      touched ^= words[sibling] as number;
      ref = words[link + 1 + side] as number;
    }
    this.#touched = touched;
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
    return this.#valuesAt + 4 * (this.#words[this.#leavesAt + LEAF_WORDS * leaf + 8] as number);
  }

  /** Length of a leaf's value in bytes. */
  valueLength(leaf: number): number {
    return this.#words[this.#leavesAt + LEAF_WORDS * leaf + 9] as number;
  }

  /** Reference of the root, for walkers: a leaf's or an inner node's; undefined in the empty tree. */
  get rootRef(): number | undefined {
    return this.#root === NO_ROOT ? undefined : this.#root;
  }

  /** True for a reference of a leaf: that of leaf i is −1 − i. */
  isLeafRef(ref: number): boolean {
    return ref < 0;
  }

  /** Branch bit of an inner node. */
  nodeBit(ref: number): number {
    return this.#words[this.#link(ref)] as number;
  }

  /** Child of an inner node: left (0) or right (1). */
  childRef(ref: number, side: 0 | 1): number {
    return this.#words[this.#link(ref) + 1 + side] as number;
  }

  /** Hash of a child of an inner node, a copy. */
  childHash(ref: number, side: 0 | 1): Hash {
    if (ref < 0) throw new RangeError("the reference is that of a leaf");
    const at = 4 * (hashesOf(ref) + HASH_WORDS * side);
    return this.bytes.slice(at, at + HASH_LENGTH);
  }

  /** Key of the leaf with this reference, a copy. */
  leafKey(ref: number): Uint8Array {
    const at = this.keyOffset(this.#leaf(ref));
    return this.bytes.slice(at, at + KEY_LENGTH);
  }

  /** Value of the leaf with this reference, a copy. */
  leafValue(ref: number): Uint8Array {
    const leaf = this.#leaf(ref);
    const at = this.valueOffset(leaf);
    return this.bytes.slice(at, at + this.valueLength(leaf));
  }

  /** All pairs in the order of their keys, copied. */
  *leaves(): Generator<{ indexKey: Uint8Array; value: Uint8Array }> {
    for (const leaf of this.leafNumbers()) {
      yield { indexKey: this.leafKey(-1 - leaf), value: this.leafValue(-1 - leaf) };
    }
  }

  /** The numbers of all leaves (as `findLeaf` gives them) in the order of their keys. */
  *leafNumbers(): Generator<number> {
    if (this.#root === NO_ROOT) return;
    const words = this.#words;
    // At most one right side for each level waits.
    const open = new Int32Array(KEY_BITS);
    let depth = 0;
    let ref = this.#root;
    for (;;) {
      while (ref >= 0) {
        const link = this.#link(ref);
        open[depth++] = words[link + 2] as number;
        ref = words[link + 1] as number;
      }
      yield -1 - ref;
      if (depth === 0) return;
      ref = open[--depth] as number;
    }
  }

  #link(ref: number): number {
    if (ref < 0) throw new RangeError("the reference is that of a leaf");
    return this.#linksAt + LINK_WORDS * ref;
  }

  #leaf(ref: number): number {
    if (ref >= 0) throw new RangeError("the reference is that of an inner node");
    return -1 - ref;
  }
}
