import type { Asker } from "./asker.ts";
import { respondFailure } from "./responder.ts";

/**
 * The name server behind a socket. `now` is Unix seconds; undefined means no reply.
 *
 * `message` is never changed and may be kept; it may be part of a larger buffer, which `slice` leaves. The bytes that are returned may be overwritten at the next call; those
 * that a promise gives belong to the listener. A promise may settle in any order.
 */
export type Respond = (
  message: Uint8Array,
  asker: Asker,
  now: number,
) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

/** Takes what an operator should know and no asker. `what` is a few words, without a name or address of an asker. */
export type Log = (what: string, error: unknown) => void;

/**
 * What is counted at the sockets:
 *
 * - `udp-dropped`: a reply not sent, because the send queue or the number of promised replies is full;
 * - `tcp-opened`, `tcp-closed`: their difference is what is open;
 * - `tcp-refused`: a connection too many, of one address or in all; it was never opened;
 * - `tcp-idle`: closed without a whole query for too long;
 * - `tcp-displaced`: closed while idle, for another asker's connection;
 * - `tcp-stalled`: reset, because its replies were not read;
 * - `tcp-ended`: closed after a query that is too long, or after the last that one connection may ask;
 * - `tcp-dropped`: a promised reply whose connection is gone;
 * - `doh-opened`, `doh-closed`, `doh-refused`, `doh-idle`, `doh-displaced`: the same for connections of DNS over HTTPS;
 * - `doh-ended`: closed after too many requests that their asker gave up;
 * - `doh-rejected`: a request that has no DNS reply.
 */
export type ListenerEvent =
  | "udp-dropped"
  | "tcp-opened"
  | "tcp-closed"
  | "tcp-refused"
  | "tcp-idle"
  | "tcp-displaced"
  | "tcp-stalled"
  | "tcp-ended"
  | "tcp-dropped"
  | "doh-opened"
  | "doh-closed"
  | "doh-refused"
  | "doh-idle"
  | "doh-displaced"
  | "doh-ended"
  | "doh-rejected";

/** Where a listener binds. */
export interface BindAddress {
  /** An IP address. */
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number;
  /** Shares the port with other sockets that ask for it; the kernel spreads askers. Ignored by Node before 22.12. */
  readonly reusePort?: boolean;
  /** `::` without IPv4; default false. */
  readonly ipv6Only?: boolean;
}

/** What both listeners need. */
export interface ListenerOptions {
  readonly respond: Respond;
  readonly log: Log;
  /** Unix seconds. */
  readonly now: () => number;
  /** Called for each event, on the hot path of some: must be quick and must not throw. */
  readonly onEvent?: (event: ListenerEvent) => void;
}

/** Longest DNS message: what the two length bytes of TCP can say. */
const MAX_MESSAGE_LENGTH = 65_535;
/** Failures that are logged within `LOG_WINDOW` seconds; whoever finds a query that fails must not fill a disk. */
const MAX_LOGGED = 10;
const LOG_WINDOW = 60;

/** Wraps `respond` so that it never throws and its promises never reject: a failure is logged and becomes SERVFAIL. */
export function guardRespond(respond: Respond, log: Log): Respond {
  let windowEnd = 0;
  let logged = 0;
  let unlogged = 0;
  const fail = (message: Uint8Array, now: number, error: unknown): Uint8Array | undefined => {
    if (now >= windowEnd || now < windowEnd - LOG_WINDOW) {
      windowEnd = now + LOG_WINDOW;
      logged = 0;
    }
    if (logged < MAX_LOGGED) {
      logged++;
      log(`a query could not be answered${unlogged > 0 ? `, nor ${unlogged} before it` : ""}`, error);
      unlogged = 0;
    } else unlogged++;
    return respondFailure(message);
  };
  const check = (reply: Uint8Array | undefined): Uint8Array | undefined => {
    if (reply !== undefined && reply.length > MAX_MESSAGE_LENGTH) throw new RangeError("a reply of over 65,535 bytes");
    return reply;
  };
  return (message, asker, now) => {
    try {
      const reply = respond(message, asker, now);
      if (!(reply instanceof Promise)) return check(reply);
      return reply.then(check).catch((error: unknown) => fail(message, now, error));
    } catch (error) {
      return fail(message, now, error);
    }
  };
}
