import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Command } from "commander";
import { type Auditor, FullAuditor, StatelessAuditor } from "../audit/auditor.ts";
import { DnsEpochSource, type EpochSource, folderReader, PublishedSource, urlReader } from "../audit/epoch-source.ts";
import { verifyEpochEvidence } from "../audit/evidence.ts";
import { Freshness, readAuditTrust } from "../audit/freshness.ts";
import { RecordFeed } from "../audit/record-feed.ts";
import { TilesSource } from "../audit/tiles-source.ts";
import { DnsTransport } from "../client/transport-dns.ts";
import { SUM_GOLANG_ORG } from "../client/verify/index.ts";
import { makeWebFetch } from "../go/web-proxy.ts";
import { HttpSumdbSource } from "../sumdb/http-source.ts";
import type { SumdbSource } from "../sumdb/source.ts";
import { parseDecimal } from "../vindex/decimal.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { verifyForkEvidence } from "../vindex/evidence.ts";
import { formatVerifierKey, type VerifierKey } from "../vindex/note.ts";
import { nodeEd25519, nodeSha256 } from "../vindex/platform.ts";
import { parseDuration } from "./duration.ts";
import { EXIT, messageOf } from "./exit-code.ts";
import { explainSumdb, parseKeyArgument, parseSumdbArgument, type SumdbArgument } from "./key-argument.ts";
import { writeNewFile } from "./new-file.ts";
import { waitForSignal } from "./signal.ts";
import { parseZoneName } from "./zone-name.ts";

/** Options of `proofdns audit`, as given on the command line. */
export interface AuditOptions {
  readonly sumdb?: string;
  readonly tiles?: string;
  readonly vkey?: string;
  readonly server?: string;
  readonly published?: string;
  readonly zone?: string;
  readonly policy?: string;
  readonly logKey?: string;
  readonly from: string;
  readonly follow?: boolean;
  readonly poll: string;
  readonly maxAge: string;
  readonly stateless?: boolean;
  readonly evidence?: string;
  readonly checkEvidence?: string;
}

/** Milliseconds between two lines of progress. */
const PROGRESS_MS = 2000;

/** Makes the command `proofdns audit`. */
export function makeAuditCommand(): Command {
  return new Command("audit")
    .description("check that every epoch of a log holds exactly what the records of the checksum database give")
    .option("--sumdb <vkey url>", "key and URL of the checksum database (default: sum.golang.org's)")
    .option("--tiles <dir>", "a copy of the checksum database on disk, instead of --sumdb")
    .option(
      "--vkey <vkey>",
      "key of the checksum database, for --tiles, --stateless and --check-evidence (default: sum.golang.org's)",
    )
    .option("--server <host:port>", "name server that serves the log")
    .option("--zone <zone>", "zone of the log, such as l.example.org")
    .option("--published <dir|url>", "published files of the log, instead of --server")
    .option("--policy <file>", "policy file: the log's key, and the quorum that makes its newest epoch fresh")
    .option("--log-key <vkey>", "key of the log, instead of --policy; then nothing is said about freshness")
    .option("--from <epoch>", "first epoch to audit", "1")
    .option("--follow", "go on with new epochs until SIGINT or SIGTERM")
    .option("--poll <duration>", "time between questions for new epochs, with --follow", "60s")
    .option("--max-age <duration>", "oldest quorum that still counts as fresh", "24h")
    .option("--stateless", "from the leaf before, the published transitions and the sumdb's key alone")
    .option("--evidence <file>", "where evidence is written (default: proofdns-evidence-<epoch>.json)")
    .option(
      "--check-evidence <file>",
      "check evidence offline, and nothing else; about --vkey, and with --log-key about that log",
    )
    .addHelpText("after", "\nPrints one JSON line. Exit codes: 0 all right, 2 could not check, 3 wrong or stale.")
    .action(async (options: AuditOptions) => {
      process.exitCode = await runAudit(options, (line) => console.log(line));
    });
}

/** Runs the command, prints one line, and gives the exit code. @throws ProofdnsError for bad usage, and for evidence that shows nothing */
export function runAudit(options: AuditOptions, print: (line: string) => void): Promise<number> {
  const { checkEvidence } = options;
  return checkEvidence === undefined ? audit(options, print) : check(checkEvidence, options, print);
}

