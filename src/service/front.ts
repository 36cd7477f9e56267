import { lookup } from "node:dns/promises";
import { DohListener, type DohSettings, dohBindError } from "../dns/doh/listener.ts";
import { checkTlsFiles, type TlsFiles } from "../dns/doh/tls-files.ts";
import { RateLimiter } from "../dns/rate-limit.ts";
import { DnsServer, type ListenAddress, type ListenerEvent, type Log, type Respond } from "../dns/server.ts";
import { ServerStats, type StatsSnapshot } from "../dns/stats.ts";
import type { TcpLimits } from "../dns/tcp.ts";
import { countListenerEvent } from "../dns/threads/listener-counters.ts";
import { ThreadPool } from "../dns/threads/pool.ts";
import type { ThreadResponder } from "../dns/threads/protocol.ts";
import type { Zone } from "../dns/zone.ts";
import { ELSEWHERE, type ZoneData } from "../dns/zone-data.ts";
import type { FlatTree } from "../vindex/flat-tree.ts";
import { makeResponder, type ResponderConfig } from "./responder-config.ts";

/** How a zone is served. */
export interface FrontOptions {
  readonly host: string;
  readonly port: number;
  readonly config: ResponderConfig;
  /** Threads beside this one that answer; 0: this one does. */
  readonly threads: number;
  readonly limits: TcpLimits;
  /** Where and how to answer by DNS over HTTPS too. */
  readonly doh?: DohSettings;
  /** Milliseconds that `close` leaves to replies on their way. */
  readonly drain: number;
  readonly log: Log;
  /** What is served until the first `publish`. */
  readonly data: ZoneData;
}

/** The plainest way to serve a zone: by one thread, unsigned, without cookies, limits or a cache. */
export function bareFront(zone: Zone): Pick<FrontOptions, "config" | "threads" | "limits" | "drain"> {
  return {
    config: {
      zone,
      keys: undefined,
      cookieSecrets: [],
      rateLimit: undefined,
      nsid: undefined,
      cacheSize: 0,
      seed: 0,
      trace: undefined,
    },
    threads: 0,
    limits: { idleTimeout: 10_000, maxConnections: 256, maxConnectionsPerAddress: 64 },
    drain: 2000,
  };
}

/** The sockets of a service, and who answers there. */
export interface Front {
  /** Binds. Rejects with the error of bind(2), or if it is that of DNS over HTTPS with a `ProofdnsError`. */
  listen(): Promise<ListenAddress>;
  /** Where it answers by DNS over HTTPS, once it listens. */
  readonly dohAddresses: readonly ListenAddress[];
  /** Serves `data` from now on; `tree` is that of its epoch. Resolves when nothing uses what was served before. */
  publish(data: ZoneData, tree: FlatTree): Promise<void>;
  /** Answers by other keys and secrets from now on; rejects, and changes nothing, if they cannot be used. */
  reload(config: ResponderConfig): Promise<void>;
  /** Uses another certificate for connections to come; rejects, and changes nothing, if it cannot be used. */
  setTls(tls: TlsFiles): Promise<void>;
  /** What was counted since the start. */
  stats(): StatsSnapshot;
  /** Takes nothing more, sends what it owes, and closes. */
  close(): Promise<void>;
}

/** Makes the front that the options ask for. */
export function makeFront(options: FrontOptions): Front {
  return options.threads === 0 ? new SingleFront(options) : new ThreadedFront(options);
}

/** One thread for everything: for tests, demonstrations, and machines of one processor. */
class SingleFront implements Front {
  readonly #server: DnsServer;
  readonly #o: FrontOptions;
  readonly #respond: Respond;
  readonly #memory = new SharedArrayBuffer(ServerStats.byteLength);
  readonly #stats = new ServerStats(this.#memory);
  readonly #rateLimit: SharedArrayBuffer | undefined;
  #doh: readonly { readonly listener: DohListener; readonly address: ListenAddress }[] = [];
  #listening: Promise<ListenAddress> | undefined;
  #responder: ThreadResponder;
  #data: ZoneData;

