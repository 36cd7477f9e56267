import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { formatVerifierKey, makeSignerKey, makeVerifierKey, type VerifierKey } from "../../src/vindex/note.ts";
import {
  firstQuorumTime,
  formatPolicy,
  freshestQuorumTime,
  isQuorum,
  type Policy,
  parsePolicy,
  type QuorumRule,
} from "../../src/vindex/policy.ts";
import { ed25519, inBoundedTime, longTexts, refusalOf, seedOf } from "./samples.ts";

const malformed = { code: "MALFORMED_POLICY" };
const keyOf = (n: number, type: number, name = `k${n}.example.org`) =>
  makeSignerKey(name, type, seedOf(n), ed25519).verifierKey;
const [log, log2] = [keyOf(1, 1), keyOf(2, 1)];
const witnesses = [keyOf(11, 4), keyOf(12, 4), keyOf(13, 4), keyOf(14, 4)];
const [a, b, c, d] = witnesses as [
  (typeof witnesses)[0],
  (typeof witnesses)[0],
  (typeof witnesses)[0],
  (typeof witnesses)[0],
];
const logLine = `log ${formatVerifierKey(log)}`;
const witnessLines = witnesses.map((key, i) => `witness ${"abcd"[i]} ${formatVerifierKey(key)}`);
const [lineA = "", lineB = ""] = witnessLines;
const policyOf = (...lines: string[]): Policy => parsePolicy(`${lines.join("\n")}\n`);
const all = [logLine, ...witnessLines];
const ruleOf = (...lines: string[]): QuorumRule => policyOf(...all, ...lines).quorum as QuorumRule;
const ids = (...keys: { keyId: number }[]): Set<number> => new Set(keys.map((key) => key.keyId));

/** Witness `n`, whose key is no point of the curve perhaps; a policy does not look. */
function witnessOf(n: number): VerifierKey {
  const publicKey = new Uint8Array(32);
  new DataView(publicKey.buffer).setUint32(0, n);
  return makeVerifierKey("w", 4, publicKey);
}
/** Two whose key ids agree. */
const COLLISION = [21_090, 89_896] as const;

/** Every name of a policy with its satisfied sets, by trying all sets. */
function satisfied(rule: QuorumRule): string {
  const out: string[] = [];
  for (let mask = 0; mask < 16; mask++) {
    const set = witnesses.filter((_, i) => (mask >> i) & 1);
    if (isQuorum(rule, ids(...set))) out.push([..."abcd"].filter((_, i) => (mask >> i) & 1).join(""));
  }
  return out
    .sort((x, y) => x.length - y.length || (x < y ? -1 : 1))
    .slice(0, 6)
    .join(" ");
}

