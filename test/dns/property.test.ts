import assert from "node:assert/strict";
import { describe, it } from "node:test";
import dnsPacket from "dns-packet";
import fc from "fast-check";
import type { Asker } from "../../src/dns/asker.ts";
import { Cookies } from "../../src/dns/cookies.ts";
import { ALGORITHM, makeZoneKeys, type ZoneSigner } from "../../src/dns/dnssec/index.ts";
import { encodePathName } from "../../src/dns/index.ts";
import { parseQuery, Query, TYPE } from "../../src/dns/message.ts";
import { Responder } from "../../src/dns/responder.ts";
import { ELSEWHERE, type ZoneData } from "../../src/dns/zone-data.ts";
import { concatBytes, encodeUtf8 } from "../../src/vindex/bytes.ts";
import { sha256 } from "../../src/vindex/sha256.ts";
import { ANY_ASKER, ANY_MESSAGE, PLAIN_QUERY } from "./any-query.ts";
import { checkReply, questionLength } from "./any-reply.ts";
import { EPOCH, makeData, makeTestZone, NOW } from "./fake-zone.ts";
import { FrugalSigner } from "./frugal-signer.ts";
import { message, opt, question, wire } from "./packet.ts";
import { readMessage, Validator, type WireMessage } from "./validate.ts";

const zone = makeTestZone();
const APEX = wire("l.example.org");
const keys = makeZoneKeys("l.example.org", ALGORITHM.ED25519, NOW);
const signer = new FrugalSigner(keys);
const NSID = encodeUtf8("ns1");
const COOKIES = new Cookies([new Uint8Array(16).fill(7)]);
const data = makeData();

/** `length` bytes of a message at `at`, as they are. */
const part = (bytes: Uint8Array, at: number, length: number): number[] => [...bytes.subarray(at, at + length)];

/** Asks, and checks what is true of any message and its reply; gives the reply. */
function check(responder: Responder, bytes: Uint8Array, asker: Asker): WireMessage | undefined {
  const copy = bytes.slice();
  const reply = responder.respond(bytes, asker, data, NOW);
  assert.ok(reply !== ELSEWHERE);
  assert.deepEqual(bytes, copy, "the query is left as it is");
  return checkReply(bytes, reply, asker, APEX);
}

describe("any message", () => {
  const full = new Responder({ zone, signer, cookies: COOKIES, nsid: NSID, cacheSize: 256, seed: 5 });
  const plain = new Responder({ zone });

  it("is met by silence, or by a reply that two decoders read and that is in all as it must be", () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(ANY_MESSAGE, ANY_ASKER, (bytes, asker) => {
        const reply = check(full, bytes, asker);
        const what = reply === undefined ? "-" : `${reply.rcode}${reply.opt === undefined ? "" : "+opt"}`;
        seen.set(what, (seen.get(what) ?? 0) + 1);
      }),
      { numRuns: 6000 },
    );
    // Had the generator gone wrong, most would be FORMERR.
    for (const what of ["-", "0", "0+opt", "1", "1+opt", "3", "3+opt", "4", "4+opt", "5", "5+opt", "16+opt"]) {
      assert.ok((seen.get(what) ?? 0) >= 10, `${what}: ${seen.get(what)} of ${JSON.stringify([...seen])}`);
    }
  });

  it("is met so by a server without options, too", () => {
    fc.assert(
      fc.property(ANY_MESSAGE, ANY_ASKER, (bytes, asker) => {
        check(plain, bytes, asker);
      }),
      { numRuns: 3000 },
    );
  });

  it("that offers less gets no more", () => {
    fc.assert(
      fc.property(fc.nat(1500), ANY_MESSAGE, (size, bytes) => {
        const tail = opt({ size, flags: 0x8000 });
        const end = 12 + (questionLength(bytes) ?? 0);
        if (end === 12) return;
        const asked = message({ counts: [1, 0, 0, 1], question: bytes.subarray(12, end), tail });
        const reply = full.respond(asked, { transport: "udp", address: new Uint8Array(4) }, data, NOW);
        assert.ok(reply instanceof Uint8Array && reply.length <= Math.min(1232, Math.max(512, size)));
      }),
      { numRuns: 1000 },
    );
  });

  it("that asks with DO gets a reply that validates", () => {
    const validator = new Validator(APEX, signer.dnskeyRdatas);
    let validated = 0;
    fc.assert(
      fc.property(PLAIN_QUERY, ANY_ASKER, (bytes, asker) => {
        const reply = check(full, bytes, asker);
        if (reply === undefined || (reply.rcode !== 0 && reply.rcode !== 3)) return;
        if ((reply.flags & 0x0200) !== 0 || ((reply.opt?.flags ?? 0) & 0x8000) === 0) return;
        validator.validate(reply, NOW);
        validated++;
      }),
      { numRuns: 3000 },
    );
    assert.ok(validated > 500, String(validated));
  });
});

