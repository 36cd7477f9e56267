import { type Bytes, base64, compare, concat, hex, sha256, unpadded, utf8 } from "./bytes.ts";
import { leafHash, mapRoot, pairsOf, peaks } from "./merkle.ts";

/** The map function of map.md, from all records at once instead of as a fold. */

export interface Version {
  readonly text: string;
  readonly numbers: readonly [bigint, bigint, bigint];
  readonly pre: readonly string[];
  readonly isIncompatible: boolean;
  readonly kind: "release" | "pre" | "pseudo";
  readonly timestamp: string;
}

const NUM = "(?:0|[1-9][0-9]*)";
const FRONTS = [`^v${NUM}[.]0[.]0-$`, `^v${NUM}[.]${NUM}[.]${NUM}-0[.]$`, `^v${NUM}[.]${NUM}[.]${NUM}-.*[.]0[.]$`];

/** map.md §2, with the limit of 90 bytes. */
export function version(text: string): Version | null {
  if (utf8(text).length > 90) return null;
  const match = new RegExp(`^v(${NUM})[.](${NUM})[.](${NUM})(?:-([0-9A-Za-z.-]+))?([+]incompatible)?$`).exec(text);
  if (match === null || text.endsWith("\n")) return null;
  const pre = match[4] === undefined ? [] : match[4].split(".");
  if (pre.some((ident) => ident === "" || (/^[0-9]+$/.test(ident) && ident.length > 1 && ident.startsWith("0"))))
    return null;
  const pseudo = /^(.*)([0-9]{14})-[0-9A-Za-z]+$/.exec(text.replace(/[+]incompatible$/, ""));
  const isPseudo = pseudo !== null && FRONTS.some((front) => new RegExp(front).test(pseudo[1] as string));
  return {
    text,
    numbers: [BigInt(match[1] as string), BigInt(match[2] as string), BigInt(match[3] as string)],
    pre,
    isIncompatible: match[5] !== undefined,
    kind: isPseudo ? "pseudo" : pre.length > 0 ? "pre" : "release",
    timestamp: isPseudo ? (pseudo[2] as string) : "",
  };
}

function sign(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** map.md §2.2. */
export function order(a: Version, b: Version): number {
  for (const i of [0, 1, 2] as const) if (a.numbers[i] !== b.numbers[i]) return sign(a.numbers[i], b.numbers[i]);
  return orderPre(a.pre, b.pre) || compare(utf8(a.text), utf8(b.text));
}

function orderPre(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return Number(a.length === 0) - Number(b.length === 0);
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i] as string, b[i] as string];
    const [nx, ny] = [/^[0-9]+$/.test(x), /^[0-9]+$/.test(y)];
    if (x === y) continue;
    if (nx !== ny) return nx ? -1 : 1;
    return nx ? sign(BigInt(x), BigInt(y)) : compare(utf8(x), utf8(y));
  }
  return a.length - b.length;
}

export interface Path {
  readonly basePath: string;
  readonly major: string | null;
  readonly family: string | null;
}

/** map.md §3; null if it is no module path. */
export function path(text: string): Path | null {
  if (text.startsWith("-") || !/^[A-Za-z0-9._~/-]+$/.test(text)) return null;
  const elements = text.split("/");
  for (const element of elements) {
    if (element === "" || element.startsWith(".") || element.endsWith(".")) return null;
    const short = (element.split(".")[0] as string).toUpperCase();
    if (["CON", "PRN", "AUX", "NUL"].includes(short) || /^(COM|LPT)[1-9]$/.test(short) || /~[0-9]+$/.test(short))
      return null;
  }
  if (!/^[a-z0-9-]*[.][a-z0-9.-]*$/.test(elements[0] as string)) return null;
  if (text.startsWith("gopkg.in/")) {
    const isUnstable = text.endsWith("-unstable");
    const match = /^(.+)[.]v([0-9]+)$/.exec(isUnstable ? text.slice(0, -9) : text);
    if (match === null) return null;
    const digits = match[2] as string;
    if (digits.startsWith("0") && (digits !== "0" || isUnstable)) return null;
    const inFamily = !isUnstable && digits.length <= 20;
    return { basePath: match[1] as string, major: digits, family: inFamily ? familyOf(match[1] as string) : null };
  }
  const match = /^(.+)[/]v([0-9.]+)$/.exec(text);
  if (match === null) return { basePath: text, major: null, family: null };
  const digits = match[2] as string;
  if (digits.includes(".") || digits.startsWith("0") || digits === "1") return null;
  return {
    basePath: match[1] as string,
    major: digits,
    family: digits.length <= 20 ? familyOf(match[1] as string) : null,
  };
}

