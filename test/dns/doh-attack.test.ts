import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2, constants } from "node:http2";
import { connect, type Socket } from "node:net";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { DohListener, type DohOptions } from "../../src/dns/doh/listener.ts";
import { concatBytes, encodeUtf8 } from "../../src/vindex/bytes.ts";
import { makeCertificate } from "./self-signed.ts";
import {
  assertQuick,
  dial,
  ended,
  LOOPBACK,
  makeEcho,
  noting,
  numbered,
  range,
  soon,
  until,
  type Where,
} from "./sockets.ts";

const tls = makeCertificate();
const path = (id: number): string => `/dns-query?dns=${Buffer.from(numbered(id)).toString("base64url")}`;
const get = (id: number): string => `GET ${path(id)} HTTP/1.1\r\nhost: x\r\n\r\n`;

const POST_HEAD = "POST /dns-query HTTP/1.1\r\nhost: x\r\ncontent-type: application/dns-message\r\n";

const POST_FIELDS = { ":method": "POST", ":path": "/dns-query", "content-type": "application/dns-message" };

type Noted = ReturnType<typeof noting>;

/** Runs a test against a listener of its own. */
async function attack(
  options: Partial<DohOptions>,
  test: (where: Where, noted: Noted, listener: DohListener) => Promise<void>,
): Promise<void> {
  const noted = noting(makeEcho());
  const listener = await DohListener.bind(LOOPBACK, { ...noted, tls: undefined, ...options });
  try {
    await test({ ...LOOPBACK, port: listener.port }, noted, listener);
    assert.deepEqual(noted.logged, []);
  } finally {
    await listener.close(0);
  }
  assert.equal(noted.counted("doh-opened"), noted.counted("doh-closed"));
}

/** What a socket gives until it ends or `count` bytes came. */
async function read(socket: Socket, count = Number.POSITIVE_INFINITY): Promise<string> {
  let text = "";
  for await (const chunk of socket) {
    text += (chunk as Buffer).toString("latin1");
    if (text.length >= count) break;
  }
  return text;
}

async function dialTls(where: Where, protocols: string[] = ["h2"]): Promise<TLSSocket> {
  const options = { host: where.address, port: where.port, rejectUnauthorized: false, ALPNProtocols: protocols };
  const socket = connectTls(options);
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  return socket;
}

/** A frame of HTTP/2. */
const frame = (type: number, flags: number, stream: number, body: Uint8Array = new Uint8Array(0)): Uint8Array =>
  concatBytes(
    Uint8Array.of(0, body.length >> 8, body.length, type, flags),
    Uint8Array.of(0, 0, stream >> 8, stream),
    body,
  );
