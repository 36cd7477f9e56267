import { type Asker, addressGroup } from "../asker.ts";
import type { ReplyEntry } from "../reply-entry.ts";

/** How a thread passes queries on. */
export interface ForwarderOptions {
  /** Queries that may be with the main thread at a time. */
  readonly limit: number;
  /** Milliseconds for which each waits. */
  readonly timeout: number;
  /** Called for each query that is given up because there are too many. */
  readonly onFull?: () => void;
  /** Hands a query to the main thread; it shares no memory with that of `forward`. */
  readonly send: (id: number, message: Uint8Array, asker: Asker) => void;
  /**
   * Writes the reply, which may be in memory that is used again; SERVFAIL without an entry. `askedAt` is the
   * `performance.now()` at which the query came. What it throws, the promise of `forward` rejects with.
   */
  readonly finish: (
    message: Uint8Array,
    asker: Asker,
    entry: ReplyEntry | undefined,
    askedAt: number,
  ) => Uint8Array | undefined;
}

interface Waiting {
  readonly message: Uint8Array;
  readonly asker: Asker;
  readonly askedAt: number;
  readonly resolve: (reply: Uint8Array | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** What one asker (an IPv4 address, an IPv6 /64) has under way. */
interface Group {
  sent: number;
  /** Its queries that are not with the main thread yet, the oldest first. */
  readonly backlog: number[];
}

/** The part of the queries with the main thread that one asker may have. */
const SHARE = 1 / 16;
/** Queries that may wait before they are sent, as a multiple of those that may be with the main thread. */
const BACKLOG = 4;

/**
 * Queries of one thread that wait for the main thread. Bounded in number and time, so that what the main thread cannot
 * keep up with does no harm to what this thread answers by itself, and bounded for each asker, so that one who asks for much
 * waits behind himself: over TCP and HTTPS, where an asker is sure to be who he says, his queries go on one after another; over
 * UDP what is too much is dropped, for its asker will ask again. Over TCP and HTTPS what cannot be had in time is SERVFAIL.
 */
export class Forwarder {
  readonly #o: ForwarderOptions;
  /** In the order of their ids, which is that of their times. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #groups = new Map<number | string, Group>();
  #sent = 0;
  #next = 1;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ForwarderOptions) {
    this.#o = options;
  }

  /** Queries that wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Passes a query on. `message` must not change while it waits. The reply that is promised is in memory of its own. */
  forward(message: Uint8Array, asker: Asker): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const { limit, timeout, onFull } = this.#o;
    const askedAt = performance.now();
    const key = addressGroup(asker.address);
    const group = this.#groups.get(key) ?? { sent: 0, backlog: [] };
    const mustWait = this.#sent >= limit || group.sent >= Math.max(1, limit * SHARE);
    if (mustWait && (asker.transport === "udp" || this.#waiting.size >= limit * BACKLOG)) {
      onFull?.();
      return this.#giveUp(message, asker, askedAt);
    }
    this.#groups.set(key, group);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { message, asker, askedAt, resolve, reject });
      if (mustWait) group.backlog.push(id);
      else this.#send(id, group);
      this.#timer ??= setTimeout(() => this.#expire(), timeout);
    });
  }

  /** Takes the answer to a query, or why there is none. One that comes too late is nobody's. */
  answer(id: number, entry: ReplyEntry | undefined, failure: string | undefined): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#remove(id, waiting.asker, true);
    const { message, asker, askedAt, resolve, reject } = waiting;
    if (failure !== undefined) {
      reject(new Error(failure));
      return;
    }
    try {
      resolve(this.#o.finish(message, asker, entry, askedAt)?.slice());
    } catch (error) {
      reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #send(id: number, group: Group): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    group.sent++;
    this.#sent++;
    const { message, asker } = waiting;
    // A view would be sent with the whole of the buffer behind it.
    this.#o.send(id, message.slice(), { ...asker, address: asker.address.slice() });
  }

  /** Forgets a query, and sends those that waited for its place: first its asker's, then anyone's. */
  #remove(id: number, asker: Asker, wasSent: boolean): void {
    this.#waiting.delete(id);
    const key = addressGroup(asker.address);
    const group = this.#groups.get(key);
    if (group === undefined) return;
    if (wasSent) {
      group.sent--;
      this.#sent--;
    }
    this.#sendNext(group);
    if (group.sent === 0 && group.backlog.length === 0) this.#groups.delete(key);
    if (!wasSent || this.#waiting.size === this.#sent) return;
    for (const other of this.#groups.values()) {
      if (this.#sendNext(other)) return;
    }
  }

  #sendNext(group: Group): boolean {
    if (this.#sent >= this.#o.limit || group.sent >= Math.max(1, this.#o.limit * SHARE)) return false;
    const id = group.backlog.shift();
    if (id === undefined) return false;
    this.#send(id, group);
    return true;
  }

  /** One timer for all: a timer for each query would cost more than the query. */
  #expire(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const [id, { message, asker, askedAt, resolve, reject }] of this.#waiting) {
      const until = askedAt + this.#o.timeout;
      if (until > now) {
        this.#timer = setTimeout(() => this.#expire(), until - now + 1);
        return;
      }
      const group = this.#groups.get(addressGroup(asker.address));
      const at = group?.backlog.indexOf(id) ?? -1;
      if (at >= 0) group?.backlog.splice(at, 1);
      this.#remove(id, asker, at < 0);
      try {
        resolve(this.#giveUp(message, asker, askedAt));
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    }
  }

  #giveUp(message: Uint8Array, asker: Asker, askedAt: number): Uint8Array | undefined {
    return asker.transport !== "udp" ? this.#o.finish(message, asker, undefined, askedAt)?.slice() : undefined;
  }
}
