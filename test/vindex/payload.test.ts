import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import type { Cosignature } from "../../src/vindex/cosignature.ts";
import {
  type AnswerPayload,
  decodeAnswer,
  decodeHead,
  decodeLogProof,
  decodePage,
  encodeAnswer,
  encodeHead,
  encodeLogProof,
  encodePage,
  type HeadPayload,
  MAX_PAYLOAD_LENGTH,
  PAGE_LENGTH,
  sortCosignatures,
  type VersionEntry,
} from "../../src/vindex/payload.ts";
import { encodeVarint } from "../../src/vindex/varint.ts";
import {
  flipBit,
  hash,
  hashOf,
  inBoundedTime,
  longTexts,
  offsetView,
  refusalOf,
  safeInteger,
  signature,
  versionText,
} from "./samples.ts";

const malformed = { code: "MALFORMED_ANSWER" };
const plain = { noNullPrototype: true } as const;
const epoch = safeInteger.filter((n) => n >= 1);

const cosignatures: fc.Arbitrary<Cosignature[]> = fc
  .uniqueArray(
    fc.record(
      {
        keyId: fc.nat(2 ** 32 - 1),
        time: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 ** 53 - 1 })),
        signature,
      },
      plain,
    ),
    { selector: ({ keyId }) => keyId, maxLength: 5 },
  )
  .map(sortCosignatures);
const head: fc.Arbitrary<HeadPayload> = fc.record(
  {
    epoch,
    logSignature: signature,
    mapRoot: hash,
    treeHead: fc.record({ treeSize: safeInteger, rootHash: hash }, plain),
    sumdbSignature: signature,
    cosignatures,
    form: fc.constantFrom("plain" as const, "since" as const),
    hashes: fc.array(hash, { maxLength: 5 }),
  },
  plain,
);

const path = fc.uniqueArray(fc.nat(255), { maxLength: 8 }).chain((bits) =>
  fc.record(
    {
      bits: fc.constant(bits.sort((a, b) => b - a)),
      siblings: fc.array(hash, { minLength: bits.length, maxLength: bits.length }),
    },
    plain,
  ),
);
const printable = fc.integer({ min: 0x20, max: 0x7e }).map((c) => String.fromCharCode(c));
const valueText = fc.string({ unit: printable, minLength: 1, maxLength: 255 });
const sectionText = fc.string({ unit: fc.oneof(printable, fc.constant("\n")), minLength: 1, maxLength: 300 });
const bytes = (n: number): Uint8Array => new Uint8Array(n).fill(0x61);

const present: fc.Arbitrary<AnswerPayload> = fc
  .record({ text: valueText, epoch, path, state: fc.option(sectionText), majors: fc.option(sectionText) })
  .map(({ text, epoch: e, path: p, state, majors }) => ({
    text,
    epoch: e,
    proof: { kind: "inclusion", path: p },
    ...(state === null ? {} : { stateText: state }),
    ...(majors === null ? {} : { majorItems: majors }),
  }));
const absent: fc.Arbitrary<AnswerPayload> = fc.oneof(
  epoch.map((e) => ({ text: "", epoch: e, proof: { kind: "emptyMap" } as const })),
  fc
    .record({ epoch, path, key: hash, value: fc.uint8Array({ minLength: 1, maxLength: 300 }) })
    .map(({ epoch: e, path: p, key, value }) => ({
      text: "",
      epoch: e,
      proof: { kind: "nonInclusion" as const, path: p, other: { indexKey: key, value } },
    })),
);

const entries: fc.Arbitrary<VersionEntry[]> = fc
  .uniqueArray(fc.record({ logIndex: safeInteger, version: versionText, zipHash: hash, goModHash: hash }, plain), {
    selector: ({ logIndex }) => logIndex,
    minLength: 1,
    maxLength: 6,
  })
  .map((list) => list.sort((a, b) => a.logIndex - b.logIndex));

/** Hashes as hex, so that views and copies compare equal. */
const shape = (x: unknown): unknown =>
  JSON.parse(JSON.stringify(x, (_, v: unknown) => (v instanceof Uint8Array ? Buffer.from(v).toString("hex") : v)));

