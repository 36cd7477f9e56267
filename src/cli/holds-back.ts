import { type ErrorCode, isProofdnsError } from "../vindex/error.ts";

/** What is false or malformed of the user's own files, or of a module proxy's: it says nothing of the log. */
const NOT_OF_THE_LOG: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "MALFORMED_INPUT",
  "MALFORMED_NAME",
  "BAD_CHECKSUM",
  "TOO_YOUNG",
]);

/**
 * True if the newest head must not be remembered because of what failed (spec/client.md §8): a check of the log, of an answer or of a
 * proof. What was only not to be had holds nothing back, since whoever can keep one answer away could else keep the memory from ever
 * growing; but for the proof that a head continues the remembered one.
 */
export function holdsBack(error: unknown): boolean {
  if (!isProofdnsError(error)) return true;
  if (error.kind === "unavailable") return error.code === "CONSISTENCY_MISSING";
  return !NOT_OF_THE_LOG.has(error.code);
}
