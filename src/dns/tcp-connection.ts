import type { Socket } from "node:net";
import { concatBytes } from "../vindex/bytes.ts";
import type { FrameBatch } from "./frame-batch.ts";
import type { ListenerEvent, Respond } from "./listener.ts";
import { readUint16 } from "./message.ts";

export { FrameBatch } from "./frame-batch.ts";

/** Longest query. A question and an OPT with cookie and padding take a tenth of it. */
const MAX_QUERY_LENGTH = 4096;
/** Bytes of replies that a connection may have unread before its queries wait. */
const MAX_UNREAD = 64 * 1024;
/** Bytes of queries that are kept while they wait; then nothing is read. What one read brings comes on top: 64 KiB. */
const MAX_UNANSWERED = 16 * 1024;
/** Milliseconds for which a connection that this side ended waits for the other side, so that its replies arrive. */
const LINGER = 1000;
/** Bytes that are read and thrown away meanwhile. */
const MAX_DISCARDED = 256 * 1024;
/** Milliseconds by which a connection's place in the order of activity may be wrong. */
const ORDER_PRECISION = 50;

/** What a connection has of its listener. */
export interface ConnectionHost {
  /** Must not throw, nor its promises reject. */
  readonly respond: Respond;
  /** Shared by all connections: each fills and writes it within one synchronous turn. */
  readonly batch: FrameBatch;
  /** Promised replies of one connection at a time; its other queries wait. */
  readonly maxPromised: number;
  readonly maxQueries: number;
  /** Milliseconds for which replies may be unread without progress. */
  readonly writeTimeout: number;
  /** Unix seconds. */
  now(): number;
  /** Milliseconds that a connection may be idle just now. */
  idleTimeout(): number;
  /** Queries that one connection may answer in one turn of the event loop, so that pipelining starves nobody. */
  share(): number;
  /** True if there may be one more query in this turn, of any connection. */
  takeTurn(): boolean;
  /** Has `pump` called in the next turn. */
  enqueue(connection: TcpConnection): void;
  /** The connection is the one that was active last. */
  touch(connection: TcpConnection): void;
  /** The connection is closed, or about to be. May be called more than once. */
  forget(connection: TcpConnection): void;
  count(event: ListenerEvent): void;
}

/** Why a connection stopped taking queries: there is no whole one, or it has to wait. */
type Wait = "query" | "turn" | "promises" | "reader";

/**
 * One connection (RFC 7766): frames of a two-byte length and a query in, frames of a reply out, in the order in which
 * the replies are ready. What is kept of it is bounded: on this side about 100 KiB of queries and 200 KiB of replies, and
 * `maxPromised` replies more.
 */
export class TcpConnection {
  /** What it is counted by (`addressGroup`). */
  readonly group: number | string;
  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #asker: { transport: "tcp"; address: Uint8Array; keepalive: number };
  /** What was read and is not answered yet, from `#at`. Never written to: queries alias it. */
  #input: Uint8Array = NOTHING;
  #at = 0;
  #wait: Wait = "query";
  #isQueued = false;
  #queries = 0;
  /** Promised replies that are not settled. */
  #promised = 0;
  /** Settled ones that are not written. */
  #settled: Uint8Array[] = [];
  /** The peer sends no more. */
  #isEnded = false;
  /** Nothing more is taken from the peer. */
  #isDeaf = false;
  #isRefused = false;
  #discarded = 0;
  #isClosed = false;
  /** When this side was ended, once everything was written; in milliseconds of the process, as the others. */
  #lingerFrom: number | undefined;
  #activeAt: number;
  /** When it took its place in the listener's order of activity. */
  #placedAt: number;
  /** Unread bytes at the last check, and when they last became fewer. */
  #unread = 0;
  #readAt = 0;

