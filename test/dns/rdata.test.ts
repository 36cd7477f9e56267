import assert from "node:assert/strict";
import { isIPv4, isIPv6 } from "node:net";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseIpv4, parseIpv6 } from "../../src/dns/address.ts";
import { decodeTxt, encodeModuleTxt, encodeTxt } from "../../src/dns/rdata.ts";
import { concatBytes, encodeUtf8 } from "../../src/vindex/bytes.ts";
import { codecs } from "./packet.ts";

/** The character-strings of RDATA, by another implementation. */
function strings(rdata: Uint8Array): Uint8Array[] {
  const framed = Buffer.concat([Buffer.from([rdata.length >> 8, rdata.length & 255]), rdata]);
  return codecs.txt.decode(framed).map((s) => new Uint8Array(s));
}

describe("TXT rdata", () => {
  it("is strings of up to 255 bytes", () => {
    assert.deepEqual(encodeTxt(new Uint8Array(0)), Uint8Array.of(0));
    assert.deepEqual(encodeTxt(Uint8Array.of(1, 2)), Uint8Array.of(2, 1, 2));
    assert.deepEqual(
      strings(encodeTxt(new Uint8Array(255))).map((s) => s.length),
      [255],
    );
    assert.deepEqual(
      strings(encodeTxt(new Uint8Array(256))).map((s) => s.length),
      [255, 1],
    );
    assert.deepEqual(
      strings(encodeTxt(new Uint8Array(510))).map((s) => s.length),
      [255, 255],
    );
  });

  it("of a module answer begins with the value as a string of its own", () => {
    const rest = new Uint8Array(300).fill(5);
    const rdata = encodeModuleTxt(concatBytes(encodeUtf8("v=v1.0.0 i=1"), rest));
    assert.deepEqual(
      strings(rdata).map((s) => s.length),
      [12, 255, 45],
    );
    assert.equal(Buffer.from(strings(rdata)[0] ?? []).toString(), "v=v1.0.0 i=1");
    const full = encodeModuleTxt(concatBytes(new Uint8Array(255).fill(0x7e), rest));
    assert.deepEqual(
      strings(full).map((s) => s.length),
      [255, 255, 45],
    );
  });

  it("of a module answer ends the value where text ends, at either edge of it", () => {
    assert.deepEqual(encodeModuleTxt(Uint8Array.of(0x20, 0x7e, 0x7f)), Uint8Array.of(2, 0x20, 0x7e, 1, 0x7f));
    assert.deepEqual(encodeModuleTxt(Uint8Array.of(0x20, 0x1f)), Uint8Array.of(1, 0x20, 1, 0x1f));
  });

  it("of an absent module begins with an empty string", () => {
    assert.deepEqual(encodeModuleTxt(Uint8Array.of(6, 0x41)), Uint8Array.of(0, 2, 6, 0x41));
    assert.deepEqual(encodeModuleTxt(new Uint8Array(0)), Uint8Array.of(0));
  });

  it("of a value alone has no empty string behind it", () => {
    assert.deepEqual(encodeModuleTxt(encodeUtf8("a")), Uint8Array.of(1, 0x61));
  });

  it("is not made of a payload or value that is too long", () => {
    assert.equal(encodeTxt(new Uint8Array(64_500)).length, 64_753);
    assert.throws(() => encodeTxt(new Uint8Array(65_001)), RangeError);
    assert.throws(() => encodeModuleTxt(new Uint8Array(65_001)), RangeError);
    assert.throws(() => encodeModuleTxt(new Uint8Array(256).fill(0x61)), RangeError);
  });

  for (const [what, rdata] of [
    ["no string", []],
    ["a string that is cut", [2, 1]],
    ["a length byte at the end", [1, 97, 1]],
    ["a cut last string", [0, 255, 1, 2, 3]],
  ] as [string, number[]][]) {
    it(`with ${what} is refused`, () => assert.equal(decodeTxt(Uint8Array.from(rdata)), undefined));
  }

  it("is read whatever its boundaries", () => {
    assert.deepEqual(decodeTxt(Uint8Array.of(0, 1, 7, 0, 2, 8, 9, 0)), Uint8Array.of(7, 8, 9));
    assert.deepEqual(decodeTxt(Uint8Array.of(0)), new Uint8Array(0));
  });

  it("is read back as what was written", () => {
    const payload = fc.uint8Array({ maxLength: 1200, size: "max" });
    const text = fc.string({ unit: fc.constantFrom(..." ~ab=;"), maxLength: 255 });
    fc.assert(
      fc.property(text, payload, (value, rest) => {
        assert.deepEqual(decodeTxt(encodeTxt(rest)), rest);
        const answer = concatBytes(encodeUtf8(value), Uint8Array.of(5), rest);
        const rdata = encodeModuleTxt(answer);
        assert.deepEqual(decodeTxt(rdata), answer);
        assert.equal(Buffer.from(strings(rdata)[0] ?? []).toString("latin1"), value);
        assert.deepEqual(concatBytes(...strings(encodeTxt(rest))), rest);
      }),
    );
  });
});

describe("addresses", () => {
  it("are read as node reads them", () => {
    const digits = fc.string({ unit: fc.constantFrom(..."0123456789.:afF%x "), maxLength: 20 });
    const groups = fc
      .array(fc.constantFrom("", "0", "1", "ffff", "2001", "db8", "12345", "1.2.3.4"), { minLength: 1, maxLength: 9 })
      .map((parts) => parts.join(":"));
    fc.assert(
      fc.property(fc.oneof(digits, groups, fc.ipV4(), fc.ipV6()), (text) => {
        assert.equal(parseIpv4(text) !== undefined, isIPv4(text), text);
        if (!text.includes("%")) assert.equal(parseIpv6(text) !== undefined, isIPv6(text), text);
        else assert.equal(parseIpv6(text), undefined);
      }),
      { numRuns: 10_000 },
    );
  });

  it("have the bytes that dns-packet reads", () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        // dns-packet 5.6.1 reads some forms wrong (`::0:0:0:0:0:0:10` as `::`), so it gets the usual one.
        const usual = new URL(`http://[${text}]`).hostname.slice(1, -1);
        const rdata = codecs.aaaa.encode(usual);
        assert.deepEqual(parseIpv6(text), Uint8Array.from(rdata.subarray(2)), text);
      }),
    );
    assert.deepEqual(parseIpv6("::ffff:192.0.2.1")?.slice(10), Uint8Array.of(255, 255, 192, 0, 2, 1));
    assert.deepEqual(parseIpv6("::0:0:0:0:0:0.0.0.1")?.slice(14), Uint8Array.of(0, 1));
    assert.deepEqual(parseIpv4("192.0.2.255"), Uint8Array.of(192, 0, 2, 255));
  });

  for (const text of [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "256.1.1.1",
    "1.2.3.4 ",
    "0x1.2.3.4",
    "::1%eth0",
    ":::",
    "1::2::3",
    "[::1]",
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.equal(parseIpv4(text), undefined);
      assert.equal(parseIpv6(text), undefined);
    });
  }
});
