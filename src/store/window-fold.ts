import type { FlatTree } from "../vindex/flat-tree.ts";
import { isAllItems, parseMajorItems, parseMajorsValue } from "../vindex/majors-value.ts";
import { foldWindow, type IndexedRecord, pathsToLoad, type UncutMajors } from "../vindex/map-function.ts";
import { familyOf, majorsSubject, TOOLCHAIN_SUBJECT } from "../vindex/module-path.ts";
import { type ModuleState, parseModuleState } from "../vindex/module-state.ts";
import { computeIndexKey } from "../vindex/module-value.ts";
import type { MapChange } from "../vindex/prefix-tree.ts";
import { HASH_LENGTH, type Hash, type Sha256 } from "../vindex/sha256.ts";
import { parseToolchainValue, type ToolchainItem } from "../vindex/toolchain-value.ts";
import { committedHash, hasHash } from "./committed.ts";
import { damaged } from "./damage.ts";
import type { Store, StoredEntry } from "./store.ts";

/** A module as the window leaves it. */
interface Touched {
  readonly indexKey: Hash;
  readonly path: string;
  readonly state: ModuleState;
  readonly stateText: string;
}

/**
 * Folds the records of one epoch into the map, slice by slice: what is read of the store is compared with the tree before it is folded
 * into the next root, and nothing is changed.
 */
export class WindowFold {
  readonly #store: Store;
  readonly #tree: FlatTree;
  readonly #bytes: Buffer;
  readonly #sumdbSize: number;
  readonly #sha256: Sha256;
  readonly #touched = new Map<string, Touched>();
  #changes: readonly MapChange[] = [];
  #majors: readonly UncutMajors[] = [];
  readonly #families = new Map<string, ReadonlySet<string>>();
  /** Subjects that were looked up. */
  readonly #subjects = new Map<string, Subject>();
  readonly #loaded = new Map<string, ModuleState>();
  readonly #newPaths: string[] = [];
  #toolchain: readonly ToolchainItem[];

  /** Old state texts of all modules that the fold was given. */
  readonly oldStates: Map<string, string> = new Map();
  /** Old uncut items of the families whose value did not hold them, by base path. */
  readonly oldMajors: Map<string, string> = new Map();
  /** Old value of `toolchain`; empty if there was none. */
  readonly oldToolchain: string;

  /** `tree` is that of the epoch before, which covers `sumdbSize` records. */
  constructor(store: Store, tree: FlatTree, sumdbSize: number, sha256: Sha256) {
    this.#store = store;
    this.#tree = tree;
    this.#bytes = Buffer.from(tree.bytes.buffer, tree.bytes.byteOffset, tree.bytes.length);
    this.#sumdbSize = sumdbSize;
    this.#sha256 = sha256;
    this.oldToolchain = this.#valueOf(TOOLCHAIN_SUBJECT) ?? "";
    this.#toolchain = this.oldToolchain === "" ? [] : parseToolchainValue(this.oldToolchain, Number.MAX_SAFE_INTEGER);
  }

