import { join } from "node:path";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import type { TreeSlab } from "../vindex/tree-slab.ts";
import { type Background, runInBackground } from "./background.ts";
import { pathsFileName } from "./file-set.ts";
import { PathFile } from "./path-file.ts";
import { PathIndex } from "./path-index.ts";
import type { Store } from "./store.ts";
import { valuesFileName } from "./values-file.ts";

/** When and how the files of a store are made anew. */
export interface MaintenanceOptions {
  /** Changes of the map since the values file after which a new one is written; default a sixteenth of the map, but at least 20,000. */
  readonly flushAfter: number;
  /** Sorts the tree after each epoch, whether its order is spoilt or not; for tests. */
  readonly sortAlways: boolean;
  /** Nothing is ever written. */
  readonly isReadOnly: boolean;
  /** Called with what went wrong in the background; it is tried again after the next epoch. */
  readonly onTrouble: (error: ProofdnsError) => void;
}

export type MaintenanceStep = "flushing" | "values written" | "paths written" | "flushed" | "sorting" | "sorted";

/** Keys below which the order of a tree is no matter: all of it is near. */
const WORTH_SORTING = 50_000;

/** Work under way. */
interface Running {
  background: Background | undefined;
  done: Promise<void>;
}

/**
 * The work that no answer waits for, in threads: a values file and a path table now and then, so that journals do not grow without
 * end and a start stays short, and the tree sorted anew when new keys have spoilt its order.
 */
export class Maintenance {
  readonly #o: Partial<MaintenanceOptions> & { store: Store; slab: TreeSlab };
  readonly #store: Store;
  readonly #slab: TreeSlab;
  readonly #onStep: (step: MaintenanceStep, epoch: number) => void;
  #paths: PathIndex = PathIndex.of(undefined);
  #pathFile: PathFile | undefined;
  /** Changes of the map since the values file. */
  #journaled: number;
  /** Paths since the table, of epochs that a table under way does not cover. */
  #newer: string[] = [];
  #added: string[] = [];
  #running: Running | undefined;
  #newest = 0;
  /** Epoch at which the tree was sorted. */
  #sorted = 0;
  /** The table of an older flush: an epoch that is still served may read it until the next flush. */
  #retired: PathFile | undefined;
  #lacksPaths = false;
  #isClosed = false;

  constructor(
    options: Partial<MaintenanceOptions> & {
      store: Store;
      slab: TreeSlab;
      journaled: number;
      onStep: (step: MaintenanceStep, epoch: number) => void;
    },
  ) {
    this.#o = options;
    this.#store = options.store;
    this.#slab = options.slab;
    this.#journaled = options.journaled;
    this.#onStep = options.onStep;
  }

  /** Which v0 names exist as of the newest epoch. */
  get paths(): PathIndex {
    return this.#paths;
  }

