import { closeSync, openSync } from "node:fs";
import { crc32 } from "node:zlib";
import { writeExactly } from "../store/file-bytes.ts";
import { findRecordEnd } from "../sumdb/data-tile.ts";
import { encodeUtf8 } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { parseRecord, type Record } from "../vindex/record.ts";
import { HASH_LENGTH } from "../vindex/sha256.ts";
import { TILE_WIDTH } from "../vindex/tile.ts";
import { computeLeafHash } from "../vindex/tlog.ts";
import { GrowingBuffer } from "./growing-buffer.ts";
import type { LaneHasher } from "./lane-hasher.ts";
import { type BuildWorld, CHUNK_RECORDS, workFile } from "./layout.ts";
import { kindNumber, RecordParser } from "./record-parser.ts";
import { SLOW, SPILL, spillWords } from "./spill-record.ts";
import { giveUpTile, readDataTile } from "./tile-folder.ts";

/** What is known of a chunk once it is done. All of it goes into the progress file. */
export interface ScannedChunk {
  readonly chunk: number;
  /** Records that map to nothing. */
  readonly malformed: number;
  /** CRC-32 of the directory at the beginning of the spill file, and of the chunk's bytes of the two hash files. */
  readonly directoryCrc: number;
  readonly hashesCrc: number;
  readonly tileHashesCrc: number;
}

/** Words of the spill file's directory for each partition: bytes, records, version bytes, CRC-32 of the segment. */
export const DIRECTORY_WORDS = 4;

const HASH_WORDS = HASH_LENGTH / 4;
/** Distance of sub-log leaves in the hasher's memory: 0x00 ‖ u64 ‖ hash, the numbers at whole words. */
const LEAF_STRIDE = 44;
const LEAF_LENGTH = 41;
/** A spilled record has about so many bytes, and some more for segments that are longer than others. */
const SPILLED_BYTES = 192;
const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/**
 * The first stage: reads the tiles of a chunk, hashes every record and the tree over them, and writes the well-formed ones, sorted by
 * partition, to the chunk's spill file:
 *
 *     file = directory ‖ segment[partition]*        segment = spill records in log order
 *
 * A tile is read once: what is hashed is what is parsed. One for each thread.
 */
export class ChunkScanner {
  readonly #world: BuildWorld;
  readonly #hasher: LaneHasher;
  readonly #memoryView: DataView;
  readonly #parser: RecordParser;
  /** The well-formed records of one tile. */
  readonly #records = new GrowingBuffer(1 << 16);
  /** First word of each of them; of those that are malformed, −1. */
  readonly #offsets = new Int32Array(TILE_WIDTH);
  /** The chunk's records by partition, in log order: they are put there while they are in the processor's cache. */
  readonly #segments: readonly GrowingBuffer[];
  readonly #hashes = new Uint8Array(HASH_LENGTH * CHUNK_RECORDS);
  readonly #hashWords = new Int32Array(this.#hashes.buffer);
  readonly #tree = new Uint8Array(HASH_LENGTH * CHUNK_RECORDS);
  readonly #treeWords = new Int32Array(this.#tree.buffer);
  readonly #starts = new Int32Array(TILE_WIDTH);
  readonly #lengths = new Int32Array(TILE_WIDTH);
  readonly #pathStarts = new Int32Array(TILE_WIDTH);
  readonly #pathLengths = new Int32Array(TILE_WIDTH);
  readonly #pathRecords = new Int32Array(TILE_WIDTH);
  readonly #keys = new Uint8Array(HASH_LENGTH * TILE_WIDTH);
  readonly #keyWords = new DataView(this.#keys.buffer);
  readonly #leafWords = new Int32Array(this.#keys.buffer);
  #directory = new Uint32Array(0);
  #malformed = 0;

