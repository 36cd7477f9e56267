import { isPrint } from "./go-string.ts";
import { malformed, quoted } from "./malformed.ts";

/**
 * The syntax that go.mod and go.work share (golang.org/x/mod/modfile): lines of tokens, blocks of such lines in
 * parentheses, and `//` comments, which belong to the line that they stand above or behind.
 */
export interface SyntaxLine {
  /** At least one. Strings keep their quotes. */
  readonly tokens: readonly string[];
  /** From 1. */
  readonly line: number;
  /** Whole-line comments directly above, with their slashes; an empty one stands for blank lines within a block. */
  readonly before: readonly string[];
  /** The comment behind it, with its slashes. */
  readonly suffix: string | undefined;
}

/** A line by itself, or a block. */
export interface Statement extends SyntaxLine {
  /** The lines of a block, of which `tokens` is what stands before its parenthesis; undefined for a line. */
  readonly block: readonly SyntaxLine[] | undefined;
}

/** Largest file that is read, in characters; the go command takes 16 MiB. */
export const MAX_FILE_LENGTH = 16 * 1024 * 1024;
/** Most lines; the largest projects have a few thousand. */
const MAX_LINES = 500_000;

type Kind = "end" | "eol-comment" | "comment" | "word" | "newline" | "(" | ")" | "other";

interface Token {
  readonly kind: Kind;
  readonly text: string;
  readonly line: number;
}

const PUNCTUATION = new Set(["\n", "(", ")", "[", "]", "{", "}", ","]);

