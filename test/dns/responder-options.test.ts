import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Asker } from "../../src/dns/asker.ts";
import { Cookies } from "../../src/dns/cookies.ts";
import { ALGORITHM, makeZoneKeys, ZoneSigner } from "../../src/dns/dnssec/index.ts";
import { OPTION, RCODE, TYPE } from "../../src/dns/message.ts";
import { RATE_VERDICT, RateLimiter, type RateVerdict } from "../../src/dns/rate-limit.ts";
import { RATE_CLASS, type ReplyEntry } from "../../src/dns/reply-entry.ts";
import { Responder, type ResponderOptions } from "../../src/dns/responder.ts";
import { ServerStats } from "../../src/dns/stats.ts";
import { ELSEWHERE, type ZoneData } from "../../src/dns/zone-data.ts";
import { concatBytes, encodeUtf8 } from "../../src/vindex/bytes.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { EPOCH, makeData, makeTestZone, NOW } from "./fake-zone.ts";
import { message, type OptParts, opt, option, query, question, u16 } from "./packet.ts";
import { readMessage, type WireMessage } from "./validate.ts";

const Z = "l.example.org";
const zone = makeTestZone();
const signer = new ZoneSigner(makeZoneKeys(Z, ALGORITHM.ED25519, NOW));
const SECRET = new Uint8Array(16).fill(7);
const NSID = encodeUtf8("ns1.example");
const MODULE = `go4.org.p1.${Z}`;
const DO = 0x8000;
const CO = 0x4000;

const ALICE: Asker = { transport: "udp", address: Uint8Array.of(192, 0, 2, 1) };
const BOB: Asker = { transport: "udp", address: Uint8Array.of(198, 51, 100, 1) };
const BY_TCP: Asker = { transport: "tcp", address: ALICE.address, keepalive: 70 };

/** A reply that is owned, and read; undefined if there is none. */
function send(
  responder: Responder,
  bytes: Uint8Array,
  asker: Asker = ALICE,
  data: ZoneData = makeData(),
  now: number = NOW,
): WireMessage | undefined {
  const reply = responder.respond(bytes, asker, data, now);
  assert.notEqual(reply, ELSEWHERE);
  return reply === undefined || reply === ELSEWHERE ? undefined : readMessage(reply.slice());
}

function ask(
  options: Partial<ResponderOptions>,
  bytes: Uint8Array,
  asker: Asker = ALICE,
  data: ZoneData = makeData(),
): WireMessage {
  const reply = send(new Responder({ zone, ...options }), bytes, asker, data);
  assert.ok(reply !== undefined);
  return reply;
}

const optionData = (reply: WireMessage | undefined, code: number): Uint8Array | undefined =>
  reply?.opt?.options.find((found) => found.code === code)?.data;
const codes = (reply: WireMessage | undefined): number[] | undefined => reply?.opt?.options.map(({ code }) => code);
/** `[code, text]` of the extended error. */
const extendedError = (reply: WireMessage): [number, string] | undefined => {
  const data = optionData(reply, OPTION.EDE);
  return data && [(data[0] as number) * 256 + (data[1] as number), Buffer.from(data.subarray(2)).toString()];
};
const CLIENT = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const cookie = (...parts: Uint8Array[]): Uint8Array => {
  const data = concatBytes(...parts);
  return concatBytes(u16(OPTION.COOKIE), u16(data.length), data);
};
const withOptions = (...options: Uint8Array[]): Uint8Array =>
  query(MODULE, TYPE.TXT, { options: concatBytes(...options) });
const isAa = (reply: WireMessage): boolean => (reply.flags & 0x0400) !== 0;
const isTc = (reply: WireMessage): boolean => (reply.flags & 0x0200) !== 0;

describe("the flags of an OPT", () => {
  for (const [what, options, mask] of [
    ["an unsigned zone are DO as asked", {}, DO],
    ["a signed zone are DO and CO as asked", { signer }, DO | CO],
  ] as const) {
    it(`of ${what}, whatever the reply`, () => {
      for (const flags of [0, DO, CO, DO | CO, 0x3fff, 0xffff]) {
        for (const bytes of [
          query(MODULE, TYPE.TXT, { flags }),
          query(`nothing.${Z}`, TYPE.TXT, { flags }),
          query("other.example", TYPE.TXT, { flags }),
          query(MODULE, TYPE.OPT, { flags }),
          query(MODULE, TYPE.TXT, { flags, version: 1 }),
          query(MODULE, TYPE.TXT, { flags, options: option(OPTION.COOKIE, 7) }),
          query(`mod.x._.golang.org._versions.p1.${Z}`, TYPE.TXT, { flags }),
          message({ flags: 2 << 11, counts: [1, 0, 0, 1], question: question(Z, TYPE.SOA), tail: opt({ flags }) }),
        ]) {
          const reply = ask(options, bytes);
          assert.equal(reply.opt?.flags, flags & mask);
          assert.deepEqual([reply.opt?.size, reply.opt?.version], [1232, 0]);
        }
      }
    });
  }

  it("are nothing without an OPT in the query, nor if the query does not parse to its end", () => {
    assert.equal(ask({ signer }, query(MODULE, TYPE.TXT, false)).opt, undefined);
    const cut = message({ counts: [1, 0, 0, 2], question: question(MODULE, TYPE.TXT), tail: opt({ flags: DO }) });
    const reply = ask({ signer, cookies: new Cookies([SECRET]), nsid: NSID }, cut);
    assert.deepEqual([reply.opt, reply.rcode], [undefined, RCODE.FORMERR]);
  });
});

