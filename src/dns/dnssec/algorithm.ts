import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";

/** Signature algorithms that a zone can be signed with, by their DNSSEC numbers. */
export const ALGORITHM = {
  /** ECDSA P-256 with SHA-256 (RFC 6605). */
  ECDSAP256SHA256: 13,
  /** Ed25519 (RFC 8080). */
  ED25519: 15,
} as const;

export type Algorithm = (typeof ALGORITHM)[keyof typeof ALGORITHM];

/** Length of a signature in an RRSIG, of either algorithm. */
export const SIGNATURE_LENGTH = 64;

/** True for the number of an algorithm that a zone can be signed with. */
export function isAlgorithm(number: number): number is Algorithm {
  return number === ALGORITHM.ECDSAP256SHA256 || number === ALGORITHM.ED25519;
}

/** Length of a public key in a DNSKEY: X ‖ Y of the point (RFC 6605 §4), or the 32 bytes of RFC 8032 (RFC 8080 §3). */
export function publicKeyLength(algorithm: Algorithm): number {
  return algorithm === ALGORITHM.ED25519 ? 32 : 64;
}

/**
 * Makes a new private key from the system's randomness.
 *
 * It comes by way of its encoding: in Node 20 a key shares a lock with the job that made it, a JWK export allocates under that lock, and a garbage
 * collection in the midst of it takes the lock again to free the job. The process would stand still for ever.
 */
export function generatePrivateKey(algorithm: Algorithm): KeyObject {
  const privateKeyEncoding = { format: "der", type: "pkcs8" } as const;
  const publicKeyEncoding = { format: "der", type: "spki" } as const;
  const { privateKey } =
    algorithm === ALGORITHM.ED25519
      ? generateKeyPairSync("ed25519", { privateKeyEncoding, publicKeyEncoding })
      : generateKeyPairSync("ec", { namedCurve: "P-256", privateKeyEncoding, publicKeyEncoding });
  return createPrivateKey({ key: privateKey, ...privateKeyEncoding });
}

/** The algorithm that a key is for; undefined for keys of another kind or curve. */
export function algorithmOf(key: KeyObject): Algorithm | undefined {
  if (key.asymmetricKeyType === "ed25519") return ALGORITHM.ED25519;
  if (key.asymmetricKeyType !== "ec") return undefined;
  return key.asymmetricKeyDetails?.namedCurve === "prime256v1" ? ALGORITHM.ECDSAP256SHA256 : undefined;
}

/**
 * The public key as a DNSKEY holds it, of a private or public key.
 *
 * @throws TypeError if the key is of neither algorithm
 */
export function publicKeyBytes(key: KeyObject): Uint8Array {
  const algorithm = algorithmOf(key);
  if (algorithm === undefined) throw new TypeError("not a P-256 or Ed25519 key");
  const { x, y } = (key.type === "private" ? createPublicKey(key) : key).export({ format: "jwk" });
  const out = new Uint8Array(publicKeyLength(algorithm));
  // Coordinates in a JWK have their full length, leading zeros and all (RFC 7518 §6.2.1.2).
  out.set(Buffer.from(x as string, "base64url"), 0);
  if (algorithm === ALGORITHM.ECDSAP256SHA256) out.set(Buffer.from(y as string, "base64url"), 32);
  return out;
}

/** The key that these bytes of a DNSKEY are; undefined if they are none, as for a point that is not on the curve. */
export function importPublicKey(algorithm: Algorithm, bytes: Uint8Array): KeyObject | undefined {
  if (bytes.length !== publicKeyLength(algorithm)) return undefined;
  const text = (from: number, to: number): string => Buffer.from(bytes.subarray(from, to)).toString("base64url");
  const key =
    algorithm === ALGORITHM.ED25519
      ? { kty: "OKP", crv: "Ed25519", x: text(0, 32) }
      : { kty: "EC", crv: "P-256", x: text(0, 32), y: text(32, 64) };
  try {
    return createPublicKey({ key, format: "jwk" });
  } catch {
    return undefined;
  }
}
