/**
 * Parses a canonical non-negative decimal: `0`, or digits without a leading zero, at most 2^53 - 1.
 * Returns undefined for anything else (signs, spaces, exponents, leading zeros).
 */
export function parseDecimal(text: string): number | undefined {
  if (text.length > 16 || !/^(?:0|[1-9][0-9]*)$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Compares two strings of decimal digits without leading zeros, of any length: by length, then bytes. */
export function compareDigits(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}
