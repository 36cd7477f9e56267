import { encodeTxtQuery } from "../../src/dns/txt-reply.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { bytes, numbered, type Seeds, u16 } from "./seed.ts";
import { some, vectorsOf } from "./vectors.ts";

/** Seeds of the targets that read names and messages. */

/** A dotted name in wire format. */
export function wire(name: string): Uint8Array {
  const labels = name.split(".").filter((label) => label !== "");
  return bytes(...labels.flatMap((label) => [label.length, label]), 0);
}

const framed = (labels: readonly string[]): Uint8Array =>
  concatBytes(...labels.map((label) => bytes(label.length - 1, label)));

export function nameSeeds(): Seeds {
  const vectors = vectorsOf<{ labels: string[] }>("dns.json", "name").filter(({ labels }) =>
    labels.every((label) => label.length >= 1 && label.length <= 63 && Buffer.from(label).length === label.length),
  );
  const paths = vectorsOf<{ path: string }>("dns.json", "encode-path").filter(({ path }) => path.length <= 100);
  return {
    wire: bytes(0, 0, wire("mod.x._.golang.org.p1.l.example.org")),
    "wire-case": bytes(0, 0, wire("Go4.ORG.P1.L.Example.Org")),
    "wire-binary": bytes(0, 1, 9, 3, 0, 0xff, 0x2e, 1, 0x5c, 0),
    "wire-long": bytes(0, 0, ...Array.from({ length: 3 }, () => [63, "x".repeat(63)]).flat(), 60, "y".repeat(60), 0),
    ...numbered(
      "question",
      some(vectors, 32).map(({ labels }) => bytes(1, framed(labels))),
    ),
    ...numbered(
      "path",
      some(paths, 10).map(({ path }) => bytes(2, path)),
    ),
    labels: bytes(2, "mod.x._.golang.org"),
    "labels-escaped": bytes(2, "_4dox.mjl_2d._.github.com"),
    ...numbered(
      "element",
      ["mox", "Mox", "-a-", "yaml.v3", "a_b"].map((text) => bytes(3, text)),
    ),
    ...numbered(
      "asked",
      Array.from({ length: 10 }, (_, kind) =>
        bytes(4, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 3, 4, kind, "golang.org/x/mod"),
      ),
    ),
    "asked-long": bytes(4, new Uint8Array(14), 0, `example.com/${"a".repeat(60)}/${"B".repeat(40)}`),
  };
}

const NAME = wire("go4.org.p1.l.example.org");
const QUESTION_NAME = Uint8Array.of(0xc0, 12);

function record(type: number, rdata: Uint8Array, ttl = 60, owner: Uint8Array = QUESTION_NAME, klass = 1): Uint8Array {
  return bytes(owner, u16(type), u16(klass), u16(0), u16(ttl), u16(rdata.length), rdata);
}

function reply(flags: number, counts: readonly [number, number, number], ...records: Uint8Array[]): Uint8Array {
  const query = encodeTxtQuery(NAME, 0x1234);
  const header = bytes(u16(0x1234), u16(0x8000 | flags), u16(1), ...counts.map(u16));
  return bytes(0, header, query.subarray(12, 12 + NAME.length + 4), ...records);
}

export function txtReplySeeds(): Seeds {
  const txt = record(16, bytes(5, "hello", 0, 3, "you"));
  const soa = record(6, bytes(0, 0, new Uint8Array(16), u16(0), u16(30)), 300);
  const opt = bytes(0, u16(41), u16(1232), 0, 0, 0, 0, u16(0));
  const rrsig = record(46, new Uint8Array(40));
  const own = record(16, bytes(1, "x"), 5, NAME);
  return {
    txt: reply(0x0400, [1, 0, 1], txt, opt),
    "txt-signed": reply(0x0400, [2, 0, 1], txt, rrsig, opt),
    "txt-own-name": reply(0x0180, [1, 0, 0], own),
    "txt-case": bytes(1, 0x01, 0x80, 1, 0, 0, 0xaa, txt),
    nodata: reply(0x0400, [0, 1, 1], soa, opt),
    nxdomain: reply(0x0403, [0, 1, 0], soa),
    "nodata-without-soa": reply(0x0400, [0, 0, 0]),
    referral: reply(0, [0, 1, 0], record(2, wire("ns.example"))),
    servfail: reply(2, [0, 0, 1], opt),
    badvers: reply(0, [0, 0, 1], bytes(0, u16(41), u16(1232), 1, 0, 0, 0, u16(0))),
    truncated: reply(0x0200, [1, 0, 0], txt.subarray(0, 9)),
    cname: reply(0x0400, [1, 0, 0], record(5, wire("other.example"))),
    cut: reply(0x0400, [1, 0, 0], txt.subarray(0, -2)),
    bare: bytes(0, u16(0x1234), u16(0x8001), new Uint8Array(8)),
    "other-id": bytes(0, u16(0x1235), u16(0x8001), new Uint8Array(8)),
    name: bytes(2, NAME),
    "name-pointer": bytes(2, 1, "a", 0xc0, 12),
  };
}

