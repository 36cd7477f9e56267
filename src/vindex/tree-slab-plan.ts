import type { SortedPairs, TreePart } from "./tree-slab-build.ts";
import { KEY_LENGTH, type TreeCapacity, valueWordsOf } from "./tree-slab-layout.ts";

/** How a tree of sorted pairs is built. */
export interface TreePlan {
  /** What it needs, without room to grow. */
  readonly needed: TreeCapacity;
  readonly longestValue: number;
  /** Subtrees that have all keys between them; none of them is empty. */
  readonly parts: readonly TreePart[];
}

/**
 * Plans the building of a tree in at most `2 ** bits` parts, by the first bits of the keys (at most 8).
 *
 * @throws RangeError if the arrays do not have what `count` says
 */
export function planTree(pairs: SortedPairs, bits: number): TreePlan {
  const { count, keys, lengths, values } = pairs;
  if (!Number.isInteger(count) || count < 0 || keys.length < KEY_LENGTH * count || lengths.length < count) {
    throw new RangeError(`the arrays do not hold ${count} pairs`);
  }
  const parts: TreePart[] = [];
  let from = 0;
  let valueFrom = 0;
  let valueTo = 0;
  let longestValue = 0;
  for (let prefix = 0; prefix < 2 ** bits; prefix++) {
    const to = prefix === 2 ** bits - 1 ? count : firstFrom(keys, from, count, (prefix + 1) << (8 - bits));
    if (to === from) continue;
    parts.push({ from, to, valueFrom, valueTo });
    for (let i = from; i < to; i++) {
      const length = lengths[i] as number;
      valueFrom += length;
      valueTo += valueWordsOf(length);
      if (length > longestValue) longestValue = length;
    }
    from = to;
  }
  if (values.length < valueFrom) throw new RangeError(`the values have ${values.length} bytes, not ${valueFrom}`);
  return { needed: { nodes: Math.max(0, count - 1), leaves: count, valueWords: valueTo }, longestValue, parts };
}

/** The first key from `from` on whose first byte is at least `byte`. */
function firstFrom(keys: Uint8Array, from: number, count: number, byte: number): number {
  let low = from;
  let high = count;
  while (low < high) {
    const at = Math.floor((low + high) / 2);
    if ((keys[KEY_LENGTH * at] as number) < byte) low = at + 1;
    else high = at;
  }
  return low;
}
