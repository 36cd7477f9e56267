import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { createServer, type Socket } from "node:net";
import { after, describe, it, mock } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AbortHub } from "../../src/client/abort-hub.ts";
import { type Outcome, type Race, race } from "../../src/client/dns-race.ts";
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

interface Network {
  /** What is let through. */
  udp: "all" | "none";
  tcp: "all" | "none" | "silent" | "servfail";
  readonly asked: ("udp" | "tcp")[];
  readonly transport: DnsTransport;
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
        const reply = truth(query);
        const sent =
          made.tcp === "servfail" ? concatBytes(query.subarray(0, 2), u16(0x8182), query.subarray(4)) : reply;
        socket.write(concatBytes(u16(sent.length), sent));
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
    if (made.udp === "all") udp.send(truth(new Uint8Array(message)), from.port, from.address);
  });
  closers.push(
    () => udp.close(),
    () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  );
  const transport = new DnsTransport({
    server: { host: "127.0.0.1", port },
    timeouts: [60, 120],
    tcpTimeout: 2000,
    ...options,
  });
  const made: Network = { udp: "none", tcp: "all", asked: [], transport };
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

  it("is believed when it says by TCP that it fails", async () => {
    const net = await network();
    net.tcp = "servfail";
    await assert.rejects(net.transport.query(GO4), refused(/:\d+ answers with SERVFAIL$/));
  });

  it("is left when told to, by either way", async () => {
    const net = await network({ timeouts: [30, 5000], tcpTimeout: 5000 });
    net.tcp = "silent";
    const controller = new AbortController();
    const asking = net.transport.query(GO4, { signal: controller.signal });
    while (!net.asked.includes("tcp")) await sleep(5);
    controller.abort(new Error("enough"));
    await assert.rejects(asking, /enough/);
    const held = (): number => process.getActiveResourcesInfo().filter((what) => /Timeout/.test(what)).length;
    assert.ok(held() <= 1, "a timer is left");
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

describe("a question that is asked by UDP and TCP", () => {
  const hub = new AbortHub();
  const silence = (why: string): Outcome<string> => ({ silence: new ProofdnsError("UNREACHABLE", why) });
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
    const udp = way();
    const tcp = way();
    const events: string[] = [];
    let onTry: (tries: number) => void = () => {};
    let ended: AbortSignal | undefined;
    const result = race<string>({
      udp: (tried, signal) => {
        onTry = tried;
        ended = signal;
        return udp.promise;
      },
      tcp: () => {
        events.push("tcp");
        return tcp.promise;
      },
      tcpAt: 1,
      leastTcpTime: 20,
      merge: (one, other) => new ProofdnsError("UNREACHABLE", `${one.message} + ${other?.message}`),
      signal: undefined,
      hub,
      ...options,
    });
    result.catch(() => {});
    return { udp, tcp, events, result, tries: (n: number) => onTry(n), isEnded: () => ended?.aborted === true };
  };

  it("is not asked by TCP before its turn, and once only", async () => {
    const r = begin();
    r.tries(0);
    assert.deepEqual(r.events, []);
    for (const n of [1, 2, 3]) r.tries(n);
    assert.deepEqual(r.events, ["tcp"]);
    r.udp.resolve({ value: "u" });
    assert.deepEqual(await r.result, { value: "u", isUdpSilent: false });
    assert.ok(r.isEnded());
    r.tries(1);
    assert.deepEqual(r.events, ["tcp"]);
  });

  it("has the answer that comes first, and knows whether UDP was silent", async () => {
    const first = begin();
    first.tries(1);
    first.tcp.resolve({ value: "t" });
    assert.deepEqual(await first.result, { value: "t", isUdpSilent: true });
    assert.ok(first.isEnded());
    const late = begin();
    late.udp.resolve(silence("u"));
    await sleep(0);
    assert.deepEqual(late.events, ["tcp"]);
    late.tcp.resolve({ value: "t" });
    assert.deepEqual(await late.result, { value: "t", isUdpSilent: true });
  });

  it("waits for UDP where TCP is silent, and for TCP where UDP says so", async () => {
    const patient = begin();
    patient.tries(1);
    patient.tcp.resolve(silence("t"));
    await sleep(0);
    patient.udp.resolve({ value: "u" });
    assert.equal((await patient.result).value, "u");
    const sent = begin({ udp: async () => "tcp", leastTcpTime: 0 });
    await sleep(30);
    sent.tcp.resolve({ value: "t" });
    assert.deepEqual(await sent.result, { value: "t", isUdpSilent: false });
  });

  it("fails with both reasons, in whichever order they come, or when the time is over", async () => {
    for (const order of ["udp", "tcp"] as const) {
      const r = begin();
      r.tries(1);
      r[order].resolve(silence(order));
      await sleep(0);
      r[order === "udp" ? "tcp" : "udp"].resolve(silence(order === "udp" ? "tcp" : "udp"));
      await assert.rejects(r.result, /^ProofdnsError: udp \+ tcp$/);
    }
    const r = begin();
    r.udp.resolve(silence("udp"));
    await assert.rejects(r.result, /udp \+ undefined$/);
    assert.ok(r.isEnded());
  });

  it("fails at once with what is no silence, of either way", async () => {
    for (const which of ["udp", "tcp"] as const) {
      const r = begin();
      r.tries(1);
      r[which].reject(new ProofdnsError("REFUSED", `${which} refuses`));
      await assert.rejects(r.result, { code: "REFUSED" });
      assert.ok(r.isEnded());
    }
    const sent = begin({ udp: async () => "tcp" });
    await sleep(0);
    sent.tcp.resolve(silence("t"));
    await assert.rejects(sent.result, /^ProofdnsError: t$/);
  });

  it("ends with its signal, also with one that has ended before", async () => {
    const controller = new AbortController();
    const r = begin({ signal: controller.signal });
    controller.abort(new Error("enough"));
    await assert.rejects(r.result, /enough/);
    assert.ok(r.isEnded());
    const never = begin({ signal: AbortSignal.abort(new Error("before")), udp: () => assert.fail("asked") });
    await assert.rejects(never.result, /before/);
  });
});
