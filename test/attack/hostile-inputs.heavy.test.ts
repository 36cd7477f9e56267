import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Ended, run } from "../cli/process.ts";
import { User } from "../simulation/scene.ts";
import { makeKeys, policyOf } from "./world.ts";

/** Files that nobody should open, given to the commands that read files: one clear sentence each, the right code, and nothing that a terminal obeys. */

const folder = await mkdtemp(join(tmpdir(), "proofdns-inputs-"));
const user = await User.make(makeKeys(), policyOf(makeKeys()));
after(async () => {
  await user.remove();
  await rm(folder, { recursive: true, force: true });
});

const ESC = "\u001b[31m\u0007\u009b2J\u202e";
const elf = (rest: Uint8Array | string): Buffer =>
  Buffer.concat([Buffer.from("7f454c4602010100000000000000000002003e0001000000", "hex"), Buffer.from(rest)]);
const go = (lines: string): string => `module example.com/app\n\ngo 1.21\n\n${lines}`;

/** Name of each file, and what it holds. */
const FILES: readonly (readonly [string, string | Uint8Array])[] = [
  ["empty/go.mod", ""],
  ["nul/go.mod", new Uint8Array(3000)],
  ["ones/go.mod", new Uint8Array(3000).fill(0xff)],
  ["escapes/go.mod", go(`require ${ESC} v1.0.0\n`)],
  ["escapes-in-path/go.mod", go(`require "example.com/${ESC}" v1.0.0\n`)],
  ["escapes-in-version/go.mod", go(`require example.com/x v1.0.0${ESC}\n`)],
  ["escapes-in-module/go.mod", `module ${ESC}\n`],
  ["unclosed/go.mod", go("require (\n".repeat(2000))],
  ["unclosed-quote/go.mod", go('require "example.com/x v1.0.0\n')],
  ["unclosed-comment/go.mod", go("require example.com/x v1.0.0 /* \n")],
  ["deep/go.mod", go("(".repeat(100_000))],
  ["wide/go.mod", go(`require example.com/${"x".repeat(1 << 20)} v1.0.0\n`)],
  ["many/go.mod", go(Array.from({ length: 2000 }, (_, i) => `require example.com/x${i} v0\n`).join(""))],
  ["bad-version/go.mod", go("require example.com/x 1.0\n")],
  ["wrong-major/go.mod", go("require example.com/x v2.0.0\n")],
  ["proto/go.mod", go("require __proto__ v1.0.0\nrequire constructor v1.0.0\n")],
  ["work/go.work", `go 1.21\n\nuse ../../../../../../etc\nuse ${ESC}\n`],
  ["loop/go.work", "go 1.21\n\nuse ./\nuse ./.\n"],
  ["elf-head", elf("")],
  ["elf-noise", elf(new Uint8Array(4000).fill(0xfe))],
  ["elf-huge-sections", elf(Buffer.from(`${"00".repeat(16)}ffffffffffffff7f${"00".repeat(12)}4000ffffffff`, "hex"))],
  ["macho-head", Buffer.from("cffaedfe0700000103000000", "hex")],
  ["macho-fat", Buffer.from("cafebabe7fffffff", "hex")],
  ["pe-head", Buffer.concat([Buffer.from("MZ"), Buffer.alloc(58), Buffer.from("f0ffff7f", "hex")])],
  ["script", `#!/bin/sh\necho ${ESC}\n`],
  [
    "buildinf",
    Buffer.concat([
      elf(new Uint8Array(100)),
      Buffer.from("\xff Go buildinf:\x08\x02", "latin1"),
      Buffer.alloc(16),
      Buffer.from("ffffffffffffffffff", "hex"),
    ]),
  ],
  ["zero/go.sum", new Uint8Array(100)],
  ["escapes/go.sum", `example.com/x v1.0.0 h1:${ESC}\n`],
  ["two-fields/go.sum", "example.com/x v1.0.0\n"],
  ["short-hash/go.sum", "example.com/x v1.0.0 h1:AAAA\n"],
  ["long-line/go.sum", `example.com/${"x".repeat(1 << 20)} v1.0.0 h1:${"A".repeat(43)}=\n`],
  ["no-proof", "c2sp.org/tlog-proof@v1\nextra AAAA\nindex 0\n\nx\n"],
  ["evidence.json", '{"type":"proofdns-evidence/1","kind":"fork","key":"x","notes":["\u001b[2J"]}'],
  ["deep.json", "[".repeat(200_000)],
  ["proto.json", '{"__proto__":{"type":"proofdns-evidence/1"}}'],
];

