import { lookup } from "node:dns/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { ResourceLimits } from "node:worker_threads";
import type { DohSettings } from "../doh/listener.ts";
import { checkTlsFiles, type TlsFiles } from "../doh/tls-files.ts";
import type { BindAddress, Log } from "../listener.ts";
import type { ListenAddress } from "../server.ts";
import { ServerStats, type StatsSnapshot } from "../stats.ts";
import type { TcpLimits } from "../tcp.ts";
import { ComputeQueue } from "./compute-queue.ts";
import type { MakeResponder, ThreadMemory, ThreadResponder } from "./protocol.ts";
import { Publication, type PublishedEpoch } from "./publication.ts";
import { type ReusePort, testReusePort } from "./reuse-port.ts";
import { assignRoles, bindDoh, bindThread, bindThreads, type DohBinding, type Role } from "./sockets.ts";
import { Thread } from "./thread.ts";

/** Options of a `ThreadPool`. */
export interface ThreadPoolOptions<Config> {
  /** Worker threads, at least 1. */
  readonly threads: number;
  /** An IP address, `[::1]` with or without brackets, or a name of this host. Default `127.0.0.1`. */
  readonly host?: string;
  /** 0 takes any port that is free for UDP and TCP. */
  readonly port: number;
  /** `::` without IPv4; default false. */
  readonly ipv6Only?: boolean;
  /** URL of the module that exports `makeResponder`. Loaded in each thread, this one included. */
  readonly responderModule: URL;
  /** What `makeResponder` is called with; plain values. */
  readonly config: Config;
  /** The one table of the rate limit (`RateLimiter.bytesNeeded`). */
  readonly rateLimit?: SharedArrayBuffer;
  /** Bounds of TCP in all; those of connections are divided among the threads that listen. */
  readonly limits?: TcpLimits;
  /** DNS over HTTPS at other addresses, in the threads that have TCP; its bounds are divided among them. */
  readonly doh?: DohSettings;
  /** Bytes of each UDP receive buffer. */
  readonly receiveBuffer?: number;
  /** Takes what an operator should know: a thread that ended, a query that could not be answered. */
  readonly log: Log;
  /** Queries of one thread that may wait for this thread at a time; default 1,024. */
  readonly maxForwarded?: number;
  /** Milliseconds for which they wait; default 2,000. */
  readonly forwardTimeout?: number;
  /**
   * Milliseconds that a thread has to swap what it serves; default 10,000. Beyond them it is ended and started again: a
   * thread that hangs is noticed at the next `publish`, so publish at every heartbeat.
   */
  readonly ackTimeout?: number;
  /** Milliseconds before a thread that ended is started again, doubled each time up to 30,000; default 100. */
  readonly restartDelay?: number;
  /** Limits of each thread's heap. */
  readonly resourceLimits?: ResourceLimits;
}

/** What a pool is doing; for monitoring. */
export interface PoolStatus {
  readonly threads: readonly { readonly isAlive: boolean; readonly restarts: number; readonly sockets: Role }[];
  /** Queries that wait for the main thread. */
  readonly waiting: number;
  /** Snapshots published so far. */
  readonly version: number;
}

interface Slot {
  readonly index: number;
  readonly role: Role;
  readonly memory: ThreadMemory;
  thread: Thread | undefined;
  restarts: number;
}

const MAX_RESTART_DELAY = 30_000;
/** Milliseconds of life after which a thread's end is not put down to those before. */
const STEADY = 60_000;
/** Milliseconds beyond the timeout of `close` in which a thread must have said that it is done. */
const CLOSE_GRACE = 500;

/**
 * Worker threads that answer by UDP and TCP at one address, over one snapshot that they share. This thread publishes what
 * is served, and computes what needs the store.
 */
