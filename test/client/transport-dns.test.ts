import assert from "node:assert/strict";
import { createSocket, type RemoteInfo } from "node:dgram";
import { createServer, type Socket } from "node:net";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DnsTransport, type DnsTransportOptions, parseServerAddress } from "../../src/client/transport-dns.ts";
import { DnsServer, joinName, parseName, respond } from "../../src/dns/index.ts";
import { concatBytes, encodeUtf8 } from "../../src/vindex/bytes.ts";
import { type ErrorCode, isProofdnsError } from "../../src/vindex/error.ts";
import { sha256 } from "../../src/vindex/sha256.ts";
import { makeData, makeTestZone, NOW } from "../dns/fake-zone.ts";
import { opt, u16, wire } from "../dns/packet.ts";

const Z = parseName("l.example.org");
const name = (text: string): Uint8Array => joinName(text.split("."), Z) ?? assert.fail("too long");
const GO4 = name("go4.org.p1");
const closers: (() => unknown)[] = [];
after(() => Promise.all(closers.map((close) => close())));

const fast: Pick<DnsTransportOptions, "timeouts" | "tcpTimeout"> = { timeouts: [150, 150], tcpTimeout: 400 };

type Reply = Uint8Array | readonly Uint8Array[] | undefined;
interface Fake {
  readonly transport: DnsTransport;
  readonly seen: { transport: "udp" | "tcp"; query: Uint8Array }[];
}

