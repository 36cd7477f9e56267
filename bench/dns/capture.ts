import { connect, type Socket } from "node:net";
import type { WireName } from "../../src/dns/name.ts";

/** What a server answers to TXT with DO set: the record's data, and what the message takes. */
export interface Captured {
  readonly name: WireName;
  /** RDATA of the TXT record. */
  readonly rdata: Uint8Array;
  /** Size of the RRSIG record over it, 0 if there is none. */
  readonly signatureBytes: number;
  readonly messageBytes: number;
}

const TYPE_TXT = 16;
const TYPE_RRSIG = 46;
const TYPE_OPT = 41;
const FLAG_DO = 0x8000;
/** Queries on their way at once: fewer than what any server reads at a time. */
const PIPELINED = 32;

/** A query for the TXT at `name`, with an OPT that offers 1,232 bytes and has DO set: what `dnsperf -e -D` asks. */
export function encodeQuery(name: WireName, id: number): Uint8Array {
  const query = Buffer.alloc(12 + name.length + 4 + 11);
  query.writeUInt16BE(id, 0);
  query.writeUInt16BE(1, 4);
  query.writeUInt16BE(1, 10);
  query.set(name, 12);
  const end = 12 + name.length;
  query.writeUInt16BE(TYPE_TXT, end);
  query.writeUInt16BE(1, end + 2);
  query.writeUInt16BE(TYPE_OPT, end + 5);
  query.writeUInt16BE(1232, end + 7);
  query.writeUInt16BE(FLAG_DO, end + 11);
  return query;
}

/**
 * Asks a server for the TXT of each name by TCP. Names without such an answer are left out.
 * @throws Error if the server closes the connection or does not answer within `ms` milliseconds
 */
export async function captureAnswers(port: number, names: readonly WireName[], ms = 60_000): Promise<Captured[]> {
  const captured: Captured[] = [];
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answers from port ${port} in ${ms} ms`)), ms);
      const pending = new Map<number, WireName>();
      let asked = 0;
      let input: Buffer = Buffer.alloc(0);
      const askMore = (): void => {
        for (; asked < names.length && pending.size < PIPELINED; asked++) {
          const name = names[asked] as WireName;
          pending.set(asked % 0x10000, name);
          writeFrame(socket, encodeQuery(name, asked % 0x10000));
        }
      };
      socket.on("error", reject);
      socket.on("close", () => reject(new Error(`port ${port} closed the connection`)));
      socket.on("connect", askMore);
      socket.on("data", (chunk: Buffer) => {
        input = input.length === 0 ? chunk : Buffer.concat([input, chunk]);
        while (input.length >= 2 && input.length >= 2 + input.readUInt16BE(0)) {
          const end = 2 + input.readUInt16BE(0);
          const message = input.subarray(2, end);
          input = input.subarray(end);
          // Answers may come in any order; the ID says to what.
          const id = message.readUInt16BE(0);
          const name = pending.get(id);
          pending.delete(id);
          const one = name === undefined ? undefined : decodeCaptured(message, name);
          if (one !== undefined) captured.push(one);
        }
        askMore();
        if (pending.size > 0) return;
        clearTimeout(timer);
        resolve();
      });
    });
  } finally {
    socket.removeAllListeners("close");
    socket.destroy();
  }
  return captured;
}

function writeFrame(socket: Socket, message: Uint8Array): void {
  const frame = Buffer.alloc(2 + message.length);
  frame.writeUInt16BE(message.length, 0);
  frame.set(message, 2);
  socket.write(frame);
}

function decodeCaptured(message: Buffer, name: WireName): Captured | undefined {
  let at = 12 + name.length + 4;
  let rdata: Uint8Array | undefined;
  let signatureBytes = 0;
  for (let i = 0; i < message.readUInt16BE(6); i++) {
    const start = at;
    while ((message[at] ?? 0) !== 0 && (message[at] ?? 0) < 0xc0) at += 1 + (message[at] ?? 0);
    at += (message[at] ?? 0) >= 0xc0 ? 2 : 1;
    const type = message.readUInt16BE(at);
    const end = at + 10 + message.readUInt16BE(at + 8);
    if (type === TYPE_TXT) rdata = message.slice(at + 10, end);
    if (type === TYPE_RRSIG) signatureBytes += end - start;
    at = end;
  }
  return rdata === undefined ? undefined : { name, rdata, signatureBytes, messageBytes: message.length };
}
