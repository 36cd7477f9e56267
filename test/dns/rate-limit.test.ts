import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { parseIpv4, parseIpv6 } from "../../src/dns/address.ts";
import { RATE_VERDICT, RateLimiter, type RateLimitOptions } from "../../src/dns/rate-limit.ts";

const { PASS, DROP, SLIP } = RATE_VERDICT;
const KEY = Uint8Array.from({ length: 16 }, (_, i) => 11 * i + 3);
/** Some time of day in milliseconds. */
const NOON = 1_750_000_000_000;

type Options = Partial<RateLimitOptions>;

function makeLimiter(options: Options = {}, buffer?: SharedArrayBuffer): RateLimiter {
  return new RateLimiter(buffer ?? new SharedArrayBuffer(RateLimiter.bytesNeeded(options)), { key: KEY, ...options });
}

function ip(text: string): Uint8Array {
  const bytes = parseIpv4(text) ?? parseIpv6(text);
  assert.ok(bytes !== undefined);
  return bytes;
}

const NET = ip("192.0.2.1");
const OTHER_NET = ip("198.51.100.1");

/** How many of `count` checks pass. */
function passes(count: number, check: (i: number) => number): number {
  let passed = 0;
  for (let i = 0; i < count; i++) if (check(i) === PASS) passed++;
  return passed;
}

/** Distinct 32-bit numbers that look random. */
const scatter = (i: number): number => Math.imul(i + 1, 0x9e3779b1);

describe("the rate of one class", () => {
  it("lets a second's worth of replies leave at once, then one each interval", () => {
    const limiter = makeLimiter();
    assert.equal(
      passes(25, () => limiter.check(NET, 7, NOON)),
      25,
    );
    // At the pace of the rate nothing is limited, as what passes is what was paid off.
    for (let i = 1; i <= 200; i++) assert.equal(limiter.check(NET, 7, NOON + 40 * i), PASS, `reply ${i}`);
    assert.notEqual(limiter.check(NET, 7, NOON + 8000), PASS);
  });

  for (const rate of [1, 3, 7, 999, 30_000]) {
    it(`of ${rate} allows exactly ${rate} at once`, () => {
      const limiter = makeLimiter({ rate, netRate: 0 });
      assert.equal(
        passes(rate + 10, () => limiter.check(NET, 1, NOON)),
        rate,
      );
    });
  }

  it("never limits who stays below it, for as long as that may be", () => {
    const limiter = makeLimiter();
    for (let i = 0; i < 20_000; i++) assert.equal(limiter.check(NET, 7, NOON + 41 * i), PASS);
  });

  it("is exceeded by next to nothing in a flood, and again free after the window", () => {
    const limiter = makeLimiter();
    assert.equal(
      passes(60_000, (i) => limiter.check(NET, 7, NOON + i)),
      25,
    );
    const end = NOON + 60_000;
    assert.notEqual(limiter.check(NET, 7, end + 13_900), PASS);
    assert.equal(limiter.check(NET, 7, end + 13_900 + 15_000), PASS);
  });

  it("limited, costs the net nothing: its other classes go on", () => {
    const limiter = makeLimiter();
    passes(10_000, (i) => limiter.check(NET, 7, NOON + i / 100));
    assert.notEqual(limiter.check(NET, 7, NOON + 100), PASS);
    assert.equal(
      passes(25, () => limiter.check(NET, 8, NOON + 100)),
      25,
    );
  });

  it("limits for at most the window that is set", () => {
    for (const window of [1, 5, 60]) {
      const limiter = makeLimiter({ window });
      passes(100_000, (i) => limiter.check(NET, 7, NOON + i));
      // Quiet for the window is enough, and much less is not.
      assert.equal(limiter.check(NET, 7, NOON + 100_000 + 1000 * window), PASS, `window ${window}`);
      const again = makeLimiter({ window });
      passes(100_000, (i) => again.check(NET, 7, NOON + i));
      assert.notEqual(again.check(NET, 7, NOON + 100_000 + 1000 * (window - 1)), PASS, `window ${window}`);
    }
  });
});

