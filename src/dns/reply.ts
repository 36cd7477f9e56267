import {
  CLASS_IN,
  EDNS_DO,
  FLAG,
  HEADER_LENGTH,
  OPCODE_MASK,
  QNAME_OFFSET,
  type Query,
  RCODE,
  type Rcode,
  readUint16,
  TYPE,
} from "./message.ts";
import type { ZoneName } from "./zone.ts";

/** How a message came, and how its reply leaves. */
export type MessageTransport = "udp" | "tcp";

/** UDP payload size that this server sends and offers: passes every common path unfragmented (DNS flag day 2020). */
export const UDP_SIZE = 1232;
/** Limit of a reply by UDP to a query without OPT (RFC 1035 §4.2.1). */
export const UDP_SIZE_WITHOUT_EDNS = 512;
/** Limit of a message by TCP: what its two length bytes can say. */
export const TCP_SIZE = 65_535;

const OPT_LENGTH = 11;
const MAX_POINTER = 0x3fff;

/** The owner of a record: the name in the question, or a name of the zone. */
export type Owner = "qname" | ZoneName;

/** A record to be written; `rdata` is ready, or is made of names and bytes. */
export interface ReplyRecord {
  readonly owner: Owner;
  readonly type: number;
  readonly ttl: number;
  readonly rdata: Uint8Array | readonly (Uint8Array | ZoneName)[];
}

/** What a reply says beside what it copies from the query. */
export interface ReplyContent {
  readonly rcode: Rcode;
  readonly authoritative: boolean;
  readonly answer: readonly ReplyRecord[];
  readonly authority: readonly ReplyRecord[];
  /** Left out without a mark if it does not fit: glue that can be asked for. */
  readonly additional: readonly ReplyRecord[];
}

const NO_RECORDS: readonly ReplyRecord[] = [];

/**
 * Writes the reply to `query` (spec/dns.md §3): ID, opcode, RD, CD and the question copied bit for bit, an OPT iff the
 * query has one. `zoneOffset` is where the zone's own name stands in the question, so that names of the zone can
 * end in a pointer to it; undefined if the question is not in the zone.
 *
 * A reply by UDP that would be longer than the asker takes, or than 1,232 bytes, is sent without records and with TC
 * set. By TCP nothing may be left out: what does not fit 65,535 bytes becomes SERVFAIL.
 */
export function writeReply(
  query: Query,
  transport: MessageTransport,
  content: ReplyContent,
  zoneOffset: number | undefined,
): Uint8Array {
  const limit = transport === "tcp" ? TCP_SIZE : udpLimit(query);
  const base = (query.question?.end ?? HEADER_LENGTH) + (query.edns === undefined ? 0 : OPT_LENGTH);
  const size = (records: readonly ReplyRecord[]): number =>
    records.reduce((sum, record) => sum + recordLength(record, zoneOffset), 0);
  const needed = base + size(content.answer) + size(content.authority);
  if (needed > limit) {
    if (transport === "tcp") return writeErrorReply(query, RCODE.SERVFAIL);
    const empty = { ...content, answer: NO_RECORDS, authority: NO_RECORDS, additional: NO_RECORDS };
    return writeMessage(query, empty, FLAG.TC, base, zoneOffset);
  }
  const withAdditional = needed + size(content.additional);
  return withAdditional <= limit
    ? writeMessage(query, content, 0, withAdditional, zoneOffset)
    : writeMessage(query, { ...content, additional: NO_RECORDS }, 0, needed, zoneOffset);
}

/** Writes a reply without records: an error, or a refusal. It always fits. */
export function writeErrorReply(query: Query, rcode: Rcode): Uint8Array {
  const length = (query.question?.end ?? HEADER_LENGTH) + (query.edns === undefined ? 0 : OPT_LENGTH);
  const content = {
    rcode,
    authoritative: false,
    answer: NO_RECORDS,
    authority: NO_RECORDS,
    additional: NO_RECORDS,
  };
  return writeMessage(query, content, 0, length, undefined);
}

