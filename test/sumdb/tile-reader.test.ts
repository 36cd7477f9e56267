import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RecordLog } from "../../src/sumdb/record-log.ts";
import { type TileFetch, TileReader, type TileReaderOptions } from "../../src/sumdb/tile-reader.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { formatTilePath, parseTilePath } from "../../src/vindex/tile.ts";
import {
  computeConsistencyProof,
  computeLogInclusionProof,
  type Subtree,
  verifyConsistencyProof,
  verifyLogInclusionProof,
} from "../../src/vindex/tlog.ts";
import { flipBit, hashTile, makeLog, recordTexts } from "./small-log.ts";

const HEIGHT = 2;

function makeReader(log: RecordLog, size: number, fetch: TileFetch, options: TileReaderOptions = {}): TileReader {
  return new TileReader(log.treeHead(size), fetch, { height: HEIGHT, sha256: nodeSha256, ...options });
}

/** Every complete subtree of a tree. */
function allSubtrees(size: number): Subtree[] {
  const out: Subtree[] = [];
  for (let level = 0; 2 ** level <= size; level++) {
    for (let index = 0; (index + 1) * 2 ** level <= size; index++) out.push({ level, index });
  }
  return out;
}

/** The answer to a partial tile's path once the server has dropped it: nothing, but the full one. */
function withoutPartials(log: RecordLog, size: number): TileFetch {
  return async (path) => (path.includes(".p/") ? undefined : hashTile(log, size, path));
}

