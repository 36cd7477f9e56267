import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Client } from "../../src/client/client.ts";
import { FolderMemoryStore } from "../../src/client/memory-folder.ts";
import type { Transport } from "../../src/client/transport.ts";
import { DnsTransport } from "../../src/client/transport-dns.ts";
import type { Subject } from "../../src/client/verify/index.ts";
import { concatBytes, encodeUtf8 } from "../../src/vindex/bytes.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import {
  type Act,
  type Behaviour,
  frame,
  HostileServer,
  makeReply,
  payloadOfReply,
  type Query,
  questionEnd,
  send,
  sendPayload,
  silence,
  stringsOf,
  TXT,
  tell,
  txtRdata,
  type WireRecord,
} from "./hostile-server.ts";
import { assertTrue, EPOCHS, makeHostileWorld, NOW, REMEMBERED } from "./hostile-world.ts";
import { trustOf } from "./world.ts";

/** Transports that are slow, silent, looping or lying, over real sockets, with short timeouts; and resolvers that mangle TXT records. */

const world = await makeHostileWorld();
const trust = trustOf(world.keys);
after(() => world.close());

const TIMEOUTS = [80, 80];
const TCP_TIMEOUT = 300;
/** Milliseconds that nothing may take, whatever the machine does beside it; the timeouts alone are some hundred. */
const BOUND = 20_000;
const SUBJECT: Subject = { kind: "module", path: "example.com/m1" };
const MODULE = "m1._.example.com";