  /**
   * Folds the next records in and gives their entries, at their places in the sub-logs.
   *
   * @throws ProofdnsError `STORE_UNUSABLE` if a stored state or a family's items are not those in the map
   */
  async add(records: readonly IndexedRecord[]): Promise<StoredEntry[]> {
    this.#findAll(records);
    const family = (basePath: string): Iterable<string> => this.#family(basePath);
    const paths = [...pathsToLoad(records, family)].filter((path) => !this.#isKnown(path));
    // Only what is in the map has a state to be read.
    const wanted: { path: string; indexKey: Hash; value: string }[] = [];
    for (const path of paths) {
      const value = this.#valueOf(path);
      if (value !== undefined) wanted.push({ path, indexKey: this.#keyOf(path), value });
    }
    const texts = await this.#store.getStates(wanted.map(({ indexKey }) => indexKey));
    for (const [i, { path, value }] of wanted.entries()) this.#take(path, value, texts[i]);
    const state = (path: string): ModuleState | undefined => this.#touched.get(path)?.state ?? this.#loaded.get(path);
    const indexKey = (subject: string): Hash => this.#keyOf(subject);
    const after = foldWindow({ state, family, toolchain: this.#toolchain, indexKey }, records, this.#sha256);
    this.#changes = merge(this.#changes, after.changes);
    this.#majors = merge(this.#majors, after.uncutMajors);
    this.#toolchain = after.toolchain;
    const entries: StoredEntry[] = [];
    for (const { path, indexKey, state: next, stateText, records: own } of after.modules) {
      const before = next.subLog.treeSize - own.length;
      if (before === 0) {
        this.#newPaths.push(path);
        this.#addToFamily(path);
      }
      this.#touched.set(path, { indexKey, path, state: next, stateText });
      let position = before;
      for (const { record, logIndex } of own) {
        const { version, zipHash, goModHash } = record;
        entries.push({ indexKey, position, entry: { logIndex, version: version.text, zipHash, goModHash } });
        position++;
      }
    }
    return entries;
  }

  /** New values of all subjects that changed. */
  get changes(): readonly MapChange[] {
    return this.#changes;
  }

  /** New states of all modules that have a record in the window. */
  get states(): { indexKey: Hash; path: string; stateText: string }[] {
    return [...this.#touched.values()];
  }

  /** Uncut items of all families that were touched. */
  get majors(): readonly UncutMajors[] {
    return this.#majors;
  }

  /** Modules that had no record before. */
  get newPaths(): readonly string[] {
    return this.#newPaths;
  }

  #isKnown(path: string): boolean {
    return this.#touched.has(path) || this.#loaded.has(path);
  }

  /** Takes a stored state if it is the one that the tree commits to. */
  #take(path: string, value: string, text: string | undefined): void {
    const hash = committedHash(value);
    if (text === undefined || hash === undefined || !hasHash(text, hash)) {
      throw damaged(`the stored state of ${path} is not the one in the map`);
    }
    this.oldStates.set(path, text);
    this.#loaded.set(path, parseModuleState(text, path, this.#sha256));
  }

  /** Suffix digits of a family's members, from its value, or where that is cut from the stored items. */
  #family(basePath: string): ReadonlySet<string> {
    const known = this.#families.get(basePath);
    if (known !== undefined) return known;
    const subject = majorsSubject(basePath);
    const text = this.#valueOf(subject);
    if (text === undefined) {
      this.#families.set(basePath, NO_MAJORS);
      return NO_MAJORS;
    }
    const majors = new Set<string>();
    this.#families.set(basePath, majors);
    const value = parseMajorsValue(text, basePath, this.#sumdbSize);
    let { items } = value;
    if (!isAllItems(value, value.shown, this.#sha256)) {
      const stored = this.#store.majors(this.#keyOf(subject));
      if (stored === undefined || !isAllItems(value, stored, this.#sha256)) {
        throw damaged(`the stored items of ${subject} are not those in the map`);
      }
      this.oldMajors.set(basePath, stored);
      items = parseMajorItems(stored, basePath, this.#sumdbSize);
    }
    for (const { major } of items) if (major !== undefined) majors.add(major);
    return majors;
  }

  #addToFamily(path: string): void {
    const member = familyOf(path);
    if (member === undefined) return;
    this.#families.set(member.basePath, new Set([...this.#family(member.basePath), member.major]));
  }

  /** Looks all subjects up that the records may need: together, which is measured at half the time. */
  #findAll(records: readonly IndexedRecord[]): void {
    const names: string[] = [];
    const seen = new Set<string>();
    const add = (name: string): void => {
      if (seen.has(name) || this.#subjects.has(name)) return;
      seen.add(name);
      names.push(name);
    };
    for (const { record } of records) {
      const { path } = record;
      if (seen.has(path)) continue;
      add(path);
      add(majorsSubject(path));
      const member = familyOf(path);
      if (member === undefined) continue;
      add(member.basePath);
      add(majorsSubject(member.basePath));
    }
    this.#find(names);
  }

  #find(names: readonly string[]): void {
    const keys = new Uint8Array(HASH_LENGTH * names.length);
    let at = 0;
    for (const name of names) {
      keys.set(computeIndexKey(name, this.#sha256), at);
      at += HASH_LENGTH;
    }
    const leaves = this.#tree.findLeaves(keys, names.length);
    for (let i = 0; i < names.length; i++) {
      this.#subjects.set(names[i] as string, { keys, at: HASH_LENGTH * i, leaf: leaves[i] as number });
    }
  }

  #subject(name: string): Subject {
    if (!this.#subjects.has(name)) this.#find([name]);
    return this.#subjects.get(name) as Subject;
  }

  #keyOf(name: string): Hash {
    const subject = this.#subject(name);
    subject.indexKey ??= subject.keys.subarray(subject.at, subject.at + HASH_LENGTH);
    return subject.indexKey;
  }

  #valueOf(name: string): string | undefined {
    const { leaf } = this.#subject(name);
    if (leaf < 0) return undefined;
    // Values are ASCII.
    const at = this.#tree.valueOffset(leaf);
    return this.#bytes.toString("latin1", at, at + this.#tree.valueLength(leaf));
  }
}

/** What is known of a subject: its key among others that were looked up with it, and its leaf, −1 for none. */
interface Subject {
  readonly keys: Uint8Array;
  readonly at: number;
  readonly leaf: number;
  indexKey?: Hash;
}

const NO_MAJORS: ReadonlySet<string> = new Set();

/** What a later slice says of a key takes the place of what an earlier one said. */
function merge<T extends { readonly indexKey: Hash }>(before: readonly T[], after: readonly T[]): readonly T[] {
  if (before.length === 0) return after;
  const newest = new Map<string, T>();
  for (const one of before) newest.set(latin1(one.indexKey), one);
  for (const one of after) newest.set(latin1(one.indexKey), one);
  return [...newest.values()];
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
