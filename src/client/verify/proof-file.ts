import { formatBase64, parseBase64 } from "../../vindex/base64.ts";
import { encodeUtf8, equalBytes } from "../../vindex/bytes.ts";
import { type Checkpoint, formatCheckpoint, parseCheckpoint } from "../../vindex/checkpoint.ts";
import { type Cosignature, cosignatureFromNote } from "../../vindex/cosignature.ts";
import { parseDecimal } from "../../vindex/decimal.ts";
import { isProofdnsError, ProofdnsError } from "../../vindex/error.ts";
import { computeEpochLeafHash, type EpochLeaf, parseLeaf } from "../../vindex/leaf.ts";
import { type NoteSignature, parseNote, type VerifierKey } from "../../vindex/note.ts";
import {
  decodeLogProof,
  decodePage,
  encodeHead,
  encodePage,
  PAGE_LENGTH,
  type VersionEntry,
} from "../../vindex/payload.ts";
import { makeRecord } from "../../vindex/record.ts";
import { HASH_LENGTH, type Hash } from "../../vindex/sha256.ts";
import { verifyLogInclusionProof } from "../../vindex/tlog.ts";
import { type VerifiedAnswer, verifyAnswer } from "./answer.ts";
import { type Memory, type VerifiedHead, verifyHead } from "./head.ts";
import {
  decodeProofExtra,
  encodeProofExtra,
  formatProofSubject,
  type ProofExtra,
  type ProofSubject,
} from "./proof-extra.ts";
import type { ProofHead } from "./proof-head.ts";
import { pageCount, verifyRecord, verifyVersions } from "./record.ts";
import type { Trust } from "./trust.ts";

/** First line of every proof file. */
export const PROOF_FILE_TYPE = "c2sp.org/tlog-proof@v1";
/** Longest proof file in bytes: a list of 20,000 versions fits. */
export const MAX_PROOF_FILE_LENGTH = 1 << 22;
/** More hashes than any inclusion proof of 2^53 leaves has. */
const MAX_HASHES = 63;

/** A record of the checksum database: path, version, both hashes, index. */
export interface ProvenRecord {
  readonly path: string;
  readonly version: string;
  readonly zipHash: Hash;
  readonly goModHash: Hash;
  readonly logIndex: number;
}

/** What a proof file is made of. */
export interface ProofFileParts {
  readonly subject: ProofSubject;
  readonly head: ProofHead;
  /** Payload of the module answer; for every subject but a record. */
  readonly answer?: Uint8Array | undefined;
  /** All records of the module; with its versions only. */
  readonly versions?: readonly VersionEntry[] | undefined;
  /** A record and the payload of its `_record` proof. */
  readonly record?: { readonly entry: VersionEntry; readonly proof: Uint8Array } | undefined;
}

/** What `verifyProofFile` proved. */
export interface VerifiedProof {
  readonly subject: ProofSubject;
  /** Its `ageTime` is the oldest time in the freshest quorum, 0 if the policy has none. */
  readonly head: VerifiedHead;
  /** Undefined for a record. */
  readonly answer: VerifiedAnswer | undefined;
  /** All records of the module in log order; only where versions were asked. */
  readonly versions: VersionEntry[] | undefined;
  /** The record that is proven to be in the checksum database, if one is. */
  readonly record: ProvenRecord | undefined;
  /** Payload of the module answer. */
  readonly payload: Uint8Array | undefined;
  /** Payload of the `_record` proof; where a record is proven. */
  readonly recordPayload: Uint8Array | undefined;
}

/** What a proof file is verified beside. */
export interface ProofFileOptions {
  /** Unix seconds. With it the head must be fresh; without it it may have any age. */
  readonly now?: number | undefined;
  /** The subject that the file must be about; undefined takes any. */
  readonly subject?: ProofSubject | undefined;
  /**
   * A remembered head. A head of its epoch must be it; of two epochs the older must have fewer records, and must not lag. Nothing proves
   * that heads of two epochs are of one log: whoever needs that takes only heads of the remembered epoch.
   */
  readonly memory?: Memory | undefined;
}

