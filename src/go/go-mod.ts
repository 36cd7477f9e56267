import { isProofdnsError, type ProofdnsError } from "../vindex/error.ts";
import { splitPathSuffix } from "../vindex/module-path.ts";
import type { Version } from "../vindex/version.ts";
import { unquote } from "./go-string.ts";
import { malformed, quoted } from "./malformed.ts";
import { describeTokens, directiveComment, parseSyntax, type SyntaxLine, trimSpace } from "./mod-syntax.ts";
import { canonicalVersion, comparePrecedence, parseAnyVersion } from "./semver.ts";

/** A `require` of a go.mod file. */
export interface Requirement {
  readonly path: string;
  /** Canonical. */
  readonly version: string;
  /** As it stands in the file. Where it is not canonical, as in `v1`, the go command takes it for a query when it tidies the file. */
  readonly writtenVersion: string;
  /** Marked `// indirect`. */
  readonly isIndirect: boolean;
  readonly line: number;
}

/** A `replace` of a go.mod or go.work file. */
export interface Replacement {
  readonly path: string;
  /** Undefined: of all versions. */
  readonly version: string | undefined;
  /** A module path, or, without a version, a folder. */
  readonly newPath: string;
  readonly newVersion: string | undefined;
  readonly line: number;
}

/** An `exclude` of a go.mod file. */
export interface Exclusion {
  readonly path: string;
  readonly version: string;
  readonly line: number;
}

/** A `retract` of a go.mod file: all versions from `low` to `high`, both included. The bounds are as written, not checked. */
export interface Retraction {
  readonly low: string;
  readonly high: string;
  /** The comment at the directive, in lines; empty if there is none. Anyone may have written it: print `shortMessage` of it. */
  readonly rationale: string;
  readonly line: number;
}

/** What a go.mod file says. */
export interface GoMod {
  /** Empty if there is no `module` line. */
  readonly module: string;
  /** The deprecation message; undefined if there is none. Print `shortMessage` of it. */
  readonly deprecated: string | undefined;
  /** Language version, as in `1.21.0`. */
  readonly go: string | undefined;
  readonly toolchain: string | undefined;
  readonly require: readonly Requirement[];
  readonly replace: readonly Replacement[];
  readonly exclude: readonly Exclusion[];
  readonly retract: readonly Retraction[];
}

/** How a go.mod file is read. */
export interface GoModOptions {
  /** True for the file of a dependency: what only counts in the main module, and what is unknown, is passed over (x/mod ParseLax). */
  readonly isDependency?: boolean;
  /** Takes what refuses a `require`, of which nothing is kept then; without it the file is refused. */
  readonly onRefusedRequire?: (error: ProofdnsError, line: number) => void;
}

const BLOCKS: ReadonlySet<string> = new Set([
  ...["module", "godebug", "require", "exclude", "replace", "retract", "tool", "ignore"],
]);
/** What counts in the go.mod of a dependency. */
const LAX: ReadonlySet<string> = new Set(["module", "go", "require", "retract", "ignore"]);

const GO_VERSION = /^[1-9][0-9]*\.(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))?(?:[a-z]+[0-9]+)?$/;
const LAX_GO_VERSION = /^v?([1-9][0-9]*\.(?:0|[1-9][0-9]*))[^0-9]/;
const TOOLCHAIN = /^default$|^go1(?:$|\.)/;

/** A directive with the line that it stands in, and what refuses it. */
export interface Directive {
  readonly verb: string;
  readonly args: readonly string[];
  readonly syntax: SyntaxLine;
  readonly block: SyntaxLine | undefined;
  refuse(why: string): never;
}

