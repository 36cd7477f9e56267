import { type Bytes, bytes, concat, fill, flip, hashOf, hex, sha256, utf8 } from "./bytes.ts";
import { encodePath, foldPath, mapLeafHash, mapPath, mapRoot, type Pair, pairsOf } from "./merkle.ts";
import type { Vector } from "./vector.ts";

/** Vectors of tree.md. */

const example = pairsOf([
  ["example.com/a", "x"],
  ["example.com/b", "y"],
  ["example.com/c", "z"],
]);
const key = (subject: string) => sha256(utf8(subject));
const MALFORMED = { refused: "MALFORMED_PROOF" };
const BAD = { refused: "BAD_PROOF" };

/** A key of zeros but for some bits. */
function bits(...set: number[]): Bytes {
  const out = new Uint8Array(32);
  for (const bit of set) out[bit >> 3] = (out[bit >> 3] as number) | (0x80 >> (bit & 7));
  return out;
}

const many = pairsOf(Array.from({ length: 100 }, (_, i) => [`example.com/${i}`, `v${i}`] as const));
const chain: Pair[] = [bits(), ...Array.from({ length: 256 }, (_, i) => bits(i))].map((k, i) => [k, utf8(`v${i}`)]);
const deep: Pair[] = [
  [bits(), utf8("zero")],
  [bits(255), utf8("one")],
];
const prefix: Pair[] = [
  [concat(fill(0xab, 31), bytes(0x00)), utf8("a")],
  [concat(fill(0xab, 31), bytes(0x01)), utf8("b")],
  [concat(fill(0xab, 31), bytes(0x80)), utf8("c")],
  [concat(fill(0xab, 15), fill(0x00, 17)), utf8("d")],
];

const TREES: readonly (readonly [string, readonly Pair[]])[] = [
  ["no pairs", []],
  ["one pair", [[key("example.com/a"), utf8("x")]]],
  ["the example", example],
  ["keys that differ in the last bit", deep],
  [
    "keys that differ in the first bit",
    [
      [bits(), utf8("0")],
      [bits(0), utf8("1")],
    ],
  ],
  ["all 256 levels", chain],
  ["long common prefixes", prefix],
  ["a hundred pairs", many],
  [
    "an empty value",
    [
      [bits(), utf8("")],
      [bits(9), utf8("x")],
    ],
  ],
  ["values of 127, 128 and 255 bytes", [127, 128, 255].map((n) => [key(`example.com/${n}`), fill(0x61, n)] as const)],
  ["a value of 20,000 bytes", [[bits(3), fill(0x61, 20_000)]]],
  [
    "values that are not text",
    [
      [fill(0xff), fill(0xff, 3)],
      [fill(0), fill(0, 3)],
    ],
  ],
];

interface Proof {
  readonly root: Bytes;
  readonly key: Bytes;
  readonly value: Bytes | null;
  readonly path: Bytes | null;
  readonly other: Pair | null;
}

