// The two schemes disagree: src/vindex/platform.ts accepts public keys of small order, src/vindex/ed25519.ts (which
// multiplies by the cofactor) an R of small order or with a part of small order. Until they agree three tests fail:
// "refuses public keys of small order", "refuses an R with a part of small order", "answers alike about …".
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { ed25519 as noble } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { ed25519 } from "../../src/vindex/ed25519-signer.ts";
import { nodeEd25519, nodeSha256 } from "../../src/vindex/platform.ts";
import { sha256 } from "../../src/vindex/sha256.ts";
import { flipBit, fromHex, hash, offsetView, seedOf, toHex } from "./samples.ts";

const platform = nodeEd25519();
const schemes = { noble: ed25519, platform };
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const P = 2n ** 255n - 19n;
const message = Uint8Array.from(Buffer.from("a message"));

const toInt = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
const toBytes = (n: bigint): Uint8Array => new Uint8Array(fromHex(n.toString(16).padStart(64, "0")).reverse());
const join = (r: Uint8Array, s: bigint): Uint8Array => Uint8Array.of(...r, ...toBytes(s));
const challenge = (r: Uint8Array, a: Uint8Array, m: Uint8Array): bigint =>
  toInt(new Uint8Array(createHash("sha512").update(r).update(a).update(m).digest())) % L;

/** Encodings of the points of order 1, 2, 4 and 8: canonical ones, then those with y ≥ p or a negative zero. */
const smallOrder = [
  toBytes(1n),
  toBytes(P - 1n),
  toBytes(0n),
  toBytes(2n ** 255n),
  ...[
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  ].flatMap((hex) => [fromHex(hex), flipBit(fromHex(hex), 248)]),
  toBytes(1n + 2n ** 255n),
  toBytes(P - 1n + 2n ** 255n),
  toBytes(P),
  toBytes(P + 2n ** 255n),
  toBytes(P + 1n),
  toBytes(P + 1n + 2n ** 255n),
];

