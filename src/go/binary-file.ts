import { constants, open } from "node:fs/promises";
import { malformed } from "./malformed.ts";

/** Bytes at positions of a file, of a part of one, or in memory. */
export interface ByteSource {
  /** For messages. */
  readonly file: string;
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`.
   *
   * @throws ProofdnsError `MALFORMED_INPUT` if they are not all there
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Refuses what is not all within `size`; offsets and lengths of headers may be anything, also infinite. */
export function checkRange(file: string, size: number, offset: number, length: number): void {
  if (offset + length > size) {
    throw malformed(file, undefined, "the file is cut off, or its headers point past its end");
  }
}

/** The bytes themselves. */
export function bytesSource(bytes: Uint8Array, file: string): ByteSource {
  return {
    file,
    size: bytes.length,
    read: async (offset, length) => {
      checkRange(file, bytes.length, offset, length);
      return bytes.subarray(offset, offset + length);
    },
  };
}

/** A part of a source, from `offset`, as a source of its own. */
export function partOf(source: ByteSource, offset: number, size: number): ByteSource {
  checkRange(source.file, source.size, offset, size);
  return {
    file: source.file,
    size,
    read: async (at, length) => {
      checkRange(source.file, size, at, length);
      return source.read(offset + at, length);
    },
  };
}

/**
 * Runs `use` over a regular file, which is read by position and never whole.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if it cannot be opened or is no regular file, and what `use` throws
 */
export async function withFileSource<T>(file: string, use: (source: ByteSource) => Promise<T>): Promise<T> {
  // Without O_NONBLOCK a pipe that nobody writes to is never opened.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw malformed(file, undefined, `cannot be read (${codeOf(cause)})`, cause);
  });
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw malformed(file, undefined, "is no regular file");
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      checkRange(file, found.size, offset, length);
      const bytes = new Uint8Array(length);
      let at = 0;
      while (at < length) {
        const { bytesRead } = await handle.read(bytes, at, length - at, offset + at);
        if (bytesRead === 0) throw malformed(file, undefined, "became shorter while it was read; try again");
        at += bytesRead;
      }
      return bytes;
    };
    return await use({ file, size: found.size, read });
  } finally {
    await handle.close();
  }
}

/** What the system calls a failure, as in `ENOENT`. */
export function codeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message ?? "unknown";
}
