import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, beforeEach, describe, it, mock } from "node:test";
import { Later } from "../../src/cli/later.ts";
import { proveAge, proveRecord } from "../../src/cli/session-record.ts";
import { FolderAnswerCache } from "../../src/client/answer-cache-folder.ts";
import type { ClaimedRecord, Client } from "../../src/client/client.ts";
import type { SumdbExtension } from "../../src/client/sumdb-extension.ts";
import type { Transport } from "../../src/client/transport.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import type { EpochLeaf } from "../../src/vindex/leaf.ts";
import { parseRecord } from "../../src/vindex/record.ts";
import { denial, hide, redirect, shownName, txtReply, type ZoneTransport } from "../attack/liars.ts";
import { record } from "../attack/records.ts";
import { START, timeOf, World } from "../attack/world.ts";
import { EPOCHS, makeFork, makeWorld, NOW, records, refusal, Scene, STEADY, sizeOf } from "./scene.ts";

/** Kept proofs of records (spec/client.md §10). */

let world: World;
let fork: World;
/** The checksum database itself forked: from record 60 on it has others. */
let sumdbFork: World;
let scene: Scene;
let claim: ClaimedRecord;
let ignored: string[];

const FORKED_RECORD = 60;

before(async () => {
  world = await makeWorld();
  fork = await makeFork();
  const others = records.map((text, i) => (i < FORKED_RECORD ? text : record(`example.com/other${i}`, "v1.0.0")));
  sumdbFork = await World.build({
    records: others,
    sizes: Array.from({ length: EPOCHS }, (_, i) => sizeOf(i + 1)),
  });
  const first = await Scene.make(world);
  const { answer } = await first.client(first.server()).lookup(STEADY);
  assert.ok(answer.kind === "module");
  const { latest, zipHash, goModHash } = answer.value;
  claim = { path: answer.path, version: latest.version.text, zipHash, goModHash, logIndex: latest.logIndex };
  assert.ok(claim.logIndex < sizeOf(1));
  await first.remove();
});
after(async () => {
  for (const one of [world, fork, sumdbFork]) await one.close();
});
beforeEach(async () => {
  scene = await Scene.make(world);
  ignored = [];
  return () => scene.remove();
});

function cache(options: { now?: number } = {}): FolderAnswerCache {
  const { trust, store: memory } = scene;
  const now = (): number => options.now ?? NOW;
  const folder = join(dirname(scene.folder), "cache");
  return new FolderAnswerCache({ folder, trust, memory, now, onIgnored: (message) => ignored.push(message) });
}

interface Run {
  readonly client: Client;
  readonly cache: FolderAnswerCache;
  readonly later: Later;
  readonly isOffline: boolean;
}

function runOf(transport: Transport, more: Partial<Run> = {}): Run {
  return { client: scene.client(transport), cache: cache(), later: new Later(), isOffline: false, ...more };
}

/** Proves the record in an epoch of a world, so that it is kept, and remembers the head or forgets it. */
async function keep(epoch = EPOCHS, from = world, isRemembered = true): Promise<void> {
  const other = await Scene.make(from);
  const client = isRemembered ? scene.client(scene.server(epoch)) : other.client(other.server(epoch));
  const run = runOf(scene.server(), { client });
  await proveRecord(run, claim);
  await run.later.done();
  if (isRemembered) await client.commit();
  await other.remove();
}

const OFFLINE = { isOffline: true };
const asksOf = ({ asked }: ZoneTransport): string[] => asked.map((name) => name.replace(/^s\d+\./, "s."));

