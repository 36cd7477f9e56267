import { parentPort, workerData } from "node:worker_threads";
import { FlatTree, type TreeBuffer, type TreeRoot } from "../vindex/flat-tree.ts";
import { PathFile, writePathFile } from "./path-file.ts";
import { pathLabels } from "./path-index.ts";
import { StateFile } from "./state-file.ts";
import { ValuesFileWriter } from "./values-file.ts";

/** What a background thread makes: a file of the values of a shared tree, a path table, or both. Plain data. */
export interface BackgroundOrder {
  readonly values?: { readonly path: string; readonly buffer: TreeBuffer; readonly root: TreeRoot };
  readonly paths?: {
    readonly path: string;
    /** Path table that the new one goes on from. */
    readonly from: string | undefined;
    /** File of states whose paths belong to it, if there is no table yet. */
    readonly states: string | undefined;
    /** More module paths. */
    readonly added: readonly string[];
  };
}

/** What it says of its work: a point that was reached. */
export type BackgroundPoint = "values written" | "paths written";

function writeValues({ path, buffer, root }: NonNullable<BackgroundOrder["values"]>): void {
  const tree = FlatTree.attach(buffer, root);
  const writer = new ValuesFileWriter(path, tree.size);
  try {
    const { bytes } = tree;
    for (const leaf of tree.leafNumbers()) {
      const [keyAt, valueAt] = [tree.keyOffset(leaf), tree.valueOffset(leaf)];
      writer.add(bytes.subarray(keyAt, keyAt + 32), bytes.subarray(valueAt, valueAt + tree.valueLength(leaf)));
    }
  } catch (error) {
    writer.abort();
    throw error;
  }
  writer.finish();
}

function writePaths({ path, from, states, added }: NonNullable<BackgroundOrder["paths"]>): void {
  const keys: string[] = [];
  const add = (modulePath: string): void => {
    const labels = pathLabels(modulePath);
    if (labels !== undefined) keys.push(labels.join("\0"));
  };
  for (const modulePath of added) add(modulePath);
  const stateFile = states === undefined ? undefined : StateFile.open(states);
  if (stateFile !== undefined) {
    for (const state of stateFile.states()) add(state.path);
    stateFile.close();
  }
  keys.sort();
  const old = from === undefined ? undefined : PathFile.open(from);
  writePathFile(path, merge(old === undefined ? [] : old.keys(), keys));
  old?.close();
}

/** Two sorted lists as one, without repetitions. */
function* merge(a: Iterable<string>, b: Iterable<string>): Generator<string> {
  const [left, right] = [a[Symbol.iterator](), b[Symbol.iterator]()];
  let [x, y] = [left.next(), right.next()];
  let last: string | undefined;
  while (!x.done || !y.done) {
    const isLeft = !x.done && (y.done || x.value <= y.value);
    const key = (isLeft ? x.value : y.value) as string;
    if (isLeft) x = left.next();
    else y = right.next();
    if (key !== last) yield key;
    last = key;
  }
}

const { values, paths } = workerData as BackgroundOrder;
const say = (point: BackgroundPoint): void => parentPort?.postMessage(point);
if (values !== undefined) {
  writeValues(values);
  say("values written");
}
if (paths !== undefined) {
  writePaths(paths);
  say("paths written");
}
