import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { inspect } from "node:util";
import {
  listUnusedKeyTags,
  makeFirstKey,
  openZoneKeys,
  readZoneKeys,
  rollZoneKeys,
} from "../../../src/dns/dnssec/key-store.ts";
import { ZoneSigner } from "../../../src/dns/dnssec/signer.ts";
import type { ZoneKeys } from "../../../src/dns/dnssec/zone-keys.ts";

const ZONE = "l.example.org";
const T = 1_790_000_000;
const HOUR = 3600;
const DAY = 86_400;
const GO = { dsSeen: false, force: false };
const SEEN = { dsSeen: true, force: false };
/** Windows has no file modes; root may do what others may not. */
const needsModes = process.platform === "win32" ? "file modes" : false;
const needsRoot = process.getuid?.() === 0 ? false : "only root can give files away";

const root = mkdtempSync(join(tmpdir(), "proofdns-dnssec-"));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => join(root, `data-${count++}`, "dnssec");

/** Files with what they hold. */
const snapshot = (folder: string): Record<string, string> =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "latin1")]));
const tagsOf = (keys: ZoneKeys): readonly (readonly [number, string])[] =>
  keys.keys.map(({ keyTag, phase }) => [keyTag, phase]);

/** A folder with a first key, and that key's tag and file. */
async function made(algorithm: 13 | 15 = 15): Promise<{ folder: string; tag: number; path: string; keys: ZoneKeys }> {
  const folder = fresh();
  const keys = await makeFirstKey(folder, ZONE, algorithm, T);
  const tag = keys.keys[0]?.keyTag as number;
  return { folder, tag, path: join(folder, `key-${tag}.pem`), keys };
}

/** Everything that reads the keys refuses with one sentence about `path`, shows no key, and leaves all files alone. */
async function assertUnusable(folder: string, path: string, words: RegExp, zone = ZONE): Promise<void> {
  const files = snapshot(folder);
  const secrets = Object.values(files).flatMap((text) => /KEY-----\n([A-Za-z0-9+/]{60})/.exec(text)?.[1] ?? []);
  for (const act of [
    () => readZoneKeys(folder, zone),
    () => openZoneKeys(folder, zone, 15, T),
    () => rollZoneKeys(folder, zone, GO, T),
  ]) {
    await assert.rejects(act, (error: Error & { code?: string }) => {
      assert.equal(error.code, "KEY_UNUSABLE");
      assert.ok(error.message.includes(path) && !error.message.includes("\n"), error.message);
      assert.match(error.message, words);
      const shown = inspect(error, { depth: 10 });
      assert.ok(secrets.every((secret) => !shown.includes(secret)));
      return true;
    });
    assert.deepEqual(snapshot(folder), files);
  }
}

