import { ProofdnsError } from "../vindex/error.ts";
import { TILE_WIDTH } from "../vindex/tile.ts";

const LF = 0x0a;

/** Where the record that begins at `start` ends, its last LF included: before the first blank line; -1 without one. */
export function findRecordEnd(bytes: Uint8Array, start: number): number {
  let at = bytes.indexOf(LF, start);
  while (at >= 0 && bytes[at + 1] !== LF) at = bytes.indexOf(LF, at + 1);
  return at < 0 ? -1 : at + 1;
}

/**
 * Splits a data tile into exactly `width` record texts.
 *
 * A data tile is the record texts one after the other, each followed by one extra LF. A text ends in LF and holds no
 * blank line, so the first blank line after its beginning ends it. What else stands in a text is not looked at: bytes that
 * no record should have still have a hash and a place in the log. The texts alias `untrusted`.
 *
 * @throws ProofdnsError `MALFORMED_TILE` if there are fewer or more than `width` records (1 to 256), or bytes after the last
 */
export function splitDataTile(untrusted: Uint8Array, width: number): Uint8Array[] {
  if (!Number.isSafeInteger(width) || width < 1 || width > TILE_WIDTH) throw new RangeError(`not a width: ${width}`);
  const texts: Uint8Array[] = [];
  let start = 0;
  while (texts.length < width) {
    const end = findRecordEnd(untrusted, start);
    if (end < 0) throw new ProofdnsError("MALFORMED_TILE", `data tile: ${texts.length} records instead of ${width}`);
    texts.push(untrusted.subarray(start, end));
    start = end + 1;
  }
  if (start !== untrusted.length) throw new ProofdnsError("MALFORMED_TILE", `data tile: more than ${width} records`);
  return texts;
}

/** True if `text` can be a record of a data tile: it ends in LF and holds no blank line. */
export function isRecordText(text: Uint8Array): boolean {
  if (text.length === 0 || text[text.length - 1] !== LF) return false;
  for (let i = 1; i < text.length; i++) if (text[i] === LF && text[i - 1] === LF) return false;
  return true;
}

/** Formats a data tile of 1 to 256 record texts (`isRecordText`). */
export function formatDataTile(texts: readonly Uint8Array[]): Uint8Array {
  if (texts.length < 1 || texts.length > TILE_WIDTH) throw new RangeError(`not a width: ${texts.length}`);
  if (!texts.every(isRecordText)) throw new TypeError("a record ends in LF and holds no blank line");
  let length = 0;
  for (const text of texts) length += text.length + 1;
  const out = new Uint8Array(length).fill(LF);
  let at = 0;
  for (const text of texts) {
    out.set(text, at);
    at += text.length + 1;
  }
  return out;
}
