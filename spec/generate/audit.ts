import {
  type Bytes,
  base64,
  bytes,
  compare,
  concat,
  fill,
  flip,
  hashOf,
  hex,
  malleate,
  noteLine,
  sha256,
  sign,
  twist,
  unpadded,
  utf8,
  uv,
} from "./bytes.ts";
import { familyOf, type GoMap, goMap, majorsValue, path, record } from "./gomod.ts";
import { checkpointText, leafText, treeHeadText } from "./log.ts";
import { makeRecord } from "./map-fold.ts";
import { inclusionProof, leafHash, logRoot, mapRoot, type Pair, pairsOf, peaks } from "./merkle.ts";
import type { Vector } from "./vector.ts";
import { keys, ORIGIN } from "./world.ts";

/** Vectors of audit.md. */

const mod = (n: number, p: string, version: string): Bytes => makeRecord(p, version, n);
const T = "20200102030405";

/** The records of each epoch. */
const WINDOWS: readonly (readonly Bytes[])[] = [
  // 1 maps nothing, 2 begins with an empty map.
  [utf8("no record\n")],
  [
    mod(1, "example.com/a", "v1.0.0"),
    mod(2, "example.com/big", "v1.0.0"),
    ...Array.from({ length: 11 }, (_, i) => mod(i, `example.com/big/v${i + 2}`, `v${i + 2}.10.100`)),
    mod(3, "golang.org/toolchain", "v0.0.1-go1.21.7.linux-amd64"),
    mod(4, "example.com/quiet", "v0.1.0"),
  ],
  [mod(5, "example.com/a", "v1.1.0"), mod(6, "example.com/big/v3", "v3.11.0")],
  // Only the base path of a family, a family that is new, one without its base path.
  [mod(7, "example.com/big", "v1.1.0"), mod(8, "example.com/new/v2", "v2.0.0"), mod(9, "gopkg.in/yaml.v3", "v3.0.1")],
  [utf8("still no record\n"), bytes(0xff, 0xfe, 0x0a)],
  [
    mod(10, "golang.org/toolchain", "v0.0.1-go1.22.0.linux-amd64"),
    mod(11, "example.com/new", "v1.0.0"),
    mod(12, "gopkg.in/yaml.v2", "v2.4.0"),
    mod(13, "example.com/pseudo", `v0.0.0-${T}-abc`),
    mod(14, "example.com/a", "v1.0.5"),
    mod(15, "example.com/a", "v1.0.5"),
    mod(16, "example.com/new/v2/v3", "v3.0.0"),
  ],
  [mod(17, "example.com/new/v2", "v2.1.0"), mod(18, "example.com/first-seen", "v0.1.0")],
  [mod(19, "golang.org/toolchain", "v0.0.1-no-go.linux-amd64"), mod(20, "example.com/a", "v2.0.0+incompatible")],
];

const records: readonly Bytes[] = WINDOWS.flat();
const sizes: readonly number[] = WINDOWS.map((_, i) => WINDOWS.slice(0, i + 1).flat().length);
const hashes: readonly Bytes[] = records.map(leafHash);
const maps: readonly GoMap[] = [0, ...sizes].map((size) => goMap(records.slice(0, size)));

function leafOf(root: Bytes, size: number): string {
  const sumdbRoot = logRoot(hashes.slice(0, size));
  return leafText(root, size, sumdbRoot, sign(keys.sumdb, treeHeadText(size, sumdbRoot)), keys.sumdb);
}

const leaves: readonly string[] = sizes.map((size, i) => leafOf((maps[i + 1] as GoMap).root, size));

/** A transition before it is encoded; `tree` undefined for an empty map. */
interface Parts {
  readonly oldSize: number;
  readonly peaks: readonly Bytes[];
  readonly records: readonly Bytes[];
  readonly signature: Bytes;
  readonly items: readonly Bytes[];
  readonly states: readonly Bytes[];
  readonly tree: Bytes;
}

const list = (texts: readonly Bytes[]): Bytes =>
  concat(uv(texts.length), ...texts.map((text) => concat(uv(text.length), text)));
const MAGIC = utf8("proofdns-transition/1\n");

function sections(parts: Parts): Bytes[] {
  return [
    MAGIC,
    uv(parts.oldSize),
    concat(...parts.peaks),
    list(parts.records),
    parts.signature,
    list(parts.items),
    list(parts.states),
    parts.tree,
  ];
}

const encode = (parts: Parts): Bytes => concat(...sections(parts));

const key = (subject: string): Bytes => sha256(utf8(subject));
const byKey = (a: string, b: string): number => compare(key(a), key(b));

