import assert from "node:assert/strict";
import dnsPacket from "dns-packet";
import type { Asker } from "../../src/dns/asker.ts";
import { respondFailure } from "../../src/dns/responder.ts";
import { equalBytes } from "../../src/vindex/bytes.ts";
import { isNaiveCookieValid, naiveCookie } from "../oracle/cookie.ts";
import { type NaiveMessage, type NaiveRecord, naiveMessage } from "../oracle/dns-message.ts";
import { checkRrsig, compareNames, type NaiveRrset, naiveNsec } from "../oracle/dnssec.ts";
import { type NaiveQuery, naiveOptions, naiveQuery } from "../oracle/query.ts";
import { type NaiveData, type NaiveSaid, said } from "../oracle/server.ts";
import { ZONE } from "../world.ts";
import { NSID, SECRETS, type Setup } from "./setup.ts";

/** Whether a reply is what the specification says, to the last record and signature. */

export type Reply = Uint8Array | undefined;

/** Who asked what server, and when. */
export interface Moment {
  readonly setup: Setup;
  readonly naive: NaiveData;
  readonly asker: Asker;
  readonly now: number;
  readonly isFirst: boolean;
}

/** `askByTcp` gives the reply without a limit, as a server that is well would make it. */
export function checkReply(message: Uint8Array, reply: Reply, moment: Moment, askByTcp: () => Reply): void {
  const { setup, naive, asker, now } = moment;
  const query = naiveQuery(message);
  if (query === undefined) {
    assert.equal(reply, undefined, "a message that is not to be answered");
    return;
  }
  const cookie = query.refusal === undefined ? query.edns?.cookie : undefined;
  const hasValid = setup.hasCookies && cookie !== undefined && isNaiveCookieValid(SECRETS, cookie, asker.address, now);
  const mayLimit = setup.isLimited && asker.transport === "udp" && !hasValid && !moment.isFirst;
  if (reply === undefined) {
    assert.ok(mayLimit, "no reply");
    return;
  }
  const decoded = naiveMessage(reply);
  assert.ok(decoded !== undefined && decoded.length === reply.length, "the reply does not decode to its end");
  const limit =
    asker.transport === "tcp"
      ? 65_535
      : query.edns === undefined
        ? 512
        : Math.min(1232, Math.max(512, query.edns.size));
  assert.ok(reply.length <= limit, `${reply.length} bytes where ${limit} are taken`);
  checkHeader(query, reply, decoded);
  const options = checkOpt(query, decoded, setup, asker, now, cookie);
  const rcode =
    (decoded.flags & 15) |
    (decoded.additionals.some(({ type }) => type === 41) ? ((optOf(decoded)?.ttl ?? 0) / 2 ** 24) << 4 : 0);
  let expected = expectedOf(query, setup, naive, now);
  // What is kept, or stands in shared memory, is said though the index cannot be read any more.
  if (naive.isBroken && rcode !== 2 && (setup.hasCache || setup.isWorker))
    expected = expectedOf(query, setup, { ...naive, isBroken: false }, now);
  const isTruncated = (decoded.flags & 0x0200) !== 0;
  const records = decoded.answers.length + decoded.authorities.length;
  if (mayLimit && records === 0 && (isTruncated || rcode === 23)) {
    const isCookie = setup.hasCookies && cookie !== undefined;
    if ((decoded.flags & 0x0400) === 0) {
      assert.deepEqual([rcode, isTruncated], isCookie ? [23, false] : [0, true], "a limited reply");
      return;
    }
  }
  assert.equal(rcode, expected.rcode, "RCODE");
  assert.equal((decoded.flags & 0x0400) !== 0, expected.isAuthoritative, "AA");
  assert.equal(options.error, query.edns === undefined ? undefined : expected.error, "extended error");
  comparePacket(reply, decoded);
  if (isTruncated) {
    assert.equal(
      records + decoded.additionals.length,
      query.edns === undefined ? 0 : 1,
      "records in a truncated reply",
    );
    const whole = askByTcp();
    const all = whole === undefined ? undefined : naiveMessage(whole);
    assert.ok(whole !== undefined && all !== undefined && asker.transport === "udp");
    checkRecords(query, all, expected, setup, now);
    const glue = all.additionals.filter(({ type }) => type !== 41);
    const glueLength = glue.reduce((sum, { ownerLength, rdata }) => sum + ownerLength + 10 + rdata.length, 0);
    assert.ok(whole.length - glueLength > limit, "truncated, though it fits");
    return;
  }
  checkRecords(query, decoded, expected, setup, now);
}

