import assert from "node:assert/strict";
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import dnsPacket from "dns-packet";

/**
 * A strict decoder and a DNSSEC validator for tests. It shares no code with the server: messages are walked by RFC 1035,
 * signatures checked by RFC 4034 and RFC 4035 §5.3 with node:crypto, denials by RFC 4035 §5.4 and RFC 9824. It knows
 * the record types that this server sends, and refuses the others. What is wrong is an AssertionError.
 */

/** A record, OPT aside. */
export interface WireRecord {
  readonly section: "answer" | "authority" | "additional";
  /** Whole, in the case in which it was sent; so are the names in `rdata`. */
  readonly owner: Uint8Array;
  readonly type: number;
  readonly ttl: number;
  readonly rdata: Uint8Array;
}

export interface WireOpt {
  readonly size: number;
  readonly version: number;
  readonly flags: number;
  readonly options: readonly { readonly code: number; readonly data: Uint8Array }[];
}

export interface WireMessage {
  readonly id: number;
  readonly flags: number;
  /** With the upper bits of the OPT. */
  readonly rcode: number;
  readonly question:
    | { readonly name: Uint8Array; readonly type: number; readonly class: number; readonly bytes: Uint8Array }
    | undefined;
  readonly records: readonly WireRecord[];
  readonly opt: WireOpt | undefined;
}

const T = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  HINFO: 13,
  TXT: 16,
  AAAA: 28,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  CDS: 59,
  CDNSKEY: 60,
  NXNAME: 128,
  ANY: 255,
} as const;

const SECTIONS = ["answer", "authority", "additional"] as const;

/** ASCII lower case of a name or any bytes. */
export function lower(bytes: Uint8Array): Uint8Array {
  return bytes.map((b) => (b >= 0x41 && b <= 0x5a ? b + 32 : b));
}

/** A string that is the same for names that DNS takes for the same. */
export function nameKey(name: Uint8Array): string {
  return Buffer.from(lower(name)).toString("latin1");
}

/** Labels of a whole name, the root not counted. */
export function countLabels(name: Uint8Array): number {
  let count = 0;
  for (let at = 0; (name[at] ?? 0) !== 0; at += 1 + (name[at] ?? 0)) count++;
  return count;
}

/** True if `name` is `zone` or below it. */
export function isWithin(name: Uint8Array, zone: Uint8Array): boolean {
  const whole = nameKey(zone);
  for (let at = 0; at < name.length; at += 1 + (name[at] ?? 0)) if (nameKey(name.subarray(at)) === whole) return true;
  return false;
}

/** Walks a whole message; every byte of it must belong to something. */
export function readMessage(bytes: Uint8Array): WireMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  assert.ok(bytes.length >= 12, "a header");
  const [questions = 0, ...counts] = [4, 6, 8, 10].map((at) => view.getUint16(at));
  assert.ok(questions <= 1, "at most one question");
  let at = 12;
  let question: WireMessage["question"];
  if (questions === 1) {
    const { name, end } = readName(bytes, at, bytes.length, false);
    assert.ok(end + 4 <= bytes.length, "a whole question");
    question = { name, type: view.getUint16(end), class: view.getUint16(end + 2), bytes: bytes.subarray(at, end + 4) };
    at = end + 4;
  }
  const records: WireRecord[] = [];
  let opt: WireOpt | undefined;
  let upper = 0;
  counts.forEach((count, i) => {
    for (let n = 0; n < count; n++) {
      const { name: owner, end } = readName(bytes, at, bytes.length, true);
      assert.ok(end + 10 <= bytes.length, "a whole record");
      const type = view.getUint16(end);
      const from = end + 10;
      const to = from + view.getUint16(end + 8);
      assert.ok(to <= bytes.length, "RDATA within the message");
      if (type === T.OPT) {
        assert.equal(SECTIONS[i], "additional", "section of the OPT");
        assert.equal(opt, undefined, "one OPT");
        assert.equal(end, at + 1, "owner of the OPT");
        upper = bytes[end + 4] as number;
        opt = {
          size: view.getUint16(end + 2),
          version: bytes[end + 5] as number,
          flags: view.getUint16(end + 6),
          options: readOptions(bytes.subarray(from, to)),
        };
      } else {
        assert.equal(view.getUint16(end + 2), 1, "class IN");
        const ttl = view.getUint32(end + 4);
        assert.ok(ttl < 2 ** 31, "TTL");
        const section = SECTIONS[i] as WireRecord["section"];
        records.push({ section, owner, type, ttl, rdata: readRdata(bytes, from, to, type) });
      }
      at = to;
    }
  });
  assert.equal(at, bytes.length, "bytes behind the last record");
  const flags = view.getUint16(2);
  return { id: view.getUint16(0), flags, rcode: (flags & 15) | (upper << 4), question, records, opt };
}

