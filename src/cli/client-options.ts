import { join } from "node:path";
import type { Command } from "commander";
import { type AnswerCache, NoAnswerCache } from "../client/answer-cache.ts";
import { FolderAnswerCache } from "../client/answer-cache-folder.ts";
import { Client, type Lookup } from "../client/client.ts";
import { FolderMemoryStore } from "../client/memory-folder.ts";
import type { MemoryStore } from "../client/memory-store.ts";
import type { QueryOptions, Transport, TxtReply } from "../client/transport.ts";
import { parseTransport } from "../client/transport-system.ts";
import { formatProofSubject } from "../client/verify/files.ts";
import { makeTrust, type Subject, type Trust } from "../client/verify/index.ts";
import { type GoEnv, SUMDB_OFF, whyPrivate } from "../go/go-env.ts";
import { GoModSource } from "../go/go-mod-source.ts";
import { printable } from "../input/printable.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { nodeEd25519, nodeSha256 } from "../vindex/platform.ts";
import type { Policy } from "../vindex/policy.ts";
import { parseDuration } from "./duration.ts";
import { readVariable } from "./environment.ts";
import { EXIT } from "./exit-code.ts";
import { cacheFolder, stateFolder } from "./folders.ts";
import { findKeptForks, type KeptFork } from "./kept-evidence.ts";
import { sumdbKeyText } from "./key-options.ts";
import { Later } from "./later.ts";
import { readPolicy } from "./policy-file.ts";
import { proveRecord } from "./session-record.ts";
import { parseZoneName } from "./zone-name.ts";

/** What `addClientOptions` adds, as commander hands it over. */
export interface ClientCommandOptions {
  readonly zone?: string;
  readonly server?: readonly string[];
  readonly policy?: string;
  readonly sumdbKey?: string;
  readonly state?: string;
  readonly cache?: string | false;
  readonly maxAge: string;
  /** False with `--no-freshness`. */
  readonly freshness: boolean;
  readonly offline?: boolean;
  readonly timeout: string;
  readonly jobs: string;
  readonly hashed?: boolean;
  readonly strict?: boolean;
  /** Not an option of all commands. */
  readonly quiet?: boolean;
}

/** All that a command needs to look things up. */
export interface Session {
  readonly client: Client;
  readonly trust: Trust;
  readonly transport: Transport;
  readonly memory: MemoryStore;
  readonly cache: AnswerCache;
  readonly goEnv: GoEnv;
  readonly goMods: GoModSource;
  /** To be waited for before `close`. */
  readonly later: Later;
  /** Lookups under way at once. */
  readonly jobs: number;
  readonly isOffline: boolean;
  /** True if `--strict` was given. */
  readonly isStrict: boolean;
  /** Evidence that counts until it is moved away: the command ends with 3, whatever it proves. */
  readonly keptForks: readonly KeptFork[];
  close(): void;
}

const DEFAULT_JOBS = 64;

/** Adds the options of all commands that ask an index. */
export function addClientOptions(command: Command): Command {
  return command
    .option("--zone <zone>", "zone of the index (default: $PROOFDNS_ZONE, or that of the policy's one log)")
    .option(
      "--server <host:port|url|system>",
      "name server or resolver to ask; repeat it for more, first to last (default: $PROOFDNS_SERVER, or the system's)",
      // Not variadic: it would take the modules that follow for servers.
      (server: string, before: readonly string[] = []) => [...before, server],
    )
    .option(
      "--policy <file|name>",
      "whom to trust: policy file, or name of a kept one (default: $PROOFDNS_POLICY, or the policy named default)",
    )
    .option("--sumdb-key <vkey>", "key of the checksum database (default: that of GOSUMDB, else sum.golang.org's)")
    .option("--state <dir>", "folder of the remembered heads (default: $XDG_STATE_HOME/proofdns)")
    .option("--cache <dir>", "folder of kept answers and proofs (default: $XDG_CACHE_HOME/proofdns)")
    .option("--no-cache", "neither use nor keep answers and proofs of earlier runs")
    .option("--max-age <duration>", "oldest quorum that still counts as fresh", "24h")
    .option("--no-freshness", "go on although the policy's quorum is none and nothing proves freshness")
    .option("--offline", "ask nobody: answer from what earlier runs proved and kept, and say how old it is")
    .option("--timeout <duration>", "longest time for one lookup", "30s")
    .option("--jobs <n>", "lookups under way at once", String(DEFAULT_JOBS))
    .option("--hashed", "ask by hashes instead of names: hides names that cannot be guessed")
    .option("--strict", "also prove that the checksum database continues the remembered one");
}

