import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { IndexedRecord } from "../../src/vindex/map-function.ts";
import { formatModuleState } from "../../src/vindex/module-state.ts";
import {
  computeIndexKey,
  computeModuleValue,
  computeSyntheticGoModHash,
  parseModuleValue,
  selectLatest,
} from "../../src/vindex/module-value.ts";
import { formatH1 } from "../../src/vindex/record.ts";
import { compareVersions } from "../../src/vindex/version.ts";
import { isPseudo, naiveLatest, naiveValue, rowOf } from "./naive-map.ts";
import { needsTestData, readRows } from "./reference.ts";
import {
  anyText,
  inBoundedTime,
  longTexts,
  makeIndexed,
  PATHS,
  recordLog,
  refusalOf,
  sha256,
  stateOf,
  text43,
  toHex,
} from "./samples.ts";

const bad = { code: "BAD_VALUE" };
const PATH = "example.com/m";
/** A version with this mark has no go.mod. */
const NONE = " (no go.mod)";

function recordsOf(versions: readonly string[], path = PATH): IndexedRecord[] {
  return versions.map(
    (text, i) => makeIndexed(path, text.replace(NONE, ""), i, !text.endsWith(NONE)) ?? assert.fail(text),
  );
}
/** Value of some versions, without its hashes. */
function shownValue(versions: readonly string[], path = PATH): string {
  const state = stateOf(recordsOf(versions, path)) ?? assert.fail("no records");
  return computeModuleValue(path, state, formatModuleState(state), sha256).replace(
    / h=\S{43} m=\S{43} s=[^ ;]{43}/,
    "",
  );
}

describe("the synthetic go.mod", () => {
  it("has the known hash of google/uuid and of the toolchain", () => {
    assert.equal(
      formatH1(computeSyntheticGoModHash("github.com/google/uuid")),
      "h1:TIyPZe4MgqvfeYDBFedMoGGpEw/LqOeaOT+nhxU+yHo=",
    );
    assert.equal(
      formatH1(computeSyntheticGoModHash("golang.org/toolchain")),
      "h1:8wlg68NqwW7eMnI1aABk/C2pDYXj8mrMY4TyRfiLeS0=",
    );
  });

  it("has the hash that was recomputed from real trees without a go.mod", needsTestData, () => {
    const rows = readRows("data", "trees.tsv");
    const synthesized = rows.filter((row) => row[7] === "go.mod synthesized");
    assert.deepEqual([rows.length, synthesized.length], [334, 24]);
    for (const [path = "", version, , , , h1mod] of synthesized) {
      assert.equal(formatH1(computeSyntheticGoModHash(path)), h1mod, `${path} ${version}`);
    }
  });
});

