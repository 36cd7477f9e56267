/** Length of r and of s in an RRSIG of algorithm 13 (RFC 6605 §4). */
const NUMBER_LENGTH = 32;

/**
 * Writes an ECDSA signature from its DER form, as OpenSSL makes it, to `out` at `offset` as the 64 bytes r ‖ s:
 *
 *     30 <length> 02 <length> <r> 02 <length> <s>
 *
 * A number in DER is as short as can be and has a zero byte in front if its first bit is set; here it is of 32 bytes.
 * (Asking node:crypto for r ‖ s is measured at twice the time of asking it for DER on Node 24.)
 *
 * @throws RangeError if this is not the DER form of two numbers of up to 256 bits
 */
export function writeRawSignature(der: Uint8Array, out: Uint8Array, offset: number): void {
  if (der[0] !== 0x30 || der[1] !== der.length - 2) throw new RangeError("not the DER form of a signature");
  const afterR = writeNumber(der, 2, out, offset);
  if (writeNumber(der, afterR, out, offset + NUMBER_LENGTH) !== der.length) {
    throw new RangeError("bytes after the DER form of a signature");
  }
}

/**
 * Writes the number at `at` into 32 bytes; the offset behind it, which the caller compares: it may lie behind the end.
 */
function writeNumber(der: Uint8Array, at: number, out: Uint8Array, offset: number): number {
  const length = der[at + 1] ?? 0;
  const end = at + 2 + length;
  const first = der[at + 2] ?? 0x80;
  if (der[at] !== 0x02 || length === 0 || first >= 0x80) {
    throw new RangeError("not the DER form of a positive number");
  }
  // A zero in front is needed by a set bit behind it, or is the whole number.
  if (first === 0 && length > 1 && (der[at + 3] ?? 0) < 0x80) throw new RangeError("DER number with a needless zero");
  let from = at + 2;
  if (first === 0) from++;
  const pad = NUMBER_LENGTH - (end - from);
  if (pad < 0) throw new RangeError("DER number of more than 32 bytes");
  for (let i = 0; i < pad; i++) out[offset + i] = 0;
  for (let i = offset + pad; from < end; i++, from++) out[i] = der[from] as number;
  return end;
}
