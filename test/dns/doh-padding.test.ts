import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, describe, it } from "node:test";
import dnsPacket from "dns-packet";
import { padQuery, QUERY_BLOCK } from "../../src/client/dns-padding.ts";
import { DohTransport } from "../../src/client/transport-doh.ts";
import { DohListener } from "../../src/dns/doh/listener.ts";
import { padReply, REPLY_BLOCK } from "../../src/dns/doh/padding.ts";
import { joinName, parseName, respond } from "../../src/dns/index.ts";
import { encodeTxtQuery, matchReply } from "../../src/dns/txt-reply.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { makeData, makeTestZone, NOW } from "./fake-zone.ts";
import { message, opt, option, query, question, u16 } from "./packet.ts";
import { LOOPBACK, makeEcho, noting } from "./sockets.ts";

const PADDING = 12;
const Z = parseName("l.example.org");
const name = (text: string): Uint8Array => joinName(text.split("."), Z) ?? assert.fail("too long");
const answer = (bytes: Uint8Array, transport: "udp" | "tcp" | "https" = "https"): Uint8Array =>
  Uint8Array.from(respond(bytes, transport, makeTestZone(), makeData(), NOW) ?? assert.fail("no reply"));
const ofName = (text: string): Uint8Array => encodeTxtQuery(name(text), 0);
const NAMES = ["go4.org.p1", "mod.x._.golang.org._versions.p1", "_head.p1", "nothing", "p1", "e99._head.p1"];

interface Opt {
  readonly options: readonly { readonly code: number; readonly data: Uint8Array }[];
}
/** The options of a message, as another implementation reads them. */
const optionsOf = (bytes: Uint8Array): Opt["options"] => {
  const { additionals = [] } = dnsPacket.decode(Buffer.from(bytes));
  return (additionals.find(({ type }) => type === "OPT") as unknown as Opt | undefined)?.options ?? [];
};

describe("a padded query", () => {
  it("is of a multiple of 128 bytes, whatever its name, and is the same question", () => {
    const lengths = new Set<number>();
    for (let length = 1; length <= 63; length++) {
      for (const more of [0, 1, 2]) {
        const labels = Array.from({ length: more + 1 }, (_, i) => "a".repeat(i === 0 ? length : 63));
        const bare = encodeTxtQuery(parseName(labels.join(".")), 0);
        const before = Uint8Array.from(bare);
        const padded = padQuery(bare);
        assert.deepEqual(bare, before);
        assert.equal(padded.length % QUERY_BLOCK, 0);
        assert.ok(padded.length - bare.length < QUERY_BLOCK + 4);
        assert.deepEqual(padded.subarray(0, bare.length - 2), bare.subarray(0, -2));
        const [only, ...others] = optionsOf(padded);
        assert.deepEqual([only?.code, others.length], [PADDING, 0]);
        assert.ok(only?.data.every((byte) => byte === 0));
        lengths.add(padded.length);
      }
    }
    assert.deepEqual([...lengths].sort(), [128, 256]);
  });
});

