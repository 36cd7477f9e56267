import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Transport } from "../../src/client/transport.ts";
import type { Subject } from "../../src/client/verify/index.ts";
import { computeIndexKey } from "../../src/vindex/module-value.ts";
import { decodePage, encodePage, type VersionEntry } from "../../src/vindex/payload.ts";
import { hide, swap, tamper } from "../attack/liars.ts";
import { record } from "../attack/records.ts";
import { sha256, timeOf, World } from "../attack/world.ts";
import { Scene } from "./scene.ts";

/** All versions of a module, proven complete: a module of 300 records, later 310, on two pages. */

const PATH = "example.com/many";
const texts = Array.from({ length: 310 }, (_, i) => record(PATH, `v0.${i}.0`));
const others = [record("example.com/other", "v1.0.0"), record("example.com/other", "v1.1.0")];
const all = [...others, ...texts.slice(0, 300), record("example.com/late", "v1.0.0"), ...texts.slice(300)];
const world = await World.build({ records: all, sizes: [2, 302, 303, 313] });
const NOW = timeOf(4) + 60;
const SUBJECT: Subject = { kind: "module", path: PATH, withVersions: true };
const scenes: Scene[] = [];
after(async () => {
  await Promise.all(scenes.map((scene) => scene.remove()));
  await world.close();
});

async function scene(): Promise<Scene> {
  const made = await Scene.make(world);
  scenes.push(made);
  return made;
}

const PAGE = /_p\d+\._versions$/;
const options = { subject: SUBJECT, now: NOW };

/** Changes the entries of a page on the way. */
function edit(inner: Transport, page: number, change: (entries: VersionEntry[]) => VersionEntry[]): Transport {
  const names = new RegExp(`\\._p${page}\\._versions$`);
  return tamper(inner, names, (payload) => encodePage(change(decodePage(payload))));
}

test("lists every version of a module on two pages", async () => {
  const s = await scene();
  const server = s.server(4, undefined, NOW);
  const { versions, queries } = await s.client(server, { now: NOW }).lookup(SUBJECT);
  assert.deepEqual(
    versions?.map(({ version }) => version),
    Array.from({ length: 310 }, (_, i) => `v0.${i}.0`),
  );
  assert.equal(queries, 4);
  assert.deepEqual([...server.asked].sort(), [
    "_head",
    "many._.example.com._p0._versions",
    "many._.example.com._p1._versions",
    "many._.example.com._versions",
  ]);
});

test("lists one page for a module of few records, and none for an absent one", async () => {
  const s = await scene();
  const server = s.server(4, undefined, NOW);
  const client = s.client(server, { now: NOW });
  const few = await client.lookup({ kind: "module", path: "example.com/other", withVersions: true });
  assert.equal(few.versions?.length, 2);
  const none = await client.lookup({ kind: "module", path: "example.com/none", withVersions: true });
  assert.deepEqual([none.answer.kind, none.versions], ["absent", undefined]);
  assert.equal(server.asked.filter((name) => PAGE.test(name)).length, 1);
});

test("ignores what pages of a newer epoch hold beyond the proven state", async () => {
  const s = await scene();
  const server = s.server(4, undefined, NOW);
  const answer = (): Uint8Array => world.answers(3).versionsAnswer(computeIndexKey(PATH, sha256));
  const client = s.client(swap(server, /^many\._\.example\.com\._versions$/, answer), { now: NOW });
  const { versions } = await client.lookup(SUBJECT);
  assert.equal(versions?.length, 300);
});

test("wants every page that the proven state asks for", async () => {
  const s = await scene();
  const server = s.server(4, undefined, NOW);
  for (const page of [0, 1]) {
    const error = await s.refuses("NO_ANSWER", hide(server, new RegExp(`\\._p${page}\\._versions$`)), options);
    assert.equal(error.kind, "unavailable");
  }
  assert.ok(server.asked.includes("tcp many._.example.com._p0._versions"), "asked again by TCP");
});

test("wants every record of a page that the proven state asks for", async () => {
  const s = await scene();
  const server = s.server(4, undefined, NOW);
  await s.refuses(
    "VERSIONS_MISSING",
    edit(server, 0, (entries) => entries.slice(0, 255)),
    options,
  );
  await s.refuses(
    "VERSIONS_MISSING",
    edit(server, 0, (entries) => entries.slice(1)),
    options,
  );
  const error = await s.refuses(
    "VERSIONS_MISSING",
    edit(server, 1, (entries) => entries.slice(0, -1)),
    options,
  );
  assert.equal(error.kind, "unavailable");
});

