/** Names, messages and sockets of a proofdns name server (spec/dns.md). */
export { decodeElementLabel, decodePathName, encodeElementLabel, encodePathName, isHostLabel } from "./module-name.ts";
export { formatName, joinName, MAX_NAME_LENGTH, parseName, ROOT_NAME, type WireName } from "./name.ts";
export { type Asked, type Meaning, parseMeaning } from "./question.ts";
export { decodeTxt, encodeModuleTxt, encodeTxt, MAX_PAYLOAD_LENGTH } from "./rdata.ts";
export type { MessageTransport } from "./reply.ts";
export { RATE_CLASS, type RateClass, type ReplyEntry } from "./reply-entry.ts";
export { Responder, type ResponderOptions, respond, respondFailure } from "./responder.ts";
export { DnsServer, type DnsServerOptions, type ListenAddress, type Log, type Respond } from "./server.ts";
export { decodeTxtReply, encodeTxtQuery, type TxtReplyContent } from "./txt-reply.ts";
export {
  DEFAULT_TTLS,
  LOG_LABEL,
  makeZone,
  type NameServerConfig,
  V0_LABEL,
  type Zone,
  type ZoneConfig,
  type ZoneHost,
  type ZoneName,
  type ZoneTtls,
} from "./zone.ts";
export { ELSEWHERE, type ZoneData } from "./zone-data.ts";
