import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { readRegularFile } from "../audit/regular-file.ts";
import { escapePath, escapeVersion } from "../sumdb/escape.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { codeOf } from "./binary-file.ts";
import type { GoEnv } from "./go-env.ts";
import { malformed, quoted, shown } from "./malformed.ts";
import { findPrefixPattern } from "./path-pattern.ts";

/** Largest go.mod file that is taken, as by the go command. */
export const MAX_GO_MOD = 16 * 1024 * 1024;
const MAX_REDIRECTS = 10;
/** For one proxy of a list. */
const PROXY_TIMEOUT_MS = 20_000;
/** With less than this left for a list, no further proxy is asked. */
const LEAST_TIMEOUT_MS = 10;

/** How a module proxy is asked. */
export interface ModuleProxyOptions {
  /** The platform's by default, which knows no proxy of the web: `makeWebFetch` does. */
  readonly fetch?: typeof fetch;
  readonly signal?: AbortSignal;
  /** For all proxies of the list together; none by default. Each of them has 20 s at most. */
  readonly timeoutMs?: number;
}

/** An entry of GOPROXY. */
export interface ProxyEntry {
  /** A URL of `https`, `http` or `file`. */
  readonly url: string;
  readonly kind: "url" | "direct" | "off";
  /** After any failure the next entry is asked, not only where there is no such module. */
  readonly goesOn: boolean;
}

/**
 * Parses GOPROXY: URLs, `direct` and `off`, parted by `,` or `|`. What follows `direct` or `off` counts for nothing.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`
 */
export function parseGoProxy(text: string): ProxyEntry[] {
  const entries: ProxyEntry[] = [];
  for (const [, part = "", separator] of text.matchAll(/([^,|]*)([,|]|$)/g)) {
    const entry = part.trim();
    if (entry === "") continue;
    if (entry === "direct" || entry === "off") {
      entries.push({ url: entry, kind: entry, goesOn: false });
      break;
    }
    entries.push({ url: parseProxyUrl(entry), kind: "url", goesOn: separator === "|" });
  }
  if (entries.length === 0) throw malformed("GOPROXY", undefined, "it has no entry");
  return entries;
}

function parseProxyUrl(entry: string): string {
  const isBare = /[.:/]/.test(entry) && !entry.includes(":/") && !isAbsolute(entry) && !entry.startsWith("/");
  const text = isBare ? `https://${entry}` : entry;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isKnown = url !== undefined && ["https:", "http:", "file:"].includes(url.protocol);
  if (!isKnown || url.search !== "" || url.hash !== "" || (url.protocol === "file:" && url.host !== "")) {
    throw malformed("GOPROXY", undefined, `${quoted(redact(text))} is no URL of https, http or file, direct or off`);
  }
  return url.href.replace(/\/+$/, "");
}

/** Without a user name and password. */
function redact(url: string): string {
  return url.replace(/\/\/[^/@]*@/, "//…@");
}

/** What asking one proxy came to. */
type Outcome =
  | { readonly bytes: Uint8Array }
  | { readonly failure: string; readonly isAbsent: boolean; readonly cause?: unknown };

/**
 * Fetches the go.mod of a module version from the proxies of GOPROXY, as the go command would. The bytes are whatever a proxy
 * sent: they count only if their hash (`hashGoMod`) is the proven one. A private module is refused by the caller; modules that
 * GONOPROXY names, and `direct`, cannot be fetched, for that takes version control.
 *
 * @throws ProofdnsError `UNREACHABLE` with what each proxy said; `MALFORMED_INPUT` if GOPROXY, path or version are malformed, or
 *   the proxy of the web that `options.fetch` would go through
 */
export async function fetchGoMod(
  goEnv: Pick<GoEnv, "GOPROXY" | "GONOPROXY">,
  path: string,
  version: string,
  options: ModuleProxyOptions = {},
): Promise<Uint8Array> {
  const suffix = `/${escapePath(path)}/@v/${escapeVersion(version)}.mod`;
  const entries = parseGoProxy(goEnv.GOPROXY);
  const pattern = entries[0]?.kind === "direct" ? undefined : findPrefixPattern(goEnv.GONOPROXY, path);
  if (pattern !== undefined) {
    throw unreachable(path, version, [
      `GONOPROXY has ${quoted(pattern)}, so it would have to come from version control`,
    ]);
  }
  const failures: string[] = [];
  let cause: unknown;
  const until = performance.now() + (options.timeoutMs ?? Number.POSITIVE_INFINITY);
  for (const entry of entries) {
    if (entry.kind !== "url") {
      failures.push(
        entry.kind === "off"
          ? "GOPROXY ends with off"
          : "GOPROXY says direct: it would have to come from version control",
      );
      break;
    }
    const left = Math.min(PROXY_TIMEOUT_MS, Math.ceil(until - performance.now()));
    if (left < LEAST_TIMEOUT_MS) {
      failures.push("no time is left for the next proxy");
      break;
    }
    const outcome = await askProxy(entry.url, suffix, left, options);
    if ("bytes" in outcome) return outcome.bytes;
    failures.push(`${redact(entry.url)}: ${outcome.failure}`);
    cause = outcome.cause;
    if (!outcome.isAbsent && !entry.goesOn) break;
  }
  throw unreachable(path, version, failures, cause);
}