/** An input of the target `responder`: settings, epoch and time, then steps. */
function responderSeed(flags: number, epoch: number, seconds: number, ...steps: readonly Uint8Array[]): Uint8Array {
  return bytes(flags, 0, epoch, u16(0x4000 + seconds / 2), ...steps);
}

/** A step that asks with bytes of its own. */
function askRaw(message: Uint8Array): Uint8Array {
  return bytes(0, message.length, message);
}

interface Built {
  readonly name: number;
  readonly type?: number;
  /** Low two bits: none, plain, DO, DO and CO; then cookie, NSID and keepalive. */
  readonly edns?: number;
  readonly size?: number;
  readonly cookie?: readonly number[];
}

/** A step that asks with a query that the target puts together. */
function ask({ name, type = 0, edns = 0, size = 1232, cookie = [] }: Built): Uint8Array {
  return bytes(3, name, 0, type, 0, 7, edns, ...(edns % 4 === 0 ? [] : [...cookie, u16(size)]));
}

const goOn = (seconds: number): Uint8Array => bytes(6, 2, 64 + seconds);
const nextEpoch: Uint8Array = bytes(6, 0, 64);
const byTcp: Uint8Array = bytes(7, 0x80);

export function responderSeeds(): Seeds {
  const query = (
    name: string,
    type: number,
    tail: Uint8Array,
    counts: readonly number[] = [1, 0, 0, 0],
    flags = 0,
  ): Uint8Array => bytes(u16(0x1234), u16(flags), ...counts.map(u16), wire(name), u16(type), u16(1), tail);
  const opt = (options: Uint8Array, version = 0, flags = 0): Uint8Array =>
    bytes(0, u16(41), u16(1232), 0, version, u16(flags), u16(options.length), options);
  const none = new Uint8Array(0);
  const long = { edns: 2, size: 512 };
  return {
    ...numbered(
      "unsigned",
      Array.from({ length: 12 }, (_, i) => responderSeed(0, 5, 4000, ask({ name: 3 * i, edns: 1 }))),
    ),
    ...numbered(
      "signed",
      Array.from({ length: 18 }, (_, i) => responderSeed(1, 6, 4300, ask({ name: 2 * i + 1, edns: 2 }))),
    ),
    ...numbered(
      "type",
      Array.from({ length: 20 }, (_, i) => responderSeed(1, 6, 4300, ask({ name: 0, type: i, edns: 2 }))),
    ),
    ...numbered(
      "long",
      [34, 35, 36, 37].map((name) =>
        responderSeed(1, 6, 4300, ask({ name, edns: 2 }), ask({ name, type: 1, edns: 2 })),
      ),
    ),
    compact: responderSeed(1, 6, 4300, ask({ name: 11, edns: 3 }), ask({ name: 4, type: 1, edns: 3 })),
    "two-keys": responderSeed(3, 6, 4300, ask({ name: 0, type: 11, edns: 2 }), ask({ name: 0, type: 12, edns: 2 })),
    "old-key": responderSeed(5, 6, 4300, ask({ name: 0, type: 11, edns: 2 }), ask({ name: 0, type: 13, edns: 2 })),
    truncated: responderSeed(1, 13, 8000, ask({ name: 30, ...long }), byTcp, ask({ name: 30, ...long })),
    cached: responderSeed(
      1,
      6,
      4300,
      ask({ name: 12, edns: 2 }),
      goOn(20),
      ask({ name: 12, edns: 2 }),
      nextEpoch,
      ask({ name: 12, edns: 2 }),
    ),
    "no-cache": responderSeed(0x41, 6, 4300, ask({ name: 13, edns: 2 }), nextEpoch, ask({ name: 13, edns: 2 })),
    worker: responderSeed(
      0x81,
      8,
      5500,
      ask({ name: 36, edns: 2 }),
      ask({ name: 30, edns: 2 }),
      byTcp,
      ask({ name: 24 }),
    ),
    "worker-denial": responderSeed(0x80, 8, 5500, ask({ name: 11 }), ask({ name: 4 }), ask({ name: 12, edns: 1 })),
    cookies: responderSeed(
      8,
      6,
      4300,
      ask({ name: 0, type: 4, edns: 0x11 }),
      ask({ name: 0, edns: 0x21, cookie: [0, 20] }),
    ),
    "cookie-old": responderSeed(8, 6, 4300, ask({ name: 0, edns: 0x21, cookie: [1, 250] })),
    "cookie-odd": responderSeed(8, 6, 4300, ask({ name: 0, edns: 0x31, cookie: [9, 1, 2, 3, 4, 5, 6, 7, 8, 9] })),
    options: responderSeed(0x18, 6, 4300, bytes(7, 0x81), ask({ name: 0, type: 4, edns: 0xd1 })),
    broken: responderSeed(0, 6, 4300, bytes(7, 7), ask({ name: 12 }), ask({ name: 0, type: 4 })),
    "no-epoch": responderSeed(1, 0, 0, ask({ name: 12 }), ask({ name: 1 }), ask({ name: 0, type: 4, edns: 2 })),
    limited: bytes(0, 7, 6, u16(0x4000 + 2150), ...Array.from({ length: 6 }, () => ask({ name: 40 }))),
    raw: responderSeed(0, 6, 4300, askRaw(query("l.example.org", 6, none))),
    "raw-edns": responderSeed(
      1,
      6,
      4300,
      askRaw(query("go4.org.p1.l.example.org", 16, opt(none, 0, 0x8000), [1, 0, 0, 1])),
    ),
    "raw-version": responderSeed(0, 6, 4300, askRaw(query("l.example.org", 6, opt(none, 1), [1, 0, 0, 1]))),
    "raw-option": responderSeed(
      0,
      6,
      4300,
      askRaw(query("l.example.org", 6, opt(bytes(u16(10), u16(7), new Uint8Array(7))), [1, 0, 0, 1])),
    ),
    "raw-opcode": responderSeed(0, 6, 4300, askRaw(query("l.example.org", 6, opt(none), [1, 0, 0, 1], 0x2000))),
    "raw-two": responderSeed(
      0,
      6,
      4300,
      askRaw(query("l.example.org", 6, bytes(wire("a"), u16(1), u16(1)), [2, 0, 0, 0])),
    ),
    "raw-answer": responderSeed(
      0,
      6,
      4300,
      askRaw(query("l.example.org", 6, bytes(0xc0, 12, u16(1), u16(1), u16(0), u16(9), u16(0)), [1, 1, 0, 0])),
    ),
    "raw-cookie-only": responderSeed(
      8,
      6,
      4300,
      askRaw(bytes(u16(1), u16(0), u16(0), u16(0), u16(0), u16(1), opt(bytes(u16(10), u16(8), "12345678")))),
    ),
    "raw-short": responderSeed(
      0,
      6,
      4300,
      askRaw(new Uint8Array(11)),
      askRaw(new Uint8Array(12).fill(0xff)),
      askRaw(new Uint8Array(12)),
    ),
    "raw-elsewhere": responderSeed(
      0,
      6,
      4300,
      askRaw(query("example.com", 1, none)),
      askRaw(query("xl.example.org", 1, none)),
    ),
  };
}

