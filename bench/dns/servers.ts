import { spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Child, Lifetime } from "./lifetime.ts";
import { processTree } from "./proc.ts";
import type { StaticZone } from "./static-zone.ts";

/** A server that is measured. */
export interface Target {
  readonly name: string;
  readonly port: number;
  /** Threads or processes that answer. */
  readonly threads: number;
  readonly child: Child;
  /** All its processes. */
  readonly pids: readonly number[];
}

/** Milliseconds that a server may take until it answers: ours verifies a whole log before. */
const START_TIMEOUT = 120_000;

/** What `proofdns serve` of this build understands. */
export class ServeFlags {
  readonly #help: string;

  /** @throws Error if there is no such build */
  constructor(main: string) {
    if (!existsSync(main)) throw new Error(`${main} is not there: npm run build makes it`);
    this.#help = spawnSync(process.execPath, [main, "serve", "--help"], { encoding: "utf8" }).stdout;
  }

  has(flag: string): boolean {
    return new RegExp(`${flag}\\b`).test(this.#help);
  }

  /** `flag` and its value, or nothing where the build does not know it. */
  option(flag: string, value: string): string[] {
    return this.has(flag) ? [flag, value] : [];
  }
}

/** What `startOurs` is told. */
export interface OursOptions {
  readonly name: string;
  /** Path of the compiled command. */
  readonly main: string;
  readonly flags: ServeFlags;
  /** Node binary. */
  readonly node: string;
  readonly nodeFlags?: readonly string[];
  readonly threads: number;
  readonly isCold?: boolean;
  readonly zone: string;
  readonly sumdb: { readonly vkey: string; readonly url: string };
}

/** Starts `proofdns serve` over a local checksum database, without rate limits. */
export async function startOurs(lifetime: Lifetime, options: OursOptions): Promise<Target> {
  const { flags, threads } = options;
  const args = [
    ...(options.nodeFlags ?? []),
    options.main,
    "serve",
    ...["--zone", options.zone, "--listen", "127.0.0.1:0", "--data", join(lifetime.folder("bench"), "data")],
    ...["--sumdb", `${options.sumdb.vkey} ${options.sumdb.url}`, "--max-stall", "off"],
    ...flags.option("--threads", String(threads)),
    ...flags.option("--rrl-rate", "off"),
    ...flags.option("--rrl-net-rate", "off"),
    ...(options.isCold === true ? flags.option("--reply-cache", "0") : []),
  ];
  const child = lifetime.start(options.node, args);
  return { name: options.name, threads, child, ...(await listening(child)) };
}

/** What `startEcho` is told. */
export interface EchoOptions {
  readonly name: string;
  readonly mode: "naive" | "tuned" | "sign";
  readonly node: string;
  readonly bytes: number;
  readonly threads: number;
}

/** Starts a yardstick (echo.mjs). */
export async function startEcho(lifetime: Lifetime, options: EchoOptions): Promise<Target> {
  const { mode, bytes, threads } = options;
  const script = fileURLToPath(new URL("./echo.mjs", import.meta.url));
  const child = lifetime.start(options.node, [script, JSON.stringify({ mode, bytes, threads })]);
  return { name: options.name, threads, child, ...(await listening(child)) };
}

/** The ready line of `proofdns serve` and of echo.mjs. */
async function listening(child: Child): Promise<{ port: number; pids: number[] }> {
  const listen = await child.nextLine((line) => {
    const { ready, listen } = JSON.parse(line) as { ready?: boolean; listen?: string };
    return ready === true ? listen : undefined;
  }, START_TIMEOUT);
  return { port: Number(listen.slice(listen.lastIndexOf(":") + 1)), pids: processTree(child.pid) };
}

/** True if the command can be run. */
export function isInstalled(command: string): boolean {
  return spawnSync(command, ["-h"]).error === undefined;
}

/** Starts Knot with `threads` workers for UDP and as many for TCP. */
export async function startKnot(lifetime: Lifetime, zone: StaticZone, threads: number): Promise<Target> {
  const folder = lifetime.folder("knot");
  const port = await freePort();
  mkdirSync(join(folder, "db"));
  const config = [
    "server:",
    `    listen: 127.0.0.1@${port}`,
    `    udp-workers: ${threads}`,
    `    tcp-workers: ${threads}`,
    "    background-workers: 1",
    `    rundir: ${folder}`,
    "log:",
    "  - target: stderr",
    "    any: warning",
    "database:",
    `    storage: ${join(folder, "db")}`,
    "zone:",
    `  - domain: ${zone.apex}`,
    `    file: ${zone.path}`,
    "    zonefile-sync: -1",
    "    journal-content: none",
    "",
  ].join("\n");
  writeFileSync(join(folder, "knot.conf"), config);
  const child = lifetime.start("knotd", ["-c", join(folder, "knot.conf")]);
  await answering(child, port, zone.apex);
  return { name: "Knot", threads, port, child, pids: processTree(child.pid) };
}

/** Starts NSD with `threads` server processes, without its rate limit. */
export async function startNsd(lifetime: Lifetime, zone: StaticZone, threads: number): Promise<Target> {
  const folder = lifetime.folder("nsd");
  const port = await freePort();
  const config = [
    "server:",
    `    server-count: ${threads}`,
    `    ip-address: 127.0.0.1@${port}`,
    `    reuseport: ${threads > 1 ? "yes" : "no"}`,
    '    username: ""',
    '    chroot: ""',
    `    zonesdir: "${folder}"`,
    '    database: ""',
    `    pidfile: "${join(folder, "nsd.pid")}"`,
    `    xfrdfile: "${join(folder, "xfrd.state")}"`,
    `    zonelistfile: "${join(folder, "zone.list")}"`,
    `    xfrdir: "${folder}"`,
    "    rrl-ratelimit: 0",
    "    rrl-whitelist-ratelimit: 0",
    "    minimal-responses: yes",
    "    tcp-count: 200",
    "remote-control:",
    "    control-enable: no",
    "zone:",
    `    name: ${zone.apex}`,
    `    zonefile: "${zone.path}"`,
    "",
  ].join("\n");
  writeFileSync(join(folder, "nsd.conf"), config);
  const child = lifetime.start("nsd", ["-d", "-c", join(folder, "nsd.conf")]);
  await answering(child, port, zone.apex);
  return { name: "NSD", threads, port, child, pids: processTree(child.pid) };
}

/** A port of 127.0.0.1 that is free for UDP and TCP just now. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const isFree = await new Promise<boolean>((resolve) => {
      const socket = createSocket("udp4");
      socket.once("error", () => resolve(false));
      socket.bind({ port, address: "127.0.0.1", exclusive: true }, () => socket.close(() => resolve(true)));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}

/** Resolves when the server answers the zone's SOA by UDP without an error. */
async function answering(child: Child, port: number, apex: string): Promise<void> {
  const labels = apex.split(".").map((label) => [label.length, ...Buffer.from(label)]);
  const query = Buffer.from([0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels.flat(), 0, 0, 6, 0, 1]);
  const socket = createSocket("udp4");
  // A port where nobody listens yet.
  socket.on("error", () => {});
  try {
    const answered = new Promise<void>((resolve) => {
      socket.on("message", (reply) => {
        if (reply[1] === 7 && ((reply[3] ?? 15) & 15) === 0 && reply[7] === 1) resolve();
      });
    });
    for (const until = Date.now() + START_TIMEOUT; ; ) {
      socket.send(query, port, "127.0.0.1", () => {});
      const wait = new Promise<"wait">((resolve) => setTimeout(() => resolve("wait"), 100));
      if ((await Promise.race([answered, wait])) !== "wait") return;
      if (!child.isAlive || Date.now() > until) throw new Error(`no answer from port ${port}:\n${child.stderr}`);
    }
  } finally {
    socket.close();
  }
}