/** Looks up once, with a memory of an earlier epoch; gives the code of the refusal, or undefined for a true result. */
async function lookUp(behaviour: Behaviour, what: string, isPatient: boolean): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "proofdns-transport-"));
  const server = await HostileServer.start(world.answers(), behaviour);
  try {
    const memory = new FolderMemoryStore(folder, trust);
    await memory.write(world.memory(REMEMBERED));
    const before = await readFile(memory.path, "latin1");
    const patience = isPatient
      ? { timeouts: [3000, 3000], tcpTimeout: 8000 }
      : { timeouts: TIMEOUTS, tcpTimeout: TCP_TIMEOUT };
    const transport: Transport = new DnsTransport({ server: server.address, ...patience });
    const client = new Client({ trust, transport, memory, now: () => NOW });
    const started = performance.now();
    let code: string | undefined;
    try {
      assertTrue(world, SUBJECT, await client.lookup(SUBJECT), what);
    } catch (error) {
      if (!(error instanceof ProofdnsError)) throw new Error(`${what}: ${error}`, { cause: error });
      code = error.code;
    }
    await client.commit();
    transport.close?.();
    const took = performance.now() - started;
    assert.ok(took < BOUND, `${what}: ${took.toFixed(0)} ms`);
    if (code !== undefined) assert.equal(await readFile(memory.path, "latin1"), before, `${what}: the state`);
    return code;
  } finally {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** `true`: a verified result; else the codes one of which must come; `any`: one or the other. */
type Expected = true | "any" | readonly string[];

const at =
  (name: RegExp, act: Behaviour): Behaviour =>
  (query) =>
    name.test(query.name) ? act(query) : tell(query);
const byUdp =
  (act: Behaviour): Behaviour =>
  (query) =>
    query.transport === "udp" ? act(query) : tell(query);
/** By UDP cut; so this is what comes by TCP. */
const byTcp =
  (act: Behaviour): Behaviour =>
  (query) =>
    query.transport === "tcp" ? act(query) : send(query, makeReply(query.bytes, [], { flags: 0x0200 }));

const withId = (message: Uint8Array, change: number): Uint8Array => message.with(1, (message[1] as number) ^ change);
const withFlags = (message: Uint8Array, high: number, low: number): Uint8Array =>
  message.with(2, (message[2] as number) ^ high).with(3, (message[3] as number) ^ low);
const rcode = (code: number): Behaviour => {
  return (query) => send(query, makeReply(query.bytes, [], { flags: code }));
};
const records = (make: (payload: Uint8Array, query: Query) => readonly WireRecord[]): Behaviour => {
  return (query) => send(query, makeReply(query.bytes, make(payloadOfReply(query.honest) ?? new Uint8Array(0), query)));
};
const txt = (payload: Uint8Array): WireRecord => ({ type: TXT, rdata: txtRdata(stringsOf(payload)) });
const nameOf = (query: Uint8Array): Uint8Array => query.slice(12, questionEnd(query) - 4);
const otherName = concatBytes(Uint8Array.of(5), encodeUtf8("other"), Uint8Array.of(0));
const soa: WireRecord = { type: 6, rdata: concatBytes(Uint8Array.of(0, 0), new Uint8Array(20)) };

async function* forEver(chunk: Uint8Array, count = 100_000): AsyncIterable<Uint8Array> {
  for (let i = 0; i < count; i++) {
    // Leaves the loop to the other side's reading.
    if (i % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
    yield chunk;
  }
}

const half = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, bytes.length >> 1);
const each = (bytes: Uint8Array): Uint8Array[] => Array.from(bytes, (byte) => Uint8Array.of(byte));
const stop = (act: Act, then: "close" | "reset"): Act => ({ ...act, then });

const UNREACHABLE = ["UNREACHABLE"] as const;
const MALFORMED = ["MALFORMED_MESSAGE"] as const;
/** Replies on one connection run into each other. */
const GARBLED = ["UNREACHABLE", "MALFORMED_MESSAGE"] as const;

const WAYS: readonly (readonly [what: string, behaviour: Behaviour, expected: Expected])[] = [
  ["tells the truth", tell, true],
  ["is silent", () => silence, UNREACHABLE],
  ["is silent by UDP", byUdp(() => silence), true],
  ["is slow", (query) => ({ ...tell(query), delay: 30 }), true],
  ["is too slow", (query) => ({ ...tell(query), delay: 3000 }), UNREACHABLE],
  ["cuts by UDP and is silent by TCP", byTcp(() => silence), UNREACHABLE],
  ["cuts for ever", (query) => send(query, makeReply(query.bytes, [], { flags: 0x0200 })), UNREACHABLE],
  ["cuts by UDP, with an answer", byUdp((query) => send(query, withFlags(query.honest, 2, 0))), true],
  ["sends half a frame and waits", byTcp((query) => ({ chunks: [half(frame(query.honest))] })), GARBLED],
  ["sends half a frame and closes", byTcp((query) => stop({ chunks: [half(frame(query.honest))] }, "close")), GARBLED],
  ["sends half a frame and resets", byTcp((query) => stop({ chunks: [half(frame(query.honest))] }, "reset")), GARBLED],
  ["sends half a message as a whole frame", byTcp((query) => ({ chunks: [frame(half(query.honest))] })), "any"],
  ["sends the length alone", byTcp(({ honest }) => ({ chunks: [frame(honest).subarray(0, 2)] })), GARBLED],
  ["sends one byte", byTcp(() => ({ chunks: [Uint8Array.of(0)] })), GARBLED],
  ["closes at once", byTcp(() => stop(silence, "close")), UNREACHABLE],
  ["resets at once", byTcp(() => stop(silence, "reset")), UNREACHABLE],
  ["sends byte by byte", byTcp(({ honest }) => ({ chunks: each(frame(honest)) })), true],
  ["sends byte by byte, slowly", byTcp(({ honest }) => ({ chunks: each(frame(honest)), delay: 3 })), GARBLED],
  ["claims more than it sends", byTcp(() => ({ chunks: [Uint8Array.of(0xff, 0xff, 0)] })), GARBLED],
  ["sends empty frames for ever", byTcp(() => ({ chunks: forEver(Uint8Array.of(0, 0)) })), UNREACHABLE],
  [
    "sends frames of another question for ever",
    byTcp(({ honest }) => ({ chunks: forEver(frame(withId(honest, 1))) })),
    UNREACHABLE,
  ],
  [
    "sends the largest frames for ever",
    byTcp(() => ({ chunks: forEver(frame(new Uint8Array(65_535)), 2000) })),
    UNREACHABLE,
  ],
  ["sends two frames", byTcp(({ honest }) => ({ chunks: [frame(withId(honest, 1)), frame(honest)] })), true],
  ["guesses IDs", byUdp(({ honest }) => ({ chunks: [1, 2, 3, 4, 5].map((i) => withId(honest, i)) })), true],
  ["guesses IDs and is right at last", byUdp(({ honest }) => ({ chunks: [withId(honest, 7), honest] })), true],
  ["guesses IDs for ever", byUdp(({ honest }) => ({ chunks: forEver(withId(honest, 1), 3000) })), true],
  ["sends queries back", (query) => send(query, query.bytes), UNREACHABLE],
  ["sends nothing in a datagram", byUdp(() => ({ chunks: [new Uint8Array(0)] })), true],
  ["sends eleven bytes", (query) => send(query, query.honest.subarray(0, 11)), UNREACHABLE],
  ["sends noise", (query) => send(query, new Uint8Array(1200).fill(0xa5)), UNREACHABLE],
  ["answers another question", (query) => send(query, query.honest.with(13, 0x7a)), UNREACHABLE],
  ["answers in lower case", (query) => send(query, lowered(query)), true],
  ["answers twice", byUdp(({ honest }) => ({ chunks: [honest, honest] })), true],
  ["adds bytes behind the message", (query) => send(query, concatBytes(query.honest, new Uint8Array(9))), true],
  ["says SERVFAIL", rcode(2), UNREACHABLE],
  ["says FORMERR", rcode(1), UNREACHABLE],
  ["says NOTIMP", rcode(4), UNREACHABLE],
  ["says YXDOMAIN", rcode(6), UNREACHABLE],
  ["says REFUSED", rcode(5), ["REFUSED"]],
  ["says NXDOMAIN", rcode(3), ["NO_ANSWER"]],
  ["says that there is nothing", rcode(0), ["NO_ANSWER"]],
  ["answers without an OPT", records((payload) => [txt(payload)]), true],
  ["denies what it answers", (query) => send(query, withFlags(query.honest, 0, 3)), MALFORMED],
  ["names itself as an alias", records((_, { bytes }) => [{ type: 5, rdata: nameOf(bytes) }]), MALFORMED],
  [
    "goes round in aliases",
    records((_, { bytes }) => [
      { type: 5, rdata: otherName },
      { owner: otherName, type: 5, rdata: nameOf(bytes) },
    ]),
    MALFORMED,
  ],
  ["has a pointer to itself", (query) => send(query, selfPointing(query)), MALFORMED],
  [
    "refers to another server",
    (query) =>
      send(query, makeReply(query.bytes, [], { flags: 0, authorities: [{ type: 2, rdata: otherName }] }).with(2, 0x81)),
    UNREACHABLE,
  ],
  [
    "has a SOA and no answer",
    (query) => send(query, makeReply(query.bytes, [], { authorities: [soa] })),
    ["NO_ANSWER"],
  ],
  ["has two TXT records", records((payload) => [txt(payload), txt(payload)]), MALFORMED],
  ["has a TXT record of another name", records((payload) => [{ ...txt(payload), owner: otherName }]), MALFORMED],
  ["has a TXT record of class CH", records((payload) => [{ ...txt(payload), class: 3 }]), MALFORMED],
  ["has an address beside the TXT", records((payload) => [txt(payload), { type: 1, rdata: otherName }]), MALFORMED],
  ["has an empty TXT record", records(() => [{ type: TXT, rdata: new Uint8Array(0) }]), MALFORMED],
  ["has one empty string", records(() => [{ type: TXT, rdata: Uint8Array.of(0) }]), ["MALFORMED_ANSWER"]],
  ["has a string past the end", records(() => [{ type: TXT, rdata: Uint8Array.of(200, 1, 2) }]), MALFORMED],
  ["claims 65,535 records", (query) => send(query, query.honest.with(6, 0xff).with(7, 0xff)), MALFORMED],
  ["claims one record more", (query) => send(query, query.honest.with(9, 1)), "any"],
  [
    "wants another cookie for ever",
    (query) => send(query, withCookie(query, concatBytes(ownPart(query.bytes), serverPart(turns++ & 255)), 23)),
    UNREACHABLE,
  ],
  [
    "wants another cookie, and takes it by TCP",
    byUdp((query) => send(query, withCookie(query, concatBytes(ownPart(query.bytes), serverPart(1)), 23))),
    "any",
  ],
  [
    "changes its cookie with each reply",
    (query) => send(query, withCookie(query, concatBytes(ownPart(query.bytes), serverPart(turns++ & 255)))),
    true,
  ],
  [
    "sends the cookie of another client",
    (query) => send(query, withCookie(query, concatBytes(new Uint8Array(8), serverPart(1)))),
    UNREACHABLE,
  ],
  ["sends no server cookie", (query) => send(query, withCookie(query, ownPart(query.bytes))), true],
  [
    "sends a server cookie of three bytes",
    (query) => send(query, withCookie(query, concatBytes(ownPart(query.bytes), Uint8Array.of(1, 2, 3)))),
    UNREACHABLE,
  ],
  [
    "sends a cookie now and then",
    (query) =>
      send(
        query,
        turns++ % 2 === 0
          ? withCookie(query, concatBytes(ownPart(query.bytes), serverPart(2)))
          : withCookie(query, new Uint8Array(0)),
      ),
    true,
  ],
  [
    "chokes on cookies",
    (query) => (cookieOf(query.bytes).length > 0 ? send(query, makeReply(query.bytes, [], { flags: 1 })) : tell(query)),
    true,
  ],
  ["has the largest TTL", records((payload) => [{ ...txt(payload), ttl: 0xffff_ffff }]), true],
];

/** The data of a query's COOKIE option. */
function cookieOf(query: Uint8Array): Uint8Array {
  const at = questionEnd(query) + 11;
  return query.slice(at + 4, at + 4 + (((query[at + 2] ?? 0) << 8) | (query[at + 3] ?? 0)));
}

/** The honest answer of a server, with an OPT of its own that has a cookie; `rcode` has twelve bits. */
function withCookie({ bytes, honest }: Query, cookie: Uint8Array, code = 0): Uint8Array {
  const payload = payloadOfReply(honest);
  const answers = payload === undefined || code !== 0 ? [] : [txt(payload)];
  const reply = makeReply(bytes, answers, { flags: code & 15 });
  reply[11] = 1;
  const length = cookie.length === 0 ? 0 : cookie.length + 4;
  const opt = Uint8Array.of(0, 0, 41, 4, 208, code >> 4, 0, 0, 0, 0, length);
  return concatBytes(
    reply,
    opt,
    cookie.length === 0 ? cookie : concatBytes(Uint8Array.of(0, 10, 0, cookie.length), cookie),
  );
}

const ownPart = (query: Uint8Array): Uint8Array => cookieOf(query).subarray(0, 8);
const serverPart = (n: number): Uint8Array => new Uint8Array(16).fill(n);
let turns = 0;

function lowered({ honest, bytes }: Query): Uint8Array {
  const end = questionEnd(bytes) - 4;
  return honest.map((byte, i) => (i >= 12 && i < end && byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte));
}

function selfPointing({ bytes, honest }: Query): Uint8Array {
  const record = txt(payloadOfReply(honest) ?? new Uint8Array(1));
  const offset = questionEnd(bytes);
  return makeReply(bytes, [{ ...record, owner: Uint8Array.of(0xc0 | (offset >> 8), offset & 0xff) }]);
}

/** What a resolver may do to the character-strings of a TXT record. */
const MANGLINGS: readonly (readonly [what: string, mangle: (strings: Uint8Array[]) => Uint8Array[], isSame?: true])[] =
  [
    ["splits into single bytes", (strings) => strings.flatMap(each), true],
    ["splits elsewhere", (strings) => stringsOf(concatBytes(...strings), 100), true],
    ["joins", (strings) => stringsOf(concatBytes(...strings)), true],
    ["adds empty strings", (strings) => strings.flatMap((text) => [new Uint8Array(0), text, new Uint8Array(0)]), true],
    ["turns them around", (strings) => strings.toReversed()],
    [
      "exchanges the first two",
      ([a, b, ...rest]) => [...(b === undefined ? [] : [b]), ...(a === undefined ? [] : [a]), ...rest],
    ],
    ["doubles all", (strings) => [...strings, ...strings]],
    ["doubles the last", (strings) => [...strings, ...strings.slice(-1)]],
    ["drops the first", (strings) => strings.slice(1)],
    ["drops the last", (strings) => strings.slice(0, -1)],
    ["drops all but the first", (strings) => strings.slice(0, 1)],
    ["lower-cases", (strings) => strings.map((text) => text.map((b) => (b >= 0x41 && b <= 0x5a ? b + 32 : b)))],
    ["strips high bits", (strings) => strings.map((text) => text.map((byte) => byte & 0x7f))],
    ["ends at the first control character", (strings) => [untilControl(concatBytes(...strings))]],
    [
      "writes UTF-8",
      (strings) => stringsOf(Buffer.from(Buffer.from(concatBytes(...strings)).toString("latin1"), "utf8")),
    ],
    ["puts spaces between them", (strings) => strings.flatMap((text) => [text, Uint8Array.of(0x20)])],
    [
      "writes quotes around them",
      (strings) => strings.map((text) => concatBytes(Uint8Array.of(0x22), text.subarray(0, 253), Uint8Array.of(0x22))),
    ],
  ];

/** What a program makes of it that takes the record for text. */
function untilControl(payload: Uint8Array): Uint8Array {
  const end = payload.findIndex((byte) => byte < 0x20);
  return payload.subarray(0, end < 0 ? 255 : Math.min(end, 255));
}

const mangled =
  (mangle: (strings: Uint8Array[]) => Uint8Array[]): Behaviour =>
  (query) => {
    const payload = payloadOfReply(query.honest);
    if (payload === undefined) return tell(query);
    const strings = mangle(stringsOf(payload));
    const rdata = txtRdata(strings.length === 0 ? [new Uint8Array(0)] : strings);
    return send(query, makeReply(query.bytes, [{ type: TXT, rdata }]));
  };

function judge(what: string, code: string | undefined, expected: Expected): void {
  if (expected === "any") return;
  if (expected === true) assert.equal(code, undefined, `${what}: refused with ${code}`);
  else assert.ok(code !== undefined && expected.includes(code), `${what}: ${code ?? "accepted"}`);
}

async function all(cases: readonly (readonly [string, Behaviour, Expected])[]): Promise<Map<string, number>> {
  const codes = new Map<string, number>();
  const run = async ([what, behaviour, expected]: (typeof cases)[number]): Promise<void> => {
    // What must end in the truth has time for it, however busy the machine is.
    const code = (await lookUp(behaviour, what, expected === true)) ?? "true";
    codes.set(code, (codes.get(code) ?? 0) + 1);
    judge(what, code === "true" ? undefined : code, expected);
  };
  // A few at a time: they wait more than they work, and starved timers would make honest ones fail.
  const queue = cases.values();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const next of queue) await run(next);
    }),
  );
  return codes;
}

