import { closeSync, existsSync, fdatasync, ftruncateSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { explainIo } from "../store/damage.ts";
import { ENTRIES_HEADER_LENGTH, ENTRY_LENGTH, encodeEntriesHeader } from "../store/entry-file.ts";
import { syncDirectory, writeExactly } from "../store/file-bytes.ts";
import { ENTRIES_FILE, STATES_FILE } from "../store/file-set.ts";
import { hashFileName, hashLevels } from "../store/hash-files.ts";
import { encodeStatesHeader, STATE_INDEX_LENGTH, STATES_HEADER_LENGTH } from "../store/state-file.ts";
import { Store } from "../store/store.ts";
import { computeValuesLayout, encodeValuesHeader, valuesFileName } from "../store/values-file.ts";
import { type SignedTreeHead, verifySignedTreeHead } from "../sumdb/signed-head.ts";
import { encodeUtf8, equalBytes, formatHex, parseHex } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import type { Frontier } from "../vindex/frontier.ts";
import { formatLeaf, parseLeaf, parseSignedTreeHead } from "../vindex/leaf.ts";
import { TOOLCHAIN_SUBJECT } from "../vindex/module-path.ts";
import { computeIndexKey } from "../vindex/module-value.ts";
import { formatVerifierKey, type VerifierKey } from "../vindex/note.ts";
import { nodeEd25519, nodeSha256 } from "../vindex/platform.ts";
import { HASH_LENGTH, type Hash } from "../vindex/sha256.ts";
import { computeEmptyRoot } from "../vindex/tlog.ts";
import { type BuildJob, type BuildResult, makeBuildWorker } from "./build-jobs.ts";
import { type FoldedFamilies, readPart } from "./families.ts";
import type { FoldedPartition, FoldJob } from "./fold.ts";
import { type BuildWorld, CHUNK_RECORDS, chunkCount, familyBits, partitionOf, workFile } from "./layout.ts";
import { computeLog, findWrongTiles, wrongTilesError } from "./log-root.ts";
import type { MergedPartition } from "./merge.ts";
import { type Progress, readProgress, writeProgress } from "./progress.ts";
import { planResources, tooLargeError } from "./resources.ts";
import { DIRECTORY_WORDS, type ScannedChunk } from "./scan.ts";
import { joinSubtrees } from "./subtree-root.ts";
import { type JobPool, LocalPool, WorkerPool } from "./worker-pool.ts";

export type BuildStage = "scan" | "fold" | "families" | "merge" | "commit";

/** What a build is made of. */
export interface BuildOptions {
  /** The data directory; made if missing. */
  readonly folder: string;
  /** Folder of tiles (`SumdbTiles`). */
  readonly tilesFolder: string;
  /** Verified; of the tree that is built, unless an earlier run began with another. */
  readonly head: SignedTreeHead;
  /** The tiles were made for this build: wrong ones are removed, so that the same command makes them anew. */
  readonly ownsTiles?: boolean;
  readonly sumdbKey: VerifierKey;
  /** Threads beside this one; none do: then the work is done in this one. */
  readonly workers: number;
  /** Bytes that the process may have resident. */
  readonly memory: number;
  /** Unix seconds. */
  readonly now: number;
  /** Instead of what follows from the memory. */
  readonly partitionBits?: number;
  /** Milliseconds between two writings of the progress file; 100 by default. */
  readonly pace?: number;
  /** Told as records and partitions are done: `done` of `all` of a stage, some of them by an earlier run. */
  readonly onProgress?: (stage: BuildStage, done: number, all: number, before: number) => void;
  /** Called between steps; a crash there must lose nothing. */
  readonly onStep?: (step: string) => void;
}

/** What was built. */
export interface BuildReport {
  readonly records: number;
  readonly modules: number;
  readonly keys: number;
  /** Records that map to nothing. */
  readonly malformed: number;
  readonly mapRoot: string;
  /** Of this run, by stage. */
  readonly seconds: Readonly<{ [stage in BuildStage]: number }>;
}

const syncData = promisify(fdatasync);

const SAVE_PACE = 100;
/** Spill files that are kept open: more than a log of a hundred million records has. */
const MAX_OPEN_FILES = 2000;

/** Name of the folder, in the data directory, of a build that is under way. */
export const WORK_FOLDER = "build";

/**
 * Builds the index of a whole checksum database from its tiles: epoch 1 of a store that has none, unsigned until it is served.
 *
 * It begins where an earlier run that was killed has stopped. Everything stands in the folder `build` until it is whole; then the files are
 * moved and the epoch is committed in one synced batch.
 *
 * @throws ProofdnsError `STORE_UNUSABLE` if the directory has an index, or cannot be written; `BAD_TILE` if the tiles do not give the signed
 *   root; `UNREACHABLE` if one is missing; `MALFORMED_INPUT` if the memory is too little,
 *   or there are no records
 */
export async function buildIndex(options: BuildOptions): Promise<BuildReport> {
  if (options.head.treeHead.treeSize === 0) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `the signed tree of ${options.tilesFolder} has no records: there is nothing to build`,
    );
  }
  const build = new Build(options);
  try {
    return await build.run();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof ProofdnsError || typeof code !== "string" || !/^E[A-Z]+$/.test(code)) throw error;
    throw explainIo(`cannot build the index in ${options.folder}`, error);
  }
}

