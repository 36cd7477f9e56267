import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Readable } from "node:stream";
import { concatBytes } from "../../vindex/bytes.ts";
import type { ListenerEvent, Respond } from "../listener.ts";
import type { DohConnection } from "./connection.ts";
import { padReply } from "./padding.ts";
import { type DohRequest, type DohRequestHead, MAX_DOH_QUERY, NO_QUERY, readDohRequest, TOO_LONG } from "./request.ts";
import { type DohResponse, makeDnsResponse, makeRefusal, PREFLIGHT } from "./response.ts";

/** Bytes of the head of a request. */
export const MAX_HEAD = 8192;

/** Who answers. */
export interface DohAnswerer {
  /** Must not throw, nor its promises reject. */
  readonly respond: Respond;
  /** Unix seconds. */
  now(): number;
  count(event: ListenerEvent): void;
}

/** One request that `begin` of its connection took, and the way of its reply, whichever HTTP it came by. */
class Exchange {
  readonly head: DohRequestHead;
  readonly body: Readable;
  readonly connection: DohConnection;
  readonly #send: (response: DohResponse) => void;
  readonly #refuse: () => void;
  #bytes = 0;
  #isQuery = false;
  #isOver = false;
  #isRefused = false;

  /** `send` does nothing if the asker is gone; `refuse` ends the request so that it may be made again. */
  constructor(
    head: DohRequestHead,
    body: Readable,
    connection: DohConnection,
    send: (response: DohResponse) => void,
    refuse: () => void,
  ) {
    this.head = head;
    this.body = body;
    this.connection = connection;
    this.#send = send;
    this.#refuse = refuse;
  }

  /** Sends the reply: once. */
  send(response: DohResponse): void {
    // Whoever gave up is not counted again.
    if (this.#isOver) return;
    if (!this.connection.reply(response.body.length)) {
      this.#isRefused = true;
      this.#refuse();
      return;
    }
    this.#bytes = response.body.length;
    this.#isQuery = response.status === 200;
    this.#send(response);
  }

  /** The request is over; `isSent` if all of its reply has left. */
  end(isSent: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // What this side refused is not put down to the asker.
    this.connection.end(this.#bytes, isSent || this.#isRefused, this.#isQuery);
  }
}

/** Answers a request by HTTP/1.1. */
export function answerHttp1(
  request: IncomingMessage,
  response: ServerResponse,
  connection: DohConnection,
  answerer: DohAnswerer,
): void {
  // One that says goodbye answers no more of what was sent ahead.
  if (!connection.begin()) return;
  const { headers } = request;
  const length = headers["content-length"];
  const head = {
    method: request.method ?? "",
    target: request.url ?? "",
    contentType: headers["content-type"],
    contentEncoding: headers["content-encoding"],
    contentLength: length,
  };
  const send = ({ status, headers: own, body }: DohResponse): void => {
    if (response.destroyed) return;
    // A body that is not read to its end is in the way of the next request.
    const hasBody = length !== undefined || headers["transfer-encoding"] !== undefined;
    const isCut = hasBody && !request.complete && !(Number(length ?? "x") <= MAX_DOH_QUERY);
    response.writeHead(status, connection.isLast || isCut ? { ...own, connection: "close" } : own);
    // Node leaves the body out of a reply to HEAD.
    response.end(body);
  };
  const exchange = new Exchange(head, request, connection, send, () => response.destroy());
  request.on("error", () => {});
  response.on("error", () => {});
  response.once("close", () => exchange.end(response.writableFinished));
  answer(exchange, answerer);
}

/** Answers a request by HTTP/2. */
export function answerHttp2(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  connection: DohConnection,
  answerer: DohAnswerer,
): void {
  stream.on("error", () => {});
  // Reset in the same breath: it costs no answer.
  if (stream.destroyed || stream.closed) {
    connection.reset();
    return;
  }
  if (!connection.begin()) {
    stream.close(constants.NGHTTP2_REFUSED_STREAM);
    return;
  }
  if (headLength(headers) > MAX_HEAD) {
    stream.respond({ ":status": 431 }, { endStream: true });
    stream.once("close", () => connection.end(0, true, false));
    return;
  }
  const head = {
    method: headers[":method"] ?? "",
    target: headers[":path"] ?? "",
    contentType: headers["content-type"],
    contentEncoding: headers["content-encoding"],
    contentLength: headers["content-length"],
  };
  let isSent = false;
  const send = ({ status, headers: own, body }: DohResponse): void => {
    if (stream.destroyed || stream.closed) return;
    const isEmpty = body.length === 0 || head.method === "HEAD";
    stream.respond({ ":status": status, ...own }, { endStream: isEmpty });
    isSent = isEmpty;
    if (isEmpty) return;
    // Not end(body): a stream may close before it says "finish", and an asker who resets it with NO_ERROR looks the same.
    stream.write(body, (error) => {
      isSent = error === null || error === undefined;
      stream.end();
      // What is left of a body is not wanted (RFC 9113 §8.1).
      if (!stream.endAfterHeaders && !stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
    });
  };
  const refuse = (): void => stream.close(constants.NGHTTP2_REFUSED_STREAM);
  const exchange = new Exchange(head, stream, connection, send, refuse);
  stream.once("close", () => exchange.end(isSent));
  answer(exchange, answerer);
}

/** Bytes of names and values: that a setting says how many they may be binds nobody. */
function headLength(headers: IncomingHttpHeaders): number {
  let length = 0;
  for (const name in headers) length += name.length + String(headers[name]).length;
  return length;
}

function answer(exchange: Exchange, answerer: DohAnswerer): void {
  const request = readDohRequest(exchange.head);
  if (request.kind !== "body") {
    answerRequest(exchange, request, answerer);
    return;
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  exchange.body.on("data", (chunk: Uint8Array) => {
    if (length > MAX_DOH_QUERY) return;
    length += chunk.length;
    if (length > MAX_DOH_QUERY) answerRequest(exchange, TOO_LONG, answerer);
    else chunks.push(chunk);
  });
  exchange.body.once("end", () => {
    if (length > MAX_DOH_QUERY) return;
    answerRequest(exchange, { kind: "query", message: concatBytes(...chunks) }, answerer);
  });
}

function answerRequest(
  exchange: Exchange,
  request: Exclude<DohRequest, { kind: "body" }>,
  answerer: DohAnswerer,
): void {
  if (request.kind === "preflight") {
    exchange.send(PREFLIGHT);
    return;
  }
  const refuse = (refusal: Parameters<typeof makeRefusal>[0]): void => {
    answerer.count("doh-rejected");
    exchange.send(makeRefusal(refusal));
  };
  if (request.kind === "refused") {
    refuse(request);
    return;
  }
  const send = (reply: Uint8Array | undefined): void => {
    if (reply === undefined) refuse(NO_QUERY);
    else exchange.send(makeDnsResponse(padReply(reply, request.message)));
  };
  const asker = { transport: "https", address: exchange.connection.address } as const;
  const reply = answerer.respond(request.message, asker, answerer.now());
  if (reply instanceof Promise) void reply.then(send);
  else send(reply);
}
