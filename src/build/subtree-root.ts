import { concatBytes } from "../vindex/bytes.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { HASH_LENGTH, type Hash } from "../vindex/sha256.ts";
import type { LaneHasher } from "./lane-hasher.ts";

const WORDS = HASH_LENGTH / 4;
const BATCH = 1024;
/** Distance of inner nodes in the hasher's memory: 0x01 ‖ uvarint(bit) ‖ left ‖ right, ending at a whole word. */
const NODE_STRIDE = 68;

/**
 * Root of the prefix tree (spec/tree.md) over sorted keys, or of the part of it that stands below one branch: a tree's shape is that of its
 * keys alone. Nodes are hashed in order of their height, many at a time; nothing of the tree is kept.
 *
 * `keys` ascend strictly and are not empty; `values` are one after the other, `ends[i]` is where value i begins.
 */
export function computeSubtreeRoot(
  count: number,
  keys: Uint8Array,
  ends: Float64Array,
  values: Uint8Array,
  hasher: LaneHasher,
): Hash {
  // Hashes of the leaves, then of the nodes: node i stands between keys i and i + 1.
  const bytes = new Uint8Array(HASH_LENGTH * (2 * count));
  const words = new Int32Array(bytes.buffer);
  hashLeaves(count, keys, ends, values, hasher, bytes);
  if (count === 1) return bytes.slice(0, HASH_LENGTH);
  const nodes = count - 1;
  const bits = new Uint8Array(nodes);
  for (let i = 0; i < nodes; i++) bits[i] = firstDifference(keys, HASH_LENGTH * i);
  // References: leaf i is i, node i is count + i.
  const left = new Int32Array(nodes);
  const right = new Int32Array(nodes);
  const heights = new Int32Array(nodes);
  const root = link(bits, count, left, right);
  const order = orderByHeight(root, count, left, right, heights);
  const { memory } = hasher;
  const memoryWords = hasher.words;
  const starts = new Int32Array(BATCH);
  const lengths = new Int32Array(BATCH);
  const out = new Uint8Array(HASH_LENGTH * BATCH);
  const outWords = new Int32Array(out.buffer);
  for (let from = 0; from < nodes; ) {
    const height = heights[order[from] as number];
    let batch = 0;
    while (batch < BATCH && from + batch < nodes && heights[order[from + batch] as number] === height) {
      const node = order[from + batch] as number;
      const bit = bits[node] as number;
      const hashesAt = NODE_STRIDE * batch + 4;
      const isLong = bit > 127;
      const start = hashesAt - (isLong ? 3 : 2);
      memory[start] = 1;
      memory[start + 1] = isLong ? (bit & 127) | 128 : bit;
      if (isLong) memory[start + 2] = bit >> 7;
      const to = hashesAt >> 2;
      const l = WORDS * (left[node] as number);
      const r = WORDS * (right[node] as number);
      for (let w = 0; w < WORDS; w++) memoryWords[to + w] = words[l + w] as number;
      for (let w = 0; w < WORDS; w++) memoryWords[to + WORDS + w] = words[r + w] as number;
      starts[batch] = start;
      lengths[batch] = hashesAt - start + 2 * HASH_LENGTH;
      batch++;
    }
    hasher.run(starts, lengths, batch, out, 0);
    for (let i = 0; i < batch; i++) {
      const to = WORDS * (count + (order[from + i] as number));
      for (let w = 0; w < WORDS; w++) words[to + w] = outWords[WORDS * i + w] as number;
    }
    from += batch;
  }
  return bytes.slice(HASH_LENGTH * root, HASH_LENGTH * (root + 1));
}

