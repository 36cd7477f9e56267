import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Respond } from "../../src/dns/listener.ts";
import { TcpListener, type TcpOptions } from "../../src/dns/tcp.ts";
import { UdpListener } from "../../src/dns/udp.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { u16 } from "./packet.ts";
import {
  askTcp,
  askUdp,
  assertQuick,
  dial,
  ended,
  frame,
  frames,
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
  until,
  type Where,
} from "./sockets.ts";

const open: (TcpListener | UdpListener)[] = [];
after(() => Promise.all(open.map((listener) => listener.close(0))));

async function start(
  respond: Respond,
  options: Partial<TcpOptions> = {},
): Promise<ReturnType<typeof noting> & { where: Where; listener: TcpListener }> {
  const notes = noting(respond);
  const listener = await TcpListener.bind(LOOPBACK, { ...notes, ...options });
  open.push(listener);
  return { ...notes, listener, where: { ...LOOPBACK, port: listener.port } };
}

/** Bytes outside the heap of JavaScript: what sockets hold. */
const memory = (): number => process.memoryUsage().arrayBuffers;

async function collectGarbage(): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // Array buffers are freed some turns after their objects.
  for (let i = 0; i < 3; i++) {
    collect();
    await sleep(10);
  }
}

/** Connections of a local port that the kernel knows, as lines of text; without the listening socket. */
async function kernelConnections(port: number): Promise<string[]> {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = (await readFile("/proc/net/tcp", "utf8")).split("\n").map((line) => line.trim().split(/ +/));
  return rows.filter((row) => row[1] === local && row[3] !== "0A").map((row) => row.join(" "));
}

/** Connects so often, one after the other; without those that were reset at once. */
async function dialMany(where: Where, count: number, localAddress = "127.0.0.1"): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i++) {
    const socket = await dial(where, localAddress).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET") throw error;
    });
    if (socket !== undefined) sockets.push(socket);
  }
  return sockets;
}

describe("a slow asker", () => {
  it("holds no connection by a byte now and then, nor do fifty of them keep others from answers", async () => {
    const { where, listener, counted } = await start(makeEcho(), { idleTimeout: 250 });
    const sockets = await dialMany(where, 50);
    const bytes = concatBytes(u16(4000), numbered(1));
    let sent = 0;
    const begun = performance.now();
    while (listener.connectionCount > 0 && performance.now() - begun < 2000) {
      for (const socket of sockets) if (socket.writable) socket.write(bytes.subarray(sent, sent + 1));
      sent++;
      assert.equal(idOf((await askTcp(where, 5, "127.0.0.2")) ?? assert.fail()), 5);
      await sleep(20);
    }
    assertQuick(begun, 1800);
    assert.equal(counted("tcp-idle"), 50);
    for (const socket of sockets) socket.destroy();
  });

  it("holds no connection by frames that have no reply", async () => {
    const { where, listener } = await start(makeEcho(), { idleTimeout: 200 });
    const socket = await dial(where);
    await until(() => listener.connectionCount === 1);
    const begun = performance.now();
    while (listener.connectionCount > 0 && performance.now() - begun < 2000) {
      socket.write(concatBytes(u16(0), frame(new Uint8Array(3)), frame(replyTo(numbered(1)))));
      await sleep(20);
    }
    assertQuick(begun, 1500);
    socket.destroy();
  });

  it("has a whole query answered that came one byte at a time in time", async () => {
    const { where } = await start(makeEcho());
    const socket = await dial(where);
    const query = new Uint8Array(4096);
    query.set(numbered(7));
    const reading = frames(socket, 2);
    for (const byte of pipelined([6])) {
      socket.write(Uint8Array.of(byte));
      await sleep(0);
    }
    const long = frame(query);
    for (let at = 0; at < long.length; at++) {
      if (!socket.write(long.subarray(at, at + 1))) await once(socket, "drain");
    }
    assert.deepEqual(
      (await reading).map((reply) => [idOf(reply), reply.length]),
      [
        [6, numbered(6).length],
        [7, 4096],
      ],
    );
    socket.destroy();
  });
});

