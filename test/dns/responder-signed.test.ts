import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { Cookies } from "../../src/dns/cookies.ts";
import { ALGORITHM, type Algorithm, makeZoneKeys, SIGNATURE_REFRESH, ZoneSigner } from "../../src/dns/dnssec/index.ts";
import { type KeyPhase, makeZoneKey, type ZoneKeys } from "../../src/dns/dnssec/zone-keys.ts";
import type { ZoneData } from "../../src/dns/index.ts";
import { TYPE } from "../../src/dns/message.ts";
import { Responder } from "../../src/dns/responder.ts";
import { COUNTER, ServerStats } from "../../src/dns/stats.ts";
import { makeZone } from "../../src/dns/zone.ts";
import { ELSEWHERE } from "../../src/dns/zone-data.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { EPOCH, makeData, makeTestZone, NOW } from "./fake-zone.ts";
import { FrugalSigner } from "./frugal-signer.ts";
import { type OptParts, option, query, wire } from "./packet.ts";
import { SAMPLE_NAMES } from "./sample-names.ts";
import {
  compareWithDnsPacket,
  keyTagOf,
  lower,
  readMessage,
  readNsec,
  readRrsig,
  Validator,
  type WireMessage,
  type WireRecord,
} from "./validate.ts";

const Z = "l.example.org";
const zone = makeTestZone();
const APEX = wire(Z);
const DO = 0x8000;
const CO = 0x4000;
const HOUR = 3600;

/** Types that every kind of name is asked for. */
const TYPES = [
  TYPE.A,
  TYPE.NS,
  TYPE.TXT,
  TYPE.SOA,
  TYPE.DNSKEY,
  TYPE.DS,
  TYPE.CDS,
  TYPE.CDNSKEY,
  TYPE.NSEC,
  TYPE.RRSIG,
  TYPE.ANY,
  TYPE.HINFO,
  TYPE.AAAA,
  1000,
  0,
];

const fullName = (name: string): string => (name === "" ? Z : `${name}.${Z}`);
const makeSigner = (algorithm: Algorithm): ZoneSigner => new FrugalSigner(makeZoneKeys(Z, algorithm, NOW));
const DATA = makeData();
const ed25519 = makeSigner(ALGORITHM.ED25519);

interface Asked {
  readonly flags?: number;
  readonly edns?: OptParts | false;
  readonly transport?: "udp" | "tcp";
  readonly data?: ZoneData;
  readonly now?: number;
}

/** Asks a responder and reads the reply with two decoders. */
function ask(responder: Responder, name: string, type: number, asked: Asked = {}): WireMessage {
  const { flags = DO, transport = "tcp", data = DATA, now = NOW } = asked;
  const { edns = { flags } } = asked;
  const asker = { transport, address: new Uint8Array(4) };
  const reply = responder.respond(query(fullName(name), type, edns), asker, data, now);
  assert.ok(reply !== undefined && reply !== ELSEWHERE);
  const message = readMessage(reply.slice());
  compareWithDnsPacket(reply, message);
  return message;
}

const sections = (message: WireMessage, section: WireRecord["section"]): WireRecord[] =>
  message.records.filter((record) => record.section === section);
const typesOf = (records: readonly WireRecord[]): number[] => records.map(({ type }) => type);
const withoutSignatures = (records: readonly WireRecord[]): WireRecord[] =>
  records.filter(({ type }) => type !== TYPE.RRSIG);
const ascending = (numbers: Iterable<number>): number[] => [...numbers].sort((a, b) => a - b);

/** What spec/dns.md §3 says of a type at a name where `types` stand. */
function expected(types: readonly number[] | undefined, type: number): "answer" | "nodata" | "nxdomain" {
  if (types === undefined) return "nxdomain";
  if (type === TYPE.ANY) return types.length > 0 ? "answer" : "nodata";
  return types.includes(type) || type === TYPE.NSEC || type === TYPE.RRSIG ? "answer" : "nodata";
}

