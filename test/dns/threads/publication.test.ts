import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { ToWorker } from "../../../src/dns/threads/protocol.ts";
import { Publication, type PublishedEpoch, type SnapshotReader } from "../../../src/dns/threads/publication.ts";
import { FlatTree, type TreeBuffer } from "../../../src/vindex/flat-tree.ts";
import { TreeSlab } from "../../../src/vindex/tree-slab.ts";
import { hashOf } from "../../vindex/samples.ts";
import { flatTreeOf } from "../../vindex/trees.ts";
import { makeData } from "../fake-zone.ts";

type Snapshot = Extract<ToWorker, { kind: "snapshot" }>;

const treeOf = (epoch: number, size = 20): FlatTree =>
  flatTreeOf(Array.from({ length: size }, (_, i) => ({ indexKey: hashOf(i), value: Uint8Array.of(epoch) })));
const epochOf = (epoch: number, tree: FlatTree = treeOf(epoch)): PublishedEpoch => ({
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

/** What a thread that was shown these snapshots serves for a key. */
function valueIn(snapshots: readonly Snapshot[], until = snapshots.length): number | undefined {
  let buffer: TreeBuffer | undefined;
  let tree: FlatTree | undefined;
  for (const shown of snapshots.slice(0, until).flatMap((snapshot) => snapshot.tree ?? [])) {
    buffer = shown.buffer ?? buffer;
    tree = FlatTree.attach(buffer ?? assert.fail("no buffer"), structuredClone(shown.root));
  }
  return tree?.get(hashOf(1))?.[0];
}

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
      assert.equal(valueIn(got), 1);
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
    assert.equal(thread.got[0]?.tree?.buffer, tree.buffer);
    assert.equal(thread.got[1]?.tree, undefined);
    assert.equal(thread.got[1]?.head.headVersion, 2);
  });

  it("names the buffer only when it is another, and is read from the writer's memory", async () => {
    const { publication } = make();
    const threads = [new FakeThread(publication), new FakeThread(publication)];
    const slab = TreeSlab.empty();
    const buffers = new Set<unknown>();
    for (let epoch = 1; epoch <= 12; epoch++) {
      const before = threads[1]?.got.length ?? 0;
      // Each tree is larger, so that now and then the writer takes a larger buffer.
      const changes = Array.from({ length: 20 * epoch }, (_, i) => ({
        indexKey: hashOf(i),
        value: Uint8Array.of(epoch),
      }));
      const tree = slab.update(changes);
      slab.accept(tree);
      const published = publication.publish(epochOf(epoch, tree));
      const shown = threads[0]?.got.at(-1)?.tree;
      assert.equal(shown?.buffer, buffers.has(tree.buffer) ? undefined : tree.buffer);
      buffers.add(tree.buffer);
      threads[0]?.swap();
      await nextTurn();
      // The second thread has not swapped: what it serves is whole.
      if (before > 0) assert.equal(valueIn(threads[1]?.got ?? [], before), epoch - 1);
      assert.equal(await isSettled(published), false);
      threads[1]?.swap();
      await published;
      slab.retire(tree);
      assert.equal(valueIn(threads[1]?.got ?? []), epoch);
    }
    assert.ok(buffers.size > 1);
    assert.ok(buffers.size < 12);
  });

  it("shows a thread that starts later the buffer too, though the others have it", async () => {
    const { publication } = make();
    const first = new FakeThread(publication);
    const slab = TreeSlab.empty();
    for (const epoch of [1, 2]) {
      const tree = slab.update([{ indexKey: hashOf(1), value: Uint8Array.of(epoch) }]);
      slab.accept(tree);
      const published = publication.publish(epochOf(epoch, tree));
      first.swap();
      await published;
    }
    assert.equal(first.got[1]?.tree?.buffer, undefined);
    const second = new FakeThread(publication);
    assert.equal(second.got[0]?.tree?.buffer, slab.tree.buffer);
    assert.equal(valueIn(second.got), 2);
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
    assert.equal(valueIn(second.got), 1);
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

  it("rejects data whose head cannot be had, and serves on", async () => {
    const { publication } = make();
    const thread = new FakeThread(publication);
    const first = publication.publish(epochOf(1));
    thread.swap();
    await first;
    const head = (): never => {
      throw new RangeError("no head");
    };
    const broken = { data: makeData({ epoch: 2, headVersion: 2, head }), tree: treeOf(2) };
    await assert.rejects(publication.publish(broken), RangeError);
    assert.equal(thread.got.length, 1);
    assert.equal(valueIn(thread.got), 1);
    const third = publication.publish(epochOf(3));
    thread.swap();
    await third;
    assert.equal(valueIn(thread.got), 3);
  });
});
