import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, copyFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { FolderMemoryStore } from "../../src/client/memory-folder.ts";
import { NoMemoryStore } from "../../src/client/memory-store.ts";
import { formatMemory, parseMemory, verifyForkEvidence } from "../../src/client/verify/files.ts";
import { decodeUtf8 } from "../../src/vindex/bytes.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { formatVerifierKey } from "../../src/vindex/note.ts";
import { record } from "../attack/records.ts";
import { makeKeys, policyOf, timeOf, trustOf, World, ZONE } from "../attack/world.ts";
import type { WriterJob } from "./memory-writer.ts";
import { EPOCHS, makeFork, makeWorld, refusal, Scene, STEADY } from "./scene.ts";

/** What is remembered between runs: it protects from rollback, so nothing but a newer memory ever takes its place. */

const world = await makeWorld();
const trust = trustOf(world.keys);

const MANY = 120;

/** Memories of many epochs, for the writers to compete with. */
async function makeMemories(): Promise<string[]> {
  const many = await World.build({
    records: Array.from({ length: MANY }, (_, i) => record("example.com/a", `v1.${i}.0`)),
    sizes: Array.from({ length: MANY }, (_, i) => i + 1),
  });
  const texts = Array.from({ length: MANY }, (_, i) => formatMemory(many.memory(i + 1), trust));
  await many.close();
  return texts;
}

// Made before the first test: one of them drops root for a while, and nothing may run beside it.
const memories = await makeMemories();

const scenes: Scene[] = [];
after(async () => {
  await Promise.all(scenes.map((scene) => scene.remove()));
  await world.close();
});

async function scene(remembered?: number): Promise<Scene> {
  const made = await Scene.make(world, remembered);
  scenes.push(made);
  return made;
}

const text = formatMemory(world.memory(11), trust);

test("reads back what it wrote, and nothing where nothing was written", async () => {
  const s = await scene();
  assert.equal(await s.store.read(), undefined);
  await s.store.write(world.memory(11));
  assert.equal(await readFile(s.store.path, "utf8"), text);
  assert.equal(formatMemory((await s.store.read()) ?? assert.fail(), trust), text);
});

