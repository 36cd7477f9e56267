import { randomBytes, randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import {
  ALGORITHM,
  type Algorithm,
  DNSSEC_FOLDER,
  openZoneKeys,
  readZoneKeys,
  type ZoneKeys,
} from "../dns/dnssec/index.ts";
import type { DohLimits } from "../dns/doh/listener.ts";
import { checkTlsFiles, type TlsFiles } from "../dns/doh/tls-files.ts";
import { testReusePort } from "../dns/threads/reuse-port.ts";
import type { Zone } from "../dns/zone.ts";
import type { ResponderConfig } from "../service/responder-config.ts";
import { parseDecimal } from "../vindex/decimal.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { readCookieSecrets, readOrMakeCookieSecrets } from "./cookie-file.ts";
import { parseDuration } from "./duration.ts";
import { type HostPort, parseHostPort } from "./host-port.ts";

/** Options of the name server itself, as given on the command line. */
export interface NameServerOptions {
  readonly threads: string;
  readonly dnssec: boolean;
  readonly dnssecAlgorithm: string;
  readonly rrlRate: string;
  readonly rrlNetRate: string;
  readonly rrlSlip: string;
  readonly replyCache: string;
  readonly cookieSecrets?: string;
  readonly nsid?: string;
  readonly tcpConnections: string;
  readonly tcpConnectionsPerAddress: string;
  readonly tcpIdle: string;
  readonly drain: string;
  readonly monitor?: string;
  readonly doh?: readonly string[];
  readonly dohCert?: string;
  readonly dohKey?: string;
  readonly dohConnections: string;
  readonly dohConnectionsPerAddress?: string;
}

/** What the options are when they are not given. */
export const NAME_SERVER_DEFAULTS: NameServerOptions = {
  threads: "auto",
  dnssec: true,
  dnssecAlgorithm: "13",
  rrlRate: "25",
  rrlNetRate: "100",
  rrlSlip: "1",
  replyCache: "16384",
  tcpConnections: "1024",
  tcpConnectionsPerAddress: "64",
  tcpIdle: "10s",
  drain: "5s",
  dohConnections: "1024",
};

/** Adds the options to a command. */
export function addNameServerOptions(command: Command): Command {
  const d = NAME_SERVER_DEFAULTS;
  return command
    .option("--threads <n|auto>", "threads that answer; 0: the one that builds the index does", d.threads)
    .option("--no-dnssec", "serve the zone unsigned")
    .option(
      "--dnssec-algorithm <13|15>",
      "algorithm of the first DNSSEC key, made at the first start",
      d.dnssecAlgorithm,
    )
    .option(
      "--rrl-rate <n|off>",
      "UDP replies a second to one client net for one name, without cookie; off: no limit at all",
      d.rrlRate,
    )
    .option("--rrl-net-rate <n|off>", "UDP replies a second to one client net in all, without cookie", d.rrlNetRate)
    .option("--rrl-slip <n>", "one of n limited replies says: ask by TCP; 0: none", d.rrlSlip)
    .option("--reply-cache <n>", "signed replies that each thread keeps; 0: none", d.replyCache)
    .option("--cookie-secrets <file>", "secrets of DNS cookies, shared by all servers of the zone (default: in --data)")
    .option("--nsid <text>", "what this server calls itself to who asks for its NSID")
    .option("--tcp-connections <n>", "TCP connections in all", d.tcpConnections)
    .option(
      "--tcp-connections-per-address <n>",
      "TCP connections of one IPv4 address or IPv6 /64",
      d.tcpConnectionsPerAddress,
    )
    .option("--tcp-idle <duration>", "a TCP connection without a query is closed after this", d.tcpIdle)
    .option("--drain <duration>", "time that SIGTERM leaves to replies on their way", d.drain)
    .option("--monitor <host:port>", "where to serve /metrics, /healthz and /readyz by HTTP")
    .option("--doh <host:port...>", "where to answer by DNS over HTTPS too, at /dns-query")
    .option("--doh-cert <file>", "certificate chain for --doh, PEM; without it plain HTTP/1.1, for a proxy in front")
    .option("--doh-key <file>", "private key of --doh-cert, PEM")
    .option("--doh-connections <n>", "connections of DNS over HTTPS in all", d.dohConnections)
    .option(
      "--doh-connections-per-address <n>",
      "those of one IPv4 address or IPv6 /64 (default: 64; without --doh-cert, where all are the proxy's, --doh-connections)",
    );
}

/** The options, read and checked. */
export interface NameServerSettings {
  readonly threads: number;
  readonly algorithm: Algorithm | undefined;
  readonly rateLimit: ResponderConfig["rateLimit"];
  readonly cacheSize: number;
  readonly nsid: Uint8Array | undefined;
  readonly cookieSecrets: string | undefined;
  readonly limits: {
    readonly idleTimeout: number;
    readonly maxConnections: number;
    readonly maxConnectionsPerAddress: number;
  };
  /** Milliseconds. */
  readonly drain: number;
  readonly monitor: HostPort | undefined;
  readonly doh: DohOptions | undefined;
}

/** DNS over HTTPS, as it is asked for. */
export interface DohOptions {
  readonly addresses: readonly HostPort[];
  /** Undefined for plain HTTP. */
  readonly files: { readonly cert: string; readonly key: string } | undefined;
  readonly limits: DohLimits;
}

const MAX_NSID = 64;

/** Reads the options without touching a file. @throws ProofdnsError `MALFORMED_INPUT` */
export async function parseNameServerOptions(options: NameServerOptions): Promise<NameServerSettings> {
  const rate = options.rrlRate === "off" ? 0 : parseCount("--rrl-rate", options.rrlRate, 1, 1_000_000);
  const netRate = options.rrlNetRate === "off" ? 0 : parseCount("--rrl-net-rate", options.rrlNetRate, 1, 1_000_000);
  const algorithm = parseCount("--dnssec-algorithm", options.dnssecAlgorithm, 13, 15);
  if (algorithm !== ALGORITHM.ECDSAP256SHA256 && algorithm !== ALGORITHM.ED25519) {
    throw new ProofdnsError("MALFORMED_INPUT", `--dnssec-algorithm ${algorithm}: it is 13 or 15`);
  }
  const { nsid } = options;
  if (nsid !== undefined && !/^[\x21-\x7e]{1,64}$/.test(nsid)) {
    throw new ProofdnsError("MALFORMED_INPUT", `--nsid: it is 1 to ${MAX_NSID} visible ASCII characters`);
  }
  const threads = options.threads === "auto" ? await autoThreads() : parseCount("--threads", options.threads, 0, 256);
  const idle = parseDuration(options.tcpIdle, "--tcp-idle");
  if (idle === 0) throw new ProofdnsError("MALFORMED_INPUT", "--tcp-idle is at least 1s");
  const slip = parseCount("--rrl-slip", options.rrlSlip, 0, 10);
  return {
    threads,
    algorithm: options.dnssec ? algorithm : undefined,
    rateLimit: rate === 0 ? undefined : { rate, netRate, slip, key: randomBytes(16) },
    cacheSize: parseCount("--reply-cache", options.replyCache, 0, 10_000_000),
    nsid: nsid === undefined ? undefined : new TextEncoder().encode(nsid),
    cookieSecrets: options.cookieSecrets,
    limits: {
      idleTimeout: idle * 1000,
      maxConnections: parseCount("--tcp-connections", options.tcpConnections, 1, 1_000_000),
      maxConnectionsPerAddress: parseCount(
        "--tcp-connections-per-address",
        options.tcpConnectionsPerAddress,
        1,
        1_000_000,
      ),
    },
    drain: parseDuration(options.drain, "--drain") * 1000,
    monitor: options.monitor === undefined ? undefined : parseHostPort(options.monitor, "--monitor"),
    doh: parseDoh(options, idle * 1000),
  };
}

function parseDoh(options: NameServerOptions, idleTimeout: number): DohOptions | undefined {
  const { doh = [], dohCert, dohKey, dohConnectionsPerAddress } = options;
  if ((dohCert === undefined) !== (dohKey === undefined)) {
    throw new ProofdnsError("MALFORMED_INPUT", "--doh-cert and --doh-key stand together: give both, or neither");
  }
  if (doh.length === 0 && (dohCert !== undefined || dohConnectionsPerAddress !== undefined)) {
    throw new ProofdnsError("MALFORMED_INPUT", "the options --doh-… need --doh: where is DNS over HTTPS to be served?");
  }
  const maxConnections = parseCount("--doh-connections", options.dohConnections, 1, 1_000_000);
  if (doh.length === 0) return undefined;
  return {
    addresses: doh.map((text) => parseHostPort(text, "--doh")),
    files: dohCert === undefined || dohKey === undefined ? undefined : { cert: dohCert, key: dohKey },
    limits: {
      idleTimeout,
      maxConnections,
      ...(dohConnectionsPerAddress === undefined
        ? {}
        : {
            maxConnectionsPerAddress: parseCount(
              "--doh-connections-per-address",
              dohConnectionsPerAddress,
              1,
              1_000_000,
            ),
          }),
    },
  };
}

/** The largest certificate chain or key that is read, in bytes. */
const MAX_TLS_FILE = 1 << 20;

/**
 * Reads the certificate and key of DNS over HTTPS, and checks them; undefined where there are none.
 *
 * @throws ProofdnsError `KEY_UNUSABLE`
 */
export async function readTlsFiles(doh: DohOptions | undefined): Promise<TlsFiles | undefined> {
  if (doh?.files === undefined) return undefined;
  const read = async (option: string, path: string): Promise<string> => {
    try {
      const bytes = await readFile(path);
      if (bytes.length > MAX_TLS_FILE) throw new RangeError("it is larger than 1 MiB");
      return bytes.toString("latin1");
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ProofdnsError("KEY_UNUSABLE", `${option} ${path} cannot be read: ${why}`, { cause });
    }
  };
  const tls = { cert: await read("--doh-cert", doh.files.cert), key: await read("--doh-key", doh.files.key) };
  checkTlsFiles(tls);
  return tls;
}

/**
 * Reads what the responders need from the data folder at a start; keys and secrets that are missing are made. `warn` is told of
 * files that others can read.
 *
 * @throws ProofdnsError `KEY_UNUSABLE`, also if there were keys at an earlier start and there are none now
 */
export async function openResponderConfig(
  folder: string,
  zoneName: string,
  zone: Zone,
  settings: NameServerSettings,
  warn: (message: string) => void,
): Promise<ResponderConfig> {
  const { algorithm } = settings;
  const keyFolder = join(folder, DNSSEC_FOLDER);
  const cookiePath = settings.cookieSecrets ?? join(folder, COOKIE_FILE);
  // Keys are made before cookies: where these are and those are not, somebody took them away, and the parent has their DS.
  if (algorithm !== undefined && !existsSync(keyFolder) && existsSync(join(folder, COOKIE_FILE))) {
    throw new ProofdnsError(
      "KEY_UNUSABLE",
      `${keyFolder} does not exist, and ${folder} was served from before: restore the keys; or, if the zone was unsigned until now, make a key with proofdns dnssec keygen, or give --no-dnssec`,
    );
  }
  const keys = algorithm === undefined ? undefined : await openZoneKeys(keyFolder, zoneName, algorithm);
  const cookieSecrets = await readOrMakeCookieSecrets(cookiePath, warn);
  return makeConfig(zone, settings, keys, cookieSecrets);
}

/**
 * The same for a server that runs: makes nothing, so that a folder that is away for a moment costs a zone nothing.
 *
 * @throws ProofdnsError `KEY_UNUSABLE`
 */
export async function readResponderConfig(
  folder: string,
  zoneName: string,
  zone: Zone,
  settings: NameServerSettings,
  warn: (message: string) => void,
): Promise<ResponderConfig> {
  const keys = settings.algorithm === undefined ? undefined : await readZoneKeys(join(folder, DNSSEC_FOLDER), zoneName);
  const path = settings.cookieSecrets ?? join(folder, COOKIE_FILE);
  const cookieSecrets = await readCookieSecrets(path, warn);
  if (cookieSecrets === undefined)
    throw new ProofdnsError(
      "KEY_UNUSABLE",
      `the cookie secrets ${path} do not exist: restore the file, or start the server anew, which makes others`,
    );
  return makeConfig(zone, settings, keys, cookieSecrets);
}

const COOKIE_FILE = "cookie.secrets";

function makeConfig(
  zone: Zone,
  { rateLimit, cacheSize, nsid }: NameServerSettings,
  keys: ZoneKeys | undefined,
  cookieSecrets: readonly Uint8Array[],
): ResponderConfig {
  return { zone, keys, cookieSecrets, rateLimit, nsid, cacheSize, seed: randomInt(2 ** 32), trace: undefined };
}

/** A thread each for all but one processor, which builds the index; two where sockets cannot be shared: one for UDP, one for TCP. */
async function autoThreads(): Promise<number> {
  const spare = Math.max(1, availableParallelism() - 1);
  const { udp } = await testReusePort("127.0.0.1", 4);
  return udp ? spare : Math.min(spare, 2);
}

function parseCount(option: string, text: string, least: number, most: number): number {
  const count = parseDecimal(text);
  if (count === undefined || count < least || count > most) {
    const given = JSON.stringify(text.slice(0, 40));
    throw new ProofdnsError("MALFORMED_INPUT", `${option} ${given}: it is a number from ${least} to ${most}`);
  }
  return count;
}
