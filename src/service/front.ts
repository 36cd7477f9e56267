import { RateLimiter } from "../dns/rate-limit.ts";
import { DnsServer, type ListenAddress, type ListenerEvent, type Log, type Respond } from "../dns/server.ts";
import { ServerStats, type StatsSnapshot } from "../dns/stats.ts";
import type { TcpLimits } from "../dns/tcp.ts";
import { countListenerEvent } from "../dns/threads/listener-counters.ts";
import { ThreadPool } from "../dns/threads/pool.ts";
import type { ThreadResponder } from "../dns/threads/protocol.ts";
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
  /** Milliseconds that `close` leaves to replies on their way. */
  readonly drain: number;
  readonly log: Log;
  /** What is served until the first `publish`. */
  readonly data: ZoneData;
}

/** The sockets of a service, and who answers there. */
export interface Front {
  /** Binds. Rejects with the error of bind(2). */
  listen(): Promise<ListenAddress>;
  /** Serves `data` from now on; `tree` is that of its epoch. Resolves when nothing uses what was served before. */
  publish(data: ZoneData, tree: FlatTree): Promise<void>;
  /** Answers by other keys and secrets from now on; rejects, and changes nothing, if they cannot be used. */
  reload(config: ResponderConfig): Promise<void>;
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
  readonly #memory = new SharedArrayBuffer(ServerStats.byteLength);
  readonly #stats = new ServerStats(this.#memory);
  readonly #rateLimit: SharedArrayBuffer | undefined;
  #responder: ThreadResponder;
  #data: ZoneData;

  constructor(options: FrontOptions) {
    const { config, host, port, limits, drain, log } = options;
    this.#data = options.data;
    this.#rateLimit = makeRateTable(config);
    this.#responder = this.#make(config);
    const respond: Respond = (message, asker, now) => {
      const reply = this.#responder.respond(message, asker, this.#data, now);
      if (reply === ELSEWHERE) throw new TypeError("the data of the only thread is elsewhere");
      return reply;
    };
    const onEvent = (event: ListenerEvent): void => countListenerEvent(this.#stats, event);
    this.#server = new DnsServer({ ...limits, respond, host, port, log, onEvent, closeTimeout: drain });
  }

  #make(config: ResponderConfig): ThreadResponder {
    return makeResponder(config, { role: "worker", stats: this.#memory, rateLimit: this.#rateLimit });
  }

  listen(): Promise<ListenAddress> {
    return this.#server.listen();
  }

  async publish(data: ZoneData): Promise<void> {
    this.#data = data;
  }

  async reload(config: ResponderConfig): Promise<void> {
    this.#responder = this.#make(config);
  }

  stats(): StatsSnapshot {
    return ServerStats.sum([this.#stats]);
  }

  close(): Promise<void> {
    return this.#server.close();
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
    const { config, host, port, threads, limits, log } = this.#o;
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
    });
    this.#pool = await this.#starting;
    return this.#pool.address;
  }

  async publish(data: ZoneData, tree: FlatTree): Promise<void> {
    await this.#pool?.publish({ data, tree });
  }

  async reload(config: ResponderConfig): Promise<void> {
    await (await this.#starting)?.reload(config);
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
