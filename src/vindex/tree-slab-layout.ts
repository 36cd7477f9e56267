/**
 * How a prefix tree stands in one buffer (spec/tree.md gives its shape and hashes):
 *
 *     buffer = header[128] ‖ hashes[64]*nodes ‖ link[12]*nodes ‖ leaf[40]*leaves ‖ value words
 *     header = word[32]: 0 magic, 1 format, 2 nodes, 3 leaves, 4 value words (capacities), 16–23 a hash the writer works with;
 *              the others are 0
 *     hashes = of the left child[32] ‖ of the right child[32]
 *     link   = branch bit, left child, right child (a word each)
 *     leaf   = key[32] ‖ value offset (in words, from the first value word) ‖ value length (in bytes)
 *
 * A word is a 32-bit integer in the byte order of the machine: the buffer is memory, not a file. Children and
 * roots are references: i ≥ 0 for inner node i and −1 − i for leaf i. Links stand by themselves, so that a walk down, of which
 * each step waits for the one before, stays in little memory; the 64 bytes of hashes are one line of the processor's
 * cache, hold the sibling that goes into a proof, and are what the node's own hash is computed from. A value begins at a whole word; the bytes behind it in its last word mean nothing.
 *
 * The buffer does not say where its roots are: many trees stand in it, which share what they have in common.
 */

const MAGIC = 0x7064_6674;
const FORMAT = 3;

export const HEADER_WORDS = 32;
export const LINK_WORDS = 3;
/** Words of the two hashes of a node. */
export const NODE_HASH_WORDS = 16;
export const LEAF_WORDS = 10;
export const HASH_WORDS = 8;
export const KEY_LENGTH = 32;
export const KEY_BITS = 256;
/** Longest value in bytes (spec/map.md). */
export const MAX_VALUE_LENGTH = 255;
/** Word of the header at which the writer keeps a hash. */
export const HASH_AT = 16;
/** Root reference of the empty tree: no leaf has this number. */
export const NO_ROOT = -0x8000_0000;

/** Memory that trees stand in. */
export type TreeBuffer = SharedArrayBuffer | ArrayBuffer;

/** For how much there is room. */
export interface TreeCapacity {
  readonly nodes: number;
  readonly leaves: number;
  /** Words of 4 bytes. */
  readonly valueWords: number;
}

/** Words that a value of `length` bytes takes. */
export function valueWordsOf(length: number): number {
  return (length + 3) >> 2;
}

/** Word of the left hash of a node; the right one is 8 words on. The same in a larger buffer. */
export function hashesOf(node: number): number {
  return HEADER_WORDS + NODE_HASH_WORDS * node;
}

/** Word at which the links begin. */
export function linksAt({ nodes }: Pick<TreeCapacity, "nodes">): number {
  return HEADER_WORDS + NODE_HASH_WORDS * nodes;
}

/** Word at which the leaves begin. */
export function leavesAt({ nodes }: Pick<TreeCapacity, "nodes">): number {
  return HEADER_WORDS + (NODE_HASH_WORDS + LINK_WORDS) * nodes;
}

/** Word at which the values begin. */
export function valuesAt({ nodes, leaves }: Pick<TreeCapacity, "nodes" | "leaves">): number {
  return leavesAt({ nodes }) + LEAF_WORDS * leaves;
}

/** Bytes that a buffer of this capacity has. */
export function treeByteLength(capacity: TreeCapacity): number {
  return 4 * (valuesAt(capacity) + capacity.valueWords);
}

/** First number of nodes whose hashes do not all begin below word 2^31: those words are kept in 32 signed bits. */
const TOO_MANY_NODES = (2 ** 31 - HEADER_WORDS) / NODE_HASH_WORDS;

/**
 * Makes an empty buffer.
 *
 * @throws RangeError if this Node allows no buffer of that size, a count is beyond 2^31 − 1, or there are 2^27 − 2 nodes or more
 */
export function makeTreeBuffer(capacity: TreeCapacity): SharedArrayBuffer {
  const { nodes, leaves, valueWords } = capacity;
  for (const count of [nodes, leaves, valueWords]) {
    if (!Number.isInteger(count) || count < 0 || count >= 2 ** 31) {
      throw new RangeError(`a tree holds at most 2^31 - 1 keys and words of values, not ${count}`);
    }
  }
  if (nodes >= TOO_MANY_NODES)
    throw new RangeError(
      `a tree has room for at most ${TOO_MANY_NODES - 1} nodes, not ${nodes}; build a smaller index`,
    );
  const length = treeByteLength(capacity);
  let words: Int32Array<SharedArrayBuffer>;
  try {
    words = new Int32Array(new SharedArrayBuffer(length));
    // An engine may allow buffers that it allows no view of.
    new Uint8Array(words.buffer);
  } catch (cause) {
    throw new RangeError(
      `a tree of ${leaves} keys needs ${length} bytes in one piece, which this JavaScript engine or machine does not give; build a smaller index, or use a newer Node`,
      { cause },
    );
  }
  words[0] = MAGIC;
  words[1] = FORMAT;
  words[2] = nodes;
  words[3] = leaves;
  words[4] = valueWords;
  return words.buffer;
}

/** Reads the capacities of a buffer. @throws RangeError if it is none of trees */
export function readTreeCapacity(buffer: TreeBuffer): TreeCapacity {
  const words = new Int32Array(buffer, 0, Math.min(HEADER_WORDS, Math.floor(buffer.byteLength / 4)));
  const capacity = { nodes: words[2] ?? -1, leaves: words[3] ?? -1, valueWords: words[4] ?? -1 };
  const fits =
    words.length === HEADER_WORDS &&
    words[0] === MAGIC &&
    words[1] === FORMAT &&
    capacity.nodes >= 0 &&
    capacity.leaves >= 0 &&
    capacity.valueWords >= 0 &&
    treeByteLength(capacity) === buffer.byteLength;
  if (!fits) throw new RangeError("the buffer holds no flat tree");
  return capacity;
}
