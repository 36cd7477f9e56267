import { ProofdnsError } from "../vindex/error.ts";
import {
  CLASS_IN,
  FLAG,
  HEADER_LENGTH,
  OPCODE_MASK,
  QNAME_OFFSET,
  RCODE,
  readUint16,
  readUint32,
  TYPE,
  UDP_SIZE,
} from "./message.ts";
import { equalFolded, scanName, type WireName } from "./name.ts";
import { decodeTxt } from "./rdata.ts";

/**
 * What a reply to a query for one TXT record says.
 *
 * Replies are walked here and not decoded by `dns-packet`, which believes the counts of a header (12 bytes cost it a
 * millisecond), ignores RDLENGTH, turns names into text that two names can share, and throws a whole reply away for
 * one odd record in a section that nobody asked for. Here only what is used is read, and names stay bytes; the
 * library is the oracle in the tests.
 */
export type TxtReplyContent =
  /** `payload`: the record's character-strings, concatenated. */
  | { readonly kind: "txt"; readonly payload: Uint8Array; readonly ttl: number }
  /** `ttl`: the least of the SOA's TTL and MINIMUM; undefined if there is no SOA. */
  | { readonly kind: "nodata" | "nxdomain"; readonly ttl: number | undefined }
  /** TC is set: to be asked again by TCP. */
  | { readonly kind: "truncated" }
  /** No answer, but names of other servers. */
  | { readonly kind: "referral" }
  /** `rcode`: with the upper bits of the OPT. */
  | { readonly kind: "failure"; readonly rcode: number };

const OPT_LENGTH = 11;
/** Records that are looked at. An honest reply of a resolver has some forty, with all root servers and their addresses. */
const MAX_RECORDS = 128;
/** Jumps of one compressed name. */
const MAX_POINTERS = 32;

/**
 * Encodes a query for the TXT at `name`: RD set (any resolver may stand between), an OPT that offers 1,232 bytes.
 * `name` is written as given, so its case can carry randomness (0x20).
 */
export function encodeTxtQuery(name: WireName, id: number): Uint8Array {
  const out = new Uint8Array(HEADER_LENGTH + name.length + 4 + OPT_LENGTH);
  const view = new DataView(out.buffer);
  view.setUint16(0, id);
  view.setUint16(2, FLAG.RD);
  view.setUint16(4, 1);
  view.setUint16(10, 1);
  out.set(name, QNAME_OFFSET);
  const end = QNAME_OFFSET + name.length;
  view.setUint16(end, TYPE.TXT);
  view.setUint16(end + 2, CLASS_IN);
  view.setUint16(end + 5, TYPE.OPT);
  view.setUint16(end + 7, UDP_SIZE);
  return out;
}

/**
 * How a message relates to a query made by `encodeTxtQuery`: `exact` and `folded` are its reply, with the question
 * copied bit for bit or but for the case of letters; `bare` is an error without a question under the query's ID;
 * undefined is another message, to be ignored.
 */
export function matchReply(reply: Uint8Array, query: Uint8Array): "exact" | "folded" | "bare" | undefined {
  if (reply.length < HEADER_LENGTH || readUint16(reply, 0) !== readUint16(query, 0)) return undefined;
  const flags = readUint16(reply, 2);
  if ((flags & FLAG.QR) === 0 || (flags & OPCODE_MASK) !== 0) return undefined;
  const count = readUint16(reply, 4);
  if (count === 0) return isFinal(flags & 0x0f) ? undefined : "bare";
  const length = query.length - OPT_LENGTH - QNAME_OFFSET;
  if (count !== 1 || reply.length < QNAME_OFFSET + length) return undefined;
  // The name's length bytes, type and class are not letters, except that 65 to 90 may stand in a class or type: those
  // of a TXT query are 0 and 16, 0 and 1.
  if (!equalFolded(reply, QNAME_OFFSET, query, QNAME_OFFSET, length)) return undefined;
  for (let i = QNAME_OFFSET; i < QNAME_OFFSET + length; i++) if (reply[i] !== query[i]) return "folded";
  return "exact";
}

/** True for the codes that answer the question. */
function isFinal(rcode: number): boolean {
  return rcode === RCODE.NOERROR || rcode === RCODE.NXDOMAIN;
}

/**
 * Decodes the reply to a query for the TXT at `name`, which `matchReply` took.
 *
 * The answer section may hold one TXT record, owned by `name`, and signatures; a CNAME, a second TXT, a
 * TXT of another name or any other record there is refused. Bytes behind the last record are ignored.
 *
 * @throws ProofdnsError `MALFORMED_MESSAGE`
 */
