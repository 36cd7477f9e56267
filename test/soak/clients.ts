import { randomBytes } from "node:crypto";
import { decodeReply, encodeQuery, isReplyTo, mixCase, RCODE, type Reply, TYPE } from "./messages.ts";
import type { LoadOrder } from "./order.ts";
import { Pacer } from "./pacer.ts";
import type { Tally } from "./tally.ts";
import { UdpSource } from "./udp-source.ts";
import { victimAddress } from "./victims.ts";

/** Clients that took a cookie: resolvers, of many queries each. */
const COOKIE_CLIENTS = 24;
/** Of these so many share a network with a victim: its flood must not be theirs. */
const AMONG_VICTIMS = 8;
/** Clients without cookies, of few queries each. */
const PLAIN_CLIENTS = 100;
/** Share of the queries that carry cookies. */
const COOKIE_SHARE = 6 / 7;
/** Milliseconds after which a query is lost. */
const TIMEOUT = 2_000;
/** Milliseconds after which a client forgets the server's cookie and asks for a new one. */
const COOKIE_LIFE = 60_000;
/** Queries of one client on their way at once; a power of two. */
const WINDOW = 1024;
const COOKIE_LENGTH = 24;

interface Flight {
  readonly query: Buffer;
  readonly question: number;
  readonly sentAt: number;
  readonly isDo: boolean;
  /** It carried a server cookie. */
  readonly isUnlimited: boolean;
  readonly isRetry: boolean;
}

/** What all clients of a process share. */
interface Shared {
  readonly order: LoadOrder;
  readonly tally: Tally;
  /** Good answers so far, of all clients. */
  good: number;
}

/** Clients that ask what exists, or is proven not to, and want an answer to everything. */
export async function startClients(order: LoadOrder, tally: Tally, random: () => number): Promise<() => void> {
  const shared: Shared = { order, tally, good: 0 };
  const cookieClients: Client[] = [];
  for (let i = 0; i < COOKIE_CLIENTS; i++) {
    const address = i < AMONG_VICTIMS ? victimAddress(2 * i, 200) : `127.20.${i}.1`;
    cookieClients.push(await Client.open(address, i, true, shared));
  }
  const plainClients: Client[] = [];
  for (let i = 0; i < PLAIN_CLIENTS; i++) {
    plainClients.push(await Client.open(`127.21.${i}.1`, i, false, shared));
  }
  const pick = (): number => Math.floor(random() * order.questions.length);
  const pacers = [
    new Pacer(
      order.rate * COOKIE_SHARE,
      (i) => cookieClients[i % COOKIE_CLIENTS]?.ask(pick()),
      (ms) => tally.count("clients held up, ms", Math.round(ms)),
    ),
    new Pacer(order.rate * (1 - COOKIE_SHARE), (i) => plainClients[i % PLAIN_CLIENTS]?.ask(pick())),
  ];
  for (const pacer of pacers) pacer.start();
  const sweeping = setInterval(() => {
    for (const client of [...cookieClients, ...plainClients]) client.sweep();
  }, 250);
  return () => {
    for (const pacer of pacers) pacer.stop();
    clearInterval(sweeping);
    for (const client of [...cookieClients, ...plainClients]) client.close();
  };
}

/** One client with an address of its own. */
class Client {
  readonly #number: number;
  readonly #kind: "cookie" | "plain";
  readonly #shared: Shared;
  readonly #clientCookie: Buffer = randomBytes(8);
  readonly #flights: (Flight | undefined)[] = new Array(WINDOW);
  #source: UdpSource | undefined;
  #cookie: Buffer | undefined;
  #cookieSince = 0;
  #next = 0;

  private constructor(number: number, withCookie: boolean, shared: Shared) {
    this.#number = number;
    this.#kind = withCookie ? "cookie" : "plain";
    this.#shared = shared;
  }

  static async open(address: string, number: number, withCookie: boolean, shared: Shared): Promise<Client> {
    const client = new Client(number, withCookie, shared);
    client.#source = await UdpSource.open(address, shared.order.port, (message) => client.#receive(message));
    return client;
  }

  close(): void {
    this.#source?.close();
  }

