import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { compareVersions, MAX_VERSION_LENGTH, parseVersion, type Version } from "../../src/vindex/version.ts";
import { compareSemver, isPseudo } from "./naive-map.ts";
import { inBoundedTime, longTexts, versionText } from "./samples.ts";

const parse = (text: string): Version => parseVersion(text) ?? assert.fail(`${text} is canonical`);
const order = (a: string, b: string): number => Math.sign(compareVersions(parse(a), parse(b)));

describe("canonical versions", () => {
  it("are taken apart", () => {
    const version = parse("v1.22.333-rc.1+incompatible");
    assert.deepEqual(version, {
      text: "v1.22.333-rc.1+incompatible",
      major: "1",
      minor: "22",
      patch: "333",
      prerelease: "rc.1",
      isIncompatible: true,
      kind: "pre",
      timestamp: "",
    });
  });

  it("have numbers of any length", () => {
    assert.equal(parse("v99999999999999999999999999999999.0.1").major, "99999999999999999999999999999999");
  });

  it("refuse short forms, missing or capital v, spaces and leading zeros", () => {
    const wrong = [
      "",
      "v",
      "v1",
      "v1.2",
      "1.2.3",
      "V1.2.3",
      "vv1.2.3",
      " v1.2.3",
      "v1.2.3 ",
      "v1.2.3\n",
      "\nv1.2.3",
      "v 1.2.3",
      "v1.2.3.4",
    ];
    wrong.push(
      "v01.2.3",
      "v1.02.3",
      "v1.2.03",
      "v00.0.0",
      "v1..3",
      "v.1.2",
      "v1.2.",
      "v-1.2.3",
      "v+1.2.3",
      "v1.2.x",
      "v1.2.3v",
      "v0x1.2.3",
    );
    for (const text of [...wrong, "v١.2.3", "v1.2.3\u0000", "v1,2,3", "v1e1.2.3"])
      assert.equal(parseVersion(text), undefined, JSON.stringify(text));
  });

  it("refuse empty identifiers, leading zeros in numeric ones and other characters", () => {
    const wrong = [
      "v1.2.3-",
      "v1.2.3-.",
      "v1.2.3-a.",
      "v1.2.3-.a",
      "v1.2.3-a..b",
      "v1.2.3-01",
      "v1.2.3-00",
      "v1.2.3-a.01",
      "v1.2.3-01.a",
    ];
    for (const text of [
      ...wrong,
      "v1.2.3-a_b",
      "v1.2.3-a b",
      "v1.2.3-é",
      "v1.2.3-a/b",
      "v1.2.3-a\n",
      "v1.2.3-a~1",
      "v1.2.3-!a",
    ]) {
      assert.equal(parseVersion(text), undefined, JSON.stringify(text));
    }
    for (const text of [
      "v1.2.3-0",
      "v1.2.3-0a",
      "v1.2.3-00a",
      "v1.2.3--",
      "v1.2.3---",
      "v1.2.3--1",
      "v1.2.3-0.0.0",
      "v1.2.3-a.-.b",
    ])
      parse(text);
  });

  it("refuse build metadata but +incompatible", () => {
    const wrong = [
      "v1.2.3+",
      "v1.2.3+x",
      "v1.2.3+incompatible.1",
      "v1.2.3+Incompatible",
      "v1.2.3+incompatible+incompatible",
    ];
    for (const text of [
      ...wrong,
      "v1.2.3+incompatible-a",
      "v1.2.3-a+meta",
      "v1.2.3+meta-a",
      "v1.2+incompatible",
      "v1.2.3 +incompatible",
    ]) {
      assert.equal(parseVersion(text), undefined, text);
    }
    assert.equal(parse("v2.0.0+incompatible").isIncompatible, true);
  });

  it("have at most 90 bytes", () => {
    const long = (n: number): string => `v1.2.3-${"a".repeat(n - 7)}`;
    assert.equal(MAX_VERSION_LENGTH, 90);
    assert.equal(parse(long(90)).text.length, 90);
    assert.equal(parseVersion(long(91)), undefined);
    assert.equal(parseVersion(`${long(79)}+incompatible`), undefined);
  });

  it("refuse long texts in bounded time", () => {
    for (const text of longTexts()) inBoundedTime("parseVersion", () => assert.equal(parseVersion(text), undefined));
  });
});