/** A server that says what a test wants; by TCP `undefined` closes, and several replies are written one by one. */
async function fake(
  udp: (query: Uint8Array, tries: number, from: RemoteInfo) => Reply | Promise<Reply>,
  tcp: (query: Uint8Array, socket: Socket) => Reply = () => undefined,
): Promise<Fake> {
  const seen: Fake["seen"] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (chunk) => {
      const query = new Uint8Array(chunk.subarray(2));
      seen.push({ transport: "tcp", query });
      const reply = tcp(query, socket);
      if (reply === undefined) socket.destroy();
      else for (const part of reply instanceof Uint8Array ? [reply] : reply) socket.write(part);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const socket = createSocket("udp4");
  await new Promise<void>((resolve, reject) => socket.once("error", reject).bind(port, "127.0.0.1", resolve));
  const answer = async (message: Uint8Array, from: RemoteInfo): Promise<void> => {
    seen.push({ transport: "udp", query: new Uint8Array(message) });
    const tries = seen.filter((s) => s.transport === "udp").length;
    const reply = await udp(new Uint8Array(message), tries, from);
    if (reply === undefined) return;
    for (const part of reply instanceof Uint8Array ? [reply] : reply) socket.send(part, from.port, from.address);
  };
  socket.on("message", (message, from) => {
    answer(message, from).catch(assert.fail);
  });
  closers.push(
    () => socket.close(),
    () => server.close(),
  );
  return { transport: new DnsTransport({ server: `127.0.0.1:${port}`, ...fast }), seen };
}

const honest = (query: Uint8Array): Uint8Array =>
  respond(query, "udp", makeTestZone(), makeData(), NOW) ?? assert.fail("no reply");
const frame = (bytes: Uint8Array): Uint8Array => concatBytes(u16(bytes.length), bytes);
/** Where the OPT of a query begins. */
const QUESTION_END = 12 + GO4.length + 4;
/** The query as a reply with these flags and records. */
const reply = (
  query: Uint8Array,
  flags: number,
  counts: readonly number[] = [0, 0, 0],
  ...records: Uint8Array[]
): Uint8Array =>
  concatBytes(
    query.subarray(0, 2),
    u16(0x8100 | flags),
    u16(1),
    ...counts.map(u16),
    query.subarray(12, QUESTION_END),
    ...records,
  );
const txt = (...bytes: number[]): Uint8Array =>
  concatBytes(
    Uint8Array.of(0xc0, 12),
    u16(16),
    u16(1),
    u16(0),
    u16(60),
    u16(bytes.length + 1),
    Uint8Array.of(bytes.length, ...bytes),
  );
const refused = (code: ErrorCode, why: RegExp) => (error: unknown) =>
  isProofdnsError(error, code) && (why.test(error.message) || assert.fail(error.message));

/** A query that is sent again on a busy machine keeps its ID. */
const idsOf = (seen: Fake["seen"]): Set<string> => new Set(seen.map(({ query }) => String(query.subarray(0, 2))));

describe("a DNS transport", () => {
  let port = 0;
  const server = new DnsServer({
    respond: (bytes, { transport }) => respond(bytes, transport, makeTestZone(), makeData(), NOW),
    port: 0,
    log: assert.fail,
  });
  closers.push(() => server.close());
  const real = async (): Promise<DnsTransport> => {
    port ||= (await server.listen()).port;
    return new DnsTransport({ server: { host: "127.0.0.1", port }, ...fast });
  };

  it("brings a payload by UDP, and by TCP if asked", async () => {
    const transport = await real();
    const udp = await transport.query(GO4);
    assert.ok(udp.kind === "txt");
    assert.deepEqual(udp.payload, makeData().moduleAnswer(sha256(encodeUtf8("go4.org"))));
    assert.equal(udp.transport, "udp");
    assert.equal(udp.ttl, 100);
    const tcp = await transport.query(GO4, { tcp: true });
    assert.ok(tcp.kind === "txt");
    assert.equal(tcp.transport, "tcp");
    assert.deepEqual(tcp.payload, udp.payload);
    assert.equal(tcp.messageBytes, udp.messageBytes);
  });

  it("goes on by TCP where a reply is cut", async () => {
    const got = await (await real()).query(name("mod.x._.golang.org._versions.p1"));
    assert.ok(got.kind === "txt");
    assert.equal(got.transport, "tcp");
    assert.ok(got.messageBytes > 2000);
  });

  it("tells what has no record from what is not there, and for how long", async () => {
    const transport = await real();
    const nodata = await transport.query(name("e99._head.p1"));
    assert.deepEqual([nodata.kind, nodata.ttl, nodata.transport], ["nodata", 5, "udp"]);
    const nxdomain = await transport.query(name("nothing"), { tcp: true });
    assert.deepEqual([nxdomain.kind, nxdomain.ttl, nxdomain.transport], ["nxdomain", 300, "tcp"]);
  });

  it("says that a server does not serve the zone", async () => {
    await assert.rejects(
      (await real()).query(parseName("other.example")),
      refused("REFUSED", /refuses other\.example\..*does not serve/),
    );
  });

  it("asks many things at once", async () => {
    const transport = await real();
    const replies = await Promise.all(Array.from({ length: 50 }, (_, i) => transport.query(GO4, { tcp: i % 5 === 0 })));
    assert.ok(replies.every((r) => r.kind === "txt"));
  });

  it("says what it expects to who calls it from plain JavaScript", () => {
    for (const options of [undefined, {}, null, { server: 53 }, { server: {} }, { server: { host: "127.0.0.1" } }]) {
      const make = (): DnsTransport => new DnsTransport(options as unknown as DnsTransportOptions);
      assert.throws(make, { name: "TypeError", message: /^new DnsTransport: expected \{ server: / });
    }
  });

  it("takes only whole names", async () => {
    const transport = await real();
    for (const bytes of [new Uint8Array(0), Uint8Array.of(1, 97), Uint8Array.of(0, 0), Uint8Array.of(0xc0, 12)]) {
      await assert.rejects(transport.query(bytes), TypeError);
    }
  });

  it("uses another ID, port and case for every query", async () => {
    const ids = new Set<string>();
    const cases = new Set<string>();
    const { transport, seen } = await fake(honest);
    for (let i = 0; i < 8; i++) await transport.query(GO4);
    for (const { query } of seen) {
      ids.add(String(query.subarray(0, 2)));
      cases.add(String(query.subarray(12, 12 + GO4.length)));
      assert.equal(
        Buffer.from(query.subarray(12, 12 + GO4.length))
          .toString("latin1")
          .toLowerCase(),
        Buffer.from(GO4).toString("latin1"),
      );
    }
    assert.ok(ids.size >= 7 && cases.size >= 7);
  });

  it("retries with the same bytes, and takes a late reply to the first try", async () => {
    const { transport, seen } = await fake(async (query, tries) => {
      if (tries === 1) await sleep(220);
      return tries === 1 ? honest(query) : undefined;
    });
    assert.equal((await transport.query(GO4)).transport, "udp");
    const byUdp = seen.filter((one) => one.transport === "udp");
    assert.equal(byUdp.length, 2);
    assert.deepEqual(byUdp[0], byUdp[1]);
  });

  it("gives up after its tries", async () => {
    const { transport, seen } = await fake(() => undefined);
    const why = /did not answer 2 queries by UDP; it closed the TCP connection without a reply$/;
    await assert.rejects(transport.query(GO4), refused("UNREACHABLE", why));
    assert.deepEqual(seen.map((one) => one.transport).sort(), ["tcp", "udp", "udp"]);
  });

  it("is told of a closed port at once", async () => {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    const free = socket.address().port;
    await new Promise<void>((resolve) => socket.close(resolve));
    const transport = new DnsTransport({ server: `127.0.0.1:${free}`, timeouts: [5000] });
    const begun = performance.now();
    await assert.rejects(transport.query(GO4), refused("UNREACHABLE", /cannot be reached/));
    await assert.rejects(transport.query(GO4, { tcp: true }), refused("UNREACHABLE", /cannot be reached by TCP/));
    assert.ok(performance.now() - begun < 1000);
  });

  it("is told of an address that it may not or cannot reach", async () => {
    const transport = new DnsTransport({ server: "255.255.255.255:53", ...fast });
    await assert.rejects(transport.query(GO4), refused("UNREACHABLE", /cannot be reached/));
    await assert.rejects(transport.query(GO4, { tcp: true }), refused("UNREACHABLE", /cannot be reached by TCP/));
  });

  it("is told of a name without an address", async () => {
    const transport = new DnsTransport({ server: "nowhere.invalid", ...fast });
    await assert.rejects(transport.query(GO4), refused("UNREACHABLE", /no address/));
  });

  it("reads past messages that reply to something else", async () => {
    const { transport } = await fake((query) => {
      const otherId = honest(query);
      otherId[0] = (otherId[0] ?? 0) ^ 1;
      const otherName = honest(concatBytes(query.subarray(0, 12), wire("x.y"), query.subarray(12 + GO4.length)));
      return [
        new Uint8Array(0),
        new Uint8Array(5),
        query,
        otherId,
        otherName,
        reply(query, 0).subarray(0, 20),
        honest(query),
      ];
    });
    assert.equal((await transport.query(GO4)).kind, "txt");
  });

  it("gives up on a flood of such messages", async () => {
    const { transport } = await fake(() => new Array(150).fill(new Uint8Array(3)));
    await assert.rejects(transport.query(GO4), refused("UNREACHABLE", /drowned/));
  });

  it("does not hear other senders, whatever they know", async () => {
    const other = createSocket("udp4");
    closers.push(() => other.close());
    const { transport, seen } = await fake((query, _, from) => {
      other.send(honest(query), from.port, from.address);
      return undefined;
    });
    await assert.rejects(transport.query(GO4), refused("UNREACHABLE", /did not answer/));
    assert.deepEqual(seen.map((one) => one.transport).sort(), ["tcp", "udp", "udp"]);
  });

  it("asks again by TCP where the case of the question is lost", async () => {
    const lower = (query: Uint8Array): Uint8Array =>
      concatBytes(query.subarray(0, 12), GO4, query.subarray(12 + GO4.length));
    const { transport, seen } = await fake(
      (query) => honest(lower(query)),
      (query) => frame(honest(lower(query))),
    );
    const got = await transport.query(GO4);
    assert.deepEqual([got.kind, got.transport], ["txt", "tcp"]);
    assert.deepEqual(
      seen.map((s) => s.transport),
      ["udp", "tcp"],
    );
  });

  const failures: [what: string, flags: number, why: RegExp][] = [
    ["SERVFAIL", 2, /answers with SERVFAIL/],
    ["FORMERR", 1, /answers with FORMERR/],
    ["NOTIMP", 4, /answers with NOTIMP/],
    ["an unknown code", 11, /response code 11/],
  ];
  for (const [what, flags, why] of failures) {
    it(`reports ${what}`, async () => {
      const { transport } = await fake((query) => reply(query, flags));
      await assert.rejects(transport.query(GO4), refused("UNREACHABLE", why));
    });
  }

  it("reports an error without a question", async () => {
    const { transport } = await fake((query) => concatBytes(query.subarray(0, 2), u16(0x8001), new Uint8Array(8)));
    await assert.rejects(transport.query(GO4), refused("UNREACHABLE", /FORMERR/));
  });

  it("reports a code of the OPT", async () => {
    const { transport } = await fake((query) => reply(query, 0, [0, 0, 1], opt({ extendedRcode: 1 })));
    await assert.rejects(transport.query(GO4), refused("UNREACHABLE", /BADVERS/));
  });

  it("reports a server that only knows others", async () => {
    const ns = concatBytes(Uint8Array.of(0xc0, 12), u16(2), u16(1), new Uint8Array(4), u16(2), Uint8Array.of(0xc0, 12));
    const { transport } = await fake((query) => reply(query, 0, [0, 1, 0], ns));
    await assert.rejects(transport.query(GO4), refused("UNREACHABLE", /refers to other servers/));
  });

  const malformed: [what: string, make: (query: Uint8Array) => Uint8Array][] = [
    ["two TXT records", (query) => reply(query, 0, [2, 0, 0], txt(1), txt(2))],
    ["a cut record", (query) => reply(query, 0, [1, 0, 0], txt(1).subarray(0, 13))],
    ["counts that do not hold", (query) => reply(query, 0, [65_535, 0, 0])],
    [
      "an alias",
      (query) =>
        reply(
          query,
          0,
          [1, 0, 0],
          concatBytes(Uint8Array.of(0xc0, 12), u16(5), u16(1), new Uint8Array(4), u16(2), Uint8Array.of(0xc0, 12)),
        ),
    ],
  ];
  for (const [what, make] of malformed) {
    it(`refuses a reply with ${what}, by UDP and by TCP`, async () => {
      const { transport } = await fake(make, (query) => frame(make(query)));
      await assert.rejects(transport.query(GO4), refused("MALFORMED_MESSAGE", /DNS reply/));
      await assert.rejects(transport.query(GO4, { tcp: true }), refused("MALFORMED_MESSAGE", /DNS reply/));
    });
  }

  it("reads a reply by TCP in pieces, and behind one to something else", async () => {
    const { transport } = await fake(
      () => undefined,
      (query, socket) => {
        const bytes = concatBytes(
          frame(new Uint8Array(12)),
          frame(new Uint8Array(0)),
          frame(honest(query)),
          Uint8Array.of(9),
        );
        socket.setNoDelay(true);
        return Array.from(bytes, (b) => Uint8Array.of(b));
      },
    );
    assert.equal((await transport.query(GO4, { tcp: true })).kind, "txt");
  });

  const stuck: [what: string, tcp: (query: Uint8Array) => Reply, why: RegExp][] = [
    ["closes", () => undefined, /closed the TCP connection/],
    ["says nothing", () => [], /did not answer by TCP within 400 ms/],
    ["stops within a reply", (query) => frame(honest(query)).subarray(0, 30), /did not answer by TCP within 400 ms/],
    ["truncates by TCP", (query) => frame(reply(query, 0x200)), /truncated reply by TCP/],
    ["replies only to something else", () => new Array(300).fill(frame(new Uint8Array(12))), /something else by TCP/],
  ];
  for (const [what, tcp, why] of stuck) {
    it(`gives up on a server that ${what}`, async () => {
      const { transport } = await fake((query) => reply(query, 0x200), tcp);
      await assert.rejects(transport.query(GO4), refused("UNREACHABLE", why));
    });
  }

  it("takes a reply once, however often it comes", async () => {
    const { transport, seen } = await fake(
      (query) => [honest(query), honest(query), honest(query)],
      (query) => Array.from({ length: 3 }, () => frame(honest(query))),
    );
    for (const tcp of [false, true, false]) {
      const replies = await Promise.all([transport.query(GO4, { tcp }), transport.query(GO4)]);
      assert.ok(replies.every(({ kind }) => kind === "txt"));
    }
    assert.equal(idsOf(seen).size, 6);
  });

  it("asks the other addresses of a name where one does not answer", async () => {
    const { transport, seen } = await fake(honest);
    await transport.query(GO4);
    // Where the name has an IPv6 address, too, nobody listens there.
    const port = Number(/:(\d+)$/.exec((await transport.query(GO4)).server)?.[1]);
    const byName = new DnsTransport({ server: `localhost:${port}`, ...fast });
    for (let i = 0; i < 3; i++) assert.equal((await byName.query(GO4)).kind, "txt");
    assert.equal(idsOf(seen).size, 5);
  });

  it("leaves no socket and no timer behind, however a query ends", async () => {
    const ends: [udp: (query: Uint8Array) => Reply, tcp: (query: Uint8Array) => Reply][] = [
      [honest, (query) => frame(honest(query))],
      [() => undefined, () => []],
      [(query) => reply(query, 0x200), (query) => frame(honest(query)).subarray(0, 30)],
      [(query) => reply(query, 0x200), () => undefined],
      [(query) => reply(query, 2), (query) => frame(reply(query, 2))],
      [() => new Array(150).fill(new Uint8Array(3)), () => new Array(300).fill(frame(new Uint8Array(12)))],
    ];
    const held = (): number =>
      process.getActiveResourcesInfo().filter((what) => /UDP|TCPSocket|TCPWrap|GetAddrInfo/.test(what)).length;
    for (const [udp, tcp] of ends) {
      const { transport } = await fake(udp, tcp);
      const before = held();
      const calls = [false, true].flatMap((byTcp) => {
        const controller = new AbortController();
        setTimeout(() => controller.abort(new Error("enough")), 10);
        return [
          transport.query(GO4, { tcp: byTcp }),
          transport.query(GO4, { tcp: byTcp, signal: controller.signal }),
          transport.query(GO4, { tcp: byTcp, signal: AbortSignal.abort(new Error("enough")) }),
        ];
      });
      await Promise.allSettled(calls);
      // The other side closes its ends a little later.
      for (let tries = 0; held() > before && tries < 100; tries++) await sleep(10);
      assert.ok(held() <= before, `${held()} instead of ${before}`);
    }
  });

  it("stops when it is told to", async () => {
    const { transport } = await fake(
      () => undefined,
      () => [],
    );
    for (const tcp of [false, true]) {
      const controller = new AbortController();
      const asking = transport.query(GO4, { signal: controller.signal, tcp });
      await sleep(20);
      controller.abort(new Error("enough"));
      await assert.rejects(asking, /enough/);
      await assert.rejects(transport.query(GO4, { signal: controller.signal, tcp }), /enough/);
    }
  });
});

describe("server addresses", () => {
  for (const [text, host, port] of [
    ["127.0.0.1", "127.0.0.1", 53],
    ["127.0.0.1:5353", "127.0.0.1", 5353],
    ["[::1]", "::1", 53],
    ["[2001:db8::1]:5353", "2001:db8::1", 5353],
    ["2001:db8::1", "2001:db8::1", 53],
    ["::1", "::1", 53],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.1", 53],
    ["[fe80::1%eth0]:53", "fe80::1%eth0", 53],
    ["ns1.example.org", "ns1.example.org", 53],
    ["ns1.example.org:65535", "ns1.example.org", 65_535],
  ] as [string, string, number][]) {
    it(`reads ${text}`, () => assert.deepEqual(parseServerAddress(text), { host, port }));
  }
  for (const text of [
    "",
    ":",
    ":53",
    "host:",
    "host:0",
    "host:65536",
    "host:5x",
    "host:-1",
    "a:b:c",
    "[::1",
    "::1]",
    "[::1]:",
    "[]",
    "[127.0.0.1]",
    "[x]:53",
    "1::2::3",
    "https://x/",
    "a b",
    "host:53 ",
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseServerAddress(text), refused("MALFORMED_INPUT", /expected HOST/));
    });
  }
});
