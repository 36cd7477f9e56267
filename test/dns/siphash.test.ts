import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { halfSipHash, readWord, SipHash } from "../../src/dns/siphash.ts";

/**
 * The 64 vectors of the reference implementation (vectors_sip64; also what `openssl mac … SIPHASH` gives): key 00 01 … 0f,
 * messages of 0 to 63 bytes 00 01 ….
 */
const VECTORS = `
310e0edd47db6f72 fd67dc93c539f874 5a4fa9d909806c0d 2d7efbd796666785 b7877127e09427cf 8da699cd64557618
cee3fe586e46c9cb 37d1018bf50002ab 6224939a79f5f593 b0e4a90bdf82009e f3b9dd94c5bb5d7a a7ad6b22462fb3f4
fbe50e86bc8f1e75 903d84c02756ea14 eef27a8e90ca23f7 e545be4961ca29a1 db9bc2577fcc2a3f 9447be2cf5e99a69
9cd38d96f0b3c14b bd6179a71dc96dbb 98eea21af25cd6be c7673b2eb0cbf2d0 883ea3e395675393 c8ce5ccd8c030ca8
94af49f6c650adb8 eab8858ade92e1bc f315bb5bb835d817 adcf6b0763612e2f a5c91da7acaa4dde 716595876650a2a6
28ef495c53a387ad 42c341d8fa92d832 ce7cf2722f512771 e37859f94623f3a7 381205bb1ab0e012 ae97a10fd434e015
b4a31508beff4d31 81396229f0907902 4d0cf49ee5d4dcca 5c73336a76d8bf9a d0a704536ba93e0e 925958fcd6420cad
a915c29bc8067318 952b79f3bc0aa6d4 f21df2e41d4535f9 87577519048f53a9 10a56cf5dfcd9adb eb75095ccd986cd0
51a9cb9ecba312e6 96afadfc2ce666c7 72fe52975a4364ee 5a1645b276d592a1 b274cb8ebf87870a 6f9bb4203de7b381
eaecb2a30b22a87f 9924a43cc1315724 bd838d3aafbf8db7 0b1a2a3265d51aea 135079a3231ce660 932b2846e4d70666
e1915f5cb1eca46c f325965ca16d629f 575ff28e60381be5 724506eb4c328a95`
  .trim()
  .split(/\s+/);

const key = Uint8Array.from({ length: 16 }, (_, i) => i);
const message = Uint8Array.from({ length: 64 }, (_, i) => i);

function hashToHex(hash: SipHash, bytes: Uint8Array, length: number): string {
  hash.hash(bytes, length);
  const out = Buffer.alloc(8);
  out.writeInt32LE(hash.low, 0);
  out.writeInt32LE(hash.high, 4);
  return out.toString("hex");
}

const MASK = (1n << 64n) - 1n;

/** SipHash-2-4 as its paper writes it, on integers of 64 bits. */
function slowSipHash(keyBytes: Uint8Array, bytes: Uint8Array): string {
  const word = (from: Uint8Array, at: number): bigint => Buffer.from(from).readBigUInt64LE(at);
  const [k0, k1] = [word(keyBytes, 0), word(keyBytes, 8)];
  let [v0, v1, v2, v3] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const rotate = (x: bigint, n: bigint): bigint => ((x << n) | (x >> (64n - n))) & MASK;
  const rounds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      v0 = (v0 + v1) & MASK;
      v2 = (v2 + v3) & MASK;
      v1 = rotate(v1, 13n) ^ v0;
      v3 = rotate(v3, 16n) ^ v2;
      v0 = rotate(v0, 32n);
      v2 = (v2 + v1) & MASK;
      v0 = (v0 + v3) & MASK;
      v1 = rotate(v1, 17n) ^ v2;
      v3 = rotate(v3, 21n) ^ v0;
      v2 = rotate(v2, 32n);
    }
  };
  const padded = new Uint8Array(8 * (Math.floor(bytes.length / 8) + 1));
  padded.set(bytes);
  padded[padded.length - 1] = bytes.length;
  for (let at = 0; at < padded.length; at += 8) {
    const m = word(padded, at);
    v3 ^= m;
    rounds(2);
    v0 ^= m;
  }
  v2 ^= 0xffn;
  rounds(4);
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(v0 ^ v1 ^ v2 ^ v3);
  return out.toString("hex");
}

