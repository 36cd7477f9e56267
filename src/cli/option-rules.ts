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

/** That nothing can be proven anew where nothing is asked: else the one option would hide what the other cannot find. */
export function strictRule(options: { readonly offline?: boolean; readonly strict?: boolean }): OptionRule {
  return [
    options.offline === true && options.strict === true,
    "--strict asks for proofs, and --offline asks nothing: leave out one of them",
  ];
}
