import fc from "fast-check";
import type { Asker } from "../../src/dns/asker.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { message, opt, option, question, u16, wire } from "./packet.ts";
import { SAMPLE_NAMES } from "./sample-names.ts";

/** Arbitrary queries to the zone of fake-zone.ts, from well-formed ones to any bytes. */

const Z = "l.example.org";

const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });
const uint16 = fc.integer({ min: 0, max: 0xffff });
const concat = (parts: readonly Uint8Array[]): Uint8Array => concatBytes(...parts);

/** Labels that mean something somewhere in the zone, and some that nearly do. */
const LABELS = [
  ...["p1", "v0", "ns1", "ns", "a", "_", "_k", "_head", "_majors", "_versions", "_consistency", "_sumdb", "_record"],
  ...["_toolchain", "toolchain", "_p0", "_p1", "_p9", "_p01", "s3", "s11", "e0", "e5", "e10", "e11", "s0", "t0"],
  ...["t1799996400", "t1800000000", "t1800003600", "9", "10", "11", "0", "900", "1000", "9007199254740992"],
  ...["golang", "org", "com", "github", "x", "mod", "go4", "gopkg", "in", "yaml", "mjl_2d", "_4dox", "mox", "_6dox"],
  ...["mjl-", "-", "a_2fb", "_5f", "_2d", "a".repeat(52), "a".repeat(63), "p2", "www", "l", "example", "L", "Org"],
];

/** A label in wire form. */
const label: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...LABELS.map((text) => wire(text).slice(0, -1))) },
  {
    weight: 1,
    arbitrary: fc.uint8Array({ minLength: 1, maxLength: 63 }).map((data) => concat([Uint8Array.of(data.length), data])),
  },
);

const apex = wire(Z);

/** A name that fits 255 bytes: most of the zone, the others anywhere. */
const name: fc.Arbitrary<Uint8Array> = fc
  .oneof(
    { weight: 4, arbitrary: fc.constantFrom(...SAMPLE_NAMES.map(([text]) => concat([wire(text).slice(0, -1), apex]))) },
    {
      weight: 4,
      arbitrary: fc.array(label, { maxLength: 8 }).map((labels) => concat([...labels, wire("p1").slice(0, -1), apex])),
    },
    { weight: 2, arbitrary: fc.array(label, { maxLength: 8 }).map((labels) => concat([...labels, apex])) },
    { weight: 1, arbitrary: fc.array(label, { maxLength: 4 }).map((labels) => concat([...labels, Uint8Array.of(0)])) },
  )
  .map((whole) => {
    // The leftmost labels go until the rest fits.
    let at = 0;
    while (whole.length - at > 255) at += 1 + (whole[at] as number);
    return whole.subarray(at);
  });

/** The same name with some letters in the other case. */
const mixedName: fc.Arbitrary<Uint8Array> = fc
  .tuple(name, fc.oneof(fc.constant(0), fc.integer()))
  .map(([whole, bits]) => {
    const out = whole.slice();
    for (let at = 0; (out[at] as number) !== 0; ) {
      const end = at + 1 + (out[at] as number);
      for (at++; at < end; at++) {
        const b = out[at] as number;
        const isLetter = (b | 0x20) >= 0x61 && (b | 0x20) <= 0x7a;
        if (isLetter && ((bits >>> (at % 31)) & 1) === 1) out[at] = b ^ 0x20;
      }
    }
    return out;
  });

const type = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constantFrom(1, 2, 5, 6, 12, 13, 15, 16, 28, 33, 35, 41, 43, 46, 47, 48, 50, 51, 52, 59, 60, 64, 65),
  },
  { weight: 3, arbitrary: fc.constant(16) },
  { weight: 1, arbitrary: fc.constantFrom(0, 99, 128, 249, 250, 251, 252, 253, 254, 255, 256, 257, 1000, 65_535) },
  { weight: 1, arbitrary: uint16 },
);
const klass = fc.oneof(
  { weight: 12, arbitrary: fc.constant(1) },
  { weight: 1, arbitrary: fc.constantFrom(0, 3, 4, 254, 255, 0x8001) },
);

const anyQuestion: fc.Arbitrary<Uint8Array> = fc.tuple(mixedName, type, klass).map(([n, t, c]) => question(n, t, c));

const anyOption: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.constantFrom(0, 7, 8, 9, 16, 24, 40, 41).map((length) => option(10, length)),
  fc.constantFrom(0, 3).map((length) => option(3, length)),
  fc.constantFrom(0, 2).map((length) => option(11, length)),
  fc
    .tuple(fc.constantFrom(0, 3, 5, 8, 10, 11, 12, 14, 15, 16, 65_001), bytes(30))
    .map(([code, data]) => concat([u16(code), u16(data.length), data])),
);

