import { join } from "node:path";
import { MAX_DATA_TILE_BYTES, MAX_NOTE_BYTES, type SumdbSource } from "../sumdb/source.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { readRegularFile } from "./regular-file.ts";

/** A copy of a checksum database on disk: `latest` and `tile/8/…`, as its URLs have them. */
export class TilesSource implements SumdbSource {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async readLatest(): Promise<Uint8Array> {
    const bytes = await this.#read("latest", MAX_NOTE_BYTES);
    if (bytes !== undefined) return bytes;
    throw new ProofdnsError(
      "UNREACHABLE",
      `there is no ${join(this.#folder, "latest")}; is it a copy of a checksum database?`,
    );
  }

  readTile(tilePath: string): Promise<Uint8Array | undefined> {
    return this.#read(tilePath, MAX_DATA_TILE_BYTES);
  }

  readLookup(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  #read(path: string, limit: number): Promise<Uint8Array | undefined> {
    return readRegularFile(join(this.#folder, path), limit);
  }
}
