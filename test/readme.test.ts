import assert from "node:assert/strict";
import { test } from "node:test";
import { runSession } from "./docs/sessions.ts";

test("the README's shell and library snippets run as they stand", {
  skip: process.platform === "win32" ? "needs a POSIX shell" : false,
}, async () => {
  const [latest = "", audit = "", library] = await runSession("README.md", "run-one");
  assert.match(latest, /^example\.com\/hello v1\.2\.3 \(release, index \d+, epoch 1, \d+ s old[^)]*\)\n$/);
  assert.equal((JSON.parse(audit) as { result: unknown }).result, "right");
  assert.equal(library, "v1.2.3\n");
});
