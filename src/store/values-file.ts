import { closeSync, fdatasyncSync, openSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { encodeUtf8 } from "../vindex/bytes.ts";
import { HASH_LENGTH } from "../vindex/sha256.ts";
import {
  damagedFile,
  openHeadedFile,
  putUint64,
  readExactly,
  syncDirectory,
  takeUint64,
  writeExactly,
} from "./file-bytes.ts";

/**
 * All (index key, value) pairs of the map at one epoch, in key order: what a start builds the tree from.
 *
 *     file = "pdnsval1" ‖ u64 count ‖ u64 value bytes ‖ u64 0 ‖ key[32]*count ‖ u8 length*count ‖ value bytes
 *
 * Integers are big-endian. Keys ascend strictly and lengths are 1 to 255, so that a set of pairs has one file. There is no
 * checksum: the root of the tree over the pairs is compared with the signed one.
 */
const MAGIC = encodeUtf8("pdnsval1");
/** Bytes before the first key. */
export const VALUES_HEADER_LENGTH = 32;

/** Pairs in key order, packed: `values` are all values one after the other, `lengths` says where each ends. */
export interface PackedPairs {
  readonly count: number;
  /** 32 bytes for each. */
  readonly keys: Uint8Array;
  /** 1 to 255. */
  readonly lengths: Uint8Array;
  readonly values: Uint8Array;
}

/** Name of the values file of an epoch. */
export function valuesFileName(epoch: number): string {
  return `values-${epoch.toString(16).padStart(16, "0")}`;
}

/** Where the parts of a values file begin, and where it ends. */
export interface ValuesLayout {
  readonly keysAt: number;
  readonly lengthsAt: number;
  readonly valuesAt: number;
  readonly size: number;
}

/** Computes the places of a file of `count` pairs; for writers that write its parts out of order. */
export function computeValuesLayout(count: number, valueBytes: number): ValuesLayout {
  const lengthsAt = VALUES_HEADER_LENGTH + HASH_LENGTH * count;
  const valuesAt = lengthsAt + count;
  return { keysAt: VALUES_HEADER_LENGTH, lengthsAt, valuesAt, size: valuesAt + valueBytes };
}

/** Encodes the first bytes of a values file. */
export function encodeValuesHeader(count: number, valueBytes: number): Uint8Array {
  const header = new Uint8Array(VALUES_HEADER_LENGTH);
  const view = new DataView(header.buffer);
  header.set(MAGIC);
  putUint64(view, 8, count);
  putUint64(view, 16, valueBytes);
  return header;
}

/** Bytes that a writer collects for each of the three parts before it writes them. */
const WRITE_STEP = 1 << 20;

/** Collects bytes and writes them at a growing place of a file. */
class Section {
  readonly #fd: number;
  readonly #buffer = new Uint8Array(WRITE_STEP);
  #at: number;
  #fill = 0;

  constructor(fd: number, at: number) {
    this.#fd = fd;
    this.#at = at;
  }

  append(bytes: Uint8Array): void {
    if (this.#fill + bytes.length > WRITE_STEP) this.flush();
    this.#buffer.set(bytes, this.#fill);
    this.#fill += bytes.length;
  }

  flush(): void {
    writeExactly(this.#fd, this.#buffer.subarray(0, this.#fill), this.#at);
    this.#at += this.#fill;
    this.#fill = 0;
  }
}

/**
 * Writes a values file pair by pair, in key order; their number must be known. The file has its name only once it is whole and on disk:
 * until then it stands beside it as `<path>.tmp`. Synchronous, and 3 MiB of memory: for a worker thread.
 */
export class ValuesFileWriter {
  readonly #path: string;
  readonly #fd: number;
  readonly #count: number;
  readonly #sections: readonly [Section, Section, Section];
  readonly #previous = new Uint8Array(HASH_LENGTH);
  readonly #length = new Uint8Array(1);
  #added = 0;
  #valueBytes = 0;

  constructor(path: string, count: number) {
    this.#path = path;
    this.#count = count;
    this.#fd = openSync(`${path}.tmp`, "w", 0o644);
    const layout = computeValuesLayout(count, 0);
    this.#sections = [
      new Section(this.#fd, layout.keysAt),
      new Section(this.#fd, layout.lengthsAt),
      new Section(this.#fd, layout.valuesAt),
    ];
  }

  /** Adds a pair; keys must ascend. */
  add(key: Uint8Array, value: Uint8Array): void {
    if (key.length !== HASH_LENGTH) throw new RangeError("an index key has 32 bytes");
    if (value.length < 1 || value.length > 255) throw new RangeError("a value has 1 to 255 bytes");
    if (this.#added > 0 && Buffer.compare(this.#previous, key) >= 0) throw new RangeError("the keys do not ascend");
    if (this.#added >= this.#count) throw new RangeError(`more than the ${this.#count} pairs that were announced`);
    this.#previous.set(key);
    this.#length[0] = value.length;
    this.#sections[0].append(key);
    this.#sections[1].append(this.#length);
    this.#sections[2].append(value);
    this.#valueBytes += value.length;
    this.#added++;
  }

  /** Puts the file on disk and gives it its name. */
  finish(): void {
    if (this.#added !== this.#count) throw new RangeError(`${this.#added} pairs where ${this.#count} were announced`);
    for (const section of this.#sections) section.flush();
    writeExactly(this.#fd, encodeValuesHeader(this.#count, this.#valueBytes), 0);
    fdatasyncSync(this.#fd);
    closeSync(this.#fd);
    renameSync(`${this.#path}.tmp`, this.#path);
    syncDirectory(dirname(this.#path));
  }

  /** Gives up: closes the unfinished file, which the next writer of the same path writes over. */
  abort(): void {
    closeSync(this.#fd);
  }
}

/** Writes a whole values file; as `ValuesFileWriter`. */
export function writeValuesFile(path: string, pairs: PackedPairs): void {
  const writer = new ValuesFileWriter(path, pairs.count);
  try {
    let at = 0;
    for (let i = 0; i < pairs.count; i++) {
      const end = at + (pairs.lengths[i] as number);
      writer.add(pairs.keys.subarray(HASH_LENGTH * i, HASH_LENGTH * (i + 1)), pairs.values.subarray(at, end));
      at = end;
    }
  } catch (error) {
    writer.abort();
    throw error;
  }
  writer.finish();
}

/**
 * Reads a values file into shared memory.
 *
 * @throws ProofdnsError `STORE_UNUSABLE` if it is not there, cut off, too long, or its keys or lengths break a rule
 */
export function readValuesFile(path: string): PackedPairs {
  const { fd, header: view, size } = openHeadedFile(path, MAGIC, VALUES_HEADER_LENGTH, "values");
  try {
    const count = takeUint64(view, 8);
    const valueBytes = takeUint64(view, 16);
    const layout = computeValuesLayout(count, valueBytes);
    if (layout.size !== size || takeUint64(view, 24) !== 0) {
      throw damagedFile(path, `it has ${size} bytes and says it has ${layout.size}`);
    }
    const read = (length: number, at: number): Uint8Array => {
      const out = new Uint8Array(new SharedArrayBuffer(length));
      if (!readExactly(fd, out, at)) throw damagedFile(path, "it ends too early");
      return out;
    };
    const pairs = {
      count,
      keys: read(HASH_LENGTH * count, layout.keysAt),
      lengths: read(count, layout.lengthsAt),
      values: read(valueBytes, layout.valuesAt),
    };
    const wrong = findFault(pairs);
    if (wrong !== undefined) throw damagedFile(path, wrong);
    return pairs;
  } finally {
    closeSync(fd);
  }
}

/** What is wrong with pairs of the right sizes; undefined if nothing is. */
function findFault({ count, keys, lengths, values }: PackedPairs): string | undefined {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const length = lengths[i] as number;
    if (length === 0) return `value ${i} is empty`;
    sum += length;
  }
  if (sum !== values.length) return `its values have ${values.length} bytes and their lengths make ${sum}`;
  for (let at = HASH_LENGTH; at < keys.length; at += HASH_LENGTH) {
    let i = at;
    while (i < at + HASH_LENGTH && keys[i] === keys[i - HASH_LENGTH]) i++;
    if (i === at + HASH_LENGTH || (keys[i] as number) < (keys[i - HASH_LENGTH] as number)) {
      return `key ${at / HASH_LENGTH} is not higher than the one before it`;
    }
  }
  return undefined;
}
