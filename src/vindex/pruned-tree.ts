import { compareBytes, equalBytes } from "./bytes.ts";
import { ProofdnsError } from "./error.ts";
import {
  bitOf,
  computeEmptyMapRoot,
  computeMapLeafHash,
  firstDifference,
  type MapChange,
  type Node,
  type PrefixTree,
} from "./prefix-tree.ts";
import { sha256 as defaultSha256, HASH_LENGTH, type Hash, type Sha256 } from "./sha256.ts";
import { MAX_VALUE_LENGTH } from "./value-text.ts";
import { decodeVarint, encodeVarint } from "./varint.ts";

/**
 * A pruned prefix tree: one multiproof for many keys, absent ones included (spec/audit.md §1.2). In preorder,
 *
 *     node = 00 ‖ hash[32]                              stub: a subtree that none of the keys leads into
 *          / 01 ‖ key[32] ‖ uv(length) ‖ value           leaf
 *          / 02 ‖ u8 bit ‖ node ‖ node                   inner node: its bit, left, right
 *
 * It is a function of the tree and of the keys. Keys have 32 bytes.
 */

/** What a tree of any kind shows to a walker. `FlatTree` is one; `walkPrefixTree` makes one of a `PrefixTree`. */
export interface TreeWalk<Ref> {
  /** Undefined in the empty tree. */
  readonly rootRef: Ref | undefined;
  /** Not asked of the empty tree. */
  rootHash(): Hash;
  isLeafRef(ref: Ref): boolean;
  nodeBit(ref: Ref): number;
  childRef(ref: Ref, side: 0 | 1): Ref;
  childHash(ref: Ref, side: 0 | 1): Hash;
  leafKey(ref: Ref): Uint8Array;
  leafValue(ref: Ref): Uint8Array;
}

const STUB = 0;
const LEAF = 1;
const INNER = 2;
const KEY_LENGTH = 32;

interface Stub {
  readonly kind: typeof STUB;
  readonly hash: Hash;
}

/** A leaf that stands in a pruned tree in full. */
export interface PrunedLeaf {
  readonly kind: typeof LEAF;
  readonly indexKey: Uint8Array;
  readonly value: Uint8Array;
  /** Once it is computed. */
  hash?: Hash;
}

interface Inner {
  readonly kind: typeof INNER;
  readonly bit: number;
  readonly left: PrunedNode;
  readonly right: PrunedNode;
  /** Key of some leaf below. All keys below agree in the bits before `bit`. */
  readonly someKey: Uint8Array;
  /** Once it is computed. */
  hash?: Hash;
}

type PrunedNode = Stub | PrunedLeaf | Inner;

/** The walker of a tree of objects. */
export function walkPrefixTree(tree: PrefixTree): TreeWalk<Node> {
  const inner = (node: Node): Extract<Node, { bit: number }> => {
    if ("value" in node) throw new TypeError("a leaf has no children");
    return node;
  };
  const leaf = (node: Node): Extract<Node, { value: Uint8Array }> => {
    if (!("value" in node)) throw new TypeError("an inner node has no value");
    return node;
  };
  const child = (node: Node, side: 0 | 1): Node => (side === 0 ? inner(node).left : inner(node).right);
  return {
    rootRef: tree.root,
    rootHash: () => tree.rootHash(),
    isLeafRef: (node) => "value" in node,
    nodeBit: (node) => inner(node).bit,
    childRef: child,
    childHash: (node, side) => child(node, side).hash,
    leafKey: (node) => leaf(node).indexKey,
    leafValue: (node) => leaf(node).value,
  };
}

/** Value of a key in a whole tree; undefined if it has none. */
export function valueIn<Ref>(tree: TreeWalk<Ref>, indexKey: Uint8Array): Uint8Array | undefined {
  let ref = tree.rootRef;
  if (ref === undefined) return undefined;
  while (!tree.isLeafRef(ref)) ref = tree.childRef(ref, bitOf(indexKey, tree.nodeBit(ref)));
  return equalBytes(tree.leafKey(ref), indexKey) ? tree.leafValue(ref) : undefined;
}

