import type { Asker } from "../asker.ts";
import type { ReplyEntry } from "../reply-entry.ts";

/** A query that a worker passed on. */
export interface PassedQuery {
  readonly message: Uint8Array;
  readonly asker: Asker;
  /** `performance.now()` after which nobody waits for the answer. */
  readonly until: number;
  /** Gives the entry to who asked, or why there is none. */
  readonly answer: (entry: ReplyEntry | undefined, failure: string | undefined) => void;
}

/** Milliseconds of work at a time. */
const SLICE = 5;

/**
 * The main thread's share of the queries: what workers pass on, answered in turns of a few milliseconds, one of each worker
 * after the other, so that a flood neither holds up what else the main thread does (epochs, signatures, acknowledgements)
 * nor lets one worker's queries displace another's.
 */
export class ComputeQueue {
  readonly #compute: (message: Uint8Array, asker: Asker) => ReplyEntry | undefined;
  readonly #limit: number;
  /** For each worker, the oldest first. */
  readonly #queues: PassedQuery[][];
  #next = 0;
  #size = 0;
  #isRunning = false;

  /** `limit` is how many queries of one worker are kept; beyond it the oldest, for which nobody waits any more, are dropped. */
  constructor(workers: number, limit: number, compute: (message: Uint8Array, asker: Asker) => ReplyEntry | undefined) {
    this.#queues = Array.from({ length: workers }, () => []);
    this.#limit = limit;
    this.#compute = compute;
  }

  /** Queries that wait for their turn. */
  get size(): number {
    return this.#size;
  }

  add(worker: number, query: PassedQuery): void {
    const queue = this.#queues[worker] as PassedQuery[];
    if (queue.length >= this.#limit) queue.shift();
    else this.#size++;
    queue.push(query);
    this.#schedule();
  }

  /** Forgets what a worker asked that is no more. */
  drop(worker: number): void {
    const queue = this.#queues[worker] as PassedQuery[];
    this.#size -= queue.length;
    queue.length = 0;
  }

  #schedule(): void {
    if (this.#isRunning || this.#size === 0) return;
    this.#isRunning = true;
    setImmediate(() => this.#run());
  }

  #run(): void {
    const begun = performance.now();
    while (this.#size > 0) {
      const now = performance.now();
      if (now - begun >= SLICE) break;
      const query = this.#take();
      if (query.until <= now) continue;
      this.#answer(query);
    }
    this.#isRunning = false;
    this.#schedule();
  }

  /** The next query of the next worker that has any. */
  #take(): PassedQuery {
    for (;;) {
      const queue = this.#queues[this.#next] as PassedQuery[];
      this.#next = (this.#next + 1) % this.#queues.length;
      const query = queue.shift();
      if (query === undefined) continue;
      this.#size--;
      return query;
    }
  }

  #answer({ message, asker, answer }: PassedQuery): void {
    let entry: ReplyEntry | undefined;
    try {
      entry = this.#compute(message, asker);
    } catch (error) {
      answer(undefined, error instanceof Error ? error.message : String(error));
      return;
    }
    answer(entry, undefined);
  }
}
