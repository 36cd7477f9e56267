import assert from "node:assert/strict";
import { test } from "node:test";
import { amplifications, judge, memoryFloorGrowth, memoryGrowth, type Outcome } from "./goals.ts";
import { Histogram } from "./histogram.ts";
import { Latencies } from "./latencies.ts";
import { growth } from "./trend.ts";
import { VICTIMS, victimCounters } from "./victims.ts";

const MIB = 2 ** 20;

/** Memory of 30 minutes that grows by `share` of its mean from minute 5 on, and by a lot before. */
function makeMemory(share: number): Outcome["memory"] {
  return Array.from({ length: 181 }, (_, i) => {
    const time = 10 * i;
    const value = time < 300 ? time * MIB : 300 * MIB * (1 + share * ((time - 300) / 1500 - 0.5));
    return { time, value };
  });
}

function makeCounts(changes: Readonly<Record<string, number>> = {}): Map<string, number> {
  const counts = new Map<string, number>(Object.entries({ "unlimited asked": 100_000, "tcp asked": 20_000 }));
  for (let victim = 0; victim < VICTIMS; victim++) {
    const { asked, received } = victimCounters(victim, 0);
    counts.set(asked, 1000).set(received, 2500);
  }
  for (const [what, count] of Object.entries(changes)) counts.set(what, count);
  return counts;
}

const good: Outcome = {
  minutes: 30,
  rate: 20_000,
  madeRate: 19_900,
  victimRate: 600,
  counts: makeCounts(),
  verified: 20_000,
  wrong: 0,
  epochs: 355,
  epochTime: 5,
  waitedCores: 0.05,
  memory: makeMemory(0.005),
  isReady: true,
  ended: "0",
};

const missed = (outcome: Outcome): string[] =>
  judge(outcome)
    .filter(({ verdict }) => verdict === "MISS")
    .map(({ what }) => what);

test("a run that reaches everything misses nothing", () => {
  assert.deepEqual(missed(good), []);
  assert.ok(judge(good).every(({ verdict }) => verdict === "PASS"));
});

test("each thing that goes wrong misses its goal, and no other", () => {
  const runs: [RegExp, Partial<Outcome>][] = [
    [/the load was made/, { madeRate: 17_900 }],
    [/verified/, { verified: 9_999 }],
    [/no wrong answer/, { wrong: 1 }],
    [/no wrong answer/, { counts: makeCounts({ wrong: 1 }) }],
    [/with a cookie/, { counts: makeCounts({ "unlimited lost": 11 }) }],
    [/with a cookie/, { counts: makeCounts({ "unlimited truncated": 11 }) }],
    [/with a cookie/, { counts: makeCounts({ "unlimited failed": 11 }) }],
    [/by TCP/, { counts: makeCounts({ "tcp lost": 3 }) }],
    [/by TCP/, { counts: makeCounts({ "tcp failed": 3 }) }],
    [/by TCP/, { counts: makeCounts({ "tcp asked": 0 }) }],
    [/worst victim/, { counts: makeCounts({ [victimCounters(3, 1).received]: 501 }) }],
    [/an epoch every/, { epochs: 287 }],
    [/memory/, { memory: makeMemory(0.011) }],
    [/ready/, { isReady: false }],
    [/SIGTERM/, { ended: "1" }],
    [/SIGTERM/, { ended: "SIGKILL" }],
  ];
  for (const [what, change] of runs) {
    const found = missed({ ...good, ...change });
    assert.equal(found.length, 1, `${what}: ${found}`);
    assert.match(found[0] as string, what);
  }
});

test("amplification to all victims is missed too", () => {
  const much = Object.fromEntries(Array.from({ length: VICTIMS }, (_, i) => [victimCounters(i, 2).received, 600]));
  const found = missed({ ...good, counts: makeCounts(much) });
  assert.equal(found.length, 2);
});

test("what is below the limits of the server is no flood, and its amplification not judged", () => {
  const verdicts = judge({ ...good, victimRate: 599 }).filter(({ verdict }) => verdict === "not judged");
  assert.equal(verdicts.length, 2);
  for (const { what, found } of verdicts) assert.match(`${what}: ${found}`, /^amplification .*599 queries/);
});

