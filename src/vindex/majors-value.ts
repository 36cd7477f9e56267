import { formatBase64Unpadded } from "./base64.ts";
import { encodeUtf8, equalBytes } from "./bytes.ts";
import { compareDigits } from "./decimal.ts";
import { familyMemberPath, familyOf, isModulePath, majorsSubject } from "./module-path.ts";
import { type IndexedVersion, takeVersion } from "./module-value.ts";
import { sha256 as defaultSha256, type Hash, type Sha256 } from "./sha256.ts";
import { formatKind, ItemReader, joinItems, refuseValue } from "./value-text.ts";

/** One path of a family of majors and its latest version. */
export interface MajorItem extends IndexedVersion {
  /** Digits of the suffix; undefined for the base path itself. */
  readonly major: string | undefined;
  readonly path: string;
}

/** What the value of a family says (spec/map.md §7). */
export interface MajorsValue {
  /** SHA-256 of all items, uncut and without this field. */
  readonly itemsHash: Hash;
  readonly items: readonly MajorItem[];
  /** The items as they stand, without the `s` field. */
  readonly shown: string;
}

/** Formats all items of a family, uncut and without the `s` field; `items` in any order. */
export function formatMajorItems(items: readonly MajorItem[]): string {
  return [...items]
    .sort((a, b) => compareSuffixes(b.major, a.major))
    .map(({ major, version, logIndex }) => {
      const suffix = major === undefined ? "-" : `v${major}`;
      return `p=${suffix} v=${version.text}${formatKind(version.kind)} i=${logIndex}`;
    })
    .join("; ");
}

/** The base path itself is the lowest. */
function compareSuffixes(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  return compareDigits(a, b);
}

/** Makes the value of a family from its uncut items: adds the `s` field to the first, and cuts. */
export function computeMajorsValue(allItems: string, sha256: Sha256 = defaultSha256): string {
  const items = allItems.split("; ");
  items[0] = `${items[0]} s=${formatBase64Unpadded(sha256(encodeUtf8(allItems)))}`;
  return joinItems(items);
}

/** Length of the `s` field that the first item of a value has more: a space, `s=` and 43 characters. */
const HASH_FIELD_LENGTH = 46;

/** True if `value` holds all of `allItems`, that is if nothing was cut. */
export function isAllItemsShown(value: string, allItems: string): boolean {
  return value.length === allItems.length + HASH_FIELD_LENGTH;
}

/**
 * Parses the committed value of the family of `basePath` (spec/client.md §5).
 *
 * @throws ProofdnsError `BAD_VALUE`
 */
export function parseMajorsValue(text: string, basePath: string, sumdbSize: number): MajorsValue {
  const subject = majorsSubject(basePath);
  const end = text.indexOf("; ");
  const first = end < 0 ? text : text.slice(0, end);
  const split = first.lastIndexOf(" ");
  const itemsHash = split < 0 ? undefined : new ItemReader(first.slice(split + 1)).takeHash("s");
  if (itemsHash === undefined) return refuseValue(subject, "its first item does not end in the hash of all items");
  const shown = first.slice(0, split) + (end < 0 ? "" : text.slice(end));
  return { itemsHash, items: parseMajorItems(shown, basePath, sumdbSize), shown };
}

/**
 * Parses the items of a family without the `s` field.
 *
 * @throws ProofdnsError `BAD_VALUE`
 */
export function parseMajorItems(text: string, basePath: string, sumdbSize: number): MajorItem[] {
  const refuse = (why: string): never => refuseValue(majorsSubject(basePath), why);
  const items: MajorItem[] = [];
  for (const item of text.split("; ")) {
    const reader = new ItemReader(item);
    const suffix = reader.take("p") ?? refuse("an item without a suffix");
    const major = suffix === "-" ? undefined : suffix.startsWith("v") ? suffix.slice(1) : refuse("a malformed suffix");
    const previous = items.at(-1);
    if (major === undefined) {
      if (previous === undefined) return refuse("the base path where a suffix must stand");
    } else if (!/^(?:0|[1-9][0-9]{0,19})$/.test(major)) {
      return refuse("a malformed suffix");
    }
    if (previous !== undefined && compareSuffixes(previous.major, major) <= 0)
      return refuse("its suffixes do not descend");
    const path = major === undefined ? basePath : familyMemberPath(basePath, major);
    if (!isModulePath(path) || (major !== undefined && familyOf(path)?.basePath !== basePath)) {
      return refuse(`${path} is no module path of the family`);
    }
    const indexed = takeVersion(reader, path, sumdbSize);
    if (indexed === undefined || !reader.isDone()) return refuse("an item is malformed");
    items.push({ ...indexed, major, path });
  }
  return items;
}

/** True if `text` are all items that `value` commits to. */
export function isAllItems(value: MajorsValue, text: string, sha256: Sha256 = defaultSha256): boolean {
  return equalBytes(sha256(encodeUtf8(text)), value.itemsHash);
}
