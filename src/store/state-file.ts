import { closeSync } from "node:fs";
import { compareBytes, encodeUtf8 } from "../vindex/bytes.ts";
import { HASH_LENGTH, type Hash } from "../vindex/sha256.ts";
import {
  damagedFile,
  openHeadedFile,
  putUint64,
  readExactly,
  takeUint64,
  writeExactly,
  writeFileSynced,
} from "./file-bytes.ts";

/**
 * The states of all modules at the epoch that the file was written for, in key order. It never changes; newer states are in the
 * database and go first.
 *
 *     file   = "pdnssta1" ‖ u64 states ‖ u64 blocks ‖ u64 place of the index ‖ block*blocks ‖ index
 *     block  = state*        about 4 KiB: a state that would make it longer begins the next one, so that one read finds it
 *     state  = key[32] ‖ u64 place of the module's entries ‖ u32 their number ‖ u32 length of path ‖ u32 length of text ‖ path ‖ text
 *     index  = (first key[32] ‖ u64 place)*blocks        kept in memory: 10 MB for 2.5 M modules
 *
 * Integers are big-endian. There is no checksum: a path is verified by its key, a text by the `s` field of the proven value.
 */
const MAGIC = encodeUtf8("pdnssta1");
/** Bytes before the first block. */
export const STATES_HEADER_LENGTH = 32;
/** Length that a block does not exceed unless its first state does. */
export const STATE_BLOCK_LENGTH = 4096;
/** Bytes of a state before its path. */
export const STATE_HEAD_LENGTH = 52;
/** Bytes of the index for each block. */
export const STATE_INDEX_LENGTH = 40;

const NOT_ASCII = /[\x80-\xff]/;
/** Longest block that is read: far above the longest path and text that a data tile has room for. */
const MAX_BLOCK_LENGTH = 1 << 24;
/** Bytes that an iteration reads at a time. */
const SCAN_STEP = 1 << 20;

/** A module's state and where its entries stand. */
export interface StoredState {
  readonly indexKey: Hash;
  readonly path: string;
  readonly stateText: string;
  /** Place and number of its entries (`EntryFile`). */
  readonly entryOffset: number;
  readonly entryCount: number;
}

/** Encodes the first bytes of a states file. */
export function encodeStatesHeader(states: number, blocks: number, indexAt: number): Uint8Array {
  const header = new Uint8Array(STATES_HEADER_LENGTH);
  const view = new DataView(header.buffer);
  header.set(MAGIC);
  putUint64(view, 8, states);
  putUint64(view, 16, blocks);
  putUint64(view, 24, indexAt);
  return header;
}

/** Encodes one state of a block. */
export function encodeStoredState({ indexKey, path, stateText, entryOffset, entryCount }: StoredState): Uint8Array {
  const pathBytes = encodeUtf8(path);
  const text = encodeUtf8(stateText);
  const out = new Uint8Array(STATE_HEAD_LENGTH + pathBytes.length + text.length);
  const view = new DataView(out.buffer);
  out.set(indexKey);
  putUint64(view, 32, entryOffset);
  view.setUint32(40, entryCount);
  view.setUint32(44, pathBytes.length);
  view.setUint32(48, text.length);
  out.set(pathBytes, STATE_HEAD_LENGTH);
  out.set(text, STATE_HEAD_LENGTH + pathBytes.length);
  return out;
}

/** Writes a whole states file, states in key order, and returns when it is on disk. For tests and small sets: it does not stand beside a temporary name. */
export function writeStateFile(path: string, states: Iterable<StoredState>): void {
  writeFileSynced(path, (fd) => {
    const index: Uint8Array[] = [];
    let at = STATES_HEADER_LENGTH;
    let blockLength = 0;
    let count = 0;
    for (const state of states) {
      const bytes = encodeStoredState(state);
      if (index.length === 0 || blockLength + bytes.length > STATE_BLOCK_LENGTH) {
        index.push(encodeIndexEntry(state.indexKey, at));
        blockLength = 0;
      }
      writeExactly(fd, bytes, at);
      at += bytes.length;
      blockLength += bytes.length;
      count++;
    }
    writeExactly(fd, Buffer.concat(index), at);
    writeExactly(fd, encodeStatesHeader(count, index.length, at), 0);
  });
}

/** Encodes one entry of the index. */
export function encodeIndexEntry(firstKey: Uint8Array, at: number): Uint8Array {
  const out = new Uint8Array(STATE_INDEX_LENGTH);
  out.set(firstKey);
  putUint64(new DataView(out.buffer), HASH_LENGTH, at);
  return out;
}

/** An open states file. Synchronous, so that a reply is made in one go. */
export class StateFile {
  readonly path: string;
  /** Number of states. */
  readonly count: number;
  readonly #fd: number;
  readonly #index: Uint8Array;
  readonly #indexView: DataView;
  readonly #blocks: number;
  readonly #indexAt: number;
  readonly #block = Buffer.allocUnsafeSlow(2 * STATE_BLOCK_LENGTH);

  private constructor(path: string, fd: number, count: number, index: Uint8Array, indexAt: number) {
    this.path = path;
    this.count = count;
    this.#fd = fd;
    this.#index = index;
    this.#indexView = new DataView(index.buffer);
    this.#blocks = index.length / STATE_INDEX_LENGTH;
    this.#indexAt = indexAt;
  }

