import type { FoldedWindow } from "../../src/audit/transition.ts";
import { decodeUtf8, encodeUtf8 } from "../../src/vindex/bytes.ts";
import { formatTreeHead } from "../../src/vindex/checkpoint.ts";
import { Frontier } from "../../src/vindex/frontier.ts";
import { type EpochLeaf, formatLeaf } from "../../src/vindex/leaf.ts";
import { foldWindow, type IndexedRecord, type MapAfter, pathsToLoad } from "../../src/vindex/map-function.ts";
import { familyOf } from "../../src/vindex/module-path.ts";
import { formatModuleState, type ModuleState } from "../../src/vindex/module-state.ts";
import { formatVerifierKey, KEY_TYPE_ED25519, makeSignerKey, signNote } from "../../src/vindex/note.ts";
import { nodeEd25519, nodeSha256 } from "../../src/vindex/platform.ts";
import { type MapChange, type Node, PrefixTree } from "../../src/vindex/prefix-tree.ts";
import { walkPrefixTree } from "../../src/vindex/pruned-tree.ts";
import { computeRecordHash, formatRecord, parseRecord } from "../../src/vindex/record.ts";
import type { ToolchainItem } from "../../src/vindex/toolchain-value.ts";

/** An index folded in memory, honestly or not, with all that transitions are made of. */

export const ed25519 = nodeEd25519();
export const sha256 = nodeSha256;
export const sumdbKey = makeSignerKey("sumdb.example.org", KEY_TYPE_ED25519, new Uint8Array(32).fill(3), ed25519);
export const sumdbVkey: string = formatVerifierKey(sumdbKey.verifierKey);
export const keys = { sumdbKey: sumdbKey.verifierKey, sha256, ed25519 } as const;

const hashOf = (text: string): Uint8Array => sha256(encodeUtf8(text));

/** The bytes of a record with invented hashes. */
export function recordOf(path: string, version: string, salt = ""): Uint8Array {
  const [zip, goMod] = ["zip", "mod"].map((kind) => hashOf(`${kind} ${path} ${version} ${salt}`));
  return encodeUtf8(formatRecord(path, version, zip as Uint8Array, goMod as Uint8Array));
}

/** One folded epoch: an honest builder's, or a liar's. */
export interface Fold extends FoldedWindow<Node> {
  readonly epoch: number;
  readonly before: FoldedWindow<Node>["before"] & { readonly leafText: string | undefined };
  readonly after: { readonly leafText: string; readonly leaf: EpochLeaf };
}

/** What a liar changes: the records that are folded, or the changes that go into the tree. */
export interface Lie {
  readonly epoch: number;
  readonly records?: (records: IndexedRecord[]) => IndexedRecord[];
  readonly changes?: (after: MapAfter) => readonly MapChange[];
  /** Families that the fold forgets. */
  readonly forget?: string;
}

/** Folds records into epochs that end at the given sizes. What is signed is always signed rightly. */
export function foldEpochs(texts: readonly Uint8Array[], sizes: readonly number[], lie?: Lie): Fold[] {
  const states = new Map<string, ModuleState>();
  const families = new Map<string, Set<string>>();
  const uncut = new Map<string, string>();
  let toolchain: readonly ToolchainItem[] = [];
  let tree = PrefixTree.empty(sha256);
  let frontier = Frontier.empty(sha256);
  let leafText: string | undefined;
  return sizes.map((size, i) => {
    const own = lie?.epoch === i + 1 ? lie : undefined;
    const firstIndex = frontier.treeSize;
    const window = texts.slice(firstIndex, size);
    const hashes = window.map((text) => computeRecordHash(text, sha256));
    let records = window.flatMap((text, k): IndexedRecord[] => {
      const record = parseRecord(text);
      return record === undefined ? [] : [{ record, logIndex: firstIndex + k, recordHash: hashes[k] as Uint8Array }];
    });
    const honest = records;
    records = own?.records?.(records) ?? records;
    const family = (basePath: string): Iterable<string> =>
      own?.forget === basePath ? [] : (families.get(basePath) ?? []);
    const stateTexts = new Map<string, string>();
    for (const path of pathsToLoad([...honest, ...records], (basePath) => families.get(basePath) ?? [])) {
      const state = states.get(path);
      if (state !== undefined) stateTexts.set(path, formatModuleState(state));
    }
    const state = (path: string): ModuleState | undefined => states.get(path);
    const after = foldWindow({ state, family, toolchain }, records, sha256);
    const before = { leafText, tree: walkPrefixTree(tree), sumdbFrontier: frontier };
    const oldUncut = new Map(uncut);
    tree = tree.update(own?.changes?.(after) ?? after.changes);
    frontier = frontier.appendAll(hashes);
    for (const { path, state: next } of after.modules) {
      states.set(path, next);
      const member = familyOf(path);
      if (member !== undefined)
        families.set(member.basePath, (families.get(member.basePath) ?? new Set()).add(member.major));
    }
    for (const basePath of families.keys()) {
      const key = sha256(encodeUtf8(basePath.startsWith("gopkg.in/") ? `${basePath}.v*` : `${basePath}/v*`));
      const found = after.uncutMajors.find(({ indexKey }) => Buffer.compare(indexKey, key) === 0);
      if (found?.items !== undefined) uncut.set(basePath, found.items);
    }
    toolchain = after.toolchain;
    const treeHead = { treeSize: size, rootHash: frontier.root() };
    const sumdbSignature = signNote(formatTreeHead(treeHead), sumdbKey, ed25519).blob;
    const leaf: EpochLeaf = { mapRoot: tree.rootHash(), treeHead, sumdbSignature };
    leafText = formatLeaf(leaf, sumdbKey.verifierKey);
    return {
      epoch: i + 1,
      before,
      after: { leafText, leaf },
      texts: window,
      states: stateTexts,
      uncutMajors: oldUncut,
    };
  });
}

/** Text of bytes, for reading values. */
export function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : decodeUtf8(bytes);
}

const T = "20200102030405";

/** A small database with every kind of subject, and sizes at which its epochs end. */
export const RECORDS: readonly Uint8Array[] = [
  encodeUtf8("no record\n"),
  recordOf("example.com/a", "v1.0.0"),
  recordOf("example.com/big", "v1.0.0"),
  ...Array.from({ length: 12 }, (_, i) => recordOf(`example.com/big/v${i + 2}`, `v${i + 2}.10.100`)),
  recordOf("golang.org/toolchain", "v0.0.1-go1.21.7.linux-amd64"),
  // 16: epoch 2
  recordOf("example.com/a", "v1.1.0"),
  recordOf("example.com/big/v3", "v3.11.0"),
  recordOf("golang.org/toolchain", "v0.0.1-go1.22.0.linux-amd64"),
  // 19: epoch 3
  recordOf("example.com/big", "v1.1.0"),
  recordOf("gopkg.in/yaml.v3", "v3.0.1"),
  recordOf("example.com/new/v2", "v2.0.0"),
  // 22: epoch 4, nothing that maps
  encodeUtf8("still no record\n"),
  // 23: epoch 5
  recordOf("example.com/new", "v1.0.0"),
  recordOf("gopkg.in/yaml.v2", "v2.4.0"),
  recordOf("example.com/pseudo", `v0.0.0-${T}-abc`),
  recordOf("example.com/a", "v1.0.5"),
  recordOf("example.com/new/v2/v3", "v3.0.0"),
  // 28: epoch 6
  recordOf("example.com/new/v2", "v2.1.0"),
  recordOf("example.com/other", "v0.1.0"),
];
export const SIZES: readonly number[] = [16, 19, 22, 23, 28, 30];
