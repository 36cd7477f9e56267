import { naiveMeaning } from "./dns-name.ts";
import { type NaiveRrset, naiveSuccessor, wireOf } from "./dnssec.ts";
import { H } from "./merkle.ts";

/** What a zone says to a question, by the tables of spec/dns.md §1, §3 and §4 and spec/dnssec.md: records, not bytes. */
export interface NaiveSaid {
  readonly rcode: number;
  readonly isAuthoritative: boolean;
  readonly answer: readonly NaiveRrset[];
  readonly authority: readonly NaiveRrset[];
  readonly additional: readonly NaiveRrset[];
  /** The RRSIG that is the answer to QTYPE RRSIG covers this. */
  readonly signatureOf?: NaiveRrset;
  /** Code of the extended error. */
  readonly error?: number;
}

/** What the zone is. Labels are in lower case, leftmost first. */
export interface NaiveZone {
  readonly apex: readonly string[];
  readonly nameServers: readonly {
    readonly name: readonly string[];
    readonly a: readonly Uint8Array[];
    readonly aaaa: readonly Uint8Array[];
  }[];
  readonly mailbox: readonly string[];
  /** DNSKEY, CDS and CDNSKEY RDATAs; undefined if the zone is not signed. */
  readonly keys:
    | {
        readonly dnskey: readonly Uint8Array[];
        readonly cds: readonly Uint8Array[];
        readonly cdnskey: readonly Uint8Array[];
      }
    | undefined;
}

/** What the index holds at present. */
export interface NaiveData {
  readonly epoch: number;
  readonly sumdbSize: number;
  readonly previousSumdbSize: number;
  readonly nextEpochTime: number;
  readonly hasRecordProofs: boolean;
  /** True if nothing below `p1` and `v0` can be had. */
  readonly isBroken: boolean;
  answer(indexKey: Uint8Array): Uint8Array;
  versions(indexKey: Uint8Array): Uint8Array;
  /** Undefined beyond the last. */
  page(indexKey: Uint8Array, page: number): { payload: Uint8Array; full: boolean } | undefined;
  head(epoch: number, since: number | undefined): Uint8Array;
  headAt(time: number): { payload: Uint8Array; epoch: number } | undefined;
  consistency(a: number, b: number): Uint8Array;
  sumdb(a: number, b: number): Uint8Array;
  record(index: number, size: number): Uint8Array;
  v0Text(subject: string): string | undefined;
  /** Module paths with a well-formed record. */
  readonly modules: readonly string[];
}

const TYPE = {
  A: 1,
  NS: 2,
  SOA: 6,
  HINFO: 13,
  TXT: 16,
  AAAA: 28,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  CDS: 59,
  CDNSKEY: 60,
  NXNAME: 128,
  ANY: 255,
};
const NOTHING: readonly NaiveRrset[] = [];

/** What stands at a name: its records; whether it exists; how long a denial there lives. */
interface Place {
  readonly exists: boolean;
  readonly rrsets: readonly NaiveRrset[];
  readonly negativeTtl: number;
}