type Codec = { name: string; decode: (payload: Uint8Array) => unknown; encode: (value: never) => Uint8Array };
const codecs: Codec[] = [
  { name: "plain head", decode: (b) => decodeHead(b, "plain"), encode: encodeHead },
  { name: "since head", decode: (b) => decodeHead(b, "since"), encode: encodeHead },
  { name: "answer", decode: decodeAnswer, encode: encodeAnswer },
  { name: "page", decode: decodePage, encode: encodePage },
  { name: "log proof", decode: decodeLogProof, encode: encodeLogProof },
];
/** Decodes by every decoder; what one accepts must encode to the same bytes. Returns who accepted. */
function accepted(payload: Uint8Array): string[] {
  return codecs.flatMap(({ name, decode, encode }) => {
    const decoded = refusalOf(() => decode(payload));
    if (decoded === undefined) return [];
    assert.deepEqual(Buffer.from(encode(decoded as never)), Buffer.from(payload), name);
    return [name];
  });
}

const aHead: HeadPayload = {
  epoch: 300,
  logSignature: bytes(64),
  mapRoot: hashOf("map"),
  treeHead: { treeSize: 70_000, rootHash: hashOf("root") },
  sumdbSignature: bytes(64),
  cosignatures: [
    { keyId: 7, time: 1_790_000_000, signature: bytes(64) },
    { keyId: 9, time: 1_790_000_000, signature: bytes(64) },
    { keyId: 1, time: 1_790_000_060, signature: bytes(64) },
  ],
  form: "plain",
  hashes: [hashOf(1), hashOf(2)],
};
const aPath = { bits: [17, 3, 0], siblings: [hashOf(1), hashOf(2), hashOf(3)] };
const anAnswer: AnswerPayload = {
  text: "v=v1.0.0 i=7",
  epoch: 300,
  proof: { kind: "inclusion", path: aPath },
  stateText: "n 1\n",
  majorItems: "p=v2",
};
const anAbsence: AnswerPayload = {
  text: "",
  epoch: 300,
  proof: { kind: "nonInclusion", path: aPath, other: { indexKey: hashOf("other"), value: encodeUtf8("v=v1.0.0") } },
};
const anEntry: VersionEntry = { logIndex: 5, version: "v1.0.0", zipHash: hashOf(1), goModHash: hashOf(2) };
const samples: { payload: Uint8Array; by: string }[] = [
  { payload: encodeHead(aHead), by: "plain head" },
  { payload: encodeHead({ ...aHead, form: "since", hashes: [] }), by: "since head" },
  { payload: encodeHead({ ...aHead, cosignatures: [] }), by: "plain head" },
  { payload: encodeAnswer(anAnswer), by: "answer" },
  { payload: encodeAnswer(anAbsence), by: "answer" },
  { payload: encodeAnswer({ text: "", epoch: 1, proof: { kind: "emptyMap" } }), by: "answer" },
  { payload: encodePage([anEntry, { ...anEntry, logIndex: 300 }]), by: "page" },
  { payload: encodeLogProof([hashOf(1), hashOf(2)]), by: "log proof" },
  { payload: encodeLogProof([]), by: "log proof" },
];