describe("an asker that does not read", () => {
  it("is not answered on, holds little memory, and is reset", async () => {
    let answered = 0;
    // One buffer: what the test itself leaves to the garbage collector would be counted.
    const reply = new Uint8Array(60_000);
    const { where, listener, counted } = await start(
      () => {
        answered++;
        return reply;
      },
      { idleTimeout: 5000, writeTimeout: 300 },
    );
    const before = memory();
    const sockets = await dialMany(where, 8);
    const flood = pipelined(range(2000));
    for (const socket of sockets) {
      socket.pause();
      socket.write(flood);
    }
    await sleep(200);
    const first = answered;
    // The kernel takes some megabytes of each connection.
    assert.ok(first < 8 * 300, `${first} replies for those who read none`);
    // The askers of this test hold what is not read of the flood: eight times the same buffer.
    assert.ok(memory() - before < 8e6, `${memory() - before} bytes`);
    await soon(() => listener.connectionCount === 0, 1500);
    assert.equal(counted("tcp-stalled"), 8);
    assert.ok(answered - first < 8 * 80, `${answered - first} more`);
    if (existsSync("/proc/net/tcp")) assert.deepEqual(await kernelConnections(where.port), [], "kept by the kernel");
    for (const socket of sockets) socket.destroy();
  });

  it("is answered on when it reads at last, with every reply in its place", async () => {
    const { where } = await start(makeEcho(30_000));
    const socket = await dial(where);
    socket.pause();
    socket.end(pipelined(range(400)));
    await sleep(100);
    assert.deepEqual((await frames(socket, 400)).map(idOf), range(400));
    await ended(socket);
    socket.destroy();
  });

  it("is kept as long as it reads slowly", async () => {
    const { where, counted } = await start(makeEcho(60_000), { writeTimeout: 400 });
    const socket = await dial(where);
    const begun = performance.now();
    socket.write(pipelined(range(200)));
    let got = 0;
    let pauses = 0;
    socket.on("data", (chunk) => {
      got += chunk.length;
      if (got < pauses * 400_000) return;
      pauses++;
      socket.pause();
      setTimeout(() => socket.resume(), 20);
    });
    await soon(() => got === 200 * 60_002, 6000);
    assert.equal(counted("tcp-stalled"), 0);
    assert.ok(performance.now() - begun > 400, "too quick to show anything");
    socket.destroy();
  });

  it("does not hold what was promised to it for ever", async () => {
    const { where, listener, counted } = await start(
      async (message) => {
        await sleep(1);
        return replyTo(message, 60_000);
      },
      { writeTimeout: 400 },
    );
    const before = memory();
    const socket = await dial(where);
    socket.pause();
    socket.write(pipelined(range(2000)));
    await soon(() => counted("tcp-closed") === 1, 4000);
    assert.equal(listener.connectionCount, 0);
    // 64 promised replies of 60,000 bytes may be there beside what may be unread; two thousand would be 120 MB.
    assert.ok(memory() - before < 30e6, `${memory() - before} bytes`);
    socket.destroy();
  });
});

describe("a hostile frame", () => {
  it("of 65,535 bytes ends the connection at once, after the replies before it", async () => {
    const { where, listener, counted } = await start(makeEcho());
    const socket = await dial(where);
    socket.write(concatBytes(pipelined([1, 2]), u16(65_535)));
    // Reading to the end is possible only if the server ends.
    assert.deepEqual((await frames(socket, 99)).map(idOf), [1, 2]);
    assert.equal(counted("tcp-ended"), 1);
    socket.end();
    await soon(() => listener.connectionCount === 0);
  });

  it("is one of 4,097 bytes, and not one of 4,096", async () => {
    const { where } = await start(makeEcho());
    const longest = new Uint8Array(4096);
    longest.set(numbered(3));
    const socket = await dial(where);
    socket.write(concatBytes(frame(longest), u16(4097), frame(numbered(4))));
    assert.deepEqual((await frames(socket, 99)).map(idOf), [3]);
    socket.destroy();
  });

  it("does not let the sender go on for ever, whether it reads or not", async () => {
    const { where, listener } = await start(makeEcho());
    for (const reads of [true, false]) {
      const socket = await dial(where);
      if (reads) socket.resume();
      const junk = new Uint8Array(64 * 1024).fill(0xff);
      let sent = 0;
      const begun = performance.now();
      while (socket.writable && performance.now() - begun < 1500) {
        sent += junk.length;
        socket.write(junk);
        await until(() => socket.destroyed || socket.writableLength === 0, 50);
      }
      assert.ok(performance.now() - begun < 1450, `${sent} bytes`);
      await soon(() => listener.connectionCount === 0);
      socket.destroy();
    }
  });

  it("does not outlive its sender's patience: the connection closes though the sender keeps it open", async () => {
    const { where, listener } = await start(makeEcho(), { idleTimeout: 400 });
    const socket = await dial(where);
    socket.write(u16(0xffff));
    await ended(socket);
    await soon(() => listener.connectionCount === 0, 2500);
    socket.destroy();
  });
});