test("takes the missing rest by TCP where a cache still has an older page", async () => {
  const s = await scene();
  const server = s.server(4, undefined, NOW);
  const old = world.answers(3).versionsPage(computeIndexKey(PATH, sha256), 1)?.payload;
  const cache = tamper(server, /_p1\._versions$/, () => old, { udpOnly: true });
  const { versions } = await s.client(cache, { now: NOW }).lookup(SUBJECT);
  assert.equal(versions?.length, 310);
});

test("refuses a page with a record that is forged, moved, left out or put in", async () => {
  const s = await scene();
  const server = s.server(4, undefined, NOW);
  const first = (entries: VersionEntry[], change: (entry: VersionEntry) => VersionEntry): VersionEntry[] =>
    entries.map((entry, i) => (i === 7 ? change(entry) : entry));
  const forgeries: ((entries: VersionEntry[]) => VersionEntry[])[] = [
    (entries) => first(entries, (entry) => ({ ...entry, version: "v0.7.1" })),
    (entries) => first(entries, (entry) => ({ ...entry, zipHash: entry.goModHash })),
    (entries) => first(entries, (entry) => ({ ...entry, goModHash: entry.zipHash })),
    (entries) => first(entries, (entry) => ({ ...entry, version: "v2.0.0" })),
    (entries) => first(entries, (entry) => ({ ...entry, version: "0.7.0" })),
    // All indexes one further: in order still, and none of them true.
    (entries) => entries.map((entry) => ({ ...entry, logIndex: entry.logIndex + 1 })),
    (entries) => [...entries.slice(1), { ...(entries[0] as VersionEntry), logIndex: 400 }],
  ];
  for (const forge of forgeries) {
    await s.refuses("BAD_VERSIONS", edit(server, 0, forge), options);
    await s.refuses("BAD_VERSIONS", edit(server, 1, forge), options);
  }
});

test("refuses the pages in another order, one of them twice, and those of another module", async () => {
  const s = await scene();
  const server = s.server(4, undefined, NOW);
  const page = (number: number, path = PATH): Uint8Array =>
    world.answers(4).versionsPage(computeIndexKey(path, sha256), number)?.payload as Uint8Array;
  const give = (zero: Uint8Array, one: Uint8Array): Transport =>
    swap(
      swap(server, /_p0\._versions$/, () => zero),
      /_p1\._versions$/,
      () => one,
    );
  await s.refuses("VERSIONS_MISSING", give(page(1), page(0)), options);
  await s.refuses("BAD_VERSIONS", give(page(0), page(0)), options);
  await s.refuses("VERSIONS_MISSING", give(page(0, "example.com/other"), page(1)), options);
  const other: Subject = { kind: "module", path: "example.com/other", withVersions: true };
  await s.refuses("BAD_VERSIONS", give(page(0), page(1)), { ...options, subject: other });
});

test("refuses a page of none, of more than 256, or with its indexes out of order", async () => {
  const s = await scene();
  const server = s.server(4, undefined, NOW);
  await s.refuses(
    "MALFORMED_ANSWER",
    edit(server, 1, () => []),
    options,
  );
  const twice = (entries: VersionEntry[]): VersionEntry[] => [
    ...entries,
    ...entries.map((entry) => ({ ...entry, logIndex: entry.logIndex + 1000 })),
  ];
  await s.refuses("MALFORMED_ANSWER", edit(server, 0, twice), options);
  await s.refuses(
    "MALFORMED_ANSWER",
    edit(server, 1, (entries) => [...entries].reverse()),
    options,
  );
  await s.refuses(
    "MALFORMED_ANSWER",
    edit(server, 1, (entries) => entries.slice(0, 1).concat(entries)),
    options,
  );
});

test("refuses the pages of a newer epoch that do not begin like the proven state", async () => {
  const s = await scene();
  const answer = (): Uint8Array => world.answers(3).versionsAnswer(computeIndexKey(PATH, sha256));
  const server = swap(s.server(4, undefined, NOW), /^many\._\.example\.com\._versions$/, answer);
  await s.refuses(
    "BAD_VERSIONS",
    edit(server, 1, (entries) => entries.slice(1)),
    options,
  );
});

test("takes versions and record of a module in one lookup, and refuses them if either is false", async () => {
  const s = await scene();
  const server = s.server(4, undefined, NOW);
  const lookup = { withRecord: true };
  const found = await s.client(server, { now: NOW }).lookup(SUBJECT, lookup);
  assert.deepEqual([found.versions?.length, found.isRecordProven], [310, true]);
  await s.refuses("NO_ANSWER", hide(server, /_record$/), { ...options, lookup });
  await s.refuses("NO_ANSWER", hide(server, PAGE), { ...options, lookup });
  await s.refuses("BAD_RECORD_PROOF", breakRecord(), { ...options, lookup });

  function breakRecord(): Transport {
    return tamper(server, /_record$/, (payload) => payload.map((b, i) => (i === 1 ? b ^ 1 : b)));
  }
});
