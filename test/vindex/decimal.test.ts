import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { compareDigits, parseDecimal } from "../../src/vindex/decimal.ts";
import { inBoundedTime, longTexts, safeInteger } from "./samples.ts";

describe("decimals", () => {
  it("parses what a number formats to", () => {
    fc.assert(fc.property(safeInteger, (value) => assert.equal(parseDecimal(String(value)), value)));
    assert.equal(parseDecimal("9007199254740991"), 2 ** 53 - 1);
  });

  it("accepts nothing but what the value formats to", () => {
    const texts = fc.string({ unit: fc.constantFrom(..."0123456789+-. e\nx\u0660"), maxLength: 6 });
    fc.assert(
      fc.property(texts, (text) => {
        const value = parseDecimal(text);
        assert.equal(value !== undefined, /^[0-9]+$/.test(text) && String(Number(text)) === text);
      }),
      { numRuns: 5000 },
    );
  });

  it("refuses signs, spaces, leading zeros, exponents, hexadecimals and other digits", () => {
    const wrong = [
      "",
      " ",
      "+1",
      "-0",
      "-1",
      " 1",
      "1 ",
      "1\n",
      "\n1",
      "00",
      "01",
      "1e3",
      "0x10",
      "0b1",
      "1_000",
      "1,0",
      "1.0",
      ".5",
    ];
    for (const text of [...wrong, "\u0661", "\uff11", "Infinity", "NaN", "null", "1n"]) {
      assert.equal(parseDecimal(text), undefined, JSON.stringify(text));
    }
  });

  it("refuses what no safe integer is", () => {
    for (const text of [
      "9007199254740992",
      "9007199254740993",
      "9999999999999999",
      "10000000000000000",
      "18446744073709551616",
    ]) {
      assert.equal(parseDecimal(text), undefined, text);
    }
  });

  it("refuses long texts in bounded time", () => {
    for (const text of longTexts()) inBoundedTime("parseDecimal", () => assert.equal(parseDecimal(text), undefined));
  });

  it("compares digits of any length as big integers do", () => {
    const digits = fc.oneof(fc.bigInt({ min: 0n, max: 10n ** 40n }), fc.bigInt({ min: 0n, max: 120n })).map(String);
    fc.assert(
      fc.property(digits, digits, (a, b) => {
        const [x, y] = [BigInt(a), BigInt(b)];
        assert.equal(Math.sign(compareDigits(a, b)), x < y ? -1 : x > y ? 1 : 0);
      }),
    );
  });
});