test("what cannot be judged is not passed", () => {
  const verdicts = judge({ ...good, minutes: 1, epochs: 12, memory: [] });
  const open = verdicts.filter(({ verdict }) => verdict === "not judged").map(({ what }) => what);
  assert.equal(open.length, 1);
  assert.match(open[0] as string, /memory/);
});

test("answers lost while the server waited for a CPU are not held against it, and not passed", () => {
  const busy = { ...good, waitedCores: 0.11, counts: makeCounts({ "unlimited lost": 11 }) };
  const [loss] = judge(busy).filter(({ verdict }) => verdict !== "PASS");
  assert.equal(loss?.verdict, "not judged");
  assert.match(loss?.found ?? "", /11 of 100000 not, and the server waited for 0.11 cores/);
});

test("amplification is bytes out for bytes in, of all, of the worst and of each style", () => {
  const counts = new Map([
    [victimCounters(0, 0).asked, 100],
    [victimCounters(0, 0).received, 400],
    [victimCounters(1, 1).asked, 300],
    [victimCounters(1, 1).received, 300],
  ]);
  const found = amplifications(new Map([...makeCountsOfOne(), ...counts]));
  assert.equal(found.all, (700 + 14) / (400 + 14));
  assert.equal(found.worst, 4);
  assert.equal(found.byStyle["existing names"], 1);
});

/** A byte for a byte, for the victims that a test does not speak of. */
function makeCountsOfOne(): Map<string, number> {
  const counts = new Map<string, number>();
  for (let victim = 2; victim < VICTIMS; victim++) {
    const { asked, received } = victimCounters(victim, 2);
    counts.set(asked, 1).set(received, 1);
  }
  return counts;
}

test("growth is that of the least squares, and the first minutes do not count", () => {
  assert.ok(Math.abs(memoryGrowth(makeMemory(0.02)) - 0.02) < 1e-9);
  assert.ok(Math.abs(memoryGrowth(makeMemory(-0.02)) + 0.02) < 1e-9);
  const line = [0, 1, 2, 3].map((time) => ({ time, value: 10 + time }));
  assert.ok(Math.abs(growth(line) - 3 / 11.5) < 1e-12);
  assert.ok(Number.isNaN(growth(line.slice(0, 1))));
});

test("steps of a collector do not hide what the floor does", () => {
  const saw = (share: number): Outcome["memory"] =>
    makeMemory(share).map(({ time, value }) => ({ time, value: value + ((time / 10) % 5) * 10 * MIB }));
  assert.ok(Math.abs(memoryFloorGrowth(saw(0))) < 1e-9);
  assert.ok(Math.abs(memoryFloorGrowth(saw(0.05)) - 0.05) < 0.005);
  assert.ok(Math.abs(memoryGrowth(saw(0))) < 0.01);
});

test("percentiles are exact to a tenth, over slots of any times", () => {
  const histogram = new Histogram();
  for (let i = 1; i <= 1000; i++) histogram.add(i / 10);
  for (const share of [0.5, 0.99]) {
    const [found, exact] = [histogram.percentile(share), 100 * share];
    assert.ok(found >= exact && found <= 1.1 * exact, `${found} for ${exact}`);
  }
  assert.ok(Number.isNaN(new Histogram().percentile(0.5)));
});

test("latencies around a swap are told from the others", () => {
  const latencies = new Latencies();
  const slow = Histogram.bucketOf(50);
  const fast = Histogram.bucketOf(1);
  for (let at = 100; at < 200; at++) latencies.add([{ at, buckets: [at >= 150 && at < 153 ? slow : fast, 10] }]);
  const { swaps, between } = latencies.aroundSwaps([{ epoch: 2, at: 15_000 }]);
  assert.deepEqual([swaps.answers, between.answers], [150, 850]);
  assert.ok(swaps.p99 >= 50 && between.p99 < 1.2);
});
