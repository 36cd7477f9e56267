import { closeSync, openSync } from "node:fs";
import { crc32 } from "node:zlib";
import { readExactly } from "../store/file-bytes.ts";
import { type FamilyJob, type FoldedFamilies, foldFamilies } from "./families.ts";
import { type FoldedPartition, type FoldJob, PartitionFolder } from "./fold.ts";
import { LaneHasher } from "./lane-hasher.ts";
import type { BuildWorld } from "./layout.ts";
import { type MergedPartition, type MergeJob, mergePartition } from "./merge.ts";
import { ChunkScanner, type ScannedChunk } from "./scan.ts";

/** Bytes of a file that an earlier run wrote, and their CRC-32. */
export interface CheckJob {
  readonly path: string;
  readonly at: number;
  readonly length: number;
  readonly crc: number;
}

export type BuildJob =
  | { readonly scan: number }
  | { readonly fold: FoldJob }
  | { readonly families: FamilyJob }
  | { readonly merge: MergeJob }
  | { readonly check: readonly CheckJob[] };

export type BuildResult =
  | { readonly scanned: ScannedChunk }
  | { readonly folded: FoldedPartition }
  | { readonly families: FoldedFamilies }
  | { readonly merged: MergedPartition }
  | { readonly isSame: boolean };

/** Makes what does the jobs of one thread: it keeps its memory from job to job. */
export function makeBuildWorker(world: BuildWorld): (job: BuildJob) => BuildResult {
  const hasher = new LaneHasher();
  let scanner: ChunkScanner | undefined;
  let folder: PartitionFolder | undefined;
  return (job) => {
    if ("scan" in job) {
      scanner ??= new ChunkScanner(world, hasher);
      return { scanned: scanner.scan(job.scan) };
    }
    if ("check" in job) return { isSame: job.check.every(isSame) };
    // The memory of the first stage is not needed any more.
    scanner = undefined;
    if ("fold" in job) {
      folder ??= new PartitionFolder(world, hasher);
      return { folded: folder.fold(job.fold) };
    }
    folder = undefined;
    if ("families" in job) return { families: foldFamilies(world, job.families) };
    return { merged: mergePartition(world, job.merge, hasher) };
  };
}

const STEP = 1 << 20;

/** True if a file still holds what was written. */
function isSame({ path, at, length, crc }: CheckJob): boolean {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    // Not there or not to be read: it is made again.
    return false;
  }
  try {
    const buffer = new Uint8Array(STEP);
    let found = 0;
    for (let done = 0; done < length; done += STEP) {
      const piece = buffer.subarray(0, Math.min(STEP, length - done));
      if (!readExactly(fd, piece, at + done)) return false;
      found = crc32(piece, found);
    }
    return found === crc;
  } finally {
    closeSync(fd);
  }
}
