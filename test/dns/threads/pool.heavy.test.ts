import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { ThreadPool } from "../../../src/dns/threads/pool.ts";
import { askTcp, closeAll, epochOf, startPool, textOf, treeOf, UdpClient, verifyAnswer } from "./clients.ts";
import type { FakeConfig } from "./fake-responder.ts";

after(closeAll);

describe("a pool of threads", () => {
  let pool: ThreadPool<FakeConfig>;
  let client: UdpClient;
  let logged: string[];
  before(async () => {
    ({ pool, logged } = await startPool({ threads: 3 }));
    client = new UdpClient(pool.address);
  });
  after(async () => {
    client.close();
    await pool.close();
  });

  it("answers at one port by UDP and TCP", async () => {
    assert.ok(pool.address.port > 0);
    assert.equal(await client.askText("text"), "first");
    assert.deepEqual((await askTcp(pool.address, ["text", "text"])).map(textOf), ["first", "first"]);
    const { threads } = pool.status();
    assert.equal(threads.length, 3);
    assert.ok(threads.every(({ isAlive, restarts }) => isAlive && restarts === 0));
  });

  it("spreads askers over all threads where sockets can share a port; else one has UDP and another TCP", async () => {
    const who = async (): Promise<string | undefined> => {
      const one = new UdpClient(pool.address);
      const answer = await one.askText("who");
      one.close();
      return answer;
    };
    const byUdp = new Set(await Promise.all(Array.from({ length: 64 }, who)));
    const byTcp = new Set<string | undefined>();
    for (let i = 0; i < 40; i++) byTcp.add(textOf((await askTcp(pool.address, ["who"]))[0]));
    assert.equal(byUdp.size, pool.reusePort.udp ? 3 : 1);
    assert.equal(byTcp.size, pool.reusePort.tcp ? 3 : 1);
    if (!pool.reusePort.udp) assert.notDeepEqual(byUdp, byTcp);
  });

  it("serves what is published, and knows only epoch 0 before", async () => {
    assert.equal(await client.askText("epoch"), "0 0");
    const tree = treeOf(1, 50);
    await pool.publish(epochOf(1, tree));
    assert.equal(await client.askText("epoch"), "1 1");
    assert.equal(await client.askText("head"), "head 1");
    const roots = new Map([[1, tree.rootHash()]]);
    assert.equal(verifyAnswer((await client.ask("m7")) ?? new Uint8Array(0), 7, roots).text, "v=v1.0.7");
    assert.equal(verifyAnswer((await client.ask("m50")) ?? new Uint8Array(0), 50, roots).text, "");
    await pool.publish(epochOf(1, tree, 2));
    assert.equal(await client.askText("epoch"), "1 2");
    assert.deepEqual((await askTcp(pool.address, ["epoch", "m3"])).map(textOf)[0], "1 2");
  });

  it("has one clock in all threads, which the times of waiting queries are of", async () => {
    for (let i = 0; i < 5; i++) {
      const begun = performance.now();
      const answer = textOf((await askTcp(pool.address, ["clock"]))[0]);
      assert.ok(Number(answer) >= begun && Number(answer) <= performance.now(), `${begun} ${answer}`);
    }
  });

  it("computes in the main thread what the others cannot, by UDP and TCP", async () => {
    assert.equal(await client.askText("elsewhere"), "main first for udp 127.0.0.1");
    const [other, own, more] = await askTcp(pool.address, ["elsewhere", "text", "f3"]);
    assert.equal(textOf(other), "main first for tcp 127.0.0.1");
    assert.equal(textOf(own), "first");
    assert.equal(more?.at(-1), 0xff);
  });

  it("answers SERVFAIL where a responder has a bug, here or there, and goes on", async () => {
    const alarms = logged.length;
    for (const label of ["throw", "bug"]) {
      const reply = await client.askWhole(label);
      assert.equal((reply?.[3] ?? 0) & 15, 2, label);
    }
    assert.match(logged[alarms] ?? "", /^worker thread \d: a query could not be answered: a planted bug$/);
    assert.match(logged[alarms + 1] ?? "", /a planted bug of the main thread$/);
    assert.equal(await client.askText("text"), "first");
    assert.ok(pool.status().threads.every(({ restarts }) => restarts === 0));
  });

  it("takes a new configuration in all threads, and refuses one that cannot be used", async () => {
    await assert.rejects(pool.reload({ text: "never", isBad: "everywhere" }), /a bad configuration/);
    assert.equal(await client.askText("text"), "first");
    await pool.reload({ text: "second" });
    const texts = await Promise.all(Array.from({ length: 30 }, () => askTcp(pool.address, ["text", "elsewhere"])));
    for (const [text, elsewhere] of texts) {
      assert.equal(textOf(text), "second");
      assert.equal(textOf(elsewhere), "main second for tcp 127.0.0.1");
    }
    assert.equal(await client.askText("text"), "second");
  });

  it("counts connections in the memory of its threads", async () => {
    const { counters } = pool.readStats();
    assert.ok(counters.tcpOpened >= 70, String(counters.tcpOpened));
  });
});
