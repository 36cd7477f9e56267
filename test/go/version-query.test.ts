import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { canonicalVersion, resolveVersionQuery, stepKind } from "../../src/go/index.ts";

const LIST = [
  "v1.4.2",
  "v1.10.0",
  "v0.9.0",
  "v1.4.10",
  "v1.5.0-rc.1",
  "v1.11.0-beta",
  "v1.4.0",
  "v1.0.0-20200101000000-0123456789ab",
];

describe("a version query", () => {
  it("is answered from the list, whatever its order", () => {
    const cases: [string, string | undefined][] = [
      ["latest", "v1.10.0"],
      ["upgrade", "v1.10.0"],
      ["v1", "v1.10.0"],
      ["v1.4", "v1.4.10"],
      ["v0", "v0.9.0"],
      ["v1.5", undefined],
      ["v1.11", undefined],
      ["v2", undefined],
      ["v1.4.2", "v1.4.2"],
      ["v1.4.3", undefined],
      ["v1.5.0-rc.1", "v1.5.0-rc.1"],
      ["v1.0.0-20200101000000-0123456789ab", "v1.0.0-20200101000000-0123456789ab"],
      ["<v1.4.10", "v1.4.2"],
      ["<=v1.4.10", "v1.4.10"],
      [">v1.4.2", "v1.4.10"],
      [">=v1.4.2", "v1.4.2"],
      [">=v1.4", "v1.4.0"],
      ["<v1.4", "v0.9.0"],
      ["<v0.1.0", undefined],
      [">v1.10.0", "v1.11.0-beta"],
    ];
    for (const [query, answer] of cases) assert.equal(resolveVersionQuery(query, LIST), answer, query);
    for (const [query, answer] of cases) assert.equal(resolveVersionQuery(query, [...LIST].reverse()), answer, query);
  });

  it("never goes below the version in use, if it is an upgrade or a patch", () => {
    const of = (query: string, current: string) => resolveVersionQuery(query, LIST, { current });
    assert.equal(of("upgrade", "v1.4.0"), "v1.10.0");
    assert.equal(of("upgrade", "v1.11.0-beta"), "v1.11.0-beta");
    assert.equal(of("upgrade", "v1.12.0-0.20210101000000-0123456789ab"), "v1.12.0-0.20210101000000-0123456789ab");
    assert.equal(of("patch", "v1.4.0"), "v1.4.10");
    assert.equal(of("patch", "v1.5.0-rc.1"), "v1.5.0-rc.1");
    assert.equal(of("patch", "v1.9.0"), "v1.9.0");
    assert.equal(of("latest", "v1.11.0-beta"), "v1.10.0");
    assert.equal(resolveVersionQuery("upgrade", [], { current: "none" }), undefined);
  });

  it("takes a pre-release only where there is no release", () => {
    assert.equal(resolveVersionQuery("latest", ["v1.0.0-rc.1", "v1.0.0-rc.2"]), "v1.0.0-rc.2");
    assert.equal(resolveVersionQuery("latest", ["v1.0.0-rc.1", "v0.1.0"]), "v0.1.0");
  });

  it("takes the newest pseudo-version by its time only where nothing is tagged", () => {
    const pseudo = [
      "v0.0.0-20200101000000-0123456789ab",
      "v0.0.0-20210101000000-0123456789ab",
      "v0.1.1-0.20190101000000-0123456789ab",
    ];
    assert.equal(resolveVersionQuery("latest", pseudo), pseudo[1]);
    assert.equal(resolveVersionQuery("latest", [...pseudo, "v0.1.0-rc.1"]), "v0.1.0-rc.1");
    assert.equal(resolveVersionQuery("v0", pseudo), undefined);
    assert.equal(
      resolveVersionQuery("upgrade", pseudo, { current: "v0.0.0-20220101000000-0123456789ab" }),
      "v0.0.0-20220101000000-0123456789ab",
    );
    assert.equal(resolveVersionQuery("upgrade", pseudo), pseudo[1]);
    assert.equal(resolveVersionQuery("upgrade", pseudo, { current: "none" }), pseudo[1]);
  });

  it("never leads from a version in use to a pseudo-version, which anybody can have logged", () => {
    const inUse = "v1.2.1-0.20181028125025-b2ce2384e17b";
    const forged = [
      "v1.2.1-0.20991231000000-eeeeeeeeeeee",
      "v9.0.0-20991231000000-eeeeeeeeeeee",
      "v9.0.1-0.20991231000000-eeeeeeeeeeee+incompatible",
    ];
    for (const query of ["upgrade", "patch"]) {
      const of = (tags: string[], current = inUse) =>
        resolveVersionQuery(query, [...tags, inUse, ...forged], { current });
      assert.equal(of(["v1.2.0"]), inUse, query);
      assert.equal(of([]), inUse, query);
      assert.equal(of(["v1.2.0", "v1.2.1"]), "v1.2.1", query);
      assert.equal(of(["v1.2.0", "v1.2.2-rc.1"]), "v1.2.2-rc.1", query);
      assert.equal(of(["v1.2.0"], "v1.2.0"), "v1.2.0", query);
      assert.equal(of([], "v0.0.0-20000101000000-0123456789ab"), "v0.0.0-20000101000000-0123456789ab", query);
    }
    assert.equal(resolveVersionQuery("upgrade", ["v1.0.0-rc.1", ...forged]), "v1.0.0-rc.1");
    assert.equal(resolveVersionQuery("latest", ["v1.2.0", ...forged], { current: inUse }), "v1.2.0");
    for (const query of ["v9", ">v1.2.0", ">=v1.2.1", "v1.3"]) {
      assert.equal(resolveVersionQuery(query, ["v1.2.0", ...forged]), undefined, query);
    }
  });

  it("stops at versions marked +incompatible where the highest other one has a go.mod", () => {
    const list = ["v1.0.0", "v1.1.0-rc.1", "v2.0.0+incompatible", "v3.0.0+incompatible"];
    const hasGoMod = (yes: boolean) => ({ hasGoMod: () => yes });
    assert.equal(resolveVersionQuery("latest", list), "v1.0.0");
    assert.equal(resolveVersionQuery("latest", list, hasGoMod(false)), "v3.0.0+incompatible");
    assert.equal(resolveVersionQuery("latest", list.slice(2), hasGoMod(true)), "v3.0.0+incompatible");
    assert.equal(resolveVersionQuery("latest", ["v1.1.0-rc.1", "v2.0.0+incompatible"]), "v1.1.0-rc.1");
    assert.equal(resolveVersionQuery("upgrade", list, { current: "v2.0.0+incompatible" }), "v3.0.0+incompatible");
    assert.equal(resolveVersionQuery("v2", list), "v2.0.0+incompatible");
    assert.equal(resolveVersionQuery("<v3.0.0", list), "v2.0.0+incompatible");
    assert.equal(resolveVersionQuery("v2.0.0", list), "v2.0.0+incompatible");
  });

  it("is refused if it is none, or cannot be answered from a list", () => {
    for (const query of [
      "",
      "master",
      "0123abc",
      "1.2.3",
      "v1.2.3.4",
      "<=v1.4",
      ">v1",
      "<",
      ">=x",
      "LATEST",
      "v1.x",
      "patch",
      "==v1.0.0",
      "v1.2-rc",
    ]) {
      assert.throws(() => resolveVersionQuery(query, LIST), { code: "MALFORMED_INPUT" }, query);
    }
    assert.throws(() => resolveVersionQuery("latest", LIST, { current: "(devel)" }), { code: "MALFORMED_INPUT" });
  });

  it("passes over what is no version in the list", () => {
    assert.equal(resolveVersionQuery("latest", ["v1.0.0", "v2", "x", "", "v9.0.0+meta"]), "v1.0.0");
  });
});

