import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { before, describe, it } from "node:test";
import { inspect } from "node:util";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { ALGORITHM, generatePrivateKey } from "../../../src/dns/dnssec/algorithm.ts";
import { decodeRrsig, verifyRrsig } from "../../../src/dns/dnssec/rrsig.ts";
import { SIGNATURE_REFRESH, ZoneSigner } from "../../../src/dns/dnssec/signer.ts";
import { keyTagOf, makeZoneKey, makeZoneKeys, type ZoneKeys } from "../../../src/dns/dnssec/zone-keys.ts";
import { TYPE } from "../../../src/dns/message.ts";
import { parseName } from "../../../src/dns/name.ts";
import { concatBytes } from "../../../src/vindex/bytes.ts";
import { codecs, framed, wire } from "./wire.ts";

const ZONE = "l.example.org";
const APEX = parseName(ZONE);
const OWNER = wire("mod.x._.golang.org.p1.l.example.org");
const LABELS = 9;
const NOW = 1_790_000_000;
const RDATA = Uint8Array.of(5, 1, 2, 3, 4, 5);
const ALGORITHMS = [ALGORITHM.ECDSAP256SHA256, ALGORITHM.ED25519] as const;

const signers = new Map(ALGORITHMS.map((algorithm) => [algorithm, new ZoneSigner(makeZoneKeys(ZONE, algorithm, NOW))]));
const signerOf = (algorithm: (typeof ALGORITHMS)[number]): ZoneSigner => signers.get(algorithm) as ZoneSigner;
const only = (rdatas: readonly Uint8Array[]): Uint8Array => {
  assert.equal(rdatas.length, 1);
  return rdatas[0] as Uint8Array;
};

