import { formatBase64, parseBase64 } from "./base64.ts";
import { concatBytes, encodeUtf8 } from "./bytes.ts";
import { type Ed25519, type Ed25519Verifier, ed25519Verifier } from "./ed25519.ts";
import { ed25519 } from "./ed25519-signer.ts";
import { ProofdnsError } from "./error.ts";
import { sha256 } from "./sha256.ts";

/** Signature types of c2sp.org/signed-note that this project reads. */
export const KEY_TYPE_ED25519 = 0x01;
export const KEY_TYPE_COSIGNATURE = 0x04;

/** A verifier key (*vkey*), `<name>+<8 hex key id>+<base64(type ‖ public key)>` (c2sp.org/signed-note). */
export interface VerifierKey {
  readonly keyName: string;
  /** First four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key), big-endian. */
  readonly keyId: number;
  readonly type: number;
  /** 32 bytes for the two Ed25519 types. */
  readonly publicKey: Uint8Array;
}

/** A signing key, `PRIVATE+KEY+<name>+<8 hex key id>+<base64(type ‖ seed)>` (x/mod sumdb/note). Secret. */
export interface SignerKey {
  readonly verifierKey: VerifierKey;
  /** 32 bytes. */
  readonly seed: Uint8Array;
}

/** One signature line of a note: `— <keyName> <base64(key id ‖ blob)>`. */
export interface NoteSignature {
  readonly keyName: string;
  readonly keyId: number;
  /** The bytes after the key id: 64 for Ed25519, 8 + 64 for a cosignature. */
  readonly blob: Uint8Array;
}

