import { concatBytes } from "../vindex/bytes.ts";

/** Parses four decimal parts of an IPv4 address, without leading zeros; undefined for anything else. */
export function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const out = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = parts[i] as string;
    if (!/^(?:0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    out[i] = Number(part);
  }
  return out;
}

/** Parses an IPv6 address (RFC 4291 §2.2): groups, at most one `::`, IPv4 at the end; no zone index. Undefined for anything else. */
export function parseIpv6(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  let head = text;
  let tail: Uint8Array = new Uint8Array(0);
  const colon = text.lastIndexOf(":");
  if (text.includes(".")) {
    const v4 = parseIpv4(text.slice(colon + 1));
    if (v4 === undefined || colon < 0) return undefined;
    tail = v4;
    // `::1.2.3.4` keeps its two colons, `1:1.2.3.4` loses its one.
    head = text.endsWith("::", colon + 1) ? text.slice(0, colon + 1) : text.slice(0, colon);
  }
  const gap = head.indexOf("::");
  const left = parseGroups(gap < 0 ? head : head.slice(0, gap));
  const right = gap < 0 ? new Uint8Array(0) : parseGroups(head.slice(gap + 2));
  if (left === undefined || right === undefined) return undefined;
  const length = left.length + right.length + tail.length;
  // `::` stands for at least one group.
  if (gap < 0 ? length !== 16 : length > 14) return undefined;
  return concatBytes(left, new Uint8Array(16 - length), right, tail);
}

function parseGroups(text: string): Uint8Array | undefined {
  if (text === "") return new Uint8Array(0);
  const groups = text.split(":");
  const out = new Uint8Array(2 * groups.length);
  for (let i = 0; i < groups.length; i++) {
    const group = groups[i] as string;
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    const value = Number.parseInt(group, 16);
    out[2 * i] = value >> 8;
    out[2 * i + 1] = value & 0xff;
  }
  return out;
}
