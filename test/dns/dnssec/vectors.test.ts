import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ALGORITHM, type Algorithm } from "../../../src/dns/dnssec/algorithm.ts";
import {
  computeDs,
  computeKeyTag,
  DNSKEY_FIXED_LENGTH,
  encodeDnskey,
  formatDnskey,
  formatDs,
} from "../../../src/dns/dnssec/dnskey.ts";
import { decodeRrsig, verifyRrsig } from "../../../src/dns/dnssec/rrsig.ts";
import { ZoneSigner } from "../../../src/dns/dnssec/signer.ts";
import { parseName } from "../../../src/dns/name.ts";
import { concatBytes } from "../../../src/vindex/bytes.ts";
import { privateKeyOf, rrsigRdata, u16 } from "./wire.ts";

/** The examples of RFC 6605 §6.1 and RFC 8080 §6.1. */
const EXAMPLES: readonly {
  readonly from: string;
  readonly zone: string;
  readonly algorithm: Algorithm;
  readonly privateKey: string;
  readonly publicKey: string;
  readonly keyTag: number;
  readonly ds: string;
  readonly owner: string;
  readonly type: number;
  readonly rdata: Uint8Array;
  readonly labels: number;
  readonly expiration: string;
  readonly inception: string;
  readonly signature: string;
}[] = [
  {
    from: "RFC 6605 §6.1",
    zone: "example.net",
    algorithm: ALGORITHM.ECDSAP256SHA256,
    privateKey: "GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ=",
    publicKey: "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==",
    keyTag: 55648,
    ds: "B4C8C1FE2E7477127B27115656AD6256F424625BF5C1E2770CE6D6E37DF61D17",
    owner: "www.example.net",
    type: 1,
    rdata: Uint8Array.of(192, 0, 2, 1),
    labels: 3,
    expiration: "2010-09-09T10:04:39Z",
    inception: "2010-08-12T10:04:39Z",
    signature: "qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==",
  },
  {
    from: "RFC 8080 §6.1, the first",
    zone: "example.com",
    algorithm: ALGORITHM.ED25519,
    privateKey: "ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI=",
    publicKey: "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=",
    keyTag: 3613,
    ds: "3AA5AB37EFCE57F737FC1627013FEE07BDF241BD10F3B1964AB55C78E79A304B",
    owner: "example.com",
    type: 15,
    rdata: concatBytes(u16(10), parseName("mail.example.com")),
    labels: 2,
    expiration: "2015-08-19T22:00:00Z",
    inception: "2015-07-29T22:00:00Z",
    signature: "oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg==",
  },
  {
    from: "RFC 8080 §6.1, the second",
    zone: "example.com",
    algorithm: ALGORITHM.ED25519,
    privateKey: "DSSF3o0s0f+ElWzj9E/Osxw8hLpk55chkmx0LYN5WiY=",
    publicKey: "zPnZ/QwEe7S8C5SPz2OfS5RR40ATk2/rYnE9xHIEijs=",
    keyTag: 35217,
    ds: "401781B934E392DE492EC77AE2E15D70F6575A1C0BC59C5275C04EBE80C6614C",
    owner: "example.com",
    type: 15,
    rdata: concatBytes(u16(10), parseName("mail.example.com")),
    labels: 2,
    expiration: "2015-08-19T22:00:00Z",
    inception: "2015-07-29T22:00:00Z",
    signature: "zXQ0bkYgQTEFyfLyi9QoiY6D8ZdYo4wyUhVioYZXFdT410QPRITQSqJSnzQoSm5poJ7gD7AQR0O7KuI5k2pcBg==",
  },
];

const seconds = (time: string): number => Date.parse(time) / 1000;
const bytes = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, "base64"));

for (const example of EXAMPLES) {
  describe(`the example of ${example.from}`, () => {
    const zone = parseName(example.zone);
    const dnskey = encodeDnskey(example.algorithm, bytes(example.publicKey));
    const rrset = { owner: parseName(example.owner), type: example.type, ttl: 3600, rdatas: [example.rdata] };
    const inception = seconds(example.inception);
    const expiration = seconds(example.expiration);
    const rrsig = rrsigRdata({
      typeCovered: example.type,
      algorithm: example.algorithm,
      labels: example.labels,
      originalTtl: 3600,
      expiration,
      inception,
      keyTag: example.keyTag,
      signer: zone,
      signature: bytes(example.signature),
    });

    it("has the key, key tag and DS of the document", () => {
      assert.equal(formatDnskey(dnskey), `257 3 ${example.algorithm} ${example.publicKey}`);
      assert.equal(computeKeyTag(dnskey), example.keyTag);
      assert.equal(formatDs(computeDs(zone, dnskey)), `${example.keyTag} ${example.algorithm} 2 ${example.ds}`);
    });

    it("has a signature that verifies, from its inception to its expiration and not before or after", () => {
      for (const now of [inception, inception + 1000, expiration]) {
        assert.equal(verifyRrsig(rrset, rrsig, zone, [dnskey], now).keyTag, example.keyTag);
      }
      for (const now of [inception - 1, expiration + 1]) {
        assert.throws(() => verifyRrsig(rrset, rrsig, zone, [dnskey], now), { code: "BAD_SIGNATURE" });
      }
    });

    it("has a private key from which the signer makes the same key, key tag and DS, and signatures that verify", () => {
      const privateKey = privateKeyOf(example.algorithm, bytes(example.privateKey), bytes(example.publicKey));
      const key = { keyTag: example.keyTag, phase: "active", since: 0, privateKey } as const;
      const signer = new ZoneSigner({ zone: example.zone, algorithm: example.algorithm, keys: [key] });
      assert.deepEqual(signer.dnskeyRdatas, [dnskey]);
      assert.deepEqual(signer.ds, [`${example.keyTag} ${example.algorithm} 2 ${example.ds}`]);
      const [made = new Uint8Array()] = signer.sign(
        rrset.owner,
        example.labels,
        example.type,
        3600,
        rrset.rdatas,
        inception + 3600,
      );
      assert.equal(verifyRrsig(rrset, made, zone, [dnskey], inception + 3600).inception, inception);
    });

    it("does not verify with another owner, type, TTL, record, label count or key", () => {
      const now = inception + 1;
      const refuse = (change: object): void => {
        assert.throws(() => verifyRrsig({ ...rrset, ...change }, rrsig, zone, [dnskey], now), {
          code: "BAD_SIGNATURE",
        });
      };
      refuse({ owner: parseName(`x.${example.zone}`) });
      refuse({ type: 16 });
      refuse({ ttl: 3601 });
      refuse({ rdatas: [concatBytes(example.rdata, Uint8Array.of(0))] });
      refuse({ rdatas: [example.rdata, Uint8Array.of(1)] });
      refuse({ rdatas: [] });
      const other = dnskey.slice();
      other[DNSKEY_FIXED_LENGTH] = (other[DNSKEY_FIXED_LENGTH] as number) ^ 1;
      assert.throws(() => verifyRrsig(rrset, rrsig, zone, [other], now), { code: "BAD_SIGNATURE" });
      assert.throws(() => verifyRrsig(rrset, rrsig, zone, [], now), { code: "BAD_SIGNATURE" });
      assert.equal(decodeRrsig(rrsig)?.labels, example.labels);
    });
  });
}
