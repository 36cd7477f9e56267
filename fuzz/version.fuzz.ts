import assert from "node:assert/strict";
import { compareVersions, parseVersion, type Version } from "../src/vindex/version.ts";
import { textOf } from "./input.ts";
import { naiveCompare, naiveVersion } from "./oracle/semver.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/** Go versions, and their order: spaces separate those that are compared. Against spec/map.md §2 written naively. */
export const target: Target = { maxLength: 400, plants: ["leading-zero", "short-revision"] };

/** Bug: only the first identifier of a pre-release is checked for a leading zero. */
const parse = plant("leading-zero", parseVersion, (text) => {
  const dot = text.indexOf(".", text.indexOf("-"));
  const rest = text.slice(dot + 1);
  const isHidden = text.includes("-") && dot > 0 && /^0[0-9]+$/.test(rest);
  return parseVersion(isHidden ? `${text.slice(0, dot + 1)}${rest.slice(1)}` : text);
});

/** Bug: a revision of eleven characters makes no pseudo-version. */
const kindOf = plant(
  "short-revision",
  (version: Version) => version.kind,
  ({ text, kind }) => (kind === "pseudo" && /-[0-9A-Za-z]{11}(?:\+incompatible)?$/.test(text) ? "pre" : kind),
);

export function fuzz(data: Uint8Array): void {
  const texts = textOf(data).split(" ");
  const versions = withinTime("parsing versions", () => texts.map((text) => parse(text)));
  for (const [i, text] of texts.entries()) {
    const version = versions[i];
    const naive = naiveVersion(text);
    assert.equal(version === undefined, naive === undefined, text);
    if (version === undefined || naive === undefined) continue;
    assert.equal(version.text, text);
    assert.deepEqual([version.major, version.minor, version.patch].map(BigInt), naive.numbers);
    assert.equal(version.prerelease, naive.pre.join("."));
    assert.equal(version.isIncompatible, naive.isIncompatible);
    assert.equal(kindOf(version), naive.kind);
    assert.equal(version.timestamp, naive.timestamp);
  }
  const parsed = versions.flatMap((version) => version ?? []).slice(0, 6);
  for (const a of parsed) {
    for (const b of parsed) {
      const order = Math.sign(compareVersions(a, b));
      assert.equal(order, naiveCompare(a.text, b.text), `${a.text} ${b.text}`);
      // Not by subtraction: 0 is not −0.
      assert.ok(order === 0 ? compareVersions(b, a) === 0 : Math.sign(compareVersions(b, a)) === -order);
    }
  }
}
