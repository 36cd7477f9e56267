import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { COUNTER, type CounterName, ServerStats } from "../../src/dns/stats.ts";
import { formatMetrics, MetricsText, type ServiceGauges } from "../../src/service/prometheus.ts";

interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

/**
 * A parser of the text format 0.0.4 that takes nothing but what it allows, and refuses what only looks like it. Each `ok`
 * has a message: without one Node looks for the expression in the source, which takes it most of a minute here.
 */
function parseMetrics(text: string): Map<string, Family> {
  assert.ok(text.endsWith("\n") && !text.includes("\r"), "ends with a line feed");
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let current = "";
  let help: string | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    if (line.startsWith("# HELP ")) {
      const match = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\]|\\\\|\\n)+)$/.exec(line);
      assert.ok(match, line);
      current = match[1] as string;
      help = match[2] as string;
      assert.ok(!families.has(current), `${current} comes twice`);
    } else if (line.startsWith("# TYPE ")) {
      const match = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
      assert.ok(match && match[1] === current && help !== undefined, line);
      families.set(current, { type: match[2] as string, help, samples: [] });
      help = undefined;
    } else {
      const sample = parseSample(line);
      const family = families.get(current);
      assert.ok(family && help === undefined, `${line}: before its type`);
      const suffix = sample.name.slice(current.length);
      assert.ok(sample.name.startsWith(current), `${line}: not of ${current}`);
      assert.ok((family.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""]).includes(suffix), line);
      const identity = `${sample.name} ${JSON.stringify([...sample.labels].sort())}`;
      assert.ok(!seen.has(identity), `${line}: comes twice`);
      seen.add(identity);
      family.samples.push(sample);
    }
  }
  for (const [name, family] of families) checkFamily(name, family);
  return families;
}

function parseSample(line: string): Sample {
  const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  assert.ok(match, line);
  const labels = new Map<string, string>();
  let rest = match[2];
  assert.notEqual(rest, "", `${line}: empty braces`);
  while (rest !== undefined) {
    const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\\\|\\"|\\n)*)"(?:,(?=.)|$)/.exec(rest);
    assert.ok(label, `${line}: labels`);
    const [whole, name = "", value = ""] = label;
    assert.ok(!labels.has(name), `${line}: ${name} comes twice`);
    labels.set(
      name,
      value.replace(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c)),
    );
    rest = rest.length === whole.length ? undefined : rest.slice(whole.length);
  }
  return { name: match[1] as string, labels, value: parseNumber(match[3] as string) };
}

function parseNumber(text: string): number {
  if (text === "+Inf") return Number.POSITIVE_INFINITY;
  if (text === "-Inf") return Number.NEGATIVE_INFINITY;
  assert.match(text, /^(?:-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|NaN)$/);
  return Number(text);
}

function checkFamily(name: string, { type, samples }: Family): void {
  assert.ok(samples.length > 0, `${name} has no samples`);
  if (type === "counter") {
    assert.match(name, /_total$/);
    for (const { value } of samples) assert.ok(value >= 0, `${name}: below zero`);
  } else assert.doesNotMatch(name, /_(?:total|count|sum|bucket)$/);
  if (type !== "histogram") return;
  const without = ({ labels }: Sample): string => JSON.stringify([...labels].filter(([label]) => label !== "le"));
  for (const series of new Set(samples.map(without))) {
    const own = samples.filter((sample) => without(sample) === series);
    const buckets = own.filter((sample) => sample.name.endsWith("_bucket"));
    const bounds = buckets.map(({ labels }) => parseNumber(labels.get("le") as string));
    assert.deepEqual(
      bounds,
      bounds.slice().sort((a, b) => a - b),
    );
    assert.equal(new Set(bounds).size, bounds.length);
    assert.equal(bounds.at(-1), Number.POSITIVE_INFINITY);
    buckets.slice(1).forEach(({ value }, i) => {
      assert.ok(value >= (buckets[i]?.value as number), `${name}: cumulative`);
    });
    const count = own.filter((sample) => sample.name === `${name}_count`);
    assert.equal(own.filter((sample) => sample.name === `${name}_sum`).length, 1);
    assert.equal(count.length, 1);
    assert.equal(count[0]?.value, buckets.at(-1)?.value);
  }
}

const GAUGES: ServiceGauges = {
  epoch: 7,
  epochAge: 61.5,
  clockAge: 12,
  sumdbSize: 40_000_000,
  signatureExpiry: 1_760_000_000,
  keys: [
    { keyTag: 12345, algorithm: 13, state: "active" },
    { keyTag: 999, algorithm: 13, state: "published" },
  ],
  threads: 4,
  version: "0.1.0",
  nodeVersion: "v20.20.2",
  residentBytes: 123_456_789,
  cpuSeconds: 12.5,
};

