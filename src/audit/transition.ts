import { decodeUtf8, equalBytes } from "../vindex/bytes.ts";
import type { TreeHead } from "../vindex/checkpoint.ts";
import { ed25519Verifier as defaultEd25519, type Ed25519Verifier } from "../vindex/ed25519.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { Frontier } from "../vindex/frontier.ts";
import { type EpochLeaf, formatLeaf, formatSignedTreeHead, parseLeaf } from "../vindex/leaf.ts";
import { formatMajorItems, type MajorItem } from "../vindex/majors-value.ts";
import { foldWindow } from "../vindex/map-function.ts";
import { familyMemberPath, familyOf, TOOLCHAIN_SUBJECT } from "../vindex/module-path.ts";
import { type ModuleState, parseModuleState } from "../vindex/module-state.ts";
import { computeModuleValue, selectLatest } from "../vindex/module-value.ts";
import { type VerifierKey, verifyNote } from "../vindex/note.ts";
import { type PrunedLeaf, PrunedTree, type TreeWalk, valueIn } from "../vindex/pruned-tree.ts";
import { sha256 as defaultSha256, type Hash, type Sha256 } from "../vindex/sha256.ts";
import { computeEmptyRoot } from "../vindex/tlog.ts";
import { parseToolchainValue, type ToolchainItem } from "../vindex/toolchain-value.ts";
import { findTouched, type KeyedPath, readWindow, type Touched, type TouchedFamily } from "./touched.ts";
import { decodeTransitionParts, encodeTransitionParts, type TransitionParts } from "./transition-format.ts";

/** An epoch as it was folded: all that its transition is made of. */
export interface FoldedWindow<Ref> {
  readonly before: {
    readonly tree: TreeWalk<Ref>;
    readonly sumdbFrontier: Frontier;
  };
  readonly after: { readonly leafText: string };
  /** Record bytes of the whole window. */
  readonly texts: readonly Uint8Array[];
  /** Old state texts by module path: at least those of all touched paths that have one. */
  readonly states: ReadonlyMap<string, string>;
  /** Old uncut items by base path: at least of the touched families whose value does not hold them. */
  readonly uncutMajors: ReadonlyMap<string, string>;
}

/** What both sides of a transition are told. */
export interface TransitionKeys {
  readonly sumdbKey: VerifierKey;
  readonly sha256?: Sha256;
  readonly ed25519?: Ed25519Verifier;
}

/**
 * Makes the transition of a folded epoch (spec/audit.md §1); undefined if its window is beyond the bounds.
 *
 * @throws TypeError if a state or items are missing (caller bug)
 */
export function encodeTransition<Ref>(folded: FoldedWindow<Ref>, keys: TransitionKeys): Uint8Array | undefined {
  const { sumdbKey, sha256 = defaultSha256 } = keys;
  const { tree, sumdbFrontier } = folded.before;
  const oldSize = sumdbFrontier.treeSize;
  const { paths } = readWindow(folded.texts, oldSize, sha256);
  const items: string[] = [];
  const reader = {
    value: (indexKey: Hash) => valueIn(tree, indexKey),
    items: (basePath: string) => {
      const own = folded.uncutMajors.get(basePath);
      if (own === undefined) throw new TypeError(`the items of ${basePath} are missing`);
      items.push(own);
      return own;
    },
  };
  const touched = findTouched(paths, oldSize, reader, sha256);
  const states: string[] = [];
  for (const { path, indexKey } of touched.paths) {
    if (reader.value(indexKey) === undefined) continue;
    const text = folded.states.get(path);
    if (text === undefined) throw new TypeError(`the state of ${path} is missing`);
    states.push(text);
  }
  const { sumdbSignature } = parseLeaf(folded.after.leafText, sumdbKey);
  return encodeTransitionParts({
    oldSize,
    peaks: sumdbFrontier.peaks,
    records: folded.texts,
    sumdbSignature,
    items,
    states,
    tree: PrunedTree.of(tree, touched.keys, sha256),
  });
}

/** What `verifyTransition` is given. */
export interface TransitionInput extends TransitionKeys {
  /** The epoch that the transition leads to. */
  readonly epoch: number;
  /** Leaf of the epoch before; undefined for epoch 1. */
  readonly leafText: string | undefined;
  readonly untrustedTransition: Uint8Array;
}

/** What a transition leads to. It is true of the log if the old leaf was and the log has this leaf. */
export interface VerifiedTransition {
  readonly epoch: number;
  readonly leafText: string;
  readonly leaf: EpochLeaf;
  /** Records of the window, malformed ones included. */
  readonly records: number;
  readonly touchedKeys: number;
}