/**
 * Reads keys and settings, and makes the client. Nothing is asked yet.
 *
 * @throws ProofdnsError `MALFORMED_POLICY`, `MALFORMED_INPUT`, `NO_LOG_KEY`, `NO_FRESHNESS` and others of the user's own input
 */
export async function openClient(options: ClientCommandOptions, goEnv: GoEnv): Promise<Session> {
  const jobs = parseJobs(options.jobs);
  const timeout = parseTimeout(options.timeout);
  const trust = await readTrust(options, goEnv);
  const isOffline = options.offline === true;
  if (isOffline && options.cache === false)
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      "--offline answers from the cache, which --no-cache leaves out: leave out one of them",
    );
  if (options.hashed === true && !isOffline && options.quiet !== true) {
    console.error(
      "proofdns: --hashed hides only names that nobody can guess; those of public modules are found by hashing all of them",
    );
  }
  const transport: Transport = isOffline ? new NoTransport() : makeTransport(options.server);
  const heads = options.state ?? stateFolder();
  const memory = new FolderMemoryStore(heads, trust);
  const keptForks = await findKeptForks(heads, trust);
  for (const { error } of keptForks) console.error(`proofdns: ${error.message} [${error.code}]`);
  // However the command ends: main.ts lowers it for no error that is thrown.
  if (keptForks.length > 0) process.exitCode = EXIT.failed;
  const folder = options.cache === false ? undefined : (options.cache ?? cacheFolder());
  const notes = new Set<string>();
  const onIgnored = (message: string): void => {
    if (!notes.has(message)) console.error(`proofdns: ${printable(message, 600)}`);
    notes.add(message);
  };
  const cache = folder === undefined ? undefined : new FolderAnswerCache({ folder, trust, memory, onIgnored });
  const later = new Later();
  const goMods = new GoModSource({
    moduleCache: goEnv.GOMODCACHE,
    folder: folder === undefined ? undefined : join(folder, "go-mod-files"),
    onIgnored,
  });
  // Now and then is enough, and no command waits for it.
  if (Math.random() < 0.02) {
    void cache?.prune();
    void goMods.prune();
  }
  return {
    client: new Client({ trust, transport, memory, isHashed: options.hashed === true, timeout }),
    trust,
    transport,
    memory,
    cache: cache ?? new NoAnswerCache(),
    goEnv,
    goMods,
    later,
    jobs,
    isOffline,
    isStrict: options.strict === true,
    keptForks,
    close: () => {
      later.abandon();
      transport.close?.();
    },
  };
}

function makeTransport(given: readonly string[] | undefined): Transport {
  const several = given?.find((text) => /,\s*https?:/i.test(text) || (text.includes(",") && !text.includes("://")));
  if (several !== undefined) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `--server ${JSON.stringify(printable(several, 100))}: it takes one server; repeat --server for more`,
    );
  }
  const servers =
    given ??
    readVariable("PROOFDNS_SERVER")
      ?.split(/[\s,]+/)
      .filter((text) => text !== "") ??
    [];
  try {
    return servers.length === 0 ? new SystemTransport(parseTransport([])) : parseTransport(servers);
  } catch (error) {
    if (given === undefined && isProofdnsError(error, "MALFORMED_INPUT"))
      throw new ProofdnsError("MALFORMED_INPUT", `$PROOFDNS_SERVER: ${error.message}`, { cause: error });
    if (servers.length > 0 || !isProofdnsError(error, "UNREACHABLE")) throw error;
    throw new ProofdnsError("UNREACHABLE", `${error.message}: --server HOST:PORT or $PROOFDNS_SERVER`, {
      cause: error,
    });
  }
}

