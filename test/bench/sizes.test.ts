import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { makeRandom } from "../../bench/dns/names.ts";
import { replaceBetweenMarkers } from "../../bench/report.ts";
import { expectedLevels, grind } from "../../bench/sizes/attack.ts";
import { makeCorpus } from "../../bench/sizes/corpus.ts";
import { Distribution } from "../../bench/sizes/distribution.ts";
import { KeyPaths, PathShapes } from "../../bench/sizes/key-paths.ts";
import { AnswerSizes } from "../../bench/sizes/measure.ts";
import { ReplySizer } from "../../bench/sizes/reply-sizer.ts";
import { formatShare } from "../../bench/sizes/tables.ts";
import { makeSampleRecords } from "../../src/cli/sample-records.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { PrefixTree } from "../../src/vindex/prefix-tree.ts";

describe("path shapes", () => {
  it("are those of the prefix tree over the same keys", () => {
    const count = 500;
    const random = makeRandom(9);
    const prefixes = new BigUint64Array(count);
    const pairs = Array.from({ length: count }, (_, i) => {
      const indexKey = new Uint8Array(32).map(() => 256 * random());
      prefixes[i] = new DataView(indexKey.buffer).getBigUint64(0);
      return { indexKey, value: Uint8Array.of(1) };
    });
    const tree = PrefixTree.of(pairs, nodeSha256);
    const expected = new PathShapes();
    for (const { indexKey } of pairs) {
      const { steps } = tree.path(indexKey);
      expected.add(steps.length, steps.at(-1)?.bit ?? -1, 1);
    }
    assert.deepEqual([...new KeyPaths(prefixes).inclusion().entries()], [...expected.entries()]);
  });

  it("of one key have no sibling and no bitmap", () => {
    const one = KeyPaths.random(1, 1);
    assert.deepEqual([...one.inclusion().entries()], [{ depth: 0, bitmapBytes: 0, count: 1 }]);
    assert.deepEqual([...one.nonInclusion(3, 1).entries()], [{ depth: 0, bitmapBytes: 0, count: 3 }]);
  });

  it("count each key once, and are the same for the same seed", () => {
    const shapes = [...KeyPaths.random(3_000, 4).inclusion().entries()];
    assert.equal(
      shapes.reduce((sum, { count }) => sum + count, 0),
      3_000,
    );
    assert.deepEqual(shapes, [...KeyPaths.random(3_000, 4).inclusion().entries()]);
  });

  it("refuse no keys, and two that share their 64 bits", () => {
    assert.throws(() => new KeyPaths(new BigUint64Array(0)), RangeError);
    assert.throws(() => new KeyPaths(BigUint64Array.of(7n, 1n, 7n)), RangeError);
  });
});

describe("distributions", () => {
  it("give the smallest size that enough of the weight does not exceed", () => {
    const sizes = new Distribution();
    sizes.add(100, 98);
    sizes.add(1232, 1);
    sizes.add(1233, 1);
    const { p50, p99, max, fits } = sizes.summarize();
    assert.deepEqual([p50, p99, max], [100, 1232, 1233]);
    assert.deepEqual(fits, [0.98, 0.99, 1, 1]);
  });

  it("refuse to summarize nothing", () => {
    assert.throws(() => new Distribution().summarize(), RangeError);
    assert.throws(() => new Distribution().quantile(0.5), RangeError);
  });

  it("never print a share as all or nothing that is not", () => {
    assert.equal(formatShare(1), "100 %");
    assert.equal(formatShare(0), "0 %");
    assert.equal(formatShare(1 - 1e-9), "> 99.99 %");
    assert.equal(formatShare(1e-9), "< 0.01 %");
    assert.equal(formatShare(0.9985), "99.85 %");
  });

  it("are written between their markers only, and nowhere without them", () => {
    const page = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n";
    assert.equal(replaceBetweenMarkers(page, "x", "new"), "a\n<!-- x:begin -->\n\nnew\n\n<!-- x:end -->\nb\n");
    assert.throws(() => replaceBetweenMarkers(page, "y", "new"), /no place/);
  });
});

describe("sizes of answers", () => {
  const corpus = makeCorpus(makeSampleRecords(1, 20), "samples");
  const answers = new AnswerSizes(new ReplySizer(), corpus);

  it("grow by a sibling's 32 bytes, by a signature's 109 and a cookie's 28", () => {
    const shapes = (depth: number): PathShapes => {
      const out = new PathShapes();
      out.add(depth, 15, 1);
      return out;
    };
    const [plain, signed, cookie, both] = answers.present(shapes(10)).map((sizes) => sizes.summarize().max);
    const deeper = answers.present(shapes(11)).map((sizes) => sizes.summarize().max)[0] ?? 0;
    assert.ok([32, 33].includes(deeper - (plain ?? 0)), "a sibling, and now and then a string's length");
    assert.equal((signed ?? 0) - (plain ?? 0), 109);
    assert.equal((cookie ?? 0) - (plain ?? 0), 28);
    assert.equal((both ?? 0) - (signed ?? 0), 28);
  });
});

describe("adversarial depth", () => {
  it("follows from the names that are hashed: a search finds about as many levels as the formula says", () => {
    const found = grind(8, 13, 32, 3);
    assert.ok(Math.abs(found.foundLevels - found.expectedLevels) < 1, JSON.stringify(found));
  });

  it("costs twice as much for each level", () => {
    const natural = [0, 1, 2, 3, 4, 5, 6, 7];
    const difference = expectedLevels(natural, 41) - expectedLevels(natural, 40);
    assert.ok(Math.abs(difference - 1) < 1e-6);
  });
});
