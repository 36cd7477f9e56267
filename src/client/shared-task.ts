import { graver } from "./asker.ts";

/**
 * Work that several wait for. It is under way from the beginning, ends early when nobody waits for it any more, and fails nobody
 * who has left.
 */
export class SharedTask<T> {
  readonly #controller = new AbortController();
  readonly #promise: Promise<T>;
  #waiting = 0;
  #isOver = false;

  /** `run` begins at once; its signal is aborted when the last that waits has left, with the reason for which that left. */
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

  /** Calls one of the two when it is over, without waiting for it in the sense of `join`. */
  whenOver(onResult: (result: T) => void, onFailure: () => void): void {
    this.#promise.then(onResult, onFailure);
  }

  /**
   * Waits for the outcome, or until `signal` is aborted: then it rejects with the signal's reason. The last that leaves waits until the work has
   * ended by its signal, and gets what it found if that is graver.
   */
  join(signal: AbortSignal | undefined): Promise<T> {
    this.#waiting++;
    return new Promise<T>((resolve, reject) => {
      let left: { readonly reason: unknown } | undefined;
      const abort = (): void => {
        signal?.removeEventListener("abort", abort);
        left = { reason: signal?.reason };
        if (--this.#waiting > 0 || this.#isOver) reject(left.reason);
        else this.#controller.abort(left.reason);
      };
      // Both are called once at most: whoever left and is not the last has settled already, and settles no more.
      this.#promise
        .then(resolve, (error: unknown) => reject(left === undefined ? error : graver(error, left.reason)))
        .finally(() => signal?.removeEventListener("abort", abort));
      if (signal?.aborted === true) abort();
      else signal?.addEventListener("abort", abort, { once: true });
    });
  }
}
