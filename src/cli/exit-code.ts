import { type ErrorCode, ProofdnsError } from "../vindex/error.ts";

/** Exit codes of all commands; of several outcomes the highest applies. */
export const EXIT = {
  /** Proven. */
  proven: 0,
  /** Proven, and the subject is absent or untagged. */
  absent: 1,
  /** Could not be checked, or bad usage or input. */
  unchecked: 2,
  /** A proof, key, fork, staleness or rollback failure. */
  failed: 3,
} as const;

/** Malformed input of the user's own: bad usage, not a failed verification. */
const OWN_INPUT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "MALFORMED_INPUT",
  "MALFORMED_NAME",
  "MALFORMED_POLICY",
  "MALFORMED_VERIFIER_KEY",
  "MALFORMED_SIGNER_KEY",
  "MALFORMED_MEMORY",
  "CONFLICT",
]);

/** The exit code of an error. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof ProofdnsError)) return EXIT.unchecked;
  if (error.kind === "unavailable" || OWN_INPUT.has(error.code)) return EXIT.unchecked;
  return EXIT.failed;
}

/** One sentence for people; never a stack trace. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
