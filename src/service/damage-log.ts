import type { ServiceLog } from "./service.ts";

/** Milliseconds in which the same damage is told once. */
const QUIET = 60_000;
/** Different damages that are remembered. */
const MAX_KNOWN = 100;

/** Tells the operator of damage that questions find: each kind once a minute, however often it is asked for. */
export class DamageLog {
  readonly #log: ServiceLog;
  readonly #now: () => number;
  readonly #told = new Map<string, number>();

  constructor(log: ServiceLog, now: () => number = Date.now) {
    this.#log = log;
    this.#now = now;
  }

  note(message: string): void {
    const now = this.#now();
    const last = this.#told.get(message);
    if (last !== undefined && now - last < QUIET) return;
    if (this.#told.size >= MAX_KNOWN) this.#told.clear();
    this.#told.set(message, now);
    this.#log("alarm", `${message}; whoever asks for it gets SERVFAIL`);
  }
}