for (const [what, algorithm] of Object.entries(ALGORITHM)) {
  const signer = makeSigner(algorithm);
  const responder = new Responder({ zone, signer });
  const unsigned = new Responder({ zone });
  const validator = new Validator(APEX, signer.dnskeyRdatas);
  const onlySigned: number[] = [TYPE.DNSKEY, TYPE.CDS, TYPE.CDNSKEY, TYPE.NSEC, TYPE.RRSIG];

  describe(`a zone signed with ${what}`, () => {
    it("says to who asks without DO what an unsigned one says", () => {
      for (const [name] of SAMPLE_NAMES) {
        for (const type of TYPES) {
          if (onlySigned.includes(type)) continue;
          const bytes = query(fullName(name), type);
          const asker = { transport: "udp", address: new Uint8Array(4) } as const;
          const reply = responder.respond(bytes, asker, DATA, NOW);
          assert.deepEqual(reply, unsigned.respond(bytes, asker, DATA, NOW), `${name} ${type}`);
        }
      }
    });

    it("answers NSEC and RRSIG without DO at names that exist, with one record", () => {
      for (const [name, types] of SAMPLE_NAMES) {
        for (const type of [TYPE.NSEC, TYPE.RRSIG]) {
          const reply = ask(responder, name, type, { flags: 0 });
          assert.equal(reply.rcode, types === undefined ? 3 : 0);
          assert.deepEqual(typesOf(reply.records), [types === undefined ? TYPE.SOA : type], name);
        }
      }
    });

    for (const [how, flags] of [
      ["DO", DO],
      ["DO and CO", DO | CO],
    ] as const) {
      it(`signs every answer and denial to who asks with ${how}`, () => {
        for (const [name, types] of SAMPLE_NAMES) {
          for (const type of TYPES) {
            const context = `${name} ${type}`;
            const reply = ask(responder, name, type, { flags });
            assert.equal(reply.opt?.flags, flags, context);
            const verdict = validator.validate(reply, NOW);
            const kind = expected(types, type);
            assert.equal(verdict.kind, kind, context);
            assert.equal(reply.rcode, kind === "nxdomain" && flags === (DO | CO) ? 3 : 0, context);
            if (kind === "answer") assert.deepEqual(sections(reply, "authority"), [], context);
            else assert.deepEqual(sections(reply, "answer"), [], context);
            if (verdict.kind === "nodata" && types !== undefined) {
              assert.deepEqual(verdict.types, ascending([...types, TYPE.RRSIG, TYPE.NSEC]), context);
            }
            if (onlySigned.includes(type)) continue;
            // The same records and TTLs as without signatures.
            const plain = ask(unsigned, name, type, { flags });
            assert.deepEqual(withoutSignatures(sections(reply, "answer")), sections(plain, "answer"), context);
            const soa = sections(plain, "authority")[0];
            if (soa !== undefined) assert.deepEqual(sections(reply, "authority")[0], soa, context);
            assert.equal(verdict.ttl, plain.records[0]?.ttl, context);
          }
        }
      });
    }

    it("answers RRSIG with a signature over the NSEC of the name, and nothing else", () => {
      for (const [name, types] of SAMPLE_NAMES) {
        if (types === undefined) continue;
        const rrsigs = sections(ask(responder, name, TYPE.RRSIG), "answer");
        const [nsec] = sections(ask(responder, name, TYPE.NSEC), "answer");
        assert.ok(rrsigs.length === 1 && rrsigs[0] !== undefined && nsec !== undefined);
        validator.checkSignature(rrsigs[0], [nsec], NOW);
        assert.deepEqual(readNsec(nsec.rdata).types, ascending([...types, TYPE.RRSIG, TYPE.NSEC]), name);
      }
    });
  });
}