const makeStats = (): ServerStats => new ServerStats(new SharedArrayBuffer(ServerStats.byteLength));

/** The value of the one sample with this name and these labels. */
function readValue(
  families: Map<string, Family>,
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const found = [...families.values()]
    .flatMap(({ samples }) => samples)
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels.get(label) === value));
  assert.ok(found.length <= 1, `${name} is ambiguous`);
  return found[0]?.value;
}

describe("the metrics", () => {
  it("are the strict text format, with nothing counted and with everything", () => {
    const stats = makeStats();
    parseMetrics(formatMetrics(ServerStats.sum([stats]), GAUGES));
    for (const counter of Object.values(COUNTER)) stats.count(counter, 3);
    for (const transport of ["udp", "tcp"] as const) {
      for (let type = -1; type < 300; type++) {
        for (const rcode of [0, 1, 2, 3, 4, 5, 9, 16, 23]) {
          stats.countReply(transport, type, rcode, type % 2 === 0, 37 * type + 60, 2 ** (type % 25));
        }
      }
    }
    const families = parseMetrics(formatMetrics(ServerStats.sum([stats]), GAUGES));
    for (const [name, { help }] of families) {
      assert.match(name, /^proofdns_[a-z0-9_]+$/);
      assert.match(help, /^[A-Z].*\.$/);
    }
  });

  it("say what was counted", () => {
    const stats = makeStats();
    for (let i = 0; i < 3; i++) stats.countReply("udp", 16, 0, true, 850, 40);
    stats.countReply("udp", 16, 0, false, 2000, 60);
    stats.countReply("tcp", 43, 3, true, 400, 2_000_000);
    const families = parseMetrics(formatMetrics(ServerStats.sum([stats]), GAUGES));
    const replies = { transport: "udp", qtype: "TXT", rcode: "NOERROR" };
    assert.equal(readValue(families, "proofdns_replies_total", { ...replies, do: "1" }), 3);
    assert.equal(readValue(families, "proofdns_replies_total", { ...replies, do: "0" }), 1);
    assert.equal(readValue(families, "proofdns_replies_total", { qtype: "DS", rcode: "NXDOMAIN" }), 1);
    assert.equal(families.get("proofdns_replies_total")?.samples.length, 3);
    const bucket = (metric: string, transport: string, le: string): number | undefined =>
      readValue(families, `proofdns_${metric}_bucket`, { transport, le });
    assert.equal(bucket("reply_duration_seconds", "udp", "0.000025"), 0);
    assert.equal(bucket("reply_duration_seconds", "udp", "0.00005"), 3);
    assert.equal(bucket("reply_duration_seconds", "udp", "0.0001"), 4);
    assert.equal(bucket("reply_duration_seconds", "tcp", "1"), 0);
    assert.equal(bucket("reply_duration_seconds", "tcp", "+Inf"), 1);
    assert.equal(readValue(families, "proofdns_reply_duration_seconds_sum", { transport: "tcp" }), 2);
    assert.equal(readValue(families, "proofdns_reply_duration_seconds_sum", { transport: "udp" }), 0.00018);
    assert.equal(bucket("reply_size_bytes", "udp", "1232"), 3);
    assert.equal(readValue(families, "proofdns_reply_size_bytes_sum", { transport: "udp" }), 4550);
    assert.equal(readValue(families, "proofdns_reply_size_bytes_count", { transport: "tcp" }), 1);
  });

  it("have every counter once", () => {
    for (const name of Object.keys(COUNTER) as CounterName[]) {
      const stats = makeStats();
      const before = parseMetrics(formatMetrics(ServerStats.sum([stats]), GAUGES));
      stats.count(COUNTER[name], 5);
      const after = parseMetrics(formatMetrics(ServerStats.sum([stats]), GAUGES));
      const values = (families: Map<string, Family>): number[] =>
        [...families.values()].flatMap(({ samples }) => samples.map(({ value }) => value));
      const [a, b] = [values(before), values(after)];
      assert.equal(a.length, b.length);
      const changed = b.filter((value, i) => value !== a[i]);
      assert.deepEqual(changed, [5], name);
    }
  });

  it("say what the service knows, and leave out what it does not", () => {
    const stats = ServerStats.sum([makeStats()]);
    const families = parseMetrics(formatMetrics(stats, GAUGES));
    for (const [name, value] of [
      ["epoch", 7],
      ["epoch_age_seconds", 61.5],
      ["clock_age_seconds", 12],
      ["sumdb_records", 40_000_000],
      ["signature_expiry_timestamp_seconds", 1_760_000_000],
      ["threads", 4],
      ["process_resident_memory_bytes", 123_456_789],
      ["process_cpu_seconds_total", 12.5],
    ] as const) {
      assert.equal(readValue(families, `proofdns_${name}`), value, name);
    }
    assert.equal(readValue(families, "proofdns_key_info", { key_tag: "12345", algorithm: "13", state: "active" }), 1);
    assert.equal(readValue(families, "proofdns_key_info", { key_tag: "999", state: "published" }), 1);
    assert.equal(readValue(families, "proofdns_build_info", { version: "0.1.0", node_version: "v20.20.2" }), 1);
    const unknown = { ...GAUGES, epochAge: undefined, clockAge: undefined, signatureExpiry: undefined, keys: [] };
    const less = parseMetrics(formatMetrics(stats, unknown));
    for (const name of ["epoch_age_seconds", "clock_age_seconds", "signature_expiry_timestamp_seconds", "key_info"]) {
      assert.ok(families.has(`proofdns_${name}`) && !less.has(`proofdns_${name}`), name);
    }
  });
});

