import { isDigit, isLetter } from "./semver.ts";

/** The canonical form of a version as people write it, read character by character (https://go.dev/ref/mod#versions). */
export function naiveCanonical(text: string): string | undefined {
  if (text.length > 256 || text[0] !== "v") return undefined;
  let at = 1;
  let count = 0;
  for (; count < 3; count++) {
    if (count > 0) {
      if (text[at] !== ".") break;
      at++;
    }
    const start = at;
    while (isDigit(text[at])) at++;
    if (at === start || (text[start] === "0" && at > start + 1)) return undefined;
  }
  if (count < 3) return at === text.length ? text + ".0".repeat(3 - count) : undefined;
  if (text[at] === "-") {
    at = skipIdentifiers(text, at + 1, true);
    if (at < 0) return undefined;
  }
  const core = text.slice(0, at);
  if (at === text.length) return core;
  if (text[at] !== "+" || skipIdentifiers(text, at + 1, false) !== text.length) return undefined;
  return text.slice(at) === "+incompatible" ? text : core;
}

/** Where identifiers parted by dots end; −1 if one is empty, or a number with a leading zero where that is forbidden. */
function skipIdentifiers(text: string, start: number, isPre: boolean): number {
  let at = start;
  for (;;) {
    const from = at;
    let digits = 0;
    for (; isDigit(text[at]) || isLetter(text[at]) || text[at] === "-"; at++) if (isDigit(text[at])) digits++;
    if (at === from || (isPre && digits === at - from && digits > 1 && text[from] === "0")) return -1;
    if (text[at] !== ".") return at;
    at++;
  }
}
