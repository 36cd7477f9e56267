import { comparePrecedence, resolveVersionQuery } from "../go/index.ts";
import { equalBytes } from "../vindex/bytes.ts";
import { isProofdnsError } from "../vindex/error.ts";
import { computeSyntheticGoModHash } from "../vindex/module-value.ts";
import type { VersionEntry } from "../vindex/payload.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import { compareVersions, parseVersion, type Version } from "../vindex/version.ts";

/** What to select from a list of versions. */
export interface Selection {
  readonly current: Version | undefined;
  /** Only without `current`; `latest` by default. */
  readonly query?: string | undefined;
  readonly isPatchOnly?: boolean;
  readonly withPre?: boolean;
}

/** True for the version queries of the go command that need no version in use. */
export function isVersionQuery(text: string): boolean {
  try {
    resolveVersionQuery(text, []);
    return true;
  } catch (error) {
    if (isProofdnsError(error)) return false;
    throw error;
  }
}

/**
 * Selects a version as the go command does with `latest`, `upgrade`, `patch` or a query, from the entries of a proven list that may
 * be selected at all. With `withPre` pre-releases count as much as releases. Undefined if there is none; `upgrade` and `patch` give the
 * version in use if nothing is higher.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` for what is no query
 */
export function selectVersion(
  path: string,
  entries: readonly VersionEntry[],
  selection: Selection,
  sha256: Sha256,
): string | undefined {
  const { current, isPatchOnly = false, withPre = false } = selection;
  const synthetic = computeSyntheticGoModHash(path, sha256);
  const goModHashes = new Map(entries.map(({ version, goModHash }) => [version, goModHash]));
  const hasGoMod = (version: string): boolean => {
    const hash = goModHashes.get(version);
    return hash === undefined || !equalBytes(hash, synthetic);
  };
  const query = current === undefined ? (selection.query ?? "latest") : isPatchOnly ? "patch" : "upgrade";
  const isPlain = query === "latest" || query === "upgrade" || query === "patch";
  if (withPre && isPlain) return highestTag(entries, { current, isPatchOnly }, hasGoMod);
  const versions = entries.map(({ version }) => version);
  return resolveVersionQuery(query, versions, {
    path,
    hasGoMod,
    ...(current === undefined ? {} : { current: current.text }),
  });
}

/**
 * The entry that one of the go command's version queries (`latest`, `v1`, `v1.4`, `<v1.5.0`, …) selects from a proven, complete list, whose first
 * record of a version counts. Retractions are not looked at. Undefined if none matches.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` for what is no query
 */
export function selectProven(
  path: string,
  versions: readonly VersionEntry[],
  query: string,
  sha256: Sha256 = nodeSha256,
): VersionEntry | undefined {
  const selected = selectVersion(path, versions, { current: undefined, query }, sha256);
  return versions.find(({ version }) => version === selected);
}

/** The highest tag, release or not, by the go command's rule for `+incompatible`. */
function highestTag(
  entries: readonly VersionEntry[],
  { current, isPatchOnly }: { current: Version | undefined; isPatchOnly: boolean },
  hasGoMod: (version: string) => boolean,
): string | undefined {
  const tags = entries
    .flatMap(({ version }) => parseVersion(version) ?? [])
    .filter((version) => version.kind !== "pseudo")
    .filter((version) => current === undefined || comparePrecedence(version, current) >= 0)
    .filter(({ major, minor }) => !isPatchOnly || (major === current?.major && minor === current.minor))
    .sort(compareVersions);
  const compatible = tags.findLast(({ isIncompatible }) => !isIncompatible);
  const isOut = current?.isIncompatible !== true && compatible !== undefined && hasGoMod(compatible.text);
  return (isOut ? compatible : tags.at(-1))?.text;
}
