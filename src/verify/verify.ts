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
  /** It has no such module, or no such version of it, proven by the complete list. */
  | { readonly status: "absent"; readonly isModuleAbsent: boolean }
  /** Nothing about it was sent. */
  | { readonly status: "private"; readonly detail: string }
  | { readonly status: "error"; readonly error: ProofdnsError };

/** Whom the questions are put to. */
export interface RecordAsker {
  /** As `lookupAll` of a session. */
  lookupAll(
    subjects: readonly Subject[],
    each: (index: number, outcome: { readonly lookup: Lookup } | { readonly error: unknown }) => void,
  ): Promise<void>;
  /** As `Client.proveRecord`. */
  proveRecord(record: ClaimedRecord): Promise<void>;
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
 * the order of the claims. Each module is looked up once, each record proven once.
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
  const queue: { group: Group; entry: VersionEntry }[] = [];
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
      const entry = versions.find(({ version }) => version === group.version);
      if (entry === undefined) give(group, { status: "absent", isModuleAbsent: answer.kind === "absent" });
      else queue.push({ group, entry });
    }
  });
  let next = 0;
  const work = async (): Promise<void> => {
    for (let item = queue[next++]; item !== undefined; item = queue[next++]) {
      const { group, entry } = item;
      const error = await prove(asker, group.path, entry);
      for (const index of group.indexes) {
        verdicts[index] = error === undefined ? compare(claims[index] as Claim, entry) : { status: "error", error };
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

async function prove(asker: RecordAsker, path: string, entry: VersionEntry): Promise<ProofdnsError | undefined> {
  try {
    await asker.proveRecord({ path, ...entry });
    return undefined;
  } catch (error) {
    return asProofdnsError(error);
  }
}

function compare(claim: Claim, { logIndex, zipHash, goModHash }: VersionEntry): Verdict {
  const provenHash = claim.kind === "go.mod" ? goModHash : zipHash;
  return equalBytes(claim.hash, provenHash)
    ? { status: "proven", logIndex }
    : { status: "differs", logIndex, provenHash };
}

function asProofdnsError(error: unknown): ProofdnsError {
  if (isProofdnsError(error)) return error;
  throw error;
}
