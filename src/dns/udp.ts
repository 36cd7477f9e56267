import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import type { Log, Respond } from "./server.ts";

/** Replies that may wait for the socket to take them. Beyond this a reply is dropped: the asker will ask again. */
const MAX_QUEUED_REPLIES = 1024;
/** Asked for; the kernel may give less (net.core.rmem_max). A burst must survive one long turn of the event loop. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;

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

  private constructor(socket: Socket, respond: Respond, log: Log, now: () => number) {
    this.#socket = socket;
    this.#respond = respond;
    this.#log = log;
    this.#now = now;
  }

  /** Binds `address`, an IP address. Rejects with the error of bind(2). */
  static async bind(
    address: { readonly address: string; readonly family: 4 | 6; readonly port: number },
    respond: Respond,
    log: Log,
    now: () => number,
  ): Promise<UdpListener> {
    const socket = createSocket({ type: address.family === 6 ? "udp6" : "udp4", reuseAddr: false });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", (error) => {
        socket.close();
        reject(error);
      });
      socket.bind({ address: address.address, port: address.port, exclusive: true }, resolve);
    });
    const listener = new UdpListener(socket, respond, log, now);
    socket.removeAllListeners("error");
    // Nothing that a socket reports later is about one query; it goes on listening.
    socket.on("error", (error) => log("UDP socket", error));
    socket.on("message", (message, from) => listener.handle(message, from));
    try {
      socket.setRecvBufferSize(RECEIVE_BUFFER);
    } catch (error) {
      log("UDP receive buffer", error);
    }
    return listener;
  }

  /** Answers one datagram. Never throws. */
  handle(message: Uint8Array, from: Pick<RemoteInfo, "address" | "port">): void {
    // Port 0 is nobody's, and send() would throw for it.
    if (from.port === 0) return;
    try {
      if (this.#socket.getSendQueueCount() >= MAX_QUEUED_REPLIES) return;
      const reply = this.#respond(message, "udp", this.#now());
      // The callback takes what send(2) says (no route, refused): one asker's loss, and nobody's news.
      if (reply !== undefined) this.#socket.send(reply, from.port, from.address, () => {});
    } catch (error) {
      this.#log("UDP reply", error);
    }
  }

  /** Stops reading, gives queued replies up to `timeout` milliseconds to leave, and closes. */
  async close(timeout: number): Promise<void> {
    const socket = this.#socket;
    socket.removeAllListeners("message");
    const end = Date.now() + timeout;
    while (socket.getSendQueueCount() > 0 && Date.now() < end) await new Promise((next) => setTimeout(next, 10));
    await new Promise<void>((closed) => socket.close(closed));
  }
}
