import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "./snippet.ts";

function runScript(script: string, ...args: string[]): { code: number | null; stderr: string } {
  const file = join(root, "scripts", script);
  const { status, stderr } = spawnSync(process.execPath, [file, ...args], { cwd: root, encoding: "utf8" });
  return { code: status, stderr };
}

async function inFolder(task: (folder: string) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "proofdns-generated-"));
  try {
    task(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("docs/api.md is what the doc comments give, and every export has one", () => {
  assert.deepEqual(runScript("api.mjs", "--check"), { code: 0, stderr: "" });
});

/** A checkout with one export, as `text`, of the verifier. */
function makeCheckout(folder: string, text: string): void {
  for (const part of ["docs", "src/client/verify"]) mkdirSync(join(folder, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "tsconfig.json"), readFileSync(join(root, "tsconfig.json")));
  writeFileSync(join(folder, "src/client/index.ts"), 'export * from "./verify/index.ts";\n');
  writeFileSync(join(folder, "src/client/verify/index.ts"), 'export * from "./a.ts";\n');
  writeFileSync(join(folder, "src/client/verify/a.ts"), text);
}

test("exports and public methods without a doc comment are refused by name and place; a changed comment makes the page out of date", () =>
  inFolder((folder) => {
    const members =
      "  #hidden(): void {}\n  private older(): void {}\n  bare(): void {}\n  /** Does. */\n  does(): void {}\n";
    const lacking = `/** A thing. */\nexport class Thing {\n${members}}\nexport function lonely(): void {}\n`;
    makeCheckout(folder, lacking);
    const { code, stderr } = runScript("api.mjs", "--root", folder);
    assert.equal(code, 1);
    assert.match(stderr, /^api: src\/client\/verify\/a\.ts:5: Thing\.bare has no doc comment$/m);
    assert.match(stderr, /^api: src\/client\/verify\/a\.ts:9: lonely has no doc comment$/m);
    assert.equal(stderr.trim().split("\n").length, 2);
    const whole = lacking
      .replace("  bare", "  /** Is bare. @throws RangeError if it is 7 */\n  bare")
      .replace("export function", "/** Adds one. */\nexport function");
    writeFileSync(join(folder, "src/client/verify/a.ts"), whole);
    assert.deepEqual(runScript("api.mjs", "--root", folder), { code: 0, stderr: "" });
    const page = readFileSync(join(folder, "docs", "api.md"), "utf8");
    assert.match(page, /\nfunction lonely\(\): void\n/);
    assert.match(page, /\*\*Throws\*\* `RangeError` if it is 7/);
    assert.match(page, /\ndoes\(\): void\n/);
    assert.doesNotMatch(page, /hidden|\bolder\(/);
    writeFileSync(join(folder, "src/client/verify/a.ts"), whole.replace("Adds one.", "Adds two."));
    const late = runScript("api.mjs", "--root", folder, "--check");
    assert.equal(late.code, 1);
    assert.match(late.stderr, /out of date; run: npm run api\n$/);
  }));

const PROGRAM = `
import { Command } from "commander";
const program = new Command("proofdns");
const key = new Command("key").description("keys");
key.addCommand(new Command("show").description("shows one"));
program.addCommand(key);
program.addCommand(new Command("go").option("--fast", process.env["FAST"] ?? "faster"));
program.parse();
`;

test("a page of commands gets what it lacks, in order, and keeps what is written by hand", () =>
  inFolder((folder) => {
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    const [main, page] = [join(folder, "main.mts"), join(folder, "cli.md")];
    writeFileSync(main, PROGRAM);
    const by = ["--main", main, "--page", page];
    writeFileSync(page, "# Commands\n\n<!-- more commands -->\n\nBy hand.\n");
    assert.equal(runScript("cli-docs.mjs", ...by).code, 0);
    const made = readFileSync(page, "utf8");
    assert.deepEqual(made.match(/^### .*/gm), ["### key", "### key show", "### go"]);
    assert.match(made, /By hand\.\n$/);
    writeFileSync(page, made.replace("By hand.", "Also $& by hand.").replace("--fast", "--slow"));
    assert.equal(runScript("cli-docs.mjs", ...by, "--check").code, 1);
    assert.equal(runScript("cli-docs.mjs", ...by).code, 0);
    assert.equal(readFileSync(page, "utf8"), made.replace("By hand.", "Also $& by hand."));
  }));

test("a block of a command that is no more, or stands there twice, is told and left", () =>
  inFolder((folder) => {
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    const [main, page] = [join(folder, "main.mts"), join(folder, "cli.md")];
    writeFileSync(main, PROGRAM);
    const block = (name: string): string => `<!-- help: proofdns ${name} -->\nold\n<!-- end -->\n`;
    writeFileSync(page, `${block("gone")}${block("go")}${block("go")}<!-- more commands -->\n`);
    const { code, stderr } = runScript("cli-docs.mjs", "--main", main, "--page", page);
    assert.equal(code, 1);
    assert.match(stderr, /a block for "gone", which is no command/);
    assert.match(stderr, /"go \(twice\)"/);
    assert.match(readFileSync(page, "utf8"), /proofdns gone -->\nold\n/);
  }));
