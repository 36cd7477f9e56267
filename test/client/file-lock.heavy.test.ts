import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { withFileLock } from "../../src/client/file-lock.ts";

const program = fileURLToPath(new URL("lock-holder.ts", import.meta.url));

test("of many processes, some of which die with the lock, no two ever hold it at once", async () => {
  const folder = await mkdtemp(join(tmpdir(), "proofdns-lock-"));
  await writeFile(join(folder, "counter"), "0");
  const start = async (rounds: number, mortality: number): Promise<unknown> => {
    const args = ["--import", "tsx", program, folder, String(rounds), String(mortality)];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
    const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
    return signal ?? code;
  };
  const steady = Array.from({ length: 4 }, () => start(60, 0));
  const mortal = Array.from({ length: 10 }, () => start(200, 0.15));
  assert.deepEqual(await Promise.all(steady), [0, 0, 0, 0]);
  assert.ok((await Promise.all(mortal)).includes("SIGKILL"));
  const log = (await readFile(join(folder, "log"), "latin1")).trimEnd().split("\n");
  // Who died before it counted leaves the number to the next; nobody else shares one.
  const twice = log.length - new Set(log).size;
  assert.ok(twice <= mortal.length, `${twice} numbers were read twice`);
  assert.ok(log.length >= 4 * 60);
  await rm(folder, { recursive: true });
});

const module = JSON.stringify(new URL("../../src/client/file-lock.ts", import.meta.url).href);
const node = (code: string): string[] => {
  const text = `import { withFileLock } from ${module};\n${code}`;
  return [process.execPath, "--import", "tsx", "--input-type=module", "--eval", text];
};
/** Prints whether it has the lock, which its first argument names. */
const contender = node(`
  const [path] = process.argv.slice(1);
  const had = withFileLock(path, async () => "has it", { patience: 400 });
  console.log(await had.catch((error) => error.message.replace(path, "it")));`);

function unshare(options: readonly string[], command: readonly string[]): { said: string; failed: string } {
  const { stdout, stderr, status, error } = spawnSync("unshare", [...options, ...command], { encoding: "utf8" });
  return {
    said: stdout.trim(),
    failed: status === 0 ? "" : (error?.message ?? stderr).trim().slice(0, 200) || "it fails",
  };
}

const AHEAD = ["--user", "--map-root-user", "--time", "--boottime", "100000", "--fork"];
const noTimes = unshare(AHEAD, ["true"]).failed;
test("who is in another time namespace leaves a live holder the lock", {
  skip: noTimes === "" ? false : `no time namespace can be made here: ${noTimes}`,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "proofdns-lock-"));
  const path = join(folder, "lock");
  const { said } = await withFileLock(path, async () => unshare(AHEAD, [...contender, path]));
  assert.match(said, /^process \d+ on \S+ holds it; if there is no such process, remove the file$/);
  assert.equal(unshare(AHEAD, [...contender, path]).said, "has it");
  await rm(folder, { recursive: true });
});

const INSIDE = ["--user", "--map-root-user", "--pid", "--mount", "--fork"];
const noPids = unshare(INSIDE, ["mount", "-t", "proc", "proc", "/proc"]).failed;
test("who took the lock under the /proc of another PID namespace has it also before those who see their own", {
  skip: noPids === "" ? false : `no PID namespace can be made here: ${noPids}`,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "proofdns-lock-"));
  const path = join(folder, "lock");
  // The holder is process 1 there; in the /proc that it sees that is a stranger.
  const holder = node(`
    import { spawnSync } from "node:child_process";
    const [path, ...contender] = process.argv.slice(1);
    await withFileLock(path, async () => {
      const script = 'mount -t proc proc /proc && exec "$@"';
      const { stdout, stderr } = spawnSync("sh", ["-c", script, "sh", ...contender, path], { encoding: "utf8" });
      console.log(process.pid, stdout + stderr);
    });`);
  const { said, failed } = unshare(INSIDE, [...holder, path, ...contender]);
  assert.equal(failed, "");
  assert.match(said, /^1 process 1 on \S+ holds it; if there is no such process, remove the file$/);
  await rm(folder, { recursive: true });
});
