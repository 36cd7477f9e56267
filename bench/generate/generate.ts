import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { WorkerPool } from "../../src/build/worker-pool.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { formatTreeHead, type TreeHead } from "../../src/vindex/checkpoint.ts";
import { Frontier } from "../../src/vindex/frontier.ts";
import { formatNote, formatVerifierKey, KEY_TYPE_ED25519, makeSignerKey, signNote } from "../../src/vindex/note.ts";
import { nodeEd25519, nodeSha256 } from "../../src/vindex/platform.ts";
import { DATA_LEVEL, formatTilePath, TILE_HEIGHT, TILE_WIDTH } from "../../src/vindex/tile.ts";
import { makeCounts } from "./counts.ts";
import type { EraWorld, TilePiece } from "./era.ts";
import type { EraJob, EraResult } from "./worker.ts";

export interface GenerateOptions {
  /** Made; must not hold anything. */
  readonly out: string;
  readonly records: number;
  readonly modules: number;
  readonly seed: number;
  readonly workers: number;
  /** Writes the hash tiles too. */
  readonly hashTiles?: boolean;
  /** Told now and then how many records are done. */
  readonly onProgress?: (records: number) => void;
}

export interface Generated {
  readonly verifierKey: string;
  readonly treeHead: TreeHead;
  readonly malformed: number;
}

/** Records of an era: what a thread holds at a time. */
const ERA_RECORDS = 262_144;
const HASH = 32;

/**
 * Writes the tiles of an invented checksum database: `latest`, `key` (its verifier key), `tile/8/data/…` and, if asked for, the hash
 * tiles. The same records, modules and seed give the same bytes, whatever the number of threads. Kinds and numbers of versions, path
 * lengths, families and oddities follow the real log. Memory does not grow with the records, only with the modules (20 bytes each
 * a thread).
 */
export async function generateSumdb(options: GenerateOptions): Promise<Generated> {
  const { out, records, modules, seed } = options;
  mkdirSync(out, { recursive: true });
  if (readdirSync(out).length > 0) throw new Error(`${out} is not empty`);
  const world: EraWorld = {
    seed,
    counts: makeCounts(seed, records, modules),
    eras: Math.max(1, Math.round(records / ERA_RECORDS)),
    out,
    writeHashTiles: options.hashTiles ?? false,
  };
  const pool = new WorkerPool<EraJob, EraResult>(workerModule(), options.workers, world);
  const sizes: number[] = [];
  const roots = new Uint8Array(HASH * Math.floor(records / TILE_WIDTH));
  const pieces: TilePiece[] = [];
  let malformed = 0;
  let done = 0;
  try {
    const eras = Array.from({ length: world.eras }, (_, era) => era);
    await pool.run(
      eras.map((era) => ({ era })),
      (result) => {
        if ("size" in result) sizes[result.era] = result.size;
      },
    );
    let first = 0;
    const jobs = eras.map((era) => {
      const size = sizes[era] ?? 0;
      first += size;
      return { era, first: first - size, size };
    });
    await pool.run(jobs, (result, job) => {
      if ("size" in result) return;
      roots.set(result.tileRoots, HASH * result.firstTile);
      pieces.push(...result.pieces.filter(({ hashes }) => hashes.length > 0));
      malformed += result.malformed;
      done += job.size ?? 0;
      options.onProgress?.(done);
    });
  } finally {
    await pool.close();
  }
  const last = joinPieces(world, pieces, roots);
  const treeHead = makeTreeHead(world, records, roots, last);
  const key = makeSignerKey(
    "sumdb.example/generated",
    KEY_TYPE_ED25519,
    nodeSha256(encodeUtf8(`generated ${seed}`)),
    nodeEd25519(),
  );
  const text = formatTreeHead(treeHead);
  writeFileSync(join(out, "latest"), formatNote(text, [signNote(text, key, nodeEd25519())]));
  const verifierKey = formatVerifierKey(key.verifierKey);
  writeFileSync(join(out, "key"), `${verifierKey}\n`);
  return { verifierKey, treeHead, malformed };
}

function workerModule(): URL {
  return new URL("./worker.ts", import.meta.url);
}

/** Writes the tiles that reach over the end of an era; returns the record hashes of the last one if it is not full. */
function joinPieces(world: EraWorld, pieces: TilePiece[], roots: Uint8Array): Uint8Array {
  const byTile = new Map<number, TilePiece[]>();
  for (const piece of pieces) byTile.set(piece.tile, [...(byTile.get(piece.tile) ?? []), piece]);
  let last: Uint8Array = new Uint8Array(0);
  for (const [tile, parts] of byTile) {
    const ordered = [...parts].sort((a, b) => a.from - b.from);
    const hashes = Buffer.concat(ordered.map((part) => part.hashes));
    const width = hashes.length / HASH;
    writeTile(world, DATA_LEVEL, tile, width, Buffer.concat(ordered.map((part) => part.bytes)));
    if (world.writeHashTiles) writeTile(world, 0, tile, width, hashes);
    if (width === TILE_WIDTH) roots.set(rootOf(hashes), HASH * tile);
    else last = hashes;
  }
  return last;
}

function rootOf(hashes: Uint8Array): Uint8Array {
  const all: Uint8Array[] = [];
  for (let at = 0; at < hashes.length; at += HASH) all.push(hashes.subarray(at, at + HASH));
  return Frontier.empty(nodeSha256).appendAll(all).root();
}

/** Computes the tree from the roots of its full tiles and the records of the last one; writes the upper hash tiles. */
function makeTreeHead(world: EraWorld, treeSize: number, roots: Uint8Array, last: Uint8Array): TreeHead {
  let frontier = Frontier.empty(nodeSha256);
  for (let at = 0; at < roots.length; at += HASH) {
    frontier = frontier.extend(frontier.treeSize + TILE_WIDTH, [roots.subarray(at, at + HASH)]);
  }
  const rest: Uint8Array[] = [];
  for (let at = 0; at < last.length; at += HASH) rest.push(last.subarray(at, at + HASH));
  if (world.writeHashTiles) {
    for (let level = 1, row = roots; row.length > 0; level++) {
      const next: Uint8Array[] = [];
      for (let at = 0; at < row.length; at += HASH * TILE_WIDTH) {
        const bytes = row.subarray(at, at + HASH * TILE_WIDTH);
        const width = bytes.length / HASH;
        writeTile(world, level, at / (HASH * TILE_WIDTH), width, bytes);
        if (width === TILE_WIDTH) next.push(rootOf(bytes));
      }
      row = new Uint8Array(Buffer.concat(next));
    }
  }
  return { treeSize, rootHash: frontier.appendAll(rest).root() };
}

function writeTile(world: EraWorld, level: number, index: number, width: number, bytes: Uint8Array): void {
  const path = join(world.out, formatTilePath({ height: TILE_HEIGHT, level, index, width }));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}