describe("the bitmap of a name", () => {
  const responder = new Responder({ zone, signer: ed25519 });
  const validator = new Validator(APEX, ed25519.dnskeyRdatas);
  const refused: number[] = [TYPE.OPT, TYPE.NXNAME, TYPE.TSIG, TYPE.IXFR, TYPE.AXFR];
  const asked = [
    ...Array.from({ length: 110 }, (_, type) => type),
    ...[127, 129, 249, 254, 255, 256, 257, 258, 32_768, 32_769, 65_280, 65_535],
  ].filter((type) => !refused.includes(type));

  const answerCount = (name: string, type: number): number => {
    const bytes = query(fullName(name), type, { flags: DO });
    const reply = responder.respond(bytes, { transport: "tcp", address: new Uint8Array(4) }, DATA, NOW);
    assert.ok(reply !== undefined && reply !== ELSEWHERE);
    return (reply[6] as number) * 256 + (reply[7] as number);
  };

  it("has exactly the types that are answered when they are asked for", () => {
    for (const [name, types] of SAMPLE_NAMES) {
      const denial = validator.validate(ask(responder, name, 1000), NOW);
      const answered = asked.filter((type) => answerCount(name, type) > 0);
      if (denial.kind === "nxdomain") {
        assert.deepEqual(answered, [], name);
        continue;
      }
      assert.ok(denial.kind === "nodata" && types !== undefined);
      assert.deepEqual(
        denial.types,
        answered.filter((type) => type !== TYPE.ANY),
        name,
      );
      // And ANY is answered where there is something.
      assert.equal(answered.includes(TYPE.ANY), types.length > 0, name);
    }
  });

  it("of an apex that is a name server itself has its addresses", () => {
    const own = makeZone({
      apex: Z,
      nameServers: [{ name: Z, addresses: ["192.0.2.9", "2001:db8::9"] }],
      hostmaster: "h.example.org",
    });
    const it = new Responder({ zone: own, signer: ed25519 });
    for (const type of [TYPE.A, TYPE.AAAA, TYPE.NS, TYPE.SOA]) {
      assert.equal(validator.validate(ask(it, "", type), NOW).kind, "answer");
    }
    const denial = validator.validate(ask(it, "", TYPE.TXT), NOW);
    assert.ok(denial.kind === "nodata");
    assert.deepEqual(denial.types, [1, 2, 6, 28, 46, 47, 48, 59, 60]);
  });

  it("of a name server without addresses is empty", () => {
    const own = makeZone({ apex: Z, nameServers: [{ name: `ns9.${Z}` }], hostmaster: "h.example.org" });
    const it = new Responder({ zone: own, signer: ed25519 });
    const denial = validator.validate(ask(it, "ns9", TYPE.A), NOW);
    assert.ok(denial.kind === "nodata");
    assert.deepEqual(denial.types, [TYPE.RRSIG, TYPE.NSEC]);
  });
});

describe("mixed case", () => {
  const responder = new Responder({ zone, signer: ed25519, cacheSize: 4096 });
  const validator = new Validator(APEX, ed25519.dnskeyRdatas);

  it("of the question changes nothing that is signed", () => {
    SAMPLE_NAMES.forEach(([name, types], i) => {
      const text = [...fullName(name)].map((c, at) => ((at * 7 + i) % 3 === 0 ? c.toUpperCase() : c)).join("");
      for (const type of [TYPE.TXT, TYPE.SOA, TYPE.NS, TYPE.NSEC, 1000]) {
        const bytes = query(text, type, { flags: DO });
        const reply = responder.respond(bytes, { transport: "tcp", address: new Uint8Array(4) }, DATA, NOW);
        assert.ok(reply !== undefined && reply !== ELSEWHERE);
        const message = readMessage(reply);
        assert.deepEqual(message.question?.name, wire(text));
        assert.equal(validator.validate(message, NOW).kind, expected(types, type), text);
        for (const { type: kind, rdata } of message.records) {
          // Names that no validator folds are in lower case on the wire.
          if (kind === TYPE.NSEC) assert.deepEqual(readNsec(rdata).next, lower(readNsec(rdata).next));
        }
      }
    });
  });
});

