// The yardstick of `npm run bench:dns`: a Node process that answers every query with the same bytes under the query's ID,
// and understands nothing. What it costs is what sockets cost; a name server adds to it.
//
//     node echo.mjs '{"mode":"tuned","bytes":900,"threads":1}'
//
// Modes: `naive` is what the documentation of node:dgram shows; `tuned` has the socket settings of our server; `sign` is
// `tuned` and makes one P-256 signature over bytes of the reply's size for each query. All take TCP too.
// With more than one thread each has its own sockets, by SO_REUSEPORT: only where node:dgram can (22.12, 23.1).
import { generateKeyPairSync, sign } from "node:crypto";
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const options = isMainThread ? JSON.parse(process.argv[2] ?? "{}") : workerData;
const { mode = "tuned", bytes = 900, threads = 1, port = 0 } = options;
const reusePort = threads > 1;
const reply = Buffer.alloc(bytes, 0x55);
// QR and AA, no error, one question, one answer.
reply.set([0, 0, 0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

/** Names are addresses here: a look-up by the system, as the default does, would cost a turn of the event loop. */
function sameAddress(address, _options, callback) {
  callback(null, address, 4);
}

function ignore() {}

function answer(query) {
  reply[0] = query[0];
  reply[1] = query[1];
  if (mode === "sign") reply[bytes - 1] = sign("sha256", reply, privateKey)[10];
  return reply;
}

function listenUdp(at) {
  const socket = createSocket(
    mode === "naive" ? { type: "udp4", reusePort } : { type: "udp4", reusePort, lookup: sameAddress },
  );
  if (mode === "naive") socket.on("message", (query, from) => socket.send(answer(query), from.port, from.address));
  else socket.on("message", (query, from) => socket.send(answer(query), 0, bytes, from.port, from.address, ignore));
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(at, "127.0.0.1", () => {
      if (mode !== "naive") socket.setRecvBufferSize(4 * 1024 * 1024);
      resolve(socket.address().port);
    });
  });
}

function listenTcp(at) {
  const server = createServer({ noDelay: true }, (socket) => {
    let rest = Buffer.alloc(0);
    socket.on("error", ignore);
    socket.on("data", (chunk) => {
      const input = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let count = 0;
      for (let i = 0; i + 2 <= input.length; i += 2 + input.readUInt16BE(i)) {
        if (i + 2 + input.readUInt16BE(i) <= input.length) count++;
      }
      const out = Buffer.allocUnsafe(count * (2 + bytes));
      let used = 0;
      for (let i = 0; i < count; i++) {
        out.writeUInt16BE(bytes, i * (2 + bytes));
        out.set(answer(input.subarray(used + 2)), i * (2 + bytes) + 2);
        used += 2 + input.readUInt16BE(used);
      }
      rest = input.subarray(used);
      if (count > 0) socket.write(out);
    });
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: at, reusePort, exclusive: true }, () => resolve(server));
  });
}

async function listen(wanted) {
  // A port that is free for TCP may be taken for UDP.
  for (let tries = 1; ; tries++) {
    const server = await listenTcp(wanted);
    try {
      return await listenUdp(server.address().port);
    } catch (error) {
      server.close();
      if (wanted !== 0 || tries === 10) throw error;
    }
  }
}

const bound = await listen(port);
if (!isMainThread) {
  parentPort.postMessage(bound);
} else {
  for (let i = 1; i < threads; i++) {
    const worker = new Worker(new URL(import.meta.url), { workerData: { ...options, port: bound } });
    await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  }
  console.log(JSON.stringify({ ready: true, listen: `127.0.0.1:${bound}` }));
  process.once("SIGTERM", () => process.exit(0));
}
