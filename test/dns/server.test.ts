import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DnsServer, type DnsServerOptions, type ListenAddress, respond } from "../../src/dns/index.ts";
import { addressGroup } from "../../src/dns/tcp.ts";
import { UdpListener } from "../../src/dns/udp.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { makeData, makeTestZone, NOW } from "./fake-zone.ts";
import { decode, message, query, summarize, u16 } from "./packet.ts";

const zone = makeTestZone();
const data = makeData();
const Z = "l.example.org";
const open: DnsServer[] = [];
after(() => Promise.all(open.map((server) => server.close())));

async function start(
  options: Partial<DnsServerOptions> = {},
): Promise<ListenAddress & { server: DnsServer; logged: string[] }> {
  const logged: string[] = [];
  const server = new DnsServer({
    respond: (bytes, transport) => respond(bytes, transport, zone, data, NOW),
    port: 0,
    log: (what, error) => logged.push(`${what}: ${error}`),
    closeTimeout: 300,
    ...options,
  });
  open.push(server);
  return { ...(await server.listen()), server, logged };
}

const frame = (bytes: Uint8Array): Uint8Array => concatBytes(u16(bytes.length), bytes);
const numbered = (id: number, name = `go4.org.p1.${Z}`): Uint8Array => {
  const bytes = query(name);
  bytes.set(u16(id));
  return bytes;
};
const idOf = (bytes: Uint8Array): number => (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0);

async function dial(where: ListenAddress): Promise<Socket> {
  const socket = connect({ host: where.address, port: where.port, noDelay: true, allowHalfOpen: true });
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** Reads frames until there are `count` of them, or the end. */
async function frames(socket: Socket, count: number): Promise<Uint8Array[]> {
  const out: Uint8Array[] = [];
  let input: Uint8Array = new Uint8Array(0);
  if (count === 0) return out;
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    input = concatBytes(input, chunk as Uint8Array);
    while (input.length >= 2 && input.length >= 2 + idOf(input)) {
      const end = 2 + idOf(input);
      out.push(input.slice(2, end));
      input = input.slice(end);
    }
    if (out.length >= count) break;
  }
  return out;
}

async function askUdp(where: ListenAddress, bytes: Uint8Array, wait = 2000): Promise<Uint8Array | undefined> {
  const socket = createSocket(where.family === 6 ? "udp6" : "udp4");
  try {
    socket.send(bytes, where.port, where.address);
    const got = await Promise.race([once(socket, "message"), sleep(wait, undefined)]);
    return got === undefined ? undefined : new Uint8Array(got[0] as Buffer);
  } finally {
    socket.close();
  }
}

describe("listening", () => {
  it("gives one port for UDP and TCP", async () => {
    const where = await start();
    assert.ok(where.port > 0);
    assert.equal(summarize(await askUdp(where, numbered(7))), "NOERROR AA +opt an1");
    const socket = await dial(where);
    socket.write(frame(numbered(8)));
    const [reply] = await frames(socket, 1);
    assert.equal(summarize(reply), "NOERROR AA +opt an1");
    socket.destroy();
  });

  it("works on IPv6, with brackets or without", async () => {
    for (const host of ["[::1]", "::1"]) {
      const where = await start({ host });
      assert.equal(where.address, "::1");
      assert.equal(where.family, 6);
      assert.equal(summarize(await askUdp(where, numbered(7))), "NOERROR AA +opt an1");
      const socket = await dial(where);
      socket.write(frame(numbered(8)));
      assert.equal((await frames(socket, 1)).length, 1);
      socket.destroy();
    }
  });

  it("fails if the port is taken by either, and leaves nothing bound", async () => {
    const udp = createSocket("udp4");
    await new Promise<void>((resolve) => udp.bind(0, "127.0.0.1", resolve));
    const port = udp.address().port;
    await assert.rejects(start({ port }), { code: "EADDRINUSE" });
    // TCP, which was free, is free again.
    const tcp = createServer().listen(port, "127.0.0.1");
    await once(tcp, "listening");
    udp.close();
    await assert.rejects(start({ port }), { code: "EADDRINUSE" });
    tcp.close();
    await once(tcp, "close");
    assert.equal((await start({ port })).port, port);
  });

  it("fails for an address that is not this host's, and for none", async () => {
    await assert.rejects(start({ host: "" }), TypeError);
    await assert.rejects(start({ host: "[]" }), TypeError);
    await assert.rejects(start({ host: "192.0.2.1" }), { code: "EADDRNOTAVAIL" });
  });

  it("is asked for once, and not after the end", async () => {
    const { server } = await start();
    assert.throws(() => server.listen(), TypeError);
    const closed = new DnsServer({ respond: () => undefined, port: 0, log: () => {} });
    await closed.close();
    await assert.rejects(closed.listen(), TypeError);
  });

  it("ends with close, which may be called twice", async () => {
    const where = await start();
    await Promise.all([where.server.close(), where.server.close()]);
    assert.equal(await askUdp(where, numbered(7), 100), undefined);
    await assert.rejects(dial(where));
    const again = await start({ port: where.port });
    assert.equal(again.port, where.port);
  });
});