describe("times to live", () => {
  const responder = new Responder({ zone, signer: ed25519 });
  const validator = new Validator(APEX, ed25519.dnskeyRdatas);

  it("that run until the next epoch are signed for the longest", () => {
    for (const name of ["go4.org.p1", "absent.p1", "_toolchain.p1", "go4.org.v0", "net.v0", "com.v0"]) {
      for (const [wait, ttl] of [
        [0, 30],
        [100, 100],
        [9999, 300],
      ] as const) {
        const reply = ask(responder, name, TYPE.TXT, { data: makeData({ nextEpochTime: NOW + wait }) });
        assert.equal(validator.validate(reply, NOW).ttl, ttl);
        for (const { type, rdata, ttl: served } of reply.records) {
          assert.equal(served, ttl, name);
          if (type === TYPE.RRSIG) assert.equal(readRrsig(rdata).originalTtl, 300, name);
        }
      }
    }
  });

  it("of signatures leave a day and the longest TTL before they expire", () => {
    for (const [name] of SAMPLE_NAMES) {
      for (const { type, rdata, ttl } of ask(responder, name, TYPE.TXT).records) {
        if (type !== TYPE.RRSIG) continue;
        const { expiration, inception, originalTtl } = readRrsig(rdata);
        assert.ok(expiration - NOW > SIGNATURE_REFRESH + 86_400 + originalTtl);
        assert.ok(inception <= NOW - HOUR);
        assert.ok(ttl <= originalTtl);
      }
    }
  });

  it("of any configuration are written whole", () => {
    const ttls = {
      soa: 70_001,
      nameServer: 70_002,
      dnskey: 70_003,
      negative: 70_004,
      fixed: 70_005,
      moduleMin: 70_006,
    };
    const slow = makeZone({
      apex: Z,
      nameServers: [{ name: `ns1.${Z}`, addresses: ["192.0.2.1"] }],
      hostmaster: "h.example.org",
      ttls: { ...ttls, moduleMax: 70_006 },
    });
    const it = new Responder({ zone: slow, signer: ed25519 });
    for (const [name, type, ttl] of [
      ["", TYPE.SOA, ttls.soa],
      ["", TYPE.NS, ttls.nameServer],
      ["ns1", TYPE.A, ttls.nameServer],
      ["", TYPE.DNSKEY, ttls.dnskey],
      ["nothing", TYPE.A, ttls.negative],
      ["e3._head.p1", TYPE.TXT, ttls.fixed],
      ["go4.org.p1", TYPE.TXT, ttls.moduleMin],
      ["net.v0", TYPE.TXT, ttls.moduleMin],
    ] as const) {
      const reply = ask(it, name, type);
      assert.equal(validator.validate(reply, NOW).ttl, ttl, `${name} ${type}`);
      for (const record of reply.records) {
        const isGlue = record.section === "additional";
        assert.equal(record.ttl, isGlue ? ttls.nameServer : ttl, `${name} ${type}`);
      }
    }
  });

  it("of denials of other types are as short as that of the TXT that may come", () => {
    for (const name of ["s11._head.p1", "e11._head.p1", "t1800003600._head.p1", "9.11._consistency.p1"]) {
      for (const type of [TYPE.TXT, TYPE.A, TYPE.NSEC, 1000]) {
        assert.equal(validator.validate(ask(responder, name, type), NOW).ttl, 5, `${name} ${type}`);
      }
    }
    for (const name of ["_head.p1", "e10._head.p1", "t1800000000._head.p1"]) {
      assert.equal(validator.validate(ask(responder, name, TYPE.A), NOW).ttl, 30, name);
    }
  });
});

