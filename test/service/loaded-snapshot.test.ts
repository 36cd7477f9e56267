import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { DnsTransport } from "../../src/client/transport-dns.ts";
import { loadSnapshot, type SnapshotTrust } from "../../src/store/snapshot-load.ts";
import { saveSnapshot } from "../../src/store/snapshot-save.ts";
import { Store } from "../../src/store/store.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { formatPolicy } from "../../src/vindex/policy.ts";
import { FakeWitness } from "./fake-witness.ts";
import { identity, makeSumdb, type Operator, startOperator, until } from "./operator.ts";
import { clockKey, logKey, makeFolder, sampleRecords, sumdbKey } from "./world.ts";

const folder = makeFolder("loaded");
const records = sampleRecords();
const data = join(folder, "data");
const saved = join(folder, "saved");
const trust: SnapshotTrust = {
  logKey: logKey.verifierKey,
  sumdbKey: sumdbKey.verifierKey,
  cosigners: [clockKey.verifierKey],
};
const HELD = /^alarm epoch 2 is not signed: this store was loaded from a snapshot, two live signers fork the log/;
let copies = 0;

async function load(): Promise<string> {
  const to = join(folder, `copy-${copies++}`);
  await loadSnapshot(saved, to, trust, () => {}, 0);
  return to;
}

/** Whether a store is held, when nobody has it open. */
async function isLoaded(at: string): Promise<boolean> {
  const store = await Store.open(at, identity);
  try {
    return await store.isLoaded();
  } finally {
    await store.close();
  }
}

const peerOf = ({ listen }: Operator): { name: string; transport: DnsTransport } => ({
  name: listen,
  transport: new DnsTransport({ server: listen }),
});
const away = {
  name: "away",
  transport: new DnsTransport({ server: "127.0.0.1:9", timeouts: [50], tcpTimeout: 50 }),
};

