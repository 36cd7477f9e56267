import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { RCODE, TYPE } from "../../src/dns/message.ts";
import {
  COUNTER,
  type CounterName,
  LATENCY_BOUNDS,
  LENGTH_BOUNDS,
  NO_QTYPE,
  QTYPE_CLASSES,
  RCODE_CLASSES,
  ServerStats,
  type StatsSnapshot,
} from "../../src/dns/stats.ts";

const makeStats = (): ServerStats => new ServerStats(new SharedArrayBuffer(ServerStats.byteLength));

/** What one call counted. */
function countOne(...reply: Parameters<ServerStats["countReply"]>): StatsSnapshot {
  const stats = makeStats();
  stats.countReply(...reply);
  return ServerStats.sum([stats]);
}

const total = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

describe("replies", () => {
  it("are counted by transport, type, response code and DO, each in its own place", () => {
    const seen = new Set<string>();
    const stats = makeStats();
    const types = [1, 2, 6, 16, 28, 48, 43, 46, 59, 255, 13, 251, 1000, NO_QTYPE];
    const rcodes = [0, 1, 2, 3, 4, 5, 16, 23, 9];
    assert.equal(types.length, QTYPE_CLASSES.length);
    assert.equal(rcodes.length, RCODE_CLASSES.length);
    for (const transport of ["udp", "tcp"] as const) {
      for (const type of types) {
        for (const rcode of rcodes) {
          for (const dnssecOk of [false, true]) {
            const { replies } = countOne(transport, type, rcode, dnssecOk, 100, 20);
            assert.equal(replies.length, 1);
            const [reply] = replies;
            assert.ok(reply !== undefined && reply.count === 1);
            assert.equal(reply.transport, transport);
            assert.equal(reply.dnssecOk, dnssecOk);
            assert.equal(reply.qtype, QTYPE_CLASSES[types.indexOf(type)]);
            assert.equal(reply.rcode, RCODE_CLASSES[rcodes.indexOf(rcode)]);
            seen.add(JSON.stringify(reply));
            stats.countReply(transport, type, rcode, dnssecOk, 100, 20);
          }
        }
      }
    }
    assert.equal(seen.size, 2 * types.length * rcodes.length * 2);
    const { replies } = ServerStats.sum([stats]);
    assert.deepEqual(new Set(replies.map((reply) => JSON.stringify(reply))), seen);
  });

  it("have the class of their type", () => {
    for (const [type, expected] of [
      [TYPE.A, "A"],
      [TYPE.TXT, "TXT"],
      [TYPE.RRSIG, "RRSIG/NSEC"],
      [TYPE.NSEC, "RRSIG/NSEC"],
      [TYPE.CDS, "CDS/CDNSKEY"],
      [TYPE.CDNSKEY, "CDS/CDNSKEY"],
      [TYPE.AXFR, "AXFR/IXFR"],
      [TYPE.IXFR, "AXFR/IXFR"],
      [TYPE.ANY, "ANY"],
      [NO_QTYPE, "none"],
      [0, "other"],
      [5, "other"],
      [TYPE.OPT, "other"],
      [254, "other"],
      [256, "other"],
      [257, "other"],
      [65535, "other"],
    ] as const) {
      assert.equal(countOne("udp", type, 0, false, 1, 1).replies[0]?.qtype, expected, `type ${type}`);
    }
  });

  it("have the class of their response code, for every code that the server sends", () => {
    for (const [name, rcode] of Object.entries(RCODE)) {
      assert.equal(countOne("udp", 1, rcode, false, 1, 1).replies[0]?.rcode, name);
    }
    for (const rcode of [6, 9, 15, 17, 22, 24, 4095]) {
      assert.equal(countOne("udp", 1, rcode, false, 1, 1).replies[0]?.rcode, "other", `rcode ${rcode}`);
    }
  });

  it("are in the first bucket whose bound they do not exceed", () => {
    const bucketOf = (bounds: readonly number[], at: (value: number) => readonly number[]): void => {
      bounds.forEach((bound, i) => {
        for (const [value, bucket] of [
          [bound, i],
          [bound + 0.5, i + 1],
        ] as const) {
          const buckets = at(value);
          assert.equal(buckets.length, bounds.length + 1);
          assert.equal(buckets[bucket], 1, `${value}`);
          assert.equal(total(buckets), 1);
        }
      });
      assert.equal(at(0)[0], 1);
      assert.equal(at(1e12).at(-1), 1);
    };
    for (const transport of ["udp", "tcp"] as const) {
      bucketOf(LATENCY_BOUNDS, (micros) => countOne(transport, 1, 0, false, 1, micros).latency[transport].buckets);
      bucketOf(LENGTH_BOUNDS, (length) => countOne(transport, 1, 0, false, length, 1).length[transport].buckets);
    }
  });

  it("add up, of each transport alone", () => {
    const stats = makeStats();
    for (let i = 0; i < 100; i++) stats.countReply("udp", TYPE.TXT, 0, true, 850, 12.5);
    stats.countReply("tcp", TYPE.TXT, 0, true, 3000, 70);
    const { latency, length, replies } = ServerStats.sum([stats]);
    assert.deepEqual([latency.udp.sum, latency.tcp.sum, length.udp.sum, length.tcp.sum], [1250, 70, 85_000, 3000]);
    assert.deepEqual([total(latency.udp.buckets), total(length.tcp.buckets)], [100, 1]);
    assert.deepEqual(
      replies.map(({ count }) => count),
      [100, 1],
    );
  });
});

