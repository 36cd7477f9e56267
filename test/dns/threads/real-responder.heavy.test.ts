import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ALGORITHM, makeZoneKeys, ZoneSigner } from "../../../src/dns/dnssec/index.ts";
import { TYPE } from "../../../src/dns/message.ts";
import { Responder } from "../../../src/dns/responder.ts";
import { ThreadPool } from "../../../src/dns/threads/pool.ts";
import { makeZone } from "../../../src/dns/zone.ts";
import type { ResponderConfig } from "../../../src/service/responder-config.ts";
import { formatBase32 } from "../../../src/vindex/base64.ts";
import { computeIndexKey } from "../../../src/vindex/module-value.ts";
import { formatRecord } from "../../../src/vindex/record.ts";
import { START, sha256, World, ZONE } from "../../attack/world.ts";
import { query, wire } from "../packet.ts";
import { readMessage, Validator } from "../validate.ts";
import { closeAll, UdpClient } from "./clients.ts";

after(closeAll);

const zone = makeZone({
  apex: ZONE,
  nameServers: [{ name: `ns1.${ZONE}`, addresses: ["127.0.0.1"] }],
  hostmaster: `hostmaster.${ZONE}`,
});
const hash = sha256(new Uint8Array(2));
const RECORDS = [
  ["example.com/m", "v1.0.0"],
  ["example.com/m/v2", "v2.0.0"],
  ["example.com/m/v3", "v3.0.0"],
  ["example.org", "v1.0.0"],
  ["golang.org/toolchain", "v0.0.1-go1.22.1.linux-amd64"],
  ["example.com/m", "v1.0.1"],
] as const;
const KEY = formatBase32(computeIndexKey("example.com/m", sha256));

/** Every kind of name: some are answered from the snapshot, some by the main thread, some need no data. */
const NAMES = [
  "",
  "ns1",
  "p1",
  "v0",
  "m._.example.com.p1",
  "absent._.example.com.p1",
  "example.org.p1",
  `${KEY}._k.p1`,
  "_toolchain.p1",
  "m._.example.com._majors.p1",
  "x._.example.com._majors.p1",
  "m._.example.com._versions.p1",
  "m._.example.com._p0._versions.p1",
  "m._.example.com._p9._versions.p1",
  "_head.p1",
  "e1._head.p1",
  "e2._head.p1",
  "e3._head.p1",
  "s1._head.p1",
  "s1.e2._head.p1",
  `t${START + 3600}._head.p1`,
  "1.2._consistency.p1",
  "2.6._sumdb.p1",
  "3.6._record.p1",
  "m._.example.com.v0",
  "com.v0",
  "net.v0",
  "toolchain.v0",
  "nowhere",
];

describe("threads with the responder of the service", () => {
  let world: World;
  let pool: ThreadPool<ResponderConfig>;
  let client: UdpClient;
  const keys = makeZoneKeys(ZONE, ALGORITHM.ECDSAP256SHA256, START);
  const logged: string[] = [];
  before(async () => {
    const records = RECORDS.map(([path, version]) => formatRecord(path, version, hash, hash));
    world = await World.build({ records, sizes: [4, 6] });
    const source = new URL("../../../src/service/responder-config.ts", import.meta.url);
    pool = await ThreadPool.start<ResponderConfig>({
      threads: 2,
      port: 0,
      responderModule: source,
      config: {
        zone,
        keys,
        cookieSecrets: [],
        rateLimit: undefined,
        nsid: undefined,
        cacheSize: 64,
        seed: 1,
        trace: undefined,
      },
      log: (what, error) => logged.push(`${what}: ${String(error)}`),
    });
    client = new UdpClient(pool.address);
  });
  after(async () => {
    client.close();
    await pool.close();
    await world.close();
  });

  it("say SERVFAIL under the log before the first epoch, and answer for the zone itself", async () => {
    const rcode = async (name: string): Promise<number> => {
      const reply = await client.exchange(query(`${name}${ZONE}`, TYPE.SOA));
      return (reply?.[3] ?? 0xff) & 15;
    };
    assert.equal(await rcode(""), 0);
    assert.equal(await rcode("m._.example.com.p1."), 2);
    assert.equal(await rcode("_head.p1."), 2);
  });

  it("give what one thread gives, byte for byte, asked once and again", async () => {
    for (const epoch of [1, 2]) {
      const data = world.answers(epoch);
      await pool.publish({ data, tree: world.snapshot(epoch).tree });
      // All epochs of this world are long past, so that no TTL runs down meanwhile.
      const alone = new Responder({ zone, sha256, signer: new ZoneSigner(keys) });
      const asker = { transport: "udp", address: Uint8Array.of(127, 0, 0, 1) } as const;
      for (const name of [...NAMES, ...NAMES]) {
        for (const type of [TYPE.TXT, TYPE.A]) {
          const message = query(name === "" ? ZONE : `${name}.${ZONE}`, type);
          const reply = await client.exchange(message);
          const expected = alone.respond(message, asker, data, Math.floor(Date.now() / 1000));
          assert.ok(expected instanceof Uint8Array);
          assert.deepEqual(reply, new Uint8Array(expected), `${name} ${type} of epoch ${epoch}`);
        }
      }
    }
    assert.ok(pool.readStats().counters.forwarded > 0);
    assert.deepEqual(logged, []);
  });

  it("sign what they answer themselves and what the main thread computes", async () => {
    const validator = new Validator(wire(ZONE), new ZoneSigner(keys).dnskeyRdatas);
    for (const name of [...NAMES, ...NAMES]) {
      const reply = await client.exchange(query(name === "" ? ZONE : `${name}.${ZONE}`, TYPE.TXT, { flags: 0x8000 }));
      assert.ok(reply !== undefined, name);
      const message = readMessage(reply);
      if ((message.flags & 0x0200) === 0) validator.validate(message, Math.floor(Date.now() / 1000));
    }
    const { counters } = pool.readStats();
    assert.ok(counters.cacheHits > 0);
    assert.ok(counters.signatures > 0);
    await sleep(0);
    assert.deepEqual(logged, []);
  });
});