describe("a loaded snapshot", () => {
  before(async () => {
    await (await startOperator({ folder: data, sumdb: makeSumdb(records, 100) })).close();
    await saveSnapshot(data, saved, () => {}, 0);
  });

  for (const [what, peers] of [
    ["nobody is asked", []],
    ["nobody answers", [away]],
  ] as const) {
    it(`serves at once what was signed, and signs nothing, also after a restart, while ${what}`, async () => {
      const at = await load();
      for (let start = 0; start < 2; start++) {
        // The wait for the unreachable is not for what is signed already.
        const began = performance.now();
        const operator = await startOperator({
          folder: at,
          sumdb: makeSumdb(records, 200),
          peers,
          firstSignatureWait: 60_000,
        });
        assert.ok(performance.now() - began < 10_000);
        assert.equal(operator.served[0]?.epoch, 1);
        await until("refusals", () => operator.logged.filter((line) => HELD.test(line)).length >= 3);
        assert.ok(operator.logged.some((line) => HELD.test(line) && line.endsWith("epoch 1 is served on")));
        assert.ok(
          operator.logged.some((line) => HELD.test(line) && line.includes("or --sole-signer if no other server")),
        );
        assert.ok(!operator.logged.some((line) => line.includes("signing without its word")));
        assert.ok(!operator.steps.some((step) => step.endsWith(" 2")), operator.steps.join());
        await operator.close();
      }
      assert.equal(await isLoaded(at), true);
    });
  }

  it("signs when a peer has answered, and is then like any other store", async () => {
    const first = await startOperator({ folder: data, sumdb: makeSumdb(records, 100) });
    const at = await load();
    const second = await startOperator({ folder: at, sumdb: makeSumdb(records, 200), peers: [away, peerOf(first)] });
    await until("epoch 2", () => second.service.data.epoch === 2);
    await first.close();
    await second.close();
    assert.equal(await isLoaded(at), false);
    const again = await startOperator({ folder: at, sumdb: makeSumdb(records, 300) });
    await until("epoch 3", () => again.service.data.epoch === 3);
    await again.close();
  });

  it("signs when a witness has answered, and does not when the witness knows a larger log", async () => {
    const witness = await FakeWitness.start(logKey.verifierKey, 43);
    try {
      const [at, late] = [await load(), await load()];
      const policy = formatPolicy(logKey.verifierKey, [
        { name: "clock", verifierKey: clockKey.verifierKey },
        { name: "w", verifierKey: witness.key.verifierKey },
      ]);
      const options = { sumdb: makeSumdb(records, 200), witnesses: [witness.option], policy };
      const operator = await startOperator({ folder: at, ...options });
      await until("epoch 2", () => operator.service.data.epoch === 2);
      await until("its cosignature", () => witness.size === 2);
      await operator.close();
      assert.equal(await isLoaded(at), false);
      await assert.rejects(
        startOperator({ folder: late, ...options }),
        /knows this log at size 2, the store has signed 1/,
      );
      assert.equal(await isLoaded(late), true);
    } finally {
      await witness.close();
    }
  });

  it("does not sign when the peer has signed on since, and says so", async () => {
    const [ahead, at] = [await load(), await load()];
    const sumdb = makeSumdb(records, 100);
    const first = await startOperator({ folder: ahead, sumdb, isSoleSigner: true });
    const sumdbOfSecond = makeSumdb(records, 100);
    const second = await startOperator({ folder: at, sumdb: sumdbOfSecond, peers: [peerOf(first)] });
    sumdb.setSize(200);
    await until("epoch 2 of the first", () => first.service.data.epoch === 2);
    sumdbOfSecond.setSize(300);
    await until("a refusal", () => second.logged.some((line) => /knows this log at size 2, the store has/.test(line)));
    assert.equal(second.service.data.epoch, 1);
    await second.close();
    assert.equal(await isLoaded(at), true);
    await first.close();
  });

  it("takes a peer of another log for no answer", async () => {
    const at = await load();
    const none = { name: "none", transport: { query: async () => ({ kind: "absent" }) as never } };
    const operator = await startOperator({ folder: at, sumdb: makeSumdb(records, 200), peers: [none] });
    await until("a refusal", () => operator.logged.some((line) => HELD.test(line)));
    assert.equal(operator.service.data.epoch, 1);
    await operator.close();
  });

  it("signs on the operator's word, which is needed once", async () => {
    const at = await load();
    const idle = await startOperator({ folder: at, sumdb: makeSumdb(records, 100), isSoleSigner: true });
    await idle.close();
    // Nothing was signed yet.
    assert.equal(await isLoaded(at), true);
    const operator = await startOperator({ folder: at, sumdb: makeSumdb(records, 200), isSoleSigner: true });
    await until("epoch 2", () => operator.service.data.epoch === 2);
    await operator.close();
    assert.equal(await isLoaded(at), false);
    const again = await startOperator({ folder: at, sumdb: makeSumdb(records, 300) });
    await until("epoch 3", () => again.service.data.epoch === 3);
    assert.ok(!again.logged.some((line) => HELD.test(line)));
    await again.close();
  });

  it("does not start with an epoch that a crash left unsigned, before someone's word is there again", async () => {
    const at = await load();
    const onStep = (step: string): void => {
      if (step === "committed") throw new Error("crash");
    };
    const crashed = await startOperator({ folder: at, sumdb: makeSumdb(records, 200), isSoleSigner: true, onStep });
    await until("the crash", () => crashed.logged.some((line) => line.includes("crash")));
    await crashed.close();
    await assert.rejects(
      startOperator({ folder: at, sumdb: makeSumdb(records, 200) }),
      (error) => isProofdnsError(error, "EQUIVOCATION") && /^epoch 2 is not signed/.test(error.message),
    );
    const operator = await startOperator({ folder: at, sumdb: makeSumdb(records, 200), isSoleSigner: true });
    assert.equal(operator.served[0]?.epoch, 2);
    await operator.close();
    assert.equal(await isLoaded(at), false);
  });
});
