import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  askBy,
  askTcp,
  askUntil,
  closeAll,
  epochOf,
  startPool,
  textOf,
  treeOf,
  UdpClient,
  untilRestarted,
} from "./clients.ts";

after(closeAll);

describe("a thread that dies", { concurrency: true }, () => {
  it("is started again at the same port with what is served now, while the others go on", async () => {
    const { pool, logged } = await startPool({ threads: 2, restartDelay: 800 });
    await pool.publish(epochOf(1, treeOf(1, 10)));
    const client = new UdpClient(pool.address);
    await client.ask("die", 10);
    while (pool.status().threads.every(({ isAlive }) => isAlive)) await sleep(5);
    // Published while it is not there: it must not be waited for, nor miss it.
    await pool.publish(epochOf(2, treeOf(2, 10)));
    assert.equal(textOf((await askTcp(pool.address, ["epoch"]))[0]), "2 2");
    if (pool.reusePort.udp) assert.equal(await askUntil(client, "epoch"), "2 2");
    else assert.equal(await client.askText("epoch", 100), undefined);
    assert.ok(pool.status().threads.some(({ isAlive }) => !isAlive));
    await untilRestarted(pool);
    assert.equal(await askUntil(client, "epoch"), "2 2");
    assert.match(logged[0] ?? "", /^worker thread \d has ended and is started again: a planted death$/);
    assert.equal(logged.length, 1);
    await pool.publish(epochOf(3, treeOf(3, 10)));
    assert.equal(await client.askText("epoch"), "3 3");
    client.close();
    await pool.close();
  });

  it("is started until it has its port again", async () => {
    const { pool, logged } = await startPool({ threads: 1, restartDelay: 50 });
    const client = new UdpClient(pool.address);
    const socket = connect({ host: pool.address.address, port: pool.address.port }).on("error", () => {});
    assert.equal(textOf((await askBy(socket, ["text"]))[0]), "first");
    assert.equal(pool.readStats().counters.tcpOpen, 1);
    await client.ask("die", 10);
    const thief = createSocket("udp4");
    while (pool.status().threads[0]?.isAlive) await sleep(1);
    thief.bind(pool.address.port, pool.address.address);
    await once(thief, "listening");
    for (let waited = 0; logged.length < 3 && waited < 20_000; waited += 10) await sleep(10);
    assert.match(logged[1] ?? "", /^worker thread 0 cannot be started: bind EADDRINUSE/);
    thief.close();
    assert.equal(await askUntil(client, "text"), "first");
    assert.equal(pool.readStats().counters.tcpOpen, 0, "connections of the thread that is no more");
    client.close();
    await pool.close();
  });

  it("of its memory limit is started again too", async () => {
    const { pool, logged } = await startPool({
      threads: 1,
      resourceLimits: { maxOldGenerationSizeMb: 48, maxYoungGenerationSizeMb: 8 },
    });
    const client = new UdpClient(pool.address);
    void client.ask("exhaust", 10);
    await untilRestarted(pool);
    assert.equal(await askUntil(client, "text"), "first");
    assert.match(logged[0] ?? "", /memory limit/);
    client.close();
    await pool.close();
  });

  it("again and again is started again later and later", async () => {
    const { pool, logged } = await startPool({ threads: 1, restartDelay: 30 });
    const client = new UdpClient(pool.address);
    await pool.reload({ text: "second" });
    for (let i = 1; i <= 3; i++) {
      assert.equal(await askUntil(client, "text"), "second");
      const begun = performance.now();
      await client.ask("die", 10);
      await untilRestarted(pool, i);
      assert.ok(performance.now() - begun >= 30 * 2 ** (i - 1), `start ${i} came too soon`);
    }
    assert.equal(logged.length, 3);
    client.close();
    await pool.close();
  });

  it("of a configuration that only it cannot use is started until there is another", async () => {
    const { pool, logged } = await startPool({ threads: 1, restartDelay: 20 });
    const client = new UdpClient(pool.address);
    await pool.reload({ text: "second", isBad: "in workers" });
    assert.match(logged[0] ?? "", /^worker thread 0 cannot be given the new configuration: a bad configuration$/);
    for (let waited = 0; logged.length < 3 && waited < 20_000; waited += 10) await sleep(10);
    assert.match(logged[2] ?? "", /^worker thread 0 cannot be started: a bad configuration$/);
    await pool.reload({ text: "third" });
    assert.equal(await askUntil(client, "text"), "third");
    client.close();
    await pool.close();
  });
});
