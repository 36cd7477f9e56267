import { availableParallelism } from "node:os";
import { MAX_PATH_LENGTH } from "../../src/vindex/flat-tree.ts";
import { pathProofOf, verifyInclusionProof } from "../../src/vindex/path-proof.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { PrunedTree } from "../../src/vindex/pruned-tree.ts";
import { loadDist } from "../dist.ts";
import { makeRandom } from "../dns/names.ts";
import { measure, measureAsync } from "../timing.ts";
import { dependentReadTime, NODE_INPUT, oneShotHashRate } from "../yardsticks.ts";
import { keyAt, makeChanges, makePairs } from "./pairs.ts";
import { hashingShare } from "./phase.ts";

const { Sha256Lanes } = await loadDist<typeof import("../../src/vindex/sha256-lanes.ts")>("vindex/sha256-lanes");
const { TreeSlab } = await loadDist<typeof import("../../src/vindex/tree-slab.ts")>("vindex/tree-slab");

/** Keys that an update changes. */
export const UPDATES = [200, 2_000, 20_000] as const;
/** Keys of a multiproof. */
export const MULTIPROOFS = [30, 1_000] as const;

/** Bytes that the hash of a leaf is computed from: 00, length, key, length in two bytes, value. */
const LEAF_INPUT = 36 + 170;

/** What the tree costs at one size. Times in milliseconds unless said. */
export interface TreeCosts {
  readonly keys: number;
  readonly buildCpu: number;
  readonly buildWallThreads: number;
  readonly threads: number;
  /** Hashes a CPU second, of the build in one thread as a whole. */
  readonly buildRate: number;
  /** Hashes a CPU second of the build's hashing, gathering its messages included. */
  readonly hashRate: number;
  /** The one-shot call's: of 66 bytes, and of a node's 66 and a leaf's 206 in turn. */
  readonly oneShotRate: number;
  readonly oneShotMixedRate: number;
  /** That of the tree's hasher alone, of the same messages in turn. */
  readonly hasherRate: number;
  readonly updates: readonly { readonly changed: number; readonly wall: number; readonly cpu: number }[];
  /** A CPU second. */
  readonly proofs: number;
  readonly siblings: number;
  /** Nanoseconds of a dependent read in as much memory as the tree takes. */
  readonly readTime: number;
  /** Microseconds. */
  readonly verify: number;
  readonly multiproofs: readonly { readonly keys: number; readonly bytes: number; readonly cpu: number }[];
  /** Beside the values, of what is allocated, room to grow included. */
  readonly bytesPerKey: number;
}

/** Measures the tree of `count` keys. */
export async function measureTree(count: number, isShort: boolean): Promise<TreeCosts> {
  const rounds = isShort ? 5 : count > 1e6 ? 5 : 7;
  const pairs = makePairs(count, 1);
  const oneShotRate = oneShotHashRate();
  // A leaf: 00, uv, key, uv of two bytes, value.
  const leafRate = oneShotHashRate(LEAF_INPUT);
  let slab = TreeSlab.build(pairs);
  // Large builds warm themselves up: one round before is enough for all.
  const buildRounds = count > 1e6 ? 3 : 5;
  const build = measure(buildRounds, () => {
    slab = TreeSlab.build(pairs);
  });
  const share = await hashingShare(() => {
    slab = TreeSlab.build(pairs);
  });
  const threads = Math.min(4, availableParallelism());
  const threaded = await measureAsync(
    isShort ? 1 : buildRounds,
    async () => {
      slab = await TreeSlab.buildInThreads(pairs, threads);
    },
    !isShort,
  );
  const bytesPerKey = (slab.byteLength - pairs.values.length) / count;

  const random = makeRandom(3);
  const asked = Array.from({ length: Math.min(200_000, 2 * count) }, () =>
    keyAt(pairs, Math.floor(random() * count)).slice(),
  );
  const out = new Uint8Array(MAX_PATH_LENGTH);
  const { tree } = slab;
  const prove = measure(rounds, () => {
    for (const key of asked) tree.writePath(key, out, 0);
  });
  const readTime = dependentReadTime(slab.byteLength);
  const proofs = asked.slice(0, 2_000).map((key) => ({ key, path: tree.path(key) }));
  const root = tree.rootHash();
  const verify = measure(rounds, () => {
    for (const { key, path } of proofs) {
      const value = path.leaf?.value;
      if (value === undefined) throw new Error("a key has no leaf");
      verifyInclusionProof(pathProofOf(path), key, value, root, nodeSha256);
    }
  });
  const siblings = proofs.reduce((sum, { path }) => sum + path.steps.length, 0) / proofs.length;

  const multiproofs = MULTIPROOFS.map((keys) => {
    let length = 0;
    const { cpu } = measure(rounds, (round) => {
      const from = (round * keys) % Math.max(1, asked.length - keys);
      length = PrunedTree.of(tree, asked.slice(from, from + keys), nodeSha256).encode().length;
    });
    return { keys, bytes: length, cpu };
  });

  const updates = UPDATES.filter((changed) => changed <= count / 2).map((changed) => {
    const prepared = Array.from({ length: rounds + 1 }, (_, round) =>
      makeChanges(pairs, changed, 100 * changed + round),
    );
    const times = measure(rounds, (round) => {
      const next = slab.update(prepared[round] ?? []);
      slab.accept(next);
      slab.retire(next);
    });
    return { changed, ...times };
  });
  return {
    keys: count,
    buildCpu: build.cpu,
    buildWallThreads: threaded.wall,
    threads,
    buildRate: (1000 * (2 * count - 1)) / build.cpu,
    hashRate: (1000 * (2 * count - 1)) / build.cpu / share,
    oneShotRate,
    oneShotMixedRate: 2 / (1 / oneShotRate + 1 / leafRate),
    hasherRate: hasherRate(oneShotRate, leafRate),
    updates,
    proofs: (1000 * asked.length) / prove.cpu,
    siblings,
    readTime,
    verify: (1000 * verify.cpu) / proofs.length,
    multiproofs,
    bytesPerKey,
  };
}

/** Hashes a CPU second of the hasher in lanes, of nodes and leaves in turn; of the one-shot call where there are no lanes. */
function hasherRate(nodeRate: number, leafRate: number): number {
  const lanes = Sha256Lanes.create();
  if (lanes === undefined) return 2 / (1 / nodeRate + 1 / leafRate);
  const count = 1024;
  const starts = Int32Array.from({ length: count }, (_, i) => 256 * i);
  const lengths = Int32Array.from({ length: count }, (_, i) => (i % 2 === 0 ? NODE_INPUT : LEAF_INPUT));
  const out = new Uint8Array(32 * count);
  const { cpu } = measure(5, () => {
    for (let i = 0; i < 100; i++) lanes.run(starts, lengths, count, out, 0);
  });
  return (1000 * 100 * count) / cpu;
}
