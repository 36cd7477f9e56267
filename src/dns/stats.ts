import { RCODE, TYPE } from "./message.ts";

export type StatsTransport = "udp" | "tcp" | "https";

/** All transports, in the order of their tables. */
export const STATS_TRANSPORTS: readonly StatsTransport[] = ["udp", "tcp", "https"];

/** The type of a query that has no question. */
export const NO_QTYPE = -1;

/** Classes of query types, as they are reported. */
export const QTYPE_CLASSES = [
  "A",
  "NS",
  "SOA",
  "TXT",
  "AAAA",
  "DNSKEY",
  "DS",
  "RRSIG/NSEC",
  "CDS/CDNSKEY",
  "ANY",
  "HINFO",
  "AXFR/IXFR",
  "other",
  "none",
] as const;

export type QtypeClass = (typeof QTYPE_CLASSES)[number];

/** Response codes, as they are reported. */
export const RCODE_CLASSES = [
  "NOERROR",
  "FORMERR",
  "SERVFAIL",
  "NXDOMAIN",
  "NOTIMP",
  "REFUSED",
  "BADVERS",
  "BADCOOKIE",
  "other",
] as const;

export type RcodeClass = (typeof RCODE_CLASSES)[number];

/** Upper bounds of the latency buckets, in microseconds, for each transport; longer ones are in one more bucket. */
export const LATENCY_BOUNDS = [
  10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
] as const;

/** Upper bounds of the buckets of reply lengths, in bytes; 512, 1232 and 65535 are what a reply can be cut at. */
export const LENGTH_BOUNDS = [64, 128, 256, 512, 768, 1024, 1232, 2048, 4096, 8192, 16_384, 32_768, 65_535] as const;

/** What is counted beside replies, by number, for `ServerStats.count`. */
export const COUNTER = {
  /** Signatures made. */
  signatures: 0,
  /** Replies that were in the cache of their thread. */
  cacheHits: 1,
  cacheMisses: 2,
  /** Queries that a worker handed to the main thread. */
  forwarded: 3,
  cookiesNone: 4,
  cookiesClientOnly: 5,
  cookiesValid: 6,
  cookiesInvalid: 7,
  rrlPassed: 8,
  rrlDropped: 9,
  rrlSlipped: 10,
  /** Replies with TC = 1 that were too long, not those that the rate limit made short. */
  truncated: 11,
  /** Messages answered FORMERR. */
  malformed: 12,
  /** Messages that get no reply whatever the load: too short, or replies themselves. */
  ignored: 13,
  tcpOpened: 14,
  /** Connections open now: counted up and down. */
  tcpOpen: 15,
  /** Connections closed at once because of a limit. */
  tcpRefused: 16,
  /** Connections closed by the idle timeout. */
  tcpIdleClosed: 17,
  /** Queries or replies dropped because a queue was full. */
  queueFull: 18,
  /** Connections of DNS over HTTPS, as those of TCP. */
  dohOpened: 19,
  dohOpen: 20,
  dohRefused: 21,
  dohIdleClosed: 22,
  /** Requests of DNS over HTTPS that were answered by HTTP alone: a wrong path, method, type or message. */
  dohRejected: 23,
} as const;

export type CounterName = keyof typeof COUNTER;
export type CounterId = (typeof COUNTER)[CounterName];

const COUNTER_NAMES = Object.keys(COUNTER) as CounterName[];

// A section, in numbers of eight bytes: counters, then for each transport a table of replies and two histograms.
const REPLY_CELLS = QTYPE_CLASSES.length * RCODE_CLASSES.length * 2;
const LATENCY = REPLY_CELLS;
const LENGTH = LATENCY + LATENCY_BOUNDS.length + 2;
const TRANSPORT_CELLS = LENGTH + LENGTH_BOUNDS.length + 2;
const FIRST_TRANSPORT = COUNTER_NAMES.length;
const CELLS = FIRST_TRANSPORT + STATS_TRANSPORTS.length * TRANSPORT_CELLS;

const OTHER_QTYPE = QTYPE_CLASSES.indexOf("other");
const OTHER_RCODE = RCODE_CLASSES.indexOf("other");
const latencyBounds = Float64Array.from(LATENCY_BOUNDS);
const lengthBounds = Float64Array.from(LENGTH_BOUNDS);
const qtypeClasses = makeQtypeClasses();
const rcodeClasses = makeRcodeClasses();

/** Number of observations up to each bound, and beyond the last; not cumulative. */
export interface Histogram {
  readonly buckets: readonly number[];
  readonly sum: number;
}

/** Replies of one kind; the count is above zero. */
export interface ReplyCount {
  readonly transport: StatsTransport;
  readonly qtype: QtypeClass;
  readonly rcode: RcodeClass;
  readonly dnssecOk: boolean;
  readonly count: number;
}

/** The sum of some sections at one time. */
export interface StatsSnapshot {
  readonly counters: Readonly<Record<CounterName, number>>;
  readonly replies: readonly ReplyCount[];
  /** In microseconds, from a query's arrival to its reply's departure. */
  readonly latency: Readonly<Record<StatsTransport, Histogram>>;
  /** In bytes. */
  readonly length: Readonly<Record<StatsTransport, Histogram>>;
}

/**
 * Counters of one thread, which alone writes them, in memory that the main thread reads at any time.
 *
 * Nothing here is atomic: a reader may see a reply in one table and not yet in another. The numbers are doubles, exact up to
 * 2^53.
 */
export class ServerStats {
  /** Size of a section in bytes. */
  static readonly byteLength: number = 8 * CELLS;

  readonly #cells: Float64Array;

