import { isProofdnsError, type ProofdnsError } from "../vindex/error.ts";
import { malformed, quoted } from "./malformed.ts";

/** A module of a list. */
export interface ListedModule {
  readonly path: string;
  /** Undefined where the list names none: of the main module, or of a line with a path alone. May be `(devel)`. */
  readonly version: string | undefined;
  /** `h1:…` of its zip as stated, not checked. */
  readonly sum: string | undefined;
  readonly goModSum: string | undefined;
  readonly isMain: boolean;
  /** Undefined where the list does not say. */
  readonly isIndirect: boolean | undefined;
  readonly replace: { readonly path: string; readonly version: string | undefined } | undefined;
  /** From 1; of JSON, where its object begins. */
  readonly line: number;
}

/** What a list holds. */
export interface ModuleList {
  /** Of `go version -m` with or without `-json`, of `go list -m -json`, or lines. */
  readonly kind: "build-info" | "go-list" | "lines";
  readonly modules: readonly ListedModule[];
  /** The Go versions of the binaries that a `build-info` list is of. */
  readonly goVersions: readonly string[];
}

/** Takes what is wrong with a line of a list, or with an object; its `line` is where that begins. */
export type RefuseLine = (error: ProofdnsError, line: number) => void;

/** What `go list -m -u` adds to a module: what to update to, that it was taken back, that it should not be used. */
const ADDED = /\s(?:\[v[^\s[\]()]+(?: \(retracted\))?\]|\((?:retracted|deprecated)\))(?=\s|$)/g;

/** Longest text, in characters. */
const MAX_LENGTH = 64 * 1024 * 1024;
/** Most levels of objects in each other; the go command writes three. */
const MAX_DEPTH = 32;

/**
 * Parses a list of modules: lines of `path@version`, `path version` or a path alone, also with `=> path version` behind it as
 * `go list -m all` writes them, and with the `[v1.2.4]`, `(retracted)` and `(deprecated)` of its `-u`, with comments behind `#` or `//`; the lines of `go version -m`; or the objects that `go list -m -json` and
 * `go version -m -json` write one after the other. `file` is for messages. Whether a path or a version is valid is not looked at.
 *
 * What is no module is given to `refuse` if there is one, and the others are read. Where JSON breaks off, what follows is not.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` with file and line
 */