const shown = (codes: Map<string, number>): string => [...codes].map(([code, count]) => `${code} ${count}`).join(", ");
/** Sockets, connections and timers that keep the process alive. */
const handles = (): string[] =>
  process
    .getActiveResourcesInfo()
    .filter((name) => /UDP|TCP|Timeout/.test(name))
    .sort();

test("a server that is slow, silent, looping or lying ends in a code or in the truth, in time", async (t) => {
  const before = handles();
  const codes = await all([
    ...WAYS,
    ...WAYS.map(
      ([what, behaviour, expected]) => [`at the module it ${what}`, at(/^m1\./, behaviour), expected] as const,
    ),
  ]);
  t.diagnostic(shown(codes));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(handles(), before);
});

test("a resolver that mangles character-strings ends in a code or in the truth", async (t) => {
  const cases = MANGLINGS.flatMap(([what, mangle, isSame]) => {
    const wrong: Expected = isSame === true ? true : "any";
    return [
      [what, mangled(mangle), wrong],
      [`${what}, by UDP only`, byUdp(mangled(mangle)), true],
      [
        `${what}, at the module`,
        at(/^m1\./, mangled(mangle)),
        isSame === true
          ? true
          : (["MALFORMED_ANSWER", "BAD_PROOF", "BAD_VALUE", "NO_ANSWER", "MALFORMED_MESSAGE"] as const),
      ],
    ] as const;
  });
  t.diagnostic(shown(await all(cases)));
});

