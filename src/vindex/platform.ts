import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from "node:crypto";
import { type Ed25519, isPublicKey } from "./ed25519.ts";
import type { Sha256 } from "./sha256.ts";

/**
 * SHA-256 through node:crypto's one-shot call. A latin1 string copied into a Uint8Array is measured at
 * twice the rate of its Buffer output on Node 20 (allocation dominates).
 */
export const nodeSha256: Sha256 = (message) => {
  const text = hash("sha256", message, "latin1" as "hex");
  const out = new Uint8Array(32);
  for (let i = 0; i < 32; i++) out[i] = text.charCodeAt(i);
  return out;
};

const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/**
 * Ed25519 through node:crypto (OpenSSL), with key objects made once for each key: 13 times noble's
 * verification rate. `limit` bounds the number of key objects kept.
 */
export function nodeEd25519(limit = 64): Ed25519 {
  const publicKeys = new Map<string, KeyObject>();
  const privateKeys = new Map<string, KeyObject>();
  const get = (keys: Map<string, KeyObject>, raw: Uint8Array, make: () => KeyObject): KeyObject => {
    const id = Buffer.from(raw).toString("latin1");
    let key = keys.get(id);
    if (key === undefined) {
      key = make();
      if (keys.size >= limit) keys.clear();
      keys.set(id, key);
    }
    return key;
  };
  const privateKey = (seed: Uint8Array): KeyObject =>
    get(privateKeys, seed, () =>
      createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: "der", type: "pkcs8" }),
    );
  return {
    verify(raw, message, signature) {
      if (raw.length !== 32 || signature.length !== 64) return false;
      try {
        const key = get(publicKeys, raw, () => {
          // OpenSSL takes keys of small order and second encodings of points; the rule of spec/README.md does not.
          if (!isPublicKey(raw)) throw new TypeError("not a public key");
          return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: "der", type: "spki" });
        });
        return verify(null, message, key, signature);
      } catch {
        return false;
      }
    },
    publicKey(seed) {
      const der = createPublicKey(privateKey(seed)).export({ format: "der", type: "spki" });
      return new Uint8Array(der.subarray(SPKI_PREFIX.length));
    },
    sign: (seed, message) => new Uint8Array(sign(null, message, privateKey(seed))),
  };
}
