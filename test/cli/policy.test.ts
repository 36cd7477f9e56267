import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { describePolicy } from "../../src/cli/policy.ts";
import { isPolicyName } from "../../src/cli/policy-file.ts";
import { parsePolicy } from "../../src/vindex/policy.ts";
import { makeKeys, policyOf, policyWith } from "../attack/world.ts";

const keys = makeKeys();
const lineOf = (policy: string, start: string): string | undefined =>
  describePolicy(parsePolicy(policy)).find((line) => line.startsWith(start));

describe("a policy, explained", () => {
  it("says who makes the quorum", () => {
    assert.equal(lineOf(policyOf(keys, ["clock"]), "quorum"), "quorum   clock");
    assert.equal(lineOf(policyOf(keys), "quorum"), "quorum   all of (clock, w1, w2, w3)");
    const nested = policyWith(keys, "group ws 2 w1 w2 w3\ngroup q all clock ws\nquorum q");
    assert.equal(lineOf(nested, "quorum"), "quorum   all of (clock, 2 of (w1, w2, w3))");
    assert.equal(lineOf(policyWith(keys, "group any1 any w1 w2\nquorum any1"), "quorum"), "quorum   any of (w1, w2)");
    assert.equal(lineOf(policyWith(keys, "quorum none"), "quorum"), "quorum   none");
  });

  it("warns where nothing proves freshness, and where one cosigner alone does", () => {
    assert.match(lineOf(policyWith(keys, "quorum none"), "Warning") ?? "", /exit code 2 without --no-freshness/);
    assert.match(lineOf(policyOf(keys, ["clock"]), "Note") ?? "", /freshness is the operator's word/);
    assert.ok(lineOf(policyWith(keys, "group g any clock w1\nquorum g"), "Note"));
    assert.equal(lineOf(policyOf(keys), "Note"), undefined);
    assert.equal(lineOf(policyWith(keys, "group g 2 clock w1 w2\nquorum g"), "Note"), undefined);
  });

  it("prints no characters that a terminal obeys", () => {
    const policy = policyOf(keys, ["clock"]).replaceAll(" clock", " cl\u009bock");
    assert.doesNotMatch(describePolicy(parsePolicy(policy)).join(""), /\p{Cc}/u);
  });
});

describe("the name of a policy", () => {
  it("is no path", () => {
    for (const name of ["default", "a", "My-Policy_2"]) assert.ok(isPolicyName(name), name);
    for (const name of ["", ".", "..", "a/b", "a.policy", "./a", "-a", "a b", "a\0", "é", "x".repeat(65)]) {
      assert.ok(!isPolicyName(name), name);
    }
  });
});
