import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** What stands in the comment above a fenced block. */
export type Mark =
  /** Run as a part of a session: what one reader types, page by page, in order. `exitCode` is that of its last command. */
  | { readonly kind: "test"; readonly session: string; readonly exitCode: number }
  /** What the block above it prints; `…` stands for anything. */
  | { readonly kind: "output" }
  /** Made by a script, and held against its source by `npm run <script>`. */
  | { readonly kind: "generated"; readonly script: string }
  | { readonly kind: "not run"; readonly reason: string };

/** A fenced block of a page. */
export interface Snippet {
  /** Path from the root of the repository. */
  readonly page: string;
  /** Of its fence, from 1. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** Undefined if nothing that is known stands above it. */
  readonly mark: Mark | undefined;
}

/** README.md and all pages of docs/. */
export function listPages(): string[] {
  const docs = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
  return ["README.md", "SECURITY.md", "CHANGELOG.md", ...docs.sort().map((name) => `docs/${name}`)];
}

export function readPage(page: string): string {
  return readFileSync(join(root, page), "utf8");
}

function parseMark(line: string | undefined): Mark | undefined {
  const comment = /^<!-- (test|output|generated|not run)(?:: (.+))? -->$/.exec(line ?? "");
  if (comment === null) return undefined;
  const [, kind, rest = ""] = comment;
  if (kind === "output") return rest === "" ? { kind } : undefined;
  if (kind === "not run") return rest === "" ? undefined : { kind, reason: rest };
  if (kind === "generated") {
    const script = /^npm run ([a-z:-]+)$/.exec(rest)?.[1];
    return script === undefined ? undefined : { kind, script };
  }
  const test = /^([a-z][a-z-]*)(?:, ends with ([0-3]))?$/.exec(rest);
  return test?.[1] === undefined ? undefined : { kind: "test", session: test[1], exitCode: Number(test[2] ?? 0) };
}

/** The fenced blocks of a page, in order. An open fence at its end is a block, too. */
export function findSnippets(page: string, text = readPage(page)): Snippet[] {
  const found: Snippet[] = [];
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const fence = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)/.exec(lines[i] ?? "");
    if (fence?.[1] === undefined) continue;
    const start = i;
    const end = fence[1];
    while (++i < lines.length && !(lines[i] ?? "").trim().startsWith(end));
    const body = lines.slice(start + 1, i).map((line) => `${line}\n`);
    const mark = parseMark(lines[start - 1]);
    found.push({ page, line: start + 1, language: fence[2] ?? "", text: body.join(""), mark });
  }
  return found;
}
