import { equalBytes, formatHex } from "../vindex/bytes.ts";
import type { TreeHead } from "../vindex/checkpoint.ts";
import { ProofdnsError } from "../vindex/error.ts";
import type { FlatTree } from "../vindex/flat-tree.ts";
import { Frontier } from "../vindex/frontier.ts";
import {
  computeEpochLeafHash,
  type EpochLeaf,
  formatLeaf,
  formatSignedTreeHead,
  parseLeaf,
  parseSignedTreeHead,
} from "../vindex/leaf.ts";
import type { IndexedRecord } from "../vindex/map-function.ts";
import type { VerifierKey } from "../vindex/note.ts";
import { OutputLog } from "../vindex/output-log.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { parseRecord } from "../vindex/record.ts";
import type { Hash, Sha256 } from "../vindex/sha256.ts";
import type { HashReader } from "../vindex/tlog.ts";
import { TreeSlab } from "../vindex/tree-slab.ts";
import { type HashAppend, HashFiles } from "./hash-files.ts";
import { loadTree } from "./load-tree.ts";
import { Maintenance, type MaintenanceOptions } from "./maintenance.ts";
import type { PathIndex } from "./path-index.ts";
import type { Counters, Store, StoredEntry } from "./store.ts";
import { StoreReader } from "./store-reader.ts";
import { SubLogPages } from "./sub-log-pages.ts";
import { WindowFold } from "./window-fold.ts";

/** A window of records as a follower hands it on: verified against the signed head before it is used. */
export interface RecordWindow {
  readonly firstIndex: number;
  /** Record bytes. */
  readonly texts: readonly Uint8Array[];
  readonly recordHashes: readonly Hash[];
}

/** A larger signed tree of the checksum database and its new records. */
export interface SumdbWindow {
  readonly treeHead: TreeHead;
  /** Note with exactly the one signature line of the sumdb key. */
  readonly signedTreeHead: string;
  batches(signal?: AbortSignal): AsyncIterable<RecordWindow>;
}

/** The newest state of the index: all that a served epoch is made of. Immutable but for `log`, which only grows. */
export interface IndexState {
  /** 0: no epoch yet. */
  readonly epoch: number;
  readonly leaf: EpochLeaf | undefined;
  /** To be read until a newer one was given to `Builder.retire`. */
  readonly tree: FlatTree;
  /** Sumdb sizes of all epochs: epoch e has `sumdbSizes[e - 1]`. */
  readonly sumdbSizes: readonly number[];
  readonly log: OutputLog;
  /** Modules in the map. */
  readonly modules: number;
  /** Records that mapped to nothing. */
  readonly malformed: number;
}

/**
 * Points of the work, in order; for logs and crash tests. Those after `committed` are of the work in the background: files of the
 * epoch's values and paths are written, are the ones that the next start begins with, and the tree was sorted anew.
 */
export type BuildStep =
  | "fetched"
  | "computed"
  | "hashed"
  | "committed"
  | "flushing"
  | "values written"
  | "paths written"
  | "flushed"
  | "sorting"
  | "sorted";

/** An epoch whose root is known and of which nothing is written yet: all that its transition is made of (spec/audit.md). */
export interface FoldedEpoch {
  readonly epoch: number;
  readonly before: { readonly leafText: string | undefined; readonly tree: FlatTree; readonly sumdbFrontier: Frontier };
  readonly after: { readonly leafText: string; readonly tree: FlatTree };
  /** Bytes of all records of the window, malformed ones too. */
  readonly texts: readonly Uint8Array[];
  /** Old state texts of all modules that the fold was given. */
  readonly states: ReadonlyMap<string, string>;
  /** Old uncut items, by base path, of the families whose old value does not hold them. */
  readonly uncutMajors: ReadonlyMap<string, string>;
  /** Old value of `toolchain`; empty if there was none. */
  readonly toolchain: string;
}

/** What `Builder.open` needs. */
export interface BuilderOptions extends Partial<MaintenanceOptions> {
  readonly store: Store;
  readonly sumdbKey: VerifierKey;
  readonly sha256?: Sha256;
  /** No epoch will be made: nothing is written, in the background either. */
  readonly isReadOnly?: boolean;
  /** False: the hashes of records are not kept from the next epoch on, and the store cannot prove records ever again. */
  readonly hashes?: boolean;
  /** Called between steps; a crash there must lose nothing. */
  readonly onStep?: (step: BuildStep, epoch: number) => void;
  /** Called when the root of an epoch is known and before anything is written. An epoch of more than 2^20 records has no such call. */
  readonly onFolded?: (folded: FoldedEpoch) => Promise<void>;
  /** Called with damage that a question found; nothing that was read is served then. */
  readonly onDamage?: (error: ProofdnsError) => void;
}

