import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Asker } from "../../src/dns/asker.ts";
import type { Respond } from "../../src/dns/listener.ts";
import { UdpListener, type UdpOptions } from "../../src/dns/udp.ts";
import { formatHex } from "../../src/vindex/bytes.ts";
import {
  askUdp,
  assertQuick,
  hasReusePort,
  idOf,
  LOOPBACK,
  makeDeferred,
  makeEcho,
  NOW,
  noting,
  numbered,
  range,
  rcodeOf,
  replyTo,
  soon,
  startWorker,
  until,
  type Where,
} from "./sockets.ts";

const open: UdpListener[] = [];
after(() => Promise.all(open.map((listener) => listener.close(0))));

async function start(
  respond: Respond,
  options: Partial<UdpOptions> = {},
  where: Where = LOOPBACK,
): Promise<ReturnType<typeof noting> & { where: Where; listener: UdpListener }> {
  const notes = noting(respond);
  const listener = await UdpListener.bind(where, { ...notes, ...options });
  open.push(listener);
  return { ...notes, listener, where: { ...where, port: listener.port } };
}

/** Sends a burst from one socket and gives the replies that come. */
async function burst(where: Where, ids: readonly number[], wait = 2000): Promise<Uint8Array[]> {
  const socket = createSocket("udp4");
  const replies: Uint8Array[] = [];
  socket.on("message", (reply) => replies.push(new Uint8Array(reply)));
  for (const id of ids) socket.send(numbered(id), where.port, where.address);
  await until(() => replies.length >= ids.length, wait);
  socket.close();
  return replies;
}

const sorted = (replies: readonly Uint8Array[]): number[] => replies.map(idOf).sort((a, b) => a - b);

