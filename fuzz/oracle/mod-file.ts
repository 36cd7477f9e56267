import { naiveCanonical } from "./go-version.ts";
import { naiveSuffix } from "./module-path.ts";
import { isDigit } from "./semver.ts";

/**
 * go.mod and go.work files read line by line (https://go.dev/ref/mod#go-mod-file-lexical): nothing goes over the end of a
 * line but the lines of a block.
 */
export interface NaiveFile {
  /** What every directive says, in order of the file. */
  readonly rows: readonly string[];
}

interface Line {
  readonly tokens: readonly string[];
  readonly before: readonly string[];
  readonly suffix: string | undefined;
}

class Refusal extends Error {}

function refuse(): never {
  throw new Refusal();
}

/** Undefined if the file is refused. */
export function naiveModFile(text: string, kind: "mod" | "lax" | "work"): NaiveFile | undefined {
  try {
    return { rows: readRows(text, kind) };
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

const MOD_BLOCKS = ["module", "godebug", "require", "exclude", "replace", "retract", "tool", "ignore"];
const WORK_BLOCKS = ["use", "replace", "godebug"];

function readRows(text: string, kind: "mod" | "lax" | "work"): string[] {
  const all: [Line, Line | undefined][] = [];
  let block: Line | undefined;
  let before: string[] = [];
  let inBlock = 0;
  const blocks = kind === "work" ? WORK_BLOCKS : MOD_BLOCKS;
  const open = (line: Line): void => {
    const isKnown = line.tokens.length === 1 && blocks.includes(line.tokens[0] ?? "");
    if (!isKnown && kind !== "lax") pending = true;
  };
  // A block of an unknown kind is refused only after the whole file was read: it makes no difference here.
  let pending = false;
  for (const raw of text.split("\n")) {
    const { tokens, comment } = scan(raw);
    if (block !== undefined) {
      if (tokens.length === 0) {
        if (comment !== undefined) before.push(comment);
        else if (before.length === 0 ? inBlock > 0 : before.at(-1) !== "") before.push("");
      } else if (tokens[0] === ")") {
        if (tokens.length > 1) refuse();
        block = undefined;
        before = [];
      } else {
        inBlock++;
        if (block.tokens.length === 1 && blocks.includes(block.tokens[0] ?? "")) {
          all.push([{ tokens: [block.tokens[0] ?? "", ...tokens], before, suffix: comment }, block]);
        }
        before = [];
      }
      continue;
    }
    if (tokens.length === 0) {
      if (comment !== undefined) before.push(comment);
      else before = [];
      continue;
    }
    const end = tokens.slice(1).slice(-2);
    if (end.at(-1) === "(") {
      block = { tokens: tokens.slice(0, -1), before, suffix: undefined };
      inBlock = 0;
      open(block);
    } else if (end.length === 2 && end[0] === "(" && end[1] === ")") {
      open({ tokens: tokens.slice(0, -2), before, suffix: undefined });
    } else {
      all.push([{ tokens, before, suffix: comment }, undefined]);
    }
    before = [];
  }
  if (block !== undefined || pending) refuse();
  const state = new Set<string>();
  return all.flatMap(([line, parent]) => rowOf(line, parent, kind, state) ?? []);
}

/** The tokens of a line and the comment behind them, of which a CR at the end is no part. */
function scan(raw: string): { tokens: string[]; comment: string | undefined } {
  const tokens: string[] = [];
  const characters = [...raw];
  for (let at = 0; at < characters.length; ) {
    const c = characters[at] ?? "";
    const two = c + (characters[at + 1] ?? "");
    if (" \t\r".includes(c)) at++;
    else if (two === "//") {
      const comment = characters.slice(at).join("");
      return { tokens, comment };
    } else if (two === "/*") refuse();
    else if ("()[]{},".includes(c)) {
      tokens.push(c);
      at++;
    } else if (c === '"' || c === "`") {
      let end = at + 1;
      while (characters[end] !== c) {
        if (characters[end] === undefined) refuse();
        if (characters[end] === "\\" && c === '"') end++;
        end++;
      }
      tokens.push(characters.slice(at, end + 1).join(""));
      at = end + 1;
    } else {
      let word = "";
      for (; at < characters.length; at++) {
        const next = characters[at] ?? "";
        const pair = next + (characters[at + 1] ?? "");
        if (" \t\r()[]{},".includes(next) || pair === "//") break;
        if (pair === "/*" || !/^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(next)) refuse();
        word += next;
      }
      tokens.push(word);
    }
  }
  return { tokens, comment: undefined };
}

function commentOf(line: Line, parent: Line | undefined): string {
  const own = line.suffix === undefined ? line.before : [...line.before, line.suffix];
  const from = own.length > 0 || parent === undefined ? own : parent.before;
  return from.flatMap((text) => (text === "" ? [] : [trim(text.slice(2))])).join("\n");
}

const SPACES = new Set(
  " \t\v\f\r\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000",
);

function trim(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && SPACES.has(text[start] ?? "")) start++;
  while (end > start && SPACES.has(text[end - 1] ?? "")) end--;
  return text.slice(start, end);
}

function words(text: string): string[] {
  const out = [""];
  for (const c of text) {
    if (SPACES.has(c)) out.push("");
    else out.push(out.pop() + c);
  }
  return out.filter((word) => word !== "");
}

function once(state: Set<string>, verb: string): void {
  if (state.has(verb)) refuse();
  state.add(verb);
}

/** Without escapes only: with them, what a string means is left to the vectors of the tests. */
function stringOf(token: string): string {
  if (token[0] === '"') return token.includes("\\") ? unescapeNaively(token) : token.slice(1, -1);
  return token.includes('"') || token.includes("'") || token.includes("`") ? refuse() : token;
}

function unescapeNaively(token: string): string {
  const bytes: Buffer[] = [];
  const inner = [...token.slice(1, -1)];
  const letters: { readonly [letter: string]: number } = {
    a: 7,
    b: 8,
    f: 12,
    n: 10,
    r: 13,
    t: 9,
    v: 11,
    "\\": 92,
    '"': 34,
  };
  for (let at = 0; at < inner.length; at++) {
    const c = inner[at] ?? "";
    if (c !== "\\") {
      bytes.push(Buffer.from(c));
      continue;
    }
    const letter = inner[++at] ?? refuse();
    if (Object.hasOwn(letters, letter)) bytes.push(Buffer.of(letters[letter] ?? 0));
    else {
      const isOctal = letter >= "0" && letter <= "7";
      const count = isOctal ? 3 : letter === "x" ? 2 : letter === "u" ? 4 : letter === "U" ? 8 : refuse();
      const from = isOctal ? at : at + 1;
      const digits = inner.slice(from, from + count);
      const alphabet = isOctal ? "01234567" : "0123456789abcdefABCDEF";
      if (digits.length < count || digits.some((digit) => !alphabet.includes(digit))) refuse();
      const value = digits.reduce((sum, digit) => sum * (isOctal ? 8 : 16) + Number.parseInt(digit, 16), 0);
      if (count < 4) bytes.push(value > 255 ? refuse() : Buffer.of(value));
      else
        bytes.push(
          value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)
            ? refuse()
            : Buffer.from(String.fromCodePoint(value)),
        );
      at = from + count - 1;
    }
  }
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat(bytes));
}

