import type { Record } from "../vindex/record.ts";
import { MAX_VERSION_LENGTH } from "../vindex/version.ts";

/** What a version is, as one number: the kinds of spec/map.md §2.3. */
export const RELEASE = 0;
export const PRE_RELEASE = 1;
export const PSEUDO = 2;

const KINDS = { release: RELEASE, pre: PRE_RELEASE, pseudo: PSEUDO } as const;
/** The kind of a parsed version as a number. */
export function kindNumber(kind: Record["version"]["kind"]): number {
  return KINDS[kind];
}

/** Digits of a number that is read as such; longer ones go the slow way. */
const MAX_DIGITS = 9;

const LF = 0x0a;
const SPACE = 0x20;
const PLUS = 0x2b;
const DASH = 0x2d;
const DOT = 0x2e;
const SLASH = 0x2f;
const ZERO = 0x30;
const ONE = 0x31;
const NINE = 0x39;
const EQUALS = 0x3d;
const V = 0x76;

// Classes of bytes, as bits.
const PATH = 1;
const HOST = 2;
const IDENT = 4;
const CLASS = new Uint8Array(256);
const DIGIT64 = new Uint8Array(256).fill(255);

function mark(text: string, bits: number): void {
  for (let i = 0; i < text.length; i++) CLASS[text.charCodeAt(i)] = (CLASS[text.charCodeAt(i)] as number) | bits;
}
const LOWER = "abcdefghijklmnopqrstuvwxyz";
const UPPER = LOWER.toUpperCase();
const DIGITS = "0123456789";
// `~` is left out: what it may stand before is looked at by the slow way.
mark(`${LOWER}${UPPER}${DIGITS}-._`, PATH);
mark(`${LOWER}${DIGITS}-.`, HOST);
mark(`${LOWER}${UPPER}${DIGITS}-`, IDENT);
for (const [i, c] of [...`${UPPER}${LOWER}${DIGITS}+/`].entries()) DIGIT64[c.charCodeAt(0)] = i;

/** The twelve bits of two digits, by their bytes as one big-endian number; −1 for what is none. */
const PAIR64 = new Int16Array(65_536).fill(-1);
for (let high = 0; high < 256; high++) {
  for (let low = 0; low < 256; low++) {
    const [a, b] = [DIGIT64[high] as number, DIGIT64[low] as number];
    if (a < 64 && b < 64) PAIR64[(high << 8) | low] = (a << 6) | b;
  }
}

const pack = (text: string): number => (text.charCodeAt(0) << 16) | (text.charCodeAt(1) << 8) | text.charCodeAt(2);
const CON = pack("con");
const PRN = pack("prn");
const AUX = pack("aux");
const NUL = pack("nul");
const COM = pack("com");
const LPT = pack("lpt");
const INCOMPATIBLE = "+incompatible";
const GO_MOD_H1 = "/go.mod h1:";

/**
 * Reads well-formed records (spec/map.md §1) from bytes, without an object for any of them. What it accepts is well-formed; what it does
 * not accept may be: then `parseRecord` decides. So it only needs to know the common forms: it passes over gopkg.in, `~`,
 * and numbers of more than nine digits.
 *
 * The fields hold the places of the record that `parse` accepted last.
 */
export class RecordParser {
  pathLength = 0;
  versionAt = 0;
  versionLength = 0;
  kind: number = RELEASE;
  /** The two hashes, decoded. */
  readonly hashes = new Uint8Array(64);
  /** The same as words. */
  readonly hashWords = new Int32Array(this.hashes.buffer);
  readonly #hashView = new DataView(this.hashes.buffer);
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Digits of the path's suffix as a number; -1 if it has none. */
  #suffix = -1;

