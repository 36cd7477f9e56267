import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type PackedPairs, readValuesFile, ValuesFileWriter, writeValuesFile } from "../../src/store/values-file.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";

const folder = mkdtempSync(join(tmpdir(), "proofdns-values-"));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, "values");

function makePairs(count: number): PackedPairs {
  const keys = Array.from({ length: count }, (_, i) => nodeSha256(Uint8Array.of(i >> 8, i))).sort(Buffer.compare);
  const lengths = Uint8Array.from({ length: count }, (_, i) => 1 + (i % 255));
  return {
    count,
    keys: new Uint8Array(Buffer.concat(keys)),
    lengths,
    values: new Uint8Array(lengths.reduce((sum, length) => sum + length, 0)).map((_, i) => 32 + (i % 90)),
  };
}

/** Writes a file of three pairs, changed by `damage`. */
function writeDamaged(damage: (bytes: Buffer) => Buffer | undefined): void {
  writeValuesFile(file, makePairs(3));
  const bytes = readFileSync(file);
  writeFileSync(file, damage(bytes) ?? bytes);
}

const refused = { code: "STORE_UNUSABLE" };

test("reads back what was written, in shared memory", () => {
  for (const count of [0, 1, 2, 1000]) {
    const pairs = makePairs(count);
    writeValuesFile(file, pairs);
    const found = readValuesFile(file);
    assert.equal(found.count, count);
    for (const part of ["keys", "lengths", "values"] as const) {
      assert.ok(found[part].buffer instanceof SharedArrayBuffer);
      assert.equal(Buffer.compare(found[part], pairs[part]), 0, part);
    }
  }
});

test("writes one file for one set of pairs", () => {
  writeValuesFile(file, makePairs(300));
  const first = readFileSync(file);
  writeValuesFile(file, makePairs(300));
  assert.deepEqual(readFileSync(file), first);
});

test("refuses a file that is not there", () => {
  assert.throws(() => readValuesFile(join(folder, "none")), refused);
});

test("refuses a file of something else", () => {
  writeFileSync(file, "");
  assert.throws(() => readValuesFile(file), refused);
  writeDamaged((bytes) => void bytes.write("x", 7));
  assert.throws(() => readValuesFile(file), { ...refused, message: /no file of values/ });
});

test("refuses a file that was cut off, at every length", () => {
  writeValuesFile(file, makePairs(2));
  for (let length = readFileSync(file).length - 1; length >= 0; length--) {
    truncateSync(file, length);
    assert.throws(() => readValuesFile(file), refused, `${length} bytes`);
  }
});

test("refuses a byte after the last value", () => {
  writeDamaged((bytes) => Buffer.concat([bytes, Buffer.from("x")]));
  assert.throws(() => readValuesFile(file), refused);
});

test("refuses a count beyond all memory without asking for it", () => {
  writeDamaged((bytes) => void bytes.fill(0xff, 8, 16));
  assert.throws(() => readValuesFile(file), refused);
});

test("refuses a reserved word that is not zero", () => {
  writeDamaged((bytes) => void bytes.writeUInt8(1, 31));
  assert.throws(() => readValuesFile(file), refused);
});

test("refuses keys that are equal or descend", () => {
  writeDamaged((bytes) => void bytes.copy(bytes, 64, 32, 64));
  assert.throws(() => readValuesFile(file), { ...refused, message: /key 1 is not higher/ });
  writeDamaged((bytes) => void bytes.fill(0, 96, 128));
  assert.throws(() => readValuesFile(file), { ...refused, message: /key 2 is not higher/ });
});

test("refuses an empty value, and lengths that make another sum", () => {
  writeDamaged((bytes) => {
    bytes[128] = 0;
    bytes[129] = 3;
    return undefined;
  });
  assert.throws(() => readValuesFile(file), { ...refused, message: /value 0 is empty/ });
  writeDamaged((bytes) => void bytes.writeUInt8(9, 130));
  assert.throws(() => readValuesFile(file), { ...refused, message: /their lengths make/ });
});

test("a writer refuses what would not be read", () => {
  const key = new Uint8Array(32);
  const value = Uint8Array.of(1);
  const make = (): ValuesFileWriter => new ValuesFileWriter(file, 1);
  for (const add of [
    (writer: ValuesFileWriter) => writer.add(key.subarray(1), value),
    (writer: ValuesFileWriter) => writer.add(key, new Uint8Array(0)),
    (writer: ValuesFileWriter) => writer.add(key, new Uint8Array(256)),
    (writer: ValuesFileWriter) => writer.finish(),
    (writer: ValuesFileWriter) => {
      writer.add(key, value);
      writer.add(key, value);
    },
  ]) {
    const writer = make();
    assert.throws(() => add(writer), RangeError);
    writer.abort();
  }
});

test("a writer that gave up leaves the file of before", () => {
  writeValuesFile(file, makePairs(3));
  const writer = new ValuesFileWriter(file, 2);
  writer.add(new Uint8Array(32), Uint8Array.of(1));
  writer.abort();
  assert.equal(readValuesFile(file).count, 3);
});