describe("payloads", () => {
  it("of heads decode to what they were encoded from", () => {
    fc.assert(
      fc.property(head, (h) => {
        const payload = offsetView(encodeHead(h));
        assert.deepEqual(shape(decodeHead(payload, h.form)), shape(h));
        assert.throws(() => decodeHead(payload, h.form === "plain" ? "since" : "plain"), malformed);
      }),
    );
  });

  it("of heads do not depend on the order of the cosignatures", () => {
    fc.assert(
      fc.property(head, (h) => {
        assert.deepEqual(encodeHead({ ...h, cosignatures: [...h.cosignatures].reverse() }), encodeHead(h));
      }),
    );
  });

  it("of answers decode to what they were encoded from", () => {
    fc.assert(
      fc.property(fc.oneof(present, absent), (a) =>
        assert.deepEqual(shape(decodeAnswer(offsetView(encodeAnswer(a)))), shape(a)),
      ),
      { numRuns: 300 },
    );
  });

  it("of pages and log proofs decode to what they were encoded from", () => {
    fc.assert(
      fc.property(entries, fc.array(hash, { maxLength: 60 }), (list, hashes) => {
        assert.deepEqual(shape(decodePage(offsetView(encodePage(list)))), shape(list));
        assert.deepEqual(shape(decodeLogProof(offsetView(encodeLogProof(hashes)))), shape(hashes));
      }),
    );
  });

  it("are each accepted by one decoder", () => {
    for (const { payload, by } of samples) assert.deepEqual(accepted(payload), [by]);
  });

  it("have known bytes", () => {
    assert.equal(
      Buffer.from(encodeAnswer({ text: "", epoch: 300, proof: { kind: "emptyMap" } })).toString("hex"),
      "07ac02",
    );
    const short = { ...anAnswer, proof: { kind: "inclusion" as const, path: { bits: [], siblings: [] } } };
    assert.equal(
      Buffer.from(encodeAnswer(short)).toString("latin1"),
      "v=v1.0.0 i=7\u0005\u00ac\u0002\u0000\u0008\u0004n 1\n\u0009\u0004p=v2",
    );
    const page = Buffer.from(encodePage([anEntry])).toString("latin1");
    assert.ok(page.startsWith("\u000b\u0001\u0005\u0006v1.0.0"));
    assert.equal(encodeHead({ ...aHead, cosignatures: [], hashes: [] }).length, 1 + 2 + 64 + 32 + 3 + 32 + 64 + 1);
  });

  it("are refused at every length but their own", () => {
    for (const { payload, by } of samples) {
      for (let n = 0; n < payload.length; n++) {
        // Hashes at the end run to the end: a payload with fewer of them is another one. So is an answer without sections
        // that may be left out: the last two of the first answer have six bytes each.
        if (by === "answer" && payload === samples[3]?.payload && [6, 12].includes(payload.length - n)) continue;
        if (by !== "answer" && by !== "page" && (payload.length - n) % 32 === 0) continue;
        assert.ok(!accepted(payload.slice(0, n)).includes(by), `${by} cut to ${n}`);
      }
      for (const end of [[0], [0x0a], [1], [9, 1, 0x61], [0x61]]) {
        assert.deepEqual(accepted(Uint8Array.from([...payload, ...end])), [], by);
      }
    }
  });

  it("with one bit changed are refused, or are those of something else", () => {
    for (const { payload } of samples) {
      for (let bit = 0; bit < payload.length * 8; bit++) accepted(flipBit(payload, bit));
    }
  });

  it("with one byte changed, put in or taken out are refused, or are those of something else", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        fc.nat(255),
        fc.nat(2),
        ({ payload }, part, byte, how) => {
          const at = Math.floor(part * payload.length);
          const put = how === 0 ? [] : [byte];
          accepted(Uint8Array.from([...payload.slice(0, at), ...put, ...payload.slice(how === 2 ? at : at + 1)]));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("made of any bytes throw nothing but their own error, and what is accepted is canonical", () => {
    const small = fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x0a, 0x0b, 0x0c, 0x20, 0x61, 0x7e, 0x7f, 0x80, 0xff);
    fc.assert(
      fc.property(
        fc.array(small, { maxLength: 12 }),
        fc.nat(6),
        (list, n) => void accepted(Uint8Array.from([...list, ...new Uint8Array(32 * n)])),
      ),
      { numRuns: 2000 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (b) => void accepted(b)));
  });

  it("refuse more bytes than a message over TCP can hold", () => {
    assert.ok(MAX_PAYLOAD_LENGTH + Math.ceil(MAX_PAYLOAD_LENGTH / 255) < 65_535);
    const count = Math.floor((MAX_PAYLOAD_LENGTH - 1) / 32);
    const hashes = Array.from({ length: count }, () => hashOf(1));
    assert.equal(decodeLogProof(encodeLogProof(hashes)).length, count);
    const long = { ...anAnswer, stateText: "x".repeat(MAX_PAYLOAD_LENGTH) };
    assert.throws(() => decodeAnswer(encodeAnswer(long)), malformed);
    assert.throws(() => decodeLogProof(encodeLogProof([...hashes, hashOf(1)])), malformed);
    for (const text of longTexts()) inBoundedTime("decoding", () => accepted(encodeUtf8(text)));
    for (const text of longTexts(64_000))
      inBoundedTime("decoding", () => accepted(Uint8Array.of(...[1, 8, 0x0c], ...encodeUtf8(text).slice(0, 64_000))));
  });
});

describe("heads", () => {
  /** A head with this cosignatures section instead of its own. */
  const withSection = (section: readonly number[]): Uint8Array => {
    const none = encodeHead({ ...aHead, cosignatures: [], hashes: [] });
    return Uint8Array.from([...none.slice(0, -1), ...section, 3]);
  };
  const cosigned = (keyId: number, delta: number): number[] => [0, 0, 0, keyId, ...encodeVarint(delta), ...bytes(64)];

  it("take cosignatures in ascending order", () => {
    assert.equal(decodeHead(withSection([2, 2, ...cosigned(1, 5), ...cosigned(2, 0)]), "plain").cosignatures.length, 2);
    assert.equal(
      decodeHead(withSection([2, 2, ...cosigned(2, 5), ...cosigned(1, 1)]), "plain").cosignatures[1]?.time,
      6,
    );
  });

  it("refuse cosignatures out of order, twice, of time 0, and an empty section", () => {
    const wrong = [
      [2, 0],
      [2, 1],
      [2, 1, ...cosigned(1, 0)],
      [2, 2, ...cosigned(2, 5), ...cosigned(1, 0)],
      [2, 2, ...cosigned(1, 5), ...cosigned(1, 0)],
    ];
    wrong.push(
      [2, 2, ...cosigned(1, 5), ...cosigned(1, 1)],
      [2, 1, ...cosigned(1, 5), ...cosigned(2, 0)],
      [2, 3, ...cosigned(1, 5), ...cosigned(2, 0)],
    );
    wrong.push(
      [2, 2, ...cosigned(1, 2 ** 53 - 1), ...cosigned(2, 1)],
      [2, 1, ...cosigned(1, 5), 2, 1, ...cosigned(2, 5)],
      [2, 255, 255, 255, 255, 15],
    );
    for (const section of wrong)
      assert.throws(() => decodeHead(withSection(section), "plain"), malformed, String(section.slice(0, 8)));
  });

  it("refuse epoch 0, text before the head, and sections out of order", () => {
    const good = encodeHead({ ...aHead, cosignatures: [], hashes: [] });
    const rest = good.slice(3);
    assert.throws(() => decodeHead(Uint8Array.from([1, 0, ...rest]), "plain"), malformed);
    assert.throws(() => decodeHead(Uint8Array.from([0x61, ...good]), "plain"), malformed);
    assert.throws(() => decodeHead(Uint8Array.from([...good, 2, 1, ...cosigned(1, 5)]), "plain"), malformed);
    assert.throws(() => decodeHead(good.slice(0, -1), "plain"), malformed);
    assert.throws(() => decodeHead(Uint8Array.from([1, 0x80, 0, ...rest]), "plain"), malformed);
    assert.ok(decodeHead(Uint8Array.from([1, 1, ...rest]), "plain"));
  });
});

describe("answers", () => {
  const path0 = [0];
  const key = [...hashOf("other")];

  it("refuse an inclusion without text, and absence with text", () => {
    assert.throws(() => decodeAnswer(Uint8Array.from([5, 1, ...path0])), malformed);
    assert.throws(() => decodeAnswer(Uint8Array.from([0x61, 7, 1])), malformed);
    assert.throws(() => decodeAnswer(Uint8Array.from([0x61, 6, 1, ...path0, ...key, 1, 0x61])), malformed);
    assert.throws(() => decodeAnswer(Uint8Array.from([0x61])), malformed);
    assert.throws(() => decodeAnswer(Uint8Array.from([])), malformed);
    assert.ok(decodeAnswer(Uint8Array.from([0x61, 5, 1, ...path0])));
  });

  it("refuse values of over 255 bytes and bytes that are no text", () => {
    assert.ok(decodeAnswer(Uint8Array.from([...bytes(255), 5, 1, 0])));
    assert.throws(() => decodeAnswer(Uint8Array.from([...bytes(256), 5, 1, 0])), malformed);
    for (const b of [0x00, 0x0a, 0x1f, 0x7f, 0x80, 0xff])
      assert.throws(() => decodeAnswer(Uint8Array.from([0x61, b, 5, 1, 0])), malformed);
  });

  it("refuse a state or majors beside absence, empty ones, twice and out of order", () => {
    const state = [8, 1, 0x61];
    const majors = [9, 1, 0x61];
    const inclusion = [0x61, 5, 1, 0];
    assert.ok(decodeAnswer(Uint8Array.from([...inclusion, ...state, ...majors])));
    for (const rest of [
      [7, 1, ...state],
      [7, 1, ...majors],
      [6, 1, ...path0, ...key, 1, 0x61, ...state],
    ]) {
      assert.throws(() => decodeAnswer(Uint8Array.from(rest)), malformed);
    }
    for (const rest of [
      [...majors, ...state],
      [...state, ...state],
      [...majors, ...majors],
      [8, 0],
      [9, 0],
      [8, 2, 0x61],
      [10, 1, 0x61],
      [8, 1, 0x7f],
      [8, 1, 0x09],
      [8, 1, 0x0d],
      [9, 1, 0x80],
    ]) {
      assert.throws(() => decodeAnswer(Uint8Array.from([...inclusion, ...rest])), malformed, String(rest));
    }
    assert.equal(decodeAnswer(Uint8Array.from([...inclusion, 8, 2, 0x61, 0x0a])).stateText, "a\n");
  });

  it("refuse a leaf without value, epoch 0 and malformed paths", () => {
    const wrong = [
      [6, 1, ...path0, ...key, 0],
      [6, 0, ...path0, ...key, 1, 0x61],
      [7, 0],
      [0x61, 5, 0, 0],
      [0x61, 5, 1, 1, 0],
      [0x61, 5, 1, 33],
      [0x61, 5, 1, 1, 0x80],
    ];
    for (const list of [
      ...wrong,
      [6, 1, ...path0, ...key, 2, 0x61],
      [6, 1, ...path0, ...key.slice(1), 1, 0x61],
      [7],
      [7, 1, 0],
    ]) {
      assert.throws(() => decodeAnswer(Uint8Array.from(list)), malformed, String(list.slice(0, 6)));
    }
  });
});

describe("pages", () => {
  const entry = (index: number, version = "v1.0.0"): number[] => [
    index,
    version.length,
    ...encodeUtf8(version),
    ...hashOf(1),
    ...hashOf(2),
  ];

  it("hold 1 to 256 records", () => {
    const full = Array.from({ length: PAGE_LENGTH }, (_, i) => ({ ...anEntry, logIndex: i }));
    assert.equal(decodePage(encodePage(full)).length, 256);
    assert.throws(() => decodePage(encodePage([...full, { ...anEntry, logIndex: 999 }])), malformed);
    assert.throws(() => decodePage(encodePage([])), malformed);
    assert.throws(() => decodePage(Uint8Array.from([0x0b, 0])), malformed);
  });

  it("refuse another count than there are, and indexes that do not ascend", () => {
    assert.ok(decodePage(Uint8Array.from([0x0b, 2, ...entry(1), ...entry(2)])));
    for (const list of [
      [1, ...entry(1), ...entry(2)],
      [3, ...entry(1), ...entry(2)],
      [2, ...entry(2), ...entry(1)],
      [2, ...entry(1), ...entry(1)],
    ]) {
      assert.throws(() => decodePage(Uint8Array.from([0x0b, ...list])), malformed);
    }
  });

  it("refuse versions of 0 or over 90 bytes, and bytes outside 0x21 to 0x7E", () => {
    assert.equal(decodePage(Uint8Array.from([0x0b, 1, ...entry(0, "~".repeat(90))])).length, 1);
    for (const version of ["", "v".repeat(91), "v1 0", "v1\n", "v1\u0000", "v1\u007f"]) {
      assert.throws(
        () => decodePage(Uint8Array.from([0x0b, 1, ...entry(0, version)])),
        malformed,
        JSON.stringify(version),
      );
    }
    const high = Uint8Array.from([0x0b, 1, ...entry(0)]);
    high[5] = 0xe9;
    assert.throws(() => decodePage(high), malformed);
  });
});

describe("log proofs", () => {
  it("refuse text, other tags and parts of hashes", () => {
    for (const list of [
      [],
      [0x61, 0x0c],
      [0x0b],
      [0x0c, 1],
      [0x0c, ...bytes(31)],
      [0x0c, ...bytes(33)],
      [0x0d, ...bytes(32)],
    ]) {
      assert.throws(() => decodeLogProof(Uint8Array.from(list)), malformed);
    }
  });
});