for (const algorithm of ALGORITHMS) {
  describe(`a signature of algorithm ${algorithm}`, () => {
    const signer = signerOf(algorithm);

    it("has the fields that were asked for, and verifies", () => {
      const rdata = only(signer.sign(OWNER, LABELS, TYPE.TXT, 300, [RDATA], NOW));
      const rrset = { owner: OWNER, type: TYPE.TXT, ttl: 300, rdatas: [RDATA] };
      const rrsig = verifyRrsig(rrset, rdata, APEX, signer.dnskeyRdatas, NOW);
      assert.equal(rrsig.typeCovered, TYPE.TXT);
      assert.equal(rrsig.algorithm, algorithm);
      assert.equal(rrsig.labels, LABELS);
      assert.equal(rrsig.originalTtl, 300);
      assert.equal(rrsig.inception, NOW - 3600);
      assert.equal(rrsig.keyTag, signer.keyTag);
      assert.deepEqual(rrsig.signer, APEX);
      assert.equal(rrsig.signature.length, 64);
    });

    it("is what dns-packet reads", () => {
      const rdata = only(signer.sign(OWNER, LABELS, TYPE.TXT, 300, [RDATA], NOW));
      const rrsig = decodeRrsig(rdata);
      assert.deepEqual(codecs.rrsig.decode(framed(rdata)), {
        typeCovered: "TXT",
        algorithm,
        labels: LABELS,
        originalTTL: 300,
        expiration: rrsig?.expiration,
        inception: NOW - 3600,
        keyTag: signer.keyTag,
        signersName: ZONE,
        signature: Buffer.from(rrsig?.signature ?? []),
      });
    });

    it("is refused after any one-bit change of it, of its record or of its owner", () => {
      const rdata = only(signer.sign(OWNER, LABELS, TYPE.TXT, 300, [RDATA], NOW));
      const flip = (bytes: Uint8Array, bit: number): Uint8Array => {
        const out = bytes.slice();
        out[bit >> 3] = (out[bit >> 3] as number) ^ (1 << (bit & 7));
        return out;
      };
      const refuse = (owner: Uint8Array, record: Uint8Array, rrsig: Uint8Array, what: string): void => {
        const rrset = { owner, type: TYPE.TXT, rdatas: [record] };
        assert.throws(() => verifyRrsig(rrset, rrsig, APEX, signer.dnskeyRdatas, NOW), { code: "BAD_SIGNATURE" }, what);
      };
      for (let bit = 0; bit < 8 * rdata.length; bit++)
        refuse(OWNER, RDATA, flip(rdata, bit), `bit ${bit} of the RRSIG`);
      for (let bit = 0; bit < 8 * RDATA.length; bit++)
        refuse(OWNER, flip(RDATA, bit), rdata, `bit ${bit} of the record`);
      for (let bit = 0; bit < 8 * OWNER.length; bit++)
        refuse(flip(OWNER, bit), RDATA, rdata, `bit ${bit} of the owner`);
      for (let cut = 0; cut < rdata.length; cut++) refuse(OWNER, RDATA, rdata.subarray(0, cut), `cut at ${cut}`);
      refuse(OWNER, RDATA, concatBytes(rdata, Uint8Array.of(0)), "a byte more");
    });

    it("is over the records in canonical order, whatever order they come in, and leaves them alone", () => {
      fc.assert(
        fc.property(
          fc.uniqueArray(fc.uint8Array({ maxLength: 4 }), { minLength: 1, maxLength: 6, comparator: sameBytes }),
          (rdatas) => {
            const before = rdatas.map((rdata) => rdata.slice());
            const rrsig = only(signer.sign(OWNER, LABELS, TYPE.A, 60, rdatas, NOW));
            assert.deepEqual(rdatas, before);
            const sorted = [...rdatas].sort((a, b) => Buffer.compare(a, b));
            verifyRrsig({ owner: OWNER, type: TYPE.A, rdatas: sorted }, rrsig, APEX, signer.dnskeyRdatas, NOW);
          },
        ),
        { numRuns: 200 },
      );
    });

    it("fits records of every size", () => {
      for (const size of [0, 1, 255, 256, 4000, 4096, 20_000, 64_753, 65_535]) {
        const rdatas = [new Uint8Array(size).fill(0xab)];
        const rrsig = only(signer.sign(OWNER, LABELS, TYPE.TXT, 300, rdatas, NOW));
        verifyRrsig({ owner: OWNER, type: TYPE.TXT, rdatas }, rrsig, APEX, signer.dnskeyRdatas, NOW);
      }
    });

    it("fits the apex, and names up to the longest", () => {
      for (const name of ["", "a.", "\\000.", `${"b".repeat(47)}.${`${"a".repeat(63)}.`.repeat(3)}`]) {
        const owner = wire(`${name}${ZONE}`);
        const labels = name.split(".").length - 1 + 3;
        const rrsig = only(signer.sign(owner, labels, TYPE.NSEC, 300, [RDATA], NOW));
        verifyRrsig({ owner, type: TYPE.NSEC, rdatas: [RDATA] }, rrsig, APEX, signer.dnskeyRdatas, NOW);
      }
    });

    it("does not alias the buffer that the next one is made in", () => {
      const first = only(signer.sign(OWNER, LABELS, TYPE.TXT, 300, [RDATA], NOW));
      const copy = first.slice();
      signer.sign(APEX, 3, TYPE.SOA, 60, [new Uint8Array(9000)], NOW + 1);
      assert.deepEqual(first, copy);
      assert.equal(first.buffer.byteLength, first.length);
    });

    it("depends on nothing that was signed before", () => {
      const fresh = new ZoneSigner(makeZoneKeys(ZONE, algorithm, NOW));
      fresh.sign(APEX, 3, TYPE.SOA, 0x7fff_ffff, [new Uint8Array(20_000).fill(0xff)], 0xffff_ffff);
      const rdatas = [Uint8Array.of(2), Uint8Array.of(1)];
      const rrsig = only(fresh.sign(wire(`a.${ZONE}`), 4, TYPE.A, 0, rdatas, NOW));
      const read = verifyRrsig(
        { owner: wire(`a.${ZONE}`), type: TYPE.A, rdatas },
        rrsig,
        APEX,
        fresh.dnskeyRdatas,
        NOW,
      );
      assert.equal(read.originalTtl, 0);
    });

    it("passes the check at a start", () => signer.selfCheck(NOW));
  });
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

describe("the label count of a signature", () => {
  it("leaves out a leftmost *, and no other", () => {
    const signer = signerOf(ALGORITHM.ECDSAP256SHA256);
    for (const [name, count] of [
      ["*.l.example.org", 3],
      ["*.p1.l.example.org", 4],
      ["a.*.l.example.org", 5],
      ["**.l.example.org", 4],
      ["l.example.org", 3],
    ] as const) {
      const owner = wire(name);
      const labels = name.split(".").length;
      const rrsig = only(signer.sign(owner, labels, TYPE.NSEC, 300, [RDATA], NOW));
      assert.equal(decodeRrsig(rrsig)?.labels, count, name);
      verifyRrsig({ owner, type: TYPE.NSEC, rdatas: [RDATA] }, rrsig, APEX, signer.dnskeyRdatas, NOW);
    }
  });
});

describe("the times of a signature", () => {
  const signer = signerOf(ALGORITHM.ECDSAP256SHA256);
  const times = (owner: Uint8Array, type: number, now: number): { inception: number; expiration: number } => {
    const rrsig = decodeRrsig(only(signer.sign(owner, 4, type, 300, [RDATA], now)));
    assert.ok(rrsig !== undefined);
    return rrsig;
  };

  it("leave seven to eight days, more than two days longer than anyone may use it", () => {
    const lives = new Set<number>();
    for (let i = 0; i < 300; i++) {
      const { expiration } = times(wire(`n${i}.${ZONE}`), TYPE.TXT, NOW);
      const life = expiration - NOW;
      assert.ok(life >= 7 * 86_400 && life < 8 * 86_400, String(life));
      lives.add(life);
    }
    // Refreshed after a day, kept in a reply for a day, and in a cache for the longest TTL.
    assert.ok(7 * 86_400 - 2 * SIGNATURE_REFRESH - 86_400 > 86_400);
    assert.ok(lives.size > 250, `${lives.size} of 300 differ`);
    assert.ok(Math.max(...lives) - Math.min(...lives) > 80_000);
  });

  it("are the same for the same name and type at the same time, and differ for others", () => {
    const a = times(OWNER, TYPE.TXT, NOW);
    assert.deepEqual(times(OWNER, TYPE.TXT, NOW).expiration, a.expiration);
    assert.notEqual(times(OWNER, TYPE.NSEC, NOW).expiration, a.expiration);
    assert.equal(times(OWNER, TYPE.TXT, NOW + 5).expiration, a.expiration + 5);
  });

  it("are those of whole seconds if the time is not one", () => {
    const { inception, expiration } = times(OWNER, TYPE.TXT, NOW + 0.75);
    assert.equal(inception, NOW - 3600);
    assert.equal(expiration, times(OWNER, TYPE.TXT, NOW).expiration);
  });

  it("are numbers modulo 2^32, before, across and after the turn in 2106", () => {
    for (const now of [
      2 ** 31 - 100,
      2 ** 31 + 4000,
      2 ** 32 - 8 * 86_400,
      2 ** 32 - 100,
      2 ** 32,
      2 ** 32 + 10 ** 6,
      2 ** 33 + 5,
    ]) {
      const rrsig = only(signer.sign(OWNER, LABELS, TYPE.TXT, 300, [RDATA], now));
      const rrset = { owner: OWNER, type: TYPE.TXT, rdatas: [RDATA] };
      const read = verifyRrsig(rrset, rrsig, APEX, signer.dnskeyRdatas, now);
      assert.equal(read.inception, (now - 3600) % 2 ** 32);
      for (const wrong of [now - 3601, now + 8 * 86_400]) {
        assert.throws(() => verifyRrsig(rrset, rrsig, APEX, signer.dnskeyRdatas, wrong), { code: "BAD_SIGNATURE" });
      }
    }
  });
});

describe("signing", () => {
  const signer = signerOf(ALGORITHM.ED25519);

  it("refuses no records, the same record twice, and one that no message holds", () => {
    const sign = (rdatas: readonly Uint8Array[]): unknown => signer.sign(OWNER, LABELS, TYPE.TXT, 300, rdatas, NOW);
    assert.throws(() => sign([]), RangeError);
    assert.throws(() => sign([RDATA, RDATA.slice()]), RangeError);
    assert.throws(() => sign([RDATA, Uint8Array.of(9), RDATA.slice()]), RangeError);
    assert.throws(() => sign([new Uint8Array(0), new Uint8Array(0)]), RangeError);
    assert.throws(() => sign([new Uint8Array(65_536)]), RangeError);
    assert.throws(() => sign([RDATA, new Uint8Array(65_536)]), RangeError);
    // And goes on after it.
    verifyRrsig(
      { owner: OWNER, type: TYPE.TXT, rdatas: [RDATA] },
      only(signer.sign(OWNER, LABELS, TYPE.TXT, 300, [RDATA], NOW)),
      APEX,
      signer.dnskeyRdatas,
      NOW,
    );
  });

  it("takes records that are the same but for their lengths", () => {
    signer.sign(OWNER, LABELS, TYPE.TXT, 300, [Uint8Array.of(0), Uint8Array.of(0, 0), new Uint8Array(0)], NOW);
  });
});

describe("a signer", () => {
  const key = (algorithm: (typeof ALGORITHMS)[number], phase: "active" | "published" | "retired") =>
    makeZoneKey(algorithm, phase, NOW);
  const old = key(ALGORITHM.ECDSAP256SHA256, "active");
  const next = key(ALGORITHM.ECDSAP256SHA256, "published");
  const keys = (...list: ZoneKeys["keys"]): ZoneKeys => ({ zone: ZONE, algorithm: 13, keys: list });
  const rolling = new ZoneSigner(keys(old, next));
  const turned = new ZoneSigner(keys({ ...next, phase: "active" }, { ...old, phase: "retired" }));
  const alone = new ZoneSigner(keys(old));

  it("has the DNSKEY and DS that dns-packet reads", () => {
    const { flags, algorithm, key: publicKey } = codecs.dnskey.decode(framed(alone.dnskeyRdatas[0] as Uint8Array));
    assert.deepEqual([flags, algorithm, publicKey.length], [257, 13, 64]);
    const ds = codecs.ds.decode(framed(alone.cdsRdatas[0] as Uint8Array));
    const { keyTag, digestType, digest } = ds;
    assert.deepEqual([keyTag, ds.algorithm, digestType], [old.keyTag, 13, 2]);
    assert.deepEqual(alone.ds, [`${old.keyTag} 13 2 ${digest.toString("hex").toUpperCase()}`]);
    assert.deepEqual(alone.cdnskeyRdatas, alone.dnskeyRdatas);
  });

  it("with a published key signs by the old one, and announces both", () => {
    assert.equal(rolling.keyTag, old.keyTag);
    assert.equal(rolling.dnskeyRdatas.length, 2);
    assert.equal(rolling.cdsRdatas.length, 2);
    assert.deepEqual(rolling.cdnskeyRdatas, rolling.dnskeyRdatas);
    assert.equal(decodeRrsig(only(rolling.sign(OWNER, LABELS, TYPE.TXT, 300, [RDATA], NOW)))?.keyTag, old.keyTag);
  });

  it("with a retired key signs by the new one, and announces it alone", () => {
    assert.equal(turned.keyTag, next.keyTag);
    assert.equal(turned.dnskeyRdatas.length, 2);
    assert.deepEqual(turned.cdnskeyRdatas, [rolling.dnskeyRdatas[1]]);
    assert.deepEqual(turned.ds, [rolling.ds[1]]);
    assert.equal(decodeRrsig(only(turned.sign(OWNER, LABELS, TYPE.TXT, 300, [RDATA], NOW)))?.keyTag, next.keyTag);
  });

  it("signs DNSKEY, CDS and CDNSKEY by every key, so that each path from a DS leads to them", () => {
    for (const signer of [rolling, turned]) {
      for (const [type, rdatas] of [
        [TYPE.DNSKEY, signer.dnskeyRdatas],
        [TYPE.CDS, signer.cdsRdatas],
        [TYPE.CDNSKEY, signer.cdnskeyRdatas],
      ] as const) {
        const rrsigs = signer.sign(APEX, 3, type, 3600, rdatas, NOW);
        const tags = rrsigs.map((rrsig, i) => {
          const only = [signer.dnskeyRdatas[i] as Uint8Array];
          return verifyRrsig({ owner: APEX, type, ttl: 3600, rdatas }, rrsig, APEX, only, NOW).keyTag;
        });
        assert.deepEqual(new Set(tags), new Set([old.keyTag, next.keyTag]));
      }
      signer.selfCheck(NOW);
    }
    assert.equal(alone.sign(APEX, 3, TYPE.DNSKEY, 3600, alone.dnskeyRdatas, NOW).length, 1);
  });

  it("is refused without exactly one active key of the algorithm and tag that are named", () => {
    const other = key(ALGORITHM.ED25519, "active");
    const rsa = { ...old, privateKey: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey };
    const p384 = { ...old, privateKey: generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey };
    const bad: Record<string, ZoneKeys> = {
      "no key": keys(),
      "no active key": keys(next),
      "two active keys": keys(old, { ...next, phase: "active" }),
      "a key of another algorithm": keys(old, { ...other, phase: "published" }),
      "an RSA key": keys(rsa),
      "a key of another curve": keys(p384),
      "another tag": keys({ ...old, keyTag: old.keyTag ^ 1 }),
    };
    for (const [what, list] of Object.entries(bad)) assert.throws(() => new ZoneSigner(list), RangeError, what);
  });

  it("whose key is not what it publishes is found at the start, without showing it", () => {
    const signer = new ZoneSigner(keys(old));
    const wrong = (signer.dnskeyRdatas[0] as Uint8Array).slice();
    wrong[10] = (wrong[10] as number) ^ 1;
    // The array is the signer's own: as if the public key in a file were another one.
    (signer.dnskeyRdatas[0] as Uint8Array).set(wrong);
    assert.throws(
      () => signer.selfCheck(NOW),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, "KEY_UNUSABLE");
        assert.match(error.message, new RegExp(`key ${old.keyTag} `));
        return true;
      },
    );
  });

  it("shows no key material when it, or its keys, are printed", () => {
    const { d = "" } = old.privateKey.export({ format: "jwk" });
    const der = old.privateKey.export({ format: "der", type: "pkcs8" });
    for (const shown of [
      inspect(keys(old), { depth: 20, showHidden: true }),
      inspect(alone, { depth: 20, showHidden: true }),
    ]) {
      assert.ok(!shown.includes(d) && !shown.includes(der.toString("hex").slice(60, 80)));
    }
    assert.ok(!JSON.stringify(keys(old)).includes(d));
  });
});

