import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { parseModuleState } from "../vindex/module-state.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { HASH_LENGTH } from "../vindex/sha256.ts";
import { EntryFile, encodeModuleEntries } from "./entry-file.ts";
import { readExactly } from "./file-bytes.ts";
import { ENTRIES_FILE, STATES_FILE } from "./file-set.ts";
import { hashLevels } from "./hash-files.ts";
import type { SnapshotJob } from "./snapshot-check.ts";
import type { NewerModule } from "./snapshot-check-newer.ts";
import type { MapPairs } from "./snapshot-check-pairs.ts";
import { readStatesFrame } from "./snapshot-check-states.ts";
import { badSnapshot } from "./snapshot-format.ts";
import { STATE_INDEX_LENGTH, StateFile } from "./state-file.ts";
import type { StoreSnapshot } from "./store.ts";

/** Full tiles of record hashes, blocks of states and pairs that a thread verifies at a time. */
const TILES_STEP = 512;
const BLOCKS_STEP = 2048;
const PAIRS_STEP = 65_536;
/** Records of changed modules that a thread verifies at a time. */
const RECORDS_STEP = 8192;

/** All full tiles of all levels of a log. */
export function* hashJobs(folder: string, treeSize: number): Generator<SnapshotJob> {
  for (let level = 0; level < hashLevels(treeSize); level++) {
    const tiles = Math.floor(treeSize / 256 ** (level + 1));
    for (let from = 0; from < tiles; from += TILES_STEP)
      yield { hashes: { folder, level, from, to: Math.min(tiles, from + TILES_STEP) } };
  }
}

/** The base files, whose frames are right: the index is in order and its blocks fill the file. */
export interface BaseFiles {
  readonly statesPath: string;
  readonly entriesPath: string;
  readonly blocks: number;
  readonly indexAt: number;
  /** What they say they have. */
  readonly states: number;
  readonly records: number;
}

/** @throws ProofdnsError `STORE_UNUSABLE` if a frame is damaged */
export function openBase(folder: string): BaseFiles {
  const [statesPath, entriesPath] = [join(folder, STATES_FILE), join(folder, ENTRIES_FILE)];
  const stateFile = StateFile.open(statesPath);
  stateFile.close();
  const entryFile = EntryFile.open(entriesPath);
  entryFile.close();
  const frame = readStatesFrame(statesPath);
  return { statesPath, entriesPath, ...frame, states: stateFile.count, records: entryFile.count };
}

/** All pairs of a map, with the base states that have their keys. */
export function* stateJobs(map: MapPairs, newer: Uint8Array, files: BaseFiles | undefined): Generator<SnapshotJob> {
  const { pairs, starts } = map;
  const common = { pairs, starts, newer };
  if (files === undefined) {
    for (let from = 0; from < pairs.count; from += PAIRS_STEP) {
      const pairTo = Math.min(pairs.count, from + PAIRS_STEP);
      yield { states: { ...common, pairFrom: from, pairTo, base: undefined } };
    }
    return;
  }
  const { statesPath, entriesPath, blocks, indexAt } = files;
  const starting: { block: number; pair: number }[] = [];
  const file = openSync(statesPath, "r");
  try {
    const key = new Uint8Array(HASH_LENGTH);
    for (let block = 0; block < blocks; block += BLOCKS_STEP) {
      if (!readExactly(file, key, indexAt + STATE_INDEX_LENGTH * block)) throw badSnapshot("its states end too early");
      starting.push({ block, pair: block === 0 ? 0 : map.find(key) });
    }
  } finally {
    closeSync(file);
  }
  if (starting.length === 0) starting.push({ block: 0, pair: 0 });
  for (const [i, { block, pair }] of starting.entries()) {
    const next = starting[i + 1] ?? { block: blocks, pair: pairs.count };
    const base = { statesPath, entriesPath, from: block, to: next.block, blocks, indexAt };
    yield { states: { ...common, pairFrom: pair, pairTo: next.pair, base } };
  }
}

/** The modules with these keys, read from a store that has their newest states. @throws ProofdnsError `BAD_SNAPSHOT` if something is missing */
export function* newerJobs(
  snapshot: StoreSnapshot,
  newer: Uint8Array,
  files: BaseFiles | undefined,
  onRecords: (count: number) => void,
): Generator<SnapshotJob> {
  const states = files === undefined ? undefined : StateFile.open(files.statesPath);
  const entriesPath = files?.entriesPath;
  try {
    let modules: NewerModule[] = [];
    let waiting = 0;
    for (let at = 0; at < newer.length; at += HASH_LENGTH) {
      const indexKey = newer.subarray(at, at + HASH_LENGTH);
      const found = snapshot.state(indexKey);
      if (found === undefined) throw badSnapshot("the state of a module is missing");
      const { path, stateText } = found;
      const count = parseModuleState(stateText, path, nodeSha256).subLog.treeSize;
      const stored = states?.get(indexKey);
      const used = Math.min(count, stored?.entryCount ?? 0);
      const base = stored === undefined ? undefined : { place: stored.entryOffset, count: stored.entryCount, used };
      const added = encodeModuleEntries(snapshot.entries(indexKey, used, count));
      modules.push({ path, stateText, count, base, added });
      onRecords(count);
      waiting += count;
      if (waiting >= RECORDS_STEP) {
        yield { newer: { entriesPath, modules } };
        modules = [];
        waiting = 0;
      }
    }
    if (modules.length > 0) yield { newer: { entriesPath, modules } };
  } finally {
    states?.close();
  }
}
