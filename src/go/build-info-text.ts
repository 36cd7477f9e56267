import { quote, quotedPrefixLength, unquote } from "./go-string.ts";
import { malformed, shown } from "./malformed.ts";

/** A module that a binary was made of. */
export interface BuildModule {
  readonly path: string;
  /** `(devel)` for what was not built from a version; may be empty. */
  readonly version: string;
  /** `h1:…` of its zip as stated, not checked; undefined where there is none: the main module, vendored and local ones. */
  readonly sum: string | undefined;
  /** What was used in its place. */
  readonly replace: BuildModule | undefined;
}

/** What the module text of a binary says. */
export interface BuildInfoText {
  /** Import path of the main package; empty if there is none. */
  readonly path: string;
  readonly main: BuildModule | undefined;
  readonly deps: readonly BuildModule[];
  /** Build settings, as in `GOOS` and `linux`. Values may hold anything. */
  readonly settings: readonly (readonly [key: string, value: string])[];
}

interface Draft {
  path: string;
  version: string;
  sum: string | undefined;
  replace: BuildModule | undefined;
}

/** Most lines; a binary has one for each module and a few more. */
const MAX_LINES = 200_000;

/**
 * Parses the text that stands in a binary (runtime/debug.ParseBuildInfo): lines of fields parted by tabs, of which
 * the first says what they are. Unknown lines are passed over.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` with the line
 */
export function parseBuildInfoText(text: string, file: string): BuildInfoText {
  let path = "";
  let main: Draft | undefined;
  const deps: Draft[] = [];
  const settings: (readonly [string, string])[] = [];
  let last: Draft | undefined;
  const lines = text.split("\n", MAX_LINES + 1);
  if (lines.length > MAX_LINES)
    throw malformed(file, undefined, `its build information has more than ${MAX_LINES} lines`);
  // What follows the last line end is no line.
  for (const [i, line] of lines.slice(0, -1).entries()) {
    const refuse = (why: string): never => {
      throw malformed(file, undefined, `line ${i + 1} of its build information: ${why}`);
    };
    const tab = line.indexOf("\t");
    const word = tab < 0 ? "" : line.slice(0, tab);
    const rest = line.slice(tab + 1);
    switch (word) {
      case "path":
        path = checkText(rest, refuse);
        break;
      case "mod":
        main = last = parseModule(rest, 2, refuse);
        break;
      case "dep":
        last = parseModule(rest, 2, refuse);
        deps.push(last);
        break;
      case "=>":
        if (last === undefined) return refuse("a replacement of nothing");
        last.replace = parseModule(rest, 3, refuse);
        last = undefined;
        break;
      case "build":
        settings.push(parseSetting(rest, refuse));
        break;
    }
  }
  return { path, main, deps, settings };
}

function checkText(text: string, refuse: (why: string) => never): string {
  return /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text) ? refuse("a character that cannot be printed") : text;
}

function parseModule(rest: string, fewest: number, refuse: (why: string) => never): Draft {
  const columns = rest.split("\t", 4).map((column) => checkText(column, refuse));
  const [path, version, sum] = columns;
  if (columns.length < fewest || columns.length > 3 || path === undefined || version === undefined) {
    return refuse(`${columns.length} columns where a module has 2 or 3`);
  }
  return { path, version, sum: sum === "" ? undefined : sum, replace: undefined };
}

const KEY_QUOTED = /[= \t\r\n"`]/;
const VALUE_QUOTED = /[ \t\r\n"`]/;

function parseSetting(rest: string, refuse: (why: string) => never): readonly [string, string] {
  const isQuoted = rest.startsWith('"') || rest.startsWith("`");
  const keyLength = isQuoted ? quotedPrefixLength(rest) : rest.indexOf("=");
  if (keyLength === undefined || keyLength < 1 || rest[keyLength] !== "=")
    return refuse("a setting without a name or value");
  const rawKey = rest.slice(0, keyLength);
  const rawValue = rest.slice(keyLength + 1);
  const key = isQuoted ? unquote(rawKey) : KEY_QUOTED.test(rawKey) ? undefined : rawKey;
  const isValueQuoted = rawValue.startsWith('"') || rawValue.startsWith("`");
  const value = isValueQuoted ? unquote(rawValue) : VALUE_QUOTED.test(rawValue) ? undefined : rawValue;
  if (key === undefined || value === undefined) return refuse("a setting whose quotes are wrong");
  return [key, value];
}

/**
 * What `go version -m` prints of a binary, with a line end behind each line. Where Go would print a character that a terminal
 * obeys, it is replaced, or written by number if it stands in a setting.
 */
export function formatVersionM(file: string, info: BuildInfoText & { readonly goVersion: string }): string {
  const lines = [`${shown(file, Number.POSITIVE_INFINITY)}: ${info.goVersion}`];
  if (info.path !== "") lines.push(`\tpath\t${info.path}`);
  if (info.main !== undefined) lines.push(...moduleLines("mod", info.main));
  for (const dep of info.deps) lines.push(...moduleLines("dep", dep));
  for (const [key, value] of info.settings) {
    const name = key === "" || KEY_QUOTED.test(key) || isUnprintable(key) ? quote(key) : key;
    lines.push(`\tbuild\t${name}=${VALUE_QUOTED.test(value) || isUnprintable(value) ? quote(value) : value}`);
  }
  return `${lines.join("\n")}\n`;
}

function moduleLines(word: string, module: BuildModule): string[] {
  const { replace } = module;
  const start = `\t${word}\t${module.path}\t${module.version}`;
  if (replace === undefined) return [`${start}\t${module.sum ?? ""}`];
  // The go command ends a replacement with a line of nothing but the indent.
  return [start, `\t=>\t${replace.path}\t${replace.version}\t${replace.sum ?? ""}`, "\t"];
}

function isUnprintable(text: string): boolean {
  return /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(text);
}
