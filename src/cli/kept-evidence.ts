import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { EVIDENCE_TYPE } from "../client/verify/files.ts";
import { formatKeyId, type VerifierKey } from "../vindex/note.ts";

/** More files than that are not looked through: one is enough to warn. */
const MAX_FILES = 100;

/**
 * Files of evidence, in a folder of remembered heads, that show a fork of a log or of its checksum database. Suspicions, which
 * anybody on the way can cause, are left out. A folder that is not there holds none.
 */
export async function findForkEvidence(folder: string, logKey: VerifierKey): Promise<string[]> {
  const prefix = `evidence-${formatKeyId(logKey.keyId)}-`;
  const names = await readdir(folder).catch(() => []);
  const found: string[] = [];
  for (const name of names.filter((name) => name.startsWith(prefix) && name.endsWith(".json")).slice(0, MAX_FILES)) {
    const path = join(folder, name);
    // What cannot be read is no reason to stop: only a warning depends on it.
    const text = await readFile(path, "utf8").catch(() => "");
    if (text.includes(`"type": "${EVIDENCE_TYPE}"`)) found.push(path);
  }
  return found.sort();
}
