import type { Sha256 } from "../vindex/sha256.ts";
import type { Asked, Meaning } from "./question.ts";
import { encodeModuleTxt, encodeTxt } from "./rdata.ts";
import type { ZoneTtls } from "./zone.ts";
import type { ZoneData } from "./zone-data.ts";

/** Meanings under the log that may have a TXT record. */
export type TxtMeaning = Exclude<
  Meaning,
  { kind: "nonexistent" | "empty-non-terminal" | "apex" | "name-server" | "log-root" | "v0-root" | "v0" }
>;

/** The one TXT record of a name with its TTL, or none with its negative TTL. */
export interface TxtOutcome {
  readonly rdata: Uint8Array | undefined;
  readonly ttl: number;
}

/** Times of `t<time>` heads are whole hours, so that clients share them. */
export const HEAD_TIME_STEP = 3600;

/**
 * Finds the TXT record at a name under the log (spec/dns.md §1.3) and its TTL (§1.4). What is out of range has none;
 * if only because it is beyond this server, the negative TTL is short, for another server of the zone may be
 * ahead. The RDATA stands in `scratch` (`encodeTxt`).
 */
export function findTxt(
  meaning: TxtMeaning,
  ttls: ZoneTtls,
  data: ZoneData,
  now: number,
  sha256: Sha256,
  scratch: Uint8Array,
): TxtOutcome {
  const none: TxtOutcome = { rdata: undefined, ttl: ttls.negative };
  const ahead: TxtOutcome = { rdata: undefined, ttl: ttls.negativeAhead };
  const found = (payload: Uint8Array, fixed: boolean): TxtOutcome => ({
    rdata: encodeTxt(payload, scratch),
    ttl: fixed ? ttls.fixed : ttls.newest,
  });
  const key = (asked: Asked): Uint8Array => ("indexKey" in asked ? asked.indexKey : sha256(asciiBytes(asked.subject)));

  switch (meaning.kind) {
    case "module":
    case "toolchain":
    case "majors":
      return {
        rdata: encodeModuleTxt(data.moduleAnswer(key(meaning.asked)), scratch),
        ttl: moduleTtl(ttls, data, now),
      };
    case "versions":
      return {
        rdata: encodeModuleTxt(data.versionsAnswer(key(meaning.asked)), scratch),
        ttl: moduleTtl(ttls, data, now),
      };
    case "page": {
      const page = data.versionsPage(key(meaning.asked), meaning.page);
      return page === undefined ? ahead : found(page.payload, page.full);
    }
    case "head": {
      const { since, epoch } = meaning;
      const named = epoch ?? data.epoch;
      // A number that no epoch will ever fit is out of range for good, and one beyond the newest for now.
      if (named === 0 || (epoch !== undefined && since !== undefined && since > epoch)) return none;
      if (named > data.epoch || (since ?? 0) > data.epoch) return ahead;
      const payload = since === undefined ? data.head(named) : data.headSince(since, named);
      return found(payload, named < data.epoch);
    }
    case "head-at": {
      if (meaning.time % HEAD_TIME_STEP !== 0) return none;
      if (meaning.time > now) return ahead;
      const head = data.headAt(meaning.time);
      // A cosignature may come a little late and still complete the quorum of a newer epoch for a time just past.
      const isSettled = head !== undefined && head.epoch < data.epoch && now - meaning.time >= HEAD_TIME_STEP;
      return head === undefined ? none : found(head.payload, isSettled);
    }
    case "consistency": {
      const { oldSize, newSize } = meaning;
      if (oldSize < 1 || oldSize > newSize) return none;
      return newSize > data.epoch ? ahead : found(data.consistency(oldSize, newSize), newSize < data.epoch);
    }
    case "sumdb-consistency": {
      const { oldSize, newSize } = meaning;
      if (!data.hasRecordProofs || oldSize < 1 || oldSize > newSize) return none;
      if (newSize > data.sumdbSize) return ahead;
      return found(data.sumdbConsistency(oldSize, newSize), newSize <= data.previousSumdbSize);
    }
    case "record": {
      const { logIndex, treeSize } = meaning;
      if (!data.hasRecordProofs || logIndex >= treeSize) return none;
      if (treeSize > data.sumdbSize) return ahead;
      return found(data.recordProof(logIndex, treeSize), treeSize <= data.previousSumdbSize);
    }
  }
}

/** Bytes of a text that is ASCII, as every path text is; for short ones a loop is twice as quick as a TextEncoder. */
function asciiBytes(text: string): Uint8Array {
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}

/** TTL of what the next epoch replaces: until it may come, within bounds. */
export function moduleTtl(ttls: ZoneTtls, data: ZoneData, now: number): number {
  return Math.min(ttls.moduleMax, Math.max(ttls.moduleMin, Math.floor(data.nextEpochTime - now)));
}
