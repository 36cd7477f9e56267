import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { makePublishing } from "../../src/audit/publishing.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { makeSumdb, startOperator, until } from "./operator.ts";
import { clockKey, logKey, makeFolder, sampleRecords, sumdbKey } from "./world.ts";

const folder = makeFolder("publishing");

it("publishes each epoch with its transition, also those of before a start, and nothing of it is an alarm", async () => {
  const data = join(folder, "data");
  const out = join(folder, "out");
  const alarms: string[] = [];
  const publishing = makePublishing({
    folder: out,
    dataFolder: data,
    sumdbKey: sumdbKey.verifierKey,
    logKey: logKey.verifierKey,
    cosigners: [clockKey.verifierKey],
    sha256: nodeSha256,
    log: (level, message) => void (level === "alarm" && alarms.push(message)),
  });
  const sumdb = makeSumdb(sampleRecords(), 100);
  const count = (): number => readdirSync(join(data, "files", "transition")).length;
  const operator = await startOperator({ folder: data, sumdb, publishing });
  sumdb.setSize(300);
  await until("epoch 2", () => operator.service.data.epoch === 2);
  await operator.close();
  assert.equal(count(), 2);
  const published = readdirSync(out, { recursive: true }).length;
  assert.ok(published > 2, `${published}`);
  // Published anew from what is kept.
  const again = join(folder, "again");
  const second = await startOperator({
    folder: data,
    sumdb,
    publishing: makePublishing({
      folder: again,
      dataFolder: data,
      sumdbKey: sumdbKey.verifierKey,
      logKey: logKey.verifierKey,
      cosigners: [clockKey.verifierKey],
      sha256: nodeSha256,
      log: (level, message) => void (level === "alarm" && alarms.push(message)),
    }),
  });
  await second.close();
  assert.equal(readdirSync(again, { recursive: true }).length, published);
  assert.deepEqual(alarms, []);
});
