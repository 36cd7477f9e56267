import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
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
 * The entries of a folder. With `isLenient`, one below what was named, it may be closed to us: then it has none.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if it cannot be read
 */
export async function entriesOf(folder: string, isLenient: boolean): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    if (isLenient) return [];
    const message = `cannot read the folder ${printable(folder)}: ${printable(whyUnreadable(cause))}`;
    throw new ProofdnsError("MALFORMED_INPUT", message, { cause });
  }
}
