// An unknown key type is quoted by parseSignerKey, and the type is a byte of the seed if the type byte was left out:
// "never quotes key material" fails until it is not.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import {
  computeKeyId,
  formatKeyId,
  formatNote,
  formatNoteSignature,
  formatSignerKey,
  formatVerifierKey,
  isKeyName,
  makeSignerKey,
  makeVerifierKey,
  type NoteSignature,
  parseNote,
  parseNoteSignature,
  parseSignerKey,
  parseVerifierKey,
  signNote,
  verifyNote,
} from "../../src/vindex/note.ts";
import { needsTestData, readVectors, SUM_GOLANG_ORG } from "./reference.ts";
import { anyText, ed25519, flipBit, fromBase64, inBoundedTime, longTexts, refusalOf, seedOf } from "./samples.ts";

const malformed = { code: "MALFORMED_NOTE" };
const badSignature = { code: "BAD_SIGNATURE" };
const key = makeSignerKey("log.example.org/p1", 1, seedOf(1), ed25519);
const other = makeSignerKey("other.example.org", 1, seedOf(2), ed25519);
const text = "log.example.org/p1\n1\nAAAA\n";
const signed = formatNote(text, [signNote(text, key, ed25519)]);
const line = signed.slice(text.length + 1);

const keyName = fc.string({ unit: fc.constantFrom(..."ab.Z0/-é\u{1f600}"), minLength: 1, maxLength: 8 });
const noteSignature: fc.Arbitrary<NoteSignature> = fc.record(
  {
    keyName,
    keyId: fc.nat(2 ** 32 - 1),
    blob: fc.uint8Array({ minLength: 1, maxLength: 80 }),
  },
  { noNullPrototype: true },
);
const noteText = fc.string({ unit: fc.constantFrom(..."a1 \n\n\n—é"), maxLength: 20 }).map((t) => `${t}\n`);

describe("key names", () => {
  it("refuses what is empty or holds a space, a plus or a control character", () => {
    assert.ok(isKeyName("sum.golang.org") && isKeyName("é/\u{1f600}#=%") && isKeyName("—"));
    const wrong = [
      "",
      " ",
      "a b",
      "a+b",
      "+",
      "a\n",
      "a\t",
      "a\r",
      "\u0000",
      "a\u001f",
      "\u0085",
      "\u00a0",
      "\u1680",
      "\u2003",
    ];
    for (const name of [...wrong, "\u2028", "\u2029", "\u202f", "\u205f", "\u3000x", "a\u000b", "a\u000c"]) {
      assert.equal(isKeyName(name), false, JSON.stringify(name));
    }
  });
});

describe("verifier keys", () => {
  it("parses what it formats", () => {
    fc.assert(
      fc.property(
        keyName,
        fc.constantFrom(1, 4),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (name, type, publicKey) => {
          const made = makeVerifierKey(name, type, publicKey);
          const vkey = formatVerifierKey(made);
          assert.deepEqual(parseVerifierKey(vkey), made);
          assert.equal(formatVerifierKey(parseVerifierKey(vkey)), vkey);
        },
      ),
    );
  });

  it("parses the key of the public checksum database", () => {
    const parsed = parseVerifierKey(SUM_GOLANG_ORG);
    assert.equal(parsed.keyName, "sum.golang.org");
    assert.equal(formatKeyId(parsed.keyId), "033de0ae");
    assert.equal(parsed.type, 1);
  });

  it("writes key ids with eight digits", () => {
    assert.equal(formatKeyId(0), "00000000");
    assert.equal(formatKeyId(2 ** 32 - 1), "ffffffff");
  });

  it("binds name, type and key by the key id", () => {
    const ids = new Set([
      computeKeyId("a", 1, seedOf(1)),
      computeKeyId("b", 1, seedOf(1)),
      computeKeyId("a", 4, seedOf(1)),
      computeKeyId("a", 1, seedOf(2)),
    ]);
    assert.equal(ids.size, 4);
  });

  it("refuses every change of one character", () => {
    const vkey = formatVerifierKey(key.verifierKey);
    for (let i = 0; i < vkey.length; i++) {
      for (const c of ["A", "b", "0", "+", "=", " ", "\n"]) {
        if (vkey[i] === c) continue;
        const changed = vkey.slice(0, i) + c + vkey.slice(i + 1);
        assert.throws(() => parseVerifierKey(changed), { code: "MALFORMED_VERIFIER_KEY" }, changed);
      }
    }
  });

  it("refuses other types, lengths and forms", () => {
    const data = (bytes: number[]): string => Buffer.from(bytes).toString("base64");
    const of = (bytes: number[]): string => {
      const id = bytes.length === 0 ? 0 : computeKeyId("a", bytes[0] as number, Uint8Array.from(bytes.slice(1)));
      return `a+${formatKeyId(id)}+${data(bytes)}`;
    };
    const zeros = (n: number): number[] => new Array<number>(n).fill(0);
    const wrong = [
      of([]),
      of([1]),
      of([1, ...zeros(31)]),
      of([1, ...zeros(33)]),
      of([0, ...zeros(32)]),
      of([2, ...zeros(32)]),
    ];
    wrong.push(
      of([5, ...zeros(32)]),
      of([6, ...zeros(1312)]),
      of([0xff, ...zeros(32)]),
      "",
      "+",
      "++",
      "a",
      "a+00000000",
      "a++",
    );
    const good = of([1, ...zeros(32)]);
    assert.ok(parseVerifierKey(good));
    wrong.push(` ${good}`, `${good} `, `${good}\n`, good.slice(1), `PRIVATE+KEY+${good}`, good.replace("a+", "a b+"));
    const capital = formatVerifierKey(other.verifierKey).replace(/\+([0-9a-f]{8})\+/, (match) => match.toUpperCase());
    wrong.push(capital, good.replace(/\+[0-9a-f]/, "+"), `${good}=`, good.slice(0, -1));
    for (const vkey of wrong) {
      if (vkey === formatVerifierKey(other.verifierKey)) continue;
      assert.throws(() => parseVerifierKey(vkey), { code: "MALFORMED_VERIFIER_KEY" }, vkey);
    }
  });

  it("throws nothing but its own error on any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."a+0f=A ") }), (t) => void refusalOf(() => parseVerifierKey(t))),
    );
    for (const t of longTexts()) inBoundedTime("parseVerifierKey", () => refusalOf(() => parseVerifierKey(t)));
  });

  it("makes no key of what is no name", () => {
    assert.throws(() => makeVerifierKey("a b", 1, seedOf(1)), TypeError);
  });
});

