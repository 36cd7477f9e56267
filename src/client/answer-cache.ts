import type { EpochLeaf } from "../vindex/leaf.ts";
import type { CallOptions, ClaimedRecord, Client, Lookup, ProvenAge, RecordProof } from "./client.ts";
import type { SumdbExtension } from "./sumdb-extension.ts";
import type { Subject, VerifiedAge, VerifiedHead } from "./verify/index.ts";

/** Proven answers, proofs of records and old heads, kept for a while; whatever is in it is verified again when it is read. */
export interface AnswerCache {
  /** A cached answer that verifies; undefined if there is none, or it is too old, or of another epoch than the remembered one, so that it takes asking. */
  read(subject: Subject, options?: CacheReadOptions): Promise<Lookup | undefined>;
  /** Keeps an answer that `client` has looked up. A cache that cannot be written is no reason to fail. The signal ends what is asked for it. */
  write(subject: Subject, lookup: Lookup, client: Pick<Client, "headForProof">, options?: CallOptions): Promise<void>;
  /**
   * A kept proof of this very record that verifies, of whatever age: a record never changes. With a network it counts only after
   * `Client.proveContinuity` for its head (spec/client.md §10).
   */
  readRecord(record: ClaimedRecord, options?: Pick<CacheReadOptions, "isOffline">): Promise<KeptRecord | undefined>;
  /** Keeps what `client` has proven of a record. The signal ends what is asked for it. */
  writeRecord(
    record: ClaimedRecord,
    proof: RecordProof,
    client: Pick<Client, "headForProof">,
    options?: CallOptions,
  ): Promise<void>;
  /** For work without a network: of the kept heads that a log had at `time` or before, the latest that verifies, with those before it. Unix seconds. */
  readAge(time: number): Promise<KeptAge | undefined>;
  /** Keeps the head that a log had at `time`. */
  writeAge(time: number, age: ProvenAge): Promise<void>;
  /** For work without a network: true if kept extensions prove that two tree heads of the checksum database are of one tree. */
  areOneTree(a: WithLeaf, b: WithLeaf): Promise<boolean>;
  /** Keeps an extension of the checksum database that was proven. */
  writeExtension(extension: SumdbExtension): Promise<void>;
}

/** What holds a tree head of the checksum database. */
export interface WithLeaf {
  readonly leaf: EpochLeaf;
}

/** What may be read of a cache. */
export interface CacheReadOptions {
  /** Only an answer whose record is proven too. */
  readonly withRecord?: boolean;
  /** However long ago it was asked and whatever its epoch, if its head is not over the maximum age: for work without a network. */
  readonly isOffline?: boolean;
}

/** A record that a kept proof shows to be in the checksum database of `head`. */
export interface KeptRecord {
  readonly head: VerifiedHead;
  /** Payload of its `_record` proof. */
  readonly payload: Uint8Array;
}

/** A head that was kept for another time than that asked for, or for the same. */
export interface KeptAge extends VerifiedAge {
  /** Unix seconds: what it was asked for. */
  readonly time: number;
  /** The next earlier one that is kept, of a few: it may be proven to be of one tree with a record where this one is not. */
  readonly earlier?: KeptAge;
}

/** Keeps nothing. */
export class NoAnswerCache implements AnswerCache {
  read(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
  write(): Promise<void> {
    return Promise.resolve();
  }
  readRecord(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
  writeRecord(): Promise<void> {
    return Promise.resolve();
  }
  readAge(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
  writeAge(): Promise<void> {
    return Promise.resolve();
  }
  areOneTree(): Promise<boolean> {
    return Promise.resolve(false);
  }
  writeExtension(): Promise<void> {
    return Promise.resolve();
  }
}
