import { FlatTree, type TreeBuffer } from "../../vindex/flat-tree.ts";
import type { PrefixTree } from "../../vindex/prefix-tree.ts";
import type { Log } from "../listener.ts";
import type { ZoneData } from "../zone-data.ts";
import type { ToWorker } from "./protocol.ts";
import { NO_EPOCH, type ServedHead, SharedAnswers, takeServedHead } from "./shared-answers.ts";

/** A thread, as far as it is shown snapshots. */
export interface SnapshotReader {
  readonly isAlive: boolean;
  /** Version of the snapshot that it serves; no older one is in use. */
  readonly served: number;
  post(message: Extract<ToWorker, { kind: "snapshot" }>): void;
  terminate(): Promise<void>;
}

/** One state of what is served: the main thread's data, and the tree whose values and proofs they give. */
export interface PublishedEpoch {
  readonly data: ZoneData;
  readonly tree: PrefixTree;
}

interface Job {
  readonly epoch: PublishedEpoch;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Hands what is served to the threads. A tree is written into memory that no thread reads, and only then shown to them;
 * each swaps with one assignment and says so. Memory is used again when every thread serves something newer, so
 * there are two buffers at most, and a thread that does not swap in time is ended: it holds up what is newer.
 */
export class Publication {
  readonly #threads = new Set<SnapshotReader>();
  readonly #ackTimeout: number;
  readonly #log: Log;
  #version = 0;
  #data: ZoneData = new SharedAnswers(NO_EPOCH, undefined);
  #head: ServedHead = NO_EPOCH;
  #source: PrefixTree | undefined;
  #flat: FlatTree | undefined;
  #spare: TreeBuffer | undefined;
  #next: Job | undefined;
  #isRunning = false;
  #wake: () => void = () => {};

  /** `ackTimeout`: milliseconds that a thread has for a swap. */
  constructor(ackTimeout: number, log: Log) {
    this.#ackTimeout = ackTimeout;
    this.#log = log;
  }

  /**
   * What was published last, which the threads may not serve yet: an answer that is made of it for one of them is of
   * the newer epoch as a whole.
   */
  get data(): ZoneData {
    return this.#data;
  }

  /** Counts the snapshots. */
  get version(): number {
    return this.#version;
  }

  /** Shows a new thread what is served, and from now on every change. */
  add(thread: SnapshotReader): void {
    // It may have ended while it was waited for.
    if (!thread.isAlive) return;
    this.#threads.add(thread);
    if (this.#flat === undefined) return;
    const { buffer } = this.#flat;
    thread.post({ kind: "snapshot", version: this.#version, head: this.#head, tree: buffer });
  }

  /** A thread has ended. */
  remove(thread: SnapshotReader): void {
    this.#threads.delete(thread);
    this.#wake();
  }

  /** A thread has swapped. */
  served(): void {
    this.#wake();
  }

  /**
   * Serves `epoch` from now on: in the main thread at once, and resolves when all threads serve it or something newer. Trees
   * are compared by identity: for the same one only the head is sent.
   *
   * Rejects with a RangeError if the tree is too large; then the threads serve on what they did.
   */
  publish(epoch: PublishedEpoch): Promise<void> {
    this.#data = epoch.data;
    return new Promise((resolve, reject) => {
      const skipped = this.#next;
      this.#next = {
        epoch,
        resolve: () => {
          skipped?.resolve();
          resolve();
        },
        reject: (error) => {
          skipped?.reject(error);
          reject(error);
        },
      };
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let job = this.#takeNext(); job !== undefined; job = this.#takeNext()) {
      try {
        const superseded = this.#swap(job.epoch);
        await this.#acknowledged();
        this.#spare = superseded ?? this.#spare;
        job.resolve();
      } catch (error) {
        job.reject(error);
      }
    }
    this.#isRunning = false;
  }

  #takeNext(): Job | undefined {
    const job = this.#next;
    this.#next = undefined;
    return job;
  }

  /** Shows `epoch` to all threads; gives the memory that it takes the place of, which they may still read. */
  #swap({ data, tree }: PublishedEpoch): TreeBuffer | undefined {
    const head = takeServedHead(data);
    let superseded: TreeBuffer | undefined;
    let shown: TreeBuffer | undefined;
    if (tree !== this.#source) {
      const flat = FlatTree.build(tree, this.#spare);
      // What is too small is not kept.
      this.#spare = undefined;
      superseded = this.#flat?.buffer;
      shown = flat.buffer;
      this.#flat = flat;
      this.#source = tree;
    }
    this.#version++;
    this.#head = head;
    for (const thread of this.#threads) thread.post({ kind: "snapshot", version: this.#version, head, tree: shown });
    return superseded;
  }

  /** Waits until every thread serves the newest snapshot. */
  async #acknowledged(): Promise<void> {
    const late = (): SnapshotReader[] => [...this.#threads].filter((thread) => thread.served < this.#version);
    const timer = setInterval(() => {
      for (const thread of late()) {
        this.#log("a worker thread does not swap", new Error(`none for ${this.#ackTimeout} ms; it is ended`));
        void thread.terminate();
      }
    }, this.#ackTimeout);
    while (late().length > 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    clearInterval(timer);
  }
}
