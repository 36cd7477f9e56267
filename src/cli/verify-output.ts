import { printable } from "../input/printable.ts";
import type { Claim, Claims, Passed, PassedReason, Place } from "../verify/claim.ts";
import type { Verdict } from "../verify/verify.ts";
import { formatH1 } from "../vindex/record.ts";
import { adviseOn } from "./advice.ts";
import { formatSpan } from "./age-text.ts";
import { EXIT, exitCodeOf, messageOf } from "./exit-code.ts";
import type { KeptFork } from "./kept-evidence.ts";
import { asOfJson } from "./latest-output.ts";

/** Everything that a verification found. */
export interface VerifyReport {
  readonly claims: Claims;
  /** One for each claim. */
  readonly verdicts: readonly Verdict[];
  /** Modules of a module cache that were left out since they are private. */
  readonly privateModules: ReadonlySet<string>;
  /** Set if only what was kept was looked at. */
  readonly offline?: OfflineTimes | undefined;
  /** Evidence of a fork that was kept: nothing of the log is to be trusted, whatever it proves. */
  readonly keptForks?: readonly KeptFork[];
}

/** How old what was kept is, in Unix seconds: age times of the oldest heads, 0 if nothing proves one, undefined if there was none. */
export interface OfflineTimes {
  /** Of the lists of versions, which say what is absent. */
  readonly lists: number | undefined;
  /** Of the proofs of records, which never change. */
  readonly records: number | undefined;
  readonly now: number;
}

/** The exit code of a report; the highest that applies. That nothing was held against the checksum database is no clean bill. */
export function exitCodeOfReport(report: VerifyReport): number {
  const { claims, verdicts, keptForks = [] } = report;
  const failures = [...claims.problems, ...keptForks];
  const codes = [...verdicts.map(exitCodeOfVerdict), ...failures.map(({ error }) => exitCodeOf(error))];
  // What is vendored may be any code: that it has no checksum is no clean bill. Folders and checkouts are the user's own.
  if (claims.passed.some(({ reason }) => UNCHECKED.has(reason)) || isNothingProven(report)) codes.push(EXIT.unchecked);
  return codes.reduce((highest, code) => Math.max(highest, code), EXIT.proven as number);
}

const UNCHECKED: ReadonlySet<PassedReason> = new Set<PassedReason>(["vendored", "unreadable-name", "other-hash"]);

/** True if no claim was held against the checksum database: there was none, all are private, or each failed. */
function isNothingProven({ verdicts }: VerifyReport): boolean {
  return verdicts.every(({ status }) => status === "private" || status === "error");
}

function exitCodeOfVerdict(verdict: Verdict): number {
  if (verdict.status === "error") return exitCodeOf(verdict.error);
  if (verdict.status === "differs" || verdict.status === "contradicted") return EXIT.failed;
  return verdict.status === "absent" ? EXIT.absent : EXIT.proven;
}

/** Counts of a report, for people and programs. */
export function countReport({ claims, verdicts, privateModules }: VerifyReport) {
  const count = (status: Verdict["status"]): number => verdicts.filter((verdict) => verdict.status === status).length;
  const privates = new Set(privateModules);
  for (const [i, verdict] of verdicts.entries())
    if (verdict.status === "private") privates.add(claims.claims[i]?.path ?? "");
  const ofOtherKind = claims.passed.filter(({ reason }) => reason === "other-hash").length;
  return {
    proven: count("proven"),
    differ: count("differs"),
    contradicted: count("contradicted"),
    absent: count("absent"),
    errors: count("error") + claims.problems.length + ofOtherKind,
    withoutChecksum: claims.passed.length - ofOtherKind,
    privateModules: privates.size,
  };
}