/** Bytes that differ from run to run of the loop, and not from run to run of the test. */
function makeBytes(length: number, seed: number): Uint8Array {
  let state = seed * 2654435761 + 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 24;
  });
}

describe("SipHash-2-4", () => {
  it("gives the 64 vectors of the reference implementation", () => {
    const hash = new SipHash(key);
    assert.equal(VECTORS.length, 64);
    VECTORS.forEach((expected, length) => {
      assert.equal(hashToHex(hash, message, length), expected, `${length} bytes`);
    });
  });

  it("agrees with integers of 64 bits under other keys, for all bytes and both signs of every half", () => {
    for (let seed = 0; seed < 2000; seed++) {
      const otherKey = makeBytes(16, seed);
      const bytes = makeBytes(seed % 70, seed + 5000);
      assert.equal(hashToHex(new SipHash(otherKey), bytes, bytes.length), slowSipHash(otherKey, bytes), `seed ${seed}`);
    }
    for (const fill of [0, 0x7f, 0x80, 0xff]) {
      const same = new Uint8Array(16).fill(fill);
      const bytes = new Uint8Array(32).fill(fill);
      assert.equal(hashToHex(new SipHash(same), bytes, 32), slowSipHash(same, bytes));
    }
  });

  it("hashes only the given length, keeps nothing of the call before, and copies its key", () => {
    const mutableKey = key.slice();
    const hash = new SipHash(mutableKey);
    mutableKey.fill(0);
    hash.hash(new Uint8Array(40).fill(0xff), 40);
    const other = message.slice();
    other.fill(0xee, 20);
    assert.equal(hashToHex(hash, other, 20), VECTORS[20]);
  });

  it("reads a view at an odd offset", () => {
    const shifted = new Uint8Array(65);
    shifted.set(message, 1);
    assert.equal(hashToHex(new SipHash(key), shifted.subarray(1), 33), VECTORS[33]);
  });

  for (const length of [0, 8, 15, 17, 32]) {
    it(`refuses a key of ${length} bytes`, () => {
      assert.throws(() => new SipHash(new Uint8Array(length)), RangeError);
    });
  }
});

describe("HalfSipHash-1-3 of three words", () => {
  it("gives the Linux kernel's vector for 12 bytes", () => {
    const [w0, w1, w2] = [readWord(message, 0), readWord(message, 4), readWord(message, 8)];
    assert.equal(halfSipHash(readWord(key, 0), readWord(key, 4), w0, w1, w2) >>> 0, 0x6b28096c);
  });

  it("changes about half of its bits with any one bit of key or message", () => {
    for (let word = 0; word < 5; word++) {
      for (let bit = 0; bit < 32; bit++) {
        let changed = 0;
        for (let seed = 0; seed < 64; seed++) {
          const bytes = makeBytes(20, seed + 1);
          const words = [0, 1, 2, 3, 4].map((i) => readWord(bytes, 4 * i)) as [number, number, number, number, number];
          const before = halfSipHash(...words);
          words[word] = (words[word] as number) ^ (1 << bit);
          for (let x = before ^ halfSipHash(...words); x !== 0; x &= x - 1) changed++;
        }
        assert.ok(Math.abs(changed / 64 - 16) < 3, `word ${word}, bit ${bit}: ${changed / 64} bits`);
      }
    }
  });
});

describe("readWord", () => {
  it("reads the least significant byte first, as a signed number", () => {
    assert.equal(readWord(Uint8Array.of(9, 0x01, 0x02, 0x03, 0x84, 9), 1), 0x84030201 | 0);
  });
});
