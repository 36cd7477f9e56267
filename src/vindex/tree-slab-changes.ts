import { compareBytes } from "./bytes.ts";
import type { MapChange } from "./prefix-tree.ts";
import { firstBit } from "./tree-slab-build.ts";
import {
  hashesOf,
  KEY_BITS,
  KEY_LENGTH,
  LEAF_WORDS,
  LINK_WORDS,
  leavesAt,
  linksAt,
  MAX_VALUE_LENGTH,
  NO_ROOT,
  type TreeCapacity,
  valuesAt,
  valueWordsOf,
} from "./tree-slab-layout.ts";

/**
 * The changes of one update in the order of their keys, and where each key leads to in the tree before. Those that change
 * nothing are left out.
 */
export class SlabChanges {
  /** What was asked for, sorted; `find` leaves out what changes nothing. */
  #list: readonly MapChange[];
  readonly #keys: Int32Array<ArrayBuffer>;
  readonly #keyBytes: Uint8Array<ArrayBuffer>;
  /** First bit in which each key differs from that of the leaf it leads to. */
  readonly #parts: Int32Array;
  /** Of no use but that what is read for it must be fetched. */
  #touched = 0;

  /** @throws RangeError if a key has not 32 bytes or stands twice, or a value is longer than 255 bytes */
  constructor(changes: Iterable<MapChange>) {
    const list = [...changes];
    for (const { indexKey, value } of list) {
      if (indexKey.length !== KEY_LENGTH) throw new RangeError("an index key has 32 bytes");
      if (value !== undefined && value.length > MAX_VALUE_LENGTH) {
        throw new RangeError(`a value has at most ${MAX_VALUE_LENGTH} bytes, not ${value.length}`);
      }
    }
    // Six bytes as a number decide nearly all comparisons.
    const sorted = list.map((change) => ({ change, start: startOf(change.indexKey) }));
    sorted.sort((a, b) => a.start - b.start || compareBytes(a.change.indexKey, b.change.indexKey));
    this.#list = sorted.map(({ change }) => change);
    for (let i = 1; i < sorted.length; i++) {
      const [a, b] = [sorted[i - 1], sorted[i]];
      if (a?.start === b?.start && compareBytes(this.at(i - 1).indexKey, this.at(i).indexKey) === 0) {
        throw new RangeError("one key has two changes");
      }
    }
    this.#keyBytes = new Uint8Array(KEY_LENGTH * list.length);
    this.#keys = new Int32Array(this.#keyBytes.buffer);
    this.#parts = new Int32Array(list.length);
    this.#setKeys();
  }

  get count(): number {
    return this.#list.length;
  }

  /** Changes that set a value. */
  get setCount(): number {
    return this.#list.reduce((sum, { value }) => sum + (value === undefined ? 0 : 1), 0);
  }

  /** Words that the new values take. */
  get setWords(): number {
    return this.#list.reduce((sum, { value }) => sum + valueWordsOf(value?.length ?? 0), 0);
  }

  at(i: number): MapChange {
    return this.#list[i] as MapChange;
  }

  [Symbol.iterator](): Iterator<MapChange> {
    return this.#list[Symbol.iterator]();
  }

  /** Finds where each key leads to, and leaves out what changes nothing. */
  find(words: Int32Array, root: number, capacity: TreeCapacity): void {
    const refs = new Int32Array(this.count).fill(root);
    const leaves = leavesAt(capacity);
    const values = valuesAt(capacity);
    if (root === NO_ROOT) this.#parts.fill(0);
    else this.#touched = this.#descend(words, linksAt(capacity), refs);
    const effective: MapChange[] = [];
    const parts: number[] = [];
    for (let i = 0; i < this.count; i++) {
      const { value } = this.at(i);
      const leaf = leaves + LEAF_WORDS * (-1 - (refs[i] as number));
      const part = root === NO_ROOT ? 0 : this.#difference(i, words, leaf);
      const isPresent = part === KEY_BITS;
      if (value === undefined ? !isPresent : isPresent && isValueAt(value, words, leaf, values)) continue;
      effective.push(this.at(i));
      parts.push(part);
    }
    if (effective.length < this.count) {
      this.#list = effective;
      this.#setKeys();
    }
    this.#parts.set(parts);
  }

