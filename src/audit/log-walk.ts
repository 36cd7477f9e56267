import { encodeUtf8, equalBytes } from "../vindex/bytes.ts";
import { formatCheckpoint } from "../vindex/checkpoint.ts";
import type { Ed25519Verifier } from "../vindex/ed25519.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { makeForkEvidence } from "../vindex/evidence.ts";
import { Frontier } from "../vindex/frontier.ts";
import { computeEpochLeafHash, type EpochLeaf } from "../vindex/leaf.ts";
import { formatNote, formatVerifierKey, type VerifierKey } from "../vindex/note.ts";
import type { Hash, Sha256 } from "../vindex/sha256.ts";
import {
  computeConsistencyProof,
  computeLogInclusionProof,
  computeNodeHash,
  coverRange,
  type HashReader,
} from "../vindex/tlog.ts";
import { type EpochEvidence, makeEpochEvidence, readSignedLeaf } from "./evidence.ts";
import { checkpointOf, type UntrustedEpoch } from "./log-file.ts";

/** An epoch of the log: signed, in the log, continuing the one before; what its map root says is still to be checked. */
export interface LoggedEpoch {
  readonly epoch: number;
  readonly leafText: string;
  readonly leaf: EpochLeaf;
  /** The checkpoint of its size with the log's signature. */
  readonly signedNote: string;
  readonly peaksBefore: readonly Hash[];
}

/** What a walk is over. */
export interface WalkKeys {
  readonly logKey: VerifierKey;
  readonly sumdbKey: VerifierKey;
  readonly sha256: Sha256;
  readonly ed25519: Ed25519Verifier;
}

/**
 * Walks over a log epoch by epoch: every checkpoint is signed, each continues the one before, each leaf is one of the sumdb and
 * its size grows. Pure: epochs are handed in.
 */
export class LogWalk {
  readonly #keys: WalkKeys;
  #last: LoggedEpoch | undefined;

  constructor(keys: WalkKeys) {
    this.#keys = keys;
  }

  /** The epoch taken last. */
  get last(): LoggedEpoch | undefined {
    return this.#last;
  }

  /**
   * Takes the next epoch; the first one taken, if it is not epoch 1, is where the walk begins and is taken as it is signed.
   *
   * @throws ProofdnsError `WRONG_EPOCH`, `BAD_LOG_SIGNATURE`, `MALFORMED_PROOF`; with evidence `FORK`, `BAD_LEAF` and `SUMDB_ROLLBACK`
   */
  take(untrusted: UntrustedEpoch): LoggedEpoch {
    const { logKey, sumdbKey, sha256, ed25519 } = this.#keys;
    const { epoch, leafText, peaks, logSignature } = untrusted;
    const last = this.#last;
    if (last !== undefined && epoch !== last.epoch + 1)
      throw new ProofdnsError("WRONG_EPOCH", `epoch ${epoch} where ${last.epoch + 1} comes next`);
    const text = formatCheckpoint(checkpointOf(untrusted, logKey, sha256));
    if (!ed25519.verify(logKey.publicKey, encodeUtf8(text), logSignature)) {
      throw new ProofdnsError(
        "BAD_LOG_SIGNATURE",
        `the signature by ${logKey.keyName} on epoch ${epoch} is wrong, or the checksum database is another than ${sumdbKey.keyName}: is the one given right?`,
      );
    }
    const { keyName, keyId } = logKey;
    const signedNote = formatNote(text, [{ keyName, keyId, blob: logSignature }]);
    if (last !== undefined) this.#checkContinues(last, { epoch, leafText, peaks, signedNote });
    const leaf = readSignedLeaf(leafText, sumdbKey, ed25519);
    const logged = { epoch, leafText, signedNote, peaksBefore: peaks };
    if (leaf === undefined) {
      throw new ProofdnsError("BAD_LEAF", `epoch ${epoch}: its leaf is no signed tree head of ${sumdbKey.keyName}`, {
        evidence: this.evidence(logged, undefined, last),
      });
    }
    if (last !== undefined && leaf.treeHead.treeSize <= last.leaf.treeHead.treeSize) {
      throw new ProofdnsError(
        "SUMDB_ROLLBACK",
        `epoch ${epoch} covers ${leaf.treeHead.treeSize} records, epoch ${last.epoch} had ${last.leaf.treeHead.treeSize}`,
        { evidence: this.evidence(logged, undefined, last) },
      );
    }
    this.#last = { ...logged, leaf };
    return this.#last;
  }