export function parseModuleList(text: string, file: string, refuse?: RefuseLine): ModuleList {
  if (text.length > MAX_LENGTH) throw malformed(file, undefined, `more than ${MAX_LENGTH} characters`);
  if (/^\s*[{[]/.test(text)) return parseObjects(text, file, refuse);
  return /^\t(?:path|mod|dep)\t/m.test(text) ? parseVersionM(text, file, refuse) : parseLines(text, file, refuse);
}

/** The lines of `go version -m`: for each binary one with its name and Go version, then indented ones. */
function parseVersionM(text: string, file: string, refuse: RefuseLine | undefined): ModuleList {
  const modules: ListedModule[] = [];
  const goVersions: string[] = [];
  // The line before was refused: what replaces it replaces no other.
  let isRefused = false;
  for (const [i, line] of text.split("\n").entries()) {
    const [indent, word, path, version, sum] = line.replace(/\r$/, "").split("\t", 6);
    if (indent !== "") {
      goVersions.push(line.slice(line.lastIndexOf(": ") + 1).trim());
    } else if (word === "mod" || word === "dep") {
      isRefused = path === undefined || path === "";
      if (path === undefined || path === "") {
        refuseOrThrow(refuse, malformed(file, i + 1, "a module without a path"), i + 1);
        continue;
      }
      const isMain = word === "mod";
      const unsaid = { goModSum: undefined, isIndirect: undefined, replace: undefined };
      modules.push({ path, version: version || undefined, sum: sum || undefined, ...unsaid, isMain, line: i + 1 });
    } else if (word === "=>") {
      if (isRefused) continue;
      const replaced = modules.pop();
      if (replaced === undefined || path === undefined) {
        refuseOrThrow(refuse, malformed(file, i + 1, "a replacement of nothing"), i + 1);
        continue;
      }
      modules.push({ ...replaced, replace: { path, version: version || undefined } });
    }
  }
  return { kind: "build-info", modules, goVersions };
}

function parseLines(text: string, file: string, refuse: RefuseLine | undefined): ModuleList {
  const modules: ListedModule[] = [];
  for (const [i, whole] of text.split("\n").entries()) {
    const words = whole
      .replace(/(?:^|\s)(?:#|\/\/).*$/s, "")
      .replace(ADDED, "")
      .split(/\s+/)
      .filter((word) => word !== "");
    if (words.length === 0) continue;
    try {
      modules.push(parseWords(words, file, i + 1));
    } catch (error) {
      refuseOrThrow(refuse, error, i + 1);
    }
  }
  return { kind: "lines", modules, goVersions: [] };
}

/** Gives what was thrown to who takes it. */
function refuseOrThrow(refuse: RefuseLine | undefined, error: unknown, line: number): void {
  if (refuse === undefined || !isProofdnsError(error)) throw error;
  refuse(error, line);
}

function parseWords(words: readonly string[], file: string, line: number): ListedModule {
  const arrow = words.indexOf("=>");
  const before = arrow < 0 ? words : words.slice(0, arrow);
  const after = arrow < 0 ? undefined : words.slice(arrow + 1);
  const at = before.length === 1 ? (before[0] as string).indexOf("@") : -1;
  const [path, version] = at < 0 ? before : [(before[0] as string).slice(0, at), (before[0] as string).slice(at + 1)];
  const isReplaceWrong = after !== undefined && (after.length < 1 || after.length > 2);
  if (path === undefined || path === "" || version === "" || before.length > 2 || isReplaceWrong) {
    throw malformed(file, line, `${quoted(words.slice(0, 10).join(" "))} is not a module like example.com/path@v1.2.3`);
  }
  const [newPath, newVersion] = after ?? [];
  const replace = newPath === undefined ? undefined : { path: newPath, version: newVersion };
  const unsaid = { sum: undefined, goModSum: undefined, isMain: false, isIndirect: undefined };
  return { path, version, ...unsaid, replace, line };
}

type JsonObject = { readonly [key: string]: unknown };

function parseObjects(text: string, file: string, refuse: RefuseLine | undefined): ModuleList {
  const modules: ListedModule[] = [];
  const goVersions: string[] = [];
  let kind: ModuleList["kind"] | undefined;
  for (const { object, error, line } of objectsOf(text, file)) {
    try {
      if (error !== undefined) throw error;
      const read = readObject(new ObjectReader(object, file, line));
      if (kind !== undefined && kind !== read.kind)
        throw malformed(file, line, "an object of another kind than those before it");
      kind = read.kind;
      for (const module of read.modules) modules.push(module);
      for (const goVersion of read.goVersions) goVersions.push(goVersion);
    } catch (error) {
      refuseOrThrow(refuse, error, line);
    }
  }
  return { kind: kind ?? "go-list", modules, goVersions };
}

/** All that one object names, or nothing of it. */
function readObject(reader: ObjectReader): ModuleList {
  const isBinary =
    reader.has("GoVersion") &&
    !reader.has("Dir") &&
    (reader.has("Main") || reader.has("Deps") || reader.has("Settings"));
  if (!isBinary || typeof reader.get("Main") === "boolean") {
    const module = reader.module(reader.flag("Main"), reader.flag("Indirect"));
    return { kind: "go-list", modules: [module], goVersions: [] };
  }
  const goVersions = [reader.text("GoVersion") ?? ""];
  const main = reader.object("Main");
  const mains = main?.text("Path") === undefined ? [] : [main.module(true, undefined)];
  const deps = reader.objects("Deps").map((dep) => dep.module(false, undefined));
  return { kind: "build-info", modules: [...mains, ...deps], goVersions };
}

/** Reads fields of an object from outside; what is missing, empty or null is undefined, another type is refused. */
class ObjectReader {
  readonly #object: JsonObject;
  readonly #file: string;
  readonly #line: number;

  constructor(object: JsonObject, file: string, line: number) {
    this.#object = object;
    this.#file = file;
    this.#line = line;
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#object, key);
  }

  get(key: string): unknown {
    return this.has(key) ? (this.#object[key] ?? undefined) : undefined;
  }

  text(key: string): string | undefined {
    const value = this.get(key);
    if (value !== undefined && typeof value !== "string") return this.#refuse(key, "text");
    return value === "" ? undefined : value;
  }

  flag(key: string): boolean {
    const value = this.get(key) ?? false;
    return typeof value === "boolean" ? value : this.#refuse(key, "true or false");
  }

  object(key: string): ObjectReader | undefined {
    const value = this.get(key);
    if (value === undefined) return undefined;
    return isObject(value) ? new ObjectReader(value, this.#file, this.#line) : this.#refuse(key, "an object");
  }

  objects(key: string): ObjectReader[] {
    const value = this.get(key) ?? [];
    if (!Array.isArray(value)) return this.#refuse(key, "a list");
    return value.map((one: unknown) =>
      isObject(one) ? new ObjectReader(one, this.#file, this.#line) : this.#refuse(key, "a list of objects"),
    );
  }

  module(isMain: boolean, isIndirect: boolean | undefined): ListedModule {
    const path = this.text("Path");
    if (path === undefined) {
      const expected = "expected what go list -m -json or go version -m -json prints";
      throw malformed(this.#file, this.#line, `the object has no Path of a module; ${expected}`);
    }
    const replace = this.object("Replace");
    return {
      path,
      version: this.text("Version"),
      sum: this.text("Sum"),
      goModSum: this.text("GoModSum"),
      isMain,
      isIndirect,
      replace:
        replace === undefined ? undefined : { path: replace.text("Path") ?? "", version: replace.text("Version") },
      line: this.#line,
    };
  }

  #refuse(key: string, what: string): never {
    throw malformed(this.#file, this.#line, `${quoted(key)} is not ${what}`);
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An object of a list, or what stands in its place. */
type ListedObject =
  | { readonly object: JsonObject; readonly error?: undefined; readonly line: number }
  | { readonly object?: undefined; readonly error: ProofdnsError; readonly line: number };

/** The objects of a text of nothing else, one after the other; of a list its members. */
function* objectsOf(text: string, file: string): Generator<ListedObject> {
  let line = 1;
  let lineAt = 0;
  const lineOf = (at: number): number => {
    for (let end = text.indexOf("\n", lineAt); end >= 0 && end < at; end = text.indexOf("\n", lineAt)) {
      line++;
      lineAt = end + 1;
    }
    return line;
  };
  for (let at = 0; ; ) {
    while (at < text.length && /\s/.test(text[at] as string)) at++;
    if (at >= text.length) return;
    const start = lineOf(at);
    const end = endOfValue(text, at);
    if (end === undefined) {
      // Where the next object begins is a guess from here on.
      const why = "expected a JSON object that ends, and nothing between objects; what follows was not read";
      yield { error: malformed(file, start, why), line: start };
      return;
    }
    for (const value of valuesOf(text.slice(at, end))) {
      if (isProofdnsError(value)) yield { error: value, line: start };
      else if (isObject(value)) yield { object: value, line: start };
      else yield { error: malformed(file, start, "expected JSON objects"), line: start };
    }
    at = end;
  }

  function valuesOf(json: string): readonly unknown[] {
    try {
      const value: unknown = JSON.parse(json);
      return Array.isArray(value) ? value : [value];
    } catch (cause) {
      return [malformed(file, line, "the object that begins here is not JSON", cause)];
    }
  }
}

/** Where the object or list ends that begins at `at`; undefined if it does not, or is too deep. */
function endOfValue(text: string, at: number): number | undefined {
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    const c = text[i];
    if (c === '"') {
      for (i++; i < text.length && text[i] !== '"'; i++) if (text[i] === "\\") i++;
    } else if (c === "{" || c === "[") {
      if (++depth > MAX_DEPTH) return undefined;
    } else if (c === "}" || c === "]") {
      if (--depth === 0) return i + 1;
    } else if (depth === 0) {
      return undefined;
    }
  }
  return undefined;
}