  /**
   * All keys one step at a time: the places of memory that they need next do not depend on each other, so that the processor
   * fetches many at once. One key after the other is measured at twice the time.
   */
  #descend(words: Int32Array, links: number, refs: Int32Array): number {
    const bytes = this.#keyBytes;
    const count = refs.length;
    let touched = this.#touched;
    for (let isMoving = true; isMoving; ) {
      isMoving = false;
      for (let i = 0; i < count; i++) {
        const ref = refs[i] as number;
        if (ref < 0) continue;
        const link = links + LINK_WORDS * ref;
        const bit = words[link] as number;
        const side = ((bytes[KEY_LENGTH * i + (bit >> 3)] as number) >> (7 - (bit & 7))) & 1;
        // The hashes will be needed too.
        touched ^= words[hashesOf(ref)] as number;
        refs[i] = words[link + 1 + side] as number;
        isMoving = true;
      }
    }
    return touched;
  }

  /** First bit in which a key differs from that of the leaf it leads to; 256 if that is its own. */
  partAt(i: number): number {
    return this.#parts[i] as number;
  }

  /** First bit in which two of the keys differ. */
  partOf(a: number, b: number): number {
    return this.#difference(a, this.#keys, 8 * b);
  }

  bitOf(i: number, bit: number): 0 | 1 {
    return (((this.#keyBytes[KEY_LENGTH * i + (bit >> 3)] as number) >> (7 - (bit & 7))) & 1) as 0 | 1;
  }

  /** The first of the changes `from` … `to` − 1, which agree on all bits before `bit`, that has it set. */
  middle(from: number, to: number, bit: number): number {
    let low = from;
    let high = to;
    while (low < high) {
      const at = (low + high) >> 1;
      if (this.bitOf(at, bit) === 0) low = at + 1;
      else high = at;
    }
    return low;
  }

  value(i: number): Uint8Array | undefined {
    return this.at(i).value;
  }

  copyKey(i: number, words: Int32Array, to: number): void {
    for (let w = 0; w < 8; w++) words[to + w] = this.#keys[8 * i + w] as number;
  }

  /** Copies a value to whole words; what is left of the last is 0. */
  copyValue(i: number, words: Int32Array, to: number): void {
    const value = this.value(i);
    if (value === undefined || value.length === 0) return;
    words[to + valueWordsOf(value.length) - 1] = 0;
    new Uint8Array(words.buffer, words.byteOffset + 4 * to, value.length).set(value);
  }

  #difference(i: number, words: Int32Array, at: number): number {
    const keys = this.#keys;
    for (let w = 0; w < 8; w++) {
      const difference = (keys[8 * i + w] as number) ^ (words[at + w] as number);
      if (difference !== 0) return 32 * w + firstBit(difference);
    }
    return KEY_BITS;
  }

  #setKeys(): void {
    for (let i = 0; i < this.#list.length; i++) this.#keyBytes.set(this.at(i).indexKey, KEY_LENGTH * i);
  }
}

/** The first six bytes of a key. */
function startOf(key: Uint8Array): number {
  const high = ((key[0] as number) << 16) | ((key[1] as number) << 8) | (key[2] as number);
  return high * 2 ** 24 + (((key[3] as number) << 16) | ((key[4] as number) << 8) | (key[5] as number));
}

function isValueAt(value: Uint8Array, words: Int32Array, leaf: number, valuesAt: number): boolean {
  if (words[leaf + 9] !== value.length) return false;
  const at = words.byteOffset + 4 * (valuesAt + (words[leaf + 8] as number));
  const bytes = new Uint8Array(words.buffer, at, value.length);
  for (let i = 0; i < value.length; i++) if (bytes[i] !== value[i]) return false;
  return true;
}
