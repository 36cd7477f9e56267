import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseLookup, type UntrustedLookup, type VerifiedLookup, verifyLookup } from "../../src/sumdb/lookup.ts";
import { type SignedTreeHead, verifySignedTreeHead } from "../../src/sumdb/signed-head.ts";
import { encodeUtf8, formatHex } from "../../src/vindex/bytes.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { verifyForkEvidence } from "../../src/vindex/evidence.ts";
import { formatVerifierKey, parseVerifierKey } from "../../src/vindex/note.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { computeRecordHash, formatRecord, parseH1 } from "../../src/vindex/record.ts";
import { verifyLogInclusionProof } from "../../src/vindex/tlog.ts";
import {
  ed25519,
  flipBit,
  hashTile,
  makeKey,
  makeLog,
  needsTestData,
  recordText,
  recordTexts,
  signHead,
  signText,
  testData,
  toLatin1,
} from "./small-log.ts";

const key = makeKey(1);
const { verifierKey } = key;
const log = makeLog(recordTexts(60));
const fork = makeLog(recordTexts(60, 20));

function headOf(of: typeof log, size: number): SignedTreeHead {
  return { treeHead: of.treeHead(size), signedTreeHead: signHead(of.treeHead(size), key) };
}

/** A lookup's text of record `i`, with any part changed. */
function lookupText(i: number, size: number, parts: { id?: string; record?: string; note?: string } = {}): Uint8Array {
  const id = parts.id ?? String(i);
  const record = parts.record ?? toLatin1(recordText(i));
  return encodeUtf8(`${id}\n${record}\n${parts.note ?? headOf(log, size).signedTreeHead}`);
}

function verify(
  untrusted: Uint8Array,
  i: number,
  options: { known?: SignedTreeHead; tiles?: typeof log; version?: string; modulePath?: string; size?: number } = {},
): Promise<VerifiedLookup> {
  const { tiles = log, version = `v1.${i}.0`, modulePath = `example.com/m${i % 7}`, size = 60 } = options;
  return verifyLookup(
    untrusted,
    { modulePath, version },
    {
      verifierKey,
      known: options.known,
      fetchTile: async (path) => hashTile(tiles, size, path),
      tileHeight: 2,
      sha256: nodeSha256,
      ed25519,
    },
  );
}

describe("parsing a lookup", () => {
  it("takes the index, the record up to its blank line, and the rest as the note", () => {
    const parsed = parseLookup(encodeUtf8("12\na v1 h1:x\nb\n\nnote\n\nmore\n"));
    assert.equal(parsed.logIndex, 12);
    assert.equal(toLatin1(parsed.recordText), "a v1 h1:x\nb\n");
    assert.equal(toLatin1(parsed.note), "note\n\nmore\n");
  });

  const bad: Record<string, string> = {
    "nothing at all": "",
    "an empty line": "\n",
    "no line feed": "12",
    "no record": "12\n",
    "a record without its blank line": "12\na\n",
    "a record without its line feed": "12\na",
    "a sign": "+1\na\n\nn\n",
    "a minus": "-1\na\n\nn\n",
    "a leading zero": "01\na\n\nn\n",
    "a leading space": " 1\na\n\nn\n",
    "a trailing space": "1 \na\n\nn\n",
    "a carriage return": "1\r\na\n\nn\n",
    "an exponent": "1e3\na\n\nn\n",
    hexadecimal: "0x1\na\n\nn\n",
    "2^53": "9007199254740992\na\n\nn\n",
    "a hundred digits": `${"1".repeat(100)}\na\n\nn\n`,
    "digits of another script": "\u0661\na\n\nn\n",
    "a foreign line before the index": "a v1 h1:x\n1\na\n\nn\n",
  };
  for (const [what, text] of Object.entries(bad)) {
    it(`refuses ${what}`, () => {
      assert.throws(() => parseLookup(encodeUtf8(text)), { code: "MALFORMED_LOOKUP" });
    });
  }

  it("gives back the bytes it was given, or refuses", () => {
    const bytes = fc.uint8Array({ maxLength: 30 }).map((raw) => raw.map((b) => (b < 90 ? 0x0a : b < 200 ? 0x31 : b)));
    fc.assert(
      fc.property(bytes, (raw) => {
        let parsed: UntrustedLookup;
        try {
          parsed = parseLookup(raw);
        } catch (error) {
          assert.ok(isProofdnsError(error, "MALFORMED_LOOKUP"));
          return;
        }
        const joined = Buffer.concat([
          Buffer.from(`${parsed.logIndex}\n`),
          parsed.recordText,
          Buffer.from("\n"),
          parsed.note,
        ]);
        assert.deepEqual(joined, Buffer.from(raw));
      }),
    );
  });
});

