import assert from "node:assert/strict";
import { encodeTransition, verifyTransition } from "../src/audit/transition.ts";
import {
  decodeTransitionParts,
  encodeTransitionParts,
  TRANSITION_LIMITS,
  type TransitionParts,
} from "../src/audit/transition-format.ts";
import { concatBytes, encodeUtf8, equalBytes } from "../src/vindex/bytes.ts";
import { formatTreeHead } from "../src/vindex/checkpoint.ts";
import { isProofdnsError } from "../src/vindex/error.ts";
import { Frontier } from "../src/vindex/frontier.ts";
import { formatLeaf, parseLeaf } from "../src/vindex/leaf.ts";
import type { IndexedRecord } from "../src/vindex/map-function.ts";
import { nodeSha256 } from "../src/vindex/platform.ts";
import { PrefixTree } from "../src/vindex/prefix-tree.ts";
import { PrunedTree, walkPrefixTree } from "../src/vindex/pruned-tree.ts";
import { computeRecordHash, parseRecord } from "../src/vindex/record.ts";
import { naiveMap, rowOf } from "../test/vindex/naive-map.ts";
import { Input } from "./input.ts";
import { H, keyBit, naiveMapRoot, uv } from "./oracle/merkle.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import { fakeEd25519, seal } from "./scheme.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";
import { EPOCHS, epochOf, recordLog, recordTexts, SIZES, sumdbKey, work } from "./world.ts";

/**
 * Transitions: of an honest log, changed by the input, with a window of the input's choice where the sumdb signs it. What is
 * accepted leads to the map that all records give by a second implementation, and is the one encoding of its window; any bytes
 * are decoded or refused, and pruned trees have the shape of one.
 */
export const target: Target = { maxLength: 1500, plants: ["spare-items", "any-tree", "two-stubs"] };

type Given = Parameters<typeof verifyTransition>[0];

/** Bug: items that nothing asks for are passed over. */
const verifyItems = plant("spare-items", verifyTransition, (input: Given) => {
  try {
    return verifyTransition(input);
  } catch (error) {
    if (!isProofdnsError(error, "MALFORMED_TRANSITION") || !error.message.includes("items that nothing")) throw error;
    const parts = decodeTransitionParts(input.untrustedTransition);
    const items = parts.items.slice(0, -1);
    return verifyTransition({
      ...input,
      untrustedTransition: encodeTransitionParts({ ...parts, items }) ?? new Uint8Array(0),
    });
  }
});

/** Bug: the tree need not give the old map root, if all that is touched is as it was. */
const verify = plant("any-tree", verifyItems, (input: Given) => {
  try {
    return verifyItems(input);
  } catch (error) {
    if (!isProofdnsError(error, "BAD_PROOF") || !error.message.includes("old map root")) throw error;
    const parts = decodeTransitionParts(input.untrustedTransition);
    const { tree } = decodeTransitionParts(honest[input.epoch - 1] as Uint8Array, nodeSha256);
    return verifyItems({
      ...input,
      untrustedTransition: encodeTransitionParts({ ...parts, tree }) ?? new Uint8Array(0),
    });
  }
});

/** Bug: a node may have two stubs. */
const decodeTree = plant(
  "two-stubs",
  (bytes: Uint8Array) => PrunedTree.decode(bytes, 0, nodeSha256),
  (bytes: Uint8Array) => {
    const isPair = bytes.length === 68 && bytes[0] === 2 && bytes[2] === 0 && bytes[35] === 0;
    return PrunedTree.decode(isPair ? concatBytes(Uint8Array.of(0), bytes.subarray(3, 35)) : bytes, 0, nodeSha256);
  },
);

const key = sumdbKey.verifierKey;
const texts = recordTexts.map(encodeUtf8);
const sizeOf = (epoch: number): number => (epoch === 0 ? 0 : (SIZES[epoch - 1] as number));
const leafTextOf = (epoch: number): string | undefined =>
  epoch === 0 ? undefined : formatLeaf(epochOf(epoch).leaf, key);
