// Servers as child processes, each with a folder of its own and its output in a file there.
import { execFile, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export class Daemon {
  static #running = new Set();

  #child;
  #ended;

  /** Starts `command` in `folder`, where `files` (name to content) are written first; its output goes to `log` there. */
  constructor(name, { folder, command, files = {} }) {
    this.name = name;
    this.folder = folder;
    this.logFile = join(folder, "log");
    mkdirSync(folder, { recursive: true });
    for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content);
    const log = openSync(this.logFile, "w");
    this.#child = spawn(command[0], command.slice(1), { cwd: folder, stdio: ["ignore", log, log] });
    closeSync(log);
    Daemon.#running.add(this);
    this.#ended = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(error.message));
      this.#child.once("exit", (code, signal) => resolve(`it ended with ${signal ?? code}`));
    }).then((why) => {
      this.why = why;
      Daemon.#running.delete(this);
    });
  }

  get log() {
    return readFileSync(this.logFile, "utf8");
  }

  /** The last lines of the log, at most `count`. */
  tail(count = 30) {
    return this.log.trimEnd().split("\n").slice(-count).join("\n");
  }

  /** Bytes of the log so far. */
  get logSize() {
    return statSync(this.logFile).size;
  }

  /** What the log says from byte `from` on with one of `words`: of `name` if there is anything, else at all; the last lines. */
  grepFrom(from, name, words) {
    const lines = readFileSync(this.logFile).subarray(from).toString().toLowerCase().split("\n");
    const found = lines.filter((line) => words.some((word) => line.includes(word)));
    const ofName = found.filter((line) => line.includes(name.toLowerCase()));
    return (ofName.length > 0 ? ofName : found).slice(-6).join("\n");
  }

  /** Waits until `probe` gives something; throws with the tail of the log when the daemon ends before or takes `ms`. */
  async until(probe, ms = 20_000) {
    const end = performance.now() + ms;
    for (;;) {
      const got = this.why === undefined ? await probe() : undefined;
      if (got !== undefined) return got;
      if (this.why !== undefined || performance.now() > end) {
        throw new Error(`${this.name} does not start: ${this.why ?? `not within ${ms} ms`}\n${this.tail()}`);
      }
      await sleep(50);
    }
  }

  /** Ends it: asks first, kills after two seconds. */
  async stop() {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 2_000);
    await this.#ended;
    clearTimeout(timer);
  }

  static async stopAll() {
    await Promise.all([...Daemon.#running].map((daemon) => daemon.stop()));
  }
}

/** Runs a command to its end; never rejects. `status` is undefined if it did not run or was killed after `timeout` ms. */
export function run(command, args, { timeout = 15_000, input, ...options } = {}) {
  return new Promise((resolve) => {
    const child = execFile(
      command,
      args,
      { timeout, killSignal: "SIGKILL", maxBuffer: 2 ** 28, encoding: "utf8", ...options },
      (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === "number" ? error.code : undefined;
        const why = error === null ? "" : error.killed ? `not done within ${timeout} ms` : error.message;
        resolve({ status, stdout, stderr, why });
      },
    );
    // A command that ends without reading its input is judged by its status.
    child.stdin.on("error", () => {});
    child.stdin.end(input ?? "");
  });
}

/** As `run`, but throws unless the command ends with 0. */
export async function runOrThrow(command, args, options) {
  const { status, stdout, stderr, why } = await run(command, args, options);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${why || `status ${status}`}\n${stderr}${stdout}`);
  return stdout;
}

/** A command line as one could paste it. */
export function quote(command, args) {
  return [command, ...args].map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`)).join(" ");
}