describe("counters", () => {
  it("count each for itself, up and down", () => {
    const names = Object.keys(COUNTER) as CounterName[];
    assert.equal(new Set(Object.values(COUNTER)).size, names.length);
    for (const name of names) {
      const stats = makeStats();
      stats.count(COUNTER[name]);
      stats.count(COUNTER[name], 5);
      stats.count(COUNTER[name], -2);
      const { counters, replies } = ServerStats.sum([stats]);
      for (const other of names) assert.equal(counters[other], other === name ? 4 : 0);
      assert.equal(replies.length, 0);
    }
  });

  it("have numbers from 0 without a gap, as they are places in memory", () => {
    assert.deepEqual(
      Object.values(COUNTER).sort((a, b) => a - b),
      Object.keys(COUNTER).map((_, i) => i),
    );
  });
});

describe("sections", () => {
  it("of one buffer lie side by side and are summed", () => {
    const buffer = new SharedArrayBuffer(3 * ServerStats.byteLength);
    const sections = [0, 1, 2].map((i) => new ServerStats(buffer, i * ServerStats.byteLength));
    sections.forEach((section, i) => {
      section.count(COUNTER.signatures, 10 ** i);
      // The last cell of one and the first of the next are the likeliest to be mixed up.
      section.countReply("tcp", NO_QTYPE, 4095, true, 10 ** 6, 10 ** 7);
    });
    const sum = ServerStats.sum(sections);
    assert.equal(sum.counters.signatures, 111);
    assert.deepEqual([sum.latency.tcp.sum, sum.length.tcp.sum], [3 * 10 ** 7, 3 * 10 ** 6]);
    assert.deepEqual(sum.replies, [{ transport: "tcp", qtype: "none", rcode: "other", dnssecOk: true, count: 3 }]);
    assert.equal(ServerStats.sum([sections[1] as ServerStats]).counters.signatures, 10);
    assert.equal(ServerStats.sum([]).counters.signatures, 0);
  });

  it("outlive their thread, but for what was open", () => {
    const buffer = new SharedArrayBuffer(ServerStats.byteLength);
    const first = new ServerStats(buffer);
    first.count(COUNTER.tcpOpened, 7);
    first.count(COUNTER.tcpOpen, 7);
    const second = new ServerStats(buffer);
    second.resetGauges();
    second.count(COUNTER.tcpOpened);
    second.count(COUNTER.tcpOpen);
    const { counters } = ServerStats.sum([second]);
    assert.deepEqual([counters.tcpOpened, counters.tcpOpen], [8, 1]);
  });

  it("that do not fit are refused", () => {
    const buffer = new SharedArrayBuffer(ServerStats.byteLength + 8);
    for (const offset of [-8, 4, 16, ServerStats.byteLength]) {
      assert.throws(() => new ServerStats(buffer, offset), RangeError, `offset ${offset}`);
    }
    assert.throws(() => new ServerStats(new SharedArrayBuffer(ServerStats.byteLength - 8)), RangeError);
  });

  it("are read while another thread counts, and never go back", { timeout: 20_000 }, async () => {
    const buffer = new SharedArrayBuffer(ServerStats.byteLength);
    const source = `
      const { workerData, parentPort } = require("node:worker_threads");
      import(workerData.tsx).then(({ register }) => (register(), import(workerData.module))).then(({ ServerStats }) => {
        const stats = new ServerStats(workerData.buffer);
        for (let i = 0; i < 400_000; i++) stats.countReply("udp", 16, 0, true, 800, 30);
        parentPort.postMessage("done");
      });`;
    const module = new URL("../../src/dns/stats.ts", import.meta.url).href;
    const workerData = { buffer, module, tsx: import.meta.resolve("tsx/esm/api") };
    const worker = new Worker(source, { eval: true, workerData });
    const section = new ServerStats(buffer);
    let done = false;
    const finished = new Promise<void>((resolve) =>
      worker.once("message", () => {
        done = true;
        resolve();
      }),
    );
    let last = 0;
    while (!done) {
      const count = ServerStats.sum([section]).replies[0]?.count ?? 0;
      assert.ok(count >= last && count <= 400_000);
      last = count;
      await new Promise((next) => setImmediate(next));
    }
    await finished;
    assert.equal(ServerStats.sum([section]).replies[0]?.count, 400_000);
    await worker.terminate();
  });
});
