/**
 * Work that several wait for. It is under way from the beginning, ends early when nobody waits for it any more, and fails nobody
 * who has left.
 */
export class SharedTask<T> {
  readonly #controller = new AbortController();
  readonly #promise: Promise<T>;
  #waiting = 0;
  #isOver = false;

  /** `run` begins at once; its signal is aborted when the last that waits has left. */
  constructor(run: (signal: AbortSignal) => Promise<T>) {
    this.#promise = run(this.#controller.signal);
    const over = (): void => {
      this.#isOver = true;
    };
    this.#promise.then(over, over);
  }

  /** True if it was given up: it brings nothing to who comes now. */
  get isAbandoned(): boolean {
    return this.#controller.signal.aborted;
  }

  /** How many wait for it. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Gives it up: it ends by its signal, which has this reason, and who waits gets what it ends with. */
  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Calls one of the two when it is over, without waiting for it in the sense of `join`. */
  whenOver(onResult: (result: T) => void, onFailure: () => void): void {
    this.#promise.then(onResult, onFailure);
  }

  /** Waits for the outcome, or until `signal` is aborted: then it rejects with the signal's reason. */
  join(signal: AbortSignal | undefined): Promise<T> {
    this.#waiting++;
    return new Promise<T>((resolve, reject) => {
      const leave = (): void => {
        signal?.removeEventListener("abort", abort);
        if (--this.#waiting === 0 && !this.#isOver) this.#controller.abort();
      };
      const abort = (): void => {
        leave();
        reject(signal?.reason);
      };
      if (signal?.aborted === true) return abort();
      signal?.addEventListener("abort", abort, { once: true });
      // Both are called once at most: whoever left has settled already, and settles no more.
      this.#promise.then(resolve, reject).finally(() => signal?.removeEventListener("abort", abort));
    });
  }
}