describe("a padded reply", () => {
  it("is of a multiple of 468 bytes where the query was padded, and else the same in every byte", () => {
    for (const text of NAMES) {
      const bare = ofName(text);
      const padded = padQuery(bare);
      const reply = answer(bare);
      assert.equal(padReply(reply, bare), reply);
      assert.deepEqual(answer(padded), reply);
      const out = padReply(reply, padded);
      assert.equal(out.length % REPLY_BLOCK, 0, text);
      assert.ok(out.length - reply.length < REPLY_BLOCK + 4);
      const { additionals: _, ...rest } = dnsPacket.decode(Buffer.from(reply));
      const { additionals: __, ...same } = dnsPacket.decode(Buffer.from(out));
      assert.deepEqual(same, rest);
      assert.deepEqual(
        optionsOf(out).map(({ code }) => code),
        [...optionsOf(reply).map(({ code }) => code), PADDING],
      );
      assert.ok(
        optionsOf(out)
          .at(-1)
          ?.data.every((byte) => byte === 0),
      );
      assert.equal(matchReply(out, bare), "exact");
      assert.deepEqual(answer(padded, "tcp"), answer(bare, "tcp"));
      assert.deepEqual(answer(padded, "udp"), answer(bare, "udp"));
    }
  });

  it("is one to an empty padding option, too, and to one behind others; errors are padded as well", () => {
    const asked = (...options: Uint8Array[]): Uint8Array =>
      query("go4.org.p1.l.example.org", 16, { options: concatBytes(...options) });
    for (const bytes of [
      asked(option(PADDING, 0)),
      asked(option(3, 0), option(99, 5), option(PADDING, 7)),
      asked(option(PADDING, 3), option(PADDING, 3)),
    ]) {
      assert.equal(padReply(answer(bytes), bytes).length % REPLY_BLOCK, 0);
    }
    for (const bytes of [
      asked(option(99, 12)),
      asked(option(10, 8)),
      message({ question: question("go4.org", 16) }),
      query("go4.org.p1.l.example.org", 16),
    ]) {
      const reply = answer(bytes);
      assert.equal(padReply(reply, bytes), reply);
    }
    const version = query("go4.org.p1.l.example.org", 16, { version: 1, options: option(PADDING, 0) });
    const refused = query("elsewhere.example", 16, { options: option(PADDING, 0) });
    const none = message({ counts: [0, 0, 0, 1], tail: opt({ options: concatBytes(option(PADDING, 0)) }) });
    for (const bytes of [version, refused, none]) assert.equal(padReply(answer(bytes), bytes).length, REPLY_BLOCK);
  });

  it("never exceeds what a message holds", () => {
    const padded = padQuery(ofName("p1"));
    for (const [length, expected] of [
      [464, 468],
      [465, 936],
      [65_516, 65_520],
      [65_517, 65_535],
      [65_531, 65_535],
      [65_532, 65_532],
      [65_535, 65_535],
    ] as const) {
      // One record that nobody knows fills it.
      const filler = length - 12 - 11 - 11;
      const record = concatBytes(
        Uint8Array.of(0),
        u16(99),
        u16(1),
        new Uint8Array(4),
        u16(filler),
        new Uint8Array(filler),
      );
      const reply = message({ counts: [0, 1, 0, 1], tail: concatBytes(record, opt()) });
      assert.equal(reply.length, length);
      const out = padReply(reply, padded);
      assert.equal(out.length, expected);
      if (out !== reply) assert.ok(out.subarray(length + 4).every((byte) => byte === 0));
    }
  });

  it("is not made of what has no OPT at its end, nor by any bytes as a query", () => {
    const padded = padQuery(ofName("p1"));
    const reply = answer(padded);
    for (const other of [
      new Uint8Array(0),
      reply.subarray(0, 12),
      reply.subarray(0, -1),
      concatBytes(reply, Uint8Array.of(0)),
      message({ question: question("go4.org", 16) }),
    ]) {
      assert.equal(padReply(other, padded), other);
    }
    for (let i = 0; i < 3000; i++) {
      const cut = padded.slice(0, i % 3 === 0 ? i % padded.length : padded.length);
      const noise = i % 2 === 0 ? randomBytes(i % 200) : cut.with(i % cut.length || 0, i & 0xff);
      const out = padReply(reply, noise);
      assert.ok(out === reply || out.length % REPLY_BLOCK === 0);
    }
  });
});

describe("DNS over HTTPS", () => {
  const open: DohListener[] = [];
  after(() => Promise.all(open.map((listener) => listener.close(0))));

  it("hides lengths both ways, and brings what was asked", async () => {
    const asked: Uint8Array[] = [];
    const listener = await DohListener.bind(LOOPBACK, {
      ...noting(makeEcho()),
      tls: undefined,
      respond: (bytes) => {
        asked.push(Uint8Array.from(bytes));
        return answer(bytes);
      },
    });
    open.push(listener);
    for (const method of ["POST", "GET"] as const) {
      const transport = new DohTransport({ url: `http://127.0.0.1:${listener.port}/dns-query`, method });
      for (const text of NAMES) {
        const reply = await transport.query(name(text));
        assert.equal(reply.messageBytes % REPLY_BLOCK, 0);
        assert.deepEqual(asked.at(-1), padQuery(ofName(text)));
      }
    }
  });
});
