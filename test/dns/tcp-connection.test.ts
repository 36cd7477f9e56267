import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { describe, it } from "node:test";
import { FrameBatch } from "../../src/dns/frame-batch.ts";
import type { ListenerEvent, Respond } from "../../src/dns/listener.ts";
import { type ConnectionHost, TcpConnection } from "../../src/dns/tcp-connection.ts";
import { frame, idOf, makeDeferred, numbered, pipelined, range, replyTo } from "./sockets.ts";

/** A socket without a kernel: takes everything at once, unless `isStuck`. */
class FakeSocket extends EventEmitter {
  writable = true;
  writableEnded = false;
  writableLength = 0;
  isStuck = false;
  destroyed = false;
  isReset = false;
  readonly written: Uint8Array[] = [];
  isPaused(): boolean {
    return false;
  }
  pause(): void {}
  resume(): void {}
  write(bytes: Uint8Array): void {
    this.written.push(Uint8Array.from(bytes));
    if (this.isStuck) this.writableLength += bytes.length;
  }
  end(): void {
    this.writableEnded = true;
    this.writable = false;
  }
  destroy(): void {
    this.destroyed = true;
  }
  resetAndDestroy(): void {
    this.isReset = true;
  }
  /** IDs of the replies that were written. */
  ids(): number[] {
    const out: number[] = [];
    for (const bytes of this.written) {
      for (let at = 0; at < bytes.length; at += 2 + idOf(bytes.subarray(at))) out.push(idOf(bytes.subarray(at + 2)));
    }
    return out;
  }
}

/** A connection whose turns the test gives. */
function open(respond: Respond): {
  connection: TcpConnection;
  socket: FakeSocket;
  events: ListenerEvent[];
  queue: TcpConnection[];
  turn: () => void;
} {
  const events: ListenerEvent[] = [];
  const queue: TcpConnection[] = [];
  const host: ConnectionHost = {
    respond,
    batch: new FrameBatch(),
    maxPromised: 4,
    maxQueries: 100,
    writeTimeout: 2000,
    now: () => 0,
    idleTimeout: () => 1000,
    share: () => 8,
    takeTurn: () => true,
    enqueue: (connection) => queue.push(connection),
    touch: () => {},
    forget: () => {},
    count: (event) => events.push(event),
  };
  const socket = new FakeSocket();
  const connection = new TcpConnection(socket as unknown as Socket, new Uint8Array(4), 0, host, performance.now());
  const turn = (): void => {
    for (const next of queue.splice(0)) next.pump();
  };
  return { connection, socket, events, queue, turn };
}

describe("a TCP connection", () => {
  it("is not closed as idle when a promised reply is there and only waits for its turn", async () => {
    const { promise, resolve } = makeDeferred<Uint8Array>();
    const { connection, socket, events, turn } = open(() => promise);
    socket.emit("data", frame(numbered(7)));
    resolve(replyTo(numbered(7)));
    await new Promise((next) => setImmediate(next));
    connection.check(performance.now() + 1500, 1000);
    assert.deepEqual(events, []);
    turn();
    assert.deepEqual(socket.ids(), [7]);
    connection.check(performance.now() + 1500, 1000);
    assert.deepEqual(events, ["tcp-idle"]);
    assert.equal(socket.destroyed, true);
  });

  it("is not idle while queries wait for their turn", () => {
    const { connection, socket, events, queue, turn } = open((message) => replyTo(message));
    socket.emit("data", pipelined(range(20)));
    assert.deepEqual(socket.ids(), range(8));
    assert.equal(connection.isIdle, false);
    connection.check(performance.now() + 1500, 1000);
    assert.deepEqual(events, []);
    turn();
    turn();
    assert.deepEqual(socket.ids(), range(20));
    assert.equal(queue.length, 0);
    assert.equal(connection.isIdle, true);
  });

  it("is not idle while its replies are unread, is reset after the write timeout, and not before", () => {
    const { connection, socket, events } = open((message) => replyTo(message));
    socket.isStuck = true;
    socket.emit("data", frame(numbered(7)));
    assert.equal(connection.isIdle, false);
    const now = performance.now();
    connection.check(now, 1000);
    connection.check(now + 1900, 1000);
    // Something was read.
    socket.writableLength -= 5;
    connection.check(now + 2100, 1000);
    connection.check(now + 4000, 1000);
    assert.deepEqual(events, []);
    connection.check(now + 4200, 1000);
    assert.deepEqual(events, ["tcp-stalled"]);
    assert.equal(socket.isReset, true);
  });

  it("lingers for a second after its end, and no longer", () => {
    const { connection, socket } = open((message) => replyTo(message));
    socket.emit("data", frame(numbered(7)));
    const now = performance.now();
    connection.finish(now);
    assert.equal(socket.writableEnded, true);
    connection.check(now + 10, 1000);
    connection.check(now + 900, 1000);
    assert.equal(socket.destroyed, false);
    connection.check(now + 1100, 1000);
    assert.equal(socket.destroyed, true);
  });

  it("answers nothing more when it is closed", async () => {
    const { promise, resolve } = makeDeferred<Uint8Array>();
    const { connection, socket, events, turn } = open(() => promise);
    socket.emit("data", frame(numbered(7)));
    connection.close();
    socket.emit("data", frame(numbered(8)));
    socket.emit("drain");
    socket.emit("end");
    resolve(replyTo(numbered(7)));
    await new Promise((next) => setImmediate(next));
    turn();
    connection.check(performance.now() + 1e6, 1000);
    assert.deepEqual(socket.written, []);
    assert.deepEqual(events, ["tcp-dropped"]);
  });
});
