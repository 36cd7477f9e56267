import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { EntryFile, encodeModuleEntries, writeEntryFile } from "../../src/store/entry-file.ts";
import { makeSnapshotWorker, type SnapshotJobResult } from "../../src/store/snapshot-check.ts";
import type { NewerModule } from "../../src/store/snapshot-check-newer.ts";
import { committedAt, isHashText, isMajorsAt, MapPairs, writeHashText } from "../../src/store/snapshot-check-pairs.ts";
import { readStatesFrame } from "../../src/store/snapshot-check-states.ts";
import { copyFile } from "../../src/store/snapshot-copy.ts";
import { type StoredState, writeStateFile } from "../../src/store/state-file.ts";
import { formatBase64, formatBase64Unpadded } from "../../src/vindex/base64.ts";
import { compareBytes, encodeUtf8 } from "../../src/vindex/bytes.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { Frontier } from "../../src/vindex/frontier.ts";
import type { VersionEntry } from "../../src/vindex/payload.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { encodeSubLogLeaf, formatRecord } from "../../src/vindex/record.ts";
import { computeLeafHash } from "../../src/vindex/tlog.ts";
import { makeFolder, makeRandom } from "../service/world.ts";

const folder = makeFolder("snapshot-check");
const [statesPath, entriesPath] = [join(folder, "states"), join(folder, "entries")];
/** Around the number of records that are hashed together. */
const COUNTS = [1, 2, 3, 5, 255, 256, 2047, 2048, 2049, 1, 4096, 4500, 7, 1];
const random = makeRandom(3);
const randomBytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => Math.floor(random() * 256));
const worker = makeSnapshotWorker();
let states: StoredState[];
let map: MapPairs;

function makeModule(i: number, count: number): { path: string; entries: VersionEntry[]; stateText: string } {
  const path = `example.com/${"x".repeat((i * 37) % 200)}${i}`;
  const entries = Array.from({ length: count }, (_, k) => ({
    logIndex: k + 2 ** 33 * (k % 2),
    version: `v0.${i}.${k}`,
    zipHash: randomBytes(32),
    goModHash: randomBytes(32),
  }));
  const leaves = entries.map(({ logIndex, version, zipHash, goModHash }) => {
    const record = computeLeafHash(encodeUtf8(formatRecord(path, version, zipHash, goModHash)), nodeSha256);
    return computeLeafHash(encodeSubLogLeaf(logIndex, record), nodeSha256);
  });
  const { peaks } = Frontier.empty(nodeSha256).appendAll(leaves);
  const lines = peaks.map((peak) => `p ${formatBase64Unpadded(peak)}\n`);
  return { path, entries, stateText: `n ${count}\n${lines.join("")}r v0.${i}.0 0 x y\n` };
}

before(() => {
  const modules = COUNTS.map((count, i) => {
    const module = makeModule(i, count);
    return { ...module, indexKey: nodeSha256(encodeUtf8(module.path)) };
  }).sort((a, b) => compareBytes(a.indexKey, b.indexKey));
  const places = writeEntryFile(
    entriesPath,
    modules.map(({ entries }) => entries),
  );
  states = modules.map(({ indexKey, path, stateText, entries }, i) => ({
    indexKey,
    path,
    stateText,
    entryOffset: places[i] as number,
    entryCount: entries.length,
  }));
  writeStateFile(statesPath, states);
  const values = states.map(({ stateText }) =>
    encodeUtf8(`v=1.2.3 s=${formatBase64Unpadded(nodeSha256(encodeUtf8(stateText)))};more`),
  );
  map = MapPairs.of({
    count: states.length,
    keys: Buffer.concat(states.map(({ indexKey }) => indexKey)),
    lengths: Uint8Array.from(values, ({ length }) => length),
    values: Buffer.concat(values),
  });
});

