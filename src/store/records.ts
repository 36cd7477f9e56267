import { decodeUtf8, encodeUtf8, formatHex, parseHex } from "../vindex/bytes.ts";
import type { Cosignature } from "../vindex/cosignature.ts";
import type { VersionEntry } from "../vindex/payload.ts";
import { decodeVarint, encodeVarint } from "../vindex/varint.ts";
import { damaged } from "./damage.ts";

/** First and last cosignature of one key on one epoch. */
export interface KeptCosignatures {
  readonly first: Cosignature;
  readonly last: Cosignature;
}

/** Text of a stored value; empty if it is no UTF-8, which nothing that reads it takes. */
export function textOf(bytes: Uint8Array): string {
  return decodeUtf8(bytes) ?? "";
}

/** A module's path and state: `path LF state text`. */
export function encodeState(path: string, stateText: string): Uint8Array {
  return Buffer.from(`${path}\n${stateText}`);
}

export function decodeState(bytes: Uint8Array): { path: string; stateText: string } {
  const text = textOf(bytes);
  const end = text.indexOf("\n");
  return { path: text.slice(0, Math.max(0, end)), stateText: text.slice(end + 1) };
}

/** One record of a module's sub-log: `uvarint(log index) ‖ zip hash[32] ‖ go.mod hash[32] ‖ version text`. */
export function encodeEntry(entry: VersionEntry): Uint8Array {
  const index = encodeVarint(entry.logIndex);
  const version = encodeUtf8(entry.version);
  // Small ones share memory, which is what makes them cheap.
  const out = Buffer.allocUnsafe(index.length + 64 + version.length);
  out.set(index);
  out.set(entry.zipHash, index.length);
  out.set(entry.goModHash, index.length + 32);
  out.set(version, index.length + 64);
  return out;
}

/** @throws ProofdnsError `STORE_UNUSABLE` if it is cut off */
export function decodeEntry(bytes: Uint8Array): VersionEntry {
  const index = decodeVarint(bytes, 0);
  if (index === undefined || bytes.length < index.end + 65) throw damaged("a record of a module is cut off");
  const at = index.end;
  return {
    logIndex: index.value,
    version: textOf(bytes.subarray(at + 64)),
    zipHash: bytes.subarray(at, at + 32),
    goModHash: bytes.subarray(at + 32, at + 64),
  };
}

type CosignatureJson = { keyId: number; time: number; signature: string };

export function encodeCosignatures(kept: readonly KeptCosignatures[]): Uint8Array {
  const json = kept.map(({ first, last }) => [first, last].map(cosignatureToJson));
  return encodeUtf8(JSON.stringify(json));
}

function cosignatureToJson({ keyId, time, signature }: Cosignature): CosignatureJson {
  return { keyId, time, signature: formatHex(signature) };
}

/** @throws ProofdnsError `STORE_UNUSABLE` */
export function decodeCosignatures(bytes: Uint8Array | undefined): KeptCosignatures[] {
  if (bytes === undefined) return [];
  const json = parseJson(textOf(bytes), "cosignatures");
  if (!Array.isArray(json)) throw damaged("the cosignatures of an epoch are no list");
  const parse = (pair: unknown, at: number): Cosignature => {
    const item: unknown = Array.isArray(pair) ? pair[at] : undefined;
    const signature = parseHex(String(fieldOf(item, "signature")));
    if (signature?.length !== 64) throw damaged("a cosignature has no signature");
    return {
      keyId: takeNumber(item, "keyId", "cosignature"),
      time: takeNumber(item, "time", "cosignature"),
      signature,
    };
  };
  return json.map((pair) => ({ first: parse(pair, 0), last: parse(pair, 1) }));
}

/** @throws ProofdnsError `STORE_UNUSABLE`, saying that `what` is not readable */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw damaged(`its ${what} are not readable`, cause);
  }
}

/** A field of a parsed object; undefined if there is none or it is no object. */
export function fieldOf(json: unknown, name: string): unknown {
  return typeof json === "object" && json !== null
    ? new Map<string, unknown>(Object.entries(json)).get(name)
    : undefined;
}

/** A field that is a whole number from 0 on. @throws ProofdnsError `STORE_UNUSABLE` */
export function takeNumber(json: unknown, name: string, what: string): number {
  const value = fieldOf(json, name);
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw damaged(`its ${what} has no ${name}`);
}

/** A field that is true or false. @throws ProofdnsError `STORE_UNUSABLE` */
export function takeBoolean(json: unknown, name: string, what: string): boolean {
  const value = fieldOf(json, name);
  if (typeof value === "boolean") return value;
  throw damaged(`its ${what} has no ${name}`);
}
