import { closeSync, fstatSync, openSync } from "node:fs";
import { LaneHasher } from "../build/lane-hasher.ts";
import { SPILL } from "../build/spill-record.ts";
import { countBits, SubLogPeaks } from "../build/sub-log-peaks.ts";
import { Frontier } from "../vindex/frontier.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { HASH_LENGTH, type Hash } from "../vindex/sha256.ts";
import { MAX_VERSION_LENGTH } from "../vindex/version.ts";
import { ENTRIES_HEADER_LENGTH, ENTRY_LENGTH } from "./entry-file.ts";
import { readExactly } from "./file-bytes.ts";
import { textOf } from "./records.ts";
import { HASH_TEXT, isHashText, writeHashText } from "./snapshot-check-pairs.ts";
import { badSnapshot } from "./snapshot-format.ts";

/** Records that are hashed together: a power of two, and of no module more at once. */
const BATCH = 2048;
const BATCH_MODULES = 1024;
/** Bytes that are read at a time, unless a module has more. */
const READ_STEP = 1 << 17;
/** Bytes of a record's text with its byte 0, but for paths, versions and the space between them. */
const TEXT_LENGTH = 2 * (4 + 44 + 1) + 7 + 1;
/** Bytes of a leaf's content with its byte 0, and how far apart they stand. */
const LEAF_LENGTH = 1 + 8 + HASH_LENGTH;
const LEAF_STRIDE = 44;

/**
 * Verifies the records of modules against the peaks in their states (spec/map.md §5), thousands in one pass: record texts, then leaves of
 * the sub-logs, then all nodes of one level.
 */
export class EntryChecker {
  readonly #hasher = new LaneHasher();
  readonly #peaks = new SubLogPeaks(this.#hasher);
  #file = -1;
  #size = 0;
  // What was read: bytes from `#windowAt` on.
  #window: Uint8Array = new Uint8Array(READ_STEP);
  #windowAt = 0;
  #windowLength = 0;
  // The batch.
  #records = 0;
  #modules = 0;
  readonly #starts = new Int32Array(BATCH_MODULES + 1);
  readonly #expected = new Int32Array(BATCH_MODULES);
  readonly #paths = new Int32Array(2 * BATCH_MODULES);
  #memory: Uint8Array = new Uint8Array(0);
  readonly #indexes = new Float64Array(BATCH);
  readonly #hashes = new Uint8Array(HASH_LENGTH * BATCH);
  readonly #leaves = new Uint8Array(4 * SPILL.leaf + HASH_LENGTH * BATCH);
  readonly #words = new Int32Array(this.#leaves.buffer);
  /** So that the leaf of record i is found where a build has it. */
  readonly #order = Int32Array.from({ length: BATCH }, (_, i) => (HASH_LENGTH / 4) * i);
  // Texts that wait to be hashed.
  readonly #textStarts = new Int32Array(BATCH);
  readonly #textLengths = new Int32Array(BATCH);
  #texts = 0;
  #textsDone = 0;
  #fill = 0;
  readonly #leafStarts = Int32Array.from({ length: BATCH }, (_, i) => LEAF_STRIDE * i);
  readonly #leafLengths = new Int32Array(BATCH).fill(LEAF_LENGTH);

  open(path: string): void {
    this.#file = openSync(path, "r");
    this.#size = fstatSync(this.#file).size;
    this.#windowLength = 0;
    this.reset();
  }

