import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Asker } from "../../../src/dns/asker.ts";
import type { ReplyEntry } from "../../../src/dns/reply-entry.ts";
import { respondFailure } from "../../../src/dns/responder.ts";
import { Forwarder, type ForwarderOptions } from "../../../src/dns/threads/forwarder.ts";
import { encodeUtf8 } from "../../../src/vindex/bytes.ts";
import { decode, query } from "../packet.ts";

const asker = (transport: Asker["transport"], host = 1): Asker => ({
  transport,
  address: Uint8Array.of(192, 0, 2, host),
});
const entry = { records: encodeUtf8("records") } as Partial<ReplyEntry> as ReplyEntry;
const SERVFAIL = 2;

interface Sent {
  readonly id: number;
  readonly message: Uint8Array;
  readonly asker: Asker;
}

function make(options: Partial<ForwarderOptions> = {}): { forwarder: Forwarder; sent: Sent[]; full: () => number } {
  const sent: Sent[] = [];
  let full = 0;
  const forwarder = new Forwarder({
    // Three of one asker.
    limit: 48,
    timeout: 1000,
    onFull: () => full++,
    send: (id, message, from) => sent.push({ id, message, asker: from }),
    finish: (message, _asker, got) => (got === undefined ? respondFailure(message) : got.records),
    ...options,
  });
  return { forwarder, sent, full: () => full };
}

describe("queries passed on", () => {
  it("get the reply that is made of their own answer, in whatever order answers come", async () => {
    const { forwarder, sent } = make({ finish: (message, _asker, got) => (got === undefined ? undefined : message) });
    const queries = ["a.x", "b.x", "c.x"].map((name) => query(name));
    const replies = queries.map((message) => forwarder.forward(message, asker("udp")));
    assert.equal(forwarder.size, 3);
    for (const { id } of [...sent].reverse()) forwarder.answer(id, entry, undefined);
    assert.equal(forwarder.size, 0);
    assert.deepEqual(await Promise.all(replies), queries);
  });

  it("share no memory with what is sent, nor the reply with what wrote it", async () => {
    const scratch = encodeUtf8("reply");
    const { forwarder, sent } = make({ finish: () => scratch });
    const larger = new Uint8Array(1000);
    const message = larger.subarray(100, 150);
    const from = { ...asker("udp"), address: larger.subarray(0, 4) };
    const reply = forwarder.forward(message, from);
    assert.equal(sent[0]?.message.buffer.byteLength, 50);
    assert.equal(sent[0]?.asker.address.buffer.byteLength, 4);
    forwarder.answer(sent[0]?.id ?? 0, entry, undefined);
    scratch.fill(0);
    assert.deepEqual(await reply, encodeUtf8("reply"));
  });

  it("beyond an asker's share are dropped by UDP and wait by TCP, and disturb nobody else", async () => {
    const { forwarder, sent, full } = make();
    const first = [1, 2, 3].map(() => forwarder.forward(query("a.x"), asker("udp")));
    assert.equal(forwarder.forward(query("b.x"), asker("udp")), undefined);
    const later = [1, 2].map(() => forwarder.forward(query("c.x"), asker("tcp")));
    assert.equal(sent.length, 3);
    assert.equal(full(), 1);
    const others = forwarder.forward(query("d.x"), asker("udp", 2));
    assert.equal(sent.length, 4);
    for (let i = 0; i < sent.length; i++) forwarder.answer(sent[i]?.id ?? 0, entry, undefined);
    assert.equal(sent.length, 6);
    const replies = await Promise.all([...first, ...later, others]);
    assert.deepEqual(replies, new Array(6).fill(entry.records));
    assert.equal(forwarder.size, 0);
    assert.ok(forwarder.forward(query("a.x"), asker("udp")) instanceof Promise);
    forwarder.answer(sent.at(-1)?.id ?? 0, entry, undefined);
  });

  it("of many askers beyond the limit wait their turn by TCP, and too many of them are SERVFAIL", async () => {
    const { forwarder, sent, full } = make();
    const waiting = Array.from({ length: 4 * 48 }, (_, i) => forwarder.forward(query("a.x"), asker("tcp", i % 100)));
    assert.equal(sent.length, 48);
    assert.equal(forwarder.forward(query("a.x"), asker("udp", 200)), undefined);
    const refused = forwarder.forward(query("a.x"), asker("tcp", 201));
    assert.ok(refused instanceof Uint8Array);
    assert.equal(decode(refused).rcode, SERVFAIL);
    assert.equal(full(), 2);
    for (let i = 0; i < sent.length; i++) forwarder.answer(sent[i]?.id ?? 0, entry, undefined);
    assert.equal(sent.length, 4 * 48);
    assert.ok((await Promise.all(waiting)).every((reply) => reply !== undefined));
    assert.equal(forwarder.size, 0);
  });

  it("are given up after their time, and their place is free", async () => {
    const { forwarder, sent } = make({ timeout: 30 });
    const udp = forwarder.forward(query("a.x"), asker("udp"));
    await sleep(15);
    const tcp = forwarder.forward(query("a.x"), asker("tcp"));
    assert.equal(await udp, undefined);
    assert.equal(forwarder.size, 1);
    assert.equal(decode((await tcp) ?? new Uint8Array(12)).rcode, SERVFAIL);
    assert.equal(forwarder.size, 0);
    // The timer starts again for those that come after.
    assert.equal(await forwarder.forward(query("a.x"), asker("udp")), undefined);
    for (const { id } of sent) forwarder.answer(id, entry, undefined);
  });

  it("take one answer, and none that nobody asked", async () => {
    let finished = 0;
    const { forwarder, sent } = make({
      finish: () => {
        finished++;
        return entry.records;
      },
    });
    const reply = forwarder.forward(query("a.x"), asker("udp"));
    forwarder.answer(999, entry, undefined);
    assert.equal(finished, 0);
    for (let i = 0; i < 3; i++) forwarder.answer(sent[0]?.id ?? 0, entry, undefined);
    assert.equal(finished, 1);
    assert.deepEqual(await reply, entry.records);
  });

  it("have SERVFAIL without an answer", async () => {
    const { forwarder, sent } = make();
    const reply = forwarder.forward(query("a.x"), asker("udp"));
    forwarder.answer(sent[0]?.id ?? 0, undefined, undefined);
    assert.equal(decode((await reply) ?? new Uint8Array(12)).rcode, SERVFAIL);
  });

  it("reject with the failure of the other thread, and with their own", async () => {
    const { forwarder, sent } = make({
      finish: () => {
        throw new TypeError("a bug here");
      },
    });
    const there = forwarder.forward(query("a.x"), asker("udp"));
    const here = forwarder.forward(query("a.x"), asker("udp"));
    forwarder.answer(sent[0]?.id ?? 0, undefined, "a bug there");
    forwarder.answer(sent[1]?.id ?? 0, entry, undefined);
    await assert.rejects(async () => there, /a bug there/);
    await assert.rejects(async () => here, /a bug here/);
    assert.equal(forwarder.size, 0);
  });
});
