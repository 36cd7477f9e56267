import { compareGoVersions, type GoVersion, parseGoVersion, type ToolchainItem } from "../vindex/toolchain-value.ts";

/** Go versions against the proven ones (spec/check.md §7). */

/** What comparing said. `item` is what is offered, or the newest there is. */
export type ToolchainVerdict =
  | { readonly status: "unreadable" }
  | { readonly status: "current" | "ahead"; readonly item: ToolchainItem | undefined; readonly note?: string }
  | { readonly status: "outdated"; readonly item: ToolchainItem; readonly step: "patch" | "minor" | "pre" };

export interface ToolchainOptions {
  readonly isPatchOnly?: boolean;
  readonly withPre?: boolean;
  /** False for versions that must not be offered yet. */
  readonly isAllowed?: (item: ToolchainItem) => boolean;
}

/**
 * The Go version in what a binary or a go.mod states: `go1.24.3`, also `1.24.3`, and with what vendors and experiments add after a
 * space, `-` or `+`. Undefined for development versions, which no list has: those too that are called `go1.25-` and a date.
 */
export function readGoVersion(text: string): GoVersion | undefined {
  const first = /^(?:go)?(1\.[0-9a-z.]{1,30})([ +-]|$)/.exec(text.slice(0, 200));
  if (first === null) return undefined;
  const [, version = "", end] = first;
  const isSnapshot = end === "-" && !/^1\.[0-9]+(?:\.|rc|beta)/.test(version);
  return isSnapshot ? undefined : parseGoVersion(`go${version}`);
}

/** Compares a Go version with the items of the proven toolchain value. */
export function judgeToolchain(
  current: string,
  items: readonly ToolchainItem[],
  options: ToolchainOptions = {},
): ToolchainVerdict {
  const version = readGoVersion(current);
  if (version === undefined) return { status: "unreadable" };
  const isRelease = version.stage === 2;
  const newest = items.find(({ kind }) => kind === "cur");
  const offers = items.filter((item) => {
    const isNewer = compareGoVersions(item.version, version) > 0;
    // A candidate is for those who are on one already.
    const isWanted = item.kind !== "next" || options.withPre === true || (!isRelease && isAbove(version, newest));
    const fits = options.isPatchOnly !== true || item.version.minor === version.minor;
    return isNewer && isWanted && fits && (options.isAllowed?.(item) ?? true);
  });
  const item = offers.reduce<ToolchainItem | undefined>(
    (best, other) => (best === undefined || compareGoVersions(other.version, best.version) > 0 ? other : best),
    undefined,
  );
  if (item !== undefined) {
    const step = item.version.stage !== 2 ? "pre" : item.version.minor === version.minor ? "patch" : "minor";
    return { status: "outdated", item, step };
  }
  const isAhead = newest !== undefined && compareGoVersions(version, newest.version) > 0;
  const isListed = items.some((other) => other.version.text === version.text);
  if (isAhead && !isListed) return { status: "ahead", item: newest, note: "newer than the newest in the index" };
  const isOld = newest !== undefined && !items.some((other) => other.version.minor === version.minor);
  const note = isOld ? { note: "its minor is older than the two newest, which alone are listed" } : {};
  return { status: "current", item: newest, ...note };
}

function isAbove(version: GoVersion, newest: ToolchainItem | undefined): boolean {
  return newest === undefined || compareGoVersions(version, newest.version) > 0;
}
