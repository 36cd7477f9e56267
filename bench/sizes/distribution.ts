/** Sizes that are looked at: classic DNS, this project's UDP limit, IPv6 over Ethernet less headers, common EDNS buffers. */
export const LIMITS = [512, 1232, 1452, 4096] as const;

/** What is told of a distribution of sizes in bytes. */
export interface SizeSummary {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  readonly mean: number;
  /** Share that is at most so long, for each of `LIMITS`. */
  readonly fits: readonly number[];
}

/** Sizes with their weights. */
export class Distribution {
  readonly #weights = new Map<number, number>();
  #total = 0;

  add(size: number, weight = 1): void {
    this.#weights.set(size, (this.#weights.get(size) ?? 0) + weight);
    this.#total += weight;
  }

  /** The smallest size that at least `share` of the weight does not exceed. @throws RangeError if there is none */
  quantile(share: number): number {
    let below = 0;
    for (const [size, weight] of this.#sorted()) {
      below += weight;
      if (below >= share * this.#total) return size;
    }
    throw new RangeError("an empty distribution");
  }

  /** Share of the weight of sizes up to `limit`. */
  shareUpTo(limit: number): number {
    let below = 0;
    for (const [size, weight] of this.#weights) if (size <= limit) below += weight;
    return below / this.#total;
  }

  summarize(): SizeSummary {
    const sorted = this.#sorted();
    const max = sorted.at(-1)?.[0];
    if (max === undefined) throw new RangeError("an empty distribution");
    return {
      p50: this.quantile(0.5),
      p90: this.quantile(0.9),
      p99: this.quantile(0.99),
      max,
      mean: sorted.reduce((sum, [size, weight]) => sum + size * weight, 0) / this.#total,
      fits: LIMITS.map((limit) => this.shareUpTo(limit)),
    };
  }

  /** Sizes in ascending order with their shares. */
  shares(): { size: number; share: number }[] {
    return this.#sorted().map(([size, weight]) => ({ size, share: weight / this.#total }));
  }

  #sorted(): [number, number][] {
    return [...this.#weights].sort(([a], [b]) => a - b);
  }
}