/** One JSON object for each finding, the summary last: schema version 1. */
export function* reportToJson(report: VerifyReport, exitCode: number): Generator<Readonly<Record<string, unknown>>> {
  const { claims, verdicts } = report;
  for (const [i, verdict] of verdicts.entries()) {
    const claim = claims.claims[i] as Claim;
    const { path, version, kind, hash, place } = claim;
    const base = {
      schemaVersion: 1,
      type: "checksum",
      path,
      version,
      of: kind,
      ...jsonPlace(place),
      stated: formatH1(hash),
    };
    yield { ...base, ...jsonVerdict(verdict) };
  }
  for (const { name, reason, detail, place } of claims.passed) {
    yield {
      schemaVersion: 1,
      type: "passed",
      name: printable(name),
      reason,
      detail: printable(detail),
      ...jsonPlace(place),
    };
  }
  const { keptForks = [] } = report;
  const forks = keptForks.map(({ path, error }) => ({ error, place: { file: path, line: undefined } }));
  for (const { error, place } of [...claims.problems, ...forks]) {
    const message = printable(messageOf(error), 1000);
    yield { schemaVersion: 1, type: "problem", code: error.code, message, ...jsonPlace(place) };
  }
  const { offline } = report;
  const times =
    offline === undefined
      ? {}
      : { offline: true, asOf: asOfJson(offline.lists ?? 0), recordsAsOf: asOfJson(offline.records ?? 0) };
  const counts = countReport(report);
  const errors = counts.errors + keptForks.length;
  yield { schemaVersion: 1, type: "summary", ...counts, errors, ...times, exitCode };
}

function jsonPlace({ file, line }: Place) {
  return { file, ...(line === undefined ? {} : { line }) };
}

function jsonVerdict(verdict: Verdict): Readonly<Record<string, unknown>> {
  switch (verdict.status) {
    case "proven":
      return { status: "proven", index: verdict.logIndex };
    case "differs":
      return { status: "differs", index: verdict.logIndex, proven: formatH1(verdict.provenHash) };
    case "contradicted": {
      const records = [verdict.first, verdict.other];
      return {
        status: "contradicted",
        records: records.map(({ logIndex, hash }) => ({ index: logIndex, proven: formatH1(hash) })),
      };
    }
    case "absent":
      return { status: "absent", isModuleAbsent: verdict.isModuleAbsent };
    case "private":
      return { status: "private", detail: verdict.detail };
    case "error":
      return { status: "error", code: verdict.error.code, message: printable(messageOf(verdict.error), 1000) };
  }
}

/** Lines for people: what is not proven, or everything, and a summary. */
export function* formatReport(report: VerifyReport, isAll: boolean): Generator<string> {
  const { claims, verdicts } = report;
  const said = new Set<string>();
  for (const [i, verdict] of verdicts.entries()) {
    const { path, version, kind, hash, place } = claims.claims[i] as Claim;
    const name = `${printable(path)}@${printable(version)}`;
    const what = `${name} ${KINDS[kind]}`;
    const where = `  ${showPlace(place)}`;
    switch (verdict.status) {
      case "proven":
        if (isAll) yield `proven   ${what}  record ${verdict.logIndex}${where}`;
        break;
      case "differs":
        yield `DIFFERS  ${what}${where}`;
        yield `         here    ${formatH1(hash)}`;
        yield `         proven  ${formatH1(verdict.provenHash)} (record ${verdict.logIndex})`;
        break;
      case "contradicted": {
        const { first, other } = verdict;
        yield `CONTRADICTED  ${what}: the checksum database itself has contradictory records of it, ${first.logIndex} and ${other.logIndex}${where}`;
        yield `         here    ${formatH1(hash)}`;
        for (const { logIndex, hash: proven } of [first, other])
          yield `         proven  ${formatH1(proven)} (record ${logIndex})`;
        break;
      }
      case "absent": {
        const why = verdict.isModuleAbsent
          ? "the index has no such module"
          : "it is not in the complete list of versions";
        yield `absent   ${what}: ${why}${where}`;
        break;
      }
      case "private":
        if (isAll) yield `private  ${what}: not sent${where}`;
        break;
      case "error": {
        // A server that is down is one failure, not five hundred.
        const { message, code } = verdict.error;
        if (said.has(message)) break;
        said.add(message);
        yield `error    ${what}: ${printable(adviseOn(verdict.error), 1000)} [${code}]${where}`;
        break;
      }
    }
  }
  yield* formatPassed(claims.passed, isAll);
  for (const { error } of claims.problems) yield `error    ${printable(error.message, 1000)} [${error.code}]`;
  yield summarize(report);
  const age = describeOffline(report);
  if (age !== undefined) yield age;
}

