import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Client } from "../../src/client/client.ts";
import type { Subject, VerifiedAnswer } from "../../src/client/verify/index.ts";
import { subjectText } from "../../src/client/verify/index.ts";
import { formatBase32 } from "../../src/vindex/base64.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { cosignatureFromNote, verifyCosignature } from "../../src/vindex/cosignature.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { computeEpochLeafHash } from "../../src/vindex/leaf.ts";
import { computeIndexKey } from "../../src/vindex/module-value.ts";
import { parseNote } from "../../src/vindex/note.ts";
import { verifyLogInclusionProof } from "../../src/vindex/tlog.ts";
import { hide, redirect, swap, tamper, ZoneTransport } from "../attack/liars.ts";
import { allAt, COSIGNERS, policyWith, sha256, trustOf } from "../attack/world.ts";
import { EPOCHS, makeFork, makeWorld, NOW, refusal, Scene, STEADY, sizeOf } from "./scene.ts";

/** The head alone, records alone, heads for proof files, questions by index key, and policies that prove no freshness. */

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

const flip = (payload: Uint8Array): Uint8Array => payload.map((b, i) => (i === payload.length - 1 ? b ^ 1 : b));
type Module = Extract<VerifiedAnswer, { kind: "module" }>;

async function claimOf(s: Scene, path: string): Promise<Parameters<Client["proveRecord"]>[0]> {
  const { answer } = await s.client(s.server()).lookup({ kind: "module", path });
  const { value } = answer as Module;
  const { zipHash, goModHash, latest } = value;
  return { path, version: latest.version.text, zipHash, goModHash, logIndex: latest.logIndex };
}

// The head.

test("the newest head is asked once for all, and remembered when it is told to", async () => {
  const s = await scene(5);
  const server = s.server();
  const client = s.client(server);
  const heads = await Promise.all([
    client.head(),
    client.head(),
    client.lookup(STEADY).then(({ answer }) => answer.head),
  ]);
  assert.ok(heads.every((head) => head === heads[0] && head.epoch === EPOCHS));
  assert.equal(server.asked.filter((name) => name.endsWith("_head")).length, 1);
  assert.equal(await s.rememberedEpoch(), 5);
  await client.commit();
  assert.equal(await s.rememberedEpoch(), EPOCHS);
});

test("a head that is refused is not remembered", async () => {
  const s = await scene(11);
  const client = s.client(new ZoneTransport(fork.answers(), NOW));
  assert.equal((await refusal(() => client.head())).code, "FORK");
  await client.commit();
  assert.equal(await s.rememberedEpoch(), 11);
  assert.equal((await s.evidence()).length, 1);
});

// Records.

test("a record is proven under the newest head with one query", async () => {
  const s = await scene();
  const server = s.server();
  const client = s.client(server);
  const claim = await claimOf(s, "example.com/m1");
  await client.proveRecord(claim);
  assert.deepEqual([...server.asked].sort(), ["_head", `${claim.logIndex}.${sizeOf(EPOCHS)}._record`].sort());
  await client.commit();
  assert.equal(await s.rememberedEpoch(), EPOCHS);
});

test("many records cost one proof of the database's growth", async () => {
  const s = await scene(5);
  const server = s.server();
  const client = s.client(server);
  const claims = await Promise.all([0, 1, 2, 3].map((i) => claimOf(s, `example.com/m${i}`)));
  await Promise.all(claims.map((claim) => client.proveRecord(claim)));
  assert.equal(server.asked.filter((name) => name.endsWith("_sumdb")).length, 1);
  assert.equal(server.asked.length, 1 + 4 + 1);
});

test("a record with anything else than what the database holds is refused", async () => {
  const s = await scene();
  const claim = await claimOf(s, "example.com/m1");
  const changes: Partial<typeof claim>[] = [
    { path: "example.com/m2" },
    { version: "v1.0.0" },
    { zipHash: claim.goModHash },
    { goModHash: claim.zipHash },
    { zipHash: new Uint8Array(32) },
    { logIndex: claim.logIndex - 1 },
    { logIndex: 0 },
  ];
  for (const change of changes) {
    const client = s.client(s.server());
    const error = await refusal(() => client.proveRecord({ ...claim, ...change }));
    assert.equal(error.code, "BAD_RECORD_PROOF", JSON.stringify(Object.keys(change)));
    await client.commit();
    assert.equal(await s.state(), undefined);
  }
});

