import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Lifetime } from "../../bench/dns/lifetime.ts";
import type { LoadMessage } from "./load.ts";
import type { LoadOrder, LoadReport } from "./order.ts";

/** Milliseconds that a load process may take to end. */
const STOP_TIMEOUT = 3_000;

/** The processes that make load. */
export class Loads {
  readonly #processes: ChildProcess[] = [];
  readonly #latest = new Map<LoadReport["role"], LoadReport>();
  readonly #onReport: (report: LoadReport) => void;
  #isStopping = false;

  constructor(lifetime: Lifetime, onReport: (report: LoadReport) => void) {
    this.#onReport = onReport;
    lifetime.defer(() => this.stop());
  }

  /** Starts a process; `onFailure` is called if it ends by itself. */
  start(order: LoadOrder, onFailure: (error: Error) => void): void {
    const script = fileURLToPath(new URL("./load.ts", import.meta.url));
    const child = fork(script, [], { execArgv: ["--import", "tsx"], serialization: "advanced" });
    this.#processes.push(child);
    child.on("message", (report: LoadReport) => {
      this.#latest.set(report.role, report);
      this.#onReport(report);
    });
    child.on("error", onFailure);
    child.once("exit", (code, signal) => {
      if (!this.#isStopping) onFailure(new Error(`the load process ${order.role} ended with ${signal ?? code}`));
    });
    child.send({ start: order } satisfies LoadMessage);
  }

  /** Resolves when every process has said something: it loads then. */
  async running(): Promise<void> {
    while (this.#latest.size < this.#processes.length) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  /** The counters of all processes as they were last reported, added up. */
  counts(): Map<string, number> {
    const sum = new Map<string, number>();
    for (const { counts } of this.#latest.values()) {
      for (const [what, count] of Object.entries(counts)) sum.set(what, (sum.get(what) ?? 0) + count);
    }
    return sum;
  }

  faults(): string[] {
    return [...this.#latest.values()].flatMap(({ faults }) => faults);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    const ending = this.#processes.splice(0).map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT);
      if (child.connected) child.send({ stop: true } satisfies LoadMessage);
      else child.kill("SIGKILL");
      await ended;
      clearTimeout(timer);
    });
    await Promise.all(ending);
  }
}
