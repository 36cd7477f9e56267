import { halfSipHash, readWord } from "./siphash.ts";

/** What becomes of a reply. */
export const RATE_VERDICT = {
  /** It is sent. */
  PASS: 0,
  /** Nothing is sent. */
  DROP: 1,
  /** A short one is sent that makes an honest asker come back by TCP. */
  SLIP: 2,
} as const;

export type RateVerdict = (typeof RATE_VERDICT)[keyof typeof RATE_VERDICT];

/** Length of the key in bytes. */
export const RATE_LIMIT_KEY_LENGTH = 16;

export interface RateLimitOptions {
  /** Replies a second to one client net and class, 0 to 1,000,000; default 25. 0 turns the limiter off, `netRate` included. */
  readonly rate?: number;
  /** Replies a second to one client net of all classes, 0 to 1,000,000; default 100. 0 leaves only `rate`. */
  readonly netRate?: number;
  /** One of so many limited replies is sent short: 1 all, 2 every second, 0 none; up to 10; default 1. */
  readonly slip?: number;
  /** Most seconds that a client must be quiet for after a flood, 1 to 3600; default 15. */
  readonly window?: number;
  /** Size of the table, a power of two from 16 to 2^24; default 65,536. A bucket takes 16 bytes. */
  readonly buckets?: number;
  /** 16 random bytes, the same for all threads that share the table. */
  readonly key: Uint8Array;
}

const DEFAULTS = { rate: 25, netRate: 100, slip: 1, window: 15, buckets: 65_536 } as const;

/** Milliseconds of replies at full rate that may leave at once. */
const BURST = 1000;
/** Room for the rounding of sums of intervals: the last reply of a burst is not to be lost to it. */
const ROUNDING = 1e-3;
/** Buckets of a set: a key has its place in one set only. Their 128 bytes are two lines of a cache. */
const WAYS = 8;
const HEADER_BYTES = 16;
const BUCKET_BYTES = 16;
/** Milliseconds by which the clock of a thread may lag: each may read the time once for many queries. */
const CLOCK_JITTER = 1000;

/**
 * Response rate limiting over a table of fixed size that all threads share (spec/abuse.md §2).
 *
 * There is one bucket for each client net (IPv4 /24, IPv6 /56) and one for each net and class of reply. A bucket holds a
 * _debt_ in milliseconds: a reply costs 1000 / rate of them, time pays it off, and a reply that would raise it above one second
 * is limited. Limited replies cost as well, up to the window, so a flood that goes on gets next to nothing. What is limited by
 * its class costs the net nothing, so a flood of one name leaves the net its other names; what is limited by its
 * net touches no other bucket, so a net makes at most `netRate` new ones a second.
 *
 *     header: f64 newest time in milliseconds ‖ 8 bytes unused
 *     bucket: i32 tag ‖ i32 limited replies ‖ f64 time at which the debt is paid off
 *
 * Half of the table is for nets, half for classes, each in sets of eight. A full set loses the bucket that is the first to be
 * paid off: among idle ones the least recently used, and one in debt only if the others owe more. So nobody gets
 * rid of a debt by sending from other addresses, spoofed or not; a table full of strangers forgets strangers. The place and tag
 * are a keyed hash: who does not know the key cannot choose addresses that share a victim's bucket, and by chance two share one
 * with probability 2^-32. HalfSipHash does for that, since a collision can be neither seen nor used at once; SipHash-2-4 would take
 * four times as long.
 *
 * Threads read and write without locks. A reply may go uncounted when two threads count at once, and a debt may get
 * into the bucket that replaces its own; each debt is bounded by the window whatever stands in the table.
 */
export class RateLimiter {
  readonly #words: Int32Array;
  readonly #times: Float64Array;
  readonly #setMask: number;
  readonly #half: number;
  readonly #cost: number;
  readonly #netCost: number;
  readonly #slip: number;
  readonly #window: number;
  readonly #key: readonly [number, number, number, number];
  /** Milliseconds from the caller's clock to the time that all threads share; none before the first check. */
  #offset = Number.NaN;

  /** Size of the buffer for these options, in bytes. */
  static bytesNeeded(options: Pick<RateLimitOptions, "buckets">): number {
    const { buckets = DEFAULTS.buckets } = options;
    check("buckets", buckets, 2 * WAYS, 2 ** 24);
    if ((buckets & (buckets - 1)) !== 0) throw new RangeError("buckets: not a power of two");
    return HEADER_BYTES + BUCKET_BYTES * buckets;
  }

