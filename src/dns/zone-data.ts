/**
 * Thrown by a `ZoneData` that does not hold what is asked, while another thread does. A constant that carries nothing:
 * making an Error, with its stack, would cost more than the answer.
 */
export const ELSEWHERE: unique symbol = Symbol("another thread holds this");

/**
 * What the responder asks of the index: payloads (spec/dns.md §2) for one epoch. Everything is synchronous
 * and belongs to one immutable epoch, so that a reply never mixes two. Bytes that a method returns are valid until the
 * next call of any. A method may throw `ELSEWHERE`.
 */
export interface ZoneData {
  /** Number of the newest epoch; also the SOA serial. 0 before the first one: then every name under the log is SERVFAIL. */
  readonly epoch: number;
  /** Changes whenever what is served does, also if only cosignatures of the newest epoch came in. */
  readonly headVersion: number;
  /** Records of the sumdb that the newest epoch covers. */
  readonly sumdbSize: number;
  /** Unix seconds before which no newer epoch will be served; module answers live until then. */
  readonly nextEpochTime: number;

  /** Module answer for an index key (SHA-256 of the subject): value with inclusion proof, or non-inclusion proof. */
  moduleAnswer(indexKey: Uint8Array): Uint8Array;
  /** The same with the state section if the subject is a present module. */
  versionsAnswer(indexKey: Uint8Array): Uint8Array;
  /** Page `page` of the subject's sub-log; undefined beyond the last. `full`: it will never change. */
  versionsPage(indexKey: Uint8Array, page: number): { payload: Uint8Array; full: boolean } | undefined;

  /** Head of epoch `epoch` (1 to the newest), plain. */
  head(epoch: number): Uint8Array;
  /** Head of epoch `epoch` since `since`, 0 ≤ since ≤ epoch. */
  headSince(since: number, epoch: number): Uint8Array;
  /** Head of the newest epoch whose first quorum time is at most `time`, with its number. */
  headAt(time: number): { payload: Uint8Array; epoch: number } | undefined;
  /** Consistency proof of the output log, 1 ≤ oldSize ≤ newSize ≤ epoch. */
  consistency(oldSize: number, newSize: number): Uint8Array;

  /** False if this server keeps no record proofs: the two methods below are then not called. */
  readonly hasRecordProofs: boolean;
  /** Consistency proof of the sumdb, 1 ≤ oldSize ≤ newSize ≤ sumdbSize. */
  sumdbConsistency(oldSize: number, newSize: number): Uint8Array;
  /** Inclusion proof of sumdb record `logIndex` in the tree of size `treeSize`, logIndex < treeSize ≤ sumdbSize. */
  recordProof(logIndex: number, treeSize: number): Uint8Array;
  /** The largest sumdb size that an epoch before the newest covers; 0 if there is none. */
  readonly previousSumdbSize: number;

  /** Text of a v0 answer for a module path text, or for the subject `toolchain`; undefined if it has none (spec/dns.md §4). */
  v0Text(subject: string): string | undefined;
  /**
   * True if some module's v0 name is this name or lies below it. `labels` are the labels left of `v0`, lower case,
   * the rightmost first: ["com", "github", "_", "mjl_2d"].
   */
  v0Exists(labels: readonly string[]): boolean;
}
