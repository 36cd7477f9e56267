import { OPTION } from "../dns/message.ts";

/** What the length of a padded query is a multiple of (RFC 8467 §4.1). */
export const QUERY_BLOCK = 128;
const OPTION_HEADER_LENGTH = 4;

/**
 * Pads a query with zeros (RFC 7830), so that its length tells little of the name in it: of use only where it is encrypted. `query` ends in
 * an OPT without options, as `encodeTxtQuery` makes it, and is not changed.
 */
export function padQuery(query: Uint8Array): Uint8Array {
  const end = query.length + OPTION_HEADER_LENGTH;
  const out = new Uint8Array(Math.ceil(end / QUERY_BLOCK) * QUERY_BLOCK);
  out.set(query);
  const view = new DataView(out.buffer);
  view.setUint16(query.length - 2, out.length - query.length);
  view.setUint16(query.length, OPTION.PADDING);
  view.setUint16(query.length + 2, out.length - end);
  return out;
}