  ask(question: number, isRetry = false): void {
    const { order, tally } = this.#shared;
    const asked = order.questions[question];
    if (asked === undefined) throw new TypeError(`no question ${question}`);
    const now = performance.now();
    // At different times for each client.
    if (now - this.#cookieSince > COOKIE_LIFE + 1_000 * this.#number) this.#cookie = undefined;
    const id = this.#next++ & 0xffff;
    const isDo = (id + this.#number) % 2 === 0;
    const query = encodeQuery({
      // Every fourth client asks in random case.
      name: this.#number % 4 === 0 ? mixCase(asked.name, id * 0x9e3779b1) : asked.name,
      type: TYPE.TXT,
      id,
      isDo,
      cookie: this.#kind === "plain" ? undefined : (this.#cookie ?? this.#clientCookie),
    });
    const slot = id % WINDOW;
    const old = this.#flights[slot];
    if (old !== undefined) this.#lose(old);
    const isUnlimited = this.#kind === "cookie" && this.#cookie !== undefined;
    this.#flights[slot] = { query, question, sentAt: now, isDo, isUnlimited, isRetry };
    tally.count("sent");
    tally.count(`${this.#classOf(isUnlimited)} asked`);
    this.#source?.send(query);
  }

  /** Counts queries without an answer. */
  sweep(): void {
    const before = performance.now() - TIMEOUT;
    for (const [slot, flight] of this.#flights.entries()) {
      if (flight === undefined || flight.sentAt > before) continue;
      this.#flights[slot] = undefined;
      this.#lose(flight);
    }
  }

  #classOf(isUnlimited: boolean): string {
    if (isUnlimited) return "unlimited";
    return this.#kind === "cookie" ? "exchange" : "plain";
  }

  #lose(flight: Flight): void {
    this.#shared.tally.count(`${this.#classOf(flight.isUnlimited)} lost`);
  }

  #receive(message: Buffer): void {
    const now = performance.now();
    const flight = this.#match(message);
    const reply = flight === undefined ? undefined : this.#decode(message);
    if (flight === undefined || reply === undefined) return;
    const { tally } = this.#shared;
    const kind = this.#classOf(flight.isUnlimited);
    this.#takeCookie(reply, message);
    if (reply.rcode === RCODE.BADCOOKIE) {
      tally.count(`${kind} refused for the cookie`);
      if (!flight.isRetry) this.ask(flight.question, true);
    } else if (reply.isTruncated) {
      tally.count(`${kind} truncated`);
    } else if (reply.rcode !== RCODE.NOERROR) {
      tally.fault(`${kind} failed`, `code ${reply.rcode}`);
    } else {
      tally.count(`${kind} answered`);
      if (this.#kind === "cookie") tally.latency(now - flight.sentAt);
      if (this.#shared.good++ % this.#shared.order.sampleEvery === 0) this.#sample(flight, message, now);
    }
  }

  /** The query that a message replies to; undefined, and counted, if there is none. */
  #match(message: Buffer): Flight | undefined {
    const { tally } = this.#shared;
    const id = message.length < 2 ? -1 : message.readUInt16BE(0);
    const flight = this.#flights[id % WINDOW];
    if (flight === undefined || flight.query.readUInt16BE(0) !== id) {
      // An answer that was given up, or a second one.
      tally.count("late");
      return undefined;
    }
    if (!isReplyTo(message, flight.query)) {
      tally.fault("wrong", `no reply to ${flight.query.toString("hex")}: ${message.toString("hex")}`);
      return undefined;
    }
    this.#flights[id % WINDOW] = undefined;
    return flight;
  }

  #decode(message: Buffer): Reply | undefined {
    try {
      return decodeReply(message);
    } catch (error) {
      this.#shared.tally.fault("wrong", `${error}: ${message.toString("hex")}`);
      return undefined;
    }
  }

  #sample(flight: Flight, message: Buffer, now: number): void {
    const receivedAt = Date.now();
    this.#shared.tally.sample({
      question: flight.question,
      message: Uint8Array.from(message),
      isDo: flight.isDo,
      sentAt: receivedAt - (now - flight.sentAt),
      receivedAt,
    });
  }

  #takeCookie({ cookie }: Reply, message: Buffer): void {
    if (cookie === undefined) return;
    const isOurs = cookie.length === COOKIE_LENGTH && cookie.subarray(0, 8).equals(this.#clientCookie);
    if (this.#kind === "plain" || !isOurs) {
      this.#shared.tally.fault("wrong", `a cookie that was not asked for: ${message.toString("hex")}`);
      return;
    }
    if (this.#cookie === undefined) this.#cookieSince = performance.now();
    this.#cookie = cookie;
  }
}