  /**
   * Compares what someone shows as an epoch with the epoch taken last; other epochs are not compared.
   *
   * @throws ProofdnsError `BAD_LOG_SIGNATURE`, or `FORK` with evidence
   */
  compare(untrusted: UntrustedEpoch): void {
    const { logKey, sha256, ed25519 } = this.#keys;
    const { epoch, logSignature } = untrusted;
    const last = this.#last;
    if (last === undefined || last.epoch !== epoch) return;
    const text = formatCheckpoint(checkpointOf(untrusted, logKey, sha256));
    if (last.signedNote.startsWith(`${text}\n`)) return;
    if (!ed25519.verify(logKey.publicKey, encodeUtf8(text), logSignature))
      throw new ProofdnsError("BAD_LOG_SIGNATURE", `the signature by ${logKey.keyName} on epoch ${epoch} is wrong`);
    const { keyName, keyId } = logKey;
    const note = formatNote(text, [{ keyName, keyId, blob: logSignature }]);
    throw new ProofdnsError("FORK", `the log signed two different trees of size ${epoch}`, {
      evidence: makeForkEvidence(formatVerifierKey(logKey), last.signedNote, note),
    });
  }

  /** Evidence about an epoch, given the one before it; undefined if that is not known, and there is one. */
  evidence(
    logged: Omit<LoggedEpoch, "leaf">,
    transition: Uint8Array | undefined,
    before: LoggedEpoch | undefined,
  ): EpochEvidence | undefined {
    const { logKey, sumdbKey, sha256 } = this.#keys;
    const { epoch, leafText, signedNote } = logged;
    if (epoch > 1 && before === undefined) return undefined;
    const texts = before === undefined ? [leafText] : [before.leafText, leafText];
    const read = hashReader(epoch - texts.length, before?.peaksBefore ?? logged.peaksBefore, texts, sha256);
    const proven = (text: string, index: number): { leafText: string; proof: Hash[] } => ({
      leafText: text,
      proof: computeLogInclusionProof(index, epoch, read, sha256),
    });
    return makeEpochEvidence({
      logKey,
      sumdbKey,
      epoch,
      checkpoint: signedNote,
      leaf: proven(leafText, epoch - 1),
      oldLeaf: before === undefined ? undefined : proven(before.leafText, epoch - 2),
      transition,
    });
  }

  #checkContinues(
    last: LoggedEpoch,
    next: Omit<LoggedEpoch, "leaf" | "peaksBefore"> & { peaks: readonly Hash[] },
  ): void {
    const { logKey, sha256 } = this.#keys;
    const theirs = Frontier.of(last.epoch, next.peaks, sha256).root();
    const own = checkpointOf({ epoch: last.epoch, peaks: last.peaksBefore, leafText: last.leafText }, logKey, sha256);
    if (equalBytes(theirs, own.rootHash)) return;
    const read = hashReader(last.epoch, next.peaks, [next.leafText], sha256);
    const consistency = computeConsistencyProof(last.epoch, next.epoch, read, sha256);
    throw new ProofdnsError("FORK", `the log signed epoch ${next.epoch}, which does not continue epoch ${last.epoch}`, {
      evidence: makeForkEvidence(formatVerifierKey(logKey), last.signedNote, next.signedNote, {
        oldRoot: theirs,
        consistency,
      }),
    });
  }
}

/** Hashes of the complete subtrees of a log of which the first `size` leaves are known by their peaks, and the later ones by their texts. */
function hashReader(size: number, peaks: readonly Hash[], leafTexts: readonly string[], sha256: Sha256): HashReader {
  const known = new Map<string, Hash>();
  for (const [i, { level, index }] of coverRange(0, size).entries()) known.set(`${level}/${index}`, peaks[i] as Hash);
  for (const [i, text] of leafTexts.entries()) known.set(`0/${size + i}`, computeEpochLeafHash(text, sha256));
  const read = (level: number, index: number): Hash => {
    const hash = known.get(`${level}/${index}`);
    if (hash !== undefined) return hash;
    if (level === 0) throw new RangeError(`leaf ${index} is not known`);
    return computeNodeHash(read(level - 1, 2 * index), read(level - 1, 2 * index + 1), sha256);
  };
  return (subtrees) => subtrees.map(({ level, index }) => read(level, index));
}