describe("a step", () => {
  it("is named by the first number that differs", () => {
    const cases: [string, string, string][] = [
      ["v1.2.3", "v1.2.3", "same"],
      ["v2.0.0", "v2.0.0+incompatible", "same"],
      ["v1.2.3", "v1.2.2", "older"],
      ["v1.2.3", "v1.2.3-rc.1", "older"],
      ["v1.2.3", "v1.2.10", "patch"],
      ["v1.2.3", "v1.3.0", "minor"],
      ["v1.2.3", "v2.0.0+incompatible", "major"],
      ["v0.9.0", "v1.0.0", "major"],
      ["v1.2.3", "v1.3.0-rc.1", "pre"],
      ["v0.0.0-20200101000000-0123456789ab", "v0.0.0-20210101000000-0123456789ab", "pre"],
      ["v0.0.0-20200101000000-0123456789ab", "v0.1.0", "minor"],
      ["v1.2.4-0.20200101000000-0123456789ab", "v1.2.4", "patch"],
      ["v1.2.4-0.20200101000000-0123456789ab", "v1.2.3", "older"],
      ["v1", "v1.0.1", "patch"],
    ];
    for (const [from, to, kind] of cases) assert.equal(stepKind(from, to), kind, `${from} ${to}`);
    for (const text of ["(devel)", "", "master", "1.2.3"]) assert.throws(() => stepKind(text, "v1.0.0"), RangeError);
  });
});

describe("a canonical version", () => {
  it("is made of shorthands and without metadata", () => {
    assert.equal(canonicalVersion("v1"), "v1.0.0");
    assert.equal(canonicalVersion("v1.2"), "v1.2.0");
    assert.equal(canonicalVersion("v1.2.3+a.b"), "v1.2.3");
    assert.equal(canonicalVersion("v3.0.0-a+incompatible"), "v3.0.0-a+incompatible");
    for (const text of [
      "",
      "v",
      "1",
      "v01",
      "v1.2.3.4",
      "v1-a",
      "v1.2-a",
      "v1.2.3-",
      "v1.2.3+",
      "v1.2.3-01",
      "v1.2.3\n",
      ` v1`,
      `v${"1".repeat(300)}.0.0`,
    ]) {
      assert.equal(canonicalVersion(text), undefined, text);
    }
  });
});
