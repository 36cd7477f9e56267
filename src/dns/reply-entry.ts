import { concatBytes } from "../vindex/bytes.ts";
import type { ReplyContent } from "./content.ts";
import { encodeNsecRdata, SIGNATURE_REFRESH, type ZoneSigner } from "./dnssec/index.ts";
import { CLASS_IN, QNAME_OFFSET, RCODE, type Rcode, TYPE } from "./message.ts";
import { soaRecord, type Zone, type ZoneName } from "./zone.ts";

/** The owner of a record: the name in the question, or a name of the zone. */
export type Owner = "qname" | ZoneName;

/** A record to be written; `rdata` is ready, or is made of names and bytes. */
export interface ReplyRecord {
  readonly owner: Owner;
  readonly type: number;
  readonly ttl: number;
  readonly rdata: Uint8Array | readonly (Uint8Array | ZoneName)[];
}

/** Whose rate a reply counts against (spec/abuse.md §2): that of its own name and type, or one that many names share. */
export const RATE_CLASS = { own: 0, absence: 1, negative: 2, error: 3, elsewhere: 4 } as const;
export type RateClass = (typeof RATE_CLASS)[keyof typeof RATE_CLASS];

/**
 * The answer to one question for one epoch, signed and in wire form, without header, question and OPT: what a cache keeps, and
 * what one thread hands to another. A plain object that structured cloning takes.
 */
export interface ReplyEntry {
  /** Name in lower case, type and class, as in a message: what is asked. */
  readonly question: Uint8Array;
  /** Bit 0: DO; bit 1: CO. */
  readonly variant: number;
  readonly rcode: Rcode;
  readonly answerCount: number;
  readonly authorityCount: number;
  readonly additionalCount: number;
  /** Answer, authority and additional section. Pointers in it are to the question's name at offset 12. */
  readonly records: Uint8Array;
  /** Length of answer and authority section: what must not be left out. */
  readonly essentialLength: number;
  /** Where the TTLs stand, in `records`, that run until the next epoch; empty if they are as written. */
  readonly ttlOffsets: readonly number[];
  readonly epoch: number;
  /** The `headVersion` that it belongs to; 0 if it is good for the whole epoch. */
  readonly headVersion: number;
  /** Unix seconds from when it must be made anew. */
  readonly staleAt: number;
  readonly rateClass: RateClass;
}

/** The name that is asked: in lower case, in wire form, and how many labels it has. */
export interface AskedName {
  readonly wire: Uint8Array;
  readonly labelCount: number;
}

/** Signatures of records that stand in many replies, so that a reply to a new name costs one signature only. */
export class CommonSignatures {
  readonly #kept = new Map<number, { key: number; until: number; rdatas: readonly Uint8Array[] }>();

  /** The signatures for `type`, made by `sign` if there are none for this `key` (an SOA serial) that are fresh. */
  get(type: number, key: number, now: number, sign: () => readonly Uint8Array[]): readonly Uint8Array[] {
    const kept = this.#kept.get(type);
    if (kept !== undefined && kept.key === key && now < kept.until) return kept.rdatas;
    const rdatas = sign();
    this.#kept.set(type, { key, until: now + SIGNATURE_REFRESH, rdatas });
    return rdatas;
  }

  /** Forgets everything. */
  clear(): void {
    this.#kept.clear();
  }
}

/** What a question is, as far as its entry depends on it. */
export interface AskedQuestion {
  /** As `ReplyEntry.question`; the entry has its own copy. */
  readonly question: Uint8Array;
  readonly name: AskedName;
  readonly type: number;
  readonly dnssecOk: boolean;
  readonly compactOk: boolean;
}

/** How entries of a zone are made. */
export interface EntryMaker {
  readonly zone: Zone;
  readonly signer: ZoneSigner | undefined;
  readonly common: CommonSignatures;
  /** Called for each signature that is made. */
  readonly onSignature: () => void;
}

/**
 * Makes the entry for a question: writes the records of `content`, adds denial and signatures where they are asked for
 * (spec/dnssec.md), and compresses names of the zone to pointers into the question.
 */
