import type { Socket } from "node:net";

/** Holds one frame of the longest reply, or many of the usual. */
const BATCH_LENGTH = 72 * 1024;

/**
 * Frames that leave in one write: length and message together, which some clients need, and many at a time, which is
 * what makes TCP cheap.
 */
export class FrameBatch {
  #buffer = Buffer.allocUnsafeSlow(BATCH_LENGTH);
  #length = 0;

  /** Copies a reply of at most 65,535 bytes. Writes what is there first if both do not fit. */
  add(reply: Uint8Array, socket: Socket): void {
    if (this.#length + 2 + reply.length > BATCH_LENGTH) this.write(socket);
    const buffer = this.#buffer;
    const at = this.#length;
    buffer[at] = reply.length >> 8;
    buffer[at + 1] = reply.length & 0xff;
    buffer.set(reply, at + 2);
    this.#length = at + 2 + reply.length;
  }

  /** Forgets what a turn left that ended with an error: it must not reach another asker. */
  clear(): void {
    this.#length = 0;
  }

  /** Writes what is there. */
  write(socket: Socket): void {
    if (this.#length === 0) return;
    const frames = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    if (!socket.writable) return;
    if (socket.writableLength > 0) {
      // It waits behind others. It must not keep this whole buffer for a few bytes.
      socket.write(Buffer.from(frames));
      return;
    }
    socket.write(frames);
    // Node tries write(2) at once. If the kernel took everything, the buffer is free again.
    if (socket.writableLength > 0) this.#buffer = Buffer.allocUnsafeSlow(BATCH_LENGTH);
  }
}
