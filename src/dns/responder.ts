import { ProofdnsError } from "../vindex/error.ts";
import { sha256 as nobleSha256, type Sha256 } from "../vindex/sha256.ts";
import type { Asker } from "./asker.ts";
import { computeContent } from "./content.ts";
import type { Cookies } from "./cookies.ts";
import type { ZoneSigner } from "./dnssec/index.ts";
import { CLASS_IN, FLAG, parseQuery, QNAME_OFFSET, Query, RCODE, type Rcode, TYPE } from "./message.ts";
import { equalFolded, foldByte, readLabel } from "./name.ts";
import { parseMeaning } from "./question.ts";
import type { RateLimiter } from "./rate-limit.ts";
import { type ExtendedError, type MessageTransport, makeExtendedError, ReplyWriter, TCP_SIZE } from "./reply.ts";
import { ReplyCache } from "./reply-cache.ts";
import { CommonSignatures, makeEntry, RATE_CLASS, type RateClass, type ReplyEntry, variantOf } from "./reply-entry.ts";
import { COUNTER, NO_QTYPE, type ServerStats } from "./stats.ts";
import { moduleTtl } from "./txt-record.ts";
import { LOG_LABEL, V0_LABEL, type Zone } from "./zone.ts";
import { ELSEWHERE, type ZoneData } from "./zone-data.ts";

/** Extended errors (RFC 8914 §4). */
const NOT_READY = makeExtendedError(14, "no epoch yet");
const NOT_AUTHORITATIVE = makeExtendedError(20, "");
const NOT_SUPPORTED = makeExtendedError(21, "");
const INVALID_QUERY_TYPE = makeExtendedError(30, "");
const NO_TRANSFER = makeExtendedError(18, "no zone transfers");
const NO_DATA = makeExtendedError(0, "the index cannot be read");

/** Seconds by which a clock may go back: half of what a signature is valid for before it is made. */
const CLOCK_STEP = 1800;

/** What a `Responder` is made of. */
export interface ResponderOptions {
  readonly zone: Zone;
  /** Signs for askers that set DO; without it the zone is unsigned. */
  readonly signer?: ZoneSigner;
  readonly cookies?: Cookies;
  /** Applies to UDP without a valid cookie: who asks by TCP or HTTPS has proven its address. */
  readonly rateLimit?: RateLimiter;
  /** Identifies this server to who asks (RFC 5001). */
  readonly nsid?: Uint8Array;
  /** Replies that are kept; default 0. */
  readonly cacheSize?: number;
  readonly stats?: ServerStats;
  readonly sha256?: Sha256;
  /** Milliseconds that never go back, for rates and latencies; without it both stand still. */
  readonly clock?: () => number;
  /** 32 random bits, so that nobody can aim at a place of the cache or of the rate limit. */
  readonly seed?: number;
}

/**
 * The whole name server without a socket (spec/dns.md §3): queries as bytes in, replies as bytes out. Synchronous; what it
 * keeps between two calls (replies to recent questions, signatures of the zone's own records) never changes what
 * is said, and it has no clock of its own: `now` is Unix seconds.
 */
export class Responder {
  readonly #o: ResponderOptions;
  readonly #sha256: Sha256;
  readonly #query = new Query();
  readonly #writer = new ReplyWriter();
  readonly #cache: ReplyCache;
  readonly #common = new CommonSignatures();
  /** The question in hand, in lower case: name, type and class. */
  readonly #question = new Uint8Array(260);
  /** RDATA on its way into an entry. */
  readonly #rdata = new Uint8Array(TCP_SIZE);
  #questionLength = 0;
  #questionHash = 0;
  readonly #hashSeed: number;

