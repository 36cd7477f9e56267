import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  familyMemberPath,
  familyOf,
  isGopkgIn,
  isModulePath,
  isVersionOfPath,
  majorsSubject,
  splitPathSuffix,
} from "../../src/vindex/module-path.ts";
import { parseVersion, type Version } from "../../src/vindex/version.ts";
import { needsTestData, readRealRecords } from "./reference.ts";
import { inBoundedTime, longTexts, PATHS, plainVersion } from "./samples.ts";

const fits = (path: string, version: string): boolean => isVersionOfPath(parseVersion(version) as Version, path);

/** The rules of x/mod module.CheckPath, step by step as in spec/map.md §3, without expressions over the whole path. */
function naiveIsModulePath(path: string): boolean {
  if (path.length === 0 || path[0] === "-") return false;
  const elements = path.split("/");
  for (const [i, element] of elements.entries()) {
    if (element.length === 0 || element[0] === "." || element.at(-1) === ".") return false;
    for (const c of element) {
      const isLower = (c >= "a" && c <= "z") || (c >= "0" && c <= "9") || c === "-" || c === ".";
      const isAny = isLower || (c >= "A" && c <= "Z") || c === "_" || c === "~";
      if (i === 0 ? !isLower : !isAny) return false;
    }
    const short = (element.split(".")[0] as string).toUpperCase();
    const device = ["CON", "PRN", "AUX", "NUL"].concat([..."123456789"].flatMap((n) => [`COM${n}`, `LPT${n}`]));
    if (device.includes(short)) return false;
    const tilde = short.lastIndexOf("~");
    if (tilde >= 0 && tilde < short.length - 1 && [...short.slice(tilde + 1)].every((c) => c >= "0" && c <= "9"))
      return false;
  }
  if (!(elements[0] as string).includes(".")) return false;
  const last = elements.at(-1) as string;
  const isNumber = (text: string): boolean => text !== "" && [...text].every((c) => c >= "0" && c <= "9");
  if (path.startsWith("gopkg.in/")) {
    const isUnstable = last.endsWith("-unstable");
    const stem = isUnstable ? last.slice(0, -9) : last;
    const dot = stem.lastIndexOf(".v");
    const digits = dot < 0 ? "" : stem.slice(dot + 2);
    if (dot <= 0 || !isNumber(digits)) return false;
    return digits === "0" ? !isUnstable : digits[0] !== "0";
  }
  if (elements.length === 1 || last[0] !== "v") return true;
  const rest = last.slice(1);
  if (rest === "" || ![...rest].every((c) => (c >= "0" && c <= "9") || c === ".")) return true;
  return isNumber(rest) && rest[0] !== "0" && rest !== "1";
}

