import assert from "node:assert/strict";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { type HttpSourceOptions, HttpSumdbSource } from "../../src/sumdb/http-source.ts";
import { makeKey, makeServer, recordTexts } from "./small-log.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A source whose waits are recorded and not waited. */
function makeSource(url: string, options: HttpSourceOptions = {}): { source: HttpSumdbSource; waits: number[] } {
  const waits: number[] = [];
  const source = new HttpSumdbSource(url, {
    timeoutMs: 2000,
    sleep: async (ms) => {
      waits.push(ms);
    },
    random: () => 1,
    ...options,
  });
  return { source, waits };
}

/** Answers in turn, the last answer from then on, and counts. */
function inTurn(...listeners: RequestListener[]): { listener: RequestListener; count: () => number } {
  let count = 0;
  return {
    listener: (request, response) => {
      const at = Math.min(count++, listeners.length - 1);
      (listeners[at] as RequestListener)(request, response);
    },
    count: () => count,
  };
}

const status =
  (code: number, headers: Record<string, string> = {}, body = ""): RequestListener =>
  (_, response) => {
    response.writeHead(code, headers);
    response.end(body);
  };
const good = status(200, {}, "good");
const drop: RequestListener = (request) => (request.socket as Socket).destroy();
const truncate: RequestListener = (request, response) => {
  response.writeHead(200, { "content-length": "100" });
  response.write("part");
  setTimeout(() => (request.socket as Socket).destroy(), 5);
};
const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString();

