import { equalBytes } from "../../vindex/bytes.ts";
import { formatCheckpoint, type TreeHead } from "../../vindex/checkpoint.ts";
import { ProofdnsError } from "../../vindex/error.ts";
import { makeForkEvidence } from "../../vindex/evidence.ts";
import type { Frontier } from "../../vindex/frontier.ts";
import { type EpochLeaf, formatSignedTreeHead } from "../../vindex/leaf.ts";
import { formatNote, formatVerifierKey } from "../../vindex/note.ts";
import { decodeLogProof } from "../../vindex/payload.ts";
import type { Hash } from "../../vindex/sha256.ts";
import { type ConsistencyRoots, computeConsistencyRoots } from "../../vindex/tlog.ts";
import type { Trust } from "./trust.ts";

/** A checkpoint of the log with its newest leaf, all of it signed. */
export interface SignedHead {
  readonly epoch: number;
  /** Root of the log of size `epoch`. */
  readonly rootHash: Hash;
  readonly logSignature: Uint8Array;
  readonly frontier: Frontier;
  readonly leaf: EpochLeaf;
}

/**
 * Compares two heads of a log (spec/client.md §3, step 8): one log signed both, so the larger tree must continue the smaller, and
 * with it the checksum database. Heads of one epoch need no proof.
 *
 * Returns false if nothing else is wrong, and the two sizes differ, and there is no proof that the larger continues the smaller.
 *
 * @throws ProofdnsError `FORK` and `SUMDB_FORK` with evidence, `SUMDB_ROLLBACK`, `MALFORMED_ANSWER`, `EXTENSION_NOT_PROVEN`
 */
export function compareHeads(
  trust: Trust,
  memory: SignedHead,
  head: SignedHead,
  untrustedConsistency: Uint8Array | undefined,
): boolean {
  if (head.epoch === memory.epoch) {
    if (equalBytes(head.rootHash, memory.rootHash)) return true;
    throw new ProofdnsError("FORK", `the log signed two different trees of size ${head.epoch}`, {
      evidence: makeForkEvidence(formatVerifierKey(trust.logKey), signedNote(trust, memory), signedNote(trust, head)),
    });
  }
  const [older, newer] = head.epoch < memory.epoch ? [head, memory] : [memory, head];
  checkSumdbHeads(trust, older, newer);
  if (untrustedConsistency === undefined) return false;
  verifyExtension({
    trust,
    untrustedProof: untrustedConsistency,
    older: { treeSize: older.epoch, rootHash: older.rootHash },
    newer: { treeSize: newer.epoch, rootHash: newer.rootHash },
    notes: [signedNote(trust, older), signedNote(trust, newer)],
    key: formatVerifierKey(trust.logKey),
    what: "log",
  });
  return true;
}

/**
 * The error where a proof that a head and the remembered one are of one log is not to be had (spec/client.md §3, step 10). A head that
 * was replaced too long ago is a server or a cache that went back: that is more than a proof that is missing. A head that is larger
 * than what is remembered says less than a proof that fails; but its signature is there, and both notes are kept.
 *
 * @param lag seconds that the age of a smaller head lies before the remembered one's, 0 if either is unknown
 */
export function missingConsistency(trust: Trust, lag: number, memory?: SignedHead, head?: SignedHead): ProofdnsError {
  if (lag > trust.maxLag) {
    return new ProofdnsError(
      "LAGGING",
      `the head is ${lag} s older than the remembered one, of which nothing is known there; at most ${trust.maxLag} s are allowed`,
    );
  }
  const evidence =
    memory && head && head.epoch > memory.epoch
      ? suspicion(formatVerifierKey(trust.logKey), [signedNote(trust, memory), signedNote(trust, head)])
      : undefined;
  return new ProofdnsError("CONSISTENCY_MISSING", "no proof that the head and the remembered one are of one log", {
    evidence,
  });
}

/** Two notes of one key that nothing proves to be of one tree: it accuses nobody. */
function suspicion(key: string, notes: readonly [string, string]): object {
  return { type: "proofdns-suspicion/1", key, notes };
}

/** The checkpoint of a head as a note with the log's signature. */
export function signedNote(trust: Trust, head: SignedHead): string {
  const text = formatCheckpoint({ origin: trust.origin, treeSize: head.epoch, rootHash: head.rootHash });
  const { keyName, keyId } = trust.logKey;
  return formatNote(text, [{ keyName, keyId, blob: head.logSignature }]);
}

