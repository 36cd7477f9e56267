import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
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

/** A workspace whose modules a and b require each other and what it replaces; c beside them is not of it. */
function writeWorkspace(): void {
  const requires = "require example.com/x v1.0.0\nrequire example.com/y v1.1.0\nrequire example.com/w v1.0.0\n";
  write("ws/a/go.mod", `module example.com/a\n\nrequire example.com/b v0.1.0\n${requires}`);
  write("ws/b/go.mod", "module example.com/b\n\nrequire example.com/z v1.0.0\nreplace example.com/w => ../w\n");
  write("ws/c/go.mod", "module example.com/c\n\nrequire example.com/b v0.1.0\n");
  write("ws/go.work", "go 1.22\n\nuse (\n\t./a\n\t./b\n)\n\nreplace example.com/y => ../y\n");
}
const OUTSIDE = ["replaced example.com/w", "replaced example.com/y", "workspace example.com/b"];

test("the workspace above a project counts, whichever way the project is named: its modules are not asked about", async () => {
  writeWorkspace();
  const a = join(folder, "ws/a");
  write("ws/a/deep/er/x.txt", "");
  for (const [inputs, workingFolder] of [
    [[], a],
    [[], join(a, "deep/er")],
    [[a], folder],
    [[join(a, "go.mod")], folder],
    [[relative(process.cwd(), join(a, "go.mod"))], folder],
  ] as const) {
    const inputsRead = await read(inputs, { workingFolder });
    assert.deepEqual(items(inputsRead), ["example.com/x@v1.0.0"], inputs.join());
    assert.deepEqual(skipped(inputsRead).sort(), OUTSIDE);
    assert.deepEqual(problems(inputsRead), []);
    assert.equal(inputsRead.remarks.length, 1);
    assert.match(inputsRead.remarks[0] ?? "", /^in the workspace of .*\/ws\/go\.work: /);
  }
});

test("GOWORK passes the workspace over, names another, or is refused", async () => {
  writeWorkspace();
  const a = join(folder, "ws/a");
  const all = ["example.com/b@v0.1.0", "example.com/w@v1.0.0", "example.com/x@v1.0.0", "example.com/y@v1.1.0"];
  const off = await read([a], { goWork: "off" });
  assert.deepEqual([items(off), off.remarks], [all, []]);
  for (const goWork of ["", "auto", undefined]) assert.deepEqual(items(await read([a], { goWork })), [all[2]]);

  const other = write("other/go.work", "go 1.22\nuse ../ws/a\nreplace example.com/x => ./x\n");
  const named = await read([a], { goWork: other });
  assert.deepEqual(items(named), [all[0], all[1], all[3]]);
  // The go.work of the folder itself is not the one that counts, and there is no go.mod beside it.
  assert.deepEqual(items(await read([join(folder, "other")], { goWork: other })), [all[0], all[1], all[3]]);
  mkdirSync(join(folder, "empty"));
  const nowhere = await read([], { goWork: other, workingFolder: join(folder, "empty") });
  assert.deepEqual(items(nowhere), [all[0], all[1], all[3]]);

  for (const goWork of ["go.work", "../ws/go.work", "OFF", "\u001b[31mx"]) {
    const refused = await read([a], { goWork });
    assert.deepEqual(items(refused), []);
    assert.match(problems(refused).join(), /^MALFORMED_INPUT GOWORK is ".*", which is not an absolute path/);
    assert.ok(!problems(refused).join().includes("\u001b"));
  }
  const missing = await read([a], { goWork: join(folder, "none/go.work") });
  assert.deepEqual([items(missing), problems(missing).length], [[], 1]);
});

test("below a folder, a go.work that does not count hides none of the modules in it", async () => {
  writeWorkspace();
  const off = await read([folder], { goWork: "off" });
  assert.deepEqual(
    off.goModFiles.map((file) => relative(folder, file)),
    ["ws/a/go.mod", "ws/b/go.mod", "ws/c/go.mod"],
  );
  const wanted = await read([folder]);
  assert.deepEqual(wanted.goModFiles.length, 3, "c, which it does not use, by itself");
});

const required = (inputs: Inputs): string[] => items(inputs).map((item) => item.replace(/^.*\/|@.*$/g, ""));

