import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { exitCodeOf } from "../../src/cli/exit-code.ts";
import { loadSnapshot, type SnapshotTrust } from "../../src/store/snapshot-load.ts";
import { saveSnapshot } from "../../src/store/snapshot-save.ts";
import { StateFile, type StoredState, writeStateFile } from "../../src/store/state-file.ts";
import { Store } from "../../src/store/store.ts";
import { isProofdnsError, type ProofdnsError } from "../../src/vindex/error.ts";
import { formatVerifierKey, KEY_TYPE_ED25519, makeSignerKey } from "../../src/vindex/note.ts";
import { parseRecord } from "../../src/vindex/record.ts";
import { clientOf, headOf, makeSumdb, startOperator, until } from "../service/operator.ts";
import { clockKey, ed25519, logKey, makeFolder, makeRandom, sampleRecords, sumdbKey } from "../service/world.ts";
import { makeBaseStore } from "./base-store.ts";

const folder = makeFolder("snapshot");
const data = join(folder, "data");
const saved = join(folder, "saved");
const records = sampleRecords();
const SIZE = 2600;
const paths = [...new Set(records.slice(0, SIZE).map((text) => parseRecord(text)?.path ?? ""))].filter(
  (path) => path !== "",
);
const trust: SnapshotTrust = {
  logKey: logKey.verifierKey,
  sumdbKey: sumdbKey.verifierKey,
  cosigners: [clockKey.verifierKey],
};
let copies = 0;
const fresh = (): string => join(folder, `copy-${copies++}`);

/** A store with base files, and epochs after them in the database. */
before(async () => {
  await makeBaseStore(data, records.slice(0, 1500));
  const sumdb = makeSumdb(records, 1500);
  const operator = await startOperator({ folder: data, sumdb });
  for (const size of [1900, SIZE]) {
    sumdb.setSize(size);
    await until(`size ${size}`, () => operator.served.at(-1)?.sumdbSize === size);
  }
  await assert.rejects(
    saveSnapshot(data, fresh()),
    (error) => isProofdnsError(error, "STORE_UNUSABLE") && /another process/.test(error.message),
  );
  await operator.close();
  const result = await saveSnapshot(data, saved);
  assert.deepEqual([result.epoch, result.sumdbSize, result.recordProofs], [3, SIZE, true]);
});

/** The snapshot with one file changed, the manifest's mark of it too if `relabel`. */
function changed(name: string, change: (bytes: Uint8Array) => Uint8Array | undefined, relabel: boolean): string {
  return changedOf(saved, name, change, relabel);
}

function changedOf(
  from: string,
  name: string,
  change: (bytes: Uint8Array) => Uint8Array | undefined,
  relabel = true,
): string {
  const copy = fresh();
  cpSync(from, copy, { recursive: true });
  const after = change(new Uint8Array(readFileSync(join(copy, name))));
  if (after === undefined) rmSync(join(copy, name));
  else writeFileSync(join(copy, name), after);
  if (relabel && after !== undefined) {
    const manifest = JSON.parse(readFileSync(join(copy, "manifest.json"), "utf8"));
    manifest.files[name] = { bytes: after.length, sha256: createHash("sha256").update(after).digest("hex") };
    writeFileSync(join(copy, "manifest.json"), `${JSON.stringify(manifest, undefined, 1)}\n`);
  }
  return copy;
}

async function refused(from: string, by: SnapshotTrust = trust, threads = 0): Promise<ProofdnsError> {
  const to = fresh();
  try {
    await loadSnapshot(from, to, by, () => {}, threads);
  } catch (error) {
    assert.ok(isProofdnsError(error), (error as Error).stack);
    assert.doesNotMatch(error.message, /\n/);
    assert.equal(existsSync(to), false, "something was made");
    for (const left of [`${to}.partial`, `${to}.partial.lock`])
      assert.equal(existsSync(left), false, `${left} was left`);
    return error;
  }
  assert.fail(`it was loaded: ${from}`);
}

const files = (): string[] => readdirSync(saved).sort();
const flip = (at: number, bit: number) => (bytes: Uint8Array) => {
  bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ (1 << bit);
  return bytes;
};

