import type { MapChange } from "../../src/vindex/prefix-tree.ts";
import type { SortedPairs } from "../../src/vindex/tree-slab.ts";
import { makeRandom } from "../dns/names.ts";

/** Mean bytes of a value: that of the real modules is about as much. */
const SHORTEST_VALUE = 150;
const VALUE_SPREAD = 41;

/** Sorted random keys with values of 150 to 190 bytes, in shared memory; the same for the same seed. */
export function makePairs(count: number, seed: number): SortedPairs {
  const random = makeRandom(seed);
  const prefixes = new BigUint64Array(count);
  const draws = new Uint32Array(prefixes.buffer);
  for (let i = 0; i < draws.length; i++) draws[i] = random() * 2 ** 32;
  prefixes.sort();
  const keys = new Uint8Array(new SharedArrayBuffer(32 * count));
  const view = new DataView(keys.buffer);
  const words = new Uint32Array(keys.buffer);
  for (let i = 0; i < count; i++) {
    view.setUint32(32 * i, draws[2 * i + 1] as number);
    view.setUint32(32 * i + 4, draws[2 * i] as number);
    for (let w = 2; w < 8; w++) words[8 * i + w] = random() * 2 ** 32;
  }
  const lengths = new Uint8Array(new SharedArrayBuffer(count));
  let total = 0;
  for (let i = 0; i < count; i++) total += lengths[i] = SHORTEST_VALUE + (i % VALUE_SPREAD);
  const values = new Uint8Array(new SharedArrayBuffer(total));
  const valueWords = new Uint32Array(values.buffer, 0, Math.floor(total / 4));
  for (let i = 0; i < valueWords.length; i++) valueWords[i] = Math.imul(i + seed, 0x9e3779b1);
  return { count, keys, lengths, values };
}

/** Key `i`, which aliases the pairs. */
export function keyAt(pairs: SortedPairs, i: number): Uint8Array {
  return pairs.keys.subarray(32 * i, 32 * i + 32);
}

/** Changes of `count` keys: a quarter new, the others existing ones; the values new. */
export function makeChanges(pairs: SortedPairs, count: number, seed: number): MapChange[] {
  const random = makeRandom(seed);
  const changes = new Map<string, MapChange>();
  while (changes.size < count) {
    const indexKey = new Uint8Array(32);
    if (changes.size % 4 === 0) for (let i = 0; i < 32; i++) indexKey[i] = 256 * random();
    else indexKey.set(keyAt(pairs, Math.floor(random() * pairs.count)));
    const value = new Uint8Array(SHORTEST_VALUE + Math.floor(random() * VALUE_SPREAD)).fill(changes.size);
    changes.set(Buffer.from(indexKey).toString("latin1"), { indexKey, value });
  }
  return [...changes.values()];
}