/** The system's resolvers, called so in errors: nobody has named them here. */
class SystemTransport implements Transport {
  readonly #inner: Transport;

  constructor(inner: Transport) {
    this.#inner = inner;
  }

  get ways(): number {
    return this.#inner.ways ?? 1;
  }

  async query(name: Uint8Array, options?: QueryOptions): Promise<TxtReply> {
    try {
      return await this.#inner.query(name, options);
    } catch (error) {
      if (!isProofdnsError(error, "UNREACHABLE", "REFUSED", "MALFORMED_MESSAGE")) throw error;
      const message = `${error.message} (it is this system's resolver; --server or $PROOFDNS_SERVER names another)`;
      throw new ProofdnsError(error.code, message, { cause: error });
    }
  }

  close(): void {
    this.#inner.close?.();
  }
}

/** Asks nobody. */
class NoTransport implements Transport {
  query(): Promise<never> {
    return Promise.reject(new ProofdnsError("NO_ANSWER", "nothing is asked with --offline; leave it out to ask"));
  }
}

/**
 * Reads the trust of a command: policy, zone, keys.
 *
 * @throws ProofdnsError as `openClient`
 */
export async function readTrust(
  options: Pick<ClientCommandOptions, "zone" | "policy" | "sumdbKey" | "maxAge" | "freshness">,
  goEnv: Pick<GoEnv, "GOSUMDB">,
): Promise<Trust> {
  const { bytes, policy } = await readPolicy(options.policy ?? readVariable("PROOFDNS_POLICY"));
  const trust = makeTrust({
    zone: zoneOf(options.zone, policy),
    policy: bytes,
    sumdbKey: sumdbKeyText(options.sumdbKey, goEnv),
    maxAge: parseDuration(options.maxAge, "--max-age"),
    isFreshnessRequired: options.freshness,
    sha256: nodeSha256,
    ed25519: nodeEd25519(),
  });
  if (trust.policy.quorum === undefined && trust.isFreshnessRequired) {
    throw new ProofdnsError(
      "NO_FRESHNESS",
      "the policy's quorum is none, so nothing proves that an answer is the latest: name cosigners and a quorum in it, or say --no-freshness",
    );
  }
  return trust;
}

function zoneOf(given: string | undefined, policy: Policy): string {
  if (given !== undefined) return parseZoneName(given);
  const variable = readVariable("PROOFDNS_ZONE");
  if (variable !== undefined) {
    try {
      return parseZoneName(variable);
    } catch (error) {
      if (!(error instanceof ProofdnsError)) throw error;
      throw new ProofdnsError(error.code, `$PROOFDNS_ZONE: ${error.message}`, { cause: error });
    }
  }
  const names = policy.logs.map(({ verifierKey }) => verifierKey.keyName);
  const [only, ...others] = names.filter((name) => name.endsWith("/p1"));
  if (only !== undefined && others.length === 0) return parseZoneName(only.slice(0, -"/p1".length));
  throw new ProofdnsError(
    "MALFORMED_INPUT",
    `the policy names ${only === undefined ? "no log of a zone" : names.map((name) => printable(name)).join(", ")}: say which by --zone or $PROOFDNS_ZONE`,
  );
}

/** Reads `--timeout`; milliseconds. @throws ProofdnsError `MALFORMED_INPUT` */
export function parseTimeout(text: string): number {
  const seconds = parseDuration(text, "--timeout");
  // Longer timers fire at once.
  if (seconds < 1 || seconds > 86_400)
    throw new ProofdnsError("MALFORMED_INPUT", `--timeout ${JSON.stringify(text)}: expected 1s to 1d`);
  return 1000 * seconds;
}

function parseJobs(text: string): number {
  const jobs = /^[1-9][0-9]{0,3}$/.test(text) ? Number(text) : undefined;
  if (jobs === undefined || jobs > 1000)
    throw new ProofdnsError("MALFORMED_INPUT", `--jobs ${JSON.stringify(text)}: expected a number from 1 to 1000`);
  return jobs;
}

