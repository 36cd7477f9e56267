import { foldByte, MAX_LABEL_LENGTH, MAX_NAME_LENGTH, type WireName } from "../name.ts";

/**
 * Encodes NSEC RDATA (RFC 4034 §4.1) that says what exists at `owner`, and of no other name anything (RFC 9824 §3):
 *
 *     next name (`successorName`) ‖ (u8 window ‖ u8 length ‖ bitmap[length])*
 *
 * `owner` is a whole lower-case name, `apexLength` the length of the zone's name that it ends with. `types` are in any
 * order; the bitmap has them ascending, and no zero byte at the end of a window.
 *
 * @throws RangeError if there is no type or one is not 1 to 65535, or `owner` is not a lower-case name that ends with
 *   an apex of that length
 */
export function encodeNsecRdata(owner: WireName, types: readonly number[], apexLength: number): Uint8Array {
  // The same as `successorName` makes of them, without an array in between.
  const isShort = owner.length + 2 <= MAX_NAME_LENGTH;
  const next = isShort ? owner : successorName(owner, apexLength);
  const nextLength = isShort ? next.length + 2 : next.length;
  const out = new Uint8Array(nextLength + writeBitmap(types, undefined, 0));
  if (isShort) out[0] = 1;
  out.set(next, isShort ? 2 : 0);
  writeBitmap(types, out, nextLength);
  return out;
}

/**
 * The name that follows `owner` in canonical order (RFC 4034 §6.1): no name is between them. Rules of RFC 4471 §3.1.2,
 * the first that can be followed:
 *
 * 1. `\000` as a new label in front, if the name stays within 255 bytes
 * 2. `\000` at the end of the leftmost label, if name and label stay within their bounds
 * 3. the last byte of the leftmost label that is not 0xFF, made one higher, and what stands behind it in the label
 *    removed; never a letter in upper case, which would compare as another byte
 * 4. the leftmost label removed, and again from 2; at the apex, the apex: the last name of a zone is followed by the
 *    first
 *
 * Works for every name of every zone.
 *
 * @throws RangeError as `encodeNsecRdata`
 */
export function successorName(owner: WireName, apexLength: number): WireName {
  if (!(apexLength >= 1 && apexLength <= owner.length) || owner.length > MAX_NAME_LENGTH) {
    throw new RangeError(`name of ${owner.length} bytes in a zone of ${apexLength}`);
  }
  if (owner.length + 2 <= MAX_NAME_LENGTH) {
    const out = new Uint8Array(owner.length + 2);
    out[0] = 1;
    out.set(owner, 2);
    return out;
  }
  const apexAt = owner.length - apexLength;
  let at = 0;
  while (at < apexAt) {
    const labelLength = owner[at] as number;
    const end = at + 1 + labelLength;
    if (labelLength === 0 || labelLength > MAX_LABEL_LENGTH || end > apexAt)
      throw new RangeError("not a name of the zone");
    if (owner.length - at < MAX_NAME_LENGTH && labelLength < MAX_LABEL_LENGTH) {
      const out = new Uint8Array(owner.length - at + 1);
      out.set(owner.subarray(at, end));
      out[0] = labelLength + 1;
      out.set(owner.subarray(end), labelLength + 2);
      return out;
    }
    let last = end - 1;
    while (last > at && owner[last] === 0xff) last--;
    if (last > at) return incremented(owner, at, last, end);
    at = end;
  }
  return owner.slice(apexAt);
}

/**
 * The name from the label at `at` on, with the byte at `last` one higher and the rest of the label, up to `end`,
 * removed.
 */
function incremented(owner: WireName, at: number, last: number, end: number): WireName {
  const byte = owner[last] as number;
  if (foldByte(byte) !== byte) throw new RangeError("not a name in lower case");
  const kept = last + 1 - at;
  const out = new Uint8Array(kept + owner.length - end);
  out.set(owner.subarray(at, last + 1));
  out[0] = kept - 1;
  // 0x41–0x5A are A–Z, which count as a–z.
  out[kept - 1] = byte === 0x40 ? 0x5b : byte + 1;
  out.set(owner.subarray(end), kept);
  return out;
}

/**
 * Writes the type bitmap to `out`, if there is one, and gives its length. A few types in one or two windows: the passes
 * are short.
 */
function writeBitmap(types: readonly number[], out: Uint8Array | undefined, offset: number): number {
  if (types.length === 0) throw new RangeError("no types");
  let at = offset;
  for (let window = -1; ; ) {
    let next = 256;
    let highest = 0;
    for (const type of types) {
      if (!Number.isInteger(type) || type < 1 || type > 0xffff) throw new RangeError(`type ${type}`);
      const high = type >> 8;
      if (high <= window || high > next) continue;
      if (high < next) highest = 0;
      next = high;
      highest = Math.max(highest, type & 0xff);
    }
    if (next === 256) return at - offset;
    window = next;
    const length = (highest >> 3) + 1;
    if (out !== undefined) {
      out[at] = window;
      out[at + 1] = length;
      for (const type of types) {
        if (type >> 8 !== window) continue;
        const byte = at + 2 + ((type & 0xff) >> 3);
        out[byte] = (out[byte] as number) | (0x80 >> (type & 7));
      }
    }
    at += 2 + length;
  }
}
