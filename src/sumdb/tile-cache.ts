import { mkdir, open, readdir, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DATA_LEVEL, formatTilePath, parseTilePath, TILE_HEIGHT, TILE_WIDTH } from "../vindex/tile.ts";
import { MAX_DATA_TILE_BYTES } from "./source.ts";

/**
 * Keeps full data tiles between runs, so that a first sync that is cut off need not fetch them again. Not trusted:
 * what comes out is verified as if it came from the network.
 */
export interface TileCache {
  /** The bytes kept for a tile path; `undefined` if there are none that can be read. */
  read(tilePath: string): Promise<Uint8Array | undefined>;
  /** Keeps verified bytes of a full data tile. */
  write(tilePath: string, bytes: Uint8Array): Promise<void>;
  /** Drops the tiles whose records all have indexes below `treeSize`. */
  removeBelow(treeSize: number): Promise<void>;
}

const TEMPORARY = /^[0-9]{3}\.[0-9]+\.[0-9]+\.tmp$/;

/** A `TileCache` in a directory: files under the paths of their tiles, written whole and then renamed. */
export class DirectoryTileCache implements TileCache {
  readonly directory: string;
  #written = 0;

  constructor(directory: string) {
    this.directory = directory;
  }

  async read(tilePath: string): Promise<Uint8Array | undefined> {
    const path = this.#fileOf(tilePath);
    try {
      const file = await open(path, "r");
      try {
        const { size } = await file.stat();
        if (size > MAX_DATA_TILE_BYTES) return undefined;
        return new Uint8Array(await file.readFile());
      } finally {
        await file.close();
      }
    } catch {
      // Whatever is wrong with the file, the tile can be fetched.
      return undefined;
    }
  }

  async write(tilePath: string, bytes: Uint8Array): Promise<void> {
    const path = this.#fileOf(tilePath);
    const temporary = `${path}.${process.pid}.${this.#written++}.tmp`;
    await mkdir(dirname(path), { recursive: true });
    try {
      const file = await open(temporary, "wx");
      try {
        await file.writeFile(bytes);
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async removeBelow(treeSize: number): Promise<void> {
    await this.#sweep(`tile/${TILE_HEIGHT}/data`, Math.floor(treeSize / TILE_WIDTH));
  }

  /** Removes tiles with an index below `end`, leftovers of interrupted writes, and directories that are empty then. */
  async #sweep(path: string, end: number): Promise<void> {
    const directory = join(this.directory, path);
    const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const child = `${path}/${entry.name}`;
      if (entry.isDirectory()) await this.#sweep(child, end);
      else if (TEMPORARY.test(entry.name) || isBelow(child, end))
        await rm(join(this.directory, child), { force: true });
    }
    // Fails if something is left in it, which is as it should be.
    await rmdir(directory).catch(() => undefined);
  }

  /** Only the paths of full data tiles are files here. */
  #fileOf(tilePath: string): string {
    const tile = parseTilePath(tilePath);
    if (tile.height !== TILE_HEIGHT || tile.level !== DATA_LEVEL || tile.width !== TILE_WIDTH) {
      throw new TypeError(`not a full data tile: ${tilePath}`);
    }
    return join(this.directory, formatTilePath(tile));
  }
}

function isBelow(path: string, end: number): boolean {
  try {
    const tile = parseTilePath(path);
    return tile.level === DATA_LEVEL && tile.width === TILE_WIDTH && tile.index < end;
  } catch {
    return false;
  }
}
