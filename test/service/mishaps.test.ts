// What befell an operator once, or would have: each of these lost, hung or signed something wrong before it was mended.
import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Level } from "level";
import { formatHostPort } from "../../src/cli/host-port.ts";
import { runServe } from "../../src/cli/serve.ts";
import { formatHex } from "../../src/vindex/bytes.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { formatVerifierKey } from "../../src/vindex/note.ts";
import { formatPolicy } from "../../src/vindex/policy.ts";
import { run } from "../cli/process.ts";
import { signText, withBody } from "../sumdb/small-log.ts";
import { FakeWitness } from "./fake-witness.ts";
import { clientOf, clockTimes, headOf, makeSumdb, type Operator, startOperator, until } from "./operator.ts";
import { clockKey, computeLeaves, logKey, makeFolder, makeRandom, sampleRecords, sumdbKey, ZONE } from "./world.ts";

const folder = makeFolder("mishaps");
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

it("refuses a store that signed an epoch whose leaf it lost, instead of making another one", async () => {
  const at = fresh();
  await (await makeEpochs(at, 4)).close();
  // What LevelDB does by itself after one flipped byte in the newest batch of its log: it drops that batch.
  const old = join(folder, "old");
  await (await makeEpochs(old, 3)).close();
  let signature: Uint8Array | undefined;
  await edit(at, async (db) => {
    signature = await db.get("signature/0000000000000004");
  });
  await edit(old, (db) => db.put("signature/0000000000000004", signature as Uint8Array));
  const start = startOperator({ folder: old, sumdb: makeSumdb(records, 450) });
  await assert.rejects(start, (error) => isProofdnsError(error, "STORE_UNUSABLE", "EQUIVOCATION"));
});

it("refuses a state under another module's key, or none, before it makes an epoch of it", async () => {
  const at = fresh();
  const sumdb = makeSumdb(records, 2000);
  await (await startOperator({ folder: at, sumdb })).close();
  let count = 0;
  await edit(at, async (db) => {
    for await (const [key, value] of db.iterator({ gt: "state/", lt: "state/~" })) {
      const digit = key.endsWith("0") ? "1" : "0";
      await db.del(key);
      await db.put(`${key.slice(0, -1)}${digit}`, value);
      count++;
    }
  });
  assert.ok(count > 100);
  let operator: Operator;
  try {
    operator = await startOperator({ folder: at, sumdb: makeSumdb(records, 3000) });
  } catch (error) {
    assert.ok(isProofdnsError(error, "STORE_UNUSABLE", "MAP_ROOT_MISMATCH"));
    return;
  }
  await sleep(500);
  const { epoch } = operator.service.data;
  const { mapRoot } = headOf(operator);
  const [right] = computeLeaves(records, [epoch === 1 ? 2000 : 3000]);
  await operator.close();
  assert.equal(formatHex(mapRoot), formatHex(right?.mapRoot as Uint8Array), `epoch ${epoch}`);
});

it("keeps the heads verifiable when the system's time went back behind the clock's last time", async () => {
  let seconds = Math.floor(Date.now() / 1000) - 5000;
  const sumdb = makeSumdb(records, 100);
  const operator = await startOperator({ folder: fresh(), sumdb, heartbeat: 0.02, now: () => seconds });
  seconds += 4000;
  await until("a heartbeat", () => clockTimes(operator)[0] === seconds);
  seconds -= 1000;
  sumdb.setSize(200);
  await sleep(300);
  // Either the new epoch waits until the clock can cosign it, or it does not; a client must not be left without a quorum.
  await clientOf(operator).lookup({ kind: "module", path: "example.com/hello" });
  await operator.close();
});

