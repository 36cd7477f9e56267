import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatDataTile, isRecordText, splitDataTile } from "../../src/sumdb/data-tile.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { recordTexts } from "./small-log.ts";

const malformed = { code: "MALFORMED_TILE" };
/** Bytes with many line feeds among them, and bytes that are not UTF-8. */
const bytes = fc.uint8Array({ maxLength: 24 }).map((raw) => raw.map((b) => (b < 100 ? 0x0a : b)));
const record = bytes.map((raw) => new Uint8Array([...raw, 0x0a])).filter(isRecordText);

describe("data tiles", () => {
  it("joins records with one extra line feed each", () => {
    const tile = formatDataTile([encodeUtf8("a b c\nd\n"), encodeUtf8("e\n")]);
    assert.equal(Buffer.from(tile).toString(), "a b c\nd\n\ne\n\n");
  });

  it("splits what it joined, whatever bytes the records hold", () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), (texts) => {
        const split = splitDataTile(formatDataTile(texts), texts.length);
        assert.deepEqual(split.map(Buffer.from), texts.map(Buffer.from));
      }),
    );
  });

  it("joins what it split to the same bytes", () => {
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 8 }), (tile, width) => {
        let texts: Uint8Array[];
        try {
          texts = splitDataTile(tile, width);
        } catch (error) {
          assert.equal((error as { code?: string }).code, "MALFORMED_TILE");
          return;
        }
        assert.deepEqual(Buffer.from(formatDataTile(texts)), Buffer.from(tile));
      }),
    );
  });

  it("refuses every cut and every extra byte", () => {
    const tile = formatDataTile(recordTexts(3));
    for (let length = 0; length < tile.length; length++) {
      assert.throws(() => splitDataTile(tile.subarray(0, length), 3), malformed);
    }
    for (const extra of ["\n", "x", "x\n", "x\n\n", "\n\n", "\u0000"]) {
      assert.throws(() => splitDataTile(encodeUtf8(Buffer.from(tile).toString() + extra), 3), malformed);
    }
  });

  it("refuses one record less and one more than asked for", () => {
    const tile = formatDataTile(recordTexts(256));
    assert.equal(splitDataTile(tile, 256).length, 256);
    assert.throws(() => splitDataTile(tile, 255), malformed);
    assert.throws(() => splitDataTile(formatDataTile(recordTexts(255)), 256), malformed);
  });

  it("does not see records in lines with indexes before them, nor in CRLF text", () => {
    // The id line becomes part of the record's text, whose hash is then another one.
    const [text] = splitDataTile(encodeUtf8("7\na v1 h1:x\n\n"), 1);
    assert.equal(Buffer.from(text as Uint8Array).toString(), "7\na v1 h1:x\n");
    assert.throws(() => splitDataTile(encodeUtf8("a v1 h1:x\r\n\r\n"), 1), malformed);
  });

  it("calls a width outside 1 to 256 the caller's bug", () => {
    for (const width of [0, -1, 257, 1.5, Number.NaN]) {
      assert.throws(() => splitDataTile(new Uint8Array(0), width), RangeError);
    }
    assert.throws(() => formatDataTile([]), RangeError);
    assert.throws(() => formatDataTile(recordTexts(257)), RangeError);
    for (const text of ["", "a", "a\n\nb\n", "a\n\n"])
      assert.throws(() => formatDataTile([encodeUtf8(text)]), TypeError);
  });

  it("keeps records with NUL, CR and broken UTF-8 as they are", () => {
    const odd = [
      Uint8Array.of(0, 0x0a),
      Uint8Array.of(0x0d, 0x0a),
      Uint8Array.of(0xff, 0xfe, 0x0a),
      Uint8Array.of(0x0a),
    ];
    assert.deepEqual(splitDataTile(formatDataTile(odd), 4).map(Buffer.from), odd.map(Buffer.from));
  });

  it("splits 4 MiB of line feeds and of none quickly", () => {
    const started = performance.now();
    assert.throws(() => splitDataTile(new Uint8Array(4 << 20).fill(0x0a), 256), malformed);
    assert.throws(() => splitDataTile(new Uint8Array(4 << 20).fill(0x61), 256), malformed);
    assert.throws(() => splitDataTile(encodeUtf8("a\n".repeat(2 << 20)), 256), malformed);
    assert.ok(performance.now() - started < 2000);
  });
});
