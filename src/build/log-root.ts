import { join } from "node:path";
import { TileReader } from "../sumdb/tile-reader.ts";
import { equalBytes } from "../vindex/bytes.ts";
import type { TreeHead } from "../vindex/checkpoint.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { Frontier } from "../vindex/frontier.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { HASH_LENGTH, type Hash } from "../vindex/sha256.ts";
import { DATA_LEVEL, formatTilePath, TILE_HEIGHT, TILE_WIDTH, tileAt } from "../vindex/tile.ts";
import { readPart } from "./families.ts";
import { workFile } from "./layout.ts";
import { giveUpTile, readBounded, type SumdbTiles } from "./tile-folder.ts";

/** Hashes of one level of a log. */
export interface HashRow {
  readonly level: number;
  readonly hashes: Uint8Array;
}

/** The hashes that were computed of all records: their frontier, and the rows of the levels above those that are in files. */
export interface ComputedLog {
  readonly frontier: Frontier;
  /** Rows from level 2 on. */
  readonly rows: readonly HashRow[];
}

const split = (hashes: Uint8Array): Hash[] =>
  Array.from({ length: hashes.length / HASH_LENGTH }, (_, i) =>
    hashes.subarray(HASH_LENGTH * i, HASH_LENGTH * (i + 1)),
  );

/** Computes the tree of the log from the hashes of its tiles and those of the records after the last full one. */
export function computeLog(workFolder: string, treeSize: number): ComputedLog {
  const tiles = Math.floor(treeSize / TILE_WIDTH);
  const rows: HashRow[] = [];
  let row = readPart(workFile.hashes(workFolder, 1), 0, HASH_LENGTH * tiles);
  let frontier = Frontier.empty(nodeSha256);
  for (const hash of split(row)) frontier = frontier.extend(frontier.treeSize + TILE_WIDTH, [hash]);
  const rest = readPart(
    workFile.hashes(workFolder, 0),
    HASH_LENGTH * TILE_WIDTH * tiles,
    HASH_LENGTH * (treeSize % TILE_WIDTH),
  );
  frontier = frontier.appendAll(split(rest));
  for (let level = 2; row.length >= HASH_LENGTH * TILE_WIDTH; level++) {
    const hashes = new Uint8Array(HASH_LENGTH * Math.floor(row.length / (HASH_LENGTH * TILE_WIDTH)));
    for (let i = 0; i * HASH_LENGTH < hashes.length; i++) {
      const tile = row.subarray(HASH_LENGTH * TILE_WIDTH * i, HASH_LENGTH * TILE_WIDTH * (i + 1));
      hashes.set(Frontier.empty(nodeSha256).appendAll(split(tile)).root(), HASH_LENGTH * i);
    }
    rows.push({ level, hashes });
    row = hashes;
  }
  return { frontier, rows };
}

/**
 * The data tiles whose records are not those of the signed tree, told by the hash tiles of the folder, which are authenticated first; undefined
 * if there are none that lead to the signed root.
 */
export async function findWrongTiles(
  workFolder: string,
  tiles: SumdbTiles,
  treeHead: TreeHead,
): Promise<number[] | undefined> {
  const fetch = async (path: string): Promise<Uint8Array | undefined> => {
    try {
      return readBounded(join(tiles.folder, path), HASH_LENGTH * TILE_WIDTH);
    } catch {
      return undefined;
    }
  };
  const reader = new TileReader(treeHead, fetch, { sha256: nodeSha256 });
  const whole = Math.floor(treeHead.treeSize / TILE_WIDTH);
  const computed = readPart(workFile.hashes(workFolder, 1), 0, HASH_LENGTH * whole);
  const wrong: number[] = [];
  try {
    for (let i = 0; i < whole; i++) {
      const [expected] = await reader.readHashes([{ level: TILE_HEIGHT, index: i }]);
      const found = computed.subarray(HASH_LENGTH * i, HASH_LENGTH * (i + 1));
      if (expected === undefined || !equalBytes(expected, found)) wrong.push(i);
    }
    const width = treeHead.treeSize % TILE_WIDTH;
    const first = whole * TILE_WIDTH;
    const rest = readPart(workFile.hashes(workFolder, 0), HASH_LENGTH * first, HASH_LENGTH * width);
    const expected = await reader.readHashes(Array.from({ length: width }, (_, i) => ({ level: 0, index: first + i })));
    if (!split(rest).every((hash, i) => equalBytes(hash, expected[i] as Hash))) wrong.push(whole);
  } catch (error) {
    // Hash tiles that are missing or wrong tell nothing.
    if (error instanceof ProofdnsError) return undefined;
    throw error;
  }
  return wrong;
}

/** The error of data tiles that do not give the signed root; those of an own folder are removed. */
export function wrongTilesError(tiles: SumdbTiles, wrong: readonly number[] | undefined): ProofdnsError {
  const [first] = wrong ?? [];
  if (wrong === undefined || first === undefined) {
    const advice = giveUpTile(tiles, undefined);
    return new ProofdnsError(
      "BAD_TILE",
      `the records in ${tiles.folder} do not give the signed root of ${tiles.treeSize} records; ${tiles.isOwn === true ? advice : "with its hash tiles in the folder the wrong data tile could be named"}`,
    );
  }
  const paths = wrong.map((index) => {
    const tile = tileAt(TILE_HEIGHT, DATA_LEVEL, index, tiles.treeSize);
    return tile === undefined ? "" : formatTilePath(tile);
  });
  const [advice] = paths.map((path) => giveUpTile(tiles, path));
  const path = paths[0] ?? "";
  const others = wrong.length > 1 ? ` (and ${wrong.length - 1} more)` : "";
  return new ProofdnsError(
    "BAD_TILE",
    `${join(tiles.folder, path)}${others}: its records are not those of the signed tree; ${advice}`,
  );
}