/** A go.mod that requires one module, which is named like it. */
function writeModule(name: string, required = name.replaceAll("/", "-")): string {
  return write(`${name}/go.mod`, `module example.com/of/${required}\n\nrequire example.com/${required} v1.0.0\n`);
}

test("below a folder, modules in modules are checked, and what a go.work uses once", async () => {
  for (const name of ["nest/aa", "nest/aa/tools", "nest/aa/deep/er/x", "nest/bb"]) writeModule(name);
  for (const name of ["nest/aa/vendor/v", "nest/aa/testdata/v", "nest/aa/.git/v", "nest/aa/_v"]) writeModule(name);
  assert.deepEqual(required(await read([join(folder, "nest")])), [
    "nest-aa",
    "nest-aa-deep-er-x",
    "nest-aa-tools",
    "nest-bb",
  ]);
  // A go.work uses some of what is below it, and a module beside it or below it none.
  write("work/w/go.work", "use (\n\t./in\n\t./in/tools\n)\n");
  for (const name of ["work/w", "work/w/in", "work/w/in/tools", "work/w/out"]) writeModule(name);
  const inputs = await read([join(folder, "work")]);
  assert.deepEqual(required(inputs), ["work-w", "work-w-in", "work-w-in-tools", "work-w-out"]);
  assert.deepEqual(
    inputs.items.map(({ places }) => places.length),
    [1, 1, 1, 1],
  );
  assert.deepEqual(problems(inputs), []);
  assert.equal(inputs.remarks.filter((remark) => remark.includes("is not used by")).length, 2);
  // Of a workspace that cannot be read no module is asked about, also not by itself.
  write("work/w/go.work", "use (\n");
  const broken = await read([join(folder, "work")]);
  assert.deepEqual(items(broken), []);
});

test("a workspace is read once, whatever leads to it", async () => {
  writeWorkspace();
  write("ws/b/go.mod", "module example.com/b\n\nwat\n");
  const inputs = await read([relative(process.cwd(), join(folder, "ws/go.work")), join(folder, "ws/a"), folder]);
  assert.equal(inputs.problems.length, 1);
});

test("a workspace above that cannot be read lets nothing be asked; one of its modules that cannot is a problem once", async () => {
  writeWorkspace();
  write("ws/b/go.mod", "\tmodule\texample.com/b // here\n\nexclude example.com/z main\n");
  const broken = await read([join(folder, "ws/a"), join(folder, "ws/c")]);
  assert.equal(problems(broken).length, 1);
  assert.match(problems(broken)[0] ?? "", /ws\/b\/go\.mod:3: "main" is no version/);
  assert.ok(!items(broken).includes("example.com/b@v0.1.0"), "its name is not asked of anybody");
  write("ws/go.work", "use (\n");
  const lost = await read([join(folder, "ws/a"), join(folder, "ws/c")]);
  assert.deepEqual(items(lost), []);
  assert.equal(problems(lost).length, 2);
});

test("a module that the workspace above it does not use is checked with a remark, its modules are not asked about", async () => {
  writeWorkspace();
  const inputs = await read([join(folder, "ws/c")]);
  assert.deepEqual(items(inputs), []);
  assert.deepEqual(skipped(inputs), ["workspace example.com/b"]);
  assert.match(inputs.remarks.join("\n"), /c\/go\.mod is not used by .*ws\/go\.work/);
});

test("a requirement whose version is not canonical is a problem of its line, and the others are read", async () => {
  const file = write(
    "go.mod",
    `module example.com/me

require example.com/a v1
require example.com/b v0.8 // indirect
require example.com/c v1.2.3+meta
require example.com/d v1.0.0
require example.com/e v1
require example.com/f v1

replace example.com/e => ../e
replace example.com/f v1.0.0 => ../f
`,
  );
  const inputs = await read([file]);
  assert.deepEqual(items(inputs), ["example.com/d@v1.0.0"]);
  assert.deepEqual(skipped(inputs), ["replaced example.com/e"]);
  assert.deepEqual(
    inputs.problems.map(({ place }) => place?.line),
    [3, 4, 5, 8],
  );
  for (const problem of problems(inputs)) {
    assert.match(problem, /^MALFORMED_INPUT .*go\.mod:\d: "v[^"]*" of example\.com\/[abcf] is not a canonical version/);
  }
});