export function decodeTxtReply(reply: Uint8Array, name: WireName): TxtReplyContent {
  const refuse = (why: string): never => {
    throw new ProofdnsError("MALFORMED_MESSAGE", `DNS reply: ${why}`);
  };
  const flags = readUint16(reply, 2);
  let rcode = flags & 0x0f;
  // What is cut may be cut anywhere: nothing behind the question is looked at.
  if ((flags & FLAG.TC) !== 0) return { kind: "truncated" };
  const answers = readUint16(reply, 6);
  const authorities = readUint16(reply, 8);
  const count = answers + authorities + readUint16(reply, 10);
  if (count > MAX_RECORDS) return refuse(`it claims ${count} records`);
  if (readUint16(reply, 4) === 0) return { kind: "failure", rcode };

  let at = QNAME_OFFSET + name.length + 4;
  let payload: Uint8Array | undefined;
  let ttl: number | undefined;
  let referral = false;
  for (let i = 0; i < count; i++) {
    const fixed = skipName(reply, at);
    if (fixed === undefined || fixed + 10 > reply.length) return refuse("a record is cut off");
    const type = readUint16(reply, fixed);
    const rdata = fixed + 10;
    const end = rdata + readUint16(reply, fixed + 8);
    if (end > reply.length) return refuse("a record is cut off");
    if (i < answers) {
      if (type === TYPE.TXT) {
        if (payload !== undefined) return refuse("it holds more than one TXT record");
        if (readUint16(reply, fixed + 2) !== CLASS_IN) return refuse("its TXT record has another class");
        if (!nameEquals(reply, at, name)) return refuse("its TXT record belongs to another name");
        payload = decodeTxt(reply.subarray(rdata, end)) ?? refuse("the strings of its TXT record do not fit");
        ttl = readTtl(reply, fixed + 4);
      } else if (type !== TYPE.RRSIG) {
        return refuse(
          type === TYPE.CNAME ? "the name is an alias (CNAME)" : `its answer holds a record of type ${type}`,
        );
      }
    } else if (i < answers + authorities) {
      if (type === TYPE.NS) referral = true;
      if (type === TYPE.SOA && payload === undefined && end - rdata >= 22) {
        ttl = Math.min(readTtl(reply, fixed + 4), readTtl(reply, end - 4));
      }
    } else if (type === TYPE.OPT && fixed === at + 1) {
      rcode |= (reply[fixed + 4] as number) << 4;
    }
    at = end;
  }
  if (!isFinal(rcode)) return { kind: "failure", rcode };
  if (payload !== undefined && ttl !== undefined) {
    return rcode === RCODE.NOERROR ? { kind: "txt", payload, ttl } : refuse("it denies the name that it answers");
  }
  // An NS without a SOA, and no authority claimed: "ask them", which is no denial (RFC 2308 §2.2).
  if (rcode === RCODE.NOERROR && referral && ttl === undefined && (flags & FLAG.AA) === 0) {
    return { kind: "referral" };
  }
  return { kind: rcode === RCODE.NXDOMAIN ? "nxdomain" : "nodata", ttl };
}

/** A TTL with its top bit set is zero (RFC 2181 §8). */
function readTtl(bytes: Uint8Array, offset: number): number {
  const ttl = readUint32(bytes, offset);
  return ttl > 0x7fff_ffff ? 0 : ttl;
}

/** Offset behind a name that may end in a pointer; undefined if it is cut off or has another label type. */
function skipName(bytes: Uint8Array, offset: number): number | undefined {
  for (let at = offset; at - offset < 255; ) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2 <= bytes.length ? at + 2 : undefined;
    if (length > 63) return undefined;
    at += 1 + length;
  }
  return undefined;
}

/** True if the name at `offset`, pointers followed, is `name` but for ASCII case. Pointers only lead backwards. */
function nameEquals(bytes: Uint8Array, offset: number, name: WireName): boolean {
  let at = offset;
  let before = offset;
  let pointers = 0;
  for (let i = 0; i < name.length; ) {
    const length = bytes[at];
    if (length === undefined) return false;
    if (length >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined || ++pointers > MAX_POINTERS) return false;
      const target = ((length & 0x3f) << 8) | low;
      if (target < HEADER_LENGTH || target >= before) return false;
      before = target;
      at = target;
      continue;
    }
    if (length !== name[i] || at + 1 + length > bytes.length) return false;
    if (length === 0) return i === name.length - 1;
    if (!equalFolded(bytes, at + 1, name, i + 1, length)) return false;
    at += 1 + length;
    i += 1 + length;
  }
  return false;
}

/** True if `name` is one whole name in wire format. */
export function isWireName(name: Uint8Array): boolean {
  return scanName(name, 0)?.end === name.length;
}
