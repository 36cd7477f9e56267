/** Places of one kind in a slab, by number: those that were never used, and those that are free again. */

/** A stack of numbers that grows. */
export class NumberStack {
  #items = new Int32Array(64);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: number): void {
    if (this.#length === this.#items.length) {
      const larger = new Int32Array(2 * this.#length);
      larger.set(this.#items);
      this.#items = larger;
    }
    this.#items[this.#length++] = item;
  }

  /** Takes the item pushed last. There must be one. */
  pop(): number {
    return this.#items[--this.#length] as number;
  }

  clear(): void {
    this.#length = 0;
  }

  *[Symbol.iterator](): Generator<number> {
    for (let i = 0; i < this.#length; i++) yield this.#items[i] as number;
  }
}

/** Nodes or leaves: places of one size. */
export class Places {
  readonly #free = new NumberStack();
  /** All from here on were never used. */
  #next: number;
  capacity: number;

  constructor(used: number, capacity: number) {
    this.#next = used;
    this.capacity = capacity;
  }

  /** Places up to the last one that was ever used. */
  get used(): number {
    return this.#next;
  }

  get available(): number {
    return this.#free.length + this.capacity - this.#next;
  }

  /** A place, or −1 if there is none. Those freed last are taken first, for the processor's caches. */
  take(): number {
    if (this.#free.length > 0) return this.#free.pop();
    return this.#next < this.capacity ? this.#next++ : -1;
  }

  free(place: number): void {
    this.#free.push(place);
  }
}

/** Most words of a value. */
const CLASSES = 64;

/** Places of values: runs of words. A free run is kept with those of its length. */
export class ValuePlaces {
  readonly #free: readonly NumberStack[] = Array.from({ length: CLASSES + 1 }, () => new NumberStack());
  #next: number;
  capacity: number;
  #freeWords = 0;

  constructor(used: number, capacity: number) {
    this.#next = used;
    this.capacity = capacity;
  }

  get used(): number {
    return this.#next;
  }

  /** Words that are free, though perhaps not in one run. */
  get available(): number {
    return this.#freeWords + this.capacity - this.#next;
  }

  /** Where a value of `words` words can stand, or −1: in a run of just that length, else in new words, else in a longer run. */
  take(words: number): number {
    if (words === 0) return 0;
    if ((this.#free[words]?.length ?? 0) > 0) return this.#takeRun(words);
    if (this.capacity - this.#next >= words) {
      const place = this.#next;
      this.#next += words;
      return place;
    }
    for (let length = words + 1; length <= CLASSES; length++) {
      if ((this.#free[length]?.length ?? 0) === 0) continue;
      const place = this.#takeRun(length);
      this.free(place + words, length - words);
      return place;
    }
    return -1;
  }

  free(place: number, words: number): void {
    if (words === 0) return;
    this.#free[words]?.push(place);
    this.#freeWords += words;
  }

  #takeRun(length: number): number {
    this.#freeWords -= length;
    return (this.#free[length] as NumberStack).pop();
  }
}
