import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { errorCodes } from "../../src/vindex/error.ts";
import { parsePolicy } from "../../src/vindex/policy.ts";
import { sessions } from "./sessions.ts";
import { findSnippets, listPages, readPage, root } from "./snippet.ts";

const pages = listPages();
const snippets = pages.flatMap((page) => findSnippets(page));
const scripts = (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> })
  .scripts;

/** What alone keeps a block from being run. */
const REASONS = /root|reference data|public [Ii]nternet|hours|hour|runs? these tests|ends with Ctrl-C|GitHub/;

/** What looks like an error code on the pages and is none. */
const NAMES = new Set(["SUMDB_KEY"]);

test("every fenced block of README.md and docs/ is run, generated, output of one that is run, or says why it is not run", () => {
  assert.ok(snippets.length > 10);
  for (const [i, { page, line, language, mark }] of snippets.entries()) {
    const where = `${page}:${line}`;
    assert.ok(
      mark !== undefined,
      `${where}: no <!-- test: … -->, <!-- output -->, <!-- generated: … --> or <!-- not run: … -->`,
    );
    assert.notEqual(language, "", `${where}: no language`);
    if (mark.kind === "not run") assert.match(mark.reason, REASONS, where);
    if (mark.kind === "generated") assert.ok(mark.script in scripts, `${where}: no script ${mark.script}`);
    if (mark.kind === "test") assert.ok(sessions.has(mark.session), `${where}: no session ${mark.session}`);
    if (mark.kind === "output") {
      const above = snippets[i - 1];
      // The ready line of a server that is not run is held against a real one in snippets.heavy.test.ts.
      const isRun = above?.mark?.kind === "test" || (language === "json" && above?.language === "sh");
      assert.ok(above?.page === page && isRun, `${where}: output of what?`);
    }
  }
});

test("no command hides in an indented block, where nothing would run it", () => {
  for (const page of pages) {
    for (const [i, line] of readPage(page).split("\n").entries()) {
      assert.doesNotMatch(
        line,
        /^ {4,}(?:\$ )?(?:[A-Z_]+=\S+ )?(?:npx |proofdns |npm |node |go |dig |curl )/,
        `${page}:${i + 1}`,
      );
    }
  }
});

test("every session of the snippets is used", () => {
  const used = new Set(snippets.map(({ mark }) => (mark?.kind === "test" ? mark.session : "")));
  assert.deepEqual(
    [...sessions.keys()].filter((name) => !used.has(name)),
    [],
  );
});

test("every link of a page to a file or a heading leads somewhere", () => {
  const slug = (heading: string): string =>
    heading
      .toLowerCase()
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(/\s/g, "-");
  for (const page of [...pages, "spec/README.md", "spec/client.md", "spec/dns.md", "spec/check.md"]) {
    const text = readPage(page).replaceAll(/^```[\s\S]*?^```/gm, "");
    for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file = "", anchor] = target.split("#");
      const path = file === "" ? page : normalize(join(dirname(page), file));
      assert.ok(existsSync(join(root, path)), `${page}: ${target}`);
      if (anchor === undefined || !path.endsWith(".md")) continue;
      const headings = [...readPage(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => slug(heading));
      assert.ok(headings.includes(anchor), `${page}: ${target}`);
    }
  }
});

test("every file of this repository that a page names is there", () => {
  const named = /\b((?:test|src|spec|bench|fuzz|scripts|examples)\/[\w./-]+\.(?:ts|mjs|py|md|json|html))\b/g;
  for (const page of pages) {
    for (const [, path = ""] of readPage(page)
      .replaceAll(/https?:\S+/g, "")
      .matchAll(named))
      assert.ok(existsSync(join(root, path)), `${page}: ${path}`);
  }
});

test("every npm script that a page names is there", () => {
  for (const page of pages) {
    for (const [, name = ""] of readPage(page).matchAll(/npm run ([a-z][a-z:-]*)/g)) {
      assert.ok(name in scripts, `${page}: npm run ${name}`);
    }
  }
});

test("every error code that a page names is one", () => {
  const variables = /^(?:PROOFDNS|GITHUB|XDG|NO|FORCE|CAP|HTTPS?|REQUEST)_/;
  // The reference has constants, which are named alike.
  const prose = pages.filter((page) => page !== "docs/api.md");
  for (const page of [...prose, "spec/client.md", "spec/proof-file.md", "spec/check.md"]) {
    for (const [, name = ""] of readPage(page).matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)) {
      const isCode = (errorCodes as readonly string[]).includes(name);
      assert.ok(isCode || variables.test(name) || NAMES.has(name), `${page}: ${name}`);
    }
  }
});

test("JSON and policies on the pages are such", () => {
  for (const { page, line, language, text } of snippets) {
    if (language === "json") assert.doesNotThrow(() => JSON.parse(text), `${page}:${line}`);
    if (language === "policy") assert.doesNotThrow(() => parsePolicy(text), `${page}:${line}`);
  }
});

test("finds what a page must not have", () => {
  const find = (text: string) => findSnippets("x.md", text).map(({ mark }) => mark?.kind);
  assert.deepEqual(find("```sh\nls\n```\n"), [undefined]);
  assert.deepEqual(find("<!-- test: Run One -->\n```sh\nls\n```\n"), [undefined]);
  assert.deepEqual(find("<!-- test: run-one, ends with 4 -->\n```sh\nls\n```\n"), [undefined]);
  assert.deepEqual(find("<!-- not run -->\n```sh\nls\n```\n"), [undefined]);
  assert.deepEqual(find("<!-- test: run-one -->\n\n```sh\nls\n```\n"), [undefined]);
  assert.deepEqual(find("<!-- test: run-one, ends with 1 -->\n~~~sh\nls\n```\n~~~\n"), ["test"]);
  assert.deepEqual(find("<!-- generated: npm run api:check -->\n```ts\n"), ["generated"]);
});
