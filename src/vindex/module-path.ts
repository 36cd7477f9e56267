import type { Version } from "./version.ts";

/** Module paths (spec/map.md §3, the rules of x/mod module.CheckPath). */

/** A version suffix of a module path, and what stands before it. */
export interface PathSuffix {
  /** The base path: the path without the suffix; the path itself if it has none. */
  readonly basePath: string;
  /** The digits of `/v<digits>` or `.v<digits>`; undefined if the path has no suffix. */
  readonly major: string | undefined;
  /** The path ends in `-unstable` (gopkg.in only). */
  readonly isUnstable: boolean;
}

const GOPKG_IN = "gopkg.in/";

/** True for paths of gopkg.in, which write their suffix as `.v<digits>`. */
export function isGopkgIn(path: string): boolean {
  return path.startsWith(GOPKG_IN);
}

/** Splits the version suffix off a path; undefined if the path may not end as it does. */
export function splitPathSuffix(path: string): PathSuffix | undefined {
  if (isGopkgIn(path)) {
    const isUnstable = path.endsWith("-unstable");
    const stem = isUnstable ? path.slice(0, -"-unstable".length) : path;
    const match = /^(.+)\.v(0|[1-9][0-9]*)$/s.exec(stem);
    if (match === null || (isUnstable && match[2] === "0")) return undefined;
    return { basePath: match[1] as string, major: match[2], isUnstable };
  }
  let at = path.length;
  if (!isDigitOrDot(path.charCodeAt(at - 1))) return { basePath: path, major: undefined, isUnstable: false };
  while (at > 0 && isDigitOrDot(path.charCodeAt(at - 1))) at--;
  const run = path.slice(at);
  if (run === "" || at < 3 || !path.slice(0, at).endsWith("/v")) {
    return { basePath: path, major: undefined, isUnstable: false };
  }
  if (!/^[1-9][0-9]*$/.test(run) || run === "1") return undefined;
  return { basePath: path.slice(0, at - 2), major: run, isUnstable: false };
}

function isDigitOrDot(c: number): boolean {
  return (c >= 0x30 && c <= 0x39) || c === 0x2e;
}

const RESERVED = /^(?:CON|PRN|AUX|NUL|COM[1-9]|LPT[1-9])$/i;

/** True if `path` is a module path. */
export function isModulePath(path: string): boolean {
  if (path === "" || path.startsWith("-") || !/^[A-Za-z0-9._~/-]+$/.test(path)) return false;
  let at = 0;
  for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", at)) {
    if (!isElement(path, at, end) || (at === 0 && !isHost(path.slice(0, end)))) return false;
    at = end + 1;
  }
  if (!isElement(path, at, path.length) || (at === 0 && !isHost(path))) return false;
  return splitPathSuffix(path) !== undefined;
}

function isHost(element: string): boolean {
  return element.includes(".") && /^[a-z0-9.-]+$/.test(element);
}

/** The element at `at` … `end` − 1 of a path whose characters are allowed. */
function isElement(path: string, at: number, end: number): boolean {
  if (at === end || path.charCodeAt(at) === DOT || path.charCodeAt(end - 1) === DOT) return false;
  const dot = path.indexOf(".", at);
  const shortEnd = dot < 0 || dot > end ? end : dot;
  // Most elements are too long for a reserved name and have no tilde: then no string is made of them.
  if (shortEnd - at <= 4 && RESERVED.test(path.slice(at, shortEnd))) return false;
  const tilde = path.indexOf("~", at);
  return tilde < 0 || tilde >= shortEnd || !/~[0-9]+$/.test(path.slice(at, shortEnd));
}

const DOT = 0x2e;

/** True if a version may belong to a path (spec/map.md §1 rules 3 and 4). `path` is a module path. */
export function isVersionOfPath(version: Version, path: string): boolean {
  const suffix = splitPathSuffix(path);
  if (suffix === undefined) return false;
  if (version.isIncompatible) return suffix.major === undefined && version.major !== "0" && version.major !== "1";
  if (suffix.major === undefined) return version.major === "0" || version.major === "1";
  if (suffix.major === version.major) return true;
  return isGopkgIn(path) && suffix.major === "1" && version.text.startsWith("v0.0.0-");
}

/** Longest suffix of a family member, in digits (spec/map.md §7). */
const MAX_FAMILY_DIGITS = 20;

/** A path's place in a family of majors: the family's base path and the digits of its suffix. */
export interface FamilyMember {
  readonly basePath: string;
  readonly major: string;
}

/** The family that a suffixed module path belongs to; undefined if it belongs to none. */
export function familyOf(path: string): FamilyMember | undefined {
  // A member's suffix ends in a digit. Most paths do not, and those that end in `-unstable` are in no family.
  const last = path.charCodeAt(path.length - 1);
  if (!(last >= 0x30 && last <= 0x39)) return undefined;
  const suffix = splitPathSuffix(path);
  if (suffix?.major === undefined || suffix.major.length > MAX_FAMILY_DIGITS) return undefined;
  return { basePath: suffix.basePath, major: suffix.major };
}

/** The path of the family member with suffix digits `major`. */
export function familyMemberPath(basePath: string, major: string): string {
  return isGopkgIn(basePath) ? `${basePath}.v${major}` : `${basePath}/v${major}`;
}

/** The subject of a family (spec/map.md §4). */
export function majorsSubject(basePath: string): string {
  return isGopkgIn(basePath) ? `${basePath}.v*` : `${basePath}/v*`;
}

/** The subject that holds the toolchain versions (spec/map.md §8), and the module that they come from. */
export const TOOLCHAIN_SUBJECT = "toolchain";
export const TOOLCHAIN_MODULE = "golang.org/toolchain";