/** A name, which ends before `limit`; compression pointers lead backwards to where a name can stand. */
function readName(
  bytes: Uint8Array,
  offset: number,
  limit: number,
  canPoint: boolean,
): { name: Uint8Array; end: number } {
  const parts: number[] = [];
  let at = offset;
  let end = 0;
  for (;;) {
    const length = bytes[at];
    assert.ok(length !== undefined && (end !== 0 || at < limit), "a name within its bounds");
    if (length >= 0xc0) {
      assert.ok(canPoint, "no pointer in this name");
      assert.ok(at + 1 < limit || end !== 0, "a whole pointer");
      const target = ((length & 0x3f) << 8) | (bytes[at + 1] ?? 0);
      assert.ok(target >= 12 && target < at, "a pointer backwards");
      if (end === 0) end = at + 2;
      at = target;
      continue;
    }
    assert.ok(length < 64, "label type");
    assert.ok(at + 1 + length <= bytes.length, "a whole label");
    for (let i = at; i <= at + length; i++) parts.push(bytes[i] as number);
    assert.ok(parts.length <= 255, "a name of 255 bytes");
    at += 1 + length;
    if (length === 0) {
      if (end === 0) end = at;
      assert.ok(end <= limit, "a name within its bounds");
      return { name: Uint8Array.from(parts), end };
    }
  }
}

function readOptions(rdata: Uint8Array): { code: number; data: Uint8Array }[] {
  const options: { code: number; data: Uint8Array }[] = [];
  for (let at = 0; at < rdata.length; ) {
    assert.ok(at + 4 <= rdata.length, "a whole option");
    const code = (rdata[at] as number) * 256 + (rdata[at + 1] as number);
    const length = (rdata[at + 2] as number) * 256 + (rdata[at + 3] as number);
    assert.ok(at + 4 + length <= rdata.length, "option data");
    options.push({ code, data: rdata.subarray(at + 4, at + 4 + length) });
    at += 4 + length;
  }
  return options;
}

/** RDATA with its names whole. */
function readRdata(bytes: Uint8Array, from: number, to: number, type: number): Uint8Array {
  const rdata = bytes.subarray(from, to);
  switch (type) {
    case T.A:
    case T.AAAA:
      assert.equal(rdata.length, type === T.A ? 4 : 16, "address");
      return rdata;
    case T.NS:
    case T.SOA: {
      const parts: Uint8Array[] = [];
      let at = from;
      for (let i = 0; i < (type === T.NS ? 1 : 2); i++) {
        const { name, end } = readName(bytes, at, to, true);
        parts.push(name);
        at = end;
      }
      assert.equal(to - at, type === T.NS ? 0 : 20, "what follows the names");
      return Buffer.concat([...parts, bytes.subarray(at, to)]);
    }
    case T.TXT:
    case T.HINFO: {
      let strings = 0;
      let at = 0;
      for (; at < rdata.length; strings++) at += 1 + (rdata[at] as number);
      assert.equal(at, rdata.length, "character-strings");
      if (type === T.HINFO) assert.equal(strings, 2, "strings of a HINFO");
      else assert.ok(strings > 0, "strings of a TXT");
      return rdata;
    }
    case T.DNSKEY:
    case T.CDNSKEY:
      assert.ok(rdata.length > 4 && rdata[2] === 3, "DNSKEY");
      return rdata;
    case T.DS:
    case T.CDS:
      assert.ok(rdata.length === 36 && rdata[3] === 2, "DS with SHA-256");
      return rdata;
    case T.RRSIG: {
      const { end } = readName(bytes, from + 18, to, false);
      assert.equal(to - end, 64, "signature");
      return rdata;
    }
    case T.NSEC:
      readName(bytes, from, to, false);
      readNsec(rdata);
      return rdata;
    default:
      assert.fail(`a record of type ${type}`);
  }
}

