import { serveJobs } from "../build/worker-pool.ts";
import { makeSnapshotWorker, type SnapshotJob, type SnapshotJobResult } from "./snapshot-check.ts";

serveJobs<SnapshotJob, SnapshotJobResult>(makeSnapshotWorker());
