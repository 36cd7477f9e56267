import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import type { LaneHasher } from "../build/lane-hasher.ts";
import { HASH_LENGTH } from "../vindex/sha256.ts";
import { readExactly } from "./file-bytes.ts";
import { hashFileName } from "./hash-files.ts";
import { badSnapshot } from "./snapshot-format.ts";

/** Full tiles `from` … `to` − 1 of a level of record hashes: each must have the hash that stands for it one level up. */
export interface HashesJob {
  readonly folder: string;
  readonly level: number;
  readonly from: number;
  readonly to: number;
}

const TILE = 256;
const TILE_BYTES = TILE * HASH_LENGTH;
/** Tiles that are hashed together. */
const STEP = 64;

/**
 * Verifies tiles against the level above them. Every level but the highest, incomplete tiles are verified so, and those by the signed root,
 * which is made of them (`HashFiles.open`).
 *
 * @throws ProofdnsError `BAD_SNAPSHOT`
 */
export function checkHashes({ folder, level, from, to }: HashesJob, hasher: LaneHasher): void {
  const file = openSync(join(folder, hashFileName(level)), "r");
  const above = openSync(join(folder, hashFileName(level + 1)), "r");
  try {
    const bytes = new Uint8Array(STEP * TILE_BYTES);
    const words = new Int32Array(bytes.buffer);
    const expected = new Uint8Array(STEP * HASH_LENGTH);
    for (let tile = from; tile < to; tile += STEP) {
      const count = Math.min(STEP, to - tile);
      const roots = expected.subarray(0, HASH_LENGTH * count);
      const isThere =
        readExactly(file, bytes.subarray(0, TILE_BYTES * count), TILE_BYTES * tile) &&
        readExactly(above, roots, HASH_LENGTH * tile);
      if (!isThere) throw badSnapshot(`${hashFileName(level)} ends too early`);
      for (let width = TILE * count; width > count; width >>= 1) hasher.hashPairs(words, bytes, 0, width >> 1, 0);
      if (Buffer.compare(bytes.subarray(0, roots.length), roots) !== 0) {
        const [first, last] = [tile * TILE, (tile + count) * TILE - 1];
        throw badSnapshot(
          `the hashes ${first} to ${last} of ${hashFileName(level)} are not all those of the signed log`,
        );
      }
    }
  } finally {
    closeSync(file);
    closeSync(above);
  }
}
