import { encodeUtf8 } from "./bytes.ts";
import { type Ed25519, type Ed25519Verifier, ed25519Verifier } from "./ed25519.ts";
import { ed25519 } from "./ed25519-signer.ts";
import { ProofdnsError } from "./error.ts";
import { KEY_TYPE_COSIGNATURE, type NoteSignature, type SignerKey, type VerifierKey } from "./note.ts";

/** A cosignature/v1 (c2sp.org/tlog-cosignature): at `time` this was the largest consistent tree the cosigner had seen. */
export interface Cosignature {
  readonly keyId: number;
  /** Unix seconds, 1 to 2^53 - 1. */
  readonly time: number;
  /** 64 bytes of Ed25519. */
  readonly signature: Uint8Array;
}

/** The signed message: `cosignature/v1 LF time <t> LF`, then the checkpoint's text with its last LF. */
export function cosignatureMessage(checkpointText: string, time: number): Uint8Array {
  return encodeUtf8(`cosignature/v1\ntime ${time}\n${checkpointText}`);
}

/** Cosigns `checkpointText` as of `time` with a key of type 0x04. */
export function cosign(checkpointText: string, time: number, key: SignerKey, scheme: Ed25519 = ed25519): Cosignature {
  if (key.verifierKey.type !== KEY_TYPE_COSIGNATURE) throw new TypeError("only keys of type 0x04 cosign");
  if (!Number.isSafeInteger(time) || time < 1) throw new RangeError(`not a cosignature time: ${time}`);
  return {
    keyId: key.verifierKey.keyId,
    time,
    signature: scheme.sign(key.seed, cosignatureMessage(checkpointText, time)),
  };
}

/**
 * Verifies a cosignature by `key` (type 0x04) and returns its time in Unix seconds.
 *
 * @throws ProofdnsError `BAD_COSIGNATURE`
 */
export function verifyCosignature(
  checkpointText: string,
  untrusted: Cosignature,
  key: VerifierKey,
  scheme: Ed25519Verifier = ed25519Verifier,
): number {
  if (key.type !== KEY_TYPE_COSIGNATURE) throw new TypeError("only keys of type 0x04 cosign");
  const message = cosignatureMessage(checkpointText, untrusted.time);
  if (untrusted.keyId !== key.keyId || !scheme.verify(key.publicKey, message, untrusted.signature)) {
    throw new ProofdnsError("BAD_COSIGNATURE", `the cosignature by ${key.keyName} does not fit the checkpoint`);
  }
  return untrusted.time;
}

/** The note signature of a cosignature: its blob is the 8-byte big-endian time, then the signature. */
export function cosignatureToNote(cosignature: Cosignature, keyName: string): NoteSignature {
  const blob = new Uint8Array(72);
  new DataView(blob.buffer).setBigUint64(0, BigInt(cosignature.time));
  blob.set(cosignature.signature, 8);
  return { keyName, keyId: cosignature.keyId, blob };
}

/** Reads a cosignature from a note signature; undefined unless it is 72 bytes with a time of 1 to 2^53 - 1. */
export function cosignatureFromNote(signature: NoteSignature): Cosignature | undefined {
  if (signature.blob.length !== 72) return undefined;
  const time = Number(new DataView(signature.blob.buffer, signature.blob.byteOffset).getBigUint64(0));
  if (!Number.isSafeInteger(time) || time < 1) return undefined;
  return { keyId: signature.keyId, time, signature: signature.blob.slice(8) };
}