const paths = new Map<string, string>();
for (const [name, content] of FILES) {
  const path = join(folder, name);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, content);
  paths.set(name, path);
}
await symlink("loop-to-itself", join(folder, "loop-to-itself"));
paths.set("loop-to-itself", join(folder, "loop-to-itself"));
await mkdir(join(folder, "go.mod-is-a-folder", "go.mod"), { recursive: true });
paths.set("go.mod-is-a-folder", join(folder, "go.mod-is-a-folder"));
paths.set("missing", join(folder, "missing"));
paths.set("zeros", "/dev/zero");

/** Fails for a stack, a control character, too much text, or an exit code of success. */
function judge(ended: Ended, what: string, codes: readonly number[]): void {
  const shown = `${what}: exit ${ended.code}\n${ended.stdout.slice(0, 2000)}\n${ended.stderr.slice(0, 2000)}`;
  assert.ok(codes.includes(Number(ended.code)), shown);
  assert.doesNotMatch(ended.stdout + ended.stderr, /(?!\n)[\p{Cc}\u202a-\u202e\u2066-\u2069]/u, shown);
  assert.doesNotMatch(ended.stderr, /\n {4}at |node:internal|TypeError|RangeError|undefined/, shown);
  assert.ok(ended.stderr.length < 6000 * paths.size, `${what}: ${ended.stderr.length} characters`);
}

/** Nobody listens there: what is not refused by its form cannot be checked. */
const NOWHERE = ["--server", "127.0.0.1:9", "--timeout", "2s"];
const list = (...names: readonly string[]): string[] => names.map((name) => paths.get(name) as string);
const matching = (pattern: RegExp): string[] =>
  [...paths].filter(([name]) => pattern.test(name)).map(([, path]) => path);

test("check takes no hostile file for something proven", async () => {
  for (const more of [["--github"], ["--json"]]) {
    const ended = await user.run(
      "check",
      ...NOWHERE,
      "--no-age",
      ...more,
      ...matching(/go\.(?:mod|work)$|^elf|^mach|^pe|script|buildinf|loop|missing|folder|zeros/),
    );
    judge(ended, `check ${more.join(" ")}`, [2]);
  }
  for (const name of ["wide/go.mod", "escapes/go.mod", "elf-huge-sections", "loop/go.work"]) {
    judge(await user.run("check", ...NOWHERE, "--no-age", ...list(name)), name, [2]);
  }
});

test("verify and version take no hostile file for something proven", async () => {
  for (const path of matching(/go\.sum$|^buildinf/)) {
    judge(await user.run("verify", ...NOWHERE, path), `verify ${path}`, [2]);
  }
  judge(
    await run(["version", "-m", ...matching(/^elf|^mach|^pe|script|buildinf|loop|missing|folder/)], {}),
    "version -m",
    [1, 2],
  );
});

test("verify-proof, evidence and policies take no hostile file", async () => {
  for (const name of ["no-proof", "nul/go.mod", "zeros"]) {
    judge(await user.runAlone("verify-proof", ...list(name)), `verify-proof ${name}`, [2, 3]);
  }
  for (const name of ["evidence.json", "deep.json", "proto.json"]) {
    judge(await user.runAlone("evidence", ...list(name)), `evidence ${name}`, [2]);
  }
  for (const name of ["nul/go.mod", "escapes/go.mod"]) {
    const ended = await run(["latest", "--policy", ...list(name), ...NOWHERE, "example.com/x"], { HOME: folder });
    judge(ended, `policy ${name}`, [2]);
  }
});
