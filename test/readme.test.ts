import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runSession } from "./docs/sessions.ts";
import { root } from "./docs/snippet.ts";

test("the README's shell and library snippets run as they stand", {
  skip: process.platform === "win32" ? "needs a POSIX shell" : false,
}, async () => {
  const [latest = "", audit = "", library] = await runSession("README.md", "run-one");
  assert.match(latest, /^example\.com\/hello v1\.2\.3 \(release, index \d+, epoch 1, \d+ s old[^)]*\)\n$/);
  assert.equal((JSON.parse(audit) as { result: unknown }).result, "right");
  assert.equal(library, "v1.2.3\n");
});

test("the README's loops end, and say so, where what they wait for has failed", {
  skip: process.platform === "win32" ? "needs a POSIX shell" : false,
}, () => {
  const loops = readFileSync(join(root, "README.md"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("until "));
  assert.equal(loops.length, 2);
  const cwd = mkdtempSync(join(tmpdir(), "proofdns-readme-"));
  for (const loop of loops) {
    const { status, stderr } = spawnSync("sh", ["-c", `false &\n${loop}\n`], {
      cwd,
      encoding: "utf8",
      timeout: 20_000,
    });
    assert.equal(status, 0, loop);
    assert.match(stderr, /kill/, loop);
  }
  rmSync(cwd, { recursive: true });
});
