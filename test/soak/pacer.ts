/** Milliseconds between two looks at the clock. */
const TICK = 2;
/** Milliseconds of which a process that was held up makes good; what it missed before is left out. */
const MAX_BACKLOG = 100;
/** Milliseconds between two looks that are more than the load itself makes of them. */
const HELD_UP = 20;

/** Calls `send` at an even rate until it is stopped. */
export class Pacer {
  readonly #perMs: number;
  readonly #send: (number: number) => void;
  readonly #onHeldUp: (milliseconds: number) => void;
  #timer: NodeJS.Timeout | undefined;
  #since = 0;
  #credit = 0;
  #sent = 0;

  /** `rate`: calls a second. `onHeldUp` is told when the process was held up for longer than `HELD_UP`. */
  constructor(rate: number, send: (number: number) => void, onHeldUp: (milliseconds: number) => void = () => {}) {
    this.#perMs = rate / 1000;
    this.#send = send;
    this.#onHeldUp = onHeldUp;
  }

  start(): void {
    this.#since = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = performance.now();
    if (now - this.#since > HELD_UP) this.#onHeldUp(now - this.#since);
    this.#credit += Math.min(now - this.#since, MAX_BACKLOG) * this.#perMs;
    this.#since = now;
    for (; this.#credit >= 1; this.#credit--) this.#send(this.#sent++);
  }
}