/** Next name and types of an NSEC; its windows and bitmaps must be as RFC 4034 §4.1.2 has them. */
export function readNsec(rdata: Uint8Array): { next: Uint8Array; types: readonly number[] } {
  const { name: next, end } = readName(rdata, 0, rdata.length, false);
  const types: number[] = [];
  let before = -1;
  let at = end;
  while (at < rdata.length) {
    const window = rdata[at] as number;
    const length = rdata[at + 1] ?? 0;
    assert.ok(window > before && length >= 1 && length <= 32, "window");
    before = window;
    const bitmap = rdata.subarray(at + 2, at + 2 + length);
    assert.equal(bitmap.length, length, "bitmap");
    assert.notEqual(bitmap.at(-1), 0, "a zero byte at the end of a bitmap");
    bitmap.forEach((byte, i) => {
      for (let bit = 0; bit < 8; bit++) if ((byte & (0x80 >> bit)) !== 0) types.push(window * 256 + i * 8 + bit);
    });
    at += 2 + length;
  }
  assert.ok(types.length > 0 && types[0] !== 0, "types");
  return { next, types };
}

/** What the fields of an RRSIG say. */
export function readRrsig(rdata: Uint8Array): {
  covered: number;
  algorithm: number;
  labels: number;
  originalTtl: number;
  expiration: number;
  inception: number;
  keyTag: number;
  signer: Uint8Array;
  signature: Uint8Array;
} {
  const view = new DataView(rdata.buffer, rdata.byteOffset, rdata.length);
  const { name: signer, end } = readName(rdata, 18, rdata.length, false);
  return {
    covered: view.getUint16(0),
    algorithm: rdata[2] as number,
    labels: rdata[3] as number,
    originalTtl: view.getUint32(4),
    expiration: view.getUint32(8),
    inception: view.getUint32(12),
    keyTag: view.getUint16(16),
    signer,
    signature: rdata.subarray(end),
  };
}

/** Key tag of DNSKEY RDATA, by the C of RFC 4034 Appendix B. */
export function keyTagOf(dnskey: Uint8Array): number {
  let sum = 0;
  dnskey.forEach((b, i) => {
    sum += i % 2 === 1 ? b : b * 256;
  });
  sum += Math.floor(sum / 65_536) % 65_536;
  return sum % 65_536;
}

/** Compares names in canonical order (RFC 4034 §6.1): negative, zero or positive. */
export function compareNames(a: Uint8Array, b: Uint8Array): number {
  const labels = (name: Uint8Array): Buffer[] => {
    const found: Buffer[] = [];
    for (let at = 0; (name[at] ?? 0) !== 0; at += 1 + (name[at] ?? 0)) {
      found.unshift(Buffer.from(lower(name.subarray(at + 1, at + 1 + (name[at] ?? 0)))));
    }
    return found;
  };
  const [x, y] = [labels(a), labels(b)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const order = Buffer.compare(x[i] as Buffer, y[i] as Buffer);
    if (order !== 0) return order;
  }
  return x.length - y.length;
}

/** What a validated reply proves of the name and type that it is asked for. */
export type Verdict =
  | { readonly kind: "answer"; readonly records: readonly WireRecord[]; readonly ttl: number }
  /** `types`: those that the NSEC says exist, RRSIG and NSEC among them. */
  | { readonly kind: "nodata"; readonly types: readonly number[]; readonly ttl: number }
  | { readonly kind: "nxdomain"; readonly ttl: number };

