import { type ScannedName, scanName } from "./name.ts";

/**
 * Queries as bytes (RFC 1035 §4, RFC 6891, spec/dns.md §3): the parser of a server. It never throws, follows no
 * pointer, allocates next to nothing and looks at every byte at most twice, so that its work is bounded by the length of the
 * message and not by what its counts claim.
 */

/** Record types of this server, and those that it treats in a way of their own. */
export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  HINFO: 13,
  TXT: 16,
  SIG: 24,
  AAAA: 28,
  OPT: 41,
  RRSIG: 46,
  NXNAME: 128,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

/** The one class that is served. */
export const CLASS_IN = 1;

/** Response codes; those above 15 need an OPT. */
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;

/** A response code that this server sends. */
export type Rcode = (typeof RCODE)[keyof typeof RCODE];

/** Flag bits of the second header word. */
export const FLAG = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100, RA: 0x0080, CD: 0x0010 } as const;
export const OPCODE_MASK = 0x7800;
/** The DO bit of an OPT (RFC 3225). */
export const EDNS_DO = 0x8000;

export const HEADER_LENGTH = 12;
/** Where the question's name stands in a query that this server reads, and in every reply. */
export const QNAME_OFFSET = HEADER_LENGTH;

/** What an OPT says (RFC 6891 §6.1.2). Options are checked for their lengths, and then ignored. */
export interface Edns {
  /** Size of UDP messages that the asker takes, as sent. */
  readonly size: number;
  readonly version: number;
  readonly dnssecOk: boolean;
}

/** The question of a query; offsets are into the message. */
export interface QueryQuestion {
  readonly name: ScannedName;
  readonly type: number;
  readonly class: number;
  /** After the class. The question is the bytes from `QNAME_OFFSET` to here. */
  readonly end: number;
}

/** A message that deserves a reply. */
export interface Query {
  /** The message; aliases the input. */
  readonly bytes: Uint8Array;
  /** Undefined if QDCOUNT is not 1, or the question does not parse. */
  readonly question: QueryQuestion | undefined;
  /** Undefined if there is no OPT, or the message does not parse up to its end. */
  readonly edns: Edns | undefined;
  /** What the message itself is refused with, if it is: by its opcode, its form or its EDNS version, in this order. */
  readonly refusal: typeof RCODE.NOTIMP | typeof RCODE.FORMERR | typeof RCODE.BADVERS | undefined;
}

/** Reads a 16-bit number; the caller knows that it lies inside. */
export function readUint16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] as number) << 8) | (bytes[offset + 1] as number);
}

/** Reads a 32-bit number; the caller knows that it lies inside. */
export function readUint32(bytes: Uint8Array, offset: number): number {
  return readUint16(bytes, offset) * 0x10000 + readUint16(bytes, offset + 2);
}

/**
 * Parses a message that came to a server. Undefined if it must not be answered: shorter than a header, or a reply.
 */
export function parseQuery(bytes: Uint8Array): Query | undefined {
  if (bytes.length < HEADER_LENGTH) return undefined;
  const flags = readUint16(bytes, 2);
  if ((flags & FLAG.QR) !== 0) return undefined;
  const questionCount = readUint16(bytes, 4);
  let at: number | undefined = QNAME_OFFSET;
  let question: QueryQuestion | undefined;
  // Messages with another opcode or number of questions are refused whatever they hold; they are walked only for
  // their OPT. The loop ends with the bytes: a question takes at least five.
  for (let i = 0; i < questionCount && at !== undefined; i++) {
    const read: QueryQuestion | undefined = scanQuestion(bytes, at);
    if (questionCount === 1) question = read;
    at = read?.end;
  }
  const rest = at === undefined ? undefined : scanRecords(bytes, at);
  const edns = rest?.edns;
  if ((flags & OPCODE_MASK) !== 0) return { bytes, question: undefined, edns, refusal: RCODE.NOTIMP };
  if (question === undefined || rest === undefined) return { bytes, question, edns, refusal: RCODE.FORMERR };
  const refusal = edns !== undefined && edns.version !== 0 ? RCODE.BADVERS : undefined;
  return { bytes, question, edns, refusal };
}

function scanQuestion(bytes: Uint8Array, offset: number): QueryQuestion | undefined {
  const name = scanName(bytes, offset);
  if (name === undefined || name.end + 4 > bytes.length) return undefined;
  return { name, type: readUint16(bytes, name.end), class: readUint16(bytes, name.end + 2), end: name.end + 4 };
}

/**
 * Walks the three sections behind the questions. Undefined if a record does not fit, or if an OPT is misplaced,
 * repeated, owned by another name than the root or has an option that does not fit. Bytes behind the last record are
 * ignored.
 *
 * TSIG and SIG(0) are refused as well: this server has no keys, and who signs a query must not take an unsigned
 * answer.
 */
function scanRecords(bytes: Uint8Array, offset: number): { edns: Edns | undefined } | undefined {
  const early = readUint16(bytes, 6) + readUint16(bytes, 8);
  const count = early + readUint16(bytes, 10);
  let edns: Edns | undefined;
  let at = offset;
  for (let i = 0; i < count; i++) {
    const fixed = skipOwner(bytes, at);
    if (fixed === undefined || fixed + 10 > bytes.length) return undefined;
    const type = readUint16(bytes, fixed);
    const rdata = fixed + 10;
    const end = rdata + readUint16(bytes, fixed + 8);
    if (end > bytes.length) return undefined;
    if (type === TYPE.OPT) {
      if (i < early || edns !== undefined || fixed !== at + 1 || !optionsFit(bytes, rdata, end)) return undefined;
      const flags = readUint16(bytes, fixed + 6);
      edns = {
        size: readUint16(bytes, fixed + 2),
        version: bytes[fixed + 5] as number,
        dnssecOk: (flags & EDNS_DO) !== 0,
      };
    }
    if (i >= early && (type === TYPE.TSIG || type === TYPE.SIG)) return undefined;
    at = end;
  }
  return { edns };
}

/**
 * Offset behind the name at `offset`, which may end in a compression pointer. The pointer is not followed: it only
 * has to lead back into the message. Undefined if the name is cut off, too long or has another label type.
 */
export function skipOwner(bytes: Uint8Array, offset: number): number | undefined {
  for (let at = offset; at - offset < 255; ) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length === 0) return at + 1;
    if (length >= 0xc0) {
      if (at + 2 > bytes.length) return undefined;
      const target = readUint16(bytes, at) & 0x3fff;
      return target >= HEADER_LENGTH && target < at ? at + 2 : undefined;
    }
    if (length > 63) return undefined;
    at += 1 + length;
  }
  return undefined;
}

function optionsFit(bytes: Uint8Array, offset: number, end: number): boolean {
  let at = offset;
  while (at < end) {
    if (at + 4 > end) return false;
    at += 4 + readUint16(bytes, at + 2);
  }
  return at === end;
}