function unreachable(path: string, version: string, failures: readonly string[], cause?: unknown): ProofdnsError {
  const what = `cannot get the go.mod of ${shown(path)}@${shown(version)}`;
  return new ProofdnsError("UNREACHABLE", `${what}: ${shown(failures.join("; "), 1000)}`, { cause });
}

async function askProxy(
  base: string,
  suffix: string,
  timeoutMs: number,
  options: ModuleProxyOptions,
): Promise<Outcome> {
  options.signal?.throwIfAborted();
  if (base.startsWith("file:")) return readFromFolder(base + suffix);
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(options.signal?.reason);
  options.signal?.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(() => controller.abort(new Error(`no whole answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await exchange(base, suffix, options.fetch ?? fetch, controller.signal);
  } catch (cause) {
    options.signal?.throwIfAborted();
    if (isProofdnsError(cause, "MALFORMED_INPUT")) throw cause;
    const reason: unknown = controller.signal.aborted ? controller.signal.reason : cause;
    return { failure: describe(reason), isAbsent: false, cause };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", onAbort);
    // Ends a body that was not read to its end.
    controller.abort();
  }
}

async function readFromFolder(url: string): Promise<Outcome> {
  try {
    const bytes = await readRegularFile(fileURLToPath(url), MAX_GO_MOD);
    return bytes === undefined ? { failure: "it has no such file", isAbsent: true } : { bytes };
  } catch (cause) {
    if (!isProofdnsError(cause) && !(cause instanceof TypeError)) throw cause;
    return { failure: describe(cause), isAbsent: false, cause };
  }
}

async function exchange(base: string, suffix: string, ask: typeof fetch, signal: AbortSignal): Promise<Outcome> {
  let url = new URL(base + suffix);
  // fetch takes no password in a URL. It is for the proxy it was written for, and nobody it redirects to.
  const { origin } = url;
  const secret =
    url.username === "" ? undefined : `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  [url.username, url.password] = ["", ""];
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const headers: Record<string, string> = { "user-agent": "proofdns" };
    if (secret !== undefined && url.origin === origin) {
      headers["authorization"] = `Basic ${Buffer.from(secret).toString("base64")}`;
    }
    const response = await ask(url.href, { headers, redirect: "manual", signal });
    const { status } = response;
    if (status === 200) return readBody(response);
    if (status === 404 || status === 410) return { failure: "it has no such version", isAbsent: true };
    if (![301, 302, 303, 307, 308].includes(status)) return { failure: `HTTP status ${status}`, isAbsent: false };
    const location = response.headers.get("location") ?? "";
    const target = URL.canParse(location, url.href) ? new URL(location, url.href) : undefined;
    const isFine = target?.protocol === "https:" || (target?.protocol === "http:" && url.protocol === "http:");
    if (target === undefined || !isFine || target.username !== "" || target.password !== "") {
      return {
        failure: "a redirect that is not followed: to no address, to another scheme, or with a password",
        isAbsent: false,
      };
    }
    url = target;
  }
  return { failure: `more than ${MAX_REDIRECTS} redirects`, isAbsent: false };
}

/** Reads a body; never holds more than the largest go.mod and one chunk. */
async function readBody(response: Response): Promise<Outcome> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (response.body !== null) {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      if (length > MAX_GO_MOD) return { failure: `a go.mod of more than ${MAX_GO_MOD} bytes`, isAbsent: false };
      chunks.push(chunk);
    }
  }
  return { bytes: new Uint8Array(Buffer.concat(chunks)) };
}

/** The innermost message: fetch says "fetch failed" and keeps the reason in its cause. */
function describe(error: unknown): string {
  let at = error;
  for (let depth = 0; depth < 5 && at instanceof Error && at.cause instanceof Error; depth++) at = at.cause;
  if (!(at instanceof Error)) return String(at);
  return at.message === "" ? codeOf(at) : at.message;
}
