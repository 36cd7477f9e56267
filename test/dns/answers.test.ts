import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { TYPE } from "../../src/dns/message.ts";
import { respond } from "../../src/dns/responder.ts";
import { makeZone } from "../../src/dns/zone.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { computeIndexKey } from "../../src/vindex/module-value.ts";
import { formatRecord } from "../../src/vindex/record.ts";
import { START, STEP, sha256, timeOf, World, ZONE } from "../attack/world.ts";
import { query, summarize } from "./packet.ts";

const zone = makeZone({
  apex: ZONE,
  nameServers: [{ name: `ns1.${ZONE}`, addresses: ["127.0.0.1"] }],
  hostmaster: `hostmaster.${ZONE}`,
});

/** Modules of the shapes that clients of v0 meet; versions in log order. */
const VERSIONS: readonly [string, string][] = [
  ["example.com/mail-/box", "v0.0.9"],
  ["example.com/mail-/box", "v0.0.11"],
  ["example.com/next/thing", "v0.1.0"],
  ["example.com/next/thing", "v0.1.1"],
  ["example.com/next/thing", "v1.2.3-rc0"],
  ["example.com/only/pre", "v1.0.0-rc.1"],
  ["example.com/only/pseudo", "v0.0.0-20200101000000-0123456789ab"],
  ["example.com/only/incompatible", "v2.0.0+incompatible"],
  ["example.com/a/b-c", "v1.0.0"],
  ["example.com/a/b/d", "v1.0.0"],
  ["example.org", "v1.0.0"],
  ["golang.org/toolchain", "v0.0.1-go1.22.1.linux-amd64"],
  // The second epoch begins here.
  ["example.com/mail-/box", "v0.0.10"],
  ["example.com/next/thing", "v1.2.3"],
  ["golang.org/toolchain", "v0.0.1-go1.23.0.linux-amd64"],
];
const FIRST = 12;

describe("answers under v0", () => {
  let world: World;
  before(async () => {
    const records = VERSIONS.map(([path, version]) => {
      const hash = sha256(encodeUtf8(`${path} ${version}`));
      return formatRecord(path, version, hash, hash);
    });
    world = await World.build({ records, sizes: [FIRST, VERSIONS.length] });
  });
  after(() => world.close());

  const ask = (name: string, type: number = TYPE.TXT): string =>
    summarize(respond(query(`${name}.v0.${ZONE}`, type), "tcp", zone, world.answers(), timeOf(2), sha256));
  const text = (subject: string): string | undefined => world.answers().v0Text(subject);
  const hex = (epoch: number): string => timeOf(epoch).toString(16);

  it("give the highest release of each major, not the last in the log, with the time of the epoch that first covered it", () => {
    assert.equal(text("example.com/mail-/box"), `v=v0.0.11 t=${hex(1)}`);
    assert.equal(text("example.com/next/thing"), `v=v1.2.3 t=${hex(2)}; v=v0.1.1 t=${hex(1)}`);
    assert.equal(text("example.org"), `v=v1.0.0 t=${hex(1)}`);
  });

  it("leave out pre-releases, pseudo-versions and +incompatible versions: such modules are NODATA, not NXDOMAIN", () => {
    for (const [path, name] of [
      ["example.com/only/pre", "pre.only._.example.com"],
      ["example.com/only/pseudo", "pseudo.only._.example.com"],
      ["example.com/only/incompatible", "incompatible.only._.example.com"],
    ] as const) {
      assert.equal(text(path), undefined, path);
      assert.match(ask(name), /^NOERROR AA \+opt ns1/, path);
    }
  });

  it("give the toolchain with times", () => {
    assert.equal(text("toolchain"), `v=go1.23.0 k=cur t=${hex(2)}; v=go1.22.1 k=prev t=${hex(1)}`);
    assert.match(ask("toolchain"), /^NOERROR AA \+opt an1/);
  });

  it("exist for every ancestor of a module, hosts included, and for nothing else", () => {
    for (const name of [
      "com",
      "example.com",
      "_.example.com",
      "mail_2d._.example.com",
      "a._.example.com",
      "b.a._.example.com",
    ]) {
      assert.match(ask(name), /^NOERROR AA \+opt ns1/, name);
      assert.match(ask(name, TYPE.A), /^NOERROR AA \+opt ns1/, name);
    }
    for (const name of [
      "net",
      "x.com",
      "b-.a._.example.com",
      "box.mail._.example.com",
      "x.box.mail_2d._.example.com",
      "c.b.a._.example.com",
    ]) {
      assert.match(ask(name), /^NXDOMAIN AA \+opt ns1/, name);
    }
  });

  it("are not given for a family's subject", () => {
    assert.equal(text("example.com/v*"), undefined);
  });
});

describe("heads as of a time", () => {
  let world: World;
  before(async () => {
    const records = VERSIONS.map(([path, version]) =>
      formatRecord(path, version, sha256(new Uint8Array(1)), sha256(new Uint8Array(1))),
    );
    world = await World.build({ records, sizes: [1, 2, 3, 4, 5, 6, 7, 8] });
  });
  after(() => world.close());

  it("are of the newest epoch whose first quorum time is not later", () => {
    // Epoch e has its quorum 9 seconds after START + e · STEP: epoch 5 by the whole hour but for 9 seconds, so epoch 5.
    assert.equal(world.answers().headAt(START + 3600)?.epoch, Math.floor((3600 - 9) / STEP));
    assert.equal(world.answers().headAt(START + STEP + 8), undefined);
    assert.equal(world.answers().headAt(START + STEP + 9)?.epoch, 1);
  });

  it("do not exist before the first quorum", () => {
    assert.equal(world.answers().headAt(START), undefined);
  });
});

describe("answers of one epoch", () => {
  let world: World;
  before(async () => {
    const hash = sha256(new Uint8Array(2));
    const records = ["v2", "v3"].flatMap((major) =>
      Array.from({ length: 130 }, (_, i) => formatRecord(`example.com/big/${major}`, `${major}.0.${i}`, hash, hash)),
    );
    world = await World.build({ records, sizes: [200, 260] });
  });
  after(() => world.close());

  it("are of that epoch also when the store has a later one", () => {
    const key = computeIndexKey("example.com/big/v3", sha256);
    const [older, newer] = [world.answers(1), world.answers(2)];
    assert.notDeepEqual(older.versionsAnswer(key), newer.versionsAnswer(key));
    assert.ok((older.versionsPage(key, 0)?.payload.length ?? 0) < (newer.versionsPage(key, 0)?.payload.length ?? 0));
  });

  it("have no page beyond the last, and none for what is no module", () => {
    const key = computeIndexKey("example.com/big/v2", sha256);
    assert.equal(world.answers().versionsPage(key, 0)?.full, false);
    assert.equal(world.answers().versionsPage(key, 1), undefined);
    assert.equal(world.answers().versionsPage(computeIndexKey("example.com/big/v*", sha256), 0), undefined);
    assert.equal(world.answers().versionsPage(computeIndexKey("example.com/none", sha256), 0), undefined);
  });
});
