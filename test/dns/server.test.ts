import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, describe, it } from "node:test";
import { DnsServer, type DnsServerOptions, type ListenAddress } from "../../src/dns/server.ts";
import {
  askTcp,
  askUdp,
  dial,
  frames,
  idOf,
  makeDeferred,
  makeEcho,
  noting,
  numbered,
  pipelined,
  rcodeOf,
  replyTo,
  sleepTurns,
  soon,
} from "./sockets.ts";

const open: DnsServer[] = [];
after(() => Promise.all(open.map((server) => server.close())));

async function start(
  options: Partial<DnsServerOptions> = {},
): Promise<ListenAddress & ReturnType<typeof noting> & { server: DnsServer }> {
  const notes = noting(options.respond ?? makeEcho());
  const server = new DnsServer({ ...notes, port: 0, closeTimeout: 300, ...options });
  open.push(server);
  return { ...notes, ...(await server.listen()), server };
}

describe("listening", () => {
  it("gives one port for UDP and TCP", async () => {
    const where = await start();
    assert.notEqual(where.port, 0);
    assert.equal(idOf((await askUdp(where, numbered(7))) ?? assert.fail()), 7);
    assert.equal(idOf((await askTcp(where, 8)) ?? assert.fail()), 8);
    await soon(() => where.server.connectionCount === 0);
    assert.deepEqual(where.events, ["tcp-opened", "tcp-closed"]);
  });

  it("works on IPv6, with brackets or without", async () => {
    for (const host of ["[::1]", "::1"]) {
      const where = await start({ host });
      assert.equal(where.address, "::1");
      assert.equal(where.family, 6);
      assert.equal(idOf((await askUdp(where, numbered(7))) ?? assert.fail()), 7);
      assert.equal(idOf((await askTcp(where, 8)) ?? assert.fail()), 8);
    }
  });

  it("takes both families at the IPv6 wildcard, or IPv6 only", async () => {
    const both = await start({ host: "::" });
    const four = { address: "127.0.0.1", family: 4, port: both.port } as const;
    assert.equal(idOf((await askUdp(four, numbered(7))) ?? assert.fail()), 7);
    assert.equal(idOf((await askTcp(four, 8)) ?? assert.fail()), 8);
    const six = await start({ host: "::", ipv6Only: true });
    const beside = await start({ host: "0.0.0.0", port: six.port });
    assert.equal(beside.port, six.port);
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
});

describe("a failing responder", () => {
  it("is logged, and answered with SERVFAIL by UDP and TCP", async () => {
    for (const respond of [() => assert.fail("broken"), () => Promise.reject(new Error("broken"))]) {
      const where = await start({ respond });
      const reply = await askUdp(where, numbered(77));
      assert.equal(rcodeOf(reply), 2);
      assert.equal(idOf(reply ?? assert.fail()), 77);
      assert.equal(rcodeOf(await askTcp(where, 78)), 2);
      assert.equal(where.logged.length, 2);
      assert.match(where.logged[0] ?? "", /broken/);
    }
  });

  it("does not answer what must not be answered", async () => {
    const where = await start({ respond: () => assert.fail("broken") });
    assert.equal(await askUdp(where, replyTo(numbered(1)), 50), undefined);
  });
});

describe("closing", () => {
  it("ends both sockets, and may be asked for twice", async () => {
    const where = await start();
    await Promise.all([where.server.close(), where.server.close()]);
    assert.equal(await askUdp(where, numbered(7), 50), undefined);
    await assert.rejects(dial(where));
    const again = await start({ port: where.port });
    assert.equal(again.port, where.port);
  });

  it("may be asked for while it begins to listen", async () => {
    const server = new DnsServer({ ...noting(makeEcho()), port: 0 });
    const listening = server.listen();
    await server.close();
    const where = await listening;
    await assert.rejects(dial(where));
    assert.equal(await askUdp(where, numbered(7), 50), undefined);
  });

  it("gives promised replies of both transports their time", async () => {
    const waiting: (() => void)[] = [];
    const where = await start({
      respond: (message) => {
        const { promise, resolve } = makeDeferred<Uint8Array>();
        waiting.push(() => resolve(replyTo(message)));
        return promise;
      },
    });
    const socket = await dial(where);
    socket.write(pipelined([1]));
    const udp = askUdp(where, numbered(2));
    await soon(() => waiting.length === 2);
    const closing = where.server.close();
    await sleepTurns(3);
    for (const settle of waiting) settle();
    assert.equal(idOf((await udp) ?? assert.fail()), 2);
    assert.deepEqual((await frames(socket, 1)).map(idOf), [1]);
    socket.end();
    await closing;
  });
});
