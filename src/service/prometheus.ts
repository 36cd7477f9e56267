import {
  type CounterName,
  type Histogram,
  LATENCY_BOUNDS,
  LENGTH_BOUNDS,
  STATS_TRANSPORTS,
  type StatsSnapshot,
  type StatsTransport,
} from "../dns/stats.ts";

/** Content type of the text format. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export type Labels = Readonly<Record<string, string>>;

/** A signing key, as it is reported; nothing secret. */
export interface KeyInfo {
  readonly keyTag: number;
  readonly algorithm: number;
  /** Such as `active`, `published` or `retired`. */
  readonly state: string;
}

/** What the service knows beside its counters. What is undefined is left out. */
export interface ServiceGauges {
  /** Number of the newest epoch; 0 before the first. */
  readonly epoch: number;
  /** Seconds since it was made. */
  readonly epochAge: number | undefined;
  /** Seconds since the clock's last cosignature. */
  readonly clockAge: number | undefined;
  /** Records that the newest epoch covers. */
  readonly sumdbSize: number;
  /** Unix seconds at which the first of the zone's own signatures expires. */
  readonly signatureExpiry: number | undefined;
  readonly keys: readonly KeyInfo[];
  /** Threads that answer queries. */
  readonly threads: number;
  readonly version: string;
  readonly nodeVersion: string;
  /** `process.memoryUsage.rss()`. */
  readonly residentBytes: number;
  /** Seconds of user and system time. */
  readonly cpuSeconds: number;
}

/** Metrics that are one counter each. */
const COUNTER_METRICS: readonly (readonly [CounterName, string, string])[] = [
  ["signatures", "signatures_total", "DNSSEC signatures made."],
  ["cacheHits", "reply_cache_hits_total", "Replies found in the cache of their thread."],
  ["cacheMisses", "reply_cache_misses_total", "Replies not found in the cache of their thread."],
  ["forwarded", "forwarded_queries_total", "Queries that a worker thread handed to the main thread."],
  ["truncated", "truncated_replies_total", "Replies that were too long and left with TC set."],
  ["malformed", "malformed_queries_total", "Messages answered FORMERR."],
  ["ignored", "ignored_messages_total", "Messages that get no reply: too short, or replies themselves."],
  ["queueFull", "queue_full_drops_total", "Queries and replies dropped because a queue was full."],
  ["tcpOpened", "tcp_connections_opened_total", "TCP connections accepted."],
  ["tcpRefused", "tcp_connections_refused_total", "TCP connections closed at once because of a limit."],
  ["tcpIdleClosed", "tcp_connections_idle_closed_total", "TCP connections closed by the idle timeout."],
  ["dohOpened", "doh_connections_opened_total", "Connections of DNS over HTTPS accepted."],
  ["dohRefused", "doh_connections_refused_total", "Connections of DNS over HTTPS closed at once because of a limit."],
  ["dohIdleClosed", "doh_connections_idle_closed_total", "Connections of DNS over HTTPS closed by the idle timeout."],
  ["dohRejected", "doh_requests_rejected_total", "Requests of DNS over HTTPS that have no DNS reply."],
];

/** Metrics of several counters, told apart by one label. */
const LABELED_METRICS: readonly (readonly [string, string, string, readonly (readonly [string, CounterName])[]])[] = [
  [
    "cookie_queries_total",
    "Queries by what their COOKIE option says.",
    "cookie",
    [
      ["none", "cookiesNone"],
      ["client-only", "cookiesClientOnly"],
      ["valid", "cookiesValid"],
      ["invalid", "cookiesInvalid"],
    ],
  ],
  [
    "rate_limit_replies_total",
    "Replies by what the rate limit made of them.",
    "verdict",
    [
      ["pass", "rrlPassed"],
      ["drop", "rrlDropped"],
      ["slip", "rrlSlipped"],
    ],
  ],
];

