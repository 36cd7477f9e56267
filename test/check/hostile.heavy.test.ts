import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { chooseFromList } from "../../src/check/choose.ts";
import { type InputOptions, readInputs } from "../../src/check/inputs.ts";
import type { Inputs } from "../../src/check/item.ts";
import { readRetractions } from "../../src/check/retractions.ts";
import { exitCodeOfReport } from "../../src/cli/check-exit.ts";
import { hashGoMod } from "../../src/go/index.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { parseH1 } from "../../src/vindex/record.ts";
import { parseVersion } from "../../src/vindex/version.ts";
import { inlineInfo, makeElf } from "../go/images.ts";
import { CheckScene, resultOf, versions } from "./scene.ts";

/** Inputs and answers that are made to cost much. None of it may cost more than it is long. */

const folders: string[] = [];
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "proofdns-hostile-"));
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

function read(inputs: readonly string[], options: Partial<InputOptions> = {}): Promise<Inputs> {
  return readInputs({ inputs, stdin: (async function* () {})(), workingFolder: folder, ...options });
}

const items = (inputs: Inputs): string[] => inputs.items.map(({ path, current }) => `${path}@${current?.text ?? ""}`);
const problems = (inputs: Inputs): string[] => inputs.problems.map(({ error }) => error.message);
const program = (goVersion: string, main: string): Buffer =>
  makeElf(inlineInfo(goVersion, `path\texample.com/tool\n${main}`));
const TOOL = "mod\texample.com/tool\tv1.2.3\th1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

test("a folder of a thousand files is read, and each that is a binary found", async () => {
  const bytes = program("go1.24.1", TOOL);
  for (let i = 0; i < 1000; i++) write(`bin/f${i}`, i % 250 === 0 ? bytes : `text ${i}`);
  const inputs = await read([join(folder, "bin")]);
  assert.deepEqual(items(inputs), ["example.com/tool@v1.2.3"]);
  assert.equal(inputs.items[0]?.places.length, 4);
  assert.ok(inputs.remarks.some((remark) => remark.includes("996 files")));
});

test("a folder of more than 20,000 files or folders is read up to there, and the rest is a problem", async () => {
  const goMod = (path: string): string => `module example.com/me\n\nrequire ${path} v1.0.0\n`;
  write("many/a/go.mod", goMod("example.com/a"));
  for (let i = 0; i < 199; i++)
    for (let j = 0; j < 99; j++) mkdirSync(join(folder, `many/b${i}/${j}`), { recursive: true });
  // With the folder itself, a, and 199 of a hundred each, as many as there may be.
  for (let i = 0; i < 98; i++) mkdirSync(join(folder, `many/a/y${i}`));
  const within = await read([join(folder, "many")]);
  assert.deepEqual([items(within), problems(within)], [["example.com/a@v1.0.0"], []]);
  write("many/a/y0/z/go.mod", goMod("example.com/z"));
  const beyond = await read([join(folder, "many")]);
  assert.deepEqual(items(beyond), ["example.com/a@v1.0.0"]);
  assert.match(
    problems(beyond).join("\n"),
    /many: only the first 20000 folders were searched, and there are more; name /,
  );
  rmSync(join(folder, "many"), { recursive: true });

  for (let i = 0; i <= 20_000; i++) write(`bin/f${i}`, i === 0 ? program("go1.24.1", TOOL) : "");
  const files = await read([join(folder, "bin")]);
  assert.deepEqual(items(files), ["example.com/tool@v1.2.3"]);
  assert.match(problems(files).join("\n"), /bin: only the first 20000 files were looked at, and there are more; name /);
});

test("modules in modules to the bottom of a deep tree are each read once", async () => {
  let at = "deep";
  for (let i = 0; i < 60; i++) {
    at += "/d";
    write(`${at}/go.mod`, `module example.com/me\n\nrequire example.com/x${i} v1.0.0\n`);
    for (let j = 0; j < 20; j++) write(`${at}/e${j}/go.mod`, "module example.com/me\n\nrequire example.com/y v1.0.0\n");
  }
  const inputs = await read([join(folder, "deep")]);
  assert.deepEqual([inputs.items.length, inputs.goModFiles.length, inputs.problems.length], [61, 1260, 0]);
});

