import { randomBytes } from "node:crypto";
import { link, lstat, open, rename, rm } from "node:fs/promises";
import { printable } from "../input/printable.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { messageOf } from "./exit-code.ts";

/**
 * Refuses a file that is there already, before any work is done for it.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`
 */
export async function refuseExisting(path: string): Promise<void> {
  const isThere = await lstat(path).then(
    () => true,
    () => false,
  );
  if (isThere) throw unwritable(path, "it is there already; --force replaces it");
}

/**
 * Writes a file that the user named, as a whole or not at all. One that is there is replaced only with `isForced`.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`
 */
export async function writeOutputFile(path: string, text: string, isForced: boolean): Promise<void> {
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", 0o644);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    // A link, unlike a rename, never replaces a file that is there.
    if (isForced) await rename(temporary, path);
    else await link(temporary, path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw unwritable(path, REASONS[code ?? ""] ?? messageOf(cause), cause);
  } finally {
    await rm(temporary, { force: true }).catch(() => {});
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EEXIST: "it is there already; --force replaces it",
  ENOENT: "there is no such folder",
  ENOTDIR: "a part of its path is no folder",
  EISDIR: "it is a folder; name a file",
  EACCES: "you have no permission to write there",
  EROFS: "the file system is read-only",
};

function unwritable(path: string, why: string, cause?: unknown): ProofdnsError {
  return new ProofdnsError("MALFORMED_INPUT", `cannot write ${printable(path)}: ${why}`, { cause });
}