  constructor(socket: Socket, address: Uint8Array, group: number | string, host: ConnectionHost, now: number) {
    this.group = group;
    this.#socket = socket;
    this.#host = host;
    this.#asker = { transport: "tcp", address, keepalive: 0 };
    this.#activeAt = now;
    this.#placedAt = now;
    // Resets are everyday, and end in "close".
    socket.on("error", () => {});
    socket.on("close", () => this.#forget());
    socket.on("data", (chunk: Uint8Array) => this.#read(chunk));
    socket.on("drain", () => this.#drained());
    socket.on("end", () => {
      this.#isEnded = true;
      this.pump();
    });
  }

  /** When it was opened, or last had a reply; milliseconds of the process. */
  get activeAt(): number {
    return this.#activeAt;
  }

  /** True if it waits for nothing but its asker. Part of a query does not make it busy. */
  get isIdle(): boolean {
    return this.#wait === "query" && this.#promised === 0 && !this.#isQueued && this.#socket.writableLength === 0;
  }

  /**
   * Writes the replies that are ready, and answers the whole queries in hand, as many as one turn, an asker that does
   * not read and promises allow.
   */
  pump(): void {
    if (this.#isClosed) return;
    this.#isQueued = false;
    this.#host.batch.clear();
    let isActive = this.#settled.length > 0;
    for (const reply of this.#settled) this.#host.batch.add(reply, this.#socket);
    this.#settled = [];
    if (this.#answer()) isActive = true;
    this.#host.batch.write(this.#socket);
    if (isActive) this.#touch(performance.now());
    // The reader may have been quick.
    if (this.#wait === "reader" && this.#socket.writableLength < MAX_UNREAD) this.#wait = "turn";
    if (this.#wait === "turn") this.#enqueue();
    else if (this.#wait === "query") this.#endIfDone();
    if (this.#at > 0) {
      const rest = this.#input.subarray(this.#at);
      // Part of a query is copied, so that it does not keep all that was read with it.
      this.#input = this.#wait === "query" ? new Uint8Array(rest) : rest;
      this.#at = 0;
    }
    this.#throttle();
  }

  /** Takes nothing more from the asker, answers what is in hand and then closes; at once if there is nothing. */
  finish(now: number): void {
    if (this.isIdle && (this.#queries === 0 || now - this.#activeAt >= LINGER)) {
      this.close();
      return;
    }
    this.#isDeaf = true;
    if (!this.#isQueued) this.pump();
  }

  /** Closes it if its time is over at `now`. `writeTimeout` and what `idleTimeout` gives are its times. */
  check(now: number, idleTimeout: number): void {
    // There are replies to write, or queries to answer, that only wait for their turn.
    if (this.#isQueued) return;
    const unread = this.#socket.writableLength;
    if (unread > 0) {
      if (this.#unread === 0 || unread < this.#unread) this.#readAt = now;
      this.#unread = unread;
      if (now - this.#readAt >= this.#host.writeTimeout) this.close("tcp-stalled");
      return;
    }
    this.#unread = 0;
    if (this.#socket.writableEnded) {
      this.#lingerFrom ??= now;
      if (now - this.#lingerFrom >= LINGER) this.close();
    } else if (now - this.#activeAt >= (this.#promised > 0 ? this.#host.writeTimeout : idleTimeout)) {
      this.close("tcp-idle");
    }
  }

  /** Closes it now. */
  close(event?: ListenerEvent): void {
    if (this.#isClosed) return;
    if (event !== undefined) this.#host.count(event);
    this.#forget();
    // The kernel would keep what a peer does not read for many minutes.
    if (event === "tcp-stalled") this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  #forget(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#input = NOTHING;
    for (const _ of this.#settled) this.#host.count("tcp-dropped");
    this.#settled = [];
    this.#host.forget(this);
  }

  #read(chunk: Uint8Array): void {
    if (this.#isClosed) return;
    if (this.#isDeaf) {
      this.#discarded += chunk.length;
      if (this.#discarded > MAX_DISCARDED) this.close();
      return;
    }
    // Not a Buffer, whose slice() is no copy.
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    this.#input = this.#input.length === 0 ? bytes : concatBytes(this.#input, bytes);
    if (this.#wait === "query" && !this.#isQueued) this.pump();
    else this.#throttle();
  }

  /** Takes whole queries from the input until something has to be waited for. True if one had a reply. */
  #answer(): boolean {
    const { batch, respond, maxPromised, maxQueries } = this.#host;
    const share = this.#host.share();
    const socket = this.#socket;
    let answered = false;
    for (let taken = 0; ; taken++) {
      const input = this.#input;
      const at = this.#at;
      this.#wait = "query";
      if (this.#queries >= maxQueries) return this.#refuseRest(answered);
      if (input.length - at < 2) return answered;
      const length = readUint16(input, at);
      if (length > MAX_QUERY_LENGTH) return this.#refuseRest(answered);
      const end = at + 2 + length;
      if (input.length < end) return answered;
      if (socket.writableLength >= MAX_UNREAD) this.#wait = "reader";
      else if (this.#promised >= maxPromised) this.#wait = "promises";
      else if (taken >= share || !this.#host.takeTurn()) this.#wait = "turn";
      if (this.#wait !== "query") return answered;
      this.#at = end;
      this.#queries++;
      const isLast = this.#isDeaf || this.#queries >= maxQueries;
      this.#asker.keepalive = isLast ? 0 : Math.min(65_535, Math.floor(this.#host.idleTimeout() / 100));
      const reply = respond(input.subarray(at + 2, end), this.#asker, this.#host.now());
      if (reply instanceof Promise) this.#promise(reply);
      else if (reply !== undefined) {
        batch.add(reply, socket);
        answered = true;
      }
    }
  }

  /** Nothing more is taken; replies are still written, and promises kept. */
  #refuseRest(answered: boolean): boolean {
    this.#at = this.#input.length;
    if (!this.#isRefused) this.#host.count("tcp-ended");
    this.#isRefused = true;
    this.#isDeaf = true;
    return answered;
  }

  #promise(promised: Promise<Uint8Array | undefined>): void {
    this.#promised++;
    const settle = (reply: Uint8Array | undefined): void => {
      this.#promised--;
      if (this.#isClosed) {
        if (reply !== undefined) this.#host.count("tcp-dropped");
        return;
      }
      if (reply !== undefined) this.#settled.push(reply);
      // Others may settle in the same turn: they leave in one write.
      this.#enqueue();
    };
    promised.then(settle, () => settle(undefined));
  }

  #enqueue(): void {
    if (this.#isQueued) return;
    this.#isQueued = true;
    this.#host.enqueue(this);
  }

  #drained(): void {
    if (this.#isClosed) return;
    this.#touch(performance.now());
    if (this.#wait === "reader") this.#enqueue();
  }

  #touch(now: number): void {
    this.#activeAt = now;
    this.#readAt = now;
    if (now - this.#placedAt < ORDER_PRECISION) return;
    this.#placedAt = now;
    this.#host.touch(this);
  }

  #endIfDone(): void {
    if (!(this.#isEnded || this.#isDeaf) || this.#promised > 0 || this.#socket.writableEnded) return;
    this.#socket.end();
  }

  /** Reads from the socket or not. */
  #throttle(): void {
    const socket = this.#socket;
    if (this.#wait !== "query" && this.#input.length > MAX_UNANSWERED) socket.pause();
    else if (socket.isPaused()) socket.resume();
  }
}

const NOTHING = new Uint8Array(0);
