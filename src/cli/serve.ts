import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { makePublishing } from "../audit/publishing.ts";
import { isHalfBuilt } from "../build/build.ts";
import { DnsTransport } from "../client/transport-dns.ts";
import { makeTrust, SUM_GOLANG_ORG, type Trust } from "../client/verify/trust.ts";
import { bindError } from "../dns/bind-error.ts";
import { ZoneSigner } from "../dns/dnssec/index.ts";
import { DOH_PATH } from "../dns/doh/request.ts";
import type { ListenAddress } from "../dns/server.ts";
import { makeZone, type NameServerConfig } from "../dns/zone.ts";
import { LOG_LEVELS, type Logger, makeLogger, parseLogLevel } from "../service/log.ts";
import type { ResponderConfig } from "../service/responder-config.ts";
import { checkSigning } from "../service/self-check.ts";
import { Service, type ServiceOptions } from "../service/service.ts";
import { parseWitness } from "../service/witness.ts";
import { STATES_FILE } from "../store/file-set.ts";
import { Store } from "../store/store.ts";
import { SumdbFollower } from "../sumdb/follower.ts";
import { HttpSumdbSource } from "../sumdb/http-source.ts";
import { DirectoryTileCache } from "../sumdb/tile-cache.ts";
import { parseDecimal } from "../vindex/decimal.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import {
  formatVerifierKey,
  KEY_TYPE_COSIGNATURE,
  KEY_TYPE_ED25519,
  type SignerKey,
  type VerifierKey,
} from "../vindex/note.ts";
import { nodeEd25519, nodeSha256 } from "../vindex/platform.ts";
import { formatPolicy, parsePolicy } from "../vindex/policy.ts";
import { parseDuration } from "./duration.ts";
import { messageOf } from "./exit-code.ts";
import { formatHostPort, parseHostPort } from "./host-port.ts";
import { explainSumdb, parseKeyArgument, parseSumdbArgument, type SumdbArgument } from "./key-argument.ts";
import { readOrMakeSignerKey } from "./key-file.ts";
import {
  addNameServerOptions,
  NAME_SERVER_DEFAULTS,
  type NameServerOptions,
  type NameServerSettings,
  openResponderConfig,
  parseNameServerOptions,
  readResponderConfig,
  readTlsFiles,
} from "./name-server-options.ts";
import { makeServeMonitor } from "./serve-monitor.ts";
import { Reloader } from "./serve-reload.ts";
import { waitForSignal } from "./signal.ts";
import { parseZoneName } from "./zone-name.ts";

/** Options of `proofdns serve`, as given on the command line. */
export interface ServeOptions extends Partial<NameServerOptions> {
  readonly zone: string;
  readonly listen: string;
  readonly data: string;
  readonly sumdb: string;
  readonly poll: string;
  readonly heartbeat: string;
  readonly epochInterval: string;
  readonly maxStall: string;
  readonly ns?: readonly string[];
  readonly hostmaster?: string;
  readonly witness?: readonly string[];
  readonly peer?: readonly string[];
  /** False with `--no-record-proofs`. */
  readonly recordProofs?: boolean;
  readonly publish?: string;
  readonly newLog?: boolean;
  readonly soleSigner?: boolean;
  readonly overrideSize?: string;
  readonly logFormat?: string;
  readonly logLevel?: string;
}

