import assert from "node:assert/strict";
import { equalBytes, formatHex } from "../src/vindex/bytes.ts";
import { MAX_PATH_LENGTH } from "../src/vindex/flat-tree.ts";
import {
  decodePathProof,
  encodePathProof,
  type PathProof,
  pathProofOf,
  verifyEmptyMap,
  verifyInclusionProof,
  verifyNonInclusionProof,
} from "../src/vindex/path-proof.ts";
import { nodeSha256 } from "../src/vindex/platform.ts";
import { type MapChange, PrefixTree } from "../src/vindex/prefix-tree.ts";
import { TreeSlab } from "../src/vindex/tree-slab.ts";
import { Input } from "./input.ts";
import { foldPath, keyBit, mapLeaf, naiveMapRoot } from "./oracle/merkle.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";

/**
 * The prefix tree, as objects and in a slab: its root is a function of the pairs, its proofs hold, and no proof, whatever is done to it, shows
 * anything but the truth.
 */
export const target: Target = { maxLength: 600, plants: ["agreeing-bits", "short-sibling"] };

/** Bug: the leaf shown must agree with the key in the deepest bit only, not in all. */
const verifyAbsence = plant("agreeing-bits", verifyNonInclusionProof, (proof, key, leaf, root, sha256) => {
  const [deepest] = proof.bits;
  if (proof.bits.length < 2 || deepest === undefined || keyBit(leaf.indexKey, deepest) !== keyBit(key, deepest)) {
    verifyNonInclusionProof(proof, key, leaf, root, sha256);
    return;
  }
  const start = mapLeaf(leaf.indexKey, leaf.value);
  const isRoot = equalBytes(foldPath(leaf.indexKey, start, proof.bits, proof.siblings), root);
  if (!isRoot) verifyNonInclusionProof(proof, key, leaf, root, sha256);
});

/** Bug: of the last sibling a byte may be missing. */
const decodePath = plant("short-sibling", decodePathProof, (bytes, offset) => {
  try {
    return decodePathProof(bytes, offset);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes("a sibling is cut off")) throw error;
    return decodePathProof(Uint8Array.from([...bytes, 0]), offset);
  }
});

const written = new Uint8Array(MAX_PATH_LENGTH);

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick([changes, wire])(input);
}

/** A key of 32 bytes in which a few bits are set, so that keys meet deep in the tree. */
function keyFrom(input: Input): Uint8Array {
  const key = new Uint8Array(32);
  for (let i = input.byte() % 4; i >= 0; i--) key[input.byte() % 32] = input.byte();
  return key;
}

function changes(input: Input): void {
  const pairs = new Map<string, { key: Uint8Array; value: Uint8Array }>();
  let tree = PrefixTree.empty(nodeSha256);
  const slab = TreeSlab.empty();
  for (let rounds = 1 + (input.byte() % 3); rounds > 0; rounds--) {
    const batch = new Map<string, MapChange>();
    for (let n = input.byte() % 8; n > 0; n--) {
      const known = [...pairs.values()];
      const indexKey =
        input.byte() % 4 === 0
          ? (known[input.byte() % Math.max(known.length, 1)]?.key ?? keyFrom(input))
          : keyFrom(input);
      const length = input.byte() % 6;
      batch.set(formatHex(indexKey), {
        indexKey,
        value: length === 0 ? undefined : Uint8Array.of(length, ...input.take(length)),
      });
    }
    tree = tree.update(batch.values());
    // An update that is taken back leaves nothing behind.
    slab.discard(slab.update([...batch.values()].reverse().map(({ indexKey }) => ({ indexKey, value: indexKey }))));
    slab.accept(slab.update(batch.values()));
    if (rounds % 2 === 0) slab.retire(slab.tree);
    for (const [id, { indexKey, value }] of batch) {
      if (value === undefined) pairs.delete(id);
      else pairs.set(id, { key: indexKey, value });
    }
  }
  const all = [...pairs.values()];
  const root = naiveMapRoot(all.map(({ key, value }) => [key, value] as const));
  assert.ok(equalBytes(tree.rootHash(), root));
  assert.equal(tree.size, all.length);
  assert.ok(equalBytes(slab.tree.rootHash(), root));
  assert.equal(slab.tree.size, all.length);
  assert.equal([...slab.tree.leaves()].length, all.length);
  const asked = [...all.map(({ key }) => key), keyFrom(input), keyFrom(input)];
  for (const key of asked) {
    const value = pairs.get(formatHex(key))?.value;
    const found = tree.get(key);
    assert.ok(value === undefined ? found === undefined : found !== undefined && equalBytes(found, value));
    const path = tree.path(key);
    const proof = pathProofOf(path);
    const encoded = encodePathProof(proof);
    const end = slab.tree.writePath(key, written, 0);
    assert.ok(equalBytes(written.subarray(0, end), encoded));
    const inSlab = slab.tree.get(key);
    assert.ok(value === undefined ? inSlab === undefined : inSlab !== undefined && equalBytes(inSlab, value));
    const decoded = decodePath(encoded, 0);
    assert.equal(decoded.end, encoded.length);
    assert.deepEqual(decoded.proof.bits, proof.bits);
    if (value !== undefined) verifyInclusionProof(decoded.proof, key, value, root, nodeSha256);
    else if (path.leaf === undefined) verifyEmptyMap(root, nodeSha256);
    else verifyAbsence(decoded.proof, key, path.leaf, root, nodeSha256);
    // Whatever else is claimed with this path is refused, or true.
    const claimed = input.byte() % 2 === 0 ? key : (asked[input.byte() % asked.length] as Uint8Array);
    claim(changedProof(input, proof), claimed, input, all, root);
  }
}

