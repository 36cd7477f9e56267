import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Level } from "level";
import { type EpochBatch, Store } from "../../src/store/store.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { Frontier } from "../../src/vindex/frontier.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { identity } from "../service/operator.ts";
import { makeFolder } from "../service/world.ts";

const folder = makeFolder("store");
let folders = 0;
const fresh = (): string => join(folder, `data-${folders++}`);

function batchOf(epoch: number, more: Partial<EpochBatch> = {}): EpochBatch {
  const indexKey = nodeSha256(Uint8Array.of(epoch));
  return {
    epoch,
    leafText: `leaf ${epoch}`,
    changes: [{ indexKey, value: encodeUtf8(`v${epoch}`) }],
    states: [{ indexKey, path: `m/${epoch}`, stateText: `s${epoch}\n` }],
    entries: [],
    majors: [],
    newPaths: [`m/${epoch}`],
    counters: { modules: epoch, malformed: 0 },
    frontier: Frontier.empty(nodeSha256),
    hashes: true,
    growthTime: epoch,
    ...more,
  };
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const item of items) out.push(item);
  return out;
}

describe("Store", () => {
  it("keeps what an epoch and a flush say of the files, in whatever order they end", async () => {
    for (const isFlushFirst of [true, false]) {
      const at = fresh();
      const store = await Store.open(at, identity);
      await store.commitEpoch(batchOf(1));
      const flush = () => store.replaceFiles({ values: 1, paths: 1 });
      const commit = () => store.commitEpoch(batchOf(2));
      await Promise.all(isFlushFirst ? [flush(), commit()] : [commit(), flush()]);
      const expected = { values: 1, paths: 1, base: false, hashes: true };
      assert.deepEqual(store.files, expected);
      await store.close();
      const again = await Store.open(at, identity);
      assert.deepEqual(again.files, expected);
      assert.deepEqual(
        (await collect(again.journals(2))).map(({ epoch }) => epoch),
        [2],
      );
      assert.deepEqual(await collect(again.newPaths()), [["m/2"]]);
      await again.close();
    }
  });

  it("removes files that no record names, and never those of a build that is not committed yet", async () => {
    const at = fresh();
    const first = await Store.open(at, identity);
    await first.close();
    const built = join(at, "files", "values-0000000000000001");
    writeFileSync(built, "");
    const store = await Store.open(at, identity);
    await store.commitEpoch(batchOf(1));
    await store.replaceFiles({ values: 1 });
    writeFileSync(join(at, "files", "values-0000000000000002.tmp"), "");
    writeFileSync(join(at, "files", "mine"), "");
    await store.close();
    const again = await Store.open(at, identity);
    assert.deepEqual(readdirSync(join(at, "files")).sort(), ["mine", "values-0000000000000001"]);
    await again.close();
  });

  it("refuses a second epoch of one number, and a base over epochs", async () => {
    const store = await Store.open(fresh(), identity);
    await store.commitEpoch(batchOf(1));
    await assert.rejects(store.commitEpoch(batchOf(1)), (error) => isProofdnsError(error, "STORE_UNUSABLE"));
    const base = {
      leafTexts: ["x"],
      files: { values: 1, paths: undefined, base: false, hashes: false },
      uncutMajors: [],
      counters: { modules: 1, malformed: 0 },
      frontier: Frontier.empty(nodeSha256),
      growthTime: 1,
    };
    await assert.rejects(store.commitBase(base), (error) => isProofdnsError(error, "STORE_UNUSABLE"));
    await store.close();
  });

  it("refuses a journal that is missing, cut off, or not that of its epoch", async () => {
    for (const change of [
      (db: Level<string, Uint8Array>) => db.del("journal/0000000000000002"),
      (db: Level<string, Uint8Array>) => db.put("journal/0000000000000002", new Uint8Array(33).fill(9)),
      (db: Level<string, Uint8Array>) => db.del("journal/0000000000000003"),
      (db: Level<string, Uint8Array>) => db.put("files", encodeUtf8('{"values":7,"base":false,"hashes":true}')),
      (db: Level<string, Uint8Array>) => db.put("files", encodeUtf8("{")),
    ]) {
      const at = fresh();
      const store = await Store.open(at, identity);
      for (const epoch of [1, 2, 3]) await store.commitEpoch(batchOf(epoch));
      await store.close();
      const db = new Level<string, Uint8Array>(join(at, "store"), { keyEncoding: "utf8", valueEncoding: "view" });
      await db.open();
      await change(db);
      await db.close();
      const read = async (): Promise<void> => {
        const again = await Store.open(at, identity);
        try {
          await collect(again.journals(3));
        } finally {
          await again.close();
        }
      };
      await assert.rejects(read(), (error) => isProofdnsError(error, "STORE_UNUSABLE"));
    }
  });

  it("refuses a store of the first format with one sentence that says what to do", async () => {
    const at = fresh();
    await (await Store.open(at, identity)).close();
    const db = new Level<string, Uint8Array>(join(at, "store"), { keyEncoding: "utf8", valueEncoding: "view" });
    await db.open();
    await db.put("meta", encodeUtf8(JSON.stringify({ format: 1, ...identity })));
    await db.close();
    await assert.rejects(Store.open(at, identity), (error) => {
      assert.ok(isProofdnsError(error, "STORE_UNUSABLE"));
      assert.match(error.message, /has format 1, this program reads format 2: build it anew/);
      return true;
    });
  });
});