describe("a parsed query", () => {
  const query = new Query();

  it("says what dns-packet reads in it", () => {
    let compared = 0;
    fc.assert(
      fc.property(ANY_MESSAGE, (bytes) => {
        if (!parseQuery(bytes, query) || query.refusal !== undefined || !query.hasQuestion) return;
        let packet: ReturnType<typeof dnsPacket.decode>;
        try {
          packet = dnsPacket.decode(Buffer.from(bytes));
        } catch {
          // It decodes RDATA and options that are not looked at here, and stops at malformed ones.
          return;
        }
        compared++;
        const [asked, ...others] = packet.questions ?? [];
        assert.ok(asked !== undefined && others.length === 0);
        const labels: string[] = [];
        for (let i = 0; i < query.labelCount; i++) {
          const at = query.labelOffsets[i] as number;
          labels.push(Buffer.from(bytes.subarray(at + 1, at + 1 + (bytes[at] as number))).toString());
        }
        assert.equal(asked.name, labels.length === 0 ? "." : labels.join("."));
        assert.equal(typeNumber(asked.type), query.type);
        // Behind other records it loses its way: it takes RDLENGTH for a hint.
        if (part(bytes, 6, 4).some((b) => b !== 0) || (bytes[11] as number) > 1) return;
        const opts = (packet.additionals ?? []).filter(({ type }) => type === "OPT") as unknown as {
          udpPayloadSize: number;
          ednsVersion: number;
          flags: number;
          options: { code: number; data: Buffer }[];
        }[];
        assert.equal(opts.length === 1, query.hasEdns);
        const [theirs] = opts;
        if (theirs === undefined) return;
        assert.equal(theirs.udpPayloadSize, query.ednsSize);
        assert.equal(theirs.ednsVersion, query.ednsVersion);
        assert.equal((theirs.flags & 0x8000) !== 0, query.dnssecOk);
        assert.equal((theirs.flags & 0x4000) !== 0, query.compactOk);
        assert.equal(
          theirs.options.some(({ code }) => code === 3),
          query.asksNsid,
        );
        const cookie = theirs.options.find(({ code }) => code === 10);
        assert.equal(cookie?.data.length ?? 0, query.cookieLength);
        if (cookie !== undefined) {
          assert.deepEqual(part(bytes, query.cookieOffset, query.cookieLength), [...cookie.data]);
        }
      }),
      { numRuns: 3000 },
    );
    assert.ok(compared > 1000, String(compared));
  });

  it("is what dns-packet wrote", () => {
    const label = fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/);
    const name = fc.array(label, { maxLength: 8 }).map((labels) => labels.join(".") || ".");
    const types = fc.constantFrom("A", "TXT", "NS", "SOA", "AAAA", "DNSKEY", "DS", "ANY", "NSEC", "RRSIG");
    fc.assert(
      fc.property(
        name,
        types,
        fc.nat(65_535),
        fc.boolean(),
        fc.boolean(),
        fc.integer({ min: 1, max: 65_535 }),
        (text, type, id, dnssecOk, isCd, size) => {
          const flags = isCd ? dnsPacket.CHECKING_DISABLED : 0;
          const encoded = dnsPacket.encode({
            type: "query",
            id,
            flags,
            questions: [{ name: text, type: type as "A" }],
            additionals: [
              {
                type: "OPT",
                name: ".",
                udpPayloadSize: size,
                flags: dnssecOk ? dnsPacket.DNSSEC_OK : 0,
                options: [{ code: "COOKIE", data: Buffer.alloc(8, 1) }] as never,
                extendedRcode: 0,
                ednsVersion: 0,
                flag_do: dnssecOk,
              },
            ],
          });
          assert.equal(parseQuery(encoded, query), true);
          assert.equal(query.refusal, undefined);
          assert.equal(query.labelCount, text === "." ? 0 : text.split(".").length);
          assert.equal(query.nameEnd - 12, wire(text).length);
          assert.equal(query.type, typeNumber(type));
          assert.deepEqual(
            [query.class, query.hasEdns, query.ednsSize, query.dnssecOk, query.compactOk],
            [1, true, size, dnssecOk, false],
          );
          assert.deepEqual(part(encoded, query.cookieOffset, query.cookieLength), new Array(8).fill(1));
        },
      ),
      { numRuns: 1000 },
    );
  });
});

