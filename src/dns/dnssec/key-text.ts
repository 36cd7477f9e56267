import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { formatBase64, parseBase64 } from "../../vindex/base64.ts";
import { parseDecimal } from "../../vindex/decimal.ts";
import { ALGORITHM, type Algorithm, isAlgorithm } from "./algorithm.ts";
import type { KeyRecord } from "./key-roll.ts";
import { decodePkcs8, encodePkcs8 } from "./pkcs8.ts";
import { canonicalZoneName, keyTagOf } from "./zone-keys.ts";

/** First field of `keys.json`; another number is another form. */
const STATE_FORMAT = "proofdns-dnssec-keys/1";
/** Unix seconds that a date can be made of. */
const MAX_TIME = 8_640_000_000_000;

/** What `keys.json` says. */
export interface KeyState {
  readonly zone: string;
  readonly algorithm: Algorithm;
  readonly keys: readonly KeyRecord[];
}

/** What a key file says. */
export interface KeyFile {
  readonly zone: string;
  readonly algorithm: Algorithm;
  readonly keyTag: number;
  readonly privateKey: KeyObject;
}

/**
 * Formats a key file (spec/dnssec.md §7): three lines, and the key as PKCS #8 in PEM, which other tools read without
 * minding the lines.
 */
export function formatKeyFile({ zone, algorithm, keyTag, privateKey }: KeyFile): string {
  const pem = formatPem(encodePkcs8(algorithm, privateKey));
  return `zone: ${zone}\nalgorithm: ${algorithm}\nkey tag: ${keyTag}\n${pem}`;
}

const KEY_FILE =
  /^zone: ([!-~]+)\nalgorithm: ([0-9]{1,3})\nkey tag: ([0-9]{1,5})\n(-----BEGIN PRIVATE KEY-----\n([A-Za-z0-9+/=\n]+)\n-----END PRIVATE KEY-----\n)$/;

/** Parses a key file, and signs with the key once; why it is none as text. The text never holds key material. */
export function parseKeyFile(text: string): KeyFile | string {
  const [, zone = "", algorithmText = "", tagText = "", pem = "", body = ""] = KEY_FILE.exec(text) ?? [];
  const der = parseBase64(body.replaceAll("\n", ""));
  if (der === undefined || zone === "" || formatPem(der) !== pem) {
    return "it is not three lines (zone, algorithm, key tag) and a private key in PEM";
  }
  const algorithm = parseDecimal(algorithmText);
  if (algorithm === undefined || !isAlgorithm(algorithm)) return `it names the algorithm ${algorithmText}`;
  const privateKey = decodePkcs8(algorithm, der);
  if (privateKey === undefined) return `its private key is not one of algorithm ${algorithm}`;
  if (!isWhole(algorithm, privateKey)) return "its private key is not that of its public key";
  const keyTag = keyTagOf(algorithm, privateKey);
  if (tagText !== String(keyTag)) return `it names the key tag ${tagText}, and its key has ${keyTag}`;
  return { zone, algorithm, keyTag, privateKey };
}

/** A file of P-256 holds the public key too, and nobody has checked that the two belong together. */
function isWhole(algorithm: Algorithm, privateKey: KeyObject): boolean {
  const probe = Buffer.from("proofdns");
  const digest = algorithm === ALGORITHM.ED25519 ? null : "sha256";
  try {
    return verify(digest, probe, createPublicKey(privateKey), sign(digest, probe, privateKey));
  } catch {
    return false;
  }
}

function formatPem(der: Uint8Array): string {
  const lines = formatBase64(der).match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`;
}

/** Formats `keys.json`. */
export function formatKeyState({ zone, algorithm, keys }: KeyState): string {
  const records = keys.map(({ keyTag, phase, since }) => ({ keyTag, phase, since }));
  return `${JSON.stringify({ format: STATE_FORMAT, zone, algorithm, keys: records }, undefined, 2)}\n`;
}

/** Parses `keys.json`; why it is none as text. Only what `formatKeyState` writes is taken. */
export function parseKeyState(text: string): KeyState | string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return "it is not JSON";
  }
  const { format, zone, algorithm, keys } = fieldsOf(json);
  if (format !== STATE_FORMAT) return `it is not of the format ${STATE_FORMAT}`;
  if (typeof zone !== "string" || !isZone(zone)) return "it names no zone";
  if (typeof algorithm !== "number" || !isAlgorithm(algorithm)) return "it names no algorithm that is known";
  const records = Array.isArray(keys) ? keys.map(parseRecord) : [];
  const found = records.flatMap((record) => record ?? []);
  if (found.length === 0 || found.length !== records.length) return "it has a key without tag, phase or time";
  const active = found.filter(({ phase }) => phase === "active");
  if (active.length !== 1 || found.length > 2) return "it has not one active key and at most one other";
  if (found[0]?.keyTag === found[1]?.keyTag) return "it has a key twice";
  const state = { zone, algorithm, keys: found };
  return formatKeyState(state) === text ? state : "it is not as proofdns writes it";
}

function parseRecord(json: unknown): KeyRecord | undefined {
  const { keyTag, phase, since } = fieldsOf(json);
  if (typeof keyTag !== "number" || !Number.isInteger(keyTag) || keyTag < 0 || keyTag > 0xffff) return undefined;
  if (typeof since !== "number" || !Number.isInteger(since) || since < 0 || since > MAX_TIME) return undefined;
  if (phase !== "active" && phase !== "published" && phase !== "retired") return undefined;
  return { keyTag, phase, since };
}

function fieldsOf(json: unknown): Readonly<Record<string, unknown>> {
  return typeof json === "object" && json !== null ? (json as Record<string, unknown>) : {};
}

function isZone(text: string): boolean {
  try {
    return canonicalZoneName(text) === text;
  } catch {
    return false;
  }
}