describe("a kept record", () => {
  it("is proven again under the head that it was proven under, and nothing is asked", async () => {
    await keep();
    const server = scene.server();
    const { queries } = await proveRecord(runOf(server), claim);
    assert.deepEqual([asksOf(server), queries], [["s._head"], 1]);
    assert.deepEqual(ignored, []);
  });

  it("is proven under a later head by the extension between the two alone, which moves the known tree head on", async () => {
    await keep(EPOCHS - 3);
    const server = scene.server();
    const run = runOf(server);
    await proveRecord(run, claim);
    const [from, to] = [sizeOf(EPOCHS - 3), sizeOf(EPOCHS)];
    assert.deepEqual(asksOf(server), ["s._head", `${from}.${to}._sumdb`]);
    await run.client.commit();
    const memory = await scene.store.read();
    assert.equal(memory?.epoch, EPOCHS);
    assert.equal(memory?.sumdbLeaf, undefined, "the newest tree head is the known one");
  });

  it("of an earlier tree than the known one is compared with the newest, and that with the known one", async () => {
    await keep(EPOCHS - 6);
    await scene.store.write(world.memory(EPOCHS - 3), await scene.store.read());
    const server = scene.server();
    await proveRecord(runOf(server), claim);
    const to = sizeOf(EPOCHS);
    const sizes = [EPOCHS - 6, EPOCHS - 3].map((epoch) => `${sizeOf(epoch)}.${to}._sumdb`);
    assert.deepEqual(asksOf(server).sort(), [...sizes, "s._head"].sort());
  });

  it("of a later tree than a server has, which lags, is asked of it", async () => {
    await keep(EPOCHS, world, false);
    const server = scene.server(EPOCHS - 1);
    const run = runOf(server);
    await proveRecord(run, claim);
    const sizes = [sizeOf(EPOCHS - 1), sizeOf(EPOCHS)];
    const [extension, asked] = [`${sizes.join(".")}._sumdb`, `${claim.logIndex}.${sizes[0]}._record`];
    assert.deepEqual(server.asked, ["_head", extension, `tcp ${extension}`, asked]);
    await proveRecord({ ...run, later: new Later() }, claim);
    assert.deepEqual(server.asked.slice(4), [asked], "which has no such proof is asked for it once");
  });

  it("proves the record whatever became of the log that it came from: no log is trusted in it", async () => {
    await keep(EPOCHS - 3, fork, false);
    const server = scene.server();
    await proveRecord(runOf(server), claim);
    assert.ok(server.asked.includes(`${sizeOf(EPOCHS - 3) + 1}.${sizeOf(EPOCHS)}._sumdb`));
  });

  it("is asked where nothing usable comes of the extension, be it denied, not answered or malformed, once for all", async () => {
    await keep(EPOCHS - 3, world, false);
    const before = readFileSync(cache().recordPath(claim), "utf8");
    const said = mock.method(console, "error", () => {});
    for (const [what, lie] of [
      ["denied", denial("nodata")],
      ["unanswered", new ProofdnsError("UNREACHABLE", "silence")],
      ["refused", new ProofdnsError("REFUSED", "SERVFAIL")],
      ["malformed", txtReply(Uint8Array.of(1, 2, 3))],
    ] as const) {
      const server = scene.server();
      const isExtension = (name: Uint8Array): boolean => shownName(name).endsWith("._sumdb");
      let asked = 0;
      const transport: Transport = {
        query: async (name, options) => {
          if (!isExtension(name)) return server.query(name, options);
          asked++;
          if (lie instanceof Error) throw lie;
          return lie;
        },
      };
      const run = runOf(transport);
      await proveRecord(run, claim);
      const once = asked;
      await proveRecord(run, claim);
      assert.equal(asked, once, what);
      await run.later.done();
      assert.equal(readFileSync(cache().recordPath(claim), "utf8"), before, "what may tell of a fork stays");
    }
    // Who hides a fork would not deny what it can answer with garbage.
    assert.equal(said.mock.callCount(), 4, "whatever came in place of the proof is suspect, once a run");
    assert.equal((await scene.evidence()).length, 1, "and is kept once");
    said.mock.restore();
  });

  it("under a tree that the server denies is kept, and so is the suspicion, where a fork may be hidden", async () => {
    await keep(EPOCHS - 3, world, false);
    const path = cache().recordPath(claim);
    const before = readFileSync(path, "utf8");
    const side = await Scene.make(sumdbFork);
    const said = mock.method(console, "error", () => {});
    const run = runOf(hide(side.server(), /_sumdb$/));
    await proveRecord(run, claim);
    await proveRecord(run, claim);
    await run.later.done();
    const texts = said.mock.calls.map(({ arguments: [text] }) => String(text));
    said.mock.restore();
    assert.deepEqual([texts.length, readFileSync(path, "utf8")], [1, before]);
    assert.match(
      texts[0] ?? "",
      /the server may have lost proofs, or somebody hides a fork; both tree heads are kept in \S+\/evidence-/,
    );
    const [evidence, ...more] = (await scene.evidence()) as { type: string; notes: string[] }[];
    assert.deepEqual([evidence?.type, evidence?.notes.length, more.length], ["proofdns-suspicion/1", 2, 0]);
    // Beside an honest server it counts, and beside the fork that shows itself it convicts.
    const error = await refusal(() => proveRecord(runOf(side.server()), claim));
    assert.match(error.code, /^SUMDB_(FORK|EXTENSION_NOT_PROVEN)$/);
    await side.remove();
  });

  it("is compared with the head of the answer that it is for, and one of the same tree is no suspicion", async () => {
    const logIndex = sizeOf(EPOCHS) - 1;
    const parsed = parseRecord(encodeUtf8(records[logIndex] as string));
    assert.ok(parsed !== undefined);
    const late = { ...parsed, version: parsed.version.text, logIndex };
    const other = await Scene.make(world);
    const first = runOf(scene.server(), { client: other.client(other.server()) });
    await proveRecord(first, late);
    await first.later.done();
    await other.remove();
    // The newest head lags behind that of the answer.
    const server = scene.server();
    const behind = scene.server(EPOCHS - 1);
    const run = runOf({
      query: (name, options) => (/^_head/.test(shownName(name)) ? behind : server).query(name, options),
    });
    const { answer } = await run.client.lookup(STEADY);
    assert.deepEqual([(await run.client.head()).epoch, answer.head.epoch], [EPOCHS - 1, EPOCHS]);
    server.asked.length = 0;
    const { queries } = await proveRecord(run, late, { head: answer.head });
    assert.deepEqual([queries, server.asked], [0, []]);
    assert.deepEqual(await scene.evidence(), []);
  });

  it("that the newest head does not cover yet is not proven by a later tree", async () => {
    const logIndex = sizeOf(EPOCHS) - 1;
    const parsed = parseRecord(encodeUtf8(records[logIndex] as string));
    assert.ok(parsed !== undefined);
    const late = { ...parsed, version: parsed.version.text, logIndex };
    const other = await Scene.make(world);
    const run = { ...runOf(scene.server()), client: other.client(other.server()) };
    await proveRecord(run, late);
    await run.later.done();
    await other.remove();
    // A server that lags with the head, and not with the proofs.
    const server = scene.server();
    const lagging = redirect(server, /_head$/, scene.server(EPOCHS - 1));
    const error = await refusal(() => proveRecord(runOf(lagging), late));
    assert.equal(error.code, "NO_ANSWER");
    assert.match(error.message, /^record 78 is not covered yet: epoch 13 covers 76 records/);
    assert.deepEqual(server.asked, []);
  });

  it("is asked anew under the seventeenth tree, which would cost a question as well", async () => {
    const trees = 17;
    const now = timeOf(trees) + 60;
    const run = runOf(scene.server(), { cache: cache({ now }) });
    const found: boolean[] = [];
    const wide = await World.build({ records, sizes: Array.from({ length: trees }, (_, i) => 45 + i) });
    const other = await Scene.make(wide);
    for (let epoch = 1; epoch <= trees; epoch++) {
      const client = other.client(other.server(epoch, undefined, now), { now });
      await run.cache.writeRecord(claim, await client.recordProof(claim), client);
      found.push((await run.cache.readRecord(claim)) !== undefined);
    }
    await other.remove();
    await wide.close();
    assert.deepEqual(found, [...Array<boolean>(trees - 1).fill(true), false]);
    assert.ok(await run.cache.readRecord(claim, OFFLINE), "without a network it costs nothing");
  });

  it("fails the run where the checksum database of the newest head does not continue the one it is under", async () => {
    const side = await Scene.make(sumdbFork);
    for (const epoch of [EPOCHS, EPOCHS - 1, EPOCHS - 2]) {
      await keep(epoch, world, false);
      const before = await scene.state();
      const run = runOf(side.server());
      const error = await refusal(() => proveRecord(run, claim));
      assert.match(error.code, /^SUMDB_(FORK|EXTENSION_NOT_PROVEN)$/);
      assert.ok(error.evidence !== undefined);
      await run.client.commit();
      assert.equal(await scene.state(), before, "nothing is remembered of it");
    }
    await side.remove();
    assert.ok((await scene.evidence()).length > 0);
  });

  it("hides no fork behind another tree of the same size that was proven before", async () => {
    // One run, two kept records, under two trees of one size: the proof of one says nothing of the other.
    const epoch = EPOCHS - 1;
    const side = await Scene.make(sumdbFork);
    const [true_, false_] = [scene.client(scene.server(epoch)), side.client(side.server(epoch))];
    const [kept, forged] = [await true_.recordProof(claim), await false_.recordProof(claim)];
    assert.equal(kept.head.leaf.treeHead.treeSize, forged.head.leaf.treeHead.treeSize);
    const client = scene.client(scene.server());
    await client.proveContinuity(kept.head, claim);
    const error = await refusal(() => client.proveContinuity(forged.head, claim));
    assert.match(error.code, /^SUMDB_(FORK|EXTENSION_NOT_PROVEN)$/);
    await side.remove();
  });

  it("ends with SUMDB_FORK where it is under another tree of the known size, with a network or without", async () => {
    await keep(EPOCHS - 2, sumdbFork, false);
    const before = world.memory(EPOCHS - 2);
    await scene.store.write({ ...world.memory(EPOCHS), sumdbLeaf: before.leaf });
    for (const isOffline of [false, true]) {
      const error = await refusal(() => proveRecord(runOf(scene.server(), { isOffline }), claim));
      assert.equal(error.code, "SUMDB_FORK");
      assert.match(error.message, /^the cached answer \S+: .*; the evidence is in \S+$/);
    }
    assert.equal((await scene.evidence()).length, 1);
  });

  it("ends with FORK where its head is another tree of the remembered epoch", async () => {
    await keep(EPOCHS, fork, false);
    await scene.store.write(world.memory(EPOCHS));
    for (const isOffline of [false, true]) {
      const error = await refusal(() => proveRecord(runOf(scene.server(), { isOffline }), claim));
      assert.equal(error.code, "FORK");
    }
  });

  it("counts without a network however old it is, and never one that is from the future", async () => {
    await keep();
    const late = cache({ now: NOW + 900 * 86_400 });
    const { ageTime } = await proveRecord(runOf(scene.server(), { ...OFFLINE, cache: late }), claim);
    assert.ok(ageTime > 0 && ageTime <= NOW);
    const early = cache({ now: NOW - 900 * 86_400 });
    const error = await refusal(() => proveRecord(runOf(scene.server(), { ...OFFLINE, cache: early }), claim));
    assert.deepEqual([error.code, ignored.length], ["NO_ANSWER", 1]);
  });

  it("asks nobody without a network, and says what to do for one that is not kept", async () => {
    const server = scene.server();
    const error = await refusal(() => proveRecord(runOf(server, OFFLINE), claim));
    assert.equal(error.code, "NO_ANSWER");
    assert.match(
      error.message,
      /no proof of the record of example\.com\/steady@v1\.0\.0 is kept; run this once without/,
    );
    await keep();
    await proveRecord(runOf(server, OFFLINE), claim);
    assert.deepEqual(server.asked, []);
  });

  it("that has other hashes than are claimed is a false proof without a network, and is asked anew with one", async () => {
    await keep();
    for (const change of [{ zipHash: new Uint8Array(32) }, { goModHash: new Uint8Array(32) }]) {
      const offline = await refusal(() => proveRecord(runOf(scene.server(), OFFLINE), { ...claim, ...change }));
      assert.deepEqual([offline.code, offline.kind], ["BAD_RECORD_PROOF", "false"]);
      const server = scene.server();
      const online = await refusal(() => proveRecord(runOf(server), { ...claim, ...change }));
      assert.equal(online.code, "BAD_RECORD_PROOF");
      assert.ok(server.asked.some((name) => name.endsWith("._record")));
    }
    assert.deepEqual(ignored, []);
  });

  it("is ignored, with a note, in the place of another", async () => {
    await keep();
    const other = { ...claim, logIndex: claim.logIndex + 1 };
    writeFileSync(cache().recordPath(other), readFileSync(cache().recordPath(claim)));
    assert.equal(await cache().readRecord(other, OFFLINE), undefined);
    const named = { ...claim, version: "v1.0.1" };
    writeFileSync(cache().recordPath(named), readFileSync(cache().recordPath(claim)));
    assert.equal(await cache().readRecord(named, OFFLINE), undefined);
    assert.equal(ignored.length, 2);
  });

  it("is ignored, with a note, wherever a byte of it was changed", async () => {
    await keep();
    const path = cache().recordPath(claim);
    const honest = readFileSync(path);
    for (let at = 0; at < honest.length; at += 61) {
      const bytes = Uint8Array.from(honest);
      bytes[at] = (bytes[at] as number) ^ 1;
      ignored = [];
      writeFileSync(path, bytes);
      assert.equal(await cache().readRecord(claim), undefined, `byte ${at}`);
      assert.equal(ignored.length, 1);
    }
  });

  it("is not kept where the head is not to be had in the form that stands alone, which is asked once", async () => {
    await keep();
    rmSync(cache().recordPath(claim));
    const server = scene.server();
    const run = runOf(hide(server, /^e\d+\._head$/));
    await proveRecord(run, claim);
    await proveRecord(run, claim);
    await run.later.done();
    await proveRecord(run, claim);
    await run.later.done();
    assert.equal(await cache().readRecord(claim, OFFLINE), undefined);
    assert.equal(server.asked.filter((name) => /^e\d+\._head$/.test(name)).length <= 1, true);
  });

  it("is proven by whichever server tells the truth, where another forged the extension", async () => {
    await keep(EPOCHS - 3);
    const side = await Scene.make(sumdbFork);
    const transport = redirect(scene.server(), /_sumdb$/, side.server());
    const run = runOf(transport);
    const error = await refusal(() => proveRecord(run, claim));
    assert.equal(error.code, "SUMDB_EXTENSION_NOT_PROVEN");
    await side.remove();
  });

  it("files that are ignored are named, and many are not", async () => {
    await keep();
    const path = cache().recordPath(claim);
    writeFileSync(path, "junk");
    const one = cache();
    for (let i = 0; i < 30; i++) assert.equal(await one.readRecord(claim), undefined);
    assert.deepEqual([ignored.length, ignored.at(-1)], [11, "ignored more cached answers"]);
  });
});

