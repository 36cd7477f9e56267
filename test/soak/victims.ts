import { encodeQuery, TYPE } from "./messages.ts";
import { RandomNames } from "./names.ts";
import type { LoadOrder } from "./order.ts";
import { Pacer } from "./pacer.ts";
import type { Tally } from "./tally.ts";
import { UdpSource } from "./udp-source.ts";

/** Networks (/24) in whose name queries are sent, as an attacker would with forged sources. */
export const VICTIMS = 16;
/** Addresses of each. */
const ADDRESSES = 4;
/** What is asked in a victim's name; each network is asked for each, in turns. */
export const STYLES = [
  "same name",
  "existing names",
  "absent modules",
  "random keys",
  "nonexistent names",
  "zone records",
  "mixed",
] as const;
const ZONE_RECORDS = STYLES.indexOf("zone records");
const MIXED = STYLES.indexOf("mixed");
/** Types that the apex has: DNSKEY, SOA, NS, CDS, ANY. */
const ZONE_TYPES = [48, 6, 2, 59, 255];
/** Milliseconds until a victim's flood changes its style. */
const STYLE_TIME = 15_000;

/** Address number `host` of a victim's network. */
export function victimAddress(victim: number, host: number): string {
  return `127.10.${victim}.${host}`;
}

/** Names of the counters of bytes, queries sent in a victim's name and replies that reach it. */
export function victimCounters(victim: number, style: number): { asked: string; received: string } {
  return { asked: `victim ${victim} ${style} asked`, received: `victim ${victim} ${style} received` };
}

/**
 * Floods in the name of victims: queries as short as they can be with DO set. What the victims receive is only counted: a real one
 * would not even have asked.
 */
export async function startVictims(order: LoadOrder, tally: Tally, random: () => number): Promise<() => void> {
  const names = new RandomNames(order.apex, random);
  const began = Date.now();
  const styleOf = (victim: number): number => (victim + Math.floor((Date.now() - began) / STYLE_TIME)) % STYLES.length;
  const sources: { source: UdpSource; victim: number }[] = [];
  for (let i = 0; i < VICTIMS * ADDRESSES; i++) {
    const victim = i % VICTIMS;
    const address = victimAddress(victim, 1 + Math.floor(i / VICTIMS));
    const source = await UdpSource.open(address, order.port, (message) => {
      tally.count(victimCounters(victim, styleOf(victim)).received, message.length);
      tally.count((message[2] ?? 0) & 2 ? "victim truncated" : "victim answered");
    });
    sources.push({ source, victim });
  }
  const existing = (): Uint8Array =>
    (order.questions[Math.floor(random() * order.questions.length)] ?? { name: order.apex }).name;
  const nameOf = (style: number, victim: number): Uint8Array => {
    if (style === ZONE_RECORDS) return order.apex;
    if (style === 0) return order.questions[victim % order.questions.length]?.name ?? order.apex;
    if (style === 1) return existing();
    if (style === 2) return names.absent();
    if (style === 3) return names.key();
    return names.nonexistent();
  };
  const pacer = new Pacer(order.rate, (i) => {
    const { source, victim } = sources[i % sources.length] as (typeof sources)[number];
    const style = styleOf(victim);
    const chosen = style === MIXED ? Math.floor(random() * MIXED) : style;
    const type = chosen === ZONE_RECORDS ? (ZONE_TYPES[i % ZONE_TYPES.length] as number) : TYPE.TXT;
    const query = encodeQuery({ name: nameOf(chosen, victim), type, id: i & 0xffff, isDo: true });
    tally.count("sent");
    tally.count(victimCounters(victim, style).asked, query.length);
    source.send(query);
  });
  pacer.start();
  return () => {
    pacer.stop();
    for (const { source } of sources) source.close();
  };
}
