import { fraction } from "./random.ts";

/**
 * Versions per module in real go.sum histories, as (share of modules, versions): four in ten have one, a few have more than a thousand.
 */
const QUANTILES: readonly (readonly [number, number])[] = [
  [0.38, 1],
  [0.5, 2],
  [0.9, 21],
  [0.95, 42],
  [0.99, 125],
  [0.999, 600],
  [1, 1700],
];

/** Versions of a module at a share of all, on the curve through the known points; logarithmic between them. */
export function versionsAt(share: number): number {
  let [lowShare, low] = [0, 1];
  for (const [highShare, high] of QUANTILES) {
    if (share <= highShare) {
      const at = (share - lowShare) / (highShare - lowShare);
      return Math.exp(Math.log(low) + at * Math.log(high / low));
    }
    [lowShare, low] = [highShare, high];
  }
  return low;
}

/**
 * The number of records of each of `modules` modules, `records` together, at least one each: the real distribution, stretched so that
 * the mean fits.
 *
 * @throws RangeError if there are fewer records than modules
 */
export function makeCounts(seed: number, records: number, modules: number): Uint32Array {
  if (!(modules >= 1 && records >= modules)) throw new RangeError(`${records} records cannot make ${modules} modules`);
  const counts = new Uint32Array(new SharedArrayBuffer(4 * modules));
  const weights = new Float64Array(modules);
  let sum = 0;
  for (let m = 0; m < modules; m++) {
    const weight = versionsAt(fraction(seed, m, 1)) - 1;
    weights[m] = weight;
    sum += weight;
  }
  const stretch = sum === 0 ? 0 : (records - modules) / sum;
  // Rounded so that what is cut off goes to the next module: the sum comes out exactly.
  let owed = 0;
  let total = 0;
  for (let m = 0; m < modules; m++) {
    owed += (weights[m] as number) * stretch;
    const extra = Math.floor(owed);
    owed -= extra;
    counts[m] = 1 + extra;
    total += 1 + extra;
  }
  counts[modules - 1] = (counts[modules - 1] as number) + records - total;
  return counts;
}
