import { type KeyObject, verify } from "node:crypto";
import { compareBytes, concatBytes, equalBytes } from "../../vindex/bytes.ts";
import { ProofdnsError } from "../../vindex/error.ts";
import { CLASS_IN, readUint16, readUint32 } from "../message.ts";
import { countLabelsBelow, scanName, type WireName } from "../name.ts";
import { ALGORITHM, importPublicKey, isAlgorithm, SIGNATURE_LENGTH } from "./algorithm.ts";
import { computeKeyTag, DNSKEY_FIXED_LENGTH } from "./dnskey.ts";

/** Length of what precedes the signer's name in RRSIG RDATA. */
export const RRSIG_FIXED_LENGTH = 18;

/** What the RDATA of an RRSIG says; the two byte arrays alias it. */
export interface Rrsig {
  readonly typeCovered: number;
  readonly algorithm: number;
  readonly labels: number;
  readonly originalTtl: number;
  /** Seconds modulo 2^32, as inception. */
  readonly expiration: number;
  readonly inception: number;
  readonly keyTag: number;
  readonly signer: WireName;
  readonly signature: Uint8Array;
}

/** Records of one name and type, with whole lower-case names in their RDATA. */
export interface Rrset {
  /** In lower case. */
  readonly owner: WireName;
  readonly type: number;
  /** As received, or undefined if it is not known. */
  readonly ttl?: number;
  readonly rdatas: readonly Uint8Array[];
}

/**
 * Decodes RRSIG RDATA (RFC 4034 §3.1); undefined if it is cut off:
 *
 *     u16 type covered ‖ u8 algorithm ‖ u8 labels ‖ u32 original TTL ‖ u32 expiration ‖ u32 inception ‖ u16 key tag ‖
 *     signer's name ‖ signature
 */
export function decodeRrsig(rdata: Uint8Array): Rrsig | undefined {
  const signer = rdata.length < RRSIG_FIXED_LENGTH ? undefined : scanName(rdata, RRSIG_FIXED_LENGTH);
  if (signer === undefined) return undefined;
  return {
    typeCovered: readUint16(rdata, 0),
    algorithm: rdata[2] as number,
    labels: rdata[3] as number,
    originalTtl: readUint32(rdata, 4),
    expiration: readUint32(rdata, 8),
    inception: readUint32(rdata, 12),
    keyTag: readUint16(rdata, 16),
    signer: rdata.subarray(RRSIG_FIXED_LENGTH, signer.end),
    signature: rdata.subarray(signer.end),
  };
}

/**
 * Verifies an RRSIG over `rrset` with one of the DNSKEY RDATAs of `zone` at `now`, as a validator does (RFC 4035 §5.3),
 * and returns what it says. For the check of the own signatures at a start, and for tests: it shares no code with the
 * signer, knows no wildcards, and trusts the keys that it is given.
 *
 * @throws ProofdnsError `BAD_SIGNATURE`, with a message that names the first thing that is wrong
 */
export function verifyRrsig(
  rrset: Rrset,
  rdata: Uint8Array,
  zone: WireName,
  dnskeys: readonly Uint8Array[],
  now: number,
): Rrsig {
  const refuse = (why: string): never => {
    throw new ProofdnsError("BAD_SIGNATURE", `RRSIG of type ${rrset.type}: ${why}`);
  };
  const rrsig = decodeRrsig(rdata);
  if (rrsig === undefined) return refuse("it is cut off");
  if (rrsig.typeCovered !== rrset.type) return refuse(`it covers type ${rrsig.typeCovered}`);
  if (!equalBytes(rrsig.signer, zone)) return refuse("another zone has signed it");
  const name = scanName(rrset.owner, 0);
  if (name === undefined || countLabelsBelow(rrset.owner, name, zone) === undefined) return refuse("not of the zone");
  // A leftmost `*` is not counted (RFC 4034 §3.1.3).
  const isStar = rrset.owner[0] === 1 && rrset.owner[1] === 0x2a;
  if (rrsig.labels !== name.labelOffsets.length - (isStar ? 1 : 0))
    return refuse(`it is for a name of ${rrsig.labels} labels`);
  if (rrset.ttl !== undefined && rrset.ttl > rrsig.originalTtl) return refuse("the TTL is above the original one");
  // Times are 32 bits of a sequence without an end (RFC 1982): what counts is the signed difference.
  if (((now - rrsig.inception) | 0) < 0) return refuse("it is not yet valid");
  if (((rrsig.expiration - now) | 0) < 0) return refuse("it has expired");
  const keys = dnskeys.flatMap((dnskey) => candidate(dnskey, rrsig) ?? []);
  if (keys.length === 0) return refuse(`no key of algorithm ${rrsig.algorithm} with tag ${rrsig.keyTag}`);
  if (rrsig.signature.length !== SIGNATURE_LENGTH) return refuse(`signature of ${rrsig.signature.length} bytes`);
  const data = concatBytes(
    rdata.subarray(0, rdata.length - SIGNATURE_LENGTH),
    canonicalRrset(rrset, rrsig.originalTtl),
  );
  const digest = rrsig.algorithm === ALGORITHM.ED25519 ? null : "sha256";
  for (const key of keys) {
    if (verify(digest, data, { key, dsaEncoding: "ieee-p1363" }, rrsig.signature)) return rrsig;
  }
  return refuse("the signature does not fit");
}

/** The records in canonical order and form (RFC 4034 §6). */
function canonicalRrset(rrset: Rrset, originalTtl: number): Uint8Array {
  const sorted = [...rrset.rdatas].sort(compareBytes);
  return concatBytes(
    ...sorted.flatMap((rdata) => {
      const fixed = new DataView(new ArrayBuffer(10));
      fixed.setUint16(0, rrset.type);
      fixed.setUint16(2, CLASS_IN);
      fixed.setUint32(4, originalTtl);
      fixed.setUint16(8, rdata.length);
      return [rrset.owner, new Uint8Array(fixed.buffer), rdata];
    }),
  );
}

/** The public key of a DNSKEY that may have made a signature. */
function candidate(dnskey: Uint8Array, rrsig: Rrsig): KeyObject | undefined {
  const algorithm = dnskey[3];
  if (algorithm === undefined || !isAlgorithm(algorithm) || algorithm !== rrsig.algorithm) return undefined;
  if (computeKeyTag(dnskey) !== rrsig.keyTag) return undefined;
  return importPublicKey(algorithm, dnskey.subarray(DNSKEY_FIXED_LENGTH));
}
