import { compareBytes, concatBytes } from "./bytes.ts";
import { sha256 as defaultSha256, type Hash, type Sha256 } from "./sha256.ts";
import { encodeVarint } from "./varint.ts";

/**
 * Compressed binary Merkle prefix tree (spec/tree.md), hashed as the `mpt` format. Keys are byte strings of up to
 * 1,024 bytes; the map uses 32-byte index keys. Trees are immutable: `update` shares what it does not change, so a
 * served epoch stays whole while the next one is built.
 */

/** A leaf. `indexKey` and `value` alias what the tree was built from and must not be changed. */
export interface LeafNode {
  readonly indexKey: Uint8Array;
  readonly value: Uint8Array;
  readonly hash: Hash;
}

/** An inner node at bit `bit`: all keys below agree on the bits before it. */
export interface InnerNode {
  readonly bit: number;
  readonly left: Node;
  readonly right: Node;
  readonly hash: Hash;
}

export type Node = LeafNode | InnerNode;

const LEAF = Uint8Array.of(0);
const INNER = Uint8Array.of(1);

/** Hash of a leaf: H(00 ‖ uv(len key) ‖ key ‖ uv(len value) ‖ value). */
export function computeMapLeafHash(indexKey: Uint8Array, value: Uint8Array, sha256: Sha256 = defaultSha256): Hash {
  return sha256(concatBytes(LEAF, encodeVarint(indexKey.length), indexKey, encodeVarint(value.length), value));
}

/** Hash of an inner node: H(01 ‖ uv(bit) ‖ left ‖ right). */
export function computeMapNodeHash(bit: number, left: Hash, right: Hash, sha256: Sha256 = defaultSha256): Hash {
  if ((bit & 0x3fff) !== bit) return sha256(concatBytes(INNER, encodeVarint(bit), left, right));
  // By hand, for the bits that keys of up to 1,024 bytes have: joining four parts is measured to cost more than the platform's hash.
  const at = bit < 0x80 ? 2 : 3;
  const input = new Uint8Array(at + left.length + right.length);
  input[0] = 1;
  input[1] = bit < 0x80 ? bit : (bit & 0x7f) | 0x80;
  if (at === 3) input[2] = bit >> 7;
  input.set(left, at);
  input.set(right, at + left.length);
  return sha256(input);
}

/** Root of the empty map, H(""). */
export function computeEmptyMapRoot(sha256: Sha256 = defaultSha256): Hash {
  return sha256(new Uint8Array(0));
}

/**
 * Bit `bit` of a key, the most significant bit of the first byte being bit 0. Past its end a key goes on with
 * one byte 00 and then FF for ever, so that no key is a prefix of another.
 */
export function bitOf(indexKey: Uint8Array, bit: number): 0 | 1 {
  const at = Math.floor(bit / 8);
  const byte = at < indexKey.length ? (indexKey[at] as number) : at === indexKey.length ? 0 : 0xff;
  return ((byte >> (7 - (bit % 8))) & 1) as 0 | 1;
}

/** First bit in which two different keys differ. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; ; at++) {
    const x =
      (at < a.length ? (a[at] as number) : at === a.length ? 0 : 0xff) ^
      (at < b.length ? (b[at] as number) : at === b.length ? 0 : 0xff);
    if (x !== 0) return 8 * at + Math.clz32(x) - 24;
    if (at > a.length && at > b.length) throw new TypeError("the two keys are the same");
  }
}

function isLeaf(node: Node): node is LeafNode {
  return "indexKey" in node;
}

/** One change of a map: a new value for a key, or undefined to take the key out. */
export interface MapChange {
  readonly indexKey: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** A node, or the leaf, that a key's path meets; from the root down. */
export interface PathStep {
  readonly bit: number;
  readonly sibling: Hash;
}

/** Where the bits of a key lead: the steps from the root down, and the leaf at their end (undefined in the empty tree). */
export interface TreePath {
  readonly steps: readonly PathStep[];
  readonly leaf: Pick<LeafNode, "indexKey" | "value"> | undefined;
}

export class PrefixTree {
  readonly size: number;
  readonly #root: Node | undefined;
  readonly #sha256: Sha256;

  private constructor(root: Node | undefined, size: number, sha256: Sha256) {
    this.#root = root;
    this.size = size;
    this.#sha256 = sha256;
  }

  /** The tree of no pairs. */
  static empty(sha256: Sha256 = defaultSha256): PrefixTree {
    return new PrefixTree(undefined, 0, sha256);
  }

  /** The tree of the given pairs, in any order. @throws RangeError if a key stands twice */
  static of(pairs: Iterable<{ indexKey: Uint8Array; value: Uint8Array }>, sha256: Sha256 = defaultSha256): PrefixTree {
    return PrefixTree.empty(sha256).update(pairs);
  }

  /** The root node, for walkers; undefined in the empty tree. A node with a `value` is a leaf. */
  get root(): Node | undefined {
    return this.#root;
  }

  /** Root hash: a function of the set of pairs alone. */
  rootHash(): Hash {
    return this.#root?.hash ?? computeEmptyMapRoot(this.#sha256);
  }