/**
 * True if a directory has a build that is not done: it must be finished by the same `proofdns build`, or `DIR/build` be removed, before anything
 * else makes an index there. With the directory's open store, one that was committed and not put away is none.
 */
export async function isHalfBuilt(folder: string, store?: Store): Promise<boolean> {
  const work = join(folder, WORK_FOLDER);
  const isThere = existsSync(workFile.progress(work)) || existsSync(workFile.source(work));
  return isThere && (store === undefined || (await store.newestEpoch()) === 0);
}

/**
 * Refuses a directory that has an index, before anything is fetched for another.
 *
 * @throws ProofdnsError `STORE_UNUSABLE`
 */
export async function refuseIndex(folder: string, sumdbKey: VerifierKey): Promise<void> {
  const store = await Store.open(folder, { sumdbKey: formatVerifierKey(sumdbKey) });
  try {
    if ((await store.newestEpoch()) === 0 || existsSync(workFile.progress(join(folder, WORK_FOLDER)))) return;
    throw hasIndex(folder);
  } finally {
    await store.close();
  }
}

function hasIndex(folder: string, why = "serve it (proofdns serve), or build in an empty directory"): ProofdnsError {
  return new ProofdnsError("STORE_UNUSABLE", `${folder} has an index already: ${why}`);
}

class Build {
  readonly #o: BuildOptions;
  readonly #work: string;
  readonly #seconds = { scan: 0, fold: 0, families: 0, merge: 0, commit: 0 };
  #progress: Progress;
  #store: Store | undefined;
  #pool: Pool | undefined;
  #world: BuildWorld;
  #head: SignedTreeHead;
  #partitionBytes = 0;
  #saved = 0;
  readonly #background: Promise<void>[] = [];
  readonly #pace: number;