describe("cookies", () => {
  const options = { cookies: new Cookies([SECRET]) };
  const responder = new Responder({ zone, ...options });
  const server = (asker: Asker, now = NOW): Uint8Array => {
    const data = optionData(send(responder, withOptions(cookie(CLIENT)), asker, makeData(), now), OPTION.COOKIE);
    assert.ok(data !== undefined);
    return data.slice(8);
  };

  it("come with every reply to who sends one, the client's own in front", () => {
    for (const bytes of [
      withOptions(cookie(CLIENT)),
      withOptions(cookie(CLIENT, new Uint8Array(8))),
      withOptions(cookie(CLIENT, new Uint8Array(16))),
      withOptions(cookie(CLIENT, new Uint8Array(32))),
      withOptions(cookie(CLIENT), cookie(new Uint8Array(3))),
      query("other.example", TYPE.TXT, { options: cookie(CLIENT) }),
      query(MODULE, TYPE.AXFR, { options: cookie(CLIENT) }),
      query(MODULE, TYPE.OPT, { options: cookie(CLIENT) }),
      query(`nothing.${Z}`, TYPE.TXT, { options: cookie(CLIENT) }),
      message({
        counts: [1, 0, 0, 1],
        question: question(MODULE, TYPE.TXT, 3),
        tail: opt({ options: cookie(CLIENT) }),
      }),
    ]) {
      for (const asker of [ALICE, BY_TCP]) {
        const data = optionData(ask(options, bytes, asker), OPTION.COOKIE);
        assert.equal(data?.length, 24);
        assert.deepEqual(data?.subarray(0, 8), CLIENT);
      }
    }
  });

  it("are not sent to who sends none, or a malformed one, or by a server without secrets", () => {
    assert.deepEqual(codes(ask(options, withOptions())), []);
    for (const length of [0, 7, 9, 15, 41]) {
      const reply = ask(options, withOptions(option(OPTION.COOKIE, length)));
      assert.deepEqual([reply.rcode, codes(reply)], [RCODE.FORMERR, []]);
    }
    assert.deepEqual(codes(ask({}, withOptions(cookie(CLIENT)))), []);
    assert.deepEqual(codes(ask(options, query(MODULE, TYPE.TXT, { version: 1, options: cookie(CLIENT) }))), []);
  });

  it("that are wrong change nothing else of the reply", () => {
    const right = send(responder, withOptions(cookie(CLIENT, server(ALICE))));
    for (const bad of [new Uint8Array(16), server(BOB), server(ALICE, NOW - 3700), server(ALICE, NOW + 400)]) {
      const reply = send(responder, withOptions(cookie(CLIENT, bad)));
      assert.deepEqual([reply?.rcode, reply?.records], [right?.rcode, right?.records]);
    }
  });

  it("are all that a query without a question asks for", () => {
    const bytes = message({ counts: [0, 0, 0, 1], tail: opt({ options: cookie(CLIENT) }) });
    const reply = ask(options, bytes);
    assert.deepEqual([reply.rcode, reply.question, reply.records, codes(reply)], [0, undefined, [], [OPTION.COOKIE]]);
    assert.deepEqual(optionData(reply, OPTION.COOKIE)?.slice(8), server(ALICE));
    assert.equal(isAa(reply), false);
    assert.equal(ask({}, bytes).rcode, RCODE.FORMERR);
    // Nothing asks for anything.
    assert.equal(ask(options, message({ counts: [0, 0, 0, 1], tail: opt() })).rcode, RCODE.FORMERR);
    const badly = message({ counts: [0, 0, 0, 1], tail: opt({ options: option(OPTION.COOKIE, 9) }) });
    assert.equal(ask(options, badly).rcode, RCODE.FORMERR);
    const version = message({ counts: [0, 0, 0, 1], tail: opt({ version: 1, options: cookie(CLIENT) }) });
    assert.equal(ask(options, version).rcode, RCODE.BADVERS);
  });

  it("are of who asks, not of who asked before", () => {
    const kept = new Responder({ zone, ...options, cacheSize: 64 });
    const mine = optionData(send(kept, withOptions(cookie(CLIENT))), OPTION.COOKIE);
    const his = optionData(send(kept, withOptions(cookie(CLIENT)), BOB), OPTION.COOKIE);
    assert.notDeepEqual(mine, his);
    assert.deepEqual(his?.slice(8), server(BOB));
    // And who sends none gets none of theirs.
    assert.deepEqual(codes(send(kept, withOptions())), []);
  });

  it("of an IPv6 address are made of all its bytes", () => {
    const v6 = (last: number): Asker => ({ transport: "udp", address: new Uint8Array(16).fill(last, 15) });
    assert.notDeepEqual(server(v6(1)), server(v6(2)));
  });
});