/** The reply to a question of class IN. */
export function said(
  labels: readonly string[],
  type: number,
  isDo: boolean,
  isCo: boolean,
  zone: NaiveZone,
  data: NaiveData,
  now: number,
): NaiveSaid {
  const name = labels.map((label) => label.replaceAll(/[A-Z]/g, (c) => c.toLowerCase()));
  const none = { isAuthoritative: false, answer: NOTHING, authority: NOTHING, additional: NOTHING };
  const below = name.slice(0, -zone.apex.length);
  if (name.length < zone.apex.length || name.slice(-zone.apex.length).join("\0") !== zone.apex.join("\0"))
    return { ...none, rcode: 5, error: 20 };
  if (type === 41 || type === 128 || type === 250) return { ...none, rcode: 1, error: 30 };
  if (type === 251 || type === 252) return { ...none, rcode: 5, error: 18 };
  const isIndex = below.length > 1 && (below.at(-1) === "p1" || below.at(-1) === "v0");
  if (data.epoch === 0 && isIndex) return { ...none, rcode: 2, error: 14 };
  const place = placeOf(below, name, zone, data, now, type);
  if (place === "unavailable") return { ...none, rcode: 2, error: 0 };
  const { exists, rrsets, negativeTtl } = place;
  const isSigned = zone.keys !== undefined;
  if (type === TYPE.ANY && rrsets.length > 0) {
    const hinfo = { owner: name, type: TYPE.HINFO, ttl: 300, rdatas: [Buffer.from("\x07RFC8482\x00", "latin1")] };
    return { ...none, isAuthoritative: true, rcode: 0, answer: [hinfo] };
  }
  const answer = rrsets.filter((rrset) => rrset.type === type);
  if (answer.length > 0) {
    const additional = type === TYPE.NS ? zone.nameServers.flatMap((server) => addressesOf(server)) : NOTHING;
    return { ...none, isAuthoritative: true, rcode: 0, answer, additional };
  }
  const types = exists
    ? [...rrsets.map((rrset) => rrset.type), TYPE.RRSIG, TYPE.NSEC]
    : [TYPE.RRSIG, TYPE.NSEC, TYPE.NXNAME];
  const next = naiveSuccessor(name, zone.apex.length);
  const nsec = { owner: name, type: TYPE.NSEC, ttl: negativeTtl, rdatas: [nsecRdata(next, types)] };
  if (isSigned && exists && type === TYPE.NSEC) return { ...none, isAuthoritative: true, rcode: 0, answer: [nsec] };
  if (isSigned && exists && type === TYPE.RRSIG) return { ...none, isAuthoritative: true, rcode: 0, signatureOf: nsec };
  const authority = [soaOf(zone, data, negativeTtl), ...(isSigned && isDo ? [nsec] : [])];
  const isDenied = !exists && !(isSigned && isDo && !isCo);
  return { ...none, isAuthoritative: true, rcode: isDenied ? 3 : 0, authority };
}

function soaOf(zone: NaiveZone, data: NaiveData, ttl: number): NaiveRrset {
  const numbers = Buffer.alloc(20);
  for (const [i, n] of [data.epoch % 2 ** 32, 3600, 600, 86_400, 300].entries()) numbers.writeUInt32BE(n, 4 * i);
  const rdata = Buffer.concat([wireOf(zone.nameServers[0]?.name ?? []), wireOf(zone.mailbox), numbers]);
  return { owner: zone.apex, type: TYPE.SOA, ttl, rdatas: [rdata] };
}

/** Types in ascending order, a window each 256, without zero bytes at the end. */
export function nsecRdata(next: readonly string[], types: readonly number[]): Uint8Array {
  const parts = [wireOf(next)];
  for (const window of [...new Set(types.map((t) => t >> 8))].sort((a, b) => a - b)) {
    const own = types.filter((t) => t >> 8 === window).map((t) => t & 255);
    const bitmap = Array.from({ length: 1 + (Math.max(...own) >> 3) }, (_, i) =>
      Array.from({ length: 8 }, (_, j) => (own.includes(8 * i + j) ? 128 >> j : 0)).reduce((a, b) => a + b),
    );
    parts.push(Uint8Array.of(window, bitmap.length, ...bitmap));
  }
  return new Uint8Array(Buffer.concat(parts));
}

function addressesOf(server: NaiveZone["nameServers"][number]): NaiveRrset[] {
  const rrset = (type: number, rdatas: readonly Uint8Array[]): NaiveRrset[] =>
    rdatas.length === 0 ? [] : [{ owner: server.name, type, ttl: 3600, rdatas }];
  return [...rrset(TYPE.A, server.a), ...rrset(TYPE.AAAA, server.aaaa)];
}

