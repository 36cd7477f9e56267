import type { ListenOptions, Server } from "node:net";
import type { BindAddress } from "./listener.ts";

/** Shortest idle time, in milliseconds, that is left to a connection when all are in use. */
const LEAST_IDLE_TIMEOUT = 1000;

/** Binds a TCP server. Later errors of it go to `onError`. Rejects with the error of bind(2) or listen(2). */
export async function bindTcp(server: Server, where: BindAddress, onError: (error: Error) => void): Promise<void> {
  const listenOptions: ListenOptions & { reusePort?: boolean } = {
    host: where.address,
    port: where.port,
    exclusive: true,
    reusePort: where.reusePort === true,
    ipv6Only: where.ipv6Only === true,
  };
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(listenOptions, resolve);
  });
  server.removeAllListeners("error");
  // Out of file descriptors, for one: the connection is lost, the server is not.
  server.on("error", onError);
}

/** The port that a TCP server is bound to. @throws TypeError if it is bound to none */
export function boundPort(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("not a listening TCP socket");
  return address.port;
}

/** Milliseconds that a connection may be idle while `open` of `most` are in use: less and less from the half on (spec/abuse.md §3). */
export function idleTimeoutNow(idleTimeout: number, open: number, most: number): number {
  const over = open / most - 0.5;
  if (over <= 0) return idleTimeout;
  return idleTimeout - 2 * over * (idleTimeout - Math.min(idleTimeout, LEAST_IDLE_TIMEOUT));
}