/** Makes the command `proofdns serve`. */
export function makeServeCommand(): Command {
  const command = new Command("serve")
    .description("follow a checksum database, build and sign its index, and serve it as the name server of a zone")
    .requiredOption("--zone <zone>", "zone to serve, such as l.example.org")
    .requiredOption("--listen <host:port>", "where to serve DNS by UDP and TCP; port 0 takes a free one")
    .requiredOption("--data <dir>", "folder of keys, policy and store; made at the first start")
    .option("--sumdb <vkey url>", "key and URL of the checksum database", `${SUM_GOLANG_ORG} https://sum.golang.org`)
    .option("--poll <duration>", "time between questions to the checksum database", "60s")
    .option("--heartbeat <duration>", "time between cosignatures of the clock", "60s")
    .option("--epoch-interval <duration>", "least time between epochs", "10m")
    .option("--max-stall <duration|off>", "the clock stops when the checksum database has not grown for so long", "6h")
    .option(
      "--ns <name=addresses...>",
      "name servers of the zone, as NAME or NAME=ADDRESS,… (default: ns1.<zone> with the address of --listen)",
    )
    .option("--hostmaster <mailbox>", "mailbox in the SOA (default: hostmaster.<zone>)")
    .option("--witness <vkey url...>", "witnesses that are asked to cosign; name them in the policy file too")
    .option(
      "--peer <host:port...>",
      "other servers of the zone with the same key; asked before the first signature after a start",
    )
    .option(
      "--no-record-proofs",
      "do not keep the hashes of records (32 bytes each): _record and _sumdb have no answers, now and for ever with this store",
    )
    .option("--publish <dir>", "folder to publish each epoch and its transition in, as files, for auditors")
    .option("--new-log", "sign although the key has no store: only if nothing was ever published with this key")
    .option(
      "--sole-signer",
      "sign with a loaded snapshot without asking a peer or a witness: only if no other server signs with this key, for two fork the log, and the snapshot has its newest epoch",
    )
    .option("--override-size <n>", "sign although a witness knows the log at size n, larger than the store")
    .option("--log-format <text|json>", "form of the log, which goes to standard error", "text")
    .option("--log-level <level>", "alarm, info, debug, or trace, which alone shows names that were asked", "info");
  return addNameServerOptions(command)
    .addHelpText(
      "after",
      "\nSIGHUP reads DNSSEC keys, cookie secrets and the certificate of --doh again. SIGTERM answers what has arrived, and ends.",
    )
    .action(async (options: ServeOptions) => {
      await runServe(options, { hooks: {}, print: (line) => console.log(line) });
    });
}

/** What a test puts between: hooks of the service, and where the lines go. */
export interface ServeSeams {
  readonly hooks: Pick<ServiceOptions, "onStep" | "flushAfter" | "sortAlways">;
  readonly print: (line: string) => void;
}

/** Serves until SIGINT or SIGTERM. */
export async function runServe(options: ServeOptions, seams: ServeSeams): Promise<void> {
  const stopped = waitForSignal();
  const log = makeServeLog(options);
  const reloader = new Reloader((error) => log("alarm", `not reloaded: ${messageOf(error)}; what was there serves on`));
  try {
    await serve(options, seams, log, stopped, reloader);
  } finally {
    await reloader.close();
  }
}

async function serve(
  options: ServeOptions,
  seams: ServeSeams,
  log: Logger,
  stopped: Promise<string>,
  reloader: Reloader,
): Promise<void> {
  const opened = await openService(options, seams, log);
  const { service, config, policyPath, sumdb, zone } = opened;
  let isDraining = false;
  const { settings, heartbeat } = opened;
  const watched = {
    service,
    config: () => opened.config,
    threads: Math.max(1, settings.threads),
    heartbeat,
    isDraining: () => isDraining,
  };
  const monitor = settings.monitor === undefined ? undefined : makeServeMonitor(settings.monitor, watched, log);
  try {
    const monitorAddress = await monitor?.listen().catch((cause: unknown) => {
      throw bindError(`serve the monitor on ${options.monitor}`, "--monitor", cause);
    });
    const starting = service.start().catch((error: unknown) => {
      throw explainSumdb(error, sumdb);
    });
    // Stopped before it was ready: whatever the start still throws is of no interest then.
    starting.catch(() => {});
    const started = await Promise.race([starting, stopped]);
    if (typeof started !== "string") {
      const { address, served } = started;
      reloader.attach(() => reload(opened, log));
      const listen = formatHostPort({ host: address.address, port: address.port });
      const ds = config.keys === undefined ? [] : new ZoneSigner(config.keys).ds;
      const doh = service.dohAddresses.map((each) => formatDohUrl(each, settings.doh?.files !== undefined));
      const ready = {
        ready: true,
        zone,
        listen,
        ...(monitorAddress === undefined ? {} : { monitor: formatHostPort(monitorAddress) }),
        ...(doh.length === 0 ? {} : { doh }),
        policy: policyPath,
        sumdbKey: formatVerifierKey(sumdb.key),
        ...(ds.length === 0 ? {} : { ds }),
        ...served,
      };
      seams.print(JSON.stringify(ready));
      log("info", `serving ${zone} on ${listen}; stop with SIGTERM`);
      for (const url of doh) log("info", `DNS over HTTPS at ${url}`);
      if (doh.length > 0 && settings.doh?.files === undefined) {
        log(
          "info",
          "--doh without --doh-cert is plain HTTP: let only a proxy that speaks TLS reach it. Every asker has the proxy's address, for no header is trusted",
        );
      }
      for (const one of ds) log("info", `the parent of ${zone} needs: ${zone} DS ${one}`);
      await stopped;
    }
    log("info", "stopping");
  } finally {
    isDraining = true;
    await service.close();
    await monitor?.close();
  }
}