describe("UDP", () => {
  it("answers a burst, each query with the bytes of its own reply", async () => {
    const { where } = await start(makeEcho(1100));
    const replies = await burst(where, range(300));
    assert.deepEqual(sorted(replies), range(300));
    for (const reply of replies) assert.equal(formatHex(reply), formatHex(replyTo(numbered(idOf(reply)), 1100)));
  });

  it("says nothing where the responder says nothing, and goes on", async () => {
    const { where, logged } = await start(makeEcho());
    for (const bytes of [new Uint8Array(0), new Uint8Array(11), new Uint8Array(12).fill(0xff)]) {
      assert.equal(await askUdp(where, bytes, 30), undefined);
    }
    assert.equal(idOf((await askUdp(where, numbered(7))) ?? assert.fail()), 7);
    assert.deepEqual(logged, []);
  });

  it("tells who asks, the same asker by the same object", async () => {
    const askers: Asker[] = [];
    const echo = makeEcho();
    const { where } = await start((message, asker, now) => {
      askers.push(asker);
      return echo(message, asker, now);
    });
    await burst(where, [1, 2]);
    const socket = createSocket("udp4");
    await new Promise<void>((bound) => socket.bind(0, "127.0.0.9", bound));
    socket.send(numbered(3), where.port, where.address);
    await once(socket, "message");
    socket.close();
    assert.deepEqual(
      askers.map(({ transport, address, keepalive }) => [transport, [...address], keepalive]),
      [
        ["udp", [127, 0, 0, 1], undefined],
        ["udp", [127, 0, 0, 1], undefined],
        ["udp", [127, 0, 0, 9], undefined],
      ],
    );
    assert.equal(askers[0], askers[1]);
  });

  it("answers by IPv6, and calls IPv4 by its name on a socket for both", async () => {
    const askers: Asker[] = [];
    const echo = makeEcho();
    const respond: Respond = (message, asker, now) => {
      askers.push(asker);
      return echo(message, asker, now);
    };
    const six = await start(respond, {}, { address: "::1", family: 6, port: 0 });
    assert.equal(idOf((await askUdp(six.where, numbered(7))) ?? assert.fail()), 7);
    const both = await start(respond, {}, { address: "::", family: 6, port: 0 });
    const four = { ...LOOPBACK, port: both.where.port };
    assert.equal(idOf((await askUdp(four, numbered(8))) ?? assert.fail()), 8);
    assert.deepEqual(
      askers.map(({ address }) => address.length),
      [16, 4],
    );
  });

  it("gives a message that may be kept, and that slice copies", async () => {
    const kept: Uint8Array[] = [];
    const { where } = await start((message) => {
      assert.equal(Object.getPrototypeOf(message), Uint8Array.prototype);
      kept.push(message);
      return replyTo(message);
    });
    await burst(where, range(50));
    assert.deepEqual(sorted(kept), range(50));
    for (const message of kept) assert.equal(formatHex(message), formatHex(numbered(idOf(message))));
  });

  it("sends promised replies as they come, to whom they belong", async () => {
    const waiting = new Map<number, (reply: Uint8Array) => void>();
    const { where } = await start((message) => {
      const { promise, resolve } = makeDeferred<Uint8Array>();
      waiting.set(idOf(message), resolve);
      return promise;
    });
    const asking = range(3).map(async (id) => idOf((await askUdp(where, numbered(id))) ?? assert.fail()));
    await soon(() => waiting.size === 3);
    for (const id of [3, 1, 2]) waiting.get(id)?.(replyTo(numbered(id)));
    assert.deepEqual(await Promise.all(asking), [1, 2, 3]);
  });

  it("answers SERVFAIL for a responder that throws, or whose promise rejects, or whose reply is no message", async () => {
    for (const respond of [
      () => assert.fail("broken"),
      () => Promise.reject(new Error("broken")),
      () => new Uint8Array(65_536),
      () => Promise.resolve(new Uint8Array(65_536)),
    ]) {
      const { where, logged } = await start(respond);
      const reply = await askUdp(where, numbered(77));
      assert.equal(idOf(reply ?? assert.fail()), 77);
      assert.equal(rcodeOf(reply), 2);
      assert.equal(logged.length, 1);
      // What must not be answered is not answered so, either.
      assert.equal(await askUdp(where, replyTo(numbered(1)), 30), undefined);
    }
  });

  it("does not fill the log for who finds a query that fails", async () => {
    let now = NOW;
    const { where, logged } = await start(() => assert.fail("broken"), { now: () => now });
    assert.equal((await burst(where, range(50))).length, 50);
    assert.equal(logged.length, 10);
    now += 60;
    await burst(where, [1]);
    assert.equal(logged.length, 11);
    assert.match(logged[10] ?? "", /^a query could not be answered, nor 40 before it/);
    await burst(where, range(50));
    assert.equal(logged.length, 20);
    // A clock that is set back does not silence it.
    now -= 100_000;
    await burst(where, [1]);
    assert.equal(logged.length, 21);
  });

  it("survives a datagram from port 0, from no address or from no route", async () => {
    let asked = 0;
    const { listener, logged } = await start((message) => {
      asked++;
      return replyTo(message);
    });
    listener.handle(numbered(1), { address: "127.0.0.1", port: 0 });
    listener.handle(numbered(1), { address: "", port: 9 });
    listener.handle(numbered(1), { address: "localhost", port: 9 });
    assert.equal(asked, 0);
    listener.handle(numbered(1), { address: "127.0.0.1", port: 70_000 });
    assert.equal(logged.length, 1);
    assert.match(logged[0] ?? "", /^UDP reply: /);
    listener.handle(numbered(1), { address: "240.0.0.1", port: 9 });
    listener.handle(numbered(1), { address: "::1", port: 9 });
    await sleep(20);
    await listener.close(100);
    listener.handle(numbered(1), { address: "127.0.0.1", port: 9 });
    assert.equal(logged.length, 1);
  });

  it("keeps no more promised replies than it may", async () => {
    const { listener, where, counted } = await start(() => new Promise(() => {}));
    for (let i = 0; i < 4100; i++) listener.handle(numbered(i), { address: "127.0.0.1", port: 9 });
    assert.equal(counted("udp-dropped"), 4);
    assert.equal(await askUdp(where, numbered(1), 20), undefined);
    await soon(() => counted("udp-dropped") === 5);
  });

  it("cannot have a port that is taken, and frees its own", async () => {
    const { where, listener } = await start(makeEcho());
    await assert.rejects(start(makeEcho(), {}, where), { code: "EADDRINUSE" });
    await listener.close(0);
    await (await start(makeEcho(), {}, where)).listener.close(0);
    await assert.rejects(start(makeEcho(), {}, { ...LOOPBACK, address: "192.0.2.1" }), { code: "EADDRNOTAVAIL" });
    await assert.rejects(start(makeEcho(), {}, { ...LOOPBACK, address: "localhost" }));
  });
});