  /**
   * Counters in the section of `buffer` at `byteOffset`, which is zeros or what an earlier thread has counted.
   *
   * @throws RangeError if the section is not inside, or the offset is no multiple of 8
   */
  constructor(buffer: SharedArrayBuffer, byteOffset = 0) {
    this.#cells = new Float64Array(buffer, byteOffset, CELLS);
  }

  /**
   * Counts a reply that was sent. `qtype` is the type asked or `NO_QTYPE`, `rcode` the extended response code,
   * `replyLength` in bytes, `micros` the microseconds that it took. Allocates nothing.
   */
  countReply(
    transport: StatsTransport,
    qtype: number,
    rcode: number,
    dnssecOk: boolean,
    replyLength: number,
    micros: number,
  ): void {
    const cells = this.#cells;
    // Not looked up: this is called for every reply.
    const place = transport === "udp" ? 0 : transport === "tcp" ? 1 : 2;
    const first = FIRST_TRANSPORT + place * TRANSPORT_CELLS;
    const row = qtypeClasses[qtype + 1] ?? OTHER_QTYPE;
    const column = rcodeClasses[rcode] ?? OTHER_RCODE;
    add(cells, first + 2 * (row * RCODE_CLASSES.length + column) + (dnssecOk ? 1 : 0), 1);
    observe(cells, first + LATENCY, latencyBounds, micros);
    observe(cells, first + LENGTH, lengthBounds, replyLength);
  }

  /** Counts `by` more of something; below zero only for what is counted down as well. Allocates nothing. */
  count(counter: CounterId, by = 1): void {
    add(this.#cells, counter, by);
  }

  /** Forgets what is open now: for a section whose thread has ended, before another takes it over. */
  resetGauges(): void {
    this.#cells[COUNTER.tcpOpen] = 0;
    this.#cells[COUNTER.dohOpen] = 0;
  }

  /** Sums sections, in whatever threads they are written. */
  static sum(sections: readonly ServerStats[]): StatsSnapshot {
    const cells = new Float64Array(CELLS);
    for (const section of sections) {
      for (let i = 0; i < CELLS; i++) add(cells, i, section.#cells[i] as number);
    }
    const counters = Object.fromEntries(COUNTER_NAMES.map((name) => [name, cells[COUNTER[name]] as number]));
    const [udp, tcp, https] = (["udp", "tcp", "https"] as const).map((transport, i) =>
      readTransport(cells, transport, FIRST_TRANSPORT + i * TRANSPORT_CELLS),
    ) as [TransportStats, TransportStats, TransportStats];
    return {
      counters: counters as Record<CounterName, number>,
      replies: [...udp.replies, ...tcp.replies, ...https.replies],
      latency: { udp: udp.latency, tcp: tcp.latency, https: https.latency },
      length: { udp: udp.length, tcp: tcp.length, https: https.length },
    };
  }
}

interface TransportStats {
  readonly replies: readonly ReplyCount[];
  readonly latency: Histogram;
  readonly length: Histogram;
}

function readTransport(cells: Float64Array, transport: StatsTransport, first: number): TransportStats {
  const replies: ReplyCount[] = [];
  let cell = first;
  for (const qtype of QTYPE_CLASSES) {
    for (const rcode of RCODE_CLASSES) {
      for (const dnssecOk of [false, true]) {
        const count = cells[cell++] as number;
        if (count > 0) replies.push({ transport, qtype, rcode, dnssecOk, count });
      }
    }
  }
  const histogram = (at: number, bounds: readonly number[]): Histogram => ({
    buckets: Array.from(cells.subarray(at, at + bounds.length + 1)),
    sum: cells[at + bounds.length + 1] as number,
  });
  return {
    replies,
    latency: histogram(first + LATENCY, LATENCY_BOUNDS),
    length: histogram(first + LENGTH, LENGTH_BOUNDS),
  };
}

/** Buckets for each bound and one more, then the sum. */
function observe(cells: Float64Array, at: number, bounds: Float64Array, value: number): void {
  let bucket = 0;
  while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++;
  add(cells, at + bucket, 1);
  add(cells, at + bounds.length + 1, value);
}

function add(cells: Float64Array, at: number, by: number): void {
  cells[at] = (cells[at] as number) + by;
}

/** Class of a query type, by the type plus one, so that `NO_QTYPE` has a place. */
function makeQtypeClasses(): Uint8Array {
  const out = new Uint8Array(TYPE.ANY + 2).fill(OTHER_QTYPE);
  const types: readonly (readonly [QtypeClass, ...number[]])[] = [
    ["A", TYPE.A],
    ["NS", TYPE.NS],
    ["SOA", TYPE.SOA],
    ["TXT", TYPE.TXT],
    ["AAAA", TYPE.AAAA],
    ["DNSKEY", TYPE.DNSKEY],
    ["DS", TYPE.DS],
    ["RRSIG/NSEC", TYPE.RRSIG, TYPE.NSEC],
    ["CDS/CDNSKEY", TYPE.CDS, TYPE.CDNSKEY],
    ["ANY", TYPE.ANY],
    ["HINFO", TYPE.HINFO],
    ["AXFR/IXFR", TYPE.AXFR, TYPE.IXFR],
    ["none", NO_QTYPE],
  ];
  for (const [name, ...numbers] of types) for (const type of numbers) out[type + 1] = QTYPE_CLASSES.indexOf(name);
  return out;
}

function makeRcodeClasses(): Uint8Array {
  const out = new Uint8Array(RCODE.BADCOOKIE + 1).fill(OTHER_RCODE);
  for (const [name, rcode] of Object.entries(RCODE)) out[rcode] = RCODE_CLASSES.indexOf(name as RcodeClass);
  return out;
}
