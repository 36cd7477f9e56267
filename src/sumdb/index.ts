export { formatDataTile, isRecordText, splitDataTile } from "./data-tile.ts";
export { escapePath, escapeVersion, unescapePath, unescapeVersion } from "./escape.ts";
export { type FollowerOptions, type KnownTree, SumdbFollower, type SumdbUpdate } from "./follower.ts";
export { type GoSum, readGoSumFiles } from "./go-sum.ts";
export { type HttpSourceOptions, HttpSumdbSource } from "./http-source.ts";
export {
  type LookupQuestion,
  parseLookup,
  type UntrustedLookup,
  type VerifiedLookup,
  type VerifyLookupOptions,
  verifyLookup,
} from "./lookup.ts";
export { RecordLog } from "./record-log.ts";
export type { RecordBatch } from "./record-stream.ts";
export { type ModuleRecord, readRecordsFile } from "./records-file.ts";
export { type Reply, SumdbServer, type SumdbServerOptions } from "./server.ts";
export { type SignedTreeHead, verifySignedTreeHead } from "./signed-head.ts";
export type { Log, ReadOptions, SumdbSource } from "./source.ts";
export { DirectoryTileCache, type TileCache } from "./tile-cache.ts";
export { type TileFetch, TileReader, type TileReaderOptions } from "./tile-reader.ts";
