import { createSocket } from "node:dgram";
import type { AbortHub } from "./abort-hub.ts";
import { type Fail, MAX_STRANGERS, type Peer } from "./dns-peer.ts";

/**
 * What to do about a datagram: it is the reply; it is something else, to be read past; the query is to be sent again at once; or the
 * reply is to be asked for by TCP.
 */
export type DatagramVerdict = "reply" | "stranger" | "again" | "tcp";

/** Times that a server may make a query be sent again at once. */
const MAX_AGAIN = 2;

/** One query by UDP. */
export interface UdpExchange {
  readonly peer: Peer;
  /** The bytes to send, each time that they are sent; ID and question stay the same. */
  readonly makeQuery: () => Uint8Array;
  /** Milliseconds that each try waits. */
  readonly timeouts: readonly number[];
  readonly judge: (message: Uint8Array) => DatagramVerdict;
  /** Called before each try, with its number from 0. */
  readonly onTry?: (tries: number) => void;
  readonly fail: Fail;
  readonly signal: AbortSignal | undefined;
  readonly hub: AbortHub;
}

/**
 * Sends a query from a port of its own, once for each of `timeouts`, until a datagram replies to it. Undefined if it is to be
 * asked by TCP: it was judged so, or only datagrams that may be someone else's came.
 */
export async function exchangeUdp(exchange: UdpExchange): Promise<Uint8Array | undefined> {
  const { peer, makeQuery, timeouts, judge, onTry, fail, signal, hub } = exchange;
  const socket = createSocket(peer.family === 6 ? "udp6" : "udp4");
  let timer: NodeJS.Timeout | undefined;
  let leave: (() => void) | undefined;
  try {
    return await new Promise<Uint8Array | undefined>((resolve, reject) => {
      let strangers = 0;
      let again = 0;
      let tries = 0;
      const send = (): void => {
        socket.send(makeQuery(), (error) => {
          if (error !== null) reject(fail("cannot be reached", error));
        });
      };
      const next = (): void => {
        const timeout = timeouts[tries];
        if (timeout === undefined) {
          reject(fail(`did not answer ${tries} ${tries === 1 ? "query" : "queries"} by UDP`));
          return;
        }
        onTry?.(tries);
        tries++;
        timer = setTimeout(next, timeout);
        send();
      };
      // A connected socket hears of closed ports and missing routes.
      socket.on("error", (error) => reject(fail("cannot be reached", error)));
      socket.on("message", (message) => {
        switch (judge(message)) {
          case "reply":
            return resolve(message);
          case "tcp":
            return resolve(undefined);
          case "again":
            return ++again > MAX_AGAIN ? resolve(undefined) : send();
          case "stranger":
            if (++strangers === MAX_STRANGERS) reject(fail("is drowned in messages that reply to something else"));
        }
      });
      leave = hub.listen(signal, () => reject(signal?.reason));
      // Without a route this calls back with an error, which the types do not tell.
      socket.connect(peer.port, peer.address, (error?: unknown) => {
        if (error === undefined || error === null) next();
        else reject(fail("cannot be reached", error));
      });
    });
  } finally {
    clearTimeout(timer);
    leave?.();
    socket.removeAllListeners("message");
    socket.close();
  }
}
