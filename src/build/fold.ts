import { closeSync, openSync } from "node:fs";
import { crc32 } from "node:zlib";
import { ENTRY_LENGTH } from "../store/entry-file.ts";
import { putUint64, readExactly, writeExactly } from "../store/file-bytes.ts";
import { STATE_BLOCK_LENGTH, STATE_HEAD_LENGTH, STATE_INDEX_LENGTH } from "../store/state-file.ts";
import { encodeUtf8 } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { type FamilyMember, familyOf, TOOLCHAIN_MODULE } from "../vindex/module-path.ts";
import { foldRecord, formatModuleState, type ModuleState } from "../vindex/module-state.ts";
import { computeModuleValue, selectLatest } from "../vindex/module-value.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { computeRecordHashOf, makeRecord } from "../vindex/record.ts";
import { HASH_LENGTH } from "../vindex/sha256.ts";
import { foldToolchain, formatToolchainValue, goVersionOf, type ToolchainItem } from "../vindex/toolchain-value.ts";
import { GrowingBuffer } from "./growing-buffer.ts";
import type { LaneHasher } from "./lane-hasher.ts";
import { type BuildWorld, familyBits, MAX_PARTITION_BITS, type Pieces, partitionOf, workFile } from "./layout.ts";
import { ModuleFold } from "./module-fold.ts";
import { type ModuleTable, sortByModule } from "./module-table.ts";
import { SPILL } from "./spill-record.ts";
import { countBits, SubLogPeaks } from "./sub-log-peaks.ts";
import { TextWriter } from "./text-writer.ts";

export interface FoldJob {
  readonly partition: number;
  /** Of the spill file of each chunk. */
  readonly segments: Pieces;
  /** The spill files, open in this process; −1 for those that there are too many of, which are opened as they are read. */
  readonly files: Int32Array;
  /** CRC-32 of those that an earlier run wrote: they are checked; −1 of the others. */
  readonly crcs: Float64Array;
  readonly records: number;
  /** Where the partition's entries stand in the entries file. */
  readonly entriesAt: number;
}

/** What is known of a partition once it is folded. All of it goes into the progress file. */
export interface FoldedPartition {
  readonly partition: number;
  readonly modules: number;
  readonly valueBytes: number;
  /** Bytes of blocks in the partition's states file, and how many there are; their index follows them. */
  readonly stateBytes: number;
  readonly blocks: number;
  /** Lengths of the lists of family members for each group of families. */
  readonly members: readonly number[];
  /** Value of the subject `toolchain`, from the partition that has its module. */
  readonly toolchain: string | undefined;
  readonly entriesAt: number;
  readonly entriesLength: number;
  readonly entriesCrc: number;
  readonly statesCrc: number;
  readonly valuesCrc: number;
  readonly membersCrc: number;
}

/** Bytes that are collected before they are written. */
const STEP = 1 << 20;
/** Records and modules whose peaks and texts are hashed together: few enough that they stay in the processor's cache. */
const BATCH_RECORDS = 2048;
const BATCH_MODULES = 256;

/** Words of a record's two hashes. */
const HASH_WORDS = (2 * HASH_LENGTH) / 4;
const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** Writes one after the other at a growing place of a file, and keeps the CRC-32. */
class Output extends TextWriter {
  crc = 0;
  written = 0;
  readonly #fd: number;
  readonly #at: number;

  constructor(path: string, flags: string, at = 0) {
    super(STEP + (STEP >> 2));
    this.#fd = openSync(path, flags, 0o644);
    this.#at = at;
  }

  get total(): number {
    return this.written + this.length;
  }

  flushIfFull(): void {
    if (this.length >= STEP) this.flush();
  }