test("a go.mod that names one module a hundred thousand times, and excludes as many versions, is read in passing", async () => {
  const lines = "require example.com/x v1.0.0\n".repeat(100_000);
  const excluded = Array.from({ length: 50_000 }, (_, i) => `exclude example.com/x v1.${i}.1\n`).join("");
  const inputs = await read([write("go.mod", `module example.com/me\n\n${lines}${excluded}`)]);
  assert.deepEqual([inputs.items.length, inputs.items[0]?.places.length], [1, 100]);
  assert.equal(inputs.items[0]?.excluded.size, 50_000);
});

test("a go.mod of which nothing can be looked up has a thousand problems at most", async () => {
  const lines = Array.from({ length: 3000 }, (_, i) => `require nodots${i} v1.0.0\n`).join("");
  const inputs = await read([write("go.mod", `module example.com/me\n\n${lines}`)]);
  assert.deepEqual([inputs.problems.length, inputs.remarks.length], [1000, 1]);
});

test("a list without an end is cut off at its limit", async () => {
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) yield new Uint8Array(2 ** 20).fill(0x0a);
  }
  const inputs = await readInputs({ inputs: ["-"], stdin: endless(), workingFolder: folder });
  assert.match(problems(inputs)[0] ?? "", /more than/);
});

test("a go.mod of thousands of modules, and one of more than 16 MiB", async () => {
  const lines = Array.from({ length: 5000 }, (_, i) => `\texample.com/m${i} v1.${i}.0\n`).join("");
  const many = await read([write("c/go.mod", `module example.com/me\n\nrequire (\n${lines})\n`)]);
  assert.equal(many.items.length, 5000);
  const big = await read([write("go.mod", Buffer.alloc(17 * 2 ** 20, 0x20))]);
  assert.match(problems(big)[0] ?? "", /bytes/);
});

test("a go.mod that takes back a hundred thousand ranges is looked through once", async () => {
  const lines = Array.from({ length: 100_000 }, (_, i) => `v1.${i * 2}.0`);
  const text = encodeUtf8(`module example.com/x\n\n${lines.map((line) => `retract ${line}\n`).join("")}`);
  const goModHash = parseH1(hashGoMod(text)) as Uint8Array;
  const record = { path: "example.com/x", version: "v9.0.0", zipHash: goModHash, goModHash, logIndex: 0 };
  const taken = await readRetractions(
    { proveRecord: async () => {}, fetchGoMod: async () => text },
    record,
    nodeSha256,
  );
  const list = Array.from({ length: 2000 }, (_, i) => ({
    version: `v1.${199_000 + i}.0`,
    logIndex: i,
    zipHash: goModHash,
    goModHash,
  }));
  const chosen = chooseFromList(
    "example.com/x",
    list,
    { current: parseVersion("v1.0.0"), query: undefined, isPatchOnly: false, withPre: false },
    { path: "example.com/x", excluded: new Set(), retractions: taken, cooldown: undefined },
    nodeSha256,
  );
  assert.equal(chosen.choice?.version.text, "v1.200999.0");
});

test("a newer major that untagged ones push out of the answer is not taken for none: the check is incomplete", async () => {
  // Anybody can have untagged majors logged, so many that an answer cannot hold the tagged one behind them.
  const flood = Array.from({ length: 1100 }, (_, i) =>
    versions(`example.com/flood/v${i + 3}`, `v${i + 3}.0.0-20240102030405-0123456789ab`),
  ).flat();
  const scene = await CheckScene.make({
    old: [...versions("example.com/flood", "v1.0.0"), ...versions("example.com/flood/v2", "v2.0.0"), ...flood],
  });
  try {
    const report = await scene.list(["example.com/flood@v1.0.0"], { withMajors: true });
    const result = resultOf(report, "example.com/flood");
    assert.deepEqual([result.status, result.errors[0]?.code, exitCodeOfReport(report)], ["error", "NO_ANSWER", 2]);
  } finally {
    await scene.close();
  }
});
