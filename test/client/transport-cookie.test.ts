import assert from "node:assert/strict";
import { createSocket, type RemoteInfo } from "node:dgram";
import { createServer } from "node:net";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CookieJar } from "../../src/client/dns-cookie.ts";
import { DnsTransport } from "../../src/client/transport-dns.ts";
import { joinName, parseName, respond } from "../../src/dns/index.ts";
import { encodeTxtQuery } from "../../src/dns/txt-reply.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { type ErrorCode, isProofdnsError } from "../../src/vindex/error.ts";
import { makeData, makeTestZone, NOW } from "../dns/fake-zone.ts";
import { u16 } from "../dns/packet.ts";

/** Cookies of a client (RFC 7873 §5): learned with the first reply, renewed with each, and what comes without them. */

const GO4 = joinName(["go4", "org", "p1"], parseName("l.example.org")) ?? assert.fail("too long");
const QUESTION_END = 12 + GO4.length + 4;
const closers: (() => unknown)[] = [];
after(() => {
  for (const close of closers) close();
});

type Side = "udp" | "tcp";
interface Asked {
  readonly side: Side;
  readonly query: Uint8Array;
  /** Data of its COOKIE option. */
  readonly cookie: Uint8Array | undefined;
}
type Answer = (
  asked: Asked,
  count: number,
  from?: RemoteInfo,
) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

function cookieOf(query: Uint8Array): Uint8Array | undefined {
  const options = query.subarray(QUESTION_END + 11);
  if (options.length === 0) return undefined;
  assert.deepEqual([...options.subarray(0, 2)], [0, 10]);
  assert.equal(options.length, 4 + (options[3] as number));
  return options.subarray(4);
}

async function fake(
  answer: Answer,
  timeouts: readonly number[] = [500, 3000],
): Promise<{ transport: DnsTransport; asked: Asked[] }> {
  const asked: Asked[] = [];
  const take = async (side: Side, bytes: Uint8Array, from?: RemoteInfo): Promise<Uint8Array | undefined> => {
    const query = new Uint8Array(bytes);
    const one = { side, query, cookie: cookieOf(query) };
    asked.push(one);
    return answer(one, asked.length, from);
  };
  const tcp = createServer((socket) => {
    socket.on("error", () => {});
    let input: Uint8Array = new Uint8Array(0);
    socket.on("data", async (chunk) => {
      input = concatBytes(input, chunk);
      while (input.length >= 2 && input.length >= 2 + (input[0] as number) * 256 + (input[1] as number)) {
        const end = 2 + (input[0] as number) * 256 + (input[1] as number);
        const query = input.slice(2, end);
        input = input.slice(end);
        const reply = await take("tcp", query);
        if (reply === undefined) socket.destroy();
        else socket.write(concatBytes(u16(reply.length), reply));
      }
    });
  });
  await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
  const { port } = tcp.address() as { port: number };
  const udp = createSocket("udp4");
  await new Promise<void>((resolve, reject) => udp.once("error", reject).bind(port, "127.0.0.1", resolve));
  udp.on("message", async (message, from) => {
    const reply = await take("udp", message, from);
    if (reply !== undefined) udp.send(reply, from.port, from.address);
  });
  closers.push(
    () => udp.close(),
    () => tcp.close(),
  );
  const server = { host: "127.0.0.1", port };
  return { transport: new DnsTransport({ server, timeouts, tcpTimeout: 3000 }), asked };
}

/** A query without its cookie. */
const bare = (query: Uint8Array): Uint8Array =>
  concatBytes(query.subarray(0, QUESTION_END + 9), u16(0), new Uint8Array(0));
const truth = (query: Uint8Array): Uint8Array =>
  respond(bare(query), "tcp", makeTestZone(), makeData(), NOW) ?? assert.fail("no reply");
/** A reply whose last record is an OPT without options, with an option in it. */
const withCookie = (reply: Uint8Array, cookie: Uint8Array): Uint8Array =>
  concatBytes(reply.subarray(0, -2), u16(4 + cookie.length), u16(10), u16(cookie.length), cookie);
/** NOERROR without records but an OPT, with an extended response code and a cookie; cut. */
const short = (query: Uint8Array, extended: number, low: number, cookie: Uint8Array): Uint8Array => {
  const opt = concatBytes(Uint8Array.of(0), u16(41), u16(1232), Uint8Array.of(extended, 0), u16(0), u16(0));
  const head = concatBytes(query.subarray(0, 2), u16(0x8300 | low), u16(1), u16(0), u16(0), u16(1));
  return withCookie(concatBytes(head, query.subarray(12, QUESTION_END), opt), cookie);
};
const badCookie = (asked: Asked, server: Uint8Array): Uint8Array =>
  short(asked.query, 1, 7, concatBytes(clientOf(asked), server));