describe("a snapshot", () => {
  it("gives a second server everything, and it serves the same and goes on", async () => {
    const to = fresh();
    const result = await loadSnapshot(saved, to, trust);
    const wellFormed = records.slice(0, SIZE).filter((text) => parseRecord(text) !== undefined);
    assert.equal(result.records, wellFormed.length);
    const sumdb = makeSumdb(records, SIZE);
    const first = await startOperator({ folder: data, sumdb });
    const second = await startOperator({ folder: to, sumdb, isSoleSigner: true });
    assert.deepEqual(second.served, first.served);
    for (const epoch of [1, 2, 3])
      assert.deepEqual(headOf(second, epoch).logSignature, headOf(first, epoch).logSignature);
    // Times of cosignatures say how old an epoch is: they were verified and kept.
    assert.deepEqual(headOf(second, 1).cosignatures, headOf(first, 1).cosignatures);
    const client = clientOf(second);
    for (const path of paths.filter((_, i) => i % 30 === 0)) {
      await client.lookup({ kind: "module", path, withVersions: true }, { withRecord: true });
    }
    await until("the table of names", () => second.steps.some((step) => step.startsWith("flushed")));
    await first.close();
    sumdb.setSize(2900);
    await until("another epoch", () => second.served.at(-1)?.sumdbSize === 2900);
    assert.equal(second.service.data.v0Exists(["com", "nowhere"]), false);
    await second.close();
    // A snapshot of what was loaded is as good.
    const again = fresh();
    await saveSnapshot(to, again);
    await loadSnapshot(again, fresh(), trust);
  });

  it("does not believe a time to come for that of the last growth, which nobody signed", async () => {
    const forge = (time: number) => (bytes: Uint8Array) =>
      Buffer.from(
        Buffer.from(bytes)
          .toString()
          .replace(/"growthTime": [0-9]+/, `"growthTime": ${time}`),
      );
    for (const time of [Number.MAX_SAFE_INTEGER, 1_700_000_000]) {
      const to = fresh();
      await loadSnapshot(changed("manifest.json", forge(time), false), to, trust);
      const store = await Store.open(to, undefined);
      const { lastGrowth } = (await store.clock()) ?? { lastGrowth: -1 };
      await store.close();
      const now = Math.floor(Date.now() / 1000);
      assert.ok(time < now ? lastGrowth === time : lastGrowth <= now && lastGrowth > now - 60, `${lastGrowth}`);
    }
  });

  it("is loaded into one folder by one command at a time; what one that died left is in nobody's way", async () => {
    const to = fresh();
    const both = await Promise.allSettled([loadSnapshot(saved, to, trust), loadSnapshot(saved, to, trust)]);
    const refusals = both.flatMap((one) => (one.status === "rejected" ? [one.reason as Error] : []));
    assert.equal(refusals.length, 1);
    assert.ok(isProofdnsError(refusals[0], "MALFORMED_INPUT"));
    assert.match(
      refusals[0].message,
      /^another command \(process [0-9]+\) is filling .*\.partial; wait for it, or remove .*\.lock /,
    );
    assert.ok(existsSync(to) && !existsSync(`${to}.partial`) && !existsSync(`${to}.partial.lock`));
    // Of a live process that is not this one.
    const other = fresh();
    writeFileSync(`${other}.partial.lock`, `${process.ppid}\n`);
    await assert.rejects(loadSnapshot(saved, other, trust), /another command/);
    assert.deepEqual([existsSync(other), existsSync(`${other}.partial`)], [false, false]);
    // Of one that is gone, and of one that had this one's number.
    const gone = spawnSync(process.execPath, ["-e", ""]).pid;
    for (const pid of [gone, process.pid]) {
      const again = fresh();
      writeFileSync(`${again}.partial.lock`, `${pid}\n`);
      await loadSnapshot(saved, again, trust);
      assert.ok(!existsSync(`${again}.partial.lock`));
    }
  });

  it("without a policy keeps no cosignatures, for nothing verified them", async () => {
    const to = fresh();
    await loadSnapshot(saved, to, { ...trust, cosigners: [] });
    const operator = await startOperator({ folder: to, sumdb: makeSumdb(records, SIZE) });
    assert.deepEqual(headOf(operator, 1).cosignatures, []);
    await operator.close();
  });

  it("is never written over, and nothing is made of what is none", async () => {
    const wrong = (error: unknown): boolean => isProofdnsError(error, "MALFORMED_INPUT");
    await assert.rejects(saveSnapshot(data, saved), wrong);
    await assert.rejects(saveSnapshot(join(folder, "nothing"), fresh()), wrong);
    await assert.rejects(loadSnapshot(saved, data, trust), wrong);
    await assert.rejects(loadSnapshot(join(folder, "nothing"), fresh(), trust), wrong);
    const to = fresh();
    mkdirSync(`${to}.partial`);
    writeFileSync(join(`${to}.partial`, "mine"), "");
    await assert.rejects(loadSnapshot(saved, to, trust), wrong);
    assert.ok(existsSync(join(`${to}.partial`, "mine")));
  });

  it("is not made of a store that never signed, whose files were being copied already", async () => {
    const at = fresh();
    await makeBaseStore(at, records.slice(0, 100));
    for (const threads of [0, 2]) {
      const to = fresh();
      await assert.rejects(
        saveSnapshot(at, to, () => {}, threads),
        (error) => isProofdnsError(error, "STORE_UNUSABLE"),
      );
      assert.ok(!existsSync(to) && !existsSync(`${to}.partial`));
    }
  });

  it("is the same with any number of threads, and loaded the same", async () => {
    const [alone, to] = [fresh(), fresh()];
    await saveSnapshot(data, alone, () => {}, 0);
    await saveSnapshot(data, to, () => {}, 3);
    for (const name of ["manifest.json", "epochs", "values", "overlay", "states", "entries", "hashes-0", "hashes-1"])
      assert.ok(readFileSync(join(to, name)).equals(readFileSync(join(alone, name))), name);
    const [first, second] = [fresh(), fresh()];
    const result = await loadSnapshot(to, first, trust, () => {}, 3);
    assert.deepEqual(await loadSnapshot(to, second, trust, () => {}, 0), result);
    for (const name of readdirSync(join(first, "files"))) {
      const [one, other] = [first, second].map((at) => readFileSync(join(at, "files", name)));
      assert.ok(one?.equals(other as Buffer), name);
    }
  });
});

