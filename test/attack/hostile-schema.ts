import { readFileSync } from "node:fs";

/**
 * The forms of payloads, read from the text of spec/dns.md §2: the table of sections, the table of payloads, and the formats of
 * §2.1 to §2.3. What is generated from it covers what the specification says, not what somebody remembered.
 */

/** One part of a format. */
export type Part =
  /** `uv(name)` */
  | { readonly kind: "uv"; readonly name: string }
  /** `u8 name` */
  | { readonly kind: "u8"; readonly name: string }
  /** `name[32]`, or `name[length]` with the length in a part before it */
  | { readonly kind: "bytes"; readonly name: string; readonly length: number | string }
  /** `name[32]*` or `format*` */
  | { readonly kind: "list"; readonly name: string; readonly item: Part }
  /** The name of a format, such as `path`. */
  | { readonly kind: "format"; readonly name: string; readonly format: string };

/** A row of the table of sections. */
export interface Section {
  readonly tag: number;
  readonly name: string;
  readonly parts: readonly Part[];
}

/** A row of the table of payloads. */
export interface PayloadForm {
  readonly name: string;
  readonly hasText: boolean;
  readonly sections: readonly Section[];
}

export interface Schema {
  readonly sections: readonly Section[];
  readonly formats: ReadonlyMap<string, readonly Part[]>;
  readonly payloads: readonly PayloadForm[];
}

const SPEC = new URL("../../spec/dns.md", import.meta.url);

/** The specification as it stands. */
export function readSpec(): string {
  return readFileSync(SPEC, "utf8");
}

/** Reads §2. Throws for whatever it does not understand: a part that nobody mutates must not go unnoticed. */
export function parseSchema(text: string = readSpec()): Schema {
  const start = text.indexOf("\n## 2. ");
  const end = text.indexOf("\n## ", start + 1);
  if (start < 0 || end < 0) throw new Error("no §2 in the specification");
  const chapter = text.slice(start, end);
  const formats = new Map<string, readonly Part[]>();
  for (const match of chapter.matchAll(/^ {4}([a-z][a-z ]*?) = (.+)$/gm)) {
    const [, name, content] = match as unknown as [string, string, string];
    if (name !== "payload") formats.set(name, splitParts(content, formats));
  }
  const tables = [...chapter.matchAll(/(?:^\|.*\|\n)+/gm)].map(([table]) => rowsOf(table));
  const sectionRows = tables.find(([head]) => head?.[0] === "tag")?.slice(2);
  const payloadRows = tables.find(([head]) => head?.[0] === "payload")?.slice(2);
  if (sectionRows === undefined || payloadRows === undefined) throw new Error("a table of §2 is not there");
  const sections = sectionRows.map(([tag = "", name = "", content = ""]): Section => {
    if (!/^0x[0-9A-F]{2}$/.test(tag)) throw new Error(`not a tag: ${tag}`);
    return { tag: Number(tag), name, parts: splitParts(content.replace(/, \w+ ≥ 1$/, ""), formats) };
  });
  const byName = new Map(sections.map((section) => [section.name, section]));
  const payloads = payloadRows.map(([name = "", words = "", list = ""]): PayloadForm => {
    // "inclusion; then state where …; then majors, only where …", "non-inclusion or empty map", "head, cosignatures if …, frontier"
    const named = list
      .split(/; then |, | or /)
      .flatMap((item) => [...byName.values()].filter((section) => new RegExp(`^${section.name}(?![\\w-])`).test(item)));
    if (named.length === 0) throw new Error(`no section in the payload ${name}: ${list}`);
    return { name, hasText: words !== "none", sections: named };
  });
  return { sections, formats, payloads };
}

function rowsOf(table: string): string[][] {
  return table
    .trimEnd()
    .split("\n")
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim()),
    );
}

function splitParts(content: string, formats: ReadonlyMap<string, unknown>): Part[] {
  return content.split(" ‖ ").map((text) => parsePart(text.trim(), formats));
}

function parsePart(text: string, formats: ReadonlyMap<string, unknown>): Part {
  const list = /^(.+)\*$/.exec(text)?.[1];
  if (list !== undefined) {
    const item = parsePart(list, formats);
    return { kind: "list", name: item.name, item };
  }
  const uv = /^uv\(([\w. ]+)\)$/.exec(text)?.[1];
  if (uv !== undefined) return { kind: "uv", name: uv };
  const u8 = /^u8 ([\w ]+)$/.exec(text)?.[1];
  if (u8 !== undefined) return { kind: "u8", name: u8 };
  const bytes = /^([\w. ]+)\[([\w ]+)\]$/.exec(text);
  if (bytes !== null) {
    const [, name, length] = bytes as unknown as [string, string, string];
    return { kind: "bytes", name, length: /^[0-9]+$/.test(length) ? Number(length) : length };
  }
  if (formats.has(text)) return { kind: "format", name: text, format: text };
  throw new Error(`a part of no known form in spec/dns.md §2: ${text}`);
}

/** Names of all fields of all sections, with tags, lists and the sections themselves. */
export function listFields(schema: Schema): string[] {
  const below = (prefix: string, part: Part): string[] => {
    const name = `${prefix}.${part.name}`;
    if (part.kind === "format") return (schema.formats.get(part.format) ?? []).flatMap((other) => below(name, other));
    if (part.kind !== "list") return [name];
    const { item } = part;
    const items = item.kind === "format" ? (schema.formats.get(item.format) ?? []).flatMap((p) => below(name, p)) : [];
    return [name, ...items];
  };
  return schema.sections.flatMap(({ name, parts }) => [
    name,
    `${name}.tag`,
    ...parts.flatMap((part) => below(name, part)),
  ]);
}
