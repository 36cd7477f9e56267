import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Trust } from "../client/verify/index.ts";
import { readInputFile, whyUnreadable } from "../input/input-file.ts";
import { printable } from "../input/printable.ts";
import { decodeUtf8 } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { EVIDENCE_TYPE, verifyForkEvidence } from "../vindex/evidence.ts";
import { formatKeyId, formatVerifierKey } from "../vindex/note.ts";

/** More files than that are not looked through, which is said. Suspicions, which anybody on the way can cause, have another name. */
const MAX_FILES = 10_000;
/** Files that are read at once. */
const BATCH = 64;
/** One is enough; a few are named. */
const MAX_FOUND = 5;
/** Most files that are named since they cannot be read or do not hold. */
const MAX_NOTES = 5;
/** Longest file of evidence of a fork, in bytes: two notes and one proof. */
const MAX_LENGTH = 1 << 20;

/** Evidence of a fork that was kept, and still holds. */
export interface KeptFork {
  readonly path: string;
  /** `FORK`, or `SUMDB_FORK` for the checksum database, in a sentence that names the file. */
  readonly error: ProofdnsError;
}

/** What a file of evidence came to: a fork, why it counts for nothing though it may have been evidence, or nothing of the kind. */
type Finding = "FORK" | "SUMDB_FORK" | { readonly why: string } | undefined;

/** How evidence is looked for. */
export interface FindOptions {
  /** Takes what is to be said, a printable sentence each; by default standard error. */
  readonly note?: (sentence: string) => void;
  /** Most files that are looked through; by default 10,000. */
  readonly maxFiles?: number;
}

/**
 * Evidence in a folder of remembered heads that the log of `trust`, or its checksum database, has forked; each file is checked again.
 * Left out is what does not hold, is about another key, or is suspicion alone; what cannot be read, or was damaged, is said by `note`. A folder
 * that is not there holds none.
 */
export async function findKeptForks(
  folder: string,
  trust: Trust,
  { note = (sentence) => console.error(`proofdns: ${sentence}`), maxFiles = MAX_FILES }: FindOptions = {},
): Promise<KeptFork[]> {
  const prefix = `evidence-${formatKeyId(trust.logKey.keyId)}-`;
  const names = await readdir(folder).catch((cause: unknown): string[] => {
    // What is no folder at all is refused where the memory is read or written.
    if (!["ENOENT", "ENOTDIR"].includes((cause as NodeJS.ErrnoException).code ?? "")) {
      note(`kept evidence of forks was not looked for: cannot read ${printable(folder)}: ${whyUnreadable(cause)}`);
    }
    return [];
  });
  const candidates = names.filter((name) => name.startsWith(prefix) && name.endsWith(".json")).sort();
  const found: KeptFork[] = [];
  let notes = 0;
  for (let at = 0; at < Math.min(candidates.length, maxFiles) && found.length < MAX_FOUND; at += BATCH) {
    const batch = candidates.slice(at, Math.min(at + BATCH, maxFiles)).map((name) => join(folder, name));
    const findings = await Promise.all(batch.map((path) => forkIn(path, trust)));
    for (const [i, finding] of findings.entries()) {
      const path = batch[i] as string;
      if (finding === undefined || found.length === MAX_FOUND) continue;
      if (typeof finding === "string") found.push({ path, error: describe(finding, path, trust) });
      else if (++notes <= MAX_NOTES)
        note(`${printable(path, 400)} is kept as evidence and counts for nothing: ${finding.why}`);
    }
  }
  if (notes > MAX_NOTES) note(`${notes - MAX_NOTES} more files that are kept as evidence count for nothing`);
  if (candidates.length > maxFiles && found.length < MAX_FOUND) {
    note(
      `${printable(folder)} has ${candidates.length} files of evidence of this log, and only the first ${maxFiles} were looked at: move away what is not needed`,
    );
  }
  return found;
}

function describe(code: "FORK" | "SUMDB_FORK", path: string, trust: Trust): ProofdnsError {
  const whose = code === "FORK" ? trust.origin : trust.sumdbKey.keyName;
  return new ProofdnsError(
    code,
    `a fork was seen: trust nothing of ${whose} before it is explained (\`proofdns evidence ${printable(path, 400)}\`); this is said until the file is moved away`,
  );
}

/** A damaged file must not stop anything. */
async function forkIn(path: string, trust: Trust): Promise<Finding> {
  let bytes: Uint8Array;
  try {
    bytes = await readInputFile(path, MAX_LENGTH, "it");
  } catch (error) {
    if (isProofdnsError(error)) return { why: error.message };
    throw error;
  }
  const untrusted = parse(decodeUtf8(bytes));
  if (untrusted === undefined) return { why: "it is no JSON: it was changed or cut off" };
  const fields = new Map<string, unknown>(Object.entries(untrusted));
  if (fields.get("type") !== EVIDENCE_TYPE || fields.get("kind") !== "fork") return undefined;
  const key = fields.get("key");
  const code = key === formatVerifierKey(trust.sumdbKey) ? "SUMDB_FORK" : "FORK";
  // Another key than those that are trusted here is nobody's concern.
  if (code === "FORK" && typeof key === "string" && key !== formatVerifierKey(trust.logKey)) return undefined;
  try {
    verifyForkEvidence(untrusted, typeof key === "string" ? key : undefined, trust.ed25519);
    return code;
  } catch (error) {
    if (isProofdnsError(error)) return { why: printable(`${error.message} [${error.code}]`, 400) };
    throw error;
  }
}

/** The object of a JSON text; undefined if it is none. */
function parse(text: string | undefined): object | undefined {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return typeof value === "object" && value !== null ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
