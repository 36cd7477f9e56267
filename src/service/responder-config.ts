import { performance } from "node:perf_hooks";
import type { Asker } from "../dns/asker.ts";
import { Cookies } from "../dns/cookies.ts";
import { type ZoneKeys, ZoneSigner } from "../dns/dnssec/index.ts";
import { parseQuery, Query } from "../dns/message.ts";
import { formatName } from "../dns/name.ts";
import { RateLimiter, type RateLimitOptions } from "../dns/rate-limit.ts";
import { Responder } from "../dns/responder.ts";
import { ServerStats } from "../dns/stats.ts";
import type { MakeResponder, ThreadResponder } from "../dns/threads/protocol.ts";
import type { Zone } from "../dns/zone.ts";
import { ELSEWHERE } from "../dns/zone-data.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { type LogFormat, type Logger, makeLogger } from "./log.ts";

/** What the responders of all threads are made of: plain data, which threads can send each other. */
export interface ResponderConfig {
  readonly zone: Zone;
  /** Without keys the zone is unsigned. */
  readonly keys: ZoneKeys | undefined;
  /** One or two; without any there are no cookies. */
  readonly cookieSecrets: readonly Uint8Array[];
  readonly rateLimit: RateLimitOptions | undefined;
  readonly nsid: Uint8Array | undefined;
  /** Replies that a thread keeps. */
  readonly cacheSize: number;
  /** 32 random bits. */
  readonly seed: number;
  /** Writes a line for each query, with its name, to standard error. */
  readonly trace: LogFormat | undefined;
}

/** Makes the responder of a thread. @throws what `ZoneSigner` and `Cookies` throw for keys that cannot be used */
export const makeResponder: MakeResponder<ResponderConfig> = (config, memory) => {
  const { zone, keys, cookieSecrets, rateLimit, nsid, cacheSize, seed, trace } = config;
  const responder = new Responder({
    zone,
    cacheSize,
    seed,
    sha256: nodeSha256,
    clock: () => performance.now(),
    stats: new ServerStats(memory.stats),
    ...(keys === undefined ? {} : { signer: new ZoneSigner(keys) }),
    ...(cookieSecrets.length === 0 ? {} : { cookies: new Cookies(cookieSecrets) }),
    ...(rateLimit === undefined || memory.rateLimit === undefined
      ? {}
      : { rateLimit: new RateLimiter(memory.rateLimit, rateLimit) }),
    ...(nsid === undefined ? {} : { nsid }),
  });
  if (trace === undefined || memory.role === "main") return responder;
  return traced(responder, makeLogger({ level: "trace", format: trace }));
};

/** The same responder, which says what it was asked. */
function traced(responder: ThreadResponder, log: Logger): ThreadResponder {
  const query = new Query();
  return {
    compute: (message, asker, data, now) => responder.compute(message, asker, data, now),
    finish: (message, asker, entry, data, now, askedAt) => responder.finish(message, asker, entry, data, now, askedAt),
    respond: (message, asker, data, now) => {
      const reply = responder.respond(message, asker, data, now);
      const said = reply === undefined ? "none" : reply === ELSEWHERE ? "main thread" : `${reply.length} bytes`;
      const asked = parseQuery(message, query) && query.hasQuestion;
      log("trace", "query", {
        qname: asked ? formatName(message.subarray(12, query.nameEnd)) : undefined,
        qtype: asked ? query.type : undefined,
        transport: asker.transport,
        client: formatAddress(asker),
        reply: said,
      });
      return reply;
    },
  };
}

function formatAddress({ address }: Asker): string {
  if (address.length === 4) return address.join(".");
  const words: string[] = [];
  for (let i = 0; i < 16; i += 2) words.push((((address[i] ?? 0) << 8) | (address[i + 1] ?? 0)).toString(16));
  return words.join(":");
}
