import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { judge } from "../../bench/report.ts";
import { median, slope } from "../../bench/timing.ts";

describe("the arithmetic of the benchmarks", () => {
  it("takes the middle of an odd number of figures, and the mean of the two in the middle of an even one", () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 10, 1, 2]), 3);
  });

  it("sorts figures by value and not as text", () => {
    assert.equal(median([10, 9, 100]), 10);
  });

  it("refuses the median of nothing", () => {
    assert.throws(() => median([]), RangeError);
  });

  it("finds the exponent of a power", () => {
    const of = (exponent: number): number => slope([10, 100, 1000].map((n) => [n, 7 * n ** exponent] as const));
    assert.ok(Math.abs(of(1) - 1) < 1e-9);
    assert.ok(Math.abs(of(2) - 2) < 1e-9);
    assert.ok(Math.abs(of(0)) < 1e-9);
  });

  it("refuses a slope of one size, of none, and of what is not positive", () => {
    assert.throws(() => slope([]), RangeError);
    assert.throws(() => slope([[10, 1]]), RangeError);
    assert.throws(
      () =>
        slope([
          [10, 1],
          [10, 2],
        ]),
      RangeError,
    );
    assert.throws(
      () =>
        slope([
          [10, 1],
          [100, 0],
        ]),
      RangeError,
    );
    assert.throws(
      () =>
        slope([
          [0, 1],
          [100, 1],
        ]),
      RangeError,
    );
    assert.throws(
      () =>
        slope([
          [10, 1],
          [100, Number.NaN],
        ]),
      RangeError,
    );
  });

  it("passes a goal at its limit, on either side", () => {
    const goal = { what: "", unit: "", limit: 10 };
    assert.equal(judge({ ...goal, value: 10, bound: "least" }), "PASS");
    assert.equal(judge({ ...goal, value: 10, bound: "most" }), "PASS");
    assert.equal(judge({ ...goal, value: 9.99, bound: "least" }), "MISS");
    assert.equal(judge({ ...goal, value: 10.01, bound: "most" }), "MISS");
  });

  it("misses a goal with a figure that is no number, and does not judge what was not measured", () => {
    const goal = { what: "", unit: "", limit: 10 };
    assert.equal(judge({ ...goal, value: Number.NaN, bound: "most" }), "MISS");
    assert.equal(judge({ ...goal, value: Number.NaN, bound: "least" }), "MISS");
    assert.equal(judge({ ...goal, value: undefined, bound: "least" }), "not judged");
  });
});
