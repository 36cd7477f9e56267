import { Cookies } from "../../src/dns/cookies.ts";
import type { ZoneSigner } from "../../src/dns/dnssec/index.ts";
import { RateLimiter } from "../../src/dns/rate-limit.ts";
import type { ResponderOptions } from "../../src/dns/responder.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import type { NaiveZone } from "../oracle/server.ts";
import { naiveZone, zone } from "../zone.ts";

/** Servers as the target `responder` sets them up. */

export const SECRETS: readonly Uint8Array[] = [
  nodeSha256(Buffer.from("secret 1")).slice(0, 16),
  nodeSha256(Buffer.from("secret 2")).slice(0, 16),
];
export const NSID: Uint8Array = Buffer.from("server 1");
/** Of askers. */
export const ADDRESSES: readonly Uint8Array[] = [
  Uint8Array.of(192, 0, 2, 77),
  Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7),
];

/** One server, and what of it matters for what it says. */
export interface Setup {
  readonly signer: ZoneSigner | undefined;
  readonly naive: NaiveZone;
  readonly hasCookies: boolean;
  readonly hasNsid: boolean;
  readonly isLimited: boolean;
  readonly hasProofs: boolean;
  readonly hasCache: boolean;
  /** The responder has what a worker thread has, and asks the main thread for the rest. */
  readonly isWorker: boolean;
  readonly options: ResponderOptions;
}

/** `flags` and `more` are two bytes of an input. */
export function setupOf(signer: ZoneSigner | undefined, flags: number, more: number): Setup {
  const hasCookies = (flags >> 3) % 2 === 1;
  const hasNsid = (flags >> 4) % 2 === 1;
  const isLimited = more % 8 === 7;
  const limit = { rate: 2, netRate: 4, slip: 2, window: 5, buckets: 16, key: SECRETS[0] as Uint8Array };
  return {
    signer,
    naive: naiveZone(signer),
    hasCookies,
    hasNsid,
    isLimited,
    hasProofs: (flags >> 5) % 2 === 0,
    isWorker: flags >= 0x80 && !isLimited,
    hasCache: (flags >> 6) % 2 === 0,
    options: {
      zone,
      sha256: nodeSha256,
      cacheSize: (flags >> 6) % 2 === 0 ? 16 : 0,
      seed: 0x12345678,
      ...(signer === undefined ? {} : { signer }),
      ...(hasCookies ? { cookies: new Cookies(SECRETS) } : {}),
      ...(hasNsid ? { nsid: NSID } : {}),
      ...(isLimited
        ? { rateLimit: new RateLimiter(new SharedArrayBuffer(RateLimiter.bytesNeeded(limit)), limit), clock: () => 0 }
        : {}),
    },
  };
}