export function cookieSeeds(): Seeds {
  const key = Uint8Array.from({ length: 16 }, (_, i) => i);
  return {
    ...numbered(
      "hash",
      [0, 1, 7, 8, 15, 20, 32].map((n) =>
        bytes(0, key, new Uint8Array(20), key.subarray(0, n % 17), key.subarray(0, Math.max(0, n - 16))),
      ),
    ),
    fresh: bytes(1, 0, 1, 2, 192, 0, 2, 1, 0, 0, 0, 0, 1, 2, 3, 4, 3, 0, "client!!", 0, 0),
    older: bytes(1, 1, 1, 2, 3, 4, 192, 0, 2, 1, 1, 0, 0, 0, 1, 2, 3, 4, 5, 1, u16(0x8000 + 4000), "client!!", 0, 0),
    "too-old": bytes(1, 0, 1, 2, 192, 0, 2, 1, 0, 0, 0, 0, 1, 2, 3, 4, 3, 1, u16(0x8000 - 16_000), "client!!", 0, 0),
    "client-only": bytes(1, 0, 1, 2, 192, 0, 2, 1, 0, 0, 0, 0, 1, 2, 3, 4, 3, 0, "client!!", 0, 3),
    changed: bytes(1, 0, 1, 2, 192, 0, 2, 1, 0, 0, 0, 0, 1, 2, 3, 4, 3, 0, "client!!", 1, 20, 7, 0),
  };
}

const SECRET = new Uint8Array(32).fill(0x41);

