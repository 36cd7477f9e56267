import { encodeUtf8 } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { sha256 as nobleSha256, type Sha256 } from "../vindex/sha256.ts";
import { CLASS_IN, parseQuery, RCODE, type Rcode, TYPE } from "./message.ts";
import { countLabelsBelow, readLabel } from "./name.ts";
import { type Meaning, parseMeaning } from "./question.ts";
import { encodeTxt, HINFO_RDATA } from "./rdata.ts";
import { type MessageTransport, type ReplyContent, type ReplyRecord, writeErrorReply, writeReply } from "./reply.ts";
import { findTxt, moduleTtl, type TxtOutcome } from "./txt-record.ts";
import { LOG_LABEL, soaRecord, V0_LABEL, type Zone } from "./zone.ts";
import type { ZoneData } from "./zone-data.ts";

const NO_RECORDS: readonly ReplyRecord[] = [];

/** Longest text of a v0 answer: one character-string. */
const MAX_V0_TEXT = 255;

/**
 * Answers one query: the whole name server as a pure function (spec/dns.md §3). Undefined if the message must not be
 * answered. `now` is Unix seconds.
 *
 * `data` belongs to one epoch. Before the first epoch, and if `data` throws a `ProofdnsError` of kind `unavailable`,
 * the reply is SERVFAIL. Every other error of `data` is thrown on: it is a bug.
 */
export function respond(
  queryBytes: Uint8Array,
  transport: MessageTransport,
  zone: Zone,
  data: ZoneData,
  now: number,
  sha256: Sha256 = nobleSha256,
): Uint8Array | undefined {
  const query = parseQuery(queryBytes);
  if (query === undefined) return undefined;
  const { question } = query;
  if (query.refusal !== undefined || question === undefined) {
    return writeErrorReply(query, query.refusal ?? RCODE.FORMERR);
  }
  const count = countLabelsBelow(queryBytes, question.name, zone.apex.wire);
  if (question.class !== CLASS_IN || count === undefined) return writeErrorReply(query, RCODE.REFUSED);
  const refusal = refuseType(question.type);
  if (refusal !== undefined) return writeErrorReply(query, refusal);

  const labels: string[] = [];
  for (let i = count - 1; i >= 0; i--) labels.push(readLabel(queryBytes, question.name.labelOffsets[i] as number));
  if (data.epoch === 0 && labels.length > 1 && (labels[0] === LOG_LABEL || labels[0] === V0_LABEL)) {
    return writeErrorReply(query, RCODE.SERVFAIL);
  }
  const content = computeContent(parseMeaning(labels, zone), question.type, zone, data, now, sha256);
  if (content === "unavailable") return writeErrorReply(query, RCODE.SERVFAIL);
  return writeReply(query, transport, content, question.name.end - zone.apex.wire.length);
}

/**
 * The reply of a server that failed over this query: SERVFAIL, with the ID and question of the query. Undefined if the
 * message must not be answered.
 */
export function respondFailure(queryBytes: Uint8Array): Uint8Array | undefined {
  const query = parseQuery(queryBytes);
  return query === undefined ? undefined : writeErrorReply(query, RCODE.SERVFAIL);
}

/** Types that ask for no record: those of the protocol itself, and zone transfers, of which there are none. */
function refuseType(type: number): Rcode | undefined {
  switch (type) {
    case TYPE.OPT:
    case TYPE.NXNAME:
    case TYPE.TSIG:
      return RCODE.FORMERR;
    case TYPE.AXFR:
    case TYPE.IXFR:
      return RCODE.REFUSED;
    default:
      return undefined;
  }
}

/** The records, or the denial, for a type at a name of this meaning. */
function computeContent(
  meaning: Meaning,
  type: number,
  zone: Zone,
  data: ZoneData,
  now: number,
  sha256: Sha256,
): ReplyContent | "unavailable" {
  const { ttls } = zone;
  const denial = (rcode: Rcode, ttl: number): ReplyContent => ({
    rcode,
    authoritative: true,
    answer: NO_RECORDS,
    authority: [soaRecord(zone, data.epoch, ttl)],
    additional: NO_RECORDS,
  });
  const success = (answer: readonly ReplyRecord[], additional = NO_RECORDS): ReplyContent => ({
    rcode: RCODE.NOERROR,
    authoritative: true,
    answer,
    authority: NO_RECORDS,
    additional,
  });
  // Type ANY is answered with one record that stands for all, wherever there is any (RFC 8482 §4.2).
  const hinfo: ReplyRecord = { owner: "qname", type: TYPE.HINFO, ttl: ttls.soa, rdata: HINFO_RDATA };
  const fixed = (records: readonly ReplyRecord[], additional = NO_RECORDS): ReplyContent => {
    const answer = type === TYPE.ANY ? records.slice(0, 1).map(() => hinfo) : records.filter((r) => r.type === type);
    return answer.length > 0 ? success(answer, additional) : denial(RCODE.NOERROR, ttls.negative);
  };
  /** `find` does the work of a proof: it is called only if its record, or that there is one, is asked. */
  const txt = (find: () => TxtOutcome, negativeTtl: number): ReplyContent => {
    if (type !== TYPE.TXT && type !== TYPE.ANY) return denial(RCODE.NOERROR, negativeTtl);
    const { rdata, ttl } = find();
    if (rdata === undefined) return denial(RCODE.NOERROR, ttl);
    return success([type === TYPE.ANY ? hinfo : { owner: "qname", type, ttl, rdata }]);
  };

  try {
    switch (meaning.kind) {
      case "nonexistent":
        return denial(RCODE.NXDOMAIN, ttls.negative);
      case "empty-non-terminal":
      case "log-root":
      case "v0-root":
        return fixed(NO_RECORDS);
      case "apex": {
        const addresses = zone.hosts.flatMap((host) => host.addresses);
        const own = zone.hosts.find((host) => host.labels.length === 0)?.addresses ?? NO_RECORDS;
        const records = [soaRecord(zone, data.epoch, ttls.soa), ...zone.nameServers, ...own];
        return fixed(records, type === TYPE.NS ? addresses : NO_RECORDS);
      }
      case "name-server":
        return fixed(meaning.host.addresses);
      case "v0": {
        const ttl = moduleTtl(ttls, data, now);
        const { subject, labels } = meaning;
        // The toolchain's name is there even before a toolchain is.
        const exists = (labels.length === 1 && labels[0] === "toolchain") || data.v0Exists(labels);
        if (!exists) return denial(RCODE.NXDOMAIN, ttl);
        return txt(() => ({ rdata: v0Rdata(subject === undefined ? undefined : data.v0Text(subject)), ttl }), ttl);
      }
      default:
        return txt(() => findTxt(meaning, ttls, data, now, sha256), ttls.negative);
    }
  } catch (error) {
    if (error instanceof ProofdnsError && error.kind === "unavailable") return "unavailable";
    throw error;
  }
}

/** The one character-string of a v0 answer. */
function v0Rdata(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  if (!/^[\x20-\x7e]*$/.test(text) || text.length > MAX_V0_TEXT)
    throw new RangeError("v0 text: not 255 bytes of ASCII");
  return encodeTxt(encodeUtf8(text));
}
