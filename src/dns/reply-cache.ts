import { RATE_CLASS, type ReplyEntry } from "./reply-entry.ts";

/** Entries that share a place; beyond that the one used least gives way. */
const WAYS = 4;
/** Bytes of records of an entry that are never too many, and, times the capacity, of all that have more. */
const USUAL_LENGTH = 2048;

/**
 * The replies of one thread to recent questions: a table of fixed size, so that no flood of names makes it grow.
 * An entry is good for one epoch, and until it is stale.
 *
 * Replies that many names share a rate for (absences, denials) take the last of four ways only: a flood of random
 * names replaces one another, and not the modules that are asked.
 */
export class ReplyCache {
  readonly #setMask: number;
  readonly #hashes: Int32Array;
  readonly #entries: (ReplyEntry | undefined)[];
  readonly #longBudget: number;
  /** Bytes of the entries that are longer than usual. */
  #longBytes = 0;
  /** Long entries of epochs before this one are forgotten. */
  #longEpoch = 0;

  /** `capacity`: entries, rounded up to a power of two; 0 keeps none. */
  constructor(capacity: number) {
    const sets = capacity === 0 ? 0 : 2 ** Math.ceil(Math.log2(Math.max(1, capacity / WAYS)));
    this.#setMask = sets - 1;
    this.#longBudget = sets * WAYS * USUAL_LENGTH;
    this.#hashes = new Int32Array(sets * WAYS);
    this.#entries = new Array<ReplyEntry | undefined>(sets * WAYS).fill(undefined);
  }

  /**
   * The entry for a question: `question` holds it in its first `length` bytes, in lower case, and `hash` is of these.
   * Undefined if there is none, or it is of another epoch or head, or stale.
   */
  get(
    hash: number,
    question: Uint8Array,
    length: number,
    variant: number,
    at: { readonly epoch: number; readonly headVersion: number },
    now: number,
  ): ReplyEntry | undefined {
    if (this.#setMask < 0) return undefined;
    const from = (hash & this.#setMask) * WAYS;
    for (let way = 0; way < WAYS; way++) {
      if (this.#hashes[from + way] !== (hash | 0)) continue;
      const entry = this.#entries[from + way];
      if (entry === undefined || entry.variant !== variant || entry.question.length !== length) continue;
      if (!equalPrefix(entry.question, question, length)) continue;
      // One of an older epoch may stand before the one of this, if its class is another.
      if (entry.epoch !== at.epoch || now >= entry.staleAt) continue;
      if (entry.headVersion !== 0 && entry.headVersion !== at.headVersion) continue;
      if (way > 0 && entry.rateClass === RATE_CLASS.own) this.#swap(from + way, from + way - 1);
      return entry;
    }
    return undefined;
  }

  /**
   * Keeps an entry, in place of one for the same question if there is one. Long ones are kept only while there is room for
   * them: pages of 20 kB must not fill what is meant for modules.
   */
  put(hash: number, entry: ReplyEntry): void {
    if (this.#setMask < 0) return;
    const from = (hash & this.#setMask) * WAYS;
    let way = WAYS - 1;
    for (let i = 0; i < WAYS; i++) {
      const kept = this.#entries[from + i];
      // What belongs to an older epoch will never be said again.
      if (kept === undefined || kept.epoch < entry.epoch) {
        if (way === WAYS - 1 && entry.rateClass === RATE_CLASS.own) way = i;
        continue;
      }
      const isSame = kept.variant === entry.variant && kept.question.length === entry.question.length;
      if (isSame && equalPrefix(kept.question, entry.question, entry.question.length)) {
        way = i;
        break;
      }
    }
    const long = longLength(entry);
    if (this.#longBytes + long > this.#longBudget) this.#forgetLong(entry.epoch);
    const freed = longLength(this.#entries[from + way]);
    if (this.#longBytes - freed + long > this.#longBudget) return;
    this.#longBytes += long - freed;
    this.#hashes[from + way] = hash | 0;
    this.#entries[from + way] = entry;
    // A module that has just been asked stands before what others left in the last way.
    if (way === WAYS - 1 && entry.rateClass === RATE_CLASS.own) this.#swap(from + way, from + way - 1);
  }

  /** Forgets everything. */
  clear(): void {
    this.#hashes.fill(0);
    this.#entries.fill(undefined);
    this.#longBytes = 0;
    this.#longEpoch = 0;
  }

  /** Forgets the long entries of older epochs, once an epoch: nobody asks for them, and they hold the room of others. */
  #forgetLong(epoch: number): void {
    if (epoch <= this.#longEpoch) return;
    this.#longEpoch = epoch;
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries[i];
      const long = longLength(entry);
      if (entry === undefined || long === 0 || entry.epoch >= epoch) continue;
      this.#entries[i] = undefined;
      this.#longBytes -= long;
    }
  }

  #swap(a: number, b: number): void {
    const hash = this.#hashes[a] as number;
    this.#hashes[a] = this.#hashes[b] as number;
    this.#hashes[b] = hash;
    const entry = this.#entries[a];
    this.#entries[a] = this.#entries[b];
    this.#entries[b] = entry;
  }
}

/** Bytes of an entry if it is longer than usual, else 0. */
function longLength(entry: ReplyEntry | undefined): number {
  return entry !== undefined && entry.records.length > USUAL_LENGTH ? entry.records.length : 0;
}

function equalPrefix(a: Uint8Array, b: Uint8Array, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}
