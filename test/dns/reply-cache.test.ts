import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { RCODE, TYPE } from "../../src/dns/message.ts";
import { ReplyCache } from "../../src/dns/reply-cache.ts";
import { RATE_CLASS, type RateClass, type ReplyEntry } from "../../src/dns/reply-entry.ts";
import { NOW } from "./fake-zone.ts";
import { question } from "./packet.ts";

const AT = { epoch: 10, headVersion: 7 };

function entry(name: string, parts: Partial<ReplyEntry> = {}): ReplyEntry {
  return {
    question: question(name, TYPE.TXT),
    variant: 0,
    rcode: RCODE.NOERROR,
    answerCount: 1,
    authorityCount: 0,
    additionalCount: 0,
    records: new Uint8Array(4),
    essentialLength: 4,
    ttlOffsets: [],
    epoch: AT.epoch,
    headVersion: 0,
    staleAt: NOW + 100,
    rateClass: RATE_CLASS.own,
    ...parts,
  };
}

/** Asks for the question of `kept`, or for one like it. */
function get(
  cache: ReplyCache,
  hash: number,
  kept: ReplyEntry,
  asked: { variant?: number; epoch?: number; headVersion?: number; now?: number } = {},
): ReplyEntry | undefined {
  const { variant = kept.variant, epoch = AT.epoch, headVersion = AT.headVersion, now = NOW } = asked;
  return cache.get(hash, kept.question, kept.question.length, variant, { epoch, headVersion }, now);
}