function versionOf(token: string): string {
  return naiveCanonical(stringOf(token)) ?? refuse();
}

function fits(path: string, version: string | undefined): void {
  const suffix = naiveSuffix(path) ?? refuse();
  if (version === undefined) return;
  const major = version.slice(1).split(".")[0];
  const isMarked = version.slice(-13) === "+incompatible";
  if (suffix.digits === undefined ? major !== "0" && major !== "1" && !isMarked : major !== suffix.digits) {
    const isOld = suffix.digits === "1" && path.slice(0, 9) === "gopkg.in/" && version.slice(0, 7) === "v0.0.0-";
    if (!isOld) refuse();
  }
}

function isFolder(path: string): boolean {
  const starts = ["./", "../", "/", ".\\", "..\\", "\\"];
  const isLetter = (path[0] ?? "") >= "A" && (path[0] ?? "") <= "z" && /[A-Za-z]/.test(path[0] ?? "");
  return starts.some((start) => path.slice(0, start.length) === start) || (isLetter && path[1] === ":");
}

function goVersion(text: string, isStrict: boolean): string {
  const number = (at: number, isFirst: boolean): number => {
    let end = at;
    while (isDigit(text[end])) end++;
    const isFine = end > at && (text[at] !== "0" || (end === at + 1 && !isFirst));
    return isFine ? end : -1;
  };
  const two = (start: number): number => {
    const first = number(start, true);
    return first > 0 && text[first] === "." ? number(first + 1, false) : -1;
  };
  let at = two(0);
  if (at > 0) {
    const lax = text.slice(0, at);
    if (text[at] === ".") at = number(at + 1, false);
    if (at > 0) {
      const letters = at;
      while ((text[at] ?? "") >= "a" && (text[at] ?? "") <= "z") at++;
      const digits = at;
      while (at > letters && isDigit(text[at])) at++;
      if (at === text.length && (letters === digits || at > digits)) return text;
    }
    if (!isStrict && lax.length < text.length) return lax;
  }
  const start = text[0] === "v" ? 1 : 0;
  const end = two(start);
  return !isStrict && end > 0 && end < text.length ? text.slice(start, end) : refuse();
}

