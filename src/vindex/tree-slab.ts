import { equalBytes, formatHex } from "./bytes.ts";
import { FlatTree, type TreeRoot } from "./flat-tree.ts";
import { computeEmptyMapRoot, type MapChange } from "./prefix-tree.ts";
import { HASH_LENGTH, type Sha256 } from "./sha256.ts";
import { type SortedPairs, TreeBuilder } from "./tree-slab-build.ts";
import { SlabChanges } from "./tree-slab-changes.ts";
import {
  HASH_AT,
  HASH_WORDS,
  hashesOf,
  makeTreeBuffer,
  NO_ROOT,
  type TreeBuffer,
  type TreeCapacity,
} from "./tree-slab-layout.ts";
import { planTree, type TreePlan } from "./tree-slab-plan.ts";
import { runTreeJob } from "./tree-slab-threads.ts";
import { SlabWriter, type WrittenTree, withHeadroom } from "./tree-slab-writer.ts";

export type { SortedPairs } from "./tree-slab-build.ts";

/** Options of a `TreeSlab`. */
export interface TreeSlabOptions {
  /** The hash where WebAssembly SIMD is not to be had; by default node:crypto's. */
  readonly sha256?: Sha256;
}

/** First bits of keys by which a tree is cut into parts for threads: 64 parts. */
const PART_BITS = 6;
/** Nodes written by updates, as a share of all, from which on the order is spoilt. */
const SPOILT = 0.5;
/** Share of free places below which the next updates would have to move the buffer. */
const LITTLE_ROOM = 0.02;

/**
 * The one writer of a prefix tree in shared memory (tree-slab-layout.ts). Trees that it gives are immutable, and share
 * what they have in common; memory that only old ones use is used again when the caller says that nobody reads them.
 *
 *     const tree = slab.update(changes);   // prepared: slab.tree is still the old one
 *     … commit …                           // on failure: slab.discard(tree)
 *     slab.accept(tree);
 *     await publish(tree);                 // all readers have it now
 *     slab.retire(tree);
 */
export class TreeSlab {
  readonly #options: TreeSlabOptions;
  #writer: SlabWriter;
  #tree: FlatTree;
  #prepared: { readonly written: WrittenTree; readonly changes: SlabChanges } | undefined;
  /** Every tree that was given out. */
  readonly #known = new WeakSet<FlatTree>();
  /** Changes that were accepted since a `resort` began, the latest of each key. */
  #since: Map<string, MapChange> | undefined;
  #resorting: Promise<void> | undefined;
  #onSettled: () => void = () => {};

