import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { createServer, type Socket } from "node:net";
import { after, describe, it, mock } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AbortHub } from "../../src/client/abort-hub.ts";
import { type Loss, type Outcome, type Race, race } from "../../src/client/dns-race.ts";
import { UdpReach } from "../../src/client/dns-reach.ts";
import { DnsTransport, type DnsTransportOptions } from "../../src/client/transport-dns.ts";
import { joinName, parseName, respond } from "../../src/dns/index.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../../src/vindex/error.ts";
import { makeData, makeTestZone, NOW } from "../dns/fake-zone.ts";
import { u16 } from "../dns/packet.ts";

/** Networks that drop datagrams, all or some, and let TCP through. */

const Z = parseName("l.example.org");
const GO4 = joinName(["go4", "org", "p1"], Z) ?? assert.fail("too long");
const closers: (() => unknown)[] = [];
after(() => Promise.all(closers.map((close) => close())));

/** What a server, or something on the way, says by TCP in place of an answer: flags, and how many answers it claims to hold. */
const FAILURES = {
  servfail: [0x8182, 0],
  refused: [0x8185, 0],
  truncated: [0x8780, 0],
  garbled: [0x8180, 9],
} as const;

interface Network {
  /** What is let through. */
  udp: "all" | "none";
  tcp: "all" | "none" | "silent" | "held" | keyof typeof FAILURES;
  /** Milliseconds that a datagram takes. */
  slowness: number;
  readonly asked: ("udp" | "tcp")[];
  /** Replies by TCP that are held: each is sent when it is called. */
  readonly held: (() => void)[];
  /** From then on the port is closed to datagrams, which the sender hears of. */
  readonly closeUdp: () => Promise<void>;
  readonly transport: DnsTransport;
}

/** A reply with the query's ID and question, and no OPT. */
function failure(query: Uint8Array, which: keyof typeof FAILURES): Uint8Array {
  const [flags, answers] = FAILURES[which];
  const question = query.subarray(12, query.indexOf(0, 12) + 5);
  return concatBytes(query.subarray(0, 2), u16(flags), u16(1), u16(answers), u16(0), u16(0), question);
}

