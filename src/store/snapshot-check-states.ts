import { isAscii } from "node:buffer";
import { closeSync, openSync } from "node:fs";
import { type LaneHasher, PAIR_AREA } from "../build/lane-hasher.ts";
import { HASH_LENGTH } from "../vindex/sha256.ts";
import { hasHash, withoutHash } from "./committed.ts";
import { damagedFile, readExactly, takeUint64 } from "./file-bytes.ts";
import { textOf } from "./records.ts";
import type { EntryChecker } from "./snapshot-check-entries.ts";
import {
  committedAt,
  compareAt,
  findKey,
  HASH_TEXT,
  isHashText,
  isMajorsAt,
  MapPairs,
} from "./snapshot-check-pairs.ts";
import { badSnapshot } from "./snapshot-format.ts";
import { STATE_HEAD_LENGTH, STATE_INDEX_LENGTH, STATES_HEADER_LENGTH } from "./state-file.ts";
import type { PackedPairs } from "./values-file.ts";

/** A range of keys: the values there, and the blocks of base states with these keys. */
export interface StatesJob {
  /** Of the map, verified, with the places of `MapPairs`. */
  readonly pairs: PackedPairs;
  readonly starts: Float64Array;
  /** Keys of modules that have a newer state than the base, ascending. */
  readonly newer: Uint8Array;
  readonly pairFrom: number;
  readonly pairTo: number;
  readonly base: StateBlocks | undefined;
}

/** Blocks `from` … `to` − 1 of a states file, whose frame was checked (`StateFile.open`). */
export interface StateBlocks {
  readonly statesPath: string;
  readonly entriesPath: string;
  readonly from: number;
  readonly to: number;
  readonly blocks: number;
  readonly indexAt: number;
}

/** What was found in a range of keys. */
export interface CheckedStates {
  /** Base states that nothing newer stands for. */
  readonly states: number;
  /** Their records. */
  readonly records: number;
  /** All states of the blocks and all records that they say to have, those that something newer stands for too. */
  readonly stored: number;
  readonly storedRecords: number;
  /** Modules and cut families that the map has there. */
  readonly modules: number;
  readonly cut: number;
}

/** Number of blocks of a states file, and where its index begins, from its first bytes. */
export function readStatesFrame(path: string): { blocks: number; indexAt: number } {
  const file = openSync(path, "r");
  try {
    const header = new Uint8Array(STATES_HEADER_LENGTH);
    if (!readExactly(file, header, 0)) throw damagedFile(path, "it ends too early");
    const view = new DataView(header.buffer);
    return { blocks: takeUint64(view, 16), indexAt: takeUint64(view, 24) };
  } finally {
    closeSync(file);
  }
}

/** Bytes of blocks that are read at a time, unless one is longer. */
const READ_STEP = 1 << 20;
/** States that are hashed together. */
const BATCH = 1024;

/**
 * Verifies base states against the values of the map, and the records of their modules against the states: both are sorted by key, so
 * that one pass over each is enough. No object is made for a state.
 */
export class StateChecker {
  readonly #hasher: LaneHasher;
  readonly #entries: EntryChecker;
  readonly #capacity: number;
  #count = 0;
  #fill = 0;
  /** Of the batch: path and text of each state in the hasher's memory, and where its entries stand. */
  readonly #starts = new Int32Array(2 * BATCH);
  readonly #lengths = new Int32Array(2 * BATCH);
  readonly #hashes = new Uint8Array(2 * BATCH * HASH_LENGTH);
  readonly #keys = new Uint8Array(BATCH * HASH_LENGTH);
  readonly #committed = new Uint8Array(BATCH * HASH_TEXT);
  readonly #places = new Float64Array(BATCH);
  readonly #counts = new Float64Array(BATCH);
  readonly #previous = new Uint8Array(HASH_LENGTH);
  #blocks: Uint8Array = new Uint8Array(READ_STEP);
  // Where a job is.
  #map = new MapPairs({ count: 0, keys: EMPTY, lengths: EMPTY, values: EMPTY }, new Float64Array(1));
  #pair = 0;
  #pairTo = 0;
  #valueAt = 0;
  #newer: Uint8Array = EMPTY;
  #nextNewer = 0;
  #found = { states: 0, records: 0, stored: 0, storedRecords: 0, modules: 0, cut: 0 };

  constructor(hasher: LaneHasher, entries: EntryChecker) {
    this.#hasher = hasher;
    this.#capacity = hasher.memory.length - PAIR_AREA;
    this.#entries = entries;
  }