  /** Opens the file at `path`. @throws ProofdnsError `STORE_UNUSABLE` if it is not there or its frame is damaged */
  static open(path: string): StateFile {
    const { fd, header: view, size } = openHeadedFile(path, MAGIC, STATES_HEADER_LENGTH, "states");
    try {
      const count = takeUint64(view, 8);
      const blocks = takeUint64(view, 16);
      const indexAt = takeUint64(view, 24);
      if (blocks > count || indexAt + STATE_INDEX_LENGTH * blocks !== size) {
        throw damagedFile(path, `it has ${size} bytes, which is not what its first bytes say`);
      }
      const index = new Uint8Array(STATE_INDEX_LENGTH * blocks);
      if (!readExactly(fd, index, indexAt)) throw damagedFile(path, "it ends too early");
      const file = new StateFile(path, fd, count, index, indexAt);
      file.#checkIndex();
      return file;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** The state of a module; undefined if the file has none. @throws ProofdnsError `STORE_UNUSABLE` if the block is damaged */
  get(indexKey: Uint8Array): StoredState | undefined {
    if (indexKey.length !== HASH_LENGTH) throw new RangeError("an index key has 32 bytes");
    let low = 0;
    let high = this.#blocks;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareAt(this.#index, STATE_INDEX_LENGTH * middle, indexKey) <= 0) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return undefined;
    const start = this.#at(low - 1);
    const length = this.#at(low) - start;
    // One block after the other: what is found in it is copied out before the next is read.
    const block = length <= this.#block.length ? this.#block.subarray(0, length) : Buffer.allocUnsafe(length);
    if (!readExactly(this.#fd, block, start)) throw damagedFile(this.path, "it ends too early");
    for (let at = 0; at < length; ) {
      const end = this.#end(block, at);
      if (compareAt(block, at, indexKey) === 0) return this.#decode(block, at, end);
      at = end;
    }
    return undefined;
  }

  /** All states, in key order. */
  *states(): Generator<StoredState> {
    let seen = 0;
    for (let block = 0; block < this.#blocks; ) {
      const start = this.#at(block);
      let end = block + 1;
      while (end < this.#blocks && this.#at(end + 1) - start <= SCAN_STEP) end++;
      const bytes = this.#read(start, this.#at(end));
      for (let at = 0; at < bytes.length; ) {
        const end = this.#end(bytes, at);
        yield this.#decode(bytes, at, end);
        at = end;
        seen++;
      }
      block = end;
    }
    if (seen !== this.count) throw damagedFile(this.path, `it has ${seen} states and says it has ${this.count}`);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #firstKey(block: number): Uint8Array {
    const at = STATE_INDEX_LENGTH * block;
    return this.#index.subarray(at, at + HASH_LENGTH);
  }

  /** Where a block begins; that of the one after the last is where the index does. */
  #at(block: number): number {
    return block === this.#blocks
      ? this.#indexAt
      : takeUint64(this.#indexView, STATE_INDEX_LENGTH * block + HASH_LENGTH);
  }

  #checkIndex(): void {
    if (this.#at(0) !== STATES_HEADER_LENGTH) throw damagedFile(this.path, "its first block is not where it must be");
    for (let block = 0; block < this.#blocks; block++) {
      const length = this.#at(block + 1) - this.#at(block);
      if (length < STATE_HEAD_LENGTH || length > MAX_BLOCK_LENGTH) {
        throw damagedFile(this.path, `block ${block} has ${length} bytes`);
      }
      if (block > 0 && compareBytes(this.#firstKey(block - 1), this.#firstKey(block)) >= 0) {
        throw damagedFile(this.path, `the key of block ${block} is not higher than the one before it`);
      }
    }
  }

  #read(start: number, end: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(end - start);
    if (!readExactly(this.#fd, bytes, start)) throw damagedFile(this.path, "it ends too early");
    return bytes;
  }

  /** Where the state at `at` ends. */
  #end(bytes: Buffer, at: number): number {
    const textAt = at + STATE_HEAD_LENGTH;
    const end = textAt > bytes.length ? textAt : textAt + bytes.readUInt32BE(at + 44) + bytes.readUInt32BE(at + 48);
    if (end > bytes.length) throw damagedFile(this.path, "a state does not fit its block");
    return end;
  }

  /** The state at `at` … `end` − 1; copied. */
  #decode(bytes: Buffer, at: number, end: number): StoredState {
    const pathAt = at + STATE_HEAD_LENGTH;
    const textAt = pathAt + bytes.readUInt32BE(at + 44);
    const path = bytes.toString("latin1", pathAt, textAt);
    const stateText = bytes.toString("latin1", textAt, end);
    // Both are ASCII, and this is measured at a fraction of what a decoder of UTF-8 takes.
    if (NOT_ASCII.test(path) || NOT_ASCII.test(stateText)) throw damagedFile(this.path, "a state is no text");
    const entryOffset = Math.min(
      Number.MAX_SAFE_INTEGER,
      bytes.readUInt32BE(at + 32) * 2 ** 32 + bytes.readUInt32BE(at + 36),
    );
    const entryCount = bytes.readUInt32BE(at + 40);
    return {
      indexKey: Uint8Array.prototype.slice.call(bytes, at, at + HASH_LENGTH),
      path,
      stateText,
      entryOffset,
      entryCount,
    };
  }
}

/** Compares the 32 bytes at `at` with a key, without a view of them. */
function compareAt(bytes: Uint8Array, at: number, key: Uint8Array): number {
  for (let i = 0; i < HASH_LENGTH; i++) {
    const difference = (bytes[at + i] as number) - (key[i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}
