import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseBuildInfoText } from "../../src/go/build-info-text.ts";
import { formatVersionM } from "../../src/go/index.ts";

const malformed = (message: RegExp) => ({ code: "MALFORMED_INPUT", message });

describe("the module text of a binary", () => {
  it("is parsed into modules, replacements and settings", () => {
    const text =
      "path\texample.com/app/cmd/x\nmod\texample.com/app\tv1.0.0\th1:a=\ndep\texample.com/vendored\tv1.1.0\n" +
      'dep\texample.com/dep\tv1.2.3\n=>\t./local\t(devel)\t\n\nfuture\tx\nbuild\t-ldflags="-X main.v=a=b"\nbuild\t"a=b"=`c d`\nbuild\tCGO_CFLAGS=\n';
    const info = parseBuildInfoText(text, "app");
    assert.deepEqual(info, {
      path: "example.com/app/cmd/x",
      main: { path: "example.com/app", version: "v1.0.0", sum: "h1:a=", replace: undefined },
      deps: [
        { path: "example.com/vendored", version: "v1.1.0", sum: undefined, replace: undefined },
        {
          path: "example.com/dep",
          version: "v1.2.3",
          sum: undefined,
          replace: { path: "./local", version: "(devel)", sum: undefined, replace: undefined },
        },
      ],
      settings: [
        ["-ldflags", "-X main.v=a=b"],
        ["a=b", "c d"],
        ["CGO_CFLAGS", ""],
      ],
    });
  });

  it("has no line behind the last line end", () => {
    assert.equal(parseBuildInfoText("path\ta\npath\tb", "app").path, "a");
    assert.deepEqual(parseBuildInfoText("", "app"), { path: "", main: undefined, deps: [], settings: [] });
  });

  it("is refused with its line where it is wrong", () => {
    const cases: [string, RegExp][] = [
      ["path\ta\ndep\tx\n", /^app: line 2 of its build information: 1 columns/],
      ["dep\ta\tb\tc\td\n", /4 columns/],
      ["dep\ta\tb\tc\td\te\tf\n", /4 columns/],
      ["mod\tx\n", /1 columns/],
      ["=>\ta\tv1\t\n", /replacement of nothing/],
      ["dep\ta\tv1\t\n=>\tb\tv1\t\n=>\tc\tv1\t\n", /line 3.*replacement of nothing/],
      ["dep\ta\tv1\t\n=>\tb\tv1\n", /2 columns/],
      ["dep\ta\x1b[31m\tv1\t\n", /cannot be printed/],
      ["dep\ta\u202eb\tv1\t\n", /cannot be printed/],
      ["path\ta\x07\n", /cannot be printed/],
      ["build\t\n", /without a name or value/],
      ["build\t=x\n", /without a name or value/],
      ["build\tx\n", /without a name or value/],
      ['build\t"x\n', /without a name or value/],
      ['build\t"x"y\n', /without a name or value/],
      ['build\t"\\q"=y\n', /quotes are wrong/],
      ["build\ta b=y\n", /quotes are wrong/],
      ["build\ta=b c\n", /quotes are wrong/],
      ['build\ta="b\n', /quotes are wrong/],
    ];
    for (const [text, message] of cases)
      assert.throws(() => parseBuildInfoText(text, "app"), malformed(message), JSON.stringify(text));
  });

  it("has at most as many lines as any program could have modules", () => {
    assert.throws(() => parseBuildInfoText("x\n".repeat(200_001), "app"), malformed(/more than 200000 lines/));
  });

  it("is printed so that a terminal obeys nothing in it", () => {
    const settings = [
      ["a\x1b", "b\x1b[2J"],
      ["", "x y"],
      ["k", "\u202e"],
    ] as const;
    const module = { path: "m", version: "v1.0.0", sum: undefined, replace: undefined };
    const text = formatVersionM("dir/\x1b[31mapp", {
      goVersion: "go1.19",
      path: "",
      main: undefined,
      deps: [module],
      settings,
    });
    assert.equal(
      text,
      'dir/\ufffd[31mapp: go1.19\n\tdep\tm\tv1.0.0\t\n\tbuild\t"a\\x1b"="b\\x1b[2J"\n\tbuild\t""="x y"\n\tbuild\tk="\\u202e"\n',
    );
  });
});