describe("signing keys", () => {
  it("parses what it formats", () => {
    for (const type of [1, 4]) {
      const made = makeSignerKey("w", type, seedOf(9), ed25519);
      assert.deepEqual(parseSignerKey(formatSignerKey(made), ed25519), made);
    }
  });

  it("parses the public example key and signs the same note", needsTestData, () => {
    const { notes } = readVectors<{ notes: { vkey: string; skey?: string; note: string }[] }>("signed-note.json");
    const example = notes.find((entry) => entry.skey !== undefined);
    const signer = parseSignerKey(example?.skey as string);
    assert.equal(formatVerifierKey(signer.verifierKey), example?.vkey);
    const parsed = parseNote(example?.note as string);
    assert.equal(formatNote(parsed.text, [signNote(parsed.text, signer)]), example?.note);
  });

  it("refuses keys whose id does not fit, and keys without their prefix", () => {
    const skey = formatSignerKey(key);
    const wrong = [
      skey.replace("log", "lag"),
      skey.slice(12),
      skey.replace("PRIVATE", "private"),
      `${skey}\n`,
      ` ${skey}`,
    ];
    for (const t of [...wrong, "", "PRIVATE+KEY+", formatVerifierKey(key.verifierKey), skey.slice(0, -1)]) {
      assert.throws(() => parseSignerKey(t, ed25519), { code: "MALFORMED_SIGNER_KEY" });
    }
  });

  it("never quotes key material", () => {
    const secret = seedOf(0xab);
    const forms = [
      `PRIVATE+KEY+w+00000000+${Buffer.from([1, ...secret]).toString("base64")}`,
      `PRIVATE+KEY+w+00000000+${Buffer.from(secret).toString("base64")}`,
      `PRIVATE+KEY+w+${Buffer.from([1, ...secret]).toString("base64")}`,
      Buffer.from(secret).toString("base64"),
    ];
    for (const form of forms) {
      assert.throws(
        () => parseSignerKey(form, ed25519),
        (error) => isProofdnsError(error) && !/abab|q6ur|\bab\b|0xab/i.test(error.message),
        form,
      );
    }
  });

  it("signs text that ends in a line feed only, with keys of type 0x01 only", () => {
    assert.throws(() => signNote("a", key, ed25519), TypeError);
    assert.throws(() => signNote("a\n", makeSignerKey("w", 4, seedOf(1), ed25519), ed25519), TypeError);
  });
});