/** What must be said, whether it fits or not. */
function expectedOf(query: NaiveQuery, setup: Setup, naive: NaiveData, now: number): NaiveSaid {
  const none = { isAuthoritative: false, answer: [], authority: [], additional: [] };
  if (query.refusal !== undefined)
    return { ...none, rcode: query.refusal, ...(query.refusal === 4 ? { error: 21 } : {}) };
  if (query.asksNothing) return { ...none, rcode: setup.hasCookies ? 0 : 1 };
  if (query.class !== 1) return { ...none, rcode: 5, error: 21 };
  const { isDo = false, isCo = false } = query.edns ?? {};
  return said(query.labels, query.type, isDo, isCo, setup.naive, naive, now);
}

function checkHeader(query: NaiveQuery, reply: Uint8Array, decoded: NaiveMessage): void {
  assert.equal(decoded.id, query.id, "ID");
  assert.equal(decoded.flags & ~0x060f, 0x8000 | (query.flags & (0x7800 | 0x0100 | 0x0010)), "flags");
  const { question } = query;
  assert.equal(decoded.questions.length, question === undefined ? 0 : 1, "QDCOUNT");
  if (question !== undefined)
    assert.ok(equalBytes(reply.subarray(12, 12 + question.length), question), "the question, bit for bit");
}

function optOf(decoded: NaiveMessage): NaiveRecord | undefined {
  return decoded.additionals.find(({ type }) => type === 41);
}

/** An OPT iff the query has one, at the end, with these options in this order. Gives the extended error. */
function checkOpt(
  query: NaiveQuery,
  decoded: NaiveMessage,
  setup: Setup,
  asker: Asker,
  now: number,
  cookie: Uint8Array | undefined,
): { error: number | undefined } {
  const opts = decoded.additionals.filter(({ type }) => type === 41);
  assert.equal(opts.length, query.edns === undefined ? 0 : 1, "OPT");
  const [opt] = opts;
  if (opt === undefined || query.edns === undefined) return { error: undefined };
  assert.ok(opt === decoded.additionals.at(-1) && opt.ownerLength === 1 && opt.class === 1232);
  const flags = (query.edns.isDo ? 0x8000 : 0) | (query.edns.isCo && setup.signer !== undefined ? 0x4000 : 0);
  assert.equal(opt.ttl % 2 ** 24, flags, "version and flags");
  const options = naiveOptions(opt.rdata) ?? [];
  const error = options.at(-1)?.code === 15 ? options.pop()?.data : undefined;
  const expected: { code: number; data: Uint8Array }[] = [];
  if (setup.hasCookies && cookie !== undefined) {
    expected.push({ code: 10, data: naiveCookie(SECRETS[0] as Uint8Array, cookie.subarray(0, 8), asker.address, now) });
  }
  if (setup.hasNsid && query.edns.nsid) expected.push({ code: 3, data: NSID });
  if (asker.transport === "tcp" && query.edns.keepalive && asker.keepalive !== undefined) {
    expected.push({ code: 11, data: Uint8Array.of(asker.keepalive >> 8, asker.keepalive & 0xff) });
  }
  assert.deepEqual(options.map(plainOption), expected.map(plainOption), "options");
  return { error: error === undefined ? undefined : (error[0] as number) * 256 + (error[1] as number) };
}

const plainOption = ({ code, data }: { code: number; data: Uint8Array }): string =>
  `${code} ${Buffer.from(data).toString("hex")}`;

function checkRecords(query: NaiveQuery, decoded: NaiveMessage, expected: NaiveSaid, setup: Setup, now: number): void {
  const isSigned = setup.signer !== undefined && query.edns?.isDo === true;
  if (expected.signatureOf !== undefined) {
    assert.equal(decoded.authorities.length, 0);
    checkSignatures([expected.signatureOf], decoded.answers, setup, now);
  } else checkSection(decoded.answers, expected.answer, isSigned, setup, now, "answer");
  checkSection(decoded.authorities, expected.authority, isSigned, setup, now, "authority");
  const glue = decoded.additionals.filter(({ type }) => type !== 41);
  // Left out as a whole if it does not fit.
  if (glue.length > 0) checkSection(glue, expected.additional, isSigned, setup, now, "additional");
  for (const rrset of expected.authority) {
    if (rrset.type !== 47) continue;
    const nsec = naiveNsec(rrset.rdatas[0] as Uint8Array);
    const isLast = nsec !== undefined && nsec.next.join(".") === ZONE;
    assert.ok(
      nsec !== undefined && (isLast || compareNames(rrset.owner, nsec.next) < 0),
      "the next name does not follow",
    );
  }
}

