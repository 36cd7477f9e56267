import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The compiled command if nothing in src is newer, as after `npm test` has built it: it starts in half the time. */
function mainArgs(): string[] {
  const compiled = join(root, "dist", "cli", "main.js");
  const built = statSync(compiled, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(join(root, "src"), { recursive: true }) as string[];
  const isNew = sources.every((name) => statSync(join(root, "src", name)).mtimeMs < built);
  return isNew ? [compiled] : ["--import", "tsx", join(root, "src", "cli", "main.ts")];
}
export const MAIN = mainArgs();

/** How a command ended. */
export interface Ended {
  /** Exit code, or the signal. */
  readonly code: number | NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs in its own process. */
export class Command {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly lines: string[] = [];
  #stderr = "";
  #wake: (() => void)[] = [];

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, [...MAIN, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NODE_TEST_CONTEXT: "", ...env },
    });
    this.child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      this.lines.push(line);
      for (const wake of this.#wake.splice(0)) wake();
    });
    this.ended = new Promise((resolve) => {
      this.child.once("close", (code, signal) => {
        resolve({ code: signal ?? code, stdout: this.lines.map((line) => `${line}\n`).join(""), stderr: this.#stderr });
        for (const wake of this.#wake.splice(0)) wake();
      });
    });
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Line `i` of stdout, as JSON. Rejects if the command ends first. */
  async json(i = 0): Promise<Record<string, unknown>> {
    while (this.lines[i] === undefined) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`ended before line ${i}: ${JSON.stringify(await this.ended)}`);
      }
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    return JSON.parse(this.lines[i] as string) as Record<string, unknown>;
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Ended> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** Runs a command to its end; after `ms` it is killed, which no caller expects. */
export async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  ms = 20_000,
): Promise<Ended> {
  const command = new Command(args, env);
  const timer = setTimeout(() => command.child.kill("SIGKILL"), ms);
  const ended = await command.ended;
  clearTimeout(timer);
  return ended;
}

/** All files below a folder with what they hold, and the folders. */
export function snapshot(folder: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(folder, { recursive: true }) as string[]) {
    const path = join(folder, name);
    found.set(name, statSync(path).isDirectory() ? "folder" : readFileSync(path, "latin1"));
  }
  return found;
}
