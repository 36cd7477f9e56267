import { join } from "node:path";
import type { SumdbTiles } from "./tile-folder.ts";

/** Records of a chunk, the unit of the first stage: one hash of level 2, so that the tree of the log needs no others. */
export const CHUNK_RECORDS = 65_536;

/** Most partitions, as a power of two; states are cut into blocks as if there were as many, so that no file tells how many there were. */
export const MAX_PARTITION_BITS = 12;

/** Families are made in at most so many groups, as a power of two, by the first bits of their base paths' keys: each reads a file of every partition. */
const MAX_FAMILY_BITS = 5;

/** log2 of the number of groups of families. */
export function familyBits(partitionBits: number): number {
  return Math.min(MAX_FAMILY_BITS, partitionBits);
}

/**
 * Pieces of files, one of each: for file i the place is at `2 * i`, the length after it. One array of numbers, for there may be a million of them
 * on their way to the workers.
 */
export type Pieces = Float64Array;

/** What all workers of a build know. */
export interface BuildWorld {
  readonly tiles: SumdbTiles;
  /** Where the files are that live as long as the build. */
  readonly workFolder: string;
  /** log2 of the number of partitions: of the first bits of an index key. */
  readonly partitionBits: number;
  readonly treeSize: number;
}

/** Number of chunks of a log. */
export function chunkCount(treeSize: number): number {
  return Math.ceil(treeSize / CHUNK_RECORDS);
}

/** Names of the files of a build. Those that the index is made of are moved when all is done. */
export const workFile = {
  progress: (folder: string): string => join(folder, "progress.json"),
  /** What the build is made of. */
  source: (folder: string): string => join(folder, "source.json"),
  hashes: (folder: string, level: number): string => join(folder, `hashes-${level}`),
  entries: (folder: string): string => join(folder, "entries"),
  states: (folder: string): string => join(folder, "states"),
  values: (folder: string): string => join(folder, "values"),
  spill: (folder: string, chunk: number): string => join(folder, `spill-${chunk}`),
  partStates: (folder: string, partition: number): string => join(folder, `part-${partition}.states`),
  partValues: (folder: string, partition: number): string => join(folder, `part-${partition}.values`),
  members: (folder: string, partition: number): string => join(folder, `members-${partition}`),
  families: (folder: string, group: number): string => join(folder, `families-${group}`),
} as const;

/** The partition that an index key is in. */
export function partitionOf(indexKey: Uint8Array, partitionBits: number): number {
  if (partitionBits === 0) return 0;
  return new DataView(indexKey.buffer, indexKey.byteOffset).getUint32(0) >>> (32 - partitionBits);
}