function formatDohUrl({ address, port }: ListenAddress, hasTls: boolean): string {
  return `${hasTls ? "https" : "http"}://${formatHostPort({ host: address, port })}${DOH_PATH}`;
}

function makeServeLog(options: ServeOptions): Logger {
  const { logFormat = "text", logLevel = "info" } = options;
  if (logFormat !== "text" && logFormat !== "json") {
    throw new ProofdnsError("MALFORMED_INPUT", `--log-format ${JSON.stringify(logFormat)}: it is text or json`);
  }
  const level = parseLogLevel(logLevel);
  if (level === undefined) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `--log-level ${JSON.stringify(logLevel)}: it is ${LOG_LEVELS.join(", ")}`,
    );
  }
  return makeLogger({ format: logFormat, level });
}

/** Reads keys and secrets anew; what cannot be used changes nothing, and what is missing is not made. */
async function reload(opened: OpenedService, log: Logger): Promise<void> {
  const { folder, bareZone, settings, config } = opened;
  const read = await readResponderConfig(folder, bareZone, config.zone, settings, (message) => log("alarm", message));
  // The table of the rate limit goes on, and its key with it.
  const next = { ...config, keys: read.keys, cookieSecrets: read.cookieSecrets };
  checkSigning(next, Math.floor(Date.now() / 1000));
  const tls = await readTlsFiles(settings.doh);
  await opened.service.reload(next);
  if (tls !== undefined) await opened.service.setTls(tls);
  opened.config = next;
  log("info", "keys and secrets were read again");
}

/** A service and what it was opened with. */
interface OpenedService {
  readonly service: Service;
  readonly settings: NameServerSettings;
  /** What the responders are made of just now. */
  config: ResponderConfig;
  readonly folder: string;
  readonly policyPath: string;
  readonly sumdb: SumdbArgument;
  /** With the final dot. */
  readonly zone: string;
  readonly bareZone: string;
  /** Seconds. */
  readonly heartbeat: number;
}