describe("a cache of replies", () => {
  it("gives what was put, for the same question", () => {
    const cache = new ReplyCache(16);
    const kept = entry("a.b");
    cache.put(5, kept);
    assert.equal(get(cache, 5, kept), kept);
  });

  it("reads no more of the question than its length", () => {
    const cache = new ReplyCache(16);
    const kept = entry("a.b");
    cache.put(5, kept);
    const scratch = new Uint8Array(260).fill(0x61);
    scratch.set(kept.question);
    assert.equal(cache.get(5, scratch, kept.question.length, 0, AT, NOW), kept);
    assert.equal(cache.get(5, scratch, kept.question.length + 1, 0, AT, NOW), undefined);
    assert.equal(cache.get(5, scratch, kept.question.length - 1, 0, AT, NOW), undefined);
  });

  it("takes any 32-bit hash, signed or not", () => {
    const cache = new ReplyCache(64);
    const kept = entry("a.b");
    for (const hash of [0, -1, 0xffffffff, 0x80000000, -0x80000000, 0x7fffffff]) {
      cache.put(hash, kept);
      assert.equal(get(cache, hash, kept), kept);
      assert.equal(get(cache, hash | 0, kept), kept);
      assert.equal(get(cache, hash >>> 0, kept), kept);
    }
  });

  it("gives nothing for another hash, name, type, class or variant", () => {
    const cache = new ReplyCache(16);
    const kept = entry("a.b", { variant: 1 });
    cache.put(5, kept);
    assert.equal(get(cache, 5 + 16, kept), undefined);
    assert.equal(get(cache, 5, entry("a.c"), { variant: 1 }), undefined);
    assert.equal(get(cache, 5, entry("a.bc"), { variant: 1 }), undefined);
    assert.equal(get(cache, 5, entry("", { question: question("a.b", TYPE.A) }), { variant: 1 }), undefined);
    assert.equal(get(cache, 5, entry("", { question: question("a.b", TYPE.TXT, 3) }), { variant: 1 }), undefined);
    for (const variant of [0, 2, 3]) assert.equal(get(cache, 5, kept, { variant }), undefined);
    assert.equal(get(cache, 5, kept), kept);
  });

  it("tells questions of one hash apart", () => {
    const cache = new ReplyCache(4);
    const all = ["a", "b", "c", "d"].map((name) => entry(name));
    for (const kept of all) cache.put(9, kept);
    assert.deepEqual(
      all.filter((kept) => get(cache, 9, kept) === kept).map(({ question: q }) => q[1]),
      all.map(({ question: q }) => q[1]),
    );
    for (const name of ["e", "f", "aa"]) assert.equal(get(cache, 9, entry(name)), undefined);
  });

  it("gives nothing of another epoch, older or newer", () => {
    const cache = new ReplyCache(16);
    const kept = entry("a.b");
    cache.put(5, kept);
    for (const epoch of [0, 9, 11]) assert.equal(get(cache, 5, kept, { epoch }), undefined);
    assert.equal(get(cache, 5, kept), kept);
  });

  it("gives nothing of another head where the head matters", () => {
    const cache = new ReplyCache(16);
    const bound = entry("a.b", { headVersion: 7 });
    const free = entry("a.c");
    cache.put(5, bound);
    cache.put(6, free);
    for (const headVersion of [6, 8]) {
      assert.equal(get(cache, 5, bound, { headVersion }), undefined);
      assert.equal(get(cache, 6, free, { headVersion }), free);
    }
    assert.equal(get(cache, 5, bound), bound);
  });

  it("gives nothing from the second on in which it is stale", () => {
    const cache = new ReplyCache(16);
    const kept = entry("a.b");
    cache.put(5, kept);
    assert.equal(get(cache, 5, kept, { now: NOW + 99 }), kept);
    assert.equal(get(cache, 5, kept, { now: NOW + 100 }), undefined);
  });

  it("keeps one entry a question: the last", () => {
    const cache = new ReplyCache(4);
    const others = ["b", "c", "d"].map((name) => entry(name));
    for (const kept of others) cache.put(9, kept);
    for (let i = 0; i < 20; i++) {
      const kept = entry("a", { epoch: AT.epoch + (i >> 2), headVersion: i, staleAt: NOW + i });
      cache.put(9, kept);
      assert.equal(get(cache, 9, kept, { epoch: kept.epoch, headVersion: i, now: NOW - 1 }), kept);
    }
  });

  it("of capacity 0 keeps nothing", () => {
    const cache = new ReplyCache(0);
    const kept = entry("a.b");
    cache.put(5, kept);
    cache.clear();
    assert.equal(get(cache, 5, kept), undefined);
  });

  it("that is cleared is empty, and can be used on", () => {
    const cache = new ReplyCache(64);
    const all = Array.from({ length: 16 }, (_, i) => entry(`n${i}`));
    all.forEach((kept, i) => {
      cache.put(i, kept);
    });
    cache.clear();
    all.forEach((kept, i) => {
      assert.equal(get(cache, i, kept), undefined);
    });
    cache.put(3, entry("again"));
    assert.ok(get(cache, 3, entry("again")) !== undefined);
  });

  it("does not grow beyond its capacity, rounded up", () => {
    for (const [capacity, most] of [
      [1, 4],
      [4, 4],
      [5, 8],
      [100, 128],
      [1024, 1024],
    ] as const) {
      const cache = new ReplyCache(capacity);
      const all = Array.from({ length: 5000 }, (_, i) => entry(`n${i}`));
      const hash = (i: number): number => Math.imul(i, 0x9e3779b1);
      all.forEach((kept, i) => {
        cache.put(hash(i), kept);
      });
      const found = all.filter((kept, i) => get(cache, hash(i), kept) === kept).length;
      assert.ok(found > most / 2 && found <= most, `${capacity}: ${found}`);
    }
  });

  it("gives only what was put last and is good, whatever happens", () => {
    const names = ["a", "b", "c", "d", "e", "f"];
    const classes = Object.values(RATE_CLASS);
    const step = fc.record({
      put: fc.boolean(),
      name: fc.constantFrom(...names),
      hash: fc.nat(3),
      variant: fc.constantFrom(0, 1, 3),
      epoch: fc.integer({ min: 8, max: 11 }),
      headVersion: fc.nat(2),
      now: fc.integer({ min: NOW, max: NOW + 6 }),
      rateClass: fc.constantFrom(...classes),
    });
    fc.assert(
      fc.property(fc.constantFrom(1, 8), fc.array(step, { maxLength: 60 }), (capacity, steps) => {
        const cache = new ReplyCache(capacity);
        const last = new Map<string, ReplyEntry>();
        for (const { put, name, hash, variant, epoch, headVersion, now, rateClass } of steps) {
          const id = `${name} ${hash} ${variant} ${epoch}`;
          if (put) {
            const kept = entry(name, { variant, epoch, headVersion, rateClass, staleAt: now + 2 });
            last.set(id, kept);
            cache.put(hash, kept);
          } else {
            const found = get(cache, hash, entry(name), { variant, epoch, headVersion, now });
            if (found === undefined) continue;
            assert.equal(found, last.get(id));
            assert.equal(found.epoch, epoch);
            assert.ok(found.headVersion === 0 || found.headVersion === headVersion);
            assert.ok(now < found.staleAt);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("gives what was just put, whatever stood there before", () => {
    const step = fc.record({
      name: fc.constantFrom("a", "b", "c", "d", "e"),
      epoch: fc.integer({ min: 9, max: 11 }),
      rateClass: fc.constantFrom<RateClass>(RATE_CLASS.own, RATE_CLASS.negative),
      get: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const cache = new ReplyCache(4);
        // Epochs only go up.
        for (const { name, rateClass, get: asks, epoch } of [...steps].sort((a, b) => a.epoch - b.epoch)) {
          const kept = entry(name, { epoch, rateClass });
          if (asks) get(cache, 9, kept, { epoch });
          else {
            cache.put(9, kept);
            assert.equal(get(cache, 9, kept, { epoch }), kept);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a flood of names that do not exist", () => {
  for (const [what, rateClass] of [
    ["denials", RATE_CLASS.negative],
    ["absences", RATE_CLASS.absence],
  ] as const) {
    it(`evicts nothing but ${what}`, () => {
      const cache = new ReplyCache(256);
      const hash = (i: number): number => Math.imul(i + 1, 0x9e3779b1);
      // Three of four ways are for modules.
      const modules = Array.from({ length: 3 * 64 }, (_, i) => entry(`m${i}`));
      modules.forEach((kept, i) => {
        cache.put(i % 64, kept);
      });
      for (let i = 0; i < 10_000; i++) cache.put(hash(i), entry(`x${i}`, { rateClass }));
      modules.forEach((kept, i) => {
        assert.equal(get(cache, i % 64, kept), kept);
      });
    });
  }

  it("leaves their places to modules, also if it comes first", () => {
    const cache = new ReplyCache(256);
    const flood = (): void => {
      for (let i = 0; i < 2000; i++) {
        cache.put(Math.imul(i + 1, 0x9e3779b1), entry(`x${i}`, { rateClass: RATE_CLASS.negative }));
      }
    };
    flood();
    const modules = Array.from({ length: 3 * 64 }, (_, i) => entry(`m${i}`));
    modules.forEach((kept, i) => {
      cache.put(i % 64, kept);
    });
    flood();
    modules.forEach((kept, i) => {
      assert.equal(get(cache, i % 64, kept), kept);
    });
  });

  it("does not keep a new module out", () => {
    const cache = new ReplyCache(4);
    for (let i = 0; i < 10; i++) {
      for (let j = 0; j < 20; j++) cache.put(0, entry(`x${j}`, { rateClass: RATE_CLASS.negative }));
      const kept = entry(`m${i}`);
      cache.put(0, kept);
      for (let j = 0; j < 20; j++) cache.put(0, entry(`y${j}`, { rateClass: RATE_CLASS.negative }));
      assert.equal(get(cache, 0, kept), kept);
    }
  });
});

describe("long entries", () => {
  const LENGTH = 20_000;
  const long = (name: string, parts: Partial<ReplyEntry> = {}): ReplyEntry =>
    entry(name, { records: new Uint8Array(LENGTH), ...parts });
  const hash = (i: number): number => Math.imul(i + 1, 0x9e3779b1);
  const CAPACITY = 256;
  const MOST = Math.floor((CAPACITY * 2048) / LENGTH);
  /** How many of the first 1,000 are kept. */
  const count = (cache: ReplyCache, epoch = AT.epoch): number => {
    const found = Array.from({ length: 1000 }, (_, i) => get(cache, hash(i), entry(`x${i}`), { epoch }));
    return found.filter((kept) => kept?.records.length === LENGTH).length;
  };
  const fill = (cache: ReplyCache, parts: Partial<ReplyEntry> = {}): void => {
    for (let i = 0; i < 1000; i++) cache.put(hash(i), long(`x${i}`, parts));
  };

  it("take together no more than two kilobytes for each place", () => {
    const cache = new ReplyCache(CAPACITY);
    fill(cache);
    assert.equal(count(cache), MOST);
  });

  it("leave room for those of usual length", () => {
    const cache = new ReplyCache(CAPACITY);
    fill(cache);
    for (let i = 0; i < 100; i++) {
      const kept = entry(`m${i}`, { records: new Uint8Array(2048) });
      cache.put(hash(i), kept);
      assert.equal(get(cache, hash(i), kept), kept);
    }
  });

  it("can be replaced where there is no room for more", () => {
    const cache = new ReplyCache(CAPACITY);
    fill(cache);
    const at = Array.from({ length: 1000 }, (_, i) => i).find((i) => get(cache, hash(i), entry(`x${i}`)) !== undefined);
    assert.notEqual(at, undefined);
    const newer = long(`x${at}`, { staleAt: NOW + 500 });
    cache.put(hash(at ?? 0), newer);
    assert.equal(get(cache, hash(at ?? 0), newer), newer);
    assert.equal(count(cache), MOST);
  });

  it("of an older epoch make room for those of a new one, wherever they stand", () => {
    const cache = new ReplyCache(CAPACITY);
    for (let epoch = AT.epoch; epoch < AT.epoch + 5; epoch++) {
      const all = Array.from({ length: MOST }, (_, i) => long(`x${i}`, { epoch }));
      // Each epoch in other sets than the one before.
      const set = (i: number): number => (i + (epoch % 2) * 32) % 64;
      all.forEach((kept, i) => {
        cache.put(set(i), kept);
      });
      all.forEach((kept, i) => {
        assert.equal(get(cache, set(i), kept, { epoch }), kept, `${i} of epoch ${epoch}`);
      });
    }
  });

  it("that are gone take no room", () => {
    const cache = new ReplyCache(CAPACITY);
    fill(cache);
    cache.clear();
    fill(cache);
    assert.equal(count(cache), MOST);
    // One by one replaced by short ones.
    for (let i = 0; i < 1000; i++) cache.put(hash(i), entry(`x${i}`));
    fill(cache);
    assert.equal(count(cache), MOST);
  });
});

describe("entries of use", () => {
  it("outlast those that nobody asks again", () => {
    const cache = new ReplyCache(4);
    const popular = entry("popular");
    cache.put(0, popular);
    for (let i = 0; i < 100; i++) {
      cache.put(0, entry(`once${i}`));
      assert.equal(get(cache, 0, popular), popular, String(i));
    }
  });

  it("of a new epoch take the places of the old one", () => {
    const cache = new ReplyCache(4);
    for (const name of ["a", "b", "c", "d"]) cache.put(0, entry(name));
    const epoch = AT.epoch + 1;
    const all = ["e", "f", "g", "h"].map((name) => entry(name, { epoch }));
    for (const kept of all) cache.put(0, kept);
    for (const kept of all) assert.equal(get(cache, 0, kept, { epoch }), kept);
  });
});
