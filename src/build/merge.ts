import { closeSync, openSync } from "node:fs";
import { putUint64, readExactly, takeUint64, writeExactly } from "../store/file-bytes.ts";
import { STATE_INDEX_LENGTH } from "../store/state-file.ts";
import { encodeUtf8, formatHex } from "../vindex/bytes.ts";
import { TOOLCHAIN_SUBJECT } from "../vindex/module-path.ts";
import { computeIndexKey } from "../vindex/module-value.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { HASH_LENGTH } from "../vindex/sha256.ts";
import { readPart, readPartValues, sumLengths } from "./families.ts";
import { GrowingBuffer } from "./growing-buffer.ts";
import type { LaneHasher } from "./lane-hasher.ts";
import { type BuildWorld, type Pieces, workFile } from "./layout.ts";
import { computeSubtreeRoot } from "./subtree-root.ts";

/** Where the parts of a partition belong in the files that last. */
export interface MergeJob {
  readonly partition: number;
  readonly modules: number;
  readonly valueBytes: number;
  /** Of the file of each group of families, the values whose subjects are in this partition. */
  readonly families: Pieces;
  /** Value of the subject `toolchain`, if that is in this partition. */
  readonly toolchain: string | undefined;
  readonly keysAt: number;
  readonly lengthsAt: number;
  readonly valuesAt: number;
  readonly stateBytes: number;
  readonly blocks: number;
  readonly statesAt: number;
  readonly indexAt: number;
}

/** What is known of a partition once its pairs are in place. */
export interface MergedPartition {
  readonly partition: number;
  readonly keys: number;
  /** Root of the partition's part of the tree in hexadecimal; undefined if it has no keys. */
  readonly root: string | undefined;
}

/** Bytes that are copied at a time. */
const STEP = 1 << 20;

/**
 * The last stage: merges the values of a partition's modules and families in key order into the values file, copies its states, and
 * computes the root of its part of the tree.
 */
export function mergePartition({ workFolder }: BuildWorld, job: MergeJob, hasher: LaneHasher): MergedPartition {
  copyStates(workFolder, job);
  const pairs = mergePairs(workFolder, job);
  const { count, keys, lengths, values } = pairs;
  const fd = openSync(workFile.values(workFolder), "r+");
  try {
    writeExactly(fd, keys, job.keysAt);
    writeExactly(fd, lengths, job.lengthsAt);
    writeExactly(fd, values, job.valuesAt);
  } finally {
    closeSync(fd);
  }
  const root = count === 0 ? undefined : computeSubtreeRoot(count, keys, sumLengths(lengths), values, hasher);
  return { partition: job.partition, keys: count, root: root === undefined ? undefined : formatHex(root) };
}

interface Pair {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

function mergePairs(
  folder: string,
  job: MergeJob,
): { count: number; keys: Uint8Array; lengths: Uint8Array; values: Uint8Array } {
  const part = readPartValues(folder, job.partition, job.modules, job.valueBytes);
  const others = readFamilies(folder, job);
  if (job.toolchain !== undefined) {
    others.push({ key: computeIndexKey(TOOLCHAIN_SUBJECT, nodeSha256), value: encodeUtf8(job.toolchain) });
  }
  if (others.length === 0) return part;
  others.sort((a, b) => Buffer.compare(a.key, b.key));
  const ends = sumLengths(part.lengths);
  const keys = new GrowingBuffer(part.keys.length + HASH_LENGTH * others.length);
  const lengths = new GrowingBuffer(part.count + others.length);
  const values = new GrowingBuffer(part.values.length + 256 * others.length);
  let done = 0;
  // Runs of modules between two others are copied as they are.
  const copyUpTo = (to: number): void => {
    keys.append(part.keys.subarray(HASH_LENGTH * done, HASH_LENGTH * to));
    lengths.append(part.lengths.subarray(done, to));
    values.append(part.values.subarray(ends[done], ends[to]));
    done = to;
  };
  for (const { key, value } of others) {
    let to = done;
    while (to < part.count && Buffer.compare(part.keys.subarray(HASH_LENGTH * to, HASH_LENGTH * (to + 1)), key) < 0)
      to++;
    copyUpTo(to);
    keys.append(key);
    lengths.append(Uint8Array.of(value.length));
    values.append(value);
  }
  copyUpTo(part.count);
  return { count: lengths.length, keys: keys.used, lengths: lengths.used, values: values.used };
}

function readFamilies(folder: string, { families }: MergeJob): Pair[] {
  const pairs: Pair[] = [];
  for (let group = 0; 2 * group < families.length; group++) {
    const length = families[2 * group + 1] as number;
    if (length === 0) continue;
    const bytes = readPart(workFile.families(folder, group), families[2 * group] as number, length);
    for (let i = 0; i < length; ) {
      const valueAt = i + HASH_LENGTH + 1;
      const end = valueAt + (bytes[i + HASH_LENGTH] as number);
      pairs.push({ key: bytes.subarray(i, i + HASH_LENGTH), value: bytes.subarray(valueAt, end) });
      i = end;
    }
  }
  return pairs;
}

/** Copies a partition's blocks of states and their index to their places in the whole file. */
function copyStates(folder: string, job: MergeJob): void {
  const from = openSync(workFile.partStates(folder, job.partition), "r");
  const to = openSync(workFile.states(folder), "r+");
  try {
    const buffer = new Uint8Array(Math.min(STEP, job.stateBytes));
    for (let at = 0; at < job.stateBytes; at += STEP) {
      const piece = buffer.subarray(0, Math.min(STEP, job.stateBytes - at));
      if (!readExactly(from, piece, at)) throw new Error(`the states of partition ${job.partition} end too early`);
      writeExactly(to, piece, job.statesAt + at);
    }
    const index = new Uint8Array(STATE_INDEX_LENGTH * job.blocks);
    if (!readExactly(from, index, job.stateBytes))
      throw new Error(`the states of partition ${job.partition} end too early`);
    const view = new DataView(index.buffer);
    for (let at = HASH_LENGTH; at < index.length; at += STATE_INDEX_LENGTH) {
      putUint64(view, at, job.statesAt + takeUint64(view, at));
    }
    writeExactly(to, index, job.indexAt);
  } finally {
    closeSync(from);
    closeSync(to);
  }
}
