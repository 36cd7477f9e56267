import type { ResourceLimits, Worker } from "node:worker_threads";
import type { FromWorker, ToWorker, WorkerStart } from "./protocol.ts";
import type { SnapshotReader } from "./publication.ts";
import { spawnWorker } from "./spawn.ts";

/** What a thread says by itself. */
export interface ThreadEvents {
  readonly onServed: (version: number) => void;
  readonly onAsk: (ask: Extract<FromWorker, { kind: "ask" }>) => void;
  readonly onAlarm: (what: string, error: unknown) => void;
}

/** Kinds of messages that are answered by `done` or `failed`. */
export type RequestKind = "bind" | "bind-doh" | "set-tls" | "unbind" | "reload" | "close";

/** A message that is answered, without its number. */
export type Request = DistributiveOmit<Extract<ToWorker, { id: number; kind: RequestKind }>, "id">;
type DistributiveOmit<T, K extends string> = T extends unknown ? Omit<T, K> : never;

/** The life of one worker thread as the main thread sees it: from its start to its end, without a second. */
export class Thread implements SnapshotReader {
  readonly #worker: Worker;
  readonly #events: ThreadEvents;
  readonly #requests = new Map<number, { resolve: (port: number) => void; reject: (error: Error) => void }>();
  #nextId = 1;
  #error: unknown;
  #isAlive = true;
  /** Resolves when its module is loaded and its responder made; rejects if it ends before. */
  readonly ready: Promise<void>;
  /** Resolves when the thread is no more, with what ended it; undefined if that was its own module or `terminate`. */
  readonly ended: Promise<unknown>;
  served = 0;

  constructor(start: WorkerStart, resourceLimits: ResourceLimits | undefined, events: ThreadEvents) {
    this.#events = events;
    this.#worker = spawnWorker(start, resourceLimits);
    let resolveReady = (): void => {};
    let rejectReady = (_error: Error): void => {};
    this.ready = new Promise((resolve, reject) => {
      resolveReady = resolve;
      rejectReady = reject;
    });
    // Who waits for it sees it; who does not, as in a restart that is given up, need not.
    this.ready.catch(() => {});
    this.#worker.on("message", (message: FromWorker) => {
      if (message.kind === "ready") resolveReady();
      else this.#take(message);
    });
    this.#worker.on("messageerror", (error) => events.onAlarm("a message of a worker thread", error));
    this.#worker.on("error", (error) => {
      this.#error = error;
    });
    this.ended = new Promise((resolve) => {
      this.#worker.on("exit", () => {
        this.#isAlive = false;
        const error = this.#error instanceof Error ? this.#error : new Error("the worker thread has ended");
        rejectReady(error);
        for (const { reject } of this.#requests.values()) reject(error);
        this.#requests.clear();
        resolve(this.#error);
      });
    });
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Sends a message that is not answered. Nothing happens if the thread has ended. */
  post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  /**
   * Sends a message and gives the port that it is answered with. Rejects with what went wrong in the thread, with its
   * `code` if it had one, or if the thread ends before it answers.
   */
  request(request: Request): Promise<number> {
    if (!this.#isAlive) return Promise.reject(new Error("the worker thread has ended"));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#requests.set(id, { resolve, reject });
      this.post({ ...request, id });
    });
  }

  /** Ends the thread at once, whatever it does. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
    await this.ended;
  }

  #take(message: Exclude<FromWorker, { kind: "ready" }>): void {
    switch (message.kind) {
      case "served":
        this.served = message.version;
        this.#events.onServed(message.version);
        return;
      case "ask":
        this.#events.onAsk(message);
        return;
      case "alarm":
        this.#events.onAlarm(message.what, new Error(message.message));
        return;
      case "done":
        this.#takeRequest(message.id)?.resolve(message.port);
        return;
      case "failed": {
        const error: NodeJS.ErrnoException = new Error(message.message);
        if (message.code !== undefined) error.code = message.code;
        this.#takeRequest(message.id)?.reject(error);
      }
    }
  }

  #takeRequest(id: number): { resolve: (port: number) => void; reject: (error: Error) => void } | undefined {
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    return request;
  }
}
