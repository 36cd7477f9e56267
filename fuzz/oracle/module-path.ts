import { isDigit, isLetter, naiveVersion } from "./semver.ts";

/** Module paths, read from spec/map.md §3 without regular expressions. */
export interface NaiveSuffix {
  readonly base: string;
  /** Digits of the suffix; undefined without one. */
  readonly digits: string | undefined;
  readonly isUnstable: boolean;
}

/** §3.1. */
export function isNaivePath(path: string): boolean {
  if (path === "" || path[0] === "-") return false;
  const elements = path.split("/");
  for (const [i, element] of elements.entries()) {
    if (element === "" || element[0] === "." || element.at(-1) === ".") return false;
    for (const c of element) {
      if (!isDigit(c) && !isLetter(c) && c !== "-" && c !== "." && c !== "_" && c !== "~") return false;
      if (i === 0 && ((c >= "A" && c <= "Z") || c === "_" || c === "~")) return false;
    }
    const dot = element.indexOf(".");
    if (i === 0 && dot < 0) return false;
    const short = (dot < 0 ? element : element.slice(0, dot)).toUpperCase();
    if (["CON", "PRN", "AUX", "NUL"].includes(short)) return false;
    if (short.length === 4 && (short.slice(0, 3) === "COM" || short.slice(0, 3) === "LPT")) {
      if (isDigit(short[3]) && short[3] !== "0") return false;
    }
    let end = short.length;
    while (end > 0 && isDigit(short[end - 1])) end--;
    if (end < short.length && end > 0 && short[end - 1] === "~") return false;
  }
  return naiveSuffix(path) !== undefined;
}

/** §3.2; undefined if the suffix is not valid. */
export function naiveSuffix(path: string): NaiveSuffix | undefined {
  if (path.slice(0, 9) === "gopkg.in/") {
    const isUnstable = path.slice(-9) === "-unstable";
    const rest = isUnstable ? path.slice(0, -9) : path;
    let at = rest.length;
    while (at > 0 && isDigit(rest[at - 1])) at--;
    const digits = rest.slice(at);
    if (digits === "" || rest.slice(at - 2, at) !== ".v" || at - 2 < 1) return undefined;
    if (digits[0] === "0" && (digits !== "0" || isUnstable)) return undefined;
    return { base: rest.slice(0, at - 2), digits, isUnstable };
  }
  let at = path.length;
  while (at > 0 && (isDigit(path[at - 1]) || path[at - 1] === ".")) at--;
  const run = path.slice(at);
  if (run === "" || at < 3 || path.slice(at - 2, at) !== "/v")
    return { base: path, digits: undefined, isUnstable: false };
  if (run.includes(".") || run[0] === "0" || run === "1") return undefined;
  return { base: path.slice(0, at - 2), digits: run, isUnstable: false };
}

/** §1 rules 3 and 4, for a path and a canonical version. */
export function naiveFits(path: string, version: string): boolean {
  const parsed = naiveVersion(version);
  const suffix = naiveSuffix(path);
  if (parsed === undefined || suffix === undefined) return false;
  const major = parsed.numbers[0];
  if (parsed.isIncompatible && (major < 2n || suffix.digits !== undefined)) return false;
  if (suffix.digits === undefined) return major < 2n || parsed.isIncompatible;
  const isOldStyle = path.slice(0, 9) === "gopkg.in/" && suffix.digits === "1" && version.slice(0, 7) === "v0.0.0-";
  return String(major) === suffix.digits || isOldStyle;
}

/** §7: base path and digits of the family; undefined for none. */
export function naiveFamily(path: string): { base: string; digits: string } | undefined {
  const suffix = naiveSuffix(path);
  if (suffix?.digits === undefined || suffix.isUnstable || suffix.digits.length > 20) return undefined;
  return { base: suffix.base, digits: suffix.digits };
}
