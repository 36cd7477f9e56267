import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { LaneHasher } from "../../src/build/lane-hasher.ts";
import { computeSyntheticGoModHash } from "../../src/vindex/module-value.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { DATA_LEVEL, formatTilePath, TILE_HEIGHT, TILE_WIDTH } from "../../src/vindex/tile.ts";
import { makeModule } from "./names.ts";
import { fraction, mix } from "./random.ts";
import { makeVersion } from "./versions.ts";

/** What all threads of a generator share. */
export interface EraWorld {
  readonly seed: number;
  readonly counts: Uint32Array;
  /** Into how many spans of time the log is cut; each is made by itself. */
  readonly eras: number;
  readonly out: string;
  readonly writeHashTiles: boolean;
}

/** A piece of a data tile that reaches into another era, and the hashes of its records. */
export interface TilePiece {
  readonly tile: number;
  /** Log index of its first record. */
  readonly from: number;
  readonly bytes: Uint8Array;
  readonly hashes: Uint8Array;
}

export interface MadeEra {
  readonly era: number;
  /** Root hash of each whole tile, from `firstTile` on. */
  readonly firstTile: number;
  readonly tileRoots: Uint8Array;
  readonly pieces: readonly TilePiece[];
  readonly malformed: number;
}

const ALPHABET = Uint8Array.from(Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"));
/** No record that is made here is longer. */
const MAX_RECORD = 1024;
const HASH = 32;

/** Records of a module that stand before an era. Every module begins at its own moment of the first era. */
function recordsBefore(world: EraWorld, m: number, era: number): number {
  const count = world.counts[m] as number;
  return Math.floor((count * era) / world.eras + fraction(world.seed, m, 60));
}

/** Number of records of an era. */
export function countEra(world: EraWorld, era: number): number {
  let total = 0;
  for (let m = 0; m < world.counts.length; m++)
    total += recordsBefore(world, m, era + 1) - recordsBefore(world, m, era);
  return total;
}

/** Makes eras of a log: the records, their tiles on disk, and the roots of those. Holds what one era has. */
export class EraMaker {
  readonly #world: EraWorld;
  readonly #hasher = new LaneHasher();
  readonly #next: Uint32Array;
  readonly #tile = Buffer.alloc(TILE_WIDTH * MAX_RECORD);
  readonly #starts = new Int32Array(TILE_WIDTH);
  readonly #lengths = new Int32Array(TILE_WIDTH);
  readonly #hashes = new Uint8Array(HASH * TILE_WIDTH);
  readonly #hashWords = new Int32Array(this.#hashes.buffer);
  readonly #folders = new Set<string>();
  readonly #raw = new Uint8Array(4 * 8 + 1);
  readonly #rawWords = new Int32Array(this.#raw.buffer, 0, 8);
  #malformed = 0;

  constructor(world: EraWorld) {
    this.#world = world;
    this.#next = new Uint32Array(world.counts.length);
  }

  /** Makes the records of `era`, which begin at log index `first`. */
  make(era: number, first: number, size: number): MadeEra {
    const modules = this.#shuffle(era, size);
    const firstTile = Math.ceil(first / TILE_WIDTH);
    const wholeTiles = Math.max(0, Math.floor((first + size) / TILE_WIDTH) - firstTile);
    const tileRoots = new Uint8Array(HASH * wholeTiles);
    const pieces: TilePiece[] = [];
    this.#malformed = 0;
    let fill = 0;
    let count = 0;
    for (let i = 0; i < size; i++) {
      const logIndex = first + i;
      const end = this.#writeRecord(modules[i] as number, logIndex, fill);
      this.#starts[count] = fill;
      this.#lengths[count] = end - fill;
      this.#tile[end] = 10;
      fill = end + 1;
      count++;
      const isLast = i === size - 1;
      if ((logIndex + 1) % TILE_WIDTH !== 0 && !isLast) continue;
      const tile = Math.floor(logIndex / TILE_WIDTH);
      this.#hashRecords(count);
      if (count === TILE_WIDTH) {
        this.#writeTile(DATA_LEVEL, tile, this.#tile.subarray(0, fill));
        if (this.#world.writeHashTiles) this.#writeTile(0, tile, this.#hashes);
        this.#hasher.hashTree(this.#hashWords, this.#hashes, 0, TILE_WIDTH);
        tileRoots.set(this.#hashes.subarray(0, HASH), HASH * (tile - firstTile));
      } else {
        pieces.push({
          tile,
          from: logIndex + 1 - count,
          bytes: new Uint8Array(this.#tile.subarray(0, fill)),
          hashes: this.#hashes.slice(0, HASH * count),
        });
      }
      fill = 0;
      count = 0;
    }
    return { era, firstTile, tileRoots, pieces, malformed: this.#malformed };
  }

  /** The modules of an era's records in their order. */
  #shuffle(era: number, size: number): Uint32Array {
    const world = this.#world;
    const modules = new Uint32Array(size);
    let at = 0;
    for (let m = 0; m < world.counts.length; m++) {
      const from = recordsBefore(world, m, era);
      const to = recordsBefore(world, m, era + 1);
      this.#next[m] = from;
      for (let k = from; k < to; k++) modules[at++] = m;
    }
    let state = mix(world.seed, era, 63);
    for (let i = size - 1; i > 0; i--) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const j = Math.floor((state / 2 ** 32) * (i + 1));
      const other = modules[j] as number;
      modules[j] = modules[i] as number;
      modules[i] = other;
    }
    return modules;
  }

  /** Writes the text of the next record of module `m` and returns where it ends. */
  #writeRecord(m: number, logIndex: number, at: number): number {
    const { seed, counts } = this.#world;
    const count = counts[m] as number;
    let ordinal = this.#next[m] as number;
    this.#next[m] = ordinal + 1;
    const pair = ordinal >> 1;
    // The order of the log is not the order of versions: one neighbour in twelve stands the wrong way round.
    if (2 * pair + 1 < count && fraction(seed, m, 61, pair) < 0.16) ordinal ^= 1;
    const odd = mix(seed, logIndex, 62) % 50_000;
    if (odd === 49_999 && ordinal > 0) ordinal--;
    const module = makeModule(seed, m);
    const version = makeVersion(seed, m, module, ordinal, count);
    const { path } = module;
    const tile = this.#tile;
    const isWithoutGoMod = version.endsWith("+incompatible") || mix(seed, m, 64) % 12 === 0;
    let to = at;
    to += tile.write(`${path} ${version} h1:`, to, "latin1");
    this.#makeHash(seed, logIndex, 65);
    to = this.#writeBase64(this.#raw, to);
    to += tile.write(`\n${path} ${version}/go.mod h1:`, to, "latin1");
    if (isWithoutGoMod) this.#raw.set(computeSyntheticGoModHash(path, nodeSha256));
    else this.#makeHash(seed, m, 66 + (ordinal >> 2));
    to = this.#writeBase64(this.#raw, to);
    tile[to++] = 10;
    if (odd < 5) {
      this.#malformed++;
      return this.#spoil(odd, at, to);
    }
    return to;
  }

  /** Spoils a record as records of the real log are: each map to nothing. */
  #spoil(how: number, at: number, end: number): number {
    const tile = this.#tile;
    if (how === 0) tile[at] = 0x2d;
    else if (how === 1) tile[at + 3] = 0xff;
    else if (how === 2) tile[end - 2] = 0x41;
    else if (how === 3) return at + tile.write("not a record\n", at, "latin1");
    else tile[at + 1] = 0x20;
    return end;
  }

  #makeHash(seed: number, a: number, b: number): void {
    for (let w = 0; w < 8; w++) this.#rawWords[w] = mix(seed, a, b, w);
  }

  /** 43 digits and a `=`. */
  #writeBase64(raw: Uint8Array, at: number): number {
    const tile = this.#tile;
    let to = at;
    for (let i = 0; i < 33; i += 3) {
      const bits = ((raw[i] as number) << 16) | ((raw[i + 1] as number) << 8) | (raw[i + 2] as number);
      tile[to] = ALPHABET[bits >> 18] as number;
      tile[to + 1] = ALPHABET[(bits >> 12) & 63] as number;
      tile[to + 2] = ALPHABET[(bits >> 6) & 63] as number;
      tile[to + 3] = ALPHABET[bits & 63] as number;
      to += 4;
    }
    tile[to - 1] = 0x3d;
    return to;
  }

  /** Hashes the first `count` records of the tile. */
  #hashRecords(count: number): void {
    const { memory, capacity } = this.#hasher;
    const starts = new Int32Array(count);
    for (let from = 0; from < count; ) {
      let at = 0;
      let i = from;
      for (; i < count && at + MAX_RECORD < capacity; i++) {
        const start = this.#starts[i] as number;
        const length = this.#lengths[i] as number;
        memory[at] = 0;
        memory.set(this.#tile.subarray(start, start + length), at + 1);
        starts[i - from] = at;
        at += length + 1;
      }
      const lengths = this.#lengths.slice(from, i).map((length) => length + 1);
      this.#hasher.run(starts, lengths, i - from, this.#hashes, HASH * from);
      from = i;
    }
  }

  #writeTile(level: number, index: number, bytes: Uint8Array): void {
    const path = join(this.#world.out, formatTilePath({ height: TILE_HEIGHT, level, index, width: TILE_WIDTH }));
    const folder = dirname(path);
    if (!this.#folders.has(folder)) {
      mkdirSync(folder, { recursive: true });
      this.#folders.add(folder);
    }
    writeFileSync(path, bytes);
  }
}