  constructor(options: FrontOptions) {
    this.#o = options;
    const { config, host, port, limits, drain, log } = options;
    this.#data = options.data;
    this.#rateLimit = makeRateTable(config);
    this.#responder = this.#make(config);
    this.#respond = (message, asker, now) => {
      const reply = this.#responder.respond(message, asker, this.#data, now);
      if (reply === ELSEWHERE) throw new TypeError("the data of the only thread is elsewhere");
      return reply;
    };
    const onEvent = this.#onEvent;
    this.#server = new DnsServer({ ...limits, respond: this.#respond, host, port, log, onEvent, closeTimeout: drain });
  }

  readonly #onEvent = (event: ListenerEvent): void => countListenerEvent(this.#stats, event);

  #make(config: ResponderConfig): ThreadResponder {
    return makeResponder(config, { role: "worker", stats: this.#memory, rateLimit: this.#rateLimit });
  }

  listen(): Promise<ListenAddress> {
    this.#listening = this.#listen();
    return this.#listening;
  }

  async #listen(): Promise<ListenAddress> {
    const bound = await this.#server.listen();
    try {
      for (const wanted of this.#o.doh?.addresses ?? []) this.#doh = [...this.#doh, await this.#listenDoh(wanted)];
    } catch (error) {
      await this.#close();
      throw error;
    }
    return bound;
  }

  async #listenDoh(wanted: {
    readonly host: string;
    readonly port: number;
  }): Promise<{ listener: DohListener; address: ListenAddress }> {
    const { doh, log } = this.#o;
    const found = await lookup(wanted.host);
    const address = { address: found.address, family: found.family === 6 ? 6 : 4, port: wanted.port } as const;
    try {
      const listener = await DohListener.bind(address, {
        ...doh?.limits,
        tls: doh?.tls,
        respond: this.#respond,
        log,
        onEvent: this.#onEvent,
        now: () => Math.floor(Date.now() / 1000),
      });
      return { listener, address: { ...address, port: listener.port } };
    } catch (error) {
      throw dohBindError(address, error);
    }
  }

  get dohAddresses(): readonly ListenAddress[] {
    return this.#doh.map(({ address }) => address);
  }

  async publish(data: ZoneData): Promise<void> {
    this.#data = data;
  }

  async reload(config: ResponderConfig): Promise<void> {
    this.#responder = this.#make(config);
  }

  async setTls(tls: TlsFiles): Promise<void> {
    checkTlsFiles(tls);
    for (const { listener } of this.#doh) listener.setTls(tls);
  }

  stats(): StatsSnapshot {
    return ServerStats.sum([this.#stats]);
  }

  async close(): Promise<void> {
    // What is still being bound is closed when it is there.
    await this.#listening?.catch(() => {});
    await this.#close();
  }

  async #close(): Promise<void> {
    await Promise.all([this.#server.close(), ...this.#doh.map(({ listener }) => listener.close(this.#o.drain))]);
  }
}

/** Threads that answer over a shared snapshot, while this one builds the next. */
class ThreadedFront implements Front {
  readonly #o: FrontOptions;
  #starting: Promise<ThreadPool<ResponderConfig>> | undefined;
  #pool: ThreadPool<ResponderConfig> | undefined;

  constructor(options: FrontOptions) {
    this.#o = options;
  }

  async listen(): Promise<ListenAddress> {
    const { config, host, port, threads, limits, doh, log } = this.#o;
    const rateLimit = makeRateTable(config);
    const module = import.meta.url.endsWith(".ts") ? "./responder-config.ts" : "./responder-config.js";
    this.#starting = ThreadPool.start({
      threads,
      host,
      port,
      responderModule: new URL(module, import.meta.url),
      config,
      limits,
      log,
      ...(rateLimit === undefined ? {} : { rateLimit }),
      ...(doh === undefined ? {} : { doh }),
    });
    this.#pool = await this.#starting;
    return this.#pool.address;
  }

  get dohAddresses(): readonly ListenAddress[] {
    return this.#pool?.dohAddresses ?? [];
  }

  async publish(data: ZoneData, tree: FlatTree): Promise<void> {
    await this.#pool?.publish({ data, tree });
  }

  async reload(config: ResponderConfig): Promise<void> {
    await (await this.#starting)?.reload(config);
  }

  async setTls(tls: TlsFiles): Promise<void> {
    await (await this.#starting)?.setTls(tls);
  }

  stats(): StatsSnapshot {
    return this.#pool?.readStats() ?? ServerStats.sum([]);
  }

  async close(): Promise<void> {
    // One that is still starting is closed when it is there.
    const pool = await this.#starting?.catch(() => undefined);
    await pool?.close(this.#o.drain);
  }
}

function makeRateTable({ rateLimit }: ResponderConfig): SharedArrayBuffer | undefined {
  return rateLimit === undefined ? undefined : new SharedArrayBuffer(RateLimiter.bytesNeeded(rateLimit));
}
