import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Asker } from "../../src/dns/asker.ts";
import type { ListenerEvent, Respond } from "../../src/dns/listener.ts";
import { TcpListener, type TcpOptions } from "../../src/dns/tcp.ts";
import { concatBytes, formatHex } from "../../src/vindex/bytes.ts";
import {
  askTcp,
  assertQuick,
  dial,
  ended,
  frame,
  frames,
  hasReusePort,
  idOf,
  LOOPBACK,
  makeDeferred,
  makeEcho,
  noting,
  numbered,
  pipelined,
  range,
  rcodeOf,
  replyTo,
  soon,
  startWorker,
  until,
  type Where,
} from "./sockets.ts";

const open: TcpListener[] = [];
after(() => Promise.all(open.map((listener) => listener.close(0))));

async function start(
  respond: Respond,
  options: Partial<TcpOptions> = {},
  where: Where = LOOPBACK,
): Promise<ReturnType<typeof noting> & { where: Where; listener: TcpListener }> {
  const notes = noting(respond);
  const listener = await TcpListener.bind(where, { ...notes, ...options });
  open.push(listener);
  return { ...notes, listener, where: { address: where.address, family: where.family, port: listener.port } };
}

/** A responder whose replies the test makes, and what it was asked. */
function makeSlow(): {
  respond: Respond;
  settle: (id: number) => void;
  waiting: Map<number, () => void>;
  peak: () => number;
} {
  const waiting = new Map<number, () => void>();
  let peak = 0;
  const respond: Respond = (message) => {
    const { promise, resolve } = makeDeferred<Uint8Array>();
    const id = idOf(message);
    waiting.set(id, () => resolve(replyTo(message)));
    peak = Math.max(peak, waiting.size);
    return promise;
  };
  const settle = (id: number): void => {
    waiting.get(id)?.();
    waiting.delete(id);
  };
  return { respond, settle, waiting, peak: () => peak };
}

