import { FlatTree, type TreeRoot } from "./flat-tree.ts";
import { computeEmptyMapRoot } from "./prefix-tree.ts";
import { HASH_LENGTH, type Sha256 } from "./sha256.ts";
import type { SlabChanges } from "./tree-slab-changes.ts";
import { HashQueue } from "./tree-slab-hash.ts";
import {
  HASH_AT,
  HASH_WORDS,
  hashesOf,
  KEY_BITS,
  LEAF_WORDS,
  LINK_WORDS,
  leavesAt,
  linksAt,
  makeTreeBuffer,
  NO_ROOT,
  NODE_HASH_WORDS,
  readTreeCapacity,
  type TreeBuffer,
  type TreeCapacity,
  valuesAt,
  valueWordsOf,
} from "./tree-slab-layout.ts";
import { NumberStack, Places, ValuePlaces } from "./tree-slab-places.ts";

/** A tree, and the words that its values take. */
export interface WrittenTree {
  readonly tree: FlatTree;
  readonly valueWords: number;
}

/** What one update took and what it made superfluous. */
interface UpdatePlaces {
  readonly takenNodes: NumberStack;
  readonly takenLeaves: NumberStack;
  /** Taken, and then not needed. */
  readonly unusedNodes: NumberStack;
  /** Of the tree before. */
  readonly freedNodes: NumberStack;
  readonly freedLeaves: NumberStack;
}

const makeUpdatePlaces = (): UpdatePlaces => ({
  takenNodes: new NumberStack(),
  takenLeaves: new NumberStack(),
  unusedNodes: new NumberStack(),
  freedNodes: new NumberStack(),
  freedLeaves: new NumberStack(),
});

/** With room to grow by a ninth. */
export function withHeadroom(count: number): number {
  return count + Math.ceil(count / 9) + 64;
}

/**
 * Writes new trees beside those that are read, in one buffer: an update takes free places for what differs from the tree before,
 * and shares the rest with it. What only older trees used is free again when nobody reads them any more.
 */
export class SlabWriter {
  readonly #sha256: Sha256 | undefined;
  readonly #queue: HashQueue;
  #buffer: TreeBuffer;
  #words: Int32Array;
  #linksAt = 0;
  #leavesAt = 0;
  #valuesAt = 0;
  readonly #nodes: Places;
  readonly #leaves: Places;
  readonly #values: ValuePlaces;
  /** The newest accepted tree, in the buffer as it is now. */
  #root: TreeRoot;
  #valueWords: number;
  #update: UpdatePlaces | undefined;
  /** Accepted trees are numbered; the first is 0. */
  #newest = 0;
  readonly #numbers = new WeakMap<FlatTree, number>();
  /** Places that no tree from number `since` on uses, in the order of their numbers. */
  readonly #leaving: { readonly since: number; readonly places: UpdatePlaces }[] = [];
  #retired = 0;
  readonly #held = new Set<{ readonly number: number }>();
  /** Nodes that updates have written since the buffer was in order. */
  #scattered = 0;
  // What a step of an update gives beside a reference.
  #height = -1;
  #hashAt = 0;
  readonly #path = new Int32Array(KEY_BITS);
  #changes: SlabChanges | undefined;
  #added = 0;
  #longest = 0;

  /** `usedNodes`, `usedLeaves` and `written.valueWords` are what the one tree in the buffer takes, from the first places on. */
  constructor(written: WrittenTree, usedNodes: number, usedLeaves: number, sha256?: Sha256) {
    const { tree, valueWords } = written;
    const { nodes, leaves, valueWords: capacity } = readTreeCapacity(tree.buffer);
    this.#sha256 = sha256;
    this.#buffer = tree.buffer;
    this.#words = new Int32Array(tree.buffer);
    this.#nodes = new Places(usedNodes, nodes);
    this.#leaves = new Places(usedLeaves, leaves);
    this.#values = new ValuePlaces(valueWords, capacity);
    this.#root = tree.root;
    this.#valueWords = valueWords;
    this.#queue = new HashQueue(tree.buffer, sha256);
    this.#attach(tree.buffer);
    this.#numbers.set(tree, 0);
  }

