import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Own time of one function in a CPU profile. */
export interface SelfTime {
  readonly where: string;
  /** Share of the time in which the thread was not idle, 0 to 1. */
  readonly share: number;
}

/** One thread's profile. */
export interface ThreadProfile {
  readonly file: string;
  /** Seconds in which it was not idle, inside the window. */
  readonly busySeconds: number;
  /** Longest own times first. */
  readonly functions: readonly SelfTime[];
}

/** The parts of V8's `.cpuprofile` format that are used; times in microseconds. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/**
 * Sums up the profiles that `node --cpu-prof` left in a folder, a thread each. Only samples of the last `from` to
 * `to` seconds before the end of the process count: what lies before is the start.
 */
export function readProfiles(folder: string, from: number, to: number): ThreadProfile[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".cpuprofile"))
    .sort()
    .map((file) => sumUp(file, JSON.parse(readFileSync(join(folder, file), "utf8")) as CpuProfile, from, to))
    .filter(({ busySeconds }) => busySeconds > 0.01)
    .sort((a, b) => b.busySeconds - a.busySeconds);
}

function sumUp(file: string, profile: CpuProfile, from: number, to: number): ThreadProfile {
  const names = new Map<number, string>();
  for (const { id, callFrame } of profile.nodes) {
    const place = callFrame.url.replace(/^file:\/\/.*\/(dist|node_modules)\//, "$1/");
    const name = callFrame.functionName === "" ? "(anonymous)" : callFrame.functionName;
    names.set(id, place === "" ? name : `${name} ${place}:${callFrame.lineNumber + 1}`);
  }
  const total = profile.timeDeltas.reduce((sum, delta) => sum + delta, 0);
  const own = new Map<string, number>();
  let at = 0;
  let busy = 0;
  for (const [i, id] of profile.samples.entries()) {
    const delta = profile.timeDeltas[i] ?? 0;
    at += delta;
    const beforeEnd = (total - at) / 1e6;
    const name = names.get(id) ?? "?";
    if (name === "(idle)" || beforeEnd > from || beforeEnd < to) continue;
    busy += delta;
    own.set(name, (own.get(name) ?? 0) + delta);
  }
  const functions = [...own].map(([where, time]) => ({ where, share: time / busy })).sort((a, b) => b.share - a.share);
  return { file, busySeconds: busy / 1e6, functions };
}

/** The `count` functions with most own time, for people. */
export function formatProfile({ file, busySeconds, functions }: ThreadProfile, count: number): string {
  const lines = functions.slice(0, count).map(({ where, share }) => `| ${(100 * share).toFixed(1)} % | ${where} |`);
  return [`${file}: ${busySeconds.toFixed(2)} s not idle`, "| own time | function |", "|---|---|", ...lines].join("\n");
}
