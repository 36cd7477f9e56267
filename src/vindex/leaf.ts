import { encodeUtf8, formatHex, parseHex } from "./bytes.ts";
import { formatTreeHead, parseTreeHead, type TreeHead } from "./checkpoint.ts";
import { ProofdnsError } from "./error.ts";
import { formatNote, KEY_TYPE_ED25519, parseNote, type VerifierKey } from "./note.ts";
import { sha256 as defaultSha256, HASH_LENGTH, type Hash, type Sha256 } from "./sha256.ts";
import { computeLeafHash } from "./tlog.ts";

/** One leaf of the output log (spec/log.md §2): a map root and the signed tree head that the map is made from. */
export interface EpochLeaf {
  readonly mapRoot: Hash;
  readonly treeHead: TreeHead;
  /** The sumdb key's Ed25519 signature over the tree head; 64 bytes. */
  readonly sumdbSignature: Uint8Array;
}

/** Formats `hex(map root) LF`, then the tree head as a note with its one signature line. */
export function formatLeaf(leaf: EpochLeaf, sumdbKey: VerifierKey): string {
  return `${formatHex(leaf.mapRoot)}\n${formatSignedTreeHead(leaf, sumdbKey)}`;
}

/** Formats the signed tree head of a leaf. */
export function formatSignedTreeHead(
  leaf: Pick<EpochLeaf, "treeHead" | "sumdbSignature">,
  sumdbKey: VerifierKey,
): string {
  const { keyName, keyId } = sumdbKey;
  return formatNote(formatTreeHead(leaf.treeHead), [{ keyName, keyId, blob: leaf.sumdbSignature }]);
}

/**
 * Parses a leaf whose signature line names `sumdbKey`; the signature itself is not verified.
 *
 * @throws ProofdnsError `MALFORMED_LEAF` if it is not what `formatLeaf` makes of some leaf
 */
export function parseLeaf(text: string, sumdbKey: VerifierKey): EpochLeaf {
  const refuse = (why: string, cause?: unknown): never => {
    throw new ProofdnsError("MALFORMED_LEAF", `leaf: ${why}`, { cause });
  };
  const mapRoot = parseHex(text.slice(0, 2 * HASH_LENGTH));
  if (mapRoot?.length !== HASH_LENGTH) return refuse("its first line is not the hex of a map root");
  let leaf: EpochLeaf;
  try {
    leaf = { mapRoot, ...parseSignedTreeHead(text.slice(2 * HASH_LENGTH + 1), sumdbKey) };
  } catch (cause) {
    return refuse("no signed tree head", cause);
  }
  return formatLeaf(leaf, sumdbKey) === text ? leaf : refuse("it is not canonical");
}

/** Reads the tree head and the signature of `sumdbKey` from a signed tree head; not verified. */
export function parseSignedTreeHead(note: string, sumdbKey: VerifierKey): Omit<EpochLeaf, "mapRoot"> {
  if (sumdbKey.type !== KEY_TYPE_ED25519) throw new TypeError("a sumdb key has type 0x01");
  const { text, signatures } = parseNote(note);
  const own = signatures.find(({ keyName, keyId }) => keyName === sumdbKey.keyName && keyId === sumdbKey.keyId);
  if (own === undefined || own.blob.length !== 64) {
    throw new ProofdnsError("MALFORMED_TREE_HEAD", `tree head: no signature line of ${sumdbKey.keyName}`);
  }
  return { treeHead: parseTreeHead(text), sumdbSignature: own.blob };
}

/** Hash of a leaf in the output log: H(00 ‖ text). */
export function computeEpochLeafHash(leafText: string, sha256: Sha256 = defaultSha256): Hash {
  return computeLeafHash(encodeUtf8(leafText), sha256);
}
