import assert from "node:assert/strict";
import { RecordLog } from "../src/sumdb/record-log.ts";
import { equalBytes } from "../src/vindex/bytes.ts";
import { Frontier } from "../src/vindex/frontier.ts";
import { OutputLog } from "../src/vindex/output-log.ts";
import { nodeSha256 } from "../src/vindex/platform.ts";
import type { Hash } from "../src/vindex/sha256.ts";
import {
  computeConsistencyProof,
  computeConsistencyRoots,
  computeLogInclusionProof,
  computeRoot,
  coverRange,
  verifyConsistencyProof,
  verifyLogInclusionProof,
} from "../src/vindex/tlog.ts";
import { Input } from "./input.ts";
import {
  coverSizes,
  H,
  naiveConsistency,
  naiveConsistencyRoots,
  naiveInclusion,
  naiveInclusionRoot,
  naiveRoot,
  type Peak,
  pushPeak,
  rootOfPeaks,
} from "./oracle/merkle.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import { WorkCounter } from "./scheme.ts";
import type { Target } from "./target.ts";

/**
 * RFC 6962 logs: proofs and frontiers of small logs against the definitions, and verifiers at any size, with changed proofs,
 * against the algorithms of RFC 9162.
 */
export const target: Target = { maxLength: 400, plants: ["power-of-two", "last-leaf"] };

/** Bug: from an old size that is a power of two above eight, the last hash of a proof is left out. */
const rootsOf = plant("power-of-two", computeConsistencyRoots, (proof, oldSize, newSize, oldRoot, sha256) => {
  const roots = computeConsistencyRoots(proof, oldSize, newSize, oldRoot, sha256);
  const isPower = coverSizes(0, oldSize).length === 1 && oldSize > 8 && newSize > oldSize + 3;
  return isPower ? { ...roots, newRoot: roots.oldRoot } : roots;
});

/** Bug: the last leaf of a log of odd size may have a proof of any number of hashes. */
const verifyInclusion = plant("last-leaf", verifyLogInclusionProof, (proof, leaf, index, size, root, sha256) => {
  const isLast = index === size - 1 && size % 2 === 1 && size > 8;
  const hashes = isLast ? proof.slice(-(coverSizes(0, size).length - 1)) : proof;
  verifyLogInclusionProof(hashes, leaf, index, size, root, sha256);
});

const LEAVES: readonly Hash[] = Array.from({ length: 40 }, (_, i) => H(Uint8Array.of(0, i)));
/** Hashes that no honest proof has, and some that one has. */
const POOL: readonly Hash[] = [...LEAVES.slice(0, 4), H("x"), H("y"), naiveRoot(LEAVES.slice(0, 4))];

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick([smallLog, changedInclusion, changedConsistency, largeSizes, frontiers])(input);
}

function smallLog(input: Input): void {
  const size = 1 + (input.byte() % LEAVES.length);
  const leaves = LEAVES.slice(0, size);
  const log = new OutputLog(nodeSha256);
  for (const leaf of leaves) log.append(leaf);
  const root = naiveRoot(leaves);
  assert.ok(equalBytes(log.root(size), root));
  assert.ok(equalBytes(computeRoot(size, log.read, nodeSha256), root));
  const index = input.byte() % size;
  const proof = computeLogInclusionProof(index, size, log.read, nodeSha256);
  assert.ok(isSame(proof, naiveInclusion(index, leaves)));
  verifyInclusion(proof, leaves[index] as Hash, index, size, root, nodeSha256);
  const oldSize = 1 + (input.byte() % size);
  const consistency = computeConsistencyProof(oldSize, size, log.read, nodeSha256);
  assert.ok(isSame(consistency, naiveConsistency(oldSize, leaves)));
  verifyConsistencyProof(consistency, oldSize, naiveRoot(leaves.slice(0, oldSize)), size, root, nodeSha256);
  const records = new RecordLog(nodeSha256);
  for (let i = 0; i < size; i++) records.append(Buffer.from(`record ${i}\n`));
  const naive = leaves.map((_, i) => H(Uint8Array.of(0), `record ${i}\n`));
  assert.ok(equalBytes(records.treeHead(oldSize).rootHash, naiveRoot(naive.slice(0, oldSize))));
}

function isSame(a: readonly Hash[], b: readonly Hash[]): boolean {
  return a.length === b.length && a.every((hash, i) => equalBytes(hash, b[i] as Hash));
}

/** A proof with some of its hashes replaced, taken away or doubled. */
function changed(input: Input, proof: readonly Hash[]): Hash[] {
  const out = [...proof];
  for (let steps = input.byte() % 4; steps > 0; steps--) {
    const at = input.byte() % (out.length + 1);
    const how = input.byte() % 4;
    if (how === 0) out.splice(at, 1);
    else if (how === 1) out.splice(at, 0, input.pick(POOL));
    else if (how === 2) out.splice(at, 1, input.pick(POOL));
    else out.splice(at, 0, out[input.byte() % Math.max(out.length, 1)] ?? (POOL[0] as Hash));
  }
  return out;
}

