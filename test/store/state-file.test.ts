import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { StateFile, type StoredState, writeStateFile } from "../../src/store/state-file.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";

const folder = mkdtempSync(join(tmpdir(), "proofdns-states-"));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, "states");
const refused = { code: "STORE_UNUSABLE" };

function makeStates(count: number): StoredState[] {
  return Array.from({ length: count }, (_, i) => ({
    indexKey: nodeSha256(Buffer.from(`example.com/m${i}`)),
    path: `example.com/m${i}`,
    stateText: i % 50 === 7 ? `n ${i}\n`.repeat(1500) : `n ${i}\n`.repeat(1 + (i % 40)),
    entryOffset: 2 ** 40 + i,
    entryCount: 2 ** 31 + i,
  })).sort((a, b) => Buffer.compare(a.indexKey, b.indexKey));
}

function openDamaged(damage: (bytes: Buffer) => Buffer | undefined, count = 200): StateFile {
  writeStateFile(file, makeStates(count));
  const bytes = readFileSync(file);
  writeFileSync(file, damage(bytes) ?? bytes);
  return StateFile.open(file);
}

test("finds every state by its key, blocks longer than others too", () => {
  for (const count of [0, 1, 2, 500]) {
    const states = makeStates(count);
    writeStateFile(file, states);
    const opened = StateFile.open(file);
    assert.equal(opened.count, count);
    for (const state of states) {
      const found = opened.get(state.indexKey);
      assert.deepEqual(found && { ...found, indexKey: new Uint8Array(found.indexKey) }, state);
    }
    opened.close();
  }
});

test("finds nothing for keys that it does not have", () => {
  writeStateFile(file, makeStates(300));
  const opened = StateFile.open(file);
  assert.equal(opened.get(new Uint8Array(32)), undefined);
  assert.equal(opened.get(new Uint8Array(32).fill(255)), undefined);
  for (let i = 0; i < 300; i++) assert.equal(opened.get(nodeSha256(Buffer.from(`other ${i}`))), undefined);
  opened.close();
});

test("goes through all states in key order", () => {
  const states = makeStates(700);
  writeStateFile(file, states);
  const opened = StateFile.open(file);
  assert.deepEqual(
    [...opened.states()].map(({ path }) => path),
    states.map(({ path }) => path),
  );
  opened.close();
});

test("refuses a file that is not there, of something else, or cut off", () => {
  assert.throws(() => StateFile.open(join(folder, "none")), refused);
  assert.throws(() => openDamaged((bytes) => void bytes.write("y", 0)), refused);
  writeStateFile(file, makeStates(3));
  for (let length = readFileSync(file).length - 1; length >= 0; length -= 7) {
    truncateSync(file, length);
    assert.throws(() => StateFile.open(file), refused, `${length} bytes`);
  }
});

test("refuses numbers in the first bytes that the file does not bear out", () => {
  for (const at of [16, 24]) {
    assert.throws(() => openDamaged((bytes) => void bytes.fill(0xff, at, at + 8)), refused);
    assert.throws(() => openDamaged((bytes) => void bytes.writeUInt8((bytes[at + 7] as number) ^ 1, at + 7)), refused);
  }
  const opened = openDamaged((bytes) => void bytes.writeUInt8((bytes[15] as number) ^ 1, 15));
  assert.throws(() => [...opened.states()], refused);
  opened.close();
});

test("refuses an index out of order", () => {
  const indexAt = (bytes: Buffer): number => Number(bytes.readBigUInt64BE(24));
  assert.throws(() => openDamaged((bytes) => void bytes.fill(0xff, indexAt(bytes), indexAt(bytes) + 32)), refused);
  assert.throws(() => openDamaged((bytes) => void bytes.fill(0, indexAt(bytes) + 40, indexAt(bytes) + 72)), refused);
  assert.throws(() => openDamaged((bytes) => void bytes.fill(0xff, indexAt(bytes) + 72, indexAt(bytes) + 80)), refused);
});

test("refuses a state that does not fit its block, or is not UTF-8", () => {
  const states = makeStates(200);
  for (const at of [32 + 44, 32 + 48]) {
    const opened = openDamaged((bytes) => void bytes.writeUInt32BE(0xffffffff, at));
    assert.throws(() => opened.get((states[0] as StoredState).indexKey), refused);
    assert.throws(() => [...opened.states()], refused);
    opened.close();
  }
  const opened = openDamaged((bytes) => void bytes.writeUInt8(0xff, 32 + 52));
  assert.throws(() => opened.get((states[0] as StoredState).indexKey), refused);
  opened.close();
});
