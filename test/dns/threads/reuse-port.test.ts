import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { describe, it } from "node:test";
import { assertPortFree, testReusePort } from "../../../src/dns/threads/reuse-port.ts";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
/** The lines of Node that have the option, on Linux. */
const hasOption =
  process.platform === "linux" && (major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12));

describe("sharing a port", () => {
  it("is found out by binding twice", async () => {
    assert.deepEqual(await testReusePort("127.0.0.1", 4), { udp: hasOption, tcp: hasOption });
  });

  it("is not possible at an address that is not this host's, and that is no error", async () => {
    assert.deepEqual(await testReusePort("192.0.2.1", 4), { udp: false, tcp: false });
  });

  it("is refused for a port that another has, by UDP or TCP", async () => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    const server = createServer().listen(0, "127.0.0.1");
    await Promise.all([once(socket, "listening"), once(server, "listening")]);
    const tcpPort = (server.address() as { port: number }).port;
    const where = { address: "127.0.0.1", family: 4 } as const;
    const taken = { code: "EADDRINUSE" };
    try {
      await assert.rejects(assertPortFree("udp", { ...where, port: socket.address().port }), taken);
      await assert.rejects(assertPortFree("tcp", { ...where, port: tcpPort }), taken);
    } finally {
      const { port } = socket.address();
      await Promise.all([new Promise<void>((done) => socket.close(done)), new Promise((done) => server.close(done))]);
      await assertPortFree("udp", { ...where, port });
      await assertPortFree("tcp", { ...where, port: tcpPort });
      await assertPortFree("tcp", { ...where, port: tcpPort });
    }
  });
});
