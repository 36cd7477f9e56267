import { isIPv4, isIPv6 } from "node:net";
import { parseDecimal } from "../vindex/decimal.ts";
import { ProofdnsError } from "../vindex/error.ts";

/** Where to listen or connect. */
export interface HostPort {
  /** An IPv4 address, an IPv6 address without brackets, or a host name. */
  readonly host: string;
  /** 0 (any free one, for listening) to 65535. */
  readonly port: number;
}

const HOST_NAME = /^(?!-)[A-Za-z0-9-]{1,63}(?:\.(?!-)[A-Za-z0-9-]{1,63})*$/;

/**
 * Parses `127.0.0.1:5300`, `[::1]:53`, `localhost:0`. `from` is what named it, such as an option.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`
 */
export function parseHostPort(text: string, from = "address"): HostPort {
  const refuse = (why: string): never => {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `${from} ${JSON.stringify(text.slice(0, 300))}: ${why}; write it like 127.0.0.1:5300, [::1]:5300 or localhost:5300`,
    );
  };
  const colon = text.lastIndexOf(":");
  if (isIPv6(text)) return refuse("an IPv6 address stands in brackets, and a port follows");
  if (colon < 0 || text.endsWith("]")) return refuse("it has no port");
  const port = parseDecimal(text.slice(colon + 1));
  if (port === undefined || port > 65535) return refuse("its port is not a number from 0 to 65535");
  const host = text.slice(0, colon);
  if (host === "") return refuse("it has no host");
  if (host.startsWith("[") && host.endsWith("]")) {
    const address = host.slice(1, -1);
    return isIPv6(address) ? { host: address, port } : refuse("there is no IPv6 address in its brackets");
  }
  if (host.includes(":")) return refuse("an IPv6 address stands in brackets");
  // A name of digits and dots would be taken for an address by some resolvers.
  if (!isIPv4(host) && (/^[0-9.]+$/.test(host) || host.length > 253 || !HOST_NAME.test(host))) {
    return refuse("its host is neither an address nor a host name");
  }
  return { host, port };
}

/** Formats an address as `parseHostPort` reads it. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
