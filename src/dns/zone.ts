import { equalBytes } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { parseIpv4, parseIpv6 } from "./address.ts";
import { TYPE } from "./message.ts";
import { countLabelsBelow, foldLabel, joinName, parseName, readLabel, scanName, type WireName } from "./name.ts";
import type { ReplyRecord } from "./reply-entry.ts";

/** Label of the log under the zone. A log with another key or map function has another label. */
export const LOG_LABEL = "p1";
/** Label of the unproven answers under the zone (spec/dns.md §4). */
export const V0_LABEL = "v0";

/** Times to live in seconds (spec/dns.md §1.4), and the timers of the SOA. */
export interface ZoneTtls {
  /** Module answers live until the next possible epoch, within these bounds. */
  readonly moduleMin: number;
  readonly moduleMax: number;
  /** What the next epoch may change. */
  readonly newest: number;
  /** What no epoch changes. */
  readonly fixed: number;
  /** SOA, and HINFO for type ANY. */
  readonly soa: number;
  /** NS, A and AAAA. */
  readonly nameServer: number;
  /** DNSKEY, CDS and CDNSKEY. */
  readonly dnskey: number;
  /** Negative answers, and the SOA's MINIMUM. */
  readonly negative: number;
  /** Negative answers for what another server of the zone may have already. */
  readonly negativeAhead: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
}

/** The values of spec/dns.md §1.4. */
export const DEFAULT_TTLS: ZoneTtls = {
  moduleMin: 30,
  moduleMax: 300,
  newest: 30,
  fixed: 86_400,
  soa: 300,
  nameServer: 3600,
  dnskey: 3600,
  negative: 300,
  negativeAhead: 5,
  refresh: 3600,
  retry: 600,
  expire: 86_400,
};

/** A name server of the zone. Only one inside the zone has addresses here; it needs at least one to be found. */
export interface NameServerConfig {
  readonly name: string;
  /** IPv4 and IPv6 addresses as text. */
  readonly addresses?: readonly string[];
}

/** What an operator says about the zone. */
export interface ZoneConfig {
  /** Name of the zone, as in `l.example.org`. */
  readonly apex: string;
  /** At least one; the first is the SOA's MNAME. */
  readonly nameServers: readonly NameServerConfig[];
  /** Mailbox of the person in charge, `hostmaster@example.org` or `hostmaster.example.org`. */
  readonly hostmaster: string;
  readonly ttls?: Partial<ZoneTtls>;
}

/** A name that records hold: whole, and, if it is in the zone, its own labels without the zone's. */
export interface ZoneName {
  readonly wire: WireName;
  /** The labels left of the apex, in wire format without the final zero; empty for the apex itself. */
  readonly own: Uint8Array | undefined;
  /** Labels without the root. */
  readonly labelCount: number;
}

/** A name server inside the zone. */
export interface ZoneHost {
  /** Its labels below the apex, lower case, the rightmost first. */
  readonly labels: readonly string[];
  readonly addresses: readonly ReplyRecord[];
}

/** A zone as the responder uses it; immutable, made by `makeZone`. */
export interface Zone {
  readonly apex: ZoneName;
  readonly nameServers: readonly ReplyRecord[];
  readonly hosts: readonly ZoneHost[];
  readonly mname: ZoneName;
  readonly rname: ZoneName;
  readonly ttls: ZoneTtls;
}

/** `<52 base32>._k._p<16 digits>._versions.p1` in wire format: the longest name that a client may have to ask. */
const LONGEST_SERVICE_NAME = 53 + 3 + 19 + 10 + 3;
const MAX_APEX_LENGTH = 255 - LONGEST_SERVICE_NAME;

/**
 * Makes a zone of what the operator says.
 *
 * @throws ProofdnsError `MALFORMED_NAME` for names, `MALFORMED_INPUT` for addresses and for what cannot be served
 * @throws RangeError if a TTL is not a number of 0 to 2^31 − 1 seconds
 */