  private constructor(buffer: TreeBuffer, root: TreeRoot, needed: TreeCapacity, options: TreeSlabOptions) {
    this.#options = options;
    this.#tree = FlatTree.attach(buffer, root);
    this.#known.add(this.#tree);
    const written = { tree: this.#tree, valueWords: needed.valueWords };
    this.#writer = new SlabWriter(written, needed.nodes, needed.leaves, options.sha256);
  }

  /** The empty tree. */
  static empty(options: TreeSlabOptions = {}): TreeSlab {
    const needed = { nodes: 0, leaves: 0, valueWords: 0 };
    return new TreeSlab(makeTreeBuffer(roomy(needed)), emptyRoot(options.sha256), needed, options);
  }

  /**
   * Builds the tree of sorted pairs in O(n), in this thread.
   *
   * @throws RangeError if the keys do not ascend, the arrays are too short, or this Node has no buffer of the size needed
   */
  static build(pairs: SortedPairs, options: TreeSlabOptions = {}): TreeSlab {
    const { needed, longestValue } = planTree(pairs, 0);
    if (pairs.count === 0) return TreeSlab.empty(options);
    const buffer = makeTreeBuffer(roomy(needed));
    const whole = { from: 0, to: pairs.count, valueFrom: 0, valueTo: 0 };
    const root = new TreeBuilder(buffer, options.sha256).build(pairs, whole, HASH_AT);
    const rootHash = readHash(buffer, HASH_AT);
    return new TreeSlab(buffer, { root, size: pairs.count, longestValue, rootHash }, needed, options);
  }

  /**
   * Builds the tree of sorted pairs as `build` does, over `threads` worker threads; the buffer is the same byte for byte. What is not
   * in shared memory is copied there. A thread takes some tens of milliseconds to start.
   *
   * Rejects as `build` throws.
   */
  static async buildInThreads(pairs: SortedPairs, threads: number, options: TreeSlabOptions = {}): Promise<TreeSlab> {
    if (!Number.isInteger(threads) || threads < 1) throw new RangeError(`${threads} threads`);
    if (pairs.count === 0) return TreeSlab.empty(options);
    const plan = planTree(pairs, PART_BITS);
    const buffer = makeTreeBuffer(roomy(plan.needed));
    const root = await buildParts(buffer, pairs, plan, threads, options);
    const rootHash = readHash(buffer, HASH_AT);
    const { longestValue, needed } = plan;
    return new TreeSlab(buffer, { root, size: pairs.count, longestValue, rootHash }, needed, options);
  }

  /** The newest accepted tree. */
  get tree(): FlatTree {
    return this.#tree;
  }

  /** Bytes of the buffer that is written to. */
  get byteLength(): number {
    return this.#writer.buffer.byteLength;
  }

  /**
   * Writes the tree after `changes`, in any order, beside the newest; each changed node is hashed once. Taking out an absent key
   * changes nothing. `tree` stays as it is until this one is accepted: exactly one of `accept` and `discard` must follow.
   *
   * @throws RangeError if a key has not 32 bytes or stands twice, a value is longer than 255 bytes, or there is no memory
   * of the size needed; then nothing has changed
   */
  update(changes: Iterable<MapChange>): FlatTree {
    if (this.#prepared !== undefined) throw new TypeError("the update before is neither accepted nor discarded");
    const sorted = new SlabChanges(changes);
    const written = this.#writer.write(sorted);
    this.#prepared = { written, changes: sorted };
    this.#known.add(written.tree);
    return written.tree;
  }

  /** Makes the prepared tree the newest. @throws TypeError if it is not the prepared one */
  accept(tree: FlatTree): void {
    const { written, changes } = this.#settle(tree);
    this.#writer.keep(written);
    this.#tree = tree;
    if (this.#since !== undefined) remember(this.#since, changes);
    this.#onSettled();
  }

  /** Takes the prepared tree back; nobody may read it any more. @throws TypeError if it is not the prepared one */
  discard(tree: FlatTree): void {
    this.#settle(tree);
    this.#writer.drop();
    this.#onSettled();
  }

  /** No reader uses anything older than `tree`: what only older trees had is free for updates. @throws TypeError for a foreign tree */
  retire(tree: FlatTree): void {
    if (!this.#known.has(tree)) throw new TypeError("the tree is of another slab");
    this.#writer.retire(tree);
  }

  /**
   * Keeps `tree`, which must not be retired yet, as it is until the function that is given is called: for a reader of its
   * own pace, such as a thread that writes it to a file. Meanwhile `retire` frees nothing that it needs.
   *
   * @throws TypeError for a foreign tree, or one that is retired
   */
  hold(tree: FlatTree): () => void {
    if (!this.#known.has(tree)) throw new TypeError("the tree is of another slab");
    // Before the buffer that is written to there were others: what stands there is never written over.
    return this.#writer.has(tree) ? this.#writer.hold(tree) : () => {};
  }

  /** True if updates have scattered so much that reading is slower, or if there is little room: then `resort`. */
  get isSpoilt(): boolean {
    return this.#tree.size > 0 && (this.#writer.disorder > SPOILT || this.#writer.room < LITTLE_ROOM);
  }

  /**
   * Rewrites the newest tree in key order into a new buffer, with room to grow, in a worker thread; updates go on
   * meanwhile, and those that are accepted are made again at the end. `tree` is then in the new buffer, with the same root hash.
   * For the time being there are two buffers.
   *
   * Rejects, and leaves everything as it is, if there is no memory for it or the thread ends.
   */
  resort(): Promise<void> {
    this.#resorting ??= this.#resort().finally(() => {
      this.#resorting = undefined;
      this.#since = undefined;
    });
    return this.#resorting;
  }

  async #resort(): Promise<void> {
    const { size, longestValue } = this.#tree;
    if (size === 0) return;
    const before = this.#tree;
    const needed = { nodes: size - 1, leaves: size, valueWords: this.#writer.valueWords };
    const target = makeTreeBuffer(roomy(needed));
    const release = this.hold(before);
    this.#since = new Map();
    let root: number;
    try {
      const job = { kind: "copy", buffer: before.buffer, root: before.root, target } as const;
      ({ root } = await runTreeJob(job));
    } finally {
      release();
    }
    while (this.#prepared !== undefined) {
      await new Promise<void>((resolve) => {
        this.#onSettled = resolve;
      });
    }
    const copied = FlatTree.attach(target, { root, size, longestValue, rootHash: before.rootHash() });
    const writer = new SlabWriter(
      { tree: copied, valueWords: needed.valueWords },
      needed.nodes,
      size,
      this.#options.sha256,
    );
    let tree = copied;
    if (this.#since.size > 0) {
      const written = writer.write(new SlabChanges(this.#since.values()));
      writer.keep(written);
      ({ tree } = written);
      writer.retire(tree);
    }
    if (!equalBytes(tree.rootHash(), this.#tree.rootHash())) {
      throw new TypeError("a tree that was put in order has another root");
    }
    this.#writer = writer;
    this.#tree = tree;
    this.#known.add(tree);
  }

  #settle(tree: FlatTree): { written: WrittenTree; changes: SlabChanges } {
    const prepared = this.#prepared;
    if (prepared?.written.tree !== tree) throw new TypeError("the tree is not the prepared one");
    this.#prepared = undefined;
    return prepared;
  }
}

function emptyRoot(sha256: Sha256 | undefined): TreeRoot {
  return { root: NO_ROOT, size: 0, longestValue: 0, rootHash: computeEmptyMapRoot(sha256).slice() };
}

/** With room to grow. */
function roomy({ nodes, leaves, valueWords }: TreeCapacity): TreeCapacity {
  return { nodes: withHeadroom(nodes), leaves: withHeadroom(leaves), valueWords: withHeadroom(valueWords) };
}

function readHash(buffer: TreeBuffer, at: number): Uint8Array {
  return new Uint8Array(buffer).slice(4 * at, 4 * at + HASH_LENGTH);
}

/** The latest change of each key; copies, since the caller's arrays are his again after an update. */
function remember(since: Map<string, MapChange>, changes: Iterable<MapChange>): void {
  for (const { indexKey, value } of changes) {
    since.set(formatHex(indexKey), { indexKey: indexKey.slice(), value: value?.slice() });
  }
}

/** Builds the parts in threads, and joins them; gives the root, whose hash is at `HASH_AT`. */
async function buildParts(
  buffer: TreeBuffer,
  pairs: SortedPairs,
  { parts }: TreePlan,
  threads: number,
  { sha256 }: TreeSlabOptions,
): Promise<number> {
  // A part's hash waits in the node that parts it from its neighbour, which is not in use before the join.
  const hashAt = parts.map(({ from, to }) => {
    if (to < pairs.count) return hashesOf(to - 1);
    return from > 0 ? hashesOf(from - 1) + HASH_WORDS : HASH_AT;
  });
  const progress = new SharedArrayBuffer(4 * (1 + parts.length));
  const { count } = pairs;
  const shared = { count, keys: share(pairs.keys), lengths: share(pairs.lengths), values: share(pairs.values) };
  const job = { kind: "build", buffer, pairs: shared, parts, hashAt, progress } as const;
  const used = Math.min(threads, parts.length);
  await Promise.all(Array.from({ length: used }, () => runTreeJob(job)));
  const words = new Int32Array(buffer);
  const hashes = new Int32Array(HASH_WORDS * parts.length);
  for (const [i, at] of hashAt.entries()) hashes.set(words.subarray(at, at + HASH_WORDS), HASH_WORDS * i);
  const refs = Array.from(new Int32Array(progress, 4));
  return new TreeBuilder(buffer, sha256).join(parts, refs, hashes);
}

/** The same bytes in shared memory. */
function share(bytes: Uint8Array): Uint8Array {
  if (bytes.buffer instanceof SharedArrayBuffer) return bytes;
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  return shared;
}
