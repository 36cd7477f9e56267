/**
 * What the caller of a refused operation does next.
 *
 * - `malformed`: the input is not the canonical encoding of anything; ask again or elsewhere.
 * - `false`: well-formed and untrue; keep the evidence, never use the input.
 * - `unavailable`: nothing is wrong with what was seen, but something is missing; try again later.
 */
export type ErrorKind = "malformed" | "false" | "unavailable";

const KINDS = {
  // Text and bytes that are not canonical.
  MALFORMED_NOTE: "malformed",
  MALFORMED_VERIFIER_KEY: "malformed",
  MALFORMED_SIGNER_KEY: "malformed",
  MALFORMED_POLICY: "malformed",
  MALFORMED_CHECKPOINT: "malformed",
  MALFORMED_TREE_HEAD: "malformed",
  MALFORMED_LEAF: "malformed",
  MALFORMED_TILE: "malformed",
  MALFORMED_LOOKUP: "malformed",
  MALFORMED_PROOF: "malformed",
  MALFORMED_STATE_TEXT: "malformed",
  MALFORMED_ANSWER: "malformed",
  MALFORMED_NAME: "malformed",
  MALFORMED_MESSAGE: "malformed",
  MALFORMED_MEMORY: "malformed",
  MALFORMED_EVIDENCE: "malformed",
  MALFORMED_TRANSITION: "malformed",
  MALFORMED_INPUT: "malformed",
  // Statements that do not hold.
  BAD_SIGNATURE: "false",
  BAD_LOG_SIGNATURE: "false",
  BAD_SUMDB_SIGNATURE: "false",
  BAD_COSIGNATURE: "false",
  BAD_PROOF: "false",
  BAD_VALUE: "false",
  BAD_STATE_TEXT: "false",
  BAD_VERSIONS: "false",
  BAD_MAJORS: "false",
  BAD_RECORD_PROOF: "false",
  BAD_CHECKSUM: "false",
  BAD_LEAF: "false",
  BAD_LOOKUP: "false",
  BAD_TILE: "false",
  BAD_SNAPSHOT: "false",
  WRONG_EPOCH: "false",
  NO_QUORUM: "false",
  STALE: "false",
  FROM_FUTURE: "false",
  TOO_YOUNG: "false",
  LAGGING: "false",
  FORK: "false",
  EXTENSION_NOT_PROVEN: "false",
  SUMDB_FORK: "false",
  SUMDB_ROLLBACK: "false",
  SUMDB_EXTENSION_NOT_PROVEN: "false",
  MAP_ROOT_MISMATCH: "false",
  EQUIVOCATION: "false",
  CONFLICT: "false",
  // What could not be had.
  NO_LOG_KEY: "unavailable",
  NO_FRESHNESS: "unavailable",
  CONSISTENCY_MISSING: "unavailable",
  VERSIONS_MISSING: "unavailable",
  NO_ANSWER: "unavailable",
  PRIVATE_MODULE: "unavailable",
  REFUSED: "unavailable",
  UNREACHABLE: "unavailable",
  STORE_UNUSABLE: "unavailable",
  KEY_UNUSABLE: "unavailable",
} as const satisfies Record<string, ErrorKind>;

/** The closed set of codes; stable API, each with a heading in docs/errors.md. Messages may change. */
export type ErrorCode = keyof typeof KINDS;

/** All codes, for documentation and tests. */
export const errorCodes: readonly ErrorCode[] = Object.keys(KINDS) as ErrorCode[];

/**
 * The one error class of the project. Caller bugs are `TypeError` or `RangeError` instead and carry no code.
 *
 * `evidence` is set where a third party can re-check the misbehaviour (forks); its shape is given by
 * the code (spec/client.md §7).
 */
export class ProofdnsError extends Error {
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  readonly evidence?: unknown;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; evidence?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ProofdnsError";
    this.code = code;
    this.kind = KINDS[code];
    if (options.evidence !== undefined) this.evidence = options.evidence;
  }
}

/** True if `error` is a `ProofdnsError`, of one of `codes` if any are given. */
export function isProofdnsError(error: unknown, ...codes: ErrorCode[]): error is ProofdnsError {
  return error instanceof ProofdnsError && (codes.length === 0 || codes.includes(error.code));
}
