import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CLI = join(ROOT, "dist/cli/main.js");

/** What a process left behind. */
export interface Finished {
  readonly out: string;
  readonly seconds: number;
}

/** Runs `proofdns` of dist in a process of its own. Rejects unless it ends with 0. */
export function runProofdns(args: readonly string[]): Promise<Finished> {
  return run([CLI, ...args]);
}

/** Runs a file of this folder, or below bench, through tsx, in a process of its own. */
export function runScript(file: string, args: readonly string[]): Promise<Finished> {
  return run(["--import", "tsx", join(ROOT, "bench", file), ...args]);
}

function run(args: readonly string[]): Promise<Finished> {
  const started = performance.now();
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  const out: string[] = [];
  const errors: string[] = [];
  child.stdout.setEncoding("utf8").on("data", (text: string) => out.push(text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      const seconds = (performance.now() - started) / 1000;
      if (code === 0) resolve({ out: out.join(""), seconds });
      else reject(new Error(`${args.slice(0, 3).join(" ")} ended with ${code}: ${errors.join("").slice(-2000)}`));
    });
  });
}

/** The last line of what a process printed, as JSON. */
export function lastLine(out: string): Record<string, unknown> {
  return JSON.parse(out.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
}

/** Calls `work` with a new folder for temporary files, and removes it whatever happens. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(process.env["PROOFDNS_BENCH_FOLDER"] ?? tmpdir(), "proofdns-bench-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
