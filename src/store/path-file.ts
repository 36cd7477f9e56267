import { closeSync, fdatasyncSync, fstatSync, openSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { encodeUtf8 } from "../vindex/bytes.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { HASH_LENGTH } from "../vindex/sha256.ts";
import { explainIo } from "./damage.ts";
import { damagedFile, putUint64, readExactly, syncDirectory, takeUint64, writeExactly } from "./file-bytes.ts";

/**
 * The keys of a path table (path-table.ts) in a file, sorted:
 *
 *     file  = "pdnspth1" ‖ u64 keys ‖ u64 blocks ‖ u64 place of the index ‖ SHA-256 of the index ‖ block*blocks ‖ index
 *     block = (u16 length ‖ key)*        about 4 KiB
 *     index = (u64 place ‖ SHA-256 of the block)*blocks ‖ (u16 length ‖ first key)*blocks
 *
 * Nothing signed commits to this table, which can be made again from the states at any time; so it carries hashes of itself.
 */
const MAGIC = encodeUtf8("pdnspth1");
const HEADER_LENGTH = 64;
const BLOCK_LENGTH = 4096;
const INDEX_ENTRY = 8 + HASH_LENGTH;

/** Writes the file at `path` from sorted keys without repetitions, and returns when it is on disk. For a worker thread. */
export function writePathFile(path: string, keys: Iterable<string>): void {
  const fd = openSync(`${path}.tmp`, "w", 0o600);
  try {
    let at = HEADER_LENGTH;
    let count = 0;
    let block: Uint8Array[] = [];
    let length = 0;
    const places: Uint8Array[] = [];
    const firstKeys: Uint8Array[] = [];
    const flush = (): void => {
      if (block.length === 0) return;
      const bytes = Buffer.concat(block);
      const entry = new Uint8Array(INDEX_ENTRY);
      putUint64(new DataView(entry.buffer), 0, at);
      entry.set(nodeSha256(bytes), 8);
      places.push(entry);
      firstKeys.push(block[0] as Uint8Array);
      writeExactly(fd, bytes, at);
      at += bytes.length;
      block = [];
      length = 0;
    };
    for (const key of keys) {
      const bytes = encodeKey(key);
      if (length + bytes.length > BLOCK_LENGTH) flush();
      block.push(bytes);
      length += bytes.length;
      count++;
    }
    flush();
    const index = Buffer.concat([...places, ...firstKeys]);
    writeExactly(fd, index, at);
    const header = new Uint8Array(HEADER_LENGTH);
    const view = new DataView(header.buffer);
    header.set(MAGIC);
    putUint64(view, 8, count);
    putUint64(view, 16, places.length);
    putUint64(view, 24, at);
    header.set(nodeSha256(index), 32);
    writeExactly(fd, header, 0);
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${path}.tmp`, path);
  syncDirectory(dirname(path));
}

function encodeKey(key: string): Uint8Array {
  const text = encodeUtf8(key);
  const out = new Uint8Array(2 + text.length);
  new DataView(out.buffer).setUint16(0, text.length);
  out.set(text, 2);
  return out;
}

/** An open file of keys. Synchronous, for replies are made in one go. */
export class PathFile {
  readonly path: string;
  /** Number of keys. */
  readonly count: number;
  readonly #fd: number;
  readonly #places: readonly number[];
  readonly #hashes: Uint8Array;
  readonly #firstKeys: readonly string[];

  private constructor(path: string, fd: number, count: number, end: number, index: Buffer, blocks: number) {
    this.path = path;
    this.#fd = fd;
    this.count = count;
    const view = new DataView(index.buffer, index.byteOffset, index.length);
    this.#hashes = index;
    this.#places = [...Array.from({ length: blocks }, (_, i) => takeUint64(view, INDEX_ENTRY * i)), end];
    this.#firstKeys = [...decodeKeys(index.subarray(INDEX_ENTRY * blocks))];
  }

  /** Opens it. @throws ProofdnsError `STORE_UNUSABLE` if it is not there or its index is damaged */
  static open(path: string): PathFile {
    let fd: number;
    try {
      fd = openSync(path, "r");
    } catch (error) {
      throw explainIo(`cannot open ${path}`, error);
    }
    try {
      const header = new Uint8Array(HEADER_LENGTH);
      const isOurs = readExactly(fd, header, 0) && Buffer.compare(header.subarray(0, 8), MAGIC) === 0;
      const view = new DataView(header.buffer);
      const [count, blocks, indexAt] = [takeUint64(view, 8), takeUint64(view, 16), takeUint64(view, 24)];
      const { size } = fstatSync(fd);
      if (!isOurs || indexAt > size || blocks * INDEX_ENTRY > size - indexAt) {
        throw damagedFile(path, "it is no path table");
      }
      const index = Buffer.alloc(size - indexAt);
      if (!readExactly(fd, index, indexAt) || Buffer.compare(nodeSha256(index), header.subarray(32)) !== 0) {
        throw damagedFile(path, "its index has another hash");
      }
      return new PathFile(path, fd, count, indexAt, index, blocks);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** True if a key is `key`, or begins with it and a NUL. @throws ProofdnsError `STORE_UNUSABLE` if the block is damaged */
  hasPrefix(key: string): boolean {
    let low = 0;
    let high = this.#firstKeys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#firstKeys[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    // The first key that is not lower stands in the block before, or begins the next one.
    const next = this.#firstKeys[low];
    let found: string | undefined;
    if (next !== key && low > 0) {
      for (const candidate of this.#block(low - 1)) {
        if (candidate < key) continue;
        found = candidate;
        break;
      }
    }
    found ??= next;
    return found !== undefined && (found === key || found.startsWith(`${key}\0`));
  }

  /** All keys, sorted. */
  *keys(): Generator<string> {
    for (let block = 0; block < this.#firstKeys.length; block++) yield* this.#block(block);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #block(block: number): Iterable<string> {
    const at = this.#places[block] as number;
    const bytes = Buffer.alloc((this.#places[block + 1] as number) - at);
    const expected = this.#hashes.subarray(INDEX_ENTRY * block + 8, INDEX_ENTRY * (block + 1));
    if (!readExactly(this.#fd, bytes, at) || Buffer.compare(nodeSha256(bytes), expected) !== 0) {
      throw damagedFile(this.path, `block ${block} has another hash`);
    }
    return decodeKeys(bytes);
  }
}

/** Of bytes whose hash was compared. Keys are ASCII. */
function* decodeKeys(bytes: Buffer): Generator<string> {
  for (let at = 0; at + 2 <= bytes.length; ) {
    const end = at + 2 + bytes.readUInt16BE(at);
    yield bytes.toString("latin1", at + 2, end);
    at = end;
  }
}