function rowOf(
  line: Line,
  parent: Line | undefined,
  kind: "mod" | "lax" | "work",
  state: Set<string>,
): string | undefined {
  const [verb = "", ...args] = line.tokens;
  const [first = "", second = ""] = args;
  const isLax = kind === "lax";
  if (isLax && !["module", "go", "require", "retract", "ignore"].includes(verb)) return undefined;
  const row = (...parts: readonly (string | undefined)[]): string => JSON.stringify([verb, ...parts]);
  const arity = (count: number): void => {
    if (args.length !== count) refuse();
  };
  if (kind === "work" ? ["module", "require", "exclude", "retract", "tool", "ignore"].includes(verb) : verb === "use")
    return refuse();
  switch (verb) {
    case "module": {
      once(state, verb);
      arity(1);
      return row(stringOf(first), deprecation(commentOf(line, parent)));
    }
    case "go":
      once(state, verb);
      arity(1);
      return row(goVersion(first, !isLax));
    case "toolchain":
      once(state, verb);
      arity(1);
      return first === "default" || first === "go1" || first.slice(0, 4) === "go1." ? row(first) : refuse();
    case "require":
    case "exclude": {
      arity(2);
      const [path, version] = [stringOf(first), versionOf(second)];
      fits(path, version);
      if (verb === "exclude") return row(path, version);
      const [word, ...more] = words((line.suffix ?? "//").slice(2));
      const isIndirect = (word === "indirect" && more.length === 0) || (word === "indirect;" && more.length > 0);
      return row(path, version, String(isIndirect));
    }
    case "replace": {
      const arrow = second === "=>" ? 1 : 2;
      const rest = args.slice(arrow + 1);
      if (args[arrow] !== "=>" || rest.length < 1 || rest.length > 2) refuse();
      const [path, version] = [stringOf(first), arrow === 2 ? versionOf(second) : undefined];
      fits(path, version);
      const [newPath, newVersion] = [stringOf(rest[0] ?? ""), rest.length === 2 ? versionOf(rest[1] ?? "") : undefined];
      if (isFolder(newPath) !== (newVersion === undefined)) refuse();
      return row(path, version, newPath, newVersion);
    }
    case "retract":
      return retraction(args, isLax, (low, high) => row(low, high, commentOf(line, parent)));
    case "godebug":
      arity(1);
      if (!first.includes("=") || [...first].some((c) => "\"'`,".includes(c))) refuse();
      return undefined;
    case "tool":
    case "ignore":
    case "use":
      arity(1);
      stringOf(first);
      return verb === "use" ? row(stringOf(first)) : undefined;
    default:
      return refuse();
  }
}

function retraction(
  args: readonly string[],
  isLax: boolean,
  row: (low: string, high: string) => string,
): string | undefined {
  try {
    if (args[0] === "[") {
      if (args[2] !== "," || args[4] !== "]" || (!isLax && args.length > 5)) refuse();
      return row(stringOf(args[1] ?? ""), stringOf(args[3] ?? ""));
    }
    if (args[0] === undefined || args[0] === "(" || (!isLax && args.length > 1)) refuse();
    return row(stringOf(args[0] ?? ""), stringOf(args[0] ?? ""));
  } catch (error) {
    if (isLax && error instanceof Refusal) return undefined;
    throw error;
  }
}

/** By the words of the reference: a paragraph that begins with `Deprecated:`. */
function deprecation(comment: string): string | undefined {
  const match = /(?:^|\n\n)Deprecated: *(.*)$/s.exec(comment);
  if (match === null) return undefined;
  const message = (match[1] ?? "").split("\n\n")[0] ?? "";
  return message === "" ? undefined : message;
}
