import { sha256 as defaultSha256, type Hash, type Sha256 } from "./sha256.ts";
import { computeNodeHash, computeRoot, type HashReader } from "./tlog.ts";

/**
 * The output log's hashes in memory: one row for each level of complete subtrees. It only grows, and everything asked
 * of it is of a size, so that epochs can share it. A year of ten-minute epochs is about 105,000 hashes.
 */
export class OutputLog {
  readonly #rows: Hash[][] = [[]];
  readonly #sha256: Sha256;

  constructor(sha256: Sha256 = defaultSha256) {
    this.#sha256 = sha256;
  }

  /** Number of leaves. */
  get treeSize(): number {
    return this.#rows[0]?.length ?? 0;
  }

  /** Appends a leaf. */
  append(leafHash: Hash): void {
    let hash = leafHash;
    for (let level = 0; ; level++) {
      this.#rows[level] ??= [];
      const row = this.#rows[level] as Hash[];
      row.push(hash);
      if (row.length % 2 === 1) return;
      hash = computeNodeHash(row[row.length - 2] as Hash, hash, this.#sha256);
    }
  }

  /** Hashes of complete subtrees. */
  readonly read: HashReader = (subtrees) =>
    subtrees.map(({ level, index }) => {
      const hash = this.#rows[level]?.[index];
      if (hash === undefined) throw new RangeError(`subtree ${level}/${index} is not in the log`);
      return hash;
    });

  /** Root at `treeSize`. */
  root(treeSize: number): Hash {
    return computeRoot(treeSize, this.read, this.#sha256);
  }
}
