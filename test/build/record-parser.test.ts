import assert from "node:assert/strict";
import { test } from "node:test";
import { kindNumber, RecordParser } from "../../src/build/record-parser.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { formatRecord, parseRecord } from "../../src/vindex/record.ts";
import { makeRandom } from "../service/world.ts";
import { makeOddRecords } from "./world.ts";

const zip = nodeSha256(Uint8Array.of(1));
const goMod = nodeSha256(Uint8Array.of(2));

/** Compares what the fast way makes of a text with what `parseRecord` does; returns whether it was fast. */
function compare(text: Uint8Array): boolean {
  const bytes = Buffer.concat([Buffer.from("\n"), text, Buffer.from("\nnext")]);
  const parser = new RecordParser(bytes);
  const end = parser.parse(1, bytes.length);
  if (end === 0) return false;
  const shown = JSON.stringify(Buffer.from(text).toString("latin1"));
  assert.equal(end, 1 + text.length, shown);
  const record = parseRecord(text);
  assert.ok(record !== undefined, `accepted ${shown}`);
  const at = (start: number, length: number): string => bytes.toString("latin1", start, start + length);
  assert.equal(at(1, parser.pathLength), record.path, shown);
  assert.equal(at(parser.versionAt, parser.versionLength), record.version.text, shown);
  assert.equal(parser.kind, kindNumber(record.version.kind), shown);
  assert.deepEqual(Buffer.from(parser.hashes), Buffer.concat([record.zipHash, record.goModHash]), shown);
  return true;
}

const recordOf = (path: string, version: string): Uint8Array => encodeUtf8(formatRecord(path, version, zip, goMod));

test("takes the common forms", () => {
  for (const [path, version] of [
    ["a.b", "v0.0.0"],
    ["example.com/x", "v1.2.3"],
    ["example.com/X_y-z.w", "v1.2.3-rc.1"],
    ["example.com/x/v2", "v2.0.0"],
    ["example.com/x", "v2.0.0+incompatible"],
    ["example.com/x", "v0.0.0-20200101000000-abcdefabcdef"],
    ["example.com/x/v3", "v3.1.0-rc.1.0.20200101000000-abcdefabcdef"],
    ["example.com/x", "v1.0.1-0.20200101000000-abcdefabcdef"],
  ] as const) {
    assert.ok(compare(recordOf(path, version)), `${path} ${version}`);
  }
});

test("refuses, or leaves to the slow way, what breaks a rule of paths, versions or their fit", () => {
  const paths = [
    "",
    "-a.b",
    "ab",
    "a.b/",
    "/a.b",
    "a..b/",
    ".a.b",
    "a.b.",
    "a.b//c",
    "a.b/.c",
    "a.b/c.",
    "A.b/c",
    "a_b.c/d",
    "a.b/CON",
    "a.b/con.x",
    "a.b/aux",
    "a.b/nul",
    "a.b/PRN.go",
    "a.b/com1",
    "a.b/LPT9.x",
    "a.b/c~1",
    "a.b/c~1.x",
    "a.b/v0",
    "a.b/v1",
    "a.b/v02",
    "a.b/v2.1",
    "a.b/v2.",
    "gopkg.in/x",
    "gopkg.in/x.v",
    "gopkg.in/x.v01",
    "a.b/c d",
    "a.b/\u00fc",
  ];
  for (const path of paths) assert.ok(!compare(recordOf(path, "v1.2.3")), path);
  const versions = [
    "",
    "v",
    "v1",
    "v1.2",
    "1.2.3",
    "v1.2.3.4",
    "v01.2.3",
    "v1.02.3",
    "v1.2.03",
    "v1.2.3-",
    "v1.2.3-a..b",
    "v1.2.3-01",
    "v1.2.3-a.00",
    "v1.2.3+incompatible",
    "v0.0.0+incompatible",
    "v2.0.0",
    "v2.0.0+incompatibl",
    "v2.0.0+incompatible1",
    "v2.0.0+meta",
    "v1.2.3-a_b",
    `v1.2.3-${"a".repeat(90)}`,
    "v1.2.1000000000",
    "v1.2.3 ",
  ];
  for (const version of versions) assert.ok(!compare(recordOf("example.com/x", version)), version);
  assert.ok(!compare(recordOf("example.com/x/v2", "v1.0.0")));
  assert.ok(!compare(recordOf("example.com/x/v2", "v2.0.0+incompatible")));
});

test("tells the kinds of versions apart as the map function does", () => {
  const tails = [
    "-20200101000000-abc",
    "-0.20200101000000-abc",
    "-00.20200101000000-abc",
    "-a.0.20200101000000-abc",
    "-a0.20200101000000-abc",
    "-0.2020010100000-abc",
    "-0.202001010000000-abc",
    "-0.20200101000000-",
    "-0.20200101000000-a-b",
    "-0.20200101000000-a.b",
    "-x-0.20200101000000-abc",
    "-1.20200101000000-abc",
    "-.20200101000000-abc",
    "-20200101000000",
    "-a",
    "-0",
    "-0-",
    "-0.0.20200101000000-a",
  ];
  for (const core of ["v1.0.0", "v1.0.1", "v1.1.0", "v0.0.0", "v1.2.3"]) {
    for (const tail of tails) compare(recordOf("example.com/x", core + tail));
  }
});

test("agrees with the slow way on records of every kind and all their one-byte changes", () => {
  const records = makeOddRecords(5, 400);
  let fast = 0;
  for (const text of records) fast += compare(text) ? 1 : 0;
  assert.ok(fast > 120, `${fast} of ${records.length} were fast`);
  const random = makeRandom(6);
  for (let i = 0; i < 12_000; i++) {
    const text = (records[Math.floor(random() * records.length)] as Uint8Array).slice();
    if (text.length < 120) continue;
    const at = Math.floor(random() * text.length);
    const kind = random();
    if (kind < 0.5) text[at] = 0x20 + Math.floor(random() * 0x60);
    else if (kind < 0.7) text[at] = Math.floor(random() * 256);
    else if (kind < 0.85) text.copyWithin(at, at + 1);
    else text.copyWithin(at + 1, at);
    // A change that stands on both lines gets further.
    const second = text.indexOf(10) + 1;
    if (random() < 0.5 && at < second && second + at < text.length) text[second + at] = text[at] as number;
    compare(text);
  }
});

test("refuses a record that is cut off, at every length", () => {
  const text = recordOf("example.com/x/v2", "v2.0.1-rc.1");
  const parser = new RecordParser(Buffer.from(text));
  for (let limit = 0; limit < text.length; limit++) assert.equal(parser.parse(0, limit), 0, `${limit}`);
  assert.equal(parser.parse(0, text.length), text.length);
});

test("takes and refuses what the slow way does at places of both hashes, whatever byte stands there", () => {
  const text = recordOf("example.com/x/v2", "v2.0.1-rc.1");
  for (const from of [text.indexOf(0x3a) + 1, text.lastIndexOf(0x3a) + 1]) {
    // Of pairs, of groups of them, and of the end.
    for (const place of [0, 1, 2, 15, 16, 17, 31, 32, 41, 42, 43]) {
      const at = from + place;
      for (let byte = 0; byte < 256; byte++) {
        const changed = text.slice();
        changed[at] = byte;
        assert.equal(compare(changed), parseRecord(changed) !== undefined, `${byte} at ${at}`);
      }
    }
  }
});
