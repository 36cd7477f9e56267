import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { Client } from "../../src/client/client.ts";
import { FolderMemoryStore } from "../../src/client/memory-folder.ts";
import { DohTransport } from "../../src/client/transport-doh.ts";
import { respond } from "../../src/dns/responder.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { assertTrue, makeHostileWorld, NOW, REMEMBERED } from "./hostile-world.ts";
import { zone } from "./liars.ts";
import { sha256, trustOf } from "./world.ts";

/** A hostile server of DNS over HTTPS, over a real socket, with a short timeout. */

const world = await makeHostileWorld();
const trust = trustOf(world.keys);
after(() => world.close());

const TIMEOUT = 250;
const BOUND = 20_000;
const SUBJECT = { kind: "module", path: "example.com/m1" } as const;
const TYPE = { "content-type": "application/dns-message" };

type Handler = (honest: Buffer, response: ServerResponse, request: IncomingMessage) => void | Promise<void>;
type Expected = "truth" | readonly string[];

const tell: Handler = (honest, response) => void response.writeHead(200, TYPE).end(honest);
const UNREACHABLE = ["UNREACHABLE"] as const;
const status =
  (code: number, headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    void response.writeHead(code, headers).end("\u001b[31mno\u0007");
const drip =
  (chunk: (honest: Buffer, i: number) => Buffer | undefined, delay: number): Handler =>
  async (honest, response) => {
    response.writeHead(200, TYPE);
    for (let i = 0; !response.destroyed; i++) {
      const next = chunk(honest, i);
      if (next === undefined) break;
      response.write(next);
      await setTimeout(delay, undefined, { ref: false });
    }
    response.end();
  };

const WAYS: readonly (readonly [what: string, handler: Handler, expected: Expected])[] = [
  ["tells the truth", tell, "truth"],
  [
    "tells it byte by byte",
    drip((honest, i) => (i < honest.length ? honest.subarray(i, i + 1) : undefined), 0),
    "truth",
  ],
  ["is silent", () => {}, UNREACHABLE],
  ["sends the head and no body", (_, response) => void response.writeHead(200, TYPE).flushHeaders(), UNREACHABLE],
  ["drips for ever", drip((honest, i) => honest.subarray(i % 20, (i % 20) + 1), 20), UNREACHABLE],
  ["sends for ever", drip(() => Buffer.alloc(16_384), 0), UNREACHABLE],
  ["sends nothing", (_, response) => void response.writeHead(200, TYPE).end(), ["MALFORMED_MESSAGE"]],
  [
    "sends half",
    (honest, response) => void response.writeHead(200, TYPE).end(honest.subarray(0, honest.length >> 1)),
    ["MALFORMED_MESSAGE", "MALFORMED_ANSWER"],
  ],
  [
    "promises more than it sends",
    (honest, response) =>
      void response.writeHead(200, { ...TYPE, "content-length": "60000" }).write(honest, () => response.destroy()),
    UNREACHABLE,
  ],
  ["resets", (_, response) => void response.socket?.resetAndDestroy(), UNREACHABLE],
  [
    "resets in the body",
    (honest, response) =>
      void response.writeHead(200, TYPE).write(honest.subarray(0, 20), () => response.socket?.resetAndDestroy()),
    UNREACHABLE,
  ],
  [
    "sends a page",
    (_, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<p>hello"),
    UNREACHABLE,
  ],
  ["sends no type", (honest, response) => void response.writeHead(200).end(honest), UNREACHABLE],
  ["redirects to itself", status(302, { location: "/dns-query" }), UNREACHABLE],
  ["redirects elsewhere", status(307, { location: "https://elsewhere.invalid/dns-query" }), UNREACHABLE],
  ["redirects to a file", status(301, { location: "file:///etc/passwd" }), UNREACHABLE],
  ["says 204", status(204), UNREACHABLE],
  ["says 404", status(404), UNREACHABLE],
  ["says 429", status(429, { "retry-after": "0" }), UNREACHABLE],
  ["says 500", status(500), UNREACHABLE],
  ["says 503", status(503), UNREACHABLE],
  [
    "compresses",
    (honest, response) => void response.writeHead(200, { ...TYPE, "content-encoding": "gzip" }).end(gzipSync(honest)),
    "truth",
  ],
  [
    "compresses twenty megabytes",
    (_, response) => void response.writeHead(200, { ...TYPE, "content-encoding": "gzip" }).end(bomb),
    UNREACHABLE,
  ],
  [
    "says that it compresses, and does not",
    (honest, response) => void response.writeHead(200, { ...TYPE, "content-encoding": "gzip" }).end(honest),
    UNREACHABLE,
  ],
  [
    "has a head of a megabyte",
    (honest, response) => void response.writeHead(200, { ...TYPE, "x-x": "x".repeat(1 << 20) }).end(honest),
    UNREACHABLE,
  ],
  [
    "answers with another ID",
    (honest, response) => tell(Buffer.concat([Buffer.of(7, 7), honest.subarray(2)]), response, undefined as never),
    ["MALFORMED_MESSAGE"],
  ],
  [
    "cuts",
    (honest, response, request) =>
      tell(
        Buffer.concat([honest.subarray(0, 2), Buffer.of((honest[2] ?? 0) | 2), honest.subarray(3)]),
        response,
        request,
      ),
    UNREACHABLE,
  ],
  [
    "answers with a query",
    (honest, response, request) =>
      tell(
        Buffer.concat([honest.subarray(0, 2), Buffer.of((honest[2] ?? 0) & 0x7f), honest.subarray(3)]),
        response,
        request,
      ),
    ["MALFORMED_MESSAGE"],
  ],
];
const bomb = gzipSync(Buffer.alloc(20_000_000));

test("a hostile server of DNS over HTTPS ends in a code or in the truth, in time, and the state stays", async (t) => {
  const codes = new Map<string, number>();
  const run = async ([what, handler, expected]: (typeof WAYS)[number]): Promise<void> => {
    const answers = world.answers();
    const server = createServer(async (request, response) => {
      response.on("error", () => {});
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const honest = respond(Buffer.concat(parts), "tcp", zone, answers, NOW, sha256);
      await handler(Buffer.from(honest ?? []), response, request);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const folder = await mkdtemp(join(tmpdir(), "proofdns-doh-"));
    try {
      const memory = new FolderMemoryStore(folder, trust);
      await memory.write(world.memory(REMEMBERED));
      const before = await readFile(memory.path, "latin1");
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/dns-query`;
      const transport = new DohTransport({ url, timeout: expected === "truth" ? 5000 : TIMEOUT });
      const client = new Client({ trust, transport, memory, now: () => NOW });
      const started = performance.now();
      let code = "truth";
      try {
        assertTrue(world, SUBJECT, await client.lookup(SUBJECT), what);
      } catch (error) {
        if (!(error instanceof ProofdnsError)) throw new Error(`${what}: ${error}`, { cause: error });
        code = error.code;
        assert.doesNotMatch(error.message, /\p{Cc}/u, what);
      }
      await client.commit();
      assert.ok(performance.now() - started < BOUND, `${what}: ${performance.now() - started} ms`);
      if (code !== "truth") assert.equal(await readFile(memory.path, "latin1"), before, what);
      codes.set(code, (codes.get(code) ?? 0) + 1);
      assert.ok(expected === "truth" ? code === "truth" : expected.includes(code), `${what}: ${code}`);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    }
  };
  const queue = WAYS.values();
  await Promise.all(
    Array.from({ length: 6 }, async () => {
      for (const next of queue) await run(next);
    }),
  );
  t.diagnostic([...codes].map(([code, count]) => `${code} ${count}`).join(", "));
});
