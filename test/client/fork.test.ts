import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { Client, type LookupOptions } from "../../src/client/client.ts";
import { FolderMemoryStore } from "../../src/client/memory-folder.ts";
import type { Transport } from "../../src/client/transport.ts";
import { verifyForkEvidence } from "../../src/client/verify/files.ts";
import { EpochAnswers } from "../../src/dns/answers.ts";
import { parseName } from "../../src/dns/name.ts";
import { RecordLog } from "../../src/sumdb/record-log.ts";
import { concatBytes, encodeUtf8 } from "../../src/vindex/bytes.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { computeIndexKey } from "../../src/vindex/module-value.ts";
import { formatVerifierKey } from "../../src/vindex/note.ts";
import { decodeAnswer, encodeAnswer, encodeLogProof } from "../../src/vindex/payload.ts";
import { computeConsistencyProof, computeLogInclusionProof } from "../../src/vindex/tlog.ts";
import { denial, hide, lying, redirect, swap, tamper, txtReply, ZoneTransport } from "../attack/liars.ts";
import { record } from "../attack/records.ts";
import { allAt, sha256, trustOf, ZONE } from "../attack/world.ts";
import { EPOCHS, FORKED_AT, makeFork, makeWorld, NOW, records, refusal, Scene, STEADY, sizeOf } from "./scene.ts";

/** An operator with all keys who shows another log; and caches that only make it look so. */

const world = await makeWorld();
const fork = await makeFork();
const logKey = formatVerifierKey(world.keys.log.verifierKey);
const sumdbKey = formatVerifierKey(world.keys.sumdb.verifierKey);
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

const CONSISTENCY = /_consistency$/;

/** A name below the log's label in wire format. */
function nameOf(text: string): Uint8Array {
  return parseName(`${text}.p1.${ZONE}`);
}

/** The other side of the fork, with all its proofs. */
function forked(epoch = EPOCHS): ZoneTransport {
  return new ZoneTransport(fork.answers(epoch), NOW);
}

/** What is kept after a fork: one file that anyone can check who knows the key and nothing else. */
async function checkEvidence(s: Scene, key: string, older: number, newer: number): Promise<void> {
  const [evidence, ...more] = await s.evidence();
  assert.deepEqual(more, []);
  const proven = verifyForkEvidence(evidence, key);
  assert.deepEqual([proven.older.treeSize, proven.newer.treeSize], [older, newer]);
  // Nothing in it can be changed so that it still accuses someone: not the notes, not the key, not the proof.
  const text = JSON.stringify(evidence);
  for (let i = 0; i < text.length; i += 7) {
    const changed = `${text.slice(0, i)}${text[i] === "A" ? "B" : "A"}${text.slice(i + 1)}`;
    let parsed: unknown;
    try {
      parsed = JSON.parse(changed);
    } catch {
      continue;
    }
    assert.throws(() => verifyForkEvidence(parsed, key), ProofdnsError, changed);
  }
}

async function checkSuspicion(s: Scene, notes: number): Promise<void> {
  const kept = await s.evidence();
  assert.ok(kept.length >= 1);
  const [suspicion] = kept as { type: string; notes: string[] }[];
  assert.equal(suspicion?.type, "proofdns-suspicion/1");
  assert.equal(suspicion.notes.length, notes);
  assert.throws(() => verifyForkEvidence(suspicion), { code: "MALFORMED_EVIDENCE" });
}

test("calls two trees of the remembered size a fork, with evidence that stands alone", async () => {
  for (const epoch of [FORKED_AT, 8, 11]) {
    const s = await scene(epoch);
    const error = await s.refuses("FORK", forked(epoch));
    assert.match(error.message, /evidence-/);
    await checkEvidence(s, logKey, epoch, epoch);
  }
});

test("calls a larger tree that does not continue the remembered one a fork", async () => {
  for (const epoch of [6, 7, 9, 10, 11, 12, 13]) {
    const s = await scene(epoch);
    await s.refuses("FORK", forked());
    await checkEvidence(s, logKey, epoch, EPOCHS);
  }
});

test("calls a smaller tree that the remembered one does not continue a fork", async () => {
  for (const epoch of [6, 7, 9, 10, 13]) {
    const s = await scene(EPOCHS);
    // The proof is the remembered tree's own: it gives that tree from another old root.
    const transport = redirect(forked(epoch), CONSISTENCY, s.server());
    await s.refuses("FORK", transport);
    await checkEvidence(s, logKey, epoch, EPOCHS);
  }
});

