import assert from "node:assert/strict";
import { request } from "node:http";
import { connect } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import { explainUnready, Monitor, type Readiness } from "../../src/service/monitor.ts";

const READY: Readiness = { epoch: 7, epochAge: 60, clockAge: 30, isDraining: false };
const LIMITS = { maxEpochAge: 3600, maxClockAge: 300 };

describe("readiness", () => {
  it("is an epoch and a clock within their limits, and no draining", () => {
    assert.equal(explainUnready(READY, LIMITS), undefined);
    assert.equal(explainUnready({ ...READY, epochAge: 3600, clockAge: 300 }, LIMITS), undefined);
  });

  it("is without a limit whatever has none", () => {
    const old = { ...READY, epochAge: 1e9, clockAge: 1e9 };
    assert.equal(explainUnready(old, {}), undefined);
    assert.match(explainUnready(old, { maxEpochAge: 3600 }) ?? "", /^epoch 7 is 1000000000 s old, more than 3600 s$/);
    assert.match(explainUnready(old, { maxClockAge: 300 }) ?? "", /clock/);
    assert.equal(explainUnready({ ...READY, epochAge: undefined, clockAge: undefined }, {}), undefined);
  });

  for (const [what, readiness] of Object.entries({
    "no epoch is served": { ...READY, epoch: 0, epochAge: undefined },
    "epoch 7 is 3601 s old": { ...READY, epochAge: 3601.9 },
    "epoch 7 is of no known age": { ...READY, epochAge: undefined },
    "epoch 7 is NaN s old": { ...READY, epochAge: Number.NaN },
    "the clock's cosignature is 301 s old": { ...READY, clockAge: 301 },
    "the clock's cosignature is of no known age": { ...READY, clockAge: undefined },
    draining: { ...READY, isDraining: true },
  } satisfies Record<string, Readiness>)) {
    it(`is not there if ${what}, and one line says so`, () => {
      const why = explainUnready(readiness, LIMITS);
      assert.ok(why?.startsWith(what) && !why.includes("\n"), why);
    });
  }
});

interface Response {
  readonly status: number | undefined;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}

