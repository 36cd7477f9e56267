import { concatBytes, encodeUtf8 } from "./bytes.ts";
import type { TreeHead } from "./checkpoint.ts";
import type { Cosignature } from "./cosignature.ts";
import { ProofdnsError } from "./error.ts";
import { decodePathProof, encodePathProof, type PathProof } from "./path-proof.ts";
import { HASH_LENGTH, type Hash } from "./sha256.ts";
import { MAX_VALUE_LENGTH } from "./value-text.ts";
import { decodeVarint, encodeVarint } from "./varint.ts";
import { MAX_VERSION_LENGTH } from "./version.ts";

/**
 * Payloads: the concatenated character-strings of a TXT answer (spec/dns.md §2),
 *
 *     text ‖ (tag[1] ‖ content)*
 *
 * with the text of bytes 0x20–0x7E and tags below 0x20 that ascend. Decoders accept exactly what encoders make;
 * they throw ProofdnsError `MALFORMED_ANSWER`, and what they return aliases the input.
 */
const TAG = {
  head: 0x01,
  cosignatures: 0x02,
  frontier: 0x03,
  extension: 0x04,
  inclusion: 0x05,
  nonInclusion: 0x06,
  emptyMap: 0x07,
  state: 0x08,
  majors: 0x09,
  page: 0x0b,
  logProof: 0x0c,
} as const;

/** Longest payload in bytes: with its message it fits TCP. */
export const MAX_PAYLOAD_LENGTH = 64_500;
/** Records of a full page of a sub-log. */
export const PAGE_LENGTH = 256;

/** A head as sent: the checkpoint's root is computed from it, not sent. */
export interface HeadPayload {
  readonly epoch: number;
  readonly logSignature: Uint8Array;
  readonly mapRoot: Hash;
  readonly treeHead: TreeHead;
  readonly sumdbSignature: Uint8Array;
  readonly cosignatures: readonly Cosignature[];
  /** `plain`: the peaks of the log before this epoch; `since`: the subtrees from the client's size to there. */
  readonly form: "plain" | "since";
  readonly hashes: readonly Hash[];
}

/** The proof of a module answer. */
export type AnswerProof =
  | { readonly kind: "inclusion"; readonly path: PathProof }
  | {
      readonly kind: "nonInclusion";
      readonly path: PathProof;
      readonly other: { indexKey: Uint8Array; value: Uint8Array };
    }
  | { readonly kind: "emptyMap" };

/** A module answer as sent. */
export interface AnswerPayload {
  /** The value; empty iff the proof is no inclusion proof. */
  readonly text: string;
  readonly epoch: number;
  readonly proof: AnswerProof;
  readonly stateText?: string;
  readonly majorItems?: string;
}

/** One record of a module, on a page of its sub-log. */
export interface VersionEntry {
  readonly logIndex: number;
  readonly version: string;
  readonly zipHash: Hash;
  readonly goModHash: Hash;
}

/** Sorts cosignatures by time, then key id: the order on the wire. */
export function sortCosignatures(cosignatures: readonly Cosignature[]): Cosignature[] {
  return [...cosignatures].sort((a, b) => a.time - b.time || a.keyId - b.keyId);
}

/** Encodes a head; the cosignatures in any order. */
export function encodeHead(head: HeadPayload): Uint8Array {
  const parts = [
    Uint8Array.of(TAG.head),
    encodeVarint(head.epoch),
    head.logSignature,
    head.mapRoot,
    encodeVarint(head.treeHead.treeSize),
    head.treeHead.rootHash,
    head.sumdbSignature,
  ];
  const cosignatures = sortCosignatures(head.cosignatures);
  if (cosignatures.length > 0) {
    parts.push(Uint8Array.of(TAG.cosignatures), encodeVarint(cosignatures.length));
    let before = 0;
    for (const { keyId, time, signature } of cosignatures) {
      const id = new Uint8Array(4);
      new DataView(id.buffer).setUint32(0, keyId);
      parts.push(id, encodeVarint(time - before), signature);
      before = time;
    }
  }
  parts.push(Uint8Array.of(head.form === "plain" ? TAG.frontier : TAG.extension), ...head.hashes);
  return concatBytes(...parts);
}