describe("the first key", () => {
  it("is made in a folder for nobody else, and read from then on", async () => {
    for (const algorithm of [13, 15] as const) {
      const { folder, tag, path, keys } = await made(algorithm);
      assert.deepEqual(readdirSync(folder).sort(), [`key-${tag}.pem`, "keys.json"]);
      if (!needsModes) {
        assert.equal(statSync(folder).mode & 0o777, 0o700);
        assert.equal(statSync(path).mode & 0o777, 0o600);
        assert.equal(statSync(join(folder, "keys.json")).mode & 0o777, 0o600);
      }
      const read = await readZoneKeys(folder, "L.Example.ORG.");
      assert.deepEqual([read.zone, read.algorithm, tagsOf(read)], [ZONE, algorithm, [[tag, "active"]]]);
      assert.equal(read.keys[0]?.since, T);
      assert.deepEqual(new ZoneSigner(read).ds, new ZoneSigner(keys).ds);
      new ZoneSigner(read).selfCheck(T);
    }
  });

  it("is made once: a second one is refused, and openZoneKeys reads it", async () => {
    const { folder, tag } = await made();
    const files = snapshot(folder);
    await assert.rejects(makeFirstKey(folder, ZONE, 15, T), { code: "KEY_UNUSABLE", message: /roll replaces a key/ });
    assert.deepEqual(tagsOf(await openZoneKeys(folder, ZONE, 13, T + 5)), [[tag, "active"]]);
    assert.deepEqual(snapshot(folder), files);
  });

  it("is one, if many make it at once", async () => {
    const folder = fresh();
    const all = await Promise.all(Array.from({ length: 20 }, () => openZoneKeys(folder, ZONE, 15, T)));
    assert.equal(new Set(all.map((keys) => keys.keys[0]?.keyTag)).size, 1);
    assert.deepEqual(readdirSync(folder).sort(), [`key-${all[0]?.keys[0]?.keyTag}.pem`, "keys.json"]);
  });

  it("is the one that a stop before keys.json has left", async () => {
    for (const open of [makeFirstKey, openZoneKeys]) {
      const { folder, tag, path } = await made(13);
      const text = readFileSync(path, "utf8");
      rmSync(join(folder, "keys.json"));
      const keys = await open(folder, ZONE, 15, T + 7);
      assert.deepEqual([keys.algorithm, keys.keys[0]?.since, tagsOf(keys)], [13, T + 7, [[tag, "active"]]]);
      assert.equal(readFileSync(path, "utf8"), text);
      assert.deepEqual(tagsOf(await readZoneKeys(folder, ZONE)), [[tag, "active"]]);
    }
  });

  it("is refused beside two key files without keys.json, or a damaged one", async () => {
    const { folder, path } = await made();
    const other = await made();
    rmSync(join(folder, "keys.json"));
    copyFileSync(other.path, join(folder, `key-${other.tag}.pem`));
    const files = snapshot(folder);
    await assert.rejects(makeFirstKey(folder, ZONE, 15, T), { code: "KEY_UNUSABLE", message: /2 key files/ });
    assert.deepEqual(snapshot(folder), files);
    rmSync(join(folder, `key-${other.tag}.pem`));
    writeFileSync(path, "zone: x\n", { mode: 0o600 });
    await assert.rejects(makeFirstKey(folder, ZONE, 15, T), { code: "KEY_UNUSABLE" });
    assert.deepEqual(Object.keys(snapshot(folder)).length, 1);
  });

  it("is not made where no folder can be", async () => {
    const file = join(root, "file");
    writeFileSync(file, "");
    await assert.rejects(makeFirstKey(join(file, "dnssec"), ZONE, 15, T), { code: "KEY_UNUSABLE" });
    await assert.rejects(openZoneKeys(file, ZONE, 15, T), { code: "KEY_UNUSABLE" });
    await assert.rejects(makeFirstKey(fresh(), "not a zone", 15, T), { code: "MALFORMED_NAME" });
  });

  it("of root belongs to the owner of the server's folder", { skip: needsRoot }, async () => {
    const folder = fresh();
    mkdirSync(join(folder, ".."));
    chownSync(join(folder, ".."), 1234, 1235);
    await makeFirstKey(folder, ZONE, 15, T);
    await rollZoneKeys(folder, ZONE, GO, T);
    for (const path of [folder, ...readdirSync(folder).map((name) => join(folder, name))]) {
      assert.deepEqual([statSync(path).uid, statSync(path).gid], [1234, 1235], path);
    }
  });
});

