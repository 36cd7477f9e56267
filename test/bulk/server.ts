import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeTrust, type Trust } from "../../src/client/verify/index.ts";
import { nodeEd25519, nodeSha256 } from "../../src/vindex/platform.ts";
import { Command } from "../cli/process.ts";

/** `proofdns serve` over `proofdns sumdb`, as an operator runs them, with the rate limits that they have by default. */

export const ZONE = "l.example.org";
/** Modules with a name each. */
export const MODULES = 500;
/** Before all other records, so that later ones are another epoch. */
const FILLER = 3000;

const h1 = (n: number): string => `h1:${Buffer.alloc(32, n % 251).toString("base64")}`;
export const paths: readonly string[] = Array.from(
  { length: MODULES },
  (_, i) => `example.com/group${i % 20}/module${i}`,
);

export interface BulkServer {
  readonly port: number;
  readonly trust: Trust;
  /** Paths of the policy file, and of a folder for whatever a test needs. */
  readonly policy: string;
  readonly sumdbKey: string;
  readonly folder: string;
  /** Lets the checksum database grow by some records: the next epoch covers them. */
  grow(count: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startBulkServer(...more: readonly string[]): Promise<BulkServer> {
  const folder = await mkdtemp(join(tmpdir(), "proofdns-bulk-"));
  const records = join(folder, "records.tsv");
  const lines = [
    ...Array.from({ length: FILLER }, (_, i) => `example.net/filler${i}\tv1.0.${i}\t${h1(i)}\t${h1(i + 1)}\n`),
    ...paths.map((path, i) => `${path}\tv1.${i}.0\t${h1(i)}\t${h1(i + 2)}\n`),
  ];
  const known = lines.length;
  const later = Array.from({ length: 400 }, (_, i) => `example.org/later${i}\tv1.0.0\t${h1(i)}\t${h1(i + 3)}\n`);
  await writeFile(records, [...lines, ...later].join(""));
  const commands: Command[] = [];
  const start = (...args: string[]): Command => {
    const command = new Command(args);
    commands.push(command);
    return command;
  };
  const sumdb = start(
    ...["sumdb", "--records", records, "--listen", "127.0.0.1:0", "--data", join(folder, "sumdb")],
    ...["--size", String(known), "--test-control"],
  );
  const { vkey, url } = await sumdb.json();
  const serve = start(
    ...["serve", "--zone", ZONE, "--listen", "127.0.0.1:0", "--data", join(folder, "serve")],
    ...["--sumdb", `${vkey} ${url}`, ...more],
  );
  const { listen, policy, sumdbKey } = await serve.json();
  const trust = makeTrust({
    zone: ZONE,
    policy: await readFile(String(policy)),
    sumdbKey: String(sumdbKey),
    sha256: nodeSha256,
    ed25519: nodeEd25519(),
  });
  let size = known;
  return {
    port: Number(String(listen).replace(/^.*:/, "")),
    trust,
    policy: String(policy),
    sumdbKey: String(sumdbKey),
    folder,
    grow: async (count) => {
      size += count;
      const { status } = await fetch(`${String(url)}/ctl/size?n=${size}`, { method: "POST" });
      if (status !== 200) throw new Error(`the checksum database does not grow: ${status}`);
    },
    stop: async () => {
      await Promise.all(commands.map((command) => command.stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