/** The number of a type as dns-packet calls it. */
function typeNumber(text: string): number {
  const known: Record<string, number> = { ...TYPE, NULL: 10, PTR: 12, MX: 15, RP: 17, AFSDB: 18, KEY: 25, LOC: 29 };
  const others: Record<string, number> = {
    ...{ SRV: 33, NAPTR: 35, KX: 36, CERT: 37, DNAME: 39, APL: 42, SSHFP: 44, IPSECKEY: 45, DHCID: 49, NSEC3: 50 },
    ...{ NSEC3PARAM: 51, TLSA: 52, HIP: 55, SPF: 99, TKEY: 249, CAA: 257, TA: 32_768, DLV: 32_769 },
  };
  const unknown = /^UNKNOWN_([0-9]+)$/.exec(text);
  const number = unknown === null ? (known[text] ?? others[text]) : Number(unknown[1]);
  assert.ok(number !== undefined, text);
  return number;
}

/** A signer whose signatures do not depend on when they are made, so that replies can be compared byte by byte. */
class TimelessSigner extends FrugalSigner {
  override sign(...[owner, labels, type, ttl, rdatas]: Parameters<ZoneSigner["sign"]>): readonly Uint8Array[] {
    return super.sign(owner, labels, type, ttl, rdatas, NOW);
  }
}