describe("other options", () => {
  const options = { cookies: new Cookies([SECRET]), nsid: NSID };
  const nsid = option(OPTION.NSID, 0);
  const keepalive = option(OPTION.KEEPALIVE, 0);

  it("NSID tells who this is, to who asks", () => {
    assert.deepEqual(optionData(ask(options, withOptions(nsid)), OPTION.NSID), NSID);
    assert.deepEqual(codes(ask(options, withOptions())), []);
    assert.deepEqual(codes(ask({}, withOptions(nsid))), []);
    // Also on errors; what its data are does not matter.
    const refused = ask(options, query("other.example", TYPE.TXT, { options: option(OPTION.NSID, 3) }));
    assert.deepEqual(optionData(refused, OPTION.NSID), NSID);
  });

  it("keepalive tells how long a connection may be idle, by TCP only", () => {
    assert.deepEqual(optionData(ask(options, withOptions(keepalive), BY_TCP), OPTION.KEEPALIVE), u16(70));
    assert.deepEqual(codes(ask(options, withOptions(keepalive), { ...ALICE, keepalive: 70 })), []);
    assert.deepEqual(codes(ask(options, withOptions(), BY_TCP)), []);
    for (const [timeout, said] of [
      [0, [0]],
      [65_535, [65_535]],
      [undefined, []],
    ] as const) {
      const asker = { ...BY_TCP, ...(timeout === undefined ? {} : { keepalive: timeout }) };
      const { keepalive: _, ...without } = asker;
      const reply = ask(options, withOptions(keepalive), timeout === undefined ? without : asker);
      const data = optionData(reply, OPTION.KEEPALIVE);
      assert.deepEqual(data === undefined ? [] : [(data[0] as number) * 256 + (data[1] as number)], said);
    }
    // What a server sends is not for a client to send.
    assert.deepEqual(codes(ask(options, withOptions(option(OPTION.KEEPALIVE, 2)), BY_TCP)), []);
  });

  it("stand in one order, and count against the size", () => {
    const all = { options: concatBytes(option(65_001, 3), keepalive, nsid, option(12, 9), cookie(CLIENT)) };
    const order = [OPTION.COOKIE, OPTION.NSID, OPTION.KEEPALIVE];
    assert.deepEqual(codes(ask(options, query(MODULE, TYPE.TXT, all), BY_TCP)), order);
    assert.deepEqual(codes(ask(options, query("x.example", TYPE.TXT, all), BY_TCP)), [...order, OPTION.EDE]);
    // An answer that fits to the byte without options does not fit with them.
    const data = makeData({ head: () => new Uint8Array(1100).fill(1) });
    const name = `_head.p1.${Z}`;
    const length = new Responder({ zone }).respond(query(name), ALICE, data, NOW);
    assert.ok(length instanceof Uint8Array);
    for (const [size, extra, tc] of [
      [length.length, {}, false],
      [length.length - 1, {}, true],
      [length.length + 28 + 15 - 1, { options: concatBytes(cookie(CLIENT), nsid) }, true],
      [length.length + 28 + 15, { options: concatBytes(cookie(CLIENT), nsid) }, false],
    ] as const) {
      const reply = ask(options, query(name, TYPE.TXT, { ...extra, size }), ALICE, data);
      assert.equal(isTc(reply), tc, String(size));
      // What is cut down keeps its options.
      assert.equal(codes(reply)?.length, "options" in extra ? 2 : 0);
    }
  });
});

const unavailable = (): never => {
  throw new ProofdnsError("STORE_UNUSABLE", "test");
};

it("options fit a reply of 512 bytes with the longest name", () => {
  const label = (length: number): string => "a".repeat(length);
  const all = concatBytes(cookie(CLIENT), option(OPTION.NSID, 0), option(OPTION.KEEPALIVE, 0));
  const options = { signer, cookies: new Cookies([SECRET]), nsid: new Uint8Array(64).fill(0x78) };
  const names = [`${[63, 63, 63, 44].map(label).join(".")}.p1.${Z}`, `${[63, 63, 63, 61].map(label).join(".")}`];
  for (const name of names) {
    for (const type of [TYPE.TXT, TYPE.AXFR, TYPE.OPT]) {
      const bytes = query(name, type, { size: 512, flags: DO, options: all });
      assert.equal(bytes.length, 12 + 255 + 4 + 11 + all.length);
      for (const data of [makeData({ moduleAnswer: unavailable }), makeData({ epoch: 0 }), makeData()]) {
        for (const asker of [ALICE, { ...BY_TCP, transport: "udp" } as const]) {
          const reply = new Responder({ zone, ...options }).respond(bytes, asker, data, NOW);
          assert.ok(reply instanceof Uint8Array && reply.length <= 512, "a reply of up to 512 bytes");
          assert.equal(codes(readMessage(reply))?.slice(0, 2).join(), [OPTION.COOKIE, OPTION.NSID].join());
        }
      }
    }
  }
});