describe("the latest version", () => {
  const cases: Record<string, [string[], string]> = {
    "is the highest release, not the last record": [["v1.1.0", "v1.10.0", "v1.9.0"], "v1.10.0"],
    "is a release before a higher pre-release": [["v1.0.0", "v1.1.0-rc.1"], "v1.0.0"],
    "is the highest pre-release if there is no release": [["v1.0.0-rc.2", "v1.0.0-rc.10", "v0.9.0-z"], "v1.0.0-rc.10"],
    "is a pre-release before any pseudo-version": [["v0.0.0-20990101000000-aaaaaaaaaaaa", "v0.0.1-a"], "v0.0.1-a"],
    "is the newest pseudo-version if there is nothing else": [
      ["v1.0.1-0.20190101000000-aaaaaaaaaaaa", "v0.0.0-20200101000000-aaaaaaaaaaaa"],
      "v0.0.0-20200101000000-aaaaaaaaaaaa",
    ],
    "is no +incompatible release after a compatible version with a go.mod": [
      ["v1.0.0", "v2.0.0+incompatible"],
      "v1.0.0",
    ],
    "is an +incompatible release after a compatible version without a go.mod": [
      [`v1.0.0${NONE}`, "v2.0.0+incompatible"],
      "v2.0.0+incompatible",
    ],
    "looks at the highest compatible version only": [
      ["v0.9.0", `v1.0.0${NONE}`, "v2.0.0+incompatible"],
      "v2.0.0+incompatible",
    ],
    "looks at pre-releases, too, for the go.mod": [[`v1.0.0${NONE}`, "v1.1.0-rc.1", "v2.0.0+incompatible"], "v1.0.0"],
    "is a compatible pre-release with a go.mod before an +incompatible release": [
      ["v1.0.0-rc.1", "v2.0.0+incompatible"],
      "v1.0.0-rc.1",
    ],
    "is an +incompatible release before a compatible pre-release without a go.mod": [
      [`v1.0.0-rc.1${NONE}`, "v2.0.0+incompatible"],
      "v2.0.0+incompatible",
    ],
    "does not ask a pseudo-version for its go.mod": [
      ["v0.0.0-20200101000000-aaaaaaaaaaaa", "v2.0.0+incompatible"],
      "v2.0.0+incompatible",
    ],
    "is +incompatible if there is nothing else": [
      ["v3.0.0+incompatible", "v10.0.0+incompatible", "v2.0.0+incompatible"],
      "v10.0.0+incompatible",
    ],
  };

  it("is selected as the go command does it", () => {
    for (const [name, [versions, expected]] of Object.entries(cases)) {
      for (const order of [versions, [...versions].reverse()]) {
        const records = recordsOf(order);
        const state = stateOf(records) ?? assert.fail(name);
        assert.equal(selectLatest(PATH, state, sha256).latest.version.text, expected, name);
        assert.equal(naiveLatest(records.map(rowOf)).version, expected, name);
      }
    }
  });

  it("agrees with the walk of the go command, for any records", () => {
    const one = fc
      .constantFrom(...PATHS.slice(0, 12))
      .chain((path) => fc.tuple(fc.constant(path), recordLog([path], 40)));
    fc.assert(
      fc.property(one, ([path, records]) => {
        const state = stateOf(records);
        if (state === undefined) return;
        assert.equal(selectLatest(path, state, sha256).latest.version.text, naiveLatest(records.map(rowOf)).version);
        assert.equal(computeModuleValue(path, state, formatModuleState(state), sha256), naiveValue(records.map(rowOf)));
      }),
      { numRuns: 400 },
    );
  });
});

