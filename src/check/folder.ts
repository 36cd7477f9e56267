import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename } from "node:path";
import { whyUnreadable } from "../input/input-file.ts";
import { printable } from "../input/printable.ts";
import { ProofdnsError } from "../vindex/error.ts";

/** What inputs are on disk. */

/**
 * Undefined for what is not there.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if it cannot be looked at
 */
export async function statOf(path: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  try {
    return await stat(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") return undefined;
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `cannot look at ${printable(path)}: ${printable(whyUnreadable(cause))}`,
      {
        cause,
      },
    );
  }
}

/** True for a file, and for a link that leads to one. */
export async function isFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true;
}

/**
 * True for a file of a folder whose names were read, and for a link that leads to one. A link that leads nowhere is none.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if it cannot be looked at: then it might be one
 */
export async function isListedFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" && isNameCut(path)) {
      const why = "its name is not UTF-8; give it another, for it was not looked at";
      throw new ProofdnsError("MALFORMED_INPUT", `${printable(path)}: ${why}`, { cause });
    }
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return false;
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `cannot look at ${printable(path)}: ${printable(whyUnreadable(cause))}`,
      { cause },
    );
  }
}

/** True if bytes of the last name of a path may have been lost when it was read: those that are not UTF-8 become U+FFFD. */
export function isNameCut(path: string): boolean {
  return basename(path).includes("\ufffd");
}

/**
 * The entries of a folder.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if it cannot be read, with the system's error as its cause
 */
export async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    const message = `cannot read the folder ${printable(folder)}: ${printable(whyUnreadable(cause))}`;
    throw new ProofdnsError("MALFORMED_INPUT", message, { cause });
  }
}