test("a record that is not covered yet, or that makes none, is not asked for", async () => {
  const s = await scene();
  const claim = await claimOf(s, "example.com/m1");
  const server = s.server();
  const client = s.client(server);
  const late = await refusal(() => client.proveRecord({ ...claim, logIndex: sizeOf(EPOCHS) }));
  assert.equal(late.code, "NO_ANSWER");
  assert.match(late.message, /not covered yet/);
  for (const change of [{ version: "latest" }, { version: "v1.0.0 x" }, { path: "a b" }, { path: "\u001b[2J" }]) {
    const error = await refusal(() => client.proveRecord({ ...claim, ...change }));
    assert.equal(error.code, "MALFORMED_INPUT");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: nothing that a terminal obeys is printed
    assert.doesNotMatch(error.message, /[\u0000-\u001f]/);
  }
  assert.ok(!server.asked.some((name) => name.endsWith("_record")));
});

test("a server without record proofs could not check: nothing is wrong", async () => {
  const s = await scene();
  const claim = await claimOf(s, "example.com/m1");
  const error = await refusal(() => s.client(hide(s.server(), /_record$/)).proveRecord(claim));
  assert.deepEqual([error.code, error.kind], ["NO_ANSWER", "unavailable"]);
});

// Heads for proof files.

test("a head for a proof file stands alone: leaf, inclusion, and a note that all cosigned", async () => {
  for (const remembered of [undefined, 1, 5, EPOCHS - 1, EPOCHS]) {
    for (const epoch of [EPOCHS - 1, EPOCHS]) {
      if (remembered !== undefined && remembered > epoch) continue;
      const s = await scene(remembered);
      const server = s.server(epoch, allAt(NOW - 60));
      const client = s.client(server);
      const head = await client.head();
      const before = server.asked.length;
      const [proof, again] = await Promise.all([client.headForProof(head), client.headForProof(head)]);
      assert.deepEqual(again, proof);
      // Only a head that was asked since its own epoch comes without its inclusion proof; then one query brings it for all.
      assert.deepEqual(server.asked.slice(before), remembered === epoch ? [`e${epoch}._head`] : []);
      assert.equal(proof.epoch, epoch);
      const { text, signatures } = parseNote(proof.note);
      assert.equal(text, world.checkpointText(epoch));
      assert.ok(proof.note.startsWith(world.note(epoch)));
      const leafHash = computeEpochLeafHash(proof.leafText, sha256);
      verifyLogInclusionProof([...proof.inclusion], leafHash, epoch - 1, epoch, head.rootHash, sha256);
      const keys = COSIGNERS.map((name) => world.keys.cosigners[name].verifierKey);
      assert.deepEqual(
        signatures.map(({ keyName }) => keyName).sort(),
        [world.keys.log.verifierKey, ...keys].map(({ keyName }) => keyName).sort(),
      );
      for (const signature of signatures.slice(1)) {
        const key = keys.find(({ keyName }) => keyName === signature.keyName) ?? assert.fail();
        const cosignature = cosignatureFromNote(signature) ?? assert.fail();
        verifyCosignature(text, cosignature, key);
      }
    }
  }
});

test("a head for a proof file is verified like any other", async () => {
  const s = await scene(EPOCHS);
  const liar = tamper(s.server(), /^e14\._head$/, flip);
  const client = s.client(liar);
  const head = await client.head();
  assert.ok((await refusal(() => client.headForProof(head))) instanceof ProofdnsError);
  const other = s.client(redirect(s.server(), /^e14\._head$/, new ZoneTransport(fork.answers(), NOW)));
  const shown = await other.head();
  assert.equal((await refusal(() => other.headForProof(shown))).code, "FORK");
});

// Index keys.

