import type { ZoneData } from "../dns/zone-data.ts";
import { ProofdnsError } from "../vindex/error.ts";

/** Before the first epoch: the zone's own records are served, everything under the log is SERVFAIL. */
export const NOTHING_YET: ZoneData = {
  epoch: 0,
  headVersion: 0,
  sumdbSize: 0,
  nextEpochTime: 0,
  previousSumdbSize: 0,
  hasRecordProofs: true,
  moduleAnswer: noEpoch,
  versionsAnswer: noEpoch,
  versionsPage: noEpoch,
  head: noEpoch,
  headSince: noEpoch,
  headAt: noEpoch,
  consistency: noEpoch,
  sumdbConsistency: noEpoch,
  recordProof: noEpoch,
  v0Text: noEpoch,
  v0Exists: noEpoch,
};

function noEpoch(): never {
  throw new ProofdnsError("NO_ANSWER", "there is no epoch yet");
}
