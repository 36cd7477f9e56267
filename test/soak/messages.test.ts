import assert from "node:assert/strict";
import { test } from "node:test";
import dnsPacket from "dns-packet";
import { formatName, parseName } from "../../src/dns/name.ts";
import { decodeReply, encodeQuery, isReplyTo, lowerCase, mixCase, TYPE } from "./messages.ts";

const name = parseName("mod.x._.golang.org.p1.l.example.org");
const cookie = Buffer.from("0123456789abcdef0123456789abcdef0123456789abcdef", "hex");
const query = encodeQuery({ name, type: TYPE.TXT, id: 4711, isDo: true, cookie });

/** A reply in the encoding of another implementation. */
function makeReply(more: Partial<dnsPacket.Packet> = {}): Buffer {
  return dnsPacket.encode({
    type: "response",
    id: 4711,
    flags: dnsPacket.AUTHORITATIVE_ANSWER,
    questions: [{ type: "TXT", name: "mod.x._.golang.org.p1.l.example.org" }],
    answers: [{ type: "TXT", name: "mod.x._.golang.org.p1.l.example.org", ttl: 30, data: [Buffer.from("v=v1.2.3")] }],
    ...more,
  });
}

test("another implementation reads the query as it was meant", () => {
  const { id, questions, additionals, flag_rd } = dnsPacket.decode(query) as dnsPacket.DecodedPacket;
  assert.equal(id, 4711);
  assert.equal(flag_rd, false);
  assert.deepEqual(questions, [{ name: "mod.x._.golang.org.p1.l.example.org", type: "TXT", class: "IN" }]);
  const [opt] = additionals as unknown as {
    type: string;
    flag_do: boolean;
    udpPayloadSize: number;
    options: unknown[];
  }[];
  assert.equal(opt?.type, "OPT");
  assert.equal(opt?.flag_do, true);
  assert.equal(opt?.udpPayloadSize, 1232);
  assert.deepEqual(opt?.options, [{ code: 10, type: "COOKIE", data: cookie }]);
});

test("a plain query has no OPT", () => {
  const plain = dnsPacket.decode(encodeQuery({ name, type: TYPE.SOA, id: 1, isDo: true, isPlain: true }));
  assert.deepEqual(plain.additionals, []);
  assert.equal(plain.questions?.[0]?.type, "SOA");
});

test("reads the reply of another implementation", () => {
  const { records, rcode, isTruncated, isAuthoritative } = decodeReply(makeReply());
  assert.deepEqual([rcode, isTruncated, isAuthoritative], [0, false, true]);
  assert.equal(records.length, 1);
  assert.equal(formatName(records[0]?.owner ?? new Uint8Array()), formatName(name));
  assert.deepEqual([records[0]?.type, records[0]?.ttl, records[0]?.section], [TYPE.TXT, 30, "answer"]);
});

test("follows a pointer to the owner, and reads cookie and extended code of the OPT", () => {
  const opt = Buffer.from(`00002904d001000000001c000a0018${cookie.toString("hex")}`, "hex");
  const question = query.subarray(12, 12 + name.length + 4);
  const answer = Buffer.from("c00c001000010000001e000403616263", "hex");
  const header = Buffer.from("126784070001000100000001", "hex");
  const reply = decodeReply(Buffer.concat([header, question, answer, opt]));
  assert.deepEqual(Buffer.from(reply.records[0]?.owner ?? []), Buffer.from(name));
  assert.deepEqual(reply.cookie, cookie);
  assert.equal(reply.rcode, 0x10 | 7);
});

test("refuses a reply that is cut anywhere, or has bytes behind its end", () => {
  const reply = makeReply();
  for (let length = 12; length < reply.length; length++) {
    assert.throws(() => decodeReply(reply.subarray(0, length)), RangeError, `${length} bytes`);
  }
  assert.throws(() => decodeReply(Buffer.concat([reply, Buffer.alloc(1)])), RangeError);
});

test("refuses pointers that do not lead backwards", () => {
  const header = Buffer.from("126784000001000100000000", "hex");
  const question = query.subarray(12, 12 + name.length + 4);
  const at = 12 + question.length;
  for (const target of [at, at + 2, 0x3fff]) {
    const answer = Buffer.from("c000001000010000001e000403616263", "hex");
    answer.writeUInt16BE(0xc000 | target, 0);
    assert.throws(() => decodeReply(Buffer.concat([header, question, answer])), RangeError);
  }
});

test("a reply is to a query only with its ID, and its question in the very case", () => {
  const reply = makeReply();
  assert.equal(isReplyTo(reply, query), true);
  const others = [
    makeReply({ id: 4712 }),
    makeReply({ type: "query" }),
    makeReply({ questions: [] }),
    makeReply({ questions: [{ type: "TXT", name: "Mod.x._.golang.org.p1.l.example.org" }] }),
    makeReply({ questions: [{ type: "SOA", name: "mod.x._.golang.org.p1.l.example.org" }] }),
    reply.subarray(0, 30),
    Buffer.alloc(0),
  ];
  for (const other of others) assert.equal(isReplyTo(other, query), false, other.toString("hex"));
});

test("mixed case changes letters only, and lower case takes it back", () => {
  const mixed = mixCase(name, 0x5a5a5a5a);
  assert.notDeepEqual(mixed, name);
  assert.deepEqual(lowerCase(mixed), name);
  assert.deepEqual(mixCase(name, 0), name);
});
