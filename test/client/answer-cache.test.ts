import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { FolderAnswerCache } from "../../src/client/answer-cache-folder.ts";
import { FolderMemoryStore } from "../../src/client/memory-folder.ts";
import type { Subject } from "../../src/client/verify/index.ts";
import { makeKeys, timeOf, trustOf, World } from "../attack/world.ts";
import { EPOCHS, makeFork, makeWorld, NOW, records, refusal, Scene, STEADY, sizeOf } from "./scene.ts";

const OTHER: Subject = { kind: "module", path: "example.com/m1" };
const VERSIONS: Subject = { ...OTHER, withVersions: true };

let world: World;
let fork: World;
let scene: Scene;
let ignored: string[];

before(async () => {
  world = await makeWorld();
  fork = await makeFork();
});
after(async () => {
  await world.close();
  await fork.close();
});
beforeEach(async () => {
  scene = await Scene.make(world);
  ignored = [];
  return () => scene.remove();
});

function cache(options: { now?: number; trust?: Scene["trust"]; memory?: Scene["store"] } = {}): FolderAnswerCache {
  const { now = NOW, trust = scene.trust, memory = scene.store } = options;
  const folder = join(dirname(scene.folder), "cache");
  return new FolderAnswerCache({
    folder,
    trust,
    memory,
    now: () => now,
    onIgnored: (message) => ignored.push(message),
  });
}

/** Looks subjects up in an epoch, keeps the answers, and remembers the head. */
async function keep(subjects: readonly Subject[] = [STEADY], epoch = EPOCHS): Promise<void> {
  const client = scene.client(scene.server(epoch));
  for (const subject of subjects) await cache().write(subject, await client.lookup(subject), client);
  await client.commit();
}

/** The same of the other tree, in a run that remembers nothing. */
async function keepForked(epoch: number, subject: Subject = STEADY): Promise<void> {
  const other = await Scene.make(fork);
  const client = other.client(other.server(epoch));
  await cache().write(subject, await client.lookup(subject), client);
  await other.remove();
}