describe("verifying a lookup", () => {
  it("returns the lines of the record that was asked for", async () => {
    const { lines, logIndex, head } = await verify(lookupText(33, 60), 33);
    assert.deepEqual(`${lines.join("\n")}\n`, toLatin1(recordText(33)));
    assert.equal(logIndex, 33);
    assert.equal(head.treeHead.treeSize, 60);
  });

  it("verifies every record in trees of many sizes", async () => {
    for (const size of [1, 2, 15, 33, 60]) {
      for (let i = 0; i < size; i += 3) await verify(lookupText(i, size), i, { size });
    }
  });

  it("takes a note that is older or newer than the known head, and keeps the larger", async () => {
    for (const [known, answered] of [
      [60, 40],
      [40, 60],
      [40, 40],
      [1, 60],
      [0, 60],
    ] as const) {
      const { head } = await verify(lookupText(33, answered), 33, { known: headOf(log, known), size: 60 });
      assert.equal(head.treeHead.treeSize, Math.max(known, answered));
    }
  });

  it("calls it a fork, with evidence, when the note is newer and does not continue the known head", async () => {
    const untrusted = lookupText(33, 60, {
      record: toLatin1(recordText(33, "fork")),
      note: headOf(fork, 60).signedTreeHead,
    });
    await assertFork(verify(untrusted, 33, { known: headOf(log, 40), tiles: fork }));
  });

  it("calls it a fork, with evidence, when the note is older and no prefix of the known head", async () => {
    const untrusted = lookupText(33, 40, {
      record: toLatin1(recordText(33, "fork")),
      note: headOf(fork, 40).signedTreeHead,
    });
    await assertFork(verify(untrusted, 33, { known: headOf(log, 60) }));
  });

  it("calls it a fork, with evidence, when two heads of one size differ", async () => {
    const untrusted = lookupText(33, 60, { note: headOf(fork, 60).signedTreeHead });
    await assertFork(verify(untrusted, 33, { known: headOf(log, 60) }));
  });

  it("does not call it a fork when the tiles are wrong", async () => {
    const untrusted = lookupText(33, 60);
    await assert.rejects(verify(untrusted, 33, { known: headOf(log, 40), tiles: fork }), { code: "BAD_TILE" });
  });

  it("refuses a note of another key, a changed note and no note", async () => {
    const other = signHead(log.treeHead(60), makeKey(2));
    const sameName = signHead(log.treeHead(60), makeKey(2, verifierKey.keyName));
    await assert.rejects(verify(lookupText(3, 60, { note: other }), 3), { code: "BAD_SUMDB_SIGNATURE" });
    await assert.rejects(verify(lookupText(3, 60, { note: sameName }), 3), { code: "BAD_SUMDB_SIGNATURE" });
    const { signedTreeHead } = headOf(log, 60);
    const changed = signedTreeHead.replace("\n60\n", "\n61\n");
    await assert.rejects(verify(lookupText(3, 60, { note: changed }), 3), { code: "BAD_SUMDB_SIGNATURE" });
    await assert.rejects(verify(lookupText(3, 60, { note: "" }), 3), { code: "MALFORMED_NOTE" });
  });

  it("refuses a signed text that is no tree head of three lines", async () => {
    const { rootHash } = log.treeHead(60);
    const root = Buffer.from(rootHash).toString("base64");
    for (const text of [
      `go.sum database tree\n60\n${root}\nextension\n`,
      `go.sum database tree\n60\n`,
      `another tree\n60\n${root}\n`,
      `go.sum database tree\n060\n${root}\n`,
    ]) {
      const untrusted = lookupText(3, 60, { note: signText(text, key) });
      await assert.rejects(verify(untrusted, 3), { code: "MALFORMED_TREE_HEAD" });
    }
  });

  it("refuses an index that the signed tree does not have, or that holds another record", async () => {
    for (const id of ["60", "61", "9007199254740991"]) {
      await assert.rejects(verify(lookupText(33, 60, { id }), 33), { code: "BAD_LOOKUP" });
    }
    // Even if the known tree has it: the note that came with the record must cover it.
    await assert.rejects(verify(lookupText(33, 20), 33, { known: headOf(log, 60) }), { code: "BAD_LOOKUP" });
    for (const id of ["0", "32", "34", "59"]) {
      await assert.rejects(verify(lookupText(33, 60, { id }), 33), { code: "BAD_LOOKUP" });
    }
  });

  it("refuses every change of one bit in the record", async () => {
    const untrusted = lookupText(33, 60);
    const end = untrusted.length - headOf(log, 60).signedTreeHead.length - 1;
    for (let at = 3; at < end; at++) {
      await assert.rejects(verify(flipBit(untrusted, at), 33), (error) =>
        isProofdnsError(error, "BAD_LOOKUP", "MALFORMED_LOOKUP", "MALFORMED_NOTE", "BAD_SUMDB_SIGNATURE"),
      );
    }
  });

  it("CVE-2026-42501: refuses an empty answer", async () => {
    for (const text of ["", "\n", "\n\n", "33\n", "33\n\n"]) {
      await assert.rejects(verify(encodeUtf8(text), 33), { code: "MALFORMED_LOOKUP" });
    }
    await assert.rejects(verify(encodeUtf8("33\n\n\n"), 33), { code: "MALFORMED_NOTE" });
    const empty = encodeUtf8(`33\n\n\n${headOf(log, 60).signedTreeHead}`);
    await assert.rejects(verify(empty, 33), { code: "BAD_LOOKUP" });
  });

  it("CVE-2026-42501: refuses a true record about an unrelated module", async () => {
    await assert.rejects(verify(lookupText(34, 60), 33), { code: "BAD_LOOKUP" });
    for (const modulePath of [
      "example.com/m",
      "example.com/m55",
      "example.com",
      "m5",
      "example.com/M5",
      "example.com/m5/v2",
    ]) {
      await assert.rejects(verify(lookupText(33, 60), 33, { modulePath }), { code: "BAD_LOOKUP" });
    }
  });

  it("CVE-2026-42501: refuses a true record about another version", async () => {
    await assert.rejects(verify(lookupText(26, 60), 33), { code: "BAD_LOOKUP" });
    for (const version of ["v1.33", "v1.33.00", "v1.33.0-pre", "v1.33.0+incompatible", "v1.3.0", "1.33.0"]) {
      await assert.rejects(verify(lookupText(33, 60), 33, { version }), { code: "BAD_LOOKUP" });
    }
  });

  it("CVE-2026-42501: refuses a true record that says nothing about any module", async () => {
    const odd = [
      "nothing\n",
      "example.com/m0 v1.0.0\n",
      "example.com/m0 v1.0.0 \n",
      "example.com/m0 v1.0.0 h1:x more\n",
      "\n",
    ];
    const oddLog = makeLog(odd.map(encodeUtf8));
    for (const [i, record] of odd.entries()) {
      const untrusted = lookupText(i, 5, { record, note: signHead(oddLog.treeHead(5), key) });
      await assert.rejects(verify(untrusted, 0, { tiles: oddLog, size: 5 }), { code: "BAD_LOOKUP" });
    }
  });

  it("calls a question that could match foreign lines malformed", async () => {
    for (const [modulePath, version] of [
      ["example.com/m5 v1.33.0 h1:x\nexample.com/m5", "v1.33.0"],
      ["example.com/m5", "v1.33.0 h1:x"],
      ["", ""],
      ["example.com/m5", "v1.33.0/go.mod"],
    ] as const) {
      await assert.rejects(verify(lookupText(33, 60), 33, { modulePath, version }), { code: "MALFORMED_INPUT" });
    }
  });

  const evil = "example.com/m5 v1.33.0 h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
  const record33 = toLatin1(recordText(33));
  const note = headOf(log, 60).signedTreeHead;
  const foreign: Record<string, string> = {
    "before the index": `${evil}33\n${record33}\n${note}`,
    "before the record": `33\n${evil}${record33}\n${note}`,
    "before the record, as one of its own": `33\n${evil}\n${record33}\n${note}`,
    "inside the record": `33\n${record33.replace("\n", `\n${evil}`)}\n${note}`,
    "after the record": `33\n${record33}${evil}\n${note}`,
    "between record and note": `33\n${record33}\n${evil}${note}`,
    "between record and note, as a record": `33\n${record33}\n${evil}\n${note}`,
    "in the note": `33\n${record33}\n${note.replace("tree\n", `tree\n${evil}`)}`,
    "before the signature": `33\n${record33}\n${note.replace("\n\n", `\n${evil}\n`)}`,
    "after the note": `33\n${record33}\n${note}${evil}`,
    "after the note, as a record": `33\n${record33}\n${note}\n${evil}`,
    "after the note, with an index": `33\n${record33}\n${note}\n33\n${evil}`,
  };
  for (const [where, text] of Object.entries(foreign)) {
    it(`CVE-2026-56864: refuses a foreign line ${where}`, async () => {
      await assert.rejects(verify(encodeUtf8(text), 33), (error) => isProofdnsError(error));
    });
  }

  it("CVE-2026-56864: returns no line of an authenticated record that is about something else", async () => {
    const record = `example.org/other v9.9.9 h1:x\n${record33}example.com/m5 v1.34.0 h1:y\nexample.com/m5 v1.33.0/other h1:z\n`;
    const mixed = makeLog([encodeUtf8(record)]);
    const untrusted = lookupText(0, 1, { record, note: signHead(mixed.treeHead(1), key) });
    const { lines } = await verify(untrusted, 33, { tiles: mixed, size: 1 });
    assert.equal(`${lines.join("\n")}\n`, record33);
  });

  it("ignores signatures of other keys on the note", async () => {
    const other = signHead(log.treeHead(60), makeKey(2, "other.example.org"));
    const extra = note + other.slice(other.lastIndexOf("\u2014"));
    const { head } = await verify(lookupText(33, 60, { note: extra }), 33);
    assert.equal(head.signedTreeHead, note);
  });
});

