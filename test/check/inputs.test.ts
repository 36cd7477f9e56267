import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, beforeEach, test } from "node:test";
import { type InputOptions, readInputs } from "../../src/check/inputs.ts";
import type { Inputs } from "../../src/check/item.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { inlineInfo, makeElf } from "../go/images.ts";

/** What is read from files, folders, binaries and lists; nothing is asked here. */

const folders: string[] = [];
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "proofdns-inputs-"));
  folders.push(folder);
});
after(() => {
  for (const one of folders) rmSync(one, { recursive: true, force: true });
});

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
  return path;
}

async function* chunks(text: string | Uint8Array): AsyncGenerator<Uint8Array> {
  yield typeof text === "string" ? encodeUtf8(text) : text;
}

function read(inputs: readonly string[], options: Partial<InputOptions> & { list?: string } = {}): Promise<Inputs> {
  const { list = "", ...rest } = options;
  return readInputs({ inputs, stdin: chunks(list), workingFolder: folder, ...rest });
}

/** `path@version`, with `~` before indirect ones. */
const items = (inputs: Inputs): string[] =>
  inputs.items.map(
    ({ path, current, query, isIndirect }) => `${isIndirect ? "~" : ""}${path}@${current?.text ?? query ?? ""}`,
  );
const skipped = (inputs: Inputs): string[] => inputs.skipped.map(({ name, reason }) => `${reason} ${name}`);
const problems = (inputs: Inputs): string[] => inputs.problems.map(({ error }) => `${error.code} ${error.message}`);

/** Bytes of a Go binary. */
function program(goVersion: string, main: string, deps = ""): Buffer {
  return makeElf(inlineInfo(goVersion, `path\texample.com/tool/cmd/x\n${main}${deps}`));
}
const SUM = "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const TOOL = `mod\texample.com/tool\tv1.2.3\t${SUM}\n`;

test("reads a go.mod: direct before indirect, replaced ones apart, with file and line", async () => {
  const file = write(
    "go.mod",
    `module example.com/me

go 1.22.3

toolchain go1.23.1

require (
	example.com/b v1.0.0
	example.com/z v0.1.0 // indirect
	example.com/a/v2 v2.0.0
)

require example.com/fork v1.0.0

replace example.com/fork => ../fork
replace example.com/b v0.9.0 => example.com/other v1.0.0
exclude example.com/b v1.2.0
`,
  );
  const inputs = await read([file]);
  assert.deepEqual(items(inputs), ["example.com/a/v2@v2.0.0", "example.com/b@v1.0.0", "~example.com/z@v0.1.0"]);
  assert.deepEqual(inputs.items[0]?.places, [{ file, line: 10 }]);
  assert.deepEqual([...(inputs.items[1]?.excluded ?? [])], ["v1.2.0"]);
  assert.deepEqual(inputs.skipped[0]?.detail, "replaced by ../fork");
  assert.deepEqual(
    inputs.toolchains.map(({ current, kind }) => `${kind} ${current}`),
    ["named go1.23.1"],
  );
  assert.deepEqual(inputs.goModFiles, [file]);
});

test("a go line with a patch names a toolchain, one without is a language version", async () => {
  const patch = await read([write("a/go.mod", "module example.com/me\n\ngo 1.22.3\n")]);
  assert.deepEqual(patch.toolchains[0]?.current, "go1.22.3");
  const language = await read([write("b/go.mod", "module example.com/me\n\ngo 1.22\n")]);
  assert.deepEqual(language.toolchains, []);
});

test("reads the modules of a workspace: each requirement once, members and replaced ones apart", async () => {
  write("a/go.mod", "module example.com/a\n\nrequire example.com/x v1.0.0\nrequire example.com/b v0.0.0\n");
  write("b/go.mod", "module example.com/b\n\nrequire example.com/x v1.0.0 // indirect\nrequire example.com/y v1.1.0\n");
  const file = write("go.work", "go 1.22\n\nuse (\n\t./a\n\t./b\n)\n\nreplace example.com/y => example.com/z v1.0.0\n");
  const inputs = await read([file]);
  assert.deepEqual(items(inputs), ["example.com/x@v1.0.0"]);
  assert.equal(inputs.items[0]?.places.length, 2);
  assert.deepEqual(skipped(inputs).sort(), ["replaced example.com/y", "workspace example.com/b"]);
});

test("a workspace that uses itself, the same folder by many ways, or what is not there, ends", async () => {
  write("a/go.mod", "module example.com/a\n\nrequire example.com/x v1.0.0\n");
  symlinkSync(".", join(folder, "loop"));
  write("go.work", "go 1.22\n\nuse ./a\nuse ./a/../a\nuse ./loop/loop/a\nuse ./missing\nuse .\n");
  const inputs = await read([folder]);
  assert.deepEqual(items(inputs), ["example.com/x@v1.0.0"]);
  assert.deepEqual(inputs.problems.length, 2, "./missing and . have no go.mod");
});

