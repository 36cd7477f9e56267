import { ProofdnsError } from "../vindex/error.ts";
import { MAX_PARTITION_BITS } from "./layout.ts";

const MIB = 2 ** 20;
/** What a process and each of its threads take before they hold anything; measured on Node 20 and 24. */
const PROCESS_BYTES = 130 * MIB;
const WORKER_BYTES = 45 * MIB;
/** What a chunk of the first stage takes. */
const LEAST_WORK_BYTES = 32 * MIB;
/** Bytes of a spilled record, on average, for the number of partitions. */
const RECORD_BYTES = 176;
/** A partition of n bytes takes at most so many times n while it is folded. */
const FOLD_FACTOR = 4;
/** Partitions for each worker, so that none is left waiting for another at the end. */
const PARTITIONS_PER_WORKER = 16;
/** A partition of about this size is sorted faster, for most of it is in the processor's cache; but not more partitions than this for it. */
const FAST_BYTES = 8 * MIB;
const MOST_FOR_SPEED = 1024;

/** How a build uses what it was given. */
export interface Resources {
  readonly partitionBits: number;
  /** Bytes of the largest partition that a worker can take. */
  readonly partitionBytes: number;
}

/**
 * Divides `memory` bytes among `workers`, for a log of `treeSize` records.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if it is too little
 */
export function planResources(treeSize: number, workers: number, memory: number): Resources {
  const work = (memory - PROCESS_BYTES) / workers - WORKER_BYTES;
  const least = PROCESS_BYTES + workers * (WORKER_BYTES + LEAST_WORK_BYTES);
  if (work < LEAST_WORK_BYTES) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `${formatMemory(memory)} of memory is too little for ${workers} workers: give at least --memory ${formatMemory(least)}, or fewer workers`,
    );
  }
  const partitionBytes = work / FOLD_FACTOR;
  // Half of what there is room for: partitions are not equal.
  const bytes = treeSize * RECORD_BYTES;
  const fast = Math.min(MOST_FOR_SPEED, bytes / FAST_BYTES);
  const wanted = Math.max((2 * bytes) / partitionBytes, fast, PARTITIONS_PER_WORKER * workers);
  const few = Math.ceil(treeSize / 1000);
  const partitionBits = Math.max(0, Math.min(MAX_PARTITION_BITS, Math.ceil(Math.log2(Math.min(wanted, few || 1)))));
  return { partitionBits, partitionBytes };
}

/** The error of a partition that does not fit: one module has most of it, for hashes spread the others. */
export function tooLargeError(bytes: number, workers: number): ProofdnsError {
  const memory = PROCESS_BYTES + workers * (WORKER_BYTES + FOLD_FACTOR * bytes);
  return new ProofdnsError(
    "MALFORMED_INPUT",
    `some modules have so many records that they do not fit together: give at least --memory ${formatMemory(memory)}, or fewer workers`,
  );
}

/** Parses `512MiB` or `2GiB`. @throws ProofdnsError `MALFORMED_INPUT` */
export function parseMemory(text: string): number {
  const match = /^([1-9][0-9]{0,6})(M|G)iB$/.exec(text);
  if (match === null) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `memory ${JSON.stringify(text.slice(0, 100))}: write it like 512MiB or 2GiB`,
    );
  }
  return Number(match[1]) * (match[2] === "G" ? 1024 : 1) * MIB;
}

function formatMemory(bytes: number): string {
  return `${Math.ceil(bytes / MIB)}MiB`;
}