function check(from: string, entries = entriesPath, newer: Uint8Array = new Uint8Array(0)): SnapshotJobResult {
  const { blocks, indexAt } = readStatesFrame(from);
  const base = { statesPath: from, entriesPath: entries, from: 0, to: blocks, blocks, indexAt };
  const { pairs, starts } = map;
  return worker({ states: { pairs, starts, newer, pairFrom: 0, pairTo: pairs.count, base } });
}

describe("the check of a snapshot's states", () => {
  it("takes modules of any number of records, also after it refused some", () => {
    const records = COUNTS.reduce((sum, count) => sum + count, 0);
    const [stored, storedRecords] = [COUNTS.length, records];
    const expected = { states: stored, records, stored, storedRecords, modules: COUNTS.length, cut: 0 };
    assert.deepEqual(check(statesPath), { checked: expected });
    const key = states[3]?.indexKey as Uint8Array;
    const left = records - (states[3]?.entryCount ?? 0);
    assert.deepEqual(check(statesPath, entriesPath, key), {
      checked: { ...expected, states: COUNTS.length - 1, records: left },
    });
  });

  it("refuses a changed bit of any record", () => {
    const bytes = readFileSync(entriesPath);
    const changed = join(folder, "changed");
    for (let i = 0; i < 12; i++) {
      const copy = Buffer.from(bytes);
      const at = 32 + Math.floor(random() * (copy.length - 32));
      copy[at] = (copy[at] as number) ^ (1 << (i % 8));
      writeFileSync(changed, copy);
      assert.throws(
        () => check(statesPath, changed),
        (error) => isProofdnsError(error, "BAD_SNAPSHOT"),
        `byte ${at}`,
      );
    }
    for (const length of [0, 40, bytes.length - 1]) {
      writeFileSync(changed, bytes.subarray(0, length));
      assert.throws(
        () => check(statesPath, changed),
        (error) => isProofdnsError(error, "BAD_SNAPSHOT"),
        `cut ${length}`,
      );
    }
  });

  it("refuses a changed bit of any state", () => {
    const bytes = readFileSync(statesPath);
    const changed = join(folder, "changed-states");
    const { indexAt } = readStatesFrame(statesPath);
    for (let i = 0; i < 40; i++) {
      const copy = Buffer.from(bytes);
      const at = 32 + Math.floor(random() * (indexAt - 32));
      copy[at] = (copy[at] as number) ^ (1 << (i % 8));
      writeFileSync(changed, copy);
      assert.throws(
        () => check(changed),
        (error) => isProofdnsError(error),
        `byte ${at}`,
      );
    }
  });
});

describe("the check of modules that changed", () => {
  const file = (): EntryFile => EntryFile.open(entriesPath);
  /** All modules, with so many records of the base, and the others as the database has them. */
  function split(partOf: (count: number) => number): NewerModule[] {
    const entries = file();
    const modules = states.map(({ path, stateText, entryOffset, entryCount }) => {
      const used = partOf(entryCount);
      const added = encodeModuleEntries(entries.read(entryOffset, entryCount, used, entryCount));
      return { path, stateText, count: entryCount, base: { place: entryOffset, count: entryCount, used }, added };
    });
    entries.close();
    return modules;
  }

  it("takes records of which some are in the base, or all or none", () => {
    for (const partOf of [() => 0, (count: number) => count, (count: number) => Math.floor(count / 3)]) {
      assert.deepEqual(worker({ newer: { entriesPath, modules: split(partOf) } }), { isRight: true });
    }
    const modules = split(() => 0).map((module) => ({ ...module, base: undefined }));
    assert.deepEqual(worker({ newer: { entriesPath: undefined, modules } }), { isRight: true });
  });

  it("refuses a changed bit, a record less or more, and the records of another", () => {
    const refused = (modules: readonly NewerModule[], what: string): void =>
      assert.throws(
        () => worker({ newer: { entriesPath, modules } }),
        (error) => isProofdnsError(error),
        what,
      );
    const modules = split((count) => Math.floor(count / 3));
    for (const [i, module] of modules.entries()) {
      const flipped = module.added.slice();
      const at = Math.floor(random() * flipped.length);
      flipped[at] = (flipped[at] as number) ^ (1 << (i % 8));
      refused([module, { ...module, added: flipped }], `byte ${at} of ${module.count} records`);
      refused([{ ...module, added: module.added.subarray(0, -1) }], "cut off");
      refused([{ ...module, count: module.count + 1 }], "one more");
      refused([{ ...module, count: 0 }], "none");
      const other = modules[(i + 1) % modules.length] as NewerModule;
      refused([{ ...module, path: other.path }], "another path");
      refused([{ ...module, added: other.added, base: other.base, count: other.count }], "another's records");
    }
    assert.deepEqual(worker({ newer: { entriesPath, modules } }), { isRight: true });
  });
});

