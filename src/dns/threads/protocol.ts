import type { TreeBuffer, TreeRoot } from "../../vindex/flat-tree.ts";
import type { Asker } from "../asker.ts";
import type { DohLimits } from "../doh/listener.ts";
import type { TlsFiles } from "../doh/tls-files.ts";
import type { BindAddress } from "../listener.ts";
import type { ReplyEntry } from "../reply-entry.ts";
import type { TcpLimits } from "../tcp.ts";
import type { ELSEWHERE, ZoneData } from "../zone-data.ts";
import type { ServedHead } from "./shared-answers.ts";

/** Messages between the main thread and its workers. All are plain values; memory that is shared is named so. */

export type Protocol = "udp" | "tcp";

/** The name server of one thread: `Responder`, or what a test puts in its place. */
export interface ThreadResponder {
  respond(message: Uint8Array, asker: Asker, data: ZoneData, now: number): Uint8Array | undefined | typeof ELSEWHERE;
  compute(message: Uint8Array, asker: Asker, data: ZoneData, now: number): ReplyEntry | undefined;
  finish(
    message: Uint8Array,
    asker: Asker,
    entry: ReplyEntry | undefined,
    data: ZoneData,
    now: number,
    askedAt?: number,
  ): Uint8Array | undefined;
}

/** Memory that a thread shares with others, and what it is among them. */
export interface ThreadMemory {
  /** `main` computes what workers cannot, and answers nobody itself. */
  readonly role: "main" | "worker";
  /** The counters of this thread (`ServerStats`). */
  readonly stats: SharedArrayBuffer;
  /** The one table of the rate limit; only workers have it. */
  readonly rateLimit: SharedArrayBuffer | undefined;
}

/**
 * What a responder module exports as `makeResponder`. `config` is a structured clone of what the pool was given; it is called
 * once for each configuration in each thread, before that thread answers by it. It throws if the configuration cannot be used.
 */
export type MakeResponder<Config> = (config: Config, memory: ThreadMemory) => ThreadResponder;

/** Bounds of the sockets. */
export type SocketLimits = TcpLimits;

/** What a worker starts with. */
export interface WorkerStart {
  /** URL of the module that exports `makeResponder`. */
  readonly responderModule: string;
  readonly config: unknown;
  readonly memory: ThreadMemory;
  /** Bounds of this thread's TCP listener. */
  readonly limits: SocketLimits;
  readonly receiveBuffer: number | undefined;
  /** Queries that may wait for the main thread at a time. */
  readonly maxForwarded: number;
  /** Milliseconds for which they wait. */
  readonly forwardTimeout: number;
}

/** A tree, as it goes to a worker: memory that is shared, and which of the trees in it. */
export interface ShownTree {
  /** Undefined if it is the buffer of the tree shown before. */
  readonly buffer: TreeBuffer | undefined;
  readonly root: TreeRoot;
}

/** From the main thread. Those with an `id` are answered by `done` or `failed`. */
export type ToWorker =
  /** What is to be served from now on. Without `tree` it is the one of the snapshot before. */
  | {
      readonly kind: "snapshot";
      readonly version: number;
      readonly head: ServedHead;
      readonly tree: ShownTree | undefined;
    }
  | {
      readonly kind: "bind";
      readonly id: number;
      readonly protocol: Protocol;
      readonly address: BindAddress;
      readonly reusePort: boolean;
    }
  | {
      readonly kind: "bind-doh";
      readonly id: number;
      readonly address: BindAddress;
      readonly tls: TlsFiles | undefined;
      /** Bounds of this thread's listener. */
      readonly limits: DohLimits;
    }
  /** Another certificate for all listeners of DNS over HTTPS. */
  | { readonly kind: "set-tls"; readonly id: number; readonly tls: TlsFiles }
  | { readonly kind: "unbind"; readonly id: number; readonly protocol: Protocol | "doh" }
  | { readonly kind: "reload"; readonly id: number; readonly config: unknown }
  /** Stop reading, finish what is in hand within so many milliseconds, close the sockets. */
  | { readonly kind: "close"; readonly id: number; readonly timeout: number }
  /** The answer to `ask`; without an entry the reply is SERVFAIL, and `failure` says why if that is a bug. */
  | {
      readonly kind: "entry";
      readonly id: number;
      readonly entry: ReplyEntry | undefined;
      readonly failure: string | undefined;
    };

/** From a worker. */
export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "done"; readonly id: number; readonly port: number }
  | { readonly kind: "failed"; readonly id: number; readonly code: string | undefined; readonly message: string }
  /** The snapshot of this version is served, and no older one any more. */
  | { readonly kind: "served"; readonly version: number }
  /** A query that this thread cannot answer; nobody waits for it after `until` (`performance.now()`, which is the same in all threads). */
  | {
      readonly kind: "ask";
      readonly id: number;
      readonly message: Uint8Array;
      readonly asker: Asker;
      readonly until: number;
    }
  | { readonly kind: "alarm"; readonly what: string; readonly message: string };
