import { encodeUtf8 } from "../vindex/bytes.ts";

/** String literals of Go, as they stand in go.mod files and in build information. */

const SIMPLE: ReadonlyMap<string, number> = new Map([
  ["a", 7],
  ["b", 8],
  ["f", 12],
  ["n", 10],
  ["r", 13],
  ["t", 9],
  ["v", 11],
  ["\\", 0x5c],
  ['"', 0x22],
]);

const lossy = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * The text of a whole literal in `"` or `` ` `` (strconv.Unquote); undefined if it is none. Bytes that escapes make and that
 * are not UTF-8 become U+FFFD.
 */
export function unquote(literal: string): string | undefined {
  const quote = literal[0];
  if (literal.length < 2 || literal.at(-1) !== quote) return undefined;
  const inner = literal.slice(1, -1);
  if (quote === "`") return inner.includes("`") ? undefined : inner.replaceAll("\r", "");
  if (quote !== '"' || inner.includes("\n")) return undefined;
  if (!inner.includes("\\")) return inner.includes('"') ? undefined : inner;
  return unescapeText(inner);
}

function unescapeText(inner: string): string | undefined {
  const bytes: number[] = [];
  for (let at = 0; at < inner.length; ) {
    const c = inner.codePointAt(at) as number;
    const text = String.fromCodePoint(c);
    at += text.length;
    if (text === '"') return undefined;
    if (text !== "\\") {
      bytes.push(...encodeUtf8(text));
      continue;
    }
    const letter = inner[at] ?? "";
    const simple = SIMPLE.get(letter);
    if (simple !== undefined) {
      bytes.push(simple);
      at += 1;
      continue;
    }
    const digits = digitsAt(inner, at);
    if (digits === undefined) return undefined;
    at += digits.length;
    if (digits.isByte) {
      if (digits.value > 0xff) return undefined;
      bytes.push(digits.value);
    } else {
      if (digits.value > 0x10ffff || (digits.value >= 0xd800 && digits.value < 0xe000)) return undefined;
      bytes.push(...encodeUtf8(String.fromCodePoint(digits.value)));
    }
  }
  return lossy.decode(Uint8Array.from(bytes));
}

/** An escape by number: `x41`, `101` (octal), `u0041` or `U00000041`. */
function digitsAt(text: string, at: number): { value: number; length: number; isByte: boolean } | undefined {
  const octal = /^[0-7]{3}$/.test(text.slice(at, at + 3));
  if (octal) return { value: Number.parseInt(text.slice(at, at + 3), 8), length: 3, isByte: true };
  const count = { x: 2, u: 4, U: 8 }[text[at] ?? ""];
  if (count === undefined) return undefined;
  const digits = text.slice(at + 1, at + 1 + count);
  if (digits.length !== count || !/^[0-9A-Fa-f]+$/.test(digits)) return undefined;
  return { value: Number.parseInt(digits, 16), length: 1 + count, isByte: count === 2 };
}

/** Length of the literal that `text` begins with, quotes included; undefined if it begins with none that ends. */
export function quotedPrefixLength(text: string): number | undefined {
  const quote = text[0];
  if (quote !== '"' && quote !== "`") return undefined;
  for (let at = 1; at < text.length; at++) {
    if (text[at] === quote) return at + 1;
    if (text[at] === "\\" && quote === '"') at++;
  }
  return undefined;
}

const LETTERS: ReadonlyMap<string, string> = new Map([
  ["\x07", "\\a"],
  ["\b", "\\b"],
  ["\f", "\\f"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ["\v", "\\v"],
  ["\\", "\\\\"],
  ['"', '\\"'],
]);

/** A literal in `"` for `text` (strconv.Quote): whatever is not printable is written by number. */
export function quote(text: string): string {
  let out = '"';
  for (const c of text) {
    const code = c.codePointAt(0) as number;
    out += LETTERS.get(c) ?? (isPrint(c) ? c : escapeOf(code));
  }
  return `${out}"`;
}

function escapeOf(code: number): string {
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
}

/** True for what Go calls printable: letters, marks, numbers, punctuation, symbols and the ASCII space. */
export function isPrint(character: string): boolean {
  return /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(character);
}