/** Steps 8.2 and 8.3: the sumdb grows with the epochs and never forks. */
function checkSumdbHeads(trust: Trust, older: SignedHead, newer: SignedHead): void {
  const [oldHead, newHead] = [older.leaf.treeHead, newer.leaf.treeHead];
  if (oldHead.treeSize === newHead.treeSize && !equalBytes(oldHead.rootHash, newHead.rootHash))
    throw sumdbFork(trust, older, newer);
  if (oldHead.treeSize >= newHead.treeSize) {
    throw new ProofdnsError(
      "SUMDB_ROLLBACK",
      `epoch ${newer.epoch} covers ${newHead.treeSize} records, epoch ${older.epoch} had ${oldHead.treeSize}`,
    );
  }
}

function sumdbFork(trust: Trust, older: Pick<SignedHead, "leaf">, newer: Pick<SignedHead, "leaf">): ProofdnsError {
  const notes = [older, newer].map(({ leaf }) => formatSignedTreeHead(leaf, trust.sumdbKey)) as [string, string];
  return new ProofdnsError(
    "SUMDB_FORK",
    `the checksum database signed two different trees of size ${newer.leaf.treeHead.treeSize}`,
    {
      evidence: makeForkEvidence(formatVerifierKey(trust.sumdbKey), ...notes),
    },
  );
}

/**
 * Verifies that the sumdb of one head extends that of an older one (spec/client.md §6), given a `_sumdb` payload
 * from the smaller size to the larger. Equal sizes need none.
 *
 * @throws ProofdnsError `MALFORMED_ANSWER`, `SUMDB_FORK` with evidence, `SUMDB_EXTENSION_NOT_PROVEN`, or
 *   `CONSISTENCY_MISSING` without a payload
 */
export function verifySumdbExtension(
  trust: Trust,
  older: Pick<SignedHead, "leaf">,
  newer: Pick<SignedHead, "leaf">,
  untrustedProof: Uint8Array | undefined,
): void {
  const [oldHead, newHead] = [older.leaf.treeHead, newer.leaf.treeHead];
  if (oldHead.treeSize > newHead.treeSize) throw new TypeError("the older head has the larger sumdb");
  if (oldHead.treeSize === newHead.treeSize) {
    if (!equalBytes(oldHead.rootHash, newHead.rootHash)) throw sumdbFork(trust, older, newer);
    return;
  }
  // Every log continues the empty one, and there is no proof from 0.
  if (oldHead.treeSize === 0) return;
  if (untrustedProof === undefined) throw missingConsistency(trust, 0);
  verifyExtension({
    trust,
    untrustedProof,
    older: oldHead,
    newer: newHead,
    notes: [formatSignedTreeHead(older.leaf, trust.sumdbKey), formatSignedTreeHead(newer.leaf, trust.sumdbKey)],
    key: formatVerifierKey(trust.sumdbKey),
    what: "sumdb",
  });
}

/** Step 8.4. */
function verifyExtension(input: {
  trust: Trust;
  untrustedProof: Uint8Array;
  older: TreeHead;
  newer: TreeHead;
  notes: readonly [string, string];
  key: string;
  what: "log" | "sumdb";
}): void {
  const { trust, older, newer } = input;
  const hashes = decodeLogProof(input.untrustedProof).map((hash) => hash.slice());
  let roots: ConsistencyRoots;
  try {
    roots = computeConsistencyRoots(hashes, older.treeSize, newer.treeSize, older.rootHash, trust.sha256);
  } catch (cause) {
    if (!(cause instanceof ProofdnsError)) throw cause;
    throw new ProofdnsError("MALFORMED_ANSWER", `consistency proof: ${cause.message}`, { cause });
  }
  const isNew = equalBytes(roots.newRoot, newer.rootHash);
  const isOld = equalBytes(roots.oldRoot, older.rootHash);
  if (isNew && isOld) return;
  const sizes = `${older.treeSize} to ${newer.treeSize}`;
  if (isNew) {
    const evidence = makeForkEvidence(input.key, ...input.notes, { oldRoot: roots.oldRoot, consistency: hashes });
    const code = input.what === "log" ? "FORK" : "SUMDB_FORK";
    throw new ProofdnsError(
      code,
      `the ${input.what} signed two trees, ${sizes}, of which the larger does not continue the smaller`,
      { evidence },
    );
  }
  // No evidence of a fork: anyone on the way can forge a proof that fails.
  throw new ProofdnsError(
    input.what === "log" ? "EXTENSION_NOT_PROVEN" : "SUMDB_EXTENSION_NOT_PROVEN",
    `the proof that the ${input.what} grew from ${sizes} fails`,
    { evidence: suspicion(input.key, input.notes) },
  );
}
