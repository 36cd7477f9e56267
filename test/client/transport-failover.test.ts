import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { QueryOptions, Transport, TxtReply } from "../../src/client/transport.ts";
import { DnsTransport } from "../../src/client/transport-dns.ts";
import { DohTransport } from "../../src/client/transport-doh.ts";
import { FailoverTransport } from "../../src/client/transport-failover.ts";
import { makeSystemTransport, parseTransport } from "../../src/client/transport-system.ts";
import { parseName } from "../../src/dns/index.ts";
import { type ErrorCode, isProofdnsError, ProofdnsError } from "../../src/vindex/error.ts";

const NAME = parseName("x.example");
type Says = "ok" | ErrorCode | Error;

/** Servers that say what `says` holds for them at the time; `asked` keeps who was asked. */
class Servers {
  readonly asked: string[] = [];
  readonly options: QueryOptions[] = [];
  readonly closed: string[] = [];
  readonly says: Record<string, Says>;

  constructor(says: Record<string, Says>) {
    this.says = says;
  }

  get transports(): Transport[] {
    return Object.keys(this.says).map((server) => ({
      query: async (_: Uint8Array, options: QueryOptions = {}): Promise<TxtReply> => {
        this.asked.push(server);
        this.options.push(options);
        const said = this.says[server] as Says;
        if (said === "ok") return { kind: "nodata", ttl: 5, messageBytes: 50, transport: "udp", server };
        throw said instanceof Error ? said : new ProofdnsError(said, `${server} says ${said}`);
      },
      close: () => {
        this.closed.push(server);
      },
    }));
  }
}

const refused = (code: ErrorCode, why: RegExp) => (error: unknown) =>
  isProofdnsError(error, code) && (why.test(error.message) || assert.fail(error.message));

describe("a failover transport", () => {
  it("asks the first as long as it answers", async () => {
    const servers = new Servers({ a: "ok", b: "ok" });
    const transport = new FailoverTransport(servers.transports);
    for (let i = 0; i < 3; i++) assert.equal((await transport.query(NAME)).server, "a");
    assert.deepEqual(servers.asked, ["a", "a", "a"]);
  });

  for (const code of ["UNREACHABLE", "REFUSED", "MALFORMED_MESSAGE"] as const) {
    it(`goes on to the next on ${code}, and asks the one that failed last for a while`, async () => {
      const servers = new Servers({ a: code, b: "ok", c: "ok" });
      let now = 0;
      const transport = new FailoverTransport(servers.transports, { penalty: 1000, clock: () => now });
      assert.equal((await transport.query(NAME)).server, "b");
      assert.equal((await transport.query(NAME)).server, "b");
      assert.deepEqual(servers.asked.splice(0), ["a", "b", "b"]);
      servers.says["b"] = code;
      servers.says["c"] = code;
      servers.says["a"] = "ok";
      assert.equal((await transport.query(NAME)).server, "a");
      assert.deepEqual(servers.asked.splice(0), ["b", "c", "a"]);
      now = 1000;
      assert.equal((await transport.query(NAME)).server, "a");
      assert.deepEqual(servers.asked.splice(0), ["a"]);
    });
  }

  it("says what each server said if none answers", async () => {
    const servers = new Servers({ a: "UNREACHABLE", b: "REFUSED" });
    const transport = new FailoverTransport(servers.transports);
    await assert.rejects(transport.query(NAME), refused("UNREACHABLE", /^a says UNREACHABLE; b says REFUSED$/));
  });

  it("does not hide what one said that was malformed behind the silence of others", async () => {
    const servers = new Servers({ a: "UNREACHABLE", b: "MALFORMED_MESSAGE", c: "UNREACHABLE" });
    const transport = new FailoverTransport(servers.transports);
    await assert.rejects(transport.query(NAME), refused("MALFORMED_MESSAGE", /a says .*; b says .*; c says/));
  });

  it("stops at an abort and at a bug, and blames no server for them", async () => {
    const servers = new Servers({ a: new Error("enough"), b: "ok" });
    const transport = new FailoverTransport(servers.transports);
    await assert.rejects(transport.query(NAME), /^Error: enough$/);
    servers.says["a"] = "ok";
    assert.equal((await transport.query(NAME)).server, "a");
    assert.deepEqual(servers.asked, ["a", "a"]);
  });

  it("asks another server with each attempt, and the first again when all were asked", async () => {
    const servers = new Servers({ a: "ok", b: "ok", c: "ok" });
    const transport = new FailoverTransport(servers.transports);
    assert.equal(transport.ways, 4);
    const asked: string[] = [];
    for (let attempt = 0; attempt < 4; attempt++) asked.push((await transport.query(NAME, { attempt })).server);
    assert.deepEqual(asked, ["a", "b", "c", "a"]);
  });

  it("asks the same one server in an attempt, whatever the others did meanwhile", async () => {
    const servers = new Servers({ a: "UNREACHABLE", b: "UNREACHABLE", c: "ok" });
    const transport = new FailoverTransport(servers.transports);
    for (let i = 0; i < 2; i++) {
      await assert.rejects(transport.query(NAME, { attempt: 1 }), refused("UNREACHABLE", /^b says UNREACHABLE$/));
      assert.equal((await transport.query(NAME, { attempt: 2 })).server, "c");
      await assert.rejects(transport.query(NAME, { attempt: 3 }), refused("UNREACHABLE", /^a says UNREACHABLE$/));
      assert.deepEqual(servers.asked.splice(0), ["b", "c", "a"]);
      await transport.query(NAME);
      servers.asked.splice(0);
    }
  });

  it("hands signal and way on, and closes all", async () => {
    const servers = new Servers({ a: "UNREACHABLE", b: "ok" });
    const transport = new FailoverTransport(servers.transports);
    const { signal } = new AbortController();
    await transport.query(NAME, { signal, tcp: true });
    assert.deepEqual(servers.options, [
      { signal, tcp: true },
      { signal, tcp: true },
    ]);
    transport.close();
    assert.deepEqual(servers.closed, ["a", "b"]);
  });

  it("counts the ways of those within, and leaves further attempts to them", async () => {
    const inner = new FailoverTransport(new Servers({ a: "ok", b: "ok" }).transports);
    const outer = new FailoverTransport([inner]);
    assert.equal(outer.ways, 3);
    const asked: string[] = [];
    for (let attempt = 0; attempt < 3; attempt++) asked.push((await outer.query(NAME, { attempt })).server);
    assert.deepEqual(asked, ["a", "b", "a"]);
  });

  it("needs one at least", () => {
    assert.throws(() => new FailoverTransport([]), RangeError);
  });
});

