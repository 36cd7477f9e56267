/** `proofdns`: looks up the latest versions of Go modules by DNS and verifies them. */
export type { VersionEntry } from "../vindex/payload.ts";
export {
  type AnswerCache,
  type CacheReadOptions,
  type KeptAge,
  type KeptRecord,
  NoAnswerCache,
  type WithLeaf,
} from "./answer-cache.ts";
export { FolderAnswerCache } from "./answer-cache-folder.ts";
export {
  type CallOptions,
  type ClaimedRecord,
  Client,
  type ClientOptions,
  type Lookup,
  type LookupOptions,
  type ProvenAge,
  type RecordOptions,
  type RecordProof,
} from "./client.ts";
export { FolderMemoryStore } from "./memory-folder.ts";
export { type MemoryStore, NoMemoryStore } from "./memory-store.ts";
export type { SumdbExtension } from "./sumdb-extension.ts";
export type { QueryOptions, ReplyOrigin, Transport, TransportKind, TxtReply } from "./transport.ts";
export { type DnsServerAddress, DnsTransport, type DnsTransportOptions } from "./transport-dns.ts";
export { DohTransport, type DohTransportOptions } from "./transport-doh.ts";
export { type FailoverOptions, FailoverTransport } from "./transport-failover.ts";
export { makeSystemTransport, parseTransport, type TransportTimes } from "./transport-system.ts";
export * from "./verify/files.ts";
export * from "./verify/index.ts";