describe("the rate of a net", () => {
  it("bounds a flood of 100,000 classes from one net", () => {
    const limiter = makeLimiter();
    const seconds = 5;
    const passed = passes(100_000, (i) => limiter.check(NET, scatter(i), NOON + (1000 * seconds * i) / 100_000));
    assert.ok(passed >= 100 && passed <= 100 * seconds + 100, `${passed} passed`);
  });

  it("is what a net with many classes gets if it keeps to it", () => {
    const limiter = makeLimiter();
    for (let i = 0; i < 5000; i++) assert.equal(limiter.check(NET, scatter(i), NOON + 10 * i), PASS);
  });

  it("exceeded, leaves the table alone: a flood makes few buckets", () => {
    const buffer = new SharedArrayBuffer(RateLimiter.bytesNeeded({}));
    const limiter = makeLimiter({}, buffer);
    passes(100_000, (i) => limiter.check(NET, scatter(i), NOON + i / 100));
    assert.ok(countBuckets(buffer) <= 1 + 200, `${countBuckets(buffer)} buckets`);
  });

  it("0 leaves the classes their own", () => {
    const limiter = makeLimiter({ netRate: 0 });
    assert.equal(
      passes(10_000, (i) => limiter.check(NET, scatter(i), NOON)),
      10_000,
    );
    assert.equal(
      passes(100, () => limiter.check(NET, 7, NOON)),
      25,
    );
  });
});

describe("a client net", () => {
  /** True if a flood from one address leaves nothing to the other. */
  function shares(flooder: string, victim: string): boolean {
    const limiter = makeLimiter();
    passes(1000, () => limiter.check(ip(flooder), 7, NOON));
    return limiter.check(ip(victim), 7, NOON) !== PASS;
  }

  it("is an IPv4 /24", () => {
    for (const other of ["192.0.2.0", "192.0.2.1", "192.0.2.128", "192.0.2.255"]) {
      assert.ok(shares("192.0.2.1", other), other);
    }
    for (const other of ["192.0.3.1", "192.1.2.1", "193.0.2.1", "2.0.192.1", "192.0.130.1"]) {
      assert.ok(!shares("192.0.2.1", other), other);
    }
  });

  it("is an IPv6 /56", () => {
    for (const other of ["2001:db8:1:2ff::", "2001:db8:1:200:ffff:ffff:ffff:ffff", "2001:db8:1:280::1"]) {
      assert.ok(shares("2001:db8:1:200::1", other), other);
    }
    for (const other of ["2001:db8:1:300::1", "2001:db8:1:100::1", "2001:db8:2:200::1", "2002:db8:1:200::1"]) {
      assert.ok(!shares("2001:db8:1:200::1", other), other);
    }
  });

  it("of one family is none of the other, whatever the bytes", () => {
    assert.ok(!shares("192.0.2.0", "c000:200::"));
    assert.ok(!shares("192.0.2.0", "c000:200:4::"));
    assert.ok(!shares("c000:200:400::", "192.0.2.0"));
    assert.ok(!shares("192.0.2.0", "::ffff:192.0.2.0"));
  });

  it("is not disturbed by a flood from another", () => {
    const limiter = makeLimiter();
    let passed = 0;
    for (let i = 0; i < 20_000; i++) {
      limiter.check(NET, scatter(i), NOON + i / 2);
      if (i % 100 === 0 && limiter.check(OTHER_NET, 7, NOON + i / 2) === PASS) passed++;
    }
    assert.equal(passed, 200);
  });
});