function placeOf(
  below: readonly string[],
  name: readonly string[],
  zone: NaiveZone,
  data: NaiveData,
  now: number,
  type: number,
): Place | "unavailable" {
  const absent: Place = { exists: false, rrsets: NOTHING, negativeTtl: 300 };
  const empty: Place = { exists: true, rrsets: NOTHING, negativeTtl: 300 };
  const first = below.at(-1);
  if (first === undefined) {
    const { keys } = zone;
    const at = (rrType: number, ttl: number, rdatas: readonly Uint8Array[]): NaiveRrset[] =>
      rdatas.length === 0 ? [] : [{ owner: zone.apex, type: rrType, ttl, rdatas }];
    const rrsets = [
      soaOf(zone, data, 300),
      ...at(
        TYPE.NS,
        3600,
        zone.nameServers.map((server) => wireOf(server.name)),
      ),
      ...at(TYPE.DNSKEY, 3600, keys?.dnskey ?? []),
      ...at(TYPE.CDS, 3600, keys?.cds ?? []),
      ...at(TYPE.CDNSKEY, 3600, keys?.cdnskey ?? []),
    ];
    return { exists: true, rrsets, negativeTtl: 300 };
  }
  if (first === "p1") return logPlace(below.slice(0, -1), name, data, now, type);
  if (first === "v0") return v0Place(below.slice(0, -1), name, data, now);
  for (const server of zone.nameServers) {
    const own =
      server.name.slice(-zone.apex.length).join("\0") === zone.apex.join("\0")
        ? server.name.slice(0, -zone.apex.length)
        : [];
    if (own.length < below.length || own.slice(-below.length).join("\0") !== below.join("\0")) continue;
    if (own.length === below.length) return { ...empty, rrsets: addressesOf(server) };
    return empty;
  }
  return absent;
}

/** Module answers live until the next possible epoch. */
export function naiveModuleTtl(data: NaiveData, now: number): number {
  return Math.min(300, Math.max(30, Math.floor(data.nextEpochTime - now)));
}

function v0Place(
  labels: readonly string[],
  name: readonly string[],
  data: NaiveData,
  now: number,
): Place | "unavailable" {
  if (labels.length === 0) return { exists: true, rrsets: NOTHING, negativeTtl: 300 };
  const ttl = naiveModuleTtl(data, now);
  if (data.isBroken) return "unavailable";
  const isToolchain = labels.join("\0") === "toolchain";
  const said = naiveMeaning(labels);
  const lists = data.modules.flatMap((path) => naiveLabels(path) ?? []);
  const exists = isToolchain || lists.some((list) => list.slice(-labels.length).join("\0") === labels.join("\0"));
  if (!exists) return { exists: false, rrsets: NOTHING, negativeTtl: ttl };
  const subject = isToolchain
    ? "toolchain"
    : said.startsWith("module ") && !said.startsWith("module key ")
      ? said.slice(7)
      : undefined;
  const text = subject === undefined ? undefined : data.v0Text(subject);
  const rrsets =
    text === undefined
      ? NOTHING
      : [{ owner: name, type: TYPE.TXT, ttl, rdatas: [Buffer.from([text.length, ...Buffer.from(text)])] }];
  return { exists: true, rrsets, negativeTtl: ttl };
}

/** Labels of a module path, leftmost first; undefined if it has no name. */
function naiveLabels(path: string): string[][] | undefined {
  const [host = "", ...elements] = path.split("/");
  const encoded = elements.map((element) => {
    let label = "";
    for (const c of element) label += /[a-z0-9-]/.test(c) ? c : `_${Buffer.from(c).toString("hex")}`;
    return label.replace(/^-/, "_2d").replace(/-$/, "_2d");
  });
  if (encoded.some((label) => label.length > 63)) return undefined;
  return [elements.length === 0 ? host.split(".") : [...encoded.reverse(), "_", ...host.split(".")]];
}

function logPlace(
  labels: readonly string[],
  name: readonly string[],
  data: NaiveData,
  now: number,
  type: number,
): Place | "unavailable" {
  const meaning = naiveMeaning(labels);
  const exists = meaning !== "NXDOMAIN";
  const empty: Place = { exists, rrsets: NOTHING, negativeTtl: 300 };
  if (!exists || meaning === "NODATA" || meaning === "log-root") return empty;
  const isModule = /^(?:module|majors|versions|toolchain)\b/.test(meaning);
  // That these names have a TXT is known without the index.
  if (isModule && type !== TYPE.TXT) {
    const some = { owner: name, type: TYPE.TXT, ttl: 0, rdatas: [Uint8Array.of(0)] };
    return { ...empty, rrsets: [some] };
  }
  const found = payloadOf(meaning, data, now);
  // A question that is out of range is answered without the index.
  if (data.isBroken && (isModule || found.payload !== undefined || meaning.startsWith("page ") || found.asksIndex))
    return "unavailable";
  if (found.payload === undefined) return { ...empty, negativeTtl: found.ttl };
  const rdata = isModule ? moduleTxt(found.payload) : plainTxt(found.payload);
  return {
    exists,
    rrsets: [{ owner: name, type: TYPE.TXT, ttl: found.ttl, rdatas: [rdata] }],
    negativeTtl: Math.min(300, found.ttl),
  };
}

