/**
 * DNS messages, decoded from RFC 1035 §4.1 in full: every name with its pointers followed, every record with its RDATA.
 * Undefined for what does not decode.
 */
export interface NaiveRecord {
  /** Labels, one character a byte, in the case in which they stand. */
  readonly owner: readonly string[];
  /** The owner begins with a pointer, or is the root without one. */
  readonly ownerLength: number;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly rdata: Uint8Array;
  /** The same with its names whole and in lower case, as it is signed. */
  readonly whole: Uint8Array;
  /** Where the RDATA begins. */
  readonly rdataAt: number;
}

export interface NaiveMessage {
  readonly id: number;
  readonly flags: number;
  readonly questions: readonly { readonly name: readonly string[]; readonly type: number; readonly class: number }[];
  readonly answers: readonly NaiveRecord[];
  readonly authorities: readonly NaiveRecord[];
  readonly additionals: readonly NaiveRecord[];
  /** Bytes that were read. */
  readonly length: number;
}

/** A name and where the reader goes on; pointers lead backwards only, not into the header, and are at most 32. */
export function naiveName(bytes: Uint8Array, offset: number): { labels: string[]; end: number } | undefined {
  const labels: string[] = [];
  let end: number | undefined;
  let total = 1;
  let limit = offset;
  let jumps = 0;
  for (let at = offset; ; ) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined) return undefined;
      const target = (length - 0xc0) * 256 + low;
      end ??= at + 2;
      if (target >= limit || target < 12 || ++jumps > 32) return undefined;
      limit = target;
      at = target;
      continue;
    }
    if (length >= 64 || at + 1 + length > bytes.length) return undefined;
    if (length === 0) return { labels, end: end ?? at + 1 };
    total += 1 + length;
    if (total > 255) return undefined;
    labels.push(Buffer.from(bytes.subarray(at + 1, at + 1 + length)).toString("latin1"));
    at += 1 + length;
  }
}

export function naiveMessage(bytes: Uint8Array): NaiveMessage | undefined {
  if (bytes.length < 12) return undefined;
  const u16 = (at: number): number => (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
  let at = 12;
  const questions: { name: string[]; type: number; class: number }[] = [];
  for (let i = 0; i < u16(4); i++) {
    const name = naiveName(bytes, at);
    if (name === undefined || name.end + 4 > bytes.length) return undefined;
    questions.push({ name: name.labels, type: u16(name.end), class: u16(name.end + 2) });
    at = name.end + 4;
  }
  const section = (count: number): NaiveRecord[] | undefined => {
    const records: NaiveRecord[] = [];
    for (let i = 0; i < count; i++) {
      const name = naiveName(bytes, at);
      if (name === undefined || name.end + 10 > bytes.length) return undefined;
      const fixed = name.end;
      const end = fixed + 10 + u16(fixed + 8);
      if (end > bytes.length) return undefined;
      records.push({
        owner: name.labels,
        ownerLength: fixed - at,
        type: u16(fixed),
        class: u16(fixed + 2),
        ttl: u16(fixed + 4) * 65_536 + u16(fixed + 6),
        rdata: bytes.slice(fixed + 10, end),
        whole: wholeRdata(bytes, u16(fixed), fixed + 10, end),
        rdataAt: fixed + 10,
      });
      at = end;
    }
    return records;
  };
  const answers = section(u16(6));
  const authorities = answers === undefined ? undefined : section(u16(8));
  const additionals = authorities === undefined ? undefined : section(u16(10));
  if (answers === undefined || authorities === undefined || additionals === undefined) return undefined;
  return { id: u16(0), flags: u16(2), questions, answers, authorities, additionals, length: at };
}

/** NS and CNAME begin with a name, SOA with two; what does not decode stays as it is. */
function wholeRdata(bytes: Uint8Array, type: number, start: number, end: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = start;
  for (let names = { 2: 1, 5: 1, 6: 2 }[type] ?? 0; names > 0; names--) {
    const name = naiveName(bytes, at);
    if (name === undefined || name.end > end) return bytes.slice(start, end);
    for (const label of name.labels) {
      parts.push(
        Uint8Array.of(label.length),
        Buffer.from(
          label.replaceAll(/[A-Z]/g, (c) => c.toLowerCase()),
          "latin1",
        ),
      );
    }
    parts.push(Uint8Array.of(0));
    at = name.end;
  }
  return new Uint8Array(Buffer.concat([...parts, bytes.subarray(at, end)]));
}

/** The character-strings of TXT RDATA, concatenated; undefined if there is none or one does not fit. */
export function naiveTxt(rdata: Uint8Array): Uint8Array | undefined {
  const parts: Uint8Array[] = [];
  let at = 0;
  while (at < rdata.length) {
    const length = rdata[at] as number;
    if (at + 1 + length > rdata.length) return undefined;
    parts.push(rdata.slice(at + 1, at + 1 + length));
    at += 1 + length;
  }
  return parts.length === 0 ? undefined : new Uint8Array(Buffer.concat(parts));
}

/** Two names are the same but for the case of A–Z. */
export function sameName(a: readonly string[], b: readonly string[]): boolean {
  const fold = (label: string): string => label.replaceAll(/[A-Z]/g, (c) => c.toLowerCase());
  return a.length === b.length && a.every((label, i) => fold(label) === fold(b[i] as string));
}
