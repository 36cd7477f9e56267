import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { makeCounts, versionsAt } from "../../bench/generate/counts.ts";
import { generateSumdb } from "../../bench/generate/generate.ts";
import { buildIndex } from "../../src/build/build.ts";
import { openTiles } from "../../src/build/sources.ts";
import { splitDataTile } from "../../src/sumdb/data-tile.ts";
import { parseVerifierKey } from "../../src/vindex/note.ts";
import { parseRecord } from "../../src/vindex/record.ts";
import { build, computeReference, MIB, makeFolder, makeOddRecords, writeTiles } from "./world.ts";

const root = makeFolder("generate");
after(() => rmSync(root, { recursive: true, force: true }));

test("the same seed gives the same tiles with any number of threads, and a build verifies them", async () => {
  const options = { records: 400_000, modules: 40_000, seed: 5, hashTiles: true };
  const folders = [join(root, "one"), join(root, "three")] as const;
  const made = await generateSumdb({ ...options, out: folders[0], workers: 1 });
  await generateSumdb({ ...options, out: folders[1], workers: 3 });
  const list = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length))
      .sort();
  const names = list(folders[0]);
  assert.deepEqual(list(folders[1]), names);
  for (const name of names) {
    assert.ok(readFileSync(join(folders[0], name)).equals(readFileSync(join(folders[1], name))), name);
  }
  const key = parseVerifierKey(made.verifierKey);
  const records = names
    .filter((name) => name.includes("/data/"))
    .flatMap((name) =>
      splitDataTile(new Uint8Array(readFileSync(folders[0] + name)), Number(/\.p\/([0-9]+)$/.exec(name)?.[1] ?? 256)),
    );
  assert.equal(records.length, options.records);
  const kinds = { release: 0, pre: 0, pseudo: 0 };
  const paths = new Set<string>();
  for (const text of records) {
    const record = parseRecord(text);
    if (record === undefined) continue;
    kinds[record.version.kind]++;
    paths.add(record.path);
  }
  assert.ok(kinds.pseudo > 0.2 * records.length && kinds.pseudo < 0.4 * records.length, JSON.stringify(kinds));
  assert.ok(kinds.pre > 0.02 * records.length, JSON.stringify(kinds));
  let root4: string | undefined;
  for (const workers of [4, 1]) {
    const report = await buildIndex({
      folder: join(root, `build-${workers}`),
      ...openTiles(folders[0], key),
      sumdbKey: key,
      workers,
      memory: 1024 * MIB,
      now: 1,
    });
    assert.equal(report.malformed, made.malformed);
    assert.equal(report.modules, paths.size);
    root4 ??= report.mapRoot;
    assert.equal(report.mapRoot, root4);
  }
});

test("gives every module at least one record, and all of them together", () => {
  for (const [records, modules] of [
    [10, 10],
    [1000, 10],
    [200_000, 10_000],
  ] as const) {
    const counts = makeCounts(1, records, modules);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      records,
    );
    assert.ok(counts.every((count) => count >= 1));
  }
  assert.throws(() => makeCounts(1, 9, 10), RangeError);
  assert.equal(Math.round(versionsAt(0.5)), 2);
});

test("builds give what the map function makes of many records of every kind", async () => {
  for (let seed = 20; seed < 26; seed++) {
    const records = makeOddRecords(seed, 4000);
    const tiles = join(root, `odd-${seed}`);
    writeTiles(tiles, records);
    const report = await build(join(root, `odd-build-${seed}`), tiles, {
      workers: 1 + (seed % 4),
      partitionBits: seed % 7,
    });
    assert.equal(report.mapRoot, computeReference(records).mapRoot, `seed ${seed}`);
  }
});
