import type { ModuleResult, Report, ToolchainResult, VersionAge, Withheld } from "../check/result.ts";
import { stepKind } from "../go/index.ts";
import type { ProofdnsError } from "../vindex/error.ts";
import { messageInSpans } from "./advice.ts";
import { exitCodeOfToolchain } from "./check-exit.ts";
import { EXIT } from "./exit-code.ts";

/** What a row of the table, an annotation and a summary say in words. All of it is printable. */

/** The version to show as the newest: what is offered, else the latest; where that was taken back, what is left in its place. */
export function shownLatest(result: ModuleResult): string {
  const { item, status, offered, latest, nextBest } = result;
  if (offered !== undefined || !isLatestTakenBack(result)) return offered?.version ?? latest?.version ?? "-";
  return nextBest?.version ?? (status === "current" ? item.current?.text : undefined) ?? "-";
}

/** The Go version to show as the newest: what is offered, else that in use if there is no newer one. */
export function shownToolchain({ use, status, offered }: ToolchainResult): string {
  return offered ?? (status === "current" ? use.current : "-");
}

/** The age of the version that is shown; none if that is not what was dated. */
export function shownAge(result: ModuleResult): string {
  return result.offered === undefined && isLatestTakenBack(result) ? "" : formatAge(result.age);
}

function isLatestTakenBack({ item, latest, retracted, withheld }: ModuleResult): boolean {
  if (latest === undefined) return false;
  const { path, version } = latest;
  const isOut = withheld.some((one) => one.reason === "retracted" && one.path === path && one.version === version);
  return isOut || (retracted !== undefined && item.current?.text === version);
}

/** With `--outdated` what counts as 0 is not shown; `exitCode` is that of the result. */
export function isShown(
  { status }: { readonly status: string },
  exitCode: number,
  { isOutdatedOnly }: { readonly isOutdatedOnly: boolean },
): boolean {
  return !isOutdatedOnly || exitCode !== EXIT.proven || (status !== "current" && status !== "latest");
}

/** Go versions that count in the exit code: those that built something, and of the others what could not be checked. */
export function countedToolchains({ toolchains }: Report): ToolchainResult[] {
  return toolchains.filter((result) => result.use.kind === "built" || exitCodeOfToolchain(result) !== EXIT.proven);
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
  const { item, status, latest, newerMajor, nextBest, withheld, retracted, deprecated } = result;
  const notes: string[] = result.errors.map((error) => `${error.code}: ${messageInSpans(error)}`);
  const current = item.current?.text;
  if (retracted !== undefined) notes.push(`${current} is retracted: ${retracted}`);
  if (nextBest !== undefined) {
    const isLower = stepKind(current ?? "", nextBest.version) === "older";
    notes.push(`next best: ${nextBest.version}${isLower ? ", which is lower" : ""}`);
  }
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
  const out = errors.map((error) => `${error.code}: ${messageInSpans(error)}`);
  if (use.kind === "named") out.push("the least that the go.mod asks for");
  for (const one of withheld) out.push(formatWithheld(one, "toolchain"));
  return [...out, ...notes];
}

/** Each failure once: of a question that was asked several times, the same is said each time. */
export function distinctErrors(errors: readonly ProofdnsError[]): ProofdnsError[] {
  return [...new Map(errors.map((error) => [`${error.code} ${error.message}`, error])).values()];
}

/** `12 modules`, `1 module`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}
