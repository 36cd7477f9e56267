import { formatBase64, parseBase64 } from "../vindex/base64.ts";
import { equalBytes } from "../vindex/bytes.ts";
import { type Checkpoint, parseCheckpoint } from "../vindex/checkpoint.ts";
import { ed25519Verifier as defaultEd25519, type Ed25519Verifier } from "../vindex/ed25519.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { EVIDENCE_TYPE } from "../vindex/evidence.ts";
import { computeEpochLeafHash, type EpochLeaf, formatSignedTreeHead, parseLeaf } from "../vindex/leaf.ts";
import {
  formatVerifierKey,
  KEY_TYPE_ED25519,
  parseNote,
  parseVerifierKey,
  type VerifierKey,
  verifyNote,
} from "../vindex/note.ts";
import { sha256 as defaultSha256, HASH_LENGTH, type Hash, type Sha256 } from "../vindex/sha256.ts";
import { verifyLogInclusionProof } from "../vindex/tlog.ts";
import { type VerifiedTransition, verifyTransition } from "./transition.ts";

/** What is wrong with an epoch: its leaf is none, its sumdb size does not grow, or its map root is not what the records give. */
export type EpochFault = "leaf" | "size" | "root";

/**
 * Proof that an epoch of a log is wrong (spec/audit.md §4): its leaf and the one before it, both under a signed
 * checkpoint, and for a wrong map root the transition between them. Anyone can re-check it offline. JSON-safe.
 */
export interface EpochEvidence {
  readonly type: typeof EVIDENCE_TYPE;
  readonly kind: "epoch";
  /** Vkeys of the log and of the sumdb. */
  readonly log: string;
  readonly sumdb: string;
  readonly epoch: number;
  readonly checkpoint: string;
  readonly leaf: string;
  readonly proof: readonly string[];
  /** Only for epochs after the first. */
  readonly oldLeaf?: string;
  readonly oldProof?: readonly string[];
  readonly transition?: string;
}

/** A leaf and its inclusion proof. */
export interface ProvenLeaf {
  readonly leafText: string;
  readonly proof: readonly Hash[];
}

/** Makes evidence of its parts. It is not checked: call `verifyEpochEvidence` on it. */
export function makeEpochEvidence(parts: {
  readonly logKey: VerifierKey;
  readonly sumdbKey: VerifierKey;
  readonly epoch: number;
  readonly checkpoint: string;
  readonly leaf: ProvenLeaf;
  readonly oldLeaf: ProvenLeaf | undefined;
  readonly transition: Uint8Array | undefined;
}): EpochEvidence {
  const { leaf, oldLeaf, transition } = parts;
  return {
    type: EVIDENCE_TYPE,
    kind: "epoch",
    log: formatVerifierKey(parts.logKey),
    sumdb: formatVerifierKey(parts.sumdbKey),
    epoch: parts.epoch,
    checkpoint: parts.checkpoint,
    leaf: leaf.leafText,
    proof: leaf.proof.map(formatBase64),
    ...(oldLeaf === undefined ? {} : { oldLeaf: oldLeaf.leafText, oldProof: oldLeaf.proof.map(formatBase64) }),
    ...(transition === undefined ? {} : { transition: formatBase64(transition) }),
  };
}

/** What `verifyEpochEvidence` proved. */
export interface VerifiedEpochFault {
  readonly logKeyName: string;
  /** Vkey of the log. */
  readonly log: string;
  readonly epoch: number;
  readonly fault: EpochFault;
  /** For a wrong root: the leaf that the log should have. */
  readonly rightLeafText?: string;
}

/**
 * Re-checks evidence of a wrong epoch with nothing but the evidence itself, the vkey of the checksum database and, if given,
 * that of the log. The former decides: under another key every honest leaf is none.
 *
 * @throws ProofdnsError `MALFORMED_EVIDENCE` if it is no such evidence, `BAD_SIGNATURE` if it names another key or the checkpoint is
 *   not signed by the log's, `BAD_PROOF` if what it holds does not show a wrong epoch
 */
