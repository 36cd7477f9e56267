import { compareBytes } from "../vindex/bytes.ts";
import type { FlatTree } from "../vindex/flat-tree.ts";
import { foldWindow, type IndexedRecord, pathsToLoad } from "../vindex/map-function.ts";
import { familyOf, majorsSubject } from "../vindex/module-path.ts";
import { type ModuleState, parseModuleState } from "../vindex/module-state.ts";
import { computeIndexKey } from "../vindex/module-value.ts";
import type { MapChange } from "../vindex/prefix-tree.ts";
import type { Hash, Sha256 } from "../vindex/sha256.ts";
import type { ToolchainItem } from "../vindex/toolchain-value.ts";
import { TreeSlab } from "../vindex/tree-slab.ts";
import { StateTexts } from "./state-texts.ts";

/** Changed keys that are kept before they go into the tree, so that a window of any size has bounded memory. */
const MAX_PENDING = 1 << 19;

/** What was before a window, as far as the window asked: for its transition. */
export interface WindowBefore {
  readonly states: Map<string, string>;
  readonly uncutMajors: Map<string, string>;
}

/**
 * The whole map in memory: what a full auditor folds all records into. Memory is that of the tree and of the state texts,
 * whatever the number of records.
 */
export class MemoryMap {
  readonly #sha256: Sha256;
  readonly #maxPending: number;
  readonly #slab: TreeSlab;
  readonly #states = new StateTexts();
  readonly #families = new Map<string, Set<string>>();
  readonly #uncut = new Map<string, string>();
  #toolchain: readonly ToolchainItem[] = [];
  #pending = new Map<string, MapChange>();
  #before: WindowBefore = { states: new Map(), uncutMajors: new Map() };
  /** Modules that the window is the first to have: what a later part of it finds is no state before it. */
  readonly #isNew = new Set<string>();
  /** Families that the window has touched. */
  readonly #seen = new Set<string>();

  /** `maxPending`: changed keys that are kept before they go into the tree. */
  constructor(sha256: Sha256, maxPending: number = MAX_PENDING) {
    this.#sha256 = sha256;
    this.#maxPending = maxPending;
    this.#slab = TreeSlab.empty({ sha256 });
  }

  /** The tree as of the last `accept`. */
  get tree(): FlatTree {
    return this.#slab.tree;
  }

  /** Modules so far. */
  get modules(): number {
    return this.#states.size;
  }

  /** What the window since the last `accept` has found; whole only where it was kept. */
  get before(): WindowBefore {
    return this.#before;
  }

  /**
   * Folds the next well-formed records in. `keepsBefore`: the window is small enough for a transition, so the tree and the states
   * before it are kept until `accept`.
   */
  fold(records: readonly IndexedRecord[], keepsBefore: boolean): void {
    const family = (basePath: string): Iterable<string> => this.#families.get(basePath) ?? [];
    const states = new Map<string, ModuleState>();
    for (const path of pathsToLoad(records, family)) {
      const text = this.#states.get(path);
      if (text === undefined) continue;
      states.set(path, parseModuleState(text, path, this.#sha256));
      // What an earlier part of the window has changed was remembered by that part.
      if (keepsBefore && !this.#before.states.has(path)) this.#before.states.set(path, text);
    }
    const state = (path: string): ModuleState | undefined => states.get(path);
    const after = foldWindow({ state, family, toolchain: this.#toolchain }, records, this.#sha256);
    for (const change of after.changes) this.#pending.set(Buffer.from(change.indexKey).toString("latin1"), change);
    const touchedFamilies = new Map<string, string>();
    for (const { path, stateText } of after.modules) {
      if (keepsBefore && !states.has(path)) this.#isNew.add(path);
      this.#states.set(path, stateText);
      const member = familyOf(path);
      if (member !== undefined) this.#addMember(member.basePath, member.major);
      for (const base of [path, member?.basePath]) {
        if (base !== undefined && this.#families.has(base))
          touchedFamilies.set(Buffer.from(this.#familyKey(base)).toString("latin1"), base);
      }
    }
    for (const { indexKey, items } of after.uncutMajors) {
      const base = touchedFamilies.get(Buffer.from(indexKey).toString("latin1"));
      if (base === undefined) throw new TypeError("a family that no record touched");
      const old = this.#uncut.get(base);
      if (keepsBefore && old !== undefined && !this.#seen.has(base)) this.#before.uncutMajors.set(base, old);
      this.#seen.add(base);
      if (items === undefined) this.#uncut.delete(base);
      else this.#uncut.set(base, items);
    }
    this.#toolchain = after.toolchain;
    if (!keepsBefore && this.#pending.size > this.#maxPending) this.#flush();
  }

  /** The tree with the window in it; `tree` is still the one before if `keepsBefore` was said. */
  prepare(): FlatTree {
    for (const path of this.#isNew) this.#before.states.delete(path);
    return this.#slab.update(this.#takePending());
  }

  /** The next window begins. */
  accept(prepared: FlatTree): void {
    this.#slab.accept(prepared);
    this.#slab.retire(prepared);
    this.#before = { states: new Map(), uncutMajors: new Map() };
    this.#isNew.clear();
    this.#seen.clear();
  }

  #flush(): void {
    const tree = this.#slab.update(this.#takePending());
    this.#slab.accept(tree);
    this.#slab.retire(tree);
  }

  #takePending(): MapChange[] {
    const changes = [...this.#pending.values()].sort((a, b) => compareBytes(a.indexKey, b.indexKey));
    this.#pending = new Map();
    return changes;
  }

  #addMember(basePath: string, major: string): void {
    const majors = this.#families.get(basePath);
    if (majors === undefined) this.#families.set(basePath, new Set([major]));
    else majors.add(major);
  }

  #familyKey(basePath: string): Hash {
    return computeIndexKey(majorsSubject(basePath), this.#sha256);
  }
}