/** A validator that trusts the DNSKEYs of one zone. Signatures that it has seen it does not check again. */
export class Validator {
  readonly #apex: Uint8Array;
  readonly #keys = new Map<string, KeyObject[]>();
  readonly #verified = new Set<string>();

  constructor(apex: Uint8Array, dnskeys: readonly Uint8Array[]) {
    this.#apex = lower(apex);
    for (const dnskey of dnskeys) {
      const id = `${dnskey[3]} ${keyTagOf(dnskey)}`;
      this.#keys.set(id, [...(this.#keys.get(id) ?? []), importKey(dnskey)]);
    }
  }

  /**
   * Validates a whole reply with DO at `now`: each RRset of answer and authority is signed, nothing else stands there, and
   * what is denied is denied as RFC 9824 has it.
   */
  validate(reply: WireMessage, now: number): Verdict {
    const { question, rcode, records } = reply;
    assert.ok(question !== undefined, "a question");
    const answer = records.filter(({ section }) => section === "answer");
    const authority = records.filter(({ section }) => section === "authority");
    assert.ok(rcode === 0 || rcode === 3, `rcode ${rcode}`);
    if (answer.length > 0) {
      assert.equal(rcode, 0);
      assert.equal(authority.length, 0, "an answer beside a denial");
      if (question.type === T.RRSIG) return { kind: "answer", records: answer, ttl: answer[0]?.ttl ?? 0 };
      const [rrset, ...others] = this.#rrsets(answer, now);
      assert.ok(rrset !== undefined && others.length === 0, "one RRset in the answer");
      const [first] = rrset;
      assert.ok(first !== undefined);
      assert.equal(nameKey(first.owner), nameKey(question.name), "owner of the answer");
      assert.equal(first.type, question.type === T.ANY ? T.HINFO : question.type, "type of the answer");
      return { kind: "answer", records: rrset, ttl: first.ttl };
    }
    const [soa, nsec, ...others] = this.#rrsets(authority, now);
    assert.ok(soa?.length === 1 && nsec?.length === 1 && others.length === 0, "an SOA and an NSEC");
    const [soaRecord] = soa;
    const [nsecRecord] = nsec;
    assert.ok(soaRecord?.type === T.SOA && nsecRecord?.type === T.NSEC, "types of a denial");
    assert.equal(nameKey(soaRecord.owner), nameKey(this.#apex), "owner of the SOA");
    assert.equal(nameKey(nsecRecord.owner), nameKey(question.name), "owner of the NSEC");
    assert.equal(soaRecord.ttl, nsecRecord.ttl, "TTLs of SOA and NSEC");
    const { next, types } = readNsec(nsecRecord.rdata);
    this.#checkNext(lower(question.name), next);
    const has = (type: number): boolean => types.includes(type);
    assert.ok(has(T.RRSIG) && has(T.NSEC), "RRSIG and NSEC in the bitmap");
    // From the parent's side of a zone cut it would deny nothing here (RFC 4035 §5.4 with RFC 6840 §4.1).
    assert.ok(!has(T.NS) || has(T.SOA), "NS without SOA");
    const { ttl } = nsecRecord;
    if (has(T.NXNAME)) {
      assert.deepEqual(types, [T.RRSIG, T.NSEC, T.NXNAME], "bitmap of a name that does not exist");
      return { kind: "nxdomain", ttl };
    }
    assert.equal(rcode, 0, "NXDOMAIN for a name that exists");
    assert.ok(!has(question.type) && !has(T.CNAME), "the type is there");
    return { kind: "nodata", types, ttl };
  }

  /** Checks that an RRSIG by itself is over an RRset that another reply gave. */
  checkSignature(rrsig: WireRecord, rrset: readonly WireRecord[], now: number): void {
    this.#verify(rrsig, rrset, now);
  }

  /** The RRsets of one section, each with its signatures checked; the order is that of the message. */
  #rrsets(records: readonly WireRecord[], now: number): WireRecord[][] {
    const id = ({ owner }: WireRecord, type: number): string => `${nameKey(owner)} ${type}`;
    const sets = new Map<string, WireRecord[]>();
    const signed = new Set<string>();
    for (const record of records) {
      if (record.type !== T.RRSIG)
        sets.set(id(record, record.type), [...(sets.get(id(record, record.type)) ?? []), record]);
    }
    for (const rrset of sets.values()) {
      const rdatas = rrset.map(({ rdata }) => Buffer.from(rdata).toString("latin1"));
      assert.equal(new Set(rdatas).size, rdatas.length, "a record twice");
      for (const { ttl } of rrset) assert.equal(ttl, rrset[0]?.ttl, "TTLs of an RRset");
    }
    for (const record of records) {
      if (record.type !== T.RRSIG) continue;
      const covered = id(record, readRrsig(record.rdata).covered);
      const rrset = sets.get(covered);
      assert.ok(rrset !== undefined, "a signature over nothing");
      this.#verify(record, rrset, now);
      signed.add(covered);
    }
    assert.equal(signed.size, sets.size, "an RRset without a signature");
    return [...sets.values()];
  }

  #verify(record: WireRecord, rrset: readonly WireRecord[], now: number): void {
    const rrsig = readRrsig(record.rdata);
    const [first] = rrset;
    assert.ok(first !== undefined && rrsig.covered === first.type);
    assert.equal(record.ttl, first.ttl, "TTL of the RRSIG");
    assert.ok(first.ttl <= rrsig.originalTtl, "TTL above the original one");
    assert.ok(isWithin(first.owner, this.#apex), "owner in the zone");
    // A leftmost `*` is not counted (RFC 4034 §3.1.3).
    const isStar = first.owner[0] === 1 && first.owner[1] === 0x2a;
    assert.equal(rrsig.labels, countLabels(first.owner) - (isStar ? 1 : 0), "labels");
    assert.deepEqual(Buffer.from(rrsig.signer), Buffer.from(this.#apex), "signer, in lower case");
    assert.ok(rrsig.inception <= now && now <= rrsig.expiration, "validity");
    // What a cache gets now it may keep for the TTL.
    assert.ok(now + first.ttl <= rrsig.expiration, "validity for as long as the TTL");
    const data = Buffer.concat([
      record.rdata.subarray(0, record.rdata.length - rrsig.signature.length),
      ...rrset
        .map(({ type, rdata }) => canonicalRdata(type, rdata))
        .sort(Buffer.compare)
        .flatMap((rdata) => {
          const fixed = Buffer.alloc(10);
          fixed.writeUInt16BE(first.type, 0);
          fixed.writeUInt16BE(1, 2);
          fixed.writeUInt32BE(rrsig.originalTtl, 4);
          fixed.writeUInt16BE(rdata.length, 8);
          return [lower(first.owner), fixed, rdata];
        }),
    ]);
    const id = data.toString("latin1") + Buffer.from(rrsig.signature).toString("latin1");
    if (this.#verified.has(id)) return;
    const keys = this.#keys.get(`${rrsig.algorithm} ${rrsig.keyTag}`) ?? [];
    const digest = rrsig.algorithm === 15 ? null : "sha256";
    assert.ok(
      keys.some((key) => verify(digest, data, { key, dsaEncoding: "ieee-p1363" }, rrsig.signature)),
      `signature over type ${first.type} by key ${rrsig.keyTag}`,
    );
    this.#verified.add(id);
  }

  /** No name that can be asked lies between a name and the one that its NSEC calls the next. */
  #checkNext(owner: Uint8Array, next: Uint8Array): void {
    assert.ok(isWithin(next, this.#apex), "next name in the zone");
    if (owner.length + 2 <= 255) {
      assert.deepEqual(Buffer.from(next), Buffer.concat([Uint8Array.of(1, 0), owner]), "next name");
      return;
    }
    // Nothing fits below such a name, so a name that follows can only be its sibling, or one of an ancestor.
    assert.ok(compareNames(owner, next) < 0, "order of owner and next name");
    const leftmost = owner[0] as number;
    const longer = Buffer.concat([
      Uint8Array.of(leftmost + 1),
      owner.subarray(1, 1 + leftmost),
      Uint8Array.of(0),
      owner.subarray(1 + leftmost),
    ]);
    if (leftmost < 63 && longer.length <= 255) assert.ok(compareNames(next, longer) <= 0, "a name in between");
  }
}

/** Names in SOA and NS are signed in lower case; that in an NSEC is not (RFC 6840 §5.1). */
function canonicalRdata(type: number, rdata: Uint8Array): Buffer {
  if (type === T.NS) return Buffer.from(lower(rdata));
  if (type !== T.SOA) return Buffer.from(rdata);
  const names = rdata.length - 20;
  return Buffer.concat([lower(rdata.subarray(0, names)), rdata.subarray(names)]);
}

function importKey(dnskey: Uint8Array): KeyObject {
  const text = (from: number, to: number): string =>
    Buffer.from(dnskey.subarray(4 + from, 4 + to)).toString("base64url");
  assert.deepEqual([...dnskey.subarray(0, 3)], [1, 1, 3], "flags and protocol of a DNSKEY");
  if (dnskey[3] === 15) {
    assert.equal(dnskey.length, 36);
    return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: text(0, 32) }, format: "jwk" });
  }
  assert.equal(dnskey[3], 13, "algorithm");
  assert.equal(dnskey.length, 68);
  return createPublicKey({ key: { kty: "EC", crv: "P-256", x: text(0, 32), y: text(32, 64) }, format: "jwk" });
}

/**
 * Decodes a reply with dns-packet, too, and compares what both say: header, types, TTLs, and the names and texts
 * that a JavaScript string can hold. What dns-packet gets wrong (names that are not ASCII, dots in labels, options) is left out.
 */
export function compareWithDnsPacket(reply: Uint8Array, own: WireMessage): void {
  const packet = dnsPacket.decode(Buffer.from(reply));
  assert.equal(packet.id, own.id);
  assert.equal(packet.questions?.length ?? 0, own.question === undefined ? 0 : 1);
  const theirs = [...(packet.answers ?? []), ...(packet.authorities ?? []), ...(packet.additionals ?? [])];
  const records = theirs.filter(({ type }) => type !== "OPT") as {
    type: string;
    name: string;
    ttl: number;
    data: unknown;
  }[];
  assert.equal(records.length, own.records.length, "number of records");
  assert.equal(theirs.length - records.length, own.opt === undefined ? 0 : 1, "number of OPTs");
  records.forEach((record, i) => {
    const { type, ttl, owner, rdata } = own.records[i] as WireRecord;
    assert.equal(record.type, Object.entries(T).find(([, number]) => number === type)?.[0]);
    assert.equal(record.ttl, ttl);
    const text = nameText(owner);
    if (text !== undefined) assert.equal(record.name, text);
    if (type === T.TXT) {
      const strings = (record.data as Buffer[]).flatMap((bytes) => [Uint8Array.of(bytes.length), bytes]);
      assert.ok(Buffer.concat(strings).equals(rdata), "TXT");
    }
    if (type === T.NSEC) {
      const { rrtypes } = record.data as { rrtypes: string[] };
      assert.equal(rrtypes.length, readNsec(rdata).types.length, "types of the NSEC");
    }
    if (type === T.RRSIG) {
      const { signature, keyTag } = record.data as { signature: Buffer; keyTag: number };
      assert.ok(signature.equals(readRrsig(rdata).signature) && keyTag === readRrsig(rdata).keyTag, "RRSIG");
    }
  });
}

/** A name as dns-packet shows it; undefined if it cannot. */
function nameText(name: Uint8Array): string | undefined {
  const labels: string[] = [];
  for (let at = 0; (name[at] ?? 0) !== 0; at += 1 + (name[at] ?? 0)) {
    const label = Buffer.from(name.subarray(at + 1, at + 1 + (name[at] ?? 0))).toString("latin1");
    if (!/^[\x21-\x7e]*$/.test(label) || label.includes(".")) return undefined;
    labels.push(label);
  }
  return labels.length === 0 ? "." : labels.join(".");
}
