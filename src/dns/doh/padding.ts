import { HEADER_LENGTH, OPTION, readUint16, skipOwner, TYPE } from "../message.ts";

/** What the length of a padded reply is a multiple of (RFC 8467 §4.1). */
export const REPLY_BLOCK = 468;
const MAX_MESSAGE = 65_535;
const OPTION_HEADER_LENGTH = 4;

/**
 * The reply to a query, with zeros at its end (RFC 7830) if the query was padded, too (spec/dns.md §5.4): its length then tells little of what
 * was asked. `reply` is one of this server's own, whose OPT is its last record. What needs no padding is given as it is, and
 * may alias the input.
 */
export function padReply(reply: Uint8Array, query: Uint8Array): Uint8Array {
  const opt = findOpt(reply);
  const length = reply.length + OPTION_HEADER_LENGTH;
  if (opt?.end !== reply.length || length > MAX_MESSAGE || !isPadded(query)) return reply;
  const out = new Uint8Array(Math.min(Math.ceil(length / REPLY_BLOCK) * REPLY_BLOCK, MAX_MESSAGE));
  out.set(reply);
  const view = new DataView(out.buffer);
  view.setUint16(opt.rdata - 2, out.length - opt.rdata);
  view.setUint16(reply.length, OPTION.PADDING);
  view.setUint16(reply.length + 2, out.length - length);
  return out;
}

function isPadded(query: Uint8Array): boolean {
  const opt = findOpt(query);
  if (opt === undefined) return false;
  for (let at = opt.rdata; at + OPTION_HEADER_LENGTH <= opt.end; ) {
    if (readUint16(query, at) === OPTION.PADDING) return true;
    at += OPTION_HEADER_LENGTH + readUint16(query, at + 2);
  }
  return false;
}

/** Where the data of the OPT begins and ends; undefined without one, or if the message does not parse up to there. */
function findOpt(message: Uint8Array): { readonly rdata: number; readonly end: number } | undefined {
  if (message.length < HEADER_LENGTH) return undefined;
  const questions = readUint16(message, 4);
  const records = readUint16(message, 6) + readUint16(message, 8) + readUint16(message, 10);
  let at: number | undefined = HEADER_LENGTH;
  // Both loops end with the bytes: a question takes at least five, a record eleven.
  for (let i = 0; i < questions && at !== undefined; i++) {
    const end = skipOwner(message, at);
    at = end === undefined || end + 4 > message.length ? undefined : end + 4;
  }
  for (let i = 0; i < records && at !== undefined; i++) {
    const fixed = skipOwner(message, at);
    if (fixed === undefined || fixed + 10 > message.length) return undefined;
    const rdata = fixed + 10;
    const end = rdata + readUint16(message, fixed + 8);
    if (end > message.length) return undefined;
    if (readUint16(message, fixed) === TYPE.OPT && fixed === at + 1) return { rdata, end };
    at = end;
  }
  return undefined;
}