  /** Records are read from `bytes`, whatever stands there by then. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /**
   * Reads the record at `start`; `limit` is where the bytes end. Returns where the record ends, after its last LF, or 0 if it is none of
   * the common forms.
   */
  parse(start: number, limit: number): number {
    const bytes = this.#bytes;
    const pathEnd = this.#readPath(bytes, start, limit);
    if (pathEnd === 0) return 0;
    const versionAt = pathEnd + 1;
    const versionEnd = this.#readVersion(bytes, versionAt, limit);
    if (versionEnd === 0) return 0;
    this.pathLength = pathEnd - start;
    this.versionAt = versionAt;
    this.versionLength = versionEnd - versionAt;
    // " h1:" and 44 digits, LF; then the same path and version, "/go.mod h1:", 44 digits, LF.
    const prefix = versionEnd - start;
    const second = versionEnd + 49;
    const end = second + prefix + 11 + 45;
    if (end > limit || bytes[second - 1] !== LF || bytes[end - 1] !== LF) return 0;
    if (
      bytes[versionEnd] !== SPACE ||
      bytes[versionEnd + 1] !== 0x68 ||
      bytes[versionEnd + 2] !== ONE ||
      bytes[versionEnd + 3] !== 0x3a
    ) {
      return 0;
    }
    const view = this.#view;
    let i = 0;
    for (; i + 4 <= prefix; i += 4) if (view.getInt32(start + i) !== view.getInt32(second + i)) return 0;
    for (; i < prefix; i++) if (bytes[start + i] !== bytes[second + i]) return 0;
    const rest = second + prefix;
    for (i = 0; i < GO_MOD_H1.length; i++) if (bytes[rest + i] !== GO_MOD_H1.charCodeAt(i)) return 0;
    if (!this.#readHash(bytes, versionEnd + 4, 0) || !this.#readHash(bytes, rest + 11, 32)) return 0;
    return end;
  }

  /** Reads a module path and the space after it; returns where that is, or 0. */
  #readPath(bytes: Uint8Array, start: number, limit: number): number {
    let at = start;
    let hasDot = false;
    let c = bytes[at] as number;
    if (c === DASH) return 0;
    for (; at < limit; c = bytes[++at] as number) {
      if (((CLASS[c] as number) & HOST) === 0) break;
      if (c === DOT) hasDot = true;
    }
    if (!hasDot || !this.#isElement(bytes, start, at)) return 0;
    // gopkg.in has its own suffixes.
    if (at - start === 8 && bytes[start] === 0x67 && bytes[start + 7] === 0x6e && bytes[start + 5] === DOT) return 0;
    while (at < limit && bytes[at] === SLASH) {
      const element = ++at;
      while (at < limit && ((CLASS[bytes[at] as number] as number) & PATH) !== 0) at++;
      if (!this.#isElement(bytes, element, at)) return 0;
    }
    if (at >= limit || bytes[at] !== SPACE) return 0;
    return this.#readSuffix(bytes, start, at) ? at : 0;
  }

  /** True if the bytes, all of the right class, are surely an element of a path. */
  #isElement(bytes: Uint8Array, start: number, end: number): boolean {
    if (start === end || bytes[start] === DOT || bytes[end - 1] === DOT) return false;
    // Names of devices, alone or before a dot.
    const short = end - start === 3 || bytes[start + 3] === DOT ? 3 : 4;
    if (short === 4 && end - start !== 4 && bytes[start + 4] !== DOT) return true;
    const packed =
      (((bytes[start] as number) | 0x20) << 16) |
      (((bytes[start + 1] as number) | 0x20) << 8) |
      ((bytes[start + 2] as number) | 0x20);
    if (short === 3) return packed !== CON && packed !== PRN && packed !== AUX && packed !== NUL;
    return packed !== COM && packed !== LPT;
  }

  /** Reads the version suffix of the path; false if it may not end as it does, or is long. */
  #readSuffix(bytes: Uint8Array, start: number, end: number): boolean {
    this.#suffix = -1;
    let at = end;
    let hasDot = false;
    while (at > start) {
      const c = bytes[at - 1] as number;
      if (c === DOT) hasDot = true;
      else if (c < ZERO || c > NINE) break;
      at--;
    }
    if (at === end || at - start < 3 || bytes[at - 1] !== V || bytes[at - 2] !== SLASH) return true;
    if (hasDot || end - at > MAX_DIGITS || bytes[at] === ZERO || (end - at === 1 && bytes[at] === ONE)) return false;
    this.#suffix = readNumber(bytes, at, end);
    return true;
  }

