import {
  type Bytes,
  base64,
  bytes,
  concat,
  fill,
  flip,
  hashOf,
  hex,
  type Key,
  makeKey,
  noteLine,
  sha256,
  sign,
  utf8,
} from "./bytes.ts";
import {
  consistencyProof,
  cover,
  coverHashes,
  inclusionProof,
  leafHash,
  logRoot,
  peaks,
  rootOfPeaks,
} from "./merkle.ts";
import type { Vector } from "./vector.ts";

/** Vectors of log.md. */

/** log.md §2. */
export function leafText(
  mapRoot: Bytes,
  size: number | string,
  root: Bytes,
  signature: Bytes,
  sumdbKey: Pick<Key, "name" | "id">,
): string {
  return `${hex(mapRoot)}\n${treeHeadText(size, root)}\n${noteLine(sumdbKey, signature)}`;
}

export function treeHeadText(size: number | string, root: Bytes): string {
  return `go.sum database tree\n${size}\n${base64(root)}\n`;
}

/** log.md §3. */
export function checkpointText(origin: string, epoch: number, root: Bytes): string {
  return `${origin}\n${epoch}\n${base64(root)}\n`;
}

/** log.md §4. */
export function cosignatureText(checkpoint: string, time: number): string {
  return `cosignature/v1\ntime ${time}\n${checkpoint}`;
}

const MALFORMED = { refused: "MALFORMED_PROOF" };
const BAD = { refused: "BAD_PROOF" };
const leaves = Array.from({ length: 40 }, (_, i) => leafHash(utf8(`leaf ${i}`)));
const hexes = (list: readonly Bytes[]) => list.map(hex);

