import type { ModuleResult, ToolchainResult, VersionAge, Withheld } from "../check/result.ts";
import type { ProofdnsError } from "../vindex/error.ts";

/** What a row of the table, an annotation and a summary say in words. All of it is printable. */

/** The version to show as the newest: what is offered, else the latest there is. */
export function shownLatest({ offered, latest }: ModuleResult): string {
  return offered?.version ?? latest?.version ?? "-";
}

/** `≥90d`, and whether that is proven. */
export function formatAge(age: VersionAge | undefined): string {
  if (age === undefined) return "";
  return `≥${formatDays(age.atLeast)} ${age.isProven ? "proven" : "claimed"}`;
}

/** `7d`, `36h`, `90m`, `5s`: in the largest unit that divides it. */
export function formatDays(seconds: number): string {
  for (const [unit, length] of [
    ["d", 86_400],
    ["h", 3600],
    ["m", 60],
  ] as const) {
    if (seconds >= length && seconds % length === 0) return `${seconds / length}${unit}`;
  }
  return `${seconds}s`;
}

/** Why a version that would be offered is not: `v1.3.0 withheld: not proven to be 7d old`, `v1.2.0 is retracted: …`. */
export function formatWithheld({ path, version, reason, detail }: Withheld, ownPath: string): string {
  const isOut = reason === "retracted" || reason === "excluded";
  return `${path === ownPath ? version : `${path} ${version}`} ${isOut ? "is" : "withheld:"} ${detail}`;
}

/** The notes of a module, the weightiest first. */
export function notesOf(result: ModuleResult): string[] {
  const { item, status, latest, newerMajor, withheld, retracted, deprecated } = result;
  const notes: string[] = result.errors.map(({ code, message }) => `${code}: ${message}`);
  const current = item.current?.text;
  if (retracted !== undefined) notes.push(`${current} is retracted: ${retracted}`);
  if (status === "absent") notes.push("not in the index: proven absent");
  if (status === "untagged") notes.push("untagged: the module has no version of its own, only commits");
  if (status === "unlisted") notes.push(`${current} is not in the checksum database`);
  if (status === "ahead") notes.push(`the index selects ${latest?.version}, which is lower`);
  if (status === "unmatched") notes.push(`no version matches ${item.query ?? "latest"}`);
  if (newerMajor !== undefined) notes.push(`new major: ${newerMajor.path} ${newerMajor.version}`);
  for (const one of withheld) notes.push(formatWithheld(one, item.path));
  if (deprecated !== undefined) notes.push(`deprecated: ${deprecated}`);
  notes.push(...result.notes);
  return notes;
}

/** The notes of a Go version. */
export function toolchainNotesOf({ use, withheld, notes, errors }: ToolchainResult): string[] {
  const out = errors.map(({ code, message }) => `${code}: ${message}`);
  if (use.kind === "named") out.push("the least that the go.mod asks for");
  for (const one of withheld) out.push(formatWithheld(one, "toolchain"));
  return [...out, ...notes];
}

/** What places of arguments and of standard input have in place of a file. */
export const NO_FILES: ReadonlySet<string> = new Set(["arguments", "stdin", "-"]);

/** Each failure once: of a question that was asked several times, the same is said each time. */
export function distinctErrors(errors: readonly ProofdnsError[]): ProofdnsError[] {
  return [...new Map(errors.map((error) => [`${error.code} ${error.message}`, error])).values()];
}

/** `12 modules`, `1 module`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}
