import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Questions } from "../../src/client/questions.ts";
import { DnsTransport } from "../../src/client/transport-dns.ts";
import { Publisher } from "../../src/service/publisher.ts";
import { Store } from "../../src/store/store.ts";
import { formatHex } from "../../src/vindex/bytes.ts";
import { formatTreeHead } from "../../src/vindex/checkpoint.ts";
import { verifyCosignature } from "../../src/vindex/cosignature.ts";
import { isProofdnsError, ProofdnsError } from "../../src/vindex/error.ts";
import { verifyForkEvidence } from "../../src/vindex/evidence.ts";
import { parseLeaf } from "../../src/vindex/leaf.ts";
import { computeIndexKey } from "../../src/vindex/module-value.ts";
import { decodeHead } from "../../src/vindex/payload.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { makeLog, signText, withBody } from "../sumdb/small-log.ts";
import {
  clientOf,
  clockTimes,
  headOf,
  identity,
  makeSumdb,
  NEVER,
  type Operator,
  startOperator,
  until,
} from "./operator.ts";
import {
  clockKey,
  computeLeaves,
  ed25519,
  logKey,
  makeFolder,
  outputLogOf,
  sampleRecords,
  sumdbKey,
  ZONE,
} from "./world.ts";

const folder = makeFolder("service");
let folders = 0;
const fresh = (): string => join(folder, `store-${folders++}`);
const records = sampleRecords();
/** The same records up to `at`, and others after. */
const forked = (at: number): Uint8Array[] => [...records.slice(0, at), ...records.slice(at + 1)];
const epochs = (operator: Operator): number[] => operator.served.map(({ epoch }) => epoch);

/** The system's clock of an operator, in a test's hand. */
class Clock {
  seconds: number;
  constructor(seconds = Math.floor(Date.now() / 1000)) {
    this.seconds = seconds;
  }
  readonly now = (): number => this.seconds;
}