describe("module paths", () => {
  it("are accepted", () => {
    const good = [
      "go4.org",
      "golang.org/x/mod",
      "github.com/BurntSushi/toml",
      "git.sr.ht/~sbinet/gg",
      "example.com/a_b/c-d/e.f",
      "a.b/-c-",
    ];
    good.push(
      "example.com/v2",
      "example.com/m/v2",
      "example.com/m/v10",
      "example.com/m/v99999999999999999999999",
      "example.com/m/v2/v3",
    );
    good.push(
      "example.com/v2x",
      "example.com/foov2",
      "example.com/foo.v2",
      "example.com/v",
      "example.com/1",
      "example.com/m/v2/x",
      "127.0.0.1/x",
    );
    good.push(
      "gopkg.in/yaml.v2",
      "gopkg.in/a/b.v0",
      "gopkg.in/x.v1-unstable",
      "gopkg.in/a.v1/b.v2",
      "gopkg.in/A.B.v3",
      "gopkg.in",
      "a.b-/c",
    );
    good.push(
      "example.com/con1",
      "example.com/com0",
      "example.com/com10",
      "example.com/a~b",
      "example.com/~",
      "example.com/~1a",
      "example.com/a~1b",
    );
    good.push(
      "example.com/a.con",
      "example.com/a.b~1",
      "example.com/icon",
      "example.com/m-v2",
      "example.com/V2",
      "x.y/v2/v2",
      "v2.com/x",
    );
    for (const path of good) {
      assert.equal(isModulePath(path), true, path);
      assert.equal(naiveIsModulePath(path), true, path);
    }
  });

  it("are refused", () => {
    const bad = [
      "",
      "/",
      "a",
      "foo/bar",
      "-a.b/c",
      "a.b/",
      "/a.b",
      "a.b//c",
      "a.b/c/",
      "A.b/c",
      "a_b.c/d",
      "a.b~/c",
      "github.com:443/a",
      "a.b/./c",
    ];
    bad.push(
      "a.b/../c",
      "a.b/.c",
      "a.b/c.",
      "a.b/...",
      ".a.b/c",
      "a.b./c",
      "a.b/c d",
      "a.b/c+d",
      "a.b/c@d",
      "a.b/c!d",
      "a.b/c*",
      "a.b/v*",
      "a.b/é",
    );
    bad.push(
      "a.b/c\n",
      "a.b/c\u0000",
      "\na.b/c",
      "a.b\\c",
      "a.b/c%20",
      "a.b/\u212a",
      "a.b/c\ud800",
      "a.b/ſ",
      "héllo.com/a",
      "a.b/[c]",
    );
    bad.push(
      "a.b/con",
      "a.b/CON",
      "a.b/Con.txt",
      "a.b/aux/c",
      "a.b/nul",
      "a.b/prn.x.y",
      "a.b/COM1",
      "a.b/lpt9",
      "con.a/b",
      "a.b/com9.tar.gz",
    );
    bad.push("a.b/foo~1", "a.b/~1", "a.b/a~12.x", "a.b/c~0/d", "a.b/~1~2");
    bad.push(
      "a.b/v0",
      "a.b/v1",
      "a.b/v02",
      "a.b/v2.0",
      "a.b/v2.",
      "a.b/v1.2.3",
      "a.b/m/v0",
      "a.b/m/v1",
      "a.b/m/v00",
      "a.b/m/v.2",
    );
    bad.push(
      "gopkg.in/yaml",
      "gopkg.in/yaml.v",
      "gopkg.in/yaml.v01",
      "gopkg.in/yaml.v2.0",
      "gopkg.in/yaml/v2",
      "gopkg.in/v2",
      "gopkg.in/.v2",
    );
    bad.push(
      "gopkg.in/x.v0-unstable",
      "gopkg.in/x.v-unstable",
      "gopkg.in/x.v2-Unstable",
      "gopkg.in/x.v2-unstable-unstable",
      "gopkg.in/a.v2/b",
      "gopkg.in/",
    );
    for (const path of bad) {
      assert.equal(isModulePath(path), false, JSON.stringify(path));
      assert.equal(naiveIsModulePath(path), false, JSON.stringify(path));
    }
  });

  it("agree with the rules step by step, for texts near the border", () => {
    const piece = fc.constantFrom(
      "a",
      "A",
      ".",
      "/",
      "v",
      "/v",
      ".v",
      "0",
      "1",
      "2",
      "-",
      "~",
      "_",
      "-unstable",
      "con",
      "COM1",
      "nul.x",
      "gopkg.in/",
      "x.y",
      " ",
    );
    const path = fc.array(piece, { maxLength: 7 }).map((list) => list.join(""));
    const near = fc.oneof(
      path,
      path.map((p) => `a.b/${p}`),
      path.map((p) => `gopkg.in/${p}`),
    );
    fc.assert(
      fc.property(near, (p) => assert.equal(isModulePath(p), naiveIsModulePath(p), p)),
      { numRuns: 8000 },
    );
  });

  it("are those of all real records", needsTestData, () => {
    const paths = new Set(readRealRecords().map(({ record }) => record.path));
    assert.equal(paths.size, 2160);
    for (const path of paths) assert.equal(naiveIsModulePath(path), true, path);
  });

  it("are read in bounded time", () => {
    for (const text of longTexts()) {
      for (const path of [text, `a.b/${text}`, `gopkg.in/${text}`, `a.b/c/v${text}`]) {
        inBoundedTime("isModulePath", () => [isModulePath(path), splitPathSuffix(path), familyOf(path)]);
      }
    }
  });
});