/** The subject of the family of a base path (map.md §4). */
export function familyOf(basePath: string): string {
  return basePath.startsWith("gopkg.in/") ? `${basePath}.v*` : `${basePath}/v*`;
}

/** map.md §1 rules 3 and 4. */
export function fits(v: Version, p: string): boolean {
  const parsed = path(p);
  if (parsed === null) return false;
  const major = v.numbers[0].toString();
  if (v.isIncompatible) return parsed.major === null && v.numbers[0] >= 2n;
  if (parsed.major === null) return v.numbers[0] < 2n;
  if (major === parsed.major) return true;
  return p.startsWith("gopkg.in/") && parsed.major === "1" && v.text.startsWith("v0.0.0-");
}

export interface Record {
  readonly path: string;
  readonly version: Version;
  readonly zipHash: Bytes;
  readonly goModHash: Bytes;
}

export function recordText(p: string, v: string, zipHash: Bytes, goModHash: Bytes): string {
  return `${p} ${v} h1:${base64(zipHash)}\n${p} ${v}/go.mod h1:${base64(goModHash)}\n`;
}

/** map.md §1; null if the record is not well-formed. */
export function record(bytes: Bytes): Record | null {
  const text = Buffer.from(bytes).toString("latin1");
  const match = /^([^ \n]+) ([^ \n]+) h1:([^ \n]+)\n([^ \n]+) ([^ \n]+) h1:([^ \n]+)\n$/.exec(text);
  if (match === null) return null;
  const [, p, v, zip, p2, v2, mod] = match as unknown as string[];
  const parsed = version(v as string);
  if (parsed === null || p !== p2 || `${v}/go.mod` !== v2 || !fits(parsed, p as string)) return null;
  const hashes = [zip, mod].map((h) => new Uint8Array(Buffer.from(h as string, "base64")));
  const [zipHash, goModHash] = hashes as [Bytes, Bytes];
  if (base64(zipHash) !== zip || base64(goModHash) !== mod || zipHash.length !== 32 || goModHash.length !== 32)
    return null;
  return { path: p as string, version: parsed, zipHash, goModHash };
}

export interface Indexed extends Record {
  readonly index: number;
  readonly hash: Bytes;
}

/** The lines of a state and what the value needs of them. */
interface Lines {
  readonly major: bigint;
  readonly isIncompatible: boolean;
  readonly r: Indexed | undefined;
  readonly q: Indexed | undefined;
}

/** The highest; among equal ones the first. */
function highest(records: readonly Indexed[], by = order as (a: Version, b: Version) => number): Indexed | undefined {
  let best: Indexed | undefined;
  for (const r of records) if (best === undefined || by(r.version, best.version) > 0) best = r;
  return best;
}

function linesOf(records: readonly Indexed[]): Lines[] {
  const groups = new Map<string, Indexed[]>();
  for (const r of records) {
    if (r.version.kind === "pseudo") continue;
    const name = `${r.version.numbers[0]} ${r.version.isIncompatible}`;
    groups.set(name, [...(groups.get(name) ?? []), r]);
  }
  const all = [...groups.values()].map((own) => {
    const { numbers, isIncompatible } = (own[0] as Indexed).version;
    const r = highest(own.filter(({ version: v }) => v.kind === "release"));
    const q = highest(own.filter(({ version: v }) => v.kind === "pre"));
    return { major: numbers[0], isIncompatible, r, q };
  });
  all.sort((a, b) => sign(a.major, b.major) || Number(a.isIncompatible) - Number(b.isIncompatible));
  const incompatible = all.filter((lines) => lines.isIncompatible).slice(-16);
  return all.filter((lines) => !lines.isIncompatible || incompatible.includes(lines));
}

