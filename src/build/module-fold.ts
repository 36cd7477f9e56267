import { equalBytes } from "../vindex/bytes.ts";
import { computeSyntheticGoModHash } from "../vindex/module-value.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { MAX_VALUE_LENGTH } from "../vindex/value-text.ts";
import { compareVersions, parseVersion, type Version } from "../vindex/version.ts";
import { PRE_RELEASE, PSEUDO, RELEASE, readNumber } from "./record-parser.ts";
import { SLOW, SPILL } from "./spill-record.ts";
import type { TextWriter } from "./text-writer.ts";

/** Majors that are kept in the arrays below; a module with more of them goes the slow way. */
const MAX_MAJORS = 64;
/** As in the map function: of the majors with `+incompatible` so many, the highest, are kept. */
const MAX_INCOMPATIBLE_MAJORS = 16;
const NONE = -1;
const INCOMPATIBLE_LENGTH = "+incompatible".length;

/**
 * The fold of spec/map.md §5 and §6 over the spill records of one module, without objects: which record is on which line. A version is
 * parsed only where numbers do not tell which is the higher. `foldRecord` and `computeModuleValue` say what it means.
 */
export class ModuleFold {
  #bytes: Uint8Array = new Uint8Array(0);
  #words: Int32Array = new Int32Array(0);
  /** Lines of majors, ascending: major × 2 + (1 with `+incompatible`). */
  readonly #major = new Float64Array(MAX_MAJORS);
  /** First words of the records on the lines; −1 for none. */
  readonly #release = new Int32Array(MAX_MAJORS);
  readonly #prerelease = new Int32Array(MAX_MAJORS);
  #majors = 0;
  #pseudo = NONE;
  /** Where the digits of its time are. */
  #pseudoTimestamp = 0;
  // The version that was read last.
  #readMajor = 0;
  #readMinor = 0;
  #readPatch = 0;

  /** Sets the memory that the records stand in. */
  setMemory(bytes: Uint8Array, words: Int32Array): void {
    this.#bytes = bytes;
    this.#words = words;
  }

  /** The record whose version is the latest, after `fold` and `writeValue`. */
  latest: number = NONE;

