import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { isHalfBuilt } from "../../src/build/build.ts";
import { type BuildSource, openTiles, takeRecordsFile, takeSumdb } from "../../src/build/sources.ts";
import { claimWork, describeRecordsFile, ownTiles } from "../../src/build/work-source.ts";
import { makeBuildCommand } from "../../src/cli/build.ts";
import type { SumdbSource } from "../../src/sumdb/source.ts";
import { formatH1, parseRecord } from "../../src/vindex/record.ts";
import { sampleRecords } from "../service/world.ts";
import { build, computeReference, makeFolder, makeOddRecords, sumdbKey, writeTiles } from "./world.ts";

const root = makeFolder("build-own");
after(() => rmSync(root, { recursive: true, force: true }));
const none = (): void => undefined;
const key = "sumdb.example.org+00000000+AAAA";

/** A records file of well-formed records. */
function writeRecords(name: string, records: readonly Uint8Array[]): string {
  const path = join(root, name);
  const lines = records.map((text) => {
    const record = parseRecord(text);
    assert.ok(record !== undefined);
    return `${record.path}\t${record.version.text}\t${formatH1(record.zipHash)}\t${formatH1(record.goModHash)}\n`;
  });
  writeFileSync(path, lines.join(""));
  return path;
}

/** Damages own tiles: the build refuses them, and after the same is taken over again it is whole. */
async function mends(
  folder: string,
  take: () => Promise<BuildSource>,
  mapRoot: string,
  name: string,
  damage: (tile: string) => void,
): Promise<void> {
  const source = await take();
  const tile = join(source.tilesFolder, "tile/8/data", name);
  damage(tile);
  await assert.rejects(build(folder, source.tilesFolder, source), {
    code: /BAD_TILE|UNREACHABLE/,
    message: /run the same command again: it takes it over anew$/,
  });
  assert.ok(!existsSync(join(source.tilesFolder, "latest")));
  const again = await take();
  assert.equal((await build(folder, again.tilesFolder, again)).mapRoot, mapRoot, name);
}

const cut = (tile: string): void => truncateSync(tile, 5000);
const flip = (tile: string): void => {
  const bytes = readFileSync(tile);
  bytes.writeUInt8(bytes.readUInt8(10) ^ 1, 10);
  writeFileSync(tile, bytes);
};

test("mends its own tiles of a records file by the same command", async () => {
  const records = sampleRecords().slice(0, 600);
  const last = `002.p/${records.length - 512}`;
  const file = writeRecords("mend.tsv", records);
  const { mapRoot } = computeReference(records);
  for (const [i, [name, damage]] of (
    [
      ["001", cut],
      ["001", flip],
      [last, cut],
    ] as const
  ).entries()) {
    const folder = join(root, `records-${i}`);
    const tiles = ownTiles(join(folder, "build"));
    await mends(folder, () => takeRecordsFile(file, tiles, sumdbKey, none), mapRoot, name, damage);
  }
});

test("mends its own tiles of a checksum database by the same command, also if that has grown", async () => {
  const records = makeOddRecords(5, 700);
  const more = makeOddRecords(5, 720);
  for (const [i, [name, damage, later]] of (
    [
      ["001", flip, records],
      ["002.p/188", cut, more],
    ] as const
  ).entries()) {
    const folder = join(root, `sumdb-${i}`);
    const tiles = ownTiles(join(folder, "build"));
    const of = join(root, `sumdb-${i}-source`);
    writeTiles(of, records, true);
    let isLater = false;
    const take = (): Promise<BuildSource> => {
      if (isLater) {
        rmSync(of, { recursive: true });
        writeTiles(of, later, true);
      }
      isLater = true;
      return takeSumdb(sourceOf(of), tiles, sumdbKey.verifierKey, none);
    };
    await mends(folder, take, computeReference(later).mapRoot, name, damage);
  }
});

/** A folder of tiles as a checksum database. */
function sourceOf(folder: string): SumdbSource {
  const read = (path: string): Uint8Array | undefined =>
    existsSync(join(folder, path)) ? new Uint8Array(readFileSync(join(folder, path))) : undefined;
  return {
    readLatest: async () => new Uint8Array(readFileSync(join(folder, "latest"))),
    readTile: async (path) => read(path),
    readLookup: async () => undefined,
  };
}

test("takes a damaged latest of its own folder over anew", async () => {
  const records = sampleRecords().slice(0, 30);
  const file = writeRecords("latest.tsv", records);
  const tiles = join(root, "latest-tiles");
  const { head } = await takeRecordsFile(file, tiles, sumdbKey, none);
  for (const size of [30]) {
    truncateSync(join(tiles, "latest"), size);
    assert.deepEqual((await takeRecordsFile(file, tiles, sumdbKey, none)).head, head);
  }
});