  /**
   * A limiter over `buffer`, which is zeros or what other threads with the same options made of it.
   *
   * @throws RangeError if an option is out of its range, or the buffer is smaller than `bytesNeeded`
   */
  constructor(buffer: SharedArrayBuffer, options: RateLimitOptions) {
    const { rate = DEFAULTS.rate, netRate = DEFAULTS.netRate, slip = DEFAULTS.slip, key } = options;
    const { window = DEFAULTS.window, buckets = DEFAULTS.buckets } = options;
    if (buffer.byteLength < RateLimiter.bytesNeeded(options)) throw new RangeError("the buffer is too small");
    check("rate", rate, 0, 1_000_000);
    check("netRate", netRate, 0, 1_000_000);
    check("slip", slip, 0, 10);
    check("window", window, 1, 3600);
    if (key.length !== RATE_LIMIT_KEY_LENGTH) throw new RangeError(`the key has not ${RATE_LIMIT_KEY_LENGTH} bytes`);
    this.#words = new Int32Array(buffer, 0, RateLimiter.bytesNeeded(options) / 4);
    this.#times = new Float64Array(buffer, 0, RateLimiter.bytesNeeded(options) / 8);
    this.#half = buckets / 2;
    this.#setMask = this.#half / WAYS - 1;
    this.#cost = rate === 0 ? 0 : 1000 / rate;
    this.#netCost = rate === 0 || netRate === 0 ? 0 : 1000 / netRate;
    this.#slip = slip;
    this.#window = 1000 * window;
    this.#key = [readWord(key, 0), readWord(key, 4), readWord(key, 8), readWord(key, 12)];
  }

  /**
   * Counts one reply and says what becomes of it. `address` has 4 or 16 bytes, `classHash` is any 32-bit integer that stands for
   * the class of the reply, `nowMs` the time in milliseconds on any clock of the thread: it may step back, and those of two
   * threads may differ. What all share is a time that begins at 0, goes on with the clock that is ahead, and never goes
   * back; a clock that is first seen, or more than a second behind, is taken to go on from there.
   */
  check(address: Uint8Array, classHash: number, nowMs: number): RateVerdict {
    if (this.#cost === 0) return RATE_VERDICT.PASS;
    const now = this.#advance(nowMs);
    let w0: number;
    let w1: number;
    if (address.length === 4) {
      w0 = readWord(address, 0) & 0x00ffffff;
      w1 = 4;
    } else if (address.length === 16) {
      w0 = readWord(address, 0);
      // The lowest byte, of the host's part, is free to tell the families apart.
      w1 = readWord(address, 4) << 8;
    } else throw new RangeError("an address has 4 or 16 bytes");
    const key = this.#key;
    let net = -1;
    if (this.#netCost !== 0) {
      net = this.#find(halfSipHash(key[0], key[1], w0, w1, 0), 0);
      if (this.#debt(net, now) + this.#netCost > BURST + ROUNDING) return this.#limit(net, this.#netCost, now);
    }
    const own = this.#find(halfSipHash(key[2], key[3], w0, w1, classHash | 0), this.#half);
    if (this.#debt(own, now) + this.#cost > BURST + ROUNDING) return this.#limit(own, this.#cost, now);
    this.#charge(own, this.#cost, now);
    if (net >= 0) this.#charge(net, this.#netCost, now);
    return RATE_VERDICT.PASS;
  }

  /** The time that all threads share, which never goes back, for the time of the caller's clock. */
  #advance(nowMs: number): number {
    const now = nowMs + this.#offset;
    const newest = this.#times[0] as number;
    if (now > newest) {
      this.#times[0] = now;
      return now;
    }
    // A clock that is a little behind catches up; one that stepped back, or is seen first, goes on from here.
    if (!(newest - now <= CLOCK_JITTER)) this.#offset = newest - nowMs;
    return newest;
  }

  /** The bucket of a hash in the half of the table that begins at `first`; made by emptying another if need be. */
  #find(hash: number, first: number): number {
    const words = this.#words;
    const begin = first + (hash & this.#setMask) * WAYS;
    let least = begin;
    let leastTime = Number.POSITIVE_INFINITY;
    for (let bucket = begin; bucket < begin + WAYS; bucket++) {
      // An unused bucket has tag 0, and is as good as one of hash 0 without a debt.
      if (words[4 + 4 * bucket] === hash) return bucket;
      const time = this.#times[3 + 2 * bucket] as number;
      if (time < leastTime) {
        least = bucket;
        leastTime = time;
      }
    }
    words[4 + 4 * least] = hash;
    this.#times[3 + 2 * least] = 0;
    return least;
  }

  /** Debt in milliseconds; none that is larger than any can be is believed. */
  #debt(bucket: number, now: number): number {
    const debt = (this.#times[3 + 2 * bucket] as number) - now;
    return debt > 0 && debt <= this.#window + ROUNDING ? debt : 0;
  }

  #charge(bucket: number, cost: number, now: number): void {
    const debt = this.#debt(bucket, now) + cost;
    this.#times[3 + 2 * bucket] = now + (debt < this.#window ? debt : this.#window);
  }

  #limit(bucket: number, cost: number, now: number): RateVerdict {
    this.#charge(bucket, cost, now);
    const count = ((this.#words[5 + 4 * bucket] as number) + 1) & 0x7fffffff;
    this.#words[5 + 4 * bucket] = count;
    return this.#slip !== 0 && count % this.#slip === 0 ? RATE_VERDICT.SLIP : RATE_VERDICT.DROP;
  }
}

function check(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name}: ${value} is not an integer from ${least} to ${most}`);
  }
}
