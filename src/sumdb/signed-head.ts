import { decodeUtf8, equalBytes } from "../vindex/bytes.ts";
import { parseTreeHead, type TreeHead } from "../vindex/checkpoint.ts";
import { type Ed25519Verifier, ed25519Verifier } from "../vindex/ed25519.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { formatNote, type VerifiedNote, type VerifierKey, verifyNote } from "../vindex/note.ts";
import { computeEmptyRoot } from "../vindex/tlog.ts";

/** A tree head and the note that signs it, reduced to the one signature line of the checksum database's key. */
export interface SignedTreeHead {
  readonly treeHead: TreeHead;
  readonly signedTreeHead: string;
}

/**
 * Verifies a signed tree head: a note signed by `key` whose text is the three lines of a tree head.
 *
 * @throws ProofdnsError `MALFORMED_NOTE`; `BAD_SUMDB_SIGNATURE` if the key did not sign it; `MALFORMED_TREE_HEAD` if it
 *   did, and the text has other than three lines, or states a root other than H("") for size 0
 */
export function verifySignedTreeHead(
  untrustedNote: Uint8Array,
  key: VerifierKey,
  scheme: Ed25519Verifier = ed25519Verifier,
): SignedTreeHead {
  const note = decodeUtf8(untrustedNote);
  if (note === undefined) throw new ProofdnsError("MALFORMED_NOTE", "signed note: not UTF-8");
  const { text, signature } = verifySumdbNote(note, key, scheme);
  const treeHead = parseTreeHead(text);
  if (treeHead.treeSize === 0 && !equalBytes(treeHead.rootHash, computeEmptyRoot())) {
    throw new ProofdnsError("MALFORMED_TREE_HEAD", "tree head: an empty tree with a root that is not the empty root");
  }
  return { treeHead, signedTreeHead: formatNote(text, [signature]) };
}

function verifySumdbNote(note: string, key: VerifierKey, scheme: Ed25519Verifier): VerifiedNote {
  try {
    return verifyNote(note, key, scheme);
  } catch (cause) {
    if (!isProofdnsError(cause, "BAD_SIGNATURE")) throw cause;
    throw new ProofdnsError("BAD_SUMDB_SIGNATURE", cause.message, { cause });
  }
}