/**
 * Computes the leaf that follows an old leaf, from nothing but the old leaf, the untrusted transition and the sumdb key
 * (spec/audit.md §2). Whether the log has that leaf is for the caller to compare.
 *
 * @throws ProofdnsError `MALFORMED_TRANSITION`, `MALFORMED_LEAF`, `BAD_SUMDB_SIGNATURE`, `BAD_PROOF`, `BAD_VALUE`,
 *   `BAD_MAJORS` or `BAD_STATE_TEXT`: the first step that fails
 */
export function verifyTransition(input: TransitionInput): VerifiedTransition {
  const { epoch, sumdbKey, sha256 = defaultSha256 } = input;
  if (epoch === 1 ? input.leafText !== undefined : input.leafText === undefined || !(epoch > 1))
    throw new TypeError("every epoch but the first has an old leaf");
  const parts = decodeTransitionParts(input.untrustedTransition, sha256);
  const old = readOldLeaf(input);
  const { records, paths, treeHead } = verifyRecords(input, parts, old.treeHead);
  if (!equalBytes(parts.tree.rootHash(), old.mapRoot)) refuse("BAD_PROOF", "its tree does not give the old map root");
  const reader = new OldMap(parts);
  const touched = findTouched(paths, parts.oldSize, reader, sha256);
  const states = readStates(reader, touched.paths, sha256);
  const members = knownMembers(paths, states);
  for (const family of touched.families) checkFamily(family, members.get(family.basePath) ?? [], states, sha256);
  const toolchain = readToolchain(reader, touched, parts.oldSize);
  reader.expectAllRead();
  const majors = new Map(touched.families.map((family) => [family.basePath, family.majors]));
  const before = {
    state: (path: string): ModuleState | undefined => states.get(path),
    family: (basePath: string): readonly string[] => majors.get(basePath) ?? [],
    toolchain,
  };
  const mapRoot = parts.tree.rootAfter(foldWindow(before, records, sha256).changes);
  const leaf: EpochLeaf = { mapRoot, treeHead, sumdbSignature: parts.sumdbSignature.slice() };
  return {
    epoch,
    leafText: formatLeaf(leaf, sumdbKey),
    leaf,
    records: parts.records.length,
    touchedKeys: touched.keys.length,
  };
}

function refuse(code: "BAD_PROOF" | "BAD_VALUE" | "MALFORMED_TRANSITION", why: string): never {
  throw new ProofdnsError(code, `transition: ${why}`);
}

function verifyTreeHead(input: TransitionKeys, leaf: Pick<EpochLeaf, "treeHead" | "sumdbSignature">): void {
  try {
    verifyNote(formatSignedTreeHead(leaf, input.sumdbKey), input.sumdbKey, input.ed25519 ?? defaultEd25519);
  } catch (cause) {
    if (!(cause instanceof ProofdnsError)) throw cause;
    throw new ProofdnsError(
      "BAD_SUMDB_SIGNATURE",
      `the checksum database did not sign the tree of size ${leaf.treeHead.treeSize}`,
      { cause },
    );
  }
}

/** Step 2. */
function readOldLeaf(input: TransitionInput): Pick<EpochLeaf, "mapRoot" | "treeHead"> {
  const { leafText, sumdbKey, sha256 = defaultSha256 } = input;
  const rootHash = computeEmptyRoot(sha256);
  if (leafText === undefined) return { mapRoot: rootHash, treeHead: { treeSize: 0, rootHash } };
  const leaf = parseLeaf(leafText, sumdbKey);
  verifyTreeHead(input, leaf);
  return leaf;
}

/** Steps 3 and 4. */
function verifyRecords(
  input: TransitionInput,
  { oldSize, peaks, records: texts, sumdbSignature }: TransitionParts,
  old: TreeHead,
): Pick<ReturnType<typeof readWindow>, "records" | "paths"> & { treeHead: TreeHead } {
  const { sha256 = defaultSha256 } = input;
  const frontier = Frontier.of(oldSize, peaks, sha256);
  if (oldSize !== old.treeSize) refuse("BAD_PROOF", `it begins at size ${oldSize}, the old leaf at ${old.treeSize}`);
  if (!equalBytes(frontier.root(), old.rootHash)) refuse("BAD_PROOF", "its peaks do not give the old sumdb root");
  const { recordHashes, records, paths } = readWindow(texts, oldSize, sha256);
  const all = frontier.appendAll(recordHashes);
  const treeHead = { treeSize: all.treeSize, rootHash: all.root() };
  verifyTreeHead(input, { treeHead, sumdbSignature });
  return { records, paths, treeHead };
}

