import assert from "node:assert/strict";
import { describe, it } from "node:test";
import dnsPacket from "dns-packet";
import fc from "fast-check";
import { respond } from "../../src/dns/index.ts";
import { decodeTxtReply, encodeTxtQuery, isWireName, matchReply } from "../../src/dns/txt-reply.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { makeData, makeTestZone, NOW } from "./fake-zone.ts";
import { decode, message, opt, question, u16, wire } from "./packet.ts";

const NAME = "go4.org.p1.l.example.org";
const name = wire(NAME);
const query = encodeTxtQuery(name, 0x1234);
const asked = question(NAME, 16);
const QNAME = Uint8Array.of(0xc0, 12);
const TXT = Uint8Array.of(2, 104, 105);

function record(
  type: number,
  rdata: Uint8Array,
  parts: { owner?: Uint8Array; klass?: number; ttl?: number; length?: number } = {},
): Uint8Array {
  const { owner = QNAME, klass = 1, ttl = 60, length = rdata.length } = parts;
  const time = u16(Math.floor(ttl / 65_536));
  return concatBytes(owner, u16(type), u16(klass), time, u16(ttl % 65_536), u16(length), rdata);
}
const soa = (ttl: number, minimum: number): Uint8Array =>
  record(6, concatBytes(Uint8Array.of(0, 0), new Uint8Array(16), u16(0), u16(minimum)), { ttl });
const reply = (flags: number, counts: [number, number, number], ...records: Uint8Array[]): Uint8Array =>
  message({ flags: 0x8000 | flags, counts: [1, ...counts], question: asked, tail: concatBytes(...records) });

/** The strings of all TXT records, by dns-packet; undefined if it reads past some record's end, as it does. */
function texts(bytes: Uint8Array): Uint8Array | undefined {
  try {
    const records = decode(bytes).answers.filter((r) => r.type === "TXT");
    return concatBytes(...records.flatMap((r) => r.data as Uint8Array[]));
  } catch {
    return undefined;
  }
}

describe("queries for a TXT", () => {
  it("are read by dns-packet as RD, the name, and an OPT of 1,232 bytes", () => {
    const d = decode(query);
    assert.equal(d.flags, 0x0100);
    assert.deepEqual(dnsPacket.decode(Buffer.from(query)).questions, [{ name: NAME, type: "TXT", class: "IN" }]);
    assert.deepEqual(d.opt, { size: 1232, version: 0, flags: 0, options: 0 });
  });

  it("are answered by the responder", () => {
    const bytes = respond(query, "udp", makeTestZone(), makeData(), NOW);
    assert.ok(bytes);
    assert.equal(matchReply(bytes, query), "exact");
    const content = decodeTxtReply(bytes, name);
    assert.equal(content.kind, "txt");
  });

  it("are for whole names", () => {
    assert.equal(isWireName(name), true);
    assert.equal(isWireName(Uint8Array.of(0)), true);
    for (const bytes of [[], [1], [1, 97], [0, 0], [0xc0, 0x0c], [1, 97, 0, 0]])
      assert.equal(isWireName(Uint8Array.from(bytes)), false);
  });
});