export function treeVectors(): Vector[] {
  const out: Vector[] = [];
  for (const [name, pairs] of TREES) {
    const given = pairs.map(([k, v]) => [hex(k), hex(v)]);
    out.push({ name, operation: "root", pairs: given, expect: { root: hex(mapRoot(pairs)) } } as Vector);
    if (pairs.length > 1) {
      const shuffled = given.map((_, i) => given[(i * 101 + 1) % given.length]);
      if (new Set(shuffled).size === given.length) {
        out.push({
          name: `${name}, in another order`,
          operation: "root",
          pairs: shuffled,
          expect: { root: hex(mapRoot(pairs)) },
        } as Vector);
      }
    }
  }
  const add = (name: string, proof: Proof, expect: unknown = "ok") => {
    const { root, value, path, other } = proof;
    const fields = {
      root: hex(root),
      key: hex(proof.key),
      value: value === null ? null : hex(value),
      path: path === null ? null : hex(path),
      other: other === null ? null : [hex(other[0]), hex(other[1])],
    };
    out.push({ name, operation: "proof", ...fields, expect } as Vector);
  };
  const present = (pairs: readonly Pair[], k: Bytes): Proof => {
    const found = mapPath(pairs, k);
    return {
      root: mapRoot(pairs),
      key: k,
      value: found.end[1],
      path: encodePath(found.bits, found.siblings),
      other: null,
    };
  };
  const absent = (pairs: readonly Pair[], k: Bytes): Proof => {
    const found = mapPath(pairs, k);
    return {
      root: mapRoot(pairs),
      key: k,
      value: null,
      path: encodePath(found.bits, found.siblings),
      other: found.end,
    };
  };

  for (const s of ["a", "b", "c"]) add(`example.com/${s} is in the example`, present(example, key(`example.com/${s}`)));
  for (const s of ["d", "e", "f", "g", "h"])
    add(`example.com/${s} is not in the example`, absent(example, key(`example.com/${s}`)));
  add("the only pair of a tree", present(example.slice(0, 1), example[0]?.[0] as Bytes));
  add("absent beside the only pair of a tree", absent(example.slice(0, 1), key("example.com/d")));
  add("a key that differs in the last bit", present(deep, bits(255)));
  add("a path of 256 nodes", present(chain, bits()));
  add("a path of 256 nodes to its other end", present(chain, bits(255)));
  add("absent at the end of 255 nodes", absent(chain.slice(0, -1), bits(255)));
  add("absent after some of 256 nodes", absent(chain, bits(100, 200)));
  add("long common prefixes, present", present(prefix, prefix[1]?.[0] as Bytes));
  add("long common prefixes, absent", absent(prefix, concat(fill(0xab, 31), bytes(0x81))));
  for (const i of [0, 17, 99]) add(`example.com/${i} of a hundred`, present(many, key(`example.com/${i}`)));
  for (const i of [100, 117]) add(`example.com/${i} beside a hundred`, absent(many, key(`example.com/${i}`)));
  const empty: Proof = { root: sha256(), key: key("example.com/a"), value: null, path: null, other: null };
  add("absent from the empty map", empty);
  add("absent from the empty map, under another root", { ...empty, root: mapRoot(example) }, BAD);
  add("absent from the empty map, under the root of zeros", { ...empty, root: fill(0) }, BAD);

  const one = present(many, key("example.com/17"));
  const none = absent(many, key("example.com/100"));
  const path = one.path as Bytes;
  const length = path[0] as number;
  const [otherKey, otherValue] = none.other as Pair;
  add("present: another value", { ...one, value: utf8("v18") }, BAD);
  add("present: a value with a byte more", { ...one, value: utf8("v17 ") }, BAD);
  add("present: an empty value", { ...one, value: utf8("") }, BAD);
  add("present: another key", { ...one, key: key("example.com/18") }, BAD);
  add("present: another root", { ...one, root: flip(one.root, 0) }, BAD);
  for (const at of [1 + length, 1 + length + 31, -1])
    add(`present: a bit of a sibling turned at ${at}`, { ...one, path: flip(path, at) }, BAD);
  const swapped = concat(
    path.slice(0, 1 + length),
    path.slice(-32),
    path.slice(1 + length + 32, -32),
    path.slice(1 + length, 1 + length + 32),
  );
  add("present: siblings exchanged", { ...one, path: swapped }, BAD);
  const real = mapPath(many, one.key);
  add(
    "present: the deepest node left out",
    { ...one, path: encodePath(real.bits.slice(1), real.siblings.slice(1)) },
    BAD,
  );
  add(
    "present: the root's node left out",
    { ...one, path: encodePath(real.bits.slice(0, -1), real.siblings.slice(0, -1)) },
    BAD,
  );
  add("present: a node more", { ...one, path: encodePath([255, ...real.bits], [fill(1), ...real.siblings]) }, BAD);
  const moved = real.bits.map((bit, i) => (i === 0 ? bit + 1 : bit));
  add("present: the deepest node at another bit", { ...one, path: encodePath(moved, real.siblings) }, BAD);
  add("present: an empty path", { ...one, path: bytes(0) }, BAD);
  add("present: the path of another key", { ...one, path: present(many, key("example.com/18")).path }, BAD);
  add(
    "present under the root of a value that is empty, which no proof shows",
    {
      root: mapLeafHash([bits(), utf8("")]),
      key: bits(),
      value: utf8(""),
      path: bytes(0),
      other: null,
    },
    BAD,
  );

  add("malformed: no bytes", { ...one, path: new Uint8Array(0) }, MALFORMED);
  add(
    "malformed: a bitmap of 33 bytes",
    { ...one, path: concat(bytes(33), fill(0, 32), bytes(1), fill(0)) },
    MALFORMED,
  );
  add(
    "malformed: a bitmap of 255 bytes",
    { ...one, path: concat(bytes(255), fill(0, 254), bytes(1), fill(0)) },
    MALFORMED,
  );
  add(
    "malformed: a bitmap that ends in zero",
    { ...one, path: concat(bytes(length + 1), path.slice(1, 1 + length), bytes(0), path.slice(1 + length)) },
    MALFORMED,
  );
  add("malformed: a bitmap of one zero byte", { ...one, path: bytes(1, 0) }, MALFORMED);
  add("malformed: a bitmap cut off", { ...one, path: path.slice(0, length) }, MALFORMED);
  add("malformed: a sibling missing", { ...one, path: path.slice(0, -32) }, MALFORMED);
  add("malformed: a sibling cut off", { ...one, path: path.slice(0, -1) }, MALFORMED);
  add("malformed: a byte more", { ...one, path: concat(path, bytes(0)) }, MALFORMED);
  add("malformed: a sibling more", { ...one, path: concat(path, fill(0)) }, MALFORMED);
  add("malformed: a bit set more", { ...one, path: flip(path, 1, real.bits.includes(7) ? 1 : 0) }, MALFORMED);

  add(
    "absent: the path of a present key shows another present key",
    { ...absent(many, one.key), other: [key("example.com/18"), utf8("v18")] },
    BAD,
  );
  add(
    "absent: the leaf shown is that of the key itself",
    { ...one, value: null, other: [one.key, one.value as Bytes] },
    BAD,
  );
  // Without the rule that both keys agree at every node, the true path of another key "proves" that a present one is absent.
  const stranger = present(many, key("example.com/18"));
  add(
    "absent: a true path of another key, for a key that is present",
    { ...one, value: null, path: stranger.path, other: [stranger.key, stranger.value as Bytes] },
    BAD,
  );
  add("absent: a true proof, for a key that is present", { ...none, key: one.key }, BAD);
  add("absent: a true proof, for another absent key", { ...none, key: key("example.com/117") }, BAD);
  const near = (() => {
    // A key that parts from the leaf shown at the deepest node only.
    const deepest = mapPath(many, none.key).bits[0] as number;
    return flip(otherKey, deepest >> 3, 7 - (deepest & 7));
  })();
  add("absent: the keys part at the deepest node", { ...none, key: near }, BAD);
  const top = mapPath(many, none.key).bits.at(-1) as number;
  add("absent: the keys part at the first node", { ...none, key: flip(none.key, top >> 3, 7 - (top & 7)) }, BAD);
  add("absent: another value", { ...none, other: [otherKey, concat(otherValue, bytes(0x30))] }, BAD);
  add("absent: an empty value", { ...none, other: [otherKey, new Uint8Array(0)] }, BAD);
  add("absent: another key", { ...none, other: [flip(otherKey, -1), otherValue] }, BAD);
  add("absent: another root", { ...none, root: flip(none.root, -1) }, BAD);
  add("absent: a bit of a sibling turned", { ...none, path: flip(none.path as Bytes, -1) }, BAD);
  add(
    "absent: a node left out",
    (() => {
      const found = mapPath(many, none.key);
      return { ...none, path: encodePath(found.bits.slice(1), found.siblings.slice(1)) };
    })(),
    BAD,
  );
  add("absent: a byte more", { ...none, path: concat(none.path as Bytes, bytes(0)) }, MALFORMED);
  add("absent: a bitmap that ends in zero", { ...none, path: concat(bytes(32), bits(3), fill(0)) }, MALFORMED);
  // The hash of an inner node as a leaf shown: the first byte keeps them apart.
  const inner = hashOf("inner");
  add(
    "absent under the hash of one leaf that is not shown",
    { root: inner, key: bits(), value: null, path: bytes(0), other: [bits(1), utf8("x")] },
    BAD,
  );
  add(
    "absent with a leaf of an empty value in the tree",
    {
      root: mapLeafHash([bits(1), utf8("")]),
      key: bits(),
      value: null,
      path: bytes(0),
      other: [bits(1), utf8("")],
    },
    BAD,
  );
  // A path of any shape is a true one of some root: what counts is what it says.
  const made: Pair = [bits(1), utf8("x")];
  const shape = [200, 100, 3];
  const siblings = shape.map((bit) => hashOf(`${bit}`));
  const root = foldPath(shape, siblings, made[0], mapLeafHash(made));
  add("present on a path that nobody would build", {
    root,
    key: made[0],
    value: made[1],
    path: encodePath(shape, siblings),
    other: null,
  });
  add("absent on a path that nobody would build", {
    root,
    key: bits(1, 7),
    value: null,
    path: encodePath(shape, siblings),
    other: made,
  });
  add(
    "absent on it, with keys that part at its middle node",
    { root, key: bits(1, 100), value: null, path: encodePath(shape, siblings), other: made },
    BAD,
  );
  add(
    "absent on it, with keys that part at its deepest node",
    { root, key: bits(1, 200), value: null, path: encodePath(shape, siblings), other: made },
    BAD,
  );
  add(
    "absent on it, with keys that part at its first node",
    { root, key: bits(1, 3), value: null, path: encodePath(shape, siblings), other: made },
    BAD,
  );
  return out;
}
