import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { respond } from "../../src/dns/responder.ts";
import type { ZoneData } from "../../src/dns/zone-data.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { shownName, zone } from "./liars.ts";
import { sha256 } from "./world.ts";

/** A DNS server on loopback that answers by UDP and TCP, and does with a reply whatever it is told. */

/** A query as it came. */
export interface Query {
  readonly bytes: Uint8Array;
  readonly transport: "udp" | "tcp";
  /** Below the log's label, in lower case, such as `s7._head`. */
  readonly name: string;
  /** What an honest server of the data would send. */
  readonly honest: Uint8Array;
}

/** What is sent: datagrams, or bytes of a stream, one after the other; nothing for silence. */
export interface Act {
  readonly chunks: readonly Uint8Array[] | AsyncIterable<Uint8Array>;
  /** Milliseconds before each. */
  readonly delay?: number;
  /** By TCP: what becomes of the connection then. */
  readonly then?: "close" | "reset";
}

export type Behaviour = (query: Query) => Act;

const HEADER = 12;

/** Length of the question section of a query of one question. */
export function questionEnd(query: Uint8Array): number {
  let at = HEADER;
  while ((query[at] as number) > 0) at += 1 + (query[at] as number);
  return at + 5;
}

/** A message as sent by TCP. */
export function frame(message: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(message.length >> 8, message.length & 0xff), message);
}

/** The honest behaviour. */
export function tell({ honest, transport }: Query): Act {
  return { chunks: [transport === "udp" ? honest : frame(honest)] };
}

/** Sends a message whole, by either way. */
export function send({ transport }: Query, message: Uint8Array): Act {
  return { chunks: [transport === "udp" ? message : frame(message)] };
}

export const silence: Act = { chunks: [] };

/** A record of a reply; the owner is the question's name unless it is given in wire form. */
export interface WireRecord {
  readonly owner?: Uint8Array;
  readonly type: number;
  readonly class?: number;
  readonly ttl?: number;
  readonly rdata: Uint8Array;
}

/** Makes a reply to a query: its question, and records in the answer section. `flags` beside QR, AA and RD. */
export function makeReply(
  query: Uint8Array,
  answers: readonly WireRecord[],
  { flags = 0, authorities = [] }: { flags?: number; authorities?: readonly WireRecord[] } = {},
): Uint8Array {
  const start = query.slice(0, questionEnd(query));
  const out: Uint8Array[] = [start];
  const head = new DataView(start.buffer);
  head.setUint16(2, 0x8500 | flags);
  head.setUint16(4, 1);
  head.setUint16(6, answers.length);
  head.setUint16(8, authorities.length);
  head.setUint16(10, 0);
  for (const { owner = Uint8Array.of(0xc0, HEADER), type, rdata, ...more } of [...answers, ...authorities]) {
    const fixed = new DataView(new ArrayBuffer(10));
    fixed.setUint16(0, type);
    fixed.setUint16(2, more.class ?? 1);
    fixed.setUint32(4, more.ttl ?? 30);
    fixed.setUint16(8, rdata.length);
    out.push(owner, new Uint8Array(fixed.buffer), rdata);
  }
  return concatBytes(...out);
}

export const TXT = 16;

/** The RDATA of a TXT record of these character-strings. */
export function txtRdata(strings: readonly Uint8Array[]): Uint8Array {
  return concatBytes(...strings.flatMap((text) => [Uint8Array.of(text.length), text]));
}

/** Splits a payload into strings of at most `length` bytes. */
export function stringsOf(payload: Uint8Array, length = 255): Uint8Array[] {
  const count = Math.max(1, Math.ceil(payload.length / length));
  return Array.from({ length: count }, (_, i) => payload.subarray(i * length, (i + 1) * length));
}

/** Answers with a payload; by UDP cut if it is long, as servers do. */
export function sendPayload(query: Query, payload: Uint8Array): Act {
  const whole = makeReply(query.bytes, [{ type: TXT, rdata: txtRdata(stringsOf(payload)) }]);
  const isCut = query.transport === "udp" && whole.length > 1232;
  return send(query, isCut ? makeReply(query.bytes, [], { flags: 0x0200 }) : whole);
}

