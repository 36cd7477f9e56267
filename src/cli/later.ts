import { Gate } from "../sumdb/gate.ts";

/** Files that are written at once. */
const AT_ONCE = 16;
/** Milliseconds that a command waits at its end for what is only asked for the next run. */
const PATIENCE = 1500;

/** What is done for the next run: nobody waits for it before everything else is said, and then not for long. */
export class Later {
  readonly #gate = new Gate(AT_ONCE);
  readonly #controller = new AbortController();
  #tasks: Promise<void>[] = [];

  /** Begins a task as soon as there is room. When its signal is aborted nothing is asked for it any more; what is at hand may be written. */
  add(task: (signal: AbortSignal) => Promise<void>): void {
    const started = this.#gate.run(() => task(this.#controller.signal));
    // Whoever waits for `done` sees it; until then it must not count as unhandled.
    started.catch(() => {});
    this.#tasks.push(started);
  }

  /** Ends when all tasks have, also those that were added meanwhile; fails as the first that fails. */
  async done(patience = PATIENCE): Promise<void> {
    const timer = setTimeout(() => this.abandon(), patience);
    try {
      while (this.#tasks.length > 0) {
        const tasks = this.#tasks;
        this.#tasks = [];
        await Promise.all(tasks);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Aborts the signal of all tasks. */
  abandon(): void {
    this.#controller.abort(new Error("not waited for"));
  }
}
