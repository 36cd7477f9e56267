import { MAX_LABEL_LENGTH, MAX_NAME_LENGTH } from "./name.ts";

/**
 * Queries as bytes (RFC 1035 §4, RFC 6891, spec/dns.md §3): the parser of a server. It never throws, follows no
 * pointer, allocates nothing (the caller's `Query` is filled anew) and looks at every byte at most twice, so that its work
 * is bounded by the length of the message and not by what its counts claim.
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
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  CDS: 59,
  CDNSKEY: 60,
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
  BADCOOKIE: 23,
} as const;

/** A response code that this server sends. */
export type Rcode = (typeof RCODE)[keyof typeof RCODE];

/** Flag bits of the second header word. */
export const FLAG = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100, RA: 0x0080, CD: 0x0010 } as const;
export const OPCODE_MASK = 0x7800;
/** The DO bit of an OPT (RFC 3225). */
export const EDNS_DO = 0x8000;
/** The CO bit of an OPT: compact answers are understood (RFC 9824 §5.1). */
export const EDNS_CO = 0x4000;

/** EDNS options that mean something here; all others are ignored. */
export const OPTION = { NSID: 3, COOKIE: 10, KEEPALIVE: 11, PADDING: 12, EDE: 15 } as const;

/** UDP payload size that is sent and offered: passes every common path unfragmented (DNS flag day 2020). */
export const UDP_SIZE = 1232;
export const HEADER_LENGTH = 12;
/** Where the question's name stands in a query that this server reads, and in every reply. */
export const QNAME_OFFSET = HEADER_LENGTH;

/** Most labels that a name has. */
const MAX_LABELS = 127;
/** Bytes of the client's part of a cookie, and the bounds of the server's behind it (RFC 7873 §4). */
const CLIENT_COOKIE_LENGTH = 8;
const MIN_COOKIE_LENGTH = 16;
const MAX_COOKIE_LENGTH = 40;

/**
 * A message that came to a server, as `parseQuery` found it. One object serves for all queries of a thread: everything
 * in it is of the last call. Offsets are into `bytes`.
 */
export class Query {
  /** The message; aliases the input. */
  bytes: Uint8Array = new Uint8Array(0);

  /** True if QDCOUNT is 1 and the question parses. Then it is the bytes from `QNAME_OFFSET` to `questionEnd`. */
  hasQuestion = false;
  /** Offsets of the length bytes of the name's labels, the leftmost first; `labelCount` of them are valid. */
  readonly labelOffsets: Uint16Array = new Uint16Array(MAX_LABELS + 1);
  labelCount = 0;
  /** After the name's final zero. */
  nameEnd = 0;
  type = 0;
  class = 0;
  questionEnd = 0;

  /** True if the message parses up to its end and has an OPT (RFC 6891 §6.1.2); what follows is of it. */
  hasEdns = false;
  /** Size of UDP messages that the asker takes, as sent. */
  ednsSize = 0;
  ednsVersion = 0;
  dnssecOk = false;
  /** The CO bit (RFC 9824). */
  compactOk = false;
  /** Where the data of the first COOKIE option stands; 0 without one. Its length is 8, or 16 to 40. */
  cookieOffset = 0;
  cookieLength = 0;
  asksNsid = false;
  /** An edns-tcp-keepalive option without a timeout, as a client sends it (RFC 7828 §3.2.1). */
  asksKeepalive = false;

