import { formatBase64Unpadded, parseBase64Unpadded } from "./base64.ts";
import { compareDigits, parseDecimal } from "./decimal.ts";
import { ProofdnsError } from "./error.ts";
import { Frontier } from "./frontier.ts";
import { isVersionOfPath } from "./module-path.ts";
import { encodeSubLogLeaf, type Record } from "./record.ts";
import { sha256 as defaultSha256, HASH_LENGTH, type Hash, type Sha256 } from "./sha256.ts";
import { computeLeafHash } from "./tlog.ts";
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
  const leafHash = computeLeafHash(encodeSubLogLeaf(logIndex, recordHash), sha256);
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
  const none = { major, isIncompatible, release: undefined, prerelease: undefined };
  const at = majors.findIndex((lines) => compareMajors(lines, none) >= 0);
  const found = at < 0 ? undefined : majors[at];
  const isThere = found !== undefined && compareMajors(found, none) === 0;
  const old = isThere ? found : none;
  const oldLine = kind === "release" ? old.release : old.prerelease;
  if (oldLine !== undefined && compareVersions(line.version, oldLine.version) <= 0) return majors;
  const lines: MajorLines = kind === "release" ? { ...old, release: line } : { ...old, prerelease: line };
  const out = [...majors];
  out.splice(at < 0 ? out.length : at, isThere ? 1 : 0, lines);
  const incompatible = out.filter((other) => other.isIncompatible);
  if (incompatible.length > MAX_INCOMPATIBLE_MAJORS) out.splice(out.indexOf(incompatible[0] as MajorLines), 1);
  return out;
}

function compareMajors(a: MajorLines, b: MajorLines): number {
  return compareDigits(a.major, b.major) || Number(a.isIncompatible) - Number(b.isIncompatible);
}

/** Formats the canonical text of a state. */
export function formatModuleState(state: ModuleState): string {
  // Joined once: a text that grows by `+=` has to be put together anew by whoever reads it first, measured at twice the time.
  const parts = ["n ", String(state.subLog.treeSize), "\n"];
  for (const peak of state.subLog.peaks) parts.push("p ", formatBase64Unpadded(peak), "\n");
  for (const { release, prerelease } of state.majors) {
    if (release !== undefined) pushLine(parts, "r ", release);
    if (prerelease !== undefined) pushLine(parts, "q ", prerelease);
  }
  if (state.newestPseudo !== undefined) pushLine(parts, "u ", state.newestPseudo);
  return parts.join("");
}

function pushLine(
  parts: string[],
  letter: "r " | "q " | "u ",
  { version, logIndex, zipHash, goModHash }: VersionLine,
): void {
  const [zip, goMod] = [formatBase64Unpadded(zipHash), formatBase64Unpadded(goModHash)];
  parts.push(letter, version.text, " ", String(logIndex), " ", zip, " ", goMod, "\n");
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
  const lines = text.split("\n").map((line) => line.split(" "));
  const first = lines[0] as string[];
  const count = first.length === 2 && first[0] === "n" ? parseDecimal(first[1] as string) : undefined;
  if (count === undefined || count === 0) return refuse("its first line is not `n <count>`");
  const peaks: Hash[] = [];
  let majors: readonly MajorLines[] = [];
  let newestPseudo: VersionLine | undefined;
  for (const fields of lines.slice(1, -1)) {
    if (fields[0] === "p" && fields.length === 2) {
      peaks.push(parseHash(fields[1] as string) ?? refuse("a peak is no hash"));
      continue;
    }
    const line = parseLine(fields, path) ?? refuse("a line is malformed");
    if (fields[0] === "u") newestPseudo = line;
    else majors = foldMajors(majors, line);
  }
  if (peaks.length === 0) return refuse("no peaks");
  if (majors.length === 0 && newestPseudo === undefined) return refuse("no version");
  let subLog: Frontier;
  try {
    subLog = Frontier.of(count, peaks, sha256);
  } catch (cause) {
    throw new ProofdnsError("MALFORMED_STATE_TEXT", `state of ${path}: its peaks do not fit its count`, { cause });
  }
  const state = { subLog, majors, newestPseudo };
  // One check for order, repetitions and every spelling: what was parsed must format to the same text.
  return formatModuleState(state) === text ? state : refuse("it is not canonical");
}

function parseLine(fields: readonly string[], path: string): VersionLine | undefined {
  const [letter, versionText, index, zip, goMod] = fields;
  if (fields.length !== 5 || versionText === undefined || index === undefined) return undefined;
  const version = parseVersion(versionText);
  const logIndex = parseDecimal(index);
  const zipHash = parseHash(zip as string);
  const goModHash = parseHash(goMod as string);
  if (version === undefined || logIndex === undefined || zipHash === undefined || goModHash === undefined)
    return undefined;
  const kind = letter === "r" ? "release" : letter === "q" ? "pre" : letter === "u" ? "pseudo" : undefined;
  if (version.kind !== kind || !isVersionOfPath(version, path)) return undefined;
  return { version, logIndex, zipHash, goModHash };
}

function parseHash(text: string): Hash | undefined {
  const hash = parseBase64Unpadded(text);
  return hash?.length === HASH_LENGTH ? hash : undefined;
}