test("a folder is its go.work, else its go.mod, else all projects below and all binaries in it", async () => {
  write("go.mod", "module example.com/me\n\nrequire example.com/x v1.0.0\n");
  write("sub/go.mod", "module example.com/sub\n\nrequire example.com/y v1.0.0\n");
  assert.deepEqual(items(await read([folder])), ["example.com/x@v1.0.0"]);
  write("go.work", "go 1.22\n\nuse ./sub\n");
  assert.deepEqual(items(await read([folder])), ["example.com/y@v1.0.0"]);
  assert.deepEqual(items(await read([folder], { withoutWorkspace: true })), ["example.com/x@v1.0.0"]);
  write("many/p/go.mod", "module example.com/p\n\nrequire example.com/p1 v1.0.0\n");
  write("many/q/deep/go.mod", "module example.com/q\n\nrequire example.com/q1 v1.0.0\n");
  write("many/vendor/v/go.mod", "module example.com/v\n\nrequire example.com/v1 v1.0.0\n");
  write("many/node_modules/v/go.mod", "module example.com/v\n\nrequire example.com/v1 v1.0.0\n");
  write("many/tool", program("go1.24.1", TOOL));
  const many = await read([join(folder, "many")]);
  assert.deepEqual(items(many), ["example.com/p1@v1.0.0", "example.com/q1@v1.0.0", "example.com/tool@v1.2.3"]);
});

test("without an input the project around the working folder is read", async () => {
  write("go.mod", "module example.com/me\n\nrequire example.com/x v1.0.0\n");
  mkdirSync(join(folder, "deep", "er"), { recursive: true });
  assert.deepEqual(items(await read([], { workingFolder: join(folder, "deep", "er") })), ["example.com/x@v1.0.0"]);
});

test("of a binary the program, its toolchain and what it is made of; of a folder of them the programs alone", async () => {
  const deps = `dep\texample.com/d\tv1.0.0\t${SUM}\ndep\texample.com/e\tv1.1.0\t${SUM}\n`;
  const file = write("bin/tool", program("go1.24.1", TOOL, deps));
  const one = await read([file]);
  assert.deepEqual(items(one), ["example.com/tool@v1.2.3", "~example.com/d@v1.0.0", "~example.com/e@v1.1.0"]);
  assert.equal(one.items[0]?.program, "example.com/tool/cmd/x");
  assert.deepEqual(one.toolchains[0], { current: "go1.24.1", kind: "built", places: [{ file, line: undefined }] });
  write("bin/readme.txt", "no binary\n");
  const all = await read([join(folder, "bin")]);
  assert.deepEqual(items(all), ["example.com/tool@v1.2.3"]);
  assert.ok(all.remarks.some((remark) => remark.includes("--indirect")));
  assert.ok(all.remarks.some((remark) => remark.includes("1 file is no Go binary")));
  const both = await read([join(folder, "bin")], { isDirectWanted: true, isIndirectWanted: true });
  assert.equal(both.items.length, 3);
});

test("what of a binary cannot be compared with anything is said, with the reason", async () => {
  const deps = [
    `dep\texample.com/vendored\tv1.0.0\n`,
    `dep\texample.com/devel\t(devel)\n`,
    `dep\texample.com/replaced\tv1.0.0\n=>\texample.com/fork\tv1.0.1\t${SUM}\n`,
    `dep\texample.com/local\tv1.0.0\n=>\t./local\t(devel)\t\n`,
  ].join("");
  const cases: readonly (readonly [string, string])[] = [
    ["mod\texample.com/tool\t(devel)\t\n", "devel example.com/tool"],
    ["mod\texample.com/tool\tv1.2.4-0.20240102030405-0123456789ab\t\n", "untagged-build example.com/tool"],
    ["mod\texample.com/tool\tv1.2.3+dirty\t\n", "untagged-build example.com/tool"],
  ];
  for (const [main, expected] of cases) {
    const inputs = await read([write("tool", program("go1.24.1", main, deps))]);
    assert.deepEqual(items(inputs), []);
    assert.deepEqual(skipped(inputs), [
      expected,
      "devel example.com/devel",
      "replaced example.com/local",
      "replaced example.com/replaced",
      "vendored example.com/vendored",
    ]);
    assert.deepEqual(problems(inputs), []);
  }
});