test("finds the fork of a log of a power of two by the other tree of that size", async () => {
  const s = await scene(8);
  const server = forked();
  await s.refuses("FORK", server);
  assert.ok(server.asked.includes("e8._head"));
  await checkEvidence(s, logKey, 8, 8);
});

test("does not prove an extension from a power of two if the other tree of that size is kept back", async () => {
  const s = await scene(8);
  await s.refuses("EXTENSION_NOT_PROVEN", hide(forked(), /^e8\._head$/));
  await checkSuspicion(s, 2);
  const t = await scene(8);
  // Nor does the true tree of that size calm anyone.
  await t.refuses("EXTENSION_NOT_PROVEN", redirect(forked(), /^e8\._head$/, t.server()));
  await checkSuspicion(t, 2);
});

test("finds a fork whose proofs are withheld by the other tree of the known size", async () => {
  for (const epoch of [7, 8, 11, 13]) {
    const s = await scene(epoch);
    const server = forked();
    await s.refuses("FORK", hide(server, CONSISTENCY));
    assert.ok(server.asked.includes(`e${epoch}._head`));
    await checkEvidence(s, logKey, epoch, epoch);
  }
});

test("finds a fork whose proofs are lost on every way by the other tree of the known size", async () => {
  const s = await scene(11);
  const lost = lying(forked(), ({ name }) => {
    if (CONSISTENCY.test(name)) throw new ProofdnsError("UNREACHABLE", "no answer");
    return undefined;
  });
  await s.refuses("FORK", lost);
  await checkEvidence(s, logKey, 11, 11);
});

test("finds a fork behind a smaller head, be it a little or long behind", async () => {
  for (const [epoch, maxLag] of [
    [EPOCHS - 1, 86_400],
    [7, 900],
  ] as const) {
    const s = await scene(EPOCHS);
    const behind = hide(redirect(forked(epoch), /^e14\._head$/, forked()), CONSISTENCY);
    await s.refuses("FORK", behind, { trust: trustOf(world.keys, { maxLag }) });
    await checkEvidence(s, logKey, EPOCHS, EPOCHS);
  }
});

test("keeps both notes of a larger head that nothing proves to continue the remembered one", async () => {
  for (const epoch of [8, 11]) {
    const s = await scene(epoch);
    await s.refuses("CONSISTENCY_MISSING", hide(hide(forked(), CONSISTENCY), new RegExp(`^e${epoch}\\._head$`)));
    await checkSuspicion(s, 2);
  }
  // A server that is behind has no proof yet: nothing is suspicious.
  const s = await scene(EPOCHS);
  await s.refuses("CONSISTENCY_MISSING", s.server(EPOCHS - 1));
  assert.deepEqual(await s.evidence(), []);
});

test("two runs at first contact that are shown two worlds never leave the later one's as if nothing had been", async () => {
  for (const [mine, others] of [
    [13, 14],
    [14, 13],
    [14, 14],
  ] as const) {
    const s = await scene();
    const one = s.client(s.server(mine, allAt(NOW - 60)));
    const other = s.client(new ZoneTransport(fork.answers(others, allAt(NOW - 60)), NOW));
    await Promise.all([one.lookup(STEADY), other.lookup(STEADY)]);
    await one.commit();
    const before = await s.state();
    if (others < mine) {
      // The server of the other world has no proof between the two.
      await other.commit();
    } else {
      assert.equal((await refusal(() => other.commit())).code, "FORK");
      await checkEvidence(s, logKey, mine, others);
    }
    assert.equal(await s.state(), before);
  }
});

test("a memory that another run left meanwhile stays where nothing compares the two", async () => {
  const s = await scene();
  const client = s.client(hide(forked(), /^(13\.14\._consistency|e13\._head)$/));
  await client.lookup(STEADY);
  await s.store.write(world.memory(13));
  const before = await s.state();
  await client.commit();
  assert.equal(await s.state(), before);
  // From now on this run compares what it sees with that.
  assert.equal((await refusal(() => client.lookup(STEADY))).code, "CONSISTENCY_MISSING");
});