describe("keys", () => {
  let reply: { rrsigs: readonly Uint8Array[]; tag: number };
  const keys = makeZoneKeys(ZONE, ALGORITHM.ECDSAP256SHA256, NOW);

  before(async () => {
    // Plain code, so that the thread needs no loader: what is tested is that the keys arrive and sign.
    const code = `
      const { workerData, parentPort } = require("node:worker_threads");
      const { sign } = require("node:crypto");
      const [key] = workerData.keys.keys;
      parentPort.postMessage({ tag: key.keyTag, rrsigs: [sign("sha256", Buffer.from("x"), key.privateKey)] });
    `;
    const worker = new Worker(code, { eval: true, workerData: { keys }, execArgv: [] });
    reply = await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    await worker.terminate();
  });

  it("can be sent to a thread", () => {
    assert.equal(reply.tag, keys.keys[0]?.keyTag);
    assert.ok((reply.rrsigs[0]?.length ?? 0) >= 68);
  });

  it("make the same signer after they were copied", () => {
    const [a, b] = [new ZoneSigner(keys), new ZoneSigner(structuredClone(keys))];
    assert.deepEqual(b.ds, a.ds);
    const rrsig = only(b.sign(OWNER, LABELS, TYPE.TXT, 300, [RDATA], NOW));
    verifyRrsig({ owner: OWNER, type: TYPE.TXT, rdatas: [RDATA] }, rrsig, APEX, a.dnskeyRdatas, NOW);
  });

  it("are named by their zone in lower case", () => {
    assert.equal(makeZoneKeys("L.Example.ORG.", 15, NOW).zone, "l.example.org");
    assert.throws(() => makeZoneKeys("", 15, NOW), { code: "MALFORMED_NAME" });
  });

  it("are made until their tag is free", () => {
    // Half of all tags are taken: one of two keys has to be made again.
    const taken = Array.from({ length: 32_768 }, (_, i) => 2 * i);
    for (let i = 0; i < 20; i++) assert.equal(makeZoneKey(15, "active", NOW, taken).keyTag % 2, 1);
    assert.throws(() => keyTagOf(13, generateKeyPairSync("x25519").privateKey), TypeError);
    assert.equal(generatePrivateKey(15).asymmetricKeyType, "ed25519");
  });
});
