import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import {
  computeRecordHash,
  computeRecordHashOf,
  encodeSubLogLeaf,
  formatH1,
  formatRecord,
  makeRecord,
  parseH1,
  parseRecord,
} from "../../src/vindex/record.ts";
import { needsTestData, readRealRecords, readRows, readVectors } from "./reference.ts";
import { flipBit, hashOf, inBoundedTime, longTexts, offsetView, plainVersion, sha256, toHex } from "./samples.ts";

const zip = hashOf("zip");
const mod = hashOf("mod");
const good = formatRecord("example.com/m", "v1.2.3", zip, mod);
const parse = (text: string): unknown => parseRecord(encodeUtf8(text));

describe("records", () => {
  it("have the reference hashes", needsTestData, () => {
    const { lookups } = readVectors<{ lookups: { body: string; record_index: number; record_hash_hex: string }[] }>(
      "sumdb-lookups.json",
    );
    assert.equal(lookups.length, 4);
    for (const { body, record_index, record_hash_hex } of lookups) {
      const text = body.slice(body.indexOf("\n") + 1, body.indexOf("\n\n") + 1);
      assert.equal(body.slice(0, body.indexOf("\n")), String(record_index));
      assert.equal(toHex(computeRecordHash(encodeUtf8(text))), record_hash_hex);
      const record = parseRecord(encodeUtf8(text));
      assert.ok(record !== undefined);
      assert.equal(toHex(computeRecordHashOf(record)), record_hash_hex);
    }
  });

  it("are well-formed, all 60 real ones", needsTestData, () => {
    const rows = readRows("vectors", "lookups.tsv");
    assert.equal(rows.length, 60);
    for (const [, path = "", version = "", h1zip = "", h1mod = ""] of rows) {
      const text = `${path} ${version} ${h1zip}\n${path} ${version}/go.mod ${h1mod}\n`;
      const record = parseRecord(encodeUtf8(text));
      assert.ok(record !== undefined, text);
      assert.equal(record.path, path);
      assert.equal(record.version.text, version);
      assert.equal(formatH1(record.zipHash), h1zip);
      assert.equal(formatRecord(record.path, record.version.text, record.zipHash, record.goModHash), text);
    }
  });

  it("are well-formed, all 20,047 of the development data and all of the toolchain", needsTestData, () => {
    assert.equal(readRealRecords().length, 20_047);
    for (const [version = "", h1zip = "", h1mod = ""] of readRows("data", "toolchain.tsv")) {
      const text = `golang.org/toolchain ${version} ${h1zip}\ngolang.org/toolchain ${version}/go.mod ${h1mod}\n`;
      assert.ok(parse(text), text);
    }
  });

  it("parse to what they were formatted from", () => {
    fc.assert(
      fc.property(plainVersion, (text) => {
        const version = text.replace(/^v[0-9]+/, "v1");
        const bytes = offsetView(encodeUtf8(formatRecord("example.com/m", version, zip, mod)));
        const record = parseRecord(bytes);
        assert.deepEqual(record, makeRecord("example.com/m", version, zip, mod));
        assert.equal(record?.version.text, version);
      }),
    );
  });

  it("format to what they were parsed from, whatever one byte is changed to", () => {
    const bytes = encodeUtf8(good);
    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0, 9, 10, 13, 32, 43, 46, 47, 48, 61, 65, 97, 127, 128, 255]) {
        const changed = Uint8Array.from(bytes);
        changed[at] = value;
        const record = parseRecord(changed);
        if (record === undefined) continue;
        assert.deepEqual(
          encodeUtf8(formatRecord(record.path, record.version.text, record.zipHash, record.goModHash)),
          changed,
        );
      }
    }
  });

  it("are not well-formed with other lines, spaces or line ends", () => {
    assert.ok(parse(good));
    const [one = "", two = ""] = good.split("\n");
    const wrong = [
      "",
      "\n",
      "\n\n",
      one,
      `${one}\n`,
      `${one}\n${two}`,
      `${good}\n`,
      `\n${good}`,
      good + good,
      `${two}\n${one}\n`,
      `${one}\n${one}\n`,
    ];
    wrong.push(
      good.replaceAll("\n", "\r\n"),
      good.replace("\n", "\n\n"),
      good.replace(" ", "  "),
      good.replace(" ", "\t"),
      ` ${good}`,
    );
    wrong.push(
      good.replaceAll(" ", "\u00a0"),
      good.replace("/go.mod", ""),
      good.replace("/go.mod", "/go.sum"),
      good.replace("/go.mod", "/go.mod "),
    );
    wrong.push(
      `\ufeff${good}`,
      good.replace(/\n$/, " \n"),
      good.replace("\n", " \n"),
      good.replace("\n", " x\n"),
      `${one}\n${two} x\n`,
    );
    for (const text of wrong) assert.equal(parse(text), undefined, JSON.stringify(text));
  });

  it("are not well-formed if the two lines are about different modules or versions", () => {
    const [one = "", two = ""] = good.split("\n");
    for (const [from, to] of [
      ["example.com/m", "example.com/n"],
      ["example.com/m", "example.com/M"],
      ["v1.2.3", "v1.2.4"],
      ["v1.2.3", "v1.2.3-0"],
    ] as const) {
      assert.equal(parse(`${one.replace(from, to)}\n${two}\n`), undefined);
      assert.equal(parse(`${one}\n${two.replace(from, to)}\n`), undefined);
      assert.ok(parse(`${one.replace(from, to)}\n${two.replace(from, to)}\n`));
    }
  });

  it("are not well-formed with other hashes than h1 of 32 bytes in strict base64", () => {
    const text = formatH1(zip);
    assert.deepEqual(parseH1(text), zip);
    const wrong = [
      "",
      "h1:",
      text.slice(3),
      text.replace("h1", "h2"),
      text.replace("h1", "H1"),
      text.slice(0, -1),
      `${text}=`,
      `${text} `,
    ];
    const spare = `${text.slice(0, -2)}${String.fromCharCode(text.charCodeAt(text.length - 2) + 1)}=`;
    for (const h1 of [
      ...wrong,
      ` ${text}`,
      spare,
      formatH1(new Uint8Array(31)),
      formatH1(new Uint8Array(33)),
      text.replace("h1:", "h1: "),
    ]) {
      assert.equal(parseH1(h1), undefined, h1);
      assert.equal(parse(good.replace(text, h1)), undefined, h1);
      assert.equal(parse(good.replace(formatH1(mod), h1)), undefined, h1);
    }
  });

  it("are not well-formed with paths and versions that break a rule", () => {
    const wrong = [
      ["example.com/m", "v2.0.0"],
      ["example.com/m", "v1.0.0+incompatible"],
      ["example.com/m", "v0.1.0+incompatible"],
      ["example.com/m/v2", "v1.0.0"],
      ["example.com/m/v2", "v2.0.0+incompatible"],
      ["example.com/m", "v1.2"],
      ["example.com/m", "1.2.3"],
      ["example.com/m", "v1.2.3+meta"],
      ["example.com/m", `v1.2.3-${"a".repeat(84)}`],
      ["example", "v1.2.3"],
      ["Example.com/m", "v1.2.3"],
      ["example.com/m/v1", "v1.2.3"],
      ["gopkg.in/yaml", "v1.2.3"],
      ["example.com/con", "v1.2.3"],
      ["example.com/m~1", "v1.2.3"],
      ["", "v1.2.3"],
      ["example.com/m", ""],
    ] as const;
    for (const [path, version] of wrong) {
      assert.equal(makeRecord(path, version, zip, mod), undefined, `${path} ${version}`);
      assert.equal(parse(formatRecord(path, version, zip, mod)), undefined, `${path} ${version}`);
    }
    assert.ok(makeRecord("example.com/m", `v1.2.3-${"a".repeat(83)}`, zip, mod));
  });

  it("are never read from bytes that are no UTF-8", () => {
    const bytes = encodeUtf8(good);
    for (let at = 0; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes);
      changed[at] = 0xff;
      assert.equal(parseRecord(changed), undefined);
    }
  });

  it("never make the parser throw, and in bounded time", () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void parseRecord(bytes)));
    for (const text of longTexts()) {
      inBoundedTime("parseRecord", () => parse(text));
      inBoundedTime("parseRecord", () =>
        parse(formatRecord(text.replaceAll("\n", "").replaceAll(" ", ""), "v1.0.0", zip, mod)),
      );
      inBoundedTime("parseRecord", () => parse(formatRecord("example.com/m", text, zip, mod)));
    }
  });

  it("have another hash after every change of one bit", () => {
    const bytes = encodeUtf8(good);
    const hashes = new Set<string>([toHex(computeRecordHash(bytes))]);
    for (let bit = 0; bit < bytes.length * 8; bit++) hashes.add(toHex(computeRecordHash(flipBit(bytes, bit), sha256)));
    assert.equal(hashes.size, bytes.length * 8 + 1);
  });

  it("stand in a sub-log with their index in eight bytes", () => {
    assert.equal(toHex(encodeSubLogLeaf(0x0102030405, zip)), `0000000102030405${toHex(zip)}`);
    assert.equal(toHex(encodeSubLogLeaf(2 ** 53 - 1, zip)), `001fffffffffffff${toHex(zip)}`);
    assert.equal(encodeSubLogLeaf(0, zip).length, 40);
  });
});
