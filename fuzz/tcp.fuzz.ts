import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { type ConnectionHost, FrameBatch, TcpConnection } from "../src/dns/tcp-connection.ts";
import { equalBytes } from "../src/vindex/bytes.ts";
import { Input } from "./input.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";

/**
 * One TCP connection over a socket that the input plays: bytes come in pieces of any size, replies are read late or not, are
 * promised or at hand, and turns are scarce. What arrived whole has its one reply, in whole frames, and nothing else leaves.
 */
export const target: Target = {
  maxLength: 1200,
  plants: ["lost-piece", "promise-lost", "long-write"],
  isAsync: true,
};

const MAX_QUERY = 4096;
const MAX_PROMISED = 3;
/** What may be kept of a connection that nobody answers: 16 KiB, and a read of 64 KiB on top. */
const MAX_KEPT = 16 * 1024 + 64 * 1024;

/** A socket whose other side is the input. What comes while it is paused waits. */
class PlayedSocket extends EventEmitter {
  writable = true;
  writableEnded = false;
  destroyed = false;
  writableLength = 0;
  isSlow = false;
  written: Uint8Array[] = [];
  waiting: Uint8Array[] = [];
  #isPaused = false;

  isPaused(): boolean {
    return this.#isPaused;
  }
  pause(): void {
    this.#isPaused = true;
  }
  resume(): void {
    this.#isPaused = false;
  }
  write(bytes: Uint8Array): boolean {
    assert.ok(this.writable && !this.writableEnded, "written after the end");
    this.written.push(Uint8Array.from(leaving(bytes)));
    if (this.isSlow) this.writableLength += bytes.length;
    return this.writableLength === 0;
  }
  end(): void {
    this.writableEnded = true;
    this.writable = false;
  }
  destroy(): void {
    this.destroyed = true;
    this.writable = false;
  }
  resetAndDestroy(): void {
    this.destroy();
  }
  /** The other side has read everything. */
  drain(): void {
    if (this.destroyed) return;
    this.isSlow = false;
    if (this.writableLength === 0) return;
    this.writableLength = 0;
    this.emit("drain");
  }
  deliver(): void {
    while (!this.#isPaused && !this.destroyed) {
      const chunk = this.waiting.shift();
      if (chunk === undefined) return;
      this.emit("data", deliverable(chunk));
    }
  }
}

/** Bug: a piece of two bytes is taken for the length of a frame that is still to come. */
const deliverable = plant(
  "lost-piece",
  (chunk: Uint8Array) => chunk,
  (chunk) => (chunk.length === 2 ? chunk.subarray(2) : chunk),
);

/** Bug: a promised reply of four bytes is lost. */
const settled = plant(
  "promise-lost",
  (reply: Uint8Array | undefined) => reply,
  (reply) => (reply?.length === 4 ? undefined : reply),
);

/** Bug: the last byte of a long write is lost. */
const leaving = plant(
  "long-write",
  (bytes: Uint8Array) => bytes,
  (bytes) => (bytes.length > 60_000 ? bytes.subarray(0, -1) : bytes),
);

/** The reply to a query: its bytes, many times if its first byte says so; none for some. */
function replyTo(query: Uint8Array): Uint8Array | undefined {
  const [first = 0] = query;
  if (first % 8 === 7) return undefined;
  return new Uint8Array(Buffer.concat(Array.from({ length: first >= 0xe0 ? 200 : 1 }, () => query))).subarray(
    0,
    65_535,
  );
}