test("a package that a binary names outside its module, or in characters of a shell, is not installed", async () => {
  for (const path of [
    "evil.example/x",
    "example.com/toolbox",
    "example.com/tool/$(reboot)",
    "example.com/tool/a b;c",
  ]) {
    const bytes = makeElf(inlineInfo("go1.24.1", `path\t${path}\n${TOOL}`));
    const inputs = await read([write("tool", bytes)]);
    assert.equal(inputs.items[0]?.program, "example.com/tool", path);
  }
});

test("a file that is no Go binary is said to be none, with the reason", async () => {
  const inputs = await read([write("script", "#!/bin/sh\n")]);
  assert.deepEqual(skipped(inputs), [`no-build-info ${join(folder, "script")}`]);
  assert.match(inputs.skipped[0]?.detail ?? "", /not a Go binary: /);
});

/** Runs as a user to whom files may be closed. */
async function asNobody<T>(run: () => Promise<T>): Promise<T> {
  const { seteuid, getuid } = process;
  if (getuid?.() !== 0 || seteuid === undefined) return run();
  chmodSync(folder, 0o755);
  seteuid(65_534);
  try {
    return await run();
  } finally {
    seteuid(0);
  }
}

test("a file that cannot be read is a problem of the check, not a file that is passed over", async () => {
  write("bin/good", program("go1.24.1", TOOL));
  chmodSync(write("bin/closed", program("go1.24.1", TOOL)), 0);
  const inputs = await asNobody(() => read([join(folder, "bin")]));
  assert.equal(inputs.items.length, 1);
  assert.equal(inputs.problems.length, 1);
});

test("a folder, a go.mod and a go.work that are closed are problems, each in one sentence", async () => {
  chmodSync(write("a/go.mod", "module example.com/a\n"), 0);
  chmodSync(write("b/go.work", "go 1.22\n"), 0);
  write("c/go.mod", "module example.com/c\n");
  chmodSync(join(folder, "c"), 0);
  const inputs = await asNobody(() => read(["a/go.mod", "b", "c", "c/go.mod"].map((name) => join(folder, name))));
  assert.equal(inputs.problems.length, 4);
  for (const text of problems(inputs)) assert.match(text, /^MALFORMED_INPUT cannot /);
});

test("a binary that contradicts itself is a problem, and those beside it are read", async () => {
  const bytes = program("go1.24.1", TOOL);
  write("bin/cut", bytes.subarray(0, bytes.length - 40));
  write("bin/good", bytes);
  const inputs = await read([join(folder, "bin")]);
  assert.deepEqual(items(inputs), ["example.com/tool@v1.2.3"]);
  assert.equal(inputs.problems.length, 1);
  assert.match(problems(inputs)[0] ?? "", /MALFORMED_INPUT .*cut/);
});

test("refuses what is not there, and what is neither file nor folder, in one sentence each", async () => {
  write("empty/x.txt", "");
  const missing = relative(process.cwd(), join(folder, "nowhere"));
  const inputs = await read([missing, "/dev/null", join(folder, "empty"), write("go.sum", "")]);
  assert.deepEqual(inputs.items, []);
  const [first, second, third, fourth] = problems(inputs);
  assert.match(first ?? "", /there is no .*nowhere; name a go.mod/);
  assert.match(second ?? "", /neither a file nor a folder/);
  assert.match(third ?? "", /nothing to check in/);
  assert.match(fourth ?? "", /proofdns verify/);
});

test("one bad input does not keep the others from being read", async () => {
  const good = write("go.mod", "module example.com/me\n\nrequire example.com/x v1.0.0\n");
  const bad = write("bad/go.mod", "module example.com/me\n\nrequire {\n");
  const inputs = await read([bad, good]);
  assert.deepEqual(items(inputs), ["example.com/x@v1.0.0"]);
  assert.equal(inputs.problems.length, 1);
  assert.match(problems(inputs)[0] ?? "", /bad\/go\.mod:3/);
});

test("a hostile go.mod: escapes of a terminal, no paths, huge lines, thousands of modules", async () => {
  const hostile = await read([
    write("a/go.mod", 'module example.com/me\n\nrequire "example.com/\\u001b[2Jx" v1.0.0\nrequire "..\\\\x" v1.0.0\n'),
  ]);
  assert.deepEqual(hostile.items, []);
  assert.equal(hostile.problems.length, 2);
  for (const text of problems(hostile)) assert.ok(!text.includes("\u001b"), JSON.stringify(text));
  const huge = await read([
    write("b/go.mod", `module example.com/me\n\nrequire example.com/${"x".repeat(1_000_000)} v1.0.0\n`),
  ]);
  assert.equal(huge.items.length + huge.problems.length, 1);
});

test("a go.mod that is a folder is refused", async () => {
  mkdirSync(join(folder, "x", "go.mod"), { recursive: true });
  assert.match(problems(await read([join(folder, "x")]))[0] ?? "", /nothing to check/);
});

