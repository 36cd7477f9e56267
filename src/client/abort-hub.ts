/**
 * Listens to signals, once to each: however many calls share a signal, it has one listener of this hub. (Platforms warn of a signal
 * with more than ten.)
 */
export class AbortHub {
  readonly #signals = new Map<AbortSignal, { readonly callbacks: Set<() => void>; readonly listener: () => void }>();

  /** Calls back once when `signal` is aborted, at once if it is already. Returns what ends the listening; it may be called twice. */
  listen(signal: AbortSignal | undefined, callback: () => void): () => void {
    if (signal === undefined) return () => {};
    if (signal.aborted) {
      callback();
      return () => {};
    }
    const callbacks = this.#callbacksOf(signal);
    // Of one callback that is given twice both count.
    const own = (): void => callback();
    callbacks.add(own);
    return () => {
      if (callbacks.delete(own) && callbacks.size === 0) this.#forget(signal);
    };
  }

  #callbacksOf(signal: AbortSignal): Set<() => void> {
    const known = this.#signals.get(signal);
    if (known !== undefined) return known.callbacks;
    const callbacks = new Set<() => void>();
    const listener = (): void => {
      this.#forget(signal);
      for (const callback of callbacks) callback();
    };
    this.#signals.set(signal, { callbacks, listener });
    signal.addEventListener("abort", listener, { once: true });
    return callbacks;
  }

  #forget(signal: AbortSignal): void {
    const known = this.#signals.get(signal);
    if (known === undefined) return;
    this.#signals.delete(signal);
    signal.removeEventListener("abort", known.listener);
  }
}
