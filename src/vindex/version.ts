import { compareDigits } from "./decimal.ts";

/**
 * Canonical versions of Go modules (spec/map.md §2). Not npm's `semver`: that drops `v` and `+incompatible`, and
 * compares large numbers as doubles.
 */
export interface Version {
  readonly text: string;
  readonly major: string;
  readonly minor: string;
  readonly patch: string;
  /** Without the leading `-`; empty for a release. */
  readonly prerelease: string;
  readonly isIncompatible: boolean;
  readonly kind: VersionKind;
  /** The 14 digits of a pseudo-version; else empty. */
  readonly timestamp: string;
}

export type VersionKind = "release" | "pre" | "pseudo";

/** Longest version that a well-formed record has, in bytes. */
export const MAX_VERSION_LENGTH = 90;

const NUM = "(?:0|[1-9][0-9]*)";
const CANONICAL = new RegExp(
  `^v(${NUM})\\.(${NUM})\\.(${NUM})(?:-([0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*))?(\\+incompatible)?$`,
);

/** Parses a canonical version of at most 90 bytes; undefined for anything else. */
export function parseVersion(text: string): Version | undefined {
  // The length is checked first: it bounds the work of the expression.
  if (text.length > MAX_VERSION_LENGTH) return undefined;
  const match = CANONICAL.exec(text);
  if (match === null) return undefined;
  const [, major, minor, patch, pre, incompatible] = match as unknown as [
    string,
    string,
    string,
    string,
    string?,
    string?,
  ];
  const prerelease = pre ?? "";
  if (prerelease !== "" && prerelease.split(".").some((ident) => /^0[0-9]+$/.test(ident))) return undefined;
  const timestamp = timestampOf(minor, patch, prerelease);
  const kind = timestamp !== "" ? "pseudo" : prerelease !== "" ? "pre" : "release";
  return { text, major, minor, patch, prerelease, isIncompatible: incompatible !== undefined, kind, timestamp };
}

/** The timestamp of a pseudo-version: `vX.0.0-T-R`, `vX.Y.Z-0.T-R` or `vX.Y.Z-<pre>.0.T-R`; else empty. */
function timestampOf(minor: string, patch: string, prerelease: string): string {
  const dash = prerelease.lastIndexOf("-");
  if (dash < 14 || !/^[0-9A-Za-z]+$/.test(prerelease.slice(dash + 1))) return "";
  const timestamp = prerelease.slice(dash - 14, dash);
  if (!/^[0-9]{14}$/.test(timestamp)) return "";
  const front = prerelease.slice(0, dash - 14);
  const isFirst = front === "" && minor === "0" && patch === "0";
  return isFirst || front === "0." || front.endsWith(".0.") ? timestamp : "";
}

/** Compares two versions as semver.Sort does: precedence, then the strings as bytes. Build metadata is ignored by precedence. */
export function compareVersions(a: Version, b: Version): number {
  return (
    compareDigits(a.major, b.major) ||
    compareDigits(a.minor, b.minor) ||
    compareDigits(a.patch, b.patch) ||
    comparePrereleases(a.prerelease, b.prerelease) ||
    compareAscii(a.text, b.text)
  );
}

function comparePrereleases(a: string, b: string): number {
  if (a === b) return 0;
  if (a === "") return 1;
  if (b === "") return -1;
  const left = a.split(".");
  const right = b.split(".");
  for (let i = 0; i < left.length && i < right.length; i++) {
    const order = compareIdents(left[i] as string, right[i] as string);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function compareIdents(a: string, b: string): number {
  const aIsNumber = /^[0-9]+$/.test(a);
  const bIsNumber = /^[0-9]+$/.test(b);
  if (aIsNumber && bIsNumber) return compareDigits(a, b);
  if (aIsNumber !== bIsNumber) return aIsNumber ? -1 : 1;
  return compareAscii(a, b);
}

/** UTF-16 order is byte order here: versions are ASCII. */
function compareAscii(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