describe("replies that are kept", () => {
  /** Data of an epoch with a head of a version: what changes between two of them shows in the payloads. */
  const cache = new Map<string, ZoneData>();
  const dataOf = (epoch: number, headVersion: number): ZoneData => {
    const id = `${epoch} ${headVersion}`;
    const known = cache.get(id);
    if (known !== undefined) return known;
    const base = makeData();
    const stamp = (payload: Uint8Array, ...numbers: number[]): Uint8Array =>
      concatBytes(payload, Uint8Array.of(...numbers));
    const made = makeData({
      epoch,
      headVersion,
      sumdbSize: 100 * epoch,
      previousSumdbSize: 100 * (epoch - 1),
      nextEpochTime: NOW + 100 * (epoch - EPOCH + 1),
      moduleAnswer: (key) => stamp(base.moduleAnswer(key), epoch),
      versionsAnswer: (key) => stamp(base.versionsAnswer(key), epoch),
      versionsPage: (key, page) => (page > epoch - EPOCH + 1 ? undefined : base.versionsPage(key, page & 1)),
      head: (e) => stamp(base.head(e), e === epoch ? headVersion : 0),
      headSince: (since, e) => stamp(base.headSince(since, e), e === epoch ? headVersion : 0),
      headAt: (time) => {
        const newest = Math.min(epoch, Math.floor((time - NOW) / 3600) + EPOCH);
        // A cosignature may complete the first quorum of an epoch.
        return newest < EPOCH - (headVersion > 1 ? 1 : 0)
          ? undefined
          : { payload: Uint8Array.of(1, newest, headVersion), epoch: newest };
      },
      v0Text: (subject) => (base.v0Text(subject) === undefined ? undefined : `v=v${epoch} t=${headVersion}`),
    });
    cache.set(id, made);
    return made;
  };
  const names = fc.constantFrom(
    ...["", "ns1", "ns", "p1", "v0", "nothing", "_nothing.p1", "go4.org.p1", "x.org.p1", "_head.p1", "s3._head.p1"],
    ...["e9._head.p1", "e10._head.p1", "e11._head.p1", "s11._head.p1", "t1799996400._head.p1", "t1800000000._head.p1"],
    ...["t1800003600._head.p1", "t1800007200._head.p1", "9.10._consistency.p1", "1.11._consistency.p1"],
    ...["1.1000._sumdb.p1", "0.1001._record.p1", "go4.org.v0", "com.v0", "net.v0", "toolchain.v0"],
    ...["go4.org._versions.p1", "go4.org._p1._versions.p1", "go4.org._p2._versions.p1", `${"a".repeat(52)}._k.p1`],
  );
  /** Heads as of a time, which the passing of time alone changes. */
  const times = fc.constantFrom(...[1_799_996_400, 1_800_000_000, 1_800_003_600, NOW + 1].map((t) => `t${t}._head.p1`));
  const types = fc.constantFrom(...new Array(5).fill(TYPE.TXT), 0, TYPE.A, TYPE.NS, TYPE.SOA, 255, 46, 47, 48);
  /** Few questions, so that they are asked again. */
  const asked = fc.array(fc.tuple(names, types), { minLength: 3, maxLength: 3 });
  const step = {
    which: fc.nat(2),
    isUpper: fc.boolean(),
    edns: fc.option(fc.record({ flags: fc.constantFrom(0, 0x8000, 0xc000), size: fc.constantFrom(512, 1232, 4096) }), {
      nil: undefined,
    }),
    id: fc.nat(65_535),
    flags: fc.constantFrom(0, 0x0100, 0x0110),
    transport: fc.constantFrom<Asker["transport"]>("udp", "tcp"),
    wait: fc.oneof(
      { weight: 6, arbitrary: fc.constant(0) },
      { weight: 3, arbitrary: fc.nat(40) },
      { weight: 1, arbitrary: fc.constantFrom(3599, 3600, 3601, 86_399, 86_400) },
    ),
    newEpoch: fc.nat(15).map((n) => (n === 0 ? 1 : 0)),
    newHead: fc.nat(7).map((n) => (n === 0 ? 1 : 0)),
  };
  const askedByTime = fc.array(fc.tuple(times, fc.constantFrom<number>(TYPE.TXT, TYPE.A)), {
    minLength: 3,
    maxLength: 3,
  });
  const aroundTheHour: typeof step = {
    ...step,
    edns: fc.constantFrom(undefined, { flags: 0x8000, size: 1232 }),
    wait: fc.nat(2),
    newEpoch: fc.constant(0),
    newHead: fc.constant(0),
  };

  for (const [what, capacity, start, questions, parts] of [
    ["many places", 1024, NOW, asked, step],
    ["four places", 4, NOW, asked, step],
    ["many places around a full hour", 1024, NOW + 3590, askedByTime, aroundTheHour],
  ] as const) {
    it(`in ${what} are to the byte those that would be made anew`, () => {
      const timeless = new TimelessSigner(keys);
      const none = new Responder({ zone, signer: timeless });
      fc.assert(
        fc.property(
          questions,
          fc.array(fc.record(parts), { minLength: 2, maxLength: 40, size: "max" }),
          fc.integer(),
          (all, steps, seed) => {
            const kept = new Responder({ zone, signer: timeless, cacheSize: capacity, seed });
            let now: number = start;
            let epoch = EPOCH;
            let headVersion = 1;
            for (const { which, isUpper, edns, id, flags, transport, wait, newEpoch, newHead } of steps) {
              now += wait;
              epoch += newEpoch;
              headVersion += Math.max(newEpoch, newHead);
              const [name, type] = all[which] as [string, number];
              const text = name === "" ? "l.example.org" : `${name}.l.example.org`;
              const bytes = message({
                id,
                flags,
                counts: [1, 0, 0, edns === undefined ? 0 : 1],
                question: question(isUpper ? text.toUpperCase() : text, type),
                ...(edns && { tail: opt(edns) }),
              });
              const asker: Asker = { transport, address: new Uint8Array(4) };
              const at = dataOf(epoch, headVersion);
              const expected = none.respond(bytes, asker, at, now);
              const reply = kept.respond(bytes, asker, at, now);
              assert.ok(expected instanceof Uint8Array && reply instanceof Uint8Array);
              if (Buffer.compare(reply, expected) !== 0) {
                assert.deepEqual(
                  reply,
                  expected,
                  `${text} ${type} at ${now - NOW}, epoch ${epoch}, head ${headVersion}`,
                );
              }
            }
          },
        ),
        { numRuns: 300 },
      );
    });
  }
});