  /**
   * The tree after `changes`, in any order; each changed node is hashed once. Taking out an absent key changes nothing.
   *
   * @throws RangeError if a key stands twice
   */
  update(changes: Iterable<MapChange>): PrefixTree {
    const sorted = [...changes].sort((a, b) => compareBytes(a.indexKey, b.indexKey));
    for (let i = 1; i < sorted.length; i++) {
      const [a, b] = [sorted[i - 1] as MapChange, sorted[i] as MapChange];
      if (compareBytes(a.indexKey, b.indexKey) === 0) throw new RangeError("one key has two changes");
    }
    // Bytewise order is the order of leaves only among keys of one length: the bits past a key's end are 00 FF FF ….
    if (sorted.some((change) => change.indexKey.length !== sorted[0]?.indexKey.length)) sorted.sort(inBitOrder);
    const counter = { added: 0 };
    const root = this.#apply(this.#root, sorted, 0, sorted.length, counter);
    return new PrefixTree(root, this.size + counter.added, this.#sha256);
  }

  /** Value of a key; undefined if it has none. Aliases the tree. */
  get(indexKey: Uint8Array): Uint8Array | undefined {
    let node = this.#root;
    while (node !== undefined && !isLeaf(node)) node = bitOf(indexKey, node.bit) === 0 ? node.left : node.right;
    return node !== undefined && compareBytes(node.indexKey, indexKey) === 0 ? node.value : undefined;
  }

  /** The path of a key, whether the key is in the tree or not. */
  path(indexKey: Uint8Array): TreePath {
    const steps: PathStep[] = [];
    let node = this.#root;
    while (node !== undefined && !isLeaf(node)) {
      const isLeft = bitOf(indexKey, node.bit) === 0;
      steps.push({ bit: node.bit, sibling: (isLeft ? node.right : node.left).hash });
      node = isLeft ? node.left : node.right;
    }
    return { steps, leaf: node };
  }

  #leaf(indexKey: Uint8Array, value: Uint8Array): LeafNode {
    return { indexKey, value, hash: computeMapLeafHash(indexKey, value, this.#sha256) };
  }

  #inner(bit: number, left: Node, right: Node): InnerNode {
    return { bit, left, right, hash: computeMapNodeHash(bit, left.hash, right.hash, this.#sha256) };
  }

  /**
   * Applies the sorted changes `from` … `to` − 1 to a subtree. All keys of the changes and of the subtree agree on
   * the bits above it. Recursion is as deep as the tree: at most 256 for hashed keys.
   */
  #apply(
    node: Node | undefined,
    changes: readonly MapChange[],
    from: number,
    to: number,
    counter: { added: number },
  ): Node | undefined {
    if (from === to) return node;
    const first = changes[from] as MapChange;
    const last = changes[to - 1] as MapChange;
    if (node === undefined || isLeaf(node)) {
      if (to - from === 1 && (node === undefined || compareBytes(node.indexKey, first.indexKey) === 0)) {
        if (first.value === undefined) counter.added -= node === undefined ? 0 : 1;
        else counter.added += node === undefined ? 1 : 0;
        return first.value === undefined ? undefined : this.#leaf(first.indexKey, first.value);
      }
    }
    // The highest bit at which the changes and the subtree part.
    let bit = Number.POSITIVE_INFINITY;
    if (to - from > 1) bit = firstDifference(first.indexKey, last.indexKey);
    if (node !== undefined) {
      const key = isLeaf(node) ? node.indexKey : someLeaf(node).indexKey;
      for (const change of [first, last]) {
        if (compareBytes(change.indexKey, key) !== 0) bit = Math.min(bit, firstDifference(change.indexKey, key));
      }
      if (!isLeaf(node)) bit = Math.min(bit, node.bit);
    }
    let middle = from;
    let high = to;
    while (middle < high) {
      const at = Math.floor((middle + high) / 2);
      if (bitOf((changes[at] as MapChange).indexKey, bit) === 0) middle = at + 1;
      else high = at;
    }
    let left: Node | undefined;
    let right: Node | undefined;
    if (node !== undefined) {
      if (!isLeaf(node) && node.bit === bit) ({ left, right } = node);
      else if (bitOf(isLeaf(node) ? node.indexKey : someLeaf(node).indexKey, bit) === 0) left = node;
      else right = node;
    }
    const newLeft = this.#apply(left, changes, from, middle, counter);
    const newRight = this.#apply(right, changes, middle, to, counter);
    if (newLeft === undefined) return newRight;
    if (newRight === undefined) return newLeft;
    return this.#inner(bit, newLeft, newRight);
  }
}

function someLeaf(node: Node): LeafNode {
  let at = node;
  while (!isLeaf(at)) at = at.left;
  return at;
}

function inBitOrder(a: MapChange, b: MapChange): number {
  if (compareBytes(a.indexKey, b.indexKey) === 0) return 0;
  return bitOf(a.indexKey, firstDifference(a.indexKey, b.indexKey)) === 0 ? -1 : 1;
}
