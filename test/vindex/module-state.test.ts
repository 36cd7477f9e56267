// A state without any version is accepted by src/vindex/module-state.ts: "refuses a state without versions" fails until
// it is not; selectLatest and computeModuleValue throw a TypeError on it.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { IndexedRecord } from "../../src/vindex/map-function.ts";
import { foldRecord, formatModuleState, type ModuleState, parseModuleState } from "../../src/vindex/module-state.ts";
import { computeModuleValue, selectLatest } from "../../src/vindex/module-value.ts";
import { encodeSubLogLeaf } from "../../src/vindex/record.ts";
import { computeLeafHash } from "../../src/vindex/tlog.ts";
import { naiveState, rowOf } from "./naive-map.ts";
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
} from "./samples.ts";
import { naiveRoot } from "./trees.ts";

const malformed = { code: "MALFORMED_STATE_TEXT" };
const PATH = "example.com/m";

/** The records of some versions of one module, in this order. */
function recordsOf(versions: readonly string[], path = PATH): IndexedRecord[] {
  return versions.map(
    (version, i) => makeIndexed(path, version, i) ?? assert.fail(`${path} ${version} is well-formed`),
  );
}
function build(versions: readonly string[], path = PATH): ModuleState {
  return stateOf(recordsOf(versions, path)) ?? assert.fail("no records");
}
/** Letter and version of each line that has one. */
const shape = (state: ModuleState): string[] =>
  formatModuleState(state)
    .split("\n")
    .filter((line) => /^[rqu] /.test(line))
    .map((line) => line.split(" ").slice(0, 2).join(" "));

const PSEUDO = "v1.1.1-0.20200101000000-0123456789ab";
const EXAMPLE = ["v1.0.0", "v1.1.0", "v1.0.1", "v1.2.0-rc.1", "v2.0.0+incompatible", "v0.9.0", PSEUDO];

