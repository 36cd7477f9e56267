import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Client, type ClientOptions } from "../../src/client/client.ts";
import type { Transport } from "../../src/client/transport.ts";
import { type Subject, subjectText } from "../../src/client/verify/index.ts";
import { concatBytes, encodeUtf8 } from "../../src/vindex/bytes.ts";
import { cosign } from "../../src/vindex/cosignature.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { computeIndexKey } from "../../src/vindex/module-value.ts";
import { formatVerifierKey, KEY_TYPE_COSIGNATURE, makeSignerKey } from "../../src/vindex/note.ts";
import { decodeAnswer, decodeHead, encodeAnswer, encodeHead } from "../../src/vindex/payload.ts";
import { encodeVarint } from "../../src/vindex/varint.ts";
import { denial, freeze, hide, lying, redirect, swap, tamper, txtReply, ZoneTransport } from "../attack/liars.ts";
import {
  allAt,
  ed25519,
  makeKeys,
  policyOf,
  policyWith,
  sha256,
  timeOf,
  trustOf,
  World,
  ZONE,
} from "../attack/world.ts";
import { EPOCHS, makeWorld, NOW, records, refusal, Scene, STEADY, sizeOf } from "./scene.ts";

const world = await makeWorld();
const keys = world.keys;
const scenes: Scene[] = [];
after(async () => {
  await Promise.all(scenes.map((scene) => scene.remove()));
  await world.close();
});

async function scene(remembered?: number): Promise<Scene> {
  const made = await Scene.make(world, remembered);
  scenes.push(made);
  return made;
}

/** The true payload of a subject. */
function answerOf(subject: Subject, epoch = EPOCHS): Uint8Array {
  const indexKey = computeIndexKey(subjectText(subject), sha256);
  const withVersions = subject.kind === "module" && subject.withVersions === true;
  return withVersions ? world.answers(epoch).versionsAnswer(indexKey) : world.answers(epoch).moduleAnswer(indexKey);
}

const module = (path: string): Subject => ({ kind: "module", path });
const ABSENT = module("example.com/no/such/module");
const HEAD = /_head$/;
const NEWEST = /^(s\d+\.)?_head$/;
/** Names of answers, not of services. */
const ANSWER = /^[^_]\w*\._\.example\.com/;

// What is asked, and what is kept.

test("asks for answer and head at once, and remembers nothing before it is told to", async () => {
  const s = await scene();
  const server = s.server();
  const client = s.client(server);
  const { answer, queries } = await client.lookup(STEADY);
  assert.ok(answer.kind === "module" && answer.value.latest.version.text === "v1.0.0");
  assert.deepEqual([...server.asked].sort(), ["_head", "steady._.example.com"]);
  assert.equal(queries, 2);
  assert.equal(await s.state(), undefined);
  await client.commit();
  assert.equal(await s.rememberedEpoch(), EPOCHS);
});

test("asks for the head since the remembered one on its second run", async () => {
  const s = await scene();
  const first = s.client(s.server());
  await first.lookup(STEADY);
  await first.commit();
  const server = s.server();
  await s.client(server).lookup(STEADY);
  assert.deepEqual([...server.asked].sort(), [`s${EPOCHS}._head`, "steady._.example.com"]);
});

test("asks for the head since an older remembered one, and then remembers the newer", async () => {
  const s = await scene(5);
  const server = s.server();
  const client = s.client(server);
  await client.lookup(STEADY);
  await client.commit();
  assert.deepEqual([...server.asked].sort(), ["s5._head", "steady._.example.com"]);
  assert.equal(await s.rememberedEpoch(), EPOCHS);
});

test("asks for one head for many lookups at once, and counts it once", async () => {
  const s = await scene();
  const server = s.server();
  const client = s.client(server);
  const paths = ["example.com/steady", "example.com/Mixed", "example.com/pre", "example.com/m1", "example.com/none"];
  const lookups = await Promise.all(paths.map((path) => client.lookup(module(path))));
  assert.equal(server.asked.filter((name) => HEAD.test(name)).length, 1);
  assert.equal(server.asked.length, paths.length + 1);
  assert.deepEqual(
    lookups.map(({ queries }) => queries),
    [2, 1, 1, 1, 1],
  );
});

test("asks for the newest head again after 30 seconds, not before", async () => {
  const s = await scene();
  const server = s.server();
  let now = NOW;
  const client = s.client(server, { now: () => now });
  await client.lookup(STEADY);
  now += 29;
  await client.lookup(ABSENT);
  assert.equal(server.asked.filter((name) => HEAD.test(name)).length, 1);
  now += 1;
  await client.lookup(ABSENT);
  assert.equal(server.asked.filter((name) => HEAD.test(name)).length, 2);
});

test("asks for the newest head again if the clock went back", async () => {
  const s = await scene();
  const server = s.server();
  let now = NOW;
  const client = s.client(server, { now: () => now });
  await client.lookup(STEADY);
  now -= 3600;
  // Beside a clock of an hour ago the head is from the future.
  assert.equal((await refusal(() => client.lookup(ABSENT))).code, "FROM_FUTURE");
});

