import type { TreeHead } from "../vindex/checkpoint.ts";
import { Frontier } from "../vindex/frontier.ts";
import { sha256 as defaultSha256, HASH_LENGTH, type Hash, type Sha256 } from "../vindex/sha256.ts";
import { computeLeafHash, computeNodeHash, computeRoot, coverRange, type HashReader } from "../vindex/tlog.ts";
import { isRecordText } from "./data-tile.ts";

/** Bytes that grow at their end; doubling, so that appending costs a constant on average. */
class GrowingBytes {
  length = 0;
  #bytes = new Uint8Array(1024);

  append(bytes: Uint8Array): void {
    const length = this.length + bytes.length;
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(length, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, this.length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.length);
    this.length = length;
  }

  /** Aliases what is stored; that is never changed. */
  slice(start: number, end: number): Uint8Array {
    if (!(start >= 0 && start <= end && end <= this.length)) throw new RangeError(`not within ${this.length} bytes`);
    return this.#bytes.subarray(start, end);
  }
}

/**
 * A log of records in memory: each text once, and the hashes of all complete subtrees once (64 bytes a record).
 * It only grows, and gives the tree of every size that it has had.
 */
export class RecordLog {
  readonly #sha256: Sha256;
  readonly #texts = new GrowingBytes();
  /** End of each text in `#texts`. */
  readonly #ends: number[] = [];
  /** Hashes of complete subtrees, by level. */
  readonly #levels: GrowingBytes[] = [];

  constructor(sha256: Sha256 = defaultSha256) {
    this.#sha256 = sha256;
  }

  get recordCount(): number {
    return this.#ends.length;
  }

  /** Appends a record (`isRecordText`) and returns its index. */
  append(text: Uint8Array): number {
    if (!isRecordText(text)) throw new TypeError("a record ends in LF and holds no blank line");
    const logIndex = this.#ends.length;
    this.#texts.append(text);
    this.#ends.push(this.#texts.length);
    let hash = computeLeafHash(text, this.#sha256);
    for (let level = 0, count = logIndex + 1; ; level++, count /= 2) {
      this.#push(level, hash);
      if (count % 2 === 1) return logIndex;
      hash = computeNodeHash(this.#hash(level, count - 2), hash, this.#sha256);
    }
  }

  /** The record texts `start` to `end - 1`. They alias the log. */
  texts(start: number, end: number): Uint8Array[] {
    if (end > this.recordCount) throw new RangeError(`record ${end - 1} of ${this.recordCount}`);
    const out: Uint8Array[] = [];
    for (let i = start; i < end; i++)
      out.push(this.#texts.slice(i === 0 ? 0 : (this.#ends[i - 1] as number), this.#ends[i] as number));
    return out;
  }

  /** The hashes `first` to `first + count - 1` of a tree level, one after the other. They alias the log. */
  hashes(level: number, first: number, count: number): Uint8Array {
    const hashes = this.#levels[level];
    if (hashes === undefined) throw new RangeError(`no hashes of level ${level}`);
    return hashes.slice(first * HASH_LENGTH, (first + count) * HASH_LENGTH);
  }

  /** Reads hashes of complete subtrees (`HashReader`), as copies. */
  readonly readHashes: HashReader = (subtrees) => subtrees.map(({ level, index }) => this.#hash(level, index).slice());

  /** The tree of the first `treeSize` records. */
  treeHead(treeSize: number): TreeHead {
    this.#checkSize(treeSize);
    return { treeSize, rootHash: computeRoot(treeSize, this.readHashes, this.#sha256) };
  }

  /** The frontier of the first `treeSize` records. */
  frontier(treeSize: number): Frontier {
    this.#checkSize(treeSize);
    return Frontier.of(treeSize, this.readHashes(coverRange(0, treeSize)), this.#sha256);
  }

  #checkSize(treeSize: number): void {
    if (!Number.isSafeInteger(treeSize) || treeSize < 0 || treeSize > this.recordCount) {
      throw new RangeError(`${treeSize} is no size of a log of ${this.recordCount} records`);
    }
  }

  #hash(level: number, index: number): Hash {
    return this.hashes(level, index, 1);
  }

  #push(level: number, hash: Hash): void {
    let hashes = this.#levels[level];
    if (hashes === undefined) {
      hashes = new GrowingBytes();
      this.#levels[level] = hashes;
    }
    hashes.append(hash);
  }
}
