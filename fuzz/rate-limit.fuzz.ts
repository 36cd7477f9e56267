import assert from "node:assert/strict";
import { RateLimiter } from "../src/dns/rate-limit.ts";
import { Input } from "./input.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";

/**
 * The rate limit, for a few askers that share no place of its table: each verdict is that of debts kept one by one, as
 * spec/abuse.md §2 has them.
 */
export const target: Target = { maxLength: 600, plants: ["slip-of-three", "window-forgotten"] };

const KEY = Uint8Array.from({ length: 16 }, (_, i) => 17 * i);
/** So that 1000 / rate is exact. */
const RATES = [1, 2, 4, 5, 8, 10, 25, 100];
const BUCKETS = 4096;
const ADDRESSES: readonly Uint8Array[] = [
  Uint8Array.of(192, 0, 2, 1),
  Uint8Array.of(192, 0, 2, 200),
  Uint8Array.of(192, 0, 3, 1),
  Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1),
  Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 1, 0xff, 9, 0, 0, 0, 0, 0, 0, 1),
  Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1),
];

/** Bug: a debt grows beyond the window. */
const windowOf = plant(
  "window-forgotten",
  (window: number) => window,
  (window) => (window === 2 ? 3 : window),
);

/** Bug: of three limited replies the second and fourth are sent short, not the third. */
const slipOf = plant(
  "slip-of-three",
  (slip: number) => slip,
  (slip) => (slip === 3 ? 2 : slip),
);

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  const options = {
    rate: input.byte() % 16 === 15 ? 0 : input.pick(RATES),
    netRate: input.byte() % 8 === 7 ? 0 : input.pick(RATES),
    slip: input.byte() % 4,
    window: 1 + (input.byte() % 20),
  };
  const settings = {
    ...options,
    window: windowOf(options.window),
    slip: slipOf(options.slip),
    buckets: BUCKETS,
    key: KEY,
  };
  const limiter = new RateLimiter(new SharedArrayBuffer(RateLimiter.bytesNeeded(settings)), settings);
  const model = new Debts(options);
  let now = input.uint16();
  for (let i = 0; i < 200 && !input.isDone; i++) {
    const step = input.byte();
    // Time goes on, by little or by much; now and then a clock is a little behind.
    now += step >= 0xf0 ? 5000 * (step - 0xef) : step >= 0x80 ? (step - 0x80) * 5 : 0;
    const seen = step % 16 === 5 ? now - 700 : now;
    const address = ADDRESSES[step % ADDRESSES.length] as Uint8Array;
    const classHash = [0, 1, -5][(step >> 3) % 3] as number;
    for (let n = 1 + (input.byte() % 8); n > 0; n--) {
      assert.equal(limiter.check(address, classHash, seen), model.check(address, classHash, seen), `step ${i}`);
    }
  }
}

interface Debt {
  /** When it is paid off, in milliseconds. */
  until: number;
  limited: number;
}

class Debts {
  readonly #debts = new Map<string, Debt>();
  #newest = Number.NEGATIVE_INFINITY;
  readonly #o: { rate: number; netRate: number; slip: number; window: number };

  constructor(options: { rate: number; netRate: number; slip: number; window: number }) {
    this.#o = options;
  }

  check(address: Uint8Array, classHash: number, seen: number): number {
    const { rate, netRate } = this.#o;
    if (rate === 0) return 0;
    // A clock that is behind does not turn time back.
    this.#newest = Math.max(this.#newest, seen);
    const now = this.#newest;
    const net = [...address.subarray(0, address.length === 4 ? 3 : 7), address.length].join(".");
    const own = `${net} ${classHash}`;
    if (netRate > 0 && this.#debt(net, now) + 1000 / netRate > 1000) return this.#limit(net, 1000 / netRate, now);
    if (this.#debt(own, now) + 1000 / rate > 1000) return this.#limit(own, 1000 / rate, now);
    this.#add(own, 1000 / rate, now);
    if (netRate > 0) this.#add(net, 1000 / netRate, now);
    return 0;
  }

  #debt(key: string, now: number): number {
    return Math.max(0, (this.#debts.get(key)?.until ?? Number.NEGATIVE_INFINITY) - now);
  }

  #add(key: string, cost: number, now: number): Debt {
    const debt = this.#debts.get(key) ?? { until: now, limited: 0 };
    debt.until = now + Math.min(this.#o.window * 1000, this.#debt(key, now) + cost);
    this.#debts.set(key, debt);
    return debt;
  }

  #limit(key: string, cost: number, now: number): number {
    const debt = this.#add(key, cost, now);
    debt.limited++;
    return this.#o.slip > 0 && debt.limited % this.#o.slip === 0 ? 2 : 1;
  }
}