test("a requirement that cannot be one is a problem of its line, whatever is wrong with it, and the others are read", async () => {
  const bad = [
    "example.com/a v2.0.0",
    "example.com/b v0.3.0-01",
    "example.com/c master",
    "example.com/d",
    "example.com/e v1.0.0 v1.1.0",
    "example.com/f/v2 v1.0.0",
    "example.com/v1 v1.0.0",
    "example.com/h v1.0.0+incompatible",
    "Example v1.0.0",
    'example.com/i "v1.0.0\\u001b"',
  ];
  const lines = bad.map((line) => `require ${line}\n`).join("");
  const text = `module example.com/me\n\n${lines}require example.com/x v1.0.0\nexclude example.com/x v1.1.0\n`;
  const inputs = await read([write("go.mod", text)]);
  assert.deepEqual(items(inputs), ["example.com/x@v1.0.0"]);
  assert.deepEqual([...(inputs.items[0]?.excluded ?? [])], ["v1.1.0"]);
  assert.deepEqual(
    inputs.problems.map(({ place }) => place?.line ?? 0).sort((a, b) => a - b),
    bad.map((_, i) => 3 + i),
  );
  for (const problem of problems(inputs)) assert.match(problem, /^MALFORMED_INPUT .*go\.mod:\d+: [ -~\ufffd]+$/);
  // In a workspace too, where no other module suffers from it.
  write("b/go.mod", "module example.com/b\n\nrequire example.com/y v1.0.0\n");
  const work = await read([write("go.work", "use .\nuse ./b\n")]);
  assert.deepEqual(items(work), ["example.com/x@v1.0.0", "example.com/y@v1.0.0"]);
  assert.equal(work.problems.length, bad.length);
});

test("what else is wrong in a go.mod refuses the whole: it might replace or exclude what would be asked for", async () => {
  for (const line of [
    "replace example.com/x v2.0.0 => ../x",
    "replace example.com/x ../x",
    "exclude example.com/x",
    "wat",
  ]) {
    const inputs = await read([write("go.mod", `module example.com/me\n\nrequire example.com/x v1.0.0\n${line}\n`)]);
    assert.deepEqual(items(inputs), [], line);
    assert.match(problems(inputs).join(), /^MALFORMED_INPUT .*go\.mod:4: /);
  }
});

test("what one module of a workspace excludes is excluded for all of them, whichever way they are named", async () => {
  const a = write(
    "ex/a/go.mod",
    "module example.com/a\n\nrequire example.com/x v1.0.0\nexclude example.com/y v1.2.0\n",
  );
  const b = write(
    "ex/b/go.mod",
    "module example.com/b\n\nrequire example.com/y v1.0.0\nexclude example.com/x v1.1.0\n",
  );
  write("ex/c/go.mod", "module example.com/c\n\nexclude example.com/x v1.2.0\nexclude example.com/x v1.1.0\n");
  const work = write("ex/go.work", "use (\n\t./a\n\t./b\n\t./c\n)\n");
  const excluded = async (inputs: string[], goWork?: string): Promise<string[]> =>
    (await read(inputs, { goWork })).items.map(({ path, excluded }) => `${path} ${[...excluded].sort().join(" ")}`);
  const all = ["example.com/x v1.1.0 v1.2.0", "example.com/y v1.2.0"];
  assert.deepEqual(await excluded([work]), all);
  assert.deepEqual(await excluded([a, b]), all);
  assert.deepEqual(await excluded([a, b, work]), all);
  assert.deepEqual(await excluded([a], "off"), ["example.com/x "]);
});

