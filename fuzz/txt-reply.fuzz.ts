import assert from "node:assert/strict";
import dnsPacket from "dns-packet";
import { decodeTxtReply, encodeTxtQuery, isWireName, matchReply, type TxtReplyContent } from "../src/dns/txt-reply.ts";
import { concatBytes, equalBytes } from "../src/vindex/bytes.ts";
import { Input } from "./input.ts";
import { type NaiveMessage, type NaiveRecord, naiveMessage, naiveTxt, sameName } from "./oracle/dns-message.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/**
 * Replies of resolvers as a client reads them: against a decoder that follows every pointer and keeps every record, and,
 * where it is not known to be wrong, against dns-packet.
 */
export const target: Target = { maxLength: 1500, plants: ["second-txt", "class-unseen", "ttl-of-the-first"] };

const NAME = Buffer.from("\x04go4\x03org", "latin1");
const labels = ["go4", "org", "p1", "l", "example", "org"];
const name = concatBytes(
  ...labels.map((label) => Uint8Array.of(label.length, ...Buffer.from(label))),
  Uint8Array.of(0),
);
const ID = 0x1234;
const query = encodeTxtQuery(name, ID);

/** Bug: of two TXT records the first is taken. */
const read = plant("second-txt", decodeTxtReply, (reply, of) => {
  try {
    return decodeTxtReply(reply, of);
  } catch (error) {
    const message = naiveMessage(reply);
    const isSecond = error instanceof Error && error.message.includes("more than one TXT");
    const [first] = message?.answers ?? [];
    if (!isSecond || first === undefined) throw error;
    return { kind: "txt", payload: naiveTxt(first.rdata) ?? NAME, ttl: first.ttl };
  }
});

/** Bug: a TXT record of class CH counts. */
const readClassless = plant("class-unseen", read, (reply, of) => {
  const [first] = naiveMessage(reply)?.answers ?? [];
  if (first === undefined || first.class !== 3) return read(reply, of);
  const copy = Uint8Array.from(reply);
  copy[first.rdataAt - 7] = 1;
  return read(copy, of);
});

/** Bug: the SOA's MINIMUM is not looked at if it is zero. */
const ttlOf = plant(
  "ttl-of-the-first",
  (content: TxtReplyContent) => ("ttl" in content ? content.ttl : undefined),
  (content) =>
    "ttl" in content && content.ttl === 0 && content.kind === "nodata" ? 1 : "ttl" in content ? content.ttl : undefined,
);

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick([raw, built, names])(input);
}

function raw(input: Input): void {
  check(input.rest());
}

/** A header and the question, then bytes. */
function built(input: Input): void {
  const flags = 0x8000 | ((input.byte() % 0x80) << 8) | input.byte();
  const counts = [1, input.byte() % 4, input.byte() % 4, input.byte() % 4];
  const head = Buffer.alloc(12);
  head.writeUInt16BE(ID, 0);
  head.writeUInt16BE(flags & 0x87ff, 2);
  for (const [i, count] of counts.entries()) head.writeUInt16BE(count, 4 + 2 * i);
  const question = Uint8Array.from(query.subarray(12, 12 + name.length + 4));
  const upper = input.byte();
  for (let i = 1; i < 8; i++)
    if ((upper >> i) % 2 === 1 && (question[i] as number) > 0x60) question[i] = (question[i] as number) - 0x20;
  check(concatBytes(head, question, input.rest()));
}

function names(input: Input): void {
  const bytes = input.rest();
  const isName = isWireName(bytes);
  const parsed = naiveMessage(concatBytes(Buffer.from("000000000001000000000000", "hex"), bytes, Buffer.alloc(4)));
  const isPlain = parsed?.length === bytes.length + 16 && !bytes.some((b, i) => b >= 0xc0 && isLengthByte(bytes, i));
  assert.equal(isName, isPlain);
}

function isLengthByte(bytes: Uint8Array, i: number): boolean {
  let at = 0;
  while (at < i) at += 1 + (bytes[at] as number);
  return at === i;
}

function check(reply: Uint8Array): void {
  const match = withinTime("matching", () => matchReply(reply, query));
  assert.equal(match, naiveMatch(reply));
  if (match === undefined) return;
  const outcome = withinTime("a reply", () => outcomeOf(() => readClassless(reply, name), "MALFORMED_MESSAGE"));
  const expected = naiveContent(reply);
  if (expected !== "unknown") compare(outcome, expected);
  if (outcome.value?.kind === "txt") comparePacket(reply, outcome.value.payload);
}

