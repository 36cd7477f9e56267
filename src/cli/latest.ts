import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { Client } from "../client/client.ts";
import { FolderMemoryStore } from "../client/memory-store.ts";
import { DnsTransport } from "../client/transport-dns.ts";
import { makeTrust, type Subject, type Trust } from "../client/verify/index.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { familyOf, isModulePath } from "../vindex/module-path.ts";
import { nodeEd25519, nodeSha256 } from "../vindex/platform.ts";
import { parseDuration } from "./duration.ts";
import { EXIT, exitCodeOf, messageOf } from "./exit-code.ts";
import { errorToJson, exitCodeOfAnswer, formatLookup, lookupToJson } from "./latest-output.ts";
import { parseZoneName } from "./zone-name.ts";

interface LatestOptions {
  readonly zone: string;
  readonly server: string;
  readonly policy: string;
  readonly sumdbKey?: string;
  readonly state?: string;
  readonly maxAge: string;
  readonly json?: boolean;
  readonly majors?: boolean;
  readonly versions?: boolean;
  readonly toolchain?: boolean;
  readonly record?: boolean;
  readonly strict?: boolean;
}

/** Lookups under way at once. */
const AT_ONCE = 16;

/** Makes the command `proofdns latest`. */
export function makeLatestCommand(): Command {
  return new Command("latest")
    .description("look up the latest versions of Go modules, and verify every answer")
    .argument(
      "[module...]",
      "module paths, such as golang.org/x/mod; with --majors also base paths, such as gopkg.in/yaml",
    )
    .requiredOption("--zone <zone>", "zone of the index, such as l.example.org")
    .requiredOption("--server <host:port>", "name server or resolver to ask")
    .requiredOption("--policy <file>", "policy file: the log's key, the cosigners and their quorum")
    .option("--sumdb-key <vkey>", "key of the checksum database (default: sum.golang.org's)")
    .option("--state <dir>", "folder of the remembered heads (default: $XDG_STATE_HOME/proofdns)")
    .option("--max-age <duration>", "oldest quorum that still counts as fresh", "24h")
    .option("--json", "print one JSON object a line")
    .option("--majors", "show the /vN (gopkg.in: .vN) modules of each base path")
    .option("--versions", "list every version, proven complete")
    .option("--toolchain", "look up the Go toolchain instead of modules")
    .option("--record", "also prove the latest record in the checksum database: its hashes are then checksums")
    .option("--strict", "also prove that the checksum database continues the remembered one")
    .action(async (modules: string[], options: LatestOptions) => {
      process.exitCode = await latest(modules, options);
    });
}

async function latest(modules: readonly string[], options: LatestOptions): Promise<number> {
  const subjects = makeSubjects(modules, options);
  const trust = await readTrust(options);
  const client = new Client({
    trust,
    transport: new DnsTransport({ server: options.server }),
    memory: new FolderMemoryStore(options.state ?? defaultStateFolder(), trust),
  });
  let exitCode: number = EXIT.proven;
  let hasPassed = true;
  await forEachOf(subjects, async (subject) => {
    try {
      const lookup = await client.lookup(subject, {
        withRecord: options.record === true,
        isStrict: options.strict === true,
      });
      exitCode = Math.max(exitCode, exitCodeOfAnswer(lookup.answer));
      if (options.json) return JSON.stringify(lookupToJson(subject, lookup));
      return formatLookup(subject, lookup, Math.floor(Date.now() / 1000));
    } catch (error) {
      if (!isProofdnsError(error)) throw error;
      exitCode = Math.max(exitCode, exitCodeOf(error));
      // Only after everything that was asked has passed (spec/client.md §8).
      hasPassed = false;
      if (options.json) return JSON.stringify(errorToJson(subject, error));
      console.error(`proofdns: ${messageOf(error)} [${error.code}]`);
      return undefined;
    }
  });
  if (hasPassed) await client.commit();
  return exitCode;
}

/** Runs tasks with a cap, and prints what they return in the order of the items. */
async function forEachOf<T>(items: readonly T[], task: (item: T) => Promise<string | undefined>): Promise<void> {
  const outputs: (Promise<string | undefined> | undefined)[] = items.map(() => undefined);
  let next = 0;
  let printed = Promise.resolve();
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const i = next++;
      outputs[i] = task(items[i] as T);
      const output = outputs[i] as Promise<string | undefined>;
      const before = printed;
      printed = Promise.all([before, output]).then(([, text]) => {
        if (text !== undefined) console.log(text);
      });
      // A failure is seen by whoever waits for `printed`; here it only must not count as unhandled.
      printed.catch(() => {});
      await output;
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
  await printed;
}

function makeSubjects(modules: readonly string[], options: LatestOptions): Subject[] {
  const refuse = (why: string): never => {
    throw new ProofdnsError("MALFORMED_INPUT", why);
  };
  const modes = [options.majors, options.versions, options.toolchain].filter(Boolean).length;
  if (modes > 1) return refuse("--majors, --versions and --toolchain exclude each other");
  if (options.record && (options.majors || options.toolchain)) return refuse("--record goes with modules only");
  if (options.toolchain) {
    return modules.length > 0 ? refuse("--toolchain takes no modules") : [{ kind: "toolchain" }];
  }
  if (modules.length === 0) return refuse("no modules given; name at least one, such as golang.org/x/mod");
  return modules.map((path) => {
    if (options.majors) {
      // A member stands for its family: both gopkg.in/yaml and gopkg.in/yaml.v3 ask for gopkg.in/yaml.v*.
      const basePath = (isModulePath(path) ? familyOf(path)?.basePath : undefined) ?? path;
      const isBase = isModulePath(`${basePath}/v2`) || isModulePath(`${basePath}.v2`);
      return isBase
        ? { kind: "majors", basePath }
        : refuse(`${JSON.stringify(path)} is not a base path; expected one like gopkg.in/yaml`);
    }
    if (!isModulePath(path))
      return refuse(`${JSON.stringify(path)} is not a Go module path; expected one like golang.org/x/mod`);
    return { kind: "module", path, withVersions: options.versions === true };
  });
}

async function readTrust(options: LatestOptions): Promise<Trust> {
  let policy: Buffer;
  try {
    policy = await readFile(options.policy);
  } catch (error) {
    throw new ProofdnsError("MALFORMED_POLICY", `cannot read the policy ${options.policy}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return makeTrust({
    zone: parseZoneName(options.zone),
    policy,
    ...(options.sumdbKey === undefined ? {} : { sumdbKey: options.sumdbKey }),
    maxAge: parseDuration(options.maxAge),
    sha256: nodeSha256,
    ed25519: nodeEd25519(),
  });
}

function defaultStateFolder(): string {
  const state = process.env["XDG_STATE_HOME"];
  return join(state?.startsWith("/") ? state : join(homedir(), ".local", "state"), "proofdns");
}
