import { compareDigits } from "../vindex/decimal.ts";
import type { MajorItem } from "../vindex/majors-value.ts";
import { familyMemberPath, familyOf, isModulePath, splitPathSuffix } from "../vindex/module-path.ts";
import { compareVersions, type Version } from "../vindex/version.ts";

/** Newer majors at other paths (spec/check.md §6). */

/** The base path whose family a module may belong to; undefined for paths that are in none, as gopkg.in's unstable ones. */
export function familyBaseOf(path: string): string | undefined {
  const suffix = splitPathSuffix(path);
  // A suffixed path of no family: unstable, or with a suffix longer than any.
  if (suffix === undefined || (suffix.major !== undefined && familyOf(path) === undefined)) return undefined;
  const { basePath } = suffix;
  return isModulePath(familyMemberPath(basePath, "2")) ? basePath : undefined;
}

/**
 * The members of a family with a higher major than a module at a version, highest first; from `+incompatible` also the member that the
 * same major has moved to, if it is higher there. Only members with a tag count: anybody can have a path without one logged. A
 * member that has pre-releases only counts with `withPre`.
 */
export function newerMajors(
  path: string,
  current: Version,
  items: readonly MajorItem[],
  withPre: boolean,
): MajorItem[] {
  const suffix = familyOf(path)?.major ?? "0";
  const major = compareDigits(current.major, suffix) >= 0 ? current.major : suffix;
  return items
    .filter(({ path: other, version }) => {
      const isTagged = version.kind === "release" || (withPre && version.kind === "pre");
      const order = compareDigits(version.major, major);
      const isMoved = order === 0 && current.isIncompatible && compareVersions(version, current) > 0;
      return other !== path && isTagged && (order > 0 || isMoved);
    })
    .sort((a, b) => compareDigits(b.version.major, a.version.major) || compareVersions(b.version, a.version));
}
