import { createPrivateKey, type KeyObject } from "node:crypto";
import { concatBytes, equalBytes } from "../../vindex/bytes.ts";
import { ALGORITHM, type Algorithm, publicKeyBytes } from "./algorithm.ts";

const SECRET_LENGTH = 32;

/** What stands before the secret, and between it and the public key; Ed25519 has no public key. */
const FORMS: Readonly<Record<Algorithm, { readonly before: Uint8Array; readonly between: Uint8Array | undefined }>> = {
  [ALGORITHM.ECDSAP256SHA256]: {
    before: bytes("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420"),
    between: bytes("a14403420004"),
  },
  [ALGORITHM.ED25519]: { before: bytes("302e020100300506032b657004220420"), between: undefined },
};

function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, "hex"));
}

/**
 * Encodes a private key as PKCS #8 (RFC 5958), byte for byte as OpenSSL does, whatever a later version of it does:
 * P-256 with its public key (RFC 5915), Ed25519 without (RFC 8410).
 */
export function encodePkcs8(algorithm: Algorithm, privateKey: KeyObject): Uint8Array {
  const { before, between } = FORMS[algorithm];
  const secret = Buffer.from(privateKey.export({ format: "jwk" }).d as string, "base64url");
  return between === undefined
    ? concatBytes(before, secret)
    : concatBytes(before, secret, between, publicKeyBytes(privateKey));
}

/**
 * Decodes what `encodePkcs8` makes; undefined for everything else, and for numbers that are no key. That the public key
 * of a P-256 key is its own is not checked.
 */
export function decodePkcs8(algorithm: Algorithm, der: Uint8Array): KeyObject | undefined {
  const { before, between } = FORMS[algorithm];
  const secretEnd = before.length + SECRET_LENGTH;
  if (der.length !== secretEnd + (between === undefined ? 0 : between.length + 64)) return undefined;
  if (!equalBytes(der.subarray(0, before.length), before)) return undefined;
  if (between !== undefined && !equalBytes(der.subarray(secretEnd, secretEnd + between.length), between)) {
    return undefined;
  }
  try {
    return createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
  } catch {
    return undefined;
  }
}