describe("extended errors", () => {
  const say = (name: string, type: number, data?: ZoneData, edns: OptParts = {}): [number, number | undefined] => {
    const reply = ask({ signer }, query(name, type, edns), ALICE, data);
    return [reply.rcode, extendedError(reply)?.[0]];
  };

  it("say why nothing is said", () => {
    const rows: [said: [number, number | undefined], code: number | undefined][] = [
      [say(MODULE, TYPE.TXT, makeData({ epoch: 0 })), 14],
      [say(`com.v0.${Z}`, TYPE.A, makeData({ epoch: 0 })), 14],
      [say(MODULE, TYPE.TXT, makeData({ moduleAnswer: unavailable })), 0],
      [say("other.example", TYPE.TXT), 20],
      [say("", TYPE.NS), 20],
      [say("other.example", TYPE.AXFR), 20],
      [say("other.example", TYPE.OPT), 20],
      [say(Z, TYPE.AXFR), 18],
      [say(Z, TYPE.IXFR), 18],
      [say(MODULE, TYPE.OPT), 30],
      [say(MODULE, TYPE.NXNAME), 30],
      [say(MODULE, TYPE.TSIG), 30],
      [say(MODULE, TYPE.TXT, undefined, { version: 1 }), undefined],
      [say(MODULE, TYPE.TXT, undefined, { options: option(OPTION.COOKIE, 7) }), undefined],
      [say(MODULE, TYPE.TXT), undefined],
      [say(`nothing.${Z}`, TYPE.TXT), undefined],
      [say(`nothing.${Z}`, TYPE.TXT, undefined, { flags: DO | CO }), undefined],
    ];
    const rcodes = [2, 2, 2, 5, 5, 5, 5, 5, 5, 1, 1, 1, 16, 1, 0, 3, 3];
    rows.forEach(([[rcode, code], wanted], i) => {
      assert.deepEqual([rcode, code], [rcodes[i], wanted], String(i));
    });
  });

  it("are given for other classes and opcodes, and their text is ASCII", () => {
    const tail = opt();
    const chaos = message({ counts: [1, 0, 0, 1], question: question("version.bind", TYPE.TXT, 3), tail });
    const update = message({ flags: 5 << 11, counts: [1, 0, 0, 1], question: question(Z, TYPE.SOA), tail });
    for (const bytes of [chaos, update, query(Z, TYPE.AXFR), query("other.example")]) {
      const error = extendedError(ask({}, bytes));
      assert.ok(error !== undefined);
      assert.match(error[1], /^[\x20-\x7e]{0,30}$/);
    }
    assert.equal(extendedError(ask({}, chaos))?.[0], 21);
    assert.equal(extendedError(ask({}, update))?.[0], 21);
  });

  it("are not there without an OPT", () => {
    assert.equal(ask({}, query("other.example", TYPE.TXT, false)).opt, undefined);
  });
});

/** A limiter that says what it is told to, and notes what it is asked. */
class FakeLimiter extends RateLimiter {
  readonly asked: { address: Uint8Array; classHash: number; now: number }[] = [];
  verdict: RateVerdict = RATE_VERDICT.PASS;

  constructor() {
    const options = { key: new Uint8Array(16), buckets: 16 };
    super(new SharedArrayBuffer(RateLimiter.bytesNeeded(options)), options);
  }

  override check(address: Uint8Array, classHash: number, nowMs: number): RateVerdict {
    this.asked.push({ address, classHash, now: nowMs });
    return this.verdict;
  }
}

