import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { makeWorld } from "../../bench/world.ts";
import { makeSampleRecords } from "../../src/cli/sample-records.ts";
import { StorageMemoryStore, type TextStorage } from "../../src/client/memory-storage.ts";
import { type Memory, verifyHead } from "../../src/client/verify/index.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";

const world = makeWorld(makeSampleRecords(1, 20));
const trust = world.trust(nodeSha256, world.ed25519);
const memory: Memory = verifyHead({ ...world.headInput, trust });

/** A storage as `localStorage` is, that can be made to fail. */
function makeStorage(): TextStorage & { readonly texts: Map<string, string>; failure: string | undefined } {
  const texts = new Map<string, string>();
  return {
    texts,
    failure: undefined,
    getItem(key) {
      if (this.failure === "read") throw new Error("denied");
      return texts.get(key) ?? null;
    },
    setItem(key, text) {
      if (this.failure === "write") throw new Error("QuotaExceededError");
      texts.set(key, text);
    },
  };
}

describe("a memory in a storage that is handed in", () => {
  it("is none at first, and then what was written", async () => {
    const storage = makeStorage();
    const store = new StorageMemoryStore(storage, trust);
    assert.equal(await store.read(), undefined);
    await store.write(memory);
    const { frontier: _, ...kept } = (await new StorageMemoryStore(storage, trust).read()) ?? assert.fail("nothing");
    assert.deepEqual([kept.epoch, kept.rootHash, kept.ageTime], [memory.epoch, memory.rootHash, memory.ageTime]);
    assert.deepEqual([...storage.texts.keys()], [store.key]);
  });

  it("is not replaced by an older one", async () => {
    const storage = makeStorage();
    const store = new StorageMemoryStore(storage, trust);
    await store.write(memory);
    await store.write({ ...memory, ageTime: memory.ageTime - 1 });
    assert.equal((await store.read())?.ageTime, memory.ageTime);
  });

  it("that is damaged, cut or another log's is refused, and left as it is", async () => {
    const storage = makeStorage();
    const store = new StorageMemoryStore(storage, trust);
    await store.write(memory);
    const text = storage.texts.get(store.key) ?? "";
    for (const damaged of [
      "",
      "{}",
      "null",
      text.slice(0, -10),
      text.replace(/"epoch": \d+/, '"epoch": 999'),
      text.replace("l.example.org", "m.example.org"),
    ]) {
      storage.texts.set(store.key, damaged);
      await assert.rejects(store.read(), { code: "MALFORMED_MEMORY", message: /remove it to begin anew/ });
      await assert.rejects(store.write(memory), { code: "MALFORMED_MEMORY" });
      assert.equal(storage.texts.get(store.key), damaged);
    }
  });

  it("that cannot be read or written is an error, never a memory that is empty", async () => {
    const storage = makeStorage();
    const store = new StorageMemoryStore(storage, trust);
    storage.failure = "read";
    await assert.rejects(store.read(), { code: "MALFORMED_MEMORY", message: /cannot be read/ });
    storage.failure = "write";
    await assert.rejects(store.write(memory), { code: "MALFORMED_MEMORY", message: /takes nothing more/ });
  });

  it("keeps evidence beside it", async () => {
    const storage = makeStorage();
    const store = new StorageMemoryStore(storage, trust);
    const key = await store.saveEvidence({ type: "evidence" });
    assert.deepEqual(JSON.parse(storage.texts.get(key) ?? ""), { type: "evidence" });
    assert.notEqual(key, store.key);
  });

  it("never writes a suspicion over the evidence of a fork", async () => {
    const storage = makeStorage();
    const store = new StorageMemoryStore(storage, trust);
    const kept = await store.saveEvidence({ type: "proofdns-evidence/1" });
    const other = await store.saveEvidence({ type: "proofdns-suspicion/1" });
    assert.notEqual(kept, other);
    assert.deepEqual(JSON.parse(storage.texts.get(kept) ?? ""), { type: "proofdns-evidence/1" });
    assert.deepEqual(JSON.parse(storage.texts.get(other) ?? ""), { type: "proofdns-suspicion/1" });
  });

  it("calls another tree of the same epoch a fork, and is left as it is", async () => {
    const storage = makeStorage();
    const store = new StorageMemoryStore(storage, trust);
    await store.write(memory);
    const before = storage.texts.get(store.key);
    const other = { ...memory, rootHash: new Uint8Array(32), ageTime: memory.ageTime + 1 };
    await assert.rejects(store.write(other, memory), { code: "FORK" });
    assert.equal(storage.texts.get(store.key), before);
  });

  it("is not replaced by a later one that it was not compared with", async () => {
    const storage = makeStorage();
    const store = new StorageMemoryStore(storage, trust);
    await store.write(memory);
    const before = storage.texts.get(store.key);
    const later = { ...memory, epoch: memory.epoch + 1 };
    await store.write(later);
    await store.write(later, { ...memory, rootHash: new Uint8Array(32) });
    assert.equal(storage.texts.get(store.key), before);
  });
});