  constructor(options: BuildOptions) {
    this.#o = options;
    this.#work = join(options.folder, WORK_FOLDER);
    this.#head = options.head;
    this.#pace = options.pace ?? SAVE_PACE;
    this.#progress = {
      verifierKey: formatVerifierKey(options.sumdbKey),
      signedTreeHead: options.head.signedTreeHead,
      partitionBits: 0,
      scanned: [],
      folded: [],
      isFolded: false,
    };
    this.#world = this.#makeWorld();
  }

  #makeWorld(): BuildWorld {
    const { treeSize } = this.#head.treeHead;
    return {
      tiles: { folder: this.#o.tilesFolder, treeSize, isOwn: this.#o.ownsTiles },
      workFolder: this.#work,
      partitionBits: this.#progress.partitionBits,
      treeSize,
    };
  }

  async run(): Promise<BuildReport> {
    // It is held open to the end, so that nothing else makes an index there meanwhile.
    this.#store = await Store.open(this.#o.folder, { sumdbKey: this.#progress.verifierKey });
    try {
      await this.#refuseIndex(this.#store);
      this.#begin();
      const { treeSize } = this.#head.treeHead;
      const { workers } = this.#o;
      this.#pool =
        workers === 0
          ? new LocalPool(makeBuildWorker(this.#world))
          : new WorkerPool(workerModule(), workers, this.#world);
      const frontier = await this.#timed("scan", () => this.#scan(this.#pool as Pool));
      await this.#timed("fold", () => this.#foldAll(this.#pool as Pool));
      this.#finishEarlyFiles();
      const families = await this.#timed("families", () => this.#foldFamilies(this.#pool as Pool));
      const merged = await this.#timed("merge", () => this.#merge(this.#pool as Pool, families));
      await this.#pool.close();
      const malformed = this.#malformed;
      const modules = this.#progress.folded.reduce((sum, part) => sum + part.modules, 0);
      const root = await this.#timed("commit", () => this.#commit(frontier, families, merged, { modules, malformed }));
      return {
        records: treeSize,
        modules,
        keys: merged.reduce((sum, { keys }) => sum + keys, 0),
        malformed,
        mapRoot: formatHex(root),
        seconds: this.#seconds,
      };
    } finally {
      await this.#pool?.close();
      await Promise.allSettled(this.#background);
      await this.#store.close();
    }
  }

  async #refuseIndex(store: Store): Promise<void> {
    if ((await store.newestEpoch()) === 0) return;
    const earlier = existsSync(workFile.progress(this.#work)) ? readProgress(this.#work) : undefined;
    if (earlier !== undefined) {
      // Killed after the commit: all that is missing is that its work is put away.
      for await (const text of store.leaves()) {
        const { treeHead } = parseLeaf(text, this.#o.sumdbKey);
        const built = parseSignedTreeHead(earlier.signedTreeHead, this.#o.sumdbKey).treeHead;
        if (!equalBytes(treeHead.rootHash, built.rootHash)) break;
        rmSync(this.#work, { recursive: true, force: true });
        throw hasIndex(this.#o.folder, "the build before was complete; serve it (proofdns serve)");
      }
    }
    throw hasIndex(this.#o.folder);
  }

  /** Takes up an earlier run's work, or begins. */
  #begin(): void {
    const { partitionBits, workers, memory, sumdbKey } = this.#o;
    mkdirSync(this.#work, { recursive: true, mode: 0o700 });
    const found = readProgress(this.#work);
    // Own tiles that were taken over anew, after a damage, may be of a larger tree.
    const isOfOtherTree =
      this.#o.ownsTiles === true &&
      found?.verifierKey === this.#progress.verifierKey &&
      found.signedTreeHead !== this.#progress.signedTreeHead;
    const earlier = isOfOtherTree ? undefined : found;
    if (earlier !== undefined) {
      if (earlier.verifierKey !== this.#progress.verifierKey) {
        throw new ProofdnsError(
          "STORE_UNUSABLE",
          `${this.#work} is a build of ${earlier.verifierKey}; finish that one, or remove the folder`,
        );
      }
      this.#head = verifySignedTreeHead(encodeUtf8(earlier.signedTreeHead), sumdbKey, nodeEd25519());
      this.#progress = earlier;
    }
    const { treeSize } = this.#head.treeHead;
    const planned = planResources(treeSize, Math.max(1, workers), memory);
    this.#partitionBytes = planned.partitionBytes;
    if (earlier === undefined) {
      this.#progress = { ...this.#progress, partitionBits: partitionBits ?? planned.partitionBits };
      this.#save({});
    }
    this.#world = this.#makeWorld();
    this.#takeBack();
    for (const path of this.#sharedFiles()) closeSync(openSync(path, "a", 0o644));
  }

  /** The files that all workers write into, each at its places. */
  #sharedFiles(): string[] {
    return [
      workFile.hashes(this.#work, 0),
      workFile.hashes(this.#work, 1),
      workFile.entries(this.#work),
      workFile.states(this.#work),
      workFile.values(this.#work),
    ];
  }

  /** Names of the files in the work folder and, beside each, in the folder of files that last. */
  #lastingFiles(): (readonly [work: string, lasting: string])[] {
    const files = join(this.#o.folder, "files");
    const levels = hashLevels(this.#head.treeHead.treeSize);
    return [
      ...Array.from(
        { length: levels },
        (_, level) => [workFile.hashes(this.#work, level), join(files, hashFileName(level))] as const,
      ),
      [workFile.entries(this.#work), join(files, ENTRIES_FILE)],
      [workFile.states(this.#work), join(files, STATES_FILE)],
      [workFile.values(this.#work), join(files, valuesFileName(1))],
    ];
  }

  /** A run that was killed while it moved the files has left them in two places. */
  #takeBack(): void {
    for (const [work, lasting] of this.#lastingFiles())
      if (!existsSync(work) && existsSync(lasting)) renameSync(lasting, work);
  }

  #save(change: Partial<Progress>): void {
    this.#progress = { ...this.#progress, ...change };
    writeProgress(this.#work, this.#progress);
    this.#saved = performance.now();
  }

  /** The same, but not so often that the disk is busy with it: a kill costs the work of a moment. */
  #saveNow(change: Partial<Progress>): void {
    if (performance.now() - this.#saved >= this.#pace) this.#save(change);
    else this.#progress = { ...this.#progress, ...change };
  }

  #step(step: string): void {
    this.#o.onStep?.(step);
  }

  async #timed<T>(stage: BuildStage, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    this.#step(`${stage} begins`);
    const result = await work();
    this.#seconds[stage] = Math.round(performance.now() - started) / 1000;
    this.#step(`${stage} is done`);
    return result;
  }

  async #scan(pool: Pool): Promise<Frontier> {
    const { treeHead } = this.#head;
    const { treeSize } = treeHead;
    if (!this.#progress.isFolded) {
      const scanned = await checkEarlier(pool, this.#progress.scanned, (chunk) => this.#chunkFiles(chunk));
      const isDone = new Set(scanned.map(({ chunk }) => chunk));
      const jobs: BuildJob[] = [];
      for (let chunk = 0; chunk < chunkCount(treeSize); chunk++) if (!isDone.has(chunk)) jobs.push({ scan: chunk });
      const sizeOf = (chunk: number): number => Math.min(CHUNK_RECORDS, treeSize - chunk * CHUNK_RECORDS);
      let done = scanned.reduce((sum, { chunk }) => sum + sizeOf(chunk), 0);
      const before = done;
      this.#earlierChunks = isDone;
      await pool.run(jobs, (result) => {
        if (!("scanned" in result)) return;
        this.#step(`chunk ${result.scanned.chunk} is written`);
        scanned.push(result.scanned);
        this.#saveNow({ scanned: [...scanned] });
        done += sizeOf(result.scanned.chunk);
        this.#o.onProgress?.("scan", done, treeSize, before);
        this.#step(`chunk ${result.scanned.chunk} is recorded`);
      });
    }
    this.#save({});
    const { frontier, rows } = computeLog(this.#work, treeSize);
    const root = treeSize === 0 ? computeEmptyRoot(nodeSha256) : frontier.root();
    if (!equalBytes(root, treeHead.rootHash)) await this.#refuseTiles();
    for (const { level, hashes } of rows) {
      const fd = openSync(workFile.hashes(this.#work, level), "w", 0o644);
      try {
        writeExactly(fd, hashes, 0);
      } finally {
        closeSync(fd);
      }
    }
    return frontier;
  }

  /** Chunks that an earlier run has scanned: their segments are checked as they are read. */
  #earlierChunks: ReadonlySet<number> = new Set();

  #chunkFiles({ chunk, directoryCrc, hashesCrc, tileHashesCrc }: ScannedChunk): readonly CheckedBytes[] {
    const first = chunk * CHUNK_RECORDS;
    const count = Math.min(CHUNK_RECORDS, this.#head.treeHead.treeSize - first);
    const tiles = Math.floor(count / 256);
    const directory = 4 * DIRECTORY_WORDS * 2 ** this.#progress.partitionBits;
    return [
      { path: workFile.spill(this.#work, chunk), at: 0, length: directory, crc: directoryCrc },
      { path: workFile.hashes(this.#work, 0), at: HASH_LENGTH * first, length: HASH_LENGTH * count, crc: hashesCrc },
      {
        path: workFile.hashes(this.#work, 1),
        at: (HASH_LENGTH * first) / 256,
        length: HASH_LENGTH * tiles,
        crc: tileHashesCrc,
      },
    ];
  }

  /** Forgets the chunks whose tiles are wrong, so that the next run reads them again, and says which they are. */
  async #refuseTiles(): Promise<never> {
    const { tiles } = this.#world;
    if (this.#progress.isFolded) {
      throw new ProofdnsError("STORE_UNUSABLE", `the hashes in ${this.#work} were changed; remove it and build again`);
    }
    const wrong = await findWrongTiles(this.#work, tiles, this.#head.treeHead);
    const chunks = new Set(wrong?.map((tile) => Math.floor((tile * 256) / CHUNK_RECORDS)));
    const isSuspect = (chunk: number): boolean => chunks.size === 0 || chunks.has(chunk);
    this.#save({ scanned: this.#progress.scanned.filter(({ chunk }) => !isSuspect(chunk)) });
    throw wrongTilesError(tiles, wrong);
  }

  async #foldAll(pool: Pool): Promise<void> {
    const partitions = 2 ** this.#progress.partitionBits;
    const earlier = await checkEarlier(pool, this.#progress.folded, (part) => this.#partFiles(part));
    if (this.#progress.isFolded) {
      if (earlier.length === partitions) return;
      throw new ProofdnsError(
        "STORE_UNUSABLE",
        `files in ${this.#work} are not what was written; remove it and build again`,
      );
    }
    const folded = [...earlier];
    const isDone = new Set(folded.map(({ partition }) => partition));
    const files = new Int32Array(chunkCount(this.#head.treeHead.treeSize)).fill(-1);
    const jobs = this.#makeFoldJobs(files).filter(({ partition }) => !isDone.has(partition));
    for (const { segments } of jobs) {
      const bytes = segments.reduce((sum, value, i) => (i % 2 === 1 ? sum + value : sum), 0);
      if (bytes > this.#partitionBytes) throw tooLargeError(bytes, Math.max(1, this.#o.workers));
    }
    let done = folded.length;
    const before = done;
    this.#openSpills(files);
    const folding = pool.run(
      jobs.map((fold) => ({ fold })),
      (result) => {
        if (!("folded" in result)) return;
        this.#step(`partition ${result.folded.partition} is written`);
        folded.push(result.folded);
        this.#saveNow({ folded: [...folded] });
        this.#o.onProgress?.("fold", ++done, partitions, before);
        this.#step(`partition ${result.folded.partition} is recorded`);
      },
    );
    try {
      await folding;
    } finally {
      for (const fd of files) if (fd >= 0) closeSync(fd);
    }
    this.#save({ isFolded: true });
    this.#step("spills are not needed");
    for (let chunk = 0; chunk < chunkCount(this.#head.treeHead.treeSize); chunk++) {
      this.#inBackground(rm(workFile.spill(this.#work, chunk), { force: true }));
    }
  }

  /** Opens the spill files for all threads: each of them reads from all. −1 for those that the system has no room for. */
  #openSpills(files: Int32Array): void {
    try {
      for (let chunk = 0; chunk < Math.min(files.length, MAX_OPEN_FILES); chunk++) {
        files[chunk] = openSync(workFile.spill(this.#work, chunk), "r");
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EMFILE") throw error;
      // Some are left for what else has to be opened.
      for (let i = 0; i < 64; i++) {
        const last = files.findLastIndex((fd) => fd >= 0);
        if (last < 0) break;
        closeSync(files[last] as number);
        files[last] = -1;
      }
    }
  }

  #partFiles(part: FoldedPartition): readonly CheckedBytes[] {
    const { partition, modules, valueBytes } = part;
    return [
      { path: workFile.entries(this.#work), at: part.entriesAt, length: part.entriesLength, crc: part.entriesCrc },
      {
        path: workFile.partStates(this.#work, partition),
        at: 0,
        length: part.stateBytes + STATE_INDEX_LENGTH * part.blocks,
        crc: part.statesCrc,
      },
      {
        path: workFile.partValues(this.#work, partition),
        at: 0,
        length: (HASH_LENGTH + 1) * modules + valueBytes,
        crc: part.valuesCrc,
      },
      {
        path: workFile.members(this.#work, partition),
        at: 0,
        length: part.members.reduce((sum, length) => sum + length, 0),
        crc: part.membersCrc,
      },
    ];
  }

  /** What each partition has in the spill files, and where its entries go. */
  #makeFoldJobs(files: Int32Array): FoldJob[] {
    const partitions = 2 ** this.#progress.partitionBits;
    const bytes = 4 * DIRECTORY_WORDS * partitions;
    const directories = Array.from({ length: chunkCount(this.#head.treeHead.treeSize) }, (_, chunk) => {
      const path = workFile.spill(this.#work, chunk);
      return { chunk, words: new Uint32Array(readPart(path, 0, bytes).buffer), at: bytes };
    });
    let entriesAt = ENTRIES_HEADER_LENGTH;
    return Array.from({ length: partitions }, (_, partition) => {
      let records = 0;
      let versionBytes = 0;
      const segments = new Float64Array(2 * directories.length);
      const crcs = new Float64Array(directories.length).fill(-1);
      for (const directory of directories) {
        const { chunk, words } = directory;
        const from = DIRECTORY_WORDS * partition;
        const length = words[from] as number;
        records += words[from + 1] as number;
        versionBytes += words[from + 2] as number;
        segments[2 * chunk] = directory.at;
        segments[2 * chunk + 1] = length;
        if (this.#earlierChunks.has(chunk)) crcs[chunk] = words[from + 3] as number;
        directory.at += length;
      }
      const job = { partition, segments, files, crcs, records, entriesAt };
      entriesAt += ENTRY_LENGTH * records + versionBytes;
      return job;
    });
  }

  async #foldFamilies(pool: Pool): Promise<FoldedFamilies[]> {
    const folded = byPartition(this.#progress.folded);
    const places = folded.map(({ members }) => placesOf(members));
    const parts = Float64Array.from(folded.flatMap(({ modules, valueBytes }) => [modules, valueBytes]));
    const groups = 2 ** familyBits(this.#progress.partitionBits);
    const jobs = Array.from({ length: groups }, (_, group) => ({
      families: {
        group,
        lists: Float64Array.from(folded.flatMap(({ members }, p) => [places[p]?.[group] ?? 0, members[group] ?? 0])),
        parts,
      },
    }));
    const families: FoldedFamilies[] = [];
    await pool.run(jobs, (result) => {
      if (!("families" in result)) return;
      families.push(result.families);
      this.#o.onProgress?.("families", families.length, groups, 0);
      this.#step(`families ${result.families.group} are written`);
    });
    return families.sort((a, b) => a.group - b.group);
  }

  async #merge(pool: Pool, families: readonly FoldedFamilies[]): Promise<MergedPartition[]> {
    const folded = byPartition(this.#progress.folded);
    const toolchain = this.#toolchain();
    const toolchainOwner = partitionOf(computeIndexKey(TOOLCHAIN_SUBJECT, nodeSha256), this.#progress.partitionBits);
    // A family's value takes its key and its length more in the file that it comes from.
    const sizes = families.map(({ counts, valueBytes }) =>
      Array.from(counts, (n, i) => (HASH_LENGTH + 1) * n + (valueBytes[i] ?? 0)),
    );
    const places = sizes.map(placesOf);
    const sums = folded.map((part, p) => {
      const own = p === toolchainOwner ? toolchain : undefined;
      const count = families.reduce(
        (sum, { counts }) => sum + (counts[p] ?? 0),
        part.modules + (own === undefined ? 0 : 1),
      );
      const bytes = families.reduce(
        (sum, { valueBytes }) => sum + (valueBytes[p] ?? 0),
        part.valueBytes + (own?.length ?? 0),
      );
      return { part, own, count, bytes };
    });
    const keys = sums.reduce((sum, { count }) => sum + count, 0);
    const valueBytes = sums.reduce((sum, { bytes }) => sum + bytes, 0);
    const layout = computeValuesLayout(keys, valueBytes);
    const indexAt = folded.reduce((sum, { stateBytes }) => sum + stateBytes, STATES_HEADER_LENGTH);
    let at = { key: 0, value: 0, state: STATES_HEADER_LENGTH, block: 0 };
    const jobs = sums.map(({ part, own, count, bytes }, p) => {
      const { partition, modules, stateBytes, blocks } = part;
      const job = {
        merge: {
          partition,
          modules,
          valueBytes: part.valueBytes,
          families: Float64Array.from(families.flatMap((_, f) => [places[f]?.[p] ?? 0, sizes[f]?.[p] ?? 0])),
          toolchain: own,
          keysAt: layout.keysAt + HASH_LENGTH * at.key,
          lengthsAt: layout.lengthsAt + at.key,
          valuesAt: layout.valuesAt + at.value,
          stateBytes,
          blocks,
          statesAt: at.state,
          indexAt: indexAt + STATE_INDEX_LENGTH * at.block,
        },
      };
      at = { key: at.key + count, value: at.value + bytes, state: at.state + stateBytes, block: at.block + blocks };
      return job;
    });
    const merged: MergedPartition[] = [];
    await pool.run(jobs, (result) => {
      if (!("merged" in result)) return;
      merged.push(result.merged);
      this.#o.onProgress?.("merge", merged.length, folded.length, 0);
      this.#step(`partition ${result.merged.partition} is merged`);
    });
    const modules = folded.reduce((sum, part) => sum + part.modules, 0);
    this.#finishFile(workFile.values(this.#work), encodeValuesHeader(keys, valueBytes), layout.size);
    const statesSize = indexAt + STATE_INDEX_LENGTH * at.block;
    this.#finishFile(workFile.states(this.#work), encodeStatesHeader(modules, at.block, indexAt), statesSize);
    return byPartition(merged);
  }

  /** Completes the files that the first two stages wrote; they are synced while the others run. */
  #finishEarlyFiles(): void {
    const { treeSize } = this.#head.treeHead;
    const { folded } = this.#progress;
    const entriesLength = folded.reduce((sum, part) => sum + part.entriesLength, ENTRIES_HEADER_LENGTH);
    this.#finishFile(
      workFile.entries(this.#work),
      encodeEntriesHeader(treeSize - this.#malformed, entriesLength),
      entriesLength,
    );
    for (let level = 0, size = treeSize; level < hashLevels(treeSize); level++, size = Math.floor(size / 256)) {
      this.#finishFile(workFile.hashes(this.#work, level), new Uint8Array(0), HASH_LENGTH * size);
    }
  }

  /** Records that map to nothing. */
  get #malformed(): number {
    return this.#progress.scanned.reduce((sum, chunk) => sum + chunk.malformed, 0);
  }

  #toolchain(): string | undefined {
    return this.#progress.folded.find(({ toolchain }) => toolchain !== undefined)?.toolchain;
  }

  /** Writes the first bytes of a file that is otherwise complete, cuts off what an earlier run left behind its end, and begins to sync it. */
  #finishFile(path: string, header: Uint8Array, size: number): void {
    const fd = openSync(path, "r+");
    try {
      writeExactly(fd, header, 0);
      ftruncateSync(fd, size);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.#inBackground(syncData(fd).finally(() => closeSync(fd)));
  }

  /** Lets something go on beside the work, until the commit. */
  #inBackground(work: Promise<void>): void {
    // That it failed is told where it is waited for.
    work.catch(() => undefined);
    this.#background.push(work);
  }

  async #commit(
    frontier: Frontier,
    families: readonly FoldedFamilies[],
    merged: readonly MergedPartition[],
    counters: { modules: number; malformed: number },
  ): Promise<Hash> {
    const { folder, sumdbKey, now } = this.#o;
    await Promise.all(this.#background);
    this.#step("files are synced");
    for (const [work, lasting] of this.#lastingFiles()) {
      renameSync(work, lasting);
      this.#step(`${lasting} is moved`);
    }
    syncDirectory(join(folder, "files"));
    const roots = merged.map(({ root }) => (root === undefined ? undefined : (parseHex(root) as Hash)));
    const mapRoot = joinSubtrees(roots) ?? nodeSha256(new Uint8Array(0));
    const leafText = formatLeaf({ mapRoot, ...parseSignedTreeHead(this.#head.signedTreeHead, sumdbKey) }, sumdbKey);
    const uncutMajors = families.flatMap(({ uncut }) =>
      uncut.map(({ indexKey, items }) => ({ indexKey: parseHex(indexKey) as Hash, items })),
    );
    await this.#store?.commitBase({
      leafTexts: [leafText],
      files: { values: 1, paths: undefined, base: true, hashes: true },
      uncutMajors,
      counters,
      frontier,
      growthTime: now,
    });
    this.#step("committed");
    rmSync(this.#work, { recursive: true, force: true });
    return mapRoot;
  }
}

type Pool = JobPool<BuildJob, BuildResult>;
type CheckedBytes = Extract<BuildJob, { check: unknown }>["check"][number];

function workerModule(): URL {
  const isSource = import.meta.url.endsWith(".ts");
  return new URL(isSource ? "./worker.ts" : "./worker.js", import.meta.url);
}

/** Of what an earlier run has done, that which is on disk as it was written: a loss of power can take it away, a kill cannot. */
async function checkEarlier<T>(
  pool: Pool,
  done: readonly T[],
  filesOf: (item: T) => readonly CheckedBytes[],
): Promise<T[]> {
  const kept: T[] = [];
  const jobs = done.map((item) => ({ item, check: filesOf(item) }));
  await pool.run(
    jobs.map(({ check }) => ({ check })),
    (result, job) => {
      const from = jobs.find(({ check }) => "check" in job && check === job.check);
      if (from !== undefined && "isSame" in result && result.isSame) kept.push(from.item);
    },
  );
  return kept;
}

function byPartition<T extends { readonly partition: number }>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => a.partition - b.partition);
}

/** Where each of several pieces begins that stand one after the other. */
function placesOf(lengths: readonly number[]): number[] {
  let at = 0;
  return lengths.map((length) => {
    at += length;
    return at - length;
  });
}
