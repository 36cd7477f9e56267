import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  compareGoVersions,
  foldToolchain,
  formatToolchainValue,
  type GoVersion,
  goVersionOf,
  parseGoVersion,
  parseToolchainValue,
  type ToolchainItem,
} from "../../src/vindex/toolchain-value.ts";
import { naiveMap } from "./naive-map.ts";
import { needsTestData, readRows } from "./reference.ts";
import { inBoundedTime, longTexts, refusalOf } from "./samples.ts";

const bad = { code: "BAD_VALUE" };
const go = (text: string): GoVersion => parseGoVersion(text) ?? assert.fail(text);
const minor = fc.constantFrom("0", "9", "20", "21", "22", "23", "100", "99999999999999999999");
const goText = fc.oneof(
  minor.map((m) => `go1.${m}`),
  fc.tuple(minor, fc.nat(12)).map(([m, n]) => `go1.${m}.${n}`),
  fc
    .tuple(minor, fc.constantFrom("rc", "beta"), fc.integer({ min: 1, max: 12 }))
    .map(([m, word, n]) => `go1.${m}${word}${n}`),
);
function fold(texts: readonly string[]): ToolchainItem[] {
  let items: ToolchainItem[] = [];
  for (const [logIndex, text] of texts.entries()) items = foldToolchain(items, go(text), logIndex);
  return items;
}

describe("Go versions", () => {
  it("are taken from versions of the toolchain module", () => {
    assert.equal(goVersionOf("v0.0.1-go1.23.5.linux-amd64")?.text, "go1.23.5");
    assert.equal(goVersionOf("v0.0.1-go1.21rc2.windows-arm64")?.text, "go1.21rc2");
    assert.equal(goVersionOf("v0.0.1-go1.21.0.linux-386")?.number, "0");
  });

  it("are those of the real records", needsTestData, () => {
    const rows = readRows("data", "toolchain.tsv");
    assert.equal(rows.length, 14);
    for (const [version = ""] of rows)
      assert.equal(version.split(".").slice(2, -1).join("."), goVersionOf(version)?.text.replace("go1", "1-go1"));
  });

  it("are not taken from other versions", () => {
    const wrong = [
      "v0.0.2-go1.23.5.linux-amd64",
      "v0.0.1-go1.23.5",
      "v0.0.1-go1.23.5.linux",
      "v0.0.1-go1.23.5.linux-amd-64",
      "v0.0.1-go1.23.5.Linux-amd64",
    ];
    wrong.push(
      "v0.0.1-go1.23.5.linux-",
      "v0.0.1-go1.23.5.-amd64",
      "v0.0.1-go2.0.0.linux-amd64",
      "v0.0.1-1.23.5.linux-amd64",
      "v0.0.1-go1.linux-amd64",
    );
    wrong.push(
      "v0.0.1-Go1.23.linux-amd64",
      "v0.0.1-go1.23.5.0.linux-amd64",
      "v0.0.1-go1.023.linux-amd64",
      "v0.0.1-go1.23.05.linux-amd64",
      "v0.0.1-",
      "",
    );
    wrong.push(
      "v0.0.1-go1.23rc0.linux-amd64",
      "v0.0.1-go1.23rc01.linux-amd64",
      "v0.0.1-go1.23rc.linux-amd64",
      "v0.0.1-go1.23beta0.linux-amd64",
    );
    wrong.push(
      "v0.0.1-go1.9.2rc2.linux-amd64",
      "v0.0.1-go1.23alpha1.linux-amd64",
      "v0.0.1-go1.23-pre.linux-amd64",
      "v0.0.1-go1.23.5.linux_amd64",
    );
    wrong.push(
      "v0.0.1-go1.23.5.linux-amd64+incompatible",
      "v0.0.0-20200101000000-go1",
      "v0.0.1-go1.23RC1.linux-amd64",
      "v0.0.1-go1.23.5.linux-amd64.1",
    );
    for (const version of wrong) assert.equal(goVersionOf(version), undefined, version);
  });

  it("have at most 40 bytes", () => {
    assert.ok(parseGoVersion(`go1.${"1".repeat(36)}`));
    assert.equal(parseGoVersion(`go1.${"1".repeat(37)}`), undefined);
  });

  it("ascend from beta over release candidate to release, and by number", () => {
    const ascending = [
      "go1.9.7",
      "go1.20",
      "go1.20.1",
      "go1.21beta2",
      "go1.21beta10",
      "go1.21rc1",
      "go1.21rc2",
      "go1.21",
      "go1.21.0",
      "go1.21.9",
      "go1.21.10",
      "go1.22beta1",
    ];
    for (const [i, a] of ascending.entries()) {
      for (const [j, b] of ascending.entries())
        assert.equal(Math.sign(compareGoVersions(go(a), go(b))), Math.sign(i - j), `${a} ${b}`);
    }
  });
});

