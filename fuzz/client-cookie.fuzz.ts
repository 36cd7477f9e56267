import assert from "node:assert/strict";
import { CookieJar, type CookieVerdict } from "../src/client/dns-cookie.ts";
import { encodeTxtQuery } from "../src/dns/txt-reply.ts";
import { concatBytes, equalBytes } from "../src/vindex/bytes.ts";
import { Input } from "./input.ts";
import { naiveMessage } from "./oracle/dns-message.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";

/** Cookies as a client keeps them for a server (RFC 7873): every reply of a conversation against a reader that takes the message apart. */
export const target: Target = { maxLength: 600, plants: ["seven-bytes", "short-server-cookie"] };

const COOKIE = 10;
const query = encodeTxtQuery(Uint8Array.of(1, 0x61, 0), 0x1234);

type Judge = (jar: CookieJar, reply: Uint8Array, isConnected: boolean) => CookieVerdict;
const judgeTruly: Judge = (jar, reply, isConnected) => jar.judge(reply, isConnected);

/** Bug: the last byte of the client's cookie is not compared. */
const judgeShort = plant("seven-bytes", judgeTruly, (jar, reply, isConnected) => {
  const own = jar.addTo(query).subarray(query.length + 4, query.length + 12);
  const found = naiveCookieOf(reply).cookie;
  if (found === undefined || found.length < 8 || !equalBytes(found.subarray(0, 7), own.subarray(0, 7))) {
    return judgeTruly(jar, reply, isConnected);
  }
  const at = Buffer.from(reply).indexOf(Buffer.from(found));
  return judgeTruly(jar, at < 0 ? reply : reply.with(at + 7, own[7] ?? 0), isConnected);
});

/** Bug: a server cookie of seven bytes is kept. */
const judge = plant("short-server-cookie", judgeShort, (jar, reply, isConnected) => {
  const { cookie } = naiveCookieOf(reply);
  const verdict = judgeShort(jar, reply, isConnected);
  return cookie?.length === 15 && verdict === "foreign" ? "taken" : verdict;
});

/** What RFC 7873 §5.3 and the record of what came before make of a reply. */
class NaiveJar {
  isOff = false;
  isKnown = false;
  server: string | undefined;
  readonly client: string;

  constructor(client: Uint8Array) {
    this.client = hex(client);
  }

