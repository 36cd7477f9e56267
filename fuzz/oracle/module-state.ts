import { H } from "./merkle.ts";
import { naiveFits } from "./module-path.ts";
import { naiveCompare, naiveVersion } from "./semver.ts";
import { isHashText } from "./values.ts";

/** State texts of modules, by the definitions of spec/map.md §5 and §6. */
export interface StateLine {
  readonly letter: string;
  readonly version: string;
  readonly index: number;
  readonly zip: string;
  readonly goMod: string;
}

export interface NaiveState {
  readonly count: number;
  readonly peaks: readonly string[];
  readonly lines: readonly StateLine[];
}

const text43 = (hash: Uint8Array): string => Buffer.from(hash).toString("base64").slice(0, 43);
const majorOf = (version: string): bigint => naiveVersion(version)?.numbers[0] ?? -1n;
const isIncompatible = (version: string): boolean => version.endsWith("+incompatible");

function decimal(text: string): number | undefined {
  if (text.length < 1 || text.length > 16) return undefined;
  for (const c of text) if (c < "0" || c > "9") return undefined;
  return String(BigInt(text)) === text && BigInt(text) < 2n ** 53n ? Number(text) : undefined;
}

/** Undefined unless `text` is a canonical state of `path`. */
export function naiveState(text: string, path: string): NaiveState | undefined {
  const rows = text.split("\n").map((row) => row.split(" "));
  if (rows.pop()?.join(" ") !== "") return undefined;
  const [first, ...rest] = rows;
  const count = first?.length === 2 && first[0] === "n" ? decimal(first[1] as string) : undefined;
  if (count === undefined || count === 0) return undefined;
  const peaks: string[] = [];
  while (rest[0]?.[0] === "p") {
    const [, hash, ...more] = rest.shift() as string[];
    if (hash === undefined || more.length > 0 || !isHashText(hash)) return undefined;
    peaks.push(hash);
  }
  if (peaks.length !== [...count.toString(2)].filter((bit) => bit === "1").length) return undefined;
  const lines: StateLine[] = [];
  for (const row of rest) {
    const [letter = "", version = "", indexText = "", zip = "", goMod = ""] = row;
    const index = decimal(indexText);
    if (row.length !== 5 || index === undefined || !isHashText(zip) || !isHashText(goMod)) return undefined;
    const kind = naiveVersion(version)?.kind;
    if (kind === undefined || { r: "release", q: "pre", u: "pseudo" }[letter] !== kind) return undefined;
    if (!naiveFits(path, version)) return undefined;
    lines.push({ letter, version, index, zip, goMod });
  }
  if (lines.length === 0) return undefined;
  for (const [i, line] of lines.entries()) {
    const before = lines[i - 1];
    if (before !== undefined && rank(before, line) >= 0) return undefined;
  }
  const incompatible = new Set(lines.filter(isLineIncompatible).map(({ version }) => majorOf(version)));
  return incompatible.size > 16 ? undefined : { count, peaks, lines };
}

function isLineIncompatible({ letter, version }: StateLine): boolean {
  return letter !== "u" && isIncompatible(version);
}

/** Order of two lines; 0 if only one of them may be there. */
function rank(a: StateLine, b: StateLine): number {
  const key = ({ letter, version }: StateLine): [number, bigint, number, number] =>
    letter === "u" ? [1, 0n, 0, 0] : [0, majorOf(version), isIncompatible(version) ? 1 : 0, letter === "r" ? 0 : 1];
  const [x, y] = [key(a), key(b)];
  for (const i of [0, 1, 2, 3] as const) if (x[i] !== y[i]) return x[i] < y[i] ? -1 : 1;
  return 0;
}

/** The value that a state makes (spec/map.md §6). */
export function valueOfState(state: NaiveState, stateText: string, path: string): string {
  const majors = state.lines.filter(({ letter }) => letter !== "u");
  const plain = majors.filter(({ version }) => !isIncompatible(version));
  const highestPlain = highest(plain);
  const synthetic = text43(H(`${Buffer.from(H(`module ${path}\n`)).toString("hex")}  go.mod\n`));
  const considered = highestPlain !== undefined && highestPlain.goMod !== synthetic ? plain : majors;
  const releases = considered.filter(({ letter }) => letter === "r");
  const prereleases = considered.filter(({ letter }) => letter === "q");
  const latest = highest(releases) ?? highest(prereleases) ?? state.lines.find(({ letter }) => letter === "u");
  if (latest === undefined) throw new TypeError("a state without lines");
  const kind = latest.letter === "q" ? " k=pre" : latest.letter === "u" ? " k=pseudo" : "";
  const items = [
    `v=${latest.version}${kind} i=${latest.index} h=${latest.zip} m=${latest.goMod} s=${text43(H(stateText))}`,
  ];
  if (latest.letter === "r") {
    const others = [...new Set(releases.map(({ version }) => majorOf(version)))].filter(
      (m) => m !== majorOf(latest.version),
    );
    others.sort((a, b) => (a < b ? 1 : -1));
    for (const major of others) {
      const best = highest(releases.filter(({ version }) => majorOf(version) === major)) as StateLine;
      items.push(`v=${best.version} i=${best.index}`);
    }
    const pre = highest(prereleases);
    if (pre !== undefined && naiveCompare(pre.version, latest.version) > 0)
      items.push(`v=${pre.version} k=pre i=${pre.index}`);
  }
  return cutItems(items);
}

function highest(lines: readonly StateLine[]): StateLine | undefined {
  return [...lines].sort((a, b) => naiveCompare(a.version, b.version)).at(-1);
}

/** Items joined while the whole fits 255 bytes. */
export function cutItems(items: readonly string[]): string {
  let fitting = "";
  for (let n = 1; n <= items.length; n++) {
    const text = items.slice(0, n).join("; ");
    if (text.length > 255) break;
    fitting = text;
  }
  return fitting;
}
