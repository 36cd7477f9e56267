// Loaded before the tests. A failing `assert.ok(value)` without a message makes Node 20 look for its text in the source, which takes
// minutes in the one long line that tsx makes of a file: here it gets a message.
import assert from "node:assert";
import strict from "node:assert/strict";

for (const module of [assert, strict]) {
  const { ok } = module;
  module.ok = (value, message = "the value is not truthy") => ok(value, message);
}