const PREFACE = concatBytes(encodeUtf8("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0));
/** GET of a query, as literal fields of HPACK. */
function headers(stream: number, id: number, flags = 5): Uint8Array {
  const literal = (name: string, value: string): Uint8Array => {
    const [n, v] = [encodeUtf8(name), encodeUtf8(value)];
    return concatBytes(Uint8Array.of(0, n.length), n, Uint8Array.of(v.length), v);
  };
  const block = concatBytes(
    literal(":method", "GET"),
    literal(":scheme", "https"),
    literal(":authority", "x"),
    literal(":path", path(id)),
  );
  return frame(1, flags, stream, block);
}
const SETTINGS = (id: number, value: number): Uint8Array =>
  frame(4, 0, 0, Uint8Array.of(0, id, value >>> 24, value >>> 16, value >>> 8, value));

const FAST = { idleTimeout: 300 };

describe("an asker by HTTPS that takes its time", { concurrency: true }, () => {
  const dribbles: [
    what: string,
    options: Partial<DohOptions>,
    open: (where: Where) => Promise<Socket>,
    parts: () => Iterable<Uint8Array>,
  ][] = [
    ["says nothing", {}, dial, () => []],
    ["sends its head bit by bit", {}, dial, () => Array.from(`GET ${path(1)}`, (c) => encodeUtf8(c))],
    [
      "sends fields without end",
      {},
      dial,
      () => range(200).map((i) => encodeUtf8(i === 1 ? "GET / HTTP/1.1\r\n" : `a${i}: b\r\n`)),
    ],
    [
      "sends its body bit by bit",
      {},
      dial,
      () =>
        range(200).map((i) =>
          encodeUtf8(
            i === 1
              ? "POST /dns-query HTTP/1.1\r\nhost: x\r\ncontent-type: application/dns-message\r\ncontent-length: 1000\r\n\r\n"
              : "x",
          ),
        ),
    ],
    ["does not begin the handshake", { tls }, dial, () => []],
    [
      "sends its handshake bit by bit",
      { tls },
      dial,
      () => range(200).map((i) => Uint8Array.of([22, 3, 1, 4, 0][i - 1] ?? 1)),
    ],
    ["speaks TLS and then says nothing", { tls }, dialTls, () => []],
    [
      "says nothing but PING",
      { tls },
      dialTls,
      () => range(200).map((i) => (i === 1 ? PREFACE : frame(6, 0, 0, new Uint8Array(8)))),
    ],
    [
      "sends HEADERS without an end",
      { tls },
      dialTls,
      () =>
        range(200).map((i) => (i === 1 ? concatBytes(PREFACE, headers(1, 1, 1)) : frame(9, 0, 1, new Uint8Array(0)))),
    ],
    [
      "never ends its request",
      { tls },
      dialTls,
      () =>
        range(200).map((i) => (i === 1 ? concatBytes(PREFACE, headers(1, 1, 4)) : frame(0, 0, 1, Uint8Array.of(1)))),
    ],
  ];
  for (const [what, options, open, parts] of dribbles) {
    it(`and ${what} is gone soon after the idle time`, () =>
      attack({ ...FAST, ...options }, async (where, noted) => {
        const begun = performance.now();
        const socket = await open(where);
        const gone = ended(socket);
        const iterator = parts()[Symbol.iterator]();
        const timer = setInterval(() => {
          const next = iterator.next();
          if (next.done !== true) socket.write(next.value);
        }, 10);
        socket.resume();
        await gone;
        clearInterval(timer);
        socket.destroy();
        assertQuick(begun, 3000);
        await soon(() => noted.counted("doh-closed") === 1);
      }));
  }

  it("and never reads its replies is gone, however many it asks for", () =>
    attack({ ...FAST, tls, respond: makeEcho(60_000) }, async (where, noted) => {
      const socket = await dialTls(where);
      socket.pause();
      // A window of nothing: no byte of a reply may leave.
      const asked = range(60).map((i) => headers(2 * i - 1, i));
      socket.write(concatBytes(PREFACE, SETTINGS(4, 0), ...asked));
      await soon(() => noted.counted("doh-closed") === 1);
      socket.destroy();
    }));
});

describe("a flood by HTTPS", { concurrency: true }, () => {
  it("of connections from one address has only what one address may have", () =>
    attack({ maxConnections: 20, maxConnectionsPerAddress: 3 }, async (where, noted, listener) => {
      const sockets = range(10).map(() => connect({ host: where.address, port: where.port }).on("error", () => {}));
      await soon(() => noted.counted("doh-refused") === 7);
      assert.equal(listener.connectionCount, 3);
      const other = await dial(where, "127.0.0.2");
      other.write(get(1));
      assert.match(await read(other, 20), /^HTTP\/1.1 200/);
      for (const socket of [...sockets, other]) socket.destroy();
    }));

  it("of idle connections gives way to a new one", () =>
    attack({ maxConnections: 3 }, async (where, noted, listener) => {
      const sockets = await Promise.all(range(3).map(() => dial(where)));
      await soon(() => listener.connectionCount === 3);
      await sleep(600);
      const one = await dial(where);
      one.write(get(1));
      assert.match(await read(one, 20), /^HTTP\/1.1 200/);
      assert.deepEqual([noted.counted("doh-displaced"), listener.connectionCount <= 3], [1, true]);
      for (const socket of [...sockets, one]) socket.destroy();
    }));

  it("of streams that are reset at once ends its connection, and nobody else's (CVE-2023-44487)", () =>
    attack({ tls }, async (where, noted) => {
      let asked = 0;
      const honest = connectHttp2(`https://127.0.0.1:${where.port}`, { rejectUnauthorized: false });
      await once(honest, "connect");
      const socket = await dialTls(where);
      const gone = ended(socket);
      socket.resume();
      socket.write(PREFACE);
      for (let i = 0; i < 20_000 && !socket.destroyed; i += 50) {
        const both = range(50).flatMap((j) => {
          const stream = 2 * (i + j) - 1;
          return [headers(stream, 1), frame(3, 0, stream, Uint8Array.of(0, 0, 0, 8))];
        });
        asked += 50;
        socket.write(concatBytes(...both));
        if (i % 500 === 0) await sleep(1);
      }
      await gone;
      socket.destroy();
      assert.ok(asked < 20_000, "it was let go on");
      const stream = honest.request({ ":path": path(7) });
      const [reply] = await once(stream, "response");
      assert.equal(reply[":status"], 200);
      stream.resume();
      await once(stream, "end");
      honest.close();
      await soon(() => noted.counted("doh-closed") === 2);
    }));

  it("of resets that come after a while ends its connection too", () =>
    attack({ tls, respond: () => new Promise(() => {}) }, async (where, noted) => {
      const client = connectHttp2(`https://127.0.0.1:${where.port}`, { rejectUnauthorized: false });
      client.on("error", () => {});
      await once(client, "connect");
      for (let i = 0; i < 3000 && noted.counted("doh-ended") === 0; i++) {
        const stream = client.request({ ":path": path(i) });
        stream.on("error", () => {});
        stream.close(constants.NGHTTP2_CANCEL);
        if (i % 20 === 19) await sleep(5);
      }
      assert.equal(noted.counted("doh-ended"), 1);
      client.destroy();
    }));

  it("of cancelled requests among answered ones is no reason", () =>
    attack({ tls, idleTimeout: 1000 }, async (where, noted) => {
      const client = connectHttp2(`https://127.0.0.1:${where.port}`, { rejectUnauthorized: false });
      await once(client, "connect");
      for (let i = 0; i < 110; i++) {
        // Longer than the idle time in all: what is answered keeps it open.
        if (i % 10 === 0) await sleep(100);
        const lost = client.request({ ":path": path(i) });
        lost.on("error", () => {});
        lost.close(constants.NGHTTP2_CANCEL);
        const stream =
          i % 2 === 0
            ? client.request({ ":path": path(i) })
            : client.request({ ...POST_FIELDS }).end(Buffer.from(numbered(i)));
        stream.resume();
        await once(stream, "end");
      }
      assert.equal(noted.counted("doh-ended"), 0);
      client.destroy();
    }));

  for (const [what, bytes] of [
    ["SETTINGS", () => frame(4, 0, 0)],
    ["PING", () => frame(6, 0, 0, new Uint8Array(8))],
    ["CONTINUATION", (i: number) => (i === 0 ? headers(1, 1, 1) : frame(9, 0, 1, new Uint8Array(0)))],
    ["empty DATA", (i: number) => (i === 0 ? headers(1, 1, 4) : frame(0, 0, 1))],
    ["PRIORITY", (i: number) => frame(2, 0, 2 * i + 1, new Uint8Array(5))],
    ["frames of no known stream", (i: number) => frame(0, 0, 2 * i + 1, Uint8Array.of(1))],
  ] as [string, (i: number) => Uint8Array][]) {
    it(`of ${what} frames leaves other askers their answers, and nothing behind`, () =>
      attack({ tls, idleTimeout: 2000 }, async (where, noted, listener) => {
        const socket = await dialTls(where);
        socket.resume();
        socket.write(PREFACE);
        for (let i = 0; i < 5000 && !socket.destroyed; i += 100) {
          socket.write(concatBytes(...range(100).map((j) => bytes(i + j - 1))));
          if (i % 1000 === 0) await sleep(1);
        }
        const one = await dialTls(where, ["http/1.1"]);
        one.write(get(1));
        assert.match(await read(one, 20), /^HTTP\/1.1 200/);
        one.destroy();
        await soon(() => noted.counted("doh-closed") === 2);
        assert.equal(listener.connectionCount, 0);
        socket.destroy();
      }));
  }

  it("of requests sent ahead is answered in part, in order, and then closed", () =>
    attack({}, async (where) => {
      const socket = await dial(where);
      socket.write(range(500).map(get).join(""));
      const text = await read(socket);
      const count = text.split("HTTP/1.1 200 OK").length - 1;
      assert.ok(count >= 1 && count <= 32, `${count} answers`);
      assert.match(text, /connection: close/);
    }));

  it("of queries on one connection ends it in good order", () =>
    attack({ maxQueriesPerConnection: 5 }, async (where) => {
      const socket = await dial(where);
      socket.write(range(9).map(get).join(""));
      const text = await read(socket);
      assert.equal(text.split("HTTP/1.1 200 OK").length - 1, 5);
    }));
});

describe("bytes that are no request", { concurrency: true }, () => {
  const cases: [what: string, text: string, answer: RegExp][] = [
    ["a DNS message by TCP", "\0\x27\0\x05\0\0\0\x01\0\0\0\0\0\0", /^(HTTP\/1.1 400 .*)?$/s],
    ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", /^(HTTP\/1.1 400 .*)?$/s],
    ["a TLS handshake", "\x16\x03\x01\x02\0\x01\0\x01", /^(HTTP\/1.1 400 .*)?$/s],
    [
      "a head that is too long",
      `GET /dns-query HTTP/1.1\r\nhost: x\r\na: ${"x".repeat(9000)}\r\n\r\n`,
      /^HTTP\/1.1 431 /,
    ],
    ["two lengths", `${POST_HEAD}content-length: 5\r\ncontent-length: 6\r\n\r\nxxxxxx`, /^HTTP\/1.1 400 /],
    [
      "a length and chunks",
      `${POST_HEAD}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      /^HTTP\/1.1 400 /,
    ],
    [
      "chunks without end",
      `${POST_HEAD}transfer-encoding: chunked\r\n\r\n${`800\r\n${"x".repeat(2048)}\r\n`.repeat(3)}`,
      /^HTTP\/1.1 413 .*connection: close/s,
    ],
    ["no host", `GET ${path(1)} HTTP/1.1\r\n\r\n`, /^HTTP\/1.1 400 /],
    [
      "an expectation",
      `GET ${path(1)} HTTP/1.1\r\nhost: x\r\nexpect: wonders\r\nconnection: close\r\n\r\n`,
      /^HTTP\/1.1 417 /,
    ],
    [
      "an upgrade",
      `GET ${path(1)} HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n`,
      /^HTTP\/1.1 200 /,
    ],
    ["CONNECT", "CONNECT golang.org:443 HTTP/1.1\r\nhost: golang.org\r\n\r\n", /^$/],
    [
      "TRACE with a secret",
      "TRACE /dns-query HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncookie: secret\r\n\r\n",
      /^HTTP\/1.1 405 (?!.*secret)/s,
    ],
  ];
  for (const [what, text, answer] of cases) {
    it(`get an error of HTTP or the end, and no log: ${what}`, () =>
      attack(FAST, async (where) => {
        const socket = await dial(where);
        socket.write(Buffer.from(text, "latin1"));
        assert.match(await read(socket), answer);
      }));
  }

  it("end a TLS listener's connection, also plain HTTP", () =>
    attack({ tls, ...FAST }, async (where, noted) => {
      const socket = await dial(where);
      socket.write(get(1));
      assert.doesNotMatch(await read(socket), /HTTP/);
      const other = connectTls({
        host: where.address,
        port: where.port,
        ALPNProtocols: ["dot"],
        rejectUnauthorized: false,
      });
      other.on("error", () => {});
      await ended(other);
      await soon(() => noted.counted("doh-closed") === 2);
    }));

  it("of old TLS are refused", () =>
    attack({ tls }, async (where) => {
      const socket = connectTls({
        host: where.address,
        port: where.port,
        rejectUnauthorized: false,
        minVersion: "TLSv1",
        maxVersion: "TLSv1.1",
        ciphers: "DEFAULT@SECLEVEL=0",
      });
      const [error] = await once(socket, "error");
      assert.ok(error instanceof Error);
    }));
});

describe("a head of HTTP/2 that is too large", { concurrency: true }, () => {
  for (const [what, fields] of [
    ["of many fields", Object.fromEntries(range(200).map((i) => [`a${i}`, "b"]))],
    ["of long fields", { a: "x".repeat(30_000) }],
  ] as const) {
    it(`is refused: ${what}`, () =>
      attack({ tls }, async (where) => {
        const client = connectHttp2(`https://127.0.0.1:${where.port}`, { rejectUnauthorized: false });
        client.on("error", () => {});
        await once(client, "connect");
        const stream = client.request({ ":path": path(1), ...fields });
        let status: number | undefined;
        stream.on("error", () => {});
        stream.on("response", (reply) => {
          status = reply[":status"];
        });
        await new Promise((closed) => stream.on("close", closed).resume());
        assert.ok(status === undefined || status === 431, `status ${status}`);
        client.destroy();
      }));
  }
});

