import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Level } from "level";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { headOf, makeSumdb, type Operator, startOperator, until } from "./operator.ts";
import { makeFolder, sampleRecords } from "./world.ts";

const folder = makeFolder("bad-day");
let folders = 0;
const fresh = (): string => join(folder, `store-${folders++}`);
const records = sampleRecords();

/** Epochs of 100 records each. */
async function makeEpochs(at: string, count: number): Promise<Operator> {
  const sumdb = makeSumdb(records, 100);
  const operator = await startOperator({ folder: at, sumdb });
  for (let epoch = 2; epoch <= count; epoch++) {
    sumdb.setSize(100 * epoch);
    await until(`epoch ${epoch}`, () => operator.service.data.epoch === epoch);
  }
  return operator;
}

async function edit(at: string, change: (db: Level<string, Uint8Array>) => Promise<void>): Promise<void> {
  const db = new Level<string, Uint8Array>(join(at, "store"), { keyEncoding: "utf8", valueEncoding: "view" });
  await db.open();
  await change(db);
  await db.close();
}

it("never signs an epoch above one that it cannot sign", async () => {
  const at = fresh();
  await (await makeEpochs(at, 3)).close();
  await edit(at, (db) => db.put("signature/0000000000000004", new Uint8Array(64)));
  const sumdb = makeSumdb(records, 450);
  let operator: Operator;
  try {
    operator = await startOperator({ folder: at, sumdb });
  } catch {
    return;
  }
  await until("an alarm", () => operator.logged.some((line) => line.includes("another checkpoint was signed")));
  sumdb.setSize(500);
  await sleep(200);
  assert.equal(operator.service.data.epoch, 3);
  assert.equal(await operator.store.signature(5), undefined);
  await operator.close();
});

it("signs and serves an epoch whose signature could not be written at once, without waiting for the next", async () => {
  const sumdb = makeSumdb(records, 100);
  const operator = await startOperator({ folder: fresh(), sumdb });
  const { store } = operator;
  const put = store.putSignature.bind(store);
  store.putSignature = async () => {
    store.putSignature = put;
    throw new Error("ENOSPC: no space left on device");
  };
  sumdb.setSize(200);
  await until("epoch 2", () => operator.service.data.epoch === 2, 1_000);
  await operator.close();
});

it("serves the head of every epoch, also of one whose signature failed before the next was made", async () => {
  const sumdb = makeSumdb(records, 100);
  const operator = await startOperator({ folder: fresh(), sumdb });
  const { store } = operator;
  const put = store.putSignature.bind(store);
  store.putSignature = async () => {
    store.putSignature = put;
    sumdb.setSize(300);
    throw new Error("ENOSPC: no space left on device");
  };
  sumdb.setSize(200);
  await until("epoch 3", () => operator.service.data.epoch === 3);
  assert.equal(headOf(operator, 2).epoch, 2);
  await operator.close();
});

for (const [key, at] of [
  ["clock", 3],
  ["counters", 13],
  ["cosignatures/0000000000000001", 10],
] as const) {
  it(`says in a sentence that ${key} is damaged`, async () => {
    const base = fresh();
    await (await makeEpochs(base, 2)).close();
    const copy = fresh();
    cpSync(base, copy, { recursive: true });
    await edit(copy, async (db) => {
      const value = ((await db.get(key)) as Uint8Array).slice();
      value[at] = 0x7d;
      await db.put(key, value);
    });
    await assert.rejects(
      async () => {
        const operator = await startOperator({ folder: copy, sumdb: makeSumdb(records, 200) });
        await operator.close();
      },
      (error) => isProofdnsError(error, "STORE_UNUSABLE"),
    );
  });
}

it("alarms of a fork also if the evidence cannot be saved", async () => {
  const sumdb = makeSumdb(records, 200);
  const onFork = async (): Promise<void> => {
    throw new Error("ENOSPC: no space left on device");
  };
  const operator = await startOperator({ folder: fresh(), sumdb, onFork });
  operator.source.server = makeSumdb([...records.slice(0, 50), ...records.slice(51)], 300);
  await until("an alarm", () => operator.logged.some((line) => line.includes("ENOSPC")));
  assert.ok(
    operator.logged.some((line) => line.startsWith("alarm SECURITY: ")),
    operator.logged.join("\n"),
  );
  await operator.close();
});