interface Found {
  readonly payload: Uint8Array | undefined;
  readonly ttl: number;
  /** The index was asked, and had none. */
  readonly asksIndex?: boolean;
}

function payloadOf(meaning: string, data: NaiveData, now: number): Found {
  const out: Found = { payload: undefined, ttl: 300 };
  const ahead: Found = { payload: undefined, ttl: 5 };
  const [what = "", ...words] = meaning.split(" ");
  const module = (payload: (key: Uint8Array) => Uint8Array, subject: string): Found => ({
    payload: payload(keyOf(subject)),
    ttl: naiveModuleTtl(data, now),
  });
  const rest = meaning.slice(what.length + 1);
  if (what === "toolchain") return module(data.answer, "toolchain");
  if (what === "module") return module(data.answer, rest);
  if (what === "majors") return module(data.answer, `${rest}${rest.startsWith("gopkg.in/") ? ".v*" : "/v*"}`);
  if (what === "versions") return module(data.versions, rest);
  if (what === "page") {
    const [number = ""] = words;
    const page = data.page(keyOf(rest.slice(number.length + 1)), Number(number));
    return page === undefined ? { ...ahead, asksIndex: true } : { payload: page.payload, ttl: page.full ? 86_400 : 30 };
  }
  if (what === "head") return headOf(words, data, now);
  const [a = 0, b = 0] = words.map(Number);
  if (what === "_consistency") {
    if (!(1 <= a && a <= b)) return out;
    return b > data.epoch ? ahead : { payload: data.consistency(a, b), ttl: b < data.epoch ? 86_400 : 30 };
  }
  const isProof = what === "_sumdb" ? 1 <= a && a <= b : a < b;
  if (!data.hasRecordProofs || !isProof) return out;
  if (b > data.sumdbSize) return ahead;
  return {
    payload: what === "_sumdb" ? data.sumdb(a, b) : data.record(a, b),
    ttl: b <= data.previousSumdbSize ? 86_400 : 30,
  };
}

function headOf(words: readonly string[], data: NaiveData, now: number): Found {
  const out: Found = { payload: undefined, ttl: 300 };
  const ahead: Found = { payload: undefined, ttl: 5 };
  const number = (letter: string): number | undefined => {
    const word = words.find((w) => w[0] === letter && w !== "newest");
    return word === undefined ? undefined : Number(word.slice(1));
  };
  const [time, since, asked] = [number("t"), number("s"), number("e")];
  if (time !== undefined) {
    if (time % 3600 !== 0) return out;
    if (time > now) return ahead;
    const head = data.headAt(time);
    if (head === undefined) return { ...out, asksIndex: true };
    return { payload: head.payload, ttl: head.epoch < data.epoch && now - time >= 3600 ? 86_400 : 30 };
  }
  const epoch = asked ?? data.epoch;
  if (epoch === 0 || (asked !== undefined && since !== undefined && since > asked)) return out;
  if (epoch > data.epoch || (since ?? 0) > data.epoch) return ahead;
  return { payload: data.head(epoch, since), ttl: epoch < data.epoch ? 86_400 : 30 };
}

function keyOf(subject: string): Uint8Array {
  return subject.startsWith("key ")
    ? new Uint8Array(Buffer.from(subject.slice(4), "hex"))
    : H(Buffer.from(subject, "latin1"));
}

/** Strings of 255 bytes, the last one shorter. */
function plainTxt(payload: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < payload.length; at += 255) {
    const part = payload.subarray(at, at + 255);
    parts.push(Uint8Array.of(part.length), part);
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** The value first, as a string of its own. */
function moduleTxt(payload: Uint8Array): Uint8Array {
  let length = 0;
  while (length < payload.length && (payload[length] ?? 0) >= 32 && (payload[length] ?? 127) <= 126) length++;
  const rest = payload.subarray(length);
  const text = Buffer.concat([Uint8Array.of(length), payload.subarray(0, length)]);
  return new Uint8Array(Buffer.concat([text, rest.length === 0 ? rest : plainTxt(rest)]));
}
