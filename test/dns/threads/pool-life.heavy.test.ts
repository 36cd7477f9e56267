import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type ListenOptions } from "node:net";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ThreadPool } from "../../../src/dns/threads/pool.ts";
import { assertPortFree } from "../../../src/dns/threads/reuse-port.ts";
import { askBy, closeAll, epochOf, startPool, textOf, treeOf, UdpClient } from "./clients.ts";

after(closeAll);

describe("a pool with few connections", () => {
  it("divides them among its threads", async () => {
    const { pool } = await startPool({ threads: 2, limits: { maxConnections: 4 } });
    const sockets = Array.from({ length: 12 }, () =>
      connect({ host: pool.address.address, port: pool.address.port }).on("error", () => {}),
    );
    // Those that are too many may be reset before their client knows that they are there.
    await Promise.all(
      sockets.map((socket) => Promise.race([once(socket, "connect"), once(socket, "close")]).catch(() => {})),
    );
    await sleep(50);
    const { counters } = pool.readStats();
    assert.ok(counters.tcpOpened >= 1);
    assert.ok(counters.tcpOpen <= 4, `${counters.tcpOpen} connections`);
    for (const socket of sockets) socket.destroy();
    await pool.close();
  });
});

describe("closing a pool", { concurrency: true }, () => {
  it("answers what is in hand, and frees the port", async () => {
    const { pool } = await startPool();
    await pool.publish(epochOf(1, treeOf(1, 10)));
    const client = new UdpClient(pool.address);
    const socket = connect({ host: pool.address.address, port: pool.address.port });
    await once(socket, "connect");
    const asked = [
      ...Array.from({ length: 20 }, () => client.askText("elsewhere")),
      client.askText("slow"),
      ...Array.from({ length: 20 }, () => client.askText("text")),
    ];
    const piped = askBy(socket, ["slow", ...Array.from({ length: 30 }, () => "elsewhere")]);
    // The queries are on their way: in the sockets, in a worker, or in this thread.
    await sleep(5);
    const closed = pool.close(2000);
    assert.equal(pool.close(), closed);
    const texts = await Promise.all(asked);
    assert.deepEqual(new Set(texts), new Set(["main first for udp 127.0.0.1", "first"]));
    assert.deepEqual(new Set((await piped).map(textOf)), new Set(["main first for tcp 127.0.0.1"]));
    await closed;
    for (const protocol of ["udp", "tcp"] as const) await assertPortFree(protocol, pool.address);
    assert.equal(await client.askText("text", 100), undefined);
    await pool.publish(epochOf(2, treeOf(2, 10)));
    client.close();
    socket.destroy();
  });

  it("does not wait longer than it is told for a thread that does not answer", async () => {
    const { pool } = await startPool({ threads: 1 });
    const client = new UdpClient(pool.address);
    void client.ask("hang", 10);
    await sleep(50);
    const begun = performance.now();
    await pool.close(100);
    assert.ok(performance.now() - begun < 1500);
    client.close();
  });
});

describe("starting a pool", { concurrency: true }, () => {
  const responderModule = new URL("./fake-responder.ts", import.meta.url);
  const log = (): void => {};

  it("fails, and leaves nothing behind, if the port is another's by UDP or TCP", async () => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const { port } = socket.address();
    await assert.rejects(startPool({ port }), { code: "EADDRINUSE" });
    socket.close();
    await once(socket, "close");
    // One that would share it, with whoever asks for that.
    const server = createServer();
    const shared: ListenOptions & { reusePort: boolean } = { host: "127.0.0.1", port, reusePort: true };
    server.listen(shared);
    await once(server, "listening");
    await assert.rejects(startPool({ port }), { code: "EADDRINUSE" });
    server.close();
    await once(server, "close");
    const { pool } = await startPool({ port });
    assert.equal(pool.address.port, port);
    await assert.rejects(startPool({ port }), { code: "EADDRINUSE" });
    await pool.close();
    await assertPortFree("tcp", pool.address);
  });

  it("fails for a configuration, a host, a number of threads and a module that cannot be", async () => {
    const options = { threads: 1, port: 0, config: { text: "" }, responderModule, log };
    for (const isBad of ["everywhere", "in workers"] as const) {
      await assert.rejects(ThreadPool.start({ ...options, config: { text: "", isBad } }), /a bad configuration/);
    }
    for (const threads of [0, -1, 1.5, Number.NaN]) {
      await assert.rejects(ThreadPool.start({ ...options, threads }), RangeError);
    }
    await assert.rejects(ThreadPool.start({ ...options, host: "" }), TypeError);
    await assert.rejects(ThreadPool.start({ ...options, host: "192.0.2.1" }), { code: "EADDRNOTAVAIL" });
    const nowhere = new URL("./nowhere.ts", import.meta.url);
    await assert.rejects(ThreadPool.start({ ...options, responderModule: nowhere }), { code: "ERR_MODULE_NOT_FOUND" });
  });
});
