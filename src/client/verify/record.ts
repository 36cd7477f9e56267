import { ProofdnsError } from "../../vindex/error.ts";
import { foldRecord, formatModuleState, type ModuleState } from "../../vindex/module-state.ts";
import { decodeLogProof, decodePage, PAGE_LENGTH, type VersionEntry } from "../../vindex/payload.ts";
import { computeRecordHashOf, makeRecord } from "../../vindex/record.ts";
import type { Hash } from "../../vindex/sha256.ts";
import { verifyLogInclusionProof } from "../../vindex/tlog.ts";
import type { VerifiedAnswer } from "./answer.ts";
import type { VerifiedHead } from "./head.ts";
import type { Trust } from "./trust.ts";

/** Number of pages that hold `count` records. */
export function pageCount(count: number): number {
  return Math.ceil(count / PAGE_LENGTH);
}

/**
 * Verifies the complete list of a module's records against its proven state (spec/client.md §6, *Versions*). `pages`
 * are the payloads of the pages 0 … `pageCount` − 1.
 *
 * @throws ProofdnsError `MALFORMED_ANSWER`, `VERSIONS_MISSING` (ask again) or `BAD_VERSIONS`
 */
export function verifyVersions(
  trust: Trust,
  answer: Extract<VerifiedAnswer, { kind: "module" }>,
  untrustedPages: readonly Uint8Array[],
): VersionEntry[] {
  const { path, state, stateText, head } = answer;
  if (state === undefined || stateText === undefined) throw new TypeError("the answer was asked without its versions");
  const count = state.subLog.treeSize;
  const entries: VersionEntry[] = [];
  const decoded = untrustedPages.map(decodePage);
  for (let page = 0; page < pageCount(count); page++) {
    const wanted = Math.min(PAGE_LENGTH, count - page * PAGE_LENGTH);
    const got = decoded[page] ?? [];
    if (got.length < wanted)
      throw new ProofdnsError("VERSIONS_MISSING", `page ${page} of ${path} has ${got.length} records of ${wanted}`);
    entries.push(...got.slice(0, wanted));
  }
  const refuse = (why: string): never => {
    throw new ProofdnsError("BAD_VERSIONS", `versions of ${path}: ${why}`);
  };
  let folded: ModuleState | undefined;
  let before = -1;
  for (const { version, logIndex, zipHash, goModHash } of entries) {
    const record = makeRecord(path, version, zipHash, goModHash) ?? refuse(`${version} is not well-formed`);
    if (logIndex <= before || logIndex >= head.leaf.treeHead.treeSize)
      return refuse("an index is out of order or range");
    before = logIndex;
    folded = foldRecord(folded, record, logIndex, computeRecordHashOf(record, trust.sha256), trust.sha256);
  }
  if (folded === undefined || formatModuleState(folded) !== stateText)
    return refuse("they do not give the proven state");
  return entries.map((entry) => ({ ...entry, zipHash: entry.zipHash.slice(), goModHash: entry.goModHash.slice() }));
}

/**
 * Verifies that the checksum database holds a record: its path, version and hashes at its index (spec/client.md §6, *Record*).
 * Only after this do hashes serve as checksums.
 *
 * @throws ProofdnsError `MALFORMED_ANSWER` or `BAD_RECORD_PROOF`
 */
export function verifyRecord(
  trust: Trust,
  head: VerifiedHead,
  record: { path: string; version: string; zipHash: Hash; goModHash: Hash; logIndex: number },
  untrustedProof: Uint8Array,
): void {
  const { treeSize, rootHash } = head.leaf.treeHead;
  const hashes = decodeLogProof(untrustedProof);
  const made = makeRecord(record.path, record.version, record.zipHash, record.goModHash);
  if (made === undefined) throw new TypeError(`not a well-formed record: ${record.path} ${record.version}`);
  const recordHash = computeRecordHashOf(made, trust.sha256);
  try {
    verifyLogInclusionProof(hashes, recordHash, record.logIndex, treeSize, rootHash, trust.sha256);
  } catch (cause) {
    if (!(cause instanceof ProofdnsError)) throw cause;
    const isMalformed = cause.code === "MALFORMED_PROOF";
    throw new ProofdnsError(
      isMalformed ? "MALFORMED_ANSWER" : "BAD_RECORD_PROOF",
      `record ${record.logIndex}: ${cause.message}`,
      { cause },
    );
  }
}