  flush(): void {
    this.crc = crc32(this.used, this.crc);
    writeExactly(this.#fd, this.used, this.#at + this.written);
    this.written += this.length;
    this.length = 0;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/**
 * The second stage: reads all records of a partition, sorts them by module, and writes its entries to their place, its states and its
 * values to files of their own, and the members of families for those who have their base paths. One for each thread.
 */
export class PartitionFolder {
  readonly #world: BuildWorld;
  readonly #hasher: LaneHasher;
  readonly #records = new GrowingBuffer(1 << 20);
  readonly #fold = new ModuleFold();
  readonly #peaks: SubLogPeaks;
  readonly #keys = new GrowingBuffer(1 << 16);
  readonly #lengths = new GrowingBuffer(1 << 12);
  readonly #values = new TextWriter(1 << 18);
  readonly #index = new GrowingBuffer(1 << 16);
  readonly #texts = new TextWriter(1 << 18);
  readonly #textStarts = new Int32Array(BATCH_MODULES + 1);
  readonly #hashStarts = new Int32Array(BATCH_MODULES);
  readonly #hashLengths = new Int32Array(BATCH_MODULES);
  readonly #stateHashes = new Uint8Array(HASH_LENGTH * BATCH_MODULES);
  /** Where in the values the hashes of the batch belong; −1 where they stand already. */
  readonly #stateHashPlaces = new Int32Array(BATCH_MODULES);
  #members: string[][] = [];
  #toolchain: string | undefined;
  #blockLength = 0;
  #block = -1;

  constructor(world: BuildWorld, hasher: LaneHasher) {
    this.#world = world;
    this.#hasher = hasher;
    this.#peaks = new SubLogPeaks(hasher);
  }

  /** Does one partition. @throws ProofdnsError `STORE_UNUSABLE` if a spill file is not what was written */
  fold(job: FoldJob): FoldedPartition {
    const { workFolder, partitionBits } = this.#world;
    const { partition } = job;
    this.#read(job);
    const table = sortByModule(this.#records, job.records, this.#hasher);
    this.#fold.setMemory(this.#records.bytes, this.#records.words);
    for (const buffer of [this.#keys, this.#lengths, this.#values, this.#index]) buffer.length = 0;
    this.#members = Array.from({ length: 2 ** familyBits(partitionBits) }, () => []);
    this.#toolchain = undefined;
    this.#block = -1;
    const entries = new Output(workFile.entries(workFolder), "r+", job.entriesAt);
    const states = new Output(workFile.partStates(workFolder, partition), "w");
    const values = new Output(workFile.partValues(workFolder, partition), "w");
    const members = new Output(workFile.members(workFolder, partition), "w");
    try {
      for (let from = 0; from < table.modules; ) from = this.#foldBatch(table, from, job.entriesAt, entries, states);
      entries.flush();
      const stateBytes = states.total;
      states.append(this.#index.used);
      states.flush();
      for (const part of [this.#keys, this.#lengths, this.#values]) values.append(part.used);
      values.flush();
      const lengths = this.#members.map((lines) => {
        const before = members.total;
        members.append(encodeUtf8(lines.join("")));
        return members.total - before;
      });
      members.flush();
      return {
        partition,
        modules: table.modules,
        valueBytes: this.#values.length,
        stateBytes,
        blocks: this.#index.length / STATE_INDEX_LENGTH,
        members: lengths,
        toolchain: this.#toolchain,
        entriesAt: job.entriesAt,
        entriesLength: entries.written,
        entriesCrc: entries.crc,
        statesCrc: states.crc,
        valuesCrc: values.crc,
        membersCrc: members.crc,
      };
    } finally {
      for (const output of [entries, states, values, members]) output.close();
      this.#members = [];
    }
  }

  #read({ segments, files, crcs }: FoldJob): void {
    const records = this.#records;
    records.length = 0;
    let total = 0;
    for (let i = 1; i < segments.length; i += 2) total += segments[i] as number;
    records.reserve(total);
    for (let chunk = 0; chunk < crcs.length; chunk++) {
      const at = segments[2 * chunk] as number;
      const length = segments[2 * chunk + 1] as number;
      const crc = crcs[chunk] as number;
      if (length === 0) continue;
      const target = records.bytes.subarray(records.length, records.length + length);
      const path = workFile.spill(this.#world.workFolder, chunk);
      const isOpen = (files[chunk] as number) >= 0;
      const fd = isOpen ? (files[chunk] as number) : openSync(path, "r");
      try {
        if (!readExactly(fd, target, at) || (crc >= 0 && crc32(target) !== crc)) {
          throw new ProofdnsError(
            "STORE_UNUSABLE",
            `${path} is not what was written; remove ${this.#world.workFolder} and build again`,
          );
        }
      } finally {
        if (!isOpen) closeSync(fd);
      }
      records.length += length;
    }
  }

  /** Folds modules from `from` on, as many as are hashed together; returns the next. */
  #foldBatch(table: ModuleTable, from: number, entriesAt: number, entries: Output, states: Output): number {
    const { order, starts, keys } = table;
    let to = from;
    const first = starts[from] as number;
    do to++;
    while (to < table.modules && to - from < BATCH_MODULES && (starts[to + 1] as number) - first <= BATCH_RECORDS);
    this.#peaks.compute(this.#records.words, order, starts, from, to);
    const texts = this.#texts;
    texts.length = 0;
    let peak = 0;
    for (let m = from; m < to; m++) {
      const count = (starts[m + 1] as number) - (starts[m] as number);
      this.#textStarts[m - from] = texts.length;
      if (this.#fold.fold(order, starts[m] as number, starts[m + 1] as number)) {
        texts.text("n ");
        texts.decimal(count);
        texts.text("\n");
        for (let p = 0; p < countBits(count); p++) {
          texts.text("p ");
          texts.hash(this.#peaks.peaks, HASH_LENGTH * (peak + p));
          texts.text("\n");
        }
        this.#fold.writeLines(texts);
        this.#writeValue(m, m - from, order, starts);
      } else this.#foldSlow(m, m - from, order, starts);
      peak += countBits(count);
    }
    this.#textStarts[to - from] = texts.length;
    this.#hashTexts(to - from);
    for (let m = from; m < to; m++) {
      const place = entriesAt + entries.total;
      this.#writeEntries(order, starts[m] as number, starts[m + 1] as number, entries);
      const key = keys.subarray(HASH_LENGTH * m, HASH_LENGTH * (m + 1));
      const record = order[starts[m] as number] as number;
      this.#writeState(key, record, (starts[m + 1] as number) - (starts[m] as number), place, m - from, states);
      this.#keys.append(key);
      const hashAt = this.#stateHashPlaces[m - from] as number;
      if (hashAt >= 0) this.#values.hashAt(this.#stateHashes, HASH_LENGTH * (m - from), hashAt);
    }
    return to;
  }

  #hashTexts(count: number): void {
    const { memory, capacity } = this.#hasher;
    const starts = this.#textStarts;
    const texts = this.#texts.bytes;
    for (let done = 0; done < count; ) {
      const base = starts[done] as number;
      let to = done;
      while (to < count && (starts[to + 1] as number) - base <= capacity) to++;
      if (to === done) {
        const text = texts.subarray(base, starts[done + 1] as number);
        this.#stateHashes.set(this.#hasher.hashOne(text), HASH_LENGTH * done);
        done++;
        continue;
      }
      memory.set(texts.subarray(base, starts[to] as number));
      for (let i = done; i < to; i++) {
        this.#hashStarts[i - done] = (starts[i] as number) - base;
        this.#hashLengths[i - done] = (starts[i + 1] as number) - (starts[i] as number);
      }
      this.#hasher.run(this.#hashStarts, this.#hashLengths, to - done, this.#stateHashes, HASH_LENGTH * done);
      done = to;
    }
  }

  #writeEntries(order: Int32Array, from: number, to: number, entries: Output): void {
    const { words, bytes } = this.#records;
    let end = 0;
    entries.reserve(ENTRY_LENGTH);
    const view = new DataView(entries.bytes.buffer);
    for (let i = from; i < to; i++) {
      const record = order[i] as number;
      end += (words[record + SPILL.version] as number) & 255;
      const at = entries.length;
      view.setUint16(at, words[record + SPILL.indexHigh] as number);
      view.setInt32(at + 2, words[record + SPILL.index] as number);
      view.setUint16(at + 6, Math.floor(end / 2 ** 32));
      view.setUint32(at + 8, end % 2 ** 32);
      const source = record + SPILL.zip;
      // Entries do not begin at whole words.
      for (let w = 0; w < HASH_WORDS; w++)
        view.setInt32(at + 12 + 4 * w, words[source + w] as number, IS_LITTLE_ENDIAN);
      entries.length = at + ENTRY_LENGTH;
      entries.flushIfFull();
    }
    for (let i = from; i < to; i++) {
      const record = order[i] as number;
      const at = 4 * (record + SPILL.text) + (words[record + SPILL.pathLength] as number) + 1;
      entries.copy(bytes, at, at + ((words[record + SPILL.version] as number) & 255));
      entries.flushIfFull();
    }
  }

  #writeState(key: Uint8Array, record: number, count: number, place: number, i: number, states: Output): void {
    const { words, bytes } = this.#records;
    const pathLength = words[record + SPILL.pathLength] as number;
    const textLength = (this.#textStarts[i + 1] as number) - (this.#textStarts[i] as number);
    const length = STATE_HEAD_LENGTH + pathLength + textLength;
    // A block ends where the first bits of the key change, so that the file is the same with any number of partitions.
    const block = ((key[0] as number) << (MAX_PARTITION_BITS - 8)) | ((key[1] as number) >> (16 - MAX_PARTITION_BITS));
    if (block !== this.#block || this.#blockLength + length > STATE_BLOCK_LENGTH) {
      this.#index.reserve(STATE_INDEX_LENGTH);
      this.#index.bytes.set(key, this.#index.length);
      const { buffer } = this.#index.bytes;
      putUint64(new DataView(buffer), this.#index.length + HASH_LENGTH, states.total);
      this.#index.length += STATE_INDEX_LENGTH;
      this.#block = block;
      this.#blockLength = 0;
    }
    this.#blockLength += length;
    states.reserve(length);
    const view = new DataView(states.bytes.buffer, states.length, STATE_HEAD_LENGTH);
    states.bytes.set(key, states.length);
    putUint64(view, 32, place);
    view.setUint32(40, count);
    view.setUint32(44, pathLength);
    view.setUint32(48, textLength);
    states.length += STATE_HEAD_LENGTH;
    states.copy(bytes, 4 * (record + SPILL.text), 4 * (record + SPILL.text) + pathLength);
    states.copy(this.#texts.bytes, this.#textStarts[i] as number, this.#textStarts[i + 1] as number);
    states.flushIfFull();
  }

  /** Writes the value of the module that was folded last, and notes where the hash of its state text belongs. */
  #writeValue(m: number, i: number, order: Int32Array, starts: Int32Array): void {
    const fold = this.#fold;
    const from = starts[m] as number;
    const path = fold.pathOf(order[from] as number);
    this.#addLength(fold.writeValue(this.#values));
    this.#stateHashPlaces[i] = fold.stateHashAt;
    const member = familyOf(path);
    if (member !== undefined) this.#addMember(member, fold.versionOf(fold.latest), fold.logIndexOf(fold.latest));
    if (path === TOOLCHAIN_MODULE) this.#foldToolchain(order, from, starts[m + 1] as number);
  }

  /** The map function itself, for modules that the fast way has no room for: writes state text and value. */
  #foldSlow(m: number, i: number, order: Int32Array, starts: Int32Array): void {
    const fold = this.#fold;
    const from = starts[m] as number;
    const to = starts[m + 1] as number;
    const path = fold.pathOf(order[from] as number);
    let state: ModuleState | undefined;
    for (let r = from; r < to; r++) {
      const at = order[r] as number;
      const hashes = this.#records.bytes.slice(4 * (at + SPILL.zip), 4 * (at + SPILL.zip) + 2 * HASH_LENGTH);
      const [zip, goMod] = [hashes.subarray(0, HASH_LENGTH), hashes.subarray(HASH_LENGTH)];
      const record = makeRecord(path, fold.versionOf(at), zip, goMod);
      if (record === undefined) throw new TypeError("a spilled record that is not well-formed");
      state = foldRecord(state, record, fold.logIndexOf(at), computeRecordHashOf(record, nodeSha256), nodeSha256);
    }
    if (state === undefined) throw new TypeError("a module without records");
    const text = formatModuleState(state);
    this.#texts.text(text);
    const value = computeModuleValue(path, state, text, nodeSha256);
    this.#values.text(value);
    this.#addLength(value.length);
    this.#stateHashPlaces[i] = -1;
    const { latest } = selectLatest(path, state, nodeSha256);
    const member = familyOf(path);
    if (member !== undefined) this.#addMember(member, latest.version.text, latest.logIndex);
    if (path === TOOLCHAIN_MODULE) this.#foldToolchain(order, from, to);
  }

  #addLength(length: number): void {
    this.#lengths.reserve(1);
    this.#lengths.bytes[this.#lengths.length++] = length;
  }

  /** Hands a member of a family on to the group that its base path is in. */
  #addMember({ basePath, major }: FamilyMember, version: string, logIndex: number): void {
    const base = nodeSha256(encodeUtf8(basePath));
    const owner = partitionOf(base, familyBits(this.#world.partitionBits));
    this.#members[owner]?.push(`${basePath} ${major} ${version} ${logIndex}\n`);
  }

  #foldToolchain(order: Int32Array, from: number, to: number): void {
    let items: readonly ToolchainItem[] = [];
    for (let i = from; i < to; i++) {
      const record = order[i] as number;
      const go = goVersionOf(this.#fold.versionOf(record));
      if (go !== undefined) items = foldToolchain(items, go, this.#fold.logIndexOf(record));
    }
    if (items.length > 0) this.#toolchain = formatToolchainValue(items);
  }
}
