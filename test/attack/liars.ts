import { setImmediate } from "node:timers/promises";
import type { QueryOptions, Transport, TxtReply } from "../../src/client/transport.ts";
import { formatName } from "../../src/dns/name.ts";
import { respond } from "../../src/dns/responder.ts";
import { decodeTxtReply, encodeTxtQuery, matchReply } from "../../src/dns/txt-reply.ts";
import { makeZone } from "../../src/dns/zone.ts";
import type { ZoneData } from "../../src/dns/zone-data.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { sha256, ZONE } from "./world.ts";

/** Transports without sockets: one that tells the truth of some zone data, and all that may stand in its way. */

const SUFFIX = `.p1.${ZONE}.`;
export const zone = makeZone({ apex: ZONE, nameServers: [{ name: `ns1.${ZONE}` }], hostmaster: `hostmaster.${ZONE}` });

/** A question below the log's label, such as `s7._head`. */
export interface Asked {
  readonly name: string;
  readonly tcp: boolean;
}

/** Serves zone data through the responder and the client's own decoder, cut replies by TCP; keeps what was asked. */
export class ZoneTransport implements Transport {
  /** Names below the log's label, with `tcp ` before those that were asked by TCP at once. */
  readonly asked: string[] = [];
  data: ZoneData;
  now: () => number;

  constructor(data: ZoneData, now: number | (() => number)) {
    this.data = data;
    this.now = typeof now === "number" ? () => now : now;
  }

  async query(name: Uint8Array, options: QueryOptions = {}): Promise<TxtReply> {
    const { signal, tcp = false } = options;
    signal?.throwIfAborted();
    this.asked.push(`${tcp ? "tcp " : ""}${shownName(name)}`);
    await setImmediate();
    signal?.throwIfAborted();
    return (tcp ? undefined : this.#exchange(name, "udp")) ?? (this.#exchange(name, "tcp") as TxtReply);
  }

  /** Undefined if the reply is cut. */
  #exchange(name: Uint8Array, transport: "udp" | "tcp"): TxtReply | undefined {
    const query = encodeTxtQuery(name, 4711);
    const reply = respond(query, transport, zone, this.data, this.now(), sha256);
    if (reply === undefined || matchReply(reply, query) !== "exact") throw new Error("no reply to the query");
    const content = decodeTxtReply(reply, name);
    const messageBytes = reply.length;
    switch (content.kind) {
      case "truncated":
        if (transport === "tcp") throw new Error("truncated by TCP");
        return undefined;
      case "txt":
        return { kind: "txt", payload: content.payload, ttl: content.ttl, messageBytes, transport, server: "test" };
      case "nodata":
      case "nxdomain":
        return { kind: content.kind, ttl: content.ttl, messageBytes, transport, server: "test" };
      default:
        throw new ProofdnsError("UNREACHABLE", `the server answers with ${content.kind}`);
    }
  }
}

export function shownName(name: Uint8Array): string {
  const text = formatName(name);
  return text.endsWith(SUFFIX) ? text.slice(0, -SUFFIX.length) : text;
}

/** What stands between: gives a reply of its own, or undefined for the honest one. */
export type Lie = (
  asked: Asked,
  honest: () => Promise<TxtReply>,
) => Promise<TxtReply | undefined> | TxtReply | undefined;

/** Puts a lie before a transport. */
export function lying(inner: Transport, lie: Lie): Transport {
  return {
    query: async (name, options = {}) => {
      options.signal?.throwIfAborted();
      const honest = (): Promise<TxtReply> => inner.query(name, options);
      return (await lie({ name: shownName(name), tcp: options.tcp === true }, honest)) ?? honest();
    },
  };
}

export function txtReply(payload: Uint8Array, tcp = false): TxtReply {
  return {
    kind: "txt",
    payload,
    ttl: 30,
    messageBytes: payload.length + 80,
    transport: tcp ? "tcp" : "udp",
    server: "test",
  };
}

export function denial(kind: "nodata" | "nxdomain" = "nodata", tcp = false): TxtReply {
  return { kind, ttl: 5, messageBytes: 100, transport: tcp ? "tcp" : "udp", server: "test" };
}

/** Changes the payloads at the names that match; with `udpOnly` the truth is told by TCP. */
export function tamper(
  inner: Transport,
  names: RegExp,
  change: (payload: Uint8Array, asked: Asked) => Uint8Array | undefined,
  options: { udpOnly?: boolean } = {},
): Transport {
  return lying(inner, async (asked, honest) => {
    if (!names.test(asked.name) || (options.udpOnly === true && asked.tcp)) return undefined;
    const reply = await honest();
    if (reply.kind !== "txt") return undefined;
    const payload = change(reply.payload, asked);
    return payload === undefined ? denial("nodata", asked.tcp) : { ...reply, payload };
  });
}

/** Says that nothing stands at the names that match. */
export function hide(inner: Transport, names: RegExp, options: { udpOnly?: boolean } = {}): Transport {
  return tamper(inner, names, () => undefined, options);
}

/** Answers the names that match with another payload, whatever the truth is there. */
export function swap(inner: Transport, names: RegExp, other: () => Uint8Array): Transport {
  return lying(inner, async (asked, honest) => {
    if (!names.test(asked.name)) return undefined;
    await honest();
    return txtReply(other(), asked.tcp);
  });
}

/** Asks `other` at the names that match: the other side of a fork, an older server, a cache. */
export function redirect(inner: Transport, names: RegExp, other: Transport): Transport {
  return {
    query: (name, options) => (names.test(shownName(name)) ? other.query(name, options) : inner.query(name, options)),
  };
}

/** A cache that nobody empties: every name is answered for ever as the first time. Denials are kept, too. */
export function freeze(inner: Transport): Transport {
  const kept = new Map<string, Promise<TxtReply>>();
  return {
    query: (name, options) => {
      const shown = shownName(name);
      let reply = kept.get(shown);
      if (reply === undefined) {
        reply = inner.query(name, options);
        kept.set(shown, reply);
      }
      return reply;
    },
  };
}
