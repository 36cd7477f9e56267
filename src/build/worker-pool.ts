import { type MessagePort, parentPort, Worker } from "node:worker_threads";
import { type ErrorCode, ProofdnsError } from "../vindex/error.ts";

/** An error on its way out of a thread, which takes its class away. */
interface Failure {
  readonly message: string;
  readonly stack: string;
  /** Of a `ProofdnsError`. */
  readonly code: ErrorCode | undefined;
  /** Of an error of the system. */
  readonly systemCode: string | undefined;
}

/** What a worker answers to a job. */
type Reply<Result> = { readonly result: Result } | { readonly failure: Failure };

/**
 * Starts a worker thread from a module beside its starter: TypeScript source needs a loader there, which Nodes without a built-in one
 * register by hand (`--import` reaches the main thread only on Node 20).
 */
function spawn(module: URL, workerData: unknown): Worker {
  const hasLoader = "typescript" in process.features && process.features.typescript !== false;
  if (!module.href.endsWith(".ts") || hasLoader) return new Worker(module, { workerData });
  const loader = import.meta.resolve("tsx/esm/api");
  const boot = `import(${JSON.stringify(loader)}).then(({ register }) => {
    register();
    return import(${JSON.stringify(module.href)});
  });`;
  return new Worker(boot, { workerData, eval: true });
}

/** Those who do jobs. */
export interface JobPool<Job, Result> {
  /** Does all jobs, begun in their order, and calls `onResult` for each as it is done. At most one run at a time. */
  run(jobs: Iterable<Job>, onResult: (result: Result, job: Job) => void): Promise<void>;
  /** Ends the threads, whatever they are doing. */
  close(): Promise<void>;
}

/** Does the jobs in this thread: for so few that no other is worth starting. */
export class LocalPool<Job, Result> implements JobPool<Job, Result> {
  readonly #work: (job: Job) => Result;

  constructor(work: (job: Job) => Result) {
    this.#work = work;
  }

  async run(jobs: Iterable<Job>, onResult: (result: Result, job: Job) => void): Promise<void> {
    for (const job of jobs) onResult(this.#work(job), job);
  }

  async close(): Promise<void> {}
}

/**
 * A few worker threads that do jobs of one kind, one at a time each. `module` must call `serveJobs`. A job that throws, or a thread that
 * dies, ends the run with its error.
 */
export class WorkerPool<Job, Result> implements JobPool<Job, Result> {
  readonly #workers: readonly Worker[];
  #failed: Error | undefined;
  #onFailure: ((error: Error) => void) | undefined;

  constructor(module: URL, count: number, workerData: unknown) {
    this.#workers = Array.from({ length: count }, () => spawn(module, workerData));
    for (const worker of this.#workers) {
      const fail = (error: Error): void => {
        this.#failed ??= error;
        this.#onFailure?.(this.#failed);
      };
      worker.on("error", fail);
      worker.on("exit", (code) => {
        if (code !== 0) fail(new Error(`a worker thread ended with ${code}`));
      });
    }
  }

  async run(jobs: Iterable<Job>, onResult: (result: Result, job: Job) => void): Promise<void> {
    const queue = jobs[Symbol.iterator]();
    let stopped = false;
    const failure = new Promise<never>((_, reject) => {
      this.#onFailure = reject;
      if (this.#failed !== undefined) reject(this.#failed);
    });
    failure.catch(() => undefined);
    const drain = async (worker: Worker): Promise<void> => {
      let next = queue.next();
      let asked = next.done ? undefined : ask<Job, Result>(worker, next.value);
      while (asked !== undefined && !next.done) {
        const job = next.value;
        const reply = await asked;
        if (stopped) return;
        if ("failure" in reply) throw revive(reply.failure);
        // The thread goes on while its result is looked at.
        next = queue.next();
        asked = next.done ? undefined : ask<Job, Result>(worker, next.value);
        onResult(reply.result, job);
      }
    };
    try {
      await Promise.race([failure, Promise.all(this.#workers.map(drain))]);
    } finally {
      stopped = true;
      this.#onFailure = undefined;
    }
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) worker.removeAllListeners();
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

function ask<Job, Result>(worker: Worker, job: Job): Promise<Reply<Result>> {
  return new Promise((resolve) => {
    worker.once("message", resolve);
    worker.postMessage(job);
  });
}

function revive({ code, systemCode, message, stack }: Failure): Error {
  const error = code === undefined ? new Error(message) : new ProofdnsError(code, message);
  error.stack = stack;
  return systemCode === undefined ? error : Object.assign(error, { code: systemCode });
}

function describe(error: unknown): Failure {
  const { message, stack = "" } = error instanceof Error ? error : new Error(String(error));
  if (error instanceof ProofdnsError) return { message, stack, code: error.code, systemCode: undefined };
  const { code } = error as NodeJS.ErrnoException;
  return { message, stack, code: undefined, systemCode: typeof code === "string" ? code : undefined };
}

/** The other end: does the jobs that come to this thread. `transfer` names buffers of a result that are moved and not copied. */
export function serveJobs<Job, Result>(
  work: (job: Job) => Result,
  transfer: (result: Result) => ArrayBuffer[] = () => [],
): void {
  const port = parentPort as MessagePort | null;
  if (port === null) throw new TypeError("not in a worker thread");
  port.on("message", (job: Job) => {
    let reply: Reply<Result>;
    try {
      reply = { result: work(job) };
    } catch (error) {
      port.postMessage({ failure: describe(error) });
      return;
    }
    port.postMessage(reply, transfer(reply.result));
  });
}