describe("Service", () => {
  it("makes an epoch of each size that it sees, and a client verifies what it serves", async () => {
    const sumdb = makeSumdb(records, 100);
    const operator = await startOperator({ folder: fresh(), sumdb });
    for (const size of [250, 900, records.length]) {
      sumdb.setSize(size);
      await until(`size ${size}`, () => operator.service.data.sumdbSize === size);
    }
    const reference = computeLeaves(records, [100, 250, 900, records.length]);
    assert.deepEqual(
      operator.served.map(({ mapRoot }) => mapRoot),
      reference.map(({ mapRoot }) => formatHex(mapRoot)),
    );
    assert.deepEqual(epochs(operator), [1, 2, 3, 4]);
    const steps = ["fetched", "computed", "hashed", "committed", "signed", "cosigned", "served"];
    assert.deepEqual(
      operator.steps,
      [1, 2, 3, 4].flatMap((epoch) => steps.map((step) => `${step} ${epoch}`)),
    );
    const { answer } = await clientOf(operator).lookup(
      { kind: "module", path: "example.com/hello" },
      { withRecord: true },
    );
    assert.ok(answer.kind === "module" && answer.value.latest.version.text === "v1.2.0");
    await operator.close();
  });

  it("refuses to start on an empty checksum database, on one that is away, and on one with another key", async () => {
    const empty = startOperator({ folder: fresh(), sumdb: makeSumdb(records, 0) });
    await assert.rejects(empty, (error) => isProofdnsError(error, "NO_ANSWER"));
    const change = (): never => {
      throw new ProofdnsError("UNREACHABLE", "away");
    };
    const away = startOperator({ folder: fresh(), sumdb: makeSumdb(records, 5), change });
    await assert.rejects(away, (error) => isProofdnsError(error, "UNREACHABLE"));
    const note = signText(formatTreeHead(makeLog(records).treeHead(5)), {
      ...sumdbKey,
      seed: new Uint8Array(32).fill(9),
    });
    const other = startOperator({
      folder: fresh(),
      sumdb: makeSumdb(records, 5),
      change: (target, reply) => (target === "/latest" ? withBody(reply, Buffer.from(note)) : undefined),
    });
    await assert.rejects(other, (error) => isProofdnsError(error, "BAD_SUMDB_SIGNATURE"));
  });

  it("serves its last epoch on while the checksum database is away, and goes on when it is back", async () => {
    const sumdb = makeSumdb(records, 100);
    let isAway = false;
    const change = (): undefined => {
      if (isAway) throw new ProofdnsError("UNREACHABLE", "cannot read /latest: connect ECONNREFUSED");
    };
    const operator = await startOperator({ folder: fresh(), sumdb, change });
    isAway = true;
    sumdb.setSize(200);
    await until("an alarm", () =>
      operator.logged.some((line) => /^alarm .*ECONNREFUSED; epoch 1 is served on$/.test(line)),
    );
    await clientOf(operator).lookup({ kind: "module", path: "example.com/hello" });
    assert.equal(operator.service.data.epoch, 1);
    isAway = false;
    await until("epoch 2", () => operator.service.data.epoch === 2);
    await operator.close();
  });

  it("starts again on its store while the checksum database is away", async () => {
    const at = fresh();
    await (await startOperator({ folder: at, sumdb: makeSumdb(records, 100) })).close();
    const change = (): never => {
      throw new ProofdnsError("UNREACHABLE", "away");
    };
    const operator = await startOperator({ folder: at, sumdb: makeSumdb(records, 200), change });
    assert.deepEqual(epochs(operator), [1]);
    await clientOf(operator).lookup({ kind: "module", path: "example.com/hello" });
    await operator.close();
  });

  it("does not use a signed text of other than three lines, and uses the next tree head of three", async () => {
    const sumdb = makeSumdb(records, 100);
    let isOdd = true;
    const operator = await startOperator({
      folder: fresh(),
      sumdb,
      change: (target, reply) => {
        if (!isOdd || target !== "/latest" || sumdb.size === 100) return undefined;
        const text = `${formatTreeHead(makeLog(records).treeHead(150))}extra\n`;
        return withBody(reply, Buffer.from(signText(text, sumdbKey)));
      },
    });
    sumdb.setSize(150);
    await until("an alarm", () =>
      operator.logged.some((line) => line.startsWith("alarm sumdb.example.org signed what is not used")),
    );
    assert.equal(operator.service.data.epoch, 1);
    isOdd = false;
    await until("epoch 2", () => operator.service.data.epoch === 2);
    await operator.close();
  });

  it("keeps epochs apart by the epoch interval", async () => {
    const clock = new Clock();
    const sumdb = makeSumdb(records, 100);
    const operator = await startOperator({ folder: fresh(), sumdb, epochInterval: 600, now: clock.now });
    sumdb.setSize(200);
    clock.seconds += 599;
    const asked = operator.source.requests.length;
    await until("some questions", () => operator.source.requests.length > asked + 20);
    assert.equal(operator.service.data.epoch, 1);
    sumdb.setSize(300);
    clock.seconds += 1;
    await until("epoch 2", () => operator.service.data.epoch === 2);
    assert.equal(operator.service.data.sumdbSize, 300);
    assert.equal(operator.service.data.nextEpochTime, clock.seconds + 600);
    await operator.close();
  });

  it("keeps the epoch interval over a restart", async () => {
    const clock = new Clock();
    const at = fresh();
    const options = { epochInterval: 600, now: clock.now };
    await (await startOperator({ folder: at, sumdb: makeSumdb(records, 100), ...options })).close();
    clock.seconds += 300;
    const operator = await startOperator({ folder: at, sumdb: makeSumdb(records, 200), ...options });
    await until("some questions", () => operator.source.requests.length > 20);
    assert.equal(operator.service.data.epoch, 1);
    clock.seconds += 300;
    await until("epoch 2", () => operator.service.data.epoch === 2);
    await operator.close();
  });
});

