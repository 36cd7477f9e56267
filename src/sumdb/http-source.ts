import { setTimeout as delay } from "node:timers/promises";
import { makeWebFetch, WebProxies } from "../go/web-proxy.ts";
import { parseDecimal } from "../vindex/decimal.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { HASH_LENGTH } from "../vindex/sha256.ts";
import { DATA_LEVEL, parseTilePath } from "../vindex/tile.ts";
import { escapePath, escapeVersion } from "./escape.ts";
import { MAX_DATA_TILE_BYTES, MAX_NOTE_BYTES, type ReadOptions, type SumdbSource } from "./source.ts";

export interface HttpSourceOptions {
  /** Time for one whole attempt, body included; 30,000 by default. */
  readonly timeoutMs?: number;
  /** Attempts in all; 4 by default. */
  readonly attempts?: number;
  /** First wait; it doubles with each attempt, and a random half of it is left out. 500 by default. */
  readonly backoffMs?: number;
  /** Longest wait, also where `Retry-After` asks for more; 60,000 by default. */
  readonly maxWaitMs?: number;
  /** By default one that goes through the proxy that `HTTPS_PROXY` or `HTTP_PROXY` names, but for hosts of `NO_PROXY`. */
  readonly fetch?: typeof globalThis.fetch;
  readonly sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  /** 0 to 1. */
  readonly random?: () => number;
  /** Unix seconds, for a `Retry-After` that is a date. */
  readonly now?: () => number;
}

const MAX_REDIRECTS = 5;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/** Outcome of one attempt: bytes, nothing there, or a failure that another attempt may mend. */
type Attempt =
  | { readonly bytes: Uint8Array | undefined }
  | { readonly failure: string; readonly cause?: unknown; readonly waitMs?: number | undefined };

/**
 * A checksum database behind an HTTP or HTTPS URL (`https://sum.golang.org`).
 *
 * Bodies are cut off at what the thing asked for can measure; connections that dribble end with the attempt's
 * time. Network errors, timeouts, 429 and 5xx are tried again after a growing wait; 404 and 410 are the answer
 * "not there"; anything else fails at once. Redirects stay within the scheme.
 */
export class HttpSumdbSource implements SumdbSource {
  readonly url: string;
  readonly #options: Required<HttpSourceOptions>;