/** Records that are folded at once: more of a window are folded in slices, so that memory is bounded by what they touch. */
const SLICE = 50_000;
/** Windows of more records have no transition (spec/audit.md §1). */
const MAX_TRANSITION_RECORDS = 2 ** 20;

/** What `Builder.read` made of a window: the next epoch, folded and not written. */
export interface ReadWindow {
  readonly epoch: number;
  readonly signedTreeHead: string;
  readonly fold: WindowFold;
  /** Records of modules that are not written yet. */
  readonly entries: readonly StoredEntry[];
  /** Records that map to nothing. */
  readonly malformed: number;
  /** Empty if there are too many for a transition, or nobody asked for them. */
  readonly texts: readonly Uint8Array[];
  readonly frontier: Frontier;
  readonly hashes: HashAppend | undefined;
}

/**
 * Makes epochs: folds new records into the map, computes the root, and commits everything in one synced batch (spec/log.md §8). It
 * signs nothing.
 */
export class Builder {
  readonly #o: BuilderOptions;
  readonly #store: Store;
  readonly #sumdbKey: VerifierKey;
  readonly #sha256: Sha256;
  readonly #onStep: (step: BuildStep, epoch: number) => void;
  readonly #pages: SubLogPages;
  readonly #slab: TreeSlab;
  #hashes: HashFiles | undefined;
  readonly #maintenance: Maintenance;
  #frontier: Frontier;
  #leafText: string | undefined;
  #state: IndexState;