  constructor(world: BuildWorld, hasher: LaneHasher) {
    this.#world = world;
    this.#hasher = hasher;
    this.#parser = new RecordParser(hasher.memory);
    this.#memoryView = new DataView(hasher.memory.buffer, hasher.memory.byteOffset, hasher.memory.length);
    const partitions = 2 ** world.partitionBits;
    const capacity = Math.ceil((SPILLED_BYTES * Math.min(CHUNK_RECORDS, world.treeSize)) / partitions);
    this.#segments = Array.from({ length: partitions }, () => new GrowingBuffer(capacity));
  }

  /** Does one chunk. @throws ProofdnsError `UNREACHABLE` and `BAD_TILE`, naming the tile */
  scan(chunk: number): ScannedChunk {
    const first = chunk * CHUNK_RECORDS;
    const count = Math.min(CHUNK_RECORDS, this.#world.treeSize - first);
    for (const segment of this.#segments) segment.length = 0;
    this.#directory = new Uint32Array(DIRECTORY_WORDS * this.#segments.length);
    this.#malformed = 0;
    for (let at = 0; at < count; at += TILE_WIDTH) {
      const index = (first + at) / TILE_WIDTH;
      // What stands before a record in memory becomes the first byte of what is hashed.
      const { memory, capacity } = this.#hasher;
      const read = readDataTile(this.#world.tiles, index, memory.subarray(0, capacity), 1);
      const width = Math.min(TILE_WIDTH, count - at);
      this.#records.length = 0;
      if (read.bytes !== undefined) this.#takeLongTile(read.bytes, read.path, width, read.fileWidth, at);
      else this.#takeTile(1 + read.length, read.path, width, read.fileWidth, at);
      this.#hashLeaves(first + at, at, width);
      this.#distribute(width);
    }
    const hashesCrc = this.#writeHashes(first, count);
    const tileHashesCrc = this.#writeTileHashes(first, count);
    return {
      chunk,
      malformed: this.#malformed,
      directoryCrc: this.#writeSpill(chunk),
      hashesCrc,
      tileHashesCrc,
    };
  }

  #badTile(path: string, why: string): ProofdnsError {
    return new ProofdnsError("BAD_TILE", `${path}: ${why}; ${giveUpTile(this.#world.tiles, path)}`);
  }

  /** Takes the tile at byte 1 … `end` − 1 of the hasher's memory; its first record is the chunk's record `at`. */
  #takeTile(end: number, path: string, width: number, fileWidth: number, at: number): void {
    const { memory } = this.#hasher;
    const parser = this.#parser;
    let start = 1;
    let paths = 0;
    for (let i = 0; i < width; i++) {
      let recordEnd = parser.parse(start, end);
      // A record ends before a blank line.
      if (recordEnd !== 0 && recordEnd < end && memory[recordEnd] === 0x0a) {
        this.#offsets[i] = this.#spillFast(start);
        this.#pathStarts[paths] = start;
        this.#pathLengths[paths] = parser.pathLength;
        this.#pathRecords[paths++] = i;
      } else {
        recordEnd = findRecordEnd(memory.subarray(0, end), start);
        if (recordEnd < 0) throw this.#badTile(path, `${i} records instead of ${fileWidth}`);
        const record = parseRecord(memory.subarray(start, recordEnd));
        this.#offsets[i] = record === undefined ? -1 : this.#spillSlow(record);
        if (record === undefined) this.#malformed++;
      }
      this.#starts[i] = start - 1;
      this.#lengths[i] = recordEnd + 1 - start;
      start = recordEnd + 1;
    }
    // Of a tile that is wider than the tree, the rest is of no concern.
    if (start !== end && width === fileWidth) throw this.#badTile(path, `more than ${fileWidth} records`);
    this.#hasher.run(this.#pathStarts, this.#pathLengths, paths, this.#keys, 0);
    const { words } = this.#records;
    for (let i = 0; i < paths; i++) {
      const offset = this.#offsets[this.#pathRecords[i] as number] as number;
      words[offset + SPILL.key] = this.#keyWords.getInt32(HASH_LENGTH * i);
      words[offset + SPILL.keyNext] = this.#keyWords.getInt32(HASH_LENGTH * i + 4);
    }
    // Only now: the byte before a record is the blank line after the one before it.
    for (let i = 0; i < width; i++) memory[this.#starts[i] as number] = 0;
    this.#hasher.run(this.#starts, this.#lengths, width, this.#hashes, HASH_LENGTH * at);
  }

  /** The same for a tile that the hasher has no room for: none of the real ones. */
  #takeLongTile(bytes: Uint8Array, path: string, width: number, fileWidth: number, at: number): void {
    let start = 0;
    for (let i = 0; i < width; i++) {
      const end = findRecordEnd(bytes, start);
      if (end < 0) throw this.#badTile(path, `${i} records instead of ${fileWidth}`);
      const text = bytes.subarray(start, end);
      const record = parseRecord(text);
      this.#offsets[i] = record === undefined ? -1 : this.#spillSlow(record);
      if (record === undefined) this.#malformed++;
      this.#hashes.set(computeLeafHash(text, nodeSha256), HASH_LENGTH * (at + i));
      start = end + 1;
    }
    if (start !== bytes.length && width === fileWidth) throw this.#badTile(path, `more than ${fileWidth} records`);
  }

  /** Appends the record that the parser has just read, without its key and its leaf; returns its first word. */
  #spillFast(start: number): number {
    const { pathLength, versionLength, kind, hashWords } = this.#parser;
    const offset = this.#reserve(pathLength, versionLength);
    const { words } = this.#records;
    words[offset + SPILL.pathLength] = pathLength;
    words[offset + SPILL.version] = versionLength | (kind << 8);
    for (let w = 0; w < 2 * HASH_WORDS; w++) words[offset + SPILL.zip + w] = hashWords[w] as number;
    const view = this.#memoryView;
    const end = offset + (words[offset] as number);
    let from = start;
    for (let to = offset + SPILL.text; to < end; to++, from += 4) words[to] = view.getInt32(from, IS_LITTLE_ENDIAN);
    return offset;
  }