interface Pair {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

function claim(proof: PathProof, key: Uint8Array, input: Input, pairs: readonly Pair[], root: Uint8Array): void {
  const shown = pairs[input.byte() % Math.max(pairs.length, 1)];
  if (shown === undefined) return;
  const truth = pairs.find((pair) => equalBytes(pair.key, key));
  const value = input.byte() % 4 === 0 ? shown.value : (truth?.value ?? new Uint8Array(0));
  const inclusion = outcomeOf(() => verifyInclusionProof(proof, key, value, root, nodeSha256), "BAD_PROOF");
  if (inclusion.code === undefined)
    assert.ok(truth !== undefined && equalBytes(truth.value, value), "a value that is not there");
  const leaf = { indexKey: shown.key, value: shown.value };
  const absence = outcomeOf(() => verifyAbsence(proof, key, leaf, root, nodeSha256), "BAD_PROOF");
  if (absence.code === undefined) assert.ok(truth === undefined, "a key that is there, and shown to be absent");
  const empty = outcomeOf(() => verifyEmptyMap(root, nodeSha256), "BAD_PROOF");
  assert.ok(empty.code !== undefined || pairs.length === 0);
}

/** The proof with steps taken out, or bits moved; still with descending bits. */
function changedProof(input: Input, proof: PathProof): PathProof {
  const steps = proof.bits.map((bit, i) => ({ bit, sibling: proof.siblings[i] as Uint8Array }));
  for (let n = input.byte() % 3; n > 0; n--) {
    const at = input.byte() % Math.max(steps.length, 1);
    const step = steps[at];
    if (step === undefined) continue;
    if (input.byte() % 2 === 0) steps.splice(at, 1);
    else steps.splice(at, 1, { bit: input.byte(), sibling: step.sibling });
  }
  const bits = new Map(steps.map((step) => [step.bit, step]));
  const inOrder = [...bits.values()].sort((a, b) => b.bit - a.bit);
  return { bits: inOrder.map(({ bit }) => bit), siblings: inOrder.map(({ sibling }) => sibling) };
}

/** Paths as bytes, at an offset. */
function wire(input: Input): void {
  const offset = input.byte() % 4;
  const bytes = input.rest();
  const { value } = outcomeOf(() => decodePath(bytes, offset), "MALFORMED_PROOF");
  const length = bytes[offset] ?? 255;
  const bitmap = bytes.subarray(offset + 1, offset + 1 + length);
  const count = [...bitmap].reduce((sum, b) => sum + [...b.toString(2)].filter((bit) => bit === "1").length, 0);
  const end = offset + 1 + length + 32 * count;
  const isPath = length <= 32 && bitmap.length === length && bitmap.at(-1) !== 0 && end <= bytes.length;
  assert.equal(value !== undefined, isPath);
  if (value === undefined) return;
  assert.equal(value.end, end);
  assert.ok(equalBytes(encodePathProof(value.proof), bytes.subarray(offset, end)));
}
