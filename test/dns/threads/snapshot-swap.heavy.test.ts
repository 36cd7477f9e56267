import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { askTcp, closeAll, epochOf, startPool, treeOf, UdpClient, verifyAnswer } from "./clients.ts";

after(closeAll);

describe("a snapshot", () => {
  it("takes the place of another while queries come, and no query is lost or answered of two epochs", async () => {
    const { pool, logged } = await startPool({ threads: 3 });
    const trees = [1, 2, 3, 4].map((n) => treeOf(n, 2000 + 300 * n));
    const roots = new Map<number, Uint8Array>();
    let epoch = 0;
    const publish = (): Promise<void> => {
      epoch++;
      const tree = trees[epoch % trees.length] as ReturnType<typeof treeOf>;
      roots.set(epoch, tree.rootHash());
      return pool.publish(epochOf(epoch, tree));
    };
    await publish();
    let isDone = false;
    let asked = 0;
    const seen = new Set<number>();
    const ask = async (client: UdpClient, from: number): Promise<void> => {
      for (let i = from; !isDone; i = (i + 7) % 4000) {
        const payload = await client.ask(`m${i}`);
        asked++;
        assert.ok(payload !== undefined, `no reply to query ${asked}`);
        seen.add(verifyAnswer(payload, i, roots).epoch);
        if (asked % 10 === 0) {
          // Of the main thread, which may be one epoch ahead.
          const passed = await client.ask(`f${i}`);
          assert.ok(passed !== undefined, "no reply of the main thread");
          seen.add(verifyAnswer(passed.subarray(0, -1), i, roots).epoch);
        }
      }
    };
    const clients = Array.from({ length: 4 }, () => new UdpClient(pool.address));
    const asking = clients.flatMap((client, c) => Array.from({ length: 4 }, (_, i) => ask(client, c * 900 + i)));
    const tcp = (async () => {
      while (!isDone) {
        const payloads = await askTcp(pool.address, ["m1", "m2", "f3", "m4"]);
        payloads.forEach((payload, i) => {
          verifyAnswer(i === 2 ? payload.subarray(0, -1) : payload, i + 1, roots);
        });
      }
    })();
    try {
      for (let i = 0; i < 24; i++) {
        await sleep(50);
        await publish();
        const [client] = clients;
        assert.equal(
          await client?.askText("epoch"),
          `${epoch} ${epoch}`,
          "the old epoch after the new one is acknowledged",
        );
      }
    } finally {
      isDone = true;
      await Promise.all([...asking, tcp]);
      for (const client of clients) client.close();
      await pool.close();
    }
    assert.ok(asked > 200, `only ${asked} queries`);
    assert.ok(seen.size > 10, `only ${seen.size} epochs seen`);
    assert.deepEqual(logged, []);
  });
});