describe("a folder of cached answers", () => {
  it("that cannot be written is said once, and is no failure", async () => {
    writeFileSync(join(dirname(scene.folder), "cache"), "a file");
    const client = scene.client(scene.server(EPOCHS));
    const kept = cache();
    for (const subject of [STEADY, OTHER]) await kept.write(subject, await client.lookup(subject), client);
    assert.equal(await kept.read(STEADY), undefined);
    assert.equal(ignored.length, 1);
    assert.match(ignored[0] ?? "", /cannot be kept in .*cache.*--cache names another folder/);
  });

  it("gives what was looked up, verified anew", async () => {
    await keep([STEADY, VERSIONS, { kind: "toolchain" }, { kind: "module", path: "example.com/none" }]);
    const found = await cache().read(STEADY);
    assert.ok(found?.answer.kind === "module");
    assert.deepEqual([found.queries, found.answerBytes, found.isRecordProven], [0, 0, false]);
    const listed = await cache().read(VERSIONS);
    assert.ok((listed?.versions?.length ?? 0) > 5);
    assert.equal((await cache().read({ kind: "toolchain" }))?.answer.kind, "toolchain");
    assert.equal((await cache().read({ kind: "module", path: "example.com/none" }))?.answer.kind, "absent");
    assert.deepEqual(ignored, []);
  });

  it("gives nothing that was not asked, in this form or with a record", async () => {
    await keep();
    assert.equal(await cache().read(OTHER), undefined);
    assert.equal(await cache().read({ ...STEADY, withVersions: true } as Subject), undefined);
    assert.equal(await cache().read(STEADY, { withRecord: true }), undefined);
  });

  it("gives an answer until its time to live is over, and after that only without a network", async () => {
    const client = scene.client(scene.server());
    const lookup = await client.lookup(STEADY);
    assert.ok(lookup.ttl > 0);
    await cache().write(STEADY, lookup, client);
    await client.commit();
    assert.ok(await cache({ now: NOW + lookup.ttl - 1 }).read(STEADY));
    assert.equal(await cache({ now: NOW + lookup.ttl }).read(STEADY), undefined);
    const late = await cache({ now: NOW + 80_000 }).read(STEADY, { isOffline: true });
    assert.equal(late?.answer.head.ageTime, timeOf(EPOCHS));
    assert.deepEqual(ignored, []);
  });

  it("refuses what is over the maximum age, without a network too", async () => {
    await keep();
    const error = await refusal(() => cache({ now: NOW + 90_000 }).read(STEADY, { isOffline: true }));
    assert.equal(error.code, "STALE");
    assert.match(error.message, /--max-age accepts an older one/);
  });

  it("takes no time from a file that lies about it", async () => {
    await keep();
    const path = cache().path(STEADY);
    utimesSync(path, NOW + 1_000_000, NOW + 1_000_000);
    assert.equal(await cache().read(STEADY), undefined);
  });

  it("ignores, with a note, whatever does not verify", async () => {
    await keep([STEADY, OTHER]);
    const [path, other] = [cache().path(STEADY), cache().path(OTHER)];
    const honest = readFileSync(path);
    const until = statSync(path).mtime;
    const put = (bytes: Uint8Array | string): void => {
      rmSync(path, { recursive: true, force: true });
      writeFileSync(path, bytes);
      utimesSync(path, until, until);
    };
    const damaged: (Uint8Array | string)[] = [
      "",
      "junk",
      Buffer.alloc(1000),
      honest.subarray(0, 500),
      honest.subarray(1),
    ];
    for (let at = 0; at < honest.length; at += 97) {
      const bytes = Uint8Array.from(honest);
      bytes[at] = (bytes[at] as number) ^ 1;
      damaged.push(bytes);
    }
    for (const bytes of [...damaged, readFileSync(other)]) {
      ignored = [];
      put(bytes);
      assert.equal(await cache().read(STEADY), undefined);
      assert.equal(ignored.length, 1, String(bytes).slice(0, 60));
    }
    put(honest);
    assert.ok(await cache().read(STEADY));
  });

  it("ignores folders, pipes and files that are too long in place of an answer, and replaces files", {
    skip: process.platform === "win32",
  }, async () => {
    await keep();
    const path = cache().path(STEADY);
    rmSync(path);
    execFileSync("mkfifo", [path]);
    assert.equal(await cache().read(STEADY), undefined);
    rmSync(path);
    mkdirSync(path);
    assert.equal(await cache().read(STEADY), undefined);
    await keep();
    rmSync(path, { recursive: true });
    writeFileSync(path, Buffer.alloc(9_000_000, 0x61));
    utimesSync(path, NOW + 60, NOW + 60);
    assert.equal(await cache().read(STEADY), undefined);
    assert.equal(ignored.length, 4, ignored.join("\n"));
    await keep();
    assert.ok(await cache().read(STEADY));
  });

  it("spares a question only in the remembered epoch: nothing else shows of which log an answer is", async () => {
    for (const [kept, remembered] of [
      [EPOCHS, undefined],
      [EPOCHS, EPOCHS - 1],
      [EPOCHS - 1, EPOCHS],
      [EPOCHS - 3, EPOCHS],
    ] as const) {
      await keep([STEADY], kept);
      rmSync(scene.store.path, { force: true });
      if (remembered !== undefined) await scene.store.write(world.memory(remembered));
      assert.equal(await cache().read(STEADY), undefined, `${kept} beside ${remembered}`);
      const found = await cache().read(STEADY, { isOffline: true });
      assert.equal(found?.answer.head.epoch, kept, "without a network it is the best there is");
      rmSync(scene.store.path, { force: true });
    }
    assert.deepEqual(ignored, []);
  });

  it("never takes an answer of a fork for one of the remembered log, whatever its epoch", async () => {
    await scene.store.write(world.memory(EPOCHS - 1));
    for (const epoch of [EPOCHS - 2, EPOCHS]) {
      await keepForked(epoch);
      assert.equal(await cache().read(STEADY), undefined, `epoch ${epoch}`);
    }
    await keepForked(EPOCHS - 1);
    assert.equal((await refusal(() => cache().read(STEADY))).code, "FORK");
  });

  it("ends with FORK and keeps the evidence where an answer is signed over another tree, with a network or without", async () => {
    await keep([STEADY]);
    rmSync(scene.store.path);
    await scene.store.write(fork.memory(EPOCHS));
    for (const isOffline of [false, true]) {
      const error = await refusal(() => cache().read(STEADY, { isOffline }));
      assert.equal(error.code, "FORK");
      assert.match(error.message, /^the cached answer \S+: .*two different trees.*; the evidence is in \S+$/);
    }
    // Long out of date, it proves the fork all the same.
    assert.equal((await refusal(() => cache({ now: NOW + 900_000 }).read(STEADY, { isOffline: true }))).code, "FORK");
    const [evidence, ...others] = await scene.evidence();
    assert.equal((evidence as { kind: string }).kind, "fork");
    assert.deepEqual([others, ignored], [[], []]);
    rmSync(scene.folder, { recursive: true });
    const unwritable = new (class extends FolderMemoryStore {
      override read() {
        return Promise.resolve(fork.memory(EPOCHS));
      }
    })("/dev/null/none", scene.trust);
    const unkept = await refusal(() => cache({ memory: unwritable }).read(STEADY));
    assert.match(unkept.message, /its evidence is not kept/);
    assert.equal(unkept.code, "FORK");
  });

  it("ends with SUMDB_ROLLBACK where a signed epoch takes back records of the remembered one", async () => {
    const sizes = Array.from({ length: EPOCHS }, (_, i) => sizeOf(i + 1) - (i + 1 === EPOCHS ? 0 : 30));
    const small = await World.build({ records, sizes });
    await keep([STEADY], EPOCHS - 2);
    rmSync(scene.store.path);
    await scene.store.write(small.memory(EPOCHS - 1));
    for (const isOffline of [false, true]) {
      assert.equal((await refusal(() => cache().read(STEADY, { isOffline }))).code, "SUMDB_ROLLBACK");
    }
    await small.close();
  });

  it("gives no two answers without a network that are signed over two trees", async () => {
    await keep([STEADY]);
    rmSync(scene.store.path);
    await keepForked(EPOCHS, OTHER);
    const offline = cache();
    assert.ok(await offline.read(STEADY, { isOffline: true }));
    assert.equal((await refusal(() => offline.read(OTHER, { isOffline: true }))).code, "FORK");
    assert.ok(await offline.read(STEADY, { isOffline: true }));
    assert.equal((await scene.evidence()).length, 1);
  });

  it("keeps no answers of one log key for another's", async () => {
    await keep();
    const others = trustOf(makeKeys(2));
    assert.notEqual(dirname(cache().path(STEADY)), dirname(cache({ trust: others }).path(STEADY)));
    mkdirSync(dirname(cache({ trust: others }).path(STEADY)), { recursive: true });
    renameSync(cache().path(STEADY), cache({ trust: others }).path(STEADY));
    assert.equal(await cache({ trust: others }).read(STEADY), undefined);
  });

  it("fails where the memory is damaged: protection from rollback is not passed over", async () => {
    await keep();
    await scene.store.write(world.memory(EPOCHS));
    writeFileSync(scene.store.path, "{}");
    assert.equal((await refusal(() => cache().read(STEADY))).code, "MALFORMED_MEMORY");
    assert.equal((await refusal(() => cache().read(STEADY, { isOffline: true }))).code, "MALFORMED_MEMORY");
  });

  it("may be removed at any time, and takes no remembered head with it", async () => {
    await scene.store.write(world.memory(EPOCHS));
    await keep();
    rmSync(join(dirname(scene.folder), "cache"), { recursive: true });
    assert.equal(await cache().read(STEADY), undefined);
    assert.equal(await scene.rememberedEpoch(), EPOCHS);
  });

  it("is no reason to fail where it cannot be written", async () => {
    const client = scene.client(scene.server());
    const lookup = await client.lookup(STEADY);
    writeFileSync(join(dirname(scene.folder), "file"), "");
    for (const folder of [join(dirname(scene.folder), "file"), "/proc/none", "/dev/null/none"]) {
      if (!existsSync("/proc/self") && folder.startsWith("/proc")) continue;
      const own = new FolderAnswerCache({ folder, trust: scene.trust, memory: scene.store, now: () => NOW });
      await own.write(STEADY, lookup, client);
      assert.equal(await own.read(STEADY), undefined);
    }
  });

  it("is whole after many have written at once, and leaves nothing else behind", async () => {
    await Promise.all(
      Array.from({ length: 12 }, (_, i) => keep([i % 2 === 0 ? STEADY : OTHER], EPOCHS - (i % 3 === 0 ? 1 : 0))),
    );
    assert.ok(await cache().read(STEADY, { isOffline: true }));
    assert.ok(await cache().read(OTHER, { isOffline: true }));
    assert.deepEqual(readdirSync(dirname(cache().path(STEADY))).length, 2);
    assert.deepEqual(ignored, []);
  });

  it("removes what nobody has asked for in a month", async () => {
    await keep([STEADY, OTHER]);
    utimesSync(cache().path(OTHER), NOW - 31 * 86_400, NOW - 31 * 86_400);
    await cache().prune();
    assert.deepEqual([existsSync(cache().path(STEADY)), existsSync(cache().path(OTHER))], [true, false]);
  });
});