const clientOf = ({ cookie }: Asked): Uint8Array => cookie?.subarray(0, 8) ?? assert.fail("no cookie");
const serverOf = ({ cookie }: Asked): Uint8Array => cookie?.subarray(8) ?? assert.fail("no cookie");
const serverCookie = (n: number): Uint8Array => new Uint8Array(16).fill(n);
const sends = (asked: Asked, n: number): Uint8Array =>
  withCookie(truth(asked.query), concatBytes(clientOf(asked), serverCookie(n)));
const refused = (code: ErrorCode, why: RegExp) => (error: unknown) =>
  isProofdnsError(error, code) && (why.test(error.message) || assert.fail(error.message));
const sides = (asked: readonly Asked[]): Side[] => asked.map(({ side }) => side);

describe("the cookies of a DNS transport", () => {
  it("are learned with the first reply and renewed with each", async () => {
    const { transport, asked } = await fake((one, count) => sends(one, count));
    for (let i = 0; i < 4; i++) assert.equal((await transport.query(GO4, { tcp: i === 2 })).kind, "txt");
    assert.deepEqual(
      asked.map((one) => [...serverOf(one)]),
      [[], ...[1, 2, 3].map((n) => [...serverCookie(n)])],
    );
    assert.equal(new Set(asked.map((one) => String(clientOf(one)))).size, 1);
    assert.deepEqual(sides(asked), ["udp", "udp", "tcp", "udp"]);
  });

  it("are of one server: two transports never share them", async () => {
    const first = await fake((one) => sends(one, 1));
    const second = await fake((one) => sends(one, 1));
    await first.transport.query(GO4);
    await second.transport.query(GO4);
    assert.notDeepEqual(clientOf(first.asked[0] as Asked), clientOf(second.asked[0] as Asked));
    assert.equal(serverOf(second.asked[0] as Asked).length, 0);
  });

  it("are waited for by all who come in the meantime", async () => {
    const { transport, asked } = await fake(async (one, count) => {
      if (count === 1) await sleep(60);
      return sends(one, 1);
    });
    await Promise.all(Array.from({ length: 30 }, () => transport.query(GO4)));
    assert.equal(asked.length, 30);
    assert.equal(asked.filter((one) => serverOf(one).length === 0).length, 1);
  });

  it("are not waited for for ever", async () => {
    // The first query never gets a reply, nor does its retry.
    const isOfFirst = ({ query }: Asked): boolean => query[0] === first?.[0] && query[1] === first?.[1];
    let first: Uint8Array | undefined;
    const { transport, asked } = await fake(
      (one) => {
        first ??= one.query;
        return isOfFirst(one) ? undefined : sends(one, 1);
      },
      [5000],
    );
    const controller = new AbortController();
    const failing = assert.rejects(transport.query(GO4, { signal: controller.signal }), /enough/);
    while (asked.length === 0) await sleep(5);
    const others = Array.from({ length: 5 }, () => transport.query(GO4));
    for (const reply of await Promise.all(others)) assert.equal(reply.kind, "txt");
    assert.equal(asked.filter(isOfFirst).length, 1);
    controller.abort(new Error("enough"));
    await failing;
  });

  it("are learned by the next if the first is called off", async () => {
    const { transport, asked } = await fake((one, count) => (count === 1 ? undefined : sends(one, 1)));
    const controller = new AbortController();
    const first = transport.query(GO4, { signal: controller.signal });
    const second = transport.query(GO4);
    while (asked.length === 0) await sleep(5);
    controller.abort(new Error("enough"));
    await assert.rejects(first, /enough/);
    assert.equal((await second).kind, "txt");
  });

  it("are done without where a server has none", async () => {
    const { transport, asked } = await fake((one) => truth(one.query));
    for (let i = 0; i < 3; i++) assert.equal((await transport.query(GO4)).transport, "udp");
    assert.deepEqual(
      asked.map((one) => serverOf(one).length),
      [0, 0, 0],
    );
  });

  it("are left out for a server that chokes on them", async () => {
    const { transport, asked } = await fake(({ query, cookie }) => {
      if (cookie === undefined) return truth(query);
      return concatBytes(
        query.subarray(0, 2),
        u16(0x8101),
        u16(1),
        new Uint8Array(6),
        query.subarray(12, QUESTION_END),
      );
    });
    assert.equal((await transport.query(GO4)).kind, "txt");
    assert.equal((await transport.query(GO4)).kind, "txt");
    assert.deepEqual(
      asked.map(({ cookie }) => cookie !== undefined),
      [true, false, false],
    );
  });

  it("are sent anew where the server asks for its own, at once and by UDP", async () => {
    const { transport, asked } = await fake((one, count) => {
      if (count === 1) return sends(one, 1);
      return serverOf(one)[0] === 2 ? sends(one, 2) : badCookie(one, serverCookie(2));
    });
    await transport.query(GO4);
    assert.equal((await transport.query(GO4)).transport, "udp");
    assert.deepEqual(
      asked.map((one) => serverOf(one)[0]),
      [undefined, 1, 2],
    );
  });

  it("go by TCP where the server always asks for others, and end where it does so there, too", async () => {
    const byTcp = await fake((one, count) =>
      one.side === "tcp" ? sends(one, 9) : badCookie(one, serverCookie(count)),
    );
    assert.equal((await byTcp.transport.query(GO4)).transport, "tcp");
    assert.deepEqual(sides(byTcp.asked), ["udp", "udp", "udp", "tcp"]);
    const never = await fake((one, count) => badCookie(one, serverCookie(count)).map((b, i) => (i === 2 ? b & ~2 : b)));
    await assert.rejects(never.transport.query(GO4), refused("UNREACHABLE", /BADCOOKIE/));
    assert.deepEqual(sides(never.asked), ["udp", "udp", "udp", "tcp", "tcp"]);
  });

  const foreign: [what: string, make: (one: Asked) => Uint8Array][] = [
    ["another client's cookie", ({ query }) => withCookie(truth(query), new Uint8Array(24).fill(7))],
    ["no server's part but half of ours", (one) => withCookie(truth(one.query), clientOf(one).subarray(0, 4))],
    ["an empty cookie", ({ query }) => withCookie(truth(query), new Uint8Array(0))],
    [
      "a server's part that is too short",
      (one) => withCookie(truth(one.query), concatBytes(clientOf(one), new Uint8Array(7))),
    ],
    [
      "a server's part that is too long",
      (one) => withCookie(truth(one.query), concatBytes(clientOf(one), new Uint8Array(33))),
    ],
  ];
  for (const [what, make] of foreign) {
    it(`reads past a reply with ${what}, and takes the true one behind it`, async () => {
      const { transport, asked } = await fake(async (one, count) => {
        if (count === 1) return sends(one, 1);
        if (count === 2) return make(one);
        return sends(one, 2);
      });
      await transport.query(GO4);
      // The forged one is dropped; the retry brings the true one.
      assert.equal((await transport.query(GO4)).kind, "txt");
      assert.deepEqual(sides(asked), ["udp", "udp", "udp"]);
    });
  }

  it("make a reply without one be asked for by TCP, from a server that sent them before", async () => {
    const { transport, asked } = await fake((one, count) => (count === 2 ? truth(one.query) : sends(one, count)));
    await transport.query(GO4);
    assert.equal((await transport.query(GO4)).transport, "tcp");
    assert.equal((await transport.query(GO4)).transport, "udp");
    assert.deepEqual(sides(asked), ["udp", "udp", "tcp", "udp"]);
  });

  it("are given up where the server has given them up, as it says by TCP", async () => {
    const { transport, asked } = await fake((one, count) => (count === 1 ? sends(one, 1) : truth(one.query)));
    for (const side of ["udp", "tcp", "udp", "udp"]) assert.equal((await transport.query(GO4)).transport, side);
    assert.equal(serverOf(asked.at(-1) as Asked).length, 0);
  });

  it("do for the case of a question that a resolver has lost", async () => {
    const lower = ({ query }: Asked): Uint8Array =>
      concatBytes(query.subarray(0, 12), GO4, query.subarray(12 + GO4.length));
    const { transport, asked } = await fake((one) => sends({ ...one, query: lower(one) }, 1));
    for (let i = 0; i < 3; i++) assert.equal((await transport.query(GO4)).transport, "udp");
    assert.equal(asked.length, 3);
    const forged = await fake((one, count) =>
      count === 1 ? sends(one, 1) : one.side === "tcp" ? sends(one, 2) : truth(lower(one)),
    );
    await forged.transport.query(GO4);
    assert.equal((await forged.transport.query(GO4)).transport, "tcp");
  });

  it("are refused by TCP if they are another client's", async () => {
    const { transport } = await fake(({ query }) => withCookie(truth(query), new Uint8Array(24).fill(7)));
    await assert.rejects(transport.query(GO4, { tcp: true }), refused("UNREACHABLE", /cookie of another client/));
  });
});

