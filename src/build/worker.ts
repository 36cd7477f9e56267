import { workerData } from "node:worker_threads";
import { type BuildJob, type BuildResult, makeBuildWorker } from "./build-jobs.ts";
import type { BuildWorld } from "./layout.ts";
import { serveJobs } from "./worker-pool.ts";

serveJobs<BuildJob, BuildResult>(makeBuildWorker(workerData as BuildWorld));
