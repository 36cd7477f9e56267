import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { connect, isIPv6 } from "node:net";
import { RCODE, readUint16 } from "../dns/message.ts";
import { foldByte, formatName } from "../dns/name.ts";
import { decodeTxtReply, encodeTxtQuery, isWireName, matchReply } from "../dns/txt-reply.ts";
import { concatBytes } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import type { QueryOptions, Transport, TxtReply } from "./transport.ts";

/** Where a `DnsTransport` asks. */
export interface DnsServerAddress {
  /** IP address or host name. */
  readonly host: string;
  readonly port: number;
}

/** Options of a `DnsTransport`; times in milliseconds. */
export interface DnsTransportOptions {
  /** The server, as in `parseServerAddress`. */
  readonly server: string | DnsServerAddress;
  /** How long each UDP try waits; one entry a try. Default 1,000, 2,000, 4,000. */
  readonly timeouts?: readonly number[];
  /** Limit of a whole exchange by TCP, connection included. Default 5,000. */
  readonly tcpTimeout?: number;
}

const DNS_PORT = 53;
const DEFAULT_TIMEOUTS: readonly number[] = [1000, 2000, 4000];
const DEFAULT_TCP_TIMEOUT = 5000;
/** Datagrams that are no reply to the query, and are read past, before a query gives up: someone is guessing. */
const MAX_STRANGERS = 256;

/**
 * Parses `HOST`, `HOST:PORT`, `[IPv6]`, `[IPv6]:PORT` or a bare IPv6 address. Without a port it is 53.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`
 */
export function parseServerAddress(text: string): DnsServerAddress {
  const match = /^(?:\[([^[\]]+)\]|([^:[\]\s/]+))(?::([0-9]{1,5}))?$/.exec(text);
  const v6 = match === null ? text : match[1];
  const host = v6 !== undefined && isIPv6(v6) ? v6 : match?.[2];
  const port = match?.[3] === undefined ? DNS_PORT : Number(match[3]);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `server ${JSON.stringify(text.slice(0, 100))}: expected HOST, HOST:PORT or [IPv6]:PORT`,
    );
  }
  return { host, port };
}

/**
 * Asks one DNS server, a resolver or the zone's own, by UDP, and by TCP where the reply is cut.
 *
 * A reply by UDP counts only if it comes from the server's address (the kernel checks), to the random port of this
 * query, under its random ID, with its question in the random case that it was asked in. A resolver that does not keep
 * the case is asked again by TCP. Retries send the same bytes, so that a late reply to an earlier try is taken.
 */
export class DnsTransport implements Transport {
  readonly #server: DnsServerAddress;
  readonly #timeouts: readonly number[];
  readonly #tcpTimeout: number;

  constructor(options: DnsTransportOptions) {
    this.#server = typeof options.server === "string" ? parseServerAddress(options.server) : options.server;
    this.#timeouts = options.timeouts ?? DEFAULT_TIMEOUTS;
    this.#tcpTimeout = options.tcpTimeout ?? DEFAULT_TCP_TIMEOUT;
  }

  async query(name: Uint8Array, options: QueryOptions = {}): Promise<TxtReply> {
    if (!isWireName(name)) throw new TypeError("not a name in wire format");
    const { signal, tcp = false } = options;
    signal?.throwIfAborted();
    const peer = await this.#resolve();
    signal?.throwIfAborted();
    const random = randomBytes(2 + name.length);
    const query = encodeTxtQuery(randomizeCase(name, random.subarray(2)), random.readUInt16BE(0));
    const fail: Fail = (why, cause) => this.#error(why, cause);
    if (!tcp) {
      const reply = await exchangeUdp(query, peer, this.#timeouts, fail, signal);
      // In another case than asked it is either from a resolver that normalizes names, or a guess.
      const read = matchReply(reply, query) === "folded" ? undefined : this.#readDatagram(reply, name);
      if (read !== undefined) return read;
    }
    const reply = await exchangeTcp(query, peer, this.#tcpTimeout, fail, signal);
    const read = this.#read(reply, name, "tcp");
    if (read === undefined) throw this.#error("sent a truncated reply by TCP");
    return read;
  }

  async #resolve(): Promise<Peer> {
    try {
      const { address, family } = await lookup(this.#server.host);
      return { address, family, port: this.#server.port };
    } catch (cause) {
      throw this.#error("has no address", cause);
    }
  }

  /** Undefined for a truncated reply, and for a garbled one: TCP may bring it whole. */
  #readDatagram(reply: Uint8Array, name: Uint8Array): TxtReply | undefined {
    try {
      return this.#read(reply, name, "udp");
    } catch (error) {
      if (isProofdnsError(error, "MALFORMED_MESSAGE")) return undefined;
      throw error;
    }
  }

  /** Undefined for a truncated reply. */
  #read(reply: Uint8Array, name: Uint8Array, transport: "udp" | "tcp"): TxtReply | undefined {
    const content = decodeTxtReply(reply, name);
    const messageBytes = reply.length;
    switch (content.kind) {
      case "truncated":
        return undefined;
      case "txt":
        return { kind: "txt", payload: content.payload, ttl: content.ttl, messageBytes, transport };
      case "nodata":
      case "nxdomain":
        return { kind: content.kind, ttl: content.ttl, messageBytes, transport };
      case "referral":
        throw this.#error("refers to other servers: it neither serves the zone nor resolves names");
      case "failure":
        if (content.rcode !== RCODE.REFUSED) throw this.#error(`answers with ${formatRcode(content.rcode)}`);
        throw new ProofdnsError(
          "REFUSED",
          `the server ${this.#shown()} refuses ${formatName(name)}: it does not serve this zone`,
        );
    }
  }

  #error(why: string, cause?: unknown): ProofdnsError {
    return new ProofdnsError("UNREACHABLE", `the server ${this.#shown()} ${why}`, { cause });
  }