describe("a hostile snapshot is refused, with nothing made,", () => {
  it("if it is of another log or another checksum database", async () => {
    const other = makeSignerKey(
      logKey.verifierKey.keyName,
      KEY_TYPE_ED25519,
      new Uint8Array(32).fill(9),
      ed25519,
    ).verifierKey;
    const error = await refused(saved, { ...trust, logKey: other });
    assert.match(error.message, /it is of the log/);
    assert.equal(exitCodeOf(error), 3);
    assert.match((await refused(saved, { ...trust, sumdbKey: other })).message, /checksum database/);
    // The manifest says the other one: then nothing is signed by it.
    const manifest = (bytes: Uint8Array): Uint8Array =>
      Buffer.from(
        Buffer.from(bytes)
          .toString()
          .replaceAll(/"logKey": "[^"]*"/g, `"logKey": ${JSON.stringify(formatVerifierKey(other))}`),
      );
    const forged = changed("manifest.json", manifest, false);
    assert.equal((await refused(forged, { ...trust, logKey: other })).code, "BAD_SNAPSHOT");
  });

  it("if one bit of any file is flipped", async () => {
    const random = makeRandom(11);
    for (const name of files()) {
      for (let i = 0; i < 3; i++) {
        const { code } = await refused(changed(name, flip(Math.floor(random() * 2 ** 30), i * 2), false));
        assert.ok(code === "BAD_SNAPSHOT", `${name}: ${code}`);
      }
    }
  });

  it("if a file is cut off, longer, empty, missing, or one too many", async () => {
    for (const name of files()) {
      for (const change of [
        (bytes: Uint8Array) => bytes.subarray(0, -1),
        (bytes: Uint8Array) => Buffer.concat([bytes, Buffer.alloc(1)]),
        () => new Uint8Array(0),
        () => undefined,
      ]) {
        const error = await refused(changed(name, change, false));
        assert.ok(["BAD_SNAPSHOT", "MALFORMED_INPUT"].includes(error.code), `${name}: ${error.message}`);
      }
    }
    const more = fresh();
    cpSync(saved, more, { recursive: true });
    writeFileSync(join(more, "more"), "");
    assert.equal((await refused(more)).code, "BAD_SNAPSHOT");
  });

  it("if a liar changed a file and the manifest with it", async () => {
    const random = makeRandom(12);
    const names = files().filter((name) => name !== "manifest.json");
    for (const name of names) {
      for (let i = 0; i < (name === "overlay" ? 16 : 4); i++) {
        const at = Math.floor(random() * 2 ** 30);
        const copy = changed(name, flip(at, i % 8), true);
        const to = fresh();
        try {
          await loadSnapshot(copy, to, trust);
        } catch (error) {
          assert.ok(isProofdnsError(error, "BAD_SNAPSHOT"), `${name}: ${(error as Error).stack}`);
          assert.equal(existsSync(to), false);
          continue;
        }
        // What is newer in the overlay leaves a base state dead; only such bytes may differ, and they are never read.
        assert.ok(name === "states" || name === "entries", `${name} byte ${at} was taken`);
      }
      for (const change of [
        (bytes: Uint8Array) => bytes.subarray(0, -1),
        (bytes: Uint8Array) => Buffer.concat([bytes, Buffer.alloc(7)]),
      ]) {
        assert.equal((await refused(changed(name, change, true))).code, "BAD_SNAPSHOT", name);
      }
    }
  });

  it("also by threads, which leave nothing", async () => {
    for (const name of ["states", "values", "hashes-0", "entries"]) {
      assert.equal((await refused(changed(name, flip(5000, 2), false), trust, 2)).code, "BAD_SNAPSHOT", name);
      const first = await refused(
        changed(name, (bytes) => bytes.subarray(0, -1), true),
        trust,
        2,
      );
      assert.equal(first.code, "BAD_SNAPSHOT", name);
    }
    assert.match((await refused(changed("hashes-0", flip(5000, 2), true), trust, 2)).message, /hashes-0/);
  });

  it("if a base state is twice, in another order, or of records that are not its own", async () => {
    const at = fresh();
    await makeBaseStore(at, records.slice(0, 1500));
    const operator = await startOperator({ folder: at, sumdb: makeSumdb(records, 1500) });
    await operator.close();
    const base = fresh();
    await saveSnapshot(at, base);
    const states = StateFile.open(join(base, "states"));
    const all = [...states.states()].map((state) => ({ ...state, indexKey: state.indexKey.slice() }));
    states.close();
    const [one, two] = all.filter(({ entryCount }) => entryCount === 1) as [StoredState, StoredState];
    const replaced = (other: StoredState): StoredState[] => all.map((state) => (state === one ? other : state));
    const wrong: [string, StoredState[]][] = [
      ["twice", all.flatMap((state) => (state === one ? [state, state] : [state]))],
      ["missing", all.filter((state) => state !== one)],
      ["backwards", [...all].reverse()],
      ["another's records", replaced({ ...one, entryOffset: two.entryOffset })],
      ["records from the middle", replaced({ ...one, entryOffset: one.entryOffset + 1 })],
      ["records behind the end", replaced({ ...one, entryOffset: 2 ** 40 })],
      ["more records", replaced({ ...one, entryCount: 2 })],
      ["no records", replaced({ ...one, entryCount: 0 })],
      ["another path", replaced({ ...one, path: two.path })],
      ["another text", replaced({ ...one, stateText: two.stateText })],
      ["no UTF-8", replaced({ ...one, path: "\u00ff" })],
      ["very many records", replaced({ ...one, entryCount: 2 ** 32 - 1 })],
    ];
    for (const [what, list] of wrong) {
      const path = join(folder, "states");
      writeStateFile(path, list);
      const copy = changedOf(base, "states", () => new Uint8Array(readFileSync(path)));
      assert.equal((await refused(copy)).code, "BAD_SNAPSHOT", what);
    }
    await loadSnapshot(
      changedOf(base, "states", (bytes) => bytes),
      fresh(),
      trust,
    );
  });

  it("if it counts other malformed records or modules than there are", async () => {
    for (const name of ["malformed", "modules"]) {
      const forged = changed(
        "manifest.json",
        (bytes) =>
          Buffer.from(
            Buffer.from(bytes)
              .toString()
              .replace(new RegExp(`"${name}": [0-9]+`), `"${name}": 77`),
          ),
        false,
      );
      assert.equal((await refused(forged)).code, "BAD_SNAPSHOT", name);
    }
  });

  it("if files of another snapshot of the same log were swapped in", async () => {
    const older = fresh();
    const at = fresh();
    const operator = await startOperator({ folder: at, sumdb: makeSumdb(records, 900) });
    await operator.close();
    await saveSnapshot(at, older);
    // It has no base files: everything is from the database.
    for (const threads of [0, 2]) await loadSnapshot(older, fresh(), trust, () => {}, threads);
    for (const name of ["values", "epochs", "overlay", "hashes-0", "hashes-1"]) {
      assert.equal(
        (await refused(changed(name, () => new Uint8Array(readFileSync(join(older, name))), true))).code,
        "BAD_SNAPSHOT",
        name,
      );
    }
  });
});
