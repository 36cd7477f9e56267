import { setMaxListeners } from "node:events";
import { BlockList, isIP } from "node:net";
import { domainToASCII } from "node:url";
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
 * names, for `localhost` and for loopback addresses. A proxy without a scheme is one of http. SOCKS is not spoken.
 */
export class WebProxies {
  readonly #byScheme: ReadonlyMap<string, Variable>;
  readonly #exceptions: (host: string, port: string) => boolean;

  constructor(env: Environment) {
    const byScheme = new Map<string, Variable>();
    for (const scheme of ["http", "https"]) {
      const found = findVariable(env, `${scheme.toUpperCase()}_PROXY`, `${scheme}_proxy`);
      if (found !== undefined) byScheme.set(`${scheme}:`, found);
    }
    this.#byScheme = byScheme;
    this.#exceptions = parseNoProxy(findVariable(env, "NO_PROXY", "no_proxy")?.value ?? "");
  }

  /** True if no proxy is named at all. */
  get isEmpty(): boolean {
    return this.#byScheme.size === 0;
  }

  /**
   * The proxy that `url` is fetched through; undefined if it is fetched directly.
   *
   * @throws ProofdnsError `MALFORMED_INPUT` if it would be by one whose variable makes no sense; the message shows no password
   */
  find(url: URL): WebProxy | undefined {
    const variable = this.#byScheme.get(url.protocol);
    if (variable === undefined) return undefined;
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
    return this.#exceptions(host, port) ? undefined : parseProxy(variable);
  }
}

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
  if (!URL.canParse(whole)) throw refuse("is no URL of a proxy");
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
  const addresses: { readonly list: BlockList; readonly port: string }[] = [];
  const names: { readonly suffix: string; readonly port: string; readonly isExact: boolean }[] = [];
  let isAll = false;
  for (const part of text.split(",")) {
    const entry = part.trim().toLowerCase();
    if (entry === "*") isAll = true;
    const subnet = /^([0-9a-f.:]+)\/([0-9]{1,3})$/.exec(entry);
    const [, base = "", bits = ""] = subnet ?? [];
    if (isIP(base) !== 0 && Number(bits) <= (isIP(base) === 4 ? 32 : 128)) {
      const list = new BlockList();
      list.addSubnet(base, Number(bits), isIP(base) === 4 ? "ipv4" : "ipv6");
      addresses.push({ list, port: "" });
      continue;
    }
    const [, v6, name, behind] = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(entry) ?? [];
    const host = v6 ?? name ?? entry;
    const port = behind ?? "";
    if (isIP(host) !== 0) {
      const list = new BlockList();
      list.addAddress(host, isIP(host) === 4 ? "ipv4" : "ipv6");
      addresses.push({ list, port });
      continue;
    }
    const suffix = host.replace(/^\*\./, ".");
    const isExact = !suffix.startsWith(".");
    const bare = isExact ? suffix : suffix.slice(1);
    if (bare !== "") names.push({ suffix: `.${domainToASCII(bare) || bare}`, port, isExact });
  }
  return (host, port) => {
    const family = isIP(host);
    if (host === "localhost" || isAll) return true;
    const isPort = (wanted: string): boolean => wanted === "" || wanted === port;
    if (family !== 0) {
      const kind = family === 4 ? "ipv4" : "ipv6";
      if (loopback.check(host, kind)) return true;
      return addresses.some((address) => isPort(address.port) && address.list.check(host, kind));
    }
    return names.some(
      ({ suffix, port: wanted, isExact }) =>
        isPort(wanted) && (host.endsWith(suffix) || (isExact && host === suffix.slice(1))),
    );
  };
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
  const tunnels = new Tunnels();
  let loaded: Promise<typeof fetch> | undefined;
  return async (input, init) => {
    if (input instanceof Request) throw new TypeError("a URL is expected");
    const proxy = proxies.find(new URL(input));
    // A package that is loaded only by those who have a proxy.
    loaded ??= loadProxyFetch(proxies, tunnels, options.ca);
    const ask = await loaded;
    tunnels.waiting++;
    try {
      return await ask(input, init);
    } catch (error) {
      if (proxy === undefined || init?.signal?.aborted === true) throw error;
      const why = explainFailure(error, proxy);
      throw new TypeError(`fetch failed: ${why}`, { cause: new Error(why) });
    } finally {
      if (--tunnels.waiting === 0) tunnels.end();
    }
  };
}

/**
 * The CONNECTs that no proxy has answered yet. A request that is given up does not end the one that was made for it, as others may use
 * the tunnel; so that none keeps a process alive that waits for nothing, all end with the last request.
 */
class Tunnels {
  /** Requests whose reply has not begun. */
  waiting = 0;
  #controller = makeController();

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  end(): void {
    this.#controller.abort();
    this.#controller = makeController();
  }
}

/** As many listen as there are tunnels under way. */
function makeController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

async function loadProxyFetch(proxies: WebProxies, tunnels: Tunnels, ca: string | undefined): Promise<typeof fetch> {
  const { Agent, fetch: fetchBy, Pool, ProxyAgent } = await import("undici");
  class TunnelPool extends Pool {
    // The one form of it that a ProxyAgent calls.
    override connect(options: Parameters<InstanceType<typeof Pool>["connect"]>[0]): never {
      return super.connect({ ...options, signal: tunnels.signal }).catch((error: unknown) => {
        // undici takes its own errors of a socket for those of a request, and would try without end to open this tunnel.
        const isOwn = /^UND_ERR_/.test(String((error as NodeJS.ErrnoException).code));
        throw isOwn ? new Error((error as Error).message) : error;
      }) as never;
    }
  }
  const tls = ca === undefined ? {} : { ca };
  const agents = new Map<string, InstanceType<typeof ProxyAgent>>();
  const dispatcher = new Agent({ connect: tls }).compose((dispatch) => (request, handler) => {
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
        clientFactory: (origin, options) => new TunnelPool(origin, options),
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
