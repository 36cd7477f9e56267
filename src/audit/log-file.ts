import { formatBase64, parseBase64 } from "../vindex/base64.ts";
import { decodeUtf8, encodeUtf8, equalBytes } from "../vindex/bytes.ts";
import { type Checkpoint, formatCheckpoint, parseCheckpoint } from "../vindex/checkpoint.ts";
import { type Cosignature, cosignatureFromNote, cosignatureToNote } from "../vindex/cosignature.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { Frontier } from "../vindex/frontier.ts";
import { computeEpochLeafHash } from "../vindex/leaf.ts";
import { formatNote, type NoteSignature, parseNote, type UnverifiedNote, type VerifierKey } from "../vindex/note.ts";
import { sha256 as defaultSha256, HASH_LENGTH, type Hash, type Sha256 } from "../vindex/sha256.ts";
import { countBits } from "../vindex/tlog.ts";

/** One epoch of a log as someone shows it; nothing of it is verified. */
export interface UntrustedEpoch {
  readonly epoch: number;
  readonly leafText: string;
  /** Peaks of the log before the epoch. */
  readonly peaks: readonly Hash[];
  readonly logSignature: Uint8Array;
  readonly cosignatures: readonly Cosignature[];
}

/** Longest log file that is read, in bytes. */
export const MAX_LOG_FILE_LENGTH: number = 2 ** 20;
/** Lines of a leaf. */
const LEAF_LINES = 6;

/** A cosignature and the name of its key. */
export interface NamedCosignature extends Cosignature {
  readonly keyName: string;
}

/**
 * Formats the published file of an epoch (spec/audit.md §5): `leaf ‖ (base64(peak) LF)* ‖ LF ‖ note`.
 */
export function formatLogFile(
  epoch: Omit<UntrustedEpoch, "cosignatures"> & { readonly cosignatures: readonly NamedCosignature[] },
  logKey: VerifierKey,
  sha256: Sha256 = defaultSha256,
): string {
  const { leafText, peaks, logSignature, cosignatures } = epoch;
  const own: NoteSignature = { keyName: logKey.keyName, keyId: logKey.keyId, blob: logSignature };
  const others = cosignatures.map((cosignature) => cosignatureToNote(cosignature, cosignature.keyName));
  const text = formatCheckpoint(checkpointOf(epoch, logKey, sha256));
  return `${leafText}${peaks.map((peak) => `${formatBase64(peak)}\n`).join("")}\n${formatNote(text, [own, ...others])}`;
}

/** The checkpoint that leaf and peaks give. @throws ProofdnsError `MALFORMED_PROOF` if there is another number of peaks */
export function checkpointOf(
  { epoch, peaks, leafText }: Pick<UntrustedEpoch, "epoch" | "peaks" | "leafText">,
  logKey: VerifierKey,
  sha256: Sha256,
): Checkpoint {
  const frontier = Frontier.of(epoch - 1, peaks, sha256).append(computeEpochLeafHash(leafText, sha256));
  return { origin: logKey.keyName, treeSize: epoch, rootHash: frontier.root() };
}

/**
 * Parses the published file of an epoch. The leaf stands in the checkpoint afterwards; no signature is verified.
 *
 * @throws ProofdnsError `MALFORMED_LEAF` if it is no such file, `BAD_LEAF` if its leaf and peaks do not give its checkpoint
 */
export function parseLogFile(bytes: Uint8Array, logKey: VerifierKey, sha256: Sha256 = defaultSha256): UntrustedEpoch {
  const refuse = (why: string, cause?: unknown): never => {
    throw new ProofdnsError("MALFORMED_LEAF", `log file: ${why}`, { cause });
  };
  const text = bytes.length > MAX_LOG_FILE_LENGTH ? undefined : decodeUtf8(bytes);
  if (text === undefined) return refuse("it is no text, or too long");
  let at = 0;
  for (let line = 0; line < LEAF_LINES; line++) at = text.indexOf("\n", at) + 1 || refuse("no leaf of six lines");
  const leafText = text.slice(0, at);
  const peaks: Hash[] = [];
  for (;;) {
    const end = text.indexOf("\n", at);
    if (end < 0) return refuse("no empty line before the checkpoint");
    const line = text.slice(at, end);
    at = end + 1;
    if (line === "") break;
    const peak = parseBase64(line);
    if (peak?.length !== HASH_LENGTH || peaks.length > 53) return refuse("a peak is no hash");
    peaks.push(peak);
  }
  let note: UnverifiedNote;
  let checkpoint: Checkpoint;
  try {
    note = parseNote(text.slice(at));
    checkpoint = parseCheckpoint(note.text);
  } catch (cause) {
    if (!(cause instanceof ProofdnsError)) throw cause;
    return refuse(cause.message, cause);
  }
  const { treeSize: epoch } = checkpoint;
  if (checkpoint.origin !== logKey.keyName) return refuse(`it is of ${checkpoint.origin}, not of ${logKey.keyName}`);
  if (epoch < 1 || peaks.length !== countBits(epoch - 1)) return refuse("its peaks are not those of its size");
  const own = note.signatures.find(({ keyName, keyId }) => keyName === logKey.keyName && keyId === logKey.keyId);
  if (own?.blob.length !== 64) return refuse(`no signature of ${logKey.keyName}`);
  const made = { epoch, leafText, peaks };
  if (!equalBytes(checkpointOf(made, logKey, sha256).rootHash, checkpoint.rootHash)) {
    throw new ProofdnsError("BAD_LEAF", `log file of epoch ${epoch}: its leaf and peaks do not give its checkpoint`);
  }
  const cosignatures = note.signatures.flatMap((signature) => cosignatureFromNote(signature) ?? []);
  return { ...made, logSignature: own.blob, cosignatures };
}

/** Bytes of a log file. */
export function encodeLogFile(...args: Parameters<typeof formatLogFile>): Uint8Array {
  return encodeUtf8(formatLogFile(...args));
}
