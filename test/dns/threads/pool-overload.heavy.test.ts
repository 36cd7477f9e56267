import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
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
import { computed } from "./fake-responder.ts";

after(closeAll);

describe("a thread that hangs", { concurrency: true }, () => {
  it("is ended when it does not swap, and holds up nobody for longer", async () => {
    const { pool, logged } = await startPool({ threads: 2, ackTimeout: 150 });
    const client = new UdpClient(pool.address);
    await client.ask("hang", 30);
    await pool.publish(epochOf(1, treeOf(1, 10)));
    assert.deepEqual(logged[0], "a worker thread does not swap: none for 150 ms; it is ended");
    await untilRestarted(pool);
    assert.equal(await askUntil(client, "epoch"), "1 1");
    client.close();
    await pool.close();
  });
});

describe("a main thread that is busy", () => {
  it("loses what is passed on to it beyond its bounds, and nothing else", async () => {
    const { pool } = await startPool({ threads: 1, forwardTimeout: 100, maxForwarded: 4 });
    const client = new UdpClient(pool.address);
    // Four of them wait, each for 100 ms, and each takes 120 ms: the last ones are given up and not computed.
    const passed = Array.from({ length: 12 }, () => client.askText("slow", 1000));
    const tcp = askTcp(pool.address, ["slow", "text", "slow"]);
    assert.equal(await client.askText("text"), "first");
    assert.equal(textOf((await tcp)[1]), "first");
    const answered = (await Promise.all(passed)).filter((text) => text !== undefined);
    assert.ok(answered.length < 12, `${answered.length} answers`);
    assert.ok(computed.slow < 12, `${computed.slow} computed, for nobody`);
    assert.equal(pool.status().waiting, 0);
    assert.ok(pool.readStats().counters.queueFull >= 1);
    assert.equal(await askUntil(client, "elsewhere"), "main first for udp 127.0.0.1");
    client.close();
    await pool.close();
  });

  it("does nothing for a thread that is no more", async () => {
    const { pool } = await startPool({ threads: 1 });
    const client = new UdpClient(pool.address);
    const passed = Array.from({ length: 8 }, () => client.askText("slow", 1500));
    for (let turns = 0; pool.status().waiting === 0 && turns < 5000; turns++) await sleep(1);
    assert.ok(pool.status().waiting > 0);
    void client.ask("die", 10);
    for (let turns = 0; pool.status().threads[0]?.isAlive && turns < 5000; turns++) await sleep(1);
    await sleep(0);
    assert.equal(pool.status().waiting, 0);
    await Promise.all(passed);
    client.close();
    await pool.close();
  });
});