describe("the fold of a module", () => {
  it("keeps the lines of the worked example", () => {
    const state = build(EXAMPLE);
    assert.deepEqual(shape(state), ["r v0.9.0", "r v1.1.0", "q v1.2.0-rc.1", "r v2.0.0+incompatible", `u ${PSEUDO}`]);
    assert.equal(state.subLog.treeSize, 7);
    assert.equal(
      formatModuleState(state)
        .split("\n")
        .filter((line) => line.startsWith("p ")).length,
      3,
    );
  });

  it("keeps all records in the sub-log, also those that change no line", () => {
    const records = recordsOf(["v1.1.0", "v1.0.0", "v1.1.0", PSEUDO, "v1.0.0-rc.1"]);
    const leaves = records.map(({ logIndex, recordHash }) =>
      computeLeafHash(encodeSubLogLeaf(logIndex, recordHash), sha256),
    );
    assert.deepEqual(stateOf(records)?.subLog.root(), naiveRoot(leaves));
  });

  it("does not replace a line by the same version", () => {
    const state = build(["v1.0.0", "v1.0.0", "v1.0.0-a", "v1.0.0-a", PSEUDO, PSEUDO]);
    const indexes = formatModuleState(state)
      .split("\n")
      .filter((line) => /^[rqu]/.test(line))
      .map((line) => line.split(" ")[2]);
    assert.deepEqual(indexes, ["0", "2", "4"]);
    assert.equal(state.subLog.treeSize, 6);
  });

  it("takes the newest pseudo-version by its time, then by version", () => {
    const older = "v1.9.9-0.20190101000000-aaaaaaaaaaaa";
    const newer = "v0.0.0-20200101000000-aaaaaaaaaaaa";
    const twin = "v0.0.0-20200101000000-bbbbbbbbbbbb";
    for (const order of [
      [older, newer, twin],
      [twin, newer, older],
      [newer, twin, older],
    ]) {
      assert.deepEqual(shape(build(order)), [`u ${twin}`]);
    }
  });

  it("keeps majors with and without +incompatible apart, ascending by number", () => {
    const state = build(["v10.0.0+incompatible", "v2.0.0-a+incompatible", "v1.0.0", "v0.1.0-a", "v9.0.0+incompatible"]);
    assert.deepEqual(shape(state), [
      "q v0.1.0-a",
      "r v1.0.0",
      "q v2.0.0-a+incompatible",
      "r v9.0.0+incompatible",
      "r v10.0.0+incompatible",
    ]);
  });

  it("keeps the 16 highest majors with +incompatible, in any order", () => {
    const versions = Array.from({ length: 30 }, (_, i) => `v${2 + i}.${i}.0${i % 3 === 0 ? "-a" : ""}+incompatible`);
    const expected = versions.slice(14).map((version) => `${version.includes("-") ? "q" : "r"} ${version}`);
    for (const order of [versions, [...versions].reverse(), [...versions.slice(9), ...versions.slice(0, 9)]]) {
      assert.deepEqual(shape(build(["v1.0.0", ...order])), ["r v1.0.0", ...expected]);
    }
  });

  it("keeps all majors of a gopkg.in path", () => {
    assert.deepEqual(shape(build(["v1.2.0", "v0.0.0-pre", "v0.0.0-20161208181325-20d25e280405"], "gopkg.in/x.v1")), [
      "q v0.0.0-pre",
      "r v1.2.0",
      "u v0.0.0-20161208181325-20d25e280405",
    ]);
  });

  it("gives the state of the definition, for any records", () => {
    const one = fc.constantFrom(...PATHS).chain((path) => recordLog([path], 40));
    fc.assert(
      fc.property(one, (records) => {
        const state = stateOf(records);
        if (state !== undefined) assert.equal(formatModuleState(state), naiveState(records.map(rowOf)));
      }),
      { numRuns: 300 },
    );
  });

  it("does not depend on the order of the records, but for the sub-log and repetitions", () => {
    const shuffled = recordLog([PATH], 30).chain((records) => {
      const unique = [...new Map(records.map((indexed) => [indexed.record.version.text, indexed])).values()];
      return fc.tuple(fc.constant(unique), fc.shuffledSubarray(unique, { minLength: unique.length }));
    });
    fc.assert(
      fc.property(shuffled, ([records, others]) => {
        const [a, b] = [stateOf(records), stateOf(others)];
        if (a !== undefined && b !== undefined) assert.deepEqual(shape(a), shape(b));
      }),
    );
  });

  it("never changes a state that it was given", () => {
    const before = build(EXAMPLE);
    const text = formatModuleState(before);
    stateOf([...recordsOf(EXAMPLE), ...recordsOf(["v1.3.0", "v3.0.0+incompatible"])]);
    assert.equal(formatModuleState(before), text);
  });
});