describe("Ed25519", () => {
  it("gives the first three answers of RFC 8032 §7.1", () => {
    const vectors = [
      [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
      ],
      [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
      ],
      [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
      ],
    ] as const;
    for (const scheme of Object.values(schemes)) {
      for (const [seed, publicKey, text, signature] of vectors) {
        assert.equal(toHex(scheme.publicKey(fromHex(seed))), publicKey);
        assert.equal(toHex(scheme.sign(fromHex(seed), fromHex(text))), signature);
        assert.equal(scheme.verify(fromHex(publicKey), fromHex(text), fromHex(signature)), true);
      }
    }
  });

  it("signs alike and verifies each other's signatures", () => {
    fc.assert(
      fc.property(hash, fc.uint8Array({ maxLength: 200 }), (seed, text) => {
        const signature = platform.sign(offsetView(seed), offsetView(text));
        assert.deepEqual(ed25519.sign(offsetView(seed), offsetView(text)), signature);
        const publicKey = platform.publicKey(offsetView(seed));
        assert.deepEqual(ed25519.publicKey(offsetView(seed)), publicKey);
        for (const scheme of Object.values(schemes)) {
          assert.equal(scheme.verify(offsetView(publicKey), offsetView(text), offsetView(signature)), true);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("refuses every change of one bit of message, key and signature, by both", () => {
    const [seed, text] = [seedOf(3), message];
    const [publicKey, signature] = [platform.publicKey(seed), platform.sign(seed, text)];
    for (let bit = 0; bit < 512; bit++) assert.equal(platform.verify(publicKey, text, flipBit(signature, bit)), false);
    for (let bit = 0; bit < 256; bit++) assert.equal(platform.verify(flipBit(publicKey, bit), text, signature), false);
    for (let bit = 0; bit < 8 * text.length; bit++)
      assert.equal(platform.verify(publicKey, flipBit(text, bit), signature), false);
    // The same with noble, at 40 times the cost: every eleventh bit.
    for (let bit = 0; bit < 512; bit += 11)
      assert.equal(ed25519.verify(publicKey, text, flipBit(signature, bit)), false);
    for (let bit = 0; bit < 256; bit += 11)
      assert.equal(ed25519.verify(flipBit(publicKey, bit), text, signature), false);
  });

  it("refuses a scalar that is not below the group order", () => {
    const seed = seedOf(5);
    const publicKey = platform.publicKey(seed);
    const signature = platform.sign(seed, message);
    const s = toInt(signature.slice(32));
    for (const scheme of Object.values(schemes)) {
      for (let k = 1n; s + k * L < 2n ** 256n; k++) {
        assert.equal(scheme.verify(publicKey, message, join(signature.slice(0, 32), s + k * L)), false, String(k));
      }
      assert.equal(scheme.verify(publicKey, message, join(signature.slice(0, 32), 2n ** 256n - 1n)), false);
    }
  });

  it("refuses keys and signatures of other lengths, and never throws", () => {
    const publicKey = platform.publicKey(seedOf(5));
    const signature = platform.sign(seedOf(5), message);
    for (const scheme of Object.values(schemes)) {
      for (const length of [0, 31, 33, 64])
        assert.equal(scheme.verify(new Uint8Array(length).fill(1), message, signature), false);
      for (const length of [0, 32, 63, 65, 72, 128])
        assert.equal(scheme.verify(publicKey, message, new Uint8Array(length)), false);
      assert.equal(scheme.verify(publicKey, message, Uint8Array.of(...signature, 0)), false);
      assert.equal(scheme.verify(publicKey, message, signature.slice(0, 63)), false);
    }
  });

  it("refuses keys that are no points, by both", () => {
    const notPoints = [2n, 7n, P + 2n, 2n ** 255n - 1n, 2n ** 256n - 1n].map(toBytes).filter((bytes) => {
      try {
        noble.Point.fromBytes(bytes, true);
        return false;
      } catch {
        return true;
      }
    });
    assert.ok(notPoints.length > 0);
    for (const publicKey of notPoints) {
      for (const scheme of Object.values(schemes)) {
        assert.equal(scheme.verify(publicKey, message, new Uint8Array(64)), false);
        assert.equal(scheme.verify(publicKey, message, join(toBytes(1n), 0n)), false);
      }
    }
  });

  it("refuses a small-order R of a key's own making, unless it is right, alike by both", () => {
    // A holder of the key may take r = 0: R is the identity and s = k·a, which is a valid if foolish signature.
    const seed = seedOf(9);
    const { scalar } = noble.utils.getExtendedPublicKey(seed);
    const publicKey = platform.publicKey(seed);
    for (const r of smallOrder) {
      const signature = join(r, (challenge(r, publicKey, message) * scalar) % L);
      const isIdentity = toHex(r) === toHex(toBytes(1n));
      // Only the canonical identity satisfies the equation without the cofactor.
      assert.equal(platform.verify(publicKey, message, signature), isIdentity, toHex(r));
    }
  });

  it("refuses public keys of small order, by both", () => {
    const accepted: string[] = [];
    for (const publicKey of smallOrder) {
      for (const r of smallOrder) {
        for (let i = 0; i < 8; i++) {
          const signature = join(r, 0n);
          for (const [name, scheme] of Object.entries(schemes)) {
            if (scheme.verify(publicKey, Uint8Array.of(i), signature)) accepted.push(`${name} ${toHex(publicKey)}`);
          }
        }
      }
    }
    assert.deepEqual([...new Set(accepted)], []);
  });

  it("refuses an R with a part of small order, by both", () => {
    const seed = seedOf(7);
    const { scalar } = noble.utils.getExtendedPublicKey(seed);
    const publicKey = platform.publicKey(seed);
    for (const encoded of smallOrder.slice(1, 8)) {
      const torsion = noble.Point.fromBytes(encoded, true);
      const r = noble.Point.BASE.multiply(123456789n).add(torsion).toBytes();
      const signature = join(r, (123456789n + challenge(r, publicKey, message) * scalar) % L);
      assert.equal(platform.verify(publicKey, message, signature), false);
      assert.equal(ed25519.verify(publicKey, message, signature), false);
    }
  });

  it("answers alike about keys and R in all encodings of small order, by both", () => {
    const seed = seedOf(9);
    const { scalar } = noble.utils.getExtendedPublicKey(seed);
    const publicKey = platform.publicKey(seed);
    for (const r of smallOrder) {
      const signature = join(r, (challenge(r, publicKey, message) * scalar) % L);
      assert.equal(
        ed25519.verify(publicKey, message, signature),
        platform.verify(publicKey, message, signature),
        toHex(r),
      );
    }
  });

  it("keeps few key objects, and answers right after it forgot some", () => {
    const small = nodeEd25519(2);
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 5; n++) {
        const signature = small.sign(seedOf(n), message);
        assert.equal(small.verify(small.publicKey(seedOf(n)), message, signature), true);
        assert.equal(small.verify(small.publicKey(seedOf(n + 1)), message, signature), false);
      }
    }
  });
});

describe("SHA-256", () => {
  it("gives the examples of FIPS 180", () => {
    const examples = {
      "": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      abc: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq:
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    };
    for (const [text, digest] of Object.entries(examples)) {
      for (const f of [sha256, nodeSha256]) assert.equal(toHex(f(Uint8Array.from(Buffer.from(text)))), digest);
    }
  });

  it("is the same function in both forms, for all lengths to 300 and for views", () => {
    for (let length = 0; length <= 300; length++) {
      const bytes = offsetView(new Uint8Array(length).map((_, i) => (i * 7 + length) % 256));
      const digest = nodeSha256(bytes);
      assert.ok(digest instanceof Uint8Array && digest.length === 32);
      assert.deepEqual(Uint8Array.from(sha256(bytes)), digest);
    }
  });

  it("does not reuse what it returned", () => {
    const first = nodeSha256(seedOf(1));
    const copy = first.slice();
    nodeSha256(seedOf(2));
    assert.deepEqual(first, copy);
  });
});
