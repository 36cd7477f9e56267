import { randomBytes } from "node:crypto";
import { lookup } from "node:dns/promises";
import { isIP, isIPv6 } from "node:net";
import { foldByte } from "../dns/name.ts";
import { encodeTxtQuery, isWireName, matchReply } from "../dns/txt-reply.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { AbortHub } from "./abort-hub.ts";
import { CLIENT_COOKIE_LENGTH, CookieJar } from "./dns-cookie.ts";
import type { Fail, Peer } from "./dns-peer.ts";
import { type Loss, type Outcome, race } from "./dns-race.ts";
import { UdpReach } from "./dns-reach.ts";
import { TcpPeer } from "./dns-tcp.ts";
import { type DatagramVerdict, exchangeUdp } from "./dns-udp.ts";
import { readReply, unreachable } from "./read-reply.ts";
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
/** Milliseconds that queries wait for the first reply of a server, which brings its cookie. */
const LEARNING_TIME = 400;
/** Milliseconds for which the addresses of a host name are used again. */
const ADDRESS_LIFE = 60_000;
/** Milliseconds that TCP has where UDP fails, at least: if it fails early, TCP has the rest of its time. */
const LEAST_TCP_TIME = 1000;
/** Milliseconds until UDP, though it was silent before, is asked beside a TCP that does not answer. */
const TCP_PATIENCE = 1000;
/** Milliseconds that UDP has where TCP fails, at least. */
const LEAST_UDP_TIME = 3000;
/** Milliseconds that UDP has where it was silent before. */
const PROBE_TIME = 300;
/** Addresses of a host name that are asked. */
const MAX_ADDRESSES = 4;

/**
 * Parses `HOST`, `HOST:PORT`, `[IPv6]`, `[IPv6]:PORT` or a bare IPv6 address. Without a port it is 53.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`
 */
export function parseServerAddress(text: string): DnsServerAddress {
  const match = /^(?:\[([^[\]]+)\]|([0-9A-Za-z._-]+))(?::([0-9]{1,5}))?$/.exec(text);
  const v6 = match === null ? text : match[1];
  const host = v6 !== undefined && isIPv6(v6) ? v6 : match?.[2];
  const port = match?.[3] === undefined ? DNS_PORT : Number(match[3]);
  const isPortBad = port < 1 || port > 65_535;
  if (host === undefined || isPortBad) {
    const why = isPortBad ? `${port} is no port from 1 to 65535; ` : "";
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `server ${JSON.stringify(text.slice(0, 100))}: ${why}expected HOST, HOST:PORT or [IPv6]:PORT`,
    );
  }
  return { host, port };
}

/** One address of the server: what is known of it, and the connections to it. */
interface Way {
  readonly peer: Peer;
  readonly jar: CookieJar;
  readonly tcp: TcpPeer;
  readonly reach: UdpReach;
  /** Ends with the first reply; undefined before the first query. */
  learning: Promise<void> | undefined;
}

/** What one query is made of. */
interface Question {
  readonly name: Uint8Array;
  /** Without a cookie. */
  readonly query: Uint8Array;
  readonly signal: AbortSignal | undefined;
}

/**
 * Asks one DNS server, a resolver or the zone's own, by UDP, and by TCP where the reply is cut.
 *
 * A reply by UDP counts only if it comes from the server's address (the kernel checks), to the random port of this
 * query, under its random ID, with its question in the random case that it was asked in, and with the cookie of this client if
 * the server sends cookies (RFC 7873). A resolver without cookies that does not keep the case, and one that has left its cookies, is
 * asked again by TCP. Retries send the same question, so that a late reply to an earlier try is taken.
 *
 * Some networks drop datagrams. Where none comes back, TCP is tried beside the last try by UDP (beside the second, unless the server has always
 * answered by UDP so far); where that answers, all queries go by TCP for a minute, and by UDP beside it where TCP fails or is slow. Of two ways that
 * run beside each other (spec/client.md §9) a failure counts only when both have ended.
 *
 * The first query brings the server's cookie; those that come in the meantime wait for it a little. With it a server knows that
 * the asker's address is its own, and does not count many queries at once against its limits.
 */
