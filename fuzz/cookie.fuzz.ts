import assert from "node:assert/strict";
import { Cookies } from "../src/dns/cookies.ts";
import { halfSipHash, SipHash } from "../src/dns/siphash.ts";
import { equalBytes } from "../src/vindex/bytes.ts";
import { Input } from "./input.ts";
import { isNaiveCookieValid, naiveCookie, naiveHalfSipHash, naiveSipHash } from "./oracle/cookie.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";

/** DNS cookies and the hashes below them, against their definitions with big integers. */
export const target: Target = { maxLength: 300, plants: ["lost-byte", "reserved-bytes"] };

/** Bug: the last byte of a message of 8·n + 7 bytes is lost. */
const sipHash = plant("lost-byte", hashOf, (key: Uint8Array, message: Uint8Array) => {
  const cut = Uint8Array.from(message);
  if (cut.length % 8 === 7 && cut.length > 32) cut[cut.length - 1] = 0;
  return hashOf(key, cut);
});

function hashOf(key: Uint8Array, message: Uint8Array): Uint8Array {
  const hash = new SipHash(key);
  hash.hash(message, message.length);
  const out = Buffer.alloc(8);
  out.writeInt32LE(hash.low);
  out.writeInt32LE(hash.high, 4);
  return out;
}

/** Bug: a cookie whose reserved bytes are not zero is invalid. */
const stateOf = plant(
  "reserved-bytes",
  (cookies: Cookies, ...rest: Parameters<Cookies["check"]>) => cookies.check(...rest),
  (cookies, message, offset, length, address, now) =>
    length === 24 && message[offset + 9] !== 0 ? "invalid" : cookies.check(message, offset, length, address, now),
);

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick([hashes, cookies])(input);
}

function hashes(input: Input): void {
  const key = padded(input.take(16), 16);
  const words = Array.from({ length: 5 }, () => (input.uint16() * 0x10000 + input.uint16()) | 0) as [
    number,
    number,
    number,
    number,
    number,
  ];
  assert.equal(halfSipHash(...words), naiveHalfSipHash(...words));
  const message = input.rest();
  assert.ok(equalBytes(sipHash(key, message), naiveSipHash(key, message)));
}

function padded(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  out.set(bytes);
  return out;
}

function cookies(input: Input): void {
  const secrets = Array.from({ length: 1 + (input.byte() % 2) }, () => padded(input.take(2), 16));
  const address = padded(input.take(4), input.byte() % 2 === 0 ? 4 : 16);
  const now = input.uint53() % 2 ** 40;
  const offset = input.byte() % 16;
  const server = new Cookies(secrets);
  // A cookie of this server or of another, at another time, for another address; then any change.
  const how = input.byte();
  const made = how % 4 === 0 ? now : now + (input.uint16() - 0x8000) / 4;
  const secret = how % 8 === 7 ? padded(input.take(2), 16) : (secrets[how % secrets.length] as Uint8Array);
  const other = Uint8Array.from(address);
  if (how >= 0xe0) other[0] = input.byte();
  const option = naiveCookie(secret, padded(input.take(8), 8), other, Math.floor(made));
  for (let n = input.byte() % 3; n > 0; n--) option[input.byte() % 24] = input.byte();
  if ((how & 0x18) === 0x18) {
    // The reserved bytes are anything, and hashed as they came.
    option.set(padded(input.take(3), 3), 9);
    option.set(naiveSipHash(secret, Buffer.concat([option.subarray(0, 16), other])), 16);
  }
  const length = [24, 24, 24, 8, 16, 40][input.byte() % 6] as number;
  const message = new Uint8Array(offset + 64).fill(0xa5);
  message.set(option, offset);
  const said = stateOf(server, message, offset, length, address, now);
  const isValid = isNaiveCookieValid(secrets, message.slice(offset, offset + length), address, now);
  assert.equal(said, length === 8 ? "client-only" : isValid ? "valid" : "invalid");
  const out = new Uint8Array(64).fill(0x5a);
  server.write(out, 7, message, offset, address, now);
  const fresh = naiveCookie(secrets[0] as Uint8Array, option.subarray(0, 8), address, now);
  assert.ok(equalBytes(out.subarray(7, 31), fresh) && out[6] === 0x5a && out[31] === 0x5a);
  assert.equal(server.check(out, 7, 24, address, now), "valid");
  // In place: the reply is written over the query.
  server.write(message, offset, message, offset, address, now);
  assert.ok(equalBytes(message.subarray(offset, offset + 24), fresh));
}
