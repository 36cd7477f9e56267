import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { ClaimedRecord } from "../../src/client/client.ts";
import type { Transport } from "../../src/client/transport.ts";
import { EpochAnswers } from "../../src/dns/answers.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { decodeHead, encodeHead } from "../../src/vindex/payload.ts";
import { parseRecord } from "../../src/vindex/record.ts";
import { hide, redirect, swap, tamper, ZoneTransport } from "../attack/liars.ts";
import { record } from "../attack/records.ts";
import { allAt, policyWith, START, timeOf, trustOf, World } from "../attack/world.ts";
import { EPOCHS, makeFork, makeWorld, NOW, records, refusal, Scene, sizeOf } from "./scene.ts";

/** How old records are: heads of a time in the past, and those who would make them older. */

const world = await makeWorld();
const fork = await makeFork();
/** Where the checksum database forks, in `sumdbFork`. */
const FORKED_RECORD = 60;
const forkedRecords = records.map((text, i) => (i < FORKED_RECORD ? text : record(`example.com/other${i}`, "v1.0.0")));
const sumdbFork = await World.build({
  records: forkedRecords,
  sizes: Array.from({ length: EPOCHS }, (_, i) => sizeOf(i + 1)),
});
const scenes: Scene[] = [];
after(async () => {
  await Promise.all(scenes.map((scene) => scene.remove()));
  await Promise.all([world.close(), fork.close(), sumdbFork.close()]);
});

function claimOf(texts: readonly string[], logIndex: number): ClaimedRecord {
  const parsed = parseRecord(encodeUtf8(texts[logIndex] as string));
  assert.ok(parsed !== undefined);
  const { path, version, zipHash, goModHash } = parsed;
  return { path, version: version.text, zipHash, goModHash, logIndex };
}

async function scene(remembered?: number): Promise<Scene> {
  const made = await Scene.make(world, remembered);
  scenes.push(made);
  return made;
}

/** Two hours after the start: epoch 11 has its quorum by then, epoch 12 only nine seconds later. */
const TIME = START + 7200;
const EPOCH = 11;
const AT = /^t\d+\._head$/;

async function refusesAge(code: string, transport: Transport, trust = trustOf(world.keys)): Promise<void> {
  const s = await scene();
  const error = await refusal(() => s.client(transport, { trust }).age(TIME));
  assert.equal(error.code, code, error.message);
  assert.equal(await s.state(), undefined);
}

test("proves which records were public at a time, and since when", async () => {
  const s = await scene();
  const server = s.server();
  const age = await s.client(server).age(TIME);
  assert.ok(age !== undefined);
  assert.deepEqual([age.epoch, age.leaf.treeHead.treeSize, age.publicSince], [EPOCH, sizeOf(EPOCH), timeOf(EPOCH) + 9]);
  assert.deepEqual(server.asked, ["_head", `t${TIME}._head`, `${EPOCH}.${EPOCHS}._consistency`]);
});

test("needs no consistency proof if the newest epoch is old enough itself", async () => {
  const s = await scene();
  const server = s.server(EPOCH, undefined, TIME + 60);
  const age = await s.client(server, { now: TIME + 60 }).age(TIME);
  assert.equal(age?.epoch, EPOCH);
  assert.deepEqual(server.asked, ["_head", `t${TIME}._head`]);
});

test("finds the fork between the newest head and that of a time by the other tree of the known size", async () => {
  for (const isWithheld of [true, false]) {
    const s = await scene();
    const forked = new ZoneTransport(fork.answers(EPOCHS), NOW);
    const sides = redirect(forked, /^t\d+\._head$|^e14\._head$/, s.server());
    // The proof that is shown is that of the true log: it shows only that something is wrong.
    const transport = isWithheld ? hide(sides, /_consistency$/) : redirect(sides, /_consistency$/, s.server());
    const error = await refusal(() => s.client(transport).age(TIME));
    assert.equal(error.code, "FORK");
    assert.equal((await s.evidence()).length, 1);
  }
});

test("says that there is no such head before the log began, at no whole hour, and in the future", async () => {
  const s = await scene();
  const client = s.client(s.server());
  for (const time of [START, START - 3600, TIME + 1, START + 3600 * 24 * 365])
    assert.equal(await client.age(time), undefined);
});

test("refuses a head whose cosignatures are all younger than the time", async () => {
  const later = world.answers(EPOCH, allAt(TIME + 1)).head(EPOCH);
  await refusesAge(
    "TOO_YOUNG",
    swap(new ZoneTransport(world.answers(), NOW), AT, () => later),
  );
});

