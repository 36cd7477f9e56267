import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { HashFiles, hashLevels } from "../../src/store/hash-files.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { Frontier } from "../../src/vindex/frontier.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import {
  computeConsistencyProof,
  computeLogInclusionProof,
  computeRoot,
  verifyConsistencyProof,
  verifyLogInclusionProof,
} from "../../src/vindex/tlog.ts";
import { makeFolder, makeRandom } from "../service/world.ts";

const folder = makeFolder("hashes");
let folders = 0;
const fresh = (): string => {
  const at = join(folder, String(folders++));
  mkdirSync(at);
  return at;
};
const SIZE = 66_500;
const hashes = Array.from({ length: SIZE }, (_, i) => nodeSha256(encodeUtf8(String(i))));
const roots = new Map<number, Uint8Array>();
function rootOf(size: number): Uint8Array {
  const root = roots.get(size) ?? Frontier.empty(nodeSha256).appendAll(hashes.slice(0, size)).root();
  roots.set(size, root);
  return root;
}
const emptyRoot = Frontier.empty(nodeSha256).root();
const open = (at: string, size: number): HashFiles =>
  HashFiles.open(at, size, size === 0 ? emptyRoot : rootOf(size), nodeSha256);

async function fill(at: string, sizes: readonly number[]): Promise<HashFiles> {
  const files = open(at, 0);
  for (const size of sizes) {
    const append = files.prepare(hashes.slice(files.treeSize, size));
    await files.write(append);
    files.accept(append);
  }
  return files;
}

const refused = (error: unknown): boolean => isProofdnsError(error, "STORE_UNUSABLE");

describe("HashFiles", () => {
  it("proves every record and every size from the files, over appends of all lengths and another opening", async () => {
    const at = fresh();
    const written = await fill(at, [1, 2, 255, 256, 257, 700, 65_535, 65_536, 65_537, SIZE]);
    written.close();
    assert.equal(hashLevels(SIZE), 3);
    const files = open(at, SIZE);
    const random = makeRandom(1);
    for (let i = 0; i < 30; i++) {
      const size = 1 + Math.floor(random() * SIZE);
      const index = Math.floor(random() * size);
      if (i < 2) assert.deepEqual(computeRoot(size, files.readHashes, nodeSha256), rootOf(size));
      const proof = computeLogInclusionProof(index, size, files.readHashes, nodeSha256);
      verifyLogInclusionProof(
        proof,
        hashes[index] as Uint8Array,
        index,
        size,
        computeRoot(size, files.readHashes, nodeSha256),
        nodeSha256,
      );
      const consistency = computeConsistencyProof(size, SIZE, files.readHashes, nodeSha256);
      verifyConsistencyProof(
        consistency,
        size,
        computeRoot(size, files.readHashes, nodeSha256),
        SIZE,
        rootOf(SIZE),
        nodeSha256,
      );
    }
    assert.throws(() => files.readHashes([{ level: 0, index: SIZE }]), RangeError);
    files.verifyAll();
    files.close();
  });

  it("gives the peaks of an append before it is accepted, in one step or in slices", async () => {
    const files = await fill(fresh(), [300]);
    const whole = files.prepare(hashes.slice(300, 1000));
    const sliced = files.prepare(hashes.slice(600, 1000), files.prepare(hashes.slice(300, 600)));
    const expected = Frontier.empty(nodeSha256).appendAll(hashes.slice(0, 1000)).peaks;
    assert.deepEqual(files.peaks(whole), expected);
    assert.deepEqual(files.peaks(sliced), expected);
    assert.equal(files.treeSize, 300);
    files.close();
  });

  it("takes what a crash left behind the committed size for nothing, and writes over it", async () => {
    const at = fresh();
    (await fill(at, [1000])).close();
    const files = open(at, 1000);
    await files.write(files.prepare(hashes.slice(1000, 5000).map((hash) => hash.map((byte) => byte ^ 1))));
    files.close();
    const again = open(at, 1000);
    const append = again.prepare(hashes.slice(1000, 3000));
    await again.write(append);
    again.accept(append);
    assert.deepEqual(computeRoot(3000, again.readHashes, nodeSha256), rootOf(3000));
    again.verifyAll();
    again.close();
    open(at, 3000).close();
  });

  it("refuses a wrong hash anywhere: in the last tiles at once, in a full one when it is read", async () => {
    const at = fresh();
    (await fill(at, [2000])).close();
    const path = join(at, "hashes-0");
    const good = readFileSync(path);
    for (const index of [0, 255, 256, 1791, 1792, 1999]) {
      const bad = Buffer.from(good);
      bad[32 * index + 7] = (bad[32 * index + 7] as number) ^ 16;
      writeFileSync(path, bad);
      if (index >= 1792) {
        assert.throws(() => open(at, 2000), refused);
        continue;
      }
      const files = open(at, 2000);
      for (const logIndex of [index, index ^ 1])
        assert.throws(() => computeLogInclusionProof(logIndex, 2000, files.readHashes, nodeSha256), refused);
      assert.throws(() => files.verifyAll(), refused);
      // Others are proven on.
      const other = (index + 300) % 1700;
      const proof = computeLogInclusionProof(other, 2000, files.readHashes, nodeSha256);
      verifyLogInclusionProof(proof, hashes[other] as Uint8Array, other, 2000, rootOf(2000), nodeSha256);
      files.close();
    }
    writeFileSync(path, good.subarray(0, -1));
    assert.throws(() => open(at, 2000), refused);
    writeFileSync(path, good);
    assert.throws(() => HashFiles.open(at, 2000, rootOf(1999), nodeSha256), refused);
    assert.throws(() => open(at, 2001), refused);
    assert.throws(() => open(fresh(), 10), refused);
    appendFileSync(path, "tail");
    open(at, 2000).close();
  });
});