test("asks again for a head that failed", async () => {
  const s = await scene();
  let isDown = true;
  const server = s.server();
  const flaky = lying(server, ({ name }) => {
    if (isDown && HEAD.test(name)) throw new ProofdnsError("UNREACHABLE", "down");
    return undefined;
  });
  const client = s.client(flaky);
  assert.equal((await refusal(() => client.lookup(STEADY))).code, "UNREACHABLE");
  isDown = false;
  assert.equal((await client.lookup(STEADY)).answer.kind, "module");
});

test("asks by index key what has no name that fits", async () => {
  const s = await scene();
  const server = s.server();
  const path = `example.com/${"long-element-".repeat(6)}`.slice(0, 80).replace(/-$/, "x");
  const { answer } = await s.client(server).lookup(module(path));
  assert.equal(answer.kind, "absent");
  assert.ok(server.asked.some((name) => /^[a-z2-7]{52}\._k$/.test(name)));
});

test("refuses a path that is no module path without asking anything", async () => {
  const s = await scene();
  const server = s.server();
  for (const path of ["", "steady", "example.com/a b", "example.com//a", "Example.com/a", "example.com/v1", "_head"]) {
    await s.refuses("MALFORMED_INPUT", server, { subject: module(path) });
  }
  assert.deepEqual(server.asked, []);
});

test("asks for the record's proof only if it is wanted, and for the database's only beside another size", async () => {
  const asked = async (remembered: number | undefined, withRecord: boolean): Promise<string[]> => {
    const s = await scene(remembered);
    const server = s.server();
    const { isRecordProven } = await s.client(server).lookup(STEADY, { withRecord });
    assert.equal(isRecordProven, withRecord);
    return server.asked.filter((name) => /_(record|sumdb)$/.test(name));
  };
  const size = sizeOf(EPOCHS);
  const index = records.findIndex((text) => text.startsWith("example.com/steady "));
  assert.deepEqual(await asked(undefined, false), []);
  assert.deepEqual(await asked(5, false), []);
  assert.deepEqual(await asked(undefined, true), [`${index}.${size}._record`]);
  assert.deepEqual(await asked(EPOCHS, true), [`${index}.${size}._record`]);
  assert.deepEqual(await asked(5, true), [`${index}.${size}._record`, `${sizeOf(5)}.${size}._sumdb`]);
});

test("proves no record of an absent module", async () => {
  const s = await scene(5);
  const server = s.server();
  const { isRecordProven } = await s.client(server).lookup(ABSENT, { withRecord: true });
  assert.equal(isRecordProven, false);
  assert.ok(!server.asked.some((name) => /_(record|sumdb)$/.test(name)));
});

test("fetches the head of the older epoch that a cached answer names, with its proof", async () => {
  const s = await scene();
  const server = s.server();
  const cached = swap(server, ANSWER, () => answerOf(STEADY, EPOCHS - 1));
  const client = s.client(cached);
  const { answer, queries } = await client.lookup(STEADY);
  assert.equal(answer.head.epoch, EPOCHS - 1);
  assert.deepEqual(server.asked.slice(2), [`e${EPOCHS - 1}._head`, `${EPOCHS - 1}.${EPOCHS}._consistency`]);
  assert.equal(queries, 4);
  await client.commit();
  assert.equal(await s.rememberedEpoch(), EPOCHS);
});

test("takes an answer of a newer epoch than the head that came with it, and remembers that epoch", async () => {
  const s = await scene(5);
  const server = s.server();
  const behind = redirect(server, NEWEST, s.server(EPOCHS - 1));
  const client = s.client(behind);
  const { answer } = await client.lookup(STEADY);
  assert.equal(answer.head.epoch, EPOCHS);
  await client.commit();
  assert.equal(await s.rememberedEpoch(), EPOCHS);
});

test("a failed lookup takes nothing of a newer epoch into the memory", async () => {
  const s = await scene(5);
  const behind = redirect(s.server(), NEWEST, s.server(EPOCHS - 1));
  // The head of the newer epoch is true, what is shown under it is not.
  await s.refuses(
    "BAD_PROOF",
    swap(behind, ANSWER, () => answerOf(module("example.com/Mixed"))),
  );
});

test("replaces the memory of the same epoch only by a later age", async () => {
  const s = await scene(EPOCHS);
  const before = await s.state();
  const same = s.client(s.server());
  await same.lookup(STEADY);
  await same.commit();
  assert.equal(await s.state(), before);
  const later = s.client(s.server(EPOCHS, allAt(NOW - 30)));
  await later.lookup(STEADY);
  await later.commit();
  assert.equal((await s.store.read())?.ageTime, NOW - 30);
  const earlier = s.client(s.server(EPOCHS, allAt(NOW - 40)));
  await earlier.lookup(STEADY);
  await earlier.commit();
  assert.equal((await s.store.read())?.ageTime, NOW - 30);
});