describe("transports by name", () => {
  it("are DNS for a host and HTTPS for a URL, and failover for several", () => {
    for (const text of ["127.0.0.1", "ns1.example:5353", "[::1]:53"])
      assert.ok(parseTransport([text]) instanceof DnsTransport);
    assert.ok(parseTransport(["https://dns.example/dns-query"]) instanceof DohTransport);
    for (const text of ["http://127.0.0.1:8080/q", "http://localhost/q", "http://[::1]:1/q"]) {
      assert.ok(parseTransport([text]) instanceof DohTransport);
    }
    const several = parseTransport(["127.0.0.1", "https://dns.example/dns-query"]);
    assert.ok(several instanceof FailoverTransport);
    assert.equal(several.ways, 3);
  });

  it("are the system's resolvers without a name, or by theirs", () => {
    assert.ok(makeSystemTransport({}, ["192.0.2.1"]) instanceof DnsTransport);
    assert.equal(makeSystemTransport({}, ["192.0.2.1", "[2001:db8::1]:5353", "fe80::1%eth0"]).ways, 4);
    assert.throws(() => makeSystemTransport({}, []), refused("UNREACHABLE", /no resolver; name a server/));
  });

  const bad: [text: string, why: RegExp][] = [
    ["", /expected HOST/],
    ["host:0", /expected HOST/],
    ["a b", /expected HOST/],
    ["\u001b[31mx", /expected HOST/],
    ["http://dns.example/dns-query", /use https:/],
    ["http://127.0.0.1.evil.example/", /use https:/],
    ["http://localhost.evil.example/", /use https:/],
    ["http://127.0.0.1@evil.example/", /use https:/],
    ["ftp://dns.example/", /named without a scheme/],
    ["tls://dns.example/", /named without a scheme/],
  ];
  for (const [text, why] of bad) {
    it(`are refused for ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseTransport([text]), refused("MALFORMED_INPUT", why));
      assert.throws(() => parseTransport(["127.0.0.1", text]), refused("MALFORMED_INPUT", why));
    });
  }
});
