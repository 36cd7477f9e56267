import { ed25519 as noble } from "@noble/curves/ed25519.js";
import { type Ed25519, ed25519Verifier } from "./ed25519.ts";

/** The default of who signs: keys and signatures by @noble/curves, verified as everywhere. A verifier's page does not load this file. */
export const ed25519: Ed25519 = {
  ...ed25519Verifier,
  publicKey: (seed) => noble.getPublicKey(seed),
  sign: (seed, message) => noble.sign(message, seed),
};