export async function fuzz(data: Uint8Array): Promise<void> {
  const input = new Input(data);
  const socket = new PlayedSocket();
  const queue: TcpConnection[] = [];
  const promised: (() => void)[] = [];
  const asked: Uint8Array[] = [];
  let turns = Number.POSITIVE_INFINITY;
  const share = 1 + (input.byte() % 32);
  const maxQueries = 1 + (input.byte() % 64);
  const host: ConnectionHost = {
    respond: (message) => {
      const query = Uint8Array.from(message);
      asked.push(query);
      const reply = replyTo(query);
      if ((query[0] ?? 0) % 4 !== 3) return reply;
      return new Promise((resolve) => {
        promised.push(() => resolve(settled(reply)));
      });
    },
    batch: new FrameBatch(),
    maxPromised: MAX_PROMISED,
    maxQueries,
    writeTimeout: 10_000,
    now: () => 1_700_000_000,
    idleTimeout: () => 10_000,
    share: () => share,
    takeTurn: () => turns-- > 0,
    enqueue: (connection) => void queue.push(connection),
    touch: () => {},
    forget: () => {},
    count: () => {},
  };
  const connection = new TcpConnection(
    socket as unknown as Socket,
    Uint8Array.of(192, 0, 2, 1),
    1,
    host,
    performance.now(),
  );
  const sent: Uint8Array[] = [];
  let isEnded = false;
  const pumpAll = (): void => {
    for (const one of queue.splice(0)) one.pump();
  };
  while (!input.isDone) {
    const step = input.byte();
    switch (step % 8) {
      case 0:
      case 1:
      case 2: {
        if (isEnded) break;
        const chunk = step >= 0xc0 ? framed(input) : input.take(1 + (step >> 3));
        sent.push(chunk);
        socket.waiting.push(chunk);
        break;
      }
      case 3:
        turns = step >= 0x80 ? Number.POSITIVE_INFINITY : step >> 5;
        pumpAll();
        break;
      case 4:
        socket.isSlow = step >= 0x80;
        if (step < 0x80) socket.drain();
        break;
      case 5:
        for (const settle of promised.splice(0, 1 + (step >> 5))) settle();
        break;
      case 6:
        await null;
        break;
      default:
        if (step === 0xff && !isEnded) isEnded = true;
    }
    socket.deliver();
    assert.ok(socket.isPaused() || kept(sent, socket, asked) <= MAX_KEPT, "more is kept than is bounded");
  }
  // The rest arrives, everything is read and settled, and the asker closes its side.
  turns = Number.POSITIVE_INFINITY;
  let isClosed = false;
  for (let i = 0; i < 400; i++) {
    socket.drain();
    socket.deliver();
    for (const settle of promised.splice(0)) settle();
    pumpAll();
    await null;
    await null;
    if (socket.waiting.length === 0 && !isClosed && i > 20) {
      isClosed = true;
      socket.emit("end");
    }
    if (socket.writableEnded && queue.length === 0 && promised.length === 0 && i > 30) break;
  }
  assert.ok(socket.writableEnded, "not ended after everything");
  connection.close();
  check(Buffer.concat(sent), maxQueries, asked, Buffer.concat(socket.written));
}

/** Bytes that arrived and are in no query that was taken. */
function kept(sent: readonly Uint8Array[], socket: PlayedSocket, asked: readonly Uint8Array[]): number {
  const size = (parts: readonly Uint8Array[]): number => parts.reduce((sum, { length }) => sum + length, 0);
  return size(sent) - size(socket.waiting) - size(asked) - 2 * asked.length;
}

/** Some whole frames at once. */
function framed(input: Input): Uint8Array {
  const query = input.block();
  const frame = Buffer.concat([Uint8Array.of(query.length >> 8, query.length & 0xff), query]);
  return new Uint8Array(Buffer.concat(Array.from({ length: 1 + (input.byte() % 64) }, () => frame)));
}

function check(stream: Uint8Array, maxQueries: number, asked: readonly Uint8Array[], written: Uint8Array): void {
  const queries: Uint8Array[] = [];
  for (let at = 0; at + 2 <= stream.length && queries.length < maxQueries; ) {
    const length = (stream[at] as number) * 256 + (stream[at + 1] as number);
    if (length > MAX_QUERY || at + 2 + length > stream.length) break;
    queries.push(stream.slice(at + 2, at + 2 + length));
    at += 2 + length;
  }
  assert.equal(asked.length, queries.length, "queries taken");
  assert.ok(
    queries.every((query, i) => equalBytes(query, asked[i] as Uint8Array)),
    "another query",
  );
  const replies: string[] = [];
  for (let at = 0; at < written.length; ) {
    const length = (written[at] as number) * 256 + (written[at + 1] as number);
    assert.ok(at + 2 + length <= written.length, "part of a frame");
    replies.push(Buffer.from(written.subarray(at + 2, at + 2 + length)).toString("latin1"));
    at += 2 + length;
  }
  const isPromised = (query: Uint8Array): boolean => (query[0] ?? 0) % 4 === 3;
  const expected = queries.flatMap((query) => {
    const reply = replyTo(query);
    return reply === undefined ? [] : [{ text: Buffer.from(reply).toString("latin1"), isLate: isPromised(query) }];
  });
  assert.deepEqual([...replies].sort(), expected.map(({ text }) => text).sort(), "replies");
  // Those at hand leave in the order of their queries.
  const atHand = expected.filter(({ isLate }) => !isLate).map(({ text }) => text);
  const late = new Set(expected.filter(({ isLate }) => isLate).map(({ text }) => text));
  assert.deepEqual(
    replies.filter((text) => !late.has(text)),
    atHand.filter((text) => !late.has(text)),
    "order",
  );
}