/** What came of one lookup. */
export type LookupOutcome =
  | {
      readonly lookup: Lookup;
      /** True if it is from the cache, and nobody was asked. */
      readonly isCached: boolean;
    }
  | { readonly error: unknown };

export interface LookupAllOptions {
  /** Also proves the latest record in the checksum database. */
  readonly withRecord?: boolean;
  readonly signal?: AbortSignal;
}

/** Why a subject is not asked for, as cmd/go would not tell a checksum database of it; undefined if it may be. */
export function whyNotAsked(goEnv: GoEnv, subject: Subject): string | undefined {
  // The go command looks toolchains up whatever is private, but not where there is no checksum database.
  if (subject.kind === "toolchain") return goEnv.GOSUMDB === "off" ? SUMDB_OFF : undefined;
  return whyPrivate(goEnv, subject.kind === "module" ? subject.path : subject.basePath);
}

/**
 * Looks subjects up, at most `session.jobs` at once, each distinct one once, private ones not at all (`PRIVATE_MODULE`). `each` is called once for every
 * index of `subjects`, in the order in which outcomes come. What is kept of them is written when `session.later` is done. Only `ProofdnsError`s are outcomes; anything else rejects.
 */
export async function lookupAll(
  session: Session,
  subjects: readonly Subject[],
  options: LookupAllOptions,
  each: (index: number, outcome: LookupOutcome) => void,
): Promise<void> {
  const wanted = new Map<string, { subject: Subject; indexes: number[] }>();
  for (const [index, subject] of subjects.entries()) {
    const id = formatProofSubject(subject);
    const known = wanted.get(id);
    if (known === undefined) wanted.set(id, { subject, indexes: [index] });
    else known.indexes.push(index);
  }
  const asked: { subject: Subject; lookup: Lookup }[] = [];
  await forEachAtOnce(session.jobs, [...wanted.values()], async ({ subject, indexes }) => {
    const outcome = await lookupOne(session, subject, options);
    if ("lookup" in outcome && !outcome.isCached) asked.push({ subject, lookup: outcome.lookup });
    for (const index of indexes) each(index, outcome);
  });
  // After all outcomes: what is kept for the next time takes no place from them.
  const { client, cache, later } = session;
  for (const { subject, lookup } of asked) later.add((signal) => cache.write(subject, lookup, client, { signal }));
}

async function lookupOne(session: Session, subject: Subject, options: LookupAllOptions): Promise<LookupOutcome> {
  const { client, cache, isOffline, isStrict } = session;
  const { signal, withRecord = false } = options;
  try {
    const why = whyNotAsked(session.goEnv, subject);
    if (why !== undefined)
      throw new ProofdnsError(
        "PRIVATE_MODULE",
        `${formatProofSubject(subject)} was not asked for: it is private (${why})`,
      );
    const cached = isStrict ? undefined : await cache.read(subject, { isOffline });
    if (cached === undefined && isOffline) {
      throw new ProofdnsError(
        "NO_ANSWER",
        `no cached answer for ${formatProofSubject(subject)}; ask for it once without --offline`,
      );
    }
    const call = signal === undefined ? {} : { signal };
    const lookup = cached ?? (await client.lookup(subject, { isStrict, ...call }));
    const isCached = cached !== undefined;
    const { answer } = lookup;
    if (!withRecord || answer.kind !== "module") return { lookup, isCached };
    const { latest, zipHash, goModHash } = answer.value;
    const record = {
      path: answer.path,
      version: latest.version.text,
      zipHash,
      goModHash,
      logIndex: latest.logIndex,
    };
    // A head from the cache is none that this client has compared with others.
    const { queries } = await proveRecord(session, record, isCached ? call : { ...call, head: answer.head });
    return { lookup: { ...lookup, isRecordProven: true, queries: lookup.queries + queries }, isCached };
  } catch (error) {
    if (error instanceof ProofdnsError) return { error };
    throw error;
  }
}

/** Runs a task for each item, with a cap; rejects with the first failure. */
export async function forEachAtOnce<T>(
  cap: number,
  items: readonly T[],
  task: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) await task(items[next++] as T);
  };
  await Promise.all(Array.from({ length: Math.min(cap, items.length) }, worker));
}
