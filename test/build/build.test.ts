import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { after, before, test } from "node:test";
import { checkIndex } from "./check-index.ts";
import { build, computeReference, makeFolder, makeOddRecords, readFiles, writeTiles } from "./world.ts";

const folders: string[] = [];
const newFolder = (name: string): string => {
  const folder = makeFolder(name);
  folders.push(folder);
  return folder;
};
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const FILES = ["states", "entries", "values-0000000000000001", "hashes-0"];

const odd = makeOddRecords(11, 2300);
const oddTiles = makeFolder("tiles");
folders.push(oddTiles);
before(() => writeTiles(oddTiles, odd, true));

test("gives what the map function makes of records of every kind, with any number of partitions", async () => {
  let first: Map<string, Buffer> | undefined;
  let root: string | undefined;
  for (const partitionBits of [0, 5]) {
    const folder = newFolder("build");
    const report = await build(folder, oddTiles, { workers: 0, partitionBits });
    root ??= report.mapRoot;
    assert.equal(report.mapRoot, root);
    const files = readFiles(folder, FILES);
    // No file tells how it was made.
    for (const [name, bytes] of files) assert.ok(first === undefined || first.get(name)?.equals(bytes), name);
    first ??= files;
    assert.deepEqual(readdirSync(folder).sort(), ["files", "store"]);
    if (partitionBits === 5) await checkIndex(folder, odd);
  }
});

test("builds logs of one record, of one full tile, and of only malformed records", async () => {
  for (const [records, keys] of [
    [odd.slice(0, 1), 1],
    [odd.slice(0, 256), undefined],
    [odd.slice(0, 257), undefined],
    [Array.from({ length: 3 }, () => Buffer.from("nothing\n")), 0],
  ] as const) {
    const tiles = newFolder("tiles");
    writeTiles(tiles, records);
    const folder = newFolder("build");
    const report = await build(folder, tiles);
    const { mapRoot, malformed } = computeReference(records);
    assert.equal(report.mapRoot, mapRoot);
    assert.equal(report.malformed, malformed);
    if (keys !== undefined) assert.equal(report.keys, keys);
  }
});