test("a client without a memory store still remembers while it lives", async () => {
  const s = await scene();
  const server = s.server();
  let now = NOW;
  const client = new Client({ trust: s.trust, transport: server, now: () => now });
  await client.lookup(STEADY);
  await client.commit();
  now += 60;
  await client.lookup(STEADY);
  assert.deepEqual(server.asked.slice(2).sort(), [`s${EPOCHS}._head`, "steady._.example.com"]);
});

// Answers that prove something else.

test("refuses the answer for another module", async () => {
  const s = await scene();
  for (const other of ["example.com/Mixed", "example.com/pre", "example.com/m1", "example.com/untagged"]) {
    await s.refuses(
      "BAD_PROOF",
      swap(s.server(), ANSWER, () => answerOf(module(other))),
    );
  }
});

test("refuses the answer for the same path in another case", async () => {
  const s = await scene();
  const subject = module("example.com/mixed");
  await s.refuses(
    "BAD_PROOF",
    swap(s.server(), ANSWER, () => answerOf(module("example.com/Mixed"))),
    { subject },
  );
});

test("refuses the answers of modules, families and the toolchain for one another", async () => {
  const s = await scene();
  const subjects: Subject[] = [STEADY, { kind: "majors", basePath: "example.com/small" }, { kind: "toolchain" }];
  for (const asked of subjects) {
    for (const given of subjects) {
      if (given === asked) continue;
      await s.refuses(
        "BAD_PROOF",
        swap(s.server(), /^(?!_head)/, () => answerOf(given)),
        { subject: asked },
      );
    }
  }
});

test("refuses the path of a present module as a proof of its absence", async () => {
  const s = await scene();
  const present = decodeAnswer(answerOf(STEADY));
  assert.ok(present.proof.kind === "inclusion");
  const indexKey = computeIndexKey("example.com/steady", sha256);
  const value = encodeUtf8(present.text);
  const { path } = present.proof;
  const own = encodeAnswer({
    text: "",
    epoch: EPOCHS,
    proof: { kind: "nonInclusion", path, other: { indexKey, value } },
  });
  await s.refuses(
    "BAD_PROOF",
    swap(s.server(), ANSWER, () => own),
  );
  // The leaf of a neighbour is in the map, but not where this path ends.
  for (const text of ["example.com/Mixed", "example.com/pre", "example.com/m1", "toolchain"]) {
    const neighbour = computeIndexKey(text, sha256);
    const tree = world.snapshot(EPOCHS).tree;
    const other = { indexKey: neighbour, value: tree.get(neighbour) as Uint8Array };
    const forged = encodeAnswer({ text: "", epoch: EPOCHS, proof: { kind: "nonInclusion", path, other } });
    await s.refuses(
      "BAD_PROOF",
      swap(s.server(), ANSWER, () => forged),
    );
    const theirs = decodeAnswer(answerOf(text === "toolchain" ? { kind: "toolchain" } : module(text)));
    assert.ok(theirs.proof.kind === "inclusion");
    const moved = encodeAnswer({
      text: "",
      epoch: EPOCHS,
      proof: { kind: "nonInclusion", path: theirs.proof.path, other },
    });
    await s.refuses(
      "BAD_PROOF",
      swap(s.server(), ANSWER, () => moved),
    );
  }
});

test("refuses the absence of another module as the absence of this one", async () => {
  const s = await scene();
  for (let i = 0; i < 8; i++) {
    await s.refuses(
      "BAD_PROOF",
      swap(s.server(), ANSWER, () => answerOf(module(`example.com/none${i}`))),
    );
  }
});

test("refuses a proof of absence turned into one of presence", async () => {
  const s = await scene();
  const absent = decodeAnswer(answerOf(ABSENT));
  assert.ok(absent.proof.kind === "nonInclusion");
  const { path, other } = absent.proof;
  const value = Buffer.from(other.value).toString("latin1");
  const values = [value, "v=v1.0.0 i=1 h=x m=x s=x", decodeAnswer(answerOf(STEADY)).text];
  for (const text of values) {
    const forged = encodeAnswer({ text, epoch: EPOCHS, proof: { kind: "inclusion", path } });
    await s.refuses(
      "BAD_PROOF",
      swap(s.server(), /^module\./, () => forged),
      { subject: ABSENT },
    );
  }
});

test("refuses the empty map as a proof of absence", async () => {
  const s = await scene();
  const forged = encodeAnswer({ text: "", epoch: EPOCHS, proof: { kind: "emptyMap" } });
  await s.refuses(
    "BAD_PROOF",
    swap(s.server(), ANSWER, () => forged),
  );
});

test("refuses another value, hash or index under a true path", async () => {
  const s = await scene();
  const true_ = decodeAnswer(answerOf(STEADY));
  for (const text of [
    true_.text.replace("v1.0.0", "v1.0.1"),
    true_.text.replace(/i=(\d+)/, (_, i) => `i=${Number(i) + 1}`),
    true_.text.replace(/h=(.)/, (_, c) => `h=${c === "A" ? "B" : "A"}`),
    `${true_.text} k=pre`,
  ]) {
    await s.refuses(
      "BAD_PROOF",
      swap(s.server(), ANSWER, () => encodeAnswer({ ...true_, text })),
    );
  }
});

