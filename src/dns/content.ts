import { encodeUtf8 } from "../vindex/bytes.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import type { ZoneSigner } from "./dnssec/index.ts";
import { RCODE, TYPE } from "./message.ts";
import type { Meaning } from "./question.ts";
import { encodeTxt, HINFO_RDATA } from "./rdata.ts";
import { RATE_CLASS, type RateClass, type ReplyRecord } from "./reply-entry.ts";
import { findTxt, HEAD_TIME_STEP, moduleTtl } from "./txt-record.ts";
import { soaRecord, type Zone } from "./zone.ts";
import type { ZoneData } from "./zone-data.ts";

/** What is to be said about one type at one name, before it is written and signed. */
export interface ReplyContent {
  readonly rcode: typeof RCODE.NOERROR | typeof RCODE.NXDOMAIN;
  readonly answer: readonly ReplyRecord[];
  /** Left out without a mark if it does not fit: glue that can be asked for. */
  readonly additional: readonly ReplyRecord[];
  /** For a denial: the types that do exist at the name, ascending, without RRSIG and NSEC. */
  readonly denied: readonly number[] | undefined;
  /** Of the answer, or of the denial. */
  readonly ttl: number;
  /** The TTL runs until the next epoch: it shrinks while the content stays. */
  readonly followsEpoch: boolean;
  /** The content may change with new cosignatures. */
  readonly followsHead: boolean;
  /** Seconds for which it holds within one epoch; undefined if time alone does not change it. */
  readonly staysFor: number | undefined;
  readonly rateClass: RateClass;
}

const NO_RECORDS: readonly ReplyRecord[] = [];

const BASE = {
  rcode: RCODE.NOERROR,
  answer: NO_RECORDS,
  additional: NO_RECORDS,
  denied: undefined,
  followsEpoch: false,
  followsHead: false,
  staysFor: undefined,
  rateClass: RATE_CLASS.own,
} as const;

/** Longest text of a v0 answer: one character-string. */
const MAX_V0_TEXT = 255;

/**
 * Computes what is said of `type` at a name of this meaning (spec/dns.md §1, §3). RDATA may stand in `scratch`, of 65,535 bytes, and
 * is good until its next use. Throws what `data` throws.
 */
export function computeContent(
  meaning: Meaning,
  type: number,
  zone: Zone,
  signer: ZoneSigner | undefined,
  data: ZoneData,
  now: number,
  sha256: Sha256,
  scratch: Uint8Array,
): ReplyContent {
  // What nearly everyone asks comes first, and makes nothing that it does not need.
  if (type === TYPE.TXT && "asked" in meaning && meaning.kind !== "page") {
    return subjectContent(meaning, zone, data, now, sha256, scratch);
  }
  const { ttls } = zone;
  const denial = (denied: readonly number[], ttl: number): ReplyContent => ({
    ...BASE,
    denied,
    ttl,
    rateClass: isByKey(meaning) ? RATE_CLASS.absence : RATE_CLASS.negative,
  });
  const nxdomain = (ttl: number): ReplyContent => ({ ...denial([], ttl), rcode: RCODE.NXDOMAIN });
  // Type ANY is answered with one record that stands for all, wherever there is any (RFC 8482 §4.2).
  const hinfo: ReplyRecord = { owner: "qname", type: TYPE.HINFO, ttl: ttls.soa, rdata: HINFO_RDATA };
  const any: ReplyContent = { ...BASE, answer: [hinfo], ttl: ttls.soa };
  const fixed = (records: readonly ReplyRecord[], additional = NO_RECORDS): ReplyContent => {
    if (type === TYPE.ANY && records.length > 0) return any;
    const answer = records.filter((record) => record.type === type);
    if (answer.length > 0) return { ...BASE, answer, additional, ttl: answer[0]?.ttl ?? 0 };
    return denial(
      [...new Set(records.map((record) => record.type))].sort((a, b) => a - b),
      ttls.negative,
    );
  };

  switch (meaning.kind) {
    case "nonexistent":
      return nxdomain(ttls.negative);
    case "empty-non-terminal":
    case "log-root":
    case "v0-root":
      return fixed(NO_RECORDS);
    case "apex": {
      const addresses = zone.hosts.flatMap((host) => host.addresses);
      const own = zone.hosts.find((host) => host.labels.length === 0)?.addresses ?? NO_RECORDS;
      const records = [soaRecord(zone, data.epoch, ttls.soa), ...zone.nameServers, ...own, ...keyRecords(zone, signer)];
      return fixed(records, type === TYPE.NS ? addresses : NO_RECORDS);
    }
    case "name-server":
      return fixed(meaning.host.addresses);
    case "v0": {
      const ttl = moduleTtl(ttls, data, now);
      const { subject, labels } = meaning;
      const lives = { followsEpoch: true, followsHead: true } as const;
      // The toolchain's name is there even before a toolchain is.
      const exists = (labels.length === 1 && labels[0] === "toolchain") || data.v0Exists(labels);
      if (!exists) return { ...nxdomain(ttl), ...lives };
      const rdata = v0Rdata(subject === undefined ? undefined : data.v0Text(subject));
      if (rdata === undefined) return { ...denial([], ttl), ...lives };
      if (type === TYPE.ANY) return any;
      if (type !== TYPE.TXT) return { ...denial([TYPE.TXT], ttl), ...lives };
      return { ...BASE, ...lives, answer: [{ owner: "qname", type, ttl, rdata }], ttl };
    }
    default: {
      // These names have a TXT whatever the index holds: its proof need not be made to say so.
      const always = "asked" in meaning && meaning.kind !== "page";
      if (always && type === TYPE.ANY) return any;
      if (always) return denial([TYPE.TXT], ttls.negative);
      const { rdata, ttl } = findTxt(meaning, ttls, data, now, sha256, scratch);
      const staysFor = meaning.kind === "head-at" ? headAtStays(meaning.time, ttl, now) : undefined;
      const followsHead = (meaning.kind === "head" && ttl !== ttls.fixed) || meaning.kind === "head-at";
      if (rdata === undefined) return { ...denial([], ttl), staysFor, followsHead };
      if (type === TYPE.ANY) return { ...any, staysFor, followsHead };
      if (type !== TYPE.TXT) return { ...denial([TYPE.TXT], Math.min(ttl, ttls.negative)), staysFor, followsHead };
      return {
        ...BASE,
        answer: [{ owner: "qname", type, ttl, rdata }],
        ttl,
        followsHead,
        staysFor,
        rateClass: isByKey(meaning) ? RATE_CLASS.absence : RATE_CLASS.own,
      };
    }
  }
}