  close(): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
  }

  /**
   * Takes a module: its path stands at `at` of `memory` and its state text after it, verified; both must stay there until `flush`. Its
   * records are said to be `count`, at byte `place` of the file. Gives their number.
   *
   * @throws ProofdnsError `BAD_SNAPSHOT` if records are not those of the state
   */
  add(memory: Uint8Array, at: number, pathLength: number, textLength: number, place: number, count: number): number {
    const peaksAt = this.#checkHead(memory, at, pathLength, textLength, count);
    if (count > BATCH) {
      this.#checkLarge(at, pathLength, place, count, peaksAt);
      return count;
    }
    this.#begin(at, pathLength, count, peaksAt);
    if (!this.#load(place, ENTRY_LENGTH * count)) throw this.#wrong(at, pathLength);
    const versions = this.#endAt(place - this.#windowAt, count - 1);
    const length = ENTRY_LENGTH * count + versions;
    if (versions > MAX_VERSION_LENGTH * count || !this.#load(place, length)) throw this.#wrong(at, pathLength);
    const from = place - this.#windowAt;
    this.#addRecords(at, pathLength, this.#window, from, count, 0, this.#window, from + ENTRY_LENGTH * count, versions);
    this.#end();
    return count;
  }

  /** Where the peaks begin in a state text that says `count` records, with as many peaks as that has. */
  #checkHead(memory: Uint8Array, at: number, pathLength: number, textLength: number, count: number): number {
    this.#memory = memory;
    const text = at + pathLength;
    const end = text + textLength;
    const head = `n ${count}\n`;
    let isRight = count > 0 && head.length <= textLength;
    for (let i = 0; isRight && i < head.length; i++) isRight = memory[text + i] === head.charCodeAt(i);
    const peaksAt = text + head.length;
    let line = peaksAt;
    // A peak for each bit of the number, and then none.
    for (let i = 0; isRight && i < countBits(count); i++, line += HASH_TEXT + 3)
      isRight = isPeakLine(memory, line, end);
    if (!isRight || (line < end && memory[line] === 0x70)) throw this.#wrong(at, pathLength);
    return peaksAt;
  }

  #begin(at: number, pathLength: number, count: number, peaksAt: number): void {
    if (this.#records + count > BATCH || this.#modules === BATCH_MODULES) this.flush();
    this.#paths[2 * this.#modules] = at;
    this.#paths[2 * this.#modules + 1] = pathLength;
    this.#expected[this.#modules] = peaksAt;
  }

  #end(): void {
    this.#modules++;
    this.#starts[this.#modules] = this.#records;
  }

  /**
   * The same for a module whose records stand in `bytes`, as they would in a file.
   *
   * @throws ProofdnsError `BAD_SNAPSHOT`
   */
  addBytes(
    memory: Uint8Array,
    at: number,
    pathLength: number,
    textLength: number,
    bytes: Uint8Array,
    count: number,
  ): void {
    const peaksAt = this.#checkHead(memory, at, pathLength, textLength, count);
    const records = ENTRY_LENGTH * count;
    if (count > BATCH) {
      this.#checkPieces(at, pathLength, count, peaksAt, (from, piece, start) => {
        const end = takeUint48(bytes, ENTRY_LENGTH * (from + piece - 1) + 6);
        return {
          records: bytes.subarray(ENTRY_LENGTH * from),
          versions: bytes.subarray(records + start, records + end),
        };
      });
      return;
    }
    this.#begin(at, pathLength, count, peaksAt);
    this.#addRecords(at, pathLength, bytes, 0, count, 0, bytes, records, bytes.length - records);
    this.#end();
  }

  /** Compares what waits. */
  flush(): void {
    this.#hashLeaves();
    this.#peaks.compute(this.#words, this.#order, this.#starts, 0, this.#modules);
    const { peaks } = this.#peaks;
    let peak = 0;
    for (let i = 0; i < this.#modules; i++) {
      const bits = countBits((this.#starts[i + 1] as number) - (this.#starts[i] as number));
      for (let k = 0; k < bits; k++, peak++) {
        const at = (this.#expected[i] as number) + (HASH_TEXT + 3) * k + 2;
        if (!isHashText(peaks, HASH_LENGTH * peak, this.#memory, at))
          throw this.#wrong(this.#paths[2 * i] as number, this.#paths[2 * i + 1] as number);
      }
    }
    this.reset();
  }

  /** Forgets what waits. */
  reset(): void {
    this.#records = 0;
    this.#modules = 0;
    this.#texts = 0;
    this.#textsDone = 0;
    this.#fill = 0;
  }

  /** A module of more records than are hashed together. */
  #checkLarge(at: number, pathLength: number, place: number, count: number, peaksAt: number): void {
    const versionsAt = place + ENTRY_LENGTH * count;
    if (place < ENTRIES_HEADER_LENGTH || versionsAt > this.#size) throw this.#wrong(at, pathLength);
    const records = new Uint8Array(ENTRY_LENGTH * BATCH);
    this.#checkPieces(at, pathLength, count, peaksAt, (from, piece, start) => {
      if (!readExactly(this.#file, records.subarray(0, ENTRY_LENGTH * piece), place + ENTRY_LENGTH * from))
        return undefined;
      const length = takeUint48(records, ENTRY_LENGTH * (piece - 1) + 6) - start;
      if (length < 0 || length > MAX_VERSION_LENGTH * piece) return undefined;
      const versions = new Uint8Array(length);
      return readExactly(this.#file, versions, versionsAt + start) ? { records, versions } : undefined;
    });
  }

  /** Piece by piece, each a complete subtree; `read` gives some records and their versions, which begin at `start` of all. */
  #checkPieces(
    at: number,
    pathLength: number,
    count: number,
    peaksAt: number,
    read: (from: number, piece: number, start: number) => { records: Uint8Array; versions: Uint8Array } | undefined,
  ): void {
    this.flush();
    let frontier = Frontier.empty(nodeSha256);
    let start = 0;
    for (let from = 0; from < count; from += BATCH) {
      const piece = Math.min(BATCH, count - from);
      const found = read(from, piece, start);
      if (found === undefined) throw this.#wrong(at, pathLength);
      const { records, versions } = found;
      this.#addRecords(at, pathLength, records, 0, piece, start, versions, 0, versions.length);
      start += versions.length;
      this.#hashLeaves();
      const leaf = (i: number): Hash =>
        this.#leaves.slice(4 * SPILL.leaf + HASH_LENGTH * i, 4 * SPILL.leaf + HASH_LENGTH * (i + 1));
      if (piece === BATCH) {
        this.#hashes.set(this.#leaves.subarray(4 * SPILL.leaf));
        this.#hasher.hashTree(new Int32Array(this.#hashes.buffer), this.#hashes, 0, BATCH);
        frontier = frontier.extend(frontier.treeSize + BATCH, [this.#hashes.slice(0, HASH_LENGTH)]);
      } else frontier = frontier.appendAll(Array.from({ length: piece }, (_, i) => leaf(i)));
      this.reset();
    }
    for (const [k, peak] of frontier.peaks.entries())
      if (!isHashText(peak, 0, this.#memory, peaksAt + (HASH_TEXT + 3) * k + 2)) throw this.#wrong(at, pathLength);
  }

  /** Makes the texts of records that stand at `at` of `bytes`; their versions begin `versionStart` bytes into the module's. */
  #addRecords(
    pathAt: number,
    pathLength: number,
    bytes: Uint8Array,
    at: number,
    count: number,
    versionStart: number,
    versions: Uint8Array,
    versionsAt: number,
    versionsLength: number,
  ): void {
    let begin = 0;
    for (let i = 0, record = at; i < count; i++, record += ENTRY_LENGTH) {
      const end = takeUint48(bytes, record + 6) - versionStart;
      const length = end - begin;
      if (length <= 0 || length > MAX_VERSION_LENGTH || end > versionsLength) throw this.#wrong(pathAt, pathLength);
      this.#indexes[this.#records++] = takeUint48(bytes, record);
      this.#addText(pathAt, pathLength, versions, versionsAt + begin, length, bytes, record + 12);
      begin = end;
    }
  }

  #addText(
    pathAt: number,
    pathLength: number,
    versions: Uint8Array,
    versionAt: number,
    versionLength: number,
    hashes: Uint8Array,
    hashAt: number,
  ): void {
    const length = TEXT_LENGTH + 2 * (pathLength + versionLength + 1);
    const { capacity } = this.#hasher;
    if (length > capacity) throw badSnapshot(`there is a module with a path of ${pathLength} bytes`);
    if (this.#fill + length > capacity) this.#hashTexts();
    const out = this.#hasher.memory;
    const path = this.#memory;
    let to = this.#fill;
    this.#textStarts[this.#texts] = to;
    this.#textLengths[this.#texts++] = length;
    out[to++] = 0;
    for (let line = 0; line < 2; line++) {
      for (let i = pathAt; i < pathAt + pathLength; i++) out[to++] = path[i] as number;
      out[to++] = 0x20;
      for (let i = versionAt; i < versionAt + versionLength; i++) out[to++] = versions[i] as number;
      if (line === 1) {
        out.set(GO_MOD, to);
        to += GO_MOD.length;
      }
      out[to++] = 0x20;
      out[to++] = 0x68;
      out[to++] = 0x31;
      out[to++] = 0x3a;
      to = writeHashText(hashes, hashAt + HASH_LENGTH * line, out, to);
      out[to++] = 0x0a;
    }
    this.#fill = to;
  }

  #hashTexts(): void {
    this.#hasher.run(this.#textStarts, this.#textLengths, this.#texts, this.#hashes, HASH_LENGTH * this.#textsDone);
    this.#textsDone += this.#texts;
    this.#texts = 0;
    this.#fill = 0;
  }

  /** From the texts of the batch to the leaves of its sub-logs. */
  #hashLeaves(): void {
    this.#hashTexts();
    const { memory } = this.#hasher;
    for (let i = 0; i < this.#records; i++) {
      const at = LEAF_STRIDE * i;
      const index = this.#indexes[i] as number;
      const high = Math.floor(index / 2 ** 32);
      memory[at] = 0;
      for (let k = 0; k < 4; k++) {
        memory[at + 1 + k] = high >>> (24 - 8 * k);
        memory[at + 5 + k] = index >>> (24 - 8 * k);
      }
      for (let k = 0; k < HASH_LENGTH; k++) memory[at + 9 + k] = this.#hashes[HASH_LENGTH * i + k] as number;
    }
    this.#hasher.run(this.#leafStarts, this.#leafLengths, this.#records, this.#leaves, 4 * SPILL.leaf);
  }

  /** Has `length` bytes of the file from `place` on in the window; false if they are not there. */
  #load(place: number, length: number): boolean {
    if (place < ENTRIES_HEADER_LENGTH || place + length > this.#size) return false;
    if (place >= this.#windowAt && place + length <= this.#windowAt + this.#windowLength) return true;
    if (length > this.#window.length) this.#window = new Uint8Array(length);
    this.#windowLength = Math.min(this.#window.length, this.#size - place);
    this.#windowAt = place;
    return readExactly(this.#file, this.#window.subarray(0, this.#windowLength), place);
  }

  #endAt(at: number, i: number): number {
    return takeUint48(this.#window, at + ENTRY_LENGTH * i + 6);
  }

  #wrong(pathAt: number, pathLength: number): Error {
    const path = textOf(this.#memory.slice(pathAt, pathAt + Math.min(300, pathLength)));
    return badSnapshot(`the records of ${JSON.stringify(path)} do not give its state`);
  }
}

const GO_MOD = Uint8Array.from(Buffer.from("/go.mod"));

/** True if there is a line of a peak. */
function isPeakLine(text: Uint8Array, at: number, end: number): boolean {
  const newline = at + 2 + HASH_TEXT;
  return newline < end && text[at] === 0x70 && text[at + 1] === 0x20 && text[newline] === 0x0a;
}

function takeUint48(bytes: Uint8Array, at: number): number {
  const low = ((bytes[at + 2] as number) << 24) | ((bytes[at + 3] as number) << 16);
  const lowest = ((bytes[at + 4] as number) << 8) | (bytes[at + 5] as number);
  return (((bytes[at] as number) << 8) | (bytes[at + 1] as number)) * 2 ** 32 + ((low | lowest) >>> 0);
}
