import { concatBytes, equalBytes } from "./bytes.ts";
import { ProofdnsError } from "./error.ts";
import { sha256 as defaultSha256, HASH_LENGTH, type Hash, type Sha256 } from "./sha256.ts";

/**
 * RFC 6962 Merkle trees over append-only logs (as in x/mod sumdb/tlog): leaf H(00 ‖ data), node
 * H(01 ‖ left ‖ right), empty tree H(""). Sizes and indexes are numbers up to 2^53 - 1; no shifts.
 */

const LEAF = Uint8Array.of(0);
// One message after the other: a hash function does not keep what it is given.
const nodeMessage = Uint8Array.of(1, ...new Uint8Array(2 * HASH_LENGTH));

/** Hash of a leaf with content `data`. */
export function computeLeafHash(data: Uint8Array, sha256: Sha256 = defaultSha256): Hash {
  return sha256(concatBytes(LEAF, data));
}

/** Hash of an inner node. */
export function computeNodeHash(left: Hash, right: Hash, sha256: Sha256 = defaultSha256): Hash {
  if (left.length !== HASH_LENGTH || right.length !== HASH_LENGTH)
    return sha256(concatBytes(nodeMessage.subarray(0, 1), left, right));
  nodeMessage.set(left, 1);
  nodeMessage.set(right, 1 + HASH_LENGTH);
  return sha256(nodeMessage);
}

/** Root of the empty tree, H(""). */
export function computeEmptyRoot(sha256: Sha256 = defaultSha256): Hash {
  return sha256(new Uint8Array(0));
}

/** A complete subtree: it covers the leaves `index · 2^level` to `(index + 1) · 2^level - 1`. */
export interface Subtree {
  readonly level: number;
  readonly index: number;
}

/** Anything that knows the hashes of complete subtrees, in the order asked. */
export type HashReader = (subtrees: readonly Subtree[]) => Hash[];

/** Largest power of two that is at most `n` (n ≥ 1). */
export function floorPower2(n: number): number {
  let p = 1;
  while (p * 2 <= n) p *= 2;
  return p;
}