/** Decodes a head of the given form. The number of hashes is not checked here: it depends on the epochs. */
export function decodeHead(payload: Uint8Array, form: HeadPayload["form"]): HeadPayload {
  const reader = new PayloadReader(payload);
  reader.expectNoText();
  reader.expectTag(TAG.head);
  const epoch = reader.takeEpoch();
  const logSignature = reader.take(64);
  const mapRoot = reader.take(HASH_LENGTH);
  const treeSize = reader.takeVarint();
  const rootHash = reader.take(HASH_LENGTH);
  const sumdbSignature = reader.take(64);
  const cosignatures: Cosignature[] = [];
  if (reader.takeTag(TAG.cosignatures)) {
    const count = reader.takeVarint();
    if (count === 0) reader.refuse("no cosignatures in their section");
    let time = 0;
    const seen = new Set<number>();
    for (let i = 0; i < count; i++) {
      const id = reader.take(4);
      const keyId = new DataView(id.buffer, id.byteOffset).getUint32(0);
      const delta = reader.takeVarint();
      time += delta;
      if (time < 1 || !Number.isSafeInteger(time)) reader.refuse("a cosignature's time is out of range");
      if (delta === 0 && keyId <= (cosignatures.at(-1)?.keyId ?? -1))
        reader.refuse("the cosignatures are out of order");
      if (seen.has(keyId)) reader.refuse("two cosignatures of one key id");
      seen.add(keyId);
      cosignatures.push({ keyId, time, signature: reader.take(64) });
    }
  }
  reader.expectTag(form === "plain" ? TAG.frontier : TAG.extension);
  const hashes = reader.takeHashes();
  return { epoch, logSignature, mapRoot, treeHead: { treeSize, rootHash }, sumdbSignature, cosignatures, form, hashes };
}

/** Encodes a module answer. */
export function encodeAnswer(answer: AnswerPayload): Uint8Array {
  const { proof } = answer;
  const epoch = encodeVarint(answer.epoch);
  const parts = [encodeUtf8(answer.text)];
  if (proof.kind === "inclusion") parts.push(Uint8Array.of(TAG.inclusion), epoch, encodePathProof(proof.path));
  else if (proof.kind === "emptyMap") parts.push(Uint8Array.of(TAG.emptyMap), epoch);
  else {
    const { indexKey, value } = proof.other;
    parts.push(Uint8Array.of(TAG.nonInclusion), epoch, encodePathProof(proof.path), indexKey);
    parts.push(encodeVarint(value.length), value);
  }
  if (answer.stateText !== undefined) parts.push(...encodeText(TAG.state, answer.stateText));
  if (answer.majorItems !== undefined) parts.push(...encodeText(TAG.majors, answer.majorItems));
  return concatBytes(...parts);
}

function encodeText(tag: number, text: string): Uint8Array[] {
  const bytes = encodeUtf8(text);
  return [Uint8Array.of(tag), encodeVarint(bytes.length), bytes];
}

/** Decodes a module answer, present or absent, with whatever of the state and majors sections is there. */
export function decodeAnswer(payload: Uint8Array): AnswerPayload {
  const reader = new PayloadReader(payload);
  const text = reader.takeText();
  if (text.length > MAX_VALUE_LENGTH) reader.refuse("a value over 255 bytes");
  const answer = decodeProof(reader, text);
  const stateText = reader.takeTag(TAG.state) ? reader.takeSectionText() : undefined;
  const majorItems = reader.takeTag(TAG.majors) ? reader.takeSectionText() : undefined;
  reader.expectEnd();
  if (text === "" && (stateText !== undefined || majorItems !== undefined))
    reader.refuse("an absent subject with a state or majors");
  return {
    ...answer,
    ...(stateText === undefined ? {} : { stateText }),
    ...(majorItems === undefined ? {} : { majorItems }),
  };
}

function decodeProof(reader: PayloadReader, text: string): AnswerPayload {
  if (text !== "") {
    reader.expectTag(TAG.inclusion);
    return { text, epoch: reader.takeEpoch(), proof: { kind: "inclusion", path: reader.takePath() } };
  }
  if (reader.takeTag(TAG.emptyMap)) return { text, epoch: reader.takeEpoch(), proof: { kind: "emptyMap" } };
  reader.expectTag(TAG.nonInclusion);
  const epoch = reader.takeEpoch();
  const path = reader.takePath();
  const indexKey = reader.take(HASH_LENGTH);
  const length = reader.takeVarint();
  if (length === 0) reader.refuse("the leaf shown has no value");
  return { text, epoch, proof: { kind: "nonInclusion", path, other: { indexKey, value: reader.take(length) } } };
}