export function dnssecSeeds(): Seeds {
  const label = (length: number, text: string, fill: number): Uint8Array =>
    bytes(length - 1, text.padEnd(4).slice(0, 4), fill);
  const ed25519 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), SECRET]);
  const pem = `-----BEGIN PRIVATE KEY-----\n${ed25519.toString("base64")}\n-----END PRIVATE KEY-----\n`;
  const state = (...keys: object[]): string =>
    `${JSON.stringify({ format: "proofdns-dnssec-keys/1", zone: "l.example.org", algorithm: 15, keys }, undefined, 2)}\n`;
  const active = { keyTag: 1, phase: "active", since: 1_700_000_000 };
  const rrsig = bytes(
    u16(16),
    15,
    4,
    u16(0),
    u16(300),
    u16(1),
    u16(2),
    u16(3),
    u16(4),
    u16(5),
    wire("l.example.org"),
    new Uint8Array(64),
  );
  return {
    denial: bytes(0, 2, u16(15), u16(45), u16(46), 0, label(3, "abcd", 0x61)),
    "denial-long": bytes(
      0,
      0,
      u16(15),
      3,
      label(50, "a@aa", 0x40),
      label(63, "bbbb", 0x62),
      label(63, "cccc", 0x63),
      label(60, "dddd", 0x64),
    ),
    "denial-full": bytes(
      0,
      1,
      u16(1),
      u16(0x102),
      3,
      label(63, "\u007f", 0xff),
      label(63, "bbbb", 0x62),
      label(63, "cccc", 0x63),
      label(48, "dddd", 0x64),
    ),
    "der-made": bytes(1, 0, 31, SECRET, 31, new Uint8Array(32).fill(0x91)),
    "der-short": bytes(1, 0, 3, 1, 2, 3, 4, 0, 0),
    "der-raw": bytes(1, 1, 0x30, 6, 2, 1, 5, 2, 1, 7),
    "rrsig-raw": bytes(2, 0, rrsig),
    rrsig: bytes(2, 1, 1, label(3, "abcd", 0x61), 0, 10, u16(300), "text!", 255, 0, u16(0x8000 + 100)),
    "rrsig-changed": bytes(2, 2, 0, label(3, "abcd", 0x61), 0, 10, u16(300), "text!", 20, 1, u16(0x8000)),
    "rrsig-late": bytes(2, 1, 0, label(3, "abcd", 0x61), 0, 10, u16(300), "text!", 255, 0, u16(0xfff0)),
    tag: bytes(3, 1, 1, 3, 15, SECRET),
    "key-file": bytes(4, `zone: l.example.org\nalgorithm: 15\nkey tag: 1\n${pem}`),
    "key-state": bytes(5, state(active)),
    "key-state-two": bytes(5, state(active, { keyTag: 2, phase: "published", since: 1_700_000_100 })),
    pkcs8: bytes(6, 0, ed25519),
  };
}

export function rateLimitSeeds(): Seeds {
  return {
    class: bytes(0, 2, 0, 7, 2, 4, u16(1000), 0, 7, 0, 7, 0x90, 3),
    net: bytes(0, 6, 0, 0, 2, 4, u16(1000), 0, 7, 8, 7, 16, 7, 0xff, 1),
    families: bytes(0, 1, 0, 4, 1, 9, u16(0), 0, 1, 1, 1, 2, 1, 3, 1, 4, 1, 5, 1),
    off: bytes(15, 0, 0, 0, 0, u16(9), 0, 7),
    "no-net": bytes(0, 0, 7, 1, 1, u16(5), 0, 7, 1, 7, 0xf0, 2),
    behind: bytes(0, 3, 0, 5, 2, 4, u16(2000), 0x90, 3, 5, 3, 0x15, 2),
  };
}

export function tcpSeeds(): Seeds {
  const frame = (query: string): Uint8Array => bytes(u16(query.length), query);
  const chunk = (data: Uint8Array): Uint8Array => bytes(8 * (data.length - 1), data);
  return {
    one: bytes(31, 20, chunk(frame("hello"))),
    pieces: bytes(
      31,
      20,
      chunk(frame("hello").subarray(0, 1)),
      chunk(frame("hello").subarray(1, 4)),
      chunk(frame("hello").subarray(4)),
    ),
    pipelined: bytes(31, 40, 0xc0, 5, "abcde", 30, 3),
    "few-turns": bytes(2, 40, 0x23, 0xc0, 5, "abcde", 20, 0x23, 0x43, 0x83),
    promises: bytes(31, 40, 0xc0, 3, "gab", 8, 5, 6, 0x25, 3, 5),
    slow: bytes(31, 60, 0x84, 0xc0, 200, 0xe0, "x".repeat(199), 40, 3, 4, 3),
    "too-many": bytes(31, 2, 0xc0, 4, "abcd", 10),
    "too-long": bytes(31, 9, chunk(bytes(u16(5000), "abc"))),
    none: bytes(31, 9, 0xc0, 1, "\u0007", 3),
  };
}