describe("TCP", () => {
  it("answers pipelined queries in one segment, each with the bytes of its own reply", async () => {
    const { where } = await start(makeEcho(300));
    const socket = await dial(where);
    socket.write(pipelined(range(500)));
    const replies = await frames(socket, 500);
    assert.deepEqual(replies.map(idOf), range(500));
    for (const reply of replies) assert.equal(formatHex(reply), formatHex(replyTo(numbered(idOf(reply)), 300)));
    socket.destroy();
  });

  it("answers queries that come in pieces, cut anywhere", async () => {
    const { where } = await start(makeEcho());
    const bytes = pipelined(range(4));
    const socket = await dial(where);
    const reading = frames(socket, 4 * 20);
    for (let cut = 1; cut <= 20; cut++) {
      for (let at = 0; at < bytes.length; at += cut * 7) {
        socket.write(bytes.subarray(at, at + cut * 7));
        await sleep(0);
      }
    }
    assert.deepEqual(
      (await reading).map(idOf),
      Array.from({ length: 80 }, (_, i) => (i % 4) + 1),
    );
    socket.destroy();
  });

  it("gives messages that may be kept, and that slice copies", async () => {
    const kept: Uint8Array[] = [];
    const { where } = await start((message) => {
      assert.equal(Object.getPrototypeOf(message), Uint8Array.prototype);
      kept.push(message);
      return replyTo(message);
    });
    const socket = await dial(where);
    const bytes = pipelined(range(50));
    const reading = frames(socket, 50);
    for (let at = 0; at < bytes.length; at += 211) {
      socket.write(bytes.subarray(at, at + 211));
      await sleep(0);
    }
    assert.equal((await reading).length, 50);
    for (const [i, message] of kept.entries()) assert.equal(formatHex(message), formatHex(numbered(i + 1)));
    socket.destroy();
  });

  it("sends length and message together, and many replies in few segments", async () => {
    const { where } = await start(makeEcho(1000));
    const socket = await dial(where);
    socket.write(frame(numbered(1)));
    const [chunk] = (await once(socket, "data")) as [Buffer];
    assert.equal(chunk.length, 2 + chunk.readUInt16BE(0));
    const chunks: number[] = [];
    let got = 0;
    socket.on("data", (more) => {
      chunks.push(more.length);
      got += more.length;
    });
    socket.write(pipelined(range(32)));
    await soon(() => got === 32 * 1002);
    assert.ok(chunks.length <= 4, `${chunks.length} segments`);
    socket.destroy();
  });

  it("sends replies of every length", async () => {
    let length = 0;
    const { where, logged } = await start((message) => replyTo(message, length));
    const socket = await dial(where);
    for (length of [12, 255, 256, 16_384, 65_534, 65_535]) {
      socket.write(frame(numbered(5)));
      const [reply] = await frames(socket, 1);
      assert.equal(reply?.length, length);
    }
    length = 65_536;
    socket.write(frame(numbered(6)));
    assert.equal(rcodeOf((await frames(socket, 1))[0]), 2);
    assert.equal(logged.length, 1);
    socket.destroy();
  });

  it("says nothing where the responder says nothing, and goes on", async () => {
    const { where } = await start(makeEcho());
    const socket = await dial(where);
    const junk = [new Uint8Array(0), new Uint8Array(11), replyTo(numbered(1))].map(frame);
    socket.write(concatBytes(...junk, frame(numbered(2)), ...junk, frame(numbered(3))));
    assert.deepEqual((await frames(socket, 2)).map(idOf), [2, 3]);
    socket.destroy();
  });

  it("tells who asks, and how long the connection may be idle", async () => {
    const askers: Asker[] = [];
    const respond: Respond = (message, asker) => {
      askers.push({ ...asker });
      return replyTo(message);
    };
    const { where, listener } = await start(respond, { idleTimeout: 12_340, maxConnections: 4 });
    await askTcp(where, 1, "127.0.0.9");
    await soon(() => listener.connectionCount === 0);
    const holders = await Promise.all([dial(where), dial(where), dial(where)]);
    await askTcp(where, 2);
    for (const holder of holders) holder.destroy();
    const six = await start(respond, {}, { address: "::1", family: 6, port: 0 });
    await askTcp(six.where, 3);
    assert.deepEqual(
      askers.map(({ transport, address, keepalive }) => [transport, address.length, address[3], keepalive]),
      [
        ["tcp", 4, 9, 123],
        // All connections are in use: a second is left.
        ["tcp", 4, 1, 10],
        ["tcp", 16, 0, 100],
      ],
    );
    assert.deepEqual([...(askers[0]?.address ?? [])], [127, 0, 0, 9]);
  });

  it("shortens the idle time as more than half of the connections are in use", async () => {
    const { where, listener } = await start(makeEcho(), { maxConnections: 8 });
    const times: number[] = [];
    const sockets: Socket[] = [];
    for (let i = 1; i <= 8; i++) {
      sockets.push(await dial(where));
      await soon(() => listener.connectionCount === i);
      times.push(listener.idleTimeout);
    }
    assert.deepEqual(times, [10_000, 10_000, 10_000, 10_000, 7750, 5500, 3250, 1000]);
    for (const socket of sockets) socket.destroy();
    await soon(() => listener.idleTimeout === 10_000);
  });

  it("closes a connection when its asker does, and counts", async () => {
    const { where, listener, events } = await start(makeEcho());
    await askTcp(where, 1);
    await soon(() => listener.connectionCount === 0);
    const socket = await dial(where);
    await soon(() => listener.connectionCount === 1);
    socket.end();
    await ended(socket);
    await soon(() => listener.connectionCount === 0);
    assert.deepEqual(events, ["tcp-opened", "tcp-closed", "tcp-opened", "tcp-closed"]);
  });

  it("keeps a connection that goes on asking, and closes one that does not", async () => {
    const { where, listener, counted } = await start(makeEcho(), { idleTimeout: 500 });
    const socket = await dial(where);
    for (let id = 1; id <= 6; id++) {
      socket.write(frame(numbered(id)));
      assert.deepEqual((await frames(socket, 1)).map(idOf), [id]);
      await sleep(120);
    }
    assert.equal(listener.connectionCount, 1);
    const begun = performance.now();
    await ended(socket);
    assertQuick(begun, 1200);
    assert.equal(counted("tcp-idle"), 1);
  });

  it("does not close a connection whose query came while this process was held up", async () => {
    const { where, listener, counted } = await start(makeEcho(), { idleTimeout: 160 });
    const socket = await dial(where);
    await soon(() => listener.connectionCount === 1);
    socket.write(frame(numbered(1)));
    for (const end = performance.now() + 300; performance.now() < end; );
    assert.deepEqual((await frames(socket, 1)).map(idOf), [1]);
    assert.equal(counted("tcp-idle"), 0);
    await ended(socket);
  });

  it("takes no more of an asker than it may, and says so with the last", async () => {
    const keepalives: (number | undefined)[] = [];
    const { where, counted } = await start(
      (message, asker) => {
        keepalives.push(asker.keepalive);
        return replyTo(message);
      },
      { maxQueriesPerConnection: 3 },
    );
    const socket = await dial(where);
    socket.write(pipelined(range(10)));
    // Reading to the end is possible only if the server ends.
    assert.deepEqual((await frames(socket, 99)).map(idOf), [1, 2, 3]);
    assert.deepEqual(keepalives, [100, 100, 0]);
    assert.equal(counted("tcp-ended"), 1);
    socket.destroy();
    const exact = await dial(where);
    exact.write(pipelined(range(3)));
    assert.deepEqual((await frames(exact, 99)).map(idOf), [1, 2, 3]);
    exact.destroy();
  });

  it("cannot have a port that is taken, and frees its own", async () => {
    const { where, listener } = await start(makeEcho());
    await assert.rejects(start(makeEcho(), {}, where), { code: "EADDRINUSE" });
    await listener.close(0);
    await (await start(makeEcho(), {}, where)).listener.close(0);
    await assert.rejects(start(makeEcho(), {}, { ...LOOPBACK, address: "192.0.2.1" }), { code: "EADDRNOTAVAIL" });
  });

  it("works in a worker thread", async () => {
    const { worker, where } = await startWorker("tcp", LOOPBACK);
    assert.equal(idOf((await askTcp(where, 7)) ?? assert.fail()), 7);
    worker.postMessage("close");
    assert.deepEqual(await once(worker, "exit"), [0]);
  });
});

