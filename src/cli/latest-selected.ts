import type { Lookup } from "../client/client.ts";
import type { VersionEntry } from "../vindex/payload.ts";
import { formatH1 } from "../vindex/record.ts";
import { parseVersion } from "../vindex/version.ts";
import { formatSpan } from "./age-text.ts";
import { EXIT } from "./exit-code.ts";
import { asOfJson } from "./latest-output.ts";

/** What a version query selected from a proven, complete list of versions. */
export interface Selected {
  readonly path: string;
  readonly query: string;
  /** Undefined if the module is absent, or nothing matches. */
  readonly entry: VersionEntry | undefined;
  readonly isRecordProven: boolean;
}

/** The JSON object of an answered query: schema version 1, as of `latest` with `query` added. */
export function selectedToJson(selected: Selected, lookup: Lookup): Readonly<Record<string, unknown>> {
  const { path, query, entry } = selected;
  const { head } = lookup.answer;
  const { answerBytes, queries } = lookup;
  const { epoch, ageTime, leaf } = head;
  const tail = { epoch, sumdbSize: leaf.treeHead.treeSize, asOf: asOfJson(ageTime), answerBytes, queries };
  const base = { schemaVersion: 1, subject: path, query };
  if (entry === undefined) return { ...base, status: "absent", ...tail };
  return {
    ...base,
    status: isPseudo(entry) ? "untagged" : "latest",
    version: entry.version,
    kind: parseVersion(entry.version)?.kind,
    index: entry.logIndex,
    zipHash: formatH1(entry.zipHash),
    goModHash: formatH1(entry.goModHash),
    hashesProvenBy: selected.isRecordProven ? "record" : "map",
    ...tail,
  };
}

/** One line for people. */
export function formatSelected({ path, query, entry }: Selected, { answer }: Lookup, now: number): string {
  const { epoch, ageTime } = answer.head;
  const age = `epoch ${epoch}, ${ageTime === 0 ? "freshness not proven" : `${formatSpan(now - ageTime)} old`}`;
  if (entry === undefined) return `${path}@${query} absent (proven by the complete list of versions, ${age})`;
  const kind = { release: "release", pre: "pre-release", pseudo: "untagged" }[
    parseVersion(entry.version)?.kind ?? "release"
  ];
  return `${path}@${query} ${entry.version} (${kind}, index ${entry.logIndex}, ${age})`;
}

/** Exit code of an answered query: a version that is named in full is what was asked for, tagged or not. */
export function exitCodeOfSelected({ query, entry }: Selected): number {
  if (entry === undefined) return EXIT.absent;
  return isPseudo(entry) && query !== entry.version ? EXIT.absent : EXIT.proven;
}

function isPseudo({ version }: VersionEntry): boolean {
  return parseVersion(version)?.kind === "pseudo";
}