describe("rates", () => {
  const cookies = new Cookies([SECRET]);
  const make = (options: Partial<ResponderOptions> = {}): { limiter: FakeLimiter; responder: Responder } => {
    const limiter = new FakeLimiter();
    return { limiter, responder: new Responder({ zone, signer, cookies, rateLimit: limiter, ...options }) };
  };
  const badFlags = message({ flags: 2 << 11, question: question(MODULE, TYPE.TXT) });
  const kinds: [what: string, bytes: Uint8Array, rateClass: number | "own", data?: ZoneData][] = [
    ["a module", query(MODULE), "own"],
    ["a module for another type", query(MODULE, TYPE.A), RATE_CLASS.negative],
    ["any type of a module", query(MODULE, TYPE.ANY), "own"],
    ["an absent module", query(`absent.p1.${Z}`), RATE_CLASS.absence],
    ["an absent module's versions", query(`absent._versions.p1.${Z}`), RATE_CLASS.absence],
    ["an index key", query(`${"a".repeat(52)}._k.p1.${Z}`), RATE_CLASS.absence],
    ["an index key for another type", query(`${"a".repeat(52)}._k.p1.${Z}`, TYPE.A), RATE_CLASS.absence],
    ["an index key's page", query(`${"a".repeat(52)}._k._p0._versions.p1.${Z}`), RATE_CLASS.absence],
    ["a head", query(`_head.p1.${Z}`), "own"],
    ["a head that is not there", query(`e99._head.p1.${Z}`), RATE_CLASS.negative],
    ["an empty name", query(`p1.${Z}`), RATE_CLASS.negative],
    ["a name that does not exist", query(`nothing.${Z}`), RATE_CLASS.negative],
    ["a name under v0", query(`go4.org.v0.${Z}`), "own"],
    ["an absent name under v0", query(`net.v0.${Z}`), RATE_CLASS.negative],
    ["the apex", query(Z, TYPE.SOA), "own"],
    ["the keys", query(Z, TYPE.DNSKEY, { flags: DO }), "own"],
    ["a foreign name", query("other.example"), RATE_CLASS.error],
    ["a transfer", query(Z, TYPE.AXFR), RATE_CLASS.error],
    ["a bad type", query(MODULE, TYPE.OPT), RATE_CLASS.error],
    ["another class", message({ question: question(MODULE, TYPE.TXT, 3) }), RATE_CLASS.error],
    ["another opcode", badFlags, RATE_CLASS.error],
    ["a malformed message", message({}), RATE_CLASS.error],
    ["another EDNS version", query(MODULE, TYPE.TXT, { version: 1 }), RATE_CLASS.error],
    ["a cookie alone", message({ counts: [0, 0, 0, 1], tail: opt({ options: cookie(CLIENT) }) }), RATE_CLASS.error],
    ["a server without an epoch", query(MODULE), RATE_CLASS.error, makeData({ epoch: 0 })],
    ["a store that fails", query(MODULE), RATE_CLASS.error, makeData({ moduleAnswer: unavailable })],
  ];

  for (const [what, bytes, rateClass, data] of kinds) {
    it(`of ${what} are counted once, in their class`, () => {
      const { limiter, responder } = make({ cacheSize: 64 });
      const names = new Set<number>(Object.values(RATE_CLASS));
      for (let round = 0; round < 3; round++) {
        assert.ok(send(responder, bytes, ALICE, data) !== undefined);
        assert.equal(limiter.asked.length, round + 1);
        const asked = limiter.asked[round];
        assert.equal(asked?.address, ALICE.address);
        if (rateClass === "own") assert.ok(!names.has(asked?.classHash ?? 0));
        else assert.equal(asked?.classHash, rateClass);
      }
    });

    it(`of ${what} that are over the limit are dropped, or sent short`, () => {
      const { limiter, responder } = make();
      limiter.verdict = RATE_VERDICT.DROP;
      assert.equal(send(responder, bytes, ALICE, data), undefined);
      limiter.verdict = RATE_VERDICT.SLIP;
      const reply = send(responder, bytes, ALICE, data);
      assert.ok(reply !== undefined);
      assert.deepEqual(reply.records, []);
      assert.equal(isAa(reply), false);
      // Whoever can be given a cookie is told to use it; all others to come by TCP.
      const wantsCookie = codes(reply)?.includes(OPTION.COOKIE) === true;
      assert.deepEqual([reply.rcode, isTc(reply)], wantsCookie ? [RCODE.BADCOOKIE, false] : [0, true]);
      assert.ok(bytes.length + 40 >= 12 + (reply.question?.bytes.length ?? 0), "short");
    });
  }

  it("of a name are its own: neither its case, nor another type or name, shares them", () => {
    const { limiter, responder } = make();
    for (const bytes of [query(MODULE), query(MODULE.toUpperCase()), query(`_head.p1.${Z}`), query(MODULE, TYPE.ANY)]) {
      send(responder, bytes);
    }
    const [a, b, c, d] = limiter.asked.map(({ classHash }) => classHash);
    assert.equal(a, b);
    assert.equal(new Set([a, c, d]).size, 3);
  });

  it("do not count for TCP, nor with a valid cookie", () => {
    const { limiter, responder } = make();
    limiter.verdict = RATE_VERDICT.DROP;
    const first = send(responder, withOptions(cookie(CLIENT)), { ...ALICE, transport: "tcp" });
    const valid = optionData(first, OPTION.COOKIE);
    assert.ok(valid !== undefined);
    for (const [, bytes, , data] of kinds) assert.ok(send(responder, bytes, BY_TCP, data) !== undefined);
    assert.ok(send(responder, withOptions(cookie(valid))) !== undefined);
    const alone = message({ counts: [0, 0, 0, 1], tail: opt({ options: cookie(valid) }) });
    assert.equal(send(responder, alone)?.rcode, 0);
    assert.deepEqual(limiter.asked, []);
    // The cookie of another, one that is old, and one of another secret do count.
    assert.equal(send(responder, withOptions(cookie(valid)), BOB), undefined);
    assert.equal(send(responder, withOptions(cookie(valid)), ALICE, makeData(), NOW + 3700), undefined);
    assert.equal(send(responder, withOptions(cookie(CLIENT, new Uint8Array(16)))), undefined);
    assert.equal(send(responder, withOptions(cookie(CLIENT))), undefined);
    assert.equal(limiter.asked.length, 4);
  });

  it("of a malformed message count whatever cookie it has", () => {
    const { limiter, responder } = make();
    const valid = optionData(send(responder, withOptions(cookie(CLIENT)), BY_TCP), OPTION.COOKIE);
    limiter.verdict = RATE_VERDICT.DROP;
    const bytes = query(MODULE, TYPE.TXT, { version: 1, options: cookie(valid ?? CLIENT) });
    assert.equal(send(responder, bytes), undefined);
  });

  it("are checked before anything is signed or cached", () => {
    const { limiter, responder } = make({ cacheSize: 64 });
    const stats = new ServerStats(new SharedArrayBuffer(ServerStats.byteLength));
    const counted = new Responder({ zone, signer, rateLimit: limiter, stats, cacheSize: 64 });
    limiter.verdict = RATE_VERDICT.DROP;
    for (let i = 0; i < 5; i++) send(counted, query(`x${i}.p1.${Z}`, TYPE.TXT, { flags: DO }));
    const { counters, replies } = ServerStats.sum([stats]);
    assert.deepEqual([counters.signatures, counters.rrlDropped, replies.length], [0, 5, 0]);
    assert.equal(send(responder, query(MODULE)), undefined);
  });

  it("are of the clock that is handed in, in milliseconds", () => {
    const limiter = new FakeLimiter();
    let time = 5000;
    const responder = new Responder({ zone, rateLimit: limiter, clock: () => time });
    send(responder, query(MODULE));
    time = 5250;
    send(responder, query(MODULE));
    assert.deepEqual(
      limiter.asked.map(({ now }) => now),
      [5000, 5250],
    );
  });

  it("of the real limiter let a few pass, and then every second one slip", () => {
    const options = { rate: 5, netRate: 0, slip: 2, window: 15, buckets: 64, key: new Uint8Array(16).fill(3) };
    const buffer = new SharedArrayBuffer(RateLimiter.bytesNeeded(options));
    let time = 1_000_000;
    const stats = new ServerStats(new SharedArrayBuffer(ServerStats.byteLength));
    const responder = new Responder({
      zone,
      signer,
      cookies,
      rateLimit: new RateLimiter(buffer, options),
      clock: () => time,
      stats,
    });
    const say = (bytes: Uint8Array, asker = ALICE): string => {
      const reply = send(responder, bytes, asker);
      if (reply === undefined) return "-";
      return reply.rcode === RCODE.BADCOOKIE ? "cookie" : isTc(reply) ? "tc" : "answer";
    };
    const nothing = (i: number): Uint8Array => query(`x${i}.${Z}`);
    const said = Array.from({ length: 12 }, (_, i) => say(nothing(i)));
    assert.deepEqual(said.slice(0, 5), new Array(5).fill("answer"));
    assert.deepEqual(new Set(said.slice(5)), new Set(["-", "tc"]));
    // The flood of names that do not exist leaves those that do.
    assert.equal(say(query(MODULE)), "answer");
    // And other nets.
    assert.equal(say(nothing(0), BOB), "answer");
    // Whoever has a cookie is told of it, and comes back with it.
    const askWith = (...parts: Uint8Array[]): WireMessage | undefined =>
      send(responder, query(`y.${Z}`, TYPE.TXT, { options: cookie(...parts) }));
    let given: Uint8Array | undefined;
    for (let i = 0; i < 2 && given === undefined; i++) {
      const reply = askWith(CLIENT);
      assert.ok(reply === undefined || reply.rcode === RCODE.BADCOOKIE);
      given = optionData(reply, OPTION.COOKIE);
    }
    assert.ok(given !== undefined);
    for (let i = 0; i < 20; i++) assert.equal(askWith(given)?.rcode, RCODE.NXDOMAIN);
    time += 20_000;
    assert.equal(say(nothing(0)), "answer");
    const { counters } = ServerStats.sum([stats]);
    assert.ok(counters.rrlPassed >= 8 && counters.rrlDropped >= 3 && counters.rrlSlipped >= 3);
    assert.equal(counters.cookiesValid, 20);
  });
});

