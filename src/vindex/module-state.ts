import { AsciiWriter } from "./ascii-writer.ts";
import { parseBase64Unpadded } from "./base64.ts";
import { decodeUtf8 } from "./bytes.ts";
import { compareDigits, parseDecimal } from "./decimal.ts";
import { ProofdnsError } from "./error.ts";
import { Frontier } from "./frontier.ts";
import { isVersionOfPath } from "./module-path.ts";
import { computeSubLogLeafHash, type Record } from "./record.ts";
import { sha256 as defaultSha256, HASH_LENGTH, type Hash, type Sha256 } from "./sha256.ts";
import { compareVersions, parseVersion, type Version } from "./version.ts";

/** One line of a state: a version and the record that it came from. */
export interface VersionLine {
  readonly version: Version;
  readonly logIndex: number;
  readonly zipHash: Hash;
  readonly goModHash: Hash;
}

/** Highest release and highest pre-release of one major; at least one is there. */
export interface MajorLines {
  readonly major: string;
  readonly isIncompatible: boolean;
  readonly release: VersionLine | undefined;
  readonly prerelease: VersionLine | undefined;
}

/** What the map function remembers of a module (spec/map.md §5). Immutable. */
export interface ModuleState {
  /** The sub-log of the module's records: its size is their number. */
  readonly subLog: Frontier;
  /** Ascending; for equal numbers the one without `+incompatible` first. */
  readonly majors: readonly MajorLines[];
  readonly newestPseudo: VersionLine | undefined;
}

/** Of the `+incompatible` majors only so many, the highest, are kept. */
const MAX_INCOMPATIBLE_MAJORS = 16;

/**
 * The fold of the map function: the state after one more well-formed record of the module. `recordHash` is that of the
 * record at `logIndex`; indexes must ascend.
 */
export function foldRecord(
  state: ModuleState | undefined,
  record: Record,
  logIndex: number,
  recordHash: Hash,
  sha256: Sha256 = defaultSha256,
): ModuleState {
  const { version, zipHash, goModHash } = record;
  const line: VersionLine = { version, logIndex, zipHash, goModHash };
  const leafHash = computeSubLogLeafHash(logIndex, recordHash, sha256);
  const subLog = (state?.subLog ?? Frontier.empty(sha256)).append(leafHash);
  const majors = state?.majors ?? [];
  const newestPseudo = state?.newestPseudo;
  if (version.kind === "pseudo") {
    const isNewer = newestPseudo === undefined || compareByTimestamp(version, newestPseudo.version) > 0;
    return { subLog, majors, newestPseudo: isNewer ? line : newestPseudo };
  }
  return { subLog, majors: foldMajors(majors, line), newestPseudo };
}

function compareByTimestamp(a: Version, b: Version): number {
  return compareDigits(a.timestamp, b.timestamp) || compareVersions(a, b);
}

function foldMajors(majors: readonly MajorLines[], line: VersionLine): readonly MajorLines[] {
  const { major, isIncompatible, kind } = line.version;
  const none: MajorLines = { major, isIncompatible, release: undefined, prerelease: undefined };
  if (majors.length === 0) return [kind === "release" ? { ...none, release: line } : { ...none, prerelease: line }];
  const at = majors.findIndex((lines) => compareMajors(lines, none) >= 0);
  const found = at < 0 ? undefined : majors[at];
  const isThere = found !== undefined && compareMajors(found, none) === 0;
  const old = isThere ? found : none;
  const oldLine = kind === "release" ? old.release : old.prerelease;
  if (oldLine !== undefined && compareVersions(line.version, oldLine.version) <= 0) return majors;
  const lines: MajorLines = kind === "release" ? { ...old, release: line } : { ...old, prerelease: line };
  const out = [...majors];
  out.splice(at < 0 ? out.length : at, isThere ? 1 : 0, lines);
  if (out.length <= MAX_INCOMPATIBLE_MAJORS) return out;
  const incompatible = out.filter((other) => other.isIncompatible);
  if (incompatible.length > MAX_INCOMPATIBLE_MAJORS) out.splice(out.indexOf(incompatible[0] as MajorLines), 1);
  return out;
}

function compareMajors(a: MajorLines, b: MajorLines): number {
  return compareDigits(a.major, b.major) || Number(a.isIncompatible) - Number(b.isIncompatible);
}

/** Formats the canonical text of a state. */
export function formatModuleState(state: ModuleState): string {
  return decodeUtf8(encodeModuleState(state)) as string;
}

const writer = new AsciiWriter();

