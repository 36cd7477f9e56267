import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { EntryFile, writeEntryFile } from "../../src/store/entry-file.ts";
import type { VersionEntry } from "../../src/vindex/payload.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";

const folder = mkdtempSync(join(tmpdir(), "proofdns-entries-"));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, "entries");
const refused = { code: "STORE_UNUSABLE" };

const makeModule = (name: string, count: number): VersionEntry[] =>
  Array.from({ length: count }, (_, i) => ({
    logIndex: 2 ** 33 + i * 7,
    version: `v1.${i}.0${i % 9 === 4 ? "-rc.1" : ""}`,
    zipHash: nodeSha256(Buffer.from(`${name} zip ${i}`)),
    goModHash: nodeSha256(Buffer.from(`${name} mod ${i}`)),
  }));

const modules = [makeModule("a", 1), makeModule("b", 700), makeModule("c", 3)];

const plain = (entries: readonly VersionEntry[]): unknown =>
  entries.map((entry) => ({
    ...entry,
    zipHash: Buffer.from(entry.zipHash).toString("hex"),
    goModHash: Buffer.from(entry.goModHash).toString("hex"),
  }));

test("reads any run of a module's records", () => {
  const places = writeEntryFile(file, modules);
  const opened = EntryFile.open(file);
  assert.equal(opened.count, 704);
  for (const [m, entries] of modules.entries()) {
    const at = places[m] as number;
    for (const [from, to] of [
      [0, entries.length],
      [0, 0],
      [0, 1],
      [entries.length - 1, entries.length],
      [Math.min(256, entries.length), Math.min(512, entries.length)],
      [Math.min(512, entries.length), entries.length],
    ] as const) {
      assert.deepEqual(plain(opened.read(at, entries.length, from, to)), plain(entries.slice(from, to)));
    }
  }
  opened.close();
});

test("a run outside the module is a caller's fault", () => {
  const places = writeEntryFile(file, modules);
  const opened = EntryFile.open(file);
  for (const [from, to] of [
    [0, 2],
    [-1, 1],
    [1, 0],
  ] as const) {
    assert.throws(() => opened.read(places[0] as number, 1, from, to), RangeError);
  }
  opened.close();
});

test("refuses a file that is not there, of something else, cut off, or longer", () => {
  assert.throws(() => EntryFile.open(join(folder, "none")), refused);
  writeEntryFile(file, modules);
  const bytes = readFileSync(file);
  for (const length of [0, 8, 31, 32, 100, bytes.length - 1]) {
    truncateSync(file, length);
    assert.throws(() => EntryFile.open(file), refused, `${length} bytes`);
    writeFileSync(file, bytes);
  }
  writeFileSync(file, Buffer.concat([bytes, Buffer.from("x")]));
  assert.throws(() => EntryFile.open(file), refused);
  writeFileSync(file, bytes.fill(0xff, 8, 16));
  assert.throws(() => EntryFile.open(file), refused);
  writeFileSync(file, bytes.fill(0, 0, 8));
  assert.throws(() => EntryFile.open(file), refused);
});

test("refuses a place or a number of records that the file does not have", () => {
  const places = writeEntryFile(file, modules);
  const opened = EntryFile.open(file);
  assert.throws(() => opened.read(places[2] as number, 4000, 0, 1), refused);
  assert.throws(() => opened.read(0, 1, 0, 1), refused);
  assert.throws(() => opened.read(Number.MAX_SAFE_INTEGER, 1, 0, 1), refused);
  opened.close();
});

test("refuses versions whose ends go back, are beyond the file, or leave none", () => {
  const places = writeEntryFile(file, modules);
  const good = readFileSync(file);
  const at = (places[2] as number) + 76 + 6;
  for (const end of [0, 6, 1, 500, 2 ** 47]) {
    const bytes = Buffer.from(good);
    bytes.writeUIntBE(end, at, 6);
    writeFileSync(file, bytes);
    const opened = EntryFile.open(file);
    assert.throws(() => opened.read(places[2] as number, 3, 0, 3), refused, `end ${end}`);
    opened.close();
  }
});

test("refuses a version that is not UTF-8", () => {
  const places = writeEntryFile(file, modules);
  const bytes = readFileSync(file);
  bytes[(places[2] as number) + 3 * 76] = 0xff;
  writeFileSync(file, bytes);
  const opened = EntryFile.open(file);
  assert.throws(() => opened.read(places[2] as number, 3, 0, 3), refused);
  opened.close();
});
