/** Names the bug that a run is to find, as `npm run fuzz -- --prove` sets it. No source file reads it. */
const PLANTED = process.env["PROOFDNS_FUZZ_PLANT"];

/**
 * Gives the function under test: `honest`, or `faulty` in a run that has to find the planted bug `name`. A target that
 * cannot find the bug of which it is told would not find one that it is not told of.
 */
export function plant<T>(name: string, honest: T, faulty: T): T {
  return PLANTED === name ? faulty : honest;
}