describe("keys that cannot be used", () => {
  it("are missing ones", async () => {
    const folder = fresh();
    await assert.rejects(readZoneKeys(folder, ZONE), { code: "KEY_UNUSABLE", message: /keys\.json.*keygen/ });
    await assert.rejects(rollZoneKeys(folder, ZONE, GO, T), { code: "KEY_UNUSABLE" });
    assert.ok(!existsSync(folder));
    const { folder: other, path } = await made();
    rmSync(path);
    await assertUnusable(other, path, /no such file.*restore/);
  });

  it("are those of another zone, by keys.json or by a key file", async () => {
    const { folder, path } = await made();
    await assertUnusable(
      folder,
      join(folder, "keys.json"),
      /of the zone l\.example\.org, not of example\.org/,
      "example.org",
    );
    writeFileSync(path, readFileSync(path, "utf8").replace(`zone: ${ZONE}`, "zone: example.org"));
    await assertUnusable(folder, path, /key of example\.org/);
  });

  it("are those of another tag or algorithm", async () => {
    const [a, b, c] = [await made(15), await made(15), await made(13)];
    copyFileSync(b.path, a.path);
    await assertUnusable(a.folder, a.path, new RegExp(`the key ${b.tag}`));
    const state = join(c.folder, "keys.json");
    writeFileSync(state, readFileSync(state, "utf8").replace('"algorithm": 13', '"algorithm": 15'));
    await assertUnusable(c.folder, state, /algorithm 13, not 15/);
  });

  it("are damaged ones", async () => {
    const damage: Record<string, (text: string) => string> = {
      emptied: () => "",
      cut: (text) => text.slice(0, -1),
      "with a letter changed": (text) => text.replace(/e/, "f"),
      "with a NUL": (text) => text.replace(/e/, "\0"),
      long: (text) => text + " ".repeat(5000),
    };
    for (const [what, change] of Object.entries(damage)) {
      for (const name of ["key", "state"] as const) {
        const { folder, path } = await made();
        const target = name === "key" ? path : join(folder, "keys.json");
        writeFileSync(target, change(readFileSync(target, "utf8")));
        await assertUnusable(folder, target, /./);
        assert.ok(what);
      }
    }
  });

  it("are folders in place of files", async () => {
    const { folder, path } = await made();
    rmSync(path);
    mkdirSync(path);
    await assert.rejects(readZoneKeys(folder, ZONE), { code: "KEY_UNUSABLE" });
    const other = await made();
    rmSync(join(other.folder, "keys.json"));
    mkdirSync(join(other.folder, "keys.json"));
    await assert.rejects(openZoneKeys(other.folder, ZONE, 15, T), { code: "KEY_UNUSABLE" });
  });

  it("are those that others can read, or whose state others can write", { skip: needsModes }, async () => {
    for (const mode of [0o640, 0o604, 0o620, 0o602, 0o610, 0o601]) {
      const { folder, path } = await made();
      chmodSync(path, mode);
      await assertUnusable(folder, path, /chmod 600/);
      chmodSync(path, 0o400);
      await readZoneKeys(folder, ZONE);
    }
    for (const mode of [0o620, 0o602]) {
      const { folder } = await made();
      const state = join(folder, "keys.json");
      chmodSync(state, mode);
      await assertUnusable(folder, state, /chmod 600/);
      chmodSync(state, 0o644);
      await readZoneKeys(folder, ZONE);
    }
  });

  it("are not links, which point to what is checked itself", { skip: needsModes }, async () => {
    const { folder, path } = await made();
    renameSync(path, join(root, "elsewhere.pem"));
    symlinkSync(join(root, "elsewhere.pem"), path);
    await readZoneKeys(folder, ZONE);
    chmodSync(join(root, "elsewhere.pem"), 0o644);
    await assertUnusable(folder, path, /chmod 600/);
  });
});