/** Immutable. What it was decoded from, or built of, is aliased and must not change. */
export class PrunedTree {
  readonly #root: PrunedNode | undefined;
  readonly #sha256: Sha256;
  readonly #shortMessage = new Uint8Array(2 + 2 * HASH_LENGTH);
  readonly #longMessage = new Uint8Array(3 + 2 * HASH_LENGTH);

  private constructor(root: PrunedNode | undefined, sha256: Sha256) {
    this.#root = root;
    this.#sha256 = sha256;
  }

  /** Prunes a whole tree to the ways of `keys`, in any order; repetitions count once. Nothing is hashed. */
  static of<Ref>(tree: TreeWalk<Ref>, keys: Iterable<Uint8Array>, sha256: Sha256 = defaultSha256): PrunedTree {
    const sorted = [...keys].sort(compareBytes);
    if (sorted.some((key) => key.length !== KEY_LENGTH)) throw new RangeError("an index key has 32 bytes");
    const { rootRef } = tree;
    if (rootRef === undefined) return new PrunedTree(undefined, sha256);
    const hash = sorted.length === 0 ? tree.rootHash() : undefined;
    return new PrunedTree(prune(tree, rootRef, hash, sorted, 0, sorted.length), sha256);
  }

  /**
   * Decodes the pruned tree that `bytes` hold from `offset` to their end; no bytes are the empty tree.
   *
   * @throws ProofdnsError `MALFORMED_TRANSITION` if it is not the encoding of a pruned tree that has the shape of a tree
   */
  static decode(bytes: Uint8Array, offset: number, sha256: Sha256 = defaultSha256): PrunedTree {
    if (offset === bytes.length) return new PrunedTree(undefined, sha256);
    const reader = new NodeReader(bytes, offset);
    const root = decodeNode(reader, -1);
    if (reader.at !== bytes.length) refuse("bytes after its root");
    return new PrunedTree(root, sha256);
  }

  /** Its encoding; no bytes for the empty tree. */
  encode(): Uint8Array {
    const root = this.#root;
    if (root === undefined) return new Uint8Array(0);
    const bytes = new Uint8Array(lengthOf(root));
    writeNode(root, bytes, 0);
    return bytes;
  }

  get isEmpty(): boolean {
    return this.#root === undefined;
  }

  /** Root of the whole tree. Hashes every node that stands here in full. */
  rootHash(): Hash {
    return this.#root === undefined ? computeEmptyMapRoot(this.#sha256) : this.#hash(this.#root);
  }

  /**
   * The leaf that a key leads to, which may be that of another key; undefined in the empty tree.
   *
   * @throws ProofdnsError `BAD_PROOF` if the key leads to a stub
   */
  find(indexKey: Uint8Array): PrunedLeaf | undefined {
    let node = this.#root;
    while (node?.kind === INNER) node = bitOf(indexKey, node.bit) === 0 ? node.left : node.right;
    if (node?.kind === STUB) {
      throw new ProofdnsError("BAD_PROOF", "pruned tree: a touched key leads to where it is cut off");
    }
    return node;
  }

  /** Value of a key; undefined if the tree has none. @throws ProofdnsError as `find` */
  get(indexKey: Uint8Array): Uint8Array | undefined {
    const leaf = this.find(indexKey);
    return leaf !== undefined && equalBytes(leaf.indexKey, indexKey) ? leaf.value : undefined;
  }

