import type { ClaimedRecord, Lookup } from "../client/client.ts";
import type { Subject } from "../client/verify/index.ts";
import { equalBytes } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import type { VersionEntry } from "../vindex/payload.ts";
import { makeRecord } from "../vindex/record.ts";
import type { Hash } from "../vindex/sha256.ts";
import type { Claim } from "./claim.ts";

/** What came of a claim. */
export type Verdict =
  /** The checksum database has this hash, proven. */
  | { readonly status: "proven"; readonly logIndex: number }
  /** It has another one, proven. */
  | { readonly status: "differs"; readonly logIndex: number; readonly provenHash: Hash }
  /** It has several records of the version that contradict each other, proven: no hash of it means anything. */
  | { readonly status: "contradicted"; readonly first: ProvenHash; readonly other: ProvenHash }
  /** It has no such module, or no such version of it, proven by the complete list. */
  | { readonly status: "absent"; readonly isModuleAbsent: boolean }
  /** Nothing about it was sent. */
  | { readonly status: "private"; readonly detail: string }
  | { readonly status: "error"; readonly error: ProofdnsError };

/** What one record says of what a claim is about. */
export interface ProvenHash {
  readonly logIndex: number;
  readonly hash: Hash;
}

/** Whom the questions are put to. */
export interface RecordAsker {
  /** As `lookupAll` of a session. */
  lookupAll(
    subjects: readonly Subject[],
    each: (index: number, outcome: { readonly lookup: Lookup } | { readonly error: unknown }) => void,
  ): Promise<void>;
  /** As `Client.proveRecord`; what it gives does not matter. */
  proveRecord(record: ClaimedRecord): Promise<unknown>;
  /** Why nothing about a module may leave the machine; undefined if it may. */
  whyPrivate(path: string): string | undefined;
  /** Questions under way at once. */
  readonly jobs: number;
}

/** All claims about one version of a module. */
interface Group {
  readonly path: string;
  readonly version: string;
  readonly indexes: number[];
}

/**
 * Holds claims against the checksum database. Of each module the complete list of versions is proven, which says at which index a version stands;
 * then the record there is proven in the database itself: what the index says of a hash counts for nothing without it. Verdicts are in
 * the order of the claims. Each module is looked up once, each record proven once. Where several records are of one version all of them are proven,
 * and must agree.
 */
export async function verifyClaims(
  claims: readonly Claim[],
  asker: RecordAsker,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<Verdict[]> {
  const verdicts: (Verdict | undefined)[] = claims.map(() => undefined);
  const modules = groupByModule(
    claims,
    (index, verdict) => {
      verdicts[index] = verdict;
    },
    asker,
  );
  const subjects = [...modules.keys()].map((path): Subject => ({ kind: "module", path, withVersions: true }));
  const lists = [...modules.values()];
  const queue: { group: Group; entries: readonly [VersionEntry, ...VersionEntry[]] }[] = [];
  const give = (group: Group, verdict: Verdict): void => {
    for (const index of group.indexes) verdicts[index] = verdict;
  };
  let done = 0;
  const total = subjects.length;
  await asker.lookupAll(subjects, (index, outcome) => {
    const groups = lists[index] ?? [];
    onProgress(++done, total);
    for (const group of groups) {
      if ("error" in outcome) {
        give(group, { status: "error", error: asProofdnsError(outcome.error) });
        continue;
      }
      const { answer, versions = [] } = outcome.lookup;
      const [first, ...others] = versions.filter(({ version }) => version === group.version);
      if (first === undefined) give(group, { status: "absent", isModuleAbsent: answer.kind === "absent" });
      else queue.push({ group, entries: [first, ...others] });
    }
  });
  let next = 0;
  const work = async (): Promise<void> => {
    for (let item = queue[next++]; item !== undefined; item = queue[next++]) {
      const { group, entries } = item;
      const error = await proveAll(asker, group.path, entries);
      for (const index of group.indexes) {
        verdicts[index] = error === undefined ? compare(claims[index] as Claim, entries) : { status: "error", error };
      }
      onProgress(++done, total + queue.length);
    }
  };
  await Promise.all(Array.from({ length: Math.min(asker.jobs, queue.length) }, work));
  return verdicts.map((verdict) => verdict as Verdict);
}

/** Groups what can be asked; of the rest it gives the verdict. */
function groupByModule(
  claims: readonly Claim[],
  give: (index: number, verdict: Verdict) => void,
  asker: RecordAsker,
): Map<string, Group[]> {
  const modules = new Map<string, Map<string, Group>>();
  for (const [index, { path, version, hash }] of claims.entries()) {
    const why = asker.whyPrivate(path);
    if (why !== undefined) {
      give(index, { status: "private", detail: why });
      continue;
    }
    if (makeRecord(path, version, hash, hash) === undefined) {
      const message = `${path}@${version} is no module version that a checksum database can hold; nothing can vouch for it`;
      give(index, { status: "error", error: new ProofdnsError("MALFORMED_INPUT", message) });
      continue;
    }
    const versions = modules.get(path) ?? new Map<string, Group>();
    modules.set(path, versions);
    const group = versions.get(version) ?? { path, version, indexes: [] };
    versions.set(version, group);
    group.indexes.push(index);
  }
  return new Map([...modules].map(([path, versions]) => [path, [...versions.values()]]));
}

/** One after the other: mostly there is one. A proof that fails goes before one that is missing. */
async function proveAll(
  asker: RecordAsker,
  path: string,
  entries: readonly VersionEntry[],
): Promise<ProofdnsError | undefined> {
  let missing: ProofdnsError | undefined;
  for (const entry of entries) {
    try {
      await asker.proveRecord({ path, ...entry });
    } catch (cause) {
      const error = asProofdnsError(cause);
      if (error.kind !== "unavailable") return error;
      missing ??= error;
    }
  }
  return missing;
}

function compare(claim: Claim, [first, ...others]: readonly [VersionEntry, ...VersionEntry[]]): Verdict {
  const hashOf = ({ zipHash, goModHash }: VersionEntry): Hash => (claim.kind === "go.mod" ? goModHash : zipHash);
  const isOther = ({ zipHash, goModHash }: VersionEntry): boolean =>
    !equalBytes(zipHash, first.zipHash) || !equalBytes(goModHash, first.goModHash);
  // What contradicts the very hash of the claim shows it best.
  const other = others.find((entry) => !equalBytes(hashOf(entry), hashOf(first))) ?? others.find(isOther);
  const { logIndex } = first;
  const provenHash = hashOf(first);
  if (other !== undefined) {
    return {
      status: "contradicted",
      first: { logIndex, hash: provenHash },
      other: { logIndex: other.logIndex, hash: hashOf(other) },
    };
  }
  return equalBytes(claim.hash, provenHash)
    ? { status: "proven", logIndex }
    : { status: "differs", logIndex, provenHash };
}

function asProofdnsError(error: unknown): ProofdnsError {
  if (isProofdnsError(error)) return error;
  throw error;
}