function pseudoOf(records: readonly Indexed[]): Indexed | undefined {
  const byTime = (a: Version, b: Version) => compare(utf8(a.timestamp), utf8(b.timestamp)) || order(a, b);
  return highest(
    records.filter(({ version: v }) => v.kind === "pseudo"),
    byTime,
  );
}

function subLogLeaf({ index, hash }: Indexed): Bytes {
  const eight = new Uint8Array(8);
  new DataView(eight.buffer).setBigUint64(0, BigInt(index));
  return leafHash(concat(eight, hash));
}

/** map.md §5. */
export function stateText(records: readonly Indexed[]): string {
  const line = (letter: string, r: Indexed | undefined) =>
    r === undefined ? "" : `${letter} ${r.version.text} ${r.index} ${unpadded(r.zipHash)} ${unpadded(r.goModHash)}\n`;
  return [
    `n ${records.length}\n`,
    ...peaks(records.map(subLogLeaf)).map((peak) => `p ${unpadded(peak)}\n`),
    ...linesOf(records).flatMap(({ r, q }) => [line("r", r), line("q", q)]),
    line("u", pseudoOf(records)),
  ].join("");
}

export function syntheticGoMod(p: string): Bytes {
  return sha256(utf8(`${hex(sha256(utf8(`module ${p}\n`)))}  go.mod\n`));
}

function considered(p: string, records: readonly Indexed[]): Lines[] {
  const lines = linesOf(records);
  const compatible = lines.filter(({ isIncompatible }) => !isIncompatible);
  const top = highest(compatible.flatMap(({ r, q }) => [r, q]).filter((r) => r !== undefined));
  return top !== undefined && compare(top.goModHash, syntheticGoMod(p)) !== 0 ? compatible : lines;
}

export function latest(p: string, records: readonly Indexed[]): Indexed {
  const lines = considered(p, records);
  const best =
    highest(lines.flatMap(({ r }) => (r === undefined ? [] : [r]))) ??
    highest(lines.flatMap(({ q }) => (q === undefined ? [] : [q]))) ??
    pseudoOf(records);
  if (best === undefined) throw new RangeError("a module has a record");
  return best;
}

export function kindField({ kind }: Version): string {
  return kind === "release" ? "" : ` k=${kind}`;
}

/** map.md §6: items while they fit 255 bytes. */
export function cut(items: readonly string[]): string {
  let count = 0;
  while (count < items.length && items.slice(0, count + 1).join("; ").length <= 255) count++;
  return items.slice(0, count).join("; ");
}

/** map.md §6; all items, the first made with the given state text. */
export function valueItems(p: string, records: readonly Indexed[], state = stateText(records)): string[] {
  const top = latest(p, records);
  const items = [
    `v=${top.version.text}${kindField(top.version)} i=${top.index} h=${unpadded(top.zipHash)} m=${unpadded(top.goModHash)} s=${unpadded(sha256(utf8(state)))}`,
  ];
  if (top.version.kind !== "release") return items;
  const lines = considered(p, records);
  for (const { major, r } of [...lines].reverse()) {
    if (r !== undefined && major !== top.version.numbers[0]) items.push(`v=${r.version.text} i=${r.index}`);
  }
  const pre = highest(lines.flatMap(({ q }) => (q === undefined ? [] : [q])));
  if (pre !== undefined && order(pre.version, top.version) > 0)
    items.push(`v=${pre.version.text} k=pre i=${pre.index}`);
  return items;
}

interface Go {
  readonly text: string;
  readonly minor: bigint;
  readonly stage: number;
  readonly number: bigint;
  readonly index: number;
}

