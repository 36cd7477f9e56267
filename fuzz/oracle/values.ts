import { isNaivePath, naiveFamily, naiveFits } from "./module-path.ts";
import { naiveCompare, naiveVersion } from "./semver.ts";

/**
 * Committed values in the form of spec/client.md §5: each is taken apart loosely, checked against the rules, and put
 * together again, which must give the same text.
 */
export interface NaiveItem {
  readonly version: string;
  readonly index: number;
}

export interface NaiveModuleValue {
  readonly items: readonly NaiveItem[];
  readonly kind: string;
  /** The three hashes as 43 characters: zip, go.mod, state. */
  readonly hashes: readonly string[];
}

/** A decimal as the protocol writes it. */
function decimal(text: string | undefined): number | undefined {
  if (text === undefined || text.length < 1 || text.length > 16) return undefined;
  for (const c of text) if (c < "0" || c > "9") return undefined;
  const value = BigInt(text);
  return String(value) === text && value < 2n ** 53n ? Number(value) : undefined;
}

/** 43 characters that are the one text of 32 bytes. */
export function isHashText(text: string | undefined): boolean {
  if (text === undefined || text.length !== 43) return false;
  const bytes = Buffer.from(text, "base64");
  return bytes.length === 32 && bytes.toString("base64") === `${text}=`;
}

/** Splits `k=v` fields at spaces; undefined if one is none or a key stands twice. */
function fieldsOf(item: string): Map<string, string> | undefined {
  const fields = new Map<string, string>();
  for (const field of item.split(" ")) {
    const equals = field.indexOf("=");
    if (equals < 1 || fields.has(field.slice(0, equals))) return undefined;
    fields.set(field.slice(0, equals), field.slice(equals + 1));
  }
  return fields;
}

function kindText(kind: string): string {
  return kind === "release" ? "" : ` k=${kind}`;
}

/** The `v`, `k` and `i` of an item. */
function itemOf(
  fields: Map<string, string>,
  path: string,
  size: number,
): (NaiveItem & { kind: string; text: string }) | undefined {
  const version = fields.get("v") ?? "";
  const naive = naiveVersion(version);
  const index = decimal(fields.get("i"));
  if (naive === undefined || index === undefined || index >= size || !naiveFits(path, version)) return undefined;
  return { version, index, kind: naive.kind, text: `v=${version}${kindText(naive.kind)} i=${index}` };
}

const majorOf = (version: string): bigint => naiveVersion(version)?.numbers[0] ?? -1n;

/** `path` is a module path. */
export function naiveModuleValue(text: string, path: string, size: number): NaiveModuleValue | undefined {
  const items: (NaiveItem & { kind: string; text: string })[] = [];
  let hashes: string[] = [];
  for (const [i, part] of text.split("; ").entries()) {
    const fields = fieldsOf(part);
    const item = fields === undefined ? undefined : itemOf(fields, path, size);
    if (fields === undefined || item === undefined) return undefined;
    if (i === 0) {
      hashes = ["h", "m", "s"].map((key) => fields.get(key) ?? "");
      if (!hashes.every(isHashText)) return undefined;
      if (part !== `${item.text} h=${hashes[0]} m=${hashes[1]} s=${hashes[2]}`) return undefined;
    } else if (part !== item.text) return undefined;
    items.push(item);
  }
  const [latest, ...rest] = items;
  if (latest === undefined || (latest.kind !== "release" && rest.length > 0)) return undefined;
  const last = rest.at(-1);
  const prerelease = last !== undefined && last.kind === "pre" ? last : undefined;
  const releases = prerelease === undefined ? rest : rest.slice(0, -1);
  if (prerelease !== undefined && naiveCompare(prerelease.version, latest.version) <= 0) return undefined;
  for (const [i, { kind, version }] of releases.entries()) {
    if (kind !== "release" || majorOf(version) === majorOf(latest.version)) return undefined;
    const before = releases[i - 1];
    if (before !== undefined && majorOf(before.version) <= majorOf(version)) return undefined;
  }
  return { items: items.map(({ version, index }) => ({ version, index })), kind: latest.kind, hashes };
}

export interface NaiveMajor extends NaiveItem {
  readonly suffix: string;
  readonly path: string;
}

