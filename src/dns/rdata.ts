import { concatBytes, encodeUtf8 } from "../vindex/bytes.ts";
import { MAX_PAYLOAD_LENGTH } from "../vindex/payload.ts";

export { MAX_PAYLOAD_LENGTH };

const MAX_STRING = 255;

/**
 * Encodes a payload as TXT RDATA: character-strings of up to 255 bytes, each behind its length (RFC 1035 §3.3.14).
 * An empty payload is one empty string: RDATA without a string does not exist. With `scratch`, of at least 65,535 bytes, the
 * result is the beginning of it: what is written at once and forgotten needs no memory of its own.
 *
 * @throws RangeError if the payload is longer than 64,500 bytes (caller bug)
 */
export function encodeTxt(payload: Uint8Array, scratch?: Uint8Array): Uint8Array {
  return writeTxt(payload, undefined, scratch);
}

/**
 * Encodes a module answer as TXT RDATA: the value, which is the longest prefix of bytes 0x20–0x7E, as the first
 * character-string, empty if the module is absent; the rest as in `encodeTxt` (spec/dns.md §2). Readers see no
 * difference, people do: `dig +short` begins with what was committed. `scratch` as in `encodeTxt`.
 *
 * @throws RangeError if the value is longer than 255 bytes or the payload than 64,500 (caller bug)
 */
export function encodeModuleTxt(payload: Uint8Array, scratch?: Uint8Array): Uint8Array {
  let length = 0;
  for (; length < payload.length; length++) {
    const b = payload[length] as number;
    if (b < 0x20 || b > 0x7e) break;
  }
  return writeTxt(payload, length, scratch);
}

function writeTxt(payload: Uint8Array, first: number | undefined, scratch: Uint8Array | undefined): Uint8Array {
  if (payload.length > MAX_PAYLOAD_LENGTH) throw new RangeError(`payload of ${payload.length} bytes`);
  if (first !== undefined && first > MAX_STRING) throw new RangeError(`value of ${first} bytes`);
  const rest = payload.length - (first ?? 0);
  let strings = Math.ceil(rest / MAX_STRING);
  if (first !== undefined || strings === 0) strings += 1;
  const size = payload.length + strings;
  const out = scratch === undefined ? new Uint8Array(size) : scratch.subarray(0, size);
  let at = 0;
  let from = 0;
  for (let i = 0; i < strings; i++) {
    const length = i === 0 && first !== undefined ? first : Math.min(MAX_STRING, payload.length - from);
    out[at] = length;
    out.set(payload.subarray(from, from + length), at + 1);
    at += 1 + length;
    from += length;
  }
  return out;
}

/**
 * Decodes TXT RDATA into its payload: the character-strings, concatenated. Undefined if there is no string or one
 * runs past the end. The boundaries carry no meaning, so RDATA that any relay has cut differently is as good.
 */
export function decodeTxt(rdata: Uint8Array): Uint8Array | undefined {
  if (rdata.length === 0) return undefined;
  const out = new Uint8Array(rdata.length);
  let length = 0;
  for (let at = 0; at < rdata.length; ) {
    const n = rdata[at] as number;
    if (at + 1 + n > rdata.length) return undefined;
    out.set(rdata.subarray(at + 1, at + 1 + n), length);
    length += n;
    at += 1 + n;
  }
  return out.slice(0, length);
}

/** RDATA of the HINFO that answers type ANY: `"RFC8482" ""` (RFC 8482 §4.2). */
export const HINFO_RDATA: Uint8Array = concatBytes(Uint8Array.of(7), encodeUtf8("RFC8482"), Uint8Array.of(0));
