import { availableParallelism } from "node:os";
import { LaneHasher } from "../build/lane-hasher.ts";
import { type JobPool, LocalPool, WorkerPool } from "../build/worker-pool.ts";
import type { FileMark } from "./marked-file.ts";
import { EntryChecker } from "./snapshot-check-entries.ts";
import { checkHashes, type HashesJob } from "./snapshot-check-hashes.ts";
import { checkNewer, type NewerJob } from "./snapshot-check-newer.ts";
import { type CheckedStates, StateChecker, type StatesJob } from "./snapshot-check-states.ts";
import { type CopyJob, copyFile } from "./snapshot-copy.ts";

/** What the threads of a snapshot do. */
export type SnapshotJob =
  | { readonly copy: CopyJob; readonly name: string }
  | { readonly hashes: HashesJob }
  | { readonly states: StatesJob }
  | { readonly newer: NewerJob };

export type SnapshotJobResult =
  | { readonly mark: FileMark }
  | { readonly isRight: true }
  | { readonly checked: CheckedStates };

export type SnapshotPool = JobPool<SnapshotJob, SnapshotJobResult>;

/** Bytes below which threads take longer to start than to work. */
const FEW_BYTES = 1 << 26;
/** More do not make it faster: memory and disk are busy then. */
const MOST_THREADS = 8;

/** Makes what does the jobs of one thread: it keeps its memory from job to job. */
export function makeSnapshotWorker(): (job: SnapshotJob) => SnapshotJobResult {
  let hasher: LaneHasher | undefined;
  let entries: EntryChecker | undefined;
  let checker: StateChecker | undefined;
  return (job) => {
    if ("copy" in job) return { mark: copyFile(job.copy) };
    if ("newer" in job) {
      entries ??= new EntryChecker();
      checkNewer(job.newer, entries);
      return { isRight: true };
    }
    hasher ??= new LaneHasher();
    if ("hashes" in job) {
      checkHashes(job.hashes, hasher);
      return { isRight: true };
    }
    entries ??= new EntryChecker();
    checker ??= new StateChecker(hasher, entries);
    return { checked: checker.check(job.states) };
  };
}

/** Threads for a snapshot of `bytes`; with `threads` so many, and 0 of them are this one. */
export function openSnapshotPool(bytes: number, threads?: number): SnapshotPool {
  const count = threads ?? (bytes < FEW_BYTES ? 0 : Math.min(MOST_THREADS, availableParallelism()));
  if (count === 0) return new LocalPool(makeSnapshotWorker());
  const isSource = import.meta.url.endsWith(".ts");
  const module = new URL(isSource ? "./snapshot-check-worker.ts" : "./snapshot-check-worker.js", import.meta.url);
  return new WorkerPool(module, count, undefined);
}