/** Largest reply to `query` by UDP. */
export function udpLimit(query: Query): number {
  if (query.edns === undefined) return UDP_SIZE_WITHOUT_EDNS;
  return Math.min(UDP_SIZE, Math.max(UDP_SIZE_WITHOUT_EDNS, query.edns.size));
}

function writeMessage(
  query: Query,
  content: ReplyContent,
  extraFlags: number,
  length: number,
  zoneOffset: number | undefined,
): Uint8Array {
  const { bytes, question, edns } = query;
  const out = new Uint8Array(length);
  const writer = new Writer(out, zoneOffset);
  writer.uint16(readUint16(bytes, 0));
  const copied = readUint16(bytes, 2) & (OPCODE_MASK | FLAG.RD | FLAG.CD);
  const authoritative = content.authoritative ? FLAG.AA : 0;
  writer.uint16(FLAG.QR | copied | authoritative | extraFlags | (content.rcode & 0x0f));
  writer.uint16(question === undefined ? 0 : 1);
  writer.uint16(content.answer.length);
  writer.uint16(content.authority.length);
  writer.uint16(content.additional.length + (edns === undefined ? 0 : 1));
  if (question !== undefined) writer.bytes(bytes.subarray(QNAME_OFFSET, question.end));
  for (const record of content.answer) writer.record(record);
  for (const record of content.authority) writer.record(record);
  for (const record of content.additional) writer.record(record);
  if (edns !== undefined) {
    writer.byte(0);
    writer.uint16(TYPE.OPT);
    writer.uint16(UDP_SIZE);
    writer.byte(content.rcode >> 4);
    writer.byte(0);
    writer.uint16(edns.dnssecOk ? EDNS_DO : 0);
    writer.uint16(0);
  }
  return out;
}

function recordLength(record: ReplyRecord, zoneOffset: number | undefined): number {
  const owner = record.owner === "qname" ? 2 : nameLength(record.owner, zoneOffset);
  return owner + 10 + rdataLength(record.rdata, zoneOffset);
}

function rdataLength(rdata: ReplyRecord["rdata"], zoneOffset: number | undefined): number {
  if (rdata instanceof Uint8Array) return rdata.length;
  return rdata.reduce(
    (sum, part) => sum + (part instanceof Uint8Array ? part.length : nameLength(part, zoneOffset)),
    0,
  );
}

/** A name of the zone takes its own labels and a pointer to the zone's name in the question. */
function nameLength(name: ZoneName, zoneOffset: number | undefined): number {
  if (name.own === undefined || zoneOffset === undefined) return name.wire.length;
  return name.own.length + 2;
}

class Writer {
  readonly #out: Uint8Array;
  readonly #zoneOffset: number | undefined;
  #at = 0;

  constructor(out: Uint8Array, zoneOffset: number | undefined) {
    this.#out = out;
    this.#zoneOffset = zoneOffset;
  }

  byte(value: number): void {
    this.#out[this.#at++] = value;
  }

  uint16(value: number): void {
    this.byte(value >> 8);
    this.byte(value & 0xff);
  }

  bytes(value: Uint8Array): void {
    this.#out.set(value, this.#at);
    this.#at += value.length;
  }

  pointer(offset: number): void {
    if (offset > MAX_POINTER) throw new RangeError(`no pointer reaches ${offset}`);
    this.uint16(0xc000 | offset);
  }

  name(name: ZoneName): void {
    if (name.own === undefined || this.#zoneOffset === undefined) {
      this.bytes(name.wire);
      return;
    }
    this.bytes(name.own);
    this.pointer(this.#zoneOffset);
  }

  record(record: ReplyRecord): void {
    if (record.owner === "qname") this.pointer(QNAME_OFFSET);
    else this.name(record.owner);
    this.uint16(record.type);
    this.uint16(CLASS_IN);
    this.uint16(Math.floor(record.ttl / 0x10000));
    this.uint16(record.ttl & 0xffff);
    this.uint16(rdataLength(record.rdata, this.#zoneOffset));
    if (record.rdata instanceof Uint8Array) {
      this.bytes(record.rdata);
      return;
    }
    for (const part of record.rdata) {
      if (part instanceof Uint8Array) this.bytes(part);
      else this.name(part);
    }
  }
}
