import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DnsServer } from "../../src/dns/server.ts";
import { makeZone } from "../../src/dns/zone.ts";
import { type Front, makeFront } from "../../src/service/front.ts";
import { NOTHING_YET } from "../../src/service/nothing-yet.ts";

const zone = makeZone({
  apex: "l.example.org",
  nameServers: [{ name: "ns.other.example" }],
  hostmaster: "h@example.org",
});

function make(threads: number, port = 0): Front {
  return makeFront({
    host: "127.0.0.1",
    port,
    threads,
    config: {
      zone,
      keys: undefined,
      cookieSecrets: [],
      rateLimit: undefined,
      nsid: undefined,
      cacheSize: 0,
      seed: 0,
      trace: undefined,
    },
    limits: {},
    drain: 1000,
    log: assert.fail,
    data: NOTHING_YET,
  });
}

describe("a front that is closed while it starts", () => {
  for (const threads of [0, 1]) {
    it(`leaves no socket behind, with ${threads} threads`, async () => {
      const front = make(threads);
      const listening = front.listen();
      await front.close();
      const { port } = await listening;
      const other = new DnsServer({ respond: () => undefined, port, log: assert.fail });
      await other.listen();
      await other.close();
    });
  }

  it("rejects where the port is taken, and can be closed after that", async () => {
    const first = make(0);
    const { port } = await first.listen();
    const second = make(1, port);
    await assert.rejects(second.listen(), { code: "EADDRINUSE" });
    await second.close();
    await first.close();
  });
});