  private constructor(options: BuilderOptions, sha256: Sha256, loaded: Loaded) {
    this.#o = options;
    this.#store = options.store;
    this.#sumdbKey = options.sumdbKey;
    this.#sha256 = sha256;
    this.#onStep = options.onStep ?? (() => {});
    this.#pages = new SubLogPages(sha256);
    this.#slab = loaded.slab;
    this.#hashes = loaded.hashes;
    this.#frontier = loaded.frontier;
    this.#leafText = loaded.leafText;
    this.#maintenance = new Maintenance({
      ...options,
      slab: loaded.slab,
      journaled: loaded.journaled,
      onStep: this.#onStep,
    });
    this.#state = { ...loaded.state, tree: loaded.slab.tree };
  }

  /**
   * Loads the newest epoch and compares its roots with the signed ones; then, in the background, makes what the store lacks.
   *
   * @throws ProofdnsError `STORE_UNUSABLE` for a damaged store, `MAP_ROOT_MISMATCH` if a recomputed root is not the one in the leaf
   */
  static async open(options: BuilderOptions): Promise<Builder> {
    const sha256 = options.sha256 ?? nodeSha256;
    const loaded = await load(options, sha256);
    const builder = new Builder(options, sha256, loaded);
    try {
      await builder.#maintenance.open(loaded.state.epoch);
    } catch (error) {
      await builder.close();
      throw error;
    }
    return builder;
  }

  /** The newest committed epoch. */
  get state(): IndexState {
    return this.#state;
  }

  /** True if records can be proven: all their hashes are kept. */
  get hasRecordProofs(): boolean {
    return this.#keptHashes !== undefined;
  }

  get #keptHashes(): HashFiles | undefined {
    return this.#o.hashes === false ? undefined : this.#hashes;
  }

  /** Which v0 names exist, as of the newest epoch. */
  get paths(): PathIndex {
    return this.#maintenance.paths;
  }

  /** The tree of the checksum database that the newest epoch covers, for a follower. */
  known(): { treeHead: TreeHead; signedTreeHead: string | undefined; frontier: Frontier; readHashes: HashReader } {
    const { leaf } = this.#state;
    return {
      treeHead: leaf?.treeHead ?? { treeSize: 0, rootHash: this.#frontier.root() },
      signedTreeHead: leaf === undefined ? undefined : formatSignedTreeHead(leaf, this.#sumdbKey),
      frontier: this.#frontier,
      readHashes:
        this.#hashes?.readHashes ??
        (() => {
          throw new ProofdnsError(
            "UNREACHABLE",
            "an older tree of the checksum database was shown, and it cannot be compared with the one that is known: the hashes of records are not kept",
          );
        }),
    };
  }

  /** Reads for the answers of the newest epoch; the caller closes it. */
  reader(): StoreReader {
    const { onDamage } = this.#o;
    return new StoreReader({
      snapshot: this.#store.snapshot(),
      tree: this.#state.tree,
      hashes: this.#keptHashes,
      pages: this.#pages,
      sha256: this.#sha256,
      ...(onDamage === undefined ? {} : { onDamage }),
    });
  }

  /**
   * Makes the next epoch of a larger tree head: `read`, then `commit`. If it throws, nothing has changed. `now` is in Unix seconds.
   *
   * @throws ProofdnsError as the two
   */
  async build(window: SumdbWindow, now: number, signal?: AbortSignal): Promise<IndexState> {
    return this.commit(await this.read(window, signal), now);
  }

  /**
   * Reads all new records of a larger tree head, folds them, and checks once more that they give the signed root. Takes as long as the
   * network does, and changes nothing. Memory is bounded by the modules that are touched, and by the texts of up to 2^20 records
   * where `onFolded` asks for them.
   *
   * @throws ProofdnsError whatever reading the records throws, `STORE_UNUSABLE` for states that are not those in the map, or
   *   `MAP_ROOT_MISMATCH` if the records do not give the signed root
   */
  async read(window: SumdbWindow, signal?: AbortSignal): Promise<ReadWindow> {
    const { treeSize, rootHash } = window.treeHead;
    const before = this.#state;
    const first = this.#frontier.treeSize;
    const fold = new WindowFold(this.#store, before.tree, first, this.#sha256);
    const hashFiles = this.#keptHashes;
    const keepsTexts = this.#o.onFolded !== undefined && treeSize - first <= MAX_TRANSITION_RECORDS;
    const texts: Uint8Array[] = [];
    let frontier = this.#frontier;
    let hashes: HashAppend | undefined;
    let malformed = 0;
    let records: IndexedRecord[] = [];
    let recordHashes: Hash[] = [];
    let logIndex = first;
    for await (const batch of window.batches(signal)) {
      if (batch.firstIndex !== logIndex)
        throw new TypeError(`records from ${batch.firstIndex} where ${logIndex} comes next`);
      if (recordHashes.length >= SLICE) {
        // What is written here means nothing until the epoch is committed.
        await this.#store.putEntries(await fold.add(records));
        hashes = hashFiles?.prepare(recordHashes, hashes);
        if (hashes !== undefined) await hashFiles?.write(hashes);
        else frontier = frontier.appendAll(recordHashes);
        records = [];
        recordHashes = [];
      }
      for (const [i, text] of batch.texts.entries()) {
        const recordHash = batch.recordHashes[i] as Hash;
        const record = parseRecord(text);
        if (record === undefined) malformed++;
        else records.push({ record, logIndex, recordHash });
        if (keepsTexts) texts.push(text);
        recordHashes.push(recordHash);
        logIndex++;
      }
    }
    hashes = hashFiles?.prepare(recordHashes, hashes);
    // Either way computes the same peaks, and one is enough.
    frontier =
      hashFiles === undefined || hashes === undefined
        ? frontier.appendAll(recordHashes)
        : Frontier.of(hashes.treeSize, hashFiles.peaks(hashes), this.#sha256);
    if (frontier.treeSize !== treeSize || !equalBytes(frontier.root(), rootHash)) {
      throw new ProofdnsError(
        "MAP_ROOT_MISMATCH",
        `the records up to ${frontier.treeSize} do not give the signed root of the checksum database at ${treeSize}`,
      );
    }
    const epoch = before.epoch + 1;
    this.#onStep("fetched", epoch);
    const entries = await fold.add(records);
    const { signedTreeHead } = window;
    return { epoch, signedTreeHead, fold, entries, malformed, texts: keepsTexts ? texts : [], frontier, hashes };
  }

  /**
   * Commits what was read and folded as the next epoch, in one synced batch. `now` is in Unix seconds.
   *
   * @throws ProofdnsError `STORE_UNUSABLE`; nothing has changed then
   */
  async commit(read: ReadWindow, now: number): Promise<IndexState> {
    const before = this.#state;
    const { epoch, fold } = read;
    if (epoch !== before.epoch + 1) throw new TypeError(`epoch ${epoch} was read, ${before.epoch + 1} comes next`);
    const { changes } = fold;
    const counters = {
      modules: before.modules + fold.newPaths.length,
      malformed: before.malformed + read.malformed,
    };
    const { treeHead, sumdbSignature } = parseSignedTreeHead(read.signedTreeHead, this.#sumdbKey);
    const tree = this.#slab.update(changes);
    let leaf: EpochLeaf;
    let leafText: string;
    // Whatever fails from here on: a tree that was prepared is accepted or discarded.
    try {
      leaf = { mapRoot: tree.rootHash(), treeHead, sumdbSignature };
      leafText = formatLeaf(leaf, this.#sumdbKey);
      this.#onStep("computed", epoch);
      await this.#tellFolded(read, leafText, tree);
      if (read.hashes !== undefined) await this.#hashes?.write(read.hashes);
      this.#onStep("hashed", epoch);
      await this.#store.commitEpoch({
        epoch,
        leafText,
        changes,
        states: fold.states,
        entries: read.entries,
        majors: fold.majors,
        newPaths: fold.newPaths,
        counters,
        frontier: read.frontier,
        hashes: read.hashes !== undefined,
        growthTime: now,
      });
    } catch (error) {
      this.#slab.discard(tree);
      throw error;
    }
    // It is on disk: first everything here follows, then others are told.
    this.#slab.accept(tree);
    if (read.hashes !== undefined) {
      this.#hashes?.accept(read.hashes);
    } else {
      this.#hashes?.close();
      this.#hashes = undefined;
    }
    this.#frontier = read.frontier;
    this.#leafText = leafText;
    before.log.append(computeEpochLeafHash(leafText, this.#sha256));
    this.#maintenance.committed(epoch, changes.length, fold.newPaths);
    const sumdbSizes = [...before.sumdbSizes, treeHead.treeSize];
    this.#state = { epoch, leaf, tree, sumdbSizes, log: before.log, ...counters };
    this.#onStep("committed", epoch);
    return this.#state;
  }

  async #tellFolded({ epoch, fold, texts, frontier }: ReadWindow, leafText: string, tree: FlatTree): Promise<void> {
    const { treeSize } = this.#frontier;
    if (texts.length !== frontier.treeSize - treeSize) return;
    await this.#o.onFolded?.({
      epoch,
      before: { leafText: this.#leafText, tree: this.#state.tree, sumdbFrontier: this.#frontier },
      after: { leafText, tree },
      texts,
      states: fold.oldStates,
      uncutMajors: fold.oldMajors,
      toolchain: fold.oldToolchain,
    });
  }

  /** Nobody reads a tree any more that is older than `tree`. Work in the background may begin now. */
  retire(tree: FlatTree): void {
    this.#slab.retire(tree);
    this.#maintenance.start();
  }

  /** Resolves when no work in the background is under way. */
  async idle(): Promise<void> {
    await this.#maintenance.idle();
  }

  /** Stops the work in the background, and closes the files; the store stays open. */
  async close(): Promise<void> {
    await this.#maintenance.close();
    this.#hashes?.close();
  }
}

/** What a store holds, verified. */
interface Loaded {
  readonly slab: TreeSlab;
  readonly journaled: number;
  readonly hashes: HashFiles | undefined;
  readonly frontier: Frontier;
  readonly leafText: string | undefined;
  readonly state: Omit<IndexState, "tree">;
}

async function load({ store, sumdbKey, hashes: wantsHashes }: BuilderOptions, sha256: Sha256): Promise<Loaded> {
  const log = new OutputLog(sha256);
  const sumdbSizes: number[] = [];
  let leafText: string | undefined;
  for await (const text of store.leaves()) {
    sumdbSizes.push(parseLeaf(text, sumdbKey).treeHead.treeSize);
    log.append(computeEpochLeafHash(text, sha256));
    leafText = text;
  }
  const epoch = sumdbSizes.length;
  const signed = await store.newestSigned();
  if (signed > epoch) {
    throw new ProofdnsError(
      "STORE_UNUSABLE",
      `epoch ${signed} was signed, and the store has lost its leaf: to make it again would sign another log. Restore the newest store, or begin a new log with a new key (${store.markPath} says what was signed)`,
    );
  }
  const counters: Counters = await store.counters();
  const leaf = leafText === undefined ? undefined : parseLeaf(leafText, sumdbKey);
  if (leaf === undefined) {
    for await (const _ of store.overlay("state"))
      throw new ProofdnsError("STORE_UNUSABLE", "the store has states and no epoch; restore it from a backup");
  }
  const { slab, journaled } =
    leaf === undefined ? { slab: TreeSlab.empty({ sha256 }), journaled: 0 } : await loadTree(store, epoch, sha256);
  if (leaf !== undefined && !equalBytes(slab.tree.rootHash(), leaf.mapRoot)) {
    throw new ProofdnsError(
      "MAP_ROOT_MISMATCH",
      `the stored values give map root ${formatHex(slab.tree.rootHash())}, epoch ${epoch} has ${formatHex(leaf.mapRoot)}; nothing is served. Restore the newest backup, or load a snapshot into a new folder; two live signers fork the log, so stop the other server first and start with --peer or --witness`,
    );
  }
  const empty = Frontier.empty(sha256);
  const { treeSize, rootHash } = leaf?.treeHead ?? { treeSize: 0, rootHash: empty.root() };
  const keepsHashes = store.files.hashes && !(leaf === undefined && wantsHashes === false);
  const hashes = keepsHashes ? HashFiles.open(store.filesFolder, treeSize, rootHash, sha256) : undefined;
  const frontier = leaf === undefined ? empty : Frontier.of(treeSize, hashes?.peaks() ?? (await store.peaks()), sha256);
  if (!equalBytes(frontier.root(), rootHash)) {
    throw new ProofdnsError(
      "STORE_UNUSABLE",
      "the stored peaks do not give the signed root of the checksum database; restore the store from a backup",
    );
  }
  const state = { epoch, leaf, sumdbSizes, log, ...counters };
  return { slab, journaled, hashes, frontier, leafText, state };
}
