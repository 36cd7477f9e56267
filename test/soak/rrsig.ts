import { createHash, createPublicKey, verify } from "node:crypto";
import { lowerCase, type RecordAt, TYPE } from "./messages.ts";

/** A key of the zone, as its DNSKEY record shows it; P-256 only (RFC 6605). */
export interface ZoneKey {
  readonly rdata: Uint8Array;
  readonly keyTag: number;
}

/** Algorithm number of ECDSA with P-256 and SHA-256. */
const ECDSA_P256 = 13;

/** Reads a DNSKEY record. @throws RangeError if it has another algorithm or is too short */
export function readZoneKey(rdata: Uint8Array): ZoneKey {
  if (rdata.length !== 68 || rdata[3] !== ECDSA_P256) throw new RangeError("not a DNSKEY of algorithm 13");
  // RFC 4034 appendix B.
  let sum = 0;
  for (const [i, byte] of rdata.entries()) sum += i % 2 === 0 ? byte << 8 : byte;
  return { rdata, keyTag: (sum + (sum >>> 16)) & 0xffff };
}

/** The DS of a key in presentation format, `tag algorithm 2 DIGEST` (RFC 4034 §5, digest of RFC 4509). */
export function formatDs(owner: Uint8Array, { rdata, keyTag }: ZoneKey): string {
  const digest = createHash("sha256").update(lowerCase(owner)).update(rdata).digest("hex").toUpperCase();
  return `${keyTag} ${rdata[3]} 2 ${digest}`;
}

/**
 * Verifies the signatures over the records of `type` in `section` of a reply (RFC 4035 §5.3). Names inside the records must be in
 * lower case and not compressed, which holds for TXT, NSEC and DNSKEY of this server.
 *
 * @throws Error with a sentence if there is no such RRset, no signature by one of `keys`, or it is wrong or out of its time
 * @param now Unix seconds
 */
export function verifyRrset(
  records: readonly RecordAt[],
  section: RecordAt["section"],
  type: number,
  keys: readonly ZoneKey[],
  now: number,
): void {
  const rrset = records.filter((record) => record.section === section && record.type === type);
  const signatures = records.filter(
    ({ section: where, type: its, rdata }) => where === section && its === TYPE.RRSIG && rdata.readUInt16BE(0) === type,
  );
  const [first] = rrset;
  if (first === undefined) throw new Error(`no record of type ${type}`);
  if (signatures.length === 0) throw new Error(`no signature over type ${type}`);
  let verified = 0;
  for (const { owner, rdata, ttl } of signatures) {
    if (!Buffer.from(owner).equals(first.owner)) throw new Error("the signature belongs to another name");
    const signerEnd = nameEnd(rdata, 18);
    const [labels, originalTtl] = [rdata.readUInt8(3), rdata.readUInt32BE(4)];
    if (rdata.readUInt8(2) !== ECDSA_P256) throw new Error("the signature has another algorithm");
    if (rdata.readUInt32BE(8) < now || rdata.readUInt32BE(12) > now)
      throw new Error("the signature is not of this time");
    if (labels !== countLabels(owner)) throw new Error("the signature is of another number of labels");
    if (ttl > originalTtl || rrset.some((record) => record.ttl > originalTtl))
      throw new Error("a TTL above the signed one");
    const key = keys.find(({ keyTag }) => keyTag === rdata.readUInt16BE(16));
    if (key === undefined) continue;
    const signed = [
      rdata.subarray(0, signerEnd),
      ...rrset.map((record) => canonicalRecord(record, originalTtl)).sort(Buffer.compare),
    ];
    const isTrue = verify(
      "sha256",
      Buffer.concat(signed),
      { key: publicKeyOf(key), dsaEncoding: "ieee-p1363" },
      rdata.subarray(signerEnd),
    );
    if (!isTrue) throw new Error(`a false signature over type ${type}`);
    verified++;
  }
  if (verified === 0) throw new Error(`no signature over type ${type} by a key of the zone`);
}

function canonicalRecord({ owner, type, klass, rdata }: RecordAt, ttl: number): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(klass, 2);
  fixed.writeUInt32BE(ttl, 4);
  fixed.writeUInt16BE(rdata.length, 8);
  return Buffer.concat([lowerCase(owner), fixed, rdata]);
}

function publicKeyOf({ rdata }: ZoneKey): ReturnType<typeof createPublicKey> {
  const coordinate = (from: number): string => Buffer.from(rdata.subarray(from, from + 32)).toString("base64url");
  return createPublicKey({ key: { kty: "EC", crv: "P-256", x: coordinate(4), y: coordinate(36) }, format: "jwk" });
}

function nameEnd(bytes: Uint8Array, offset: number): number {
  let at = offset;
  while ((bytes[at] ?? 0) !== 0) at += 1 + (bytes[at] as number);
  return at + 1;
}

function countLabels(name: Uint8Array): number {
  let labels = 0;
  for (let at = 0; (name[at] ?? 0) !== 0; at += 1 + (name[at] as number)) labels++;
  return labels;
}