describe("a kept head of a time", () => {
  /** Two hours after the start: epoch 11 has its quorum by then, in both trees. */
  const TIME = START + 7200;
  const EPOCH = 11;

  async function keepAge(from = world): Promise<void> {
    const other = await Scene.make(from);
    const age = await other.client(other.server()).age(TIME);
    assert.equal(age?.epoch, EPOCH);
    await cache().writeAge(TIME, age);
    await other.remove();
  }

  it("dates records for its time and later ones, and none for earlier ones", async () => {
    await keepAge();
    for (const later of [0, 3600, 36_000]) {
      const age = await cache().readAge(TIME + later);
      assert.deepEqual([age?.time, age?.epoch, age?.leaf.treeHead.treeSize], [TIME, EPOCH, sizeOf(EPOCH)]);
      assert.ok((age?.publicSince ?? TIME + 1) <= TIME);
    }
    assert.equal(await cache().readAge(TIME - 1), undefined);
    assert.deepEqual(ignored, []);
  });

  it("ends with FORK, and evidence, where it is another tree of the remembered epoch or of one given before", async () => {
    await keepAge(fork);
    await scene.store.write(world.memory(EPOCH));
    const error = await refusal(() => cache().readAge(TIME));
    assert.equal(error.code, "FORK");
    assert.match(error.message, /^the cached answer \S+: .*; the evidence is in \S+$/);
    rmSync(scene.store.path);
    await keep(EPOCH, world, false);
    const one = cache();
    assert.ok(await one.readRecord(claim, OFFLINE));
    assert.equal((await refusal(() => one.readAge(TIME))).code, "FORK");
    assert.ok(await cache().readAge(TIME), "alone it contradicts nothing");
  });

  it("ends with SUMDB_FORK where the checksum database of the remembered head is another one of that size", async () => {
    await keepAge(sumdbFork);
    assert.ok(await cache().readAge(TIME), "alone it contradicts nothing");
    await scene.store.write({ ...world.memory(EPOCHS), sumdbLeaf: world.memory(EPOCH).leaf });
    assert.equal((await refusal(() => cache().readAge(TIME))).code, "SUMDB_FORK");
  });

  it("of a time that is no whole second is a mistake of the caller", async () => {
    const age = await scene.client(scene.server()).age(TIME);
    assert.ok(age !== undefined);
    for (const time of [-1, 0.5, Number.NaN, 2 ** 60]) await assert.rejects(cache().writeAge(time, age), RangeError);
  });
});

