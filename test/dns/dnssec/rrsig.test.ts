import assert from "node:assert/strict";
import { sign } from "node:crypto";
import { describe, it } from "node:test";
import { publicKeyBytes } from "../../../src/dns/dnssec/algorithm.ts";
import { encodeDnskey } from "../../../src/dns/dnssec/dnskey.ts";
import { decodeRrsig, type Rrset, type Rrsig, verifyRrsig } from "../../../src/dns/dnssec/rrsig.ts";
import { makeZoneKey } from "../../../src/dns/dnssec/zone-keys.ts";
import { parseName } from "../../../src/dns/name.ts";
import { concatBytes } from "../../../src/vindex/bytes.ts";
import { rrsigRdata, u16, u32 } from "./wire.ts";

const APEX = parseName("l.example.org");
const OWNER = parseName("a.l.example.org");
const NOW = 1_790_000_000;
const key = makeZoneKey(15, "active", NOW);
const dnskey = encodeDnskey(15, publicKeyBytes(key.privateKey));
const rrset: Rrset = { owner: OWNER, type: 16, ttl: 300, rdatas: [Uint8Array.of(1, 65)] };
const fields: Rrsig = {
  typeCovered: 16,
  algorithm: 15,
  labels: 4,
  originalTtl: 300,
  expiration: NOW + 100,
  inception: NOW - 100,
  keyTag: key.keyTag,
  signer: APEX,
  signature: new Uint8Array(),
};

/** RRSIG RDATA with these fields and the signature that belongs to them. */
function signed(change: Partial<Rrsig>, over: Rrset = rrset): Uint8Array {
  const unsigned = { ...fields, ...change, signature: new Uint8Array() };
  const head = rrsigRdata(unsigned);
  const records = over.rdatas.map((rdata) =>
    concatBytes(over.owner, u16(over.type), u16(1), u32(unsigned.originalTtl), u16(rdata.length), rdata),
  );
  return concatBytes(head, sign(null, concatBytes(head, ...records), key.privateKey));
}

describe("an RRSIG made by hand", () => {
  it("is taken if all is well, and gives its fields", () => {
    const rdata = signed({});
    const { signature, ...rest } = verifyRrsig(rrset, rdata, APEX, [dnskey], NOW);
    assert.deepEqual({ ...rest, signature: new Uint8Array() }, fields);
    assert.deepEqual(signature, rdata.slice(-64));
    assert.equal(verifyRrsig({ ...rrset, ttl: 0 }, rdata, APEX, [dnskey], NOW).originalTtl, 300);
  });

  const bad: Record<string, readonly [RegExp, Uint8Array, Rrset?]> = {
    "another type covered": [/covers type 1$/, signed({ typeCovered: 1 })],
    "the signer above the zone": [/another zone/, signed({ signer: parseName("example.org") })],
    "the signer below the zone": [/another zone/, signed({ signer: OWNER })],
    "a label count too small, as for a wildcard": [/3 labels/, signed({ labels: 3 })],
    "a label count too large": [/5 labels/, signed({ labels: 5 })],
    "an original TTL below the TTL": [/TTL/, signed({ originalTtl: 299 })],
    "an inception to come": [/not yet/, signed({ inception: NOW + 1 })],
    "an expiration that has passed": [/expired/, signed({ expiration: NOW - 1 })],
    "another key tag": [/no key/, signed({ keyTag: key.keyTag ^ 1 })],
    "another algorithm": [/no key/, signed({ algorithm: 13 })],
    "an unknown algorithm": [/no key/, signed({ algorithm: 8 })],
    "an owner outside the zone": [
      /not of the zone/,
      signed({}, { ...rrset, owner: parseName("a.xl.example.org") }),
      { ...rrset, owner: parseName("a.xl.example.org") },
    ],
    "an owner that is no name": [
      /not of the zone/,
      signed({}, { ...rrset, owner: u16(0x4041) }),
      { ...rrset, owner: u16(0x4041) },
    ],
    "records in another order than the canonical one": [
      /does not fit/,
      signed({}, { ...rrset, rdatas: [Uint8Array.of(2), Uint8Array.of(1)] }),
      { ...rrset, rdatas: [Uint8Array.of(2), Uint8Array.of(1)] },
    ],
    "a signature too short": [/signature of 63/, signed({}).subarray(0, -1)],
    "a signer's name that is cut off": [/cut off/, signed({}).subarray(0, 24)],
    nothing: [/cut off/, new Uint8Array()],
  };
  for (const [what, [why, rdata, over = rrset]] of Object.entries(bad)) {
    it(`is refused with ${what}, although it is signed`, () => {
      assert.throws(() => verifyRrsig(over, rdata, APEX, [dnskey], NOW), { code: "BAD_SIGNATURE", message: why });
    });
  }

  it("is refused with keys that are none, and taken beside them", () => {
    const rdata = signed({});
    const offCurve = concatBytes(Uint8Array.of(1, 1, 3, 13), new Uint8Array(64));
    for (const none of [new Uint8Array(), dnskey.subarray(0, 20), offCurve, concatBytes(dnskey, Uint8Array.of(0))]) {
      assert.throws(() => verifyRrsig(rrset, rdata, APEX, [none], NOW), { code: "BAD_SIGNATURE" });
      verifyRrsig(rrset, rdata, APEX, [none, dnskey], NOW);
    }
  });

  it("is decoded up to any cut, or not at all", () => {
    const rdata = signed({});
    for (let length = 0; length < rdata.length; length++) {
      const read = decodeRrsig(rdata.subarray(0, length));
      assert.equal(read !== undefined, length >= 18 + APEX.length, String(length));
    }
  });
});