describe("a request whose asker goes away", () => {
  it("leaves the connection as it was, whatever its promised reply would have been", () => {
    const settle: ((reply: Uint8Array) => void)[] = [];
    const respond = (bytes: Uint8Array): Uint8Array | Promise<Uint8Array> =>
      bytes[1] === 1 ? new Promise((resolve) => settle.push(resolve)) : bytes;
    return attack({ respond, tls }, async (where, noted) => {
      const client = connectHttp2(`https://127.0.0.1:${where.port}`, { rejectUnauthorized: false });
      await once(client, "connect");
      const streams = range(20).map(() => client.request({ ":path": path(1) }).on("error", () => {}));
      await soon(() => settle.length === 20);
      for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
      await Promise.all(streams.map((stream) => once(stream, "close")));
      for (const each of settle) each(new Uint8Array(60_000));
      // Refused until the server has seen that nobody waits for the others.
      const ask = (): Promise<number | undefined> =>
        new Promise((resolve) => {
          const stream = client.request({ ":path": path(2) });
          stream.on("error", (error: NodeJS.ErrnoException) => {
            assert.match(error.message, /REFUSED_STREAM/);
            resolve(undefined);
          });
          stream.on("response", (reply) => resolve(reply[":status"]));
          stream.resume();
        });
      let status: number | undefined;
      for (let i = 0; i < 100 && status === undefined; i++) {
        status = await ask();
        if (status === undefined) await sleep(10);
      }
      assert.equal(status, 200);
      assert.equal(noted.counted("doh-ended"), 0);
      client.destroy();
    });
  });

  it("with many long replies unread is told to ask anew, and not left waiting", () =>
    attack({ respond: makeEcho(60_000) }, async (where) => {
      const socket = await dial(where);
      socket.write(range(30).map(get).join(""));
      const text = await read(socket);
      const count = text.split("HTTP/1.1 200 OK").length - 1;
      assert.ok(count >= 4 && count < 30, `${count} answers`);
    }));

  it("before its promised reply harms nothing", () => {
    const settle: ((reply: Uint8Array) => void)[] = [];
    const respond = (): Promise<Uint8Array> => new Promise((resolve) => settle.push(resolve));
    return attack({ respond, tls }, async (where, noted, listener) => {
      const client = connectHttp2(`https://127.0.0.1:${where.port}`, { rejectUnauthorized: false });
      client.on("error", () => {});
      const stream = client.request({ ":path": path(1) });
      stream.on("error", () => {});
      await soon(() => settle.length === 1);
      client.destroy();
      const one = await dialTls(where, ["http/1.1"]);
      one.write(get(1));
      await soon(() => settle.length === 2);
      one.destroy();
      assert.ok(await until(() => listener.connectionCount === 0));
      for (const each of settle) each(numbered(9));
      await sleep(20);
      assert.equal(noted.logged.length, 0);
    });
  });
});
