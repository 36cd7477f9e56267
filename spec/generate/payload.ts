import { type Bytes, bytes, compare, concat, type Key, sign, utf8, uv } from "./bytes.ts";
import { cosignatureText } from "./log.ts";
import { encodePath } from "./merkle.ts";

/** Payloads of dns.md §2, written part by part, so that a vector can write any part wrongly. */

export const TAG = {
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

export interface HeadParts {
  readonly epoch: number | bigint;
  readonly logSignature: Bytes;
  readonly mapRoot: Bytes;
  readonly sumdbSize: number | bigint;
  readonly sumdbRoot: Bytes;
  readonly sumdbSignature: Bytes;
}

export function headSection(head: HeadParts): Bytes {
  const { epoch, logSignature, mapRoot, sumdbSize, sumdbRoot, sumdbSignature } = head;
  return concat(bytes(TAG.head), uv(epoch), logSignature, mapRoot, uv(sumdbSize), sumdbRoot, sumdbSignature);
}

export interface Cosignature {
  readonly keyId: Bytes;
  readonly time: number;
  readonly signature: Bytes;
}

export function cosign(key: Key, checkpoint: string, time: number): Cosignature {
  return { keyId: key.id, time, signature: sign(key, cosignatureText(checkpoint, time)) };
}

export function sorted(cosignatures: readonly Cosignature[]): Cosignature[] {
  return cosignatures.toSorted((a, b) => a.time - b.time || compare(a.keyId, b.keyId));
}

/** In the order given, which must be that of their times. Nothing for none. */
export function cosignatureSection(inOrder: readonly Cosignature[]): Bytes {
  if (inOrder.length === 0) return new Uint8Array(0);
  const parts = inOrder.map(({ keyId, time, signature }, i) => {
    return concat(keyId, uv(time - (inOrder[i - 1]?.time ?? 0)), signature);
  });
  return concat(bytes(TAG.cosignatures), uv(inOrder.length), ...parts);
}

export function hashSection(tag: number, hashes: readonly Bytes[]): Bytes {
  return concat(bytes(tag), ...hashes);
}

export type AnswerProof =
  | { readonly kind: "inclusion"; readonly bits: readonly number[]; readonly siblings: readonly Bytes[] }
  | {
      readonly kind: "nonInclusion";
      readonly bits: readonly number[];
      readonly siblings: readonly Bytes[];
      readonly other: readonly [Bytes, Bytes];
    }
  | { readonly kind: "emptyMap" };

export function proofSection(epoch: number | bigint, proof: AnswerProof): Bytes {
  if (proof.kind === "emptyMap") return concat(bytes(TAG.emptyMap), uv(epoch));
  const path = encodePath(proof.bits, proof.siblings);
  if (proof.kind === "inclusion") return concat(bytes(TAG.inclusion), uv(epoch), path);
  const [key, value] = proof.other;
  return concat(bytes(TAG.nonInclusion), uv(epoch), path, key, uv(value.length), value);
}

export function textSection(tag: number, text: string | Bytes): Bytes {
  const data = typeof text === "string" ? utf8(text) : text;
  return concat(bytes(tag), uv(data.length), data);
}

export interface Entry {
  readonly index: number | bigint;
  readonly version: string;
  readonly zipHash: Bytes;
  readonly goModHash: Bytes;
}

export function entryBytes({ index, version, zipHash, goModHash }: Entry): Bytes {
  const text = utf8(version);
  return concat(uv(index), bytes(text.length), text, zipHash, goModHash);
}

export function page(entries: readonly Entry[]): Bytes {
  return concat(bytes(TAG.page), uv(entries.length), ...entries.map(entryBytes));
}

export function logProof(hashes: readonly Bytes[]): Bytes {
  return hashSection(TAG.logProof, hashes);
}