/** Makes the text of a proof file (spec/proof-file.md §1). Nothing is checked: call `verifyProofFile` on it. */
export function formatProofFile(parts: ProofFileParts): string {
  const { head, versions = [] } = parts;
  const pages = Array.from({ length: pageCount(versions.length) }, (_, i) =>
    encodePage(versions.slice(PAGE_LENGTH * i, PAGE_LENGTH * (i + 1))),
  );
  const record =
    parts.record === undefined ? undefined : { page: encodePage([parts.record.entry]), proof: parts.record.proof };
  const extra = encodeProofExtra({
    subject: parts.subject,
    leafText: head.leafText,
    answer: parts.answer,
    pages,
    record,
  });
  return formatParts({ extra, index: head.epoch - 1, hashes: head.inclusion, note: head.note });
}

/**
 * Verifies a proof file with keys alone (spec/proof-file.md §3): no network, no state, no clock unless one is given.
 *
 * @throws ProofdnsError with the code of the first check that fails
 */
export function verifyProofFile(trust: Trust, untrustedText: string, options: ProofFileOptions = {}): VerifiedProof {
  const parts = parseParts(untrustedText);
  const { checkpoint, signatures } = readNote(parts);
  const extra = decodeProofExtra(parts.extra);
  const { subject } = extra;
  if (options.subject !== undefined && formatProofSubject(options.subject) !== formatProofSubject(subject)) {
    throw new ProofdnsError(
      "BAD_PROOF",
      `a proof of "${formatProofSubject(subject)}" where "${formatProofSubject(options.subject)}" is wanted`,
    );
  }
  const head = verifyProofHead(trust, { parts, checkpoint, signatures, leafText: extra.leafText }, options);
  const recordPayload = extra.record?.proof.slice();
  return { subject, head, recordPayload, ...verifyStatement(trust, extra, head, options.memory) };
}

interface Parts {
  readonly extra: Uint8Array;
  readonly index: number;
  readonly hashes: readonly Hash[];
  readonly note: string;
}

function formatParts({ extra, index, hashes, note }: Parts): string {
  const lines = [PROOF_FILE_TYPE, `extra ${formatBase64(extra)}`, `index ${index}`, ...hashes.map(formatBase64)];
  return `${lines.join("\n")}\n\n${note}`;
}

/** Step 1, without the note. */
function parseParts(text: string): Parts {
  // Few are so long that it takes an encoder to know.
  const isTooLong =
    text.length > MAX_PROOF_FILE_LENGTH ||
    (3 * text.length > MAX_PROOF_FILE_LENGTH && encodeUtf8(text).length > MAX_PROOF_FILE_LENGTH);
  if (isTooLong) return refuse(`longer than ${MAX_PROOF_FILE_LENGTH} bytes`);
  const end = text.indexOf("\n\n");
  if (end < 0) return refuse("no blank line before the checkpoint");
  const [type, extraLine = "", indexLine = "", ...hashLines] = text.slice(0, end).split("\n", MAX_HASHES + 4);
  if (type !== PROOF_FILE_TYPE) return refuse(`its first line is not ${PROOF_FILE_TYPE}`);
  const extra = extraLine.startsWith("extra ") ? parseBase64(extraLine.slice("extra ".length)) : undefined;
  if (extra === undefined || extra.length === 0) return refuse("its second line is not `extra` and base64");
  const index = indexLine.startsWith("index ") ? parseDecimal(indexLine.slice("index ".length)) : undefined;
  if (index === undefined) return refuse("its third line is not `index` and a number");
  if (hashLines.length > MAX_HASHES) return refuse(`more than ${MAX_HASHES} hashes`);
  const hashes = hashLines.map((line) => {
    const hash = parseBase64(line);
    return hash?.length === HASH_LENGTH ? hash : refuse("a line is not base64 of a hash");
  });
  return { extra, index, hashes, note: text.slice(end + 2) };
}

interface CheckpointNote {
  readonly checkpoint: Checkpoint;
  readonly signatures: readonly NoteSignature[];
}