describe("a failing responder", () => {
  const failing = { respond: () => assert.fail("broken") };

  it("is logged, and answered with SERVFAIL by UDP and TCP", async () => {
    const where = await start(failing);
    const reply = await askUdp(where, numbered(77));
    assert.ok(reply);
    assert.equal(summarize(reply), "SERVFAIL +opt");
    assert.equal(idOf(reply), 77);
    const socket = await dial(where);
    socket.write(frame(numbered(78)));
    assert.equal(summarize((await frames(socket, 1))[0]), "SERVFAIL +opt");
    socket.destroy();
    assert.equal(where.logged.length, 2);
    assert.match(where.logged[0] ?? "", /broken/);
  });

  it("does not answer what must not be answered", async () => {
    const where = await start(failing);
    assert.equal(await askUdp(where, message({ flags: 0x8000 }), 100), undefined);
  });
});

describe("UDP", () => {
  it("answers nothing to what is no query, and goes on", async () => {
    const where = await start();
    for (const bytes of [new Uint8Array(0), new Uint8Array(11), new Uint8Array(12).fill(0xff)]) {
      assert.equal(await askUdp(where, bytes, 50), undefined);
    }
    assert.equal(summarize(await askUdp(where, new Uint8Array(12))), "FORMERR");
    assert.equal(summarize(await askUdp(where, numbered(7))), "NOERROR AA +opt an1");
    assert.deepEqual(where.logged, []);
  });

  it("truncates", async () => {
    const where = await start();
    assert.equal(summarize(await askUdp(where, query(`mod.x._.golang.org._versions.p1.${Z}`))), "NOERROR AA TC +opt");
  });

  it("survives a datagram from port 0 or from no address", async () => {
    const logged: string[] = [];
    let asked = 0;
    const listener = await UdpListener.bind(
      { address: "127.0.0.1", family: 4, port: 0 },
      () => {
        asked++;
        return new Uint8Array(12);
      },
      (what) => logged.push(what),
      () => NOW,
    );
    listener.handle(new Uint8Array(12), { address: "127.0.0.1", port: 0 });
    assert.equal(asked, 0);
    listener.handle(new Uint8Array(12), { address: "127.0.0.1", port: 70_000 });
    assert.deepEqual(logged, ["UDP reply"]);
    listener.handle(new Uint8Array(12), { address: "240.0.0.1", port: 9 });
    await sleep(20);
    await listener.close(100);
    listener.handle(new Uint8Array(12), { address: "127.0.0.1", port: 9 });
  });

  it("answers a burst", async () => {
    const where = await start();
    const socket = createSocket("udp4");
    const seen = new Set<number>();
    socket.on("message", (reply) => seen.add(idOf(reply)));
    for (let id = 0; id < 200; id++) socket.send(numbered(id, Z), where.port, where.address);
    for (let i = 0; i < 100 && seen.size < 200; i++) await sleep(20);
    socket.close();
    assert.equal(seen.size, 200);
  });
});

