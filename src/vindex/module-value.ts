import { AsciiWriter } from "./ascii-writer.ts";
import { decodeUtf8, encodeUtf8, equalBytes, formatHex } from "./bytes.ts";
import { compareDigits } from "./decimal.ts";
import { isVersionOfPath } from "./module-path.ts";
import type { ModuleState, VersionLine } from "./module-state.ts";
import { sha256 as defaultSha256, type Hash, type Sha256 } from "./sha256.ts";
import { formatKind, ItemReader, MAX_VALUE_LENGTH, refuseValue } from "./value-text.ts";
import { compareVersions, parseVersion, type Version, type VersionKind } from "./version.ts";

/** A version and where it stands in the checksum database. */
export interface IndexedVersion {
  readonly version: Version;
  readonly logIndex: number;
}

/** What the value of a module says (spec/map.md §6). */
export interface ModuleValue {
  readonly latest: IndexedVersion;
  readonly kind: VersionKind;
  readonly zipHash: Hash;
  readonly goModHash: Hash;
  /** SHA-256 of the state text. */
  readonly stateHash: Hash;
  /** The highest releases of other majors, highest first; then, perhaps, a pre-release higher than the latest. */
  readonly others: readonly IndexedVersion[];
}

/** The h1 hash of the go.mod that a module without one is served with: `module <path>`. */
export function computeSyntheticGoModHash(path: string, sha256: Sha256 = defaultSha256): Hash {
  const file = formatHex(sha256(encodeUtf8(`module ${path}\n`)));
  return sha256(encodeUtf8(`${file}  go.mod\n`));
}

const higher = (a: VersionLine | undefined, b: VersionLine | undefined): VersionLine | undefined =>
  a === undefined || (b !== undefined && compareVersions(b.version, a.version) > 0) ? b : a;

const NO_LINES: readonly VersionLine[] = [];

/**
 * The latest version of a module: the highest considered release, else the highest considered pre-release, else the
 * newest pseudo-version. This is what `go list -m <path>@latest` selects, retractions aside.
 */
export function selectLatest(
  path: string,
  state: ModuleState,
  sha256: Sha256 = defaultSha256,
): { latest: VersionLine; releases: readonly VersionLine[]; prerelease: VersionLine | undefined } {
  const [only] = state.majors;
  if (state.majors.length <= 1 && only?.isIncompatible !== true) {
    // Most modules have one major, and then there is nothing to choose from.
    const { release, prerelease } = only ?? {};
    const latest = release ?? prerelease ?? state.newestPseudo;
    if (latest === undefined) throw new TypeError("a state has at least one version");
    return { latest, releases: release === undefined ? NO_LINES : [release], prerelease };
  }
  const compatible = state.majors.filter((lines) => !lines.isIncompatible);
  const highest = compatible.reduce<VersionLine | undefined>(
    (best, lines) => higher(higher(best, lines.release), lines.prerelease),
    undefined,
  );
  // Where there is no +incompatible version the go.mod decides nothing, and two hashes are spared.
  const isDecided = compatible.length === state.majors.length || highest === undefined;
  const hasGoMod = !isDecided && !equalBytes(highest.goModHash, computeSyntheticGoModHash(path, sha256));
  const considered = hasGoMod ? compatible : state.majors;
  const releases = considered.flatMap(({ release }) => (release === undefined ? [] : [release])).reverse();
  const prerelease = considered.reduce<VersionLine | undefined>(
    (best, lines) => higher(best, lines.prerelease),
    undefined,
  );
  const latest = releases[0] ?? prerelease ?? state.newestPseudo;
  if (latest === undefined) throw new TypeError("a state has at least one version");
  return { latest, releases, prerelease };
}

/** Computes the value of a module from its state and the text of that state. */
export function computeModuleValue(
  path: string,
  state: ModuleState,
  stateText: string,
  sha256: Sha256 = defaultSha256,
): string {
  return decodeUtf8(encodeModuleValue(path, state, sha256(encodeUtf8(stateText)), sha256)) as string;
}

const writer = new AsciiWriter();