  /** What the message itself is refused with, if it is: by its opcode, its form or its EDNS version, in this order. */
  refusal: typeof RCODE.NOTIMP | typeof RCODE.FORMERR | typeof RCODE.BADVERS | undefined;
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
 * Parses a message that came to a server into `query`. False if it must not be answered: shorter than a header, or a
 * reply.
 *
 * A message without a question that carries a cookie asks for nothing but a cookie (RFC 7873 §5.4): it has neither a
 * question nor a refusal.
 */
export function parseQuery(bytes: Uint8Array, query: Query): boolean {
  if (bytes.length < HEADER_LENGTH) return false;
  const flags = readUint16(bytes, 2);
  if ((flags & FLAG.QR) !== 0) return false;
  query.bytes = bytes;
  query.hasQuestion = false;
  query.labelCount = 0;
  query.hasEdns = false;
  query.dnssecOk = false;
  query.compactOk = false;
  query.cookieOffset = 0;
  query.cookieLength = 0;
  query.asksNsid = false;
  query.asksKeepalive = false;
  query.refusal = undefined;
  const questionCount = readUint16(bytes, 4);
  let at = QNAME_OFFSET;
  // Messages with another opcode or number of questions are refused whatever they hold; they are walked only for
  // their OPT. The loop ends with the bytes: a question takes at least five.
  for (let i = 0; i < questionCount && at !== 0; i++) at = scanQuestion(bytes, at, query);
  if (questionCount === 1 && at !== 0) {
    query.hasQuestion = true;
    query.questionEnd = at;
  }
  const isWhole = at !== 0 && scanRecords(bytes, at, query);
  if (!isWhole) query.hasEdns = false;
  if ((flags & OPCODE_MASK) !== 0) {
    query.hasQuestion = false;
    query.refusal = RCODE.NOTIMP;
  } else if (!isWhole || !isCookieLength(query.cookieOffset, query.cookieLength)) query.refusal = RCODE.FORMERR;
  else if (questionCount !== 1 && (questionCount !== 0 || query.cookieOffset === 0)) query.refusal = RCODE.FORMERR;
  else if (query.hasEdns && query.ednsVersion !== 0) query.refusal = RCODE.BADVERS;
  return true;
}

/** Scans one question; gives the offset behind it, or 0 if it does not parse. */
function scanQuestion(bytes: Uint8Array, offset: number, query: Query): number {
  let at = offset;
  let count = 0;
  for (;;) {
    // Past the end this is undefined, and no number is greater or smaller.
    const length = bytes[at] as number;
    if (length === 0) break;
    if (!(length <= MAX_LABEL_LENGTH)) return 0;
    query.labelOffsets[count++] = at;
    at += 1 + length;
    if (at - offset >= MAX_NAME_LENGTH) return 0;
  }
  if (at + 5 > bytes.length) return 0;
  query.labelCount = count;
  query.nameEnd = at + 1;
  query.type = readUint16(bytes, at + 1);
  query.class = readUint16(bytes, at + 3);
  return at + 5;
}

/**
 * Walks the three sections behind the questions. False if a record does not fit, or if an OPT is misplaced,
 * repeated, owned by another name than the root or has an option that does not fit. Bytes behind the last record are
 * ignored.
 *
 * TSIG and SIG(0) are refused as well: this server has no keys, and who signs a query must not take an unsigned
 * answer.
 */
function scanRecords(bytes: Uint8Array, offset: number, query: Query): boolean {
  const early = readUint16(bytes, 6) + readUint16(bytes, 8);
  const count = early + readUint16(bytes, 10);
  let at = offset;
  for (let i = 0; i < count; i++) {
    const fixed = skipOwner(bytes, at);
    if (fixed === undefined || fixed + 10 > bytes.length) return false;
    const type = readUint16(bytes, fixed);
    const rdata = fixed + 10;
    const end = rdata + readUint16(bytes, fixed + 8);
    if (end > bytes.length) return false;
    if (type === TYPE.OPT) {
      if (i < early || query.hasEdns || fixed !== at + 1) return false;
      const flags = readUint16(bytes, fixed + 6);
      query.hasEdns = true;
      query.ednsSize = readUint16(bytes, fixed + 2);
      query.ednsVersion = bytes[fixed + 5] as number;
      query.dnssecOk = (flags & EDNS_DO) !== 0;
      query.compactOk = (flags & EDNS_CO) !== 0;
      if (!scanOptions(bytes, rdata, end, query)) return false;
    }
    if (i >= early && (type === TYPE.TSIG || type === TYPE.SIG)) return false;
    at = end;
  }
  return true;
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

/** Walks the options of an OPT and notes those that mean something here. False if one does not fit. */
function scanOptions(bytes: Uint8Array, offset: number, end: number, query: Query): boolean {
  let at = offset;
  while (at < end) {
    if (at + 4 > end) return false;
    const code = readUint16(bytes, at);
    const length = readUint16(bytes, at + 2);
    at += 4;
    if (code === OPTION.COOKIE && query.cookieOffset === 0) {
      query.cookieOffset = at;
      query.cookieLength = length;
    } else if (code === OPTION.NSID) query.asksNsid = true;
    else if (code === OPTION.KEEPALIVE && length === 0) query.asksKeepalive = true;
    at += length;
  }
  return at === end;
}

/** A client part alone, or with a server part of 8 to 32 bytes (RFC 7873 §5.2.2). */
function isCookieLength(offset: number, length: number): boolean {
  if (offset === 0 || length === CLIENT_COOKIE_LENGTH) return true;
  return length >= MIN_COOKIE_LENGTH && length <= MAX_COOKIE_LENGTH;
}
