import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ReplyEntry } from "../../../src/dns/reply-entry.ts";
import { ComputeQueue, type PassedQuery } from "../../../src/dns/threads/compute-queue.ts";
import { encodeUtf8 } from "../../../src/vindex/bytes.ts";

const asker = { transport: "udp", address: new Uint8Array(4) } as const;
const nameOf = (message: Uint8Array): string => String.fromCharCode(...message);

interface Harness {
  readonly queue: ComputeQueue;
  /** Names in the order they were computed, and what each was answered with. */
  readonly computed: string[];
  readonly answers: [string, ReplyEntry | undefined, string | undefined][];
  add(worker: number, name: string, until?: number): void;
}

function make(
  options: { workers?: number; limit?: number; compute?: (name: string) => ReplyEntry | undefined } = {},
): Harness {
  const { workers = 2, limit = 100, compute = () => undefined } = options;
  const computed: string[] = [];
  const answers: Harness["answers"] = [];
  const queue = new ComputeQueue(workers, limit, (message) => {
    computed.push(nameOf(message));
    return compute(nameOf(message));
  });
  return {
    queue,
    computed,
    answers,
    add(worker, name, until = Number.POSITIVE_INFINITY) {
      const answer: PassedQuery["answer"] = (entry, failure) => answers.push([name, entry, failure]);
      queue.add(worker, { message: encodeUtf8(name), asker, until, answer });
    },
  };
}

async function untilEmpty(queue: ComputeQueue): Promise<void> {
  while (queue.size > 0) await nextTurn();
}

const busy = (milliseconds: number): void => {
  for (const end = performance.now() + milliseconds; performance.now() < end; );
};

describe("queries that wait for the main thread", () => {
  it("are taken of each worker in turn, the oldest first", async () => {
    const { queue, computed, add } = make({ workers: 3 });
    for (const name of ["a1", "a2", "a3", "a4"]) add(0, name);
    add(1, "b1");
    for (const name of ["c1", "c2"]) add(2, name);
    assert.equal(queue.size, 7);
    assert.deepEqual(computed, [], "not in the turn that brings them");
    await untilEmpty(queue);
    assert.deepEqual(computed, ["a1", "b1", "c1", "a2", "c2", "a3", "a4"]);
  });

  it("are answered with the entry, or with why there is none", async () => {
    const entry = { rcode: 0 } as Partial<ReplyEntry> as ReplyEntry;
    const { queue, answers, add } = make({
      compute: (name) => {
        if (name === "bug") throw new TypeError("planted");
        return name === "none" ? undefined : entry;
      },
    });
    for (const name of ["good", "none", "bug", "good"]) add(0, name);
    await untilEmpty(queue);
    assert.deepEqual(answers, [
      ["good", entry, undefined],
      ["none", undefined, undefined],
      ["bug", undefined, "planted"],
      ["good", entry, undefined],
    ]);
  });

  it("leave the thread to others every few milliseconds", async () => {
    const { queue, computed, add } = make({ compute: () => void busy(2) });
    for (let i = 0; i < 12; i++) add(0, `q${i}`);
    const seen: number[] = [];
    while (queue.size > 0) {
      await nextTurn();
      seen.push(computed.length);
    }
    assert.equal(computed.length, 12);
    assert.ok(seen.length >= 3, `all in ${seen.length} turns`);
  });

  it("are not computed when nobody waits any more", async () => {
    const { queue, computed, answers, add } = make();
    add(0, "late", performance.now() - 1);
    add(0, "in time", performance.now() + 1000);
    await untilEmpty(queue);
    assert.deepEqual(computed, ["in time"]);
    assert.equal(answers.length, 1);
  });

  it("are dropped beyond the limit of their worker, the oldest first, and of no other", async () => {
    const { queue, computed, add } = make({ limit: 3 });
    add(1, "b1");
    for (let i = 0; i < 10; i++) add(0, `a${i}`);
    assert.equal(queue.size, 4);
    await untilEmpty(queue);
    assert.deepEqual([...computed].sort(), ["a7", "a8", "a9", "b1"]);
  });

  it("are forgotten with their worker", async () => {
    const { queue, computed, add } = make();
    for (const name of ["a1", "a2"]) add(0, name);
    add(1, "b1");
    queue.drop(0);
    assert.equal(queue.size, 1);
    await untilEmpty(queue);
    assert.deepEqual(computed, ["b1"]);
    add(0, "a3");
    await untilEmpty(queue);
    assert.deepEqual(computed, ["b1", "a3"]);
  });
});
