import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Sha256 } from "../vindex/sha256.ts";
import { type SortedPairs, TreeSlab } from "../vindex/tree-slab.ts";
import type { JournalChange } from "./journal.ts";
import { mergePairs } from "./merge-pairs.ts";
import type { Store } from "./store.ts";
import { readValuesFile, valuesFileName } from "./values-file.ts";

/** Pairs from which on a tree is built in threads: below it they take longer to start than to work. */
const MANY = 100_000;

/**
 * Builds the tree of the newest epoch from the values file and the journals after it. Nothing is believed: the caller compares the root
 * with the signed one.
 *
 * @throws ProofdnsError `STORE_UNUSABLE` if a file or a journal is missing or damaged
 */
export async function loadTree(
  store: Store,
  epoch: number,
  sha256: Sha256,
): Promise<{ slab: TreeSlab; journaled: number }> {
  const { values } = store.files;
  const base = values === undefined ? undefined : readValuesFile(join(store.filesFolder, valuesFileName(values)));
  const latest = new Map<string, JournalChange>();
  let journaled = 0;
  for await (const { changes } of store.journals(epoch)) {
    journaled += changes.length;
    for (const change of changes) latest.set(Buffer.from(change.indexKey).toString("latin1"), change);
  }
  // Latin-1 strings sort as their bytes do.
  const changes = [...latest.keys()].sort().map((key) => latest.get(key) as JournalChange);
  latest.clear();
  const slab = await buildSlab(
    base === undefined ? sortPairs(changes) : changes.length === 0 ? base : mergePairs(base, changes),
    sha256,
  );
  return { slab, journaled };
}

/** Builds a tree, in threads if it is large. */
export async function buildSlab(pairs: SortedPairs, sha256: Sha256): Promise<TreeSlab> {
  if (pairs.count < MANY) return TreeSlab.build(pairs, { sha256 });
  return TreeSlab.buildInThreads(pairs, Math.min(4, availableParallelism()), { sha256 });
}

/** Pairs of changes in the order of their keys. */
function sortPairs(sorted: readonly JournalChange[]): SortedPairs {
  return {
    count: sorted.length,
    keys: Buffer.concat(sorted.map(({ indexKey }) => indexKey)),
    lengths: Uint8Array.from(sorted, ({ value }) => value.length),
    values: Buffer.concat(sorted.map(({ value }) => value)),
  };
}
