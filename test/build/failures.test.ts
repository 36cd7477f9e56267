import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseMemory, planResources } from "../../src/build/resources.ts";
import { openTiles } from "../../src/build/sources.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { KEY_TYPE_ED25519, makeSignerKey } from "../../src/vindex/note.ts";
import { build, computeReference, ed25519, MIB, makeFolder, makeOddRecords, sumdbKey, writeTiles } from "./world.ts";

const root = makeFolder("build-failures");
after(() => rmSync(root, { recursive: true, force: true }));
const records = makeOddRecords(3, 1200);
const good = join(root, "good");
const { mapRoot } = computeReference(records);
let made = 0;
const newFolder = (): string => join(root, `new-${made++}`);
before(() => writeTiles(good, records, true));

/** A copy of the good tiles, changed. */
function copyTiles(change: (folder: string) => void): string {
  const folder = newFolder();
  cpSync(good, folder, { recursive: true });
  change(folder);
  return folder;
}

const dataTile = (folder: string, name: string): string => join(folder, "tile/8/data", name);

test("names a tile that is missing, and goes on when it is there", async () => {
  const tiles = copyTiles((folder) => rmSync(dataTile(folder, "002")));
  const folder = newFolder();
  await assert.rejects(build(folder, tiles), { code: "UNREACHABLE", message: /tile\/8\/data\/002 is not there/ });
  cpSync(dataTile(good, "002"), dataTile(tiles, "002"));
  assert.equal((await build(folder, tiles)).mapRoot, mapRoot);
});

test("names a tile that is cut off, or longer than it should be", async () => {
  const short = copyTiles((folder) => truncateSync(dataTile(folder, "001"), 20_000));
  await assert.rejects(build(newFolder(), short), {
    code: "BAD_TILE",
    message: /tile\/8\/data\/001: [0-9]+ records instead of 256/,
  });
  const long = copyTiles((folder) => {
    const path = dataTile(folder, "001");
    writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from("one more\n\n")]));
  });
  await assert.rejects(build(newFolder(), long), { code: "BAD_TILE", message: /001: more than 256 records/ });
});

test("names a tile with other records by the hash tiles, reads it again when it was mended, and no other", async () => {
  const tiles = copyTiles((folder) => {
    const bytes = readFileSync(dataTile(folder, "003"));
    bytes.writeUInt8(bytes.readUInt8(10) ^ 1, 10);
    writeFileSync(dataTile(folder, "003"), bytes);
  });
  const folder = newFolder();
  await assert.rejects(build(folder, tiles), {
    code: "BAD_TILE",
    message: /data\/003: its records are not those of the signed tree/,
  });
  cpSync(dataTile(good, "003"), dataTile(tiles, "003"));
  assert.equal((await build(folder, tiles)).mapRoot, mapRoot);
});

test("refuses other records in the last, partial tile", async () => {
  const tiles = copyTiles((folder) => {
    const path = dataTile(folder, "004.p/176");
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(10) ^ 1, 10);
    writeFileSync(path, bytes);
  });
  await assert.rejects(build(newFolder(), tiles), { code: "BAD_TILE", message: /data\/004\.p\/176: its records/ });
});

test("says without hash tiles that the records do not give the signed root, and begins anew", async () => {
  const tiles = copyTiles((folder) => {
    rmSync(join(folder, "tile/8/0"), { recursive: true });
    renameSync(dataTile(folder, "000"), dataTile(folder, "spare"));
    renameSync(dataTile(folder, "001"), dataTile(folder, "000"));
    renameSync(dataTile(folder, "spare"), dataTile(folder, "001"));
  });
  const folder = newFolder();
  await assert.rejects(build(folder, tiles), {
    code: "BAD_TILE",
    message: /do not give the signed root of 1200 records/,
  });
  for (const name of ["000", "001"]) cpSync(dataTile(good, name), dataTile(tiles, name));
  assert.equal((await build(folder, tiles)).mapRoot, mapRoot);
});

test("takes a full tile for a partial one, and no more of it than the tree has", async () => {
  const tiles = copyTiles((folder) => {
    const path = dataTile(folder, "004.p/176");
    const more = Array.from({ length: 80 }, (_, i) => `later ${i}\n\n`).join("");
    writeFileSync(dataTile(folder, "004"), Buffer.concat([readFileSync(path), Buffer.from(more)]));
    rmSync(path);
  });
  assert.equal((await build(newFolder(), tiles)).mapRoot, mapRoot);
});

test("refuses a head that is missing, or that another key signed", () => {
  const missing = copyTiles((folder) => rmSync(join(folder, "latest")));
  assert.throws(() => openTiles(missing, sumdbKey.verifierKey), { code: "UNREACHABLE" });
  const other = makeSignerKey("sumdb.example.org", KEY_TYPE_ED25519, new Uint8Array(32).fill(9), ed25519);
  assert.throws(() => openTiles(good, other.verifierKey), { code: "BAD_SUMDB_SIGNATURE", message: /latest/ });
  const forged = copyTiles((folder) => {
    const text = readFileSync(join(folder, "latest"), "utf8");
    writeFileSync(join(folder, "latest"), text.replace("\n1200\n", "\n1199\n"));
  });
  assert.throws(() => openTiles(forged, sumdbKey.verifierKey), { code: "BAD_SUMDB_SIGNATURE" });
});

