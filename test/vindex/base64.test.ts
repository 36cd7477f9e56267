import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  formatBase32,
  formatBase64,
  formatBase64Unpadded,
  parseBase32,
  parseBase64,
  parseBase64Unpadded,
} from "../../src/vindex/base64.ts";
import { needsTestData, readVectors } from "./reference.ts";
import { fromHex, inBoundedTime, longTexts, offsetView, sha256 } from "./samples.ts";

const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
/** Texts that are often nearly base64: right alphabet, any padding. */
const nearly = fc.string({ unit: fc.constantFrom(..."AQgwZ019+/=-_ \n\u00c1"), maxLength: 12 });

describe("base64", () => {
  it("formats the examples of RFC 4648", () => {
    const examples = {
      "": "",
      f: "Zg==",
      fo: "Zm8=",
      foo: "Zm9v",
      foob: "Zm9vYg==",
      fooba: "Zm9vYmE=",
      foobar: "Zm9vYmFy",
    };
    for (const [text, encoded] of Object.entries(examples)) {
      assert.equal(formatBase64(ascii(text)), encoded);
      assert.equal(formatBase64Unpadded(ascii(text)), encoded.replaceAll("=", ""));
      assert.deepEqual(parseBase64(encoded), ascii(text));
      assert.deepEqual(parseBase64Unpadded(encoded.replaceAll("=", "")), ascii(text));
    }
  });

  it("formats and parses any bytes as the platform does", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const text = formatBase64(offsetView(bytes));
        assert.equal(text, Buffer.from(bytes).toString("base64"));
        assert.deepEqual(parseBase64(text), bytes);
        assert.deepEqual(parseBase64Unpadded(formatBase64Unpadded(bytes)), bytes);
      }),
    );
  });

  it("accepts a text only if it is what its bytes format to", () => {
    fc.assert(
      fc.property(nearly, (text) => {
        const isCanonical = Buffer.from(text, "base64").toString("base64") === text;
        const parsed = parseBase64(text);
        assert.equal(parsed !== undefined, isCanonical);
        if (parsed !== undefined) assert.equal(formatBase64(parsed), text);
      }),
      { numRuns: 5000 },
    );
  });

  it("accepts an unpadded text only if it is what its bytes format to", () => {
    fc.assert(
      fc.property(nearly, (text) => {
        const isCanonical = Buffer.from(text, "base64").toString("base64").replaceAll("=", "") === text;
        assert.equal(parseBase64Unpadded(text) !== undefined, isCanonical);
      }),
      { numRuns: 5000 },
    );
  });

  it("refuses spare bits that are not zero, all 64 of them", () => {
    let accepted = 0;
    for (const c of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
      if (parseBase64(`A${c}==`) !== undefined) accepted++;
      if (parseBase64(`AA${c}=`) !== undefined) accepted++;
      if (parseBase64Unpadded(`A${c}`) !== undefined) accepted++;
      if (parseBase64Unpadded(`AA${c}`) !== undefined) accepted++;
    }
    assert.equal(accepted, 4 + 16 + 4 + 16);
  });

  it("refuses wrong padding", () => {
    const wrong = [
      "=",
      "==",
      "===",
      "====",
      "A",
      "A=",
      "A==",
      "A===",
      "AA",
      "AA=",
      "AA===",
      "AAA",
      "AAA==",
      "AAAA=",
      "AAAA==",
    ];
    for (const text of [...wrong, "AAAA====", "AA==AA==", "AA=A", "=AAA", "AAAAA===", "AAA=AAA="]) {
      assert.equal(parseBase64(text), undefined, text);
    }
  });

  it("refuses padding where none is", () => {
    for (const text of ["AA==", "AAA=", "=", "A", "AAAAA", "AAAA=", "AAAAAAAAA"]) {
      assert.equal(parseBase64Unpadded(text), undefined, text);
    }
  });

  it("refuses spaces, line feeds, the URL alphabet and other characters", () => {
    for (const text of [
      " AAA",
      "AAA ",
      "AA A",
      "AAA\n",
      "AAAA\n\n\n\n",
      "A-AA",
      "A_AA",
      "AA\u00c1A",
      "AA\u0141A",
      "AA\u{1f600}",
    ]) {
      assert.equal(parseBase64(text), undefined, JSON.stringify(text));
      assert.equal(parseBase64Unpadded(text), undefined, JSON.stringify(text));
    }
  });
});

describe("base32", () => {
  it("formats the examples of RFC 4648, in lower case and without padding", () => {
    const examples = {
      "": "",
      f: "my",
      fo: "mzxq",
      foo: "mzxw6",
      foob: "mzxw6yq",
      fooba: "mzxw6ytb",
      foobar: "mzxw6ytboi",
    };
    for (const [text, encoded] of Object.entries(examples)) {
      assert.equal(formatBase32(ascii(text)), encoded);
      assert.deepEqual(parseBase32(encoded), ascii(text));
    }
  });

  it("gives the reference hash label", needsTestData, () => {
    const { ctdns } = readVectors<{ ctdns: { merkle_tree_leaf_hex: string; leaf_hash_base32: string } }>("misc.json");
    const leafHash = sha256(new Uint8Array([0, ...fromHex(ctdns.merkle_tree_leaf_hex)]));
    assert.equal(formatBase32(leafHash), ctdns.leaf_hash_base32.toLowerCase());
    assert.deepEqual(parseBase32(ctdns.leaf_hash_base32.toLowerCase()), leafHash);
    assert.equal(parseBase32(ctdns.leaf_hash_base32), undefined);
  });

  it("agrees with a definition by big integers", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        let bits = [...bytes].map((b) => b.toString(2).padStart(8, "0")).join("");
        bits = bits.padEnd(Math.ceil(bits.length / 5) * 5, "0");
        const digits = bits.match(/.{5}/g) ?? [];
        const text = digits.map((five) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(five, 2)]).join("");
        assert.equal(formatBase32(offsetView(bytes)), text);
        assert.deepEqual(parseBase32(text), bytes);
      }),
    );
  });

  it("accepts a text only if it is what its bytes format to", () => {
    const texts = fc.string({ unit: fc.constantFrom(..."aeqy27Az018=- "), maxLength: 16 });
    fc.assert(
      fc.property(texts, (text) => {
        const parsed = parseBase32(text);
        if (parsed !== undefined) assert.equal(formatBase32(parsed), text);
      }),
      { numRuns: 5000 },
    );
  });

  it("refuses lengths that no bytes have", () => {
    for (const text of ["a", "aaa", "aaaaaa", "aaaaaaaaa", "aaaaaaaaaaa"]) {
      assert.equal(parseBase32(text), undefined, text);
    }
    for (let n = 0; n < 100; n++) {
      assert.equal(parseBase32("a".repeat(n)) !== undefined, [0, 2, 4, 5, 7].includes(n % 8), String(n));
    }
  });

  it("refuses upper case, padding, 0, 1, 8, 9 and spare bits that are not zero", () => {
    for (const text of [
      "AA",
      "Aa",
      "my======",
      "a0",
      "a1",
      "a8",
      "a9",
      "a ",
      "a\n",
      "ab",
      "aaab",
      "aaaaaab",
      "a\u0131",
    ]) {
      assert.equal(parseBase32(text), undefined, text);
    }
  });

  it("reads long texts in bounded time", () => {
    for (const text of longTexts()) {
      inBoundedTime("base64", () => [parseBase64(text), parseBase64Unpadded(text), parseBase32(text)]);
    }
  });
});