test("refuses a younger head that is passed off as an older one", async () => {
  for (const epoch of [12, 13, EPOCHS]) {
    await refusesAge(
      "TOO_YOUNG",
      swap(new ZoneTransport(world.answers(), NOW), AT, () => world.answers(epoch).head(epoch)),
    );
  }
});

test("refuses a head of which only a part of the quorum is old enough", async () => {
  const part = world.answers(EPOCH, { ...allAt(timeOf(EPOCH)), w2: TIME + 1 }).head(EPOCH);
  await refusesAge(
    "TOO_YOUNG",
    swap(new ZoneTransport(world.answers(), NOW), AT, () => part),
  );
  const { w2: _, ...less } = allAt(timeOf(EPOCH));
  const missing = world.answers(EPOCH, less).head(EPOCH);
  await refusesAge(
    "NO_QUORUM",
    swap(new ZoneTransport(world.answers(), NOW), AT, () => missing),
  );
});

test("counts the oldest quorum that the policy asks for", async () => {
  const s = await scene();
  const times = { clock: TIME - 10, w1: TIME - 3000, w2: TIME - 20, w3: TIME + 5 };
  const head = world.answers(EPOCH, times).head(EPOCH);
  for (const [rule, since] of [
    ["group g 2 w1 w2 w3\nquorum g", TIME - 20],
    ["group g any clock w1 w2 w3\nquorum g", TIME - 3000],
    ["quorum clock", TIME - 10],
  ] as const) {
    const trust = trustOf(world.keys, { policy: policyWith(world.keys, rule) });
    const age = await s
      .client(
        swap(s.server(), AT, () => head),
        { trust },
      )
      .age(TIME);
    assert.equal(age?.publicSince, since);
  }
});

test("proves no age by a policy without a quorum", async () => {
  const trust = trustOf(world.keys, { policy: policyWith(world.keys, "quorum none") });
  await refusesAge("NO_FRESHNESS", new ZoneTransport(world.answers(), NOW), trust);
});

test("refuses an old head without the proof that the newest continues it", async () => {
  const server = new ZoneTransport(world.answers(), NOW);
  const s = await scene();
  const error = await refusal(() => s.client(hide(server, /_consistency$/)).age(TIME));
  assert.equal(error.kind, "unavailable");
  const break_ = (payload: Uint8Array): Uint8Array => payload.map((b, i) => (i === 1 ? b ^ 1 : b));
  await refusesAge("EXTENSION_NOT_PROVEN", tamper(server, /_consistency$/, break_));
  await refusesAge(
    "MALFORMED_ANSWER",
    tamper(server, /_consistency$/, (payload) => payload.subarray(0, payload.length - 32)),
  );
});

test("refuses cosignatures that were dated back", async () => {
  const server = new ZoneTransport(world.answers(), NOW);
  const back = (payload: Uint8Array): Uint8Array => {
    const head = decodeHead(payload, "plain");
    return encodeHead({ ...head, cosignatures: head.cosignatures.map((one) => ({ ...one, time: one.time - 600 })) });
  };
  await refusesAge("BAD_COSIGNATURE", tamper(server, AT, back));
});

test("calls an old head of another tree a fork, with evidence", async () => {
  const s = await scene();
  const side = new ZoneTransport(fork.answers(), NOW);
  const error = await refusal(() => s.client(redirect(s.server(), AT, side)).age(TIME));
  assert.equal(error.code, "FORK");
  assert.equal((await s.evidence()).length, 1);
});

test("holds an old head beside the memory, if that is newer than the newest head", async () => {
  // Head and proofs are of the trunk, the old head is of the other side, between the trunk and the memory.
  const s = await scene(13);
  const side = new ZoneTransport(fork.answers(), NOW);
  const trunk = redirect(side, /^(s13\.)?_head$/, s.server(5, allAt(NOW - 60)));
  const transport = redirect(trunk, /^5\.13\._consistency$/, s.server());
  const error = await refusal(() => s.client(transport).age(TIME));
  assert.ok(["FORK", "EXTENSION_NOT_PROVEN"].includes(error.code), error.code);
});

test("asks by TCP before it believes that an old head is false", async () => {
  const s = await scene();
  const server = s.server();
  const break_ = (payload: Uint8Array): Uint8Array => payload.map((b, i) => (i === payload.length - 1 ? b ^ 1 : b));
  for (const names of [AT, /_consistency$/]) {
    const age = await s.client(tamper(server, names, break_, { udpOnly: true })).age(TIME);
    assert.equal(age?.epoch, EPOCH);
  }
});

