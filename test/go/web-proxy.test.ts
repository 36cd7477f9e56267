import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseTransport } from "../../src/client/transport-system.ts";
import { fetchGoMod, makeWebFetch, WebProxies } from "../../src/go/index.ts";
import { HttpSumdbSource } from "../../src/sumdb/http-source.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { makeCertificate } from "../dns/self-signed.ts";
import { startProxy, type TestProxy } from "./proxy-server.ts";

type Env = Record<string, string>;
const urlOf = (env: Env, url: string): string | undefined => new WebProxies(env).find(new URL(url))?.url;
const malformed = (why: RegExp) => (error: unknown) =>
  isProofdnsError(error, "MALFORMED_INPUT") && (why.test(error.message) || assert.fail(error.message));

describe("the proxies of the environment", () => {
  const both = { HTTP_PROXY: "http://web.test:3128", HTTPS_PROXY: "https://tls.test" };

  it("are each for its scheme, and are none where no variable is set", () => {
    assert.equal(urlOf(both, "http://a.example/x"), "http://web.test:3128");
    assert.equal(urlOf(both, "https://a.example/x"), "https://tls.test");
    assert.equal(urlOf({ HTTP_PROXY: "http://web.test" }, "https://a.example"), undefined);
    assert.equal(urlOf({ HTTPS_PROXY: "http://web.test" }, "http://a.example"), undefined);
    assert.equal(urlOf({}, "https://a.example"), undefined);
    assert.equal(urlOf({ ALL_PROXY: "http://web.test", HTTPS_PROXY: "" }, "https://a.example"), undefined);
    assert.equal(urlOf(both, "file:///x"), undefined);
  });

  it("may be written in lower case, and the upper case counts more", () => {
    assert.equal(urlOf({ https_proxy: "http://lower.test" }, "https://a.example"), "http://lower.test");
    const two = { https_proxy: "http://lower.test", HTTPS_PROXY: "http://upper.test" };
    assert.equal(urlOf(two, "https://a.example"), "http://upper.test");
    assert.equal(urlOf({ ...two, HTTPS_PROXY: "" }, "https://a.example"), "http://lower.test");
    assert.equal(urlOf({ ...two, no_proxy: "a.example" }, "https://a.example"), undefined);
  });

  it("may lack a scheme, and then are of http", () => {
    for (const [text, url] of [
      ["proxy.test:3128", "http://proxy.test:3128"],
      ["proxy.test", "http://proxy.test"],
      ["10.0.0.1:8080", "http://10.0.0.1:8080"],
      ["[2001:db8::1]:8080", "http://[2001:db8::1]:8080"],
      ["user:word@proxy.test:1", "http://proxy.test:1"],
    ] as const) {
      assert.equal(urlOf({ HTTPS_PROXY: text }, "https://a.example"), url, text);
    }
  });

  it("are not asked for this machine", () => {
    for (const host of ["localhost", "localhost:8443", "127.0.0.1", "127.9.8.7:1", "[::1]:4", "[::ffff:127.0.0.1]"]) {
      assert.equal(urlOf(both, `https://${host}/`), undefined, host);
    }
    for (const host of ["localhost.example", "128.0.0.1", "[::2]", "[::ffff:10.0.0.1]"]) {
      assert.equal(urlOf(both, `https://${host}/`), "https://tls.test", host);
    }
  });

  it("are not asked for what NO_PROXY names: hosts, what is below them, addresses, networks, ports", () => {
    const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
      ["*", ["a.example", "10.0.0.1"], []],
      ["x.test, *", ["a.example"], []],
      ["a.example", ["a.example", "x.a.example", "A.Example:8443"], ["ba.example", "example"]],
      [" A.EXAMPLE ", ["a.example"], []],
      [".a.example", ["x.a.example"], ["a.example"]],
      ["*.a.example", ["x.a.example", "y.x.a.example"], ["a.example"]],
      ["a.example:443", ["a.example", "x.a.example:443"], ["a.example:444"]],
      ["*.a.example:8443", ["x.a.example:8443"], ["x.a.example"]],
      ["bücher.example", ["xn--bcher-kva.example"], ["bucher.example"]],
      ["10.0.0.1", ["10.0.0.1", "10.0.0.1:8443"], ["10.0.0.2", "x.10.0.0.1.example"]],
      ["10.0.0.1:443", ["10.0.0.1"], ["10.0.0.1:444"]],
      ["10.1.2.3/8", ["10.200.0.1", "[::ffff:10.0.0.1]"], ["11.0.0.1"]],
      ["2001:db8::/32", ["[2001:db8::5]"], ["[2001:db9::5]", "10.0.0.1"]],
      ["2001:db8::1", ["[2001:db8::1]:1"], ["[2001:db8::2]"]],
      ["[2001:db8::1]:443", ["[2001:db8::1]"], ["[2001:db8::1]:444"]],
      ["0.0.0.1", [], ["10.0.0.1", "a.0.0.0.1.example"]],
      ["::/0", ["[2001:db8::5]", "[::2]"], ["10.0.0.1", "[::ffff:10.0.0.1]"]],
      ["0.0.0.0/0", ["10.0.0.1", "[::ffff:10.0.0.1]"], ["[2001:db8::5]"]],
      ["::ffff:10.0.0.0/104", ["10.9.9.9", "[::ffff:10.9.9.9]"], ["11.0.0.1", "[2001:db8::5]"]],
      ["::ffff:10.0.0.1", ["10.0.0.1"], ["10.0.0.2"]],
      // No form of an address but the usual one is one.
      ["10.1,0xa.0.0.1,167772161", [], ["10.0.0.1"]],
      ["2001:DB8:0::1", ["[2001:db8::1]"], ["[2001:db8::2]"]],
      // What stands behind a name makes it another, though a URL would end there.
      ["a.example/,b.example#x,c.example?,@d.example,e.example%2f", [], "abcde".split("").map((x) => `${x}.example`)],
      ["bücher.example/,bücher.example#,bücher.example?x", [], ["xn--bcher-kva.example"]],
      ["2001:db8::1%eth0,[2001:db8::1%25eth0],::ffff:0:0/90", [], ["[2001:db8::1]", "10.0.0.1"]],
      // What makes no sense excepts nothing.
      [",,:443,[]:443,*.,.,10.0.0.0/33,10.0.0/8,a/b,http://a.example,[a.example,a.example:1:2", [], ["a.example"]],
    ];
    for (const [NO_PROXY, direct, through] of cases) {
      for (const host of direct) assert.equal(urlOf({ ...both, NO_PROXY }, `https://${host}/`), undefined, host);
      for (const host of through)
        assert.equal(urlOf({ ...both, NO_PROXY }, `https://${host}/`), "https://tls.test", host);
    }
  });

  it("are refused for http where whoever asks a program of CGI may have named them", () => {
    for (const name of ["HTTP_PROXY", "http_proxy"]) {
      const env = { [name]: "http://hidden.test", HTTPS_PROXY: "http://tls.test", REQUEST_METHOD: "GET" };
      const why = new RegExp(`^${name}: it is refused where REQUEST_METHOD is set, .*; unset one of the two$`);
      assert.throws(() => urlOf(env, "http://a.example"), malformed(why));
      assert.equal(urlOf(env, "https://a.example"), "http://tls.test");
      assert.equal(urlOf({ ...env, REQUEST_METHOD: "" }, "http://a.example"), "http://hidden.test");
    }
    assert.equal(urlOf({ REQUEST_METHOD: "GET" }, "http://a.example"), undefined);
  });

  it("that make no sense are one sentence, which shows no password, where they would be asked and nowhere else", () => {
    for (const [HTTPS_PROXY, why] of [
      [
        "socks5://user:hidden@proxy.test:1080",
        /^HTTPS_PROXY: "socks5:\/\/…@proxy\.test:1080" is no proxy of http or https/,
      ],
      ["ftp://proxy.test", /is no proxy of http or https; expected one like http:\/\/proxy\.example:3128$/],
      ["http://", /is no URL of a proxy/],
      ["http://user:hidden@proxy.test:99999", /"http:\/\/…@proxy\.test:99999" is no URL/],
      ["http://user:hid/den@proxy.test", /is no URL of a proxy/],
      ["http://user:1/hidden@proxy.test", /has an @ behind its host: write \/ \? # and %/],
      ["user:1#hidden@proxy.test", /"…@proxy\.test" has an @ behind its host/],
      ["http://user:hidden%zz@proxy.test", /a % in its user name or password that begins no byte/],
      ["http://a b", /is no URL/],
      // Else the host `http` would be asked, or one that someone forgot to write.
      ["http:/proxy.test:1", /"http:\/proxy\.test:1" is no URL of a proxy/],
      ["http:/user:hidden@proxy.test:1", /"…@proxy\.test:1" is no URL/],
      ["https:/proxy.test", /is no URL/],
      ["http:///proxy.test", /is no URL/],
      ["\u001b[2J", /^HTTPS_PROXY: "\ufffd\[2J" is no URL/],
    ] as const) {
      const env = { HTTPS_PROXY };
      assert.throws(() => urlOf(env, "https://a.example"), malformed(why));
      assert.throws(
        () => urlOf(env, "https://a.example"),
        (error: Error) => !/hid|den/.test(error.message) || assert.fail(error.message),
      );
      assert.equal(urlOf(env, "http://a.example"), undefined);
      assert.equal(urlOf(env, "https://localhost"), undefined);
      assert.equal(urlOf({ ...env, NO_PROXY: "*" }, "https://a.example"), undefined);
    }
  });
});

