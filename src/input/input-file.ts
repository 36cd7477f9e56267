import { constants, open } from "node:fs/promises";
import { type ErrorCode, ProofdnsError } from "../vindex/error.ts";
import { printable } from "./printable.ts";

/**
 * Reads a file that a user named, of at most `limit` bytes. Pipes, devices and directories are refused before anything is read: they
 * might never end, or never begin. `what` names it in the sentence, such as "the policy".
 *
 * @throws ProofdnsError `code`, by default `MALFORMED_INPUT`
 */
export async function readInputFile(
  path: string,
  limit: number,
  what: string,
  code: ErrorCode = "MALFORMED_INPUT",
): Promise<Uint8Array> {
  const shown = printable(path);
  const refuse = (why: string, cause?: unknown): never => {
    throw new ProofdnsError(code, `cannot read ${what} ${shown}: ${why}`, { cause });
  };
  try {
    // Without O_NONBLOCK a pipe that nobody writes to is never opened.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const found = await file.stat();
      if (found.isDirectory()) return refuse("it is a directory; name a file");
      if (!found.isFile()) return refuse("it is no regular file");
      if (found.size > limit)
        return refuse(`it has ${found.size} bytes, and at most ${limit} are expected: is it the right file?`);
      // A file that grows meanwhile is read up to the limit and no further.
      const chunks: Uint8Array[] = [];
      let length = 0;
      for (let size = found.size + 1; ; size = 65_536) {
        const chunk = new Uint8Array(Math.min(size, limit + 1 - length));
        const { bytesRead } = await file.read(chunk, 0, chunk.length, length);
        if (bytesRead === 0) break;
        chunks.push(chunk.subarray(0, bytesRead));
        length += bytesRead;
        if (length > limit) return refuse(`it has more than ${limit} bytes`);
      }
      return chunks.length === 1 ? (chunks[0] as Uint8Array) : new Uint8Array(Buffer.concat(chunks));
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof ProofdnsError) throw cause;
    return refuse(whyUnreadable(cause), cause);
  }
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "there is no such file"],
  ["EACCES", "you have no permission to read it"],
  ["ELOOP", "its symbolic links lead in a circle"],
  ["ENOTDIR", "a part of its path is no directory"],
]);

/** Why a file or folder cannot be read, for people. */
export function whyUnreadable(cause: unknown): string {
  const { code = "" } = cause as NodeJS.ErrnoException;
  return REASONS.get(code) ?? (cause instanceof Error ? cause.message : String(cause));
}
