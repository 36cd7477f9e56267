import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Builder, type SumdbWindow } from "../../src/store/builder.ts";
import { Store } from "../../src/store/store.ts";
import type { RecordLog } from "../../src/sumdb/record-log.ts";
import { formatHex } from "../../src/vindex/bytes.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { computeEpochLeafHash } from "../../src/vindex/leaf.ts";
import { OutputLog } from "../../src/vindex/output-log.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { computeLeafHash } from "../../src/vindex/tlog.ts";
import { makeLog, needsTestData, signHead } from "../sumdb/small-log.ts";
import { identity } from "./operator.ts";
import { computeLeaves, makeFolder, makeRandom, randomSizes, realRecords, sampleRecords, sumdbKey } from "./world.ts";

const folder = makeFolder("builder");
let folders = 0;
const fresh = (): string => join(folder, `store-${folders++}`);
const records = sampleRecords().slice(0, 2000);
const log = makeLog(records);

/** The window from `from` to `to`, in batches of random length; `change` may damage a text. */
function makeWindow(source: RecordLog, from: number, to: number, random: () => number): SumdbWindow {
  const treeHead = source.treeHead(to);
  return {
    treeHead,
    signedTreeHead: signHead(treeHead, sumdbKey),
    async *batches() {
      for (let firstIndex = from; firstIndex < to; ) {
        const end = Math.min(to, firstIndex + 1 + Math.floor(random() * 300));
        const texts = source.texts(firstIndex, end);
        yield { firstIndex, texts, recordHashes: texts.map((text) => computeLeafHash(text, nodeSha256)) };
        firstIndex = end;
      }
    },
  };
}

/** Builds epochs of the given sizes; the store is closed and opened again before each epoch that `reopens` says. */
async function build(
  source: RecordLog,
  sizes: readonly number[],
  random: () => number,
  reopens: () => boolean = () => false,
): Promise<{ roots: string[]; leaves: string[]; state: Builder["state"] }> {
  const at = fresh();
  let store = await Store.open(at, identity);
  const open = (): Promise<Builder> => Builder.open({ store, sumdbKey: sumdbKey.verifierKey, sha256: nodeSha256 });
  let builder = await open();
  const roots: string[] = [];
  for (const [i, size] of sizes.entries()) {
    if (reopens()) {
      const before = builder.state;
      await store.close();
      store = await Store.open(at, identity);
      builder = await open();
      assert.deepEqual(builder.state.leaf, before.leaf);
      assert.equal(builder.state.modules, before.modules);
      assert.equal(builder.state.malformed, before.malformed);
      assert.deepEqual(builder.state.log.root(i), before.log.root(i));
    }
    const { leaf } = await builder.build(makeWindow(source, sizes[i - 1] ?? 0, size, random), 1_700_000_000 + i);
    roots.push(formatHex(leaf?.mapRoot as Uint8Array));
  }
  const leaves: string[] = [];
  for await (const text of store.leaves()) leaves.push(text);
  await store.close();
  return { roots, leaves, state: builder.state };
}

/** The roots of single sizes, each made of all records at once. */
function rootsFromScratch(texts: readonly Uint8Array[], sizes: readonly number[]): string[] {
  return sizes.map((size) => formatHex(computeLeaves(texts, [size])[0]?.mapRoot as Uint8Array));
}

