import { Point } from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";
import { concatBytes, equalBytes } from "./bytes.ts";

/** What a verifier needs of Ed25519 (RFC 8032), over raw 32-byte keys. Handed to the core, so that a command can use its platform's. */
export interface Ed25519Verifier {
  /**
   * True if `signature` (64 bytes) by `publicKey` (32 bytes) over `message` is valid in the one way of spec/README.md:
   * without cofactor, R compared as bytes, S below the group order, the key a canonical point that is not of small order.
   * Never throws on bad input.
   */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

/** The same for one who also signs. */
export interface Ed25519 extends Ed25519Verifier {
  /** Public key of a 32-byte seed. */
  publicKey(seed: Uint8Array): Uint8Array;
  /** Deterministic 64-byte signature by a 32-byte seed. */
  sign(seed: Uint8Array, message: Uint8Array): Uint8Array;
}

const ORDER = Point.CURVE().n;

/**
 * The default: the points of @noble/ed25519, which is half the size of @noble/curves in a page. Its own `verify` multiplies by the cofactor, which OpenSSL does not; a log could then sign
 * what one client accepts and another calls unsigned. So the equation stands here: R = [S]B − [k]A, as bytes.
 */
export const ed25519Verifier: Ed25519Verifier = {
  verify(publicKey, message, signature) {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    const r = signature.subarray(0, 32);
    const s = littleEndian(signature.subarray(32));
    if (s >= ORDER) return false;
    if (!isPublicKey(publicKey)) return false;
    try {
      const key = Point.fromBytes(publicKey, false);
      const k = littleEndian(sha512(concatBytes(r, publicKey, message))) % ORDER;
      const expected = Point.BASE.multiplyUnsafe(s).add(key.negate().multiplyUnsafe(k));
      return equalBytes(expected.toBytes(), r);
    } catch {
      // R is not the encoding of a point: noble throws, the statement is simply not proven.
      return false;
    }
  },
};

/** True if `publicKey` is the canonical encoding of a point that is not of small order (spec/README.md). */
export function isPublicKey(publicKey: Uint8Array): boolean {
  try {
    return !Point.fromBytes(publicKey, false).isSmallOrder();
  } catch {
    return false;
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
  return value;
}
