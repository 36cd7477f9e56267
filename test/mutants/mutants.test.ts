import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

interface Mutant {
  readonly file: string;
  readonly what: string;
  readonly find: string;
  readonly replace: string;
}

const url = new URL("./list.mjs", import.meta.url).href;
const { mutants } = (await import(url)) as { mutants: readonly Mutant[] };

test("every planted mistake has exactly one place in the source, and changes it", () => {
  for (const { file, what, find, replace } of mutants) {
    const text = readFileSync(new URL(`../../src/${file}`, import.meta.url), "utf8");
    assert.equal(text.split(find).length - 1, 1, `${file}: ${what}`);
    assert.notEqual(find, replace, `${file}: ${what}`);
  }
});

test("no mistake is planted twice", () => {
  const all = mutants.map(({ file, find, replace }) => JSON.stringify([file, find, replace]));
  assert.equal(new Set(all).size, all.length);
});
