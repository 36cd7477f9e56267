import { Histogram } from "./histogram.ts";
import type { LatencySlot } from "./order.ts";
import type { EpochLine } from "./server.ts";

/** Around the line that says an epoch is served, in tenths of a second: it is built before, and takes over at about that time. */
const SWAP_BEFORE = 5;
const SWAP_AFTER = 10;

/** Milliseconds. */
const STALL = 20;

/** Middle and tail of some latencies, in milliseconds. */
export interface Percentiles {
  readonly answers: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** Latencies over time. */
export class Latencies {
  readonly #slots = new Map<number, number[]>();

  add(slots: readonly LatencySlot[]): void {
    for (const { at, buckets } of slots) {
      const known = this.#slots.get(at);
      if (known === undefined) this.#slots.set(at, [...buckets]);
      else known.push(...buckets);
    }
  }

  /** Of the slots that `isWanted` takes; `at` is Unix time in tenths of a second. */
  percentiles(isWanted: (at: number) => boolean): Percentiles {
    const histogram = new Histogram();
    for (const [at, buckets] of this.#slots) {
      if (!isWanted(at)) continue;
      for (let i = 0; i < buckets.length; i += 2) histogram.addBucket(buckets[i] as number, buckets[i + 1] as number);
    }
    const rounded = (share: number): number => Math.round(1000 * histogram.percentile(share)) / 1000;
    return { answers: histogram.total, p50: rounded(0.5), p99: rounded(0.99), p999: rounded(0.999) };
  }

  /** Times in which half of the answers took longer than `STALL` milliseconds, and how long each was, in seconds from `began`. */
  stalls(began: number): { second: number; seconds: number }[] {
    const stalls: { second: number; seconds: number }[] = [];
    let end = Number.NaN;
    for (const at of [...this.#slots.keys()].sort((a, b) => a - b)) {
      if (!(this.percentiles((other) => other === at).p50 > STALL)) continue;
      const last = stalls.at(-1);
      if (at === end && last !== undefined) last.seconds = tenths(last.seconds + 0.1);
      else stalls.push({ second: tenths(at / 10 - began / 1000), seconds: 0.1 });
      end = at + 1;
    }
    return stalls;
  }

  /** Around the swaps of epochs, and the rest of the time. */
  aroundSwaps(epochs: readonly EpochLine[]): { swaps: Percentiles; between: Percentiles } {
    const near = new Set<number>();
    for (const { at } of epochs) {
      const middle = Math.floor(at / 100);
      for (let slot = middle - SWAP_BEFORE; slot < middle + SWAP_AFTER; slot++) near.add(slot);
    }
    return { swaps: this.percentiles((at) => near.has(at)), between: this.percentiles((at) => !near.has(at)) };
  }
}

function tenths(seconds: number): number {
  return Math.round(10 * seconds) / 10;
}