/** The canonical text of a state as bytes (ASCII), which are the next state's as soon as that is encoded. */
export function encodeModuleState(state: ModuleState): Uint8Array {
  writer.cut(0);
  writer.text("n ");
  writer.text(String(state.subLog.treeSize));
  writer.text("\n");
  for (const peak of state.subLog.peaks) {
    writer.text("p ");
    writer.base64(peak);
    writer.text("\n");
  }
  for (const { release, prerelease } of state.majors) {
    if (release !== undefined) writeLine("r ", release);
    if (prerelease !== undefined) writeLine("q ", prerelease);
  }
  if (state.newestPseudo !== undefined) writeLine("u ", state.newestPseudo);
  return writer.view();
}

function writeLine(letter: "r " | "q " | "u ", { version, logIndex, zipHash, goModHash }: VersionLine): void {
  writer.text(letter);
  writer.text(version.text);
  writer.text(" ");
  writer.text(String(logIndex));
  writer.text(" ");
  writer.base64(zipHash);
  writer.text(" ");
  writer.base64(goModHash);
  writer.text("\n");
}

/**
 * Parses the canonical text of the state of module `path`.
 *
 * @throws ProofdnsError `MALFORMED_STATE_TEXT` if it is not what `formatModuleState` makes of some state
 */
export function parseModuleState(text: string, path: string, sha256: Sha256 = defaultSha256): ModuleState {
  const refuse = (why: string): never => {
    throw new ProofdnsError("MALFORMED_STATE_TEXT", `state of ${path}: ${why}`);
  };
  let end = text.indexOf("\n");
  const count = end >= 0 && text.startsWith("n ") ? parseDecimal(text.slice(2, end)) : undefined;
  if (count === undefined || count === 0) return refuse("its first line is not `n <count>`");
  const peaks: Hash[] = [];
  let majors: readonly MajorLines[] = [];
  let newestPseudo: VersionLine | undefined;
  const lines: VersionLine[] = [];
  for (let at = end + 1; at < text.length; at = end + 1) {
    end = text.indexOf("\n", at);
    if (end < 0) return refuse("its last line has no end");
    if (text.startsWith("p ", at)) {
      if (lines.length > 0) return refuse("a peak after a version");
      peaks.push(parseHash(text.slice(at + 2, end)) ?? refuse("a peak is no hash"));
      continue;
    }
    const line = parseLine(text, at, end, path) ?? refuse("a line is malformed");
    if (line.version.kind === "pseudo") newestPseudo = line;
    else majors = foldMajors(majors, line);
    lines.push(line);
  }
  if (peaks.length === 0) return refuse("no peaks");
  if (lines.length === 0) return refuse("no version");
  // Every part has one spelling, so the text is canonical if the state has just these lines in this order: none was dropped, none is twice.
  let checked = 0;
  for (const { release, prerelease } of majors) {
    if (release !== undefined && lines[checked++] !== release) return refuse("it is not canonical");
    if (prerelease !== undefined && lines[checked++] !== prerelease) return refuse("it is not canonical");
  }
  if (newestPseudo !== undefined && lines[checked++] !== newestPseudo) return refuse("it is not canonical");
  if (checked !== lines.length) return refuse("it is not canonical");
  try {
    return { subLog: Frontier.of(count, peaks, sha256), majors, newestPseudo };
  } catch (cause) {
    throw new ProofdnsError("MALFORMED_STATE_TEXT", `state of ${path}: its peaks do not fit its count`, { cause });
  }
}

/** Characters of a hash in base64. */
const HASH_TEXT = 43;

/** A line `<letter> <version> <index> <zip hash> <go.mod hash>` at `at` … `end` − 1; undefined if it is none of this path. */
function parseLine(text: string, at: number, end: number, path: string): VersionLine | undefined {
  const goModAt = end - HASH_TEXT;
  const zipAt = goModAt - 1 - HASH_TEXT;
  const versionEnd = text.indexOf(" ", at + 2);
  if (zipAt < at || versionEnd < 0 || versionEnd >= zipAt - 1) return undefined;
  if (text[at + 1] !== " " || text[zipAt - 1] !== " " || text[goModAt - 1] !== " ") return undefined;
  const version = parseVersion(text.slice(at + 2, versionEnd));
  const logIndex = parseDecimal(text.slice(versionEnd + 1, zipAt - 1));
  const zipHash = parseHash(text.slice(zipAt, goModAt - 1));
  const goModHash = parseHash(text.slice(goModAt, end));
  if (version === undefined || logIndex === undefined || zipHash === undefined || goModHash === undefined)
    return undefined;
  const letter = text[at];
  const kind = letter === "r" ? "release" : letter === "q" ? "pre" : letter === "u" ? "pseudo" : undefined;
  if (version.kind !== kind || !isVersionOfPath(version, path)) return undefined;
  return { version, logIndex, zipHash, goModHash };
}

function parseHash(text: string): Hash | undefined {
  const hash = parseBase64Unpadded(text);
  return hash?.length === HASH_LENGTH ? hash : undefined;
}