/** Number of set bits of `n`. */
export function countBits(n: number): number {
  let count = 0;
  for (let rest = n; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}

/**
 * The complete subtrees that cover the leaves `start` to `end - 1`, left to right: each as large as its
 * alignment and the end allow. For `start` 0 these are the peaks of a tree of size `end`.
 */
export function coverRange(start: number, end: number): Subtree[] {
  const out: Subtree[] = [];
  for (let at = start; at < end; ) {
    let level = 0;
    let size = 1;
    while (at % (size * 2) === 0 && at + size * 2 <= end) {
      size *= 2;
      level++;
    }
    out.push({ level, index: at / size });
    at += size;
  }
  return out;
}

/** Folds peaks, largest first, into a root: the empty root for none. */
export function computeRootFromPeaks(peaks: readonly Hash[], sha256: Sha256 = defaultSha256): Hash {
  let root: Hash | undefined;
  for (let i = peaks.length - 1; i >= 0; i--) {
    const peak = peaks[i] as Hash;
    root = root === undefined ? peak : computeNodeHash(peak, root, sha256);
  }
  return root ?? computeEmptyRoot(sha256);
}

/** The subtrees whose hashes, folded from the right, make the root of the leaves `start` to `end - 1`. */
function rangeRoot(start: number, end: number, read: HashReader, sha256: Sha256): Hash {
  return computeRootFromPeaks(read(coverRange(start, end)), sha256);
}

/** Computes the root of the tree of size `treeSize`. */
export function computeRoot(treeSize: number, read: HashReader, sha256: Sha256 = defaultSha256): Hash {
  return rangeRoot(0, treeSize, read, sha256);
}

/** Computes the inclusion proof of leaf `logIndex` in the tree of size `treeSize`, from leaf to root (RFC 6962 §2.1.1). */
export function computeLogInclusionProof(
  logIndex: number,
  treeSize: number,
  read: HashReader,
  sha256: Sha256 = defaultSha256,
): Hash[] {
  if (!(logIndex >= 0 && logIndex < treeSize))
    throw new RangeError(`index ${logIndex} is not in a tree of size ${treeSize}`);
  const proof: Hash[] = [];
  let start = 0;
  let end = treeSize;
  while (end - start > 1) {
    const split = splitOf(start, end);
    if (logIndex < split) {
      proof.push(rangeRoot(split, end, read, sha256));
      end = split;
    } else {
      proof.push(rangeRoot(start, split, read, sha256));
      start = split;
    }
  }
  return proof.reverse();
}

/** Where a subtree of the leaves `start` to `end - 1` splits: the largest power of two below its size. */
function splitOf(start: number, end: number): number {
  return start + floorPower2(end - start - 1);
}

/**
 * Verifies that a leaf with hash `leafHash` stands at `logIndex` in the tree of size `treeSize` with root `rootHash`.
 *
 * @throws ProofdnsError `MALFORMED_PROOF` if the number of hashes cannot fit, `BAD_PROOF` if the root differs
 */
export function verifyLogInclusionProof(
  untrustedProof: readonly Hash[],
  leafHash: Hash,
  logIndex: number,
  treeSize: number,
  rootHash: Hash,
  sha256: Sha256 = defaultSha256,
): void {
  checkSizes(logIndex, treeSize);
  if (logIndex >= treeSize)
    throw new ProofdnsError("BAD_PROOF", `index ${logIndex} is not in a tree of size ${treeSize}`);
  // The path from the root down decides on which side each hash stands.
  const sides: boolean[] = [];
  let start = 0;
  let end = treeSize;
  while (end - start > 1) {
    const split = splitOf(start, end);
    sides.push(logIndex < split);
    if (logIndex < split) end = split;
    else start = split;
  }
  checkHashes(untrustedProof, sides.length);
  let hash = leafHash;
  for (const [i, sibling] of untrustedProof.entries()) {
    const isLeft = sides[sides.length - 1 - i] as boolean;
    hash = isLeft ? computeNodeHash(hash, sibling, sha256) : computeNodeHash(sibling, hash, sha256);
  }
  if (!equalBytes(hash, rootHash))
    throw new ProofdnsError("BAD_PROOF", "the inclusion proof does not give the signed root");
}

/** The subtrees of a consistency proof from `oldSize` to `newSize` as ranges, in the order of RFC 6962 §2.1.2. */
function consistencyRanges(oldSize: number, newSize: number): { start: number; end: number; isLeft: boolean }[] {
  const ranges: { start: number; end: number; isLeft: boolean }[] = [];
  let start = 0;
  let end = newSize;
  while (end !== oldSize) {
    const split = splitOf(start, end);
    if (oldSize <= split) {
      ranges.push({ start: split, end, isLeft: false });
      end = split;
    } else {
      ranges.push({ start, end: split, isLeft: true });
      start = split;
    }
  }
  // What is left is a subtree that both trees hold whole; it is the old root itself if it starts at 0.
  if (start > 0) ranges.push({ start, end, isLeft: true });
  return ranges.reverse();
}

/** Computes the consistency proof from `oldSize` to `newSize` (RFC 6962 §2.1.2), 1 ≤ oldSize ≤ newSize. Equal sizes have the empty proof. */
export function computeConsistencyProof(
  oldSize: number,
  newSize: number,
  read: HashReader,
  sha256: Sha256 = defaultSha256,
): Hash[] {
  if (!(oldSize >= 1 && oldSize <= newSize)) throw new RangeError(`no consistency proof from ${oldSize} to ${newSize}`);
  return consistencyRanges(oldSize, newSize).map(({ start, end }) => rangeRoot(start, end, read, sha256));
}

/** The two roots that a consistency proof gives. */
export interface ConsistencyRoots {
  readonly oldRoot: Hash;
  readonly newRoot: Hash;
}

/**
 * Computes both roots from a consistency proof. If `oldSize` is a power of two the proof does not hold the old
 * root, and `oldRoot` is taken as given (so it is for equal sizes); else it is not used.
 *
 * @throws ProofdnsError `MALFORMED_PROOF` if the number of hashes is not the one that the sizes ask for
 */
export function computeConsistencyRoots(
  untrustedProof: readonly Hash[],
  oldSize: number,
  newSize: number,
  oldRoot: Hash,
  sha256: Sha256 = defaultSha256,
): ConsistencyRoots {
  checkSizes(oldSize, newSize);
  if (oldSize < 1 || oldSize > newSize)
    throw new ProofdnsError("MALFORMED_PROOF", `no consistency proof from ${oldSize} to ${newSize}`);
  const ranges = consistencyRanges(oldSize, newSize);
  checkHashes(untrustedProof, ranges.length);
  const rest = [...untrustedProof];
  const hasSeed = oldSize < newSize && floorPower2(oldSize) !== oldSize;
  let oldHash = oldRoot;
  if (hasSeed) {
    oldHash = rest.shift() as Hash;
    ranges.shift();
  }
  let newHash = oldHash;
  for (const [i, hash] of rest.entries()) {
    if (ranges[i]?.isLeft) {
      oldHash = computeNodeHash(hash, oldHash, sha256);
      newHash = computeNodeHash(hash, newHash, sha256);
    } else {
      newHash = computeNodeHash(newHash, hash, sha256);
    }
  }
  return { oldRoot: oldHash, newRoot: newHash };
}

/**
 * Verifies that the tree `oldHead` is a prefix of the tree `newHead`, 1 ≤ old size ≤ new size.
 *
 * @throws ProofdnsError `MALFORMED_PROOF` if the number of hashes cannot fit, `BAD_PROOF` if a root differs
 */
export function verifyConsistencyProof(
  untrustedProof: readonly Hash[],
  oldSize: number,
  oldRoot: Hash,
  newSize: number,
  newRoot: Hash,
  sha256: Sha256 = defaultSha256,
): void {
  const roots = computeConsistencyRoots(untrustedProof, oldSize, newSize, oldRoot, sha256);
  if (!equalBytes(roots.oldRoot, oldRoot) || !equalBytes(roots.newRoot, newRoot)) {
    throw new ProofdnsError(
      "BAD_PROOF",
      `the consistency proof from ${oldSize} to ${newSize} does not give the signed roots`,
    );
  }
}

function checkSizes(...sizes: number[]): void {
  for (const size of sizes) {
    if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`not a size: ${size}`);
  }
}

function checkHashes(hashes: readonly Hash[], count: number): void {
  if (hashes.length !== count) {
    throw new ProofdnsError("MALFORMED_PROOF", `a proof of ${hashes.length} hashes where ${count} are needed`);
  }
  if (hashes.some((hash) => hash.length !== HASH_LENGTH))
    throw new ProofdnsError("MALFORMED_PROOF", "a hash is not 32 bytes");
}
