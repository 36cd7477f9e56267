import { constants, open } from "node:fs/promises";
import { ProofdnsError } from "../vindex/error.ts";

/**
 * Reads a file that someone else put there, of at most `limit` bytes; undefined if there is none. A pipe, a device or whatever else is no
 * regular file is refused before anything is read: it might never end, or never begin.
 *
 * @throws ProofdnsError `UNREACHABLE`
 */
export async function readRegularFile(path: string, limit: number): Promise<Uint8Array | undefined> {
  try {
    // Without O_NONBLOCK a pipe that nobody writes to is never opened.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const found = await file.stat();
      if (found.isDirectory()) return undefined;
      if (!found.isFile()) throw new ProofdnsError("UNREACHABLE", `${path} is no regular file; it is not read`);
      if (found.size > limit)
        throw new ProofdnsError("UNREACHABLE", `${path} has ${found.size} bytes; at most ${limit} are read`);
      // One byte more than it had: a file that grows meanwhile is told from a whole one.
      const bytes = new Uint8Array(found.size + 1);
      let length = 0;
      while (length < bytes.length) {
        const { bytesRead } = await file.read(bytes, length, bytes.length - length, length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      if (length !== found.size) throw new ProofdnsError("UNREACHABLE", `${path} is being written; try again`);
      return bytes.subarray(0, length);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof ProofdnsError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new ProofdnsError("UNREACHABLE", `cannot read ${path}: ${message}`, { cause });
  }
}