test("a memory that another run of the same world left meanwhile is replaced after it was compared", async () => {
  for (const other of [3, 8, 13]) {
    const s = await scene(2);
    const server = s.server();
    const client = s.client(server);
    await client.lookup(STEADY);
    await s.store.write(world.memory(other), world.memory(2));
    await client.commit();
    assert.ok(server.asked.includes(`${other}.14._consistency`));
    assert.equal(await s.rememberedEpoch(), EPOCHS);
    // And nothing is asked where nobody else wrote.
    const again = s.client(server);
    await again.lookup(STEADY);
    const count = server.asked.length;
    await again.commit();
    assert.equal(server.asked.length, count);
  }
});

test("finds no fork where the two logs are still one", async () => {
  for (const epoch of [1, 2, 4, 5]) {
    const s = await scene(epoch);
    const client = s.client(forked());
    await client.lookup(STEADY);
    await client.commit();
    assert.equal(await s.rememberedEpoch(), EPOCHS);
    // From now on this client is on the other side: the first side is the fork.
    const back = await refusal(() => s.client(s.server()).lookup(STEADY));
    assert.equal(back.code, "FORK");
  }
});

test("finds the fork even if it is first shown the old trunk", async () => {
  // The newest head is true and older than the memory; the answer comes from the other side of the fork, and its
  // head continues the old one. Only beside the memory it is a fork.
  for (const [remembered, shown] of [
    [10, 12],
    [10, 10],
    [12, 9],
    [9, 14],
  ] as const) {
    const s = await scene(remembered);
    const trunk = s.server(5, allAt(NOW - 60));
    const heads = redirect(forked(shown), new RegExp(`^(s${remembered}\\.)?_head$`), trunk);
    const transport = redirect(heads, new RegExp(`^\\d+\\.${remembered}\\._consistency$`), s.server());
    const before = await s.state();
    const client = s.client(transport);
    const error = await refusal(() => client.lookup(STEADY));
    assert.equal(error.code, "FORK");
    await client.commit();
    assert.equal(await s.state(), before);
  }
});

test("remembers between two lookups of one client, and finds the fork between them", async () => {
  const s = await scene();
  let now = NOW;
  let transport: Transport = s.server(10, allAt(NOW - 60));
  const client = s.client({ query: (name, options) => transport.query(name, options) }, { now: () => now });
  await client.lookup(STEADY);
  await client.commit();
  now += 60;
  transport = forked();
  assert.equal((await refusal(() => client.lookup(STEADY))).code, "FORK");
  assert.equal(await s.rememberedEpoch(), 10);
});

test("finds a fork with only the witnesses and the clock of the policy on the other side", async () => {
  const s = await scene(11);
  // The other tree is cosigned by nobody, or long ago: it is a fork all the same.
  for (const times of [{}, allAt(NOW - 1_000_000)]) {
    await s.refuses("FORK", new ZoneTransport(fork.answers(11, times), NOW));
  }
});

test("finds the fork that one answer names", async () => {
  const s = await scene();
  const other = fork.answers().moduleAnswer(computeIndexKey("example.com/steady", sha256));
  // The newest head is of epoch 14; the answer is of epoch 13 of the other side.
  const old = encodeAnswer({ ...decodeAnswer(other), epoch: EPOCHS - 1 });
  const lie = swap(s.server(), /^steady/, () => old);
  await s.refuses("FORK", redirect(lie, /^e13\._head$/, forked(13)));
  await checkEvidence(s, logKey, 13, EPOCHS);
});

