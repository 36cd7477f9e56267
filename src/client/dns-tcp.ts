import { connect, type Socket } from "node:net";
import { readUint16 } from "../dns/message.ts";
import { concatBytes } from "../vindex/bytes.ts";
import type { AbortHub } from "./abort-hub.ts";
import { type Fail, MAX_STRANGERS, type Peer } from "./dns-peer.ts";

/** Queries under way on one connection. */
const MAX_PENDING = 64;
const LENGTH_BYTES = 2;
const MAX_FRAME_LENGTH = LENGTH_BYTES + 65_535;

/** One query by TCP. */
export interface TcpExchange {
  readonly query: Uint8Array;
  /** True if a message is the reply to it. */
  readonly isReply: (message: Uint8Array) => boolean;
  readonly fail: Fail;
  readonly signal: AbortSignal | undefined;
  readonly hub: AbortHub;
}

/** What is waited for on a connection. */
interface Pending {
  readonly exchange: TcpExchange;
  readonly settle: (outcome: { message: Uint8Array } | { error: unknown } | "lost") => void;
}

/**
 * Asks one address by TCP (RFC 7766): queries at a time share a connection, replies may come in any order, and the connection
 * ends with the last of them, so that nothing is left open.
 */
export class TcpPeer {
  readonly #peer: Peer;
  readonly #timeout: number;
  #connections: TcpConnection[] = [];
  #isClosed = false;

  /** `timeout`: milliseconds for one query, connection included. */
  constructor(peer: Peer, timeout: number) {
    this.#peer = peer;
    this.#timeout = timeout;
  }

  /** Ends all connections; what is under way on them fails, and nothing is asked any more. */
  close(): void {
    this.#isClosed = true;
    for (const connection of this.#connections) connection.close();
  }

  /** Brings the reply to a query. */
  exchange(exchange: TcpExchange): Promise<Uint8Array> {
    const { fail, signal, hub } = exchange;
    return new Promise<Uint8Array>((resolve, reject) => {
      if (this.#isClosed) return reject(fail("is not asked by TCP any more: the transport is closed"));
      let isSecond = false;
      let leave: (() => void) | undefined;
      let pending: Pending | undefined;
      let connection: TcpConnection | undefined;
      const end = (): void => {
        clearTimeout(timer);
        leave?.();
        if (pending !== undefined) connection?.drop(pending);
      };
      const settle: Pending["settle"] = (outcome) => {
        // A server may close a connection whenever it likes: what was asked over one that had been used is asked once more.
        if (outcome === "lost" && connection?.wasUsed === true && !isSecond && !this.#isClosed) {
          isSecond = true;
          return begin();
        }
        end();
        if (outcome === "lost") reject(fail("closed the TCP connection without a reply"));
        else if ("error" in outcome) reject(outcome.error);
        else resolve(outcome.message);
      };
      const begin = (): void => {
        connection = this.#take();
        pending = { exchange, settle };
        connection.add(pending);
      };
      const timer = setTimeout(() => {
        // Whoever comes next does not wait behind what got stuck.
        connection?.retire();
        settle({ error: fail(`did not answer by TCP within ${this.#timeout} ms`) });
      }, this.#timeout);
      begin();
      leave = hub.listen(signal, () => settle({ error: signal?.reason }));
    });
  }

  #take(): TcpConnection {
    const open = this.#connections.find((connection) => connection.hasRoom);
    if (open !== undefined) return open;
    const made = new TcpConnection(this.#peer, () => {
      this.#connections = this.#connections.filter((connection) => connection !== made);
    });
    this.#connections.push(made);
    return made;
  }
}

class TcpConnection {
  readonly #socket: Socket;
  readonly #pending = new Set<Pending>();
  readonly #onEnd: () => void;
  readonly #frame = new Uint8Array(MAX_FRAME_LENGTH);
  #filled = 0;
  #strangers = 0;
  #isOpen = true;
  #isRetired = false;
  /** True after the first reply. */
  wasUsed = false;

  constructor(peer: Peer, onEnd: () => void) {
    this.#onEnd = onEnd;
    this.#socket = connect({ host: peer.address, port: peer.port, noDelay: true });
    this.#socket.on("error", (cause) =>
      this.#end(({ exchange }) => ({ error: exchange.fail("cannot be reached by TCP", cause) })),
    );
    this.#socket.on("close", () => this.#end(() => "lost"));
    this.#socket.on("data", (chunk) => this.#read(chunk));
  }

  get hasRoom(): boolean {
    return this.#isOpen && !this.#isRetired && this.#pending.size < MAX_PENDING;
  }

  add(pending: Pending): void {
    this.#pending.add(pending);
    const { query } = pending.exchange;
    this.#socket.write(concatBytes(Uint8Array.of(query.length >> 8, query.length & 0xff), query));
  }

  /** Takes no more queries. */
  retire(): void {
    this.#isRetired = true;
  }

  /** Nobody waits for it any more; with the last the connection ends. */
  drop(pending: Pending): void {
    this.#pending.delete(pending);
    if (this.#pending.size === 0) this.close();
  }

  close(): void {
    this.#end(() => "lost");
  }

  #end(outcome: (pending: Pending) => Parameters<Pending["settle"]>[0]): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#socket.destroy();
    this.#onEnd();
    const left = [...this.#pending];
    this.#pending.clear();
    for (const pending of left) pending.settle(outcome(pending));
  }

  /** Every byte is copied once, however small the pieces are that it comes in. */
  #read(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && this.#isOpen; ) {
      const wanted = this.#filled < LENGTH_BYTES ? LENGTH_BYTES : LENGTH_BYTES + readUint16(this.#frame, 0);
      const part = chunk.subarray(at, at + wanted - this.#filled);
      this.#frame.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < LENGTH_BYTES) return;
      if (this.#filled === LENGTH_BYTES + readUint16(this.#frame, 0)) {
        const message = this.#frame.slice(LENGTH_BYTES, this.#filled);
        this.#filled = 0;
        this.#take(message);
      }
    }
  }

  #take(message: Uint8Array): void {
    for (const pending of this.#pending) {
      if (!pending.exchange.isReply(message)) continue;
      this.wasUsed = true;
      pending.settle({ message });
      return;
    }
    if (++this.#strangers === MAX_STRANGERS) {
      this.#end(({ exchange }) => ({ error: exchange.fail("sends replies to something else by TCP") }));
    }
  }
}
