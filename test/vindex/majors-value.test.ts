import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  computeMajorsValue,
  formatMajorItems,
  isAllItems,
  isAllItemsShown,
  type MajorItem,
  parseMajorItems,
  parseMajorsValue,
} from "../../src/vindex/majors-value.ts";
import { familyMemberPath } from "../../src/vindex/module-path.ts";
import { parseVersion, type Version } from "../../src/vindex/version.ts";
import { anyText, inBoundedTime, longTexts, refusalOf, text43 } from "./samples.ts";

const bad = { code: "BAD_VALUE" };
const BASE = "example.com/m";

/** Items of the given majors; the base path has the major "-". */
function itemsOf(majors: readonly string[], base = BASE): MajorItem[] {
  return majors.map((text, logIndex) => {
    const major = text === "-" ? undefined : text;
    const path = major === undefined ? base : familyMemberPath(base, major);
    const version = parseVersion(`v${major ?? 1}.${logIndex}.0${logIndex % 3 === 2 ? "-rc.1" : ""}`) as Version;
    return { major, path, version, logIndex };
  });
}
const hashOfText = (text: string): string => createHash("sha256").update(text).digest("base64").slice(0, 43);
const digits = fc.bigInt({ min: 2n, max: 10n ** 20n - 1n }).map(String);
const majors = fc.uniqueArray(fc.oneof(fc.integer({ min: 2, max: 99 }).map(String), digits), {
  minLength: 1,
  maxLength: 20,
  size: "max",
});

describe("values of families", () => {
  it("list the majors, highest number first, and then the base path", () => {
    const all = formatMajorItems(itemsOf(["2", "-", "10", "3"]));
    assert.equal(all, "p=v10 v=v10.2.0-rc.1 k=pre i=2; p=v3 v=v3.3.0 i=3; p=v2 v=v2.0.0 i=0; p=- v=v1.1.0 i=1");
    assert.equal(formatMajorItems(itemsOf(["3", "10", "-", "2"])).split(" ")[0], "p=v10");
  });

  it("say what kind the latest of a member is", () => {
    const version = parseVersion("v1.0.0-20140924161607-9f9df34309c0") as Version;
    const items = [{ major: "1", path: "gopkg.in/yaml.v1", version, logIndex: 110 }];
    assert.equal(formatMajorItems(items), "p=v1 v=v1.0.0-20140924161607-9f9df34309c0 k=pseudo i=110");
  });

  it("commit to all items, at the end of the first", () => {
    const all = formatMajorItems(itemsOf(["3", "2"]));
    const [first = "", second = ""] = all.split("; ");
    assert.equal(computeMajorsValue(all), `${first} s=${hashOfText(all)}; ${second}`);
  });

  it("parse to what they say, cut or not", () => {
    fc.assert(
      fc.property(majors, fc.boolean(), (list, hasBase) => {
        const items = itemsOf(hasBase ? [...list, "-"] : list);
        const all = formatMajorItems(items);
        const text = computeMajorsValue(all);
        assert.ok(text.length <= 255);
        const value = parseMajorsValue(text, BASE, 100);
        assert.deepEqual(value.items, parseMajorItems(all, BASE, 100).slice(0, value.items.length));
        assert.equal(isAllItems(value, all), true);
        assert.equal(isAllItems(value, value.shown), value.shown === all);
        assert.equal(value.items.length < items.length, value.shown !== all);
        assert.equal(isAllItemsShown(text, all), value.shown === all);
        assert.deepEqual(
          parseMajorItems(all, BASE, 100)
            .map(({ path }) => path)
            .sort(),
          items.map(({ path }) => path).sort(),
        );
        assert.equal(formatMajorItems(parseMajorItems(all, BASE, 100)), all);
      }),
      { numRuns: 300 },
    );
  });

  it("always hold the first item, whatever its length", () => {
    const version = parseVersion(
      `v99999999999999999999.0.0-${"a".repeat(50)}.0.20200101000000`.slice(0, 74).padEnd(90, "b"),
    ) as Version;
    const item = { major: "9".repeat(20), path: `${BASE}/v${"9".repeat(20)}`, version, logIndex: 2 ** 53 - 1 };
    const text = computeMajorsValue(formatMajorItems([item, ...itemsOf(["2"])]));
    assert.ok(text.startsWith("p=v99999999999999999999 v=") && text.length <= 255);
  });
});