export function makeEntry(
  maker: EntryMaker,
  asked: AskedQuestion,
  content: ReplyContent,
  at: { readonly epoch: number; readonly headVersion: number; readonly now: number },
): ReplyEntry {
  const { zone } = maker;
  const signer = asked.dnssecOk ? maker.signer : undefined;
  const [only, ...others] = content.answer;
  if (only?.owner === "qname" && others.length === 0 && content.additional.length === 0) {
    return makeSingleEntry(maker, asked, content, at, only, signer);
  }
  const answer: ReplyRecord[] = [...content.answer];
  const authority: ReplyRecord[] = [];
  let { rcode } = content;
  const denied = content.denied;
  if (denied !== undefined) {
    const nsec = (): ReplyRecord => {
      const types =
        rcode === RCODE.NXDOMAIN ? [TYPE.RRSIG, TYPE.NSEC, TYPE.NXNAME] : [...denied, TYPE.RRSIG, TYPE.NSEC];
      return {
        owner: "qname",
        type: TYPE.NSEC,
        ttl: content.ttl,
        rdata: encodeNsecRdata(asked.name.wire, types, zone.apex.wire.length),
      };
    };
    if (maker.signer !== undefined && rcode === RCODE.NOERROR && asked.type === TYPE.NSEC) {
      // It exists as much as its signature says.
      answer.push(nsec());
    } else if (maker.signer !== undefined && rcode === RCODE.NOERROR && asked.type === TYPE.RRSIG) {
      // Of the many signatures of a name one is enough (RFC 8482 §4.1 on ANY; the reason is the same).
      answer.push(...sign(maker, maker.signer, asked, nsec(), content.followsEpoch, at));
    } else {
      authority.push(soaRecord(zone, at.epoch, content.ttl));
      if (signer !== undefined) {
        authority.push(nsec());
        // In compact form a name that does not exist is a name without records, for those who do not say CO (RFC 9824 §3).
        if (!asked.compactOk) rcode = RCODE.NOERROR;
      }
    }
  }
  if (signer !== undefined) {
    if (asked.type !== TYPE.RRSIG || denied === undefined) {
      answer.push(...signAll(maker, signer, asked, answer, content.followsEpoch, at));
    }
    authority.push(...signAll(maker, signer, asked, authority, content.followsEpoch, at));
  }
  // What is signed is sent with its signatures wherever it stands, if it is sent (RFC 4035 §3.1.1).
  const additional = [...content.additional];
  if (signer !== undefined) additional.push(...signAll(maker, signer, asked, content.additional, false, at));
  const zoneOffset = QNAME_OFFSET + asked.name.wire.length - zone.apex.wire.length;
  const essential = [...answer, ...authority];
  const lengths = [...essential, ...additional].map((record) => recordLength(record));
  const records = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  const essentialLength = lengths.slice(0, essential.length).reduce((sum, length) => sum + length, 0);
  const writer = new RecordWriter(records, zoneOffset);
  for (const record of essential) writer.record(record);
  for (const record of additional) writer.record(record);
  return {
    question: asked.question.slice(),
    variant: variantOf(asked.dnssecOk, asked.compactOk),
    rcode,
    answerCount: answer.length,
    authorityCount: authority.length,
    additionalCount: additional.length,
    records,
    essentialLength,
    ttlOffsets: content.followsEpoch ? writer.ttlOffsets : [],
    epoch: at.epoch,
    headVersion: content.followsHead ? at.headVersion : 0,
    staleAt: at.now + (content.staysFor ?? SIGNATURE_REFRESH),
    rateClass: content.rateClass,
  };
}

