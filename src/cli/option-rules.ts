import { ProofdnsError } from "../vindex/error.ts";

/** Two things on one command line that cannot both be meant, and why. */
export type OptionRule = readonly [isBroken: boolean, sentence: string];

/**
 * Refuses options that contradict each other, or that would do nothing without a word.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` with the sentence of the first rule that is broken
 */
export function checkOptions(rules: readonly OptionRule[]): void {
  const broken = rules.find(([isBroken]) => isBroken);
  if (broken !== undefined) throw new ProofdnsError("MALFORMED_INPUT", broken[1]);
}
