import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { ToWorker } from "../../../src/dns/threads/protocol.ts";
import { Publication, type PublishedEpoch, type SnapshotReader } from "../../../src/dns/threads/publication.ts";
import { FlatTree } from "../../../src/vindex/flat-tree.ts";
import { PrefixTree } from "../../../src/vindex/prefix-tree.ts";
import { hashOf, sha256 } from "../../vindex/samples.ts";
import { makeData } from "../fake-zone.ts";

type Snapshot = Extract<ToWorker, { kind: "snapshot" }>;

const treeOf = (epoch: number, size = 20): PrefixTree =>
  PrefixTree.of(
    Array.from({ length: size }, (_, i) => ({ indexKey: hashOf(i), value: Uint8Array.of(epoch) })),
    sha256,
  );
const epochOf = (epoch: number, tree: PrefixTree = treeOf(epoch)): PublishedEpoch => ({
  data: makeData({ epoch, headVersion: epoch }),
  tree,
});

/** A thread that swaps when it is told to. */
class FakeThread implements SnapshotReader {
  isAlive = true;
  served = 0;
  terminated = 0;
  readonly got: Snapshot[] = [];
  readonly #publication: Publication;

  constructor(publication: Publication) {
    this.#publication = publication;
    publication.add(this);
  }

  post(message: Snapshot): void {
    this.got.push(message);
  }

  swap(): void {
    this.served = this.got.at(-1)?.version ?? 0;
    this.#publication.served();
  }

  async terminate(): Promise<void> {
    this.terminated++;
    this.isAlive = false;
    this.#publication.remove(this);
  }
}

function make(ackTimeout = 10_000): { publication: Publication; logged: string[] } {
  const logged: string[] = [];
  return { publication: new Publication(ackTimeout, (what) => logged.push(what)), logged };
}