  /** Reads the path table; if it is missing or damaged it is made anew, in the background. */
  async open(epoch: number): Promise<void> {
    const { files, filesFolder } = this.#store;
    if (files.paths !== undefined) {
      try {
        this.#pathFile = PathFile.open(join(filesFolder, pathsFileName(files.paths)));
      } catch (error) {
        if (!isProofdnsError(error)) throw error;
        this.#o.onTrouble?.(error);
      }
    }
    for await (const paths of this.#store.newPaths()) this.#added.push(...paths);
    // The paths of all epochs are in the database only where the epochs are.
    this.#lacksPaths = files.paths === undefined ? files.values !== undefined : this.#pathFile === undefined;
    this.#paths = PathIndex.of(this.#lacksPaths ? "unfinished" : this.#pathFile).add(this.#added);
    this.#newest = epoch;
    if (epoch > 0) this.start();
  }

  /** An epoch was committed. */
  committed(epoch: number, changes: number, newPaths: readonly string[]): void {
    // With the tree, which is that of this epoch from now on: a file's name must not lie.
    this.#newest = epoch;
    this.#journaled += changes;
    (this.#running === undefined ? this.#added : this.#newer).push(...newPaths);
    this.#paths = this.#paths.add(newPaths);
  }

  /** Begins what is due, unless something is under way. */
  start(): void {
    const epoch = this.#newest;
    if (this.#isClosed || this.#o.isReadOnly === true || this.#running !== undefined) return;
    const { flushAfter, sortAlways } = this.#o;
    const isDue = this.#journaled >= (flushAfter ?? Math.max(20_000, Math.floor(this.#slab.tree.size / 16)));
    const { tree, isSpoilt } = this.#slab;
    const isUnsorted = sortAlways === true ? this.#sorted < epoch : tree.size >= WORTH_SORTING && isSpoilt;
    if (!isDue && !this.#lacksPaths && !isUnsorted) return;
    const running: Running = { background: undefined, done: Promise.resolve() };
    this.#running = running;
    running.done = this.#run(epoch, isDue, isUnsorted, running);
  }

  async #run(epoch: number, isDue: boolean, isUnsorted: boolean, running: Running): Promise<void> {
    try {
      if (isDue || this.#lacksPaths) await this.#flush(epoch, isDue, this.#lacksPaths, running);
      if (isUnsorted && !this.#isClosed) await this.#sort(epoch);
    } catch (error) {
      this.#end();
      if (this.#isClosed) return;
      const { onTrouble } = this.#o;
      if (onTrouble === undefined || !isProofdnsError(error)) throw error;
      onTrouble(error);
      return;
    }
    this.#end();
    // What was committed meanwhile may be due already.
    this.start();
  }

  #end(): void {
    this.#added.push(...this.#newer.splice(0));
    this.#running = undefined;
  }

  async #sort(epoch: number): Promise<void> {
    this.#onStep("sorting", epoch);
    try {
      await this.#slab.resort();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ProofdnsError("STORE_UNUSABLE", `cannot sort the tree anew, answers stay slower: ${why}`, { cause });
    }
    this.#sorted = epoch;
    if (!this.#isClosed) this.#onStep("sorted", epoch);
  }

  async #flush(epoch: number, due: boolean, lacksPaths: boolean, running: Running): Promise<void> {
    const { files, filesFolder } = this.#store;
    const { tree } = this.#slab;
    const journaled = this.#journaled;
    const pathsPath = join(filesFolder, pathsFileName(epoch));
    const makesPaths = lacksPaths || files.paths !== epoch;
    const release = this.#slab.hold(tree);
    this.#onStep("flushing", epoch);
    try {
      const values = { path: join(filesFolder, valuesFileName(epoch)), buffer: tree.buffer, root: tree.root };
      // A table goes on from the old one; without one it is made of all states.
      const paths = {
        path: pathsPath,
        from: lacksPaths ? undefined : this.#pathFile?.path,
        states: lacksPaths ? this.#store.baseStates?.path : undefined,
        added: await this.#allAdded(lacksPaths),
      };
      const background = runInBackground({ ...(due ? { values } : {}), ...(makesPaths ? { paths } : {}) }, (point) => {
        if (!this.#isClosed) this.#onStep(point, epoch);
      });
      running.background = background;
      if (this.#isClosed) await background.stop();
      await background.done;
    } finally {
      release();
    }
    if (this.#isClosed) return;
    const next = makesPaths ? PathFile.open(pathsPath) : undefined;
    await this.#store.replaceFiles({ ...(due ? { values: epoch } : {}), ...(makesPaths ? { paths: epoch } : {}) });
    if (due) this.#journaled -= journaled;
    if (next !== undefined) {
      this.#retired?.close();
      this.#retired = this.#pathFile;
      this.#pathFile = next;
      this.#lacksPaths = false;
      this.#added = [];
      this.#paths = PathIndex.of(next).add(this.#newer);
    }
    this.#onStep("flushed", epoch);
  }

  /** Module paths for a new table: those since the old one, or, without any, those of all states in the database. */
  async #allAdded(lacksPaths: boolean): Promise<string[]> {
    if (!lacksPaths) return [...this.#added];
    const paths: string[] = [];
    for await (const [, bytes] of this.#store.overlay("state")) {
      const end = bytes.indexOf(0x0a);
      paths.push(Buffer.from(bytes.subarray(0, Math.max(0, end))).toString("latin1"));
    }
    return paths;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running.done;
  }

  /** Stops what is under way; it is begun again at the next start. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running?.background?.stop();
    await this.#running?.done;
    this.#retired?.close();
    this.#pathFile?.close();
    this.#retired = undefined;
    this.#pathFile = undefined;
  }
}