/** The value of a module as bytes (ASCII), from its state and the SHA-256 of that state's text. */
export function encodeModuleValue(
  path: string,
  state: ModuleState,
  stateHash: Hash,
  sha256: Sha256 = defaultSha256,
): Uint8Array {
  const { latest, releases, prerelease } = selectLatest(path, state, sha256);
  const { version } = latest;
  writer.cut(0);
  writeVersion("v=", latest);
  writer.text(" h=");
  writer.base64(latest.zipHash);
  writer.text(" m=");
  writer.base64(latest.goModHash);
  writer.text(" s=");
  writer.base64(stateHash);
  // What does not fit any more ends it, as in `joinItems`.
  if (writer.length > MAX_VALUE_LENGTH) writer.cut(0);
  if (writer.length === 0 || version.kind !== "release") return writer.copy();
  for (const line of releases) {
    // Every semver major but the latest's, each once: a major with and without +incompatible cannot be in one path.
    if (line.version.major !== version.major && !writeItem(line)) return writer.copy();
  }
  if (prerelease !== undefined && compareVersions(prerelease.version, version) > 0) writeItem(prerelease);
  return writer.copy();
}

/** Writes one more item if it fits; false if not. */
function writeItem(line: VersionLine): boolean {
  const before = writer.length;
  writeVersion("; v=", line);
  if (writer.length <= MAX_VALUE_LENGTH) return true;
  writer.cut(before);
  return false;
}

function writeVersion(start: string, { version, logIndex }: VersionLine): void {
  writer.text(start);
  writer.text(version.text);
  writer.text(formatKind(version.kind));
  writer.text(" i=");
  writer.text(String(logIndex));
}

/**
 * Parses the committed value of module `path` (spec/client.md §5); indexes must be below `sumdbSize`.
 *
 * @throws ProofdnsError `BAD_VALUE`
 */
export function parseModuleValue(text: string, path: string, sumdbSize: number): ModuleValue {
  const refuse = (why: string): never => refuseValue(path, why);
  const items = text.split("; ");
  const first = new ItemReader(items[0] as string);
  const latest = takeVersion(first, path, sumdbSize) ?? refuse("its first item is malformed");
  const zipHash = first.takeHash("h") ?? refuse("no zip hash");
  const goModHash = first.takeHash("m") ?? refuse("no go.mod hash");
  const stateHash = first.takeHash("s") ?? refuse("no state hash");
  if (!first.isDone()) return refuse("its first item has more fields");
  const kind = latest.version.kind;
  const others: IndexedVersion[] = [];
  for (const item of items.slice(1)) {
    const reader = new ItemReader(item);
    const other = takeVersion(reader, path, sumdbSize);
    if (other === undefined || !reader.isDone()) return refuse("an item is malformed");
    const previous = others.at(-1);
    if (kind !== "release" || other.version.kind === "pseudo") return refuse("an item that has no place");
    if (previous?.version.kind === "pre") return refuse("an item after the pre-release");
    if (other.version.kind === "pre") {
      if (compareVersions(other.version, latest.version) <= 0)
        return refuse("a pre-release that is not higher than the latest");
    } else {
      const isOrdered = previous === undefined || compareDigits(previous.version.major, other.version.major) > 0;
      if (!isOrdered || other.version.major === latest.version.major) return refuse("its majors are out of order");
    }
    others.push(other);
  }
  return { latest, kind, zipHash, goModHash, stateHash, others };
}

/** Reads `v=<version> [k=<kind>] i=<index>`; undefined if a part is malformed or does not fit the path or the size. */
export function takeVersion(reader: ItemReader, path: string, sumdbSize: number): IndexedVersion | undefined {
  const text = reader.take("v");
  const version = text === undefined ? undefined : parseVersion(text);
  const kind = reader.take("k");
  const logIndex = reader.takeDecimal("i");
  if (version === undefined || logIndex === undefined || logIndex >= sumdbSize) return undefined;
  if (!isVersionOfPath(version, path) || (kind ?? "release") !== version.kind || kind === "release") return undefined;
  return { version, logIndex };
}

/** The key of a subject in the map: SHA-256 of its UTF-8 text. */
export function computeIndexKey(subject: string, sha256: Sha256 = defaultSha256): Hash {
  return sha256(encodeUtf8(subject));
}