test("finds the fork between two newer epochs that lookups name at once, in whatever order they come in", async () => {
  // The newest head is of the trunk, which both sides continue. Nothing shows the fork but each beside the other.
  const answerOf = (side: typeof world, epoch: number, path: string): Uint8Array =>
    side.answers(epoch).moduleAnswer(computeIndexKey(path, sha256));
  for (const [one, other, code] of [
    [12, 13, "FORK"],
    [13, 14, "FORK"],
    // The proof that is shown is of another larger tree: it shows only that something is wrong.
    [13, 12, "EXTENSION_NOT_PROVEN"],
  ] as const) {
    for (const isSecondSlow of [false, true]) {
      const s = await scene();
      const truth = s.server();
      const trunk = s.server(5, allAt(NOW - 60));
      const first = new RegExp(`^e${one}\\._head$|^5\\.${one}\\._consistency$|^m1\\.`);
      const second = new RegExp(`^e${other}\\._head$|^5\\.${other}\\._consistency$|^m2\\.`);
      const sides = lying(forked(), async ({ name }) => {
        if (name === "_head") return trunk.query(nameOf(name));
        if (name.startsWith("m1.")) return txtReply(answerOf(world, one, "example.com/m1"));
        if (name.startsWith("m2.")) return txtReply(answerOf(fork, other, "example.com/m2"));
        if (first.test(name)) return truth.query(nameOf(name));
        if (second.test(name) && isSecondSlow) await new Promise((resolve) => setTimeout(resolve, 20));
        return undefined;
      });
      const client = s.client(sides, { trust: trustOf(world.keys, { maxLag: 86_400 }) });
      const ends = await Promise.allSettled(
        ["m1", "m2"].map((m) => client.lookup({ kind: "module", path: `example.com/${m}` })),
      );
      const failed = ends.filter((end) => end.status === "rejected").map((end) => (end.reason as ProofdnsError).code);
      assert.deepEqual(failed, [code], `${one} and ${other}`);
      assert.equal((await s.evidence()).length, 1);
    }
  }
});

test("keeps one piece of evidence for lookups that see one fork together", async () => {
  const s = await scene(11);
  const client = s.client(forked());
  const subjects = Array.from({ length: 8 }, (_, i) => ({ kind: "module", path: `example.com/m${i}` }) as const);
  const ends = await Promise.allSettled(subjects.map((subject) => client.lookup(subject)));
  assert.ok(ends.every((end) => end.status === "rejected" && end.reason.code === "FORK"));
  await checkEvidence(s, logKey, 11, EPOCHS);
});

test("still says that the log forked where the evidence cannot be kept", async () => {
  const s = await scene(11);
  const memory = await s.store.read();
  class Full extends FolderMemoryStore {
    override saveEvidence(): Promise<string> {
      return Promise.reject(new ProofdnsError("STORE_UNUSABLE", "the disk is full"));
    }
  }
  const client = new Client({
    trust: s.trust,
    transport: forked(),
    memory: new Full(s.folder, s.trust),
    now: () => NOW,
  });
  const error = await refusal(() => client.lookup(STEADY));
  assert.equal(error.code, "FORK");
  assert.match(error.message, /the disk is full/);
  verifyForkEvidence(error.evidence, logKey);
  assert.deepEqual(await s.store.read(), memory);
});

// Caches and resolvers, who hold no key.

test("a cache that forges consistency proofs never makes a fork, and the truth by TCP is taken", async () => {
  for (const remembered of [8, 11, 13]) {
    // A frontier that does not fit makes the client ask for plain head and proof.
    const breakHead = (payload: Uint8Array): Uint8Array =>
      payload.map((b, i) => (i === payload.length - 1 ? b ^ 1 : b));
    const forge: ((payload: Uint8Array) => Uint8Array)[] = [];
    const hashes = (world.answers().consistency(remembered, EPOCHS).length - 1) / 32;
    for (let i = 0; i < hashes; i++) forge.push((payload) => payload.map((b, at) => (at === 1 + 32 * i ? b ^ 1 : b)));
    forge.push((payload) => new Uint8Array(payload.length).fill(0x0c));
    forge.push(() => fork.answers().consistency(remembered, EPOCHS));
    forge.push(() => world.answers().consistency(remembered - 1, EPOCHS));
    forge.push(
      () => Uint8Array.of(0x0c),
      () => new Uint8Array(0),
    );
    for (const change of forge) {
      const s = await scene(remembered);
      const cache = tamper(tamper(s.server(), /^s\d+\._head$/, breakHead, { udpOnly: true }), CONSISTENCY, change, {
        udpOnly: true,
      });
      const client = s.client(cache);
      assert.equal((await client.lookup(STEADY)).answer.head.epoch, EPOCHS);
      await client.commit();
      assert.equal(await s.rememberedEpoch(), EPOCHS);
      assert.deepEqual(await s.evidence(), []);
    }
  }
});