describe("sizes", () => {
  const responder = new Responder({ zone, signer: ed25519 });

  it("of signed replies by UDP are kept: TC without records, with the OPT", () => {
    const name = "mod.x._.golang.org.p1";
    for (const size of [512, 700, 1232, 4096]) {
      const reply = ask(responder, name, TYPE.TXT, { transport: "udp", edns: { flags: DO, size } });
      const isWhole = reply.records.length > 0;
      assert.equal((reply.flags & 0x200) !== 0, !isWhole);
      assert.equal(isWhole, size >= 1232);
      assert.deepEqual(typesOf(reply.records), isWhole ? [TYPE.TXT, TYPE.RRSIG] : []);
      assert.equal(reply.opt?.flags, DO);
    }
  });

  it("of the longest payload fit a message by TCP with any name, zone and options", () => {
    const label = (length: number): string => "a".repeat(length);
    for (const apex of [Z, `${label(63)}.${label(63)}.${label(29)}.example`]) {
      const long = new Responder({
        zone: makeZone({ apex, nameServers: [{ name: "ns.example" }], hostmaster: "h.example.org" }),
        signer: new ZoneSigner(makeZoneKeys(apex, ALGORITHM.ED25519, NOW)),
        cookies: new Cookies([new Uint8Array(16)]),
        nsid: new Uint8Array(64),
      });
      const data = makeData({ moduleAnswer: () => new Uint8Array(64_500).fill(6) });
      const options = concatBytes(option(10, 8), option(3, 0), option(11, 0));
      // Hosts of labels of 7 bytes, and one that fills up what is left of 255.
      const free = 255 - wire(`p1.${apex}`).length;
      const name = `${"a".repeat((free % 8) + 7)}${".host-xy".repeat(Math.floor(free / 8) - 1)}.p1.${apex}`;
      const bytes = query(name, TYPE.TXT, { flags: DO, options });
      assert.equal(bytes.length, 12 + 255 + 4 + 11 + options.length);
      const asker = { transport: "tcp", address: new Uint8Array(4), keepalive: 70 } as const;
      const reply = long.respond(bytes, asker, data, NOW);
      assert.ok(reply instanceof Uint8Array && reply.length > 64_500, "a reply");
      const message = readMessage(reply);
      assert.deepEqual(typesOf(message.records), [TYPE.TXT, TYPE.RRSIG]);
      assert.equal(message.opt?.options.length, 3);
    }
  });

  it("of denials fit 1,232 bytes at every name", () => {
    const large: string[] = [];
    for (const [name] of SAMPLE_NAMES) {
      for (const flags of [DO, DO | CO]) {
        const reply = ask(responder, name, 1000, { transport: "udp", flags });
        if ((reply.flags & 0x200) !== 0) large.push(name);
      }
    }
    assert.deepEqual(large, []);
  });

  it("of the glue beside NS count: all of it goes with them, or none", () => {
    const addresses = Array.from({ length: 20 }, (_, i) => `2001:db8::${i + 1}`);
    const nameServers = [{ name: `ns1.${Z}`, addresses }];
    const it = new Responder({
      zone: makeZone({ apex: Z, nameServers, hostmaster: "h.example.org" }),
      signer: ed25519,
    });
    for (const flags of [0, DO]) {
      const asker = { transport: "tcp", address: new Uint8Array(4) } as const;
      const whole = it.respond(query(Z, TYPE.NS, { flags }), asker, DATA, NOW);
      assert.ok(whole instanceof Uint8Array && whole.length > 512, "a reply by TCP");
      for (const [size, glue] of [
        // With DO they have a signature.
        [whole.length, flags === DO ? 21 : 20],
        [whole.length - 1, 0],
      ] as const) {
        const reply = ask(it, "", TYPE.NS, { transport: "udp", edns: { flags, size } });
        assert.equal(reply.flags & 0x200, 0);
        assert.equal(sections(reply, "additional").length, glue);
      }
    }
  });

  it("of the glue beside NS do not truncate", () => {
    const reply = ask(responder, "", TYPE.NS, { transport: "udp", edns: { flags: DO, size: 512 } });
    assert.equal(reply.flags & 0x200, 0);
    assert.deepEqual(new Set(typesOf(sections(reply, "answer"))), new Set([TYPE.NS, TYPE.RRSIG]));
  });
});

/** A signer that counts what it signs. */
class CountingSigner extends ZoneSigner {
  count = 0;

  override sign(...what: Parameters<ZoneSigner["sign"]>): readonly Uint8Array[] {
    this.count++;
    return super.sign(...what);
  }

  override signInto(...what: Parameters<ZoneSigner["signInto"]>): void {
    this.count++;
    super.signInto(...what);
  }
}

