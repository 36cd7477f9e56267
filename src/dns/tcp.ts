import { createServer, type Server, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { addressGroup, parseAskerAddress } from "./asker.ts";
import { FrameBatch } from "./frame-batch.ts";
import { type BindAddress, guardRespond, type ListenerEvent, type ListenerOptions, type Respond } from "./listener.ts";
import { bindTcp, boundPort, idleTimeoutNow } from "./tcp-bind.ts";
import { type ConnectionHost, TcpConnection } from "./tcp-connection.ts";

/** Bounds of the TCP side. */
export interface TcpLimits {
  /**
   * Milliseconds without a whole query that has a reply after which a connection is closed; bytes alone prolong
   * nothing. When more than half of the connections are in use it becomes less, down to a second. Default 10,000.
   */
  readonly idleTimeout?: number;
  /** Milliseconds that replies may be unread, or promised and not there; default `idleTimeout`. */
  readonly writeTimeout?: number;
  /** Default 256. */
  readonly maxConnections?: number;
  /** Connections of one IPv4 address, or one IPv6 /64. Default 64. */
  readonly maxConnectionsPerAddress?: number;
  /** Promised replies of one connection at a time; its next queries wait. Default 64. */
  readonly maxPromisedPerConnection?: number;
  /** Default 65,536. */
  readonly maxQueriesPerConnection?: number;
}

/** Options of a `TcpListener`. */
export interface TcpOptions extends ListenerOptions, TcpLimits {}

/** Queries of all connections in one turn of the event loop: UDP, which has 32 a turn, must not starve. */
const QUERIES_PER_TURN = 128;
/** Of these, what one connection may have: less if many wait, so that a single query is not behind thousands. */
const MOST_PER_CONNECTION = 32;
const LEAST_PER_CONNECTION = 4;
/** Milliseconds that a connection has at least, to ask, before it may be closed for a new one. */
const LEAST_STAY = 100;
/** Milliseconds between checks of all connections, at most and while the listener closes. */
const CHECK_INTERVAL = 500;
const CLOSING_CHECK_INTERVAL = 20;

/** A listening TCP socket and its connections (RFC 7766, RFC 9210). */
export class TcpListener {
  readonly #server: Server;
  readonly #limits: Required<TcpLimits>;
  readonly #host: ConnectionHost;
  /** In the order of their activity, about: the first are the longest idle. */
  readonly #connections = new Set<TcpConnection>();
  readonly #perGroup = new Map<number | string, number>();
  /** Connections that are pumped in the next turn. */
  #queue: TcpConnection[] = [];
  #isTurnAhead = false;
  #queriesLeft = QUERIES_PER_TURN;
  #share = MOST_PER_CONNECTION;
  #checker: NodeJS.Timeout | undefined;
  readonly #checkInterval: number;
  #checkedAt = 0;
  #isCheckPutOff = false;
  #closing: Promise<void> | undefined;

  private constructor(server: Server, options: TcpOptions) {
    this.#server = server;
    const { idleTimeout = 10_000 } = options;
    this.#limits = {
      idleTimeout,
      writeTimeout: options.writeTimeout ?? idleTimeout,
      maxConnections: options.maxConnections ?? 256,
      maxConnectionsPerAddress: options.maxConnectionsPerAddress ?? 64,
      maxPromisedPerConnection: options.maxPromisedPerConnection ?? 64,
      maxQueriesPerConnection: options.maxQueriesPerConnection ?? 65_536,
    };
    const shortest = Math.min(this.#limits.idleTimeout, this.#limits.writeTimeout);
    this.#checkInterval = Math.min(CHECK_INTERVAL, Math.max(10, shortest / 8));
    this.#host = this.#makeHost(options);
  }

  /** Binds `where`. Rejects with the error of bind(2) or listen(2). */
  static async bind(where: BindAddress, options: TcpOptions): Promise<TcpListener> {
    // A client may close its side after its last query, and still wants the replies.
    const server = createServer({ allowHalfOpen: true, noDelay: true, highWaterMark: 16 * 1024 });
    const listener = new TcpListener(server, options);
    server.on("connection", (socket) => listener.#accept(socket));
    await bindTcp(server, where, (error) => options.log("TCP socket", error));
    return listener;
  }

  /** The port that is bound. */
  get port(): number {
    return boundPort(this.#server);
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Milliseconds that a connection may be idle just now. */
  get idleTimeout(): number {
    const { idleTimeout, maxConnections } = this.#limits;
    return idleTimeoutNow(idleTimeout, this.#connections.size, maxConnections);
  }

  /**
   * Accepts nothing more, answers the queries that have arrived, promised ones as well, and after `timeout`
   * milliseconds closes what is left. May be called more than once.
   */
  close(timeout: number): Promise<void> {
    this.#closing ??= this.#close(timeout);
    return this.#closing;
  }

  async #close(timeout: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    // After two turns of the event loop what has arrived is read.
    await nextTurn();
    await nextTurn();
    const now = performance.now();
    for (const connection of [...this.#connections]) connection.finish(now);
    clearInterval(this.#checker);
    this.#checker = setInterval(() => this.#check(), Math.min(CLOSING_CHECK_INTERVAL, this.#checkInterval));
    const timer = setTimeout(() => {
      for (const connection of [...this.#connections]) connection.close();
    }, timeout);
    await closed;
    clearTimeout(timer);
    clearInterval(this.#checker);
  }

  #makeHost(options: TcpOptions): ConnectionHost {
    const count = options.onEvent ?? (() => {});
    const respond: Respond = guardRespond(options.respond, options.log);
    return {
      respond,
      batch: new FrameBatch(),
      maxPromised: this.#limits.maxPromisedPerConnection,
      maxQueries: this.#limits.maxQueriesPerConnection,
      writeTimeout: this.#limits.writeTimeout,
      now: options.now,
      idleTimeout: () => (this.#closing === undefined ? this.idleTimeout : 0),
      share: () => this.#share,
      takeTurn: () => {
        if (this.#queriesLeft === 0) return false;
        // A turn that is counted costs a tick of the event loop: few queries need none.
        if (--this.#queriesLeft < QUERIES_PER_TURN / 2) this.#scheduleTurn();
        return true;
      },
      enqueue: (connection) => {
        this.#queue.push(connection);
        this.#scheduleTurn();
      },
      touch: (connection) => {
        if (this.#connections.delete(connection)) this.#connections.add(connection);
      },
      forget: (connection) => this.#forget(connection, count),
      count,
    };
  }

  #accept(socket: Socket): void {
    // Undefined if the asker has reset the connection already.
    const address = parseAskerAddress(socket.remoteAddress ?? "");
    const group = address === undefined ? "" : addressGroup(address);
    const inGroup = this.#perGroup.get(group) ?? 0;
    const now = performance.now();
    if (
      address === undefined ||
      this.#closing !== undefined ||
      inGroup >= this.#limits.maxConnectionsPerAddress ||
      (this.#connections.size >= this.#limits.maxConnections && !this.#displaceOne(now))
    ) {
      this.#host.count("tcp-refused");
      socket.on("error", () => {});
      // Closing in good order would keep the connection in the kernel.
      socket.resetAndDestroy();
      return;
    }
    this.#perGroup.set(group, inGroup + 1);
    this.#connections.add(new TcpConnection(socket, address, group, this.#host, now));
    this.#host.count("tcp-opened");
    // One timer for all connections, and only while there are any.
    if (this.#checker !== undefined) return;
    this.#checkedAt = now;
    this.#checker = setInterval(() => this.#check(), this.#checkInterval).unref();
  }

  /** Closes the connection that has been idle longest. False if none may be closed. */
  #displaceOne(now: number): boolean {
    for (const connection of this.#connections) {
      if (now - connection.activeAt < LEAST_STAY) continue;
      if (!connection.isIdle) continue;
      connection.close("tcp-displaced");
      return true;
    }
    return false;
  }

  #forget(connection: TcpConnection, count: (event: ListenerEvent) => void): void {
    if (!this.#connections.delete(connection)) return;
    count("tcp-closed");
    const left = (this.#perGroup.get(connection.group) ?? 1) - 1;
    if (left > 0) this.#perGroup.set(connection.group, left);
    else this.#perGroup.delete(connection.group);
    if (this.#connections.size > 0) return;
    clearInterval(this.#checker);
    this.#checker = undefined;
  }

  #check(): void {
    const now = performance.now();
    const since = now - this.#checkedAt;
    this.#checkedAt = now;
    // This process was held up, and perhaps the askers were not: what they sent is read before the next check.
    this.#isCheckPutOff = !this.#isCheckPutOff && since > 2 * this.#checkInterval + 20;
    if (this.#isCheckPutOff) return;
    for (const connection of [...this.#connections]) connection.check(now, this.idleTimeout);
  }

  #scheduleTurn(): void {
    if (this.#isTurnAhead) return;
    this.#isTurnAhead = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnAhead = false;
    this.#queriesLeft = QUERIES_PER_TURN;
    const queue = this.#queue;
    this.#queue = [];
    const share = Math.floor(QUERIES_PER_TURN / queue.length);
    this.#share = Math.max(LEAST_PER_CONNECTION, Math.min(MOST_PER_CONNECTION, share));
    let i = 0;
    for (; i < queue.length && this.#queriesLeft > 0; i++) queue[i]?.pump();
    // Who had no turn comes before who had one.
    if (i < queue.length) this.#queue = [...queue.slice(i), ...this.#queue];
  }
}