export function makeZone(config: ZoneConfig): Zone {
  const apexWire = parseName(config.apex);
  if (apexWire.length > MAX_APEX_LENGTH) {
    const limit = MAX_APEX_LENGTH - 2;
    throw refuse(`the zone ${config.apex} is longer than ${limit} characters: names below it would not fit`);
  }
  const ttls = { ...DEFAULT_TTLS, ...config.ttls };
  for (const [what, ttl] of Object.entries(ttls)) {
    if (!Number.isSafeInteger(ttl) || ttl < 0 || ttl > 0x7fff_ffff) throw new RangeError(`TTL ${what}: ${ttl}`);
  }
  const apex = makeZoneName(apexWire, apexWire);
  const servers = config.nameServers.map((server) => {
    const zoneName = makeZoneName(parseName(server.name), apexWire);
    return { zoneName, host: makeHost(server, zoneName, apexWire, ttls.nameServer) };
  });
  const [first] = servers;
  if (first === undefined) throw refuse("a zone needs at least one name server");
  servers.forEach(({ zoneName }, i) => {
    if (servers.findIndex((other) => equalBytes(other.zoneName.wire, zoneName.wire)) !== i) {
      throw refuse(`the name server ${config.nameServers[i]?.name} is given twice`);
    }
  });
  return {
    apex,
    nameServers: servers.map(({ zoneName }) => ({
      owner: apex,
      type: TYPE.NS,
      ttl: ttls.nameServer,
      rdata: [zoneName],
    })),
    hosts: servers.flatMap(({ host }) => host ?? []),
    mname: first.zoneName,
    rname: makeZoneName(parseMailbox(config.hostmaster), apexWire),
    ttls,
  };
}

/** The zone's SOA with `serial` modulo 2^32; its TTL is how long a denial beside it lives. */
export function soaRecord(zone: Zone, serial: number, ttl: number): ReplyRecord {
  const numbers = new DataView(new ArrayBuffer(20));
  const { refresh, retry, expire, negative } = zone.ttls;
  // setUint32 would take the number modulo 2^32 by itself; said here because it is a promise of the protocol.
  numbers.setUint32(0, serial % 2 ** 32);
  [refresh, retry, expire, negative].forEach((value, i) => {
    numbers.setUint32(4 + 4 * i, value);
  });
  const rdata = [zone.mname, zone.rname, new Uint8Array(numbers.buffer)];
  return { owner: zone.apex, type: TYPE.SOA, ttl, rdata };
}

function makeZoneName(wire: WireName, apex: WireName): ZoneName {
  const name = scanName(wire, 0);
  const inside = name !== undefined && countLabelsBelow(wire, name, apex) !== undefined;
  return {
    wire,
    own: inside ? wire.subarray(0, wire.length - apex.length) : undefined,
    labelCount: name?.labelOffsets.length ?? 0,
  };
}

function makeHost(config: NameServerConfig, zoneName: ZoneName, apex: WireName, ttl: number): ZoneHost | undefined {
  const texts = config.addresses ?? [];
  if (zoneName.own === undefined) {
    if (texts.length === 0) return undefined;
    throw refuse(`the name server ${config.name} is not in the zone: its addresses are another zone's to say`);
  }
  const scanned = scanName(zoneName.wire, 0);
  const count = scanned === undefined ? undefined : countLabelsBelow(zoneName.wire, scanned, apex);
  const labels = (scanned?.labelOffsets ?? [])
    .slice(0, count)
    .map((offset) => readLabel(zoneName.wire, offset))
    .reverse();
  if (labels[0] === LOG_LABEL || labels[0] === V0_LABEL) {
    throw refuse(`the name server ${config.name} cannot stand under ${labels[0]}`);
  }
  const addresses = texts.map((text): ReplyRecord => {
    const v4 = parseIpv4(text);
    if (v4 !== undefined) return { owner: zoneName, type: TYPE.A, ttl, rdata: v4 };
    const v6 = parseIpv6(text);
    if (v6 === undefined) throw refuse(`${JSON.stringify(text)} is not an IPv4 or IPv6 address`);
    return { owner: zoneName, type: TYPE.AAAA, ttl, rdata: v6 };
  });
  addresses.forEach((record, i) => {
    const same = (other: ReplyRecord): boolean => equalBytes(other.rdata as Uint8Array, record.rdata as Uint8Array);
    if (addresses.findIndex(same) !== i) throw refuse(`the address ${texts[i]} of ${config.name} is given twice`);
  });
  return { labels, addresses };
}

/** A mailbox as a name (RFC 1035 §8): the part before `@` is one label, dots and all; in lower case, as what is signed. */
function parseMailbox(text: string): WireName {
  const at = text.indexOf("@");
  if (at < 0) return parseName(text);
  const local = text.slice(0, at);
  const name = /^[\x21-\x7e]+$/.test(local) ? joinName([foldLabel(local)], parseName(text.slice(at + 1))) : undefined;
  if (name === undefined) {
    throw new ProofdnsError("MALFORMED_NAME", `mailbox ${JSON.stringify(text)}: it has no form of a name`);
  }
  return name;
}

function refuse(why: string): ProofdnsError {
  return new ProofdnsError("MALFORMED_INPUT", why);
}