  judge(reply: Uint8Array, isConnected: boolean): CookieVerdict {
    const { rcode, cookie } = naiveCookieOf(reply);
    if (cookie === undefined) {
      if (this.isOff) return "taken";
      if (this.server !== undefined && !isConnected) return "bare";
      this.server = undefined;
      this.isKnown = true;
      this.isOff = rcode === 1;
      return rcode === 1 ? "plain" : "taken";
    }
    const text = hex(cookie);
    const length = cookie.length;
    const isOurs = text.slice(0, 16) === this.client && (length === 8 || (length >= 16 && length <= 40));
    if (!isOurs) return "foreign";
    this.isKnown = true;
    if (length > 8) this.server = text.slice(16);
    return rcode === 23 ? "again" : "taken";
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Response code and first cookie of as many whole records as there are. */
function naiveCookieOf(reply: Uint8Array): { rcode: number; cookie: Uint8Array | undefined } {
  const u16 = (at: number): number => (reply[at] ?? 0) * 256 + (reply[at + 1] ?? 0);
  const skip = (from: number): number | undefined => {
    for (let at = from; at - from < 255; at += 1 + (reply[at] as number)) {
      const length = reply[at];
      if (length === undefined || (length > 63 && length < 192)) return undefined;
      if (length >= 192) {
        // A pointer leads back, and not into the header; whoever is sent another one reads no further.
        const target = u16(at) - 0xc000;
        return at + 2 > reply.length || target < 12 || target >= at ? undefined : at + 2;
      }
      if (length === 0) return at + 1;
    }
    return undefined;
  };
  let rcode = u16(2) % 16;
  let cookie: Uint8Array | undefined;
  let at: number | undefined = 12;
  for (let left = u16(4); left > 0 && at !== undefined; left--) {
    const end: number | undefined = skip(at);
    at = end === undefined || end + 4 > reply.length ? undefined : end + 4;
  }
  for (let left = u16(6) + u16(8) + u16(10); left > 0 && at !== undefined; left--) {
    const fixed: number | undefined = skip(at);
    if (fixed === undefined || fixed + 10 > reply.length || fixed + 10 + u16(fixed + 8) > reply.length) break;
    const end = fixed + 10 + u16(fixed + 8);
    if (u16(fixed) === 41 && reply[at] === 0) {
      rcode |= (reply[fixed + 4] as number) * 16;
      for (let option = fixed + 10; option + 4 <= end && option + 4 + u16(option + 2) <= end; ) {
        if (u16(option) === COOKIE) {
          cookie ??= reply.slice(option + 4, option + 4 + u16(option + 2));
          break;
        }
        option += 4 + u16(option + 2);
      }
    }
    at = end;
  }
  return { rcode, cookie };
}

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  const client = Uint8Array.from({ length: 8 }, () => input.byte());
  const jar = new CookieJar(client);
  const naive = new NaiveJar(client);
  for (let step = 0; step < 6 && !input.isDone; step++) {
    const how = input.byte();
    const reply = how % 4 === 0 ? raw(input) : built(input, client);
    const isConnected = how >= 0x80;
    const verdict = judge(jar, reply, isConnected);
    assert.equal(verdict, naive.judge(reply, isConnected));
    assert.deepEqual([jar.isKnown, jar.isUsed], [naive.isKnown, naive.server !== undefined]);
    checkQuery(jar, naive);
  }
}

function raw(input: Input): Uint8Array {
  const bytes = input.block();
  return bytes.length < 12 ? concatBytes(bytes, new Uint8Array(12 - bytes.length)) : bytes;
}

/** A reply with our question, or without, and options of which some hold our cookie. */
function built(input: Input, client: Uint8Array): Uint8Array {
  const head = Buffer.from(query.subarray(0, 19));
  const shape = input.byte();
  head[2] = 0x84;
  head[3] = shape % 16;
  head.writeUInt16BE(1, 10);
  const options: Uint8Array[] = [];
  for (let n = input.byte() % 3; n > 0; n--) {
    const kind = input.byte();
    const own = kind % 4 === 0 ? input.take(8) : client;
    const server = input.take(kind % 5 === 0 ? input.byte() % 48 : ([0, 8, 16, 32, 7, 33][input.byte() % 6] as number));
    const content = kind % 7 === 0 ? server : concatBytes(own, server);
    options.push(Uint8Array.of(0, kind >= 0xf0 ? 3 : COOKIE, content.length >> 8, content.length & 0xff), content);
  }
  const rdata = concatBytes(...options);
  const opt = Uint8Array.of(0, 0, 41, 4, 208, (shape >> 4) % 3, 0, 0, 0, rdata.length >> 8, rdata.length & 0xff);
  const whole = concatBytes(head, opt, rdata);
  return shape >= 0xc0 ? whole.subarray(0, Math.max(12, whole.length - input.byte())) : whole;
}

/** The next query carries exactly what is kept. */
function checkQuery(jar: CookieJar, naive: NaiveJar): void {
  const sent = jar.addTo(query);
  const message = naiveMessage(sent);
  assert.ok(message !== undefined && message.length === sent.length && message.additionals.length === 1);
  const expected = naive.isOff ? "" : naive.client + (naive.server ?? "");
  const length = expected.length / 2;
  const option = length === 0 ? "" : `000a${length.toString(16).padStart(4, "0")}${expected}`;
  assert.equal(hex(message.additionals[0]?.rdata ?? new Uint8Array(0)), option);
}
