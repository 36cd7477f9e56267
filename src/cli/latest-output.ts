import type { Lookup } from "../client/client.ts";
import type { Subject, VerifiedAnswer } from "../client/verify/index.ts";
import { subjectText } from "../client/verify/index.ts";
import { printable } from "../input/printable.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { formatH1 } from "../vindex/record.ts";
import { formatSpan } from "./age-text.ts";
import { EXIT, messageOf } from "./exit-code.ts";

/** One line of `--json`: schema version 1. */
export type LatestJson = Readonly<Record<string, unknown>> & {
  readonly status: "latest" | "untagged" | "absent" | "error";
};

/** Makes the JSON object of a proven lookup. */
export function lookupToJson(subject: Subject, lookup: Lookup): LatestJson {
  const { answer, versions, isRecordProven, answerBytes, queries } = lookup;
  const { epoch, leaf, ageTime } = answer.head;
  const tail = { epoch, sumdbSize: leaf.treeHead.treeSize, asOf: asOfJson(ageTime), answerBytes, queries };
  const base = { schemaVersion: 1, subject: subjectText(subject) };
  switch (answer.kind) {
    case "absent":
      return { ...base, status: "absent", ...tail };
    case "majors": {
      const majors = answer.items.map(({ major, path, version, logIndex }) => ({
        suffix: major === undefined ? "-" : `v${major}`,
        path,
        version: version.text,
        kind: version.kind,
        index: logIndex,
      }));
      return { ...base, status: "latest", majors, complete: answer.isComplete, ...tail };
    }
    case "toolchain": {
      const toolchains = answer.items.map(({ version, kind, logIndex }) => ({
        version: version.text,
        kind,
        index: logIndex,
      }));
      return { ...base, status: "latest", toolchains, ...tail };
    }
    case "module": {
      const { value } = answer;
      const others = value.others.map(({ version, logIndex }) => ({
        version: version.text,
        kind: version.kind,
        index: logIndex,
      }));
      return {
        ...base,
        status: value.kind === "pseudo" ? "untagged" : "latest",
        version: value.latest.version.text,
        kind: value.kind,
        index: value.latest.logIndex,
        zipHash: formatH1(value.zipHash),
        goModHash: formatH1(value.goModHash),
        hashesProvenBy: isRecordProven ? "record" : "map",
        others,
        ...(versions === undefined
          ? {}
          : {
              versions: versions.map((entry) => ({
                version: entry.version,
                index: entry.logIndex,
                zipHash: formatH1(entry.zipHash),
                goModHash: formatH1(entry.goModHash),
              })),
            }),
        ...tail,
      };
    }
  }
}

/** The `asOf` of all JSON output: Unix seconds; null where nothing proves freshness. */
export function asOfJson(ageTime: number): number | null {
  return ageTime === 0 ? null : ageTime;
}

/** Makes the JSON object of a lookup that failed, of an argument that names nothing, or of a failure that belongs to none: its subject is null. */
export function errorToJson(subject: Subject | string | undefined, error: unknown): LatestJson {
  const code = error instanceof ProofdnsError ? error.code : "INTERNAL";
  return {
    schemaVersion: 1,
    subject:
      typeof subject === "string" ? printable(subject, 500) : subject === undefined ? null : subjectText(subject),
    status: "error",
    code,
    message: printable(messageOf(error), 1000),
  };
}

/** Formats a proven lookup for people: one line, and one more for each major, version or toolchain asked. */
export function formatLookup(subject: Subject, lookup: Lookup, now: number): string {
  const { answer } = lookup;
  const { epoch, ageTime } = answer.head;
  const age = `epoch ${epoch}, ${ageTime === 0 ? "freshness not proven" : `${formatSpan(now - ageTime)} old`}`;
  const name = subjectText(subject);
  switch (answer.kind) {
    case "absent":
      return `${name} absent (proven, ${age})`;
    case "toolchain":
      return answer.items
        .map(({ version, kind, logIndex }) => `${name} ${version.text} (${kind}, index ${logIndex}, ${age})`)
        .join("\n");
    case "majors": {
      const lines = answer.items.map(
        ({ path, version, logIndex }) =>
          `${path} ${version.text} (${describeKind(version.kind)}, index ${logIndex}, ${age})`,
      );
      return [
        ...lines,
        ...(answer.isComplete ? [] : [`${name} has more members, which the answer could not hold`]),
      ].join("\n");
    }
    case "module": {
      const { latest, kind, others } = answer.value;
      const more = others.length === 0 ? "" : `; also ${others.map(({ version }) => version.text).join(", ")}`;
      const first = `${name} ${latest.version.text} (${describeKind(kind)}, index ${latest.logIndex}, ${age}${more})`;
      return [
        first,
        ...(lookup.versions ?? []).map(({ version, logIndex }) => `  ${version} (index ${logIndex})`),
      ].join("\n");
    }
  }
}

function describeKind(kind: "release" | "pre" | "pseudo"): string {
  return { release: "release", pre: "pre-release", pseudo: "untagged: newest pseudo-version" }[kind];
}

/** Exit code of a proven answer. */
export function exitCodeOfAnswer(answer: VerifiedAnswer): number {
  const isUntagged = answer.kind === "module" && answer.value.kind === "pseudo";
  return answer.kind === "absent" || isUntagged ? EXIT.absent : EXIT.proven;
}