describe("TCP", () => {
  it("answers pipelined queries, whether they come in one segment or byte by byte", async () => {
    const where = await start();
    const ids = Array.from({ length: 100 }, (_, i) => i + 1);
    const merged = concatBytes(...ids.map((id) => frame(numbered(id, id % 2 === 0 ? Z : `_versions.p1.${Z}`))));
    const socket = await dial(where);
    socket.write(merged);
    assert.deepEqual(
      (await frames(socket, 100)).map(idOf).sort((a, b) => a - b),
      ids,
    );
    const three = concatBytes(...[1, 2, 3].map((id) => frame(numbered(id))));
    const reading = frames(socket, 3);
    for (const byte of three) {
      socket.write(Uint8Array.of(byte));
      await sleep(0);
    }
    assert.deepEqual((await reading).map(idOf), [1, 2, 3]);
    socket.destroy();
  });

  it("answers what was asked before the asker closed its side, then closes", async () => {
    const where = await start();
    const socket = await dial(where);
    socket.end(concatBytes(...[1, 2, 3].map((id) => frame(numbered(id))), Uint8Array.of(0)));
    // Reading to the end is possible only if the server ends, too.
    assert.deepEqual((await frames(socket, 99)).map(idOf), [1, 2, 3]);
    socket.destroy();
  });

  it("answers what was asked before a frame that is too long, then closes", async () => {
    const where = await start();
    const socket = await dial(where);
    socket.write(concatBytes(frame(numbered(1)), u16(4097), new Uint8Array(100)));
    assert.deepEqual((await frames(socket, 99)).map(idOf), [1]);
    socket.destroy();
    const other = await dial(where);
    other.write(concatBytes(u16(0), frame(new Uint8Array(4096)), frame(numbered(2))));
    assert.deepEqual(
      (await frames(other, 2)).map((r) => summarize(r)),
      ["FORMERR", "NOERROR AA +opt an1"],
    );
    other.destroy();
  });

  it("closes a connection that says nothing, or a byte now and then", async () => {
    const where = await start({ idleTimeout: 150 });
    const silent = await dial(where);
    const slow = await dial(where);
    const begun = performance.now();
    while (where.server.connectionCount > 0 && performance.now() - begun < 1500) {
      // Two of these bytes are a frame of no query, too.
      slow.write(Uint8Array.of(0));
      await sleep(40);
    }
    assert.ok(performance.now() - begun < 1000);
    silent.destroy();
    slow.destroy();
  });

  it("keeps a connection that goes on asking", async () => {
    const where = await start({ idleTimeout: 200 });
    const socket = await dial(where);
    for (let id = 1; id <= 5; id++) {
      socket.write(frame(numbered(id)));
      assert.deepEqual((await frames(socket, 1)).map(idOf), [id]);
      await sleep(100);
    }
    socket.destroy();
  });

  it("stops answering an asker that does not read, keeps little for it, and then closes", async () => {
    let answered = 0;
    const reply = new Uint8Array(60_000);
    const where = await start({
      idleTimeout: 400,
      respond: () => {
        answered++;
        return reply;
      },
    });
    const socket = await dial(where);
    socket.pause();
    const flood = concatBytes(...Array.from({ length: 3000 }, (_, id) => frame(numbered(id, Z))));
    const before = process.memoryUsage().arrayBuffers;
    socket.write(flood);
    await sleep(200);
    const first = answered;
    assert.ok(first < 300, `${first} replies for one who reads none`);
    assert.ok(process.memoryUsage().arrayBuffers - before < 50e6);
    await sleep(600);
    assert.equal(where.server.connectionCount, 0);
    assert.ok(answered - first < 10);
    socket.destroy();
  });

  it("goes on where it stopped when the asker reads at last", async () => {
    const where = await start({ respond: (bytes) => concatBytes(bytes.subarray(0, 2), new Uint8Array(30_000)) });
    const socket = await dial(where);
    const ids = Array.from({ length: 400 }, (_, i) => i + 1);
    socket.pause();
    socket.end(concatBytes(...ids.map((id) => frame(numbered(id, Z)))));
    await sleep(100);
    assert.deepEqual((await frames(socket, 400)).map(idOf), ids);
    socket.destroy();
  });

  it("does not let one connection keep others waiting", async () => {
    const where = await start({
      respond: (bytes, transport) => {
        const end = performance.now() + (transport === "tcp" ? 1 : 0);
        while (performance.now() < end);
        return respond(bytes, transport, zone, data, NOW);
      },
    });
    const greedy = await dial(where);
    greedy.resume();
    // One read brings a thousand of them.
    greedy.write(concatBytes(...Array.from({ length: 3000 }, (_, id) => frame(numbered(id, Z)))));
    await sleep(50);
    const begun = performance.now();
    assert.ok(await askUdp(where, numbered(7)));
    assert.ok(performance.now() - begun < 500);
    greedy.destroy();
  });

  it("counts connections by IPv4 address, and by the /64 of an IPv6 address", () => {
    assert.equal(addressGroup("192.0.2.1"), "192.0.2.1");
    assert.equal(addressGroup("::ffff:192.0.2.1"), "192.0.2.1");
    assert.equal(addressGroup("2001:db8::1"), addressGroup("2001:db8::ffff:0:0:2"));
    assert.notEqual(addressGroup("2001:db8::1"), addressGroup("2001:db8:0:1::1"));
    assert.equal(addressGroup("fe80::1%eth0"), addressGroup("fe80::2%eth1"));
    assert.equal(addressGroup(""), "");
  });

  it("takes no more connections than it may, in all and of one address", async () => {
    for (const limits of [{ maxConnections: 3 }, { maxConnectionsPerAddress: 3 }]) {
      const where = await start(limits);
      const sockets = await Promise.all([1, 2, 3, 4, 5].map(() => dial(where)));
      // A busy machine accepts late.
      for (let i = 0; i < 200 && where.server.connectionCount < 3; i++) await sleep(10);
      await sleep(50);
      assert.equal(where.server.connectionCount, 3);
      sockets[0]?.destroy();
      for (let i = 0; i < 50 && where.server.connectionCount > 2; i++) await sleep(10);
      const next = await dial(where);
      next.write(frame(numbered(9)));
      assert.equal((await frames(next, 1)).length, 1);
      for (const socket of [...sockets, next]) socket.destroy();
    }
  });

  it("survives resets", async () => {
    const where = await start();
    for (let i = 0; i < 20; i++) {
      const socket = await dial(where);
      socket.write(frame(numbered(i, `mod.x._.golang.org._versions.p1.${Z}`)));
      socket.resetAndDestroy();
    }
    assert.equal(summarize(await askUdp(where, numbered(7))), "NOERROR AA +opt an1");
    assert.deepEqual(where.logged, []);
  });

  it("sends length and message together", async () => {
    const where = await start();
    const socket = await dial(where);
    socket.write(frame(numbered(1)));
    const [chunk] = (await once(socket, "data")) as [Buffer];
    assert.equal(chunk.length, 2 + chunk.readUInt16BE(0));
    assert.equal(decode(new Uint8Array(chunk.subarray(2))).answers.length, 1);
    socket.destroy();
  });
});