test("refuses a state that was not asked for, the lack of one that was, and majors beside a module", async () => {
  const s = await scene();
  const withState = answerOf({ kind: "module", path: "example.com/steady", withVersions: true });
  await s.refuses(
    "MALFORMED_ANSWER",
    swap(s.server(), ANSWER, () => withState),
  );
  const subject: Subject = { kind: "module", path: "example.com/steady", withVersions: true };
  await s.refuses(
    "MALFORMED_ANSWER",
    swap(s.server(), ANSWER, () => answerOf(STEADY)),
    { subject },
  );
  const majors = encodeAnswer({ ...decodeAnswer(answerOf(STEADY)), majorItems: "p=v2 v=v2.0.0 i=1" });
  await s.refuses(
    "MALFORMED_ANSWER",
    swap(s.server(), ANSWER, () => majors),
  );
  const absent = concatBytes(answerOf(ABSENT), Uint8Array.of(0x08, 1, 0x6e));
  await s.refuses(
    "MALFORMED_ANSWER",
    swap(s.server(), ANSWER, () => absent),
  );
});

test("refuses another state text under a true value", async () => {
  const s = await scene();
  const subject: Subject = { kind: "module", path: "example.com/steady", withVersions: true };
  const decoded = decodeAnswer(answerOf(subject));
  const other = decodeAnswer(answerOf({ kind: "module", path: "example.com/Mixed", withVersions: true }));
  for (const stateText of [other.stateText as string, `${decoded.stateText}\n`, "n 1\n"]) {
    await s.refuses(
      "BAD_STATE_TEXT",
      swap(s.server(), ANSWER, () => encodeAnswer({ ...decoded, stateText })),
      { subject },
    );
  }
});

test("refuses other items behind a cut list of majors", async () => {
  const s = await scene();
  const subject: Subject = { kind: "majors", basePath: "example.com/big" };
  const cut = decodeAnswer(answerOf(subject));
  const items = cut.majorItems as string;
  const forged = [
    items.replace("v13.10.100", "v13.10.101"),
    items.slice(0, items.lastIndexOf("; ")),
    items.replace("; ", ";  "),
  ];
  for (const majorItems of forged) {
    await s.refuses(
      "BAD_MAJORS",
      swap(s.server(), /_majors$/, () => encodeAnswer({ ...cut, majorItems })),
      { subject },
    );
  }
});

// Old answers passed off as new.

test("refuses an old answer beside the newest head", async () => {
  const s = await scene();
  const relabelled = encodeAnswer({ ...decodeAnswer(answerOf(module("example.com/m1"), 3)), epoch: EPOCHS });
  await s.refuses(
    "BAD_PROOF",
    swap(s.server(), ANSWER, () => relabelled),
    { subject: module("example.com/m1") },
  );
});

test("refuses an old answer with its own old head beside a newer one in hand", async () => {
  const s = await scene();
  for (const epoch of [EPOCHS - 2, EPOCHS - 3, 5, 1]) {
    await s.refuses(
      "LAGGING",
      swap(s.server(), ANSWER, () => answerOf(STEADY, epoch)),
    );
  }
});

test("refuses an old answer with its own old head to one who remembers a newer epoch", async () => {
  const s = await scene(EPOCHS);
  // Everything but the proof that the old tree is a prefix comes from the past.
  const past = redirect(s.server(8), /_consistency$/, s.server());
  await s.refuses("LAGGING", past);
});

test("takes an answer that is no older than the allowed lag, beside a newer remembered epoch", async () => {
  const s = await scene(EPOCHS);
  const before = await s.state();
  const client = s.client(redirect(s.server(EPOCHS - 1), /_consistency$/, s.server()));
  assert.equal((await client.lookup(STEADY)).answer.head.epoch, EPOCHS - 1);
  await client.commit();
  assert.equal(await s.state(), before);
});

test("allows exactly the configured lag", async () => {
  const s = await scene();
  const old = swap(s.server(), ANSWER, () => answerOf(STEADY, EPOCHS - 1));
  await s.refuses("LAGGING", old, { trust: trustOf(keys, { maxLag: 599 }) });
  await s.client(old, { trust: trustOf(keys, { maxLag: 600 }) }).lookup(STEADY);
});

test("refuses a cache that nobody empties, once its head is too old", async () => {
  const s = await scene();
  const cache = freeze(s.server());
  await s.client(cache).lookup(STEADY);
  await s.client(cache, { now: timeOf(EPOCHS) + 86_400 }).lookup(STEADY);
  await s.refuses("STALE", cache, { now: timeOf(EPOCHS) + 86_401 });
});