/** audit.md §1.1, in the map that `values` are. */
function touchedOf(window: readonly Bytes[], values: ReadonlyMap<string, string>, families: GoMap["families"]) {
  const paths = new Set(window.flatMap((data) => record(data)?.path ?? []));
  const asked = new Map<string, boolean>();
  for (const p of paths) asked.set(p, false);
  for (const p of paths) {
    const own = path(p);
    if (own?.family != null) asked.set(own.basePath, true);
  }
  const touched = [...asked].filter(([base, hasMember]) => hasMember || values.has(familyOf(base)));
  const all = new Set(paths);
  const cut: string[] = [];
  for (const [base] of touched) {
    all.add(base);
    const items = families.get(familyOf(base));
    if (items === undefined) continue;
    for (const [, suffix] of items.matchAll(/p=v([0-9]+) /g)) all.add(familyOf(base).replace("*", suffix as string));
    if (majorsValue(items.split("; ")).length < items.length + 46) cut.push(familyOf(base));
  }
  const subjects = [
    ...[...asked.keys()].map(familyOf),
    ...all,
    ...(paths.has("golang.org/toolchain") ? ["toolchain"] : []),
  ];
  return { subjects, paths: [...all].sort(byKey), cut: cut.sort(byKey) };
}

const bitOf = (k: Bytes, bit: number): number => ((k[bit >> 3] as number) >> (7 - (bit & 7))) & 1;

/** audit.md §1.2, by the definition. */
function node(pairs: readonly Pair[], touched: readonly Bytes[]): Bytes {
  if (touched.length === 0) return concat(bytes(0), mapRoot(pairs));
  const [k, v] = pairs[0] as Pair;
  if (pairs.length === 1) return concat(bytes(1), k, uv(v.length), v);
  let bit = 0;
  while (new Set(pairs.map((pair) => bitOf(pair[0], bit))).size === 1) bit++;
  const side = (b: number): Bytes =>
    node(
      pairs.filter((pair) => bitOf(pair[0], bit) === b),
      touched.filter((t) => bitOf(t, bit) === b),
    );
  return concat(bytes(2, bit), side(0), side(1));
}

const tree = (pairs: readonly Pair[], touched: readonly Bytes[]): Bytes =>
  pairs.length === 0 ? new Uint8Array(0) : node(pairs, touched);

/** What an operator thinks the old map is; lies are made of it. */
interface Old {
  readonly values: ReadonlyMap<string, string>;
  readonly states: ReadonlyMap<string, string>;
  readonly families: ReadonlyMap<string, string>;
}

function partsOf(epoch: number, old: Old = oldMap(epoch), extraKeys: readonly Bytes[] = []): Parts {
  const oldSize = sizes[epoch - 2] ?? 0;
  const size = sizes[epoch - 1] as number;
  const window = records.slice(oldSize, size);
  const { subjects, paths, cut } = touchedOf(window, old.values, old.families);
  return {
    oldSize,
    peaks: peaks(hashes.slice(0, oldSize)),
    records: window,
    signature: sign(keys.sumdb, treeHeadText(size, logRoot(hashes.slice(0, size)))),
    items: cut.map((subject) => utf8(old.families.get(subject) as string)),
    states: paths.flatMap((p) => (old.values.has(p) ? [utf8(old.states.get(p) as string)] : [])),
    tree: tree(pairsOf(old.values), [...subjects.map(key), ...extraKeys]),
  };
}

function oldMap(epoch: number): Old {
  const { subjects, states, families } = maps[epoch - 1] as GoMap;
  return { values: subjects, states, families };
}

const changed = <V>(map: ReadonlyMap<string, V>, subject: string, value: V | undefined): Map<string, V> => {
  const out = new Map(map);
  if (value === undefined) out.delete(subject);
  else out.set(subject, value);
  return out;
};

const MALFORMED = "MALFORMED_TRANSITION";

export function auditVectors(): Vector[] {
  return [...transitionVectors(), ...evidenceVectors()];
}

