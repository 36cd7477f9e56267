import { formatBase64, parseBase64 } from "./base64.ts";
import { equalBytes } from "./bytes.ts";
import { type Checkpoint, parseCheckpoint } from "./checkpoint.ts";
import { type Ed25519Verifier, ed25519Verifier } from "./ed25519.ts";
import { ProofdnsError } from "./error.ts";
import { formatVerifierKey, KEY_TYPE_ED25519, parseNote, parseVerifierKey, verifyNote } from "./note.ts";
import { HASH_LENGTH, type Hash } from "./sha256.ts";
import { type ConsistencyRoots, computeConsistencyRoots } from "./tlog.ts";

/** First field of every evidence file. */
export const EVIDENCE_TYPE = "proofdns-evidence/1";

/**
 * Proof that the holder of one key signed two trees of which neither continues the other (spec/client.md §7):
 * two signed notes and, unless their sizes are equal, a consistency proof that gives the newer signed root
 * from another old root than the signed one. Anyone who knows the key can re-check it. JSON-safe.
 */
export interface ForkEvidence {
  readonly type: typeof EVIDENCE_TYPE;
  readonly kind: "fork";
  /** The vkey whose holder forked. */
  readonly key: string;
  /** The two signed notes, smaller tree first. */
  readonly notes: readonly [string, string];
  /** The root that the newer tree has at the older size, base64; only for different sizes. */
  readonly oldRoot?: string;
  /** Consistency proof from `oldRoot`, base64; only for different sizes. */
  readonly consistency?: readonly string[];
}

/**
 * Makes evidence of two notes. For different sizes `proof` must carry the proof and the root that it starts from.
 * The result is not checked: call `verifyForkEvidence` on it.
 */
export function makeForkEvidence(
  key: string,
  olderNote: string,
  newerNote: string,
  proof?: { oldRoot: Hash; consistency: readonly Hash[] },
): ForkEvidence {
  const base = { type: EVIDENCE_TYPE, kind: "fork", key, notes: [olderNote, newerNote] } as const;
  if (proof === undefined) return base;
  return { ...base, oldRoot: formatBase64(proof.oldRoot), consistency: proof.consistency.map(formatBase64) };
}

/** What `verifyForkEvidence` proved: the two signed trees. */
export interface VerifiedFork {
  readonly keyName: string;
  readonly older: Checkpoint;
  readonly newer: Checkpoint;
}

/**
 * Re-checks evidence of a fork with nothing but the evidence itself and, if given, the vkey that is expected in it.
 *
 * @throws ProofdnsError `MALFORMED_EVIDENCE` if it is no such evidence, `BAD_SIGNATURE` if a note is not signed by the
 *   key, `BAD_PROOF` if what it holds does not show a fork
 */
export function verifyForkEvidence(
  untrusted: unknown,
  expectedKey?: string,
  scheme: Ed25519Verifier = ed25519Verifier,
): VerifiedFork {
  const evidence = parseForkEvidence(untrusted);
  const key = wellFormed(() => parseVerifierKey(evidence.key));
  if (key.type !== KEY_TYPE_ED25519) throw malformed("its key is not of type 0x01");
  const [older, newer] = evidence.notes.map((note) => wellFormed(() => parseCheckpoint(parseNote(note).text)));
  if (older === undefined || newer === undefined) throw new TypeError("two notes");
  if (older.treeSize > newer.treeSize) throw malformed("the larger tree stands first");
  const isSameSize = older.treeSize === newer.treeSize;
  const hasProof = evidence.oldRoot !== undefined && evidence.consistency !== undefined;
  const hasPart = evidence.oldRoot !== undefined || evidence.consistency !== undefined;
  if (isSameSize ? hasPart : !hasProof) throw malformed("a consistency proof belongs to two different sizes");
  const oldRoot = parseHash(evidence.oldRoot ?? formatBase64(older.rootHash));
  const consistency = (evidence.consistency ?? []).map(parseHash);
  if (expectedKey !== undefined && formatVerifierKey(key) !== expectedKey) {
    throw new ProofdnsError("BAD_SIGNATURE", `the evidence is about ${key.keyName}, another key than the expected one`);
  }
  for (const note of evidence.notes) verifyNote(note, key, scheme);
  const refuse = (why: string): never => {
    throw new ProofdnsError("BAD_PROOF", `no fork: ${why}`);
  };
  if (older.origin !== newer.origin) return refuse("the two notes are of different logs");
  if (isSameSize) {
    return equalBytes(older.rootHash, newer.rootHash)
      ? refuse("both notes sign the same tree")
      : { keyName: key.keyName, older, newer };
  }
  let roots: ConsistencyRoots;
  try {
    roots = computeConsistencyRoots(consistency, older.treeSize, newer.treeSize, oldRoot);
  } catch (error) {
    if (!(error instanceof ProofdnsError)) throw error;
    return refuse(error.message);
  }
  if (!equalBytes(roots.oldRoot, oldRoot) || !equalBytes(roots.newRoot, newer.rootHash)) {
    return refuse("the consistency proof does not lead to the newer signed root");
  }
  if (equalBytes(oldRoot, older.rootHash)) return refuse("the newer tree continues the older one");
  return { keyName: key.keyName, older, newer };
}

function malformed(why: string, cause?: unknown): ProofdnsError {
  return new ProofdnsError("MALFORMED_EVIDENCE", `evidence: ${why}`, { cause });
}

/** Runs a parser of a part; what it refuses is malformed evidence. */
function wellFormed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ProofdnsError) throw malformed(error.message, error);
    throw error;
  }
}

function parseHash(text: string): Hash {
  const hash = parseBase64(text);
  if (hash?.length !== HASH_LENGTH) throw malformed("a hash is not base64 of 32 bytes");
  return hash;
}

function parseForkEvidence(untrusted: unknown): ForkEvidence {
  const refuse = (why: string): never => {
    throw malformed(why);
  };
  if (typeof untrusted !== "object" || untrusted === null) return refuse("not an object");
  const o = new Map<string, unknown>(Object.entries(untrusted));
  const isText = (x: unknown): x is string => typeof x === "string";
  const fields = ["type", "kind", "key", "notes", "oldRoot", "consistency"];
  if ([...o.keys()].some((field) => !fields.includes(field))) return refuse("a field that is none of its own");
  if (o.get("type") !== EVIDENCE_TYPE || o.get("kind") !== "fork") return refuse("not evidence of a fork");
  const key = o.get("key");
  const notes = o.get("notes");
  const oldRoot = o.get("oldRoot");
  const consistency = o.get("consistency");
  if (!isText(key)) return refuse("no key");
  if (!Array.isArray(notes) || notes.length !== 2 || !notes.every(isText)) return refuse("not two notes");
  if (oldRoot !== undefined && !isText(oldRoot)) return refuse("its old root is not text");
  if (
    consistency !== undefined &&
    !(Array.isArray(consistency) && consistency.length <= 128 && consistency.every(isText))
  ) {
    return refuse("its consistency proof is not a list of hashes");
  }
  return {
    type: EVIDENCE_TYPE,
    kind: "fork",
    key,
    notes: notes as unknown as readonly [string, string],
    ...(oldRoot === undefined ? {} : { oldRoot }),
    ...(consistency === undefined ? {} : { consistency: consistency as string[] }),
  };
}