describe("a checksum database that forks", () => {
  for (const [what, size, at] of [
    ["with a larger tree", 300, 50],
    ["at the size that is known", 200, 50],
    ["with a smaller tree", 150, 50],
  ] as const) {
    it(`${what} stops the index: the last epoch is served on, and the evidence convinces a third party`, async () => {
      const place = fresh();
      const operator = await startOperator({ folder: place, sumdb: makeSumdb(records, 200) });
      operator.source.server = makeSumdb(forked(at), size);
      await until("evidence", () => operator.evidence.length > 0);
      const { older, newer } = verifyForkEvidence(JSON.parse(JSON.stringify(operator.evidence[0])), identity.sumdbKey);
      assert.deepEqual([older.treeSize, newer.treeSize], [Math.min(200, size), Math.max(200, size)]);
      await until("an alarm", () => operator.logged.some((line) => line.startsWith("alarm SECURITY: ")));
      // It never follows again, not even a tree that continues its own.
      operator.source.server = makeSumdb(records, 400);
      const asked = operator.source.requests.length;
      await sleep(60);
      assert.equal(operator.source.requests.length, asked);
      assert.equal(operator.service.data.epoch, 1);
      await clientOf(operator).lookup({ kind: "module", path: "example.com/hello" });
      await operator.close();

      const again = await startOperator({ folder: place, sumdb: makeSumdb(forked(at), size) });
      assert.deepEqual(epochs(again), [1]);
      await until("evidence again", () => again.evidence.length > 0);
      verifyForkEvidence(again.evidence[0], identity.sumdbKey);
      await clientOf(again).lookup({ kind: "module", path: "example.com/hello" });
      await again.close();
    });
  }
});

