import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { test } from "node:test";
import { parseName } from "../../src/dns/name.ts";
import { type RecordAt, TYPE } from "./messages.ts";
import { formatDs, readZoneKey, verifyRrset, type ZoneKey } from "./rrsig.ts";

const NOW = 1_790_000_000;
const apex = parseName("l.example.org");
const owner = parseName("a.p1.l.example.org");
const { privateKey, key } = makeKey();

function makeKey(): { privateKey: KeyObject; key: ZoneKey } {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x = "", y = "" } = pair.publicKey.export({ format: "jwk" });
  const head = Buffer.from("0101030d", "hex");
  const rdata = Buffer.concat([head, Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
  return { privateKey: pair.privateKey, key: readZoneKey(rdata) };
}

interface Parts {
  readonly labels?: number;
  readonly originalTtl?: number;
  readonly expiration?: number;
  readonly inception?: number;
  readonly keyTag?: number;
  readonly owner?: Uint8Array;
  readonly ttl?: number;
  readonly signer?: KeyObject;
}

const TXT = Buffer.from("\x03abc\x02de", "latin1");

/** A TXT and the signature over it, right unless a part says otherwise. */
function makeSigned(parts: Parts = {}): RecordAt[] {
  const fixed = Buffer.alloc(18);
  fixed.writeUInt16BE(TYPE.TXT, 0);
  fixed[2] = 13;
  fixed[3] = parts.labels ?? 5;
  fixed.writeUInt32BE(parts.originalTtl ?? 300, 4);
  fixed.writeUInt32BE(parts.expiration ?? NOW + 1000, 8);
  fixed.writeUInt32BE(parts.inception ?? NOW - 1000, 12);
  fixed.writeUInt16BE(parts.keyTag ?? key.keyTag, 16);
  const head = Buffer.concat([fixed, apex]);
  const record = Buffer.from("001000010000012c0007", "hex");
  record.writeUInt32BE(parts.originalTtl ?? 300, 4);
  const data = Buffer.concat([head, owner, record, TXT]);
  const signature = sign("sha256", data, { key: parts.signer ?? privateKey, dsaEncoding: "ieee-p1363" });
  const common = { section: "answer", klass: 1, ttl: parts.ttl ?? 30 } as const;
  return [
    { ...common, owner, type: TYPE.TXT, rdata: TXT },
    { ...common, owner: parts.owner ?? owner, type: TYPE.RRSIG, rdata: Buffer.concat([head, signature]) },
  ];
}

const verifyIt = (records: readonly RecordAt[], keys: readonly ZoneKey[] = [key]): void =>
  verifyRrset(records, "answer", TYPE.TXT, keys, NOW);

test("a right signature verifies, with any TTL up to the signed one", () => {
  verifyIt(makeSigned());
  verifyIt(makeSigned({ ttl: 300 }));
});

test("every changed bit of signature or text is noticed", () => {
  const records = makeSigned();
  for (const changed of [0, 1]) {
    const { rdata } = records[changed] as RecordAt;
    for (let bit = 0; bit < 8 * rdata.length; bit += 7) {
      const other = Buffer.from(rdata);
      other[bit >> 3] = (other[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.throws(() => verifyIt(records.map((record, i) => (i === changed ? { ...record, rdata: other } : record))));
    }
  }
});

test("refuses what is not signed, or by another, or out of its time", () => {
  const [txt, rrsig] = makeSigned() as [RecordAt, RecordAt];
  const stranger = makeKey();
  assert.throws(() => verifyIt([txt]), /no signature/);
  assert.throws(() => verifyIt([rrsig]), /no record/);
  assert.throws(() => verifyIt([txt, { ...rrsig, section: "authority" }]), /no signature/);
  assert.throws(() => verifyIt([txt, txt, rrsig]), /false signature/);
  assert.throws(() => verifyIt(makeSigned(), []), /by a key/);
  assert.throws(() => verifyIt(makeSigned(), [stranger.key]), /by a key|false/);
  assert.throws(() => verifyIt(makeSigned({ signer: stranger.privateKey })), /false signature/);
  assert.throws(() => verifyIt(makeSigned({ expiration: NOW - 1 })), /not of this time/);
  assert.throws(() => verifyIt(makeSigned({ inception: NOW + 1 })), /not of this time/);
  assert.throws(() => verifyIt(makeSigned({ labels: 4 })), /labels/);
  assert.throws(() => verifyIt(makeSigned({ ttl: 301 })), /TTL/);
  assert.throws(() => verifyIt(makeSigned({ owner: apex })), /another name/);
});

test("the DS and key tag of the example of RFC 6605 section 6.1", () => {
  const publicKey = "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";
  const example = readZoneKey(Buffer.concat([Buffer.from("0101030d", "hex"), Buffer.from(publicKey, "base64")]));
  const ds = "55648 13 2 B4C8C1FE2E7477127B27115656AD6256F424625BF5C1E2770CE6D6E37DF61D17";
  assert.equal(formatDs(parseName("example.net"), example), ds);
});

test("refuses keys of other algorithms and lengths", () => {
  const { rdata } = key;
  assert.throws(() => readZoneKey(rdata.subarray(0, 67)), RangeError);
  assert.throws(() => readZoneKey(Uint8Array.from([...rdata, 0])), RangeError);
  assert.throws(() => readZoneKey(rdata.map((byte, i) => (i === 3 ? 15 : byte))), RangeError);
});