/** True if the promise is settled within a turn. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol("pending");
  return (await Promise.race([promise, nextTurn(pending)])) !== pending;
}

const valueIn = (snapshot: Snapshot | undefined): number | undefined =>
  snapshot?.tree === undefined ? undefined : FlatTree.attach(snapshot.tree).get(hashOf(1))?.[0];

describe("publication", () => {
  it("shows a snapshot to all threads, and ends when all serve it", async () => {
    const { publication } = make();
    const threads = [1, 2, 3].map(() => new FakeThread(publication));
    const epoch = epochOf(1);
    const published = publication.publish(epoch);
    assert.equal(publication.data, epoch.data);
    for (const { got } of threads) {
      assert.equal(got.length, 1);
      assert.equal(got[0]?.head.epoch, 1);
      assert.equal(valueIn(got[0]), 1);
    }
    for (const thread of threads) {
      assert.equal(await isSettled(published), false);
      thread.swap();
    }
    assert.equal(await isSettled(published), true);
  });

  it("sends only the head while the tree is the same", async () => {
    const { publication } = make();
    const thread = new FakeThread(publication);
    const tree = treeOf(1);
    for (const epoch of [1, 2]) {
      const published = publication.publish(epochOf(epoch, tree));
      thread.swap();
      await published;
    }
    assert.equal(thread.got[0]?.tree instanceof SharedArrayBuffer, true);
    assert.equal(thread.got[1]?.tree, undefined);
    assert.equal(thread.got[1]?.head.headVersion, 2);
  });

  it("never writes to memory that a thread may still read, and uses two buffers for ever", async () => {
    const { publication } = make();
    const threads = [new FakeThread(publication), new FakeThread(publication)];
    const buffers = new Set<unknown>();
    for (let epoch = 1; epoch <= 12; epoch++) {
      const before = threads[1]?.got.at(-1);
      const published = publication.publish(epochOf(epoch));
      buffers.add(threads[0]?.got.at(-1)?.tree);
      threads[0]?.swap();
      await nextTurn();
      // The second thread has not swapped: what it serves is whole.
      if (before !== undefined) assert.equal(valueIn(before), epoch - 1);
      threads[1]?.swap();
      await published;
      assert.equal(valueIn(threads[1]?.got.at(-1)), epoch);
    }
    assert.equal(buffers.size, 2);
  });

  it("takes larger memory as trees grow, and does not keep what is too small", async () => {
    const { publication } = make();
    const thread = new FakeThread(publication);
    const sizes: number[] = [];
    for (let epoch = 1; epoch <= 8; epoch++) {
      const published = publication.publish(epochOf(epoch, treeOf(epoch, 100 * epoch)));
      thread.swap();
      await published;
      const tree = thread.got.at(-1)?.tree;
      sizes.push(tree?.byteLength ?? 0);
      assert.equal(FlatTree.attach(tree ?? new ArrayBuffer(0)).size, 100 * epoch);
    }
    assert.ok((sizes.at(-1) ?? 0) > (sizes[0] ?? 0));
  });

  it("does not begin the next before all serve the one before, and skips what is overtaken", async () => {
    const { publication } = make();
    const thread = new FakeThread(publication);
    const promises = [1, 2, 3, 4].map((epoch) => publication.publish(epochOf(epoch)));
    assert.equal(publication.data.epoch, 4, "the main thread is not held up");
    await nextTurn();
    assert.deepEqual(
      thread.got.map(({ head }) => head.epoch),
      [1],
    );
    thread.swap();
    await nextTurn();
    assert.deepEqual(
      thread.got.map(({ head }) => head.epoch),
      [1, 4],
    );
    assert.equal(await isSettled(promises[0] as Promise<void>), true);
    for (const i of [1, 2, 3]) assert.equal(await isSettled(promises[i] as Promise<void>), false);
    thread.swap();
    await Promise.all(promises);
  });

  it("shows a thread that starts later the whole snapshot, and waits for it too", async () => {
    const { publication } = make();
    const first = new FakeThread(publication);
    const tree = treeOf(1);
    let published = publication.publish(epochOf(1, tree));
    first.swap();
    await published;
    published = publication.publish(epochOf(2, tree));
    first.swap();
    const second = new FakeThread(publication);
    assert.equal(second.got.length, 1);
    assert.equal(second.got[0]?.head.epoch, 2);
    assert.equal(valueIn(second.got[0]), 1);
    assert.equal(await isSettled(published), false);
    second.swap();
    await published;
    published = publication.publish(epochOf(3));
    first.swap();
    assert.equal(await isSettled(published), false);
    second.swap();
    await published;
  });

  it("waits for no thread that has ended, before it is added or after", async () => {
    const { publication } = make();
    const [one, two] = [new FakeThread(publication), new FakeThread(publication)];
    const published = publication.publish(epochOf(1));
    one.swap();
    assert.equal(await isSettled(published), false);
    two.isAlive = false;
    publication.remove(two);
    await published;
    publication.add(two);
    const next = publication.publish(epochOf(2));
    one.swap();
    await next;
    assert.equal(two.got.length, 1);
  });

  it("ends a thread that does not swap in time", async () => {
    const { publication, logged } = make(40);
    const [good, bad] = [new FakeThread(publication), new FakeThread(publication)];
    const published = publication.publish(epochOf(1));
    good.swap();
    await sleep(10);
    assert.equal(bad.terminated, 0);
    await published;
    assert.equal(bad.terminated, 1);
    assert.equal(good.terminated, 0);
    assert.deepEqual(logged, ["a worker thread does not swap"]);
  });

  it("rejects a tree that has no flat form, and serves on", async () => {
    const { publication } = make();
    const thread = new FakeThread(publication);
    const first = publication.publish(epochOf(1));
    thread.swap();
    await first;
    const short = PrefixTree.of([{ indexKey: new Uint8Array(5), value: new Uint8Array(1) }], sha256);
    await assert.rejects(publication.publish(epochOf(2, short)), RangeError);
    assert.equal(thread.got.length, 1);
    assert.equal(valueIn(thread.got[0]), 1);
    const third = publication.publish(epochOf(3));
    thread.swap();
    await third;
    assert.equal(valueIn(thread.got[1]), 3);
  });
});
