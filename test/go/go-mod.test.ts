import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseGoMod, parseGoWork, retractionsOf, shortMessage } from "../../src/go/index.ts";

const malformed = (message: RegExp) => ({ code: "MALFORMED_INPUT", message });

const WHOLE = `// Package x.

// Deprecated: use example.com/new
// instead.
//
// More about it.
module "example.com/old" // with a comment

go 1.21.0

toolchain go1.22.3

godebug default=go1.21

require (
	example.com/a v1.2.3
	example.com/b/v2 v2.0.0 // indirect
	gopkg.in/c.v1 v0.0.0-20161208181325-20d25e280405 // indirect; why
)
require "example.com/d" v4.0.0+incompatible //indirect

replace example.com/a => ../a
replace example.com/b/v2 v2.0.0 => example.com/fork v1.0.0

exclude example.com/a v1.0.0

tool example.com/a/cmd/x

ignore ./node_modules

// All of these.
retract (
	v1.0.0 // Leaked a key.
	// Too early.
	[v1.1.0, v1.2.0]
	v1.3.0
)
retract [ "v0.1.0" , v0.9.9 ]
`;

describe("a go.mod file", () => {
  it("is read whole", () => {
    const goMod = parseGoMod(WHOLE, "go.mod");
    assert.equal(goMod.module, "example.com/old");
    assert.equal(goMod.deprecated, "use example.com/new\ninstead.");
    assert.deepEqual([goMod.go, goMod.toolchain], ["1.21.0", "go1.22.3"]);
    assert.deepEqual(
      goMod.require.map(({ path, version, isIndirect, line }) => [path, version, isIndirect, line]),
      [
        ["example.com/a", "v1.2.3", false, 16],
        ["example.com/b/v2", "v2.0.0", true, 17],
        ["gopkg.in/c.v1", "v0.0.0-20161208181325-20d25e280405", true, 18],
        ["example.com/d", "v4.0.0+incompatible", true, 20],
      ],
    );
    assert.deepEqual(goMod.replace, [
      { path: "example.com/a", version: undefined, newPath: "../a", newVersion: undefined, line: 22 },
      { path: "example.com/b/v2", version: "v2.0.0", newPath: "example.com/fork", newVersion: "v1.0.0", line: 23 },
    ]);
    assert.deepEqual(goMod.exclude, [{ path: "example.com/a", version: "v1.0.0", line: 25 }]);
    assert.deepEqual(
      goMod.retract.map(({ low, high, rationale }) => [low, high, rationale]),
      [
        ["v1.0.0", "v1.0.0", "Leaked a key."],
        ["v1.1.0", "v1.2.0", "Too early."],
        ["v1.3.0", "v1.3.0", "All of these."],
        ["v0.1.0", "v0.9.9", ""],
      ],
    );
  });

  it("of a dependency is read without what counts only in the main module, and without what is unknown", () => {
    const text = `${WHOLE}future thing\nreplace nonsense\nfuture (\n\tx\n)\nretract >=v1.0.0\nretract [v1.0.0]\n`;
    const goMod = parseGoMod(text, "go.mod", { isDependency: true });
    assert.deepEqual([goMod.replace, goMod.exclude, goMod.toolchain], [[], [], undefined]);
    assert.equal(goMod.require.length, 4);
    // The go command takes any word for a bound; this one is no version and takes nothing back.
    assert.equal(goMod.retract.at(-1)?.low, ">=v1.0.0");
    assert.deepEqual(retractionsOf(goMod, "v1.5.0"), []);
    assert.equal(parseGoMod("go 1.18beta\n", "go.mod", { isDependency: true }).go, "1.18");
    // The go command passes over this, and takes the comment for one at the module line.
    const misleading = 'module m\nfuture "a\\\nb" // Deprecated: x\n';
    assert.throws(
      () => parseGoMod(misleading, "go.mod", { isDependency: true }),
      malformed(/ends within a quoted string/),
    );
  });

  it("with CRLF line ends, without a last line end, or empty, is one", () => {
    assert.equal(
      parseGoMod("module m\r\n\r\nrequire example.com/a v1.0.0 // indirect\r\n", "go.mod").require[0]?.isIndirect,
      true,
    );
    assert.equal(parseGoMod("module m", "go.mod").module, "m");
    assert.equal(parseGoMod("", "go.mod").module, "");
  });

  it("makes the versions of its requirements canonical, and keeps what was written", () => {
    const goMod = parseGoMod("require (\n\ta.b v1\n\ta.b v1.2\n\ta.b v1.2.3+meta\n)\n", "go.mod");
    assert.deepEqual(
      goMod.require.map(({ writtenVersion }) => writtenVersion),
      ["v1", "v1.2", "v1.2.3+meta"],
    );
    assert.deepEqual(
      goMod.require.map(({ version }) => version),
      ["v1.0.0", "v1.2.0", "v1.2.3"],
    );
  });

  it("is deprecated only by a paragraph that begins so, in the comment at its module line", () => {
    const of = (text: string) => parseGoMod(text, "go.mod").deprecated;
    assert.equal(of("module m // Deprecated: x\n"), "x");
    assert.equal(of("// Deprecated: x\nmodule (\n\tm\n)\n"), "x");
    assert.equal(of("// one\n//\n// Deprecated:   x\nmodule m\n"), "x");
    assert.equal(of("// one\n//\n//\n// Deprecated: x\nmodule m\n"), "x");
    assert.equal(of("// Deprecated: x\n\nmodule m\n"), undefined);
    assert.equal(of("// one\n// Deprecated: x\nmodule m\n"), undefined);
    assert.equal(of("// deprecated: x\nmodule m\n"), undefined);
    assert.equal(of("// Deprecated:\n//\n// Deprecated: x\nmodule m\n"), undefined);
    assert.equal(of("module m\n// Deprecated: x\n"), undefined);
  });

  it("is refused with file and line where it is wrong", () => {
    const cases: [string, RegExp][] = [
      ["module m\nfoo bar\n", /^go\.mod:2: unknown directive "foo"/],
      ["module a b\n", /^go\.mod:1: expected: module/],
      ["module a\nmodule b\n", /^go\.mod:2: a second module/],
      ["module 'a'\n", /has a quote/],
      ["module `a`\n", /has a quote/],
      ['module "a\n', /ends within a quoted string/],
      ['module "a', /does not end/],
      ['module "\\z"\n', /no quoted string/],
      ["go 1\n", /no Go version/],
      ["go v1.2\n", /no Go version/],
      ["go 1.2\ngo 1.2\n", /a second go/],
      ["go\n", /expected: go/],
      ["toolchain 1.2\n", /expected: toolchain/],
      ["toolchain go1.2\ntoolchain go1.2\n", /a second toolchain/],
      ["require a.b\n", /expected: require/],
      ["require a.b master\n", /no version like v1\.2\.3/],
      ["require a.b v1.2.3.4\n", /no version like/],
      ["require a.b v2.0.0\n", /that has v0 and v1/],
      ["require a.b/v2 v3.0.0\n", /that has v2/],
      ["require a.b/v1 v1.0.0\n", /no module path can end/],
      ["require gopkg.in/a v1.0.0\n", /no module path can end/],
      ["require (\n\ta.b v1.0.0\n", /^go\.mod:\d+: the block that begins in line 1/],
      ["require (\n) x\n", /goes on after/],
      ["require a.b (\n)\n", /no block can begin with "require a\.b"/],
      ["go (\n\t1.2\n)\n", /no block can begin with "go"/],
      ["exclude a.b v1\nexclude a.b\n", /^go\.mod:2: expected: exclude/],
      ["replace a.b => c.d\n", /needs a version/],
      ["replace a.b => ./c v1.0.0\n", /has no version/],
      ["replace a.b v1.0.0 v1.0.0 => ./c\n", /expected: replace/],
      ["replace a.b\n", /expected: replace/],
      ["replace a.b v2.0.0 => ./c\n", /that has v0/],
      ["retract [v1.0.0]\n", /expected: retract/],
      ["retract [v1.0.0, v1.1.0] x\n", /expected: retract/],
      ["retract 'v1'\n", /has a quote/],
      ["godebug x\n", /expected: godebug/],
      ["tool a b\n", /expected: tool/],
      ["/* x */\n", /no\w* in \/\*|begin with \/\//],
      ["a/*b\n", /begin with \/\//],
      ["module m\0\n", /U\+0000/],
      ["\ufeffmodule m\n", /U\+FEFF/],
      ["foo\u202ebar\n", /U\+202E/],
    ];
    for (const [text, message] of cases)
      assert.throws(() => parseGoMod(text, "go.mod"), malformed(message), JSON.stringify(text));
  });

  it("prints nothing in a refusal that a terminal obeys, and no more than a line can hold", () => {
    const long = `require ${"x".repeat(10_000)}\u001b[31m v1.0.0\n`;
    assert.throws(
      () => parseGoMod(long, "dir\x1b/go.mod"),
      (error: Error) => {
        return !/\p{Cc}/u.test(error.message) && error.message.length < 400;
      },
    );
  });

  it("of 16 MiB is read in time, and a larger one is refused", () => {
    const comment = `//${" ".repeat(200)}\n`.repeat(1000);
    assert.equal(parseGoMod(`${comment}module m // ${"x".repeat(1 << 18)}\n`, "go.mod").module, "m");
    const deprecated = `${"//\n".repeat(50_000)}// Deprecated: x\nmodule m\n`;
    assert.equal(parseGoMod(deprecated, "go.mod").deprecated, "x");
    assert.throws(() => parseGoMod(" ".repeat(16 * 1024 * 1024 + 1), "go.mod"), malformed(/more than/));
    assert.throws(() => parseGoMod("x\n".repeat(500_001), "go.mod"), malformed(/more than 500000 lines/));
  });
});

describe("retractions", () => {
  const goMod = parseGoMod(
    "retract [v1.0.0, v1.2.0] // early\nretract v1.1.0 // bad\nretract [v2, v3] // all\nretract [x, v0.5.0]\nretract [v9.0.0, x]\n",
    "go.mod",
    { isDependency: true },
  );

  it("hold for versions between their bounds, by precedence", () => {
    const of = (version: string) => retractionsOf(goMod, version).map(({ rationale }) => rationale);
    assert.deepEqual(of("v1.1.0"), ["early", "bad"]);
    assert.deepEqual(of("v1.2.0"), ["early"]);
    assert.deepEqual(of("v1.2.1-rc.1"), []);
    assert.deepEqual(of("v1.0.0-rc.1"), []);
    assert.deepEqual(of("v2.5.0+incompatible"), ["all"]);
    assert.deepEqual(of("v3.0.0+incompatible"), ["all"]);
    assert.deepEqual(of("v3.0.1"), []);
  });

  it("have a bound that is no version below all others, as with the go command", () => {
    assert.equal(retractionsOf(goMod, "v0.1.0").length, 1);
    assert.deepEqual(retractionsOf(goMod, "v9.1.0"), []);
    assert.throws(() => retractionsOf(goMod, "master"), RangeError);
  });

  it("and deprecations are shown by their first line, if it can be printed", () => {
    assert.equal(shortMessage(" one \ntwo"), "one");
    assert.equal(shortMessage(""), "");
    assert.match(shortMessage("x\x1b[31m"), /left out/);
    assert.match(shortMessage("x\u202ey"), /left out/);
    assert.match(shortMessage("x".repeat(501)), /too long/);
  });
});

describe("a go.work file", () => {
  it("is read whole", () => {
    const work = parseGoWork(
      'go 1.21\n\ntoolchain default\n\nuse ./a\nuse (\n\t"./b c" // why\n\t../d\n)\nreplace a.b v1 => ./x\ngodebug a=b\n',
      "go.work",
    );
    assert.deepEqual([work.go, work.toolchain], ["1.21", "default"]);
    assert.deepEqual(work.use, [
      { path: "./a", line: 5 },
      { path: "./b c", line: 7 },
      { path: "../d", line: 8 },
    ]);
    assert.deepEqual(work.replace, [
      { path: "a.b", version: "v1.0.0", newPath: "./x", newVersion: undefined, line: 10 },
    ]);
  });

  it("is refused with file and line where it is wrong", () => {
    const cases: [string, RegExp][] = [
      ["require a.b v1.0.0\n", /^go\.work:1: unknown directive/],
      ["use\n", /expected: use/],
      ["use a b\n", /expected: use/],
      ["go 1.18\ngo 1.18\n", /a second go/],
      ["toolchain x\n", /expected: toolchain/],
      ["toolchain default\ntoolchain default\n", /a second toolchain/],
      ["module m\n", /unknown directive/],
      ["require (\n)\n", /no block can begin/],
      ["use (\n", /is not closed/],
    ];
    for (const [text, message] of cases) assert.throws(() => parseGoWork(text, "go.work"), malformed(message), text);
  });
});
