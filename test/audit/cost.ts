import { encodeTransition, type FoldedWindow, verifyTransition } from "../../src/audit/transition.ts";
import { encodeUtf8, equalBytes } from "../../src/vindex/bytes.ts";
import { formatTreeHead } from "../../src/vindex/checkpoint.ts";
import type { FlatTree } from "../../src/vindex/flat-tree.ts";
import { Frontier } from "../../src/vindex/frontier.ts";
import { type EpochLeaf, formatLeaf } from "../../src/vindex/leaf.ts";
import { foldWindow } from "../../src/vindex/map-function.ts";
import { foldRecord, formatModuleState, type ModuleState } from "../../src/vindex/module-state.ts";
import { computeModuleValue } from "../../src/vindex/module-value.ts";
import { signNote } from "../../src/vindex/note.ts";
import { computeRecordHash, formatRecord, parseRecord, type Record } from "../../src/vindex/record.ts";
import type { Hash } from "../../src/vindex/sha256.ts";
import { TreeSlab } from "../../src/vindex/tree-slab.ts";
import { ed25519, keys, sha256, sumdbKey } from "./folds.ts";

/** What transitions cost over maps of generated modules: `costOf` of one map, for any number of changed modules. */

/** A map of one module a record, and what was before its next window. */
export interface CostMap {
  readonly modules: number;
  readonly slab: TreeSlab;
  readonly frontier: Frontier;
  readonly leafText: string;
}

/** What one transition cost. Times are of the processor, in milliseconds. */
export interface TransitionCost {
  readonly modules: number;
  readonly changed: number;
  readonly bytes: number;
  /** Bytes of the records and of the old states, which do not depend on the size of the map. */
  readonly fixedBytes: number;
  readonly encodeMs: number;
  readonly verifyMs: number;
  /** Calls of SHA-256 by the verifier. */
  readonly hashes: number;
  readonly touchedKeys: number;
}

const pathOf = (i: number): string => `example.com/owner${i % 997}/module${i}`;

function textOf(i: number, version: string): Uint8Array {
  const path = pathOf(i);
  const [zip, goMod] = ["zip", "mod"].map((kind) => sha256(encodeUtf8(`${kind} ${path} ${version}`)));
  return encodeUtf8(formatRecord(path, version, zip as Hash, goMod as Hash));
}

/** Module i has one record, v1.0.0, at index i. */
function stateOf(i: number): { state: ModuleState; recordHash: Hash } {
  const text = textOf(i, "v1.0.0");
  const recordHash = computeRecordHash(text, sha256);
  return { state: foldRecord(undefined, parseRecord(text) as Record, i, recordHash, sha256), recordHash };
}

function signLeaf(mapRoot: Hash, frontier: Frontier): string {
  const treeHead = { treeSize: frontier.treeSize, rootHash: frontier.root() };
  const sumdbSignature = signNote(formatTreeHead(treeHead), sumdbKey, ed25519).blob;
  const leaf: EpochLeaf = { mapRoot, treeHead, sumdbSignature };
  return formatLeaf(leaf, sumdbKey.verifierKey);
}

/** Makes a map of so many modules: about 30 µs of the processor and 400 bytes for each. */
export function makeCostMap(modules: number): CostMap {
  const keyBytes = new Uint8Array(32 * modules);
  const values: Uint8Array[] = [];
  let frontier = Frontier.empty(sha256);
  let hashes: Hash[] = [];
  for (let i = 0; i < modules; i++) {
    const { state, recordHash } = stateOf(i);
    const path = pathOf(i);
    keyBytes.set(sha256(encodeUtf8(path)), 32 * i);
    values.push(encodeUtf8(computeModuleValue(path, state, formatModuleState(state), sha256)));
    hashes.push(recordHash);
    if (hashes.length === 4096 || i === modules - 1) {
      frontier = frontier.appendAll(hashes);
      hashes = [];
    }
  }
  const view = Buffer.from(keyBytes.buffer);
  const order = Uint32Array.from({ length: modules }, (_, i) => i);
  order.sort((a, b) => view.compare(view, 32 * b, 32 * b + 32, 32 * a, 32 * a + 32));
  const sorted = new Uint8Array(32 * modules);
  const lengths = new Uint8Array(modules);
  const bytes = new Uint8Array(values.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const [to, from] of order.entries()) {
    const value = values[from] as Uint8Array;
    sorted.set(keyBytes.subarray(32 * from, 32 * from + 32), 32 * to);
    lengths[to] = value.length;
    bytes.set(value, at);
    at += value.length;
  }
  const slab = TreeSlab.build({ count: modules, keys: sorted, lengths, values: bytes }, { sha256 });
  return { modules, slab, frontier, leafText: signLeaf(slab.tree.rootHash(), frontier) };
}

/**
 * Measures the transition of a window that changes `changed` modules, a fifth of them new. It is verified, and leads to the root
 * that the whole tree has.
 */
export function costOf(map: CostMap, changed: number): TransitionCost {
  const { modules, slab, frontier } = map;
  const fresh = Math.floor(changed / 5);
  const indexes = Array.from({ length: changed }, (_, k) =>
    k < fresh ? modules + k : Math.floor(((k - fresh) * modules) / (changed - fresh)),
  );
  const texts = indexes.map((i) => textOf(i, i < modules ? "v1.1.0" : "v1.0.0"));
  const states = new Map<string, string>();
  const known = new Map<string, ModuleState>();
  for (const i of indexes) {
    if (i >= modules) continue;
    const { state } = stateOf(i);
    known.set(pathOf(i), state);
    states.set(pathOf(i), formatModuleState(state));
  }
  const recordHashes = texts.map((text) => computeRecordHash(text, sha256));
  const records = texts.map((text, k) => ({
    record: parseRecord(text) as Record,
    logIndex: modules + k,
    recordHash: recordHashes[k] as Hash,
  }));
  const before = { state: (path: string) => known.get(path), family: () => [], toolchain: [] };
  const after = slab.update(foldWindow(before, records, sha256).changes);
  const leafText = signLeaf(after.rootHash(), frontier.appendAll(recordHashes));
  slab.discard(after);
  const folded: FoldedWindow<number> = {
    before: { tree: slab.tree satisfies FlatTree, sumdbFrontier: frontier },
    after: { leafText },
    texts,
    states,
    uncutMajors: new Map(),
  };
  const [bytes, encodeMs] = timed(() => encodeTransition(folded, keys));
  if (bytes === undefined) throw new RangeError("a window beyond the bounds");
  const input = { ...keys, epoch: 2, leafText: map.leafText, untrustedTransition: bytes };
  const [verified, verifyMs] = timed(() => verifyTransition(input));
  if (!equalBytes(encodeUtf8(verified.leafText), encodeUtf8(leafText))) throw new Error("it leads to another leaf");
  let hashes = 0;
  verifyTransition({
    ...input,
    sha256: (message) => {
      hashes++;
      return sha256(message);
    },
  });
  const fixedBytes = [...texts, ...[...states.values()].map(encodeUtf8)].reduce((sum, { length }) => sum + length, 0);
  const { touchedKeys } = verified;
  return { modules, changed, bytes: bytes.length, fixedBytes, encodeMs, verifyMs, hashes, touchedKeys };
}

/** The fastest of three runs. */
function timed<T>(run: () => T): [T, number] {
  let best = Number.POSITIVE_INFINITY;
  let out: T | undefined;
  for (let i = 0; i < 3; i++) {
    const start = process.cpuUsage();
    out = run();
    const { user, system } = process.cpuUsage(start);
    best = Math.min(best, (user + system) / 1000);
  }
  return [out as T, best];
}
