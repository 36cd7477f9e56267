import { createServer } from "node:http";
import { decodeTxtReply, encodeTxtQuery } from "../../src/dns/txt-reply.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { close, listen } from "./page.ts";

/** What a proxy does with one reply: `name` is what was asked, `ask` asks the server for another name. */
export type Tamper = (
  reply: Uint8Array,
  name: Uint8Array,
  ask: (name: Uint8Array) => Promise<Uint8Array>,
) => Uint8Array | Promise<Uint8Array>;

/** A proxy of DNS over HTTPS that lies as it is told. */
export interface TamperingProxy {
  readonly url: string;
  /** The lie from now on. */
  tamper: Tamper;
  /** Replies that it changed. */
  changed: number;
  close(): Promise<void>;
}

const MEDIA_TYPE = "application/dns-message";

/** Starts a proxy in front of the DoH server at `target`. */
export async function startProxy(target: string): Promise<TamperingProxy> {
  const ask = async (query: Uint8Array): Promise<Uint8Array> => {
    const body = query.slice();
    const response = await fetch(target, { method: "POST", headers: { "content-type": MEDIA_TYPE }, body });
    return new Uint8Array(await response.arrayBuffer());
  };
  const server = createServer(async (request, response) => {
    const cors = { "access-control-allow-origin": "*", "access-control-allow-headers": "content-type" };
    if (request.method !== "POST") {
      response.writeHead(204, { ...cors, "access-control-allow-methods": "POST" }).end();
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const query = Uint8Array.from(Buffer.concat(chunks));
    const name = nameOf(query);
    const honest = await ask(query);
    const reply = await proxy.tamper(honest, name, (other) => ask(encodeTxtQuery(other, 0)));
    if (Buffer.compare(honest, reply) !== 0) proxy.changed++;
    response.writeHead(200, { ...cors, "content-type": MEDIA_TYPE }).end(reply);
  });
  const port = await listen(server);
  const proxy: TamperingProxy = {
    url: `http://127.0.0.1:${port}/dns-query`,
    tamper: (reply) => reply,
    changed: 0,
    close: () => close(server),
  };
  return proxy;
}

/** The name that a query of the client asks for. */
export function nameOf(query: Uint8Array): Uint8Array {
  let end = 12;
  while (end < query.length && query[end] !== 0) end += 1 + (query[end] ?? 0);
  return query.slice(12, end + 1);
}

/** True for the head's names. */
export function isHead(name: Uint8Array): boolean {
  return Buffer.from(name).toString("latin1").toLowerCase().includes("\x05_head");
}

/** The payload of a reply to `name`. */
export function payloadOf(reply: Uint8Array, name: Uint8Array): Uint8Array {
  const content = decodeTxtReply(reply, name);
  if (content.kind !== "txt") throw new TypeError(`no TXT but ${content.kind}`);
  return content.payload;
}

/** A reply with the header and question of another, and one TXT with this payload. */
export function replyWith(reply: Uint8Array, name: Uint8Array, payload: Uint8Array): Uint8Array {
  const strings: Uint8Array[] = [];
  for (let at = 0; at < payload.length || at === 0; at += 255) {
    const part = payload.subarray(at, at + 255);
    strings.push(Uint8Array.of(part.length), part);
  }
  const rdata = concatBytes(...strings);
  const header = reply.slice(0, 12 + name.length + 4);
  header.set([0, 1, 0, 1, 0, 0, 0, 0], 4);
  const fixed = Uint8Array.of(0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 30, rdata.length >> 8, rdata.length & 0xff);
  return concatBytes(header, fixed, rdata);
}
