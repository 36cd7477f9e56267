import { closeSync, fdatasync, fstatSync, openSync, readSync, write } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { concatBytes, equalBytes } from "../vindex/bytes.ts";
import { HASH_LENGTH, type Hash, type Sha256 } from "../vindex/sha256.ts";
import { computeRootFromPeaks, coverRange, type HashReader, type Subtree } from "../vindex/tlog.ts";
import { damaged, explainIo } from "./damage.ts";
import { syncDirectory } from "./file-bytes.ts";

/**
 * The hashes of the checksum database's records, in files:
 *
 *     hashes-<L> = hash[32]*   hash i of level L is the root of the records i · 256^L … (i + 1) · 256^L − 1
 *
 * Level 0 are the record hashes. Only complete subtrees are in a file, so that no byte ever changes: files are valid up to what the
 * committed size has, and what stands after that is left by a crash and written over.
 */
const WIDTH = 256;
/** log2 of `WIDTH`. */
const HEIGHT = 8;
/** Verified tiles that are kept: 16 KiB each. */
const KEPT_TILES = 1024;

const writeAt = promisify(write);
const sync = promisify(fdatasync);

/** Hashes of one level that come next in its file. */
interface HashRow {
  readonly level: number;
  readonly first: number;
  readonly hashes: Uint8Array;
}

/** What an append changes; nothing, until it is written and accepted. */
export interface HashAppend {
  readonly treeSize: number;
  readonly rows: readonly HashRow[];
  readonly edge: readonly Uint8Array[];
}

export function hashFileName(level: number): string {
  return `hashes-${level}`;
}

/** Number of levels whose files hold something for a log of `treeSize` records. */
export function hashLevels(treeSize: number): number {
  let levels = 0;
  for (let size = treeSize; size > 0; size = Math.floor(size / WIDTH)) levels++;
  return levels;
}

/**
 * Files of hashes, read as far as they are proven. The last, incomplete tile of each level is in memory and is what the signed root
 * is made of; a full tile is read from its file and believed when it has the hash that stands for it one level up. So no hash that was not
 * signed ever gets into a proof.
 */
export class HashFiles {
  readonly #folder: string;
  readonly #sha256: Sha256;
  readonly #files: number[] = [];
  /** By level and number; the first was not used for the longest time. */
  readonly #tiles = new Map<number, Uint8Array>();
  readonly #node = new Uint8Array(1 + 2 * HASH_LENGTH);
  #treeSize = 0;
  #edge: readonly Uint8Array[] = [];
  /** A file was made whose name is not on disk yet. */
  #hasNewName = false;

  private constructor(folder: string, sha256: Sha256) {
    this.#folder = folder;
    this.#sha256 = sha256;
    this.#node[0] = 1;
  }

  /**
   * Opens the files of a log of `treeSize` records with root `rootHash`, making those that are missing for an empty one.
   *
   * @throws ProofdnsError `STORE_UNUSABLE` if a file is missing, short or not to be read, or the root is another
   */
  static open(folder: string, treeSize: number, rootHash: Hash, sha256: Sha256): HashFiles {
    const files = new HashFiles(folder, sha256);
    try {
      files.#open(treeSize, rootHash);
    } catch (error) {
      files.close();
      throw error;
    }
    return files;
  }

