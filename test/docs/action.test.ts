import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseYaml, readAction, type Yaml } from "./action.ts";
import { findSnippets, root } from "./snippet.ts";

const action = readAction();

test("no text of an input is ever part of a script: inputs are environment variables and nothing else", () => {
  const used = new Set<string>();
  for (const step of action.runs.steps) {
    assert.doesNotMatch(step.run, /\$\{\{/, step.name);
    assert.equal(step.shell, "bash");
    for (const [name, value] of Object.entries(step.env ?? {})) {
      const input = /^\$\{\{ inputs\.([a-z-]+) \}\}$/.exec(value)?.[1];
      assert.ok(input !== undefined, value);
      assert.equal(name, `PROOFDNS_INPUT_${input.toUpperCase().replaceAll("-", "_")}`);
      used.add(input);
    }
  }
  assert.deepEqual([...used].sort(), Object.keys(action.inputs).sort());
});

test("every input that the script reads is one of the action, and every input is read", () => {
  const script = readFileSync(join(root, "scripts", "action.mjs"), "utf8");
  const inputs = Object.keys(action.inputs).map((name) => name.toUpperCase().replaceAll("-", "_"));
  const read = new Set(script.match(/(?<=")[A-Z]+(?:_[A-Z]+)*(?=")/g));
  assert.deepEqual([...read].sort(), inputs.sort());
});

test("the action uses no other action that could change under it", () => {
  assert.equal(action.runs.using, "composite");
  for (const step of action.runs.steps) assert.ok(!("uses" in step), step.name);
});

test("every input and output says what it is, and outputs are those of the step", () => {
  for (const [name, { description }] of Object.entries(action.inputs)) assert.ok(description.length > 10, name);
  const ids = action.runs.steps.map((step) => step["id"]);
  for (const [name, { value }] of Object.entries(action.outputs)) {
    assert.equal(value, `\${{ steps.check.outputs.${name} }}`);
    assert.ok(ids.includes("check"));
  }
});

test("the README's workflow gives only inputs that there are, and all that are required", () => {
  const blocks = findSnippets("README.md").filter(({ mark }) => mark?.kind === "test" && mark.session === "action");
  assert.ok(blocks.length > 0);
  for (const { text } of blocks) {
    const given = findInputs(parseYaml(text));
    assert.ok(given !== undefined);
    for (const name of given) assert.ok(name in action.inputs, name);
    for (const [name, { required }] of Object.entries(action.inputs)) {
      if (required === "true") assert.ok(given.includes(name), name);
    }
  }
});

/** The keys of `with` of the step that uses proofdns. */
function findInputs(yaml: Yaml): string[] | undefined {
  if (typeof yaml === "string") return undefined;
  if (Array.isArray(yaml)) return yaml.map(findInputs).find((found) => found !== undefined);
  const uses = yaml["uses"];
  if (typeof uses === "string" && uses.includes("/proofdns@")) return Object.keys(yaml["with"] ?? {});
  return findInputs(Object.values(yaml));
}

test("the parser of these tests refuses what it does not know", () => {
  assert.deepEqual(
    { ...(parseYaml("a:\n  - b: 1\n    c: |\n      x\n      y\n  - b: ''\n") as object) },
    {
      a: [Object.assign(Object.create(null), { b: "1", c: "x\ny\n" }), Object.assign(Object.create(null), { b: "" })],
    },
  );
  for (const text of [
    "a: [1]\n",
    "a: &x 1\n",
    "a: >\n  x\n",
    "a: 1 # no\n",
    "a: 1\na: 2\n",
    "a:\n\tb: 1\n",
    "- a: 1\n b: 2\n",
    "a b\n",
  ]) {
    assert.throws(() => parseYaml(text), text);
  }
});