describe("a flood of queries", () => {
  it("of 10,000 in one write is answered whole, in bounded memory", async () => {
    const { where, logged } = await start(makeEcho(200));
    const socket = await dial(where);
    const ids = range(10_000);
    const before = memory();
    socket.write(pipelined(ids));
    assert.deepEqual((await frames(socket, 10_000)).map(idOf), ids);
    assert.ok(memory() - before < 60e6, "memory");
    assert.deepEqual(logged, []);
    socket.destroy();
  });

  it("by many connections does not keep UDP or another connection waiting", async () => {
    let asked = 0;
    const respond: Respond = (message) => {
      asked++;
      return replyTo(message);
    };
    const { where } = await start(respond, { maxConnectionsPerAddress: 150 });
    const udp = await UdpListener.bind(LOOPBACK, noting(makeEcho()));
    open.push(udp);
    const greedy = await dialMany(where, 150);
    for (const socket of greedy) {
      socket.resume();
      socket.write(pipelined(range(300)));
    }
    await soon(() => asked > 1000);
    const before = asked;
    assert.equal(idOf((await askUdp({ ...LOOPBACK, port: udp.port }, numbered(7))) ?? assert.fail()), 7);
    const atUdp = asked - before;
    // One turn to receive it, one to send it, one to hear of it, of 128 queries each.
    assert.ok(atUdp < 700, `${atUdp} queries before one by UDP`);
    assert.equal(idOf((await askTcp(where, 8, "127.0.0.2")) ?? assert.fail()), 8);
    // Each of the others has four before it.
    const atTcp = asked - before - atUdp;
    assert.ok(atTcp < 2000, `${atTcp} queries before one by TCP`);
    assert.ok(asked < 40_000, "the flood was over");
    for (const socket of greedy) socket.destroy();
  });

  it("is not read on while the replies before are promised", async () => {
    let asked = 0;
    const { where } = await start(() => {
      asked++;
      return new Promise(() => {});
    });
    const socket = await dial(where);
    const chunk = pipelined(range(1000));
    const before = memory();
    for (let i = 0; i < 600; i++) socket.write(chunk);
    await soon(() => asked === 64);
    await sleep(100);
    assert.equal(asked, 64);
    // Of 30 MB the kernel has some, and the asker the rest.
    assert.ok(socket.writableLength > 10e6, `${socket.writableLength} bytes left`);
    assert.ok(memory() - before < 3e6, `${memory() - before} bytes`);
    socket.resetAndDestroy();
  });

  it("leaves no more of it in memory than the query that is not whole", async () => {
    const { where, listener } = await start((message) => (idOf(message) === 1 ? replyTo(message) : undefined));
    const sockets = await dialMany(where, 30);
    const bytes = concatBytes(pipelined([2]), ...range(900).map(() => frame(numbered(2))), pipelined([1]), u16(4000));
    await collectGarbage();
    const before = memory();
    const reading = sockets.map((socket) => frames(socket, 1));
    for (const socket of sockets) socket.write(bytes);
    await Promise.all(reading);
    assert.equal(listener.connectionCount, 30);
    await collectGarbage();
    assert.ok(memory() - before < 700_000, `${memory() - before} bytes`);
    for (const socket of sockets) socket.destroy();
  });

  it("ends with a reset in the middle of the answers", async () => {
    const { where, listener, logged } = await start(makeEcho(20_000));
    for (let i = 0; i < 30; i++) {
      const socket = await dial(where);
      socket.write(pipelined(range(100)));
      if (i % 3 > 0) await once(socket, "data");
      socket.resetAndDestroy();
    }
    await soon(() => listener.connectionCount === 0);
    assert.equal(idOf((await askTcp(where, 9)) ?? assert.fail()), 9);
    assert.deepEqual(logged, []);
  });

  it("ends with a reset while its replies are promised", async () => {
    const waiting: (() => void)[] = [];
    const { where, listener, logged, counted } = await start((message) => {
      const { promise, resolve } = makeDeferred<Uint8Array>();
      waiting.push(() => resolve(replyTo(message)));
      return promise;
    });
    for (let i = 1; i <= 10; i++) {
      const socket = await dial(where);
      socket.write(pipelined(range(10)));
      // What was reset before the server read it was never asked.
      await soon(() => waiting.length === 10 * i);
      socket.resetAndDestroy();
    }
    await soon(() => listener.connectionCount === 0);
    for (const settle of waiting) settle();
    await soon(() => counted("tcp-dropped") === 100);
    assert.deepEqual(logged, []);
  });

  it("is answered with SERVFAIL if each makes the responder fail, without a line in the log for each", async () => {
    const { where, logged } = await start((message) => {
      if (idOf(message) % 2 === 0) throw new Error("broken");
      return Promise.reject(new Error("broken"));
    });
    const socket = await dial(where);
    socket.write(pipelined(range(1000)));
    const replies = await frames(socket, 1000);
    assert.deepEqual(
      replies.map(idOf).sort((a, b) => a - b),
      range(1000),
    );
    assert.deepEqual([...new Set(replies.map(rcodeOf))], [2]);
    assert.equal(logged.length, 10);
    socket.destroy();
  });
});

