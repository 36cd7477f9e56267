import { equalBytes } from "../vindex/bytes.ts";
import { type Ed25519Verifier, ed25519Verifier } from "../vindex/ed25519.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { makeForkEvidence, verifyForkEvidence } from "../vindex/evidence.ts";
import { formatVerifierKey, type VerifierKey } from "../vindex/note.ts";
import type { Hash } from "../vindex/sha256.ts";
import type { SignedTreeHead } from "./signed-head.ts";

/** What shows that `newer` had another root at the size of `older`: that root, and the proof that leads from it. */
export interface ForkProof {
  readonly oldRoot: Hash;
  readonly consistency: readonly Hash[];
}

/** What is needed of the larger tree to compare a smaller one with it: its own authenticated hashes. */
export interface LargerTree {
  computeRootAt(oldSize: number): Promise<Hash>;
  computeConsistencyProof(oldSize: number): Promise<Hash[]>;
}

/**
 * Verifies that the tree `older` is a prefix of the tree `newer`, both with verified signatures, sizes ascending or equal.
 * `tree` gives hashes of the newer one and is asked only if the sizes differ.
 *
 * @throws ProofdnsError `SUMDB_FORK` if it is not, with evidence; whatever `tree` throws if its hashes are not to be had
 */
export async function verifyPrefix(
  older: SignedTreeHead,
  newer: SignedTreeHead,
  tree: LargerTree,
  key: VerifierKey,
  scheme: Ed25519Verifier = ed25519Verifier,
): Promise<void> {
  const { treeSize, rootHash } = older.treeHead;
  if (treeSize > newer.treeHead.treeSize) throw new RangeError("the larger tree is given as the older one");
  if (treeSize === newer.treeHead.treeSize) {
    if (equalBytes(rootHash, newer.treeHead.rootHash)) return;
    throw makeForkError(older, newer, undefined, key, scheme);
  }
  // The empty tree is a prefix of every tree.
  if (treeSize === 0) return;
  const oldRoot = await tree.computeRootAt(treeSize);
  if (equalBytes(oldRoot, rootHash)) return;
  const consistency = await tree.computeConsistencyProof(treeSize);
  throw makeForkError(older, newer, { oldRoot, consistency }, key, scheme);
}

/** Makes the error of a fork. Its evidence is re-checked here, so nobody is ever accused with less than a proof. */
function makeForkError(
  older: SignedTreeHead,
  newer: SignedTreeHead,
  proof: ForkProof | undefined,
  key: VerifierKey,
  scheme: Ed25519Verifier,
): ProofdnsError {
  const vkey = formatVerifierKey(key);
  const evidence = makeForkEvidence(vkey, older.signedTreeHead, newer.signedTreeHead, proof);
  try {
    verifyForkEvidence(evidence, vkey, scheme);
  } catch (cause) {
    throw new TypeError("the hashes given do not belong to the larger signed tree", { cause });
  }
  return new ProofdnsError(
    "SUMDB_FORK",
    `${key.keyName} signed a tree of size ${newer.treeHead.treeSize} that does not continue the one of size ` +
      `${older.treeHead.treeSize} that it signed too; keep the evidence and publish it`,
    { evidence },
  );
}
