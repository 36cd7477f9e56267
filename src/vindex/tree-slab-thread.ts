import { parentPort, workerData } from "node:worker_threads";
import { FlatTree, type TreeRoot } from "./flat-tree.ts";
import { type SortedPairs, TreeBuilder, type TreePart } from "./tree-slab-build.ts";
import { copyInOrder } from "./tree-slab-copy.ts";
import type { TreeBuffer } from "./tree-slab-layout.ts";

/** What a thread does for a slab, once. */
export type TreeJob =
  /**
   * Builds parts until none is left. `progress` is word[1 + parts]: the number of parts that were begun, and the
   * root of each that is done; `hashAt` says where in the buffer its hash is written.
   */
  | {
      readonly kind: "build";
      readonly buffer: TreeBuffer;
      readonly pairs: SortedPairs;
      readonly parts: readonly TreePart[];
      readonly hashAt: readonly number[];
      readonly progress: SharedArrayBuffer;
    }
  /** Copies a tree into another buffer in key order. */
  | { readonly kind: "copy"; readonly buffer: TreeBuffer; readonly root: TreeRoot; readonly target: TreeBuffer };

/** What it says when it is done. */
export interface TreeJobResult {
  /** Of a copy. */
  readonly root: number;
  readonly valueWords: number;
}

function run(job: TreeJob): TreeJobResult {
  if (job.kind === "copy") return copyInOrder(FlatTree.attach(job.buffer, job.root), job.target);
  const { buffer, pairs, parts, hashAt } = job;
  const progress = new Int32Array(job.progress);
  const builder = new TreeBuilder(buffer);
  for (;;) {
    const next = Atomics.add(progress, 0, 1);
    const part = parts[next];
    if (part === undefined) return { root: 0, valueWords: 0 };
    progress[1 + next] = builder.build(pairs, part, hashAt[next] as number);
  }
}

if (parentPort === null) throw new TypeError("this is the module of a worker thread");
parentPort.postMessage(run(workerData as TreeJob));
