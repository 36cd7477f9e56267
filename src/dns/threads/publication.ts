import type { FlatTree } from "../../vindex/flat-tree.ts";
import type { Log } from "../listener.ts";
import type { ZoneData } from "../zone-data.ts";
import type { ShownTree, ToWorker } from "./protocol.ts";
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
  readonly tree: FlatTree;
}

interface Job {
  readonly epoch: PublishedEpoch;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Hands what is served to the threads: a message each, which says where in shared memory the tree is. Each swaps with one
 * assignment and says so; when all have, nothing older is read any more, and the writer of the tree may use its memory again.
 * A thread that does not swap in time is ended: it holds up what is newer.
 */
export class Publication {
  readonly #threads = new Set<SnapshotReader>();
  readonly #ackTimeout: number;
  readonly #log: Log;
  #version = 0;
  #data: ZoneData = new SharedAnswers(NO_EPOCH, undefined);
  #head: ServedHead = NO_EPOCH;
  #tree: FlatTree | undefined;
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
    if (this.#tree === undefined) return;
    const { buffer, root } = this.#tree;
    thread.post({ kind: "snapshot", version: this.#version, head: this.#head, tree: { buffer, root } });
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
   * Serves `epoch` from now on: in the main thread at once, and resolves when all threads serve it or something newer: then
   * nothing older is in use. Trees are compared by identity: for the same one only the head is sent.
   *
   * Rejects with what reading the head throws; then the threads serve on what they did, and nothing may be taken from them.
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
        this.#swap(job.epoch);
        await this.#acknowledged();
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

  /** Shows `epoch` to all threads. */
  #swap({ data, tree }: PublishedEpoch): void {
    const head = takeServedHead(data);
    let shown: ShownTree | undefined;
    if (tree !== this.#tree) {
      // The memory is named only when it is another: each message would make a new object of it in the thread.
      const buffer = tree.buffer === this.#tree?.buffer ? undefined : tree.buffer;
      shown = { buffer, root: tree.root };
      this.#tree = tree;
    }
    this.#version++;
    this.#head = head;
    for (const thread of this.#threads) thread.post({ kind: "snapshot", version: this.#version, head, tree: shown });
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