test("keeps memory and evidence from other users", async () => {
  const s = await scene(11);
  const path = await s.store.saveEvidence({ type: "a test" });
  assert.equal((await stat(s.folder)).mode & 0o777, 0o700);
  assert.equal((await stat(s.store.path)).mode & 0o777, 0o600);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test("keeps one suspicion of a tree of the checksum database, apart from evidence, and not without end", async () => {
  const s = await scene(11);
  const key = formatVerifierKey(trust.sumdbKey);
  const suspicion = (older: string, newer: string, of = key): object => ({
    type: "proofdns-suspicion/1",
    key: of,
    notes: [older, newer],
  });
  const path = await s.store.saveEvidence(suspicion("a", "b"));
  assert.match(basename(path), /^evidence-suspicion-[0-9a-f]{8}-[0-9a-f]{12}\.json$/);
  assert.equal(await s.store.saveEvidence(suspicion("a", "c")), path);
  assert.deepEqual(JSON.parse(await readFile(path, "utf8")), suspicion("a", "b"), "the first stays");
  assert.notEqual(await s.store.saveEvidence(suspicion("b", "c")), path);
  // Of heads of the log each is kept: it comes with a failure.
  const ofLog = ["b", "c"].map((newer) => s.store.saveEvidence(suspicion("a", newer, "the log")));
  assert.equal(new Set(await Promise.all(ofLog)).size, 2);
  for (let i = 0; i < 1000; i++) {
    await writeFile(path.replace(/[0-9a-f]{12}\.json$/, `${String(i).padStart(12, "0")}.json`), "{}");
  }
  await assert.rejects(s.store.saveEvidence(suspicion("d", "e")), /1000 suspicions .* are kept there, and no more/);
  assert.equal(await s.store.saveEvidence(suspicion("a", "f")), path);
  assert.match(await s.store.saveEvidence({ type: "proofdns-evidence/1" }), /evidence-[0-9a-f]{8}-[0-9a-f]{12}\.json$/);
});

test("keeps the memories of two logs of one name apart", async () => {
  const s = await scene(11);
  const keys = makeKeys(2);
  const other = new FolderMemoryStore(s.folder, trustOf(keys));
  assert.notEqual(other.path, s.store.path);
  assert.equal(await other.read(), undefined);
});

test("never writes an older epoch or an earlier age over the memory", async () => {
  const s = await scene(11);
  const memory = world.memory(11);
  for (const older of [world.memory(10), world.memory(1), memory, { ...memory, ageTime: memory.ageTime - 1 }]) {
    await s.store.write(older);
    assert.equal(await readFile(s.store.path, "utf8"), text);
  }
  await s.store.write({ ...memory, ageTime: memory.ageTime + 1 });
  assert.equal((await s.store.read())?.ageTime, memory.ageTime + 1);
  await s.store.write(world.memory(12), memory);
  assert.equal((await s.store.read())?.epoch, 12);
});

test("never writes over a memory that the new one was not compared with", async () => {
  for (const compared of [undefined, world.memory(10), world.memory(12)]) {
    const s = await scene(11);
    await s.store.write(world.memory(12), compared);
    assert.equal(await readFile(s.store.path, "utf8"), text);
  }
  const fork = await makeFork();
  after(() => fork.close());
  const s = await scene(11);
  await s.store.write(fork.memory(12), fork.memory(11));
  assert.equal(await readFile(s.store.path, "utf8"), text);
});

test("calls another tree of the remembered epoch a fork, with evidence, and leaves the memory", async () => {
  const fork = await makeFork();
  after(() => fork.close());
  const s = await scene(11);
  const other = { ...fork.memory(11), ageTime: world.memory(11).ageTime + 1 };
  const key = formatVerifierKey(world.keys.log.verifierKey);
  for (const compared of [undefined, other, world.memory(11)]) {
    const error = await refusal(() => s.store.write(other, compared));
    assert.equal(error.code, "FORK");
    assert.equal(verifyForkEvidence(error.evidence, key).newer.treeSize, 11);
    assert.equal(await readFile(s.store.path, "utf8"), text);
  }
});

test("reads and writes the tree head that the checksum database was last proven for, and moves it only forward", async () => {
  const { leaf: sumdbLeaf } = world.memory(5);
  const memory = { ...world.memory(11), sumdbLeaf };
  const s = await scene();
  await s.store.write(memory);
  assert.equal(await readFile(s.store.path, "utf8"), formatMemory(memory, trust));
  assert.deepEqual((await s.store.read())?.sumdbLeaf?.treeHead, sumdbLeaf.treeHead);
  // Whoever does not know of it moves nothing.
  await s.store.write(world.memory(11), world.memory(11));
  await s.store.write(world.memory(12), world.memory(11));
  assert.equal(await readFile(s.store.path, "utf8"), formatMemory(memory, trust));
  await s.store.write({ ...world.memory(11), ageTime: memory.ageTime + 1 });
  assert.equal((await s.store.read())?.sumdbLeaf?.treeHead.treeSize, sumdbLeaf.treeHead.treeSize);
  await s.store.write({ ...memory, sumdbLeaf: world.memory(3).leaf }, await s.store.read());
  assert.equal((await s.store.read())?.sumdbLeaf?.treeHead.treeSize, sumdbLeaf.treeHead.treeSize);
  await s.store.write({ ...memory, sumdbLeaf: world.memory(7).leaf }, await s.store.read());
  assert.deepEqual((await s.store.read())?.sumdbLeaf?.treeHead, world.memory(7).leaf.treeHead);
  await s.store.write(world.memory(11), await s.store.read());
  assert.equal((await s.store.read())?.sumdbLeaf, undefined);
});

test("refuses a memory whose kept tree head is no earlier one, or not signed", async () => {
  const json = JSON.parse(formatMemory({ ...world.memory(11), sumdbLeaf: world.memory(5).leaf }, trust)) as {
    leaf: string;
    sumdbLeaf: string;
  };
  const later = (JSON.parse(formatMemory(world.memory(12), trust)) as { leaf: string }).leaf;
  const other = (JSON.parse(formatMemory(world.memory(6), trust)) as { leaf: string }).leaf;
  const [head] = json.sumdbLeaf.split("\n\n");
  const [, signature] = other.split("\n\n");
  for (const sumdbLeaf of [json.leaf, later, "", 7, null, {}, `${head}\n\n${signature}`, `${json.sumdbLeaf}x`]) {
    await refusesFile(JSON.stringify({ ...json, sumdbLeaf }));
  }
});

test("the store without a folder follows the same rule", async () => {
  const store = new NoMemoryStore();
  assert.equal(await store.read(), undefined);
  await store.write(world.memory(11));
  await store.write(world.memory(10));
  await store.write(world.memory(12));
  assert.equal((await store.read())?.epoch, 11);
  await store.write(world.memory(12), world.memory(11));
  assert.equal((await store.read())?.epoch, 12);
  assert.equal(await store.saveEvidence(), undefined);
});

/** A file in place of the memory must be refused, and must stay as it is. */
async function refusesFile(content: string | Uint8Array): Promise<void> {
  const s = await scene();
  await mkdir(s.folder);
  await writeFile(s.store.path, content);
  const server = s.server();
  const error = await s.refuses("MALFORMED_MEMORY", server);
  assert.ok(error.message.includes(s.store.path), "the message says where it is");
  assert.equal((await refusal(() => s.store.write(world.memory(EPOCHS)))).code, "MALFORMED_MEMORY");
  assert.deepEqual(await readFile(s.store.path), Buffer.from(content));
  assert.ok(!server.asked.some((name) => name.startsWith("tcp")), "no other path to the server mends it");
}

test("refuses a truncated memory, and leaves it", async () => {
  for (const length of [0, 1, 10, Math.floor(text.length / 2), text.length - 3])
    await refusesFile(text.slice(0, length));
});

test("refuses a memory cut at any byte", () => {
  // Without its last line feed it still says all that it said.
  for (let length = 0; length < text.length - 1; length++) {
    assert.throws(() => parseMemory(text.slice(0, length), trust), { code: "MALFORMED_MEMORY" }, `${length}`);
  }
});

test("refuses what is no memory, and leaves it", async () => {
  const other = { ...(JSON.parse(text) as object), type: "proofdns-memory/2" };
  const noise = Uint8Array.from({ length: 600 }, (_, i) => (i * 97) % 256);
  for (const content of ["{}", "null", "[]", "\n", "17", '"text"', JSON.stringify(other), `${text}${text}`, noise]) {
    await refusesFile(content);
  }
});

test("refuses the memory of another log, or of another database, and leaves it", async () => {
  for (const keys of [
    { ...world.keys, log: makeKeys(2).log },
    { ...world.keys, sumdb: makeKeys(2).sumdb },
  ]) {
    const other = await World.build({ records: [record("example.com/a", "v1.0.0")], sizes: [1], keys });
    const foreign = formatMemory(other.memory(1), trustOf(keys));
    await refusesFile(foreign);
    // Nor with our key written over theirs.
    await refusesFile(
      foreign.replace(formatVerifierKey(keys.log.verifierKey), formatVerifierKey(world.keys.log.verifierKey)),
    );
    await other.close();
  }
});

test("refuses a memory whose fields do not belong together", async () => {
  type Json = Record<string, unknown> & { peaks: string[] };
  const json = (): Json => JSON.parse(text) as Json;
  const other = JSON.parse(formatMemory(world.memory(10), trust)) as Json;
  const changes: Partial<Json>[] = [
    { epoch: 10 },
    { epoch: 0 },
    { epoch: -11 },
    { epoch: 11.5 },
    { epoch: 2 ** 53 },
    { epoch: "11" },
    { peaks: json().peaks.slice(1) },
    { peaks: [...json().peaks].reverse() },
    { peaks: [...json().peaks, ...json().peaks] },
    { peaks: other.peaks },
    { logSignature: other["logSignature"] },
    { ageTime: -1 },
    { ageTime: 0.5 },
    { ageTime: "now" },
    { ageTime: 1e300 },
    { type: undefined },
    { log: undefined },
  ];
  for (const change of changes) await refusesFile(JSON.stringify({ ...json(), ...change }));
});

test("refuses a memory with any bit changed, but for what no signature covers", async (t) => {
  const bytes = Buffer.from(text);
  const after_ = (field: string): number => bytes.indexOf(`"${field}": `) + field.length + 4;
  // The age time is nowhere signed. The map root is, but what is kept of the log does not always show it.
  const open = [
    [after_("ageTime"), after_("ageTime") + 10],
    [after_("leaf") + 1, after_("leaf") + 1 + 64],
  ] as const;
  const taken: string[] = [];
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Uint8Array.from(bytes);
    const at = bit >> 3;
    changed[at] = (changed[at] as number) ^ (1 << (bit & 7));
    const changedText = decodeUtf8(changed) ?? Buffer.from(changed).toString("utf8");
    try {
      parseMemory(changedText, trust);
      assert.ok(
        open.some(([from, to]) => at >= from && at < to),
        `accepted with bit ${bit & 7} of byte ${at} changed`,
      );
      taken.push(changedText);
    } catch (error) {
      if (!(error instanceof ProofdnsError)) throw error;
      assert.equal(error.code, "MALFORMED_MEMORY");
    }
  }
  t.diagnostic(`${bytes.length * 8} changes, ${taken.length} of them taken`);
  // A damaged map root costs a question more, and proves nothing false.
  const s = await scene(11);
  const damaged = taken.find((changed) => !changed.includes(text.slice(after_("leaf") - 4, after_("leaf") + 64)));
  if (damaged === undefined) return;
  await writeFile(s.store.path, damaged);
  const now = timeOf(11) + 60;
  const server = s.server(11, undefined, now);
  assert.equal((await s.client(server, { now }).lookup(STEADY)).answer.head.epoch, 11);
});

test("says clearly that a folder cannot be used", async () => {
  const s = await scene();
  const file = join(dirname(s.folder), "file");
  await writeFile(file, "");
  for (const folder of [file, join(file, "state")]) {
    const store = new FolderMemoryStore(folder, trust);
    for (const run of [() => store.read(), () => store.write(world.memory(11)), () => store.saveEvidence({})]) {
      const error = await refusal(run);
      assert.equal(error.code, "STORE_UNUSABLE");
      assert.ok(error.message.includes(folder) && error.message.includes("--state"), error.message);
    }
  }
});

test("says clearly that a pipe or a folder in place of the memory cannot be used, and waits for nobody", async () => {
  const pipe = await scene();
  await mkdir(pipe.folder);
  execFileSync("mkfifo", [pipe.store.path]);
  const folder = await scene();
  await mkdir(folder.store.path, { recursive: true });
  for (const { store } of [pipe, folder]) {
    for (const run of [() => store.read(), () => store.write(world.memory(11))]) {
      const error = await refusal(run);
      assert.equal(error.code, "STORE_UNUSABLE");
      assert.match(error.message, /no regular file/);
    }
  }
});

test("says clearly that a folder is read-only, and a lookup in it is proven all the same", async () => {
  const s = await scene(5);
  await chmod(s.folder, 0o555);
  await chmod(dirname(s.folder), 0o755);
  await chmod(s.store.path, 0o644);
  const { seteuid, getuid } = process;
  // Nothing is read-only for root.
  const isRoot = getuid?.() === 0 && seteuid !== undefined;
  if (isRoot) seteuid(65_534);
  try {
    const client = s.client(s.server());
    assert.equal((await client.lookup(STEADY)).answer.kind, "module");
    const error = await refusal(() => client.commit());
    assert.equal(error.code, "STORE_UNUSABLE");
    assert.ok(error.message.includes(s.folder), error.message);
    assert.equal((await s.store.read())?.epoch, 5);
  } finally {
    if (isRoot) seteuid(0);
    await chmod(s.folder, 0o700);
  }
});

test("never follows a temporary file that another process left", async () => {
  const s = await scene(11);
  await copyFile(s.store.path, `${s.store.path}.000000000000.tmp`);
  await writeFile(`${s.store.path}.111111111111.tmp`, text.slice(0, 100));
  await s.store.write(world.memory(12), world.memory(11));
  assert.equal((await s.store.read())?.epoch, 12);
});

test("an older memory that was on its way first does not come last", async () => {
  const s = await scene();
  class Slow extends FolderMemoryStore {
    override async read(): ReturnType<FolderMemoryStore["read"]> {
      const found = await super.read();
      // Another process writes just now.
      await new Promise((resolve) => setTimeout(resolve, 200));
      return found;
    }
  }
  const older = new Slow(s.folder, trust).write(world.memory(10));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await Promise.all([older, s.store.write(world.memory(12), world.memory(10))]);
  assert.equal(await s.rememberedEpoch(), 12);
});

/** Writes the job of the writers of a folder beside it. */
async function writeJob(folder: string): Promise<string> {
  const sumdbKey = formatVerifierKey(world.keys.sumdb.verifierKey);
  const job: WriterJob = { folder, zone: ZONE, policy: policyOf(world.keys), sumdbKey, memories };
  const file = join(dirname(folder), "job.json");
  await writeFile(file, JSON.stringify(job));
  return file;
}

const writer = fileURLToPath(new URL("memory-writer.ts", import.meta.url));

function startWriter(file: string, first: number, step: number): ReturnType<typeof spawn> {
  const args = ["--import", "tsx", writer, file, String(first), String(step)];
  return spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
}

test("processes that write at the same time never lose the newest memory nor leave a torn file", async () => {
  const s = await scene();
  const file = await writeJob(s.folder);
  const writers = [0, 1, 2, 3].map((first) => startWriter(file, first, 4));
  const ends = writers.map((child) => once(child, "exit"));
  let done = false;
  const all = Promise.all(ends).finally(() => {
    done = true;
  });
  // Another one only reads: every state that it sees is whole, and none is older than one before.
  let before = 0;
  let reads = 0;
  while (!done) {
    const epoch = (await s.store.read())?.epoch ?? 0;
    assert.ok(epoch >= before, `epoch ${epoch} after ${before}`);
    before = epoch;
    reads++;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.deepEqual(
    (await all).map(([code]) => code as unknown),
    [0, 0, 0, 0],
  );
  assert.ok(reads > 10);
  assert.equal((await s.store.read())?.epoch, MANY);
  assert.deepEqual(await s.strays(), []);
});

test("a process that is killed while it writes leaves a whole memory", async () => {
  const s = await scene();
  const file = await writeJob(s.folder);
  for (const milliseconds of [2, 9, 25]) {
    const child = startWriter(file, 0, 1);
    assert.ok(child.stdout !== null);
    await once(child.stdout, "data");
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    child.kill("SIGKILL");
    await once(child, "exit");
    await s.store.read();
  }
  // What was left behind holds nobody up for good.
  await s.store.write(parseMemory(memories.at(-1) as string, trust), await s.store.read());
  assert.equal((await s.store.read())?.epoch, MANY);
});
