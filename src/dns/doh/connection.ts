import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { ListenerEvent } from "../listener.ts";

/** Bytes of replies that a connection may have unread; then its requests are refused, to be made again. */
const MAX_UNREAD = 256 * 1024;
/** Bytes of replies that a connection may have unread when those that were promised are there; what is beyond is not sent. */
const MAX_UNREAD_IN_ALL = 1024 * 1024;
/** Requests of one HTTP/1.1 connection that may be unanswered: browsers send one at a time. */
const MAX_PIPELINED = 32;
/** Streams that may be reset before their reply was sent, beyond as many as were answered (CVE-2023-44487). */
const MAX_RESETS = 100;

/** What a connection has of its listener. */
export interface DohConnectionHost {
  readonly maxQueries: number;
  /** The connection was active last. */
  touch(connection: DohConnection): void;
  count(event: ListenerEvent): void;
}

/**
 * What is known of one connection, whichever HTTP it speaks. Only a DNS reply that was sent whole prolongs its life
 * (spec/dns.md §5.3), so a handshake, head, body or frame that comes bit by bit needs no bound of its own.
 */
export class DohConnection {
  readonly address: Uint8Array;
  /** What it is counted by (`addressGroup`). */
  readonly group: number | string;
  readonly #socket: Socket;
  readonly #host: DohConnectionHost;
  /** What HTTP is spoken over: the socket, or TLS on it. */
  #stream: Socket;
  #session: ServerHttp2Session | undefined;
  #activeAt: number;
  /** Requests that are not answered, or whose replies are not sent. */
  #open = 0;
  #unread = 0;
  #taken = 0;
  #answered = 0;
  #resets = 0;
  /** No further request is taken. */
  #isLast = false;
  /** This side has said goodbye. */
  #isEnding = false;

  constructor(socket: Socket, address: Uint8Array, group: number | string, host: DohConnectionHost, now: number) {
    this.#socket = socket;
    this.#stream = socket;
    this.address = address;
    this.group = group;
    this.#host = host;
    this.#activeAt = now;
  }

  /** Milliseconds of the process: when it was made, or a DNS reply last sent. */
  get activeAt(): number {
    return this.#activeAt;
  }

  /** True if no request is in hand. */
  get isIdle(): boolean {
    return this.#open === 0;
  }

  /** True if this side has ended it, or will as soon as its last reply is sent. */
  get isLast(): boolean {
    return this.#isLast;
  }

  /** The connection speaks TLS. */
  set stream(stream: Socket) {
    this.#stream = stream;
  }

  /** The connection speaks HTTP/2. */
  set session(session: ServerHttp2Session) {
    this.#session = session;
  }

  /** Notes a request; false if it is not to be taken: it was not looked at, and may be made again. */
  begin(): boolean {
    if (this.#isLast) return false;
    if (this.#unread >= MAX_UNREAD) {
      // By HTTP/1.1 only the end of the connection says so.
      if (this.#session === undefined) this.#isLast = true;
      return false;
    }
    this.#open++;
    this.#taken++;
    const isFull = this.#session === undefined && this.#open >= MAX_PIPELINED;
    if (isFull || this.#taken >= this.#host.maxQueries) this.#isLast = true;
    return true;
  }

  /** Notes that a reply of so many bytes is on its way; false if it must not be, for too many are unread. */
  reply(bytes: number): boolean {
    if (this.#unread + bytes > MAX_UNREAD_IN_ALL) return false;
    this.#unread += bytes;
    return true;
  }

  /**
   * Notes the end of a request that `begin` took. `bytes` are those that `reply` noted, 0 if there was no reply; `isSent` if
   * all of it was sent, `isQuery` if it was a DNS message.
   */
  end(bytes: number, isSent: boolean, isQuery: boolean): void {
    this.#open--;
    this.#unread -= bytes;
    if (!isSent) this.reset();
    else {
      this.#answered++;
      if (isQuery) {
        this.#activeAt = performance.now();
        this.#host.touch(this);
      }
    }
    if (this.#isLast && this.#open === 0) this.finish();
  }

  /** Notes a request that its asker gave up. */
  reset(): void {
    if (++this.#resets <= this.#answered + MAX_RESETS || this.#socket.destroyed) return;
    this.#host.count("doh-ended");
    this.destroy();
  }

  /** Takes nothing more, and ends when what was taken is answered. */
  finish(): void {
    this.#isLast = true;
    if (this.#session !== undefined) {
      // Says so at once (GOAWAY), and ends with the last stream.
      if (!this.#session.closed) this.#session.close();
    } else if (this.#open === 0) this.#stream.end();
  }

  /** To be called now and then: ends what has been idle for too long. */
  check(now: number, idleTimeout: number): void {
    if (now - this.#activeAt < idleTimeout) return;
    if (this.#isEnding) {
      this.destroy();
      return;
    }
    this.#isEnding = true;
    this.#host.count("doh-idle");
    // Who has not read for so long would not read a goodbye.
    if (this.#open > 0) this.destroy();
    else this.finish();
  }

  /** Ends it at once. */
  destroy(): void {
    this.#isLast = true;
    this.#stream.destroy();
    this.#socket.destroy();
  }
}
