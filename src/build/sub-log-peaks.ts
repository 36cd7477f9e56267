import { HASH_LENGTH } from "../vindex/sha256.ts";
import type { LaneHasher } from "./lane-hasher.ts";
import { SPILL } from "./spill-record.ts";

const WORDS = HASH_LENGTH / 4;

/**
 * The peaks of many sub-logs at once (RFC 6962, as `Frontier`): all their pairs of one level are hashed in one pass, so that a
 * module of three records costs no more than its share.
 */
export class SubLogPeaks {
  readonly #hasher: LaneHasher;
  #hashes = new Int32Array(0);
  #bytes = new Uint8Array(0);
  #peaks = new Int32Array(0);
  #peakBytes = new Uint8Array(0);
  #counts = new Int32Array(0);
  #places = new Int32Array(0);
  #live = new Int32Array(0);

  constructor(hasher: LaneHasher) {
    this.#hasher = hasher;
  }

  /** Peaks of the last `compute`, one log after the other, each largest first. Valid until the next. */
  get peaks(): Uint8Array {
    return this.#peakBytes;
  }

  /**
   * Computes the peaks of logs `from` … `to` − 1: log i has the records `order[starts[i]]` … `order[starts[i + 1] - 1]`, first words of
   * spill records in `words`.
   */
  compute(words: Int32Array, order: Int32Array, starts: Int32Array, from: number, to: number): void {
    const logs = to - from;
    const records = (starts[to] as number) - (starts[from] as number);
    this.#reserve(records, logs);
    gatherLeaves(words, order, starts[from] as number, starts[to] as number, this.#hashes);
    this.#begin(logs, starts, from);
    for (let live = logs, level = 0; live > 0; level++) live = this.#reduce(live, level, starts, from);
  }

  #begin(logs: number, starts: Int32Array, from: number): void {
    let place = 0;
    for (let log = 0; log < logs; log++) {
      const count = (starts[from + log + 1] as number) - (starts[from + log] as number);
      this.#counts[log] = count;
      this.#places[log] = place;
      this.#live[log] = log;
      place += countBits(count);
    }
  }

  /** Hashes the pairs of one level of all logs that have some; returns how many have some above. */
  #reduce(live: number, level: number, starts: Int32Array, from: number): number {
    const hashes = this.#hashes;
    let read = 0;
    let write = 0;
    let kept = 0;
    for (let i = 0; i < live; i++) {
      const log = this.#live[i] as number;
      const count = this.#counts[log] as number;
      const even = count & ~1;
      if (read !== write) hashes.copyWithin(WORDS * write, WORDS * read, WORDS * (read + even));
      read += even;
      write += even;
      if (even !== count) {
        // The peaks of higher levels stand before this one.
        const all = (starts[from + log + 1] as number) - (starts[from + log] as number);
        const place = (this.#places[log] as number) + countBits(Math.floor(all / 2 ** (level + 1)));
        for (let w = 0; w < WORDS; w++) this.#peaks[WORDS * place + w] = hashes[WORDS * read + w] as number;
        read++;
      }
      if (even > 0) this.#live[kept++] = log;
      this.#counts[log] = even >> 1;
    }
    this.#hasher.hashPairs(hashes, this.#bytes, 0, write >> 1, 0);
    return kept;
  }

  #reserve(records: number, logs: number): void {
    if (WORDS * records > this.#hashes.length) {
      this.#bytes = new Uint8Array(HASH_LENGTH * (records + (records >> 2)));
      this.#hashes = new Int32Array(this.#bytes.buffer);
    }
    // A log of n records has at most as many peaks as n, and as n has bits.
    const peaks = Math.min(records, 32 * logs);
    if (WORDS * peaks > this.#peaks.length) {
      this.#peakBytes = new Uint8Array(HASH_LENGTH * (peaks + (peaks >> 2)));
      this.#peaks = new Int32Array(this.#peakBytes.buffer);
    }
    if (logs > this.#counts.length) {
      this.#counts = new Int32Array(logs);
      this.#places = new Int32Array(logs);
      this.#live = new Int32Array(logs);
    }
  }
}

/**
 * Copies the leaf hashes of the records `order[from]` … `order[to - 1]`. A function of its own: in a longer one, what the engine compiles while
 * this loop runs knows nothing of what follows it, and is thrown away every time.
 */
function gatherLeaves(words: Int32Array, order: Int32Array, from: number, to: number, hashes: Int32Array): void {
  let at = 0;
  for (let i = from; i < to; i++) {
    const leaf = (order[i] as number) + SPILL.leaf;
    for (let w = 0; w < WORDS; w++) hashes[at++] = words[leaf + w] as number;
  }
}

/** Number of set bits of a number below 2^31. */
export function countBits(value: number): number {
  let rest = value;
  let bits = 0;
  for (; rest !== 0; rest &= rest - 1) bits++;
  return bits;
}
