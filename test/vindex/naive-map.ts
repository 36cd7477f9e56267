import { createHash } from "node:crypto";
import type { IndexedRecord } from "../../src/vindex/map-function.ts";
import { naiveRoot } from "./trees.ts";

/**
 * The map function written a second time, from the definitions (spec/map.md and the steps of cmd/go's version
 * query), over all records at once: no fold, no shared code, big integers, sorting where the source keeps maxima.
 */

export interface Row {
  readonly path: string;
  readonly version: string;
  /** Unpadded base64. */
  readonly zip: string;
  readonly goMod: string;
  readonly index: number;
}

const H = (data: string | Buffer): Buffer => createHash("sha256").update(data).digest();
const text64 = (hash: Uint8Array): string => Buffer.from(hash).toString("base64").slice(0, 43);

export function rowOf({ record, logIndex }: IndexedRecord): Row {
  const { path, version, zipHash, goModHash } = record;
  return { path, version: version.text, zip: text64(zipHash), goMod: text64(goModHash), index: logIndex };
}

/** x/mod module.IsPseudoVersion. */
export function isPseudo(version: string): boolean {
  const shape = /^v[0-9]+\.(0\.0-|\d+\.\d+-([^+]*\.)?0\.)\d{14}-[A-Za-z0-9]+(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/;
  return version.split("-").length > 2 && shape.test(version);
}

function parts(version: string): { core: bigint[]; pre: string[] } {
  const [whole = ""] = version.slice(1).split("+");
  const dash = whole.indexOf("-");
  const core = dash < 0 ? whole : whole.slice(0, dash);
  return { core: core.split(".").map(BigInt), pre: dash < 0 ? [] : whole.slice(dash + 1).split(".") };
}

/** x/mod semver.Compare, ties by the strings. */
export function compareSemver(a: string, b: string): number {
  const [x, y] = [parts(a), parts(b)];
  for (let i = 0; i < 3; i++) {
    const [m, n] = [x.core[i] as bigint, y.core[i] as bigint];
    if (m !== n) return m < n ? -1 : 1;
  }
  if (x.pre.length === 0 || y.pre.length === 0) {
    if (x.pre.length !== y.pre.length) return x.pre.length === 0 ? 1 : -1;
  }
  for (let i = 0; i < Math.max(x.pre.length, y.pre.length); i++) {
    const [m, n] = [x.pre[i], y.pre[i]];
    if (m === n) continue;
    if (m === undefined) return -1;
    if (n === undefined) return 1;
    const [isM, isN] = [/^\d+$/.test(m), /^\d+$/.test(n)];
    if (isM && isN) return BigInt(m) < BigInt(n) ? -1 : 1;
    if (isM !== isN) return isM ? -1 : 1;
    return m < n ? -1 : 1;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

const isIncompatible = (version: string): boolean => version.endsWith("+incompatible");
const isPre = (version: string): boolean => parts(version).pre.length > 0;

/** True if the version has a go.mod of its own: the logged hash is not that of the synthetic file. */
export function hasGoMod(row: Row): boolean {
  const file = `${H(`module ${row.path}\n`).toString("hex")}  go.mod\n`;
  return row.goMod !== text64(H(file));
}

/** Rows of one module, each version once (the first record counts), ascending. */
function sorted(rows: readonly Row[]): Row[] {
  const first = new Map<string, Row>();
  for (const row of rows) if (!first.has(row.version)) first.set(row.version, row);
  return [...first.values()].sort((a, b) => compareSemver(a.version, b.version));
}

/** The walk of cmd/go's query over the list without pseudo-versions: what it considers, releases and pre-releases. */
export function walk(rows: readonly Row[]): { releases: Row[]; prereleases: Row[] } {
  const list = sorted(rows).filter((row) => !isPseudo(row.version));
  const releases: Row[] = [];
  const prereleases: Row[] = [];
  let lastCompatible: Row | undefined;
  let needIncompatible = false;
  for (const row of list) {
    if (!needIncompatible) {
      if (!isIncompatible(row.version)) lastCompatible = row;
      else if (lastCompatible !== undefined) {
        if (hasGoMod(lastCompatible)) break;
        needIncompatible = true;
      }
    }
    (isPre(row.version) ? prereleases : releases).push(row);
  }
  return { releases, prereleases };
}

function stamp(version: string): string {
  const dash = version.lastIndexOf("-");
  return version.slice(dash - 14, dash);
}

/** The newest pseudo-version: by time, then version. */
function newestPseudo(rows: readonly Row[]): Row | undefined {
  const pseudo = sorted(rows).filter((row) => isPseudo(row.version));
  return pseudo
    .sort((a, b) => {
      const [x, y] = [BigInt(stamp(a.version)), BigInt(stamp(b.version))];
      return x < y ? -1 : x > y ? 1 : compareSemver(a.version, b.version);
    })
    .at(-1);
}

/** What `go list -m <path>@latest` selects, retractions aside. */
export function naiveLatest(rows: readonly Row[]): Row {
  const { releases, prereleases } = walk(rows);
  return (releases.at(-1) ?? prereleases.at(-1) ?? newestPseudo(rows)) as Row;
}

const majorOf = (version: string): bigint => parts(version).core[0] as bigint;

/** The state text of one module. */
export function naiveState(rows: readonly Row[]): string {
  const leaves = rows.map((row) => {
    const pad = (text: string): string => `h1:${text}=`;
    const record = `${row.path} ${row.version} ${pad(row.zip)}\n${row.path} ${row.version}/go.mod ${pad(row.goMod)}\n`;
    const index = Buffer.alloc(8);
    index.writeBigUInt64BE(BigInt(row.index));
    return H(Buffer.concat([Buffer.of(0), index, H(`\0${record}`)]));
  });
  let out = `n ${rows.length}\n`;
  let at = 0;
  for (let size = 2 ** 30; size >= 1; size /= 2) {
    if (at + size > leaves.length) continue;
    out += `p ${text64(naiveRoot(leaves.slice(at, at + size)))}\n`;
    at += size;
  }
  const line = (letter: string, row: Row): string => `${letter} ${row.version} ${row.index} ${row.zip} ${row.goMod}\n`;
  const tagged = sorted(rows).filter((row) => !isPseudo(row.version));
  const majors = [...new Set(tagged.map((row) => `${majorOf(row.version)} ${Number(isIncompatible(row.version))}`))];
  const kept = majors
    .map((text) => text.split(" "))
    .sort(([a = "", x = ""], [b = "", y = ""]) =>
      BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : x < y ? -1 : 1,
    );
  const dropped = Math.max(0, kept.filter(([, x]) => x === "1").length - 16);
  let seen = 0;
  for (const [major = "", x = ""] of kept) {
    if (x === "1" && seen++ < dropped) continue;
    const own = tagged.filter(
      (row) => String(majorOf(row.version)) === major && isIncompatible(row.version) === (x === "1"),
    );
    const release = own.filter((row) => !isPre(row.version)).at(-1);
    const prerelease = own.filter((row) => isPre(row.version)).at(-1);
    if (release !== undefined) out += line("r", release);
    if (prerelease !== undefined) out += line("q", prerelease);
  }
  const newest = newestPseudo(rows);
  return newest === undefined ? out : out + line("u", newest);
}

function kindOf(version: string): string {
  return isPseudo(version) ? " k=pseudo" : isPre(version) ? " k=pre" : "";
}

function cut(items: readonly string[]): string {
  for (let n = items.length; n > 0; n--) {
    const text = items.slice(0, n).join("; ");
    if (text.length <= 255) return text;
  }
  return "";
}

/** The value of one module. */
export function naiveValue(rows: readonly Row[]): string {
  const latest = naiveLatest(rows);
  const { releases, prereleases } = walk(rows);
  const hash = text64(H(naiveState(rows)));
  const items = [
    `v=${latest.version}${kindOf(latest.version)} i=${latest.index} h=${latest.zip} m=${latest.goMod} s=${hash}`,
  ];
  if (kindOf(latest.version) === "") {
    const seen = new Set([majorOf(latest.version)]);
    for (const row of [...releases].reverse()) {
      if (seen.has(majorOf(row.version))) continue;
      seen.add(majorOf(row.version));
      items.push(`v=${row.version} i=${row.index}`);
    }
    const pre = prereleases.at(-1);
    if (pre !== undefined && compareSemver(pre.version, latest.version) > 0)
      items.push(`v=${pre.version} k=pre i=${pre.index}`);
  }
  return cut(items);
}

/** Base path, digits and subject of the family of a suffixed path. */
function family(path: string): { base: string; digits: string; subject: string } | undefined {
  const isGopkg = path.startsWith("gopkg.in/");
  const match = (isGopkg ? /^(.*)\.v(\d{1,20})$/ : /^(.*)\/v(\d{1,20})$/).exec(path);
  if (match === null) return undefined;
  const [, base = "", digits = ""] = match;
  return { base, digits, subject: isGopkg ? `${base}.v*` : `${base}/v*` };
}

function naiveToolchain(rows: readonly Row[]): string {
  type Go = { go: string; minor: bigint; stage: number; number: bigint; index: number };
  const all: Go[] = [];
  for (const row of rows) {
    const match = /^v0\.0\.1-(go1\.(0|[1-9]\d*)(\.|rc|beta|)(0|[1-9]\d*|))\.[a-z0-9]+-[a-z0-9]+$/.exec(row.version);
    if (match === null) continue;
    const [, go = "", minor = "", word = "", number = ""] = match;
    if ((word === "") !== (number === "") || (/[rb]/.test(word) && number === "0") || go.length > 40) continue;
    if (all.some((known) => known.go === go)) continue;
    const stage = word === "beta" ? 0 : word === "rc" ? 1 : 2;
    all.push({ go, minor: BigInt(minor), stage, number: BigInt(number || 0), index: row.index });
  }
  const isBelow = (a: Go, b: Go): boolean => {
    if (a.minor !== b.minor) return a.minor < b.minor;
    if (a.stage !== b.stage) return a.stage < b.stage;
    return a.number !== b.number ? a.number < b.number : a.go < b.go;
  };
  all.sort((a, b) => (isBelow(a, b) ? -1 : 1));
  const current = all.filter((x) => x.stage === 2).at(-1);
  const previous = all.filter((x) => x.stage === 2 && current !== undefined && x.minor < current.minor).at(-1);
  const top = all.at(-1);
  const items: string[] = [];
  if (current !== undefined) items.push(`v=${current.go} k=cur i=${current.index}`);
  if (previous !== undefined) items.push(`v=${previous.go} k=prev i=${previous.index}`);
  if (top !== undefined && top.stage !== 2) items.push(`v=${top.go} k=next i=${top.index}`);
  return items.join("; ");
}

/** Rows by module. */
export function byModule(rows: readonly Row[]): Map<string, Row[]> {
  const modules = new Map<string, Row[]>();
  for (const row of rows) modules.set(row.path, [...(modules.get(row.path) ?? []), row]);
  return modules;
}

/** The whole map of some records: subject to value. */
export function naiveMap(rows: readonly Row[]): Map<string, string> {
  const modules = byModule(rows);
  const map = new Map<string, string>();
  for (const [path, own] of modules) {
    map.set(path, naiveValue(own));
    const of = family(path);
    if (of === undefined || map.has(of.subject)) continue;
    const members = [...modules.keys()].flatMap((other) => {
      const theirs = family(other);
      return theirs?.subject === of.subject ? [{ path: other, digits: theirs.digits }] : [];
    });
    members.sort((a, b) => (BigInt(a.digits) < BigInt(b.digits) ? 1 : -1));
    const item = (suffix: string, latest: Row): string =>
      `p=${suffix} v=${latest.version}${kindOf(latest.version)} i=${latest.index}`;
    const items = members.map((member) => item(`v${member.digits}`, naiveLatest(modules.get(member.path) ?? [])));
    const base = modules.get(of.base);
    if (base !== undefined) items.push(item("-", naiveLatest(base)));
    const all = text64(H(items.join("; ")));
    map.set(of.subject, cut([`${items[0]} s=${all}`, ...items.slice(1)]));
  }
  const toolchain = naiveToolchain(modules.get("golang.org/toolchain") ?? []);
  if (toolchain !== "") map.set("toolchain", toolchain);
  return map;
}
