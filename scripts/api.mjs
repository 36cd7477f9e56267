// Writes docs/api.md from the doc comments of what `proofdns` and `proofdns/verify` export: `npm run api`.
//
//   --check      writes nothing; ends with 1 if docs/api.md is out of date
//   --root DIR   another checkout; for tests
//
// Both end with 1 if an export, or a public member of an exported class, has no doc comment.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Node, Project, ts } from "ts-morph";
import { cell, paragraphs, sentence } from "./api-text.mjs";

const { values: options } = parseArgs({ options: { check: { type: "boolean" }, root: { type: "string" } } });
const here = fileURLToPath(new URL("..", import.meta.url));
const root = options.root ?? here;
const page = join(root, "docs", "api.md");
const entries = {
  proofdns: "src/client/index.ts",
  browser: "src/client/browser.ts",
  verify: "src/client/verify/index.ts",
  files: "src/client/verify/files.ts",
};

const project = new Project({ tsConfigFilePath: join(root, "tsconfig.json"), skipAddingFilesFromTsConfig: true });
const problems = [];

/** What a module exports: names and their declarations, in the order of the source. */
function exportsOf(file) {
  const path = join(root, file);
  if (!existsSync(path)) return new Map();
  const source = project.getSourceFile(path) ?? project.addSourceFileAtPath(path);
  project.resolveSourceFileDependencies();
  return new Map([...source.getExportedDeclarations()].filter(([, found]) => found.length > 0));
}

const where = (node) => `${relative(root, node.getSourceFile().getFilePath())}:${node.getStartLineNumber()}`;

/** The node that carries the doc comment: for a variable the statement, for an overloaded function the first that has one. */
function documented(declarations) {
  const carriers = declarations.map((node) =>
    Node.isVariableDeclaration(node) ? (node.getVariableStatement() ?? node) : node,
  );
  return carriers.find((node) => docOf(node) !== undefined) ?? carriers[0];
}

/** `{ text, throws, params }` of a node's last doc comment, or undefined. */
function docOf(node) {
  if (!Node.isJSDocable(node)) return undefined;
  const doc = node.getJsDocs().at(-1);
  if (doc === undefined) return undefined;
  const text = doc.getDescription().trim();
  const tags = doc.getTags().map((tag) => ({ name: tag.getTagName(), text: (tag.getCommentText() ?? "").trim() }));
  const throws = tags
    .filter(({ name }) => name === "throws")
    .map((tag) => tag.text.replace(/^(?:ProofdnsError|TypeError|RangeError)/, "`$&`"));
  const params = doc
    .getTags()
    .filter((tag) => Node.isJSDocParameterTag(tag))
    .map((tag) => ({ name: tag.getName(), text: (tag.getCommentText() ?? "").trim() }));
  const returns = tags.find(({ name }) => name === "returns")?.text;
  return { text, throws, params, returns };
}

/** The text of a node without its own doc comment, `export`, and bodies. */
function signature(node) {
  if (Node.isVariableDeclaration(node)) {
    const type = node.getTypeNode()?.getText();
    const value = node.getInitializer()?.getText() ?? "";
    const isShort = value.length <= 90 && !value.includes("\n");
    return `const ${node.getName()}${type === undefined ? "" : `: ${type}`}${isShort ? ` = ${value}` : ""};`;
  }
  if (Node.isFunctionDeclaration(node)) {
    return `${node.isAsync() ? "async " : ""}function ${head(node, node.getName() ?? "")}`;
  }
  if (Node.isClassDeclaration(node)) {
    const parts = [
      node.getExtends()?.getText(),
      node
        .getImplements()
        .map((one) => one.getText())
        .join(", "),
    ];
    const [base, face] = parts;
    return `class ${node.getName()}${base === undefined ? "" : ` extends ${base}`}${face === "" ? "" : ` implements ${face}`}`;
  }
  return dedent(node).replace(/^export (?:declare )?/, "");
}

