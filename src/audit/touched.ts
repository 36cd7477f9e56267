import { compareBytes, decodeUtf8 } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { computeMajorsValue, isAllItems, parseMajorItems, parseMajorsValue } from "../vindex/majors-value.ts";
import type { IndexedRecord } from "../vindex/map-function.ts";
import {
  familyMemberPath,
  familyOf,
  majorsSubject,
  TOOLCHAIN_MODULE,
  TOOLCHAIN_SUBJECT,
} from "../vindex/module-path.ts";
import { computeIndexKey } from "../vindex/module-value.ts";
import { parseRecord } from "../vindex/record.ts";
import type { Hash, Sha256 } from "../vindex/sha256.ts";
import { computeLeafHash } from "../vindex/tlog.ts";

/**
 * What a window touches in the map before it (spec/audit.md §1.1). Who makes a transition and who verifies it
 * compute it by the same code from what each of them has: the whole old map, or the transition.
 */

/** The records of a window with their places. */
export interface WindowRecords {
  /** Hashes of all records. */
  readonly recordHashes: readonly Hash[];
  /** The well-formed ones. */
  readonly records: readonly IndexedRecord[];
  /** Their module paths. */
  readonly paths: ReadonlySet<string>;
}

/** Hashes and parses the records of a window that begins at `firstIndex`. */
export function readWindow(texts: readonly Uint8Array[], firstIndex: number, sha256: Sha256): WindowRecords {
  const recordHashes = texts.map((text) => computeLeafHash(text, sha256));
  const records: IndexedRecord[] = [];
  for (const [i, text] of texts.entries()) {
    const record = parseRecord(text);
    const recordHash = recordHashes[i] as Hash;
    if (record !== undefined) records.push({ record, logIndex: firstIndex + i, recordHash });
  }
  return { recordHashes, records, paths: new Set(records.map(({ record }) => record.path)) };
}

/** A subject and its key. */
export interface KeyedPath {
  readonly path: string;
  readonly indexKey: Hash;
}

/** A family that a window touches, as it was before. */
export interface TouchedFamily {
  readonly basePath: string;
  /** All its old items, uncut; undefined if it had no value. */
  readonly items: string | undefined;
  /** Suffix digits of its old members. */
  readonly majors: readonly string[];
  /** Its value does not hold all its items. */
  readonly isCut: boolean;
}

/** All that a window touches. */
export interface Touched {
  readonly families: readonly TouchedFamily[];
  /** In ascending order of their keys. */
  readonly paths: readonly KeyedPath[];
  /** Key of the subject `toolchain`, if it is touched. */
  readonly toolchain: Hash | undefined;
  /** All touched keys. */
  readonly keys: readonly Hash[];
}

/** The map before a window, as far as it is asked. */
export interface MapReader {
  readonly value: (indexKey: Hash) => Uint8Array | undefined;
  /** The uncut items of a family whose value does not hold them; asked in ascending order of the families' keys. */
  readonly items: (basePath: string) => string;
}

/**
 * Finds what a window with these module paths touches.
 *
 * @throws ProofdnsError `BAD_VALUE` if a family's value has not the form of one, `BAD_MAJORS` if the items given are not
 *   those that it commits to; whatever `reader` throws
 */
export function findTouched(paths: ReadonlySet<string>, oldSize: number, reader: MapReader, sha256: Sha256): Touched {
  const asked = askedFamilies(paths, sha256);
  const families: TouchedFamily[] = [];
  for (const { basePath, indexKey, hasMember } of asked) {
    const value = reader.value(indexKey);
    if (value !== undefined) families.push(readFamily(basePath, value, oldSize, reader, sha256));
    else if (hasMember) families.push({ basePath, items: undefined, majors: [], isCut: false });
  }
  const touched = new Set(paths);
  for (const { basePath, majors } of families) {
    touched.add(basePath);
    for (const major of majors) touched.add(familyMemberPath(basePath, major));
  }
  const keyed = [...touched].map((path) => ({ path, indexKey: computeIndexKey(path, sha256) }));
  keyed.sort((a, b) => compareBytes(a.indexKey, b.indexKey));
  const toolchain = paths.has(TOOLCHAIN_MODULE) ? computeIndexKey(TOOLCHAIN_SUBJECT, sha256) : undefined;
  const keys = [...asked, ...keyed].map(({ indexKey }) => indexKey);
  if (toolchain !== undefined) keys.push(toolchain);
  return { families, paths: keyed, toolchain, keys };
}

interface AskedFamily {
  readonly basePath: string;
  readonly indexKey: Hash;
  /** A path of the window belongs to it. */
  readonly hasMember: boolean;
}

/** The families with a path of the window as member or as base path, in ascending order of their keys. */
function askedFamilies(paths: ReadonlySet<string>, sha256: Sha256): AskedFamily[] {
  const hasMember = new Map<string, boolean>();
  for (const path of paths) {
    if (!hasMember.has(path)) hasMember.set(path, false);
    const member = familyOf(path);
    if (member !== undefined) hasMember.set(member.basePath, true);
  }
  const asked = [...hasMember].map(([basePath, has]) => ({
    basePath,
    indexKey: computeIndexKey(majorsSubject(basePath), sha256),
    hasMember: has,
  }));
  return asked.sort((a, b) => compareBytes(a.indexKey, b.indexKey));
}

function readFamily(
  basePath: string,
  bytes: Uint8Array,
  oldSize: number,
  reader: MapReader,
  sha256: Sha256,
): TouchedFamily {
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new ProofdnsError("BAD_VALUE", `value of ${majorsSubject(basePath)}: not text`);
  const value = parseMajorsValue(text, basePath, oldSize);
  const majorsOf = (items: typeof value.items): string[] =>
    items.flatMap(({ major }) => (major === undefined ? [] : [major]));
  if (isAllItems(value, value.shown, sha256)) {
    return { basePath, items: value.shown, majors: majorsOf(value.items), isCut: false };
  }
  const items = reader.items(basePath);
  const refuse = (why: string, cause?: unknown): never => {
    throw new ProofdnsError("BAD_MAJORS", `majors of ${basePath}: ${why}`, { cause });
  };
  if (!isAllItems(value, items, sha256) || computeMajorsValue(items, sha256) !== text) {
    return refuse("not the items that the value commits to");
  }
  try {
    return { basePath, items, majors: majorsOf(parseMajorItems(items, basePath, oldSize)), isCut: true };
  } catch (cause) {
    if (!(cause instanceof ProofdnsError)) throw cause;
    return refuse("malformed", cause);
  }
}