function hashLeaves(
  count: number,
  keys: Uint8Array,
  ends: Float64Array,
  values: Uint8Array,
  hasher: LaneHasher,
  out: Uint8Array,
): void {
  const { memory } = hasher;
  const starts = new Int32Array(BATCH);
  const lengths = new Int32Array(BATCH);
  for (let done = 0; done < count; ) {
    const batch = Math.min(BATCH, count - done);
    let to = 0;
    for (let i = 0; i < batch; i++) {
      const key = HASH_LENGTH * (done + i);
      const from = ends[done + i] as number;
      const length = (ends[done + i + 1] as number) - from;
      starts[i] = to;
      memory[to++] = 0;
      memory[to++] = HASH_LENGTH;
      for (let b = 0; b < HASH_LENGTH; b++) memory[to++] = keys[key + b] as number;
      memory[to++] = length > 127 ? (length & 127) | 128 : length;
      if (length > 127) memory[to++] = length >> 7;
      for (let b = 0; b < length; b++) memory[to++] = values[from + b] as number;
      lengths[i] = to - (starts[i] as number);
    }
    hasher.run(starts, lengths, batch, out, HASH_LENGTH * done);
    done += batch;
  }
}

/** The first bit in which the key at `at` differs from the one after it. */
function firstDifference(keys: Uint8Array, at: number): number {
  let i = 0;
  while (keys[at + i] === keys[at + HASH_LENGTH + i]) i++;
  return 8 * i + Math.clz32((keys[at + i] as number) ^ (keys[at + HASH_LENGTH + i] as number)) - 24;
}

/** Finds the children of every node by one pass with a stack; returns the root. */
function link(bits: Uint8Array, count: number, left: Int32Array, right: Int32Array): number {
  const stack = new Int32Array(257);
  let depth = 0;
  for (let i = 0; i < bits.length; i++) {
    const bit = bits[i] as number;
    // What was below a later bit is finished, and is this node's left side.
    let child = i;
    while (depth > 0 && (bits[stack[depth - 1] as number] as number) > bit) {
      const node = stack[--depth] as number;
      right[node] = child;
      child = count + node;
    }
    left[i] = child;
    stack[depth++] = i;
  }
  let child = count - 1;
  while (depth > 0) {
    const node = stack[--depth] as number;
    right[node] = child;
    child = count + node;
  }
  return child;
}

/** The nodes with those below before those above: by height, each of which is set too. */
function orderByHeight(
  root: number,
  count: number,
  left: Int32Array,
  right: Int32Array,
  heights: Int32Array,
): Int32Array {
  const nodes = left.length;
  // From the root down; the other way round every child comes before its parent.
  const down = new Int32Array(nodes);
  let end = 0;
  down[end++] = root - count;
  for (let at = 0; at < end; at++) {
    const node = down[at] as number;
    for (const child of [left[node] as number, right[node] as number]) if (child >= count) down[end++] = child - count;
  }
  let highest = 0;
  for (let at = nodes - 1; at >= 0; at--) {
    const node = down[at] as number;
    const of = (child: number): number => (child < count ? 0 : (heights[child - count] as number));
    const height = 1 + Math.max(of(left[node] as number), of(right[node] as number));
    heights[node] = height;
    highest = Math.max(highest, height);
  }
  const next = new Int32Array(highest + 2);
  for (let i = 0; i < nodes; i++) next[(heights[i] as number) + 1] = (next[(heights[i] as number) + 1] as number) + 1;
  for (let h = 1; h < next.length; h++) next[h] = (next[h] as number) + (next[h - 1] as number);
  const order = new Int32Array(nodes);
  for (let i = 0; i < nodes; i++) {
    const height = heights[i] as number;
    const place = next[height] as number;
    order[place] = i;
    next[height] = place + 1;
  }
  return order;
}

/**
 * Root of the whole tree from the roots of its parts: part i has the keys that begin with the bits of i. Undefined stands for a part without
 * keys; of the whole, too.
 */
export function joinSubtrees(roots: readonly (Hash | undefined)[], bit = 0): Hash | undefined {
  if (roots.length === 1) return roots[0];
  const half = roots.length / 2;
  const left = joinSubtrees(roots.slice(0, half), bit + 1);
  const right = joinSubtrees(roots.slice(half), bit + 1);
  if (left === undefined || right === undefined) return left ?? right;
  return nodeSha256(concatBytes(Uint8Array.of(1, bit), left, right));
}
