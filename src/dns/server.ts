import { lookup } from "node:dns/promises";
import type { ListenerEvent, Log, Respond } from "./listener.ts";
import { type TcpLimits, TcpListener } from "./tcp.ts";
import { UdpListener } from "./udp.ts";

export type { ListenerEvent, Log, Respond } from "./listener.ts";

/** Options of a `DnsServer`. */
export interface DnsServerOptions extends TcpLimits {
  readonly respond: Respond;
  /** An IP address, `[::1]` with or without brackets, or a name of this host. Default `127.0.0.1`. */
  readonly host?: string;
  /** 0 takes any port that is free for UDP and TCP. */
  readonly port: number;
  readonly log: Log;
  /** Called for each event at the sockets; must be quick and must not throw. */
  readonly onEvent?: (event: ListenerEvent) => void;
  /** Shares the port with other servers that ask for it, in other threads or processes. Ignored by Node before 22.12. */
  readonly reusePort?: boolean;
  /** `::` without IPv4; default false. */
  readonly ipv6Only?: boolean;
  /** Bytes of the UDP receive buffer; default 4 MiB. */
  readonly receiveBuffer?: number;
  /** Milliseconds that `close` gives to replies on their way; default 2,000. */
  readonly closeTimeout?: number;
  /** Unix seconds; for tests. */
  readonly now?: () => number;
}

/** Where a server listens, by UDP and TCP. */
export interface ListenAddress {
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number;
}

/** How often a free port is looked for that both protocols can have. */
const PORT_TRIES = 32;

/**
 * A DNS server on one address by UDP and TCP. It has no rate limit and no state beyond its sockets; what it says is
 * `respond`'s. If that fails, the error is logged and the reply is SERVFAIL: no query ends the process.
 */
export class DnsServer {
  readonly #options: DnsServerOptions;
  #udp: UdpListener | undefined;
  #tcp: TcpListener | undefined;
  #listening: Promise<ListenAddress> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: DnsServerOptions) {
    this.#options = options;
  }

  /**
   * Binds both sockets and gives their address. Rejects with the error of the one that failed; then nothing is
   * bound. May be called once.
   */
  listen(): Promise<ListenAddress> {
    if (this.#listening !== undefined) throw new TypeError("listen() was called before");
    this.#listening = this.#listen();
    return this.#listening;
  }

  async #listen(): Promise<ListenAddress> {
    if (this.#closing !== undefined) throw new TypeError("listen() was called after close()");
    const host = (this.#options.host ?? "127.0.0.1").replace(/^\[(.*)\]$/, "$1");
    // An empty name would be looked up as every address of this host.
    if (host === "") throw new TypeError("the host to listen on is empty");
    const found = await lookup(host);
    const family = found.family === 6 ? 6 : 4;
    for (let tries = 1; ; tries++) {
      try {
        return await this.#bind({ address: found.address, family, port: this.#options.port });
      } catch (error) {
        const taken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
        if (!taken || this.#options.port !== 0 || tries === PORT_TRIES) throw error;
      }
    }
  }

  async #bind(wanted: ListenAddress): Promise<ListenAddress> {
    const { reusePort = false, ipv6Only = false } = this.#options;
    const options = { ...this.#options, now: this.#options.now ?? (() => Math.floor(Date.now() / 1000)) };
    const tcp = await TcpListener.bind({ ...wanted, reusePort, ipv6Only }, options);
    try {
      const bound = { ...wanted, port: tcp.port };
      this.#udp = await UdpListener.bind({ ...bound, reusePort, ipv6Only }, options);
      this.#tcp = tcp;
      return bound;
    } catch (error) {
      await tcp.close(0);
      throw error;
    }
  }

  /** TCP connections that are open. */
  get connectionCount(): number {
    return this.#tcp?.connectionCount ?? 0;
  }

  /**
   * Stops listening, answers what has arrived, gives replies on their way up to `closeTimeout`, and closes everything.
   * May be called more than once, and before `listen` has ended.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#listening?.catch(() => undefined);
    const timeout = this.#options.closeTimeout ?? 2000;
    await Promise.all([this.#udp?.close(timeout), this.#tcp?.close(timeout)]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