describe("reading a checksum database over HTTP", () => {
  it("reads tree head, tiles and lookups of a server", async () => {
    const sumdb = makeServer(recordTexts(300), makeKey(1));
    const url = await serve(sumdb.handler);
    const { source } = makeSource(`${url}/`);
    assert.deepEqual(await source.readLatest(), new Uint8Array(sumdb.respond("GET", "/latest").body));
    for (const path of ["tile/8/0/000", "tile/8/0/001.p/44", "tile/8/data/000", "tile/8/data/001.p/44"]) {
      assert.deepEqual(await source.readTile(path), new Uint8Array(sumdb.respond("GET", `/${path}`).body));
    }
    const lookup = await source.readLookup("example.com/m5", "v1.5.0");
    assert.match(text(lookup) ?? "", /^5\nexample\.com\/m5 v1\.5\.0 h1:/);
    assert.equal(await source.readLookup("example.com/none", "v1.5.0"), undefined);
    assert.equal(await source.readTile("tile/8/0/001"), undefined);
  });

  it("asks for escaped names below the URL's path", async () => {
    const targets: string[] = [];
    const url = await serve((request, response) => {
      targets.push(request.url ?? "");
      response.end("x");
    });
    const { source } = makeSource(`${url}/sum/db//`);
    await source.readLookup("github.com/Azure/x", "v1.0.0-RC1+incompatible");
    await source.readLatest();
    assert.deepEqual(targets, ["/sum/db/lookup/github.com/!azure/x@v1.0.0-!r!c1+incompatible", "/sum/db/latest"]);
  });

  it("takes 404 and 410 for an answer, at once", async () => {
    for (const code of [404, 410]) {
      const { listener, count } = inTurn(status(code));
      const { source } = makeSource(await serve(listener));
      assert.equal(await source.readTile("tile/8/0/000"), undefined);
      assert.equal(count(), 1);
      await assert.rejects(source.readLatest(), { code: "UNREACHABLE" });
    }
  });

  for (const [what, bad] of Object.entries({
    "a dropped connection": drop,
    "a truncated body": truncate,
    "status 500": status(500),
    "status 503": status(503),
    "status 429": status(429),
  })) {
    it(`tries again after ${what}, with growing waits`, async () => {
      const { listener, count } = inTurn(bad, bad, good);
      const { source, waits } = makeSource(await serve(listener));
      assert.equal(text(await source.readLatest()), "good");
      assert.equal(count(), 3);
      assert.deepEqual(waits, [500, 1000]);
    });

    it(`gives up after four times ${what}`, async () => {
      const { listener, count } = inTurn(bad);
      const { source, waits } = makeSource(await serve(listener));
      await assert.rejects(source.readLatest(), { code: "UNREACHABLE", kind: "unavailable", message: /4 attempts/ });
      assert.equal(count(), 4);
      assert.equal(waits.length, 3);
    });
  }

  it("spreads its waits", async () => {
    const { listener } = inTurn(status(500));
    const { source, waits } = makeSource(await serve(listener), { random: () => 0, attempts: 8, maxWaitMs: 5000 });
    await assert.rejects(source.readLatest(), { code: "UNREACHABLE" });
    assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 5000, 5000]);
  });

  it("says so when nobody listens", async () => {
    const url = await serve(good);
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
    const { source } = makeSource(url);
    await assert.rejects(source.readLatest(), { code: "UNREACHABLE", message: /ECONNREFUSED/ });
  });

  it("waits as long as Retry-After asks, up to its bound", async () => {
    const now = (): number => Date.parse("Tue, 03 Feb 2026 10:00:00 GMT") / 1000;
    for (const [header, expected] of [
      ["7", 7000],
      ["0", 500],
      ["99999999", 60_000],
      ["Tue, 03 Feb 2026 10:00:09 GMT", 9000],
      ["Tue, 03 Feb 2026 09:00:00 GMT", 500],
      ["Tue, 03 Feb 2099 10:00:00 GMT", 60_000],
      ["-5", 500],
      ["1e9", 500],
      ["tomorrow", 500],
      ["2030", 60_000],
    ] as const) {
      const { listener } = inTurn(status(429, { "retry-after": header }), good);
      const { source, waits } = makeSource(await serve(listener), { now });
      await source.readLatest();
      assert.deepEqual(waits, [expected], header);
    }
  });

  it("does not try other refusals again", async () => {
    for (const code of [201, 204, 206, 304, 400, 401, 403, 418, 451]) {
      const { listener, count } = inTurn(status(code));
      const { source } = makeSource(await serve(listener));
      await assert.rejects(source.readLatest(), { code: "UNREACHABLE" });
      assert.equal(count(), 1);
    }
  });

  it("cuts off bodies that are longer than what was asked for can be", async () => {
    for (const headers of [{}, { "content-length": String(1 << 30) }]) {
      let sent = 0;
      const url = await serve((_, response) => {
        response.writeHead(200, headers);
        const chunk = Buffer.alloc(65536);
        const pump = (): void => {
          while (!response.destroyed && response.write(chunk)) sent += chunk.length;
        };
        response.on("drain", pump);
        pump();
      });
      const { source, waits } = makeSource(url);
      for (const read of [
        () => source.readTile("tile/8/0/000"),
        () => source.readTile("tile/8/data/000"),
        () => source.readLatest(),
        () => source.readLookup("example.com/m", "v1.0.0"),
      ]) {
        sent = 0;
        await assert.rejects(read(), { code: "UNREACHABLE", message: /more than/ });
        assert.ok(sent < 32 << 20);
      }
      assert.deepEqual(waits, []);
    }
  });

  it("cuts off bodies that grow when unpacked", async () => {
    const bomb = gzipSync(Buffer.alloc(256 << 20));
    const url = await serve((_, response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.end(bomb);
    });
    const before = process.memoryUsage().arrayBuffers;
    const { source } = makeSource(url);
    await assert.rejects(source.readTile("tile/8/data/000"), { code: "UNREACHABLE", message: /more than 4194304/ });
    assert.ok(process.memoryUsage().arrayBuffers - before < 64 << 20);
  });

  it("accepts a hash tile of full width and refuses one byte more", async () => {
    for (const [length, isGood] of [
      [8192, true],
      [8193, false],
    ] as const) {
      const { source } = makeSource(await serve((_, response) => response.end(Buffer.alloc(length))));
      if (isGood) assert.equal((await source.readTile("tile/8/0/000"))?.length, 8192);
      else await assert.rejects(source.readTile("tile/8/0/000"), { code: "UNREACHABLE" });
    }
  });

  it("ends an answer that dribbles or never comes, within the time of an attempt", async () => {
    const dribble: RequestListener = (_, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write("x"), 10);
      response.on("close", () => clearInterval(timer));
    };
    for (const listener of [dribble, () => undefined]) {
      const { source } = makeSource(await serve(listener as RequestListener), { timeoutMs: 80, attempts: 2 });
      const started = performance.now();
      await assert.rejects(source.readLatest(), { code: "UNREACHABLE", message: /within 80 ms/ });
      assert.ok(performance.now() - started < 2000);
    }
  });

  it("follows redirects within the scheme, five at most", async () => {
    const url = await serve((request, response) => {
      if (request.url === "/target") good(request, response);
      else status(302, { location: "/target" })(request, response);
    });
    assert.equal(text(await makeSource(url).source.readLatest()), "good");
    const { listener, count } = inTurn(status(307, { location: "/again" }));
    await assert.rejects(makeSource(await serve(listener)).source.readLatest(), {
      code: "UNREACHABLE",
      message: /redirects/,
    });
    assert.equal(count(), 6);
  });

  it("follows no redirect to another scheme, with a password, or to nowhere", async () => {
    for (const location of [
      "https://127.0.0.1/latest",
      "file:///etc/passwd",
      "ftp://127.0.0.1/x",
      "data:text/plain,hello",
      "javascript:0",
      "http://user:password@127.0.0.1/",
      "http://[",
    ]) {
      const { listener, count } = inTurn(status(302, { location }));
      await assert.rejects(makeSource(await serve(listener)).source.readLatest(), { code: "UNREACHABLE" }, location);
      assert.equal(count(), 1);
    }
    await assert.rejects(makeSource(await serve(status(302))).source.readLatest(), { code: "UNREACHABLE" });
  });

  it("asks caches to fetch anew only when told", async () => {
    const seen: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      seen.push(request.headers["cache-control"]);
      response.end("x");
    });
    const { source } = makeSource(url);
    await source.readLatest();
    await source.readLatest({ fresh: true });
    assert.deepEqual(seen, [undefined, "no-cache"]);
  });

  it("ends with the reason of its signal: before, during and between attempts", async () => {
    const reason = new Error("enough");
    const isReason = (error: unknown): boolean => error === reason;
    const { source } = makeSource(await serve(() => undefined));
    await assert.rejects(source.readLatest({ signal: AbortSignal.abort(reason) }), isReason);
    const during = new AbortController();
    setTimeout(() => during.abort(reason), 20);
    await assert.rejects(source.readLatest({ signal: during.signal }), isReason);
    const between = new AbortController();
    const { source: failing } = makeSource(await serve(status(500)), {
      sleep: async () => between.abort(reason),
    });
    await assert.rejects(failing.readLatest({ signal: between.signal }), isReason);
    const waiting = new AbortController();
    const patient = new HttpSumdbSource(await serve(status(500)), { backoffMs: 60_000 });
    setTimeout(() => waiting.abort(reason), 20);
    await assert.rejects(patient.readLatest({ signal: waiting.signal }));
  });

  it("leaves no listeners on a signal that lives long", async () => {
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>): void => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>): void => {
      listeners--;
      remove(...args);
    };
    const { source } = makeSource(await serve(good));
    for (let i = 0; i < 20; i++) await source.readLatest({ signal });
    assert.equal(listeners, 0);
  });

  for (const url of [
    "",
    "sum.golang.org",
    "ftp://sum.golang.org",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "https://user:password@sum.golang.org",
    "https://user@sum.golang.org",
    "https://sum.golang.org/?x=1",
    "https://sum.golang.org/?",
    "https://sum.golang.org/#x",
    "https://",
  ]) {
    it(`refuses the URL ${JSON.stringify(url)}`, () => {
      assert.throws(() => new HttpSumdbSource(url), { code: "MALFORMED_INPUT" });
    });
  }

  it("asks for nothing whose name could mean something else", async () => {
    const { source } = makeSource(await serve(() => assert.fail("asked")));
    for (const path of ["", "../latest", "tile/8/0/000?x", "tile/8/0/0", "tile/8/0/000.p/0", "latest"]) {
      await assert.rejects(source.readTile(path), { code: "MALFORMED_TILE" });
    }
    for (const [modulePath, version] of [
      ["a/../b", "v1.0.0"],
      ["a b", "v1.0.0"],
      ["a", "../x"],
      ["a", "v1?x"],
    ] as const) {
      await assert.rejects(source.readLookup(modulePath, version), { code: "MALFORMED_INPUT" });
    }
  });
});