describe("values of modules", () => {
  it("show the worked example", () => {
    const pseudo = "v1.1.1-0.20200101000000-0123456789ab";
    const versions = ["v1.0.0", "v1.1.0", "v1.0.1", "v1.2.0-rc.1", "v2.0.0+incompatible", "v0.9.0", pseudo];
    assert.equal(shownValue(versions), "v=v1.1.0 i=1; v=v0.9.0 i=5; v=v1.2.0-rc.1 k=pre i=3");
  });

  it("show the highest release of every other major, highest first", () => {
    const versions = [
      `v0.1.0${NONE}`,
      `v1.0.0${NONE}`,
      "v3.0.0+incompatible",
      "v2.0.0+incompatible",
      "v2.1.0+incompatible",
    ];
    assert.equal(
      shownValue(versions),
      "v=v3.0.0+incompatible i=2; v=v2.1.0+incompatible i=4; v=v1.0.0 i=1; v=v0.1.0 i=0",
    );
  });

  it("do not show a pre-release that is lower than the latest, nor one beside a pre-release", () => {
    assert.equal(shownValue(["v1.0.0-rc.1", "v1.0.0", "v0.9.0-rc.1"]), "v=v1.0.0 i=1");
    assert.equal(shownValue(["v1.0.0-rc.1", "v0.9.0-rc.1"]), "v=v1.0.0-rc.1 k=pre i=0");
    assert.equal(shownValue(["v0.1.0-rc.1", "v1.0.0-rc.1"]), "v=v1.0.0-rc.1 k=pre i=1");
  });

  it("say that a pseudo-version is one", () => {
    assert.equal(
      shownValue(["v0.0.0-20200101000000-aaaaaaaaaaaa"]),
      "v=v0.0.0-20200101000000-aaaaaaaaaaaa k=pseudo i=0",
    );
  });

  it("do not show what is not considered", () => {
    assert.equal(shownValue(["v1.0.0", "v2.0.0+incompatible", "v3.0.0-rc.1+incompatible"]), "v=v1.0.0 i=0");
  });

  it("commit to the hashes of the latest and of the state text", () => {
    const records = recordsOf(["v1.0.0", "v1.1.0"]);
    const state = stateOf(records) ?? assert.fail();
    const text = formatModuleState(state);
    const value = parseModuleValue(computeModuleValue(PATH, state, text), PATH, 2);
    assert.deepEqual(value.zipHash, records[1]?.record.zipHash);
    assert.deepEqual(value.goModHash, records[1]?.record.goModHash);
    assert.equal(toHex(value.stateHash), createHash("sha256").update(text).digest("hex"));
  });

  it("have at most 255 bytes, and fit with the longest version", () => {
    const longest = `v1.0.0-${"a".repeat(83)}`;
    const state = stateOf(recordsOf([longest])) ?? assert.fail();
    assert.ok(computeModuleValue(PATH, state, formatModuleState(state)).length <= 255);
    const pseudo = `v1.2.3-${"a".repeat(52)}.0.20200101000000-${"b".repeat(13)}`;
    assert.equal(pseudo.length, 90);
    const far = makeIndexed(PATH, pseudo, 10 ** 13 - 1) as IndexedRecord;
    const text = computeModuleValue(PATH, stateOf([far]) ?? assert.fail(), "state", sha256);
    assert.equal(text.length, 255);
    assert.equal(parseModuleValue(text, PATH, 10 ** 13).kind, "pseudo");
  });

  it("are cut before the first item that does not fit", () => {
    const versions = Array.from({ length: 14 }, (_, i) => `v${i + 2}.0.0+incompatible`);
    const whole = shownValue(versions);
    // Three hashes, 138 bytes with their keys, are not shown here: 252 bytes, and the next item has 29.
    const expected = [15, 14, 13, 12].map((major) => `v=v${major}.0.0+incompatible i=${major - 2}`).join("; ");
    assert.equal(whole, expected);
    assert.equal(whole.length + 138, 252);
  });

  it("parse to what they say, for any records", () => {
    const one = fc
      .constantFrom(...PATHS.slice(0, 12))
      .chain((path) => fc.tuple(fc.constant(path), recordLog([path], 40)));
    fc.assert(
      fc.property(one, ([path, records]) => {
        const state = stateOf(records);
        if (state === undefined) return;
        const size = (records.at(-1)?.logIndex as number) + 1;
        const text = computeModuleValue(path, state, formatModuleState(state), sha256);
        const value = parseModuleValue(text, path, size);
        const { latest } = selectLatest(path, state, sha256);
        assert.deepEqual([value.latest.version.text, value.latest.logIndex], [latest.version.text, latest.logIndex]);
        assert.equal(value.kind, isPseudo(latest.version.text) ? "pseudo" : latest.version.kind);
        assert.equal(value.others.length, text.split("; ").length - 1);
        for (const other of value.others)
          assert.ok(other.version.kind === "pre" || compareVersions(other.version, latest.version) < 0);
        assert.throws(() => parseModuleValue(text, path, latest.logIndex), bad);
      }),
      { numRuns: 500 },
    );
  });
});

