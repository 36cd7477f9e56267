import type { FlatTree } from "./flat-tree.ts";
import {
  HASH_WORDS,
  hashesOf,
  LEAF_WORDS,
  LINK_WORDS,
  leavesAt,
  linksAt,
  readTreeCapacity,
  type TreeBuffer,
  valuesAt,
  valueWordsOf,
} from "./tree-slab-layout.ts";

/**
 * Copies a tree into another buffer in the order of its keys, as `TreeBuilder` lays it out: what is near in the tree is near in
 * memory. No hash is computed. Gives the root and how many words of values it takes.
 *
 * @throws RangeError if the buffer is too small
 */
export function copyInOrder(tree: FlatTree, target: TreeBuffer): { root: number; valueWords: number } {
  const { rootRef } = tree;
  if (rootRef === undefined) throw new RangeError("an empty tree has no order");
  const capacity = readTreeCapacity(target);
  if (capacity.leaves < tree.size || capacity.nodes < tree.size - 1) throw new RangeError("the buffer is too small");
  const from = new Int32Array(tree.buffer);
  const to = new Int32Array(target);
  const source = readTreeCapacity(tree.buffer);
  const [linksFrom, leavesFrom, valuesFrom] = [linksAt(source), leavesAt(source), valuesAt(source)];
  const [linksTo, leavesTo, valuesTo] = [linksAt(capacity), leavesAt(capacity), valuesAt(capacity)];
  let leaves = 0;
  let valueWords = 0;
  const copyLeaf = (leaf: number): number => {
    const a = leavesFrom + LEAF_WORDS * leaf;
    const b = leavesTo + LEAF_WORDS * leaves;
    for (let w = 0; w < LEAF_WORDS; w++) to[b + w] = from[a + w] as number;
    to[b + 8] = valueWords;
    const value = valuesFrom + (from[a + 8] as number);
    const count = valueWordsOf(from[a + 9] as number);
    if (valueWords + count > capacity.valueWords) throw new RangeError("the buffer is too small");
    for (let w = 0; w < count; w++) to[valuesTo + valueWords + w] = from[value + w] as number;
    valueWords += count;
    return -1 - leaves++;
  };
  /** As deep as the tree: at most 256 calls. */
  const copy = (ref: number): number => {
    if (ref < 0) return copyLeaf(-1 - ref);
    const a = linksFrom + LINK_WORDS * ref;
    const left = copy(from[a + 1] as number);
    const node = leaves - 1;
    const right = copy(from[a + 2] as number);
    const b = linksTo + LINK_WORDS * node;
    to[b] = from[a] as number;
    to[b + 1] = left;
    to[b + 2] = right;
    const [hashesFrom, hashesTo] = [hashesOf(ref), hashesOf(node)];
    for (let w = 0; w < 2 * HASH_WORDS; w++) to[hashesTo + w] = from[hashesFrom + w] as number;
    return node;
  };
  return { root: copy(rootRef), valueWords };
}
