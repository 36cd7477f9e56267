import type { KeyObject } from "node:crypto";
import { formatName, parseName } from "../name.ts";
import { type Algorithm, generatePrivateKey, publicKeyBytes } from "./algorithm.ts";
import { computeKeyTag, encodeDnskey } from "./dnskey.ts";

/**
 * What a key is for at present (spec/dnssec.md §6). One key is active; beside it there is at most one other.
 *
 * - `published`: in the DNSKEY RRset, so that resolvers know it before it signs anything.
 * - `active`: signs the zone.
 * - `retired`: in the DNSKEY RRset for the sake of what resolvers hold; signs nothing new.
 *
 * DNSKEY, CDS and CDNSKEY are signed by all of them.
 */
export type KeyPhase = "published" | "active" | "retired";

/** One key of a zone, and since when, in Unix seconds, it is in its phase. */
export interface ZoneKey {
  readonly keyTag: number;
  readonly phase: KeyPhase;
  readonly since: number;
  readonly privateKey: KeyObject;
}

/**
 * The keys of a zone, all of one algorithm. Plain data that threads can send each other; a `KeyObject` shows no key
 * material when it is printed.
 */
export interface ZoneKeys {
  /** Name of the zone in lower case, without the final dot. */
  readonly zone: string;
  readonly algorithm: Algorithm;
  readonly keys: readonly ZoneKey[];
}

/** True for a key that the parent is to have a DS of: CDS and CDNSKEY name it. */
export function isAnnounced(key: { readonly phase: KeyPhase }): boolean {
  return key.phase !== "retired";
}

/** The name of a zone as key files have it: lower case, without the final dot. Throws as `parseName` does. */
export function canonicalZoneName(zone: string): string {
  return formatName(parseName(zone)).slice(0, -1);
}

/** The key tag of a key for zones. */
export function keyTagOf(algorithm: Algorithm, key: KeyObject): number {
  return computeKeyTag(encodeDnskey(algorithm, publicKeyBytes(key)));
}

/**
 * Makes a key with a tag that is not in `taken`: a key tag is how files and people tell keys apart, and a validator
 * need not try more than one key for a tag.
 */
export function makeZoneKey(
  algorithm: Algorithm,
  phase: KeyPhase,
  since: number,
  taken: readonly number[] = [],
): ZoneKey {
  for (;;) {
    const privateKey = generatePrivateKey(algorithm);
    const keyTag = keyTagOf(algorithm, privateKey);
    if (!taken.includes(keyTag)) return { keyTag, phase, since, privateKey };
  }
}

/** Makes one active key that is kept nowhere, as for a demonstration or a test. */
export function makeZoneKeys(zone: string, algorithm: Algorithm, now: number): ZoneKeys {
  return { zone: canonicalZoneName(zone), algorithm, keys: [makeZoneKey(algorithm, "active", now)] };
}
