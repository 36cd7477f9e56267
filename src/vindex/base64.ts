/**
 * Strict standard base64 (RFC 4648 §4) and its unpadded form, and base32 (§6).
 *
 * The decoders of the platform skip junk, take the URL alphabet and ignore spare bits; here every value
 * has exactly one text.
 */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const DIGIT: Int8Array = table(ALPHABET);
const CODE: readonly number[] = Array.from(ALPHABET, (character) => character.charCodeAt(0));

function table(alphabet: string): Int8Array {
  const out = new Int8Array(128).fill(-1);
  for (let i = 0; i < alphabet.length; i++) out[alphabet.charCodeAt(i)] = i;
  return out;
}

/** Formats padded standard base64. */
export function formatBase64(bytes: Uint8Array): string {
  const out = formatBase64Unpadded(bytes);
  return out + "=".repeat((4 - (out.length % 4)) % 4);
}

/** Formats standard base64 without padding: 43 characters for a hash. */
export function formatBase64Unpadded(bytes: Uint8Array): string {
  let out = "";
  for (let from = 0; from < bytes.length; from += CHUNK) out += formatChunk(bytes, from);
  return out;
}

/** Bytes that are formatted at a time: a multiple of 3, and few enough characters for the arguments of one call. */
const CHUNK = 3 * 512;

/** One string for all characters: joining them one by one is measured at a quarter of the rate. */
function formatChunk(bytes: Uint8Array, from: number): string {
  const end = Math.min(bytes.length, from + CHUNK);
  const codes = new Array<number>(Math.ceil(((end - from) * 4) / 3));
  let to = 0;
  for (let i = from; i < end; i += 3) {
    const a = bytes[i] as number;
    const b = i + 1 < end ? (bytes[i + 1] as number) : 0;
    const c = i + 2 < end ? (bytes[i + 2] as number) : 0;
    codes[to++] = CODE[a >> 2] as number;
    codes[to++] = CODE[((a & 3) << 4) | (b >> 4)] as number;
    if (i + 1 < end) codes[to++] = CODE[((b & 15) << 2) | (c >> 6)] as number;
    if (i + 2 < end) codes[to++] = CODE[c & 63] as number;
  }
  return String.fromCharCode(...codes);
}

/** Parses padded standard base64: alphabet, padding and zero spare bits; undefined otherwise. */
export function parseBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  let end = text.length;
  if (end > 0 && text.charCodeAt(end - 1) === 0x3d) end--;
  if (end > 0 && end < text.length && text.charCodeAt(end - 1) === 0x3d) end--;
  return parseBase64Unpadded(text.slice(0, end));
}

/** Parses unpadded standard base64 with zero spare bits; undefined otherwise. */
export function parseBase64Unpadded(text: string): Uint8Array | undefined {
  const tail = text.length % 4;
  if (tail === 1) return undefined;
  const out = new Uint8Array(Math.floor((text.length * 3) / 4));
  let at = 0;
  let bits = 0;
  let have = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    const digit = c < 128 ? (DIGIT[c] as number) : -1;
    if (digit < 0) return undefined;
    bits = (bits << 6) | digit;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out[at++] = bits >> have;
      bits &= (1 << have) - 1;
    }
  }
  return bits === 0 ? out : undefined;
}

const ALPHABET32 = "abcdefghijklmnopqrstuvwxyz234567";
const DIGIT32: Int8Array = table(ALPHABET32);

/** Formats lower-case unpadded base32: 52 characters for a hash. */
export function formatBase32(bytes: Uint8Array): string {
  let out = "";
  let bits = 0;
  let have = 0;
  for (const b of bytes) {
    bits = (bits << 8) | b;
    have += 8;
    while (have >= 5) {
      have -= 5;
      out += ALPHABET32[bits >> have];
      bits &= (1 << have) - 1;
    }
  }
  if (have > 0) out += ALPHABET32[bits << (5 - have)];
  return out;
}

/** Parses lower-case unpadded base32 with zero spare bits; undefined otherwise. Fold case first where any case is allowed. */
export function parseBase32(text: string): Uint8Array | undefined {
  const length = Math.floor((text.length * 5) / 8);
  if (Math.ceil((length * 8) / 5) !== text.length) return undefined;
  const out = new Uint8Array(length);
  let at = 0;
  let bits = 0;
  let have = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    const digit = c < 128 ? (DIGIT32[c] as number) : -1;
    if (digit < 0) return undefined;
    bits = (bits << 5) | digit;
    have += 5;
    if (have >= 8) {
      have -= 8;
      out[at++] = bits >> have;
      bits &= (1 << have) - 1;
    }
  }
  return bits === 0 ? out : undefined;
}