/** Splits a file into tokens. A carriage return is a space, and also may stand before the end of a comment. */
class Lexer {
  readonly #text: string;
  readonly #file: string;
  #at = 0;
  #line = 1;
  #isLineStart = true;
  #next: Token;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
    this.#next = this.#read();
  }

  get peek(): Kind {
    return this.#next.kind;
  }

  take(): Token {
    const token = this.#next;
    this.#next = this.#read();
    return token;
  }

  refuse(why: string, line = this.#next.line): never {
    throw malformed(this.#file, line, why);
  }

  #read(): Token {
    if (this.#line > MAX_LINES) this.refuse(`more than ${MAX_LINES} lines`, this.#line);
    const text = this.#text;
    while (isSpace(text[this.#at])) this.#at++;
    const line = this.#line;
    if (this.#at >= text.length) return { kind: "end", text: "", line };
    if (text.startsWith("//", this.#at)) return this.#readComment();
    this.#refuseBlockComment();
    const c = text[this.#at] as string;
    if (c === "\n") {
      this.#at++;
      this.#line++;
      this.#isLineStart = true;
      return { kind: "newline", text: c, line };
    }
    this.#isLineStart = false;
    if (PUNCTUATION.has(c)) {
      this.#at++;
      return { kind: c === "(" || c === ")" ? c : "other", text: c, line };
    }
    return { kind: "word", text: c === '"' || c === "`" ? this.#readString(c) : this.#readWord(), line };
  }

  #readComment(): Token {
    const line = this.#line;
    const end = this.#text.indexOf("\n", this.#at);
    const stop = end < 0 ? this.#text.length : end;
    const kind = this.#isLineStart ? "comment" : "eol-comment";
    const whole = this.#text.slice(this.#at, stop);
    const comment = end >= 0 && whole.endsWith("\r") ? whole.slice(0, -1) : whole;
    this.#at = end < 0 ? stop : stop + 1;
    if (end >= 0) this.#line++;
    this.#isLineStart = true;
    return { kind, text: comment, line };
  }

  #readString(quote: string): string {
    const start = this.#at++;
    for (; ; this.#at++) {
      const c = this.#text[this.#at];
      if (c === undefined) return this.refuse("a quoted string does not end", this.#line);
      if (c === "\n") return this.refuse("a line ends within a quoted string", this.#line);
      if (c === quote) break;
      // The character after a backslash does not end the string; a line end there would be refused by its meaning anyway.
      if (c === "\\" && quote === '"' && this.#text[this.#at + 1] !== "\n") this.#at++;
    }
    return this.#text.slice(start, ++this.#at);
  }

  #readWord(): string {
    const start = this.#at;
    while (this.#at < this.#text.length) {
      const c = String.fromCodePoint(this.#text.codePointAt(this.#at) as number);
      if (isSpace(c) || PUNCTUATION.has(c) || this.#text.startsWith("//", this.#at)) break;
      this.#refuseBlockComment();
      if (c === " " || !isPrint(c)) {
        if (this.#at > start) break;
        const code = (c.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0");
        this.refuse(`the character U+${code} may not stand here`, this.#line);
      }
      this.#at += c.length;
    }
    return this.#text.slice(start, this.#at);
  }

  #refuseBlockComment(): void {
    if (this.#text.startsWith("/*", this.#at))
      this.refuse("comments begin with //, there are none in /* */", this.#line);
  }
}

function isSpace(c: string | undefined): boolean {
  return c === " " || c === "\t" || c === "\r";
}

function isLineEnd(kind: Kind): boolean {
  return kind === "newline" || kind === "eol-comment" || kind === "end";
}

/**
 * Parses a file into its statements. `file` is for messages.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` with file and line, and for more than 16 Mi characters or 500,000 lines
 */
export function parseSyntax(text: string, file: string): Statement[] {
  if (text.length > MAX_FILE_LENGTH) throw malformed(file, undefined, `more than ${MAX_FILE_LENGTH} characters`);
  const lexer = new Lexer(text, file);
  const statements: Statement[] = [];
  let comments: string[] = [];
  for (;;) {
    const kind = lexer.peek;
    if (kind === "end") return statements;
    if (kind === "newline") {
      // A blank line parts a comment from what follows.
      comments = [];
      lexer.take();
    } else if (kind === "comment") {
      comments.push(lexer.take().text);
    } else {
      statements.push(parseStatement(lexer, comments));
      comments = [];
    }
  }
}

function parseStatement(lexer: Lexer, before: readonly string[]): Statement {
  const { text, line } = lexer.take();
  const tokens = [text];
  for (;;) {
    const token = lexer.take();
    if (isLineEnd(token.kind)) {
      return { tokens, line, before, suffix: suffixOf(token), block: undefined };
    }
    if (token.kind === "(") {
      if (isLineEnd(lexer.peek)) return { tokens, line, before, suffix: undefined, block: parseBlock(lexer, line) };
      if (lexer.peek === ")") {
        const closing = lexer.take();
        if (isLineEnd(lexer.peek)) {
          lexer.take();
          return { tokens, line, before, suffix: undefined, block: [] };
        }
        tokens.push(token.text, closing.text);
        continue;
      }
    }
    tokens.push(token.text);
  }
}

function suffixOf(token: Token): string | undefined {
  return token.kind === "eol-comment" ? token.text : undefined;
}

/** The lines up to the closing parenthesis, which stands on a line of its own. */
function parseBlock(lexer: Lexer, start: number): SyntaxLine[] {
  const lines: SyntaxLine[] = [];
  let comments: string[] = [];
  for (;;) {
    const kind = lexer.peek;
    if (kind === "end") return lexer.refuse(`the block that begins in line ${start} is not closed`);
    if (kind === "eol-comment") {
      lexer.take();
    } else if (kind === "newline") {
      lexer.take();
      const last = comments.at(-1);
      if (last === undefined ? lines.length > 0 : last !== "") comments.push("");
    } else if (kind === "comment") {
      comments.push(lexer.take().text);
    } else if (kind === ")") {
      const { line } = lexer.take();
      if (!isLineEnd(lexer.peek)) lexer.refuse("the line goes on after a closing parenthesis", line);
      lexer.take();
      return lines;
    } else {
      lines.push(parseLine(lexer, comments));
      comments = [];
    }
  }
}

function parseLine(lexer: Lexer, before: readonly string[]): SyntaxLine {
  const { text, line } = lexer.take();
  const tokens = [text];
  for (;;) {
    const token = lexer.take();
    if (isLineEnd(token.kind)) return { tokens, line, before, suffix: suffixOf(token) };
    tokens.push(token.text);
  }
}

/** The comment of a directive (its own, else that of its block), without slashes, in lines. */
export function directiveComment(line: SyntaxLine, block: SyntaxLine | undefined): string {
  const own = [...line.before, ...(line.suffix === undefined ? [] : [line.suffix])];
  const comments = own.length === 0 && block !== undefined ? block.before : own;
  return comments
    .filter((comment) => comment.startsWith("//"))
    .map((comment) => trimSpace(comment.slice(2)))
    .join("\n");
}

/** Without the white space at both ends, as Go has it: U+FEFF is none, U+0085 is. */
export function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && /\p{White_Space}/u.test(text[start] as string)) start++;
  while (end > start && /\p{White_Space}/u.test(text[end - 1] as string)) end--;
  return text.slice(start, end);
}

/** For messages: the tokens of a line, shortened. */
export function describeTokens(tokens: readonly string[]): string {
  return quoted(tokens.slice(0, 20).join(" "));
}
