// Writes what the commands say with --help into docs/cli.md: `npm run cli-docs`.
//
//   --check       writes nothing; ends with 1 if docs/cli.md is out of date
//   --page FILE   another page; for tests
//   --main FILE   another program; for tests
//
// The page is written by hand, but for the blocks between `<!-- help: NAME -->` and `<!-- end -->`. A command that the page lacks
// gets a section of its own under "## Commands"; a block whose command is no more ends this with 1.
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values } = parseArgs({
  options: {
    check: { type: "boolean" },
    page: { type: "string", default: join(root, "docs", "cli.md") },
    main: { type: "string", default: join(root, "src", "cli", "main.ts") },
  },
});

/** What the program prints for `<words> --help`, which is not a terminal: 80 columns. */
function help(words) {
  // A home that is nowhere: no path of this machine may come into the page.
  const env = { PATH: process.env.PATH, HOME: "/home/you", NO_COLOR: "1", LC_ALL: "C" };
  const args = ["--import", import.meta.resolve("tsx"), values.main, ...words, "--help"];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let errors = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      errors += text;
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0 && output !== "") resolve(output.replaceAll(/[ \t]+$/gm, "").trimEnd());
      else reject(new Error(`proofdns ${words.join(" ")} --help ended with ${code}: ${errors.trim()}`));
    });
  });
}

/** The names of subcommands in a help text: the entries of all groups that are not of options, arguments or prose. */
function subcommands(text) {
  const names = [];
  for (const [, title, list] of text.matchAll(/^([A-Z][^\n]*):\n((?:[ \t]+.*\n?)+)/gm)) {
    if (/options|arguments|examples|environment|files/i.test(title)) continue;
    names.push(...[...list.matchAll(/^ {2}([a-z][a-z0-9-]*)(?:\|[a-z-]+)?(?= |$)/gm)].map(([, name]) => name));
  }
  const found = names.filter((name) => name !== "help");
  if (/^Usage: .*\[command\]/m.test(text) && found.length === 0) throw new Error(`no commands in this help:\n${text}`);
  return found;
}

/** Help of all commands, `""` being the program's: depth first, in the order in which they are listed. */
async function readAll() {
  const texts = new Map();
  let level = [""];
  while (level.length > 0) {
    const next = [];
    for (let from = 0; from < level.length; from += availableParallelism()) {
      const some = level.slice(from, from + availableParallelism());
      const found = await Promise.all(some.map((name) => help(name === "" ? [] : name.split(" "))));
      for (const [i, name] of some.entries()) {
        texts.set(name, found[i]);
        next.push(...subcommands(found[i]).map((word) => `${name} ${word}`.trimStart()));
      }
    }
    level = next;
  }
  const ordered = new Map();
  const walk = (name) => {
    ordered.set(name, texts.get(name));
    for (const word of subcommands(texts.get(name))) walk(`${name} ${word}`.trimStart());
  };
  walk("");
  return ordered;
}

const block = (name, text) => {
  const command = `proofdns${name === "" ? "" : ` ${name}`}`;
  return `<!-- help: ${command} -->\n<!-- generated: npm run cli-docs:check -->\n\`\`\`text\n${text}\n\`\`\`\n<!-- end -->`;
};

/** The page with all blocks made anew. */
function fill(page, all) {
  const unknown = [];
  const shown = new Set();
  let text = page.replaceAll(/<!-- help: proofdns ?([^\n]*?) -->\n[\s\S]*?<!-- end -->/g, (old, name) => {
    const found = all.get(name);
    if (found === undefined) unknown.push(name);
    if (shown.has(name)) unknown.push(`${name} (twice)`);
    shown.add(name);
    return found === undefined ? old : block(name, found);
  });
  const missing = [...all.keys()].filter((name) => !shown.has(name) && name !== "");
  const place = "<!-- more commands -->";
  const added = missing.map((name) => `### ${name}\n\n${block(name, all.get(name))}\n\n`).join("");
  if (missing.length > 0 && !text.includes(place)) throw new Error(`the page has no line ${place}`);
  text = text.replace(place, () => `${added}${place}`);
  return { text, unknown };
}

const page = readFileSync(values.page, "utf8");
const { text, unknown } = fill(page, await readAll());
for (const name of unknown)
  console.error(`cli-docs: the page has a block for "${name}", which is no command: remove it`);
const isCurrent = text === page;
if (values.check && !isCurrent) console.error("cli-docs: docs/cli.md is out of date; run: npm run cli-docs");
if (!values.check && !isCurrent) writeFileSync(values.page, text);
if (unknown.length > 0 || (values.check && !isCurrent)) process.exit(1);