  /** Reads a version that fits the path's suffix; returns where it ends, or 0. */
  #readVersion(bytes: Uint8Array, start: number, limit: number): number {
    if (bytes[start] !== V) return 0;
    const majorEnd = endOfNumber(bytes, start + 1, limit);
    if (majorEnd === 0 || bytes[majorEnd] !== DOT) return 0;
    const minorEnd = endOfNumber(bytes, majorEnd + 1, limit);
    if (minorEnd === 0 || bytes[minorEnd] !== DOT) return 0;
    const patchEnd = endOfNumber(bytes, minorEnd + 1, limit);
    if (patchEnd === 0) return 0;
    let at = patchEnd;
    this.kind = RELEASE;
    if (bytes[at] === DASH) {
      const isZero =
        minorEnd - majorEnd === 2 &&
        patchEnd - minorEnd === 2 &&
        bytes[majorEnd + 1] === ZERO &&
        bytes[minorEnd + 1] === ZERO;
      at = this.#readPrerelease(bytes, at + 1, limit, isZero);
      if (at === 0) return 0;
    }
    let isIncompatible = false;
    if (bytes[at] === PLUS) {
      for (let i = 0; i < INCOMPATIBLE.length; i++) if (bytes[at + i] !== INCOMPATIBLE.charCodeAt(i)) return 0;
      at += INCOMPATIBLE.length;
      isIncompatible = true;
    }
    if (at >= limit || bytes[at] !== SPACE || at - start > MAX_VERSION_LENGTH) return 0;
    const major = readNumber(bytes, start + 1, majorEnd);
    const fits = isIncompatible ? this.#suffix < 0 && major > 1 : this.#suffix < 0 ? major < 2 : major === this.#suffix;
    return fits ? at : 0;
  }

  /** Reads what stands after the dash, and sets the kind; returns where it ends, or 0. */
  #readPrerelease(bytes: Uint8Array, start: number, limit: number, isFirst: boolean): number {
    let at = start;
    let dash = -1;
    for (;;) {
      const ident = at;
      let isNumber = true;
      for (; at < limit; at++) {
        const c = bytes[at] as number;
        if (((CLASS[c] as number) & IDENT) === 0) break;
        if (c < ZERO || c > NINE) {
          isNumber = false;
          if (c === DASH) dash = at;
        }
      }
      if (at === ident || (isNumber && bytes[ident] === ZERO && at - ident > 1)) return 0;
      if (bytes[at] !== DOT) break;
      at++;
    }
    this.kind = isPseudo(bytes, start, dash, at, isFirst) ? PSEUDO : PRE_RELEASE;
    return at;
  }

  /** Decodes 44 digits of strict base64 into the hash at `to`: two digits are twelve bits, eight pairs are three words. */
  #readHash(bytes: Uint8Array, start: number, to: number): boolean {
    const view = this.#view;
    const out = this.#hashView;
    let wrong = 0;
    let from = start;
    let target = to;
    for (let i = 0; i < 2; i++) {
      const a = PAIR64[view.getUint16(from)] as number;
      const b = PAIR64[view.getUint16(from + 2)] as number;
      const c = PAIR64[view.getUint16(from + 4)] as number;
      const d = PAIR64[view.getUint16(from + 6)] as number;
      const e = PAIR64[view.getUint16(from + 8)] as number;
      const f = PAIR64[view.getUint16(from + 10)] as number;
      const g = PAIR64[view.getUint16(from + 12)] as number;
      const h = PAIR64[view.getUint16(from + 14)] as number;
      wrong |= a | b | c | d | e | f | g | h;
      out.setInt32(target, (a << 20) | (b << 8) | (c >> 4));
      out.setInt32(target + 4, (c << 28) | (d << 16) | (e << 4) | (f >> 8));
      out.setInt32(target + 8, (f << 24) | (g << 12) | h);
      from += 16;
      target += 12;
    }
    const a = PAIR64[view.getUint16(from)] as number;
    const b = PAIR64[view.getUint16(from + 2)] as number;
    const c = PAIR64[view.getUint16(from + 4)] as number;
    const d = PAIR64[view.getUint16(from + 6)] as number;
    const e = PAIR64[view.getUint16(from + 8)] as number;
    const last = DIGIT64[bytes[from + 10] as number] as number;
    wrong |= a | b | c | d | e;
    out.setInt32(target, (a << 20) | (b << 8) | (c >> 4));
    out.setInt32(target + 4, (c << 28) | (d << 16) | (e << 4) | (last >> 2));
    // What is no pair of digits is negative; the last digit has no bits to spare.
    return wrong >= 0 && (last & 0x83) === 0 && bytes[from + 11] === EQUALS;
  }
}

/** True if a pre-release is that of a pseudo-version (spec/map.md §2.3); `dash` is its last dash, -1 without one. */
function isPseudo(bytes: Uint8Array, start: number, dash: number, end: number, isFirst: boolean): boolean {
  const front = dash - 14 - start;
  if (dash < 0 || front < 0 || dash + 1 === end) return false;
  for (let i = dash + 1; i < end; i++) if (bytes[i] === DOT) return false;
  for (let i = dash - 14; i < dash; i++) {
    const c = bytes[i] as number;
    if (c < ZERO || c > NINE) return false;
  }
  if (front === 0) return isFirst;
  if (front < 2 || bytes[start + front - 1] !== DOT || bytes[start + front - 2] !== ZERO) return false;
  return front === 2 || bytes[start + front - 3] === DOT;
}

/** Where the number at `start` ends; 0 if there is none, it has a leading zero, or it is long. */
function endOfNumber(bytes: Uint8Array, start: number, limit: number): number {
  let at = start;
  while (at < limit && (bytes[at] as number) >= ZERO && (bytes[at] as number) <= NINE) at++;
  const length = at - start;
  if (length === 0 || length > MAX_DIGITS || (length > 1 && bytes[start] === ZERO)) return 0;
  return at;
}

/** The number that the digits from `start` to `end` make: at most nine of them. */
export function readNumber(bytes: Uint8Array, start: number, end: number): number {
  let out = 0;
  for (let at = start; at < end; at++) out = out * 10 + (bytes[at] as number) - ZERO;
  return out;
}