/** How old what is said is; undefined if the network was asked, or there was nothing to ask. */
export function describeOffline({ offline, verdicts }: VerifyReport): string | undefined {
  if (offline === undefined || verdicts.every(({ status }) => status === "private")) return undefined;
  const { lists, records, now } = offline;
  const span = (time: number): string => (time === 0 ? "freshness not proven" : `${formatSpan(now - time)} old`);
  if (lists === undefined) {
    const isTooOld = verdicts.some((verdict) => verdict.status === "error" && verdict.error.code === "STALE");
    return `offline: nothing about these modules is kept${isTooOld ? " that is new enough" : ""}`;
  }
  const more = records === undefined || records === lists ? "" : `, of records ${span(records)}`;
  return `offline: from what was kept; the oldest list of versions is ${span(lists)}${more}`;
}

/** What makes an exit code 2 and stands in no verdict, a printable sentence each. */
export function* whyUnproven(report: VerifyReport): Generator<string> {
  const { claims } = report;
  const isNothing = isNothingProven(report);
  for (const { error } of claims.problems) yield `${printable(error.message, 1000)} [${error.code}]`;
  const unproven = claims.passed.filter(({ reason }) => isNothing || UNCHECKED.has(reason));
  for (const line of formatPassed(unproven, false)) yield line;
  if (isNothing) yield "nothing was proven";
}

/** Of many alike in one file a count says enough. */
function* formatPassed(passed: readonly Passed[], isAll: boolean): Generator<string> {
  const groups = new Map<string, Passed[]>();
  for (const one of passed) {
    const id = `${one.reason} ${one.detail} ${one.place.file}`;
    const known = groups.get(id);
    if (known === undefined) groups.set(id, [one]);
    else known.push(one);
  }
  for (const group of groups.values()) {
    const [first] = group;
    if (first !== undefined && !isAll && group.length > FEW) {
      yield `${labelOf(first)}  ${group.length} modules: ${printable(first.detail)}; --all names them  (${printable(first.place.file)})`;
    } else {
      for (const one of group)
        yield `${labelOf(one)}  ${printable(one.name)}: ${printable(one.detail)}${one.name === one.place.file ? "" : `  ${showPlace(one.place)}`}`;
    }
  }
}

function labelOf({ reason }: Passed): string {
  return reason === "other-hash" ? "error  " : "no hash";
}

/** So many that are alike are named one by one. */
const FEW = 3;

const KINDS = { zip: "module", tree: "extracted tree", "go.mod": "go.mod", ziphash: "noted hash" } as const;

function showPlace({ file, line }: Place): string {
  return `(${printable(file)}${line === undefined ? "" : `:${line}`})`;
}

/** A binary is built already. */
const ADVICE = "do not build with them, nor run what was built with them";

function summarize(report: VerifyReport): string {
  const { proven, differ, contradicted, absent, errors, withoutChecksum, privateModules } = countReport(report);
  const given = [...report.verdicts.flatMap((one) => (one.status === "error" ? [one] : [])), ...report.claims.problems];
  const failed = given.filter(({ error }) => exitCodeOf(error) === EXIT.failed).length;
  const parts = [
    isNothingProven(report) ? "nothing was proven" : `${proven} checksum${proven === 1 ? "" : "s"} proven`,
    ...(differ === 0 ? [] : [`${differ} DIFFER from the checksum database: ${ADVICE}`]),
    ...(contradicted === 0 ? [] : [`${contradicted} CONTRADICTED within the checksum database: ${ADVICE}`]),
    ...(absent === 0 ? [] : [`${absent} absent`]),
    ...(failed === 0 ? [] : [`${failed} FAILED verification`]),
    ...(errors === failed ? [] : [`${errors - failed} could not be checked`]),
    ...(withoutChecksum === 0 ? [] : [`${withoutChecksum} without a checksum`]),
    ...(privateModules === 0 ? [] : [`${privateModules} private module${privateModules === 1 ? "" : "s"}, not sent`]),
  ];
  return parts.join(", ");
}