describe("what another thread holds", () => {
  const elsewhere = (): never => {
    throw ELSEWHERE;
  };
  /** The data of a worker: without modules' versions, pages and log proofs. */
  const some = (overrides: Partial<ZoneData> = {}): ZoneData =>
    makeData({ versionsAnswer: elsewhere, versionsPage: elsewhere, recordProof: elsewhere, ...overrides });
  const all = makeData();
  const names = [
    `mod.x._.golang.org._versions.p1.${Z}`,
    `absent._versions.p1.${Z}`,
    `mod.x._.golang.org._p0._versions.p1.${Z}`,
    `mod.x._.golang.org._p9._versions.p1.${Z}`,
    `0.900._record.p1.${Z}`,
  ];
  const pass = (entry: ReplyEntry | undefined): ReplyEntry | undefined => structuredClone(entry);

  it("is computed there and written here, and is the same as from one thread", () => {
    const cookies = new Cookies([SECRET]);
    const worker = new Responder({ zone, signer, cookies, nsid: NSID, cacheSize: 64 });
    const main = new Responder({ zone, signer, cookies, cacheSize: 64 });
    const single = new Responder({ zone, signer, cookies, nsid: NSID });
    const options = concatBytes(cookie(CLIENT), option(OPTION.NSID, 0));
    for (const name of names) {
      for (const type of [TYPE.TXT, TYPE.A]) {
        for (const edns of [false, {}, { flags: DO, options }, { flags: DO | CO, size: 600 }] as const) {
          for (const asker of [ALICE, BY_TCP]) {
            const bytes = query(name, type, edns);
            const expected = single.respond(bytes, asker, all, NOW);
            assert.ok(expected instanceof Uint8Array);
            const first = worker.respond(bytes, asker, some(), NOW);
            if (first === ELSEWHERE) {
              const reply = worker.finish(bytes, asker, pass(main.compute(bytes, asker, all, NOW)), some(), NOW);
              assert.deepEqual(reply, expected, name);
            } else assert.deepEqual(first, expected, name);
            // From now on it is held here.
            assert.deepEqual(worker.respond(bytes, asker, some(), NOW), expected, name);
          }
        }
      }
    }
  });

  it("is asked for only where it is needed", () => {
    const worker = new Responder({ zone, signer });
    for (const name of names) {
      assert.equal(worker.respond(query(name), ALICE, some(), NOW), ELSEWHERE);
    }
    for (const bytes of [
      query(names[0] ?? "", TYPE.A),
      query(names[0] ?? "", TYPE.ANY),
      query(names[0] ?? "", TYPE.OPT),
      query("other.example"),
      query(MODULE),
      query(`_head.p1.${Z}`),
      query(`0.5000._record.p1.${Z}`),
    ]) {
      assert.ok(worker.respond(bytes, ALICE, some(), NOW) instanceof Uint8Array);
    }
  });

  it("is SERVFAIL if nothing comes back, with an extended error, and is not kept", () => {
    const stats = new ServerStats(new SharedArrayBuffer(ServerStats.byteLength));
    const worker = new Responder({ zone, signer, cacheSize: 64, stats });
    const bytes = query(names[0] ?? "", TYPE.TXT, { flags: DO });
    const reply = worker.finish(bytes, ALICE, undefined, some(), NOW);
    assert.ok(reply !== undefined);
    const read = readMessage(reply);
    assert.deepEqual([read.rcode, read.records.length, isAa(read), extendedError(read)?.[0]], [2, 0, false, 0]);
    assert.equal(worker.respond(bytes, ALICE, some(), NOW), ELSEWHERE);
    assert.equal(ServerStats.sum([stats]).counters.forwarded, 1);
  });

  it("cannot be had where the store fails, and bugs are thrown on", () => {
    const main = new Responder({ zone });
    const bytes = query(names[0] ?? "");
    const failing = (error: unknown): ZoneData =>
      makeData({
        versionsAnswer: () => {
          throw error;
        },
      });
    assert.equal(main.compute(bytes, ALICE, failing(new ProofdnsError("STORE_UNUSABLE", "test")), NOW), undefined);
    assert.throws(() => main.compute(bytes, ALICE, failing(new RangeError("bug")), NOW), RangeError);
  });

  it("is nothing for messages that ask for nothing", () => {
    const main = new Responder({ zone, cookies: new Cookies([SECRET]) });
    for (const bytes of [
      new Uint8Array(11),
      message({ flags: 0x8000, question: question(MODULE, TYPE.TXT) }),
      message({}),
      message({ flags: 2 << 11, question: question(MODULE, TYPE.TXT) }),
      message({ question: question(MODULE, TYPE.TXT, 3) }),
      query("other.example"),
      query(Z, TYPE.AXFR),
      query(MODULE, TYPE.TXT, { version: 1 }),
      message({ counts: [0, 0, 0, 1], tail: opt({ options: cookie(CLIENT) }) }),
    ]) {
      assert.equal(main.compute(bytes, ALICE, all, NOW), undefined);
    }
    assert.equal(main.finish(new Uint8Array(11), ALICE, undefined, all, NOW), undefined);
  });

  it("is made once for all who ask", () => {
    let made = 0;
    const data = makeData({
      recordProof: () => {
        made++;
        return Uint8Array.of(12);
      },
    });
    const main = new Responder({ zone, signer, cacheSize: 64 });
    const name = `0.900._record.p1.${Z}`;
    for (let i = 0; i < 3; i++) main.compute(query(name), ALICE, data, NOW);
    main.compute(query(name.toUpperCase()), BOB, data, NOW);
    assert.equal(made, 1);
    main.compute(query(name, TYPE.TXT, { flags: DO }), ALICE, data, NOW);
    assert.equal(made, 2);
  });

  it("of another epoch is written as it came, and not served for this one", () => {
    const worker = new Responder({ zone, cacheSize: 64 });
    const main = new Responder({ zone });
    const bytes = query(names[3] ?? "");
    const newer = makeData({ epoch: EPOCH + 1, headVersion: 2 });
    const entry = pass(main.compute(bytes, ALICE, newer, NOW));
    assert.equal(entry?.epoch, EPOCH + 1);
    const reply = worker.finish(bytes, ALICE, entry, some(), NOW);
    assert.ok(reply !== undefined);
    const soa = readMessage(reply).records[0]?.rdata ?? new Uint8Array(0);
    assert.equal(Buffer.from(soa).readUInt32BE(soa.length - 20), EPOCH + 1);
    assert.equal(worker.respond(bytes, ALICE, some(), NOW), ELSEWHERE);
    assert.ok(worker.respond(bytes, ALICE, some({ epoch: EPOCH + 1, headVersion: 2 }), NOW) instanceof Uint8Array);
  });

  it("is limited before it is asked for, all of it in one class", () => {
    const limiter = new FakeLimiter();
    const worker = new Responder({ zone, rateLimit: limiter });
    for (const name of names.slice(0, 3)) assert.equal(worker.respond(query(name), ALICE, some(), NOW), ELSEWHERE);
    assert.deepEqual(
      limiter.asked.map(({ classHash }) => classHash),
      [RATE_CLASS.elsewhere, RATE_CLASS.elsewhere, RATE_CLASS.elsewhere],
    );
    limiter.verdict = RATE_VERDICT.DROP;
    assert.equal(worker.respond(query(names[0] ?? ""), ALICE, some(), NOW), undefined);
    limiter.verdict = RATE_VERDICT.SLIP;
    const reply = worker.respond(query(names[0] ?? ""), ALICE, some(), NOW);
    assert.ok(reply instanceof Uint8Array && isTc(readMessage(reply)));
    // The reply that comes back is not counted again.
    limiter.asked.length = 0;
    worker.finish(query(names[0] ?? ""), ALICE, undefined, some(), NOW);
    assert.deepEqual(limiter.asked, []);
  });

  it("counts one query as one", () => {
    const stats = new ServerStats(new SharedArrayBuffer(ServerStats.byteLength));
    const worker = new Responder({ zone, cookies: new Cookies([SECRET]), stats });
    const ofMain = new ServerStats(new SharedArrayBuffer(ServerStats.byteLength));
    const main = new Responder({ zone, cookies: new Cookies([SECRET]), stats: ofMain });
    const bytes = query(names[0] ?? "", TYPE.TXT, { options: cookie(CLIENT) });
    assert.equal(worker.respond(bytes, ALICE, some(), NOW), ELSEWHERE);
    worker.finish(bytes, ALICE, pass(main.compute(bytes, ALICE, all, NOW)), some(), NOW);
    const { counters, replies } = ServerStats.sum([stats, ofMain]);
    assert.equal(counters.cookiesClientOnly, 1);
    assert.deepEqual(
      replies.map(({ count }) => count),
      [1],
    );
  });
});