test("one who forges consistency proofs on every path never makes a fork either", async () => {
  for (const remembered of [7, 8, 11]) {
    const breakHead = (payload: Uint8Array): Uint8Array =>
      payload.map((b, i) => (i === payload.length - 1 ? b ^ 1 : b));
    const length = world.answers().consistency(remembered, EPOCHS).length;
    const forge: [string, (payload: Uint8Array) => Uint8Array | undefined][] = [
      ["EXTENSION_NOT_PROVEN", (payload) => payload.map((b, at) => (at === 1 ? b ^ 1 : b))],
      ["EXTENSION_NOT_PROVEN", (payload) => payload.map((b, at) => (at === length - 1 ? b ^ 1 : b))],
      ["EXTENSION_NOT_PROVEN", () => fork.answers().consistency(remembered, EPOCHS)],
      ["MALFORMED_ANSWER", (payload) => payload.subarray(0, length - 32)],
      ["MALFORMED_ANSWER", (payload) => concatBytes(payload, new Uint8Array(32))],
      ["CONSISTENCY_MISSING", () => undefined],
    ];
    for (const [code, change] of forge) {
      const s = await scene(remembered);
      const liar = tamper(tamper(s.server(), /^s\d+\._head$/, breakHead), CONSISTENCY, change);
      await s.refuses(code as "EXTENSION_NOT_PROVEN", liar);
      const kept = (await s.evidence()) as { type: string }[];
      assert.ok(kept.every(({ type }) => type === "proofdns-suspicion/1"));
    }
  }
});

test("wants a proof that a smaller tree is a prefix, and changes nothing for it", async () => {
  const s = await scene(EPOCHS);
  await s.refuses("CONSISTENCY_MISSING", s.server(EPOCHS - 1));
  const error = await s.refuses("CONSISTENCY_MISSING", hide(s.server(EPOCHS - 1), CONSISTENCY));
  assert.equal(error.kind, "unavailable");
  const before = await s.state();
  const client = s.client(redirect(s.server(EPOCHS - 1), CONSISTENCY, s.server()));
  await client.lookup(STEADY);
  await client.commit();
  assert.equal(await s.state(), before);
});

test("refuses a smaller tree with the proof of another pair", async () => {
  const s = await scene(EPOCHS);
  const give = (payload: Uint8Array): Transport => swap(s.server(EPOCHS - 1), CONSISTENCY, () => payload);
  // 13 to 14 is where every other proof has another length or other hashes.
  await s.refuses("EXTENSION_NOT_PROVEN", give(fork.answers().consistency(13, 14)));
  await s.refuses("MALFORMED_ANSWER", give(world.answers().consistency(12, 14)));
  await s.refuses("MALFORMED_ANSWER", give(encodeLogProof([])));
});

test("a memory protects from a server that denies everything", async () => {
  const s = await scene(11);
  await s.refuses(
    "NO_ANSWER",
    lying(s.server(), ({ tcp }) => denial("nodata", tcp)),
  );
  await s.refuses("NO_ANSWER", hide(s.server(5), /_head$/));
});

// The checksum database.

/** The next epoch after one of the true log, with another tree head of the checksum database, signed by its key. */
function forged(after_: number, treeHead: { treeSize: number; rootHash: Uint8Array }): ZoneTransport {
  const tree = world.snapshot(after_ + 1).tree;
  const snapshot = world.forge(after_, { treeHead, tree, times: allAt(NOW - 60) });
  return new ZoneTransport(new EpochAnswers(snapshot), NOW);
}

/** A checksum database that goes another way from record 38 on. */
function otherRecords(): RecordLog {
  const log = new RecordLog(sha256);
  for (const [i, text] of records.entries())
    log.append(encodeUtf8(i < 38 ? text : record("example.com/evil", `v1.${i}.0`)));
  return log;
}

test("calls two trees of the checksum database of one size a fork, with evidence against its key", async () => {
  for (const epoch of [7, 8]) {
    const s = await scene(epoch);
    await s.refuses("SUMDB_FORK", forged(epoch, otherRecords().treeHead(sizeOf(epoch))));
    await checkEvidence(s, sumdbKey, sizeOf(epoch), sizeOf(epoch));
  }
});

test("refuses a checksum database that shrinks or stands still from one epoch to the next", async () => {
  const s = await scene(8);
  const { records: log } = world;
  await s.refuses("SUMDB_ROLLBACK", forged(8, log.treeHead(sizeOf(8))));
  await s.refuses("SUMDB_ROLLBACK", forged(8, log.treeHead(sizeOf(8) - 1)));
  await s.refuses("SUMDB_ROLLBACK", forged(8, log.treeHead(sizeOf(2))));
  await s.refuses("SUMDB_ROLLBACK", forged(8, otherRecords().treeHead(sizeOf(8) - 1)));
});