/** The records of a section are these, and, if it is signed, their signatures. */
function checkSection(
  records: readonly NaiveRecord[],
  expected: readonly NaiveRrset[],
  isSigned: boolean,
  setup: Setup,
  now: number,
  what: string,
): void {
  const signatures = records.filter(({ type }) => type === 46);
  const plain = records.filter(({ type }) => type !== 46);
  assert.deepEqual(plain.map(sayRecord).sort(), expected.flatMap(sayRrset).sort(), what);
  assert.ok(isSigned || signatures.length === 0, "signatures that nobody asked for");
  if (isSigned) checkSignatures(expected, signatures, setup, now);
}

function sayRecord({ owner, type, class: klass, ttl, whole }: NaiveRecord): string {
  assert.equal(klass, 1);
  return `${foldName(owner)} ${type} ${ttl} ${Buffer.from(whole).toString("hex")}`;
}

function sayRrset({ owner, type, ttl, rdatas }: NaiveRrset): string[] {
  return rdatas.map((rdata) => `${foldName(owner)} ${type} ${ttl} ${Buffer.from(rdata).toString("hex")}`);
}

const foldName = (labels: readonly string[]): string =>
  labels.map((l) => l.replaceAll(/[A-Z]/g, (c) => c.toLowerCase())).join("\0");

/** Each RRset has one signature of the active key, and those that introduce keys one of each. */
function checkSignatures(
  rrsets: readonly NaiveRrset[],
  signatures: readonly NaiveRecord[],
  setup: Setup,
  now: number,
): void {
  const { signer } = setup;
  assert.ok(signer !== undefined);
  const rest = [...signatures];
  for (const rrset of rrsets) {
    const own = rest.filter(
      ({ owner, type, rdata }) =>
        type === 46 &&
        foldName(owner) === foldName(rrset.owner) &&
        (rdata[0] as number) * 256 + (rdata[1] as number) === rrset.type,
    );
    const isKeys = [48, 59, 60].includes(rrset.type);
    assert.equal(own.length, isKeys ? signer.dnskeyRdatas.length : 1, `signatures of type ${rrset.type}`);
    for (const record of own) {
      rest.splice(rest.indexOf(record), 1);
      assert.equal(record.ttl, rrset.ttl, "TTL of a signature");
      const fields = checkRrsig(rrset, record, ZONE.split("."), signer.dnskeyRdatas);
      assert.ok(fields.inception <= now && fields.expiration - now >= 5 * 86_400, "a signature near its end");
      const validity = fields.expiration - fields.inception;
      assert.ok(validity >= 7 * 86_400 + 3600 && validity <= 8 * 86_400 + 3600, "validity");
      assert.ok(isKeys || fields.keyTag === signer.keyTag, "another key");
    }
  }
  assert.deepEqual(rest, [], "signatures of nothing");
}

/** What the server says if it fails over a query: the same header and question, and SERVFAIL. */
export function checkFailure(message: Uint8Array): void {
  const query = naiveQuery(message);
  const reply = respondFailure(message);
  assert.equal(reply === undefined, query === undefined);
  if (reply === undefined || query === undefined) return;
  const decoded = naiveMessage(reply);
  assert.ok(decoded !== undefined && (decoded.flags & 15) === 2 && decoded.length === reply.length);
  checkHeader(query, reply, decoded);
}

/** The library reads it too, where it is not known to be wrong: it loses bytes of names, and numbers of types. */
function comparePacket(reply: Uint8Array, decoded: NaiveMessage): void {
  const isPlain = decoded.questions.every(({ name }) => name.every((label) => /^[\x21-\x2d\x2f-\x7e]+$/.test(label)));
  if (!isPlain) return;
  const packet = dnsPacket.decode(Buffer.from(reply));
  const counts = [packet.answers, packet.authorities, packet.additionals].map((section) => section?.length ?? 0);
  assert.deepEqual(
    counts,
    [decoded.answers, decoded.authorities, decoded.additionals].map((section) => section.length),
  );
  const name = decoded.questions[0]?.name.join(".");
  if (name !== undefined) assert.equal(packet.questions?.[0]?.name, name === "" ? "." : name);
}