describe("promised replies", () => {
  it("leave as they come, in any order, and do not keep others waiting", async () => {
    const { respond, settle, waiting } = makeSlow();
    const { where } = await start((message, asker, now) =>
      idOf(message) > 100 ? replyTo(message) : respond(message, asker, now),
    );
    const socket = await dial(where);
    socket.write(pipelined([1, 2, 101, 3]));
    assert.deepEqual((await frames(socket, 1)).map(idOf), [101]);
    for (const id of [3, 2, 1]) {
      settle(id);
      assert.deepEqual((await frames(socket, 1)).map(idOf), [id]);
    }
    assert.equal(waiting.size, 0);
    socket.destroy();
  });

  it("are at most so many of one connection; the next queries wait, and others are answered meanwhile", async () => {
    const { respond, settle, waiting, peak } = makeSlow();
    const { where } = await start(respond, { maxPromisedPerConnection: 8 });
    const socket = await dial(where);
    const reading = frames(socket, 500);
    socket.write(pipelined(range(500)));
    await soon(() => waiting.size === 8);
    await sleep(30);
    assert.equal(waiting.size, 8);
    const other = await dial(where);
    const otherReading = frames(other, 1);
    other.write(frame(numbered(1000)));
    await soon(() => waiting.has(1000));
    settle(1000);
    assert.deepEqual((await otherReading).map(idOf), [1000]);
    for (let done = 0; done < 500; done++) {
      await soon(() => waiting.size > 0);
      settle([...waiting.keys()].at(-1) ?? assert.fail());
    }
    assert.deepEqual(
      (await reading).map(idOf).sort((a, b) => a - b),
      range(500),
    );
    assert.equal(peak(), 9);
    for (const s of [socket, other]) s.destroy();
  });

  it("become SERVFAIL if they reject, and nothing if they are nothing", async () => {
    const { where, logged } = await start((message) =>
      idOf(message) === 1 ? Promise.reject(new Error("broken")) : Promise.resolve(undefined),
    );
    const socket = await dial(where);
    socket.end(pipelined([1, 2]));
    const replies = await frames(socket, 99);
    assert.deepEqual(replies.map(idOf), [1]);
    assert.equal(rcodeOf(replies[0]), 2);
    assert.equal(logged.length, 1);
    socket.destroy();
  });

  it("arrive after the asker closed its side", async () => {
    const { respond, settle, waiting } = makeSlow();
    const { where } = await start(respond);
    const socket = await dial(where);
    socket.end(concatBytes(pipelined([1, 2]), Uint8Array.of(0)));
    await soon(() => waiting.size === 2);
    await sleep(20);
    settle(2);
    settle(1);
    assert.deepEqual((await frames(socket, 99)).map(idOf), [2, 1]);
    socket.destroy();
  });

  it("keep a connection open for the write timeout, and no longer", async () => {
    const slow = makeSlow();
    const patient = await start(slow.respond, { idleTimeout: 300, writeTimeout: 10_000 });
    const waiter = await dial(patient.where);
    waiter.write(frame(numbered(1)));
    await soon(() => slow.waiting.has(1));
    await sleep(500);
    slow.settle(1);
    assert.deepEqual((await frames(waiter, 1)).map(idOf), [1]);
    waiter.destroy();

    const never = makeSlow();
    const { where, counted } = await start(never.respond, { idleTimeout: 10_000, writeTimeout: 300 });
    const socket = await dial(where);
    socket.write(frame(numbered(2)));
    await soon(() => never.waiting.has(2));
    await ended(socket);
    never.settle(2);
    await soon(() => counted("tcp-dropped") === 1);
  });
});

