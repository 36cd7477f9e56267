import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { respond } from "../../src/dns/index.ts";
import { TYPE } from "../../src/dns/message.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { makeData, makeTestZone, NOW } from "./fake-zone.ts";
import { decode, message, opt, option, query, question, summarize, u16, wire } from "./packet.ts";

const zone = makeTestZone();
const Z = "l.example.org";
const NAME = `go4.org.p1.${Z}`;
const BIG = `mod.x._.golang.org._versions.p1.${Z}`;
const label = (length: number): string => "a".repeat(length);
const say = (bytes: Uint8Array, transport: "udp" | "tcp" = "udp"): string =>
  summarize(respond(bytes, transport, zone, makeData(), NOW));
const asked = question(NAME, TYPE.TXT);
const withOpt = (parts: Parameters<typeof opt>[0]): Uint8Array => query(NAME, TYPE.TXT, parts);
const record = (owner: Uint8Array, type: number, klass: number, rdata: Uint8Array, length = rdata.length): Uint8Array =>
  concatBytes(owner, u16(type), u16(klass), new Uint8Array(4), u16(length), rdata);
const QNAME = Uint8Array.of(0xc0, 12);
const ROOT = Uint8Array.of(0);
const tail = (counts: [number, number, number, number], ...parts: Uint8Array[]): Uint8Array =>
  message({ counts, question: asked, tail: concatBytes(...parts) });
const raw = (...bytes: (number | Uint8Array)[]): Uint8Array =>
  message({ question: concatBytes(...bytes.map((b) => (typeof b === "number" ? Uint8Array.of(b) : b))) });