describe("many queries by TCP", () => {
  it("share a connection, and replies may come in any order", async () => {
    let connections = 0;
    const waiting: (() => void)[] = [];
    const tcp = createServer((socket) => {
      connections++;
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        for (let at = 0; at < chunk.length; ) {
          const end = at + 2 + chunk.readUInt16BE(at);
          const query = new Uint8Array(chunk.subarray(at + 2, end));
          at = end;
          waiting.unshift(() => {
            const reply = truth(query);
            socket.write(concatBytes(u16(reply.length), reply));
          });
        }
        if (waiting.length >= 20) for (const send of waiting.splice(0)) send();
      });
    });
    await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
    closers.push(() => tcp.close());
    const { port } = tcp.address() as { port: number };
    const transport = new DnsTransport({ server: { host: "127.0.0.1", port }, tcpTimeout: 2000 });
    const replies = await Promise.all(Array.from({ length: 20 }, () => transport.query(GO4, { tcp: true })));
    assert.ok(replies.every(({ kind }) => kind === "txt"));
    assert.equal(connections, 1);
  });

  it("are asked once more where the server closes a connection that it has answered on", async () => {
    let connections = 0;
    const tcp = createServer((socket) => {
      const isFirst = ++connections === 1;
      let answered = 0;
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        for (let at = 0; at < chunk.length && !socket.destroyed; ) {
          const end = at + 2 + chunk.readUInt16BE(at);
          const reply = truth(new Uint8Array(chunk.subarray(at + 2, end)));
          at = end;
          socket.write(concatBytes(u16(reply.length), reply));
          if (isFirst && ++answered === 3) return socket.end();
        }
        return undefined;
      });
    });
    await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
    closers.push(() => tcp.close());
    const { port } = tcp.address() as { port: number };
    const transport = new DnsTransport({ server: { host: "127.0.0.1", port }, tcpTimeout: 2000 });
    const replies = await Promise.all(Array.from({ length: 10 }, () => transport.query(GO4, { tcp: true })));
    assert.equal(replies.length, 10);
    assert.equal(connections, 2);
  });

  it("do not wait behind one that gets stuck", async () => {
    let connections = 0;
    const tcp = createServer((socket) => {
      connections++;
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        if (connections === 1) return;
        const reply = truth(new Uint8Array(chunk.subarray(2)));
        socket.write(concatBytes(u16(reply.length), reply));
      });
    });
    await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
    closers.push(() => tcp.close());
    const { port } = tcp.address() as { port: number };
    const transport = new DnsTransport({ server: { host: "127.0.0.1", port }, tcpTimeout: 100 });
    await assert.rejects(transport.query(GO4, { tcp: true }), refused("UNREACHABLE", /within 100 ms/));
    assert.equal((await transport.query(GO4, { tcp: true })).kind, "txt");
  });

  it("fail when the transport is closed, and leave nothing open", async () => {
    const { transport } = await fake(() => new Promise<undefined>(() => {}));
    const asking = transport.query(GO4, { tcp: true });
    await sleep(20);
    transport.close();
    await assert.rejects(asking, refused("UNREACHABLE", /closed the TCP connection/));
  });
});

describe("a cookie jar", () => {
  it("never throws on the bytes of a reply, whatever they are", () => {
    const jar = new CookieJar(new Uint8Array(8).fill(5));
    const query = jar.addTo(encodeTxtQuery(GO4, 7));
    const reply = withCookie(truth(query), concatBytes(new Uint8Array(8).fill(5), serverCookie(1)));
    for (let length = 12; length <= reply.length; length++) jar.judge(reply.subarray(0, length), true);
    for (let i = 0; i < reply.length; i++) {
      for (const change of [0, 0xff, 0x80, 0xc0]) {
        const changed = reply.slice();
        changed[i] = change;
        jar.judge(changed, i % 2 === 0);
      }
    }
  });

  it("takes a client cookie of 8 bytes only", () => {
    for (const length of [0, 7, 9, 16]) assert.throws(() => new CookieJar(new Uint8Array(length)), RangeError);
  });
});