test("refuses an old answer with its own old head after the allowed age", async () => {
  const s = await scene();
  await s.client(s.server(3), { now: timeOf(3) + 86_400 }).lookup(STEADY);
  await s.refuses("STALE", s.server(3), { now: timeOf(3) + 86_401 });
  await s.refuses("STALE", s.server(3), { now: timeOf(3) + 601, trust: trustOf(keys, { maxAge: 600 }) });
});

test("refuses an old quorum that the clock alone has dated anew", async () => {
  const s = await scene();
  const now = timeOf(3) + 100_000;
  const redated = { ...allAt(timeOf(3)), clock: now - 10 };
  await s.refuses("STALE", s.server(3, redated, now), { now });
  // Also where the clock and any one witness are asked for.
  const rule = "group any any w1 w2 w3\ngroup q all clock any\nquorum q";
  const trust = trustOf(keys, { policy: policyWith(keys, rule) });
  await s.refuses("STALE", s.server(3, redated, now), { now, trust });
  // And where the witnesses went on, and the clock stands still.
  const stalled = { ...allAt(now - 10), clock: timeOf(3) };
  await s.refuses("STALE", s.server(3, stalled, now), { now, trust });
});

test("is told by the age of a head that its oldest needed cosignature counts", async () => {
  const s = await scene();
  const times = { clock: NOW - 5, w1: NOW - 4000, w2: NOW - 300, w3: NOW - 20 };
  const ages: (readonly [string, number])[] = [
    ["group g all clock w1 w2 w3\nquorum g", NOW - 4000],
    ["group g any clock w1 w2 w3\nquorum g", NOW - 5],
    ["group g 2 clock w1 w2 w3\nquorum g", NOW - 20],
    ["group g 3 clock w1 w2 w3\nquorum g", NOW - 300],
    ["quorum w1", NOW - 4000],
  ];
  for (const [rule, age] of ages) {
    const trust = trustOf(keys, { policy: policyWith(keys, rule) });
    const { answer } = await s.client(s.server(EPOCHS, times), { trust }).lookup(STEADY);
    assert.equal(answer.head.ageTime, age, rule);
  }
});

test("refuses a head that is cosigned for the future, and allows a skew of five minutes", async () => {
  const s = await scene();
  await s.client(s.server(EPOCHS, allAt(NOW + 291))).lookup(STEADY);
  await s.refuses("FROM_FUTURE", s.server(EPOCHS, allAt(NOW + 292)));
  await s.refuses("FROM_FUTURE", s.server(EPOCHS, allAt(NOW + 10_000_000)));
  await s.refuses("FROM_FUTURE", s.server(EPOCHS, { ...allAt(NOW - 60), w2: NOW + 301 }));
});

test("does not let a cosignature from the future hide an old quorum", async () => {
  const s = await scene();
  const rule = "group g 2 clock w1 w2 w3\nquorum g";
  const trust = trustOf(keys, { policy: policyWith(keys, rule) });
  const times = { clock: NOW - 90_000, w1: NOW - 90_000, w2: NOW + 400 };
  await s.refuses("STALE", s.server(EPOCHS, times), { trust });
});

// Quorums and keys.

test("refuses a head that lacks one cosigner of the quorum", async () => {
  const s = await scene();
  for (const missing of ["clock", "w1", "w2", "w3"] as const) {
    const { [missing]: _, ...times } = allAt(timeOf(EPOCHS));
    await s.refuses("NO_QUORUM", s.server(EPOCHS, times));
  }
  await s.refuses("NO_QUORUM", s.server(EPOCHS, {}));
});

test("refuses to call a head fresh by a policy without a quorum", async () => {
  const s = await scene();
  const trust = trustOf(keys, { policy: policyWith(keys, "quorum none") });
  await s.refuses("NO_FRESHNESS", s.server(), { trust });
});

test("ignores the cosignatures of keys that the policy does not name", async () => {
  const s = await scene();
  const stranger = makeSignerKey("stranger.example.org", KEY_TYPE_COSIGNATURE, new Uint8Array(32).fill(9), ed25519);
  const add = (payload: Uint8Array): Uint8Array => {
    const head = decodeHead(payload, "plain");
    const extra = { ...cosign("not this log\n", NOW, stranger, ed25519) };
    return encodeHead({ ...head, cosignatures: [...head.cosignatures, extra] });
  };
  await s.client(tamper(s.server(), HEAD, add)).lookup(STEADY);
  // Nor do they count: two of three are not made of one and a stranger.
  const policy = policyWith(keys, "group g 2 w1 w2 w3\nquorum g");
  const server = s.server(EPOCHS, { w1: NOW });
  await s.refuses("NO_QUORUM", tamper(server, HEAD, add), { trust: trustOf(keys, { policy }) });
});