/** The true log, over a checksum database that forked since the remembered epoch; with all its proofs. */
function forkedDatabase(remembered: number): Transport {
  const other = otherRecords();
  const [oldSize, newSize] = [sizeOf(remembered), sizeOf(remembered + 1)];
  const server = forged(remembered, other.treeHead(newSize));
  const index = records.findIndex((text) => text.startsWith("example.com/steady "));
  assert.ok(index < 38);
  const proofs = new Map([
    ["_record", encodeLogProof(computeLogInclusionProof(index, newSize, other.readHashes, sha256))],
    ["_sumdb", encodeLogProof(computeConsistencyProof(oldSize, newSize, other.readHashes, sha256))],
  ]);
  return lying(server, ({ name }) => {
    const proof = proofs.get(name.slice(name.lastIndexOf("_")));
    return proof === undefined ? undefined : txtReply(proof);
  });
}

test("calls a checksum database that does not continue the remembered one a fork, if a record is proven", async () => {
  const s = await scene(8);
  await s.refuses("SUMDB_FORK", forkedDatabase(8), { lookup: { withRecord: true } });
  await checkEvidence(s, sumdbKey, sizeOf(8), sizeOf(9));
});

test("plain lookups do not wash away that a checksum database forked", async () => {
  for (const lookup of [{ withRecord: true }, { isStrict: true }]) {
    const s = await scene(8);
    const client = s.client(forkedDatabase(8));
    await client.lookup(STEADY);
    await client.commit();
    assert.equal(await s.rememberedEpoch(), 9);
    assert.equal((await refusal(() => client.lookup(STEADY, lookup))).code, "SUMDB_FORK");
    await s.refuses("SUMDB_FORK", forkedDatabase(8), { lookup });
    await checkEvidence(s, sumdbKey, sizeOf(8), sizeOf(9));
  }
});

test("moves the tree head that is compared only by a proof, and keeps it beside every newer memory", async () => {
  const s = await scene(2);
  const sizeKept = async (): Promise<number | undefined> => (await s.store.read())?.sumdbLeaf?.treeHead.treeSize;
  const run = async (epoch: number, lookup: LookupOptions): Promise<string[]> => {
    const server = s.server(epoch, allAt(NOW - 60));
    const client = s.client(server);
    await client.lookup(STEADY, lookup);
    await client.commit();
    assert.equal(await s.rememberedEpoch(), epoch);
    return server.asked.filter((name) => name.endsWith("_sumdb"));
  };
  for (const epoch of [4, 5, 7]) {
    assert.deepEqual(await run(epoch, {}), []);
    assert.equal(await sizeKept(), sizeOf(2));
  }
  assert.deepEqual(await run(7, { isStrict: true }), [`${sizeOf(2)}.${sizeOf(7)}._sumdb`]);
  assert.equal(await sizeKept(), undefined, "it is that of the memory itself");
  assert.deepEqual(await run(9, {}), []);
  assert.equal(await sizeKept(), sizeOf(7));
  assert.deepEqual(await run(10, { withRecord: true }), [`${sizeOf(7)}.${sizeOf(10)}._sumdb`]);
  assert.equal(await sizeKept(), undefined);
});

test("keeps the tree head that another run left meanwhile until it was compared", async () => {
  const s = await scene();
  const server = s.server();
  const client = s.client(server);
  await client.lookup(STEADY, { withRecord: true });
  await s.store.write(world.memory(13));
  await client.commit();
  assert.equal(await s.rememberedEpoch(), EPOCHS);
  assert.equal((await s.store.read())?.sumdbLeaf?.treeHead.treeSize, sizeOf(13));
  assert.ok(!server.asked.some((name) => name.endsWith("_sumdb")));
  // The same run compares it with the next record.
  await client.lookup(STEADY, { withRecord: true });
  assert.ok(server.asked.includes(`${sizeOf(13)}.${sizeOf(EPOCHS)}._sumdb`));
  await client.commit();
  assert.equal((await s.store.read())?.sumdbLeaf, undefined);
});