/** True for names under `_k`, which can be made up without end. */
function isByKey(meaning: Meaning): boolean {
  return "asked" in meaning && "indexKey" in meaning.asked;
}

/** The TXT of a subject: there is always one, with a proof of presence or of absence. */
function subjectContent(
  meaning: Extract<Meaning, { kind: "module" | "toolchain" | "majors" | "versions" }>,
  zone: Zone,
  data: ZoneData,
  now: number,
  sha256: Sha256,
  scratch: Uint8Array,
): ReplyContent {
  const { rdata, ttl } = findTxt(meaning, zone.ttls, data, now, sha256, scratch);
  if (rdata === undefined) throw new TypeError("a subject without an answer");
  // Random names cost a proof and a signature each: all of one asker count as one. The answer of an absent subject
  // begins with an empty character-string.
  const isShared = rdata[0] === 0 || isByKey(meaning);
  return {
    rcode: RCODE.NOERROR,
    answer: [{ owner: "qname", type: TYPE.TXT, ttl, rdata }],
    additional: NO_RECORDS,
    denied: undefined,
    ttl,
    followsEpoch: true,
    followsHead: false,
    staysFor: undefined,
    rateClass: isShared ? RATE_CLASS.absence : RATE_CLASS.own,
  };
}

/** Seconds for which a `t<time>` head, or its absence, stays as it is: at most until its time comes, or is an hour past. */
function headAtStays(time: number, ttl: number, now: number): number {
  const next = time > now ? time : time + HEAD_TIME_STEP;
  return next > now ? Math.min(ttl, next - now) : ttl;
}

/** DNSKEY, CDS and CDNSKEY at the apex. */
function keyRecords(zone: Zone, signer: ZoneSigner | undefined): readonly ReplyRecord[] {
  if (signer === undefined) return NO_RECORDS;
  const record = (type: number, rdata: Uint8Array): ReplyRecord => ({
    owner: zone.apex,
    type,
    ttl: zone.ttls.dnskey,
    rdata,
  });
  return [
    ...signer.dnskeyRdatas.map((rdata) => record(TYPE.DNSKEY, rdata)),
    ...signer.cdsRdatas.map((rdata) => record(TYPE.CDS, rdata)),
    ...signer.cdnskeyRdatas.map((rdata) => record(TYPE.CDNSKEY, rdata)),
  ];
}

/** The one character-string of a v0 answer. */
function v0Rdata(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  if (!/^[\x20-\x7e]*$/.test(text) || text.length > MAX_V0_TEXT)
    throw new RangeError("v0 text: not 255 bytes of ASCII");
  return encodeTxt(encodeUtf8(text));
}
