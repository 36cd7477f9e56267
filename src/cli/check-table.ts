import type { Skipped } from "../check/item.ts";
import { shownPlace } from "../check/item-collector.ts";
import type { AsOf, CheckStatus, ModuleResult, Report, ToolchainResult } from "../check/result.ts";
import { count, formatAge, notesOf, shownLatest, toolchainNotesOf } from "./check-notes.ts";
import { type Color, cutEnd, cutMiddle, paint, type Terminal, widthOf } from "./check-terminal.ts";
import { printable } from "./printable.ts";

/** How a table is made. */
export interface TableOptions {
  readonly terminal: Terminal;
  /** Only what is not current. */
  readonly isOutdatedOnly: boolean;
  /** Without what is said beside the table. */
  readonly isQuiet: boolean;
  /** Unix seconds. */
  readonly now: number;
}

type Row = readonly [name: string, current: string, latest: string, step: string, age: string, notes: string];
const HEAD: Row = ["MODULE", "CURRENT", "LATEST", "STEP", "AGE", "NOTES"];

interface ColoredRow {
  readonly row: Row;
  readonly color: Color | undefined;
}

/** Longest cell. What stands in it may be text of files and servers. */
const MAX_CELL = 2000;

/** The report as a table for people: direct modules, indirect ones, toolchains, what was not checked, and one line about it all. */
export function formatTable(report: Report, options: TableOptions): string {
  const sections = sectionsOf(report, options);
  const rows = sections.flatMap(({ rows }) => rows);
  const lines: string[] = [];
  if (rows.length > 0) {
    const widths = fitWidths([HEAD, ...rows.map(({ row }) => row)], options.terminal.width);
    lines.push(paint(formatRow(HEAD, widths), "bold", options.terminal));
    const isTitled = sections.length > 1;
    for (const { title, rows } of sections) {
      if (isTitled) lines.push(paint(`# ${title}`, "dim", options.terminal));
      for (const { row, color } of rows) lines.push(paint(formatRow(row, widths), color, options.terminal));
    }
  }
  if (!options.isQuiet) {
    const said = [...skippedLines(report.skipped), ...report.remarks.map((remark) => `note: ${remark}`)];
    if (said.length > 0 && lines.length > 0) lines.push("");
    lines.push(...said.map((line) => fit(printable(line, MAX_CELL), options.terminal)));
    if (lines.length > 0) lines.push("");
    lines.push(fit(formatSummary(report, options.now), options.terminal));
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

function sectionsOf(report: Report, options: TableOptions): { title: string; rows: ColoredRow[] }[] {
  const isShown = ({ status }: { status: string }): boolean =>
    !options.isOutdatedOnly || (status !== "current" && status !== "latest");
  const rowsOf = (isIndirect: boolean): ColoredRow[] =>
    report.modules
      .filter((result) => result.item.isIndirect === isIndirect && isShown(result))
      .map((result) => ({ row: clean(moduleRow(result)), color: COLORS.get(result.status) }));
  const sections = [
    { title: "direct", rows: rowsOf(false) },
    { title: "indirect", rows: rowsOf(true) },
    {
      title: "Go",
      rows: report.toolchains
        .filter((result) => isShown(result) && !(result.status === "unknown" && result.use.kind === "named"))
        .map((result) => ({ row: clean(toolchainRow(result)), color: COLORS.get(result.status as CheckStatus) })),
    },
  ];
  return sections.filter(({ rows }) => rows.length > 0);
}

/** Whatever stands in a row, it is only text on a terminal. */
function clean([name, current, latest, step, age, notes]: Row): Row {
  const cell = (text: string): string => printable(text, MAX_CELL);
  return [cell(name), cell(current), cell(latest), cell(step), cell(age), cell(notes)];
}

const COLORS: ReadonlyMap<CheckStatus, Color> = new Map<CheckStatus, Color>([
  ["outdated", "yellow"],
  ["newer-major", "yellow"],
  ["retracted", "red"],
  ["unlisted", "red"],
  ["absent", "red"],
  ["unmatched", "red"],
  ["error", "red"],
]);

function moduleRow(result: ModuleResult): Row {
  const { item, status, step } = result;
  const current = item.current?.text ?? (item.query === undefined ? "-" : item.query);
  const kind = step !== undefined && step !== "same" && step !== "older" ? step : status === "error" ? "error" : "";
  return [
    item.path,
    printable(current, 100),
    shownLatest(result),
    kind,
    formatAge(result.age),
    notesOf(result).join("; "),
  ];
}

function toolchainRow(result: ToolchainResult): Row {
  const { use, offered, step, age } = result;
  const current = printable(use.current, 60);
  const places = use.places.map(({ file }) => printable(file, 60));
  const shown = places.length > 2 ? `${places[0]} and ${places.length - 1} more` : places.join(", ");
  const verb = use.kind === "built" ? "built" : "in";
  const where = places.length === 0 ? [] : [`${verb} ${shown}`];
  const notes = [...toolchainNotesOf(result), ...where];
  return [
    "toolchain",
    current,
    offered ?? (result.status === "current" ? current : "-"),
    step ?? "",
    formatAge(age),
    notes.join("; "),
  ];
}

/** Column widths; on a terminal the notes give way first, then the names, then ages. A column of no width is left out. */
function fitWidths(rows: readonly Row[], width: number | undefined): number[] {
  const widths = HEAD.map((_, i) => rows.reduce((most, row) => Math.max(most, widthOf(row[i] as string)), 0));
  for (const i of [3, 4, 5]) if (rows.slice(1).every((row) => row[i] === "")) widths[i] = 0;
  if (width === undefined) return widths;
  const over = (): number => {
    const shown = widths.filter((one) => one > 0);
    return shown.reduce((sum, one) => sum + one, GAP.length * (shown.length - 1)) - width;
  };
  for (const [i, least] of GIVING_WAY) {
    const much = over();
    const now = widths[i] as number;
    if (much > 0 && now > least) widths[i] = Math.max(least, now - much);
  }
  return widths;
}

const GAP = "  ";
/** Which column gives way to what width, one after the other. */
const GIVING_WAY: readonly (readonly [column: number, least: number])[] = [
  [5, 12],
  [0, 24],
  [4, 0],
  [5, 0],
  [1, 12],
  [2, 12],
  [0, 8],
  [1, 8],
  [2, 8],
];

function formatRow(row: Row, widths: readonly number[]): string {
  const cells: string[] = [];
  for (const [i, cell] of row.entries()) {
    const width = widths[i] as number;
    if (width === 0) continue;
    const isNarrow = widthOf(cell) === cell.length;
    const cut = i <= 2 && isNarrow ? cutMiddle(cell, width) : cutEnd(cell, width);
    cells.push(cut + " ".repeat(Math.max(0, width - widthOf(cut))));
  }
  return cells.join(GAP).trimEnd();
}

function fit(line: string, { width }: Terminal): string {
  return width === undefined ? line : cutEnd(line, width);
}

/** Private modules are counted; of the others each is named. */
function skippedLines(skipped: readonly Skipped[]): string[] {
  const lines: string[] = [];
  const privates = skipped.filter(({ reason }) => reason === "private").length;
  for (const { name, version, reason, detail, places } of skipped) {
    if (reason === "private") continue;
    const [place] = places;
    const where = place === undefined || place.file === name ? "" : ` (${shownPlace(place)})`;
    lines.push(
      `not checked: ${printable(name)}${version === undefined ? "" : ` ${printable(version, 100)}`}: ${detail}${where}`,
    );
  }
  if (privates > 0) lines.push(`not checked: ${count(privates, "private module")} (GOPRIVATE, GONOSUMDB), never sent`);
  return lines;
}

const WORDS: readonly (readonly [CheckStatus, string])[] = [
  ["current", "current"],
  ["latest", "looked up"],
  ["outdated", "outdated"],
  ["newer-major", "with a newer major"],
  ["withheld", "withheld"],
  ["retracted", "retracted"],
  ["ahead", "ahead of the index"],
  ["unlisted", "not in the checksum database"],
  ["untagged", "untagged"],
  ["absent", "absent"],
  ["unmatched", "without a match"],
  ["error", "not checked"],
];

/** `12 modules: 10 current, 2 outdated; epoch 14 of 90 records, 60 s old`. */
export function formatSummary(report: Report, now: number): string {
  const tally = WORDS.map(([status, word]) => {
    const n = report.modules.filter((result) => result.status === status).length;
    return n === 0 ? "" : `${n} ${word}`;
  }).filter((text) => text !== "");
  const builds = report.toolchains.filter(({ status, use }) => status === "outdated" && use.kind === "built").length;
  if (builds > 0) tally.push(`${count(builds, "older toolchain")}`);
  if (report.problems.length > 0) tally.push(`${count(report.problems.length, "input")} not read`);
  const parts = [`${count(report.modules.length, "module")}${tally.length === 0 ? "" : `: ${tally.join(", ")}`}`];
  if (report.asOf !== undefined) parts.push(formatAsOf(report.asOf, now));
  return parts.join("; ");
}

function formatAsOf({ epoch, sumdbSize, ageTime }: AsOf, now: number): string {
  const age = ageTime === 0 ? "freshness not proven" : `${Math.max(0, now - ageTime)} s old`;
  return `proven in epoch ${epoch}, ${sumdbSize} records, ${age}`;
}
