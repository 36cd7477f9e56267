import {
  comparePrecedence,
  hashGoMod,
  parseAnyVersion,
  parseGoMod,
  type Retraction,
  retractionsOf,
  shortMessage,
} from "../go/index.ts";
import { decodeUtf8, equalBytes } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { computeSyntheticGoModHash } from "../vindex/module-value.ts";
import { formatH1 } from "../vindex/record.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import type { Version } from "../vindex/version.ts";
import type { Questioner, RecordToProve } from "./asker.ts";

/** Retractions and deprecation from an authenticated go.mod (spec/check.md §4). */
export interface Retractions {
  readonly retract: readonly Retraction[];
  /** The same as ranges that neither overlap nor are out of order, so that a long list costs little to look through. */
  readonly ranges: readonly Range[];
  /** What may be printed of the deprecation message; undefined if the module is not deprecated. */
  readonly deprecated: string | undefined;
}

/** All versions from `low` (undefined: from the lowest) to `high`, by precedence, both included. */
interface Range {
  readonly low: Version | undefined;
  readonly high: Version;
}

/** Of a module whose go.mod takes nothing back. */
export const NO_RETRACTIONS: Retractions = { retract: [], ranges: [], deprecated: undefined };

/**
 * Reads what the authors of a module took back, from the go.mod of its highest version `latest`: its record is proven in the checksum
 * database first, and the file counts only if its hash is the one in that record. A version that never had a go.mod is not
 * fetched: what it would be is known.
 *
 * @throws ProofdnsError `BAD_CHECKSUM` if what was fetched is another file; `MALFORMED_INPUT` if it cannot be read; and what `proveRecord` and
 *   `fetchGoMod` throw
 */
export async function readRetractions(
  questioner: Pick<Questioner, "proveRecord" | "fetchGoMod">,
  latest: RecordToProve,
  sha256: Sha256,
): Promise<Retractions> {
  const { path, version, goModHash } = latest;
  await questioner.proveRecord(latest);
  if (equalBytes(goModHash, computeSyntheticGoModHash(path, sha256))) return NO_RETRACTIONS;
  const untrusted = await fetchSaid(questioner, latest);
  const h1 = hashGoMod(untrusted);
  if (h1 !== formatH1(goModHash)) {
    throw new ProofdnsError(
      "BAD_CHECKSUM",
      `the go.mod of ${path} ${version} that GOPROXY serves has the hash ${h1}, and the checksum database says ${formatH1(goModHash)}; --retractions needs another proxy: tell who runs this one`,
    );
  }
  const text = decodeUtf8(untrusted);
  if (text === undefined) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `the go.mod of ${path} ${version} is not UTF-8: its retractions are unknown; leave out --retractions to check without them`,
    );
  }
  const goMod = parseGoMod(text, `go.mod of ${path} ${version}`, { isDependency: true });
  return {
    retract: goMod.retract,
    ranges: joinRanges(goMod.retract),
    deprecated: goMod.deprecated === undefined ? undefined : shortMessage(goMod.deprecated) || "without a reason",
  };
}

/** Says what to do where a go.mod is not to be had. */
async function fetchSaid(
  questioner: Pick<Questioner, "fetchGoMod">,
  { path, version, goModHash }: RecordToProve,
): Promise<Uint8Array> {
  try {
    return await questioner.fetchGoMod(path, version, goModHash);
  } catch (error) {
    if (!isProofdnsError(error)) throw error;
    throw new ProofdnsError(error.code, `${error.message}${whatNext(error)}`, { cause: error });
  }
}

/** What to do, behind what went wrong. */
function whatNext({ code }: ProofdnsError): string {
  // Without a network another proxy is no help, and the message says what is.
  if (code === "NO_ANSWER") return ", or leave out --retractions; until then its retractions are unknown";
  // The message names the variable, which need not be GOPROXY.
  const help = code === "MALFORMED_INPUT" ? "mend that" : "set GOPROXY to a proxy that has it";
  return `; so its retractions are unknown: ${help}, or leave out --retractions`;
}

/** Bounds that are no versions are below all of them, as the go command has it. */
function joinRanges(retract: readonly Retraction[]): Range[] {
  const ranges = retract.flatMap(({ low, high }) => {
    const top = parseAnyVersion(high);
    return top === undefined ? [] : [{ low: parseAnyVersion(low), high: top }];
  });
  ranges.sort((a, b) => compareBounds(a.low, b.low));
  const joined: Range[] = [];
  for (const range of ranges) {
    if (range.low !== undefined && comparePrecedence(range.low, range.high) > 0) continue;
    const last = joined.at(-1);
    if (last === undefined || (range.low !== undefined && comparePrecedence(range.low, last.high) > 0)) {
      joined.push(range);
    } else if (comparePrecedence(range.high, last.high) > 0) {
      joined[joined.length - 1] = { low: last.low, high: range.high };
    }
  }
  return joined;
}

function compareBounds(a: Version | undefined, b: Version | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  return comparePrecedence(a, b);
}

/** True if a version was taken back. */
export function isRetracted({ ranges }: Retractions, text: string): boolean {
  const version = parseAnyVersion(text);
  if (version === undefined) return false;
  let [from, to] = [0, ranges.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    const { low, high } = ranges[middle] as Range;
    if (comparePrecedence(version, high) > 0) from = middle + 1;
    else if (low !== undefined && comparePrecedence(version, low) < 0) to = middle;
    else return true;
  }
  return false;
}

/** Why a version was taken back, fit to be printed; undefined if it was not. */
export function retractionOf(retractions: Retractions, version: string): string | undefined {
  if (!isRetracted(retractions, version)) return undefined;
  const reasons = retractionsOf(retractions, version)
    .map(({ rationale }) => shortMessage(rationale))
    .filter((reason) => reason !== "");
  return [...new Set(reasons)].slice(0, 3).join("; ") || "without a reason";
}
