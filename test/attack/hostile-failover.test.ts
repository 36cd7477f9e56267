import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Client } from "../../src/client/client.ts";
import type { Transport, TxtReply } from "../../src/client/transport.ts";
import { FailoverTransport } from "../../src/client/transport-failover.ts";
import type { Subject } from "../../src/client/verify/index.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { assertTrue, EPOCHS, makeForeignWorld, makeHostileWorld, NOW, REMEMBERED } from "./hostile-world.ts";
import { denial, hide, redirect, shownName, tamper, ZoneTransport } from "./liars.ts";
import { trustOf } from "./world.ts";

/** Several servers of which one is honest: whatever the others do, the truth is found. */

const world = await makeHostileWorld();
const foreign = await makeForeignWorld();
after(() => Promise.all([world.close(), foreign.close()]));

const trust = trustOf(world.keys);
const SUBJECT: Subject = { kind: "module", path: "example.com/m1" };
const SUBJECTS: readonly Subject[] = [
  { kind: "module", path: "example.com/m2", withVersions: true },
  { kind: "module", path: "example.com/nothing" },
  { kind: "toolchain" },
];

const honest = (): Transport => new ZoneTransport(world.answers(), NOW);
const flip = (payload: Uint8Array): Uint8Array => payload.with(-10, (payload.at(-10) ?? 0) ^ 4);
const HEADS = /_head$/;
const ALL = /^/;
const NOT_HEADS = /(?<!_head)$/;
const fails = (
  inner: Transport,
  names: RegExp,
  code: "UNREACHABLE" | "REFUSED" | "MALFORMED_MESSAGE",
  delay = 0,
): Transport => ({
  query: async (name, options) => {
    if (!names.test(shownName(name))) return inner.query(name, options);
    if (delay > 0) await setTimeout(delay);
    throw new ProofdnsError(code, "the server is hostile");
  },
});
const slowly = (inner: Transport, names: RegExp, delay: number): Transport => ({
  query: async (name, options) => {
    const reply = await inner.query(name, options);
    if (names.test(shownName(name))) await setTimeout(delay);
    return reply;
  },
});

const LIARS: readonly (readonly [what: string, make: () => Transport])[] = [
  ["lies about all", () => tamper(honest(), ALL, flip)],
  ["lies about heads", () => tamper(honest(), HEADS, flip)],
  ["lies about all but heads", () => tamper(honest(), NOT_HEADS, flip)],
  ["is a server of another log", () => new ZoneTransport(foreign.answers(), NOW)],
  ["has the heads of another log", () => redirect(honest(), HEADS, new ZoneTransport(foreign.answers(), NOW))],
  ["is far behind", () => new ZoneTransport(world.answers(2), NOW)],
  ["has answers of far behind", () => redirect(honest(), NOT_HEADS, new ZoneTransport(world.answers(2), NOW))],
  ["has heads of far behind", () => redirect(honest(), HEADS, new ZoneTransport(world.answers(2), NOW))],
  ["denies all", () => hide(honest(), ALL)],
  ["denies heads", () => hide(honest(), HEADS)],
  ["denies all but heads", () => hide(honest(), NOT_HEADS)],
  ["says that no name exists", () => ({ query: () => Promise.resolve(denial("nxdomain")) })],
  ["is silent", () => fails(honest(), ALL, "UNREACHABLE")],
  ["refuses", () => fails(honest(), ALL, "REFUSED")],
  ["sends garbage", () => fails(honest(), ALL, "MALFORMED_MESSAGE")],
  ["is silent about heads and lies about all else", () => fails(tamper(honest(), ALL, flip), HEADS, "UNREACHABLE")],
  [
    "refuses heads and slowly lies about all else",
    () => slowly(fails(tamper(honest(), ALL, flip), HEADS, "REFUSED"), ALL, 20),
  ],
  ["lies about heads and is silent about all else", () => fails(tamper(honest(), ALL, flip), NOT_HEADS, "UNREACHABLE")],
  [
    "slowly lies about heads and refuses all else",
    () => slowly(fails(tamper(honest(), ALL, flip), NOT_HEADS, "REFUSED"), ALL, 20),
  ],
];

/** As if every server were asked by DNS over HTTPS, where there is no second way to the same one. */
const byHttps = (inner: Transport): Transport => ({
  query: async (name, options): Promise<TxtReply> => ({ ...(await inner.query(name, options)), transport: "https" }),
});

async function findsTruth(
  transports: readonly Transport[],
  subjects: readonly Subject[],
  what: string,
): Promise<string | undefined> {
  for (const subject of subjects) {
    const memory = {
      read: async () => world.memory(REMEMBERED),
      write: async () => {},
      saveEvidence: async () => undefined,
    };
    const client = new Client({
      trust,
      transport: new FailoverTransport(transports),
      memory,
      now: () => NOW,
      timeout: 5000,
    });
    try {
      assertTrue(world, subject, await client.lookup(subject), what);
    } catch (error) {
      if (!(error instanceof ProofdnsError)) throw error;
      return `${what}, ${JSON.stringify(subject)}: ${error.code} ${error.message}`;
    }
  }
  return undefined;
}

for (const [way, wrap] of [
  ["DNS", (transport: Transport) => transport],
  ["DNS over HTTPS", byHttps],
] as const) {
  test(`one honest server among liars, first or last, is enough by ${way}`, async (t) => {
    const failures: string[] = [];
    let runs = 0;
    const check = async (what: string, transports: readonly Transport[]): Promise<void> => {
      // Each set of servers with another subject: all are asked about in the end.
      const subject = SUBJECTS[runs++ % SUBJECTS.length] as Subject;
      const failure = await findsTruth(transports.map(wrap), [SUBJECT, subject], what);
      if (failure !== undefined) failures.push(failure);
    };
    for (const [what, make] of LIARS) {
      await check(`the first ${what}`, [make(), honest()]);
      await check(`the second ${what}`, [honest(), make()]);
    }
    for (const [i, [what, make]] of LIARS.entries()) {
      const [other, makeOther] = LIARS[(i * 7 + 3) % LIARS.length] as (typeof LIARS)[number];
      await check(`the first ${what}, the second ${other}`, [make(), makeOther(), honest()]);
    }
    t.diagnostic(`${runs} sets of servers, epoch ${EPOCHS}`);
    assert.deepEqual(failures, []);
  });
}

test("an honest server that failed once is asked again when all others lie", async () => {
  for (const liars of [1, 2]) {
    let asked = 0;
    const stumbles: Transport = {
      query: (name, options) =>
        asked++ === 0
          ? Promise.reject(new ProofdnsError("UNREACHABLE", "the network was not there"))
          : honest().query(name, options),
    };
    const others = Array.from({ length: liars }, () => tamper(honest(), NOT_HEADS, flip));
    const transport = new FailoverTransport([stumbles, ...others]);
    const client = new Client({ trust, transport, now: () => NOW, timeout: 5000 });
    await client.head();
    assert.equal(asked, 1);
    assertTrue(world, SUBJECT, await client.lookup(SUBJECT), `${liars} liars`);
  }
});