test("refuses a cosignature of another epoch, under another key's id, or with another time", async () => {
  const s = await scene();
  type Cosignatures = ReturnType<typeof decodeHead>["cosignatures"];
  const change = (f: (cosignatures: Cosignatures) => Cosignatures): Transport =>
    tamper(s.server(), HEAD, (payload) => {
      const head = decodeHead(payload, "plain");
      return encodeHead({ ...head, cosignatures: f(head.cosignatures) });
    });
  const old = decodeHead(world.answers(EPOCHS - 1).head(EPOCHS - 1), "plain").cosignatures;
  await s.refuses(
    "BAD_COSIGNATURE",
    change(() => old),
  );
  await s.refuses(
    "BAD_COSIGNATURE",
    change((all) => all.map((one, i) => ({ ...one, keyId: (all[(i + 1) % 4] as Cosignatures[number]).keyId }))),
  );
  await s.refuses(
    "BAD_COSIGNATURE",
    change((all) => all.map((one) => ({ ...one, time: one.time + 1 }))),
  );
  await s.refuses(
    "MALFORMED_ANSWER",
    change((all) => [...all, ...all.slice(0, 1).map((one) => ({ ...one, time: one.time + 9 }))]),
  );
});

test("refuses a head of another log key, and the head of a log under another name", async () => {
  const s = await scene();
  const other = await World.build({ records, sizes: [sizeOf(1)], keys: { ...keys, log: makeKeys(2).log } });
  await s.refuses("BAD_LOG_SIGNATURE", new ZoneTransport(other.answers(), NOW), { now: timeOf(1) });
  await other.close();
  const { log } = keys;
  const renamed = makeSignerKey(`other.${ZONE}/p1`, log.verifierKey.type, log.seed, ed25519);
  const twin = await World.build({ records, sizes: [sizeOf(1)], keys: { ...keys, log: renamed } });
  await s.refuses("BAD_LOG_SIGNATURE", new ZoneTransport(twin.answers(), NOW), { now: timeOf(1) });
  await twin.close();
});

test("refuses a log of another checksum database, and one whose tree heads are not signed", async () => {
  const s = await scene();
  // The leaf names the database's key: with another one the log's own signature does not fit.
  const sumdbKey = formatVerifierKey(makeKeys(2).sumdb.verifierKey);
  await s.refuses("BAD_LOG_SIGNATURE", s.server(), { trust: trustOf(keys, { sumdbKey }) });
  const unsigned = await World.build({ records, sizes: [sizeOf(1)], sumdbSeed: new Uint8Array(32).fill(7) });
  await s.refuses("BAD_SUMDB_SIGNATURE", new ZoneTransport(unsigned.answers(), NOW), { now: timeOf(1) });
  await unsigned.close();
});

test("refuses a policy without the log before it asks anything", () => {
  const policy = policyOf({ ...keys, log: makeSignerKey("other.example/p1", 1, keys.log.seed, ed25519) });
  assert.throws(() => trustOf(keys, { policy }), { code: "NO_LOG_KEY" });
});

// Bytes.

test("refuses bytes behind the end of answers and heads", async () => {
  const s = await scene();
  for (const extra of [
    Uint8Array.of(0),
    Uint8Array.of(0x0a),
    Uint8Array.of(0x41),
    new Uint8Array(32),
    new Uint8Array(64),
  ]) {
    const add = (payload: Uint8Array): Uint8Array => concatBytes(payload, extra);
    await s.refuses("MALFORMED_ANSWER", tamper(s.server(), ANSWER, add));
    await s.refuses("MALFORMED_ANSWER", tamper(s.server(), HEAD, add));
  }
});

test("refuses bytes before the beginning of answers and heads", async () => {
  const s = await scene();
  for (const extra of [Uint8Array.of(0), encodeUtf8("text"), Uint8Array.of(0xef, 0xbb, 0xbf)]) {
    const add = (payload: Uint8Array): Uint8Array => concatBytes(extra, payload);
    await s.refuses(extra[0] === 0x74 ? "BAD_PROOF" : "MALFORMED_ANSWER", tamper(s.server(), ANSWER, add));
    await s.refuses("MALFORMED_ANSWER", tamper(s.server(), HEAD, add));
  }
});

test("refuses an empty record", async () => {
  const s = await scene();
  await s.refuses(
    "MALFORMED_ANSWER",
    swap(s.server(), ANSWER, () => new Uint8Array(0)),
  );
  await s.refuses(
    "MALFORMED_ANSWER",
    swap(s.server(), HEAD, () => new Uint8Array(0)),
  );
});

