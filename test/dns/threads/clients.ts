import assert from "node:assert/strict";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { EpochAnswers, type EpochSnapshot } from "../../../src/dns/answers.ts";
import type { ListenAddress } from "../../../src/dns/server.ts";
import { ThreadPool, type ThreadPoolOptions } from "../../../src/dns/threads/pool.ts";
import type { PublishedEpoch } from "../../../src/dns/threads/publication.ts";
import { concatBytes, encodeUtf8 } from "../../../src/vindex/bytes.ts";
import type { FlatTree } from "../../../src/vindex/flat-tree.ts";
import { verifyInclusionProof, verifyNonInclusionProof } from "../../../src/vindex/path-proof.ts";
import { type AnswerPayload, decodeAnswer } from "../../../src/vindex/payload.ts";
import { sha256 } from "../../vindex/samples.ts";
import { flatTreeOf } from "../../vindex/trees.ts";
import { makeData } from "../fake-zone.ts";
import { query, u16 } from "../packet.ts";
import { type FakeConfig, keyOf } from "./fake-responder.ts";

const opened: { close(): unknown }[] = [];

/** Closes what a failed test left: `after(closeAll)`, else the file would not end. */
export async function closeAll(): Promise<void> {
  for (const one of opened.splice(0)) await one.close();
}

/** A pool of the fake responder; what it logs is kept. */
export async function startPool(
  options: Partial<ThreadPoolOptions<FakeConfig>> = {},
): Promise<{ pool: ThreadPool<FakeConfig>; logged: string[] }> {
  const logged: string[] = [];
  const pool = await ThreadPool.start({
    threads: 2,
    port: 0,
    responderModule: new URL("./fake-responder.ts", import.meta.url),
    config: { text: "first" },
    restartDelay: 10,
    log: (what, error) => logged.push(`${what}: ${error instanceof Error ? error.message : String(error)}`),
    ...options,
  });
  opened.push(pool);
  return { pool, logged };
}

/** Asks by UDP from one socket, as many at a time as wanted. */
export class UdpClient {
  readonly #socket: UdpSocket = createSocket("udp4");
  readonly #where: ListenAddress;
  readonly #waiting = new Map<number, (reply: Uint8Array | undefined) => void>();
  #next = 0;
  #isClosed = false;

  constructor(where: ListenAddress) {
    this.#where = where;
    opened.push(this);
    this.#socket.on("error", () => {});
    this.#socket.on("message", (message) => this.#take(message));
  }

  /** The reply to a query for `label`; undefined if none comes within `wait` milliseconds. */
  askWhole(label: string, wait?: number): Promise<Uint8Array | undefined> {
    return this.exchange(query(`${label}.x`), wait);
  }

  /** The reply to a message, which is given an ID. */
  exchange(message: Uint8Array, wait = 3000): Promise<Uint8Array | undefined> {
    const id = this.#next++ & 0xffff;
    message.set(u16(id));
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#take(u16(id)), wait);
      this.#waiting.set(id, (reply) => {
        clearTimeout(timer);
        resolve(reply);
      });
      this.#socket.send(message, this.#where.port, this.#where.address);
    });
  }

  /** What the fake responder says; undefined if no reply comes. */
  async ask(label: string, wait?: number): Promise<Uint8Array | undefined> {
    return (await this.askWhole(label, wait))?.subarray(12);
  }

  async askText(label: string, wait?: number): Promise<string | undefined> {
    return textOf(await this.ask(label, wait));
  }

  close(): void {
    if (!this.#isClosed) this.#socket.close();
    this.#isClosed = true;
  }

  /** A message of two bytes stands for none. */
  #take(message: Uint8Array): void {
    const id = (message[0] ?? 0) * 256 + (message[1] ?? 0);
    const resolve = this.#waiting.get(id);
    this.#waiting.delete(id);
    resolve?.(message.length === 2 ? undefined : new Uint8Array(message));
  }
}

export function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : String.fromCharCode(...bytes);
}

