import assert from "node:assert/strict";
import { after, test } from "node:test";
import { listUncovered, makeAttacks, runAttacks } from "./hostile.ts";
import { joinPieces, splitPayload } from "./hostile-pieces.ts";
import { formOf } from "./hostile-scenes.ts";
import { parseSchema, readSpec } from "./hostile-schema.ts";

/**
 * A hostile server: every field of every section of every kind of answer, as the specification's table has them, is put wrong,
 * old, foreign, huge, missing, repeated and at its bounds. Here a part of it; `hostile.heavy.test.ts` runs all.
 */
const STRIDE = 31;

const all = await makeAttacks();
after(() => all.close());

test("takes true answers apart by the specification and puts the same bytes together", () => {
  let payloads = 0;
  for (const scene of all.scenes) {
    for (const [name, payload] of scene.payloads) {
      const { pieces } = splitPayload(all.schema, formOf(all.schema, name, payload), payload);
      assert.deepEqual(joinPieces(pieces), payload, name);
      payloads++;
    }
  }
  assert.ok(payloads > 30);
});

test("has every kind of mutation of every field of every section of the specification", () => {
  const mutations = all.attacks.map(({ mutation }) => mutation);
  assert.deepEqual(listUncovered(all.schema, mutations), []);
});

test("fails for a section that the specification has and no answer shows", () => {
  const row = "| 0x0D | gossip        | uv(size) ‖ note[64] |\n";
  const grown = parseSchema(readSpec().replace(/^\| 0x0C .*\n/m, (before) => before + row));
  const missing = listUncovered(
    grown,
    all.attacks.map(({ mutation }) => mutation),
  );
  assert.ok(missing.includes("gossip.size: wrong") && missing.includes("gossip.note: foreign"), missing.join());
});

test("fails for a part of a form that it does not know", () => {
  for (const content of ["note", "u16 size", "uv(size) + note[64]", "list of notes"]) {
    const row = `| 0x0D | gossip | ${content} |\n`;
    assert.throws(() => parseSchema(readSpec().replace(/^\| 0x0C .*\n/m, (before) => before + row)), /no known form/);
  }
});

test("a hostile server gets a typed refusal or nothing but the truth, and never touches the state", async (t) => {
  const tally = await runAttacks(all.attacks, STRIDE);
  t.diagnostic(String(tally));
  assert.ok(tally.refused > 200);
});