test("answers of many epochs in one run end in a code or in the truth", async (t) => {
  let seed = 1;
  const pick = (from: number, to: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return from + (seed % (to - from + 1));
  };
  const cases = Array.from({ length: 60 }, (_, i): readonly [string, Behaviour, Expected] => {
    const first = i % 3 === 0 ? 1 : EPOCHS - 2;
    return [
      `run ${i}`,
      (query) => {
        const answers = world.answers(pick(first, EPOCHS));
        const payload = payloadAt(query.name, answers);
        return payload === undefined ? tell(query) : sendPayload(query, payload);
      },
      "any",
    ];
  });
  const codes = await all(cases);
  t.diagnostic(shown(codes));
  assert.ok((codes.get("true") ?? 0) > 0);
});

/** What a server at some epoch says of the module, or of the newest head. */
function payloadAt(name: string, answers: ReturnType<typeof world.answers>): Uint8Array | undefined {
  if (name === MODULE) return answers.moduleAnswer(trust.sha256(encodeUtf8("example.com/m1")));
  const since = /^s(\d+)\._head$/.exec(name)?.[1];
  if (since !== undefined)
    return answers.epoch < Number(since) ? undefined : answers.headSince(Number(since), answers.epoch);
  return name === "_head" ? answers.head(answers.epoch) : undefined;
}
