import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./snippet.ts";

/** A value of the part of YAML that action.yml and the README's workflow are written in: maps, lists of maps, texts on one line or after `|`. */
export type Yaml = string | Yaml[] | { readonly [key: string]: Yaml };

interface Line {
  readonly indent: number;
  readonly text: string;
}

/** Parses that part of YAML. @throws Error at anything else */
export function parseYaml(text: string): Yaml {
  const lines: Line[] = [];
  for (const raw of text.split("\n")) {
    if (raw.includes("\t")) throw new Error(`a tab: ${raw}`);
    if (/^\s*(#|$)/.test(raw)) continue;
    lines.push({ indent: raw.length - raw.trimStart().length, text: raw.trim() });
  }
  let at = 0;
  const scalar = (value: string): string => {
    const quoted = /^"([^"\\]*)"$/.exec(value) ?? /^'([^']*)'$/.exec(value);
    if (quoted !== null) return quoted[1] ?? "";
    if (/^[&*!>%@`"'{[]|: | #/.test(value)) throw new Error(`not in this part of YAML: ${value}`);
    return value;
  };
  const value = (indent: number, rest: string): Yaml => {
    if (rest === "|") {
      const block: string[] = [];
      for (let line = lines[at]; line !== undefined && line.indent > indent; line = lines[++at]) block.push(line.text);
      return block.map((line) => `${line}\n`).join("");
    }
    if (rest !== "") return scalar(rest);
    const next = lines[at];
    return next !== undefined && next.indent > indent ? node(next.indent) : "";
  };
  function node(indent: number): Yaml {
    if (lines[at]?.text.startsWith("- ") === true) {
      const list: Yaml[] = [];
      for (let line = lines[at]; line?.indent === indent && line.text.startsWith("- "); line = lines[at]) {
        lines[at] = { indent: indent + 2, text: line.text.slice(2) };
        list.push(node(indent + 2));
      }
      return list;
    }
    const map: Record<string, Yaml> = Object.create(null) as Record<string, Yaml>;
    for (let line = lines[at]; line?.indent === indent; line = lines[at]) {
      const match = /^([A-Za-z_][\w-]*):(?: (.*))?$/.exec(line.text);
      if (match?.[1] === undefined) throw new Error(`not a key: ${line.text}`);
      if (match[1] in map) throw new Error(`twice: ${match[1]}`);
      at++;
      map[match[1]] = value(indent, match[2] ?? "");
    }
    return map;
  }
  const result = node(0);
  if (at < lines.length) throw new Error(`indented wrongly: ${lines[at]?.text}`);
  return result;
}

/** A step of a composite action. */
export interface Step {
  readonly name: string;
  readonly run: string;
  readonly shell: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

/** action.yml as far as it matters here. */
export interface Action {
  readonly inputs: Readonly<Record<string, { description: string; default?: string; required?: string }>>;
  readonly outputs: Readonly<Record<string, { description: string; value: string }>>;
  readonly runs: { readonly using: string; readonly steps: readonly Step[] };
}

export function readAction(): Action {
  return parseYaml(readFileSync(join(root, "action.yml"), "utf8")) as unknown as Action;
}