describe("the fold of the toolchain", () => {
  it("keeps the highest release, the highest of a lower minor, and what is to come", () => {
    const shown = formatToolchainValue(fold(["go1.25.6", "go1.26.0", "go1.26.1", "go1.24.9", "go1.27rc1", "go1.25.9"]));
    assert.equal(shown, "v=go1.26.1 k=cur i=2; v=go1.25.9 k=prev i=5; v=go1.27rc1 k=next i=4");
    assert.equal(formatToolchainValue(fold(["go1.27rc1", "go1.27.0"])), "v=go1.27.0 k=cur i=1");
    assert.equal(formatToolchainValue(fold(["go1.27beta1"])), "v=go1.27beta1 k=next i=0");
    assert.equal(
      formatToolchainValue(fold(["go1.20.1", "go1.21rc1", "go1.20.9"])),
      "v=go1.20.9 k=cur i=2; v=go1.21rc1 k=next i=1",
    );
  });

  it("keeps the index of the first record of any platform", () => {
    assert.equal(
      formatToolchainValue(fold(["go1.21.0", "go1.21.0", "go1.20.0", "go1.21.0"])),
      "v=go1.21.0 k=cur i=0; v=go1.20.0 k=prev i=2",
    );
  });

  it("is a function of the set of versions, and its value is its own state", () => {
    const texts = fc.uniqueArray(goText, { minLength: 1, maxLength: 15, size: "max" });
    const shuffled = texts.chain((list) =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
    );
    fc.assert(
      fc.property(shuffled, ([list, order]) => {
        const plain = (items: readonly ToolchainItem[]): string[] =>
          items.map(({ version, kind }) => `${kind} ${version.text}`);
        assert.deepEqual(plain(fold(list)), plain(fold(order)));
        let items: readonly ToolchainItem[] = [];
        for (const [logIndex, text] of list.entries()) {
          items = parseToolchainValue(formatToolchainValue(foldToolchain(items, go(text), logIndex)), logIndex + 1);
        }
        assert.deepEqual(items, fold(list));
      }),
      { numRuns: 1000 },
    );
  });

  it("agrees with the definition over all records", () => {
    const records = fc.array(fc.tuple(goText, fc.constantFrom("linux-amd64", "darwin-arm64")), {
      minLength: 1,
      maxLength: 20,
      size: "max",
    });
    fc.assert(
      fc.property(records, (list) => {
        const rows = list.map(([text, platform], index) => ({
          path: "golang.org/toolchain",
          version: `v0.0.1-${text}.${platform}`,
          zip: "",
          goMod: "",
          index,
        }));
        assert.equal(formatToolchainValue(fold(list.map(([text]) => text))), naiveMap(rows).get("toolchain"));
      }),
      { numRuns: 500 },
    );
  });

  it("always fits a value", () => {
    const texts = [`go1.8${"0".repeat(32)}.10`, `go1.7${"0".repeat(32)}.10`, `go1.9${"8".repeat(32)}rc9`];
    const items = fold(texts).map((item) => ({ ...item, logIndex: 2 ** 53 - 1 }));
    assert.deepEqual(
      items.map(({ version, kind }) => [version.text.length, kind]),
      [
        [40, "cur"],
        [40, "prev"],
        [40, "next"],
      ],
    );
    assert.ok(formatToolchainValue(items).length <= 255);
  });
});

