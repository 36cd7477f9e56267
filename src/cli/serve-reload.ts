/**
 * What SIGHUP does. The signal is taken from the beginning, since by default it ends a process: one that comes before there
 * is anything to reload is remembered. Reloads run one after another, so that the last one is what holds.
 */
export class Reloader {
  readonly #onFailure: (error: unknown) => void;
  readonly #handle = (): void => this.#take();
  #reload: (() => Promise<void>) | undefined;
  #isWanted = false;
  #last: Promise<void> = Promise.resolve();

  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
    process.on("SIGHUP", this.#handle);
  }

  /** From now on the signal does this; at once if it has come before. */
  attach(reload: () => Promise<void>): void {
    this.#reload = reload;
    if (this.#isWanted) this.#take();
  }

  /** Takes the signal no more; resolves when no reload runs. */
  async close(): Promise<void> {
    process.removeListener("SIGHUP", this.#handle);
    this.#reload = undefined;
    await this.#last;
  }

  #take(): void {
    const reload = this.#reload;
    this.#isWanted = reload === undefined;
    if (reload !== undefined) this.#last = this.#last.then(reload).catch(this.#onFailure);
  }
}
