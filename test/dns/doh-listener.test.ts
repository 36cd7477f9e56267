import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { Agent, request as httpsRequest } from "node:https";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import type { Asker } from "../../src/dns/asker.ts";
import { DohListener, type DohOptions, dohBindError } from "../../src/dns/doh/listener.ts";
import { checkTlsFiles } from "../../src/dns/doh/tls-files.ts";
import { ServerStats } from "../../src/dns/stats.ts";
import { countListenerEvent } from "../../src/dns/threads/listener-counters.ts";
import { bareFront, type Front, makeFront } from "../../src/service/front.ts";
import { NOTHING_YET } from "../../src/service/nothing-yet.ts";
import { makeTestZone } from "./fake-zone.ts";
import { query } from "./packet.ts";
import { makeCertificate } from "./self-signed.ts";
import { idOf, LOOPBACK, makeDeferred, makeEcho, noting, numbered, rcodeOf, soon } from "./sockets.ts";

const tls = makeCertificate();
const other = makeCertificate();
const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array;
}

async function askHttp1(url: string, ask: Ask): Promise<Reply> {
  const options = {
    method: ask.method ?? "GET",
    headers: ask.headers ?? {},
    rejectUnauthorized: false,
    agent: false as const,
  };
  const target = new URL(ask.path ?? "/dns-query", url);
  const request = url.startsWith("https:") ? httpsRequest(target, options) : httpRequest(target, options);
  request.end(ask.body);
  const [response] = await once(request, "response");
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode, headers: response.headers, body: Uint8Array.from(Buffer.concat(chunks)) };
}

async function askHttp2(url: string, ask: Ask): Promise<Reply> {
  const client = connectHttp2(url, { rejectUnauthorized: false });
  client.on("error", () => {});
  try {
    const fields = { ":method": ask.method ?? "GET", ":path": ask.path ?? "/dns-query", ...ask.headers };
    const stream = client.request(fields, { endStream: ask.body === undefined });
    if (ask.body !== undefined) stream.end(ask.body);
    const [headers] = await once(stream, "response");
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return { status: headers[":status"], headers, body: Uint8Array.from(Buffer.concat(chunks)) };
  } finally {
    client.close();
  }
}

const open: DohListener[] = [];
after(async () => {
  for (const listener of open) await listener.close(0);
});

async function bind(
  options: Partial<DohOptions> = {},
): Promise<{ url: string; listener: DohListener; noted: ReturnType<typeof noting> }> {
  const noted = noting(makeEcho());
  const listener = await DohListener.bind(LOOPBACK, { ...noted, tls: undefined, ...options });
  open.push(listener);
  return { url: `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${listener.port}`, listener, noted };
}

const post = (body: Uint8Array): Ask => ({
  method: "POST",
  headers: { "content-type": "application/dns-message" },
  body,
});

