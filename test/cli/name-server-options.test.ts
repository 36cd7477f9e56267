import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import {
  NAME_SERVER_DEFAULTS,
  type NameServerOptions,
  openResponderConfig,
  parseNameServerOptions,
  readResponderConfig,
} from "../../src/cli/name-server-options.ts";
import { makeZone } from "../../src/dns/zone.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";

const zone = makeZone({
  apex: "l.example.org",
  nameServers: [{ name: "ns.other.example" }],
  hostmaster: "h@example.org",
});
const parse = (options: Partial<NameServerOptions>): ReturnType<typeof parseNameServerOptions> =>
  parseNameServerOptions({ ...NAME_SERVER_DEFAULTS, ...options });

describe("options of the name server", () => {
  it("are by default what is documented", async () => {
    const settings = await parse({});
    assert.ok(settings.threads >= 1, "threads");
    assert.equal(settings.algorithm, 13);
    assert.deepEqual({ ...settings.rateLimit, key: undefined }, { rate: 25, netRate: 100, slip: 1, key: undefined });
    assert.equal(settings.cacheSize, 16_384);
    assert.deepEqual(settings.limits, { idleTimeout: 10_000, maxConnections: 1024, maxConnectionsPerAddress: 64 });
    assert.equal(settings.drain, 5000);
    assert.equal(settings.monitor, undefined);
  });

  it("turn things off", async () => {
    const settings = await parse({ dnssec: false, rrlRate: "off", replyCache: "0", threads: "0" });
    assert.deepEqual(
      [settings.algorithm, settings.rateLimit, settings.cacheSize, settings.threads],
      [undefined, undefined, 0, 0],
    );
    assert.equal((await parse({ rrlNetRate: "off" })).rateLimit?.netRate, 0);
  });

  const wrong: Partial<NameServerOptions>[] = [
    { threads: "-1" },
    { threads: "many" },
    { threads: "257" },
    { rrlRate: "0" },
    { rrlRate: "1.5" },
    { rrlRate: "" },
    { rrlNetRate: "1000001" },
    { rrlSlip: "11" },
    { replyCache: "1e3" },
    { dnssecAlgorithm: "14" },
    { dnssecAlgorithm: "8" },
    { nsid: "" },
    { nsid: "two words" },
    { nsid: "x".repeat(65) },
    { tcpConnections: "0" },
    { tcpConnectionsPerAddress: "0" },
    { tcpIdle: "0s" },
    { tcpIdle: "10" },
    { drain: "soon" },
    { monitor: "9153" },
  ];
  for (const options of wrong) {
    it(`are refused: ${JSON.stringify(options).slice(0, 60)}`, async () => {
      await assert.rejects(parse(options), (error) => isProofdnsError(error, "MALFORMED_INPUT"));
    });
  }
});

describe("keys and secrets of the name server", () => {
  const folder = mkdtempSync(join(tmpdir(), "proofdns-options-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const unusable = (error: unknown): boolean => isProofdnsError(error, "KEY_UNUSABLE");

  it("are made at the first start, and the same afterwards", async () => {
    const settings = await parse({});
    const first = await openResponderConfig(folder, "l.example.org", zone, settings, warn);
    const again = await openResponderConfig(folder, "l.example.org", zone, settings, warn);
    const reread = await readResponderConfig(folder, "l.example.org", zone, settings, warn);
    for (const config of [again, reread]) {
      assert.deepEqual(config.cookieSecrets, first.cookieSecrets);
      assert.deepEqual(
        config.keys?.keys.map(({ keyTag }) => keyTag),
        first.keys?.keys.map(({ keyTag }) => keyTag),
      );
    }
    assert.equal(statSync(join(folder, "cookie.secrets")).mode & 0o777, 0o600);
    assert.deepEqual(warnings, []);
  });

  it("that others can read are told of", async () => {
    chmodSync(join(folder, "cookie.secrets"), 0o644);
    await readResponderConfig(folder, "l.example.org", zone, await parse({}), warn);
    assert.match(warnings.join(), /cookie secrets .* can be read by others/);
  });

  it("that are damaged are refused, and left as they are", async () => {
    const path = join(folder, "cookie.secrets");
    const good = readFileSync(path);
    writeFileSync(path, "not hex\n");
    const settings = await parse({});
    await assert.rejects(openResponderConfig(folder, "l.example.org", zone, settings, warn), unusable);
    assert.equal(readFileSync(path, "latin1"), "not hex\n");
    writeFileSync(path, good);
  });

  it("that are gone are not made anew by a reload, nor the DNSSEC key by a start", async () => {
    const settings = await parse({});
    rmSync(join(folder, "dnssec"), { recursive: true });
    await assert.rejects(readResponderConfig(folder, "l.example.org", zone, settings, warn), unusable);
    await assert.rejects(openResponderConfig(folder, "l.example.org", zone, settings, warn), unusable);
    rmSync(join(folder, "cookie.secrets"));
    const unsigned = await parse({ dnssec: false });
    await assert.rejects(readResponderConfig(folder, "l.example.org", zone, unsigned, warn), unusable);
  });
});