describe("a flood of connections", () => {
  it("from one address is refused beyond its share, and others are served", async () => {
    const { where, listener, counted } = await start(makeEcho(), { maxConnections: 20, maxConnectionsPerAddress: 5 });
    const sockets = await dialMany(where, 60);
    await soon(() => counted("tcp-refused") === 55);
    assert.equal(listener.connectionCount, 5);
    assert.equal(idOf((await askTcp(where, 9, "127.0.0.2")) ?? assert.fail()), 9);
    assert.equal(counted("tcp-displaced"), 0);
    for (const socket of sockets) socket.destroy();
    await soon(() => listener.connectionCount === 0);
    // Its share is its own again.
    assert.equal(idOf((await askTcp(where, 9)) ?? assert.fail()), 9);
  });

  it("from many addresses loses its idle connections to a new asker's", async () => {
    const { where, listener, counted } = await start(makeEcho(), { maxConnections: 20, maxConnectionsPerAddress: 5 });
    const sockets: Socket[] = [];
    for (let host = 2; host < 6; host++) sockets.push(...(await dialMany(where, 5, `127.0.0.${host}`)));
    await soon(() => listener.connectionCount === 20);
    // One of them asks, and half of another's query is no reason to keep it.
    await sleep(120);
    sockets[0]?.write(frame(numbered(1)));
    await frames(sockets[0] ?? assert.fail(), 1);
    sockets[1]?.write(pipelined([1]).subarray(0, 20));
    await sleep(120);
    const closed = sockets.map((socket) => {
      let isClosed = false;
      socket.on("end", () => {
        isClosed = true;
      });
      socket.resume();
      return () => isClosed;
    });
    for (let id = 1; id <= 3; id++) {
      const asker = await dial(where, "127.0.0.9");
      asker.write(frame(numbered(id)));
      assert.deepEqual((await frames(asker, 1)).map(idOf), [id]);
      sockets.push(asker);
    }
    assert.equal(listener.connectionCount, 20);
    assert.equal(counted("tcp-displaced"), 3);
    await soon(() => closed.filter((isClosed) => isClosed()).length === 3);
    // The first has asked since: those after it have been idle longer.
    assert.deepEqual(
      closed.slice(0, 5).map((isClosed) => isClosed()),
      [false, true, true, true, false],
    );
    for (const socket of sockets) socket.destroy();
  });

  it("does not displace who has replies to read", async () => {
    const { where, listener, counted } = await start(makeEcho(60_000), { maxConnections: 1 });
    const reader = await dial(where);
    reader.pause();
    reader.write(pipelined(range(400)));
    await sleep(200);
    for (const socket of await dialMany(where, 2, "127.0.0.2")) socket.destroy();
    await soon(() => counted("tcp-refused") === 2);
    assert.deepEqual((await frames(reader, 400)).map(idOf), range(400));
    assert.equal(listener.connectionCount, 1);
    reader.destroy();
  });

  it("does not displace who waits for a reply, nor who has just come", async () => {
    const { where, listener, counted } = await start(() => new Promise(() => {}), { maxConnections: 3 });
    const busy = await dialMany(where, 3);
    for (const socket of busy) socket.write(frame(numbered(1)));
    await sleep(150);
    const refused = await dialMany(where, 1, "127.0.0.2");
    await soon(() => counted("tcp-refused") === 1);
    assert.equal(listener.connectionCount, 3);
    for (const socket of [...busy, ...refused]) socket.resetAndDestroy();
    await soon(() => listener.connectionCount === 0);
    const fresh = await dialMany(where, 4, "127.0.0.3");
    await soon(() => counted("tcp-refused") === 2);
    assert.equal(counted("tcp-displaced"), 0);
    for (const socket of fresh) socket.destroy();
  });

  it("that come and go leaves nothing behind", async () => {
    const { where, listener, counted } = await start(makeEcho(), { maxConnectionsPerAddress: 3 });
    for (let round = 0; round < 40; round++) {
      const sockets = (await Promise.all(range(6).map(() => dialMany(where, 1)))).flat();
      for (const [i, socket] of sockets.entries()) {
        if (i % 2 === 0) socket.destroy();
        else socket.resetAndDestroy();
      }
    }
    await soon(() => listener.connectionCount === 0);
    assert.equal(counted("tcp-opened"), counted("tcp-closed"));
    assert.equal(idOf((await askTcp(where, 9)) ?? assert.fail()), 9);
  });
});
