import { createSocket, type RemoteInfo, type Socket, type SocketOptions } from "node:dgram";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { type Asker, parseAskerAddress } from "./asker.ts";
import {
  type BindAddress,
  guardRespond,
  type ListenerEvent,
  type ListenerOptions,
  type Log,
  type Respond,
} from "./listener.ts";

/** Options of a `UdpListener`. */
export interface UdpOptions extends ListenerOptions {
  /** Bytes of the receive buffer that is asked for; the kernel may give less (net.core.rmem_max). Default 4 MiB. */
  readonly receiveBuffer?: number;
}

/** Replies that may wait for the socket to take them. Beyond this a reply is dropped: the asker will ask again. */
const MAX_QUEUED_REPLIES = 1024;
/** Promised replies at a time; beyond this they are dropped. */
const MAX_PROMISED_REPLIES = 4096;
/** A burst must survive one long turn of the event loop. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;
/** Longer replies than this are copied to memory of their own; none should be. */
const SCRATCH_LENGTH = 2048;
/** Milliseconds for which a closing listener goes on answering, if datagrams do not stop before, and turns that it has at least. */
const DRAIN_TIME = 200;
const DRAIN_TURNS = 32;

/**
 * One UDP socket that answers each datagram with at most one.
 *
 * Bound to a wildcard address of a host with several, replies leave from the address that the kernel chooses, which
 * a resolver may not take: bind to each address by itself there.
 */
export class UdpListener {
  readonly #socket: Socket;
  readonly #respond: Respond;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #onEvent: (event: ListenerEvent) => void;
  /** The asker of the datagram before, and its address as text: a busy resolver comes again and again. */
  #asker: Asker | undefined;
  #askerText = "";
  /** What is sent is copied here: the kernel may take it later, when the bytes of `respond` are others. */
  #scratch = new Uint8Array(SCRATCH_LENGTH);
  /** Upper bound of the replies in the socket's queue: only a call of send() makes it longer. */
  #queued = 0;
  #promised = 0;
  #received = 0;
  #closing: Promise<void> | undefined;
  #isClosed = false;

  private constructor(socket: Socket, options: UdpOptions) {
    this.#socket = socket;
    this.#respond = guardRespond(options.respond, options.log);
    this.#log = options.log;
    this.#now = options.now;
    this.#onEvent = options.onEvent ?? (() => {});
  }

  /** Binds `where`. Rejects with the error of bind(2). */
  static async bind(where: BindAddress, options: UdpOptions): Promise<UdpListener> {
    const socketOptions: SocketOptions & { reusePort?: boolean } = {
      type: where.family === 6 ? "udp6" : "udp4",
      reusePort: where.reusePort === true,
      ipv6Only: where.ipv6Only === true,
      lookup: keepAddress,
    };
    const socket = createSocket(socketOptions);
    await new Promise<void>((resolve, reject) => {
      socket.once("error", (error) => {
        socket.close();
        reject(error);
      });
      socket.bind({ address: where.address, port: where.port, exclusive: true }, resolve);
    });
    const listener = new UdpListener(socket, options);
    socket.removeAllListeners("error");
    // Nothing that a socket reports later is about one query; it goes on listening.
    socket.on("error", (error) => options.log("UDP socket", error));
    socket.on("message", (message, from) => listener.handle(message, from));
    try {
      socket.setRecvBufferSize(options.receiveBuffer ?? RECEIVE_BUFFER);
    } catch (error) {
      options.log("UDP receive buffer", error);
    }
    return listener;
  }

  /** The port that is bound. */
  get port(): number {
    return this.#socket.address().port;
  }

  /** Answers one datagram. Never throws. */
  handle(message: Uint8Array, from: Pick<RemoteInfo, "address" | "port">): void {
    const { address, port } = from;
    this.#received++;
    // Port 0 is nobody's, and send() would throw for it.
    if (port === 0 || this.#isClosed) return;
    try {
      if (this.#queued >= MAX_QUEUED_REPLIES && this.#queueLength() >= MAX_QUEUED_REPLIES) {
        this.#onEvent("udp-dropped");
        return;
      }
      if (address !== this.#askerText) this.#meet(address);
      const asker = this.#asker;
      if (asker === undefined) return;
      // Not a Buffer, whose slice() is no copy.
      const query = new Uint8Array(message.buffer, message.byteOffset, message.length);
      const reply = this.#respond(query, asker, this.#now());
      if (reply instanceof Promise) this.#promise(reply, port, address);
      else if (reply !== undefined) this.#send(reply, port, address);
    } catch (error) {
      this.#log("UDP reply", error);
    }
  }

  /**
   * Answers what has arrived, gives promised and queued replies up to `timeout` milliseconds to leave, and closes. May
   * be called more than once.
   */
  close(timeout: number): Promise<void> {
    this.#closing ??= this.#close(timeout);
    return this.#closing;
  }

  async #close(timeout: number): Promise<void> {
    const begun = performance.now();
    // The kernel's buffer is empty after a turn of the event loop that brought nothing. Askers do not stop, though, for
    // a socket that is closed soon.
    const drainTime = Math.min(timeout, DRAIN_TIME);
    let seen = -1;
    for (let turns = 0; seen !== this.#received; turns += 2) {
      if (turns >= DRAIN_TURNS && performance.now() - begun >= drainTime) break;
      seen = this.#received;
      await nextTurn();
      await nextTurn();
    }
    this.#socket.removeAllListeners("message");
    while (this.#promised + this.#queueLength() > 0 && performance.now() - begun < timeout) await sleep(5);
    this.#isClosed = true;
    await new Promise<void>((closed) => this.#socket.close(closed));
  }

  #meet(text: string): void {
    const address = parseAskerAddress(text);
    this.#asker = address === undefined ? undefined : { transport: "udp", address };
    this.#askerText = text;
  }

  #send(reply: Uint8Array, port: number, address: string): void {
    const { length } = reply;
    if (length > SCRATCH_LENGTH) {
      this.#socket.send(reply.slice(), port, address);
      this.#queueLength();
      return;
    }
    this.#scratch.set(reply);
    // No callback: what send(2) says (no route, refused) is one asker's loss and nobody's news, and a callback costs a
    // tick of each reply.
    this.#socket.send(this.#scratch.subarray(0, length), port, address);
    // Node tries send(2) at once, and queues a reference to the bytes if the socket's buffer is full.
    if (this.#queueLength() > 0) this.#scratch = new Uint8Array(SCRATCH_LENGTH);
  }

  #promise(promised: Promise<Uint8Array | undefined>, port: number, address: string): void {
    if (this.#promised >= MAX_PROMISED_REPLIES) {
      this.#onEvent("udp-dropped");
      return;
    }
    this.#promised++;
    promised
      .then((reply) => {
        this.#promised--;
        if (reply === undefined || this.#isClosed) return;
        if (this.#queueLength() < MAX_QUEUED_REPLIES) this.#send(reply, port, address);
        else this.#onEvent("udp-dropped");
      })
      .catch((error: unknown) => this.#log("UDP reply", error));
  }

  #queueLength(): number {
    this.#queued = this.#socket.getSendQueueCount();
    return this.#queued;
  }
}

/** Instead of the resolver, which takes a tick of the event loop for each reply, though the address is one already. */
function keepAddress(
  address: string,
  family: unknown,
  done: (error: null, address: string, family: number) => void,
): void {
  done(null, address, family as number);
}
