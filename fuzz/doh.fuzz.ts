import assert from "node:assert/strict";
import { DohTransport } from "../src/client/transport-doh.ts";
import { type DohRequest, type DohRequestHead, parseBase64Url, readDohRequest } from "../src/dns/doh/request.ts";
import { decodeTxtReply, encodeTxtQuery, matchReply } from "../src/dns/txt-reply.ts";
import { equalBytes } from "../src/vindex/bytes.ts";
import { Input, latin1Of } from "./input.ts";
import { outcomeOf, outcomeOfAsync } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/** DNS over HTTPS: requests as a server reads them, and whatever an HTTP server may reply to a client. */
export const target: Target = {
  maxLength: 800,
  plants: ["second-parameter", "any-media-type", "spare-bits"],
  isAsync: true,
};

/** Bug: of two parameters the last counts. */
const readOnce = plant("second-parameter", readDohRequest, (head) => {
  const [, ...parts] = head.target.split(/[?&]/);
  const last = parts.findLast((part) => part.startsWith("dns="));
  return readDohRequest(
    last === undefined || head.method === "POST" ? head : { ...head, target: `${head.target.split("?")[0]}?${last}` },
  );
});

/** Bug: a POST may be of any media type that begins like the right one. */
const readRequest = plant("any-media-type", readOnce, (head) => {
  const isLike = head.contentType?.startsWith("application/dns-message") === true;
  return readOnce(isLike ? { ...head, contentType: "application/dns-message" } : head);
});

/** Bug: base64url with bits to spare is taken. */
const parse = plant("spare-bits", parseBase64Url, (text) =>
  /^[\w-]*$/.test(text) && text.length % 4 !== 1 ? new Uint8Array(Buffer.from(text, "base64url")) : undefined,
);

const MAX = 4096;
const NAME = Uint8Array.of(4, 0x67, 0x6f, 0x34, 0x2e, 2, 0x70, 0x31, 0);
const QUERY = encodeTxtQuery(NAME, 0);

export async function fuzz(data: Uint8Array): Promise<void> {
  const input = new Input(data);
  switch (input.byte() % 3) {
    case 0:
      return request(input);
    case 1:
      return base64Url(latin1Of(input.rest()));
    default:
      return reply(input);
  }
}

/** Undefined, or one of what is usual, perhaps with a character more, or any text. */
function header(input: Input, usual: readonly string[]): string | undefined {
  const how = input.byte();
  if (how < 0x20) return undefined;
  if (how < 0x70) return input.pick(usual);
  return how < 0xb0 ? input.pick(usual) + String.fromCharCode(input.byte()) : latin1Of(input.block());
}

function request(input: Input): void {
  const method = header(input, ["GET", "POST", "HEAD", "OPTIONS", "PUT", "get"]) ?? "GET";
  const path = header(input, ["/dns-query", "/dns-query/", "/", "*"]) ?? "/dns-query";
  const query = header(input, ["?", "?dns=", "?dns=AAAB", "?x=1&dns=AAAB", "?dns=AA&dns=AA", "?dns=AAA%3D"]) ?? "";
  const filler = "A".repeat(input.byte() > 0xf0 ? 4 * input.uint16() : 0);
  const head: DohRequestHead = {
    method,
    target: `${path}${query}${filler}`,
    contentType: header(input, ["application/dns-message", "Application/DNS-Message; x=y", "text/plain"]),
    contentEncoding: header(input, ["identity", "gzip", " Identity"]),
    contentLength: header(input, ["0", "33", "4096", "4097", "-1", "x", "1e9"]),
  };
  const got = withinTime("a request", () => readRequest(head));
  const expected = naiveRequest(head);
  assert.equal(
    got.kind === "refused" ? got.status : got.kind,
    expected.kind === "refused" ? expected.status : expected.kind,
  );
  if (got.kind === "query" && expected.kind === "query") assert.ok(equalBytes(got.message, expected.message));
  if (got.kind === "refused") assert.match(got.text, /^[\x20-\x7e]{5,120}$/);
}

