import { Histogram } from "./histogram.ts";
import type { LatencySlot, LoadReport, Sample } from "./order.ts";

/** Faults that are kept word for word. */
const MAX_FAULTS = 20;

/** What a load process counts between two reports. */
export class Tally {
  readonly #counts = new Map<string, number>();
  readonly #faults: string[] = [];
  #samples: Sample[] = [];
  #slots = new Map<number, Histogram>();

  count(what: string, by = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + by);
  }

  get(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  /** Counts something that should not be, and keeps the first few in words. */
  fault(what: string, detail: string): void {
    this.count(what);
    if (this.#faults.length < MAX_FAULTS) this.#faults.push(`${what}: ${detail}`);
  }

  latency(milliseconds: number): void {
    const at = Math.floor(Date.now() / 100);
    const histogram = this.#slots.get(at) ?? new Histogram();
    this.#slots.set(at, histogram);
    histogram.add(milliseconds);
  }

  sample(sample: Sample): void {
    this.#samples.push(sample);
  }

  /** Everything counted so far, and the samples and latencies since the report before. */
  report(role: LoadReport["role"]): LoadReport {
    const slots = [...this.#slots].map(([at, { counts }]): LatencySlot => {
      const buckets: number[] = [];
      for (const [bucket, count] of counts.entries()) if (count > 0) buckets.push(bucket, count);
      return { at, buckets };
    });
    const samples = this.#samples;
    this.#samples = [];
    this.#slots = new Map();
    return { role, counts: Object.fromEntries(this.#counts), samples, slots, faults: [...this.#faults] };
  }
}