describe("closing", () => {
  it("does not wait for idle askers, and for stuck ones only so long", async () => {
    const where = await start({ respond: () => new Uint8Array(60_000), closeTimeout: 300 });
    const idle = await dial(where);
    idle.resume();
    const begun = performance.now();
    await where.server.close();
    assert.ok(performance.now() - begun < 250);
    idle.destroy();

    const other = await start({ respond: () => new Uint8Array(60_000), closeTimeout: 300 });
    const stuck = await dial(other);
    stuck.pause();
    stuck.write(concatBytes(...Array.from({ length: 1000 }, (_, id) => frame(numbered(id, Z)))));
    await sleep(100);
    const then = performance.now();
    await other.server.close();
    assert.ok(performance.now() - then < 1000);
    stuck.destroy();
  });

  it("lets a reply on its way arrive", async () => {
    const where = await start({ respond: (bytes) => concatBytes(bytes.subarray(0, 2), new Uint8Array(60_000)) });
    const socket = await dial(where);
    const reading = frames(socket, 3);
    socket.write(concatBytes(...[1, 2, 3].map((id) => frame(numbered(id)))));
    for (let i = 0; i < 50 && socket.bytesRead === 0; i++) await sleep(2);
    await where.server.close();
    assert.deepEqual((await reading).map(idOf), [1, 2, 3]);
    socket.destroy();
  });
});