/** Bytes of the character-strings of the one TXT record of an honest reply; undefined if it has none. */
export function payloadOfReply(reply: Uint8Array): Uint8Array | undefined {
  const view = new DataView(reply.buffer, reply.byteOffset, reply.byteLength);
  if (view.getUint16(6) < 1) return undefined;
  // Honest replies point to the question's name.
  let at = questionEnd(reply) + 2;
  if (view.getUint16(at) !== TXT) return undefined;
  const end = at + 10 + view.getUint16(at + 8);
  const parts: Uint8Array[] = [];
  for (at += 10; at < end; at += 1 + (reply[at] as number)) {
    parts.push(reply.subarray(at + 1, at + 1 + (reply[at] as number)));
  }
  return concatBytes(...parts);
}

export class HostileServer {
  readonly port: number;
  /** All queries so far, such as `udp s7._head`. */
  readonly asked: string[] = [];
  behaviour: Behaviour;
  data: ZoneData;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #connections = new Set<Socket>();
  #isClosed = false;

  private constructor(udp: UdpSocket, tcp: Server, data: ZoneData, behaviour: Behaviour) {
    this.#udp = udp;
    this.#tcp = tcp;
    this.port = udp.address().port;
    this.data = data;
    this.behaviour = behaviour;
    udp.on("error", () => {});
    udp.on("message", (bytes, { port, address }) => {
      void this.#act(bytes, "udp", (chunk) => {
        udp.send(chunk, port, address);
      });
    });
    tcp.on("connection", (socket) => this.#serve(socket));
  }

  static async start(data: ZoneData, behaviour: Behaviour = tell): Promise<HostileServer> {
    for (;;) {
      const udp = createSocket("udp4");
      await new Promise<void>((resolve) => udp.bind(0, "127.0.0.1", resolve));
      const tcp = createServer();
      try {
        await new Promise<void>((resolve, reject) => {
          tcp.once("error", reject);
          tcp.listen(udp.address().port, "127.0.0.1", resolve);
        });
        return new HostileServer(udp, tcp, data, behaviour);
      } catch {
        // Somebody else has the port by TCP.
        udp.close();
      }
    }
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  #serve(socket: Socket): void {
    this.#connections.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#connections.delete(socket));
    let input: Uint8Array = new Uint8Array(0);
    socket.on("data", (chunk) => {
      input = concatBytes(input, chunk);
      while (input.length >= 2) {
        const end = 2 + (((input[0] as number) << 8) | (input[1] as number));
        if (input.length < end) return;
        const bytes = input.slice(2, end);
        input = input.slice(end);
        void this.#act(bytes, "tcp", (reply) => !socket.destroyed && socket.write(reply)).then((then) => {
          if (then === "close") socket.end();
          if (then === "reset") socket.resetAndDestroy();
        });
      }
    });
  }

  async #act(bytes: Uint8Array, transport: "udp" | "tcp", give: (chunk: Uint8Array) => unknown): Promise<Act["then"]> {
    // Asked in random case. Length bytes are below the letters.
    const lower = bytes.slice(HEADER, questionEnd(bytes) - 4).map((b) => (b >= 0x41 && b <= 0x5a ? b + 32 : b));
    const name = shownName(lower);
    this.asked.push(`${transport} ${name}`);
    const now = Math.floor(Date.now() / 1000);
    const honest = respond(bytes, transport, zone, this.data, now, sha256);
    if (honest === undefined) throw new Error("the client sent what is no query");
    const act = this.behaviour({ bytes, transport, name, honest });
    for await (const chunk of act.chunks) {
      if (act.delay !== undefined) await setTimeout(act.delay, undefined, { ref: false });
      if (this.#isClosed) return;
      give(chunk);
    }
    return act.then;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const socket of this.#connections) socket.destroy();
    this.#udp.close();
    await new Promise((resolve) => this.#tcp.close(resolve));
  }
}
