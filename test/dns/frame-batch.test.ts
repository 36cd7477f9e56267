import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { describe, it } from "node:test";
import { FrameBatch } from "../../src/dns/frame-batch.ts";
import { formatHex } from "../../src/vindex/bytes.ts";

describe("a batch of frames", () => {
  /** A socket whose kernel takes everything, or nothing. */
  function makeSocket(takes: () => boolean): { socket: Socket; written: Buffer[] } {
    const written: Buffer[] = [];
    const socket = {
      writable: true,
      writableLength: 0,
      write(bytes: Buffer) {
        written.push(bytes);
        if (!takes()) this.writableLength += bytes.length;
      },
    };
    return { socket: socket as unknown as Socket, written };
  }

  it("is used again if the kernel took it, and not if it did not", () => {
    let takes = true;
    const { socket, written } = makeSocket(() => takes);
    const batch = new FrameBatch();
    const send = (byte: number): void => {
      batch.add(new Uint8Array(3).fill(byte), socket);
      batch.write(socket);
    };
    send(1);
    send(2);
    assert.equal(written[0]?.buffer, written[1]?.buffer);
    takes = false;
    send(3);
    const kept = written[2];
    send(4);
    send(5);
    assert.equal(formatHex(kept ?? assert.fail()), "0003030303");
    assert.equal(formatHex(written[3] ?? assert.fail()), "0003040404");
    assert.equal(formatHex(written[4] ?? assert.fail()), "0003050505");
  });

  it("keeps no large buffer for each small reply that waits", () => {
    const { socket, written } = makeSocket(() => false);
    const batch = new FrameBatch();
    for (let i = 0; i < 20; i++) {
      batch.add(new Uint8Array(30), socket);
      batch.write(socket);
    }
    const buffers = new Set(written.map((bytes) => bytes.buffer));
    const total = [...buffers].reduce((sum, buffer) => sum + buffer.byteLength, 0);
    // Twenty of them would be 1.5 MB. Buffers of Node's own pool are shared.
    assert.ok(total < 300_000, `${total} bytes`);
  });

  it("writes nothing to a socket that is closed, and forgets it", () => {
    const { socket, written } = makeSocket(() => true);
    const batch = new FrameBatch();
    batch.add(new Uint8Array(9), { ...socket, writable: false } as Socket);
    batch.write({ ...socket, writable: false } as Socket);
    batch.write(socket);
    assert.deepEqual(written, []);
  });

  it("splits what does not fit", () => {
    const { socket, written } = makeSocket(() => true);
    const batch = new FrameBatch();
    for (let i = 0; i < 5; i++) batch.add(new Uint8Array(65_535).fill(i), socket);
    batch.write(socket);
    assert.deepEqual(
      written.map((bytes) => bytes.length),
      [65_537, 65_537, 65_537, 65_537, 65_537],
    );
  });

  it("gives nobody what a broken turn left for another", () => {
    const { socket, written } = makeSocket(() => true);
    const batch = new FrameBatch();
    batch.add(new Uint8Array(9), socket);
    batch.clear();
    batch.write(socket);
    assert.deepEqual(written, []);
  });
});
