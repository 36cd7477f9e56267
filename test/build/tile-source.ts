import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { SumdbSource } from "../../src/sumdb/source.ts";

/** A folder of tiles as a checksum database. */
export class TileFolderSource implements SumdbSource {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async readLatest(): Promise<Uint8Array> {
    return new Uint8Array(readFileSync(join(this.#folder, "latest")));
  }

  async readTile(tilePath: string): Promise<Uint8Array | undefined> {
    const path = join(this.#folder, tilePath);
    return existsSync(path) ? new Uint8Array(readFileSync(path)) : undefined;
  }

  async readLookup(): Promise<Uint8Array | undefined> {
    return undefined;
  }
}
