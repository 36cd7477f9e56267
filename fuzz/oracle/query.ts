/** Queries, read from spec/dns.md §3 and spec/abuse.md §1. */
export interface NaiveQuery {
  readonly id: number;
  readonly flags: number;
  /** Bytes 12 to the end of the one question; undefined if there is not exactly one that parses, or the opcode is another. */
  readonly question: Uint8Array | undefined;
  /** Labels of the question's name as they stand, its type and class. */
  readonly labels: readonly string[];
  readonly type: number;
  readonly class: number;
  /** Undefined if the message does not parse to its end, or has no OPT. */
  readonly edns: NaiveEdns | undefined;
  /** What the message is refused with before its question is looked at. */
  readonly refusal: number | undefined;
  /** QDCOUNT is 0. */
  readonly asksNothing: boolean;
}

export interface NaiveEdns {
  readonly size: number;
  readonly version: number;
  readonly isDo: boolean;
  readonly isCo: boolean;
  /** Data of the first COOKIE option. */
  readonly cookie: Uint8Array | undefined;
  readonly nsid: boolean;
  readonly keepalive: boolean;
}

/** Undefined for a message that is not answered. */
export function naiveQuery(bytes: Uint8Array): NaiveQuery | undefined {
  const u16 = (at: number): number => (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
  if (bytes.length < 12 || (bytes[2] as number) >= 0x80) return undefined;
  const [qd, an, ns, ar] = [4, 6, 8, 10].map(u16) as [number, number, number, number];
  const opcode = ((bytes[2] as number) >> 3) & 15;
  const questions: { end: number; labels: string[] }[] = [];
  let at: number | undefined = 12;
  for (let i = 0; i < qd && at !== undefined; i++) {
    const name = naiveQname(bytes, at);
    const end: number = (name?.end ?? Number.POSITIVE_INFINITY) + 4;
    if (name !== undefined && end <= bytes.length) questions.push({ end, labels: name.labels });
    at = end <= bytes.length ? end : undefined;
  }
  const edns = at === undefined ? "malformed" : naiveRecords(bytes, at, an + ns, an + ns + ar);
  const [only] = questions;
  const isOne = qd === 1 && only !== undefined && opcode === 0;
  const isWhole = edns !== "malformed";
  const cookie = isWhole ? edns?.cookie : undefined;
  const isBadCookie = cookie !== undefined && cookie.length !== 8 && (cookie.length < 16 || cookie.length > 40);
  let refusal: number | undefined;
  if (opcode !== 0) refusal = 4;
  else if (!isWhole || isBadCookie || (qd !== 1 && !(qd === 0 && cookie !== undefined))) refusal = 1;
  else if (edns !== undefined && edns.version > 0) refusal = 16;
  return {
    id: u16(0),
    flags: u16(2),
    question: isOne ? bytes.slice(12, only.end) : undefined,
    labels: isOne ? only.labels : [],
    type: isOne ? u16(only.end - 4) : 0,
    class: isOne ? u16(only.end - 2) : 0,
    edns: isWhole ? edns : undefined,
    refusal,
    asksNothing: qd === 0,
  };
}

/** A name without pointers, of at most 255 bytes. */
function naiveQname(bytes: Uint8Array, offset: number): { labels: string[]; end: number } | undefined {
  const labels: string[] = [];
  let at = offset;
  for (let length = bytes[at]; length !== 0; length = bytes[at]) {
    if (length === undefined || length > 63) return undefined;
    labels.push(Buffer.from(bytes.subarray(at + 1, at + 1 + length)).toString("latin1"));
    at += 1 + length;
  }
  return at + 1 - offset <= 255 ? { labels, end: at + 1 } : undefined;
}

/** The one OPT behind the questions, if there is one. `early`: records of the two sections where it must not stand. */
function naiveRecords(
  bytes: Uint8Array,
  offset: number,
  early: number,
  count: number,
): NaiveEdns | undefined | "malformed" {
  const u16 = (at: number): number => (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
  let edns: NaiveEdns | undefined;
  let at = offset;
  for (let i = 0; i < count; i++) {
    const fixed = naiveOwnerEnd(bytes, at);
    if (fixed === undefined || fixed + 10 > bytes.length) return "malformed";
    const type = u16(fixed);
    const end = fixed + 10 + u16(fixed + 8);
    if (end > bytes.length) return "malformed";
    if (type === 41) {
      const isRoot = fixed === at + 1;
      const options = naiveOptions(bytes.slice(fixed + 10, end));
      if (i < early || edns !== undefined || !isRoot || options === undefined) return "malformed";
      const flags = u16(fixed + 6);
      edns = {
        size: u16(fixed + 2),
        version: bytes[fixed + 5] as number,
        isDo: flags >= 0x8000,
        isCo: flags % 0x8000 >= 0x4000,
        cookie: options.find(({ code }) => code === 10)?.data,
        nsid: options.some(({ code }) => code === 3),
        keepalive: options.some(({ code, data }) => code === 11 && data.length === 0),
      };
    }
    if (i >= early && (type === 250 || type === 24)) return "malformed";
    at = end;
  }
  return edns;
}

function naiveOwnerEnd(bytes: Uint8Array, offset: number): number | undefined {
  let at = offset;
  while (at - offset <= 254) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length === 0) return at + 1;
    if (length >= 192) {
      const target = (length - 192) * 256 + (bytes[at + 1] ?? Number.NaN);
      return target >= 12 && target < at ? at + 2 : undefined;
    }
    if (length >= 64) return undefined;
    at += length + 1;
  }
  return undefined;
}

/** Options of an OPT; undefined if one does not fit. */
export function naiveOptions(rdata: Uint8Array): { code: number; data: Uint8Array }[] | undefined {
  const options: { code: number; data: Uint8Array }[] = [];
  for (let at = 0; at < rdata.length; ) {
    if (at + 4 > rdata.length) return undefined;
    const [a, b, c, d] = rdata.subarray(at, at + 4) as unknown as [number, number, number, number];
    const length = c * 256 + d;
    if (at + 4 + length > rdata.length) return undefined;
    options.push({ code: a * 256 + b, data: rdata.slice(at + 4, at + 4 + length) });
    at += 4 + length;
  }
  return options;
}