it("drops a witness that does not answer within ten seconds, also when garbage is collected meanwhile", {
  timeout: 25_000,
}, async () => {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  const collecting = setInterval(gc, 200);
  const witness = await FakeWitness.start(logKey.verifierKey, 44);
  witness.delay = 60_000;
  const policy = formatPolicy(logKey.verifierKey, [
    { name: "clock", verifierKey: clockKey.verifierKey },
    { name: "w", verifierKey: witness.key.verifierKey },
  ]);
  const starting = startOperator({
    folder: fresh(),
    sumdb: makeSumdb(records, 10),
    policy,
    witnesses: [witness.option],
  });
  const operator = await Promise.race([starting, sleep(15_000, undefined)]);
  clearInterval(collecting);
  await witness.close();
  await (await starting).close();
  assert.ok(operator !== undefined, "the witness was waited for without end");
});

it("does not call a database of odd tree heads empty", async () => {
  const note = signText("go.sum database tree\n1\nx\nextra\n", sumdbKey);
  const odd = startOperator({
    folder: fresh(),
    sumdb: makeSumdb(records, 10),
    change: (target, reply) => (target === "/latest" ? withBody(reply, Buffer.from(note)) : undefined),
  });
  await assert.rejects(odd, (error: Error) => {
    assert.doesNotMatch(error.message, /is empty/);
    return true;
  });
});

it("never signs a second leaf for an epoch after one byte of the store's files was flipped", async () => {
  const at = fresh();
  const operator = await makeEpochs(at, 4);
  const signatures = [1, 2, 3, 4].map((epoch) => formatHex(headOf(operator, epoch).logSignature));
  await operator.close();
  const wal = join("store", readdirSync(join(at, "store")).find((name) => name.endsWith(".log")) as string);
  const bytes = readFileSync(join(at, wal));
  const second: number[] = [];
  const random = makeRandom(5);
  for (let i = 0; i < 24; i++) {
    const copy = fresh();
    cpSync(at, copy, { recursive: true });
    const out = Buffer.from(bytes);
    const place = bytes.length - 1 - Math.floor(random() * 60_000);
    out[place] = (out[place] as number) ^ 1;
    writeFileSync(join(copy, wal), out);
    let damaged: Operator;
    try {
      damaged = await startOperator({ folder: copy, sumdb: makeSumdb(records, 450) });
    } catch {
      continue;
    }
    await sleep(80);
    const { epoch } = damaged.service.data;
    if (signatures.some((hex, at) => at < epoch && formatHex(headOf(damaged, at + 1).logSignature) !== hex))
      second.push(place);
    await damaged.close();
  }
  assert.deepEqual(second, []);
});

it("does not go on with a new clock key where the policy names another", async () => {
  const at = join(folder, "clock");
  const sumdb = makeSumdb(records, 100);
  const url = `http://${formatHostPort(await sumdb.listen({ host: "127.0.0.1", port: 0 }))}`;
  const options = {
    zone: ZONE,
    listen: "127.0.0.1:0",
    data: at,
    sumdb: `${formatVerifierKey(sumdbKey.verifierKey)} ${url}`,
  };
  const times = { poll: "60s", heartbeat: "60s", epochInterval: "10m", maxStall: "6h" };
  const stop = (): void => {
    process.emit("SIGTERM", "SIGTERM");
    process.removeAllListeners("SIGTERM");
    process.removeAllListeners("SIGINT");
  };
  await runServe({ ...options, ...times }, { hooks: {}, print: stop });
  rmSync(join(at, "clock.key"));
  await assert.rejects(runServe({ ...options, ...times }, { hooks: {}, print: stop }), (error) =>
    isProofdnsError(error, "KEY_UNUSABLE", "MALFORMED_POLICY"),
  );
  await sumdb.close();
});

it("takes --ns more than once", async () => {
  const { code, stderr } = await run([
    ...["serve", "--zone", ZONE, "--listen", "127.0.0.1:0", "--data", fresh(), "--ns", `ns1.${ZONE}=127.0.0.1`],
    ...["ns2.example.net", "--sumdb", `${formatVerifierKey(sumdbKey.verifierKey)} http://127.0.0.1:9`],
  ]);
  assert.equal(code, 2);
  assert.match(stderr, /cannot read http:/);
});

it("refuses a module path of the demo before it does anything", async () => {
  const { code, stdout } = await run(["demo", "--once", "--module", "Bad Module"]);
  assert.deepEqual([code, stdout], [2, ""]);
});
