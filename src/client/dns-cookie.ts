import { HEADER_LENGTH, OPTION, RCODE, readUint16, skipOwner, TYPE } from "../dns/message.ts";

/** Length of a client cookie in bytes (RFC 7873 §4.1). */
export const CLIENT_COOKIE_LENGTH = 8;
const MIN_SERVER_LENGTH = 8;
const MAX_SERVER_LENGTH = 32;
const OPTION_HEADER_LENGTH = 4;

/** What a reply says in its OPT, as far as cookies need it. */
interface ReplyCookie {
  readonly rcode: number;
  /** Data of the first COOKIE option; undefined without one. */
  readonly cookie: Uint8Array | undefined;
}

/**
 * What to make of a reply from a server (RFC 7873 §5.3).
 *
 * - `taken`: it carries our cookie, or no cookie is expected of this server.
 * - `foreign`: it carries another cookie than ours, or a malformed one: someone else may have made it.
 * - `bare`: it carries none, though the server sent one before: perhaps someone else's, perhaps the server has changed.
 * - `again`: the server wants the cookie that it just sent.
 * - `plain`: the server chokes on the option.
 */
export type CookieVerdict = "taken" | "foreign" | "bare" | "again" | "plain";

/** The cookies between this client and one address of a server (RFC 7873): ours, random, and the one that the server sent last. */
export class CookieJar {
  readonly #clientCookie: Uint8Array;
  #serverCookie: Uint8Array | undefined;
  #isOff = false;
  #isKnown = false;

  /** @throws RangeError if `clientCookie` is not 8 bytes */
  constructor(clientCookie: Uint8Array) {
    if (clientCookie.length !== CLIENT_COOKIE_LENGTH) throw new RangeError("a client cookie has 8 bytes");
    this.#clientCookie = clientCookie;
  }

  /** True after the first reply: whether the server sends cookies is known. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** True if the server sends cookies. */
  get isUsed(): boolean {
    return this.#serverCookie !== undefined;
  }

  /** A query with a cookie; `query` ends in an OPT without options, as `encodeTxtQuery` makes it. */
  addTo(query: Uint8Array): Uint8Array {
    if (this.#isOff) return query;
    const server = this.#serverCookie ?? new Uint8Array(0);
    const length = CLIENT_COOKIE_LENGTH + server.length;
    const out = new Uint8Array(query.length + OPTION_HEADER_LENGTH + length);
    out.set(query);
    const view = new DataView(out.buffer);
    view.setUint16(query.length - 2, OPTION_HEADER_LENGTH + length);
    view.setUint16(query.length, OPTION.COOKIE);
    view.setUint16(query.length + 2, length);
    out.set(this.#clientCookie, query.length + OPTION_HEADER_LENGTH);
    out.set(server, query.length + OPTION_HEADER_LENGTH + CLIENT_COOKIE_LENGTH);
    return out;
  }

  /**
   * Judges a reply to a query of this jar, and keeps the server's new cookie. `isConnected`: it came over a connection, so that
   * nobody else can have made it.
   */
  judge(reply: Uint8Array, isConnected: boolean): CookieVerdict {
    const { rcode, cookie } = readCookie(reply);
    if (cookie === undefined) {
      if (this.#isOff) return "taken";
      if (this.isUsed && !isConnected) return "bare";
      this.#serverCookie = undefined;
      this.#isKnown = true;
      if (rcode !== RCODE.FORMERR) return "taken";
      // Options that it does not know are to be ignored; not all servers do.
      this.#isOff = true;
      return "plain";
    }
    if (!this.#clientCookie.every((byte, i) => byte === cookie[i])) return "foreign";
    const server = cookie.slice(CLIENT_COOKIE_LENGTH);
    if (server.length > 0 && (server.length < MIN_SERVER_LENGTH || server.length > MAX_SERVER_LENGTH)) return "foreign";
    this.#isKnown = true;
    if (server.length > 0) this.#serverCookie = server;
    return rcode === RCODE.BADCOOKIE ? "again" : "taken";
  }
}

/** Reads response code and cookie of a reply, which may be cut behind its OPT, or have none. Follows no pointer. */
function readCookie(reply: Uint8Array): ReplyCookie {
  let rcode = readUint16(reply, 2) & 0x0f;
  let cookie: Uint8Array | undefined;
  const questions = readUint16(reply, 4);
  const records = readUint16(reply, 6) + readUint16(reply, 8) + readUint16(reply, 10);
  let at: number | undefined = HEADER_LENGTH;
  // Both loops end with the bytes: a question takes at least five, a record eleven.
  for (let i = 0; i < questions && at !== undefined; i++) {
    const end = skipOwner(reply, at);
    at = end === undefined || end + 4 > reply.length ? undefined : end + 4;
  }
  for (let i = 0; i < records && at !== undefined; i++) {
    const fixed = skipOwner(reply, at);
    if (fixed === undefined || fixed + 10 > reply.length) break;
    const rdata = fixed + 10;
    const end = rdata + readUint16(reply, fixed + 8);
    if (end > reply.length) break;
    if (readUint16(reply, fixed) === TYPE.OPT && fixed === at + 1) {
      rcode |= (reply[fixed + 4] as number) << 4;
      cookie ??= findCookie(reply, rdata, end);
    }
    at = end;
  }
  return { rcode, cookie };
}

/** Data of the first COOKIE option (RFC 7873 §5.2: others are ignored). */
function findCookie(reply: Uint8Array, start: number, end: number): Uint8Array | undefined {
  for (let at = start; at + OPTION_HEADER_LENGTH <= end; ) {
    const data = at + OPTION_HEADER_LENGTH;
    const next = data + readUint16(reply, at + 2);
    if (next > end) return undefined;
    if (readUint16(reply, at) === OPTION.COOKIE) return reply.slice(data, next);
    at = next;
  }
  return undefined;
}
