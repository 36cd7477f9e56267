import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { explainIo } from "../store/damage.ts";
import { ProofdnsError } from "../vindex/error.ts";
import type { FoldedPartition } from "./fold.ts";
import { MAX_PARTITION_BITS, workFile } from "./layout.ts";
import type { ScannedChunk } from "./scan.ts";

/** How far a build has come: what is in it is not done again. */
export interface Progress {
  /** Verifier key and signed tree head that the build began with; its tiles may hold more by now. */
  readonly verifierKey: string;
  readonly signedTreeHead: string;
  readonly partitionBits: number;
  readonly scanned: readonly ScannedChunk[];
  readonly folded: readonly FoldedPartition[];
  /** All partitions are folded, and the spill files are gone. */
  readonly isFolded: boolean;
}

const FORMAT = 1;

/**
 * Reads the progress file; undefined if there is none. What it says of files is compared with those before it is believed.
 *
 * @throws ProofdnsError `STORE_UNUSABLE` if it is damaged: it is replaced whole, so no crash does that
 */
export function readProgress(folder: string): Progress | undefined {
  const path = workFile.progress(folder);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw explainIo(`cannot read ${path}`, error);
  }
  try {
    const json = JSON.parse(text) as { format: unknown } & Progress;
    const { verifierKey, signedTreeHead, partitionBits, scanned, folded, isFolded } = json;
    const isRight =
      json.format === FORMAT &&
      typeof verifierKey === "string" &&
      typeof signedTreeHead === "string" &&
      Number.isInteger(partitionBits) &&
      partitionBits >= 0 &&
      partitionBits <= MAX_PARTITION_BITS &&
      Array.isArray(scanned) &&
      Array.isArray(folded) &&
      typeof isFolded === "boolean";
    if (isRight) return { verifierKey, signedTreeHead, partitionBits, scanned, folded, isFolded };
  } catch {
    // Said below.
  }
  throw new ProofdnsError("STORE_UNUSABLE", `${path} is damaged; remove ${folder} and build again`);
}

/** Replaces the progress file. */
export function writeProgress(folder: string, progress: Progress): void {
  const path = workFile.progress(folder);
  const fd = openSync(`${path}.tmp`, "w", 0o644);
  try {
    writeSync(fd, JSON.stringify({ format: FORMAT, ...progress }));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${path}.tmp`, path);
}