/** A server behind a network that drops what a test wants. */
async function network(options: Partial<DnsTransportOptions> = {}): Promise<Network> {
  const truth = (query: Uint8Array): Uint8Array =>
    respond(query, "tcp", makeTestZone(), makeData(), NOW) ?? assert.fail("no reply");
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    if (made.tcp === "none") return socket.destroy();
    let input: Uint8Array = new Uint8Array(0);
    socket.on("data", (chunk) => {
      input = concatBytes(input, chunk);
      for (;;) {
        const end = 2 + (input[0] ?? 0) * 256 + (input[1] ?? 0);
        if (input.length < 2 || input.length < end) return;
        const query = input.slice(2, end);
        input = input.slice(end);
        made.asked.push("tcp");
        if (made.tcp === "silent") continue;
        const { tcp } = made;
        const sent = tcp === "all" || tcp === "none" || tcp === "held" ? truth(query) : failure(query, tcp);
        const send = (): unknown => socket.write(concatBytes(u16(sent.length), sent));
        if (tcp === "held") made.held.push(send);
        else send();
      }
    });
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const udp = createSocket("udp4");
  await new Promise<void>((resolve, reject) => udp.once("error", reject).bind(port, "127.0.0.1", resolve));
  udp.on("message", (message, from) => {
    made.asked.push("udp");
    if (made.udp === "none") return;
    const reply = truth(new Uint8Array(message));
    setTimeout(() => !isClosed && udp.send(reply, from.port, from.address), made.slowness);
  });
  let isClosed = false;
  const closeUdp = async (): Promise<void> => {
    if (isClosed) return;
    isClosed = true;
    await new Promise<void>((resolve) => udp.close(resolve));
  };
  closers.push(closeUdp, () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const transport = new DnsTransport({
    server: { host: "127.0.0.1", port },
    timeouts: [60, 120],
    tcpTimeout: 2000,
    ...options,
  });
  const made: Network = { udp: "none", tcp: "all", slowness: 0, asked: [], held: [], closeUdp, transport };
  return made;
}

const refused = (why: RegExp) => (error: unknown) =>
  isProofdnsError(error, "UNREACHABLE") && (why.test(error.message) || assert.fail(error.message));

describe("a server that no datagram reaches", () => {
  it("is asked by TCP, at first beside the second try and then at once", async () => {
    const net = await network();
    assert.equal((await net.transport.query(GO4)).transport, "tcp");
    assert.deepEqual(net.asked.splice(0).sort(), ["tcp", "udp", "udp"]);
    const replies = await Promise.all(Array.from({ length: 100 }, () => net.transport.query(GO4)));
    assert.ok(replies.every(({ kind, transport }) => kind === "txt" && transport === "tcp"));
    assert.deepEqual(new Set(net.asked), new Set(["tcp"]));
    assert.equal(net.asked.length, 100);
  });

  it("is asked by TCP beside the last try, if it had answered by UDP before", async () => {
    const net = await network({ timeouts: [60, 60, 60] });
    net.udp = "all";
    for (let i = 0; i < 5; i++) assert.equal((await net.transport.query(GO4)).transport, "udp");
    assert.deepEqual(new Set(net.asked.splice(0)), new Set(["udp"]));
    net.udp = "none";
    assert.equal((await net.transport.query(GO4)).transport, "tcp");
    assert.deepEqual(net.asked.sort(), ["tcp", "udp", "udp", "udp"]);
  });

  it("is asked by TCP after its one try, if it has but one", async () => {
    const net = await network({ timeouts: [50] });
    assert.equal((await net.transport.query(GO4)).transport, "tcp");
    assert.deepEqual(net.asked, ["udp", "tcp"]);
  });

  it("is asked by UDP again where TCP fails at once, and not where it is slow", async () => {
    const net = await network();
    await net.transport.query(GO4);
    net.udp = "all";
    net.tcp = "none";
    assert.equal((await net.transport.query(GO4)).transport, "udp");
    net.asked.length = 0;
    assert.equal((await net.transport.query(GO4)).transport, "udp");
    assert.deepEqual(net.asked, ["udp"]);
  });

  it("is tried by UDP again after a minute, by one query", async () => {
    const net = await network();
    await net.transport.query(GO4);
    const now = performance.now.bind(performance);
    let later = 61_000;
    const clock = mock.method(performance, "now", () => now() + later);
    try {
      net.asked.length = 0;
      const probe = net.transport.query(GO4);
      const other = await net.transport.query(GO4);
      assert.deepEqual([other.transport, (await probe).transport], ["tcp", "tcp"]);
      assert.deepEqual(new Set(net.asked), new Set(["udp", "tcp"]));
      later += 61_000;
      net.udp = "all";
      for (let i = 0; i < 3; i++) assert.equal((await net.transport.query(GO4)).transport, "udp");
    } finally {
      clock.mock.restore();
    }
  });

  it("counts as unreachable if it is silent by TCP, too, with a reason for each", async () => {
    const net = await network({ tcpTimeout: 100 });
    net.tcp = "silent";
    const both =
      /^the server 127\.0\.0\.1:\d+ did not answer 2 queries by UDP; it did not answer by TCP (within 100 ms|either)$/;
    await assert.rejects(net.transport.query(GO4), refused(both));
    net.tcp = "none";
    await assert.rejects(net.transport.query(GO4), refused(/by UDP; it closed the TCP connection without a reply$/));
    assert.equal(net.asked.filter((way) => way === "udp").length, 4);
  });

  it("is believed when it says by TCP that it fails, once UDP has ended as well", async () => {
    for (const [tcp, code, why] of [
      ["servfail", "UNREACHABLE", /:\d+ answers with SERVFAIL$/],
      ["refused", "REFUSED", /^the server 127\.0\.0\.1:\d+ refuses go4/],
      ["truncated", "UNREACHABLE", /:\d+ sent a truncated reply by TCP$/],
      ["garbled", "MALFORMED_MESSAGE", /^DNS reply: /],
    ] as const) {
      const net = await network();
      net.tcp = tcp;
      await assert.rejects(
        net.transport.query(GO4),
        (error) => isProofdnsError(error, code) && (why.test(error.message) || assert.fail(error.message)),
      );
      assert.deepEqual(net.asked.sort(), ["tcp", "udp", "udp"], tcp);
    }
  });

  it("takes nothing from an answer by UDP that is on its way, whatever comes by TCP", async () => {
    for (const tcp of ["servfail", "refused", "truncated", "garbled", "none", "silent"] as const) {
      const net = await network({ timeouts: [40, 2000] });
      Object.assign(net, { udp: "all", slowness: 120, tcp });
      const { kind, transport } = await net.transport.query(GO4);
      assert.deepEqual([kind, transport], ["txt", "udp"], tcp);
    }
  });

  it("is asked by UDP beside a TCP that was the way and now stalls, or fails, for all that are waiting", async () => {
    for (const tcp of ["silent", "none", "refused", "servfail", "garbled"] as const) {
      const net = await network({ timeouts: [60, 120], tcpTimeout: 5000 });
      await net.transport.query(GO4);
      assert.equal((await net.transport.query(GO4)).transport, "tcp");
      Object.assign(net, { udp: "all", tcp });
      net.asked.length = 0;
      const replies = await Promise.all(Array.from({ length: 20 }, () => net.transport.query(GO4)));
      assert.ok(replies.every(({ kind, transport }) => kind === "txt" && transport === "udp"));
      net.asked.length = 0;
      assert.equal((await net.transport.query(GO4)).transport, "udp");
      assert.deepEqual(net.asked, ["udp"]);
    }
  });

  it("is asked by TCP alone where that is wanted, however slow it is", async () => {
    const net = await network({ tcpTimeout: 1300 });
    await net.transport.query(GO4);
    net.udp = "all";
    net.asked.length = 0;
    net.tcp = "silent";
    await assert.rejects(net.transport.query(GO4, { tcp: true }), refused(/did not answer by TCP within 1300 ms$/));
    assert.deepEqual(net.asked, ["tcp"]);
  });

  it("counts as unreachable where TCP was the way and all is silent, though UDP might be waited for longer", async () => {
    const net = await network({ timeouts: [60, 5000], tcpTimeout: 1200 });
    await net.transport.query(GO4);
    net.tcp = "silent";
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      const asking = assert.rejects(net.transport.query(GO4), refused(/:\d+ did not answer by TCP within 1200 ms$/));
      for (let time = 0; time < 4500; time += 100) {
        mock.timers.tick(100);
        await new Promise(setImmediate);
      }
      await asking;
    } finally {
      mock.timers.reset();
    }
  });

  it("is waited for by TCP as long as UDP would have had, though that fails at once, and is known from then on", async () => {
    const net = await network({ timeouts: [1000, 2000, 4000], tcpTimeout: 5000 });
    await net.closeUdp();
    net.tcp = "held";
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      const asking = net.transport.query(GO4);
      asking.catch(() => {});
      for (let i = 0; i < 100_000 && net.held.length === 0; i++) await new Promise(setImmediate);
      assert.equal(net.held.length, 1);
      for (let time = 0; time < 4500; time += 100) {
        mock.timers.tick(100);
        await new Promise(setImmediate);
      }
      for (const send of net.held.splice(0)) send();
      assert.equal((await asking).transport, "tcp");
      net.tcp = "all";
      assert.equal((await net.transport.query(GO4)).transport, "tcp");
      assert.deepEqual(net.asked, ["tcp", "tcp"]);
    } finally {
      mock.timers.reset();
    }
  });

  it("is not asked anew by a transport that is closed", async () => {
    const net = await network({ tcpTimeout: 5000 });
    await net.transport.query(GO4);
    net.tcp = "silent";
    net.asked.length = 0;
    const asking = net.transport.query(GO4);
    while (!net.asked.includes("tcp")) await sleep(5);
    net.transport.close();
    await assert.rejects(asking, refused(/closed the TCP connection without a reply$/));
    assert.deepEqual(net.asked, ["tcp"]);
    await assert.rejects(net.transport.query(GO4, { tcp: true }), refused(/the transport is closed$/));
  });

  it("is left when told to, by either way", async () => {
    const held = (): number => process.getActiveResourcesInfo().filter((what) => /Timeout/.test(what)).length;
    for (const begins of ["udp", "tcp"] as const) {
      const net = await network({ timeouts: [30, 5000], tcpTimeout: 5000 });
      if (begins === "tcp") await net.transport.query(GO4);
      net.tcp = "silent";
      net.asked.length = 0;
      const controller = new AbortController();
      const asking = net.transport.query(GO4, { signal: controller.signal });
      while (!net.asked.includes("tcp")) await sleep(5);
      assert.equal(net.asked[0], begins);
      controller.abort(new Error("enough"));
      await assert.rejects(asking, /enough/);
      assert.ok(held() <= 1, "a timer is left");
    }
  });
});