const hasFifos = spawnSync("mkfifo", ["--version"]).error === undefined;
test("does not wait for the writer of a pipe where a file should be", { skip: !hasFifos && "no mkfifo" }, async () => {
  const makeFifo = (path: string): void => {
    rmSync(path);
    assert.equal(spawnSync("mkfifo", [path]).status, 0);
  };
  const noLatest = copyTiles((folder) => makeFifo(join(folder, "latest")));
  assert.throws(() => openTiles(noLatest, sumdbKey.verifierKey), {
    code: "UNREACHABLE",
    message: /latest: is not a regular file/,
  });
  const noTile = copyTiles((folder) => makeFifo(dataTile(folder, "002")));
  await assert.rejects(build(newFolder(), noTile), { code: "UNREACHABLE", message: /002 is not a regular file/ });
  const noHashes = copyTiles((folder) => {
    makeFifo(join(folder, "tile/8/0/001"));
    const bytes = readFileSync(dataTile(folder, "003"));
    writeFileSync(dataTile(folder, "003"), bytes.fill(0x78, 10, 11));
  });
  await assert.rejects(build(newFolder(), noHashes), { code: "BAD_TILE" });
  const long = copyTiles((folder) => writeFileSync(join(folder, "latest"), Buffer.alloc(1 << 20)));
  assert.throws(() => openTiles(long, sumdbKey.verifierKey), { code: "UNREACHABLE", message: /has more than/ });
});

test("refuses a directory that has an index", async () => {
  const folder = newFolder();
  await build(folder, good);
  await assert.rejects(build(folder, good), { code: "STORE_UNUSABLE", message: /has an index already: serve it/ });
});

test("refuses to go on with the build of another database, or from a damaged progress file", async () => {
  const folder = newFolder();
  const tiles = copyTiles((copy) => rmSync(dataTile(copy, "002")));
  await assert.rejects(build(folder, tiles), { code: "UNREACHABLE" });
  const progress = join(folder, "build", "progress.json");
  const text = readFileSync(progress, "utf8");
  const key = /"verifierKey":"[^"]*"/.exec(text)?.[0] ?? "";
  writeFileSync(progress, text.replace(key, '"verifierKey":"other"'));
  await assert.rejects(build(folder, good), { code: "STORE_UNUSABLE", message: /is a build of other/ });
  for (const damaged of ["", text.slice(0, -5), "{}", text.replace('"partitionBits":', '"partitionBits":-')]) {
    writeFileSync(progress, damaged);
    await assert.rejects(build(folder, good), { code: "STORE_UNUSABLE", message: /progress\.json is damaged; remove/ });
  }
  writeFileSync(
    progress,
    text.replace(/"signedTreeHead":"[^"]*1200/, (match) => match.replace("1200", "1100")),
  );
  await assert.rejects(build(folder, good), { code: "BAD_SUMDB_SIGNATURE" });
});

test("does again what an earlier run had written and the disk has lost", async () => {
  const folder = newFolder();
  const stop = new Error("stopped");
  const steps: string[] = [];
  const run = (at: string): Promise<unknown> =>
    build(folder, good, {
      partitionBits: 2,
      pace: 0,
      onStep: (step) => {
        steps.push(step);
        if (step === at) throw stop;
      },
    });
  await assert.rejects(run("partition 2 is recorded"), stop);
  for (const name of ["part-1.values", "hashes-0"]) {
    const path = join(folder, "build", name);
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(5) ^ 1, 5);
    writeFileSync(path, bytes);
  }
  steps.length = 0;
  assert.equal((await build(folder, good, { onStep: (step) => steps.push(step) })).mapRoot, mapRoot);
  const again = steps.filter((step) => / is written$/.test(step)).sort();
  assert.ok(again.includes("chunk 0 is written") && again.includes("partition 1 is written"), again.join());
  assert.ok(!again.includes("partition 0 is written"), again.join());
});

test("says in one sentence that the disk is full", async () => {
  const folder = newFolder();
  mkdirSync(join(folder, "build"), { recursive: true });
  symlinkSync("/dev/full", join(folder, "build", "entries"));
  await assert.rejects(build(folder, good), (error) => {
    assert.ok(isProofdnsError(error, "STORE_UNUSABLE"));
    assert.match(error.message, /^cannot build the index in .*: the disk is full; make room and start again$/);
    return true;
  });
});

test("says in one sentence that a directory cannot be written", async () => {
  await assert.rejects(build("/sys/proofdns", good), (error) => {
    assert.ok(isProofdnsError(error, "STORE_UNUSABLE"));
    assert.match(error.message, /^cannot make the folder .*: (?:permission denied|the file system is read-only)/);
    return true;
  });
});

test("refuses memory that is too little, and says how much it takes", async () => {
  assert.throws(() => planResources(1e6, 4, 300 * MIB), {
    code: "MALFORMED_INPUT",
    message: /give at least --memory [0-9]+MiB/,
  });
  assert.ok(planResources(67e6, 4, 2048 * MIB).partitionBits >= 8);
  await assert.rejects(build(newFolder(), good, { memory: 64 * MIB }), { code: "MALFORMED_INPUT" });
  for (const text of ["", "2", "2GB", "0GiB", "-1GiB", "1.5GiB", "2 GiB"]) {
    assert.throws(() => parseMemory(text), { code: "MALFORMED_INPUT" });
  }
  assert.equal(parseMemory("2GiB"), 2048 * MIB);
});