  /**
   * Folds the records `order[from]` … `order[to - 1]`, first words in log order. False if the module has to go the slow way: a version with
   * a long number, or very many majors.
   */
  fold(order: Int32Array, from: number, to: number): boolean {
    this.#majors = 0;
    this.#pseudo = NONE;
    for (let i = from; i < to; i++) {
      const record = order[i] as number;
      const version = this.#words[record + SPILL.version] as number;
      if ((version & SLOW) !== 0) return false;
      const kind = (version >> 8) & 3;
      if (kind === PSEUDO) this.#foldPseudo(record);
      else if (!this.#foldTagged(record, kind)) return false;
    }
    this.#dropMajors();
    return true;
  }

  #foldPseudo(record: number): void {
    const best = this.#pseudo;
    const a = this.#timestampAt(record);
    if (best !== NONE) {
      const b = this.#pseudoTimestamp;
      const bytes = this.#bytes;
      let i = 0;
      while (i < 14 && bytes[a + i] === bytes[b + i]) i++;
      if (i < 14 && (bytes[a + i] as number) < (bytes[b + i] as number)) return;
      if (i === 14 && compareVersions(this.#parse(record), this.#parse(best)) <= 0) return;
    }
    this.#pseudo = record;
    this.#pseudoTimestamp = a;
  }

  #foldTagged(record: number, kind: number): boolean {
    this.#read(record);
    const minor = this.#readMinor;
    const patch = this.#readPatch;
    const at = this.#lineOf(2 * this.#readMajor + (this.#isIncompatible(record) ? 1 : 0));
    if (at < 0) return false;
    const line = kind === RELEASE ? this.#release : this.#prerelease;
    const best = line[at] as number;
    if (best !== NONE) {
      this.#read(best);
      const order = minor - this.#readMinor || patch - this.#readPatch;
      if (order < 0) return true;
      // Releases of one major with equal numbers are one version.
      if (order === 0 && (kind === RELEASE || compareVersions(this.#parse(record), this.#parse(best)) <= 0))
        return true;
    }
    line[at] = record;
    return true;
  }

  /** The place of a major, made if it is new; negative if there are too many. */
  #lineOf(major: number): number {
    let at = this.#majors;
    while (at > 0 && (this.#major[at - 1] as number) >= major) at--;
    if (at < this.#majors && this.#major[at] === major) return at;
    if (this.#majors === MAX_MAJORS) return -1;
    this.#major.copyWithin(at + 1, at, this.#majors);
    this.#release.copyWithin(at + 1, at, this.#majors);
    this.#prerelease.copyWithin(at + 1, at, this.#majors);
    this.#major[at] = major;
    this.#release[at] = NONE;
    this.#prerelease[at] = NONE;
    this.#majors++;
    return at;
  }

  /** Drops the lowest majors with `+incompatible` where there are too many: to do it at the end comes to the same (spec/map.md §5). */
  #dropMajors(): void {
    let incompatible = 0;
    for (let i = 0; i < this.#majors; i++) incompatible += (this.#major[i] as number) % 2;
    let kept = 0;
    for (let i = 0; i < this.#majors; i++) {
      if ((this.#major[i] as number) % 2 === 1 && incompatible > MAX_INCOMPATIBLE_MAJORS) {
        incompatible--;
        continue;
      }
      this.#major[kept] = this.#major[i] as number;
      this.#release[kept] = this.#release[i] as number;
      this.#prerelease[kept] = this.#prerelease[i] as number;
      kept++;
    }
    this.#majors = kept;
  }

  /** Writes the lines of the state: all after the peaks. */
  writeLines(out: TextWriter): void {
    for (let i = 0; i < this.#majors; i++) {
      this.#writeLine(out, "r ", this.#release[i] as number);
      this.#writeLine(out, "q ", this.#prerelease[i] as number);
    }
    this.#writeLine(out, "u ", this.#pseudo);
  }

  #writeLine(out: TextWriter, letter: string, record: number): void {
    if (record === NONE) return;
    out.text(letter);
    this.#writeVersion(out, record);
    out.text(" ");
    out.decimal(this.#logIndex(record));
    out.text(" ");
    out.hash(this.#bytes, 4 * (record + SPILL.zip));
    out.text(" ");
    out.hash(this.#bytes, 4 * (record + SPILL.goMod));
    out.text("\n");
  }

  /** Where in the last written value the hash of the state text belongs: 43 characters. */
  stateHashAt = 0;

  /** Writes the value (spec/map.md §6) but for the hash of the state text, whose place is left free; returns its length. */
  writeValue(out: TextWriter): number {
    const start = out.length;
    const isCompatibleOnly = this.#isCompatibleOnly();
    let release = NONE;
    let prerelease = NONE;
    const isConsidered = (i: number): boolean => !isCompatibleOnly || (this.#major[i] as number) % 2 === 0;
    for (let i = this.#majors - 1; i >= 0; i--) {
      if (!isConsidered(i)) continue;
      if (release === NONE) release = this.#release[i] as number;
      if (prerelease === NONE) prerelease = this.#prerelease[i] as number;
    }
    const latest = release !== NONE ? release : prerelease !== NONE ? prerelease : this.#pseudo;
    this.latest = latest;
    out.text("v=");
    this.#writeVersion(out, latest);
    out.text(release !== NONE ? " i=" : prerelease !== NONE ? " k=pre i=" : " k=pseudo i=");
    out.decimal(this.#logIndex(latest));
    out.text(" h=");
    out.hash(this.#bytes, 4 * (latest + SPILL.zip));
    out.text(" m=");
    out.hash(this.#bytes, 4 * (latest + SPILL.goMod));
    out.text(" s=");
    this.stateHashAt = out.length;
    out.reserve(44);
    out.length += 43;
    if (release === NONE) return out.length - start;
    this.#read(release);
    const major = this.#readMajor;
    const minor = this.#readMinor;
    const patch = this.#readPatch;
    for (let i = this.#majors - 1; i >= 0; i--) {
      const other = this.#release[i] as number;
      if (!isConsidered(i) || other === NONE || Math.floor((this.#major[i] as number) / 2) === major) continue;
      if (!this.#writeItem(out, start, other, "")) return out.length - start;
    }
    if (prerelease !== NONE) {
      this.#read(prerelease);
      // A pre-release is lower than the release of the same numbers.
      if ((this.#readMajor - major || this.#readMinor - minor || this.#readPatch - patch) > 0)
        this.#writeItem(out, start, prerelease, " k=pre");
    }
    return out.length - start;
  }

  /** Writes one more item if it fits; false if not. */
  #writeItem(out: TextWriter, start: number, record: number, kind: string): boolean {
    const before = out.length;
    out.text("; v=");
    this.#writeVersion(out, record);
    out.text(`${kind} i=`);
    out.decimal(this.#logIndex(record));
    if (out.length - start <= MAX_VALUE_LENGTH) return true;
    out.length = before;
    return false;
  }

  /** True if only majors without `+incompatible` are considered: the highest version of those has a go.mod. */
  #isCompatibleOnly(): boolean {
    let highest = NONE;
    let isMixed = false;
    for (let i = 0; i < this.#majors; i++) {
      if ((this.#major[i] as number) % 2 === 1) {
        isMixed = true;
        continue;
      }
      const release = this.#release[i] as number;
      const prerelease = this.#prerelease[i] as number;
      highest = release === NONE || (prerelease !== NONE && this.#isHigher(prerelease, release)) ? prerelease : release;
    }
    // Without one of the two it makes no difference, and the hashes need not be computed.
    if (!isMixed || highest === NONE) return false;
    const goMod = this.#bytes.subarray(4 * (highest + SPILL.goMod), 4 * (highest + SPILL.goMod) + 32);
    return !equalBytes(goMod, computeSyntheticGoModHash(this.pathOf(highest), nodeSha256));
  }

  /** True if a pre-release is higher than a release of the same major. */
  #isHigher(prerelease: number, release: number): boolean {
    this.#read(release);
    const minor = this.#readMinor;
    const patch = this.#readPatch;
    this.#read(prerelease);
    return (this.#readMinor - minor || this.#readPatch - patch) > 0;
  }

  /** The kind of a record's version, in the words of a value's `k` field. */
  kindOf(record: number): Version["kind"] {
    const kind = ((this.#words[record + SPILL.version] as number) >> 8) & 3;
    return kind === RELEASE ? "release" : kind === PRE_RELEASE ? "pre" : "pseudo";
  }

  pathOf(record: number): string {
    const at = 4 * (record + SPILL.text);
    return latin1(this.#bytes, at, at + (this.#words[record + SPILL.pathLength] as number));
  }

  versionOf(record: number): string {
    const at = this.#versionAt(record);
    return latin1(this.#bytes, at, at + this.#versionLength(record));
  }

  logIndexOf(record: number): number {
    return this.#logIndex(record);
  }

  #logIndex(record: number): number {
    return (
      ((this.#words[record + SPILL.index] as number) >>> 0) +
      (this.#words[record + SPILL.indexHigh] as number) * 2 ** 32
    );
  }

  #versionAt(record: number): number {
    return 4 * (record + SPILL.text) + (this.#words[record + SPILL.pathLength] as number) + 1;
  }

  #versionLength(record: number): number {
    return (this.#words[record + SPILL.version] as number) & 255;
  }

  #writeVersion(out: TextWriter, record: number): void {
    const at = this.#versionAt(record);
    out.copy(this.#bytes, at, at + this.#versionLength(record));
  }

  #isIncompatible(record: number): boolean {
    const end = this.#versionAt(record) + this.#versionLength(record);
    return this.#versionLength(record) > INCOMPATIBLE_LENGTH && this.#bytes[end - INCOMPATIBLE_LENGTH] === 0x2b;
  }

  /** Where the 14 digits of a pseudo-version are: before its last dash. */
  #timestampAt(record: number): number {
    let at = this.#versionAt(record) + this.#versionLength(record);
    if (this.#isIncompatible(record)) at -= INCOMPATIBLE_LENGTH;
    while (this.#bytes[at - 1] !== 0x2d) at--;
    return at - 15;
  }

  /** Reads the three numbers of a record's version. */
  #read(record: number): void {
    const bytes = this.#bytes;
    const limit = this.#versionAt(record) + this.#versionLength(record);
    const majorAt = this.#versionAt(record) + 1;
    let at = majorAt;
    while (bytes[at] !== 0x2e) at++;
    this.#readMajor = readNumber(bytes, majorAt, at);
    const minorAt = ++at;
    while (bytes[at] !== 0x2e) at++;
    this.#readMinor = readNumber(bytes, minorAt, at);
    const patchAt = ++at;
    while (at < limit && (bytes[at] as number) >= 0x30 && (bytes[at] as number) <= 0x39) at++;
    this.#readPatch = readNumber(bytes, patchAt, at);
  }

  #parse(record: number): Version {
    const version = parseVersion(this.versionOf(record));
    if (version === undefined) throw new TypeError("a spilled record with a malformed version");
    return version;
  }
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}