/** Reads everything that can be wrong before anything is made, then makes keys, policy and store. */
async function openService(options: ServeOptions, seams: ServeSeams, log: Logger): Promise<OpenedService> {
  const settings = await parseNameServerOptions({ ...NAME_SERVER_DEFAULTS, ...options });
  const { host, port } = parseHostPort(options.listen, "--listen");
  const bareZone = parseZoneName(options.zone);
  const zone = makeZone({
    apex: bareZone,
    nameServers: makeNameServers(options.ns, bareZone, host),
    hostmaster: options.hostmaster ?? `hostmaster.${bareZone}`,
  });
  const sumdb = parseSumdbArgument(options.sumdb);
  const source = new HttpSumdbSource(sumdb.url);
  const witnesses = (options.witness ?? []).map((text) => {
    parseKeyArgument(text.trim().split(/[ \t]/)[0] ?? "", "--witness", "witness");
    return parseWitness(text);
  });
  const peers = (options.peer ?? []).map((name) => ({ name, transport: new DnsTransport({ server: name }) }));
  const times = {
    poll: parseDuration(options.poll, "--poll"),
    heartbeat: parseDuration(options.heartbeat, "--heartbeat"),
    epochInterval: parseDuration(options.epochInterval, "--epoch-interval"),
    maxStall: options.maxStall === "off" ? undefined : parseDuration(options.maxStall, "--max-stall"),
  };
  if (times.poll === 0 || times.heartbeat === 0) {
    throw new ProofdnsError("MALFORMED_INPUT", "--poll and --heartbeat are at least 1s");
  }
  const overrideSize = options.overrideSize === undefined ? undefined : parseDecimal(options.overrideSize);
  if (options.overrideSize !== undefined && overrideSize === undefined) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `--override-size ${JSON.stringify(options.overrideSize)}: give the size that the witness named, a number`,
    );
  }
  const folder = resolve(options.data);
  const { logKey, clockKey, store } = await openStore(folder, bareZone, sumdb.key, options.newLog === true, log);
  try {
    const warn = (message: string): void => log("alarm", message);
    const opened = await openResponderConfig(folder, bareZone, zone, settings, warn);
    const config = { ...opened, trace: log.writes("trace") ? log.format : undefined };
    // A key that does not sign as it must is found before anything is bound.
    checkSigning(config, Math.floor(Date.now() / 1000));
    const tls = await readTlsFiles(settings.doh);
    const doh = settings.doh === undefined ? {} : { doh: { ...settings.doh, tls } };
    const policyPath = join(folder, "policy");
    const policy = await openPolicy(policyPath, bareZone, logKey, clockKey);
    const tileCache = new DirectoryTileCache(join(folder, "tiles"));
    const publishing =
      options.publish === undefined
        ? undefined
        : makePublishing({
            folder: resolve(options.publish),
            dataFolder: folder,
            sumdbKey: sumdb.key,
            logKey: logKey.verifierKey,
            cosigners: policy.witnesses.map(({ verifierKey }) => verifierKey),
            sha256: nodeSha256,
            log,
          });
    const service = await Service.open({
      zone,
      host,
      port,
      store,
      follower: new SumdbFollower({
        verifierKey: sumdb.key,
        source,
        tileCache,
        log,
        sha256: nodeSha256,
        ed25519: nodeEd25519(),
      }),
      sumdbKey: sumdb.key,
      logKey,
      clockKey,
      policy,
      witnesses,
      peers,
      isSoleSigner: options.soleSigner === true,
      front: { config, threads: settings.threads, limits: settings.limits, drain: settings.drain, ...doh },
      ...times,
      log,
      onEpoch: (served) => seams.print(JSON.stringify(served)),
      onProgress: makeProgress(log),
      recordProofs: options.recordProofs !== false,
      ...(publishing === undefined ? {} : { publishing }),
      onFork: (evidence) => saveEvidence(folder, evidence, log),
      onCommitted: (sumdbSize) => tileCache.removeBelow(sumdbSize),
      ...(overrideSize === undefined ? {} : { overrideSize }),
      ...seams.hooks,
    });
    return {
      service,
      settings,
      config,
      folder,
      policyPath,
      sumdb,
      zone: `${bareZone}.`,
      bareZone,
      heartbeat: times.heartbeat,
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Says how far a long fetch is, at most every two seconds. */
function makeProgress(log: Logger): (done: number, total: number) => void {
  let last = Date.now();
  return (done, total) => {
    const now = Date.now();
    if (now - last < 2_000) return;
    last = now;
    log("info", `verified ${done} of ${total} new records (${Math.floor((100 * done) / total)} %)`);
  };
}

/**
 * Opens keys and store together. A key without its store would sign a second log under the same name, and a store without its key
 * cannot go on: both are refused. A store that was built and never served is of no log yet: it becomes that of the key.
 */
async function openStore(
  folder: string,
  zone: string,
  sumdbKey: VerifierKey,
  isNewLog: boolean,
  log: Logger,
): Promise<{ logKey: SignerKey; clockKey: SignerKey; store: Store }> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new ProofdnsError("STORE_UNUSABLE", `cannot make the folder ${folder}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const keyPath = join(folder, "log.key");
  const storeFolder = join(folder, "store");
  const hasStore = existsSync(join(storeFolder, "CURRENT"));
  const hasKey = existsSync(keyPath);
  // Until the store exists the key has another name, so that a crash in between is no "key without its store".
  const newKeyPath = `${keyPath}.new`;
  if (hasKey && !hasStore && !isNewLog) {
    throw new ProofdnsError(
      "KEY_UNUSABLE",
      `${keyPath} exists and the store ${storeFolder} does not: signing again could fork the log. Restore the store, or give --new-log if nothing was ever published with this key`,
    );
  }
  const identity = { sumdbKey: formatVerifierKey(sumdbKey) };
  const isKeyless = !hasKey && !existsSync(newKeyPath);
  const keyless = new ProofdnsError(
    "KEY_UNUSABLE",
    `the store ${storeFolder} exists and its key ${keyPath} does not; restore the key`,
  );
  const halfBuilt = new ProofdnsError(
    "STORE_UNUSABLE",
    `${folder} has a build that is not done: run the same proofdns build again, or remove ${join(folder, "build")} and ${join(folder, "files")}`,
  );
  const isBuilt = existsSync(join(folder, "files", STATES_FILE));
  if ((!hasStore || (isKeyless && !isBuilt)) && (await isHalfBuilt(folder))) throw halfBuilt;
  // Only a store that was built may be without a key; any other is not even opened.
  if (hasStore && isKeyless && !isBuilt) throw keyless;
  const opened = hasStore ? await Store.open(folder, identity) : undefined;
  try {
    if (opened !== undefined && (await isHalfBuilt(folder, opened))) throw halfBuilt;
    const hasLog = opened?.identity.logKey !== undefined;
    if (hasLog && isKeyless) throw keyless;
    if (hasLog && hasKey && !existsSync(join(folder, "clock.key"))) {
      throw new ProofdnsError(
        "KEY_UNUSABLE",
        `the store ${storeFolder} exists and ${join(folder, "clock.key")} does not: clients know the old clock; restore the key`,
      );
    }
    const warn = (message: string): void => log("alarm", message);
    const origin = `${zone}/p1`;
    const logKey = await readOrMakeSignerKey(hasKey ? keyPath : newKeyPath, origin, KEY_TYPE_ED25519, warn);
    const clockKey = await readOrMakeSignerKey(join(folder, "clock.key"), `${zone}/clock`, KEY_TYPE_COSIGNATURE, warn);
    const ofLog = { ...identity, origin, logKey: formatVerifierKey(logKey.verifierKey) };
    const store = opened ?? (await Store.open(folder, ofLog));
    try {
      await store.become(ofLog);
    } catch (error) {
      await store.close();
      throw error;
    }
    if (!hasKey) await rename(newKeyPath, keyPath);
    return { logKey, clockKey, store };
  } catch (error) {
    await opened?.close();
    throw error;
  }
}

/** Reads the operator's policy, or writes the first one: the clock alone is the quorum. */
async function openPolicy(
  path: string,
  zone: string,
  logKey: SignerKey,
  clockKey: SignerKey,
): Promise<ReturnType<typeof parsePolicy>> {
  if (!existsSync(path)) {
    const text = formatPolicy(logKey.verifierKey, [{ name: "clock", verifierKey: clockKey.verifierKey }]);
    await writeFile(`${path}.tmp`, text, { mode: 0o644 });
    await rename(`${path}.tmp`, path);
  }
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new ProofdnsError("MALFORMED_POLICY", `cannot read the policy ${path}: ${messageOf(cause)}`, { cause });
  }
  const { logKey: named } = trustOf(path, zone, bytes);
  if (formatVerifierKey(named) !== formatVerifierKey(logKey.verifierKey)) {
    throw new ProofdnsError(
      "MALFORMED_POLICY",
      `the policy ${path} names another key for ${zone}/p1 than ${formatVerifierKey(logKey.verifierKey)}, which this folder signs with: mend its line log, or restore log.key`,
    );
  }
  return parsePolicy(bytes);
}

/** Says which file the policy is. */
function trustOf(path: string, zone: string, policy: Uint8Array): Trust {
  try {
    return makeTrust({ zone, policy });
  } catch (error) {
    if (!isProofdnsError(error)) throw error;
    throw new ProofdnsError(error.code, `the policy ${path}: ${error.message}`, { cause: error });
  }
}

function makeNameServers(given: readonly string[] | undefined, zone: string, host: string): NameServerConfig[] {
  if (given === undefined || given.length === 0) {
    const isAddress = isIP(host) !== 0 && host !== "0.0.0.0" && host !== "::";
    return [{ name: `ns1.${zone}`, ...(isAddress ? { addresses: [host] } : {}) }];
  }
  return given.map((text) => {
    const [name = "", addresses] = text.split("=");
    return addresses === undefined ? { name } : { name, addresses: addresses.split(",") };
  });
}

async function saveEvidence(folder: string, evidence: unknown, log: Logger): Promise<void> {
  const path = join(folder, `evidence-${Date.now()}.json`);
  await writeFile(`${path}.tmp`, `${JSON.stringify(evidence, undefined, 2)}\n`);
  await rename(`${path}.tmp`, path);
  log("alarm", `the evidence is in ${path}`);
}
