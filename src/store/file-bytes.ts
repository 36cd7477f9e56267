import { closeSync, fdatasyncSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
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