// What authoritative servers agree on about odd queries, and where they differ what this one does.
describe("odd queries", () => {
  const rows: [what: string, bytes: Uint8Array, said: string][] = [
    ["no EDNS", query(NAME, TYPE.TXT, false), "NOERROR AA TC"],
    ["EDNS", query(NAME), "NOERROR AA +opt an1"],
    ["an unknown option", withOpt({ options: option(65_001, 2) }), "NOERROR AA +opt an1"],
    ["an unknown EDNS flag", withOpt({ flags: 0x0040 }), "NOERROR AA +opt an1"],
    ["a client subnet", withOpt({ options: option(8, 7) }), "NOERROR AA +opt an1"],
    ["a short client subnet", withOpt({ options: option(8, 1) }), "NOERROR AA +opt an1"],
    ["NSID", withOpt({ options: option(3, 0) }), "NOERROR AA +opt an1"],
    ["padding", withOpt({ options: option(12, 64) }), "NOERROR AA +opt an1"],
    ["keepalive by UDP", withOpt({ options: option(11, 0) }), "NOERROR AA +opt an1"],
    ["a cookie", withOpt({ options: option(10, 8) }), "NOERROR AA +opt an1"],
    [
      "a cookie and malformed ones behind it",
      withOpt({ options: concatBytes(...[8, 7, 41].map((n) => option(10, n))) }),
      "NOERROR AA +opt an1",
    ],
    ...[0, 7, 9, 12, 15, 41].map((n): [string, Uint8Array, string] => [
      `a cookie of ${n} bytes`,
      withOpt({ options: option(10, n) }),
      "FORMERR +opt",
    ]),
    ...[16, 24, 40].map((n): [string, Uint8Array, string] => [
      `a cookie of ${n} bytes`,
      withOpt({ options: option(10, n) }),
      "NOERROR AA +opt an1",
    ]),
    ["an extended rcode in the query", withOpt({ extendedRcode: 1 }), "NOERROR AA +opt an1"],
    ["EDNS version 1", withOpt({ version: 1 }), "BADVERS +opt"],
    ["EDNS version 255 with options", withOpt({ version: 255, options: option(100, 3) }), "BADVERS +opt"],
    ["EDNS version 1 out of the zone", query("other.example", TYPE.TXT, { version: 1 }), "BADVERS +opt"],
    ["EDNS version 1 and a bad type", query(NAME, TYPE.OPT, { version: 1 }), "BADVERS +opt"],
    ["a large answer without EDNS", query(BIG, TYPE.TXT, false), "NOERROR AA TC"],
    ["a large answer at size 512", query(BIG, TYPE.TXT, { size: 512 }), "NOERROR AA TC +opt"],
    ["opcode 1", message({ flags: 1 << 11, question: asked }), "NOTIMP"],
    ["opcode 2", message({ flags: 2 << 11, question: asked }), "NOTIMP"],
    ["opcode 4, NOTIFY", message({ flags: 4 << 11, question: question(Z, TYPE.SOA) }), "NOTIMP"],
    ["opcode 5, UPDATE", message({ flags: 5 << 11, question: question(Z, TYPE.SOA) }), "NOTIMP"],
    ["opcode 6", message({ flags: 6 << 11, question: asked }), "NOTIMP"],
    ["opcode 15", message({ flags: 15 << 11, question: asked }), "NOTIMP"],
    [
      "opcode 15 with EDNS",
      message({ flags: 15 << 11, counts: [1, 0, 0, 1], question: asked, tail: opt() }),
      "NOTIMP +opt",
    ],
    [
      "opcode 15 with EDNS 1",
      message({ flags: 15 << 11, counts: [1, 0, 0, 1], question: asked, tail: opt({ version: 1 }) }),
      "NOTIMP +opt",
    ],
    [
      "opcode 15 with a bad OPT",
      message({ flags: 15 << 11, counts: [1, 0, 0, 1], question: asked, tail: opt({ length: 9 }) }),
      "NOTIMP",
    ],
    ["opcode 15 and no question", message({ flags: 15 << 11, counts: [0, 0, 0, 0] }), "NOTIMP"],
    [
      "opcode 15 and junk",
      message({ flags: 15 << 11, counts: [9, 9, 9, 9], tail: new Uint8Array(30).fill(0xff) }),
      "NOTIMP",
    ],
    ["type 0", query(NAME, 0), "NOERROR AA +opt ns1"],
    ["type 65535", query(NAME, 65_535), "NOERROR AA +opt ns1"],
    ["type 1000", query(NAME, 1000), "NOERROR AA +opt ns1"],
    ["type RRSIG", query(NAME, 46), "NOERROR AA +opt ns1"],
    ["type NSEC", query(NAME, 47), "NOERROR AA +opt ns1"],
    ["type DS", query(Z, 43), "NOERROR AA +opt ns1"],
    ["type 128", query(NAME, 128), "FORMERR +opt"],
    ["type 41", query(NAME, 41), "FORMERR +opt"],
    ["type 250", query(NAME, 250), "FORMERR +opt"],
    ["type 41 out of the zone", query("other.example", 41), "REFUSED +opt"],
    ["IXFR", query(Z, 251, false), "REFUSED"],
    ["AXFR", query(Z, 252, false), "REFUSED"],
    ["class CH", message({ question: question(NAME, TYPE.TXT, 3) }), "REFUSED"],
    ["class NONE", message({ question: question(NAME, TYPE.TXT, 254) }), "REFUSED"],
    ["class ANY", message({ question: question(NAME, TYPE.TXT, 255) }), "REFUSED"],
    ["class 0", message({ question: question(NAME, TYPE.TXT, 0) }), "REFUSED"],
    ["version.bind", message({ question: question("version.bind", TYPE.TXT, 3) }), "REFUSED"],
    ["the root", query("", TYPE.NS), "REFUSED +opt"],
    ["a foreign name", query("other.example"), "REFUSED +opt"],
    ["the parent", query("example.org"), "REFUSED +opt"],
    ["a name that only ends like the zone", query(`go4.org.p1.x${Z}`), "REFUSED +opt"],
    ["a dot inside a label of the zone", query("l\\046example.org"), "REFUSED +opt"],
    ["a name of 255 bytes", query(`${[63, 63, 63, 47].map(label).join(".")}.${Z}`), "NXDOMAIN AA +opt ns1"],
    ["a label of 63 bytes", query(`${label(63)}.${Z}`), "NXDOMAIN AA +opt ns1"],
    ["a binary label", query(`\\000\\255.p1.${Z}`), "NXDOMAIN AA +opt ns1"],
    ["a dot inside a label", query(`go4\\046org.p1.${Z}`), "NXDOMAIN AA +opt ns1"],
    ["a name of 256 bytes", query(`${[63, 63, 63, 48].map(label).join(".")}.${Z}`, TYPE.TXT, false), "FORMERR"],
    ["a label length of 0x40", raw(0x40, wire(Z), u16(16), u16(1)), "FORMERR"],
    ["a label length of 0x80", raw(0x80, wire(Z), u16(16), u16(1)), "FORMERR"],
    ["a pointer to itself", raw(0xc0, 12, u16(16), u16(1)), "FORMERR"],
    ["a pointer forward", raw(0xc0, 14, wire(Z), u16(16), u16(1)), "FORMERR"],
    ["a pointer to the header", raw(0xc0, 0, u16(16), u16(1)), "FORMERR"],
    ["a pointer past the end", raw(0xff, 0xff, u16(16), u16(1)), "FORMERR"],
    ["half a pointer", raw(0xc0), "FORMERR"],
    ["QDCOUNT 0", message({ counts: [0, 0, 0, 0] }), "FORMERR"],
    [
      "QDCOUNT 0 with a cookie",
      message({ counts: [0, 0, 0, 1], tail: opt({ options: option(10, 8) }) }),
      "FORMERR +opt",
    ],
    ["QDCOUNT 2", message({ counts: [2, 0, 0, 0], question: concatBytes(asked, asked) }), "FORMERR"],
    [
      "QDCOUNT 2 with EDNS",
      message({ counts: [2, 0, 0, 1], question: concatBytes(asked, asked), tail: opt() }),
      "FORMERR +opt",
    ],
    ["QDCOUNT 65535", message({ counts: [65_535, 0, 0, 0], question: asked }), "FORMERR"],
    ["twelve bytes of FF", new Uint8Array(12).fill(0xff), "-"],
    [
      "twelve bytes of FF without QR",
      message({ id: 0xffff, flags: 0x7fff, counts: [65_535, 65_535, 65_535, 65_535] }),
      "NOTIMP",
    ],
    ["a reply", message({ flags: 0x8000, question: asked }), "-"],
    ["eleven bytes", message({ question: asked }).subarray(0, 11), "-"],
    ["nothing", new Uint8Array(0), "-"],
    ["QDCOUNT 1 and no question", message({}), "FORMERR"],
    ["a question without its class", message({ question: asked.subarray(0, asked.length - 1) }), "FORMERR"],
    ["a question without its end", message({ question: wire(Z).subarray(0, 5) }), "FORMERR"],
    ["bytes behind the message", concatBytes(query(NAME), new Uint8Array(9).fill(0xff)), "NOERROR AA +opt an1"],
    [
      "an answer in the query",
      tail([1, 1, 0, 1], record(QNAME, 16, 1, Uint8Array.of(1, 120)), opt()),
      "NOERROR AA +opt an1",
    ],
    [
      "an authority in the query",
      tail([1, 0, 1, 1], record(ROOT, 6, 1, new Uint8Array(0)), opt()),
      "NOERROR AA +opt an1",
    ],
    [
      "an additional record in the query",
      tail([1, 0, 0, 2], record(wire("x.y"), 1, 1, new Uint8Array(4)), opt()),
      "NOERROR AA +opt an1",
    ],
    [
      "a record behind the OPT",
      tail([1, 0, 0, 2], opt(), record(ROOT, 1, 1, new Uint8Array(4))),
      "NOERROR AA +opt an1",
    ],
    ["ARCOUNT 1 and nothing there", tail([1, 0, 0, 1]), "FORMERR"],
    ["ARCOUNT 2 and one there", tail([1, 0, 0, 2], opt()), "FORMERR"],
    ["ANCOUNT 65535", tail([1, 65_535, 0, 0], record(QNAME, 16, 1, Uint8Array.of(0))), "FORMERR"],
    ["an RDLENGTH past the end", tail([1, 0, 0, 1], record(ROOT, 1, 1, new Uint8Array(4), 5)), "FORMERR"],
    ["a record with a forward pointer", tail([1, 0, 0, 1], record(Uint8Array.of(0xff, 0xff), 1, 1, ROOT)), "FORMERR"],
    ["a record with half a pointer", tail([1, 0, 0, 1], Uint8Array.of(0xc0)), "FORMERR"],
    ["a record with a label of type 0x40", tail([1, 0, 0, 1], record(Uint8Array.of(0x41, 0), 1, 1, ROOT)), "FORMERR"],
    [
      "a record with a name of over 255 bytes",
      tail([1, 0, 0, 1], record(wire(new Array(200).fill("a").join(".")), 1, 1, ROOT)),
      "FORMERR",
    ],
    ["an option past the end", withOpt({ options: option(10, 9, 8) }), "FORMERR"],
    ["an option without its length", withOpt({ options: Uint8Array.of(0, 10, 0) }), "FORMERR"],
    ["a bad option in EDNS 1", withOpt({ version: 1, options: option(10, 9, 8) }), "FORMERR"],
    ["two OPTs", tail([1, 0, 0, 2], opt(), opt()), "FORMERR"],
    ["an OPT among the answers", tail([1, 1, 0, 0], opt()), "FORMERR"],
    ["an OPT among the authorities", tail([1, 0, 1, 0], opt()), "FORMERR"],
    ["an OPT with an owner", withOpt({ owner: wire("a") }), "FORMERR"],
    [
      "an OPT with a pointer to the root",
      withOpt({ owner: Uint8Array.of(0xc0, 12 + wire(NAME).length - 1) }),
      "FORMERR",
    ],
    ["size 0", query(BIG, TYPE.TXT, { size: 0 }), "NOERROR AA TC +opt"],
    ["size 65535", query(BIG, TYPE.TXT, { size: 65_535 }), "NOERROR AA TC +opt"],
    ["a garbled SIG(0)", tail([1, 0, 0, 1], record(ROOT, 24, 255, Uint8Array.of(120, 120))), "FORMERR"],
    ["a garbled TSIG", tail([1, 0, 0, 1], record(ROOT, 250, 255, Uint8Array.of(120, 120))), "FORMERR"],
    ["TC set", message({ flags: 0x0200, question: question(Z, TYPE.SOA) }), "NOERROR AA an1"],
    ["an rcode in the query", message({ flags: 5, question: question(Z, TYPE.SOA) }), "NOERROR AA an1"],
    ["AA, RA, Z and AD set", message({ flags: 0x04e0, question: question(Z, TYPE.SOA) }), "NOERROR AA an1"],
  ];
  for (const [what, bytes, said] of rows) it(`${what}: ${said}`, () => assert.equal(say(bytes), said));

  it("by TCP are answered alike, but for sizes", () => {
    for (const [what, bytes, said] of rows) {
      assert.equal(say(bytes, "tcp"), said.replace(/ TC(.*)$/, "$1 an1"), what);
    }
  });
});

