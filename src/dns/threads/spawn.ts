import { type ResourceLimits, Worker } from "node:worker_threads";
import type { WorkerStart } from "./protocol.ts";

/**
 * Starts a worker thread.
 *
 * Compiled, its module stands beside this one as `.js`. As TypeScript source it needs a loader: newer Nodes have one built
 * in, and on Node 20 `--import tsx` reaches the main thread only (measured on 20.20), so that the worker registers it
 * by itself before it loads its module.
 */
export function spawnWorker(start: WorkerStart, resourceLimits: ResourceLimits | undefined): Worker {
  const isSource = import.meta.url.endsWith(".ts");
  const module = new URL(isSource ? "./worker.ts" : "./worker.js", import.meta.url);
  const options = { workerData: start, ...(resourceLimits === undefined ? {} : { resourceLimits }) };
  const hasLoader = "typescript" in process.features && process.features.typescript !== false;
  if (!isSource || hasLoader) return new Worker(module, options);
  const loader = import.meta.resolve("tsx/esm/api");
  const boot = `import(${JSON.stringify(loader)}).then(({ register }) => {
    register();
    return import(${JSON.stringify(module.href)});
  });`;
  return new Worker(boot, { ...options, eval: true });
}