describe("a roll", () => {
  let folder: string;
  let old: number;
  let next: number;
  let oldDs: readonly string[];
  const signer = async (): Promise<ZoneSigner> => new ZoneSigner(await readZoneKeys(folder, ZONE));

  before(async () => {
    ({ folder, tag: old } = await made(13));
    oldDs = (await signer()).ds;
  });

  it("first publishes a key, which is announced beside the old one and signs nothing else", async () => {
    const outcome = await rollZoneKeys(folder, ZONE, GO, T);
    assert.ok(outcome.kind === "done" && outcome.warning === undefined);
    assert.equal(outcome.step.kind, "publish");
    next = outcome.keys.keys[1]?.keyTag as number;
    const read = await readZoneKeys(folder, ZONE);
    assert.deepEqual(tagsOf(read), [
      [old, "active"],
      [next, "published"],
    ]);
    assert.deepEqual(tagsOf(outcome.keys), tagsOf(read));
    const now = await signer();
    assert.equal(now.keyTag, old);
    assert.equal(now.ds.length, 2);
    assert.equal(now.ds[0], oldDs[0]);
    if (!needsModes) assert.equal(statSync(join(folder, `key-${next}.pem`)).mode & 0o777, 0o600);
  });

  it("is refused without word of the DS, and before the DNSKEY RRset is known, and changes nothing", async () => {
    const files = snapshot(folder);
    for (const [options, now] of [
      [GO, T + 10 * DAY],
      [SEEN, T],
      [SEEN, T + HOUR - 1],
      [{ dsSeen: false, force: true }, T],
    ] as const) {
      const outcome = await rollZoneKeys(folder, ZONE, options, now);
      assert.ok(outcome.kind === "refused");
      assert.ok(outcome.why.includes(folder) && outcome.why.includes(ZONE));
      assert.deepEqual(snapshot(folder), files);
    }
  });

  it("then signs with the new key, and announces it alone", async () => {
    const outcome = await rollZoneKeys(folder, ZONE, SEEN, T + HOUR);
    assert.ok(outcome.kind === "done" && outcome.step.kind === "switch" && outcome.warning === undefined);
    assert.deepEqual(tagsOf(await readZoneKeys(folder, ZONE)), [
      [next, "active"],
      [old, "retired"],
    ]);
    const now = await signer();
    assert.equal(now.keyTag, next);
    assert.equal(now.dnskeyRdatas.length, 2);
    assert.deepEqual(
      now.ds.map((ds) => Number.parseInt(ds, 10)),
      [next],
    );
  });

  it("is refused before signatures and DS are forgotten", async () => {
    const files = snapshot(folder);
    for (const now of [0, T + HOUR, T + HOUR + 2 * DAY - 1]) {
      assert.equal((await rollZoneKeys(folder, ZONE, GO, now)).kind, "refused");
    }
    assert.deepEqual(snapshot(folder), files);
  });

  it("at last removes the old key and its file", async () => {
    const outcome = await rollZoneKeys(folder, ZONE, GO, T + HOUR + 2 * DAY);
    assert.ok(outcome.kind === "done" && outcome.step.kind === "remove");
    assert.deepEqual(tagsOf(await readZoneKeys(folder, ZONE)), [[next, "active"]]);
    assert.deepEqual(readdirSync(folder).sort(), [`key-${next}.pem`, "keys.json"]);
    (await signer()).selfCheck(T);
  });

  it("can be forced, with a warning", async () => {
    const { folder: other } = await made();
    await rollZoneKeys(other, ZONE, { dsSeen: false, force: true }, T);
    for (const dsSeen of [true, false]) {
      const outcome = await rollZoneKeys(other, ZONE, { dsSeen, force: true }, T + 1);
      assert.ok(outcome.kind === "done");
      assert.match(String(outcome.warning), /forced/);
    }
    assert.equal((await readZoneKeys(other, ZONE)).keys.length, 1);
  });

  it("goes on from where a stop has left it", async () => {
    const { folder: other, tag } = await made();
    // Stopped after the key file was written: the key is nowhere published, and another one is made.
    const left = await made();
    copyFileSync(left.path, join(other, `key-${left.tag}.pem`));
    const outcome = await rollZoneKeys(other, ZONE, GO, T);
    assert.ok(outcome.kind === "done");
    assert.equal(outcome.keys.keys.length, 2);
    assert.deepEqual(await listUnusedKeyTags(other, outcome.keys), [left.tag]);
    // Stopped after keys.json was written and before the old file was deleted.
    await rollZoneKeys(other, ZONE, { dsSeen: true, force: true }, T);
    copyFileSync(join(other, `key-${tag}.pem`), join(root, "kept.pem"));
    await rollZoneKeys(other, ZONE, { dsSeen: false, force: true }, T);
    copyFileSync(join(root, "kept.pem"), join(other, `key-${tag}.pem`));
    const keys = await readZoneKeys(other, ZONE);
    assert.equal(keys.keys.length, 1);
    assert.deepEqual([...(await listUnusedKeyTags(other, keys))].sort(), [left.tag, tag].sort());
  });

  it("excludes another one, also one that was stopped, until a person looks", async () => {
    const { folder: other } = await made();
    writeFileSync(join(other, "keys.json.new"), "");
    const files = snapshot(other);
    await assert.rejects(rollZoneKeys(other, ZONE, GO, T), {
      code: "KEY_UNUSABLE",
      message: /keys\.json\.new.*remove this file/,
    });
    assert.deepEqual(snapshot(other), files);
    await readZoneKeys(other, ZONE);
    rmSync(join(other, "keys.json.new"));
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => rollZoneKeys(other, ZONE, GO, T)));
    const done = outcomes.filter((outcome) => outcome.status === "fulfilled" && outcome.value.kind === "done");
    assert.equal(done.length, 1);
    const keys = await readZoneKeys(other, ZONE);
    assert.equal(keys.keys.length, 2);
    assert.deepEqual(await listUnusedKeyTags(other, keys), []);
    assert.ok(!existsSync(join(other, "keys.json.new")));
  });
});