describe("the names of modules", () => {
  /** What a responder hashes for a question, if anything: the subject that the name says. */
  const hashed: string[] = [];
  const responder = new Responder({
    zone,
    sha256: (bytes) => {
      hashed.push(Buffer.from(bytes).toString("latin1"));
      return sha256(bytes);
    },
  });
  const subjectOf = (labels: readonly Uint8Array[]): { subject: string | undefined; reply: WireMessage } => {
    hashed.length = 0;
    const name = concatBytes(...labels, wire("p1").slice(0, -1), APEX);
    const bytes = message({ question: question(name, TYPE.TXT) });
    const reply = responder.respond(bytes, { transport: "tcp", address: new Uint8Array(4) }, data, NOW);
    assert.ok(reply instanceof Uint8Array && hashed.length <= 1);
    return { subject: hashed[0], reply: readMessage(reply) };
  };
  const toWire = (labels: readonly string[]): Uint8Array[] =>
    labels.map((label) => concatBytes(Uint8Array.of(label.length), Buffer.from(label, "latin1")));
  const element = fc.stringMatching(/^[\x20-\x2e\x30-\x7e]{1,16}$/);
  const host = fc.array(fc.stringMatching(/^[a-z0-9-]{1,12}$/), { minLength: 1, maxLength: 4 });

  it("say the path that they were made of, whatever it is", () => {
    fc.assert(
      fc.property(host, fc.array(element, { maxLength: 3 }), (hostLabels, elements) => {
        const path = [hostLabels.join("."), ...elements].join("/");
        const labels = encodePathName(path);
        if (labels === undefined || toWire(labels).reduce((sum, l) => sum + l.length, 3 + APEX.length) > 255) return;
        const { subject, reply } = subjectOf(toWire(labels));
        assert.equal(subject, path);
        assert.equal(reply.records[0]?.type, TYPE.TXT);
      }),
      { numRuns: 3000 },
    );
  });

  it("of which there is a TXT are those that the path in them makes, and no others", () => {
    // Labels near canonical ones: escapes of all kinds, the separator anywhere, any bytes.
    const near = fc.stringMatching(/^([a-z0-9-]|_[0-9a-f]{2}|_|[A-Z]|_[2-7][0-9A-Fd]){1,5}$/);
    const label = fc.oneof(
      { weight: 5, arbitrary: near },
      { weight: 2, arbitrary: fc.constant("_") },
      { weight: 3, arbitrary: fc.stringMatching(/^[a-z0-9-]{1,8}$/) },
      {
        weight: 1,
        arbitrary: fc.uint8Array({ minLength: 1, maxLength: 8 }).map((b) => Buffer.from(b).toString("latin1")),
      },
    );
    let existing = 0;
    let absent = 0;
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 6 }), host, (left, right) => {
        const labels = [...left, ...right];
        const { subject, reply } = subjectOf(toWire(labels));
        if (subject === undefined) {
          absent++;
          // Only a path's ancestor exists without being one.
          const isEmpty = left.length > 0 && labels[0] === "_" && labels.slice(1).every((l) => /^[a-z0-9-]+$/i.test(l));
          assert.equal(reply.flags & 15, isEmpty ? 0 : 3, labels.join("."));
          return;
        }
        existing++;
        const folded = labels.map((l) => l.replace(/[A-Z]/g, (c) => c.toLowerCase()));
        assert.deepEqual(encodePathName(subject), folded);
      }),
      { numRuns: 3000 },
    );
    assert.ok(existing > 100 && absent > 100, `${existing} and ${absent}`);
  });
});