  /** @throws ProofdnsError `BAD_SNAPSHOT` if a state or a record is not what the map says, `STORE_UNUSABLE` if a file is damaged */
  check(job: StatesJob): CheckedStates {
    this.#map = new MapPairs(job.pairs, job.starts);
    this.#pair = job.pairFrom;
    this.#pairTo = job.pairTo;
    this.#valueAt = this.#map.valueAt(job.pairFrom);
    this.#newer = job.newer;
    this.#nextNewer = job.pairFrom < job.pairTo ? findKey(job.newer, job.pairs.keys, HASH_LENGTH * job.pairFrom) : 0;
    this.#found = { states: 0, records: 0, stored: 0, storedRecords: 0, modules: 0, cut: 0 };
    this.#count = 0;
    this.#fill = 0;
    if (job.base !== undefined) this.#checkBase(job.base);
    while (this.#pair < this.#pairTo) this.#passPair();
    return this.#found;
  }

  #checkBase(base: StateBlocks): void {
    const file = openSync(base.statesPath, "r");
    try {
      this.#entries.open(base.entriesPath);
      this.#checkBlocks(file, base);
      this.#flush();
    } finally {
      this.#entries.close();
      closeSync(file);
    }
  }

  #checkBlocks(file: number, { statesPath, from, to, blocks, indexAt }: StateBlocks): void {
    // With the entry after the last, if there is one.
    const index = new Uint8Array(STATE_INDEX_LENGTH * (Math.min(blocks, to + 1) - from));
    if (!readExactly(file, index, indexAt + STATE_INDEX_LENGTH * from))
      throw damagedFile(statesPath, "it ends too early");
    const view = new DataView(index.buffer);
    const placeOf = (block: number): number =>
      block === blocks ? indexAt : takeUint64(view, STATE_INDEX_LENGTH * (block - from) + HASH_LENGTH);
    if (from < to) this.#previous.set(index.subarray(0, HASH_LENGTH));
    for (let block = from; block < to; ) {
      const start = placeOf(block);
      let end = block + 1;
      while (end < to && placeOf(end + 1) - start <= READ_STEP) end++;
      const length = placeOf(end) - start;
      if (length > this.#blocks.length) this.#blocks = new Uint8Array(length);
      const bytes = this.#blocks.subarray(0, length);
      if (!readExactly(file, bytes, start)) throw damagedFile(statesPath, "it ends too early");
      for (; block < end; block++) {
        const at = placeOf(block) - start;
        // So every state is found by its key: a block begins with the key that the index has, and the keys go up.
        if (compareAt(bytes, at, index, STATE_INDEX_LENGTH * (block - from)) !== 0)
          throw badSnapshot("a block of states does not begin with the key that the index has");
        this.#checkBlock(bytes, at, placeOf(block + 1) - start, block === from, statesPath);
      }
    }
    if (to < blocks && from < to && compareAt(this.#previous, 0, index, STATE_INDEX_LENGTH * (to - from)) >= 0)
      throw badSnapshot("the states are not in order");
  }

  #checkBlock(bytes: Uint8Array, from: number, to: number, isFirst: boolean, path: string): void {
    for (let at = from; at < to; ) {
      if (at + STATE_HEAD_LENGTH > to) throw damagedFile(path, "a state does not fit its block");
      const pathLength = readUint32(bytes, at + 44);
      const textLength = readUint32(bytes, at + 48);
      const next = at + STATE_HEAD_LENGTH + pathLength + textLength;
      if (next > to) throw damagedFile(path, "a state does not fit its block");
      const isVeryFirst = isFirst && at === from;
      if (!isVeryFirst && compareAt(this.#previous, 0, bytes, at) >= 0)
        throw badSnapshot("the states are not in order");
      for (let k = 0; k < HASH_LENGTH; k++) this.#previous[k] = bytes[at + k] as number;
      this.#checkState(bytes, at, pathLength, textLength);
      at = next;
    }
  }

  #checkState(bytes: Uint8Array, at: number, pathLength: number, textLength: number): void {
    const { keys, lengths, values } = this.#map.pairs;
    this.#found.stored++;
    this.#found.storedRecords += readUint32(bytes, at + 40);
    while (this.#pair < this.#pairTo && compareAt(keys, HASH_LENGTH * this.#pair, bytes, at) < 0) this.#passPair();
    const newer = this.#newer;
    while (
      HASH_LENGTH * this.#nextNewer < newer.length &&
      compareAt(newer, HASH_LENGTH * this.#nextNewer, bytes, at) < 0
    )
      this.#nextNewer++;
    if (
      HASH_LENGTH * this.#nextNewer < newer.length &&
      compareAt(newer, HASH_LENGTH * this.#nextNewer, bytes, at) === 0
    )
      return;
    const isThere = this.#pair < this.#pairTo && compareAt(keys, HASH_LENGTH * this.#pair, bytes, at) === 0;
    const end = this.#valueAt + (isThere ? (lengths[this.#pair] as number) : 0);
    const committed = isThere && !isMajorsAt(values, this.#valueAt, end) ? committedAt(values, this.#valueAt, end) : -1;
    if (committed < 0) throw badSnapshot("there is a state of a module that is not in the map");
    const length = pathLength + textLength;
    if (this.#count === BATCH || this.#fill + length > this.#capacity) this.#flush();
    // Far above what a data tile has room for.
    if (length > this.#capacity) throw badSnapshot(`there is a state of ${length} bytes`);
    const i = this.#count++;
    const { memory } = this.#hasher;
    const source = at + STATE_HEAD_LENGTH;
    memory.set(bytes.subarray(source, source + length), this.#fill);
    this.#starts[2 * i] = this.#fill;
    this.#lengths[2 * i] = pathLength;
    this.#starts[2 * i + 1] = this.#fill + pathLength;
    this.#lengths[2 * i + 1] = textLength;
    this.#fill += length;
    for (let k = 0; k < HASH_LENGTH; k++) this.#keys[HASH_LENGTH * i + k] = bytes[at + k] as number;
    for (let k = 0; k < HASH_TEXT; k++) this.#committed[HASH_TEXT * i + k] = values[committed + k] as number;
    this.#places[i] = 2 ** 32 * readUint32(bytes, at + 32) + readUint32(bytes, at + 36);
    this.#counts[i] = readUint32(bytes, at + 40);
  }

  /** Compares the hashes of the batch, and then the records, whose number and peaks stand in the texts. */
  #flush(): void {
    const { memory } = this.#hasher;
    this.#hasher.run(this.#starts, this.#lengths, 2 * this.#count, this.#hashes, 0);
    // Paths and states are; so nothing that is no UTF-8 is ever read.
    const isText = isAscii(memory.subarray(0, this.#fill));
    for (let i = 0; i < this.#count; i++) {
      const isRight =
        isText &&
        compareAt(this.#hashes, 2 * HASH_LENGTH * i, this.#keys, HASH_LENGTH * i) === 0 &&
        isHashText(this.#hashes, HASH_LENGTH * (2 * i + 1), this.#committed, HASH_TEXT * i);
      if (!isRight) throw badSnapshot(`the state of ${this.#pathOf(i)} is not the one in the map`);
    }
    for (let i = 0; i < this.#count; i++) {
      this.#found.records += this.#entries.add(
        memory,
        this.#starts[2 * i] as number,
        this.#lengths[2 * i] as number,
        this.#lengths[2 * i + 1] as number,
        this.#places[i] as number,
        this.#counts[i] as number,
      );
    }
    this.#entries.flush();
    this.#found.states += this.#count;
    this.#count = 0;
    this.#fill = 0;
  }

  #pathOf(i: number): string {
    const at = this.#starts[2 * i] as number;
    return JSON.stringify(textOf(this.#hasher.memory.slice(at, at + Math.min(300, this.#lengths[2 * i] as number))));
  }

  /** Counts the pair, and goes on to the next. */
  #passPair(): void {
    const { lengths, values } = this.#map.pairs;
    const from = this.#valueAt;
    const to = from + (lengths[this.#pair] as number);
    const at = committedAt(values, from, to);
    if (at >= 0) {
      if (!isMajorsAt(values, from, to)) this.#found.modules++;
      else if (isCut(values.slice(from, to))) this.#found.cut++;
    }
    this.#pair++;
    this.#valueAt = to;
  }
}

const EMPTY = new Uint8Array(0);

function isCut(value: Uint8Array): boolean {
  const text = textOf(value);
  const end = text.indexOf(";");
  const item = end < 0 ? text : text.slice(0, end);
  return !hasHash(withoutHash(text), item.slice(-HASH_TEXT));
}

function readUint32(bytes: Uint8Array, at: number): number {
  const [a, b] = [bytes[at] as number, bytes[at + 1] as number];
  return (a * 2 ** 24 + (b << 16) + ((bytes[at + 2] as number) << 8) + (bytes[at + 3] as number)) >>> 0;
}