/** The items of a family without the `s` field. */
export function naiveMajorItems(text: string, base: string, size: number): NaiveMajor[] | undefined {
  const out: NaiveMajor[] = [];
  const isGopkg = base.startsWith("gopkg.in/");
  for (const part of text.split("; ")) {
    const fields = fieldsOf(part);
    const suffix = fields?.get("p");
    if (fields === undefined || suffix === undefined) return undefined;
    const digits = suffix.slice(1);
    const isBase = suffix === "-";
    if (!isBase) {
      if (suffix[0] !== "v" || digits.length < 1 || digits.length > 20) return undefined;
      for (const c of digits) if (c < "0" || c > "9") return undefined;
      if (String(BigInt(digits)) !== digits) return undefined;
    }
    const path = isBase ? base : `${base}${isGopkg ? "." : "/"}${suffix}`;
    if (!isNaivePath(path) || (!isBase && naiveFamily(path)?.base !== base)) return undefined;
    const before = out.at(-1);
    if (isBase && before === undefined) return undefined;
    if (before !== undefined && before.suffix === "-") return undefined;
    if (before !== undefined && !isBase && BigInt(before.suffix.slice(1)) <= BigInt(digits)) return undefined;
    const item = itemOf(fields, path, size);
    if (item === undefined || part !== `p=${suffix} ${item.text}`) return undefined;
    out.push({ suffix, path, version: item.version, index: item.index });
  }
  return out;
}

/** The value of a family: its hash of all items as text, what it shows, and the items. */
export function naiveMajorsValue(
  text: string,
  base: string,
  size: number,
): { hash: string; shown: string; items: NaiveMajor[] } | undefined {
  const [first = "", ...rest] = text.split("; ");
  const cut = first.length - " s=".length - 43;
  if (cut < 0 || first.slice(cut, cut + 3) !== " s=" || !isHashText(first.slice(cut + 3))) return undefined;
  const shown = [first.slice(0, cut), ...rest].join("; ");
  const items = naiveMajorItems(shown, base, size);
  return items === undefined ? undefined : { hash: first.slice(cut + 3), shown, items };
}

export interface NaiveGo {
  readonly minor: bigint;
  readonly stage: number;
  readonly number: bigint;
}

/** `go1.<minor>[.<patch>|rc<n>|beta<n>]` (spec/map.md §8). */
export function naiveGo(text: string): NaiveGo | undefined {
  if (text.length > 40 || text.slice(0, 4) !== "go1.") return undefined;
  const word = ["beta", "rc", "."].find((w) => text.indexOf(w, 4) >= 0);
  const at = word === undefined ? text.length : text.indexOf(word, 4);
  const minor = numberOf(text.slice(4, at));
  const number = word === undefined ? 0n : numberOf(text.slice(at + word.length));
  if (minor === undefined || number === undefined) return undefined;
  if (word !== undefined && word !== "." && number === 0n) return undefined;
  return { minor, number, stage: word === "beta" ? 0 : word === "rc" ? 1 : 2 };
}

function numberOf(text: string): bigint | undefined {
  if (text === "") return undefined;
  for (const c of text) if (c < "0" || c > "9") return undefined;
  return String(BigInt(text)) === text ? BigInt(text) : undefined;
}

export function compareGo(a: string, b: string): number {
  const [x, y] = [naiveGo(a), naiveGo(b)];
  if (x === undefined || y === undefined) throw new TypeError("not Go versions");
  if (x.minor !== y.minor) return x.minor < y.minor ? -1 : 1;
  if (x.stage !== y.stage) return x.stage - y.stage;
  if (x.number !== y.number) return x.number < y.number ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

export function naiveToolchain(text: string, size: number): { go: string; kind: string; index: number }[] | undefined {
  const out: { go: string; kind: string; index: number }[] = [];
  for (const part of text.split("; ")) {
    const fields = fieldsOf(part);
    const [go = "", kind = ""] = [fields?.get("v"), fields?.get("k")];
    const index = decimal(fields?.get("i"));
    const parsed = naiveGo(go);
    if (parsed === undefined || index === undefined || index >= size) return undefined;
    if (part !== `v=${go} k=${kind} i=${index}`) return undefined;
    if (kind === "next" ? parsed.stage === 2 : parsed.stage !== 2) return undefined;
    out.push({ go, kind, index });
  }
  const kinds = out.map(({ kind }) => kind).join(" ");
  if (!["cur", "cur prev", "cur next", "cur prev next", "next"].includes(kinds)) return undefined;
  const find = (wanted: string) => out.find(({ kind }) => kind === wanted)?.go;
  const [cur, prev, next] = [find("cur"), find("prev"), find("next")];
  if (cur !== undefined && prev !== undefined) {
    const [x, y] = [naiveGo(cur), naiveGo(prev)];
    if (x === undefined || y === undefined || y.minor >= x.minor) return undefined;
  }
  return cur !== undefined && next !== undefined && compareGo(next, cur) <= 0 ? undefined : out;
}
