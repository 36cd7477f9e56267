import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ItemReader, joinItems, MAX_VALUE_LENGTH } from "../../src/vindex/value-text.ts";
import { text43 } from "./samples.ts";

describe("value texts", () => {
  it("hold as many items as fit 255 bytes, and none after the first that does not", () => {
    const x = (n: number): string => "x".repeat(n);
    assert.equal(joinItems([]), "");
    assert.equal(joinItems([x(255)]).length, MAX_VALUE_LENGTH);
    assert.equal(joinItems([x(256)]), "");
    assert.equal(joinItems([x(100), x(153)]).length, 255);
    assert.equal(joinItems([x(100), x(154), x(1)]), x(100));
  });

  it("are the longest that fits, by definition", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 120 })), (lengths) => {
        const items = lengths.map((n) => "x".repeat(n));
        const joined = joinItems(items);
        const count = items.findIndex((_, i) => items.slice(0, i + 1).join("; ").length > 255);
        assert.equal(joined, items.slice(0, count < 0 ? items.length : count).join("; "));
      }),
    );
  });
});

describe("items", () => {
  it("are read field by field, in order", () => {
    const reader = new ItemReader(`v=v1.0.0 i=7 h=${text43(1)}`);
    assert.equal(reader.take("i"), undefined);
    assert.equal(reader.take("v"), "v1.0.0");
    assert.equal(reader.isDone(), false);
    assert.equal(reader.takeDecimal("i"), 7);
    assert.equal(reader.takeHash("h")?.length, 32);
    assert.equal(reader.isDone(), true);
    assert.equal(reader.take("v"), undefined);
  });

  it("are not done after double, leading or trailing spaces", () => {
    for (const item of ["v=1 ", " v=1", "v=1  i=2", ""]) {
      const reader = new ItemReader(item);
      reader.take("v");
      assert.equal(reader.isDone(), false, JSON.stringify(item));
    }
  });

  it("have no decimal or hash where another text stands", () => {
    for (const text of ["01", "+1", "", " 1", "1e3", "x"])
      assert.equal(new ItemReader(`i=${text}`).takeDecimal("i"), undefined);
    for (const text of ["", "AA", `${text43(1)}=`, `${text43(1)}A`, text43(1).slice(1)]) {
      assert.equal(new ItemReader(`h=${text}`).takeHash("h"), undefined);
    }
    assert.equal(new ItemReader("vv=1").take("v"), undefined);
    assert.equal(new ItemReader("v").take("v"), undefined);
  });
});
