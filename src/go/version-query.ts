import { splitPathSuffix } from "../vindex/module-path.ts";
import { compareVersions, parseVersion, type Version } from "../vindex/version.ts";
import { malformed, quoted } from "./malformed.ts";
import { canonicalVersion, comparePrecedence, isVersionPrefix, parseAnyVersion } from "./semver.ts";

/** What a query is answered from beside the list of versions. */
export interface VersionQueryOptions {
  /** The module path; by default it is taken to have no version suffix. */
  readonly path?: string;
  /** The version in use: `upgrade` and `patch` never go below it. */
  readonly current?: string;
  /**
   * True if a version has a go.mod of its own (its go.mod hash is not that of `module PATH` alone): then the versions marked
   * `+incompatible` above it count for nothing. By default every version has one.
   */
  readonly hasGoMod?: (version: string) => boolean;
}

/** A query that was understood (cmd/go modload newQueryMatcher). */
interface Matcher {
  /** Which versions may be the answer. */
  readonly isMatch: (version: Version) => boolean;
  /** The lowest match is the answer, not the highest. */
  readonly isLowest?: boolean;
  /** Where nothing at all is tagged, an untagged version is the answer. */
  readonly mayBeUntagged?: boolean;
  readonly prefersIncompatible: boolean;
  /** Without any match the version in use is the answer. */
  readonly fallsBack?: boolean;
  /** The one version that was asked for. */
  readonly exact?: string;
}

/**
 * Answers a version query of the go command from a list of versions: `latest`, `upgrade`, `patch`, `v1`, `v1.4`, `v1.4.2`,
 * `<v1.5.0`, `<=v1.4.2`, `>v1.4.0`, `>=v1.4.0` (https://go.dev/ref/mod#version-queries). The list may be in any order and hold
 * pseudo-versions; retracted and excluded versions are left out by the caller. Undefined if nothing matches.
 *
 * A pseudo-version is never the answer in place of another version in use, and without one only where nothing is tagged: there
 * `latest` and `upgrade` give the newest of the list. The go command takes the head of the default branch in both cases; no
 * log knows that, and anybody who can push to a fork can have a pseudo-version logged with any time in it. The go command also
 * stays on a pseudo-version in use that is later than the commit of the answer: times of tagged commits are not known here.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if the query is none, names a branch or commit, or needs the version in use
 */
export function resolveVersionQuery(
  query: string,
  versions: Iterable<string>,
  options: VersionQueryOptions = {},
): string | undefined {
  const { current } = options;
  const inUse = current === undefined || current === "none" ? undefined : parseAnyVersion(current);
  if (inUse === undefined && current !== undefined && current !== "none") {
    throw malformed("version in use", undefined, `${quoted(current)} is no semantic version`);
  }
  const matcher = parseQuery(query, options.path ?? "", inUse);
  const all = [...new Set(versions)].flatMap((text) => parseVersion(text) ?? []).sort(compareVersions);
  if (matcher.exact !== undefined) return findExact(matcher.exact, all);

  const tagged = all.filter((version) => version.kind !== "pseudo" && matcher.isMatch(version));
  const usable = withoutIncompatible(tagged, matcher.prefersIncompatible, options.hasGoMod ?? (() => true));
  const releases = usable.filter((version) => version.kind === "release");
  const found = releases.length > 0 ? releases : usable;
  const answer = matcher.isLowest === true ? found[0] : found.at(-1);
  if (answer !== undefined) return answer.text;

  if (matcher.fallsBack === true && inUse !== undefined) return inUse.text;
  return matcher.mayBeUntagged === true && tagged.length === 0 ? newestUntagged(all)?.text : undefined;
}

/**
 * The newest pseudo-version of a sorted list: by its time, then by precedence. It stands in for the head of the default
 * branch.
 */
function newestUntagged(versions: readonly Version[]): Version | undefined {
  let newest: Version | undefined;
  for (const version of versions) {
    if (version.kind === "pseudo" && (newest === undefined || version.timestamp >= newest.timestamp)) newest = version;
  }
  return newest;
}

