import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { SumdbServer } from "../../src/sumdb/server.ts";
import { formatVerifierKey, type VerifierKey } from "../../src/vindex/note.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { formatH1, parseRecord } from "../../src/vindex/record.ts";
import { Command } from "../cli/process.ts";
import { sampleRecords } from "../service/world.ts";
import { computeReference, ed25519, makeFolder, sumdbKey, writeTiles } from "./world.ts";

const root = makeFolder("build-cli");
after(() => rmSync(root, { recursive: true, force: true }));
const records = sampleRecords();
const { mapRoot } = computeReference(records);
const tiles = join(root, "tiles");
const file = join(root, "records.tsv.gz");
const vkey = formatVerifierKey(sumdbKey.verifierKey as VerifierKey);

before(() => {
  writeTiles(tiles, records, true);
  const lines = records.map((text) => {
    const record = parseRecord(text);
    assert.ok(record !== undefined);
    return `${record.path}\t${record.version.text}\t${formatH1(record.zipHash)}\t${formatH1(record.goModHash)}\n`;
  });
  writeFileSync(file, gzipSync(lines.join("")));
});

async function run(...args: string[]): Promise<{ code: unknown; json: Record<string, unknown>; stderr: string }> {
  const { code, stdout, stderr } = await new Command(["build", "--workers", "1", ...args]).ended;
  return { code, json: stdout === "" ? {} : (JSON.parse(stdout) as Record<string, unknown>), stderr };
}

test("builds the same index from tiles, a records file and a checksum database, and says so in one line", async () => {
  const fromTiles = await run("--data", join(root, "a"), "--tiles", tiles, "--vkey", vkey);
  assert.equal(fromTiles.code, 0, fromTiles.stderr);
  assert.equal(fromTiles.json["mapRoot"], mapRoot);
  assert.equal(fromTiles.json["records"], records.length);
  for (const name of ["modules", "keys", "malformed", "seconds", "peakResidentMemory"])
    assert.ok(name in fromTiles.json, name);
  const fromFile = await run("--data", join(root, "b"), "--records", file);
  assert.equal(fromFile.json["mapRoot"], mapRoot, fromFile.stderr);
  assert.ok(existsSync(join(root, "b", "sumdb.key")));
  const server = new SumdbServer({ signerKey: sumdbKey, records, sha256: nodeSha256, ed25519 });
  try {
    const { host, port } = await server.listen({ host: "127.0.0.1", port: 0 });
    const fromUrl = await run("--data", join(root, "c"), "--sumdb", `${vkey} http://${host}:${port}`);
    assert.equal(fromUrl.json["mapRoot"], mapRoot, fromUrl.stderr);
  } finally {
    await server.close();
  }
  for (const name of ["states", "entries", "values-0000000000000001", "hashes-0", "hashes-1"]) {
    const read = (folder: string): Buffer => readFileSync(join(root, folder, "files", name));
    assert.ok(read("a").equals(read("b")) && read("a").equals(read("c")), name);
  }
  assert.ok(!existsSync(join(root, "b", "build")) && !existsSync(join(root, "c", "build")));
});

test("refuses bad usage in one sentence, with exit status 2, and makes nothing", async () => {
  const data = join(root, "none");
  for (const args of [
    ["--data", data],
    ["--data", data, "--tiles", tiles, "--records", file],
    ["--data", data, "--tiles", tiles, "--sumdb-key", "x"],
    ["--data", data, "--records", file, "--vkey", vkey],
    ["--data", data, "--tiles", tiles, "--vkey", "nonsense"],
    ["--data", data, "--tiles", tiles, "--vkey", vkey, "--workers", "0"],
    ["--data", data, "--tiles", tiles, "--vkey", vkey, "--memory", "2GB"],
    ["--data", data, "--sumdb", "nonsense"],
    ["--data", data, "--tiles", join(root, "nowhere"), "--vkey", vkey],
  ]) {
    const { code, stderr } = await new Command(["build", ...args]).ended;
    assert.equal(code, 2, `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, /^proofdns: [^\n]+\n$/);
  }
  assert.ok(!existsSync(data));
});

test("refuses a directory with an index before it takes anything over", async () => {
  for (const source of [
    ["--records", file],
    ["--tiles", tiles, "--vkey", vkey],
  ]) {
    const { code, stderr } = await run("--data", join(root, source.length === 2 ? "b" : "a"), ...source);
    assert.equal(code, 2);
    assert.match(stderr, /^proofdns: .* has an index already: [^\n]+\n$/);
  }
  assert.ok(!existsSync(join(root, "b", "build")));
});