function naiveMatch(reply: Uint8Array): ReturnType<typeof matchReply> {
  if (reply.length < 12) return undefined;
  const buffer = Buffer.from(reply);
  const flags = buffer.readUInt16BE(2);
  if (buffer.readUInt16BE(0) !== ID || flags < 0x8000 || ((flags >> 11) & 15) !== 0) return undefined;
  const count = buffer.readUInt16BE(4);
  if (count === 0) return [0, 3].includes(flags & 15) ? undefined : "bare";
  const question = buffer.subarray(12, 12 + name.length + 4);
  const asked = Buffer.from(query.subarray(12, 12 + name.length + 4));
  if (count !== 1 || question.length < asked.length) return undefined;
  if (question.equals(asked)) return "exact";
  return question.toString("latin1").replaceAll(/[A-Z]/g, (c) => c.toLowerCase()) === asked.toString("latin1")
    ? "folded"
    : undefined;
}

/** What the reply says; "unknown" where the two decoders differ in what they look at. */
function naiveContent(reply: Uint8Array): TxtReplyContent | "refused" | "unknown" {
  const flags = Buffer.from(reply).readUInt16BE(2);
  if ((flags & 0x0200) !== 0) return { kind: "truncated" };
  const counts = [6, 8, 10].map((at) => Buffer.from(reply).readUInt16BE(at));
  if (counts.reduce((a, b) => a + b) > 128) return "refused";
  const message = naiveMessage(reply);
  // The client looks at no name but that of the TXT: a pointer elsewhere may lead nowhere.
  if (message === undefined) return "unknown";
  if (message.questions.length === 0) return { kind: "failure", rcode: flags & 15 };
  return contentOf(message);
}

function contentOf(message: NaiveMessage): TxtReplyContent | "refused" | "unknown" {
  const { answers, authorities, additionals, flags } = message;
  const opts = additionals.filter((record) => record.type === 41 && record.ownerLength === 1);
  // Of several OPTs, which no reply has, each adds its bits.
  if (opts.length > 1) return "unknown";
  const rcode = (flags & 15) | ((opts[0] === undefined ? 0 : Math.floor(opts[0].ttl / 2 ** 24)) << 4);
  const txts = answers.filter(({ type }) => type === 16);
  if (answers.some(({ type }) => type !== 16 && type !== 46) || txts.length > 1) return "refused";
  const [txt] = txts;
  const payload = txt === undefined ? undefined : naiveTxt(txt.rdata);
  if (txt !== undefined && (payload === undefined || txt.class !== 1 || !sameName(txt.owner, labels))) return "refused";
  if (rcode !== 0 && rcode !== 3) return { kind: "failure", rcode };
  if (txt !== undefined && payload !== undefined)
    return rcode === 0 ? { kind: "txt", payload, ttl: plainTtl(txt.ttl) } : "refused";
  const soa = authorities.filter(({ type, rdata }) => type === 6 && rdata.length >= 22).at(-1);
  if (rcode === 0 && soa === undefined && authorities.some(({ type }) => type === 2) && (flags & 0x0400) === 0)
    return { kind: "referral" };
  return { kind: rcode === 3 ? "nxdomain" : "nodata", ttl: soa === undefined ? undefined : negativeTtl(soa) };
}

/** A TTL of more than 2^31 − 1 is zero. */
const plainTtl = (ttl: number): number => (ttl >= 2 ** 31 ? 0 : ttl);

function negativeTtl({ ttl, rdata }: NaiveRecord): number {
  return Math.min(plainTtl(ttl), plainTtl(Buffer.from(rdata).readUInt32BE(rdata.length - 4)));
}

function compare(outcome: Outcome<TxtReplyContent>, expected: TxtReplyContent | "refused"): void {
  assert.equal(outcome.code, expected === "refused" ? "MALFORMED_MESSAGE" : undefined, outcome.error?.message);
  if (outcome.value === undefined || expected === "refused") return;
  const { value } = outcome;
  assert.equal(value.kind, expected.kind);
  assert.equal(ttlOf(value), "ttl" in expected ? expected.ttl : undefined);
  if (value.kind === "failure" && expected.kind === "failure") assert.equal(value.rcode, expected.rcode);
  if (value.kind === "txt" && expected.kind === "txt") assert.ok(equalBytes(value.payload, expected.payload));
}

/** The library reads past RDLENGTH, and throws at records that are no concern of ours: only a lone TXT is compared. */
function comparePacket(reply: Uint8Array, payload: Uint8Array): void {
  if (Buffer.from(reply).readUInt16BE(6) !== 1) return;
  let texts: readonly Uint8Array[];
  try {
    const [answer] = dnsPacket.decode(Buffer.from(reply)).answers ?? [];
    if (answer === undefined || answer.type !== "TXT") return;
    texts = ([answer.data] as (string | Buffer)[][]).flat().map((part) => Buffer.from(part as Buffer));
  } catch {
    return;
  }
  assert.ok(equalBytes(concatBytes(...texts), payload), "dns-packet reads another text");
}
