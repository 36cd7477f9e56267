import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import type { BindAddress } from "../listener.ts";
import type { Protocol } from "./protocol.ts";

/** Whether several sockets can be bound to one port so that the kernel divides what comes among them. */
export interface ReusePort {
  readonly udp: boolean;
  readonly tcp: boolean;
}

/**
 * Finds out by binding twice: Node before 22.12 takes the option and ignores it, and some systems have no such option.
 * Binds nothing for longer than that.
 */
export async function testReusePort(address: string, family: 4 | 6): Promise<ReusePort> {
  const [udp, tcp] = await Promise.all([
    canBindTwice(openUdp, address, family),
    canBindTwice(openTcp, address, family),
  ]);
  return { udp, tcp };
}

/**
 * Rejects with the error of bind(2) if the port is another's. Sockets that share a port would take it without an error, and
 * with it a part of the queries of another process of this user.
 */
export async function assertPortFree(protocol: Protocol, address: BindAddress): Promise<void> {
  const bound = await (protocol === "udp" ? openUdp : openTcp)(address, false);
  await bound.close();
}

interface Bound {
  readonly port: number;
  close(): Promise<void>;
}

type Open = (address: BindAddress, reusePort: boolean) => Promise<Bound>;

async function canBindTwice(open: Open, address: string, family: 4 | 6): Promise<boolean> {
  let first: Bound | undefined;
  let second: Bound | undefined;
  try {
    first = await open({ address, family, port: 0 }, true);
    second = await open({ address, family, port: first.port }, true);
    return true;
  } catch {
    return false;
  } finally {
    await first?.close();
    await second?.close();
  }
}

async function openUdp(address: BindAddress, reusePort: boolean): Promise<Bound> {
  const options = { type: address.family === 6 ? "udp6" : "udp4", reusePort } as const;
  const socket = createSocket(options);
  await new Promise<void>((resolve, reject) => {
    socket.once("error", (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address: address.address, port: address.port, exclusive: true }, resolve);
  });
  return { port: socket.address().port, close: () => new Promise((closed) => socket.close(() => closed())) };
}

async function openTcp(address: BindAddress, reusePort: boolean): Promise<Bound> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    const options = { host: address.address, port: address.port, exclusive: true, reusePort };
    server.listen(options, resolve);
  });
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new TypeError("not a listening TCP socket");
  return { port: bound.port, close: () => new Promise((closed) => server.close(() => closed())) };
}
