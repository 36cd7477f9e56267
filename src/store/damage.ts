import { ProofdnsError } from "../vindex/error.ts";

/** A restored or loaded store must never sign beside a live server: two signers fork the log. */
const RESTORE =
  "restore the newest backup, or load a snapshot into a new folder; two live signers fork the log, so stop the other server first and start with --peer or --witness";

/** What is stored is not what was signed, or not there. */
export function damaged(why: string, cause?: unknown): ProofdnsError {
  return new ProofdnsError(
    "STORE_UNUSABLE",
    `the store is damaged: ${why}; ${RESTORE}`,
    cause === undefined ? {} : { cause },
  );
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full; make room and start again",
  EDQUOT: "the disk quota is used up; make room and start again",
  EROFS: "the file system is read-only",
  EACCES: "permission denied; give this user the folder",
  EPERM: "permission denied; give this user the folder",
  EMFILE: "too many files are open; raise the limit (ulimit -n)",
  ENOENT: `it is not there; ${RESTORE}`,
};

/** An error of the file system, with what to do about it. */
export function explainIo(what: string, cause: unknown): ProofdnsError {
  if (cause instanceof ProofdnsError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  const hint = code === undefined ? undefined : HINTS[code];
  return new ProofdnsError("STORE_UNUSABLE", `${what}: ${hint ?? message}`, { cause });
}

/** The same of LevelDB, whose errors carry the system's message in their text. */
export function explainLevel(what: string, error: unknown): ProofdnsError {
  if (error instanceof ProofdnsError) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const text = cause instanceof Error ? cause.message : String(cause);
  const isLocked = cause instanceof Error && "code" in cause && cause.code === "LEVEL_LOCKED";
  if (isLocked) return new ProofdnsError("STORE_UNUSABLE", `${what}: another process has it open; stop that one first`);
  if (/No space left/i.test(text)) return explainIo(what, { code: "ENOSPC", message: text });
  if (/Read-only file system/i.test(text)) return explainIo(what, { code: "EROFS", message: text });
  if (/Permission denied/i.test(text)) return explainIo(what, { code: "EACCES", message: text });
  if (/Corruption|checksum mismatch|bad block|corrupted/i.test(text)) return damaged(`${what}: ${text}`, error);
  return new ProofdnsError("STORE_UNUSABLE", `${what}: ${text}`, { cause: error });
}
