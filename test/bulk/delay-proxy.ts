import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { connect, createServer, type Server, type Socket } from "node:net";
import { questionEnd } from "../attack/hostile-server.ts";

/** A road to a DNS server, by UDP and TCP, on which everything takes a while in each direction; it counts what goes by. */
export class DelayProxy {
  readonly port: number;
  /** Queries that went to the server, such as `udp s7._head.p1.l.example.org`, in lower case. */
  readonly asked: string[] = [];
  /** Milliseconds in each direction. */
  readonly delay: number;
  readonly #server: number;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  /** One socket to the server for each socket of a client, as a NAT would have. */
  readonly #ways = new Map<string, UdpSocket>();
  readonly #connections = new Set<Socket>();
  #isClosed = false;

  private constructor(server: number, delay: number, udp: UdpSocket, tcp: Server) {
    this.#server = server;
    this.delay = delay;
    this.#udp = udp;
    this.#tcp = tcp;
    this.port = udp.address().port;
    udp.on("message", (query, { address, port }) => {
      this.#count("udp", query);
      this.#later(() => this.#wayOf(address, port).send(query, this.#server, "127.0.0.1"));
    });
    tcp.on("connection", (socket) => this.#carry(socket));
  }

  static async start(server: number, delay: number): Promise<DelayProxy> {
    for (;;) {
      const udp = createSocket({ type: "udp4", recvBufferSize: 1 << 21 });
      await new Promise<void>((resolve) => udp.bind(0, "127.0.0.1", resolve));
      const tcp = createServer({ allowHalfOpen: true, noDelay: true });
      try {
        await new Promise<void>((resolve, reject) => {
          tcp.once("error", reject);
          tcp.listen(udp.address().port, "127.0.0.1", resolve);
        });
        return new DelayProxy(server, delay, udp, tcp);
      } catch {
        // Somebody else has the port by TCP.
        udp.close();
      }
    }
  }

  #later(task: () => void): void {
    setTimeout(() => {
      if (!this.#isClosed) task();
    }, this.delay);
  }

  #wayOf(address: string, port: number): UdpSocket {
    const id = `${address} ${port}`;
    const known = this.#ways.get(id);
    if (known !== undefined) return known;
    const way = createSocket("udp4");
    way.on("error", () => {});
    way.on("message", (reply) => this.#later(() => this.#udp.send(reply, port, address)));
    this.#ways.set(id, way);
    return way;
  }

  #carry(client: Socket): void {
    // The handshake takes one way more than loopback lets it: what is sent first waits for it.
    const server = connect({ port: this.#server, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    for (const socket of [client, server]) {
      this.#connections.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#connections.delete(socket));
    }
    const start = performance.now() + 2 * this.delay;
    let input = Buffer.alloc(0);
    client.on("data", (chunk: Buffer) => {
      input = Buffer.concat([input, chunk]);
      while (input.length >= 2 && input.length >= 2 + input.readUInt16BE(0)) {
        this.#count("tcp", input.subarray(2, 2 + input.readUInt16BE(0)));
        input = input.subarray(2 + input.readUInt16BE(0));
      }
      setTimeout(() => server.write(chunk), Math.max(0, start - performance.now()) + this.delay);
    });
    client.on("end", () => setTimeout(() => server.end(), Math.max(0, start - performance.now()) + this.delay));
    server.on("data", (chunk) => this.#later(() => client.write(chunk)));
    server.on("end", () => this.#later(() => client.end()));
    client.on("close", () => server.destroy());
    // A connection that the server resets ends here, too.
    server.on("close", () => this.#later(() => client.destroy()));
  }

  #count(transport: string, query: Uint8Array): void {
    const labels: string[] = [];
    for (let at = 12; (query[at] as number) > 0 && at < questionEnd(query); at += 1 + (query[at] as number)) {
      labels.push(Buffer.from(query.subarray(at + 1, at + 1 + (query[at] as number))).toString("latin1"));
    }
    this.asked.push(`${transport} ${labels.join(".").toLowerCase()}`);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const socket of this.#connections) socket.destroy();
    for (const way of this.#ways.values()) way.close();
    this.#udp.close();
    await new Promise((resolve) => this.#tcp.close(resolve));
  }
}