/** What an audit found; printed as one line. */
interface AuditResult {
  /**
   * `stale`: what was audited is right, and the newest epoch has no quorum, or none that is fresh. `unchecked`: something could not be
   * had, or what was had is refused and proves nothing against the log.
   */
  readonly result: "right" | "wrong" | "stale" | "unchecked";
  readonly mode: "full" | "stateless";
  readonly from: number;
  /** Last epoch that is right; one below `from` if none is. */
  readonly to: number;
  readonly epochs: number;
  readonly records: number;
  readonly seconds: number;
  /** Bytes of heads or files, and of records. */
  readonly bytes: number;
  readonly firstWrong: { epoch: number; code: string; message: string; evidence: string | null } | null;
}

/** Audits, prints the result and gives the exit code. */
async function audit(options: AuditOptions, print: (line: string) => void): Promise<number> {
  const started = performance.now();
  const stopping = new AbortController();
  const stopped = stopping.signal;
  const opened = await openAudit(options, stopped);
  const { auditor, source, from, freshness } = opened;
  const poll = parseDuration(options.poll, "--poll");
  const isFollowing = options.follow === true;
  if (isFollowing && poll === 0) refuse("--poll is at least 1s");
  if (isFollowing) void waitForSignal().then(() => stopping.abort());
  const staleNow = (): ProofdnsError | undefined => freshness.trouble(Math.floor(Date.now() / 1000));
  // What the last round that was not stopped found; before the first one nothing is known.
  let failure: ProofdnsError | undefined = new ProofdnsError(
    "NO_ANSWER",
    "stopped before the newest epoch was reached; what was audited until then is right",
  );
  for (;;) {
    try {
      await unlessStopped(auditToNewest(opened, isFollowing, stopped), stopped);
      if (!stopped.aborted) failure = undefined;
    } catch (error) {
      if (!stopped.aborted) {
        if (!isProofdnsError(error)) throw error;
        failure =
          isWrong(error) || error.kind === "unavailable"
            ? explainUrl(error, opened.sumdb)
            : refused(auditor.current, error);
      }
    }
    // Who follows asks again for what could not be had; what is wrong ends it.
    if (!isFollowing || stopped.aborted || isWrong(failure)) break;
    const trouble = failure ?? staleNow();
    if (trouble !== undefined) console.error(`proofdns: ${messageOf(trouble)}; asking again in ${options.poll}`);
    // A signal ends the wait; then the loop ends as well.
    await delay(poll * 1000, undefined, { signal: stopped }).catch(() => undefined);
  }
  const epochs = Math.max(0, auditor.epoch - from + 1);
  if (epochs === 0)
    failure ??= new ProofdnsError(
      "NO_ANSWER",
      `the log has no epoch from ${from} on: nothing was audited; give a smaller --from`,
    );
  const wrong = isWrong(failure) ? failure : undefined;
  const evidence = wrong?.evidence === undefined ? null : await save(options.evidence, auditor.current, wrong.evidence);
  // A quorum grows old whether there is something else to complain of or not.
  const stale = staleNow();
  const trouble = wrong ?? stale ?? failure;
  if (stale !== undefined && trouble === stale && failure !== undefined)
    console.error(`proofdns: ${messageOf(failure)}`);
  if (trouble !== undefined) {
    const kept = evidence === null ? "" : `; the evidence is in ${evidence}`;
    console.error(`proofdns: ${messageOf(trouble)} [${trouble.code}]${kept}`);
  }
  const result: AuditResult = {
    result:
      wrong !== undefined ? "wrong" : stale !== undefined ? "stale" : failure !== undefined ? "unchecked" : "right",
    mode: options.stateless === true ? "stateless" : "full",
    from,
    to: auditor.epoch,
    epochs,
    records: auditor.records,
    seconds: Math.round(performance.now() - started) / 1000,
    bytes: source.bytes + opened.recordBytes(),
    firstWrong:
      wrong === undefined ? null : { epoch: auditor.current, code: wrong.code, message: wrong.message, evidence },
  };
  print(JSON.stringify(result));
  if (trouble === undefined) return EXIT.proven;
  return trouble === failure && wrong === undefined ? EXIT.unchecked : EXIT.failed;
}

