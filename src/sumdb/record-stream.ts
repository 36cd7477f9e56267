import { equalBytes } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { Frontier } from "../vindex/frontier.ts";
import { sha256 as defaultSha256, type Hash, type Sha256 } from "../vindex/sha256.ts";
import { DATA_LEVEL, formatTilePath, TILE_HEIGHT, TILE_WIDTH, type Tile, tileAt } from "../vindex/tile.ts";
import { computeLeafHash } from "../vindex/tlog.ts";
import { splitDataTile } from "./data-tile.ts";
import type { Log, ReadOptions, SumdbSource } from "./source.ts";
import type { TileCache } from "./tile-cache.ts";
import type { TileReader } from "./tile-reader.ts";

/** Consecutive verified records. The texts are exact bytes of the log and need not be well-formed, nor UTF-8. */
export interface RecordBatch {
  /** Log index of the first record. */
  readonly firstIndex: number;
  /** The record texts, last LF included. They alias one buffer that nothing else uses. */
  readonly texts: readonly Uint8Array[];
  /** The record hashes, in the same order. */
  readonly recordHashes: readonly Hash[];
}

export interface RecordStreamOptions {
  /** Authenticates hashes of the tree that is streamed. */
  readonly reader: TileReader;
  /** Where the stream begins: the compact range of all records before it. */
  readonly from: Frontier;
  readonly source: SumdbSource;
  readonly tileCache?: TileCache | undefined;
  readonly log?: Log | undefined;
  readonly sha256?: Sha256;
  readonly signal: AbortSignal;
}

/** Data tiles that are fetched ahead of the one that is yielded. */
const PREFETCH = 8;

/**
 * Streams the records from `from` to the end of the reader's tree, a batch a data tile. Every tile is compared with
 * authenticated hashes before any of it is yielded, and at the end all of them must give the signed root.
 *
 * @throws ProofdnsError `UNREACHABLE`, naming the tile, if it was not to be had or was wrong each time it was read;
 *   what the reader throws; the reason of `signal`
 */
export async function* streamRecords(options: RecordStreamOptions): AsyncGenerator<RecordBatch> {
  const { reader, signal, sha256 = defaultSha256 } = options;
  const { treeSize, rootHash } = reader.treeHead;
  let frontier = options.from;
  const queue: Promise<VerifiedTile>[] = [];
  let next = Math.floor(frontier.treeSize / TILE_WIDTH);
  for (;;) {
    for (; queue.length < PREFETCH && next * TILE_WIDTH < treeSize; next++) {
      const reading = readVerifiedTile(tileOf(next, treeSize), options, sha256);
      // It is awaited in its turn; until then a failure is no unhandled one.
      reading.catch(() => undefined);
      queue.push(reading);
    }
    const tile = await queue.shift();
    if (tile === undefined) break;
    signal.throwIfAborted();
    const firstIndex = frontier.treeSize;
    const skip = firstIndex - tile.index * TILE_WIDTH;
    // The hash of a whole tile is computed already.
    frontier =
      skip === 0 && tile.rootHash !== undefined
        ? frontier.extend(firstIndex + TILE_WIDTH, [tile.rootHash])
        : frontier.appendAll(tile.recordHashes.slice(skip));
    yield { firstIndex, texts: tile.texts.slice(skip), recordHashes: tile.recordHashes.slice(skip) };
  }
  if (frontier.treeSize !== treeSize || !equalBytes(frontier.root(), rootHash)) {
    throw new ProofdnsError("BAD_TILE", `the records up to ${treeSize} do not give the signed root`);
  }
}

interface VerifiedTile {
  readonly index: number;
  readonly texts: Uint8Array[];
  readonly recordHashes: Hash[];
  /** Only of a full tile. */
  readonly rootHash?: Hash;
}

function tileOf(index: number, treeSize: number): Tile {
  const tile = tileAt(TILE_HEIGHT, DATA_LEVEL, index, treeSize);
  if (tile === undefined) throw new RangeError(`no data tile ${index} in a tree of size ${treeSize}`);
  return tile;
}