test("by index key no name of a module, a family or a page goes out", async () => {
  const s = await scene();
  const server = s.server();
  const client = new Client({ trust: s.trust, transport: server, now: () => NOW, isHashed: true });
  const plain = s.client(s.server());
  const subjects: Subject[] = [
    STEADY,
    { kind: "module", path: "example.com/no/such/module" },
    { kind: "module", path: "example.com/m1", withVersions: true },
    { kind: "majors", basePath: "gopkg.in/yaml" },
    { kind: "majors", basePath: "example.com/m1" },
    { kind: "toolchain" },
  ];
  for (const subject of subjects) {
    const hashed = await client.lookup(subject);
    const named = await plain.lookup(subject);
    assert.deepEqual(hashed.payload, named.payload);
    assert.deepEqual(hashed.versions, named.versions);
  }
  assert.ok(!server.asked.some((name) => /example|gopkg|yaml|m1|steady/.test(name)), String(server.asked));
  const keyOf = (subject: Subject): string => formatBase32(computeIndexKey(subjectText(subject), sha256));
  for (const name of [
    `${keyOf(STEADY)}._k`,
    `${keyOf(subjects[2] as Subject)}._k._versions`,
    `${keyOf(subjects[2] as Subject)}._k._p0._versions`,
    `${keyOf(subjects[3] as Subject)}._k`,
    "_toolchain",
  ]) {
    assert.ok(server.asked.includes(name), `${name} in ${server.asked}`);
  }
});

// Freshness.

const NONE = policyWith(world.keys, "quorum none");
const lax = trustOf(world.keys, { policy: NONE, isFreshnessRequired: false });

test("without a quorum a head passes only if freshness is not required, and then has no age", async () => {
  const s = await scene();
  await s.refuses("NO_FRESHNESS", s.server(), { trust: trustOf(world.keys, { policy: NONE }) });
  for (const times of [allAt(NOW - 1_000_000), {}, allAt(NOW + 1_000_000)]) {
    const { answer } = await s.client(s.server(EPOCHS, times), { trust: lax }).lookup(STEADY);
    assert.deepEqual([answer.kind, answer.head.ageTime], ["module", 0]);
  }
});

test("that freshness is not required changes nothing about a quorum, a signature, a fork or a proof", async () => {
  const s = await scene();
  const trust = trustOf(world.keys, { isFreshnessRequired: false });
  await s.refuses("STALE", s.server(EPOCHS, allAt(NOW - 100_000)), { trust });
  await s.refuses("NO_QUORUM", s.server(EPOCHS, {}), { trust });
  await s.refuses("FROM_FUTURE", s.server(EPOCHS, allAt(NOW + 10_000)), { trust });
  const t = await scene(11);
  await t.refuses("FORK", new ZoneTransport(fork.answers(), NOW), { trust: lax });
  await t.refuses("BAD_PROOF", tamper(t.server(), /^steady/, flip), { trust: lax });
  await t.refuses(
    "MALFORMED_ANSWER",
    swap(t.server(), /^steady/, () => encodeUtf8("v=v9.9.9")),
    { trust: lax },
  );
  await t.refuses("CONSISTENCY_MISSING", t.server(EPOCHS - 4), { trust: lax });
});

test("nothing proves an age without a quorum", async () => {
  const s = await scene();
  const client = s.client(s.server(), { trust: lax });
  const error = await refusal(() => client.age(Math.floor(NOW / 3600) * 3600));
  assert.equal(error.code, "NO_FRESHNESS");
});

test("a head without an age does not take the place of a remembered age", async () => {
  const s = await scene(11);
  const known = (await s.store.read())?.ageTime ?? assert.fail();
  for (const epoch of [11, EPOCHS]) {
    const client = s.client(s.server(epoch), { trust: lax });
    await client.lookup(STEADY);
    await client.commit();
    const memory = (await s.store.read()) ?? assert.fail();
    assert.deepEqual([memory.epoch, memory.ageTime], [epoch, known]);
  }
  // And one with an age does.
  const client = s.client(s.server());
  await client.lookup(STEADY);
  await client.commit();
  assert.ok(((await s.store.read())?.ageTime ?? 0) > known);
});

test("a memory without an age is read, and is older than one with", async () => {
  const s = await scene();
  const client = s.client(s.server(), { trust: lax });
  await client.lookup(STEADY);
  await client.commit();
  assert.equal((await s.store.read())?.ageTime, 0);
  const next = s.client(s.server());
  await next.lookup(STEADY);
  await next.commit();
  assert.ok(((await s.store.read())?.ageTime ?? 0) > 0);
});