describe("kept replies", () => {
  const keys = makeZoneKeys(Z, ALGORITHM.ECDSAP256SHA256, NOW);
  const fresh = (cacheSize = 4096): { responder: Responder; signer: CountingSigner; validator: Validator } => {
    const signer = new CountingSigner(keys);
    return {
      signer,
      responder: new Responder({ zone, signer, cacheSize }),
      validator: new Validator(APEX, signer.dnskeyRdatas),
    };
  };

  it("still validate under another ID, in another case, later and with a lower TTL", () => {
    const { responder, signer, validator } = fresh();
    const data = makeData({ nextEpochTime: NOW + 250 });
    const names = ["go4.org.p1", "absent.p1", "go4.org.v0", "net.v0", "_nothing.p1", "_head.p1", "e3._head.p1", ""];
    for (const name of names) validator.validate(ask(responder, name, TYPE.TXT, { data }), NOW);
    const before = signer.count;
    for (const later of [0, 1, 100, 200, 249, 250, 1000]) {
      for (const name of names) {
        const text = fullName(name).toUpperCase();
        const bytes = query(text, TYPE.TXT, { flags: DO, size: 1232 - later });
        bytes[0] = later & 0xff;
        const reply = responder.respond(bytes, { transport: "tcp", address: new Uint8Array(4) }, data, NOW + later);
        assert.ok(reply !== undefined && reply !== ELSEWHERE);
        const message = readMessage(reply);
        assert.equal(message.id, (later & 0xff) * 256 + 0x34);
        assert.deepEqual(message.question?.name, wire(text));
        const { ttl } = validator.validate(message, NOW + later);
        const lives = ["go4.org.p1", "absent.p1", "go4.org.v0", "net.v0"].includes(name);
        if (lives) assert.equal(ttl, Math.max(30, 250 - later), name);
      }
    }
    assert.equal(signer.count, before);
  });

  it("are told apart by DO and CO", () => {
    const { responder } = fresh();
    for (let round = 0; round < 2; round++) {
      for (const [flags, rcode, records] of [
        [0, 3, 1],
        [DO, 0, 4],
        [DO | CO, 3, 4],
        [CO, 3, 1],
      ] as const) {
        const reply = ask(responder, "nothing", TYPE.TXT, { flags });
        assert.deepEqual([reply.rcode, reply.records.length, reply.opt?.flags], [rcode, records, flags]);
      }
      const plain = ask(responder, "nothing", TYPE.TXT, { edns: false });
      assert.deepEqual([plain.rcode, plain.records.length, plain.opt], [3, 1, undefined]);
    }
  });

  it("end with the epoch, and with a newer head where cosignatures are in them", () => {
    const { responder, validator } = fresh();
    const text = (name: string, data: ZoneData): string => {
      const reply = ask(responder, name, TYPE.TXT, { data });
      validator.validate(reply, NOW);
      return Buffer.from(reply.records[0]?.rdata ?? []).toString("latin1");
    };
    const one = makeData();
    const two = makeData({ headVersion: 2, head: () => Uint8Array.of(1, 2) });
    const three = makeData({ epoch: EPOCH + 1, headVersion: 3, head: () => Uint8Array.of(1, 3) });
    const head = text("_head.p1", one);
    assert.equal(text("_head.p1", one), head);
    assert.notEqual(text("_head.p1", two), head);
    assert.notEqual(text("_head.p1", three), text("_head.p1", two));
    // The serial is the epoch; a denial says it, too.
    const serial = (data: ZoneData): number => {
      const reply = ask(responder, "nothing", TYPE.TXT, { data });
      validator.validate(reply, NOW);
      const rdata = reply.records[0]?.rdata ?? new Uint8Array(0);
      return Buffer.from(rdata).readUInt32BE(rdata.length - 20);
    };
    assert.deepEqual([serial(one), serial(three), serial(one)], [EPOCH, EPOCH + 1, EPOCH]);
  });

  it("are signed anew after a day", () => {
    for (const [name, type] of [
      ["e3._head.p1", TYPE.TXT],
      ["", TYPE.SOA],
      ["", TYPE.DNSKEY],
      ["nothing", TYPE.TXT],
    ] as const) {
      const { responder, signer, validator } = fresh();
      let newest = 0;
      for (let now = NOW; now < NOW + 10 * 86_400; now += 6 * HOUR) {
        const reply = ask(responder, name, type, { now });
        validator.validate(reply, now);
        for (const { type: kind, rdata, ttl } of reply.records) {
          if (kind !== TYPE.RRSIG) continue;
          const { inception, expiration } = readRrsig(rdata);
          assert.ok(expiration - now > 86_400 + ttl, "what a cache takes now outlives its TTL");
          newest = Math.max(newest, inception);
        }
      }
      assert.ok(newest > NOW + 8 * 86_400, name);
      // And not more often.
      assert.ok(signer.count <= 20, `${name}: ${signer.count}`);
    }
  });

  it("are not served by a clock that stepped back behind their beginning", () => {
    for (const [name, type] of [
      ["e3._head.p1", TYPE.TXT],
      ["", TYPE.SOA],
      ["nothing", TYPE.TXT],
      ["s11._head.p1", TYPE.TXT],
    ] as const) {
      for (const cacheSize of [0, 64]) {
        for (const step of [HOUR - 60, HOUR + 1, 6 * HOUR, 23 * HOUR, 9 * 86_400]) {
          const { responder, validator } = fresh(cacheSize);
          validator.validate(ask(responder, name, type, { now: NOW + step }), NOW + step);
          validator.validate(ask(responder, name, type), NOW);
        }
      }
    }
  });

  it("cost a denial one signature, and a module one", () => {
    const { responder, signer } = fresh(0);
    ask(responder, "nothing", TYPE.TXT);
    const before = signer.count;
    for (let i = 0; i < 10; i++) ask(responder, `nothing-${i}`, TYPE.TXT);
    assert.equal(signer.count - before, 10);
    for (let i = 0; i < 10; i++) ask(responder, `x${i}.org.p1`, TYPE.TXT);
    assert.equal(signer.count - before, 20);
    ask(responder, "go4.org.p1", TYPE.TXT, { flags: 0 });
    ask(responder, "nothing", TYPE.TXT, { flags: CO });
    assert.equal(signer.count - before, 20);
  });

  it("are counted, as are signatures", () => {
    const stats = new ServerStats(new SharedArrayBuffer(ServerStats.byteLength));
    const responder = new Responder({ zone, signer: new ZoneSigner(keys), cacheSize: 64, stats });
    for (let i = 0; i < 3; i++) ask(responder, "nothing", TYPE.TXT);
    const { counters } = ServerStats.sum([stats]);
    assert.deepEqual([counters.signatures, counters.cacheMisses, counters.cacheHits], [2, 1, 2]);
    assert.equal(COUNTER.signatures, 0);
  });
});