const treeOf = (epoch: number): PrefixTree => (epoch === 0 ? PrefixTree.empty(nodeSha256) : epochOf(epoch).tree);

/** The transition of a window of any records after the records of an epoch. */
function transitionOf(before: number, window: readonly Uint8Array[]): Uint8Array {
  const oldSize = sizeOf(before);
  const sumdbFrontier = recordLog.frontier(oldSize);
  const all = sumdbFrontier.appendAll(window.map((text) => computeRecordHash(text, nodeSha256)));
  const treeHead = { treeSize: all.treeSize, rootHash: all.root() };
  const sumdbSignature = seal(key.publicKey, encodeUtf8(formatTreeHead(treeHead)));
  const states = new Map<string, string>();
  const uncutMajors = new Map<string, string>();
  if (before > 0) {
    const { modules, uncut } = epochOf(before);
    for (const { path, stateText } of modules.values()) states.set(path, stateText);
    const big = uncut.get(Buffer.from(H("example.com/big/v*")).toString("hex"));
    if (big !== undefined) uncutMajors.set("example.com/big", big);
  }
  const folded = {
    before: { tree: walkPrefixTree(treeOf(before)), sumdbFrontier },
    after: { leafText: formatLeaf({ mapRoot: H("unknown"), treeHead, sumdbSignature }, key) },
    texts: window,
    states,
    uncutMajors,
  };
  const bytes = encodeTransition(folded, { sumdbKey: key, sha256: nodeSha256, ed25519: fakeEd25519 });
  if (bytes === undefined) throw new Error("beyond the bounds");
  return bytes;
}

const honest = Array.from({ length: EPOCHS }, (_, i) => transitionOf(i, texts.slice(sizeOf(i), sizeOf(i + 1))));

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick([edited, wire, nodes])(input);
}

const CODES = [
  "MALFORMED_TRANSITION",
  "BAD_SUMDB_SIGNATURE",
  "BAD_PROOF",
  "BAD_VALUE",
  "BAD_MAJORS",
  "BAD_STATE_TEXT",
] as const;

/** A transition of an epoch, or of a window that the sumdb signs instead, with edits. */
function edited(input: Input): void {
  const epoch = 1 + (input.byte() % EPOCHS);
  let window = texts.slice(sizeOf(epoch - 1), sizeOf(epoch));
  // Any records of the log, in any order, and such that are none.
  for (let n = input.byte() % 4; n > 0; n--) {
    const at = input.byte() % (window.length + 1);
    const how = input.byte() % 4;
    const other = texts[input.byte() % texts.length] as Uint8Array;
    if (how === 0) window = window.filter((_, i) => i !== at);
    else if (how === 1) window = [...window.slice(0, at), other, ...window.slice(at)];
    else if (how === 2) window = [...window.slice(0, at), other, ...window.slice(at + 1)];
    else window = [...window, encodeUtf8(Buffer.from(other).toString().replaceAll("v1.", `v1.${input.byte()}`))];
  }
  if (window.length === 0) return;
  const bytes = transitionOf(epoch - 1, window);
  const parts = edit(input, decodeTransitionParts(bytes, nodeSha256), epoch);
  let changed = encodeTransitionParts(parts) ?? new Uint8Array(0);
  for (let n = input.byte() % 3; n > 0; n--) {
    changed = changed.slice();
    const at = changed.length - 1 - (input.uint16() % changed.length);
    changed[at] = input.byte();
  }
  check(epoch, changed, window, bytes);
}