describe("replies", () => {
  it("match in the case that was asked, or in another", () => {
    assert.equal(matchReply(reply(0, [0, 0, 0]), query), "exact");
    const upper = message({ flags: 0x8000, question: question(NAME.toUpperCase(), 16) });
    assert.equal(matchReply(upper, query), "folded");
  });

  it("match without a question if they are errors", () => {
    for (const rcode of [1, 2, 4, 5]) {
      assert.equal(matchReply(message({ flags: 0x8000 | rcode, counts: [0, 0, 0, 0] }), query), "bare");
    }
  });

  for (const [what, bytes] of [
    ["with another ID", message({ id: 0x1235, flags: 0x8000, question: asked })],
    ["that are queries", message({ question: asked })],
    ["of another opcode", message({ flags: 0xa800, question: asked })],
    ["for another name", message({ flags: 0x8000, question: question(`x${NAME}`, 16) })],
    ["for a parent", message({ flags: 0x8000, question: question("org.p1.l.example.org", 16) })],
    ["for another type", message({ flags: 0x8000, question: question(NAME, 1) })],
    ["for another class", message({ flags: 0x8000, question: question(NAME, 16, 3) })],
    ["with a cut question", message({ flags: 0x8000, question: asked.subarray(0, asked.length - 1) })],
    ["with two questions", message({ flags: 0x8000, counts: [2, 0, 0, 0], question: concatBytes(asked, asked) })],
    ["without a question", message({ flags: 0x8000, counts: [0, 0, 0, 0] })],
    ["that deny without a question", message({ flags: 0x8003, counts: [0, 0, 0, 0] })],
    ["of eleven bytes", query.subarray(0, 11)],
    ["of nothing", new Uint8Array(0)],
  ] as [string, Uint8Array][]) {
    it(`${what} are ignored`, () => assert.equal(matchReply(bytes, query), undefined));
  }

  const good: [what: string, bytes: Uint8Array, content: object][] = [
    ["a TXT", reply(0, [1, 0, 0], record(16, TXT)), { kind: "txt", payload: Uint8Array.of(104, 105), ttl: 60 }],
    [
      "a TXT with its owner in full",
      reply(0, [1, 0, 0], record(16, TXT, { owner: name })),
      { kind: "txt", payload: Uint8Array.of(104, 105), ttl: 60 },
    ],
    [
      "a TXT in another case",
      reply(0, [1, 0, 0], record(16, TXT, { owner: wire(NAME.toUpperCase()) })),
      { kind: "txt", payload: Uint8Array.of(104, 105), ttl: 60 },
    ],
    [
      "an owner half in full",
      reply(
        0,
        [1, 0, 0],
        record(16, TXT, { owner: concatBytes(Uint8Array.of(3, 103, 111, 52), Uint8Array.of(0xc0, 16)) }),
      ),
      { kind: "txt", payload: Uint8Array.of(104, 105), ttl: 60 },
    ],
    [
      "a TXT and its signature",
      reply(0, [2, 0, 0], record(46, new Uint8Array(80)), record(16, TXT)),
      { kind: "txt", payload: Uint8Array.of(104, 105), ttl: 60 },
    ],
    [
      "a TXT, an authority and an OPT",
      reply(0, [1, 1, 1], record(16, TXT), record(2, wire("ns")), opt()),
      { kind: "txt", payload: Uint8Array.of(104, 105), ttl: 60 },
    ],
    [
      "a SOA beside a TXT, whose time is not the TXT's",
      reply(0, [1, 1, 0], record(16, TXT), soa(9, 9)),
      { kind: "txt", payload: Uint8Array.of(104, 105), ttl: 60 },
    ],
    [
      "a TTL with its top bit set",
      reply(0, [1, 0, 0], record(16, TXT, { ttl: 0x8000_0001 })),
      { kind: "txt", payload: Uint8Array.of(104, 105), ttl: 0 },
    ],
    [
      "bytes behind",
      concatBytes(reply(0, [1, 0, 0], record(16, TXT)), TXT),
      { kind: "txt", payload: Uint8Array.of(104, 105), ttl: 60 },
    ],
    ["NODATA with a SOA", reply(0, [0, 1, 0], soa(300, 5)), { kind: "nodata", ttl: 5 }],
    ["NODATA with a short SOA TTL", reply(0, [0, 1, 0], soa(5, 300)), { kind: "nodata", ttl: 5 }],
    [
      "NODATA with a SOA and name servers",
      reply(0, [0, 2, 0], record(2, wire("ns")), soa(5, 300)),
      { kind: "nodata", ttl: 5 },
    ],
    ["NODATA without a SOA", reply(0x400, [0, 0, 0]), { kind: "nodata", ttl: undefined }],
    [
      "NODATA with authority and name servers",
      reply(0x400, [0, 1, 0], record(2, wire("ns"))),
      { kind: "nodata", ttl: undefined },
    ],
    ["NXDOMAIN", reply(3, [0, 1, 0], soa(300, 300)), { kind: "nxdomain", ttl: 300 }],
    ["TC with half a record", reply(0x200, [1, 0, 0], QNAME), { kind: "truncated" }],
    ["a referral", reply(0, [0, 1, 1], record(2, wire("ns")), record(1, new Uint8Array(4))), { kind: "referral" }],
    ["REFUSED", reply(5, [0, 0, 0]), { kind: "failure", rcode: 5 }],
    ["SERVFAIL", reply(2, [0, 0, 1], opt()), { kind: "failure", rcode: 2 }],
    ["BADVERS", reply(0, [0, 0, 1], opt({ extendedRcode: 1 })), { kind: "failure", rcode: 16 }],
    ["an error without a question", message({ flags: 0x8001, counts: [0, 0, 0, 0] }), { kind: "failure", rcode: 1 }],
  ];
  for (const [what, bytes, content] of good) {
    it(`with ${what} are read`, () => {
      // Another implementation reads them, too, if they are whole.
      if (!what.startsWith("TC")) decode(bytes);
      assert.deepEqual(decodeTxtReply(bytes, name), content);
    });
  }

  const bad: [what: string, bytes: Uint8Array, why: RegExp][] = [
    ["two TXTs", reply(0, [2, 0, 0], record(16, TXT), record(16, TXT)), /more than one/],
    ["a CNAME", reply(0, [1, 0, 0], record(5, wire("x"))), /alias/],
    ["a CNAME and a TXT", reply(0, [2, 0, 0], record(5, QNAME), record(16, TXT)), /alias/],
    ["a DNAME", reply(0, [1, 0, 0], record(39, wire("x"))), /type 39/],
    ["an OPT as answer", reply(0, [1, 0, 0], opt()), /type 41/],
    ["a TXT of another name", reply(0, [1, 0, 0], record(16, TXT, { owner: wire("x.org") })), /another name/],
    ["a TXT of a parent", reply(0, [1, 0, 0], record(16, TXT, { owner: Uint8Array.of(0xc0, 16) })), /another name/],
    [
      "a TXT of a child",
      reply(0, [1, 0, 0], record(16, TXT, { owner: Uint8Array.of(1, 97, 0xc0, 12) })),
      /another name/,
    ],
    [
      "a TXT of a name that points to itself",
      reply(0, [1, 0, 0], record(16, TXT, { owner: concatBytes(Uint8Array.of(0xc0, 12 + asked.length)) })),
      /another name/,
    ],
    [
      "a TXT of a name that points forward",
      reply(0, [1, 0, 0], record(16, TXT, { owner: Uint8Array.of(0xc0, 60) })),
      /another name/,
    ],
    [
      "a TXT of a name that points to the header",
      reply(0, [1, 0, 0], record(16, TXT, { owner: Uint8Array.of(0xc0, 0) })),
      /another name/,
    ],
    ["a TXT of another class", reply(0, [1, 0, 0], record(16, TXT, { klass: 3 })), /class/],
    ["a TXT without a string", reply(0, [1, 0, 0], record(16, new Uint8Array(0))), /strings/],
    ["a TXT with a cut string", reply(0, [1, 0, 0], record(16, Uint8Array.of(5, 1))), /strings/],
    ["a TXT and NXDOMAIN", reply(3, [1, 0, 0], record(16, TXT)), /denies/],
    ["a cut record", reply(0, [1, 0, 0], record(16, TXT, { length: 4 })), /cut/],
    ["no record where one is counted", reply(0, [1, 0, 0]), /cut/],
    ["an owner of another label type", reply(0, [1, 0, 0], Uint8Array.of(0x40)), /cut/],
    ["a cut authority", reply(0, [0, 1, 0], QNAME), /cut/],
    ["a cut additional", reply(0, [1, 0, 1], record(16, TXT), Uint8Array.of(0)), /cut/],
    ["counts that no reply has", reply(0, [65_535, 65_535, 65_535]), /claims/],
  ];
  for (const [what, bytes, why] of bad) {
    it(`with ${what} are refused`, () => {
      assert.throws(
        () => decodeTxtReply(bytes, name),
        (error) => isProofdnsError(error, "MALFORMED_MESSAGE") && why.test(error.message),
      );
    });
  }

  it("changed anywhere are ignored, refused, or read as another implementation reads them", () => {
    const original = respond(query, "udp", makeTestZone(), makeData(), NOW);
    assert.ok(original);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        fc.nat(900),
        (changes, cut) => {
          let bytes: Uint8Array = original.slice();
          for (const [at, value] of changes) bytes[at] = value;
          if (cut < 300) bytes = bytes.slice(0, bytes.length - cut);
          if (matchReply(bytes, query) === undefined) return;
          try {
            const content = decodeTxtReply(bytes, name);
            if (content.kind !== "txt") return;
            const theirs = texts(bytes);
            if (theirs !== undefined) assert.deepEqual(theirs, content.payload);
          } catch (error) {
            if (!isProofdnsError(error, "MALFORMED_MESSAGE")) throw error;
          }
        },
      ),
      { numRuns: 5000 },
    );
  });

  it("made of any bytes are read, ignored or refused", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 100 }),
        fc.array(fc.nat(3), { minLength: 3, maxLength: 3 }),
        (tail, [a = 0, b = 0, c = 0]) => {
          const bytes = message({ flags: 0x8000, counts: [1, a, b, c], question: asked, tail });
          try {
            decodeTxtReply(bytes, name);
          } catch (error) {
            if (!isProofdnsError(error, "MALFORMED_MESSAGE")) throw error;
          }
        },
      ),
      { numRuns: 5000 },
    );
  });
});
