import { decodeUtf8, encodeUtf8, equalBytes, formatHex } from "./bytes.ts";
import type { TreeHead } from "./checkpoint.ts";
import { ProofdnsError } from "./error.ts";
import { Frontier } from "./frontier.ts";
import {
  computeEpochLeafHash,
  type EpochLeaf,
  formatLeaf,
  formatSignedTreeHead,
  parseLeaf,
  parseSignedTreeHead,
} from "./leaf.ts";
import { computeMajorsValue, formatMajorItems, type MajorItem } from "./majors-value.ts";
import { foldWindow, type IndexedRecord, type MapAfter, pathsToLoad } from "./map-function.ts";
import { familyMemberPath, familyOf, majorsSubject, TOOLCHAIN_SUBJECT } from "./module-path.ts";
import { type ModuleState, parseModuleState } from "./module-state.ts";
import { computeIndexKey, computeModuleValue, selectLatest } from "./module-value.ts";
import type { VerifierKey } from "./note.ts";
import { OutputLog } from "./output-log.ts";
import { PrefixTree } from "./prefix-tree.ts";
import { parseRecord } from "./record.ts";
import { sha256 as defaultSha256, type Hash, type Sha256 } from "./sha256.ts";
import type { EpochBatch, Store } from "./store.ts";
import { TileWriter, tileHashReader, type WrittenTile } from "./tile-writer.ts";
import { computeRoot, computeRootFromPeaks, coverRange, type HashReader } from "./tlog.ts";
import { formatToolchainValue, parseToolchainValue, type ToolchainItem } from "./toolchain-value.ts";

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
  readonly tree: PrefixTree;
  /** Sumdb sizes of all epochs: epoch e has `sumdbSizes[e - 1]`. */
  readonly sumdbSizes: readonly number[];
  readonly log: OutputLog;
  /** Well-formed modules so far. */
  readonly modules: number;
  /** Records that mapped to nothing. */
  readonly malformed: number;
}

/** Points of an epoch's making, in order; for logs and crash tests. */
export type BuildStep = "fetched" | "computed" | "committed";

/** What `Builder.open` needs. */
export interface BuilderOptions {
  readonly store: Store;
  readonly sumdbKey: VerifierKey;
  readonly sha256?: Sha256;
  /** Called between steps; a crash there must lose nothing. */
  readonly onStep?: (step: BuildStep, epoch: number) => void;
  /** Called with the paths of the modules that are new: once at start with all, then after each commit; for tables beside the tree. */
  readonly onModules?: (paths: Iterable<string>) => void;
}

/** What `Builder.read` made of a window: the next epoch's records, verified, and their hash tiles. */
export interface ReadWindow {
  readonly epoch: number;
  readonly signedTreeHead: string;
  readonly records: readonly IndexedRecord[];
  /** Records that map to nothing. */
  readonly malformed: number;
  readonly tiles: readonly WrittenTile[];
  readonly writer: TileWriter;
}

/**
 * Makes epochs: folds new records into the map, computes the root, and commits state, tiles and leaf in one synced
 * batch (spec/log.md §8). It signs nothing.
 */
export class Builder {
  readonly #store: Store;
  readonly #sumdbKey: VerifierKey;
  readonly #sha256: Sha256;
  readonly #onStep: (step: BuildStep, epoch: number) => void;
  readonly #onModules: (paths: Iterable<string>) => void;
  readonly #families = new Map<string, Set<string>>();
  #state: IndexState;
  #toolchain: readonly ToolchainItem[] = [];
  #tiles: TileWriter;

