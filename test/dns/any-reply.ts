import assert from "node:assert/strict";
import type { Asker } from "../../src/dns/asker.ts";
import { compareWithDnsPacket, isWithin, nameKey, readMessage, type WireMessage } from "./validate.ts";

/** `length` bytes of a message at `at`, as they are. */
const part = (bytes: Uint8Array, at: number, length: number): number[] => [...bytes.subarray(at, at + length)];

/** Length of the one question of a message if it has one that parses, by RFC 1035 alone. */
export function questionLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < 17 || bytes[4] !== 0 || bytes[5] !== 1) return undefined;
  let at = 12;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > 63) return undefined;
    at += 1 + length;
    if (length === 0) break;
  }
  return at - 12 <= 255 && at + 4 <= bytes.length ? at + 4 - 12 : undefined;
}

/**
 * Checks what is true of any message and its reply: silence where the rules of spec/dns.md §3 ask for it, or else a message that
 * two decoders read alike, that repeats what it must, is not too long, and has no name of another zone. Gives the reply.
 */
export function checkReply(
  bytes: Uint8Array,
  reply: Uint8Array | undefined,
  asker: Asker,
  apex: Uint8Array,
): WireMessage | undefined {
  if (bytes.length < 12 || (bytes[2] as number) >= 0x80) {
    assert.equal(reply, undefined, "silence");
    return undefined;
  }
  assert.ok(reply instanceof Uint8Array, "a reply");
  const read = readMessage(reply);
  compareWithDnsPacket(reply, read);

  assert.deepEqual(part(reply, 0, 2), part(bytes, 0, 2), "ID");
  const opcode = (bytes[2] as number) & 0x78;
  const [high, low] = part(reply, 2, 2) as [number, number];
  assert.equal(high & 0xf8, 0x80 | opcode, "QR and opcode");
  assert.equal(high & 0x01, (bytes[2] as number) & 0x01, "RD");
  assert.equal(low & 0x10, (bytes[3] as number) & 0x10, "CD");
  assert.equal(low & 0xe0, 0, "RA, Z and AD");

  const asked = opcode === 0 ? questionLength(bytes) : undefined;
  assert.equal(read.question?.bytes.length, asked, "question");
  if (asked !== undefined) assert.deepEqual(part(reply, 12, asked), part(bytes, 12, asked), "question");

  const { opt: replyOpt, rcode } = read;
  assert.ok(replyOpt !== undefined || rcode < 16, "extended RCODE");
  if (replyOpt !== undefined) {
    assert.deepEqual([replyOpt.version, replyOpt.size], [0, 1232], "OPT");
    assert.equal(replyOpt.flags & 0x3fff, 0, "flags of the OPT");
  }
  const isTruncated = (high & 0x02) !== 0;
  if (asker.transport === "udp") assert.ok(reply.length <= (replyOpt === undefined ? 512 : 1232), "size");
  else assert.ok(!isTruncated && reply.length <= 65_535, "no truncation by TCP");
  if (isTruncated) assert.deepEqual(read.records, [], "no records beside TC");

  const isAuthoritative = (high & 0x04) !== 0;
  assert.equal(isAuthoritative, isTruncated || rcode === 3 || read.records.length > 0, "AA");
  for (const { owner } of read.records) assert.ok(isWithin(owner, apex), "bailiwick");
  if (read.records.length > 0) {
    assert.ok(read.question !== undefined && isWithin(read.question.name, apex));
    for (const { section, owner } of read.records) {
      if (section === "answer") assert.equal(nameKey(owner), nameKey(read.question.name), "owner of an answer");
    }
  }
  return read;
}
