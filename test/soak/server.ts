import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Child, Lifetime } from "../../bench/dns/lifetime.ts";
import { processTree } from "../../bench/dns/proc.ts";
import { freePort, ServeFlags } from "../../bench/dns/servers.ts";
import { makeTrust, type Trust } from "../../src/client/verify/index.ts";
import { SumdbServer } from "../../src/sumdb/server.ts";
import { KEY_TYPE_ED25519, makeSignerKey } from "../../src/vindex/note.ts";
import { nodeEd25519, nodeSha256 } from "../../src/vindex/platform.ts";

export const ZONE = "l.example.org";
const START_TIMEOUT = 120_000;

/** An epoch that the server says it serves, and when it said so, Unix milliseconds. */
export interface EpochLine {
  readonly epoch: number;
  readonly at: number;
}

/** The server under load, a process of its own, and the checksum database that it follows. */
export interface Soaked {
  readonly child: Child;
  readonly pids: readonly number[];
  readonly port: number;
  /** Where its metrics are, if this build has them. */
  readonly monitor: string | undefined;
  /** DS records of the ready line, if this build signs. */
  readonly ds: readonly string[];
  readonly trust: Trust;
  /** Epochs so far; the last is the newest. */
  readonly epochs: readonly EpochLine[];
  /** Lets the checksum database grow by some records. False if there are no more. */
  grow(records: number): boolean;
}

/** What `startSoaked` is told. */
export interface SoakedOptions {
  /** Path of the compiled command. */
  readonly main: string;
  readonly records: readonly Uint8Array[];
  /** Records of the first epoch. */
  readonly size: number;
  /** Further arguments of `proofdns serve`. */
  readonly args: readonly string[];
  readonly threads: number;
  readonly onEpoch: (line: EpochLine) => void;
}

/** Starts both, with rate limits and cookies as they are by default. */
export async function startSoaked(lifetime: Lifetime, options: SoakedOptions): Promise<Soaked> {
  const ed25519 = nodeEd25519();
  const signerKey = makeSignerKey("sumdb.example.org", KEY_TYPE_ED25519, new Uint8Array(32).fill(3), ed25519);
  const sumdb = new SumdbServer({
    signerKey,
    records: options.records,
    size: options.size,
    sha256: nodeSha256,
    ed25519,
  });
  const at = await sumdb.listen({ host: "127.0.0.1", port: 0 });
  lifetime.defer(() => sumdb.close());
  const flags = new ServeFlags(options.main);
  const monitor = flags.has("--monitor") ? `127.0.0.1:${await freePort()}` : undefined;
  const child = lifetime.start(process.execPath, [
    ...[options.main, "serve", "--zone", ZONE, "--listen", "127.0.0.1:0"],
    ...[
      "--data",
      join(lifetime.folder("soak"), "data"),
      "--sumdb",
      `${sumdb.verifierKey} http://${at.host}:${at.port}`,
    ],
    ...["--poll", "1s", "--epoch-interval", "1s", "--heartbeat", "10s"],
    ...flags.option("--threads", String(options.threads)),
    ...(monitor === undefined ? [] : ["--monitor", monitor]),
    ...options.args,
  ]);
  const epochs: EpochLine[] = [];
  const ready = await child.nextLine((line) => {
    const said = JSON.parse(line) as ReadyLine;
    return said.ready === true ? said : undefined;
  }, START_TIMEOUT);
  const noteEpoch = (epoch: number): void => {
    const line = { epoch, at: Date.now() };
    epochs.push(line);
    options.onEpoch(line);
  };
  noteEpoch(ready.epoch);
  child.onLine((line) => {
    const { epoch } = JSON.parse(line) as { epoch?: number };
    if (epoch !== undefined) noteEpoch(epoch);
  });
  return {
    child,
    pids: processTree(child.pid),
    port: Number(ready.listen.slice(ready.listen.lastIndexOf(":") + 1)),
    monitor,
    ds: typeof ready.ds === "string" ? [ready.ds] : (ready.ds ?? []),
    trust: makeTrust({
      zone: ZONE,
      policy: readFileSync(ready.policy),
      sumdbKey: ready.sumdbKey,
      sha256: nodeSha256,
      ed25519,
    }),
    epochs,
    grow: (records) => {
      if (sumdb.size === sumdb.recordCount) return false;
      sumdb.setSize(Math.min(sumdb.size + records, sumdb.recordCount));
      return true;
    },
  };
}

interface ReadyLine {
  readonly ready?: boolean;
  readonly listen: string;
  readonly policy: string;
  readonly sumdbKey: string;
  readonly epoch: number;
  readonly ds?: string | readonly string[];
}
