import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { open } from "node:fs/promises";
import { writeExactly } from "./file-bytes.ts";
import type { FileMark } from "./marked-file.ts";

/** A file to be copied, or hashed only. */
export interface CopyJob {
  readonly from: string;
  /** Place of the copy, where nothing is yet; undefined: none is made. */
  readonly to: string | undefined;
  /** Bytes after which it ends; undefined: all of it. */
  readonly limit: number | undefined;
}

/** Bytes that are read, hashed and written at a time: they stay in the processor's cache. */
const STEP = 1 << 20;

/**
 * Copies a file, and gives length and hash of what was written: one reading, so that the hash is that of the copy whatever becomes of the
 * file meanwhile. The copy is not on disk yet (`syncFile`).
 *
 * @throws the error of the system
 */
export function copyFile({ from, to, limit }: CopyJob): FileMark {
  const source = openSync(from, "r");
  let target: number | undefined;
  try {
    if (to !== undefined) target = openSync(to, "wx", 0o600);
    const hash = createHash("sha256");
    const buffer = new Uint8Array(STEP);
    let bytes = 0;
    for (let rest = limit ?? Number.MAX_SAFE_INTEGER; rest > 0; ) {
      const length = readSync(source, buffer, 0, Math.min(STEP, rest), null);
      if (length === 0) break;
      const piece = buffer.subarray(0, length);
      hash.update(piece);
      if (target !== undefined) writeExactly(target, piece, bytes);
      bytes += length;
      rest -= length;
    }
    return { bytes, sha256: hash.digest("hex") };
  } finally {
    closeSync(source);
    if (target !== undefined) closeSync(target);
  }
}

/** Resolves when the bytes of a file are on disk. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