describe("closing TCP", () => {
  it("answers the queries that have arrived, and says that it closes", async () => {
    const keepalives = new Set<number | undefined>();
    const { where, listener } = await start((message, asker) => {
      keepalives.add(asker.keepalive);
      return replyTo(message, 2000);
    });
    const socket = await dial(where);
    await until(() => listener.connectionCount === 1);
    const reading = frames(socket, 999);
    await new Promise((written) => socket.write(pipelined(range(300)), written));
    const closing = listener.close(2000);
    assert.equal(listener.close(0), closing);
    assert.deepEqual((await reading).map(idOf), range(300));
    socket.end();
    await closing;
    assert.equal(keepalives.has(0), true);
    await assert.rejects(dial(where));
  });

  it("waits for promised replies, and for those that never come only so long", async () => {
    const { respond, settle, waiting } = makeSlow();
    const { where, listener } = await start(respond);
    const socket = await dial(where);
    socket.write(pipelined([1, 2]));
    await soon(() => waiting.size === 2);
    const closing = listener.close(2000);
    await sleep(30);
    settle(2);
    settle(1);
    assert.deepEqual((await frames(socket, 99)).map(idOf), [2, 1]);
    socket.end();
    const begun = performance.now();
    await closing;
    assertQuick(begun, 500);

    const never = await start(() => new Promise(() => {}));
    const other = await dial(never.where);
    other.write(frame(numbered(1)));
    await sleep(20);
    const then = performance.now();
    await never.listener.close(150);
    assertQuick(then, 600);
    other.destroy();
  });

  it("does not wait for idle askers, nor long for those that do not close", async () => {
    const { where, listener } = await start(makeEcho());
    const idle = await dial(where);
    idle.resume();
    await until(() => listener.connectionCount === 1);
    const begun = performance.now();
    await listener.close(2000);
    assertQuick(begun, 300);
    idle.destroy();

    const second = await start(makeEcho());
    const lingering = await dial(second.where);
    lingering.write(frame(numbered(1)));
    await frames(lingering, 1);
    lingering.resume();
    const then = performance.now();
    await second.listener.close(5000);
    assertQuick(then, 2000);
    lingering.destroy();
  });

  it("is not held up by who does not read", async () => {
    const { where, listener } = await start(makeEcho(60_000));
    const stuck = await dial(where);
    stuck.pause();
    stuck.write(pipelined(range(500)));
    await sleep(50);
    const begun = performance.now();
    await listener.close(200);
    assertQuick(begun, 700);
    stuck.destroy();
  });

  it("leaves nothing that keeps the process alive", async () => {
    const { where, listener } = await start(makeEcho());
    const before = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    await askTcp(where, 1);
    await listener.close(2000);
    const after = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    assert.ok(after <= before, `${after} timers, ${before} before`);
  });
});

describe("a shared port", () => {
  it("can be had by several listeners that ask for it, where Node can share one, and by no other", async () => {
    const where = { ...LOOPBACK, reusePort: true };
    const first = await start(makeEcho(), {}, where);
    const shared = { ...first.where, reusePort: true };
    if (!hasReusePort) {
      await assert.rejects(start(makeEcho(), {}, shared), { code: "EADDRINUSE" });
      return;
    }
    const { worker } = await startWorker("tcp", shared);
    const second = await start(makeEcho(), {}, shared);
    await assert.rejects(start(makeEcho(), {}, first.where), { code: "EADDRINUSE" });
    const events = (of: { events: readonly ListenerEvent[] }): number => of.events.length;
    for (let i = 0; i < 300 && (events(first) === 0 || events(second) === 0); i++) {
      assert.equal(idOf((await askTcp(first.where, i)) ?? assert.fail()), i);
    }
    assert.notEqual(events(first), 0);
    assert.notEqual(events(second), 0);
    worker.postMessage("close");
    await once(worker, "exit");
  });
});
