/** `proofdns`: looks up the latest versions of Go modules by DNS and verifies them. */
export type { VersionEntry } from "../vindex/payload.ts";
export { Client, type ClientOptions, type Lookup, type LookupOptions } from "./client.ts";
export { FolderMemoryStore, type MemoryStore, NoMemoryStore } from "./memory-store.ts";
export type { QueryOptions, Transport, TxtReply } from "./transport.ts";
export { DnsTransport, type DnsTransportOptions } from "./transport-dns.ts";
export * from "./verify/index.ts";
