import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Trust } from "../client/verify/index.ts";
import { readInputFile } from "../input/input-file.ts";
import { printable } from "../input/printable.ts";
import { decodeUtf8 } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { EVIDENCE_TYPE, verifyForkEvidence } from "../vindex/evidence.ts";
import { formatKeyId, formatVerifierKey } from "../vindex/note.ts";

/** More files than that are not looked through. Suspicions, which anybody on the way can cause, are in the same folder. */
const MAX_FILES = 10_000;
/** One is enough; a few are named. */
const MAX_FOUND = 5;
/** Longest file of evidence of a fork, in bytes: two notes and one proof. */
const MAX_LENGTH = 1 << 20;

/** Evidence of a fork that was kept, and still holds. */
export interface KeptFork {
  readonly path: string;
  /** `FORK`, or `SUMDB_FORK` for the checksum database, in a sentence that names the file. */
  readonly error: ProofdnsError;
}

/**
 * Evidence in a folder of remembered heads that the log of `trust`, or its checksum database, has forked; each file is checked again.
 * Left out is what does not hold, is about another key, or is suspicion alone. A folder that is not there holds none.
 */
export async function findKeptForks(folder: string, trust: Trust): Promise<KeptFork[]> {
  const prefix = `evidence-${formatKeyId(trust.logKey.keyId)}-`;
  const names = await readdir(folder).catch(() => []);
  const found: KeptFork[] = [];
  const candidates = names.filter((name) => name.startsWith(prefix) && name.endsWith(".json")).sort();
  for (const name of candidates.slice(0, MAX_FILES)) {
    if (found.length === MAX_FOUND) break;
    const path = join(folder, name);
    const code = await forkIn(path, trust);
    if (code === undefined) continue;
    const whose = code === "FORK" ? trust.origin : trust.sumdbKey.keyName;
    const message = `a fork was seen: trust nothing of ${whose} before it is explained (\`proofdns evidence ${printable(path, 400)}\`); this is said until the file is moved away`;
    found.push({ path, error: new ProofdnsError(code, message) });
  }
  return found;
}

/** Undefined for what does not hold: a damaged file must not stop anything. */
async function forkIn(path: string, trust: Trust): Promise<"FORK" | "SUMDB_FORK" | undefined> {
  try {
    const text = decodeUtf8(await readInputFile(path, MAX_LENGTH, "the evidence"));
    if (text?.includes(EVIDENCE_TYPE) !== true) return undefined;
    const untrusted: unknown = JSON.parse(text);
    if (isForkOf(untrusted, formatVerifierKey(trust.logKey), trust)) return "FORK";
    return isForkOf(untrusted, formatVerifierKey(trust.sumdbKey), trust) ? "SUMDB_FORK" : undefined;
  } catch (error) {
    if (isProofdnsError(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isForkOf(untrusted: unknown, key: string, { ed25519 }: Trust): boolean {
  try {
    verifyForkEvidence(untrusted, key, ed25519);
    return true;
  } catch (error) {
    if (isProofdnsError(error)) return false;
    throw error;
  }
}
