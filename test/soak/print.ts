import type { amplifications, Goal } from "./goals.ts";
import type { Latencies, Percentiles } from "./latencies.ts";

/** Stalls that are printed. */
const MAX_STALLS = 20;
/** Characters of a fault that are printed; `--json` has all. */
const MAX_FAULT = 400;

/** Figures that are a line each. */
const FIGURES = [
  "madeRate",
  "cores",
  "waitedCores",
  "cpuMicrosecondsPerQuery",
  "epochs",
  "verifiedSignatures",
  "verifiedEpochs",
  "memoryGrowth",
  "memoryFloorGrowth",
  "lostByKernel",
  "stopSeconds",
];

/** Prints the result for people: tables, what was odd, and the goals last. */
export function printResult(result: {
  readonly counts: Readonly<Record<string, number>>;
  readonly goals: readonly Goal[];
  readonly faults: readonly string[];
  readonly stalls: ReturnType<Latencies["stalls"]>;
  readonly latency: Readonly<Record<string, Percentiles>>;
  readonly amplification: ReturnType<typeof amplifications>;
  readonly [other: string]: unknown;
}): void {
  console.log("\n| what | count |\n|---|---|");
  for (const [what, count] of Object.entries(result.counts)) console.log(`| ${what} | ${count} |`);
  console.log("\n| latency with cookies | answers | p50 ms | p99 ms | p99.9 ms |\n|---|---|---|---|---|");
  for (const [when, { answers, p50, p99, p999 }] of Object.entries(result.latency)) {
    console.log(`| ${when} | ${answers} | ${p50} | ${p99} | ${p999} |`);
  }
  console.log("\n| flood in the name of victims | bytes out / bytes in |\n|---|---|");
  const { all, worst, byStyle } = result.amplification;
  for (const [what, ratio] of Object.entries({ all, "worst victim": worst, ...byStyle })) {
    console.log(`| ${what} | ${ratio.toFixed(2)} |`);
  }
  console.log("");
  for (const what of FIGURES) console.log(`${what}: ${JSON.stringify(result[what])}`);
  console.log("");
  const stalls = result.stalls.map(({ second, seconds }) => `${seconds} s at ${second} s`);
  console.log(`stalls: ${stalls.length === 0 ? "none" : stalls.slice(0, MAX_STALLS).join(", ")}\n`);
  for (const fault of result.faults) console.log(`fault: ${fault.slice(0, MAX_FAULT)}`);
  for (const { what, found, verdict } of result.goals) console.log(`${verdict}  ${what} (${found})`);
}