describe("what is known of UDP", () => {
  it("is forgotten after a minute by one query, and by all with a datagram", () => {
    const reach = new UdpReach();
    assert.deepEqual([reach.plan(0), reach.plan(1), reach.isReliable], ["udp", "udp", false]);
    reach.answered();
    assert.ok(reach.isReliable);
    reach.silent(1000);
    assert.deepEqual([reach.plan(1000), reach.plan(60_999)], ["tcp", "tcp"]);
    assert.deepEqual([reach.plan(61_000), reach.plan(61_000), reach.plan(120_999)], ["probe", "tcp", "tcp"]);
    assert.equal(reach.plan(121_000), "probe");
    reach.answered();
    assert.deepEqual([reach.plan(121_001), reach.isReliable], ["udp", false]);
    reach.silent(130_000);
    reach.forget();
    assert.equal(reach.plan(130_001), "udp");
  });
});

describe("a question that is asked in two ways", () => {
  const hub = new AbortHub();
  const loss = (why: string, isReply = false): Loss => ({ error: new ProofdnsError("UNREACHABLE", why), isReply });
  interface Way {
    readonly promise: Promise<Outcome<string>>;
    readonly resolve: (outcome: Outcome<string>) => void;
    readonly reject: (error: Error) => void;
  }
  const way = (): Way => {
    let resolve: Way["resolve"] = () => {};
    let reject: Way["reject"] = () => {};
    const promise = new Promise<Outcome<string>>((yes, no) => {
      [resolve, reject] = [yes, no];
    });
    return { promise, resolve, reject };
  };
  /** A race in the hands of a test. */
  const begin = (options: Partial<Race<string>> = {}) => {
    const first = way();
    const second = way();
    const events: string[] = [];
    let beginSecond: () => void = () => {};
    let ended: AbortSignal | undefined;
    const result = race<string>({
      first: (other, signal) => {
        beginSecond = other;
        ended = signal;
        return first.promise;
      },
      second: () => {
        events.push("second");
        return second.promise;
      },
      isFirstReplyFinal: true,
      firstTime: 0,
      leastTime: 20,
      explain: (one, other) =>
        new ProofdnsError("UNREACHABLE", `${one?.error.message ?? "-"} + ${other?.error.message ?? "-"}`),
      signal: undefined,
      hub,
      ...options,
    });
    result.catch(() => {});
    return { first, second, events, result, beginSecond: () => beginSecond(), isEnded: () => ended?.aborted === true };
  };

  it("is not asked in the second before its turn, and once only", async () => {
    const r = begin();
    await sleep(0);
    assert.deepEqual(r.events, []);
    for (let i = 0; i < 3; i++) r.beginSecond();
    assert.deepEqual(r.events, ["second"]);
    r.first.resolve({ value: "f" });
    assert.deepEqual(await r.result, { value: "f", isFirstSilent: false });
    assert.ok(r.isEnded());
    r.beginSecond();
    assert.deepEqual(r.events, ["second"]);
  });

  it("has the answer that comes first, and knows whether the first way was silent", async () => {
    const quick = begin();
    quick.beginSecond();
    quick.second.resolve({ value: "s" });
    assert.deepEqual(await quick.result, { value: "s", isFirstSilent: true });
    assert.ok(quick.isEnded());
    for (const [outcome, isFirstSilent] of [
      [loss("f"), true],
      [loss("f", true), false],
      ["left", false],
    ] as const) {
      const late = begin({ isFirstReplyFinal: false });
      late.first.resolve(outcome);
      await sleep(0);
      assert.deepEqual(late.events, ["second"]);
      late.second.resolve({ value: "s" });
      assert.deepEqual(await late.result, { value: "s", isFirstSilent });
    }
  });

  it("waits for each way, whatever has come by the other, and as long as it takes where that has left it", async () => {
    for (const outcome of [loss("x"), loss("x", true), "left"] as const) {
      for (const [one, other] of [
        ["first", "second"],
        ["second", "first"],
      ] as const) {
        const r = begin({ leastTime: 1000 });
        r.beginSecond();
        r[one].resolve(outcome);
        await sleep(0);
        assert.ok(!r.isEnded());
        r[other].resolve({ value: other });
        assert.equal((await r.result).value, other);
      }
    }
    const sent = begin({ leastTime: 0 });
    sent.first.resolve("left");
    await sleep(30);
    sent.second.resolve({ value: "s" });
    assert.deepEqual(await sent.result, { value: "s", isFirstSilent: false });
  });

  it("gives the second the rest of the time of the first, where that fails early", async () => {
    for (const outcome of [loss("f"), loss("f", true)]) {
      const early = begin({ firstTime: 60_000, leastTime: 0, isFirstReplyFinal: false });
      early.first.resolve(outcome);
      await sleep(30);
      assert.ok(!early.isEnded());
      early.second.resolve({ value: "s" });
      assert.equal((await early.result).value, "s");
      const over = begin({ firstTime: 30, leastTime: 0, isFirstReplyFinal: false });
      over.first.resolve(outcome);
      await assert.rejects(over.result, /f \+ -$/);
      assert.ok(over.isEnded());
    }
    const both = begin({ firstTime: 60_000, leastTime: 60_000 });
    both.first.resolve(loss("f"));
    both.second.resolve(loss("s"));
    await assert.rejects(both.result, /f \+ s$/);
  });

  it("fails with what came of both, in whichever order it comes, or when the time is over", async () => {
    for (const isReply of [false, true]) {
      for (const order of ["first", "second"] as const) {
        const r = begin();
        r.beginSecond();
        r[order].resolve(loss(order, isReply));
        await sleep(0);
        assert.ok(!r.isEnded());
        const other = order === "first" ? "second" : "first";
        r[other].resolve(loss(other, isReply));
        await assert.rejects(r.result, /^ProofdnsError: first \+ second$/);
      }
      const r = begin({ isFirstReplyFinal: false });
      r.first.resolve(loss("first", isReply));
      await assert.rejects(r.result, /first \+ -$/);
      assert.ok(r.isEnded());
    }
    for (const isEarly of [false, true]) {
      const sent = begin();
      sent.beginSecond();
      if (isEarly) sent.second.resolve(loss("second", true));
      await sleep(0);
      sent.first.resolve("left");
      if (!isEarly) sent.second.resolve(loss("second", true));
      await assert.rejects(sent.result, /- \+ second$/);
    }
  });

  it("fails at once with a reply of the first that is final, unless the second has begun", async () => {
    const r = begin();
    r.first.resolve(loss("first", true));
    await assert.rejects(r.result, /first \+ -$/);
    assert.deepEqual(r.events, []);
    const silent = begin();
    silent.first.resolve(loss("first"));
    await sleep(0);
    assert.deepEqual(silent.events, ["second"]);
  });

  it("fails at once with what no network does", async () => {
    for (const which of ["first", "second"] as const) {
      const r = begin();
      r.beginSecond();
      r[which].reject(new TypeError(`${which} is wrong`));
      await assert.rejects(r.result, TypeError);
      assert.ok(r.isEnded());
    }
  });

  it("ends with its signal, also with one that has ended before", async () => {
    const controller = new AbortController();
    const r = begin({ signal: controller.signal });
    controller.abort(new Error("enough"));
    await assert.rejects(r.result, /enough/);
    assert.ok(r.isEnded());
    const never = begin({ signal: AbortSignal.abort(new Error("before")), first: () => assert.fail("asked") });
    await assert.rejects(never.result, /before/);
  });
});