describe("kinds of versions", () => {
  it("are release, pre-release and pseudo-version", () => {
    const kinds = {
      "v1.2.3": "release",
      "v2.0.0+incompatible": "release",
      "v1.2.3-0": "pre",
      "v1.2.3-rc.1+incompatible": "pre",
      "v0.0.0-20191109021931-daa7c04131f5": "pseudo",
      "v2.0.1-0.20170608213348-396559074696+incompatible": "pseudo",
      "v1.2.3-pre.0.20191109021931-daa7c04131f5": "pseudo",
      "v7.0.0-20191109021931-daa7c04131f5": "pseudo",
      "v0.2.2-0.20190823181532-868af2e9e5cb63f114a445a00d595c028026c28c": "pseudo",
      "v1.2.3-0.00000000000000-x": "pseudo",
      "v1.2.3-a.b.0.99999999999999-Z": "pseudo",
    };
    for (const [text, kind] of Object.entries(kinds)) assert.equal(parse(text).kind, kind, text);
  });

  it("take what is nearly a pseudo-version for a pre-release", () => {
    const nearly = [
      "v1.2.3-20191109021931-daa7c04131f5",
      "v0.1.0-20191109021931-daa7c04131f5",
      "v0.0.1-20191109021931-daa7c04131f5",
    ];
    nearly.push(
      "v0.0.0-20191109021931",
      "v0.0.0-2019110902193-daa7c04131f5",
      "v0.0.0-201911090219310-daa7c04131f5",
      "v0.0.0-20191109021931-",
    );
    nearly.push(
      "v0.0.0-20191109021931-daa7-c041",
      "v0.0.0-20191109021931-daa7.c041",
      "v1.2.3-0-20191109021931-a",
      "v1.2.3-1.20191109021931-a",
    );
    nearly.push(
      "v1.2.3-x0.20191109021931-a",
      "v1.2.3-0.2019110902193x-a",
      "v1.2.3-pre.00a.20191109021931-a",
      "v0.0.0-a20191109021931-b",
    );
    nearly.push("v1.2.3-0.20191109021931", "v1.2.3-0.0.20191109021931.a-b");
    for (const text of nearly) {
      const version = parseVersion(text);
      if (version === undefined) continue;
      assert.deepEqual([version.kind, version.timestamp], ["pre", ""], text);
      assert.equal(isPseudo(text), false, text);
    }
  });

  it("agree with the expression of x/mod", () => {
    fc.assert(
      fc.property(versionText, (text) => {
        const version = parse(text);
        const isPre = /-/.test(text.replace("+incompatible", ""));
        assert.equal(version.kind, isPseudo(text) ? "pseudo" : isPre ? "pre" : "release");
        assert.equal(/^[0-9]{14}$/.test(version.timestamp), isPseudo(text));
      }),
      { numRuns: 3000 },
    );
  });

  it("agree with the expression of x/mod, for texts near the border", () => {
    const front = fc.constantFrom(
      "v0.0.0-",
      "v1.0.0-",
      "v0.1.0-",
      "v1.2.3-0.",
      "v1.2.3-a.0.",
      "v1.2.3-0.0.",
      "v1.2.3-a0.",
      "v1.2.3-.0.",
      "v1.0.0-0.0.",
      "v1.2.3-a-0.",
    );
    const middle = fc.constantFrom(
      "20191109021931",
      "2019110902193",
      "201911090219311",
      "0.20191109021931",
      "a.0.20191109021931",
    );
    const end = fc.constantFrom("-a", "-", "", "-a-b", "-a.b", "-a+incompatible", "-20191109021931-a", "-A9");
    fc.assert(
      fc.property(fc.tuple(front, middle, end), (list) => {
        const text = list.join("");
        const version = parseVersion(text);
        if (version !== undefined) assert.equal(version.kind === "pseudo", isPseudo(text), text);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("the order of versions", () => {
  it("is that of the examples of semantic versioning", () => {
    const ascending = [
      "v1.0.0-alpha",
      "v1.0.0-alpha.1",
      "v1.0.0-alpha.beta",
      "v1.0.0-beta",
      "v1.0.0-beta.2",
      "v1.0.0-beta.11",
      "v1.0.0-rc.1",
    ];
    ascending.push(
      "v1.0.0",
      "v1.0.1-0",
      "v1.0.1",
      "v1.9.0",
      "v1.10.0",
      "v1.11.0",
      "v2.0.0",
      "v10.0.0",
      "v99999999999999999999.0.0",
      "v100000000000000000000.0.0",
    );
    for (const [i, a] of ascending.entries()) {
      for (const [j, b] of ascending.entries()) assert.equal(order(a, b), Math.sign(i - j), `${a} ${b}`);
    }
  });

  it("puts numeric identifiers below others, and numbers by value", () => {
    const ascending = [
      "v1.0.0-0",
      "v1.0.0-1",
      "v1.0.0-9",
      "v1.0.0-10",
      "v1.0.0-20230101000000",
      "v1.0.0--",
      "v1.0.0-0a",
      "v1.0.0-A",
      "v1.0.0-a",
    ];
    for (const [i, a] of ascending.entries()) {
      for (const [j, b] of ascending.entries()) assert.equal(order(a, b), Math.sign(i - j), `${a} ${b}`);
    }
  });

  it("does not see +incompatible, but for ties", () => {
    assert.equal(order("v2.0.0+incompatible", "v2.0.1"), -1);
    assert.equal(order("v2.0.0-rc.1+incompatible", "v2.0.0"), -1);
    assert.equal(order("v2.0.0+incompatible", "v2.0.0"), 1);
    assert.equal(order("v2.0.0+incompatible", "v2.0.0-z"), 1);
  });

  it("is total", () => {
    fc.assert(
      fc.property(versionText, versionText, versionText, (a, b, c) => {
        assert.equal(order(a, a), 0);
        assert.equal(order(a, b), -order(b, a) + 0);
        assert.equal(order(a, b) === 0, a === b);
        if (order(a, b) <= 0 && order(b, c) <= 0) assert.ok(order(a, c) <= 0);
      }),
      { numRuns: 2000 },
    );
  });

  it("agrees with an implementation by big integers", () => {
    fc.assert(
      fc.property(versionText, versionText, (a, b) => assert.equal(order(a, b), Math.sign(compareSemver(a, b)))),
      { numRuns: 3000 },
    );
  });
});
