/** How one read is made. */
export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Asks caches on the way to fetch anew: what they answered before was wrong. */
  readonly fresh?: boolean;
}

/**
 * Where the bytes of a checksum database come from: the one boundary between the follower and the network.
 *
 * Everything read is untrusted and bounded in size. `undefined` says that the thing does not exist, or no longer.
 * Each method throws ProofdnsError `UNREACHABLE` if it could not be told, and the reason of `signal` if that aborts.
 */
export interface SumdbSource {
  /** The signed note of the current tree. */
  readLatest(options?: ReadOptions): Promise<Uint8Array>;
  /** A tile, by the path that `formatTilePath` makes. */
  readTile(tilePath: string, options?: ReadOptions): Promise<Uint8Array | undefined>;
  /** Index, record and signed note of a module version. Never ask for one that may not exist: the server might add it. */
  readLookup(modulePath: string, version: string, options?: ReadOptions): Promise<Uint8Array | undefined>;
}

/** Longest signed note or lookup that is read, in bytes. */
export const MAX_NOTE_BYTES = 1_000_000;
/** Longest tile of records that is read, in bytes; real ones have 54,000. */
export const MAX_DATA_TILE_BYTES = 4_194_304;

/** Takes what an operator should know; `alarm` is what someone should look at. */
export type Log = (level: "info" | "alarm", message: string) => void;