/** The entry of one record at the name that is asked, which nearly all are, and its signature: without lists of records. */
function makeSingleEntry(
  maker: EntryMaker,
  asked: AskedQuestion,
  content: ReplyContent,
  at: { readonly epoch: number; readonly headVersion: number; readonly now: number },
  record: ReplyRecord,
  signer: ZoneSigner | undefined,
): ReplyEntry {
  const { type, ttl } = record;
  const rdata = flatten(record.rdata);
  let length = SINGLE_HEADER_LENGTH + rdata.length;
  const signatureAt = length + SINGLE_HEADER_LENGTH;
  if (signer !== undefined) length = signatureAt + signer.rrsigLength;
  // Question and records in one piece of memory: making two takes twice as long.
  const questionLength = asked.question.length;
  const memory = new Uint8Array(questionLength + length);
  for (let i = 0; i < questionLength; i++) memory[i] = asked.question[i] as number;
  const records = memory.subarray(questionLength);
  const ttlOffsets = content.followsEpoch ? [TTL_OFFSET] : [];
  writeHeaderAtQname(records, 0, type, ttl, rdata.length);
  records.set(rdata, SINGLE_HEADER_LENGTH);
  if (signer !== undefined) {
    const { wire, labelCount } = asked.name;
    maker.onSignature();
    const originalTtl = originalTtlOf(maker.zone, type, ttl, content.followsEpoch);
    signer.signInto(wire, labelCount, type, originalTtl, rdata, at.now, records, signatureAt);
    const rrsigAt = signatureAt - SINGLE_HEADER_LENGTH;
    writeHeaderAtQname(records, rrsigAt, TYPE.RRSIG, ttl, signer.rrsigLength);
    if (content.followsEpoch) ttlOffsets.push(rrsigAt + TTL_OFFSET);
  }
  return {
    question: memory.subarray(0, questionLength),
    variant: variantOf(asked.dnssecOk, asked.compactOk),
    rcode: content.rcode,
    answerCount: signer === undefined ? 1 : 2,
    authorityCount: 0,
    additionalCount: 0,
    records,
    essentialLength: length,
    ttlOffsets,
    epoch: at.epoch,
    headVersion: content.followsHead ? at.headVersion : 0,
    staleAt: at.now + (content.staysFor ?? SIGNATURE_REFRESH),
    rateClass: content.rateClass,
  };
}

/** Pointer, type, class, TTL and RDLENGTH. */
const SINGLE_HEADER_LENGTH = 12;

const TTL_OFFSET = 6;

function writeHeaderAtQname(out: Uint8Array, at: number, type: number, ttl: number, rdataLength: number): void {
  out[at] = 0xc0;
  out[at + 1] = QNAME_OFFSET;
  out[at + 2] = type >> 8;
  out[at + 3] = type & 0xff;
  out[at + 5] = CLASS_IN;
  out[at + 6] = ttl >>> 24;
  out[at + 7] = (ttl >>> 16) & 0xff;
  out[at + 8] = (ttl >>> 8) & 0xff;
  out[at + 9] = ttl & 0xff;
  out[at + 10] = rdataLength >> 8;
  out[at + 11] = rdataLength & 0xff;
}

/** As `ReplyEntry.variant`. CO says nothing without DO. */
export function variantOf(dnssecOk: boolean, compactOk: boolean): number {
  return dnssecOk ? (compactOk ? 3 : 1) : 0;
}

/** The RRSIG records for the RRsets in `records`; an RRset stands together. */
function signAll(
  maker: EntryMaker,
  signer: ZoneSigner,
  asked: AskedQuestion,
  records: readonly ReplyRecord[],
  followsEpoch: boolean,
  at: { readonly epoch: number; readonly now: number },
): ReplyRecord[] {
  const signatures: ReplyRecord[] = [];
  for (let from = 0; from < records.length; ) {
    const first = records[from] as ReplyRecord;
    let to = from + 1;
    while (records[to]?.type === first.type && records[to]?.owner === first.owner) to++;
    signatures.push(...sign(maker, signer, asked, first, followsEpoch, at, records.slice(from, to)));
    from = to;
  }
  return signatures;
}

