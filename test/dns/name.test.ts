import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  countLabelsBelow,
  formatName,
  joinName,
  parseName,
  ROOT_NAME,
  readLabel,
  scanName,
} from "../../src/dns/name.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { codecs, wire } from "./packet.ts";

const label = (length: number): string => "a".repeat(length);
const longest = [label(63), label(63), label(63), label(61)].join(".");

describe("scanning names", () => {
  for (const [what, bytes] of [
    ["nothing", []],
    ["a name without its end", [1, 97]],
    ["a label that is cut", [3, 97, 98]],
    ["a length byte of 64", [64, ...new Array(64).fill(97), 0]],
    ["a length byte of 0x80", [0x80, 97, 0]],
    ["a pointer to itself", [0xc0, 0x00]],
    ["a pointer behind a label", [1, 97, 0xc0, 0x00]],
    ["half a pointer", [0xc0]],
    ["a name of 256 bytes", [...wire([label(63), label(63), label(63), label(62)].join("."))]],
    ["128 labels", [...wire(new Array(128).fill("a").join("."))]],
  ] as [string, number[]][]) {
    it(`refuses ${what}`, () => assert.equal(scanName(Uint8Array.from(bytes), 0), undefined));
  }

  it("takes a name of 255 bytes, and 127 labels, and the root", () => {
    assert.equal(scanName(wire(longest), 0)?.end, 255);
    assert.equal(scanName(wire(new Array(127).fill("a").join(".")), 0)?.labelOffsets.length, 127);
    assert.deepEqual(scanName(Uint8Array.of(0), 0), { labelOffsets: [], end: 1 });
  });

  it("reads at an offset, and stops at the end of the name", () => {
    const bytes = concatBytes(Uint8Array.of(9, 9, 9), wire("a.bc"), Uint8Array.of(7));
    assert.deepEqual(scanName(bytes, 3), { labelOffsets: [3, 5], end: 9 });
    assert.equal(readLabel(bytes, 5), "bc");
  });

  it("agrees with dns-packet about which bytes are a name, and where it ends", () => {
    const bytes = fc.uint8Array({ maxLength: 40 });
    const shaped = fc
      .array(fc.tuple(fc.integer({ min: 1, max: 66 }), fc.uint8Array({ minLength: 66, maxLength: 66 })), {
        maxLength: 6,
      })
      .map((labels) =>
        concatBytes(...labels.map(([n, b]) => concatBytes(Uint8Array.of(n), b.subarray(0, n))), ROOT_NAME),
      );
    fc.assert(
      fc.property(fc.oneof(bytes, shaped), (input) => {
        // dns-packet would read past the end as zero, and follows pointers.
        const ours = scanName(input, 0);
        let theirs: number | undefined;
        try {
          codecs.name.decode(Buffer.from(input));
          theirs = codecs.name.decode.bytes;
        } catch {
          theirs = undefined;
        }
        if (ours !== undefined) assert.equal(theirs, ours.end);
        else if (theirs !== undefined) assert.ok(theirs > input.length || [...input].some((b) => b >= 0xc0));
      }),
      { numRuns: 3000 },
    );
  });
});

describe("names in a zone", () => {
  const zone = parseName("l.example.org");
  const count = (name: Uint8Array): number | undefined => {
    const scanned = scanName(name, 0);
    return scanned === undefined ? undefined : countLabelsBelow(name, scanned, zone);
  };

  it("are the zone and what is below it, in any case of letters", () => {
    assert.equal(count(wire("l.example.org")), 0);
    assert.equal(count(wire("L.eXample.ORG")), 0);
    assert.equal(count(wire("p1.l.example.org")), 1);
    assert.equal(count(wire("a.b.c.L.example.org")), 3);
    assert.equal(count(wire("\\255\\000.l.example.org")), 1);
  });

  for (const name of [
    "xl.example.org",
    "example.org",
    "org",
    "",
    "l.example.org.net",
    "l.example.com",
    "l\\046example.org",
  ]) {
    it(`do not include ${JSON.stringify(name)}`, () => assert.equal(count(wire(name)), undefined));
  }

  it("do not include a name whose label only ends in the zone's bytes", () => {
    // One label that holds the length byte and all of the zone.
    const inside = zone.subarray(0, zone.length - 1);
    assert.equal(count(concatBytes(Uint8Array.of(inside.length), inside, ROOT_NAME)), undefined);
    assert.equal(count(concatBytes(Uint8Array.of(inside.length + 1, 0x61), inside, ROOT_NAME)), undefined);
  });

  it("are compared without case for ASCII letters only", () => {
    const odd = concatBytes(Uint8Array.of(1, 0x4b), ROOT_NAME);
    const scanned = scanName(odd, 0);
    assert.ok(scanned);
    assert.equal(countLabelsBelow(odd, scanned, Uint8Array.of(1, 0x6b, 0)), 0);
    // `[` and `{`, `@` and a grave accent, differ by the bit of case, and are no letters.
    for (const [a, b] of [
      [0x5b, 0x7b],
      [0x40, 0x60],
      [0xc0, 0xe0],
    ] as const) {
      const name = Uint8Array.of(1, a, 0);
      const found = scanName(name, 0);
      assert.ok(found);
      assert.equal(countLabelsBelow(name, found, Uint8Array.of(1, b, 0)), undefined);
    }
  });

  it("are all names in the root", () => {
    const scanned = scanName(zone, 0);
    assert.ok(scanned);
    assert.equal(countLabelsBelow(zone, scanned, ROOT_NAME), 3);
  });
});