export class ThreadPool<Config = unknown> {
  readonly #o: ThreadPoolOptions<Config>;
  readonly #makeResponder: MakeResponder<Config>;
  readonly #slots: readonly Slot[];
  readonly #reusePort: ReusePort;
  readonly #mainMemory: ThreadMemory;
  readonly #publication: Publication;
  readonly #queue: ComputeQueue;
  readonly #stopped = new AbortController();
  #config: Config;
  #responder: ThreadResponder;
  #where: BindAddress;
  #doh: readonly BindAddress[] = [];
  #tls: TlsFiles | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    options: ThreadPoolOptions<Config>,
    makeResponder: MakeResponder<Config>,
    where: BindAddress,
    reusePort: ReusePort,
  ) {
    const { threads, config, log, ackTimeout = 10_000, maxForwarded = 1024 } = options;
    this.#o = options;
    this.#makeResponder = makeResponder;
    this.#where = where;
    this.#reusePort = reusePort;
    this.#config = config;
    this.#tls = options.doh?.tls;
    this.#mainMemory = { role: "main", stats: new SharedArrayBuffer(ServerStats.byteLength), rateLimit: undefined };
    this.#slots = assignRoles(threads, reusePort).map((role, index) => {
      const stats = new SharedArrayBuffer(ServerStats.byteLength);
      return {
        index,
        role,
        memory: { role: "worker", stats, rateLimit: options.rateLimit },
        thread: undefined,
        restarts: 0,
      };
    });
    this.#responder = makeResponder(config, this.#mainMemory);
    this.#publication = new Publication(ackTimeout, log);
    this.#queue = new ComputeQueue(threads, maxForwarded, (message, asker) =>
      this.#responder.compute(message, asker, this.#publication.data, Math.floor(Date.now() / 1000)),
    );
  }

  /**
   * Starts the threads and binds their sockets. Before the first `publish` they say SERVFAIL to what needs an epoch.
   * Rejects with the error of what failed: a socket, or what `makeResponder` throws; then nothing is left behind.
   */
  static async start<Config>(options: ThreadPoolOptions<Config>): Promise<ThreadPool<Config>> {
    const { threads, responderModule, ipv6Only = false } = options;
    if (!Number.isInteger(threads) || threads < 1) throw new RangeError(`${threads} threads`);
    const where = { ...(await resolveAddress({ host: options.host ?? "127.0.0.1", port: options.port })), ipv6Only };
    const alone = { udp: false, tcp: false };
    const reusePort = threads === 1 ? alone : await testReusePort(where.address, where.family);
    const module = (await import(responderModule.href)) as { makeResponder: MakeResponder<Config> };
    const pool = new ThreadPool(options, module.makeResponder, where, reusePort);
    await pool.#start();
    return pool;
  }

  /** Where the threads listen, by UDP and TCP. */
  get address(): ListenAddress {
    const { address, family, port } = this.#where;
    return { address, family, port };
  }

  /** Where they listen by HTTPS. */
  get dohAddresses(): readonly ListenAddress[] {
    return this.#doh.map(({ address, family, port }) => ({ address, family, port }));
  }

  /** Whether the threads share the port, by protocol. Where they do not, one of them has the socket. */
  get reusePort(): ReusePort {
    return this.#reusePort;
  }

  /**
   * Serves `epoch` from now on, and resolves when all threads do: nothing reads an older tree then. The data before it is not
   * used any more after the call. Of calls that overtake each other only the last is served by the threads.
   *
   * Rejects with what reading the head throws; then the threads serve on what they did.
   */
  publish(epoch: PublishedEpoch): Promise<void> {
    return this.#closing === undefined ? this.#publication.publish(epoch) : Promise.resolve();
  }

  /**
   * Makes new responders of `config` in all threads: keys, secrets. Rejects if it cannot be used; then the one before stays.
   * Replies that the old ones have kept are forgotten.
   */
  async reload(config: Config): Promise<void> {
    this.#responder = this.#makeResponder(config, this.#mainMemory);
    this.#config = config;
    // A thread that cannot take what this one could is in a state of its own; a new one starts with the configuration.
    const reloaded = this.#slots.map(async ({ thread, index }) => {
      try {
        await thread?.request({ kind: "reload", config });
      } catch (error) {
        this.#o.log(`worker thread ${index} cannot be given the new configuration`, error);
        await thread?.terminate();
      }
    });
    await Promise.all(reloaded);
  }

  /**
   * Uses another certificate for connections to come.
   *
   * @throws ProofdnsError `KEY_UNUSABLE`; then the one before stays
   */
  async setTls(tls: TlsFiles): Promise<void> {
    checkTlsFiles(tls);
    this.#tls = tls;
    await Promise.all(this.#slots.map(({ thread }) => thread?.request({ kind: "set-tls", tls })));
  }

  /** Sums the counters of all threads. */
  readStats(): StatsSnapshot {
    const memories = [this.#mainMemory, ...this.#slots.map(({ memory }) => memory)];
    return ServerStats.sum(memories.map(({ stats }) => new ServerStats(stats)));
  }

  status(): PoolStatus {
    return {
      threads: this.#slots.map(({ thread, restarts, role }) => ({
        isAlive: thread?.isAlive === true,
        restarts,
        sockets: role,
      })),
      waiting: this.#queue.size,
      version: this.#publication.version,
    };
  }

  /**
   * Stops reading, lets the threads finish what is in hand for up to `timeout` milliseconds, closes the sockets and ends
   * the threads. The data published last must stay usable until it resolves. May be called more than once.
   */
  close(timeout = 2000): Promise<void> {
    this.#closing ??= this.#close(timeout);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeout: number): Promise<void> {
    this.#stopped.abort();
    await Promise.all(
      this.#slots.map(async ({ thread }) => {
        if (thread === undefined) return;
        const grace = new AbortController();
        const closed = thread.request({ kind: "close", timeout }).catch(() => {});
        const late = sleep(timeout + CLOSE_GRACE, undefined, { signal: grace.signal }).catch(() => {});
        await Promise.race([closed, late]);
        grace.abort();
        await thread.terminate();
      }),
    );
  }

  async #start(): Promise<void> {
    try {
      const threads = await Promise.all(this.#slots.map((slot) => this.#spawn(slot)));
      const roles = this.#slots.map(({ role }) => role);
      const port = await bindThreads(threads, roles, this.#where, this.#reusePort);
      this.#where = { ...this.#where, port };
      const wanted = await Promise.all((this.#o.doh?.addresses ?? []).map(resolveAddress));
      this.#doh = await bindDoh(threads, roles, wanted, this.#reusePort.tcp, this.#dohBinding());
    } catch (error) {
      this.#stopped.abort();
      await Promise.all(this.#slots.map(({ thread }) => thread?.terminate()));
      throw error;
    }
    for (const slot of this.#slots) void this.#keep(slot);
  }

  #dohBinding(): DohBinding {
    const limits = this.#o.doh?.limits ?? {};
    const listening = this.#slots.filter(({ role }) => role.tcp).length;
    const { maxConnections = 256 } = limits;
    // As those of TCP: connections in all are divided, those of one address are not.
    return { tls: this.#tls, limits: { ...limits, maxConnections: Math.ceil(maxConnections / listening) } };
  }

  /** Starts the thread of a slot and shows it what is served. Rejects if it ends before it is ready. */
  async #spawn(slot: Slot): Promise<Thread> {
    const { index, memory } = slot;
    const { responderModule, resourceLimits, log, limits = {}, maxForwarded = 1024 } = this.#o;
    const listening = this.#slots.filter(({ role }) => role.tcp).length;
    const share = (count: number): number => Math.ceil(count / listening);
    const thread = new Thread(
      {
        responderModule: responderModule.href,
        config: this.#config,
        memory,
        limits: {
          ...limits,
          maxConnections: share(limits.maxConnections ?? 256),
          // Not divided: the kernel spreads the connections of one address unevenly, and all are bounded together.
          maxConnectionsPerAddress: limits.maxConnectionsPerAddress ?? 64,
        },
        receiveBuffer: this.#o.receiveBuffer,
        maxForwarded,
        forwardTimeout: this.#o.forwardTimeout ?? 2000,
      },
      resourceLimits,
      {
        onServed: () => this.#publication.served(),
        onAsk: ({ id, message, asker, until }) => {
          const answer = (entry: ReturnType<ThreadResponder["compute"]>, failure: string | undefined): void =>
            thread.post({ kind: "entry", id, entry, failure });
          this.#queue.add(index, { message, asker, until, answer });
        },
        onAlarm: (what, error) => log(`worker thread ${index}: ${what}`, error),
      },
    );
    slot.thread = thread;
    void thread.ended.then(() => {
      this.#publication.remove(thread);
      this.#queue.drop(index);
    });
    await thread.ready;
    this.#publication.add(thread);
    return thread;
  }

  /** Starts the thread of a slot again whenever it ends, sooner or later: one that ends at once must not take all time. */
  async #keep(slot: Slot): Promise<void> {
    const { log, restartDelay = 100 } = this.#o;
    const { signal } = this.#stopped;
    let delay = restartDelay;
    while (slot.thread !== undefined) {
      const since = performance.now();
      const why = await slot.thread.ended;
      if (signal.aborted) return;
      if (performance.now() - since >= STEADY) delay = restartDelay;
      log(`worker thread ${slot.index} has ended and is started again`, why ?? new Error("its module ended"));
      await sleep(delay, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      delay = Math.min(delay * 2, MAX_RESTART_DELAY);
      slot.restarts++;
      new ServerStats(slot.memory.stats).resetGauges();
      await this.#revive(slot);
    }
  }

  /** A new thread for a slot; one that cannot have its sockets is ended, and so tried again. */
  async #revive(slot: Slot): Promise<void> {
    try {
      const thread = await this.#spawn(slot);
      await bindThread(thread, slot.role, this.#where, this.#reusePort);
      await bindDoh([thread], [slot.role], this.#doh, false, this.#dohBinding());
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      this.#o.log(`worker thread ${slot.index} cannot be started`, error);
      await slot.thread?.terminate();
    }
  }
}

async function resolveAddress(wanted: { readonly host: string; readonly port: number }): Promise<BindAddress> {
  const host = wanted.host.replace(/^\[(.*)\]$/, "$1");
  // An empty name would be looked up as every address of this host.
  if (host === "") throw new TypeError("the host to listen on is empty");
  const { address, family } = await lookup(host);
  return { address, family: family === 6 ? 6 : 4, port: wanted.port };
}
