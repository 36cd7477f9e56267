/** Each bucket's values are at most this much longer than the one before. */
const STEP = 1.1;
/** Shortest value told apart, in milliseconds. */
const LEAST = 0.02;
/** Buckets: the last begins at more than 10 s. */
export const BUCKETS = 140;

/** Counts of durations in milliseconds, in buckets that grow by a tenth: percentiles are exact to 10 %. */
export class Histogram {
  readonly counts: Uint32Array = new Uint32Array(BUCKETS);
  #total = 0;

  static bucketOf(milliseconds: number): number {
    if (milliseconds <= LEAST) return 0;
    return Math.min(BUCKETS - 1, Math.ceil(Math.log(milliseconds / LEAST) / Math.log(STEP)));
  }

  /** Longest value of a bucket. */
  static boundOf(bucket: number): number {
    return LEAST * STEP ** bucket;
  }

  get total(): number {
    return this.#total;
  }

  add(milliseconds: number): void {
    this.addBucket(Histogram.bucketOf(milliseconds), 1);
  }

  addBucket(bucket: number, count: number): void {
    this.counts[bucket] = (this.counts[bucket] ?? 0) + count;
    this.#total += count;
  }

  /** The value that `share` of all values do not exceed; NaN if there are none. */
  percentile(share: number): number {
    if (this.#total === 0) return Number.NaN;
    let below = 0;
    for (const [bucket, count] of this.counts.entries()) {
      below += count;
      if (below >= share * this.#total && below > 0) return Histogram.boundOf(bucket);
    }
    return Number.NaN;
  }
}