describe("replies", () => {
  it("copy the ID, the opcode, RD and CD, and no other flag", () => {
    for (let flags = 0; flags < 0x8000; flags += 1) {
      if ((flags & 0x000f) !== 0 && flags % 7 !== 0) continue;
      const reply = respond(
        message({ id: flags, flags, question: question(Z, TYPE.SOA) }),
        "udp",
        zone,
        makeData(),
        NOW,
      );
      assert.ok(reply);
      const got = (reply[2] ?? 0) * 256 + (reply[3] ?? 0);
      const opcode = flags & 0x7800;
      const expected = 0x8000 | opcode | (flags & 0x0110) | (opcode === 0 ? 0x0400 : 4);
      assert.equal(got, expected, flags.toString(16));
      assert.equal((reply[0] ?? 0) * 256 + (reply[1] ?? 0), flags);
    }
  });

  it("have an OPT of version 0 and 1,232 bytes, the DO bit as asked, and no options", () => {
    for (const flags of [0, 0x8000, 0x4000, 0xffff]) {
      const bytes = withOpt({ size: 4000, flags, options: concatBytes(option(3, 0), option(10, 8)) });
      const reply = respond(bytes, "udp", zone, makeData(), NOW);
      assert.ok(reply);
      assert.deepEqual(decode(reply).opt, { size: 1232, version: 0, flags: flags & 0x8000, options: 0 });
    }
  });

  it("have the question in the case in which it was asked", () => {
    const mixed = fc.array(fc.boolean(), { minLength: 60, maxLength: 60 });
    const names = fc.constantFrom(NAME, BIG, `_nothing.p1.${Z}`, `x.${Z}`, "other.example", `${Z}`);
    fc.assert(
      fc.property(names, mixed, fc.constantFrom(1, 16, 255, 41), (name, bits, type) => {
        const text = [...name].map((c, i) => (bits[i] ? c.toUpperCase() : c)).join("");
        const bytes = query(text, type);
        const reply = respond(bytes, "udp", zone, makeData(), NOW);
        assert.ok(reply);
        const asked = question(text, type);
        assert.deepEqual(reply.subarray(12, 12 + asked.length), asked);
        // And it changes nothing else.
        assert.equal(summarize(reply), say(query(name, type)));
      }),
    );
  });
});