/** Asks by TCP, all in one write; gives the payloads by the order of the questions. Rejects if the connection ends before. */
export async function askTcp(where: ListenAddress, labels: readonly string[]): Promise<Uint8Array[]> {
  const socket = connect({ host: where.address, port: where.port });
  await once(socket, "connect");
  return askBy(socket, labels).finally(() => socket.destroy());
}

export async function askBy(socket: Socket, labels: readonly string[]): Promise<Uint8Array[]> {
  const frames = labels.map((label, i) => {
    const message = query(`${label}.x`);
    message.set(u16(i));
    return concatBytes(u16(message.length), message);
  });
  socket.write(concatBytes(...frames));
  const replies: Uint8Array[] = [];
  let count = 0;
  let input = new Uint8Array(0);
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    input = Uint8Array.from(concatBytes(input, chunk as Uint8Array));
    for (;;) {
      const length = (input[0] ?? 0) * 256 + (input[1] ?? 0);
      if (input.length < 2 || input.length < 2 + length) break;
      replies[(input[2] ?? 0) * 256 + (input[3] ?? 0)] = input.slice(14, 2 + length);
      input = input.slice(2 + length);
      count++;
    }
    if (count === labels.length) return replies;
  }
  throw new Error(`${count} of ${labels.length} replies`);
}

/** Modules 0 to `count` − 1, whose values name the epoch. */
export function treeOf(epoch: number, count: number): FlatTree {
  return flatTreeOf(
    Array.from({ length: count }, (_, i) => ({ indexKey: keyOf(i), value: encodeUtf8(`v=v${epoch}.0.${i}`) })),
  );
}

/** An epoch to publish, whose head is its number as text. */
export function epochOf(epoch: number, tree: FlatTree, headVersion: number = epoch): PublishedEpoch {
  const main = new EpochAnswers({ epoch, tree } as Partial<EpochSnapshot> as EpochSnapshot);
  const data = makeData({
    epoch,
    headVersion,
    moduleAnswer: (indexKey) => main.moduleAnswer(indexKey),
    // The fake's stand-in for what only the main thread has: the same answer, and one byte more.
    versionsAnswer: (indexKey) => concatBytes(main.moduleAnswer(indexKey), Uint8Array.of(0xff)),
    head: (asked) => encodeUtf8(`head ${asked}`),
  });
  return { data, tree };
}

/** Verifies an answer for module `i` under the root of the epoch that it names. Fails the test if it is not whole. */
export function verifyAnswer(payload: Uint8Array, i: number, roots: ReadonlyMap<number, Uint8Array>): AnswerPayload {
  const answer = decodeAnswer(payload);
  const root = roots.get(answer.epoch);
  if (root === undefined) throw new Error(`an answer of epoch ${answer.epoch}`);
  const { proof } = answer;
  if (proof.kind === "inclusion") {
    if (!answer.text.endsWith(`.0.${i}`)) throw new Error(`${answer.text} for module ${i}`);
    verifyInclusionProof(proof.path, keyOf(i), encodeUtf8(answer.text), root, sha256);
  } else if (proof.kind === "nonInclusion") verifyNonInclusionProof(proof.path, keyOf(i), proof.other, root, sha256);
  else throw new Error("an empty map");
  return answer;
}

/** Waits until all threads live and one has been started again. */
export async function untilRestarted(pool: ThreadPool<FakeConfig>, restarts = 1): Promise<void> {
  for (let waited = 0; waited < 20_000; waited += 10) {
    const { threads } = pool.status();
    const sum = threads.reduce((total, thread) => total + thread.restarts, 0);
    if (sum >= restarts && threads.every(({ isAlive }) => isAlive)) return;
    await sleep(10);
  }
  assert.fail(`not started again: ${JSON.stringify(pool.status())}`);
}

/** Asks until there is a reply: where sockets are not shared, the port is nobody's for a moment. */
export async function askUntil(client: UdpClient, label: string): Promise<string | undefined> {
  for (let tries = 0; tries < 200; tries++) {
    const text = await client.askText(label, 100);
    if (text !== undefined) return text;
  }
  return undefined;
}