export function logVectors(): Vector[] {
  const out: Vector[] = [];
  const add = (operation: string, name: string, fields: object, expect: unknown) =>
    out.push({ name, operation, ...fields, expect } as Vector);

  const sumdb = makeKey("sum.example.org", 1, 6);
  for (const [name, size, key] of [
    ["a leaf", 42, sumdb],
    ["a leaf of an empty sumdb", 0, sumdb],
    ["a leaf of 2^53 - 1 records", Number.MAX_SAFE_INTEGER, sumdb],
    ["a sumdb key name that is not ASCII", 42, makeKey("sümdb.example.org", 1, 6)],
  ] as const) {
    const [mapRoot, root] = [hashOf("map"), hashOf("sumdb")];
    const signature = sign(key, treeHeadText(size, root));
    const text = leafText(mapRoot, size, root, signature, key);
    const fields = {
      mapRoot: hex(mapRoot),
      sumdbSize: size,
      sumdbRoot: hex(root),
      sumdbSignature: hex(signature),
      sumdbKey: key.vkey,
    };
    add("leaf", name, fields, { text, hash: hex(leafHash(utf8(text))) });
  }

  for (const [origin, epoch] of [
    ["l.example.org/p1", 1],
    ["l.example.org/p1", 1_000_000],
    ["l.example.org/p1", Number.MAX_SAFE_INTEGER],
    ["xn--p1-fka.example/p1", 7],
  ] as const) {
    const key = makeKey(origin, 1, 1);
    const root = hashOf(`root ${epoch}`);
    const text = checkpointText(origin, epoch, root);
    const note = `${text}\n${noteLine(key, sign(key, text))}`;
    add(
      "checkpoint",
      `${origin} ${epoch}`,
      { origin, epoch, root: hex(root), seed: hex(key.seed) },
      { vkey: key.vkey, text, note },
    );
  }

  for (const [keyName, time] of [
    ["l.example.org/clock", 1_700_000_000],
    ["w1.example.org", 1],
    ["w1.example.org", Number.MAX_SAFE_INTEGER],
  ] as const) {
    const key = makeKey(keyName, 4, 2);
    const checkpoint = checkpointText("l.example.org/p1", 17, hashOf("root"));
    const message = cosignatureText(checkpoint, time);
    const signature = sign(key, message);
    const eight = new Uint8Array(8);
    new DataView(eight.buffer).setBigUint64(0, BigInt(time));
    const expect = {
      vkey: key.vkey,
      message,
      signature: hex(signature),
      noteLine: noteLine(key, concat(eight, signature)),
    };
    add("cosignature", `${keyName} at ${time}`, { checkpoint, time, seed: hex(key.seed), keyName }, expect);
  }

  for (let size = 0; size <= 17; size++) {
    const first = leaves.slice(0, size);
    add(
      "frontier",
      `${size} leaves`,
      { leafHashes: hexes(first) },
      { peaks: hexes(peaks(first)), root: hex(logRoot(first)) },
    );
  }
  for (const [start, end] of [
    [0, 0],
    [5, 14],
    [0, 13],
    [1, 2],
    [7, 8],
    [8, 16],
    [6, 6],
    [3, 40],
    [2 ** 40 - 1, 2 ** 40 + 5],
    [2 ** 52, 2 ** 53 - 1],
  ] as const) {
    add("cover", `${start} to ${end}`, { start, end }, cover(start, end));
  }
  for (const [size, to] of [
    [0, 0],
    [0, 5],
    [5, 14],
    [4, 5],
    [7, 8],
    [8, 8],
    [1, 2],
    [6, 40],
    [16, 33],
    [15, 31],
  ] as const) {
    const fields = {
      size,
      peaks: hexes(peaks(leaves.slice(0, size))),
      to,
      hashes: hexes(coverHashes(size, to, leaves)),
    };
    const whole = leaves.slice(0, to);
    add("extend", `${size} to ${to}`, fields, { peaks: hexes(peaks(whole)), root: hex(logRoot(whole)) });
  }

  const include = (
    name: string,
    index: number,
    size: number,
    proof: readonly Bytes[],
    expect: unknown = "ok",
    root = logRoot(leaves.slice(0, size)),
    hash = leaves[index] as Bytes,
  ) => add("inclusion", name, { index, size, leafHash: hex(hash), root: hex(root), proof: hexes(proof) }, expect);
  for (const size of [1, 2, 3, 7, 8, 9, 16, 21]) {
    for (const index of [0, size >> 1, size - 1].filter((x, i, all) => all.indexOf(x) === i)) {
      include(`${index} in ${size}`, index, size, inclusionProof(index, leaves.slice(0, size)));
    }
  }
  const path = inclusionProof(5, leaves.slice(0, 21));
  const root21 = logRoot(leaves.slice(0, 21));
  include("a hash missing", 5, 21, path.slice(0, -1), MALFORMED);
  include("a hash more", 5, 21, [...path, fill(0)], MALFORMED);
  include("no hashes", 5, 21, [], MALFORMED);
  include("a hash where none is needed", 0, 1, [fill(0)], MALFORMED);
  for (const i of [0, path.length - 1])
    include(
      `a bit turned in hash ${i}`,
      5,
      21,
      path.map((h, j) => (j === i ? flip(h, 7) : h)),
      BAD,
    );
  include("hashes in the other order", 5, 21, path.toReversed(), BAD);
  include("the proof of its neighbour", 4, 21, path, BAD);
  include("another leaf", 5, 21, path, BAD, root21, leaves[6]);
  include("another root", 5, 21, path, BAD, flip(root21, 0));
  // A proof does not bind the size: a signed tree head does.
  include("another size in which the leaf stands in the same way", 5, 22, path, "ok", root21);
  include(
    "another size in which it does not",
    18,
    20,
    inclusionProof(18, leaves.slice(0, 21)).slice(0, 3),
    BAD,
    root21,
  );
  include(
    "the last leaf on the path of the first",
    20,
    21,
    inclusionProof(20, leaves.slice(0, 21)).map((h) => flip(h, 0)),
    BAD,
  );
  include("an index that is not in the tree", 21, 21, path, BAD, root21);
  include("an index in the empty tree", 0, 0, [], BAD, sha256());
  include("an index that is not in the tree, without a hash", 22, 21, [], BAD, root21);

  const grow = (
    name: string,
    oldSize: number,
    newSize: number,
    proof: readonly Bytes[],
    expect: unknown = "ok",
    oldRoot = logRoot(leaves.slice(0, oldSize)),
    newRoot = logRoot(leaves.slice(0, newSize)),
  ) =>
    add(
      "consistency",
      name,
      { oldSize, oldRoot: hex(oldRoot), newSize, newRoot: hex(newRoot), proof: hexes(proof) },
      expect,
    );
  for (const [m, n] of [
    [1, 1],
    [1, 2],
    [1, 7],
    [2, 3],
    [3, 4],
    [3, 7],
    [4, 8],
    [4, 9],
    [6, 7],
    [6, 8],
    [7, 8],
    [7, 15],
    [8, 9],
    [8, 40],
    [21, 21],
    [21, 40],
    [31, 33],
    [32, 33],
  ] as const) {
    grow(`${m} to ${n}`, m, n, consistencyProof(m, leaves.slice(0, n)));
  }
  const proof = consistencyProof(21, leaves.slice(0, 40));
  const power = consistencyProof(8, leaves.slice(0, 40));
  grow("a hash missing", 21, 40, proof.slice(1), MALFORMED);
  grow("a hash more", 21, 40, [...proof, fill(0)], MALFORMED);
  grow("no hashes", 21, 40, [], MALFORMED);
  grow("a hash for equal sizes", 21, 21, [fill(0)], MALFORMED);
  grow("the old root before the proof from a power of two", 8, 40, [logRoot(leaves.slice(0, 8)), ...power], MALFORMED);
  for (const i of proof.keys())
    grow(
      `a bit turned in hash ${i}`,
      21,
      40,
      proof.map((h, j) => (j === i ? flip(h, 31) : h)),
      BAD,
    );
  for (const i of power.keys())
    grow(
      `a bit turned in hash ${i}, from a power of two`,
      8,
      40,
      power.map((h, j) => (j === i ? flip(h, 31) : h)),
      BAD,
    );
  grow("from nothing", 0, 40, [], MALFORMED);
  grow("from nothing, with the proof of another size", 0, 40, proof, MALFORMED);
  grow("from nothing to nothing", 0, 0, [], MALFORMED);
  grow("to a smaller size", 40, 21, proof, MALFORMED);
  grow("equal sizes and other roots", 21, 21, [], BAD, root21, flip(root21, 0));
  grow("another old root", 21, 40, proof, BAD, flip(root21, 0));
  grow("another old root of a power of two", 8, 40, power, BAD, flip(logRoot(leaves.slice(0, 8)), 0));
  grow("another new root", 21, 40, proof, BAD, root21, flip(root21, 0));
  grow("hashes in the other order", 21, 40, proof.toReversed(), BAD);
  grow("the proof from another size with as many hashes", 21, 40, consistencyProof(19, leaves.slice(0, 40)), BAD);
  const huge = [...Array.from({ length: 52 }, (_, i) => hashOf(`peak ${i}`))];
  const hugeRoot = rootOfPeaks(huge);
  grow("equal huge sizes", 2 ** 53 - 2, 2 ** 53 - 2, [], "ok", hugeRoot, hugeRoot);
  add(
    "extend",
    "2^53 - 2 to 2^53 - 1",
    { size: 2 ** 53 - 2, peaks: hexes(huge), to: 2 ** 53 - 1, hashes: [hex(fill(7))] },
    {
      peaks: hexes([...huge, fill(7)]),
      root: hex(rootOfPeaks([...huge, fill(7)])),
    },
  );
  return out;
}

/** The eight bytes of a number, big-endian. */
export function uint64(value: number): Bytes {
  return bytes(...Array.from({ length: 8 }, (_, i) => Number((BigInt(value) >> BigInt(56 - 8 * i)) & 0xffn)));
}