describe("notes", () => {
  it("parses what it formats", () => {
    fc.assert(
      fc.property(noteText, fc.array(noteSignature, { minLength: 1, maxLength: 5 }), (t, signatures) => {
        assert.deepEqual(parseNote(formatNote(t, signatures)), { text: t, signatures });
      }),
    );
  });

  it("formats what it parsed to the same text", () => {
    const pieces = fc.constantFrom(
      "\n",
      "\n\n",
      "a",
      "— ",
      "— a AAAAAAA=\n",
      "— a AAAAAAAA\n",
      line,
      text,
      " ",
      "—",
      "=",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), (list) => {
        const note = list.join("");
        const parsed = refusalOf(() => parseNote(note));
        if (parsed !== undefined) assert.equal(formatNote(parsed.text, parsed.signatures), note);
      }),
      { numRuns: 3000 },
    );
  });

  it("splits at the last blank line", () => {
    const { text: t } = parseNote(`a\n\n— a AAAAAAA=\n\n${line}`);
    assert.equal(t, "a\n\n— a AAAAAAA=\n");
    assert.equal(parseNote(`a\n\n\n${line}`).text, "a\n\n");
    assert.equal(parseNote(`\n\n${line}`).text, "\n");
  });

  it("refuses notes without text, blank line, signatures or last line feed", () => {
    const wrong = [
      "",
      "\n",
      "\n\n",
      "a\n",
      "a\n\n",
      `a\n${line}`,
      `a\n\n${line}x`,
      `a\n\n${line.slice(0, -1)}`,
      line,
      `\n${line}`,
    ];
    for (const note of [...wrong, `a\n\n${line}\n`, `a\n\n\n\n`, `a${line}`, `a\n\nb\n${line}`, `a\n\n${line}b\n`]) {
      assert.throws(() => parseNote(note), malformed, JSON.stringify(note));
    }
  });

  it("refuses control characters, in text and signatures", () => {
    for (let c = 0; c < 0x20; c++) {
      if (c === 0x0a) continue;
      const char = String.fromCharCode(c);
      assert.throws(() => parseNote(`a${char}\n\n${line}`), malformed);
      assert.throws(() => parseNote(`a\n\n${line.slice(0, -1)}${char}\n`), malformed);
    }
    assert.throws(() => parseNote(signed.replaceAll("\n", "\r\n")), malformed);
  });

  it("refuses signature lines of other forms", () => {
    const good = "— a AAAAAAA=";
    assert.ok(parseNoteSignature(good));
    const wrong = [
      "",
      "—",
      "— ",
      "— a",
      "— a ",
      "—a AAAAAAA=",
      "- a AAAAAAA=",
      "–– a AAAAAAA=",
      "– a AAAAAAA=",
      "—  AAAAAAA=",
    ];
    wrong.push(
      "—  a AAAAAAA=",
      "— a  AAAAAAA=",
      " — a AAAAAAA=",
      "— a AAAAAAA= ",
      "— a AAAAAAA",
      "— a AAAAAA==",
      "— a AAAAAA=",
    );
    wrong.push(
      "— a AAAAAAB=",
      "— a b AAAAAAA=",
      "— a+b AAAAAAA=",
      "— \u00a0 AAAAAAA=",
      "— a AAAAAAA=\n",
      "— a AAAA_AA=",
      "— a\u2003AAAAAAA=",
    );
    wrong.push("—\u00a0a AAAAAAA=", "— a AAAAAAA=#", "—\ta AAAAAAA=");
    for (const l of wrong) {
      assert.equal(parseNoteSignature(l), undefined, JSON.stringify(l));
      assert.throws(() => parseNote(`a\n\n${l}\n`), malformed, JSON.stringify(l));
    }
    assert.equal(formatNoteSignature(parseNoteSignature(good) as NoteSignature), `${good}\n`);
  });

  it("takes 100 signatures and refuses 101", () => {
    assert.equal(parseNote(`a\n\n${line.repeat(100)}`).signatures.length, 100);
    assert.throws(() => parseNote(`a\n\n${line.repeat(101)}`), malformed);
  });

  it("refuses more than a million characters", () => {
    const rest = `\n\n${line}`;
    assert.ok(parseNote("a".repeat(1_000_000 - rest.length) + rest));
    assert.throws(() => parseNote("a".repeat(1_000_001 - rest.length) + rest), malformed);
  });

  it("refuses text that no UTF-8 has", () => {
    for (const surrogate of ["\ud800", "\udfff", "\udc00\ud800"]) {
      assert.throws(() => parseNote(`a${surrogate}\n\n${line}`), malformed);
      assert.throws(() => parseNote(`a\n\n— a${surrogate} AAAAAAA=\n`), malformed);
    }
    const replaced = formatNote("\ufffd\n", [signNote("\ufffd\n", key, ed25519)]);
    assert.equal(verifyNote(replaced, key.verifierKey, ed25519).text, "\ufffd\n");
    assert.throws(() => verifyNote(replaced.replace("\ufffd", "\ud800"), key.verifierKey, ed25519), malformed);
  });

  it("throws nothing but its own error on any text, in bounded time", () => {
    fc.assert(fc.property(anyText, (t) => void refusalOf(() => parseNote(t))));
    for (const t of longTexts()) inBoundedTime("parseNote", () => refusalOf(() => parseNote(t)));
  });
});