  /** @throws ProofdnsError `MALFORMED_INPUT` unless `url` is a plain http or https URL, or if its proxy is none */
  constructor(url: string, options: HttpSourceOptions = {}) {
    this.url = parseBaseUrl(url);
    if (options.fetch === undefined) new WebProxies(process.env).find(new URL(this.url));
    this.#options = {
      timeoutMs: 30_000,
      attempts: 4,
      backoffMs: 500,
      maxWaitMs: 60_000,
      fetch: makeWebFetch(process.env),
      sleep: (ms, signal) => delay(ms, undefined, signal === undefined ? {} : { signal }),
      random: Math.random,
      now: () => Date.now() / 1000,
      ...options,
    };
  }

  async readLatest(options: ReadOptions = {}): Promise<Uint8Array> {
    const bytes = await this.#read("/latest", MAX_NOTE_BYTES, options);
    if (bytes === undefined)
      throw unreachable(`${this.url}/latest`, "there is no tree head; is this a checksum database?");
    return bytes;
  }

  async readTile(tilePath: string, options: ReadOptions = {}): Promise<Uint8Array | undefined> {
    const tile = parseTilePath(tilePath);
    const limit = tile.level === DATA_LEVEL ? MAX_DATA_TILE_BYTES : HASH_LENGTH * 2 ** tile.height;
    return this.#read(`/${tilePath}`, limit, options);
  }

  async readLookup(modulePath: string, version: string, options: ReadOptions = {}): Promise<Uint8Array | undefined> {
    return this.#read(`/lookup/${escapePath(modulePath)}@${escapeVersion(version)}`, MAX_NOTE_BYTES, options);
  }

  async #read(path: string, limit: number, options: ReadOptions): Promise<Uint8Array | undefined> {
    const { attempts, backoffMs, maxWaitMs, random, sleep } = this.#options;
    const url = this.url + path;
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#attempt(url, limit, options);
      if ("bytes" in outcome) return outcome.bytes;
      if (attempt >= attempts) {
        throw unreachable(
          url,
          `${outcome.failure} (${attempt} ${attempt === 1 ? "attempt" : "attempts"})`,
          outcome.cause,
        );
      }
      const backoff = backoffMs * 2 ** (attempt - 1) * (0.5 + random() / 2);
      await sleep(Math.min(maxWaitMs, Math.max(backoff, outcome.waitMs ?? 0)), options.signal);
      options.signal?.throwIfAborted();
    }
  }

  async #attempt(url: string, limit: number, { signal, fresh = false }: ReadOptions): Promise<Attempt> {
    signal?.throwIfAborted();
    // One controller for both ends of an attempt. AbortSignal.any would keep a reference for every attempt on a
    // signal that lives as long as the process.
    const controller = new AbortController();
    const onAbort = (): void => controller.abort(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    const { timeoutMs } = this.#options;
    const timer = setTimeout(() => controller.abort(new Error(`no whole answer within ${timeoutMs} ms`)), timeoutMs);
    try {
      return await this.#exchange(url, limit, fresh, controller.signal);
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof ProofdnsError) throw cause;
      const reason: unknown = controller.signal.aborted ? controller.signal.reason : cause;
      return { failure: describeFailure(reason), cause };
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      // Ends a body that was not read to its end.
      controller.abort();
    }
  }

  async #exchange(start: string, limit: number, fresh: boolean, signal: AbortSignal): Promise<Attempt> {
    const headers: Record<string, string> = { "user-agent": "proofdns" };
    if (fresh) headers["cache-control"] = "no-cache";
    let url = start;
    for (let redirects = 0; ; redirects++) {
      const response = await this.#options.fetch(url, { headers, redirect: "manual", signal });
      const { status } = response;
      if (status === 200) return { bytes: await readBody(response, limit, url) };
      if (status === 404 || status === 410) return { bytes: undefined };
      if (status === 429 || status >= 500)
        return { failure: `HTTP status ${status}`, waitMs: this.#retryAfter(response) };
      if (!REDIRECTS.includes(status)) throw unreachable(url, `HTTP status ${status}`);
      if (redirects >= MAX_REDIRECTS) throw unreachable(start, `more than ${MAX_REDIRECTS} redirects`);
      url = redirectTarget(url, response.headers.get("location"));
    }
  }

  #retryAfter(response: Response): number | undefined {
    const text = response.headers.get("retry-after");
    if (text === null) return undefined;
    const seconds = parseDecimal(text);
    if (seconds !== undefined) return seconds * 1000;
    // The one date form that servers may send (RFC 9110 §5.6.7); Date.parse alone would take nearly anything.
    if (!/^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$/.test(text)) return undefined;
    const wait = Date.parse(text) - this.#options.now() * 1000;
    return wait > 0 ? wait : undefined;
  }
}

function parseBaseUrl(text: string): string {
  const refuse = (why: string): never => {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `checksum database URL ${JSON.stringify(text.slice(0, 200))}: ${why}; expected one like https://sum.golang.org`,
    );
  };
  if (!URL.canParse(text)) return refuse("not a URL");
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") return refuse("not http or https");
  if (url.username !== "" || url.password !== "") return refuse("it holds a user name or password");
  if (url.search !== "" || url.hash !== "" || /[?#]/.test(text)) return refuse("it has a query or a fragment");
  return url.href.replace(/\/+$/, "");
}

function redirectTarget(from: string, location: string | null): string {
  if (location === null || !URL.canParse(location, from)) throw unreachable(from, "a redirect to nowhere");
  const target = new URL(location, from);
  if (target.protocol !== new URL(from).protocol) {
    throw unreachable(from, `a redirect to another scheme, ${target.protocol}`);
  }
  if (target.username !== "" || target.password !== "") throw unreachable(from, "a redirect that holds a password");
  return target.href;
}

/** Reads a body of at most `limit` bytes; never holds more than that and one chunk. */
async function readBody(response: Response, limit: number, url: string): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > limit) throw unreachable(url, `a body of more than ${limit} bytes`);
    chunks.push(chunk);
  }
  const out = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

function unreachable(url: string, why: string, cause?: unknown): ProofdnsError {
  return new ProofdnsError("UNREACHABLE", `cannot read ${url}: ${why}`, { cause });
}

/** The innermost message: fetch says "fetch failed" and keeps the reason in its cause. */
function describeFailure(error: unknown): string {
  let at = error;
  for (let depth = 0; depth < 5 && at instanceof Error && at.cause instanceof Error; depth++) at = at.cause;
  if (!(at instanceof Error)) return String(at);
  const code = (at as NodeJS.ErrnoException).code;
  return at.message === "" ? (code ?? at.name) : at.message;
}