export function verifyEpochEvidence(
  untrusted: unknown,
  options: { expectedSumdbKey: string; expectedKey?: string; sha256?: Sha256; ed25519?: Ed25519Verifier },
): VerifiedEpochFault {
  const { expectedSumdbKey, expectedKey, sha256 = defaultSha256, ed25519 = defaultEd25519 } = options;
  const { evidence, logKey, sumdbKey, checkpoint, leaf, oldLeaf, transition } = parseEpochEvidence(untrusted);
  const { epoch } = evidence;
  if (expectedKey !== undefined && formatVerifierKey(logKey) !== expectedKey) {
    throw new ProofdnsError(
      "BAD_SIGNATURE",
      `the evidence is about ${evidence.log}, another key than the expected one`,
    );
  }
  if (formatVerifierKey(sumdbKey) !== expectedSumdbKey) {
    throw new ProofdnsError(
      "BAD_SIGNATURE",
      `the evidence is about the checksum database ${evidence.sumdb}, another key than the expected one`,
    );
  }
  verifyNote(evidence.checkpoint, logKey, ed25519);
  verifyInclusion(leaf, epoch - 1, checkpoint, sha256);
  if (oldLeaf !== undefined) verifyInclusion(oldLeaf, epoch - 2, checkpoint, sha256);

  const found = { logKeyName: logKey.keyName, log: evidence.log, epoch };
  const known = readSignedLeaf(leaf.leafText, sumdbKey, ed25519);
  if (known === undefined) return { ...found, fault: "leaf" };
  const old = oldLeaf === undefined ? undefined : readSignedLeaf(oldLeaf.leafText, sumdbKey, ed25519);
  if (old !== undefined && old.treeHead.treeSize >= known.treeHead.treeSize) return { ...found, fault: "size" };
  if (transition === undefined) throw new ProofdnsError("BAD_PROOF", "no fault: there is no transition to check with");
  let right: VerifiedTransition;
  try {
    const leafText = oldLeaf?.leafText;
    right = verifyTransition({ epoch, leafText, untrustedTransition: transition, sumdbKey, sha256, ed25519 });
  } catch (cause) {
    if (!(cause instanceof ProofdnsError)) throw cause;
    throw new ProofdnsError("BAD_PROOF", `no fault: ${cause.message}`, { cause });
  }
  const { treeHead, mapRoot } = right.leaf;
  const isSameHead =
    treeHead.treeSize === known.treeHead.treeSize && equalBytes(treeHead.rootHash, known.treeHead.rootHash);
  if (!isSameHead) throw new ProofdnsError("BAD_PROOF", "no fault: the transition leads to another tree head");
  if (equalBytes(mapRoot, known.mapRoot)) throw new ProofdnsError("BAD_PROOF", `no fault: epoch ${epoch} is right`);
  return { ...found, fault: "root", rightLeafText: right.leafText };
}

function verifyInclusion({ leafText, proof }: ProvenLeaf, index: number, checkpoint: Checkpoint, sha256: Sha256): void {
  const leafHash = computeEpochLeafHash(leafText, sha256);
  try {
    verifyLogInclusionProof(proof, leafHash, index, checkpoint.treeSize, checkpoint.rootHash, sha256);
  } catch (cause) {
    if (!(cause instanceof ProofdnsError)) throw cause;
    throw new ProofdnsError("BAD_PROOF", `no fault: leaf ${index}: ${cause.message}`, { cause });
  }
}

/** The leaf, if it is one of the sumdb with its signature. */
export function readSignedLeaf(
  leafText: string,
  sumdbKey: VerifierKey,
  ed25519: Ed25519Verifier,
): EpochLeaf | undefined {
  try {
    const leaf = parseLeaf(leafText, sumdbKey);
    verifyNote(formatSignedTreeHead(leaf, sumdbKey), sumdbKey, ed25519);
    return leaf;
  } catch (error) {
    if (!(error instanceof ProofdnsError)) throw error;
    return undefined;
  }
}

