import { isAbsolute, relative, resolve } from "node:path";
import type { Place } from "../check/item.ts";
import type { ModuleResult, Report, ToolchainResult } from "../check/result.ts";
import { printable } from "../input/printable.ts";
import { exitCodeOfModule, exitCodeOfToolchain } from "./check-exit.ts";
import {
  distinctErrors,
  formatAge,
  notesOf,
  shownAge,
  shownLatest,
  shownToolchain,
  toolchainNotesOf,
} from "./check-notes.ts";
import { notCheckedLines, whyUnchecked } from "./check-skipped.ts";
import { formatSummary } from "./check-table.ts";
import { EXIT } from "./exit-code.ts";

/** Annotations and a step summary for GitHub Actions. Whatever stands in them came from files and servers, and is escaped. */

/** Most annotations: the runner shows far fewer. */
const MAX_ANNOTATIONS = 100;
/** Most rows of a step summary. */
const MAX_ROWS = 1000;
/** Most bytes of it: of a summary of more than a megabyte the runner takes nothing. */
const MAX_BYTES = 900_000;

type Level = "error" | "warning" | "notice";

/** Workflow commands, one a line, the errors first. `workspace` is the folder that paths are shown from. */
export function formatAnnotations(report: Report, workspace: string): string[] {
  const found: { level: Level; place: Place | undefined; title: string; message: string }[] = [];
  // An input without a place is no file: a folder, an argument, what is not there.
  for (const { place, error } of report.problems) {
    found.push({ level: "error", place, title: "not read", message: error.message });
  }
  for (const error of distinctErrors(report.failures)) {
    found.push({ level: "error", place: undefined, title: error.code, message: error.message });
  }
  for (const result of report.modules) {
    const level = levelOf(result);
    if (level === undefined) continue;
    const message = [describe(result), ...notesOf(result)].filter((text) => text !== "").join("; ");
    for (const place of result.item.places.length === 0 ? [undefined] : result.item.places) {
      found.push({ level, place, title: result.item.path, message });
    }
  }
  for (const result of report.toolchains) {
    const code = exitCodeOfToolchain(result);
    if (code === EXIT.proven) continue;
    const { use, offered } = result;
    const newest = offered === undefined ? use.current : `${use.current}: the newest is ${offered}`;
    const message = [newest, ...toolchainNotesOf(result)].join("; ");
    const level = code >= EXIT.unchecked ? "error" : "warning";
    found.push({ level, place: use.places[0], title: "Go toolchain", message });
  }
  for (const message of whyUnchecked(report)) {
    found.push({ level: "error", place: undefined, title: "not checked", message });
  }
  const rank = { error: 0, warning: 1, notice: 2 } as const;
  found.sort((a, b) => rank[a.level] - rank[b.level]);
  return found.slice(0, MAX_ANNOTATIONS).map(({ level, place: named, title, message }) => {
    const place = named?.from === undefined ? named : undefined;
    const properties = [
      ...(place === undefined ? [] : [`file=${escapeProperty(printable(shownFile(place.file, workspace), 1000))}`]),
      ...(place?.line === undefined ? [] : [`line=${place.line}`]),
      `title=${escapeProperty(printable(title, 200))}`,
    ];
    return `::${level} ${properties.join(",")}::${escapeData(printable(message, 2000))}`;
  });
}

function levelOf(result: ModuleResult): Level | undefined {
  const code = exitCodeOfModule(result);
  if (code >= EXIT.unchecked) return "error";
  if (code === EXIT.proven) return undefined;
  return result.status === "untagged" ? "notice" : "warning";
}

function describe(result: ModuleResult): string {
  const { item, status, step } = result;
  if (status !== "outdated") return "";
  const age = formatAge(result.age);
  return `${item.current?.text ?? "-"} can go to ${shownLatest(result)} (${step ?? "update"}${age === "" ? "" : `, ${age}`})`;
}

function shownFile(file: string, workspace: string): string {
  const path = relative(workspace, resolve(file));
  return path !== "" && !path.startsWith("..") && !isAbsolute(path) ? path : file;
}

/** The runner reads these escapes in messages. */
function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

/** And these two more in properties. */
function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}

/** The step summary in Markdown. */
export function formatStepSummary(report: Report, now: number): string {
  const modules = report.modules.filter((result) => exitCodeOfModule(result) !== EXIT.proven);
  const toolchains = report.toolchains.filter((result) => exitCodeOfToolchain(result) !== EXIT.proven);
  const shown = [...modules.map(moduleCells), ...toolchains.map(toolchainCells)];
  const lines = ["### proofdns check", "", escapeMarkdown(formatSummary(report, now)), ""];
  for (const { code, message } of distinctErrors(report.failures)) {
    lines.push(`- ${escapeMarkdown(printable(`${code}: ${message}`, 500))}`, "");
  }
  if (shown.length > 0) {
    lines.push("| module | current | latest | step | age | notes |", "| --- | --- | --- | --- | --- | --- |");
    for (const cells of shown.slice(0, MAX_ROWS)) {
      lines.push(`| ${cells.map((cell) => escapeMarkdown(printable(cell, 500))).join(" | ")} |`);
    }
    if (shown.length > MAX_ROWS) lines.push("", `${shown.length - MAX_ROWS} more are not shown.`);
  }
  const said = [
    // Each says itself where it lies.
    ...report.problems.map(({ error }) => error.message),
    ...notCheckedLines(report.skipped),
    ...report.remarks,
  ];
  for (const line of said.slice(0, MAX_ROWS)) lines.push("", `- ${escapeMarkdown(printable(line, 500))}`);
  if (said.length > MAX_ROWS) lines.push("", `- ${said.length - MAX_ROWS} more are not shown.`);
  return `${within(lines, MAX_BYTES).join("\n")}\n`;
}

function within(lines: readonly string[], bytes: number): string[] {
  let left = bytes;
  const end = lines.findIndex((line) => {
    left -= Buffer.byteLength(line) + 1;
    return left < 0;
  });
  return end < 0 ? [...lines] : [...lines.slice(0, end), "", "More is not shown."];
}

function moduleCells(result: ModuleResult): string[] {
  const { item, step } = result;
  const current = item.current?.text ?? item.query ?? "";
  return [item.path, current, shownLatest(result), step ?? "", shownAge(result), notesOf(result).join("; ")];
}

function toolchainCells(result: ToolchainResult): string[] {
  const { use, step, age } = result;
  const notes = [...toolchainNotesOf(result), ...use.places.slice(0, 1).map(({ file }) => `in ${file}`)];
  return ["Go toolchain", use.current, shownToolchain(result), step ?? "", formatAge(age), notes.join("; ")];
}

/**
 * No character of Markdown or HTML means anything any more. What GitHub makes of text afterwards, links of bare addresses and formulas between
 * dollars, is kept from it by an empty comment within, and by the element that it names for a plain dollar.
 */
function escapeMarkdown(text: string): string {
  return text
    .replace(/[\\`*_{}[\]<>()#+!|&~@-]/g, (c) => `&#${c.charCodeAt(0)};`)
    .replaceAll("$", () => "<span>$</span>")
    .replaceAll("://", "&#58;<!-- -->//")
    .replace(/(www)\./gi, "$1&#46;<!-- -->")
    .replace(/&#64;(?=[0-9a-z])/gi, "&#64;<!-- -->");
}