/** map.md §8: the Go version that a version of golang.org/toolchain names. */
export function goOf(text: string): Omit<Go, "index"> | null {
  const match = new RegExp(
    `^v0[.]0[.]1-(go1[.](${NUM})(?:[.](${NUM})|rc([1-9][0-9]*)|beta([1-9][0-9]*))?)[.][a-z0-9]+-[a-z0-9]+$`,
  ).exec(text);
  if (match === null || (match[1] as string).length > 40) return null;
  const [, go, minor, patch, rc, beta] = match as unknown as [string, string, string, string?, string?, string?];
  const stage = beta !== undefined ? 0 : rc !== undefined ? 1 : 2;
  return { text: go, minor: BigInt(minor), stage, number: BigInt(beta ?? rc ?? patch ?? "0") };
}

function toolchain(records: readonly Indexed[]): string {
  const first = new Map<string, Go>();
  for (const { version: v, index } of records) {
    const go = goOf(v.text);
    if (go !== null && !first.has(go.text)) first.set(go.text, { ...go, index });
  }
  const all = [...first.values()].sort(
    (a, b) =>
      sign(b.minor, a.minor) || b.stage - a.stage || sign(b.number, a.number) || compare(utf8(b.text), utf8(a.text)),
  );
  const cur = all.find(({ stage }) => stage === 2);
  const prev = all.find(({ stage, minor }) => stage === 2 && cur !== undefined && minor < cur.minor);
  const next = all[0]?.stage === 2 ? undefined : all[0];
  const item = (go: Go | undefined, kind: string) => (go === undefined ? [] : [`v=${go.text} k=${kind} i=${go.index}`]);
  return [...item(cur, "cur"), ...item(prev, "prev"), ...item(next, "next")].join("; ");
}

export interface GoMap {
  /** Subject to value, sorted by subject. */
  readonly subjects: ReadonlyMap<string, string>;
  /** Module path to state text. */
  readonly states: ReadonlyMap<string, string>;
  /** Subject of a family to its uncut items, without the hash. */
  readonly families: ReadonlyMap<string, string>;
  readonly modules: ReadonlyMap<string, readonly Indexed[]>;
  readonly root: Bytes;
}

/** map.md §9. */
export function goMap(records: readonly Bytes[]): GoMap {
  const modules = new Map<string, Indexed[]>();
  for (const [index, data] of records.entries()) {
    const parsed = record(data);
    if (parsed === null) continue;
    modules.set(parsed.path, [...(modules.get(parsed.path) ?? []), { ...parsed, index, hash: leafHash(data) }]);
  }
  const states = new Map([...modules].map(([p, own]) => [p, stateText(own)]));
  const subjects = new Map([...modules].map(([p, own]) => [p, cut(valueItems(p, own))]));
  const families = new Map<string, string>();
  const members = [...modules.keys()].filter((p) => path(p)?.family != null);
  for (const member of members) {
    const { basePath, family } = path(member) as { basePath: string; family: string };
    const own = members
      .filter((p) => path(p)?.family === family)
      .map((p) => ({ major: BigInt(path(p)?.major as string), p }))
      .sort((a, b) => sign(b.major, a.major))
      .map(({ major, p }) => ({ name: `v${major}`, p }));
    if (modules.has(basePath)) own.push({ name: "-", p: basePath });
    const items = own.map(({ name, p }) => {
      const { version: v, index } = latest(p, modules.get(p) as Indexed[]);
      return `p=${name} v=${v.text}${kindField(v)} i=${index}`;
    });
    families.set(family, items.join("; "));
    subjects.set(family, majorsValue(items));
  }
  const go = toolchain(modules.get("golang.org/toolchain") ?? []);
  if (go !== "") subjects.set("toolchain", go);
  const sorted = new Map([...subjects].sort(([a], [b]) => compare(utf8(a), utf8(b))));
  return { subjects: sorted, states, families, modules, root: mapRoot(pairsOf(sorted)) };
}

/** map.md §7: the value of a family from its uncut items. */
export function majorsValue(items: readonly string[]): string {
  const all = items.join("; ");
  return cut([`${items[0]} s=${unpadded(sha256(utf8(all)))}`, ...items.slice(1)]);
}