describe("reading hashes from tiles", () => {
  const log = makeLog(recordTexts(300));

  it("gives the hash of every subtree of every size", async () => {
    for (let size = 1; size <= 70; size++) {
      const reader = makeReader(log, size, async (path) => hashTile(log, size, path));
      const subtrees = allSubtrees(size);
      assert.deepEqual(await reader.readHashes(subtrees), log.readHashes(subtrees));
    }
  });

  it("gives the same at height 8 and 1", async () => {
    for (const height of [1, 3, 8]) {
      for (const size of [1, 2, 255, 256, 257, 300]) {
        const reader = makeReader(log, size, async (path) => hashTile(log, size, path), { height });
        const subtrees = allSubtrees(size);
        assert.deepEqual(await reader.readHashes(subtrees), log.readHashes(subtrees));
      }
    }
  });

  it("takes the first hashes of the full tile when the partial one is gone", async () => {
    for (const size of [1, 6, 15, 21, 37, 63]) {
      const asked: string[] = [];
      // The tree has grown to 256 since.
      const reader = makeReader(log, size, async (path) => {
        asked.push(path);
        return withoutPartials(log, 256)(path);
      });
      const subtrees = allSubtrees(size);
      assert.deepEqual(await reader.readHashes(subtrees), log.readHashes(subtrees));
      assert.ok(asked.some((path) => path.includes(".p/")));
    }
  });

  it("fetches exactly the three tiles of hash (0,1) in a tree of size 15", async () => {
    const asked: string[] = [];
    const reader = makeReader(log, 15, async (path) => {
      asked.push(path);
      return hashTile(log, 15, path);
    });
    await reader.readHashes([{ level: 0, index: 1 }]);
    assert.deepEqual(asked.sort(), ["tile/2/0/000", "tile/2/0/003.p/3", "tile/2/1/000.p/3"]);
  });

  it("CVE-2026-56865: refuses tile 0/000 when it is forged, for hash (0,1) in a tree of size 15", async () => {
    for (let at = 0; at < 4 * 32; at++) {
      const reader = makeReader(log, 15, async (path) => {
        const tile = hashTile(log, 15, path) as Uint8Array;
        return path === "tile/2/0/000" ? flipBit(tile, at) : tile;
      });
      await assert.rejects(reader.readHashes([{ level: 0, index: 1 }]), { code: "BAD_TILE" });
    }
  });

  it("CVE-2026-56865: refuses every forged tile, in every position, for every asked hash", async () => {
    let forgeries = 0;
    for (let size = 1; size <= 34; size++) {
      for (const subtree of allSubtrees(size)) {
        const asked: string[] = [];
        const honest: TileFetch = async (path) => {
          asked.push(path);
          return hashTile(log, size, path);
        };
        const [hash] = await makeReader(log, size, honest).readHashes([subtree]);
        assert.deepEqual(hash, log.readHashes([subtree])[0]);
        for (const target of asked) {
          for (let i = 0; i < parseTilePath(target).width; i++) {
            const forging: TileFetch = async (path) => {
              const tile = hashTile(log, size, path) as Uint8Array;
              return path === target ? flipBit(tile, 32 * i + 31) : tile;
            };
            await assert.rejects(makeReader(log, size, forging).readHashes([subtree]), { code: "BAD_TILE" });
            forgeries++;
          }
        }
      }
    }
    assert.ok(forgeries > 10_000);
  });

  it("CVE-2026-56865: refuses forged full tiles that stand in for partial ones, up to their width", async () => {
    for (const size of [1, 5, 15, 22, 39, 58]) {
      for (const subtree of allSubtrees(size)) {
        const asked: string[] = [];
        const grown = withoutPartials(log, 256);
        await makeReader(log, size, async (path) => {
          asked.push(path);
          return grown(path);
        }).readHashes([subtree]);
        const partials = new Set(asked.filter((path) => path.includes(".p/")));
        for (const target of asked.filter((path) => !path.includes(".p/"))) {
          const partial = [...partials].find((path) => path.startsWith(`${target}.p/`));
          const width = parseTilePath(partial ?? target).width;
          for (let i = 0; i < 4; i++) {
            const reader = makeReader(log, size, async (path) => {
              const tile = await grown(path);
              return path === target && tile !== undefined ? flipBit(tile, 32 * i) : tile;
            });
            // Beyond the width nothing is signed, and nothing is used.
            if (i >= width) assert.deepEqual(await reader.readHashes([subtree]), log.readHashes([subtree]));
            else await assert.rejects(reader.readHashes([subtree]), { code: "BAD_TILE" });
          }
        }
      }
    }
  });

  it("CVE-2026-56865: refuses two forged tiles that agree with each other", async () => {
    // The parent's hash is changed to fit the forged child: then the parent no longer fits its own.
    const forged = makeLog(recordTexts(300, 0));
    for (const size of [15, 16, 21, 34, 64, 85]) {
      for (const subtree of allSubtrees(size)) {
        const asked: string[] = [];
        await makeReader(log, size, async (path) => {
          asked.push(path);
          return hashTile(log, size, path);
        }).readHashes([subtree]);
        for (const skip of asked) {
          const reader = makeReader(log, size, async (path) => hashTile(path === skip ? log : forged, size, path));
          if (asked.length > 1) await assert.rejects(reader.readHashes([subtree]), { code: "BAD_TILE" });
        }
        const allForged = makeReader(log, size, async (path) => hashTile(forged, size, path));
        await assert.rejects(allForged.readHashes([subtree]), { code: "BAD_TILE" });
      }
    }
  });

  it("refuses swapped tiles and hashes", async () => {
    const reader = makeReader(log, 64, async (path) =>
      hashTile(log, 64, path === "tile/2/0/000" ? "tile/2/0/001" : path),
    );
    await assert.rejects(reader.readHashes([{ level: 0, index: 0 }]), { code: "BAD_TILE" });
    const swapped = makeReader(log, 64, async (path) => {
      const tile = hashTile(log, 64, path) as Uint8Array;
      if (path !== "tile/2/0/000") return tile;
      return new Uint8Array([...tile.subarray(32, 64), ...tile.subarray(0, 32), ...tile.subarray(64)]);
    });
    await assert.rejects(swapped.readHashes([{ level: 0, index: 3 }]), { code: "BAD_TILE" });
  });

  it("refuses tiles of another length than their width", async () => {
    for (const target of ["tile/2/0/000", "tile/2/0/003.p/3", "tile/2/1/000.p/3"]) {
      for (const change of [-96, -32, -1, 1, 32]) {
        const reader = makeReader(log, 15, async (path) => {
          const tile = hashTile(log, 15, path) as Uint8Array;
          if (path !== target) return tile;
          const out = new Uint8Array(Math.max(0, tile.length + change));
          out.set(tile.subarray(0, out.length));
          return out;
        });
        await assert.rejects(reader.readHashes([{ level: 0, index: 1 }]), { code: "MALFORMED_TILE" });
      }
    }
  });

  it("says which tile is missing", async () => {
    const reader = makeReader(log, 15, async (path) => (path === "tile/2/0/000" ? undefined : hashTile(log, 15, path)));
    await assert.rejects(reader.readHashes([{ level: 0, index: 1 }]), {
      code: "UNREACHABLE",
      message: /tile\/2\/0\/000 is not there/,
    });
  });

  it("refuses everything below a root that is not the log's", async () => {
    const head = { treeSize: 15, rootHash: flipBit(log.treeHead(15).rootHash, 0) };
    const reader = new TileReader(head, async (path) => hashTile(log, 15, path), {
      height: HEIGHT,
      sha256: nodeSha256,
    });
    for (const subtree of allSubtrees(15)) await assert.rejects(reader.readHashes([subtree]), { code: "BAD_TILE" });
  });

  it("calls subtrees that are not in the tree the caller's bug, and fetches nothing for them", async () => {
    const reader = makeReader(log, 15, async () => assert.fail("fetched"));
    for (const subtree of [
      { level: 0, index: 15 },
      { level: 4, index: 0 },
      { level: 0, index: -1 },
      { level: -1, index: 0 },
      { level: 0, index: 0.5 },
      { level: 0, index: Number.NaN },
      { level: 60, index: 0 },
      { level: 0, index: 2 ** 53 },
    ]) {
      await assert.rejects(reader.readHashes([subtree]), RangeError);
    }
    await assert.rejects(
      makeReader(log, 0, async () => assert.fail("fetched")).readHashes([{ level: 0, index: 0 }]),
      RangeError,
    );
  });

  it("tries again after a failure instead of remembering it", async () => {
    let broken = true;
    const reader = makeReader(log, 15, async (path) => {
      const tile = hashTile(log, 15, path) as Uint8Array;
      return broken ? flipBit(tile, 0) : tile;
    });
    const asked = [{ level: 0, index: 1 }];
    await assert.rejects(reader.readHashes(asked), { code: "BAD_TILE" });
    broken = false;
    assert.deepEqual(await reader.readHashes(asked), log.readHashes(asked));
  });

  it("keeps authenticated tiles, at most as many as told, and never a changed buffer", async () => {
    const counts = new Map<string, number>();
    const buffers: Buffer[] = [];
    const reader = makeReader(
      log,
      256,
      async (path) => {
        counts.set(path, (counts.get(path) ?? 0) + 1);
        const buffer = Buffer.from(hashTile(log, 256, path) as Uint8Array);
        buffers.push(buffer);
        return buffer;
      },
      { keepTiles: 5 },
    );
    const asked = [{ level: 0, index: 1 }];
    const hashes = await reader.readHashes(asked);
    const fetched = buffers.length;
    for (const buffer of buffers) buffer.fill(0);
    assert.deepEqual(await reader.readHashes(asked), hashes);
    assert.deepEqual(hashes, log.readHashes(asked));
    assert.equal(buffers.length, fetched);
    for (let index = 0; index < 256; index += 4) await reader.readHashes([{ level: 0, index }]);
    await reader.readHashes(asked);
    assert.equal(counts.get("tile/2/0/000"), 2);
  });

  it("fetches a tile that many hashes need once, and few tiles at a time", async () => {
    const asked: string[] = [];
    let running = 0;
    let most = 0;
    const reader = makeReader(
      log,
      300,
      async (path) => {
        asked.push(path);
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        return hashTile(log, 300, path);
      },
      { parallel: 3 },
    );
    await reader.readHashes(allSubtrees(300));
    assert.equal(new Set(asked).size, asked.length);
    assert.equal(most, 3);
  });

  it("computes inclusion and consistency proofs that verify", async () => {
    for (const size of [1, 2, 15, 37, 64, 300]) {
      const reader = makeReader(log, size, async (path) => hashTile(log, size, path));
      const { rootHash } = reader.treeHead;
      for (let i = 0; i < size; i += 5) {
        const proof = await reader.computeInclusionProof(i);
        assert.deepEqual(proof, computeLogInclusionProof(i, size, log.readHashes, nodeSha256));
        const [leaf] = log.readHashes([{ level: 0, index: i }]);
        verifyLogInclusionProof(proof, leaf as Uint8Array, i, size, rootHash);
      }
      for (let old = 1; old <= size; old += 7) {
        const proof = await reader.computeConsistencyProof(old);
        assert.deepEqual(proof, computeConsistencyProof(old, size, log.readHashes, nodeSha256));
        verifyConsistencyProof(proof, old, log.treeHead(old).rootHash, size, rootHash);
        assert.deepEqual(await reader.computeRootAt(old), log.treeHead(old).rootHash);
      }
    }
  });

  it("begins with what another reader of the tree has authenticated", async () => {
    const reader = makeReader(log, 15, async (path) => hashTile(log, 15, path));
    const asked = [{ level: 0, index: 1 }];
    await reader.readHashes(asked);
    const other = reader.withFetch(async () => assert.fail("fetched"));
    assert.deepEqual(await other.readHashes(asked), log.readHashes(asked));
  });

  it("reads trees of the largest sizes by their paths alone", async () => {
    const asked: string[] = [];
    const head = { treeSize: Number.MAX_SAFE_INTEGER, rootHash: new Uint8Array(32) };
    const reader = new TileReader(head, async (path) => {
      asked.push(path);
      return new Uint8Array(32 * parseTilePath(path).width);
    });
    await assert.rejects(reader.readHashes([{ level: 0, index: 2 ** 52 }]), { code: "BAD_TILE" });
    for (const path of asked) assert.equal(formatTilePath(parseTilePath(path)), path);
    assert.equal(asked.length, 7);
  });
});
