import { parseBase64Unpadded } from "./base64.ts";
import { parseDecimal } from "./decimal.ts";
import { ProofdnsError } from "./error.ts";
import { HASH_LENGTH, type Hash } from "./sha256.ts";
import type { VersionKind } from "./version.ts";

/** Longest value text in bytes: it fits one character-string of a TXT record. */
export const MAX_VALUE_LENGTH = 255;

/** Joins items with `; ` while the text fits a value; the first that does not fit ends it (spec/map.md §6). */
export function joinItems(items: readonly string[]): string {
  let out = "";
  for (const item of items) {
    const next = out === "" ? item : `${out}; ${item}`;
    if (next.length > MAX_VALUE_LENGTH) break;
    out = next;
  }
  return out;
}

/** The `k` field of a version's kind, with the space before it; empty for a release. */
export function formatKind(kind: VersionKind): string {
  return kind === "release" ? "" : ` k=${kind}`;
}

/** Throws `BAD_VALUE`: a committed value has not the form of spec/client.md §5. */
export function refuseValue(subject: string, why: string): never {
  throw new ProofdnsError("BAD_VALUE", `value of ${subject}: ${why}`);
}

/**
 * Reads one item field by field, in the order asked. A field is `<key>=<value>`; the value has no space.
 */
export class ItemReader {
  readonly #fields: string[];
  #at = 0;

  constructor(item: string) {
    this.#fields = item.split(" ");
  }

  /** Value of the next field if its key is `key`; undefined, and nothing read, otherwise. */
  take(key: string): string | undefined {
    const field = this.#fields[this.#at];
    if (field === undefined || !field.startsWith(`${key}=`)) return undefined;
    this.#at++;
    return field.slice(key.length + 1);
  }

  /** A decimal field. */
  takeDecimal(key: string): number | undefined {
    const text = this.take(key);
    return text === undefined ? undefined : parseDecimal(text);
  }

  /** A field of 43 characters of base64. */
  takeHash(key: string): Hash | undefined {
    const text = this.take(key);
    const hash = text === undefined ? undefined : parseBase64Unpadded(text);
    return hash?.length === HASH_LENGTH ? hash : undefined;
  }

  /** True if all fields were read. */
  isDone(): boolean {
    return this.#at === this.#fields.length;
  }
}