describe("version suffixes", () => {
  it("are split off", () => {
    const split = {
      "a.b/c": ["a.b/c", undefined, false],
      "a.b/c/v2": ["a.b/c", "2", false],
      "a.b/v10": ["a.b", "10", false],
      "a.b/v2/v3": ["a.b/v2", "3", false],
      "a.b/c.v2": ["a.b/c.v2", undefined, false],
      "a.b/cv2": ["a.b/cv2", undefined, false],
      "gopkg.in/yaml.v0": ["gopkg.in/yaml", "0", false],
      "gopkg.in/a/b.v12": ["gopkg.in/a/b", "12", false],
      "gopkg.in/x.v3-unstable": ["gopkg.in/x", "3", true],
      "gopkg.in": ["gopkg.in", undefined, false],
    };
    for (const [path, [basePath, major, isUnstable]] of Object.entries(split)) {
      assert.deepEqual(splitPathSuffix(path), { basePath, major, isUnstable }, path);
    }
  });

  it("are put on again", () => {
    for (const path of [...PATHS, "a.b/v2", "gopkg.in/a.v1/b.v2"]) {
      const member = familyOf(path);
      if (member === undefined) continue;
      assert.equal(familyMemberPath(member.basePath, member.major), path);
      assert.deepEqual(familyOf(familyMemberPath(member.basePath, member.major)), member);
    }
  });

  it("make families, but not of unstable paths and not of over 20 digits", () => {
    assert.deepEqual(familyOf("a.b/c/v99999999999999999999"), { basePath: "a.b/c", major: "99999999999999999999" });
    for (const path of [
      "a.b/c",
      "a.b/c/v100000000000000000000",
      "gopkg.in/x.v2-unstable",
      "gopkg.in/x.v100000000000000000000",
      "go4.org",
    ]) {
      assert.equal(familyOf(path), undefined, path);
    }
  });

  it("name subjects that are no module paths", () => {
    assert.equal(majorsSubject("a.b/c"), "a.b/c/v*");
    assert.equal(majorsSubject("gopkg.in/yaml"), "gopkg.in/yaml.v*");
    assert.equal(majorsSubject("gopkg.in"), "gopkg.in/v*");
    assert.equal(isGopkgIn("gopkg.in"), false);
    for (const subject of ["a.b/c/v*", "gopkg.in/yaml.v*", "toolchain"]) assert.equal(isModulePath(subject), false);
  });
});

describe("versions of paths", () => {
  it("have major 0 or 1 without a suffix, or +incompatible from 2 on", () => {
    for (const version of [
      "v0.0.0",
      "v1.2.3",
      "v1.0.0-rc.1",
      "v2.0.0+incompatible",
      "v0.0.0-20191109021931-daa7c04131f5",
      "v10.0.0-a+incompatible",
    ]) {
      assert.equal(fits("a.b/c", version), true, version);
    }
    for (const version of [
      "v2.0.0",
      "v10.0.0-rc.1",
      "v0.1.0+incompatible",
      "v1.2.3+incompatible",
      "v2.0.0-20191109021931-daa7c04131f5",
    ]) {
      assert.equal(fits("a.b/c", version), false, version);
    }
  });

  it("have the major of the suffix, and never +incompatible", () => {
    for (const path of ["a.b/c/v2", "gopkg.in/c.v2", "gopkg.in/c.v2-unstable"]) {
      assert.equal(fits(path, "v2.0.0-rc.1"), true, path);
      for (const version of [
        "v0.0.0-20191109021931-daa7c04131f5",
        "v1.0.0",
        "v3.0.0",
        "v20.0.0",
        "v2.0.0+incompatible",
        "v0.2.0",
      ]) {
        assert.equal(fits(path, version), false, `${path} ${version}`);
      }
    }
    assert.equal(fits("gopkg.in/c.v0", "v0.1.0"), true);
    assert.equal(fits("gopkg.in/c.v0", "v1.0.0"), false);
  });

  it("may be v0.0.0- under .v1, and only there", () => {
    const pseudo = "v0.0.0-20161208181325-20d25e280405";
    for (const path of ["gopkg.in/check.v1", "gopkg.in/check.v1-unstable"]) {
      assert.equal(fits(path, pseudo), true);
      assert.equal(fits(path, "v0.0.0-pre"), true);
      assert.equal(fits(path, `${pseudo}+incompatible`), false);
      for (const version of ["v0.0.0", "v0.0.1-20161208181325-20d25e280405", "v0.1.0"])
        assert.equal(fits(path, version), false, version);
    }
    assert.equal(fits("gopkg.in/check.v2", pseudo), false);
    assert.equal(fits("a.b/c/v2", pseudo), false);
  });

  it("fit one major of a path at most, but for paths without suffix", () => {
    fc.assert(
      fc.property(fc.constantFrom(...PATHS.slice(0, 9)), plainVersion, (path, text) => {
        const version = parseVersion(text) as Version;
        const { major } = splitPathSuffix(path) ?? {};
        const expected =
          major === undefined
            ? ["0", "1"].includes(version.major)
            : version.major === major || (path === "gopkg.in/x.v1" && text.startsWith("v0.0.0-"));
        assert.equal(isVersionOfPath(version, path), expected);
      }),
    );
  });
});