test("refuses to build other records into what was begun, and goes on with the same", async () => {
  const records = sampleRecords().slice(0, 60);
  const a = writeRecords("a.tsv", records);
  const b = writeRecords("b.tsv", records.slice(0, 40));
  const data = join(root, "begun");
  const run = (...args: string[]): Promise<unknown> =>
    makeBuildCommand()
      .exitOverride()
      .parseAsync(["--data", data, "--workers", "1", "--memory", "64MiB", ...args], { from: "user" });
  const tooLittle = { code: "MALFORMED_INPUT", message: /--memory/ };
  await assert.rejects(run("--records", a), tooLittle);
  assert.ok(await isHalfBuilt(data));
  const other = {
    code: "STORE_UNUSABLE",
    message:
      /begun\/build is a build of the records file .*a\.tsv \([0-9]+ bytes, .*, not of .*; give that source again/,
  };
  await assert.rejects(run("--records", b), other);
  await assert.rejects(run("--sumdb", `${await keyOf(data)} http://127.0.0.1:9`), other);
  // The same bytes under another name are the same; changed ones under the same name are not.
  await assert.rejects(run("--records", writeRecords("c.tsv", records)), tooLittle);
  writeFileSync(a, readFileSync(b));
  await assert.rejects(run("--records", a), other);
  rmSync(join(data, "build"), { recursive: true });
  assert.ok(!(await isHalfBuilt(data)));
  await assert.rejects(run("--records", b), tooLittle);
});

async function keyOf(data: string): Promise<string> {
  const text = readFileSync(join(data, "build", "source.json"), "utf8");
  return (JSON.parse(text) as { key: string }).key;
}

test("begins anew with a records file that was mended, and refuses one without records", async () => {
  const folder = join(root, "mended");
  const file = join(root, "mended.tsv");
  const good = readFileSync(writeRecords("whole.tsv", sampleRecords().slice(0, 30)));
  mkdirSync(folder);
  for (const [bytes, error] of [
    [Buffer.concat([good, Buffer.from("nonsense\n")]), /nonsense|1 fields/],
    [Buffer.alloc(0), /has no records: there is nothing to build/],
  ] as const) {
    writeFileSync(file, bytes);
    claimWork(folder, await describeRecordsFile(file, key));
    await assert.rejects(takeRecordsFile(file, ownTiles(folder), sumdbKey, none), {
      code: "MALFORMED_INPUT",
      message: error,
    });
    assert.ok(!existsSync(join(ownTiles(folder), "latest")));
  }
  writeFileSync(file, good);
  claimWork(folder, await describeRecordsFile(file, key));
  assert.equal((await takeRecordsFile(file, ownTiles(folder), sumdbKey, none)).head.treeHead.treeSize, 30);
});

test("refuses a work folder whose source is damaged, not known, or of another kind or key", () => {
  const folder = join(root, "claimed");
  mkdirSync(folder);
  claimWork(folder, { kind: "sumdb", url: "https://a.example", key });
  claimWork(folder, { kind: "sumdb", url: "https://mirror.example", key });
  for (const other of [
    { kind: "sumdb", url: "https://a.example", key: "other" },
    { kind: "tiles", path: "/tiles", key },
    { kind: "records", path: "r.tsv", size: 1, sha256: "00", key },
  ] as const) {
    assert.throws(() => claimWork(folder, other), {
      code: "STORE_UNUSABLE",
      message: /checksum database at https:\/\/a\.example/,
    });
  }
  for (const damaged of ["", "{}", '{"format":1,"kind":"records","key":"k","path":"p"}']) {
    writeFileSync(join(folder, "source.json"), damaged);
    assert.throws(() => claimWork(folder, { kind: "sumdb", url: "https://a.example", key }), {
      code: "STORE_UNUSABLE",
      message: /source\.json is damaged; remove/,
    });
  }
  rmSync(join(folder, "source.json"));
  mkdirSync(ownTiles(folder));
  assert.throws(() => claimWork(folder, { kind: "tiles", path: "/tiles", key }), {
    code: "STORE_UNUSABLE",
    message: /not known any more/,
  });
});

test("refuses a tree without records", async () => {
  const tiles = join(root, "empty");
  writeTiles(tiles, []);
  assert.equal(openTiles(tiles, sumdbKey.verifierKey).head.treeHead.treeSize, 0);
  await assert.rejects(build(join(root, "empty-data"), tiles), { code: "MALFORMED_INPUT", message: /has no records/ });
  assert.ok(!existsSync(join(root, "empty-data")));
});