  /** Number of leaves that stand here in full. */
  get leafCount(): number {
    let count = 0;
    const open: PrunedNode[] = this.#root === undefined ? [] : [this.#root];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (node.kind === INNER) open.push(node.left, node.right);
      else count += node.kind === LEAF ? 1 : 0;
    }
    return count;
  }

  /**
   * Root of the whole tree after changes of keys that it was pruned to; each changed node is hashed once.
   *
   * @throws ProofdnsError `BAD_PROOF` if a key leads to a stub; RangeError if a key stands twice
   */
  rootAfter(changes: Iterable<MapChange>): Hash {
    const sorted = [...changes].sort((a, b) => compareBytes(a.indexKey, b.indexKey));
    for (let i = 1; i < sorted.length; i++) {
      const [a, b] = [sorted[i - 1] as MapChange, sorted[i] as MapChange];
      if (compareBytes(a.indexKey, b.indexKey) === 0) throw new RangeError("one key has two changes");
    }
    if (sorted.length === 0) return this.rootHash();
    return this.#apply(this.#root, sorted, 0, sorted.length);
  }

  /** Each node is hashed once, however often it is asked. */
  #hash(node: PrunedNode): Hash {
    if (node.kind === STUB) return node.hash;
    node.hash ??=
      node.kind === LEAF
        ? computeMapLeafHash(node.indexKey, node.value, this.#sha256)
        : this.#nodeHash(node.bit, this.#hash(node.left), this.#hash(node.right));
    return node.hash;
  }

  /** As `computeMapNodeHash`, without a new array for each message. */
  #nodeHash(bit: number, left: Hash, right: Hash): Hash {
    const message = bit < 0x80 ? this.#shortMessage : this.#longMessage;
    const at = message.length - 2 * HASH_LENGTH;
    message[0] = 1;
    message[1] = bit < 0x80 ? bit : (bit & 0x7f) | 0x80;
    if (at === 3) message[2] = bit >> 7;
    message.set(left, at);
    message.set(right, at + HASH_LENGTH);
    return this.#sha256(message);
  }

  /** Hash of a subtree after the sorted changes `from` … `to` − 1, of which there is at least one; see PrefixTree. */
  #apply(node: PrunedNode | undefined, changes: readonly MapChange[], from: number, to: number): Hash {
    const first = changes[from] as MapChange;
    const last = changes[to - 1] as MapChange;
    if (node?.kind === STUB) throw new ProofdnsError("BAD_PROOF", "pruned tree: a change where it is cut off");
    const isOne = to - from === 1;
    if (isOne && (node === undefined || (node.kind === LEAF && equalBytes(node.indexKey, first.indexKey)))) {
      if (first.value === undefined) throw new TypeError("no value of the map is ever taken out");
      return computeMapLeafHash(first.indexKey, first.value, this.#sha256);
    }
    let bit = isOne ? Number.POSITIVE_INFINITY : firstDifference(first.indexKey, last.indexKey);
    const key = node?.kind === LEAF ? node.indexKey : node?.someKey;
    if (key !== undefined) {
      for (const change of [first, last]) {
        if (!equalBytes(change.indexKey, key)) bit = Math.min(bit, firstDifference(change.indexKey, key));
      }
    }
    if (node?.kind === INNER) bit = Math.min(bit, node.bit);
    let middle = from;
    for (let high = to; middle < high; ) {
      const at = Math.floor((middle + high) / 2);
      if (bitOf((changes[at] as MapChange).indexKey, bit) === 0) middle = at + 1;
      else high = at;
    }
    const isInner = node?.kind === INNER && node.bit === bit;
    const isLeft = key !== undefined && bitOf(key, bit) === 0;
    const left = isInner ? node.left : isLeft ? node : undefined;
    const right = isInner ? node.right : isLeft ? undefined : node;
    const after = (child: PrunedNode | undefined, start: number, end: number): Hash => {
      if (start < end) return this.#apply(child, changes, start, end);
      if (child === undefined) throw new TypeError("a side without keys");
      return this.#hash(child);
    };
    return this.#nodeHash(bit, after(left, from, middle), after(right, middle, to));
  }
}