describe("state texts", () => {
  const text = formatModuleState(build(EXAMPLE));

  it("parse to what they were formatted from", () => {
    const one = fc
      .constantFrom(...PATHS.slice(0, 12))
      .chain((path) => fc.tuple(fc.constant(path), recordLog([path], 30)));
    fc.assert(
      fc.property(one, ([path, records]) => {
        const state = stateOf(records);
        if (state === undefined) return;
        const formatted = formatModuleState(state);
        const parsed = parseModuleState(formatted, path, sha256);
        assert.deepEqual(parsed.majors, state.majors);
        assert.deepEqual(parsed.newestPseudo, state.newestPseudo);
        assert.deepEqual(parsed.subLog.peaks, state.subLog.peaks);
        assert.equal(parsed.subLog.treeSize, state.subLog.treeSize);
        assert.equal(formatModuleState(parsed), formatted);
      }),
    );
  });

  it("continue the fold as if never written", () => {
    fc.assert(
      fc.property(recordLog([PATH], 30), fc.nat(30), (records, at) => {
        const first = stateOf(records.slice(0, at));
        if (first === undefined) return;
        const parsed = parseModuleState(formatModuleState(first), PATH, sha256);
        let state: ModuleState = parsed;
        for (const { record, logIndex, recordHash } of records.slice(at)) {
          state = foldRecord(state, record, logIndex, recordHash, sha256);
        }
        assert.equal(formatModuleState(state), formatModuleState(stateOf(records) as ModuleState));
      }),
    );
  });

  it("with one changed character are refused, or are those of another state", () => {
    for (let i = 0; i < text.length; i++) {
      for (const c of ["0", "1", "9", "A", "a", " ", "\n", "-", "+", "n", "p", "r", "q", "u", "v", ".", "="]) {
        if (text[i] === c) continue;
        const changed = text.slice(0, i) + c + text.slice(i + 1);
        const parsed = refusalOf(() => parseModuleState(changed, PATH, sha256));
        if (parsed !== undefined) assert.equal(formatModuleState(parsed), changed);
      }
    }
  });

  it("refuse every prefix and everything after the end", () => {
    for (let n = 0; n < text.length; n++) {
      const parsed = refusalOf(() => parseModuleState(text.slice(0, n), PATH));
      if (parsed !== undefined) assert.equal(formatModuleState(parsed), text.slice(0, n));
    }
    for (const end of ["\n", " ", "x", "u", `p ${text43(1)}\n`, text])
      assert.throws(() => parseModuleState(text + end, PATH), malformed);
    assert.throws(() => parseModuleState(text.slice(0, -1), PATH), malformed);
  });

  it("refuse lines in another order and lines twice", () => {
    const lines = text.split("\n").slice(0, -1);
    for (let i = 0; i < lines.length; i++) {
      for (let j = i + 1; j < lines.length; j++) {
        const swapped = [...lines];
        [swapped[i], swapped[j]] = [lines[j] as string, lines[i] as string];
        if (lines[i]?.startsWith("p ") && lines[j]?.startsWith("p ")) continue;
        assert.throws(() => parseModuleState(`${swapped.join("\n")}\n`, PATH), malformed, `${i} ${j}`);
      }
      const twice = lines.flatMap((line, k) => (k === i ? [line, line] : [line]));
      assert.throws(() => parseModuleState(`${twice.join("\n")}\n`, PATH), malformed);
      if (/^[np]/.test(lines[i] as string)) {
        assert.throws(() => parseModuleState(`${lines.filter((_, k) => k !== i).join("\n")}\n`, PATH), malformed);
      }
    }
  });

  const head = `n 1\np ${text43(1)}\n`;
  const line = (letter: string, version: string, index = "0"): string =>
    `${letter} ${version} ${index} ${text43(2)} ${text43(3)}\n`;

  it("refuse counts that do not fit the peaks", () => {
    const [, ...rest] = text.split("\n");
    for (const n of ["0", "1", "6", "8", "07", "+7", "-7", " 7", "7 ", "", "7.0", "9007199254740992", "11"]) {
      const changed = `n ${n}\n${rest.join("\n")}`;
      if (n === "11")
        assert.ok(parseModuleState(changed, PATH)); // three bits set, too
      else assert.throws(() => parseModuleState(changed, PATH), malformed, n);
    }
    assert.throws(() => parseModuleState(`n 0\n${line("r", "v1.0.0")}`, PATH), malformed);
  });

  it("refuse letters that do not fit the kind of the version", () => {
    assert.ok(parseModuleState(head + line("r", "v1.0.0"), PATH));
    const wrong = [
      ["q", "v1.0.0"],
      ["u", "v1.0.0"],
      ["r", "v1.0.0-a"],
      ["u", "v1.0.0-a"],
      ["r", PSEUDO],
      ["q", PSEUDO],
      ["R", "v1.0.0"],
      ["", "v1.0.0"],
      ["p", "v1.0.0"],
    ];
    for (const [letter = "", version = ""] of wrong) {
      assert.throws(() => parseModuleState(head + line(letter, version), PATH), malformed, `${letter} ${version}`);
    }
  });

  it("refuse versions that do not fit the path, or are not canonical", () => {
    for (const version of [
      "v2.0.0",
      "v1.0.0+incompatible",
      "v1.0",
      "1.0.0",
      "v01.0.0",
      "v1.0.0+x",
      `v1.0.0-${"a".repeat(90)}`,
      "",
    ]) {
      assert.throws(() => parseModuleState(head + line("r", version), PATH), malformed, version);
    }
    assert.throws(() => parseModuleState(head + line("r", "v1.0.0"), "example.com/m/v2"), malformed);
    assert.throws(() => parseModuleState(head + line("r", "v2.0.0+incompatible"), "gopkg.in/m.v2"), malformed);
  });

  it("refuse two lines of one major and kind, also in any order", () => {
    const both = line("r", "v1.0.0") + line("r", "v1.1.0", "1");
    assert.throws(() => parseModuleState(head + both, PATH), malformed);
    assert.throws(() => parseModuleState(head + line("r", "v1.1.0") + line("r", "v1.0.0", "1"), PATH), malformed);
    assert.throws(
      () => parseModuleState(head + line("u", PSEUDO) + line("u", PSEUDO.replace("2020", "2021"), "1"), PATH),
      malformed,
    );
    assert.throws(() => parseModuleState(head + line("q", "v1.0.0-a") + line("r", "v1.0.0", "1"), PATH), malformed);
  });

  it("refuse 17 majors with +incompatible", () => {
    const lines = Array.from({ length: 17 }, (_, i) => line("r", `v${2 + i}.0.0+incompatible`, String(i)));
    assert.ok(parseModuleState(head + lines.slice(1).join(""), PATH));
    assert.throws(() => parseModuleState(head + lines.join(""), PATH), malformed);
  });

  it("refuse hashes and indexes in other forms", () => {
    const good = head + line("r", "v1.0.0", "7");
    assert.ok(parseModuleState(good, PATH));
    const other = [
      good.replace(" 7 ", " 07 "),
      good.replace(" 7 ", " -7 "),
      good.replace(" 7 ", "  7 "),
      good.replace(" 7 ", " 9007199254740992 "),
    ];
    other.push(
      good.replace(text43(2), `${text43(2)}=`),
      good.replace(text43(2), text43(2).slice(1)),
      good.replace(text43(3), `${text43(3)}A`),
    );
    other.push(
      good.replace(/.\n$/, "\n"),
      good.replace("\n", " \n"),
      good.replaceAll("\n", "\r\n"),
      ` ${good}`,
      good.replaceAll(" ", "\t"),
    );
    for (const changed of other)
      assert.throws(() => parseModuleState(changed, PATH), malformed, JSON.stringify(changed));
  });

  it("refuses a state without versions", () => {
    assert.throws(() => parseModuleState(head, PATH), malformed);
    assert.throws(() => parseModuleState(`n 3\np ${text43(1)}\np ${text43(2)}\n`, PATH), malformed);
  });

  it("throw nothing but their own error on any text, and in bounded time", () => {
    const pieces = fc.constantFrom(
      "n 1\n",
      "n 3\n",
      head,
      line("r", "v1.0.0"),
      line("q", "v1.0.0-a"),
      line("u", PSEUDO),
      "\n",
      "p ",
      text43(1),
      " ",
      "r ",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), anyText, (list, any) => {
        for (const t of [list.join(""), any]) {
          const parsed = refusalOf(() => parseModuleState(t, PATH, sha256));
          if (parsed === undefined) continue;
          assert.equal(formatModuleState(parsed), t);
          // A state that parses has a value, unless it has no version: that is refused above.
          if (/^[rqu]/m.test(t))
            assert.ok(computeModuleValue(PATH, parsed, t, sha256) !== "" && selectLatest(PATH, parsed).latest);
        }
      }),
      { numRuns: 2000 },
    );
    for (const t of longTexts()) {
      inBoundedTime("parseModuleState", () => refusalOf(() => parseModuleState(t, PATH)));
      inBoundedTime("parseModuleState", () => refusalOf(() => parseModuleState(head + t, PATH)));
    }
    const many = Array.from({ length: 1000 }, (_, i) => line("r", `v${i + 2}.0.0+incompatible`, String(i))).join("");
    inBoundedTime("parseModuleState", () => refusalOf(() => parseModuleState(head + many, PATH)));
    const peaks = `n 9007199254740991\n${`p ${text43(1)}\n`.repeat(2000)}`;
    inBoundedTime("parseModuleState", () => refusalOf(() => parseModuleState(peaks, PATH)));
  });
});