for (const [how, ask, files] of [
  ["HTTP/1.1", askHttp1, undefined],
  ["HTTP/1.1 and TLS", askHttp1, tls],
  ["HTTP/2", askHttp2, tls],
] as const) {
  describe(`DNS over HTTPS by ${how}`, () => {
    it("answers POST and GET, and HEAD without a body", async () => {
      const { url, noted } = await bind({ tls: files });
      const bytes = numbered(0);
      for (const each of [post(bytes), { path: `/dns-query?dns=${base64url(bytes)}` }]) {
        const { status, headers, body } = await ask(url, each);
        assert.equal(status, 200);
        assert.equal(headers["content-type"], "application/dns-message");
        assert.equal(headers["access-control-allow-origin"], "*");
        assert.equal(headers["set-cookie"], undefined);
        assert.equal(headers["server"], undefined);
        assert.equal(headers["content-length"], String(body.length));
        assert.equal(body.length, bytes.length);
      }
      const { status, body } = await ask(url, { method: "HEAD", path: `/dns-query?dns=${base64url(bytes)}` });
      assert.deepEqual([status, body.length], [200, 0]);
      assert.equal(noted.counted("doh-rejected"), 0);
    });

    it("refuses what is no query, with its status, and goes on", async () => {
      const { url, noted } = await bind({ tls: files });
      const long = new Uint8Array(4097);
      const reply = numbered(1);
      reply[2] = 0x80;
      const cases: [Ask, number][] = [
        [{ path: "/" }, 404],
        [{ method: "PUT", body: numbered(1) }, 405],
        [{ ...post(numbered(1)), headers: {} }, 415],
        [post(long), 413],
        [post(new Uint8Array(70_000)), 413],
        [post(new Uint8Array(0)), 400],
        [post(new Uint8Array(11)), 400],
        [post(reply), 400],
        [{ path: "/dns-query" }, 400],
        [{ path: `/dns-query?dns=${base64url(reply)}` }, 400],
      ];
      for (const [each, expected] of cases) {
        const { status, headers, body } = await ask(url, each);
        assert.equal(status, expected);
        assert.equal(headers["access-control-allow-origin"], "*");
        assert.equal(headers["cache-control"], "no-store");
        assert.match(Buffer.from(body).toString(), /^[^\n]+\n$/);
      }
      assert.equal(noted.counted("doh-rejected"), cases.length);
      assert.equal((await ask(url, post(numbered(2)))).status, 200);
    });

    it("lets pages of other origins ask", async () => {
      const { url } = await bind({ tls: files });
      const asked = { origin: "https://page.example", "access-control-request-method": "POST" };
      const { status, headers, body } = await ask(url, { method: "OPTIONS", headers: asked });
      assert.deepEqual([status, body.length], [204, 0]);
      assert.equal(headers["access-control-allow-origin"], "*");
      assert.match(headers["access-control-allow-methods"] ?? "", /POST/);
      assert.equal(headers["access-control-allow-headers"], "content-type");
      assert.equal(headers["access-control-max-age"], "86400");
    });

    it("tells who asks by the connection alone", async () => {
      const askers: Asker[] = [];
      const respond = (bytes: Uint8Array, asker: Asker): Uint8Array => {
        askers.push(asker);
        return bytes;
      };
      const { url } = await bind({ tls: files, respond });
      const headers = {
        "content-type": "application/dns-message",
        "x-forwarded-for": "192.0.2.7",
        forwarded: "for=192.0.2.7",
      };
      await ask(url, { ...post(numbered(1)), headers });
      assert.deepEqual(askers, [{ transport: "https", address: Uint8Array.of(127, 0, 0, 1) }]);
    });

    it("answers what fails with SERVFAIL, and sends promised and long replies whole", async () => {
      const respond = (bytes: Uint8Array): Promise<Uint8Array> | Uint8Array => {
        if (idOf(bytes) === 1) throw new Error("broken");
        if (idOf(bytes) === 2) return Promise.reject(new Error("broken later"));
        const out = new Uint8Array(65_535).fill(7);
        out.set(bytes.subarray(0, 12));
        return sleep(5).then(() => out);
      };
      const { url, noted } = await bind({ tls: files, respond });
      assert.equal(rcodeOf((await ask(url, post(numbered(1)))).body), 2);
      assert.equal(rcodeOf((await ask(url, post(numbered(2)))).body), 2);
      assert.equal(noted.logged.length, 2);
      const { body } = await ask(url, post(numbered(3)));
      assert.equal(body.length, 65_535);
      assert.equal(body[65_534], 7);
    });

    it("answers what has arrived when it closes, and then nobody", async () => {
      const late = makeDeferred<Uint8Array>();
      let asked = 0;
      const respond = (): Promise<Uint8Array> => {
        asked++;
        return late.promise;
      };
      const { url, listener, noted } = await bind({ tls: files, respond });
      const replied = ask(url, post(numbered(1)));
      await soon(() => asked === 1);
      const closed = listener.close(5000);
      assert.equal(listener.close(0), closed);
      await sleep(20);
      late.resolve(numbered(1));
      assert.equal((await replied).status, 200);
      await closed;
      await assert.rejects(ask(url, post(numbered(2))));
      assert.equal(noted.counted("doh-opened"), noted.counted("doh-closed"));
    });
  });
}

