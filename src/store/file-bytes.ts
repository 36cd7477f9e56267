import { closeSync, fdatasyncSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { equalBytes } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";

/** Longest single read or write: the system takes less than 2^31 bytes at once. */
const MAX_STEP = 1 << 30;

/** Reads exactly `target.length` bytes from byte `at` of an open file; false if it ends before. */
export function readExactly(fd: number, target: Uint8Array, at: number): boolean {
  let done = 0;
  while (done < target.length) {
    const count = readSync(fd, target, done, Math.min(MAX_STEP, target.length - done), at + done);
    if (count === 0) return false;
    done += count;
  }
  return true;
}

/** Writes all of `source` at byte `at` of an open file. */
export function writeExactly(fd: number, source: Uint8Array, at: number): void {
  let done = 0;
  while (done < source.length) {
    done += writeSync(fd, source, done, Math.min(MAX_STEP, source.length - done), at + done);
  }
}

/** Writes a new file at `path` by `write`, and returns when its bytes are on disk. What stands there is written over. */
export function writeFileSynced(path: string, write: (fd: number) => void): void {
  const fd = openSync(path, "w", 0o644);
  try {
    write(fd);
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** A large file that is open for reading, and its first bytes; the caller closes `fd`. */
export interface OpenFile {
  readonly fd: number;
  readonly header: DataView<ArrayBuffer>;
  /** Bytes of the file. */
  readonly size: number;
}

/**
 * Opens a large file that begins with `magic`, and reads its first `headerLength` bytes. `what` is what such files hold.
 *
 * @throws ProofdnsError `STORE_UNUSABLE` if it is not there, cut off, or another file
 */
export function openHeadedFile(path: string, magic: Uint8Array, headerLength: number, what: string): OpenFile {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    throw damagedFile(path, `it cannot be read: ${(cause as Error).message}`, cause);
  }
  try {
    const header = new Uint8Array(headerLength);
    if (!readExactly(fd, header, 0) || !equalBytes(header.subarray(0, magic.length), magic)) {
      throw damagedFile(path, `it is no file of ${what}`);
    }
    return { fd, header: new DataView(header.buffer), size: fstatSync(fd).size };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Returns when the names in a directory are on disk. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** A large file of the data directory that is not what it must be. */
export function damagedFile(path: string, why: string, cause?: unknown): ProofdnsError {
  return new ProofdnsError(
    "STORE_UNUSABLE",
    `${path} is damaged: ${why}; restore the data directory from a backup, or build it anew`,
    { cause },
  );
}

/** Big-endian u64 of a safe integer. */
export function putUint64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value % 2 ** 32);
}

/** A big-endian u64; `Number.MAX_SAFE_INTEGER` stands for all that are larger, so that every check of a bound refuses them. */
export function takeUint64(view: DataView, at: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4));
}
