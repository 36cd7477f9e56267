import { type DohLimits, dohBindError } from "../doh/listener.ts";
import type { TlsFiles } from "../doh/tls-files.ts";
import type { BindAddress } from "../listener.ts";
import type { Protocol } from "./protocol.ts";
import { assertPortFree, type ReusePort } from "./reuse-port.ts";
import type { Thread } from "./thread.ts";

/** Which sockets a thread has. */
export interface Role {
  readonly udp: boolean;
  readonly tcp: boolean;
}

/** How often a free port is looked for that all sockets can have. */
const PORT_TRIES = 32;

/** A socket each for all threads where sockets can share a port; else the first has that of UDP, the second that of TCP. */
export function assignRoles(threads: number, reusePort: ReusePort): Role[] {
  const tcp = Math.min(1, threads - 1);
  return Array.from({ length: threads }, (_, i) => ({
    udp: reusePort.udp || i === 0,
    tcp: reusePort.tcp || i === tcp,
  }));
}

/**
 * Binds the sockets of all threads to one port, which it gives; port 0 of `where` is any that is free for all. Rejects
 * with the error of the one that failed; then nothing is bound.
 */
export async function bindThreads(
  threads: readonly Thread[],
  roles: readonly Role[],
  where: BindAddress,
  reusePort: ReusePort,
): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      return await bindAll(threads, roles, where, reusePort);
    } catch (error) {
      await unbind(threads, ["udp", "tcp"]);
      const isTaken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
      if (!isTaken || where.port !== 0 || tries === PORT_TRIES) throw error;
    }
  }
}

/** Binds the sockets of one thread again, after those of another had the port. */
export async function bindThread(
  thread: Thread,
  role: Role,
  address: BindAddress,
  reusePort: ReusePort,
): Promise<void> {
  if (role.tcp) await thread.request({ kind: "bind", protocol: "tcp", address, reusePort: reusePort.tcp });
  if (role.udp) await thread.request({ kind: "bind", protocol: "udp", address, reusePort: reusePort.udp });
}

/** How DNS over HTTPS is bound in a thread. */
export interface DohBinding {
  readonly tls: TlsFiles | undefined;
  readonly limits: DohLimits;
}

/**
 * Binds DNS over HTTPS in all threads that have TCP, at each of some addresses, which it gives with the ports that are bound.
 * `isShared`: the threads share ports, which must be free. Addresses that it gave may be bound again, in another thread.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`, `KEY_UNUSABLE`
 */
export async function bindDoh(
  threads: readonly Thread[],
  roles: readonly Role[],
  addresses: readonly BindAddress[],
  isShared: boolean,
  binding: DohBinding,
): Promise<BindAddress[]> {
  const listening = threads.filter((_, i) => roles[i]?.tcp);
  const bound: BindAddress[] = [];
  for (const wanted of addresses) {
    let address: BindAddress = { ...wanted, reusePort: isShared || wanted.reusePort === true };
    try {
      if (isShared && wanted.port !== 0) await assertPortFree("tcp", wanted);
      for (const thread of listening) {
        const port = await thread.request({ kind: "bind-doh", address, ...binding });
        address = { ...address, port };
      }
    } catch (error) {
      throw dohBindError(wanted, error);
    }
    bound.push(address);
  }
  return bound;
}

async function unbind(threads: readonly Thread[], protocols: readonly Protocol[]): Promise<void> {
  for (const thread of threads) {
    // A thread that has ended has nothing bound.
    for (const protocol of protocols) await thread.request({ kind: "unbind", protocol }).catch(() => 0);
  }
}

async function bindAll(
  threads: readonly Thread[],
  roles: readonly Role[],
  where: BindAddress,
  reusePort: ReusePort,
): Promise<number> {
  const bind = async (i: number, protocol: "udp" | "tcp", address: BindAddress): Promise<number> =>
    (threads[i] as Thread).request({ kind: "bind", protocol, address, reusePort: reusePort[protocol] });
  const all = (protocol: "udp" | "tcp"): number[] => threads.flatMap((_, i) => (roles[i]?.[protocol] ? [i] : []));
  const [first, ...others] = all("tcp");
  if (first === undefined) throw new RangeError("no thread has a TCP socket");
  // TCP first: with port 0 the kernel gives a port that no other socket shares, and fewer are taken than of UDP.
  if (reusePort.tcp && where.port !== 0) await assertPortFree("tcp", where);
  const port = await bind(first, "tcp", where);
  const address = { ...where, port };
  if (reusePort.udp) await assertPortFree("udp", address);
  for (const i of others) await bind(i, "tcp", address);
  for (const i of all("udp")) await bind(i, "udp", address);
  return port;
}
