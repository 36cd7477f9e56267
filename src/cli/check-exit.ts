import type { CheckStatus, ModuleResult, Report, ToolchainResult } from "../check/result.ts";
import { EXIT, exitCodeOf } from "./exit-code.ts";

/** Statuses that are proven, and not what one would wish: something is newer, absent or untagged. */
const FOUND: ReadonlySet<CheckStatus> = new Set<CheckStatus>([
  "outdated",
  "newer-major",
  "retracted",
  "unlisted",
  "untagged",
  "absent",
  "unmatched",
]);

/** The exit code of a report, the highest that applies to anything in it (spec/check.md §8). The form of the output plays no part. */
export function exitCodeOfReport(report: Report): number {
  const codes = [
    ...report.modules.map(exitCodeOfModule),
    ...report.toolchains.map(exitCodeOfToolchain),
    ...report.problems.map(({ error }) => exitCodeOf(error)),
    ...report.failures.map(exitCodeOf),
    // What was named and has no build info could not be checked; all other reasons are the user's own choice.
    ...report.skipped.map(({ reason }) => (reason === "no-build-info" ? EXIT.unchecked : EXIT.proven)),
    isNothingChecked(report) ? EXIT.unchecked : EXIT.proven,
  ];
  return codes.reduce<number>((highest, code) => Math.max(highest, code), EXIT.proven);
}

/**
 * True if all that was named was passed over or could not be read: that nothing was found then is no clean bill. Modules of a workspace itself
 * are no reason, for no log need know them.
 */
export function isNothingChecked({ modules, toolchains, skipped, problems }: Report): boolean {
  const isBuildKnown = toolchains.some(({ use, status }) => use.kind === "built" && status !== "unreadable");
  const isAnythingNamed = problems.length > 0 || skipped.some(({ reason }) => reason !== "workspace");
  return modules.length === 0 && !isBuildKnown && isAnythingNamed;
}

/** The exit code of one module. */
export function exitCodeOfModule({ status, withheld, errors }: ModuleResult): number {
  const codes: number[] = errors.map(exitCodeOf);
  if (status === "error") codes.push(EXIT.unchecked);
  if (FOUND.has(status)) codes.push(EXIT.absent);
  // Withheld because nothing dates it: whether there is something old enough is not known.
  if (withheld.some(({ reason }) => reason === "undated" || reason === "unproven")) codes.push(EXIT.unchecked);
  return Math.max(EXIT.proven, ...codes);
}

/** The exit code of one Go version: what a go.mod names is the least that it needs, so nothing newer than it counts. */
export function exitCodeOfToolchain({ use, status, withheld, errors }: ToolchainResult): number {
  const codes: number[] = errors.map(exitCodeOf);
  if (use.kind === "built") {
    // Unknown: the index has no Go versions, which is as proven as that it lacks a module.
    if (status === "outdated" || status === "unknown") codes.push(EXIT.absent);
    if (withheld.some(({ reason }) => reason === "undated" || reason === "unproven")) codes.push(EXIT.unchecked);
  }
  return Math.max(EXIT.proven, ...codes);
}

/** What `--exit-code` and `--no-fail` make of an exit code: only 1 is theirs to change. */
export function adjustExitCode(code: number, { found = EXIT.absent }: { found?: number }): number {
  return code === EXIT.absent ? found : code;
}