describe("committed values of the toolchain", () => {
  const good = "v=go1.26.1 k=cur i=2; v=go1.25.9 k=prev i=5; v=go1.27rc1 k=next i=4";
  const parse = (text: string, size = 6): ToolchainItem[] => parseToolchainValue(text, size);

  it("are read with one to three items", () => {
    assert.equal(formatToolchainValue(parse(good)), good);
    for (const text of [
      "v=go1.26.1 k=cur i=2",
      "v=go1.27rc1 k=next i=4",
      "v=go1.26.1 k=cur i=2; v=go1.27rc1 k=next i=4",
      "v=go1.26.1 k=cur i=2; v=go1.25.9 k=prev i=5",
    ]) {
      assert.equal(formatToolchainValue(parse(text)), text);
    }
  });

  it("refuse kinds out of order, twice, unknown or of the wrong stage", () => {
    const wrong = [
      "v=go1.25.9 k=prev i=5; v=go1.26.1 k=cur i=2",
      "v=go1.26.1 k=cur i=2; v=go1.25.1 k=cur i=2",
      "v=go1.26.1 k=Cur i=2",
      "v=go1.26.1 k= i=2",
    ];
    wrong.push(
      "v=go1.26rc1 k=cur i=2",
      "v=go1.26.1 k=next i=2",
      "v=go1.26.1 k=cur i=2; v=go1.25rc1 k=prev i=1",
      "v=go1.25.9 k=prev i=5",
      "v=go1.26.1 i=2",
    );
    wrong.push(
      "v=go1.27rc1 k=next i=4; v=go1.26.1 k=cur i=2",
      `${good}; v=go1.28rc1 k=next i=1`,
      "v=go1.26.1 k=pre i=2",
      "v=go1.25.9 k=prev i=5; v=go1.27rc1 k=next i=4",
    );
    for (const text of wrong) assert.throws(() => parse(text), bad, text);
  });

  it("refuse a prev of the same or a higher minor, and a next that is not higher", () => {
    for (const text of [
      "v=go1.26.1 k=cur i=2; v=go1.26.0 k=prev i=5",
      "v=go1.26.1 k=cur i=2; v=go1.27.0 k=prev i=5",
      "v=go1.26.1 k=cur i=2; v=go1.26rc1 k=next i=5",
      "v=go1.9.1 k=cur i=2; v=go1.10.0 k=prev i=1",
    ]) {
      assert.throws(() => parse(text), bad, text);
    }
  });

  it("refuse other fields, separators, indexes and Go versions", () => {
    const wrong = [
      "",
      " ",
      "; ",
      ` ${good}`,
      `${good} `,
      `${good};`,
      good.replace("; ", ";"),
      good.replace(" ", "  "),
      good.replace("k=cur i=2", "i=2 k=cur"),
    ];
    wrong.push(
      good.replace("i=2", "i=6"),
      good.replace("i=2", "i=02"),
      good.replace("i=2", "i=-2"),
      good.replace(" i=2", ""),
      good.replace("i=2", "i=2 x=1"),
    );
    wrong.push(
      good.replace("go1.26.1", "1.26.1"),
      good.replace("go1.26.1", "go1.26.01"),
      good.replace("go1.26.1", "go1.26.1.1"),
      good.replace("v=", "V="),
    );
    for (const text of wrong) assert.throws(() => parse(text), bad, text);
  });

  it("throw nothing but their own error on any text, and in bounded time", () => {
    const pieces = fc.constantFrom(
      "v=go1.26.1",
      " k=cur",
      " k=prev",
      " k=next",
      " i=2",
      "; ",
      "v=go1.27rc1",
      " ",
      good,
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 10 }), (list) => {
        const items = refusalOf(() => parse(list.join("")));
        if (items !== undefined) assert.equal(formatToolchainValue(items), list.join(""));
      }),
      { numRuns: 2000 },
    );
    for (const t of longTexts())
      inBoundedTime("parseToolchainValue", () => [refusalOf(() => parse(t)), goVersionOf(t), parseGoVersion(t)]);
  });
});
