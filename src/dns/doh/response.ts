import { QNAME_OFFSET, readUint16, readUint32, skipOwner, TYPE } from "../message.ts";
import { DNS_MESSAGE, type DohRefusal } from "./request.ts";

/** A whole reply of HTTP, but for what is of the connection. */
export interface DohResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Its own memory. */
  readonly body: Uint8Array;
}

/** Seconds for which a browser may remember that pages of other origins may ask. */
const PREFLIGHT_AGE = 86_400;
const METHODS = "GET, HEAD, POST, OPTIONS";

/** What every reply says: nothing that tells one asker from another. */
const COMMON = { "access-control-allow-origin": "*", "x-content-type-options": "nosniff" } as const;

/** The reply that carries a DNS message, which is copied. */
export function makeDnsResponse(reply: Uint8Array): DohResponse {
  const age = computeFreshness(reply);
  return {
    status: 200,
    headers: {
      ...COMMON,
      "content-type": DNS_MESSAGE,
      "content-length": String(reply.length),
      "cache-control": age === undefined ? "no-store" : `max-age=${age}`,
    },
    body: Uint8Array.from(reply),
  };
}

/** The reply to a request that has no DNS reply. */
export function makeRefusal({ status, text }: DohRefusal): DohResponse {
  const body = new TextEncoder().encode(`${text}\n`);
  return {
    status,
    headers: {
      ...COMMON,
      "content-type": "text/plain; charset=utf-8",
      "content-length": String(body.length),
      "cache-control": "no-store",
      ...(status === 405 ? { allow: METHODS } : {}),
    },
    body,
  };
}

/** The reply to OPTIONS. */
export const PREFLIGHT: DohResponse = {
  status: 204,
  headers: {
    ...COMMON,
    allow: METHODS,
    "access-control-allow-methods": METHODS,
    "access-control-allow-headers": "content-type",
    "access-control-max-age": String(PREFLIGHT_AGE),
    "cache-control": "no-store",
  },
  body: new Uint8Array(0),
};

/**
 * Seconds for which a reply may be kept (RFC 8484 §5.1): the smallest TTL of its answers; without any what its SOA
 * says; undefined if it is neither an answer nor a denial. `reply` is one of this server's own.
 */
export function computeFreshness(reply: Uint8Array): number | undefined {
  const answers = readUint16(reply, 6);
  const authorities = readUint16(reply, 8);
  let at = QNAME_OFFSET;
  for (let i = readUint16(reply, 4); i > 0; i--) {
    const end = skipOwner(reply, at);
    if (end === undefined) return undefined;
    at = end + 4;
  }
  let least: number | undefined;
  for (let i = 0; i < answers + authorities; i++) {
    const fixed = skipOwner(reply, at);
    if (fixed === undefined || fixed + 10 > reply.length) return undefined;
    const ttl = readUint32(reply, fixed + 4);
    const end = fixed + 10 + readUint16(reply, fixed + 8);
    if (end > reply.length) return undefined;
    if (i < answers) least = Math.min(ttl, least ?? ttl);
    else if (answers === 0 && readUint16(reply, fixed) === TYPE.SOA) return Math.min(ttl, readUint32(reply, end - 4));
    at = end;
  }
  return least;
}
