import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { after, before, test } from "node:test";
import { Builder } from "../../src/store/builder.ts";
import { Store } from "../../src/store/store.ts";
import { SumdbFollower } from "../../src/sumdb/follower.ts";
import { formatHex } from "../../src/vindex/bytes.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { realRecords, sampleRecords, testData } from "../service/world.ts";
import { checkIndex, identity } from "./check-index.ts";
import { TileFolderSource } from "./tile-source.ts";
import { build, computeReference, makeFolder, makeOddRecords, readFiles, sumdbKey, writeTiles } from "./world.ts";

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
const oddTiles = newFolder("tiles");
before(() => writeTiles(oddTiles, odd, true));

test("gives what the map function makes of the demo's records", async () => {
  const tiles = newFolder("tiles");
  const records = sampleRecords();
  writeTiles(tiles, records);
  const folder = newFolder("build");
  const report = await build(folder, tiles);
  assert.equal(report.mapRoot, computeReference(records).mapRoot);
  assert.equal(report.records, records.length);
  await checkIndex(folder, records);
});

test("gives the known map root of the real records", { skip: testData === undefined }, async () => {
  const tiles = newFolder("tiles");
  writeTiles(tiles, await realRecords());
  const report = await build(newFolder("build"), tiles);
  assert.equal(report.mapRoot, "46a19e28f850d26eedd0f25c293f13a85b87d412417fa341a77ca89d25713868");
  assert.equal(report.keys, 2438);
});

test("gives the same bytes with any number of workers and partitions", async () => {
  let first: Map<string, Buffer> | undefined;
  let root: string | undefined;
  for (const [workers, partitionBits] of [
    [0, 4],
    [1, 5],
    [3, 0],
    [2, 7],
  ] as const) {
    const folder = newFolder("build");
    const report = await build(folder, oddTiles, { workers, partitionBits });
    root ??= report.mapRoot;
    assert.equal(report.mapRoot, root);
    const files = readFiles(folder, FILES);
    // No file tells how it was made.
    for (const [name, bytes] of files) assert.ok(first === undefined || first.get(name)?.equals(bytes), name);
    first ??= files;
    assert.deepEqual(readdirSync(folder).sort(), ["files", "store"]);
    await checkIndex(folder, odd);
  }
});

test("an epoch after a build gives what one window over everything gives", async () => {
  const tiles = newFolder("tiles");
  writeTiles(tiles, odd.slice(0, 2000));
  const folder = newFolder("build");
  await build(folder, tiles, { partitionBits: 4 });
  const store = await Store.open(folder, identity);
  const builder = await Builder.open({ store, sumdbKey: sumdbKey.verifierKey });
  try {
    const follower = new SumdbFollower({
      verifierKey: sumdbKey.verifierKey,
      source: new TileFolderSource(oddTiles),
      sha256: nodeSha256,
    });
    const update = await follower.poll(builder.known());
    assert.ok(update !== undefined);
    const after = await builder.build(update, 1_700_000_100);
    assert.equal(formatHex(after.tree.rootHash()), computeReference(odd).mapRoot);
  } finally {
    await builder.close();
    await store.close();
  }
});