describe("kept extensions", () => {
  type Tree = { readonly leaf: EpochLeaf };
  const at = (epoch: number, from = world): Tree => from.memory(epoch);

  /** The extension between two epochs, with its true proof. */
  function between(a: number, b: number, from = world): SumdbExtension {
    const [older, newer] = [at(a, from).leaf.treeHead, at(b, from).leaf.treeHead];
    return { older, newer, payload: from.answers().sumdbConsistency(older.treeSize, newer.treeSize) };
  }

  const keepAll = async (...kept: SumdbExtension[]): Promise<void> => {
    for (const extension of kept) await cache().writeExtension(extension);
  };
  const files = (): string[] => {
    const folder = dirname(cache().recordPath(claim));
    return readdirSync(folder)
      .filter((name) => name.endsWith(".sumdb"))
      .map((name) => join(folder, name));
  };

  it("show that two trees are of one, straight or by what both are parts of", async () => {
    assert.equal(await cache().areOneTree(at(3), at(3)), true);
    assert.equal(await cache().areOneTree(at(3), at(9)), false);
    await keepAll(between(3, 9));
    assert.deepEqual([await cache().areOneTree(at(3), at(9)), await cache().areOneTree(at(9), at(3))], [true, true]);
    await keepAll(between(5, 9), between(9, 12), between(7, 12));
    for (const [a, b] of [
      [3, 5],
      [3, 12],
      [3, 7],
      [7, 5],
    ] as const) {
      assert.equal(await cache().areOneTree(at(a), at(b)), true, `${a} and ${b}`);
    }
    assert.equal(await cache().areOneTree(at(3), at(8)), false);
  });

  it("are found behind any number of others: a long chain, many from one tree, a near one beside a long way", async () => {
    const wide = await World.build({ records, sizes: Array.from({ length: records.length - 1 }, (_, i) => i + 2) });
    const all = wide.size;
    const many = cache();
    for (let epoch = 3; epoch < all; epoch++) {
      for (const from of [1, epoch]) await many.writeExtension(between(from, epoch + 1, wide));
    }
    assert.equal(await cache().areOneTree(at(3, wide), at(all, wide)), true, `${all - 3} steps`);
    assert.equal(await cache().areOneTree(at(1, wide), at(4, wide)), true, "the shortest of many");
    await keepAll(between(2, 5, wide));
    assert.equal(await cache().areOneTree(at(1, wide), at(2, wide)), true);
    await wide.close();
  });

  it("of one that both go on from say nothing: a tree may have two continuations", async () => {
    await keepAll(between(3, 9), between(3, 12, sumdbFork));
    assert.equal(await cache().areOneTree(at(9), at(12, sumdbFork)), false);
  });

  it("connect no fork, whatever is written into the folder", async () => {
    await keepAll(between(9, 12), between(9, 12, sumdbFork), between(11, 12, sumdbFork), between(11, 12));
    const [a, b] = [at(11), at(12, sumdbFork)];
    assert.equal(await cache().areOneTree(a, b), false);
    for (const payload of [between(11, 12).payload, between(11, 12, sumdbFork).payload, new Uint8Array(0)]) {
      await keepAll({ older: a.leaf.treeHead, newer: b.leaf.treeHead, payload });
      assert.equal(await cache().areOneTree(a, b), false);
    }
  });

  it("count for nothing wherever a byte of them was changed, and under no other name", async () => {
    await keepAll(between(3, 12));
    const [path = ""] = files();
    const honest = readFileSync(path);
    for (let at_ = 0; at_ < honest.length; at_ += 7) {
      const bytes = Uint8Array.from(honest);
      bytes[at_] = (bytes[at_] as number) ^ 1;
      writeFileSync(path, bytes);
      assert.equal(await cache().areOneTree(at(3), at(12)), false, `byte ${at_}`);
    }
    for (const text of ["", "\n\n\n", honest.subarray(0, 50), `${honest}x`, `${honest}\n`]) {
      writeFileSync(path, text);
      assert.equal(await cache().areOneTree(at(3), at(12)), false);
    }
    rmSync(path);
    writeFileSync(path.replace(/s46\.73/, "s46.76"), honest);
    assert.equal(await cache().areOneTree(at(3), at(13)), false);
    writeFileSync(path, honest);
    assert.equal(await cache().areOneTree(at(3), at(12)), true);
  });

  it("are those of a run: what its records and old heads were compared by", async () => {
    await keep(EPOCHS - 3, world, false);
    const run = runOf(scene.server());
    const age = await run.client.age(START + 7200);
    assert.ok(age !== undefined);
    const { leaf } = await proveRecord(run, claim);
    await proveAge(run, age, { leaf });
    await run.later.done();
    const offline = runOf(scene.server(), OFFLINE);
    await proveAge(offline, age, await proveRecord(offline, claim));
    const other = await refusal(() => proveAge(offline, age, at(2)));
    assert.equal(other.code, "NO_ANSWER");
    assert.match(other.message, /is kept; run this once without --offline/);
  });
});
