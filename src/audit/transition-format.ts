import { decodeUtf8, encodeUtf8 } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { PrunedTree } from "../vindex/pruned-tree.ts";
import { sha256 as defaultSha256, HASH_LENGTH, type Hash, type Sha256 } from "../vindex/sha256.ts";
import { countBits } from "../vindex/tlog.ts";
import { decodeVarint, encodeVarint } from "../vindex/varint.ts";

/**
 * The bytes of a transition (spec/audit.md §1):
 *
 *     "proofdns-transition/1" LF ‖ uv(old size) ‖ peak[32]* ‖ uv(count) ‖ (uv(length) ‖ record)* ‖ signature[64]
 *       ‖ uv(count) ‖ (uv(length) ‖ items)* ‖ uv(count) ‖ (uv(length) ‖ state)* ‖ [ node ]
 *
 * The decoder takes exactly what the encoder makes of some parts; whether the parts belong together is for
 * `verifyTransition` to say.
 */
export interface TransitionParts {
  /** Records of the checksum database before the window. */
  readonly oldSize: number;
  readonly peaks: readonly Hash[];
  /** Record bytes of the window. */
  readonly records: readonly Uint8Array[];
  /** The sumdb key's signature over the new tree head; 64 bytes. */
  readonly sumdbSignature: Uint8Array;
  /** Uncut items of the touched families whose old value does not hold them all, by index key. */
  readonly items: readonly string[];
  /** Old state texts of the touched paths that have one, by index key. */
  readonly states: readonly string[];
  /** The old tree, pruned to the touched keys. */
  readonly tree: PrunedTree;
}

/** Bounds of a transition; a window beyond them has none. */
export const TRANSITION_LIMITS = {
  /** Bytes of the whole. What is decoded before anything is verified takes some twenty times as much memory. */
  length: 2 ** 26,
  /** Records, items, states: of each so many. */
  count: 2 ** 20,
  /** Bytes of a record, or of the items of a family. */
  textLength: 2 ** 22,
  /** Bytes of a state. */
  stateLength: 2 ** 14,
} as const;

const MAGIC = encodeUtf8("proofdns-transition/1\n");
const SIGNATURE_LENGTH = 64;

/** Encodes a transition; undefined if it is beyond the bounds. */
export function encodeTransitionParts(parts: TransitionParts): Uint8Array | undefined {
  const { count, textLength, stateLength, length } = TRANSITION_LIMITS;
  const { oldSize, peaks, records, sumdbSignature } = parts;
  const [items, states] = [parts.items.map(encodeUtf8), parts.states.map(encodeUtf8)];
  if (records.length < 1 || !Number.isSafeInteger(oldSize + records.length)) return undefined;
  for (const [list, longest] of [
    [records, textLength],
    [items, textLength],
    [states, stateLength],
  ] as const) {
    if (list.length > count || list.some((bytes) => bytes.length > longest)) return undefined;
  }
  const out = [MAGIC, encodeVarint(oldSize), ...peaks];
  const putList = (list: readonly Uint8Array[]): void => {
    out.push(encodeVarint(list.length));
    for (const bytes of list) out.push(encodeVarint(bytes.length), bytes);
  };
  putList(records);
  out.push(sumdbSignature);
  putList(items);
  putList(states);
  out.push(parts.tree.encode());
  const total = out.reduce((sum, piece) => sum + piece.length, 0);
  return total > length ? undefined : join(out, total);
}

/** A list of any length: too many to be the arguments of a call. */
function join(pieces: readonly Uint8Array[], total: number): Uint8Array {
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/**
 * Decodes a transition (spec/audit.md §2 step 1). What it returns aliases the input.
 *
 * @throws ProofdnsError `MALFORMED_TRANSITION`
 */
export function decodeTransitionParts(bytes: Uint8Array, sha256: Sha256 = defaultSha256): TransitionParts {
  const { count, textLength, stateLength, length } = TRANSITION_LIMITS;
  if (bytes.length > length) refuse(`it has ${bytes.length} bytes; at most ${length} are read`);
  let at = 0;
  const take = (size: number, what: string): Uint8Array => {
    if (size > bytes.length - at) return refuse(`${what} is cut off`);
    at += size;
    return bytes.subarray(at - size, at);
  };
  const takeVarint = (what: string): number => {
    const number = decodeVarint(bytes, at) ?? refuse(`${what} is no number in its shortest form`);
    at = number.end;
    return number.value;
  };
  const takeList = (what: string, least: number, shortest: number, longest: number): Uint8Array[] => {
    const size = takeVarint(`the number of ${what}`);
    if (size < least || size > count) return refuse(`${size} ${what}; there are ${least} to ${count}`);
    const list: Uint8Array[] = [];
    for (let i = 0; i < size; i++) {
      const own = takeVarint(`the length of one of the ${what}`);
      if (own < shortest || own > longest) return refuse(`one of the ${what} has ${own} bytes`);
      list.push(take(own, `one of the ${what}`));
    }
    return list;
  };
  const texts = (list: readonly Uint8Array[]): string[] =>
    list.map((text) => decodeUtf8(text) ?? refuse("a text is not UTF-8"));

  const magic = take(MAGIC.length, "its first line");
  if (magic.some((byte, i) => byte !== MAGIC[i])) refuse("its first line is not proofdns-transition/1");
  const oldSize = takeVarint("the old size");
  const peaks = Array.from({ length: countBits(oldSize) }, () => take(HASH_LENGTH, "a peak"));
  const records = takeList("records", 1, 0, textLength);
  if (!Number.isSafeInteger(oldSize + records.length)) refuse("its new size is out of range");
  const sumdbSignature = take(SIGNATURE_LENGTH, "the signature");
  const items = texts(takeList("items", 0, 1, textLength));
  const states = texts(takeList("states", 0, 1, stateLength));
  const tree = PrunedTree.decode(bytes, at, sha256);
  return { oldSize, peaks, records, sumdbSignature, items, states, tree };
}

/**
 * What of a transition says which window it is of; everything behind it is not looked at.
 *
 * @throws ProofdnsError `MALFORMED_TRANSITION`
 */
export function readTransitionWindow(bytes: Uint8Array): {
  oldSize: number;
  count: number;
  sumdbSignature: Uint8Array;
} {
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) refuse("its first line is not proofdns-transition/1");
  let at = MAGIC.length;
  const takeVarint = (): number => {
    const number = decodeVarint(bytes, at) ?? refuse("a number is not in its shortest form");
    at = number.end;
    return number.value;
  };
  const oldSize = takeVarint();
  at += HASH_LENGTH * countBits(oldSize);
  const count = takeVarint();
  for (let i = 0; i < count && at < bytes.length; i++) {
    const length = takeVarint();
    at += length;
  }
  if (bytes.length - at < SIGNATURE_LENGTH) refuse("the signature is cut off");
  return { oldSize, count, sumdbSignature: bytes.subarray(at, at + SIGNATURE_LENGTH) };
}

function refuse(why: string): never {
  throw new ProofdnsError("MALFORMED_TRANSITION", `transition: ${why}`);
}
