import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import {
  computeEpochLeafHash,
  formatLeaf,
  formatSignedTreeHead,
  parseLeaf,
  parseSignedTreeHead,
} from "../../src/vindex/leaf.ts";
import { formatNote, makeSignerKey, parseVerifierKey, signNote, verifyNote } from "../../src/vindex/note.ts";
import { needsTestData, readVectors, SUM_GOLANG_ORG } from "./reference.ts";
import {
  anyText,
  ed25519,
  flipBit,
  hash,
  hashOf,
  inBoundedTime,
  longTexts,
  refusalOf,
  safeInteger,
  seedOf,
  sha256,
  signature,
  toHex,
} from "./samples.ts";

const malformed = { code: "MALFORMED_LEAF" };
const signer = makeSignerKey("sumdb.example.org", 1, seedOf(1), ed25519);
const key = signer.verifierKey;
const treeHead = { treeSize: 7, rootHash: hashOf("root") };
const blank = { mapRoot: hashOf("map"), treeHead, sumdbSignature: new Uint8Array(64) };
const headText = formatSignedTreeHead(blank, key).split("\n\n")[0] as string;
const sumdbSignature = signNote(`${headText}\n`, signer, ed25519).blob;
const leaf = { ...blank, sumdbSignature };
const text = formatLeaf(leaf, key);

interface Vector {
  output_leaf_utf8: string;
  output_leaf_hash: string;
  checkpoint: string;
}

describe("leaves", () => {
  it("has the reference hash", needsTestData, () => {
    const vector = readVectors<Vector>("cosigned-checkpoint-selfgen.json");
    const sumdb = parseVerifierKey(SUM_GOLANG_ORG);
    const parsed = parseLeaf(vector.output_leaf_utf8, sumdb);
    assert.equal(formatLeaf(parsed, sumdb), vector.output_leaf_utf8);
    assert.equal(toHex(computeEpochLeafHash(vector.output_leaf_utf8)), vector.output_leaf_hash);
    assert.equal(toHex(computeEpochLeafHash(vector.output_leaf_utf8, sha256)), vector.output_leaf_hash);
    assert.equal(parsed.treeHead.treeSize, 65_209_736);
    assert.ok(verifyNote(formatSignedTreeHead(parsed, sumdb), sumdb));
    // The log of one leaf has the leaf's hash as its root.
    assert.equal(vector.checkpoint.split("\n")[2], Buffer.from(vector.output_leaf_hash, "hex").toString("base64"));
  });

  it("parses what it formats", () => {
    fc.assert(
      fc.property(hash, safeInteger, hash, signature, (mapRoot, treeSize, rootHash, blob) => {
        const any = { mapRoot, treeHead: { treeSize, rootHash }, sumdbSignature: blob };
        assert.deepEqual(parseLeaf(formatLeaf(any, key), key), any);
      }),
    );
  });

  it("is the map root and then exactly the signed tree head", () => {
    assert.equal(text, `${toHex(leaf.mapRoot)}\n${formatSignedTreeHead(leaf, key)}`);
    assert.equal(verifyNote(text.slice(65), key).text, `${headText}\n`);
  });

  it("refuses every change of one bit, or reads it as another leaf", () => {
    const bytes = encodeUtf8(text);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(flipBit(bytes, bit)).toString("utf8");
      const parsed = refusalOf(() => parseLeaf(changed, key));
      if (parsed === undefined) continue;
      assert.equal(formatLeaf(parsed, key), changed);
      assert.notDeepEqual(parsed, leaf);
      assert.ok(!isVerified(changed) || changed.slice(65) === text.slice(65));
    }
  });

  it("refuses more signature lines, other orders and lines of other keys", () => {
    const own = { keyName: key.keyName, keyId: key.keyId, blob: sumdbSignature };
    const other = { keyName: "other", keyId: 1, blob: sumdbSignature };
    const head = `${headText}\n`;
    for (const lines of [
      [own, own],
      [own, other],
      [other, own],
      [other],
      [{ ...own, keyId: 1 }],
      [{ ...own, keyName: "x" }],
    ]) {
      assert.throws(() => parseLeaf(`${toHex(leaf.mapRoot)}\n${formatNote(head, lines)}`, key), malformed);
    }
    for (const blob of [sumdbSignature.slice(1), Uint8Array.of(...sumdbSignature, 0), new Uint8Array(72)]) {
      assert.throws(() => parseLeaf(`${toHex(leaf.mapRoot)}\n${formatNote(head, [{ ...own, blob }])}`, key), malformed);
    }
  });

  it("refuses map roots that are not 64 lower-case hex digits on their line", () => {
    const root = toHex(leaf.mapRoot);
    const wrong = [
      root.slice(1),
      `0${root}`,
      root.toUpperCase(),
      ` ${root}`,
      `${root} `,
      root.replace(/.$/, "g"),
      "",
      `${root}\r`,
    ];
    for (const line of wrong) assert.throws(() => parseLeaf(text.replace(root, line), key), malformed, line);
    assert.throws(() => parseLeaf(text.replace("\n", " "), key), malformed);
    assert.throws(() => parseLeaf(text.replace("\n", "\n\n"), key), malformed);
  });

  it("refuses tree heads of other than three lines", () => {
    for (const changed of [
      text.replace("\n7\n", "\n07\n"),
      text.replace("\n\n", "\nx\n\n"),
      text.replace("go.sum", "go.sun"),
      `${text}\n`,
      text.slice(0, -1),
      `${text}x`,
      "",
    ]) {
      assert.throws(() => parseLeaf(changed, key), malformed, JSON.stringify(changed));
    }
  });

  it("throws nothing but its own error on any text, in bounded time", () => {
    fc.assert(fc.property(anyText, (t) => void refusalOf(() => parseLeaf(t, key))));
    for (const t of longTexts()) {
      inBoundedTime("parseLeaf", () => refusalOf(() => parseLeaf(t, key)));
      inBoundedTime("parseLeaf", () => refusalOf(() => parseLeaf(`${toHex(leaf.mapRoot)}\n${t}`, key)));
    }
  });
});