  #open(treeSize: number, rootHash: Hash): void {
    const edge: Uint8Array[] = [];
    for (let level = 0, size = treeSize; size > 0; level++, size = Math.floor(size / WIDTH)) {
      const found = fstatSync(this.#file(level, false)).size;
      if (found < size * HASH_LENGTH)
        throw damaged(`${hashFileName(level)} has ${found} bytes where ${size} hashes belong`);
      const width = size % WIDTH;
      edge.push(this.#read(level, size - width, width));
    }
    this.#edge = edge;
    this.#treeSize = treeSize;
    const root = computeRootFromPeaks(this.peaks(), this.#sha256);
    if (!equalBytes(root, rootHash)) {
      this.#edge = [];
      throw damaged("the stored hashes do not give the signed root of the checksum database");
    }
  }

  get treeSize(): number {
    return this.#treeSize;
  }

  /** Hashes of the largest complete subtrees, the largest first; those after an append that is not accepted yet. */
  peaks(
    { treeSize, edge }: Pick<HashAppend, "treeSize" | "edge"> = { treeSize: this.#treeSize, edge: this.#edge },
  ): Hash[] {
    // Every peak is made of hashes of an edge: a full tile is a hash one level up.
    return coverRange(0, treeSize).map(({ level, index }) => {
      const [fileLevel, within] = [Math.floor(level / HEIGHT), level % HEIGHT];
      const at = (index * 2 ** within) % WIDTH;
      const hashes = edge[fileLevel] ?? new Uint8Array(0);
      return this.#fold(hashes.subarray(at * HASH_LENGTH, (at + 2 ** within) * HASH_LENGTH)).slice(0, HASH_LENGTH);
    });
  }

  /** Proven hashes of complete subtrees of the log. @throws ProofdnsError `STORE_UNUSABLE` if a file does not hold what was signed */
  get readHashes(): HashReader {
    return (subtrees) => subtrees.map((subtree) => this.#subtree(subtree));
  }

  #subtree({ level, index }: Subtree): Hash {
    const fileLevel = Math.floor(level / HEIGHT);
    const within = level % HEIGHT;
    const first = index * 2 ** within;
    const tile = Math.floor(first / WIDTH);
    const at = first - tile * WIDTH;
    const size = this.#sizeOf(fileLevel);
    if (first + 2 ** within > size) throw new RangeError(`the subtree ${level}/${index} is not in the log`);
    if ((tile + 1) * WIDTH > size) {
      const hashes = (this.#edge[fileLevel] as Uint8Array).subarray(at * HASH_LENGTH, (at + 2 ** within) * HASH_LENGTH);
      return this.#fold(hashes).slice(0, HASH_LENGTH);
    }
    const node = (WIDTH + at) >> within;
    return this.#fullTile(fileLevel, tile).slice(node * HASH_LENGTH, (node + 1) * HASH_LENGTH);
  }

  #sizeOf(level: number): number {
    return Math.floor(this.#treeSize / WIDTH ** level);
  }

  /** All hashes over a full tile: node 1 is its root, 2 and 3 the children of that, and the hashes of the tile begin at 256. */
  #fullTile(level: number, index: number): Uint8Array {
    const id = index * 16 + level;
    const kept = this.#tiles.get(id);
    if (kept !== undefined) {
      this.#tiles.delete(id);
      this.#tiles.set(id, kept);
      return kept;
    }
    const nodes = new Uint8Array(2 * WIDTH * HASH_LENGTH);
    nodes.set(this.#read(level, index * WIDTH, WIDTH), WIDTH * HASH_LENGTH);
    for (let node = WIDTH - 1; node >= 1; node--) {
      this.#node.set(nodes.subarray(2 * node * HASH_LENGTH, (2 * node + 2) * HASH_LENGTH), 1);
      nodes.set(this.#sha256(this.#node), node * HASH_LENGTH);
    }
    const expected = this.#subtree({ level: (level + 1) * HEIGHT, index });
    if (!equalBytes(nodes.subarray(HASH_LENGTH, 2 * HASH_LENGTH), expected)) {
      throw damaged(
        `the hashes ${index * WIDTH} to ${(index + 1) * WIDTH - 1} of ${hashFileName(level)} are not those of the signed log`,
      );
    }
    if (this.#tiles.size >= KEPT_TILES) {
      const [oldest] = this.#tiles.keys();
      if (oldest !== undefined) this.#tiles.delete(oldest);
    }
    this.#tiles.set(id, nodes);
    return nodes;
  }

  /** Reads all files and compares every hash. @throws ProofdnsError `STORE_UNUSABLE` */
  verifyAll(): void {
    for (let level = hashLevels(this.#treeSize) - 1; level >= 0; level--) {
      const tiles = Math.floor(this.#sizeOf(level) / WIDTH);
      for (let tile = 0; tile < tiles; tile++) this.#fullTile(level, tile);
    }
  }

  /** The root of 1, 2, 4, … hashes. */
  #fold(hashes: Uint8Array): Uint8Array {
    let row = hashes;
    while (row.length > HASH_LENGTH) {
      const next = new Uint8Array(row.length / 2);
      for (let at = 0; at < next.length; at += HASH_LENGTH) {
        this.#node.set(row.subarray(2 * at, 2 * at + 2 * HASH_LENGTH), 1);
        next.set(this.#sha256(this.#node), at);
      }
      row = next;
    }
    return row;
  }

  /** Computes what more records change, after what is committed or after an append before. Writes nothing. */
  prepare(recordHashes: readonly Hash[], after?: HashAppend): HashAppend {
    const rows: HashRow[] = [];
    const edge = [...(after?.edge ?? this.#edge)];
    const treeSize = after?.treeSize ?? this.#treeSize;
    let hashes = joinHashes(recordHashes);
    for (let level = 0; hashes.length > 0; level++) {
      rows.push({ level, first: Math.floor(treeSize / WIDTH ** level), hashes });
      const all = concatBytes(edge[level] ?? new Uint8Array(0), hashes);
      const full = Math.floor(all.length / HASH_LENGTH / WIDTH);
      const parents = new Uint8Array(full * HASH_LENGTH);
      for (let i = 0; i < full; i++) {
        const tile = all.subarray(i * WIDTH * HASH_LENGTH, (i + 1) * WIDTH * HASH_LENGTH);
        parents.set(this.#fold(tile), i * HASH_LENGTH);
      }
      edge[level] = all.slice(full * WIDTH * HASH_LENGTH);
      hashes = parents;
    }
    return { treeSize: treeSize + recordHashes.length, rows, edge };
  }

  /** Writes them durably, after what is there. Whoever commits the new size comes after this. @throws ProofdnsError `STORE_UNUSABLE` */
  async write(append: HashAppend): Promise<void> {
    try {
      for (const { level, first, hashes } of append.rows) {
        const file = this.#file(level, true);
        for (let at = 0; at < hashes.length; ) {
          at += (await writeAt(file, hashes, at, hashes.length - at, first * HASH_LENGTH + at)).bytesWritten;
        }
      }
      for (const { level } of append.rows) await sync(this.#file(level, true));
      if (this.#hasNewName) syncDirectory(this.#folder);
      this.#hasNewName = false;
    } catch (error) {
      throw explainIo("cannot write the record hashes", error);
    }
  }

  /** The new size is committed: from now on it is the log's. */
  accept(append: HashAppend): void {
    this.#edge = append.edge;
    this.#treeSize = append.treeSize;
  }

  close(): void {
    for (const file of this.#files.splice(0)) if (file !== undefined) closeSync(file);
  }

  #file(level: number, mayMake: boolean): number {
    const known = this.#files[level];
    if (known !== undefined) return known;
    const made = openHashFile(join(this.#folder, hashFileName(level)), mayMake);
    this.#files[level] = made.file;
    if (made.isNew) this.#hasNewName = true;
    return made.file;
  }

  #read(level: number, first: number, count: number): Uint8Array {
    const out = new Uint8Array(count * HASH_LENGTH);
    const file = this.#file(level, false);
    for (let at = 0; at < out.length; ) {
      let got: number;
      try {
        got = readSync(file, out, at, out.length - at, first * HASH_LENGTH + at);
      } catch (error) {
        throw explainIo(`cannot read ${hashFileName(level)}`, error);
      }
      if (got === 0) throw damaged(`${hashFileName(level)} ends before hash ${first + count - 1}`);
      at += got;
    }
    return out;
  }
}

function joinHashes(hashes: readonly Hash[]): Uint8Array {
  const out = new Uint8Array(hashes.length * HASH_LENGTH);
  for (const [i, hash] of hashes.entries()) out.set(hash, i * HASH_LENGTH);
  return out;
}

function openHashFile(path: string, mayMake: boolean): { file: number; isNew: boolean } {
  try {
    return { file: openSync(path, "r+"), isNew: false };
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    if (!isMissing || !mayMake) throw explainIo(`cannot open ${path}`, error);
  }
  try {
    return { file: openSync(path, "w+", 0o600), isNew: true };
  } catch (error) {
    throw explainIo(`cannot make ${path}`, error);
  }
}
