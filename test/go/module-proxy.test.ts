import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fetchGoMod, parseGoProxy } from "../../src/go/index.ts";

const folder = mkdtempSync(join(tmpdir(), "proofdns-go-"));
const asked: string[] = [];
let handler: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
const server = createServer((request, response) => {
  asked.push(`${request.url} ${request.headers.authorization ?? ""}`.trim());
  handler(request, response);
});
let base = "";
before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const settings = (GOPROXY: string, GONOPROXY = "") => ({ GOPROXY, GONOPROXY });
const get = async (GOPROXY: string, path = "example.com/Mod", options = {}): Promise<string> =>
  new TextDecoder().decode(await fetchGoMod(settings(GOPROXY), path, "v1.0.0-RC1", options));
const unreachable = (message: RegExp) => ({ code: "UNREACHABLE", message });

function reply(status: number, body: string | Buffer = "", headers: Record<string, string> = {}): void {
  handler = (_, response) => response.writeHead(status, headers).end(body);
}

describe("a module proxy", () => {
  it("is asked for the go.mod by escaped names", async () => {
    asked.length = 0;
    reply(200, "module example.com/Mod\n");
    assert.equal(await get(`${base}/sub/`), "module example.com/Mod\n");
    assert.deepEqual(asked, ["/sub/example.com/!mod/@v/v1.0.0-!r!c1.mod"]);
  });

  it("may be a folder", async () => {
    const place = join(folder, "my proxy", "example.com/!mod/@v");
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, "v1.0.0-!r!c1.mod"), "module x\n");
    assert.equal(await get(`file://${folder}/my%20proxy`), "module x\n");
    assert.equal(await get(`file://${folder}/my%20proxy/,off`), "module x\n");
    await assert.rejects(get(`file://${folder}/none`), unreachable(/no such file/));
    mkdirSync(join(place, "../../other/@v/v1.0.0-!r!c1.mod"), { recursive: true });
    await assert.rejects(get(`file://${folder}/my%20proxy`, "example.com/other"), unreachable(/no such file/));
  });

  it("is followed by the next one behind a comma only if it has no such version, behind a bar after any failure", async () => {
    const none = `file://${folder}/none`;
    for (const status of [404, 410]) {
      reply(status);
      await assert.rejects(get(`${base},${none}`), unreachable(/no such version; file:.*no such file/));
    }
    for (const status of [500, 403, 429, 204]) {
      reply(status);
      await assert.rejects(
        get(`${base},${none}`),
        (error: Error) => /HTTP status/.test(error.message) && !error.message.includes("none"),
      );
      await assert.rejects(get(`${base}|${none}`), unreachable(/HTTP status \d+; file:/));
    }
    reply(404);
    await assert.rejects(get(`${base},direct,${base}`), unreachable(/no such version; GOPROXY says direct/));
    await assert.rejects(get(`${base},off,${base}`), unreachable(/GOPROXY ends with off/));
    await assert.rejects(get("direct"), unreachable(/version control/));
    await assert.rejects(get("off"), unreachable(/off/));
  });

  it("is not asked for modules of GONOPROXY", async () => {
    asked.length = 0;
    await assert.rejects(
      fetchGoMod(settings(base, "*.corp.example,example.com/Mod"), "example.com/Mod/x", "v1.0.0"),
      unreachable(/GONOPROXY has "example\.com\/Mod"/),
    );
    assert.deepEqual(asked, []);
  });

  it("is not asked at all where names or GOPROXY are malformed", async () => {
    for (const text of [
      "",
      ",",
      " | ",
      "ftp://x.example",
      "https://x.example?q",
      "file://host/x",
      "justaword",
      "https://",
      "/tmp/x",
      "file:///x#y",
    ]) {
      await assert.rejects(get(text), { code: "MALFORMED_INPUT" }, text);
    }
    await assert.rejects(get(base, "../x"), { code: "MALFORMED_INPUT" });
    await assert.rejects(get(base, "example.com/a b"), { code: "MALFORMED_INPUT" });
    await assert.rejects(fetchGoMod(settings(base), "example.com/a", "v1/../.."), { code: "MALFORMED_INPUT" });
    assert.deepEqual(parseGoProxy("proxy.example/x,,direct,zzz"), [
      { url: "https://proxy.example/x", kind: "url", goesOn: false },
      { url: "direct", kind: "direct", goesOn: false },
    ]);
  });

  it("is sent the password of its URL, which is never shown nor sent elsewhere", async () => {
    asked.length = 0;
    reply(500);
    const withPassword = base.replace("//", "//user:p%40ss@");
    await assert.rejects(get(withPassword), (error: Error) => !/user|p%40ss|p@ss/.test(error.message));
    assert.match(asked[0] ?? "", new RegExp(`Basic ${Buffer.from("user:p@ss").toString("base64")}`));
    const seen: string[] = [];
    const fake = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
      seen.push(`${url} ${new Headers(init?.headers).get("authorization") ?? "-"}`);
      return seen.length === 1
        ? new Response(null, { status: 302, headers: { location: "https://other.example/x" } })
        : new Response("ok");
    };
    assert.equal(await get("https://u:p@one.example", "a.b/c", { fetch: fake }), "ok");
    assert.deepEqual(seen, ["https://one.example/a.b/c/@v/v1.0.0-!r!c1.mod Basic dTpw", "https://other.example/x -"]);
  });

  it("may redirect, but not for ever, nor to a file, another scheme or a password", async () => {
    handler = (request, response) =>
      request.url?.endsWith("/there")
        ? response.end("module y\n")
        : response.writeHead(302, { location: "/there" }).end();
    assert.equal(await get(base), "module y\n");
    reply(302, "", { location: "/again" });
    await assert.rejects(get(base), unreachable(/more than 10 redirects/));
    for (const location of [
      "file:///etc/passwd",
      "ftp://x/",
      "http://u:p@127.0.0.1/",
      "http://[",
      "data:text/plain,x",
    ]) {
      reply(307, "", { location });
      await assert.rejects(get(base), unreachable(/a redirect that is not followed/), location);
    }
    const down = async (): Promise<Response> =>
      new Response(null, { status: 302, headers: { location: "http://x.example/" } });
    await assert.rejects(get("https://x.example", "a.b/c", { fetch: down }), unreachable(/not followed/));
    reply(302);
    handler = (_, response) => response.writeHead(302).end();
    await assert.rejects(get(base), unreachable(/a redirect|more than/));
  });

  it("may be slow, silent, cut off, endless or gone: each is a sentence", async () => {
    handler = () => undefined;
    await assert.rejects(get(base, "a.b/c", { timeoutMs: 50 }), unreachable(/no whole answer within 50 ms/));
    handler = (_, response) => response.writeHead(200).write("module");
    await assert.rejects(get(base, "a.b/c", { timeoutMs: 50 }), unreachable(/no whole answer within 50 ms/));
    handler = (request) => request.socket.destroy();
    await assert.rejects(get(base), unreachable(/cannot get the go\.mod of example\.com\/Mod@v1\.0\.0-RC1: http/));
    handler = (_, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("x");
      setTimeout(() => response.destroy(), 10);
    };
    await assert.rejects(get(base), unreachable(/./));
    reply(200, Buffer.alloc(16 * 1024 * 1024 + 1, 0x20));
    await assert.rejects(get(base), unreachable(/more than 16777216 bytes/));
    const refusing = fetchGoMod(settings("http://127.0.0.1:1"), "a.b/c", "v1.0.0");
    await assert.rejects(refusing, unreachable(/: http:\/\/127\.0\.0\.1:1: [^()]+$/));
  });

  it("has a share in the time for all, and none where that is over", async () => {
    handler = () => undefined;
    asked.length = 0;
    const waiting = get(`${base}|${base}|${base}`, "a.b/c", { timeoutMs: 50 });
    await assert.rejects(waiting, unreachable(/no whole answer within 50 ms; no time is left for the next proxy$/));
    assert.equal(asked.length, 1);
    reply(500);
    await assert.rejects(get(`${base}|${base}`, "a.b/c", { timeoutMs: 5000 }), unreachable(/500; .*500$/));
  });

  it("is asked no longer than the caller wants", async () => {
    handler = () => undefined;
    const controller = new AbortController();
    const waiting = get(base, "a.b/c", { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 20);
    await assert.rejects(waiting, /enough/);
    await assert.rejects(get(base, "a.b/c", { signal: controller.signal }), /enough/);
  });
});