describe("keys", () => {
  const roll = (...phases: KeyPhase[]): ZoneKeys => {
    const keys = phases.map((phase) => makeZoneKey(ALGORITHM.ECDSAP256SHA256, phase, NOW));
    return { zone: Z, algorithm: ALGORITHM.ECDSAP256SHA256, keys };
  };
  const answers = (keys: ZoneKeys, type: number): WireRecord[] => {
    const responder = new Responder({ zone, signer: new ZoneSigner(keys) });
    return sections(ask(responder, "", type), "answer");
  };
  const rdatas = (records: readonly WireRecord[], type: number): Uint8Array[] =>
    records.filter((record) => record.type === type).map(({ rdata }) => rdata);

  it("are named by the DS, which the CDS repeats and the CDNSKEY says in full", () => {
    const keys = roll("active");
    const signer = new ZoneSigner(keys);
    const [dnskey] = rdatas(answers(keys, TYPE.DNSKEY), TYPE.DNSKEY);
    const [cds] = rdatas(answers(keys, TYPE.CDS), TYPE.CDS);
    const [cdnskey] = rdatas(answers(keys, TYPE.CDNSKEY), TYPE.CDNSKEY);
    assert.ok(dnskey !== undefined && cds !== undefined);
    assert.deepEqual(cdnskey, dnskey);
    const digest = createHash("sha256").update(APEX).update(dnskey).digest();
    const [tag, algorithm, kind, hex] = (signer.ds[0] ?? "").split(" ");
    assert.deepEqual([tag, algorithm, kind], [String(keyTagOf(dnskey)), "13", "2"]);
    assert.equal(hex?.toLowerCase(), digest.toString("hex"));
    assert.deepEqual(
      Buffer.from(cds),
      Buffer.concat([Uint8Array.of(keyTagOf(dnskey) >> 8, keyTagOf(dnskey) & 255, 13, 2), digest]),
    );
  });

  it("that are rolled stand side by side, and either is enough for DNSKEY, CDS and CDNSKEY", () => {
    for (const phases of [
      ["active", "published"],
      ["retired", "active"],
    ] as const) {
      const keys = roll(...phases);
      const signer = new ZoneSigner(keys);
      const responder = new Responder({ zone, signer, cacheSize: 64 });
      assert.equal(rdatas(answers(keys, TYPE.DNSKEY), TYPE.DNSKEY).length, 2);
      for (const dnskey of signer.dnskeyRdatas) {
        for (const type of [TYPE.DNSKEY, TYPE.CDS, TYPE.CDNSKEY]) {
          const reply = ask(responder, "", type);
          const mine = sections(reply, "answer").filter(
            (record) => record.type !== TYPE.RRSIG || readRrsig(record.rdata).keyTag === keyTagOf(dnskey),
          );
          const only = { ...reply, records: mine };
          assert.equal(new Validator(APEX, [dnskey]).validate(only, NOW).kind, "answer");
        }
      }
      const active = keys.keys.find(({ phase }) => phase === "active")?.keyTag;
      const names = ["", "go4.org.p1", "nothing"].flatMap((name) => ask(responder, name, TYPE.TXT).records);
      for (const rdata of rdatas(names, TYPE.RRSIG)) assert.equal(readRrsig(rdata).keyTag, active);
    }
  });

  it("whose DS is gone are not announced to the parent", () => {
    const keys = roll("retired", "active");
    const [retired, active] = new ZoneSigner(keys).dnskeyRdatas;
    assert.ok(retired !== undefined && active !== undefined);
    assert.deepEqual(rdatas(answers(keys, TYPE.CDNSKEY), TYPE.CDNSKEY), [active]);
    assert.equal(rdatas(answers(keys, TYPE.CDS), TYPE.CDS).length, 1);
  });

  it("of a DNSKEY answer fit 1,232 bytes while they are rolled", () => {
    const responder = new Responder({ zone, signer: new ZoneSigner(roll("active", "published")) });
    const reply = ask(responder, "", TYPE.DNSKEY, { transport: "udp" });
    assert.equal(reply.flags & 0x200, 0);
    assert.deepEqual(typesOf(reply.records), [TYPE.DNSKEY, TYPE.DNSKEY, TYPE.RRSIG, TYPE.RRSIG]);
  });
});