/** One log whose epoch 11 has one tree of the checksum database, and its epoch 12 another that contradicts it. */
function forkedBetween(): { log: ZoneTransport; side: ZoneTransport; now: number } {
  const now = timeOf(12) + 60;
  const forged = world.forge(11, { treeHead: sumdbFork.records.treeHead(sizeOf(12)) });
  const times = [...world.snapshot(11).times, ...world.snapshot(12).times.slice(11)];
  return {
    log: new ZoneTransport(new EpochAnswers({ ...forged, times }), now),
    side: new ZoneTransport(sumdbFork.answers(12), now),
    now,
  };
}

test("a record is of no proven age beside an old head of another tree of the checksum database", async () => {
  const INDEX = 62;
  for (const isDatedFirst of [true, false]) {
    const s = await scene();
    const { log, side, now } = forkedBetween();
    const client = s.client(redirect(log, /\._(record|sumdb)$/, side), { now });
    const prove = (): Promise<void> => client.proveRecord(claimOf(forkedRecords, INDEX));
    if (!isDatedFirst) await prove();
    const age = await client.age(TIME);
    assert.ok(age !== undefined && INDEX < age.leaf.treeHead.treeSize, "the old head seems to cover it");
    const error = await refusal(() => client.proveAgeTree(age));
    assert.equal(error.code, "SUMDB_FORK", error.message);
    assert.equal((await s.evidence()).length, 1);
    // The record is in the checksum database all the same, and of no age that is proven.
    if (isDatedFirst) await prove();
    assert.notEqual(claimOf(records, INDEX).path, claimOf(forkedRecords, INDEX).path);
  }
});

test("an old head that nothing connects with the records proves no age, and a proof that fails is no denial", async () => {
  const { log, side, now } = forkedBetween();
  const transport = redirect(log, /\._(record|sumdb)$/, side);
  const break_ = (payload: Uint8Array): Uint8Array => payload.map((b, i) => (i === 1 ? b ^ 1 : b));
  for (const [lying, code] of [
    [hide(transport, /\._sumdb$/), "NO_ANSWER"],
    [tamper(transport, /\._sumdb$/, break_), "SUMDB_EXTENSION_NOT_PROVEN"],
    [tamper(transport, /\._sumdb$/, (payload) => payload.subarray(0, payload.length - 32)), "MALFORMED_ANSWER"],
    [redirect(transport, /\._sumdb$/, log), "SUMDB_EXTENSION_NOT_PROVEN"],
  ] as const) {
    const s = await scene();
    const client = s.client(lying, { now });
    const age = await client.age(TIME);
    assert.ok(age !== undefined);
    assert.equal((await refusal(() => client.proveAgeTree(age))).code, code);
  }
});

test("the tree of an old head costs one question, however many records it dates, and none if it is the newest", async () => {
  for (const remembered of [undefined, EPOCHS, 13]) {
    const s = await scene(remembered);
    const server = s.server();
    const client = s.client(server);
    const age = await client.age(TIME);
    assert.ok(age !== undefined);
    for (const logIndex of [5, 6]) {
      await client.proveAgeTree(age);
      await client.proveRecord(claimOf(records, logIndex));
    }
    const asked = server.asked.filter((name) => name.endsWith("._sumdb"));
    // That the checksum database continues the known one is asked for any record.
    const known = remembered === 13 ? [`${sizeOf(13)}.${sizeOf(EPOCHS)}._sumdb`] : [];
    assert.deepEqual(asked, [...known, `${sizeOf(EPOCH)}.${sizeOf(EPOCHS)}._sumdb`]);
  }
  const s = await scene();
  const server = s.server(EPOCH, undefined, TIME + 60);
  const client = s.client(server, { now: TIME + 60 });
  const age = await client.age(TIME);
  assert.ok(age !== undefined);
  await client.proveAgeTree(age);
  assert.deepEqual(server.asked, ["_head", `t${TIME}._head`]);
});

test("no record is proven beside an old head that is larger than the newest, in a tree that contradicts it", async () => {
  const s = await scene();
  // The newest head that is shown is of epoch 5, before the fork; then comes one of the other tree.
  const trunk = redirect(s.server(), /^_head$/, s.server(5, allAt(NOW - 60)));
  const side = new ZoneTransport(sumdbFork.answers(), NOW);
  let isForked = false;
  const transport: Transport = {
    query: (name, options) => (isForked ? redirect(trunk, /\._(record|sumdb)$/, side) : trunk).query(name, options),
  };
  const client = s.client(transport);
  const age = await client.age(TIME);
  assert.equal(age?.epoch, EPOCH);
  await client.proveAgeTree(age);
  isForked = true;
  const head = sumdbFork.head(EPOCHS);
  const error = await refusal(() => client.recordProof(claimOf(forkedRecords, 62), { head }));
  assert.match(error.code, /^SUMDB_(FORK|EXTENSION_NOT_PROVEN)$/);
});
