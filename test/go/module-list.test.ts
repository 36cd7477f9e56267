import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseModuleList } from "../../src/go/index.ts";

const of = (text: string) => parseModuleList(text, "-").modules.map(({ path, version, line }) => [path, version, line]);

describe("a list of modules", () => {
  it("has a module a line, with comments and blank lines", () => {
    const text =
      "example.com/a@v1.2.3\n\n# all\nexample.com/b v1.0.0  # why\r\n// more\n  example.com/c\t\nexample.com/d v1 // x\r\n";
    assert.deepEqual(of(text), [
      ["example.com/a", "v1.2.3", 1],
      ["example.com/b", "v1.0.0", 4],
      ["example.com/c", undefined, 6],
      ["example.com/d", "v1", 7],
    ]);
    const replaced = parseModuleList("a.b v1.0.0 => ../x\nc.d v1.0.0 => e.f v2.0.0\n", "-").modules;
    assert.deepEqual(
      replaced.map(({ replace }) => replace),
      [
        { path: "../x", version: undefined },
        { path: "e.f", version: "v2.0.0" },
      ],
    );
    assert.deepEqual(parseModuleList("", "-"), { kind: "lines", modules: [], goVersions: [] });
  });

  it("may be what go list -m -json prints", () => {
    const text =
      '{\n\t"Path": "example.com/main",\n\t"Main": true\n}\n{\n\t"Path": "a.b", "Version": "v1.0.0", "Indirect": true, "Sum": "h1:x", "GoModSum": "h1:y", "Replace": {"Path": "../z"}\n}';
    const list = parseModuleList(text, "-");
    assert.equal(list.kind, "go-list");
    assert.deepEqual(list.modules, [
      {
        path: "example.com/main",
        version: undefined,
        sum: undefined,
        goModSum: undefined,
        isMain: true,
        isIndirect: false,
        replace: undefined,
        line: 1,
      },
      {
        path: "a.b",
        version: "v1.0.0",
        sum: "h1:x",
        goModSum: "h1:y",
        isMain: false,
        isIndirect: true,
        replace: { path: "../z", version: undefined },
        line: 5,
      },
    ]);
    assert.equal(parseModuleList('[{"Path":"a.b"},{"Path":"c.d"}]', "-").modules.length, 2);
  });

  it("may be what go version -m prints, with or without -json", () => {
    const json =
      '{"GoVersion":"go1.24.1","Path":"x","Main":{"Path":"a.b","Version":"(devel)"},"Deps":[{"Path":"c.d","Version":"v1.0.0","Sum":"h1:x","Replace":{"Path":"e.f","Version":"v1.1.0","Sum":"h1:y"}}]}\n{"GoVersion":"go1.23","Path":"y","Main":{"Path":""},"Deps":null,"Settings":[]}';
    const list = parseModuleList(json, "-");
    assert.deepEqual([list.kind, list.goVersions], ["build-info", ["go1.24.1", "go1.23"]]);
    assert.deepEqual(
      list.modules.map(({ path, isMain, replace }) => [path, isMain, replace?.path]),
      [
        ["a.b", true, undefined],
        ["c.d", false, "e.f"],
      ],
    );
    const text =
      "/bin/x: go1.24.1\n\tpath\tx\n\tmod\ta.b\t(devel)\t\n\tdep\tc.d\tv1.0.0\n\t=>\te.f\tv1.1.0\th1:y\n\t\n\tbuild\tGOOS=linux\n/bin/y: go1.23\n\tmod\tg.h\tv1.0.0\th1:z\n";
    const lines = parseModuleList(text, "-");
    assert.deepEqual([lines.kind, lines.goVersions], ["build-info", ["go1.24.1", "go1.23"]]);
    assert.deepEqual(
      lines.modules.map(({ path, version, isMain, sum, replace }) => [path, version, isMain, sum, replace?.path]),
      [
        ["a.b", "(devel)", true, undefined, undefined],
        ["c.d", "v1.0.0", false, undefined, "e.f"],
        ["g.h", "v1.0.0", true, "h1:z", undefined],
      ],
    );
  });

  it("is refused with its line where it is wrong", () => {
    const cases: [string, RegExp][] = [
      ["a.b v1.0.0\nx y z\n", /^-:2: "x y z" is not a module/],
      ["@v1.0.0\n", /is not a module/],
      ["a.b@\n", /is not a module/],
      ["a.b v1 =>\n", /is not a module/],
      ["=> a.b\n", /is not a module/],
      ["a.b => c d e\n", /is not a module/],
      ["{", /^-:1: expected a JSON object that ends/],
      ['{"Path":"a.b"} x', /nothing between/],
      ['{"Path":"a.b"}}', /nothing between/],
      ['\n\n{"Path":a}', /^-:3: .*not JSON/],
      ['{"Path":1}', /"Path" is not text/],
      ["{}", /the object has no Path of a module; expected what go list -m -json/],
      ["[1]", /expected JSON objects/],
      ['{"Path":"a.b","Main":"yes"}', /"Main" is not/],
      ['{"Path":"a.b","Replace":[]}', /"Replace" is not an object/],
      ['{"GoVersion":"go1","Deps":{}}', /"Deps" is not a list/],
      ['{"GoVersion":"go1","Deps":[1]}', /"Deps" is not a list of objects/],
      ['{"Path":"a.b"}{"GoVersion":"go1","Deps":[]}', /another kind/],
      ["[".repeat(100) + "]".repeat(100), /expected a JSON object/],
      ["x: go1\n\tdep\t\n", /without a path/],
      ["x: go1\n\t=>\ta\n\tdep\ta\tv1\n", /replacement of nothing/],
    ];
    for (const [text, message] of cases)
      assert.throws(() => parseModuleList(text, "-"), { code: "MALFORMED_INPUT", message }, text);
  });

  it("gives its wrong lines to who takes them, and the others are read", () => {
    const refused: [number, string][] = [];
    const list = parseModuleList("a.b v1.0.0\nx y z\n@v1\nc.d@v2.0.0\n=> \n", "-", (error, line) =>
      refused.push([line, error.code]),
    );
    assert.deepEqual(
      list.modules.map(({ path, line }) => [path, line]),
      [
        ["a.b", 1],
        ["c.d", 4],
      ],
    );
    assert.deepEqual(refused, [
      [2, "MALFORMED_INPUT"],
      [3, "MALFORMED_INPUT"],
      [5, "MALFORMED_INPUT"],
    ]);
  });

  it("gives its wrong objects to who takes them, and the others are read", () => {
    const read = (text: string): [string[], number[]] => {
      const refused: number[] = [];
      const list = parseModuleList(text, "-", (error, line) => {
        assert.equal(error.code, "MALFORMED_INPUT");
        refused.push(line);
      });
      return [list.modules.map(({ path, replace }) => `${path}${replace === undefined ? "" : " =>"}`), refused];
    };
    const a = '{"Path":"a.b"}\n';
    const z = '{"Path":"y.z"}';
    for (const odd of [
      '{"a":1}',
      '{"Path":1}',
      '{"Path":"c.d","Main":2}',
      '{"Path":c}',
      '{"GoVersion":"go1","Deps":[]}',
    ]) {
      assert.deepEqual(read(`${a}${odd}\n${z}`), [["a.b", "y.z"], [2]], odd);
      assert.deepEqual(read(`${odd}\n${odd}`)[1].length > 0, !odd.includes("GoVersion"), odd);
    }
    assert.deepEqual(read(`[${a},1,null,[],${z}]`), [
      ["a.b", "y.z"],
      [1, 1, 1],
    ]);
    // Nothing of an object that is wrong in part.
    const build = '{"GoVersion":"go1","Main":{"Path":"c.d"},"Deps":[{"Path":"e.f"}]}';
    assert.deepEqual(read(`{"GoVersion":"go1","Main":{"Path":"a.b"},"Deps":[1]}${build}`), [["c.d", "e.f"], [1]]);
    // What breaks off is refused once, and nothing is guessed behind it.
    for (const end of ["{", '{"Path":', "warning: x\n{}", "}", "[".repeat(200_000)]) {
      assert.deepEqual(read(`${a}${end}`), [["a.b"], [2]], end.slice(0, 20));
    }
    assert.deepEqual(read("{"), [[], [1]]);
    // Of go version -m; what replaced the refused module replaces no other.
    const versionM =
      "x: go1\n\t=>\tq.r\tv1\n\tdep\ta.b\tv1\n\tdep\t\tv1\n\t=>\tc.d\tv1\n\tdep\ty.z\tv1\n\t=>\te.f\tv1\n";
    assert.deepEqual(read(versionM), [
      ["a.b", "y.z =>"],
      [2, 4],
    ]);
  });

  it("may have what go list -m -u adds, and nothing else behind a version", () => {
    const text =
      "me.io\na.b v1.0.0 [v1.0.1]\nc.d v1.0.0 (retracted) [v1.2.0]\ne.f v1.0.0 [v1.1.0 (retracted)] (deprecated)\ng.h v1.0.0 [v1.0.1] => i.j v1.0.0 (retracted) [v1.1.0]\nk.l v1.0.0 (retracted) => ../k (deprecated)\n";
    assert.deepEqual(of(text), [
      ["me.io", undefined, 1],
      ["a.b", "v1.0.0", 2],
      ["c.d", "v1.0.0", 3],
      ["e.f", "v1.0.0", 4],
      ["g.h", "v1.0.0", 5],
      ["k.l", "v1.0.0", 6],
    ]);
    assert.deepEqual(parseModuleList(text, "-").modules[4]?.replace, { path: "i.j", version: "v1.0.0" });
    for (const wrong of ["a.b v1 [latest]", "a.b v1 (gone)", "a.b v1 [v1.0.1", "a.b v1 [v1.0.1]x", "a.b v1 [v1 v2]"]) {
      assert.throws(() => of(wrong), { code: "MALFORMED_INPUT" }, wrong);
    }
    assert.equal(of(`a.b v1${" [v1]".repeat(100_000)}`).length, 1);
    assert.throws(() => of(`a.b v1 ${"[v".repeat(200_000)}`), { code: "MALFORMED_INPUT" });
  });

  it("has keys that are no more than keys", () => {
    assert.throws(() => parseModuleList('{"__proto__":{"Path":"a.b"}}', "-"), { code: "MALFORMED_INPUT" });
    assert.deepEqual(of('{"Path":"__proto__","constructor":1}'), [["__proto__", undefined, 1]]);
  });

  it("is read in time, however long its lines and however deep its brackets", () => {
    assert.throws(() => parseModuleList(`a ${" #".repeat(200_000)}`.replaceAll("#", "x"), "-"), {
      code: "MALFORMED_INPUT",
    });
    assert.equal(of(`a.b v1 ${"#".repeat(500_000)}`).length, 1);
    assert.throws(() => parseModuleList("[".repeat(200_000), "-"), { code: "MALFORMED_INPUT" });
    assert.equal(of('{"Path":"a"}\n'.repeat(5_000)).length, 5_000);
  });
});
