import { isAbsolute, relative, resolve } from "node:path";
import { exitCodeOfModule, exitCodeOfToolchain } from "../check/exit.ts";
import type { Place } from "../check/item.ts";
import type { ModuleResult, Report } from "../check/result.ts";
import { distinctErrors, formatAge, NO_FILES, notesOf, shownLatest, toolchainNotesOf } from "./check-notes.ts";
import { formatSummary } from "./check-table.ts";
import { EXIT } from "./exit-code.ts";
import { printable } from "./printable.ts";

/** Annotations and a step summary for GitHub Actions. Whatever stands in them came from files and servers, and is escaped. */

/** Most annotations: the runner shows far fewer. */
const MAX_ANNOTATIONS = 100;
/** Most rows of a step summary, which may have a megabyte. */
const MAX_ROWS = 1000;

type Level = "error" | "warning" | "notice";

/** Workflow commands, one a line, the errors first. `workspace` is the folder that paths are shown from. */
export function formatAnnotations(report: Report, workspace: string): string[] {
  const found: { level: Level; place: Place | undefined; title: string; message: string }[] = [];
  for (const { input, place, error } of report.problems) {
    found.push({
      level: "error",
      // What is no file of a name was an argument like module@version.
      place: place ?? (input.includes("@") ? undefined : { file: input, line: undefined }),
      title: "not read",
      message: error.message,
    });
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
    if (exitCodeOfToolchain(result) === EXIT.proven) continue;
    const message = [
      `${result.use.current}: the newest is ${result.offered ?? "unknown"}`,
      ...toolchainNotesOf(result),
    ];
    found.push({ level: "warning", place: result.use.places[0], title: "Go toolchain", message: message.join("; ") });
  }
  const rank = { error: 0, warning: 1, notice: 2 } as const;
  found.sort((a, b) => rank[a.level] - rank[b.level]);
  return found.slice(0, MAX_ANNOTATIONS).map(({ level, place: named, title, message }) => {
    const place = named === undefined || NO_FILES.has(named.file) ? undefined : named;
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
  const shown = report.modules.filter((result) => exitCodeOfModule(result) !== EXIT.proven);
  const lines = ["### proofdns check", "", escapeMarkdown(formatSummary(report, now)), ""];
  if (shown.length > 0) {
    lines.push("| module | current | latest | step | age | notes |", "| --- | --- | --- | --- | --- | --- |");
    for (const result of shown.slice(0, MAX_ROWS)) {
      const cells = [
        result.item.path,
        result.item.current?.text ?? "",
        shownLatest(result),
        result.step ?? "",
        formatAge(result.age),
        notesOf(result).join("; "),
      ];
      lines.push(`| ${cells.map((cell) => escapeMarkdown(printable(cell, 500))).join(" | ")} |`);
    }
    if (shown.length > MAX_ROWS) lines.push("", `${shown.length - MAX_ROWS} more are not shown.`);
  }
  for (const { input, error } of report.problems) {
    lines.push("", `- ${escapeMarkdown(printable(`${input}: ${error.message}`, 500))}`);
  }
  return `${lines.join("\n")}\n`;
}

/** No character of Markdown or HTML means anything any more. */
function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_{}[\]<>()#+!|&~@-]/g, (c) => `&#${c.charCodeAt(0)};`);
}
