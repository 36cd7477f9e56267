/** SipHash-2-4 and server cookies from their definitions, with 64-bit big integers (RFC 9018, spec/abuse.md §1). */

const MASK = 2n ** 64n - 1n;
const rotate = (x: bigint, n: bigint): bigint => ((x << n) | (x >> (64n - n))) & MASK;

export function naiveSipHash(key: Uint8Array, message: Uint8Array): Uint8Array {
  const word = (bytes: Uint8Array, at: number): bigint => Buffer.from(bytes).readBigUInt64LE(at);
  let [v0, v1, v2, v3] = [
    word(key, 0) ^ 0x736f6d6570736575n,
    word(key, 8) ^ 0x646f72616e646f6dn,
    word(key, 0) ^ 0x6c7967656e657261n,
    word(key, 8) ^ 0x7465646279746573n,
  ];
  const round = (): void => {
    v0 = (v0 + v1) & MASK;
    v1 = rotate(v1, 13n) ^ v0;
    v0 = rotate(v0, 32n);
    v2 = (v2 + v3) & MASK;
    v3 = rotate(v3, 16n) ^ v2;
    v0 = (v0 + v3) & MASK;
    v3 = rotate(v3, 21n) ^ v0;
    v2 = (v2 + v1) & MASK;
    v1 = rotate(v1, 17n) ^ v2;
    v2 = rotate(v2, 32n);
  };
  const padded = Buffer.alloc(8 * Math.floor(message.length / 8) + 8);
  padded.set(message);
  padded[padded.length - 1] = message.length % 256;
  for (let at = 0; at < padded.length; at += 8) {
    const m = padded.readBigUInt64LE(at);
    v3 ^= m;
    round();
    round();
    v0 ^= m;
  }
  v2 ^= 0xffn;
  for (let i = 0; i < 4; i++) round();
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(v0 ^ v1 ^ v2 ^ v3);
  return new Uint8Array(out);
}

/** The 24 bytes of a COOKIE option made at `now`. */
export function naiveCookie(secret: Uint8Array, client: Uint8Array, address: Uint8Array, now: number): Uint8Array {
  const time = Buffer.alloc(8);
  time.writeUInt32BE(1 * 2 ** 24);
  time.writeUInt32BE(((now % 2 ** 32) + 2 ** 32) % 2 ** 32, 4);
  const head = Buffer.concat([client, time]);
  return new Uint8Array(Buffer.concat([head, naiveSipHash(secret, Buffer.concat([head, address]))]));
}

/** True if the option's data carry a valid server part. */
export function isNaiveCookieValid(
  secrets: readonly Uint8Array[],
  data: Uint8Array,
  address: Uint8Array,
  now: number,
): boolean {
  if (data.length !== 24 || data[8] !== 1) return false;
  const time = Buffer.from(data).readUInt32BE(12);
  // RFC 1982: the difference of two 32-bit serials.
  const ahead = (((time - now) % 2 ** 32) + 2 ** 32) % 2 ** 32;
  const age = ahead >= 2 ** 31 ? 2 ** 32 - ahead : -ahead;
  if (age > 3600 || age < -300) return false;
  const input = Buffer.concat([data.subarray(0, 16), address]);
  return secrets.some((secret) => Buffer.compare(naiveSipHash(secret, input), data.subarray(16)) === 0);
}

/** HalfSipHash-1-3 of three words of 32 bits under a key of two; a signed integer. */
export function naiveHalfSipHash(...words: readonly [number, number, number, number, number]): number {
  const mask = 0xffffffffn;
  const turn = (x: bigint, n: bigint): bigint => ((x << n) | (x >> (32n - n))) & mask;
  const [k0, k1, ...message] = words.map((w) => BigInt(w) & mask) as [bigint, bigint, bigint, bigint, bigint];
  let [v0, v1, v2, v3] = [k0, k1, 0x6c796765n ^ k0, 0x74656462n ^ k1];
  const round = (): void => {
    v0 = (v0 + v1) & mask;
    v1 = turn(v1, 5n) ^ v0;
    v0 = turn(v0, 16n);
    v2 = (v2 + v3) & mask;
    v3 = turn(v3, 8n) ^ v2;
    v0 = (v0 + v3) & mask;
    v3 = turn(v3, 7n) ^ v0;
    v2 = (v2 + v1) & mask;
    v1 = turn(v1, 13n) ^ v2;
    v2 = turn(v2, 16n);
  };
  for (const m of [...message, 12n << 24n]) {
    v3 ^= m;
    round();
    v0 ^= m;
  }
  v2 ^= 0xffn;
  for (let i = 0; i < 3; i++) round();
  return Number(BigInt.asIntN(32, v1 ^ v3));
}
