import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Reloader } from "../../src/cli/serve-reload.ts";

describe("SIGHUP", () => {
  it("is remembered until there is something to reload, and then done once", async () => {
    let count = 0;
    const reloader = new Reloader((error) => assert.fail(String(error)));
    process.emit("SIGHUP");
    process.emit("SIGHUP");
    reloader.attach(async () => void count++);
    await reloader.close();
    assert.equal(count, 1);
  });

  it("is done as often as it comes, one after another, whether one fails or not", async () => {
    const said: string[] = [];
    const failures: unknown[] = [];
    const reloader = new Reloader((error) => failures.push(error));
    let count = 0;
    reloader.attach(async () => {
      const id = ++count;
      said.push(`begin ${id}`);
      await sleep(10);
      said.push(`end ${id}`);
      if (id === 1) throw new Error("the first");
    });
    process.emit("SIGHUP");
    process.emit("SIGHUP");
    await sleep(1);
    await reloader.close();
    assert.deepEqual(said, ["begin 1", "end 1", "begin 2", "end 2"]);
    assert.deepEqual(
      failures.map((error) => (error as Error).message),
      ["the first"],
    );
  });

  it("is not taken any more after close", async () => {
    const before = process.listenerCount("SIGHUP");
    const reloader = new Reloader((error) => assert.fail(String(error)));
    assert.equal(process.listenerCount("SIGHUP"), before + 1);
    await reloader.close();
    assert.equal(process.listenerCount("SIGHUP"), before);
  });
});
