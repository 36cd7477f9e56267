import { parseDecimal } from "./decimal.ts";
import { ProofdnsError } from "./error.ts";
import { sha256 as defaultSha256, HASH_LENGTH, type Hash, type Sha256 } from "./sha256.ts";
import { computeNodeHash, type Subtree } from "./tlog.ts";

/**
 * A tile of a log: up to 2^height consecutive hashes of tree level `height · level`, from
 * `2^height · index` on (x/mod sumdb/tlog). `level` -1 are the records themselves (`data`).
 */
export interface Tile {
  readonly height: number;
  readonly level: number;
  readonly index: number;
  /** 1 to 2^height. */
  readonly width: number;
}

/** Level of tiles that hold the records. */
export const DATA_LEVEL = -1;
/** Height of the tiles of the Go checksum database. */
export const TILE_HEIGHT = 8;
export const TILE_WIDTH: number = 2 ** TILE_HEIGHT;

/** Formats `tile/<height>/<level>/<index>[.p/<width>]`; the index in groups of three digits, all but the last prefixed `x`. */
export function formatTilePath(tile: Tile): string {
  let index = String(tile.index % 1000).padStart(3, "0");
  for (let rest = Math.floor(tile.index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    index = `x${String(rest % 1000).padStart(3, "0")}/${index}`;
  }
  const level = tile.level === DATA_LEVEL ? "data" : String(tile.level);
  const partial = tile.width === 2 ** tile.height ? "" : `.p/${tile.width}`;
  return `tile/${tile.height}/${level}/${index}${partial}`;
}

/**
 * Parses a tile path; only the text that `formatTilePath` makes is accepted. Heights are 1 to 30.
 *
 * @throws ProofdnsError `MALFORMED_TILE`
 */
export function parseTilePath(path: string): Tile {
  const refuse = (): never => {
    throw new ProofdnsError("MALFORMED_TILE", `not a tile path: ${JSON.stringify(path.slice(0, 100))}`);
  };
  if (path.length > 100) return refuse();
  const match = /^tile\/([0-9]+)\/(data|[0-9]+)\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([0-9]+))?$/.exec(path);
  if (match === null) return refuse();
  const height = parseDecimal(match[1] as string) ?? refuse();
  const level = match[2] === "data" ? DATA_LEVEL : (parseDecimal(match[2] as string) ?? refuse());
  const index = Number((match[3] as string).replaceAll(/[x/]/g, ""));
  if (height < 1 || height > 30 || level > 63 || !Number.isSafeInteger(index)) return refuse();
  const width = match[4] === undefined ? 2 ** height : (parseDecimal(match[4]) ?? refuse());
  if (width < 1 || width > 2 ** height) return refuse();
  const tile = { height, level, index, width };
  return formatTilePath(tile) === path ? tile : refuse();
}

/** The tile of a log of `treeSize` leaves that holds the hashes `index · 2^height …` of tile level `level`; undefined if it holds none. */
export function tileAt(height: number, level: number, index: number, treeSize: number): Tile | undefined {
  const step = level === DATA_LEVEL ? 1 : 2 ** (height * level);
  const width = Math.min(2 ** height, Math.floor(treeSize / step) - index * 2 ** height);
  return width > 0 ? { height, level, index, width } : undefined;
}

/** The tile of a log of `treeSize` leaves that holds, or from whose hashes one computes, the hash of `subtree`. */
export function tileForSubtree(height: number, subtree: Subtree, treeSize: number): Tile {
  const level = Math.floor(subtree.level / height);
  const within = subtree.level - level * height;
  const index = Math.floor((subtree.index * 2 ** within) / 2 ** height);
  const tile = tileAt(height, level, index, treeSize);
  if (tile === undefined) throw new RangeError("the subtree is not in the tree");
  return tile;
}

/** The tile one level up that holds the hash of `tile` as a whole. */
export function parentTile(tile: Tile, treeSize: number): Tile | undefined {
  return tileAt(tile.height, tile.level + 1, Math.floor(tile.index / 2 ** tile.height), treeSize);
}

/** The hash `i` of a tile's bytes. Aliases `data`. */
export function tileHash(data: Uint8Array, i: number): Hash {
  if ((i + 1) * HASH_LENGTH > data.length) throw new RangeError(`hash ${i} is not in a tile of ${data.length} bytes`);
  return data.subarray(i * HASH_LENGTH, (i + 1) * HASH_LENGTH);
}

/** Computes the hash of `subtree` from the bytes of the tile that covers it (`tileForSubtree`). */
export function subtreeHashFromTile(
  tile: Tile,
  data: Uint8Array,
  subtree: Subtree,
  sha256: Sha256 = defaultSha256,
): Hash {
  const within = subtree.level - tile.level * tile.height;
  const count = 2 ** within;
  const first = subtree.index * count - tile.index * 2 ** tile.height;
  if (within < 0 || within > tile.height || first < 0 || first + count > tile.width) {
    throw new RangeError("the tile does not cover the subtree");
  }
  let row: Hash[] = [];
  for (let i = 0; i < count; i++) row.push(tileHash(data, first + i));
  while (row.length > 1) {
    const next: Hash[] = [];
    for (let i = 0; i < row.length; i += 2) next.push(computeNodeHash(row[i] as Hash, row[i + 1] as Hash, sha256));
    row = next;
  }
  // Not slice(): that of a Node Buffer aliases.
  return new Uint8Array(row[0] as Hash);
}
