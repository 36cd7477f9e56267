import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeSampleRecords } from "../../src/cli/sample-records.ts";
import { RecordLog } from "../../src/sumdb/record-log.ts";
import { readRecordsFile } from "../../src/sumdb/records-file.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { formatTreeHead, type TreeHead } from "../../src/vindex/checkpoint.ts";
import { computeEpochLeafHash, type EpochLeaf, formatLeaf } from "../../src/vindex/leaf.ts";
import { foldWindow, type IndexedRecord } from "../../src/vindex/map-function.ts";
import { familyOf } from "../../src/vindex/module-path.ts";
import type { ModuleState } from "../../src/vindex/module-state.ts";
import {
  KEY_TYPE_COSIGNATURE,
  KEY_TYPE_ED25519,
  makeSignerKey,
  type SignerKey,
  signNote,
} from "../../src/vindex/note.ts";
import { OutputLog } from "../../src/vindex/output-log.ts";
import { nodeEd25519, nodeSha256 } from "../../src/vindex/platform.ts";
import { PrefixTree } from "../../src/vindex/prefix-tree.ts";
import { formatRecord, parseRecord } from "../../src/vindex/record.ts";
import { computeLeafHash } from "../../src/vindex/tlog.ts";
import type { ToolchainItem } from "../../src/vindex/toolchain-value.ts";

/** Where reference data of other projects lies, if it does. */
export const { PROOFDNS_TESTDATA: testData } = process.env;
export const ed25519 = nodeEd25519();
export const ZONE = "l.example.org";

const seedOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
export const logKey = makeSignerKey(`${ZONE}/p1`, KEY_TYPE_ED25519, seedOf(1), ed25519);
export const clockKey = makeSignerKey(`${ZONE}/clock`, KEY_TYPE_COSIGNATURE, seedOf(2), ed25519);
export const sumdbKey = makeSignerKey("sumdb.example.org", KEY_TYPE_ED25519, seedOf(3), ed25519);

/** The records of the demo. */
export function sampleRecords(): Uint8Array[] {
  return makeSampleRecords().map(encodeUtf8);
}

/** Real records; only where `testData` is set. */
export async function realRecords(): Promise<Uint8Array[]> {
  const records: Uint8Array[] = [];
  const file = join(testData as string, "data", "sumdb-dev.tsv.gz");
  for await (const { modulePath, version, zipHash, goModHash } of readRecordsFile(file)) {
    records.push(encodeUtf8(formatRecord(modulePath, version, zipHash, goModHash)));
  }
  return records;
}

/** A seeded generator (Mulberry32). */
export function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` strictly growing sizes, the last of them `total`. */
export function randomSizes(total: number, count: number, random: () => number): number[] {
  const sizes = new Set([total]);
  while (sizes.size < count) sizes.add(1 + Math.floor(random() * (total - 1)));
  return [...sizes].sort((a, b) => a - b);
}

/** What an epoch of one size of the checksum database must be. */
export interface ReferenceLeaf {
  readonly treeHead: TreeHead;
  readonly mapRoot: Uint8Array;
  readonly leafText: string;
}

/** Computes the leaves of the given sizes in memory, without store, service and crashes. */
export function computeLeaves(
  records: readonly Uint8Array[],
  sizes: readonly number[],
  key: SignerKey = sumdbKey,
): ReferenceLeaf[] {
  const log = new RecordLog(nodeSha256);
  const states = new Map<string, ModuleState>();
  const families = new Map<string, Set<string>>();
  let toolchain: readonly ToolchainItem[] = [];
  let tree = PrefixTree.empty(nodeSha256);
  return sizes.map((size) => {
    const window: IndexedRecord[] = [];
    for (let logIndex = log.recordCount; logIndex < size; logIndex++) {
      const text = records[logIndex] as Uint8Array;
      log.append(text);
      const record = parseRecord(text);
      if (record !== undefined) window.push({ record, logIndex, recordHash: computeLeafHash(text, nodeSha256) });
    }
    const before = {
      state: (path: string) => states.get(path),
      family: (base: string) => families.get(base) ?? [],
      toolchain,
    };
    const after = foldWindow(before, window, nodeSha256);
    for (const { path, state } of after.modules) {
      states.set(path, state);
      const member = familyOf(path);
      if (member === undefined) continue;
      families.set(member.basePath, (families.get(member.basePath) ?? new Set()).add(member.major));
    }
    toolchain = after.toolchain;
    tree = tree.update(after.changes);
    const treeHead = log.treeHead(size);
    const sumdbSignature = signNote(formatTreeHead(treeHead), key, ed25519).blob;
    const leaf: EpochLeaf = { mapRoot: tree.rootHash(), treeHead, sumdbSignature };
    return { treeHead, mapRoot: leaf.mapRoot, leafText: formatLeaf(leaf, key.verifierKey) };
  });
}

/** A folder that is removed at the end of the process. */
export function makeFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `proofdns-${name}-`));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The output log of these leaves. */
export function outputLogOf(leafTexts: readonly string[]): OutputLog {
  const log = new OutputLog(nodeSha256);
  for (const text of leafTexts) log.append(computeEpochLeafHash(text, nodeSha256));
  return log;
}
