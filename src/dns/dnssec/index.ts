/** DNSSEC: signatures made as they are asked for, compact denial, and the keys of a zone (spec/dnssec.md). */
export { ALGORITHM, type Algorithm, isAlgorithm } from "./algorithm.ts";
export { computeDs, computeKeyTag, encodeDnskey, formatDnskey, formatDs } from "./dnskey.ts";
export { DNSKEY_TTL, formatTime, nextStep, type RollOptions, type RollStep } from "./key-roll.ts";
export {
  DNSSEC_FOLDER,
  listUnusedKeyTags,
  makeFirstKey,
  openZoneKeys,
  type RollOutcome,
  readZoneKeys,
  rollZoneKeys,
} from "./key-store.ts";
export { encodeNsecRdata, successorName } from "./nsec.ts";
export { decodeRrsig, type Rrset, type Rrsig, verifyRrsig } from "./rrsig.ts";
export { SIGNATURE_REFRESH, ZoneSigner } from "./signer.ts";
export { isAnnounced, type KeyPhase, makeZoneKeys, type ZoneKey, type ZoneKeys } from "./zone-keys.ts";
