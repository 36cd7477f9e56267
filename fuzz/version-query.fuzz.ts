import assert from "node:assert/strict";
import { resolveVersionQuery, stepKind } from "../src/go/index.ts";
import { textOf } from "./input.ts";
import { naiveQuery } from "./oracle/version-query.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/**
 * Version queries: a line each for the query, the version in use and the path, then the versions, parted by spaces; a `!`
 * before one says that it has no go.mod. Against one that holds every version against every other.
 */
export const target: Target = { maxLength: 600, plants: ["prefix-takes-pre-release"] };

/** Bug: v1.4 takes in the pre-releases of v1.4.0. */
const resolve = plant("prefix-takes-pre-release", resolveVersionQuery, (query, versions, options) => {
  const all = [...versions];
  const answer = resolveVersionQuery(query, all, options);
  return (
    answer ?? (/^v[0-9]+\.[0-9]+$/.test(query) ? all.find((version) => version.startsWith(`${query}.0-`)) : undefined)
  );
});

export function fuzz(data: Uint8Array): void {
  const [query = "", current = "", path = "", rest = ""] = textOf(data).split("\n");
  const marked = rest.split(" ").slice(0, 40);
  const versions = marked.map((text) => (text.startsWith("!") ? text.slice(1) : text));
  const without = new Set(marked.filter((text) => text.startsWith("!")).map((text) => text.slice(1)));
  const hasGoMod = (version: string): boolean => !without.has(version);
  const options = { path, hasGoMod, ...(current === "" ? {} : { current }) };
  const outcome = withinTime("a version query", () =>
    outcomeOf(() => resolve(query, versions, options), "MALFORMED_INPUT"),
  );
  const used = current === "" || current === "none" ? undefined : current;
  const expected = naiveQuery(query, versions, path, used, hasGoMod);
  assert.equal(outcome.code !== undefined, expected === null, outcome.error?.message);
  if (outcome.code !== undefined) return;
  assert.equal(outcome.value, expected ?? undefined);
  if (outcome.value === undefined || used === undefined) return;
  // An upgrade is never a step back.
  const kind = stepKind(used, outcome.value);
  if (query === "upgrade" || query === "patch") assert.notEqual(kind, "older");
  if (query === "patch") assert.ok(kind === "same" || kind === "patch" || kind === "pre");
}
