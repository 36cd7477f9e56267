import { parentPort, workerData } from "node:worker_threads";
import { FlatTree } from "../../vindex/flat-tree.ts";
import type { Asker } from "../asker.ts";
import { DohListener } from "../doh/listener.ts";
import type { ListenerOptions } from "../listener.ts";
import { COUNTER, ServerStats } from "../stats.ts";
import { TcpListener } from "../tcp.ts";
import { UdpListener } from "../udp.ts";
import { ELSEWHERE, type ZoneData } from "../zone-data.ts";
import { Forwarder } from "./forwarder.ts";
import { countListenerEvent } from "./listener-counters.ts";
import type {
  FromWorker,
  MakeResponder,
  Protocol,
  ShownTree,
  ThreadResponder,
  ToWorker,
  WorkerStart,
} from "./protocol.ts";
import { NO_EPOCH, SharedAnswers } from "./shared-answers.ts";
import type { RequestKind } from "./thread.ts";

/** One worker thread: its sockets, its responder, and what it serves just now. */
class WorkerThread {
  readonly #start: WorkerStart;
  readonly #post: (message: FromWorker) => void;
  readonly #makeResponder: MakeResponder<unknown>;
  readonly #forwarder: Forwarder;
  #responder: ThreadResponder;
  #tree: FlatTree | undefined;
  #data: ZoneData = new SharedAnswers(NO_EPOCH, undefined);
  #udp: UdpListener | undefined;
  #tcp: TcpListener | undefined;
  #doh: DohListener[] = [];

  constructor(start: WorkerStart, makeResponder: MakeResponder<unknown>, post: (message: FromWorker) => void) {
    this.#start = start;
    this.#post = post;
    this.#makeResponder = makeResponder;
    this.#responder = makeResponder(start.config, start.memory);
    const { maxForwarded, forwardTimeout } = start;
    const stats = new ServerStats(start.memory.stats);
    this.#forwarder = new Forwarder({
      limit: maxForwarded,
      timeout: forwardTimeout,
      onFull: () => stats.count(COUNTER.queueFull),
      send: (id, message, asker) =>
        post({ kind: "ask", id, message, asker, until: performance.now() + forwardTimeout }),
      finish: (message, asker, entry, askedAt) =>
        this.#responder.finish(message, asker, entry, this.#data, currentTime(), askedAt),
    });
  }

  /** Takes a message of the main thread. Snapshots and answers take effect at once, in the order they come. */
  take(message: ToWorker): void {
    switch (message.kind) {
      case "snapshot":
        if (message.tree !== undefined) this.#tree = attach(message.tree, this.#tree);
        this.#data = new SharedAnswers(message.head, this.#tree);
        this.#post({ kind: "served", version: message.version });
        return;
      case "entry":
        this.#forwarder.answer(message.id, message.entry, message.failure);
        return;
      default:
        void this.#run(message).then(
          (port) => this.#post({ kind: "done", id: message.id, port }),
          (error: unknown) => this.#post({ kind: "failed", id: message.id, ...describe(error) }),
        );
    }
  }

  /** Carries out what takes time; gives the port that is bound, or 0. */
  async #run(message: Extract<ToWorker, { kind: RequestKind }>): Promise<number> {
    switch (message.kind) {
      case "bind":
        return this.#bind(message);
      case "bind-doh":
        return this.#bindDoh(message);
      case "set-tls":
        for (const listener of this.#doh) listener.setTls(message.tls);
        return 0;
      case "unbind":
        await this.#unbind(message.protocol, 0);
        return 0;
      case "reload":
        this.#responder = this.#makeResponder(message.config, this.#start.memory);
        return 0;
      case "close":
        await Promise.all((["udp", "tcp", "doh"] as const).map((each) => this.#unbind(each, message.timeout)));
        return 0;
    }
  }

  async #bind({ protocol, address, reusePort }: Extract<ToWorker, { kind: "bind" }>): Promise<number> {
    const where = { ...address, reusePort };
    const { limits, receiveBuffer } = this.#start;
    const options = this.#listenerOptions();
    if (protocol === "udp") {
      this.#udp = await UdpListener.bind(where, {
        ...options,
        ...(receiveBuffer === undefined ? {} : { receiveBuffer }),
      });
      return this.#udp.port;
    }
    this.#tcp = await TcpListener.bind(where, { ...options, ...limits });
    return this.#tcp.port;
  }

  async #bindDoh({ address, tls, limits }: Extract<ToWorker, { kind: "bind-doh" }>): Promise<number> {
    const listener = await DohListener.bind(address, { ...this.#listenerOptions(), ...limits, tls });
    this.#doh.push(listener);
    return listener.port;
  }

  #listenerOptions(): ListenerOptions {
    const stats = new ServerStats(this.#start.memory.stats);
    return {
      respond: (query, asker, now) => this.#respond(query, asker, now),
      log: (what, error) => this.#post({ kind: "alarm", what, message: describe(error).message }),
      now: currentTime,
      onEvent: (event) => countListenerEvent(stats, event),
    };
  }

  async #unbind(protocol: Protocol | "doh", timeout: number): Promise<void> {
    if (protocol !== "doh") {
      await (protocol === "udp" ? this.#udp : this.#tcp)?.close(timeout);
      return;
    }
    const listeners = this.#doh;
    this.#doh = [];
    await Promise.all(listeners.map((listener) => listener.close(timeout)));
  }

  /** What this throws, or its promise rejects with, the listener reports, and answers SERVFAIL. */
  #respond(message: Uint8Array, asker: Asker, now: number): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const reply = this.#responder.respond(message, asker, this.#data, now);
    return reply === ELSEWHERE ? this.#forwarder.forward(message, asker) : reply;
  }
}

/** The tree that is shown; its buffer may be the one of the tree before. */
function attach({ buffer, root }: ShownTree, before: FlatTree | undefined): FlatTree {
  const memory = buffer ?? before?.buffer;
  if (memory === undefined) throw new TypeError("a tree was shown without its buffer");
  return FlatTree.attach(memory, root);
}

/** Unix seconds. */
function currentTime(): number {
  return Math.floor(Date.now() / 1000);
}

function describe(error: unknown): { code: string | undefined; message: string } {
  if (!(error instanceof Error)) return { code: undefined, message: String(error) };
  const { code } = error as NodeJS.ErrnoException;
  return { code: typeof code === "string" ? code : undefined, message: error.message };
}

const port = parentPort;
if (port === null) throw new TypeError("this is the module of a worker thread");
const start = workerData as WorkerStart;
const { makeResponder } = (await import(start.responderModule)) as { makeResponder: MakeResponder<unknown> };
const thread = new WorkerThread(start, makeResponder, (message) => port.postMessage(message));
port.on("message", (message: ToWorker) => thread.take(message));
port.postMessage({ kind: "ready" } satisfies FromWorker);
