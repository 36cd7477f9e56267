import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { AbortHub } from "../../src/client/abort-hub.ts";
import { SharedTask } from "../../src/client/shared-task.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";

test("a hub has one listener on a signal, as long as anyone listens", () => {
  const hub = new AbortHub();
  const { signal } = new AbortController();
  const leaves = Array.from({ length: 30 }, () => hub.listen(signal, () => assert.fail("aborted")));
  assert.equal(getEventListeners(signal, "abort").length, 1);
  for (const leave of leaves.slice(1)) leave();
  assert.equal(getEventListeners(signal, "abort").length, 1);
  leaves[0]?.();
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("all that listen are called once, those that left are not", () => {
  const hub = new AbortHub();
  const controller = new AbortController();
  const called: number[] = [];
  const leaves = [0, 1, 2, 3].map((i) => hub.listen(controller.signal, () => called.push(i)));
  leaves[2]?.();
  leaves[2]?.();
  controller.abort();
  controller.abort();
  assert.deepEqual(called, [0, 1, 3]);
  hub.listen(controller.signal, () => called.push(4));
  assert.deepEqual(called, [0, 1, 3, 4]);
});

test("who leaves twice takes nobody else along", () => {
  const hub = new AbortHub();
  const controller = new AbortController();
  const leave = hub.listen(controller.signal, () => assert.fail("left"));
  leave();
  let isCalled = false;
  hub.listen(controller.signal, () => {
    isCalled = true;
  });
  leave();
  controller.abort();
  assert.ok(isCalled);
});

test("a callback that leaves, or makes others leave, is no trouble", () => {
  const hub = new AbortHub();
  const controller = new AbortController();
  const called: string[] = [];
  const leaves: (() => void)[] = [];
  leaves.push(
    hub.listen(controller.signal, () => {
      called.push("first");
      for (const leave of leaves) leave();
    }),
    hub.listen(controller.signal, () => called.push("second")),
  );
  controller.abort();
  assert.deepEqual(called, ["first"]);
});

test("no signal is no trouble either", () => {
  new AbortHub().listen(undefined, () => assert.fail("aborted"))();
});

test("a shared task goes on as long as one waits, and is called off with the last", async () => {
  let aborted = false;
  const task = new SharedTask<number>(
    (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          aborted = true;
          reject(new Error("called off"));
        });
      }),
  );
  const [one, two] = [new AbortController(), new AbortController()];
  const first = assert.rejects(task.join(one.signal), /one/);
  const second = assert.rejects(task.join(two.signal), /two/);
  one.abort(new Error("one"));
  await first;
  assert.ok(!aborted && !task.isAbandoned);
  two.abort(new Error("two"));
  await second;
  assert.ok(aborted && task.isAbandoned);
});

test("a shared task that is over stays so: whoever leaves or comes then changes nothing", async () => {
  const task = new SharedTask(() => Promise.resolve(7));
  const controller = new AbortController();
  assert.equal(await task.join(controller.signal), 7);
  controller.abort();
  assert.equal(await task.join(undefined), 7);
  assert.ok(!task.isAbandoned);
  await assert.rejects(task.join(AbortSignal.abort(new Error("enough"))), /enough/);
  assert.equal(await task.join(undefined), 7);
});

test("the last that leaves a shared task gets what it found, which weighs more than that time was over", async () => {
  const found = new ProofdnsError("BAD_PROOF", "found");
  const make = (): SharedTask<number> =>
    new SharedTask((signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(found))));
  const late = new ProofdnsError("UNREACHABLE", "late");
  const task = make();
  const [one, two] = [new AbortController(), new AbortController()];
  const first = assert.rejects(task.join(one.signal), late);
  const second = assert.rejects(task.join(two.signal), found);
  for (const each of [one, two]) each.abort(late);
  await Promise.all([first, second]);
  await assert.rejects(make().join(AbortSignal.abort(late)), found, "also one that was told before");
  // Who ends it of their own will is told their own reason.
  await assert.rejects(make().join(AbortSignal.abort(new Error("enough"))), /enough/);
});

test("a shared task that fails fails all, and nobody unheard", async () => {
  const task = new SharedTask(() => Promise.reject(new Error("no")));
  await assert.rejects(task.join(undefined), /^Error: no$/);
  await assert.rejects(task.join(new AbortController().signal), /^Error: no$/);
  new SharedTask(() => Promise.reject(new Error("nobody waits")));
});
