import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { METRICS_CONTENT_TYPE } from "./prometheus.ts";
import type { ServiceLog } from "./service.ts";

/** What decides whether the server is ready. */
export interface Readiness {
  /** Number of the epoch that is served; 0 before the first. */
  readonly epoch: number;
  /** Seconds since it was made. */
  readonly epochAge: number | undefined;
  /** Seconds since the clock's last cosignature; undefined if there is none. */
  readonly clockAge: number | undefined;
  /** The server is about to stop: no new queries, please. */
  readonly isDraining: boolean;
}

export interface ReadinessLimits {
  /** Most seconds of age of the epoch; undefined for a checksum database that may be quiet. */
  readonly maxEpochAge?: number | undefined;
  /** Most seconds of age of the clock's cosignature. */
  readonly maxClockAge?: number | undefined;
}

export interface MonitorOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** Text of `/metrics`, made anew for each request. */
  readonly metrics: () => string;
  readonly readiness: () => Readiness;
  readonly limits: ReadinessLimits;
  readonly log: ServiceLog;
}

/** Connections at once; a scraper and a balancer need a handful. */
const MAX_CONNECTIONS = 64;

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly contentType?: string;
}

/** One line why the server is not ready; undefined if it is. */
export function explainUnready(readiness: Readiness, limits: ReadinessLimits): string | undefined {
  const { epoch, epochAge, clockAge, isDraining } = readiness;
  const { maxEpochAge, maxClockAge } = limits;
  if (isDraining) return "draining";
  if (epoch === 0) return "no epoch is served";
  // Written so that an age that is no number is none within the limits.
  if (maxEpochAge !== undefined && !(epochAge !== undefined && epochAge <= maxEpochAge)) {
    return `epoch ${epoch} is ${formatAge(epochAge)}, more than ${maxEpochAge} s`;
  }
  if (maxClockAge !== undefined && !(clockAge !== undefined && clockAge <= maxClockAge)) {
    return `the clock's cosignature is ${formatAge(clockAge)}, more than ${maxClockAge} s`;
  }
  return undefined;
}

function formatAge(age: number | undefined): string {
  return age === undefined ? "of no known age" : `${Math.floor(age)} s old`;
}

/**
 * An HTTP server for those who watch the service, on an address of its own:
 *
 *     /metrics   Prometheus text
 *     /healthz   200 while the process answers
 *     /readyz    200 if it should be asked, else 503 and one line why
 *
 * GET and HEAD only. It reads no bodies, keeps nothing of a request and tells nothing that is secret; still it is not for
 * strangers.
 */
export class Monitor {
  readonly #o: MonitorOptions;
  #server: Server | undefined;
  #isClosed = false;

  constructor(options: MonitorOptions) {
    this.#o = options;
  }

  /** Binds and gives the address. Rejects with the error of bind(2). May be called once. */
  async listen(): Promise<{ host: string; port: number }> {
    if (this.#server !== undefined || this.#isClosed)
      throw new TypeError("listen() was called before, or after close()");
    const server = createServer(
      {
        headersTimeout: 5_000,
        requestTimeout: 10_000,
        keepAliveTimeout: 15_000,
        // How soon a timeout is noticed; the default is half a minute.
        connectionsCheckingInterval: 1_000,
        maxHeaderSize: 8_192,
      },
      (request, response) => this.#handle(request, response),
    );
    this.#server = server;
    server.maxConnections = MAX_CONNECTIONS;
    // Also for who sends a request and never reads the reply.
    server.setTimeout(20_000);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port: this.#o.port, host: this.#o.host, exclusive: true }, resolve);
    });
    server.removeAllListeners("error");
    // Out of file descriptors, for one: the connection is lost, the server is not.
    server.on("error", (error) => this.#o.log("alarm", `monitor: ${error.message}`));
    const bound = server.address() as AddressInfo;
    return { host: bound.address, port: bound.port };
  }

  /** Stops listening and ends all connections. May be called more than once, and before `listen`. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const server = this.#server;
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    let reply: Reply;
    try {
      reply = this.#respond(request.method ?? "", request.url ?? "");
    } catch (error) {
      this.#o.log("alarm", `monitor: ${error instanceof Error ? error.message : String(error)}`);
      reply = { status: 500, body: "failed; see the log\n" };
    }
    const { headers } = request;
    const hasBody = headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;
    response.writeHead(reply.status, {
      "content-type": reply.contentType ?? "text/plain; charset=utf-8",
      "content-length": Buffer.byteLength(reply.body),
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...(reply.status === 405 ? { allow: "GET, HEAD" } : {}),
      // A body is not read to its end.
      ...(hasBody ? { connection: "close" } : {}),
    });
    // Node leaves the body out of a reply to HEAD.
    response.end(reply.body);
  }

  #respond(method: string, url: string): Reply {
    const path = url.split("?", 1)[0] as string;
    if (path !== "/metrics" && path !== "/healthz" && path !== "/readyz") {
      return { status: 404, body: "/metrics, /healthz, /readyz\n" };
    }
    if (method !== "GET" && method !== "HEAD") return { status: 405, body: "GET and HEAD only\n" };
    if (path === "/healthz") return { status: 200, body: "ok\n" };
    if (path === "/metrics") return { status: 200, body: this.#o.metrics(), contentType: METRICS_CONTENT_TYPE };
    const why = explainUnready(this.#o.readiness(), this.#o.limits);
    return why === undefined ? { status: 200, body: "ready\n" } : { status: 503, body: `${why}\n` };
  }
}
