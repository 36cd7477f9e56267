import type { MapChange } from "../vindex/prefix-tree.ts";
import { damaged } from "./damage.ts";

/**
 * What one epoch changed in the map, for the next start:
 *
 *     journal = (key[32] ‖ length[1] ‖ value[length])*
 */
const KEY_LENGTH = 32;

/** Encodes the changes of one epoch. @throws RangeError if a value is longer than 255 bytes, or taken away */
export function encodeJournal(changes: readonly MapChange[]): Uint8Array {
  let length = 0;
  for (const { value } of changes) length += KEY_LENGTH + 1 + (value?.length ?? 0);
  const out = new Uint8Array(length);
  let at = 0;
  for (const { indexKey, value } of changes) {
    // Nothing ever leaves the map.
    if (indexKey.length !== KEY_LENGTH || value === undefined || value.length > 255)
      throw new RangeError("not a change of the map");
    out.set(indexKey, at);
    out[at + KEY_LENGTH] = value.length;
    out.set(value, at + KEY_LENGTH + 1);
    at += KEY_LENGTH + 1 + value.length;
  }
  return out;
}

/** A subject's new value. */
export type JournalChange = { readonly indexKey: Uint8Array; readonly value: Uint8Array };

/** Decodes the changes of one epoch; they alias `bytes`. @throws ProofdnsError `STORE_UNUSABLE` if they are cut off */
export function decodeJournal(bytes: Uint8Array, epoch: number): JournalChange[] {
  const changes: JournalChange[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes[at + KEY_LENGTH];
    const end = at + KEY_LENGTH + 1 + (length ?? 0);
    if (length === undefined || end > bytes.length) throw damaged(`the journal of epoch ${epoch} is cut off`);
    changes.push({
      indexKey: bytes.subarray(at, at + KEY_LENGTH),
      value: bytes.subarray(at + KEY_LENGTH + 1, end),
    });
    at = end;
  }
  return changes;
}
