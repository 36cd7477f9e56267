import { formatCheckpoint } from "../../vindex/checkpoint.ts";
import { cosignatureToNote } from "../../vindex/cosignature.ts";
import { formatLeaf } from "../../vindex/leaf.ts";
import { formatNote } from "../../vindex/note.ts";
import type { Hash } from "../../vindex/sha256.ts";
import type { VerifiedHead } from "./head.ts";
import type { Trust } from "./trust.ts";

/** A head in the form in which it stands alone: a leaf, its inclusion, and the signed and cosigned checkpoint. */
export interface ProofHead {
  readonly epoch: number;
  /** Text of the output log's leaf `epoch - 1` (spec/log.md §2). */
  readonly leafText: string;
  /** Inclusion proof of that leaf in the log of size `epoch`, from leaf to root. */
  readonly inclusion: readonly Hash[];
  /** The checkpoint of that size, with the log's signature and the cosignatures of the policy's witnesses. */
  readonly note: string;
}

/** Makes the form that stands alone of a verified head; undefined if the head came without its inclusion proof. */
export function makeProofHead(trust: Trust, head: VerifiedHead): ProofHead | undefined {
  const { epoch, rootHash, inclusion } = head;
  if (inclusion === undefined) return undefined;
  const { keyName, keyId } = trust.logKey;
  const cosignatures = head.cosignatures.map((cosignature) => {
    const witness = trust.policy.witnesses.find(({ verifierKey }) => verifierKey.keyId === cosignature.keyId);
    if (witness === undefined) throw new TypeError("the head was verified with another policy");
    return cosignatureToNote(cosignature, witness.verifierKey.keyName);
  });
  const text = formatCheckpoint({ origin: trust.origin, treeSize: epoch, rootHash });
  const note = formatNote(text, [{ keyName, keyId, blob: head.logSignature }, ...cosignatures]);
  return { epoch, leafText: formatLeaf(head.leaf, trust.sumdbKey), inclusion, note };
}
