import { spawnSync } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";

/** Where and of what a figure was measured: it says little without. */
export interface Machine {
  /** Commit of the checkout, with `+` if files differ from it; undefined outside of one. */
  readonly commit: string | undefined;
  readonly node: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  /** Unix seconds. */
  readonly time: number;
}

export function describeMachine(): Machine {
  const git = (...args: string[]): string | undefined => {
    const { status, stdout } = spawnSync("git", args, { encoding: "utf8" });
    return status === 0 ? stdout.trim() : undefined;
  };
  const commit = git("rev-parse", "--short=12", "HEAD");
  return {
    commit: commit === undefined ? undefined : `${commit}${git("status", "--porcelain") === "" ? "" : "+"}`,
    node: process.version,
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    time: Math.floor(Date.now() / 1000),
  };
}

/** The load averages of 1, 5 and 15 minutes. */
export function loadAverage(): number[] {
  return loadavg().map((load) => Math.round(load * 100) / 100);
}

/** One line for people. */
export function formatMachine({ commit, node, cpu, cores, memoryGiB, kernel }: Machine): string {
  return `commit ${commit ?? "unknown"}, Node ${node}, ${cores} × ${cpu}, ${memoryGiB} GiB, Linux ${kernel}`;
}