function sign(
  maker: EntryMaker,
  signer: ZoneSigner,
  asked: AskedQuestion,
  first: ReplyRecord,
  followsEpoch: boolean,
  at: { readonly epoch: number; readonly now: number },
  rrset: readonly ReplyRecord[] = [first],
): ReplyRecord[] {
  const { apex } = maker.zone;
  const { owner, type, ttl } = first;
  const name = owner === "qname" ? asked.name : { wire: owner.wire, labelCount: owner.labelCount };
  const originalTtl = originalTtlOf(maker.zone, type, ttl, followsEpoch);
  const make = (): readonly Uint8Array[] => {
    maker.onSignature();
    const rdatas = rrset.map(({ rdata }) => flatten(rdata));
    return signer.sign(name.wire, name.labelCount, type, originalTtl, rdatas, at.now);
  };
  const isCommon = owner === apex && type !== TYPE.NSEC;
  const rdatas = isCommon ? maker.common.get(type, type === TYPE.SOA ? at.epoch : 0, at.now, make) : make();
  return rdatas.map((rdata) => ({ owner, type: TYPE.RRSIG, ttl, rdata }));
}

/**
 * The TTL that is signed. A served one may be lower, never higher (RFC 4035 §5.3.3): so one signature serves as long as an
 * epoch does.
 */
function originalTtlOf({ ttls }: Zone, type: number, ttl: number, followsEpoch: boolean): number {
  if (type === TYPE.SOA) return Math.max(ttls.soa, ttls.negative, ttls.negativeAhead, ttls.moduleMax);
  return followsEpoch ? ttls.moduleMax : ttl;
}

/** RDATA with whole names, as it is signed. Names of the zone are lower case. */
function flatten(rdata: ReplyRecord["rdata"]): Uint8Array {
  if (rdata instanceof Uint8Array) return rdata;
  return concatBytes(...rdata.map((part) => (part instanceof Uint8Array ? part : part.wire)));
}

function recordLength(record: ReplyRecord): number {
  const owner = record.owner === "qname" ? 2 : nameLength(record.owner);
  return owner + 10 + rdataLength(record.rdata);
}

function rdataLength(rdata: ReplyRecord["rdata"]): number {
  if (rdata instanceof Uint8Array) return rdata.length;
  return rdata.reduce((sum, part) => sum + (part instanceof Uint8Array ? part.length : nameLength(part)), 0);
}

/** A name of the zone takes its own labels and a pointer to the zone's name in the question. */
function nameLength(name: ZoneName): number {
  return name.own === undefined ? name.wire.length : name.own.length + 2;
}

class RecordWriter {
  readonly ttlOffsets: number[] = [];
  readonly #out: Uint8Array;
  readonly #zoneOffset: number;
  #at = 0;

  constructor(out: Uint8Array, zoneOffset: number) {
    this.#out = out;
    this.#zoneOffset = zoneOffset;
  }

  record(record: ReplyRecord): void {
    if (record.owner === "qname") this.#uint16(0xc000 | QNAME_OFFSET);
    else this.#name(record.owner);
    this.#uint16(record.type);
    this.#uint16(CLASS_IN);
    this.ttlOffsets.push(this.#at);
    this.#uint16(Math.floor(record.ttl / 0x10000));
    this.#uint16(record.ttl & 0xffff);
    this.#uint16(rdataLength(record.rdata));
    if (record.rdata instanceof Uint8Array) {
      this.#bytes(record.rdata);
      return;
    }
    for (const part of record.rdata) {
      if (part instanceof Uint8Array) this.#bytes(part);
      else this.#name(part);
    }
  }

  #name(name: ZoneName): void {
    if (name.own === undefined) {
      this.#bytes(name.wire);
      return;
    }
    this.#bytes(name.own);
    // At most 12 + 255: every pointer reaches it.
    this.#uint16(0xc000 | this.#zoneOffset);
  }

  #uint16(value: number): void {
    this.#out[this.#at++] = value >> 8;
    this.#out[this.#at++] = value & 0xff;
  }

  #bytes(value: Uint8Array): void {
    this.#out.set(value, this.#at);
    this.#at += value.length;
  }
}