function transitionVectors(): Vector[] {
  const out: Vector[] = [];
  const add = (name: string, epoch: number, transition: Bytes, code?: string, leaf = leaves[epoch - 2] ?? null) =>
    out.push({
      name,
      operation: "transition",
      sumdbKey: keys.sumdb.vkey,
      epoch,
      leaf,
      transition: hex(transition),
      expect: code === undefined ? { leaf: leaves[epoch - 1] } : { refused: code },
    } as Vector);

  const names = [
    "epoch 1, nothing that maps",
    "from the empty map",
    "a family that is cut, and toolchain untouched",
    "the base path of a family, a new family, one without its base path",
    "no record that maps: the tree is a stub",
    "members and base paths that are new, a repeated record, toolchain",
    "a path that is member and base path at once",
    "a record of golang.org/toolchain that names no Go version",
  ];
  for (const [i, name] of names.entries()) add(name, i + 1, encode(partsOf(i + 1)));

  const parts = partsOf(6);
  const with6 = (name: string, change: Partial<Parts>, code: string) =>
    add(name, 6, encode({ ...parts, ...change }), code);

  // Step 1.
  const whole = sections(parts);
  const good = encode(parts);
  let at = 0;
  for (const [i, section] of whole.entries()) {
    // Without the last section, the tree, it is well-formed.
    if (i < whole.length - 1) add(`malformed: cut off before section ${i}`, 6, good.slice(0, at), MALFORMED);
    at += section.length;
    add(`malformed: cut off in section ${i}`, 6, good.slice(0, at - 1), MALFORMED);
  }
  const edited = (i: number, section: Bytes): Bytes => concat(...whole.map((old, k) => (k === i ? section : old)));
  add("malformed: another first line", 6, edited(0, utf8("proofdns-transition/2\n")), MALFORMED);
  add("malformed: the old size not in its shortest form", 6, edited(1, bytes(0x80 | parts.oldSize, 0)), MALFORMED);
  add("malformed: an old size beyond 2^53", 6, edited(1, uv(2n ** 53n)), MALFORMED);
  add(
    "malformed: the greatest size and a record",
    6,
    concat(MAGIC, uv(2n ** 53n - 1n), fill(1, 53 * 32), ...whole.slice(3)),
    MALFORMED,
  );
  add("malformed: a byte more", 6, concat(good, bytes(0)), MALFORMED);
  add("malformed: another tree after the tree", 6, concat(good, bytes(0), fill(0)), MALFORMED);
  with6("malformed: no records", { records: [] }, MALFORMED);
  add("malformed: more records than there may be", 6, edited(3, concat(uv(2 ** 20 + 1), bytes(0))), MALFORMED);
  add("malformed: a record longer than it may be", 6, edited(3, concat(uv(1), uv(2 ** 22 + 1), fill(0x61))), MALFORMED);
  add(
    "malformed: a number of records not in its shortest form",
    6,
    edited(3, concat(bytes(0x87, 0), list(parts.records).slice(1))),
    MALFORMED,
  );
  add("malformed: more items than there may be", 6, edited(5, uv(2 ** 20 + 1)), MALFORMED);
  with6("malformed: empty items", { items: [new Uint8Array(0)] }, MALFORMED);
  with6("malformed: items that are not UTF-8", { items: [bytes(0xc3)] }, MALFORMED);
  with6("malformed: an empty state", { states: [...parts.states, new Uint8Array(0)] }, MALFORMED);
  with6("malformed: a state of 2^14 + 1 bytes", { states: [fill(0x61, 2 ** 14 + 1)] }, MALFORMED);
  with6(
    "malformed: a state that is not UTF-8",
    { states: [bytes(0xed, 0xa0, 0x80), ...parts.states.slice(1)] },
    MALFORMED,
  );
  const inTree = (name: string, nodes: Bytes) => with6(`malformed tree: ${name}`, { tree: nodes }, MALFORMED);
  const leafNode = (first: number, value: Bytes = utf8("v")): Bytes =>
    concat(bytes(1, first), fill(0, 31), uv(value.length), value);
  const stub = concat(bytes(0), fill(7));
  inTree("no such kind of node", concat(bytes(3), fill(0)));
  inTree("two stubs", concat(bytes(2, 0), stub, stub));
  inTree("two stubs further down", concat(bytes(2, 0), leafNode(0), bytes(2, 1), stub, stub));
  inTree("a bit twice", concat(bytes(2, 0), bytes(2, 0), leafNode(0), stub, stub));
  inTree("a bit above that of its parent", concat(bytes(2, 3), bytes(2, 1), leafNode(0), stub, stub));
  inTree("the sides exchanged", concat(bytes(2, 0), leafNode(0x80), leafNode(0)));
  inTree("a leaf on the wrong side of a stub", concat(bytes(2, 0), leafNode(0x80), stub));
  inTree("a leaf on the wrong side of a stub, right", concat(bytes(2, 0), stub, leafNode(0)));
  inTree("keys that part before the bit", concat(bytes(2, 1), leafNode(0), leafNode(0xc0)));
  inTree("keys that part after the bit", concat(bytes(2, 0), leafNode(0), leafNode(1)));
  inTree("a key twice", concat(bytes(2, 255), leafNode(0), leafNode(0)));
  inTree("an empty value", leafNode(0, new Uint8Array(0)));
  inTree("a value of 256 bytes", leafNode(0, fill(0x61, 256)));
  inTree("a length not in its shortest form", concat(bytes(1), fill(0), bytes(0x81, 0), bytes(0x61)));

  // Step 2.
  const fifth = leaves[4] as string;
  const bad = "BAD_SUMDB_SIGNATURE";
  add("old leaf: not a leaf", 6, good, "MALFORMED_LEAF", fifth.slice(1));
  add("old leaf: a line more", 6, good, "MALFORMED_LEAF", `${fifth}\n`);
  add("old leaf: of another sumdb", 6, good, "MALFORMED_LEAF", fifth.replace("sum.example.org", "sum.example.com"));
  const otherSign = sign(keys.otherSumdb, treeHeadText(parts.oldSize, logRoot(hashes.slice(0, parts.oldSize))));
  const fifthRoot = (maps[5] as GoMap).root;
  const forged = leafText(fifthRoot, parts.oldSize, logRoot(hashes.slice(0, parts.oldSize)), otherSign, keys.sumdb);
  add("old leaf: signed by another key", 6, good, bad, forged);

  // Step 3.
  add("the leaf of an earlier epoch", 6, good, "BAD_PROOF", leaves[3] as string);
  add("a transition of an earlier epoch", 6, encode(partsOf(5)), "BAD_PROOF");
  add("a transition of epoch 1 for a later one", 6, encode(partsOf(1)), "BAD_PROOF");
  add("a transition of a later epoch for epoch 1", 1, good, "BAD_PROOF");
  for (const [i, peak] of parts.peaks.entries())
    with6(
      `a bit of peak ${i} turned`,
      { peaks: parts.peaks.map((old, k) => (k === i ? flip(peak, i) : old)) },
      "BAD_PROOF",
    );
  with6("the same peaks at twice the old size", { oldSize: 2 * parts.oldSize }, "BAD_PROOF");
  with6("peaks exchanged", { peaks: [...parts.peaks].reverse() }, "BAD_PROOF");

  // Step 4.
  with6("a record dropped", { records: parts.records.slice(0, -1) }, bad);
  with6("the first record dropped", { records: parts.records.slice(1) }, bad);
  with6("a record invented", { records: [...parts.records, mod(99, "example.com/evil", "v6.6.6")] }, bad);
  with6("a record changed", { records: parts.records.map((old, i) => (i === 2 ? flip(old, -10) : old)) }, bad);
  with6(
    "two records exchanged",
    { records: [parts.records[1] as Bytes, parts.records[0] as Bytes, ...parts.records.slice(2)] },
    bad,
  );
  with6(
    "a record twice",
    { records: [...parts.records.slice(0, 5), parts.records[5] as Bytes, ...parts.records.slice(5)] },
    bad,
  );
  with6("a bit of the signature turned", { signature: flip(parts.signature, 5) }, bad);
  with6("the signature of the old head", { signature: partsOf(5).signature }, bad);
  with6("a malleated signature", { signature: malleate(parts.signature) }, bad);
  const head6 = treeHeadText(sizes[5] as number, logRoot(hashes.slice(0, sizes[5])));
  with6("a signature that only holds with the cofactor", { signature: twist(keys.sumdb, head6) }, bad);
  with6("signed by another key", { signature: sign(keys.otherSumdb, head6) }, bad);

  // Step 5.
  with6("no tree", { tree: new Uint8Array(0) }, "BAD_PROOF");
  with6("a bit of the last stub or value turned", { tree: flip(parts.tree, -1) }, "BAD_PROOF");
  with6(
    "the old map is another",
    {
      tree: tree(
        pairsOf(changed(oldMap(6).values, "example.com/quiet", undefined)),
        touchedOf(parts.records, oldMap(6).values, oldMap(6).families).subjects.map(key),
      ),
    },
    "BAD_PROOF",
  );
  add("a tree where the old map is empty", 2, concat(encode(partsOf(2)), concat(bytes(0), sha256())), "BAD_PROOF");
  add("a tree for epoch 1", 1, concat(encode(partsOf(1)), leafNode(0)), "BAD_PROOF");

  // Steps 6, 7 and 9: what was touched must be there.
  const all = pairsOf(oldMap(6).values);
  const { subjects } = touchedOf(parts.records, oldMap(6).values, oldMap(6).families);
  with6("the whole tree a stub", { tree: tree(all, []) }, "BAD_PROOF");
  const leads = (k: Bytes, to: readonly Pair[]): string => {
    // The leaf that a key leads to, by taking sides as the tree has them.
    if (to.length === 1) return hex((to[0] as Pair)[0]);
    let bit = 0;
    while (new Set(to.map((pair) => bitOf(pair[0], bit))).size === 1) bit++;
    return leads(
      k,
      to.filter((pair) => bitOf(pair[0], bit) === bitOf(k, bit)),
    );
  };
  for (const subject of subjects) {
    const end = leads(key(subject), all);
    const others = subjects.filter((other) => leads(key(other), all) !== end);
    with6(`the way of ${subject} left out`, { tree: tree(all, others.map(key)) }, "BAD_PROOF");
  }

  // Step 6: items.
  const third = partsOf(3);
  const with3 = (name: string, change: Partial<Parts>, code: string) =>
    add(name, 3, encode({ ...third, ...change }), code);
  const items = third.items[0] as Bytes;
  with3("no items of a family that is cut", { items: [] }, MALFORMED);
  with3("items with a bit turned", { items: [flip(items, 10)] }, "BAD_MAJORS");
  with3(
    "items without the last one",
    { items: [utf8(new TextDecoder().decode(items).split("; ").slice(0, -1).join("; "))] },
    "BAD_MAJORS",
  );
  with3("items with an invented one", { items: [concat(items, utf8("; p=- v=v9.9.9 i=1"))] }, "BAD_MAJORS");
  with3("items that nothing asks for", { items: [items, items] }, MALFORMED);
  with6("items of a family that is not cut", { items: [utf8("p=v3 v=v3.0.1 i=19")] }, MALFORMED);

  // Step 7: states.
  with6("a state missing", { states: parts.states.slice(0, -1) }, MALFORMED);
  with6("a state more", { states: [...parts.states, parts.states[0] as Bytes] }, MALFORMED);
  with6("no states", { states: [] }, MALFORMED);
  for (const [i, state] of parts.states.entries()) {
    with6(
      `a false state ${i}: a bit turned`,
      { states: parts.states.map((old, k) => (k === i ? flip(state, -3, 1) : old)) },
      "BAD_STATE_TEXT",
    );
  }
  with6(
    "two states exchanged",
    { states: [parts.states[1] as Bytes, parts.states[0] as Bytes, ...parts.states.slice(2)] },
    "BAD_STATE_TEXT",
  );
  with6(
    "the states of the epoch before",
    { states: parts.states.map((_, i) => (i === 0 ? utf8("n 1\n") : (parts.states[i] as Bytes))) },
    "BAD_STATE_TEXT",
  );

  // Step 10.
  const more = (name: string, extra: readonly Bytes[]) =>
    add(`the tree shows more than was touched: ${name}`, 6, encode(partsOf(6, oldMap(6), extra)), MALFORMED);
  more("one leaf", [key("example.com/quiet")]);
  more(
    "everything",
    all.map(([k]) => k),
  );
  add(
    "the tree shows a leaf where nothing is touched",
    5,
    encode(partsOf(5, oldMap(5), [key("example.com/a")])),
    MALFORMED,
  );

  // Steps 6 and 7 take one family, and one path, after the other: what is wrong with the first of two decides.
  const withoutWay = (pairs: readonly Pair[], subject: string): Bytes => {
    const end = leads(key(subject), pairs);
    return tree(pairs, subjects.filter((other) => leads(key(other), pairs) !== end).map(key));
  };
  const [family1, family2] = ["gopkg.in/yaml.v*", "example.com/new/v*"].sort(byKey) as [string, string];
  const familyEnds = subjects.filter((s) => s.endsWith("*")).map((s) => leads(key(s), all));
  const alone = touchedOf(parts.records, oldMap(6).values, oldMap(6).families).paths.filter((p) => {
    return oldMap(6).values.has(p) && !familyEnds.includes(hex(key(p)));
  });
  const [path1, path2] = [alone[0], alone.at(-1)] as [string, string];
  if (path1 === path2) throw new Error("there are no two paths");
  const inOrder = (name: string, broken: string, cut: string, code: string) => {
    const { values, states } = oldMap(6);
    const own = broken.endsWith("*") ? changed(values, broken, "x") : values;
    const state = parts.states.findIndex((text) => new TextDecoder().decode(text) === states.get(broken));
    const change = {
      states: parts.states.map((text, i) => (i === state ? flip(text, -3, 1) : text)),
      tree: withoutWay(pairsOf(own), cut),
    };
    const leaf = leafOf(mapRoot(pairsOf(own)), sizes[4] as number);
    add(`order: ${name}`, 6, encode({ ...parts, ...change }), code, leaf);
  };
  inOrder("a family that is no value, then one whose way is left out", family1, family2, "BAD_VALUE");
  inOrder("a family whose way is left out, then one that is no value", family2, family1, "BAD_PROOF");
  inOrder("a path with a false state, then one whose way is left out", path1, path2, "BAD_STATE_TEXT");
  inOrder("a path whose way is left out, then one with a false state", path2, path1, "BAD_PROOF");
  inOrder("a family that is no value, and a path whose way is left out", family2, path1, "BAD_VALUE");
  inOrder("a family whose way is left out, and a path with a false state", path1, family2, "BAD_PROOF");

  // Old maps that no honest operator has: their leaves are taken as given, and what they say is refused where it shows.
  const dishonest = (name: string, epoch: number, old: Partial<Old>, code: string, change: Partial<Parts> = {}) => {
    const map = { ...oldMap(epoch), ...old };
    const leaf = leafOf(mapRoot(pairsOf(map.values)), sizes[epoch - 2] as number);
    add(`old map: ${name}`, epoch, encode({ ...partsOf(epoch, map), ...change }), code, leaf);
  };
  const { values, states, families } = oldMap(6);
  const yaml = "gopkg.in/yaml.v*";
  const yamlItems = families.get(yaml) as string;
  const other = (text: string): Partial<Old> => ({
    values: changed(values, yaml, majorsValue(text.split("; "))),
    families: changed(families, yaml, text),
  });
  dishonest("the value of a family is no value", 6, { values: changed(values, yaml, "x") }, "BAD_VALUE");
  dishonest("the value of a family has no hash", 6, { values: changed(values, yaml, yamlItems) }, "BAD_VALUE");
  dishonest(
    "the value of a family names another version",
    6,
    other(yamlItems.replace("v3.0.1", "v3.0.0")),
    "BAD_VALUE",
  );
  dishonest(
    "the value of a family names an index beyond the old size",
    6,
    other(yamlItems.replace(/i=[0-9]+/, "i=999")),
    "BAD_VALUE",
  );
  dishonest(
    "the value of a family names a member without a state",
    6,
    other(`p=v7 v=v7.0.0 i=1; ${yamlItems}`),
    "BAD_VALUE",
  );
  dishonest("the value of a family forgets a member that the window has", 6, other("p=v9 v=v9.0.0 i=1"), "BAD_VALUE");
  const seventh = oldMap(7);
  const family = "example.com/new/v*";
  dishonest(
    "no value of a family whose member has a state",
    7,
    { values: changed(seventh.values, family, undefined), families: changed(seventh.families, family, undefined) },
    "BAD_VALUE",
  );
  const withoutBase = (seventh.families.get(family) as string).replace(/; p=- .*/, "");
  dishonest(
    "the value of a family forgets its base path",
    7,
    {
      values: changed(seventh.values, family, majorsValue([withoutBase])),
      families: changed(seventh.families, family, withoutBase),
    },
    "BAD_VALUE",
  );
  const big = oldMap(3);
  const bigItems = big.families.get("example.com/big/v*") as string;
  const malformedItems = bigItems.replace("p=v2 ", "p=v02 ");
  dishonest(
    "uncut items that are no items",
    3,
    { values: changed(big.values, "example.com/big/v*", majorsValue(malformedItems.split("; "))) },
    "BAD_MAJORS",
    { items: [utf8(malformedItems)] },
  );
  const shorter = majorsValue(bigItems.split("; ")).split("; ").slice(0, 2).join("; ");
  dishonest(
    "a value that shows fewer items than fit",
    3,
    { values: changed(big.values, "example.com/big/v*", shorter) },
    "BAD_MAJORS",
  );
  dishonest("toolchain is no value", 6, { values: changed(values, "toolchain", "v=go1.21.7 i=14") }, "BAD_VALUE");
  dishonest(
    "toolchain has an index beyond the old size",
    6,
    { values: changed(values, "toolchain", "v=go1.21.7 k=cur i=999") },
    "BAD_VALUE",
  );
  const a = states.get("example.com/a") as string;
  const value = values.get("example.com/a") as string;
  const withState = (state: string): Partial<Old> => ({
    values: changed(
      values,
      "example.com/a",
      value.replace(/ s=[A-Za-z0-9+/]{43}/, ` s=${unpadded(sha256(utf8(state)))}`),
    ),
    states: changed(states, "example.com/a", state),
  });
  const member = "example.com/big/v2";
  const far = (big.states.get(member) as string)
    .replace("n 1\n", "n 64\n")
    .concat(`q v2.0.0-rc.1 999 ${unpadded(fill(1))} ${unpadded(fill(2))}\n`);
  const farValue = (big.values.get(member) as string).replace(/ s=\S+/, ` s=${unpadded(sha256(utf8(far)))}`);
  const farMap = {
    ...big,
    values: changed(big.values, member, farValue),
    states: changed(big.states, member, far),
  };
  out.push({
    name: "old map: a state that counts more records, and has a greater index, than the old size",
    operation: "transition",
    sumdbKey: keys.sumdb.vkey,
    epoch: 3,
    leaf: leafOf(mapRoot(pairsOf(farMap.values)), sizes[1] as number),
    transition: hex(encode(partsOf(3, farMap))),
    expect: {
      leaf: leafOf(mapRoot(pairsOf(changed((maps[3] as GoMap).subjects, member, farValue))), sizes[2] as number),
    },
  } as Vector);
  dishonest("a value whose state is not canonical", 6, withState(`${a}\n`), "BAD_STATE_TEXT");
  dishonest("a value whose state counts one more", 6, withState(a.replace("n 2", "n 3")), "BAD_STATE_TEXT");
  dishonest(
    "a value that is not that of its state",
    6,
    { values: changed(values, "example.com/a", value.replace("v=v1.1.0", "v=v1.2.0")) },
    "BAD_STATE_TEXT",
  );
  dishonest(
    "a value of a path that is no module path",
    6,
    { values: changed(values, "gopkg.in/yaml", value), states: changed(states, "gopkg.in/yaml", a) },
    "BAD_STATE_TEXT",
  );
  return out;
}

