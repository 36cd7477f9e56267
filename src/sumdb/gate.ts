/** Lets at most `width` tasks run at a time; the others wait in order. */
export class Gate {
  readonly width: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(width: number) {
    if (!Number.isSafeInteger(width) || width < 1) throw new RangeError(`not a number of tasks: ${width}`);
    this.width = width;
  }

  /** Runs `task` as soon as there is room, and gives what it gives. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.width) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await task();
    } finally {
      // The place goes straight to the next in line, or becomes free.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