describe("a limited reply", () => {
  for (const [slip, pattern] of [
    [0, [DROP, DROP, DROP, DROP, DROP, DROP]],
    [1, [SLIP, SLIP, SLIP, SLIP, SLIP, SLIP]],
    [2, [DROP, SLIP, DROP, SLIP, DROP, SLIP]],
    [3, [DROP, DROP, SLIP, DROP, DROP, SLIP]],
  ] as const) {
    it(`is slipped by the rule of slip ${slip}, by class and by net`, () => {
      const byClass = makeLimiter({ slip, rate: 1 });
      assert.equal(byClass.check(NET, 7, NOON), PASS);
      assert.deepEqual(
        pattern.map(() => byClass.check(NET, 7, NOON)),
        pattern,
      );
      const byNet = makeLimiter({ slip, netRate: 1 });
      assert.equal(byNet.check(NET, 1, NOON), PASS);
      assert.deepEqual(
        pattern.map((_, i) => byNet.check(NET, scatter(i), NOON)),
        pattern,
      );
    });
  }

  it("is counted for each client alone, so that two who take turns both get slips", () => {
    const limiter = makeLimiter({ rate: 1, slip: 2 });
    const slips = [0, 0];
    for (let i = 0; i < 40; i++) {
      if (limiter.check(i % 2 === 0 ? NET : OTHER_NET, 7, NOON) === SLIP) slips[i % 2] = (slips[i % 2] as number) + 1;
    }
    assert.deepEqual(slips, [9, 9]);
  });
});

describe("clocks", () => {
  for (const step of [500, 5000, 3_600_000, 10 ** 12]) {
    it(`that step back by ${step} ms lock nobody out and free nobody`, () => {
      const limiter = makeLimiter();
      for (let i = 0; i < 100; i++) assert.equal(limiter.check(NET, 7, NOON + 41 * i), PASS);
      passes(10_000, () => limiter.check(OTHER_NET, 7, NOON + 4100));
      const after = NOON + 4100 - step;
      assert.equal(limiter.check(NET, 7, after), PASS);
      assert.notEqual(limiter.check(OTHER_NET, 7, after), PASS);
      for (let i = 0; i < 1000; i++) assert.equal(limiter.check(NET, 7, after + 80 * i), PASS, `reply ${i}`);
      assert.equal(limiter.check(OTHER_NET, 7, after + 80_000), PASS);
    });
  }

  it("that jump ahead and back again do not stop the time", () => {
    const limiter = makeLimiter();
    limiter.check(OTHER_NET, 7, NOON + 10 ** 12);
    passes(10_000, () => limiter.check(NET, 7, NOON));
    assert.notEqual(limiter.check(NET, 7, NOON + 13_000), PASS);
    assert.equal(limiter.check(NET, 7, NOON + 29_000), PASS);
  });

  it("of two threads may have begun at different times", () => {
    const buffer = new SharedArrayBuffer(RateLimiter.bytesNeeded({}));
    const clocks = [NOON, 1234.5, NOON / 2];
    const limiters = clocks.map(() => makeLimiter({}, buffer));
    const passed = passes(60_000, (i) =>
      (limiters[i % 3] as RateLimiter).check(NET, scatter(i), (clocks[i % 3] as number) + i / 6),
    );
    assert.ok(passed >= 100 && passed <= 100 * 10 + 100, `${passed} passed in ten seconds`);
  });

  it("of which one lags by less than a second do not make the time run fast", () => {
    const buffer = new SharedArrayBuffer(RateLimiter.bytesNeeded({}));
    const [ahead, behind] = [makeLimiter({ window: 1 }, buffer), makeLimiter({ window: 1 }, buffer)];
    // The lag comes and goes, so that whoever took it for a step would gain 900 ms each time.
    const passed = passes(20_000, (i) => {
      const now = NOON + 5 * i;
      return i % 2 === 0 ? ahead.check(NET, scatter(i), now) : behind.check(NET, scatter(i), now - 450 * (i & 2));
    });
    // 100 seconds at twice the rate of the net, with a window that lets half of it through.
    assert.ok(passed > 100 && passed <= 100 * 100 + 200, `${passed} passed in a hundred seconds`);
  });
});

