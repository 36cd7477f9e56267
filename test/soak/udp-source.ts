import { createSocket, type Socket } from "node:dgram";

/** A UDP socket of a given local address that talks to the server only. */
export class UdpSource {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** `address` is one of 127.0.0.0/8, all of which are this machine. */
  static async open(address: string, port: number, onMessage: (message: Buffer) => void): Promise<UdpSource> {
    const socket = createSocket("udp4");
    // Where nobody listens any more the kernel says so: at the end that is expected, and before it shows as loss.
    socket.on("error", () => {});
    socket.on("message", onMessage);
    await new Promise<void>((resolve) => socket.bind({ address, port: 0, exclusive: true }, resolve));
    await new Promise<void>((resolve) => socket.connect(port, "127.0.0.1", () => resolve()));
    return new UdpSource(socket);
  }

  get localPort(): number {
    return this.#socket.address().port;
  }

  get localAddress(): string {
    return this.#socket.address().address;
  }

  send(message: Uint8Array): void {
    this.#socket.send(message, () => {});
  }

  close(): void {
    this.#socket.close();
  }
}
