import { equalBytes } from "../vindex/bytes.ts";
import type { TreeHead } from "../vindex/checkpoint.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { sha256 as defaultSha256, HASH_LENGTH, type Hash, type Sha256 } from "../vindex/sha256.ts";
import {
  formatTilePath,
  parentTile,
  subtreeHashFromTile,
  TILE_HEIGHT,
  type Tile,
  tileAt,
  tileForSubtree,
  tileHash,
} from "../vindex/tile.ts";
import {
  computeConsistencyProof,
  computeLogInclusionProof,
  computeRoot,
  computeRootFromPeaks,
  coverRange,
  type HashReader,
  type Subtree,
} from "../vindex/tlog.ts";
import { Gate } from "./gate.ts";

/** Reads the untrusted bytes of the tile at a path (`formatTilePath`); `undefined` if there is none, or no longer. */
export type TileFetch = (tilePath: string) => Promise<Uint8Array | undefined>;

export interface TileReaderOptions {
  /** Height of the tiles; 8 by default. */
  readonly height?: number;
  /** Full tiles that are kept once they are authenticated; 1024 by default (8 MiB at height 8). */
  readonly keepTiles?: number;
  /** Tiles fetched at a time; 8 by default. */
  readonly parallel?: number;
  readonly sha256?: Sha256;
}

/**
 * Reads hashes of one signed tree from untrusted tiles. No hash leaves it that the signed root does not cover.
 *
 * A tile is authenticated in one of two ways, and there is no third:
 *
 * - A partial tile is the last of its level. All its hashes stand below peaks of the tree, and the peaks of all levels
 *   together fold into the signed root: so all partial tiles (*the edge*) are authenticated at once, before anything else.
 * - A full tile as a whole is one hash of the tile above it, which is authenticated first.
 *
 * `treeHead` must come from a verified note. One instance serves one tree.
 */
export class TileReader {
  readonly treeHead: TreeHead;
  readonly #fetch: TileFetch;
  readonly #height: number;
  readonly #keepTiles: number;
  readonly #sha256: Sha256;
  readonly #gate: Gate;
  /** Authenticated partial tiles by level. */
  #edge: ReadonlyMap<number, Uint8Array> | undefined;
  #edgeLoading: Promise<ReadonlyMap<number, Uint8Array>> | undefined;
  /** Authenticated full tiles by path, least recently used first. */
  readonly #tiles: Map<string, Uint8Array> = new Map();
  readonly #loading: Map<string, Promise<Uint8Array>> = new Map();

  constructor(treeHead: TreeHead, fetch: TileFetch, options: TileReaderOptions = {}) {
    this.treeHead = treeHead;
    this.#fetch = fetch;
    this.#height = options.height ?? TILE_HEIGHT;
    this.#keepTiles = options.keepTiles ?? 1024;
    this.#sha256 = options.sha256 ?? defaultSha256;
    this.#gate = new Gate(options.parallel ?? 8);
  }

