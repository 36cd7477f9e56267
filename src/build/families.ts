import { closeSync, openSync, writeFileSync } from "node:fs";
import { readExactly } from "../store/file-bytes.ts";
import { compareBytes, decodeUtf8, encodeUtf8, formatHex } from "../vindex/bytes.ts";
import { computeMajorsValue, formatMajorItems, isAllItemsShown, type MajorItem } from "../vindex/majors-value.ts";
import { familyMemberPath, majorsSubject } from "../vindex/module-path.ts";
import { computeIndexKey } from "../vindex/module-value.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { HASH_LENGTH, type Hash } from "../vindex/sha256.ts";
import { parseVersion } from "../vindex/version.ts";
import { GrowingBuffer } from "./growing-buffer.ts";
import { type BuildWorld, type Pieces, partitionOf, workFile } from "./layout.ts";

/** The families of one group. */
export interface FamilyJob {
  readonly group: number;
  /** The group's list in the members file of each partition. */
  readonly lists: Pieces;
  /** Of each partition: its modules, and the bytes of their values. */
  readonly parts: Float64Array;
}

/** What is known of a group of families. */
export interface FoldedFamilies {
  readonly group: number;
  /** For each partition that the subjects are in: how many, and the bytes of their values. */
  readonly counts: Float64Array;
  readonly valueBytes: Float64Array;
  /** Uncut items of the families whose value cannot hold them; index keys in hexadecimal. */
  readonly uncut: readonly { readonly indexKey: string; readonly items: string }[];
}

/** The values of a partition's modules, in key order. */
export interface PartValues {
  readonly count: number;
  readonly keys: Uint8Array;
  readonly lengths: Uint8Array;
  readonly values: Uint8Array;
}

/** Reads what the second stage wrote of a partition's values. */
export function readPartValues(folder: string, partition: number, modules: number, valueBytes: number): PartValues {
  const bytes = readPart(workFile.partValues(folder, partition), 0, (HASH_LENGTH + 1) * modules + valueBytes);
  const lengthsAt = HASH_LENGTH * modules;
  return {
    count: modules,
    keys: bytes.subarray(0, lengthsAt),
    lengths: bytes.subarray(lengthsAt, lengthsAt + modules),
    values: bytes.subarray(lengthsAt + modules),
  };
}

/** Reads bytes of a file of this build. */
export function readPart(path: string, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  if (length === 0) return bytes;
  const fd = openSync(path, "r");
  try {
    if (!readExactly(fd, bytes, at)) throw new Error(`${path} ends too early`);
  } finally {
    closeSync(fd);
  }
  return bytes;
}

/**
 * The third stage: the families of a group of base paths (spec/map.md §7). Their members come from all partitions; whether a base path itself is a
 * module, and what its latest version is, stands in the values of its partition. The values are written to a file, in key order and so by
 * the partition that their subjects are in:
 *
 *     file = (key[32] ‖ u8 length ‖ value)*
 */
export function foldFamilies({ workFolder, partitionBits }: BuildWorld, job: FamilyJob): FoldedFamilies {
  const partitions = 2 ** partitionBits;
  const found: { indexKey: Uint8Array; value: Uint8Array }[] = [];
  const uncut: { indexKey: string; items: string }[] = [];
  const families = [...readMembers(workFolder, job)].map(([basePath, items]) => ({
    basePath,
    items,
    baseKey: computeIndexKey(basePath, nodeSha256),
  }));
  // In the order of the partitions, so that each of those is read once.
  families.sort((a, b) => Buffer.compare(a.baseKey, b.baseKey));
  let owner = -1;
  let part: PartValues | undefined;
  let ends: Float64Array = new Float64Array(0);
  for (const { basePath, items, baseKey } of families) {
    const next = partitionOf(baseKey, partitionBits);
    if (part === undefined || next !== owner) {
      owner = next;
      part = readPartValues(workFolder, owner, job.parts[2 * owner] ?? 0, job.parts[2 * owner + 1] ?? 0);
      ends = sumLengths(part.lengths);
    }
    const base = findLatest(part, ends, basePath, baseKey);
    if (base !== undefined) items.push(base);
    const all = formatMajorItems(items);
    const value = computeMajorsValue(all, nodeSha256);
    const indexKey = computeIndexKey(majorsSubject(basePath), nodeSha256);
    if (!isAllItemsShown(value, all)) uncut.push({ indexKey: formatHex(indexKey), items: all });
    found.push({ indexKey, value: encodeUtf8(value) });
  }
  found.sort((a, b) => Buffer.compare(a.indexKey, b.indexKey));
  uncut.sort((a, b) => (a.indexKey < b.indexKey ? -1 : 1));
  const out = new GrowingBuffer(1 << 16);
  const counts = new Float64Array(partitions);
  const valueBytes = new Float64Array(partitions);
  for (const { indexKey, value } of found) {
    out.append(indexKey);
    out.append(Uint8Array.of(value.length));
    out.append(value);
    const to = partitionOf(indexKey, partitionBits);
    counts[to] = (counts[to] as number) + 1;
    valueBytes[to] = (valueBytes[to] as number) + value.length;
  }
  writeFileSync(workFile.families(workFolder, job.group), out.used);
  return { group: job.group, counts, valueBytes, uncut };
}

function readMembers(folder: string, { lists }: FamilyJob): Map<string, MajorItem[]> {
  const families = new Map<string, MajorItem[]>();
  for (let from = 0; 2 * from < lists.length; from++) {
    const length = lists[2 * from + 1] as number;
    if (length === 0) continue;
    const text = decodeUtf8(readPart(workFile.members(folder, from), lists[2 * from] as number, length)) ?? "";
    for (const line of text.split("\n").slice(0, -1)) {
      const [basePath = "", major = "", versionText = "", logIndex = ""] = line.split(" ");
      const version = parseVersion(versionText);
      if (version === undefined) throw new Error(`${workFile.members(folder, from)} is damaged`);
      const item = { major, path: familyMemberPath(basePath, major), version, logIndex: Number(logIndex) };
      const items = families.get(basePath);
      if (items === undefined) families.set(basePath, [item]);
      else items.push(item);
    }
  }
  return families;
}

/** The latest version of a module of the partition, from the beginning of its value; undefined if it is none. */
function findLatest(
  { count, keys, values }: PartValues,
  ends: Float64Array,
  path: string,
  key: Hash,
): MajorItem | undefined {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(keys.subarray(HASH_LENGTH * middle, HASH_LENGTH * (middle + 1)), key) < 0) low = middle + 1;
    else high = middle;
  }
  if (low === count || compareBytes(keys.subarray(HASH_LENGTH * low, HASH_LENGTH * (low + 1)), key) !== 0)
    return undefined;
  const value = decodeUtf8(values.subarray(ends[low], ends[low + 1])) ?? "";
  const match = /^v=([^ ;]+)(?: k=[a-z]+)? i=([0-9]+) /.exec(value);
  const version = parseVersion(match?.[1] ?? "");
  if (version === undefined) throw new Error("a partition's values are damaged");
  return { major: undefined, path, version, logIndex: Number(match?.[2]) };
}

/** Where each value begins; one more than there are values. */
export function sumLengths(lengths: Uint8Array): Float64Array {
  const ends = new Float64Array(lengths.length + 1);
  for (let i = 0; i < lengths.length; i++) ends[i + 1] = (ends[i] as number) + (lengths[i] as number);
  return ends;
}