describe("the clock", () => {
  const heartbeat = 0.02;

  it("changes only the cosignatures with its heartbeats, and its times only grow", async () => {
    const clock = new Clock();
    const operator = await startOperator({
      folder: fresh(),
      sumdb: makeSumdb(records, 100),
      heartbeat,
      poll: NEVER,
      now: clock.now,
    });
    const indexKey = computeIndexKey("example.com/hello", nodeSha256);
    const before = { head: headOf(operator), answer: operator.service.data.moduleAnswer(indexKey) };
    let last = clock.seconds;
    for (let i = 0; i < 4; i++) {
      clock.seconds += 60;
      await until("a heartbeat", () => clockTimes(operator)[0] !== last);
      last = clockTimes(operator)[0] as number;
      assert.equal(last, clock.seconds);
      const { cosignatures, ...rest } = headOf(operator);
      const { cosignatures: earlier, ...wanted } = before.head;
      assert.deepEqual(rest, wanted);
      assert.notDeepEqual(cosignatures, earlier);
      assert.deepEqual(operator.service.data.moduleAnswer(indexKey), before.answer);
    }
    await operator.close();
  });

  it("keeps the first and the last cosignature of an epoch, over restarts, and both verify", async () => {
    const clock = new Clock();
    const at = fresh();
    const sumdb = makeSumdb(records, 100);
    const options = { folder: at, sumdb, heartbeat, poll: 0.01, now: clock.now };
    const began = clock.seconds;
    for (let i = 0; i < 3; i++) {
      const operator = await startOperator(options);
      clock.seconds += 60;
      await until("a heartbeat", () => clockTimes(operator)[0] === clock.seconds);
      await operator.close();
    }
    sumdb.setSize(200);
    const operator = await startOperator(options);
    await until("epoch 2", () => operator.service.data.epoch === 2);
    const [kept] = await operator.store.cosignatures(1);
    assert.deepEqual([kept?.first.time, kept?.last.time], [began, clock.seconds]);
    const { checkpointText } = await new Publisher({
      store: operator.store,
      logKey,
      clockKey,
      maxStall: undefined,
    }).sign(1, outputLogOf(await leavesOf(operator.store)));
    for (const cosignature of [kept?.first, kept?.last]) {
      verifyCosignature(
        checkpointText,
        cosignature as NonNullable<typeof kept>["first"],
        clockKey.verifierKey,
        ed25519,
      );
    }
    // The old epoch is not cosigned any more.
    clock.seconds += 60;
    await until("a heartbeat", () => clockTimes(operator)[0] === clock.seconds);
    assert.equal((await operator.store.cosignatures(1))[0]?.last.time, clock.seconds - 60);
    await operator.close();
  });

  it("waits while the system's time is earlier than what it signed, also over a restart and with a new epoch", async () => {
    const clock = new Clock();
    const began = clock.seconds;
    const at = fresh();
    const sumdb = makeSumdb(records, 100);
    const options = { folder: at, sumdb, heartbeat, now: clock.now };
    const operator = await startOperator(options);
    clock.seconds -= 3600;
    const isToldOf = (one: Operator): boolean =>
      one.logged.some((line) => line.includes("earlier than what the clock signed"));
    await until("an alarm", () => isToldOf(operator));
    assert.deepEqual(clockTimes(operator), [began]);
    await operator.close();
    const again = await startOperator(options);
    sumdb.setSize(200);
    await until("an alarm again", () => isToldOf(again));
    await sleep(60);
    assert.ok(clockTimes(again).every((time) => time === began));
    assert.equal((await again.store.clock())?.time, began);
    clock.seconds = began + 5;
    await until("the clock", () => again.service.data.epoch === 2 && clockTimes(again)[0] === began + 5);
    await again.close();
  });

  it("never signs a smaller log than it signed before", async () => {
    const store = await Store.open(fresh(), identity);
    const publisher = new Publisher({ store, logKey, clockKey, maxStall: undefined });
    const leaves = computeLeaves(records, [10, 20]).map(({ leafText }) => leafText);
    const signed = await publisher.sign(1, outputLogOf(leaves));
    await store.putClock({ epoch: 2, time: 1000, lastGrowth: 1000 });
    assert.equal(await publisher.tick(signed, 2000), "smaller");
    assert.deepEqual(await store.cosignatures(1), []);
    assert.notEqual(typeof (await publisher.tick(await publisher.sign(2, outputLogOf(leaves)), 2000)), "string");
    await store.close();
  });

  it("stops when the checksum database has not grown for too long, and goes on with the next epoch", async () => {
    const clock = new Clock();
    const began = clock.seconds;
    const at = fresh();
    const sumdb = makeSumdb(records, 100);
    const options = { folder: at, sumdb, heartbeat, now: clock.now, maxStall: 600 };
    const operator = await startOperator(options);
    clock.seconds = began + 600;
    await until("the last moment", () => clockTimes(operator)[0] === began + 600);
    clock.seconds = began + 601;
    await until("an alarm", () => operator.logged.some((line) => line.includes("has not grown for 600 s")));
    assert.deepEqual(clockTimes(operator), [began + 600]);
    await operator.close();
    clock.seconds = began + 7200;
    const again = await startOperator(options);
    assert.deepEqual(clockTimes(again), [began + 600]);
    // A client sees the age.
    const client = clientOf(again, () => began + 600 + 86_401);
    await assert.rejects(client.lookup({ kind: "module", path: "example.com/hello" }), (error) =>
      isProofdnsError(error, "STALE"),
    );
    sumdb.setSize(200);
    await until("epoch 2", () => again.service.data.epoch === 2);
    assert.deepEqual(clockTimes(again), [began + 7200]);
    await again.close();
  });

  it("never makes a head younger or older by a cosignature out of order", async () => {
    const store = await Store.open(fresh(), identity);
    const publisher = new Publisher({ store, logKey, clockKey, maxStall: undefined });
    const leaves = computeLeaves(records, [10]).map(({ leafText }) => leafText);
    let signed = await publisher.sign(1, outputLogOf(leaves));
    const signature = new Uint8Array(64);
    for (const time of [500, 700, 600, 500, 700]) signed = await publisher.keep(signed, { keyId: 7, time, signature });
    const [kept] = await store.cosignatures(1);
    assert.deepEqual([kept?.first.time, kept?.last.time], [500, 700]);
    assert.equal(signed.cosignatures.length, 1);
    await store.close();
  });
});