describe("the text of metrics", () => {
  it("escapes help and labels, and writes the numbers that JSON has not", () => {
    const out = new MetricsText("x_");
    const ugly = 'a\\b"c\nd,}e{ f=" é';
    out.add("gauge", "y", "back\\slash\nline", [
      [{ l: ugly }, Number.NaN],
      [{ l: "a", m: "" }, Number.NEGATIVE_INFINITY],
      [{}, 1e300],
      [{ l: "z" }, 1.5e-9],
    ]);
    const families = parseMetrics(out.text);
    const samples = families.get("x_y")?.samples ?? [];
    assert.equal(samples[0]?.labels.get("l"), ugly);
    assert.deepEqual(
      samples.map(({ value }) => value),
      [Number.NaN, Number.NEGATIVE_INFINITY, 1e300, 1.5e-9],
    );
    assert.equal(families.get("x_y")?.help, "back\\\\slash\\nline");
    assert.equal(out.text.split("\n").length, 2 + 4 + 1);
  });

  it("has no metric without samples", () => {
    const out = new MetricsText("x_");
    out.add("counter", "y_total", "Nothing.", []);
    assert.equal(out.text, "");
  });

  it("refuses what is no name, no label, or there already", () => {
    const out = new MetricsText("x_");
    out.add("gauge", "y", "One.", [[{}, 1]]);
    assert.throws(() => out.add("gauge", "y", "One.", [[{}, 1]]), TypeError);
    for (const name of ["a-b", "a b", "a\n", "é", "a{"]) {
      assert.throws(() => out.add("gauge", name, "One.", [[{}, 1]]), TypeError, name);
    }
    for (const label of ["", "1", "a-b", "__name__", 'a"', "a="]) {
      assert.throws(() => new MetricsText("x_").add("gauge", "z", "One.", [[{ [label]: "" }, 1]]), TypeError, label);
    }
    assert.throws(
      () => new MetricsText("").addHistogram("h", "One.", [1], [[{}, { buckets: [1], sum: 1 }]]),
      TypeError,
    );
  });
});

describe("the parser of this test", () => {
  const good = "# HELP a_total Help.\n# TYPE a_total counter\na_total 1\n";
  for (const [what, text] of Object.entries({
    "no line feed at the end": good.slice(0, -1),
    "an empty line": `${good}\n`,
    "a sample without a type": "a 1\n",
    "a type without help": "# TYPE a gauge\na 1\n",
    "a sample twice": `${good}a_total 1\n`,
    "a family twice": good + good,
    "a counter below zero": good.replace(" 1\n", " -1\n"),
    "a value that is none": good.replace(" 1\n", " one\n"),
    "a sample of another family": `${good}b 1\n`,
    "a quote in a label": '# HELP a A.\n# TYPE a gauge\na{b="c"d"} 1\n',
    "a comma behind the labels": '# HELP a A.\n# TYPE a gauge\na{b="c",} 1\n',
    "a histogram that is not cumulative":
      '# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
    "a histogram without its end": '# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_sum 1\nh_count 2\n',
    "a histogram of another count": '# HELP h H.\n# TYPE h histogram\nh_bucket{le="+Inf"} 2\nh_sum 1\nh_count 1\n',
  })) {
    it(`refuses ${what}`, () => {
      parseMetrics(good);
      assert.throws(() => parseMetrics(text), assert.AssertionError);
    });
  }
});
