import { equalBytes } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import type { Frontier } from "../vindex/frontier.ts";
import { formatSignedTreeHead } from "../vindex/leaf.ts";
import type { IndexedRecord } from "../vindex/map-function.ts";
import { parseRecord } from "../vindex/record.ts";
import type { EpochSource } from "./epoch-source.ts";
import type { UntrustedEpoch } from "./log-file.ts";
import { type LoggedEpoch, LogWalk, type WalkKeys } from "./log-walk.ts";
import { MemoryMap } from "./memory-map.ts";
import type { RecordFeed } from "./record-feed.ts";
import { encodeTransition, verifyTransition } from "./transition.ts";
import { TRANSITION_LIMITS } from "./transition-format.ts";

/** Compares the map roots of a log with what the records give, epoch by epoch. */
export interface Auditor {
  /** The epoch audited last, or the one that the audit begins behind; 0 before epoch 1. */
  readonly epoch: number;
  /** The epoch that was looked at last: if something is wrong, with this one. */
  readonly current: number;
  /** Records of the epochs that were audited. */
  readonly records: number;
  /**
   * Audits the next epoch.
   *
   * @throws ProofdnsError why it is wrong, with `evidence` where a stranger can re-check it: `MAP_ROOT_MISMATCH`, what
   *   `LogWalk.take` and `verifyTransition` throw, `SUMDB_FORK`; or why it could not be audited
   */
  next(): Promise<LoggedEpoch>;
  /** Compares what is shown as the newest epoch with the one audited last. @throws ProofdnsError as `LogWalk.compare` */
  compare(newest: UntrustedEpoch): void;
}

/** What every auditor needs. */
export interface AuditorOptions extends WalkKeys {
  readonly source: EpochSource;
  /** First epoch to audit. */
  readonly from: number;
}

/** Holds the old leaf and nothing else, and follows transitions. */
export class StatelessAuditor implements Auditor {
  readonly #o: AuditorOptions;
  readonly #walk: LogWalk;
  #epoch: number;
  #current: number;
  #records = 0;
  /** An epoch that continues the one before, and whose transition is not verified yet. */
  #open: { readonly logged: LoggedEpoch; readonly before: LoggedEpoch | undefined } | undefined;

  constructor(options: AuditorOptions) {
    this.#o = options;
    this.#walk = new LogWalk(options);
    this.#epoch = options.from - 1;
    this.#current = this.#epoch;
  }

  get current(): number {
    return this.#current;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get records(): number {
    return this.#records;
  }

  compare(newest: UntrustedEpoch): void {
    this.#current = this.#epoch;
    this.#walk.compare(newest);
  }

