import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

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
