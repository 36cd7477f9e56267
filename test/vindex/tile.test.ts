import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseTreeHead } from "../../src/vindex/checkpoint.ts";
import { parseVerifierKey, verifyNote } from "../../src/vindex/note.ts";
import { computeRecordHash } from "../../src/vindex/record.ts";
import {
  DATA_LEVEL,
  formatTilePath,
  parentTile,
  parseTilePath,
  subtreeHashFromTile,
  TILE_WIDTH,
  type Tile,
  tileAt,
  tileForSubtree,
  tileHash,
} from "../../src/vindex/tile.ts";
import { computeLogInclusionProof, coverRange, verifyLogInclusionProof } from "../../src/vindex/tlog.ts";
import { needsTestData, readReference, readVectors, SUM_GOLANG_ORG } from "./reference.ts";
import { hashOf, inBoundedTime, longTexts, offsetView, refusalOf, sha256 } from "./samples.ts";
import { naiveSubtree } from "./trees.ts";

const malformed = { code: "MALFORMED_TILE" };
const leaves = Array.from({ length: 300 }, (_, i) => hashOf(i));

/** The bytes of a tile of the leaves, by definition. */
function bytesOf(tile: Tile): Uint8Array {
  const hashes = Array.from({ length: tile.width }, (_, i) =>
    naiveSubtree(leaves, { level: tile.level * tile.height, index: tile.index * 2 ** tile.height + i }),
  );
  return offsetView(Uint8Array.from(Buffer.concat(hashes)));
}

describe("tile paths", () => {
  it("are the reference paths", needsTestData, () => {
    const { tile_paths } = readVectors<{
      tile_paths: { n?: number; encoded?: string; tile?: string; path?: string }[];
    }>("misc.json");
    assert.equal(tile_paths.length, 3);
    for (const { n, encoded, tile, path } of tile_paths) {
      if (n !== undefined)
        assert.equal(formatTilePath({ height: 8, level: 0, index: n, width: 256 }), `tile/8/0/${encoded}`);
      const match = /^H(\d+) L(\d+) N(\d+) W(\d+)$/.exec(tile ?? "");
      if (match === null) continue;
      const [height = 0, level = 0, index = 0, width = 0] = match.slice(1).map(Number);
      assert.equal(formatTilePath({ height, level, index, width }), path);
      assert.deepEqual(parseTilePath(path as string), { height, level, index, width });
    }
  });

  it("parse to what they were formatted from", () => {
    const tile = fc.integer({ min: 1, max: 30 }).chain((height) =>
      fc.record(
        {
          height: fc.constant(height),
          level: fc.integer({ min: -1, max: 63 }),
          index: fc.oneof(fc.maxSafeNat(), fc.nat(2_000_000), fc.constantFrom(0, 999, 1000, 999_999, 1_000_000)),
          width: fc.integer({ min: 1, max: 2 ** height }),
        },
        { noNullPrototype: true },
      ),
    );
    fc.assert(fc.property(tile, (t) => assert.deepEqual(parseTilePath(formatTilePath(t)), t)));
  });

  it("are written as in the specification", () => {
    assert.equal(formatTilePath({ height: 8, level: 0, index: 5, width: 256 }), "tile/8/0/005");
    assert.equal(formatTilePath({ height: 8, level: DATA_LEVEL, index: 1000, width: 3 }), "tile/8/data/x001/000.p/3");
    assert.equal(formatTilePath({ height: 2, level: 1, index: 0, width: 4 }), "tile/2/1/000");
  });

  it("format to what they were parsed from", () => {
    const pieces = fc.constantFrom(
      "tile",
      "/",
      "8",
      "0",
      "1",
      "63",
      "data",
      "x001",
      "000",
      "x000",
      "999",
      ".p",
      "255",
      "256",
      "00",
      "-1",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 6 }), (list) => {
        const path = `tile/8/0/${list.join("")}`;
        const tile = refusalOf(() => parseTilePath(path));
        if (tile !== undefined) assert.equal(formatTilePath(tile), path);
      }),
      { numRuns: 3000 },
    );
  });

  it("refuse leading zeros, long and short groups, full widths and zeros", () => {
    const wrong = [
      "",
      "tile",
      "/tile/8/0/000",
      "tile/8/0/000/",
      "tile/8/0/0",
      "tile/8/0/00",
      "tile/8/0/0000",
      "tile/8/0/1234",
    ];
    wrong.push(
      "tile/8/0/x000/001",
      "tile/8/0/x000/x000/001",
      "tile/8/0/001/001",
      "tile/8/0/x01/001",
      "tile/8/0/x001",
      "tile/8/0/x001/x001",
    );
    wrong.push(
      "tile/8/0/000.p/0",
      "tile/8/0/000.p/256",
      "tile/8/0/000.p/257",
      "tile/8/0/000.p/01",
      "tile/8/0/000.p/",
      "tile/8/0/000.p",
    );
    wrong.push(
      "tile/8/0/000.p/+1",
      "tile/8/0/000.p/1 ",
      "tile/8/0/000p/1",
      "tile/08/0/000",
      "tile/0/0/000",
      "tile/31/0/000",
      "tile/8/00/000",
    );
    wrong.push(
      "tile/8/64/000",
      "tile/8/-1/000",
      "tile/8/Data/000",
      "tile/8/entries/000",
      "tile/0/000",
      "tile/8/0/000\n",
      "\ntile/8/0/000",
    );
    wrong.push(
      "Tile/8/0/000",
      "tile//0/000",
      "tile/8/0/٠٠٠",
      "tile/8/0/x009/x007/x199/x254/x740/992",
      "tile/8/0/x999/x999/x999/x999/x999/999",
    );
    for (const path of wrong) assert.throws(() => parseTilePath(path), malformed, JSON.stringify(path));
    assert.equal(parseTilePath("tile/8/0/x009/x007/x199/x254/x740/991").index, 2 ** 53 - 1);
  });

  it("refuse long texts in bounded time", () => {
    for (const text of longTexts()) {
      inBoundedTime("parseTilePath", () => refusalOf(() => parseTilePath(text)));
      inBoundedTime("parseTilePath", () => refusalOf(() => parseTilePath(`tile/8/0/${text}`)));
    }
  });
});

