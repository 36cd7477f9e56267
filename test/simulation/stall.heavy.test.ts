import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Command, run } from "../cli/process.ts";

/** A checksum database that stops growing, behind the real commands: the clock key stops, and a client that wants fresh answers sees it. */

const folder = await mkdtemp(join(tmpdir(), "proofdns-stall-"));
const commands: Command[] = [];
after(async () => {
  await Promise.all(commands.map((command) => command.stop("SIGKILL")));
  await rm(folder, { recursive: true, force: true });
});

function start(...args: string[]): Command {
  const command = new Command(args);
  commands.push(command);
  return command;
}

test("a checksum database that stalls stops the clock, and a client refuses what has become old", async () => {
  const records = join(folder, "records.tsv");
  const h1 = (letter: string): string => `h1:${letter.repeat(43)}=`;
  const line = (i: number): string => `example.com/m${i}\tv1.${i}.0\t${h1("A")}\t${h1("E")}\n`;
  await writeFile(records, Array.from({ length: 20 }, (_, i) => line(i)).join(""));
  const sumdb = start("sumdb", "--records", records, "--listen", "127.0.0.1:0", "--data", join(folder, "sumdb"));
  const { vkey, url } = await sumdb.json();
  const serve = start(
    ...["serve", "--zone", "l.example.org", "--listen", "127.0.0.1:0", "--data", join(folder, "serve")],
    ...["--sumdb", `${vkey} ${url}`, "--poll", "1s", "--heartbeat", "1s", "--max-stall", "3s"],
  );
  const { listen, policy, sumdbKey } = await serve.json();
  const state = join(folder, "state");
  const latest = () =>
    run([
      ...["latest", "--zone", "l.example.org", "--server", String(listen), "--policy", String(policy)],
      ...["--sumdb-key", String(sumdbKey), "--state", state, "--no-cache", "--max-age", "4s", "--json"],
      "example.com/m7",
    ]);
  const first = await latest();
  assert.equal(first.code, 0, first.stdout + first.stderr);
  assert.match(first.stdout, /"v1\.7\.0"/);
  // Three seconds until the clock stops, and four until its last time is too old.
  await setTimeout(7000);
  const until = performance.now() + 20_000;
  let last = await latest();
  while (last.code === 0 && performance.now() < until) {
    await setTimeout(500);
    last = await latest();
  }
  assert.equal(last.code, 3, last.stdout + last.stderr);
  assert.match(last.stdout, /"STALE"/);
  assert.doesNotMatch(last.stdout, /v1\.7\.0/);
});