test("a go.mod that names no module is refused, as the go command refuses it", async () => {
  for (const text of ["", "\n", "// a comment\n", "require example.com/x v1.0.0\n", 'module ""\n']) {
    const inputs = await read([write("go.mod", text)]);
    assert.deepEqual(items(inputs), [], text);
    assert.match(problems(inputs).join(), /^MALFORMED_INPUT .*go\.mod has no module line/, text);
  }
  write("go.work", "use .\n");
  assert.match(problems(await read([folder])).join(), /has no module line/);
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
  assert.deepEqual(items(await read([folder], { goWork: "off" })), ["example.com/x@v1.0.0"]);
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
    // Stamped from the tag of a checkout.
    ["mod\texample.com/tool\tv1.2.3\t\n", "devel example.com/tool"],
    ["mod\texample.com/tool\tv1.2.3\n", "devel example.com/tool"],
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

test("programs for other platforms are found in the folders that go install makes beside those for this one", async () => {
  write("gobin/a", program("go1.24.1", TOOL));
  for (const name of [
    "windows_amd64/a.exe",
    "darwin_arm64/b",
    "linux_386/c",
    "other/d",
    "x_y_z/e",
    "windows/f",
    "linux_a-b/g",
  ]) {
    write(`gobin/${name}`, program("go1.24.1", TOOL));
  }
  symlinkSync(".", join(folder, "gobin/plan9_arm"));
  const places = async (of: string): Promise<string[]> =>
    (await read([join(folder, of)])).items.flatMap(({ places }) => places.map(({ file }) => relative(folder, file)));
  assert.deepEqual((await places("gobin")).sort(), [
    "gobin/a",
    "gobin/darwin_arm64/b",
    "gobin/linux_386/c",
    "gobin/windows_amd64/a.exe",
  ]);
  // Also where there are no others.
  write("cross/freebsd_amd64/a", program("go1.24.1", TOOL));
  assert.deepEqual(await places("cross"), ["cross/freebsd_amd64/a"]);
});

test("a file that is no Go binary is said to be none, with the reason", async () => {
  const inputs = await read([write("script", "#!/bin/sh\n"), write("l.txt", "example.com/a@v1.0.0\n")]);
  assert.deepEqual(
    skipped(inputs).sort(),
    ["l.txt", "script"].map((name) => `no-build-info ${join(folder, name)}`),
  );
  for (const { name, places } of inputs.skipped) assert.deepEqual(places, [{ file: name, line: undefined }]);
  assert.deepEqual(inputs.skipped.map(({ detail }) => detail).sort(), [
    "not a Go binary: it is a script",
    "not a Go binary: it is no executable of a known format (ELF, Mach-O, PE); a list of modules is read from stdin, with -",
  ]);
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

test("what of a folder cannot be searched is a problem of the check", async () => {
  writeModule("tree/good");
  for (const name of ["c1", "c2", "c3", "c4"]) {
    writeModule(`tree/${name}/in`);
    chmodSync(join(folder, "tree", name), 0);
  }
  const bytes = Buffer.concat([Buffer.from(join(folder, "tree/bad")), Buffer.of(0xff)]);
  mkdirSync(bytes);
  writeFileSync(Buffer.concat([bytes, Buffer.from("/go.mod")]), "module example.com/m\n");
  const inputs = await asNobody(() => read([join(folder, "tree")]));
  for (const name of ["c1", "c2", "c3", "c4"]) chmodSync(join(folder, "tree", name), 0o755);
  assert.deepEqual(items(inputs), ["example.com/tree-good@v1.0.0"]);
  const said = problems(inputs).join("\n");
  assert.match(said, /: 4 folders closed to the search \(you have no permission to read it\) were not searched: /);
  assert.match(said, /tree\/c1, .*tree\/c2, .*tree\/c3 and 1 more; to leave that out name/);
  assert.match(said, /: 1 folder with a name that is not UTF-8 was not searched: .*\/bad\ufffd; /);
  assert.equal(inputs.problems.length, 2);
  // A name that has that character is read like any other.
  writeModule("other/\ufffd", "odd");
  assert.deepEqual(items(await read([join(folder, "other")])), ["example.com/odd@v1.0.0"]);
});

test("closed folders alone are a problem, not a folder with nothing in it", async () => {
  writeModule("tree/closed/in");
  chmodSync(join(folder, "tree/closed"), 0);
  const inputs = await asNobody(() => read([join(folder, "tree")]));
  chmodSync(join(folder, "tree/closed"), 0o755);
  assert.match(
    problems(inputs).join("\n"),
    /^MALFORMED_INPUT .*: 1 folder closed to the search .* was not searched: .*\/closed; /,
  );
});

test("folders are searched deep, and where a tree has no end that is a problem", async () => {
  writeModule(`deep${"/d".repeat(30)}`, "found");
  assert.deepEqual(items(await read([join(folder, "deep")])), ["example.com/found@v1.0.0"]);
  writeModule(`deep${"/d".repeat(70)}`, "lost");
  const inputs = await read([join(folder, "deep")]);
  assert.deepEqual(items(inputs), ["example.com/found@v1.0.0"]);
  assert.match(problems(inputs).join("\n"), /^.*: 1 folder more than 64 levels down was not searched: /);
});

test("files that may be binaries and cannot be looked at are problems; links that lead nowhere are not", async () => {
  write("bin/good", program("go1.24.1", TOOL));
  symlinkSync("loop", join(folder, "bin/loop"));
  symlinkSync("nowhere", join(folder, "bin/dead"));
  const inputs = await read([join(folder, "bin")]);
  assert.deepEqual([inputs.items.length, problems(inputs)], [1, []]);
  writeFileSync(Buffer.concat([Buffer.from(join(folder, "bin/t")), Buffer.of(0xff)]), program("go1.24.1", TOOL));
  assert.match(
    problems(await read([join(folder, "bin")])).join("\n"),
    /^MALFORMED_INPUT .*bin\/t\ufffd: its name is not UTF-8/,
  );
  // Of the name alone: a folder above may have that character.
  write("x\ufffd/good", program("go1.24.1", TOOL));
  symlinkSync("nowhere", join(folder, "x\ufffd/dead"));
  assert.deepEqual(problems(await read([join(folder, "x\ufffd")])), []);
  // To be listed and no more: what its files are cannot be known.
  write("list/tool", program("go1.24.1", TOOL));
  chmodSync(join(folder, "list"), 0o744);
  const listed = await asNobody(() => read([join(folder, "list")]));
  assert.deepEqual(items(listed), []);
  assert.ok(listed.problems.length > 0);
});

test("a go.mod that a link leads to is read, and one that is closed is a problem", async () => {
  writeModule("real");
  mkdirSync(join(folder, "tree/a"), { recursive: true });
  symlinkSync(join(folder, "real/go.mod"), join(folder, "tree/a/go.mod"));
  assert.deepEqual(items(await read([join(folder, "tree")])), ["example.com/real@v1.0.0"]);
  unlinkSync(join(folder, "tree/a/go.mod"));
  symlinkSync(join(folder, "closed/in/go.mod"), join(folder, "tree/a/go.mod"));
  writeModule("closed/in");
  chmodSync(join(folder, "closed"), 0);
  const inputs = await asNobody(() => read([join(folder, "tree")]));
  chmodSync(join(folder, "closed"), 0o755);
  assert.match(
    problems(inputs).join("\n"),
    /^MALFORMED_INPUT cannot read the go\.mod .*tree\/a\/go\.mod: you have no permission/,
  );
});

test("what is wrong with a file is a problem of that file and its line, whatever led to it", async () => {
  const places = (inputs: Inputs) =>
    inputs.problems.map(({ place }) => [relative(folder, place?.file ?? ""), place?.line]);
  const file = write("p/go.mod", "module example.com/p\n\nwat\n");
  for (const input of [file, join(folder, "p"), folder]) {
    assert.deepEqual(places(await read([input])), [["p/go.mod", 3]], input);
  }
  assert.deepEqual(places(await read([], { workingFolder: join(folder, "p") })), [["p/go.mod", 3]]);
  write("w/go.work", "use .\nwat\n");
  write("w/go.mod", "module example.com/w\n");
  assert.deepEqual(places(await read([join(folder, "w/go.mod")])), [["w/go.work", 2]]);
  write("w/go.work", "use .\nuse ../p\nuse ../none\n");
  assert.deepEqual(places(await read([join(folder, "w")])), [
    ["p/go.mod", 3],
    ["w/go.work", 3],
  ]);
  write("n/go.mod", "");
  assert.deepEqual(places(await read([join(folder, "n")])), [["n/go.mod", undefined]]);
  const bytes = program("go1.24.1", TOOL);
  const cut = write("cut", bytes.subarray(0, bytes.length - 40));
  assert.deepEqual(places(await read([cut])), [["cut", undefined]]);
  // What is wrong elsewhere is no line of the file that was named.
  assert.deepEqual((await read([file], { goWork: "x" })).problems[0]?.place, undefined);
});

test("a module of a workspace that cannot be read replaces and excludes nothing, which is said", async () => {
  writeWorkspace();
  rmSync(join(folder, "ws/b"), { recursive: true });
  const inputs = await read([join(folder, "ws/go.work")]);
  assert.match(
    problems(inputs).join(),
    /b\/go\.mod: there is no such file; what it replaces or excludes counts for nothing in .*go\.work until/,
  );
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
  writeModule("x/go.mod/in", "in");
  assert.deepEqual(items(await read([join(folder, "x")])), ["example.com/in@v1.0.0"]);
});

test("reads lists: module@version, go list -m all, and JSON of the go command", async () => {
  const lines = await read(["-"], {
    list: "example.com/a@v1.0.0\nexample.com/b@latest\nexample.com/c@v1.4 # comment\n",
  });
  assert.deepEqual(items(lines), ["example.com/a@v1.0.0", "example.com/b@latest", "example.com/c@v1.4"]);
  const golist = await read(["-"], {
    list: "example.com/me\nexample.com/a v1.0.0\nexample.com/b v1.0.0 => ../b\nexample.com/c v1.0.0 => example.com/d v1.0.1\n",
  });
  assert.deepEqual(items(golist), ["example.com/a@v1.0.0"]);
  assert.deepEqual(skipped(golist), ["replaced example.com/b", "replaced example.com/c", "main-module example.com/me"]);
  const json = await read(["-"], {
    list: '{"Path":"example.com/me","Main":true}\n{"Path":"example.com/a","Version":"v1.0.0","Indirect":true}\n',
  });
  assert.deepEqual(items(json), ["~example.com/a@v1.0.0"]);
  const build = await read(["-"], {
    list: JSON.stringify({
      GoVersion: "go1.24.1",
      Path: "example.com/tool",
      Main: { Path: "example.com/tool", Version: "v1.0.0", Sum: SUM },
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

test("never asks for a path alone in a list: the go command prints main modules so, which may be private", async () => {
  for (const list of [
    "corp.example/secret\n",
    // Of a workspace; in the order of a pipe through sort.
    "corp.example/secret\ncorp.example/other\nexample.com/a v1.0.0\n",
    "example.com/a@v1.0.0\ncorp.example/secret\n",
    "example.com/a v1.0.0\r\n  corp.example/secret # main\r\n",
    // `go list ./...`, and what is no module path at all.
    "corp.example/secret/cmd\ncorp.example/secret\ncommand-line-arguments\n",
    '{"Path":"corp.example/secret"}',
    '{"Path":"corp.example/secret","Version":""}',
    '{"Path":"corp.example/secret","Main":true}',
    '{"GoVersion":"go1.24.0","Path":"corp.example/secret/cmd","Main":{"Path":"corp.example/secret","Version":"v1.2.3"}}',
    "/bin/x: go1.24.0\n\tpath\tcorp.example/secret\n\tmod\tcorp.example/secret\tv1.2.3\t\n",
  ]) {
    const inputs = await read(["-"], { list });
    assert.deepEqual(
      items(inputs).filter((item) => item.includes("corp.example")),
      [],
      list,
    );
    assert.ok(
      skipped(inputs).some((one) => one.endsWith(" corp.example/secret")),
      list,
    );
    assert.deepEqual(problems(inputs), [], list);
  }
  const [said] = (await read(["-"], { list: "example.com/b\n" })).skipped;
  assert.match(said?.detail ?? "", /write path@latest to ask for it/);
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

test("one odd line of a list is a problem with its line, and the others are checked", async () => {
  const list = "example.com/a v1.0.0 [v1.1.0]\nwhat is this\nexample.com/b@v1.0.0\nexample.com/c v1.0.0 (retracted)\n";
  const inputs = await read(["-"], { list });
  assert.deepEqual(items(inputs), ["example.com/a@v1.0.0", "example.com/b@v1.0.0", "example.com/c@v1.0.0"]);
  assert.match(problems(inputs).join(), /^MALFORMED_INPUT stdin:2: "what is this" is not a module like/);
  assert.deepEqual(inputs.problems[0]?.place, { file: "stdin", line: 2, from: "stdin" });
  const other = await read(["-"], { list: `example.com/a v1.0.0\n${"what is this\n".repeat(100_000)}` });
  assert.deepEqual(items(other), []);
  assert.ok(other.problems.length > 1);
});

test("a line that is the path of nothing is a problem, not a main module", async () => {
  for (const odd of [
    '{"a":1}',
    "<html>",
    "error:",
    "../x",
    "./x",
    "/x",
    "github.com//y",
    "github.com/y/",
    "-x",
    "a/b.",
    "a/CON.x",
    "a/b~1",
    "a\u00e9",
    "\u001b[31mx",
    "example.com/a%20b",
    "example.com/b: v1.0.0 => ../b",
    "../b v1.0.0 => ../b",
    "a:b (devel)",
  ]) {
    const inputs = await read(["-"], { list: `example.com/ok v1.1.0\n${odd}\nexample.com/z v1.0.0\n` });
    assert.deepEqual(items(inputs), ["example.com/ok@v1.1.0", "example.com/z@v1.0.0"], odd);
    assert.deepEqual(skipped(inputs), [], odd);
    assert.deepEqual(inputs.problems[0]?.place, { file: "stdin", line: 2, from: "stdin" }, odd);
    assert.match(problems(inputs).join("\n"), /^MALFORMED_INPUT stdin:2: ".*" is not /, odd);
    assert.ok(!problems(inputs).join().includes("\u001b"));
  }
  for (const json of ['{"Path":"a b"}', '{"Path":"a b","Main":true}', '{"a":1}', '{"Path":"a b","Version":"v1.0.0"}']) {
    const inputs = await read(["-"], { list: `{"Path":"example.com/ok","Version":"v1.1.0"}\n${json}\n` });
    assert.deepEqual([items(inputs), skipped(inputs)], [["example.com/ok@v1.1.0"], []], json);
    assert.equal(inputs.problems[0]?.place?.line, 2, json);
  }
  // The go command takes no more than this for a main module.
  const mains = ["main", "my_app", "x.y/.hidden", "a+b", "A/B", "std", "a~b", "a/~1x", "a/con1"];
  const inputs = await read(["-"], { list: mains.join("\n") });
  assert.deepEqual([inputs.skipped.length, problems(inputs)], [mains.length, []]);
});

test("what is wrong with an argument is said with its number, once", async () => {
  const inputs = await read(["example.com/a@v1.0.0", "example.com/b@", "example.com/c@v1 x", "example.com/d@main"]);
  assert.deepEqual(items(inputs), ["example.com/a@v1.0.0"]);
  assert.deepEqual(
    inputs.problems.map(({ place }) => place?.from),
    [{ argument: 2 }, { argument: 3 }, { argument: 4 }],
  );
  for (const [i, problem] of problems(inputs).entries()) {
    assert.match(problem, new RegExp(`^MALFORMED_INPUT argument ${i + 2}: "[^"]*" is neither a version`));
    assert.equal(problem.match(/argument/g)?.length, 1);
  }
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

test("that --direct or --indirect leaves nothing is said, and is no lack", async () => {
  for (const [mark, wanted, said] of [
    [
      " // indirect",
      { isDirectWanted: true },
      "nothing is required directly: --direct left out all that is indirect, 1 of it",
    ],
    ["", { isIndirectWanted: true }, "nothing is required indirectly: --indirect left out all that is direct, 1 of it"],
  ] as const) {
    const file = write("go.mod", `module example.com/me\n\nrequire example.com/a v1.0.0${mark}\n`);
    const inputs = await read([file], wanted);
    assert.deepEqual([items(inputs), inputs.problems, inputs.remarks], [[], [], [said]]);
    assert.deepEqual((await read([file], { isDirectWanted: true, isIndirectWanted: true })).remarks, []);
  }
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
