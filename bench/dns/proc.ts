import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/**
 * What Linux says about processes (proc(5)). CPU time is user and kernel time of all threads, in microseconds, with the resolution
 * of a clock tick (mostly 10 ms).
 */
const TICK_MICROSECONDS = 1e6 / Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** The fields of `/proc/<pid>/stat` behind the name, which may hold spaces and parentheses; undefined if the process is gone. */
function statFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

/** `pid` and all processes below it. */
export function processTree(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync("/proc")) {
    if (!/^[0-9]+$/.test(entry)) continue;
    const parent = Number(statFields(Number(entry))?.[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const tree = [pid];
  for (const one of tree) tree.push(...(children.get(one) ?? []));
  return tree;
}

/** CPU time so far of these processes together, without processes they waited for. */
export function cpuTime(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const fields = statFields(pid);
    // utime and stime, fields 14 and 15 of the whole line.
    if (fields !== undefined) ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * TICK_MICROSECONDS;
}

/**
 * Time so far in which threads of these processes could have run and waited for a CPU, in microseconds, of the threads that live: on a
 * quiet machine next to nothing, on a busy one the reason for much.
 */
export function cpuWait(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids) {
    try {
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ")[1]);
      }
    } catch {
      // The process or the thread is gone, or the kernel does not say.
    }
  }
  return nanoseconds / 1000;
}

/** Resident memory of a process in bytes; 0 if it is gone. */
export function residentBytes(pid: number): number {
  try {
    return Number(/^VmRSS:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** A bound UDP socket, IPv4 only. */
export interface UdpSocketState {
  readonly address: string;
  readonly port: number;
  /** Datagrams that the kernel threw away because the receive buffer was full. */
  readonly dropped: number;
}

/** All of them, of all processes. */
export function udpSockets(): UdpSocketState[] {
  const sockets: UdpSocketState[] = [];
  for (const line of readFileSync("/proc/net/udp", "latin1").split("\n").slice(1)) {
    const fields = line.trim().split(/\s+/);
    const [address, port] = fields[1]?.split(":") ?? [];
    if (address === undefined || port === undefined) continue;
    // In the order of the machine's bytes.
    const bytes = Buffer.from(address, "hex").reverse();
    sockets.push({ address: bytes.join("."), port: Number.parseInt(port, 16), dropped: Number(fields.at(-1)) });
  }
  return sockets;
}