/** spec/dns.md §5.1 in the platform's words. */
function naiveRequest({ method, target, contentType, contentEncoding, contentLength }: DohRequestHead): DohRequest {
  const refused = (status: 400 | 404 | 405 | 413 | 415): DohRequest => ({ kind: "refused", status, text: "" });
  const [path, ...rest] = target.split("?");
  if (path !== "/dns-query") return refused(404);
  if (method === "OPTIONS") return { kind: "preflight" };
  if (method === "POST") {
    const type = (contentType ?? "").toLowerCase().split(";")[0]?.trim();
    const encoding = contentEncoding === undefined ? "identity" : contentEncoding.toLowerCase().trim();
    if (type !== "application/dns-message" || encoding !== "identity") return refused(415);
    return Number(contentLength ?? "0") > MAX ? refused(413) : { kind: "body" };
  }
  if (method !== "GET" && method !== "HEAD") return refused(405);
  const found = rest
    .join("?")
    .split("&")
    .flatMap((part) => (part.startsWith("dns=") ? [part.slice(4)] : []));
  if (found.length !== 1) return refused(400);
  const text = found[0] as string;
  if (text.length * 3 > MAX * 4 + 2) return refused(413);
  const message = naiveBase64Url(text);
  return message === undefined ? refused(400) : { kind: "query", message };
}

function naiveBase64Url(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? new Uint8Array(bytes) : undefined;
}

function base64Url(text: string): void {
  const got = parse(text);
  const expected = naiveBase64Url(text);
  assert.equal(got === undefined, expected === undefined, text);
  if (got !== undefined && expected !== undefined) assert.ok(equalBytes(got, expected));
}

/** A client beside a server that replies with any status, type and body, in any pieces. */
async function reply(input: Input): Promise<void> {
  const status = input.pick([200, 200, 200, 200, 200, 204, 301, 307, 400, 404, 415, 429, 500, 0]);
  const type = header(input, ["application/dns-message", "application/dns-message; charset=x", "text/html", ""]);
  const size = input.byte() > 0xf8 ? input.uint16() * 2 : 0;
  const pieceLength = 1 + input.byte();
  const isOwn = input.byte() % 4 !== 0;
  const rest = input.rest();
  const start = Uint8Array.from(QUERY.subarray(0, QUERY.length - 11));
  start[2] = 0x84;
  start[7] = (rest[0] ?? 0) % 4;
  start[11] = 0;
  const body = new Uint8Array(Buffer.concat([...(isOwn ? [start, rest.subarray(1)] : [rest]), Buffer.alloc(size)]));
  const fetchOf = async (): Promise<Response> => {
    let at = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (at >= body.length) controller.close();
        else {
          const length = size > 0 ? 20_000 : pieceLength;
          controller.enqueue(body.slice(at, at + length));
          at += length;
        }
      },
    });
    const headers = { get: (name: string) => (name === "content-type" ? (type ?? null) : null) };
    return { status, type: "basic", headers, body: stream } as unknown as Response;
  };
  const transport = new DohTransport({ url: "https://dns.example/dns-query", fetch: fetchOf });
  const got = await outcomeOfAsync(() => transport.query(NAME), "UNREACHABLE", "REFUSED", "MALFORMED_MESSAGE");
  const isDns = type?.toLowerCase().split(";")[0]?.trim() === "application/dns-message";
  if (status !== 200 || !isDns || body.length > 65_535) {
    assert.equal(got.code, "UNREACHABLE");
    return;
  }
  if (matchReply(body, QUERY) === undefined) {
    assert.equal(got.code, "MALFORMED_MESSAGE");
    return;
  }
  const content = outcomeOf(() => decodeTxtReply(body, NAME), "MALFORMED_MESSAGE");
  if (content.code !== undefined) assert.equal(got.code, content.code);
  else if (content.value.kind === "txt") {
    assert.ok(got.value?.kind === "txt" && equalBytes(got.value.payload, content.value.payload));
    assert.deepEqual([got.value.transport, got.value.messageBytes], ["https", body.length]);
  } else if (content.value.kind === "nodata" || content.value.kind === "nxdomain") {
    assert.deepEqual([got.value?.kind, got.value?.ttl], [content.value.kind, content.value.ttl]);
  } else {
    const isRefusal = content.value.kind === "failure" && content.value.rcode === 5;
    assert.equal(got.code, isRefusal ? "REFUSED" : "UNREACHABLE");
  }
}
