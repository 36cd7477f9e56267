import type { Client, Lookup } from "../client/client.ts";
import { ProofdnsError } from "../vindex/error.ts";
import type { VersionEntry } from "../vindex/payload.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import { latestEntry } from "./choose.ts";
import { isVersionQuery, selectVersion } from "./select.ts";

/** What a version query came to. */
export interface Resolved {
  /** The selected version with index and hashes; undefined if the module is absent, or none matches. */
  readonly entry: VersionEntry | undefined;
  /** The lookup that proves it: with the complete list of versions, but for `latest`, whose value says it. */
  readonly lookup: Lookup;
}

/**
 * Answers one of the go command's version queries (`latest`, `v1`, `v1.4`, `v1.4.2`, `<v1.5.0`, …) from the proven, complete list of a
 * module's versions (spec/check.md §3). Retractions are not looked at.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` for what is no query; else as `Client.lookup`
 */
export async function resolveProven(
  client: Pick<Client, "lookup">,
  path: string,
  query: string,
  options: { readonly signal?: AbortSignal; readonly sha256?: Sha256 } = {},
): Promise<Resolved> {
  if (!isVersionQuery(query)) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `${JSON.stringify(query.slice(0, 100))} is not a version query; expected latest, v1, v1.4, v1.4.2, <v1.5.0 or the like`,
    );
  }
  const isLatest = query === "latest" || query === "upgrade";
  const subject = { kind: "module", path, withVersions: !isLatest } as const;
  const lookup = await client.lookup(subject, options.signal === undefined ? {} : { signal: options.signal });
  const { answer, versions } = lookup;
  if (answer.kind !== "module") return { entry: undefined, lookup };
  if (versions === undefined) return { entry: latestEntry(answer.value), lookup };
  return { entry: selectProven(path, versions, query, options.sha256), lookup };
}

/** The entry that a query selects from a complete list, whose first record of a version counts. */
export function selectProven(
  path: string,
  versions: readonly VersionEntry[],
  query: string,
  sha256: Sha256 = nodeSha256,
): VersionEntry | undefined {
  const selected = selectVersion(path, versions, { current: undefined, query }, sha256);
  return versions.find(({ version }) => version === selected);
}