/** Name, type parameters, parameters and return type of something that is called. */
function head(node, name) {
  const types = node.getTypeParameters?.().map((one) => one.getText()) ?? [];
  const parameters = node.getParameters().map((one) => one.getText().replaceAll(/\s+/g, " "));
  const result = Node.isConstructorDeclaration(node)
    ? undefined
    : node.getReturnTypeNode()?.getText().replaceAll(/\s+/g, " ");
  return `${name}${types.length > 0 ? `<${types.join(", ")}>` : ""}(${parameters.join(", ")})${result === undefined ? "" : `: ${result}`}`;
}

/** Source text of a declaration, with the comments inside it and without the one before it. */
function dedent(node) {
  const indent = node.getIndentationText();
  return node.getText(false).replaceAll(`\n${indent}`, "\n");
}

const block = (text) => `<!-- generated: npm run api:check -->\n\`\`\`ts\n${text}\n\`\`\`\n`;

function describe(doc) {
  if (doc === undefined) return [];
  const out = doc.text === "" ? [] : [paragraphs(doc.text)];
  for (const { name, text } of doc.params) if (text !== "") out.push(`- \`${name}\`: ${cell(text)}`);
  if (doc.returns) out.push(`Returns ${cell(doc.returns)}`);
  if (doc.throws.length > 0) out.push(`**Throws** ${doc.throws.map(cell).join("; ")}`);
  return out.map((text) => `${text}\n`);
}

function isPublic(member) {
  if (member.getScope?.() === "private" || member.getScope?.() === "protected") return false;
  const name = member.getName?.() ?? "";
  return !name.startsWith("#") && !name.startsWith("[");
}

/** Constructor, public properties and methods of a class. */
function members(node) {
  const out = [];
  for (const one of node.getConstructors()) {
    const isPlain = one.getParameters().length === 0 && docOf(one) === undefined;
    if (!isPlain) out.push(block(head(one, `new ${node.getName()}`)), ...describe(docOf(one)));
  }
  for (const one of [...node.getProperties(), ...node.getGetAccessors()].filter(isPublic)) {
    const type = one.getTypeNode?.()?.getText() ?? one.getReturnTypeNode?.()?.getText() ?? "";
    const optional = one.hasQuestionToken?.() ? "?" : "";
    const doc = docOf(one);
    out.push(
      `- \`${one.getName()}${optional}${type === "" ? "" : `: ${type}`}\`${doc === undefined ? "" : `: ${cell(doc.text)}`}\n`,
    );
  }
  for (const one of node.getMethods().filter(isPublic)) {
    const doc = docOf(one);
    const isInherited = node.getImplements().length > 0 || node.getExtends() !== undefined;
    if (doc === undefined && !isInherited)
      problems.push(`${where(one)}: ${node.getName()}.${one.getName()} has no doc comment`);
    out.push(
      block(
        `${one.isStatic() ? "static " : ""}${head(one, `${one.isStatic() ? `${node.getName()}.` : ""}${one.getName()}`)}`,
      ),
    );
    out.push(...describe(doc));
  }
  return out;
}

/** One export: heading, signature, description, members. */
function section(name, declarations) {
  const carrier = documented(declarations);
  const doc = docOf(carrier);
  if (doc === undefined || doc.text === "") problems.push(`${where(carrier)}: ${name} has no doc comment`);
  const out = [`### ${name}\n`];
  const shown = declarations.filter((node) => !(Node.isFunctionDeclaration(node) && node.getOverloads().length > 0));
  out.push(block(shown.map((node) => signature(node)).join("\n")), ...describe(doc));
  for (const node of declarations) if (Node.isClassDeclaration(node)) out.push(...members(node));
  return out;
}

function kindOf(node) {
  if (Node.isClassDeclaration(node)) return "class";
  if (Node.isFunctionDeclaration(node)) return "function";
  if (Node.isVariableDeclaration(node)) return "constant";
  return "type";
}

function table(found) {
  const rows = [...found].map(([name, declarations]) => {
    const text = sentence(docOf(documented(declarations))?.text ?? "");
    return `| [\`${name}\`](#${name.toLowerCase()}) | ${kindOf(declarations[0])} | ${cell(text)} |`;
  });
  return ["| name | | what |\n| --- | --- | --- |", ...rows, ""].join("\n");
}

const byName = (found) => new Map([...found].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));

