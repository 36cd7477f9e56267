import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ALGORITHM, makeZoneKeys } from "../../src/dns/dnssec/index.ts";
import { makeZone, type Zone } from "../../src/dns/zone.ts";
import type { ResponderConfig } from "../../src/service/responder-config.ts";
import { checkSigning } from "../../src/service/self-check.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";

const NOW = 1_800_000_000;
const zone = makeZone({
  apex: "l.example.org",
  nameServers: [{ name: "ns1.l.example.org", addresses: ["192.0.2.1"] }, { name: "ns.other.example" }],
  hostmaster: "Host.Master@Example.ORG",
});
const config = (changed: Partial<ResponderConfig> = {}): ResponderConfig => ({
  zone,
  keys: makeZoneKeys("l.example.org", ALGORITHM.ECDSAP256SHA256, NOW),
  cookieSecrets: [],
  rateLimit: undefined,
  nsid: undefined,
  cacheSize: 0,
  seed: 0,
  trace: undefined,
  ...changed,
});
const refused = (error: unknown): boolean => isProofdnsError(error, "KEY_UNUSABLE");

describe("the check of what is signed", () => {
  it("passes for both algorithms, and for an unsigned zone", () => {
    checkSigning(config(), NOW);
    checkSigning(config({ keys: makeZoneKeys("l.example.org", ALGORITHM.ED25519, NOW) }), NOW);
    checkSigning(config({ keys: undefined }), NOW);
  });

  it("passes for a mailbox that was written with capitals, which are not signed", () => {
    assert.equal(Buffer.from(zone.rname.wire).toString("latin1").includes("host.master"), true);
  });

  it("refuses an SOA that a validator would see otherwise than it is signed", () => {
    const wire = zone.rname.wire.slice();
    wire[1] = 0x48;
    const bad: Zone = { ...zone, rname: { ...zone.rname, wire } };
    assert.throws(() => checkSigning(config({ zone: bad }), NOW), refused);
  });

  it("refuses keys of another zone", () => {
    const keys = makeZoneKeys("m.example.org", ALGORITHM.ECDSAP256SHA256, NOW);
    assert.throws(() => checkSigning(config({ keys }), NOW), refused);
  });
});
