import type { Client, Lookup } from "./client.ts";
import type { Subject } from "./verify/index.ts";

/** Proven answers kept for a while; whatever is in it is verified again when it is read. */
export interface AnswerCache {
  /** A cached answer that verifies; undefined if there is none, or it is too old, or of another epoch than the remembered one, so that it takes asking. */
  read(subject: Subject, options?: CacheReadOptions): Promise<Lookup | undefined>;
  /** Keeps an answer that `client` has looked up. A cache that cannot be written is no reason to fail. */
  write(subject: Subject, lookup: Lookup, client: Pick<Client, "headForProof">): Promise<void>;
}

export interface CacheReadOptions {
  /** Only an answer whose record is proven too. */
  readonly withRecord?: boolean;
  /** However long ago it was asked and whatever its epoch, if its head is not over the maximum age: for work without a network. */
  readonly isOffline?: boolean;
}

/** Keeps nothing. */
export class NoAnswerCache implements AnswerCache {
  read(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
  write(): Promise<void> {
    return Promise.resolve();
  }
}