test("reads lists: module@version, go list -m all, and JSON of the go command", async () => {
  const lines = await read(["-"], { list: "example.com/a@v1.0.0\nexample.com/b\nexample.com/c@v1.4 # comment\n" });
  assert.deepEqual(items(lines), ["example.com/a@v1.0.0", "example.com/b@", "example.com/c@v1.4"]);
  const golist = await read(["-"], {
    list: "example.com/me\nexample.com/a v1.0.0\nexample.com/b v1.0.0 => ../b\nexample.com/c v1.0.0 => example.com/d v1.0.1\n",
  });
  assert.deepEqual(items(golist), ["example.com/a@v1.0.0"]);
  assert.deepEqual(skipped(golist), ["replaced example.com/b", "replaced example.com/c", "workspace example.com/me"]);
  const json = await read(["-"], {
    list: '{"Path":"example.com/me","Main":true}\n{"Path":"example.com/a","Version":"v1.0.0","Indirect":true}\n',
  });
  assert.deepEqual(items(json), ["~example.com/a@v1.0.0"]);
  const build = await read(["-"], {
    list: JSON.stringify({
      GoVersion: "go1.24.1",
      Path: "example.com/tool",
      Main: { Path: "example.com/tool", Version: "v1.0.0" },
      Deps: [
        { Path: "example.com/a", Version: "v1.0.0", Sum: SUM },
        { Path: "example.com/v", Version: "v1.0.0" },
      ],
    }),
  });
  assert.deepEqual(items(build), ["example.com/tool@v1.0.0", "~example.com/a@v1.0.0"]);
  assert.deepEqual(skipped(build), ["vendored example.com/v"]);
  assert.equal(build.toolchains[0]?.current, "go1.24.1");
});

test("refuses lists that are none: empty, not UTF-8, branches, no paths, JSON that ends early", async () => {
  for (const list of [
    "",
    "\n\n# only comments\n",
    "example.com/a@master\n",
    "nodots@v1.0.0\n",
    '{"Path":',
    "a b c d\n",
  ]) {
    const inputs = await read(["-"], { list });
    assert.deepEqual(items(inputs), [], list);
    assert.equal(inputs.problems.length, 1, list);
  }
  const bytes = await readInputs({
    inputs: ["-"],
    stdin: chunks(Uint8Array.of(0xff, 0xfe, 0x00)),
    workingFolder: folder,
  });
  assert.equal(bytes.problems.length, 1);
});

test("module@version as an argument is a list of one; a file of that name goes first", async () => {
  assert.deepEqual(items(await read(["example.com/a@v1.0.0", "example.com/a@v1.4", "example.com/a@latest"])), [
    "example.com/a@latest",
    "example.com/a@v1.4",
    "example.com/a@v1.0.0",
  ]);
  assert.equal((await read(["example.com/a@"])).problems.length, 1);
  assert.equal((await read(["../a@v1.0.0"])).problems.length, 1);
});

test("--direct, --indirect and --ignore leave out what they say, and what is ignored is counted", async () => {
  const file = write(
    "go.mod",
    "module example.com/me\n\nrequire example.com/a v1.0.0\nrequire example.com/b v1.0.0 // indirect\n",
  );
  assert.deepEqual(items(await read([file], { isDirectWanted: true })), ["example.com/a@v1.0.0"]);
  assert.deepEqual(items(await read([file], { isIndirectWanted: true })), ["~example.com/b@v1.0.0"]);
  const ignored = await read([file], { ignore: ["example.com/a", "*.corp.example"] });
  assert.deepEqual([items(ignored), skipped(ignored)], [["~example.com/b@v1.0.0"], ["ignored example.com/a"]]);
});

test("the same module at several versions over several inputs is there once for each version", async () => {
  const a = write("a/go.mod", "module example.com/1\n\nrequire example.com/x v1.0.0\n");
  const b = write("b/go.mod", "module example.com/2\n\nrequire example.com/x v1.1.0 // indirect\n");
  const c = write("c/go.mod", "module example.com/3\n\nrequire example.com/x v1.0.0 // indirect\n");
  const inputs = await read([a, b, c, a]);
  assert.deepEqual(items(inputs), ["example.com/x@v1.0.0", "~example.com/x@v1.1.0"]);
  assert.deepEqual(
    inputs.items[0]?.places.map(({ file }) => file),
    [a, c],
  );
});

test("a vendor folder is remarked upon, for what is in use stands there", async () => {
  write("vendor/modules.txt", "# example.com/x v1.0.0\n");
  const inputs = await read([write("go.mod", "module example.com/me\n\nrequire example.com/x v1.0.0\n")]);
  assert.deepEqual([inputs.items.length, inputs.remarks.length], [1, 1]);
});
