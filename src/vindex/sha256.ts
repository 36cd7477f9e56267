import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";

/** 32 bytes of SHA-256 output. Aliasing rules are the producer's; treat as immutable. */
export type Hash = Uint8Array;

/**
 * SHA-256 of a whole message. The core takes it as a last argument, so that a server can hand in its
 * platform's one-shot hash and a browser needs nothing but noble.
 */
export type Sha256 = (message: Uint8Array) => Hash;

/** The default `Sha256`: @noble/hashes, pure JavaScript. */
export const sha256: Sha256 = (message) => nobleSha256(message);

/** Length of a hash in bytes. */
export const HASH_LENGTH = 32;