/** Step 1, the note. */
function readNote({ note, index }: Parts): CheckpointNote {
  let read: CheckpointNote;
  try {
    const { text, signatures } = parseNote(note);
    read = { checkpoint: parseCheckpoint(text), signatures };
  } catch (cause) {
    if (!(cause instanceof ProofdnsError)) throw cause;
    return refuse(cause.message, cause);
  }
  if (index + 1 !== read.checkpoint.treeSize) return refuse("its leaf is not the newest of its checkpoint");
  return read;
}

/** Steps 4 to 8. */
function verifyProofHead(
  trust: Trust,
  file: CheckpointNote & { readonly parts: Parts; readonly leafText: string },
  { now, memory }: ProofFileOptions,
): VerifiedHead {
  const { checkpoint, signatures, parts, leafText } = file;
  const logSignature = verifyLogSignature(trust, checkpoint, signatures);
  const leafHash = computeEpochLeafHash(leafText, trust.sha256);
  const { treeSize, rootHash } = checkpoint;
  verifyLogInclusionProof(parts.hashes, leafHash, parts.index, treeSize, rootHash, trust.sha256);
  const leaf = readLeaf(trust, leafText);
  const cosignatures = readCosignatures(trust, signatures);
  // The inclusion proof of the newest leaf is the peaks of the log before it, smallest first: the same head as a name server sends.
  const untrustedHead = encodeHead({
    epoch: treeSize,
    logSignature,
    ...leaf,
    cosignatures,
    form: "plain",
    hashes: parts.hashes.toReversed(),
  });
  const verify = (beside: Memory | undefined): VerifiedHead =>
    verifyHead({
      // Without a clock every time is in the window.
      trust: now === undefined ? { ...trust, maxAge: Number.MAX_SAFE_INTEGER } : trust,
      now: now ?? cosignatures.reduce((latest, { time }) => Math.max(latest, time), 0),
      memory: beside,
      question: { epoch: treeSize },
      untrustedHead,
    });
  if (memory === undefined || memory.epoch === treeSize) return verify(memory);
  try {
    return verify(memory);
  } catch (error) {
    // The last check: a file cannot bring a proof of consistency with each head that someone may remember.
    if (isProofdnsError(error, "CONSISTENCY_MISSING")) return verify(undefined);
    throw error;
  }
}

/** Step 4. */
function verifyLogSignature(trust: Trust, checkpoint: Checkpoint, signatures: readonly NoteSignature[]): Uint8Array {
  const refuseSignature = (why: string): never => {
    throw new ProofdnsError("BAD_LOG_SIGNATURE", `proof file: ${why}`);
  };
  if (checkpoint.origin !== trust.origin)
    return refuseSignature(`its log is ${checkpoint.origin}, not ${trust.origin}`);
  const [own, ...others] = signaturesOf(signatures, trust.logKey);
  if (own === undefined || others.length > 0) {
    return refuseSignature(
      `its checkpoint has ${own === undefined ? "no" : "more than one"} signature of the log's key`,
    );
  }
  if (!trust.ed25519.verify(trust.logKey.publicKey, encodeUtf8(formatCheckpoint(checkpoint)), own.blob)) {
    return refuseSignature(`the signature by ${trust.logKey.keyName} on its checkpoint is wrong`);
  }
  return own.blob;
}

/** Step 6; the signature itself is verified with the head. */
function readLeaf(trust: Trust, leafText: string): EpochLeaf {
  try {
    return parseLeaf(leafText, trust.sumdbKey);
  } catch (cause) {
    if (!(cause instanceof ProofdnsError)) throw cause;
    throw new ProofdnsError(
      "BAD_SUMDB_SIGNATURE",
      `proof file: its leaf has no tree head signed by ${trust.sumdbKey.keyName}: ${cause.message}`,
      { cause },
    );
  }
}