  #shown(): string {
    const { host, port } = this.#server;
    return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  }
}

interface Peer {
  readonly address: string;
  readonly family: number;
  readonly port: number;
}

/** Makes the error of a failed exchange; `why` continues "the server …". */
type Fail = (why: string, cause?: unknown) => ProofdnsError;

/** Sends `query` once for each of `timeouts` until a datagram replies to it. */
async function exchangeUdp(
  query: Uint8Array,
  peer: Peer,
  timeouts: readonly number[],
  fail: Fail,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const socket = createSocket(peer.family === 6 ? "udp6" : "udp4");
  let timer: NodeJS.Timeout | undefined;
  let abort: (() => void) | undefined;
  try {
    return await new Promise<Uint8Array>((resolve, reject) => {
      let strangers = 0;
      let tries = 0;
      const next = (): void => {
        const timeout = timeouts[tries];
        if (timeout === undefined) {
          reject(fail(`did not answer ${tries} ${tries === 1 ? "query" : "queries"} by UDP`));
          return;
        }
        tries++;
        timer = setTimeout(next, timeout);
        socket.send(query, (error) => {
          if (error !== null) reject(fail("cannot be reached", error));
        });
      };
      // A connected socket hears of closed ports and missing routes.
      socket.on("error", (error) => reject(fail("cannot be reached", error)));
      socket.on("message", (message) => {
        if (matchReply(message, query) !== undefined) resolve(message);
        else if (++strangers === MAX_STRANGERS) reject(fail("is drowned in messages that reply to something else"));
      });
      abort = () => reject(signal?.reason);
      signal?.addEventListener("abort", abort, { once: true });
      // Without a route this calls back with an error, which the types do not tell.
      socket.connect(peer.port, peer.address, (error?: unknown) => {
        if (error === undefined || error === null) next();
        else reject(fail("cannot be reached", error));
      });
    });
  } finally {
    clearTimeout(timer);
    if (abort !== undefined) signal?.removeEventListener("abort", abort);
    socket.removeAllListeners("message");
    socket.close();
  }
}

/** Sends `query` over a connection of its own and reads frames until one replies to it. */
async function exchangeTcp(
  query: Uint8Array,
  peer: Peer,
  timeout: number,
  fail: Fail,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const socket = connect({ host: peer.address, port: peer.port, noDelay: true });
  let timer: NodeJS.Timeout | undefined;
  let abort: (() => void) | undefined;
  try {
    return await new Promise<Uint8Array>((resolve, reject) => {
      let input: Uint8Array = new Uint8Array(0);
      let strangers = 0;
      timer = setTimeout(() => reject(fail(`did not answer by TCP within ${timeout} ms`)), timeout);
      abort = () => reject(signal?.reason);
      signal?.addEventListener("abort", abort, { once: true });
      socket.on("error", (error) => reject(fail("cannot be reached by TCP", error)));
      socket.on("close", () => reject(fail("closed the TCP connection without a reply")));
      socket.on("data", (chunk) => {
        input = concatBytes(input, chunk);
        while (input.length >= 2) {
          const end = 2 + readUint16(input, 0);
          if (input.length < end) return;
          const message = input.slice(2, end);
          if (matchReply(message, query) !== undefined) return resolve(message);
          if (++strangers === MAX_STRANGERS) return reject(fail("sends replies to something else by TCP"));
          input = input.subarray(end);
        }
      });
      socket.write(concatBytes(Uint8Array.of(query.length >> 8, query.length & 0xff), query));
    });
  } finally {
    clearTimeout(timer);
    if (abort !== undefined) signal?.removeEventListener("abort", abort);
    socket.destroy();
  }
}

/** Gives every letter of `name` the case that one random bit says (draft-vixie-dnsext-dns0x20). */
function randomizeCase(name: Uint8Array, random: Uint8Array): Uint8Array {
  // Length bytes are at most 63, below the letters.
  return name.map((b, i) => {
    const lower = foldByte(b);
    return lower >= 0x61 && lower <= 0x7a && ((random[i] as number) & 1) === 1 ? lower - 0x20 : lower;
  });
}

function formatRcode(rcode: number): string {
  const name = Object.entries(RCODE).find(([, code]) => code === rcode)?.[0];
  return name === undefined ? `response code ${rcode}` : name;
}
