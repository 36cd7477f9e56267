import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseIpv4, parseIpv6 } from "../../src/dns/address.ts";
import { COOKIE_LENGTH, Cookies } from "../../src/dns/cookies.ts";
import { SipHash } from "../../src/dns/siphash.ts";
import { concatBytes, formatHex, parseHex } from "../../src/vindex/bytes.ts";

function hex(text: string): Uint8Array {
  const bytes = parseHex(text);
  assert.ok(bytes !== undefined);
  return bytes;
}

function ip(text: string): Uint8Array {
  const bytes = parseIpv4(text) ?? parseIpv6(text);
  assert.ok(bytes !== undefined);
  return bytes;
}

const SECRET = hex("e5e973e5a6b2a43f48e7dc849e37bfcf");
const OTHER_SECRET = hex("445536bcd2513298075a5d379663c962");
const ADDRESS = ip("198.51.100.100");
const MADE = 1559731985;
const COOKIE = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";

/** Checks option data that stand somewhere inside a message. */
function check(cookies: Cookies, data: string, address: Uint8Array, now: number): string {
  const option = hex(data);
  const message = new Uint8Array(option.length + 7).fill(0xaa);
  message.set(option, 5);
  return cookies.check(message, 5, option.length, address, now);
}

function write(cookies: Cookies, clientCookie: string, address: Uint8Array, now: number): string {
  const message = new Uint8Array(40).fill(0xaa);
  message.set(hex(clientCookie), 9);
  const out = new Uint8Array(60).fill(0x55);
  cookies.write(out, 11, message, 9, address, now);
  assert.ok(out.every((b, i) => b === 0x55 || (i >= 11 && i < 35)));
  return formatHex(out.subarray(11, 11 + COOKIE_LENGTH));
}

describe("the vectors of RFC 9018 Appendix A", () => {
  const cookies = new Cookies([SECRET]);

  it("A.1: a new server cookie", () => {
    assert.equal(check(cookies, "2464c4abcf10c957", ADDRESS, MADE), "client-only");
    assert.equal(write(cookies, "2464c4abcf10c957", ADDRESS, MADE), COOKIE);
  });

  it("A.2: the same client gets a fresh one", () => {
    assert.equal(check(cookies, COOKIE, ADDRESS, 1559734385), "valid");
    const fresh = "2464c4abcf10c957010000005cf7a871d4a564a1442aca77";
    assert.equal(write(cookies, "2464c4abcf10c957", ADDRESS, 1559734385), fresh);
  });

  it("A.3: reserved bytes that are set are hashed as they came, and come back as zeros", () => {
    const address = ip("203.0.113.203");
    const old = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
    assert.equal(check(cookies, old, address, 1559727985), "valid");
    assert.equal(check(cookies, old.replace("abcdef", "abcdee"), address, 1559727985), "invalid");
    // The RFC's server accepts it at almost two hours of age; this one does not, and answers the same.
    assert.equal(check(cookies, old, address, 1559734700), "invalid");
    const fresh = "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e";
    assert.equal(write(cookies, "fc93fc62807ddb86", address, 1559734700), fresh);
  });

  it("A.4: an IPv6 client with a cookie of the secret before", () => {
    const address = ip("2001:db8:220:1:59de:d0f4:8769:82b8");
    const old = "22681ab97d52c298010000005cf7c57926556bd0934c72f8";
    const rolled = new Cookies([OTHER_SECRET, hex("dd3bdf9344b678b185a6f5cb60fca715")]);
    assert.equal(check(rolled, old, address, 1559741961), "valid");
    assert.equal(check(new Cookies([OTHER_SECRET]), old, address, 1559741961), "invalid");
    const fresh = "22681ab97d52c298010000005cf7c609a6bb79d16625507a";
    assert.equal(write(rolled, "22681ab97d52c298", address, 1559741961), fresh);
  });
});

