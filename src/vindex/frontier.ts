import { ProofdnsError } from "./error.ts";
import { sha256 as defaultSha256, HASH_LENGTH, type Hash, type Sha256 } from "./sha256.ts";
import { computeNodeHash, computeRootFromPeaks, countBits, coverRange } from "./tlog.ts";

/**
 * The frontier of an append-only log: its size and the peaks of its RFC 6962 tree, largest subtree first.
 * It is all that is needed to append to the log and to compute every later root. Immutable.
 */
export class Frontier {
  readonly treeSize: number;
  readonly peaks: readonly Hash[];
  readonly #sha256: Sha256;

  private constructor(treeSize: number, peaks: readonly Hash[], sha256: Sha256) {
    this.treeSize = treeSize;
    this.peaks = peaks;
    this.#sha256 = sha256;
  }

  /** The frontier of the empty log. */
  static empty(sha256: Sha256 = defaultSha256): Frontier {
    return new Frontier(0, [], sha256);
  }

  /**
   * The frontier of `treeSize` leaves with the given peaks, one for each set bit of the size.
   *
   * @throws ProofdnsError `MALFORMED_PROOF` if their number or a length is wrong
   */
  static of(treeSize: number, peaks: readonly Hash[], sha256: Sha256 = defaultSha256): Frontier {
    if (!Number.isSafeInteger(treeSize) || treeSize < 0) throw new RangeError(`not a size: ${treeSize}`);
    if (peaks.length !== countBits(treeSize) || peaks.some((peak) => peak.length !== HASH_LENGTH)) {
      throw new ProofdnsError("MALFORMED_PROOF", `${peaks.length} peaks do not make a frontier of size ${treeSize}`);
    }
    return new Frontier(treeSize, [...peaks], sha256);
  }

  /** The frontier after one more leaf with hash `leafHash`. */
  append(leafHash: Hash): Frontier {
    return this.appendAll([leafHash]);
  }

  /** The frontier after many more leaves; one pass, cheaper than one `append` for each. */
  appendAll(leafHashes: readonly Hash[]): Frontier {
    const peaks = [...this.peaks];
    let { treeSize } = this;
    for (const leafHash of leafHashes) {
      // A size that ends in k set bits has k peaks that the new leaf completes.
      let hash = leafHash;
      for (let rest = treeSize; rest % 2 === 1; rest = (rest - 1) / 2) {
        hash = computeNodeHash(peaks.pop() as Hash, hash, this.#sha256);
      }
      peaks.push(hash);
      treeSize++;
    }
    return new Frontier(treeSize, peaks, this.#sha256);
  }

  /**
   * The frontier of size `treeSize`, given the hashes of the complete subtrees that cover the leaves from the
   * present size to `treeSize - 1` (`coverRange`).
   *
   * @throws ProofdnsError `MALFORMED_PROOF` if the number of hashes is not the one that the two sizes ask for
   */
  extend(treeSize: number, hashes: readonly Hash[]): Frontier {
    if (!Number.isSafeInteger(treeSize) || treeSize < this.treeSize)
      throw new RangeError(`cannot extend to ${treeSize}`);
    const cover = coverRange(this.treeSize, treeSize);
    if (cover.length !== hashes.length) {
      throw new ProofdnsError(
        "MALFORMED_PROOF",
        `${hashes.length} hashes where ${cover.length} extend ${this.treeSize} to ${treeSize}`,
      );
    }
    return this.#push(cover.map(({ level }, i) => ({ hash: hashes[i] as Hash, level })));
  }

  /** Root of the log. */
  root(): Hash {
    return computeRootFromPeaks(this.peaks, this.#sha256);
  }

  #push(subtrees: readonly { hash: Hash; level: number }[]): Frontier {
    const stack = coverRange(0, this.treeSize).map(({ level }, i) => ({ hash: this.peaks[i] as Hash, level }));
    let treeSize = this.treeSize;
    for (const subtree of subtrees) {
      let { hash, level } = subtree;
      treeSize += 2 ** level;
      while (stack.at(-1)?.level === level) {
        const left = stack.pop() as { hash: Hash };
        hash = computeNodeHash(left.hash, hash, this.#sha256);
        level++;
      }
      stack.push({ hash, level });
    }
    return new Frontier(
      treeSize,
      stack.map(({ hash }) => hash),
      this.#sha256,
    );
  }
}