describe("fetching through a proxy", () => {
  const { cert, key } = makeCertificate();
  const origin = createServer({ cert, key }, (request, response) => {
    const { url, headers } = request;
    if (url === "/away") response.writeHead(302, { location: "http://other.test/there" }).end();
    else response.end(`${headers.host}${url} ${headers["proxy-authorization"] ?? "-"}`);
  });
  let proxy: TestProxy;
  before(async () => {
    await new Promise<void>((resolve) => origin.listen(0, "127.0.0.1", resolve));
    proxy = await startProxy((origin.address() as AddressInfo).port);
  });
  after(() => {
    proxy.close();
    origin.closeAllConnections();
    origin.close();
  });
  const env = (userInfo = ""): Env => ({
    HTTPS_PROXY: `http://${userInfo}127.0.0.1:${proxy.port}`,
    HTTP_PROXY: `${userInfo}127.0.0.1:${proxy.port}`,
    NO_PROXY: "direct.invalid",
  });
  /** The certificate is for localhost: with a dot behind it, that is a name that goes through the proxy. */
  const secure = (userInfo?: string): typeof fetch => makeWebFetch(env(userInfo), { ca: cert.toString() });
  const innermost = async (promise: Promise<unknown>): Promise<string> => {
    const error = await promise.then(
      () => assert.fail("it did not fail"),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof Error && error.cause instanceof Error);
    assert.ok(error.message.includes(error.cause.message));
    return error.cause.message;
  };

  it("asks for http by the whole URL, for https by a tunnel, and gives its password to the proxy alone", async () => {
    proxy.asked.length = 0;
    const ask = secure("me:p%40ss@");
    const basic = `Basic ${Buffer.from("me:p@ss").toString("base64")}`;
    assert.equal(await (await ask("http://a.test/x?y")).text(), "by proxy: http://a.test/x?y");
    assert.equal(await (await ask("https://localhost.:8443/z")).text(), "localhost.:8443/z -");
    assert.deepEqual(proxy.asked, [`GET http://a.test/x?y ${basic}`, `CONNECT localhost.:8443 ${basic}`]);
  });

  it("uses a tunnel again, asks NO_PROXY's hosts itself, and decides anew where it is redirected", async () => {
    proxy.asked.length = 0;
    const ask = secure();
    for (let i = 0; i < 9; i++) await (await ask(`https://localhost./${i}`)).text();
    const used = proxy.asked.splice(0);
    assert.ok(used.length < 9 && used.every((line) => line === "CONNECT localhost.:443"), used.join());
    assert.equal(await (await ask("https://localhost./away")).text(), "by proxy: http://other.test/there");
    await assert.rejects(ask("https://direct.invalid/"), (error: Error) => !/proxy/.test(String(error.cause)));
    const here = `https://localhost:${(origin.address() as AddressInfo).port}/here`;
    assert.match(await (await ask(here)).text(), /\/here -$/);
    assert.equal(proxy.asked.at(-1), "GET http://other.test/there");
  });

  it("asks many things at once without a warning", async () => {
    const warnings: string[] = [];
    const note = (warning: Error): number => warnings.push(warning.message);
    process.on("warning", note);
    const ask = secure();
    await Promise.all(Array.from({ length: 20 }, async (_, i) => (await ask(`https://localhost./${i}`)).text()));
    await new Promise(setImmediate);
    process.removeListener("warning", note);
    assert.deepEqual(warnings, []);
  });

  it("trusts no certificate because a proxy is in the way", async () => {
    assert.match(await innermost(makeWebFetch(env())("https://localhost./")), /self.signed certificate \(by the proxy/);
    assert.match(await innermost(secure()("https://elsewhere.test/")), /elsewhere\.test|altname/i);
  });

  it("says which proxy failed and how, and never its password", async () => {
    const ask = secure("me:hidden@");
    const where = `the proxy http://127.0.0.1:${proxy.port} of HTTP`;
    for (const [refusal, why] of [
      [407, "wants a user name and password"],
      [403, "answers with HTTP status 403"],
    ] as const) {
      proxy.refusal = refusal;
      const said = await innermost(ask("https://refused.test/"));
      assert.ok(said.startsWith(`${where}S_PROXY ${why}`), said);
    }
    assert.ok((await innermost(secure()("https://x.test/"))).endsWith("403"));
    proxy.refusal = 407;
    assert.ok((await innermost(ask("http://x.test/"))).startsWith(`${where}_PROXY wants a user name`));
    proxy.refusal = 503;
    assert.equal((await ask("http://x.test/")).status, 503);
    proxy.refusal = undefined;
    const gone = makeWebFetch({ HTTPS_PROXY: "http://me:hidden@127.0.0.1:1" })("https://x.test");
    assert.match(await innermost(gone), /ECONNREFUSED.*\(by the proxy http:\/\/127\.0\.0\.1:1 of HTTPS_PROXY\)$/);
  });

  it("does not go on opening a tunnel that is closed, whenever it is", async () => {
    for (const refusal of ["close", "open, and close"] as const) {
      proxy.refusal = refusal;
      proxy.asked.length = 0;
      assert.match(await innermost(secure()("https://localhost./")), /\(by the proxy http:/);
      await assert.rejects(secure()("http://a.test/"), /by the proxy/);
      assert.equal(proxy.asked.length, 2, proxy.asked.slice(0, 9).join());
    }
    proxy.refusal = undefined;
  });

  it("ends when it is told to, and keeps no process alive that waits for who is silent", async () => {
    proxy.refusal = "silence";
    const sockets = new Set<Socket>();
    const serve = async (onConnection: (socket: Socket) => void): Promise<number> => {
      const server = createTcpServer((socket) => {
        sockets.add(socket.on("error", () => {}));
        onConnection(socket);
      });
      after(() => server.close());
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return (server.address() as AddressInfo).port;
    };
    // Silent where TLS is to begin: in the tunnel, before the proxy, and without one.
    const silent = await serve((socket) => socket.resume());
    const opened = await serve((socket) => socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\n\r\n")));
    const urls: readonly (readonly [Env, string])[] = [
      [env(), "https://a.test/"],
      [env(), "http://a.test/"],
      [{ HTTPS_PROXY: `http://127.0.0.1:${opened}` }, "https://a.test/"],
      [{ HTTPS_PROXY: `https://127.0.0.1:${silent}` }, "https://a.test/"],
      [{ HTTP_PROXY: `https://127.0.0.1:${silent}` }, "http://a.test/"],
      [{ HTTPS_PROXY: "http://x.test" }, `https://127.0.0.1:${silent}/`],
    ];
    const program = `
      import { makeWebFetch } from ${JSON.stringify(new URL("../../src/go/web-proxy.ts", import.meta.url).href)};
      await Promise.all(${JSON.stringify(urls)}.map(async ([env, url]) => {
        const ask = makeWebFetch(env);
        const controller = new AbortController();
        setTimeout(() => controller.abort(new Error("enough")), 200);
        await ask(url, { signal: controller.signal }).catch((error) => console.log(error.message));
      }));
      // The limits of what is silent are of seconds.
      setTimeout(() => process.exit(9), 3000).unref();`;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", program], {
      cwd: fileURLToPath(new URL("../..", import.meta.url)),
      stdio: ["ignore", "pipe", "inherit"],
      timeout: 60_000,
    });
    let printed = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
    });
    const code = await new Promise((resolve) => child.once("close", resolve));
    proxy.refusal = undefined;
    for (const socket of sockets) socket.destroy();
    assert.deepEqual([code, printed], [0, "enough\n".repeat(urls.length)]);
  });

  it("lets others go on with what one has given up", async () => {
    const ask = secure();
    const controller = new AbortController();
    const given = ask("https://localhost./1", { signal: controller.signal });
    const kept = ask("https://localhost./2");
    controller.abort(new Error("enough"));
    await assert.rejects(given, /enough/);
    assert.equal(await (await kept).text(), "localhost./2 -");
    assert.equal(await (await ask("https://localhost./3")).text(), "localhost./3 -");
    // Who comes in the moment in which what nobody waits for is ended is not ended with it.
    for (const url of ["https://localhost./4", "http://a.test/4"]) {
      const anew = secure();
      const stop = new AbortController();
      proxy.refusal = "silence";
      proxy.asked.length = 0;
      const left = anew(url, { signal: stop.signal });
      while (!proxy.asked.some((line) => line.includes(new URL(url).host))) await sleep(2);
      stop.abort(new Error("enough"));
      const next = left.catch(() => {
        proxy.refusal = undefined;
        return anew(url);
      });
      assert.match(await (await next).text(), /\/4/);
    }
  });

  it("is the platform's own where there is no proxy, and refuses what is no URL where there is one", async () => {
    await assert.rejects(secure()(new Request("https://x.test")), TypeError);
    await assert.rejects(secure()("x"), TypeError);
    await assert.rejects(makeWebFetch({ NO_PROXY: "x" })("https://127.0.0.1:1"), /fetch failed$/);
  });

  it("is how go.mod files are fetched, and a proxy that makes no sense is the error of its own", async () => {
    proxy.asked.length = 0;
    const goEnv = { GOPROXY: "http://goproxy.test", GONOPROXY: "" };
    const bytes = await fetchGoMod(goEnv, "example.com/a", "v1.0.0", { fetch: secure() });
    assert.equal(new TextDecoder().decode(bytes), "by proxy: http://goproxy.test/example.com/a/@v/v1.0.0.mod");
    const lost = fetchGoMod(goEnv, "example.com/a", "v1.0.0", { fetch: makeWebFetch({ HTTP_PROXY: "http://[" }) });
    await assert.rejects(lost, malformed(/^HTTP_PROXY: "http:\/\/\[" is no URL of a proxy/));
  });

  it("is how resolvers by HTTPS and checksum databases are asked", async () => {
    const before = { ...process.env };
    try {
      Object.assign(process.env, env());
      proxy.asked.length = 0;
      const source = new HttpSumdbSource("http://sumdb.test");
      assert.match(new TextDecoder().decode(await source.readLatest()), /^by proxy: http:\/\/sumdb\.test\/latest$/);
      const transport = parseTransport(["https://localhost./dns-query"]);
      await assert.rejects(transport.query(Uint8Array.of(1, 0x61, 0)), /self.signed certificate/);
      assert.deepEqual(proxy.asked, ["GET http://sumdb.test/latest", "CONNECT localhost.:443"]);
      process.env["HTTPS_PROXY"] = "socks5://x";
      for (const text of ["https://dns.example/dns-query{?dns}", "https://dns.example"]) {
        assert.throws(() => parseTransport([text]), malformed(/^HTTPS_PROXY: .* is no proxy of http or https/));
      }
      assert.throws(() => new HttpSumdbSource("https://sumdb.test"), malformed(/is no proxy of http or https/));
      parseTransport(["https://localhost/dns-query", "127.0.0.1"]);
    } finally {
      process.env = before;
    }
  });
});