test("compares the checksum database of two records of one run also without a memory", async () => {
  const s = await scene();
  let transport: Transport = s.server(8, allAt(NOW - 60));
  let now = NOW;
  const client = s.client({ query: (name, options) => transport.query(name, options) }, { now: () => now });
  await client.lookup(STEADY, { withRecord: true });
  now += 60;
  transport = forkedDatabase(8);
  assert.equal((await refusal(() => client.lookup(STEADY, { withRecord: true }))).code, "SUMDB_FORK");
});

test("does not prove the extension of a checksum database of a power of two that forked", async () => {
  assert.equal(sizeOf(9), 64);
  const s = await scene(9);
  await s.refuses("SUMDB_EXTENSION_NOT_PROVEN", forkedDatabase(9), { lookup: { withRecord: true } });
  await checkSuspicion(s, 2);
});

test("refuses forged proofs of the checksum database's extension without calling them a fork", async () => {
  const s = await scene(8);
  const lookup = { withRecord: true };
  const give = (change: (payload: Uint8Array) => Uint8Array): Transport => tamper(s.server(), /_sumdb$/, change);
  const break_ = (at: number) => give((payload) => payload.map((b, i) => (i === at ? b ^ 1 : b)));
  await s.refuses("SUMDB_EXTENSION_NOT_PROVEN", break_(1), { lookup });
  await s.refuses("SUMDB_EXTENSION_NOT_PROVEN", break_(40), { lookup });
  await s.refuses(
    "MALFORMED_ANSWER",
    give((payload) => payload.subarray(0, payload.length - 32)),
    { lookup },
  );
  await s.refuses(
    "MALFORMED_ANSWER",
    give(() => Uint8Array.of(0x0c)),
    { lookup },
  );
});

test("asks for the extension of the checksum database beside a larger remembered one, too", async () => {
  const s = await scene(EPOCHS);
  const server = s.server(EPOCHS - 1);
  const proofs = s.server();
  const behind = redirect(redirect(server, CONSISTENCY, proofs), /_sumdb$/, proofs);
  await s.client(behind).lookup(STEADY, { withRecord: true });
  assert.ok(proofs.asked.includes(`${sizeOf(EPOCHS - 1)}.${sizeOf(EPOCHS)}._sumdb`));
});

test("evidence that is no evidence is not taken from a file either", async () => {
  const s = await scene(11);
  await s.refuses("FORK", forked());
  const [evidence] = (await s.evidence()) as Record<string, unknown>[];
  assert.ok(evidence !== undefined);
  const other = formatVerifierKey(world.keys.sumdb.verifierKey);
  assert.throws(() => verifyForkEvidence(evidence, other), { code: "BAD_SIGNATURE" });
  const [first, second] = evidence["notes"] as string[];
  assert.throws(() => verifyForkEvidence({ ...evidence, notes: [second, first] }), { code: "MALFORMED_EVIDENCE" });
  assert.throws(() => verifyForkEvidence({ ...evidence, notes: [first, first] }), { code: "MALFORMED_EVIDENCE" });
  const { type, kind, key } = evidence;
  assert.throws(() => verifyForkEvidence({ type, kind, key, notes: [first, first] }), { code: "BAD_PROOF" });
  assert.throws(() => verifyForkEvidence({ ...evidence, notes: [first] }), { code: "MALFORMED_EVIDENCE" });
  assert.throws(() => verifyForkEvidence({ ...evidence, consistency: undefined }), { code: "MALFORMED_EVIDENCE" });
  // Two trees of one log are no fork, whatever proof is put beside them.
  const honest = { ...evidence, notes: [world.note(11), world.note(EPOCHS)] };
  assert.throws(() => verifyForkEvidence(honest), { code: "BAD_PROOF" });
});

test("a state folder that cannot be made does not hide a fork", async () => {
  const s = await scene(11);
  const memory = await s.store.read();
  // Where the folder should be there is a file.
  const blocked = join(dirname(s.folder), "file");
  await writeFile(blocked, "");
  class Elsewhere extends FolderMemoryStore {
    override read(): ReturnType<FolderMemoryStore["read"]> {
      return Promise.resolve(memory);
    }
  }
  const store = new Elsewhere(join(blocked, "state"), s.trust);
  const client = new Client({ trust: s.trust, transport: forked(), memory: store, now: () => NOW });
  assert.equal((await refusal(() => client.lookup(STEADY))).code, "FORK");
});