describe("a full table", () => {
  it("lets strangers pass", () => {
    const limiter = makeLimiter({ buckets: 16 });
    const address = new Uint8Array(4);
    const passed = passes(5000, (i) => {
      address.set([i >> 8, i & 0xff]);
      return limiter.check(address, 7, NOON);
    });
    assert.equal(passed, 5000);
  });

  it("keeps the debt of a flooder who sprays other addresses to get rid of it", () => {
    const limiter = makeLimiter({ buckets: 256 });
    passes(2000, (i) => limiter.check(NET, scatter(i), NOON));
    passes(2000, () => limiter.check(OTHER_NET, 7, NOON));
    const address = new Uint8Array(4);
    for (let i = 0; i < 100_000; i++) {
      address.set([10, i >> 16, i >> 8, i]);
      // Each of them twice, so that no spoofed one is idle.
      limiter.check(address, scatter(i), NOON + i / 100);
      limiter.check(address, scatter(i), NOON + i / 100);
    }
    assert.notEqual(limiter.check(NET, 1, NOON + 1000), PASS);
    assert.notEqual(limiter.check(OTHER_NET, 7, NOON + 1000), PASS);
  });

  it("forgets the idle first, the longest idle before the others", () => {
    // One set of eight for classes.
    const buffer = new SharedArrayBuffer(RateLimiter.bytesNeeded({ buckets: 16 }));
    const limiter = makeLimiter({ buckets: 16, netRate: 0, rate: 10 }, buffer);
    for (let i = 0; i < 8; i++) limiter.check(NET, i, NOON + i);
    const before = readTags(buffer);
    limiter.check(NET, 0, NOON + 10);
    limiter.check(NET, 100, NOON + 11);
    const after = readTags(buffer);
    assert.deepEqual(
      before.map((tag, i) => tag !== after[i]),
      before.map((_, i) => i === 9),
    );
  });

  it("of whatever bits locks nobody out for longer than the window", () => {
    const buffer = new SharedArrayBuffer(RateLimiter.bytesNeeded({ buckets: 64 }));
    const limiter = makeLimiter({ buckets: 64 }, buffer);
    limiter.check(NET, 7, NOON);
    const times = new Float64Array(buffer);
    for (const junk of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e300, -1, 15_001]) {
      for (let bucket = 0; bucket < 64; bucket++) times[3 + 2 * bucket] = junk;
      assert.equal(limiter.check(NET, 7, NOON), PASS, `${junk}`);
    }
    for (let bucket = 0; bucket < 64; bucket++) times[3 + 2 * bucket] = 15_000;
    assert.notEqual(limiter.check(NET, 7, NOON), PASS);
    assert.equal(limiter.check(NET, 7, NOON + 15_000), PASS);
  });
});

describe("the key", () => {
  it("decides who shares a set, so that nobody can choose it", () => {
    const options = { buckets: 1024, netRate: 0 };
    const buffer = new SharedArrayBuffer(RateLimiter.bytesNeeded(options));
    const setOf = (key: Uint8Array, net: number): number => {
      new Uint8Array(buffer).fill(0);
      makeLimiter({ ...options, key }, buffer).check(Uint8Array.of(10, net >> 8, net, 1), 7, NOON);
      const at = readTags(buffer).findIndex((tag) => tag !== 0);
      assert.ok(at >= 512);
      return (at - 512) >> 3;
    };
    const together = Array.from({ length: 3000 }, (_, net) => net).filter((net) => setOf(KEY, net) === 5);
    assert.ok(together.length > 20 && together.length < 90, `${together.length} of 3000 in one of 64 sets`);
    for (let i = 0; i < 16; i++) {
      const other = KEY.slice();
      other[i] = (other[i] as number) ^ 0x10;
      const sets = new Set(together.map((net) => setOf(other, net)));
      // The first half of the key is of the nets, the second of the classes.
      if (i < 8) assert.deepEqual([...sets], [5]);
      else assert.ok(sets.size > 15, `${sets.size} sets`);
    }
  });
});

