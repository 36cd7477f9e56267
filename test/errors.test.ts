import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { errorCodes, ProofdnsError } from "../src/vindex/error.ts";

const docs = readFileSync(new URL("../docs/errors.md", import.meta.url), "utf8");

test("docs/errors.md has a heading for every error code, under its kind, and no other", () => {
  let section = "";
  const found = new Map<string, string>();
  for (const line of docs.split("\n")) {
    if (line.startsWith("## ")) section = line.slice(3).toLowerCase();
    if (line.startsWith("### ")) found.set(line.slice(4), section);
  }
  assert.deepEqual([...found.keys()].sort(), [...errorCodes].sort());
  for (const code of errorCodes) assert.equal(found.get(code), new ProofdnsError(code, "").kind, code);
});
