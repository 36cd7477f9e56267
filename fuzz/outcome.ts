import { type ErrorCode, errorCodes, ProofdnsError } from "../src/vindex/error.ts";

// Half of all inputs are refused, and most of what an error costs is its stack. What an engine finds is run again without it.
if (process.env["PROOFDNS_FUZZ_ENGINE"] !== undefined) Error.stackTraceLimit = 0;

/** What became of untrusted input: a value, or a refusal by its code. */
export type Outcome<T> =
  | { readonly code: undefined; readonly value: T; readonly error?: undefined }
  | { readonly code: ErrorCode; readonly value?: undefined; readonly error: ProofdnsError };

/**
 * Runs code over untrusted input. A refusal is a `ProofdnsError` with a code out of `codes`; every other error is
 * thrown on, and is a finding.
 */
export function outcomeOf<T>(run: () => T, ...codes: readonly ErrorCode[]): Outcome<T> {
  try {
    return { code: undefined, value: run() };
  } catch (error) {
    return refusalOf(error, codes);
  }
}

/** As `outcomeOf`, for asynchronous code. */
export async function outcomeOfAsync<T>(run: () => Promise<T>, ...codes: readonly ErrorCode[]): Promise<Outcome<T>> {
  try {
    return { code: undefined, value: await run() };
  } catch (error) {
    return refusalOf(error, codes);
  }
}

function refusalOf(error: unknown, codes: readonly ErrorCode[]): Outcome<never> {
  if (!(error instanceof ProofdnsError)) throw error;
  if (!codes.includes(error.code) || !errorCodes.includes(error.code) || error.message === "") {
    throw new Error(`refused with ${error.code}, which is none of ${codes.join(", ")}`, { cause: error });
  }
  return { code: error.code, error };
}
