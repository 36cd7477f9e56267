/**
 * Unsigned LEB128 (protobuf varint), seven bits a byte, least significant first. Only the shortest form
 * is accepted, and only values up to 2^53 - 1, so that a value has one encoding and fits a number.
 */
export function encodeVarint(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a varint value: ${value}`);
  const out: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    out.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  out.push(rest);
  return Uint8Array.from(out);
}

/** Reads a varint at `offset`; undefined if it is cut off, not the shortest form or above 2^53 - 1. */
export function decodeVarint(bytes: Uint8Array, offset: number): { value: number; end: number } | undefined {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < 8; i++) {
    const b = bytes[offset + i];
    if (b === undefined) return undefined;
    value += (b & 0x7f) * scale;
    if (b < 0x80) {
      if (b === 0 && i > 0) return undefined;
      return Number.isSafeInteger(value) ? { value, end: offset + i + 1 } : undefined;
    }
    scale *= 0x80;
  }
  return undefined;
}