  /** A reader of the same tree that reads by `fetch` and begins with what this one has authenticated. */
  withFetch(fetch: TileFetch): TileReader {
    const other = new TileReader(this.treeHead, fetch, {
      height: this.#height,
      keepTiles: this.#keepTiles,
      parallel: this.#gate.width,
      sha256: this.#sha256,
    });
    other.#edge = this.#edge;
    for (const [path, data] of this.#tiles) other.#tiles.set(path, data);
    return other;
  }

  /**
   * Reads the hashes of complete subtrees, in the order asked.
   *
   * @throws RangeError if a subtree is not within the tree; ProofdnsError `BAD_TILE` if a tile does not lead to the
   *   signed root, `MALFORMED_TILE` if one has another length than its width asks for, `UNREACHABLE` if one is not
   *   to be had, and whatever `fetch` throws
   */
  async readHashes(subtrees: readonly Subtree[]): Promise<Hash[]> {
    for (const subtree of subtrees) this.#checkSubtree(subtree);
    return Promise.all(
      subtrees.map(async (subtree) => {
        const tile = tileForSubtree(this.#height, subtree, this.treeHead.treeSize);
        return subtreeHashFromTile(tile, await this.#readTile(tile), subtree, this.#sha256);
      }),
    );
  }

  /**
   * Runs a computation over authenticated hashes. `compute` is called twice, first with hashes of zeros to learn what it
   * reads: which subtrees it asks for must depend on nothing that it read.
   */
  async compute<T>(compute: (read: HashReader, sha256: Sha256) => T): Promise<T> {
    const asked = new Map<string, Subtree>();
    const zeros = new Uint8Array(HASH_LENGTH);
    compute(
      (subtrees) =>
        subtrees.map((subtree) => {
          asked.set(subtreeName(subtree), subtree);
          return zeros;
        }),
      () => zeros,
    );
    const hashes = await this.readHashes([...asked.values()]);
    const known = new Map([...asked.keys()].map((name, i) => [name, hashes[i] as Hash]));
    const read: HashReader = (subtrees) => subtrees.map((subtree) => known.get(subtreeName(subtree)) ?? notAsked());
    return compute(read, this.#sha256);
  }

  /** Computes the inclusion proof of record `logIndex` (RFC 6962 §2.1.1). */
  computeInclusionProof(logIndex: number): Promise<Hash[]> {
    return this.compute((read, sha256) => computeLogInclusionProof(logIndex, this.treeHead.treeSize, read, sha256));
  }

  /** Computes the consistency proof from `oldSize`, at least 1 (RFC 6962 §2.1.2). */
  computeConsistencyProof(oldSize: number): Promise<Hash[]> {
    return this.compute((read, sha256) => computeConsistencyProof(oldSize, this.treeHead.treeSize, read, sha256));
  }

  /** Computes the root that this tree had when its size was `oldSize`. */
  computeRootAt(oldSize: number): Promise<Hash> {
    return this.compute((read, sha256) => computeRoot(oldSize, read, sha256));
  }

  #checkSubtree({ level, index }: Subtree): void {
    const isNumbers = Number.isSafeInteger(level) && Number.isSafeInteger(index) && level >= 0 && index >= 0;
    if (!isNumbers || (index + 1) * 2 ** level > this.treeHead.treeSize) {
      throw new RangeError(`subtree ${index} of level ${level} is not in a tree of size ${this.treeHead.treeSize}`);
    }
  }

  /** Returns the bytes of an authenticated tile. */
  async #readTile(tile: Tile): Promise<Uint8Array> {
    const edge = await this.#readEdge();
    if (tile.width < 2 ** this.#height) return edge.get(tile.level) ?? notAsked();
    const path = formatTilePath(tile);
    const kept = this.#tiles.get(path);
    if (kept !== undefined) {
      this.#tiles.delete(path);
      this.#tiles.set(path, kept);
      return kept;
    }
    const loading = this.#loading.get(path) ?? this.#loadFullTile(tile, path);
    this.#loading.set(path, loading);
    try {
      return await loading;
    } finally {
      this.#loading.delete(path);
    }
  }

  async #loadFullTile(tile: Tile, path: string): Promise<Uint8Array> {
    // A full tile always has one above it: its own hash is a complete subtree.
    const parent = parentTile(tile, this.treeHead.treeSize) ?? notAsked();
    const [data, parentData] = await Promise.all([this.#fetchTile(tile), this.#readTile(parent)]);
    const whole = { level: tile.height * (tile.level + 1), index: tile.index };
    const computed = subtreeHashFromTile(tile, data, whole, this.#sha256);
    if (!equalBytes(computed, tileHash(parentData, tile.index % 2 ** tile.height))) {
      throw new ProofdnsError(
        "BAD_TILE",
        `${path} does not belong to the signed tree of size ${this.treeHead.treeSize}`,
      );
    }
    this.#tiles.set(path, data);
    for (const oldest of this.#tiles.keys()) {
      if (this.#tiles.size <= this.#keepTiles) break;
      this.#tiles.delete(oldest);
    }
    return data;
  }

  async #readEdge(): Promise<ReadonlyMap<number, Uint8Array>> {
    if (this.#edge !== undefined) return this.#edge;
    const loading = this.#edgeLoading ?? this.#loadEdge();
    this.#edgeLoading = loading;
    try {
      this.#edge = await loading;
      return this.#edge;
    } finally {
      this.#edgeLoading = undefined;
    }
  }

  async #loadEdge(): Promise<ReadonlyMap<number, Uint8Array>> {
    const { treeSize, rootHash } = this.treeHead;
    const tiles = edgeTiles(this.#height, treeSize);
    const edge = new Map<number, Uint8Array>();
    await Promise.all(tiles.map(async (tile) => edge.set(tile.level, await this.#fetchTile(tile))));
    const peaks = coverRange(0, treeSize).map((peak) => {
      const tile = tileForSubtree(this.#height, peak, treeSize);
      return subtreeHashFromTile(tile, edge.get(tile.level) ?? notAsked(), peak, this.#sha256);
    });
    if (!equalBytes(computeRootFromPeaks(peaks, this.#sha256), rootHash)) {
      const paths = tiles.map(formatTilePath).join(", ");
      throw new ProofdnsError("BAD_TILE", `the tiles ${paths} do not give the signed root of size ${treeSize}`);
    }
    return edge;
  }

  /** Fetches the untrusted bytes of a tile: exactly its width of hashes. */
  async #fetchTile(tile: Tile): Promise<Uint8Array> {
    const path = formatTilePath(tile);
    const full = { ...tile, width: 2 ** tile.height };
    let width = tile.width;
    let data = await this.#gate.run(() => this.#fetch(path));
    if (data === undefined && width < full.width) {
      // A server may drop a partial tile once the full one exists.
      width = full.width;
      data = await this.#gate.run(() => this.#fetch(formatTilePath(full)));
    }
    if (data === undefined)
      throw new ProofdnsError("UNREACHABLE", `${path} is not there, though the signed tree covers it`);
    if (data.length !== width * HASH_LENGTH) {
      throw new ProofdnsError("MALFORMED_TILE", `${path}: ${data.length} bytes instead of ${width} hashes`);
    }
    // A copy, also of a Buffer, whose own slice would alias: what is authenticated must not change afterwards.
    return new Uint8Array(data.subarray(0, tile.width * HASH_LENGTH));
  }
}

/** The partial tiles of a tree, at most one a level. They hold its peaks and nothing else. */
function edgeTiles(height: number, treeSize: number): Tile[] {
  const out: Tile[] = [];
  for (let level = 0, rest = treeSize; rest > 0; level++, rest = Math.floor(rest / 2 ** height)) {
    const tile = tileAt(height, level, Math.floor(rest / 2 ** height), treeSize);
    if (tile !== undefined) out.push(tile);
  }
  return out;
}

const subtreeName = ({ level, index }: Subtree): string => `${level}/${index}`;

function notAsked(): never {
  throw new TypeError("a hash is read that was not asked for before");
}