describe("Builder", () => {
  for (const seed of [1, 2, 3]) {
    it(`gives each of 50 random epochs the root that its records give from scratch, over restarts (seed ${seed})`, async () => {
      const random = makeRandom(seed);
      const sizes = randomSizes(records.length, 50, random);
      const { roots, leaves } = await build(log, sizes, random, () => random() < 0.5);
      const some = [0, 1, 10, 25, 40, 49];
      assert.deepEqual(
        some.map((i) => roots[i]),
        rootsFromScratch(
          records,
          some.map((i) => sizes[i] as number),
        ),
      );
      assert.deepEqual(
        leaves,
        computeLeaves(records, sizes).map(({ leafText }) => leafText),
      );
    });
  }

  it(
    "gives the root of 20,047 real records in 50 random epochs that it gives at once, over restarts",
    needsTestData,
    async () => {
      const texts = await realRecords();
      const real = makeLog(texts);
      assert.equal(texts.length, 20_047);
      for (const seed of [7]) {
        const random = makeRandom(seed);
        const sizes = randomSizes(texts.length, 50, random);
        const { roots } = await build(real, sizes, random, () => random() < 0.2);
        assert.equal(roots.at(-1), "46a19e28f850d26eedd0f25c293f13a85b87d412417fa341a77ca89d25713868", `seed ${seed}`);
        assert.deepEqual(
          [5, 30].map((i) => roots[i]),
          rootsFromScratch(texts, [sizes[5] as number, sizes[30] as number]),
        );
      }
    },
  );

  it("gives the same roots whatever the batches and restarts", async () => {
    const sizes = randomSizes(records.length, 8, makeRandom(4));
    const one = await build(log, sizes, () => 0);
    const other = await build(log, sizes, makeRandom(5), () => true);
    assert.deepEqual(one.leaves, other.leaves);
    assert.deepEqual(one.state.log.root(8), other.state.log.root(8));
  });

  it("appends each leaf to the log, in order", async () => {
    const sizes = [1, 2, 300];
    const { leaves, state } = await build(log, sizes, makeRandom(1));
    const expected = new OutputLog(nodeSha256);
    for (const leaf of leaves) expected.append(computeEpochLeafHash(leaf, nodeSha256));
    assert.equal(state.epoch, 3);
    assert.deepEqual(state.sumdbSizes, sizes);
    assert.deepEqual(state.log.root(3), expected.root(3));
  });

  it("refuses records that do not give the signed root, and keeps nothing of them", async () => {
    const store = await Store.open(fresh(), identity);
    const builder = await Builder.open({ store, sumdbKey: sumdbKey.verifierKey, sha256: nodeSha256 });
    await builder.build(makeWindow(log, 0, 100, Math.random), 1);
    const before = builder.state;
    const honest = makeWindow(log, 100, 200, Math.random);
    const texts = log.texts(100, 200);
    // One record twice, so that the count is right.
    texts[50] = texts[49] as Uint8Array;
    const lying: SumdbWindow = {
      ...honest,
      async *batches() {
        yield { firstIndex: 100, texts, recordHashes: texts.map((text) => computeLeafHash(text, nodeSha256)) };
      },
    };
    await assert.rejects(builder.build(lying, 2), (error) => isProofdnsError(error, "MAP_ROOT_MISMATCH"));
    const short: SumdbWindow = {
      ...honest,
      async *batches() {
        const some = log.texts(100, 199);
        yield { firstIndex: 100, texts: some, recordHashes: some.map((text) => computeLeafHash(text, nodeSha256)) };
      },
    };
    await assert.rejects(builder.build(short, 2), (error) => isProofdnsError(error, "MAP_ROOT_MISMATCH"));
    assert.equal(builder.state, before);
    assert.equal(await store.newestEpoch(), 1);
    const { leaf } = await builder.build(honest, 3);
    assert.equal(formatHex(leaf?.mapRoot as Uint8Array), rootsFromScratch(records, [200])[0]);
    await store.close();
  });

  it("makes the next epoch after one whose signed head cannot be read, or whose first step failed", async () => {
    const store = await Store.open(fresh(), identity);
    let fails = true;
    const onStep = (step: string): void => {
      if (step === "computed" && fails) throw new Error("the first step failed");
    };
    const builder = await Builder.open({ store, sumdbKey: sumdbKey.verifierKey, sha256: nodeSha256, onStep });
    const window = makeWindow(log, 0, 100, Math.random);
    for (const signedTreeHead of ["", "no note\n", window.signedTreeHead.replace("\u2014", "-")]) {
      const read = await builder.read({ ...window, signedTreeHead });
      await assert.rejects(builder.commit(read, 1), (error) => isProofdnsError(error));
    }
    await assert.rejects(builder.build(window, 1), /the first step failed/);
    fails = false;
    const { epoch, leaf } = await builder.build(window, 2);
    assert.equal(epoch, 1);
    assert.equal(formatHex(leaf?.mapRoot as Uint8Array), rootsFromScratch(records, [100])[0]);
    await store.close();
  });

  it("makes the epoch again after the database failed halfway, with the records that it would have had", async () => {
    const store = await Store.open(fresh(), identity);
    const builder = await Builder.open({ store, sumdbKey: sumdbKey.verifierKey, sha256: nodeSha256 });
    await builder.build(makeWindow(log, 0, 500, Math.random), 1);
    const failing: SumdbWindow = {
      ...makeWindow(log, 500, 1500, Math.random),
      async *batches() {
        yield* makeWindow(log, 500, 900, Math.random).batches();
        throw new Error("connection reset");
      },
    };
    await assert.rejects(builder.build(failing, 2), /connection reset/);
    const { leaf, modules } = await builder.build(makeWindow(log, 500, 1600, Math.random), 3);
    const whole = await build(log, [1600], Math.random);
    assert.equal(formatHex(leaf?.mapRoot as Uint8Array), whole.roots[0]);
    assert.equal(modules, whole.state.modules);
    await store.close();
  });
});
