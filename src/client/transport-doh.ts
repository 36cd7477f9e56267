import { encodeTxtQuery, isWireName, matchReply } from "../dns/txt-reply.ts";
import { formatBase64 } from "../vindex/base64.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { AbortHub } from "./abort-hub.ts";
import { padQuery } from "./dns-padding.ts";
import { readReply, unreachable } from "./read-reply.ts";
import type { QueryOptions, Transport, TxtReply } from "./transport.ts";

/** Options of a `DohTransport`. */
export interface DohTransportOptions {
  /** Of the DoH server, such as `https://dns.example/dns-query`; a `{?dns}` at its end is left out. */
  readonly url: string;
  /** What is called instead of the platform's `fetch`. */
  readonly fetch?: typeof fetch;
  /** Limit of a whole exchange in milliseconds. Default 5,000. */
  readonly timeout?: number;
  /**
   * Default `POST`: the question stands in no URL, so in no log of URLs. `GET` may be answered by an HTTP cache, and from a page
   * it needs no preflight.
   */
  readonly method?: "GET" | "POST";
}

const DEFAULT_TIMEOUT = 5000;
const MEDIA_TYPE = "application/dns-message";
/** A DNS message is no longer. */
const MAX_MESSAGE_LENGTH = 65_535;

/**
 * Asks a DNS server by HTTPS (RFC 8484): one request a query, with ID 0, and padded, so that its length tells little. The server may be any resolver: what it says is
 * verified, so all that is trusted to it is which modules one asks for.
 *
 * Redirects are not followed, so no other server learns that. Imports nothing of Node.
 */
export class DohTransport implements Transport {
  readonly #url: string;
  readonly #fetch: typeof fetch;
  readonly #timeout: number;
  readonly #hub = new AbortHub();
  readonly #method: "GET" | "POST";

  /** @throws ProofdnsError `MALFORMED_INPUT` if the URL is none, or not of `https:` or `http:` */
  constructor(options: DohTransportOptions) {
    // What plain JavaScript calls wrongly; the types allow no other.
    if (typeof options?.url !== "string") {
      throw new TypeError('new DohTransport: expected { url: "https://dns.example/dns-query" }');
    }
    this.#url = parseDohUrl(options.url);
    // Called without a receiver: a browser's fetch refuses any other than the window.
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT;
    this.#method = options.method ?? "POST";
  }

  async query(name: Uint8Array, options: QueryOptions = {}): Promise<TxtReply> {
    if (!isWireName(name)) throw new TypeError("not a name in wire format");
    const { signal } = options;
    signal?.throwIfAborted();
    const controller = new AbortController();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      controller.abort();
    }, this.#timeout);
    const leave = this.#hub.listen(signal, () => controller.abort());
    try {
      const query = encodeTxtQuery(name, 0);
      const message = await untilAborted(this.#exchange(padQuery(query), controller.signal), controller.signal);
      return this.#read(message, query, name);
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      if (isLate) throw this.#error(`did not answer within ${this.#timeout} ms`);
      if (error instanceof ProofdnsError) throw error;
      throw this.#error(`cannot be reached: ${reasonOf(error)}`, error);
    } finally {
      clearTimeout(timer);
      leave();
      // Whatever is left of the exchange, such as a body that goes on, ends here.
      controller.abort();
    }
  }

  async #exchange(query: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const isPost = this.#method === "POST";
    const response = await this.#fetch(isPost ? this.#url : withQuery(this.#url, query), {
      method: this.#method,
      headers: { accept: MEDIA_TYPE, ...(isPost ? { "content-type": MEDIA_TYPE } : {}) },
      ...(isPost ? { body: query.slice() } : {}),
      redirect: "manual",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal,
    });
    const { status } = response;
    if (response.type === "opaqueredirect" || (status >= 300 && status < 400)) {
      throw this.#error("redirects elsewhere, which is not followed: name the address that it redirects to");
    }
    if (status !== 200) throw this.#error(explainStatus(status));
    const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
    if (type !== MEDIA_TYPE) throw this.#error(`does not speak DNS over HTTPS there: no ${MEDIA_TYPE} came`);
    return this.#readBody(response);
  }

  async #readBody(response: Response): Promise<Uint8Array> {
    const bytes = new Uint8Array(MAX_MESSAGE_LENGTH);
    let length = 0;
    const reader = response.body?.getReader();
    for (;;) {
      const part = await reader?.read();
      if (part === undefined || part.done) return bytes.slice(0, length);
      if (length + part.value.length > bytes.length) throw this.#error("sends more than a DNS message holds");
      bytes.set(part.value, length);
      length += part.value.length;
    }
  }

  #read(message: Uint8Array, query: Uint8Array, name: Uint8Array): TxtReply {
    const match = matchReply(message, query);
    if (match === undefined) {
      throw new ProofdnsError("MALFORMED_MESSAGE", `DNS reply: ${this.#url} replies to something else than was asked`);
    }
    const reply = readReply(message, name, "https", this.#url);
    if (reply === undefined) throw this.#error("sent a truncated reply");
    return reply;
  }

  #error(why: string, cause?: unknown): ProofdnsError {
    return unreachable(this.#url, why, cause);
  }
}

function parseDohUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text.replace(/\{\?dns\}$/, ""));
  } catch {
    throw badUrl(text, "it is no URL");
  }
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw badUrl(text, `it begins with ${url.protocol}, not with https:`);
  if (url.username !== "" || url.password !== "") throw badUrl(text, "it holds a user name or password");
  url.hash = "";
  return url.href;
}

function badUrl(text: string, why: string): ProofdnsError {
  const shown = JSON.stringify(text.slice(0, 100));
  return new ProofdnsError(
    "MALFORMED_INPUT",
    `DoH server ${shown}: ${why}; expected one like https://dns.example/dns-query`,
  );
}

/** RFC 8484 §4.1: base64url without padding. */
function withQuery(url: string, query: Uint8Array): string {
  const dns = formatBase64(query).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return `${url}${url.includes("?") ? "&" : "?"}dns=${dns}`;
}

function explainStatus(status: number): string {
  if (status === 429) return "answers with HTTP status 429: too many queries; ask again later, or fewer at once";
  if (status === 404 || status === 405 || status === 415) {
    return `answers with HTTP status ${status}: is DNS over HTTPS served at this address?`;
  }
  return `answers with HTTP status ${status}`;
}

/** What a failed fetch says of itself: Node hides the reason in the cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code } = (cause ?? {}) as { readonly code?: unknown };
  // What OpenSSL says itself is for those who know its sources.
  const tls = typeof code === "string" ? /^ERR_SSL_([A-Z0-9_]{1,60})$/.exec(code)?.[1] : undefined;
  if (tls !== undefined)
    return `TLS fails there (${tls.toLowerCase().replaceAll("_", " ")}): is this the port of HTTPS?`;
  return cause instanceof Error ? cause.message : String(cause);
}

/** The same, but ends when the signal does: an injected `fetch` need not heed it. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    promise.then(resolve, reject);
  });
}