describe("a limiter", () => {
  it("of rate 0 limits nothing", () => {
    const limiter = makeLimiter({ rate: 0, netRate: 5 });
    assert.equal(
      passes(1000, () => limiter.check(NET, 7, NOON)),
      1000,
    );
  });

  for (const [what, options] of Object.entries({
    "a negative rate": { rate: -1 },
    "a rate of a half": { rate: 0.5 },
    "a rate that is none": { rate: Number.NaN },
    "a rate without end": { rate: Number.POSITIVE_INFINITY },
    "a rate above a million": { rate: 1_000_001 },
    "a negative rate of nets": { netRate: -1 },
    "no window": { window: 0 },
    "a window of more than an hour": { window: 3601 },
    "a slip of 11": { slip: 11 },
    "a slip of -1": { slip: -1 },
    "8 buckets": { buckets: 8 },
    "1000 buckets": { buckets: 1000 },
    "a short key": { key: KEY.subarray(1) },
    "a long key": { key: new Uint8Array(17) },
  } satisfies Record<string, Options>)) {
    it(`refuses ${what}`, () => {
      assert.throws(() => makeLimiter(options, new SharedArrayBuffer(1 << 21)), RangeError);
    });
  }

  it("refuses a buffer that is too small, and addresses of other lengths", () => {
    const needed = RateLimiter.bytesNeeded({ buckets: 32 });
    assert.throws(() => makeLimiter({ buckets: 32 }, new SharedArrayBuffer(needed - 1)), RangeError);
    assert.throws(() => RateLimiter.bytesNeeded({ buckets: 33 }), RangeError);
    const limiter = makeLimiter({ buckets: 32 }, new SharedArrayBuffer(needed + 3));
    for (const length of [0, 3, 5, 15, 17]) {
      assert.throws(() => limiter.check(new Uint8Array(length), 1, NOON), RangeError);
    }
  });

  it("takes a mebibyte by default", () => {
    assert.equal(RateLimiter.bytesNeeded({}), 16 + 2 ** 20);
  });
});

describe("two threads over one table", () => {
  const source = `
    const { workerData, parentPort } = require("node:worker_threads");
    const loaded = import(workerData.tsx).then(({ register }) => (register(), import(workerData.module)));
    loaded.then(({ RateLimiter }) => {
      const limiter = new RateLimiter(workerData.buffer, workerData.options);
      const address = new Uint8Array(4);
      let passed = 0;
      parentPort.once("message", () => {
        for (let i = 0; i < workerData.checks; i++) {
          address.set([192, 0, 2, 1]);
          if (limiter.check(address, i, workerData.now) === 0) passed++;
          // Strangers, so that sets fill up and buckets are replaced while the other thread reads them.
          address.set([10, i >> 8, i, 1]);
          limiter.check(address, i, workerData.now);
        }
        parentPort.postMessage(passed);
      });
      parentPort.postMessage("ready");
    });`;

  it("share what they counted, and neither corrupts what the other reads", { timeout: 20_000 }, async () => {
    const options = { key: KEY, buckets: 1024, netRate: 50_000 };
    const buffer = new SharedArrayBuffer(RateLimiter.bytesNeeded(options));
    const workerData = {
      tsx: import.meta.resolve("tsx/esm/api"),
      module: new URL("../../src/dns/rate-limit.ts", import.meta.url).href,
      buffer,
      options,
      checks: 200_000,
      now: NOON,
    };
    const workers = [0, 1].map(() => new Worker(source, { eval: true, workerData }));
    try {
      await Promise.all(workers.map((worker) => new Promise((ready) => worker.once("message", ready))));
      const counts = workers.map((worker) => new Promise<number>((done) => worker.once("message", done)));
      for (const worker of workers) worker.postMessage("go");
      const [a = 0, b = 0] = await Promise.all(counts);
      // Each alone would pass 50,000; what is lost to counting at once is not much, and never makes it less.
      assert.ok(a + b >= 50_000 && a + b < 100_000, `${a} and ${b} passed`);
      const main = makeLimiter(options, buffer);
      assert.notEqual(main.check(NET, 1, NOON), PASS);
      assert.equal(main.check(OTHER_NET, 1, NOON), PASS);
      assert.equal(main.check(NET, 1, NOON + 16_000), PASS);
    } finally {
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
  });
});

/** The tags of all buckets. */
function readTags(buffer: SharedArrayBuffer): number[] {
  const words = new Int32Array(buffer);
  return Array.from({ length: (buffer.byteLength - 16) / 16 }, (_, i) => words[4 + 4 * i] as number);
}

function countBuckets(buffer: SharedArrayBuffer): number {
  return readTags(buffer).filter((tag) => tag !== 0).length;
}
