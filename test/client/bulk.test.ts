import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { getEventListeners } from "node:events";
import { after, test } from "node:test";
import type { Client } from "../../src/client/client.ts";
import { DnsTransport } from "../../src/client/transport-dns.ts";
import type { Subject } from "../../src/client/verify/index.ts";
import { Cookies } from "../../src/dns/cookies.ts";
import { DnsServer } from "../../src/dns/index.ts";
import { RateLimiter } from "../../src/dns/rate-limit.ts";
import { Responder } from "../../src/dns/responder.ts";
import { redirect, type ZoneTransport, zone } from "../attack/liars.ts";
import { sha256, trustOf } from "../attack/world.ts";
import { EPOCHS, makeWorld, NOW, Scene } from "./scene.ts";

/** Many lookups at once: each question goes out once, and a server with its default rate limits answers them all. */

const world = await makeWorld();
const scenes: Scene[] = [];
const closers: (() => Promise<unknown>)[] = [];
after(async () => {
  await Promise.all(closers.map((close) => close()));
  await Promise.all(scenes.map((scene) => scene.remove()));
  await world.close();
});

async function scene(remembered?: number): Promise<Scene> {
  const made = await Scene.make(world, remembered);
  scenes.push(made);
  return made;
}

interface Seen {
  udp: number;
  tcp: number;
  withoutCookie: number;
}

/** A server with cookies and its default limits; `seen` counts the queries that it gets. */
async function limitedServer(): Promise<{ port: number; seen: Seen }> {
  const responder = new Responder({
    zone,
    sha256,
    cookies: new Cookies([randomBytes(16)]),
    rateLimit: new RateLimiter(new SharedArrayBuffer(RateLimiter.bytesNeeded({})), { key: randomBytes(16) }),
    clock: () => performance.now(),
  });
  const seen: Seen = { udp: 0, tcp: 0, withoutCookie: 0 };
  const server = new DnsServer({
    port: 0,
    log: assert.fail,
    respond: (message, asker) => {
      seen[asker.transport === "udp" ? "udp" : "tcp"]++;
      // A query with a client cookie alone: OPT of 11 bytes and an option of 12.
      if (message[message.length - 13] === 12) seen.withoutCookie++;
      return responder.respond(message, asker, world.answers(), NOW) as Uint8Array | undefined;
    },
  });
  closers.push(() => server.close());
  return { port: (await server.listen()).port, seen };
}

/** Looks up with a cap on how many are under way. */
async function lookupAll(client: Client, subjects: readonly Subject[], cap: number): Promise<number> {
  let next = 0;
  let queries = 0;
  const worker = async (): Promise<void> => {
    while (next < subjects.length) {
      const lookup = await client.lookup(subjects[next++] as Subject);
      queries += lookup.queries;
    }
  };
  await Promise.all(Array.from({ length: cap }, worker));
  return queries;
}

const module = (path: string): Subject => ({ kind: "module", path });
/** Most of them absent: the class of answers that a server limits first. */
const SUBJECTS = Array.from({ length: 500 }, (_, i) => module(i < 7 ? `example.com/m${i}` : `example.com/x${i}`));

test("500 lookups from one address cost one query each and one for the head, within a server's default limits", async () => {
  const s = await scene();
  const { port, seen } = await limitedServer();
  const transport = new DnsTransport({ server: `127.0.0.1:${port}`, timeouts: [5000] });
  const queries = await lookupAll(s.client(transport), SUBJECTS, 64);
  assert.deepEqual([queries, seen.udp, seen.tcp], [501, 501, 0]);
  // Head and first module go out together; nothing else does before the cookie is known.
  assert.ok(seen.withoutCookie <= 2, `${seen.withoutCookie} queries without a cookie`);
});

test("the same lookup at once is one question, whoever gives up waiting for it, and asked again when it is over", async () => {
  const s = await scene();
  const { port, seen } = await limitedServer();
  const transport = new DnsTransport({ server: `127.0.0.1:${port}` });
  const client = s.client(transport);
  const subject = SUBJECTS[0] as Subject;
  const leaver = new AbortController();
  const left = client.lookup(subject, { signal: leaver.signal });
  const lookups = Array.from({ length: 50 }, () => client.lookup(subject));
  leaver.abort(new Error("left"));
  await assert.rejects(left, /left/);
  const results = await Promise.all(lookups);
  assert.ok(results.every(({ answer }) => answer.kind === "module"));
  assert.deepEqual([seen.udp, seen.tcp], [2, 0]);
  await client.lookup(subject);
  assert.equal(seen.udp, 3);
  await assert.rejects(client.lookup(subject, { signal: AbortSignal.abort(new Error("before")) }), /before/);
  const alone = new AbortController();
  const given = client.lookup(subject, { signal: alone.signal });
  alone.abort(new Error("alone"));
  await assert.rejects(given, /alone/);
  assert.equal((await client.lookup(subject)).answer.kind, "module");
  transport.close();
});

test("answers of older epochs ask for each of their heads once, and compare it once", async () => {
  const s = await scene();
  const server = s.server();
  const at = (epoch: number): ZoneTransport => s.server(epoch);
  // What caches hold: a third of the modules each of the newest epoch and the two before.
  const [one, two] = [at(EPOCHS - 1), at(EPOCHS - 2)];
  const caches = redirect(redirect(server, /^x\d*[0-3]\._\.example/, one), /^x\d*[4-6]\._\.example/, two);
  const subjects = Array.from({ length: 60 }, (_, i) => module(`example.com/x${i}`));
  const client = s.client(caches, { trust: trustOf(world.keys, { maxLag: 3600 }) });
  await lookupAll(client, subjects, 30);
  assert.deepEqual(server.asked.filter((name) => /^e\d/.test(name)).sort(), [
    `e${EPOCHS - 2}._head`,
    `e${EPOCHS - 1}._head`,
  ]);
  assert.deepEqual(server.asked.filter((name) => name.includes("_consistency")).sort(), [
    `${EPOCHS - 2}.${EPOCHS}._consistency`,
    `${EPOCHS - 1}.${EPOCHS}._consistency`,
  ]);
  assert.equal(server.asked.length + one.asked.length + two.asked.length, 60 + 1 + 4);
});

test("the checksum database's growth is proven once for all lookups that ask for it", async () => {
  const s = await scene(5);
  const server = s.server();
  const client = s.client(server);
  const paths = Array.from({ length: 7 }, (_, i) => module(`example.com/m${i}`));
  await Promise.all(paths.map((subject) => client.lookup(subject, { withRecord: true })));
  assert.equal(server.asked.filter((name) => name.endsWith("_sumdb")).length, 1);
  assert.equal(server.asked.filter((name) => name.endsWith("_record")).length, 7);
});

test("a hundred lookups that share a signal leave no listener on it", async () => {
  const s = await scene();
  const client = s.client(s.server());
  const { signal } = new AbortController();
  const lookups = Array.from({ length: 100 }, (_, i) =>
    client.lookup({ kind: "module", path: `example.com/x${i}` }, { signal }),
  );
  assert.equal(getEventListeners(signal, "abort").length, 1);
  await Promise.all(lookups);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});
