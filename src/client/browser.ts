/**
 * `proofdns` in a browser: the same as in Node, but for what needs UDP, TCP or files. It asks by DNS over HTTPS.
 *
 *     const trust = makeTrust({ zone: "l.example.org", policy, sumdbKey });
 *     const transport = new DohTransport({ url: "https://dns.example/dns-query" });
 *     const client = new Client({ trust, transport, memory: new StorageMemoryStore(localStorage, trust) });
 *     const { answer } = await client.lookup({ kind: "module", path: "golang.org/x/mod" });
 *     await client.commit();
 */
export type { VersionEntry } from "../vindex/payload.ts";
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
export { StorageMemoryStore, type TextStorage } from "./memory-storage.ts";
export { type MemoryStore, NoMemoryStore } from "./memory-store.ts";
export type { SumdbExtension } from "./sumdb-extension.ts";
export type { QueryOptions, ReplyOrigin, Transport, TransportKind, TxtReply } from "./transport.ts";
export { DohTransport, type DohTransportOptions } from "./transport-doh.ts";
export { type FailoverOptions, FailoverTransport } from "./transport-failover.ts";
export * from "./verify/files.ts";
export * from "./verify/index.ts";
