import { parseIpv4, parseIpv6 } from "./address.ts";

/** Who sent a message, and how. */
export interface Asker {
  readonly transport: "udp" | "tcp" | "https";
  /** 4 bytes for IPv4, also if it came as `::ffff:192.0.2.1`, or 16 for IPv6. Never changed: may be kept. */
  readonly address: Uint8Array;
  /**
   * TCP only: how long the connection may be idle now, in units of 100 ms, 0 to 65,535: what an
   * edns-tcp-keepalive option says (RFC 7828 §3.1). 0: it will be closed after this reply. May change with every query.
   */
  readonly keepalive?: number;
}

/** Bytes of an address as a socket reports it, `192.0.2.1`, `2001:db8::1` or `fe80::1%eth0`; undefined for anything else. */
export function parseAskerAddress(text: string): Uint8Array | undefined {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return v4;
  const zone = text.indexOf("%");
  const v6 = parseIpv6(zone < 0 ? text : text.slice(0, zone));
  return v6 !== undefined && isMapped(v6) ? v6.slice(12) : v6;
}

/** What connections are counted by: an IPv4 address, or the /64 that an IPv6 host commonly has to itself. A key for a Map. */
export function addressGroup(address: Uint8Array): number | string {
  const word = (at: number): number =>
    (((address[at] ?? 0) << 24) | ((address[at + 1] ?? 0) << 16) | ((address[at + 2] ?? 0) << 8)) +
    (address[at + 3] ?? 0);
  return address.length === 4 ? word(0) : `${word(0)}:${word(4)}`;
}

function isMapped(address: Uint8Array): boolean {
  for (let i = 0; i < 12; i++) if (address[i] !== (i < 10 ? 0 : 0xff)) return false;
  return true;
}
