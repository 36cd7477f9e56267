import {
  EDNS_CO,
  EDNS_DO,
  FLAG,
  HEADER_LENGTH,
  OPCODE_MASK,
  OPTION,
  QNAME_OFFSET,
  type Query,
  RCODE,
  type Rcode,
  readUint16,
  TYPE,
  UDP_SIZE,
} from "./message.ts";
import type { ReplyEntry } from "./reply-entry.ts";

export { UDP_SIZE };

/** How a message came, and how its reply leaves. */
export type MessageTransport = "udp" | "tcp" | "https";

/** Limit of a reply by UDP to a query without OPT (RFC 1035 §4.2.1). */
export const UDP_SIZE_WITHOUT_EDNS = 512;
/** Limit of a message by TCP: what its two length bytes can say. HTTPS has the same (RFC 8484 §6). */
export const TCP_SIZE = 65_535;

const OPT_LENGTH = 11;
/** Option code and length. */
const OPTION_HEADER_LENGTH = 4;
/** A client cookie and a server cookie of version 1 (RFC 9018 §4). */
const COOKIE_LENGTH = 24;

/** What the OPT of a reply holds beside what it copies; empty options are left out. */
export interface ReplyOptions {
  /** Writes 24 bytes of cookie at an offset; undefined for none. */
  readonly writeCookie: ((out: Uint8Array, at: number) => void) | undefined;
  readonly nsid: Uint8Array | undefined;
  /** Idle timeout in units of 100 ms; only by TCP. */
  readonly keepalive: number | undefined;
}

/** An extended error (RFC 8914): the whole option, ready to be copied. */
export type ExtendedError = Uint8Array;

/** Makes an extended error of a code and a few words, which count against the size of the reply. */
export function makeExtendedError(code: number, text: string): ExtendedError {
  const out = new Uint8Array(OPTION_HEADER_LENGTH + 2 + text.length);
  const view = new DataView(out.buffer);
  view.setUint16(0, OPTION.EDE);
  view.setUint16(2, 2 + text.length);
  view.setUint16(4, code);
  for (let i = 0; i < text.length; i++) out[6 + i] = text.charCodeAt(i);
  return out;
}

/** Largest reply to `query` by UDP. */
export function udpLimit(query: Query): number {
  if (!query.hasEdns) return UDP_SIZE_WITHOUT_EDNS;
  return Math.min(UDP_SIZE, Math.max(UDP_SIZE_WITHOUT_EDNS, query.ednsSize));
}

/**
 * Writes replies (spec/dns.md §3) into one buffer, which the next reply overwrites: ID, opcode, RD, CD and the question
 * copied bit for bit, an OPT iff the query has one.
 */
export class ReplyWriter {
  readonly #out: Uint8Array = new Uint8Array(TCP_SIZE);
  #isTruncated = false;

  /** True if the last reply was cut down to TC. */
  get isTruncated(): boolean {
    return this.#isTruncated;
  }