describe("the bytes of a query", () => {
  it("are left as they are", () => {
    const responder = new Responder({ zone, signer, cookies: new Cookies([SECRET]), nsid: NSID, cacheSize: 16 });
    for (const bytes of [withOptions(cookie(CLIENT)), query(MODULE.toUpperCase()), query("x.example"), message({})]) {
      const copy = bytes.slice();
      for (let i = 0; i < 2; i++) responder.respond(bytes, ALICE, makeData(), NOW);
      assert.deepEqual(bytes, copy);
    }
  });

  it("may be a part of a larger buffer", () => {
    const bytes = query(MODULE, TYPE.TXT, { flags: DO, options: cookie(CLIENT) });
    const larger = new Uint8Array(bytes.length + 64).fill(0xaa);
    larger.set(bytes, 32);
    const options = { zone, signer, cookies: new Cookies([SECRET]), cacheSize: 16 };
    const part = new Responder(options).respond(larger.subarray(32, 32 + bytes.length), ALICE, makeData(), NOW);
    assert.deepEqual(part, new Responder(options).respond(bytes, ALICE, makeData(), NOW));
  });

  it("of one query leave nothing for the next", () => {
    // Each pair on one responder: the second must not depend on the first.
    const all = [
      withOptions(cookie(CLIENT), option(OPTION.NSID, 0), option(OPTION.KEEPALIVE, 0)),
      query(MODULE, TYPE.TXT, false),
      query(MODULE, TYPE.TXT, { flags: DO | CO }),
      query(`nothing.${Z}`, TYPE.TXT, { flags: DO }),
      query("other.example", TYPE.TXT, { version: 1 }),
      query(Z, TYPE.NS),
      message({}),
      message({ flags: 2 << 11, counts: [1, 0, 0, 1], question: question(Z, TYPE.SOA), tail: opt({ flags: DO }) }),
      message({ counts: [0, 0, 0, 1], tail: opt({ options: cookie(CLIENT) }) }),
      message({ counts: [2, 0, 0, 0], question: concatBytes(question(MODULE, TYPE.TXT), question(Z, TYPE.A)) }),
      new Uint8Array(5),
    ];
    const options = { zone, signer, cookies: new Cookies([SECRET]), nsid: NSID };
    const alone = all.map((bytes) => new Responder(options).respond(bytes, BY_TCP, makeData(), NOW));
    const shared = new Responder({ ...options, cacheSize: 64 });
    for (const before of all) {
      all.forEach((bytes, i) => {
        shared.respond(before, BY_TCP, makeData(), NOW);
        assert.deepEqual(shared.respond(bytes, BY_TCP, makeData(), NOW), alone[i]);
      });
    }
  });
});