  readonly #options: {
    writeCookie: ((out: Uint8Array, at: number) => void) | undefined;
    nsid: Uint8Array | undefined;
    keepalive: number | undefined;
  } = { writeCookie: undefined, nsid: undefined, keepalive: undefined };
  #asker: Asker = { transport: "udp", address: new Uint8Array(4) };
  #now = 0;
  /** The latest `now` of all queries. */
  #latest = 0;
  #startedAt = 0;
  #hasValidCookie = false;

  constructor(options: ResponderOptions) {
    this.#o = options;
    this.#sha256 = options.sha256 ?? nobleSha256;
    this.#cache = new ReplyCache(options.cacheSize ?? 0);
    this.#hashSeed = options.seed ?? 0;
  }

  /**
   * Answers one query. Undefined if it must not be answered; `ELSEWHERE` if another thread holds what the answer needs:
   * then its `compute` and this one's `finish` give it.
   *
   * The bytes are valid until the next call. `data` belongs to one epoch. Before the first epoch, and if `data` throws a
   * `ProofdnsError` of kind `unavailable`, the reply is SERVFAIL. Every other error of `data` is thrown on: it is a bug.
   */
  respond(message: Uint8Array, asker: Asker, data: ZoneData, now: number): Uint8Array | undefined | typeof ELSEWHERE {
    if (!this.#begin(message, asker, now)) return undefined;
    const reply = this.#respond(data, now);
    return reply === DROPPED ? undefined : reply;
  }

  #respond(data: ZoneData, now: number): Uint8Array | typeof ELSEWHERE {
    const query = this.#query;
    if (query.refusal !== undefined || !query.hasQuestion || query.class !== CLASS_IN) return this.#respondOddly();
    this.#foldQuestion();
    const { stats } = this.#o;
    const variant = variantOf(this.#wantsSignatures, query.compactOk);
    const kept = this.#cache.get(this.#questionHash, this.#question, this.#questionLength, variant, data, now);
    if (kept !== undefined) {
      stats?.count(COUNTER.cacheHits);
      return this.#limit(kept.rateClass) ?? this.#writeEntry(kept, data);
    }
    stats?.count(COUNTER.cacheMisses);
    const refused = this.#refuse(data);
    if (refused !== undefined) return refused;
    try {
      const content = this.#content(data);
      // A reply that is not sent costs no signature.
      const limited = this.#limit(content.rateClass);
      if (limited !== undefined) return limited;
      const entry = this.#makeEntry(content, data);
      this.#cache.put(this.#questionHash, entry);
      return this.#writeEntry(entry, data);
    } catch (error) {
      if (error === ELSEWHERE) {
        stats?.count(COUNTER.forwarded);
        return this.#limit(RATE_CLASS.elsewhere) ?? ELSEWHERE;
      }
      if (error instanceof ProofdnsError && error.kind === "unavailable") {
        return this.#limit(RATE_CLASS.error) ?? this.#error(RCODE.SERVFAIL, NO_DATA);
      }
      // Whoever called answers SERVFAIL.
      this.#countReply(RCODE.SERVFAIL, query.questionEnd);
      throw error;
    }
  }

  /**
   * The answer to a query that another thread passed on, as an entry; undefined if it must be SERVFAIL, or if there is
   * nothing to be answered. Rates are the other thread's.
   */
  compute(message: Uint8Array, asker: Asker, data: ZoneData, now: number): ReplyEntry | undefined {
    if (!this.#begin(message, asker, now, false)) return undefined;
    const query = this.#query;
    if (query.refusal !== undefined || !query.hasQuestion || query.class !== CLASS_IN) return undefined;
    this.#foldQuestion();
    const variant = variantOf(this.#wantsSignatures, query.compactOk);
    const kept = this.#cache.get(this.#questionHash, this.#question, this.#questionLength, variant, data, now);
    if (kept !== undefined) return kept;
    if (this.#refuse(data) !== undefined) return undefined;
    try {
      const entry = this.#makeEntry(this.#content(data), data);
      this.#cache.put(this.#questionHash, entry);
      return entry;
    } catch (error) {
      if (error instanceof ProofdnsError && error.kind === "unavailable") return undefined;
      throw error;
    }
  }

  /**
   * The reply to a query for which `respond` said `ELSEWHERE`, with the entry that came for it; SERVFAIL without one. The
   * entry is kept. `askedAt` is when the query came, by the clock of the options. The bytes are valid until the next call.
   */
  finish(
    message: Uint8Array,
    asker: Asker,
    entry: ReplyEntry | undefined,
    data: ZoneData,
    now: number,
    askedAt?: number,
  ): Uint8Array | undefined {
    if (!this.#begin(message, asker, now, false)) return undefined;
    if (askedAt !== undefined) this.#startedAt = askedAt;
    if (entry === undefined) return this.#error(RCODE.SERVFAIL, NO_DATA);
    this.#foldQuestion();
    this.#cache.put(this.#questionHash, entry);
    return this.#writeEntry(entry, data);
  }

  /** Parses a message and notes who asks. False if it must not be answered. */
  #begin(message: Uint8Array, asker: Asker, now: number, isNew = true): boolean {
    const { clock, signer, cookies, nsid } = this.#o;
    // What comes back from another thread was counted when it went there.
    const stats = isNew ? this.#o.stats : undefined;
    this.#startedAt = clock === undefined ? 0 : clock();
    const query = this.#query;
    if (!parseQuery(message, query)) {
      stats?.count(COUNTER.ignored);
      return false;
    }
    // Who does not sign says nothing compactly.
    if (signer === undefined) query.compactOk = false;
    this.#asker = asker;
    this.#now = now;
    if (now > this.#latest) this.#latest = now;
    else if (now < this.#latest - CLOCK_STEP) this.#forget(now);
    this.#hasValidCookie = false;
    const options = this.#options;
    options.writeCookie = undefined;
    options.nsid = query.asksNsid ? nsid : undefined;
    options.keepalive = query.asksKeepalive && asker.transport === "tcp" ? asker.keepalive : undefined;
    if (query.cookieOffset !== 0 && cookies !== undefined && query.refusal === undefined) {
      const said = cookies.check(message, query.cookieOffset, query.cookieLength, asker.address, now);
      this.#hasValidCookie = said === "valid";
      if (stats !== undefined) {
        if (said === "valid") stats.count(COUNTER.cookiesValid);
        else stats.count(said === "invalid" ? COUNTER.cookiesInvalid : COUNTER.cookiesClientOnly);
      }
      options.writeCookie = this.#writeCookie;
    } else stats?.count(COUNTER.cookiesNone);
    return true;
  }

  /** In an unsigned zone DO changes nothing but its own bit. */
  get #wantsSignatures(): boolean {
    return this.#query.dnssecOk && this.#o.signer !== undefined;
  }

  /** The clock was ahead, and went back: what was signed by it is not valid yet. */
  #forget(now: number): void {
    this.#cache.clear();
    this.#common.clear();
    this.#latest = now;
  }

  readonly #writeCookie = (out: Uint8Array, at: number): void => {
    const { bytes, cookieOffset } = this.#query;
    this.#o.cookies?.write(out, at, bytes, cookieOffset, this.#asker.address, this.#now);
  };

  /** Lower-cases the question into `#question` and hashes it (FNV-1a, 32 bits). */
  #foldQuestion(): void {
    const { bytes, questionEnd } = this.#query;
    const out = this.#question;
    const length = questionEnd - QNAME_OFFSET;
    const nameLength = length - 4;
    let hash = 0x811c9dc5 ^ this.#hashSeed;
    for (let i = 0; i < length; i++) {
      let b = bytes[QNAME_OFFSET + i] as number;
      // Length bytes are below 0x41; type and class are numbers, and stay as they are.
      if (i < nameLength) b = foldByte(b);
      out[i] = b;
      hash = Math.imul(hash ^ b, 0x01000193);
    }
    this.#questionLength = length;
    // The low bits choose the place: mix the high ones in.
    this.#questionHash = (hash ^ (hash >>> 15)) | 0;
  }

  /** Number of labels left of the zone's name; undefined if the name is not in the zone. */
  #countLabelsBelow(): number | undefined {
    const { bytes, nameEnd, labelOffsets, labelCount } = this.#query;
    const { wire } = this.#o.zone.apex;
    const start = nameEnd - wire.length;
    for (let i = 0; i < labelCount; i++) {
      const offset = labelOffsets[i] as number;
      if (offset < start) continue;
      // Compared at label boundaries only: `xl.example.` is not in `l.example.`.
      return offset === start && equalFolded(bytes, start, wire, 0, wire.length) ? i : undefined;
    }
    return undefined;
  }

  /** The reply to a message that asks for nothing that could be found in a zone of class IN. */
  #respondOddly(): Uint8Array {
    const query = this.#query;
    if (query.refusal !== undefined) {
      return (
        this.#limit(RATE_CLASS.error) ??
        this.#error(query.refusal, query.refusal === RCODE.NOTIMP ? NOT_SUPPORTED : undefined)
      );
    }
    // No question, but a cookie: what is wanted is a cookie (RFC 7873 §5.4).
    if (!query.hasQuestion) {
      const rcode = this.#o.cookies === undefined ? RCODE.FORMERR : RCODE.NOERROR;
      return this.#limit(RATE_CLASS.error) ?? this.#error(rcode, undefined);
    }
    return this.#limit(RATE_CLASS.error) ?? this.#error(RCODE.REFUSED, NOT_SUPPORTED);
  }

  /** The refusal of a question that has no answer here; undefined if it has one. */
  #refuse(data: ZoneData): Uint8Array | undefined {
    const query = this.#query;
    const count = this.#countLabelsBelow();
    const refuse = (rcode: Rcode, error: ExtendedError): Uint8Array | undefined =>
      this.#limit(RATE_CLASS.error) ?? this.#error(rcode, error);
    if (count === undefined) return refuse(RCODE.REFUSED, NOT_AUTHORITATIVE);
    switch (query.type) {
      // Types that ask for no record: those of the protocol itself, and zone transfers, of which there are none.
      case TYPE.OPT:
      case TYPE.NXNAME:
      case TYPE.TSIG:
        return refuse(RCODE.FORMERR, INVALID_QUERY_TYPE);
      case TYPE.AXFR:
      case TYPE.IXFR:
        return refuse(RCODE.REFUSED, NO_TRANSFER);
      default:
    }
    if (data.epoch === 0 && count > 1) {
      const label = readLabel(query.bytes, query.labelOffsets[count - 1] as number);
      if (label === LOG_LABEL || label === V0_LABEL) return refuse(RCODE.SERVFAIL, NOT_READY);
    }
    return undefined;
  }

  #content(data: ZoneData): ReturnType<typeof computeContent> {
    const query = this.#query;
    const { zone, signer } = this.#o;
    const labels: string[] = [];
    for (let i = (this.#countLabelsBelow() ?? 0) - 1; i >= 0; i--) {
      labels.push(readLabel(query.bytes, query.labelOffsets[i] as number));
    }
    return computeContent(
      parseMeaning(labels, zone),
      query.type,
      zone,
      signer,
      data,
      this.#now,
      this.#sha256,
      this.#rdata,
    );
  }

  #makeEntry(content: ReturnType<typeof computeContent>, data: ZoneData): ReplyEntry {
    const { zone, signer, stats } = this.#o;
    const { type, compactOk, labelCount } = this.#query;
    const dnssecOk = this.#wantsSignatures;
    const question = this.#question.subarray(0, this.#questionLength);
    return makeEntry(
      { zone, signer, common: this.#common, onSignature: () => stats?.count(COUNTER.signatures) },
      { question, name: { wire: question.subarray(0, question.length - 4), labelCount }, type, dnssecOk, compactOk },
      content,
      { epoch: data.epoch, headVersion: data.headVersion, now: this.#now },
    );
  }

  #writeEntry(entry: ReplyEntry, data: ZoneData): Uint8Array {
    const ttl = entry.ttlOffsets.length === 0 ? 0 : moduleTtl(this.#o.zone.ttls, data, this.#now);
    const reply = this.#writer.writeEntry(this.#query, this.#asker.transport, entry, ttl, this.#options);
    if (this.#writer.isTruncated) this.#o.stats?.count(COUNTER.truncated);
    this.#countReply(entry.rcode, reply.length);
    return reply;
  }

  #error(rcode: Rcode, error: ExtendedError | undefined): Uint8Array {
    if (rcode === RCODE.FORMERR) this.#o.stats?.count(COUNTER.malformed);
    const reply = this.#writer.writeBare(this.#query, rcode, 0, this.#options, error);
    this.#countReply(rcode, reply.length);
    return reply;
  }

  /**
   * What becomes of a reply of this class under the rate limit (spec/abuse.md §2): undefined if it is sent. A reply over the
   * limit is dropped, which an empty message stands for here, or says: ask by TCP, or with this cookie.
   */
  #limit(rateClass: RateClass): Uint8Array | undefined {
    const { rateLimit, clock, stats } = this.#o;
    if (rateLimit === undefined || this.#hasValidCookie || this.#asker.transport !== "udp") return undefined;
    const classHash = rateClass === RATE_CLASS.own ? this.#questionHash : rateClass;
    const said = rateLimit.check(this.#asker.address, classHash, clock === undefined ? this.#now * 1000 : clock());
    if (said === 0) {
      stats?.count(COUNTER.rrlPassed);
      return undefined;
    }
    if (said === 1) {
      stats?.count(COUNTER.rrlDropped);
      return DROPPED;
    }
    stats?.count(COUNTER.rrlSlipped);
    const wantsCookie = this.#options.writeCookie !== undefined;
    const rcode = wantsCookie ? RCODE.BADCOOKIE : RCODE.NOERROR;
    const reply = this.#writer.writeBare(this.#query, rcode, wantsCookie ? 0 : FLAG.TC, this.#options, undefined);
    this.#countReply(rcode, reply.length);
    return reply;
  }

  #countReply(rcode: Rcode, length: number): void {
    const { stats, clock } = this.#o;
    if (stats === undefined) return;
    const query = this.#query;
    const micros = clock === undefined ? 0 : (clock() - this.#startedAt) * 1000;
    const type = query.hasQuestion ? query.type : NO_QTYPE;
    stats.countReply(this.#asker.transport, type, rcode, query.dnssecOk, length, micros);
  }
}

/** Stands for a reply that is not sent. */
const DROPPED = new Uint8Array(0);

/**
 * Answers one query with a responder that has nothing but a zone: no signatures, cookies or limits. The bytes are owned by
 * the caller.
 */
export function respond(
  message: Uint8Array,
  transport: MessageTransport,
  zone: Zone,
  data: ZoneData,
  now: number,
  sha256: Sha256 = nobleSha256,
): Uint8Array | undefined {
  const responder = new Responder({ zone, sha256 });
  const reply = responder.respond(message, { transport, address: new Uint8Array(4) }, data, now);
  if (reply === ELSEWHERE) throw new TypeError("the data of this zone is elsewhere");
  return reply;
}

/**
 * The reply of a server that failed over this query: SERVFAIL, with the ID and question of the query. Undefined if the
 * message must not be answered. The bytes are owned by the caller.
 */
export function respondFailure(message: Uint8Array): Uint8Array | undefined {
  const query = new Query();
  if (!parseQuery(message, query)) return undefined;
  return new ReplyWriter().writeBare(query, RCODE.SERVFAIL, 0, undefined, undefined);
}