async function assertFork(result: Promise<unknown>): Promise<void> {
  await assert.rejects(result, (error) => {
    assert.ok(isProofdnsError(error, "SUMDB_FORK"), String(error));
    verifyForkEvidence(JSON.parse(JSON.stringify(error.evidence)), formatVerifierKey(verifierKey), ed25519);
    return true;
  });
}

describe("lookups of sum.golang.org", () => {
  const vectors = join(testData ?? "", "vectors");
  const sumdbKey = parseVerifierKey("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8");
  const readJson = (name: string): unknown => JSON.parse(readFileSync(join(vectors, name), "utf8"));

  it("verifies github.com/google/uuid v1.6.0 with exactly the tiles that its proof needs", needsTestData, async () => {
    const golden = join(vectors, "golden-tiles");
    const untrusted = await readFile(join(golden, "lookup/github.com/google/uuid@v1.6.0"));
    const found: string[] = [];
    const { lines, logIndex, head } = await verifyLookup(
      untrusted,
      { modulePath: "github.com/google/uuid", version: "v1.6.0" },
      {
        verifierKey: sumdbKey,
        fetchTile: async (path) => {
          // One partial tile was kept when the tree was larger: its first hashes are those of the narrower one.
          const kept = path === "tile/8/2/003.p/57" ? "tile/8/2/003.p/82" : path;
          const tile = await readFile(join(golden, kept)).catch(() => undefined);
          if (tile !== undefined) found.push(kept);
          return kept === path ? tile : tile?.subarray(0, 57 * 32);
        },
      },
    );
    assert.equal(logIndex, 22152757);
    assert.equal(head.treeHead.treeSize, 54083882);
    assert.deepEqual(lines, [
      "github.com/google/uuid v1.6.0 h1:NIvaJDMOsjHA8n1jAhLSgzrAzy1Hgr+hNrb57e+94F0=",
      "github.com/google/uuid v1.6.0/go.mod h1:TIyPZe4MgqvfeYDBFedMoGGpEw/LqOeaOT+nhxU+yHo=",
    ]);
    assert.deepEqual(found.sort(), [
      "tile/8/0/x086/534",
      "tile/8/0/x211/265",
      "tile/8/1/338",
      "tile/8/1/825",
      "tile/8/2/001",
      "tile/8/2/003.p/82",
      "tile/8/3/000.p/3",
    ]);
  });

  it("parses whole lookups, whose notes are signed and whose records have the hashes known", needsTestData, () => {
    const { lookups } = readJson("sumdb-lookups.json") as {
      lookups: { body: string; record_index: number; record_hash_hex: string }[];
    };
    assert.ok(lookups.length > 0);
    for (const { body, record_index, record_hash_hex } of lookups) {
      const { logIndex, recordText, note } = parseLookup(encodeUtf8(body));
      assert.equal(logIndex, record_index);
      assert.equal(formatHex(computeRecordHash(recordText)), record_hash_hex);
      assert.ok(verifySignedTreeHead(note, sumdbKey).treeHead.treeSize > logIndex);
    }
  });

  it("accepts every signed tree head and gives it back byte for byte", needsTestData, () => {
    const { notes } = readJson("sumdb-notes.json") as { notes: { size: number; note: string }[] };
    assert.ok(notes.length > 0);
    for (const { size, note } of notes) {
      const head = verifySignedTreeHead(encodeUtf8(note), sumdbKey, ed25519);
      assert.equal(head.treeHead.treeSize, size);
      assert.equal(head.signedTreeHead, note);
    }
  });

  it("formats records as they were logged", needsTestData, () => {
    const { lookups } = readJson("sumdb-lookups.json") as { lookups: { body: string; record_index: number }[] };
    let found = 0;
    for (const line of readFileSync(join(vectors, "lookups.tsv"), "utf8").split("\n")) {
      const [id, modulePath = "", version = "", zip = "", goMod = ""] = line.split("\t");
      const lookup = lookups.find(({ record_index }) => String(record_index) === id);
      if (lookup === undefined) continue;
      found++;
      const [zipHash, goModHash] = [parseH1(zip), parseH1(goMod)];
      assert.ok(zipHash !== undefined && goModHash !== undefined);
      assert.equal(
        formatRecord(modulePath, version, zipHash, goModHash),
        toLatin1(parseLookup(encodeUtf8(lookup.body)).recordText),
      );
    }
    assert.ok(found > 0);
  });

  it("finds every record of a proof in its signed tree", needsTestData, () => {
    const { entries } = readJson("golden_inclusion.json") as {
      entries: { id: number; record: string; note: string; inclusion: string[] }[];
    };
    assert.ok(entries.length > 0);
    for (const { id, record, note, inclusion } of entries) {
      const { logIndex, recordText, note: signed } = parseLookup(encodeUtf8(`${id}\n${record}\n${note}`));
      const { treeSize, rootHash } = verifySignedTreeHead(signed, sumdbKey, ed25519).treeHead;
      const proof = inclusion.map((hash) => new Uint8Array(Buffer.from(hash, "base64")));
      verifyLogInclusionProof(proof, computeRecordHash(recordText), logIndex, treeSize, rootHash, nodeSha256);
    }
  });
});