/** Recursion is as deep as the tree: at most 256. */
function prune<Ref>(
  tree: TreeWalk<Ref>,
  ref: Ref,
  hash: Hash | undefined,
  keys: readonly Uint8Array[],
  from: number,
  to: number,
): PrunedNode {
  if (from === to) return { kind: STUB, hash: hash as Hash };
  if (tree.isLeafRef(ref)) return { kind: LEAF, indexKey: tree.leafKey(ref), value: tree.leafValue(ref) };
  const bit = tree.nodeBit(ref);
  // The keys need not agree before `bit`, so the two sides of it can be mixed in their order.
  const sides: [Uint8Array[], Uint8Array[]] = [[], []];
  for (let i = from; i < to; i++) sides[bitOf(keys[i] as Uint8Array, bit)].push(keys[i] as Uint8Array);
  const child = (side: 0 | 1): PrunedNode => {
    const own = sides[side];
    const stub = own.length === 0 ? tree.childHash(ref, side) : undefined;
    return prune(tree, tree.childRef(ref, side), stub, own, 0, own.length);
  };
  const [left, right] = [child(0), child(1)];
  return { kind: INNER, bit, left, right, someKey: someKeyOf(left) ?? (someKeyOf(right) as Uint8Array) };
}

function someKeyOf(node: PrunedNode): Uint8Array | undefined {
  if (node.kind === STUB) return undefined;
  return node.kind === LEAF ? node.indexKey : node.someKey;
}

function lengthOf(node: PrunedNode): number {
  if (node.kind === STUB) return 1 + HASH_LENGTH;
  if (node.kind === INNER) return 2 + lengthOf(node.left) + lengthOf(node.right);
  const { length } = node.value;
  return 1 + KEY_LENGTH + (length < 0x80 ? 1 : 2) + length;
}

/** Writes a node at `at` and gives its end. */
function writeNode(node: PrunedNode, out: Uint8Array, at: number): number {
  out[at] = node.kind;
  if (node.kind === STUB) {
    out.set(node.hash, at + 1);
    return at + 1 + HASH_LENGTH;
  }
  if (node.kind === INNER) {
    out[at + 1] = node.bit;
    return writeNode(node.right, out, writeNode(node.left, out, at + 2));
  }
  out.set(node.indexKey, at + 1);
  const length = encodeVarint(node.value.length);
  out.set(length, at + 1 + KEY_LENGTH);
  const start = at + 1 + KEY_LENGTH + length.length;
  out.set(node.value, start);
  return start + node.value.length;
}

function refuse(why: string): never {
  throw new ProofdnsError("MALFORMED_TRANSITION", `pruned tree: ${why}`);
}

class NodeReader {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  take(length: number): Uint8Array {
    if (length > this.bytes.length - this.at) return refuse("it is cut off");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  byte(): number {
    return this.bytes[this.at++] ?? refuse("it is cut off");
  }
}

/** Bits grow downwards, so recursion is at most 257 deep whatever the bytes are. */
function decodeNode(reader: NodeReader, above: number): PrunedNode {
  const kind = reader.byte();
  if (kind === STUB) return { kind: STUB, hash: reader.take(HASH_LENGTH) };
  if (kind === LEAF) {
    const indexKey = reader.take(KEY_LENGTH);
    const length = decodeVarint(reader.bytes, reader.at) ?? refuse("the length of a value");
    if (length.value < 1 || length.value > MAX_VALUE_LENGTH) return refuse("a value has 1 to 255 bytes");
    reader.at = length.end;
    return { kind: LEAF, indexKey, value: reader.take(length.value) };
  }
  if (kind !== INNER) return refuse("no such kind of node");
  const bit = reader.byte();
  if (bit <= above) return refuse("a bit that is not below that of the node above it");
  const left = decodeNode(reader, bit);
  const right = decodeNode(reader, bit);
  const [a, b] = [someKeyOf(left), someKeyOf(right)];
  const isShaped =
    a !== undefined && b !== undefined
      ? !equalBytes(a, b) && firstDifference(a, b) === bit && bitOf(a, bit) === 0
      : a !== undefined
        ? bitOf(a, bit) === 0
        : b !== undefined && bitOf(b, bit) === 1;
  if (!isShaped) return refuse("its keys do not part where its nodes say");
  return { kind: INNER, bit, left, right, someKey: a ?? (b as Uint8Array) };
}
