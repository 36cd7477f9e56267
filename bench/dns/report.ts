import { median, medianRatio, type Row } from "./plan.ts";

/** Something that the server has to reach, and whether it did. */
export interface Goal {
  readonly what: string;
  /** The figure that is judged; NaN where it was not measured. */
  readonly value: number;
  readonly limit: number;
  readonly verdict: "PASS" | "MISS" | "not measured";
}

/** `at most` judges `value <= limit`, `at least` the contrary. */
function judge(what: string, value: number | undefined, bound: "at most" | "at least", limit: number): Goal {
  if (value === undefined || Number.isNaN(value)) return { what, value: Number.NaN, limit, verdict: "not measured" };
  const holds = bound === "at most" ? value <= limit : value >= limit;
  return { what: `${what}: ${bound} ${limit}`, value, limit, verdict: holds ? "PASS" : "MISS" };
}

/** The goals of the server, as ratios of figures of this run. */
export function judgeGoals(rows: readonly Row[], threads: number): Goal[] {
  const find = (id: string): Row | undefined => rows.find(({ scenario }) => scenario.id === id);
  const ratio = (id: string, yardstick: string, of: "cpu" | "qps"): number | undefined => {
    const [row, other] = [find(id), find(yardstick)];
    return row === undefined || other === undefined ? undefined : medianRatio(row, other, (measured) => measured[of]);
  };
  const [oursLatencies, echoLatencies] = ["udp ours warm 1", "udp echo tuned 1"].map((id) => find(id)?.latencies ?? []);
  const tails = oursLatencies?.map(({ p99 }, i) => p99 / (echoLatencies?.[i]?.p99 ?? Number.NaN)) ?? [];
  const many = `${threads} threads each`;
  return [
    judge("UDP, warm: CPU / bare echo", ratio("udp ours warm 1", "udp echo tuned 1", "cpu"), "at most", 1.25),
    judge(
      "UDP, cold: CPU / (echo + one signature)",
      ratio("udp ours cold 1", "udp echo sign 1", "cpu"),
      "at most",
      1.25,
    ),
    judge("TCP: rate / Knot's, one thread each", ratio("tcp ours warm 1", "tcp knot 1", "qps"), "at least", 1),
    judge(
      `TCP: rate / Knot's, ${many}`,
      ratio(`tcp ours warm ${threads}`, `tcp knot ${threads}`, "qps"),
      "at least",
      1,
    ),
    judge("UDP, half load: p99 / echo's", median(tails), "at most", 2),
  ];
}

/** The rows as a table for people, in Markdown. */
export function formatRows(rows: readonly Row[]): string {
  const lines = [
    "| transport | server | threads | answer bytes | answers/s | CPU µs/answer | × yardstick | server cores | waited cores | dnsperf cores | lost | errors |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|",
  ];
  for (const { scenario, rounds } of rows) {
    const yardstick = rows.find((row) => row.scenario.id === scenario.yardstick);
    const of = (key: keyof (typeof rounds)[number]): number => median(rounds.map((round) => round[key]));
    const times =
      yardstick === undefined
        ? Number.NaN
        : medianRatio({ scenario, rounds, latencies: [] }, yardstick, ({ cpu }) => cpu);
    const cells = [
      scenario.transport,
      scenario.target.name,
      scenario.target.threads,
      Math.round(of("answerBytes")),
      Math.round(of("qps")),
      of("cpu").toFixed(1),
      times.toFixed(2),
      of("serverCores").toFixed(2),
      of("waitedCores").toFixed(2),
      of("dnsperfCores").toFixed(2),
      rounds.reduce((sum, { lost }) => sum + lost, 0),
      rounds.reduce((sum, { errors }) => sum + errors, 0),
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  return lines.join("\n");
}

/** The latencies as a table for people. */
export function formatLatencies(rows: readonly Row[]): string {
  const lines = ["| transport | server | threads | queries/s | p50 ms | p99 ms |", "|---|---|---|---|---|---|"];
  for (const { scenario, latencies } of rows) {
    if (latencies.length === 0) continue;
    const of = (key: "rate" | "p50" | "p99"): number => median(latencies.map((latency) => latency[key]));
    const { name, threads } = scenario.target;
    const figures = [Math.round(of("rate")), of("p50").toFixed(3), of("p99").toFixed(3)];
    lines.push(`| ${[scenario.transport, name, threads, ...figures].join(" | ")} |`);
  }
  return lines.join("\n");
}

/** Part of its threads that a server must use to be what limits the rate. */
const BUSY = 0.9;

/** Says where not the server was what limited the rate, but dnsperf or the machine: there only the CPU figures say something. */
export function formatBottlenecks(rows: readonly Row[]): string {
  const limited = rows.filter(({ scenario, rounds }) => {
    return median(rounds.map(({ serverCores }) => serverCores)) < BUSY * scenario.target.threads;
  });
  if (limited.length === 0) return "every server was at its limit";
  const ids = limited.map(({ scenario }) => scenario.id).join(", ");
  return `not at their limit, so that dnsperf or the machine was the bottleneck and answers/s is theirs (judge CPU per answer): ${ids}`;
}
