import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";

/** A proxy of HTTP on loopback, which alone knows where the hosts are. */
export interface TestProxy {
  readonly port: number;
  /** `METHOD TARGET` of each request, with what it authorized itself by behind it. */
  readonly asked: string[];
  /** What is done in place of the right thing: an HTTP status, nothing at all, or to close the connection, for a tunnel also when it is open. */
  refusal: number | "silence" | "close" | "open, and close" | undefined;
  close(): void;
}

/** Starts a proxy; every host is on port `port` of 127.0.0.1. */
export async function startProxy(port: number): Promise<TestProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const note = ({ method, url, headers }: IncomingMessage): void => {
    asked.push([method, url, headers["proxy-authorization"]].filter((part) => part !== undefined).join(" "));
  };
  const server = createServer((request, response) => {
    note(request);
    if (proxy.refusal === "silence") return;
    if (typeof proxy.refusal === "string") {
      request.socket.destroy();
      return;
    }
    if (proxy.refusal !== undefined) {
      response.writeHead(proxy.refusal).end();
      return;
    }
    response.writeHead(200, { "content-type": "text/plain" }).end(`by proxy: ${request.url}`);
  });
  server.on("connect", (request, socket: Socket) => {
    note(request);
    socket.on("error", () => {});
    if (proxy.refusal === "silence") return;
    if (typeof proxy.refusal === "string") {
      if (proxy.refusal === "close") socket.destroy();
      else socket.end("HTTP/1.1 200 OK\r\n\r\n");
      return;
    }
    if (proxy.refusal !== undefined) {
      socket.end(`HTTP/1.1 ${proxy.refusal} Refused\r\n\r\n`);
      return;
    }
    const onward = connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      socket.pipe(onward).pipe(socket);
    });
    sockets.add(onward);
    onward.on("error", () => socket.destroy());
    socket.on("close", () => onward.destroy());
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: TestProxy = {
    port: (server.address() as AddressInfo).port,
    asked,
    refusal: undefined,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  return proxy;
}