describe("a shared UDP port", () => {
  it("can be had by several listeners that ask for it, where Node can share one, and by no other", async () => {
    const first = await start(makeEcho(), {}, { ...LOOPBACK, reusePort: true });
    const shared = { ...first.where, reusePort: true };
    if (!hasReusePort) {
      await assert.rejects(start(makeEcho(), {}, shared), { code: "EADDRINUSE" });
      return;
    }
    const { worker } = await startWorker("udp", shared);
    let seconds = 0;
    const echo = makeEcho();
    await start(
      (message, asker, now) => {
        seconds++;
        return echo(message, asker, now);
      },
      {},
      shared,
    );
    await assert.rejects(start(makeEcho(), {}, { ...first.where, reusePort: false }), { code: "EADDRINUSE" });
    for (let i = 0; i < 300 && seconds === 0; i++) {
      assert.equal(idOf((await askUdp(first.where, numbered(i))) ?? assert.fail()), i);
    }
    assert.notEqual(seconds, 0);
    worker.postMessage("close");
    await once(worker, "exit");
  });
});

describe("closing UDP", () => {
  it("answers what has arrived", async () => {
    const { where, listener } = await start(makeEcho());
    const socket = createSocket("udp4");
    const replies: Uint8Array[] = [];
    socket.on("message", (reply) => replies.push(new Uint8Array(reply)));
    await Promise.all(
      range(100).map((id) => new Promise((sent) => socket.send(numbered(id), where.port, where.address, sent))),
    );
    await listener.close(1000);
    await until(() => replies.length === 100, 500);
    socket.close();
    assert.deepEqual(sorted(replies), range(100));
  });

  it("waits for promised replies, and for those that never come only so long", async () => {
    const { promise, resolve } = makeDeferred<Uint8Array>();
    const { where, listener } = await start(() => promise);
    const asking = askUdp(where, numbered(5));
    await sleep(20);
    const closing = listener.close(2000);
    assert.equal(listener.close(0), closing);
    await sleep(20);
    resolve(replyTo(numbered(5)));
    assert.equal(idOf((await asking) ?? assert.fail()), 5);
    await closing;

    const late = makeDeferred<Uint8Array>();
    const other = await start(() => late.promise);
    assert.equal(await askUdp(other.where, numbered(5), 20), undefined);
    const begun = performance.now();
    await other.listener.close(100);
    assertQuick(begun, 500);
    late.resolve(replyTo(numbered(5)));
    await sleep(10);
    assert.deepEqual(other.logged, []);
  });

  it("does not wait for askers that do not stop", async () => {
    const { where, listener } = await start(makeEcho());
    const socket = createSocket("udp4");
    socket.on("message", () => {});
    let asking = true;
    const ask = (): void => {
      if (asking) socket.send(numbered(1), where.port, where.address, () => setImmediate(ask));
    };
    ask();
    await sleep(20);
    const begun = performance.now();
    await listener.close(2000);
    assertQuick(begun, 1000);
    asking = false;
    socket.close();
  });
});

describe("UDP in a worker thread", () => {
  it("answers, and closes", async () => {
    const { worker, where } = await startWorker("udp", LOOPBACK);
    assert.deepEqual(sorted(await burst(where, range(100))), range(100));
    worker.postMessage("close");
    assert.deepEqual(await once(worker, "exit"), [0]);
  });

  it("sends the right bytes when the kernel takes them later, though the responder has one buffer", async () => {
    // With this option Node queues every reply, as it does when the socket's buffer is full.
    const { worker, where } = await startWorker("udp", LOOPBACK, ["--test-udp-no-try-send"]);
    const replies = await burst(where, range(200));
    assert.deepEqual(sorted(replies), range(200));
    for (const reply of replies) assert.equal(formatHex(reply), formatHex(replyTo(numbered(idOf(reply)))));
    worker.postMessage("close");
    assert.deepEqual(await once(worker, "exit"), [0]);
  });
});