const edns: fc.Arbitrary<Uint8Array> = fc
  .record({
    size: fc.oneof(fc.constantFrom(0, 511, 512, 700, 1232, 4096, 65_535), uint16),
    version: fc.oneof({ weight: 10, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(255) }),
    flags: fc.oneof(fc.constantFrom(0, 0x8000, 0xc000, 0x4000), uint16),
    extendedRcode: fc.oneof({ weight: 10, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(255) }),
    options: fc.array(anyOption, { maxLength: 3 }).map(concat),
  })
  .map(opt);

const flags = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, 0x0100, 0x0120, 0x0110) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0x7fff }) },
);

/** What stands between question and OPT in odd queries. */
const anyRecord: fc.Arbitrary<Uint8Array> = fc
  .tuple(fc.oneof(mixedName, fc.constant(Uint8Array.of(0xc0, 12)), fc.constant(Uint8Array.of(0))), type, bytes(20))
  .map(([owner, t, rdata]) => concat([owner, u16(t), u16(1), new Uint8Array(4), u16(rdata.length), rdata]));

/** A query as resolvers send them. */
export const PLAIN_QUERY: fc.Arbitrary<Uint8Array> = fc
  .tuple(uint16, flags, anyQuestion, fc.option(edns, { nil: undefined }))
  .map(([id, f, q, tail]) =>
    message({ id, flags: f, counts: [1, 0, 0, tail === undefined ? 0 : 1], question: q, ...(tail && { tail }) }),
  );

/** A query with records in all sections, more questions or none, and counts that are mostly right. */
const ODD_QUERY: fc.Arbitrary<Uint8Array> = fc
  .record({
    id: uint16,
    flags,
    questions: fc.array(anyQuestion, { maxLength: 3 }),
    records: fc.array(
      fc.array(fc.oneof({ weight: 2, arbitrary: anyRecord }, { weight: 1, arbitrary: edns }), { maxLength: 2 }),
      {
        minLength: 3,
        maxLength: 3,
      },
    ),
    off: fc.tuple(fc.nat(40), fc.nat(3)),
    junk: fc.oneof({ weight: 3, arbitrary: fc.constant(new Uint8Array(0)) }, { weight: 1, arbitrary: bytes(8) }),
  })
  .map(({ id, flags: f, questions, records, off: [where, value], junk }) => {
    const counts: [number, number, number, number] = [questions.length, 0, 0, 0];
    records.forEach((section, i) => {
      counts[i + 1] = section.length;
    });
    if (where < 4) counts[where] = value;
    return message({ id, flags: f, counts, question: concat(questions), tail: concat([...records.flat(), junk]) });
  });

/** Either, with bytes changed, taken out, put in, doubled or cut off. */
const MUTATED: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.oneof(PLAIN_QUERY, ODD_QUERY),
    fc.array(
      fc.record({
        how: fc.constantFrom("set", "flip", "remove", "insert", "cut", "double"),
        at: fc.oneof(fc.nat(40), fc.nat(400)),
        value: fc.oneof(fc.constantFrom(0, 1, 0x3f, 0x40, 0xc0, 0xff), fc.nat(255)),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  )
  .map(([start, changes]) => {
    let out: Uint8Array = start;
    for (const { how, at: wanted, value } of changes) {
      if (out.length === 0) break;
      const at = wanted % out.length;
      const [before, after] = [out.subarray(0, at), out.subarray(at)];
      if (how === "set" || how === "flip") {
        out = out.slice();
        out[at] = how === "set" ? value : (out[at] as number) ^ (1 << (value & 7));
      } else if (how === "remove") out = concat([before, after.subarray(1)]);
      else if (how === "insert") out = concat([before, Uint8Array.of(value), after]);
      else if (how === "double") out = concat([out, after]);
      else if (wanted < 40) out = before.slice();
    }
    return out;
  });

/** A header with any bytes behind it. */
const HEADED: fc.Arbitrary<Uint8Array> = fc
  .tuple(uint16, flags, fc.array(fc.nat(3), { minLength: 4, maxLength: 4 }), bytes(120))
  .map(([id, f, [a = 1, b = 0, c = 0, d = 0], rest]) =>
    message({ id, flags: f, counts: [a, b, c, d], question: rest }),
  );

/** Any of them, and any bytes. */
export const ANY_MESSAGE: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 16, arbitrary: PLAIN_QUERY },
  { weight: 4, arbitrary: ODD_QUERY },
  { weight: 4, arbitrary: MUTATED },
  { weight: 1, arbitrary: HEADED },
  { weight: 1, arbitrary: bytes(200) },
);

/** Who asks. */
export const ANY_ASKER: fc.Arbitrary<Asker> = fc
  .tuple(fc.constantFrom("udp", "tcp"), fc.boolean(), fc.nat(2), fc.constantFrom(undefined, 0, 70, 65_535))
  .map(([transport, isV6, host, keepalive]) => ({
    transport: transport as Asker["transport"],
    address: isV6 ? new Uint8Array(16).fill(host) : Uint8Array.of(192, 0, 2, host),
    ...(keepalive === undefined ? {} : { keepalive }),
  }));
