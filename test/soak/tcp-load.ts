import { connect, type Socket } from "node:net";
import { decodeReply, encodeQuery, isReplyTo, TYPE } from "./messages.ts";
import type { LoadOrder } from "./order.ts";
import type { Tally } from "./tally.ts";

/** Good connections that pipeline. */
const PIPELINES = 6;
/** Queries of a pipeline in one write. */
const BATCH = 25;
/** Connections that send a byte now and then. */
const LORIS = 60;
const LORIS_PAUSE = 3_000;
/** Connections that ask a lot and never read. */
const DEAF = 10;
const DEAF_QUERIES = 2_000;
/** Milliseconds until a connection that was closed is opened again. */
const REOPEN = 1_000;
/** Milliseconds between two connections that break off. */
const BREAK_OFF = 50;
/** Milliseconds after which a pipelined query is lost. */
const TIMEOUT = 5_000;

/** Connections of all kinds; only the pipelines expect an answer to everything. */
export async function startTcpLoad(order: LoadOrder, tally: Tally, random: () => number): Promise<() => void> {
  const stopped = new AbortController();
  const sockets = new Set<Socket>();
  const open = (address: string): Socket => {
    const socket = connect({ host: "127.0.0.1", port: order.port, localAddress: address, noDelay: true });
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    return socket;
  };
  const again = (kind: string, start: () => void): void => {
    tally.count(`tcp ${kind} closed`);
    setTimeout(() => stopped.signal.aborted || start(), REOPEN).unref();
  };
  const later = (task: () => void, ms: number): void => {
    const timer = setInterval(task, ms);
    stopped.signal.addEventListener("abort", () => clearInterval(timer));
  };
  const queryFor = (question: number, id: number): Buffer => {
    const name = order.questions[question]?.name ?? order.apex;
    return encodeQuery({ name, type: TYPE.TXT, id: id & 0xffff, isDo: id % 2 === 0 });
  };
  const anyQuestion = (): number => Math.floor(random() * order.questions.length);
  const anyQuery = (id: number): Buffer => queryFor(anyQuestion(), id);

  const startLoris = (i: number): void => {
    const socket = open(`127.50.${i % 6}.1`);
    const frame = withLength(anyQuery(i));
    let at = 0;
    const timer = setInterval(
      () => socket.write(frame.subarray(at++ % frame.length, ((at - 1) % frame.length) + 1)),
      LORIS_PAUSE,
    );
    socket.on("close", () => {
      clearInterval(timer);
      again("loris", () => startLoris(i));
    });
  };
  const startDeaf = (i: number): void => {
    const socket = open(`127.51.${i}.1`);
    socket.pause();
    socket.write(Buffer.concat(Array.from({ length: DEAF_QUERIES }, (_, id) => withLength(anyQuery(id)))));
    tally.count("tcp deaf asked", DEAF_QUERIES);
    // What is unread shows no end of the connection: it is given up after a while.
    const timer = setTimeout(() => socket.destroy(), 30_000);
    socket.on("close", () => {
      clearTimeout(timer);
      again("deaf", () => startDeaf(i));
    });
  };
  for (let i = 0; i < LORIS; i++) startLoris(i);
  for (let i = 0; i < DEAF; i++) startDeaf(i);
  let broken = 0;
  later(() => {
    const socket = open(`127.52.${broken++ % 200}.1`);
    const frame = withLength(anyQuery(broken));
    socket.on("connect", () => {
      tally.count("tcp broken off");
      if (broken % 3 === 0) socket.resetAndDestroy();
      else if (broken % 3 === 1) socket.end(frame.subarray(0, Math.floor(random() * frame.length)));
      // The longest length that a frame can claim, and little of it.
      else socket.end(Buffer.concat([Buffer.of(0xff, 0xff), frame]));
    });
    socket.resume();
    setTimeout(() => socket.destroy(), 5_000).unref();
  }, BREAK_OFF);

  let good = 0;
  for (let i = 0; i < PIPELINES; i++) startPipeline(i);
  function startPipeline(i: number): void {
    const socket = open(`127.53.${i}.1`);
    const flights = new Map<number, { query: Buffer; question: number; sentAt: number }>();
    let input: Buffer = Buffer.alloc(0);
    let next = 0;
    const timer = setInterval(
      () => {
        const frames: Buffer[] = [];
        for (let n = 0; n < BATCH; n++) {
          const question = anyQuestion();
          const query = queryFor(question, next);
          flights.set(next++ & 0xffff, { query, question, sentAt: Date.now() });
          frames.push(withLength(query));
        }
        tally.count("sent", BATCH);
        tally.count("tcp asked", BATCH);
        socket.write(Buffer.concat(frames));
        for (const [id, { sentAt }] of flights) {
          if (Date.now() - sentAt < TIMEOUT) break;
          flights.delete(id);
          tally.count("tcp lost");
        }
      },
      (1_000 * BATCH * PIPELINES) / order.rate,
    );
    socket.on("data", (chunk: Buffer) => {
      input = input.length === 0 ? chunk : Buffer.concat([input, chunk]);
      while (input.length >= 2 && input.length >= 2 + input.readUInt16BE(0)) {
        const message = input.subarray(2, 2 + input.readUInt16BE(0));
        input = input.subarray(2 + message.length);
        const id = message.length < 2 ? -1 : message.readUInt16BE(0);
        const flight = flights.get(id);
        flights.delete(id);
        if (flight === undefined || !isReplyTo(message, flight.query)) {
          tally.fault("wrong", `by TCP, no reply to anything: ${message.toString("hex")}`);
          continue;
        }
        try {
          const { rcode, isTruncated } = decodeReply(message);
          if (rcode !== 0 || isTruncated) tally.fault("tcp failed", `code ${rcode}, TC ${isTruncated}`);
          else {
            tally.count("tcp answered");
            if (good++ % order.sampleEvery !== 0) continue;
            const { question, sentAt } = flight;
            const isDo = id % 2 === 0;
            tally.sample({ question, message: Uint8Array.from(message), isDo, sentAt, receivedAt: Date.now() });
          }
        } catch (error) {
          tally.fault("wrong", `by TCP, ${error}: ${message.toString("hex")}`);
        }
      }
    });
    socket.on("close", () => {
      clearInterval(timer);
      if (stopped.signal.aborted) return;
      tally.count("tcp lost", flights.size);
      again("pipeline", () => startPipeline(i));
    });
  }

  return () => {
    stopped.abort();
    for (const socket of sockets) socket.destroy();
  };
}

function withLength(message: Buffer): Buffer {
  const frame = Buffer.alloc(2 + message.length);
  frame.writeUInt16BE(message.length, 0);
  frame.set(message, 2);
  return frame;
}