/** What holds for any message and its reply. */
function check(bytes: Uint8Array, transport: "udp" | "tcp"): void {
  const copy = bytes.slice();
  const reply = respond(bytes, transport, zone, makeData(), NOW);
  assert.deepEqual(bytes, copy, "the query was changed");
  if (bytes.length < 12 || (bytes[2] ?? 0) >= 0x80) {
    assert.equal(reply, undefined);
    return;
  }
  assert.ok(reply, "no reply");
  const d = decode(reply);
  assert.deepEqual(reply.subarray(0, 2), bytes.subarray(0, 2), "ID");
  assert.equal(d.flags & 0xf800, 0x8000 | (((bytes[2] ?? 0) << 8) & 0x7800), "QR and opcode");
  assert.equal(d.flags & 0x00e0, 0, "RA, Z and AD");
  if (d.counts[0] === 1) {
    assert.deepEqual(d.questionBytes, bytes.subarray(12, 12 + d.questionBytes.length), "question");
  } else {
    assert.equal(d.counts[0], 0);
    assert.ok(d.rcode === 1 || d.rcode === 4);
  }
  assert.ok(transport === "tcp" || reply.length <= (d.opt === undefined ? 512 : 1232), "size");
  assert.ok(reply.length <= 65_535);
}

describe("any bytes", () => {
  it("are dropped or answered with a message that dns-packet reads", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.constantFrom("udp", "tcp"), (bytes, transport) => {
        check(bytes, transport as "udp" | "tcp");
      }),
      { numRuns: 1000 },
    );
  });

  it("behind a header of a query are, too", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 80 }),
        fc.array(fc.nat(3), { minLength: 4, maxLength: 4 }),
        (bytes, counts) => {
          const [a = 1, b = 0, c = 0, d = 0] = counts;
          check(message({ counts: [a, b, c, d], question: bytes }), "udp");
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("made of a query by changing, cutting and doubling are, too", () => {
    const names = [NAME, BIG, `s3._head.p1.${Z}`, Z, `x.y.v0.${Z}`, "other.example"];
    const base = fc.constantFrom(...names.map((name) => query(name, TYPE.TXT, { options: option(10, 8) })));
    const change = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(base, change, fc.nat(200), fc.boolean(), (bytes, changes, cut, double) => {
        let out: Uint8Array = bytes.slice();
        for (const [at, value] of changes) if (at < out.length) out[at] = value;
        if (cut < 100) out = out.slice(0, out.length - cut);
        if (double) out = concatBytes(out, out);
        check(out, double ? "tcp" : "udp");
      }),
      { numRuns: 2000 },
    );
  });

  it("of a large message take no longer than its length allows", () => {
    // As many questions and records as fit, of the smallest and the longest kind.
    const worst = [
      message({ counts: [65_535, 0, 0, 0], question: new Uint8Array(65_000) }),
      message({ counts: [1, 65_535, 65_535, 65_535], question: asked, tail: new Uint8Array(65_000) }),
      message({ counts: [1, 65_535, 0, 0], question: asked, tail: new Uint8Array(65_000).fill(1) }),
      withOpt({ options: new Uint8Array(64_000) }),
      new Uint8Array(65_000).fill(0x3f),
    ];
    for (const bytes of worst) {
      const start = performance.now();
      for (let i = 0; i < 20; i++) respond(bytes, "tcp", zone, makeData(), NOW);
      assert.ok((performance.now() - start) / 20 < 20, "milliseconds");
    }
  });
});