describe("names as an operator writes them", () => {
  it("may end in a dot, and are lower-cased", () => {
    assert.deepEqual(parseName("L.Example.org."), wire("l.example.org"));
    assert.deepEqual(parseName("l.example.org"), wire("l.example.org"));
    assert.deepEqual(parseName("_dns.xn--74h.x-1"), wire("_dns.xn--74h.x-1"));
    assert.equal(parseName(longest).length, 255);
  });

  for (const [text, why] of [
    ["", /empty/],
    [".", /root/],
    ["..", /empty label/],
    [".example.org", /empty label/],
    ["l..example.org", /empty label/],
    ["l.example.org..", /empty label/],
    ["l.example.org ", /letters, digits/],
    ["l.exam ple.org", /letters, digits/],
    ["l.example.org\n", /letters, digits/],
    ["l.exämple.org", /xn--/],
    ["\u212aelvin.org", /xn--/],
    ["l\\046example.org", /letters, digits/],
    ["l.example.org/x", /letters, digits/],
    ["127.0.0.1:53", /letters, digits/],
    [`${label(64)}.org`, /63/],
    [`${longest}a`, /253/],
    ["a.".repeat(128), /253/],
  ] as [string, RegExp][]) {
    it(`refuses ${JSON.stringify(text.slice(0, 30))} and says why`, () => {
      assert.throws(
        () => parseName(text),
        (error) => isProofdnsError(error, "MALFORMED_NAME") && why.test(error.message),
      );
    });
  }

  it("are formatted with escapes, one text a name", () => {
    assert.equal(formatName(ROOT_NAME), ".");
    assert.equal(formatName(wire("a.B-1")), "a.B-1.");
    assert.equal(formatName(Uint8Array.of(4, 0x2e, 0x5c, 0x00, 0xff, 0)), "\\.\\\\\\000\\255.");
    assert.throws(() => formatName(Uint8Array.of(1, 97)), TypeError);
    assert.throws(() => formatName(Uint8Array.of(0, 0)), TypeError);
  });

  it("are joined only if they fit", () => {
    const zone = wire("org");
    assert.deepEqual(joinName(["a", "b"], zone), wire("a.b.org"));
    assert.deepEqual(joinName([], zone), zone);
    assert.deepEqual(joinName(["a.b\u00ff"], ROOT_NAME), Uint8Array.of(4, 97, 46, 98, 255, 0));
    assert.equal(joinName([""], zone), undefined);
    assert.equal(joinName([label(64)], zone), undefined);
    assert.equal(joinName(["\u0100"], zone), undefined);
    assert.equal(joinName([label(63), label(63), label(63), label(58)], zone), undefined);
    assert.equal(joinName([label(63), label(63), label(63), label(57)], zone)?.length, 255);
  });

  it("encode as dns-packet does", () => {
    const name = fc.array(fc.string({ unit: fc.constantFrom(..."az09-_"), minLength: 1, maxLength: 63 }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(name, (labels) => {
        const text = labels.join(".");
        if (text.length > 253) return;
        assert.deepEqual(parseName(text), Uint8Array.from(codecs.name.encode(text)));
      }),
    );
  });
});