export class DnsTransport implements Transport {
  readonly #server: DnsServerAddress;
  readonly #shown: string;
  readonly #timeouts: readonly number[];
  readonly #tcpTimeout: number;
  readonly #hub = new AbortHub();
  readonly #byAddress = new Map<string, Way>();
  /** The address that answered last. */
  #last: Way | undefined;
  #ways: { readonly found: Promise<Way[]>; readonly until: number } | undefined;
  #isClosed = false;

  constructor(options: DnsTransportOptions) {
    // What plain JavaScript calls wrongly; the types allow no other.
    const server = (options as Partial<DnsTransportOptions> | undefined)?.server;
    if (typeof server !== "string" && (typeof server?.host !== "string" || typeof server.port !== "number")) {
      throw new TypeError('new DnsTransport: expected { server: "127.0.0.1:53" }, or { server: { host, port } }');
    }
    this.#server = typeof server === "string" ? parseServerAddress(server) : server;
    const { host, port } = this.#server;
    this.#shown = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    this.#timeouts = options.timeouts ?? DEFAULT_TIMEOUTS;
    this.#tcpTimeout = options.tcpTimeout ?? DEFAULT_TCP_TIMEOUT;
  }

  /** Ends the TCP connections; what is under way by UDP ends by its signal or its timeouts. */
  close(): void {
    this.#isClosed = true;
    for (const { tcp } of this.#byAddress.values()) tcp.close();
  }

  async query(name: Uint8Array, options: QueryOptions = {}): Promise<TxtReply> {
    if (!isWireName(name)) throw new TypeError("not a name in wire format");
    const { signal, tcp = false, attempt = 0 } = options;
    signal?.throwIfAborted();
    const ways = await this.#untilAborted(this.#resolve(), signal);
    const random = randomBytes(2 + name.length);
    const query = encodeTxtQuery(randomizeCase(name, random.subarray(2)), random.readUInt16BE(0));
    const question = { name, query, signal };
    let first: unknown;
    // The address that answered last comes first; another attempt begins at another one, if there are several.
    const begin = Math.max(0, this.#last === undefined ? 0 : ways.indexOf(this.#last)) + attempt;
    for (const i of ways.keys()) {
      const way = ways[(begin + i) % ways.length] as Way;
      try {
        const learned = await this.#learn(way, tcp, signal);
        try {
          const reply = await this.#ask(way, question, tcp);
          if (attempt === 0) this.#last = way;
          return reply;
        } finally {
          learned?.();
        }
      } catch (error) {
        if (!isProofdnsError(error, "UNREACHABLE")) throw error;
        first ??= error;
      }
    }
    throw first;
  }

  /**
   * Waits while another query learns the cookie of the server, but not for long. For the first query itself it returns what is to be
   * called at its end.
   */
  async #learn(way: Way, tcp: boolean, signal: AbortSignal | undefined): Promise<(() => void) | undefined> {
    if (way.jar.isKnown) return undefined;
    if (way.learning === undefined) {
      let learned: (() => void) | undefined;
      way.learning = new Promise<void>((resolve) => {
        learned = resolve;
      });
      return learned;
    }
    if (tcp) return undefined;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LEARNING_TIME);
    });
    try {
      await this.#untilAborted(Promise.race([way.learning, late]), signal);
    } finally {
      clearTimeout(timer);
    }
    return undefined;
  }

  async #ask(way: Way, question: Question, tcp: boolean): Promise<TxtReply> {
    if (!tcp) {
      const plan = way.reach.plan(performance.now());
      return plan === "tcp" ? this.#askTcpFirst(way, question) : this.#askUdpFirst(way, question, plan === "probe");
    }
    const outcome = await this.#askTcp(way, question);
    if ("value" in outcome) return outcome.value;
    if (!outcome.isReply) way.reach.forget();
    throw outcome.error;
  }

  /** By UDP, and beside it by TCP where UDP is silent. */
  async #askUdpFirst(way: Way, question: Question, isProbe: boolean): Promise<TxtReply> {
    const { reach } = way;
    const timeouts = isProbe ? [PROBE_TIME, ...this.#timeouts] : this.#timeouts;
    const tcpAt = reach.isReliable && !isProbe ? Math.max(1, timeouts.length - 1) : 1;
    const { value, isFirstSilent } = await race<TxtReply>({
      first: (beginTcp, signal) => {
        const onTry = (tries: number): void => {
          if (tries >= tcpAt) beginTcp();
        };
        return this.#askUdp(way, { ...question, signal }, timeouts, onTry);
      },
      second: (signal) => this.#askTcp(way, { ...question, signal }),
      // The server would say the same by TCP.
      isFirstReplyFinal: true,
      firstTime: timeouts.reduce((sum, timeout) => sum + timeout, 0),
      leastTime: LEAST_TCP_TIME,
      explain: (udp, byTcp) => this.#explain(udp, byTcp),
      signal: question.signal,
      hub: this.#hub,
    });
    if (isFirstSilent) reach.silent(performance.now());
    return value;
  }

  /** By TCP, as UDP was silent before, and beside it by UDP where TCP fails or is slow: so it is found out if that has come back. */
  async #askTcpFirst(way: Way, question: Question): Promise<TxtReply> {
    const { value } = await race<TxtReply>({
      first: async (beginUdp, signal) => {
        const timer = setTimeout(beginUdp, TCP_PATIENCE);
        try {
          const outcome = await this.#askTcp(way, { ...question, signal });
          if ("error" in outcome && !outcome.isReply) way.reach.forget();
          return outcome;
        } finally {
          clearTimeout(timer);
        }
      },
      second: async (signal) => (this.#isClosed ? "left" : this.#askUdp(way, { ...question, signal }, this.#timeouts)),
      isFirstReplyFinal: false,
      firstTime: this.#tcpTimeout,
      leastTime: LEAST_UDP_TIME,
      explain: (byTcp, udp) => this.#explain(udp, byTcp),
      signal: question.signal,
      hub: this.#hub,
    });
    return value;
  }

  /** A reply tells more than silence; and one by TCP more than one by UDP, which others may have made. */
  #explain(udp: Loss | undefined, tcp: Loss | undefined): ProofdnsError {
    if (tcp?.isReply === true) return tcp.error;
    if (udp?.isReply === true) return udp.error;
    if (udp === undefined) return tcp?.error ?? this.#fail("did not answer");
    const prefix = unreachable(this.#shown, "").message;
    const why = tcp?.error.message.replace(prefix, "") ?? "did not answer by TCP either";
    return new ProofdnsError(udp.error.code, `${udp.error.message}; it ${why}`, { cause: udp.error });
  }

  /** `left` if it is to be asked by TCP. */
  async #askUdp(
    { peer, jar, reach }: Way,
    { name, query, signal }: Question,
    timeouts: readonly number[],
    onTry: (tries: number) => void = () => {},
  ): Promise<Outcome<TxtReply>> {
    const judge = (message: Uint8Array): DatagramVerdict => {
      const match = matchReply(message, query);
      if (match === undefined) return "stranger";
      // Without the question it is too easily guessed to decide about cookies.
      if (match === "bare" && !jar.isKnown) return "reply";
      switch (jar.judge(message, false)) {
        case "foreign":
          return "stranger";
        case "bare":
          return "tcp";
        case "again":
        case "plain":
          return "again";
        case "taken":
          // In another case than asked it is either from a resolver that normalizes names, or a guess; which had to guess our cookie, too.
          return match === "folded" && !jar.isUsed ? "tcp" : "reply";
      }
    };
    const exchange = {
      peer,
      makeQuery: () => jar.addTo(query),
      timeouts,
      judge,
      onTry,
      fail: this.#fail,
      hub: this.#hub,
    };
    const reply = await messageOf(exchangeUdp({ ...exchange, signal }), signal);
    if (reply !== undefined && "error" in reply) return reply;
    reach.answered();
    if (reply === undefined) return "left";
    try {
      const read = readReply(reply, name, "udp", this.#shown);
      return read === undefined ? "left" : { value: read };
    } catch (error) {
      // What is garbled may come whole by TCP.
      if (isProofdnsError(error, "MALFORMED_MESSAGE")) return "left";
      return lossOf(error);
    }
  }

  async #askTcp({ jar, tcp }: Way, { name, query, signal }: Question): Promise<{ readonly value: TxtReply } | Loss> {
    for (let tries = 0; ; tries++) {
      const exchange = tcp.exchange({
        query: jar.addTo(query),
        isReply: (reply) => matchReply(reply, query) !== undefined,
        fail: this.#fail,
        signal,
        hub: this.#hub,
      });
      const message = await messageOf(exchange, signal);
      if ("error" in message) return message;
      const verdict = jar.judge(message, true);
      if (verdict === "foreign") return lossOf(this.#fail("answers by TCP with the cookie of another client"));
      if ((verdict === "again" || verdict === "plain") && tries === 0) continue;
      try {
        const reply = readReply(message, name, "tcp", this.#shown);
        return reply === undefined ? lossOf(this.#fail("sent a truncated reply by TCP")) : { value: reply };
      } catch (error) {
        return lossOf(error);
      }
    }
  }

  /** The addresses of the server, the same `Way` for the same address. */
  #resolve(): Promise<Way[]> {
    const { host } = this.#server;
    const family = isIP(host);
    if (family !== 0) return Promise.resolve([this.#way({ address: host, family })]);
    const now = performance.now();
    if (this.#ways === undefined || now >= this.#ways.until) {
      const found = lookup(host, { all: true }).then(
        (addresses) => addresses.slice(0, MAX_ADDRESSES).map((address) => this.#way(address)),
        (cause) => {
          this.#ways = undefined;
          throw this.#fail("has no address", cause);
        },
      );
      this.#ways = { found, until: now + ADDRESS_LIFE };
    }
    return this.#ways.found;
  }

  #way({ address, family }: { address: string; family: number }): Way {
    let way = this.#byAddress.get(address);
    if (way === undefined) {
      const peer = { address, family, port: this.#server.port };
      const jar = new CookieJar(randomBytes(CLIENT_COOKIE_LENGTH));
      way = { peer, jar, tcp: new TcpPeer(peer, this.#tcpTimeout), reach: new UdpReach(), learning: undefined };
      this.#byAddress.set(address, way);
    }
    return way;
  }

  /** The same, but ends early with the signal's reason. */
  #untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (signal === undefined) return promise;
    return new Promise<T>((resolve, reject) => {
      const leave = this.#hub.listen(signal, () => reject(signal.reason));
      promise.then(resolve, reject).finally(leave);
    });
  }

  readonly #fail: Fail = (why, cause) => unreachable(this.#shown, why, cause);
}

/** The message that an exchange brings, or why there is none. */
async function messageOf<T extends Uint8Array | undefined>(
  exchange: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T | Loss> {
  try {
    return await exchange;
  } catch (error) {
    if (signal?.aborted !== true && isProofdnsError(error)) return { error, isReply: false };
    throw error;
  }
}

/** Of a reply that cannot be used. */
function lossOf(error: unknown): Loss {
  if (!isProofdnsError(error)) throw error;
  return { error, isReply: true };
}

/** Gives every letter of `name` the case that one random bit says (draft-vixie-dnsext-dns0x20). */
function randomizeCase(name: Uint8Array, random: Uint8Array): Uint8Array {
  // Length bytes are at most 63, below the letters.
  return name.map((b, i) => {
    const lower = foldByte(b);
    return lower >= 0x61 && lower <= 0x7a && ((random[i] as number) & 1) === 1 ? lower - 0x20 : lower;
  });
}