  get buffer(): TreeBuffer {
    return this.#buffer;
  }

  /** Words that the values of the newest accepted tree take. */
  get valueWords(): number {
    return this.#valueWords;
  }

  /** Nodes that updates have written since the tree was in order, as a share of all. */
  get disorder(): number {
    return this.#scattered / Math.max(1, this.#root.size);
  }

  /** The share of all places that is free, of the kind that has least. */
  get room(): number {
    const { capacity } = this.#values;
    return Math.min(
      this.#nodes.available / Math.max(1, this.#nodes.capacity),
      this.#leaves.available / Math.max(1, this.#leaves.capacity),
      this.#values.available / Math.max(1, capacity),
    );
  }

  /**
   * Writes the tree after `changes`. `keep` or `drop` must follow before the next.
   *
   * @throws RangeError if it has no room; then nothing has changed
   */
  write(changes: SlabChanges): WrittenTree {
    this.#update = makeUpdatePlaces();
    this.#added = 0;
    this.#longest = this.#root.longestValue;
    const before = this.#root;
    this.#changes = changes;
    try {
      this.#words.set(toWords(before.rootHash), HASH_AT);
      changes.find(this.#words, before.root, readTreeCapacity(this.#buffer));
      this.#reserve(changes);
      const wordsBefore = this.#valueWords;
      const root = this.#apply(before.root, HASH_AT, 0, changes.count);
      const rootHash = this.#hashRoot(root);
      const size = before.size + this.#added;
      const next = { root, size, longestValue: size === 0 ? 0 : this.#longest, rootHash };
      const valueWords = this.#valueWords;
      this.#valueWords = wordsBefore;
      return { tree: FlatTree.attach(this.#buffer, next), valueWords };
    } catch (error) {
      this.#queue.clear();
      this.drop();
      throw error;
    } finally {
      this.#changes = undefined;
    }
  }

  /** Makes what was written last the newest tree. */
  keep({ tree, valueWords }: WrittenTree): void {
    const places = this.#takeUpdate();
    this.#newest++;
    this.#numbers.set(tree, this.#newest);
    this.#root = tree.root;
    this.#valueWords = valueWords;
    for (const node of places.unusedNodes) this.#nodes.free(node);
    this.#scattered += places.takenNodes.length - places.unusedNodes.length;
    places.takenNodes.clear();
    places.takenLeaves.clear();
    places.unusedNodes.clear();
    this.#leaving.push({ since: this.#newest, places });
  }

  /** Takes back what was written last. */
  drop(): void {
    const places = this.#takeUpdate();
    for (const node of places.takenNodes) this.#nodes.free(node);
    for (const leaf of places.takenLeaves) this.#freeLeaf(leaf);
  }

  /** Nothing older than `tree` is read any more, but for what is held. */
  retire(tree: FlatTree): void {
    this.#retired = Math.max(this.#retired, this.#numbers.get(tree) ?? 0);
    this.#release();
  }

  /** `tree` may be read until the function that is given is called. */
  hold(tree: FlatTree): () => void {
    const number = this.#numbers.get(tree);
    if (number === undefined || number < this.#retired) throw new TypeError("the tree to be held is retired");
    const held = { number };
    this.#held.add(held);
    return () => {
      this.#held.delete(held);
      this.#release();
    };
  }

  /** True if the tree stands in this writer's buffer, or did before it grew. */
  has(tree: FlatTree): boolean {
    return this.#numbers.has(tree);
  }

  #takeUpdate(): UpdatePlaces {
    const update = this.#update;
    if (update === undefined) throw new TypeError("there is no update to be kept or dropped");
    this.#update = undefined;
    return update;
  }

  /** Frees what no tree that may be read uses. */
  #release(): void {
    let oldest = this.#retired;
    for (const { number } of this.#held) oldest = Math.min(oldest, number);
    for (let first = this.#leaving[0]; first !== undefined && first.since <= oldest; first = this.#leaving[0]) {
      for (const node of first.places.freedNodes) this.#nodes.free(node);
      for (const leaf of first.places.freedLeaves) this.#freeLeaf(leaf);
      this.#leaving.shift();
    }
  }

  #freeLeaf(leaf: number): void {
    const at = this.#leavesAt + LEAF_WORDS * leaf;
    this.#values.free(this.#words[at + 8] as number, valueWordsOf(this.#words[at + 9] as number));
    this.#leaves.free(leaf);
  }

  /**
   * Applies the changes `from` … `to` − 1 to the subtree `ref`, whose hash stands at word `hashAt`, and gives the new one; `#height`
   * is then its height above what is not hashed yet, or −1 if it is as it was, with its hash at `#hashAt`. All keys of
   * the changes lead into the subtree, which may be empty. As deep as the tree: at most 256 calls.
   */
  #apply(ref: number, hashAt: number, from: number, to: number): number {
    if (from === to) {
      this.#height = -1;
      this.#hashAt = hashAt;
      return ref;
    }
    const last = to - 1;
    if (from === last) return ref === NO_ROOT ? this.#replace(ref, from) : this.#applyOne(ref, hashAt, from);
    const changes = this.#changes as SlabChanges;
    let bit = changes.partOf(from, last);
    let isExisting = 0;
    let existingSide = 0;
    if (ref !== NO_ROOT) {
      const nodeBit = ref >= 0 ? (this.#words[this.#linksAt + LINK_WORDS * ref] as number) : KEY_BITS;
      const first = changes.partAt(from);
      const second = changes.partAt(last);
      bit = Math.min(bit, nodeBit, first, second);
      isExisting = bit === nodeBit ? 1 : 0;
      // A key that parts from the subtree at this bit has the other value of it.
      existingSide = 1 - changes.bitOf(bit === first ? from : last, bit);
    }
    const middle = changes.middle(from, to, bit);
    const node = this.#takeNode();
    let leftRef = NO_ROOT;
    let rightRef = NO_ROOT;
    let leftHash = 0;
    let rightHash = 0;
    if (isExisting === 1) {
      const old = this.#linksAt + LINK_WORDS * ref;
      leftRef = this.#words[old + 1] as number;
      rightRef = this.#words[old + 2] as number;
      leftHash = hashesOf(ref);
      rightHash = leftHash + HASH_WORDS;
      (this.#update as UpdatePlaces).freedNodes.push(ref);
    } else if (ref !== NO_ROOT && existingSide === 0) {
      leftRef = ref;
      leftHash = hashAt;
    } else if (ref !== NO_ROOT) {
      rightRef = ref;
      rightHash = hashAt;
    }
    const left = this.#apply(leftRef, leftHash, from, middle);
    const leftHeight = this.#height;
    const leftHashAt = this.#hashAt;
    const right = this.#apply(rightRef, rightHash, middle, to);
    const rightHeight = this.#height;
    if (left === NO_ROOT || right === NO_ROOT) {
      (this.#update as UpdatePlaces).unusedNodes.push(node);
      if (right !== NO_ROOT) return right;
      this.#height = leftHeight;
      this.#hashAt = leftHashAt;
      return left;
    }
    const at = this.#linksAt + LINK_WORDS * node;
    const hashes = hashesOf(node);
    const words = this.#words;
    words[at] = bit;
    words[at + 1] = left;
    words[at + 2] = right;
    if (leftHeight >= 0) this.#queue.add(left, leftHeight, hashes);
    else for (let w = 0; w < HASH_WORDS; w++) words[hashes + w] = words[leftHashAt + w] as number;
    if (rightHeight >= 0) this.#queue.add(right, rightHeight, hashes + HASH_WORDS);
    else for (let w = 0; w < HASH_WORDS; w++) words[hashes + HASH_WORDS + w] = words[this.#hashAt + w] as number;
    this.#queue.runIfLong();
    this.#height = 1 + Math.max(leftHeight, rightHeight);
    return node;
  }

  /** As `#apply`, for one change in a subtree that is not empty: most of an update's nodes are above one change only. */
  #applyOne(ref: number, hashAt: number, change: number): number {
    const changes = this.#changes as SlabChanges;
    const update = this.#update as UpdatePlaces;
    const path = this.#path;
    const part = changes.partAt(change);
    let depth = 0;
    let end = ref;
    let endHash = hashAt;
    while (end >= 0) {
      const link = this.#linksAt + LINK_WORDS * end;
      const bit = this.#words[link] as number;
      if (bit >= part) break;
      const side = changes.bitOf(change, bit);
      path[depth++] = end;
      endHash = hashesOf(end) + HASH_WORDS * side;
      end = this.#words[link + 1 + side] as number;
    }
    let child: number;
    if (part === KEY_BITS) {
      child = this.#replace(end, change);
      if (child === NO_ROOT) {
        // The node above it goes too, and what stands beside it takes its place.
        if (depth === 0) return NO_ROOT;
        const above = path[--depth] as number;
        const other = 1 - changes.bitOf(change, this.#words[this.#linksAt + LINK_WORDS * above] as number);
        child = this.#words[this.#linksAt + LINK_WORDS * above + 1 + other] as number;
        this.#hashAt = hashesOf(above) + HASH_WORDS * other;
        update.freedNodes.push(above);
      }
    } else {
      const leaf = this.#replace(NO_ROOT, change);
      child = this.#takeNode();
      this.#writeNode(child, part, changes.bitOf(change, part), leaf, end, endHash);
    }
    for (let i = depth - 1; i >= 0; i--) {
      const old = path[i] as number;
      const node = this.#takeNode();
      const link = this.#linksAt + LINK_WORDS * old;
      const bit = this.#words[link] as number;
      const side = changes.bitOf(change, bit);
      const other = this.#words[link + 2 - side] as number;
      this.#writeNode(node, bit, side, child, other, hashesOf(old) + HASH_WORDS * (1 - side));
      update.freedNodes.push(old);
      child = node;
    }
    this.#queue.runIfLong();
    return child;
  }

  /**
   * Writes a node with what the step before gave (`#height`, `#hashAt`) on side `side`, and on the other what was there, whose hash
   * is at word `otherHash`; it is then what the step gives.
   */
  #writeNode(node: number, bit: number, side: 0 | 1, child: number, other: number, otherHash: number): void {
    const words = this.#words;
    const link = this.#linksAt + LINK_WORDS * node;
    words[link] = bit;
    words[link + 1 + side] = child;
    words[link + 2 - side] = other;
    const hashes = hashesOf(node);
    const otherTo = hashes + HASH_WORDS * (1 - side);
    for (let w = 0; w < HASH_WORDS; w++) words[otherTo + w] = words[otherHash + w] as number;
    const childTo = hashes + HASH_WORDS * side;
    if (this.#height >= 0) this.#queue.add(child, this.#height, childTo);
    else for (let w = 0; w < HASH_WORDS; w++) words[childTo + w] = words[this.#hashAt + w] as number;
    this.#height++;
  }

  /** One change of the leaf `ref`, or where there is none. */
  #replace(ref: number, change: number): number {
    const changes = this.#changes as SlabChanges;
    const value = changes.value(change);
    this.#height = -1;
    if (ref !== NO_ROOT) {
      const leaf = -1 - ref;
      (this.#update as UpdatePlaces).freedLeaves.push(leaf);
      this.#valueWords -= valueWordsOf(this.#words[this.#leavesAt + LEAF_WORDS * leaf + 9] as number);
      this.#added--;
    }
    if (value === undefined) return NO_ROOT;
    this.#added++;
    const count = valueWordsOf(value.length);
    this.#valueWords += count;
    if (value.length > this.#longest) this.#longest = value.length;
    const leaf = this.#takeLeaf();
    const place = this.#takeValue(count);
    const at = this.#leavesAt + LEAF_WORDS * leaf;
    changes.copyKey(change, this.#words, at);
    this.#words[at + 8] = place;
    this.#words[at + 9] = value.length;
    changes.copyValue(change, this.#words, this.#valuesAt + place);
    this.#height = 0;
    return -1 - leaf;
  }

  /** Hashes all that is new, and gives the hash of the root. */
  #hashRoot(root: number): Uint8Array {
    if (root === NO_ROOT) return computeEmptyMapRoot(this.#sha256).slice();
    if (this.#height >= 0) {
      this.#queue.add(root, this.#height, HASH_AT);
      this.#queue.run();
      this.#hashAt = HASH_AT;
    }
    const bytes = new Uint8Array(HASH_LENGTH);
    new Int32Array(bytes.buffer).set(this.#words.subarray(this.#hashAt, this.#hashAt + HASH_WORDS));
    return bytes;
  }

  #takeNode(): number {
    let node = this.#nodes.take();
    if (node < 0) {
      this.#grow(1, 0, 0);
      node = this.#nodes.take();
    }
    (this.#update as UpdatePlaces).takenNodes.push(node);
    return node;
  }

  #takeLeaf(): number {
    let leaf = this.#leaves.take();
    if (leaf < 0) {
      this.#grow(0, 1, 0);
      leaf = this.#leaves.take();
    }
    // Should this update be dropped before there is a value, there is none to be freed.
    this.#words[this.#leavesAt + LEAF_WORDS * leaf + 9] = 0;
    (this.#update as UpdatePlaces).takenLeaves.push(leaf);
    return leaf;
  }

  #takeValue(words: number): number {
    let place = this.#values.take(words);
    if (place < 0) {
      this.#grow(0, 0, words);
      place = this.#values.take(words);
    }
    return place;
  }

  /** Makes room at once for about what the changes need, so that a large update does not move the buffer many times. */
  #reserve(changes: SlabChanges): void {
    const { count } = changes;
    const after = this.#root.size + count;
    const depth = Math.log2(Math.max(2, this.#root.size / Math.max(1, count))) + 2;
    const nodes = Math.min(after, Math.ceil(count * depth)) - this.#nodes.available;
    const leaves = changes.setCount - this.#leaves.available;
    const words = changes.setWords - this.#values.available;
    if (nodes > 0 || leaves > 0 || words > 0) this.#grow(Math.max(0, nodes), Math.max(0, leaves), Math.max(0, words));
  }

  /** Moves everything to a larger buffer, where all keeps its number: trees in the one before stay as they are. */
  #grow(nodes: number, leaves: number, words: number): void {
    const wanted = ({ capacity, available }: Places | ValuePlaces, more: number): number => {
      const room = withHeadroom(capacity - available);
      return more > 0 ? more + capacity + room - (capacity - available) : Math.max(capacity, room);
    };
    const capacity: TreeCapacity = {
      nodes: wanted(this.#nodes, nodes),
      leaves: wanted(this.#leaves, leaves),
      valueWords: wanted(this.#values, words),
    };
    const buffer = makeTreeBuffer(capacity);
    const next = new Int32Array(buffer);
    const move = (from: number, to: number, count: number): void => {
      next.set(this.#words.subarray(from, from + count), to);
    };
    move(HASH_AT, HASH_AT, HASH_WORDS);
    move(hashesOf(0), hashesOf(0), NODE_HASH_WORDS * this.#nodes.used);
    move(this.#linksAt, linksAt(capacity), LINK_WORDS * this.#nodes.used);
    move(this.#leavesAt, leavesAt(capacity), LEAF_WORDS * this.#leaves.used);
    move(this.#valuesAt, valuesAt(capacity), this.#values.used);
    this.#attach(buffer);
    this.#queue.attach(buffer);
  }

  #attach(buffer: TreeBuffer): void {
    const capacity = readTreeCapacity(buffer);
    this.#buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#linksAt = linksAt(capacity);
    this.#leavesAt = leavesAt(capacity);
    this.#valuesAt = valuesAt(capacity);
    this.#nodes.capacity = capacity.nodes;
    this.#leaves.capacity = capacity.leaves;
    this.#values.capacity = capacity.valueWords;
  }
}

function toWords(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.slice().buffer);
}
