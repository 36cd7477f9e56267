import { formatBase64 } from "../../vindex/base64.ts";
import { concatBytes, formatHex } from "../../vindex/bytes.ts";
import { nodeSha256 } from "../../vindex/platform.ts";
import { readUint16 } from "../message.ts";
import type { WireName } from "../name.ts";
import { type Algorithm, publicKeyLength } from "./algorithm.ts";

/** ZONE and SEP: a key that signs the zone, and that the parent's DS names (RFC 4034 §2.1.1). */
const FLAGS = 257;
const PROTOCOL = 3;
/** SHA-256 (RFC 4509). */
const DIGEST_TYPE = 2;

/** Offset of the public key in DNSKEY RDATA. */
export const DNSKEY_FIXED_LENGTH = 4;

/**
 * Encodes DNSKEY RDATA (RFC 4034 §2.1); a CDNSKEY has the same (RFC 7344 §3.2):
 *
 *     u16 flags (257) ‖ u8 protocol (3) ‖ u8 algorithm ‖ public key
 *
 * @throws RangeError if the public key is not of the algorithm's length
 */
export function encodeDnskey(algorithm: Algorithm, publicKey: Uint8Array): Uint8Array {
  if (publicKey.length !== publicKeyLength(algorithm)) throw new RangeError(`public key of ${publicKey.length} bytes`);
  return concatBytes(Uint8Array.of(FLAGS >> 8, FLAGS & 0xff, PROTOCOL, algorithm), publicKey);
}

/** Key tag of DNSKEY RDATA (RFC 4034 Appendix B): 0 to 65535. Two keys may have the same. */
export function computeKeyTag(dnskey: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < dnskey.length; i++) sum += (i & 1) === 0 ? (dnskey[i] as number) << 8 : (dnskey[i] as number);
  return (sum + (sum >> 16)) & 0xffff;
}

/**
 * Computes DS RDATA with digest type 2 (RFC 4034 §5.1, RFC 4509); a CDS has the same (RFC 7344 §3.1):
 *
 *     u16 key tag ‖ u8 algorithm ‖ u8 digest type (2) ‖ SHA-256(owner ‖ DNSKEY RDATA)
 *
 * `owner` is the zone's name in lower case.
 */
export function computeDs(owner: WireName, dnskey: Uint8Array): Uint8Array {
  const keyTag = computeKeyTag(dnskey);
  const head = Uint8Array.of(keyTag >> 8, keyTag & 0xff, dnskey[3] as number, DIGEST_TYPE);
  return concatBytes(head, nodeSha256(concatBytes(owner, dnskey)));
}

/** Formats DS RDATA as in a zone file: `12345 13 2 0A1B…`. */
export function formatDs(ds: Uint8Array): string {
  return `${readUint16(ds, 0)} ${ds[2]} ${ds[3]} ${formatHex(ds.subarray(4)).toUpperCase()}`;
}

/** Formats DNSKEY RDATA as in a zone file: `257 3 13 <base64>`. */
export function formatDnskey(dnskey: Uint8Array): string {
  return `${readUint16(dnskey, 0)} ${dnskey[2]} ${dnskey[3]} ${formatBase64(dnskey.subarray(DNSKEY_FIXED_LENGTH))}`;
}
