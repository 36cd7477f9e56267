import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import {
  formatBase32,
  formatBase64,
  formatBase64Unpadded,
  parseBase32,
  parseBase64,
  parseBase64Unpadded,
} from "../src/vindex/base64.ts";
import {
  compareBytes,
  compareText,
  decodeUtf8,
  encodeUtf8,
  equalBytes,
  formatHex,
  parseHex,
} from "../src/vindex/bytes.ts";
import { compareDigits, parseDecimal } from "../src/vindex/decimal.ts";
import { decodeVarint, encodeVarint } from "../src/vindex/varint.ts";
import { Input, textOf } from "./input.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";

/** Base64, base32, hexadecimal, decimals, varints and UTF-8, each against the platform or against big integers. */
export const target: Target = { maxLength: 512, plants: ["overlong-varint", "spare-bits"] };

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick(CODECS)(input.rest());
}

const CODECS = [padded, unpadded, base32, hex, decimals, varints, utf8, orders] as const;

/** Bug: a varint of three bytes or more may end in a zero byte. */
const readVarint = plant("overlong-varint", decodeVarint, (bytes, offset) => {
  const read = decodeVarint(bytes, offset);
  const naive = naiveVarint(bytes, offset);
  if (read !== undefined || naive === undefined || naive.length < 3) return read;
  return naive.value < 2n ** 53n ? { value: Number(naive.value), end: offset + naive.length } : undefined;
});

/** Bug: the spare bits of a final group of three characters are not looked at. */
const readBase64 = plant("spare-bits", parseBase64, (text) => {
  const isPadded = text.length > 4 && text.endsWith("=") && !text.endsWith("==");
  const last = Buffer.from(text.slice(-4), "base64").toString("base64");
  return parseBase64(isPadded && last.length === 4 ? text.slice(0, -4) + last : text);
});

function padded(bytes: Uint8Array): void {
  const text = textOf(bytes);
  const parsed = readBase64(text);
  // What the platform skips or repairs does not come back.
  const platform = Buffer.from(text, "base64");
  assert.equal(parsed !== undefined, platform.toString("base64") === text);
  if (parsed !== undefined) assert.ok(equalBytes(parsed, platform));
  assert.equal(formatBase64(bytes), Buffer.from(bytes).toString("base64"));
}

function unpadded(bytes: Uint8Array): void {
  const text = textOf(bytes);
  const parsed = parseBase64Unpadded(text);
  const platform = Buffer.from(text, "base64");
  assert.equal(parsed !== undefined, platform.toString("base64").replaceAll("=", "") === text);
  if (parsed !== undefined) assert.ok(equalBytes(parsed, platform));
  assert.equal(formatBase64Unpadded(bytes), Buffer.from(bytes).toString("base64").replaceAll("=", ""));
}

function base32(bytes: Uint8Array): void {
  const text = textOf(bytes);
  const parsed = parseBase32(text);
  const naive = naiveBase32(text);
  assert.equal(parsed === undefined, naive === undefined);
  if (parsed !== undefined && naive !== undefined) assert.ok(equalBytes(parsed, naive));
  const back = naiveBase32(formatBase32(bytes));
  assert.ok(back !== undefined && equalBytes(back, bytes));
}

function hex(bytes: Uint8Array): void {
  const text = textOf(bytes);
  const parsed = parseHex(text);
  const platform = Buffer.from(text, "hex");
  assert.equal(parsed !== undefined, platform.toString("hex") === text);
  if (parsed !== undefined) assert.ok(equalBytes(parsed, platform));
  assert.equal(formatHex(bytes), Buffer.from(bytes).toString("hex"));
}

function decimals(bytes: Uint8Array): void {
  const text = textOf(bytes);
  const value = parseDecimal(text);
  const naive = naiveDigits(text);
  const isSafe = naive !== undefined && String(naive) === text && naive < 2n ** 53n;
  assert.equal(value, isSafe ? Number(naive) : undefined);
  const [a = "", b = ""] = text.split(" ");
  const [x, y] = [naiveDigits(a), naiveDigits(b)];
  if (x !== undefined && y !== undefined && String(x) === a && String(y) === b) {
    assert.equal(Math.sign(compareDigits(a, b)), x < y ? -1 : x > y ? 1 : 0);
  }
}

function varints(bytes: Uint8Array): void {
  for (const offset of [0, 1]) {
    const read = readVarint(bytes, offset);
    const naive = naiveVarint(bytes, offset);
    const isCanonical = naive !== undefined && (naive.length === 1 || bytes[offset + naive.length - 1] !== 0);
    const value = isCanonical && naive.value < 2n ** 53n ? naive.value : undefined;
    assert.equal(read?.value, value === undefined ? undefined : Number(value));
    if (read === undefined) continue;
    assert.equal(read.end, offset + (naive?.length ?? 0));
    assert.ok(equalBytes(encodeVarint(read.value), bytes.subarray(offset, read.end)));
  }
  const number = new Input(bytes).uint53();
  const encoded = encodeVarint(number);
  assert.deepEqual(readVarint(encoded, 0), { value: number, end: encoded.length });
}

function utf8(bytes: Uint8Array): void {
  const text = decodeUtf8(bytes);
  assert.equal(text !== undefined, isUtf8(bytes));
  if (text !== undefined) assert.ok(equalBytes(encodeUtf8(text), bytes));
}

function orders(bytes: Uint8Array): void {
  const input = new Input(bytes);
  const [a, b] = [input.block(), input.rest()];
  assert.equal(Math.sign(compareBytes(a, b)), Buffer.compare(a, b));
  assert.equal(equalBytes(a, b), Buffer.compare(a, b) === 0);
  const [s, t] = [textOf(a), textOf(b)];
  assert.equal(Math.sign(compareText(s, t)), Buffer.compare(Buffer.from(s), Buffer.from(t)));
}

/** Number of a text of one or more digits. */
function naiveDigits(text: string): bigint | undefined {
  for (const c of text) if (c < "0" || c > "9") return undefined;
  return text === "" ? undefined : BigInt(text);
}

/** Any LEB128 number, canonical or not. */
function naiveVarint(bytes: Uint8Array, offset: number): { value: bigint; length: number } | undefined {
  let value = 0n;
  for (let i = 0; offset + i < bytes.length; i++) {
    const b = bytes[offset + i] as number;
    value += BigInt(b % 0x80) << BigInt(7 * i);
    if (b < 0x80) return { value, length: i + 1 };
  }
  return undefined;
}

/** Bits, counted one by one: spare ones are zero and fewer than five. */
function naiveBase32(text: string): Uint8Array | undefined {
  let bits = "";
  for (const c of text) {
    const digit = "abcdefghijklmnopqrstuvwxyz234567".indexOf(c);
    if (digit < 0) return undefined;
    bits += digit.toString(2).padStart(5, "0");
  }
  const length = Math.floor(bits.length / 8);
  const spare = bits.slice(8 * length);
  if (spare.length >= 5 || spare.includes("1")) return undefined;
  return Uint8Array.from({ length }, (_, i) => Number.parseInt(bits.slice(8 * i, 8 * i + 8), 2));
}
