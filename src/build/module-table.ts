import { HASH_LENGTH } from "../vindex/sha256.ts";
import type { GrowingBuffer } from "./growing-buffer.ts";
import type { LaneHasher } from "./lane-hasher.ts";
import { SPILL } from "./spill-record.ts";

/**
 * The modules of a partition's records, in the order of their index keys, and the records of each in log order.
 */
export interface ModuleTable {
  readonly modules: number;
  /** Index keys, ascending. */
  readonly keys: Uint8Array;
  /** First words of the records, module after module. */
  readonly order: Int32Array;
  /** Module i has the records `starts[i]` … `starts[i + 1]` − 1 of `order`. */
  readonly starts: Int32Array;
}

/**
 * Sorts the spill records of `buffer` by module: finds the modules by an open-addressing table keyed by eight bytes of the index key
 * (names are hostile, hashes are not) and compares paths, then hashes each path once and sorts.
 */
export function sortByModule(buffer: GrowingBuffer, records: number, hasher: LaneHasher): ModuleTable {
  const { words, bytes } = buffer;
  const moduleOf = new Int32Array(records);
  const places = new Int32Array(records);
  let firsts = new Int32Array(1024);
  let counts = new Int32Array(1024);
  let slots = new Int32Array(4096).fill(-1);
  let modules = 0;
  let at = 0;
  for (let i = 0; i < records; i++) {
    const key = words[at + SPILL.key] as number;
    const next = words[at + SPILL.keyNext] as number;
    let mask = slots.length - 1;
    // The first bits are the partition's; the last ones are as good.
    let slot = next & mask;
    let module: number;
    for (;;) {
      module = slots[slot] as number;
      if (module < 0) break;
      const first = firsts[module] as number;
      if (
        words[first + SPILL.keyNext] === next &&
        words[first + SPILL.key] === key &&
        isSamePath(words, bytes, first, at)
      )
        break;
      slot = (slot + 1) & mask;
    }
    if (module < 0) {
      module = modules++;
      if (module === firsts.length) {
        firsts = grow(firsts);
        counts = grow(counts);
      }
      firsts[module] = at;
      slots[slot] = module;
      if (2 * modules > slots.length) {
        slots = new Int32Array(2 * slots.length).fill(-1);
        mask = slots.length - 1;
        for (let m = 0; m < modules; m++) {
          let to = (words[(firsts[m] as number) + SPILL.keyNext] as number) & mask;
          while ((slots[to] as number) >= 0) to = (to + 1) & mask;
          slots[to] = m;
        }
      }
    }
    counts[module] = (counts[module] as number) + 1;
    moduleOf[i] = module;
    places[i] = at;
    at += words[at] as number;
  }
  const unsorted = hashPaths(words, bytes, firsts, modules, hasher);
  const ranks = sortKeys(unsorted, modules);
  const keys = new Uint8Array(HASH_LENGTH * modules);
  const starts = new Int32Array(modules + 1);
  const next = new Int32Array(modules);
  for (let rank = 0; rank < modules; rank++) {
    const module = ranks[rank] as number;
    keys.set(unsorted.subarray(HASH_LENGTH * module, HASH_LENGTH * (module + 1)), HASH_LENGTH * rank);
    next[module] = starts[rank] as number;
    starts[rank + 1] = (starts[rank] as number) + (counts[module] as number);
  }
  const order = new Int32Array(records);
  for (let i = 0; i < records; i++) {
    const module = moduleOf[i] as number;
    const place = next[module] as number;
    order[place] = places[i] as number;
    next[module] = place + 1;
  }
  return { modules, keys, order, starts };
}

function grow(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(2 * array.length);
  grown.set(array);
  return grown;
}

function isSamePath(words: Int32Array, bytes: Uint8Array, a: number, b: number): boolean {
  const length = words[a + SPILL.pathLength] as number;
  if (words[b + SPILL.pathLength] !== length) return false;
  const first = 4 * (a + SPILL.text);
  const second = 4 * (b + SPILL.text);
  for (let i = 0; i < length; i++) if (bytes[first + i] !== bytes[second + i]) return false;
  return true;
}

const HASH_BATCH = 1024;

/** Index keys of the paths of the records at `firsts`. */
function hashPaths(
  words: Int32Array,
  bytes: Uint8Array,
  firsts: Int32Array,
  count: number,
  hasher: LaneHasher,
): Uint8Array {
  const keys = new Uint8Array(HASH_LENGTH * count);
  const starts = new Int32Array(HASH_BATCH);
  const lengths = new Int32Array(HASH_BATCH);
  const { memory, capacity } = hasher;
  for (let done = 0; done < count; ) {
    let batch = 0;
    let to = 0;
    for (; batch < HASH_BATCH && done + batch < count; batch++) {
      const first = firsts[done + batch] as number;
      const length = words[first + SPILL.pathLength] as number;
      if (to + length > capacity) break;
      const from = 4 * (first + SPILL.text);
      for (let i = 0; i < length; i++) memory[to + i] = bytes[from + i] as number;
      starts[batch] = to;
      lengths[batch] = length;
      to += length;
    }
    if (batch === 0) {
      // A path of half a megabyte: no tile of a real log has room for it.
      const first = firsts[done] as number;
      const from = 4 * (first + SPILL.text);
      const path = bytes.subarray(from, from + (words[first + SPILL.pathLength] as number));
      keys.set(hasher.hashOne(path), HASH_LENGTH * done);
      batch = 1;
    } else hasher.run(starts, lengths, batch, keys, HASH_LENGTH * done);
    done += batch;
  }
  return keys;
}

/** The numbers of `count` different keys in the order of those. */
function sortKeys(keys: Uint8Array, count: number): Int32Array {
  // 32 bits of key and 21 of number in one double, so that the engine sorts numbers.
  const isFew = count < 2 ** 21;
  const view = new DataView(keys.buffer, keys.byteOffset, keys.length);
  const sorted = new Float64Array(count);
  const scale = isFew ? 2 ** 21 : 2 ** 31;
  for (let i = 0; i < count; i++) {
    const head = view.getUint32(HASH_LENGTH * i);
    sorted[i] = (isFew ? head : head >>> 10) * scale + i;
  }
  sorted.sort();
  const out = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const number = (sorted[i] as number) % scale;
    // Nearly sorted: neighbours with one head are put in order by the other bytes.
    let at = i;
    while (at > 0 && compareKeys(keys, out[at - 1] as number, number) > 0) {
      out[at] = out[at - 1] as number;
      at--;
    }
    out[at] = number;
  }
  return out;
}

function compareKeys(keys: Uint8Array, a: number, b: number): number {
  let i = HASH_LENGTH * a;
  let j = HASH_LENGTH * b;
  const end = i + HASH_LENGTH;
  while (i < end && keys[i] === keys[j]) {
    i++;
    j++;
  }
  return i === end ? 0 : (keys[i] as number) - (keys[j] as number);
}
