import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** How a process ended: its exit code, or the signal that ended it. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Characters of stderr that are kept for messages. */
const STDERR_KEPT = 4_000;

/** A started process. Its stdout is read by lines, and of stderr the end is kept. */
export class Child {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** `performance.now()` of the start. */
  readonly startedAt: number = performance.now();
  readonly #process: ChildProcess;
  readonly #listeners = new Set<(line: string) => void>();
  #stderr = "";

  constructor(process: ChildProcess, pid: number) {
    this.#process = process;
    this.pid = pid;
    process.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-STDERR_KEPT);
    });
    if (process.stdout !== null) {
      createInterface({ input: process.stdout }).on("line", (line) => {
        for (const listener of this.#listeners) listener(line);
      });
    }
    this.ended = new Promise((resolve) => {
      process.once("close", (code, signal) => resolve({ code, signal }));
      process.once("error", (error) => {
        this.#stderr += String(error);
        resolve({ code: null, signal: null });
      });
    });
  }

  get stderr(): string {
    return this.#stderr;
  }

  get isAlive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Calls `listener` with each further line of stdout. */
  onLine(listener: (line: string) => void): void {
    this.#listeners.add(listener);
  }

  /** The next line of stdout that `pick` takes. Rejects if the process ends first, or after `ms` milliseconds. */
  async nextLine<T>(pick: (line: string) => T | undefined, ms: number): Promise<T> {
    let listener: (line: string) => void = () => {};
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        listener = (line) => {
          const picked = pick(line);
          if (picked !== undefined) resolve(picked);
        };
        this.#listeners.add(listener);
        timer = setTimeout(
          () => reject(new Error(`process ${this.pid} said nothing in ${ms} ms:\n${this.#stderr}`)),
          ms,
        );
        void this.ended.then(({ code, signal }) => {
          reject(new Error(`process ${this.pid} ended with ${signal ?? code}:\n${this.#stderr}`));
        });
      });
    } finally {
      clearTimeout(timer);
      this.#listeners.delete(listener);
    }
  }

  /** Sends SIGTERM, and SIGKILL after `ms` milliseconds, and says how the process ended. */
  async stop(ms = 10_000): Promise<Ended> {
    signalGroup(this.pid, "SIGTERM");
    const timer = setTimeout(() => signalGroup(this.pid, "SIGKILL"), ms);
    const ended = await this.ended;
    clearTimeout(timer);
    return ended;
  }

  /** At once, for the end of this process. */
  kill(): void {
    if (this.isAlive) signalGroup(this.pid, "SIGKILL");
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It is gone already.
  }
}

/** Options of `Lifetime.start`. */
export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Everything that a run starts. It is ended in reverse order when the run ends, fails, or is told to stop. */
export class Lifetime {
  readonly #closers: (() => Promise<unknown> | unknown)[] = [];
  readonly #children = new Set<Child>();
  readonly #folders: string[] = [];
  /** Lets the kernel end a child if this process is killed with SIGKILL, where the tool for that is there. */
  readonly #prefix: readonly string[] =
    spawnSync("setpriv", ["--pdeathsig", "KILL", "true"]).status === 0 ? ["setpriv", "--pdeathsig", "KILL", "--"] : [];

  /** Runs `task`; afterwards nothing of it is left. Gives its result, and rejects if a signal says to stop. */
  static async run<T>(task: (lifetime: Lifetime) => Promise<T>): Promise<T> {
    const lifetime = new Lifetime();
    process.once("exit", () => lifetime.#leave());
    const stopped = new Promise<never>((_, reject) => {
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
        process.once(signal, () => reject(new Error(`stopped by ${signal}`)));
      }
    });
    stopped.catch(() => {});
    const running = task(lifetime);
    // Stopped in the middle: whatever it still throws is of no interest then.
    running.catch(() => {});
    try {
      return await Promise.race([running, stopped]);
    } finally {
      await lifetime.close();
    }
  }

  /** Has `close` called at the end. */
  defer(close: () => Promise<unknown> | unknown): void {
    this.#closers.push(close);
  }

  /** Makes an empty folder that is removed at the end. */
  folder(name: string): string {
    const folder = mkdtempSync(join(tmpdir(), `proofdns-${name}-`));
    this.#folders.push(folder);
    return folder;
  }

  /** Starts a process, as the leader of a group of its own: what it forks ends with it. */
  start(command: string, args: readonly string[], options: StartOptions = {}): Child {
    const [first = command, ...rest] = [...this.#prefix, command, ...args];
    const child = spawn(first, rest, {
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
    });
    child.on("error", () => {});
    if (child.pid === undefined) throw new Error(`cannot start ${command}`);
    const started = new Child(child, child.pid);
    this.#children.add(started);
    void started.ended.then(() => this.#children.delete(started));
    this.defer(() => started.stop());
    return started;
  }

  async close(): Promise<void> {
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) {
      try {
        await close();
      } catch (error) {
        console.error(error);
      }
    }
    this.#leave();
  }

  #leave(): void {
    for (const child of this.#children) child.kill();
    for (const folder of this.#folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  }
}