/** The directives of a file, one by one; `blocks` are the verbs that may stand before a parenthesis. */
export function* directivesOf(
  text: string,
  file: string,
  blocks: ReadonlySet<string>,
  isStrict: boolean,
): Generator<Directive> {
  const make = (verb: string, args: readonly string[], syntax: SyntaxLine, block?: SyntaxLine): Directive => ({
    verb,
    args,
    syntax,
    block,
    refuse: (why) => {
      throw malformed(file, syntax.line, why);
    },
  });
  for (const statement of parseSyntax(text, file)) {
    const verb = statement.tokens[0] as string;
    if (statement.block === undefined) {
      yield make(verb, statement.tokens.slice(1), statement);
    } else if (statement.tokens.length > 1 || !blocks.has(verb)) {
      if (isStrict)
        throw malformed(file, statement.line, `no block can begin with ${describeTokens(statement.tokens)}`);
    } else {
      for (const line of statement.block) yield make(verb, line.tokens, line, statement);
    }
  }
}

/** A file under way. */
interface Draft {
  module: string | undefined;
  deprecated: string | undefined;
  go: string | undefined;
  toolchain: string | undefined;
  readonly require: Requirement[];
  readonly replace: Replacement[];
  readonly exclude: Exclusion[];
  readonly retract: Retraction[];
}

/**
 * Parses a go.mod file (golang.org/x/mod/modfile; https://go.dev/ref/mod#go-mod-file). `file` is for messages.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` with file and line
 */
export function parseGoMod(text: string, file: string, options: GoModOptions = {}): GoMod {
  const isStrict = options.isDependency !== true;
  const draft: Draft = {
    module: undefined,
    deprecated: undefined,
    go: undefined,
    toolchain: undefined,
    require: [],
    replace: [],
    exclude: [],
    retract: [],
  };
  for (const directive of directivesOf(text, file, BLOCKS, isStrict)) {
    if (!isStrict && !LAX.has(directive.verb)) continue;
    try {
      add(draft, directive, isStrict);
    } catch (error) {
      if (directive.verb !== "require" || options.onRefusedRequire === undefined || !isProofdnsError(error))
        throw error;
      options.onRefusedRequire(error, directive.syntax.line);
    }
  }
  return { ...draft, module: draft.module ?? "" };
}

function add(draft: Draft, directive: Directive, isStrict: boolean): void {
  const { verb, args, syntax, refuse } = directive;
  const { line } = syntax;
  switch (verb) {
    case "module":
      if (draft.module !== undefined) refuse("a second module directive");
      if (args.length !== 1) refuse("expected: module example.com/path");
      draft.module = takeString(directive, 0);
      draft.deprecated = deprecationOf(directiveComment(syntax, directive.block));
      return;
    case "go":
      if (draft.go !== undefined) refuse("a second go directive");
      draft.go = takeGoVersion(directive, isStrict);
      return;
    case "toolchain":
      if (draft.toolchain !== undefined) refuse("a second toolchain directive");
      draft.toolchain = takeToolchain(directive);
      return;
    case "require": {
      const { path, version } = takeModule(directive);
      const writtenVersion = takeString(directive, 1);
      draft.require.push({ path, version, writtenVersion, isIndirect: isIndirect(syntax.suffix), line });
      return;
    }
    case "exclude":
      draft.exclude.push({ ...takeModule(directive), line });
      return;
    case "replace":
      draft.replace.push(takeReplacement(directive));
      return;
    case "retract": {
      const bounds = takeBounds(directive, isStrict);
      if (bounds === undefined) return;
      draft.retract.push({ ...bounds, rationale: directiveComment(syntax, directive.block), line });
      return;
    }
    case "godebug":
      checkGodebug(directive);
      return;
    case "tool":
    case "ignore":
      if (args.length !== 1) refuse(`expected: ${verb} and one path`);
      takeString(directive, 0);
      return;
    default:
      refuse(`unknown directive ${quoted(verb)}; it may need a newer version of this program`);
  }
}

/** The language version of a `go` directive. */
export function takeGoVersion({ args, refuse }: Directive, isStrict: boolean): string {
  const [version] = args;
  if (version === undefined || args.length !== 1) return refuse("expected: go 1.23");
  if (GO_VERSION.test(version)) return version;
  const lax = isStrict ? null : LAX_GO_VERSION.exec(version);
  return lax?.[1] ?? refuse(`${quoted(version)} is no Go version like 1.23`);
}

