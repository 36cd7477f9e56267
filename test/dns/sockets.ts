import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { ListenerEvent, ListenerOptions, Respond } from "../../src/dns/listener.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { question, u16 } from "./packet.ts";

/** Where a test's server is. */
export interface Where {
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number;
  readonly reusePort?: boolean;
}

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
/** Whether this Node knows the option `reusePort`. */
export const hasReusePort = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);

export const LOOPBACK = { address: "127.0.0.1", family: 4, port: 0 } as const;
export const NOW = 1_800_000_000;

/** A query with an ID that tells it from others. */
export function numbered(id: number): Uint8Array {
  return concatBytes(u16(id), u16(0), u16(1), u16(0), u16(0), u16(0), question("go4.org.l.example.org", 16));
}

export const idOf = (bytes: Uint8Array): number => (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0);
export const rcodeOf = (bytes: Uint8Array | undefined): number => (bytes?.[3] ?? 0xff) & 15;
export const frame = (bytes: Uint8Array): Uint8Array => concatBytes(u16(bytes.length), bytes);
export const pipelined = (ids: readonly number[]): Uint8Array => concatBytes(...ids.map((id) => frame(numbered(id))));
export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

/** A reply to `message` of `length` bytes. */
export function replyTo(message: Uint8Array, length = message.length): Uint8Array {
  const out = new Uint8Array(length);
  out.set(message.subarray(0, Math.min(length, message.length)));
  out[2] = 0x84;
  return out;
}

/** Replies to what has a header and is a query, and to nothing else; from one buffer, as a responder may. */
export function makeEcho(length?: number): Respond {
  const scratch = new Uint8Array(65_535);
  return (message) => {
    if (message.length < 12 || (message[2] as number) >= 0x80) return undefined;
    scratch.fill(0);
    const reply = replyTo(message, length);
    scratch.set(reply);
    return scratch.subarray(0, reply.length);
  };
}

/** Options of a listener that notes what it logs and counts. */
export function noting(respond: Respond): ListenerOptions & {
  readonly logged: string[];
  readonly events: ListenerEvent[];
  readonly counted: (event: ListenerEvent) => number;
} {
  const logged: string[] = [];
  const events: ListenerEvent[] = [];
  return {
    respond,
    log: (what, error) => logged.push(`${what}: ${error}`),
    now: () => NOW,
    onEvent: (event) => events.push(event),
    logged,
    events,
    counted: (event) => events.filter((e) => e === event).length,
  };
}

/** Connects; the socket's errors are nobody's. */
export async function dial(where: Where, localAddress?: string): Promise<Socket> {
  const from = localAddress === undefined ? {} : { localAddress };
  const socket = connect({ host: where.address, port: where.port, noDelay: true, allowHalfOpen: true, ...from });
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** Reads frames until there are `count` of them, or the end, or a reset. */
export async function frames(socket: Socket, count: number): Promise<Uint8Array[]> {
  const out: Uint8Array[] = [];
  const chunks: Uint8Array[] = [];
  if (count === 0) return out;
  let input: Uint8Array = new Uint8Array(0);
  try {
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      chunks.push(chunk as Uint8Array);
      input = concatBytes(input, chunk as Uint8Array);
      let at = 0;
      while (input.length >= at + 2 && input.length >= at + 2 + idOf(input.subarray(at))) {
        const end = at + 2 + idOf(input.subarray(at));
        out.push(input.slice(at + 2, end));
        at = end;
      }
      input = input.slice(at);
      if (out.length >= count) break;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
  }
  return out;
}

/** Waits for a condition, at most `wait` milliseconds; gives whether it holds. */
export async function until(condition: () => boolean, wait = 2000): Promise<boolean> {
  for (const end = performance.now() + wait; performance.now() < end && !condition(); ) await sleep(5);
  return condition();
}

/** Waits for a condition that must come. */
export async function soon(condition: () => boolean, wait = 3000): Promise<void> {
  if (!(await until(condition, wait))) assert.fail(`not after ${wait} ms: ${condition}`);
}

/** Fails if more than `limit` milliseconds have gone since `begun`. */
export function assertQuick(begun: number, limit: number): void {
  const taken = performance.now() - begun;
  if (taken > limit) assert.fail(`${taken.toFixed()} ms, of at most ${limit}`);
}

/** Waits until the other side has ended or reset the connection; reads and forgets what it sends. */
export async function ended(socket: Socket): Promise<void> {
  let isEnded = socket.readableEnded || socket.destroyed;
  socket.on("end", () => {
    isEnded = true;
  });
  socket.on("close", () => {
    isEnded = true;
  });
  socket.resume();
  await soon(() => isEnded);
}

/** One question by TCP on a connection of its own. */
export async function askTcp(where: Where, id: number, localAddress?: string): Promise<Uint8Array | undefined> {
  const socket = await dial(where, localAddress);
  socket.write(frame(numbered(id)));
  const [reply] = await frames(socket, 1);
  socket.destroy();
  return reply;
}

/** One datagram, and the reply to it. */
export async function askUdp(where: Where, bytes: Uint8Array, wait = 2000): Promise<Uint8Array | undefined> {
  const socket = createSocket(where.family === 6 ? "udp6" : "udp4");
  try {
    socket.send(bytes, where.port, where.address);
    const got = await Promise.race([once(socket, "message"), sleep(wait, undefined)]);
    return got === undefined ? undefined : new Uint8Array(got[0] as Buffer);
  } finally {
    socket.close();
  }
}

/** Promises that the test settles. */
export function makeDeferred<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: Error) => void;
} {
  let resolve: (value: T) => void = () => assert.fail();
  let reject: (error: Error) => void = () => assert.fail();
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/**
 * Starts a worker thread with one listener (listener-worker.ts), with options of Node. It closes when it is sent
 * anything.
 */
export async function startWorker(
  transport: "udp" | "tcp",
  where: Where,
  execArgv: string[] = [],
): Promise<{ worker: Worker; where: Where }> {
  // On Node 20 `--import tsx` does not reach a worker thread.
  const boot = `import(${JSON.stringify(import.meta.resolve("tsx/esm/api"))}).then(({ register }) => {
    register();
    return import(${JSON.stringify(new URL("listener-worker.ts", import.meta.url).href)});
  });`;
  const worker = new Worker(boot, { eval: true, execArgv, workerData: { transport, where } });
  const [port] = (await once(worker, "message")) as [number];
  return { worker, where: { address: where.address, family: where.family, port } };
}

/** Waits for so many turns of the event loop. */
export async function sleepTurns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((next) => setImmediate(next));
}
