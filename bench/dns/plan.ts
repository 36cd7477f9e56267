import { type Latency, type Load, type Measured, measure, measureLatency } from "./dnsperf.ts";
import type { Lifetime } from "./lifetime.ts";
import type { Target } from "./servers.ts";

/** One row of the result: a server under one kind of load. */
export interface Scenario {
  /** Unique; goals name scenarios by it. */
  readonly id: string;
  readonly target: Target;
  readonly transport: "udp" | "tcp";
  /** `id` of the scenario that this one's CPU is compared with. */
  readonly yardstick: string;
  /** True if its latency is measured too. */
  readonly hasLatency?: boolean;
}

/** A scenario with what was measured, one entry a round. */
export interface Row {
  readonly scenario: Scenario;
  readonly rounds: readonly Measured[];
  readonly latencies: readonly Latency[];
}

/** How long and how often. */
export interface Pace {
  readonly rounds: number;
  readonly seconds: number;
}

/**
 * Measures all scenarios in rounds, one after the other (A B C A B C …), so that what disturbs the machine for a while
 * disturbs all; then the latencies likewise, each server at half of the rate that it reached.
 */
export async function measureAll(
  lifetime: Lifetime,
  scenarios: readonly Scenario[],
  questions: string,
  pace: Pace,
  say: (line: string) => void,
): Promise<Row[]> {
  const load = ({ transport }: Scenario, seconds: number): Load => ({ transport, seconds, questions });
  // Compiled by the JIT, caches filled: every server before any is measured.
  for (const scenario of scenarios) await measure(lifetime, scenario.target, load(scenario, Math.min(1, pace.seconds)));
  const measured = scenarios.map((): Measured[] => []);
  for (let round = 0; round < pace.rounds; round++) {
    for (const [i, scenario] of scenarios.entries()) {
      (measured[i] as Measured[]).push(await measure(lifetime, scenario.target, load(scenario, pace.seconds)));
    }
    say(`round ${round + 1} of ${pace.rounds}`);
  }
  const latencies = scenarios.map((): Latency[] => []);
  for (let round = 0; round < pace.rounds; round++) {
    for (const [i, scenario] of scenarios.entries()) {
      if (scenario.hasLatency !== true) continue;
      const rate = median((measured[i] as Measured[]).map(({ qps }) => qps)) / 2;
      const found = await measureLatency(lifetime, scenario.target, { ...load(scenario, pace.seconds), rate });
      (latencies[i] as Latency[]).push(found);
    }
  }
  say("latencies measured");
  return scenarios.map((scenario, i) => ({
    scenario,
    rounds: measured[i] as Measured[],
    latencies: latencies[i] as Latency[],
  }));
}

/** The middle of some numbers; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length % 2 === 1) return sorted[Math.floor(middle)] as number;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** Median over the rounds of what two scenarios give in the same round, divided. */
export function medianRatio(row: Row, yardstick: Row, of: (measured: Measured) => number): number {
  return median(row.rounds.map((round, i) => of(round) / of(yardstick.rounds[i] as Measured)));
}
