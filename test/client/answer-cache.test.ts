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
import type { Subject } from "../../src/client/verify/index.ts";
import { makeKeys, timeOf, trustOf, type World } from "../attack/world.ts";
import { EPOCHS, makeFork, makeWorld, NOW, refusal, Scene, STEADY } from "./scene.ts";

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

/** Looks subjects up in an epoch and keeps the answers. */
async function keep(subjects: readonly Subject[] = [STEADY], epoch = EPOCHS): Promise<void> {
  const client = scene.client(scene.server(epoch));
  for (const subject of subjects) await cache().write(subject, await client.lookup(subject), client);
}

describe("a folder of cached answers", () => {
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
    assert.equal(ignored.length, 3);
    await keep();
    assert.ok(await cache().read(STEADY));
  });

  it("ignores an answer of a forked log, and one that lags behind what is remembered", async () => {
    await keep([STEADY], EPOCHS - 3);
    await scene.store.write(world.memory(EPOCHS));
    assert.equal(await cache().read(STEADY), undefined, "three epochs behind is over the maximum lag");
    assert.deepEqual(ignored, []);
    assert.ok(await cache().read(STEADY, { isOffline: true }), "without a network it is the best there is");

    await keep([STEADY]);
    rmSync(scene.store.path);
    await scene.store.write(fork.memory(EPOCHS));
    assert.equal(await cache().read(STEADY), undefined);
    assert.match(ignored.join(), /two different trees/);
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
    assert.ok(await cache().read(STEADY));
    assert.ok(await cache().read(OTHER));
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
