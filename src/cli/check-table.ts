import type { Place } from "../check/item.ts";
import type { AsOf, CheckStatus, ModuleResult, Report, ToolchainResult } from "../check/result.ts";
import { printable } from "../input/printable.ts";
import { formatSpan } from "./age-text.ts";
import { exitCodeOfModule, exitCodeOfToolchain, isNothingChecked } from "./check-exit.ts";
import {
  count,
  countedToolchains,
  distinctErrors,
  formatAge,
  isShown,
  notesOf,
  shownAge,
  shownLatest,
  shownToolchain,
  toolchainNotesOf,
} from "./check-notes.ts";
import { notCheckedLines } from "./check-skipped.ts";
import { type Color, paint, type Terminal, widthOf, wrap } from "./check-terminal.ts";
import { EXIT, exitCodeOf } from "./exit-code.ts";

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

type Cells = readonly [name: string, current: string, latest: string, step: string, age: string];
const HEAD: Cells = ["MODULE", "CURRENT", "LATEST", "STEP", "AGE"];

interface Row {
  readonly cells: Cells;
  readonly notes: readonly string[];
  readonly color: Color | undefined;
}

/** Longest cell. What stands in it may be text of files and servers. */
const MAX_CELL = 2000;

/** The report as a table for people: direct modules, indirect ones, toolchains, what was not checked, and one line about it all. */
export function formatTable(report: Report, options: TableOptions): string {
  const sections = sectionsOf(report, options);
  const lines = formatSections(sections, options.terminal);
  if (!options.isQuiet) {
    const said = [...notCheckedLines(report.skipped), ...report.remarks.map((remark) => `note: ${remark}`)];
    if (said.length > 0 && lines.length > 0) lines.push("");
    for (const line of said) lines.push(...fit(printable(line, MAX_CELL), options.terminal));
    if (lines.length > 0) lines.push("");
    lines.push(...fit(formatSummary(report, options.now), options.terminal));
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

function sectionsOf(report: Report, options: TableOptions): Section[] {
  const named = new Map<string, number>();
  for (const { item } of report.modules) named.set(item.path, (named.get(item.path) ?? 0) + 1);
  const rowsOf = (isIndirect: boolean): Row[] =>
    report.modules
      .filter((result) => result.item.isIndirect === isIndirect && isShown(result, exitCodeOfModule(result), options))
      .map((result) => clean(moduleRow(result, (named.get(result.item.path) ?? 0) > 1)));
  const sections = [
    { title: "direct", rows: rowsOf(false) },
    { title: "indirect", rows: rowsOf(true) },
    {
      title: "Go",
      rows: report.toolchains
        .filter((result) => isShown(result, exitCodeOfToolchain(result), options))
        .filter(({ status, use }) => !(status === "unknown" && use.kind === "named"))
        .map((result) => clean(toolchainRow(result))),
    },
  ];
  return sections.filter(({ rows }) => rows.length > 0);
}

/** Whatever stands in a row, it is only text on a terminal. */
function clean({ cells: [name, current, latest, step, age], notes, color }: Row): Row {
  const cell = (text: string): string => printable(text, MAX_CELL);
  return { cells: [cell(name), cell(current), cell(latest), cell(step), cell(age)], notes: notes.map(cell), color };
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

/** @param isRepeated the module stands there at another version too: then it is said where */
function moduleRow(result: ModuleResult, isRepeated: boolean): Row {
  const { item, status, step } = result;
  const current = item.current?.text ?? (item.query === undefined ? "-" : item.query);
  const kind = step !== undefined && step !== "same" && step !== "older" ? step : status === "error" ? "error" : "";
  return {
    cells: [item.path, printable(current, 100), shownLatest(result), kind, shownAge(result)],
    notes: [...notesOf(result), ...(isRepeated ? whereOf("in", item.places) : [])],
    color: COLORS.get(status),
  };
}

function toolchainRow(result: ToolchainResult): Row {
  const { use, status, step, age } = result;
  const current = printable(use.current, 60);
  const where = whereOf(use.kind === "built" ? "built" : "in", use.places);
  return {
    cells: ["toolchain", current, shownToolchain(result), step ?? "", formatAge(age)],
    notes: [...toolchainNotesOf(result), ...where],
    color: COLORS.get(status as CheckStatus),
  };
}

/** Where something stands: two files at most, else the first and how many more. */
function whereOf(verb: string, places: readonly Place[]): string[] {
  const files = [...new Set(places.map(({ file }) => printable(file, 60)))];
  if (files.length === 0) return [];
  return [`${verb} ${files.length > 2 ? `${files[0]} and ${files.length - 1} more` : files.join(", ")}`];
}

function formatSections(sections: readonly Section[], terminal: Terminal): string[] {
  const rows = sections.flatMap(({ rows }) => rows);
  if (rows.length === 0) return [];
  const table = fitColumns(rows, terminal.width);
  const noted = rows.some((row) => isNotedBeside(row, table));
  const head = `${formatCells(HEAD, table.widths)}${noted ? `${GAP}NOTES` : ""}`;
  const lines = [paint(head.trimEnd(), "bold", terminal)];
  for (const { title, rows } of sections) {
    if (sections.length > 1) lines.push(paint(`# ${title}`, "dim", terminal));
    for (const row of rows) {
      for (const line of formatRow(row, table)) lines.push(paint(line, row.color, terminal));
    }
  }
  return lines;
}

/** How wide the columns are. A column of no width is left out. */
interface Columns {
  readonly widths: readonly number[];
  /** Rows that would not fit beside the others: what they hold stands below their names. */
  readonly tall: ReadonlySet<Row>;
  /** Of a line; undefined off a terminal. */
  readonly width: number | undefined;
}

const GAP = "  ";
const INDENT = "    ";

/** Columns as wide as what is in them. On a terminal as many rows as fit are in columns, the narrowest first; nothing is shortened. */
function fitColumns(rows: readonly Row[], width: number | undefined): Columns {
  const isFilled = HEAD.map((_, i) => i < 3 || rows.some(({ cells }) => cells[i] !== ""));
  const widthsOf = (cells: Cells): number[] => cells.map((cell, i) => (isFilled[i] === true ? widthOf(cell) : 0));
  const measured = rows.map((row) => ({ row, own: widthsOf(row.cells) }));
  measured.sort((a, b) => totalOf(a.own) - totalOf(b.own));
  let widths = widthsOf(HEAD);
  const tall = new Set<Row>();
  for (const { row, own } of measured) {
    const wider = widths.map((one, i) => Math.max(one, own[i] ?? 0));
    if (width === undefined || totalOf(wider) <= width) widths = wider;
    else tall.add(row);
  }
  return { widths, tall, width };
}

function totalOf(widths: readonly number[]): number {
  const shown = widths.filter((one) => one > 0);
  return shown.reduce((sum, one) => sum + one, GAP.length * (shown.length - 1));
}

/** Whether the notes of a row stand on its line. */
function isNotedBeside(row: Row, { widths, tall, width }: Columns): boolean {
  if (row.notes.length === 0 || tall.has(row)) return false;
  return width === undefined || totalOf([...widths, widthOf(row.notes.join("; "))]) <= width;
}

function formatRow(row: Row, table: Columns): string[] {
  const { cells, notes } = row;
  const { widths, tall, width = Number.POSITIVE_INFINITY } = table;
  const below = (text: string): string[] => wrap(text, width - INDENT.length).map((line) => INDENT + line);
  const lines = [formatCells(cells, widths)];
  if (tall.has(row)) {
    const [name, current, latest, ...rest] = cells;
    const shown = [current === latest ? current : `${current} → ${latest}`, ...rest].filter((cell) => cell !== "");
    lines.splice(0, 1, name, ...below(shown.join(GAP)));
  }
  if (isNotedBeside(row, table)) return [`${lines[0]}${GAP}${notes.join("; ")}`];
  return [...lines.map((line) => line.trimEnd()), ...notes.flatMap(below)];
}

function formatCells(cells: Cells, widths: readonly number[]): string {
  const shown = cells.filter((_, i) => widths[i] !== 0);
  const columns = widths.filter((one) => one > 0);
  return shown.map((cell, i) => cell + " ".repeat(Math.max(0, (columns[i] ?? 0) - widthOf(cell)))).join(GAP);
}

function fit(line: string, { width }: Terminal): string[] {
  if (width === undefined || widthOf(line) <= width) return [line];
  return wrap(line, width - GAP.length).map((part, i) => (i === 0 ? part : GAP + part));
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

const TOOLCHAIN_WORDS: readonly (readonly [ToolchainResult["status"], string])[] = [
  ["current", "current"],
  ["outdated", "outdated"],
  ["withheld", "withheld"],
  ["ahead", "ahead of the index"],
  ["unreadable", "not to be compared"],
  ["unknown", "unknown"],
  ["error", "not checked"],
];

/** `12 modules: 10 current, 2 outdated; 1 Go version current; proven in epoch 14, 90 records, 60 s old`. What failed is never only unchecked. */
export function formatSummary(report: Report, now: number): string {
  const tally = tallyOf(report.modules, WORDS, exitCodeOfModule).map(({ n, word }) => `${n} ${word}`);
  if (report.problems.length > 0) tally.push(`${count(report.problems.length, "input")} not read`);
  const modules = isNothingChecked(report) ? "nothing was checked" : count(report.modules.length, "module");
  const parts = [`${modules}${tally.length === 0 ? "" : `: ${tally.join(", ")}`}`];
  const toolchains = tallyOf(countedToolchains(report), TOOLCHAIN_WORDS, exitCodeOfToolchain);
  if (toolchains.length > 0) {
    parts.push(toolchains.map(({ n, word }) => `${count(n, "Go version")} ${word}`).join(", "));
  }
  const failures = distinctErrors(report.failures);
  const failed = failures.filter((error) => exitCodeOf(error) === EXIT.failed).length;
  if (failed > 0) parts.push(`${count(failed, "check")} of the log FAILED`);
  if (failures.length > failed) parts.push(`${count(failures.length - failed, "answer")} of the log missing`);
  if (report.asOf !== undefined) parts.push(formatAsOf(report.asOf, now));
  return parts.join("; ");
}

/** How many there are of each status, those first of which a verification failed: they count as nothing else. */
function tallyOf<T extends { readonly status: string }>(
  results: readonly T[],
  words: readonly (readonly [T["status"], string])[],
  exitCode: (result: T) => number,
): { n: number; word: string }[] {
  const failed = results.filter((result) => exitCode(result) === EXIT.failed);
  const others = results.filter((result) => exitCode(result) !== EXIT.failed);
  const tally = [{ n: failed.length, word: "FAILED verification" }];
  for (const [status, word] of words) tally.push({ n: others.filter((one) => one.status === status).length, word });
  return tally.filter(({ n }) => n > 0);
}

function formatAsOf({ epoch, sumdbSize, ageTime }: AsOf, now: number): string {
  const age = ageTime === 0 ? "freshness not proven" : `${formatSpan(now - ageTime)} old`;
  return `proven in epoch ${epoch}, ${sumdbSize} records, ${age}`;
}
