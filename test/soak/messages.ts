/** DNS messages as the load generators need them: written and read without the server's own codec, so that the two are two. */

export const TYPE = { NS: 2, SOA: 6, TXT: 16, OPT: 41, RRSIG: 46, DNSKEY: 48 } as const;
export const RCODE = { NOERROR: 0, NXDOMAIN: 3, BADCOOKIE: 23 } as const;
const OPTION_COOKIE = 10;
const FLAG_DO = 0x8000;
/** Length of the fixed part of an OPT record. */
const OPT_LENGTH = 11;

/** What is asked. */
export interface Query {
  /** Wire format, in the case in which it is asked. */
  readonly name: Uint8Array;
  readonly type: number;
  readonly id: number;
  readonly isDo: boolean;
  /** Data of a COOKIE option. */
  readonly cookie?: Uint8Array | undefined;
  /** Leaves the OPT out. */
  readonly isPlain?: boolean;
}

/** Encodes a query with an OPT that offers 1,232 bytes. */
export function encodeQuery({ name, type, id, isDo, cookie, isPlain }: Query): Buffer {
  const end = 12 + name.length + 4;
  const optionLength = cookie === undefined ? 0 : 4 + cookie.length;
  const out = Buffer.alloc(isPlain === true ? end : end + OPT_LENGTH + optionLength);
  out.writeUInt16BE(id, 0);
  out.writeUInt16BE(1, 4);
  out.set(name, 12);
  out.writeUInt16BE(type, 12 + name.length);
  out.writeUInt16BE(1, 14 + name.length);
  if (isPlain === true) return out;
  out.writeUInt16BE(1, 10);
  out.writeUInt16BE(TYPE.OPT, end + 1);
  out.writeUInt16BE(1232, end + 3);
  out.writeUInt16BE(isDo ? FLAG_DO : 0, end + 7);
  out.writeUInt16BE(optionLength, end + 9);
  if (cookie !== undefined) {
    out.writeUInt16BE(OPTION_COOKIE, end + OPT_LENGTH);
    out.writeUInt16BE(cookie.length, end + OPT_LENGTH + 2);
    out.set(cookie, end + OPT_LENGTH + 4);
  }
  return out;
}

/** Offset behind the question of a query made by `encodeQuery`. */
export function questionEnd(query: Uint8Array): number {
  let at = 12;
  while ((query[at] ?? 0) !== 0) at += 1 + (query[at] as number);
  return at + 5;
}

/** True if `reply` has the ID and, bit for bit, the question of `query`, and QR, one question and the opcode. */
export function isReplyTo(reply: Uint8Array, query: Uint8Array): boolean {
  const end = questionEnd(query);
  if (reply.length < end || reply[0] !== query[0] || reply[1] !== query[1]) return false;
  if (((reply[2] ?? 0) & 0xf8) !== 0x80 || reply[4] !== 0 || reply[5] !== 1) return false;
  for (let i = 12; i < end; i++) if (reply[i] !== query[i]) return false;
  return true;
}

/** One record of a message. */
export interface RecordAt {
  readonly section: "answer" | "authority" | "additional";
  /** Owner in wire format; pointers are followed. */
  readonly owner: Uint8Array;
  readonly type: number;
  readonly klass: number;
  readonly ttl: number;
  readonly rdata: Buffer;
}

/** What a reply says. */
export interface Reply {
  readonly isTruncated: boolean;
  readonly isAuthoritative: boolean;
  /** With the upper bits of the OPT. */
  readonly rcode: number;
  readonly records: readonly RecordAt[];
  readonly cookie: Buffer | undefined;
}

/** Reads a reply whole. @throws RangeError if it is cut off, has bytes behind its end, or pointers that lead nowhere */
export function decodeReply(message: Uint8Array): Reply {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.length);
  let at = 12;
  for (let i = 0; i < bytes.readUInt16BE(4); i++) at = readName(bytes, at).end + 4;
  const records: RecordAt[] = [];
  let rcode = bytes.readUInt8(3) & 15;
  let cookie: Buffer | undefined;
  for (const [offset, section] of [
    [6, "answer"],
    [8, "authority"],
    [10, "additional"],
  ] as const) {
    for (let i = 0; i < bytes.readUInt16BE(offset); i++) {
      const { name, end } = readName(bytes, at);
      const rdataEnd = end + 10 + bytes.readUInt16BE(end + 8);
      if (rdataEnd > bytes.length) throw new RangeError("a record is cut off");
      const rdata = bytes.subarray(end + 10, rdataEnd);
      const type = bytes.readUInt16BE(end);
      const [klass, ttl] = [bytes.readUInt16BE(end + 2), bytes.readUInt32BE(end + 4)];
      records.push({ section, owner: name, type, klass, ttl, rdata });
      if (type === TYPE.OPT) {
        rcode |= (ttl >>> 24) << 4;
        cookie = cookieOf(rdata);
      }
      at = rdataEnd;
    }
  }
  if (at !== bytes.length) throw new RangeError("bytes behind the last record");
  return {
    isTruncated: (bytes.readUInt8(2) & 2) !== 0,
    isAuthoritative: (bytes.readUInt8(2) & 4) !== 0,
    rcode,
    records,
    cookie,
  };
}

function cookieOf(options: Buffer): Buffer | undefined {
  for (let at = 0; at + 4 <= options.length; at += 4 + options.readUInt16BE(at + 2)) {
    if (options.readUInt16BE(at) === OPTION_COOKIE) {
      return Buffer.from(options.subarray(at + 4, at + 4 + options.readUInt16BE(at + 2)));
    }
  }
  return undefined;
}

/** A name whose pointers lead backwards; `end` is behind what stands at `offset`. */
function readName(bytes: Buffer, offset: number): { name: Uint8Array; end: number } {
  const name: number[] = [];
  let end: number | undefined;
  let bound = offset;
  for (let at = offset; ; ) {
    const length = bytes.readUInt8(at);
    if (length >= 0xc0) {
      const target = bytes.readUInt16BE(at) & 0x3fff;
      end ??= at + 2;
      if (target >= bound) throw new RangeError("a pointer that does not lead backwards");
      bound = target;
      at = target;
      continue;
    }
    if (length > 63 || at + 1 + length > bytes.length) throw new RangeError("a label is cut off");
    for (const byte of bytes.subarray(at, at + 1 + length)) name.push(byte);
    at += 1 + length;
    if (length === 0) return { name: Uint8Array.from(name), end: end ?? at };
  }
}

/** ASCII letters in lower case, other bytes as they are. */
export function lowerCase(name: Uint8Array): Uint8Array {
  // Length bytes are at most 63, below the letters.
  return name.map((byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte));
}

/** Letters in the case that the bits of `pattern` give, as resolvers do to make guessing harder (0x20). */
export function mixCase(name: Uint8Array, pattern: number): Uint8Array {
  return name.map((byte, i) => {
    const isLetter = (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x41 && byte <= 0x5a);
    return isLetter && ((pattern >>> (i % 31)) & 1) === 1 ? byte ^ 0x20 : byte;
  });
}
