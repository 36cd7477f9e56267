import { equalBytes } from "../src/vindex/bytes.ts";
import type { Ed25519 } from "../src/vindex/ed25519.ts";
import { nodeSha256 } from "../src/vindex/platform.ts";
import type { Hash } from "../src/vindex/sha256.ts";

/**
 * Signatures that cost one hash. No fuzzer makes an Ed25519 signature, and all that stands behind one would stay dark; so
 * targets sign what they made of their input. A signature holds iff it is `seal` of the key and the message: what a target
 * did not sign does not verify, as with the real scheme.
 */
export const fakeEd25519: Ed25519 = {
  verify: (publicKey, message, signature) => signature.length === 64 && equalBytes(signature, seal(publicKey, message)),
  publicKey: (seed) => nodeSha256(Buffer.concat([Buffer.from("public key of "), seed])),
  sign: (seed, message) => seal(fakeEd25519.publicKey(seed), message),
};

/** The one signature of a public key over a message. */
export function seal(publicKey: Uint8Array, message: Uint8Array): Uint8Array {
  const half = nodeSha256(Buffer.concat([publicKey, message]));
  const out = new Uint8Array(64);
  out.set(half);
  out.set(half, 32);
  return out;
}

/** Counts hashes and signature checks: how much work untrusted input can ask for, without a clock. */
export class WorkCounter {
  hashes = 0;
  verifications = 0;

  /** Runs `run` and counts its work alone. */
  counted<T>(run: () => T): T {
    this.hashes = 0;
    this.verifications = 0;
    return run();
  }

  readonly sha256 = (message: Uint8Array): Hash => {
    this.hashes++;
    return nodeSha256(message);
  };

  readonly ed25519: Ed25519 = {
    ...fakeEd25519,
    verify: (publicKey, message, signature) => {
      this.verifications++;
      return fakeEd25519.verify(publicKey, message, signature);
    },
  };
}
