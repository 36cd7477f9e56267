import { Worker } from "node:worker_threads";
import type { TreeJob, TreeJobResult } from "./tree-slab-thread.ts";

/**
 * Runs a job in a worker thread. Rejects with what the job throws, or if the thread ends without a result.
 *
 * Compiled, its module stands beside this one as `.js`. As TypeScript source it needs a loader, which the thread registers by
 * itself where Node has none built in: on Node 20 `--import tsx` reaches the main thread only.
 */
export function runTreeJob(job: TreeJob): Promise<TreeJobResult> {
  return new Promise((resolve, reject) => {
    const worker = spawn(job);
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("a thread that worked on the tree has ended without a result")));
  });
}

function spawn(job: TreeJob): Worker {
  const isSource = import.meta.url.endsWith(".ts");
  const module = new URL(isSource ? "./tree-slab-thread.ts" : "./tree-slab-thread.js", import.meta.url);
  const hasLoader = "typescript" in process.features && process.features.typescript !== false;
  if (!isSource || hasLoader) return new Worker(module, { workerData: job });
  const loader = import.meta.resolve("tsx/esm/api");
  const boot = `import(${JSON.stringify(loader)}).then(({ register }) => {
    register();
    return import(${JSON.stringify(module.href)});
  });`;
  return new Worker(boot, { workerData: job, eval: true });
}
