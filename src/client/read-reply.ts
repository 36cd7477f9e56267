import { RCODE } from "../dns/message.ts";
import { formatName } from "../dns/name.ts";
import { decodeTxtReply } from "../dns/txt-reply.ts";
import { ProofdnsError } from "../vindex/error.ts";
import type { TransportKind, TxtReply } from "./transport.ts";

/**
 * Reads the reply to a query for the TXT record at `name`, which `matchReply` took. Undefined for a truncated one.
 *
 * @throws ProofdnsError `MALFORMED_MESSAGE`; `REFUSED`; `UNREACHABLE` for every other failure that it reports
 */
export function readReply(
  message: Uint8Array,
  name: Uint8Array,
  transport: TransportKind,
  server: string,
): TxtReply | undefined {
  const content = decodeTxtReply(message, name);
  const origin = { messageBytes: message.length, transport, server };
  switch (content.kind) {
    case "truncated":
      return undefined;
    case "txt":
      return { kind: "txt", payload: content.payload, ttl: content.ttl, ...origin };
    case "nodata":
    case "nxdomain":
      return { kind: content.kind, ttl: content.ttl, ...origin };
    case "referral":
      throw unreachable(server, "refers to other servers: it neither serves the zone nor resolves names");
    case "failure":
      if (content.rcode !== RCODE.REFUSED) throw unreachable(server, `answers with ${formatRcode(content.rcode)}`);
      throw new ProofdnsError(
        "REFUSED",
        `the server ${server} refuses ${formatName(name)}: it does not serve this zone`,
      );
  }
}

/** The error of a server that brought nothing usable; `why` continues "the server …". */
export function unreachable(server: string, why: string, cause?: unknown): ProofdnsError {
  return new ProofdnsError("UNREACHABLE", `the server ${server} ${why}`, { cause });
}

function formatRcode(rcode: number): string {
  const name = Object.entries(RCODE).find(([, code]) => code === rcode)?.[0];
  return name === undefined ? `response code ${rcode}` : name;
}