describe("committed values of families", () => {
  const all = formatMajorItems(itemsOf(["10", "3", "2", "-"]));
  const good = computeMajorsValue(all);
  const parse = (text: string, base = BASE, size = 100): unknown => parseMajorsValue(text, base, size);

  it("are read, also of gopkg.in and of bases with a suffix", () => {
    assert.ok(parse(good));
    const gopkg = computeMajorsValue(formatMajorItems(itemsOf(["3", "0"], "gopkg.in/yaml")));
    assert.deepEqual(
      parseMajorsValue(gopkg, "gopkg.in/yaml", 9).items.map(({ path }) => path),
      ["gopkg.in/yaml.v3", "gopkg.in/yaml.v0"],
    );
    const nested = computeMajorsValue(formatMajorItems(itemsOf(["3"], "example.com/v2")));
    assert.equal(parseMajorsValue(nested, "example.com/v2", 9).items[0]?.path, "example.com/v2/v3");
  });

  it("refuse a missing, misplaced or malformed hash of all items", () => {
    const hash = ` s=${hashOfText(all)}`;
    const wrong = [
      all,
      good.replace(hash, ""),
      good.replace(hash, `${hash} x=1`),
      good + hash,
      all + hash,
      good.replace(hash, hash + hash),
    ];
    wrong.push(
      good.replace(hash, ` s=${text43(1)}=`),
      good.replace(hash, " s="),
      good.replace(hash, hash.replace("s=", "S=")),
      good.replace(hash, ` ${hash}`),
    );
    wrong.push(`s=${text43(1)} ${all}`, `${hash.trim()}; ${all}`, hash, hash.trim(), "");
    for (const text of wrong) assert.throws(() => parse(text), bad, text);
  });

  it("refuse suffixes that do not descend strictly", () => {
    const item = (suffix: string, version: string): string => `p=${suffix} v=${version} i=1`;
    const wrong = [
      ["v2", "v2.0.0", "v3", "v3.0.0"],
      ["v2", "v2.0.0", "v2", "v2.1.0"],
      ["v9", "v9.0.0", "v10", "v10.0.0"],
      ["-", "v1.0.0", "v2", "v2.0.0"],
    ];
    wrong.push(["-", "v1.0.0", "-", "v1.0.0"]);
    for (const [p = "", v = "", q = "", w = ""] of wrong) {
      assert.throws(() => parseMajorItems(`${item(p, v)}; ${item(q, w)}`, BASE, 9), bad, `${p} ${q}`);
      assert.throws(() => parse(computeMajorsValue(`${item(p, v)}; ${item(q, w)}`)), bad, `${p} ${q}`);
    }
    assert.throws(
      () => parseMajorItems(`${item("v2", "v2.0.0")}; ${item("-", "v1.0.0")}; ${item("-", "v1.0.0")}`, BASE, 9),
      bad,
    );
    assert.throws(() => parseMajorItems(item("-", "v1.0.0"), BASE, 9), bad);
  });

  it("refuse suffixes in other forms, and such that are no module path of the family", () => {
    const of = (suffix: string, version: string): string => `p=${suffix} v=${version} i=1`;
    for (const [suffix = "", version = ""] of [
      ["v0", "v0.1.0"],
      ["v1", "v1.0.0"],
      ["v02", "v2.0.0"],
      ["2", "v2.0.0"],
      ["V2", "v2.0.0"],
      ["v", "v2.0.0"],
      ["", "v2.0.0"],
      ["--", "v1.0.0"],
      ["v2-unstable", "v2.0.0"],
      ["v100000000000000000000", "v100000000000000000000.0.0"],
      ["v+2", "v2.0.0"],
      ["v2.0", "v2.0.0"],
      ["v2 ", "v2.0.0"],
    ]) {
      assert.throws(() => parseMajorItems(of(suffix, version), BASE, 9), bad, suffix);
    }
    assert.ok(parseMajorItems(of("v1", "v1.0.0"), "gopkg.in/yaml", 9));
    assert.throws(() => parseMajorItems(of("v2", "v2.0.0"), "example", 9), bad);
    assert.throws(() => parseMajorItems(of("v2", "v2.0.0"), "gopkg.in", 9), bad);
    assert.throws(() => parseMajorItems(`${of("v2", "v2.0.0")}; ${of("-", "v2.0.0")}`, "gopkg.in/yaml", 9), bad);
  });

  it("refuse versions of another member, another kind, or beyond the size", () => {
    for (const text of [
      "p=v2 v=v3.0.0 i=1",
      "p=v2 v=v2.0.0+incompatible i=1",
      "p=v2 v=v2.0.0 k=pre i=1",
      "p=v2 v=v2.0.0-a i=1",
      "p=v2 v=v2.0.0 i=9",
      "p=v2 v=v2.0.0 i=01",
      "p=v2 v=v2.0.0",
      "v=v2.0.0 i=1",
      "p=v2 i=1 v=v2.0.0",
      "p=v2 v=v2.0.0 i=1 x=1",
      "p=v2 v=v2.0.0  i=1",
      "",
    ]) {
      assert.throws(() => parseMajorItems(text, BASE, 9), bad, text);
    }
    assert.ok(parseMajorItems("p=v2 v=v2.0.0 i=8; p=- v=v3.0.0+incompatible i=0", BASE, 9));
  });

  it("do not take other items for all items", () => {
    const value = parseMajorsValue(good, BASE, 100);
    for (const text of [
      "",
      good,
      all.replace("i=0", "i=1"),
      all.slice(0, -1),
      `${all} `,
      all.split("; ").reverse().join("; "),
    ]) {
      assert.equal(isAllItems(value, text), false);
    }
    assert.equal(isAllItems(value, all), true);
  });

  it("throw nothing but their own error on any text, and in bounded time", () => {
    const pieces = fc.constantFrom(
      good,
      all,
      "; ",
      "p=v2",
      "p=-",
      " v=v2.0.0",
      " i=1",
      " s=",
      ` s=${text43(1)}`,
      " k=pre",
      "=",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), (list) => void refusalOf(() => parse(list.join("")))),
      { numRuns: 1000 },
    );
    fc.assert(fc.property(anyText, fc.string(), (t, base) => void refusalOf(() => parse(t, base))));
    for (const t of longTexts()) {
      inBoundedTime("parseMajorsValue", () => refusalOf(() => parse(t)));
      inBoundedTime("parseMajorItems", () => refusalOf(() => parseMajorItems(t, BASE, 9)));
      inBoundedTime("parseMajorItems", () => refusalOf(() => parseMajorItems(`p=v${t} v=v2.0.0 i=1`, BASE, 9)));
    }
    const many = formatMajorItems(itemsOf(Array.from({ length: 3000 }, (_, i) => String(i + 2))));
    assert.equal(inBoundedTime("parseMajorItems", () => parseMajorItems(many, BASE, 10_000)).length, 3000);
  });
});
