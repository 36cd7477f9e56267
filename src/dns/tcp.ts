import { createServer, type Server, type Socket } from "node:net";
import { parseIpv6 } from "./address.ts";
import { readUint16 } from "./message.ts";
import type { Log, Respond } from "./server.ts";

/** Bounds of the TCP side; each has a default in `DnsServer`. */
export interface TcpLimits {
  /** Milliseconds without a whole query, or with replies that nobody reads, after which a connection is closed. */
  readonly idleTimeout: number;
  readonly maxConnections: number;
  /** Connections of one IPv4 address, or one IPv6 /64. */
  readonly maxConnectionsPerAddress: number;
}

/** Longest query. A question and an OPT with cookie and padding take a tenth of it. */
const MAX_QUERY_LENGTH = 4096;
/** Replies that a connection may have unread before its queries wait: a few of the longest. */
const MAX_UNREAD = 256 * 1024;
/** Queries of one connection in one turn of the event loop, so that pipelining starves nobody. */
const QUERIES_PER_TURN = 32;

/** A listening TCP socket and its connections (RFC 7766, RFC 9210). */
export class TcpListener {
  readonly #server: Server;
  readonly #connections = new Set<TcpConnection>();
  readonly #perAddress = new Map<string, number>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Binds `address`, an IP address. Rejects with the error of bind(2). */
  static async bind(
    address: { readonly address: string; readonly port: number },
    respond: Respond,
    log: Log,
    now: () => number,
    limits: TcpLimits,
  ): Promise<TcpListener> {
    // A client may close its side after its last query, and still wants the replies.
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const listener = new TcpListener(server);
    server.on("connection", (socket) => listener.#accept(socket, respond, log, now, limits));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: address.address, port: address.port, exclusive: true }, resolve);
    });
    server.removeAllListeners("error");
    // Out of file descriptors, for one: the connection is lost, the server is not.
    server.on("error", (error) => log("TCP socket", error));
    return listener;
  }

  /** The port that is bound. */
  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new TypeError("not a listening TCP socket");
    return address.port;
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  #accept(socket: Socket, respond: Respond, log: Log, now: () => number, limits: TcpLimits): void {
    const group = addressGroup(socket.remoteAddress ?? "");
    const count = this.#perAddress.get(group) ?? 0;
    if (this.#connections.size >= limits.maxConnections || count >= limits.maxConnectionsPerAddress) {
      socket.on("error", () => {});
      socket.destroy();
      return;
    }
    this.#perAddress.set(group, count + 1);
    const connection = new TcpConnection(socket, respond, log, now, limits.idleTimeout);
    this.#connections.add(connection);
    socket.once("close", () => {
      this.#connections.delete(connection);
      const left = (this.#perAddress.get(group) ?? 1) - 1;
      if (left > 0) this.#perAddress.set(group, left);
      else this.#perAddress.delete(group);
    });
  }

  /** Accepts nothing more, lets replies on their way arrive, and after `timeout` milliseconds closes what is left. */
  async close(timeout: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.finish();
    const timer = setTimeout(() => {
      for (const connection of this.#connections) connection.destroy();
    }, timeout);
    await closed;
    clearTimeout(timer);
  }
}

/** One connection: frames of a two-byte length and a query in, frames of a reply out. */
class TcpConnection {
  readonly #socket: Socket;
  readonly #respond: Respond;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  /** What was read and is not answered yet. */
  #input: Buffer = Buffer.alloc(0);
  #waiting = false;
  #ended = false;

  constructor(socket: Socket, respond: Respond, log: Log, now: () => number, idleTimeout: number) {
    this.#socket = socket;
    this.#respond = respond;
    this.#log = log;
    this.#now = now;
    // Bytes alone do not prolong a connection, queries with a reply do: a byte every nine seconds holds nothing open.
    this.#timer = setTimeout(() => socket.destroy(), idleTimeout);
    socket.on("close", () => clearTimeout(this.#timer));
    // Resets are everyday, and end in "close".
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
      if (!this.#waiting) this.#answer();
    });
    socket.on("end", () => {
      this.#ended = true;
      if (!this.#waiting) socket.end();
    });
  }

  /** Answers no more queries, and closes when the replies are written. */
  finish(): void {
    this.#ended = true;
    this.#input = Buffer.alloc(0);
    this.#socket.removeAllListeners("data");
    // Unread bytes would make the kernel reset the connection, and replies on their way with it.
    this.#socket.resume();
    this.#socket.end(() => this.#socket.destroy());
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /**
   * Answers the whole queries in hand, as many as one turn and an asker that does not read allow; the socket is
   * paused while some are left, so that what is kept of a connection is bounded on both sides.
   */
  #answer(): void {
    const socket = this.#socket;
    this.#waiting = false;
    let answered = 0;
    let more = true;
    socket.cork();
    for (let taken = 0; taken < QUERIES_PER_TURN && socket.writableLength < MAX_UNREAD; taken++) {
      const length = this.#input.length < 2 ? 0 : readUint16(this.#input, 0);
      if (length > MAX_QUERY_LENGTH) {
        socket.uncork();
        this.finish();
        return;
      }
      more = this.#input.length >= 2 + length;
      if (!more) break;
      if (this.#reply(this.#input.subarray(2, 2 + length))) answered++;
      this.#input = this.#input.subarray(2 + length);
    }
    // This may write everything at once: what is unread is known only now.
    socket.uncork();
    if (answered > 0) this.#timer.refresh();
    if (more) this.#wait(socket.writableLength >= MAX_UNREAD ? (next) => socket.once("drain", next) : setImmediate);
    else if (this.#ended) socket.end();
    else if (socket.isPaused()) socket.resume();
  }

  #wait(schedule: (next: () => void) => void): void {
    this.#waiting = true;
    this.#socket.pause();
    schedule(() => {
      if (!this.#socket.destroyed) this.#answer();
    });
  }

  /** True if a reply was written. */
  #reply(query: Uint8Array): boolean {
    try {
      const reply = this.#respond(query, "tcp", this.#now());
      if (reply === undefined || !this.#socket.writable) return false;
      // Length and message in one write: two might leave as two segments, which some clients mistake.
      const frame = Buffer.allocUnsafe(2 + reply.length);
      frame.writeUInt16BE(reply.length, 0);
      frame.set(reply, 2);
      this.#socket.write(frame);
      return true;
    } catch (error) {
      this.#log("TCP reply", error);
      return false;
    }
  }
}

/** What connections are counted by: an IPv4 address, or the /64 that an IPv6 host commonly has to itself. */
export function addressGroup(address: string): string {
  const bytes = parseIpv6(address.split("%", 1)[0] ?? "");
  if (bytes === undefined) return address;
  const mapped = bytes.subarray(0, 12).every((b, i) => b === (i < 10 ? 0 : 0xff));
  return mapped ? bytes.subarray(12).join(".") : bytes.subarray(0, 8).join(":");
}