describe("a zone that is signed before its first epoch", () => {
  it("validates, and below the log says SERVFAIL", () => {
    const responder = new Responder({ zone, signer: ed25519, cacheSize: 64 });
    const validator = new Validator(APEX, ed25519.dnskeyRdatas);
    const data = makeData({ epoch: 0, headVersion: 0 });
    for (const [name, type, kind] of [
      ["", TYPE.SOA, "answer"],
      ["", TYPE.DNSKEY, "answer"],
      ["", TYPE.TXT, "nodata"],
      ["p1", TYPE.TXT, "nodata"],
      ["nothing", TYPE.TXT, "nxdomain"],
    ] as const) {
      assert.equal(validator.validate(ask(responder, name, type, { data }), NOW).kind, kind, name);
    }
    for (const name of ["_head.p1", "go4.org.p1", "com.v0"]) {
      const reply = ask(responder, name, TYPE.TXT, { data });
      assert.deepEqual([reply.rcode, reply.records.length, reply.flags & 0x0400], [2, 0, 0], name);
    }
  });
});

describe("the validator of these tests", () => {
  const responder = new Responder({ zone, signer: ed25519 });
  const validator = (): Validator => new Validator(APEX, ed25519.dnskeyRdatas);
  const reply = ask(responder, "nothing", TYPE.TXT);
  const change = (
    message: WireMessage,
    type: number,
    with_: (record: WireRecord) => Partial<WireRecord>,
  ): WireMessage => ({
    ...message,
    records: message.records.map((record) => (record.type === type ? { ...record, ...with_(record) } : record)),
  });
  const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((b, i) => (i === at ? b ^ 1 : b));

  it("refuses any change of what is signed", () => {
    validator().validate(reply, NOW);
    const nsec = reply.records.find(({ type }) => type === TYPE.NSEC)?.rdata ?? new Uint8Array(0);
    const rrsig = reply.records.find(({ type }) => type === TYPE.RRSIG)?.rdata ?? new Uint8Array(0);
    const bad: WireMessage[] = [
      ...Array.from(nsec, (_, i) => change(reply, TYPE.NSEC, ({ rdata }) => ({ rdata: flipped(rdata, i) }))),
      ...Array.from(rrsig, (_, i) => change(reply, TYPE.RRSIG, ({ rdata }) => ({ rdata: flipped(rdata, i) }))),
      change(reply, TYPE.SOA, ({ rdata }) => ({ rdata: flipped(rdata, rdata.length - 1) })),
      change(reply, TYPE.SOA, () => ({ ttl: 299 })),
      { ...reply, records: reply.records.slice(0, 3) },
      { ...reply, records: reply.records.filter(({ type }) => type !== TYPE.NSEC) },
      { ...reply, records: reply.records.slice(2) },
      { ...reply, rcode: 2 },
    ];
    for (const message of bad) assert.throws(() => validator().validate(message, NOW));
    assert.throws(() => validator().validate(reply, NOW - 2 * HOUR));
    assert.throws(() => validator().validate(reply, NOW + 9 * 86_400));
    assert.throws(() => new Validator(APEX, makeSigner(ALGORITHM.ED25519).dnskeyRdatas).validate(reply, NOW));
  });
});
