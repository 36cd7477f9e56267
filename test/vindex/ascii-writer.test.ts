import assert from "node:assert/strict";
import { test } from "node:test";
import { AsciiWriter } from "../../src/vindex/ascii-writer.ts";
import { formatBase64Unpadded } from "../../src/vindex/base64.ts";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

test("writes texts and base64 of every length as the formatter of base64 does", () => {
  const writer = new AsciiWriter();
  for (let length = 0; length < 70; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 37 + length * 11) % 256);
    writer.cut(0);
    writer.text("h=");
    writer.base64(bytes);
    assert.equal(text(writer.view()), `h=${formatBase64Unpadded(bytes)}`);
    assert.equal(text(writer.copy()), `h=${formatBase64Unpadded(bytes)}`);
  }
});

test("grows, and forgets what is cut", () => {
  const writer = new AsciiWriter();
  const long = "x".repeat(10_000);
  writer.text(long);
  writer.text("y");
  assert.equal(writer.length, 10_001);
  assert.equal(text(writer.copy()), `${long}y`);
  writer.cut(3);
  writer.text("z");
  assert.equal(text(writer.view()), "xxxz");
});

test("gives copies that stay as they are, however much is written after them", () => {
  const writer = new AsciiWriter();
  const copies = Array.from({ length: 500 }, (_, i) => {
    writer.cut(0);
    writer.text(`value ${i} ${"a".repeat(i)}`);
    return writer.copy();
  });
  for (const [i, copy] of copies.entries()) assert.equal(text(copy), `value ${i} ${"a".repeat(i)}`);
});

test("refuses what is not ASCII", () => {
  const writer = new AsciiWriter();
  for (const bad of ["\x80", "ü", "a\u{1f600}"]) assert.throws(() => writer.text(bad), RangeError);
  assert.equal(writer.length, 0);
});
