import { Worker } from "node:worker_threads";
import type { BackgroundOrder, BackgroundPoint } from "./background-worker.ts";
import { explainIo } from "./damage.ts";

/** Work of a background thread. */
export interface Background {
  /** Resolves when everything is on disk; rejects with ProofdnsError `STORE_UNUSABLE`, or when it was stopped. */
  readonly done: Promise<void>;
  /** Ends the thread wherever it is; what it made stands under another name until it is whole. */
  stop(): Promise<void>;
}

/** Makes files in a thread of its own. */
export function runInBackground(order: BackgroundOrder, onPoint: (point: BackgroundPoint) => void): Background {
  const worker = spawnBackground(order);
  worker.on("message", onPoint);
  const done = new Promise<void>((resolve, reject) => {
    worker.once("error", (error) => reject(explainIo("cannot write the files of the store", error)));
    worker.once("exit", (code) => {
      if (code === 0) resolve();
      else reject(explainIo("cannot write the files of the store", new Error(`its thread ended with ${code}`)));
    });
  });
  done.catch(() => {});
  return { done, stop: async () => void (await worker.terminate()) };
}

/** As `spawnWorker` of the name server: on Node 20 a worker registers the loader of TypeScript by itself. */
function spawnBackground(workerData: BackgroundOrder): Worker {
  const isSource = import.meta.url.endsWith(".ts");
  const module = new URL(isSource ? "./background-worker.ts" : "./background-worker.js", import.meta.url);
  const hasLoader = "typescript" in process.features && process.features.typescript !== false;
  if (!isSource || hasLoader) return new Worker(module, { workerData });
  const loader = import.meta.resolve("tsx/esm/api");
  const boot = `import(${JSON.stringify(loader)}).then(({ register }) => {
    register();
    return import(${JSON.stringify(module.href)});
  });`;
  return new Worker(boot, { workerData, eval: true });
}
