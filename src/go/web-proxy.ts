import { BlockList, isIP, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { domainToASCII } from "node:url";
import type { buildConnector } from "undici";
import type { ProofdnsError } from "../vindex/error.ts";
import type { Environment } from "./go-env.ts";
import { malformed, quoted, shown } from "./malformed.ts";

/** A proxy of HTTP that the environment names. */
export interface WebProxy {
  /** `http://host:port` or `https://host:port`, without user name and password. */
  readonly url: string;
  /** Value of the header `proxy-authorization`; a secret. */
  readonly authorization: string | undefined;
  /** The environment variable that names it. */
  readonly variable: string;
}

/**
 * Which URLs the environment has fetched through which proxy, by the rules of Go's net/http (`ProxyFromEnvironment`): `HTTPS_PROXY`
 * for https, `HTTP_PROXY` for http, each of them also in lower case, the upper case first; but for the hosts that `NO_PROXY`
 * names, for `localhost` and for loopback addresses. A proxy without a scheme is one of http. SOCKS is not spoken. In a program of CGI, which
 * `REQUEST_METHOD` shows, `HTTP_PROXY` may be a header of whoever asks: it is refused.
 */
export class WebProxies {
  readonly #byScheme: ReadonlyMap<string, Variable>;
  readonly #exceptions: (host: string, port: string) => boolean;
  readonly #isCgi: boolean;

  constructor(env: Environment) {
    const byScheme = new Map<string, Variable>();
    for (const scheme of ["http", "https"]) {
      const found = findVariable(env, `${scheme.toUpperCase()}_PROXY`, `${scheme}_proxy`);
      if (found !== undefined) byScheme.set(`${scheme}:`, found);
    }
    this.#byScheme = byScheme;
    this.#exceptions = parseNoProxy(findVariable(env, "NO_PROXY", "no_proxy")?.value ?? "");
    this.#isCgi = (env["REQUEST_METHOD"] ?? "") !== "";
  }

  /** True if no proxy is named at all. */
  get isEmpty(): boolean {
    return this.#byScheme.size === 0;
  }

  /**
   * The proxy that `url` is fetched through; undefined if it is fetched directly.
   *
   * @throws ProofdnsError `MALFORMED_INPUT` if it would be by one whose variable makes no sense, or may be a stranger's; the
   *   message shows no password
   */
  find(url: URL): WebProxy | undefined {
    const variable = this.#byScheme.get(url.protocol);
    if (variable === undefined) return undefined;
    if (this.#isCgi && url.protocol === "http:") {
      const why =
        "it is refused where REQUEST_METHOD is set, as by CGI: there a header of whoever asks may have set it";
      throw malformed(variable.name, undefined, `${why}; unset one of the two`);
    }
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
    return this.#exceptions(host, port) ? undefined : parseProxy(variable);
  }
}

type Connector = buildConnector.connector;

interface Variable {
  readonly name: string;
  readonly value: string;
}

function findVariable(env: Environment, ...names: readonly string[]): Variable | undefined {
  for (const name of names) {
    const value = env[name] ?? "";
    if (value !== "") return { name, value };
  }
  return undefined;
}

function parseProxy({ name, value }: Variable): WebProxy {
  const refuse = (why: string): ProofdnsError =>
    malformed(name, undefined, `${quoted(withoutSecret(value))} ${why}; expected one like http://proxy.example:3128`);
  const whole = value.includes("://") ? value : `http://${value}`;
  // What has one slash, or three, is a slip: as a host and a path it would name the host `http`.
  const isSlip = /^[A-Za-z][A-Za-z0-9+.-]*:\/(?!\/[^/])/.test(value);
  if (isSlip || !URL.canParse(whole)) throw refuse("is no URL of a proxy");
  const url = new URL(whole);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw refuse("is no proxy of http or https");
  // A password with a bare slash ends the host: the rest of it would be shown as a path, and the wrong host asked.
  if (/@/.test(url.pathname + url.search + url.hash)) {
    throw refuse("has an @ behind its host: write / ? # and % in a password as %2F %3F %23 and %25");
  }
  const { username, password } = url;
  try {
    const secret = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const hasSecret = username !== "" || password !== "";
    return {
      url: url.origin,
      authorization: hasSecret ? `Basic ${Buffer.from(secret).toString("base64")}` : undefined,
      variable: name,
    };
  } catch (cause) {
    if (!(cause instanceof URIError)) throw cause;
    throw refuse("has a % in its user name or password that begins no byte: write it as %25");
  }
}

/** Whatever may be of a user name and password is left out, also where nothing parses. */
function withoutSecret(value: string): string {
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.exec(value)?.[0] ?? "";
  const at = value.lastIndexOf("@");
  return at < scheme.length ? value : `${scheme}…${value.slice(at)}`;
}

/** Parses NO_PROXY as golang.org/x/net/http/httpproxy does: what it does not understand, it passes over. */
function parseNoProxy(text: string): (host: string, port: string) => boolean {
  const loopback = new BlockList();
  loopback.addSubnet("127.0.0.0", 8, "ipv4");
  loopback.addAddress("::1", "ipv6");
  const addresses: { readonly includes: (address: Address) => boolean; readonly port: string }[] = [];
  const names: { readonly suffix: string; readonly port: string; readonly isExact: boolean }[] = [];
  let isAll = false;
  for (const part of text.split(",")) {
    const entry = part.trim().toLowerCase();
    if (entry === "*") isAll = true;
    const subnet = parseSubnet(entry);
    if (subnet !== undefined) {
      addresses.push({ includes: subnet, port: "" });
      continue;
    }
    const [, v6, name, behind] = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(entry) ?? [];
    const host = v6 ?? name ?? entry;
    const port = behind ?? "";
    const address = parseAddress(host);
    if (address !== undefined) {
      addresses.push({ includes: ({ text }) => text === address.text, port });
      continue;
    }
    const suffix = host.replace(/^\*\./, ".");
    const isExact = !suffix.startsWith(".");
    const bare = isExact ? suffix : suffix.slice(1);
    if (bare !== "") names.push({ suffix: `.${toAscii(bare)}`, port, isExact });
  }
  return (host, port) => {
    if (host === "localhost" || isAll) return true;
    const isPort = (wanted: string): boolean => wanted === "" || wanted === port;
    const address = parseAddress(host);
    if (address !== undefined) {
      if (loopback.check(address.text, address.kind)) return true;
      return addresses.some(({ includes, port: wanted }) => isPort(wanted) && includes(address));
    }
    return names.some(
      ({ suffix, port: wanted, isExact }) =>
        isPort(wanted) && (host.endsWith(suffix) || (isExact && host === suffix.slice(1))),
    );
  };
}

/** An IP address in its one form; one of IPv4 written as IPv6 (`::ffff:10.0.0.1`) is one of IPv4, as for Go. */
interface Address {
  readonly text: string;
  readonly kind: "ipv4" | "ipv6";
}

/** Undefined if it is none. One with a zone is none. */
function parseAddress(host: string): Address | undefined {
  if (isIP(host) === 4) return { text: host, kind: "ipv4" };
  if (isIP(host) !== 6 || host.includes("%")) return undefined;
  const text = new URL(`http://[${host}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text) ?? [];
  if (high === undefined || low === undefined) return { text, kind: "ipv6" };
  const bytes = [high, low].flatMap((part) => [Number.parseInt(part, 16) >> 8, Number.parseInt(part, 16) & 0xff]);
  return { text: bytes.join("."), kind: "ipv4" };
}

/** Parses `ADDRESS/BITS`; what it returns tells whether an address is in that network, which holds one kind of addresses. */
function parseSubnet(entry: string): ((address: Address) => boolean) | undefined {
  const [, text = "", bits = ""] = /^([0-9a-f.:]+)\/([0-9]{1,3})$/.exec(entry) ?? [];
  const base = parseAddress(text);
  if (base === undefined) return undefined;
  // Of IPv4 written as IPv6 the first 96 bits say no more than that.
  const isMapped = base.kind === "ipv4" && isIP(text) === 6;
  const length = Number(bits) - (isMapped ? 96 : 0);
  if (length < 0 || length > (base.kind === "ipv4" ? 32 : 128)) return undefined;
  const list = new BlockList();
  list.addSubnet(base.text, length, base.kind);
  return ({ text, kind }) => kind === base.kind && list.check(text, kind);
}

/** A name in any script as the DNS has it. What holds anything besides is left as it is, and no host has that name. */
function toAscii(name: string): string {
  const ascii = name.replaceAll(/\P{ASCII}/gu, "");
  const isForeign = ascii !== name && /^[a-z0-9._-]*$/.test(ascii);
  return (isForeign && domainToASCII(name)) || name;
}

/**
 * Makes a `fetch` that goes through the proxies that `env` names, as `WebProxies` says of every URL, redirects included. Without any it is the
 * platform's own, which knows no proxy. `ca`: certificates, PEM, that servers are checked against in place of the platform's.
 *
 * It rejects with a `ProofdnsError` `MALFORMED_INPUT` as `WebProxies.find`. What else fails does so as with the platform's, and the
 * reason names the proxy, but not its password.
 */
export function makeWebFetch(env: Environment, options: { readonly ca?: string } = {}): typeof fetch {
  const proxies = new WebProxies(env);
  if (proxies.isEmpty) return (input, init) => fetch(input, init);
  const openings = new Openings();
  let loaded: Promise<typeof fetch> | undefined;
  return async (input, init) => {
    if (input instanceof Request) throw new TypeError("a URL is expected");
    const proxy = proxies.find(new URL(input));
    // A package that is loaded only by those who have a proxy.
    loaded ??= loadProxyFetch(proxies, openings, options.ca);
    const ask = await loaded;
    openings.waiting++;
    try {
      return await ask(input, init);
    } catch (error) {
      if (proxy === undefined || init?.signal?.aborted === true) throw error;
      const why = explainFailure(error, proxy);
      throw new TypeError(`fetch failed: ${why}`, { cause: new Error(why) });
    } finally {
      if (--openings.waiting === 0) openings.end();
    }
  };
}

/**
 * The connections, also those in tunnels, that are not ready for a request yet. A request that is given up does not end the one that was
 * begun for it, as others may use it; so that none keeps a process alive that waits for nothing, all end with the last request.
 */
class Openings {
  /** Requests whose reply has not begun. */
  waiting = 0;
  readonly #controllers = new Set<AbortController>();

  /** The same, but each connection ends early with `end`; and so does, by `signal`, whatever it is made by. */
  watch(connect: Connector): Connector {
    return (options, callback) => {
      const controller = new AbortController();
      const { signal } = controller;
      this.#controllers.add(controller);
      const made: unknown = connect({ ...options, signal } as typeof options, (...outcome) => {
        this.#controllers.delete(controller);
        callback(...outcome);
      });
      if (made instanceof Socket) endWith(signal, made);
    };
  }

  end(): void {
    for (const controller of this.#controllers) controller.abort();
    this.#controllers.clear();
  }
}

function endWith(signal: AbortSignal, stream: Duplex): void {
  signal.addEventListener("abort", () => stream.destroy(new Error("nobody waits for it any more")), { once: true });
}

async function loadProxyFetch(proxies: WebProxies, openings: Openings, ca: string | undefined): Promise<typeof fetch> {
  const { Agent, buildConnector, fetch: fetchBy, Pool, ProxyAgent } = await import("undici");
  const makePool = (origin: string | URL, options: object): InstanceType<typeof Pool> => {
    const { connect } = options as { connect: Connector };
    return new TunnelPool(origin, { ...options, connect: openings.watch(connect) });
  };
  class TunnelPool extends Pool {
    // The one form of it that a ProxyAgent calls, with the signal of the connection that the tunnel is for.
    override connect(options: Parameters<InstanceType<typeof Pool>["connect"]>[0]): never {
      return super.connect(options).then(
        (data) => {
          if (options.signal instanceof AbortSignal) endWith(options.signal, data.socket);
          return data;
        },
        (error: unknown) => {
          // undici takes its own errors of a socket for those of a request, and would try without end to open this tunnel.
          const isOwn = /^UND_ERR_/.test(String((error as NodeJS.ErrnoException).code));
          throw isOwn ? new Error((error as Error).message) : error;
        },
      ) as never;
    }
  }
  const tls = ca === undefined ? {} : { ca };
  const agents = new Map<string, InstanceType<typeof ProxyAgent>>();
  const direct = new Agent({ connect: openings.watch(buildConnector(tls)) });
  const dispatcher = direct.compose((dispatch) => (request, handler) => {
    const proxy = proxies.find(new URL(String(request.origin)));
    if (proxy === undefined) return dispatch(request, handler);
    const { authorization, url, variable } = proxy;
    let agent = agents.get(variable);
    if (agent === undefined) {
      agent = new ProxyAgent({
        uri: url,
        ...(authorization === undefined ? {} : { token: authorization }),
        // http: is asked for by its whole URL, as every proxy knows it; only https: by CONNECT.
        proxyTunnel: false,
        clientFactory: makePool,
        factory: makePool,
        requestTls: tls,
        proxyTls: tls,
      });
      agents.set(variable, agent);
    }
    return agent.dispatch(request, handler);
  });
  // The types of its fetch are its own, and differ from the platform's in classes that do not matter here.
  const ask = fetchBy as unknown as (input: unknown, init: object) => Promise<Response>;
  return (input, init) => ask(input, { ...init, dispatcher });
}

function explainFailure(error: unknown, { url, variable }: WebProxy): string {
  let at = error;
  for (let depth = 0; depth < 5 && at instanceof Error && at.cause instanceof Error; depth++) at = at.cause;
  const inner = at instanceof Error ? at : new Error(String(at));
  const code = (inner as NodeJS.ErrnoException).code;
  const reason = inner.message === "" ? (code ?? inner.name) : inner.message;
  const status = /\(([1-5][0-9]{2})\)/.exec(reason)?.[1];
  const where = `the proxy ${url} of ${variable}`;
  if (status === undefined) return `${shown(reason)} (by ${where})`;
  return status === "407"
    ? `${where} wants a user name and password: write http://USER:PASSWORD@HOST:PORT`
    : `${where} answers with HTTP status ${status}`;
}
