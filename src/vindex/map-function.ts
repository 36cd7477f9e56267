import { decodeUtf8, encodeUtf8 } from "./bytes.ts";
import { computeMajorsValue, formatMajorItems, isAllItemsShown, type MajorItem } from "./majors-value.ts";
import { familyMemberPath, familyOf, majorsSubject, TOOLCHAIN_MODULE, TOOLCHAIN_SUBJECT } from "./module-path.ts";
import { encodeModuleState, foldRecord, type ModuleState } from "./module-state.ts";
import { computeIndexKey, encodeModuleValue, selectLatest } from "./module-value.ts";
import type { MapChange } from "./prefix-tree.ts";
import type { Record } from "./record.ts";
import { sha256 as defaultSha256, type Hash, type Sha256 } from "./sha256.ts";
import { foldToolchain, formatToolchainValue, goVersionOf, type ToolchainItem } from "./toolchain-value.ts";

/**
 * The map function `gomod-latest/1` (spec/map.md) as a fold over one window of records. A window needs, and gives, only
 * what its records touch: the states of their modules, their families, the toolchain. So an epoch costs what
 * changed, and the cut into windows cannot show in the result.
 */

/** A well-formed record with its place in the checksum database. */
export interface IndexedRecord {
  readonly record: Record;
  readonly logIndex: number;
  readonly recordHash: Hash;
}

/** What the fold needs to know of the records before the window. */
export interface MapBefore {
  /** State of a module; undefined if it has no record yet. */
  readonly state: (path: string) => ModuleState | undefined;
  /** Suffix digits of the members of a family that have a state. */
  readonly family: (basePath: string) => Iterable<string>;
  readonly toolchain: readonly ToolchainItem[];
  /** `computeIndexKey` of a subject, for callers who know some already. */
  readonly indexKey?: (subject: string) => Hash;
}

/** A module that the window touched. */
export interface TouchedModule {
  readonly path: string;
  readonly indexKey: Hash;
  readonly state: ModuleState;
  readonly stateText: string;
  /** The module's records of this window, in order. */
  readonly records: readonly IndexedRecord[];
}

/** The uncut items of a family whose value cannot hold them all; undefined if its value can. */
export interface UncutMajors {
  readonly indexKey: Hash;
  readonly items: string | undefined;
}

/** What a window of records changes. */
export interface MapAfter {
  /** New values of all subjects that changed; no two for one subject. */
  readonly changes: readonly MapChange[];
  readonly modules: readonly TouchedModule[];
  /** One for each touched family. */
  readonly uncutMajors: readonly UncutMajors[];
  readonly toolchain: readonly ToolchainItem[];
}

/** The paths whose states `foldWindow` asks for, given the well-formed records of a window. */
export function pathsToLoad(records: readonly IndexedRecord[], family: MapBefore["family"]): Set<string> {
  const paths = new Set<string>();
  for (const { record } of records) paths.add(record.path);
  for (const basePath of touchedFamilies([...paths], family)) {
    paths.add(basePath);
    for (const major of family(basePath)) paths.add(familyMemberPath(basePath, major));
  }
  return paths;
}

/** Folds the well-formed records of a window, in their order, into what was before. */
export function foldWindow(
  before: MapBefore,
  records: readonly IndexedRecord[],
  sha256: Sha256 = defaultSha256,
): MapAfter {
  const touched = new Map<string, { state: ModuleState; records: IndexedRecord[] }>();
  let toolchain = before.toolchain;
  for (const indexed of records) {
    const { record, logIndex, recordHash } = indexed;
    const known = touched.get(record.path);
    const state = foldRecord(known?.state ?? before.state(record.path), record, logIndex, recordHash, sha256);
    if (known === undefined) touched.set(record.path, { state, records: [indexed] });
    else {
      known.state = state;
      known.records.push(indexed);
    }
    const go = record.path === TOOLCHAIN_MODULE ? goVersionOf(record.version.text) : undefined;
    if (go !== undefined) toolchain = foldToolchain(toolchain, go, logIndex);
  }
  const keyOf = before.indexKey ?? ((subject: string): Hash => computeIndexKey(subject, sha256));
  const modules: TouchedModule[] = [];
  const changes: MapChange[] = [];
  for (const [path, { state, records: own }] of touched) {
    const indexKey = keyOf(path);
    const stateBytes = encodeModuleState(state);
    modules.push({ path, indexKey, state, stateText: decodeUtf8(stateBytes) as string, records: own });
    changes.push({ indexKey, value: encodeModuleValue(path, state, sha256(stateBytes), sha256) });
  }
  const state = (path: string): ModuleState | undefined => touched.get(path)?.state ?? before.state(path);
  const uncutMajors: UncutMajors[] = [];
  const newMembers = new Map<string, string[]>();
  for (const path of touched.keys()) {
    const member = familyOf(path);
    if (member === undefined) continue;
    const majors = newMembers.get(member.basePath);
    if (majors === undefined) newMembers.set(member.basePath, [member.major]);
    else majors.push(member.major);
  }
  for (const basePath of touchedFamilies(touched.keys(), before.family)) {
    const majors = new Set(before.family(basePath));
    for (const major of newMembers.get(basePath) ?? []) majors.add(major);
    const indexKey = keyOf(majorsSubject(basePath));
    const items = majorItems(basePath, majors, state, sha256);
    const value = computeMajorsValue(items, sha256);
    changes.push({ indexKey, value: encodeUtf8(value) });
    uncutMajors.push({ indexKey, items: isAllItemsShown(value, items) ? undefined : items });
  }
  if (toolchain !== before.toolchain) {
    const value = encodeUtf8(formatToolchainValue(toolchain));
    changes.push({ indexKey: computeIndexKey(TOOLCHAIN_SUBJECT, sha256), value });
  }
  return { changes, modules, uncutMajors, toolchain };
}

/** Base paths of the families that these paths belong to or are the base of. */
function touchedFamilies(paths: Iterable<string>, family: MapBefore["family"]): Set<string> {
  const bases = new Set<string>();
  for (const path of paths) {
    const member = familyOf(path);
    if (member !== undefined) bases.add(member.basePath);
    for (const _ of family(path)) {
      bases.add(path);
      break;
    }
  }
  return bases;
}

/** The items of a family, uncut. */
function majorItems(
  basePath: string,
  majors: Iterable<string>,
  state: (path: string) => ModuleState | undefined,
  sha256: Sha256,
): string {
  const items: MajorItem[] = [];
  const add = (path: string, major: string | undefined): void => {
    const known = state(path);
    if (known === undefined) return;
    const { latest } = selectLatest(path, known, sha256);
    items.push({ major, path, version: latest.version, logIndex: latest.logIndex });
  };
  add(basePath, undefined);
  for (const major of majors) add(familyMemberPath(basePath, major), major);
  return formatMajorItems(items);
}
