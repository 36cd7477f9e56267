import type { Lifetime } from "./lifetime.ts";
import { cpuTime, cpuWait } from "./proc.ts";
import type { Target } from "./servers.ts";

/** One load on one server. */
export interface Load {
  readonly transport: "udp" | "tcp";
  readonly seconds: number;
  /** File of questions in the form of dnsperf, repeated while there is time. */
  readonly questions: string;
  /** Queries per second at most; undefined: as many as the server answers. */
  readonly rate?: number;
}

/** What one load found. */
export interface Measured {
  /** Answers per second. */
  readonly qps: number;
  /** CPU microseconds of the server's processes for each answer, kernel time included. */
  readonly cpu: number;
  /** CPU that the server used, in cores. */
  readonly serverCores: number;
  /** CPU that the server wanted besides and others had, in cores: above a tenth or so the figures are those of a busy machine. */
  readonly waitedCores: number;
  /** CPU that dnsperf used, in cores. */
  readonly dnsperfCores: number;
  readonly lost: number;
  /** Answers with another RCODE than NOERROR. */
  readonly errors: number;
  /** Mean size of an answer. */
  readonly answerBytes: number;
  readonly queryBytes: number;
}

/** Threads of dnsperf that send, and as many that receive. */
const DNSPERF_THREADS = 2;
/** Sockets of dnsperf, or connections. */
const CLIENTS = { udp: 64, tcp: 16 } as const;
/** Queries on their way at once. */
const OUTSTANDING = 200;
/** Seconds after which a query is lost. */
const TIMEOUT = 1;
/** Milliseconds between two looks at dnsperf's own CPU time. */
const LOOK = 50;

function dnsperfArgs(port: number, load: Load): string[] {
  return [
    ...["-s", "127.0.0.1", "-p", String(port), "-d", load.questions, "-l", String(load.seconds)],
    ...["-m", load.transport, "-c", String(CLIENTS[load.transport]), "-T", String(DNSPERF_THREADS)],
    // DO=1. -b is the size of dnsperf's socket buffers in KiB; its OPT always offers 4,096 bytes.
    ...["-q", String(OUTSTANDING), "-e", "-D", "-b", "1232", "-t", String(TIMEOUT)],
    ...(load.rate === undefined ? [] : ["-Q", String(Math.max(1, Math.round(load.rate)))]),
    ...["-O", "suppress=timeouts,congestion,sendfailed,sockready,unexpected"],
  ];
}

/** Loads a server and measures it. @throws Error if dnsperf fails, or nothing was answered */
export async function measure(lifetime: Lifetime, target: Target, load: Load): Promise<Measured> {
  const before = cpuTime(target.pids);
  const waitBefore = cpuWait(target.pids);
  const child = lifetime.start("dnsperf", dnsperfArgs(target.port, load));
  const lines: string[] = [];
  child.onLine((line) => lines.push(line));
  let dnsperfCpu = 0;
  const looking = setInterval(() => {
    dnsperfCpu = Math.max(dnsperfCpu, cpuTime([child.pid]));
  }, LOOK);
  const { code } = await child.ended;
  clearInterval(looking);
  const serverCpu = cpuTime(target.pids) - before;
  const waited = cpuWait(target.pids) - waitBefore;
  const report = lines.join("\n");
  const number = (pattern: RegExp): number => Number(pattern.exec(report)?.[1] ?? Number.NaN);
  const completed = number(/Queries completed:\s+([0-9]+)/);
  const elapsed = number(/Run time \(s\):\s+([0-9.]+)/);
  if (code !== 0 || !(completed > 0)) {
    throw new Error(`dnsperf got no answers from ${target.name} by ${load.transport}: ${report}\n${child.stderr}`);
  }
  const noError = /NOERROR ([0-9]+)/.exec(report)?.[1] ?? "0";
  return {
    qps: completed / elapsed,
    cpu: serverCpu / completed,
    serverCores: serverCpu / 1e6 / elapsed,
    waitedCores: waited / 1e6 / elapsed,
    dnsperfCores: dnsperfCpu / 1e6 / elapsed,
    lost: number(/Queries lost:\s+([0-9]+)/),
    errors: completed - Number(noError),
    answerBytes: number(/Average packet size:\s+request [0-9]+, response ([0-9]+)/),
    queryBytes: number(/Average packet size:\s+request ([0-9]+)/),
  };
}

/** Milliseconds from query to answer, as dnsperf sees them; a lost query counts as one that took its whole time. */
export interface Latency {
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly answers: number;
}

/** Latencies of single answers under a load of `load.rate` queries per second. */
export async function measureLatency(
  lifetime: Lifetime,
  target: Target,
  load: Load & { readonly rate: number },
): Promise<Latency> {
  const child = lifetime.start("dnsperf", ["-v", ...dnsperfArgs(target.port, load)]);
  const seconds: number[] = [];
  child.onLine((line) => {
    // > NOERROR mod.x._.golang.org.p1.l.example.org TXT 0.000313, or > T and the question where no answer came.
    if (line.startsWith("> T ")) seconds.push(TIMEOUT);
    else if (line.startsWith("> ") && !line.startsWith("> I "))
      seconds.push(Number(line.slice(line.lastIndexOf(" ") + 1)));
  });
  const { code } = await child.ended;
  if (code !== 0 || seconds.length === 0) throw new Error(`dnsperf -v got no answers from ${target.name}`);
  const sorted = Float64Array.from(seconds).sort();
  const at = (share: number): number => 1000 * (sorted[Math.floor(share * (sorted.length - 1))] as number);
  return { rate: load.rate, p50: at(0.5), p99: at(0.99), max: at(1), answers: sorted.length };
}