describe("the certificate", () => {
  const shown = async (url: string): Promise<string> => {
    const { port } = new URL(url);
    const socket = connectTls({ host: "127.0.0.1", port: Number(port), rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const { raw } = socket.getPeerX509Certificate() ?? {};
    socket.destroy();
    return raw?.toString("base64") ?? "";
  };

  it("is replaced for connections to come, and not by what cannot be used", async () => {
    const { url, listener } = await bind({ tls });
    const agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
    agent.destroy();
    const first = await shown(url);
    listener.setTls(other);
    const second = await shown(url);
    assert.notEqual(second, first);
    assert.throws(() => listener.setTls({ cert: tls.cert, key: other.key }), { code: "KEY_UNUSABLE" });
    assert.equal(await shown(url), second);
    assert.equal((await askHttp2(url, post(numbered(1)))).status, 200);
  });

  const broken: [what: string, cert: string, key: string][] = [
    ["nothing", "", ""],
    ["no certificate", "", tls.key],
    ["no key", tls.cert, ""],
    ["the key as the certificate", tls.key, tls.key],
    ["the certificate as the key", tls.cert, tls.cert],
    ["another's key", tls.cert, other.key],
    ["a cut certificate", tls.cert.slice(0, 200), tls.key],
    ["a cut key", tls.cert, tls.key.slice(0, 100)],
  ];
  for (const [what, cert, key] of broken) {
    it(`is refused: ${what}`, async () => {
      assert.throws(() => checkTlsFiles({ cert, key }), { code: "KEY_UNUSABLE" });
      await assert.rejects(bind({ tls: { cert, key } }), { code: "KEY_UNUSABLE" });
    });
  }
});

describe("what is counted of DNS over HTTPS", () => {
  it("is what is open, opened, refused, idle and rejected", () => {
    const stats = new ServerStats(new SharedArrayBuffer(ServerStats.byteLength));
    for (const event of [
      "doh-opened",
      "doh-opened",
      "doh-closed",
      "doh-refused",
      "doh-idle",
      "doh-displaced",
      "doh-ended",
      "doh-rejected",
    ] as const) {
      countListenerEvent(stats, event);
    }
    const { dohOpen, dohOpened, dohRefused, dohIdleClosed, dohRejected } = ServerStats.sum([stats]).counters;
    assert.deepEqual([dohOpen, dohOpened, dohRefused, dohIdleClosed, dohRejected], [1, 2, 1, 2, 1]);
    stats.resetGauges();
    assert.equal(ServerStats.sum([stats]).counters.dohOpen, 0);
  });
});

describe("a front with DNS over HTTPS", () => {
  const zone = makeTestZone();
  const make = (threads: number, addresses: { host: string; port: number }[], files: typeof tls | undefined): Front =>
    makeFront({
      ...bareFront(zone),
      host: "127.0.0.1",
      port: 0,
      threads,
      doh: { addresses, tls: files, limits: {} },
      log: assert.fail,
      data: NOTHING_YET,
    });
  const ANY = { host: "127.0.0.1", port: 0 };

  for (const threads of [0, 2]) {
    it(`answers at several addresses, counts, and takes another certificate, with ${threads} threads`, async () => {
      const front = make(threads, [ANY, ANY], tls);
      await front.listen();
      const ports = front.dohAddresses.map(({ port }) => port);
      assert.equal(new Set(ports).size, 2);
      for (const port of ports) {
        const { status, body, headers } = await askHttp2(`https://127.0.0.1:${port}`, post(query("l.example.org", 6)));
        assert.deepEqual([status, rcodeOf(body), headers["cache-control"]], [200, 0, "max-age=300"]);
      }
      await front.setTls(other);
      await assert.rejects(front.setTls({ cert: tls.cert, key: other.key }), { code: "KEY_UNUSABLE" });
      assert.equal((await askHttp1(`https://127.0.0.1:${ports[0]}`, post(query("l.example.org", 6)))).status, 200);
      const { replies, latency, counters } = front.stats();
      assert.deepEqual(
        replies.map(({ transport, qtype, count }) => [transport, qtype, count]),
        [["https", "SOA", 3]],
      );
      assert.equal(
        latency.https.buckets.reduce((a, b) => a + b),
        3,
      );
      assert.equal(counters.dohOpened, 3);
      await front.close();
      await assert.rejects(askHttp1(`https://127.0.0.1:${ports[0]}`, post(numbered(1))));
    });

    it(`says which address cannot be had, and leaves nothing bound, with ${threads} threads`, async () => {
      const { listener } = await bind();
      const front = make(threads, [ANY, { host: "127.0.0.1", port: listener.port }], undefined);
      await assert.rejects(front.listen(), {
        code: "MALFORMED_INPUT",
        message: new RegExp(`127\\.0\\.0\\.1 port ${listener.port}: .*choose another --doh`),
      });
      await front.close();
    });
  }

  it("limits no rates: who asks has proven its address", async () => {
    const bare = bareFront(zone);
    const rateLimit = { rate: 1, netRate: 1, slip: 1, key: new Uint8Array(16) };
    const front = makeFront({
      ...bare,
      config: { ...bare.config, rateLimit },
      host: "127.0.0.1",
      port: 0,
      doh: { addresses: [ANY], tls: undefined, limits: {} },
      log: assert.fail,
      data: NOTHING_YET,
    });
    await front.listen();
    for (let i = 0; i < 5; i++) {
      const { body } = await askHttp1(
        `http://127.0.0.1:${front.dohAddresses[0]?.port}`,
        post(query("l.example.org", 6)),
      );
      assert.equal((body[2] ?? 2) & 2, 0, "TC");
      assert.equal(body[7], 1, "one answer");
    }
    const { rrlPassed, rrlDropped, rrlSlipped } = front.stats().counters;
    assert.deepEqual([rrlPassed, rrlDropped, rrlSlipped], [0, 0, 0]);
    await front.close();
  });

  it("keeps the error that says more", () => {
    const error = dohBindError(LOOPBACK, new Error("listen EACCES"));
    assert.match(error.message, /EACCES/);
    assert.equal(dohBindError(LOOPBACK, error), error);
  });
});
