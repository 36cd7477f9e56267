import { closeSync, constants, fstatSync, openSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import { MAX_DATA_TILE_BYTES, MAX_NOTE_BYTES } from "../sumdb/source.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { DATA_LEVEL, formatTilePath, TILE_HEIGHT, TILE_WIDTH, tileAt } from "../vindex/tile.ts";

/** A checksum database as a folder of tiles: `tile/8/data/…`, named as a server names them. */
export interface SumdbTiles {
  readonly folder: string;
  readonly treeSize: number;
  /** The build made the folder itself: what is wrong in it is removed, and made anew by the next run. */
  readonly isOwn?: boolean | undefined;
}

/** Opens a regular file, and does not wait for the other end of what is none. */
function openRegular(path: string): number {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (fstatSync(fd).isFile()) return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  throw new Error("is not a regular file");
}

/** What to do about a tile that is wrong or missing; of an own folder, it is removed with the `latest` that says that the folder is whole. */
export function giveUpTile(tiles: SumdbTiles, path: string | undefined): string {
  if (tiles.isOwn !== true) return "fetch it anew and run the same command again";
  rmSync(join(tiles.folder, "latest"), { force: true });
  if (path !== undefined) rmSync(join(tiles.folder, path), { force: true });
  return "run the same command again: it takes it over anew";
}

/** Reads a regular file of at most `limit` bytes. @throws Error if it is none, or longer */
export function readBounded(path: string, limit: number): Uint8Array {
  const fd = openRegular(path);
  try {
    const bytes = new Uint8Array(limit + 1);
    for (let length = 0; ; ) {
      const count = readSync(fd, bytes, length, bytes.length - length, length);
      length += count;
      if (length > limit) throw new Error(`has more than ${limit} bytes`);
      if (count === 0) return bytes.slice(0, length);
    }
  } finally {
    closeSync(fd);
  }
}

/** The bytes of a data tile and how many of its records count. */
export interface ReadTile {
  readonly path: string;
  readonly width: number;
  /** Records that the file has if it is whole; more than `width` if a full tile has taken the place of a partial one. */
  readonly fileWidth: number;
  /** Bytes read into the target; undefined if the tile is longer than that, and `bytes` are all of it. */
  readonly length: number;
  readonly bytes: Uint8Array | undefined;
}

/**
 * Reads data tile `index` into `target` from byte `at` on, or beside it if it is too long.
 *
 * @throws ProofdnsError `UNREACHABLE`, naming the tile, if it is not there or cannot be read
 */
export function readDataTile(tiles: SumdbTiles, index: number, target: Uint8Array, at: number): ReadTile {
  const tile = tileAt(TILE_HEIGHT, DATA_LEVEL, index, tiles.treeSize);
  if (tile === undefined) throw new RangeError(`no data tile ${index} in a tree of size ${tiles.treeSize}`);
  let path = formatTilePath(tile);
  let fileWidth = tile.width;
  let fd: number;
  try {
    try {
      fd = openRegular(join(tiles.folder, path));
    } catch (error) {
      if (tile.width === TILE_WIDTH || (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      // A folder may hold a larger tree than the one that is built.
      path = formatTilePath({ ...tile, width: TILE_WIDTH });
      fileWidth = TILE_WIDTH;
      fd = openRegular(join(tiles.folder, path));
    }
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === "ENOENT" ? "is not there" : (cause as Error).message;
    throw new ProofdnsError(
      "UNREACHABLE",
      `${join(tiles.folder, path)} ${why}, though the signed tree of ${tiles.treeSize} records covers it; ${giveUpTile(tiles, undefined)}`,
      { cause },
    );
  }
  try {
    const room = target.length - at;
    let length = 0;
    for (;;) {
      const count = readSync(fd, target, at + length, room - length, length);
      length += count;
      if (length === room) return { path, width: tile.width, fileWidth, length: 0, bytes: readLong(fd, path) };
      if (count === 0) return { path, width: tile.width, fileWidth, length, bytes: undefined };
    }
  } catch (cause) {
    if (cause instanceof ProofdnsError) throw cause;
    throw new ProofdnsError("UNREACHABLE", `cannot read ${join(tiles.folder, path)}: ${(cause as Error).message}`, {
      cause,
    });
  } finally {
    closeSync(fd);
  }
}

function readLong(fd: number, path: string): Uint8Array {
  const bytes = new Uint8Array(MAX_DATA_TILE_BYTES + 1);
  let length = 0;
  for (;;) {
    const count = readSync(fd, bytes, length, bytes.length - length, length);
    length += count;
    if (length > MAX_DATA_TILE_BYTES) {
      throw new ProofdnsError("BAD_TILE", `${path} has more than ${MAX_DATA_TILE_BYTES} bytes`);
    }
    if (count === 0) return bytes.subarray(0, length);
  }
}

/** Reads `latest`, the signed note of the folder's tree. @throws ProofdnsError `UNREACHABLE` */
export function readLatest(folder: string): Uint8Array {
  try {
    return readBounded(join(folder, "latest"), MAX_NOTE_BYTES);
  } catch (cause) {
    throw new ProofdnsError(
      "UNREACHABLE",
      `cannot read ${join(folder, "latest")}: ${(cause as Error).message}; the folder needs the signed tree head of its tiles`,
      { cause },
    );
  }
}