describe("a server cookie", () => {
  const cookies = new Cookies([SECRET]);

  it("is good from five minutes before it was made to an hour after, and not a second longer", () => {
    for (const age of [-300, -1, 0, 1, 1800, 3600]) {
      assert.equal(check(cookies, COOKIE, ADDRESS, MADE + age), "valid", `age ${age}`);
    }
    for (const age of [-1e9, -86_400, -301, 3601, 7200, 1e9, 2 ** 31]) {
      assert.equal(check(cookies, COOKIE, ADDRESS, MADE + age), "invalid", `age ${age}`);
    }
  });

  it("is compared by serial numbers where 32 bits of time end", () => {
    const end = 2 ** 32;
    for (const [made, now, expected] of [
      [end - 100, end + 100, "valid"],
      [end - 100, end + 3500, "valid"],
      [end - 100, end + 3501, "invalid"],
      [end + 200, end - 100, "valid"],
      [end + 201, end - 100, "invalid"],
      [2 ** 31 - 100, 2 ** 31 + 100, "valid"],
      [2 ** 31 + 100, 2 ** 31 - 100, "valid"],
    ] as const) {
      const data = write(cookies, "0011223344556677", ADDRESS, made);
      assert.equal(check(cookies, data, ADDRESS, now), expected, `${made} at ${now}`);
    }
  });

  it("is refused with any one bit changed", () => {
    for (let bit = 0; bit < 8 * COOKIE_LENGTH; bit++) {
      const data = hex(COOKIE);
      data[bit >> 3] = (data[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.equal(check(cookies, formatHex(data), ADDRESS, MADE), "invalid", `bit ${bit}`);
    }
  });

  it("is refused from any other address, of either family", () => {
    for (const address of ["198.51.100.101", "198.51.101.100", "100.51.100.198", "::ffff:198.51.100.100", "::"]) {
      assert.equal(check(cookies, COOKIE, ip(address), MADE), "invalid", address);
    }
    const sixth = ip("2001:db8::1");
    const data = write(cookies, "0011223344556677", sixth, MADE);
    assert.equal(check(cookies, data, sixth, MADE), "valid");
    for (let i = 0; i < 16; i++) {
      const other = sixth.slice();
      other[i] = (other[i] as number) ^ 1;
      assert.equal(check(cookies, data, other, MADE), "invalid", `byte ${i}`);
    }
  });

  it("of another length or version is refused, whatever it holds", () => {
    for (let length = 16; length <= 40; length++) {
      if (length === COOKIE_LENGTH) continue;
      const data = COOKIE.padEnd(2 * length, "0").slice(0, 2 * length);
      assert.equal(check(cookies, data, ADDRESS, MADE), "invalid", `${length} bytes`);
    }
    for (const version of ["00", "02", "ff"]) {
      assert.equal(check(cookies, COOKIE.replace("95701", `957${version}`), ADDRESS, MADE), "invalid");
    }
    // Not even with the hash that it would have, were it hashed as this version is.
    const data = hex(COOKIE);
    data[8] = 2;
    const hash = new SipHash(SECRET);
    hash.hash(concatBytes(data.subarray(0, 16), ADDRESS), 20);
    new DataView(data.buffer).setInt32(16, hash.low, true);
    new DataView(data.buffer).setInt32(20, hash.high, true);
    assert.equal(check(cookies, formatHex(data), ADDRESS, MADE), "invalid");
  });
});

describe("cookies", () => {
  it("are made with the first secret and checked with both", () => {
    const [first, second] = [new Cookies([SECRET]), new Cookies([OTHER_SECRET])];
    const both = new Cookies([SECRET, OTHER_SECRET]);
    const made = write(both, "0011223344556677", ADDRESS, MADE);
    assert.equal(check(first, made, ADDRESS, MADE), "valid");
    assert.equal(check(second, made, ADDRESS, MADE), "invalid");
    assert.equal(check(both, write(second, "0011223344556677", ADDRESS, MADE), ADDRESS, MADE), "valid");
    assert.equal(check(both, write(first, "0011223344556677", ADDRESS, MADE), ADDRESS, MADE), "valid");
  });

  it("may be written over the message that they answer", () => {
    const message = hex(`${"00".repeat(6)}2464c4abcf10c957${"00".repeat(24)}`);
    new Cookies([SECRET]).write(message, 2, message, 6, ADDRESS, MADE);
    assert.equal(formatHex(message.subarray(2, 26)), COOKIE);
  });

  it("need one or two secrets of 16 bytes, and an address", () => {
    for (const secrets of [[], [SECRET, SECRET, SECRET], [SECRET.subarray(1)], [SECRET, new Uint8Array(17)]]) {
      assert.throws(() => new Cookies(secrets), RangeError);
    }
    const cookies = new Cookies([SECRET]);
    for (const length of [0, 3, 5, 15, 17]) {
      const address = new Uint8Array(length);
      assert.throws(() => check(cookies, COOKIE, address, MADE), RangeError);
      assert.throws(() => write(cookies, "2464c4abcf10c957", address, MADE), RangeError);
    }
  });
});
