import assert from "node:assert/strict";
import { isIPv4, isIPv6 } from "node:net";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseIpv4, parseIpv6 } from "../../src/dns/address.ts";
import { addressGroup, parseAskerAddress } from "../../src/dns/asker.ts";
import { formatHex } from "../../src/vindex/bytes.ts";

const hex = (bytes: Uint8Array | undefined): string | undefined => (bytes === undefined ? undefined : formatHex(bytes));

/** Texts of what addresses are made of: most are none, many nearly are. */
const nearly = fc
  .array(fc.constantFrom(":", "::", ".", "0", "1", "12", "255", "256", "ffff", "FE80", "0a", "00001", "g", "%", " "), {
    maxLength: 18,
  })
  .map((parts) => parts.join(""));
const groups = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 9 })
  .map((list) => list.map((g) => g.toString(16)).join(":"));
const withGap = fc.tuple(groups, groups).map(([a, b]) => `${a}::${b}`);

describe("addresses", () => {
  it("are those that Node takes", () => {
    fc.assert(
      fc.property(fc.oneof(nearly, groups, withGap, fc.ipV4(), fc.ipV6()), (text) => {
        assert.equal(parseIpv4(text) !== undefined, isIPv4(text), text);
        assert.equal(parseIpv6(text) !== undefined, isIPv6(text) && !text.includes("%"), text);
      }),
      { numRuns: 3000 },
    );
  });

  it("have the bytes that a URL's host has", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV6(),
          withGap.filter((text) => isIPv6(text)),
        ),
        (text) => {
          const canonical = new URL(`http://[${text}]`).hostname.slice(1, -1);
          assert.equal(hex(parseIpv6(text)), hex(parseIpv6(canonical)), text);
          const [left = "", right] = canonical.split("::");
          const pad = (part: string): string[] => (part === "" ? [] : part.split(":").map((g) => g.padStart(4, "0")));
          const known = [pad(left), pad(right ?? "")];
          const zeros = Array.from({ length: 8 - known.flat().length }, () => "0000");
          assert.equal(hex(parseIpv6(text)), [...(known[0] ?? []), ...zeros, ...(known[1] ?? [])].join(""), text);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("are refused if they are long, cut off or something else", () => {
    for (const text of [
      "",
      ":",
      ":::",
      "1:",
      ":1",
      "1::2::3",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7::8",
      "::1.2.3",
      "::1.2.3.4.5",
      "::1.2.3.4:5",
      "1.2.3.4::",
      "::01.2.3.4",
      "1:2:3:4:5:6:7:1.2.3.4",
      "::12345",
      "::g",
      "::1%eth0",
      `::${"0".repeat(50)}1`,
      "::1 ",
      "::1\n",
    ]) {
      assert.equal(parseIpv6(text), undefined, text);
    }
  });
});

describe("an asker", () => {
  it("has the bytes of its address, without a zone, and IPv4 as such", () => {
    assert.equal(hex(parseAskerAddress("192.0.2.1")), "c0000201");
    assert.equal(hex(parseAskerAddress("::ffff:192.0.2.1")), "c0000201");
    assert.equal(hex(parseAskerAddress("::ffff:c000:201")), "c0000201");
    assert.equal(hex(parseAskerAddress("::fffe:c000:201")), "00000000000000000000fffec0000201");
    assert.equal(hex(parseAskerAddress("2001:db8::1")), "20010db8000000000000000000000001");
    assert.equal(hex(parseAskerAddress("fe80::1%eth0")), "fe800000000000000000000000000001");
    for (const text of ["", "localhost", "192.0.2", "192.0.2.1%eth0", "%eth0", "192.0.2.1:53"]) {
      assert.equal(parseAskerAddress(text), undefined, text);
    }
  });

  it("is counted by its IPv4 address, or by the /64 of its IPv6 address", () => {
    const group = (text: string): number | string => addressGroup(parseAskerAddress(text) ?? assert.fail(text));
    assert.equal(group("192.0.2.1"), group("::ffff:192.0.2.1"));
    assert.notEqual(group("192.0.2.1"), group("192.0.2.2"));
    assert.notEqual(group("192.0.2.1"), group("191.0.2.1"));
    assert.notEqual(group("200.0.2.1"), group("72.0.2.1"));
    assert.equal(group("2001:db8::1"), group("2001:db8::ffff:0:0:2"));
    assert.notEqual(group("2001:db8::1"), group("2001:db8:0:1::1"));
    assert.notEqual(group("2001:db8::1"), group("2001:db9::1"));
    assert.equal(group("fe80::1%eth0"), group("fe80::2%eth1"));
  });
});