/** Step 7, the form of the lines. */
function readCosignatures(trust: Trust, signatures: readonly NoteSignature[]): Cosignature[] {
  return trust.policy.witnesses.flatMap(({ verifierKey }) => {
    const [own, ...others] = signaturesOf(signatures, verifierKey);
    if (others.length > 0) return refuse(`two cosignatures by ${verifierKey.keyName}`);
    if (own === undefined) return [];
    return cosignatureFromNote(own) ?? refuse(`the cosignature by ${verifierKey.keyName} is no cosignature/v1`);
  });
}

function signaturesOf(signatures: readonly NoteSignature[], key: VerifierKey): NoteSignature[] {
  return signatures.filter(({ keyName, keyId }) => keyName === key.keyName && keyId === key.keyId);
}

/** Steps 9 to 11. */
function verifyStatement(
  trust: Trust,
  extra: ProofExtra,
  head: VerifiedHead,
  memory: Memory | undefined,
): Pick<VerifiedProof, "answer" | "versions" | "record" | "payload"> {
  const { subject } = extra;
  if (subject.kind === "record" || extra.answer === undefined) {
    return { answer: undefined, versions: undefined, payload: undefined, record: readRecord(trust, extra, head) };
  }
  const payload = extra.answer.slice();
  const answer = verifyAnswer({ trust, subject, untrustedAnswer: payload, head, newest: memory });
  if (answer.kind === "absent" && (extra.pages.length > 0 || extra.record !== undefined)) {
    return refuse("records of what is absent");
  }
  let versions: VersionEntry[] | undefined;
  if (answer.kind === "module" && answer.state !== undefined) {
    const wanted = pageCount(answer.state.subLog.treeSize);
    if (extra.pages.length !== wanted) return refuse(`${extra.pages.length} pages where ${wanted} are needed`);
    checkPageLengths(extra.pages, answer.state.subLog.treeSize);
    versions = verifyVersions(trust, answer, extra.pages);
  }
  return { answer, versions, payload, record: readRecord(trust, extra, head, answer) };
}

/** Step 10: a name server's last page may hold newer records than the answer counts; a file's does not, so that a statement has one form. */
function checkPageLengths(pages: readonly Uint8Array[], count: number): void {
  const lengths = pages.map((page) => decodePage(page).length);
  for (const [page, length] of lengths.entries()) {
    const wanted = Math.min(PAGE_LENGTH, count - page * PAGE_LENGTH);
    if (length !== wanted) refuse(`page ${page} has ${length} records instead of ${wanted}`);
  }
}

/** Step 11. */
function readRecord(
  trust: Trust,
  { subject, record }: ProofExtra,
  head: VerifiedHead,
  answer?: VerifiedAnswer,
): ProvenRecord | undefined {
  if (record === undefined || (subject.kind !== "record" && subject.kind !== "module")) return undefined;
  const { path } = subject;
  const [entry, ...others] = decodePage(record.page);
  decodeLogProof(record.proof);
  const refuseRecord = (why: string): never => {
    throw new ProofdnsError("BAD_RECORD_PROOF", `proof file: ${why}`);
  };
  if (entry === undefined || others.length > 0) return refuseRecord("not one record");
  if (makeRecord(path, entry.version, entry.zipHash, entry.goModHash) === undefined) {
    return refuseRecord("its record is not well-formed");
  }
  if (subject.kind === "record" && entry.version !== subject.version)
    return refuseRecord("its record is of another version");
  if (answer?.kind === "module") {
    const { latest, zipHash, goModHash } = answer.value;
    const isLatest =
      entry.version === latest.version.text &&
      entry.logIndex === latest.logIndex &&
      equalBytes(entry.zipHash, zipHash) &&
      equalBytes(entry.goModHash, goModHash);
    if (!isLatest) return refuseRecord("its record is not that of the latest version");
  }
  const { version, logIndex } = entry;
  const proven = { path, version, logIndex, zipHash: entry.zipHash.slice(), goModHash: entry.goModHash.slice() };
  verifyRecord(trust, head, proven, record.proof);
  return proven;
}

function refuse(why: string, cause?: unknown): never {
  throw new ProofdnsError("MALFORMED_PROOF", `proof file: ${why}`, { cause });
}
