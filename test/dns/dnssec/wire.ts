import { createPrivateKey, type KeyObject } from "node:crypto";
import dnsPacket from "dns-packet";
import { ALGORITHM, type Algorithm } from "../../../src/dns/dnssec/algorithm.ts";
import type { Rrsig } from "../../../src/dns/dnssec/rrsig.ts";
import { concatBytes } from "../../../src/vindex/bytes.ts";
import { u16 } from "../packet.ts";

export { u16, wire } from "../packet.ts";

/** Codecs that dns-packet has beyond its types. RDATA stands behind its length. */
export const codecs = dnsPacket as unknown as {
  readonly rrsig: { decode(bytes: Buffer): Record<string, unknown> };
  readonly dnskey: { decode(bytes: Buffer): { flags: number; algorithm: number; key: Buffer } };
  readonly ds: { decode(bytes: Buffer): { keyTag: number; algorithm: number; digestType: number; digest: Buffer } };
  readonly nsec: {
    encode(nsec: { nextDomain: string; rrtypes: string[] }): Buffer;
    decode(bytes: Buffer): { nextDomain: string; rrtypes: string[] };
  };
};

/** RDATA behind its length, as dns-packet's decoders take it. */
export function framed(rdata: Uint8Array): Buffer {
  return Buffer.concat([u16(rdata.length), rdata]);
}

export function u32(value: number): Uint8Array {
  return concatBytes(u16(Math.floor(value / 0x10000) & 0xffff), u16(value & 0xffff));
}

/** RRSIG RDATA of its fields. */
export function rrsigRdata(rrsig: Rrsig): Uint8Array {
  return concatBytes(
    u16(rrsig.typeCovered),
    Uint8Array.of(rrsig.algorithm, rrsig.labels),
    u32(rrsig.originalTtl),
    u32(rrsig.expiration),
    u32(rrsig.inception),
    u16(rrsig.keyTag),
    rrsig.signer,
    rrsig.signature,
  );
}

/** A private key of its 32 bytes, as RFCs print it. */
export function privateKeyOf(algorithm: Algorithm, secret: Uint8Array, publicKey: Uint8Array): KeyObject {
  const text = (part: Uint8Array): string => Buffer.from(part).toString("base64url");
  const key =
    algorithm === ALGORITHM.ED25519
      ? { kty: "OKP", crv: "Ed25519", d: text(secret), x: text(publicKey) }
      : {
          kty: "EC",
          crv: "P-256",
          d: text(secret),
          x: text(publicKey.subarray(0, 32)),
          y: text(publicKey.subarray(32)),
        };
  return createPrivateKey({ key, format: "jwk" });
}

/**
 * Text that sorts as names do in canonical order (RFC 4034 §6.1): the labels from the right, a byte as one unit above
 * zero, zero between.
 */
export function sortKey(name: Uint8Array): string {
  const units = new Uint16Array(name.length);
  let end = name.length - 1;
  for (let at = 0; name[at] !== 0; ) {
    const length = name[at] as number;
    end -= length + 1;
    for (let i = 0; i < length; i++) {
      const byte = name[at + 1 + i] as number;
      units[end + i] = 1 + (byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte);
    }
    at += 1 + length;
  }
  return String.fromCharCode(...units.subarray(0, name.length - 1));
}
