import assert from "node:assert/strict";
import { createPublicKey, sign, verify } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ALGORITHM, generatePrivateKey } from "../../../src/dns/dnssec/algorithm.ts";
import { writeRawSignature } from "../../../src/dns/dnssec/ecdsa-signature.ts";
import { concatBytes } from "../../../src/vindex/bytes.ts";

/** A number of 32 bytes as DER has it. */
function derNumber(number: Uint8Array): Uint8Array {
  let from = 0;
  while (from < number.length - 1 && number[from] === 0) from++;
  const short = number.subarray(from);
  const body = (short[0] as number) >= 0x80 ? concatBytes(Uint8Array.of(0), short) : short;
  return concatBytes(Uint8Array.of(2, body.length), body);
}

function der(r: Uint8Array, s: Uint8Array): Uint8Array {
  const body = concatBytes(derNumber(r), derNumber(s));
  return concatBytes(Uint8Array.of(0x30, body.length), body);
}

function raw(signature: Uint8Array): Uint8Array {
  const out = new Uint8Array(66).fill(0xaa);
  writeRawSignature(signature, out, 1);
  assert.equal(out[0], 0xaa);
  assert.equal(out[65], 0xaa);
  return out.slice(1, 65);
}

/** Numbers of 32 bytes, many with zeros in front and with their first bit set behind them. */
const numbers = fc
  .tuple(fc.integer({ min: 0, max: 32 }), fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.boolean())
  .map(([zeros, bytes, isHigh]) => {
    const out = bytes.slice().fill(0, 0, zeros);
    if (isHigh && zeros < 32) out[zeros] = 0x80 | (out[zeros] as number);
    return out;
  });

describe("signatures in DER", () => {
  it("become r and s of 32 bytes each, whatever zeros they begin with", () => {
    fc.assert(
      fc.property(numbers, numbers, (r, s) => {
        assert.deepEqual(raw(der(r, s)), concatBytes(r, s));
      }),
      { numRuns: 5000 },
    );
  });

  it("of OpenSSL verify as r and s, short ones too", () => {
    const key = generatePrivateKey(ALGORITHM.ECDSAP256SHA256);
    const publicKey = createPublicKey(key);
    let short = 0;
    // One of 256 numbers begins with a zero byte: of so many signatures some do, in all but 1 of 10^6 runs.
    for (let i = 0; i < 1800; i++) {
      const message = Buffer.from(String(i));
      const signature = sign("sha256", message, key);
      const out = raw(signature);
      if (out[0] !== 0 && out[32] !== 0) continue;
      short++;
      assert.ok(verify("sha256", message, { key: publicKey, dsaEncoding: "ieee-p1363" }, out));
    }
    assert.ok(short > 0);
  });

  it("with any byte cut off or added are refused", () => {
    const good = der(new Uint8Array(32).fill(0x80), new Uint8Array(32).fill(0x7f));
    for (let length = 0; length < good.length; length++) {
      assert.throws(() => raw(good.subarray(0, length)), RangeError, String(length));
    }
    assert.throws(() => raw(concatBytes(good, Uint8Array.of(0))), RangeError);
    const longer = concatBytes(good, Uint8Array.of(0));
    longer[1] = (longer[1] as number) + 1;
    assert.throws(() => raw(longer), RangeError);
  });

  const one = [2, 1, 1];
  const bad: Record<string, readonly number[]> = {
    "another tag": [0x31, 6, ...one, ...one],
    "a length in long form": [0x30, 0x81, 6, ...one, ...one],
    "a length too short": [0x30, 5, ...one, ...one],
    "a length too long": [0x30, 7, ...one, ...one],
    "a number of another type": [0x30, 6, 3, 1, 1, ...one],
    "an empty number": [0x30, 5, 2, 0, ...one],
    "an empty second number": [0x30, 5, ...one, 2, 0],
    "a negative number": [0x30, 6, 2, 1, 0x80, ...one],
    "a negative second number": [0x30, 6, ...one, 2, 1, 0xff],
    "a needless zero": [0x30, 7, 2, 2, 0, 0x7f, ...one],
    "a number of 33 bytes": [0x30, 38, 2, 33, ...new Array(33).fill(1), ...one],
    "a number of 34 bytes, the first a zero": [0x30, 39, 2, 34, 0, ...new Array(33).fill(0xff), ...one],
    "a number that runs past the end": [0x30, 6, ...one, 2, 2, 1],
    "a first number that runs past the end": [0x30, 6, 2, 9, 1, ...one],
    "three numbers": [0x30, 9, ...one, ...one, ...one],
    "one number": [0x30, 3, ...one],
  };
  for (const [what, bytes] of Object.entries(bad)) {
    it(`with ${what} are refused`, () => assert.throws(() => raw(Uint8Array.from(bytes)), RangeError));
  }
});