  async next(): Promise<LoggedEpoch> {
    const { source, sumdbKey, sha256, ed25519 } = this.#o;
    const epoch = this.#epoch + 1;
    if (epoch > 1 && this.#walk.last === undefined) {
      this.#current = epoch - 1;
      this.#walk.take(await source.epoch(epoch - 1));
    }
    this.#current = epoch;
    // Everything is read before anything is taken: what cannot be had now is asked again by the next call.
    let open = this.#open;
    const untrusted = open === undefined ? await source.epoch(epoch) : undefined;
    const untrustedTransition = await source.transition(epoch);
    if (untrustedTransition === undefined) {
      throw new ProofdnsError(
        "NO_ANSWER",
        `there is no transition of epoch ${epoch}: the window was too large, or it is too old; a full audit needs none`,
      );
    }
    // A transition that is refused may be another one the next time.
    if (untrusted !== undefined) open = { before: this.#walk.last, logged: this.#walk.take(untrusted) };
    if (open === undefined) throw new TypeError("no epoch is open");
    this.#open = open;
    const { logged, before } = open;
    const leafText = before?.leafText;
    const right = verifyTransition({ epoch, leafText, untrustedTransition, sumdbKey, sha256, ed25519 });
    const [theirs, ours] = [logged.leaf.treeHead, right.leaf.treeHead];
    if (theirs.treeSize !== ours.treeSize || !equalBytes(theirs.rootHash, ours.rootHash)) {
      throw new ProofdnsError("BAD_LEAF", `the transition of epoch ${epoch} leads to another tree head than its leaf`);
    }
    if (!equalBytes(logged.leaf.mapRoot, right.leaf.mapRoot)) {
      throw mismatch(epoch, this.#walk.evidence(logged, untrustedTransition, before));
    }
    this.#records += right.records;
    this.#epoch = epoch;
    this.#open = undefined;
    return logged;
  }
}

function mismatch(epoch: number, evidence: unknown): ProofdnsError {
  const message = `epoch ${epoch} is WRONG: its map root is not the one that the records give`;
  return new ProofdnsError("MAP_ROOT_MISMATCH", message, evidence === undefined ? {} : { evidence });
}

/** An epoch whose records are being read. */
interface OpenEpoch {
  readonly logged: LoggedEpoch;
  readonly before: LoggedEpoch | undefined;
  /** The sumdb before its window. */
  readonly frontier: Frontier;
  /** The window is small enough for a transition, and one may be needed. */
  readonly keepsBefore: boolean;
  readonly texts: Uint8Array[];
  /** Read and not folded yet. */
  unfolded: IndexedRecord[];
}

/** Records that are folded at once: the more, the fewer times the state of a module is read and its value made. */
const FOLD_AT_ONCE = 32_768;

/** Folds every record of the checksum database into a map of its own. */
export class FullAuditor implements Auditor {
  readonly #o: AuditorOptions & { readonly feed: RecordFeed };
  readonly #walk: LogWalk;
  readonly #map: MemoryMap;
  #open: OpenEpoch | undefined;
  #epoch: number;
  #current: number;
  #records = 0;
  /** Records up to the epoch audited last. */
  #oldSize = 0;

  constructor(options: AuditorOptions & { readonly feed: RecordFeed }) {
    this.#o = options;
    this.#walk = new LogWalk(options);
    this.#map = new MemoryMap(options.sha256);
    this.#epoch = options.from - 1;
    this.#current = this.#epoch;
  }

  get current(): number {
    return this.#current;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get records(): number {
    return this.#records;
  }

  /** Modules of the map so far. */
  get modules(): number {
    return this.#map.modules;
  }

  compare(newest: UntrustedEpoch): void {
    this.#current = this.#epoch;
    this.#walk.compare(newest);
  }

  async next(): Promise<LoggedEpoch> {
    const last = this.#walk.last;
    // The epoch before the first one audited is folded too, and what cannot be had now is asked again by the next call.
    if (this.#epoch > 0 && (last === undefined || (last.epoch === this.#epoch && this.#open !== undefined)))
      await this.#audit(this.#epoch, false);
    const logged = await this.#audit(this.#epoch + 1, true);
    this.#records += logged.leaf.treeHead.treeSize - this.#oldSize;
    this.#oldSize = logged.leaf.treeHead.treeSize;
    this.#epoch = logged.epoch;
    return logged;
  }

  /** Folds the records up to an epoch and compares. */
  async #audit(epoch: number, isAudited: boolean): Promise<LoggedEpoch> {
    const { feed, source, sumdbKey } = this.#o;
    this.#current = epoch;
    if (this.#open === undefined) {
      const untrusted = await source.epoch(epoch);
      const before = this.#walk.last;
      const logged = this.#walk.take(untrusted);
      const { frontier } = feed;
      // What leads to the first epoch audited needs no transition.
      const keepsBefore = isAudited && logged.leaf.treeHead.treeSize - frontier.treeSize <= TRANSITION_LIMITS.count;
      this.#open = { logged, before, frontier, keepsBefore, texts: [], unfolded: [] };
    }
    const open = this.#open;
    const { leaf } = open.logged;
    for await (const batch of feed.read({
      treeHead: leaf.treeHead,
      signedTreeHead: formatSignedTreeHead(leaf, sumdbKey),
    })) {
      for (const [i, text] of batch.texts.entries()) {
        const record = parseRecord(text);
        const recordHash = batch.recordHashes[i];
        if (record !== undefined && recordHash !== undefined)
          open.unfolded.push({ record, logIndex: batch.firstIndex + i, recordHash });
        if (open.keepsBefore) open.texts.push(text);
      }
      if (open.unfolded.length >= FOLD_AT_ONCE) this.#fold(open);
    }
    this.#fold(open);
    const tree = this.#map.prepare();
    if (!equalBytes(tree.rootHash(), leaf.mapRoot)) {
      if (isAudited) throw mismatch(epoch, open.keepsBefore ? this.#evidence(open) : undefined);
      throw new ProofdnsError(
        "MAP_ROOT_MISMATCH",
        `epoch ${epoch} is WRONG already: begin with --from ${epoch} or lower to have evidence`,
      );
    }
    this.#map.accept(tree);
    this.#open = undefined;
    if (!isAudited) this.#oldSize = leaf.treeHead.treeSize;
    return open.logged;
  }

  #fold(open: OpenEpoch): void {
    this.#map.fold(open.unfolded, open.keepsBefore);
    open.unfolded = [];
  }

  /** With the transition that an honest operator would have published. */
  #evidence({ logged, before, frontier, texts }: OpenEpoch): unknown {
    const folded = {
      before: { tree: this.#map.tree, sumdbFrontier: frontier },
      after: { leafText: logged.leafText },
      texts,
      ...this.#map.before,
    };
    return this.#walk.evidence(logged, encodeTransition(folded, this.#o), before);
  }
}
