import { workerData } from "node:worker_threads";
import { serveJobs } from "../../src/build/worker-pool.ts";
import { countEra, EraMaker, type EraWorld, type MadeEra } from "./era.ts";

/** Counts an era's records if `first` is missing, else makes them. */
export interface EraJob {
  readonly era: number;
  readonly first?: number;
  readonly size?: number;
}

export type EraResult = { readonly era: number; readonly size: number } | MadeEra;

const world = workerData as EraWorld;
let maker: EraMaker | undefined;

serveJobs<EraJob, EraResult>(({ era, first, size }) => {
  if (first === undefined || size === undefined) return { era, size: countEra(world, era) };
  maker ??= new EraMaker(world);
  return maker.make(era, first, size);
});