/** Ends with an error when it is stopped, whatever hangs. */
function unlessStopped(work: Promise<void>, stopped: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new ProofdnsError("NO_ANSWER", "stopped"));
    stopped.addEventListener("abort", stop, { once: true });
    if (stopped.aborted) stop();
    work.then(resolve, reject).finally(() => stopped.removeEventListener("abort", stop));
  });
}

/** What anyone could have made up, or another window's: whoever hands it out, it proves nothing against the log. */
function refused(epoch: number, cause: ProofdnsError): ProofdnsError {
  const behind = epoch === 0 ? "" : ` (at epoch ${epoch})`;
  const next =
    cause.code === "BAD_SUMDB_SIGNATURE" ? "; is the key in --sumdb or --vkey that of its checksum database?" : "";
  const message = `what was handed out is refused${behind}: ${cause.message} [${cause.code}]; this proves nothing against the log${next}`;
  return new ProofdnsError("NO_ANSWER", message, { cause });
}

/** Where the checksum database was looked for, if nobody said. What is signed may be wrong for other reasons. */
function explainUrl(error: ProofdnsError, sumdb: SumdbArgument): ProofdnsError {
  const explained = error.code === "UNREACHABLE" ? explainSumdb(error, sumdb) : error;
  return isProofdnsError(explained) ? explained : error;
}

/** Audits all epochs up to the newest one, and takes the quorum of that one. */
async function auditToNewest(
  { auditor, source, freshness, from }: OpenedAudit,
  isFollowing: boolean,
  stopped: AbortSignal,
): Promise<void> {
  const newest = await source.newest();
  if (newest.epoch < from && !isFollowing)
    throw new ProofdnsError(
      "NO_ANSWER",
      `the log has ${newest.epoch} epochs: there is none from ${from} on to audit; give a smaller --from`,
    );
  let last = Date.now();
  while (auditor.epoch < newest.epoch && !stopped.aborted) {
    const { epoch, leaf } = await auditor.next();
    if (Date.now() - last < PROGRESS_MS && epoch < newest.epoch) continue;
    last = Date.now();
    console.error(`epoch ${epoch} of ${newest.epoch} is right, with ${leaf.treeHead.treeSize} records`);
  }
  if (stopped.aborted || newest.epoch !== auditor.epoch || auditor.epoch < from) return;
  auditor.compare(newest);
  freshness.take(newest);
}

/** With evidence for everyone, or as the records gave another root than the log signed. All else may be the doing of who hands it out. */
function isWrong(failure: ProofdnsError | undefined): boolean {
  return failure !== undefined && (failure.evidence !== undefined || failure.code === "MAP_ROOT_MISMATCH");
}

interface OpenedAudit {
  readonly auditor: Auditor;
  readonly source: EpochSource;
  readonly freshness: Freshness;
  readonly sumdb: SumdbArgument;
  readonly from: number;
  readonly recordBytes: () => number;
}

function refuse(why: string): never {
  throw new ProofdnsError("MALFORMED_INPUT", why);
}

/** Reads everything that can be wrong before anything is asked. */
async function openAudit(options: AuditOptions, stopped: AbortSignal): Promise<OpenedAudit> {
  if ((options.server === undefined) === (options.published === undefined))
    return refuse("give either --server HOST:PORT or --published DIR|URL");
  if ((options.policy === undefined) === (options.logKey === undefined))
    return refuse("give either --policy FILE or --log-key VKEY");
  if (options.stateless === true && options.published === undefined)
    return refuse("--stateless reads transitions: it needs --published");
  const from = parseDecimal(options.from);
  if (from === undefined || from < 1)
    return refuse(`--from ${JSON.stringify(options.from)}: give the number of an epoch; they are counted from 1`);
  const [sha256, ed25519] = [nodeSha256, nodeEd25519()];
  const zone = options.zone === undefined ? undefined : parseZoneName(options.zone);
  if (options.logKey !== undefined) parseKeyArgument(options.logKey, "--log-key", "log");
  const trust = await readAuditTrust({ policy: options.policy, logKey: options.logKey, zone, ed25519, sha256 });
  const sumdb = openSumdb(options);
  const { logKey } = trust;
  const freshness = new Freshness(trust, parseDuration(options.maxAge, "--max-age"));
  const source = openSource(options, zone, logKey, sumdb.key, stopped);
  const keys = { logKey, sumdbKey: sumdb.key, sha256, ed25519, source, from };
  if (options.stateless === true) {
    return { auditor: new StatelessAuditor(keys), source, freshness, sumdb, from, recordBytes: () => 0 };
  }
  const log = (level: "info" | "alarm", message: string): void => {
    if (level === "alarm") console.error(message);
  };
  const feed = new RecordFeed({
    sumdbKey: sumdb.key,
    source: sumdb.source(),
    sha256,
    ed25519,
    log,
    signal: stopped,
  });
  const auditor = new FullAuditor({ ...keys, feed });
  return { auditor, source, freshness, sumdb, from, recordBytes: () => feed.bytes };
}

