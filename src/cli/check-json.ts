import type { Place, Skipped } from "../check/item.ts";
import type { ModuleResult, ProvenVersion, Report, ToolchainResult, VersionAge } from "../check/result.ts";
import { printable } from "../input/printable.ts";
import type { ProofdnsError } from "../vindex/error.ts";
import { exitCodeOfModule, exitCodeOfToolchain, isNothingChecked } from "./check-exit.ts";
import { countedToolchains, distinctErrors, isShown } from "./check-notes.ts";

/** JSON lines of a check: one object for each module, Go version, module that was not checked and input that was not read, then a summary. */
const SCHEMA_VERSION = 1;

/** One line of `--json`. */
export type CheckJson = Readonly<Record<string, unknown>>;

/** The objects of a report, in the order in which they are printed. `exitCode` is that of the command. */
export function reportToJson(report: Report, exitCode: number, isOutdatedOnly: boolean): CheckJson[] {
  const only = { isOutdatedOnly };
  return [
    ...report.modules.filter((result) => isShown(result, exitCodeOfModule(result), only)).map(moduleToJson),
    ...report.toolchains.filter((result) => isShown(result, exitCodeOfToolchain(result), only)).map(toolchainToJson),
    ...report.skipped.map(skippedToJson),
    ...report.problems.map(({ input, place, error }) => ({
      schemaVersion: SCHEMA_VERSION,
      type: "input",
      input,
      ...(place === undefined ? {} : { places: [placeToJson(place)] }),
      status: "error",
      errors: [errorToJson(error)],
    })),
    summaryToJson(report, exitCode),
  ];
}

/** One line: ASCII but for what people read, and nothing that a terminal would obey. */
export function formatJsonLine(object: CheckJson): string {
  return JSON.stringify(object).replace(
    // JSON leaves these as they are.
    /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => {
      let out = "";
      for (let i = 0; i < character.length; i++) out += `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`;
      return out;
    },
  );
}

function moduleToJson(result: ModuleResult): CheckJson {
  const {
    item,
    status,
    latest,
    offered,
    step,
    newerMajor,
    nextBest,
    age,
    withheld,
    retracted,
    deprecated,
    notes,
    errors,
  } = result;
  return {
    schemaVersion: SCHEMA_VERSION,
    type: "module",
    module: item.path,
    current: item.current?.text ?? null,
    ...(item.query === undefined ? {} : { query: item.query }),
    latest: latest?.version ?? null,
    status,
    ...(step === undefined ? {} : { step }),
    direct: !item.isIndirect,
    ...(offered === undefined ? {} : { offered: versionToJson(offered) }),
    ...(latest === undefined ? {} : { latestRecord: versionToJson(latest) }),
    ...(newerMajor === undefined ? {} : { newerMajor: versionToJson(newerMajor) }),
    ...(nextBest === undefined ? {} : { nextBest: versionToJson(nextBest) }),
    ...(age === undefined ? {} : { age: ageToJson(age) }),
    ...(withheld.length === 0
      ? {}
      : { withheld: withheld.map(({ path, version, reason, detail }) => ({ module: path, version, reason, detail })) }),
    ...(retracted === undefined ? {} : { retracted }),
    ...(deprecated === undefined ? {} : { deprecated }),
    ...(notes.length === 0 ? {} : { notes }),
    ...(item.program === undefined ? {} : { package: item.program }),
    ...(result.epoch === undefined ? {} : { epoch: result.epoch }),
    ...(errors.length === 0 ? {} : { errors: distinctErrors(errors).map(errorToJson) }),
    places: item.places.map(placeToJson),
  };
}

function toolchainToJson({ use, status, offered, step, age, withheld, notes, errors }: ToolchainResult): CheckJson {
  return {
    schemaVersion: SCHEMA_VERSION,
    type: "toolchain",
    current: use.current,
    latest: offered ?? null,
    status,
    ...(step === undefined ? {} : { step }),
    counted: use.kind === "built",
    ...(age === undefined ? {} : { age: ageToJson(age) }),
    ...(withheld.length === 0
      ? {}
      : { withheld: withheld.map(({ version, reason, detail }) => ({ version, reason, detail })) }),
    ...(notes.length === 0 ? {} : { notes }),
    ...(errors.length === 0 ? {} : { errors: distinctErrors(errors).map(errorToJson) }),
    places: use.places.map(placeToJson),
  };
}

function skippedToJson({ name, version, reason, detail, isIndirect, places }: Skipped): CheckJson {
  return {
    schemaVersion: SCHEMA_VERSION,
    type: "skipped",
    module: name,
    current: version ?? null,
    status: "skipped",
    reason,
    detail,
    direct: !isIndirect,
    places: places.map(placeToJson),
  };
}

function summaryToJson(report: Report, exitCode: number): CheckJson {
  const isNothing = isNothingChecked(report);
  return {
    schemaVersion: SCHEMA_VERSION,
    type: "summary",
    modules: report.modules.length,
    statuses: countBy(report.modules, ({ status }) => status),
    toolchains: countBy(countedToolchains(report), ({ status }) => status),
    skipped: countBy(report.skipped, ({ reason }) => reason),
    ...(isNothing ? { nothingChecked: true } : {}),
    unreadInputs: report.problems.length,
    ...(report.remarks.length === 0 ? {} : { remarks: report.remarks }),
    ...(report.failures.length === 0 ? {} : { errors: distinctErrors(report.failures).map(errorToJson) }),
    ...(report.asOf === undefined
      ? {}
      : {
          epoch: report.asOf.epoch,
          sumdbSize: report.asOf.sumdbSize,
          // Unix seconds; null where nothing proves freshness.
          asOf: report.asOf.ageTime === 0 ? null : report.asOf.ageTime,
        }),
    exitCode,
  };
}

/** How many there are of each status or reason, all of which are our own words. */
function countBy<T>(all: readonly T[], wordOf: (one: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const one of all) counts[wordOf(one)] = (counts[wordOf(one)] ?? 0) + 1;
  return counts;
}

function versionToJson({ path, version, kind, logIndex, isRecordProven }: ProvenVersion): CheckJson {
  return { module: path, version, kind, index: logIndex, provenBy: isRecordProven ? "record" : "map" };
}

function ageToJson({ atLeast, publicSince, isProven }: VersionAge): CheckJson {
  return { atLeast, publicSince, proven: isProven };
}

function errorToJson({ code, kind, message }: ProofdnsError): CheckJson {
  return { code, kind, message: printable(message, 2000) };
}

function placeToJson({ file, line, from }: Place): CheckJson {
  const where = from === undefined ? { file } : from === "stdin" ? { stdin: true } : from;
  return line === undefined ? where : { ...where, line };
}
