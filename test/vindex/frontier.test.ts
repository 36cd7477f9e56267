import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Frontier } from "../../src/vindex/frontier.ts";
import { countBits, coverRange } from "../../src/vindex/tlog.ts";
import { hashOf, sha256 } from "./samples.ts";
import { naiveRoot, naiveSubtree } from "./trees.ts";

const MAX = 80;
const malformed = { code: "MALFORMED_PROOF" };
const leaves = Array.from({ length: MAX }, (_, i) => hashOf(i));
const frontiers = Array.from({ length: MAX + 1 }, (_, n) => Frontier.empty(sha256).appendAll(leaves.slice(0, n)));
const frontierOf = (n: number): Frontier => frontiers[n] as Frontier;
const cover = (m: number, n: number): Uint8Array[] => coverRange(m, n).map((subtree) => naiveSubtree(leaves, subtree));

describe("frontiers", () => {
  it("have the root of the definition after each leaf", () => {
    let frontier = Frontier.empty();
    assert.deepEqual(frontier.root(), naiveRoot([]));
    for (let n = 1; n <= MAX; n++) {
      frontier = frontier.append(leaves[n - 1] as Uint8Array);
      assert.equal(frontier.treeSize, n);
      assert.deepEqual(frontier.root(), naiveRoot(leaves.slice(0, n)));
      assert.deepEqual(frontier.peaks, frontierOf(n).peaks);
      assert.deepEqual(frontier.peaks, cover(0, n));
      assert.equal(frontier.peaks.length, countBits(n));
    }
  });

  it("extend from every size to every other", () => {
    for (let n = 0; n <= MAX; n++) {
      for (let m = 0; m <= n; m++) {
        const extended = frontierOf(m).extend(n, cover(m, n));
        assert.equal(extended.treeSize, n);
        assert.deepEqual(extended.peaks, frontierOf(n).peaks);
      }
    }
  });

  it("extend in any number of steps to the same", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: MAX }), { minLength: 1, maxLength: 40, size: "max" }),
        (sizes) => {
          let frontier = Frontier.empty(sha256);
          for (const n of sizes.sort((a, b) => a - b)) frontier = frontier.extend(n, cover(frontier.treeSize, n));
          assert.deepEqual(frontier.root(), naiveRoot(leaves.slice(0, frontier.treeSize)));
        },
      ),
    );
  });

  it("append many as one by one", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 4 }), (steps) => {
        let frontier = Frontier.empty(sha256);
        for (const step of steps)
          frontier = frontier.appendAll(leaves.slice(frontier.treeSize, frontier.treeSize + step));
        assert.deepEqual(frontier.peaks, frontierOf(frontier.treeSize).peaks);
      }),
    );
  });

  it("are made again of their size and peaks", () => {
    for (let n = 0; n <= MAX; n++) {
      const made = Frontier.of(n, frontierOf(n).peaks, sha256);
      assert.deepEqual(made.root(), frontierOf(n).root());
      if (n < MAX) assert.deepEqual(made.append(leaves[n] as Uint8Array).peaks, frontierOf(n + 1).peaks);
    }
  });

  it("never change", () => {
    const before = frontierOf(7);
    const peaks = [...before.peaks];
    before.append(hashOf("x"));
    before.extend(20, cover(7, 20));
    assert.deepEqual(before.peaks, peaks);
    const given = [...peaks];
    const made = Frontier.of(7, given);
    given.pop();
    assert.equal(made.peaks.length, 3);
  });

  it("have another root if a hash of the extension is another", () => {
    for (const [m, n] of [
      [5, 14],
      [0, 7],
      [7, 8],
      [8, 9],
    ] as const) {
      const right = frontierOf(n).root();
      const hashes = cover(m, n);
      for (let at = 0; at < hashes.length; at++) {
        const wrong = hashes.map((h, i) => (i === at ? hashOf("wrong") : h));
        assert.notDeepEqual(frontierOf(m).extend(n, wrong).root(), right);
      }
    }
  });

  it("refuse a number of hashes that the sizes do not ask for", () => {
    for (let n = 0; n <= 20; n++) {
      for (let m = 0; m <= n; m++) {
        const hashes = cover(m, n);
        assert.throws(() => frontierOf(m).extend(n, [...hashes, hashOf("x")]), malformed);
        if (hashes.length > 0) assert.throws(() => frontierOf(m).extend(n, hashes.slice(1)), malformed);
      }
    }
  });

  it("refuse peaks that do not fit the size", () => {
    const peaks = [hashOf(1), hashOf(2), hashOf(3)];
    assert.ok(Frontier.of(7, peaks));
    for (const n of [0, 1, 6, 8, 15, 2 ** 53 - 1]) assert.throws(() => Frontier.of(n, peaks), malformed);
    assert.throws(() => Frontier.of(1, []), malformed);
    assert.throws(() => Frontier.of(1, [new Uint8Array(31)]), malformed);
    assert.throws(() => Frontier.of(1, [new Uint8Array(33)]), malformed);
  });

  it("refuse sizes that are none", () => {
    for (const n of [-1, 0.5, Number.NaN, 2 ** 53]) assert.throws(() => Frontier.of(n, []), RangeError);
    assert.throws(() => frontierOf(7).extend(6, []), RangeError);
    assert.throws(() => frontierOf(7).extend(7.5, []), RangeError);
  });

  it("reach sizes near 2^53", () => {
    const size = 2 ** 53 - 2;
    const peaks = Array.from({ length: countBits(size) }, (_, i) => hashOf(i));
    const next = Frontier.of(size, peaks, sha256).append(hashOf("last"));
    assert.equal(next.treeSize, 2 ** 53 - 1);
    assert.equal(next.peaks.length, 53);
    const far = Frontier.of(2 ** 52, [hashOf(1)], sha256).extend(
      2 ** 53 - 1,
      coverRange(2 ** 52, 2 ** 53 - 1).map((_, i) => hashOf(i)),
    );
    assert.equal(far.peaks.length, 53);
  });
});