test("refuses numbers that are not in their shortest form, or have no bound", async () => {
  const s = await scene();
  const text = decodeAnswer(answerOf(STEADY)).text.length;
  // The epoch stands behind the tag, in answers as in heads.
  const longer = (payload: Uint8Array, at: number): Uint8Array =>
    concatBytes(payload.subarray(0, at), Uint8Array.of(EPOCHS | 0x80, 0), payload.subarray(at + 1));
  await s.refuses(
    "MALFORMED_ANSWER",
    tamper(s.server(), ANSWER, (payload) => longer(payload, text + 1)),
  );
  await s.refuses(
    "MALFORMED_ANSWER",
    tamper(s.server(), HEAD, (payload) => longer(payload, 1)),
  );
  const huge = (payload: Uint8Array, at: number): Uint8Array =>
    concatBytes(payload.subarray(0, at), new Uint8Array(9).fill(0xff), Uint8Array.of(1), payload.subarray(at + 1));
  await s.refuses(
    "MALFORMED_ANSWER",
    tamper(s.server(), ANSWER, (payload) => huge(payload, text + 1)),
  );
  await s.refuses(
    "MALFORMED_ANSWER",
    tamper(s.server(), HEAD, (payload) => huge(payload, 1)),
  );
  const zero = (payload: Uint8Array, at: number): Uint8Array =>
    concatBytes(payload.subarray(0, at), Uint8Array.of(0), payload.subarray(at + 1));
  await s.refuses(
    "MALFORMED_ANSWER",
    tamper(s.server(), ANSWER, (payload) => zero(payload, text + 1)),
  );
  await s.refuses(
    "MALFORMED_ANSWER",
    tamper(s.server(), HEAD, (payload) => zero(payload, 1)),
  );
});

