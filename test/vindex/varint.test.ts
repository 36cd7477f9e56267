import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeVarint, encodeVarint } from "../../src/vindex/varint.ts";
import { offsetView, safeInteger, toHex } from "./samples.ts";

/** The definition, with big integers and no limit. */
function naive(value: bigint): number[] {
  return value < 128n ? [Number(value)] : [Number(value % 128n) + 128, ...naive(value / 128n)];
}

describe("varint", () => {
  it("encodes known values", () => {
    const known = {
      0: "00",
      1: "01",
      127: "7f",
      128: "8001",
      300: "ac02",
      16383: "ff7f",
      16384: "808001",
      4294967295: "ffffffff0f",
    };
    for (const [value, hex] of Object.entries(known)) assert.equal(toHex(encodeVarint(Number(value))), hex);
    assert.equal(toHex(encodeVarint(2 ** 53 - 1)), "ffffffffffffff0f");
  });

  it("decodes what it encoded, at any offset", () => {
    fc.assert(
      fc.property(
        safeInteger,
        fc.uint8Array({ maxLength: 4 }),
        fc.uint8Array({ maxLength: 4 }),
        (value, before, after) => {
          const encoded = encodeVarint(value);
          assert.deepEqual([...encoded], naive(BigInt(value)));
          const bytes = offsetView(Uint8Array.from([...before, ...encoded, ...after]));
          assert.deepEqual(decodeVarint(bytes, before.length), { value, end: before.length + encoded.length });
        },
      ),
    );
  });

  it("encodes what it decoded to the same bytes", () => {
    const bytes = fc.array(fc.constantFrom(0, 1, 0x0f, 0x10, 0x1f, 0x7f, 0x80, 0x81, 0xff), { maxLength: 10 });
    fc.assert(
      fc.property(bytes, (list) => {
        const input = Uint8Array.from(list);
        const read = decodeVarint(input, 0);
        if (read !== undefined) assert.deepEqual(encodeVarint(read.value), input.slice(0, read.end));
      }),
      { numRuns: 5000 },
    );
  });

  it("refuses every prefix", () => {
    for (const value of [128, 16384, 2 ** 31, 2 ** 53 - 1]) {
      const encoded = encodeVarint(value);
      for (let n = 0; n < encoded.length; n++) assert.equal(decodeVarint(encoded.subarray(0, n), 0), undefined);
    }
    assert.equal(decodeVarint(Uint8Array.of(1), 1), undefined);
    assert.equal(decodeVarint(Uint8Array.of(1), 7), undefined);
  });

  it("refuses forms that are not the shortest", () => {
    for (const form of [
      [0x80, 0],
      [0x81, 0],
      [0xff, 0x80, 0],
      [0x80, 0x80, 0],
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
    ]) {
      assert.equal(decodeVarint(Uint8Array.from(form), 0), undefined, String(form));
    }
  });

  it("refuses values above 2^53 - 1, however they would round", () => {
    for (const value of [
      2n ** 53n,
      2n ** 53n + 1n,
      2n ** 53n + 127n,
      2n ** 54n - 1n,
      2n ** 56n - 1n,
      2n ** 56n,
      2n ** 63n,
      2n ** 64n - 1n,
      2n ** 70n,
    ]) {
      assert.equal(decodeVarint(Uint8Array.from(naive(value)), 0), undefined, String(value));
    }
  });

  it("refuses to encode what is no size", () => {
    for (const value of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      assert.throws(() => encodeVarint(value), RangeError);
    }
  });
});
