import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describeMachine, formatMachine, loadAverage } from "./dns/machine.ts";

/** Folder of the JSON files. */
const FOLDER = new URL("../build/bench/", import.meta.url);

/** Where tables are written with `--docs`. */
const PAGE = new URL("../docs/performance.md", import.meta.url);

/** How a benchmark is run. */
export interface BenchOptions {
  /** Small sizes: shows that it runs. */
  readonly short: boolean;
  /** Its tables go to docs/performance.md. */
  readonly docs?: boolean;
}

/** A limit that a figure is held against. */
export interface Goal {
  readonly what: string;
  /** Undefined if it could not be measured; then `why`. */
  readonly value: number | undefined;
  readonly limit: number;
  /** `least`: the value must be at least the limit. */
  readonly bound: "least" | "most";
  readonly unit: string;
  readonly why?: string;
}

/** What came of a goal. A figure that is not a number reaches nothing. */
export function judge({ value, limit, bound }: Goal): "PASS" | "MISS" | "not judged" {
  if (value === undefined) return "not judged";
  return (bound === "least" ? value >= limit : value <= limit) ? "PASS" : "MISS";
}

/**
 * The results of one benchmark: printed as they come, and kept as `build/bench/<name>.json` with the commit, Node, the
 * machine, its load before and after, and the time.
 */
export class Report {
  readonly #name: string;
  readonly #options: BenchOptions;
  readonly #machine = describeMachine();
  readonly #loadBefore = loadAverage();
  readonly #started = performance.now();
  readonly #results: Record<string, unknown> = {};
  readonly #goals: Goal[] = [];
  readonly #document: string[] = [];

  constructor(name: string, options: BenchOptions) {
    this.#name = name;
    this.#options = options;
    console.log(`# ${name}: ${formatMachine(this.#machine)}; load average ${this.#loadBefore.join(", ")}`);
  }

  /** Keeps `value` under `key`, which JSON must be able to hold. */
  keep(key: string, value: unknown): void {
    this.#results[key] = value;
  }

  /** Prints a table under a title. */
  table(title: string, text: string): void {
    console.log(`\n## ${title}\n\n${text}`);
    this.#document.push(`**${title}**\n\n${text}`);
  }

  /** Prints a line that belongs to the table before it. */
  note(text: string): void {
    console.log(`\n${text}`);
    this.#document.push(text);
  }

  /** Prints a line. */
  say(text: string): void {
    console.log(text);
  }

  /** Holds a figure against a limit, prints what came of it, and keeps it. */
  goal(goal: Goal): void {
    this.#goals.push(goal);
    const sign = goal.bound === "least" ? "≥" : "≤";
    const found = goal.value === undefined ? (goal.why ?? "not measured") : `${formatFigure(goal.value)} ${goal.unit}`;
    const line = `${judge(goal)}: ${goal.what}: ${found} (goal ${sign} ${formatFigure(goal.limit)} ${goal.unit})`;
    console.log(line);
    this.#document.push(`- ${line}`);
  }

  /** True if no goal was missed. */
  get isReached(): boolean {
    return this.#goals.every((goal) => judge(goal) !== "MISS");
  }

  /** Writes the JSON file, and the page if that was asked for. */
  finish(): void {
    mkdirSync(FOLDER, { recursive: true });
    const file = new URL(`${this.#name}.json`, FOLDER);
    const content = {
      name: this.#name,
      short: this.#options.short,
      ...this.#machine,
      loadBefore: this.#loadBefore,
      loadAfter: loadAverage(),
      seconds: (performance.now() - this.#started) / 1000,
      goals: this.#goals.map((goal) => ({ ...goal, result: judge(goal) })),
      results: this.#results,
    };
    writeFileSync(file, `${JSON.stringify(content, undefined, 2)}\n`);
    if (this.#options.docs === true && !this.#options.short) {
      const when = new Date(this.#machine.time * 1000).toISOString().slice(0, 10);
      const load = `load average ${this.#loadBefore.join(", ")} before, ${loadAverage().join(", ")} after`;
      const { commit, node, cores, cpu, memoryGiB } = this.#machine;
      const machine = `commit ${commit ?? "unknown"}, Node ${node}, ${cores} × ${cpu}, ${memoryGiB} GiB`;
      const text = [`${when}: ${machine}; ${load}.`, ...this.#document].join("\n\n");
      writeFileSync(PAGE, replaceBetweenMarkers(readFileSync(PAGE, "utf8"), this.#name, text));
      console.log(`wrote the tables into ${fileURLToPath(PAGE)}`);
    }
    console.log(`\nload average ${loadAverage().join(", ")} at the end; everything in ${fileURLToPath(file)}\n`);
  }
}

const grouped = new Intl.NumberFormat("en-US");

/** `12,345` */
export function formatCount(value: number): string {
  return grouped.format(Math.round(value));
}

/** Three significant digits; whole numbers from 100 on. */
export function formatFigure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 100 ? formatCount(value) : String(Number(value.toPrecision(3)));
}

/** `1 k`, `2.5 M` */
export function formatKeys(keys: number): string {
  return keys < 1e6 ? `${keys / 1e3} k` : `${keys / 1e6} M`;
}

/** A Markdown table with aligned columns. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((cell, i) => Math.max(cell.length, 3, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] as number)).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [line(header), rule, ...rows.map(line)].join("\n");
}

/** Replaces what stands between `<!-- <name>:begin -->` and `<!-- <name>:end -->`. @throws Error if a marker is missing */
export function replaceBetweenMarkers(document: string, name: string, text: string): string {
  const begin = `<!-- ${name}:begin -->`;
  const end = `<!-- ${name}:end -->`;
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the document has no place ${begin} … ${end}`);
  return `${document.slice(0, from + begin.length)}\n\n${text.trim()}\n\n${document.slice(to)}`;
}
