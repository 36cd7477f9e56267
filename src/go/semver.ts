import { compareVersions, parseVersion, type Version } from "../vindex/version.ts";

/**
 * Versions as the go command takes them from people: beside canonical ones (src/vindex/version.ts) the shorthands `v1` and
 * `v1.2`, and any build metadata.
 */
const NUMBER = "(?:0|[1-9][0-9]*)";
const IDENTIFIERS = "[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*";
const FULL = new RegExp(`^(v${NUMBER}\\.${NUMBER}\\.${NUMBER}(?:-${IDENTIFIERS})?)(\\+${IDENTIFIERS})?$`);
const SHORT = new RegExp(`^v${NUMBER}(\\.${NUMBER})?$`);

/** Longest text that is looked at; no version of the log has more than 90 bytes. */
const MAX_LENGTH = 256;

/**
 * The canonical form (x/mod module.CanonicalVersion): shorthands filled up with zeros, build metadata but `+incompatible`
 * left out. Undefined for what is no semantic version.
 */
export function canonicalVersion(text: string): string | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const short = SHORT.exec(text);
  if (short !== null) return short[1] === undefined ? `${text}.0.0` : `${text}.0`;
  const full = FULL.exec(text);
  if (full === null) return undefined;
  const core = full[1] as string;
  const canonical = full[2] === "+incompatible" ? text : core;
  // Leading zeros of numeric pre-release identifiers are refused where versions are parsed.
  return core.includes("-") && hasLeadingZero(core) ? undefined : canonical;
}

function hasLeadingZero(core: string): boolean {
  const prerelease = core.slice(core.indexOf("-") + 1);
  return prerelease.split(".").some((identifier) => /^0[0-9]+$/.test(identifier));
}

/** True for `v1` and `v1.2`. */
export function isVersionPrefix(text: string): boolean {
  return text.length <= MAX_LENGTH && SHORT.test(text);
}

/** Parses any semantic version by its canonical form; undefined if it has none, or one of more than 90 bytes. */
export function parseAnyVersion(text: string): Version | undefined {
  const canonical = canonicalVersion(text);
  return canonical === undefined ? undefined : parseVersion(canonical);
}

/** The precedence of two versions (x/mod semver.Compare): build metadata, `+incompatible` too, counts for nothing. */
export function comparePrecedence(a: Version, b: Version): number {
  return compareVersions(withoutBuild(a), withoutBuild(b));
}

function withoutBuild(version: Version): Version {
  // compareVersions breaks ties by the text, and only build metadata can make a tie.
  return version.isIncompatible ? { ...version, text: version.text.slice(0, -"+incompatible".length) } : version;
}

/** The kind of step from one version to another. */
export type StepKind = "same" | "older" | "patch" | "minor" | "major" | "pre";

/**
 * What kind of step leads from the version in use to another: `same` and `older` by precedence; `pre` if what it leads to is
 * a pre-release or a pseudo-version; else by the first number that differs. From a pre-release or pseudo-version to the
 * release of the same numbers it is a `patch`.
 *
 * @throws RangeError if either is no semantic version
 */
export function stepKind(from: string, to: string): StepKind {
  const a = parseAnyVersion(from);
  const b = parseAnyVersion(to);
  if (a === undefined || b === undefined) throw new RangeError("not a semantic version");
  const order = comparePrecedence(a, b);
  if (order === 0) return "same";
  if (order > 0) return "older";
  if (b.kind !== "release") return "pre";
  if (a.major !== b.major) return "major";
  return a.minor !== b.minor ? "minor" : "patch";
}
