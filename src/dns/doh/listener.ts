import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { performServerHandshake, type ServerOptions } from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { createServer as createTlsServer, type TLSSocket, type TlsOptions, type Server as TlsServer } from "node:tls";
import type { ProofdnsError } from "../../vindex/error.ts";
import { addressGroup, parseAskerAddress } from "../asker.ts";
import { bindError } from "../bind-error.ts";
import { type BindAddress, guardRespond, type ListenerEvent, type ListenerOptions } from "../listener.ts";
import { bindTcp, boundPort, idleTimeoutNow } from "../tcp-bind.ts";
import { DohConnection, type DohConnectionHost } from "./connection.ts";
import { answerHttp1, answerHttp2, type DohAnswerer, MAX_HEAD } from "./exchange.ts";
import { checkTlsFiles, type TlsFiles } from "./tls-files.ts";

/** Bounds of DNS over HTTPS. */
export interface DohLimits {
  /** Milliseconds without a DNS reply that was sent; less when more than half of the connections are in use. Default 10,000. */
  readonly idleTimeout?: number;
  /** Default 256. */
  readonly maxConnections?: number;
  /** Connections of one IPv4 address, or one IPv6 /64; default 64 with TLS; without it all are a proxy's. */
  readonly maxConnectionsPerAddress?: number;
  /** Default 65,536. */
  readonly maxQueriesPerConnection?: number;
}

/** Where and how a server answers by DNS over HTTPS. Plain values. */
export interface DohSettings {
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  /** Undefined for plain HTTP/1.1, behind a proxy. */
  readonly tls: TlsFiles | undefined;
  readonly limits: DohLimits;
}

/** Options of a `DohListener`. */
export interface DohOptions extends ListenerOptions, DohLimits {
  /** Undefined for plain HTTP/1.1, behind a proxy. */
  readonly tls: TlsFiles | undefined;
}

/** Milliseconds that a connection has at least before it may be closed for a new one: a TLS handshake takes some of them. */
const LEAST_STAY = 500;
const CHECK_INTERVAL = 500;
const CLOSING_CHECK_INTERVAL = 20;

const HTTP2_OPTIONS: ServerOptions = {
  maxSessionMemory: 2,
  maxHeaderListPairs: 32,
  maxSessionRejectedStreams: 100,
  maxOutstandingPings: 2,
  maxSettings: 16,
  settings: {
    enablePush: false,
    maxConcurrentStreams: 64,
    maxHeaderListSize: MAX_HEAD,
    // A query fits: nothing larger is ever on its way.
    initialWindowSize: 16_384,
  },
};

const TLS_OPTIONS = {
  minVersion: "TLSv1.2",
  honorCipherOrder: true,
  ALPNProtocols: ["h2", "http/1.1"],
} satisfies TlsOptions;

/** A listening socket of DNS over HTTPS and its connections (spec/dns.md §5, RFC 8484). */
export class DohListener {
  readonly #server: Server;
  readonly #http: HttpServer;
  readonly #limits: Required<DohLimits>;
  readonly #answerer: DohAnswerer;
  readonly #count: (event: ListenerEvent) => void;
  readonly #host: DohConnectionHost;
  /** In the order of their activity: the first are the longest idle. */
  readonly #connections = new Set<DohConnection>();
  readonly #bySocket = new WeakMap<Socket, DohConnection>();
  readonly #perGroup = new Map<number | string, number>();
  readonly #checkInterval: number;
  readonly #tls: TlsServer | undefined;
  /** Connections whose handshake is not done, by the asker's address and port. */
  readonly #shaking = new Map<string, DohConnection>();
  #checker: NodeJS.Timeout | undefined;
  #checkedAt = 0;
  #isCheckPutOff = false;
  #closing: Promise<void> | undefined;

