import { naiveCanonical } from "./go-version.ts";
import { naiveSuffix } from "./module-path.ts";
import { naiveCompare, naiveVersion } from "./semver.ts";

/** Without what precedence passes over. */
function core(version: string): string {
  return version.split("+")[0] ?? "";
}

function compare(a: string, b: string): number {
  return naiveCompare(core(a), core(b));
}

/**
 * A version query by the words of https://go.dev/ref/mod#version-queries: every version is held against every other. Null
 * if the query is none.
 */
export function naiveQuery(
  query: string,
  list: readonly string[],
  path: string,
  current: string | undefined,
  hasGoMod: (version: string) => boolean,
): string | undefined | null {
  const used = current === undefined ? undefined : naiveCanonical(current);
  if (current !== undefined && (used === undefined || naiveVersion(used) === undefined)) return null;
  const kindOf = (version: string): string => naiveVersion(version)?.kind ?? "";
  const versions = list.filter((version) => naiveVersion(version) !== undefined);
  const isNotBelow = (version: string): boolean => used === undefined || compare(version, used) >= 0;
  const sameMinor = (a: string, b: string): boolean =>
    a.split(".").slice(0, 2).join(".") === b.split(".").slice(0, 2).join(".");

  let accepts = (_version: string): boolean => true;
  let lowest = false;
  let bound: string | undefined;
  if (query === "patch") {
    if (used === undefined) return null;
    accepts = (version) => sameMinor(version, used) && isNotBelow(version);
  } else if (query === "upgrade") accepts = isNotBelow;
  else if (query !== "latest") {
    const signs = [...query].findIndex((c) => c !== "<" && c !== ">" && c !== "=");
    const operator = query.slice(0, signs < 0 ? query.length : signs);
    const text = query.slice(operator.length);
    if (!["", "<", ">", "<=", ">="].includes(operator)) return null;
    bound = naiveCanonical(text);
    if (bound === undefined || naiveVersion(bound) === undefined) return null;
    const least = bound;
    const dots = text.split(".").length;
    const isShort = naiveVersion(text) === undefined && dots < 3 && !text.includes("-") && !text.includes("+");
    if (isShort && (operator === "<=" || operator === ">")) return null;
    if (operator === "" && !isShort) {
      return (
        versions.find((version) => version === least) ?? versions.find((version) => version === `${least}+incompatible`)
      );
    }
    lowest = operator[0] === ">";
    accepts = (version) => {
      const order = compare(version, least);
      if (operator === "")
        return order >= 0 && (dots === 1 ? version.split(".")[0] === text : sameMinor(version, least));
      return operator[0] === "<"
        ? order < 0 || (order === 0 && operator === "<=")
        : order > 0 || (order === 0 && operator === ">=");
    };
  }

  const suffix = naiveSuffix(path);
  const major = bound?.slice(1).split(".")[0] ?? "";
  const isMarked = (version: string): boolean => version.slice(-13) === "+incompatible";
  const fitsPath =
    bound === undefined ||
    (suffix !== undefined &&
      (suffix.digits === undefined ? ["0", "1"].includes(major) || isMarked(bound) : suffix.digits === major));
  const takesMarked = (used !== undefined && isMarked(used)) || !fitsPath;

  const fitting = versions.filter((version) => kindOf(version) !== "pseudo" && accepts(version)).sort(naiveCompare);
  const firstMarked = fitting.findIndex(
    (version, i) => isMarked(version) && fitting.slice(0, i).some((other) => !isMarked(other)),
  );
  const last =
    firstMarked < 0
      ? undefined
      : fitting
          .slice(0, firstMarked)
          .filter((version) => !isMarked(version))
          .at(-1);
  const usable = takesMarked || last === undefined || !hasGoMod(last) ? fitting : fitting.slice(0, firstMarked);
  const releases = usable.filter((version) => kindOf(version) === "release");
  const best = lowest ? (releases[0] ?? usable[0]) : (releases.at(-1) ?? usable.at(-1));
  if (best !== undefined) return best;

  // What differs from those words: a commit that anyone can have logged is never the answer beside a tag or another version in use.
  if ((query === "upgrade" || query === "patch") && used !== undefined) return used;
  const isUntagged = versions.every((version) => kindOf(version) === "pseudo");
  if (!isUntagged || (query !== "latest" && query !== "upgrade")) return undefined;
  const stamp = (version: string): string => naiveVersion(version)?.timestamp ?? "";
  return versions.sort((a, b) => (stamp(a) < stamp(b) ? -1 : stamp(a) > stamp(b) ? 1 : naiveCompare(a, b))).at(-1);
}