describe("verification of notes", () => {
  it("returns the text and the signature that it proved", () => {
    const verified = verifyNote(signed, key.verifierKey);
    assert.equal(verified.text, text);
    assert.equal(formatNoteSignature(verified.signature), line);
  });

  it("verifies the reference notes", needsTestData, () => {
    const { notes } = readVectors<{ notes: { vkey: string; note: string; verifies: boolean }[] }>("signed-note.json");
    assert.equal(notes.length, 2);
    for (const { vkey, note, verifies } of notes) {
      assert.ok(verifies);
      for (const scheme of [undefined, ed25519]) {
        assert.equal(verifyNote(note, parseVerifierKey(vkey), scheme).text, parseNote(note).text);
      }
      assert.throws(() => verifyNote(note.replace("e", "E"), parseVerifierKey(vkey)), badSignature);
    }
  });

  it("refuses every change of one bit of the text", () => {
    const [from, to] = [encodeUtf8(text), encodeUtf8(line)];
    for (let bit = 0; bit < from.length * 8; bit++) {
      const changed = Buffer.concat([flipBit(from, bit), Buffer.from("\n"), to]).toString("utf8");
      assert.throws(
        () => verifyNote(changed, key.verifierKey, ed25519),
        (error) => isProofdnsError(error, "MALFORMED_NOTE", "BAD_SIGNATURE"),
      );
    }
  });

  it("refuses every change of one bit of the signature line", () => {
    const bytes = encodeUtf8(line);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = `${text}\n${Buffer.from(flipBit(bytes, bit)).toString("utf8")}`;
      assert.throws(
        () => verifyNote(changed, key.verifierKey, ed25519),
        (error) => isProofdnsError(error, "MALFORMED_NOTE", "BAD_SIGNATURE"),
      );
    }
  });

  it("refuses every change of one bit of the signature itself", () => {
    const signature = parseNote(signed).signatures[0] as NoteSignature;
    for (let bit = 0; bit < 512; bit++) {
      const changed = formatNote(text, [{ ...signature, blob: flipBit(signature.blob, bit) }]);
      assert.throws(() => verifyNote(changed, key.verifierKey, ed25519), badSignature);
    }
  });

  it("ignores signatures of other keys, also wrong ones", () => {
    const noise = formatNote(text, [{ ...signNote(text, other, ed25519), blob: seedOf(7) }]).slice(text.length + 1);
    assert.equal(verifyNote(`${text}\n${noise}${line}${noise}`, key.verifierKey).text, text);
  });

  it("refuses a wrong signature of the known key beside a right one", () => {
    const wrong = formatNoteSignature({
      ...(parseNoteSignature(line.slice(0, -1)) as NoteSignature),
      blob: new Uint8Array(64),
    });
    for (const lines of [wrong + line, line + wrong]) {
      assert.throws(() => verifyNote(`${text}\n${lines}`, key.verifierKey), badSignature);
    }
    assert.equal(verifyNote(`${text}\n${line}${line}`, key.verifierKey).text, text);
  });

  it("does not take the name or the id of a key alone for the key", () => {
    const own = parseNoteSignature(line.slice(0, -1)) as NoteSignature;
    for (const signature of [
      { ...own, keyName: "x" },
      { ...own, keyId: own.keyId ^ 1 },
    ]) {
      assert.throws(() => verifyNote(formatNote(text, [signature]), key.verifierKey), badSignature);
    }
  });

  it("refuses signatures of other lengths than 64", () => {
    const own = parseNoteSignature(line.slice(0, -1)) as NoteSignature;
    for (const blob of [own.blob.slice(0, 63), Uint8Array.of(...own.blob, 0), Uint8Array.of(1), new Uint8Array(2420)]) {
      assert.throws(() => verifyNote(formatNote(text, [{ ...own, blob }]), key.verifierKey), badSignature);
      assert.throws(() => verifyNote(formatNote(text, [{ ...own, blob }]), key.verifierKey, ed25519), badSignature);
    }
  });

  it("refuses to verify notes with a cosigner's key", () => {
    assert.throws(() => verifyNote(signed, makeVerifierKey("w", 4, seedOf(1))), TypeError);
  });

  it("reads the id of the key from views of larger buffers", () => {
    const blob = fromBase64("AAECAwQFBgcICQ==").subarray(3);
    assert.equal(
      parseNoteSignature(formatNoteSignature({ keyName: "a", keyId: 0xfedcba98, blob }).trimEnd())?.keyId,
      0xfedcba98,
    );
  });
});
