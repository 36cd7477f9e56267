import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DohTransport, type DohTransportOptions } from "../../src/client/transport-doh.ts";
import { joinName, parseName, respond } from "../../src/dns/index.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { type ErrorCode, isProofdnsError } from "../../src/vindex/error.ts";
import { makeData, makeTestZone, NOW } from "../dns/fake-zone.ts";
import { u16 } from "../dns/packet.ts";

const Z = parseName("l.example.org");
const GO4 = joinName(["go4", "org", "p1"], Z) ?? assert.fail("too long");
const MEDIA_TYPE = "application/dns-message";

const sockets = new Set<Socket>();
const closers: (() => unknown)[] = [];
after(() => {
  for (const close of closers) close();
});

interface Asked {
  readonly request: IncomingMessage;
  readonly body: Uint8Array;
}

type Answer = (asked: Asked, response: ServerResponse) => unknown;

/** A server that does what a test wants; `asked` keeps what it got. */
async function server(
  answer: Answer,
  options: Partial<DohTransportOptions> = {},
): Promise<{ transport: DohTransport; asked: Asked[]; url: string }> {
  const asked: Asked[] = [];
  const made = createServer(async (request, response) => {
    const parts: Uint8Array[] = [];
    for await (const part of request) parts.push(part as Uint8Array);
    const one = { request, body: concatBytes(...parts) };
    asked.push(one);
    await answer(one, response);
  });
  made.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => made.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    made.close();
    made.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(made.address() as { port: number }).port}/dns-query`;
  return { transport: new DohTransport({ url, ...options }), asked, url };
}

const reply = (query: Uint8Array): Uint8Array =>
  respond(query, "tcp", makeTestZone(), makeData(), NOW) ?? assert.fail("no reply");
const queryOf = ({ request, body }: Asked): Uint8Array =>
  request.method === "POST"
    ? body
    : Buffer.from(new URL(request.url ?? "", "http://x").searchParams.get("dns") ?? "", "base64url");
const honest: Answer = (asked, response) => response.setHeader("content-type", MEDIA_TYPE).end(reply(queryOf(asked)));
const says =
  (make: (query: Uint8Array) => Uint8Array): Answer =>
  (asked, response) =>
    response.setHeader("content-type", MEDIA_TYPE).end(make(queryOf(asked)));
const refused = (code: ErrorCode, why: RegExp) => (error: unknown) =>
  isProofdnsError(error, code) && (why.test(error.message) || assert.fail(error.message));

describe("a DoH transport", () => {
  it("posts a query in wire format with ID 0, and brings a payload", async () => {
    const { transport, asked, url } = await server(honest);
    const got = await transport.query(GO4);
    assert.ok(got.kind === "txt");
    assert.deepEqual([got.transport, got.server, got.ttl], ["https", url, 100]);
    const [one] = asked;
    assert.ok(one !== undefined);
    assert.deepEqual([one.request.method, one.request.url], ["POST", "/dns-query"]);
    assert.equal(one.request.headers["content-type"], MEDIA_TYPE);
    assert.equal(one.request.headers.accept, MEDIA_TYPE);
    assert.deepEqual([...one.body.subarray(0, 6)], [0, 0, 1, 0, 0, 1]);
    assert.equal(got.messageBytes, reply(one.body).length);
  });

  it("asks by GET if it is told to, also where the address has a query of its own", async () => {
    for (const suffix of ["", "{?dns}", "?key=1"]) {
      const { url } = await server(honest);
      const transport = new DohTransport({ url: `${url}${suffix}`, method: "GET" });
      assert.equal((await transport.query(GO4)).kind, "txt");
    }
  });

  it("tells what has no record from what is not there", async () => {
    const { transport } = await server(honest);
    const nodata = await transport.query(joinName(["e99", "_head", "p1"], Z) as Uint8Array);
    assert.deepEqual([nodata.kind, nodata.ttl], ["nodata", 5]);
    assert.equal((await transport.query(joinName(["nothing"], Z) as Uint8Array)).kind, "nxdomain");
    await assert.rejects(transport.query(parseName("other.example")), refused("REFUSED", /does not serve/));
  });

  it("takes a media type with parameters and in capitals", async () => {
    const { transport } = await server((asked, response) =>
      response.setHeader("Content-Type", "Application/DNS-message; x=y").end(reply(asked.body)),
    );
    assert.equal((await transport.query(GO4)).kind, "txt");
  });

  it("takes only whole names", async () => {
    const { transport, asked } = await server(honest);
    for (const bytes of [new Uint8Array(0), Uint8Array.of(1, 97), Uint8Array.of(0, 0)]) {
      await assert.rejects(transport.query(bytes), TypeError);
    }
    assert.equal(asked.length, 0);
  });

  const statuses: [status: number, why: RegExp][] = [
    [400, /HTTP status 400/],
    [404, /HTTP status 404: is DNS over HTTPS served at this address/],
    [415, /HTTP status 415: is DNS/],
    [429, /HTTP status 429: too many queries/],
    [500, /HTTP status 500/],
    [204, /HTTP status 204/],
  ];
  for (const [status, why] of statuses) {
    it(`reports status ${status}, whatever comes with it`, async () => {
      const { transport } = await server((asked, response) => {
        response.writeHead(status, { "content-type": MEDIA_TYPE }).end(status === 204 ? undefined : reply(asked.body));
      });
      await assert.rejects(transport.query(GO4), refused("UNREACHABLE", why));
    });
  }

  for (const status of [301, 302, 303, 307, 308]) {
    it(`follows no redirect of status ${status}: no other server learns what is asked`, async () => {
      const other = await server(honest);
      const { transport } = await server((_, response) => response.writeHead(status, { location: other.url }).end());
      await assert.rejects(transport.query(GO4), refused("UNREACHABLE", /redirects elsewhere/));
      assert.equal(other.asked.length, 0);
    });
  }

  for (const type of [
    "text/html",
    "application/dns-json",
    "",
    "application/dns-messages",
    "text/plain; application/dns-message",
  ]) {
    it(`refuses the content type ${JSON.stringify(type)}`, async () => {
      const { transport } = await server((asked, response) =>
        response.setHeader("content-type", type).end(reply(asked.body)),
      );
      await assert.rejects(transport.query(GO4), refused("UNREACHABLE", /does not speak DNS over HTTPS/));
    });
  }

  const hostile: [what: string, answer: Answer, code: ErrorCode, why: RegExp][] = [
    ["an empty body", says(() => new Uint8Array(0)), "MALFORMED_MESSAGE", /something else/],
    ["half a header", says((query) => reply(query).subarray(0, 7)), "MALFORMED_MESSAGE", /something else/],
    ["half a message", says((query) => reply(query).subarray(0, 60)), "MALFORMED_MESSAGE", /cut off/],
    ["the query itself", says((query) => query), "MALFORMED_MESSAGE", /something else/],
    [
      "another ID",
      says((query) => reply(query).map((b, i) => (i === 1 ? 1 : b))),
      "MALFORMED_MESSAGE",
      /something else/,
    ],
    [
      "another question",
      says((query) => reply(concatBytes(query.subarray(0, 13), Uint8Array.of(0x68), query.subarray(14)))),
      "MALFORMED_MESSAGE",
      /something else/,
    ],
    [
      "a truncated reply",
      says((query) =>
        concatBytes(query.subarray(0, 2), u16(0x8300), query.subarray(4, -11)).map((b, i) => (i === 11 ? 0 : b)),
      ),
      "UNREACHABLE",
      /truncated/,
    ],
    [
      "SERVFAIL",
      says((query) =>
        concatBytes(query.subarray(0, 2), u16(0x8102), query.subarray(4, -11)).map((b, i) => (i === 11 ? 0 : b)),
      ),
      "UNREACHABLE",
      /SERVFAIL/,
    ],
    ["65,536 bytes", says(() => new Uint8Array(65_536)), "UNREACHABLE", /more than a DNS message/],
    [
      "a body without end",
      (_, response) => {
        response.setHeader("content-type", MEDIA_TYPE);
        const more = (): void => {
          if (response.destroyed) return;
          response.write(new Uint8Array(4096), () => setImmediate(more));
        };
        more();
      },
      "UNREACHABLE",
      /more than a DNS message/,
    ],
    [
      "a body that comes drop by drop",
      async (_, response) => {
        response.setHeader("content-type", MEDIA_TYPE);
        while (!response.destroyed) {
          response.write(Uint8Array.of(0));
          await sleep(20);
        }
      },
      "UNREACHABLE",
      /did not answer within 200 ms/,
    ],
    ["silence", () => undefined, "UNREACHABLE", /did not answer within 200 ms/],
    [
      "headers and then silence",
      (_, response) => response.writeHead(200, { "content-type": MEDIA_TYPE }).flushHeaders(),
      "UNREACHABLE",
      /did not answer within 200 ms/,
    ],
    ["a closed connection", (_, response) => response.destroy(), "UNREACHABLE", /cannot be reached/],
    [
      "a body that ends too early",
      (asked, response) => {
        response.writeHead(200, { "content-type": MEDIA_TYPE, "content-length": "4000" });
        response.write(reply(asked.body).subarray(0, 50), () => response.destroy());
      },
      "UNREACHABLE",
      /cannot be reached/,
    ],
  ];
  for (const [what, answer, code, why] of hostile) {
    it(`refuses ${what}, and leaves no exchange under way`, async () => {
      const isStuck = why.source.includes("within");
      const { transport } = await server(answer, isStuck ? { timeout: 200 } : {});
      await assert.rejects(transport.query(GO4), refused(code, why));
    });
  }

  it("says that nobody listens", async () => {
    const { transport, url } = await server(honest);
    for (const close of closers.splice(-1)) close();
    await assert.rejects(transport.query(GO4), refused("UNREACHABLE", /cannot be reached: .*ECONNREFUSED/));
    assert.match(url, /127\.0\.0\.1/);
  });

  it("says in plain words that a port without TLS is none of HTTPS", async () => {
    const { url } = await server(honest);
    const transport = new DohTransport({ url: url.replace("http:", "https:") });
    const says = /cannot be reached: TLS fails there \(wrong version number\): is this the port of HTTPS\?$/;
    await assert.rejects(transport.query(GO4), refused("UNREACHABLE", says));
  });

  it("stops when it is told to, with the reason it is told", async () => {
    const { transport } = await server(() => undefined, { timeout: 60_000 });
    const controller = new AbortController();
    const asking = transport.query(GO4, { signal: controller.signal });
    await sleep(20);
    controller.abort(new Error("enough"));
    await assert.rejects(asking, /^Error: enough$/);
    await assert.rejects(transport.query(GO4, { signal: controller.signal }), /^Error: enough$/);
  });

  it("ends by its timeout even with a fetch that heeds no signal", async () => {
    const deaf: typeof fetch = () => new Promise(() => {});
    const transport = new DohTransport({ url: "https://dns.example/q", fetch: deaf, timeout: 30 });
    await assert.rejects(transport.query(GO4), refused("UNREACHABLE", /within 30 ms/));
    const controller = new AbortController();
    const asking = transport.query(GO4, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await assert.rejects(asking, /^Error: enough$/);
  });

  it("leaves cookies, credentials and the referrer at home", async () => {
    const seen: RequestInit[] = [];
    const spy: typeof fetch = (_, init) => {
      seen.push(init ?? {});
      return Promise.reject(new TypeError("offline"));
    };
    const transport = new DohTransport({ url: "https://dns.example/q", fetch: spy });
    await assert.rejects(transport.query(GO4), refused("UNREACHABLE", /cannot be reached: offline/));
    const [init] = seen;
    assert.deepEqual([init?.credentials, init?.referrerPolicy, init?.redirect], ["omit", "no-referrer", "manual"]);
  });

  it("takes an opaque redirect of a browser for what it is", async () => {
    const opaque = { type: "opaqueredirect", status: 0, headers: new Headers(), body: null } as unknown as Response;
    const transport = new DohTransport({ url: "https://dns.example/q", fetch: () => Promise.resolve(opaque) });
    await assert.rejects(transport.query(GO4), refused("UNREACHABLE", /redirects/));
  });

  for (const url of [
    "",
    "dns.example",
    "ftp://dns.example/",
    "https://",
    "https://user:pw@dns.example/",
    "file:///x",
    "data:,x",
  ]) {
    it(`refuses the address ${JSON.stringify(url)}`, () => {
      assert.throws(() => new DohTransport({ url }), refused("MALFORMED_INPUT", /expected one like https/));
    });
  }
});
