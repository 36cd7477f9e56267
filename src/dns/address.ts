const DOT = 0x2e;
const COLON = 0x3a;

/** Parses four decimal parts of an IPv4 address, without leading zeros; undefined for anything else. */
export function parseIpv4(text: string): Uint8Array | undefined {
  const out = new Uint8Array(4);
  return readIpv4(text, 0, out, 0) ? out : undefined;
}

/** Parses an IPv6 address (RFC 4291 §2.2): groups, at most one `::`, IPv4 at the end; no zone index. Undefined for anything else. */
export function parseIpv6(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  const out = new Uint8Array(16);
  let length = 0;
  /** Where in `out` the zeros of `::` belong. */
  let gap = -1;
  let at = 0;
  if (text.startsWith("::")) {
    gap = 0;
    at = 2;
  }
  while (at < text.length) {
    if (length > 14) return undefined;
    const start = at;
    let group = 0;
    for (; at < text.length && at - start < 5; at++) {
      const digit = hexDigit(text.charCodeAt(at));
      if (digit < 0) break;
      group = group * 16 + digit;
    }
    if (text.charCodeAt(at) === DOT) {
      if (length > 12 || !readIpv4(text, start, out, length)) return undefined;
      length += 4;
      break;
    }
    if (at === start || at - start > 4) return undefined;
    out[length++] = group >> 8;
    out[length++] = group & 0xff;
    if (at === text.length) break;
    if (text.charCodeAt(at) !== COLON) return undefined;
    at++;
    if (text.charCodeAt(at) === COLON) {
      if (gap >= 0) return undefined;
      gap = length;
      at++;
    } else if (at === text.length) return undefined;
  }
  if (gap < 0) return length === 16 ? out : undefined;
  // `::` stands for at least one group.
  if (length > 14) return undefined;
  const tail = length - gap;
  out.copyWithin(16 - tail, gap, length);
  out.fill(0, gap, 16 - tail);
  return out;
}

/** Writes the IPv4 address that `text` ends with, from `start`. False if it is none; then `out` may be half written. */
function readIpv4(text: string, start: number, out: Uint8Array, offset: number): boolean {
  let at = start;
  for (let part = 0; part < 4; part++) {
    if (part > 0 && text.charCodeAt(at++) !== DOT) return false;
    const first = at;
    let value = 0;
    for (; at < text.length && at - first < 3; at++) {
      const digit = text.charCodeAt(at) - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at === first || value > 255 || (at - first > 1 && text.charCodeAt(first) === 0x30)) return false;
    out[offset + part] = value;
  }
  return at === text.length;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