describe("tiles", () => {
  it("of a tree of 70,000 records are as many as the reference says", needsTestData, () => {
    const { partial_tiles: p } = readVectors<{ partial_tiles: Record<string, number> }>("misc.json");
    const { size = 0 } = p;
    const count = (level: number): [number, number] => {
      let full = 0;
      while (tileAt(8, level, full, size)?.width === TILE_WIDTH) full++;
      return [full, tileAt(8, level, full, size)?.width ?? 0];
    };
    assert.deepEqual(count(0), [p["level0_full"], p["level0_partial"]]);
    assert.deepEqual(count(1), [p["level1_full"], p["level1_partial"]]);
    assert.deepEqual(count(2), [0, p["level2_partial"]]);
    assert.deepEqual(count(3), [0, 0]);
    assert.deepEqual(count(DATA_LEVEL), count(0));
  });

  it("are there exactly where the tree has complete subtrees", () => {
    for (const height of [1, 2, 3, 8]) {
      for (let size = 0; size <= 70; size++) {
        for (let level = 0; level <= 3; level++) {
          const hashes = Math.floor(size / 2 ** (height * level));
          for (let index = 0; index < 40; index++) {
            const width = Math.max(0, Math.min(2 ** height, hashes - index * 2 ** height));
            const tile = tileAt(height, level, index, size);
            assert.deepEqual(tile, width === 0 ? undefined : { height, level, index, width });
          }
        }
      }
    }
  });

  it("give the hash of every complete subtree", () => {
    for (const height of [1, 2, 3]) {
      for (const size of [1, 2, 7, 8, 9, 63, 64, 65, 100]) {
        for (let level = 0; 2 ** level <= size; level++) {
          for (let index = 0; (index + 1) * 2 ** level <= size; index++) {
            const subtree = { level, index };
            const tile = tileForSubtree(height, subtree, size);
            assert.deepEqual(subtreeHashFromTile(tile, bytesOf(tile), subtree, sha256), naiveSubtree(leaves, subtree));
          }
        }
      }
    }
  });

  it("give proofs over tiles that verify", () => {
    const [size, height] = [300, 2];
    const read = (subtrees: readonly { level: number; index: number }[]): Uint8Array[] =>
      subtrees.map((subtree) => {
        const tile = tileForSubtree(height, subtree, size);
        return subtreeHashFromTile(tile, bytesOf(tile), subtree, sha256);
      });
    const root = naiveSubtree(leaves.slice(0, 256), { level: 8, index: 0 });
    for (const i of [0, 1, 77, 255])
      verifyLogInclusionProof(
        computeLogInclusionProof(i, 256, read, sha256),
        leaves[i] as Uint8Array,
        i,
        256,
        root,
        sha256,
      );
  });

  it("hold a real record, proven with the tiles that a client keeps", needsTestData, () => {
    const bytes = readReference("vectors", "golden-tiles", "lookup", "github.com/google/uuid@v1.6.0");
    const lookup = Buffer.from(bytes).toString();
    const idEnd = lookup.indexOf("\n");
    const recordEnd = lookup.indexOf("\n\n") + 1;
    const [id, record] = [Number(lookup.slice(0, idEnd)), lookup.slice(idEnd + 1, recordEnd)];
    const head = parseTreeHead(verifyNote(lookup.slice(recordEnd + 1), parseVerifierKey(SUM_GOLANG_ORG)).text);
    assert.deepEqual([id, head.treeSize], [22_152_757, 54_083_882]);
    const used = new Set<string>();
    const proof = computeLogInclusionProof(
      id,
      head.treeSize,
      (subtrees) =>
        subtrees.map((subtree) => {
          const tile = tileForSubtree(8, subtree, head.treeSize);
          const path = formatTilePath(tile);
          used.add(path);
          // The tiles were kept from a larger tree; their first hashes are those of the narrower ones.
          const kept = path.replace("003.p/57", "003.p/82").replace(/(825|265)\.p\/[0-9]+$/, "$1");
          const data = readReference("vectors", "golden-tiles", kept);
          assert.ok(data.length >= 32 * tile.width);
          return subtreeHashFromTile(tile, data.subarray(0, 32 * tile.width), subtree, sha256);
        }),
      sha256,
    );
    const leafHash = computeRecordHash(Uint8Array.from(Buffer.from(record)));
    verifyLogInclusionProof(proof, leafHash, id, head.treeSize, head.rootHash);
    assert.equal(used.size, 7);
  });

  it("stand below the tile that holds their own hash", () => {
    const size = 200;
    for (let index = 0; index < 12; index++) {
      const tile = tileAt(2, 1, index, size) as Tile;
      const parent = parentTile(tile, size) as Tile;
      const data = bytesOf(parent);
      assert.deepEqual(tileHash(data, index % 4), naiveSubtree(leaves, { level: 4, index }));
    }
    const top = tileAt(2, 3, 0, size) as Tile;
    assert.equal(parentTile(top, size), undefined);
  });

  it("refuse hashes and subtrees that they do not cover", () => {
    const tile = tileAt(2, 1, 3, 100) as Tile;
    const data = bytesOf(tile);
    const wrong = [
      { level: 0, index: 0 },
      { level: 1, index: 6 },
      { level: 2, index: 11 },
      { level: 2, index: 16 },
      { level: 5, index: 0 },
    ];
    for (const subtree of [...wrong, { level: 3, index: 5 }, { level: 3, index: 8 }, { level: 4, index: 2 }]) {
      assert.throws(() => subtreeHashFromTile(tile, data, subtree), RangeError);
    }
    const partial = { height: 2, level: 0, index: 0, width: 3 };
    assert.throws(() => subtreeHashFromTile(partial, bytesOf(partial), { level: 2, index: 0 }), RangeError);
    assert.throws(() => subtreeHashFromTile(partial, bytesOf(partial), { level: 0, index: 3 }), RangeError);
    assert.throws(
      () => subtreeHashFromTile(partial, bytesOf(partial).slice(0, 70), { level: 0, index: 2 }),
      RangeError,
    );
    assert.throws(() => tileHash(data, 4), RangeError);
  });

  it("refuse subtrees that are not in the tree", () => {
    for (const [subtree, size] of [
      [{ level: 0, index: 7 }, 7],
      [{ level: 3, index: 0 }, 0],
      [{ level: 8, index: 0 }, 255],
    ] as const) {
      const read = (): Uint8Array =>
        subtreeHashFromTile(tileForSubtree(8, subtree, size), new Uint8Array(32 * 256), subtree);
      assert.throws(read, RangeError);
    }
  });

  it("work for trees of up to 2^53 - 1 records", () => {
    const size = 2 ** 53 - 1;
    for (const subtree of coverRange(0, size)) {
      const tile = tileForSubtree(8, subtree, size);
      const within = subtree.level - 8 * tile.level;
      const first = subtree.index * 2 ** within - tile.index * 256;
      assert.ok(within >= 0 && within < 8 && first >= 0 && first + 2 ** within <= tile.width);
      assert.deepEqual(parseTilePath(formatTilePath(tile)), tile);
    }
  });
});
