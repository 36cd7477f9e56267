import { cpuUsage } from "node:process";

/** Milliseconds that one call may take. What is called takes far below one for inputs of the lengths that targets have. */
const LIMIT = 250;
/** A slow call is repeated, by the processor's clock, and the fastest counts: a busy machine is not a finding. */
const REPEATS = 3;

/**
 * Runs `run` and fails if it takes longer than linear work over a target's inputs can. `run` must give the same when it is
 * repeated.
 */
export function withinTime<T>(what: string, run: () => T): T {
  const started = performance.now();
  const out = run();
  let took = performance.now() - started;
  for (let i = 0; i < REPEATS && took > LIMIT; i++) {
    const before = cpuUsage();
    run();
    const { user, system } = cpuUsage(before);
    took = Math.min(took, (user + system) / 1000);
  }
  if (took > LIMIT) throw new Error(`${what} took ${Math.round(took)} ms`);
  return out;
}
