import { equalBytes } from "../vindex/bytes.ts";
import type { TreeHead } from "../vindex/checkpoint.ts";
import { isProofdnsError } from "../vindex/error.ts";
import { type EpochLeaf, formatSignedTreeHead } from "../vindex/leaf.ts";
import { formatVerifierKey } from "../vindex/note.ts";
import { decodeLogProof } from "../vindex/payload.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import { computeConsistencyRoots } from "../vindex/tlog.ts";
import type { Trust } from "./verify/index.ts";

/** That one tree of the checksum database continues another, with its proof. */
export interface SumdbExtension {
  readonly older: TreeHead;
  readonly newer: TreeHead;
  /** The `_sumdb` payload. */
  readonly payload: Uint8Array;
}

/** True if the proof holds. Nothing signed is needed for that: whatever the roots are, the second tree begins as the first. */
export function isTrueExtension({ older, newer, payload }: SumdbExtension, sha256: Sha256): boolean {
  try {
    const hashes = decodeLogProof(payload).map((hash) => hash.slice());
    const roots = computeConsistencyRoots(hashes, older.treeSize, newer.treeSize, older.rootHash, sha256);
    return equalBytes(roots.oldRoot, older.rootHash) && equalBytes(roots.newRoot, newer.rootHash);
  } catch (error) {
    if (isProofdnsError(error)) return false;
    throw error;
  }
}

/** Two tree heads that nothing shows to be of one tree, as they are kept: it accuses nobody. */
export function suspicionOfTrees(trust: Trust, older: EpochLeaf, newer: EpochLeaf): object {
  const notes = [older, newer].map((leaf) => formatSignedTreeHead(leaf, trust.sumdbKey));
  return { type: "proofdns-suspicion/1", key: formatVerifierKey(trust.sumdbKey), notes };
}
