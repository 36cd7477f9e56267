import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SubLogPages } from "../../src/store/sub-log-pages.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { Frontier } from "../../src/vindex/frontier.ts";
import type { VersionEntry } from "../../src/vindex/payload.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { encodeSubLogLeaf, formatRecord } from "../../src/vindex/record.ts";
import { computeLeafHash } from "../../src/vindex/tlog.ts";

const PATH = "example.com/many";
const key = nodeSha256(encodeUtf8(PATH));
const entries: VersionEntry[] = Array.from({ length: 3000 }, (_, i) => {
  const hash = nodeSha256(encodeUtf8(String(i)));
  return { logIndex: 10 * i, version: `v1.0.${i}`, zipHash: hash, goModHash: hash };
});
const subLogs = new Map<number, Frontier>();
function subLogOf(count: number): Frontier {
  const known = subLogs.get(count);
  if (known !== undefined) return known;
  const leaves = entries.slice(0, count).map(({ logIndex, version, zipHash, goModHash }) => {
    const record = computeLeafHash(encodeUtf8(formatRecord(PATH, version, zipHash, goModHash)), nodeSha256);
    return computeLeafHash(encodeSubLogLeaf(logIndex, record), nodeSha256);
  });
  const subLog = Frontier.empty(nodeSha256).appendAll(leaves);
  subLogs.set(count, subLog);
  return subLog;
}

/** Reads that count what they read. */
function reader(source: readonly VersionEntry[] = entries): {
  read: (a: number, b: number) => VersionEntry[];
  count: () => number;
} {
  let count = 0;
  const read = (from: number, to: number): VersionEntry[] => {
    count += to - from;
    return source.slice(from, to);
  };
  return { read, count: () => count };
}

describe("SubLogPages", () => {
  it("gives every page of modules of every size around a page, as it is stored", () => {
    for (const size of [1, 2, 255, 256, 257, 511, 512, 513, 3000]) {
      const pages = new SubLogPages(nodeSha256);
      const subLog = subLogOf(size);
      for (let from = 0; from < size; from += 256) {
        const to = Math.min(size, from + 256);
        assert.deepEqual(pages.read(key, PATH, subLog, from, to, reader().read), entries.slice(from, to));
      }
    }
  });

  it("reads all records once, then one page for each question, and the new ones when there are more", () => {
    const pages = new SubLogPages(nodeSha256);
    const first = reader();
    pages.read(key, PATH, subLogOf(2900), 0, 256, first.read);
    assert.equal(first.count(), 2900 + 256);
    const second = reader();
    pages.read(key, PATH, subLogOf(2900), 512, 768, second.read);
    assert.equal(second.count(), 256);
    const grown = reader();
    pages.read(key, PATH, subLogOf(3000), 512, 768, grown.read);
    // 2,900 records had eleven full pages, as have 3,000: only the page that is asked for is read.
    assert.equal(grown.count(), 256);
    const last = reader();
    assert.deepEqual(pages.read(key, PATH, subLogOf(3000), 2816, 3000, last.read), entries.slice(2816));
    assert.equal(last.count(), 3000 - 2816);
  });

  it("refuses a record that is changed, missing, swapped or of another module, wherever it is, and remembers nothing of it", () => {
    const damage: ((all: VersionEntry[]) => void)[] = [
      (all) => void all.splice(700, 1, { ...(all[700] as VersionEntry), logIndex: 1 }),
      (all) => void all.splice(2999, 1, { ...(all[2999] as VersionEntry), version: "v1.0.1" }),
      (all) => void all.splice(0, 1, { ...(all[0] as VersionEntry), zipHash: new Uint8Array(32) }),
      (all) => void all.splice(5, 2, all[6] as VersionEntry, all[5] as VersionEntry),
      (all) => void all.splice(100, 1),
    ];
    for (const change of damage) {
      const all = [...entries];
      change(all);
      const pages = new SubLogPages(nodeSha256);
      const refused = (error: unknown): boolean => isProofdnsError(error, "STORE_UNUSABLE");
      for (const from of [0, 1024, 2816]) {
        const to = Math.min(3000, from + 256);
        assert.throws(() => pages.read(key, PATH, subLogOf(3000), from, to, reader(all).read), refused);
      }
      assert.deepEqual(pages.read(key, PATH, subLogOf(3000), 0, 256, reader().read), entries.slice(0, 256));
      // What was verified before does not vouch for what is read now.
      if (all[0] !== entries[0])
        assert.throws(() => pages.read(key, PATH, subLogOf(3000), 0, 256, reader(all).read), refused);
    }
    const pages = new SubLogPages(nodeSha256);
    assert.throws(() => pages.read(key, "example.com/other", subLogOf(300), 0, 256, reader().read));
    for (const [from, to] of [
      [0, 257],
      [255, 257],
      [10, 10],
      [2816, 3001],
    ] as const)
      assert.throws(() => pages.read(key, PATH, subLogOf(3000), from, to, reader().read), RangeError);
  });
});