/** The name in a `toolchain` directive. */
export function takeToolchain({ args, refuse }: Directive): string {
  const [name] = args;
  if (name === undefined || args.length !== 1 || !TOOLCHAIN.test(name)) return refuse("expected: toolchain go1.23.0");
  return name;
}

/** Checks a `godebug` directive, of which nothing is kept. */
export function checkGodebug({ args, refuse }: Directive): void {
  const [setting] = args;
  if (setting === undefined || args.length !== 1 || !setting.includes("=") || /["'`,]/.test(setting)) {
    refuse("expected: godebug name=value");
  }
}

/** The string at `index`, unquoted if it is in `"`; other quotes are reserved. */
export function takeString({ args, refuse }: Directive, index: number): string {
  const token = args[index] ?? "";
  if (token.startsWith('"')) return unquote(token) ?? refuse(`${quoted(token)} is no quoted string of Go`);
  return /["'`]/.test(token)
    ? refuse(`${quoted(token)} has a quote where none may stand; quote the whole with "`)
    : token;
}

function takeVersion(directive: Directive, index: number): string {
  const text = takeString(directive, index);
  const version = canonicalVersion(text);
  return (
    version ?? directive.refuse(`${quoted(text)} is no version like v1.2.3; go mod tidy replaces names of branches`)
  );
}

function takeModule(directive: Directive): { path: string; version: string } {
  if (directive.args.length !== 2) return directive.refuse(`expected: ${directive.verb} example.com/path v1.2.3`);
  const path = takeString(directive, 0);
  const version = takeVersion(directive, 1);
  checkMajor(directive, path, version);
  return { path, version };
}

/** Refuses a version that cannot be one of the path (x/mod module.CheckPathMajor). */
function checkMajor({ refuse }: Directive, path: string, version: string | undefined): void {
  const suffix = splitPathSuffix(path);
  if (suffix === undefined) {
    refuse(`no module path can end as ${quoted(path)} does`);
    return;
  }
  if (version === undefined) return;
  const major = version.slice(1, version.indexOf("."));
  if (suffix.major === undefined) {
    if (major === "0" || major === "1" || version.endsWith("+incompatible")) return;
    refuse(`${quoted(version)} is no version of ${quoted(path)}: that has v0 and v1, or +incompatible`);
  } else if (major !== suffix.major) {
    const isOldPseudo = suffix.major === "1" && path.startsWith("gopkg.in/") && version.startsWith("v0.0.0-");
    if (!isOldPseudo) refuse(`${quoted(version)} is no version of ${quoted(path)}: that has v${suffix.major}`);
  }
}

/** A `replace` directive. */
export function takeReplacement(directive: Directive): Replacement {
  const { args, syntax, refuse } = directive;
  const arrow = args[1] === "=>" ? 1 : 2;
  const after = args.length - arrow - 1;
  if (args[arrow] !== "=>" || after < 1 || after > 2) {
    return refuse("expected: replace example.com/path [v1.2.3] => example.com/other v1.2.3, or => ./folder");
  }
  const path = takeString(directive, 0);
  checkMajor(directive, path, undefined);
  const version = arrow === 2 ? takeVersion(directive, 1) : undefined;
  checkMajor(directive, path, version);
  const newPath = takeString(directive, arrow + 1);
  const newVersion = after === 2 ? takeVersion(directive, arrow + 2) : undefined;
  if (newVersion === undefined && !isFolderPath(newPath)) {
    return refuse(`${quoted(newPath)} needs a version, or ./ before it if it is a folder`);
  }
  if (newVersion !== undefined && isFolderPath(newPath)) return refuse(`the folder ${quoted(newPath)} has no version`);
  return { path, version, newPath, newVersion, line: syntax.line };
}

/** True if a replacement is a folder and no module path, on whatever system the file was written. */
export function isFolderPath(path: string): boolean {
  return /^(?:\.{0,2}[/\\]|[A-Za-z]:)/.test(path);
}

/** The bounds of a `retract`; undefined for a form that a dependency may have and is not known yet. */
function takeBounds(directive: Directive, isStrict: boolean): { low: string; high: string } | undefined {
  const { args } = directive;
  const isInterval = args[0] === "[";
  const length = isInterval ? 5 : 1;
  const isForm = isInterval
    ? args.length >= 5 && args[2] === "," && args[4] === "]"
    : args.length >= 1 && args[0] !== "(";
  if (!isForm || (isStrict && args.length !== length)) {
    return isStrict ? directive.refuse("expected: retract v1.2.3, or retract [v1.2.0, v1.2.3]") : undefined;
  }
  // As the go command does, which reads a bound here as any string: one that is no version retracts nothing.
  const [low, high] = [isInterval ? 1 : 0, isInterval ? 3 : 0].map((index) => takeBound(directive, index, isStrict));
  return low === undefined || high === undefined ? undefined : { low, high };
}

function takeBound(directive: Directive, index: number, isStrict: boolean): string | undefined {
  const token = directive.args[index] ?? "";
  if (isStrict) return takeString(directive, index);
  if (token.startsWith('"')) return unquote(token);
  return /["'`]/.test(token) ? undefined : token;
}

function isIndirect(suffix: string | undefined): boolean {
  if (suffix === undefined) return false;
  const words = suffix
    .slice(2)
    .split(/\p{White_Space}+/u)
    .filter((word) => word !== "");
  return words[0] === "indirect" ? words.length === 1 : words[0] === "indirect;" && words.length > 1;
}

/** The first paragraph of a comment that begins with `Deprecated:`, without that. */
function deprecationOf(comment: string): string | undefined {
  // Paragraph for paragraph: an expression that looks for both ends would be quadratic. Of more than two line ends
  // the first two end a paragraph, the others begin the next one.
  let at = 0;
  for (;;) {
    const end = comment.indexOf("\n\n", at);
    const paragraph = comment.slice(at, end < 0 ? undefined : end);
    if (paragraph.startsWith("Deprecated:")) {
      const message = paragraph.slice("Deprecated:".length).replace(/^ */, "");
      return message === "" ? undefined : message;
    }
    if (end < 0) return undefined;
    // One step where three line ends follow each other: both pairs of them can stand before a paragraph.
    at = comment[end + 2] === "\n" ? end + 1 : end + 2;
  }
}

/**
 * The retractions that take a version back. Bounds compare by precedence; one that is no version is below all versions, as
 * the go command has it.
 *
 * @throws RangeError if `version` is no semantic version
 */
export function retractionsOf(goMod: Pick<GoMod, "retract">, version: string): Retraction[] {
  const parsed = parseAnyVersion(version);
  if (parsed === undefined) throw new RangeError("not a semantic version");
  const isAtMost = (low: string, high: Version): boolean => {
    const bound = parseAnyVersion(low);
    return bound === undefined || comparePrecedence(bound, high) <= 0;
  };
  return goMod.retract.filter(({ low, high }) => {
    const top = parseAnyVersion(high);
    return top !== undefined && comparePrecedence(parsed, top) <= 0 && isAtMost(low, parsed);
  });
}

/** Longest first line of a message that is shown, in characters. */
const MAX_MESSAGE = 500;

/**
 * What may be printed of a rationale or a deprecation message: its first line, or that it is left out because it is long or
 * holds what is not printable; empty if there is none.
 */
export function shortMessage(message: string): string {
  const end = message.indexOf("\n");
  const line = trimSpace(end < 0 ? message : message.slice(0, end));
  if (line.length > MAX_MESSAGE) return "(message left out: too long)";
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(line)) return "(message left out: it holds characters that cannot be printed)";
  return line;
}
