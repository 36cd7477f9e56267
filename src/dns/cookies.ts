import { SIPHASH_KEY_LENGTH, SipHash } from "./siphash.ts";

/** Length of a client cookie in bytes (RFC 7873 §4.1). */
export const CLIENT_COOKIE_LENGTH = 8;
/** Length of the COOKIE option data that this server sends: client cookie and server cookie. */
export const COOKIE_LENGTH = 24;
/** Length of a secret in bytes. */
export const COOKIE_SECRET_LENGTH = SIPHASH_KEY_LENGTH;

/** Seconds for which a server cookie is good after it was made (RFC 9018 §4.3). */
export const COOKIE_MAX_AGE = 3600;
/** Seconds by which the clock that made a server cookie may be ahead. */
export const COOKIE_MAX_SKEW = 300;

/** Version and reserved bytes of the server cookies that are made here. */
const VERSION = 1;

/** What a COOKIE option says of who sent it. */
export type CookieState = "client-only" | "valid" | "invalid";

/**
 * Server cookies that all servers of a zone can make and check if they share the secrets (RFC 7873, RFC 9018 §4;
 * spec/abuse.md §1):
 *
 *     option data   = client cookie[8] ‖ server cookie[16]
 *     server cookie = version 1 ‖ reserved[3] ‖ u32 time ‖ SipHash-2-4(secret,
 *                       client cookie ‖ version ‖ reserved ‖ time ‖ client address)
 *
 * The address has 4 or 16 bytes, the time is Unix seconds modulo 2^32, and numbers are big-endian but for the hash, whose
 * bytes are SipHash's own. A cookie proves that its sender gets what is sent to its address, and nothing more.
 */
export class Cookies {
  readonly #hashes: readonly SipHash[];
  /** What is hashed: its first 16 bytes and the address. */
  readonly #input = new Uint8Array(32);

  /**
   * One secret, or two while they are rolled over: cookies are made with the first and checked with both.
   *
   * @throws RangeError if there are none or more than two, or one has not 16 bytes
   */
  constructor(secrets: readonly Uint8Array[]) {
    if (secrets.length < 1 || secrets.length > 2) throw new RangeError("there are one or two cookie secrets");
    this.#hashes = secrets.map((secret) => new SipHash(secret));
  }

  /**
   * Checks the COOKIE option whose data are `length` bytes at `offset`. The caller knows that they are inside and that
   * the length is 8 or 16 to 40; any other is a malformed message.
   *
   * A server cookie is valid if it is of this server's form, at most an hour old and at most five minutes ahead of `now`
   * (Unix seconds), by serial number arithmetic, and made with one of the secrets for this `address`. The reserved
   * bytes may have any value (RFC 9018 Appendix A.3).
   */
  check(message: Uint8Array, offset: number, length: number, address: Uint8Array, now: number): CookieState {
    if (length === CLIENT_COOKIE_LENGTH) return "client-only";
    if (length !== COOKIE_LENGTH || message[offset + 8] !== VERSION) return "invalid";
    const input = this.#input;
    for (let i = 0; i < 16; i++) input[i] = message[offset + i] as number;
    const age = (now - readTime(input)) | 0;
    if (age > COOKIE_MAX_AGE || age < -COOKIE_MAX_SKEW) return "invalid";
    const inputLength = this.#writeAddress(address);
    for (const hash of this.#hashes) {
      hash.hash(input, inputLength);
      // The whole hash is looked at whatever its first bytes are: the time this takes says nothing of it.
      let difference = 0;
      for (let i = 0; i < 4; i++) {
        difference |= (message[offset + 16 + i] as number) ^ ((hash.low >>> (8 * i)) & 0xff);
        difference |= (message[offset + 20 + i] as number) ^ ((hash.high >>> (8 * i)) & 0xff);
      }
      if (difference === 0) return "valid";
    }
    return "invalid";
  }

  /**
   * Writes 24 bytes of COOKIE option data to `out` at `at`: the client cookie that stands in `message` at
   * `clientCookieOffset`, and a server cookie made `now`. Each reply carries a fresh one, so clients renew theirs without being
   * asked. `out` may be `message`.
   */
  write(
    out: Uint8Array,
    at: number,
    message: Uint8Array,
    clientCookieOffset: number,
    address: Uint8Array,
    now: number,
  ): void {
    const input = this.#input;
    for (let i = 0; i < CLIENT_COOKIE_LENGTH; i++) input[i] = message[clientCookieOffset + i] as number;
    input[8] = VERSION;
    input[9] = 0;
    input[10] = 0;
    input[11] = 0;
    const time = now | 0;
    for (let i = 0; i < 4; i++) input[12 + i] = time >>> (24 - 8 * i);
    const hash = this.#hashes[0] as SipHash;
    hash.hash(input, this.#writeAddress(address));
    for (let i = 0; i < 16; i++) out[at + i] = input[i] as number;
    for (let i = 0; i < 4; i++) {
      out[at + 16 + i] = hash.low >>> (8 * i);
      out[at + 20 + i] = hash.high >>> (8 * i);
    }
  }

  /** Puts the address behind the first 16 bytes of the input; returns the input's length. */
  #writeAddress(address: Uint8Array): number {
    if (address.length !== 4 && address.length !== 16) throw new RangeError("an address has 4 or 16 bytes");
    for (let i = 0; i < address.length; i++) this.#input[16 + i] = address[i] as number;
    return 16 + address.length;
  }
}

function readTime(input: Uint8Array): number {
  return (
    ((input[12] as number) << 24) | ((input[13] as number) << 16) | ((input[14] as number) << 8) | (input[15] as number)
  );
}