describe("policies", () => {
  it("reads logs, witnesses, groups and the quorum", () => {
    const policy = policyOf(
      "# a comment",
      "",
      ` \t${logLine}\thttps://log.example.org `,
      `log ${formatVerifierKey(log2)}`,
      `${lineA} https://a.example.org`,
      lineB,
      "  # another",
      "group g any a b",
      "quorum g",
    );
    assert.deepEqual(
      policy.logs.map(({ url }) => url),
      ["https://log.example.org", undefined],
    );
    assert.deepEqual(policy.logs[0]?.verifierKey, log);
    assert.deepEqual(
      policy.witnesses.map(({ name, url }) => [name, url]),
      [
        ["a", "https://a.example.org"],
        ["b", undefined],
      ],
    );
    assert.equal(policy.quorum?.kind, "group");
  });

  it("reads bytes and text alike, and no last line feed", () => {
    const text = [...all, "group é all a b", "quorum é"].join("\n");
    assert.deepEqual(parsePolicy(text), parsePolicy(new Uint8Array(Buffer.from(text))));
    assert.deepEqual(parsePolicy(text), parsePolicy(`${text}\n\n`));
  });

  it("takes 32 logs and 32 witnesses, and many more", () => {
    const lines: string[] = [];
    for (let i = 0; i < 100; i++) {
      lines.push(
        `log ${formatVerifierKey(keyOf(i, 1, `log${i}`))}`,
        `witness w${i} ${formatVerifierKey(keyOf(100 + i, 4))}`,
      );
    }
    const policy = policyOf(
      ...lines,
      `group g all ${lines
        .map((_, i) => `w${i}`)
        .slice(0, 100)
        .join(" ")}`,
      "quorum g",
    );
    assert.equal(policy.witnesses.length, 100);
  });

  it("parses what it formats", () => {
    const named = witnesses.map((verifierKey, i) => ({ name: `w${i}`, verifierKey }));
    for (let n = 0; n <= 4; n++) {
      const policy = parsePolicy(formatPolicy(log, named.slice(0, n)));
      assert.deepEqual(policy.logs, [{ verifierKey: log, url: undefined }]);
      assert.equal(policy.witnesses.length, n);
      if (policy.quorum === undefined) assert.equal(n, 0);
      else {
        assert.equal(isQuorum(policy.quorum, ids(...witnesses.slice(0, n))), true);
        assert.equal(isQuorum(policy.quorum, ids(...witnesses.slice(1, n))), false);
      }
    }
  });

  it("counts what satisfies a witness, a threshold, any, all and nested groups", () => {
    assert.equal(satisfied(ruleOf("quorum a")), "a ab ac ad abc abd");
    assert.equal(satisfied(ruleOf("group g any a b", "quorum g")), "a b ab ac ad bc");
    assert.equal(satisfied(ruleOf("group g all a b", "quorum g")), "ab abc abd abcd");
    assert.equal(satisfied(ruleOf("group g 3 a b c d", "quorum g")), "abc abd acd bcd abcd");
    assert.equal(satisfied(ruleOf("group g any a b", "group h all g c", "quorum h")), "ac bc abc acd bcd abcd");
    assert.equal(
      satisfied(ruleOf("group g all a b", "group h all c d", "group i 1 g h", "quorum i")),
      "ab cd abc abd acd bcd",
    );
  });

  it("does not count witnesses outside the quorum", () => {
    const rule = ruleOf("group g all a b", "quorum g");
    assert.equal(isQuorum(rule, ids(c, d)), false);
    assert.equal(isQuorum(rule, new Set([1, 2, 3])), false);
  });

  it("has no quorum rule for `quorum none`", () => {
    assert.equal(policyOf(logLine, "quorum none").quorum, undefined);
  });

  it("refuses none or two quorum lines, and names that are not defined above", () => {
    const wrong = [
      [],
      all,
      [...all, "quorum a", "quorum a"],
      [...all, "quorum none", "quorum none"],
      [...all, "quorum x"],
    ];
    for (const lines of [
      ...wrong,
      ["quorum a", ...all],
      [...all, "quorum"],
      [...all, "quorum a b"],
      [...all, "quorum A"],
    ]) {
      assert.throws(() => policyOf(...lines), malformed, lines.join("|"));
    }
  });

  it("refuses groups with wrong thresholds, members or names", () => {
    const groups = [
      "group",
      "group g",
      "group g any",
      "group g 0 a",
      "group g 2 a",
      "group g 01 a",
      "group g +1 a",
      "group g -1 a",
    ];
    groups.push(
      "group g 1.0 a",
      "group g any x",
      "group g any a a",
      "group g any g",
      "group a any b",
      "group none any a",
    );
    groups.push("group g ALL a", "group g all none", "group g 99999999999999999999 a", "group g 1e0 a", "group g  a");
    for (const group of groups) {
      assert.throws(() => policyOf(...all, group, "quorum g"), malformed, group);
    }
    assert.throws(() => policyOf(...all, "group g any a", "group g any b", "quorum g"), malformed);
    assert.throws(() => policyOf(...all, "group g any h", "group h any a", "quorum g"), malformed);
  });

  it("refuses a member of two groups", () => {
    assert.throws(() => policyOf(...all, "group g any a b", "group h any a c", "quorum h"), malformed);
    assert.throws(() => policyOf(...all, "group g any a b", "group h any g a", "quorum h"), malformed);
  });

  it("refuses keys twice, key ids twice and names twice", () => {
    const sameKey = formatVerifierKey(keyOf(1, 1, "renamed.example.org"));
    for (const extra of [logLine, `log ${sameKey}`, `log ${formatVerifierKey(keyOf(9, 1, log.keyName))}`]) {
      assert.throws(() => policyOf(logLine, extra, "quorum none"), malformed, extra);
    }
    const again = `witness x ${formatVerifierKey(a)}`;
    const renamed = `witness x ${formatVerifierKey(keyOf(11, 4, "renamed.example.org"))}`;
    const sameName = `witness a ${formatVerifierKey(b)}`;
    for (const extra of [again, renamed, sameName, `witness none ${formatVerifierKey(b)}`]) {
      assert.throws(() => policyOf(logLine, lineA, extra, "quorum none"), malformed, extra);
    }
  });

  it("refuses two witnesses with one key id", () => {
    // Key ids have 32 bits: this pair was found among the first 2^17 keys.
    const first = witnessOf(COLLISION[0]);
    const second = witnessOf(COLLISION[1]);
    assert.equal(first.keyId, second.keyId);
    assert.throws(
      () => policyOf(`witness x ${formatVerifierKey(first)}`, `witness y ${formatVerifierKey(second)}`, "quorum none"),
      malformed,
    );
  });

  it("refuses a log's key for a witness and the reverse", () => {
    assert.throws(() => policyOf(`log ${formatVerifierKey(a)}`, "quorum none"), malformed);
    assert.throws(() => policyOf(`witness w ${formatVerifierKey(log)}`, "quorum none"), malformed);
  });

  it("refuses lines with missing or extra items, and other keywords", () => {
    const lines = [
      "log",
      "witness",
      "witness a",
      `${logLine} u v`,
      `${lineA} u v`,
      "witness a b",
      "log x",
      "Log x",
      "logs x",
      "x",
    ];
    for (const line of [
      ...lines,
      `log ${formatVerifierKey(log)}x`,
      `${logLine}=`,
      "policy v1",
      `"log"`,
      "quorum: none",
    ]) {
      assert.throws(() => policyOf(line, "quorum none"), malformed, line);
    }
  });

  it("refuses control characters, also at line ends", () => {
    for (const char of ["\r", "\u0000", "\u000b", "\u000c", "\u001f", "\u007f"]) {
      assert.throws(() => parsePolicy(`${logLine}${char}\nquorum none\n`), malformed);
      assert.throws(() => parsePolicy(`#${char}\n${logLine}\nquorum none\n`), malformed);
    }
  });

  it("separates items by spaces and tabs only", () => {
    assert.throws(() => parsePolicy(logLine.replace(" ", "\u00a0").concat("\nquorum none\n")), malformed);
    assert.throws(() => parsePolicy(logLine.replace(" ", "\u2003").concat("\nquorum none\n")), malformed);
    const policy = policyOf(...all, "group a\u00a0b any a", "quorum a\u00a0b");
    assert.equal(policy.quorum?.kind, "group");
  });

  it("takes names as bytes, also such that are not UTF-8", () => {
    const bytes = Buffer.concat([
      Buffer.from(`${all.join("\n")}\ngroup `),
      Buffer.of(0xff),
      Buffer.from(" any a\nquorum "),
      Buffer.of(0xff),
    ]);
    assert.equal(parsePolicy(new Uint8Array(bytes)).quorum?.kind, "group");
    const replaced = Buffer.from(bytes.toString("utf8"));
    assert.equal(parsePolicy(new Uint8Array(replaced)).quorum?.kind, "group");
    const mixed = Buffer.concat([bytes.subarray(0, -1), Buffer.of(0xfe)]);
    assert.throws(() => parsePolicy(new Uint8Array(mixed)), malformed);
  });

  it("refuses a key that is not UTF-8", () => {
    const line = Buffer.from(`witness w X${formatVerifierKey(a)}\nquorum none\n`);
    line[10] = 0xff;
    assert.throws(() => parsePolicy(new Uint8Array(line)), malformed);
  });

  it("names the line of what it refuses", () => {
    assert.throws(
      () => policyOf("# one", logLine, "bogus", "quorum none"),
      (error) => isProofdnsError(error) && /line 3\b/.test(error.message),
    );
  });

  it("refuses more than 10,000 lines and more than 1,000 groups", () => {
    assert.throws(() => parsePolicy(`${"\n".repeat(10_000)}quorum none`), malformed);
    const nested = Array.from({ length: 1001 }, (_, i) => `group g${i} any ${i === 0 ? "a" : `g${i - 1}`}`);
    assert.throws(() => policyOf(...all, ...nested, "quorum g1000"), malformed);
    assert.ok(isQuorum(ruleOf(...nested.slice(0, 1000), "quorum g999"), ids(a)));
  });

  it("throws nothing but its own error, whatever the lines are", () => {
    const items = fc.constantFrom(
      "log",
      "witness",
      "group",
      "quorum",
      "#",
      "a",
      "b",
      "g",
      "none",
      "any",
      "all",
      "1",
      "0",
      "2",
      "__proto__",
      "constructor",
    );
    const keys = fc.constantFrom(
      formatVerifierKey(log),
      formatVerifierKey(a),
      formatVerifierKey(b),
      "é",
      "\u00ff",
      "x+y+z",
    );
    const line = fc.array(fc.oneof(items, keys), { maxLength: 6 }).map((list) => list.join(" "));
    const text = fc
      .array(fc.oneof(line, fc.constantFrom(logLine, lineA, lineB, "quorum a")), { maxLength: 8 })
      .map((l) => l.join("\n"));
    fc.assert(
      fc.property(text, (t) => void refusalOf(() => parsePolicy(t))),
      { numRuns: 3000 },
    );
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void refusalOf(() => parsePolicy(bytes))));
  });

  it("reads long texts in bounded time", () => {
    for (const text of longTexts()) {
      inBoundedTime("parsePolicy", () => refusalOf(() => parsePolicy(text)));
      inBoundedTime("parsePolicy", () =>
        refusalOf(() => parsePolicy(`${all.join("\n")}\ngroup g any ${text}\nquorum g`)),
      );
    }
  });
});

