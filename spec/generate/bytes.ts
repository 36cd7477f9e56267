import { createHash, createPrivateKey, createPublicKey, sign as platformSign } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";

/**
 * What the vectors are made of: bytes, numbers, hashes and keys. Nothing under spec/generate imports from src: the
 * vectors are made from the pages of spec/ a second time, so that a mistake has to be made twice to stay unseen.
 */
export type Bytes = Uint8Array;

export function concat(...parts: readonly Bytes[]): Bytes {
  return new Uint8Array(Buffer.concat(parts));
}

export function bytes(...values: readonly number[]): Bytes {
  return Uint8Array.from(values);
}

/** `length` bytes of one value. */
export function fill(value: number, length = 32): Bytes {
  return new Uint8Array(length).fill(value);
}

export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text);
}

export function hex(data: Bytes): string {
  return Buffer.from(data).toString("hex");
}

export function base64(data: Bytes): string {
  return Buffer.from(data).toString("base64");
}

export function unpadded(data: Bytes): string {
  return base64(data).replace(/=+$/, "");
}

export function base32(data: Bytes): string {
  let bits = "";
  for (const b of data) bits += b.toString(2).padStart(8, "0");
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups.map((group) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(group.padEnd(5, "0"), 2)]).join("");
}

export function sha256(...parts: readonly Bytes[]): Bytes {
  return new Uint8Array(
    createHash("sha256")
      .update(concat(...parts))
      .digest(),
  );
}

/** A hash that stands for anything: that of a text. */
export function hashOf(text: string): Bytes {
  return sha256(utf8(text));
}

/** Unsigned LEB128. */
export function uv(value: number | bigint): Bytes {
  const out: number[] = [];
  let rest = BigInt(value);
  for (; rest >= 0x80n; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  out.push(Number(rest));
  return Uint8Array.from(out);
}

/** The bytes with one bit turned; `at` from the end if negative. */
export function flip(data: Bytes, at: number, bit = 0): Bytes {
  const out = data.slice();
  const i = at < 0 ? data.length + at : at;
  if (i < 0 || i >= data.length) throw new RangeError(`no byte ${at} in ${data.length}`);
  out[i] = (out[i] as number) ^ (1 << bit);
  return out;
}

export function compare(a: Bytes, b: Bytes): number {
  return Buffer.compare(a, b);
}

/** An Ed25519 key of a signed note: type 0x01 signs, type 0x04 cosigns. */
export interface Key {
  readonly name: string;
  readonly type: number;
  readonly seed: Bytes;
  readonly publicKey: Bytes;
  /** Four bytes. */
  readonly id: Bytes;
  readonly vkey: string;
}

const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

function privateKey(seed: Bytes) {
  return createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
}

/** The key of a name whose seed is 32 equal bytes. */
export function makeKey(name: string, type: number, seedByte: number): Key {
  const seed = fill(seedByte);
  const spki = createPublicKey(privateKey(seed)).export({ format: "der", type: "spki" });
  const publicKey = new Uint8Array(spki.subarray(spki.length - 32));
  const id = keyId(name, type, publicKey);
  return { name, type, seed, publicKey, id, vkey: vkey(name, id, concat(bytes(type), publicKey)) };
}

export function keyId(name: string, type: number, publicKey: Bytes): Bytes {
  return sha256(utf8(name), bytes(0x0a, type), publicKey).slice(0, 4);
}

export function vkey(name: string, id: Bytes, data: Bytes): string {
  return `${name}+${hex(id)}+${base64(data)}`;
}

export function sign(key: Key, message: string): Bytes {
  return new Uint8Array(platformSign(null, utf8(message), privateKey(key.seed)));
}

/** Order of the group of Ed25519. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

/** The same signature with its scalar S raised by the group order: an equation that still holds, and no valid signature. */
export function malleate(signature: Bytes): Bytes {
  let s = 0n;
  for (let i = 63; i >= 32; i--) s = (s << 8n) | BigInt(signature[i] as number);
  s += L;
  const out = signature.slice();
  for (let i = 32; i < 64; i++, s >>= 8n) out[i] = Number(s & 0xffn);
  return out;
}

/**
 * A signature whose R has a part of small order, R = rB + T: the equation holds only after multiplication by the cofactor, so it is no
 * valid signature (spec/README.md), and verifiers that multiply would take it.
 */
export function twist(key: Key, message: string): Bytes {
  const { Point } = ed25519;
  const { scalar } = ed25519.utils.getExtendedPublicKey(key.seed);
  const littleEndian = (bytes: Bytes): bigint => bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  const text = new TextEncoder().encode(message);
  const digest = (...parts: Bytes[]): bigint =>
    littleEndian(
      new Uint8Array(
        createHash("sha512")
          .update(concat(...parts))
          .digest(),
      ),
    ) % L;
  const r = digest(key.seed, text);
  // The point of order 2, (0, -1).
  const small = Point.fromAffine({ x: 0n, y: 2n ** 255n - 20n });
  const bigR = Point.BASE.multiply(r).add(small).toBytes();
  let s = (r + digest(bigR, key.publicKey, text) * scalar) % L;
  const out = new Uint8Array(64);
  out.set(bigR);
  for (let i = 32; i < 64; i++, s >>= 8n) out[i] = Number(s & 0xffn);
  return out;
}

/** Points that are no public key (spec/README.md): those of small order, and second encodings of the neutral one. */
export const WEAK_POINTS: readonly (readonly [name: string, encoding: Bytes])[] = [
  ["order 1", concat(bytes(1), fill(0, 31))],
  ["order 2", concat(bytes(0xec), fill(0xff, 30), bytes(0x7f))],
  ["order 4", fill(0)],
  ["order 8", ed25519.Point.fromHex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a").toBytes()],
  ["order 1, with a y that is not reduced", concat(bytes(0xee), fill(0xff, 30), bytes(0x7f))],
  ["order 1, with the sign of an x that is 0", concat(bytes(1), fill(0, 30), bytes(0x80))],
];

/** A key of such a point: nobody has its secret, and `signWeak` needs none. */
export function weakKey(name: string, type: number, publicKey: Bytes): Key {
  const id = keyId(name, type, publicKey);
  return { name, type, seed: new Uint8Array(0), publicKey, id, vkey: vkey(name, id, concat(bytes(type), publicKey)) };
}

/** A signature that fits the equation of Ed25519 under a key of small order: [k]A vanishes where 8 divides k, so R = [S]B. */
export function signWeak(key: Key, message: string): Bytes {
  for (let s = 1; ; s++) {
    const r = ed25519.Point.BASE.multiply(BigInt(s)).toBytes();
    const digest = createHash("sha512")
      .update(concat(r, key.publicKey, utf8(message)))
      .digest();
    const k = new Uint8Array(digest).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n) % L;
    if (k % 8n === 0n) return concat(r, bytes(s & 0xff, s >> 8), fill(0, 30));
  }
}

/** A signature line of a note. */
export function noteLine(key: Pick<Key, "name" | "id">, blob: Bytes): string {
  return `\u2014 ${key.name} ${base64(concat(key.id, blob))}\n`;
}