/** The old map, as far as a transition shows it. Remembers what was read. */
class OldMap {
  readonly #parts: TransitionParts;
  readonly #leaves = new Set<PrunedLeaf>();
  #items = 0;
  #states = 0;

  constructor(parts: TransitionParts) {
    this.#parts = parts;
  }

  readonly value = (indexKey: Hash): Uint8Array | undefined => {
    const leaf = this.#parts.tree.find(indexKey);
    if (leaf === undefined) return undefined;
    this.#leaves.add(leaf);
    return equalBytes(leaf.indexKey, indexKey) ? leaf.value : undefined;
  };

  readonly items = (basePath: string): string =>
    this.#parts.items[this.#items++] ?? refuse("MALFORMED_TRANSITION", `no items of ${basePath}`);

  state(path: string): string {
    return this.#parts.states[this.#states++] ?? refuse("MALFORMED_TRANSITION", `no state of ${path}`);
  }

  /** Step 10. */
  expectAllRead(): void {
    const { items, states, tree } = this.#parts;
    if (this.#items < items.length) refuse("MALFORMED_TRANSITION", "items that nothing asks for");
    if (this.#states < states.length) refuse("MALFORMED_TRANSITION", "states that nothing asks for");
    if (this.#leaves.size < tree.leafCount) refuse("MALFORMED_TRANSITION", "its tree shows more than was touched");
  }
}

/** Step 7. */
function readStates(old: OldMap, paths: readonly KeyedPath[], sha256: Sha256): Map<string, ModuleState> {
  const states = new Map<string, ModuleState>();
  for (const { path, indexKey } of paths) {
    const value = old.value(indexKey);
    if (value === undefined) continue;
    const stateText = old.state(path);
    const refuseState = (why: string, cause?: unknown): never => {
      throw new ProofdnsError("BAD_STATE_TEXT", `state of ${path}: ${why}`, { cause });
    };
    let state: ModuleState;
    try {
      state = parseModuleState(stateText, path, sha256);
    } catch (cause) {
      if (!(cause instanceof ProofdnsError)) throw cause;
      return refuseState("malformed", cause);
    }
    if (computeModuleValue(path, state, stateText, sha256) !== decodeUtf8(value)) {
      return refuseState("it does not give the value in the old map");
    }
    states.set(path, state);
  }
  return states;
}

/** Suffix digits of the paths of the window that have an old state, by the base path of their family. */
function knownMembers(paths: ReadonlySet<string>, states: ReadonlyMap<string, ModuleState>): Map<string, string[]> {
  const members = new Map<string, string[]>();
  for (const path of paths) {
    const member = states.has(path) ? familyOf(path) : undefined;
    if (member === undefined) continue;
    const majors = members.get(member.basePath);
    if (majors === undefined) members.set(member.basePath, [member.major]);
    else majors.push(member.major);
  }
  return members;
}

/** Step 8: the old value of a family names all its members that the window can show, and says of them what is true. */
function checkFamily(
  { basePath, items, majors }: TouchedFamily,
  shown: readonly string[],
  states: ReadonlyMap<string, ModuleState>,
  sha256: Sha256,
): void {
  const made: MajorItem[] = [];
  const known = new Set([...majors, ...shown]);
  for (const major of [undefined, ...known]) {
    const path = major === undefined ? basePath : familyMemberPath(basePath, major);
    const state = states.get(path);
    if (state === undefined) continue;
    const { latest } = selectLatest(path, state, sha256);
    made.push({ major, path, version: latest.version, logIndex: latest.logIndex });
  }
  // Without members there is no family, whether its base path has a state or not.
  const expected = known.size === 0 ? undefined : formatMajorItems(made);
  if (expected !== items) refuse("BAD_VALUE", `the old value of the family of ${basePath} is not that of its members`);
}

/** Step 9. */
function readToolchain(old: OldMap, touched: Touched, oldSize: number): ToolchainItem[] {
  const value = touched.toolchain === undefined ? undefined : old.value(touched.toolchain);
  if (value === undefined) return [];
  const text = decodeUtf8(value) ?? refuse("BAD_VALUE", `the old value of ${TOOLCHAIN_SUBJECT} is not text`);
  return parseToolchainValue(text, oldSize);
}