function evidenceVectors(): Vector[] {
  const out: Vector[] = [];
  const e = 6;
  const wrongRoot = hashOf("wrong");
  const wrong = leafOf(wrongRoot, sizes[e - 1] as number);
  const honest = leaves as readonly string[];
  const makeLog = (texts: readonly string[]) => {
    const leafHashes = texts.map((text) => leafHash(utf8(text)));
    const text = checkpointText(ORIGIN, texts.length, logRoot(leafHashes));
    return { leafHashes, text, note: `${text}\n${noteLine(keys.log, sign(keys.log, text))}` };
  };
  const replaced = (...changes: [epoch: number, leaf: string][]): string[] => {
    const texts = [...honest];
    for (const [epoch, leaf] of changes) texts[epoch - 1] = leaf;
    return texts;
  };
  type Fields = { [field: string]: unknown };
  const make = (texts: readonly string[], epoch: number, transition: Bytes | null, change: Fields = {}): Fields => {
    const { leafHashes, note } = makeLog(texts);
    const proof = (index: number) => inclusionProof(index, leafHashes).map(base64);
    const fields: Fields = {
      type: "proofdns-evidence/1",
      kind: "epoch",
      log: keys.log.vkey,
      sumdb: keys.sumdb.vkey,
      epoch,
      checkpoint: note,
      leaf: texts[epoch - 1],
      proof: proof(epoch - 1),
      ...(epoch === 1 ? {} : { oldLeaf: texts[epoch - 2], oldProof: proof(epoch - 2) }),
      ...(transition === null ? {} : { transition: base64(transition) }),
      ...change,
    };
    for (const [name, value] of Object.entries(fields)) if (value === undefined) delete fields[name];
    return fields;
  };
  const add = (name: string, evidence: unknown, expect: unknown, expected: { key?: string; sumdbKey?: string } = {}) =>
    out.push({
      name,
      operation: "audit-evidence",
      evidence,
      key: expected.key ?? keys.log.vkey,
      sumdbKey: expected.sumdbKey ?? keys.sumdb.vkey,
      expect,
    } as Vector);
  const refused = (code: string) => ({ refused: code });
  const malformed = refused("MALFORMED_EVIDENCE");
  const badProof = refused("BAD_PROOF");
  const lied = replaced([e, wrong]);
  const transition = encode(partsOf(e));
  add("a wrong map root", make(lied, e, transition), { epoch: e, fault: "root" });
  add("a wrong map root in the newest epoch", make(lied.slice(0, e), e, transition), { epoch: e, fault: "root" });
  add("a wrong map root of epoch 1", make(replaced([1, leafOf(wrongRoot, 1)]), 1, encode(partsOf(1))), {
    epoch: 1,
    fault: "root",
  });
  const unsigned = leafText(
    (maps[e] as GoMap).root,
    sizes[e - 1] as number,
    hashOf("invented"),
    fill(1, 64),
    keys.sumdb,
  );
  add("a leaf whose tree head nobody signed", make(replaced([e, unsigned]), e, null), { epoch: e, fault: "leaf" });
  add("a leaf that is none", make(replaced([e, "nothing\n"]), e, null), { epoch: e, fault: "leaf" });
  add("a leaf that is none, of epoch 1", make(replaced([1, ""]), 1, null), { epoch: 1, fault: "leaf" });
  const same = leafOf((maps[e - 1] as GoMap).root, sizes[e - 2] as number);
  add("a sumdb size that does not grow", make(replaced([e, same]), e, null), { epoch: e, fault: "size" });
  add("a sumdb size that shrinks", make(replaced([e, leaves[1] as string]), e, null), { epoch: e, fault: "size" });
  add("an honest epoch", make(honest, e, transition), badProof);
  add("an honest epoch without a transition", make(honest, e, null), badProof);
  add("a wrong map root without a transition", make(lied, e, null), badProof);
  add("a wrong map root, and a transition that is refused", make(lied, e, flip(transition, -1)), badProof);
  add("a wrong map root, and a transition that does not decode", make(lied, e, transition.slice(1)), badProof);
  add("a wrong map root, and the transition of another epoch", make(lied, e, encode(partsOf(e - 1))), badProof);
  const ahead = replaced([e, leaves[e] as string]);
  add("a transition that leads to another tree head", make(ahead, e, transition), badProof);
  add("an epoch that follows a wrong one rightly", make(replaced([e, wrong]), e + 1, encode(partsOf(e + 1))), badProof);
  add("the old leaf is none", make(replaced([e - 1, "nothing\n"], [e, wrong]), e, transition), badProof);
  const lie = make(lied, e, transition);
  const edit = (name: string, change: Fields, expect: unknown) => add(name, make(lied, e, transition, change), expect);
  edit(
    "a proof with a bit turned",
    { proof: (lie["proof"] as string[]).map((_, i, all) => (i === 0 ? base64(fill(9)) : all[i])) },
    badProof,
  );
  edit("a proof without its last hash", { proof: (lie["proof"] as string[]).slice(0, -1) }, badProof);
  edit("an old proof that does not hold", { oldProof: lie["proof"] }, badProof);
  edit("another leaf than that of the log", { leaf: leaves[e - 1] }, badProof);
  edit("another old leaf than that of the log", { oldLeaf: leaves[0] }, badProof);
  edit("the leaf of another index", { epoch: e + 1 }, badProof);
  const { text } = makeLog(lied);
  edit(
    "a checkpoint signed by another key of its name",
    { checkpoint: `${text}\n${noteLine(keys.log, sign(keys.otherLog, text))}` },
    refused("BAD_SIGNATURE"),
  );
  edit(
    "a checkpoint without the signature of the key",
    { checkpoint: `${text}\n${noteLine(keys.otherLog, sign(keys.otherLog, text))}` },
    refused("BAD_SIGNATURE"),
  );
  const right = noteLine(keys.log, sign(keys.log, text));
  const wrongLine = noteLine(keys.log, sign(keys.otherLog, text));
  edit(
    "a right signature of the key on the checkpoint, then a wrong one",
    { checkpoint: `${text}\n${right}${wrongLine}` },
    refused("BAD_SIGNATURE"),
  );
  edit(
    "a wrong signature of the key on the checkpoint, then a right one",
    { checkpoint: `${text}\n${wrongLine}${right}` },
    refused("BAD_SIGNATURE"),
  );
  add("another log than expected", lie, refused("BAD_SIGNATURE"), { key: keys.otherLog.vkey });
  const noLeaf = { sumdb: keys.otherLog.vkey };
  add(
    "an honest epoch under a key that its checksum database has not",
    make(honest, e, transition, noLeaf),
    refused("BAD_SIGNATURE"),
  );
  add(
    "an honest epoch 1 under a key that its checksum database has not",
    make(honest, 1, null, noLeaf),
    refused("BAD_SIGNATURE"),
  );
  add("another checksum database than expected", lie, refused("BAD_SIGNATURE"), { sumdbKey: keys.otherLog.vkey });
  const missing = ["type", "kind", "log", "sumdb", "epoch", "checkpoint", "leaf", "proof", "oldLeaf", "oldProof"];
  for (const field of missing) edit(`without ${field}`, { [field]: undefined }, malformed);
  edit("without oldLeaf and oldProof", { oldLeaf: undefined, oldProof: undefined }, malformed);
  edit("a proof of 64 hashes", { proof: Array.from({ length: 64 }, () => base64(fill(9))) }, badProof);
  edit("a proof of 65 hashes", { proof: Array.from({ length: 65 }, () => base64(fill(9))) }, malformed);
  edit("an old proof of 65 hashes", { oldProof: Array.from({ length: 65 }, () => base64(fill(9))) }, malformed);
  edit("another type", { type: "proofdns-evidence/2" }, malformed);
  edit("another kind", { kind: "map" }, malformed);
  edit("a field that is none of its own", { more: 1 }, malformed);
  edit("a cosigner's key for that of the log", { log: keys.clock.vkey }, malformed);
  edit("a sumdb key that is none", { sumdb: "sum.example.org" }, malformed);
  edit("an epoch beyond the checkpoint", { epoch: lied.length + 1 }, malformed);
  edit("epoch 0", { epoch: 0 }, malformed);
  edit("epoch 1 with an old leaf", { epoch: 1 }, malformed);
  edit("half an epoch", { epoch: 5.5 }, malformed);
  edit("an epoch as text", { epoch: "6" }, malformed);
  edit("a checkpoint that is no note", { checkpoint: text }, malformed);
  const foreign = checkpointText("other.example.org/p1", lied.length, logRoot(makeLog(lied).leafHashes));
  edit(
    "a checkpoint of another log by the same key",
    { checkpoint: `${foreign}\n${noteLine(keys.log, sign(keys.log, foreign))}` },
    malformed,
  );
  edit("a transition that is not base64", { transition: "?" }, malformed);
  edit("a proof that is not a list", { proof: "" }, malformed);
  edit("a hash of 31 bytes", { proof: [base64(fill(0, 31))] }, malformed);
  add("no object", [], malformed);
  add("null", null, malformed);
  return out;
}