  private constructor(options: BuilderOptions) {
    this.#store = options.store;
    this.#sumdbKey = options.sumdbKey;
    this.#sha256 = options.sha256 ?? defaultSha256;
    this.#onStep = options.onStep ?? (() => {});
    this.#onModules = options.onModules ?? (() => {});
    this.#tiles = TileWriter.open(0, () => undefined, this.#sha256);
    this.#state = {
      epoch: 0,
      leaf: undefined,
      tree: PrefixTree.empty(this.#sha256),
      sumdbSizes: [],
      log: new OutputLog(this.#sha256),
      modules: 0,
      malformed: 0,
    };
  }

  /**
   * Loads the newest epoch, recomputing every root from what is stored.
   *
   * @throws ProofdnsError `STORE_UNUSABLE` for a damaged store, `MAP_ROOT_MISMATCH` if a recomputed root is not the one in the leaf
   */
  static async open(options: BuilderOptions): Promise<Builder> {
    const builder = new Builder(options);
    await builder.#load();
    return builder;
  }

  /** The newest committed epoch. */
  get state(): IndexState {
    return this.#state;
  }

  /** The tree of the checksum database that the newest epoch covers, for a follower. Reads tiles from the store while it is used. */
  known(): { treeHead: TreeHead; signedTreeHead: string | undefined; frontier: Frontier; readHashes: HashReader } {
    const { leaf } = this.#state;
    const treeSize = leaf?.treeHead.treeSize ?? 0;
    const readHashes: HashReader = (subtrees) =>
      tileHashReader(treeSize, (level, index) => this.#store.tile(level, index), this.#sha256)(subtrees);
    const peaks = readHashes(coverRange(0, treeSize));
    return {
      treeHead: { treeSize, rootHash: computeRootFromPeaks(peaks, this.#sha256) },
      signedTreeHead: leaf === undefined ? undefined : formatSignedTreeHead(leaf, this.#sumdbKey),
      frontier: Frontier.of(treeSize, peaks, this.#sha256),
      readHashes,
    };
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
   * Reads all new records of a larger tree head, and checks once more that they give the signed root. Takes as long as the network
   * does, and changes nothing.
   *
   * @throws ProofdnsError whatever reading the records throws, or `MAP_ROOT_MISMATCH` if they do not give the signed root
   */
  async read(window: SumdbWindow, signal?: AbortSignal): Promise<ReadWindow> {
    const epoch = this.#state.epoch + 1;
    const records: IndexedRecord[] = [];
    const recordHashes: Hash[] = [];
    let malformed = 0;
    let logIndex = this.#tiles.treeSize;
    for await (const batch of window.batches(signal)) {
      if (batch.firstIndex !== logIndex)
        throw new TypeError(`records from ${batch.firstIndex} where ${logIndex} comes next`);
      for (const [i, text] of batch.texts.entries()) {
        const recordHash = batch.recordHashes[i] as Hash;
        const record = parseRecord(text);
        if (record === undefined) malformed++;
        else records.push({ record, logIndex, recordHash });
        recordHashes.push(recordHash);
        logIndex++;
      }
    }
    const all = this.known().frontier.appendAll(recordHashes);
    const { treeSize, rootHash } = window.treeHead;
    if (all.treeSize !== treeSize || !equalBytes(all.root(), rootHash)) {
      throw new ProofdnsError(
        "MAP_ROOT_MISMATCH",
        `the records up to ${all.treeSize} do not give the signed root of the checksum database at ${treeSize}`,
      );
    }
    this.#onStep("fetched", epoch);
    const { signedTreeHead } = window;
    return { epoch, signedTreeHead, records, malformed, ...this.#tiles.append(recordHashes) };
  }

  /**
   * Folds what was read into the map and commits the next epoch in one synced batch. `now` is in Unix seconds.
   *
   * @throws ProofdnsError `STORE_UNUSABLE`; nothing has changed then
   */
  async commit(read: ReadWindow, now: number): Promise<IndexState> {
    const before = this.#state;
    const { epoch } = read;
    if (epoch !== before.epoch + 1) throw new TypeError(`epoch ${epoch} was read, ${before.epoch + 1} comes next`);
    const after = await this.#fold(read.records);
    const tree = before.tree.update(after.changes);
    const { treeHead, sumdbSignature } = parseSignedTreeHead(read.signedTreeHead, this.#sumdbKey);
    const leaf: EpochLeaf = { mapRoot: tree.rootHash(), treeHead, sumdbSignature };
    const leafText = formatLeaf(leaf, this.#sumdbKey);
    const malformed = before.malformed + read.malformed;
    this.#onStep("computed", epoch);
    await this.#store.commitEpoch({
      epoch,
      leafText,
      states: after.modules,
      entries: entriesOf(after),
      majors: after.uncutMajors,
      tiles: read.tiles,
      toolchain: formatToolchainValue(after.toolchain),
      malformed,
      growthTime: now,
    });
    // It is on disk: first everything here follows, then others are told.
    const newPaths = after.modules
      .filter(({ state, records }) => state.subLog.treeSize === records.length)
      .map(({ path }) => path);
    for (const { path } of after.modules) this.#addToFamily(path);
    this.#tiles = read.writer;
    this.#toolchain = after.toolchain;
    before.log.append(computeEpochLeafHash(leafText, this.#sha256));
    const sumdbSizes = [...before.sumdbSizes, treeHead.treeSize];
    const modules = before.modules + newPaths.length;
    this.#state = { epoch, leaf, tree, sumdbSizes, log: before.log, modules, malformed };
    this.#onModules(newPaths);
    this.#onStep("committed", epoch);
    return this.#state;
  }

  async #fold(records: readonly IndexedRecord[]): Promise<MapAfter> {
    const family = (basePath: string): Iterable<string> => this.#families.get(basePath) ?? [];
    const paths = [...pathsToLoad(records, family)];
    const indexKeys = paths.map((path) => computeIndexKey(path, this.#sha256));
    const texts = await this.#store.getStates(indexKeys);
    const states = new Map<string, ModuleState>();
    for (const [i, path] of paths.entries()) {
      const text = texts[i];
      const state = text === undefined ? undefined : parseModuleState(text, path, this.#sha256);
      // What is read must be what the tree commits to, and nothing else is folded into the next root.
      const value = this.#state.tree.get(indexKeys[i] as Hash);
      const found = state === undefined ? "" : computeModuleValue(path, state, text as string, this.#sha256);
      if ((value === undefined ? "" : decodeUtf8(value)) !== found) {
        throw new ProofdnsError(
          "STORE_UNUSABLE",
          `the stored state of ${path} is not the one in the map; restore the store from a backup`,
        );
      }
      if (state !== undefined) states.set(path, state);
    }
    const state = (path: string): ModuleState | undefined => states.get(path);
    return foldWindow({ state, family, toolchain: this.#toolchain }, records, this.#sha256);
  }

  #addToFamily(path: string): void {
    const member = familyOf(path);
    if (member === undefined) return;
    const majors = this.#families.get(member.basePath);
    if (majors === undefined) this.#families.set(member.basePath, new Set([member.major]));
    else majors.add(member.major);
  }

  async #load(): Promise<void> {
    const { log } = this.#state;
    const sumdbSizes: number[] = [];
    let leaf: EpochLeaf | undefined;
    for await (const text of this.#store.leaves()) {
      leaf = parseLeaf(text, this.#sumdbKey);
      sumdbSizes.push(leaf.treeHead.treeSize);
      log.append(computeEpochLeafHash(text, this.#sha256));
    }
    const epoch = sumdbSizes.length;
    const signed = await this.#store.newestSigned();
    if (signed > epoch) {
      throw new ProofdnsError(
        "STORE_UNUSABLE",
        `epoch ${signed} was signed, and the store has lost its leaf: to make it again would sign another log. Restore the newest store, or begin a new log with a new key (${this.#store.markPath} says what was signed)`,
      );
    }
    const { tree, paths } = await this.#loadMap();
    if (leaf === undefined) {
      if (paths.length > 0)
        throw new ProofdnsError("STORE_UNUSABLE", "the store has states and no epoch; restore it from a backup");
      return;
    }
    const found = tree.rootHash();
    if (!equalBytes(found, leaf.mapRoot)) {
      throw new ProofdnsError(
        "MAP_ROOT_MISMATCH",
        `the stored states give map root ${formatHex(found)}, epoch ${epoch} has ${formatHex(leaf.mapRoot)}; nothing is served. Restore the store from a backup`,
      );
    }
    this.#loadTiles(leaf);
    this.#onModules(paths);
    const malformed = await this.#store.malformed();
    this.#state = { epoch, leaf, tree, sumdbSizes, log, modules: paths.length, malformed };
  }

  /** Recomputes the whole map from the stored states. */
  async #loadMap(): Promise<{ tree: PrefixTree; paths: string[] }> {
    const pairs: { indexKey: Uint8Array; value: Uint8Array }[] = [];
    const add = (subject: string, value: string): void => {
      pairs.push({ indexKey: computeIndexKey(subject, this.#sha256), value: encodeUtf8(value) });
    };
    const latest = new Map<string, Omit<MajorItem, "major">>();
    for await (const { path, stateText } of this.#store.states()) {
      const state = parseModuleState(stateText, path, this.#sha256);
      add(path, computeModuleValue(path, state, stateText, this.#sha256));
      const line = selectLatest(path, state, this.#sha256).latest;
      latest.set(path, { path, version: line.version, logIndex: line.logIndex });
      this.#addToFamily(path);
    }
    for (const [basePath, majors] of this.#families) {
      const items: MajorItem[] = [];
      for (const major of [undefined, ...majors]) {
        const item = latest.get(major === undefined ? basePath : familyMemberPath(basePath, major));
        if (item !== undefined) items.push({ ...item, major });
      }
      add(majorsSubject(basePath), computeMajorsValue(formatMajorItems(items), this.#sha256));
    }
    const toolchain = await this.#store.toolchain();
    if (toolchain !== "") {
      this.#toolchain = parseToolchainValue(toolchain, Number.MAX_SAFE_INTEGER);
      add(TOOLCHAIN_SUBJECT, toolchain);
    }
    return { tree: PrefixTree.of(pairs, this.#sha256), paths: [...latest.keys()] };
  }

  /** Recomputes the root of the checksum database from the stored tiles. */
  #loadTiles(leaf: EpochLeaf): void {
    const { treeSize, rootHash } = leaf.treeHead;
    try {
      const read = (level: number, index: number): Uint8Array | undefined => this.#store.tile(level, index);
      this.#tiles = TileWriter.open(treeSize, read, this.#sha256);
      const root = computeRoot(treeSize, tileHashReader(treeSize, read, this.#sha256), this.#sha256);
      if (!equalBytes(root, rootHash)) throw new RangeError("they give another root");
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ProofdnsError(
        "STORE_UNUSABLE",
        `the stored hash tiles do not give the signed root of the checksum database: ${why}`,
        { cause },
      );
    }
  }
}

/** The new records of each touched module, with their places in its sub-log. */
function entriesOf(after: MapAfter): EpochBatch["entries"] {
  return after.modules.flatMap(({ indexKey, state, records }) =>
    records.map(({ record, logIndex }, i) => ({
      indexKey,
      position: state.subLog.treeSize - records.length + i,
      entry: { logIndex, version: record.version.text, zipHash: record.zipHash, goModHash: record.goModHash },
    })),
  );
}