  /**
   * The reply of an entry. `ttl` stands in for the TTLs that run until the next epoch.
   *
   * A reply by UDP that would be longer than the asker takes, or than 1,232 bytes, is sent without records and with TC
   * set. By TCP and HTTPS nothing may be left out: what does not fit 65,535 bytes becomes SERVFAIL.
   */
  writeEntry(
    query: Query,
    transport: MessageTransport,
    entry: ReplyEntry,
    ttl: number,
    options: ReplyOptions | undefined,
  ): Uint8Array {
    const limit = transport === "udp" ? udpLimit(query) : TCP_SIZE;
    const base = query.questionEnd + this.#optLength(query, options, undefined);
    if (base + entry.essentialLength > limit) {
      if (transport !== "udp") return this.writeBare(query, RCODE.SERVFAIL, 0, options, undefined);
      this.#isTruncated = true;
      return this.#write(query, entry.rcode, FLAG.AA | FLAG.TC, undefined, 0, 0, options, undefined);
    }
    this.#isTruncated = false;
    const isWhole = base + entry.records.length <= limit;
    return this.#write(
      query,
      entry.rcode,
      FLAG.AA,
      entry,
      isWhole ? entry.additionalCount : 0,
      ttl,
      options,
      undefined,
    );
  }

  /** A reply without records: an error, a refusal, or with `flags` TC a request to ask again by TCP. It always fits. */
  writeBare(
    query: Query,
    rcode: Rcode,
    flags: number,
    options: ReplyOptions | undefined,
    error: ExtendedError | undefined,
  ): Uint8Array {
    this.#isTruncated = (flags & FLAG.TC) !== 0;
    return this.#write(query, rcode, flags, undefined, 0, 0, options, error);
  }

  #optLength(query: Query, options: ReplyOptions | undefined, error: ExtendedError | undefined): number {
    if (!query.hasEdns) return 0;
    let length = OPT_LENGTH + (error?.length ?? 0);
    if (options !== undefined) {
      if (options.writeCookie !== undefined) length += OPTION_HEADER_LENGTH + COOKIE_LENGTH;
      if (options.nsid !== undefined) length += OPTION_HEADER_LENGTH + options.nsid.length;
      if (options.keepalive !== undefined) length += OPTION_HEADER_LENGTH + 2;
    }
    return length;
  }

  #write(
    query: Query,
    rcode: Rcode,
    flags: number,
    entry: ReplyEntry | undefined,
    additionalCount: number,
    ttl: number,
    options: ReplyOptions | undefined,
    error: ExtendedError | undefined,
  ): Uint8Array {
    const { bytes } = query;
    const out = this.#out;
    const questionEnd = query.hasQuestion ? query.questionEnd : HEADER_LENGTH;
    out[0] = bytes[0] as number;
    out[1] = bytes[1] as number;
    put16(out, 2, FLAG.QR | (readUint16(bytes, 2) & (OPCODE_MASK | FLAG.RD | FLAG.CD)) | flags | (rcode & 0x0f));
    put16(out, 4, query.hasQuestion ? 1 : 0);
    put16(out, 6, entry?.answerCount ?? 0);
    put16(out, 8, entry?.authorityCount ?? 0);
    put16(out, 10, additionalCount + (query.hasEdns ? 1 : 0));
    // A name is at most 255 bytes: below that a loop beats a call.
    for (let i = QNAME_OFFSET; i < questionEnd; i++) out[i] = bytes[i] as number;
    let at = questionEnd;
    if (entry !== undefined) {
      const { records } = entry;
      const length = additionalCount === entry.additionalCount ? records.length : entry.essentialLength;
      out.set(length === records.length ? records : records.subarray(0, length), at);
      const { ttlOffsets } = entry;
      for (let i = 0; i < ttlOffsets.length; i++) {
        const offset = ttlOffsets[i] as number;
        if (offset < length) put32(out, at + offset, ttl);
      }
      at += length;
    }
    if (query.hasEdns) at = this.#writeOpt(query, rcode, at, options, error);
    return out.subarray(0, at);
  }

  #writeOpt(
    query: Query,
    rcode: Rcode,
    offset: number,
    options: ReplyOptions | undefined,
    error: ExtendedError | undefined,
  ): number {
    const out = this.#out;
    out[offset] = 0;
    put16(out, offset + 1, TYPE.OPT);
    put16(out, offset + 3, UDP_SIZE);
    out[offset + 5] = rcode >> 4;
    out[offset + 6] = 0;
    put16(out, offset + 7, (query.dnssecOk ? EDNS_DO : 0) | (query.compactOk ? EDNS_CO : 0));
    let at = offset + OPT_LENGTH;
    if (options?.writeCookie !== undefined) {
      put16(out, at, OPTION.COOKIE);
      put16(out, at + 2, COOKIE_LENGTH);
      options.writeCookie(out, at + OPTION_HEADER_LENGTH);
      at += OPTION_HEADER_LENGTH + COOKIE_LENGTH;
    }
    if (options?.nsid !== undefined) {
      put16(out, at, OPTION.NSID);
      put16(out, at + 2, options.nsid.length);
      out.set(options.nsid, at + OPTION_HEADER_LENGTH);
      at += OPTION_HEADER_LENGTH + options.nsid.length;
    }
    if (options?.keepalive !== undefined) {
      put16(out, at, OPTION.KEEPALIVE);
      put16(out, at + 2, 2);
      put16(out, at + 4, options.keepalive);
      at += OPTION_HEADER_LENGTH + 2;
    }
    if (error !== undefined) {
      out.set(error, at);
      at += error.length;
    }
    put16(out, offset + 9, at - offset - OPT_LENGTH);
    return at;
  }
}

function put16(out: Uint8Array, at: number, value: number): void {
  out[at] = value >> 8;
  out[at + 1] = value & 0xff;
}

function put32(out: Uint8Array, at: number, value: number): void {
  put16(out, at, Math.floor(value / 0x10000));
  put16(out, at + 2, value & 0xffff);
}