describe("quorum times", () => {
  const rule = ruleOf("group g 2 a b c", "quorum g");
  const at = (...times: [{ keyId: number }, number][]) => times.map(([key, time]) => ({ keyId: key.keyId, time }));

  it("finds the oldest time in the freshest quorum", () => {
    assert.equal(freshestQuorumTime(rule, at([a, 10], [b, 20], [c, 30])), 20);
    assert.equal(freshestQuorumTime(rule, at([a, 10], [d, 99], [c, 30])), 10);
    assert.equal(freshestQuorumTime(rule, at([a, 10], [d, 99])), undefined);
    assert.equal(freshestQuorumTime(rule, []), undefined);
  });

  it("finds the first time of a quorum", () => {
    assert.equal(firstQuorumTime(rule, at([c, 30], [a, 10], [b, 20])), 20);
    assert.equal(firstQuorumTime(rule, at([a, 10], [d, 5])), undefined);
  });

  it("does not count one cosigner twice", () => {
    assert.equal(freshestQuorumTime(rule, at([a, 10], [a, 20], [a, 30])), undefined);
    assert.equal(firstQuorumTime(rule, at([a, 10], [a, 20])), undefined);
  });

  it("agrees with the definition, for any cosignatures and rules", () => {
    const rules = fc.constantFrom(
      rule,
      ruleOf("quorum d"),
      ruleOf("group g all a b", "group h any c d", "group i all g h", "quorum i"),
    );
    const list = fc.array(fc.tuple(fc.constantFrom(a, b, c, d), fc.nat(9)), { maxLength: 6 });
    fc.assert(
      fc.property(rules, list, (r, pairs) => {
        const cosignatures = at(...pairs);
        const times = cosignatures.map(({ time }) => time);
        const is = (keep: (time: number) => boolean): boolean =>
          isQuorum(r, ids(...cosignatures.filter(({ time }) => keep(time))));
        const freshest = times.filter((t) => is((time) => time >= t));
        const first = times.filter((t) => is((time) => time <= t));
        assert.equal(freshestQuorumTime(r, cosignatures), freshest.length === 0 ? undefined : Math.max(...freshest));
        assert.equal(firstQuorumTime(r, cosignatures), first.length === 0 ? undefined : Math.min(...first));
      }),
      { numRuns: 1000 },
    );
  });
});
