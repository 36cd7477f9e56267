import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { withFileLock } from "../../src/client/file-lock.ts";

const folder = await mkdtemp(join(tmpdir(), "proofdns-lock-"));
const path = join(folder, "lock");
after(() => rm(folder, { recursive: true }));
beforeEach(async () => {
  for (const name of await readdir(folder)) await rm(join(folder, name));
});

/** The number of a process that has ended. */
const DEAD = spawnSync(process.execPath, ["-e", ""]).pid;
const TOKEN = "0123456789abcdef0123456789abcdef";
const host = hostname();
/** Boot and PID namespace, as a lock says them. */
const place = existsSync("/proc/self/ns/pid")
  ? `${readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()}/${readlinkSync("/proc/self/ns/pid")}`
  : "-";
const holds = async (pid: number, start = "1", at = path, token = TOKEN): Promise<void> =>
  writeFile(at, `${token} ${pid} ${start} ${host} ${place}\n`);

/** Runs as many tasks as given at once; each must be alone. */
async function runMany(count: number): Promise<void> {
  let inside = 0;
  let done = 0;
  const task = async (): Promise<void> => {
    assert.equal(++inside, 1);
    await sleep(1);
    inside--;
    done++;
  };
  await Promise.all(Array.from({ length: count }, () => withFileLock(path, task)));
  assert.equal(done, count);
  assert.deepEqual(await readdir(folder), []);
}

test("one task at a time has the lock, and nothing is left behind", () => runMany(12));

test("gives back what the task gives, and lets go if it fails", async () => {
  assert.equal(await withFileLock(path, async () => 7), 7);
  await assert.rejects(
    withFileLock(path, async () => Promise.reject(new Error("no"))),
    /^Error: no$/,
  );
  assert.deepEqual(await readdir(folder), []);
});

test("the lock of a process that is gone is removed once, however many find it", async () => {
  await holds(DEAD);
  await runMany(12);
});

test("a process of the same number that began at another time is another one", async () => {
  await holds(process.pid);
  await runMany(3);
});

test("who died while removing a dead one's lock holds nobody up", async () => {
  await holds(DEAD);
  const second = "f".repeat(32);
  await holds(DEAD, "1", `${path}.${TOKEN}`, second);
  await holds(DEAD, "1", `${path}.${TOKEN}.${second}`, "e".repeat(32));
  await runMany(3);
});

function makeDeferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

const live: [what: string, content: string | undefined][] = [
  ["a process that lives", undefined],
  ["a process of another host", `${TOKEN} ${DEAD} 1 another.host ${place}\n`],
  ["a process of a container with the host's name", `${TOKEN} ${DEAD} 1 ${host} ${place.replace(/.$/, "7]")}\n`],
  ["a process of another boot, or of a machine of the same name", `${TOKEN} ${DEAD} 1 ${host} 0${place}\n`],
  ["a process of who knows where", `${TOKEN} ${DEAD} 1 ${host} another\n`],
  ["a process that does not say where it is", `${TOKEN} ${DEAD} 1 ${host}\n`],
  ["who knows whom", ""],
  ["a file of something else", "hello\n"],
  ["a number that is none", `${TOKEN} -1 1 ${host} ${place}\n`],
  ["the number of a whole group", `${TOKEN} 0 1 ${host} ${place}\n`],
  ["two lines", `${TOKEN} ${DEAD} 1 ${host} ${place}\n\n`],
];
for (const [what, content] of live) {
  test(`never takes away the lock of ${what}`, async () => {
    const { promise: end, resolve: letGo } = makeDeferred();
    const { promise: begin, resolve: hasIt } = makeDeferred();
    const hold = async (): Promise<void> => {
      hasIt();
      await end;
    };
    const other = content === undefined ? withFileLock(path, hold) : writeFile(path, content);
    await (content === undefined ? begin : other);
    const before = await readFile(path, "latin1");
    await assert.rejects(
      withFileLock(path, () => assert.fail("ran"), 60),
      /holds .*lock; if there is no such process, remove the file/,
    );
    assert.equal(await readFile(path, "latin1"), before);
    letGo();
    await other;
  });
}

test("lets the file be if it is another's by the end of the task", async () => {
  const other = `${TOKEN} 1 1 another.host ${place}\n`;
  await withFileLock(path, () => writeFile(path, other));
  assert.equal(await readFile(path, "latin1"), other);
});
