import { getServers } from "node:dns";
import { makeWebFetch, WebProxies } from "../go/web-proxy.ts";
import { ProofdnsError } from "../vindex/error.ts";
import type { Transport } from "./transport.ts";
import { DnsTransport, type DnsTransportOptions } from "./transport-dns.ts";
import { DohTransport } from "./transport-doh.ts";
import { FailoverTransport } from "./transport-failover.ts";

/** Times of the transports that are made here; as in `DnsTransportOptions`, and `timeout` of `DohTransportOptions`. */
export type TransportTimes = Pick<DnsTransportOptions, "timeouts" | "tcpTimeout">;

/** UDP tries of a server where others can be asked: who is silent is left sooner. */
const TIMEOUTS_OF_SEVERAL: readonly number[] = [1000, 2000];

/**
 * Makes a transport of the resolvers that the system is configured with (`/etc/resolv.conf`, or the platform's settings), as
 * they are now.
 *
 * @throws ProofdnsError `UNREACHABLE` if there are none
 */
export function makeSystemTransport(times: TransportTimes = {}, servers: readonly string[] = getServers()): Transport {
  if (servers.length === 0) {
    throw new ProofdnsError("UNREACHABLE", "the system is configured with no resolver; name a server to ask");
  }
  return parseTransport(servers, times);
}

/**
 * Makes the transport that texts name: `system`, `HOST`, `HOST:PORT`, `[IPv6]:PORT`, or `https://…` for DNS over HTTPS
 * (`http://` only to this machine). Of several the later ones are asked where the earlier fail. Without any: `system`.
 *
 * DNS over HTTPS goes through the proxy that `HTTPS_PROXY` names in the environment of the process, if any, but for hosts of
 * `NO_PROXY`, as with programs in Go.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`, also for such a proxy that is no URL; or `UNREACHABLE` from `makeSystemTransport`
 */
export function parseTransport(texts: readonly string[], times: TransportTimes = {}): Transport {
  const [first = "system", ...more] = texts;
  if (more.length === 0) return parseOne(first, times);
  const sooner = { timeouts: TIMEOUTS_OF_SEVERAL, ...times };
  return new FailoverTransport(texts.map((text) => parseOne(text, sooner)));
}

function parseOne(text: string, times: TransportTimes): Transport {
  if (text === "system") return makeSystemTransport(times);
  if (!text.includes("://")) return new DnsTransport({ ...times, server: text });
  if (/^http:/i.test(text) && !/^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])[:/]/i.test(text)) {
    const shown = JSON.stringify(text.slice(0, 100));
    throw new ProofdnsError("MALFORMED_INPUT", `server ${shown}: http: would tell everyone what you ask; use https:`);
  }
  if (!/^https?:/i.test(text)) {
    const shown = JSON.stringify(text.slice(0, 100));
    const next = "a DNS server is named without a scheme, as in 127.0.0.1:53, and one for DNS over HTTPS with https:";
    throw new ProofdnsError("MALFORMED_INPUT", `server ${shown}: ${next}`);
  }
  const transport = new DohTransport({
    url: text,
    fetch: makeWebFetch(process.env),
    ...(times.tcpTimeout === undefined ? {} : { timeout: times.tcpTimeout }),
  });
  // A proxy that makes no sense is said once, and not for every question.
  new WebProxies(process.env).find(new URL(text));
  return transport;
}
