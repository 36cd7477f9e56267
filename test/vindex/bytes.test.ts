import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  compareBytes,
  compareText,
  concatBytes,
  decodeUtf8,
  encodeUtf8,
  equalBytes,
  formatHex,
  parseHex,
} from "../../src/vindex/bytes.ts";
import { anyText, inBoundedTime, longTexts, offsetView } from "./samples.ts";

const bytes = fc.uint8Array({ maxLength: 20 });
const few = fc.array(fc.constantFrom(0, 1, 127, 128, 255), { maxLength: 4 }).map((list) => Uint8Array.from(list));

describe("bytes", () => {
  it("concatenates views and copies them", () => {
    fc.assert(
      fc.property(fc.array(bytes), (parts) => {
        const views = parts.map(offsetView);
        const joined = concatBytes(...views);
        for (const view of views) view.fill(7);
        assert.deepEqual(Buffer.from(joined), Buffer.concat(parts));
      }),
    );
  });

  it("compares as the platform does", () => {
    fc.assert(
      fc.property(few, few, (a, b) => {
        assert.equal(Math.sign(compareBytes(a, b)), Buffer.compare(a, b));
        assert.equal(equalBytes(a, b), Buffer.compare(a, b) === 0);
      }),
    );
  });

  it("does not take a prefix for the same", () => {
    assert.equal(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1)), false);
    assert.equal(equalBytes(Uint8Array.of(1), Uint8Array.of(1, 0)), false);
    assert.ok(compareBytes(Uint8Array.of(1), Uint8Array.of(1, 0)) < 0);
  });

  it("orders texts by their bytes, not by UTF-16 units", () => {
    assert.ok(compareText("\uff5e", "\u{1f600}") < 0);
    assert.ok("\uff5e" > "\u{1f600}");
    fc.assert(
      fc.property(anyText, anyText, (a, b) => {
        assert.equal(Math.sign(compareText(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
    );
  });
});

describe("hex", () => {
  it("formats and parses any bytes as the platform does", () => {
    fc.assert(
      fc.property(bytes, (b) => {
        assert.equal(formatHex(offsetView(b)), Buffer.from(b).toString("hex"));
        assert.deepEqual(parseHex(formatHex(b)), b);
      }),
    );
  });

  it("refuses odd lengths, upper case and everything else", () => {
    for (const text of [
      "0",
      "abc",
      "AB",
      "aB",
      "0x",
      "zz",
      " 00",
      "00 ",
      "00\n",
      "\n",
      "0\u0660",
      "+1",
      "-1",
      "1.",
      "\uff10\uff10",
    ]) {
      assert.equal(parseHex(text), undefined, JSON.stringify(text));
    }
  });
});

describe("UTF-8", () => {
  it("decodes what it encoded", () => {
    fc.assert(fc.property(anyText, (text) => assert.equal(decodeUtf8(encodeUtf8(text)), text)));
  });

  it("encodes what it decoded, and refuses the rest", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 8 }), (b) => {
        const text = decodeUtf8(offsetView(b));
        if (text !== undefined) assert.deepEqual(encodeUtf8(text), b);
      }),
      { numRuns: 2000 },
    );
  });

  it("keeps a byte order mark", () => {
    const mark = Uint8Array.of(0xef, 0xbb, 0xbf, 0x61);
    assert.equal(decodeUtf8(mark), "\ufeffa");
    assert.deepEqual(encodeUtf8("\ufeffa"), mark);
  });

  it("refuses overlong forms, surrogates, cut sequences and stray bytes", () => {
    const wrong = [
      [0xff],
      [0x80],
      [0xc0, 0x80],
      [0xc1, 0xbf],
      [0xe0, 0x80, 0x80],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
    ];
    for (const b of [...wrong, [0xc3], [0xe2, 0x80], [0x61, 0xf0, 0x9f, 0x98], [0xf8, 0x88, 0x80, 0x80, 0x80]]) {
      assert.equal(decodeUtf8(Uint8Array.from(b)), undefined, String(b));
    }
  });

  it("is not left in the middle of a refused text", () => {
    assert.equal(decodeUtf8(Uint8Array.of(0xe2, 0x80)), undefined);
    assert.equal(decodeUtf8(Uint8Array.of(0x94)), undefined);
    assert.equal(decodeUtf8(Uint8Array.of(0x61)), "a");
  });

  it("reads long inputs in bounded time", () => {
    for (const text of longTexts()) inBoundedTime("bytes", () => [parseHex(text), decodeUtf8(encodeUtf8(text))]);
  });
});
