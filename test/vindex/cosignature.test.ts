import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import {
  cosign,
  cosignatureFromNote,
  cosignatureMessage,
  cosignatureToNote,
  verifyCosignature,
} from "../../src/vindex/cosignature.ts";
import {
  formatNoteSignature,
  makeSignerKey,
  parseNote,
  parseNoteSignature,
  parseVerifierKey,
  verifyNote,
} from "../../src/vindex/note.ts";
import { needsTestData, readVectors } from "./reference.ts";
import { signature as anySignature, ed25519, flipBit, offsetView, refusalOf, seedOf } from "./samples.ts";

const bad = { code: "BAD_COSIGNATURE" };
const witness = makeSignerKey("witness.example.org", 4, seedOf(3), ed25519);
const other = makeSignerKey("witness.example.org", 4, seedOf(4), ed25519);
const checkpoint = "log.example.org/p1\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
const time = 1_790_000_000;
const cosignature = cosign(checkpoint, time, witness, ed25519);

describe("cosignatures", () => {
  it("signs the time and the checkpoint's text", () => {
    const message = Buffer.from(cosignatureMessage(checkpoint, time)).toString();
    assert.equal(message, `cosignature/v1\ntime 1790000000\n${checkpoint}`);
    assert.equal(verifyCosignature(checkpoint, cosignature, witness.verifierKey), time);
    assert.equal(verifyCosignature(checkpoint, cosignature, witness.verifierKey, ed25519), time);
  });

  it("gives the reference message, and verifies the reference cosignature", needsTestData, () => {
    interface Vector {
      checkpoint: string;
      cosigned_message: string;
      log_vkey: string;
      witness_vkey: string;
    }
    const vector = readVectors<Vector>("cosigned-checkpoint-selfgen.json");
    const { text } = verifyNote(vector.checkpoint, parseVerifierKey(vector.log_vkey));
    const key = parseVerifierKey(vector.witness_vkey);
    const signed = parseNote(vector.checkpoint).signatures.find((line) => line.keyId === key.keyId);
    const read = cosignatureFromNote(signed as NonNullable<typeof signed>);
    assert.ok(read !== undefined);
    assert.deepEqual(cosignatureMessage(text, read.time), encodeUtf8(vector.cosigned_message));
    assert.equal(verifyCosignature(text, read, key), time);
    assert.throws(() => verifyCosignature(text, { ...read, time: time + 1 }, key), bad);
    assert.equal(
      formatNoteSignature(cosignatureToNote(read, key.keyName)),
      `${vector.checkpoint.split("\n").at(-2)}\n`,
    );
    // The witness's key is that of the seed 0x02 * 32, so the signature can be made again.
    const signer = makeSignerKey(key.keyName, 4, seedOf(2));
    assert.deepEqual(cosign(text, time, signer), read);
  });

  it("becomes a note signature and back", () => {
    const any = fc.record(
      {
        keyId: fc.nat(2 ** 32 - 1),
        time: fc.integer({ min: 1, max: 2 ** 53 - 1 }),
        signature: anySignature,
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(any, (c) => {
        const note = cosignatureToNote(c, "w");
        assert.equal(note.blob.length, 72);
        assert.deepEqual(cosignatureFromNote({ ...note, blob: offsetView(note.blob) }), c);
        assert.equal(formatNoteSignature(note).length, "— w ".length + 104 + 1);
        assert.deepEqual(parseNoteSignature(formatNoteSignature(note).slice(0, -1)), note);
      }),
    );
  });

  it("refuses times of zero and above 2^53 - 1, and blobs of other lengths", () => {
    const blob = (seconds: bigint): Uint8Array => {
      const out = new Uint8Array(72);
      new DataView(out.buffer).setBigUint64(0, seconds);
      return out;
    };
    const read = (b: Uint8Array): unknown => cosignatureFromNote({ keyName: "w", keyId: 1, blob: b });
    assert.ok(read(blob(1n)) !== undefined && read(blob(2n ** 53n - 1n)) !== undefined);
    for (const seconds of [0n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n])
      assert.equal(read(blob(seconds)), undefined);
    for (const length of [0, 1, 8, 64, 71, 73, 76, 2428]) assert.equal(read(new Uint8Array(length).fill(1)), undefined);
  });

  it("refuses every change of one bit of the signature", () => {
    for (let bit = 0; bit < 512; bit++) {
      const changed = { ...cosignature, signature: flipBit(cosignature.signature, bit) };
      assert.throws(() => verifyCosignature(checkpoint, changed, witness.verifierKey, ed25519), bad);
    }
  });

  it("refuses every change of one bit of the checkpoint", () => {
    const bytes = Buffer.from(checkpoint, "latin1");
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(flipBit(bytes, bit)).toString("latin1");
      assert.throws(() => verifyCosignature(changed, cosignature, witness.verifierKey, ed25519), bad);
    }
  });

  it("refuses another time, another key and a cut or longer text", () => {
    for (const t of [time - 1, time + 1, 1, 17_900_000_000]) {
      assert.throws(() => verifyCosignature(checkpoint, { ...cosignature, time: t }, witness.verifierKey), bad);
    }
    assert.throws(() => verifyCosignature(checkpoint, cosignature, other.verifierKey), bad);
    const renamed = { ...cosignature, keyId: other.verifierKey.keyId };
    assert.throws(() => verifyCosignature(checkpoint, renamed, other.verifierKey), bad);
    assert.throws(() => verifyCosignature(checkpoint, renamed, witness.verifierKey), bad);
    assert.throws(() => verifyCosignature(checkpoint.slice(0, -1), cosignature, witness.verifierKey), bad);
    assert.throws(() => verifyCosignature(`${checkpoint}extension\n`, cosignature, witness.verifierKey), bad);
  });

  it("refuses signatures of other lengths", () => {
    for (const length of [0, 63, 65, 72]) {
      const changed = { ...cosignature, signature: new Uint8Array(length) };
      assert.throws(() => verifyCosignature(checkpoint, changed, witness.verifierKey), bad);
      assert.throws(() => verifyCosignature(checkpoint, changed, witness.verifierKey, ed25519), bad);
    }
  });

  it("does not confuse a time with the text after it", () => {
    // The message would be the same if the time could hold a line feed; times are numbers, so it cannot.
    const tricky = `${checkpoint}cosignature/v1\n`;
    assert.throws(() => verifyCosignature(tricky, cosignature, witness.verifierKey), bad);
  });

  it("refuses to cosign with keys of type 0x01 and at times that are none", () => {
    const log = makeSignerKey("log.example.org", 1, seedOf(3), ed25519);
    assert.throws(() => cosign(checkpoint, time, log), TypeError);
    assert.throws(() => verifyCosignature(checkpoint, cosignature, log.verifierKey), TypeError);
    for (const t of [0, -1, 1.5, Number.NaN, 2 ** 53]) assert.throws(() => cosign(checkpoint, t, witness), RangeError);
  });

  it("throws nothing but its own error on any note signature", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 70, maxLength: 74 }), (blob) => {
        const read = cosignatureFromNote({ keyName: "w", keyId: witness.verifierKey.keyId, blob });
        if (read !== undefined) refusalOf(() => verifyCosignature(checkpoint, read, witness.verifierKey, ed25519));
      }),
    );
  });
});