function edit(input: Input, parts: TransitionParts, epoch: number): TransitionParts {
  let { oldSize, peaks, records, items, states, sumdbSignature, tree } = parts;
  const listed = <T>(list: readonly T[], other: readonly T[]): T[] => {
    const at = input.byte() % (list.length + 1);
    const how = input.byte() % 3;
    const one = other[input.byte() % Math.max(other.length, 1)];
    const rest = list.slice(at + (how === 1 ? 0 : 1));
    return [...list.slice(0, at), ...(how === 0 || one === undefined ? [] : [one]), ...rest];
  };
  const others = decodeTransitionParts(honest[input.byte() % EPOCHS] as Uint8Array, nodeSha256);
  for (let n = input.byte() % 3; n > 0; n--) {
    const how = input.byte() % 8;
    if (how === 0) oldSize = input.byte();
    else if (how === 1) peaks = listed(peaks, others.peaks);
    else if (how === 2) records = listed(records, others.records);
    else if (how === 3) items = listed(items, [...others.items, "p=v2 v=v2.0.0 i=0"]);
    else if (how === 4) states = listed(states, others.states);
    else if (how === 5) sumdbSignature = others.sumdbSignature;
    else if (how === 6) tree = others.tree;
    else tree = PrunedTree.of(walkPrefixTree(treeOf(epoch - 1)), [H("example.com/absent")], nodeSha256);
  }
  if (input.byte() % 2 === 0) {
    try {
      // Whoever has the sumdb's key signs what stands there.
      const all = Frontier.of(oldSize, peaks, nodeSha256).appendAll(
        records.map((text) => computeRecordHash(text, nodeSha256)),
      );
      const head = formatTreeHead({ treeSize: all.treeSize, rootHash: all.root() });
      sumdbSignature = seal(key.publicKey, encodeUtf8(head));
    } catch (error) {
      if (!isProofdnsError(error)) throw error;
    }
  }
  return { oldSize, peaks, records, items, states, sumdbSignature, tree };
}

function check(epoch: number, bytes: Uint8Array, window: readonly Uint8Array[], unchanged: Uint8Array): void {
  const leafText = leafTextOf(epoch - 1);
  const { sha256, ed25519 } = work;
  const { value } = work.counted(() =>
    withinTime("a transition", () =>
      outcomeOf(
        () => verify({ epoch, leafText, untrustedTransition: bytes, sumdbKey: key, sha256, ed25519 }),
        ...CODES,
      ),
    ),
  );
  assert.ok(work.hashes < 200 + bytes.length, `${work.hashes} hashes for ${bytes.length} bytes`);
  if (value === undefined) {
    assert.ok(!equalBytes(bytes, unchanged), "an honest transition is refused");
    return;
  }
  const parts = decodeTransitionParts(bytes, nodeSha256);
  // What is accepted is the one transition of its window, and leads to the map of all its records.
  assert.ok(equalBytes(bytes, transitionOf(epoch - 1, parts.records)), "two encodings of one transition");
  const all = [...texts.slice(0, sizeOf(epoch - 1)), ...parts.records];
  assert.ok(equalBytes(value.leaf.mapRoot, naiveRootOf(all)), "the map is not that of the records");
  assert.equal(value.leaf.treeHead.treeSize, all.length);
  assert.equal(formatLeaf(parseLeaf(value.leafText, key), key), value.leafText);
  if (window.length === parts.records.length && equalBytes(bytes, unchanged))
    assert.equal(value.records, window.length);
}

/** Map root of records by sorting them all. */
function naiveRootOf(all: readonly Uint8Array[]): Uint8Array {
  const indexed = all.flatMap((text, logIndex): IndexedRecord[] => {
    const record = parseRecord(text);
    return record === undefined ? [] : [{ record, logIndex, recordHash: computeRecordHash(text, nodeSha256) }];
  });
  return naiveMapRoot(
    [...naiveMap(indexed.map(rowOf))].map(([subject, value]) => [H(subject), encodeUtf8(value)] as const),
  );
}