/** The version asked for, also if it was asked without its `+incompatible`. */
function findExact(version: string, versions: readonly Version[]): string | undefined {
  return versions.find(({ text }) => text === version || text === `${version}+incompatible`)?.text;
}

/**
 * Leaves out what is marked `+incompatible` if the highest version without that mark has a go.mod: its author has taken up
 * modules and would have changed the path (https://go.dev/ref/mod#incompatible-versions). `versions` ascend.
 */
function withoutIncompatible(
  versions: readonly Version[],
  prefersIncompatible: boolean,
  hasGoMod: (version: string) => boolean,
): readonly Version[] {
  if (prefersIncompatible) return versions;
  let lastCompatible: Version | undefined;
  for (const [i, version] of versions.entries()) {
    if (!version.isIncompatible) lastCompatible = version;
    else if (lastCompatible !== undefined) return hasGoMod(lastCompatible.text) ? versions.slice(0, i) : versions;
  }
  return versions;
}

function parseQuery(query: string, path: string, inUse: Version | undefined): Matcher {
  const isIncompatibleInUse = inUse?.isIncompatible === true;
  const atLeastInUse = (version: Version): boolean => inUse === undefined || comparePrecedence(version, inUse) >= 0;
  if (query === "latest") {
    return { isMatch: () => true, mayBeUntagged: true, prefersIncompatible: isIncompatibleInUse };
  }
  if (query === "upgrade") {
    const prefersIncompatible = isIncompatibleInUse;
    return { isMatch: atLeastInUse, mayBeUntagged: true, prefersIncompatible, fallsBack: true };
  }
  if (query === "patch") {
    if (inUse === undefined) throw refuse(query, "it needs the version in use");
    const isMatch = (version: Version): boolean =>
      version.major === inUse.major && version.minor === inUse.minor && atLeastInUse(version);
    return { isMatch, prefersIncompatible: isIncompatibleInUse, fallsBack: true };
  }
  const operator = /^[<>]=?/.exec(query)?.[0] ?? "";
  const text = query.slice(operator.length);
  const bound = parseAnyVersion(text);
  if (bound === undefined) {
    throw refuse(
      query,
      operator === "" ? "branches and commits cannot be asked for here" : `${quoted(text)} is no version`,
    );
  }
  const prefersIncompatible = isIncompatibleInUse || !fitsPath(bound, path);
  if (operator === "") return parseVersionQuery(text, bound, prefersIncompatible);
  // Whether <=v1.2 takes in v1.2.3 could be meant either way.
  if (isVersionPrefix(text) && (operator === "<=" || operator === ">")) {
    throw refuse(query, `${quoted(text)} needs all three numbers here`);
  }
  const isMatch = (version: Version): boolean => {
    const order = comparePrecedence(version, bound);
    return operator.startsWith("<")
      ? order < 0 || (order === 0 && operator === "<=")
      : order > 0 || (order === 0 && operator === ">=");
  };
  return { isMatch, isLowest: operator.startsWith(">"), prefersIncompatible };
}

function parseVersionQuery(text: string, bound: Version, prefersIncompatible: boolean): Matcher {
  if (!isVersionPrefix(text))
    return { isMatch: () => false, prefersIncompatible, exact: canonicalVersion(text) ?? text };
  const hasMinor = text.includes(".");
  // v1.2 does not take in the pre-releases of v1.2.0.
  const isMatch = (version: Version): boolean =>
    version.major === bound.major &&
    (!hasMinor || version.minor === bound.minor) &&
    comparePrecedence(version, bound) >= 0;
  return { isMatch, prefersIncompatible };
}

/** True if a version may be one of the path without being marked `+incompatible` (x/mod module.CheckPathMajor). */
function fitsPath(version: Version, path: string): boolean {
  const suffix = splitPathSuffix(path);
  if (suffix === undefined) return false;
  if (suffix.major === undefined) return version.major === "0" || version.major === "1" || version.isIncompatible;
  return version.major === suffix.major || (suffix.major === "1" && version.text.startsWith("v0.0.0-"));
}

function refuse(query: string, why: string): Error {
  return malformed(`version query ${quoted(query)}`, undefined, why);
}