describe("committed values of modules", () => {
  const hashes = `h=${text43(1)} m=${text43(2)} s=${text43(3)}`;
  const first = (version: string, kind = "", index = "5"): string =>
    `v=${version}${kind === "" ? "" : ` k=${kind}`} i=${index} ${hashes}`;
  const good = `${first("v1.2.3")}; v=v0.9.0 i=4; v=v1.3.0-rc.1 k=pre i=6`;
  const parse = (text: string, path = PATH, size = 10): unknown => parseModuleValue(text, path, size);

  it("are read", () => {
    const value = parseModuleValue(good, PATH, 10);
    assert.deepEqual(
      value.others.map(({ version, logIndex }) => [version.text, logIndex]),
      [
        ["v0.9.0", 4],
        ["v1.3.0-rc.1", 6],
      ],
    );
    assert.equal(value.kind, "release");
    assert.ok(parse(first("v1.0.0-a", "pre")));
    assert.ok(parse(first("v0.0.0-20200101000000-a", "pseudo")));
    assert.ok(
      parse(
        first("v9.0.0+incompatible").concat(
          "; v=v3.0.0+incompatible i=0; v=v1.0.0 i=0; v=v9.0.1-a+incompatible k=pre i=0",
        ),
      ),
    );
  });

  it("refuse missing, repeated, swapped and unknown fields", () => {
    const fields = first("v1.2.3").split(" ");
    for (let i = 0; i < fields.length; i++) {
      assert.throws(() => parse(fields.filter((_, k) => k !== i).join(" ")), bad);
      assert.throws(() => parse(fields.flatMap((f, k) => (k === i ? [f, f] : [f])).join(" ")), bad);
      if (i > 0) assert.throws(() => parse(fields.map((f, k) => (k === i ? fields[0] : f)).join(" ")), bad);
    }
    for (const text of [
      `${fields.join(" ")} x=1`,
      `x=1 ${fields.join(" ")}`,
      fields.join("  "),
      ` ${good}`,
      `${good} `,
      "",
      " ",
      ";",
      "; ",
    ]) {
      assert.throws(() => parse(text), bad, text);
    }
  });

  it("refuse other separators between items", () => {
    for (const between of [";", " ;", ",", ";  ", "\n", " ; ", "; ; ", ";\u00a0"])
      assert.throws(() => parse(good.replace("; ", between)), bad);
    for (const text of [`${good};`, `${good}; `, `; ${good}`, `${good}\n`]) assert.throws(() => parse(text), bad);
  });

  it("refuse kinds that are not those of the version", () => {
    const wrong = [
      ["v1.2.3", "release"],
      ["v1.2.3", "pre"],
      ["v1.2.3", "pseudo"],
      ["v1.2.3-a", ""],
      ["v1.2.3-a", "pseudo"],
      ["v1.2.3-a", "Pre"],
    ];
    wrong.push(["v0.0.0-20200101000000-a", ""], ["v0.0.0-20200101000000-a", "pre"], ["v1.2.3-a", "pre k=pre"]);
    for (const [version = "", kind = ""] of wrong)
      assert.throws(() => parse(first(version, kind)), bad, `${version} ${kind}`);
    assert.throws(() => parse(first("v1.2.3").replace("v=v1.2.3", "v=v1.2.3 k=")), bad);
  });

  it("refuse versions that do not fit the path", () => {
    for (const version of ["v2.0.0", "v1.0.0+incompatible", "v1.0", "1.0.0", "v1.0.0+x", `v1.0.0-${"a".repeat(84)}`]) {
      assert.throws(() => parse(first(version)), bad, version);
    }
    assert.throws(() => parse(good, "example.com/m/v2"), bad);
    assert.throws(() => parse(`${first("v1.2.3")}; v=v2.0.0 i=4`), bad);
    assert.throws(() => parse(`${first("v2.2.3")}; v=v1.0.0 i=4`, "example.com/m/v2"), bad);
  });

  it("refuse indexes at and beyond the size, and in other forms", () => {
    assert.ok(parse(first("v1.2.3", "", "9")));
    for (const index of ["10", "11", "05", "-5", "+5", "5.0", "", " 5", "9007199254740993"]) {
      assert.throws(() => parse(first("v1.2.3", "", index)), bad, index);
      assert.throws(() => parse(good.replace("i=4", `i=${index}`)), bad, index);
      assert.throws(() => parse(good.replace("i=6", `i=${index}`)), bad, index);
    }
    assert.throws(() => parse(first("v1.2.3"), PATH, 0), bad);
  });

  it("refuse majors out of order, twice, or the latest's again", () => {
    const wide = first("v5.0.0+incompatible");
    assert.ok(parse(`${wide}; v=v4.0.0+incompatible i=0; v=v1.0.0 i=0; v=v0.1.0 i=0`));
    const wrong = [
      "v=v1.0.0 i=0; v=v4.0.0+incompatible i=0",
      "v=v1.0.0 i=0; v=v1.1.0 i=0",
      "v=v5.0.0+incompatible i=0",
      "v=v4.0.0+incompatible i=0; v=v4.1.0+incompatible i=0",
    ];
    for (const rest of wrong) assert.throws(() => parse(`${wide}; ${rest}`), bad, rest);
    assert.throws(() => parse(`${first("v1.2.3")}; v=v1.1.0 i=4`), bad);
  });

  it("refuse pre-releases that are not higher, not last or not alone", () => {
    const wrong = [
      "v=v1.2.3-rc.1 k=pre i=4",
      "v=v1.2.0-rc.1 k=pre i=4",
      "v=v0.9.0-a k=pre i=4",
      "v=v1.3.0-a k=pre i=4; v=v0.1.0 i=3",
    ];
    wrong.push(
      "v=v1.3.0-a k=pre i=4; v=v1.3.0-b k=pre i=4",
      "v=v1.3.0-0.20200101000000-a k=pseudo i=4",
      "v=v1.3.0-a i=4",
    );
    for (const rest of wrong) assert.throws(() => parse(`${first("v1.2.3")}; ${rest}`), bad, rest);
  });

  it("refuse items after a latest that is no release", () => {
    for (const latest of [first("v1.0.0-a", "pre"), first("v0.0.0-20200101000000-a", "pseudo")]) {
      assert.throws(() => parse(`${latest}; v=v0.1.0 i=0`), bad);
      assert.throws(() => parse(`${latest}; v=v1.0.0-b k=pre i=0`), bad);
    }
  });

  it("refuse hashes in other forms, and on later items", () => {
    for (const h of ["", "A", `${text43(1)}=`, text43(1).slice(1), `${text43(1)}A`, text43(1).replace(/.$/, "B")]) {
      assert.throws(() => parse(good.replace(text43(1), h)), bad, h);
    }
    assert.throws(() => parse(`${first("v1.2.3")}; v=v0.9.0 i=4 h=${text43(1)}`), bad);
    assert.throws(() => parse(`${first("v1.2.3")}; ${first("v0.9.0")}`), bad);
  });

  it("throw nothing but their own error on any text, and in bounded time", () => {
    const pieces = fc.constantFrom(
      first("v1.2.3"),
      "; ",
      "v=v0.9.0 i=4",
      " ",
      "v=",
      "k=pre",
      "i=1",
      hashes,
      "=",
      "__proto__=1",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), (list) => void refusalOf(() => parse(list.join("")))),
      { numRuns: 1000 },
    );
    fc.assert(fc.property(anyText, (t) => void refusalOf(() => parse(t))));
    for (const t of longTexts()) {
      inBoundedTime("parseModuleValue", () => refusalOf(() => parse(t)));
      inBoundedTime("parseModuleValue", () => refusalOf(() => parse(`${good}; ${t}`)));
    }
  });
});

describe("index keys", () => {
  it("are the hashes of subjects", () => {
    for (const subject of ["github.com/google/uuid", "gopkg.in/yaml.v*", "toolchain", ""]) {
      const expected = createHash("sha256").update(subject).digest("hex");
      assert.equal(toHex(computeIndexKey(subject)), expected);
      assert.equal(toHex(computeIndexKey(subject, sha256)), expected);
    }
  });
});
