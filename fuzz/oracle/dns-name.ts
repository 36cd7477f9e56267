import { isDigit } from "./semver.ts";

/**
 * What a name under `p1` stands for, by the tables of spec/dns.md §1.2 and §1.3, read from left to right. Labels are the
 * ones left of `p1`, leftmost first, lower case. The result is a text, the same for the same question.
 */
export function naiveMeaning(labels: readonly string[]): string {
  const last = labels.at(-1);
  if (last === undefined) return "log-root";
  const rest = labels.slice(0, -1);
  if (last[0] !== "_") return pathOr(labels, (path) => `module ${path}`);
  if (last === "_k") return keyOr(rest, (key) => `module key ${key}`);
  if (last === "_toolchain") return rest.length === 0 ? "toolchain" : NX;
  if (last === "_majors") return pathOr(rest, (path) => `majors ${path}`);
  if (last === "_versions") {
    const second = rest.at(-1);
    const page = second?.startsWith("_p") ? decimal(second.slice(2)) : undefined;
    const asked = page === undefined ? rest : rest.slice(0, -1);
    const what = page === undefined ? "versions" : `page ${page}`;
    if (asked.at(-1) === "_k") return keyOr(asked.slice(0, -1), (key) => `${what} key ${key}`);
    return pathOr(asked, (path) => `${what} ${path}`);
  }
  if (last === "_head") return headOf(rest);
  for (const service of ["_consistency", "_sumdb", "_record"]) if (last === service) return pairOf(service, rest);
  return NX;
}

const NX = "NXDOMAIN";
const NODATA = "NODATA";

/** A path's labels, a part of them from the right, or neither. */
function pathOr(labels: readonly string[], say: (path: string) => string): string {
  if (labels.length === 0) return NODATA;
  const at = labels.indexOf("_");
  const host = at < 0 ? labels : labels.slice(at + 1);
  if (host.length === 0 || !host.every(isHost)) return NX;
  if (at === 0) return NODATA;
  const elements = at < 0 ? [] : labels.slice(0, at).map(naiveElement);
  if (elements.includes(undefined)) return NX;
  return say([host.join("."), ...elements.reverse()].join("/"));
}

function isHost(label: string): boolean {
  for (const c of label) if (!(c >= "a" && c <= "z") && !isDigit(c) && c !== "-") return false;
  return label.length >= 1 && label.length <= 63;
}

/** The label of a path element, by the two rules of §1.1; undefined if there is none. */
export function naiveLabel(element: string): string | undefined {
  let label = "";
  for (const c of element) {
    if (c < " " || c > "~" || c === "/") return undefined;
    const isKept = isDigit(c) || (c >= "a" && c <= "z") || c === "-";
    label += isKept ? c : `_${Buffer.from(c).toString("hex")}`;
  }
  if (label[0] === "-") label = `_2d${label.slice(1)}`;
  if (label.at(-1) === "-") label = `${label.slice(0, -1)}_2d`;
  return label.length >= 1 && label.length <= 63 ? label : undefined;
}

/** The element of a canonical label. */
export function naiveElement(label: string): string | undefined {
  const parts = label.split("_");
  const bytes = parts.slice(1).map((part) => Buffer.from(part.slice(0, 2), "hex").toString("latin1"));
  const element =
    parts[0] +
    parts
      .slice(1)
      .map((part, i) => bytes[i] + part.slice(2))
      .join("");
  return naiveLabel(element) === label ? element : undefined;
}

function keyOr(labels: readonly string[], say: (key: string) => string): string {
  const [label, ...more] = labels;
  if (label === undefined) return NODATA;
  if (more.length > 0 || label.length !== 52) return NX;
  let bits = 0n;
  for (const c of label) {
    const digit = "abcdefghijklmnopqrstuvwxyz234567".indexOf(c);
    if (digit < 0) return NX;
    bits = bits * 32n + BigInt(digit);
  }
  // 260 bits, of which the last four are spare.
  return bits % 16n === 0n ? say((bits / 16n).toString(16).padStart(64, "0")) : NX;
}

function headOf(labels: readonly string[]): string {
  if (labels.length === 0) return "head newest";
  const numbers = labels.map((label) => ({ letter: label[0], number: decimal(label.slice(1)) }));
  if (numbers.some(({ number }) => number === undefined)) return NX;
  const form = numbers.map(({ letter }) => letter).join("");
  const said = numbers.map(({ letter, number }) => `${letter}${number}`).join(" ");
  return ["s", "e", "t", "se"].includes(form) ? `head ${said}` : NX;
}

function pairOf(service: string, labels: readonly string[]): string {
  const numbers = labels.map(decimal);
  if (numbers.includes(undefined) || labels.length > 2) return NX;
  return labels.length === 2 ? `${service} ${numbers.join(" ")}` : NODATA;
}

function decimal(text: string): number | undefined {
  if (text.length < 1 || text.length > 16) return undefined;
  for (const c of text) if (!isDigit(c)) return undefined;
  return String(BigInt(text)) === text && BigInt(text) < 2n ** 53n ? Number(text) : undefined;
}