function isVerified(changed: string): boolean {
  try {
    verifyNote(changed.slice(65), key, ed25519);
    return true;
  } catch {
    return false;
  }
}

describe("signed tree heads", () => {
  it("takes the line of the asked key from among others", () => {
    const lines = [
      { keyName: "other", keyId: 1, blob: seedOf(1) },
      { keyName: key.keyName, keyId: key.keyId, blob: sumdbSignature },
    ];
    const parsed = parseSignedTreeHead(formatNote(`${headText}\n`, lines), key);
    assert.deepEqual(parsed, { treeHead, sumdbSignature });
  });

  it("refuses a note without a line of the key, and text that is no tree head", () => {
    const line = { keyName: key.keyName, keyId: key.keyId, blob: sumdbSignature };
    const wrong = [
      formatNote(`${headText}\n`, [{ ...line, keyName: "x" }]),
      formatNote(`${headText}\n`, [{ ...line, keyId: 5 }]),
      formatNote(`${headText}\n`, [{ ...line, blob: new Uint8Array(63) }]),
      formatNote(`${headText}\nextension\n`, [line]),
      formatNote("log.example.org\n7\nAAAA\n", [line]),
      "",
      headText,
    ];
    for (const note of wrong) {
      assert.throws(
        () => parseSignedTreeHead(note, key),
        (error) => isProofdnsError(error, "MALFORMED_NOTE", "MALFORMED_TREE_HEAD"),
      );
    }
  });

  it("refuses to read with a cosigner's key", () => {
    const cosigner = makeSignerKey("w", 4, seedOf(1), ed25519).verifierKey;
    assert.throws(() => parseSignedTreeHead(text.slice(65), cosigner), TypeError);
  });
});
