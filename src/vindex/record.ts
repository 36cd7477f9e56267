import { formatBase64, parseBase64 } from "./base64.ts";
import { concatBytes, decodeUtf8, encodeUtf8 } from "./bytes.ts";
import { isModulePath, isVersionOfPath } from "./module-path.ts";
import { sha256 as defaultSha256, HASH_LENGTH, type Hash, type Sha256 } from "./sha256.ts";
import { computeLeafHash } from "./tlog.ts";
import { parseVersion, type Version } from "./version.ts";

/** A well-formed record of a Go checksum database (spec/map.md §1). */
export interface Record {
  readonly path: string;
  readonly version: Version;
  /** H1 hash of the module's zip. */
  readonly zipHash: Hash;
  /** H1 hash of its go.mod. */
  readonly goModHash: Hash;
}

/** Formats the two lines of a record. */
export function formatRecord(path: string, version: string, zipHash: Hash, goModHash: Hash): string {
  return `${path} ${version} h1:${formatBase64(zipHash)}\n${path} ${version}/go.mod h1:${formatBase64(goModHash)}\n`;
}

/** Parses a record; undefined unless it is well-formed. Any bytes may be given. */
export function parseRecord(bytes: Uint8Array): Record | undefined {
  const text = decodeUtf8(bytes);
  if (text === undefined) return undefined;
  const lineEnd = text.indexOf("\n");
  const pathEnd = text.indexOf(" ");
  const versionEnd = text.indexOf(" ", pathEnd + 1);
  if (pathEnd < 0 || versionEnd < 0 || versionEnd > lineEnd) return undefined;
  if (text.indexOf("\n", lineEnd + 1) !== text.length - 1) return undefined;
  const path = text.slice(0, pathEnd);
  const versionText = text.slice(pathEnd + 1, versionEnd);
  const prefix = `${path} ${versionText}/go.mod `;
  if (!text.startsWith(prefix, lineEnd + 1)) return undefined;
  const zipHash = parseH1(text.slice(versionEnd + 1, lineEnd));
  const goModHash = parseH1(text.slice(lineEnd + 1 + prefix.length, -1));
  if (zipHash === undefined || goModHash === undefined) return undefined;
  return makeRecord(path, versionText, zipHash, goModHash);
}

/** Makes a record of its parts; undefined if path, version or their fit break a rule. */
export function makeRecord(path: string, versionText: string, zipHash: Hash, goModHash: Hash): Record | undefined {
  const version = parseVersion(versionText);
  if (version === undefined || !isModulePath(path) || !isVersionOfPath(version, path)) return undefined;
  return { path, version, zipHash, goModHash };
}

/** Parses `h1:` and strict base64 of 32 bytes; undefined otherwise. */
export function parseH1(text: string): Hash | undefined {
  if (!text.startsWith("h1:")) return undefined;
  const hash = parseBase64(text.slice(3));
  return hash?.length === HASH_LENGTH ? hash : undefined;
}

/** Formats `h1:` and base64. */
export function formatH1(hash: Hash): string {
  return `h1:${formatBase64(hash)}`;
}

/** Hash of a record as a leaf of the checksum database: H(00 ‖ record text). */
export function computeRecordHash(text: Uint8Array, sha256: Sha256 = defaultSha256): Hash {
  return computeLeafHash(text, sha256);
}

/** Hash of the record made of these parts. */
export function computeRecordHashOf(record: Record, sha256: Sha256 = defaultSha256): Hash {
  const text = formatRecord(record.path, record.version.text, record.zipHash, record.goModHash);
  return computeLeafHash(encodeUtf8(text), sha256);
}

/** Leaf data of a module's sub-log: 8-byte big-endian record index, then the record hash (spec/map.md §5). */
export function encodeSubLogLeaf(logIndex: number, recordHash: Hash): Uint8Array {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setBigUint64(0, BigInt(logIndex));
  return concatBytes(head, recordHash);
}

// One message after the other: a hash function does not keep what it is given.
const leafMessage = new Uint8Array(1 + 8 + HASH_LENGTH);
const leafView = new DataView(leafMessage.buffer);

/** Hash of that leaf: H(00 ‖ leaf data). */
export function computeSubLogLeafHash(logIndex: number, recordHash: Hash, sha256: Sha256 = defaultSha256): Hash {
  if (recordHash.length !== HASH_LENGTH) return computeLeafHash(encodeSubLogLeaf(logIndex, recordHash), sha256);
  leafView.setUint32(1, Math.floor(logIndex / 2 ** 32));
  leafView.setUint32(5, logIndex % 2 ** 32);
  leafMessage.set(recordHash, 9);
  return sha256(leafMessage);
}
