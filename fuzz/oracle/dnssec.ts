import { createPublicKey, type KeyObject, verify } from "node:crypto";
import type { NaiveRecord } from "./dns-message.ts";

/** Records of one owner and type: names in `rdatas` whole and in lower case. */
export interface NaiveRrset {
  /** Labels in lower case. */
  readonly owner: readonly string[];
  readonly type: number;
  readonly ttl: number;
  readonly rdatas: readonly Uint8Array[];
}

/** A name in wire format. */
export function wireOf(labels: readonly string[]): Uint8Array {
  const parts = labels.flatMap((label) => [Uint8Array.of(label.length), Buffer.from(label, "latin1")]);
  return new Uint8Array(Buffer.concat([...parts, Uint8Array.of(0)]));
}

/** An RRSIG taken apart (RFC 4034 §3.1). */
export interface NaiveRrsig {
  readonly covered: number;
  readonly labels: number;
  readonly originalTtl: number;
  readonly expiration: number;
  readonly inception: number;
  readonly keyTag: number;
}

/** Verifies the RRSIG of an RRset with a DNSKEY RDATA of Ed25519 or P-256; throws what is wrong. */
export function checkRrsig(
  rrset: NaiveRrset,
  rrsig: NaiveRecord,
  zone: readonly string[],
  dnskeys: readonly Uint8Array[],
): NaiveRrsig {
  const rdata = Buffer.from(rrsig.rdata);
  const signer = wireOf(zone);
  const end = 18 + signer.length;
  const fail = (why: string): never => {
    throw new Error(`RRSIG of type ${rrset.type} at ${rrset.owner.join(".")}: ${why}`);
  };
  if (rdata.length !== end + 64) fail(`${rdata.length} bytes`);
  if (!rdata.subarray(18, end).equals(signer)) fail("another signer");
  const fields: NaiveRrsig = {
    covered: rdata.readUInt16BE(0),
    labels: rdata[3] as number,
    originalTtl: rdata.readUInt32BE(4),
    expiration: rdata.readUInt32BE(8),
    inception: rdata.readUInt32BE(12),
    keyTag: rdata.readUInt16BE(16),
  };
  if (fields.covered !== rrset.type) fail(`covers type ${fields.covered}`);
  if (fields.labels !== rrset.owner.length - (rrset.owner[0] === "*" ? 1 : 0)) fail(`${fields.labels} labels`);
  if (fields.originalTtl < rrset.ttl) fail("a TTL above the original one");
  const key = dnskeys.find((dnskey) => naiveKeyTag(dnskey) === fields.keyTag && dnskey[3] === rdata[2]);
  if (key === undefined) return fail("no such key");
  const ttl = Buffer.alloc(4);
  ttl.writeUInt32BE(fields.originalTtl);
  const records = [...rrset.rdatas].sort(Buffer.compare).map((data) => {
    const fixed = Buffer.from([rrset.type >> 8, rrset.type & 255, 0, 1, ...ttl, data.length >> 8, data.length & 255]);
    return Buffer.concat([wireOf(rrset.owner), fixed, data]);
  });
  const signed = Buffer.concat([rdata.subarray(0, end), ...records]);
  if (!isSigned(key, signed, rdata.subarray(end))) fail("the signature does not fit");
  return fields;
}

const imported = new Map<string, KeyObject>();
/** Signatures that held: the same ones come again and again. */
const known = new Set<string>();

function isSigned(dnskey: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  const id = Buffer.from(dnskey).toString("hex");
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
  const jwk =
    dnskey[3] === 15
      ? { kty: "OKP", crv: "Ed25519", x: base64(dnskey.subarray(4)) }
      : { kty: "EC", crv: "P-256", x: base64(dnskey.subarray(4, 36)), y: base64(dnskey.subarray(36)) };
  const key = imported.get(id) ?? createPublicKey({ key: jwk, format: "jwk" });
  imported.set(id, key);
  const seen = `${id} ${Buffer.from(signature).toString("latin1")}${Buffer.from(data).toString("latin1")}`;
  if (known.has(seen)) return true;
  const isTrue = verify(dnskey[3] === 15 ? null : "sha256", data, { key, dsaEncoding: "ieee-p1363" }, signature);
  if (known.size > 2000) known.clear();
  if (isTrue) known.add(seen);
  return isTrue;
}

/** RFC 4034 Appendix B, as it stands there. */
export function naiveKeyTag(dnskey: Uint8Array): number {
  let ac = 0;
  for (const [i, b] of dnskey.entries()) ac += i % 2 === 1 ? b : b * 256;
  return (ac + Math.floor(ac / 65_536)) % 65_536;
}

/** Types of an NSEC's bitmap and its next name; undefined if it is malformed (RFC 4034 §4.1). */
export function naiveNsec(rdata: Uint8Array): { next: string[]; types: number[] } | undefined {
  const next: string[] = [];
  let at = 0;
  for (;;) {
    const length = rdata[at];
    if (length === undefined || length > 63) return undefined;
    at++;
    if (length === 0) break;
    next.push(Buffer.from(rdata.subarray(at, at + length)).toString("latin1"));
    at += length;
  }
  const types: number[] = [];
  let before = -1;
  while (at < rdata.length) {
    const [window = 0, length = 0] = rdata.subarray(at, at + 2);
    const bitmap = rdata.subarray(at + 2, at + 2 + length);
    if (window <= before || length < 1 || length > 32 || bitmap.length !== length || bitmap.at(-1) === 0)
      return undefined;
    for (const [i, b] of bitmap.entries())
      for (let j = 0; j < 8; j++) if (b & (128 >> j)) types.push(256 * window + 8 * i + j);
    before = window;
    at += 2 + length;
  }
  return { next, types };
}

/** The order of names of RFC 4034 §6.1: by labels from the right, as bytes, A–Z as a–z. */
export function compareNames(a: readonly string[], b: readonly string[]): number {
  for (let i = 1; i <= Math.max(a.length, b.length); i++) {
    const [x, y] = [a.at(-i), b.at(-i)];
    if (x === undefined) return -1;
    if (y === undefined) return 1;
    const fold = (label: string): Buffer =>
      Buffer.from(
        label.replaceAll(/[A-Z]/g, (c) => c.toLowerCase()),
        "latin1",
      );
    const order = Buffer.compare(fold(x), fold(y));
    if (order !== 0) return order;
  }
  return 0;
}

/** The name that follows, by the four rules of spec/dnssec.md §3, on labels. */
export function naiveSuccessor(labels: readonly string[], apexLabels: number): string[] {
  if (wireOf(labels).length <= 253) return ["\0", ...labels];
  for (let left = [...labels]; ; left = left.slice(1)) {
    if (left.length === apexLabels) return left;
    const [first = "", ...rest] = left;
    if (first.length < 63 && wireOf(left).length <= 254) return [`${first}\0`, ...rest];
    let end = first.length;
    while (end > 0 && first[end - 1] === "\xff") end--;
    if (end === 0) continue;
    const byte = first.charCodeAt(end - 1);
    return [first.slice(0, end - 1) + String.fromCharCode(byte === 0x40 ? 0x5b : byte + 1), ...rest];
  }
}