/** Types of this project that the given declarations name in what is shown, and that nothing exports. */
function alsoNamed(all) {
  const seen = new Set([...all.values()].flat());
  const found = new Map();
  const queue = [...seen];
  while (queue.length > 0) {
    const node = queue.shift();
    for (const reference of node.getDescendantsOfKind(ts.SyntaxKind.TypeReference)) {
      // What stands in bodies or behind # is nobody's business.
      if (
        reference.getFirstAncestor(
          (up) => Node.isBlock(up) || (up !== node && Node.isPropertyDeclaration(up) && !isPublic(up)),
        )
      )
        continue;
      if (reference.getFirstAncestor((up) => up !== node && Node.isMethodDeclaration(up) && !isPublic(up))) continue;
      const symbol = reference.getTypeName().getSymbol();
      for (const declaration of (symbol?.getAliasedSymbol() ?? symbol)?.getDeclarations() ?? []) {
        const file = declaration.getSourceFile().getFilePath();
        const isType =
          Node.isInterfaceDeclaration(declaration) ||
          Node.isTypeAliasDeclaration(declaration) ||
          Node.isClassDeclaration(declaration);
        if (!isType || seen.has(declaration) || !file.startsWith(join(root, "src"))) continue;
        seen.add(declaration);
        queue.push(declaration);
        if (!all.has(declaration.getName())) found.set(declaration.getName(), [declaration]);
      }
    }
  }
  return found;
}

function make() {
  const verify = exportsOf(entries.verify);
  const node = exportsOf(entries.proofdns);
  const browser = exportsOf(entries.browser);
  const files = exportsOf(entries.files);
  const pure = new Map([...verify, ...files]);
  const own = byName(new Map([...new Map([...browser, ...node])].filter(([name]) => !pure.has(name))));
  const all = new Map([...pure, ...own]);
  const out = [readFileSync(join(here, "scripts", "api-intro.md"), "utf8").trimEnd(), ""];
  out.push(
    "## proofdns\n",
    "Everything of [`proofdns/verify`](#proofdnsverify) and [`proofdns/verify-files`](#proofdnsverify-files), and:\n",
    table(own),
  );
  if (browser.size > 0) {
    const onlyNode = [...own.keys()].filter((name) => !browser.has(name)).map((name) => `\`${name}\``);
    const onlyBrowser = [...own.keys()].filter((name) => !node.has(name)).map((name) => `\`${name}\``);
    const missing = [...pure.keys()].filter((name) => !browser.has(name)).map((name) => `\`${name}\``);
    out.push(
      "**In browsers** the same import (the `browser` condition of the package's exports) has the same names, but for these.\n",
    );
    out.push(`- Only in Node: ${[...onlyNode, ...missing].join(", ") || "none"}.`);
    out.push(`- Only in browsers: ${onlyBrowser.join(", ") || "none"}.\n`);
  }
  for (const [name, declarations] of own) out.push(...section(name, declarations));
  out.push("## proofdns/verify\n", table(byName(verify)));
  for (const [name, declarations] of byName(verify)) out.push(...section(name, declarations));
  out.push("## proofdns/verify-files\n", table(byName(files)));
  for (const [name, declarations] of byName(files)) out.push(...section(name, declarations));
  const others = byName(alsoNamed(all));
  if (others.size > 0) {
    out.push(
      "## Types that these name\n",
      "They are not exported by name; TypeScript knows them where they are used.\n",
    );
    for (const [name, declarations] of others) {
      const doc = docOf(documented(declarations));
      const shown = declarations.map((node) => signature(node)).join("\n");
      out.push(`### ${name}\n`, block(shown), ...describe(doc));
    }
  }
  return `${out
    .join("\n")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trimEnd()}\n`;
}

const text = make();
for (const problem of problems) console.error(`api: ${problem}`);
const isCheck = options.check === true;
const isCurrent = existsSync(page) && readFileSync(page, "utf8") === text;
if (isCheck && !isCurrent) console.error("api: docs/api.md is out of date; run: npm run api");
if (!isCheck) writeFileSync(page, text);
if (problems.length > 0 || (isCheck && !isCurrent)) process.exit(1);