function changedInclusion(input: Input): void {
  const size = 1 + (input.byte() % LEAVES.length);
  const leaves = LEAVES.slice(0, size);
  const proven = input.byte() % size;
  const proof = changed(input, naiveInclusion(proven, leaves));
  const index = input.byte() % 3 === 0 ? input.byte() : proven;
  const leaf = LEAVES[input.byte() % 3 === 0 ? input.byte() % LEAVES.length : proven] as Hash;
  const claimed = input.byte() % 3 === 0 ? 1 + (input.byte() % LEAVES.length) : size;
  const root = naiveRoot(leaves);
  const outcome = outcomeOf(
    () => verifyInclusion(proof, leaf, index, claimed, root, nodeSha256),
    "MALFORMED_PROOF",
    "BAD_PROOF",
  );
  const naive = index < claimed ? naiveInclusionRoot(proof, leaf, index, claimed) : H("outside");
  const expected = naive === undefined ? "MALFORMED_PROOF" : equalBytes(naive, root) ? undefined : "BAD_PROOF";
  assert.equal(outcome.code, expected);
  // With the true size nothing is accepted but the truth. (A proof does not bind the size.)
  if (outcome.code === undefined && claimed === size) assert.ok(leaves.indexOf(leaf) === index);
}

function changedConsistency(input: Input): void {
  const newSize = 1 + (input.byte() % LEAVES.length);
  const oldSize = 1 + (input.byte() % newSize);
  const leaves = LEAVES.slice(0, newSize);
  const proof = changed(input, naiveConsistency(oldSize, leaves));
  const trueRoot = naiveRoot(leaves.slice(0, oldSize));
  const oldRoot = input.byte() % 3 === 0 ? input.pick(POOL) : trueRoot;
  const naive = naiveConsistencyRoots(proof, oldSize, newSize, oldRoot);
  const roots = outcomeOf(() => rootsOf(proof, oldSize, newSize, oldRoot, nodeSha256), "MALFORMED_PROOF");
  assert.equal(roots.code, naive === undefined ? "MALFORMED_PROOF" : undefined);
  if (roots.value !== undefined && naive !== undefined) {
    assert.ok(equalBytes(roots.value.oldRoot, naive.oldRoot) && equalBytes(roots.value.newRoot, naive.newRoot));
  }
  const newRoot = naiveRoot(leaves);
  const verdict = outcomeOf(
    () => verifyConsistencyProof(proof, oldSize, oldRoot, newSize, newRoot, nodeSha256),
    "MALFORMED_PROOF",
    "BAD_PROOF",
  );
  if (verdict.code === undefined) assert.ok(equalBytes(oldRoot, trueRoot), "two trees, one of them not a prefix");
}

/** Any sizes up to 2^53 − 1: the verifiers agree with the bitwise algorithms, and their work is bounded. */
function largeSizes(input: Input): void {
  const [a, b] = [input.uint53(), input.uint53()];
  const proof = Array.from({ length: input.byte() % 120 }, () => input.pick(POOL));
  const counter = new WorkCounter();
  const seed = POOL[0] as Hash;
  const roots = outcomeOf(() => computeConsistencyRoots(proof, a, b, seed, counter.sha256), "MALFORMED_PROOF");
  const naive = a >= 1 && a <= b ? naiveConsistencyRoots(proof, a, b, seed) : undefined;
  assert.equal(roots.code, naive === undefined ? "MALFORMED_PROOF" : undefined);
  if (roots.value !== undefined && naive !== undefined) assert.ok(equalBytes(roots.value.newRoot, naive.newRoot));
  const verdict = outcomeOf(
    () => verifyInclusion(proof, seed, a, b, seed, counter.sha256),
    "MALFORMED_PROOF",
    "BAD_PROOF",
  );
  if (a < b) {
    const root = naiveInclusionRoot(proof, seed, a, b);
    const expected = root === undefined ? "MALFORMED_PROOF" : equalBytes(root, seed) ? undefined : "BAD_PROOF";
    assert.equal(verdict.code, expected);
  } else assert.equal(verdict.code, "BAD_PROOF");
  assert.ok(counter.hashes <= 3 * proof.length);
  const [start, end] = [Math.min(a, b), Math.max(a, b)];
  const cover = coverRange(start, end);
  assert.deepEqual(
    cover.map(({ level }) => 2 ** level),
    coverSizes(start, end),
  );
  assert.ok(cover.length <= 106);
  const frontier = outcomeOf(() => Frontier.of(b, proof, counter.sha256), "MALFORMED_PROOF");
  assert.equal(frontier.code === undefined, coverSizes(0, b).length === proof.length);
}

/** A frontier that grows leaf by leaf, or by whole subtrees, has the root of the log. */
function frontiers(input: Input): void {
  let size = input.byte() % LEAVES.length;
  let frontier = Frontier.empty(nodeSha256).appendAll(LEAVES.slice(0, size));
  let peaks: Peak[] = [];
  for (const hash of LEAVES.slice(0, size)) peaks = pushPeak(peaks, { size: 1, hash });
  while (!input.isDone && size < LEAVES.length) {
    const to = Math.min(LEAVES.length, size + (input.byte() % 12));
    const cover = coverRange(size, to).map(({ level, index }) => ({
      size: 2 ** level,
      hash: naiveRoot(LEAVES.slice(index * 2 ** level, (index + 1) * 2 ** level)),
    }));
    const given = changed(
      input,
      cover.map(({ hash }) => hash),
    );
    const outcome = outcomeOf(() => frontier.extend(to, given), "MALFORMED_PROOF");
    assert.equal(outcome.code === undefined, given.length === cover.length);
    if (outcome.value === undefined) return;
    frontier = outcome.value;
    for (const [i, hash] of given.entries()) peaks = pushPeak(peaks, { size: cover[i]?.size ?? 0, hash });
    size = to;
    assert.equal(frontier.treeSize, size);
    assert.ok(equalBytes(frontier.root(), rootOfPeaks(peaks)));
    if (given.every((hash, i) => equalBytes(hash, cover[i]?.hash ?? hash)) && size > 0) continue;
    return;
  }
  assert.ok(equalBytes(frontier.root(), naiveRoot(LEAVES.slice(0, size))));
}