describe("the monitor", () => {
  let readiness: Readiness = READY;
  let metrics = (): string => "x 1\n";
  let alarms: string[] = [];
  const monitor = new Monitor({
    host: "127.0.0.1",
    port: 0,
    metrics: () => metrics(),
    readiness: () => readiness,
    limits: LIMITS,
    log: (level, message) => alarms.push(`${level} ${message}`),
  });
  let port = 0;

  before(async () => {
    const address = await monitor.listen();
    assert.equal(address.host, "127.0.0.1");
    port = address.port;
  });
  after(() => monitor.close());
  beforeEach(() => {
    readiness = READY;
    metrics = () => "x 1\n";
    alarms = [];
  });

  function ask(path: string, method = "GET", body = ""): Promise<Response> {
    return new Promise((resolve, reject) => {
      const sent = request({ host: "127.0.0.1", port, path, method, agent: false }, (response) => {
        let text = "";
        response.setEncoding("latin1");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body: text }));
      });
      sent.on("error", reject);
      sent.end(body);
    });
  }

  /** Sends bytes as they are, and gives what comes back until the other side closes, or until `wait` milliseconds. */
  function send(bytes: string | Uint8Array, wait = 3000): Promise<string> {
    return new Promise((resolve) => {
      let text = "";
      const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
      const timer = setTimeout(() => socket.destroy(), wait);
      socket.on("data", (chunk) => {
        text += chunk.toString("latin1");
      });
      socket.on("error", () => {});
      socket.on("close", () => {
        clearTimeout(timer);
        resolve(text);
      });
    });
  }

  it("gives the metrics as Prometheus text, made anew each time", async () => {
    let count = 0;
    metrics = () => `x ${++count}\n`;
    const first = await ask("/metrics");
    assert.equal(first.status, 200);
    assert.equal(first.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert.equal(first.headers["cache-control"], "no-store");
    assert.equal(first.body, "x 1\n");
    assert.equal((await ask("/metrics?name[]=x")).body, "x 2\n");
  });

  it("counts bytes, not characters", async () => {
    metrics = () => "é€\n";
    const { body, headers } = await ask("/metrics");
    assert.equal(headers["content-length"], "6");
    assert.equal(Buffer.from(body, "latin1").toString("utf8"), "é€\n");
  });

  it("is healthy while it answers, ready or not", async () => {
    readiness = { ...READY, isDraining: true };
    const { status, body } = await ask("/healthz");
    assert.deepEqual([status, body], [200, "ok\n"]);
  });

  it("is ready, and says in one line why it is not", async () => {
    assert.deepEqual([(await ask("/readyz")).status, (await ask("/readyz")).body], [200, "ready\n"]);
    readiness = { ...READY, epoch: 0 };
    const { status, body } = await ask("/readyz");
    assert.deepEqual([status, body], [503, "no epoch is served\n"]);
  });

  it("answers HEAD as GET, without the body", async () => {
    readiness = { ...READY, isDraining: true };
    for (const [path, expected, length] of [
      ["/metrics", 200, "4"],
      ["/healthz", 200, "3"],
      ["/readyz", 503, "9"],
      ["/none", 404, "28"],
    ] as const) {
      const { status, body, headers } = await ask(path, "HEAD");
      assert.deepEqual([status, body, headers["content-length"]], [expected, "", length], path);
    }
  });

  it("knows three paths", async () => {
    for (const path of ["/", "/metrics/", "/Metrics", "//metrics", "/metrics%2f", "/readyz/../metrics", "/healthz;x"]) {
      assert.equal((await ask(path)).status, 404, path);
    }
  });

  it("takes no other method, and reads no body", async () => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"]) {
      const { status, headers } = await ask("/metrics", method, method === "TRACE" ? "" : "x".repeat(100_000));
      assert.deepEqual([status, headers["allow"]], [405, "GET, HEAD"], method);
    }
    for (const header of ["Content-Length: 100000", "Transfer-Encoding: chunked"]) {
      const started = performance.now();
      assert.match(
        await send(`POST /healthz HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`),
        /405[\s\S]*connection: close/i,
      );
      assert.ok(performance.now() - started < 2500, "waited for the body");
    }
  });

  it("says 500 and goes on if the metrics fail", async () => {
    metrics = () => {
      throw new Error("boom");
    };
    const { status, body } = await ask("/metrics");
    assert.equal(status, 500);
    assert.ok(!body.includes("boom"));
    assert.deepEqual(alarms, ["alarm monitor: boom"]);
    assert.equal((await ask("/healthz")).status, 200);
  });

  for (const [what, bytes] of Object.entries({
    "no HTTP": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "binary junk": Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) >> 3),
    "a bad request line": "GET  /metrics HTTP/x\r\n\r\n",
    "a bad header": "GET /metrics HTTP/1.1\r\nHost: x\r\na b: c\r\n\r\n",
    "a NUL in a header": "GET /metrics HTTP/1.1\r\nHost: x\0y\r\n\r\n",
    "no host": "GET /metrics HTTP/1.1\r\n\r\n",
    "two lengths": "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "headers without end": `GET /metrics HTTP/1.1\r\nHost: x\r\n${"a: b\r\n".repeat(20_000)}`,
    "a long path": `GET /${"a".repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    CONNECT: "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a bad chunk": "POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  })) {
    it(`survives ${what}, tells it nothing and closes`, async () => {
      const reply = await send(bytes);
      assert.doesNotMatch(reply, /x 1|200 OK/);
      assert.doesNotMatch(reply, /at .*:\d+:\d+/);
      assert.equal((await ask("/healthz")).status, 200);
      assert.deepEqual(alarms, []);
    });
  }

  it("does not switch to another protocol", async () => {
    const upgrade = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert.match(await send(upgrade, 300), /^HTTP\/1.1 200 OK/);
  });

  it("answers what is pipelined, in order", async () => {
    const paths = ["/healthz", "/none", "/metrics"];
    const reply = await send(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(""), 300);
    assert.deepEqual(
      [...reply.matchAll(/HTTP\/1.1 (\d+)/g)].map((match) => match[1]),
      ["200", "404", "200"],
    );
  });

  it("closes who goes away in the middle, and more connections than it has", async () => {
    const sockets = Array.from({ length: 100 }, () => connect(port, "127.0.0.1"));
    const closed = sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    for (const socket of sockets) socket.on("error", () => {});
    try {
      await Promise.race(closed);
      for (const socket of sockets) socket.write("GET /metr");
    } finally {
      for (const socket of sockets) socket.destroy();
    }
    await Promise.all(closed);
    await new Promise((next) => setTimeout(next, 50));
    assert.equal((await ask("/healthz")).status, 200);
  });
});

describe("a monitor's address", () => {
  const options = { metrics: () => "", readiness: () => READY, limits: {}, log: () => {} };

  it("is given by listen, also for IPv6, and free again after close", async () => {
    for (const host of ["127.0.0.1", "::1"]) {
      const first = new Monitor({ ...options, host, port: 0 });
      const address = await first.listen();
      assert.equal(address.host, host);
      const second = new Monitor({ ...options, host, port: address.port });
      await assert.rejects(second.listen(), { code: "EADDRINUSE" });
      await second.close();
      // A connection that is kept open holds nothing up.
      const idle = connect(address.port, host);
      await new Promise((resolve) => idle.once("connect", resolve));
      await first.close();
      await first.close();
      const third = new Monitor({ ...options, host, port: address.port });
      assert.deepEqual(await third.listen(), address);
      await third[Symbol.asyncDispose]();
      idle.destroy();
    }
  });

  it("is not had twice, nor after close", async () => {
    const monitor = new Monitor({ ...options, host: "127.0.0.1", port: 0 });
    await monitor.listen();
    await assert.rejects(monitor.listen(), TypeError);
    await monitor.close();
    await assert.rejects(monitor.listen(), TypeError);
    const early = new Monitor({ ...options, host: "127.0.0.1", port: 0 });
    await early.close();
    await assert.rejects(early.listen(), TypeError);
  });
});
