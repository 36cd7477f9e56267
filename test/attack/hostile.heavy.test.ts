import assert from "node:assert/strict";
import { after, test } from "node:test";
import { makeAttacks, runAttacks } from "./hostile.ts";

const all = await makeAttacks();
after(() => all.close());

test("a hostile server gets a typed refusal or nothing but the truth, with every mutation of every field", async (t) => {
  const tally = await runAttacks(all.attacks);
  t.diagnostic(String(tally));
  assert.equal(tally.total, all.attacks.length);
});