describe("the pairs of a map", () => {
  it("are found by key, with their values", () => {
    for (const { indexKey, stateText } of states) {
      const hash = formatBase64Unpadded(nodeSha256(encodeUtf8(stateText)));
      assert.equal(map.text(indexKey), `v=1.2.3 s=${hash};more`);
    }
    assert.equal(map.text(new Uint8Array(32)), "");
    assert.equal(map.text(new Uint8Array(32).fill(255)), "");
    assert.equal(map.valueAt(states.length), map.pairs.values.length);
  });

  it("commit to a hash only where the first item ends with one", () => {
    const hash = formatBase64Unpadded(nodeSha256(new Uint8Array(0)));
    const at = (text: string): number => committedAt(encodeUtf8(text), 0, text.length);
    assert.equal(at(`v=1 s=${hash}`), 6);
    assert.equal(at(`v=1 s=${hash};s=${hash}`), 6);
    for (const wrong of [
      "",
      "s=",
      hash,
      `v=1 s=${hash}x`,
      `v=1;a s=${hash.slice(1)}`,
      `v=1;x s=${hash}`,
      `v=1-s=${hash}`,
    ])
      assert.equal(at(wrong), -1, wrong);
    assert.ok(isMajorsAt(encodeUtf8("p=x"), 0, 3) && !isMajorsAt(encodeUtf8("v=x"), 0, 3));
    assert.ok(!isMajorsAt(encodeUtf8("p=x"), 0, 1));
  });

  it("have hashes in base64 that are compared and written as everywhere", () => {
    for (let i = 0; i < 50; i++) {
      const hash = randomBytes(32);
      const text = encodeUtf8(` ${formatBase64(hash)}`);
      const out = new Uint8Array(45).fill(0x20);
      assert.equal(writeHashText(hash, 0, out, 1), 45);
      assert.deepEqual(out, text);
      assert.ok(isHashText(hash, 0, text, 1));
      text[1 + (i % 43)] = (text[1 + (i % 43)] as number) ^ 1;
      assert.ok(!isHashText(hash, 0, text, 1));
    }
  });
});

describe("a copy", () => {
  it("has the hash of what was written, and ends where it is told", () => {
    const from = join(folder, "from");
    const bytes = Buffer.from(randomBytes(3000));
    writeFileSync(from, bytes);
    const mark = copyFile({ from, to: join(folder, "to"), limit: 2500 });
    assert.ok(readFileSync(join(folder, "to")).equals(bytes.subarray(0, 2500)));
    assert.deepEqual(mark, {
      bytes: 2500,
      sha256: Buffer.from(nodeSha256(bytes.subarray(0, 2500))).toString("hex"),
    });
    assert.equal(copyFile({ from, to: undefined, limit: undefined }).bytes, 3000);
    assert.throws(() => copyFile({ from, to: join(folder, "to"), limit: undefined }), { code: "EEXIST" });
    assert.throws(() => copyFile({ from: join(folder, "none"), to: undefined, limit: undefined }), { code: "ENOENT" });
  });
});
