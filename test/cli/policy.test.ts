import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it, mock } from "node:test";
import { describePolicy, makePolicyCommand } from "../../src/cli/policy.ts";
import { isPolicyName, readPolicy } from "../../src/cli/policy-file.ts";
import { parsePolicy } from "../../src/vindex/policy.ts";
import { makeKeys, policyOf, policyWith } from "../attack/world.ts";
import { withEnvironment } from "./in-process.ts";

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

describe("policies that are kept", () => {
  const home = mkdtempSync(join(tmpdir(), "proofdns-policies-"));
  after(() => rmSync(home, { recursive: true }));
  const folder = join(home, "proofdns", "policies");
  const file = join(home, "file.policy");
  writeFileSync(file, policyOf(keys, ["clock"]));

  let listCode: number;
  /** Runs `proofdns policy …`, and gives what it prints; rejects with its error. */
  async function policy(...args: string[]): Promise<string> {
    const lines: string[] = [];
    const log = mock.method(console, "log", (line: string) => void lines.push(line));
    const error = mock.method(console, "error", (line: string) => void lines.push(line));
    try {
      listCode = await withEnvironment({ XDG_CONFIG_HOME: home, PROOFDNS_POLICY: "" }, async () => {
        await makePolicyCommand().exitOverride().parseAsync(args, { from: "user" });
      });
      return lines.join("\n");
    } finally {
      log.mock.restore();
      error.mock.restore();
    }
  }

  it("are removed by name, whatever is in them, and nothing else is", async () => {
    await assert.rejects(policy("remove", "mine"), {
      code: "MALFORMED_INPUT",
      message: /^no policy named mine in .*proofdns\/policies; none is kept there$/,
    });
    for (const name of ["mine", "default", "broken"]) await policy("add", name, file);
    writeFileSync(join(folder, "broken.policy"), "junk");
    writeFileSync(join(folder, "notes.txt"), "kept");
    await assert.rejects(policy("remove", "Mine"), /no policy named Mine in .*; kept there: broken, default, mine$/);
    for (const name of ["", ".", "../file", "mine.policy", "mi ne", "notes.txt"]) {
      await assert.rejects(policy("remove", name), /is no name for a policy; expected letters, digits, - and _/);
    }
    assert.equal(await policy("remove", "broken"), join(folder, "broken.policy"));
    assert.equal(await policy("remove", "mine"), join(folder, "mine.policy"));
    await assert.rejects(policy("remove", "mine"), /kept there: default$/);
    assert.deepEqual(readdirSync(folder).sort(), ["default.policy", "notes.txt"]);
    assert.match(await policy("list"), /^default\t\S+\tclock$/);
    for (const name of ["aaa", "junk"]) writeFileSync(join(folder, `${name}.policy`), "junk\u001b[2J");
    const listed = (await policy("list")).split("\n");
    assert.equal(listed.length, 3);
    assert.match(
      listed[0] ?? "",
      /^proofdns: the policy named aaa cannot be used: .*; to be rid of it: proofdns policy remove aaa \[MALFORMED_POLICY\]$/,
    );
    assert.match(listed[1] ?? "", /^default\t\S+\tclock$/);
    assert.match(listed[2] ?? "", /proofdns policy remove junk/);
    assert.doesNotMatch(listed.join(""), /[^\P{Cc}\t]/u);
    assert.equal(listCode, 2);
    for (const name of ["aaa", "junk"]) await policy("remove", name);
    // A link is what is kept here; what it leads to is another's.
    symlinkSync(file, join(folder, "linked.policy"));
    await policy("remove", "linked");
    assert.equal(await policy("remove", "default"), join(folder, "default.policy"));
    assert.deepEqual([readdirSync(folder), readdirSync(home).includes("file.policy")], [["notes.txt"], true]);
    assert.match(await policy("list"), /no policies in .*; keep one with: proofdns policy add NAME FILE/);
  });
});

it("a policy that is not there, or is a key, is refused with what a policy is", async () => {
  for (const given of ["./none.policy", "l.example.org/p1+01234567+AQIDBA=="]) {
    await assert.rejects(readPolicy(given), {
      code: "MALFORMED_POLICY",
      message: /no such file.*a policy is a file of keys/,
    });
  }
});
