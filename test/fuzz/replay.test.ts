import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { findDifferences } from "../../fuzz/seeds.ts";
import type { Fuzz, Target } from "../../fuzz/target.ts";

/**
 * The fuzz targets, without an engine, over everything that is kept for them: the seeds, and the inputs that found a bug
 * once. (`npm run fuzz` looks for more: docs/fuzzing.md.)
 */
const folder = new URL("../../fuzz/", import.meta.url);

const names = readdirSync(folder)
  .filter((file) => file.endsWith(".fuzz.ts"))
  .map((file) => file.slice(0, -".fuzz.ts".length));

function inputsOf(kind: "corpus" | "regressions", name: string): URL[] {
  const inputs = new URL(`${kind}/${name}/`, folder);
  return existsSync(inputs) ? readdirSync(inputs).map((file) => new URL(file, inputs)) : [];
}

function countFiles(kind: string): number {
  const all = new URL(`${kind}/`, folder);
  if (!existsSync(all)) return 0;
  return readdirSync(all, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length;
}

async function load(name: string): Promise<{ fuzz: Fuzz; target: Target }> {
  return (await import(new URL(`${name}.fuzz.ts`, folder).href)) as { fuzz: Fuzz; target: Target };
}

let replayed = 0;

describe("fuzz targets", () => {
  for (const name of names) {
    it(`${name} holds for its seeds and for every input that found a bug`, async () => {
      const { fuzz, target } = await load(name);
      const inputs = [...inputsOf("corpus", name), ...inputsOf("regressions", name)];
      assert.ok(inputs.length > 0, "no inputs");
      for (const input of inputs) {
        const data = readFileSync(input);
        assert.ok(data.length <= target.maxLength, `${input.pathname}: longer than the engines make them`);
        try {
          await fuzz(data);
        } catch (cause) {
          throw new Error(`fuzz/${input.pathname.slice(folder.pathname.length)}`, { cause });
        }
        replayed++;
      }
    });
  }

  it("can each be given a bug to find, and have none in this run", async () => {
    assert.equal(process.env["PROOFDNS_FUZZ_PLANT"], undefined);
    for (const name of names) assert.ok((await load(name)).target.plants.length > 0, name);
  });

  it("are all that there are inputs for, and no input was left out", () => {
    assert.ok(names.length > 0 && replayed > 0);
    assert.equal(replayed, countFiles("corpus") + countFiles("regressions"));
  });

  it("begin with the seeds that their generator makes", () => {
    assert.deepEqual(findDifferences(), []);
  });
});