test("is not led astray by an answer of an epoch that nobody has", async () => {
  const s = await scene();
  for (const epoch of [EPOCHS + 1, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
    const far = encodeAnswer({ ...decodeAnswer(answerOf(STEADY)), epoch });
    await s.refuses(
      "NO_ANSWER",
      swap(s.server(), ANSWER, () => far),
    );
  }
});

test("refuses a head of the largest epoch without counting to it", async () => {
  const s = await scene(5);
  for (const epoch of [2 ** 52, Number.MAX_SAFE_INTEGER]) {
    const far = (payload: Uint8Array): Uint8Array =>
      concatBytes(payload.subarray(0, 1), encodeVarint(epoch), payload.subarray(2));
    const started = performance.now();
    await s.refuses("MALFORMED_ANSWER", tamper(s.server(), HEAD, far));
    assert.ok(performance.now() - started < 1000);
  }
});

test("refuses the head of another epoch than the answer's", async () => {
  const s = await scene();
  const cached = swap(s.server(), ANSWER, () => answerOf(STEADY, EPOCHS - 1));
  await s.refuses(
    "WRONG_EPOCH",
    swap(cached, /^e\d+\._head$/, () => world.answers().head(EPOCHS - 2)),
  );
  await s.refuses(
    "WRONG_EPOCH",
    swap(cached, /^e\d+\._head$/, () => world.answers().head(EPOCHS)),
  );
});

test("refuses a head of the wrong form", async () => {
  const s = await scene();
  await s.refuses(
    "MALFORMED_ANSWER",
    swap(s.server(), HEAD, () => world.answers().headSince(5, EPOCHS)),
  );
  const remembering = await scene(5);
  const server = remembering.server();
  await remembering.client(swap(server, /^s\d+\._head$/, () => world.answers().head(EPOCHS))).lookup(STEADY);
  assert.ok(
    server.asked.some((name) => /^(?:e\d+\.)?_head$/.test(name)),
    "the plain head is asked for instead",
  );
});

// Denials.

test("never takes a denial for the absence of a module", async () => {
  const s = await scene();
  for (const kind of ["nodata", "nxdomain"] as const) {
    await s.refuses(
      "NO_ANSWER",
      lying(s.server(), ({ name, tcp }) => (ANSWER.test(name) ? denial(kind, tcp) : undefined)),
    );
    await s.refuses(
      "NO_ANSWER",
      lying(s.server(), ({ name, tcp }) => (HEAD.test(name) ? denial(kind, tcp) : undefined)),
    );
  }
});

test("proves absence and presence side by side", async () => {
  const s = await scene();
  const client = s.client(s.server());
  const [absent, untagged] = await Promise.all([client.lookup(ABSENT), client.lookup(module("example.com/untagged"))]);
  assert.equal(absent.answer.kind, "absent");
  assert.ok(untagged.answer.kind === "module" && untagged.answer.value.latest.version.kind === "pseudo");
});

// The second try by TCP.

test("asks by TCP before it believes that an answer is false, and takes the truth there", async () => {
  const s = await scene();
  const server = s.server();
  const mangle = (payload: Uint8Array): Uint8Array => payload.map((b, i) => (i === payload.length - 1 ? b ^ 1 : b));
  const client = s.client(tamper(server, /steady|_head$/, mangle, { udpOnly: true }));
  const { answer, queries } = await client.lookup(STEADY);
  assert.equal(answer.kind, "module");
  assert.equal(queries, 4);
  assert.deepEqual(server.asked.filter((name) => name.startsWith("tcp ")).sort(), [
    "tcp _head",
    "tcp steady._.example.com",
  ]);
});

test("asks by TCP only once", async () => {
  const s = await scene();
  const server = s.server();
  await s.refuses(
    "BAD_PROOF",
    swap(server, ANSWER, () => answerOf(module("example.com/Mixed"))),
  );
  assert.deepEqual(server.asked.sort(), ["_head", "steady._.example.com", "tcp steady._.example.com"]);
});

test("does not ask again what already came by TCP", async () => {
  const s = await scene();
  const asked: string[] = [];
  const transport = lying(s.server(), async ({ name }) => {
    asked.push(name);
    return ANSWER.test(name) ? txtReply(answerOf(module("example.com/Mixed")), true) : undefined;
  });
  await s.refuses("BAD_PROOF", transport);
  assert.equal(asked.filter((name) => ANSWER.test(name)).length, 1);
});

// Records.

test("refuses a proof of another record, of another size, cut or too long", async () => {
  const s = await scene();
  const [index, size] = [records.findIndex((text) => text.startsWith("example.com/steady ")), sizeOf(EPOCHS)];
  const data = world.answers();
  const lookup = { withRecord: true };
  const give = (payload: Uint8Array): Transport => swap(s.server(), /_record$/, () => payload);
  await s.refuses("BAD_RECORD_PROOF", give(data.recordProof(index + 1, size)), { lookup });
  await s.refuses("BAD_RECORD_PROOF", give(data.recordProof(index, size - 1)), { lookup });
  const proof = data.recordProof(index, size);
  await s.refuses("MALFORMED_ANSWER", give(proof.subarray(0, proof.length - 32)), { lookup });
  await s.refuses("MALFORMED_ANSWER", give(concatBytes(proof, new Uint8Array(32))), { lookup });
  await s.refuses("MALFORMED_ANSWER", give(concatBytes(proof, Uint8Array.of(0))), { lookup });
  await s.refuses("NO_ANSWER", hide(s.server(), /_record$/), { lookup });
  await s.refuses("NO_ANSWER", hide(await remembering(), /_sumdb$/), { lookup });

  async function remembering(): Promise<Transport> {
    await s.store.write(world.memory(5));
    return s.server();
  }
});

test("strictly, asks that the database continues the remembered one also without a record", async () => {
  const s = await scene(5);
  const server = s.server();
  await s.client(server).lookup(STEADY, { isStrict: true });
  assert.ok(server.asked.includes(`${sizeOf(5)}.${sizeOf(EPOCHS)}._sumdb`));
  await s.refuses("NO_ANSWER", hide(s.server(), /_sumdb$/), { lookup: { isStrict: true } });
});

test("takes a record's proof by TCP where UDP mangles it", async () => {
  const s = await scene(5);
  const server = s.server();
  const mangle = (payload: Uint8Array): Uint8Array => payload.map((b, i) => (i === 1 ? b ^ 1 : b));
  const client = s.client(tamper(server, /_(record|sumdb)$/, mangle, { udpOnly: true }));
  assert.equal((await client.lookup(STEADY, { withRecord: true })).isRecordProven, true);
});

// Cancelling.

test("ends with the reason of a signal that was aborted before or meanwhile", async () => {
  const s = await scene();
  const reason = new Error("no longer wanted");
  const client = s.client(s.server());
  await assert.rejects(client.lookup(STEADY, { signal: AbortSignal.abort(reason) }), (error) => error === reason);
  const controller = new AbortController();
  const hanging = lying(s.server(), async (_, honest) => {
    controller.abort(reason);
    return honest();
  });
  await assert.rejects(s.client(hanging).lookup(STEADY, { signal: controller.signal }), (error) => error === reason);
  assert.equal(await s.state(), undefined);
  // The client is as good as before.
  assert.equal((await client.lookup(STEADY)).answer.kind, "module");
});

test("does not end the lookups that share a head with one that is cancelled", async () => {
  const s = await scene();
  const controller = new AbortController();
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const server = s.server();
  const client = s.client(
    lying(server, async ({ name }) => {
      if (HEAD.test(name)) await held;
      return undefined;
    }),
  );
  const cancelled = client.lookup(STEADY, { signal: controller.signal });
  const other = client.lookup(ABSENT);
  const gone = assert.rejects(cancelled, (error) => error === controller.signal.reason);
  controller.abort();
  release();
  await gone;
  assert.equal((await other).answer.kind, "absent");
});

test("who calls from plain JavaScript is told what is expected", async () => {
  const s = await scene();
  const client = new Client({
    trust: s.trust,
    transport: new ZoneTransport(world.answers(EPOCHS), NOW),
    now: () => NOW,
  });
  const odd = [undefined, null, "example.com/a", {}, { kind: "module" }, { kind: "majors", base: "example.com/a" }];
  for (const subject of [
    ...odd,
    { kind: "majors", path: "example.com/a" },
    { kind: "module", path: 5 },
    { kind: "x" },
  ]) {
    await assert.rejects(client.lookup(subject as unknown as Subject), {
      name: "TypeError",
      message: /^not a subject: expected \{ kind: "module", path \}/,
    });
  }
  for (const options of [undefined, {}, { trust: s.trust }, { trust: {}, transport: {} }]) {
    assert.throws(() => new Client(options as unknown as ClientOptions), {
      name: "TypeError",
      message: /^new Client: /,
    });
  }
});