/** Encodes a page of 1 to 256 records. */
export function encodePage(entries: readonly VersionEntry[]): Uint8Array {
  const parts = [Uint8Array.of(TAG.page), encodeVarint(entries.length)];
  for (const { logIndex, version, zipHash, goModHash } of entries) {
    const text = encodeUtf8(version);
    parts.push(encodeVarint(logIndex), Uint8Array.of(text.length), text, zipHash, goModHash);
  }
  return concatBytes(...parts);
}

/** Decodes a page. */
export function decodePage(payload: Uint8Array): VersionEntry[] {
  const reader = new PayloadReader(payload);
  reader.expectNoText();
  reader.expectTag(TAG.page);
  const count = reader.takeVarint();
  if (count < 1 || count > PAGE_LENGTH) reader.refuse("a page holds 1 to 256 records");
  const entries: VersionEntry[] = [];
  for (let i = 0; i < count; i++) {
    const logIndex = reader.takeVarint();
    if (logIndex <= (entries.at(-1)?.logIndex ?? -1)) reader.refuse("the indexes of a page do not ascend");
    const length = reader.take(1)[0] as number;
    if (length < 1 || length > MAX_VERSION_LENGTH) reader.refuse("a version of 0 or over 90 bytes");
    const version = String.fromCharCode(...reader.take(length));
    if (!/^[\x21-\x7e]+$/.test(version)) reader.refuse("a version with other than printable bytes");
    entries.push({ logIndex, version, zipHash: reader.take(HASH_LENGTH), goModHash: reader.take(HASH_LENGTH) });
  }
  reader.expectEnd();
  return entries;
}

/** Encodes an RFC 6962 proof. */
export function encodeLogProof(hashes: readonly Hash[]): Uint8Array {
  return concatBytes(Uint8Array.of(TAG.logProof), ...hashes);
}

/** Decodes an RFC 6962 proof of any number of hashes. */
export function decodeLogProof(payload: Uint8Array): Hash[] {
  const reader = new PayloadReader(payload);
  reader.expectNoText();
  reader.expectTag(TAG.logProof);
  return reader.takeHashes();
}

/** Reads a payload from left to right; every reader throws `MALFORMED_ANSWER`. */
class PayloadReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    if (bytes.length > MAX_PAYLOAD_LENGTH) this.refuse("longer than 64,500 bytes");
  }

  refuse(why: string): never {
    throw new ProofdnsError("MALFORMED_ANSWER", `answer: ${why} (at byte ${this.#at} of ${this.#bytes.length})`);
  }

  takeText(): string {
    let text = "";
    for (; this.#at < this.#bytes.length; this.#at++) {
      const b = this.#bytes[this.#at] as number;
      if (b < 0x20 || b > 0x7e) break;
      text += String.fromCharCode(b);
    }
    return text;
  }

  expectNoText(): void {
    if (this.takeText() !== "") this.refuse("text where there is none");
  }

  takeTag(tag: number): boolean {
    if (this.#bytes[this.#at] !== tag) return false;
    this.#at++;
    return true;
  }

  expectTag(tag: number): void {
    if (!this.takeTag(tag)) this.refuse(`no section 0x${tag.toString(16).padStart(2, "0")}`);
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) this.refuse("cut off");
    const out = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return out;
  }

  takeVarint(): number {
    const read = decodeVarint(this.#bytes, this.#at) ?? this.refuse("not a canonical number");
    this.#at = read.end;
    return read.value;
  }

  takeEpoch(): number {
    const epoch = this.takeVarint();
    return epoch >= 1 ? epoch : this.refuse("epoch 0");
  }

  takePath(): PathProof {
    try {
      const { proof, end } = decodePathProof(this.#bytes, this.#at);
      this.#at = end;
      return proof;
    } catch (error) {
      if (error instanceof ProofdnsError) return this.refuse(error.message);
      throw error;
    }
  }

  takeHashes(): Hash[] {
    const rest = this.#bytes.length - this.#at;
    if (rest % HASH_LENGTH !== 0) this.refuse("a hash is cut off");
    return Array.from({ length: rest / HASH_LENGTH }, () => this.take(HASH_LENGTH));
  }

  /** A section of length and text: bytes 0x20–0x7E and LF. */
  takeSectionText(): string {
    const length = this.takeVarint();
    if (length === 0) this.refuse("an empty section");
    let text = "";
    for (const b of this.take(length)) {
      if ((b < 0x20 || b > 0x7e) && b !== 0x0a) this.refuse("a section's text with other than printable bytes");
      text += String.fromCharCode(b);
    }
    return text;
  }

  expectEnd(): void {
    if (this.#at !== this.#bytes.length) this.refuse("bytes after its end");
  }
}
