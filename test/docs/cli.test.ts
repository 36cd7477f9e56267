import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { CheckStatus, ModuleResult } from "../../src/check/result.ts";
import { exitCodeOfModule } from "../../src/cli/check-exit.ts";
import { EXIT } from "../../src/cli/exit-code.ts";
import { readPage, root } from "./snippet.ts";

const page = readPage("docs/cli.md");

/** What a complete list of the statuses looks like; the compiler says if one is missing. */
const statuses: Record<CheckStatus, true> = {
  current: true,
  outdated: true,
  "newer-major": true,
  withheld: true,
  retracted: true,
  ahead: true,
  unlisted: true,
  untagged: true,
  absent: true,
  latest: true,
  unmatched: true,
  error: true,
};

test("docs/cli.md has every status of check, with its exit code", () => {
  const rows = [...page.matchAll(/^\| `([a-z-]+)` \| [^|]+ \| ([0-3]) \|$/gm)];
  assert.deepEqual(rows.map(([, status]) => status).sort(), Object.keys(statuses).sort());
  for (const [, status, code] of rows) {
    const result = { status, withheld: [], errors: [] } as unknown as ModuleResult;
    assert.equal(exitCodeOfModule(result), Number(code), status);
  }
});

test("docs/cli.md has the four exit codes", () => {
  const codes = [...page.matchAll(/^\| ([0-9]) \| /gm)].map(([, code]) => Number(code));
  assert.deepEqual(codes, Object.values(EXIT));
});

/** What every program on a system reads, and no user sets for this one. */
const COMMON = new Set(["HOME", "USERPROFILE", "APPDATA", "PATH", "GOROOT"]);

test("docs/cli.md names every variable of the environment that the commands read", () => {
  const read = new Set<string>();
  for (const folder of ["src/cli", "src/go", "src/check", "src/client"]) {
    for (const name of readdirSync(join(root, folder), { recursive: true }) as string[]) {
      if (!name.endsWith(".ts")) continue;
      const text = readFileSync(join(root, folder, name), "utf8");
      for (const [, variable = ""] of text.matchAll(/\benv\["([A-Z_]+)"\]/g)) read.add(variable);
    }
  }
  assert.ok(read.size > 5);
  for (const name of read) if (!COMMON.has(name)) assert.match(page, new RegExp(`\`${name}\\b`), name);
});