/** Any bytes behind the first line. */
function wire(input: Input): void {
  const rest = input.rest();
  const bytes = concatBytes(encodeUtf8("proofdns-transition/1\n"), rest);
  const { value } = withinTime("a transition", () =>
    outcomeOf(() => decodeTransitionParts(bytes, nodeSha256), "MALFORMED_TRANSITION"),
  );
  if (value === undefined) return;
  assert.ok(equalBytes(encodeTransitionParts(value) ?? new Uint8Array(0), bytes), "another encoding is accepted");
  assert.ok(value.records.length >= 1 && value.records.length <= TRANSITION_LIMITS.count);
  for (const epoch of [0, EPOCHS - 1]) check(epoch + 1, bytes, value.records, bytes.subarray(1));
}

/** A pruned tree of any bytes, with hashes written short. */
function nodes(input: Input): void {
  const parts: Uint8Array[] = [];
  while (!input.isDone && parts.length < 64) {
    const kind = input.byte() % 4;
    if (kind === 0) parts.push(Uint8Array.of(0), H(Uint8Array.of(input.byte())));
    else if (kind === 1) {
      const leaf = new Uint8Array(32);
      leaf[input.byte() % 32] = input.byte();
      leaf[0] = input.byte();
      const value = input.block();
      parts.push(Uint8Array.of(1), leaf, uv(value.length), value);
    } else if (kind === 2) parts.push(Uint8Array.of(2, input.byte()));
    else parts.push(input.block());
  }
  const bytes = concatBytes(...parts);
  const { value } = outcomeOf(() => decodeTree(bytes), "MALFORMED_TRANSITION");
  const naive = bytes.length === 0 ? { root: H(""), keys: [] } : naiveTree(bytes);
  assert.equal(value !== undefined, naive !== undefined, "another judgement of the shape");
  if (value === undefined || naive === undefined) return;
  assert.ok(equalBytes(value.rootHash(), naive.root));
  assert.ok(equalBytes(value.encode(), bytes));
  assert.equal(value.leafCount, naive.keys.length);
}

interface NaiveNode {
  readonly root: Uint8Array;
  readonly keys: readonly Uint8Array[];
  readonly end: number;
}

function naiveTree(bytes: Uint8Array): NaiveNode | undefined {
  const node = (at: number, above: number): NaiveNode | undefined => {
    const kind = bytes[at];
    if (kind === 0)
      return at + 33 > bytes.length ? undefined : { root: bytes.slice(at + 1, at + 33), keys: [], end: at + 33 };
    if (kind === 1) {
      const leaf = bytes.slice(at + 1, at + 33);
      const low = bytes[at + 33] ?? 0;
      const high = low >= 0x80 ? (bytes[at + 34] ?? 0) : 0;
      const start = at + (low >= 0x80 ? 35 : 34);
      const length = (low & 0x7f) + 128 * high;
      const isShortest = low < 0x80 || high === 1;
      if (!isShortest || length < 1 || length > 255 || start + length > bytes.length) return undefined;
      const value = bytes.slice(start, start + length);
      return { root: H(Uint8Array.of(0), uv(32), leaf, uv(length), value), keys: [leaf], end: start + length };
    }
    const bit = bytes[at + 1];
    if (kind !== 2 || bit === undefined || bit <= above) return undefined;
    const left = node(at + 2, bit);
    const right = left === undefined ? undefined : node(left.end, bit);
    if (left === undefined || right === undefined) return undefined;
    const keys = [...left.keys, ...right.keys];
    const [first] = keys;
    if (first === undefined) return undefined;
    for (let b = 0; b < bit; b++) if (keys.some((other) => keyBit(other, b) !== keyBit(first, b))) return undefined;
    if (left.keys.some((other) => keyBit(other, bit) !== 0) || right.keys.some((other) => keyBit(other, bit) !== 1))
      return undefined;
    return { root: H(Uint8Array.of(1), uv(bit), left.root, right.root), keys, end: right.end };
  };
  const root = node(0, -1);
  return root?.end === bytes.length ? root : undefined;
}
