/**
 * Versions of Go modules, read character by character from spec/map.md §2, with big integers. Shares nothing with the
 * source; its branches also guide the fuzzer, to which the source's regular expressions are opaque.
 */
export interface NaiveVersion {
  readonly numbers: readonly [bigint, bigint, bigint];
  readonly pre: readonly string[];
  readonly isIncompatible: boolean;
  readonly kind: "release" | "pre" | "pseudo";
  readonly timestamp: string;
}

export function naiveVersion(text: string): NaiveVersion | undefined {
  if (text.length > 90 || text[0] !== "v") return undefined;
  let at = 1;
  const numbers: bigint[] = [];
  for (let i = 0; i < 3; i++) {
    if (i > 0 && text[at++] !== ".") return undefined;
    const start = at;
    while (isDigit(text[at])) at++;
    if (at === start || (text[start] === "0" && at - start > 1)) return undefined;
    numbers.push(BigInt(text.slice(start, at)));
  }
  const coreEnd = at;
  const pre: string[] = [];
  if (text[at] === "-") {
    do {
      const start = ++at;
      while (isDigit(text[at]) || isLetter(text[at]) || text[at] === "-") at++;
      const ident = text.slice(start, at);
      if (ident === "" || (ident.length > 1 && ident[0] === "0" && allDigits(ident))) return undefined;
      pre.push(ident);
    } while (text[at] === ".");
  }
  const plainEnd = at;
  const isIncompatible = text.slice(at) === "+incompatible";
  if (!isIncompatible && at !== text.length) return undefined;
  const [major = 0n, minor = 0n, patch = 0n] = numbers;
  const first = minor === 0n && patch === 0n;
  const timestamp = pre.length === 0 ? "" : stampOf(text.slice(coreEnd + 1, plainEnd), first);
  const kind = timestamp !== "" ? "pseudo" : pre.length > 0 ? "pre" : "release";
  return { numbers: [major, minor, patch], pre, isIncompatible, kind, timestamp };
}

/** The 14 digits of a pseudo-version, given what stands behind `v<num>.<num>.<num>-`; empty if it is none. */
function stampOf(rest: string, first: boolean): string {
  let revision = 0;
  while (revision < rest.length && (isDigit(rest.at(-1 - revision)) || isLetter(rest.at(-1 - revision)))) revision++;
  const dash = rest.length - revision - 1;
  if (revision === 0 || rest[dash] !== "-" || dash < 14) return "";
  const stamp = rest.slice(dash - 14, dash);
  if (!allDigits(stamp)) return "";
  const front = rest.slice(0, dash - 14);
  if (front === "") return first ? stamp : "";
  return front === "0." || front.slice(-3) === ".0." ? stamp : "";
}

/** Semantic versioning 2.0.0 §11, ties by bytes. */
export function naiveCompare(a: string, b: string): number {
  const [x, y] = [naiveVersion(a), naiveVersion(b)];
  if (x === undefined || y === undefined) throw new TypeError("not versions");
  for (const i of [0, 1, 2] as const) if (x.numbers[i] !== y.numbers[i]) return x.numbers[i] < y.numbers[i] ? -1 : 1;
  if (x.pre.length === 0 && y.pre.length > 0) return 1;
  if (y.pre.length === 0 && x.pre.length > 0) return -1;
  for (let i = 0; ; i++) {
    const [s, t] = [x.pre[i], y.pre[i]];
    if (s === undefined && t === undefined) return Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    if (s === undefined) return -1;
    if (t === undefined) return 1;
    if (s === t) continue;
    if (allDigits(s) && allDigits(t)) return BigInt(s) < BigInt(t) ? -1 : 1;
    if (allDigits(s) !== allDigits(t)) return allDigits(s) ? -1 : 1;
    return Math.sign(Buffer.compare(Buffer.from(s), Buffer.from(t)));
  }
}

export function isDigit(c: string | undefined): boolean {
  return c !== undefined && c >= "0" && c <= "9";
}

export function isLetter(c: string | undefined): boolean {
  return c !== undefined && ((c >= "a" && c <= "z") || (c >= "A" && c <= "Z"));
}

function allDigits(text: string): boolean {
  for (const c of text) if (!isDigit(c)) return false;
  return text !== "";
}
