import { parentPort, workerData } from "node:worker_threads";
import { TcpListener } from "../../src/dns/tcp.ts";
import { UdpListener } from "../../src/dns/udp.ts";
import { makeEcho, noting } from "./sockets.ts";

/** A worker thread with one listener that answers from one buffer. Says its port, and closes when it is told anything. */
const { where, transport } = workerData;
const listener = await (transport === "udp" ? UdpListener : TcpListener).bind(where, noting(makeEcho()));
parentPort?.once("message", async () => {
  await listener.close(1000);
  parentPort?.close();
});
parentPort?.postMessage(listener.port);
