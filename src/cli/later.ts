import { Gate } from "../sumdb/gate.ts";

/** Files that are written at once. */
const AT_ONCE = 16;

/** What is done for the next run: nobody waits for it before everything else is said. */
export class Later {
  readonly #gate = new Gate(AT_ONCE);
  #tasks: Promise<void>[] = [];

  /** Begins a task as soon as there is room. */
  add(task: () => Promise<void>): void {
    const started = this.#gate.run(task);
    // Whoever waits for `done` sees it; until then it must not count as unhandled.
    started.catch(() => {});
    this.#tasks.push(started);
  }

  /** Ends when all tasks have, also those that were added meanwhile; fails as the first that fails. */
  async done(): Promise<void> {
    while (this.#tasks.length > 0) {
      const tasks = this.#tasks;
      this.#tasks = [];
      await Promise.all(tasks);
    }
  }
}
