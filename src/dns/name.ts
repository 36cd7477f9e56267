import { ProofdnsError } from "../vindex/error.ts";

/**
 * Domain names in wire format (RFC 1035 §3.1): labels of 1 to 63 bytes, each behind its length, and a zero byte; at
 * most 255 bytes in all. A label may hold any bytes. As a string a label has one character a byte (latin1), so that
 * no byte is lost and a dot inside a label is not a separator.
 */
export type WireName = Uint8Array;

/** Longest name in wire format, final zero included. */
export const MAX_NAME_LENGTH = 255;
/** Longest label. */
export const MAX_LABEL_LENGTH = 63;

/** What `scanName` found: `end` is the offset after the final zero. */
export interface ScannedName {
  /** Offsets of the length bytes, in wire order (the leftmost label first), without the final zero. */
  readonly labelOffsets: readonly number[];
  readonly end: number;
}

/**
 * Scans an uncompressed name at `offset`. Undefined if it is cut off, longer than 255 bytes, or has a length byte of
 * 64 or more: an extended label type or a compression pointer, which has nothing to point at in a question.
 */
export function scanName(bytes: Uint8Array, offset: number): ScannedName | undefined {
  const labelOffsets: number[] = [];
  let at = offset;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > MAX_LABEL_LENGTH) return undefined;
    if (length === 0) break;
    labelOffsets.push(at);
    at += 1 + length;
    if (at - offset >= MAX_NAME_LENGTH) return undefined;
  }
  return { labelOffsets, end: at + 1 };
}

/** Lower case of one byte: 0x41–0x5A only, as DNS compares (RFC 4343). */
export function foldByte(b: number): number {
  return b >= 0x41 && b <= 0x5a ? b + 0x20 : b;
}

/** True if `length` bytes at the two offsets are the same but for ASCII case. Both ranges must lie inside. */
export function equalFolded(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number, length: number): boolean {
  for (let i = 0; i < length; i++) {
    const x = a[aOffset + i] as number;
    const y = b[bOffset + i] as number;
    if (x !== y && foldByte(x) !== foldByte(y)) return false;
  }
  return true;
}

/**
 * Number of labels that the name scanned in `bytes` has left of `zone`; undefined if it is not `zone` or below it.
 * Compares at label boundaries only: `xl.example.` is not in `l.example.`.
 */
export function countLabelsBelow(bytes: Uint8Array, name: ScannedName, zone: WireName): number | undefined {
  const start = name.end - zone.length;
  // The length bytes of labels are below 0x41: folding leaves them alone.
  const count = start === name.end - 1 ? name.labelOffsets.length : name.labelOffsets.indexOf(start);
  return count >= 0 && equalFolded(bytes, start, zone, 0, zone.length) ? count : undefined;
}

/** The label whose length byte is at `offset`, lower case, one character a byte. */
export function readLabel(bytes: Uint8Array, offset: number): string {
  const end = offset + 1 + (bytes[offset] as number);
  let label = "";
  for (let i = offset + 1; i < end; i++) label += String.fromCharCode(foldByte(bytes[i] as number));
  return label;
}

/**
 * Joins labels, leftmost first, and a parent name. Undefined if a label is empty, longer than 63 or not of bytes, or
 * the name is longer than 255 bytes: such a name cannot be asked.
 */
export function joinName(labels: readonly string[], parent: WireName): WireName | undefined {
  let length = parent.length;
  for (const label of labels) {
    if (label.length === 0 || label.length > MAX_LABEL_LENGTH) return undefined;
    length += 1 + label.length;
  }
  if (length > MAX_NAME_LENGTH) return undefined;
  const out = new Uint8Array(length);
  let at = 0;
  for (const label of labels) {
    out[at++] = label.length;
    for (let i = 0; i < label.length; i++) {
      const c = label.charCodeAt(i);
      if (c > 0xff) return undefined;
      out[at++] = c;
    }
  }
  out.set(parent, at);
  return out;
}

/** The root: one zero byte. */
export const ROOT_NAME: WireName = new Uint8Array(1);

/**
 * Parses the name of a zone or host as an operator writes it, `l.example.org` or `l.example.org.`, into lower-case
 * wire format. Labels are of letters, digits, `-` and `_`; there are no escapes.
 *
 * @throws ProofdnsError `MALFORMED_NAME`, with a message that says what is wrong
 */
export function parseName(text: string): WireName {
  const refuse = (why: string): never => {
    const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
    throw new ProofdnsError("MALFORMED_NAME", `domain name ${JSON.stringify(shown)}: ${why}`);
  };
  const body = text.endsWith(".") ? text.slice(0, -1) : text;
  if (body.length === 0) return refuse(text === "." ? "the root cannot be used here" : "it is empty");
  const labels = body.split(".");
  for (const label of labels) {
    if (label.length === 0) return refuse("it has an empty label (two dots, or one at the beginning)");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
    if (!/^[\x00-\x7f]*$/.test(label)) return refuse("it is not ASCII; write internationalized labels as xn--…");
    if (!/^[A-Za-z0-9_-]+$/.test(label)) {
      return refuse(`the label ${JSON.stringify(label.slice(0, 63))} holds other than letters, digits, - and _`);
    }
    if (label.length > MAX_LABEL_LENGTH) return refuse("a label is longer than 63 characters");
  }
  return joinName(labels.map(foldLabel), ROOT_NAME) ?? refuse("it is longer than 253 characters");
}

/** Lower case of a label as text: A to Z only. */
export function foldLabel(label: string): string {
  return label.replace(/[A-Z]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0x20));
}

/**
 * Formats a name for people and logs: dots between the labels and at the end, `\DDD` for what is not a letter, digit,
 * `-`, `_` or other plain character, `\.` and `\\` for these two (RFC 1035 §5.1).
 *
 * @throws TypeError if `name` is not one whole name in wire format
 */
export function formatName(name: WireName): string {
  const scanned = scanName(name, 0);
  if (scanned === undefined || scanned.end !== name.length) throw new TypeError("not a name in wire format");
  let text = "";
  for (const offset of scanned.labelOffsets) {
    for (let i = offset + 1; i <= offset + (name[offset] as number); i++) text += formatByte(name[i] as number);
    text += ".";
  }
  return text === "" ? "." : text;
}

function formatByte(b: number): string {
  const c = String.fromCharCode(b);
  if (b <= 0x20 || b >= 0x7f) return `\\${b.toString().padStart(3, "0")}`;
  return '.\\"();@$'.includes(c) ? `\\${c}` : c;
}
