import { concatBytes } from "./bytes.ts";
import { sha256 as defaultSha256, HASH_LENGTH, type Hash, type Sha256 } from "./sha256.ts";
import { subtreeHashFromTile, TILE_HEIGHT, TILE_WIDTH, type Tile, tileForSubtree } from "./tile.ts";
import type { HashReader } from "./tlog.ts";

/** A tile that changed, with all its bytes: `width` hashes. */
export interface WrittenTile {
  readonly level: number;
  readonly index: number;
  readonly data: Uint8Array;
}

/**
 * Keeps the hashes of a growing log as tiles of height 8 (spec/log.md §7 needs no other storage): the last, partial
 * tile of each level is in memory, all others are written and never change. Immutable: `append` returns the next
 * writer, so that a failed commit leaves nothing behind.
 */
export class TileWriter {
  readonly treeSize: number;
  /** Bytes of the partial tile of each level; empty where the level ends on a full tile. */
  readonly #partial: readonly Uint8Array[];
  readonly #sha256: Sha256;

  private constructor(treeSize: number, partial: readonly Uint8Array[], sha256: Sha256) {
    this.treeSize = treeSize;
    this.#partial = partial;
    this.#sha256 = sha256;
  }

  /** A writer for a log of `treeSize` leaves; `read` returns the bytes of a tile written before. */
  static open(
    treeSize: number,
    read: (level: number, index: number) => Uint8Array | undefined,
    sha256: Sha256 = defaultSha256,
  ): TileWriter {
    const partial: Uint8Array[] = [];
    for (let level = 0, size = treeSize; size > 0; level++, size = Math.floor(size / TILE_WIDTH)) {
      const width = size % TILE_WIDTH;
      const data = width === 0 ? new Uint8Array(0) : read(level, Math.floor(size / TILE_WIDTH));
      if (data === undefined || data.length < width * HASH_LENGTH)
        throw new RangeError(`the partial tile of level ${level} is missing`);
      partial.push(data.slice(0, width * HASH_LENGTH));
    }
    return new TileWriter(treeSize, partial, sha256);
  }

  /** Appends leaf hashes; returns the next writer and every tile that is new or longer. */
  append(leafHashes: readonly Hash[]): { writer: TileWriter; tiles: WrittenTile[] } {
    const partial = [...this.#partial];
    const tiles: WrittenTile[] = [];
    let size = this.treeSize;
    let hashes = leafHashes;
    for (let level = 0; hashes.length > 0; level++) {
      const own = concatBytes(partial[level] ?? new Uint8Array(0), ...hashes);
      const full = Math.floor(own.length / HASH_LENGTH / TILE_WIDTH);
      const first = Math.floor(size / TILE_WIDTH);
      const parents: Hash[] = [];
      for (let i = 0; i < full; i++) {
        const data = own.slice(i * TILE_WIDTH * HASH_LENGTH, (i + 1) * TILE_WIDTH * HASH_LENGTH);
        tiles.push({ level, index: first + i, data });
        const tile: Tile = { height: TILE_HEIGHT, level: 0, index: 0, width: TILE_WIDTH };
        parents.push(subtreeHashFromTile(tile, data, { level: TILE_HEIGHT, index: 0 }, this.#sha256));
      }
      const rest = own.slice(full * TILE_WIDTH * HASH_LENGTH);
      if (rest.length > 0) tiles.push({ level, index: first + full, data: rest });
      partial[level] = rest;
      size = Math.floor(size / TILE_WIDTH);
      hashes = parents;
    }
    return { writer: new TileWriter(this.treeSize + leafHashes.length, partial, this.#sha256), tiles };
  }
}

/** Reads subtree hashes from tiles; `treeSize` is that of the log at hand, tiles may be longer. Tiles are kept for one call. */
export function tileHashReader(
  treeSize: number,
  read: (level: number, index: number) => Uint8Array | undefined,
  sha256: Sha256 = defaultSha256,
): HashReader {
  return (subtrees) => {
    const seen = new Map<string, Uint8Array>();
    return subtrees.map((subtree) => {
      const tile = tileForSubtree(TILE_HEIGHT, subtree, treeSize);
      const id = `${tile.level}/${tile.index}`;
      const data = seen.get(id) ?? read(tile.level, tile.index);
      if (data === undefined) throw new RangeError(`tile ${id} is missing`);
      seen.set(id, data);
      return subtreeHashFromTile(tile, data, subtree, sha256);
    });
  };
}
