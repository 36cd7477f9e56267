import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatBase64, parseBase64 } from "../../src/vindex/base64.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import {
  formatCheckpoint,
  formatTreeHead,
  parseCheckpoint,
  parseTreeHead,
  SUMDB_ORIGIN,
} from "../../src/vindex/checkpoint.ts";
import { parseNoteSignature, parseVerifierKey, verifyNote } from "../../src/vindex/note.ts";
import { computeLeafHash } from "../../src/vindex/tlog.ts";
import { needsTestData, readVectors, SUM_GOLANG_ORG } from "./reference.ts";
import { anyText, ed25519, hash, hashOf, inBoundedTime, longTexts, refusalOf, safeInteger } from "./samples.ts";

const malformed = { code: "MALFORMED_CHECKPOINT" };
const root = formatBase64(hashOf(1));
const good = `log.example.org/p1\n7\n${root}\n`;

describe("checkpoints", () => {
  it("parses what it formats", () => {
    const origin = fc.string({ minLength: 1 }).filter((t) => !t.includes("\n"));
    fc.assert(
      fc.property(origin, safeInteger, hash, (o, treeSize, rootHash) => {
        const text = formatCheckpoint({ origin: o, treeSize, rootHash });
        assert.deepEqual(parseCheckpoint(text), { origin: o, treeSize, rootHash });
        assert.equal(formatCheckpoint(parseCheckpoint(text)), text);
      }),
    );
  });

  it("formats what it parsed to the same text", () => {
    const pieces = fc.constantFrom(
      "\n",
      "a",
      "0",
      "00",
      "12",
      " ",
      "-",
      root,
      `${root}\n`,
      good,
      "=",
      "9007199254740992",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 6 }), (list) => {
        const parsed = refusalOf(() => parseCheckpoint(list.join("")));
        if (parsed !== undefined) assert.equal(formatCheckpoint(parsed), list.join(""));
      }),
      { numRuns: 3000 },
    );
  });

  it("refuses a leading zero in the tree size, signs, spaces and sizes that are not safe", () => {
    for (const size of [
      "07",
      "00",
      "+7",
      "-7",
      "-0",
      " 7",
      "7 ",
      "",
      "7.0",
      "1e3",
      "0x7",
      "\u0667",
      "9007199254740992",
      "7\r",
    ]) {
      assert.throws(() => parseCheckpoint(good.replace("\n7\n", `\n${size}\n`)), malformed, size);
    }
    assert.equal(parseCheckpoint(good.replace("\n7\n", "\n0\n")).treeSize, 0);
  });

  it("refuses roots that are not base64 of 32 bytes", () => {
    const long = formatBase64(new Uint8Array(33));
    const short = formatBase64(new Uint8Array(31));
    const spare = `${root.slice(0, -2)}${String.fromCharCode(root.charCodeAt(42) + 1)}=`;
    for (const r of [
      "",
      root.slice(0, -1),
      `${root}=`,
      ` ${root}`,
      `${root} `,
      long,
      short,
      spare,
      root.replace("=", "A"),
      "AA==",
    ]) {
      assert.throws(() => parseCheckpoint(good.replace(root, r)), malformed, r);
    }
  });

  it("refuses extension lines, missing lines and a missing line feed", () => {
    const wrong = [
      "",
      "\n",
      "\n\n\n",
      "a\n7\n",
      `a\n7\n${root}`,
      `\n7\n${root}\n`,
      `${good}extension\n`,
      `${good}\n`,
      `\n${good}`,
    ];
    for (const text of [...wrong, good.replaceAll("\n", "\r\n"), good.slice(0, -1), good + good]) {
      assert.throws(() => parseCheckpoint(text), malformed, JSON.stringify(text));
    }
  });

  it("throws nothing but its own error on any text, in bounded time", () => {
    fc.assert(fc.property(anyText, (t) => void refusalOf(() => parseCheckpoint(t))));
    for (const t of longTexts()) inBoundedTime("parseCheckpoint", () => refusalOf(() => parseCheckpoint(t)));
  });
});

describe("tree heads", () => {
  it("gives the reference text", needsTestData, () => {
    const { format_tree } = readVectors<{ format_tree: { n: number; record: string; text: string } }>("misc.json");
    const rootHash = computeLeafHash(encodeUtf8(format_tree.record));
    // The root of the reference text is the plain hash of "hello world" as a record; its size is made up.
    const text = formatTreeHead({ treeSize: format_tree.n, rootHash });
    assert.equal(text, format_tree.text);
    assert.deepEqual(parseTreeHead(text), { treeSize: format_tree.n, rootHash });
  });

  it("verifies 11 real signed tree heads", needsTestData, () => {
    interface Heads {
      checkpoints: { size: number; root_b64: string; sig_b64: string }[];
    }
    const { checkpoints } = readVectors<Heads>("sumdb-checkpoints.json");
    const key = parseVerifierKey(SUM_GOLANG_ORG);
    assert.equal(checkpoints.length, 11);
    for (const { size, root_b64, sig_b64 } of checkpoints) {
      const text = formatTreeHead({ treeSize: size, rootHash: parseBase64(root_b64) as Uint8Array });
      const note = `${text}\n— sum.golang.org ${sig_b64}\n`;
      for (const scheme of [undefined, ed25519]) {
        assert.equal(parseTreeHead(verifyNote(note, key, scheme).text).treeSize, size);
      }
      const wrong = note.replace(`\n${size}\n`, `\n${size + 1}\n`);
      assert.throws(() => verifyNote(wrong, key), { code: "BAD_SIGNATURE" });
    }
  });

  it("verifies 40 real signed tree heads", needsTestData, () => {
    const { notes } = readVectors<{ notes: { size: number; root: string; note: string }[] }>("sumdb-notes.json");
    const key = parseVerifierKey(SUM_GOLANG_ORG);
    assert.equal(notes.length, 40);
    for (const { size, root: expected, note } of notes) {
      const head = parseTreeHead(verifyNote(note, key, ed25519).text);
      assert.equal(head.treeSize, size);
      assert.equal(formatBase64(head.rootHash), expected);
      assert.ok(parseNoteSignature(note.slice(note.lastIndexOf("\u2014"), -1)));
    }
  });

  it("refuses other origins and extension lines", () => {
    const head = formatTreeHead({ treeSize: 7, rootHash: hashOf(1) });
    assert.ok(head.startsWith(`${SUMDB_ORIGIN}\n`));
    const wrong = [
      good,
      head.replace("go.sum", "Go.sum"),
      head.replace("tree\n", "tree \n"),
      `${head}x\n`,
      ` ${head}`,
      "",
      head.slice(0, -1),
    ];
    for (const text of [...wrong, head.replace("\n7", "\n07"), head.replace("\n7", "\n+7")]) {
      assert.throws(() => parseTreeHead(text), { code: "MALFORMED_TREE_HEAD" }, JSON.stringify(text));
    }
  });
});
