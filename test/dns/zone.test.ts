import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { makeZone, soaRecord, type ZoneConfig } from "../../src/dns/zone.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { wire } from "./packet.ts";

const good: ZoneConfig = {
  apex: "l.example.org",
  nameServers: [{ name: "ns1.l.example.org", addresses: ["192.0.2.1"] }],
  hostmaster: "hostmaster.example.org",
};

describe("zones", () => {
  it("know which of their names are their own", () => {
    const zone = makeZone({ ...good, nameServers: [...good.nameServers, { name: "ns.example.net" }] });
    assert.deepEqual(zone.mname.own, Uint8Array.of(3, 0x6e, 0x73, 0x31));
    assert.equal(zone.rname.own, undefined);
    assert.deepEqual(zone.apex.own, new Uint8Array(0));
    assert.equal(zone.nameServers.length, 2);
    assert.equal(zone.hosts.length, 1);
  });

  it("take a mailbox with an at sign, whose dots before it separate nothing", () => {
    const zone = makeZone({ ...good, hostmaster: "host.master@example.org" });
    assert.deepEqual(zone.rname.wire, wire("host\\046master.example.org"));
  });

  it("give the epoch modulo 2^32 as serial", () => {
    const zone = makeZone(good);
    const numbers = (soaRecord(zone, 2 ** 32 + 5, 300).rdata as Uint8Array[])[2];
    assert.deepEqual(numbers?.subarray(0, 4), Uint8Array.of(0, 0, 0, 5));
    assert.deepEqual(numbers?.subarray(16), Uint8Array.of(0, 0, 1, 44));
  });

  const bad: [what: string, config: Partial<ZoneConfig>, code: "MALFORMED_NAME" | "MALFORMED_INPUT"][] = [
    ["a malformed apex", { apex: "l..org" }, "MALFORMED_NAME"],
    ["the root", { apex: "." }, "MALFORMED_NAME"],
    ["an apex under which index keys do not fit", { apex: "a.".repeat(85) }, "MALFORMED_INPUT"],
    ["no name server", { nameServers: [] }, "MALFORMED_INPUT"],
    ["a malformed name server", { nameServers: [{ name: "ns_1 .l.example.org" }] }, "MALFORMED_NAME"],
    ["a name server given twice", { nameServers: [{ name: "a.org" }, { name: "A.org." }] }, "MALFORMED_INPUT"],
    ["a name server under the log", { nameServers: [{ name: "ns.p1.l.example.org" }] }, "MALFORMED_INPUT"],
    ["a name server that is the log", { nameServers: [{ name: "P1.l.example.org" }] }, "MALFORMED_INPUT"],
    ["a name server under v0", { nameServers: [{ name: "ns.v0.l.example.org" }] }, "MALFORMED_INPUT"],
    [
      "addresses of a foreign name server",
      { nameServers: [{ name: "ns.org", addresses: ["192.0.2.1"] }] },
      "MALFORMED_INPUT",
    ],
    ["a malformed address", { nameServers: [{ name: "ns.l.example.org", addresses: ["192.0.2"] }] }, "MALFORMED_INPUT"],
    [
      "an address given twice",
      { nameServers: [{ name: "ns.l.example.org", addresses: ["::1", "0:0::1"] }] },
      "MALFORMED_INPUT",
    ],
    ["no mailbox", { hostmaster: "" }, "MALFORMED_NAME"],
    ["a mailbox without a person", { hostmaster: "@example.org" }, "MALFORMED_NAME"],
    ["a mailbox without a host", { hostmaster: "hostmaster@" }, "MALFORMED_NAME"],
    ["a mailbox with a space", { hostmaster: "host master@example.org" }, "MALFORMED_NAME"],
  ];
  for (const [what, config, code] of bad) {
    it(`are not made of ${what}`, () => {
      assert.throws(
        () => makeZone({ ...good, ...config }),
        (error) => isProofdnsError(error, code),
      );
    });
  }

  for (const ttl of [-1, 1.5, Number.NaN, 2 ** 31]) {
    it(`have no TTL of ${ttl}`, () => assert.throws(() => makeZone({ ...good, ttls: { newest: ttl } }), RangeError));
  }
});
