import type { ModuleValue } from "../vindex/module-value.ts";
import type { VersionEntry } from "../vindex/payload.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import { compareVersions, parseVersion, type Version } from "../vindex/version.ts";
import { isAllowed, isLeft, isLimited, type Limits, whyNot, whyOut } from "./limits.ts";
import type { Withheld } from "./result.ts";
import { isRetracted } from "./retractions.ts";
import { selectVersion } from "./select.ts";

/** Which version of a module to offer (spec/check.md §3). Pure. */

/** What is wanted of one module. */
export interface Wish {
  readonly current: Version | undefined;
  /** Only without `current`. */
  readonly query: string | undefined;
  readonly isPatchOnly: boolean;
  readonly withPre: boolean;
}

/** A version with what proves it. */
export interface Choice {
  readonly version: Version;
  readonly entry: VersionEntry;
}

export interface Chosen {
  /** What to use; undefined if there is nothing to offer. */
  readonly choice: Choice | undefined;
  /** What to use in place of a version that was taken back, if nothing newer is offered; it may be lower. Undefined also if nobody looked. */
  readonly nextBest: Choice | undefined;
  readonly withheld: readonly Withheld[];
  /** Whether the version in use is in the list; undefined if nobody looked. */
  readonly isListed: boolean | undefined;
}

/** The latest of a value as an entry of the module's list. */
export function latestEntry(value: ModuleValue): VersionEntry {
  const { latest, zipHash, goModHash } = value;
  return { version: latest.version.text, logIndex: latest.logIndex, zipHash, goModHash };
}

/**
 * Chooses by the value alone, which is what most modules need. Undefined: only the list of all versions can tell.
 */
export function chooseByValue(value: ModuleValue, wish: Wish, limits: Limits): Chosen | undefined {
  const { latest } = value;
  const { current, query } = wish;
  const entry = latestEntry(value);
  // Whether +incompatible versions count hangs on the versions below them, which the limits may leave out.
  if (latest.version.isIncompatible && isLimited(limits)) return undefined;
  const why = whyNot(limits, entry);
  if (current === undefined) {
    const isLatest = query === undefined || query === "latest" || query === "upgrade";
    if (!isLatest || wish.withPre || why !== undefined) return undefined;
    return { choice: { version: latest.version, entry }, nextBest: undefined, withheld: [], isListed: undefined };
  }
  // A pre-release of another major may be newer, and the value need not show it.
  if (wish.withPre) return undefined;
  const order = compareVersions(latest.version, current);
  // What keeps other versions out no longer does once it was taken back itself.
  if (order === 0) {
    return isLeft(limits, entry) ? { choice: undefined, nextBest: undefined, withheld: [], isListed: true } : undefined;
  }
  // Where nothing can be dated the list has nothing to offer either.
  const isNothingDated = why?.reason === "undated" && limits.cooldown?.head === undefined;
  if (order < 0 || (why !== undefined && !isNothingDated)) return undefined;
  const isPatch = latest.version.major === current.major && latest.version.minor === current.minor;
  if (wish.isPatchOnly && !isPatch) return undefined;
  if (why !== undefined) return { choice: undefined, nextBest: undefined, withheld: [why], isListed: undefined };
  const isListed = value.others.some(({ version }) => version.text === current.text) ? true : undefined;
  return { choice: { version: latest.version, entry }, nextBest: undefined, withheld: [], isListed };
}

/** Chooses from the proven list of all versions. */
export function chooseFromList(
  path: string,
  entries: readonly VersionEntry[],
  wish: Wish,
  limits: Limits,
  sha256: Sha256,
): Chosen {
  const { current } = wish;
  const byVersion = new Map<string, VersionEntry>();
  // Of a version that is there twice the first record counts.
  for (const entry of entries) if (!byVersion.has(entry.version)) byVersion.set(entry.version, entry);
  const all = [...byVersion.values()];
  const latest = selectVersion(path, all, { current: undefined }, sha256);
  const hasRelease = latest !== undefined && parseVersion(latest)?.kind === "release";
  const choiceOf = (text: string | undefined): Choice | undefined => {
    const entry = text === undefined ? undefined : byVersion.get(text);
    const version = text === undefined ? undefined : parseVersion(text);
    return entry === undefined || version === undefined ? undefined : { version, entry };
  };
  const select = (isUsable: (limits: Limits, entry: VersionEntry) => boolean): Choice | undefined => {
    // The version in use is never too young: without it versions would count that it keeps out, such as +incompatible ones.
    const isInUse = (entry: VersionEntry): boolean => entry.version === current?.text && isLeft(limits, entry);
    const from = all.filter((entry) => isUsable(limits, entry) || isInUse(entry));
    const selected = choiceOf(selectVersion(path, from, wish, sha256));
    if (selected === undefined) return undefined;
    const { version } = selected;
    // Never a step back, and never from a release to a pre-release that nobody asked for.
    if (current !== undefined && compareVersions(version, current) <= 0) return undefined;
    // Anybody can have a pseudo-version logged, with any time in it: it is never an update, and never the latest of what has a tag,
    // even if all tags are left out.
    if (version.kind === "pseudo" && wish.query !== version.text) return undefined;
    const isUnasked = version.kind !== "release" && !wish.withPre && current?.kind === "release" && hasRelease;
    return isUnasked ? undefined : selected;
  };
  /** The latest of all that is left, wherever it stands: as the go command's `latest`, which knows no version in use. */
  const selectNextBest = ({ major, minor }: Version, isUsable: typeof isLeft): Choice | undefined => {
    const from = all.filter((entry) => {
      if (!isUsable(limits, entry)) return false;
      const version = wish.isPatchOnly ? parseVersion(entry.version) : undefined;
      return !wish.isPatchOnly || (version?.major === major && version.minor === minor);
    });
    const { withPre } = wish;
    const selected = choiceOf(selectVersion(path, from, { current: undefined, withPre }, sha256));
    return selected?.version.kind === "pseudo" ? undefined : selected;
  };
  const withheld: Withheld[] = [];
  const any = select(() => true);
  const allowed = select(isLeft);
  if (any !== undefined && any.entry !== allowed?.entry) push(whyOut(limits, any.entry));
  const choice = select(isAllowed);
  if (allowed !== undefined && allowed.entry !== choice?.entry) push(whyNot(limits, allowed.entry));
  let nextBest: Choice | undefined;
  if (choice === undefined && current !== undefined && isRetracted(limits.retractions, current.text)) {
    nextBest = selectNextBest(current, isAllowed);
    const best = selectNextBest(current, isLeft);
    // What is higher than the version in use and must wait has been said.
    if (best !== undefined && best.entry !== nextBest?.entry && best.entry !== allowed?.entry) {
      push(whyNot(limits, best.entry));
    }
  }
  // Also where the query never came to it: what stands for the newest must not be what was taken back.
  const highest = choice === undefined && latest !== current?.text ? choiceOf(latest)?.entry : undefined;
  if (highest !== undefined && isRetracted(limits.retractions, highest.version)) {
    if (!withheld.some(({ version }) => version === highest.version)) push(whyOut(limits, highest));
  }
  return { choice, nextBest, withheld, isListed: current === undefined ? undefined : byVersion.has(current.text) };

  function push(why: Withheld | undefined): void {
    if (why !== undefined) withheld.push(why);
  }
}