  /** Appends a record that was parsed the slow way, its key too. */
  #spillSlow(record: Record): number {
    const { path, version, zipHash, goModHash } = record;
    const offset = this.#reserve(path.length, version.text.length);
    const { bytes, words } = this.#records;
    const isSlow = [version.major, version.minor, version.patch].some((number) => number.length > 9);
    words[offset + SPILL.pathLength] = path.length;
    words[offset + SPILL.version] = version.text.length | (kindNumber(version.kind) << 8) | (isSlow ? SLOW : 0);
    bytes.set(zipHash, 4 * (offset + SPILL.zip));
    bytes.set(goModHash, 4 * (offset + SPILL.goMod));
    // Paths and versions of well-formed records are ASCII.
    bytes.set(encodeUtf8(`${path} ${version.text}`), 4 * (offset + SPILL.text));
    const key = new DataView(nodeSha256(encodeUtf8(path)).buffer);
    words[offset + SPILL.key] = key.getInt32(0);
    words[offset + SPILL.keyNext] = key.getInt32(4);
    return offset;
  }

  #reserve(pathLength: number, versionLength: number): number {
    const length = spillWords(pathLength, versionLength);
    const records = this.#records;
    records.reserve(4 * length);
    const offset = records.length >> 2;
    records.words[offset] = length;
    records.length += 4 * length;
    return offset;
  }

  /** Hashes the sub-log leaves of a tile's records, and sets their indexes; `at` is the chunk's record that the tile begins with. */
  #hashLeaves(first: number, at: number, width: number): void {
    const { memory, words } = this.#hasher;
    const spilled = this.#records.words;
    const view = this.#memoryView;
    let fill = 0;
    for (let i = 0; i < width; i++) {
      const offset = this.#offsets[i] as number;
      if (offset < 0) continue;
      const logIndex = first + i;
      const high = Math.floor(logIndex / 2 ** 32);
      spilled[offset + SPILL.index] = (logIndex % 2 ** 32) | 0;
      spilled[offset + SPILL.indexHigh] = high;
      const to = LEAF_STRIDE * fill + 4;
      memory[to - 1] = 0;
      view.setUint32(to, high);
      view.setUint32(to + 4, logIndex % 2 ** 32);
      const target = (to + 8) >> 2;
      const source = HASH_WORDS * (at + i);
      for (let w = 0; w < HASH_WORDS; w++) words[target + w] = this.#hashWords[source + w] as number;
      this.#starts[fill] = to - 1;
      this.#lengths[fill] = LEAF_LENGTH;
      this.#pathRecords[fill++] = offset;
    }
    this.#hasher.run(this.#starts, this.#lengths, fill, this.#keys, 0);
    for (let i = 0; i < fill; i++) {
      const to = (this.#pathRecords[i] as number) + SPILL.leaf;
      for (let w = 0; w < HASH_WORDS; w++) spilled[to + w] = this.#leafWords[HASH_WORDS * i + w] as number;
    }
  }

  /** Appends a tile's records to the segments of their partitions. */
  #distribute(width: number): void {
    const { words } = this.#records;
    const { partitionBits } = this.#world;
    const directory = this.#directory;
    for (let i = 0; i < width; i++) {
      const offset = this.#offsets[i] as number;
      if (offset < 0) continue;
      const partition = partitionBits === 0 ? 0 : (words[offset + SPILL.key] as number) >>> (32 - partitionBits);
      const segment = this.#segments[partition] as GrowingBuffer;
      const length = words[offset] as number;
      segment.reserve(4 * length);
      const target = segment.words;
      const to = segment.length >> 2;
      for (let w = 0; w < length; w++) target[to + w] = words[offset + w] as number;
      segment.length += 4 * length;
      const entry = DIRECTORY_WORDS * partition;
      directory[entry + 1] = (directory[entry + 1] as number) + 1;
      directory[entry + 2] = (directory[entry + 2] as number) + ((words[offset + SPILL.version] as number) & 255);
    }
  }

  #writeHashes(first: number, count: number): number {
    const bytes = this.#hashes.subarray(0, HASH_LENGTH * count);
    writeAt(workFile.hashes(this.#world.workFolder, 0), bytes, HASH_LENGTH * first);
    return crc32(bytes);
  }

  /** Writes the roots of the chunk's full tiles. */
  #writeTileHashes(first: number, count: number): number {
    const tiles = Math.floor(count / TILE_WIDTH);
    this.#tree.set(this.#hashes.subarray(0, HASH_LENGTH * TILE_WIDTH * tiles));
    for (let width = TILE_WIDTH * tiles; width > tiles; width >>= 1) {
      this.#hasher.hashPairs(this.#treeWords, this.#tree, 0, width >> 1, 0);
    }
    const bytes = this.#tree.subarray(0, HASH_LENGTH * tiles);
    writeAt(workFile.hashes(this.#world.workFolder, 1), bytes, (HASH_LENGTH * first) / TILE_WIDTH);
    return crc32(bytes);
  }

  /** Writes the segments; returns the CRC-32 of the directory. */
  #writeSpill(chunk: number): number {
    const directory = this.#directory;
    const fd = openSync(workFile.spill(this.#world.workFolder, chunk), "w", 0o644);
    try {
      let at = directory.byteLength;
      for (const [partition, segment] of this.#segments.entries()) {
        directory[DIRECTORY_WORDS * partition] = segment.length;
        directory[DIRECTORY_WORDS * partition + 3] = crc32(segment.used);
        writeExactly(fd, segment.used, at);
        at += segment.length;
      }
      const head = new Uint8Array(directory.buffer);
      writeExactly(fd, head, 0);
      return crc32(head);
    } finally {
      closeSync(fd);
    }
  }
}

/** Writes into a file that other threads write into at other places. */
function writeAt(path: string, bytes: Uint8Array, at: number): void {
  const fd = openSync(path, "r+");
  try {
    writeExactly(fd, bytes, at);
  } finally {
    closeSync(fd);
  }
}