describe("t<time>._head", () => {
  it("is the newest epoch that had its quorum by then, with its first cosignatures, and none before the first", async () => {
    const hour = 3600;
    const began = Math.floor(Date.now() / 1000 / hour) * hour - 10 * hour;
    const clock = new Clock(began - 100);
    const sumdb = makeSumdb(records, 100);
    const at = fresh();
    const options = { folder: at, sumdb, heartbeat: 0.02, now: clock.now };
    let operator = await startOperator(options);
    // Epoch 2 an hour later, epoch 3 two hours after that.
    for (const [size, hours] of [
      [200, 1],
      [300, 3],
    ] as const) {
      clock.seconds = began - 100 + hours * hour;
      sumdb.setSize(size);
      await until(`size ${size}`, () => operator.service.data.sumdbSize === size);
    }
    clock.seconds = began + 9 * hour;
    await until("a late heartbeat", () => clockTimes(operator)[0] === clock.seconds);
    for (const isRestarted of [false, true]) {
      if (isRestarted) {
        await operator.close();
        operator = await startOperator(options);
      }
      const transport = new DnsTransport({ server: operator.listen });
      const questions = new Questions(ZONE, nodeSha256);
      const ask = async (hours: number): Promise<[number, number] | string> => {
        const reply = await transport.query(questions.headAt(began + hours * hour));
        if (reply.kind !== "txt") return reply.kind;
        const head = decodeHead(reply.payload, "plain");
        return [head.epoch, (head.cosignatures[0]?.time ?? 0) - began];
      };
      assert.deepEqual(
        [await ask(-1), await ask(0), await ask(1), await ask(2), await ask(3), await ask(9)],
        ["nodata", [1, -100], [2, hour - 100], [2, hour - 100], [3, 3 * hour - 100], [3, 3 * hour - 100]],
      );
      assert.equal((await transport.query(questions.headAt(began + 1))).kind, "nodata");
      assert.equal((await transport.query(questions.headAt(began + 24 * hour))).kind, "nodata");
      const age = await clientOf(operator, clock.now).age(began + 2 * hour);
      assert.deepEqual([age?.epoch, age?.publicSince], [2, began + hour - 100]);
    }
    await operator.close();
  });
});

describe("a store", () => {
  it("is used by one service at a time: the second start says so, and harms nothing", async () => {
    const at = fresh();
    const operator = await startOperator({ folder: at, sumdb: makeSumdb(records, 100) });
    await assert.rejects(startOperator({ folder: at, sumdb: makeSumdb(records, 100) }), (error) => {
      assert.ok(isProofdnsError(error, "STORE_UNUSABLE"));
      assert.match(error.message, /another process has it open; stop that one first$/);
      return true;
    });
    await clientOf(operator).lookup({ kind: "module", path: "example.com/hello" });
    await operator.close();
    await (await startOperator({ folder: at, sumdb: makeSumdb(records, 100) })).close();
  });

  it("whose folder cannot be made is refused", async () => {
    for (const at of ["/dev/null/store", "/dev/null"]) {
      await assert.rejects(startOperator({ folder: at, sumdb: makeSumdb(records, 1) }), (error) =>
        isProofdnsError(error, "STORE_UNUSABLE"),
      );
    }
  });

  it("whose port is taken is closed again, and can be opened on another", async () => {
    const first = await startOperator({ folder: fresh(), sumdb: makeSumdb(records, 100) });
    const port = Number(first.listen.split(":")[1]);
    const at = fresh();
    await assert.rejects(startOperator({ folder: at, sumdb: makeSumdb(records, 100), port }), (error) => {
      assert.ok(isProofdnsError(error));
      assert.match(error.message, new RegExp(`cannot listen on 127\\.0\\.0\\.1.*${port}.*EADDRINUSE`));
      return true;
    });
    await (await startOperator({ folder: at, sumdb: makeSumdb(records, 100) })).close();
    await first.close();
  });
});

async function leavesOf(store: Store): Promise<string[]> {
  const leaves: string[] = [];
  for await (const leaf of store.leaves()) leaves.push(leaf);
  for (const leaf of leaves) parseLeaf(leaf, sumdbKey.verifierKey);
  return leaves;
}