/** A note that was parsed and not verified. */
export interface UnverifiedNote {
  /** The signed text, ending in LF. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

const MAX_NOTE_LENGTH = 1_000_000;
const MAX_SIGNATURES = 100;
const DASH = "\u2014 ";

/** True if `keyName` is non-empty, without Unicode spaces, `+` and control characters. */
export function isKeyName(keyName: string): boolean {
  // \s covers the Unicode spaces and U+FEFF, which is no space but has no business in a name either.
  // U+0085 is a space to Unicode and none to \s.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  return keyName.length > 0 && !/[\s+\u0000-\u001f\u007f\u0085]/.test(keyName);
}

/** Computes the key id of a name, a type and a public key. */
export function computeKeyId(keyName: string, type: number, publicKey: Uint8Array): number {
  const h = sha256(concatBytes(encodeUtf8(keyName), Uint8Array.of(0x0a, type), publicKey));
  return new DataView(h.buffer, h.byteOffset).getUint32(0);
}

/** Makes a verifier key of a name, a type and a public key. */
export function makeVerifierKey(keyName: string, type: number, publicKey: Uint8Array): VerifierKey {
  if (!isKeyName(keyName)) throw new TypeError(`not a key name: ${JSON.stringify(keyName)}`);
  return { keyName, keyId: computeKeyId(keyName, type, publicKey), type, publicKey };
}

/** Formats a key id as eight lower-case hex digits. */
export function formatKeyId(keyId: number): string {
  return keyId.toString(16).padStart(8, "0");
}

/** Formats a vkey. */
export function formatVerifierKey(key: VerifierKey): string {
  const data = concatBytes(Uint8Array.of(key.type), key.publicKey);
  return `${key.keyName}+${formatKeyId(key.keyId)}+${formatBase64(data)}`;
}

/**
 * Parses a vkey of type 0x01 or 0x04: the name, the key id, which must recompute, and 33 bytes of strict base64.
 *
 * @throws ProofdnsError `MALFORMED_VERIFIER_KEY`
 */
export function parseVerifierKey(text: string): VerifierKey {
  const { keyName, keyId, type, data } = parseKeyParts(text, "MALFORMED_VERIFIER_KEY", "verifier key");
  if (computeKeyId(keyName, type, data) !== keyId) {
    throw new ProofdnsError("MALFORMED_VERIFIER_KEY", `verifier key of ${keyName}: its key id does not fit the key`);
  }
  return { keyName, keyId, type, publicKey: data };
}

function parseKeyParts(
  text: string,
  code: "MALFORMED_VERIFIER_KEY" | "MALFORMED_SIGNER_KEY",
  what: string,
): { keyName: string; keyId: number; type: number; data: Uint8Array } {
  const refuse = (why: string): never => {
    throw new ProofdnsError(code, `${what}: ${why}; expected <name>+<8 hex digits>+<base64>`);
  };
  const first = text.indexOf("+");
  const second = text.indexOf("+", first + 1);
  if (first < 0 || second < 0) return refuse("it has no three parts");
  const keyName = text.slice(0, first);
  const id = text.slice(first + 1, second);
  if (!isKeyName(keyName)) return refuse("its name is empty or holds a space or a control character");
  if (!/^[0-9a-f]{8}$/.test(id)) return refuse("its key id is not 8 lower-case hex digits");
  const data = parseBase64(text.slice(second + 1));
  if (data === undefined) return refuse("its key is not canonical base64");
  const type = data[0];
  if (type !== KEY_TYPE_ED25519 && type !== KEY_TYPE_COSIGNATURE) {
    // The type is not quoted: of a signing key without one, it would be the first byte of the secret.
    return refuse("its type is not 0x01 or 0x04");
  }
  if (data.length !== 33) return refuse("its key is not 32 bytes");
  return { keyName, keyId: Number.parseInt(id, 16), type, data: data.slice(1) };
}

/** Makes a signing key of a name, a type and a 32-byte seed. */
export function makeSignerKey(keyName: string, type: number, seed: Uint8Array, scheme: Ed25519 = ed25519): SignerKey {
  return { verifierKey: makeVerifierKey(keyName, type, scheme.publicKey(seed)), seed };
}

/** Formats a signing key. The text is secret. */
export function formatSignerKey(key: SignerKey): string {
  const { keyName, keyId, type } = key.verifierKey;
  return `PRIVATE+KEY+${keyName}+${formatKeyId(keyId)}+${formatBase64(concatBytes(Uint8Array.of(type), key.seed))}`;
}

/**
 * Parses a signing key; its key id must recompute from the public key of the seed.
 *
 * @throws ProofdnsError `MALFORMED_SIGNER_KEY`; the message never holds key material
 */
export function parseSignerKey(text: string, scheme: Ed25519 = ed25519): SignerKey {
  const prefix = "PRIVATE+KEY+";
  if (!text.startsWith(prefix)) {
    throw new ProofdnsError("MALFORMED_SIGNER_KEY", `signing key: it does not begin with ${prefix}`);
  }
  const parts = parseKeyParts(text.slice(prefix.length), "MALFORMED_SIGNER_KEY", "signing key");
  const key = makeSignerKey(parts.keyName, parts.type, parts.data, scheme);
  if (key.verifierKey.keyId !== parts.keyId) {
    throw new ProofdnsError(
      "MALFORMED_SIGNER_KEY",
      `signing key of ${parts.keyName}: its key id does not fit the seed`,
    );
  }
  return key;
}

/**
 * Parses a signed note: text, blank line, 1 to 100 signature lines (c2sp.org/signed-note). The split is at the
 * last blank line, so the text may hold others. Nothing is verified.
 *
 * @throws ProofdnsError `MALFORMED_NOTE`
 */
export function parseNote(note: string): UnverifiedNote {
  const refuse = (why: string): never => {
    throw new ProofdnsError("MALFORMED_NOTE", `signed note: ${why}`);
  };
  if (note.length > MAX_NOTE_LENGTH) return refuse(`longer than ${MAX_NOTE_LENGTH} characters`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (/[\u0000-\u0009\u000b-\u001f]/.test(note)) return refuse("it holds a control character");
  // A lone surrogate would be signed and verified as U+FFFD: two texts for one signature.
  if (/\p{Cs}/u.test(note)) return refuse("it is not well-formed Unicode");
  const split = note.lastIndexOf("\n\n");
  if (split < 0) return refuse("no blank line before the signatures");
  const text = note.slice(0, split + 1);
  const rest = note.slice(split + 2);
  if (rest.length === 0 || !rest.endsWith("\n")) return refuse("the signatures do not end in a line feed");
  const lines = rest.slice(0, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) return refuse(`more than ${MAX_SIGNATURES} signatures`);
  const signatures = lines.map((line) => parseNoteSignature(line) ?? refuse("a signature line is malformed"));
  return { text, signatures };
}

/** Parses one signature line without its LF; undefined if it is malformed. */
export function parseNoteSignature(line: string): NoteSignature | undefined {
  if (!line.startsWith(DASH)) return undefined;
  const space = line.indexOf(" ", DASH.length);
  if (space < 0) return undefined;
  const keyName = line.slice(DASH.length, space);
  const bytes = parseBase64(line.slice(space + 1));
  if (!isKeyName(keyName) || bytes === undefined || bytes.length < 5) return undefined;
  const keyId = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  return { keyName, keyId, blob: bytes.slice(4) };
}

/** Formats one signature line, LF included. */
export function formatNoteSignature(signature: NoteSignature): string {
  const id = new Uint8Array(4);
  new DataView(id.buffer).setUint32(0, signature.keyId);
  return `${DASH}${signature.keyName} ${formatBase64(concatBytes(id, signature.blob))}\n`;
}

/** Formats a note of `text` (ending in LF) and its signatures. */
export function formatNote(text: string, signatures: readonly NoteSignature[]): string {
  return `${text}\n${signatures.map(formatNoteSignature).join("")}`;
}

/** Signs `text` with a key of type 0x01. */
export function signNote(text: string, key: SignerKey, scheme: Ed25519 = ed25519): NoteSignature {
  if (key.verifierKey.type !== KEY_TYPE_ED25519) throw new TypeError("only keys of type 0x01 sign notes");
  if (!text.endsWith("\n")) throw new TypeError("a note's text ends in a line feed");
  const { keyName, keyId } = key.verifierKey;
  return { keyName, keyId, blob: scheme.sign(key.seed, encodeUtf8(text)) };
}

/** What `verifyNote` proved: the text, and the signature by the asked key. */
export interface VerifiedNote {
  readonly text: string;
  readonly signature: NoteSignature;
}

/**
 * Verifies that `untrustedNote` is signed by `key` (type 0x01). Signatures of other keys are ignored; every one of
 * this key must hold, and there must be one.
 *
 * @throws ProofdnsError `MALFORMED_NOTE`, or `BAD_SIGNATURE` if the key's signature is missing or wrong
 */
export function verifyNote(
  untrustedNote: string,
  key: VerifierKey,
  scheme: Ed25519Verifier = ed25519Verifier,
): VerifiedNote {
  if (key.type !== KEY_TYPE_ED25519) throw new TypeError("only keys of type 0x01 sign notes");
  const { text, signatures } = parseNote(untrustedNote);
  const message = encodeUtf8(text);
  let verified: NoteSignature | undefined;
  for (const signature of signatures) {
    if (signature.keyName !== key.keyName || signature.keyId !== key.keyId) continue;
    if (!scheme.verify(key.publicKey, message, signature.blob)) {
      throw new ProofdnsError("BAD_SIGNATURE", `the signature by ${key.keyName} does not fit the note`);
    }
    verified ??= signature;
  }
  if (verified === undefined) {
    throw new ProofdnsError("BAD_SIGNATURE", `the note is not signed by ${key.keyName}+${formatKeyId(key.keyId)}`);
  }
  return { text, signature: verified };
}