  private constructor(server: Server, options: DohOptions) {
    this.#server = server;
    const { idleTimeout = 10_000, maxConnections = 256, maxQueriesPerConnection = 65_536, tls } = options;
    this.#limits = {
      idleTimeout,
      maxConnections,
      maxConnectionsPerAddress: options.maxConnectionsPerAddress ?? (tls === undefined ? Number.POSITIVE_INFINITY : 64),
      maxQueriesPerConnection,
    };
    this.#checkInterval = Math.min(CHECK_INTERVAL, Math.max(10, idleTimeout / 8));
    this.#count = options.onEvent ?? (() => {});
    this.#tls = tls === undefined ? undefined : this.#makeTls(tls, idleTimeout);
    this.#answerer = {
      respond: guardRespond(options.respond, options.log),
      now: options.now,
      count: this.#count,
    };
    this.#host = {
      maxQueries: maxQueriesPerConnection,
      count: this.#count,
      touch: (connection) => {
        if (this.#connections.delete(connection)) this.#connections.add(connection);
      },
    };
    // It never listens: connections are handed to it. Time is bounded by the connection, whatever is spoken.
    this.#http = createHttpServer(
      { maxHeaderSize: MAX_HEAD, keepAliveTimeout: idleTimeout, headersTimeout: 0, requestTimeout: 0, noDelay: true },
      (request, response) => {
        const connection = this.#bySocket.get(request.socket);
        if (connection !== undefined) answerHttp1(request, response, connection, this.#answerer);
      },
    );
    this.#http.timeout = 0;
  }

  /**
   * Binds `where`.
   *
   * @throws ProofdnsError `KEY_UNUSABLE` if the TLS files cannot be used; else rejects with the error of bind(2) or listen(2)
   */
  static async bind(where: BindAddress, options: DohOptions): Promise<DohListener> {
    const server = createServer({ noDelay: true });
    const listener = new DohListener(server, options);
    server.on("connection", (socket) => listener.#accept(socket));
    await bindTcp(server, where, (error) => options.log("DNS over HTTPS socket", error));
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
   * Uses another certificate for connections to come.
   *
   * @throws ProofdnsError `KEY_UNUSABLE`; then the one before stays
   * @throws TypeError if the listener speaks plain HTTP
   */
  setTls(tls: TlsFiles): void {
    if (this.#tls === undefined) throw new TypeError("there is no TLS here");
    checkTlsFiles(tls);
    this.#tls.setSecureContext({ ...tls, ...TLS_OPTIONS });
  }

  /**
   * Accepts nothing more, answers the queries that have arrived, and after `timeout` milliseconds closes what is left. May be
   * called more than once.
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
    for (const connection of [...this.#connections]) connection.finish();
    clearInterval(this.#checker);
    // Who has not gone soon after the last reply is not waited for.
    this.#checker = setInterval(() => {
      for (const connection of [...this.#connections]) if (connection.isIdle) connection.destroy();
    }, CLOSING_CHECK_INTERVAL);
    const timer = setTimeout(() => {
      for (const connection of [...this.#connections]) connection.destroy();
    }, timeout);
    await closed;
    clearTimeout(timer);
    clearInterval(this.#checker);
    // Their sockets are closed, and say so a moment later.
    for (const connection of [...this.#connections]) this.#forget(connection);
  }

  #accept(socket: Socket): void {
    socket.on("error", () => {});
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
      this.#count("doh-refused");
      // Closing in good order would keep the connection in the kernel.
      socket.resetAndDestroy();
      return;
    }
    const connection = new DohConnection(socket, address, group, this.#host, now);
    this.#perGroup.set(group, inGroup + 1);
    this.#connections.add(connection);
    this.#count("doh-opened");
    socket.once("close", () => this.#forget(connection));
    if (this.#tls === undefined) this.#speakHttp1(socket, connection);
    else {
      const key = keyOf(socket);
      this.#shaking.set(key, connection);
      socket.once("close", () => this.#shaking.delete(key));
      this.#tls.emit("connection", socket);
    }
    // One timer for all connections, and only while there are any.
    if (this.#checker !== undefined) return;
    this.#checkedAt = now;
    this.#checker = setInterval(() => this.#check(), this.#checkInterval).unref();
  }

  /** It never listens either: sockets are handed to it that were counted before. */
  #makeTls(tls: TlsFiles, idleTimeout: number): TlsServer {
    checkTlsFiles(tls);
    // Its own timeout comes after ours.
    const server = createTlsServer({ ...tls, ...TLS_OPTIONS, handshakeTimeout: 2 * idleTimeout + 60_000 });
    server.on("secureConnection", (socket) => {
      const key = keyOf(socket);
      const connection = this.#shaking.get(key);
      this.#shaking.delete(key);
      // A reset is everyday, and the end.
      socket.on("error", () => socket.destroy());
      if (connection === undefined) {
        socket.destroy();
        return;
      }
      connection.stream = socket;
      if (socket.alpnProtocol === "h2") this.#speakHttp2(socket, connection);
      else this.#speakHttp1(socket, connection);
    });
    server.on("tlsClientError", (_, socket) => socket.destroy());
    return server;
  }

  #speakHttp1(socket: Socket, connection: DohConnection): void {
    this.#bySocket.set(socket, connection);
    this.#http.emit("connection", socket);
  }

  #speakHttp2(socket: TLSSocket, connection: DohConnection): void {
    const session = performServerHandshake(socket, HTTP2_OPTIONS);
    connection.session = session;
    session.on("error", () => connection.destroy());
    session.on("close", () => connection.destroy());
    session.on("stream", (stream, headers) => answerHttp2(stream, headers, connection, this.#answerer));
    if (this.#closing !== undefined) connection.finish();
  }

  /** Closes the connection that has been idle longest. False if none may be closed. */
  #displaceOne(now: number): boolean {
    for (const connection of this.#connections) {
      if (now - connection.activeAt < LEAST_STAY || !connection.isIdle) continue;
      this.#count("doh-displaced");
      connection.destroy();
      // Its socket says so later; its place is free now.
      this.#forget(connection);
      return true;
    }
    return false;
  }

  #forget(connection: DohConnection): void {
    if (!this.#connections.delete(connection)) return;
    this.#count("doh-closed");
    const left = (this.#perGroup.get(connection.group) ?? 1) - 1;
    if (left > 0) this.#perGroup.set(connection.group, left);
    else this.#perGroup.delete(connection.group);
    if (this.#connections.size > 0 || this.#closing !== undefined) return;
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
}

/** The error of a listener that cannot be bound, for people. */
export function dohBindError({ address, port }: BindAddress, cause: unknown): ProofdnsError {
  return bindError(`serve DNS over HTTPS on ${address} port ${port}`, "--doh", cause);
}

/** No other open connection has the same. */
function keyOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
