import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Transport } from "../../src/client/transport.ts";
import { decodeHead, encodeHead } from "../../src/vindex/payload.ts";
import { hide, redirect, swap, tamper, ZoneTransport } from "../attack/liars.ts";
import { allAt, policyWith, START, timeOf, trustOf } from "../attack/world.ts";
import { EPOCHS, makeFork, makeWorld, NOW, refusal, Scene, sizeOf } from "./scene.ts";

/** How old records are: heads of a time in the past, and those who would make them older. */

const world = await makeWorld();
const fork = await makeFork();
const scenes: Scene[] = [];
after(async () => {
  await Promise.all(scenes.map((scene) => scene.remove()));
  await Promise.all([world.close(), fork.close()]);
});

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
