import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import type { FlatTree } from "../../src/vindex/flat-tree.ts";
import { PrefixTree } from "../../src/vindex/prefix-tree.ts";
import { TreeSlab } from "../../src/vindex/tree-slab.ts";
import { hashOf, sha256, toHex } from "./samples.ts";
import type { ReaderSays, ShownTree } from "./tree-reader.ts";
import { sortedPairsOf } from "./trees.ts";

const KEYS = 20_000;
const READERS = 3;
const EPOCHS = 400;

let seed = 7;
const random = (below: number): number => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((seed / 2 ** 32) * below);
};
const randomValue = (): Uint8Array => new Uint8Array(1 + random(255)).fill(random(256));

function startReader(): Worker {
  const module = new URL("./tree-reader.ts", import.meta.url).href;
  const loader = import.meta.resolve("tsx/esm/api");
  const boot = `import(${JSON.stringify(loader)}).then(({ register }) => {
    register();
    return import(${JSON.stringify(module)});
  });`;
  return new Worker(boot, { eval: true });
}

/** A reader, and the newest tree that it says it reads. */
class Reader {
  readonly #worker = startReader();
  reads = 0;
  end: Extract<ReaderSays, { kind: "done" }> | undefined;
  onSaid: () => void = () => {};
  readonly ended: Promise<unknown> = once(this.#worker, "exit");

  constructor() {
    this.#worker.on("message", (said: ReaderSays) => {
      if (said.kind === "done") this.end = said;
      else this.reads = said.number;
      this.onSaid();
    });
    this.ended.catch(() => {});
  }

  post(message: ShownTree | "end"): void {
    this.#worker.postMessage(message);
  }
}

describe("a tree slab that threads read", () => {
  it("gives none of them a proof that does not verify, through hundreds of updates, moves and re-sorts", async () => {
    const pairs = new Map<number, Uint8Array>();
    for (let i = 0; i < KEYS / 2; i++) pairs.set(random(KEYS), randomValue());
    const slab = TreeSlab.build(sortedPairsOf(Array.from(pairs, ([i, value]) => ({ indexKey: hashOf(i), value }))));
    const readers = Array.from({ length: READERS }, () => new Reader());
    const keysOf = Array.from({ length: KEYS }, (_, i) => hashOf(i));
    const buffers = new Set<unknown>();
    let resorting: Promise<void> | undefined;
    /** What was shown, by its number. The writer is up to three trees ahead of the slowest reader. */
    const shown = new Map<number, FlatTree>();
    const show = async (number: number, ahead = 3): Promise<void> => {
      const { tree } = slab;
      shown.set(number, tree);
      buffers.add(tree.buffer);
      for (const reader of readers) reader.post({ number, buffer: tree.buffer, root: tree.root, keys: KEYS });
      const late = (): number => [...shown.keys()].filter((n) => readers.some(({ reads }) => reads < n)).length;
      while (late() > ahead) {
        const said = readers.map(
          (reader) =>
            new Promise<void>((resolve) => {
              reader.onSaid = resolve;
            }),
        );
        const ended = readers.map(({ ended }) => ended.then(() => assert.fail("a reader has ended")));
        await Promise.race([...said, ...ended]);
      }
      // What all readers have swapped in is the oldest in use.
      const oldest = Math.min(...readers.map(({ reads }) => reads));
      for (const n of shown.keys()) if (n < oldest) shown.delete(n);
      const inUse = shown.get(oldest);
      if (inUse !== undefined) slab.retire(inUse);
    };
    await show(1, 0);
    for (let epoch = 2; epoch <= EPOCHS; epoch++) {
      const changes = new Map<number, Uint8Array | undefined>();
      const count = epoch % 50 === 0 ? 8000 : 1 + random(300);
      for (let n = 0; n < count; n++) changes.set(random(KEYS), random(4) === 0 ? undefined : randomValue());
      const tree = slab.update(Array.from(changes, ([i, value]) => ({ indexKey: keysOf[i] as Uint8Array, value })));
      if (epoch % 9 === 0) {
        slab.discard(tree);
        continue;
      }
      slab.accept(tree);
      for (const [i, value] of changes) {
        if (value === undefined) pairs.delete(i);
        else pairs.set(i, value);
      }
      if (epoch % 100 === 37) resorting = slab.resort();
      await show(epoch);
    }
    await resorting;
    await show(EPOCHS + 1, 0);
    for (const reader of readers) reader.post("end");
    await Promise.all(readers.map((reader) => reader.ended));
    const expected = PrefixTree.of(
      Array.from(pairs, ([i, value]) => ({ indexKey: hashOf(i), value })),
      sha256,
    );
    assert.equal(toHex(slab.tree.rootHash()), toHex(expected.rootHash()));
    assert.ok(buffers.size >= 4, `${buffers.size} buffers`);
    for (const { end } of readers) {
      assert.ok(end !== undefined, "a reader has ended before it was asked to");
      assert.ok(end.proofs > 10_000 && end.absent > 1000, JSON.stringify(end));
    }
  });
});