function openSource(
  options: AuditOptions,
  zone: string | undefined,
  logKey: VerifierKey,
  sumdbKey: VerifierKey,
  stopped: AbortSignal,
): EpochSource {
  const sha256 = nodeSha256;
  if (options.server !== undefined) {
    const transport = new DnsTransport({ server: options.server });
    return new DnsEpochSource({ transport, zone: zone ?? logKey.keyName.replace(/\/p1$/, ""), sumdbKey, sha256 });
  }
  const where = options.published as string;
  const read = /^https?:/.test(where)
    ? urlReader(where, makeWebFetch(process.env), stopped)
    : folderReader(resolve(where));
  return new PublishedSource({ read, logKey, sha256 });
}

/** The checksum database: its key, and where its records are. */
function openSumdb(options: AuditOptions): SumdbArgument & { readonly source: () => SumdbSource } {
  const { sumdb, tiles, vkey } = options;
  if (sumdb !== undefined && (tiles !== undefined || vkey !== undefined))
    return refuse("--sumdb names key and URL: it goes with neither --tiles nor --vkey");
  if (vkey !== undefined) parseKeyArgument(vkey, "--vkey", "checksum database");
  const named = parseSumdbArgument(sumdb ?? vkey ?? SUM_GOLANG_ORG);
  const source = (): SumdbSource =>
    tiles === undefined ? new HttpSumdbSource(named.url) : new TilesSource(resolve(tiles));
  return { ...named, source };
}

/** Writes evidence to a file that is not there yet, and gives its path. */
async function save(asked: string | undefined, epoch: number, evidence: unknown): Promise<string> {
  const text = `${JSON.stringify(evidence, undefined, 2)}\n`;
  for (let n = 1; ; n++) {
    const path = resolve(asked ?? `proofdns-evidence-${epoch}${n === 1 ? "" : `-${n}`}.json`);
    try {
      await writeNewFile(path, text);
      return path;
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === "EEXIST";
      if (isTaken && asked === undefined && n < 1000) continue;
      // What was found out weighs more than that it cannot be written down.
      console.error(`proofdns: the evidence is not written to ${path}: ${messageOf(error)}; it is\n${text}`);
      return "standard error";
    }
  }
}

/** Re-checks evidence offline; 0 if it shows what it says. */
async function check(path: string, options: AuditOptions, print: (line: string) => void): Promise<number> {
  const { logKey } = options;
  if (logKey !== undefined) parseKeyArgument(logKey, "--log-key", "log");
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `cannot read the evidence ${path}: ${messageOf(cause)}; name a file that an audit wrote`,
      { cause },
    );
  }
  const kind =
    typeof json === "object" && json !== null ? new Map<string, unknown>(Object.entries(json)).get("kind") : undefined;
  const expected = logKey === undefined ? {} : { expectedKey: logKey };
  if (kind === "fork") {
    const { keyName, older, newer } = verifyForkEvidence(json, logKey, nodeEd25519());
    print(JSON.stringify({ evidence: "fork", key: keyName, sizes: [older.treeSize, newer.treeSize] }));
    return EXIT.proven;
  }
  const expectedSumdbKey = formatVerifierKey(openSumdb(options).key);
  const { log, logKeyName, epoch, fault } = verifyEpochEvidence(json, {
    ...expected,
    expectedSumdbKey,
    sha256: nodeSha256,
    ed25519: nodeEd25519(),
  });
  print(JSON.stringify({ evidence: "epoch", log: logKeyName, logKey: log, sumdbKey: expectedSumdbKey, epoch, fault }));
  return EXIT.proven;
}
