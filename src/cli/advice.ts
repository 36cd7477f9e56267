import { type ErrorCode, ProofdnsError } from "../vindex/error.ts";
import { formatSpan } from "./age-text.ts";

/** What to do next, for errors whose messages cannot know: they come from the library. */
const NEXT: Partial<Record<ErrorCode, string>> = {
  UNREACHABLE: "is the server right, and the network up? --server names another",
  REFUSED: "is the zone right? --server names another server",
  MALFORMED_MESSAGE: "try another server with --server",
  MALFORMED_ANSWER: "nothing of it was used; try another server with --server",
  NO_QUORUM: "is the policy still the operator's current one? `proofdns policy show` shows it",
  STALE: "either the log has stalled or somebody holds newer answers back: ask another server, and the operator",
  FROM_FUTURE: "is this machine's clock right?",
  LAGGING: "try again in a minute, or ask another server with --server",
  VERSIONS_MISSING: "try again in a minute, or ask another server with --server",
  CONSISTENCY_MISSING: "try again in a minute, or ask another server with --server",
  FORK: "trust nothing of this log before its operator has explained it; `proofdns evidence FILE` explains the file",
  SUMDB_FORK:
    "trust nothing of this checksum database before it is explained; `proofdns evidence FILE` explains the file",
  EXTENSION_NOT_PROVEN: "ask another server with --server; `proofdns evidence FILE` explains the file",
  SUMDB_EXTENSION_NOT_PROVEN: "ask another server with --server; `proofdns evidence FILE` explains the file",
  SUMDB_ROLLBACK: "do not use this server; ask another one, and tell the operator",
  BAD_LOG_SIGNATURE: "nothing of it was used; is the policy the operator's, and GOSUMDB or --sumdb-key right?",
  BAD_SUMDB_SIGNATURE: "nothing of it was used; is GOSUMDB or --sumdb-key right?",
  NO_LOG_KEY: "is --zone right, and the policy that of its operator?",
};

/** The message of an error, with what to do next. */
export function adviseOn(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  if (!(error instanceof ProofdnsError)) return said;
  const message = messageInSpans(error);
  const next = NEXT[error.code] ?? (error.kind === "false" && error.code !== "CONFLICT" ? FALSE : undefined);
  // A message that knows better says it behind a semicolon or in a question.
  return next === undefined || /--\w|\?$/.test(message) ? message : `${message}; ${next}`;
}

/** Their messages have spans in seconds, of which days are easier to read. */
const SPANS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["STALE", "LAGGING"]);

const FALSE = "nothing of it was used; try another server with --server, and tell the operator";

/** The message of an error, with spans of time as people say them. */
export function messageInSpans({ code, message }: ProofdnsError): string {
  return SPANS.has(code) ? message.replace(/\b([0-9]{3,12}) s\b/g, (_, n) => formatSpan(Number(n))) : message;
}