function malformed(why: string, cause?: unknown): never {
  throw new ProofdnsError("MALFORMED_EVIDENCE", `evidence: ${why}`, { cause });
}

interface ParsedEvidence {
  readonly evidence: EpochEvidence;
  readonly logKey: VerifierKey;
  readonly sumdbKey: VerifierKey;
  readonly checkpoint: Checkpoint;
  readonly leaf: ProvenLeaf;
  readonly oldLeaf: ProvenLeaf | undefined;
  readonly transition: Uint8Array | undefined;
}

const FIELDS = [
  "type",
  "kind",
  "log",
  "sumdb",
  "epoch",
  "checkpoint",
  "leaf",
  "proof",
  "oldLeaf",
  "oldProof",
  "transition",
];
/** More hashes than any inclusion proof has. */
const MAX_PROOF = 64;

/** Step 1. */
function parseEpochEvidence(untrusted: unknown): ParsedEvidence {
  if (typeof untrusted !== "object" || untrusted === null || Array.isArray(untrusted))
    return malformed("not an object");
  const fields = new Map<string, unknown>(Object.entries(untrusted));
  for (const field of fields.keys()) if (!FIELDS.includes(field)) malformed(`${field} is no field of it`);
  const text = (name: string): string => {
    const value = fields.get(name);
    return typeof value === "string" ? value : malformed(`no ${name}`);
  };
  if (text("type") !== EVIDENCE_TYPE || text("kind") !== "epoch") malformed("not evidence of a wrong epoch");
  const [logKey, sumdbKey] = [readKey(text("log")), readKey(text("sumdb"))];
  const epoch = fields.get("epoch");
  if (typeof epoch !== "number" || !Number.isSafeInteger(epoch) || epoch < 1) return malformed("no epoch");
  const checkpoint = readCheckpoint(text("checkpoint"));
  if (checkpoint.origin !== logKey.keyName) malformed("its checkpoint is of another log");
  if (checkpoint.treeSize < epoch) malformed("its checkpoint does not reach to the epoch");
  const leaf = { leafText: text("leaf"), proof: readProof(fields.get("proof")) };
  const hasOld = fields.has("oldLeaf") || fields.has("oldProof");
  if (hasOld === (epoch === 1)) malformed("every epoch but the first has an old leaf");
  const oldLeaf = hasOld ? { leafText: text("oldLeaf"), proof: readProof(fields.get("oldProof")) } : undefined;
  const transition = fields.has("transition")
    ? (parseBase64(text("transition")) ?? malformed("its transition is not base64"))
    : undefined;
  const evidence = Object.fromEntries(fields) as unknown as EpochEvidence;
  return { evidence, logKey, sumdbKey, checkpoint, leaf, oldLeaf, transition };
}

function readKey(text: string): VerifierKey {
  let key: VerifierKey;
  try {
    key = parseVerifierKey(text);
  } catch (cause) {
    if (!(cause instanceof ProofdnsError)) throw cause;
    return malformed(cause.message, cause);
  }
  return key.type === KEY_TYPE_ED25519 ? key : malformed("a key is not of type 0x01");
}

function readCheckpoint(note: string): Checkpoint {
  try {
    return parseCheckpoint(parseNote(note).text);
  } catch (cause) {
    if (!(cause instanceof ProofdnsError)) throw cause;
    return malformed(cause.message, cause);
  }
}

function readProof(value: unknown): Hash[] {
  if (!Array.isArray(value) || value.length > MAX_PROOF) return malformed("a proof is no list of hashes");
  return value.map((text: unknown) => {
    const hash = typeof text === "string" ? parseBase64(text) : undefined;
    return hash?.length === HASH_LENGTH ? hash : malformed("a hash is not base64 of 32 bytes");
  });
}