/** All metrics as text of the Prometheus format 0.0.4; each name begins with `proofdns_`, each unit is a base unit. */
export function formatMetrics(stats: StatsSnapshot, gauges: ServiceGauges): string {
  const out = new MetricsText("proofdns_");
  const replies = stats.replies.map(({ transport, qtype, rcode, dnssecOk, count }) => {
    return [{ transport, qtype, rcode, do: dnssecOk ? "1" : "0" }, count] as const;
  });
  out.add("counter", "replies_total", "Replies sent, by transport, type asked, response code and DO.", replies);
  histograms(out, "reply_duration_seconds", "Time to make a reply.", stats.latency, LATENCY_BOUNDS, 1e6);
  histograms(out, "reply_size_bytes", "Length of replies, as messages.", stats.length, LENGTH_BOUNDS, 1);
  for (const [counter, name, help] of COUNTER_METRICS) out.add("counter", name, help, [[{}, stats.counters[counter]]]);
  for (const [name, help, label, counters] of LABELED_METRICS) {
    const samples = counters.map(([value, counter]) => [{ [label]: value }, stats.counters[counter]] as const);
    out.add("counter", name, help, samples);
  }
  const gauge = (name: string, help: string, value: number | undefined): void => {
    if (value !== undefined) out.add("gauge", name, help, [[{}, value]]);
  };
  gauge("tcp_connections", "TCP connections open now.", stats.counters.tcpOpen);
  gauge("doh_connections", "Connections of DNS over HTTPS open now.", stats.counters.dohOpen);
  gauge("epoch", "Number of the epoch that is served, 0 before the first.", gauges.epoch);
  gauge("epoch_age_seconds", "Time since the epoch that is served was made.", gauges.epochAge);
  gauge("clock_age_seconds", "Time since the clock's last cosignature.", gauges.clockAge);
  gauge("sumdb_records", "Records of the checksum database that are served.", gauges.sumdbSize);
  gauge(
    "signature_expiry_timestamp_seconds",
    "When the first of the zone's own signatures expires.",
    gauges.signatureExpiry,
  );
  const keys = gauges.keys.map(({ keyTag, algorithm, state }) => {
    return [{ key_tag: String(keyTag), algorithm: String(algorithm), state }, 1] as const;
  });
  out.add("gauge", "key_info", "Keys of the zone.", keys);
  const build = { version: gauges.version, node_version: gauges.nodeVersion };
  out.add("gauge", "build_info", "What is running.", [[build, 1]]);
  gauge("threads", "Threads that answer queries.", gauges.threads);
  gauge("process_resident_memory_bytes", "Resident memory of the process.", gauges.residentBytes);
  out.add("counter", "process_cpu_seconds_total", "User and system time of the process.", [[{}, gauges.cpuSeconds]]);
  return out.text;
}

/** One histogram with the label `transport`; `scale` is how many of its units make a base unit. */
function histograms(
  out: MetricsText,
  name: string,
  help: string,
  byTransport: Readonly<Record<StatsTransport, Histogram>>,
  bounds: readonly number[],
  scale: number,
): void {
  const series = STATS_TRANSPORTS.map((transport) => [{ transport }, byTransport[transport]] as const);
  out.addHistogram(
    name,
    help,
    bounds.map((bound) => bound / scale),
    series.map(([labels, { buckets, sum }]) => [labels, { buckets, sum: sum / scale }] as const),
  );
}

const NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/**
 * Text of the Prometheus exposition format 0.0.4, made metric by metric. It takes numbers as they are, which is why it is
 * our own: the usual client counts for itself and takes no buckets that were filled elsewhere.
 */
export class MetricsText {
  text = "";
  readonly #prefix: string;
  readonly #names = new Set<string>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /**
   * Adds one metric with its samples; none at all if there are no samples. Each label set occurs once.
   *
   * @throws TypeError if the name or a label is none, or the name was added before
   */
  add(
    type: "counter" | "gauge",
    name: string,
    help: string,
    samples: readonly (readonly [labels: Labels, value: number])[],
  ): void {
    if (samples.length === 0) return;
    const full = this.#begin(type, name, help);
    for (const [labels, value] of samples) this.#sample(full, labels, value);
  }

  /** Adds a histogram. `bounds` ascend; `buckets` count what is within each bound and, last, beyond, not cumulative. */
  addHistogram(
    name: string,
    help: string,
    bounds: readonly number[],
    series: readonly (readonly [labels: Labels, histogram: Histogram])[],
  ): void {
    const full = this.#begin("histogram", name, help);
    for (const [labels, { buckets, sum }] of series) {
      if (buckets.length !== bounds.length + 1)
        throw new TypeError(`${name}: not a bucket for each bound and one more`);
      let count = 0;
      buckets.forEach((bucket, i) => {
        count += bucket;
        this.#sample(`${full}_bucket`, { ...labels, le: formatNumber(bounds[i] ?? Number.POSITIVE_INFINITY) }, count);
      });
      this.#sample(`${full}_sum`, labels, sum);
      // The sum of the buckets, not a number of its own: a reader must not find the two apart.
      this.#sample(`${full}_count`, labels, count);
    }
  }

  #begin(type: string, name: string, help: string): string {
    const full = this.#prefix + name;
    if (!NAME.test(full)) throw new TypeError(`${JSON.stringify(full)} is no name of a metric`);
    if (this.#names.has(full)) throw new TypeError(`${full} was added before`);
    this.#names.add(full);
    this.text += `# HELP ${full} ${help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}\n# TYPE ${full} ${type}\n`;
    return full;
  }

  #sample(name: string, labels: Labels, value: number): void {
    const parts = Object.entries(labels).map(([label, text]) => {
      if (!NAME.test(label) || label.startsWith("__")) throw new TypeError(`${JSON.stringify(label)} is no label`);
      return `${label}="${text.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")}"`;
    });
    this.text += `${name}${parts.length === 0 ? "" : `{${parts.join(",")}}`} ${formatNumber(value)}\n`;
  }
}

function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return String(value);
}