/** One way to get the bytes of a data tile. */
interface Attempt {
  readonly where: string;
  /** Number of records that the bytes should hold. */
  readonly width: number;
  readonly isCached: boolean;
  readonly read: () => Promise<Uint8Array | undefined>;
}

function attemptsFor(tile: Tile, { source, tileCache, signal }: RecordStreamOptions): Attempt[] {
  const path = formatTilePath(tile);
  const fromSource = (tilePath: string, width: number, options: ReadOptions): Attempt => ({
    where: tilePath,
    width,
    isCached: false,
    read: () => source.readTile(tilePath, { ...options, signal }),
  });
  const isFull = tile.width === TILE_WIDTH;
  return [
    ...(isFull && tileCache !== undefined
      ? [{ where: `kept ${path}`, width: TILE_WIDTH, isCached: true, read: () => tileCache.read(path) }]
      : []),
    fromSource(path, tile.width, {}),
    fromSource(path, tile.width, { fresh: true }),
    ...(isFull ? [] : [fromSource(formatTilePath({ ...tile, width: TILE_WIDTH }), TILE_WIDTH, { fresh: true })]),
  ];
}

async function readVerifiedTile(tile: Tile, options: RecordStreamOptions, sha256: Sha256): Promise<VerifiedTile> {
  const path = formatTilePath(tile);
  const verify = await makeTileCheck(tile, options.reader, sha256);
  let failure: unknown;
  for (const attempt of attemptsFor(tile, options)) {
    const bytes = await attempt.read();
    options.signal.throwIfAborted();
    if (bytes === undefined) continue;
    try {
      const verified = verify(splitDataTile(bytes, attempt.width));
      if (!attempt.isCached) await keep(path, bytes, tile, options);
      return verified;
    } catch (error) {
      if (!isProofdnsError(error)) throw error;
      failure = error;
      options.log?.("info", `${attempt.where}: ${error.message}; trying again`);
    }
  }
  throw new ProofdnsError(
    "UNREACHABLE",
    failure === undefined
      ? `${path} is not there, though the signed tree covers it`
      : `${path} is wrong each time it is read: ${(failure as Error).message}`,
    { cause: failure },
  );
}

async function keep(
  path: string,
  bytes: Uint8Array,
  tile: Tile,
  { tileCache, log }: RecordStreamOptions,
): Promise<void> {
  if (tileCache === undefined || tile.width < TILE_WIDTH) return;
  try {
    await tileCache.write(path, bytes);
  } catch (error) {
    // A cache that cannot be written costs time, nothing else.
    log?.("alarm", `cannot keep ${path}: ${(error as Error).message}`);
  }
}

/**
 * Reads the authenticated hashes of a data tile and returns the comparison with them: of the tile as a whole if it is full
 * (one hash, from the tile above), else of each record.
 */
async function makeTileCheck(
  tile: Tile,
  reader: TileReader,
  sha256: Sha256,
): Promise<(texts: Uint8Array[]) => VerifiedTile> {
  const { index, width } = tile;
  const isFull = width === TILE_WIDTH;
  const expected = await reader.readHashes(
    isFull
      ? [{ level: TILE_HEIGHT, index }]
      : Array.from({ length: width }, (_, i) => ({ level: 0, index: index * TILE_WIDTH + i })),
  );
  return (untrustedTexts) => {
    const texts = untrustedTexts.slice(0, width);
    const recordHashes = texts.map((text) => computeLeafHash(text, sha256));
    const rootHash = isFull ? Frontier.empty(sha256).appendAll(recordHashes).root() : undefined;
    const computed = rootHash === undefined ? recordHashes : [rootHash];
    if (!expected.every((hash, i) => equalBytes(hash, computed[i] as Hash))) {
      throw new ProofdnsError("BAD_TILE", "its records are not those of the signed tree");
    }
    return rootHash === undefined ? { index, texts, recordHashes } : { index, texts, recordHashes, rootHash };
  };
}
