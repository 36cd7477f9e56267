import { hash } from "node:crypto";
import { damaged } from "./damage.ts";

/** Characters of a hash in unpadded base64. */
const HASH_TEXT = 43;

/** True for the value of a family of majors (spec/map.md §7), whatever it says; those of modules begin with `v=`. */
export function isMajorsValue(value: string): boolean {
  return value.startsWith("p=");
}

/**
 * The hash in the field ` s=` that ends a value's first item, in base64 as it stands there: of a module's state text, or of a
 * family's uncut items. Undefined if there is none, as in the value of `toolchain`.
 */
export function committedHash(value: string): string | undefined {
  const end = value.indexOf(";");
  const item = end < 0 ? value : value.slice(0, end);
  const at = item.length - HASH_TEXT;
  return at < 3 || item.slice(at - 3, at) !== " s=" ? undefined : item.slice(at);
}

/** A value as it stands without that field. */
export function withoutHash(value: string): string {
  const end = value.indexOf(";");
  const item = end < 0 ? value : value.slice(0, end);
  return item.slice(0, item.length - HASH_TEXT - 3) + (end < 0 ? "" : value.slice(end));
}

/** True if `text` has the hash `committed`. The string is hashed as it is: to encode it first is measured at as much as the hash. */
export function hasHash(text: string, committed: string): boolean {
  return hash("sha256", text, "base64").slice(0, HASH_TEXT) === committed;
}

/** @throws ProofdnsError `STORE_UNUSABLE` if `text` has another hash */
export function verifyText(text: string, committed: string, what: string): void {
  if (!hasHash(text, committed)) throw damaged(`${what} is not the one in the map`);
}
